//! `udping-host exporter`: HTTP and the configuration in this process, components in others.

use std::env;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bytesize::ByteSize;
use clap::Parser as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use udping_exporter::{Commands, Exporter, Module, check, serve};
use udping_harden::{self as harden, Needs};

use crate::config::cli::Cli;
use crate::config::key;
use crate::process::allocator;
use crate::process::exit::Exit;
use crate::process::helper::{self, Role};
use crate::process::log::say;
use crate::process::own_addresses;
use crate::process::trust::{self, Text};

/// The maximum size of the configuration, and of a file of targets.
const SIZE_LIMIT: ByteSize = ByteSize::mib(4);

/// How often a module's names are resolved again.
const RESOLVE_EVERY: &str = "--resolve-every=1m";

/// The memory of a client: 10,000 targets take 50 MB, and a summary of all of them as much again.
const LIMIT_MEMORY: &str = "--limit-memory=256MiB";

/// How often losses by direction are updated.
const SUMMARY_EVERY: &str = "--report-every=5s";

const COMMANDS: Commands = Commands {
    client,
    prober,
    read,
    host_option,
    own_addresses: own_addresses::read,
    release_memory: allocator::release_memory,
    version: env!("CARGO_PKG_VERSION"),
};

/// Serves metrics at `listen`, as the file `config` says, until a signal.
pub fn export(listen: SocketAddr, config: PathBuf) -> Result<Exit> {
    ensure!(
        env::var_os(key::VARIABLE).is_none(),
        "{} is set, and the exporter is to hold no key: name a file in a module, as host.key-file",
        key::VARIABLE
    );
    harden::drop_privileges(Needs::default()).iter().for_each(say);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen);
        let listener = listener.await.with_context(|| format!("cannot listen on {listen}"))?;
        let mut signals = Signals::watch().context("cannot watch for signals")?;
        let exporter = Exporter::start(config, COMMANDS)?;
        let address = listener.local_addr()?;
        // It serves also where nobody reads that.
        let _ = writeln!(io::stdout(), "listening on {address} (http), exporting");
        let (stop, stopped) = watch::channel(false);
        let (reload, reloads) = mpsc::channel(1);
        let served = tokio::spawn(serve(exporter, listener, reloads, stopped));
        let exit = signals.wait(reload).await;
        let _ = stop.send(true);
        let _ = served.await;
        Ok(exit)
    })
}

/// Checks the configuration, and the files of targets that it names.
pub fn check_config(config: &Path) -> Result<Exit> {
    let checked = check(config, &COMMANDS)?;
    let modules = checked.modules.len();
    let plural = if modules == 1 { "" } else { "s" };
    writeln!(io::stdout(), "{}: {modules} module{plural}", config.display())?;
    Ok(Exit::Success)
}

/// The signals that end the exporter, or have it read its configuration again.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn watch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self, reload: mpsc::Sender<()>) -> Exit {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Exit::Interrupted,
                _ = self.terminate.recv() => return Exit::Terminated,
                _ = self.hang_up.recv() => {
                    // One that waits is enough.
                    let _ = reload.try_send(());
                }
            }
        }
    }
}

/// Ctrl-C alone.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    async fn wait(&mut self, _: mpsc::Sender<()>) -> Exit {
        let _ = tokio::signal::ctrl_c().await;
        Exit::Interrupted
    }
}

/// The client of a module's targets: what a user would start.
fn client(module: &Module) -> io::Result<Command> {
    let mut command = Command::from(helper::own_program()?);
    command.args(module.host.words()).args(["--log=json", "--targets=-"]);
    if !module.host.has("limit-memory") {
        command.arg(LIMIT_MEMORY);
    }
    match &module.component {
        // As a path, whatever its name.
        Some(component) => command.arg("run").arg("--").arg(component),
        None => command.arg("client"),
    };
    let options = module.client.words();
    let options = options.iter().filter(|option| !option.starts_with("--count="));
    if !module.client.has("resolve-every") {
        command.arg(RESOLVE_EVERY);
    }
    // The direction of losses stands in summaries.
    if module.client.has("stateful") {
        command.arg(SUMMARY_EVERY);
    }
    command.args(options).args(["--count=0", "--format=jsonl"]);
    Ok(command)
}

fn prober() -> io::Result<Command> {
    Ok(helper::command(Role::Probe)?.into())
}

/// Reads a file that decides what is pinged.
fn read(path: &Path) -> Result<String, String> {
    let Text { text, warning } =
        trust::read_text(path, SIZE_LIMIT).map_err(|error| error.to_string())?;
    if let Some(untrusted) = warning {
        say(format_args!("warning: {}: {untrusted}", path.display()));
    }
    Ok(text)
}

/// Checks an option of the host in a module.
fn host_option(name: &str, words: &[String]) -> Result<(), String> {
    const RESERVED: &[&str] = &[
        "help",
        "log",
        "metrics",
        "policy",
        "restart",
        "stdin",
        "stop-grace",
        "targets",
        "version",
        "workers",
    ];
    if RESERVED.contains(&name) {
        return Err(format!("{name} is not for a module: the exporter decides it"));
    }
    let words = ["udping-host"].into_iter().chain(words.iter().map(String::as_str));
    let cli = Cli::try_parse_from(words.chain(["client", "192.0.2.1:1"]))
        .map_err(|error| udping_cli::usage::one_line(&error))?;
    if cli.flags.grants.spec().is_some() {
        return Err(format!("{name} is not for a module: it is granted its targets alone"));
    }
    Ok(())
}
