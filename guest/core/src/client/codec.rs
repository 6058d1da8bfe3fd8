//! Encoding of pings, and matching of received datagrams to them.

use std::time::Duration;

use crate::seq::Seq;
use crate::stats::one_way::{ClockSpan, Reflected};
use crate::time::UnixTime;
use crate::wire::auth::{Direction, Keys, TAG};
use crate::wire::stamp::{ErrorEstimate, Format, Reply, Request, Timestamp};
use crate::wire::text::Ping;

/// The protocol that client and server use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The text format of the UDP Pinger lab, which any echo server answers.
    Text,
    /// STAMP (RFC 8762), as a Session-Sender.
    Stamp {
        /// The session identifier in requests (RFC 8972, section 3).
        ssid: u16,
        /// The error estimate of the local clock.
        error: ErrorEstimate,
    },
}

impl Protocol {
    /// Returns the sequence number of the first ping: 1 for text, as in the UDP Pinger lab, and 0
    /// for STAMP (RFC 8762, section 4.2.1).
    pub const fn first(self) -> Seq {
        match self {
            Self::Text => Seq(1),
            Self::Stamp { .. } => Seq(0),
        }
    }
}

/// The encoder of pings and decoder of replies.
#[derive(Clone, Debug)]
pub struct Codec {
    /// The protocol of the pings.
    pub protocol: Protocol,
    /// The datagram size in bytes, including the tag. Shorter messages are padded to it; longer
    /// ones are sent unpadded.
    pub size: usize,
    /// The keys, if messages are authenticated: pings are tagged with the first, replies must be
    /// tagged with one of them.
    pub keys: Option<Keys>,
}

/// The decoded content of a possible reply.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The sequence number of the ping that it answers.
    pub seq: Seq,
    content: Content<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    Text(&'a [u8]),
    Stamp(Reply),
}

impl Codec {
    /// Replaces the content of `datagram` with ping `seq`, sent at `wall`.
    pub fn encode(&self, seq: Seq, wall: UnixTime, datagram: &mut Vec<u8>) {
        match self.protocol {
            Protocol::Text => {
                self.encode_text(seq, wall, datagram);
                if let Some(keys) = &self.keys {
                    let tag = keys.first().tag(Direction::Request, datagram);
                    datagram.extend(tag);
                }
            }
            Protocol::Stamp { ssid, error } => {
                let request = Request { seq, sent: Timestamp::ntp(wall), error, ssid };
                request.encode(self.size, self.keys.as_ref().map(Keys::first), datagram);
            }
        }
    }

    /// Decodes a possible reply. Returns `None` if the format or the tag is wrong.
    pub fn read<'a>(&self, datagram: &'a [u8]) -> Option<Answer<'a>> {
        match self.protocol {
            Protocol::Text => {
                let text = match &self.keys {
                    Some(keys) => {
                        keys.iter().find_map(|key| key.open(Direction::Reply, datagram))?
                    }
                    None => datagram,
                };
                Some(Answer { seq: Ping::decode(text).ok()?.seq, content: Content::Text(text) })
            }
            Protocol::Stamp { .. } => {
                let reply = match &self.keys {
                    Some(keys) => {
                        keys.iter().find_map(|key| Reply::decode(datagram, Some(key)).ok())?
                    }
                    None => Reply::decode(datagram, None).ok()?,
                };
                Some(Answer { seq: reply.sender_seq, content: Content::Stamp(reply) })
            }
        }
    }

    /// Checks `answer`, which arrived at `arrived`, against the ping sent at `sent`. Returns the
    /// reflector's measurements, if the protocol has any, or `None` if the answer has content that
    /// was not sent. `scratch` is a buffer for the comparison.
    ///
    /// A text reply must equal what was sent, or that in upper case, as the UDP Pinger lab's server
    /// answers. A STAMP reply must repeat the request's sequence number, T1 and error estimate (RFC
    /// 8762, section 4.3.1), and its SSID.
    pub fn check(
        &self,
        answer: &Answer<'_>,
        sent: UnixTime,
        arrived: UnixTime,
        scratch: &mut Vec<u8>,
    ) -> Option<Option<Reflected>> {
        match (answer.content, self.protocol) {
            (Content::Text(text), _) => {
                self.encode_text(answer.seq, sent, scratch);
                text.eq_ignore_ascii_case(scratch).then_some(None)
            }
            (Content::Stamp(reply), Protocol::Stamp { ssid, error }) => {
                let same = reply.sender_sent == Timestamp::ntp(sent) && reply.sender_error == error;
                // A reflector without SSID support leaves zeros there (RFC 8972, section 3).
                (same && [ssid, 0].contains(&reply.ssid))
                    .then(|| Some(reflected(&reply, sent, arrived)))
            }
            (Content::Stamp(_), Protocol::Text) => None,
        }
    }

    /// Encodes the text, leaving room for the tag.
    fn encode_text(&self, seq: Seq, wall: UnixTime, text: &mut Vec<u8>) {
        let tag = if self.keys.is_some() { TAG } else { 0 };
        Ping { seq, sent_at: wall }.encode(self.size.saturating_sub(tag), text);
    }
}

/// Computes the one-way delays of `reply` from its times and T1, `sent`, and T4, `arrived`.
fn reflected(reply: &Reply, sent: UnixTime, arrived: UnixTime) -> Reflected {
    let format = reply.error.format();
    // In the reflector's format, so that the timestamps can be subtracted.
    let here = |time| match format {
        Format::Ntp => Timestamp::ntp(time),
        Format::Ptp => Timestamp::ptp(time),
    };
    let processing = reply.sent.nanos_since(reply.received, format);
    Reflected {
        counter: reply.seq,
        forward: ClockSpan(reply.received.nanos_since(here(sent), format)),
        backward: ClockSpan(here(arrived).nanos_since(reply.sent, format)),
        // Negative only if the reflector's clock was set in between.
        processing: Duration::from_nanos(u64::try_from(processing).unwrap_or(0)),
        error: reply.error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: UnixTime = UnixTime { seconds: 1_700_000_000, nanoseconds: 999_999_000 };
    const ARRIVED: UnixTime = UnixTime { seconds: 1_700_000_001, nanoseconds: 1_000 };

    fn error() -> ErrorEstimate {
        ErrorEstimate::of_clock(false)
    }

    fn codec(ssid: u16) -> Codec {
        Codec { protocol: Protocol::Stamp { ssid, error: error() }, size: 60, keys: None }
    }

    /// The reflector's clock is an hour ahead. Apart from that, T2 is 500 ns after T1, and T3
    /// another 300 ns later.
    fn reply(ssid: u16) -> Reply {
        let later = |nanos| UnixTime {
            seconds: SENT.seconds + 3_600,
            nanoseconds: SENT.nanoseconds + nanos,
        };
        Reply {
            seq: Seq(4),
            sent: Timestamp::ntp(later(800)),
            error: error(),
            ssid,
            received: Timestamp::ntp(later(500)),
            sender_seq: Seq(7),
            sender_sent: Timestamp::ntp(SENT),
            sender_error: error(),
            sender_ttl: 255,
        }
    }

    #[expect(clippy::option_option, reason = "whether it is a reply, and what that measures")]
    fn checked(codec: &Codec, reply: &Reply) -> Option<Option<Reflected>> {
        let mut datagram = vec![0; 60];
        reply.encode(None, &mut datagram);
        let answer = codec.read(&datagram)?;
        assert_eq!(answer.seq, reply.sender_seq);
        codec.check(&answer, SENT, ARRIVED, &mut Vec::new())
    }

    #[test]
    fn reply_yields_both_directions_delays_and_processing_time() {
        let hour = 3_600_000_000_000;
        let expected = Reflected {
            counter: Seq(4),
            forward: ClockSpan(hour + 500),
            // T4 is 2,000 ns after T1; T3, apart from the hour, is 800 ns after T1.
            backward: ClockSpan(1_200 - hour),
            processing: Duration::from_nanos(300),
            error: error(),
        };
        assert_eq!(checked(&codec(9), &reply(9)), Some(Some(expected)));
        assert_eq!(
            checked(&codec(9), &reply(0)),
            Some(Some(expected)),
            "a reflector that knows no SSID"
        );
    }

    #[test]
    fn a_reply_must_repeat_what_was_sent() {
        let later = Timestamp::ntp(UnixTime { nanoseconds: SENT.nanoseconds + 1, ..SENT });
        assert_eq!(checked(&codec(9), &Reply { sender_sent: later, ..reply(9) }), None);
        let other = ErrorEstimate::of_clock(true);
        assert_eq!(checked(&codec(9), &Reply { sender_error: other, ..reply(9) }), None);
        assert_eq!(checked(&codec(9), &reply(8)), None);
    }

    #[test]
    fn a_text_is_no_reply_of_stamp_nor_the_other_way_round() {
        let text = Codec { protocol: Protocol::Text, ..codec(0) };
        let mut datagram = Vec::new();
        text.encode(Seq(1), SENT, &mut datagram);
        assert!(codec(0).read(&datagram).is_none_or(|answer| {
            codec(0).check(&answer, SENT, ARRIVED, &mut Vec::new()).is_none()
        }));
        codec(0).encode(Seq(1), SENT, &mut datagram);
        assert!(text.read(&datagram).is_none());
    }
}
