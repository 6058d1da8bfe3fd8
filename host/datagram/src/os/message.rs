//! The messages of `recvmsg`, `recvmmsg`, `sendmsg` and `sendmmsg` on Linux: datagrams and their
//! ancillary data (cmsg(3)), which is the local address (`IP_PKTINFO`, ip(7); `IPV6_PKTINFO`, RFC
//! 3542, section 6), the time of arrival (`SO_TIMESTAMPNS`, socket(7)) and the stride of coalesced
//! datagrams (`UDP_GRO`, `UDP_SEGMENT`, udp(7)).

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{mem, ptr};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrLike as _,
    SockaddrStorage, recvmmsg, recvmsg, sendmsg,
};

use super::stamps::Conversion;
use super::{RawSocket, SLOT};
use crate::world::{Local, Received, Take, Transmit};

/// The distance between slots in bytes: one cache line more than a slot, since otherwise the starts
/// of all slots would share a cache set.
pub(super) const STRIDE: usize = SLOT + 64;

/// A received message, which may hold several datagrams.
struct Message {
    from: SocketAddr,
    to: Option<Local>,
    length: usize,
    /// The stride: the length of each datagram except the last, which may be shorter.
    segment: usize,
    /// The time of arrival by the wall clock.
    stamp: Option<SystemTime>,
}

impl Message {
    fn new(message: &RecvMsg<'_, '_, SockaddrStorage>) -> io::Result<Self> {
        let from = message.address.as_ref().and_then(address).ok_or(ErrorKind::InvalidData)?;
        // An empty datagram is one segment, too.
        let mut segment = message.bytes.max(1);
        let (mut to, mut stamp) = (None, None);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::UdpGroSegments(length) if length > 0 => {
                    segment = length.unsigned_abs() as usize;
                }
                ControlMessageOwned::Ipv4PacketInfo(info) => to = Local::of_v4(&info),
                ControlMessageOwned::Ipv6PacketInfo(info) => to = Local::of_v6(&info),
                ControlMessageOwned::ScmTimestampns(time) => {
                    stamp = UNIX_EPOCH.checked_add(Duration::from(time));
                }
                _ => {}
            }
        }
        Ok(Self { from, to, length: message.bytes, segment, stamp })
    }

    fn is_several(&self) -> bool {
        self.segment < self.length
    }

    fn split(&self, buffer: &[u8], conversion: Option<&Conversion>, take: &mut Take<'_>) {
        let arrived = self.stamp.zip(conversion).and_then(|(stamp, by)| by.instant(stamp));
        let mut take =
            |data| take(Received { to: self.to, arrived, ..Received::new(data, self.from) });
        if self.length == 0 {
            return take(&[]);
        }
        buffer[..self.length].chunks(self.segment).for_each(take);
    }
}

impl Local {
    /// The address that a reply leaves from, which is not the destination of a multicast or
    /// broadcast datagram. A datagram that arrived before the option was set has only the
    /// destination (ip(7)).
    fn of_v4(info: &libc::in_pktinfo) -> Option<Self> {
        let of_answer = |address: libc::in_addr| Ipv4Addr::from(u32::from_be(address.s_addr));
        let all = [info.ipi_spec_dst, info.ipi_addr].map(of_answer);
        let ip = all.into_iter().find(|ip| !ip.is_unspecified())?;
        // The interface is not pinned: the routing table determines which one leads to the peer.
        Some(Self { ip: ip.into(), interface: 0 })
    }

    /// `None` for the destination of a multicast datagram, which cannot be a source address.
    fn of_v6(info: &libc::in6_pktinfo) -> Option<Self> {
        let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
        // A link-local address is ambiguous without its interface (RFC 4007, section 5).
        let interface = if ip.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
        (!ip.is_multicast()).then_some(Self { ip: ip.into(), interface })
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}

fn storage(address: SocketAddr) -> SockaddrStorage {
    match address {
        SocketAddr::V4(v4) => v4.into(),
        SocketAddr::V6(v6) => v6.into(),
    }
}

/// A buffer for all control messages of one received message.
fn control_space() -> Vec<u8> {
    nix::cmsg_space!(i32, libc::in6_pktinfo, libc::timespec)
}

/// Receives one message: a datagram, or several coalesced ones of a flow. Returns whether it was
/// several.
pub(super) fn receive_message(
    socket: &RawSocket,
    buffer: &mut [u8],
    take: &mut Take<'_>,
) -> io::Result<bool> {
    let mut control = control_space();
    let mut slices = [IoSliceMut::new(&mut buffer[..SLOT])];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    let message = Message::new(&message)?;
    let conversion = message.stamp.and_then(|_| socket.conversion());
    message.split(buffer, conversion.as_ref(), take);
    Ok(message.is_several())
}

/// A received batch.
pub(super) struct Batch {
    /// The number of messages.
    pub(super) messages: usize,
    /// Whether one held several datagrams.
    pub(super) any_several: bool,
}

/// Receives up to `slots` messages, with control messages if `told`.
pub(super) fn receive_batch(
    socket: &RawSocket,
    slots: usize,
    buffers: &mut [u8],
    told: bool,
    take: &mut Take<'_>,
) -> io::Result<Batch> {
    // nix does not reset the lengths that the kernel wrote into reused headers, so they are
    // allocated for each call.
    let control = told.then(control_space);
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slots, control);
    let mut slices: Vec<_> = buffers
        .chunks_mut(STRIDE)
        .take(slots)
        .map(|chunk| [IoSliceMut::new(&mut chunk[..SLOT])])
        .collect();
    let messages: Vec<_> =
        recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?
            .map(|message| Message::new(&message))
            .collect();
    // One for all: they had arrived before the call returned.
    let conversion = socket.conversion();
    let (count, mut any_several) = (messages.len(), false);
    for (message, buffer) in messages.into_iter().zip(buffers.chunks(STRIDE)) {
        let message = message?;
        any_several |= message.is_several();
        message.split(buffer, conversion.as_ref(), take);
    }
    Ok(Batch { messages: count, any_several })
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

/// A control message for one datagram of a batch.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; Control::ROOM]);

impl Control {
    /// The size of a header and an `in6_pktinfo`, the longer of the two.
    const ROOM: usize = 40;

    /// Encodes the local address that a datagram leaves from, and returns the length, too.
    fn of(from: Local) -> (Self, usize) {
        let (level, name, data) = match from.ip {
            IpAddr::V4(ip) => {
                let mut data = [0; size_of::<libc::in_pktinfo>()];
                data[mem::offset_of!(libc::in_pktinfo, ipi_spec_dst)..][..4]
                    .copy_from_slice(&ip.octets());
                (libc::IPPROTO_IP, libc::IP_PKTINFO, data.to_vec())
            }
            IpAddr::V6(ip) => {
                let data = [ip.octets().as_slice(), &from.interface.to_ne_bytes()].concat();
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, data)
            }
        };
        let header = size_of::<libc::cmsghdr>();
        let length = header + data.len();
        let mut bytes = [0; Self::ROOM];
        // cmsg_len is a size_t, or an int with the padding of one (cmsg(3)).
        bytes[..size_of::<usize>()].copy_from_slice(&length.to_ne_bytes());
        bytes[mem::offset_of!(libc::cmsghdr, cmsg_level)..][..4]
            .copy_from_slice(&level.to_ne_bytes());
        bytes[mem::offset_of!(libc::cmsghdr, cmsg_type)..][..4]
            .copy_from_slice(&name.to_ne_bytes());
        bytes[header..length].copy_from_slice(&data);
        (Self(bytes), length.next_multiple_of(size_of::<usize>()))
    }
}

/// Sends `datagrams` by one call, and returns how many were sent, from the first.
pub(super) fn send_batch(socket: &UdpSocket, datagrams: &[Transmit<'_>]) -> nix::Result<usize> {
    let addresses: Vec<_> = datagrams.iter().map(|datagram| datagram.to.map(storage)).collect();
    let mut controls: Vec<_> =
        datagrams.iter().map(|datagram| datagram.from.map(Control::of)).collect();
    let mut slices: Vec<_> = datagrams
        .iter()
        .map(|datagram| libc::iovec {
            iov_base: datagram.data.as_ptr().cast_mut().cast(),
            iov_len: datagram.data.len(),
        })
        .collect();
    let mut headers = Vec::with_capacity(datagrams.len());
    for ((address, control), slice) in addresses.iter().zip(&mut controls).zip(&mut slices) {
        // SAFETY: `mmsghdr` is integers and pointers, for which zeros are values.
        #[expect(unsafe_code, reason = "it has private padding on some systems")]
        let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
        if let Some(address) = address {
            header.msg_hdr.msg_name = address.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = address.len();
        }
        if let Some((control, length)) = control {
            header.msg_hdr.msg_control = ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = *length as _;
        }
        header.msg_hdr.msg_iov = slice;
        header.msg_hdr.msg_iovlen = 1;
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
