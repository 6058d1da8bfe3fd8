//! The server: listens, answers until told to stop, and prints its counts.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use udping_cli::contract;
use udping_cli::server::{Args, Misuse, Spoken};
use udping_core::server::Echo;
use udping_core::server::Reflector;
use udping_core::server::Sessions;
use udping_core::server::log::{Fate, FirstLimited, Listening, Logged, Tally};
use udping_core::server::{Arrival, Config, Keyed, Protocol, Refusal, Server, Verdict};
use udping_core::wire::stamp::ErrorEstimate;
use udping_core::{Instant, UnixTime};
use udping_wasi::console::Console;
use udping_wasi::error::{ErrorCode, NetError};
use udping_wasi::host::{Notice, Notices};
use udping_wasi::program::{self, Failure};
use udping_wasi::udp::{Bound, Channel, IncomingDatagram, OutgoingDatagram};
use udping_wasi::{clock, poll, random, resolve};

/// The maximum number of datagrams per `receive`, which keeps the host's list under 4 MiB for the
/// largest ones.
const BATCH: u64 = 64;

/// The receive buffer size, in bytes: a burst of a thousand datagrams that wait while a batch is
/// answered. Linux's default of 208 KiB holds 166.
const BUFFER: u64 = 2 << 20;

/// The maximum number of consecutive batches from one socket before the others and the stop notice
/// are checked.
const ROUNDS: usize = 64;

/// The program that `wasi:cli/run` runs.
pub async fn main(arguments: &[String]) -> Result<(), Failure> {
    let Some(args) = program::parse::<Args>(arguments)? else { return Ok(()) };
    let config = config(&args)?;
    let name = arguments.first().map_or("udping", String::as_str);
    match args.protocol {
        Spoken::Text => {
            let echo = Echo { uppercase: args.uppercase, pings_only: args.pings_only };
            serve(name, &args, Server::new(config, echo)).await
        }
        Spoken::Stamp => {
            let reflector = Reflector {
                clock: ErrorEstimate::of_clock(args.clock_synced),
                sessions: args.stateful.then(|| Sessions::new(config.salt)),
                twamp_light: args.twamp_light,
            };
            serve(name, &args, Server::new(config, reflector)).await
        }
    }
}

async fn serve<P: Protocol>(name: &str, args: &Args, server: Server<P>) -> Result<(), Failure> {
    let channels = listen(args)?;
    let out = Console::stdout();
    let addresses: Vec<_> = channels.iter().map(Channel::local_address).collect();
    out.line(Listening { addresses: &addresses, does: P::DOES, keyed: server.is_keyed() })?;

    let mut service =
        Service { name, server, log: args.verbose.then_some(out), has_limited: false };
    let notices = Notices::from_host();
    let mut waited_for: Vec<_> = channels.iter().map(Channel::readable).collect();
    waited_for.extend(notices.as_ref().map(Notices::pollable));
    let mut stopped = false;
    while !stopped {
        // Before a datagram arrives, whose answer would wait for it.
        channels.iter().for_each(Channel::prepare);
        for ready in poll::wait(&waited_for).await {
            match channels.get(ready as usize) {
                Some(channel) => service.serve(channel),
                None => {
                    for notice in notices.iter().flat_map(Notices::read) {
                        match notice {
                            Notice::Stop => stopped = true,
                            Notice::Environment => {
                                if let Some(keys) = program::changed_keys() {
                                    service.server.set_keys(keys);
                                }
                            }
                            Notice::Report => Console::stdout().line(service.server.counts())?,
                            Notice::Counts => {
                                let counts = Tally(service.server.counts());
                                // Nobody to tell them to is no reason to end.
                                let _ = Console::stderr()
                                    .line(format_args!("{}{counts}", contract::COUNTS));
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(Console::stdout().line(service.server.counts())?)
}

fn config(args: &Args) -> Result<Config, Failure> {
    let (random, keys) = (random::seed(), program::keys()?);
    args.check(keys.is_some()).map_err(misuse)?;
    Ok(Config {
        drop_rate: args.drop_rate,
        seed: args.seed.unwrap_or(random),
        echo_all: args.echo_all,
        keyed: keys.map(|keys| Keyed { keys, replay_window: args.replay_window }),
        salt: random,
    })
}

/// Opens one socket for each requested address family that the machine has: a WASI socket is never
/// dual-stack.
fn listen(args: &Args) -> Result<Vec<Channel>, Failure> {
    let port = args.port().map_err(misuse)?;
    let open = |local: SocketAddr| {
        Bound::new(local)
            .and_then(|socket| {
                socket.set_receive_buffer(BUFFER)?;
                socket.open(None)
            })
            .map_err(|error| Failure::Net(format!("cannot listen on {local}"), error))
    };
    if let Some(address) = &args.bind {
        let local = resolve::with_port(address, port)
            .map_err(|error| Failure::Message(format!("--bind: {error}")))?;
        return Ok(vec![open(local)?]);
    }
    let v6 = match open((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(Failure::Net(_, NetError(ErrorCode::NotSupported | ErrorCode::AddressNotBindable))) => {
            None
        }
        other => Some(other?),
    };
    let v4 = open((Ipv4Addr::UNSPECIFIED, port).into())?;
    Ok(v6.into_iter().chain([v4]).collect())
}

/// The server, its name, and its log.
struct Service<'a, P> {
    name: &'a str,
    server: Server<P>,
    log: Option<Console>,
    /// Whether it has printed that it does not answer everything.
    has_limited: bool,
}

impl<P: Protocol> Service<'_, P> {
    /// Answers the datagrams waiting on `channel`. No error ends the service: each concerns one
    /// datagram.
    fn serve(&mut self, channel: &Channel) {
        for _ in 0..ROUNDS {
            let clocks = || (clock::now(), clock::unix_now());
            // After `receive`, udping-host's clocks return when the datagrams arrived, and those of
            // different arrivals are received one by one.
            let before = (!P::TELLS_ARRIVAL).then(clocks);
            let received = if P::TELLS_ARRIVAL {
                channel.receive_arrival(BATCH)
            } else {
                channel.receive(BATCH)
            };
            match received {
                Ok(batch) => {
                    let more_may_follow = batch.len() > 1;
                    self.answer(channel, batch, before.unwrap_or_else(clocks));
                    if !more_may_follow {
                        return;
                    }
                }
                Err(error) => self.log(format_args!("cannot receive: {error}")),
            }
        }
    }

    fn answer(
        &mut self,
        channel: &Channel,
        batch: Vec<IncomingDatagram>,
        (now, wall): (Instant, UnixTime),
    ) {
        let mut answers = Vec::with_capacity(batch.len());
        for IncomingDatagram { mut data, remote_address } in batch {
            let from = remote_address.into();
            self.log_datagram(Fate::Received, from, &data);
            match self.server.receive(Arrival { from, now, wall }, &mut data) {
                Verdict::Answer => {
                    answers.push(OutgoingDatagram { data, remote_address: Some(remote_address) });
                }
                Verdict::Drop => self.log_datagram(Fate::Dropped, from, &data),
                Verdict::Refuse(refusal) => {
                    self.log_datagram(Fate::Refused(refusal), from, &data);
                    self.say_once(from, refusal);
                }
            }
        }
        let departing = |answers: &mut [OutgoingDatagram]| {
            self.server.depart(
                clock::unix_now,
                answers.iter_mut().map(|answer| answer.data.as_mut_slice()),
            );
        };
        let mut sent = 0;
        channel.send_all(&mut answers, departing, |answer, result| {
            let Some(peer) = answer.remote_address.map(SocketAddr::from) else { return };
            match result {
                Ok(()) => {
                    sent += 1;
                    self.log_datagram(Fate::Sent, peer, &answer.data);
                }
                Err(error) => self.log(format_args!("cannot send to {peer}: {error}")),
            }
        });
        self.server.answered(sent);
        self.server.failed(answers.len() - sent);
    }

    /// When the first datagram is refused by a limit, prints that there are limits, and how to lift
    /// them.
    fn say_once(&mut self, from: SocketAddr, refusal: Refusal) {
        if !self.has_limited
            && !self.server.is_keyed()
            && let Some(limited) = FirstLimited::of(from, refusal)
        {
            self.has_limited = true;
            // If standard error is closed, the last line still counts them.
            let _ = Console::stderr().line(format_args!("{}: {limited}", self.name));
        }
    }

    fn log_datagram(&self, fate: Fate, peer: SocketAddr, datagram: &[u8]) {
        if self.log.is_some() {
            self.log(Logged { fate, peer, bytes: datagram.len(), seq: self.server.seq(datagram) });
        }
    }

    /// If nobody reads the log any more, the service continues without it.
    fn log(&self, line: impl std::fmt::Display) {
        if let Some(out) = &self.log {
            let _ = out.line(line);
        }
    }
}

fn misuse(misuse: Misuse) -> Failure {
    Failure::Message(misuse.to_string())
}
