//! The native peers: what a C programmer would write, in Rust.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{hint, thread};

use clap::ValueEnum;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, recvmsg, setsockopt, sockopt,
};
use rustix::net::addr::SocketAddrArg as _;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

const BATCH: usize = 64;
const SLOT: usize = 1 << 16;

fn listen() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    println!("listening on {}", socket.local_addr()?);
    Ok(socket)
}

/// Echoes with one system call per datagram received, and one per datagram sent.
pub(crate) fn echo_single() -> io::Result<()> {
    let socket = listen()?;
    let mut buffer = vec![0; SLOT];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length], from)?;
    }
}

/// Like [`echo_single`], but never sleeping.
pub(crate) fn echo_spinning() -> io::Result<()> {
    let socket = listen()?;
    socket.set_nonblocking(true)?;
    let mut buffer = vec![0; SLOT];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => drop(socket.send_to(&buffer[..length], from)?),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
}

/// Echoes with `recvmmsg(2)` and `sendmmsg(2)`.
pub(crate) fn echo_batched() -> io::Result<()> {
    let socket = listen()?;
    let mut buffers = vec![0; BATCH * SLOT];
    loop {
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
        let mut slices: Vec<_> =
            buffers.chunks_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]).collect();
        let received: Vec<_> = recvmmsg(
            socket.as_raw_fd(),
            &mut headers,
            &mut slices,
            MsgFlags::MSG_WAITFORONE,
            None,
        )?
        .filter_map(|message| {
            Some((message.bytes, SocketAddr::V4(SocketAddrV4::from(message.address?)).as_any()))
        })
        .collect();
        let slices: Vec<_> = received
            .iter()
            .zip(buffers.chunks(SLOT))
            .map(|((length, _), slot)| [IoSlice::new(&slot[..*length])])
            .collect();
        let mut controls: Vec<_> = slices.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let mut headers: Vec<_> = received
            .iter()
            .zip(&slices)
            .zip(&mut controls)
            .map(|(((_, from), slice), control)| MMsgHdr::new_with_addr(from, slice, control))
            .collect();
        let mut sent = 0;
        while sent < headers.len() {
            sent += sendmmsg(&socket, &mut headers[sent..], SendFlags::empty())?;
        }
    }
}

/// How a native pinger waits for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Waiting {
    /// Sleeping in the kernel.
    Blocking,
    /// Sleeping in the kernel, which tells when the reply arrived (`SO_TIMESTAMPNS`).
    Stamped,
    /// Busy-polling.
    Spinning,
}

impl Waiting {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Stamped => "stamped",
            Self::Spinning => "spinning",
        }
    }
}

/// The result of a native pinger's ping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinged {
    /// From when it was due to when it was sent.
    pub late: Duration,
    /// From when it was sent to its reply.
    pub rtt: Duration,
}

/// Sends `count` pings, one every `interval`.
pub(crate) fn ping(
    server: SocketAddr,
    count: usize,
    interval: Duration,
    size: usize,
    waiting: Waiting,
) -> io::Result<Vec<Pinged>> {
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.set_nonblocking(waiting == Waiting::Spinning)?;
    if waiting == Waiting::Stamped {
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    }
    let (mut sent, mut received) = (vec![0x55; size], vec![0; SLOT]);
    let start = Instant::now();
    let mut pings = Vec::new();
    for number in 0..count {
        let due = start + interval.saturating_mul(number as u32);
        while let Some(left) =
            due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            match waiting {
                Waiting::Blocking | Waiting::Stamped => thread::sleep(left),
                Waiting::Spinning => hint::spin_loop(),
            }
        }
        // No reply is that to another ping.
        for (byte, of_number) in sent.iter_mut().zip(number.to_ne_bytes()) {
            *byte = of_number;
        }
        let wall = SystemTime::now();
        let at = Instant::now();
        socket.send(&sent)?;
        let (length, arrived) = receive(&socket, &mut received, waiting)?;
        let rtt = match arrived {
            Some(arrived) => arrived.duration_since(wall).map_err(io::Error::other)?,
            None => at.elapsed(),
        };
        pings.push(Pinged { late: at - due, rtt });
        if received[..length] != sent {
            return Err(io::Error::other("the reply is not what was sent"));
        }
    }
    Ok(pings)
}

/// Waits for a datagram; returns its length and, if the kernel tells, when it arrived.
fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    waiting: Waiting,
) -> io::Result<(usize, Option<SystemTime>)> {
    if waiting == Waiting::Stamped {
        let mut control = nix::cmsg_space!(nix::libc::timespec);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrIn>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(UNIX_EPOCH + Duration::from(time)),
            _ => None,
        });
        return Ok((message.bytes, stamp));
    }
    loop {
        match socket.recv(buffer) {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && waiting == Waiting::Spinning =>
            {
                hint::spin_loop();
            }
            other => return Ok((other?, None)),
        }
    }
}
