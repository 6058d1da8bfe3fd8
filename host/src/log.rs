//! What this host says on standard error: what went wrong, as lines for people; or all that it does, as an audit trail.

use std::fmt;
use std::io;

use sha2::{Digest as _, Sha256};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::artifact::{Artifact, Source};
use crate::exit::Exit;
use crate::grants::Grants;
use crate::guard::{Denial, Kind, Ledger, Traffic};
use crate::limits::Struck;
use crate::plan::Plan;

/// How the trail is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines with time, level and fields
    Text,
    /// An object a line
    Json,
}

/// From now on, messages go to standard error: in that format everything, without one what went wrong. The first call counts.
pub fn start(format: Option<LogFormat>) {
    let common = tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).log_internal_errors(false);
    // Only a second call fails.
    let _ = match format {
        None => tracing::subscriber::set_global_default(common.with_max_level(Level::WARN).event_format(Plain).finish()),
        Some(LogFormat::Text) => tracing::subscriber::set_global_default(common.with_ansi(false).finish()),
        Some(LogFormat::Json) => tracing::subscriber::set_global_default(common.json().flatten_event(true).finish()),
    };
}

/// Something that went wrong, on one line.
pub fn say(message: impl fmt::Display) {
    tracing::warn!("{message}");
}

/// Something that did not pass, and how many of its kind were not told since the last.
pub fn denial(denial: &Denial<'_>, untold: u64) {
    let Kind { what, why } = denial.kind();
    let more = if untold > 0 { format!(" ({untold} more since the last such line)") } else { String::new() };
    tracing::warn!(event = "denied", what, why, untold, "{denial}{more}");
}

/// A component is about to run.
pub fn started(plan: &Plan, grants: &Grants, artifact: &Artifact) {
    if tracing::enabled!(Level::INFO) {
        // Of a built-in component, that of what `emit` writes.
        let bytes = if let Source::BuiltIn(component) = &plan.source { component.bytes } else { artifact.bytes() };
        let digest = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (component, limits, rates) = (plan.source.name(), plan.limits, plan.rates);
        tracing::info!(event = "started", component, sha256 = digest, %grants, %limits, %rates, "{component} starts");
    }
}

/// A component was stopped at a limit.
pub fn limited(component: &str, limit: &Struck) {
    tracing::warn!(event = "limited", component, "stopped: {component} {limit}");
}

/// A component trapped.
pub fn trapped(component: &str, reason: &str) {
    tracing::warn!(event = "trapped", component, "{component}: trapped: {reason}");
}

/// A run is over.
pub fn ended(plan: &Plan, ledger: &Ledger, exit: Exit) {
    for (Kind { what, why }, count, untold) in ledger.totals() {
        tracing::info!(event = "denied in all", what, why, count, untold, "{count} denied: {what}, {why}");
    }
    let Traffic { received, received_bytes, sent, sent_bytes } = ledger.traffic();
    let (component, code) = (plan.source.name(), exit.code());
    tracing::info!(
        event = "ended",
        component,
        code,
        received,
        received_bytes,
        sent,
        sent_bytes,
        "{component} ended: {}",
        exit.meaning()
    );
}

/// `udping-host: ` and the message.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut message = Message(String::new());
        event.record(&mut message);
        writeln!(writer, "udping-host: {}", message.0)
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
