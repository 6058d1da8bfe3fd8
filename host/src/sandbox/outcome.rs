//! How an instance ends, and what that means to who started it.

use std::fmt;

use rustc_demangle::demangle;
use udping_permissions::limits::{LimitExceeded, Limits};
use wasmtime::{FrameInfo, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::process::exit::Exit;
use crate::process::signals::Signal;

/// How an instance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded.
    Succeeded,
    /// It ran, and reports failure.
    Failed,
    /// It ran, and reports that a threshold was exceeded ([contract](udping_cli::contract)).
    Exceeded,
    /// It follows the [contract](udping_cli::contract), and left by `wasi:cli/exit` with an error: it could not run.
    GaveUp,
    /// It trapped.
    Trapped(Trap),
    /// It was stopped at a limit.
    Limited(LimitExceeded),
    /// It was told to stop, did not, and was ended.
    Stopped(Stopped),
}

impl Outcome {
    /// A component that follows the [contract](udping_cli::contract) leaves by `wasi:cli/exit` if it could not run; for
    /// all others that is an ordinary failure.
    pub(super) fn of(
        result: wasmtime::Result<(Result<(), ()>, bool)>,
        limits: &Limits,
        declares_notices: bool,
        last_call: Option<&'static str>,
    ) -> Self {
        match result {
            Ok((Ok(()), _)) => Self::Succeeded,
            Ok((Err(()), true)) => Self::Exceeded,
            Ok((Err(()), false)) => Self::Failed,
            Err(error) => {
                match (error.downcast_ref::<I32Exit>(), LimitExceeded::of(&error, limits)) {
                    (Some(I32Exit(0)), _) => Self::Succeeded,
                    (Some(_), _) if declares_notices => Self::GaveUp,
                    (Some(_), _) => Self::Failed,
                    (None, Some(struck)) => Self::Limited(struck),
                    (None, None) => Self::Trapped(Trap::of(&error, last_call)),
                }
            }
        }
    }

    /// The exit code of this program for that outcome after that number of denials.
    pub fn exit(&self, refusals: u64) -> Exit {
        match self {
            Self::Succeeded => Exit::Success,
            Self::Limited(_) => Exit::Limited,
            // If another instance failed, the outcome of that one counts.
            Self::Stopped(stopped) => stopped.signal.map_or(Exit::Success, Signal::exit),
            Self::Failed | Self::GaveUp | Self::Trapped(_) if refusals > 0 => Exit::Refused,
            Self::Trapped(_) => Exit::Trapped,
            Self::Failed => Exit::Failed,
            Self::Exceeded => Exit::Exceeded,
            Self::GaveUp => Exit::Usage,
        }
    }
}

/// Why an instance that did not stop was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The signal that asked for it; `None` if another instance failed.
    pub signal: Option<Signal>,
    /// Whether it could know, and had time to end by itself.
    pub could_know: bool,
}

/// The maximum number of functions, innermost first, in the description of a trap.
const FRAMES: usize = 24;

/// A trap, as far as it is known what led to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trap {
    /// The reason, in wasmtime's words.
    pub reason: String,
    /// The functions that it happened in, innermost first, if the component has names.
    pub frames: Vec<String>,
    /// The interface of this host that the component has called last.
    pub last_call: Option<&'static str>,
}

impl Trap {
    fn of(error: &wasmtime::Error, last_call: Option<&'static str>) -> Self {
        let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
        let name = |frame: &FrameInfo| match frame.func_name() {
            // Omits the hash that distinguishes crates of one name.
            Some(name) => format!("{:#}", demangle(name)),
            None => format!("function {}", frame.func_index()),
        };
        let mut names: Vec<_> = frames.iter().take(FRAMES).map(name).collect();
        if frames.len() > FRAMES {
            names.push(format!("{} more", frames.len() - FRAMES));
        }
        // Indices alone are no help.
        if frames.iter().all(|frame| frame.func_name().is_none()) {
            names.clear();
        }
        Self { reason: error.root_cause().to_string(), frames: names, last_call }
    }

    /// The functions, as they are shown.
    pub fn functions(&self) -> String {
        self.frames.join(" < ")
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        if !self.frames.is_empty() {
            write!(f, "; in {}", self.functions())?;
        }
        match self.last_call {
            Some(interface) => write!(f, "; its last call was of {interface}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_one_code() {
        for (ended, refusals, exit) in [
            (Outcome::Succeeded, 0, Exit::Success),
            (Outcome::Succeeded, 3, Exit::Success),
            (Outcome::Failed, 0, Exit::Failed),
            (Outcome::Failed, 1, Exit::Refused),
            (Outcome::Exceeded, 0, Exit::Exceeded),
            (Outcome::Exceeded, 1, Exit::Exceeded),
            (Outcome::GaveUp, 0, Exit::Usage),
            (Outcome::GaveUp, 1, Exit::Refused),
            (Outcome::Trapped(Trap::default()), 0, Exit::Trapped),
            (Outcome::Trapped(Trap::default()), 1, Exit::Refused),
            (
                Outcome::Stopped(Stopped { signal: Some(Signal::Terminate), could_know: false }),
                1,
                Exit::Terminated,
            ),
            (Outcome::Stopped(Stopped { signal: None, could_know: true }), 0, Exit::Success),
            (Outcome::Limited(LimitExceeded::Sockets(1)), 1, Exit::Limited),
        ] {
            assert_eq!(ended.exit(refusals), exit, "{ended:?} after {refusals}");
        }
    }
}
