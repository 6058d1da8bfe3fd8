//! The sockets of a run: one for each source port and address family.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use udping_cli::client::Args;
use udping_core::client::{Arrival, FlowId, Pinger, SendCall, Transmit};
use udping_core::{Instant, Seq};
use udping_wasi::clock;
use udping_wasi::error::NetError;
use udping_wasi::host;
use udping_wasi::poll::{self, Pollable};
use udping_wasi::program::Failure;
use udping_wasi::resolve;
use udping_wasi::udp::{Bound, Channel, OutgoingDatagram};

/// The maximum number of datagrams per `receive`, which keeps the host's list under 4 MiB for the
/// largest ones.
const BATCH: u64 = 64;

/// The receive buffer size, in bytes: a thousand datagrams that wait while others are handled.
const BUFFER: u64 = 2 << 20;

/// The variable with the name of the interface that the host sends through, if one was specified.
const BIND_DEVICE: &str = "UDPING_BIND_DEVICE";

/// A ping that is due.
#[derive(Debug)]
pub struct Departing {
    /// The flow of the ping.
    pub flow: FlowId,
    /// The sequence number of the ping.
    pub seq: Seq,
    source_port: usize,
    to: SocketAddr,
    datagram: Vec<u8>,
}

impl Departing {
    /// Copies what the pinger wants sent, so that it can be asked for more.
    pub fn of(transmit: &Transmit<'_>) -> Self {
        let Transmit { flow, seq, source_port, to, datagram } = *transmit;
        Self { flow, seq, source_port, to, datagram: datagram.to_vec() }
    }

    fn outgoing(&self) -> OutgoingDatagram {
        OutgoingDatagram { data: self.datagram.clone(), remote_address: Some(self.to.into()) }
    }
}

/// The sockets, by source port and family.
#[derive(Debug)]
pub struct Sockets {
    channels: Vec<Socket>,
    /// Whether the clocks return when datagrams arrived or left.
    kernel_time: bool,
}

#[derive(Debug)]
struct Socket {
    channel: Channel,
    source_port: usize,
    is_ipv4: bool,
}

impl Sockets {
    /// Opens the sockets needed to reach `peers`. They are not connected, even for a single peer: a
    /// connected socket keeps the local address chosen at that time, and is useless once that
    /// changes.
    pub fn open(args: &Args, peers: &[SocketAddr]) -> Result<Self, Failure> {
        let last = args
            .source_port
            .map(|first| u32::from(first.get()) + u32::from(args.source_ports.get()) - 1);
        if last.is_some_and(|last| last > u16::MAX.into()) {
            let message = "--source-port and --source-ports: there is no port above 65535";
            return Err(Failure::Message(message.to_owned()));
        }
        let source = source_address(args)?;
        if let Some(source) = source
            && let Some(peer) = peers.iter().find(|peer| peer.is_ipv4() != source.is_ipv4())
        {
            let message = format!("-I {}: {peer} has an address of the other family", source.ip());
            return Err(Failure::Message(message));
        }
        let mut channels = Vec::new();
        for source_port in 0..usize::from(args.source_ports.get()) {
            for is_ipv4 in [true, false] {
                if peers.iter().any(|peer| peer.is_ipv4() == is_ipv4) {
                    let channel = open(args, source, source_port, is_ipv4)?;
                    channels.push(Socket { channel, source_port, is_ipv4 });
                }
            }
        }
        // The sockets are open: the host knows.
        Ok(Self { channels, kernel_time: host::has_kernel_time() })
    }

    /// Returns pollables that are ready when the socket at the same index has a datagram.
    pub fn readable(&self) -> impl Iterator<Item = &Pollable> {
        self.channels.iter().map(|socket| socket.channel.readable())
    }

    /// Returns the number of sockets.
    pub fn count(&self) -> usize {
        self.channels.len()
    }

    /// Obtains in advance what the next sends require.
    pub fn prepare(&self) {
        self.channels.iter().for_each(|socket| socket.channel.prepare());
    }

    /// Returns the local port of pings to `peer` from the source port with the given index.
    pub fn local_port(&self, source_port: usize, peer: SocketAddr) -> u16 {
        self.channel(source_port, peer).map_or(0, |channel| channel.local_address().port())
    }

    /// Sends pings, those of one socket by as few calls as possible, and calls `done` with each, its
    /// call, and the result.
    pub fn send(
        &self,
        departing: &[Departing],
        mut done: impl FnMut(&Departing, SendCall, Result<(), NetError>),
    ) {
        if let [only] = departing {
            let began = clock::now();
            let sent =
                self.of(only).map_or(Ok(()), |channel| channel.send_to(only.to, &only.datagram));
            return done(only, self.call(began), sent);
        }
        let way = |ping: &Departing| (ping.source_port, ping.to.is_ipv4());
        for pings in departing.chunk_by(|one, next| way(one) == way(next)) {
            let Some(channel) = self.of(&pings[0]) else { continue };
            let mut datagrams: Vec<_> = pings.iter().map(Departing::outgoing).collect();
            // One call for several, until the next begins.
            let (began, call, mut next) = (Cell::new(clock::now()), Cell::new(None), pings.iter());
            channel.send_all(
                &mut datagrams,
                |_| {
                    began.set(clock::now());
                    call.set(None);
                },
                |_, result| {
                    if let Some(ping) = next.next() {
                        let of_all = call.get().unwrap_or_else(|| self.call(began.get()));
                        call.set(Some(of_all));
                        done(ping, of_all, result);
                    }
                },
            );
        }
    }

    /// The call that has just ended.
    fn call(&self, began: Instant) -> SendCall {
        if !self.kernel_time {
            return SendCall::new(began, clock::now());
        }
        // The first reading of each clock returns when the datagrams were passed to the system. The
        // monotonic clock must not be read again before the reply is received, which may have
        // arrived already: it would not return that time any more.
        let (left, wall) = (clock::now(), clock::unix_now());
        SendCall { began, left, ended: left + clock::unix_now().distance(wall) }
    }

    /// Receives the datagrams at the sockets at `indexes`, which `poll` has returned.
    ///
    /// A host that tells times of arrival hands over what has arrived first at all of them, and leaves
    /// a socket waiting whose datagrams have arrived later. No clock is read before all of them are
    /// empty.
    pub async fn receive_all(&self, indexes: &[usize], pinger: &mut Pinger) {
        let mut indexes = indexes.to_vec();
        while !indexes.is_empty() {
            // No lazy evaluation: each has its turn.
            let received = indexes.iter().filter(|index| self.receive(**index, pinger)).count();
            if received > 0 && indexes.len() > 1 {
                continue;
            }
            if !self.kernel_time || self.count() == 1 {
                return;
            }
            let readable: Vec<_> = self.readable().collect();
            let next = poll::ready_next(&readable).await;
            indexes = next.into_iter().map(|index| index as usize).collect();
        }
    }

    /// Receives the datagrams at the socket at `index`, which is ready. Returns whether there were any.
    pub fn receive(&self, index: usize, pinger: &mut Pinger) -> bool {
        let Socket { channel, source_port, .. } = &self.channels[index];
        let mut has_received = false;
        loop {
            // Without the kernel's times, the clocks are read first: the datagrams had arrived when
            // `poll` returned.
            let before = (!self.kernel_time).then(|| (clock::now(), clock::unix_now()));
            let received = if self.kernel_time {
                channel.receive_arrival(BATCH)
            } else {
                channel.receive(BATCH)
            };
            let datagrams = match received {
                // The clocks are left alone: after a reading now, the monotonic one would not return
                // the earlier arrivals at other sockets any more.
                Ok(none) if none.is_empty() => return has_received,
                Ok(datagrams) => datagrams,
                // This does not end the run: the next ping may be answered.
                Err(error) => {
                    pinger.network_error(clock::now(), None, error.to_string());
                    return has_received;
                }
            };
            has_received = true;
            let (now, wall) = before.unwrap_or_else(|| (clock::now(), clock::unix_now()));
            // The monotonic clock must not be read again before all that has arrived is received, for
            // the same reason.
            let waited = before.is_none().then(|| clock::unix_now().distance(wall));
            for datagram in &datagrams {
                let from = datagram.remote_address.into();
                pinger.handle_input(
                    Arrival { now, wall, waited, source_port: *source_port, from },
                    &datagram.data,
                );
            }
            // A full batch may be followed by more, and a single datagram by those of other arrivals,
            // if the host tells their times.
            if !self.kernel_time && datagrams.len() < 2 {
                return has_received;
            }
        }
    }

    /// Returns the index of the source port with the number `local`.
    pub fn source_port(&self, local: u16) -> Option<usize> {
        let is_it = |socket: &&Socket| socket.channel.local_address().port() == local;
        self.channels.iter().find(is_it).map(|socket| socket.source_port)
    }

    fn of(&self, ping: &Departing) -> Option<&Channel> {
        self.channel(ping.source_port, ping.to)
    }

    fn channel(&self, source_port: usize, peer: SocketAddr) -> Option<&Channel> {
        let fits = |socket: &&Socket| {
            socket.source_port == source_port && socket.is_ipv4 == peer.is_ipv4()
        };
        self.channels.iter().find(fits).map(|socket| &socket.channel)
    }
}

/// Returns the address given with `-I`, if it is one. An interface is selected by the host: WASI
/// cannot.
fn source_address(args: &Args) -> Result<Option<SocketAddr>, Failure> {
    let Some(interface) = &args.interface else { return Ok(None) };
    if let Some(address) = resolve::literal(interface, 0).map_err(Failure::Message)? {
        return Ok(Some(address));
    }
    if host::variable(BIND_DEVICE).as_ref() == Some(interface) {
        return Ok(None);
    }
    let message = format!(
        "-I {interface}: an interface is chosen by the host: udping-host --bind-device {interface}"
    );
    Err(Failure::Message(message))
}

fn open(
    args: &Args,
    source: Option<SocketAddr>,
    source_port: usize,
    is_ipv4: bool,
) -> Result<Channel, Failure> {
    let any = if is_ipv4 {
        IpAddr::from(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::from(Ipv6Addr::UNSPECIFIED)
    };
    let any = source.unwrap_or_else(|| SocketAddr::new(any, 0));
    // The last one is a valid port, as was checked before.
    let source_port = u16::try_from(source_port).unwrap_or(u16::MAX);
    let port = args.source_port.map_or(0, |first| first.get().saturating_add(source_port));
    let mut local = any;
    local.set_port(port);
    let socket = Bound::new(local)
        .map_err(|error| Failure::Net(format!("cannot bind to {local}"), error))?;
    if let Some(ttl) = args.ttl {
        socket
            .set_hop_limit(ttl.get())
            .map_err(|error| Failure::Net(format!("cannot set the TTL to {ttl}"), error))?;
    }
    // A smaller buffer suffices for fewer datagrams.
    let _ = socket.set_receive_buffer(BUFFER);
    socket.open(None).map_err(|error| Failure::Net(format!("cannot use {local}"), error))
}
