//! The Session-Reflector: which requests it answers, and how.

use std::time::Duration;

use crate::seq::Seq;
use crate::server::loops::ROUND;
use crate::server::sessions::Sessions;
use crate::server::{Arrival, Protocol, Received, Refusal};
use crate::time::UnixTime;
use crate::wire::auth::Key;
use crate::wire::stamp::packet::{self, Layout, TWAMP, UNKNOWN_TTL};
use crate::wire::stamp::{
    AUTHENTICATED, ErrorEstimate, Format, NotStamp, Reply, Request, Timestamp, tlvs,
};

/// The maximum difference between a sender's clock and this one. Some senders write nonzero bytes
/// where STAMP requires zeros, since TWAMP permits that (RFC 5357, section 4.1.2). So do services
/// of unrelated protocols, but those have no current time in the place of T1.
const CLOCKS_DIFFER: Duration = Duration::from_secs(24 * 3_600);

/// A Session-Reflector (RFC 8762, section 4.3): in authenticated mode with a key, in
/// unauthenticated mode without.
#[derive(Debug)]
pub struct Reflector {
    /// The error estimate of its clock.
    pub clock: ErrorEstimate,
    /// The table of sessions of a stateful reflector: a reply's number is then the session's own
    /// count. Without it, the number is the request's.
    pub sessions: Option<Sessions>,
    /// Also answer requests of TWAMP Light that are shorter than STAMP's, with replies that are
    /// longer than the requests (RFC 8762, section 4.6). Only without a key: TWAMP has another
    /// authenticated mode.
    pub twamp_light: bool,
}

impl Reflector {
    fn takes_twamp(&self, key: Option<&Key>) -> bool {
        self.twamp_light && key.is_none()
    }
}

impl Protocol for Reflector {
    const DOES: &str = "reflecting STAMP";
    const TELLS_ARRIVAL: bool = true;

    type Request = Request;

    fn read(
        &self,
        key: Option<&Key>,
        arrival: Arrival,
        datagram: &[u8],
    ) -> Result<Received<Request>, Refusal> {
        let request = match Request::decode(datagram, key) {
            Err(NotStamp::Short) if self.takes_twamp(key) => Request::decode_twamp(datagram),
            result => result,
        };
        let request = request.map_err(|not_stamp| match not_stamp {
            NotStamp::Short if key.is_none() => Refusal::NoPing,
            NotStamp::Short | NotStamp::Hmac => Refusal::Unauthentic,
            NotStamp::ErrorEstimate => Refusal::NoPing,
        })?;
        if is_reply(datagram, &request, key, arrival.wall) {
            return Err(Refusal::Answer);
        }
        let sent = request.sent.to_unix(request.error.format(), arrival.wall);
        let number = if sent.distance(arrival.wall) <= CLOCKS_DIFFER {
            Some(u64::from(request.ssid) << 32 | u64::from(request.seq.0))
        } else {
            // Without a valid clock, there is less to tell a request from some service's text in a
            // buffer of zeros.
            Request::has_only_zeros_besides(datagram, key).then(|| request.seq.0.into())
        };
        Ok(Received { request, sent: Some(sent), number })
    }

    /// The HMAC in the base packet covers only that (RFC 8762, section 4.4).
    fn authenticated<'a>(&self, datagram: &'a [u8]) -> &'a [u8] {
        datagram.get(..AUTHENTICATED).unwrap_or(datagram)
    }

    fn answer(
        &mut self,
        arrival: Arrival,
        request: Request,
        key: Option<&Key>,
        datagram: &mut Vec<u8>,
    ) {
        let seq = self
            .sessions
            .as_mut()
            .map_or(request.seq, |sessions| sessions.next(arrival.from, request.ssid));
        let received = Timestamp::ntp(arrival.wall);
        let reply = Reply {
            seq,
            sent: received,
            error: self.clock,
            ssid: request.ssid,
            received,
            sender_seq: request.seq,
            sender_sent: request.sent,
            sender_error: request.error,
            // WASI 0.2 does not provide it.
            sender_ttl: UNKNOWN_TTL,
        };
        if let Some(key) = key {
            tlvs::keep_authenticated(key, reply.seq, datagram);
        }
        reply.prepare(key, datagram);
    }

    /// Writes T3 into the replies.
    fn depart<'a>(
        &self,
        key: Option<&Key>,
        clock: impl FnOnce() -> UnixTime,
        answers: impl Iterator<Item = &'a mut [u8]>,
    ) {
        let sent = Timestamp::ntp(clock());
        answers.for_each(|answer| Reply::depart(sent, key, answer));
    }

    fn is_made_with(&self, key: &Key, answer: &[u8]) -> bool {
        packet::is_made_with(key, answer)
    }

    fn seq(&self, key: Option<&Key>, datagram: &[u8]) -> Option<Seq> {
        let least = if self.takes_twamp(key) { TWAMP } else { Layout::of(key).base };
        let seq = datagram.first_chunk().filter(|_| datagram.len() >= least)?;
        Some(Seq(u32::from_be_bytes(*seq)))
    }
}

/// Returns whether `datagram`, which decodes as `request` and arrived at `now`, is a reply.
///
/// Without this check, two reflectors would reflect each other's replies forever: a reply is also a
/// request, except for fields that are ignored (RFC 8762, section 4.2), and it never repeats,
/// because its times do not. So it is recognised by what only a reflector writes: the fields of a
/// reply among zeros where a reply has them; or, in the place of the sender's timestamp or of T2, a
/// time that this server's clock has just had, whatever else is there, since some TWAMP reflectors
/// do not write zeros. Random padding matches neither by chance: that takes 40 bits in the first
/// case, and 26 in the second.
fn is_reply(datagram: &[u8], request: &Request, key: Option<&Key>, now: UnixTime) -> bool {
    let layout = Layout::of(key);
    let is_now = |at: usize| {
        datagram.get(at..).and_then(<[u8]>::first_chunk).is_some_and(|time| {
            // Zeros are what a request has there, and also the current time in 2036.
            *time != [0; 8]
                && Timestamp::from_be_bytes(*time).to_unix(Format::Ntp, now).distance(now) <= ROUND
        })
    };
    is_now(layout.sender_sent)
        || is_now(layout.received)
        || Reply::is_all_of(datagram, request, key)
}

#[cfg(test)]
#[path = "reflector_tests.rs"]
mod tests;
