//! The rates of each direction, in datagrams and in bytes.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Rates;
use super::ledger::Flow;
use super::source_limit::SourceLimit;
use crate::rate::{Bucket, Rate};

/// The rates of a run, shared by its instances. Without any, nothing is locked.
#[derive(Debug)]
pub struct Meters {
    sent: Direction,
    received: Direction,
    source: Option<SourceLimit>,
}

impl Meters {
    /// Creates meters through which nothing has passed.
    pub fn new(rates: Rates) -> Self {
        let sent = Meter::new((Flow::Sent, rates.send), (Flow::SentBytes, rates.send_bytes));
        let received =
            Meter::new((Flow::Received, rates.receive), (Flow::ReceivedBytes, rates.receive_bytes));
        let source = rates.source.map(|rate| SourceLimit::new(rate, rates.source_prefix));
        Self { sent: Direction::new(sent), received: Direction::new(received), source }
    }

    pub(super) fn send(&self, bytes: usize, now: Instant) -> Result<(), Over> {
        self.sent.meter().map_or(Ok(()), |mut meter| meter.take(bytes, now))
    }

    /// Counts a datagram from `source`: the error is the rate that its source exceeds.
    pub(super) fn receive_from(&self, source: SocketAddr, now: Instant) -> Result<(), Rate> {
        self.source.as_ref().map_or(Ok(()), |limit| limit.take(source, now))
    }

    pub(super) fn receive(&self, bytes: usize, now: Instant) -> Result<(), Over> {
        self.received.meter().map_or(Ok(()), |mut meter| meter.take(bytes, now))
    }

    /// Reverses [`Self::send`] for a datagram that was not sent.
    pub(super) fn not_sent(&self, bytes: usize) {
        if let Some(mut meter) = self.sent.meter() {
            meter.put_back(bytes);
        }
    }
}

#[derive(Debug)]
struct Direction {
    meter: Option<Mutex<Meter>>,
}

impl Direction {
    fn new(meter: Meter) -> Self {
        Self { meter: meter.is_limited().then(|| Mutex::new(meter)) }
    }

    fn meter(&self) -> Option<MutexGuard<'_, Meter>> {
        // No panic while the lock is held leaves a meter inconsistent.
        self.meter.as_ref().map(|meter| meter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The rates of one direction.
#[derive(Debug)]
struct Meter {
    datagrams: Limited,
    bytes: Limited,
}

#[derive(Debug)]
struct Limited {
    flow: Flow,
    rate: Option<Rate>,
    bucket: Option<Bucket>,
}

/// A rate that does not permit a datagram before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub flow: Flow,
    pub rate: Rate,
    pub until: Instant,
}

impl Meter {
    /// Creates a meter of datagrams and of bytes.
    fn new(datagrams: (Flow, Option<Rate>), bytes: (Flow, Option<Rate>)) -> Self {
        let limited = |(flow, rate)| Limited { flow, rate, bucket: None };
        Self { datagrams: limited(datagrams), bytes: limited(bytes) }
    }

    fn is_limited(&self) -> bool {
        self.datagrams.rate.is_some() || self.bytes.rate.is_some()
    }

    /// Counts a datagram of `bytes` bytes, if both rates permit it.
    fn take(&mut self, bytes: usize, now: Instant) -> Result<(), Over> {
        self.datagrams.take(1, now)?;
        self.bytes.take(bytes as u64, now).inspect_err(|_| self.datagrams.put_back(1))
    }

    /// Reverses [`Self::take`].
    fn put_back(&mut self, bytes: usize) {
        self.datagrams.put_back(1);
        self.bytes.put_back(bytes as u64);
    }
}

impl Limited {
    fn take(&mut self, tokens: u64, now: Instant) -> Result<(), Over> {
        let Some(rate) = self.rate else { return Ok(()) };
        let bucket = self.bucket.get_or_insert_with(|| Bucket::new(rate, now));
        bucket.take(tokens, now).map_err(|until| Over { flow: self.flow, rate, until })
    }

    fn put_back(&mut self, tokens: u64) {
        if let Some(bucket) = &mut self.bucket {
            bucket.put_back(tokens);
        }
    }
}
