//! The numbers of one flow, as STATISTICS defines them: of all pings at once, after the run.

use std::time::Duration;

use crate::time::Time;
use crate::truth::{Arrival, Flow, Ping};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When it ended.
    pub time: Time,
    /// How long its client waited for each reply.
    pub timeout: Duration,
}

/// The numbers of one flow, or of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// The number of pings sent.
    pub sent: u64,
    /// The number answered within the timeout.
    pub received: u64,
    /// The number answered after it.
    pub late: u64,
    /// The number that was not answered within it, and not later.
    pub lost: u64,
    /// The number that was neither answered nor lost when the run ended.
    pub awaited: u64,
    /// The number of further replies to answered pings.
    pub duplicates: u64,
    /// The number of first replies that arrived after that to a later ping (RFC 4737).
    pub reordered: u64,
    /// The number of datagrams from the peer that answer no ping.
    pub foreign: u64,
    /// The bytes of all pings.
    pub sent_bytes: u64,
    /// The bytes of all first replies.
    pub received_bytes: u64,
    /// The longest run of consecutive lost pings.
    pub longest_loss_burst: u64,
    /// The longest time from a lost ping to the next answered one, or to the end.
    pub longest_outage: Duration,
    /// The lost pings whose request did not arrive, or with another bit: who receives that may answer
    /// something else.
    pub lost_forward: u64,
    /// The lost pings whose request arrived, also with another bit.
    pub lost_backward: u64,
    /// The replies with another bit that are replies all the same: with it, a reflector's counter may be
    /// another.
    pub corrupt: u64,
    /// The copies of pings that arrived at the peer.
    pub copies_forward: u64,
    /// The round-trip times of the received pings.
    pub rtt: Values,
    /// The differences of the round-trip times of adjacent pings.
    pub ipdv: Values,
    /// The smoothed jitter of RFC 3550 over the received pings, in nanoseconds.
    pub jitter: Option<f64>,
}

/// Durations, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<u64>);

impl Values {
    fn of(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        Self(nanoseconds)
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The least and the greatest, in nanoseconds.
    pub fn range(&self) -> Option<(u64, u64)> {
        Some((*self.0.first()?, *self.0.last()?))
    }

    /// The mean and the standard deviation, in nanoseconds.
    pub fn moments(&self) -> Option<(f64, f64)> {
        let count = (!self.0.is_empty()).then_some(self.0.len() as f64)?;
        let sum: u128 = self.0.iter().map(|value| u128::from(*value)).sum();
        let mean = sum as f64 / count;
        let squares: f64 = self.0.iter().map(|value| (*value as f64 - mean).powi(2)).sum();
        Some((mean, (squares / count).sqrt()))
    }

    /// The smallest value that at least `thousandths` of all do not exceed.
    pub fn percentile(&self, thousandths: usize) -> Option<u64> {
        let rank = (self.0.len() * thousandths).div_ceil(1000).max(1);
        self.0.get(rank - 1).copied()
    }

    fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
        self.0.sort_unstable();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Received(u64),
    Late,
    Lost,
    Awaited,
}

impl Numbers {
    pub(super) fn of(flow: &Flow, end: End) -> Self {
        let outcomes: Vec<_> = flow.pings.iter().map(|ping| outcome(ping, end)).collect();
        let count =
            |which: Outcome| outcomes.iter().filter(|outcome| **outcome == which).count() as u64;
        let rtts: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Outcome::Received(rtt) => Some(*rtt),
                _ => None,
            })
            .collect();
        let lost = |which: fn(&Ping) -> bool| {
            let lost = flow.pings.iter().zip(&outcomes);
            let lost = lost.filter(|(ping, outcome)| **outcome == Outcome::Lost && which(ping));
            lost.count() as u64
        };
        let answered = flow.pings.iter().filter_map(|ping| ping.reply);
        Self {
            sent: flow.pings.len() as u64,
            received: rtts.len() as u64,
            late: count(Outcome::Late),
            lost: count(Outcome::Lost),
            awaited: count(Outcome::Awaited),
            duplicates: flow.pings.iter().map(|ping| ping.duplicates.len() as u64).sum(),
            reordered: reordered(flow),
            foreign: flow.foreign,
            sent_bytes: flow.pings.iter().map(|ping| ping.bytes as u64).sum(),
            received_bytes: answered.map(|(_, bytes)| bytes as u64).sum(),
            longest_loss_burst: longest_burst(&outcomes),
            longest_outage: longest_outage(flow, &outcomes, end.time),
            lost_forward: lost(|ping| ping.arrival < Arrival::Intact),
            lost_backward: lost(|ping| ping.arrival > Arrival::Lost),
            corrupt: flow.corrupt,
            copies_forward: flow.pings.iter().map(|ping| ping.copies).sum(),
            ipdv: Values::of(differences(flow, &outcomes)),
            jitter: jitter(flow, &outcomes),
            rtt: Values::of(rtts),
        }
    }

    /// Adds the counts and values of another flow; what makes no sense over several is left.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.late += other.late;
        self.lost += other.lost;
        self.awaited += other.awaited;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.foreign += other.foreign;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.lost_forward += other.lost_forward;
        self.lost_backward += other.lost_backward;
        self.rtt.extend(&other.rtt);
    }
}

fn outcome(ping: &Ping, end: End) -> Outcome {
    match ping.reply {
        Some((time, _)) => {
            let rtt = time.since(ping.sent);
            if rtt <= end.timeout {
                Outcome::Received(u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX))
            } else {
                Outcome::Late
            }
        }
        None if end.time > ping.sent + end.timeout => Outcome::Lost,
        None => Outcome::Awaited,
    }
}

/// The first replies that arrive after one to a ping that was sent later (RFC 4737, section 3.3).
fn reordered(flow: &Flow) -> u64 {
    let mut latest = None;
    let mut count = 0;
    for index in &flow.answered {
        if Some(*index) < latest {
            count += 1;
        }
        latest = latest.max(Some(*index));
    }
    count
}

fn longest_burst(outcomes: &[Outcome]) -> u64 {
    let runs = outcomes.split(|outcome| *outcome != Outcome::Lost);
    runs.map(<[Outcome]>::len).max().unwrap_or_default() as u64
}

fn longest_outage(flow: &Flow, outcomes: &[Outcome], end: Time) -> Duration {
    let is_answered =
        |index: &usize| matches!(outcomes[*index], Outcome::Received(_) | Outcome::Late);
    let mut longest = Duration::ZERO;
    let mut index = 0;
    while let Some(lost) = (index..outcomes.len()).find(|index| outcomes[*index] == Outcome::Lost) {
        let next = (lost..outcomes.len()).find(is_answered);
        let until = next.map_or(end, |next| flow.pings[next].sent);
        longest = longest.max(until.since(flow.pings[lost].sent));
        index = next.unwrap_or(outcomes.len());
    }
    longest
}

/// The differences between the round-trip times of pings with consecutive numbers.
fn differences(flow: &Flow, outcomes: &[Outcome]) -> Vec<u64> {
    let pairs = flow.pings.windows(2).zip(outcomes.windows(2));
    pairs
        .filter_map(|(pings, outcomes)| match outcomes {
            [Outcome::Received(one), Outcome::Received(next)]
                if pings[1].seq == pings[0].seq.wrapping_add(1) =>
            {
                Some(one.abs_diff(*next))
            }
            _ => None,
        })
        .collect()
}

/// RFC 3550, section 6.4.1, over the replies in the order of their arrival.
fn jitter(flow: &Flow, outcomes: &[Outcome]) -> Option<f64> {
    let rtts: Vec<_> = flow
        .answered
        .iter()
        .filter_map(|index| match outcomes[*index] {
            Outcome::Received(rtt) => Some(rtt),
            _ => None,
        })
        .collect();
    let mut differences = rtts.windows(2).map(|two| two[0].abs_diff(two[1]) as f64).peekable();
    differences.peek()?;
    Some(differences.fold(0.0, |jitter, difference| jitter + (difference - jitter) / 16.0))
}
