//! What a ping looks like on the wire, and which datagrams answer it.

use std::time::Duration;

use crate::seq::Seq;
use crate::stats::one_way::{ClockSpan, Reflected};
use crate::time::UnixTime;
use crate::wire::auth::{Direction, Keys, TAG};
use crate::wire::stamp::{ErrorEstimate, Format, Reply, Request, Timestamp};
use crate::wire::text::Ping;

/// What client and server speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The classic lab's text, which any echo server answers.
    Text,
    /// STAMP (RFC 8762), as its Session-Sender.
    Stamp {
        /// The session that requests name (RFC 8972, section 3).
        ssid: u16,
        /// What is said of the clock here.
        error: ErrorEstimate,
    },
}

impl Protocol {
    /// The number of the first ping: 1 in text, as in the classic lab, and 0 in STAMP (RFC 8762,
    /// section 4.2.1).
    pub const fn first(self) -> Seq {
        match self {
            Self::Text => Seq(1),
            Self::Stamp { .. } => Seq(0),
        }
    }
}

/// How pings are written and replies are read.
#[derive(Clone, Debug)]
pub struct Codec {
    /// Protocol that the pings are written in.
    pub protocol: Protocol,
    /// Bytes in a datagram, tag and all: what a protocol writes is padded up to it, and what is
    /// longer is sent as it is.
    pub size: usize,
    /// What pings are tagged with, the first of them; replies must be tagged with one of them.
    pub keys: Option<Keys>,
}

/// What a datagram says that may be a reply.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The ping that it answers.
    pub seq: Seq,
    content: Content<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    Text(&'a [u8]),
    Stamp(Reply),
}

impl Codec {
    /// Replaces what is in `datagram` with ping `seq`, sent at `wall`.
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

    /// Reads what may be a reply; `None` where it has not the form of one, or not the tag.
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

    /// What a reflector says of the ping that was sent at `sent`, in `answer`, which arrived at
    /// `arrived`, if it is one that says anything; `None` where the answer holds what was not sent.
    /// `scratch` is used to compare.
    ///
    /// A text must be what was sent to the letter, or that upper-cased, as the classic lab's server
    /// answers. A reply of STAMP must repeat the request's number, T1 and error estimate (RFC 8762,
    /// section 4.3.1), and its session.
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
                // A reflector that knows no SSID leaves zeros there (RFC 8972, section 3).
                (same && [ssid, 0].contains(&reply.ssid))
                    .then(|| Some(reflected(&reply, sent, arrived)))
            }
            (Content::Stamp(_), Protocol::Text) => None,
        }
    }

    /// The text without its tag.
    fn encode_text(&self, seq: Seq, wall: UnixTime, text: &mut Vec<u8>) {
        let tag = if self.keys.is_some() { TAG } else { 0 };
        Ping { seq, sent_at: wall }.encode(self.size.saturating_sub(tag), text);
    }
}

/// What the times of `reply` say together with T1, `sent`, and T4, `arrived`.
fn reflected(reply: &Reply, sent: UnixTime, arrived: UnixTime) -> Reflected {
    let format = reply.error.format();
    // In the reflector's format, so that one can be taken from the other.
    let here = |time| match format {
        Format::Ntp => Timestamp::ntp(time),
        Format::Ptp => Timestamp::ptp(time),
    };
    let processing = reply.sent.nanos_since(reply.received, format);
    Reflected {
        counter: reply.seq,
        forward: ClockSpan(reply.received.nanos_since(here(sent), format)),
        backward: ClockSpan(here(arrived).nanos_since(reply.sent, format)),
        // Below zero only where that clock was set in between.
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

    /// The reflector's clock is an hour ahead: T2 is 500 ns after T1 by that, T3 another 300 later.
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
            // T4 is 2,000 ns after T1, and T3, but for the hour, 800 ns.
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
