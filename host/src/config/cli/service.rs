//! Flags for how a component is kept running, and what is logged about it.

#[cfg(feature = "exporter")]
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::variables::Variable;
use crate::process::log::LogFormat;

/// Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Service")]
pub struct ServiceFlags {
    /// Read grants and limits from this TOML file; flags add to its lists and override its values
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    #[expect(clippy::doc_markdown, reason = "it is the help, too, which has no Markdown")]
    /// Read the key from this file that client and server share, or two of them, a line each: who
    /// has none gets no answer. It is read again at SIGHUP (Linux), and goes before UDPING_KEY,
    /// which the built-in components get from the environment
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Set an environment variable of the component, to the value that it has here or to VALUE; may
    /// be repeated
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<Variable>,
    /// Give it standard input, and no notices of this host there; else standard input is empty
    #[arg(long)]
    pub stdin: bool,
    /// How long it has to end after the first signal, before it is ended, where it takes notices
    /// [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub stop_grace: Option<Duration>,
    /// Resolve the names in its grants again when it asks for them after this long, and grant what
    /// they stand for then; the built-in client's option of this name does so, too [default: once,
    /// at the start]
    #[arg(long, value_name = "DURATION", value_parser = udping_cli::client::resolve_every)]
    pub resolve_every: Option<Duration>,
    /// Restart the component, on the same open sockets
    #[arg(long, value_name = "WHEN", value_enum)]
    pub restart: Option<Restart>,
    /// Write an audit log of what is done and what is refused to standard error
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log: Option<LogFormat>,
    /// Serve what the component received, sent and was denied for Prometheus, at
    /// http://ADDR:PORT/metrics; port 0 is any that is free
    #[cfg(feature = "exporter")]
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Keep privileges, files and system calls that the run does not need
    #[arg(long)]
    pub no_harden: bool,
}

/// When a component is started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Restart {
    /// When it has trapped, with a pause that grows
    OnTrap,
}

impl ServiceFlags {
    /// Merges both; these take precedence.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        // The last value of a name takes effect: the one closest to the component.
        self.env.splice(0..0, other.env);
        Self {
            env: self.env,
            policy: self.policy.or(other.policy),
            key_file: self.key_file.or(other.key_file),
            stdin: self.stdin || other.stdin,
            stop_grace: self.stop_grace.or(other.stop_grace),
            resolve_every: self.resolve_every.or(other.resolve_every),
            restart: self.restart.or(other.restart),
            log: self.log.or(other.log),
            #[cfg(feature = "exporter")]
            metrics: self.metrics.or(other.metrics),
            no_harden: self.no_harden || other.no_harden,
        }
    }
}
