//! The command line, as typed.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::grants::{Endpoint, GrantSpec, HostName, Listen};

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
