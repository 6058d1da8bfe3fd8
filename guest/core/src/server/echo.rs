//! The echo protocol: datagrams are returned as they are. Pings are the text of the UDP Pinger lab,
//! see [`crate::wire::text`].

use crate::seq::Seq;
use crate::server::{Arrival, Protocol, Received, Refusal};
use crate::time::UnixTime;
use crate::wire::auth::{Direction, Key, TAG};
use crate::wire::text::Ping;

/// The options of an echo server. By default it returns datagrams unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo {
    /// Answer in upper case, as the UDP Pinger lab's server does.
    pub uppercase: bool,
    /// Answer only pings. With a key, this is always so.
    pub pings_only: bool,
}

impl Protocol for Echo {
    const DOES: &str = "echoing";
    const TELLS_ARRIVAL: bool = false;

    type Request = ();

    fn read(
        &self,
        key: Option<&Key>,
        _: Arrival,
        datagram: &[u8],
    ) -> Result<Received<()>, Refusal> {
        if let Some(key) = key {
            let text = key.open(Direction::Request, datagram).ok_or(Refusal::Unauthentic)?;
            let ping = Ping::decode(text).map_err(|_| Refusal::NoPing)?;
            return Ok(Received { request: (), sent: Some(ping.sent_at), number: None });
        }
        let number = Ping::number(datagram);
        if self.pings_only && number.is_none() {
            return Err(Refusal::NoPing);
        }
        Ok(Received { request: (), sent: None, number: number.map(|seq| seq.0.into()) })
    }

    /// The tag covers the whole text.
    fn authenticated<'a>(&self, datagram: &'a [u8]) -> &'a [u8] {
        datagram
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

    /// Does nothing: an echo does not contain the time at which it is sent.
    fn depart<'a>(
        &self,
        _: Option<&Key>,
        _: impl FnOnce() -> UnixTime,
        _: impl Iterator<Item = &'a mut [u8]>,
    ) {
    }

    fn is_made_with(&self, _: &Key, _: &[u8]) -> bool {
        true
    }

    fn seq(&self, key: Option<&Key>, datagram: &[u8]) -> Option<Seq> {
        Ping::number(text(key, datagram))
    }
}

/// Returns a datagram without its tag, which it has if there is a key.
pub fn text<'a>(key: Option<&Key>, datagram: &'a [u8]) -> &'a [u8] {
    &datagram[..datagram.len().saturating_sub(if key.is_some() { TAG } else { 0 })]
}
