//! The load: floods an echo server with a window of datagrams, and checks that each reply is
//! identical to the datagram sent.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg,
    sendmsg, setsockopt, sockopt,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use serde::Serialize;

/// Datagrams per system call.
const BATCH: usize = 64;

/// The size of a receive buffer in bytes: it fits the largest coalesced message.
const SLOT: usize = 1 << 16;

/// After this time without a reply, outstanding datagrams count as lost.
const PATIENCE: Duration = Duration::from_millis(200);

/// The load on a server: what is sent, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// The size of each datagram in bytes, at least [`HEADER`].
    pub size: usize,
    /// The number of outstanding datagrams, over all sources.
    pub window: usize,
    /// The number of sockets, used in turn.
    pub sources: usize,
    /// Whether datagrams are segmented by the kernel (`UDP_SEGMENT`), and replies coalesced
    /// (`UDP_GRO`).
    pub segmented: bool,
    pub until: Until,
}

/// The end of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After this time.
    Time(Duration),
    /// After this number of replies.
    Replies(u64),
}

/// The result of a [`Load`].
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Result {
    /// The number of correct replies.
    pub replies: u64,
    /// The number of datagrams without a reply.
    pub lost: u64,
    /// The number of wrong replies: other bytes, another length, or duplicates.
    pub wrong: u64,
    /// The duration in seconds.
    pub seconds: f64,
}

impl Result {
    pub(crate) fn rate(&self) -> f64 {
        self.replies as f64 / self.seconds
    }
}

/// A ping of the UDP Pinger lab, whose number identifies a datagram of its source: what our echo
/// server answers at any rate. It is padded with a byte derived from the number.
const PING: &[u8; HEADER] = b"Ping 0000000000 1700000000 ";

/// The size of the ping in bytes.
pub(crate) const HEADER: usize = 27;

/// The position of its number.
const NUMBER: std::ops::Range<usize> = 5..15;

/// A socket of the load, and its outstanding datagrams.
struct Source {
    socket: UdpSocket,
    next: u64,
    /// Sent and not answered, indexed by number modulo the window.
    out: Vec<Option<u64>>,
    waiting: usize,
}

/// Applies `load` to `server` from this thread.
pub(crate) fn run(server: SocketAddr, load: Load) -> io::Result<Result> {
    let share = load.window.div_ceil(load.sources);
    let mut sources = (0..load.sources)
        .map(|_| Source::new(server, share, load.segmented))
        .collect::<io::Result<Vec<_>>>()?;
    let mut flood = Flood {
        load,
        share,
        received: vec![0; BATCH * SLOT],
        sent: vec![0; BATCH * load.size],
        result: Result::default(),
    };
    let start = Instant::now();
    let mut last_reply = start;
    loop {
        let before = flood.result.replies;
        for source in &mut sources {
            flood.fill(source)?;
            flood.drain(source)?;
        }
        let now = Instant::now();
        let over = match load.until {
            Until::Time(time) => now - start >= time,
            Until::Replies(count) => flood.result.replies + flood.result.lost >= count,
        };
        if over {
            break;
        }
        if flood.result.replies > before {
            last_reply = now;
        } else if now - last_reply > PATIENCE {
            for source in &mut sources {
                flood.result.lost += source.give_up();
            }
            last_reply = now;
        } else {
            wait(&sources)?;
        }
    }
    flood.result.seconds = start.elapsed().as_secs_f64();
    // Replies to outstanding datagrams are still awaited.
    let deadline = Instant::now() + PATIENCE;
    while sources.iter().any(|source| source.waiting > 0) && Instant::now() < deadline {
        let before = flood.result.replies;
        sources.iter_mut().try_for_each(|source| flood.drain(source))?;
        flood.result.replies = before;
        wait(&sources)?;
    }
    flood.result.lost += sources.iter_mut().map(Source::give_up).sum::<u64>();
    Ok(flood.result)
}

/// Waits until one of the first sources has a reply, or for a while.
fn wait(sources: &[Source]) -> io::Result<()> {
    let mut waiting: Vec<_> =
        sources.iter().map(|source| PollFd::new(&source.socket, PollFlags::IN)).collect();
    poll(&mut waiting, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 }))?;
    Ok(())
}

struct Flood {
    load: Load,
    share: usize,
    received: Vec<u8>,
    sent: Vec<u8>,
    result: Result,
}

impl Flood {
    /// Sends until the source's window is full, but at least half a window at a time, so that calls
    /// are batched.
    fn fill(&mut self, source: &mut Source) -> io::Result<()> {
        let room = self.share - source.waiting;
        if room == 0 || (room < BATCH && room < self.share.div_ceil(2)) {
            return Ok(());
        }
        let size = self.load.size;
        let mut left = room;
        while left > 0 {
            let count = left.min(BATCH).min(if self.load.segmented {
                (65_507 / size).max(1)
            } else {
                BATCH
            });
            for (i, datagram) in self.sent.chunks_mut(size).take(count).enumerate() {
                write(datagram, source.next + i as u64);
            }
            let bytes = &self.sent[..count * size];
            let sent = if self.load.segmented && count > 1 {
                send_together(&source.socket, bytes, size, count)
            } else {
                send_batch(&source.socket, bytes, size)
            };
            match sent {
                Ok(sent) => source.sent(sent),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            left -= count;
        }
        Ok(())
    }

    /// Receives the available replies.
    fn drain(&mut self, source: &mut Source) -> io::Result<()> {
        if source.waiting == 0 {
            return Ok(());
        }
        let slots = if self.load.segmented { 4 } else { BATCH.min(self.share.max(1)) };
        let control = self.load.segmented.then(|| nix::cmsg_space!(i32));
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slots, control);
        let mut slices: Vec<_> = self
            .received
            .chunks_mut(SLOT)
            .take(slots)
            .map(|slot| [IoSliceMut::new(slot)])
            .collect();
        let messages = match recvmmsg(
            source.socket.as_raw_fd(),
            &mut headers,
            &mut slices,
            MsgFlags::MSG_DONTWAIT,
            None,
        ) {
            Ok(messages) => messages,
            Err(nix::errno::Errno::EAGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let lengths: Vec<_> = messages
            .map(|message| {
                let together = message.cmsgs().ok().and_then(|mut control| {
                    control.find_map(|c| {
                        if let ControlMessageOwned::UdpGroSegments(n) = c {
                            Some(n as usize)
                        } else {
                            None
                        }
                    })
                });
                (message.bytes, together.unwrap_or(message.bytes))
            })
            .collect();
        for ((length, each), slot) in lengths.into_iter().zip(self.received.chunks(SLOT)) {
            for reply in slot[..length].chunks(each.max(1)) {
                if reply.len() == self.load.size && source.answered(reply) {
                    self.result.replies += 1;
                } else {
                    self.result.wrong += 1;
                }
            }
        }
        Ok(())
    }
}

impl Source {
    fn new(server: SocketAddr, share: usize, segmented: bool) -> io::Result<Self> {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        // A whole window may be queued while this thread is not running.
        setsockopt(&socket, sockopt::RcvBuf, &(4 << 20))?;
        if segmented {
            setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
        }
        Ok(Self { socket, next: 0, out: vec![None; share.next_power_of_two() * 2], waiting: 0 })
    }

    fn sent(&mut self, count: usize) {
        for _ in 0..count {
            let slot = self.next as usize % self.out.len();
            self.out[slot] = Some(self.next);
            self.next += 1;
        }
        self.waiting += count;
    }

    /// Whether `reply` is the datagram sent, and the first one.
    fn answered(&mut self, reply: &[u8]) -> bool {
        let Some(number) = read(reply) else { return false };
        let slot = number as usize % self.out.len();
        if self.out[slot] != Some(number) {
            return false;
        }
        self.out[slot] = None;
        self.waiting -= 1;
        true
    }

    /// Gives up all outstanding datagrams, and returns their number.
    fn give_up(&mut self) -> u64 {
        self.out.fill(None);
        std::mem::take(&mut self.waiting) as u64
    }
}

/// The padding of datagram `number`: a byte that differs from one datagram to the next.
fn filling(number: u64) -> u8 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Writes datagram `number` of a source; the number makes it unique.
pub(crate) fn write(datagram: &mut [u8], number: u64) {
    let (header, rest) = datagram.split_at_mut(HEADER);
    header.copy_from_slice(PING);
    let mut left = number as u32;
    for digit in header[NUMBER].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    rest.fill(filling(number));
}

fn read(datagram: &[u8]) -> Option<u64> {
    let (header, rest) = datagram.split_first_chunk::<HEADER>()?;
    let number = header[NUMBER]
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit.wrapping_sub(b'0')));
    rest.iter().all(|byte| *byte == filling(number)).then_some(number)
}

fn send_together(socket: &UdpSocket, bytes: &[u8], size: usize, count: usize) -> io::Result<usize> {
    let size = u16::try_from(size).map_err(io::Error::other)?;
    let segments = [ControlMessage::UdpGsoSegments(&size)];
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        &segments,
        MsgFlags::MSG_DONTWAIT,
        None,
    )?;
    Ok(count)
}

/// Sends the datagrams of `size` bytes in `bytes`, and returns how many the socket took.
pub(crate) fn send_batch(socket: &UdpSocket, bytes: &[u8], size: usize) -> io::Result<usize> {
    let slices: Vec<_> = bytes.chunks(size).map(|datagram| [IoSlice::new(datagram)]).collect();
    let mut controls: Vec<_> = slices.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut headers: Vec<_> = slices
        .iter()
        .zip(&mut controls)
        .map(|(slice, control)| MMsgHdr::new(slice, control))
        .collect();
    Ok(sendmmsg(socket, &mut headers, SendFlags::DONTWAIT)?)
}
