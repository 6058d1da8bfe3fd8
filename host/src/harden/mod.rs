//! What this process gives up before any guest code runs: should a guest ever break out of WebAssembly, it finds itself
//! where there are no files, no programs to start, and no privileges.
//!
//! In two steps, since what is between them still reads and writes files, and starts threads: [`drop_privileges`] before a
//! component is compiled, [`shut`] after it. A kernel that lacks one of the means is no reason not to run: the caller is told.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod privileges;

/// What the process still needs when guest code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// To bind ports below 1024.
    pub low_ports: bool,
    /// To look names up, which reads the system's configuration and libraries.
    pub lookups: bool,
}

/// One means that could not be used.
#[derive(Debug)]
pub struct Unhardened {
    /// What for.
    pub means: &'static str,
    /// Why not.
    pub problem: String,
}

impl std::fmt::Display for Unhardened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "warning: not hardened by {}: {}; --no-harden does without any", self.means, self.problem)
    }
}

#[cfg(target_os = "linux")]
pub use privileges::LowPorts;

/// Gives up privileges: no new ones can be gained, and the capabilities go.
#[cfg(target_os = "linux")]
pub fn drop_privileges(needs: Needs) -> Vec<Unhardened> {
    failed([("no_new_privs", privileges::gain_none()), ("capabilities", privileges::drop_all(needs))])
}

/// Shuts the doors: files, executable memory, programs, and every system call that a run does not need.
#[cfg(target_os = "linux")]
pub fn shut(needs: Needs) -> Vec<Unhardened> {
    failed([("Landlock", files::shut(needs)), ("seccomp", calls::shut(needs))])
}

/// For a process that is there to read files, and runs nothing of others: it writes and executes none.
#[cfg(target_os = "linux")]
pub fn read_only() -> Vec<Unhardened> {
    failed([("Landlock", files::keep_reading())])
}

#[cfg(target_os = "linux")]
fn failed<const N: usize>(steps: [(&'static str, Result<(), String>); N]) -> Vec<Unhardened> {
    steps.into_iter().filter_map(|(means, done)| Some(Unhardened { means, problem: done.err()? })).collect()
}

/// Nothing, where the means are Linux's.
#[cfg(not(target_os = "linux"))]
pub fn drop_privileges(_needs: Needs) -> Vec<Unhardened> {
    Vec::new()
}

/// Says that there are no means.
#[cfg(not(target_os = "linux"))]
pub fn shut(_needs: Needs) -> Vec<Unhardened> {
    vec![Unhardened { means: "this system", problem: "only Linux has the means that are used".to_owned() }]
}

/// Nothing, where low ports need no capability.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct LowPorts;

#[cfg(not(target_os = "linux"))]
impl LowPorts {
    /// Nothing is kept.
    pub fn new(_kept: bool) -> Self {
        Self
    }

    /// Does nothing.
    pub fn are_bound(&self) {}
}
