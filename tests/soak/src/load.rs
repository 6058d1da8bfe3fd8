//! The load: sources that behave, sources that do not, and pings of the real client.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use fastrand::Rng;
use udping_tests::{run, udping_host};

use crate::services::SOURCE_LIMIT;

/// A ping whose number identifies a datagram of its source.
const PING: &[u8; HEADER] = b"Ping 0000000000 1700000000 ";
const HEADER: usize = 27;

/// The position of its number.
const NUMBER: std::ops::Range<usize> = 5..15;

/// The maximum size of a datagram in bytes.
const LARGEST: usize = 9_000;

/// A backlog of more than this many seconds is not made up for.
const LONGEST_BURST: f64 = 0.1;

/// A source: where it sends to, what sizes, and how often.
struct Source {
    socket: UdpSocket,
    to: SocketAddr,
    sizes: RangeInclusive<usize>,
    per_second: f64,
    /// The number of datagrams to be sent now.
    due: f64,
    next: u64,
    /// The lengths of outstanding datagrams, by number.
    out: HashMap<u64, usize>,
}

/// All sources, and the results of what they sent.
pub(crate) struct Load {
    sources: Vec<Source>,
    poison_to: SocketAddr,
    rng: Rng,
    buffer: Vec<u8>,
    now: Instant,
    sent: u64,
    replies: u64,
    wrong: u64,
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Load {
    /// Creates the sources for each of the three servers, by their ports.
    pub(crate) fn new(steady: u16, restarted: u16, trapping: u16) -> io::Result<Self> {
        let behaved = f64::from(SOURCE_LIMIT) * 0.8;
        let mut sources = Vec::new();
        // Each has its own address: the host's limit applies per address.
        let mut ip = u32::from(Ipv4Addr::LOCALHOST);
        let mut source = |port, to, sizes, per_second| {
            ip += 1;
            Source::new((Ipv4Addr::from_bits(ip), port).into(), to, sizes, per_second)
        };
        for (to, low_port) in [(steady, 1_001), (restarted, 1_002)] {
            for _ in 0..4 {
                sources.push(source(0, to, HEADER..=LARGEST, behaved)?);
                sources.push(source(0, to, HEADER..=64, behaved)?);
            }
            // Above the host's limit; from a service's port; and empty, thus not pings.
            sources.push(source(0, to, HEADER..=64, 2.0 * f64::from(SOURCE_LIMIT))?);
            sources.push(source(low_port, to, HEADER..=LARGEST, 20.0)?);
            sources.push(source(0, to, 0..=0, 20.0)?);
        }
        for _ in 0..4 {
            sources.push(source(0, trapping, HEADER..=LARGEST, behaved)?);
        }
        let (poison_to, now) = (local(trapping), Instant::now());
        Ok(Self {
            sources,
            poison_to,
            rng: Rng::new(),
            buffer: vec![0; 1 << 16],
            now,
            sent: 0,
            replies: 0,
            wrong: 0,
        })
    }

    /// Drops the backlog up to now.
    pub(crate) fn resume(&mut self) {
        self.now = Instant::now();
    }

    /// Sends what is due, from all sources in turn.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        let passed = self.now.elapsed().as_secs_f64().min(LONGEST_BURST);
        self.now = Instant::now();
        self.sources.iter_mut().for_each(|source| source.due += source.per_second * passed);
        let mut any = true;
        while any {
            any = false;
            for source in self.sources.iter_mut().filter(|source| source.due >= 1.0) {
                source.due -= 1.0;
                self.sent += u64::from(source.send(&mut self.rng, &mut self.buffer)?);
                any = true;
            }
        }
        Ok(())
    }

    /// Sends the datagram at which the trapping guest traps.
    pub(crate) fn poison(&mut self) -> io::Result<()> {
        UdpSocket::bind(local(0))?.send_to(b"trap", self.poison_to)?;
        self.sent += 1;
        Ok(())
    }

    /// Receives the replies that have arrived.
    pub(crate) fn receive(&mut self) -> io::Result<()> {
        for source in &mut self.sources {
            loop {
                match source.socket.recv_from(&mut self.buffer) {
                    Ok((length, from)) => {
                        self.replies += 1;
                        self.wrong += u64::from(
                            from != source.to || !source.is_awaited(&self.buffer[..length]),
                        );
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Forgets all outstanding datagrams.
    pub(crate) fn forget(&mut self) {
        self.sources.iter_mut().for_each(|source| source.out.clear());
    }

    /// The number of datagrams that the sockets took.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// The number of replies.
    pub(crate) fn replies(&self) -> u64 {
        self.replies
    }

    /// The number of unexpected replies: other bytes, from elsewhere, or duplicates.
    pub(crate) fn wrong(&self) -> u64 {
        self.wrong
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} answered", self.sent, self.replies)
    }
}

impl Source {
    fn new(
        from: SocketAddr,
        to: u16,
        sizes: RangeInclusive<usize>,
        per_second: f64,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(from)?;
        socket.set_nonblocking(true)?;
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20)?;
        Ok(Self {
            socket,
            to: local(to),
            sizes,
            per_second,
            due: 0.0,
            next: 0,
            out: HashMap::new(),
        })
    }

    /// Sends the next datagram. Returns whether the socket took it.
    fn send(&mut self, rng: &mut Rng, buffer: &mut [u8]) -> io::Result<bool> {
        let datagram = &mut buffer[..rng.usize(self.sizes.clone())];
        if let Some((header, rest)) = datagram.split_first_chunk_mut::<HEADER>() {
            *header = *PING;
            header[NUMBER].copy_from_slice(format!("{:010}", self.next).as_bytes());
            rest.fill(filling(self.next));
        }
        match self.socket.send_to(datagram, self.to) {
            Ok(length) => {
                self.out.insert(self.next, length);
                self.next += 1;
                Ok(true)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::NetworkUnreachable
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether `reply` is the datagram sent, and the first one. Empty ones are indistinguishable.
    fn is_awaited(&mut self, reply: &[u8]) -> bool {
        match reply.split_first_chunk::<HEADER>() {
            Some((header, rest)) => {
                let number = str::from_utf8(&header[NUMBER])
                    .ok()
                    .and_then(|digits| digits.parse().ok())
                    .unwrap_or(u64::MAX);
                self.out.remove(&number) == Some(reply.len())
                    && rest.iter().all(|byte| *byte == filling(number))
            }
            None => reply.is_empty() && *self.sizes.end() == 0,
        }
    }
}

/// The padding of datagram `number`: a byte that differs from one datagram to the next.
fn filling(number: u64) -> u8 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// The results that clients report.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    /// The number of pings that the sockets took.
    pub sent: u64,
    /// The number of pings that were answered, in time or late.
    pub answered: u64,
    /// The number of invalid and duplicate replies.
    pub wrong: u64,
}

impl Pings {
    /// Runs clients one after the other, until it is `over`.
    pub(crate) fn until(over: &AtomicBool, port: u16) -> Self {
        let mut pings = Self::default();
        let port = port.to_string();
        for size in ["32", "1400", "9000"].into_iter().cycle() {
            if over.load(Ordering::Relaxed) {
                break;
            }
            // Longer than any server is stopped.
            let options = ["-q", "-c", "20", "-i", "50ms", "-W", "3s", "--size", size];
            let outcome = run(udping_host().args(["client", "127.0.0.1", &port]).args(options));
            let summary = outcome.lines_with(" sent, ").concat();
            assert!(!summary.is_empty(), "{outcome:?}");
            for part in summary.split(", ") {
                let (count, what) = part.split_once(' ').expect("a count of something");
                let count: u64 = count.parse().expect("a number");
                match what {
                    "sent" => pings.sent += count,
                    "received" | "late" => pings.answered += count,
                    "duplicates" | "foreign" => pings.wrong += count,
                    _ => {}
                }
            }
        }
        pings
    }
}
