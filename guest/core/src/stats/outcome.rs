//! What became of a ping.

use std::time::Duration;

use crate::stats::one_way::Reflected;
use crate::time::{Instant, UnixTime};

/// What became of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Neither answered nor timed out yet.
    Awaited,
    /// Its first reply came within the timeout.
    Received,
    /// Its first reply came after the timeout.
    Late,
    /// No reply came within the timeout, nor after it so far.
    Lost,
    /// The socket did not accept it.
    NotSent,
}

/// A ping that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it was due.
    pub scheduled: Instant,
    /// When it was sent.
    pub at: Instant,
    /// When it says that it was sent.
    pub wall: UnixTime,
    /// What became of it.
    pub fate: Fate,
    /// From send to first reply; zero where there is none.
    pub rtt: Duration,
    /// Number of replies after the first one.
    pub duplicates: u32,
    /// What a STAMP reflector said in its first reply.
    pub reflected: Option<Reflected>,
}

impl Sent {
    /// From send to first reply, in time or late.
    pub fn round_trip(&self) -> Option<Duration> {
        matches!(self.fate, Fate::Received | Fate::Late).then_some(self.rtt)
    }
}
