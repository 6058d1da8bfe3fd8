//! What a run is called, and how it was done.

use std::time::Duration;

use crate::document::{Config, Document, Schedule};
use crate::units;

/// Title of the figure: the targets of the run.
pub(crate) fn title(document: &Document) -> String {
    match document.targets.as_slice() {
        [only] => format!("udping: {}", only.name()),
        targets => format!("udping: {} targets", units::count(targets.len() as u64)),
    }
}

/// Line below the title: when the run began, and how it pinged.
pub(crate) fn subtitle(document: &Document) -> String {
    let Config { protocol, schedule, interval, timeout, size_bytes } = &document.config;
    let (pings, time) =
        (document.pings.len() as u64, |time: Duration| humantime::format_duration(time));
    let schedule = match schedule {
        Schedule::Fixed => format!("one every {}", time(*interval)),
        Schedule::Poisson => format!("one every {} on average, at random", time(*interval)),
        Schedule::Other(name) => format!("schedule {name}"),
    };
    format!(
        "{}; {} {}, {schedule}; {} bytes; protocol {protocol}; timeout {}",
        humantime::format_rfc3339_seconds(document.started),
        units::count(pings),
        if pings == 1 { "ping" } else { "pings" },
        units::count(*size_bytes),
        time(*timeout),
    )
}
