//! What each format makes of the same three runs, and that JSON is as docs/ says. The network is scripted, and time is data.

#![expect(clippy::unwrap_used, reason = "a test may well panic")]

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use udping_core::delays::Measured;
use udping_core::pinger::{Arrival, Config, FlowId, Pinger};
use udping_core::protocol::{Codec, Protocol};
use udping_core::schedule::Pace;
use udping_core::seq::Seq;
use udping_core::stamp::{ErrorEstimate, Reply, Request, Timestamp};
use udping_core::time::{Instant, UnixTime};
use udping_report::csv::Csv;
use udping_report::json::Json;
use udping_report::jsonl::JsonLines;
use udping_report::openmetrics::OpenMetrics;
use udping_report::text::Text;
use udping_report::{Exporter, FlowName, Run, Settings, Target};

/// A host as it was named, and its address, or why it has none.
type Named<'a> = (&'a str, Result<&'a str, &'a str>);

/// The first ping is due so long after the origin of the clock that never jumps.
const START: u64 = 5_000;

fn at(us: u64) -> Instant {
    Instant::from_nanos((START + us) * 1_000)
}

fn wall(us: u64) -> UnixTime {
    UnixTime { seconds: 1_700_000_000, nanoseconds: us as u32 * 1_000 }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A run, an exporter, and what that has printed.
struct Printed {
    run: Run,
    pinger: Pinger,
    exporter: Box<dyn Exporter>,
    text: String,
}

impl Printed {
    /// A ping every 100 ms to each of `targets`, which has an address or not, awaited for 250 ms.
    fn new(exporter: Box<dyn Exporter>, targets: &[Named<'_>], ports: &[u16], protocol: Protocol) -> Self {
        let is_stamp = protocol != Protocol::Text;
        let target = |(host, result): &Named<'_>| Target {
            host: (*host).to_owned(),
            address: result.map(address).map_err(str::to_owned),
        };
        let targets: Vec<_> = targets.iter().map(target).collect();
        let config = Config {
            targets: targets.iter().filter_map(|target| target.address.clone().ok()).collect(),
            source_ports: NonZeroUsize::new(ports.len()).unwrap(),
            codec: Codec { protocol, size: 44, keys: None },
            first: protocol.first(),
            measured: Measured {
                one_way: is_stamp,
                synced: is_stamp.then(|| ErrorEstimate::of_clock(true)),
                stateful: is_stamp,
            },
            count: NonZeroU64::new(6),
            interval: Duration::from_millis(100),
            pace: Pace::Fixed,
            burst: NonZeroU32::MIN,
            timeout: Duration::from_millis(250),
            deadline: None,
        };
        let pinger = Pinger::new(config.clone(), at(0));
        let pinged: Vec<_> = (0..targets.len()).filter(|index| targets[*index].address.is_ok()).collect();
        let flow = |flow| {
            let (target, port) = pinger.target_and_port(FlowId(flow));
            FlowName { target: pinged[target], address: config.targets[target], source_port: ports[port] }
        };
        let flows = (0..pinged.len() * ports.len()).map(flow).collect();
        let settings = Settings { records: true, ..Settings::default() };
        let run = Run { targets, flows, settings, datagram: 44, start: at(0), started: wall(0), config };
        let mut printed = Self { run, pinger, exporter, text: String::new() };
        printed.exporter.start(&printed.run, &mut printed.text);
        printed
    }

    /// Sends what is due, in a call that takes 9 us; gives the datagram.
    fn send(&mut self, us: u64) -> Vec<u8> {
        let departure = self.pinger.poll_send(at(us), wall(us)).unwrap();
        let (flow, seq, datagram) = (departure.flow, departure.seq, departure.datagram.to_vec());
        self.pinger.departed(flow, seq, at(us), at(us + 9));
        datagram
    }

    /// The same, but the socket takes nothing.
    fn fail_to_send(&mut self, us: u64) {
        let departure = self.pinger.poll_send(at(us), wall(us)).unwrap();
        let (flow, seq) = (departure.flow, departure.seq);
        self.pinger.not_sent(flow, seq, at(us), "no route to it".to_owned());
    }

    fn receive(&mut self, us: u64, source_port: usize, from: &str, datagram: &[u8]) {
        let arrival = Arrival { now: at(us), wall: wall(us), source_port, from: address(from) };
        self.pinger.handle_datagram(arrival, datagram);
    }

    fn report(&mut self) {
        while let Some(happened) = self.pinger.poll_event() {
            self.exporter.event(&self.run, &happened, &mut self.text);
        }
    }

    fn finish(mut self, us: u64) -> String {
        self.pinger.handle_timeout(at(us));
        self.report();
        while self.pinger.finish(at(us)) {
            self.report();
        }
        self.exporter.finish(&self.run, &self.pinger.results(), &mut self.text);
        self.text
    }
}

/// One server and everything that can happen to a ping: 1 is answered, and once more; 2 too late; 3 never; 4 is not sent; 5 is
/// answered by somebody else, and, after an error of the network, by whom it was sent to; 6 is awaited when the run is stopped.
fn eventful(exporter: Box<dyn Exporter>) -> String {
    let server = "192.0.2.7:12000";
    let mut run = Printed::new(exporter, &[("a.example", Ok(server))], &[40_000], Protocol::Text);
    let first = run.send(50);
    run.receive(1_050, 0, server, &first);
    run.receive(1_300, 0, server, &first);
    let second = run.send(100_000);
    run.send(200_000);
    run.fail_to_send(300_000);
    run.receive(360_000, 0, server, &second);
    let fifth = run.send(400_000);
    run.receive(400_500, 0, "198.51.100.1:9", &fifth);
    run.pinger.network_error(at(401_000), "connection refused".to_owned());
    run.receive(402_500, 0, server, &fifth);
    run.send(500_000);
    run.pinger.stop();
    run.finish(501_000)
}

/// Two servers from two ports each, one of which is silent, and one that has no address.
fn of_many(exporter: Box<dyn Exporter>) -> String {
    let servers = ["192.0.2.7:12000", "[2001:db8::7]:7"];
    let targets = [("a.example", Ok(servers[0])), ("no.example", Err("cannot resolve no.example")), ("b", Ok(servers[1]))];
    let mut run = Printed::new(exporter, &targets, &[40_000, 40_001], Protocol::Text);
    // Turns: each server from the first port, each from the second, and so on.
    for turn in 0..12 {
        let due = turn * 50_000;
        let datagram = run.send(due);
        if turn % 2 == 0 {
            run.receive(due + 1_000 + turn * 100, (turn / 2 % 2) as usize, servers[0], &datagram);
        }
    }
    run.finish(900_000)
}

/// A stateful STAMP reflector whose clock agrees: a ping takes 400 us there, 100 us in the reflector and 300 us back, each but
/// for some. Ping 2 is lost on its way there, and 4 on its way back.
fn of_stamp(exporter: Box<dyn Exporter>) -> String {
    let reflector = "192.0.2.7:862";
    let error = ErrorEstimate::of_clock(true);
    let mut run = Printed::new(exporter, &[("a.example", Ok(reflector))], &[40_000], Protocol::Stamp { ssid: 7, error });
    let mut counter = Seq(0);
    for (ping, extra) in [0, 10, 20, 50, 60, 80].into_iter().enumerate() {
        let sent = ping as u64 * 100_000;
        let request = Request::decode(&run.send(sent), None).unwrap();
        if ping == 2 {
            continue;
        }
        let reply = Reply {
            seq: counter,
            sent: Timestamp::ntp(wall(sent + 500 + extra)),
            error,
            ssid: 7,
            received: Timestamp::ntp(wall(sent + 400 + extra)),
            sender_seq: request.seq,
            sender_sent: request.sent,
            sender_error: request.error,
            sender_ttl: 255,
        };
        counter = counter.next();
        if ping != 4 {
            let mut datagram = vec![0; 44];
            reply.encode(None, &mut datagram);
            run.receive(sent + 800 + 2 * extra, 0, reflector, &datagram);
        }
    }
    run.finish(900_000)
}

/// What an exporter prints of a run.
type Script = fn(Box<dyn Exporter>) -> String;

const RUNS: [(&str, Script); 3] = [("eventful", eventful), ("of_many", of_many), ("of_stamp", of_stamp)];

#[test]
fn text_is_as_ping_prints_it() {
    for (name, run) in RUNS {
        insta::assert_snapshot!(format!("text_{name}"), run(Box::new(Text)));
    }
}

#[test]
fn a_json_document_is_as_its_schema_says() {
    for (name, run) in RUNS {
        let text = run(Box::<Json>::default());
        udping_schema::results(&text);
        insta::assert_snapshot!(format!("json_{name}"), text);
    }
}

#[test]
fn each_json_line_is_as_its_schema_says() {
    for (name, run) in RUNS {
        let text = run(Box::new(JsonLines));
        udping_schema::events(&text);
        insta::assert_snapshot!(format!("jsonl_{name}"), text);
    }
}

#[test]
fn csv_has_a_row_for_each_ping() {
    for (name, run) in RUNS {
        insta::assert_snapshot!(format!("csv_{name}"), run(Box::new(Csv)));
    }
}

#[test]
fn openmetrics_end_with_eof() {
    for (name, run) in RUNS {
        insta::assert_snapshot!(format!("openmetrics_{name}"), run(Box::new(OpenMetrics)));
    }
}
