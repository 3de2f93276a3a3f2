//! The `streamgate` program: its command line.

#![forbid(unsafe_code)]

mod command;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Limits the concurrent video streams of each account, in front of any HLS or DASH origin.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve viewers. SIGTERM stops after the requests in flight, SIGINT at once. SIGHUP or a changed file reloads the
    /// configuration.
    Run {
        /// Configuration file (YAML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration and report every problem with its line and column.
    Check {
        /// Configuration file (YAML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// `json` prints one object with `valid`, `problems` and `warnings`.
        #[arg(long, value_enum, default_value = "text")]
        format: command::CheckFormat,
    },
    /// Print a test token, signed with the application's secret.
    Token {
        /// Configuration file (YAML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The application that accepts the token.
        #[arg(long, value_name = "NAME")]
        application: String,
        /// The account at its identity provider.
        #[arg(long, value_name = "NAME")]
        subject: String,
        /// The device.
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
        /// A further claim, such as `plan=premium` or `maxStreams=3`. Repeatable. A value that is valid JSON is used as
        /// JSON, any other as text.
        #[arg(long, value_name = "NAME=VALUE", value_parser = command::claim)]
        claim: Vec<(String, serde_json::Value)>,
        /// Lifetime of the token.
        #[arg(long, value_name = "TIME", default_value = "12h", value_parser = humantime::parse_duration)]
        lifetime: Duration,
    },
    /// Show the application, account, device, stream and attributes of a request, or why its token is invalid. Sends no
    /// request to the origin and starts no stream.
    Identify {
        /// Configuration file (YAML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// A header of the request. Repeatable.
        #[arg(long, value_name = "NAME: VALUE")]
        header: Vec<String>,
        /// The viewer's address.
        #[arg(long, value_name = "ADDRESS")]
        client: Option<std::net::IpAddr>,
        /// The requested URL, with its token if it contains one.
        #[arg(value_name = "URL")]
        url: String,
    },
    /// Run a scenario (who starts what, and when) against the policies, and show what they decide and why. Serves
    /// nothing. Fails if the scenario expects something else.
    Explain {
        /// Configuration file (YAML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Scenario file (YAML); docs/policies.md describes the format.
        #[arg(long, value_name = "FILE")]
        scenario: PathBuf,
        /// Print one JSON object per line, with all details of each decision.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Serve a small demo origin through the gateway, with tokens to try it.
    Demo {
        /// Address for viewers.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        listen: std::net::SocketAddr,
        /// Address for metrics and the operator API.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
        control: std::net::SocketAddr,
    },
    /// Serve only the demo origin, without a gateway.
    #[command(hide = true)]
    DemoOrigin {
        /// Listening address.
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
