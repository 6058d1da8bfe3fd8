//! How this program ends.

use std::process::ExitCode;

/// Every exit code there is. `--help` lists them from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The component succeeded.
    Success,
    /// The component ran, and failed.
    Failed,
    /// Nothing could be run as asked.
    Usage,
    /// The component failed after something was refused to it.
    Refused,
    /// The component did what a component may not.
    Trapped,
    /// There is nothing that could be run.
    NotAComponent,
    /// The component reached a limit.
    Limited,
    /// Ended by SIGHUP.
    HungUp,
    /// Ended by SIGINT.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

impl Exit {
    /// Every one, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::Trapped,
        Self::NotAComponent,
        Self::Limited,
        Self::HungUp,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Trapped => 4,
            Self::NotAComponent => 5,
            Self::Limited => 6,
            // As a shell has it: 128 and the number of the signal.
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Ends this process now. Nothing is flushed and no handler runs: a thread that is blocked in
    /// either could block this one.
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

    /// What it means beside that where the component is a built-in one, for the list in `--help`.
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

    /// What it says to a script.
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
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 129, 130, 143]);
    }
}
