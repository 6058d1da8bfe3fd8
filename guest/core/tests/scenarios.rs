//! Runs as data: each file of `scenarios/` describes what was sent, what was received, and the
//! numbers that follow from that, worked out by hand.
//!
//! Times are milliseconds since the first ping was due.

#![expect(clippy::unwrap_used, reason = "a test may well panic")]
#![expect(clippy::float_cmp, reason = "what is worked out by hand is exact")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use udping_core::Seq;
use udping_core::client::Pace;
use udping_core::client::{Arrival, Config, Pinger, Results, SendCall};
use udping_core::client::{Codec, Protocol};
use udping_core::stats::Measured;
use udping_core::stats::OneWaySpreads;
use udping_core::stats::Spread;
use udping_core::wire::stamp::{self, ErrorEstimate, Timestamp};
use udping_core::{Instant, UnixTime};

/// The destination of pings, and the default source of replies.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 12_000);

/// The contents of a scenario file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    count: NonZeroU64,
    interval_ms: u64,
    timeout_ms: u64,
    deadline_ms: Option<u64>,
    /// The number of the first ping, if it is not the protocol's.
    first: Option<u32>,
    /// The peer is a STAMP reflector; without it, a text echo.
    stamp: Option<Reflector>,
    /// The sends that did not go as planned.
    #[serde(default)]
    sends: Vec<Send>,
    /// The received datagrams, in order of arrival.
    #[serde(default)]
    replies: Vec<Reply>,
    /// Counts that are left out are 0; other values that are left out are not checked.
    expected: BTreeMap<String, Expected>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Reflector {
    stateful: bool,
    clock_synced: bool,
    /// How far the reflector's clock is ahead of the sender's.
    ahead_ms: u64,
    /// The reflector's error estimate.
    error_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    ping: u32,
    /// The time before which the sender does not wake up for it.
    at_ms: Option<u64>,
    /// The duration of the call.
    #[serde(default)]
    call_ms: u64,
    /// Whether the socket does not accept it.
    #[serde(default)]
    fails: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    /// The number of the ping that it answers, or pretends to answer if no such ping was sent.
    ping: u32,
    at_ms: u64,
    from: Option<SocketAddr>,
    /// Whether a bit of it is flipped.
    #[serde(default)]
    altered: bool,
    /// The reflector's own number; without it, the reflector is stateless and repeats the ping's.
    counter: Option<u32>,
    /// T2 and T3, without the reflector's clock offset; by default, the backward delay is zero.
    t2_ms: Option<u64>,
    t3_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Number(f64),
    /// `count = 0` if nothing was measured.
    Spread(BTreeMap<String, f64>),
}

fn span(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(ms: u64) -> Instant {
    Instant::from_nanos(0) + span(ms)
}

fn wall(since_start: Duration) -> UnixTime {
    UnixTime {
        seconds: 1_700_000_000 + since_start.as_secs(),
        nanoseconds: since_start.subsec_nanos(),
    }
}

impl Scenario {
    fn config(&self) -> Config {
        let (mut protocol, mut measured) = (Protocol::Text, Measured::default());
        if let Some(reflector) = &self.stamp {
            let error = ErrorEstimate::of_clock(reflector.clock_synced);
            let synced = reflector.clock_synced.then_some(error);
            protocol = Protocol::Stamp { ssid: 0, error };
            measured = Measured { one_way: true, synced, stateful: reflector.stateful };
        }
        Config {
            targets: vec![PEER],
            source_ports: NonZeroUsize::MIN,
            codec: Codec { protocol, size: 44, keys: None },
            first: self.first.map_or(protocol.first(), Seq),
            measured,
            count: Some(self.count),
            interval: span(self.interval_ms),
            pace: Pace::Fixed,
            grid: Duration::ZERO,
            burst: NonZeroU32::MIN,
            timeout: span(self.timeout_ms),
            deadline: self.deadline_ms.map(span),
        }
    }

    /// The client's loop, with the times from the file.
    fn run(&self) -> Result<Results, String> {
        let mut pinger = Pinger::new(self.config(), at(0));
        let (mut next, mut sent) = (pinger.config().first, HashMap::new());
        let mut replies = self.replies.iter().peekable();
        loop {
            let send = self.sends.iter().find(|send| send.ping == next.0);
            let awake = at(send.and_then(|send| send.at_ms).unwrap_or(0));
            let departure = pinger.next_send().map(|due| due.max(awake));
            let arrival = replies.peek().map(|reply| at(reply.at_ms));
            let Some(now) =
                [departure, arrival].into_iter().flatten().min().or_else(|| pinger.poll_timeout())
            else {
                break;
            };
            pinger.handle_timeout(now);
            if pinger.is_over() {
                break;
            }
            let wall = wall(now.since(at(0)));
            if departure == Some(now) {
                let Some(departure) = pinger.poll_transmit(now, wall) else { continue };
                let (flow, seq, datagram) =
                    (departure.flow, departure.seq, departure.datagram.to_vec());
                match send {
                    Some(send) if send.fails => pinger.not_sent(flow, seq, now, String::new()),
                    _ => {
                        let ended = now + span(send.map_or(0, |send| send.call_ms));
                        pinger.departed(flow, seq, SendCall::new(now, ended));
                    }
                }
                sent.insert(seq.0, datagram);
                next = seq.next();
            } else if let Some(reply) = replies.next() {
                let mut datagram = sent.get(&reply.ping).cloned().unwrap_or_default();
                if datagram.is_empty() {
                    pinger.config().codec.encode(Seq(reply.ping), wall, &mut datagram);
                }
                self.answer(reply, &mut datagram);
                let arrival = Arrival {
                    now,
                    wall,
                    waited: None,
                    source_port: 0,
                    from: reply.from.unwrap_or(PEER),
                };
                pinger.handle_input(arrival, &datagram);
            }
        }
        if !self.replies.is_sorted_by_key(|reply| reply.at_ms) {
            return Err("replies are not in the order of their times".to_owned());
        }
        if let Some(reply) = replies.next() {
            return Err(format!("the run was over before {} ms", reply.at_ms));
        }
        if let Some(send) = self.sends.iter().find(|send| !sent.contains_key(&send.ping)) {
            return Err(format!("there is no ping {} to send", send.ping));
        }
        while pinger.finish(at(0)) {}
        Ok(pinger.results())
    }

    /// Turns a ping into the peer's reply.
    fn answer(&self, reply: &Reply, datagram: &mut Vec<u8>) {
        if let Some(reflector) = &self.stamp {
            let request = stamp::Request::decode(datagram, None).unwrap();
            let clock = |ms: Option<u64>| {
                Timestamp::ntp(wall(span(ms.unwrap_or(reply.at_ms) + reflector.ahead_ms)))
            };
            let reply = stamp::Reply {
                seq: Seq(reply.counter.unwrap_or(reply.ping)),
                sent: clock(reply.t3_ms),
                error: ErrorEstimate::ntp(span(reflector.error_ms)),
                ssid: request.ssid,
                received: clock(reply.t2_ms),
                sender_seq: request.seq,
                sender_sent: request.sent,
                sender_error: request.error,
                sender_ttl: 255,
            };
            reply.encode(None, datagram);
        }
        // In a text this is within its time or the padding, in a STAMP reply within its copy of T1.
        datagram[31] ^= u8::from(reply.altered);
    }
}

/// The numbers that every run counts, and those that it may have measured, by their names in
/// scenario files.
fn numbers(Results { total: s, punctuality: p, .. }: Results) -> [BTreeMap<String, f64>; 2] {
    let losses = s.directed_losses.unwrap_or_default();
    let synced = s.one_way.clone().and_then(|spreads| spreads.synced);
    let synced = synced.as_ref();
    let counts = [
        ("sent", s.sent),
        ("received", s.received),
        ("late", s.late),
        ("lost", s.lost),
        ("awaited", s.awaited),
        ("duplicates", s.duplicates),
        ("reordered", s.reordered),
        ("foreign", s.foreign),
        ("send_errors", s.send_errors),
        ("longest_loss_burst", s.longest_loss_burst),
        ("lost_forward", losses.forward),
        ("lost_backward", losses.backward),
        ("lost_unknown", losses.unknown),
        ("below_zero", synced.map_or(0, |synced| synced.below_zero)),
        ("missed_slots", p.missed_slots),
    ];
    let one_way = |of: fn(OneWaySpreads) -> Option<Spread>| s.one_way.clone().and_then(of);
    let spreads = [
        ("rtt", s.rtt),
        ("scheduled_rtt", s.scheduled_rtt),
        ("ipdv", s.ipdv),
        ("processing", one_way(|spreads| spreads.processing)),
        ("net_rtt", one_way(|spreads| spreads.net_rtt)),
        ("forward_variation", one_way(|spreads| spreads.forward_variation)),
        ("backward_variation", one_way(|spreads| spreads.backward_variation)),
        ("forward_delay", synced.and_then(|synced| synced.forward_delay.clone())),
        ("backward_delay", synced.and_then(|synced| synced.backward_delay.clone())),
        ("timer_error", p.timer_error),
        ("send_call", p.send_call),
    ];
    let mut counted: BTreeMap<_, _> = counts.map(|(name, n)| (name.to_owned(), n as f64)).into();
    counted.insert("longest_outage_ms".to_owned(), ms(s.longest_outage.duration));
    let mut measured = BTreeMap::new();
    for (name, span) in [
        ("jitter_ms", s.jitter),
        ("sender_error_ms", synced.and_then(|synced| synced.sender.error())),
        ("reflector_error_ms", synced.and_then(|synced| synced.reflector?.error())),
    ] {
        measured.extend(span.map(|span| (name.to_owned(), ms(span))));
    }
    for (name, spread) in spreads {
        measured.insert(
            format!("{name}.count"),
            spread.as_ref().map_or(0.0, |spread| spread.count as f64),
        );
        let spans = spread.map(|Spread { min, mean, max, stddev, percentiles, .. }| {
            let p = percentiles.unwrap();
            [
                ("min", min),
                ("mean", mean),
                ("max", max),
                ("stddev", stddev),
                ("p50", p.p50),
                ("p90", p.p90),
                ("p95", p.p95),
                ("p99", p.p99),
                ("p99_9", p.p99_9),
            ]
        });
        measured.extend(
            spans.into_iter().flatten().map(|(of, span)| (format!("{name}.{of}_ms"), ms(span))),
        );
    }
    [counted, measured]
}

fn ms(span: Duration) -> f64 {
    span.as_nanos() as f64 / 1e6
}

/// Returns the differences from what was expected, one per line.
fn differences(
    expected: BTreeMap<String, Expected>,
    [counted, measured]: [BTreeMap<String, f64>; 2],
) -> Vec<String> {
    let named = |(name, expected)| match expected {
        Expected::Number(number) => vec![(name, number)],
        Expected::Spread(spread) => {
            spread.into_iter().map(|(of, n)| (format!("{name}.{of}"), n)).collect()
        }
    };
    let expected: BTreeMap<_, _> = expected.into_iter().flat_map(named).collect();
    let left_out =
        counted.iter().filter(|(name, found)| **found != 0.0 && !expected.contains_key(*name));
    let wrong = expected.iter().filter_map(|(name, &expected)| {
        let found = counted.get(name).or_else(|| measured.get(name)).copied();
        let right = found.is_some_and(|found| match name.split_once(".p") {
            // Up to a thousandth above the exact value, and never above the maximum.
            Some((spread, _)) => {
                expected <= found
                    && found <= expected * 1.001
                    && found <= measured[&format!("{spread}.max_ms")]
            }
            None => found == expected,
        });
        (!right).then(|| format!("{name} is {found:?} and not {expected}"))
    });
    left_out
        .map(|(name, found)| format!("{name} is {found}, of which nothing is said"))
        .chain(wrong)
        .collect()
}

/// Returns what is wrong with a file or with the numbers of its run, one per line.
fn check(file: &str) -> Vec<String> {
    let scenario = match toml::from_str::<Scenario>(file) {
        Ok(scenario) => scenario,
        Err(error) => return vec![error.to_string()],
    };
    match scenario.run() {
        Ok(results) => differences(scenario.expected, numbers(results)),
        Err(error) => vec![error],
    }
}

#[test]
fn each_scenario_has_the_numbers_that_were_worked_out_by_hand() {
    let mut wrong = Vec::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().display();
        // For a run that panics.
        println!("{name}");
        wrong.extend(
            check(&fs::read_to_string(&path).unwrap())
                .into_iter()
                .map(|line| format!("{name}: {line}")),
        );
    }
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
