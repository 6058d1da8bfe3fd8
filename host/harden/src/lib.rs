//! Drops the privileges of a process before guest code runs in it: a guest that escapes from
//! WebAssembly finds no files, no programs to start, and no privileges.
//!
//! In steps, since files are still read and processes started in between: [`drop_privileges`]
//! before a component is compiled, [`close_inherited`] and [`shut`] once everything is read, and
//! before there is a second thread, which [`shut`] could not restrict completely. A kernel that
//! lacks one of the mechanisms is no reason not to run: the caller is told.

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
    /// Whether it binds ports below 1024 (`CAP_NET_BIND_SERVICE`).
    pub bind_capability: bool,
    /// Whether it marks sent datagrams (`SO_MARK`, socket(7)).
    pub mark: bool,
    /// Whether it binds sockets to an interface (`SO_BINDTODEVICE`, socket(7)).
    pub bind_device: bool,
}

impl Needs {
    /// Whether one of them may need a capability, which is kept until sockets are bound: see
    /// [`BindCapability`].
    pub fn keep_a_capability(self) -> bool {
        self.bind_capability || self.mark || self.bind_device
    }
}

/// A mechanism that could not be used.
#[derive(Debug)]
pub struct Unhardened {
    /// The name of the mechanism.
    pub means: &'static str,
    /// Why it could not be used.
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

/// Hides this process's memory, which holds a key, from other processes of this user, and from core
/// dumps. Returns the mechanisms that failed.
#[cfg(target_os = "linux")]
pub fn hide_memory() -> Vec<Unhardened> {
    failed([("PR_SET_DUMPABLE", memory::hide()), ("RLIMIT_CORE", memory::never_dump())])
}

/// Drops the capabilities, except those of `needs`, and prevents gaining any privileges. Returns
/// the mechanisms that failed.
#[cfg(target_os = "linux")]
pub fn drop_privileges(needs: Needs) -> Vec<Unhardened> {
    failed([
        ("no_new_privs", privileges::gain_none()),
        ("capabilities", privileges::drop_all(needs)),
    ])
}

/// Denies files, executable memory, programs, and every system call that a run does not need.
/// Returns the mechanisms that failed.
#[cfg(target_os = "linux")]
pub fn shut() -> Vec<Unhardened> {
    shut_but_for(Needs::default())
}

/// As [`shut`], except for the socket options in `needs`.
#[cfg(target_os = "linux")]
pub fn shut_but_for(needs: Needs) -> Vec<Unhardened> {
    failed([("Landlock", alone().and_then(|()| files::shut())), ("seccomp", calls::shut(needs))])
}

/// Denies sockets to a process that needs none, and takes others of these steps later. Returns the
/// mechanisms that failed.
#[cfg(target_os = "linux")]
pub fn deny_network() -> Vec<Unhardened> {
    failed([("seccomp", calls::deny_network())])
}

/// As [`shut`], except for what the system's resolver needs.
#[cfg(target_os = "linux")]
pub fn shut_resolver() -> Vec<Unhardened> {
    failed([
        ("Landlock", alone().and_then(|()| files::shut_resolver())),
        ("seccomp", calls::shut_resolver()),
    ])
}

/// As [`shut`], except for serving HTTP on a socket that listens already, and without any others.
/// Returns the mechanisms that failed.
#[cfg(target_os = "linux")]
pub fn shut_http() -> Vec<Unhardened> {
    failed([("Landlock", alone().and_then(|()| files::shut())), ("seccomp", calls::shut_http())])
}

/// As [`shut`], except for what is needed to reread the file at `path`, or another one that has
/// replaced it: the files in its folder, and in that of its target if it is a symbolic link.
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

/// Landlock restricts the calling thread, and those that it starts later: there must not be any
/// other.
#[cfg(target_os = "linux")]
fn alone() -> Result<(), String> {
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(count) if count > 1 => {
            Err(format!("there are {count} threads already, and it holds for one"))
        }
        // If the threads cannot be counted, Landlock is used nevertheless.
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

    /// Does nothing: the mechanisms are Linux's.
    pub fn note_inherited() {}

    /// Does nothing: the mechanisms are Linux's.
    pub fn close_inherited(_kept: [std::convert::Infallible; 0]) {}

    /// Does nothing: the mechanisms are Linux's.
    pub fn hide_memory() -> Vec<Unhardened> {
        Vec::new()
    }

    /// Does nothing: the mechanisms are Linux's.
    pub fn drop_privileges(_needs: Needs) -> Vec<Unhardened> {
        Vec::new()
    }

    /// Returns that there are no mechanisms.
    pub fn shut_but_for(_needs: Needs) -> Vec<Unhardened> {
        shut()
    }

    /// Returns that there are no mechanisms.
    pub fn shut() -> Vec<Unhardened> {
        vec![Unhardened {
            means: "this system",
            problem: "only Linux has the means that are used".to_owned(),
        }]
    }

    /// An empty type: low ports need no capability.
    #[derive(Debug)]
    pub struct BindCapability;

    impl BindCapability {
        /// Creates the empty type.
        pub fn new(_kept: bool) -> Self {
            Self
        }

        /// Does nothing: there is no capability to give up.
        pub fn release(&self) {}
    }
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::*;
