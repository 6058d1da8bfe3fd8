//! Encoding and decoding of requests and replies.

use thiserror::Error;

use crate::seq::Seq;
use crate::wire::auth::{Key, TRUNCATED};
use crate::wire::stamp::{AUTHENTICATED, ErrorEstimate, Timestamp, UNAUTHENTICATED};

/// The minimum length of a TWAMP-Test request, in bytes: its sequence number, timestamp and error
/// estimate (RFC 5357, section 4.1.2). They are at the same offsets as in STAMP.
pub(crate) const TWAMP: usize = 14;

/// The minimum length of a TWAMP-Test reply, in bytes: up to its last field but one, since some
/// reflectors leave out the TTL of the request (RFC 5357, section 4.2.1, which has that at 40). The
/// fields are at the same offsets as in STAMP.
const TWAMP_REPLY: usize = 38;

/// The value for an unknown TTL of a request (RFC 5357, section 4.2.1).
pub(crate) const UNKNOWN_TTL: u8 = 255;

/// The offsets of the fields, in bytes. All other bytes in the base packet are zero.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The length of the base packet; what follows it has a meaning only to the sender.
    pub base: usize,
    /// The length of the part that the HMAC, if any, covers.
    message: usize,
    sent: usize,
    error: usize,
    ssid: usize,
    pub received: usize,
    sender_seq: usize,
    pub sender_sent: usize,
    sender_error: usize,
    sender_ttl: usize,
}

/// RFC 8762, sections 4.2.1 and 4.3.1; the SSID is RFC 8972's, section 3.
const OPEN: Layout = Layout {
    base: UNAUTHENTICATED,
    message: UNAUTHENTICATED,
    sent: 4,
    error: 12,
    ssid: 14,
    received: 16,
    sender_seq: 24,
    sender_sent: 28,
    sender_error: 36,
    sender_ttl: 40,
};

/// RFC 8762, sections 4.2.2 and 4.3.2; the SSID is RFC 8972's, section 3. The last 16 bytes are the
/// HMAC of all bytes before them.
const KEYED: Layout = Layout {
    base: AUTHENTICATED,
    message: AUTHENTICATED - TRUNCATED,
    sent: 16,
    error: 24,
    ssid: 26,
    received: 32,
    sender_seq: 48,
    sender_sent: 64,
    sender_error: 72,
    sender_ttl: 80,
};

impl Layout {
    /// Returns the layout of the mode: authenticated with a key, unauthenticated without.
    pub(crate) const fn of(key: Option<&Key>) -> &'static Self {
        if key.is_some() { &KEYED } else { &OPEN }
    }
}

/// Returns the field of `N` bytes at `at`, which must be within a base packet.
fn get<const N: usize>(packet: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&packet[at..at + N]);
    field
}

fn put<const N: usize>(packet: &mut [u8], at: usize, field: [u8; N]) {
    packet[at..at + N].copy_from_slice(&field);
}

fn get_timestamp(packet: &[u8], at: usize) -> Timestamp {
    Timestamp::from_be_bytes(get(packet, at))
}

fn get_error(packet: &[u8], at: usize) -> ErrorEstimate {
    ErrorEstimate::from_bits(u16::from_be_bytes(get(packet, at)))
}

/// Returns the error estimate at `at`.
///
/// # Errors
///
/// [`NotStamp::ErrorEstimate`] if its multiplier is 0.
fn valid_error(packet: &[u8], at: usize) -> Result<ErrorEstimate, NotStamp> {
    let error = get_error(packet, at);
    if error.error().is_some() { Ok(error) } else { Err(NotStamp::ErrorEstimate) }
}

fn get_seq(packet: &[u8], at: usize) -> Seq {
    Seq(u32::from_be_bytes(get(packet, at)))
}

/// The error for a datagram that is not a STAMP packet.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotStamp {
    /// It is shorter than a base packet of its mode.
    #[error("is too short")]
    Short,
    /// Its HMAC is wrong: its sender does not have the key, or it was changed.
    #[error("has no valid HMAC")]
    Hmac,
    /// The multiplier of an error estimate is 0. Such a packet must be considered corrupt (RFC
    /// 4656, section 4.1.2).
    #[error("has an error estimate whose multiplier is 0")]
    ErrorEstimate,
}

/// A Session-Sender's packet (RFC 8762, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The sequence number, starting at 0.
    pub seq: Seq,
    /// The time at which it was sent: T1.
    pub sent: Timestamp,
    /// The error estimate of T1, and its format.
    pub error: ErrorEstimate,
    /// The session identifier (RFC 8972, section 3); 0 if there is none.
    pub ssid: u16,
}

impl Request {
    /// Replaces the content of `datagram` with this request, padded with zeros to at least `size`
    /// bytes; the minimum is [`UNAUTHENTICATED`] or, with a key, [`AUTHENTICATED`] (RFC 8762,
    /// sections 4.2.1 and 4.2.2).
    pub fn encode(&self, size: usize, key: Option<&Key>, datagram: &mut Vec<u8>) {
        let layout = Layout::of(key);
        datagram.clear();
        datagram.resize(size.max(layout.base), 0);
        self.write(layout, datagram);
        seal(key, datagram);
    }

    /// Writes the fields; the other bytes must be zero.
    fn write(&self, layout: &Layout, packet: &mut [u8]) {
        put(packet, 0, self.seq.0.to_be_bytes());
        put(packet, layout.sent, self.sent.to_be_bytes());
        put(packet, layout.error, self.error.to_bits().to_be_bytes());
        put(packet, layout.ssid, self.ssid.to_be_bytes());
    }

    /// Decodes a request in the mode that `key` implies, regardless of what follows its base
    /// packet and of the fields that must be zero (RFC 8762, section 4.2).
    ///
    /// # Errors
    ///
    /// If it is too short, has no valid HMAC, or has an invalid error estimate.
    pub fn decode(datagram: &[u8], key: Option<&Key>) -> Result<Self, NotStamp> {
        let (layout, packet) = open(datagram, key)?;
        let error = valid_error(packet, layout.error)?;
        let ssid = u16::from_be_bytes(get(packet, layout.ssid));
        Ok(Self { seq: get_seq(packet, 0), sent: get_timestamp(packet, layout.sent), error, ssid })
    }

    /// Returns whether a request has zeros where STAMP requires them (RFC 8762, section 4.2). False
    /// for a shorter one.
    pub(crate) fn has_only_zeros_besides(datagram: &[u8], key: Option<&Key>) -> bool {
        let layout = Layout::of(key);
        datagram
            .get(layout.received..layout.message)
            .is_some_and(|rest| rest.iter().all(|b| *b == 0))
    }

    /// Decodes an unauthenticated request of TWAMP Light that is shorter than STAMP's (RFC 8762,
    /// section 4.6). What follows its fields is padding, without an SSID.
    ///
    /// # Errors
    ///
    /// If it is too short even for TWAMP, or has an invalid error estimate.
    pub fn decode_twamp(datagram: &[u8]) -> Result<Self, NotStamp> {
        let packet = datagram.first_chunk::<TWAMP>().ok_or(NotStamp::Short)?;
        let error = valid_error(packet, OPEN.error)?;
        Ok(Self { seq: get_seq(packet, 0), sent: get_timestamp(packet, OPEN.sent), error, ssid: 0 })
    }
}

/// A Session-Reflector's packet (RFC 8762, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The sequence number: the request's from a stateless reflector, and a count of the replies
    /// from a stateful one.
    pub seq: Seq,
    /// The time at which it was sent: T3.
    pub sent: Timestamp,
    /// The error estimate of the reflector's times, T2 and T3, and their format.
    pub error: ErrorEstimate,
    /// The request's session identifier (RFC 8972, section 3).
    pub ssid: u16,
    /// The time at which the request was received: T2.
    pub received: Timestamp,
    /// The sequence number of the request (RFC 8762, section 4.3.1).
    pub sender_seq: Seq,
    /// The request's timestamp, T1, as received.
    pub sender_sent: Timestamp,
    /// The error estimate of the request.
    pub sender_error: ErrorEstimate,
    /// The TTL, or hop limit, with which the request was received; 255 if the reflector does not
    /// know it.
    pub sender_ttl: u8,
}

impl Reply {
    /// Writes this reply over the request in `datagram`. What follows the base packet is kept, so
    /// that a reply is as long as its request (RFC 8762, section 4.3). A shorter request is
    /// extended to a base packet (section 4.6).
    pub fn encode(&self, key: Option<&Key>, datagram: &mut Vec<u8>) {
        self.prepare(key, datagram);
        seal(key, datagram);
    }

    /// Does the same as [`Self::encode`] without the HMAC, which [`Self::depart`] adds later, once.
    pub(crate) fn prepare(&self, key: Option<&Key>, datagram: &mut Vec<u8>) {
        let layout = Layout::of(key);
        datagram.resize(datagram.len().max(layout.base), 0);
        datagram[..layout.base].fill(0);
        self.write(layout, datagram);
    }

    /// Writes the fields; the other bytes must be zero.
    fn write(&self, layout: &Layout, packet: &mut [u8]) {
        let Self { seq, sent, error, ssid, .. } = *self;
        Request { seq, sent, error, ssid }.write(layout, packet);
        put(packet, layout.received, self.received.to_be_bytes());
        put(packet, layout.sender_seq, self.sender_seq.0.to_be_bytes());
        put(packet, layout.sender_sent, self.sender_sent.to_be_bytes());
        put(packet, layout.sender_error, self.sender_error.to_bits().to_be_bytes());
        put(packet, layout.sender_ttl, [self.sender_ttl]);
    }

    /// Writes T3 and the HMAC into the reply in `datagram`. The later this is called, the more
    /// accurate T3 is.
    pub(crate) fn depart(sent: Timestamp, key: Option<&Key>, datagram: &mut [u8]) {
        let layout = Layout::of(key);
        if datagram.len() >= layout.base {
            put(datagram, layout.sent, sent.to_be_bytes());
            seal(key, datagram);
        }
    }

    /// Decodes a reply in the mode that `key` implies, regardless of what follows its base
    /// packet and of the fields that must be zero (RFC 8762, section 4.3). Without a key, this
    /// includes replies of 38 to 43 bytes from a TWAMP Light reflector, which does not need the
    /// three zeros at the end (RFC 8762, section 4.6; RFC 5357, section 4.2.1).
    ///
    /// # Errors
    ///
    /// If it is too short, has no valid HMAC, or has an invalid error estimate of the reflector's
    /// times.
    pub fn decode(datagram: &[u8], key: Option<&Key>) -> Result<Self, NotStamp> {
        if key.is_none() && (TWAMP_REPLY..UNAUTHENTICATED).contains(&datagram.len()) {
            let mut packet = [0; UNAUTHENTICATED];
            packet[OPEN.sender_ttl] = UNKNOWN_TTL;
            packet[..datagram.len()].copy_from_slice(datagram);
            valid_error(&packet, OPEN.error)?;
            return Ok(Self::parse(&OPEN, &packet));
        }
        let (layout, packet) = open(datagram, key)?;
        valid_error(packet, layout.error)?;
        Ok(Self::parse(layout, packet))
    }

    fn parse(layout: &Layout, packet: &[u8]) -> Self {
        let [sender_ttl] = get(packet, layout.sender_ttl);
        Self {
            seq: get_seq(packet, 0),
            sent: get_timestamp(packet, layout.sent),
            error: get_error(packet, layout.error),
            ssid: u16::from_be_bytes(get(packet, layout.ssid)),
            received: get_timestamp(packet, layout.received),
            sender_seq: get_seq(packet, layout.sender_seq),
            sender_sent: get_timestamp(packet, layout.sender_sent),
            sender_error: get_error(packet, layout.sender_error),
            sender_ttl,
        }
    }

    /// Returns whether a datagram that decodes as `request` has more than a request's fields, and
    /// all that it has is a reply's fields and zeros.
    pub(crate) fn is_all_of(datagram: &[u8], request: &Request, key: Option<&Key>) -> bool {
        let layout = Layout::of(key);
        let Some(packet) = datagram.get(..layout.message) else { return false };
        let (mut as_request, mut as_reply) = ([0; AUTHENTICATED], [0; AUTHENTICATED]);
        request.write(layout, &mut as_request);
        Self::parse(layout, packet).write(layout, &mut as_reply);
        packet != &as_request[..layout.message] && packet == &as_reply[..layout.message]
    }
}

/// Returns the base packet in a datagram, and verifies its HMAC if there is a key.
fn open<'a>(
    datagram: &'a [u8],
    key: Option<&Key>,
) -> Result<(&'static Layout, &'a [u8]), NotStamp> {
    let layout = Layout::of(key);
    let packet = datagram.get(..layout.base).ok_or(NotStamp::Short)?;
    if let Some(key) = key {
        let (message, tag) = packet.split_last_chunk::<TRUNCATED>().ok_or(NotStamp::Short)?;
        key.is_truncated(message, tag).then_some(()).ok_or(NotStamp::Hmac)?;
    }
    Ok((layout, packet))
}

/// Returns whether the HMAC of the base packet in a datagram was made with `key`.
pub(crate) fn is_made_with(key: &Key, datagram: &[u8]) -> bool {
    open(datagram, Some(key)).is_ok()
}

/// Writes the HMAC of a base packet at its end, if there is a key (RFC 8762, section 4.4).
fn seal(key: Option<&Key>, datagram: &mut [u8]) {
    if let Some(key) = key
        && let Some((message, tag)) = datagram[..AUTHENTICATED].split_last_chunk_mut::<TRUNCATED>()
    {
        *tag = key.truncated(message);
    }
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
