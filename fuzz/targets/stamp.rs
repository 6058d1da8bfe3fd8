//! What comes to a reflector of STAMP, and to its sender.

#![no_main]

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use udping_core::Seq;
use udping_core::client::Pace;
use udping_core::client::{self, Pinger};
use udping_core::client::{Codec, Protocol};
use udping_core::server::Reflector;
use udping_core::server::Sessions;
use udping_core::server::{Arrival, Config, DropRate, Keyed, Server, Verdict};
use udping_core::stats::Measured;
use udping_core::wire::Key;
use udping_core::wire::stamp::{
    AUTHENTICATED, ErrorEstimate, Reply, Request, Timestamp, UNAUTHENTICATED,
};
use udping_core::{Instant, UnixTime};

fuzz_target!(|session: Session| {
    for payload in &session.payloads {
        decode(&payload.bytes(None, &[]), None);
        decode(&payload.bytes(Some(&key()), &[]), Some(&key()));
    }
    session.reflect();
    session.ping();
});

fn key() -> Key {
    Key::from_hex("000102030405060708090a0b0c0d0e0f").expect("a key")
}

/// What is understood can be said again, and is understood as the same.
fn decode(datagram: &[u8], key: Option<&Key>) {
    if let Ok(request) = Request::decode(datagram, key) {
        let mut again = Vec::new();
        request.encode(datagram.len(), key, &mut again);
        assert_eq!((Request::decode(&again, key), again.len()), (Ok(request), datagram.len()));
    }
    if let Ok(reply) = Reply::decode(datagram, key) {
        let mut again = datagram.to_vec();
        reply.encode(key, &mut again);
        // One of TWAMP Light may be shorter than STAMP's, which this writes.
        let length = datagram.len().max(if key.is_some() { 0 } else { UNAUTHENTICATED });
        assert_eq!((Reply::decode(&again, key), again.len()), (Ok(reply), length));
    }
}

/// A datagram, mostly near to what is expected.
#[derive(Arbitrary, Clone, Debug)]
enum Payload {
    Bytes(Vec<u8>),
    Request {
        seq: u32,
        sent: [u8; 8],
        error: u16,
        ssid: u16,
        size: u8,
    },
    /// One of the answers so far, or a request where there is none, spoilt where a byte is to be.
    Again {
        which: u8,
        spoilt: Option<(u8, u8)>,
    },
}

impl Payload {
    fn bytes(&self, key: Option<&Key>, answers: &[Vec<u8>]) -> Vec<u8> {
        let mut datagram = Vec::new();
        match self {
            Self::Bytes(bytes) => datagram.extend(bytes),
            Self::Request { seq, sent, error, ssid, size } => {
                let (sent, error) =
                    (Timestamp::from_be_bytes(*sent), ErrorEstimate::from_bits(*error));
                Request { seq: Seq(*seq), sent, error, ssid: *ssid }.encode(
                    (*size).into(),
                    key,
                    &mut datagram,
                );
            }
            Self::Again { which, spoilt } => {
                datagram.extend(answers.get(usize::from(*which)).into_iter().flatten());
                if let (Some((at, bits)), false) = (spoilt, datagram.is_empty()) {
                    let at = usize::from(*at) % datagram.len();
                    datagram[at] ^= bits;
                }
            }
        }
        datagram
    }
}

#[derive(Arbitrary, Debug)]
struct Session {
    keyed: bool,
    stateful: bool,
    twamp_light: bool,
    echo_all: bool,
    seconds: u64,
    pause: u32,
    from: SocketAddr,
    payloads: Vec<Payload>,
}

impl Session {
    fn key(&self) -> Option<Key> {
        self.keyed.then(key)
    }

    /// No answer is longer than what it answers, but for TWAMP Light's, and none is an answer to an
    /// answer.
    fn reflect(&self) {
        let key = self.key();
        let config = Config {
            drop_rate: DropRate::from_percent(0.0).expect("a percentage"),
            seed: 0,
            salt: 0,
            echo_all: self.echo_all,
            keyed: self
                .key()
                .map(|key| Keyed { keys: key.into(), replay_window: Duration::from_secs(60) }),
        };
        let reflector = Reflector {
            clock: ErrorEstimate::of_clock(false),
            sessions: self.stateful.then(|| Sessions::new(0)),
            twamp_light: self.twamp_light,
        };
        let mut server = Server::new(config, reflector);
        let (mut answers, mut now) = (Vec::new(), Instant::from_nanos(0));
        for payload in &self.payloads {
            now = now + Duration::from_nanos(self.pause.into());
            let wall = UnixTime { seconds: self.seconds, nanoseconds: 0 };
            let came = payload.bytes(key.as_ref(), &answers);
            let mut datagram = came.clone();
            match server.receive(Arrival { from: self.from, now, wall }, &mut datagram) {
                Verdict::Answer => {
                    server.depart(|| wall, [datagram.as_mut_slice()].into_iter());
                    let least = if self.keyed { AUTHENTICATED } else { UNAUTHENTICATED };
                    let may_grow = self.twamp_light && !self.keyed;
                    assert_eq!(
                        datagram.len(),
                        if may_grow { came.len().max(least) } else { came.len() }
                    );
                    let reply = Reply::decode(&datagram, key.as_ref()).expect("a reply");
                    assert_eq!(reply.sender_seq.0.to_be_bytes(), came[..4]);
                    assert!(!answers.contains(&came), "an answer is not answered");
                    answers.push(datagram);
                }
                Verdict::Drop => unreachable!("nothing is dropped"),
                Verdict::Refuse(_) => {
                    assert_eq!(datagram, came, "what is refused is left as it is")
                }
            }
        }
        let counts = server.counts();
        assert_eq!(counts.received, answers.len() as u64 + counts.refused.total());
    }

    /// What comes to a sender is counted once, and only what repeats a request of its own is a
    /// reply.
    fn ping(&self) {
        let peer: SocketAddr = "192.0.2.7:862".parse().expect("an address");
        let error = ErrorEstimate::of_clock(true);
        let config = client::Config {
            targets: vec![peer],
            source_ports: NonZeroUsize::MIN,
            codec: Codec {
                protocol: Protocol::Stamp { ssid: 7, error },
                size: 0,
                keys: self.key().map(Into::into),
            },
            first: Seq(0),
            measured: Measured { one_way: true, synced: Some(error), stateful: self.stateful },
            count: None,
            interval: Duration::from_millis(1),
            pace: Pace::Fixed,
            grid: Duration::ZERO,
            burst: NonZeroU32::MIN,
            timeout: Duration::from_nanos(self.pause.into()),
            deadline: None,
        };
        let wall = UnixTime { seconds: self.seconds, nanoseconds: 0 };
        let mut now = Instant::from_nanos(0);
        let mut pinger = Pinger::new(config, now);
        let (mut replies, mut arrived) = (Vec::new(), 0);
        for payload in &self.payloads {
            now = now + Duration::from_millis(1);
            if let Some(departure) = pinger.poll_transmit(now, wall) {
                let request =
                    Request::decode(departure.datagram, self.key().as_ref()).expect("a request");
                let reply = Reply {
                    seq: request.seq,
                    sent: Timestamp::ntp(wall),
                    error,
                    ssid: 7,
                    received: Timestamp::ntp(wall),
                    sender_seq: request.seq,
                    sender_sent: request.sent,
                    sender_error: request.error,
                    sender_ttl: 255,
                };
                let mut datagram = departure.datagram.to_vec();
                reply.encode(self.key().as_ref(), &mut datagram);
                replies.push(datagram);
            }
            let datagram = payload.bytes(self.key().as_ref(), &replies);
            let is_reply = replies.contains(&datagram);
            let before = pinger.results().total.foreign;
            pinger.handle_input(
                client::Arrival { now, wall, waited: None, source_port: 0, from: peer },
                &datagram,
            );
            arrived += 1;
            let summary = pinger.results().total;
            assert!(!is_reply || summary.foreign == before);
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
        }
        while pinger.finish(now) {}
        let summary = pinger.results().total;
        if let Some(losses) = summary.directed_losses {
            assert_eq!(losses.forward + losses.backward + losses.unknown, summary.lost);
        }
    }
}
