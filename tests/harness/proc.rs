//! What the system says of a process (proc(5)).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A field of a `status`, of a process (`/proc/PID`) or of one of its threads; empty if there is none.
///
/// # Panics
///
/// If it has ended.
#[track_caller]
pub fn field(path: &Path, name: &str) -> String {
    let status = fs::read_to_string(path.join("status")).expect("a process");
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    value.unwrap_or_default().to_owned()
}

/// Whether a process has ended, also if nobody has waited for it yet.
pub fn has_ended(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("State:\t")).is_none_or(|s| s.starts_with('Z'))
}

/// The threads of a process.
///
/// # Panics
///
/// If it has ended.
#[track_caller]
pub fn threads(pid: i32) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    tasks.map(|task| task.expect("a thread").path()).collect()
}

/// Checks that no thread of a process has a capability, can gain one, or may make every system call.
///
/// # Panics
///
/// If one is not restricted.
#[track_caller]
pub fn assert_restricted(pid: i32) {
    for thread in threads(pid) {
        for (name, value) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", "0000000000000000")]
        {
            let of = field(&thread, "Name");
            assert_eq!(field(&thread, name), value, "{name} of {} {of}", thread.display());
        }
    }
}

/// The number of a process's sockets of that protocol, `udp` or `tcp` (IPv4).
///
/// # Panics
///
/// If it has ended.
#[track_caller]
pub fn sockets(pid: i32, protocol: &str) -> usize {
    let all = fs::read_to_string(format!("/proc/{pid}/net/{protocol}")).expect("a process");
    let inodes = all.lines().skip(1).filter_map(|line| line.split_whitespace().nth(9));
    let links: BTreeSet<_> =
        inodes.map(|inode| PathBuf::from(format!("socket:[{inode}]"))).collect();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process");
    // One may be closed meanwhile.
    let open: BTreeSet<_> =
        descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect();
    open.intersection(&links).count()
}
