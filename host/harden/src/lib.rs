//! What a process gives up before any guest code runs: should a guest ever break out of
//! WebAssembly, it finds itself where there are no files, no programs to start, and no privileges.
//!
//! In steps, since what is between them still reads files and starts processes: [`drop_privileges`]
//! before a component is compiled, [`close_inherited`] and [`shut`] when all is read, and before
//! there is a second thread, which [`shut`] could not hold to everything. A kernel that lacks one
//! of the means is no reason not to run: the caller is told.

#[cfg(target_os = "linux")]
mod arguments;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod privileges;

/// What the process still needs when guest code runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// To bind ports below 1024.
    pub bind_capability: bool,
    /// To mark what is sent (`SO_MARK`).
    pub mark: bool,
    /// To bind sockets to an interface (`SO_BINDTODEVICE`).
    pub bind_device: bool,
}

impl Needs {
    /// Whether one of them may take a capability, which stays until sockets are bound: see
    /// [`BindCapability`].
    pub fn keep_a_capability(self) -> bool {
        self.bind_capability || self.mark || self.bind_device
    }
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
        write!(
            f,
            "warning: not hardened by {}: {}; --no-harden does without any",
            self.means, self.problem
        )
    }
}

#[cfg(target_os = "linux")]
pub use {
    descriptors::{close_inherited, note_inherited},
    privileges::BindCapability,
};

/// Has no other process of this user look at this one's memory, where a key is, and nothing write
/// it to a file.
#[cfg(target_os = "linux")]
pub fn hide_memory() -> Vec<Unhardened> {
    failed([("PR_SET_DUMPABLE", memory::hide()), ("RLIMIT_CORE", memory::never_dump())])
}

/// Gives up privileges: no new ones can be gained, and the capabilities go.
#[cfg(target_os = "linux")]
pub fn drop_privileges(needs: Needs) -> Vec<Unhardened> {
    failed([
        ("no_new_privs", privileges::gain_none()),
        ("capabilities", privileges::drop_all(needs)),
    ])
}

/// Shuts the doors: files, executable memory, programs, and every system call that a run does not
/// need.
#[cfg(target_os = "linux")]
pub fn shut() -> Vec<Unhardened> {
    shut_but_for(Needs::default())
}

/// The same, but for the options of sockets that are needed.
#[cfg(target_os = "linux")]
pub fn shut_but_for(needs: Needs) -> Vec<Unhardened> {
    failed([("Landlock", alone().and_then(|()| files::shut())), ("seccomp", calls::shut(needs))])
}

/// Leaves no sockets, where a process needs none and has still others of these steps before it.
#[cfg(target_os = "linux")]
pub fn deny_network() -> Vec<Unhardened> {
    failed([("seccomp", calls::deny_network())])
}

/// The same, but for what the system's resolver needs.
#[cfg(target_os = "linux")]
pub fn shut_resolver() -> Vec<Unhardened> {
    failed([
        ("Landlock", alone().and_then(|()| files::shut_resolver())),
        ("seccomp", calls::shut_resolver()),
    ])
}

/// The same, but for what reading the file at `path` again needs, and another one that has its name
/// then: the files in its folder, and in the one that it is in by now, where it is a link.
#[cfg(target_os = "linux")]
pub fn shut_reader(path: &std::path::Path) -> Vec<Unhardened> {
    let folder = |path: &std::path::Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(std::path::Path::new(".")).to_owned()
    };
    let real = std::fs::canonicalize(path).ok();
    let folders: Vec<_> = [path].into_iter().chain(real.as_deref()).map(folder).collect();
    let landlock = alone().and_then(|()| files::shut_reader(&folders));
    failed([("Landlock", landlock), ("seccomp", calls::shut_reader())])
}

/// Landlock holds for the thread that asks for it, and those that it starts: there must not be
/// another one.
#[cfg(target_os = "linux")]
fn alone() -> Result<(), String> {
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(count) if count > 1 => {
            Err(format!("there are {count} threads already, and it holds for one"))
        }
        // Where it cannot be told, there is no reason to leave it.
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn failed<const N: usize>(steps: [(&'static str, Result<(), String>); N]) -> Vec<Unhardened> {
    steps
        .into_iter()
        .filter_map(|(means, done)| Some(Unhardened { means, problem: done.err()? }))
        .collect()
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Needs, Unhardened};

    /// Nothing, where the means are Linux's.
    pub fn note_inherited() {}

    /// Nothing, where the means are Linux's.
    pub fn close_inherited(_kept: [std::convert::Infallible; 0]) {}

    /// Nothing, where the means are Linux's.
    pub fn hide_memory() -> Vec<Unhardened> {
        Vec::new()
    }

    /// Nothing, where the means are Linux's.
    pub fn drop_privileges(_needs: Needs) -> Vec<Unhardened> {
        Vec::new()
    }

    /// Says that there are no means.
    pub fn shut_but_for(_needs: Needs) -> Vec<Unhardened> {
        shut()
    }

    /// Says that there are no means.
    pub fn shut() -> Vec<Unhardened> {
        vec![Unhardened {
            means: "this system",
            problem: "only Linux has the means that are used".to_owned(),
        }]
    }

    /// Nothing, where low ports need no capability.
    #[derive(Debug)]
    pub struct BindCapability;

    impl BindCapability {
        /// Nothing is kept.
        pub fn new(_kept: bool) -> Self {
            Self
        }

        /// Does nothing.
        pub fn release(&self) {}
    }
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::*;
