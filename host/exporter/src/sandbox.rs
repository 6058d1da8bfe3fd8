//! What is known of the sandbox of a module's client: what its host logged at the start, and what
//! the system says of its process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What the page shows of the sandbox of a module's client, which is another one after each start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sandbox(Arc<Mutex<Running>>);

/// The client that runs now, if one does.
#[derive(Debug, Default)]
struct Running {
    pid: Option<u32>,
    started: Option<Started>,
}

/// What a host logs when a component starts (`"event":"started"`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    component: String,
    sha256: String,
    grants: String,
    limits: String,
    rates: String,
    keys: u64,
}

/// The privileges of a process, as the system tells them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Privileges {
    pid: u32,
    /// Whether its system calls are filtered.
    seccomp: bool,
    /// Whether programs that it executes gain nothing.
    no_new_privs: bool,
    /// Its effective capabilities, as a mask in hexadecimal.
    capabilities: String,
}

/// What is known of the sandbox now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Facts {
    started: Option<Started>,
    process: Option<Privileges>,
}

/// The maximum length of the grants of [`Facts`], in bytes: there may be thousands.
const LONGEST_GRANTS: usize = 400;

impl Started {
    /// Shortens the grants to [`LONGEST_GRANTS`].
    fn shortened(mut self) -> Self {
        if self.grants.len() > LONGEST_GRANTS {
            let kept = self.grants.floor_char_boundary(LONGEST_GRANTS);
            let more = self.grants[kept..].matches(", ").count();
            self.grants.truncate(kept);
            self.grants += &format!("… and {more} more");
        }
        self
    }
}

impl Privileges {
    /// Reads those of a process.
    fn of(pid: u32) -> Option<Self> {
        Self::parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }

    fn parse(pid: u32, status: &str) -> Option<Self> {
        let value = |name: &str| {
            status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
        };
        Some(Self {
            pid,
            seccomp: value("Seccomp")? == "2",
            no_new_privs: value("NoNewPrivs")? == "1",
            capabilities: value("CapEff")?.to_owned(),
        })
    }
}

impl Sandbox {
    /// Notes that a client runs. What its host logs may have been noted before.
    pub(crate) fn runs(&self, pid: Option<u32>) {
        self.running().pid = pid;
    }

    /// Notes that no client runs.
    pub(crate) fn ended(&self) {
        *self.running() = Running::default();
    }

    /// Notes what its host logged when the component started.
    pub(crate) fn started(&self, started: Started) {
        self.running().started = Some(started.shortened());
    }

    /// What is known of it now.
    pub(crate) fn facts(&self) -> Facts {
        let (pid, started) = {
            let running = self.running();
            (running.pid, running.started.clone())
        };
        Facts { started, process: pid.and_then(Privileges::of) }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // Nothing that holds the lock leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_those_in_the_status_of_the_process() {
        let status = "Name:\tx\nCapEff:\t0000000000000400\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";
        let privileges = Privileges::parse(7, status).unwrap();
        assert_eq!((privileges.seccomp, privileges.no_new_privs), (true, true));
        assert_eq!(privileges.capabilities, "0000000000000400");
        let open = status.replace("Seccomp:\t2", "Seccomp:\t0").replace("Privs:\t1", "Privs:\t0");
        let privileges = Privileges::parse(7, &open).unwrap();
        assert_eq!((privileges.seccomp, privileges.no_new_privs), (false, false));
        assert_eq!(Privileges::parse(7, "Name:\tx\n"), None);
    }

    #[test]
    fn thousands_of_grants_are_shortened() {
        let grants = vec!["send to ü:1"; 1000].join(", ");
        let started = Started {
            component: "client".to_owned(),
            sha256: String::new(),
            grants,
            limits: String::new(),
            rates: String::new(),
            keys: 0,
        };
        let grants = started.shortened().grants;
        assert!(grants.len() < 450 && grants.starts_with("send to ü:1, "), "{grants}");
        assert!(grants.ends_with(" more"), "{grants}");
    }
}
