//! A pinger and a scripted network, with time as data.

use super::*;

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

fn config(count: u32) -> Config {
    Config {
        peer: peer(),
        count: NonZeroU32::new(count).unwrap(),
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(250),
        size: 32,
        key: None,
    }
}

/// A pinger that has sent all its pings on the grid, and the datagrams it sent.
fn after_sending(count: u32) -> (Pinger, Vec<Vec<u8>>) {
    let mut pinger = Pinger::new(config(count), at(0));
    let sent = (0..u64::from(count)).map(|i| pinger.poll_send(at(i * 100), wall(i)).unwrap().1.to_vec()).collect();
    (pinger, sent)
}

fn events(pinger: &mut Pinger) -> Vec<Event> {
    std::iter::from_fn(|| pinger.poll_event()).collect()
}

fn reply(seq: u32, rtt_ms: u64, kind: ReplyKind) -> Event {
    Event::Reply { seq: Seq(seq), bytes: 32, rtt: Duration::from_millis(rtt_ms), kind }
}

#[test]
fn pings_are_numbered_from_one_and_sent_on_the_grid_whether_or_not_replies_come() {
    let mut pinger = Pinger::new(config(2), at(0));
    assert_eq!(pinger.next_wake(), Some(at(0)));
    let (seq, datagram) = pinger.poll_send(at(0), wall(3)).unwrap();
    assert_eq!((seq, datagram), (Seq(1), &b"Ping 1 1700000000.000003000     "[..]));
    assert_eq!(pinger.poll_send(at(99), wall(0)), None);
    assert_eq!(pinger.next_wake(), Some(at(100)));
    assert_eq!(pinger.poll_send(at(103), wall(0)).unwrap().0, Seq(2));
    assert_eq!(pinger.poll_send(at(200), wall(0)), None);
}

#[test]
fn the_run_is_over_as_soon_as_every_ping_is_answered() {
    let (mut pinger, sent) = after_sending(2);
    pinger.handle_datagram(at(110), peer(), &sent[1]);
    assert!(!pinger.is_over());
    pinger.handle_datagram(at(120), peer(), &sent[0]);
    assert!(pinger.is_over());
    assert_eq!(events(&mut pinger), [reply(2, 10, ReplyKind::InTime), reply(1, 120, ReplyKind::InTime)]);
}

#[test]
fn lost_late_and_duplicate_are_counted_apart() {
    let (mut pinger, sent) = after_sending(3);
    pinger.handle_datagram(at(210), peer(), &sent[2]);
    pinger.handle_datagram(at(215), peer(), &sent[2]);
    // Pings 1 and 2 time out just after 250 and 350 ms; 1 is answered at 360 all the same.
    assert_eq!(pinger.next_wake(), Some(Instant::from_nanos(250_000_001)));
    pinger.handle_datagram(at(360), peer(), &sent[0]);
    assert!(pinger.is_over());
    assert_eq!(
        events(&mut pinger),
        [
            reply(3, 10, ReplyKind::InTime),
            reply(3, 15, ReplyKind::Duplicate),
            Event::Lost(Seq(1)),
            Event::Lost(Seq(2)),
            reply(1, 360, ReplyKind::Late),
        ]
    );
    let ten = Duration::from_millis(10);
    assert_eq!(
        pinger.summary(),
        Summary {
            sent: 3,
            received: 1,
            late: 1,
            lost: 1,
            awaited: 0,
            duplicates: 1,
            foreign: 0,
            send_errors: 0,
            missed_slots: 0,
            rtt: Some(RttSummary { min: ten, avg: ten, max: ten, mdev: Duration::ZERO }),
        }
    );
}

#[test]
fn a_reply_may_be_upper_cased_and_nothing_else() {
    let (mut pinger, sent) = after_sending(4);
    pinger.handle_datagram(at(301), peer(), &sent[0].to_ascii_uppercase());
    let mut tampered = sent[1].clone();
    tampered[20] ^= 1;
    let mut longer = sent[2].clone();
    longer.push(b' ');
    for foreign in [&tampered[..], &longer, &sent[3][..31], b"", b"Ping 9 1700000000.0"] {
        pinger.handle_datagram(at(301), peer(), foreign);
    }
    assert_eq!(pinger.summary().received, 0, "ping 1 was sent 301 ms before");
    assert_eq!((pinger.summary().late, pinger.summary().foreign), (1, 5));
}

#[test]
fn a_reply_from_another_address_or_port_is_foreign() {
    let (mut pinger, sent) = after_sending(1);
    for from in ["192.0.2.8:12000", "192.0.2.7:12001"] {
        let from = from.parse().unwrap();
        pinger.handle_datagram(at(1), from, &sent[0]);
        assert_eq!(events(&mut pinger), [Event::Foreign { from, bytes: 32 }]);
    }
    pinger.handle_datagram(at(2), peer(), &sent[0]);
    assert_eq!(events(&mut pinger), [reply(1, 2, ReplyKind::InTime)]);
}

#[test]
fn a_datagram_that_the_socket_refused_is_not_sent_not_lost_and_not_awaited() {
    let (mut pinger, sent) = after_sending(2);
    pinger.not_sent(Seq(2), "no buffer".to_owned());
    pinger.handle_datagram(at(101), peer(), &sent[0]);
    assert!(pinger.is_over());
    let summary = pinger.summary();
    assert_eq!((summary.sent, summary.received, summary.lost, summary.send_errors), (1, 1, 0, 1));
}

#[test]
fn a_stopped_run_is_over_and_says_what_was_still_awaited() {
    let (mut pinger, sent) = after_sending(3);
    pinger.handle_datagram(at(201), peer(), &sent[1]);
    pinger.stop();
    assert!(pinger.is_over());
    assert_eq!(pinger.poll_send(at(300), wall(0)), None);
    let summary = pinger.summary();
    assert_eq!((summary.sent, summary.received, summary.lost, summary.awaited), (3, 1, 0, 2));
    assert_eq!(summary.loss_percent(), 0.0);
}

#[test]
fn grid_points_missed_take_no_sequence_number() {
    let mut pinger = Pinger::new(config(2), at(0));
    assert_eq!(pinger.poll_send(at(0), wall(0)).unwrap().0, Seq(1));
    assert_eq!(pinger.poll_send(at(520), wall(0)).unwrap().0, Seq(2));
    assert_eq!(pinger.summary().missed_slots, 4);
}

/// The wall clock is set while a ping is under way: a ping carries its time, and nothing is computed from it.
#[test]
fn a_step_of_the_wall_clock_changes_no_round_trip_and_no_deadline() {
    let mut pinger = Pinger::new(config(3), at(0));
    let at_second = |seconds| UnixTime { seconds, nanoseconds: 0 };
    let walls = [at_second(1_700_000_000), at_second(1_700_086_400), at_second(1_000_000_000)];
    let sent = [0, 1, 2].map(|i| pinger.poll_send(at(i as u64 * 100), walls[i]).unwrap().1.to_vec());
    pinger.handle_datagram(at(210), peer(), &sent[0]);
    pinger.handle_datagram(at(220), peer(), &sent[1]);
    pinger.handle_timeout(at(450));
    assert_eq!(pinger.next_wake(), Some(Instant::from_nanos(450_000_001)));
    pinger.handle_timeout(at(451));
    let expected = [reply(1, 210, ReplyKind::InTime), reply(2, 120, ReplyKind::InTime), Event::Lost(Seq(3))];
    assert_eq!(events(&mut pinger), expected);
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn keyed(size: usize) -> Pinger {
    Pinger::new(Config { size, key: Key::from_hex(KEY).ok(), ..config(1) }, at(0))
}

#[test]
fn with_a_key_the_size_is_still_the_whole_datagrams() {
    for (size, length) in [(0, 27 + 32), (58, 59), (59, 59), (60, 60), (65_507, 65_507)] {
        let mut pinger = keyed(size);
        let datagram = pinger.poll_send(at(0), wall(0)).unwrap().1.to_vec();
        assert_eq!(datagram.len(), length, "{size}");
        let text = Key::from_hex(KEY).unwrap().open(Direction::Request, &datagram).unwrap().to_vec();
        assert_eq!(text.trim_ascii_end(), b"Ping 1 1700000000.000000000");
    }
}

#[test]
fn with_a_key_only_a_reply_with_a_replys_tag_counts() {
    let (key, stranger) = (Key::from_hex(KEY).unwrap(), Key::from_hex(&"5a".repeat(16)).unwrap());
    let mut pinger = keyed(80);
    let request = pinger.poll_send(at(0), wall(0)).unwrap().1.to_vec();
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
        pinger.handle_datagram(at(1), peer(), &foreign);
    }
    assert_eq!((pinger.summary().received, pinger.summary().foreign), (0, 6));
    pinger.handle_datagram(at(1), peer(), &sealed(&key, Direction::Reply, &text.to_ascii_uppercase()));
    assert_eq!(pinger.summary().received, 1);
}
