//! The gateway as a black box: the real program, started with a configuration, between a client and an origin.

mod gateway {
    mod admission;
    mod forms;
    mod guards;
    mod manifests;
    mod origins;
    mod restart;
    mod support;
    mod tls;
    mod tokens;
}
