//! The log of a module's client: what its host refused, and what the sandbox is.

use udping_events::LogRecord;

use crate::config::Module;
use crate::own::Own;
use crate::sandbox::Sandbox;

/// Counts a denial in a client's log, and passes on what it warns of. `line` is the whole record.
pub(crate) fn record(
    record: LogRecord,
    line: &[u8],
    module: &Module,
    own: &Own,
    sandbox: &Sandbox,
) {
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
