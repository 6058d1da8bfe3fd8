//! What the guests send.

/// One byte more than IPv6 can carry after the UDP header.
pub const TOO_LARGE: usize = 65_528;

/// The payload of a datagram: several in a row have equal length, so that they can be coalesced.
#[expect(clippy::cast_possible_truncation, reason = "programs send few datagrams")]
pub fn payload(number: usize) -> Vec<u8> {
    let mut data = (number as u32).to_le_bytes().to_vec();
    data.resize(data.len() + number / 4 % 4 * 100, number as u8);
    data
}
