//! The results that one run over several would have had.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use thiserror::Error;
use udping_core::stats::NotAHistogram;
use udping_results::{
    Flow, Format, Nanoseconds, OneWay, Receiver, Sender, Spread, Summary, Synced, Target, Version,
};

use crate::document::{Document, Written};
use crate::spread;

/// Merged results.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    document: Written,
    /// What the documents have, and the merged one cannot.
    pub absent: BTreeSet<&'static str>,
}

/// The document in JSON.
impl fmt::Display for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.document).map_err(|_| fmt::Error)?)
    }
}

/// Why results cannot be merged.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// The runs differ in a setting on which numbers depend.
    #[error("`{key}` is {one} in the first and {other} in another: they measure different things")]
    Different {
        /// The setting.
        key: String,
        /// Its value in the first.
        one: String,
        /// Its value in another.
        other: String,
    },
    /// A histogram cannot be read.
    #[error(transparent)]
    Histogram(#[from] NotAHistogram),
}

/// Settings that say how long a run takes, and nothing about what it measures.
const OF_LENGTH: [&str; 2] = ["count", "deadline_ns"];

/// Merges `first` and `others` into the results that one run over all would have. Counts are added;
/// distributions are added bucket by bucket, and percentiles computed from the sum; of bursts and
/// outages the longest is kept, where none goes from one run into the next.
///
/// # Errors
///
/// If the runs measure different things.
pub fn merge(first: &Document, others: &[Document]) -> Result<Merged, MergeError> {
    let all: Vec<_> = std::iter::once(first).chain(others).collect();
    others.iter().try_for_each(|other| compatible(first, other))?;
    let mut absent = BTreeSet::new();
    let mut config = first.config.clone();
    let counts: Option<Vec<_>> = all.iter().map(|document| document.config.count).collect();
    config.count = counts
        .and_then(|counts| counts.into_iter().reduce(|sum, count| sum.saturating_add(count.get())));
    if all.iter().any(|document| document.config.deadline_ns.is_some()) {
        config.deadline_ns = None;
        absent.insert("deadline_ns");
    }
    if all.iter().any(|document| document.written.records.is_some()) {
        absent.insert("records");
    }
    let (targets, flows) = flows(&all, &mut absent)?;
    let totals: Vec<_> = all.iter().map(|document| &document.total).collect();
    let of = |part: fn(&Written) -> Option<Nanoseconds>| {
        let parts: Option<Vec<_>> =
            all.iter().map(|document| part(&document.written).map(|part| part.0)).collect();
        parts.map(|parts| Nanoseconds(parts.into_iter().fold(0, u64::saturating_add)))
    };
    let document = Written {
        format: Some(Format),
        version: Some(Version),
        started: all.iter().filter_map(|document| document.written.started).min(),
        config: Some(config),
        targets: Some(targets),
        records: None,
        flows: Some(flows),
        total: Some(summary(&totals, &mut absent)?),
        sender: sender(&all)?,
        receiver: receiver(&all)?,
        ended: all.iter().filter_map(|document| document.written.ended).max(),
        duration_ns: of(|document| document.duration_ns),
    };
    Ok(Merged { document, absent })
}

fn compatible(one: &Document, other: &Document) -> Result<(), MergeError> {
    let settings = |document: &Document| match serde_json::to_value(&document.config) {
        Ok(serde_json::Value::Object(settings)) => settings,
        // A struct is an object.
        _ => serde_json::Map::new(),
    };
    let (one, other) = (settings(one), settings(other));
    let differs = |(key, value): &(&String, &serde_json::Value)| {
        !OF_LENGTH.contains(&key.as_str()) && other.get(*key) != Some(*value)
    };
    match one.iter().find(differs) {
        None => Ok(()),
        Some((key, value)) => Err(MergeError::Different {
            key: key.clone(),
            one: value.to_string(),
            other: other.get(key).unwrap_or_default().to_string(),
        }),
    }
}

/// The targets of all documents, and the flows of each, which are the same if the target and the
/// number of the source port are.
fn flows(
    documents: &[&Document],
    absent: &mut BTreeSet<&'static str>,
) -> Result<(Vec<Target>, Vec<Flow>), MergeError> {
    let mut targets: Vec<Target> = Vec::new();
    let mut indexes: HashMap<Target, usize> = HashMap::new();
    let mut keyed: BTreeMap<(usize, usize), Vec<&Flow>> = BTreeMap::new();
    for document in documents {
        for target in &document.targets {
            indexes.entry(target.clone()).or_insert_with(|| {
                targets.push(target.clone());
                targets.len() - 1
            });
        }
        for ((target, port), flow) in document.keyed_flows() {
            // All targets of the document are in it.
            let index = indexes.get(target).copied().unwrap_or_default();
            keyed.entry((index, port)).or_default().push(flow);
        }
    }
    let merged = keyed.into_iter().map(|((target, _), flows)| {
        let ports: BTreeSet<_> = flows.iter().map(|flow| flow.source_port).collect();
        if ports.len() > 1 {
            absent.insert("source_port");
        }
        let summaries: Vec<_> = flows.iter().map(|flow| &flow.summary).collect();
        Ok(Flow {
            target: u32::try_from(target).unwrap_or(u32::MAX),
            source_port: if ports.len() == 1 { flows[0].source_port } else { 0 },
            summary: summary(&summaries, absent)?,
        })
    });
    let flows = merged.collect::<Result<_, MergeError>>()?;
    Ok((targets, flows))
}

fn summary(all: &[&Summary], absent: &mut BTreeSet<&'static str>) -> Result<Summary, MergeError> {
    let sum = |of: fn(&Summary) -> u64| {
        // A file may have any numbers.
        all.iter().fold(0_u64, |sum, summary| sum.saturating_add(of(summary)))
    };
    let mut merged = Summary {
        sent: sum(|s| s.sent),
        received: sum(|s| s.received),
        late: sum(|s| s.late),
        lost: sum(|s| s.lost),
        awaited: sum(|s| s.awaited),
        duplicates: sum(|s| s.duplicates),
        reordered: sum(|s| s.reordered),
        foreign: sum(|s| s.foreign),
        send_errors: sum(|s| s.send_errors),
        sent_bytes: sum(|s| s.sent_bytes),
        received_bytes: sum(|s| s.received_bytes),
        longest_loss_burst: all.iter().map(|s| s.longest_loss_burst).max().unwrap_or_default(),
        ..Summary::default()
    };
    let due = merged.sent.saturating_sub(merged.awaited);
    merged.loss_ratio = if due == 0 { 0.0 } else { merged.lost as f64 / due as f64 };
    if let Some(longest) = all.iter().max_by_key(|summary| summary.longest_outage_ns) {
        merged.longest_outage_ns = longest.longest_outage_ns;
        merged.longest_outage_lost = longest.longest_outage_lost;
        merged.longest_outage_not_sent = longest.longest_outage_not_sent;
    }
    merged.rtt = spreads(all, |s| (s.rtt.as_ref(), Some(s.received)), "rtt", absent)?;
    merged.scheduled_rtt =
        spreads(all, |s| (s.scheduled_rtt.as_ref(), Some(s.received)), "scheduled_rtt", absent)?;
    merged.ipdv = spreads(all, |s| (s.ipdv.as_ref(), None), "ipdv", absent)?;
    if all.iter().any(|summary| summary.jitter_ns.is_some()) {
        absent.insert("jitter_ns");
    }
    let stamp: Option<Vec<_>> = all.iter().map(|summary| summary.stamp.as_ref()).collect();
    merged.stamp = stamp.map(|all| one_way(&all, absent)).transpose()?;
    Ok(merged)
}

/// The spread of all values, or none if one of several cannot be added: the number of its values is
/// not known.
fn spreads<T>(
    parts: &[&T],
    of: impl Fn(&T) -> (Option<&Spread>, Option<u64>),
    name: &'static str,
    absent: &mut BTreeSet<&'static str>,
) -> Result<Option<Spread>, MergeError> {
    let mut known = Vec::new();
    for part in parts {
        let (spread, count) = of(part);
        let Some(spread) = spread else { continue };
        let Some(read) = spread::read(spread, count)? else {
            absent.insert(name);
            return Ok(None);
        };
        known.push(read);
    }
    Ok(spread::sum(&known))
}

/// The sum, if all are known.
fn total(mut counts: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    counts.try_fold(0_u64, |sum, count| Some(sum.saturating_add(count?)))
}

fn one_way(all: &[&OneWay], absent: &mut BTreeSet<&'static str>) -> Result<OneWay, MergeError> {
    let sum = |of: fn(&OneWay) -> Option<u64>| total(all.iter().map(|part| of(part)));
    let mut spread = |of: fn(&OneWay) -> Option<&Spread>, name| {
        spreads(all, |part| (of(part), None), name, absent)
    };
    Ok(OneWay {
        lost_forward: sum(|part| part.lost_forward),
        lost_backward: sum(|part| part.lost_backward),
        lost_unknown: sum(|part| part.lost_unknown),
        processing: spread(|part| part.processing.as_ref(), "processing")?,
        net_rtt: spread(|part| part.net_rtt.as_ref(), "net_rtt")?,
        forward_variation: spread(|part| part.forward_variation.as_ref(), "forward_variation")?,
        backward_variation: spread(|part| part.backward_variation.as_ref(), "backward_variation")?,
        synced: synced(all, absent)?,
    })
}

fn synced(
    all: &[&OneWay],
    absent: &mut BTreeSet<&'static str>,
) -> Result<Option<Synced>, MergeError> {
    let parts: Option<Vec<_>> = all.iter().map(|part| part.synced.as_ref()).collect();
    let Some(parts) = parts else {
        if all.iter().any(|part| part.synced.is_some()) {
            absent.insert("synced");
        }
        return Ok(None);
    };
    // The delays are as accurate as the least accurate clocks.
    let error = |clock: &udping_results::Clock| clock.error_ns.map_or(u64::MAX, |error| error.0);
    let senders = parts.iter().map(|part| part.sender);
    let reflectors = parts.iter().filter_map(|part| part.reflector);
    let Some(sender) = senders.max_by_key(error) else { return Ok(None) };
    Ok(Some(Synced {
        forward_delay: spreads(
            &parts,
            |part| (part.forward_delay.as_ref(), None),
            "forward_delay",
            absent,
        )?,
        backward_delay: spreads(
            &parts,
            |part| (part.backward_delay.as_ref(), None),
            "backward_delay",
            absent,
        )?,
        below_zero: parts.iter().fold(0, |sum, part| sum.saturating_add(part.below_zero)),
        sender,
        reflector: reflectors.max_by_key(error),
    }))
}

fn sender(all: &[&Document]) -> Result<Option<Sender>, MergeError> {
    let parts: Option<Vec<_>> =
        all.iter().map(|document| document.written.sender.as_ref()).collect();
    let Some(parts) = parts else { return Ok(None) };
    let mut absent = BTreeSet::new();
    Ok(Some(Sender {
        missed_slots: parts.iter().fold(0, |sum, part| sum.saturating_add(part.missed_slots)),
        timer_error: spreads(
            &parts,
            |part| (part.timer_error.as_ref(), None),
            "timer_error",
            &mut absent,
        )?,
        send_call: spreads(
            &parts,
            |part| (part.send_call.as_ref(), None),
            "send_call",
            &mut absent,
        )?,
    }))
}

fn receiver(all: &[&Document]) -> Result<Option<Receiver>, MergeError> {
    let parts: Option<Vec<_>> =
        all.iter().map(|document| document.written.receiver.as_ref()).collect();
    let Some(parts) = parts else { return Ok(None) };
    let times = parts.first().map(|part| part.times).unwrap_or_default();
    if let Some(other) = parts.iter().find(|part| part.times != times) {
        // Some RTTs have the client's wake-up in them, and others have not.
        let [one, other] = [times, other.times].map(|times| format!("{times:?}").to_lowercase());
        return Err(MergeError::Different { key: "receiver.times".to_owned(), one, other });
    }
    let mut absent = BTreeSet::new();
    Ok(Some(Receiver {
        dropped: total(parts.iter().map(|part| part.dropped)),
        times,
        delay: spreads(&parts, |part| (part.delay.as_ref(), None), "delay", &mut absent)?,
    }))
}

#[cfg(test)]
#[path = "merge_tests.rs"]
pub(crate) mod tests;
