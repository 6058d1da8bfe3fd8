//! The sockets of a run: one for each source port and address family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use udping_cli::client::Args;
use udping_core::client::{Arrival, Pinger, Transmit};
use udping_net::clock;
use udping_net::error::NetError;
use udping_net::host;
use udping_net::poll::Pollable;
use udping_net::program::Failure;
use udping_net::resolve;
use udping_net::udp::{Bound, Channel};

/// Datagrams taken in one call: what keeps the list that the host hands over under 4 MiB for the
/// largest ones.
const BATCH: u64 = 64;

/// What may wait in the kernel while others are looked at: a thousand datagrams.
const BUFFER: u64 = 2 << 20;

/// The variable that says through which interface the host sends, where it was told one.
const BIND_DEVICE: &str = "UDPING_BIND_DEVICE";

/// Sockets by source port and family.
#[derive(Debug)]
pub struct Sockets {
    channels: Vec<Socket>,
}

#[derive(Debug)]
struct Socket {
    channel: Channel,
    source_port: usize,
    is_ipv4: bool,
}

impl Sockets {
    /// Opens what is needed to reach `peers`. No socket is connected, for one peer or for many: a
    /// connected one keeps the local address that it was given then, and is of no use when that
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
        Ok(Self { channels })
    }

    /// Ready when the socket at the same index has something.
    pub fn readable(&self) -> impl Iterator<Item = &Pollable> {
        self.channels.iter().map(|socket| socket.channel.readable())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.channels.len()
    }

    /// Asks ahead for what the next sends need.
    pub fn prepare(&self) {
        self.channels.iter().for_each(|socket| socket.channel.prepare());
    }

    /// The port that pings to `peer` have as their source, by their number.
    pub fn local_port(&self, source_port: usize, peer: SocketAddr) -> u16 {
        self.of(source_port, peer).map_or(0, |channel| channel.local_address().port())
    }

    /// Sends a ping.
    pub fn send(&self, departure: &Transmit<'_>) -> Result<(), NetError> {
        let Transmit { source_port, to, datagram, .. } = departure;
        match self.of(*source_port, *to) {
            Some(channel) => channel.send_to(*to, datagram),
            None => Ok(()),
        }
    }

    /// Takes what has arrived at the socket at `index`. The clocks are read first: a datagram was
    /// there when `poll` returned.
    pub fn receive(&self, index: usize, pinger: &mut Pinger) {
        let Socket { channel, source_port, .. } = &self.channels[index];
        loop {
            let (now, wall) = (clock::now(), clock::unix_now());
            match channel.receive(BATCH) {
                Ok(datagrams) => {
                    for datagram in &datagrams {
                        let from = datagram.remote_address.into();
                        pinger.handle_input(
                            Arrival { now, wall, source_port: *source_port, from },
                            &datagram.data,
                        );
                    }
                    // More may follow a full hand; after one, or none, `poll` is asked.
                    if datagrams.len() < 2 {
                        return;
                    }
                }
                // Not the end of the run: the next ping may be answered.
                Err(error) => return pinger.network_error(now, None, error.to_string()),
            }
        }
    }

    /// The number of the source port that is `local`.
    pub fn source_port(&self, local: u16) -> Option<usize> {
        let is_it = |socket: &&Socket| socket.channel.local_address().port() == local;
        self.channels.iter().find(is_it).map(|socket| socket.source_port)
    }

    fn of(&self, source_port: usize, peer: SocketAddr) -> Option<&Channel> {
        let fits = |socket: &&Socket| {
            socket.source_port == source_port && socket.is_ipv4 == peer.is_ipv4()
        };
        self.channels.iter().find(fits).map(|socket| &socket.channel)
    }
}

/// The address of `-I`, where it is one. An interface is the host's to choose: WASI has none.
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
    // The last of them is a port, as was seen before.
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
    // Less than is asked for is enough for fewer.
    let _ = socket.set_receive_buffer(BUFFER);
    socket.open(None).map_err(|error| Failure::Net(format!("cannot use {local}"), error))
}
