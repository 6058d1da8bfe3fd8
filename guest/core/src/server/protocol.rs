//! What a protocol defines for the server.

use super::{Arrival, Refusal};
use crate::seq::Seq;
use crate::time::UnixTime;
use crate::wire::auth::Key;

/// The time at which a request says that it was sent, if it does.
pub type Sent = Option<UnixTime>;

/// A datagram that can be answered, as decoded by a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<R> {
    /// The decoded request.
    pub request: R,
    /// The time at which it says that it was sent.
    pub sent: Sent,
    /// The number that distinguishes it from other requests of its source, if it is well-formed and
    /// does not look like a reply.
    pub number: Option<u64>,
}

/// A protocol: what a request is, and its answer. With a key, each protocol has its own way to
/// prove that a datagram's sender has it.
pub trait Protocol {
    /// What such a server does, as printed in its first line.
    const DOES: &str;

    /// Whether answers contain the time at which their requests arrived.
    const TELLS_ARRIVAL: bool;

    /// The content of a request that its answer is made from, besides its bytes.
    type Request;

    /// Decodes a request. With a key, the request must tell when it was sent. This does not change
    /// any state.
    ///
    /// # Errors
    ///
    /// If there is no answer to the datagram, or its sender does not have the key.
    fn read(
        &self,
        key: Option<&Key>,
        arrival: Arrival,
        datagram: &[u8],
    ) -> Result<Received<Self::Request>, Refusal>;

    /// Returns the part of a request that its tag covers, including the tag: with a key, nothing
    /// else can be trusted.
    fn authenticated<'a>(&self, datagram: &'a [u8]) -> &'a [u8];

    /// Turns the datagram that held `request` into the answer, except for what [`Self::depart`]
    /// does.
    fn answer(
        &mut self,
        arrival: Arrival,
        request: Self::Request,
        key: Option<&Key>,
        datagram: &mut Vec<u8>,
    );

    /// Completes answers that are sent together now, at the time that `clock` returns. Those that
    /// could not be sent then are passed in again.
    fn depart<'a>(
        &self,
        key: Option<&Key>,
        clock: impl FnOnce() -> UnixTime,
        answers: impl Iterator<Item = &'a mut [u8]>,
    );

    /// Returns whether `key` made an answer that [`Self::depart`] has completed. The result does
    /// not matter for a protocol whose answers `depart` leaves unchanged.
    fn is_made_with(&self, key: &Key, answer: &[u8]) -> bool;

    /// Returns the sequence number in a datagram, without authenticating it.
    fn seq(&self, key: Option<&Key>, datagram: &[u8]) -> Option<Seq>;
}
