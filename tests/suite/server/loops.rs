//! The server set on other servers by datagrams with forged sources: it soon falls silent, and
//! still serves everyone else.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use udping_core::Seq;
use udping_core::UnixTime;
use udping_core::wire::stamp::{ErrorEstimate, Request, Timestamp};
use udping_tests::{PATIENCE, Runtime, SERVER, Server, peer, run, under_both_runtimes};

under_both_runtimes![
    two_servers_on_two_ports,
    two_servers_on_one_port,
    a_server_that_upper_cases_and_one_that_does_not,
    services_that_answer_whatever_comes,
    services_on_low_ports,
    someone_who_repeats_himself_gets_some_answers,
    the_first_refusal_is_said_once_with_the_flag_that_lifts_it,
    with_echo_all_everything_is_answered,
    the_same_port_on_both_sides_is_answered,
    new_requests_are_always_answered_from_any_source_port,
    with_pings_only_nothing_else_is_answered,
    two_reflectors,
    a_reflector_and_an_echo,
];

/// The reason for refusing what is not a well-formed request.
const OVER_RATE: &str = "not a request: over one a second";

/// Sends `to` a datagram whose source appears to be `from`.
fn forge(from: SocketAddr, to: SocketAddr, datagram: impl AsRef<[u8]>) {
    let [from_port, to_port] = [from, to].map(|address| address.port().to_string());
    let [from, to] = [from, to].map(|address| address.ip().to_string());
    let digits: String = datagram.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let outcome = run(&mut peer("forge.py", &[&from, &from_port, &to, &to_port, &digits]));
    assert_eq!(outcome.code(), 0, "raw sockets need root: {outcome:?}");
}

/// A server whose log is read.
struct Watched(Server);

impl Watched {
    fn start(runtime: Runtime, options: &[&str]) -> Self {
        Self(Server::start(runtime, "127.0.0.1", &[&["-v"], options].concat()))
    }

    fn address(&self) -> SocketAddr {
        self.0.addresses[0]
    }

    /// The reason for the next refusal, and the number of answers before it.
    fn next_refusal(&mut self) -> (String, usize) {
        let (mut answered, start) = (0, Instant::now());
        loop {
            let line = self.0.process.line();
            match line.split_once(" (") {
                Some((start, reason)) if start.starts_with("refused ") => {
                    return (reason.trim_end_matches(')').to_owned(), answered);
                }
                _ => answered += usize::from(line.starts_with("sent ")),
            }
            // The answer to the forged datagram, 16 rounds, and one more each second.
            let permitted = 17 + start.elapsed().as_secs() as usize;
            assert!(answered <= permitted, "a loop");
        }
    }

    /// Checks that it has answered the next datagram.
    #[track_caller]
    fn skip_answer(&mut self) {
        let lines = [self.0.process.line(), self.0.process.line()];
        assert!(lines[0].starts_with("received ") && lines[1].starts_with("sent "), "{lines:?}");
    }

    /// Checks that it answers `request` from a client, and received nothing before that.
    #[track_caller]
    fn assert_silent_until(&mut self, request: impl AsRef<[u8]>) {
        let (client, request) = (client(), request.as_ref());
        client.send_to(request, self.address()).unwrap();
        let mut reply = [0; 64];
        let length = client.recv(&mut reply).unwrap();
        assert_eq!(length, request.len());
        let port = client.local_addr().unwrap().port();
        for verb in ["received", "sent"] {
            let line = self.0.process.line();
            assert!(
                line.starts_with(verb) && line.contains(&format!(" 127.0.0.1:{port}")),
                "{line}"
            );
        }
    }
}

fn client() -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn two_servers_on_two_ports(runtime: Runtime) {
    let (mut a, mut b) = (Watched::start(runtime, &[]), Watched::start(runtime, &[]));
    forge(b.address(), a.address(), "Ping 1 2.5");
    assert_eq!(a.next_refusal(), ("repeated".to_owned(), 5));
    a.assert_silent_until("Ping 2 2.5");
    assert_eq!(
        (0..10).map(|_| b.0.process.line()).filter(|line| line.starts_with("sent")).count(),
        5
    );
    b.assert_silent_until("Ping 2 2.5");
}

fn two_servers_on_one_port(runtime: Runtime) {
    let mut a = Watched::start(runtime, &[]);
    let port = a.address().port();
    let b = Server::listening(
        &mut runtime.command(SERVER, &[&port.to_string(), "--bind", "127.0.0.2"]),
    );
    for (forged, answered, reason) in [("Ping 1 2.5", 5, "repeated"), ("hello", 16, OVER_RATE)] {
        forge(b.addresses[0], a.address(), forged);
        let (refusal, count) = a.next_refusal();
        // The second of these has the rest of the first one's budget, and what was added since.
        assert!(refusal == reason && count <= answered, "{refusal} after {count}");
        a.assert_silent_until("Ping 2 2.5");
    }
}

fn a_server_that_upper_cases_and_one_that_does_not(runtime: Runtime) {
    let (mut plain, upper) =
        (Watched::start(runtime, &[]), Watched::start(runtime, &["--uppercase"]));
    forge(upper.address(), plain.address(), "Ping 1 2.5");
    assert_eq!(plain.next_refusal(), ("repeated".to_owned(), 5));
    plain.assert_silent_until("Ping 2 2.5");
}

/// A STAMP request.
fn stamp() -> Vec<u8> {
    stamp_numbered(1)
}

fn stamp_numbered(seq: u32) -> Vec<u8> {
    let (sent, error) = (
        Timestamp::ntp(UnixTime { seconds: 1_700_000_000, nanoseconds: 0 }),
        ErrorEstimate::of_clock(false),
    );
    let mut datagram = Vec::new();
    Request { seq: Seq(seq), sent, error, ssid: 0 }.encode(0, None, &mut datagram);
    datagram
}

/// Starts a service of that kind that has sent `forged` to `server`, from its `own` address and
/// port if given.
fn service(kind: &str, server: SocketAddr, forged: &[u8], own: Option<&str>) -> Server {
    let digits: String = forged.iter().map(|byte| format!("{byte:02x}")).collect();
    let (ip, port) = (server.ip().to_string(), server.port().to_string());
    let own: Vec<_> = own.into_iter().flat_map(|own| own.split(':')).collect();
    Server::listening(&mut peer(
        "answering_service.py",
        &[&[kind, &ip, &port, &digits], &own[..]].concat(),
    ))
}

const SERVICES: [&str; 15] = [
    "echo",
    "stateless_reflector",
    "counter",
    "long_counter",
    "counter_of_pings",
    "clock",
    "clock_of_pings",
    "upper_casing",
    "lower_casing",
    "chargen",
    "dns",
    "random",
    "prefixing",
    "suffixing",
    "truncating",
];

fn services_that_answer_whatever_comes(runtime: Runtime) {
    for (protocol, forged) in
        [("text", b"Ping 1 2.5".to_vec()), ("text", vec![0; 44]), ("stamp", stamp())]
    {
        // In succession, with the earlier ones still running.
        let mut ours = Watched::start(runtime, &["--protocol", protocol]);
        let mut others = Vec::new();
        for kind in SERVICES {
            others.push(service(kind, ours.address(), &forged, None));
            if (protocol, kind, forged.len()) == ("text", "stateless_reflector", 10) {
                // It does not take a ping for a request.
                ours.skip_answer();
            } else {
                let (reason, answered) = ours.next_refusal();
                // The forged datagram may have been answered before.
                let at_once = if reason == "repeated" { 6 } else { 17 };
                assert!(answered <= at_once, "{protocol}, {kind}: {reason} after {answered}");
            }
            ours.assert_silent_until(if protocol == "text" {
                b"Ping 2 2.5".to_vec()
            } else {
                stamp()
            });
        }
    }
}

fn services_on_low_ports(runtime: Runtime) {
    for (kind, address) in
        [("chargen", "127.0.0.19:19"), ("dns", "127.0.0.19:53"), ("echo", "127.0.0.19:7")]
    {
        match UdpSocket::bind(address) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                eprintln!("not tested: cannot listen on {address}: {error}");
                assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
                return;
            }
            free => drop(free.unwrap()),
        }
        let mut ours = Watched::start(runtime, &[]);
        let _service = service(kind, ours.address(), b"hello", Some(address));
        assert_eq!(ours.next_refusal(), (OVER_RATE.to_owned(), 16), "{kind}");
        ours.assert_silent_until("still there");
    }
}

fn someone_who_repeats_himself_gets_some_answers(runtime: Runtime) {
    for (text, answers, reason) in [("again", 16, OVER_RATE), ("Ping 1 2.5", 5, "repeated")] {
        let mut server = Watched::start(runtime, &[]);
        let client = client();
        for number in 0..answers + 3 {
            client.send_to(text.as_bytes(), server.address()).unwrap();
            if number < answers {
                client.recv(&mut [0; 64]).unwrap();
            }
        }
        for answered_before in [answers, 0, 0] {
            assert_eq!(server.next_refusal(), (reason.to_owned(), answered_before));
        }
        server.assert_silent_until(text);
        if runtime.is_udping_host() {
            let (received, answered) = (answers + 4, answers + 1);
            let outcome = server.0.stop();
            let last = format!(
                "{received} received, {answered} answered, 0 dropped, 3 refused (3 {reason})\n"
            );
            assert!(outcome.stdout.ends_with(&last), "{outcome:?}");
        }
    }
}

fn the_first_refusal_is_said_once_with_the_flag_that_lifts_it(runtime: Runtime) {
    let mut server = Watched::start(runtime, &[]);
    let client = client();
    (0..30).for_each(|_| assert_eq!(client.send_to(b"hello", server.address()).unwrap(), 5));
    let log: Vec<_> = (0..60).map(|_| server.0.process.line()).collect();
    let count = |start: &str, end: &str| {
        log.iter().filter(|line| line.starts_with(start) && line.ends_with(end)).count()
    };
    assert_eq!(
        (count("sent ", ""), count("refused ", &format!(" ({OVER_RATE})"))),
        (16, 14),
        "{log:?}"
    );
    let outcome = server.0.stop();
    let (from, said) = (client.local_addr().unwrap(), outcome.only_error());
    assert!(
        said.starts_with("server.wasm: not every datagram from ")
            && said.contains(&from.to_string()),
        "{said}"
    );
    assert!(said.contains("--echo-all"), "{said}");
}

fn with_echo_all_everything_is_answered(runtime: Runtime) {
    for (protocol, payload) in
        [("text", b"hello".to_vec()), ("text", b"Ping 1 2.5".to_vec()), ("stamp", stamp())]
    {
        let server = Watched::start(runtime, &["--echo-all", "--protocol", protocol]);
        let client = client();
        for _ in 0..100 {
            client.send_to(&payload, server.address()).unwrap();
            assert_eq!(client.recv(&mut [0; 64]).unwrap(), payload.len());
        }
        assert_eq!(server.0.stop().stderr, "");
    }
}

/// As from STAMP senders that use port 862 on both sides.
fn the_same_port_on_both_sides_is_answered(runtime: Runtime) {
    for (protocol, payload) in [("text", b"hello".to_vec()), ("stamp", stamp())] {
        let server = Watched::start(runtime, &["--protocol", protocol]);
        let client = UdpSocket::bind(("127.0.0.2", server.address().port())).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(&payload, server.address()).unwrap();
        assert_eq!(client.recv(&mut [0; 64]).unwrap(), payload.len());
    }
}

/// From the server's own port, as used by owamp and other STAMP senders, and from the port of DNS,
/// which many NATs map to.
fn new_requests_are_always_answered_from_any_source_port(runtime: Runtime) {
    for protocol in ["text", "stamp"] {
        let server = Watched::start(runtime, &["--protocol", protocol]);
        for port in [server.address().port(), 53, 862, 65_535] {
            let client = match UdpSocket::bind(("127.0.0.23", port)) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    eprintln!("not tested: cannot send from port {port}: {error}");
                    assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
                    continue;
                }
                client => client.unwrap(),
            };
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            for seq in 0..40 {
                let request = if protocol == "text" {
                    format!("Ping {seq} 2.5").into_bytes()
                } else {
                    stamp_numbered(seq)
                };
                client.send_to(&request, server.address()).unwrap();
                let mut reply = [0; 64];
                let length = client.recv(&mut reply).unwrap();
                assert_eq!(length, request.len(), "{protocol} from port {port}");
            }
        }
    }
}

fn with_pings_only_nothing_else_is_answered(runtime: Runtime) {
    let mut server = Watched::start(runtime, &["--pings-only"]);
    client().send_to(b"hello", server.address()).unwrap();
    assert_eq!(server.next_refusal(), ("other than a ping".to_owned(), 0));
    server.assert_silent_until("Ping 1 2.5");
}

fn two_reflectors(runtime: Runtime) {
    let [mut a, mut b] = [(); 2].map(|()| Watched::start(runtime, &["--protocol", "stamp"]));
    forge(b.address(), a.address(), stamp());
    assert_eq!(b.next_refusal(), ("is a reply".to_owned(), 0));
    forge(a.address(), b.address(), stamp());
    // It answered the first forged datagram, and refuses the consequence of the second.
    assert_eq!(a.next_refusal(), ("is a reply".to_owned(), 1));
}

fn a_reflector_and_an_echo(runtime: Runtime) {
    let (mut reflector, mut echo) =
        (Watched::start(runtime, &["--protocol", "stamp"]), Watched::start(runtime, &[]));
    forge(echo.address(), reflector.address(), stamp());
    assert_eq!(reflector.next_refusal(), ("is a reply".to_owned(), 1));
    assert!(
        echo.0.process.line().starts_with("received") && echo.0.process.line().starts_with("sent")
    );
    echo.assert_silent_until("still there");
}
