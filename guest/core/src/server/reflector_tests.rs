//! Tests of a reflector behind the checks that every server has, and of loops with other services,
//! with time as data.

use std::iter;
use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::server::tests::{
    SOURCE, WALL, arrival, at, datagrams_until_silence, foreign, host, key, ours, sealed, two_keys,
};
use crate::server::{Config, DropRate, Keyed, Server, Verdict};
use crate::wire::auth::Direction;
use crate::wire::stamp::{AUTHENTICATED, Format, UNAUTHENTICATED};
use crate::wire::text::Ping;
use proptest::prelude::*;

fn stateless() -> Reflector {
    Reflector { clock: ErrorEstimate::from_bits(0x9980), sessions: None, twamp_light: false }
}

fn stateful() -> Reflector {
    Reflector { sessions: Some(Sessions::new(1)), ..stateless() }
}

fn twamp_light() -> Reflector {
    Reflector { twamp_light: true, ..stateless() }
}

fn keyed() -> Config {
    let keyed = Keyed { keys: key().into(), replay_window: Duration::from_mins(1) };
    Config { keyed: Some(keyed), ..Config::default() }
}

/// Both modes: without a key, and with.
fn modes() -> [Config; 2] {
    [Config::default(), keyed()]
}

fn of(config: &Config) -> Option<&Key> {
    config.keyed.as_ref().map(|keyed| keyed.keys.first())
}

/// Returns request `seq`, sent at `WALL`.
fn request(seq: u32) -> Request {
    Request {
        seq: Seq(seq),
        sent: Timestamp::ntp(WALL),
        error: ErrorEstimate::from_bits(0x12a4),
        ssid: 0xbeef,
    }
}

fn encoded(request: Request, size: usize, key: Option<&Key>) -> Vec<u8> {
    let mut datagram = Vec::new();
    request.encode(size, key, &mut datagram);
    datagram
}

/// Returns the answer of `server` to a datagram from `from` that arrives half a second after `WALL`
/// and is answered a quarter of a second later.
fn reflected(
    server: &mut Server<Reflector>,
    from: &str,
    mut datagram: Vec<u8>,
) -> Result<Vec<u8>, Verdict> {
    let time = |nanoseconds| UnixTime { nanoseconds, ..WALL };
    match server.receive(Arrival { wall: time(500_000_000), ..arrival(from) }, &mut datagram) {
        Verdict::Answer => {
            server.depart(|| time(750_000_000), iter::once(datagram.as_mut_slice()));
            Ok(datagram)
        }
        verdict => Err(verdict),
    }
}

/// Returns the answer of a new server to a datagram.
fn first(
    config: &Config,
    reflector: Reflector,
    from: &str,
    datagram: &[u8],
) -> Result<Vec<u8>, Verdict> {
    reflected(&mut Server::new(config.clone(), reflector), from, datagram.to_vec())
}

fn refused(refusal: Refusal) -> Result<Vec<u8>, Verdict> {
    Err(Verdict::Refuse(refusal))
}

fn bytes(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    base16ct::lower::decode_vec(digits).unwrap()
}

/// RFC 8762, figure 5, worked out by hand: 3,908,988,800 is e8fe6f80.
#[test]
fn an_unauthenticated_reply_is_as_the_figure_has_it() {
    let request = bytes(
        "0102030a e8fe6f80 00000000 12a4 beef 00000000 00000000 00000000 00000000 00000000 00000000 00000000 4d4f5245",
    );
    let reply = bytes(
        "0102030a e8fe6f80 c0000000 9980 beef e8fe6f80 80000000
         0102030a e8fe6f80 00000000 12a4 0000 ff000000 4d4f5245",
    );
    assert_eq!(first(&Config::default(), stateless(), SOURCE, &request), Ok(reply));
}

/// RFC 8762, figure 6, worked out by hand. The HMACs are from Python:
/// `hmac.digest(bytes(range(16)), bytes.fromhex(...), "sha256")[:16]`, of the first 96 bytes.
#[test]
fn an_authenticated_reply_is_as_the_figure_has_it() {
    let zeros = "00000000 ".repeat(17);
    let request = bytes(&format!(
        "0102030a 00000000 00000000 00000000 e8fe6f80 00000000 12a4 beef {zeros} 2fd4236641ba3aa269ff4db92202089b 4d4f5245"
    ));
    let reply = bytes(
        "0102030a 00000000 00000000 00000000 e8fe6f80 c0000000 9980 beef 00000000
         e8fe6f80 80000000 00000000 00000000
         0102030a 00000000 00000000 00000000 e8fe6f80 00000000 12a4 0000 00000000
         ff000000 00000000 00000000 00000000 0534d18341cf53a2e3b28dabec8331c5 00000000",
    );
    assert_eq!(first(&keyed(), stateless(), SOURCE, &request), Ok(reply));
}

#[test]
fn a_reply_is_as_long_as_its_request() {
    for config in modes() {
        let least = if config.keyed.is_some() { AUTHENTICATED } else { UNAUTHENTICATED };
        for length in [least, least + 1, 200, 1_400, 65_507] {
            let datagram = encoded(request(7), length, of(&config));
            let reply = first(&config, stateless(), SOURCE, &datagram).unwrap();
            assert_eq!(reply.len(), length);
            assert_eq!(
                Reply::decode(&reply, of(&config)).map(|reply| reply.sender_seq),
                Ok(Seq(7))
            );
        }
    }
}

/// RFC 8762, section 4.3, and for the second case RFC 8972, section 4.8.
#[test]
fn trailing_bytes_are_echoed_or_zeroed_when_a_key_is_set() {
    for (config, expected) in modes().into_iter().zip([&b"more"[..], b"\0\0\0\0"]) {
        let datagram = [&encoded(request(7), 0, of(&config))[..], b"more"].concat();
        let reply = first(&config, stateless(), SOURCE, &datagram).unwrap();
        assert!(reply.ends_with(expected), "{reply:?}");
        assert_eq!(reply.len(), datagram.len());
    }
}

#[test]
fn a_recorded_request_is_not_another_one_for_what_is_appended() {
    let mut server = Server::new(keyed(), stateless());
    let recorded = encoded(request(7), 0, Some(&key()));
    let answered = (0..2_000_u32).filter(|i| {
        let datagram = [&recorded[..], &i.to_be_bytes()].concat();
        let from = host(2, 1_024 + *i as u16).to_string();
        reflected(&mut server, &from, datagram).is_ok_and(|reply| reply[AUTHENTICATED..] == [0; 4])
    });
    assert_eq!(answered.count(), 5);
}

#[test]
fn stateless_reply_echoes_seq_and_stateful_counts_per_session() {
    for config in modes() {
        let mut servers =
            [stateless(), stateful()].map(|reflector| Server::new(config.clone(), reflector));
        let mut seqs = |from, ssid, seq| {
            let datagram = encoded(Request { ssid, ..request(seq) }, 0, of(&config));
            let replies = servers.each_mut().map(|server| {
                let reply = reflected(server, from, datagram.clone()).unwrap();
                Reply::decode(&reply, of(&config)).unwrap()
            });
            assert!(replies.iter().all(|reply| reply.sender_seq == Seq(seq) && reply.ssid == ssid));
            replies.map(|reply| reply.seq.0)
        };
        assert_eq!(seqs(SOURCE, 1, 70), [70, 0]);
        assert_eq!(seqs(SOURCE, 1, 75), [75, 1]);
        assert_eq!(seqs(SOURCE, 2, 80), [80, 0], "another session");
        assert_eq!(seqs("192.0.2.7:5001", 1, 90), [90, 0]);
        assert_eq!(seqs("192.0.2.8:5000", 1, 90), [90, 0]);
        assert_eq!(
            seqs(SOURCE, 1, 75),
            [75, 2],
            "a request that the network duplicated is answered twice"
        );
        assert_eq!(seqs(SOURCE, 1, u32::MAX), [u32::MAX, 3]);
    }
}

#[test]
fn a_count_is_of_replies_and_not_of_what_was_dropped_or_refused() {
    let drop_rate = DropRate::from_percent(50.0).unwrap();
    let mut server = Server::new(Config { drop_rate, seed: 7, ..Config::default() }, stateful());
    let mut seqs = Vec::new();
    for seq in 0..1_000 {
        match reflected(&mut server, SOURCE, encoded(request(seq), 0, None)) {
            Ok(reply) => seqs.push(Reply::decode(&reply, None).unwrap().seq.0),
            Err(verdict) => assert_eq!(verdict, Verdict::Drop),
        }
        assert_eq!(reflected(&mut server, SOURCE, vec![0; 44]), refused(Refusal::NoPing));
    }
    let counts = server.counts();
    assert!(counts.dropped > 200 && counts.refused.total() == 1_000, "{counts:?}");
    let answers = counts.received - counts.dropped - counts.refused.total();
    assert_eq!(seqs, (0..answers as u32).collect::<Vec<_>>());
}

#[test]
fn answers_of_one_batch_share_a_departure_time() {
    for config in modes() {
        let mut server = Server::new(config.clone(), stateless());
        let mut answers: Vec<_> = (0..3).map(|seq| encoded(request(seq), 0, of(&config))).collect();
        for answer in &mut answers {
            assert_eq!(server.receive(arrival(SOURCE), answer), Verdict::Answer);
        }
        for (count, nanoseconds) in [(3, 5_000), (1, 9_000)] {
            let departing = answers[3 - count..].iter_mut().map(Vec::as_mut_slice);
            server.depart(|| UnixTime { nanoseconds, ..WALL }, departing);
        }
        let replies: Vec<_> =
            answers.iter().map(|answer| Reply::decode(answer, of(&config)).unwrap()).collect();
        let after_arrival =
            replies.iter().map(|reply| reply.sent.nanos_since(reply.received, Format::Ntp));
        assert_eq!(
            after_arrival.collect::<Vec<_>>(),
            [5_000, 5_000, 9_000],
            "what did not leave was stamped again"
        );
    }
}

#[test]
fn what_is_shorter_than_a_base_packet_gets_no_answer() {
    for length in 0..UNAUTHENTICATED {
        let datagram = &encoded(request(7), 0, None)[..length];
        assert_eq!(
            first(&Config::default(), stateless(), SOURCE, datagram),
            refused(Refusal::NoPing),
            "{length}"
        );
    }
}

#[test]
fn twamp_light_gets_the_base_packet_for_what_is_shorter() {
    for length in 0..UNAUTHENTICATED {
        // What follows the fifth field is padding; no part of it is taken for an SSID.
        let datagram = [&encoded(request(7), 0, None)[..TWAMP], &[0x5a; 30]].concat();
        let reply = first(&Config::default(), twamp_light(), SOURCE, &datagram[..length]);
        if length < TWAMP {
            assert_eq!(reply, refused(Refusal::NoPing), "{length}");
            continue;
        }
        let reply = reply.unwrap();
        assert_eq!(reply.len(), UNAUTHENTICATED);
        let reply = Reply::decode(&reply, None).unwrap();
        assert_eq!((reply.seq, reply.ssid, reply.sender_seq), (Seq(7), 0, Seq(7)));
        assert_eq!((reply.sender_sent, reply.sender_error), (request(7).sent, request(7).error));
    }
}

#[test]
fn with_a_key_there_is_no_twamp_light() {
    for length in 0..AUTHENTICATED {
        let datagram = &encoded(request(7), 0, Some(&key()))[..length];
        assert_eq!(
            first(&keyed(), twamp_light(), SOURCE, datagram),
            refused(Refusal::Unauthentic),
            "{length}"
        );
    }
}

#[test]
fn request_without_an_error_estimate_is_not_answered() {
    let request = Request { error: ErrorEstimate::from_bits(0x8100), ..request(7) };
    for config in modes() {
        let datagram = encoded(request, 0, of(&config));
        assert_eq!(first(&config, stateless(), SOURCE, &datagram), refused(Refusal::NoPing));
    }
    let short = &encoded(request, 0, None)[..TWAMP];
    assert_eq!(first(&Config::default(), twamp_light(), SOURCE, short), refused(Refusal::NoPing));
}

#[test]
fn it_has_the_guards_that_every_server_has() {
    for config in modes() {
        let datagram = encoded(request(7), 0, of(&config));
        for (from, refusal) in [
            ("192.0.2.7:0", Refusal::PortZero),
            ("224.0.0.1:5000", Refusal::NoHost),
            ("[::]:5000", Refusal::NoHost),
        ] {
            assert_eq!(first(&config, stateless(), from, &datagram), refused(refusal), "{from}");
        }
        for from in ["192.0.2.7:1", "192.0.2.7:862", "192.0.2.7:12000"] {
            assert!(first(&config, stateless(), from, &datagram).is_ok(), "{from}");
        }
        let all = Config { drop_rate: DropRate::from_percent(100.0).unwrap(), ..config.clone() };
        assert_eq!(first(&all, stateless(), SOURCE, &datagram), Err(Verdict::Drop));

        let mut server = Server::new(config, stateless());
        let answered =
            (0..9).take_while(|_| reflected(&mut server, SOURCE, datagram.clone()).is_ok()).count();
        assert_eq!(answered, 5);
        assert_eq!(reflected(&mut server, SOURCE, datagram), refused(Refusal::Repeated));
    }
}

#[test]
fn each_batched_answer_uses_its_requests_key_also_when_resent() {
    let (both, keys) = two_keys();
    let mut server = Server::new(keyed(), stateless());
    server.set_keys(both);
    let mut answers: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(seq, key)| encoded(request(seq as u32), 0, Some(key)))
        .collect();
    for answer in &mut answers {
        assert_eq!(server.receive(arrival(SOURCE), answer), Verdict::Answer);
    }
    for nanoseconds in [250_000_000, 500_000_000] {
        let left = UnixTime { nanoseconds, ..WALL };
        server.depart(|| left, answers.iter_mut().map(Vec::as_mut_slice));
        for (answer, (own, other)) in answers.iter().zip([(0, 1), (1, 0)]) {
            assert_eq!(
                Reply::decode(answer, Some(&keys[own])).map(|reply| reply.sent),
                Ok(Timestamp::ntp(left))
            );
            assert_eq!(Reply::decode(answer, Some(&keys[other])), Err(NotStamp::Hmac));
        }
    }
}

#[test]
fn with_a_key_strangers_get_no_answer_and_leave_no_trace() {
    let stranger = Key::from_hex(&"5a".repeat(16)).unwrap();
    let mut ping = Vec::new();
    Ping { seq: Seq(7), sent_at: WALL }.encode(100, &mut ping);
    let mut server = Server::new(keyed(), stateful());
    for datagram in [
        Vec::new(),
        encoded(request(7), 0, None),
        encoded(request(7), AUTHENTICATED, None),
        encoded(request(7), 0, Some(&stranger)),
        sealed(&key(), Direction::Request, &ping),
    ] {
        for _ in 0..9 {
            assert_eq!(
                reflected(&mut server, SOURCE, datagram.clone()),
                refused(Refusal::Unauthentic),
                "{datagram:?}"
            );
        }
    }
    let reply = reflected(&mut server, SOURCE, encoded(request(7), 0, Some(&key()))).unwrap();
    assert_eq!(Reply::decode(&reply, Some(&key())).unwrap().seq, Seq(0));
}

#[test]
fn request_is_fresh_within_the_window_in_ntp_ptp_and_next_era() {
    // The first second of NTP's era 1.
    let era = UnixTime { seconds: 2_085_978_496, nanoseconds: 0 };
    for wall in [WALL, era] {
        let time =
            |seconds, nanoseconds| UnixTime { seconds: wall.seconds - 100 + seconds, nanoseconds };
        for (sent, verdict) in [
            (time(40, 0), Verdict::Answer),
            (time(100, 0), Verdict::Answer),
            (time(160, 0), Verdict::Answer),
            (time(39, 999_999_999), Verdict::Refuse(Refusal::Stale)),
            (time(160, 1), Verdict::Refuse(Refusal::Stale)),
            (UnixTime { seconds: 0, nanoseconds: 0 }, Verdict::Refuse(Refusal::Stale)),
        ] {
            for (sent_bits, error) in
                [(Timestamp::ntp(sent), 0x0001), (Timestamp::ptp(sent), 0x4001)]
            {
                let request = Request {
                    sent: sent_bits,
                    error: ErrorEstimate::from_bits(error),
                    ..request(7)
                };
                let mut datagram = encoded(request, 0, Some(&key()));
                let mut server = Server::new(keyed(), stateless());
                assert_eq!(
                    server.receive(Arrival { wall, ..arrival(SOURCE) }, &mut datagram),
                    verdict,
                    "{sent} {error:x}"
                );
                if verdict == Verdict::Answer {
                    server.depart(|| wall, iter::once(datagram.as_mut_slice()));
                    let reply = Reply::decode(&datagram, Some(&key())).unwrap();
                    assert_eq!(
                        (reply.sender_sent, reply.sender_error),
                        (request.sent, request.error),
                        "as it stood there"
                    );
                    assert!(
                        !reply.error.is_ptp() && reply.received == Timestamp::ntp(wall),
                        "its own times are NTP's"
                    );
                }
            }
        }
    }
}

#[test]
fn recorded_request_is_answered_five_times_from_any_source() {
    let mut server = Server::new(keyed(), stateful());
    let mut verdict = |second: u64| {
        let from = host(second as u8 + 1, 5_000 + second as u16);
        let wall = UnixTime { seconds: WALL.seconds - 60 + second, ..WALL };
        let arrival = Arrival { from, now: at(second * 1_000), wall };
        server.receive(arrival, &mut encoded(request(7), 0, Some(&key())))
    };
    assert!((0..5).all(|second| verdict(second) == Verdict::Answer));
    assert_eq!(verdict(119), Verdict::Refuse(Refusal::Repeated));
    assert_eq!(verdict(121), Verdict::Refuse(Refusal::Stale));
}

#[test]
fn a_reply_is_not_reflected() {
    for config in modes() {
        for reflector in [stateless, stateful] {
            let reply = first(&config, reflector(), SOURCE, &encoded(request(7), 120, of(&config)))
                .unwrap();
            assert_eq!(first(&config, stateless(), SOURCE, &reply), refused(Refusal::Answer));
        }
    }
}

/// Where a reply has its sender timestamp, a request has zeros, which in 2036 are the current time.
#[test]
fn the_zeros_of_a_request_are_never_taken_for_a_reply() {
    let era = UnixTime { seconds: 2_085_978_496, nanoseconds: 0 };
    for config in modes() {
        let request = Request { sent: Timestamp::ntp(era), ..request(7) };
        let mut server = Server::new(config.clone(), stateless());
        let verdict = server.receive(
            Arrival { wall: era, ..arrival(SOURCE) },
            &mut encoded(request, 0, of(&config)),
        );
        assert_eq!(verdict, Verdict::Answer);
    }
}

/// The padding in TWAMP is up to the sender (RFC 5357, section 4.1.2), and STAMP requires that
/// fields that should be zero are ignored.
#[test]
fn padding_is_not_taken_for_a_reply() {
    for config in modes() {
        for filler in [1, 0x5a, 0xff] {
            let fields = if config.keyed.is_some() { 28 } else { 16 };
            let mut datagram = encoded(request(7), 0, of(&config));
            let message = datagram.len() - if config.keyed.is_some() { 16 } else { 0 };
            datagram[fields..message].fill(filler);
            if config.keyed.is_some() {
                let tag = key().truncated(&datagram[..message]);
                datagram[message..].copy_from_slice(&tag);
            }
            assert!(first(&config, stateless(), SOURCE, &datagram).is_ok(), "{filler}");
        }
    }
}

#[test]
fn interleaved_sessions_of_one_port_are_all_answered() {
    let mut server = Server::new(Config::default(), stateless());
    for seq in 0..10_000 {
        for ssid in [0, 1, 7] {
            let datagram = encoded(Request { ssid, ..request(seq) }, 0, None);
            assert!(reflected(&mut server, "192.0.2.7:862", datagram).is_ok(), "{seq} {ssid}");
        }
    }
}

/// Returns how many of a hundred requests created by `make` are answered.
fn answered_of_100(make: impl Fn(u32) -> Vec<u8>) -> usize {
    let mut server = Server::new(Config::default(), twamp_light());
    (0..100).filter(|seq| reflected(&mut server, SOURCE, make(*seq)).is_ok()).count()
}

#[test]
fn randomly_padded_requests_need_a_recent_time_or_are_limited() {
    for (seconds, answered) in [(0, 100), (86_399, 100), (86_402, 16)] {
        for ptp in [false, true] {
            let sent = UnixTime { seconds: WALL.seconds - seconds, ..WALL };
            let (sent, error) =
                if ptp { (Timestamp::ptp(sent), 0x4001) } else { (Timestamp::ntp(sent), 0x0001) };
            let padded = |seq, length| {
                let request =
                    Request { sent, error: ErrorEstimate::from_bits(error), ..request(seq) };
                let mut datagram = encoded(request, 60, None);
                datagram[TWAMP..].fill(0x5a);
                datagram.truncate(length);
                datagram
            };
            for length in [TWAMP, 41, 60] {
                assert_eq!(
                    answered_of_100(|seq| padded(seq, length)),
                    answered,
                    "{seconds} {ptp} {length}"
                );
            }
        }
    }
    // A sender without a clock writes zeros as its time.
    let request = |seq| Request { sent: Timestamp::from_be_bytes([0; 8]), ..request(seq) };
    assert_eq!(answered_of_100(|seq| encoded(request(seq), 0, None)), 100);
}

#[test]
fn what_speaks_no_stamp_is_answered_once_a_second() {
    let mut rng = fastrand::Rng::with_seed(1);
    let random: Vec<Vec<u8>> = (0..100).map(|_| (0..60).map(|_| rng.u8(..)).collect()).collect();
    assert!(answered_of_100(|i| random[i as usize].clone()) <= 16);
    let line = |i| (0..72).map(|at| b' ' + ((i + at) % 95) as u8).collect();
    assert!(answered_of_100(line) <= 16);
    assert!(
        answered_of_100(|i| format!("the time of day is now {i:>9} of 86400 seconds").into_bytes())
            <= 16
    );
}

#[test]
fn datagram_with_a_recent_time_at_t2_is_rejected_as_reply() {
    let mut datagram = encoded(request(7), 0, None);
    datagram[16..24].copy_from_slice(&Timestamp::ntp(WALL).to_be_bytes());
    datagram[40..].fill(0x5a);
    assert_eq!(first(&Config::default(), stateless(), SOURCE, &datagram), refused(Refusal::Answer));
}

/// Reflectors that answer any source: one of STAMP, one of TWAMP that pads with nonzero bytes, one
/// that truncates to TWAMP's 41 bytes.
fn foreign_reflector(form: &'static str) -> impl FnMut(SocketAddr, &mut Vec<u8>) -> bool {
    let mut seq = 100;
    move |_, datagram| {
        let Ok(Request { seq: sender_seq, sent, error, ssid }) = Request::decode(datagram, None)
        else {
            return false;
        };
        seq += 1;
        let reply = Reply {
            seq: Seq(seq),
            sent: Timestamp::from_be_bytes([seq as u8; 8]),
            error: ErrorEstimate::from_bits(1),
            ssid,
            received: Timestamp::from_be_bytes([seq as u8; 8]),
            sender_seq,
            sender_sent: sent,
            sender_error: error,
            sender_ttl: 64,
        };
        reply.encode(None, datagram);
        match form {
            "padded" => datagram[41..].fill(seq as u8),
            "trimmed" => datagram.truncate(41),
            _ => {}
        }
        true
    }
}

#[test]
fn a_loop_with_another_reflector_does_not_begin() {
    for config in modes() {
        let forged = encoded(request(7), 0, of(&config));
        for (a, b) in
            [(stateless(), stateless()), (stateful(), stateful()), (twamp_light(), stateful())]
        {
            let (mut a, mut b) =
                (ours(Server::new(config.clone(), a)), ours(Server::new(config.clone(), b)));
            assert_eq!(
                datagrams_until_silence(
                    (host(1, 12_000), &mut a),
                    (host(2, 12_001), &mut b),
                    &[&forged]
                ),
                2
            );
        }
    }
    let forged = encoded(request(7), 0, None);
    for form in ["plain", "padded", "trimmed"] {
        let (mut a, mut b) =
            (ours(Server::new(Config::default(), twamp_light())), foreign_reflector(form));
        assert_eq!(
            datagrams_until_silence(
                (host(1, 12_000), &mut a),
                (host(2, 8_620), &mut b),
                &[&forged]
            ),
            3,
            "{form}"
        );
    }
}

#[test]
fn a_loop_with_an_echo_does_not_begin_even_where_it_upper_cases() {
    // Which bytes of the current time are letters, and thus changed by such a server, depends on
    // the time.
    for (seconds, error) in (0..40).map(|i| (i * 7_919, 0x6162 + i as u16)) {
        let mut upper = |_: SocketAddr, datagram: &mut Vec<u8>| {
            datagram.make_ascii_uppercase();
            true
        };
        let sent = Timestamp::ntp(UnixTime { seconds: WALL.seconds + seconds, ..WALL });
        let request =
            Request { sent, error: ErrorEstimate::from_bits(error), ..request(0x6162_6364) };
        let forged = encoded(request, 0, None);
        for b in [&mut upper as &mut dyn FnMut(SocketAddr, &mut Vec<u8>) -> bool, &mut foreign] {
            let mut a = ours(Server::new(Config::default(), twamp_light()));
            assert_eq!(
                datagrams_until_silence((host(1, 12_000), &mut a), (host(2, 7_777), b), &[&forged]),
                3
            );
        }
    }
}

#[test]
fn a_packet_is_logged_with_the_number_it_starts_with() {
    let server = |config: Config, reflector| Server::new(config, reflector);
    for config in modes() {
        let datagram = encoded(request(7), 0, of(&config));
        assert_eq!(server(config.clone(), stateless()).seq(&datagram), Some(Seq(7)));
        assert_eq!(server(config, stateless()).seq(&datagram[..datagram.len() - 1]), None);
    }
    let short = &encoded(request(7), 0, None)[..TWAMP];
    assert_eq!(server(Config::default(), twamp_light()).seq(short), Some(Seq(7)));
    assert_eq!(server(keyed(), twamp_light()).seq(short), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_answers_have_right_length(
        datagrams in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..150), any::<bool>()), 0..8),
        ip: u128, port: u16, with_key: bool, twamp_light: bool, with_sessions: bool,
    ) {
        let config = if with_key { keyed() } else { Config::default() };
        let reflector = if with_sessions { stateful() } else { stateless() };
        let mut server = Server::new(config.clone(), Reflector { twamp_light, ..reflector });
        let from = SocketAddr::from((std::net::Ipv6Addr::from_bits(ip), port));
        for (mut datagram, is_sealed) in datagrams {
            if is_sealed && with_key && datagram.len() >= AUTHENTICATED {
                let tag = key().truncated(&datagram[..96]);
                datagram[96..AUTHENTICATED].copy_from_slice(&tag);
            }
            let mut answer = datagram.clone();
            let verdict = server.receive(Arrival { from, ..arrival(SOURCE) }, &mut answer);
            if verdict == Verdict::Answer {
                server.depart(|| WALL, iter::once(answer.as_mut_slice()));
                let least = if twamp_light { UNAUTHENTICATED } else { 0 };
                prop_assert_eq!(answer.len(), datagram.len().max(least));
                prop_assert!(Reply::decode(&answer, of(&config)).is_ok());
            } else {
                prop_assert_eq!(answer, datagram);
            }
        }
    }
}
