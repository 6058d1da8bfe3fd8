//! What a ping looks like on the wire, and which datagrams answer it.

use crate::auth::{Direction, Key, TAG};
use crate::one_way::Reflected;
use crate::seq::Seq;
use crate::time::UnixTime;
use crate::wire::Ping;

/// How pings are written and replies are read.
#[derive(Clone, Debug)]
pub struct Codec {
    /// Bytes in a datagram, tag and all: what a protocol writes is padded up to it, and what is longer is sent as it is.
    pub size: usize,
    /// What pings are tagged with, and what replies must be tagged with.
    pub key: Option<Key>,
}

/// What a datagram says that may be a reply.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The ping that it answers.
    pub seq: Seq,
    text: &'a [u8],
}

impl Codec {
    /// The number of the first ping: 1, as in the classic lab.
    pub fn first(&self) -> Seq {
        Seq(1)
    }

    /// Replaces what is in `datagram` with ping `seq`, sent at `wall`.
    pub fn encode(&self, seq: Seq, wall: UnixTime, datagram: &mut Vec<u8>) {
        self.encode_text(seq, wall, datagram);
        if let Some(key) = &self.key {
            let tag = key.tag(Direction::Request, datagram);
            datagram.extend(tag);
        }
    }

    /// Reads what may be a reply; `None` where it has not the form of one, or not the tag.
    pub fn read<'a>(&self, datagram: &'a [u8]) -> Option<Answer<'a>> {
        let text = match &self.key {
            Some(key) => key.open(Direction::Reply, datagram)?,
            None => datagram,
        };
        Some(Answer { seq: Ping::decode(text).ok()?.seq, text })
    }

    /// What a reflector says of the ping that was sent at `sent`, in `answer`, which arrived at `arrived`, if it is one that
    /// says anything; `None` where the answer holds what was not sent. `scratch` is used to compare.
    ///
    /// A text must be what was sent to the letter, or that upper-cased, as the classic lab's server answers.
    pub fn check(
        &self,
        answer: &Answer<'_>,
        sent: UnixTime,
        _arrived: UnixTime,
        scratch: &mut Vec<u8>,
    ) -> Option<Option<Reflected>> {
        self.encode_text(answer.seq, sent, scratch);
        answer.text.eq_ignore_ascii_case(scratch).then_some(None)
    }

    /// The text without its tag.
    fn encode_text(&self, seq: Seq, wall: UnixTime, text: &mut Vec<u8>) {
        let tag = if self.key.is_some() { TAG } else { 0 };
        Ping { seq, sent_at: wall }.encode(self.size.saturating_sub(tag), text);
    }
}
