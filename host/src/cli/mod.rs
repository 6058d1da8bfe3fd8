//! The command line, as typed.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::grants::{Endpoint, GrantSpec, HostName, Listen};
use crate::udp::Tuning;

/// Runs WASI 0.2 components with exactly the network they were granted.
///
/// A component gets no files, no environment and no network but what it is granted. Without flags, what stands after the
/// component is the grant: `HOST PORT` sending there, `PORT` listening there and answering.
#[derive(Debug, Parser)]
#[command(name = "udping-host", version, after_help = after_help(), subcommand_value_name = "COMPONENT|COMMAND")]
#[command(arg_required_else_help = true, subcommand_help_heading = "Components and commands")]
pub struct Cli {
    /// Grants for the component that follows.
    #[command(flatten)]
    pub network: NetworkFlags,
    /// How fast it is run.
    #[command(flatten)]
    pub speed: SpeedFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The component to run, or another thing to do. Any word that is none of these is the path of a component.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ping an echo server (built-in component): client HOST PORT [OPTIONS], see `client --help`
    #[command(disable_help_flag = true)]
    Client(ComponentArguments),
    /// Echo datagrams (built-in component): server PORT [OPTIONS], see `server --help`
    #[command(disable_help_flag = true)]
    Server(ComponentArguments),
    /// Run a component: what happens where no command is named
    Run(Run),
    /// Run the built-in server and client against each other over loopback
    Demo,
    /// Write a built-in component to standard output
    Emit {
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
    },
    /// Show what a component imports and exports, and what it would need to be granted
    Inspect {
        /// `client`, `server`, or the path of a component
        component: PathBuf,
    },
    /// Write shell completions to standard output
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Write the manual page to standard output, as roff
    Man,
    /// The path of a component, and its arguments.
    #[command(external_subcommand)]
    Path(Vec<OsString>),
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Grants, as before the command.
    #[command(flatten)]
    pub network: NetworkFlags,
    /// How fast it is run, as before the command.
    #[command(flatten)]
    pub speed: SpeedFlags,
    /// `client`, `server`, or the path of a component
    pub component: PathBuf,
    /// What the component gets.
    #[command(flatten)]
    pub arguments: ComponentArguments,
}

/// What stands after a component is the component's.
#[derive(Debug, Args)]
pub struct ComponentArguments {
    /// The component's arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<OsString>,
}

/// Grants. Where there is any, the component's arguments grant nothing.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Network grants (instead of what the component's arguments grant)")]
pub struct NetworkFlags {
    /// Let it send to this address or name, and hear from there
    #[arg(long, value_name = "HOST:PORT")]
    pub allow_to: Vec<Endpoint>,
    /// Let it listen there, and answer whom it has heard from
    #[arg(long, value_name = "[ADDR:]PORT")]
    pub allow_listen: Vec<Listen>,
    /// Let it look this name up
    #[arg(long, value_name = "NAME")]
    pub allow_resolve: Vec<HostName>,
    /// Grants as wasmtime spells them
    #[arg(short = 'S', value_name = "OPTION", value_delimiter = ',', value_enum)]
    pub wasi: Vec<WasiOption>,
}

/// The options of `wasmtime run -S` that this host shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WasiOption {
    /// Any address, for listening and for sending
    InheritNetwork,
    /// Any name
    AllowIpNameLookup,
}

/// How fast it is run. Nothing here changes what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Speed")]
pub struct SpeedFlags {
    /// Ask a socket again and again for so long before sleeping: datagrams are seen sooner, and a core is kept busy
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub busy_poll: Option<Duration>,
    /// Run this many instances on one port, a thread each, to which flows are split; auto is one a core
    #[arg(long, value_name = "N|auto")]
    pub workers: Option<Workers>,
    /// Take so many datagrams by one system call; 1 is the way of systems without recvmmsg [default: 64]
    #[arg(long, value_name = "N", value_parser = batch)]
    pub batch: Option<NonZeroUsize>,
    /// Let no datagrams of one flow travel the kernel together (UDP_GRO, UDP_SEGMENT)
    #[arg(long)]
    pub no_offload: bool,
}

impl SpeedFlags {
    /// What sockets are told of it.
    pub fn tuning(&self) -> Tuning {
        let default = Tuning::default();
        Tuning {
            batch: self.batch.unwrap_or(default.batch),
            offload: !self.no_offload,
            busy_poll: self.busy_poll.unwrap_or(default.busy_poll),
            share_port: default.share_port,
        }
    }

    /// These, and where they say nothing, those.
    pub fn or(self, other: Self) -> Self {
        Self {
            busy_poll: self.busy_poll.or(other.busy_poll),
            workers: self.workers.or(other.workers),
            batch: self.batch.or(other.batch),
            no_offload: self.no_offload || other.no_offload,
        }
    }
}

/// The most instances that `--workers` takes.
const MOST_WORKERS: usize = 1024;

/// The largest `--batch`: Linux takes no more by one call (`UIO_MAXIOV`).
const LARGEST_BATCH: usize = 1024;

fn batch(text: &str) -> Result<NonZeroUsize, String> {
    up_to(LARGEST_BATCH, text).ok_or_else(|| format!("not a number from 1 to {LARGEST_BATCH}"))
}

fn up_to(most: usize, text: &str) -> Option<NonZeroUsize> {
    text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= most)
}

/// `--workers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each core that this process may use.
    Auto,
    /// So many.
    Exactly(NonZeroUsize),
}

impl FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            number => up_to(MOST_WORKERS, number)
                .map(Self::Exactly)
                .ok_or_else(|| format!("not auto, and not a number from 1 to {MOST_WORKERS}")),
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
    /// Its bytes and its name.
    pub fn component(self) -> udping_components::Component {
        match self {
            Self::Client => udping_components::CLIENT,
            Self::Server => udping_components::SERVER,
        }
    }
}

impl NetworkFlags {
    /// `None` where no flag was given.
    pub fn grants(&self) -> Option<GrantSpec> {
        let spec = GrantSpec {
            to: self.allow_to.clone(),
            listen: self.allow_listen.clone(),
            resolve: self.allow_resolve.clone(),
            inherit_network: self.wasi.contains(&WasiOption::InheritNetwork),
            any_name: self.wasi.contains(&WasiOption::AllowIpNameLookup),
        };
        (spec != GrantSpec::default()).then_some(spec)
    }

    /// These, and those.
    pub fn and(mut self, other: Self) -> Self {
        self.allow_to.extend(other.allow_to);
        self.allow_listen.extend(other.allow_listen);
        self.allow_resolve.extend(other.allow_resolve);
        self.wasi.extend(other.wasi);
        self
    }
}

/// Completions for `shell`, from the definition above.
pub fn completions(shell: Shell) -> Vec<u8> {
    let (mut definition, mut script) = (Cli::command(), Vec::new());
    let name = definition.get_name().to_owned();
    clap_complete::generate(shell, &mut definition, name, &mut script);
    script
}

/// The manual page, from the definition above, as roff.
///
/// # Errors
///
/// Never: it is written to memory.
pub fn manual() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(page)
}

/// What a usage error says, on one line: clap's first paragraph.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    let words: Vec<_> = paragraph.trim_start_matches("error: ").split_whitespace().collect();
    format!("{} (see --help)", words.join(" "))
}

fn after_help() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning())).join("\n");
    format!(
        "\
Examples:
  udping-host server 12000                          echo on port 12000
  udping-host client 192.0.2.7 12000 -c 3           three pings
  udping-host --allow-to 192.0.2.7:12000 x.wasm     a component of your own
  udping-host ./client 192.0.2.7 12000              a file that is called client

Ctrl-C or SIGTERM asks the component to end, and a second one ends it at once.

Exit codes:
{codes}"
    )
}
