//! Many datagrams a call, on Linux: `recvmmsg` and `sendmmsg`, `UDP_GRO` and `UDP_SEGMENT`.
//!
//! Each call is chosen by what is there. One datagram is cheapest by `recvfrom`; where the queue is not empty after it,
//! `recvmmsg` takes the rest; where the sender's datagrams travel together, one `recvmsg` takes up to 64 of them.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, getsockopt, recvmmsg, recvmsg,
    sendmsg, setsockopt, sockopt,
};
use rustix::net::addr::SocketAddrArg as _;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use tokio::io::Interest;

use super::{Outgoing, RawSocket, SLOT, with_slots};
use crate::reactor::Watched;
use crate::udp::Tuning;

/// From one slot to the next: a cache line more than a slot, or the starts of all slots would share a set of the cache.
const STRIDE: usize = SLOT + 64;

/// Datagrams received one after the other before the next call takes a batch.
const STREAK: u32 = 2;

/// A socket's receiving side.
#[derive(Debug)]
pub struct Receiver {
    socket: Arc<RawSocket>,
    // For reading only: where it is watched for writing, too, each datagram that leaves wakes the reactor.
    readable: Watched,
    batch: usize,
    offload: Offload,
    /// Successful calls since the queue was seen empty.
    streak: u32,
}

/// What is known of `UDP_GRO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offload {
    /// Not wanted, or this kernel has none.
    Off,
    /// To be switched on by the first batch: one datagram at a time gains nothing.
    Later,
    /// On; whether the last call brought datagrams that had travelled together.
    On { together: bool },
}

/// Hands over a datagram.
type Take<'a> = dyn FnMut(&[u8], SocketAddr) + 'a;

impl Receiver {
    pub fn new(socket: Arc<RawSocket>, tuning: Tuning) -> io::Result<Self> {
        let batch = tuning.batch.get();
        let offload = if getsockopt(&socket, sockopt::UdpGroSegment).unwrap_or(false) {
            // By an earlier receiver: what waits in the socket may be several together.
            Offload::On { together: true }
        } else if tuning.offload {
            Offload::Later
        } else {
            Offload::Off
        };
        Ok(Self {
            readable: Watched::new(socket.try_clone()?.into(), Interest::READABLE)?,
            socket,
            batch,
            offload,
            streak: 0,
        })
    }

    pub fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        let count = limit.min(self.batch);
        let batched = count > 1 && self.streak >= STREAK;
        if batched && self.offload == Offload::Later {
            let on = setsockopt(&self.socket, sockopt::UdpGroSegment, &true).is_ok();
            self.offload = if on { Offload::On { together: false } } else { Offload::Off };
        }
        let Self { socket, readable, offload, batch, .. } = self;
        let result = with_slots(*batch * STRIDE, |buffers| {
            readable.call(|| match offload {
                Offload::On { together } if !batched || *together => receive_together(socket, buffers, together, take),
                Offload::On { together } => receive_batch(socket, count, buffers, Some(together), take),
                Offload::Off if batched => receive_batch(socket, count, buffers, None, take),
                Offload::Off | Offload::Later => receive_one(socket, buffers, take),
            })
        });
        match &result {
            Ok(()) => self.streak = self.streak.saturating_add(1),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.streak = 0,
            Err(_) => {}
        }
        result
    }

    pub async fn readable(&self) {
        self.readable.ready().await;
    }
}

fn receive_one(socket: &UdpSocket, buffer: &mut [u8], take: &mut Take<'_>) -> io::Result<()> {
    let (length, from) = socket.recv_from(&mut buffer[..SLOT])?;
    take(&buffer[..length], from);
    Ok(())
}

/// One message: a datagram, or several of one flow that travelled together.
fn receive_together(socket: &UdpSocket, buffer: &mut [u8], together: &mut bool, take: &mut Take<'_>) -> io::Result<()> {
    let mut control = nix::cmsg_space!(i32);
    let mut slices = [IoSliceMut::new(&mut buffer[..SLOT])];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
    let message = Message::new(&message)?;
    *together = message.segment < message.length;
    message.split(buffer, take);
    Ok(())
}

/// Up to `slots` messages; with `together`, of which each may be several datagrams.
fn receive_batch(
    socket: &UdpSocket,
    slots: usize,
    buffers: &mut [u8],
    together: Option<&mut bool>,
    take: &mut Take<'_>,
) -> io::Result<()> {
    // nix does not restore the lengths that the kernel wrote into headers that were used before, so they are made anew.
    let control = together.is_some().then(|| nix::cmsg_space!(i32));
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slots, control);
    let mut slices: Vec<_> =
        buffers.chunks_mut(STRIDE).take(slots).map(|chunk| [IoSliceMut::new(&mut chunk[..SLOT])]).collect();
    let messages: Vec<_> = recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?
        .map(|message| Message::new(&message))
        .collect();
    let mut any_together = false;
    for (message, buffer) in messages.into_iter().zip(buffers.chunks(STRIDE)) {
        let message = message?;
        any_together |= message.segment < message.length;
        message.split(buffer, take);
    }
    if let Some(together) = together {
        *together = any_together;
    }
    Ok(())
}

/// What the kernel says of one message.
struct Message {
    from: SocketAddr,
    length: usize,
    /// The length of each of its datagrams but the last, which may be shorter.
    segment: usize,
}

impl Message {
    fn new(message: &RecvMsg<'_, '_, SockaddrStorage>) -> io::Result<Self> {
        let from = message.address.as_ref().and_then(address).ok_or(ErrorKind::InvalidData)?;
        // An empty datagram is a segment, too.
        let whole = message.bytes.max(1);
        let segment = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(length) => usize::try_from(length).ok(),
            _ => None,
        });
        Ok(Self { from, length: message.bytes, segment: segment.filter(|length| *length > 0).unwrap_or(whole) })
    }

    fn split(&self, buffer: &[u8], take: &mut Take<'_>) {
        if self.length == 0 {
            return take(&[], self.from);
        }
        buffer[..self.length].chunks(self.segment).for_each(|datagram| take(datagram, self.from));
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}

/// The most datagrams that one call cuts (`UDP_MAX_SEGMENTS` of Linux before 6.9).
const SEGMENTS: usize = 64;

/// The most bytes that one call cuts: what an IPv4 packet has room for behind its headers.
const TOGETHER: usize = 65_507;

/// A socket's sending side.
#[derive(Debug)]
pub struct Sender {
    socket: Arc<RawSocket>,
    /// Segments of this length and beyond go alone: the path does not take them together, or nothing does.
    too_long: usize,
    waiting: Option<Watched>,
}

impl Sender {
    pub fn new(socket: Arc<RawSocket>, tuning: Tuning) -> Self {
        Self { socket, too_long: if tuning.offload { usize::MAX } else { 0 }, waiting: None }
    }

    pub fn try_send(&mut self, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < datagrams.len() {
            match self.send_some(&datagrams[sent..]) {
                Ok(count) => sent += count,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    /// One call: the datagrams at the start that can travel together, or those that can't.
    fn send_some(&mut self, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        let together = self.together(datagrams);
        if together > 1 {
            match send_together(&self.socket, &datagrams[..together]) {
                Ok(()) => return Ok(together),
                // EIO: the device cannot compute checksums for it. EINVAL, EMSGSIZE: the path's MTU is shorter.
                Err(rustix::io::Errno::IO) => self.too_long = 0,
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::MSGSIZE) => self.too_long = datagrams[0].data.len(),
                Err(error) => return Err(error.into()),
            }
        }
        let alone = (1..datagrams.len()).find(|next| self.together(&datagrams[*next..]) > 1).unwrap_or(datagrams.len());
        match &datagrams[..alone] {
            [one] => send_one(&self.socket, one).map(|()| 1),
            several => send_batch(&self.socket, several),
        }
    }

    /// How many of `datagrams`, from the first, `UDP_SEGMENT` can send by one call: equally long, but for a last one that
    /// may be shorter, to one address.
    fn together(&self, datagrams: &[Outgoing<'_>]) -> usize {
        let [first, ..] = datagrams else { return 0 };
        let length = first.data.len();
        if length == 0 || length >= self.too_long {
            return 1;
        }
        let most = (TOGETHER / length).clamp(1, SEGMENTS);
        let equal = datagrams.iter().take(most).take_while(|d| d.data.len() == length && d.to == first.to).count();
        match datagrams.get(equal) {
            Some(last) if equal < most && (1..length).contains(&last.data.len()) && last.to == first.to => equal + 1,
            _ => equal,
        }
    }

    pub async fn writable(&mut self) {
        if self.waiting.is_none() {
            // A descriptor of its own: the reactor knows the other one as one to read from.
            self.waiting = self.socket.try_clone().and_then(|socket| Watched::new(socket.into(), Interest::WRITABLE)).ok();
        }
        if let Some(waiting) = &self.waiting {
            waiting.becomes_ready().await;
        }
    }
}

fn send_one(socket: &UdpSocket, datagram: &Outgoing<'_>) -> io::Result<()> {
    match datagram.to {
        Some(to) => socket.send_to(datagram.data, to),
        None => socket.send(datagram.data),
    }
    .map(|_| ())
}

fn send_together(socket: &UdpSocket, datagrams: &[Outgoing<'_>]) -> Result<(), rustix::io::Errno> {
    let slices: Vec<_> = datagrams.iter().map(|datagram| IoSlice::new(datagram.data)).collect();
    // Together they have at most 65,507 bytes.
    let length = datagrams[0].data.len() as u16;
    let to = datagrams[0].to.map(|to| match to {
        SocketAddr::V4(v4) => SockaddrStorage::from(v4),
        SocketAddr::V6(v6) => SockaddrStorage::from(v6),
    });
    let segments = [ControlMessage::UdpGsoSegments(&length)];
    sendmsg(socket.as_raw_fd(), &slices, &segments, MsgFlags::MSG_DONTWAIT, to.as_ref())
        .map(|_| ())
        .map_err(|errno| rustix::io::Errno::from_raw_os_error(errno as i32))
}

fn send_batch(socket: &UdpSocket, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
    let addresses: Vec<Option<SocketAddrAny>> = datagrams.iter().map(|d| d.to.map(|to| to.as_any())).collect();
    let slices: Vec<_> = datagrams.iter().map(|datagram| [IoSlice::new(datagram.data)]).collect();
    let mut controls: Vec<_> =
        datagrams.iter().map(|_| SendAncillaryBuffer::new(&mut [] as &mut [MaybeUninit<u8>])).collect();
    let mut headers: Vec<_> = addresses
        .iter()
        .zip(&slices)
        .zip(&mut controls)
        .map(|((address, slices), control)| match address {
            Some(address) => MMsgHdr::new_with_addr(address, slices, control),
            None => MMsgHdr::new(slices, control),
        })
        .collect();
    Ok(sendmmsg(socket, &mut headers, SendFlags::DONTWAIT)?)
}
