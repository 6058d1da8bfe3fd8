//! Documents that the client could have written, and others.

#![expect(clippy::unwrap_used, reason = "a test may well panic")]

use std::io::{self, Read};
use std::time::Duration;

use udping_plot::document::{self, Fate, Ping, Schedule};
use udping_plot::{Document, ReadError};

const WRITTEN: &str = r#"{
  "format": "udping-results", "version": 1, "started": "2026-11-24T00:20:11.5Z",
  "config": {"protocol": "text", "schedule": "fixed", "interval_ns": 1000000000, "timeout_ns": 2000000000, "count": null,
    "burst": 1, "size_bytes": 32, "deadline_ns": null, "source_ports": 1, "precise": false, "keyed": false},
  "targets": [{"host": "localhost", "address": "127.0.0.1:12000"}, {"host": "nowhere.example", "error": "no such name"}],
  "records": [
    {"target": 0, "source_port": 41234, "seq": 1, "scheduled_ns": 0, "sent_ns": 123, "fate": "received", "rtt_ns": 112000,
      "duplicates": 70000},
    {"target": 0, "source_port": 41234, "seq": 2, "scheduled_ns": 1000, "sent_ns": 1123, "fate": "late", "rtt_ns": 5},
    {"target": 0, "source_port": 41234, "seq": 3, "scheduled_ns": 2000, "sent_ns": 2123, "fate": "lost"},
    {"target": 0, "source_port": 41234, "seq": 4, "scheduled_ns": 3000, "fate": "not_sent"},
    {"target": 0, "source_port": 41234, "seq": 5, "scheduled_ns": 4000, "sent_ns": 4123, "fate": "awaited"}
  ],
  "flows": [{"target": 0, "source_port": 41234, "sent": 4, "received": 1, "late": 1, "lost": 1, "awaited": 1,
    "loss_ratio": 0.3333, "duplicates": 70000, "rtt": null, "ipdv": null, "jitter_ns": null, "stamp": {"new": []}}],
  "total": {"sent": 4, "received": 1, "loss_ratio": 0.3333, "rtt": null},
  "what came later": {"is": "ignored"}
}"#;

/// The error about [`WRITTEN`] with `this` replaced by `that`.
fn problem(this: &str, that: &str) -> String {
    assert!(WRITTEN.contains(this), "{this}");
    problem_of(&WRITTEN.replacen(this, that, 1))
}

fn problem_of(text: &str) -> String {
    let problem = Document::read(text.as_bytes()).unwrap_err().to_string();
    assert!(!problem.contains(char::is_control), "{problem:?}");
    problem
}

#[test]
fn a_document_is_read_and_what_is_not_known_is_ignored() {
    let document = Document::read(WRITTEN.as_bytes()).unwrap();
    assert_eq!(document.config.schedule, Schedule::Fixed);
    assert_eq!(Duration::from(document.config.interval_ns), Duration::from_secs(1));
    assert_eq!(
        document.targets.iter().map(document::name).collect::<Vec<_>>(),
        ["localhost (127.0.0.1:12000)", "nowhere.example"]
    );
    let ping = |at, fate, duplicates| Ping { at, fate, target: 0, source_port: 41234, duplicates };
    assert_eq!(
        document.pings,
        [
            ping(123, Fate::Received { rtt: 112_000 }, u16::MAX),
            ping(1123, Fate::Late { rtt: 5 }, 0),
            ping(2123, Fate::Lost, 0),
            ping(3000, Fate::NotSent, 0),
            ping(4123, Fate::Awaited, 0),
        ]
    );
    assert_eq!(document.flows[0].summary.late, 1);
    assert_eq!(document.total.sent, 4);
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    for key in ["format", "version", "started", "config", "targets", "records", "flows", "total"] {
        assert_eq!(
            problem(&format!("\"{key}\": "), "\"other\": "),
            format!(
                "has no {key:?}: run the client with --format json --records, or --format jsonl"
            )
        );
    }
    assert_eq!(
        problem_of("{}"),
        "has no \"format\": run the client with --format json --records, or --format jsonl"
    );
}

#[test]
fn another_format_or_version_is_refused_before_all_else() {
    let other = problem_of(r#"{"format": "sarif", "version": 7, "targets": 5}"#);
    assert!(
        other.starts_with("is not a document of udping-results: the format is \"sarif\""),
        "{other}"
    );
    let newer = problem_of(r#"{"format": "udping-results", "version": 2, "targets": 5}"#);
    assert!(newer.contains("version 2 is not known here, only version 1"), "{newer}");
}

#[test]
fn what_is_no_json_or_not_all_of_it_is_told_with_its_place() {
    assert_eq!(problem_of("PING localhost"), "is not JSON: expected value at line 1 column 1");
    assert!(problem("}\n}", "}\n} {").starts_with("is not JSON: trailing characters at line 18"));
    assert!(problem_of("").starts_with("ends in its middle"));
    assert!(problem_of(&WRITTEN[..WRITTEN.len() / 2]).starts_with("ends in its middle"));
    assert!(problem_of("[]").starts_with("is not a document of udping-results"));
    assert!(problem_of("17").contains("expected the results of a run, as an object"));
}

#[test]
fn a_record_that_makes_no_sense_is_refused() {
    assert!(problem(", \"rtt_ns\": 5", "").contains("a record of a reply has no `rtt_ns`"));
    assert!(
        problem("\"scheduled_ns\": 3000, ", "").contains("neither `sent_ns` nor `scheduled_ns`")
    );
    assert!(
        problem("\"fate\": \"lost\"", "\"fate\": \"eaten\\u001b\\n\"").contains("unknown variant")
    );
    assert_eq!(
        problem("{\"target\": 0", "{\"target\": 2"),
        "speaks of target 2, and has 2 targets, the first of which is 0"
    );
    assert!(problem("24T00:20:11.5Z", "yesterday").contains("`started` is"));
}

#[test]
fn a_source_that_fails_is_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    let error = Document::read(Broken).unwrap_err();
    assert!(
        matches!(error, ReadError::Io(_))
            && error.to_string() == "cannot be read: the disk is on fire",
        "{error}"
    );
}

/// The events of a run that was killed after 200 ms: one ping of each outcome, 10 ms apart.
const EVENTS: &str = r#"{"event":"start","started":"2026-11-24T00:20:11.5Z","config":{"protocol":"text","schedule":"fixed","interval_ns":10000000,"timeout_ns":100000000,"count":null,"size_bytes":32,"deadline_ns":null},"targets":[{"host":"localhost","address":"127.0.0.1:12000"}]}
{"event":"sent","t_ns":0,"time":"2026-11-24T00:20:11.5Z","target":0,"source_port":9,"seq":1}
{"event":"reply","t_ns":1000000,"time":"2026-11-24T00:20:11.501Z","target":0,"source_port":9,"seq":1,"bytes":32,"rtt_ns":1000000}
{"event":"duplicate","t_ns":2000000,"time":"2026-11-24T00:20:11.502Z","target":0,"source_port":9,"seq":1,"bytes":32,"rtt_ns":2000000}
{"event":"sent","t_ns":10000000,"time":"2026-11-24T00:20:11.51Z","target":0,"source_port":9,"seq":2}
{"event":"sent","t_ns":20000000,"time":"2026-11-24T00:20:11.52Z","target":0,"source_port":9,"seq":3}
{"event":"not_sent","t_ns":30000000,"time":"2026-11-24T00:20:11.53Z","target":0,"source_port":9,"seq":4,"reason":"no route"}
{"event":"lost","t_ns":110000000,"time":"2026-11-24T00:20:11.61Z","target":0,"source_port":9,"seq":2}
{"event":"lost","t_ns":120000000,"time":"2026-11-24T00:20:11.62Z","target":0,"source_port":9,"seq":3}
{"event":"late","t_ns":150000000,"time":"2026-11-24T00:20:11.65Z","target":0,"source_port":9,"seq":2,"bytes":32,"rtt_ns":140000000}
{"event":"sent","t_ns":160000000,"time":"2026-11-24T00:20:11.66Z","target":0,"source_port":9,"seq":5}
{"event":"news of a later version"}
{"event":"reply","t_ns":163000000,"time":"2026-11-24T00:20:11.663Z","target":0,"source_port":9,"seq":5,"bytes":32,"rtt_ns":3000000}
{"event":"sent","t_ns":200000000,"time":"2026-11-24T00:20:11.7Z","target":0,"source_port":9,"seq":6}
"#;

#[test]
fn a_run_that_was_killed_is_what_its_events_say() {
    let ping = |ms: u64, fate, duplicates| Ping {
        at: ms * 1_000_000,
        fate,
        target: 0,
        source_port: 9,
        duplicates,
    };
    let pings = [
        ping(0, Fate::Received { rtt: 1_000_000 }, 1),
        ping(10, Fate::Late { rtt: 140_000_000 }, 0),
        ping(20, Fate::Lost, 0),
        ping(30, Fate::NotSent, 0),
        ping(160, Fate::Received { rtt: 3_000_000 }, 0),
        ping(200, Fate::Awaited, 0),
    ];
    // Also cut off within a line, as by `head -c`.
    for cut in ["", "{\"event\":\"reply\",\"t_", "{"] {
        let document = Document::read(format!("{EVENTS}{cut}").as_bytes()).unwrap();
        assert_eq!(document.pings, pings, "{cut}");
        assert!(!document.is_complete);
        let total = &document.total;
        assert_eq!(document.flows.len(), 1);
        assert_eq!(&document.flows[0].summary, total);
        assert_eq!((total.sent, total.received, total.late, total.lost), (5, 2, 1, 1));
        assert_eq!((total.awaited, total.send_errors, total.duplicates), (1, 1, 1));
        // 1 lost of 4 whose outcome is known.
        assert!((total.loss_ratio - 0.25).abs() < 1e-9);
        let rtt = total.rtt.as_ref().unwrap();
        let [min, mean, stddev, max] = [rtt.min_ns, rtt.mean_ns, rtt.stddev_ns, rtt.max_ns];
        assert_eq!([min.0, mean.0, stddev.0, max.0], [1_000_000, 2_000_000, 1_000_000, 3_000_000]);
    }
}

#[test]
fn a_run_that_ended_has_its_own_summary() {
    let summary = r#"{"event":"summary","time":"2026-11-24T00:20:12Z","duration_ns":1,"flows":[],"total":{"sent":7,"received":5,"loss_ratio":0.125,"rtt":null}}"#;
    let document = Document::read(format!("{EVENTS}\n{summary}").as_bytes()).unwrap();
    assert!(document.is_complete);
    assert_eq!((document.total.sent, document.flows.len()), (7, 0));
    // A report in the middle is none.
    let interim = summary.replace("summary", "interim");
    let document = Document::read(format!("{EVENTS}{interim}\n").as_bytes()).unwrap();
    assert!(!document.is_complete && document.total.sent == 5);
}

#[test]
fn a_ping_whose_send_was_dropped_from_the_events_is_drawn() {
    let sent = r#"{"event":"sent","t_ns":160000000,"#;
    let line = EVENTS.lines().find(|line| line.starts_with(sent)).unwrap();
    let document = Document::read(EVENTS.replace(line, "").as_bytes()).unwrap();
    let fate = Fate::Received { rtt: 3_000_000 };
    assert!(document.pings.iter().any(|ping| ping.at == 160_000_000 && ping.fate == fate));
}

#[test]
fn what_is_no_event_is_told_with_its_line() {
    let (start, rest) = EVENTS.split_once('\n').unwrap();
    assert!(
        problem_of(&format!("{start}\nnonsense\n{rest}")).starts_with("line 2: expected ident")
    );
    assert_eq!(problem_of(rest), "line 1: no start before it");
    assert_eq!(problem_of(&format!("{EVENTS}{EVENTS}")), "line 15: another run starts");
    assert!(
        problem_of(&EVENTS.replace("\"seq\":3", "\"s\":3")).starts_with("line 6: \"sent\" lacks")
    );
    assert!(problem_of(&start[..start.len() / 2]).starts_with("line 1: "));
    assert_eq!(
        problem_of(&EVENTS.replace("\"target\":0", "\"target\":1")),
        "speaks of target 1, and has 1 targets, the first of which is 0"
    );
}
