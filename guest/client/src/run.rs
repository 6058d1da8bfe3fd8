//! One run of the client.

use std::time::Duration;

use udping_cli::client::{Args, Format, Schedule, SortBy, Spoken};
use udping_cli::contract;
use udping_core::client::Pace;
use udping_core::client::Summary;
use udping_core::client::{Codec, Protocol};
use udping_core::client::{Config, FlowId, Pinger};
use udping_core::stats::Measured;
use udping_core::wire::Keys;
use udping_core::wire::stamp::ErrorEstimate;
use udping_core::{Instant, Seq, UnixTime};
use udping_report::csv::Csv;
use udping_report::json::Json;
use udping_report::jsonl::JsonLines;
use udping_report::openmetrics::OpenMetrics;
use udping_report::text::Text;
use udping_report::{Clocks, Exporter, FlowName, Run, Settings, Sort, Target};
use udping_wasi::console::{Console, WriteError};
use udping_wasi::error::NetError;
use udping_wasi::host::{self, Notice, Notices};
use udping_wasi::program::{self, Failure};
use udping_wasi::{clock, poll, random};

use crate::output::Output;
use crate::readdressing::Readdressing;
use crate::sockets::{Departing, Sockets};
use crate::targets::{self, Resolved};
use crate::terminal;
use crate::timers::Timers;

/// The maximum number of pings awaited at a time: their state takes some 25 MiB.
const MOST_AWAITED: u128 = 1 << 18;

/// With `--precise`, how long before a send it starts to spin: the delay of a timer on an otherwise
/// busy machine.
const SPIN: Duration = Duration::from_micros(200);

/// The maximum number of pings per call.
const TOGETHER: usize = 64;

/// Pings to different targets that are closer than this leave together: fewer wake-ups, and one
/// call for many.
const GRID: Duration = Duration::from_millis(1);

/// The program that `wasi:cli/run` runs.
pub async fn main(arguments: &[String]) -> Result<(), Failure> {
    let Some(args) = program::parse::<Args>(arguments)? else { return Ok(()) };
    let keys = program::keys()?;
    let named = targets::named(&args)?;
    let name = arguments.first().map_or("udping", String::as_str);
    // If standard error is closed, the report still has it.
    let tell = |what: &str| drop(Console::stderr().line(format_args!("{name}: {what}")));
    let Resolved { targets, has_failed } = targets::resolve(named, &args, tell).await?;
    let config = config(&args, codec(&args, keys)?, &targets)?;
    let sockets = Sockets::open(&args, &config.targets)?;

    let (start, started) = (clock::now(), clock::unix_now());
    let mut pinger = Pinger::new(config, start);
    let readdressing =
        args.resolve_every.and_then(|every| Readdressing::new(every, start, &targets));
    let run = run(&args, targets, &pinger, &sockets, start, started);
    let is_live = args.live && args.format == Format::Text && Console::stdout_is_terminal();
    let run =
        Run { settings: Settings { quiet: run.settings.quiet || is_live, ..run.settings }, ..run };
    if args.report_every.is_some() && matches!(args.format, Format::Json | Format::Csv) {
        let message = "--report-every is for --format text, jsonl and openmetrics";
        return Err(Failure::Message(message.to_owned()));
    }
    let mut output = Output::new(run, exporter(args.format), is_live, args.report_every);
    output.start()?;
    let mut network = Network { sockets: &sockets, errors: 0, readdressing };
    ping(&mut pinger, &mut network, &args, &mut output).await?;
    let results = output.finish(&mut pinger)?;
    let answered = |target: usize| {
        let of_target =
            output.run.flows.iter().zip(&results.flows).filter(|(flow, _)| flow.target == target);
        of_target.map(|(_, summary)| summary).any(Summary::answered)
    };
    let mut pinged =
        (0..output.run.targets.len()).filter(|target| output.run.targets[*target].address.is_ok());
    let all_answered = !has_failed && pinged.all(answered);
    if output.check(&results, &args.fail_if) {
        Err(Failure::Exceeded)
    } else if all_answered {
        Ok(())
    } else {
        Err(Failure::Ran)
    }
}

fn codec(args: &Args, keys: Option<Keys>) -> Result<Codec, Failure> {
    let protocol = match args.protocol {
        Spoken::Stamp => {
            Protocol::Stamp { ssid: args.ssid, error: ErrorEstimate::of_clock(args.clock_synced) }
        }
        Spoken::Text if args.stateful || args.clock_synced || args.ssid != 0 => {
            let message = "--stateful, --clock-synced and --ssid are for --protocol stamp";
            return Err(Failure::Message(message.to_owned()));
        }
        Spoken::Text => Protocol::Text,
    };
    Ok(Codec { protocol, size: args.size, keys })
}

fn config(args: &Args, codec: Codec, targets: &[Target]) -> Result<Config, Failure> {
    let addresses: Vec<_> =
        targets.iter().filter_map(|target| target.address.as_ref().ok().copied()).collect();
    let pace = match (args.flood, args.adaptive, args.schedule) {
        (true, ..) => Pace::Flood,
        (_, true, _) => Pace::Adaptive,
        (.., Schedule::Poisson) => Pace::Poisson { seed: args.seed.unwrap_or_else(random::seed) },
        (.., Schedule::Fixed) => Pace::Fixed,
    };
    let a_timeout = args.timeout.as_nanos() / args.interval.as_nanos().max(1) + 1;
    let awaited = a_timeout * addresses.len() as u128 * u128::from(args.burst.get());
    let in_all =
        args.count().map_or(u128::MAX, |count| u128::from(count.get()) * addresses.len() as u128);
    if awaited.min(in_all) > MOST_AWAITED {
        return Err(Failure::Message(format!(
            "up to {} pings would be awaited at a time, and {MOST_AWAITED} can be: shorten --timeout, or lengthen --interval",
            awaited.min(in_all)
        )));
    }
    Ok(Config {
        targets: addresses,
        source_ports: args.source_ports.into(),
        first: codec.protocol.first(),
        codec,
        measured: Measured {
            one_way: args.protocol == Spoken::Stamp,
            synced: args.clock_synced.then(|| ErrorEstimate::of_clock(true)),
            stateful: args.stateful,
        },
        count: args.count(),
        interval: args.interval,
        pace,
        grid: if args.precise { Duration::ZERO } else { GRID },
        burst: args.burst,
        timeout: args.timeout,
        deadline: args.deadline(),
    })
}

fn run(
    args: &Args,
    targets: Vec<Target>,
    pinger: &Pinger,
    sockets: &Sockets,
    start: Instant,
    started: UnixTime,
) -> Run {
    let config = pinger.config().clone();
    let pinged: Vec<_> =
        (0..targets.len()).filter(|index| targets[*index].address.is_ok()).collect();
    let name = |flow: usize| {
        let (target, port) = pinger.target_and_port(FlowId(flow));
        let address = config.targets[target];
        FlowName { target: pinged[target], address, source_port: sockets.local_port(port, address) }
    };
    let flows = (0..config.targets.len() * config.source_ports.get()).map(name).collect();
    let settings = Settings {
        precise: args.precise,
        records: args.records,
        timestamps: args.timestamps,
        quiet: args.quiet || args.flood,
        sort: match args.sort {
            SortBy::Given => Sort::Given,
            SortBy::Loss => Sort::Loss,
            SortBy::P99 => Sort::P99,
        },
        fixed_source_port: args.source_port.is_some(),
        style: terminal::style(),
    };
    let datagram = first_datagram_length(&config);
    Run {
        targets,
        flows,
        settings,
        datagram,
        start,
        clocks: Clocks { monotonic: start, wall: started },
        config,
    }
}

fn exporter(format: Format) -> Box<dyn Exporter> {
    match format {
        Format::Text => Box::<Text>::default(),
        Format::Json => Box::<Json>::default(),
        Format::Jsonl => Box::new(JsonLines),
        Format::Csv => Box::<Csv>::default(),
        Format::Openmetrics => Box::new(OpenMetrics),
    }
}

/// The poll loop: lets `pinger` send and receive until its run is over, and has `output` print its
/// events.
async fn ping(
    pinger: &mut Pinger,
    network: &mut Network<'_>,
    args: &Args,
    output: &mut Output,
) -> Result<(), WriteError> {
    let (notices, sockets, mut timers) = (Notices::from_host(), network.sockets, Timers::default());
    loop {
        pinger.handle_timeout(clock::now());
        if let Some(readdressing) = &mut network.readdressing {
            readdressing.advance(clock::now(), pinger);
        }
        if pinger.is_over() {
            network.tell_errors(pinger);
        }
        output.report(pinger)?;
        if args.until_reply && output.all_answered() {
            pinger.stop();
        }
        if pinger.is_over() {
            return Ok(());
        }
        // From here on, a ping may be on its way, and on a single core its reply waits for all that
        // is done before the poll: what can be done earlier or later is.
        timers.keep([pinger.next_send(), pinger.send_after_next(), pinger.poll_timeout()]);
        if let Some(after) = pinger.send_after_next() {
            timers.make(after);
        }
        sockets.prepare();
        if !send_due(pinger, sockets) || pinger.is_over() {
            continue;
        }
        let resolves = network.readdressing.as_ref().and_then(Readdressing::poll_timeout);
        let mut wake =
            [pinger.poll_timeout(), output.poll_timeout(), resolves].into_iter().flatten().min();
        if let (true, Some(send)) = (args.precise, pinger.next_send()) {
            let early = send.before(SPIN);
            if early <= clock::now() {
                spin_until(send, pinger, sockets).await;
                continue;
            }
            wake = wake.min(Some(early));
        }
        if let Some(wake) = wake {
            timers.make(wake);
        }
        let (timer, writable) = (wake.and_then(|wake| timers.get(wake)), output.writable());
        let mut waited_for: Vec<_> = sockets.readable().collect();
        waited_for.extend(notices.as_ref().map(Notices::pollable));
        waited_for.extend(timer.into_iter().chain(writable.as_ref()));
        waited_for.extend(network.readdressing.as_ref().and_then(Readdressing::pollable));
        let ready: Vec<_> =
            poll::wait(&waited_for).await.into_iter().map(|index| index as usize).collect();
        // In order: the sockets come first.
        let (readable, others) = ready.split_at(ready.partition_point(|i| *i < sockets.count()));
        sockets.receive_all(readable, pinger).await;
        for ready in others.iter().copied() {
            if let Some(notices) = notices.as_ref().filter(|_| ready == sockets.count()) {
                for notice in notices.read() {
                    match notice {
                        Notice::Stop => pinger.stop(),
                        Notice::Environment => {
                            network.tell_errors(pinger);
                            if let Some(keys) = program::changed_keys() {
                                pinger.set_keys(keys);
                            }
                        }
                        // Its results say more.
                        Notice::Counts => drop(Console::stderr().line(contract::COUNTS)),
                        Notice::Report => {
                            pinger.handle_timeout(clock::now());
                            output.interim(pinger)?;
                        }
                    }
                }
            }
        }
    }
}

/// Receives datagrams until `send`, without sleeping.
async fn spin_until(send: Instant, pinger: &mut Pinger, sockets: &Sockets) {
    sockets.prepare();
    let readable: Vec<_> = sockets.readable().collect();
    while clock::now() < send {
        for index in poll::ready(&readable).await {
            sockets.receive(index as usize, pinger);
        }
    }
}

/// Sends the pings that are due: those to different targets by one call, others one by one, since the
/// RTT of each counts from its own call. Returns whether the socket accepted them.
fn send_due(pinger: &mut Pinger, sockets: &Sockets) -> bool {
    let mut accepted = true;
    let mut now = clock::now();
    let many = pinger.config().is_on_grid() && pinger.config().burst.get() == 1;
    while pinger.is_due(now) {
        let (mut departing, wall) = (Vec::new(), clock::unix_now());
        now = clock::now();
        while let Some(departure) = pinger.poll_transmit(now, wall) {
            departing.push(Departing::of(&departure));
            if !many || departing.len() == TOGETHER || !pinger.is_due(now) {
                break;
            }
        }
        if departing.is_empty() {
            break;
        }
        sockets.send(&departing, |Departing { flow, seq, .. }, call, result| {
            now = call.left;
            match result {
                Ok(()) => pinger.departed(*flow, *seq, call),
                Err(error) => {
                    accepted = false;
                    not_sent(pinger, *flow, *seq, call.began, error);
                }
            }
        });
    }
    accepted
}

/// Records that a ping was not sent.
fn not_sent(pinger: &mut Pinger, flow: FlowId, seq: Seq, before: Instant, error: NetError) {
    if !error.is_refusal() {
        return pinger.not_sent(flow, seq, before, error.to_string());
    }
    let by_system =
        host::refused_by_system().map(|cause| format!("{error} by the system: {cause}"));
    let is_final =
        by_system.is_none() && host::is_udping_host() && pinger.config().targets.len() == 1;
    pinger.not_sent(flow, seq, before, by_system.unwrap_or_else(|| error.to_string()));
    // What is not granted now will not be granted later, and the host has said how to grant it.
    if is_final {
        pinger.stop();
    }
}

/// The sockets of a run, and the state of what the host reports about them.
struct Network<'a> {
    sockets: &'a Sockets,
    /// The number of the last reported ICMP error.
    errors: u64,
    readdressing: Option<Readdressing>,
}

impl Network<'_> {
    /// Reports the errors that were returned since the last call, each with the flow it belongs to.
    fn tell_errors(&mut self, pinger: &mut Pinger) {
        for error in host::errors_after(self.errors) {
            self.errors = error.number;
            let flow = self
                .sockets
                .source_port(error.local_port)
                .and_then(|port| pinger.flow(port, error.peer));
            pinger.network_error(clock::now(), flow, error.reason.to_owned());
        }
    }
}

/// Returns the length of the first datagram. The length of a text does not depend on the time while
/// that has 10-digit seconds: until 2286.
fn first_datagram_length(config: &Config) -> usize {
    let mut datagram = Vec::new();
    config.codec.encode(
        config.first,
        UnixTime { seconds: 1_000_000_000, nanoseconds: 0 },
        &mut datagram,
    );
    datagram.len()
}
