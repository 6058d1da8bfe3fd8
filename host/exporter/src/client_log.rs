//! The log of a module's client: what its host refused, and what the sandbox is.

use std::sync::Arc;

use serde::Deserialize;
use tokio::process::ChildStderr;

use crate::config::Module;
use crate::lines::Lines;
use crate::own::Own;
use crate::sandbox::Sandbox;

/// The maximum length of a record, in bytes: the first lists a grant for each target.
const LONGEST: usize = 32 << 20;

/// A record of `--log json`.
#[derive(Debug, Deserialize)]
struct LogRecord {
    level: String,
    event: Option<String>,
    message: Option<String>,
    suppressed: Option<u64>,
    /// What the client wrote to its standard error.
    line: Option<String>,
}

/// Counts the denials in a client's log, and passes on what it warns of.
pub(crate) async fn read(
    stderr: ChildStderr,
    module: Arc<Module>,
    own: Arc<Own>,
    sandbox: Sandbox,
) {
    let mut records = Lines::new(stderr, LONGEST);
    while let Ok(Some(line)) = records.next().await {
        let Ok(record) = serde_json::from_slice::<LogRecord>(line) else { continue };
        let message = record.message.unwrap_or_default();
        match record.event.as_deref() {
            Some("denied") => own.denied(&module.name, 1 + record.suppressed.unwrap_or_default()),
            Some("started") => {
                if let Ok(started) = serde_json::from_slice(line) {
                    sandbox.started(started);
                }
            }
            _ => {}
        }
        match (record.level.as_str(), record.line) {
            ("ERROR" | "WARN", _) => tracing::warn!("module {}: {message}", module.name),
            (_, Some(line)) => tracing::warn!("module {}: {line}", module.name),
            _ => tracing::debug!("module {}: {message}", module.name),
        }
    }
}
