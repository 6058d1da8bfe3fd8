//! What is common to all programs: arguments, keys, exit codes, and messages of panics.

use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;
use udping_cli::contract::UDPING_KEY;
use udping_cli::usage::one_line;
use udping_core::wire::Keys;

use crate::cli;
use crate::console::{Console, WriteError};
use crate::error::NetError;
use crate::host;
use crate::poll;

/// The hint at why a host that does not say so may have refused.
const REFUSED: &str = " (wasmtime grants the network with -S inherit-network; ports below 1024 need root or CAP_NET_BIND_SERVICE)";

/// Whether a threshold was exceeded.
static EXCEEDED: AtomicBool = AtomicBool::new(false);

/// Returns whether [`run`] has returned an error because a threshold was exceeded.
pub fn has_exceeded() -> bool {
    EXCEEDED.load(Ordering::Relaxed)
}

/// The ways in which a program fails.
#[derive(Debug, Error)]
pub enum Failure {
    /// It ran without success, and has reported that itself.
    #[error("the run failed")]
    Ran,
    /// It ran, and a threshold was exceeded, which it has reported itself.
    #[error("a threshold was exceeded")]
    Exceeded,
    /// It could not start or continue; the message says why and what to do.
    #[error("{0}")]
    Message(String),
    /// The network or the host prevented `.0`.
    #[error("{0}: {1}")]
    Net(String, NetError),
    /// Its output cannot be written. If the reader has closed it, nothing is reported.
    #[error("standard output: {0}")]
    Output(#[from] WriteError),
}

/// Runs `main` with the arguments, the program's name first, and returns the result of
/// `wasi:cli/run`.
///
/// A run without success ends by returning an error, one that could not take place by calling
/// `wasi:cli/exit`: this way udping-host has two different exit codes, while for other runtimes
/// both are 1.
///
/// # Errors
///
/// If `main` fails, which has then been reported on standard error.
#[expect(clippy::result_unit_err, reason = "wasi:cli/run defines it so")]
pub fn run(main: impl AsyncFnOnce(&[String]) -> Result<(), Failure>) -> Result<(), ()> {
    std::panic::set_hook(Box::new(|panic| {
        let _ = Console::stderr().line(panic);
    }));
    let arguments = cli::arguments();
    let failure = match poll::block_on(main(&arguments)) {
        // A reader that has read enough, such as head, is not a failure.
        Ok(()) | Err(Failure::Output(WriteError::Closed)) => return Ok(()),
        Err(Failure::Ran) => return Err(()),
        Err(Failure::Exceeded) => {
            EXCEEDED.store(true, Ordering::Relaxed);
            return Err(());
        }
        Err(failure) => failure,
    };
    let is_refusal = matches!(failure, Failure::Net(_, error) if error.is_refusal());
    // udping-host has reported what was refused, by whom, and what to do.
    if !(is_refusal && host::is_udping_host()) {
        let name = arguments.first().map_or("udping", String::as_str);
        let hint = if is_refusal { REFUSED } else { "" };
        // If standard error is closed, too, only the exit code is left.
        let _ = Console::stderr().line(format_args!("{name}: {failure}{hint}"));
    }
    cli::exit_unsuccessfully();
    Err(())
}

/// Parses the arguments. Returns `None` if they requested help or the version, which has then been
/// printed on standard output.
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

/// Returns the keys in the environment, if there are any. An invalid key is an error, not a missing
/// key.
pub fn keys() -> Result<Option<Keys>, Failure> {
    let keys = host::variable(UDPING_KEY).map(|digits| Keys::from_hex(&digits)).transpose();
    keys.map_err(|error| Failure::Message(format!("{UDPING_KEY}: {error}")))
}

/// Returns the keys in the environment after a change. If they are invalid, that is reported, and
/// the current keys remain valid.
pub fn changed_keys() -> Option<Keys> {
    keys().unwrap_or_else(|failure| {
        // If standard error is closed, the message is lost.
        let _ = Console::stderr().line(failure);
        None
    })
}
