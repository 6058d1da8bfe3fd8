//! What a component does before and after its own work: arguments and key in, a result out, panics
//! made visible.

use thiserror::Error;
use udping_cli::contract::UDPING_KEY;
use udping_cli::usage::one_line;
use udping_core::wire::Keys;

use crate::bindings::wasi::cli::{environment, exit};
use crate::console::{Console, WriteError};
use crate::error::NetError;
use crate::host;

/// What may be behind a refusal of a host that does not say.
const REFUSED: &str = " (wasmtime grants the network with -S inherit-network; ports below 1024 need root or CAP_NET_BIND_SERVICE)";

/// How a program ends when it does not end well.
#[derive(Debug, Error)]
pub enum Failure {
    /// It ran, and did not get what it ran for; it has said so itself.
    #[error("the run failed")]
    Ran,
    /// It could not run, or not go on; the message says why and what to do.
    #[error("{0}")]
    Message(String),
    /// The network or the host stood in the way of `.0`.
    #[error("{0}: {1}")]
    Net(String, NetError),
    /// What it has to say cannot be written. Where nobody reads it any more, there is nobody to
    /// tell.
    #[error("standard output: {0}")]
    Output(#[from] WriteError),
}

/// Runs `main` with the arguments, the program's name first, and gives `wasi:cli/run` its result.
///
/// A run that failed ends by returning an error, one that could not take place by `wasi:cli/exit`:
/// that is how udping-host gives the two different exit codes, while for other runtimes both are 1.
///
/// # Errors
///
/// Where `main` fails. What went wrong has then been said on standard error.
#[expect(clippy::result_unit_err, reason = "wasi:cli/run defines it so")]
pub fn run(main: impl FnOnce(&[String]) -> Result<(), Failure>) -> Result<(), ()> {
    std::panic::set_hook(Box::new(|panic| {
        let _ = Console::stderr().line(panic);
    }));
    let arguments = environment::get_arguments();
    let failure = match main(&arguments) {
        // A reader that has what it wants, such as head, is no failure of what is read.
        Ok(()) | Err(Failure::Output(WriteError::Closed)) => return Ok(()),
        Err(Failure::Ran) => return Err(()),
        Err(failure) => failure,
    };
    let is_refusal = matches!(failure, Failure::Net(_, error) if error.is_refusal());
    // udping-host has said what was refused, by whom, and what to do.
    if !(is_refusal && host::is_udping_host()) {
        let name = arguments.first().map_or("udping", String::as_str);
        let hint = if is_refusal { REFUSED } else { "" };
        // Where standard error is closed too, only the exit code is left.
        let _ = Console::stderr().line(format_args!("{name}: {failure}{hint}"));
    }
    exit::exit(Err(()));
    Err(())
}

/// Reads the arguments. `None` where they asked for help or the version, which is then on standard
/// output.
pub fn parse<Args: clap::Parser>(arguments: &[String]) -> Result<Option<Args>, Failure> {
    match Args::try_parse_from(arguments) {
        Ok(args) => Ok(Some(args)),
        Err(error) if error.use_stderr() => Err(Failure::Message(one_line(&error))),
        Err(help) => {
            Console::stdout().write(&help.to_string())?;
            Ok(None)
        }
    }
}

/// The keys in the environment, where there are any. What is there and is no key is an error, and
/// not no key.
pub fn keys() -> Result<Option<Keys>, Failure> {
    let keys = host::variable(UDPING_KEY).map(|digits| Keys::from_hex(&digits)).transpose();
    keys.map_err(|error| Failure::Message(format!("{UDPING_KEY}: {error}")))
}

/// The keys that are in the environment now, after it changed. Where they are none, that is said,
/// and those that hold go on to hold.
pub fn changed_keys() -> Option<Keys> {
    keys().unwrap_or_else(|failure| {
        // Where standard error is closed, there is nobody to tell.
        let _ = Console::stderr().line(failure);
        None
    })
}
