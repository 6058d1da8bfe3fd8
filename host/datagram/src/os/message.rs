//! The messages of `recvmsg`, `recvmmsg`, `sendmsg` and `sendmmsg` on Linux: datagrams and their
//! ancillary data ([`super::control`]).

use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::{mem, ptr};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrLike as _, SockaddrStorage, sendmsg};

use super::control::{Ancillary, NAME, ROOM, Source, address};
use super::stamps::Conversion;
use super::{RawSocket, SLOT};
use crate::world::{Local, Received, Take, Transmit};

/// The distance between slots in bytes: one cache line more than a slot, since otherwise the starts
/// of all slots would share a cache set.
pub(super) const STRIDE: usize = SLOT + 64;

/// The buffers of a received message for its source address and its control messages.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct AncillaryBuffer {
    control: [u8; ROOM],
    name: [u8; NAME],
}

/// A received message, which may hold several datagrams.
struct Message {
    from: SocketAddr,
    ancillary: Ancillary,
    length: usize,
}

impl Message {
    fn new(header: &libc::mmsghdr, buffer: &AncillaryBuffer) -> Option<Self> {
        let name = buffer.name.get(..header.msg_hdr.msg_namelen as usize)?;
        // A size_t, or an unsigned int.
        #[allow(clippy::unnecessary_cast, reason = "it depends on the C library")]
        let control = buffer.control.get(..header.msg_hdr.msg_controllen as usize)?;
        let ancillary = Ancillary::read(control);
        Some(Self { from: address(name)?, ancillary, length: header.msg_len as usize })
    }

    /// The length of each datagram except the last. An empty datagram is one segment, too.
    fn segment(&self) -> usize {
        self.ancillary.segment.unwrap_or(self.length).max(1)
    }

    fn is_several(&self) -> bool {
        self.segment() < self.length
    }

    fn split(&self, buffer: &[u8], conversion: Option<&Conversion>, take: &mut Take<'_>) {
        let Ancillary { to, stamp, .. } = self.ancillary;
        let arrived = stamp.zip(conversion).and_then(|(stamp, by)| by.instant(stamp));
        let mut take = |data| take(Received { to, arrived, ..Received::new(data, self.from) });
        if self.length == 0 {
            return take(&[]);
        }
        buffer[..self.length].chunks(self.segment()).for_each(take);
    }
}

pub(super) fn storage(address: SocketAddr) -> SockaddrStorage {
    match address {
        SocketAddr::V4(v4) => v4.into(),
        SocketAddr::V6(v6) => v6.into(),
    }
}

/// A received batch.
pub(super) struct Batch {
    /// The number of messages.
    pub(super) messages: usize,
    /// Whether one held several datagrams.
    pub(super) any_several: bool,
}

/// A message of one slice.
fn header(slice: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: `mmsghdr` is integers and pointers, for which zeros are values.
    #[expect(unsafe_code, reason = "it has private padding on some systems")]
    let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
    header.msg_hdr.msg_iov = slice;
    header.msg_hdr.msg_iovlen = 1;
    header
}

/// Receives one message: a datagram, or several coalesced ones of a flow. Returns whether it was
/// several.
pub(super) fn receive_message(
    socket: &RawSocket,
    buffer: &mut [u8],
    take: &mut Take<'_>,
) -> io::Result<bool> {
    Ok(receive_batch(socket, 1, buffer, true, take)?.any_several)
}

/// Receives up to `slots` messages, with control messages if `told`: one by `recvmsg`, several by
/// `recvmmsg`.
pub(super) fn receive_batch(
    socket: &RawSocket,
    slots: usize,
    buffers: &mut [u8],
    told: bool,
    take: &mut Take<'_>,
) -> io::Result<Batch> {
    let mut ancillary = vec![AncillaryBuffer { control: [0; ROOM], name: [0; NAME] }; slots];
    let mut slices: Vec<_> = buffers
        .chunks_mut(STRIDE)
        .take(slots)
        .map(|chunk| {
            let slot = &mut chunk[..SLOT];
            libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() }
        })
        .collect();
    let mut headers: Vec<_> = ancillary
        .iter_mut()
        .zip(&mut slices)
        .map(|(buffer, slice)| {
            let mut header = header(slice);
            header.msg_hdr.msg_name = buffer.name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = libc::socklen_t::try_from(NAME).unwrap_or_default();
            if told {
                header.msg_hdr.msg_control = buffer.control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = ROOM as _;
            }
            header
        })
        .collect();
    let (descriptor, flags) = (socket.as_raw_fd(), libc::MSG_DONTWAIT);
    // SAFETY: each header points to its own element of `ancillary` and `slices`, and each of these to
    // its own part of `buffers`, none of which is moved, dropped or looked at before the call is
    // over; the kernel writes at most the lengths that are given with the pointers.
    #[expect(unsafe_code, reason = "nix's wrapper allocates and resets its headers at each call")]
    let received = match headers.as_mut_slice() {
        [one] => unsafe {
            let length = libc::recvmsg(descriptor, &raw mut one.msg_hdr, flags);
            one.msg_len = libc::c_uint::try_from(length).unwrap_or_default();
            Errno::result(length).map(|_| 1)
        },
        several => unsafe {
            let count = libc::c_uint::try_from(several.len()).unwrap_or(libc::c_uint::MAX);
            let received = libc::recvmmsg(
                descriptor,
                several.as_mut_ptr(),
                count,
                flags as _,
                ptr::null_mut(),
            );
            Errno::result(received).map(|received| received.unsigned_abs() as usize)
        },
    }?;
    // One for all: they had arrived before the call returned.
    let conversion = socket.conversion();
    let mut any_several = false;
    let all = headers.iter().zip(&ancillary).zip(buffers.chunks(STRIDE)).take(received);
    for ((header, ancillary), buffer) in all {
        let message = Message::new(header, ancillary).ok_or(ErrorKind::InvalidData)?;
        any_several |= message.is_several();
        message.split(buffer, conversion.as_ref(), take);
    }
    Ok(Batch { messages: received, any_several })
}

/// Receives one datagram without control messages.
pub(super) fn receive_plainly(
    socket: &UdpSocket,
    buffer: &mut [u8],
    take: &mut Take<'_>,
) -> io::Result<()> {
    let (length, from) = socket.recv_from(&mut buffer[..SLOT])?;
    take(Received::new(&buffer[..length], from));
    Ok(())
}

/// Sends one datagram.
pub(super) fn send_one(socket: &UdpSocket, datagram: &Transmit<'_>) -> io::Result<()> {
    let pinned = datagram.from.map(|from| send_together(socket, &[*datagram], Some(from)));
    match (pinned, datagram.to) {
        (Some(Ok(())), _) => return Ok(()),
        // The address no longer belongs to this machine, or the call is refused: the system chooses
        // the source address.
        (
            Some(Err(Errno::EINVAL | Errno::EADDRNOTAVAIL | Errno::ENODEV | Errno::ENOSYS)) | None,
            Some(to),
        ) => socket.send_to(datagram.data, to),
        (Some(Err(error)), _) => return Err(error.into()),
        (None, None) => socket.send(datagram.data),
    }
    .map(|_| ())
}

/// Sends datagrams to one destination by one call, each as long as the first, except the last,
/// which may be shorter.
pub(super) fn send_together(
    socket: &UdpSocket,
    datagrams: &[Transmit<'_>],
    from: Option<Local>,
) -> nix::Result<()> {
    let slices: Vec<_> = datagrams.iter().map(|datagram| IoSlice::new(datagram.data)).collect();
    // Coalesced datagrams have at most 65,507 bytes; a single longer one is rejected by the system.
    let length = u16::try_from(datagrams[0].data.len()).unwrap_or(u16::MAX);
    let (v4, v6) = (from.and_then(Local::to_v4), from.and_then(Local::to_v6));
    let segments = (datagrams.len() > 1).then_some(ControlMessage::UdpGsoSegments(&length));
    let source = v4
        .as_ref()
        .map(ControlMessage::Ipv4PacketInfo)
        .or(v6.as_ref().map(ControlMessage::Ipv6PacketInfo));
    let controls: Vec<_> = segments.into_iter().chain(source).collect();
    let to = datagrams[0].to.map(storage);
    sendmsg(socket.as_raw_fd(), &slices, &controls, MsgFlags::MSG_DONTWAIT, to.as_ref()).map(|_| ())
}

impl Local {
    fn to_v4(self) -> Option<libc::in_pktinfo> {
        let IpAddr::V4(ip) = self.ip else { return None };
        let ipi_spec_dst = libc::in_addr { s_addr: u32::from(ip).to_be() };
        Some(libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst,
            ipi_addr: libc::in_addr { s_addr: 0 },
        })
    }

    fn to_v6(self) -> Option<libc::in6_pktinfo> {
        let IpAddr::V6(ip) = self.ip else { return None };
        Some(libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
            ipi6_ifindex: self.interface,
        })
    }
}

/// Sends `datagrams` by one call, and returns how many were sent, from the first.
pub(super) fn send_batch(socket: &UdpSocket, datagrams: &[Transmit<'_>]) -> nix::Result<usize> {
    let addresses: Vec<_> = datagrams.iter().map(|datagram| datagram.to.map(storage)).collect();
    let mut controls: Vec<_> =
        datagrams.iter().map(|datagram| datagram.from.map(Source::of)).collect();
    let mut slices: Vec<_> = datagrams
        .iter()
        .map(|datagram| libc::iovec {
            iov_base: datagram.data.as_ptr().cast_mut().cast(),
            iov_len: datagram.data.len(),
        })
        .collect();
    let mut headers = Vec::with_capacity(datagrams.len());
    for ((address, control), slice) in addresses.iter().zip(&mut controls).zip(&mut slices) {
        let mut header = header(slice);
        if let Some(address) = address {
            header.msg_hdr.msg_name = address.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = address.len();
        }
        if let Some((control, length)) = control {
            header.msg_hdr.msg_control = ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = *length as _;
        }
        headers.push(header);
    }
    // Any beyond that are sent by the next call.
    let count = libc::c_uint::try_from(headers.len()).unwrap_or(libc::c_uint::MAX);
    // SAFETY: each header points to an address, a control message and a slice of `addresses`,
    // `controls`, `slices` and `datagrams`, none of which is moved or dropped before the call is
    // over; the kernel writes to the headers alone.
    #[expect(
        unsafe_code,
        reason = "there is no wrapper that takes a control message for each datagram"
    )]
    let sent = unsafe {
        libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _)
    };
    Errno::result(sent).map(|sent| sent.unsigned_abs() as usize)
}
