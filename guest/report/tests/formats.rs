//! The output of each format for the same three runs, and the validity of JSON according to docs/.
//! The network is scripted, and time is data.

#![expect(clippy::unwrap_used, reason = "a test may well panic")]
#![expect(clippy::cast_possible_truncation, reason = "what a test counts is small")]

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use udping_core::Seq;
use udping_core::client::Pace;
use udping_core::client::{Arrival, Config, FlowId, Pinger, Results, SendCall};
use udping_core::client::{Codec, Protocol};
use udping_core::stats::Measured;
use udping_core::wire::stamp::{ErrorEstimate, Reply, Request, Timestamp};
use udping_core::{Instant, UnixTime};
use udping_report::csv::Csv;
use udping_report::json::Json;
use udping_report::jsonl::JsonLines;
use udping_report::live::Live;
use udping_report::openmetrics::OpenMetrics;
use udping_report::text::Text;
use udping_report::{Clocks, Exporter, FlowName, Run, Settings, Sort, Style, Target, summary};
use udping_results::{Document, Event};

/// A host as it was named, and its address, or the reason why it has none.
type Named<'a> = (&'a str, Result<&'a str, &'a str>);

/// The monotonic time at which the first ping is due, in microseconds.
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

/// A run, an exporter, and its output.
struct Printed {
    run: Run,
    pinger: Pinger,
    exporter: Box<dyn Exporter>,
    text: String,
    /// The number of datagrams lost on this machine.
    dropped: Option<u64>,
}

impl Printed {
    /// A ping every 100 ms to each of `targets`, which has an address or not, with a timeout of 250
    /// ms.
    fn new(
        exporter: Box<dyn Exporter>,
        targets: &[Named<'_>],
        ports: &[u16],
        protocol: Protocol,
    ) -> Self {
        let is_stamp = protocol != Protocol::Text;
        let target = |(host, result): &Named<'_>| Target {
            host: (*host).to_owned(),
            port: result.ok().map_or(7, |text| address(text).port()),
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
            grid: Duration::ZERO,
            burst: NonZeroU32::MIN,
            timeout: Duration::from_millis(250),
            deadline: None,
        };
        let pinger = Pinger::new(config.clone(), at(0));
        let pinged: Vec<_> =
            (0..targets.len()).filter(|index| targets[*index].address.is_ok()).collect();
        let flow = |flow| {
            let (target, port) = pinger.target_and_port(FlowId(flow));
            FlowName {
                target: pinged[target],
                address: config.targets[target],
                source_port: ports[port],
            }
        };
        let flows = (0..pinged.len() * ports.len()).map(flow).collect();
        let settings = Settings { records: true, ..Settings::default() };
        let run = Run {
            targets,
            flows,
            settings,
            datagram: 44,
            start: at(0),
            clocks: Clocks { monotonic: at(0), wall: wall(0) },
            config,
        };
        let mut printed = Self { run, pinger, exporter, text: String::new(), dropped: None };
        printed.exporter.start(&printed.run, &mut printed.text);
        printed
    }

    /// Sends what is due, in a call that takes 9 us, and returns the datagram.
    fn send(&mut self, us: u64) -> Vec<u8> {
        let departure = self.pinger.poll_transmit(at(us), wall(us)).unwrap();
        let (flow, seq, datagram) = (departure.flow, departure.seq, departure.datagram.to_vec());
        self.pinger.departed(flow, seq, SendCall::new(at(us), at(us + 9)));
        datagram
    }

    /// Does the same with a socket that accepts nothing.
    fn fail_to_send(&mut self, us: u64) {
        let departure = self.pinger.poll_transmit(at(us), wall(us)).unwrap();
        let (flow, seq) = (departure.flow, departure.seq);
        self.pinger.not_sent(flow, seq, at(us), "no route to it".to_owned());
    }

    fn receive(&mut self, us: u64, source_port: usize, from: &str, datagram: &[u8]) {
        let arrival =
            Arrival { now: at(us), wall: wall(us), waited: None, source_port, from: address(from) };
        self.pinger.handle_input(arrival, datagram);
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
        let end = at(us);
        self.run.clocks = Clocks { monotonic: end, wall: wall(us) };
        let results = Results { dropped: self.dropped, ..self.pinger.results() };
        self.exporter.finish(&self.run, &results, &mut self.text);
        let mut beside = String::new();
        self.exporter.finish_beside(&self.run, &results, &mut beside);
        if !beside.is_empty() {
            self.text += &format!("on standard error:\n{beside}");
        }
        self.text
    }
}

/// One server and all outcomes of a ping: 1 is answered twice; 2 too late; 3 never; 4 is not sent;
/// 5 is answered from another address and, after a network error, from its destination; 6 is
/// awaited when the run is stopped.
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
    let flow = run.pinger.flow(0, address(server));
    run.pinger.network_error(at(401_000), flow, "connection refused".to_owned());
    run.dropped = Some(3);
    run.receive(402_500, 0, server, &fifth);
    run.send(500_000);
    run.pinger.stop();
    run.finish(501_000)
}

/// Two servers from two ports each, one of which is silent, and one without an address.
fn of_many(exporter: Box<dyn Exporter>) -> String {
    let servers = ["192.0.2.7:12000", "[2001:db8::7]:7"];
    let targets = [
        ("a.example", Ok(servers[0])),
        ("no.example", Err("cannot resolve no.example")),
        ("b", Ok(servers[1])),
    ];
    let mut run = Printed::new(exporter, &targets, &[40_000, 40_001], Protocol::Text);
    let (silent, unknown) =
        (run.pinger.flow(1, address(servers[1])), run.pinger.flow(2, address(servers[1])));
    run.pinger.network_error(at(0), silent, "connection refused".to_owned());
    run.pinger.network_error(at(0), unknown, "no route to it".to_owned());
    // In turns: each server from the first port, each from the second, and so on.
    for turn in 0..12 {
        let due = turn * 50_000;
        let datagram = run.send(due);
        if turn % 2 == 0 {
            run.receive(due + 1_000 + turn * 100, (turn / 2 % 2) as usize, servers[0], &datagram);
        }
    }
    run.finish(900_000)
}

/// A stateful STAMP reflector with a synchronised clock: a ping takes 400 us forward, 100 us in the
/// reflector and 300 us backward, with a varying extra in each direction. Ping 2 is lost forward,
/// and 4 backward.
fn of_stamp(exporter: Box<dyn Exporter>) -> String {
    let reflector = "192.0.2.7:862";
    let error = ErrorEstimate::of_clock(true);
    let mut run = Printed::new(
        exporter,
        &[("a.example", Ok(reflector))],
        &[40_000],
        Protocol::Stamp { ssid: 7, error },
    );
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

/// A function that returns an exporter's output for a run.
type Script = fn(Box<dyn Exporter>) -> String;

const RUNS: [(&str, Script); 3] =
    [("eventful", eventful), ("of_many", of_many), ("of_stamp", of_stamp)];

#[test]
fn text_is_as_ping_prints_it() {
    for (name, run) in RUNS {
        insta::assert_snapshot!(format!("text_{name}"), run(Box::<Text>::default()));
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

/// As parsed by [`udping_results`]: nothing is lost, and the order of keys is kept.
#[test]
fn a_json_document_that_is_read_is_written_as_it_was() {
    for (name, run) in RUNS {
        let text = run(Box::<Json>::default());
        let document: Document = serde_json::from_str(&text).unwrap();
        // Line breaks in its strings are always escaped.
        assert_eq!(serde_json::to_string(&document).unwrap(), text.replace('\n', ""), "{name}");
        assert!(document.records.is_some_and(|records| records.len() >= 6), "{name}");
    }
}

#[test]
fn each_json_line_that_is_read_is_written_as_it_was() {
    for (name, run) in RUNS {
        for line in run(Box::new(JsonLines)).lines() {
            let event: Event = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), line, "{name}");
        }
    }
}

#[test]
fn csv_has_a_row_when_something_became_of_a_ping() {
    for (name, run) in RUNS {
        insta::assert_snapshot!(format!("csv_{name}"), run(Box::<Csv>::default()));
    }
}

#[test]
fn openmetrics_end_with_eof() {
    for (name, run) in RUNS {
        insta::assert_snapshot!(format!("openmetrics_{name}"), run(Box::new(OpenMetrics)));
    }
}

/// An unfinished run with three targets, of which the second loses everything and the first is the
/// slowest.
fn losing(protocol: Protocol) -> Printed {
    let servers = ["192.0.2.7:12000", "192.0.2.8:12000", "192.0.2.9:12000"];
    let targets = [
        ("slow.example", Ok(servers[0])),
        ("silent.example", Ok(servers[1])),
        ("fast.example", Ok(servers[2])),
    ];
    let mut run = Printed::new(Box::<Text>::default(), &targets, &[40_000], protocol);
    for turn in 0..9_u64 {
        let due = turn * 33_334;
        let datagram = run.send(due);
        match turn % 3 {
            0 => run.receive(due + 20_000, 0, servers[0], &datagram),
            2 => run.receive(due + 400, 0, servers[2], &datagram),
            _ => {}
        }
    }
    run
}

/// The targets of a summary, in their order.
fn order(sort: Sort) -> Vec<String> {
    let mut run = losing(Protocol::Text);
    run.run.settings = Settings { sort, quiet: true, ..run.run.settings };
    let text = run.finish(900_000);
    let lines = text.lines().filter(|line| line.contains(".example 192.0.2"));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn targets_stand_as_given_or_the_worst_first() {
    assert_eq!(order(Sort::Given), ["slow.example", "silent.example", "fast.example"]);
    assert_eq!(order(Sort::Loss), ["silent.example", "slow.example", "fast.example"]);
    assert_eq!(
        order(Sort::P99),
        ["silent.example", "slow.example", "fast.example"],
        "who never answers is the worst"
    );
}

#[test]
fn targets_are_aligned() {
    let mut run = losing(Protocol::Text);
    run.run.settings.quiet = true;
    let text = run.finish(900_000);
    let lines: Vec<_> = text.lines().filter(|line| line.contains(".example 192.0.2")).collect();
    let at = |word| lines.iter().map(|line| line.find(word).unwrap()).collect::<Vec<_>>();
    for word in [" sent", " received", " lost", " %)"] {
        assert_eq!(at(word), [at(word)[0]; 3], "{word}: {text}");
    }
}

#[test]
fn loss_is_red_where_there_are_colours_and_nothing_else_changes() {
    let text = |colour| {
        let mut run = losing(Protocol::Text);
        run.run.settings.style = Style { colour, ..Style::default() };
        run.finish(900_000)
    };
    let coloured = text(true);
    assert!(
        coloured.contains("\x1b[31m192.0.2.8:12000: seq=1 lost: no reply within 250 ms\x1b[0m\n"),
        "{coloured}"
    );
    assert!(coloured.contains("\x1b[31m3 lost (33.3 %)\x1b[0m"), "{coloured}");
    assert_eq!(coloured.replace("\x1b[31m", "").replace("\x1b[0m", ""), text(false));
    assert!(!text(false).contains('\x1b'));
}

/// Lines of a live run, as shown by a terminal of that width.
fn live(columns: usize, style: Style) -> Vec<String> {
    let mut run = losing(Protocol::Text);
    run.run.settings.style = style;
    let mut live = Live::default();
    let mut lines = Vec::new();
    for end in [0, 600_000] {
        run.pinger.handle_timeout(at(end));
        while let Some(happened) = run.pinger.poll_event() {
            live.event(&happened);
        }
        lines.push(live.line(&run.run, &run.pinger.results(), columns));
    }
    lines.push(live.clear(style, columns));
    lines
}

#[test]
fn a_live_line_fits_the_terminal_and_names_the_worst() {
    for columns in [1, 2, 10, 20, 39, 40, 41, 60, 80, 132] {
        for style in [Style::default(), Style { unicode: true, clears: true, ..Style::default() }] {
            for line in live(columns, style) {
                let shown = line.replace("\x1b[K", "");
                for part in shown.split('\r') {
                    assert!(part.chars().count() < columns.max(1), "{columns}: {line:?}");
                }
                assert!(!line.contains('\n') && line.starts_with('\r'), "{line:?}");
                assert!(style.unicode || line.is_ascii(), "{line:?}");
                assert!(style.clears || !line.contains('\x1b'), "{line:?}");
            }
        }
    }
    let at_80 = &live(80, Style::default())[1];
    assert!(at_80.contains("9 sent, 3 lost (33.3 %), worst silent.example 100.0 %"), "{at_80:?}");
    let at_40 = &live(40, Style::default())[1];
    assert!(at_40.contains("9 sent, 3 lost (33.3 %)"), "{at_40:?}");
}

#[test]
fn interim_statistics_are_one_line() {
    let mut run = losing(Protocol::Text);
    run.pinger.handle_timeout(at(600_000));
    let line = summary::interim(&run.run, &run.pinger.results());
    assert!(
        line.starts_with(
            "9 sent, 6 received, 3 lost (33.3 %), 0 duplicates, 0 late, rtt min/avg/max = 0.400/10.200/20.000 ms"
        )
    );
    assert!(line.ends_with(", after 600 ms, worst silent.example (100.0 % unanswered)"), "{line}");
}

/// After the wall clock was set, or the machine slept, times are by the new time; durations are not
/// affected.
#[test]
fn after_a_step_of_the_wall_clock_times_are_by_the_new_one() {
    let mut run = losing(Protocol::Text);
    let timestamp = |run: &Printed, us| run.run.timestamp(at(us)).to_string();
    assert_eq!(timestamp(&run, 1_000_000), "2023-11-14T22:13:21.000000000Z");
    run.run.clocks = Clocks {
        monotonic: at(2_000_000),
        wall: UnixTime { seconds: 1_800_000_000, nanoseconds: 0 },
    };
    assert_eq!(timestamp(&run, 1_000_000), "2027-01-15T07:59:59.000000000Z");
    assert_eq!(timestamp(&run, 2_500_000), "2027-01-15T08:00:00.500000000Z");
    assert_eq!(run.run.since_start(at(1_000_000)), Duration::from_secs(1));
}

/// For a reader that is too slow, lines are dropped, and their number is reported in the format's
/// own way.
#[test]
fn lines_that_were_left_out_are_counted() {
    let dropped = |mut exporter: Box<dyn Exporter>| {
        let run = losing(Protocol::Text);
        let (mut out, mut err) = (String::new(), String::new());
        assert!(exporter.can_drop());
        exporter.dropped(&run.run, at(0), 7, &mut out);
        exporter.finish_beside(&run.run, &run.pinger.results(), &mut err);
        (out, err)
    };
    let (out, _) = dropped(Box::<Text>::default());
    assert_eq!(out, "7 lines were not written: the reader of the output was too slow\n");
    let (out, _) = dropped(Box::new(JsonLines));
    assert_eq!(
        out,
        "{\"event\":\"dropped\",\"t_ns\":0,\"time\":\"2023-11-14T22:13:20.000000000Z\",\"lines\":7}\n"
    );
    let (out, err) = dropped(Box::<Csv>::default());
    assert!(
        out.is_empty()
            && err.ends_with("7 rows were not written: the reader of the output was too slow\n"),
        "{err}"
    );
    assert!(!Json::default().can_drop() && !OpenMetrics.can_drop(), "a part of a document is none");
}

/// `node_exporter`'s textfile collector parses the older text format: TYPE and HELP must name the
/// samples. And the same targets are the same series in each run.
#[test]
fn metrics_keep_their_types_and_their_labels() {
    let metrics = |ports: &[u16], resolved: &str| {
        let targets = [
            ("a\"b\\.example", Err("no such name")),
            ("a.example", Ok(resolved)),
            ("a.example", Err("again")),
        ];
        let mut run = Printed::new(Box::new(OpenMetrics), &targets, ports, Protocol::Text);
        run.run.targets[2].port = 12_000;
        run.finish(900_000)
    };
    let text = metrics(&[40_000], "192.0.2.7:12000");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert_eq!(text.matches(&format!("# TYPE {name} ")).count(), 1, "{line}");
        assert_eq!(text.matches(&format!("# HELP {name} ")).count(), 1, "{line}");
    }
    let series = |text: &str| {
        let series = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with("udping_target_info"));
        series.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    let mut of_one = series(&text);
    assert_eq!(
        of_one,
        series(&metrics(&[50_000], "192.0.2.99:12000")),
        "another source port, another address"
    );
    let count = of_one.len();
    of_one.sort();
    of_one.dedup();
    assert_eq!(of_one.len(), count, "no series is there twice");
    assert!(
        text.contains("udping_received_total{host=\"a\\\"b\\\\.example\",port=\"7\"} 0\n"),
        "{text}"
    );
    assert!(
        text.contains("udping_target_pinged{host=\"a\\\"b\\\\.example\",port=\"7\"} 0\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "udping_target_info{host=\"a.example\",port=\"12000\",address=\"192.0.2.7:12000\"} 1\n"
        ),
        "{text}"
    );
    let of_two = metrics(&[40_000, 40_001], "192.0.2.7:12000");
    assert!(
        of_two
            .contains("udping_sent_total{host=\"a.example\",port=\"12000\",port_index=\"1\"} 0\n"),
        "{of_two}"
    );
}
