//! The exit codes of this program.

use std::process::ExitCode;

/// Every exit code. `--help` lists them from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The component succeeded.
    Success,
    /// The component ran, and reported failure.
    Failed,
    /// The command line is not valid, or cannot be carried out.
    Usage,
    /// The component failed after something was denied to it.
    Refused,
    /// The component trapped.
    Trapped,
    /// The file is not a component, or not one that can be run.
    NotAComponent,
    /// The component reached a limit.
    Limited,
    /// A threshold of the user was exceeded.
    Exceeded,
    /// What is drawn on a terminal has none.
    NoTerminal,
    /// Ended by SIGHUP.
    HungUp,
    /// Ended by SIGINT.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 12] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::Trapped,
        Self::NotAComponent,
        Self::Limited,
        Self::Exceeded,
        Self::NoTerminal,
        Self::HungUp,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The numeric exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Trapped => 4,
            Self::NotAComponent => 5,
            Self::Limited => 6,
            Self::Exceeded => 7,
            Self::NoTerminal => 8,
            // As shells report it: 128 plus the number of the signal.
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Exits now, without flushing or running handlers: a thread that is blocked in either could
    /// block this one.
    pub fn at_once(self) -> ! {
        #[cfg(target_os = "linux")]
        // SAFETY: _exit(2) takes a number, touches no memory of ours, and may be called on any
        // thread at any time.
        #[expect(unsafe_code, reason = "a call into the C library")]
        unsafe {
            libc::_exit(self.code().into())
        }
        #[cfg(not(target_os = "linux"))]
        std::process::exit(self.code().into())
    }

    /// What it means in addition for a built-in component, for the list in `--help`.
    pub const fn of_built_in(self) -> Option<&'static str> {
        match self {
            Self::Success => Some("for the client: at least one reply came"),
            Self::Failed => Some("for the client: no reply came"),
            Self::Usage => {
                Some("for the client and the server: they could not start, or could not continue")
            }
            _ => None,
        }
    }

    /// What it means to a script.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "the component failed",
            Self::Usage => "bad usage",
            Self::Refused => {
                "the component failed or trapped after something was refused to it, which the message names"
            }
            Self::Trapped => "the component trapped",
            Self::NotAComponent => "no component, or one that this host cannot run",
            Self::Limited => "the component was stopped at a limit, which the message names",
            Self::Exceeded => "a threshold was exceeded (client --fail-if, diff --threshold)",
            Self::NoTerminal => "there is no terminal to draw on (tui)",
            Self::HungUp => "ended by SIGHUP",
            Self::Interrupted => "ended by SIGINT (Ctrl-C)",
            Self::Terminated => "ended by SIGTERM",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_do_not_change() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 7, 8, 129, 130, 143]);
    }
}
