use std::net::Ipv4Addr;

use wasi_datagram::SocketId;

use super::*;

const NO_PEER: &str = "192.0.2.99:9";

/// A recorder, and a component's use of the network, with a method for each.
struct Run {
    recorder: Recorder,
    names: Names,
    socket: SocketId,
}

impl Run {
    fn new() -> Self {
        let names = Names::of([("a.example", "192.0.2.7"), ("b.example", "192.0.2.8")]);
        Self { recorder: Recorder::default(), names, socket: SocketId::unique() }
    }

    fn binds(&self, local: &str) {
        self.recorder.granted(&Request::Bind(address(local)));
    }

    fn sends(&self, to: &str) {
        self.recorder.granted(&Request::Send { to: address(to), credit: PeerCredit::None });
    }

    fn hears(&self, local: &str, from: &str, bytes: usize) {
        let from = address(from);
        self.recorder.granted(&Request::Receive { from, listening: true });
        self.recorder.heard(address(local), from, Peer::of(self.socket, from), bytes);
    }

    fn answers(&self, to: &str, bytes: usize) {
        let to = address(to);
        self.recorder.granted(&Request::Send { to, credit: PeerCredit::Available });
        self.recorder.answered(Peer::of(self.socket, to), bytes);
    }

    fn resolves(&self, name: &str) {
        self.recorder.granted(&Request::Resolve(name.parse().unwrap()));
    }

    /// The lines of the policy after its comment and its table header.
    fn policy(&self) -> String {
        let policy = self.recorder.policy("x.wasm", &self.names);
        let start = "# What x.wasm used of the network.\n[grants]\n";
        policy.strip_prefix(start).unwrap().to_owned()
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_run_that_uses_nothing_is_granted_nothing() {
    assert_eq!(Run::new().policy(), "");
}

#[test]
fn the_learnt_policy_grants_what_was_used_and_no_more() {
    let run = Run::new();
    run.binds("0.0.0.0:0");
    run.binds("0.0.0.0:12000");
    run.sends("192.0.2.9:7");
    run.sends("[fe80::1%2]:7");
    run.resolves("a.example");
    run.sends("192.0.2.7:12001");
    // A name that was only resolved, and an address whose name was not.
    run.resolves("c.example");
    run.sends("192.0.2.8:7");
    let to = address("192.0.2.10:7");
    run.recorder.granted(&Request::Connect { to, credit: PeerCredit::None });
    // Answers need no grant to send.
    run.hears("0.0.0.0:12000", NO_PEER, 10);
    let to = address(NO_PEER);
    run.recorder.granted(&Request::Connect { to, credit: PeerCredit::Available });
    run.answers(NO_PEER, 10);
    let expected = r#"allow-to = [
    "192.0.2.10:7",
    "192.0.2.8:7",
    "192.0.2.9:7",
    "[fe80::1%2]:7",
    "a.example:12001",
]
allow-listen = [
    "0.0.0.0:12000",
]
allow-resolve = [
    "c.example",
]
"#;
    assert_eq!(run.policy(), expected);
}

#[test]
fn a_bind_is_learnt_where_no_grant_to_send_brings_it() {
    let sent = "192.0.2.9:7";
    for (local, to, from, is_listed) in [
        ("0.0.0.0:12000", Some(sent), None, true),
        ("127.0.0.1:12000", Some(sent), None, true),
        ("0.0.0.0:0", Some(sent), None, false),
        ("127.0.0.1:0", Some(sent), None, false),
        ("[::]:0", Some(sent), None, false),
        ("[fe80::1%2]:0", Some(sent), None, true),
        ("192.0.2.1:0", Some(sent), None, true),
        ("0.0.0.0:0", None, None, true),
        ("0.0.0.0:0", Some(sent), Some(sent), false),
        ("0.0.0.0:0", Some(sent), Some(NO_PEER), true),
    ] {
        let run = Run::new();
        run.binds(local);
        if let Some(to) = to {
            run.sends(to);
        }
        if let Some(from) = from {
            run.hears(local, from, 1);
        }
        let listed = format!("allow-listen = [\n    \"{local}\",\n]\n");
        let policy = run.policy();
        assert_eq!(policy.ends_with(&listed), is_listed, "{local} {to:?} {from:?}: {policy}");
        assert_eq!(policy.contains("allow-listen"), is_listed, "{policy}");
    }
}

#[test]
fn the_amplification_learnt_is_the_least_that_suffices() {
    for (heard, answered, line) in [
        (&[10][..], &[][..], ""),
        (&[10], &[10], ""),
        (&[10, 10], &[20], ""),
        (&[100, 100], &[1, 1, 1, 1, 1], "amplification = 2.5\n"),
        (&[1, 2], &[4], "amplification = 1.34\n"),
        (&[1, 2], &[4, 4], "amplification = 2.67\n"),
        (&[0], &[7], "amplification = 7\n"),
    ] {
        let run = Run::new();
        run.binds("0.0.0.0:12000");
        for bytes in heard {
            run.hears("0.0.0.0:12000", NO_PEER, *bytes);
        }
        for bytes in answered {
            run.answers(NO_PEER, *bytes);
        }
        let policy = run.policy();
        let expected = format!("allow-listen = [\n    \"0.0.0.0:12000\",\n]\n{line}");
        assert_eq!(policy, expected, "{heard:?} {answered:?}");
    }
}

#[test]
fn what_is_sent_by_a_grant_needs_no_amplification() {
    let run = Run::new();
    run.binds("0.0.0.0:0");
    run.sends(NO_PEER);
    run.hears("0.0.0.0:0", NO_PEER, 1);
    run.answers(NO_PEER, 10);
    assert_eq!(run.policy(), format!("allow-to = [\n    \"{NO_PEER}\",\n]\n"));
}

#[test]
fn what_is_recorded_is_bounded_and_goes_on_for_known_peers() {
    let run = Run::new();
    let peer = |number: usize| {
        let ip = Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(number).unwrap());
        SocketAddr::from((ip, 7)).to_string()
    };
    run.binds("0.0.0.0:12000");
    for number in 0..=KEPT {
        run.sends(&peer(number));
        run.hears("0.0.0.0:12000", &peer(number), 1);
    }
    let policy = run.policy();
    assert_eq!(policy.lines().filter(|line| line.contains("\"10.")).count(), KEPT);
    // An answer to an unrecorded peer is not counted, one to a recorded peer is.
    run.answers(&peer(KEPT), 100);
    assert!(!run.policy().contains("amplification"));
    run.hears("0.0.0.0:12000", &peer(0), 1);
    run.answers(&peer(0), 10);
    assert!(run.policy().ends_with("amplification = 5\n"));
}
