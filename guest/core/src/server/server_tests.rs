//! Tests of a server, and of loops with simulated other services, with time as data.

use std::collections::VecDeque;

use super::*;
use crate::server::echo::Echo;
use crate::wire::auth::Direction;
use crate::wire::text::Ping;
use proptest::prelude::*;

pub(crate) const SOURCE: &str = "192.0.2.7:5000";
pub(crate) const WALL: UnixTime = UnixTime { seconds: 1_700_000_000, nanoseconds: 0 };

pub(crate) fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

pub(crate) fn arrival(from: &str) -> Arrival {
    Arrival { from: from.parse().unwrap(), now: at(0), wall: WALL }
}

fn echo(config: Config) -> Server<Echo> {
    Server::new(config, Echo::default())
}

fn upper_casing(config: Config) -> Server<Echo> {
    Server::new(config, Echo { uppercase: true, ..Echo::default() })
}

fn pings_only(config: Config) -> Server<Echo> {
    Server::new(config, Echo { pings_only: true, ..Echo::default() })
}

fn dropping(percent: f64, seed: u64) -> Server<Echo> {
    echo(Config { drop_rate: DropRate::from_percent(percent).unwrap(), seed, ..Config::default() })
}

fn ping(number: u32) -> Vec<u8> {
    format!("Ping {number} 2.5").into_bytes()
}

fn verdicts(percent: f64, seed: u64) -> Vec<Verdict> {
    let mut echo = dropping(percent, seed);
    (0..10_000).map(|i| echo.receive(arrival(SOURCE), &mut ping(i))).collect()
}

/// Returns the verdict of a new server on one datagram.
fn first(config: &Config, from: &str, datagram: &[u8]) -> Verdict {
    echo(config.clone()).receive(arrival(from), &mut datagram.to_vec())
}

#[test]
fn server_with_keys_says_so() {
    assert!(echo(keyed()).is_keyed());
    assert!(!echo(Config::default()).is_keyed());
}

#[test]
fn a_rate_is_a_percentage() {
    for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
        assert_eq!(DropRate::from_percent(percent), None, "{percent}");
    }
}

#[test]
fn none_and_all_are_exact() {
    assert!(verdicts(0.0, 1).iter().all(|&v| v == Verdict::Answer));
    assert!(verdicts(100.0, 1).iter().all(|&v| v == Verdict::Drop));
}

#[test]
fn a_share_is_near_its_rate_and_the_same_for_the_same_seed() {
    let dropped = verdicts(30.0, 7).iter().filter(|&&v| v == Verdict::Drop).count();
    // 10,000 draws at 0.3 have a standard deviation of 46: 250 is more than five of them.
    assert!(dropped.abs_diff(3_000) < 250, "{dropped}");
    assert_eq!(verdicts(30.0, 7), verdicts(30.0, 7));
    assert_ne!(verdicts(30.0, 7), verdicts(30.0, 8));
}

#[test]
fn what_is_refused_does_not_change_which_others_are_dropped() {
    let mut echo = dropping(30.0, 7);
    let mut verdict = |i: u32| {
        echo.receive(arrival("192.0.2.7:0"), &mut ping(i));
        echo.receive(arrival(SOURCE), &mut ping(i))
    };
    assert_eq!((0..10_000).map(&mut verdict).collect::<Vec<_>>(), verdicts(30.0, 7));
}

#[test]
fn an_answer_is_the_same_bytes_or_the_same_upper_cased() {
    for (mut server, answer) in [
        (echo(Config::default()), b"Ping 1 2.0 \xff"),
        (upper_casing(Config::default()), b"PING 1 2.0 \xff"),
    ] {
        let mut datagram = b"Ping 1 2.0 \xff".to_vec();
        assert_eq!(server.receive(arrival(SOURCE), &mut datagram), Verdict::Answer);
        assert_eq!(datagram, answer);
    }
}

#[test]
fn every_datagram_is_counted_once_on_each_side() {
    let mut echo = dropping(100.0, 1);
    echo.receive(arrival(SOURCE), &mut vec![1]);
    echo.config.drop_rate = DropRate(0.0);
    echo.receive(arrival(SOURCE), &mut vec![2]);
    echo.receive(arrival(SOURCE), &mut vec![3]);
    echo.receive(arrival("192.0.2.7:0"), &mut vec![4]);
    echo.answered(1);
    echo.failed(1);
    let mut refused = Refusals::default();
    refused.count(Refusal::PortZero);
    assert_eq!(echo.counts(), Counts { received: 4, answered: 1, dropped: 1, failed: 1, refused });
    assert_eq!((refused.of(Refusal::PortZero), refused.total()), (1, 1));
}

#[test]
fn every_reason_has_its_own_count() {
    for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
        assert_eq!(refusal as usize, index);
    }
}

#[test]
fn it_answers_any_bytes_from_any_host_and_port() {
    for source in [
        "192.0.2.7:1",
        "192.0.2.7:53",
        "192.0.2.7:12000",
        "192.0.2.7:65535",
        "[::1]:5000",
        "[::ffff:192.0.2.7]:5000",
    ] {
        for datagram in [&b""[..], b"\0", b"Ping 1 2.5", &[0xff; 1_400]] {
            assert_eq!(first(&Config::default(), source, datagram), Verdict::Answer, "{source}");
        }
    }
}

#[test]
fn port_0_gets_no_answer() {
    for echo_all in [false, true] {
        let config = Config { echo_all, ..Config::default() };
        for source in ["192.0.2.7:0", "[::1]:0"] {
            assert_eq!(
                first(&config, source, b"Ping 1 2.5"),
                Verdict::Refuse(Refusal::PortZero),
                "{source}"
            );
        }
    }
}

#[test]
fn groups_of_hosts_get_no_answer() {
    for source in
        ["255.255.255.255:5000", "224.0.0.1:5000", "0.0.0.0:5000", "[ff02::1]:5000", "[::]:5000"]
    {
        assert_eq!(
            first(&Config::default(), source, b""),
            Verdict::Refuse(Refusal::NoHost),
            "{source}"
        );
    }
    assert_eq!(
        first(&Config::default(), "[::ffff:224.0.0.1]:5000", b""),
        Verdict::Refuse(Refusal::NoHost)
    );
}

#[test]
fn with_pings_only_nothing_else_is_answered() {
    let first_of_pings = |datagram: &[u8]| {
        pings_only(Config::default()).receive(arrival(SOURCE), &mut datagram.to_vec())
    };
    for datagram in [&b"Ping 1 2.5"[..], b"PING 1 2.5  ", b"ping 4294967295 0 and more"] {
        assert_eq!(first_of_pings(datagram), Verdict::Answer);
    }
    for datagram in [&b""[..], b"Ping", b"Pong 1 2.5", b"Ping x 2.5", b"Ping 1", b"hello"] {
        assert_eq!(first_of_pings(datagram), Verdict::Refuse(Refusal::NoPing));
        assert_eq!(first(&Config::default(), SOURCE, datagram), Verdict::Answer);
    }
}

/// Returns how many of the datagrams that arrive at these times, in milliseconds, are answered.
fn answered(echo: &mut Server<Echo>, datagrams: impl IntoIterator<Item = (u64, Vec<u8>)>) -> usize {
    let verdicts = datagrams.into_iter().map(|(ms, mut datagram)| {
        let arrival = Arrival { now: at(ms), ..arrival(SOURCE) };
        echo.receive(arrival, &mut datagram) == Verdict::Answer
    });
    verdicts.filter(|answers| *answers).count()
}

#[test]
fn new_pings_are_always_answered_and_repeats_are_limited() {
    let mut server = echo(Config::default());
    assert_eq!(answered(&mut server, (0..100_000).map(|i| (0, ping(i)))), 100_000);
    let mut server = echo(Config::default());
    assert_eq!(answered(&mut server, (0..100).map(|_| (0, ping(7)))), 5);
    assert_eq!(answered(&mut server, (1..1_000).map(|i| (i * 100, ping(7)))), 99);
    assert_eq!(server.counts().refused.of(Refusal::Repeated), server.counts().refused.total());
}

#[test]
fn non_pings_are_limited_per_source_to_16_then_one_a_second() {
    let mut server = echo(Config::default());
    assert_eq!(answered(&mut server, (0..100).map(|i| (0, vec![i]))), 16);
    assert_eq!(answered(&mut server, (1..10_000).map(|i| (i * 10, b"hello".to_vec()))), 99);
    assert_eq!(server.counts().refused.of(Refusal::RateExceeded), server.counts().refused.total());
    for source in ["192.0.2.7:5001", "192.0.2.8:5000"] {
        assert_eq!(server.receive(arrival(source), &mut b"hello".to_vec()), Verdict::Answer);
    }
    // Pings of the same source are not affected.
    assert_eq!(answered(&mut server, (0..1_000).map(|i| (100_000, ping(i)))), 1_000);
}

#[test]
fn a_constant_payload_once_a_second_is_answered_for_ever() {
    for payload in [&b""[..], b"hello", b"Ping 1 2.5", &[0; 44]] {
        let mut server = echo(Config::default());
        assert_eq!(
            answered(&mut server, (0..100_000).map(|i| (i * 1_000, payload.to_vec()))),
            100_000
        );
    }
}

#[test]
fn with_echo_all_everything_is_answered_at_any_rate() {
    let mut server = echo(Config { echo_all: true, ..Config::default() });
    for payload in [&b"hello"[..], b"Ping 1 2.5"] {
        assert_eq!(answered(&mut server, (0..1_000).map(|_| (0, payload.to_vec()))), 1_000);
    }
}

#[test]
fn with_a_key_echo_all_makes_no_difference() {
    let mut server = echo(Config { echo_all: true, ..keyed() });
    assert_eq!(answered(&mut server, (0..10).map(|_| (0, tagged(7, WALL)))), 5);
}

/// A host of a simulated network. It turns a datagram into its answer, and returns whether there is
/// one.
pub(crate) type Host<'a> = &'a mut dyn FnMut(SocketAddr, &mut Vec<u8>) -> bool;

/// Creates a host from a server of this crate.
pub(crate) fn ours<P: Protocol>(
    mut server: Server<P>,
) -> impl FnMut(SocketAddr, &mut Vec<u8>) -> bool {
    let mut now = at(0);
    move |from, datagram| {
        now = now + Duration::from_millis(1);
        let wall = |now: Instant| {
            let since_start = Duration::from_nanos(now.as_nanos());
            UnixTime {
                seconds: WALL.seconds + since_start.as_secs(),
                nanoseconds: since_start.subsec_nanos(),
            }
        };
        let answers =
            server.receive(Arrival { from, now, wall: wall(now) }, datagram) == Verdict::Answer;
        server.depart(
            || wall(now + Duration::from_micros(20)),
            answers.then_some(datagram.as_mut_slice()).into_iter(),
        );
        answers
    }
}

/// Any other echo server.
pub(crate) fn foreign(_: SocketAddr, _: &mut Vec<u8>) -> bool {
    true
}

/// Sends `forged` to `a` with `b` as their source, and returns the number of datagrams until no
/// more are sent.
pub(crate) fn datagrams_until_silence(
    (address_of_a, a): (SocketAddr, Host<'_>),
    (address_of_b, b): (SocketAddr, Host<'_>),
    forged: &[&[u8]],
) -> usize {
    let mut under_way: VecDeque<_> =
        forged.iter().map(|datagram| (true, datagram.to_vec())).collect();
    let mut count = 0;
    while let Some((to_a, mut datagram)) = under_way.pop_front() {
        count += 1;
        assert!(count < 1_000_000, "a loop");
        let answers =
            if to_a { a(address_of_b, &mut datagram) } else { b(address_of_a, &mut datagram) };
        if answers {
            under_way.push_back((!to_a, datagram));
        }
    }
    count
}

pub(crate) fn host(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

#[test]
fn two_of_ours_are_soon_silent() {
    let (mut a, mut b) = (ours(echo(Config::default())), ours(echo(Config::default())));
    // The forged one, and five answers by each.
    assert_eq!(
        datagrams_until_silence(
            (host(1, 12_000), &mut a),
            (host(2, 12_001), &mut b),
            &[b"Ping 1 2.5"]
        ),
        11
    );
}

#[test]
fn ours_and_a_foreign_echo_are_soon_silent() {
    for (port, forged, count) in
        [(7_777, "Ping 1 2.5", 11), (7, "Ping 1 2.5", 11), (12_000, "hello", 33)]
    {
        let mut a = ours(echo(Config::default()));
        let b: Host<'_> = &mut foreign;
        assert_eq!(
            datagrams_until_silence(
                (host(1, 12_000), &mut a),
                (host(2, port), b),
                &[forged.as_bytes()]
            ),
            count
        );
    }
}

#[test]
fn one_that_upper_cases_and_one_that_does_not_are_soon_silent() {
    let servers = || (upper_casing(Config::default()), echo(Config::default()));
    for (a, b) in [servers(), {
        let (upper, plain) = servers();
        (plain, upper)
    }] {
        let (mut a, mut b) = (ours(a), ours(b));
        let count = datagrams_until_silence(
            (host(1, 12_000), &mut a),
            (host(2, 12_001), &mut b),
            &[b"Ping 1 2.5"],
        );
        assert!(count <= 16, "{count}");
    }
}

#[test]
fn many_different_datagrams_at_a_time_are_soon_silent_too() {
    for (forged, most) in [
        // Sixteen of them go back and forth once, and one more in each second that this takes.
        ((0..1_000_u32).map(|i| i.to_be_bytes().to_vec()).collect::<Vec<_>>(), 1_000 + 2 * 18),
        // A round takes a second here.
        ((0..1_000).map(ping).collect(), 40_000),
    ] {
        let mut a = ours(echo(Config::default()));
        let forged: Vec<_> = forged.iter().map(|datagram| &datagram[..]).collect();
        let count = datagrams_until_silence(
            (host(1, 12_000), &mut a),
            (host(2, 7_777), &mut foreign),
            &forged,
        );
        assert!(count <= most, "{count}");
    }
}

const DIGITS: &str = "000102030405060708090a0b0c0d0e0f";

pub(crate) fn key() -> Key {
    Key::from_hex(DIGITS).unwrap()
}

fn keyed() -> Config {
    let keyed = Keyed { keys: key().into(), replay_window: Duration::from_mins(1) };
    Config { keyed: Some(keyed), ..Config::default() }
}

/// Returns a ping with that time and a request's tag.
fn tagged(seq: u32, sent_at: UnixTime) -> Vec<u8> {
    let mut message = Vec::new();
    Ping { seq: Seq(seq), sent_at }.encode(32, &mut message);
    sealed(&key(), Direction::Request, &message)
}

pub(crate) fn sealed(key: &Key, direction: Direction, message: &[u8]) -> Vec<u8> {
    [message, &key.tag(direction, message)].concat()
}

#[test]
fn with_a_key_the_answer_is_the_message_with_a_replys_tag() {
    for (mut server, text) in [
        (echo(keyed()), b"Ping 7 1700000000.000000000\t\t\t\t\t"),
        (upper_casing(keyed()), b"PING 7 1700000000.000000000\t\t\t\t\t"),
    ] {
        let mut datagram = tagged(7, WALL);
        assert_eq!(server.receive(arrival(SOURCE), &mut datagram), Verdict::Answer);
        assert_eq!(key().open(Direction::Reply, &datagram), Some(&text[..]));
    }
}

/// The server's own key, and one that replaces it.
pub(crate) fn two_keys() -> (Keys, [Key; 2]) {
    let new = "a5".repeat(16);
    (Keys::from_hex(&format!("{DIGITS},{new}")).unwrap(), [key(), Key::from_hex(&new).unwrap()])
}

#[test]
fn each_request_is_answered_with_its_key_until_it_is_removed() {
    let (both, keys) = two_keys();
    let mut server = echo(keyed());
    let answer = |server: &mut Server<Echo>, key: &Key, seq| {
        let mut datagram =
            sealed(key, Direction::Request, format!("Ping {seq} 1700000000.0").as_bytes());
        let verdict = server.receive(arrival(SOURCE), &mut datagram);
        server.depart(|| WALL, iter::once(datagram.as_mut_slice()));
        (verdict, key.open(Direction::Reply, &datagram).is_some())
    };
    let (answered, refused) =
        ((Verdict::Answer, true), (Verdict::Refuse(Refusal::Unauthentic), false));
    assert_eq!(keys.each_ref().map(|key| answer(&mut server, key, 1)), [answered, refused]);
    server.set_keys(both);
    assert_eq!(keys.each_ref().map(|key| answer(&mut server, key, 2)), [answered, answered]);
    server.set_keys(keys[1].clone().into());
    assert_eq!(keys.each_ref().map(|key| answer(&mut server, key, 3)), [refused, answered]);
    let stranger = Key::from_hex(&"5a".repeat(16)).unwrap();
    assert_eq!(answer(&mut server, &stranger, 4), refused);
}

#[test]
fn keys_that_come_later_make_no_open_server_a_keyed_one() {
    let mut server = echo(Config::default());
    server.set_keys(key().into());
    assert_eq!(server.receive(arrival(SOURCE), &mut b"hello".to_vec()), Verdict::Answer);
}

#[test]
fn a_ping_is_logged_with_its_number_which_ends_before_the_tag() {
    let short = sealed(&key(), Direction::Request, b"Ping 7 1700000000.0");
    assert_eq!(echo(keyed()).seq(&short), Some(Seq(7)));
    assert_eq!(echo(Config::default()).seq(b"PING 7 1.5"), Some(Seq(7)));
    for other in [&b""[..], b"Pong 7 1.5"] {
        assert_eq!((echo(keyed()).seq(other), echo(Config::default()).seq(other)), (None, None));
    }
}

#[test]
fn with_a_key_strangers_get_no_answer() {
    let stranger = Key::from_hex(&"5a".repeat(16)).unwrap();
    let message = b"Ping 7 1700000000.0";
    for datagram in [
        b"".to_vec(),
        message.to_vec(),
        vec![b'x'; 32],
        sealed(&stranger, Direction::Request, message),
        sealed(&key(), Direction::Reply, message),
    ] {
        assert_eq!(
            first(&keyed(), SOURCE, &datagram),
            Verdict::Refuse(Refusal::Unauthentic),
            "{datagram:?}"
        );
    }
}

#[test]
fn with_a_key_what_carries_no_time_is_refused() {
    for message in [&b""[..], b"hello", b"Ping 7"] {
        let datagram = sealed(&key(), Direction::Request, message);
        assert_eq!(first(&keyed(), SOURCE, &datagram), Verdict::Refuse(Refusal::NoPing));
    }
}

#[test]
fn a_ping_is_good_for_the_window_before_and_after_its_time() {
    let time =
        |seconds, nanoseconds| UnixTime { seconds: WALL.seconds - 100 + seconds, nanoseconds };
    for (sent_at, verdict) in [
        (time(40, 0), Verdict::Answer),
        (time(160, 0), Verdict::Answer),
        (time(39, 999_999_999), Verdict::Refuse(Refusal::Stale)),
        (time(160, 1), Verdict::Refuse(Refusal::Stale)),
        (UnixTime { seconds: 0, nanoseconds: 0 }, Verdict::Refuse(Refusal::Stale)),
        (UnixTime { seconds: u64::MAX, nanoseconds: 999_999_999 }, Verdict::Refuse(Refusal::Stale)),
    ] {
        assert_eq!(first(&keyed(), SOURCE, &tagged(7, sent_at)), verdict, "{sent_at}");
    }
}

#[test]
fn recorded_ping_is_answered_five_times_from_any_source() {
    let mut echo = echo(keyed());
    // In seconds; the ping's own time is 60, so its window is from 0 to 120.
    let mut verdict = |second: u64| {
        let from = host(second as u8 + 1, 5_000 + second as u16);
        let wall = UnixTime { seconds: WALL.seconds - 60 + second, ..WALL };
        echo.receive(Arrival { from, now: at(second * 1_000), wall }, &mut tagged(7, WALL))
    };
    for second in 0..5 {
        assert_eq!(verdict(second), Verdict::Answer);
    }
    assert_eq!(verdict(119), Verdict::Refuse(Refusal::Repeated));
    assert_eq!(verdict(120), Verdict::Refuse(Refusal::Repeated));
    assert_eq!(verdict(121), Verdict::Refuse(Refusal::Stale));
    assert_eq!(echo.receive(arrival(SOURCE), &mut tagged(8, WALL)), Verdict::Answer);
}

#[test]
fn strangers_leave_no_trace_in_the_table() {
    let mut echo = echo(keyed());
    let stranger = vec![b'x'; 64];
    for _ in 0..100 {
        assert_eq!(
            echo.receive(arrival(SOURCE), &mut stranger.clone()),
            Verdict::Refuse(Refusal::Unauthentic)
        );
    }
}

#[test]
fn with_a_key_a_loop_does_not_begin() {
    let forged = tagged(7, WALL);
    let mut a = ours(echo(keyed()));
    assert_eq!(
        datagrams_until_silence(
            (host(1, 12_000), &mut a),
            (host(2, 7_777), &mut foreign),
            &[&forged]
        ),
        3
    );
    let (mut a, mut b) = (ours(echo(keyed())), ours(echo(keyed())));
    assert_eq!(
        datagrams_until_silence((host(1, 12_000), &mut a), (host(2, 12_001), &mut b), &[&forged]),
        2
    );
}

#[test]
fn rejection_reason_is_the_first_failing_check() {
    // Each case has one reason less than the one before.
    for (from, direction, message, refusal) in [
        ("224.0.0.1:0", Direction::Reply, &b"Pong"[..], Refusal::PortZero),
        ("224.0.0.1:5000", Direction::Reply, b"Pong", Refusal::NoHost),
        (SOURCE, Direction::Reply, b"Pong", Refusal::Unauthentic),
        (SOURCE, Direction::Request, b"Pong", Refusal::NoPing),
    ] {
        let verdict = echo(keyed()).receive(arrival(from), &mut sealed(&key(), direction, message));
        assert_eq!(verdict, Verdict::Refuse(refusal), "{from}");
    }
    let stale = tagged(7, UnixTime { seconds: 0, nanoseconds: 0 });
    let mut echo = echo(keyed());
    assert!(
        (0..9).all(|_| echo.receive(arrival(SOURCE), &mut stale.clone())
            == Verdict::Refuse(Refusal::Stale))
    );
}

proptest! {
    #[test]
    fn no_bytes_from_anywhere_make_it_panic_or_change_their_length(
        datagrams: Vec<Vec<u8>>, ip: u128, port: u16, with_key: bool, pings_only: bool, uppercase: bool,
    ) {
        let config = if with_key { keyed() } else { Config::default() };
        let mut server = Server::new(config, Echo { uppercase, pings_only });
        let from = SocketAddr::from((std::net::Ipv6Addr::from_bits(ip), port));
        for datagram in datagrams {
            let mut answer = datagram.clone();
            let verdict = server.receive(Arrival { from, ..arrival(SOURCE) }, &mut answer);
            prop_assert_eq!(answer.len(), datagram.len());
            prop_assert!(verdict == Verdict::Answer || answer == datagram);
        }
    }
}
