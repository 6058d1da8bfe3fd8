//! The title and the subtitle of a run.

use udping_results::Nanoseconds;

use crate::document::{self, Document, Schedule};
use crate::units;

/// The title of the figure: the targets of the run.
pub(crate) fn title(document: &Document) -> String {
    match document.targets.as_slice() {
        [only] => format!("udping: {}", document::name(only)),
        targets => format!("udping: {} targets", units::count(targets.len() as u64)),
    }
}

/// The subtitle: when the run began, and how it pinged.
pub(crate) fn subtitle(document: &Document) -> String {
    let config = &document.config;
    let pings = document.pings.len() as u64;
    let time = |time: Nanoseconds| humantime::format_duration(time.into());
    let interval = time(config.interval_ns);
    let schedule = match &config.schedule {
        Schedule::Fixed => format!("one every {interval}"),
        Schedule::Poisson => format!("one every {interval} on average, at random"),
        schedule => format!("schedule {schedule}"),
    };
    let end =
        if document.is_complete { "" } else { "; incomplete: the run did not come to its end" };
    format!(
        "{}; {} {}, {schedule}; {} bytes; protocol {}; timeout {}{end}",
        humantime::format_rfc3339_seconds(document.started),
        units::count(pings),
        if pings == 1 { "ping" } else { "pings" },
        units::count(config.size_bytes),
        config.protocol,
        time(config.timeout_ns),
    )
}
