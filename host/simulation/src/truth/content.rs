//! Which reply belongs to which request, by their content.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::FixedState;

/// What a reply repeats of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    hash: u64,
    /// The SSID of STAMP, which a reflector may leave zero.
    ssid: u16,
}

/// Where a STAMP packet has what a reply repeats of a request, and its length.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// The sequence number, timestamp and error estimate of a request.
    request: [usize; 3],
    /// Where a reply repeats them.
    reply: [usize; 3],
    /// The SSID of both (RFC 8972, section 3).
    ssid: usize,
    length: usize,
}

/// RFC 8762, sections 4.2.1 and 4.3.1.
const OPEN: Layout = Layout { request: [0, 4, 12], reply: [24, 28, 36], ssid: 14, length: 44 };

/// RFC 8762, sections 4.2.2 and 4.3.2.
const KEYED: Layout = Layout { request: [0, 16, 24], reply: [48, 64, 72], ssid: 26, length: 112 };

/// The bytes at the end of an authenticated message of the text protocol that are no text: HMAC-SHA-256.
const TAG: usize = 32;

impl Content {
    /// Whether a reply with this content answers `request`.
    pub(super) fn answers(self, request: Self) -> bool {
        self.hash == request.hash && [request.ssid, 0].contains(&self.ssid)
    }

    /// The sequence number of a request and what its reply repeats of it, if it is one.
    pub(super) fn of_request(data: &[u8], is_keyed: bool) -> Option<(u32, Self)> {
        let layout = if is_keyed { &KEYED } else { &OPEN };
        Self::of_text(data, is_keyed).or_else(|| Self::of_stamp(data, layout, layout.request))
    }

    /// The sequence number that a reply answers, and what it repeats.
    pub(super) fn of_reply(data: &[u8], is_keyed: bool) -> Option<(u32, Self)> {
        let layout = if is_keyed { &KEYED } else { &OPEN };
        // "The Multiplier MUST NOT be set to zero": the reflector's error estimate is where a request
        // has its own (RFC 4656, section 4.1.2).
        let is_stamp = data.get(layout.request[2] + 1).is_some_and(|multiplier| *multiplier > 0);
        let stamp = || is_stamp.then(|| Self::of_stamp(data, layout, layout.reply)).flatten();
        Self::of_text(data, is_keyed).or_else(stamp)
    }

    /// `Ping <seq> <date>`, in either case.
    fn of_text(data: &[u8], is_keyed: bool) -> Option<(u32, Self)> {
        let tag = if is_keyed { TAG } else { 0 };
        let text = data.get(..data.len().checked_sub(tag)?)?.to_ascii_lowercase();
        let words = text.strip_prefix(b"ping ")?;
        let seq = std::str::from_utf8(words.split(|byte| *byte == b' ').next()?).ok()?;
        let hash = FixedState::default().hash_one(&text);
        Some((seq.parse().ok()?, Self { hash, ssid: 0 }))
    }

    fn of_stamp(
        data: &[u8],
        layout: &Layout,
        [seq, time, error]: [usize; 3],
    ) -> Option<(u32, Self)> {
        if data.len() < layout.length {
            return None;
        }
        let number = u32::from_be_bytes(data[seq..seq + 4].try_into().ok()?);
        let mut hasher = FixedState::default().build_hasher();
        hasher.write(&data[time..time + 8]);
        hasher.write(&data[error..error + 2]);
        let ssid = u16::from_be_bytes(data[layout.ssid..layout.ssid + 2].try_into().ok()?);
        Some((number, Self { hash: hasher.finish(), ssid }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_in_upper_case_repeats_its_request() {
        let request = Content::of_request(b"Ping 7 1.5\t\t", false).unwrap();
        assert_eq!(request.0, 7);
        assert_eq!(Content::of_reply(b"PING 7 1.5\t\t", false), Some(request));
        for other in [&b"PING 7 1.6\t\t"[..], b"PING 7 1.5\t ", b"PING 8 1.5\t\t", b"PONG 7 1.5"] {
            assert_ne!(Content::of_reply(other, false), Some(request));
        }
        assert_eq!(
            Content::of_reply(&[&b"ping 7 1.5\t\t"[..], &[0; TAG]].concat(), true),
            Some(request)
        );
    }

    #[test]
    fn a_reflector_repeats_number_time_and_error_estimate() {
        let mut request = [0; 44];
        request[3] = 9;
        request[4..14].copy_from_slice(b"TTTTTTTTEE");
        let mut reply = [1; 44];
        reply[12..14].copy_from_slice(&[0, 1]);
        reply[24..28].copy_from_slice(&request[..4]);
        reply[28..38].copy_from_slice(b"TTTTTTTTEE");
        let content = Content::of_request(&request, false).unwrap();
        assert_eq!(content.0, 9);
        let answers = |reply: &[u8]| {
            Content::of_reply(reply, false)
                .is_some_and(|(seq, reply)| seq == 9 && reply.answers(content.1))
        };
        assert!(!answers(&reply), "another SSID");
        reply[14..16].fill(0);
        assert!(answers(&reply));
        reply[13] = 0;
        assert!(!answers(&reply), "no error estimate of its own");
        reply[13] = 1;
        reply[37] = 0;
        assert!(!answers(&reply));
    }
}
