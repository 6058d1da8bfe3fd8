//! The outcome of a ping.

use std::time::Duration;

use crate::stats::one_way::Reflected;
use crate::time::{Instant, UnixTime};

/// The outcome of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Neither answered nor timed out yet.
    Awaited,
    /// Its first reply arrived within the timeout.
    Received,
    /// Its first reply arrived after the timeout.
    Late,
    /// No reply arrived within the timeout, nor after it so far.
    Lost,
    /// The socket did not accept it.
    NotSent,
}

/// A ping that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The time at which it was due.
    pub scheduled: Instant,
    /// The time at which it was sent.
    pub at: Instant,
    /// The time in its timestamp.
    pub wall: UnixTime,
    /// Its outcome so far.
    pub fate: Fate,
    /// The time from send to first reply; zero if there is none.
    pub rtt: Duration,
    /// The number of replies after the first one.
    pub duplicates: u32,
    /// A STAMP reflector's measurements in the first reply.
    pub reflected: Option<Reflected>,
}

impl Sent {
    /// Returns the time from send to first reply, in time or late.
    pub fn round_trip(&self) -> Option<Duration> {
        matches!(self.fate, Fate::Received | Fate::Late).then_some(self.rtt)
    }
}
