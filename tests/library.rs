//! The library, called as a program would call it: configuration, formats, manifests, the stream table.

mod architecture;
mod cat_oracle;
mod cloud_front_oracle;
mod config;
mod corpus_manifests;
mod corpus_tokens;
mod edge_auth_oracle;
mod names;
mod stream_table;
mod takeover;
