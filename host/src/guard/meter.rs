//! What flows one way, in datagrams and in bytes.

use std::time::Instant;

use super::ledger::Flow;
use crate::rate::{Bucket, Rate};

/// The rates of one direction.
pub struct Meter {
    datagrams: Limited,
    bytes: Limited,
}

struct Limited {
    flow: Flow,
    rate: Option<Rate>,
    bucket: Option<Bucket>,
}

/// A rate that does not let a datagram pass before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    pub flow: Flow,
    pub rate: Rate,
    pub until: Instant,
}

impl Meter {
    /// Of datagrams, and of bytes.
    pub fn new(datagrams: (Flow, Option<Rate>), bytes: (Flow, Option<Rate>)) -> Self {
        let limited = |(flow, rate)| Limited { flow, rate, bucket: None };
        Self { datagrams: limited(datagrams), bytes: limited(bytes) }
    }

    /// A datagram of so many bytes passes, or does not.
    pub fn take(&mut self, bytes: usize, now: Instant) -> Result<(), Over> {
        self.datagrams.take(1, now)?;
        self.bytes.take(bytes as u64, now).inspect_err(|_| self.datagrams.put_back(1))
    }

    /// It passed, and did not go any further.
    pub fn put_back(&mut self, bytes: usize) {
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
