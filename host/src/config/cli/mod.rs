//! The command line, as typed.

mod completions;
mod from_text;
mod grants;
mod limits;
mod manual;
mod marking;
mod service;
#[cfg(feature = "simulation")]
mod simulate;
mod speed;
#[cfg(feature = "tui")]
mod tui;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
#[cfg(feature = "analysis")]
use udping_analysis::Threshold;
use udping_cli::usage;

pub use completions::script as completions;
pub use grants::{Amplification, GrantFlags, WasiOption};
pub use limits::{ByteRate, CompileFlags, LimitFlags};
pub use manual::Page;
pub use marking::{Dscp, Ecn, Mark};
pub use service::{Restart, ServiceFlags};
#[cfg(feature = "simulation")]
pub use simulate::{LinkArguments, SimulateArguments};
pub use speed::{SpeedFlags, Workers};
#[cfg(feature = "tui")]
pub use tui::{Colours, PassedOn, TuiArguments};

use crate::config::built_in;
use crate::process::exit::Exit;
use crate::process::log::LogFormat;

/// Runs WASI 0.2 components with exactly the network they were granted.
///
/// A component gets no files, no environment and no network but what it is granted. Without flags,
/// the arguments of `client` and `server` are the grant, and of another component those before its
/// first option: `HOST PORT` or `HOST:PORT` to send there, `PORT` to listen there and answer.
/// Options of this program stand before the component, the component's own after it.
#[derive(Debug, Parser)]
#[command(name = "udping-host", version, disable_version_flag = true, after_help = after_help(), subcommand_value_name = "COMPONENT|COMMAND")]
#[command(
    arg_required_else_help = true,
    disable_help_subcommand = true,
    subcommand_help_heading = "Components and commands"
)]
pub struct Cli {
    /// Print version; with --verbose, also the digests of the components, and what built them
    #[arg(short = 'V', long, action = ArgAction::Version)]
    pub version: Option<bool>,
    /// For the component that follows.
    #[command(flatten)]
    pub flags: RunFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The value of `--log`, before or after the command.
    pub fn log(&self) -> Option<LogFormat> {
        match &self.command {
            Command::Run(run) | Command::Learn(run) => {
                run.flags.service.log.or(self.flags.service.log)
            }
            _ => self.flags.service.log,
        }
    }
}

/// The component to run, or another thing to do. Any word that is none of these is the path of a
/// component.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ping an echo server (built-in component): client HOST PORT, see `help client`
    #[command(disable_help_flag = true)]
    Client(ComponentArguments),
    /// Echo datagrams (built-in component): server PORT, see `help server`
    #[command(disable_help_flag = true)]
    Server(ComponentArguments),
    /// Run a component: what happens where no command is named
    Run(Run),
    /// Show what a component would be granted, and its limits, without running it
    Grants(Run),
    /// Run a component with the whole network granted, and print the least policy for what it used:
    /// for components you trust
    Learn(Run),
    /// Run the built-in server and client against each other over loopback
    Demo,
    /// Write a built-in component to standard output, or as an OCI artifact
    Emit {
        /// Write it into this OCI image layout instead, as image `client` or `server`, or `client-p3` or
        /// `server-p3` for WASI 0.3, for registries (skopeo copy oci:DIR:client docker://...), and print
        /// the manifest's digest
        #[arg(long, value_name = "DIR")]
        oci: Option<PathBuf>,
        /// The version of WASI that it is for
        #[arg(long, value_name = "VERSION", value_enum, default_value = "0.2")]
        wasi: WasiVersion,
        /// Which one
        component: BuiltIn,
    },
    /// Compile a component: the result starts sooner, and runs where there is no compiler
    #[cfg(feature = "compiler")]
    Compile {
        /// `client`, `server`, or the path of a component
        component: PathBuf,
        /// Where to write it, as x.cwasm
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// What compiling it may take.
        #[command(flatten)]
        limits: CompileFlags,
    },
    /// Draw the results of `client`, with `--format json --records` or `--format jsonl`
    #[cfg(feature = "plot")]
    Plot {
        /// The file of results, or - for standard input; events (jsonl) also of a run that was killed
        results: PathBuf,
        /// Where to write the figure, as x.svg, or as x.html with tooltips; - for standard output
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// What to draw, whatever the name of the file ends in [default for standard output: svg]
        #[arg(long)]
        format: Option<DrawingFormat>,
    },
    /// Merge results that `client` writes with `--format json` into those of one run over all
    #[cfg(feature = "analysis")]
    Merge {
        /// The files of results, or - for standard input
        #[arg(required = true, value_name = "RESULTS")]
        results: Vec<PathBuf>,
    },
    /// Show what has changed between the results of two runs, and whether by chance
    #[cfg(feature = "analysis")]
    Diff {
        /// The results of the earlier run, or - for standard input
        before: PathBuf,
        /// The results of the later run
        after: PathBuf,
        /// Exit with code 7 if the loss, or a percentile of the RTT, is worse by more than this, and
        /// not by chance
        #[arg(long, value_name = "PERCENT")]
        threshold: Option<Threshold>,
    },
    /// Ping the targets of a configuration file, and export their RTTs and losses to Prometheus over
    /// HTTP, with /probe for one ping of any other (docs/exporter.md)
    #[cfg(feature = "exporter")]
    Exporter {
        /// Address and port to listen on
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9427")]
        listen: std::net::SocketAddr,
        /// The configuration: modules and their targets, in TOML
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Check the configuration, and run nothing
        #[arg(long)]
        check: bool,
    },
    /// Ping targets and show their RTTs and losses, live, in this terminal (docs/tui.md)
    #[cfg(feature = "tui")]
    Tui(TuiArguments),
    /// Run components on a virtual network with virtual time, and compare what the clients report with
    /// what happened (docs/simulation.md)
    #[cfg(feature = "simulation")]
    Simulate(Box<SimulateArguments>),
    /// Show what a component imports and exports, and what it would need to be granted
    Inspect {
        /// `client`, `server`, or the path of a component
        component: PathBuf,
        /// What compiling it may take.
        #[command(flatten)]
        limits: CompileFlags,
    },
    /// Write shell completions to standard output
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Write a manual page to standard output, as roff: udping-host(1), udping-host-client(1) or
    /// udping-host-server(1)
    Man {
        /// Which one
        #[arg(value_enum, default_value_t = Page::Host)]
        page: Page,
    },
    /// Print help: of this program, of a command, or of `client` or `server`
    Help {
        /// What to explain
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
    },
    /// The path of a component, and its arguments.
    #[command(external_subcommand)]
    Path(Vec<OsString>),
}

impl Command {
    /// Whether this process is to keep the memory that it frees, since it takes as much again for the
    /// next batch of datagrams. The exporter takes much for a scrape, and little in between.
    pub fn keeps_memory(&self) -> bool {
        #[cfg(feature = "exporter")]
        return !matches!(self, Self::Exporter { .. });
        #[cfg(not(feature = "exporter"))]
        true
    }
}

/// `run`, and `grants`.
#[derive(Debug, Args)]
pub struct Run {
    /// As before the command.
    #[command(flatten)]
    pub flags: RunFlags,
    /// `client`, `server`, or the path of a component
    pub component: PathBuf,
    /// What the component gets.
    #[command(flatten)]
    pub arguments: ComponentArguments,
}

/// How a component is run.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct RunFlags {
    /// What it may do.
    #[command(flatten)]
    pub grants: GrantFlags,
    /// What it may use.
    #[command(flatten)]
    pub limits: LimitFlags,
    /// How fast it is.
    #[command(flatten)]
    pub speed: SpeedFlags,
    /// How it is kept up.
    #[command(flatten)]
    pub service: ServiceFlags,
    #[expect(rustdoc::broken_intra_doc_links, reason = "it is help, shown as it stands")]
    /// Add a --target argument for each line HOST[:PORT] of this file, and grant those, on port 862
    /// where none is given; # starts a comment, - is standard input
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Network grants (instead of what the component's arguments grant)"
    )]
    pub targets: Option<PathBuf>,
    /// Impair the datagrams of the component, sent and received ones: loss=30%,delay=50ms,jitter=10ms,
    /// duplicate=1%,reorder=1%,seed=7 and more (docs/simulation.md); send.loss or receive.loss is of
    /// one direction
    #[cfg(feature = "simulation")]
    #[arg(long, value_name = "NAME=VALUE,...", help_heading = "Network conditions")]
    pub impair: Option<udping_simulation::Impairments>,
    /// Capture what the component sends and receives into this file (pcapng), for tshark and others
    #[cfg(feature = "simulation")]
    #[arg(long, value_name = "FILE", help_heading = "Network conditions")]
    pub pcap: Option<PathBuf>,
}

impl RunFlags {
    /// Merges both; these take precedence.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            grants: self.grants.or(other.grants),
            limits: self.limits.or(other.limits),
            speed: self.speed.or(other.speed),
            service: self.service.or(other.service),
            targets: self.targets.or(other.targets),
            #[cfg(feature = "simulation")]
            impair: self.impair.or(other.impair),
            #[cfg(feature = "simulation")]
            pcap: self.pcap.or(other.pcap),
        }
    }
}

/// What stands after a component is the component's.
#[derive(Debug, Args)]
pub struct ComponentArguments {
    /// The component's arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<OsString>,
}

/// What `plot` draws.
#[cfg(feature = "plot")]
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DrawingFormat {
    /// A figure that contains everything
    Svg,
    /// A page with tooltips and a full table
    Html,
}

#[cfg(feature = "plot")]
impl From<DrawingFormat> for udping_plot::Drawing {
    fn from(format: DrawingFormat) -> Self {
        match format {
            DrawingFormat::Svg => Self::Svg,
            DrawingFormat::Html => Self::Html,
        }
    }
}

/// The built-in components.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum BuiltIn {
    /// The pinger
    Client,
    /// The echo server
    Server,
}

impl BuiltIn {
    /// The component's bytes and name.
    pub fn component(self) -> udping_components::Component {
        match self {
            Self::Client => udping_components::CLIENT,
            Self::Server => udping_components::SERVER,
        }
    }

    /// As [`Self::component`], for that version of WASI.
    pub fn component_for(self, wasi: WasiVersion) -> udping_components::Component {
        match (self, wasi) {
            (_, WasiVersion::P2) => self.component(),
            (Self::Client, WasiVersion::P3) => udping_components::CLIENT_P3,
            (Self::Server, WasiVersion::P3) => udping_components::SERVER_P3,
        }
    }
}

/// The versions of WASI.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum WasiVersion {
    /// For wasmtime from 17 on, jco and others
    #[value(name = "0.2")]
    P2,
    /// For wasmtime from 46 on
    #[value(name = "0.3")]
    P3,
}

/// Returns the definition whose help `help` prints.
///
/// # Errors
///
/// If there is no such command. The message is for users.
pub fn explained(command: Option<&str>) -> Result<clap::Command, String> {
    let mut host = Cli::command();
    host.build();
    let Some(name) = command else { return Ok(host) };
    if let Some(component) =
        udping_components::ALL.into_iter().find(|component| component.name == name)
    {
        return Ok(built_in::command(component));
    }
    let found = host.find_subcommand(name).cloned();
    found.ok_or_else(|| {
        format!("there is no command {name}: see udping-host --help; a component from a file explains itself")
    })
}

/// Renders a usage error on one line. A component's option that stands before the component is
/// reported as such.
pub fn complaint(error: &clap::Error) -> String {
    let line = usage::one_line(error);
    let Some(option) = usage::unknown_option(error) else { return line };
    let components =
        udping_components::ALL.map(|component| (component.name, built_in::command(component)));
    let has_option = |(_, command): &&(&str, clap::Command)| usage::has_option(command, option);
    let is_typed =
        |(name, _): &&(&str, clap::Command)| std::env::args_os().any(|word| word == *name);
    let whose = components
        .iter()
        .filter(has_option)
        .filter(is_typed)
        .chain(components.iter().filter(has_option))
        .next();
    match whose {
        Some((name, _)) => format!(
            "{option} is an option of {name}, and those go after the component: udping-host [OPTIONS] {name} ... {option} ..."
        ),
        None => line,
    }
}

fn after_help() -> String {
    let code = |exit: Exit| match exit.of_built_in() {
        Some(more) => format!("  {:>3}  {}; {more}", exit.code(), exit.meaning()),
        None => format!("  {:>3}  {}", exit.code(), exit.meaning()),
    };
    let codes = Exit::ALL.map(code).join("\n");
    format!(
        "\
Examples:
  udping-host server 12000                          echo on port 12000
  udping-host client 192.0.2.7 12000 -c 3           three pings
  udping-host --allow-to 192.0.2.7:12000 x.wasm     a component of your own
  udping-host ./client 192.0.2.7 12000              a file that is called client
  udping-host grants server 12000                   what the server would be granted

Ctrl-C or SIGTERM stops the component. The client and the server, and others that take notices on
standard input, print what they have and end by themselves, within --stop-grace; any other
component is ended at once. A second signal ends it at once.

Exit codes:
{codes}"
    )
}
