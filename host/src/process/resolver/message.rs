//! The messages between the parent and the resolving helper: one packet per request or answer.

use std::net::{IpAddr, Ipv6Addr};

use wasi_datagram::{ResolveError, Resolved};

/// The maximum length of a name in bytes (RFC 1035, section 2.3.4).
const NAME: usize = 255;

/// The maximum number of addresses of one name that are passed on.
const ADDRESSES: usize = 64;

const NUMBER: usize = size_of::<u32>();
const OUTCOME: usize = size_of::<u8>();
const ADDRESS: usize = size_of::<u128>();

/// A request to resolve a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Matches the answer to its request.
    pub number: u32,
    pub name: String,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub number: u32,
    pub resolved: Resolved,
}

/// The outcomes; a message holds the index in one byte.
const OUTCOMES: [Result<(), ResolveError>; 4] = [
    Ok(()),
    Err(ResolveError::NoSuchName),
    Err(ResolveError::Temporary),
    Err(ResolveError::Permanent),
];

impl Request {
    pub(super) const LONGEST: usize = NUMBER + NAME;

    pub(super) fn encode(&self) -> Vec<u8> {
        [&self.number.to_be_bytes()[..], self.name.as_bytes()].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, name) = bytes.split_first_chunk()?;
        let name =
            str::from_utf8(name).ok().filter(|name| !name.is_empty() && name.len() <= NAME)?;
        Some(Self { number: u32::from_be_bytes(*number), name: name.to_owned() })
    }
}

impl Answer {
    pub(super) const LONGEST: usize = NUMBER + OUTCOME + ADDRESSES * ADDRESS;

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.number.to_be_bytes().to_vec();
        let outcome = self.resolved.as_ref().map(|_| ()).map_err(|error| *error);
        let outcome = OUTCOMES.iter().position(|known| *known == outcome).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "OUTCOMES are few")]
        bytes.push(outcome as u8);
        for address in self.resolved.iter().flatten().take(ADDRESSES) {
            let address = match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => *v6,
            };
            bytes.extend(address.octets());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (outcome, addresses) = rest.split_first()?;
        let (addresses, rest) = addresses.as_chunks::<ADDRESS>();
        let addresses = addresses
            .iter()
            .map(|octets| IpAddr::from(Ipv6Addr::from(*octets)).to_canonical())
            .collect();
        let resolved = OUTCOMES.get(usize::from(*outcome))?.map(|()| addresses);
        rest.is_empty().then_some(Self { number: u32::from_be_bytes(*number), resolved })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written_and_nothing_else_is() {
        let request = Request { number: 7, name: "a.example".to_owned() };
        assert_eq!(Request::decode(&request.encode()), Some(request));
        for bytes in [&b""[..], b"123", b"1234", b"1234\xff", &[b'a'; 5 + NAME]] {
            assert_eq!(Request::decode(bytes), None, "{bytes:?}");
        }
        for addresses in ["", "192.0.2.1", "2001:db8::1 192.0.2.1"] {
            let addresses =
                addresses.split_whitespace().map(|address| address.parse().unwrap()).collect();
            let answer = Answer { number: u32::MAX, resolved: Ok(addresses) };
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        for error in [ResolveError::NoSuchName, ResolveError::Temporary, ResolveError::Permanent] {
            let answer = Answer { number: 7, resolved: Err(error) };
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        for bytes in [&b""[..], b"123", b"1234", b"1234\x04", b"1234\0 and more"] {
            assert_eq!(Answer::decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn an_answer_has_a_bound() {
        let addresses = vec![IpAddr::from([192, 0, 2, 1]); 1000];
        assert_eq!(Answer { number: 0, resolved: Ok(addresses) }.encode().len(), Answer::LONGEST);
    }
}
