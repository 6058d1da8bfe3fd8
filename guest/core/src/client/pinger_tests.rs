//! Tests of the pinger against a scripted network, with time as data.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use super::*;
use crate::client::codec::{Codec, Protocol};
use crate::client::flow::ReplyKind;
use crate::stats::Spread;
use crate::wire::auth::{Direction, Key, Keys};
use crate::wire::stamp::{ErrorEstimate, Reply, Request};

const PEER: &str = "192.0.2.7:12000";

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

fn wall(ms: u64) -> UnixTime {
    UnixTime { seconds: 1_700_000_000, nanoseconds: ms as u32 * 1_000 }
}

fn peer() -> SocketAddr {
    PEER.parse().unwrap()
}

fn config(count: u64) -> Config {
    Config {
        count: NonZeroU64::new(count),
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(250),
        ..Config::new(vec![peer()])
    }
}

fn arrival(ms: u64, from: SocketAddr) -> Arrival {
    Arrival { now: at(ms), wall: wall(ms), waited: None, source_port: 0, from }
}

const ONLY: FlowId = FlowId(0);

/// Returns a pinger that has sent all its pings on the grid, and the datagrams it sent.
fn after_sending(count: u64) -> (Pinger, Vec<Vec<u8>>) {
    let mut pinger = Pinger::new(config(count), at(0));
    let sent = (0..count)
        .map(|i| pinger.poll_transmit(at(i * 100), wall(i)).unwrap().datagram.to_vec())
        .collect();
    (pinger, sent)
}

fn events(pinger: &mut Pinger) -> Vec<Event> {
    std::iter::from_fn(|| pinger.poll_event()).map(|happened| happened.event).collect()
}

/// Returns the times of ping `seq` of [`after_sending`], which was sent when it was due.
fn times(seq: u32) -> Times {
    let due = at(u64::from(seq - 1) * 100);
    Times { scheduled: due, sent: due }
}

fn reply(seq: u32, rtt_ms: u64, kind: ReplyKind) -> Event {
    Event::Reply {
        flow: ONLY,
        seq: Seq(seq),
        from: peer(),
        bytes: 32,
        times: times(seq),
        rtt: Duration::from_millis(rtt_ms),
        kind,
    }
}

fn lost(seq: u32) -> Event {
    Event::Lost(ONLY, Seq(seq), times(seq))
}

fn total(pinger: &Pinger) -> Summary {
    pinger.results().total
}

#[test]
fn pings_are_numbered_from_one_and_sent_on_schedule() {
    let mut pinger = Pinger::new(config(2), at(0));
    assert_eq!(pinger.poll_timeout(), Some(at(0)));
    let departure = pinger.poll_transmit(at(0), wall(3)).unwrap();
    assert_eq!(
        (departure.flow, departure.seq, departure.to, departure.source_port),
        (ONLY, Seq(1), peer(), 0)
    );
    assert_eq!(departure.datagram, &b"Ping 1 1700000000.000003000\t\t\t\t\t"[..]);
    assert_eq!(pinger.poll_transmit(at(99), wall(0)), None);
    assert_eq!(pinger.poll_timeout(), Some(at(100)));
    assert_eq!(pinger.poll_transmit(at(103), wall(0)).unwrap().seq, Seq(2));
    assert_eq!(pinger.poll_transmit(at(200), wall(0)), None);
}

#[test]
fn the_run_is_over_as_soon_as_every_ping_is_answered() {
    let (mut pinger, sent) = after_sending(2);
    pinger.handle_input(arrival(110, peer()), &sent[1]);
    assert!(!pinger.is_over());
    pinger.handle_input(arrival(120, peer()), &sent[0]);
    assert!(pinger.is_over());
    assert_eq!(
        events(&mut pinger),
        [reply(2, 10, ReplyKind::InTime), reply(1, 120, ReplyKind::InTime)]
    );
}

#[test]
fn lost_late_and_duplicate_are_told_apart() {
    let (mut pinger, sent) = after_sending(3);
    pinger.handle_input(arrival(210, peer()), &sent[2]);
    pinger.handle_input(arrival(215, peer()), &sent[2]);
    // Pings 1 and 2 time out just after 250 and 350 ms; ping 1 is answered at 360 ms nonetheless.
    assert_eq!(pinger.poll_timeout(), Some(Instant::from_nanos(250_000_001)));
    pinger.handle_input(arrival(360, peer()), &sent[0]);
    assert!(pinger.is_over());
    assert_eq!(
        events(&mut pinger),
        [
            reply(3, 10, ReplyKind::InTime),
            reply(3, 15, ReplyKind::Duplicate),
            lost(1),
            lost(2),
            reply(1, 360, ReplyKind::Late),
        ]
    );
}

#[test]
fn a_reply_at_the_timeout_counts_and_a_nanosecond_later_is_late() {
    for (nanos, kind) in [(250_000_000, ReplyKind::InTime), (250_000_001, ReplyKind::Late)] {
        let (mut pinger, sent) = after_sending(1);
        let now = Instant::from_nanos(nanos);
        pinger.handle_input(Arrival { now, ..arrival(0, peer()) }, &sent[0]);
        let rtt = Duration::from_nanos(nanos);
        let answer = Event::Reply {
            flow: ONLY,
            seq: Seq(1),
            from: peer(),
            bytes: 32,
            times: times(1),
            rtt,
            kind,
        };
        assert_eq!(events(&mut pinger).last(), Some(&answer));
    }
}

#[test]
fn a_reply_may_be_upper_cased_and_nothing_else() {
    let (mut pinger, sent) = after_sending(4);
    pinger.handle_input(arrival(301, peer()), &sent[0].to_ascii_uppercase());
    let mut tampered = sent[1].clone();
    tampered[20] ^= 1;
    let mut longer = sent[2].clone();
    longer.push(b' ');
    for foreign in [&tampered[..], &longer, &sent[3][..31], b"", b"Ping 9 1700000000.0"] {
        pinger.handle_input(arrival(301, peer()), foreign);
    }
    let summary = total(&pinger);
    assert_eq!(summary.received, 0, "ping 1 was sent 301 ms before");
    assert_eq!((summary.late, summary.foreign), (1, 5));
}

#[test]
fn reply_with_wrong_source_or_local_port_is_foreign() {
    let (mut pinger, sent) = after_sending(1);
    for (from, source_port) in [("192.0.2.8:12000", 0), ("192.0.2.7:12001", 0), (PEER, 1)] {
        let from = from.parse().unwrap();
        pinger.handle_input(Arrival { source_port, ..arrival(1, from) }, &sent[0]);
        assert_eq!(events(&mut pinger), [Event::Foreign { from, bytes: 32 }]);
    }
    pinger.handle_input(arrival(2, peer()), &sent[0]);
    assert_eq!(events(&mut pinger), [reply(1, 2, ReplyKind::InTime)]);
    assert_eq!(total(&pinger).foreign, 3);
}

#[expect(clippy::float_cmp, reason = "nothing of something is exactly nothing")]
#[test]
fn a_stopped_run_is_over_and_says_what_was_still_awaited() {
    let (mut pinger, sent) = after_sending(3);
    pinger.handle_input(arrival(201, peer()), &sent[1]);
    pinger.stop();
    assert!(pinger.is_over());
    assert_eq!(pinger.poll_transmit(at(300), wall(0)), None);
    let summary = total(&pinger);
    assert_eq!((summary.sent, summary.received, summary.lost, summary.awaited), (3, 1, 0, 2));
    assert_eq!(summary.loss_ratio(), 0.0);
}

#[test]
fn a_run_ends_at_its_deadline_whatever_is_awaited() {
    let mut pinger =
        Pinger::new(Config { deadline: Some(Duration::from_millis(150)), ..config(10) }, at(0));
    for ms in [0, 100] {
        assert!(pinger.poll_transmit(at(ms), wall(0)).is_some());
    }
    assert_eq!(pinger.poll_timeout(), Some(at(150)));
    pinger.handle_timeout(at(149));
    assert!(!pinger.is_over());
    pinger.handle_timeout(at(150));
    assert!(pinger.is_over());
    assert_eq!((total(&pinger).sent, total(&pinger).awaited), (2, 2));
}

#[test]
fn without_a_count_a_run_goes_on() {
    let mut pinger = Pinger::new(Config { count: None, ..config(1) }, at(0));
    for i in 0..1_000 {
        let departure = pinger.poll_transmit(at(i * 100), wall(0)).unwrap();
        let datagram = departure.datagram.to_vec();
        pinger.handle_input(arrival(i * 100 + 1, peer()), &datagram);
        assert!(!pinger.is_over());
    }
    assert_eq!(total(&pinger).received, 1_000);
}

#[test]
fn send_errors_and_actual_and_scheduled_rtt_are_measured() {
    let mut pinger = Pinger::new(config(2), at(0));
    let micros = |us: u64| Instant::from_nanos(us * 1_000);
    // Due at 0: the timer was 30 us late, encoding took 5 us, the call 12 us. Due at 100 ms: 10 us
    // late, the call took 8 us, and it left 6 us after its begin.
    let calls = [(30, (35, 35, 47)), (100_010, (100_010, 100_016, 100_018))];
    for (late, (began, left, ended)) in calls {
        let departure = pinger.poll_transmit(micros(late), wall(0)).unwrap();
        let (seq, datagram) = (departure.seq, departure.datagram.to_vec());
        let [began, left, ended] = [began, left, ended].map(micros);
        pinger.departed(ONLY, seq, SendCall { began, left, ended });
        let now = left + Duration::from_micros(200);
        pinger.handle_input(Arrival { now, ..arrival(0, peer()) }, &datagram);
    }
    let results = pinger.results();
    let micros =
        |span: Option<Spread>| span.map(|span| (span.min.as_micros(), span.max.as_micros()));
    assert_eq!(micros(results.punctuality.timer_error), Some((10, 35)));
    assert_eq!(micros(results.punctuality.send_call), Some((8, 12)));
    assert_eq!(micros(results.total.rtt), Some((200, 200)));
    assert_eq!(micros(results.total.scheduled_rtt), Some((216, 235)));
}

#[test]
fn burst_is_sent_back_to_back_and_last_one_has_the_remainder() {
    let mut pinger = Pinger::new(Config { burst: NonZeroU32::new(3).unwrap(), ..config(7) }, at(0));
    let mut sent_at = |ms| {
        std::iter::from_fn(|| pinger.poll_transmit(at(ms), wall(0)).map(|d| d.seq.0))
            .collect::<Vec<_>>()
    };
    assert_eq!(sent_at(0), [1, 2, 3]);
    assert_eq!(sent_at(99), []);
    assert_eq!(sent_at(100), [4, 5, 6]);
    assert_eq!(sent_at(200), [7]);
    assert_eq!(sent_at(300), []);
}

fn three() -> Vec<SocketAddr> {
    [1, 2, 3].map(|host| SocketAddr::from(([192, 0, 2, host], 12_000))).to_vec()
}

#[test]
fn targets_alternate_within_the_interval_with_own_numbers() {
    let mut pinger = Pinger::new(
        Config { targets: three(), interval: Duration::from_millis(90), ..config(2) },
        at(0),
    );
    let mut sent = Vec::new();
    for ms in (0..180).step_by(30) {
        let departure = pinger.poll_transmit(at(ms), wall(ms)).unwrap();
        sent.push((departure.flow.0, departure.seq.0, departure.to));
        let (to, datagram) = (departure.to, departure.datagram.to_vec());
        pinger.handle_input(arrival(ms + 1 + departure_delay(to), to), &datagram);
        assert_eq!(pinger.poll_transmit(at(ms + 29), wall(ms)), None);
    }
    let [a, b, c] = [0, 1, 2].map(|i| three()[i]);
    assert_eq!(sent, [(0, 1, a), (1, 1, b), (2, 1, c), (0, 2, a), (1, 2, b), (2, 2, c)]);
    assert!(pinger.is_over());
    let results = pinger.results();
    let mean = |summary: &Summary| summary.rtt.as_ref().unwrap().mean.as_millis();
    assert_eq!(results.flows.iter().map(mean).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!((mean(&results.total), results.total.received, results.total.reordered), (3, 6, 0));
    assert_eq!(results.total.jitter, None, "there is none over several flows");
    assert_eq!(
        results.total.ipdv.map(|ipdv| ipdv.max),
        Some(Duration::ZERO),
        "pings of different targets are not adjacent"
    );
}

fn departure_delay(to: SocketAddr) -> u64 {
    three().iter().position(|target| *target == to).unwrap() as u64 + 1
}

#[test]
fn a_target_that_is_silent_or_unreachable_stops_no_other() {
    let mut pinger = Pinger::new(
        Config { targets: three(), interval: Duration::from_millis(90), ..config(2) },
        at(0),
    );
    for ms in (0..180).step_by(30) {
        let departure = pinger.poll_transmit(at(ms), wall(ms)).unwrap();
        let (flow, seq, to, datagram) =
            (departure.flow, departure.seq, departure.to, departure.datagram.to_vec());
        match flow.0 {
            0 => pinger.not_sent(flow, seq, at(ms), "no route".to_owned()),
            1 => {}
            _ => pinger.handle_input(arrival(ms + 1, to), &datagram),
        }
    }
    pinger.handle_timeout(at(1_000));
    assert!(pinger.is_over());
    let results = pinger.results();
    let counts = |s: &Summary| (s.sent, s.received, s.lost, s.send_errors);
    assert_eq!(
        results.flows.iter().map(counts).collect::<Vec<_>>(),
        [(0, 0, 0, 2), (2, 0, 2, 0), (2, 2, 0, 0)]
    );
    assert_eq!(counts(&results.total), (4, 2, 2, 2));
}

#[test]
fn source_ports_take_turns_at_the_targets_and_share_the_count() {
    let targets = three()[..2].to_vec();
    let config = Config { targets, source_ports: NonZeroUsize::new(3).unwrap(), ..config(4) };
    let mut pinger = Pinger::new(config, at(0));
    let mut sent = Vec::new();
    for i in 0.. {
        let Some(departure) = pinger.poll_transmit(at(i * 50), wall(0)) else { break };
        sent.push((departure.to.ip().to_string(), departure.source_port, departure.seq.0));
    }
    let expected =
        [(1, 0, 1), (2, 0, 1), (1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 1), (1, 0, 2), (2, 0, 2)];
    assert_eq!(sent, expected.map(|(host, port, seq)| (format!("192.0.2.{host}"), port, seq)));
    assert_eq!(pinger.target_and_port(FlowId(5)), (1, 2));
}

/// If a missed turn were lost, some target would get fewer pings than requested.
#[test]
fn whose_turns_were_missed_catches_up() {
    let mut pinger = Pinger::new(
        Config { targets: three(), interval: Duration::from_millis(90), ..config(3) },
        at(0),
    );
    let mut counts = [0; 3];
    // The sender sleeps through a round and a half.
    for ms in [0, 30, 60].into_iter().chain((200..2_000).step_by(5)) {
        while let Some(departure) = pinger.poll_transmit(at(ms), wall(0)) {
            counts[departure.flow.0] += 1;
        }
    }
    assert_eq!(counts, [3, 3, 3]);
    assert!(pinger.results().punctuality.missed_slots > 0);
}

#[test]
fn ping_outcomes_are_reported_at_the_end_in_sequence_order() {
    let (mut pinger, sent) = after_sending(3);
    pinger.handle_input(arrival(210, peer()), &sent[2]);
    pinger.handle_input(arrival(220, peer()), &sent[0]);
    pinger.handle_timeout(at(500));
    while pinger.finish(at(500)) {}
    let settled = |event| match event {
        Event::Settled(_, seq, sent) => Some((seq.0, sent.fate, sent.rtt.as_millis())),
        _ => None,
    };
    let records: Vec<_> = events(&mut pinger).into_iter().filter_map(settled).collect();
    assert_eq!(records, [(1, Fate::Received, 220), (2, Fate::Lost, 0), (3, Fate::Received, 10)]);
}

/// A day at an interval of 1 ms is 86 million pings; the memory for them is bounded by the history.
#[test]
fn memory_does_not_grow_with_the_number_of_pings() {
    let mut pinger =
        Pinger::new(Config { count: None, interval: Duration::from_millis(1), ..config(1) }, at(0));
    let mut settled = 0;
    for ms in 0..200_000 {
        let datagram = pinger.poll_transmit(at(ms), wall(0)).unwrap().datagram.to_vec();
        if ms % 10 > 0 {
            pinger.handle_input(arrival(ms, peer()), &datagram);
        }
        while let Some(happened) = pinger.poll_event() {
            settled += u64::from(matches!(happened.event, Event::Settled(..)));
        }
    }
    assert!(200_000 - settled <= HISTORY as u64 + 300, "{settled} were forgotten");
    assert!(
        pinger.expiries.len() <= 300 && pinger.expiries.capacity() <= 1_024,
        "{}",
        pinger.expiries.capacity()
    );
}

/// The wall clock is set while a ping is in flight: a ping carries its time, but nothing is
/// computed from it.
#[test]
fn wall_clock_step_changes_neither_rtt_nor_deadline() {
    let mut pinger = Pinger::new(config(3), at(0));
    let at_second = |seconds| UnixTime { seconds, nanoseconds: 0 };
    let walls = [at_second(1_700_000_000), at_second(1_700_086_400), at_second(1_000_000_000)];
    let sent = [0, 1, 2]
        .map(|i| pinger.poll_transmit(at(i as u64 * 100), walls[i]).unwrap().datagram.to_vec());
    pinger.handle_input(arrival(210, peer()), &sent[0]);
    pinger.handle_input(arrival(220, peer()), &sent[1]);
    pinger.handle_timeout(at(450));
    assert_eq!(pinger.poll_timeout(), Some(Instant::from_nanos(450_000_001)));
    pinger.handle_timeout(at(451));
    let expected = [reply(1, 210, ReplyKind::InTime), reply(2, 120, ReplyKind::InTime), lost(3)];
    assert_eq!(events(&mut pinger), expected);
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn keyed(size: usize) -> Pinger {
    Pinger::new(
        Config {
            codec: Codec { protocol: Protocol::Text, size, keys: Keys::from_hex(KEY).ok() },
            ..config(1)
        },
        at(0),
    )
}

#[test]
fn with_a_key_the_size_is_still_the_whole_datagrams() {
    for (size, length) in [(0, 27 + 32), (58, 59), (59, 59), (60, 60), (65_507, 65_507)] {
        let mut pinger = keyed(size);
        let datagram = pinger.poll_transmit(at(0), wall(0)).unwrap().datagram.to_vec();
        assert_eq!(datagram.len(), length, "{size}");
        let text =
            Key::from_hex(KEY).unwrap().open(Direction::Request, &datagram).unwrap().to_vec();
        assert_eq!(text.trim_ascii_end(), b"Ping 1 1700000000.000000000");
    }
}

#[test]
fn first_of_two_keys_tags_pings_and_either_may_tag_replies() {
    let keys = ["5a".repeat(16), KEY.to_owned()].map(|digits| Key::from_hex(&digits).unwrap());
    let protocol =
        [Protocol::Text, Protocol::Stamp { ssid: 7, error: ErrorEstimate::of_clock(false) }];
    for (protocol, replying) in
        protocol.into_iter().flat_map(|protocol| keys.iter().map(move |key| (protocol, key)))
    {
        let keys_before = Keys::from_hex(KEY).ok();
        let mut pinger = Pinger::new(
            Config { codec: Codec { protocol, size: 0, keys: keys_before }, ..config(1) },
            at(0),
        );
        pinger.set_keys(Keys::from_hex(&format!("{},{KEY}", "5a".repeat(16))).unwrap());
        let request = pinger.poll_transmit(at(0), wall(0)).unwrap().datagram.to_vec();
        let reply = if protocol == Protocol::Text {
            let text = keys[0].open(Direction::Request, &request).unwrap();
            [text, &replying.tag(Direction::Reply, text)].concat()
        } else {
            let Request { seq, sent, error, ssid } =
                Request::decode(&request, Some(&keys[0])).unwrap();
            let sender = Reply {
                seq,
                sent,
                error,
                ssid,
                received: sent,
                sender_seq: seq,
                sender_sent: sent,
                sender_error: error,
                sender_ttl: 255,
            };
            let mut reply = request.clone();
            sender.encode(Some(replying), &mut reply);
            reply
        };
        pinger.handle_input(arrival(1, peer()), &reply);
        assert_eq!((total(&pinger).received, total(&pinger).foreign), (1, 0), "{protocol:?}");
    }
}

#[test]
fn with_a_key_only_a_reply_with_a_replys_tag_counts() {
    let (key, stranger) = (Key::from_hex(KEY).unwrap(), Key::from_hex(&"5a".repeat(16)).unwrap());
    let mut pinger = keyed(80);
    let request = pinger.poll_transmit(at(0), wall(0)).unwrap().datagram.to_vec();
    let text = &request[..48];
    let sealed = |key: &Key, direction, text: &[u8]| [text, &key.tag(direction, text)].concat();
    for foreign in [
        request.clone(),
        text.to_vec(),
        [text, &[0; 32]].concat(),
        sealed(&stranger, Direction::Reply, text),
        sealed(&key, Direction::Reply, b"Ping 1 1700000000.000000000"),
        sealed(&key, Direction::Reply, text).to_ascii_uppercase(),
    ] {
        pinger.handle_input(arrival(1, peer()), &foreign);
    }
    assert_eq!((total(&pinger).received, total(&pinger).foreign), (0, 6));
    pinger.handle_input(
        arrival(1, peer()),
        &sealed(&key, Direction::Reply, &text.to_ascii_uppercase()),
    );
    assert_eq!(total(&pinger).received, 1);
}

#[test]
fn replies_count_only_from_the_address_their_ping_was_sent_to() {
    let mut pinger = Pinger::new(config(3), at(0));
    let sent: Vec<_> = (0..2)
        .map(|i| pinger.poll_transmit(at(i * 100), wall(i)).unwrap().datagram.to_vec())
        .collect();
    let other = SocketAddr::from(([192, 0, 2, 77], peer().port()));
    assert!(pinger.readdress(0, other, at(150)));
    assert!(!pinger.readdress(0, other, at(150)), "it has that address");
    let departure = pinger.poll_transmit(at(200), wall(200)).unwrap();
    assert_eq!(departure.to, other);
    let third = departure.datagram.to_vec();
    for (from, datagram, counts) in [
        (other, &sent[0], false),
        (peer(), &sent[0], true),
        (peer(), &third, false),
        (other, &third, true),
        (peer(), &sent[1], true),
    ] {
        let before = pinger.results().total.received;
        pinger.handle_input(arrival(210, from), datagram);
        assert_eq!(pinger.results().total.received - before, u64::from(counts), "{from}");
    }
    let events = events(&mut pinger);
    let came_from = events
        .iter()
        .filter_map(|event| if let Event::Reply { from, .. } = event { Some(*from) } else { None });
    assert_eq!(came_from.collect::<Vec<_>>(), [peer(), other, peer()]);
    let changes = events.into_iter().filter(|event| matches!(event, Event::AddressChanged { .. }));
    assert_eq!(
        changes.collect::<Vec<_>>(),
        [Event::AddressChanged { target: 0, from: peer(), to: other }]
    );
}
