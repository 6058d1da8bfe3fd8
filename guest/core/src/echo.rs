//! The echo: what comes goes back as it is. Pings are the classic lab's text, see [`crate::wire`].

use crate::auth::{Direction, Key, TAG};
use crate::seq::Seq;
use crate::server::{Arrival, Protocol, Refusal, Sent};
use crate::time::UnixTime;
use crate::wire::Ping;

/// How the server answers. By default it changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo {
    /// Answer in upper case, as the classic lab's server does.
    pub uppercase: bool,
    /// Answer nothing but pings. With a key, that is so in any case.
    pub pings_only: bool,
}

impl Protocol for Echo {
    const DOES: &str = "echoing";

    type Request = ();

    fn read(&self, key: Option<&Key>, _: Arrival, datagram: &[u8]) -> Result<((), Sent), Refusal> {
        let text = match key {
            Some(key) => key.open(Direction::Request, datagram).ok_or(Refusal::Unauthentic)?,
            None if self.pings_only => datagram,
            None => return Ok(((), None)),
        };
        Ping::decode(text).map(|ping| ((), Some(ping.sent_at))).map_err(|_| Refusal::NoPing)
    }

    fn answer(&mut self, _: Arrival, (): (), key: Option<&Key>, datagram: &mut Vec<u8>) {
        let text = text(key, datagram).len();
        let (text, tag) = datagram.split_at_mut(text);
        if self.uppercase {
            text.make_ascii_uppercase();
        }
        if let Some(key) = key {
            tag.copy_from_slice(&key.tag(Direction::Reply, text));
        }
    }

    /// Nothing in an echo says when it left.
    fn depart<'a>(&self, _: Option<&Key>, _: impl FnOnce() -> UnixTime, _: impl Iterator<Item = &'a mut [u8]>) {}

    fn is_made_with(&self, _: &Key, _: &[u8]) -> bool {
        true
    }

    fn seq(&self, key: Option<&Key>, datagram: &[u8]) -> Option<Seq> {
        Ping::decode(text(key, datagram)).ok().map(|ping| ping.seq)
    }
}

/// A datagram without the tag that it has where there is a key.
pub fn text<'a>(key: Option<&Key>, datagram: &'a [u8]) -> &'a [u8] {
    &datagram[..datagram.len().saturating_sub(if key.is_some() { TAG } else { 0 })]
}
