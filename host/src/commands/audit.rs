//! The audit trail: what a run is, what it was refused, and how it ended.

use std::time::Duration;

use tracing::Level;

use crate::config::key::Keys;
use crate::config::plan::Plan;
use crate::process::digest::sha256;
use crate::process::exit::Exit;
use crate::process::signals::Signal;
use crate::sandbox::artifact::{Artifact, Source};
use crate::sandbox::outcome::{Stopped, Trap};
use udping_permissions::grants::Grants;
use udping_permissions::guard::{Denial, Kind, Ledger, Traffic};
use udping_permissions::limits::LimitExceeded;

/// Logs a denial, and how many of its kind were suppressed since the last one logged.
pub fn denial(denial: &Denial<'_>, suppressed: u64) {
    let Kind { what, why } = denial.kind();
    let more = if suppressed > 0 {
        format!(" ({suppressed} more since the last such line)")
    } else {
        String::new()
    };
    tracing::warn!(event = "denied", what, why, suppressed, "{denial}{more}");
}

/// Logs that a component is about to run.
pub fn started(plan: &Plan, grants: &Grants, artifact: &Artifact) {
    if tracing::enabled!(Level::INFO) {
        // For a built-in component, the digest of what `emit` writes.
        let bytes = if let Source::BuiltIn(component) = &plan.source {
            component.bytes
        } else {
            artifact.bytes()
        };
        let (component, limits, rates) = (plan.source.name(), plan.limits, plan.rates);
        let keys = plan.keys.as_ref().map_or(0, Keys::count);
        let environment =
            plan.variables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
        tracing::info!(
            event = "started",
            component,
            sha256 = sha256(bytes),
            %grants,
            %limits,
            %rates,
            keys,
            environment,
            "{component} starts"
        );
    }
}

/// Logs that the key file was read again; its keys are in force from now on.
pub fn keys_read(keys: usize) {
    tracing::info!(event = "keys", keys, "keys re-read: {keys}");
}

/// Logs that a component was stopped at a limit.
pub fn limited(component: &str, limit: &LimitExceeded) {
    tracing::warn!(event = "limited", component, "stopped: {component} {limit}");
}

/// Logs that a component trapped, and what it had been `refused` before, if anything.
pub fn trapped(component: &str, trap: &Trap, refused: Option<&str>) {
    let before =
        refused.map(|refused| format!("; it was refused before to {refused}")).unwrap_or_default();
    tracing::warn!(
        event = "trapped",
        component,
        reason = trap.reason,
        functions = (!trap.frames.is_empty()).then(|| trap.functions()),
        last_call = trap.last_call,
        refused,
        "{component}: trapped: {trap}{before}"
    );
}

/// Logs that a signal told a component to stop, while it keeps running.
pub fn stopping(component: &str, signal: Signal, grace: Duration) {
    let grace = humantime::format_duration(grace);
    tracing::warn!(
        event = "stopping",
        component,
        %signal,
        "{signal}: {component} is told to stop, and is ended after {grace} (--stop-grace), or at once by a second signal"
    );
}

/// Logs that a component was ended after it had been told to stop.
pub fn stopped(component: &str, stopped: Stopped, grace: Duration) {
    let grace = humantime::format_duration(grace);
    match stopped {
        Stopped { signal: None, .. } => {
            tracing::info!(
                event = "stopped",
                component,
                "{component} is ended, since another instance failed"
            );
        }
        Stopped { signal: Some(signal), could_know } => {
            let why = if could_know {
                format!("is ended: it still ran {grace} after it was told to stop (--stop-grace)")
            } else {
                "is ended at once, since it takes no notices".to_owned()
            };
            tracing::warn!(event = "stopped", component, %signal, "{signal}: {component} {why}");
        }
    }
}

/// Logs that the process exits while a component is still running.
pub fn killed(component: &str, exit: Exit) {
    tracing::warn!(
        event = "killed",
        component,
        "{component} still runs, and the process ends: {}",
        exit.meaning()
    );
}

/// Logs the end of a run, with its totals.
pub fn ended(plan: &Plan, ledger: &Ledger, exit: Exit) {
    for (Kind { what, why }, count, suppressed) in ledger.totals() {
        tracing::info!(
            event = "denied_total",
            what,
            why,
            count,
            suppressed,
            "{count} denied: {what}, {why}"
        );
    }
    let Traffic { received, received_bytes, sent, sent_bytes, dropping } = ledger.traffic();
    let component = plan.source.name();
    let code = exit.code();
    let dropping_us = u64::try_from(dropping.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        event = "ended",
        component,
        code,
        received,
        received_bytes,
        sent,
        sent_bytes,
        dropping_us,
        "{component} ended: {}",
        exit.meaning()
    );
}
