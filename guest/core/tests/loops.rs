//! Loops between the server and services that answer anything, started by one datagram with a
//! forged source, with time as data: after its first 16 rounds no loop is faster than one round per
//! second, and faster ones end.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what a test counts is small"
)]
#![expect(clippy::too_many_lines, reason = "a list of services")]

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use udping_core::server::Echo;
use udping_core::server::Reflector;
use udping_core::server::Sessions;
use udping_core::server::{Arrival, Config, Protocol, Server, Verdict};
use udping_core::wire::stamp::{ErrorEstimate, Request, Timestamp};
use udping_core::{Instant, UnixTime};

const START: UnixTime = UnixTime { seconds: 1_795_685_343, nanoseconds: 0 };

/// How long a loop is watched, and how many answers it may have before it counts as endless.
const WATCHED: Duration = Duration::from_secs(60);
const MANY: usize = 1_000;

/// A service's answer to a datagram that arrives at the given time after the start.
type Service = Box<dyn FnMut(&[u8], Duration) -> Option<Vec<u8>>>;

fn wall(now: Duration) -> UnixTime {
    UnixTime { seconds: START.seconds + now.as_secs(), nanoseconds: now.subsec_nanos() }
}

/// A server of this crate, at either end.
fn ours<P: Protocol + 'static>(protocol: P, port: u16) -> Service {
    let mut server = Server::new(Config { salt: 7, ..Config::default() }, protocol);
    let from = SocketAddr::from(([192, 0, 2, 7], port));
    Box::new(move |datagram, since_start| {
        let now = Instant::from_nanos(since_start.as_nanos() as u64);
        let mut datagram = datagram.to_vec();
        let answers = server.receive(Arrival { from, now, wall: wall(since_start) }, &mut datagram)
            == Verdict::Answer;
        answers.then(|| {
            server.depart(|| wall(since_start), std::iter::once(datagram.as_mut_slice()));
            datagram
        })
    })
}

fn reflector(stateful: bool, twamp_light: bool) -> Reflector {
    let sessions = stateful.then(|| Sessions::new(1));
    Reflector { clock: ErrorEstimate::of_clock(false), sessions, twamp_light }
}

/// The servers of this crate, in their configurations, with datagrams from `port`.
fn servers(port: u16) -> Vec<(&'static str, Service)> {
    vec![
        ("echo", ours(Echo::default(), port)),
        ("upper-casing echo", ours(Echo { uppercase: true, ..Echo::default() }, port)),
        ("echo of pings only", ours(Echo { pings_only: true, ..Echo::default() }, port)),
        ("reflector", ours(reflector(false, false), port)),
        ("stateful reflector", ours(reflector(true, false), port)),
        ("reflector of TWAMP Light", ours(reflector(false, true), port)),
    ]
}

fn ntp(now: Duration) -> [u8; 8] {
    Timestamp::ntp(wall(now)).to_be_bytes()
}

/// RFC 8762, section 4.3.1: a stateless reflector that accepts anything long enough for a request.
fn foreign_reflector(datagram: &[u8], now: Duration) -> Option<Vec<u8>> {
    let base = datagram.get(..44)?;
    let times = [
        &base[..4],
        &ntp(now),
        &[0x80, 1],
        &base[14..16],
        &ntp(now),
        &base[..4],
        &base[4..12],
        &base[12..14],
    ];
    Some([&times.concat()[..], &[0, 0, 255, 0, 0, 0], &datagram[44..]].concat())
}

/// Services that answer anything.
fn services() -> Vec<(&'static str, Service)> {
    let mut count = 0_u32;
    let mut next = move || {
        count += 1;
        count
    };
    let counting = |text: &'static str| -> Service {
        let mut next = next;
        Box::new(move |_, _| Some(text.replace('#', &next().to_string()).into_bytes()))
    };
    let changing = |change: fn(&[u8]) -> Vec<u8>| -> Service {
        Box::new(move |datagram, _| Some(change(datagram)))
    };
    let mut rng = Rng::with_seed(1);
    let mut line = 0;
    vec![
        ("echo", changing(<[u8]>::to_vec)),
        ("stateless reflector", Box::new(foreign_reflector)),
        ("counter", counting("answer #")),
        (
            "counter first",
            counting("# answers, and this is one of them, long enough for a request of STAMP"),
        ),
        ("counter of pings", counting("Ping # received")),
        (
            "counter in a buffer of 64 bytes",
            Box::new({
                let mut next = next;
                move |_, _| {
                    let mut text = format!("answer number {}", next()).into_bytes();
                    text.resize(64, 0);
                    Some(text)
                }
            }),
        ),
        (
            "binary counter",
            Box::new(move |datagram, _| {
                Some([&next().to_be_bytes(), &datagram[4.min(datagram.len())..]].concat())
            }),
        ),
        (
            "clock",
            Box::new(|_, now| {
                Some(format!("Thu Nov 26 09:40:38 2026 {}", now.as_nanos()).into_bytes())
            }),
        ),
        ("clock of RFC 868", Box::new(|_, now| Some(ntp(now)[..4].to_vec()))),
        (
            "clock that says how a ping was heard",
            Box::new(|datagram, now| {
                let text = String::from_utf8_lossy(datagram).into_owned();
                let number = text.split(' ').nth(1).unwrap_or("0").to_owned();
                Some(
                    format!(
                        "Ping {number} {}.{:09}",
                        START.seconds + now.as_secs(),
                        now.subsec_nanos()
                    )
                    .into_bytes(),
                )
            }),
        ),
        ("upper-casing echo", changing(<[u8]>::to_ascii_uppercase)),
        ("lower-casing echo", changing(<[u8]>::to_ascii_lowercase)),
        (
            "case-swapping echo",
            changing(|datagram| {
                datagram
                    .iter()
                    .map(|b| if b.is_ascii_alphabetic() { b ^ 0x20 } else { *b })
                    .collect()
            }),
        ),
        (
            "rotating echo",
            changing(|datagram| {
                datagram
                    .iter()
                    .map(|b| if b.is_ascii_lowercase() { (b - b'a' + 13) % 26 + b'a' } else { *b })
                    .collect()
            }),
        ),
        ("reversing echo", changing(|datagram| datagram.iter().rev().copied().collect())),
        ("echo that puts something before", changing(|datagram| [b"re: ", datagram].concat())),
        ("echo that puts something after", changing(|datagram| [datagram, b" ok"].concat())),
        (
            "echo that puts the time after",
            Box::new(|datagram, now| {
                Some([datagram, format!(" {}", now.as_nanos()).as_bytes()].concat())
            }),
        ),
        (
            "echo of 1,024 bytes that puts the time after",
            Box::new(|datagram, now| {
                Some([&datagram[..datagram.len().min(1_024)], &ntp(now)].concat())
            }),
        ),
        (
            "echo that takes the last byte",
            changing(|datagram| datagram[..datagram.len().saturating_sub(1)].to_vec()),
        ),
        (
            "echo of at most 48 bytes",
            changing(|datagram| datagram[..datagram.len().min(48)].to_vec()),
        ),
        ("quoting echo", changing(|datagram| [b"You said: \"", datagram, b"\""].concat())),
        (
            "chargen",
            Box::new(move |_, _| {
                line += 1;
                Some((0..72).map(|at| b' ' + ((line + at) % 95) as u8).collect())
            }),
        ),
        (
            "DNS that finds an error",
            changing(|datagram| {
                let mut answer = datagram[..datagram.len().min(12)].to_vec();
                if let Some(flags) = answer.get_mut(2) {
                    *flags |= 0x80;
                }
                answer
            }),
        ),
        ("random bytes", Box::new(move |_, _| Some((0..64).map(|_| rng.u8(..)).collect()))),
        ("nothing but empty datagrams", changing(|_| Vec::new())),
    ]
}

/// Datagrams that an attacker may forge.
fn forged() -> Vec<Vec<u8>> {
    let request = |size, sent| {
        let mut datagram = Vec::new();
        let error = ErrorEstimate::of_clock(false);
        Request { seq: udping_core::Seq(7), sent, error, ssid: 0 }.encode(
            size,
            None,
            &mut datagram,
        );
        datagram
    };
    vec![
        b"Ping 1 2.5".to_vec(),
        b"Ping 1 1795685343.000000000      ".to_vec(),
        b"PING 1 2.5".to_vec(),
        b"Ping 1 Thu Nov 26 09:40:38 2026".to_vec(),
        b"hello".to_vec(),
        Vec::new(),
        vec![0; 44],
        vec![b'x'; 100],
        request(0, Timestamp::ntp(START)),
        request(100, Timestamp::ntp(START)),
        request(44, Timestamp::from_be_bytes([0; 8])),
    ]
}

/// The times at which `ours` answers, if `forged` arrives with `theirs` as its source and a round
/// takes `round`.
fn answers(
    ours: &mut Service,
    theirs: &mut Service,
    forged: &[u8],
    round: Duration,
) -> Vec<Duration> {
    let (mut now, mut datagram, mut answers) = (Duration::ZERO, forged.to_vec(), Vec::new());
    while now < WATCHED && answers.len() < MANY {
        let Some(answer) = ours(&datagram, now) else { break };
        answers.push(now);
        let Some(back) = theirs(&answer, now + round / 2) else { break };
        datagram = back;
        now += round;
    }
    answers
}

/// Asserts that after the first 16 rounds and the answer to the forged datagram, there is no more
/// than one round per second.
#[track_caller]
fn assert_slow(answers: &[Duration], what: &str) {
    for (count, at) in answers.iter().enumerate() {
        assert!(count as u64 <= 16 + at.as_secs(), "{what}: {count} answers before {at:?}");
    }
}

const ROUNDS: [Duration; 5] = [
    Duration::from_micros(20),
    Duration::from_millis(1),
    Duration::from_millis(100),
    Duration::from_millis(999),
    Duration::from_secs(3),
];

#[test]
fn no_loop_with_a_responding_service_keeps_a_server_busy() {
    for port in [7, 862, 12_000, 40_000] {
        for round in ROUNDS {
            for forged in forged() {
                for (number, (name, _)) in services().iter().enumerate() {
                    for (ours_name, mut ours) in servers(port) {
                        let mut theirs = services().swap_remove(number).1;
                        let answers = answers(&mut ours, &mut theirs, &forged, round);
                        let what = format!(
                            "{ours_name} and {name}, {round:?}, {:?}",
                            String::from_utf8_lossy(&forged)
                        );
                        assert_slow(&answers, &what);
                        let over =
                            answers.last().is_none_or(|last| *last < Duration::from_secs(40));
                        assert!(over || round >= Duration::from_millis(900), "{what}: goes on");
                    }
                }
            }
        }
    }
}

#[test]
fn no_two_of_ours_keep_each_other_busy() {
    for round in ROUNDS {
        for forged in forged() {
            for number in 0..servers(0).len() {
                for (name, mut ours) in servers(12_000) {
                    let (their_name, mut theirs) = servers(12_000).swap_remove(number);
                    let answers = answers(&mut ours, &mut theirs, &forged, round);
                    assert_slow(&answers, &format!("{name} and {their_name}, {round:?}"));
                }
            }
        }
    }
}

#[test]
fn what_is_answered_at_any_rate_are_pings() {
    let mut server = ours(Echo::default(), 12_000);
    for i in 0..100_000_u32 {
        let ping = format!("Ping {i} 1795685343.{i:09}");
        assert_eq!(
            server(ping.as_bytes(), Duration::from_micros(i.into())),
            Some(ping.into_bytes())
        );
    }
    // This cannot be told from a fast client.
    let mut number = 0;
    let mut next: Service = Box::new(move |_, now| {
        number += 1;
        Some(format!("Ping {number} {}", now.as_nanos()).into_bytes())
    });
    assert_eq!(
        answers(&mut server, &mut next, b"Ping 1 2.5", Duration::from_micros(20)).len(),
        MANY
    );
}

/// Many sources with one echo each, at the same time.
#[test]
fn thousands_of_loops_at_once_are_over_within_seconds() {
    for (forged, most) in [("Ping 1 2.5", 8 * 5_000), ("hello", 16 * 4_097)] {
        let mut server = Server::new(Config { salt: 7, ..Config::default() }, Echo::default());
        let mut alive: Vec<u16> = (10_000..15_000).collect();
        let (mut now, mut answers) = (Duration::ZERO, 0);
        while !alive.is_empty() {
            now += Duration::from_millis(10);
            let at = Instant::from_nanos(now.as_nanos() as u64);
            alive.retain(|port| {
                let arrival =
                    Arrival { from: ([192, 0, 2, 7], *port).into(), now: at, wall: wall(now) };
                server.receive(arrival, &mut forged.as_bytes().to_vec()) == Verdict::Answer
            });
            answers += alive.len();
            assert!(now < Duration::from_secs(10), "{} are alive", alive.len());
        }
        assert!(answers <= most, "{forged}: {answers}");
    }
}
