//! One run of the client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use udping_core::pinger::{Config, FIRST, Pinger};
use udping_core::report::{Closing, Header, Line, Target};
use udping_core::time::UnixTime;
use udping_core::wire::Ping;
use udping_net::bindings::wasi::sockets::network::ErrorCode;
use udping_net::console::{Closed, Console};
use udping_net::error::NetError;
use udping_net::host::{self, StopSignal};
use udping_net::program::{self, Failure};
use udping_net::udp::{Bound, Channel};
use udping_net::{clock, poll, resolve};

use crate::args::Args;

/// Datagrams taken in one call: what keeps the list that the host hands over under 4 MiB for the largest ones.
const BATCH: u64 = 64;

/// Where `poll` is told of the socket, and of the stop signal.
const READABLE: u32 = 0;
const STOP: u32 = 1;

/// The program: what `wasi:cli/run` runs.
pub fn main(arguments: &[String]) -> Result<(), Failure> {
    let Some(args) = program::parse::<Args>(arguments)? else { return Ok(()) };
    let key = program::key()?;
    let target = Target { address: choose_address(&args)?, host: args.host.clone() };
    let channel = connect(&args, target.address)?;
    let config = Config {
        peer: target.address,
        count: args.count,
        interval: args.interval,
        timeout: args.timeout,
        size: args.size,
        key,
    };
    let out = Console::stdout();
    out.line(Header { target: &target, size: first_datagram_length(&config) })?;

    let mut pinger = Pinger::new(config, clock::now());
    ping(&mut pinger, &channel, |pinger| {
        while let Some(event) = pinger.poll_event() {
            if !args.quiet {
                out.line(Line { event: &event, peer: target.address, timeout: args.timeout })?;
            }
        }
        Ok(())
    })?;

    let summary = pinger.summary();
    out.line(Closing { target: &target, summary: &summary })?;
    if summary.answered() { Ok(()) } else { Err(Failure::Ran) }
}

/// The poll loop: lets `pinger` send and receive until its run is over, and has `report` take its events.
fn ping(
    pinger: &mut Pinger,
    channel: &Channel,
    mut report: impl FnMut(&mut Pinger) -> Result<(), Closed>,
) -> Result<(), Closed> {
    let stop = StopSignal::from_host();
    loop {
        pinger.handle_timeout(clock::now());
        send_due(pinger, channel);
        report(pinger)?;
        if pinger.is_over() {
            return Ok(());
        }
        let timer = pinger.next_wake().map(clock::timer);
        let mut waited_for = vec![channel.readable()];
        waited_for.extend(stop.as_ref().map(StopSignal::pollable));
        waited_for.extend(timer.as_ref());
        channel.prepare();
        let ready = poll::poll(&waited_for);
        if ready.contains(&READABLE) {
            receive(pinger, channel);
        }
        if ready.contains(&STOP) && stop.as_ref().is_some_and(StopSignal::is_raised) {
            pinger.stop();
        }
    }
}

fn send_due(pinger: &mut Pinger, channel: &Channel) {
    let wall = clock::unix_now();
    while let Some((seq, datagram)) = pinger.poll_send(clock::now(), wall) {
        let departure = clock::now();
        match channel.send_to_peer(datagram) {
            Ok(()) => pinger.departed(seq, departure),
            Err(error) => pinger.not_sent(seq, error.to_string()),
        }
    }
}

/// Takes what has arrived. The clock is read first: a datagram was there when `poll` returned.
fn receive(pinger: &mut Pinger, channel: &Channel) {
    loop {
        let now = clock::now();
        match channel.receive(BATCH) {
            Ok(datagrams) => {
                for datagram in &datagrams {
                    pinger.handle_datagram(now, datagram.remote_address.into(), &datagram.data);
                }
                // More may follow a full hand; after one, or none, `poll` is asked.
                if datagrams.len() < 2 {
                    return;
                }
            }
            // Not the end of the run: the next ping may be answered.
            Err(error) => return pinger.network_error(error.to_string()),
        }
    }
}

fn choose_address(args: &Args) -> Result<SocketAddr, Failure> {
    let port = args.port.get();
    let fits = |ip: &IpAddr| !(args.ipv4 && ip.is_ipv6() || args.ipv6 && ip.is_ipv4());
    match resolve::literal(&args.host, port) {
        Some(address) if fits(&address.ip()) => Ok(address),
        Some(_) => Err(Failure::Message(format!("{} is not an address of the family asked for with -4 or -6", args.host))),
        None => match resolve::lookup(&args.host, fits) {
            Ok(ip) => Ok(SocketAddr::new(ip, port)),
            Err(error) => {
                // That is what wasmtime answers where it does not allow lookups.
                let hint = if error == NetError(ErrorCode::PermanentResolverFailure) && !host::is_udping_host() {
                    " (wasmtime allows lookups with -S allow-ip-name-lookup)"
                } else {
                    ""
                };
                Err(Failure::Net(format!("cannot resolve {}{hint}", args.host), error))
            }
        },
    }
}

fn connect(args: &Args, peer: SocketAddr) -> Result<Channel, Failure> {
    let any = if peer.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
    let local = SocketAddr::new(any, args.source_port.map_or(0, Into::into));
    let socket = Bound::new(local).map_err(|error| Failure::Net(format!("cannot bind to {local}"), error))?;
    if let Some(ttl) = args.ttl {
        socket.set_hop_limit(ttl.get()).map_err(|error| Failure::Net(format!("cannot set the TTL to {ttl}"), error))?;
    }
    socket.open(Some(peer)).map_err(|error| Failure::Net(format!("cannot send to {peer}"), error))
}

/// The text has the same length whatever the time is, for 10-digit seconds: until 2286.
fn first_datagram_length(config: &Config) -> usize {
    let mut datagram = Vec::new();
    config.encode(Ping { seq: FIRST, sent_at: UnixTime { seconds: 1_000_000_000, nanoseconds: 0 } }, &mut datagram);
    datagram.len()
}
