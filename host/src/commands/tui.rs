//! `udping-host tui`: the picture in this process, the component in another.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitStatus;

use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::process::Command;
use tokio::runtime::Builder;
use udping_cli::targets;
use udping_permissions::grants::Ports;
use udping_tui::{Look, Settings};

use crate::config::built_in;
use crate::config::cli::{Colours, PassedOn, RunFlags, TuiArguments};
use crate::config::targets as lists;
use crate::process::exit::Exit;
use crate::process::helper;
use crate::process::log::say;
use crate::process::printable::Printable;

/// How often names are resolved again, unless the user says otherwise.
const RESOLVE_EVERY: &str = "--resolve-every=1m";

/// The name of the command, before which the options of the client's host stand.
const NAME: &str = "tui";

/// Shows the targets until the user quits. `flags` stand before the command, for the client's
/// process.
pub fn show(flags: &RunFlags, arguments: &TuiArguments) -> Result<Exit> {
    ensure!(
        flags.targets.is_none() && flags.service.log.is_none(),
        "--targets goes after {NAME}, and --log is not for it: it reads the log itself"
    );
    let targets = targets(arguments)?;
    if let Some(why) = not_a_terminal() {
        say(format_args!(
            "{NAME} draws on a terminal, and {why}; without one: udping-host client, or exporter"
        ));
        return Ok(Exit::NoTerminal);
    }
    let look = look(arguments.color);
    let client = client(&arguments.client)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let printable = |text: &str| Printable(text).to_string();
    let settings = Settings { targets, client, look, printable };
    let ended = runtime.block_on(udping_tui::run(settings)).context("the terminal")?;
    for message in &ended.messages {
        say(message);
    }
    let by_replies = if ended.all_replied { Exit::Success } else { Exit::Failed };
    let exit = match ended.client {
        None => by_replies,
        Some(status) => match exit(status) {
            Some(Exit::Success | Exit::Failed) => by_replies,
            Some(exit) => exit,
            None => {
                say(format_args!("the client has ended: {status}"));
                Exit::Failed
            }
        },
    };
    // A client that could not start has no numbers.
    if exit != Exit::Usage {
        // Where nobody reads that, the exit code is left.
        let _ = io::stdout().write_all(ended.summary.as_bytes());
    }
    Ok(exit)
}

/// The targets, each with its port.
fn targets(arguments: &TuiArguments) -> Result<Vec<String>> {
    // Its own definition of what the options mean.
    let words = ["client", "--target=192.0.2.1:1"].into_iter().map(str::to_owned);
    let words = words.chain(arguments.client.0.iter().cloned());
    let client = <udping_cli::client::Args as clap::Parser>::try_parse_from(words)?;
    let port = client.port_of_all();
    let mut all = arguments.targets.clone();
    if let Some(path) = &arguments.file {
        all.extend(lists::read(path, Ports::STAMP)?.into_iter().map(|target| target.text));
    }
    let named = |text: String| {
        let wrong = |error: String| anyhow!("{NAME}: {error}");
        let named = targets::named(&text, port).map_err(wrong)?;
        built_in::endpoint(&named).map_err(wrong)?;
        Ok(format!("{}:{}", named.host, named.port))
    };
    all.into_iter().map(named).collect()
}

/// Why nothing can be drawn here; none if it can.
fn not_a_terminal() -> Option<&'static str> {
    // Keys come from the terminal also where standard input is a list of targets.
    let has_keys = || io::stdin().is_terminal() || File::open("/dev/tty").is_ok();
    if !io::stdout().is_terminal() {
        Some("standard output is none")
    } else if env::var_os("TERM").is_some_and(|term| term == "dumb") {
        Some("TERM says that this one cannot move its cursor")
    } else if !has_keys() {
        Some("there is none to read keys from")
    } else {
        None
    }
}

/// What the terminal can show: `NO_COLOR` is interpreted as in <https://no-color.org>, and the locale
/// as in POSIX.
fn look(colours: Colours) -> Look {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    Look {
        colour: match colours {
            Colours::Auto => set("NO_COLOR").is_none(),
            Colours::Always => true,
            Colours::Never => false,
        },
        unicode: locale.contains("utf-8") || locale.contains("utf8"),
    }
}

/// The client that pings the targets: what a user would start, with this process's environment and
/// the options before the command.
fn client(options: &PassedOn) -> Result<Command> {
    let mut command = Command::from(helper::own_program()?);
    let before = env::args_os().skip(1).take_while(|word| word != NAME);
    command.envs(env::vars_os()).args(before).args(["--log=json", "--targets=-", "client"]);
    if !options.has("--count") && !options.has("--deadline") {
        command.arg("--count=0");
    }
    if !options.has("--resolve-every") {
        command.arg(RESOLVE_EVERY);
    }
    command.args(&options.0).arg("--format=jsonl");
    Ok(command)
}

/// The exit code of a client that ended by itself; none if something else ended it.
fn exit(status: ExitStatus) -> Option<Exit> {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Exit::ALL.into_iter().find(|exit| Some(exit.code()) == code)
}
