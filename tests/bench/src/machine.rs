//! The machine of a benchmark: figures mean nothing without it.

use std::{fs, thread};

use crate::peers::version;

/// Returns processor, cores, kernel, and the versions of all peers.
pub(crate) fn describe() -> Vec<(&'static str, String)> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = thread::available_parallelism().map_or("?".to_owned(), |cores| cores.to_string());
    let unknown = || "unknown".to_owned();
    let python = version("python3", "--version").unwrap_or_else(unknown);
    vec![
        ("processor", format!("{}, {cores} cores", model.map_or("unknown", |(_, model)| model))),
        (
            "kernel",
            fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| unknown(), |v| v.trim().to_owned()),
        ),
        ("udping", env!("CARGO_PKG_VERSION").to_owned()),
        ("wasmtime", "48.0.8 in udping-host, 48.0.2 as the CLI".to_owned()),
        ("sockperf", version("sockperf", "--version").unwrap_or_else(unknown)),
        ("irtt", version("irtt", "version").unwrap_or_else(unknown)),
        ("python", python),
    ]
}
