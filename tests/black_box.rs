//! The real program, asked over its ports and run with its arguments. One binary, because each links the whole program.

mod authz;
mod deploy;
mod docs;
mod gateway;
mod key_sources;
mod openapi;
mod operator;
mod policies;
mod reload;
mod session_api;
mod session_api_v1;
#[path = "support/signers.rs"]
mod signers;
mod webhooks;
