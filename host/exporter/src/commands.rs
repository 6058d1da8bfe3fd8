//! What the exporter has its host do.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use tokio::process::Command;

use crate::config::Module;

/// How the host starts processes, and reads files.
#[derive(Clone, Copy, Debug)]
pub struct Commands {
    /// The process that pings a module's targets: it reads them from standard input, one on a line,
    /// writes the events of `client --format jsonl` to standard output, and the records of `--log
    /// json` to standard error. It ends at SIGTERM.
    pub client: fn(&Module) -> io::Result<Command>,
    /// The process that runs a module's probes ([`crate::protocol`]). It ends at the end of its
    /// standard input.
    pub prober: fn() -> io::Result<Command>,
    /// Reads a file of the configuration. The error is one line, without the path.
    pub read: fn(&Path) -> Result<String, String>,
    /// Checks an option of the host, by its name and its arguments. The error is one line.
    pub host_option: fn(&str, &[String]) -> Result<(), String>,
    /// Reads the addresses of this machine.
    pub own_addresses: fn() -> io::Result<HashSet<IpAddr>>,
    /// Returns free memory to the system, after a large response.
    pub release_memory: fn(),
    /// The version of the host.
    pub version: &'static str,
}
