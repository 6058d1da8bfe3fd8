use std::num::NonZeroU64;
use std::time::Duration;

use super::*;
use crate::grants::{AnswerRule, GrantSpec};

type Told = Arc<Mutex<Vec<(String, u64)>>>;

fn guard(grants: Grants, rates: Rates) -> (Arc<Guard>, Arc<Ledger>, Told) {
    let told = Told::default();
    let log = told.clone();
    let ledger = Arc::new(Ledger::new(move |denial, suppressed| {
        log.lock().unwrap().push((denial.to_string(), suppressed));
    }));
    let meters = Arc::new(Meters::new(rates));
    (
        Arc::new(Guard::new("x.wasm".to_owned(), Arc::new(grants.into()), meters, ledger.clone())),
        ledger,
        told,
    )
}

fn listener() -> Grants {
    Grants { listen: vec!["12000".parse().unwrap()], ..Grants::default() }
}

fn sender() -> Grants {
    Grants {
        send: vec!["192.0.2.7:12000".parse().map(destination).unwrap()].into(),
        ..Grants::default()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "Result::map hands it over")]
fn destination(endpoint: crate::grants::Endpoint) -> crate::grants::Destination {
    match endpoint {
        crate::grants::Endpoint::Address(destination) => destination,
        crate::grants::Endpoint::Name(..) => unreachable!("it is an address"),
    }
}

fn gate(guard: &Arc<Guard>, local: &str) -> Gate {
    Gate::new(guard.clone(), local.parse().unwrap(), SocketId::unique())
}

impl Gate {
    fn sends(&self, to: SocketAddr, bytes: usize, now: Instant) -> SendDecision {
        self.turn(now).permit_send(to, bytes)
    }

    fn not_sent(&self, to: SocketAddr, bytes: usize) {
        self.turn(Instant::now()).not_sent(to, bytes);
    }

    fn hears(&self, from: SocketAddr, bytes: usize, now: Instant) -> bool {
        self.turn(now).permit_receive(from, bytes)
    }
}

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], port))
}

fn rate(per_second: u64) -> Option<Rate> {
    NonZeroU64::new(per_second).map(Rate)
}

#[test]
fn a_listener_answers_what_it_has_heard_and_no_more() {
    let (guard, ledger, _) = guard(listener(), Rates::default());
    let (gate, now) = (gate(&guard, "0.0.0.0:12000"), Instant::now());
    assert_eq!(gate.sends(peer(5), 1, now), SendDecision::Refused);
    assert!(gate.hears(peer(5), 10, now));
    assert!(gate.permit_connect(peer(5)));
    assert_eq!(gate.sends(peer(5), 11, now), SendDecision::Dropped);
    assert_eq!(gate.sends(peer(5), 10, now), SendDecision::Open);
    assert_eq!(gate.sends(peer(5), 0, now), SendDecision::Dropped);
    assert_eq!(gate.sends(peer(6), 1, now), SendDecision::Refused);
    assert_eq!(ledger.refusals(), 2);
}

#[test]
fn excess_answer_is_dropped_and_reported_once_with_the_flag() {
    let (guard, ledger, told) = guard(listener(), Rates::default());
    let (gate, now) = (gate(&guard, "0.0.0.0:12000"), Instant::now());
    gate.hears(peer(5), 10, now);
    for later in [0, 2, 4].map(Duration::from_secs) {
        assert_eq!(gate.sends(peer(5), 31, now + later), SendDecision::Dropped);
    }
    let line = "dropped: an answer of x.wasm to 192.0.2.7:5, 31 bytes: more than came from there within 30s, times 1 \
                (--amplification); to allow it: --amplification 4 (reported once)";
    assert_eq!(*told.lock().unwrap(), [(line.to_owned(), 0)]);
    assert_eq!(ledger.totals(), [(Kind { what: "send", why: "amplification" }, 3, 2)]);
    assert_eq!(ledger.refusals(), 0, "it is no failure of the component's");
}

#[test]
fn suggested_amplification_is_the_least_that_permits_answer() {
    for (heard, answered, bytes) in
        [(&[10][..], &[][..], 31), (&[10], &[10], 1), (&[10, 20], &[5], 100), (&[1], &[], 65_507)]
    {
        let passes = |factor: Option<f64>| {
            let grants = listener();
            let answer = AnswerRule { amplification: factor.unwrap_or(1.0), ..grants.answer };
            let (guard, _, told) = guard(Grants { answer, ..grants }, Rates::default());
            let (gate, now) = (gate(&guard, "0.0.0.0:12000"), Instant::now());
            for bytes in heard {
                assert!(gate.hears(peer(5), *bytes, now));
            }
            for bytes in answered {
                assert_eq!(gate.sends(peer(5), *bytes, now), SendDecision::Open);
            }
            let passage = gate.sends(peer(5), bytes, now);
            (
                passage == SendDecision::Open,
                told.lock().unwrap().pop().map(|(line, _)| line).unwrap_or_default(),
            )
        };
        let (passed, said) = passes(None);
        assert!(!passed);
        let named: f64 = said
            .split("to allow it: --amplification ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!(passes(Some(named)).0, "{said}");
        assert!(!passes(Some(named - 1.0)).0, "{said}");
    }
}

#[test]
fn an_answer_for_which_no_amplification_is_enough_names_none() {
    let (guard, _, told) = guard(listener(), Rates::default());
    let (gate, now) = (gate(&guard, "0.0.0.0:12000"), Instant::now());
    gate.hears(peer(5), 0, now);
    assert_eq!(gate.sends(peer(5), 1, now), SendDecision::Dropped);
    assert!(!told.lock().unwrap()[0].0.contains("to allow it"));
}

#[test]
fn what_did_not_go_may_go_again() {
    let (guard, ..) = guard(listener(), Rates { send: rate(1), ..Rates::default() });
    let (gate, now) = (gate(&guard, "0.0.0.0:12000"), Instant::now());
    gate.hears(peer(5), 10, now);
    for _ in 0..3 {
        assert_eq!(gate.sends(peer(5), 10, now), SendDecision::Open);
        gate.not_sent(peer(5), 10);
    }
}

#[test]
fn non_listening_socket_cannot_receive_or_answer_for_listener() {
    let (guard, ..) = guard(Grants { listen: listener().listen, ..sender() }, Rates::default());
    let (listening, other, now) =
        (gate(&guard, "0.0.0.0:12000"), gate(&guard, "0.0.0.0:0"), Instant::now());
    assert!(!other.hears(peer(5), 10, now));
    assert!(listening.hears(peer(5), 10, now));
    assert_eq!(other.sends(peer(5), 10, now), SendDecision::Refused);
    assert!(!other.permit_connect(peer(5)));
    assert_eq!(listening.sends(peer(5), 10, now), SendDecision::Open);
}

#[test]
fn a_refusal_is_told_once_on_one_line_and_counted_each_time() {
    let (guard, ledger, told) = guard(sender(), Rates::default());
    let (gate, now) = (gate(&guard, "0.0.0.0:0"), Instant::now());
    assert_eq!(gate.sends(peer(1), 1, now), SendDecision::Refused);
    assert_eq!(gate.sends(peer(2), 1, now), SendDecision::Refused);
    assert_eq!(ledger.refusals(), 2);
    let line = "refused: x.wasm asked to send to 192.0.2.7:1; granted: send to 192.0.2.7:12000; \
                to allow it: --allow-to 192.0.2.7:12000 --allow-to 192.0.2.7:1";
    assert_eq!(*told.lock().unwrap(), [(line.to_owned(), 0)]);
}

#[test]
fn each_kind_is_told_by_itself() {
    let (guard, ledger, told) = guard(Grants::default(), Rates::default());
    assert!(!guard.permit_bind(peer(1)));
    assert!(!guard.permit_bind(peer(2)));
    assert!(!guard.permit_resolve(&"example.org".parse().unwrap()));
    assert!(!gate(&guard, "0.0.0.0:0").permit_connect(peer(1)));
    assert_eq!((told.lock().unwrap().len(), ledger.refusals()), (3, 4));
}

#[test]
fn after_a_second_a_kind_is_told_again_with_how_many_were_not() {
    let (_, ledger, told) = guard(Grants::default(), Rates::default());
    let start = Instant::now();
    let over = |port| Denial::OverRate {
        component: "x.wasm",
        peer: peer(port),
        flow: Flow::Source,
        rate: rate(9).unwrap(),
    };
    for millis in [0, 1, 999, 1_000, 1_001] {
        ledger.note(&over(7), start + Duration::from_millis(millis));
    }
    let line = "dropped: a datagram to x.wasm from 192.0.2.7:7: more than 9 datagrams/s from one source (--limit-source)";
    assert_eq!(*told.lock().unwrap(), [(line.to_owned(), 0), (line.to_owned(), 2)]);
    let [(kind, count, suppressed)] = ledger.totals()[..] else { panic!("{:?}", ledger.totals()) };
    assert_eq!((kind.what, kind.why, count, suppressed), ("receive", "limit-source", 5, 1));
}

#[test]
fn datagram_of_a_stranger_is_dropped_without_a_denial() {
    let (guard, ledger, told) = guard(sender(), Rates::default());
    assert!(!gate(&guard, "0.0.0.0:0").hears(peer(5), 1, Instant::now()));
    assert_eq!(ledger.refusals(), 0);
    assert!(
        told.lock().unwrap()[0]
            .0
            .starts_with("dropped: a datagram to x.wasm from 192.0.2.7:5; granted: ")
    );
}

#[test]
fn rates_hold_back_what_is_sent_and_drop_what_is_received() {
    let rates = Rates { send: rate(3), receive: rate(5), source: rate(4), ..Rates::default() };
    let (guard, _, told) = guard(listener(), rates);
    let (gate, now) = (gate(&guard, "0.0.0.0:12000"), Instant::now());
    let heard = |from| (0..10).filter(|_| gate.hears(from, 1, now)).count();
    // The first source is limited by its own rate, the second by what is left of the common rate.
    assert_eq!((heard(peer(1)), heard(SocketAddr::from(([192, 0, 2, 8], 1)))), (4, 1));
    let passages: Vec<_> = (0..4).map(|_| gate.sends(peer(1), 1, now)).collect();
    assert_eq!(passages[..3], [SendDecision::Open; 3]);
    let SendDecision::Later(until) = passages[3] else { panic!("{passages:?}") };
    assert!(until > now);
    assert_eq!(gate.sends(peer(1), 1, until), SendDecision::Open);
    assert_eq!(told.lock().unwrap().len(), 3);
}

#[test]
fn what_came_to_one_listener_is_not_answered_from_another() {
    let (guard, ..) = guard(listener(), Rates::default());
    let (one, other, now) =
        (gate(&guard, "0.0.0.0:12000"), gate(&guard, "127.0.0.1:12000"), Instant::now());
    assert!(one.hears(peer(5), 10, now));
    assert_eq!(other.sends(peer(5), 10, now), SendDecision::Refused);
    assert!(!other.permit_connect(peer(5)));
    assert_eq!(one.sends(peer(5), 10, now), SendDecision::Open);
}

#[test]
fn only_the_socket_that_received_may_answer_across_instances() {
    let (guard, ..) = guard(listener(), Rates::default());
    let (socket, local, now) =
        (SocketId::unique(), "0.0.0.0:12000".parse().unwrap(), Instant::now());
    assert!(Gate::new(guard.clone(), local, socket).hears(peer(5), 10, now));
    assert_eq!(gate(&guard, "0.0.0.0:12000").sends(peer(5), 10, now), SendDecision::Refused);
    assert_eq!(Gate::new(guard, local, socket).sends(peer(5), 10, now), SendDecision::Open);
}

#[test]
fn what_a_rate_drops_is_not_owed_an_answer() {
    for rates in [
        Rates { receive: rate(1), ..Rates::default() },
        Rates { source: rate(1), ..Rates::default() },
    ] {
        let (guard, ..) = guard(listener(), rates);
        let (gate, now) = (gate(&guard, "0.0.0.0:12000"), Instant::now());
        assert_eq!((0..10).filter(|_| gate.hears(peer(5), 10, now)).count(), 1);
        let answers =
            (0..10).filter(|_| gate.sends(peer(5), 10, now) == SendDecision::Open).count();
        assert_eq!(answers, 1, "{rates:?}");
    }
}

#[test]
fn a_source_is_limited_over_all_its_ports_and_over_all_workers() {
    let meters = Arc::new(Meters::new(Rates { source: rate(4), ..Rates::default() }));
    let ledger = Arc::new(Ledger::new(|_, _| {}));
    let worker = || {
        Guard::new("x.wasm".to_owned(), Arc::new(listener().into()), meters.clone(), ledger.clone())
    };
    let workers = [worker(), worker()].map(|guard| gate(&Arc::new(guard), "0.0.0.0:12000"));
    let now = Instant::now();
    let heard =
        (1..=100).filter(|port| workers[usize::from(port % 2)].hears(peer(*port), 1, now)).count();
    assert_eq!(heard, 4);
}

#[test]
fn bytes_are_limited_as_datagrams_are() {
    let (guard, ..) = guard(listener(), Rates { receive_bytes: rate(1_000), ..Rates::default() });
    let gate = gate(&guard, "0.0.0.0:12000");
    let now = Instant::now();
    assert_eq!((0..10).filter(|_| gate.hears(peer(1), 300, now)).count(), 3);
    assert!(gate.hears(peer(1), 100, now));
}

#[test]
fn rates_are_a_runs_whatever_instance_sends_or_receives() {
    let rates = Rates { send: rate(3), receive: rate(5), ..Rates::default() };
    let (meters, ledger) = (Arc::new(Meters::new(rates)), Arc::new(Ledger::new(|_, _| {})));
    let guard = || {
        Guard::new("x.wasm".to_owned(), Arc::new(listener().into()), meters.clone(), ledger.clone())
    };
    let (one, other) =
        (gate(&Arc::new(guard()), "0.0.0.0:12000"), gate(&Arc::new(guard()), "0.0.0.0:12000"));
    let now = Instant::now();
    assert_eq!((0..9).filter(|_| one.hears(peer(1), 1, now)).count(), 5);
    assert!(!other.hears(peer(1), 1, now));
    let later = now + Duration::from_secs(1);
    assert!(other.hears(peer(1), 1, later) && other.hears(peer(1), 1, later));
    assert_eq!([(); 2].map(|()| one.sends(peer(1), 1, later)), [SendDecision::Open; 2]);
    assert_eq!(other.sends(peer(1), 1, later), SendDecision::Open);
    assert!(matches!(other.sends(peer(1), 1, later), SendDecision::Later(_)));
    assert_eq!(ledger.traffic().sent, 3);
}

#[test]
fn time_spent_dropping_datagrams_is_bounded_and_reported() {
    let (guard, ledger, told) = guard(sender(), Rates::default());
    let gate = gate(&guard, "0.0.0.0:0");
    let ms = Duration::from_millis(1);
    assert_eq!(gate.turn(Instant::now()).dropped(ms * 40, peer(5)), None);
    assert!(told.lock().unwrap().is_empty());
    let until = gate.turn(Instant::now()).dropped(ms * 40, peer(5)).unwrap();
    assert!(until <= Instant::now() + ms * 80);
    assert!(told.lock().unwrap()[0].0.starts_with(
        "dropped: too many datagrams to x.wasm that may not reach it, the last from "
    ));
    assert_eq!((ledger.traffic().dropping, ledger.refusals()), (ms * 80, 0));
    let [(kind, ..)] = ledger.totals()[..] else { panic!("{:?}", ledger.totals()) };
    assert_eq!((kind.what, kind.why), ("receive", "too many to drop"));
}

#[test]
fn resolving_beyond_the_limit_is_reported_but_is_no_denial() {
    let (guard, ledger, told) = guard(sender(), Rates::default());
    guard.over_lookups(&"a.example".parse().unwrap(), 64);
    let line = "refused: x.wasm asked to resolve a.example: more than 64 names at once, and one per second after that \
                (--limit-lookups)";
    assert_eq!((told.lock().unwrap()[0].0.as_str(), ledger.refusals()), (line, 0));
}

#[test]
fn rates_are_listed_as_they_were_given() {
    assert_eq!(Rates::default().to_string(), "");
    let all = Rates {
        send: rate(1),
        send_bytes: rate(2),
        receive: rate(3),
        receive_bytes: rate(4),
        source: rate(5),
        ..Rates::default()
    };
    let line = "1 datagrams sent a second, 2 bytes sent a second, 3 datagrams received a second, \
                4 bytes received a second, 5 datagrams received from one source a second";
    assert_eq!(all.to_string(), line);
    let networks =
        Rates { source: rate(5), source_prefix: "24,48".parse().unwrap(), ..Rates::default() };
    let line = "5 datagrams received from one source (an IPv4 /24 or an IPv6 /48) a second";
    assert_eq!(networks.to_string(), line);
}

#[test]
fn a_refusal_says_what_the_advice_knows() {
    let (ledger, told) = told_by_line();
    let advice = Advice { peers: vec!["a.example:7".parse().unwrap()], command: None };
    let guard =
        Guard::new("x.wasm".to_owned(), Arc::default(), meters(), ledger).with_advice(advice);
    assert!(!guard.permit_resolve(&"a.example".parse().unwrap()));
    let line = told.lock().unwrap()[0].clone();
    assert!(line.ends_with("to allow it: --allow-to a.example:7"), "{line}");
}

#[test]
fn a_recorder_sees_what_is_granted() {
    let (ledger, _) = told_by_line();
    let recorder = Arc::new(Recorder::default());
    let guard = Guard::new("x.wasm".to_owned(), Arc::new(sender().into()), meters(), ledger)
        .with_recorder(Some(recorder.clone()));
    let gate = gate(&Arc::new(guard), "0.0.0.0:0");
    assert_eq!(gate.sends(peer(12_000), 1, Instant::now()), SendDecision::Open);
    let policy = recorder.policy("x.wasm", &Names::default());
    assert!(policy.contains("\"192.0.2.7:12000\""), "{policy}");
}

#[test]
fn what_a_granted_name_stands_for_later_is_granted() {
    let (ledger, _) = told_by_line();
    let spec = GrantSpec { to: vec!["a.example:7".parse().unwrap()], ..GrantSpec::default() };
    let names = Names::of([("a.example", "192.0.2.1")]).again_after(Some(Duration::ZERO));
    let current = Current::new(spec.clone(), spec.with_addresses(&names));
    let guard = Arc::new(Guard::new("x.wasm".to_owned(), Arc::new(current), meters(), ledger));
    let gate = gate(&guard, "0.0.0.0:0");
    let later = SocketAddr::from(([192, 0, 2, 2], 7));
    assert_eq!(gate.sends(later, 1, Instant::now()), SendDecision::Refused);
    let name = "a.example".parse().unwrap();
    assert_eq!(names.known(&name), None);
    assert!(names.note(&name, Ok(vec![later.ip()])).1);
    guard.follow(&names);
    assert_eq!(gate.sends(later, 1, Instant::now()), SendDecision::Open);
}

#[test]
fn a_tcp_socket_is_a_refusal_and_told_as_one() {
    let (guard, ledger, told) = guard(sender(), Rates::default());
    guard.refuse_tcp();
    let told = told.lock().unwrap();
    assert!(told[0].0.contains("TCP"), "{told:?}");
    assert_eq!(ledger.refusals(), 1);
    assert_eq!(ledger.refused().as_deref(), Some("open a TCP socket"));
}

#[test]
fn the_last_refusal_is_what_the_component_asked_for() {
    let (guard, ledger, _) = guard(sender(), Rates::default());
    assert_eq!(ledger.refused(), None);
    let gate = gate(&guard, "0.0.0.0:0");
    assert_eq!(gate.sends(peer(1), 1, Instant::now()), SendDecision::Refused);
    assert_eq!(ledger.refused().as_deref(), Some("send to 192.0.2.7:1"));
    // A stranger's datagram was not caused by the component.
    assert!(!gate.hears(peer(5), 1, Instant::now()));
    assert_eq!(ledger.refused().as_deref(), Some("send to 192.0.2.7:1"));
    assert!(!guard.permit_resolve(&"a.example".parse().unwrap()));
    assert_eq!(ledger.refused().as_deref(), Some("resolve a.example"));
}

#[test]
fn a_rate_holds_back_what_is_sent_and_drops_what_comes() {
    let sent = "held back: a datagram of x.wasm to 192.0.2.7:5: more than 9";
    let received = "dropped: a datagram to x.wasm from 192.0.2.7:5: more than 9";
    for (flow, what, why, start, end) in [
        (Flow::Source, "receive", "limit-source", received, "datagrams/s from one source"),
        (Flow::Received, "receive", "limit-receive", received, "datagrams/s received"),
        (Flow::ReceivedBytes, "receive", "limit-receive-bytes", received, "bytes/s received"),
        (Flow::Sent, "send", "limit-send", sent, "datagrams/s sent"),
        (Flow::SentBytes, "send", "limit-send-bytes", sent, "bytes/s sent"),
    ] {
        let (component, rate) = ("x.wasm", rate(9).unwrap());
        let over = Denial::OverRate { component, peer: peer(5), flow, rate };
        assert_eq!(over.to_string(), format!("{start} {end} (--{why})"));
        assert_eq!(over.kind(), Kind { what, why });
    }
}

#[test]
fn the_traffic_of_a_run_is_what_passed_all_its_guards() {
    let (meters, ledger) = (meters(), Arc::new(Ledger::new(|_, _| {})));
    let grants = Arc::new(Current::from(listener()));
    for times in [1, 2] {
        let guard = Guard::new("x".to_owned(), grants.clone(), meters.clone(), ledger.clone());
        let (gate, now) = (gate(&Arc::new(guard), "0.0.0.0:12000"), Instant::now());
        for _ in 0..times {
            assert!(gate.hears(peer(5), 100, now));
            assert!(gate.hears(peer(5), 10, now));
            assert_eq!(gate.sends(peer(5), 30, now), SendDecision::Open);
            assert_eq!(gate.sends(peer(5), 7, now), SendDecision::Open);
            gate.not_sent(peer(5), 7);
            assert_eq!(gate.sends(peer(5), 1_000, now), SendDecision::Dropped);
        }
    }
    let expected = Traffic {
        received: 6,
        received_bytes: 330,
        sent: 3,
        sent_bytes: 90,
        dropping: Duration::ZERO,
    };
    assert_eq!(ledger.traffic(), expected);
}

#[test]
fn what_the_system_refuses_is_counted_by_what_was_asked_for() {
    let (guard, ledger, _) = guard(sender(), Rates::default());
    let local = "0.0.0.0:80".parse().unwrap();
    for operation in [
        Operation::Open,
        Operation::Bind(local),
        Operation::Connect(peer(1)),
        Operation::Send(peer(1)),
    ] {
        guard.failed(operation, &io::ErrorKind::PermissionDenied.into());
    }
    let kinds = ["connect", "listen", "open", "send"];
    let expected = kinds.map(|what| (Kind { what, why: "the system" }, 1, 0));
    assert_eq!(ledger.totals(), expected);
}

#[test]
fn system_denial_is_reported_with_its_cause_until_grants_deny() {
    let (guard, ledger, told) = guard(sender(), Rates::default());
    let operation = Operation::Bind("0.0.0.0:80".parse().unwrap());
    // A failure that is not a refusal.
    guard.failed(operation, &io::ErrorKind::AddrInUse.into());
    assert_eq!((guard.refused_by_system(), told.lock().unwrap().len()), (None, 0));
    guard.failed(operation, &io::ErrorKind::PermissionDenied.into());
    let cause = "ports below 1024 need root or CAP_NET_BIND_SERVICE";
    assert_eq!(guard.refused_by_system().as_deref(), Some(cause));
    assert!(told.lock().unwrap()[0].0.contains(cause));
    assert_eq!(ledger.refusals(), 0, "no grant changes it");
    assert!(!guard.permit_resolve(&"a.example".parse().unwrap()));
    assert_eq!(guard.refused_by_system(), None);
}

#[test]
fn an_answer_to_many_is_dropped_and_told() {
    let (guard, ledger, told) = guard(listener(), Rates::default());
    let gate = gate(&guard, "0.0.0.0:12000");
    let group = SocketAddr::from(([224, 0, 0, 1], 7));
    assert!(gate.hears(group, 9, Instant::now()));
    assert_eq!(gate.sends(group, 1, Instant::now()), SendDecision::Dropped);
    assert!(told.lock().unwrap()[0].0.starts_with("dropped: an answer of x.wasm to 224.0.0.1:7"));
    assert_eq!(ledger.refusals(), 0);
}

fn meters() -> Arc<Meters> {
    Arc::new(Meters::new(Rates::default()))
}

fn told_by_line() -> (Arc<Ledger>, Arc<Mutex<Vec<String>>>) {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let log = told.clone();
    let tell = move |denial: &Denial<'_>, _| log.lock().unwrap().push(denial.to_string());
    (Arc::new(Ledger::new(tell)), told)
}
