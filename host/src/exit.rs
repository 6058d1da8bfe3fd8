//! How this program ends.

use std::process::ExitCode;

use crate::sandbox::Ended;

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
    /// Ended at once, by a second signal.
    Interrupted,
}

impl Exit {
    /// Every one, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::Trapped,
        Self::NotAComponent,
        Self::Limited,
        Self::Interrupted,
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
            Self::Interrupted => 130,
        }
    }

    /// Ends this process now. Nothing is flushed and no handler runs: a thread that is blocked in either could block this one.
    pub fn at_once(self) -> ! {
        #[cfg(target_os = "linux")]
        // SAFETY: _exit(2) takes a number, touches no memory of ours, and may be called on any thread at any time.
        #[expect(unsafe_code, reason = "a call into the C library")]
        unsafe {
            libc::_exit(self.code().into())
        }
        #[cfg(not(target_os = "linux"))]
        std::process::exit(self.code().into())
    }

    /// What it says to a script.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success; for the client: at least one reply came",
            Self::Failed => "the component failed; for the client: no reply came",
            Self::Usage => "bad usage, or the component could not start its work or go on (wasi:cli/exit)",
            Self::Refused => "the component failed because something was not granted to it",
            Self::Trapped => "the component trapped",
            Self::NotAComponent => "no component, or one that this host cannot run",
            Self::Limited => "the component was stopped at a limit, which the message names",
            Self::Interrupted => "stopped at once by a second Ctrl-C",
        }
    }

    /// How a component's end, with so many refusals, ends this program.
    pub fn of(ended: &Ended, refusals: u64) -> Self {
        match ended {
            Ended::Succeeded => Self::Success,
            Ended::Trapped(_) => Self::Trapped,
            Ended::Limited(_) => Self::Limited,
            Ended::Failed | Ended::GaveUp if refusals > 0 => Self::Refused,
            Ended::Failed => Self::Failed,
            Ended::GaveUp => Self::Usage,
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
    use crate::limits::Struck;

    #[test]
    fn codes_are_distinct_and_do_not_change() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 130]);
    }

    #[test]
    fn an_end_has_one_code() {
        for (ended, refusals, exit) in [
            (Ended::Succeeded, 0, Exit::Success),
            (Ended::Succeeded, 3, Exit::Success),
            (Ended::Failed, 0, Exit::Failed),
            (Ended::Failed, 1, Exit::Refused),
            (Ended::GaveUp, 0, Exit::Usage),
            (Ended::GaveUp, 1, Exit::Refused),
            (Ended::Trapped(String::new()), 0, Exit::Trapped),
            (Ended::Trapped(String::new()), 1, Exit::Trapped),
            (Ended::Limited(Struck::Sockets(1)), 1, Exit::Limited),
        ] {
            assert_eq!(Exit::of(&ended, refusals), exit, "{ended:?} after {refusals}");
        }
    }
}
