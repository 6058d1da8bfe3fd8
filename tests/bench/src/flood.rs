//! The pings of one source that are answered while others flood the server, in percent.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType, SockaddrIn, sendmmsg,
    socket,
};

use crate::load;
use crate::measures::{Effort, alternate};
use crate::peers::Peer;
use crate::report::{Measure, Row};

/// The rate of the flood in datagrams per second.
const RATE: f64 = 200_000.0;

/// The size of a flood's datagram in bytes.
const SIZE: usize = 64;

/// Datagrams per system call. They are not coalesced, since datagrams from a network card seldom
/// are.
const BATCH: usize = 64;

/// How long before the first ping the flood starts, so that queues are full.
const BEFORE: Duration = Duration::from_millis(300);

/// The interval of pings, and their timeout. At one per second the same precision would take ten
/// times as long.
const INTERVAL: Duration = Duration::from_millis(100);

/// The sources of a flood.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sources {
    /// That number of sockets, each with its own address, in turn.
    Sockets(usize),
    /// A new forged address and port for each datagram, which a limit per source cannot stop.
    Random,
}

/// Measures the share of pings that each of `peers` answers beside a flood from `sources`, and the
/// rate of that flood.
pub(crate) fn beside(
    names: [&'static str; 2],
    sources: Sources,
    peers: &[Peer],
    effort: Effort,
) -> Result<[Measure; 2]> {
    let mut floods: Vec<Row> =
        peers.iter().map(|peer| Row::new(peer.name(), peer.missing())).collect();
    let pings = (effort.pings / 10).max(1);
    let answered =
        alternate(names[0], "% of pings, one every 100 ms", peers, effort.rounds, |peer, row| {
            let server = peer.start()?;
            let over = AtomicBool::new(false);
            let (answered, rate) = thread::scope(|scope| -> Result<(usize, f64)> {
                let flood = scope.spawn(|| flood(server.address, sources, &over));
                thread::sleep(BEFORE);
                let answered = ping(server.address, pings);
                over.store(true, Ordering::Relaxed);
                Ok((answered?, flood.join().map_err(|_| anyhow!("the flood panicked"))??))
            })?;
            row.values.push(100.0 * answered as f64 / pings as f64);
            floods
                .iter_mut()
                .filter(|flood| flood.peer == row.peer)
                .for_each(|flood| flood.values.push(rate));
            Ok(())
        })?;
    Ok([answered, Measure { name: names[1], unit: "datagrams/s sent", rows: floods }])
}

/// Sends distinct datagrams from `sources` until it is `over`, whatever comes back, and returns the
/// rate per second.
fn flood(server: SocketAddr, sources: Sources, over: &AtomicBool) -> Result<f64> {
    let mut sender = Sender::new(server, sources)?;
    let mut datagrams = vec![0; BATCH * SIZE];
    let (start, mut sent) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let due = start.elapsed().as_secs_f64() * RATE;
        if (sent as f64) < due {
            for (number, datagram) in (sent..).zip(datagrams.chunks_mut(SIZE)) {
                load::write(datagram, number);
            }
            sent += sender.send(&datagrams)? as u64;
        } else {
            thread::sleep(Duration::from_micros(200));
        }
    }
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}

/// The sender of a flood.
enum Sender {
    Sockets { sockets: Vec<UdpSocket>, next: usize },
    Raw { socket: OwnedFd, server: SocketAddrV4, rng: fastrand::Rng },
}

impl Sender {
    fn new(server: SocketAddr, sources: Sources) -> Result<Self> {
        match (sources, server) {
            (Sources::Sockets(count), _) => {
                // Each has its own address, and none that of the pings: limits apply to addresses.
                let open = |i: usize| {
                    let address =
                        Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 1, 1).to_bits() + i as u32);
                    let socket = UdpSocket::bind((address, 0))?;
                    socket.connect(server)?;
                    Ok(socket)
                };
                Ok(Self::Sockets {
                    sockets: (0..count).map(open).collect::<io::Result<_>>()?,
                    next: 0,
                })
            }
            (Sources::Random, SocketAddr::V4(server)) => {
                // The IP header is written here: IPPROTO_RAW implies IP_HDRINCL (raw(7)).
                let socket = socket(
                    AddressFamily::Inet,
                    SockType::Raw,
                    SockFlag::empty(),
                    SockProtocol::Raw,
                )?;
                Ok(Self::Raw { socket, server, rng: fastrand::Rng::with_seed(1) })
            }
            (Sources::Random, SocketAddr::V6(_)) => bail!("sources are forged in IPv4 alone"),
        }
    }

    /// Sends `datagrams`, and returns how many the socket took.
    fn send(&mut self, datagrams: &[u8]) -> io::Result<usize> {
        match self {
            Self::Sockets { sockets, next } => {
                // From all sockets, in equal shares.
                let share = BATCH.div_ceil(sockets.len()) * SIZE;
                let mut sent = 0;
                for datagrams in datagrams.chunks(share) {
                    *next = (*next + 1) % sockets.len();
                    match load::send_batch(&sockets[*next], datagrams, SIZE) {
                        Ok(count) => sent += count,
                        // Continues even if an earlier one met a closed port, which connected
                        // sockets report.
                        Err(error)
                            if matches!(
                                error.kind(),
                                ErrorKind::WouldBlock | ErrorKind::ConnectionRefused
                            ) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(sent)
            }
            Self::Raw { socket, server, rng } => {
                let packets: Vec<_> =
                    datagrams.chunks(SIZE).map(|data| packet(forged(rng), *server, data)).collect();
                let slices: Vec<_> = packets.iter().map(|packet| [IoSlice::new(packet)]).collect();
                let to = vec![Some(SockaddrIn::from(*server)); slices.len()];
                let mut headers = MultiHeaders::preallocate(slices.len(), None);
                match sendmmsg(
                    socket.as_raw_fd(),
                    &mut headers,
                    &slices,
                    to,
                    [],
                    MsgFlags::MSG_DONTWAIT,
                ) {
                    Ok(sent) => Ok(sent.count()),
                    Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(0),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

/// A random address of loopback's network, and a port without a listener.
fn forged(rng: &mut fastrand::Rng) -> SocketAddrV4 {
    let [_, b, c, d] = rng.u32(..).to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(127, b.max(1), c, d), rng.u16(1..1024))
}

/// Builds an IPv4 packet with one UDP datagram (RFC 791, RFC 768). The kernel fills in lengths,
/// identification and the header's checksum; UDP's is 0, which means none.
fn packet(from: SocketAddrV4, to: SocketAddrV4, data: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(28 + data.len());
    packet.extend([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend((8 + data.len() as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(data);
    packet
}

/// Returns how many of `count` pings are answered before the next is due.
fn ping(server: SocketAddr, count: usize) -> io::Result<usize> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    let (mut due, mut answered) = (Instant::now(), 0);
    for number in 0..count as u64 {
        let ping = format!("Ping {number} 1700000000");
        socket.send(ping.as_bytes())?;
        due += INTERVAL;
        let mut awaited = true;
        while let Some(left) =
            due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            let mut reply = [0; 64];
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut reply) {
                Ok(length) if awaited && reply[..length] == *ping.as_bytes() => {
                    answered += 1;
                    awaited = false;
                }
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(answered)
}
