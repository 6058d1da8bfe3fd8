//! The shapes of JSON and CSV. Every key names its unit; docs/results.schema.json and
//! docs/events.schema.json describe them.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::Serialize;
use udping_core::Seq;
use udping_core::client::Protocol;
use udping_core::client::Results;
use udping_core::client::{Punctuality, Summary};
use udping_core::stats::DirectedLosses;
use udping_core::stats::Spread;
use udping_core::stats::{Fate, Sent};
use udping_core::stats::{OneWaySpreads, Reflected, SyncedSpreads};
use udping_core::wire::stamp::ErrorEstimate;

use crate::run::{FlowName, Run, Target, unix_time};

/// Nanoseconds; 584 years at the most.
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// `config`.
#[derive(Serialize)]
pub struct ConfigView {
    protocol: &'static str,
    schedule: &'static str,
    interval_ns: u64,
    timeout_ns: u64,
    count: Option<NonZeroU64>,
    burst: u32,
    size_bytes: usize,
    deadline_ns: Option<u64>,
    source_ports: usize,
    precise: bool,
    keyed: bool,
}

impl ConfigView {
    pub fn of(run: &Run) -> Self {
        let config = &run.config;
        Self {
            protocol: match config.codec.protocol {
                Protocol::Text => "text",
                Protocol::Stamp { .. } => "stamp",
            },
            schedule: run.schedule(),
            interval_ns: nanos(config.interval),
            timeout_ns: nanos(config.timeout),
            count: config.count,
            burst: config.burst.get(),
            size_bytes: run.datagram,
            deadline_ns: config.deadline.map(nanos),
            source_ports: config.source_ports.get(),
            precise: run.settings.precise,
            keyed: config.codec.keys.is_some(),
        }
    }
}

/// One of `targets`.
#[derive(Serialize)]
pub struct TargetView<'a> {
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> From<&'a Target> for TargetView<'a> {
    fn from(target: &'a Target) -> Self {
        let address = target.address.as_ref();
        Self {
            host: &target.host,
            address: address.ok().map(ToString::to_string),
            error: address.err().map(String::as_str),
        }
    }
}

/// One of `records`: a ping, when nothing more will become of it.
#[derive(Serialize)]
pub struct RecordView {
    target: usize,
    source_port: u16,
    seq: u32,
    scheduled_ns: u64,
    sent_ns: u64,
    sent_at: String,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ns: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    duplicates: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp: Option<ReflectedView>,
}

/// `stamp` of a record: what the reflector said. The offset between its clock and ours is in
/// neither, unless both are declared to agree.
#[derive(Serialize)]
struct ReflectedView {
    counter: u32,
    processing_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_delay_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backward_delay_ns: Option<i64>,
}

impl ReflectedView {
    fn new(reflected: Reflected, is_synced: bool) -> Self {
        Self {
            counter: reflected.counter.0,
            processing_ns: nanos(reflected.processing),
            forward_delay_ns: is_synced.then_some(reflected.forward.0),
            backward_delay_ns: is_synced.then_some(reflected.backward.0),
        }
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl RecordView {
    pub fn new(run: &Run, flow: FlowName, seq: Seq, sent: &Sent) -> Self {
        Self {
            target: flow.target,
            source_port: flow.source_port,
            seq: seq.0,
            scheduled_ns: nanos(run.since_start(sent.scheduled)),
            sent_ns: nanos(run.since_start(sent.at)),
            sent_at: unix_time(sent.wall),
            fate: fate(sent.fate),
            rtt_ns: sent.round_trip().map(nanos),
            duplicates: sent.duplicates,
            stamp: sent.reflected.map(|reflected| {
                ReflectedView::new(reflected, run.config.measured.synced.is_some())
            }),
        }
    }
}

/// The word for what became of a ping.
pub fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Awaited => "awaited",
        Fate::Received => "received",
        Fate::Late => "late",
        Fate::Lost => "lost",
        Fate::NotSent => "not_sent",
    }
}

/// One of `flows`.
#[derive(Serialize)]
pub struct FlowView {
    target: usize,
    source_port: u16,
    #[serde(flatten)]
    summary: SummaryView,
}

impl FlowView {
    pub fn new(flow: FlowName, summary: &Summary) -> Self {
        Self { target: flow.target, source_port: flow.source_port, summary: summary.into() }
    }
}

/// `total`, and each flow's.
#[derive(Serialize)]
pub struct SummaryView {
    sent: u64,
    received: u64,
    late: u64,
    lost: u64,
    awaited: u64,
    loss_ratio: f64,
    duplicates: u64,
    reordered: u64,
    foreign: u64,
    send_errors: u64,
    longest_loss_burst: u64,
    longest_outage_ns: u64,
    longest_outage_lost: u64,
    longest_outage_not_sent: u64,
    sent_bytes: u64,
    received_bytes: u64,
    rtt: Option<SpreadView>,
    scheduled_rtt: Option<SpreadView>,
    ipdv: Option<SpreadView>,
    jitter_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp: Option<OneWayView>,
}

impl From<&Summary> for SummaryView {
    fn from(s: &Summary) -> Self {
        Self {
            sent: s.sent,
            received: s.received,
            late: s.late,
            lost: s.lost,
            awaited: s.awaited,
            loss_ratio: s.loss_ratio(),
            duplicates: s.duplicates,
            reordered: s.reordered,
            foreign: s.foreign,
            send_errors: s.send_errors,
            longest_loss_burst: s.longest_loss_burst,
            longest_outage_ns: nanos(s.longest_outage.duration),
            longest_outage_lost: s.longest_outage.lost,
            longest_outage_not_sent: s.longest_outage.not_sent,
            sent_bytes: s.sent_bytes,
            received_bytes: s.received_bytes,
            rtt: s.rtt.map(Into::into),
            scheduled_rtt: s.scheduled_rtt.map(Into::into),
            ipdv: s.ipdv.map(Into::into),
            jitter_ns: s.jitter.map(nanos),
            stamp: s.one_way.map(|spreads| OneWayView::new(spreads, s.directed_losses)),
        }
    }
}

/// Spans of time.
#[derive(Serialize)]
pub struct SpreadView {
    min_ns: u64,
    mean_ns: u64,
    stddev_ns: u64,
    max_ns: u64,
    #[serde(flatten)]
    percentiles: Option<PercentilesView>,
}

#[derive(Serialize)]
struct PercentilesView {
    p50_ns: u64,
    p90_ns: u64,
    p95_ns: u64,
    p99_ns: u64,
    p99_9_ns: u64,
}

impl From<Spread> for SpreadView {
    fn from(spread: Spread) -> Self {
        let percentiles = spread.percentiles.map(|p| PercentilesView {
            p50_ns: nanos(p.p50),
            p90_ns: nanos(p.p90),
            p95_ns: nanos(p.p95),
            p99_ns: nanos(p.p99),
            p99_9_ns: nanos(p.p99_9),
        });
        Self {
            min_ns: nanos(spread.min),
            mean_ns: nanos(spread.mean),
            stddev_ns: nanos(spread.stddev),
            max_ns: nanos(spread.max),
            percentiles,
        }
    }
}

/// `stamp`.
#[derive(Serialize)]
struct OneWayView {
    lost_forward: Option<u64>,
    lost_backward: Option<u64>,
    lost_unknown: Option<u64>,
    processing: Option<SpreadView>,
    net_rtt: Option<SpreadView>,
    forward_variation: Option<SpreadView>,
    backward_variation: Option<SpreadView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    synced: Option<SyncedView>,
}

/// `synced`: delays, and how far to believe them.
#[derive(Serialize)]
struct SyncedView {
    forward_delay: Option<SpreadView>,
    backward_delay: Option<SpreadView>,
    below_zero: u64,
    sender: ClockView,
    reflector: Option<ClockView>,
}

/// A clock, as its error estimate has it. Where that is not valid, there is no error.
#[derive(Serialize)]
struct ClockView {
    error_ns: Option<u64>,
    synchronised: bool,
}

impl From<ErrorEstimate> for ClockView {
    fn from(estimate: ErrorEstimate) -> Self {
        Self { error_ns: estimate.error().map(nanos), synchronised: estimate.is_synchronised() }
    }
}

impl From<SyncedSpreads> for SyncedView {
    fn from(spreads: SyncedSpreads) -> Self {
        Self {
            forward_delay: spreads.forward_delay.map(Into::into),
            backward_delay: spreads.backward_delay.map(Into::into),
            below_zero: spreads.below_zero,
            sender: spreads.sender.into(),
            reflector: spreads.reflector.map(Into::into),
        }
    }
}

impl OneWayView {
    fn new(spreads: OneWaySpreads, losses: Option<DirectedLosses>) -> Self {
        Self {
            lost_forward: losses.map(|losses| losses.forward),
            lost_backward: losses.map(|losses| losses.backward),
            lost_unknown: losses.map(|losses| losses.unknown),
            processing: spreads.processing.map(Into::into),
            net_rtt: spreads.net_rtt.map(Into::into),
            forward_variation: spreads.forward_variation.map(Into::into),
            backward_variation: spreads.backward_variation.map(Into::into),
            synced: spreads.synced.map(Into::into),
        }
    }
}

/// `sender`: the tool's own error.
#[derive(Serialize)]
pub struct SenderView {
    missed_slots: u64,
    timer_error: Option<SpreadView>,
    send_call: Option<SpreadView>,
}

impl From<&Punctuality> for SenderView {
    fn from(punctuality: &Punctuality) -> Self {
        Self {
            missed_slots: punctuality.missed_slots,
            timer_error: punctuality.timer_error.map(Into::into),
            send_call: punctuality.send_call.map(Into::into),
        }
    }
}

/// `receiver`: what this machine itself lost.
#[derive(Serialize)]
pub struct ReceiverView {
    dropped: Option<u64>,
}

impl From<&Results> for ReceiverView {
    fn from(results: &Results) -> Self {
        Self { dropped: results.dropped }
    }
}
