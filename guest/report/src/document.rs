//! Conversion of a run to the types of the results document, [`udping_results`].

use udping_core::Seq;
use udping_core::client::{Pace, Protocol, Punctuality, ReceiveTimes, Results, Summary};
use udping_core::stats::{
    DirectedLosses, Fate, Histogram, OneWaySpreads, Reflected, Sent, Spread, SyncedSpreads,
};
use udping_core::wire::stamp::ErrorEstimate;
use udping_results as results;

use crate::run::{FlowName, Run, Target, unix_time};

/// Converts the configuration.
pub(crate) fn config(run: &Run) -> results::Config {
    let config = &run.config;
    results::Config {
        protocol: match config.codec.protocol {
            Protocol::Text => results::Protocol::Text,
            Protocol::Stamp { .. } => results::Protocol::Stamp,
        },
        schedule: match config.pace {
            Pace::Fixed => results::Schedule::Fixed,
            Pace::Poisson { .. } => results::Schedule::Poisson,
            Pace::Flood => results::Schedule::Flood,
            Pace::Adaptive => results::Schedule::Adaptive,
        },
        interval_ns: config.interval.into(),
        timeout_ns: config.timeout.into(),
        count: config.count,
        burst: config.burst,
        size_bytes: run.datagram as u64,
        deadline_ns: config.deadline.map(Into::into),
        source_ports: config.source_ports.get() as u64,
        precise: run.settings.precise,
        keyed: config.codec.keys.is_some(),
    }
}

/// Converts all named targets.
pub(crate) fn targets(run: &Run) -> Vec<results::Target> {
    run.targets.iter().map(target).collect()
}

fn target(target: &Target) -> results::Target {
    let address = target.address.as_ref();
    results::Target {
        host: target.host.clone(),
        address: address.ok().map(ToString::to_string),
        error: address.err().cloned(),
    }
}

/// Converts the index of a target; there are far fewer than 2^32.
pub(crate) fn index(target: usize) -> u32 {
    u32::try_from(target).unwrap_or(u32::MAX)
}

/// Converts a ping whose outcome is final.
pub(crate) fn record(run: &Run, flow: FlowName, seq: Seq, sent: &Sent) -> results::Record {
    let is_synced = run.config.measured.synced.is_some();
    results::Record {
        target: index(flow.target),
        source_port: flow.source_port,
        seq: seq.0,
        scheduled_ns: Some(run.since_start(sent.scheduled).into()),
        sent_ns: Some(run.since_start(sent.at).into()),
        sent_at: Some(unix_time(sent.wall)),
        fate: fate(sent.fate),
        rtt_ns: sent.round_trip().map(Into::into),
        duplicates: sent.duplicates,
        stamp: sent.reflected.map(|said| reflected(said, is_synced)),
    }
}

/// Converts the outcome of a ping.
pub(crate) const fn fate(fate: Fate) -> results::Fate {
    match fate {
        Fate::Awaited => results::Fate::Awaited,
        Fate::Received => results::Fate::Received,
        Fate::Late => results::Fate::Late,
        Fate::Lost => results::Fate::Lost,
        Fate::NotSent => results::Fate::NotSent,
    }
}

/// Converts a reflector's measurements. Between clocks that are not synchronised, one-way delays
/// have no meaning.
fn reflected(said: Reflected, is_synced: bool) -> results::Reflected {
    results::Reflected {
        counter: said.counter.0,
        processing_ns: said.processing.into(),
        forward_delay_ns: is_synced.then_some(said.forward.0),
        backward_delay_ns: is_synced.then_some(said.backward.0),
    }
}

/// Converts the summaries of all flows.
pub(crate) fn flows(run: &Run, of: &Results) -> Vec<results::Flow> {
    run.flows.iter().zip(&of.flows).map(|(name, summary)| flow(*name, summary)).collect()
}

/// Converts the summary of one flow.
pub(crate) fn flow(flow: FlowName, of: &Summary) -> results::Flow {
    results::Flow {
        target: index(flow.target),
        source_port: flow.source_port,
        summary: summary(of),
    }
}

/// Converts a summary.
pub(crate) fn summary(of: &Summary) -> results::Summary {
    results::Summary {
        sent: of.sent,
        received: of.received,
        late: of.late,
        lost: of.lost,
        awaited: of.awaited,
        loss_ratio: of.loss_ratio(),
        duplicates: of.duplicates,
        reordered: of.reordered,
        foreign: of.foreign,
        send_errors: of.send_errors,
        longest_loss_burst: of.longest_loss_burst,
        longest_outage_ns: of.longest_outage.duration.into(),
        longest_outage_lost: of.longest_outage.lost,
        longest_outage_not_sent: of.longest_outage.not_sent,
        sent_bytes: of.sent_bytes,
        received_bytes: of.received_bytes,
        rtt: of.rtt.as_ref().map(spread),
        scheduled_rtt: of.scheduled_rtt.as_ref().map(spread),
        ipdv: of.ipdv.as_ref().map(spread),
        jitter_ns: of.jitter.map(Into::into),
        stamp: of.one_way.as_ref().map(|spreads| one_way(spreads, of.directed_losses)),
    }
}

/// Converts a spread.
pub fn spread(of: &Spread) -> results::Spread {
    let percentiles = of.percentiles;
    results::Spread {
        min_ns: of.min.into(),
        mean_ns: of.mean.into(),
        stddev_ns: of.stddev.into(),
        max_ns: of.max.into(),
        p50_ns: percentiles.map(|known| known.p50.into()),
        p90_ns: percentiles.map(|known| known.p90.into()),
        p95_ns: percentiles.map(|known| known.p95.into()),
        p99_ns: percentiles.map(|known| known.p99.into()),
        p99_9_ns: percentiles.map(|known| known.p99_9.into()),
        histogram: of.histogram.as_ref().map(Histogram::serialize),
    }
}

fn one_way(spreads: &OneWaySpreads, losses: Option<DirectedLosses>) -> results::OneWay {
    results::OneWay {
        lost_forward: losses.map(|losses| losses.forward),
        lost_backward: losses.map(|losses| losses.backward),
        lost_unknown: losses.map(|losses| losses.unknown),
        processing: spreads.processing.as_ref().map(spread),
        net_rtt: spreads.net_rtt.as_ref().map(spread),
        forward_variation: spreads.forward_variation.as_ref().map(spread),
        backward_variation: spreads.backward_variation.as_ref().map(spread),
        synced: spreads.synced.as_ref().map(synced),
    }
}

fn synced(spreads: &SyncedSpreads) -> results::Synced {
    results::Synced {
        forward_delay: spreads.forward_delay.as_ref().map(spread),
        backward_delay: spreads.backward_delay.as_ref().map(spread),
        below_zero: spreads.below_zero,
        sender: clock(spreads.sender),
        reflector: spreads.reflector.map(clock),
    }
}

fn clock(estimate: ErrorEstimate) -> results::Clock {
    results::Clock {
        error_ns: estimate.error().map(Into::into),
        synchronised: estimate.is_synchronised(),
    }
}

/// Converts the punctuality of the sender.
pub(crate) fn sender(punctuality: &Punctuality) -> results::Sender {
    results::Sender {
        missed_slots: punctuality.missed_slots,
        timer_error: punctuality.timer_error.as_ref().map(spread),
        send_call: punctuality.send_call.as_ref().map(spread),
    }
}

/// Converts what is known of the receiver.
pub(crate) fn receiver(of: &Results) -> results::Receiver {
    results::Receiver {
        dropped: of.dropped,
        times: match of.receive_times {
            ReceiveTimes::User => results::ReceiveTimes::User,
            ReceiveTimes::Kernel => results::ReceiveTimes::Kernel,
        },
        delay: of.receive_delay.as_ref().map(spread),
    }
}
