//! Networks that fail, in namespaces of their own: an error is one datagram's, and the next one is served.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use udping_tests::{Process, Runtime, Server, file, guests, host_program, run};

/// A network namespace, which goes with the process that holds it.
struct Namespace(Process);

impl Namespace {
    fn new() -> Self {
        let mut holder = Process::start(Command::new("unshare").args(["--net", "sh", "-c", "echo ready; exec sleep 120"]));
        assert_eq!(holder.line(), "ready");
        let namespace = Self(holder);
        namespace.ip("link set lo up");
        namespace
    }

    /// Two of them, 10.9.0.1 and 10.9.0.2, at the ends of one wire.
    fn pair() -> [Self; 2] {
        let (one, two) = (Self::new(), Self::new());
        one.ip(&format!("link add wire type veth peer name wire netns {}", two.pid()));
        for (namespace, address) in [(&one, "10.9.0.1/24"), (&two, "10.9.0.2/24")] {
            namespace.ip(&format!("addr add {address} dev wire"));
            namespace.ip("link set wire up");
        }
        [one, two]
    }

    fn pid(&self) -> String {
        self.0.pid().as_raw_nonzero().to_string()
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.pid(), "--"]).arg(program);
        command
    }

    #[track_caller]
    fn ip(&self, arguments: &str) {
        self.tool("ip", arguments);
    }

    #[track_caller]
    fn tool(&self, tool: &str, arguments: &str) {
        let output = self.command(tool).args(arguments.split(' ')).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{tool} {arguments}: {output:?}");
    }
}

/// The paths that datagrams take through the host.
const PATHS: [&[&str]; 3] = [&[], &["--no-offload"], &["--batch", "1"]];

#[test]
fn a_client_outlives_its_interface() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        let server = Server::listening(there.command(host_program()).args(["server", "12000", "--bind", "10.9.0.2"]));
        let arguments = ["client", "10.9.0.2", "12000", "-c", "20", "-i", "100ms", "-W", "300ms"];
        let mut client = Process::start(here.command(host_program()).args(path).args(arguments));
        while !client.line().contains("seq=3 rtt=") {}
        here.ip("link set wire down");
        thread::sleep(Duration::from_millis(500));
        here.ip("link set wire up");
        let outcome = client.wait();
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let unsent = outcome.seqs("not sent");
        assert!(unsent.len() >= 3, "{outcome:?}");
        let answered = outcome.seqs("rtt=");
        assert!(answered.iter().any(|seq| seq > unsent.last().unwrap()), "{outcome:?}");
        drop(server);
    }
}

#[test]
fn an_address_that_goes_away_costs_the_pings_of_that_time() {
    for path in PATHS {
        for end in ["10.9.0.1", "10.9.0.2"] {
            let [here, there] = Namespace::pair();
            let arguments = ["server", "12000", "--bind", "10.9.0.2"];
            let server = Server::listening(there.command(host_program()).args(path).args(arguments));
            let arguments = ["client", "10.9.0.2", "12000", "-c", "30", "-i", "50ms", "-W", "300ms"];
            let mut client = Process::start(here.command(host_program()).args(path).args(arguments));
            while !client.line().contains("seq=3 rtt=") {}
            let side = if end == "10.9.0.1" { &here } else { &there };
            side.ip(&format!("addr del {end}/24 dev wire"));
            thread::sleep(Duration::from_millis(500));
            side.ip(&format!("addr add {end}/24 dev wire"));
            let outcome = client.wait();
            assert_eq!(outcome.code(), 0, "{outcome:?}");
            let failed = [outcome.seqs("not sent"), outcome.seqs("lost")].concat();
            assert!(failed.len() >= 3, "{path:?}, {end}: {outcome:?}");
            let answered = outcome.seqs("rtt=");
            let mut told = [failed.as_slice(), answered.as_slice()].concat();
            told.sort_unstable();
            told.dedup();
            assert_eq!(told, (4..=30).collect::<Vec<_>>(), "{path:?}, {end}: {outcome:?}");
            assert!(answered.iter().any(|seq| seq > failed.iter().max().unwrap()), "{path:?}, {end}: {outcome:?}");
            assert_eq!(server.stop().code(), 0);
        }
    }
}

#[test]
fn a_server_that_cannot_answer_one_client_answers_the_next() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        here.ip("addr add 10.9.0.3/24 dev wire");
        there.ip("route add unreachable 10.9.0.1/32");
        let arguments = ["server", "12000", "--bind", "10.9.0.2", "-v"];
        let mut server = Server::listening(there.command(host_program()).args(path).args(arguments));
        let both = "import socket
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
s[0].bind(('10.9.0.1', 0)); s[1].bind(('10.9.0.3', 0))
for i in range(20): s[i % 2].sendto(b'ping %d' % i, ('10.9.0.2', 12000))
s[1].settimeout(10)
print([s[1].recv(99) for _ in range(10)] == [b'ping %d' % i for i in range(1, 20, 2)])
s[0].settimeout(0.2)
try: s[0].recv(9); print('answered')
except TimeoutError: print('not answered')";
        let outcome = run(here.command("python3").args(["-c", both]));
        assert_eq!(outcome.stdout, "True\nnot answered\n", "{path:?}: {outcome:?}");
        while !server.process.line().contains("cannot send to 10.9.0.1") {}
        let outcome = server.stop();
        assert!(outcome.stdout.ends_with("20 received, 10 answered, 0 dropped, 10 not sent\n"), "{outcome:?}");
    }
}

#[test]
fn a_full_send_buffer_is_waited_for() {
    for path in PATHS {
        let [here, _there] = Namespace::pair();
        here.tool("tc", "qdisc add dev wire root tbf rate 20mbit burst 5kb limit 10mb");
        here.ip("neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev wire nud permanent");
        let fills = file("fills.wasm", guests::FILLS);
        let outcome = run(here.command(host_program()).args(path).args(["-S", "inherit-network"]).arg(fills));
        assert_eq!(outcome.code(), 0, "{path:?}: {outcome:?}");
        assert_eq!(outcome.lines_with("full after").len(), 3, "{path:?}: {outcome:?}");
    }
}

#[test]
fn a_queue_that_drops_is_one_datagrams_error() {
    for path in PATHS {
        let [here, there] = Namespace::pair();
        let _server = Server::listening(there.command(host_program()).args(["server", "12000", "--bind", "10.9.0.2"]));
        // Datagrams larger than the MTU, cut into fragments for which the queue has no room.
        here.tool("tc", "qdisc add dev wire root pfifo limit 1");
        let arguments = ["client", "10.9.0.2", "12000", "-c", "5", "-i", "100ms", "-W", "300ms", "--size"];
        let large = run(here.command(host_program()).args(path).args(arguments).arg("60000"));
        assert!(matches!(large.code(), 0 | 1), "{large:?}");
        here.tool("tc", "qdisc del dev wire root");
        let small = run(here.command(host_program()).args(path).args(arguments).arg("100"));
        assert_eq!((small.code(), small.seqs("rtt=").len()), (0, 5), "{small:?}");
    }
}

/// The kernel has no memory for a datagram: too rare to wait for, so strace puts the error in place of the third send.
#[test]
fn a_lack_of_buffers_is_one_datagrams_error() {
    let lacking = |path: &[&str], arguments: &[&str]| {
        let mut command = Command::new("strace");
        // -D: the program, and not strace, is our child.
        command.args(["-D", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=sendto,sendmsg,sendmmsg"]);
        command.args(["-e", "inject=sendto,sendmsg,sendmmsg:error=ENOBUFS:when=3"]);
        command.arg(host_program()).args(path).args(arguments);
        command
    };
    let pings = ["-c", "10", "-i", "20ms", "-W", "200ms"];
    for path in PATHS {
        let server = Server::listening(&mut lacking(path, &["server", "0", "--bind", "127.0.0.1"]));
        let [host, port] = server.host_and_port();
        let client = run(Command::new(host_program()).args(["client", &host, &port]).args(pings));
        assert_eq!((client.seqs("lost"), client.seqs("rtt=").len()), (vec![3], 9), "{path:?}: {client:?}");
        let outcome = server.stop();
        assert!(outcome.stdout.ends_with("10 received, 9 answered, 0 dropped, 1 not sent\n"), "{path:?}: {outcome:?}");

        let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
        let [host, port] = server.host_and_port();
        let client = run(lacking(path, &["client", &host, &port]).args(pings));
        assert_eq!((client.seqs("not sent"), client.seqs("rtt=").len()), (vec![3], 9), "{path:?}: {client:?}");
    }
}
