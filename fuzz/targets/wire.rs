//! What comes from the network: the text of a ping, tags, and what server and client make of
//! datagrams.

#![no_main]

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use udping_core::client::Pace;
use udping_core::client::{self, Event, Pinger, Transmit};
use udping_core::client::{Codec, Protocol};
use udping_core::server::{self, Echo};
use udping_core::server::{Arrival, Config, DropRate, Keyed, Refusal, Server, Verdict};
use udping_core::stats::Measured;
use udping_core::wire::Ping;
use udping_core::wire::{Direction, Key, TAG};
use udping_core::{Instant, UnixTime};

fuzz_target!(|data: &[u8]| {
    decode(data);
    open(data);
    let mut input = Unstructured::new(data);
    if let Ok(session) = ServerSession::arbitrary(&mut input) {
        session.check();
    }
    if let Ok(session) = ClientSession::arbitrary(&mut Unstructured::new(data)) {
        session.check();
    }
});

/// What is understood can be said again, and is understood as the same.
fn decode(datagram: &[u8]) {
    let number = Ping::number(datagram);
    let Ok(ping) = Ping::decode(datagram) else { return };
    assert!(ping.sent_at.nanoseconds < 1_000_000_000, "{ping:?}");
    let mut again = Vec::new();
    // A number with many zeros before it, or a time with many digits, is one to few.
    assert!(number.is_none_or(|number| number == ping.seq), "{ping:?}");
    ping.encode(datagram.len(), &mut again);
    assert_eq!(Ping::number(&again), Some(ping.seq));
    assert_eq!(Ping::decode(&again), Ok(ping));
    again.make_ascii_uppercase();
    assert_eq!(Ping::decode(&again), Ok(ping));
}

/// Nothing opens that was not tagged; what was tagged does, for its direction alone.
fn open(datagram: &[u8]) {
    let key = key();
    for direction in [Direction::Request, Direction::Reply] {
        assert_eq!(key.open(direction, datagram), None);
        let sealed = seal(direction, datagram);
        assert_eq!(key.open(direction, &sealed), Some(datagram));
        assert_eq!(key.open(direction, &sealed[1..]), None);
        let other =
            if direction == Direction::Request { Direction::Reply } else { Direction::Request };
        assert_eq!(key.open(other, &sealed), None);
    }
    if let Ok(text) = str::from_utf8(datagram) {
        assert!(Key::from_hex(text).is_err() || (32..=128).contains(&text.len()));
    }
}

fn key() -> Key {
    Key::from_hex("000102030405060708090a0b0c0d0e0f").expect("a key")
}

fn seal(direction: Direction, message: &[u8]) -> Vec<u8> {
    [message, &key().tag(direction, message)].concat()
}

/// A datagram, mostly near to what is expected: wholly random bytes would all be refused for the
/// same reason.
#[derive(Arbitrary, Clone, Debug)]
enum Payload {
    Bytes(Vec<u8>),
    Ping {
        seq: u32,
        seconds: u64,
        nanoseconds: u32,
        size: u8,
        tail: Vec<u8>,
    },
    /// With the tag that its text should have.
    Tagged {
        reply: bool,
        text: Box<Payload>,
    },
}

impl Payload {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Ping { seq, seconds, nanoseconds, size, tail } => {
                let sent_at =
                    UnixTime { seconds: *seconds, nanoseconds: nanoseconds % 1_000_000_000 };
                let mut datagram = Vec::new();
                Ping { seq: udping_core::Seq(*seq), sent_at }.encode((*size).into(), &mut datagram);
                datagram.extend(tail);
                datagram
            }
            Self::Tagged { reply: true, text } => seal(Direction::Reply, &text.bytes()),
            Self::Tagged { reply: false, text } => seal(Direction::Request, &text.bytes()),
        }
    }
}

#[derive(Arbitrary, Debug)]
struct ServerSession {
    drop_percent: u8,
    seed: u64,
    salt: u64,
    uppercase: bool,
    echo_all: bool,
    pings_only: bool,
    replay_window: Option<Duration>,
    datagrams: Vec<(SocketAddr, u64, u64, Payload)>,
}

impl ServerSession {
    fn check(self) {
        let Self { uppercase, echo_all, pings_only, replay_window, .. } = self;
        let config = Config {
            drop_rate: DropRate::from_percent((self.drop_percent % 101).into())
                .expect("a percentage"),
            seed: self.seed,
            salt: self.salt,
            echo_all,
            keyed: replay_window.map(|replay_window| Keyed { keys: key().into(), replay_window }),
        };
        let mut server = Server::new(config, Echo { uppercase, pings_only });
        let key = replay_window.map(|_| key());
        let (mut answers, mut now) = (0, Instant::from_nanos(0));
        for (from, pause, seconds, payload) in self.datagrams {
            now = now + Duration::from_nanos(pause);
            let wall = UnixTime { seconds, nanoseconds: 0 };
            let came = payload.bytes();
            let mut datagram = came.clone();
            match server.receive(Arrival { from, now, wall }, &mut datagram) {
                Verdict::Answer => {
                    answers += 1;
                    assert_ne!(from.port(), 0, "{from}");
                    assert!(
                        !from.ip().to_canonical().is_unspecified()
                            && !from.ip().to_canonical().is_multicast()
                    );
                    let (text, asked) =
                        (server::text(key.as_ref(), &datagram), server::text(key.as_ref(), &came));
                    assert!(text.eq_ignore_ascii_case(asked), "an answer says what was asked");
                    assert!(uppercase || text == asked);
                    assert!(!uppercase || !text.iter().any(u8::is_ascii_lowercase));
                    assert!(!pings_only || Ping::number(text).is_some() || replay_window.is_some());
                    if let Some(window) = replay_window {
                        let key = key.as_ref().expect("there is a window for a key alone");
                        assert_eq!(key.open(Direction::Reply, &datagram), Some(text));
                        let asked = key
                            .open(Direction::Request, &came)
                            .expect("only what is tagged is answered");
                        assert!(
                            Ping::decode(asked).expect("only pings are").sent_at.distance(wall)
                                <= window
                        );
                        assert_eq!(datagram.len(), text.len() + TAG);
                    }
                }
                Verdict::Drop => assert_ne!(self.drop_percent % 101, 0),
                Verdict::Refuse(_) => {
                    assert_eq!(datagram, came, "what is refused is left as it is")
                }
            }
        }
        let counts = server.counts();
        assert_eq!(counts.received, answers + counts.dropped + counts.refused.total());
        assert_eq!(
            counts.refused.total(),
            Refusal::ALL.iter().map(|refusal| counts.refused.of(*refusal)).sum::<u64>()
        );
    }
}

#[derive(Arbitrary, Debug)]
struct ClientSession {
    count: NonZeroU32,
    interval: Duration,
    timeout: Duration,
    size: u8,
    keyed: bool,
    wall: u64,
    steps: Vec<ClientStep>,
}

#[derive(Arbitrary, Debug)]
enum ClientStep {
    Wait(u32),
    Send,
    SendInVain,
    /// A reply to one of the pings sent, spoilt where a byte is to be.
    Reply {
        which: u8,
        upper: bool,
        spoilt: Option<(u8, u8)>,
    },
    Datagram {
        from_peer: bool,
        payload: Payload,
    },
    Stop,
}

impl ClientSession {
    fn check(self) {
        let peer: SocketAddr = "192.0.2.7:12000".parse().expect("an address");
        let stranger: SocketAddr = "192.0.2.8:12000".parse().expect("an address");
        let interval = self.interval.max(Duration::from_nanos(1));
        let config = client::Config {
            targets: vec![peer],
            source_ports: NonZeroUsize::MIN,
            codec: Codec {
                protocol: Protocol::Text,
                size: self.size.into(),
                keys: self.keyed.then(|| key().into()),
            },
            first: Protocol::Text.first(),
            measured: Measured::default(),
            count: Some(self.count.into()),
            interval,
            pace: Pace::Fixed,
            grid: Duration::ZERO,
            burst: NonZeroU32::MIN,
            timeout: self.timeout,
            deadline: None,
        };
        let arrival = |now, from| client::Arrival {
            waited: None,
            now,
            wall: UnixTime { seconds: 0, nanoseconds: 0 },
            source_port: 0,
            from,
        };
        let mut now = Instant::from_nanos(0);
        let mut pinger = Pinger::new(config, now);
        let (mut sent, mut attempts, mut arrived) = (Vec::new(), 0, 0);
        for step in self.steps {
            let wall = UnixTime { seconds: self.wall, nanoseconds: 0 };
            match step {
                ClientStep::Wait(span) => {
                    now = now
                        + interval.saturating_mul(span % 8).max(Duration::from_nanos(span.into()))
                }
                ClientStep::Send => {
                    if let Some(departure) = pinger.poll_transmit(now, wall) {
                        attempts += 1;
                        sent.push(departure.datagram.to_vec());
                    }
                }
                ClientStep::SendInVain => {
                    if let Some(Transmit { flow, seq, .. }) = pinger.poll_transmit(now, wall) {
                        attempts += 1;
                        pinger.not_sent(flow, seq, now, String::new());
                    }
                }
                ClientStep::Reply { which, upper, spoilt } => {
                    let Some(request) = sent.get(usize::from(which)) else { continue };
                    let mut reply = request.clone();
                    reply.truncate(request.len() - if self.keyed { TAG } else { 0 });
                    if upper {
                        reply.make_ascii_uppercase();
                    }
                    if self.keyed {
                        reply = seal(Direction::Reply, &reply);
                    }
                    let spoils = |(at, bits): (u8, u8)| {
                        let at = usize::from(at) % reply.len();
                        reply[at] ^= bits;
                        // Case is all that may differ from something that was sent, and under a tag
                        // not even that.
                        bits != 0
                            && (self.keyed
                                || !sent.iter().any(|sent| reply.eq_ignore_ascii_case(sent)))
                    };
                    let is_spoilt = spoilt.is_some_and(spoils);
                    let before = pinger.results().total;
                    pinger.handle_input(arrival(now, peer), &reply);
                    arrived += 1;
                    assert_eq!(
                        pinger.results().total.foreign - before.foreign,
                        u64::from(is_spoilt),
                        "{reply:?}"
                    );
                }
                ClientStep::Datagram { from_peer, payload } => {
                    let before = pinger.results().total.foreign;
                    pinger.handle_input(
                        arrival(now, if from_peer { peer } else { stranger }),
                        &payload.bytes(),
                    );
                    arrived += 1;
                    assert!(
                        from_peer || pinger.results().total.foreign == before + 1,
                        "a stranger is not heard"
                    );
                }
                ClientStep::Stop => pinger.stop(),
            }
            pinger.handle_timeout(now);
            let summary = pinger.results().total;
            assert_eq!(summary.sent + summary.send_errors, attempts);
            assert_eq!(
                summary.sent,
                summary.received + summary.late + summary.lost + summary.awaited,
                "{summary:?}"
            );
            assert_eq!(
                arrived,
                summary.received + summary.late + summary.duplicates + summary.foreign,
                "{summary:?}"
            );
            assert!((0.0..=1.0).contains(&summary.loss_ratio()));
        }
        let mut told = 0;
        while let Some(happened) = pinger.poll_event() {
            told +=
                u64::from(matches!(happened.event, Event::Reply { .. } | Event::Foreign { .. }));
        }
        assert_eq!(told, arrived);
    }
}
