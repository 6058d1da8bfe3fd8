//! The messages between the exporter and the process that runs a module's probes: one JSON object
//! per line, requests on its standard input, answers on its standard output.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The first line: what all probes of the process have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Options of the host, as arguments.
    pub host: Vec<String>,
    /// Options of the client, as arguments.
    pub client: Vec<String>,
    /// The component to run in place of the built-in client.
    pub component: Option<PathBuf>,
    /// Whether names may have to be resolved.
    pub has_names: bool,
    /// The maximum number of probes at a time.
    pub max_probes: usize,
}

/// A request for one probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRequest {
    /// A number that the answer repeats.
    pub id: u64,
    /// The target: `HOST:PORT`.
    pub target: String,
    /// The time after which the client ends, even with replies outstanding.
    pub deadline: Duration,
}

/// The answer to a [`ProbeRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeAnswer {
    /// The number of the request.
    pub id: u64,
    /// Why the probe did not run to its end, in one line; none if it did.
    pub error: Option<String>,
    /// The time from the request to the first call in the sandbox.
    pub start: Duration,
    /// The uses of the network that were denied.
    pub denied: u64,
    /// What the client wrote to its standard output: a results document, unless it failed.
    pub output: String,
    /// What the client wrote to its standard error.
    pub complaint: String,
}

/// Writes a message as one line.
///
/// # Errors
///
/// Those of `to`.
pub fn write(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&line(message)?)?;
    to.flush()
}

/// Returns a message as one line.
pub(crate) fn line(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads the next message; none at the end.
///
/// # Errors
///
/// Those of `from`, and if the line is not such a message.
pub fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
