//! The command line. Only this program knows all rooms of the house.

#![forbid(unsafe_code)]

mod command;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Holds each account to its number of concurrent video streams, in front of any HLS or DASH origin.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve viewers until SIGTERM (finishing what is under way) or SIGINT (at once). At SIGHUP, and when its file has changed,
    /// the configuration is read again.
    Run {
        /// The configuration, a YAML file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration and report every problem with its line and column.
    Check {
        /// The configuration, a YAML file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// `json`: one object on standard output, with `valid`, `problems` and `warnings`.
        #[arg(long, value_enum, default_value = "text")]
        format: command::CheckFormat,
    },
    /// Print a token for trials, signed with the application's own secret.
    Token {
        /// The configuration, a YAML file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The application that is to accept the token.
        #[arg(long, value_name = "NAME")]
        application: String,
        /// The account within its identity provider.
        #[arg(long, value_name = "NAME")]
        subject: String,
        /// The device.
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
        /// A further claim, such as `plan=premium` or `maxStreams=3`; may be given several times. What reads as JSON is that, all
        /// else is text.
        #[arg(long, value_name = "NAME=VALUE", value_parser = command::claim)]
        claim: Vec<(String, serde_json::Value)>,
        /// How long it is valid.
        #[arg(long, value_name = "TIME", default_value = "12h", value_parser = humantime::parse_duration)]
        lifetime: Duration,
    },
    /// Say what the gateway would make of a request: application, account, device, stream, attributes, or why its token
    /// proves nothing. Nothing is asked of the origin, and no stream is started.
    Identify {
        /// The configuration, a YAML file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// A header of the request; may be given several times.
        #[arg(long, value_name = "NAME: VALUE")]
        header: Vec<String>,
        /// The viewer's address.
        #[arg(long, value_name = "ADDRESS")]
        client: Option<std::net::IpAddr>,
        /// The URL that is asked for, with its token where it carries one.
        #[arg(value_name = "URL")]
        url: String,
    },
    /// Play a written scenario (who starts what, and when) against the policies, and say what they decide and why. Nothing is
    /// served. Fails where the scenario expects something else.
    Explain {
        /// The configuration, a YAML file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The scenario, a YAML file; docs/policies.md shows how it is written.
        #[arg(long, value_name = "FILE")]
        scenario: PathBuf,
        /// One JSON object a line, with all that each decision rests on.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Serve a small origin of our own through the gateway, with tokens to try it.
    Demo {
        /// Where viewers connect.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        listen: std::net::SocketAddr,
        /// Where metrics and the operator's API are.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
        control: std::net::SocketAddr,
    },
    /// Serve the demo's origin alone, without a gateway.
    #[command(hide = true)]
    DemoOrigin {
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS")]
        address: std::net::SocketAddr,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { config } => command::run::run(&config),
        Command::Check { config, format } => command::check(&config, format),
        Command::Token { config, application, subject, device, claim, lifetime } => {
            command::token(&config, &application, (&subject, device.as_deref()), &claim, lifetime)
        }
        Command::Identify { config, header, client, url } => {
            command::identify::identify(&config, &url, &header, client)
        }
        Command::Explain { config, scenario, json } => command::explain::explain(&config, &scenario, json),
        Command::Schema => command::schema(),
        Command::Demo { listen, control } => command::demo::demo(listen, control),
        Command::DemoOrigin { address } => command::demo::origin(address),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::from(1)
        }
    }
}
