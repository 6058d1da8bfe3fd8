use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;
use crate::guard::table::MOST;

struct Case {
    sources: Sources,
    socket: SocketId,
    start: Instant,
}

impl Case {
    fn new(amplification: f64) -> Self {
        Self::with(AnswerRule { amplification, ..AnswerRule::default() })
    }

    fn with(rule: AnswerRule) -> Self {
        Self { sources: Sources::new(rule), socket: SocketId::unique(), start: Instant::now() }
    }

    fn peer(&self, port: u16) -> Peer {
        Peer::of(self.socket, SocketAddr::from(([192, 0, 2, 7], port)))
    }

    fn hear(&mut self, port: u16, bytes: usize, after: Duration) {
        self.sources.hear(self.peer(port), bytes, self.start + after);
    }

    fn credit(&mut self, port: u16, bytes: usize, after: Duration) -> PeerCredit {
        self.sources.credit(self.peer(port), bytes, self.start + after)
    }

    /// The number of empty answers that may be sent at once.
    fn answers(&mut self, port: u16, after: Duration) -> u32 {
        let mut count = 0;
        while self.credit(port, 0, after) == PeerCredit::Available {
            self.sources.charge(self.peer(port), 0);
            count += 1;
        }
        count
    }
}

const AT_ONCE: Duration = Duration::ZERO;
const WINDOW: Duration = Duration::from_secs(30);

#[test]
fn each_datagram_heard_may_be_answered_once_with_as_many_bytes() {
    let mut case = Case::new(1.0);
    assert_eq!(case.credit(1, 0, AT_ONCE), PeerCredit::None);
    case.hear(1, 100, AT_ONCE);
    assert_eq!(case.credit(1, 101, AT_ONCE), PeerCredit::Exhausted);
    assert_eq!(case.credit(1, 100, AT_ONCE), PeerCredit::Available);
    case.sources.charge(case.peer(1), 40);
    assert_eq!(case.credit(1, 0, AT_ONCE), PeerCredit::Exhausted);
    case.sources.refund(case.peer(1), 40);
    assert_eq!(case.credit(1, 100, AT_ONCE), PeerCredit::Available);
    assert_eq!(case.credit(2, 0, AT_ONCE), PeerCredit::None);
}

#[test]
fn an_answer_takes_its_bytes_from_what_came() {
    let mut case = Case::new(1.0);
    case.hear(1, 100, AT_ONCE);
    case.hear(1, 100, AT_ONCE);
    case.sources.charge(case.peer(1), 150);
    assert_eq!(case.credit(1, 51, AT_ONCE), PeerCredit::Exhausted);
    assert_eq!(case.credit(1, 50, AT_ONCE), PeerCredit::Available);
}

#[test]
fn the_amplification_named_is_for_each_byte_that_came() {
    for (amplification, bytes, enough) in
        [(1.0, 50, Some(5.0)), (2.0, 50, Some(5.0)), (2.0, 25, Some(3.0)), (0.0, 1, None)]
    {
        let mut case = Case::new(amplification);
        case.hear(1, 10, AT_ONCE);
        let named = case.sources.amplification_for(case.peer(1), bytes);
        assert_eq!(named, enough, "{bytes} bytes, times {amplification}");
    }
}

#[test]
fn amplification_is_what_may_go_for_each_that_came() {
    let mut three = Case::new(3.0);
    three.hear(1, 10, AT_ONCE);
    for _ in 0..3 {
        assert_eq!(three.credit(1, 10, AT_ONCE), PeerCredit::Available);
        three.sources.charge(three.peer(1), 10);
    }
    assert_eq!(three.credit(1, 0, AT_ONCE), PeerCredit::Exhausted);
    let mut half = Case::new(0.5);
    half.hear(1, 10, AT_ONCE);
    assert_eq!(half.credit(1, 5, AT_ONCE), PeerCredit::Exhausted);
    half.hear(1, 10, AT_ONCE);
    assert_eq!(half.credit(1, 10, AT_ONCE), PeerCredit::Available);
    let mut none = Case::new(0.0);
    none.hear(1, 10, AT_ONCE);
    assert_eq!(none.credit(1, 0, AT_ONCE), PeerCredit::Exhausted);
}

#[test]
fn expired_peer_credit_is_not_carried_into_the_next_window() {
    let mut case = Case::new(1.0);
    case.hear(1, 100, AT_ONCE);
    case.hear(1, 100, AT_ONCE);
    assert_eq!(case.credit(1, 100, WINDOW), PeerCredit::Available);
    assert_eq!(case.credit(1, 201, WINDOW), PeerCredit::Exhausted);
    let after = WINDOW + Duration::from_nanos(1);
    assert_eq!(case.credit(1, 100, after), PeerCredit::Expired);
    case.hear(1, 10, after);
    assert_eq!(case.credit(1, 11, after), PeerCredit::Exhausted);
    assert_eq!(case.credit(1, 10, after), PeerCredit::Available);
}

#[test]
fn peer_credit_does_not_accumulate_beyond_the_window() {
    let window = Duration::from_secs(2);
    let mut case = Case::with(AnswerRule { window, amplification: 1.0 });
    for number in 0..1_000 {
        case.hear(1, 0, Duration::from_millis(10) * number);
    }
    // 200 were received in the last two seconds, 150 of them in the last one and a half.
    let answers = case.answers(1, Duration::from_millis(9_990));
    assert!((150..=201).contains(&answers), "{answers}");
}

#[test]
fn an_answer_is_for_the_oldest_that_came() {
    let mut case = Case::new(1.0);
    case.hear(1, 0, AT_ONCE);
    case.hear(1, 0, WINDOW / 2);
    assert_eq!(case.credit(1, 0, WINDOW / 2), PeerCredit::Available);
    case.sources.charge(case.peer(1), 0);
    // The first has been answered: that it has expired by now takes no credit from the second.
    assert_eq!(case.answers(1, WINDOW + WINDOW / 4), 1);
}

#[test]
fn what_came_is_owed_to_the_end_of_its_window() {
    let mut case = Case::new(1.0);
    case.hear(1, 0, AT_ONCE);
    case.hear(1, 0, WINDOW / 2);
    assert_eq!(case.answers(1, WINDOW + WINDOW / 2), 1);
}

#[test]
fn what_came_to_one_socket_is_not_answered_from_another() {
    let mut case = Case::new(1.0);
    case.hear(1, 10, AT_ONCE);
    let elsewhere = Case { socket: SocketId::unique(), ..case };
    let mut elsewhere = elsewhere;
    assert_eq!(elsewhere.credit(1, 0, AT_ONCE), PeerCredit::None);
}

#[test]
fn the_table_is_bounded_and_forgets_who_was_silent_longest() {
    let mut case = Case::new(1.0);
    let source = |i: usize| {
        Peer::of(case.socket, SocketAddr::from((u32::try_from(i).unwrap().to_be_bytes(), 9)))
    };
    let sources = &mut case.sources;
    for i in 0..MOST.get() {
        sources.hear(source(i), 1, case.start);
    }
    sources.hear(source(0), 1, case.start);
    sources.hear(source(MOST.get()), 1, case.start);
    assert_eq!(sources.peers.len(), MOST.get());
    assert_eq!(sources.credit(source(0), 1, case.start), PeerCredit::Available);
    assert_eq!(sources.credit(source(1), 1, case.start), PeerCredit::None);
}

#[test]
fn a_flow_label_does_not_make_another_peer() {
    let mut case = Case::new(1.0);
    let labelled =
        |flow| Peer::of(case.socket, SocketAddrV6::new(Ipv6Addr::LOCALHOST, 9, flow, 0).into());
    case.sources.hear(labelled(0), 1, case.start);
    case.sources.charge(labelled(7), 1);
    assert_eq!(case.sources.credit(labelled(8), 0, case.start), PeerCredit::Exhausted);
}

/// A reference model that keeps credit datagram by datagram: each for `lasts`, the oldest used
/// first.
struct OneByOne {
    lasts: Duration,
    came: Vec<Duration>,
}

impl OneByOne {
    fn answers(&mut self, now: Duration) -> usize {
        let lasts = self.lasts;
        self.came.retain(|came| now.saturating_sub(*came) <= lasts);
        self.came.len()
    }
}

proptest! {
    /// Compares with credit kept datagram by datagram: never more than what was received within the
    /// window permits, and always what was received within three quarters of it permits.
    #[test]
    fn what_may_go_is_what_came_within_the_window(
        steps in prop::collection::vec((0..40_u64, any::<bool>(), 0..6_usize), 1..200)
    ) {
        let window = Duration::from_millis(100);
        let mut case = Case::with(AnswerRule { window, amplification: 1.0 });
        let mut most = OneByOne { lasts: window, came: Vec::new() };
        let mut least = OneByOne { lasts: window * 3 / 4, came: Vec::new() };
        let mut now = Duration::ZERO;
        for (pause, hears, wanted) in steps {
            now += Duration::from_millis(pause);
            if hears {
                case.hear(1, 0, now);
                most.came.push(now);
                least.came.push(now);
            }
            let at_least = least.answers(now);
            for sent in 0..wanted {
                let may = case.credit(1, 0, now) == PeerCredit::Available;
                prop_assert!(may || sent >= at_least, "{sent} of {at_least} went at {now:?}");
                prop_assert!(!may || most.answers(now) > 0, "too much went at {now:?}");
                if may {
                    case.sources.charge(case.peer(1), 0);
                    most.came.remove(0);
                    if !least.came.is_empty() {
                        least.came.remove(0);
                    }
                }
            }
        }
    }
}
