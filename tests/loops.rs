//! The server set on other servers, by datagrams with forged sources: it is soon silent, and still there for everybody else.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use udping_core::seq::Seq;
use udping_core::stamp::{ErrorEstimate, Request, Timestamp};
use udping_core::time::UnixTime;
use udping_tests::{PATIENCE, Runtime, SERVER, Server, peer, run, under_both_runtimes};

under_both_runtimes![
    two_servers_on_two_ports,
    two_servers_on_one_port,
    a_server_that_upper_cases_and_one_that_does_not,
    a_foreign_echo,
    services_on_low_ports_get_nothing_unless_that_is_permitted,
    someone_who_repeats_himself_gets_five_answers,
    with_pings_only_nothing_else_is_answered,
    two_reflectors,
    a_reflector_and_an_echo,
];

/// Sends `to` a datagram that seems to come from `from`.
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

    /// The reason it gives for the next datagram that it refuses, and how many it answered before.
    fn next_refusal(&mut self) -> (String, usize) {
        let mut answered = 0;
        loop {
            let line = self.0.process.line();
            match line.split_once(" (") {
                Some((start, reason)) if start.starts_with("refused ") => {
                    return (reason.trim_end_matches(')').to_owned(), answered);
                }
                _ => answered += usize::from(line.starts_with("sent ")),
            }
            assert!(answered <= 16, "a loop");
        }
    }

    /// It answers `text` from a client, and nothing else came before that.
    #[track_caller]
    fn assert_silent_until(&mut self, text: &str) {
        let client = client();
        client.send_to(text.as_bytes(), self.address()).unwrap();
        let mut reply = [0; 64];
        let length = client.recv(&mut reply).unwrap();
        assert!(reply[..length].eq_ignore_ascii_case(text.as_bytes()));
        let port = client.local_addr().unwrap().port();
        for verb in ["received", "sent"] {
            let line = self.0.process.line();
            assert!(line.starts_with(verb) && line.contains(&format!(" 127.0.0.1:{port}")), "{line}");
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
    assert_eq!((0..10).map(|_| b.0.process.line()).filter(|line| line.starts_with("sent")).count(), 5);
    b.assert_silent_until("Ping 2 2.5");
}

fn two_servers_on_one_port(runtime: Runtime) {
    let mut a = Watched::start(runtime, &[]);
    let port = a.address().port();
    let mut b = Server::listening(&mut runtime.command(SERVER, &[&port.to_string(), "--bind", "127.0.0.2", "-v"]));
    forge(b.addresses[0], a.address(), "Ping 1 2.5");
    assert_eq!(a.next_refusal(), ("from this server's own port".to_owned(), 0));
    a.assert_silent_until("Ping 2 2.5");
    forge(a.address(), b.addresses[0], "Ping 3 2.5");
    let refused = [b.process.line(), b.process.line()];
    assert!(refused[1].ends_with("seq=3 (from this server's own port)"), "{refused:?}");
    a.assert_silent_until("Ping 4 2.5");
}

fn a_server_that_upper_cases_and_one_that_does_not(runtime: Runtime) {
    let (mut plain, upper) = (Watched::start(runtime, &[]), Watched::start(runtime, &["--uppercase"]));
    forge(upper.address(), plain.address(), "Ping 1 2.5");
    // Once as it was forged, and five times in upper case.
    assert_eq!(plain.next_refusal(), ("repeated".to_owned(), 6));
    plain.assert_silent_until("Ping 2 2.5");
    forge(plain.address(), upper.address(), "Ping 3 2.5");
    assert_eq!(plain.next_refusal(), ("repeated".to_owned(), 5));
    plain.assert_silent_until("Ping 4 2.5");
}

fn a_foreign_echo(runtime: Runtime) {
    let mut ours = Watched::start(runtime, &[]);
    let foreign = Server::listening(&mut peer("plain_echo.py", &[]));
    forge(foreign.addresses[0], ours.address(), "hello");
    assert_eq!(ours.next_refusal(), ("repeated".to_owned(), 5));
    ours.assert_silent_until("still there");
}

fn services_on_low_ports_get_nothing_unless_that_is_permitted(runtime: Runtime) {
    // chargen answers whatever comes with characters, DNS with an error: each would be one half of a loop.
    for address in ["127.0.0.19:19", "127.0.0.19:53"] {
        let service = match UdpSocket::bind(address) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                eprintln!("not tested: cannot listen on {address}: {error}");
                assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
                return;
            }
            service => service.unwrap(),
        };
        let mut server = Watched::start(runtime, &[]);
        service.send_to(b"!\"#$%&'()*+,-./", server.address()).unwrap();
        assert_eq!(server.next_refusal(), ("from a port below 1024".to_owned(), 0));
        server.assert_silent_until("still there");
        service.set_nonblocking(true).unwrap();
        assert_eq!(service.recv(&mut [0; 64]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));

        let server = Watched::start(runtime, &["--allow-low-ports"]);
        service.set_nonblocking(false).unwrap();
        service.set_read_timeout(Some(PATIENCE)).unwrap();
        service.send_to(b"hello", server.address()).unwrap();
        assert_eq!(service.recv(&mut [0; 64]).unwrap(), 5);
    }
}

fn someone_who_repeats_himself_gets_five_answers(runtime: Runtime) {
    let mut server = Watched::start(runtime, &[]);
    let client = client();
    for answered in [true, true, true, true, true, false, false, false] {
        client.send_to(b"again", server.address()).unwrap();
        if answered {
            client.recv(&mut [0; 64]).unwrap();
        }
    }
    for answered_before in [5, 0, 0] {
        assert_eq!(server.next_refusal(), ("repeated".to_owned(), answered_before));
    }
    server.assert_silent_until("again");
    if runtime == Runtime::UdpingHost {
        let outcome = server.0.stop();
        assert!(outcome.stdout.ends_with("9 received, 6 answered, 0 dropped, 3 refused (3 repeated)\n"), "{outcome:?}");
    }
}

fn with_pings_only_nothing_else_is_answered(runtime: Runtime) {
    let mut server = Watched::start(runtime, &["--pings-only"]);
    client().send_to(b"hello", server.address()).unwrap();
    assert_eq!(server.next_refusal(), ("other than a ping".to_owned(), 0));
    server.assert_silent_until("Ping 1 2.5");
}

/// A request of STAMP.
fn stamp() -> Vec<u8> {
    let (sent, error) =
        (Timestamp::ntp(UnixTime { seconds: 1_700_000_000, nanoseconds: 0 }), ErrorEstimate::of_clock(false));
    let mut datagram = Vec::new();
    Request { seq: Seq(1), sent, error, ssid: 0 }.encode(0, None, &mut datagram);
    datagram
}

fn two_reflectors(runtime: Runtime) {
    let [mut a, mut b] = [(); 2].map(|()| Watched::start(runtime, &["--protocol", "stamp"]));
    forge(b.address(), a.address(), stamp());
    assert_eq!(b.next_refusal(), ("itself an answer".to_owned(), 0));
    forge(a.address(), b.address(), stamp());
    // It answered what was forged the first time, and is refusing what came of the second.
    assert_eq!(a.next_refusal(), ("itself an answer".to_owned(), 1));
}

fn a_reflector_and_an_echo(runtime: Runtime) {
    let (mut reflector, mut echo) = (Watched::start(runtime, &["--protocol", "stamp"]), Watched::start(runtime, &[]));
    forge(echo.address(), reflector.address(), stamp());
    assert_eq!(reflector.next_refusal(), ("itself an answer".to_owned(), 1));
    assert!(echo.0.process.line().starts_with("received") && echo.0.process.line().starts_with("sent"));
    echo.assert_silent_until("still there");
}
