//! Tests of what a reader accepts beyond what the client writes, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test may well panic")]

use std::time::Duration;

use serde::de::{DeserializeOwned, IgnoredAny};
use udping_results::{
    Document, Fate, Format, Nanoseconds, Protocol, Record, Schedule, Summary, Timestamp, Version,
};

fn read<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

fn error<T: DeserializeOwned>(json: &str) -> String {
    serde_json::from_str::<T>(json).err().unwrap().to_string()
}

#[test]
fn names_that_are_not_known_are_kept() {
    for (schedule, name) in [
        (Schedule::Fixed, "fixed"),
        (Schedule::Poisson, "poisson"),
        (Schedule::Flood, "flood"),
        (Schedule::Adaptive, "adaptive"),
        (Schedule::Other("sinusoidal".to_owned()), "sinusoidal"),
    ] {
        let json = format!("{name:?}");
        assert_eq!(schedule.to_string(), name);
        assert_eq!(serde_json::to_string(&schedule).unwrap(), json);
        assert_eq!(read::<Schedule>(&json), schedule);
    }
    assert_eq!(read::<Protocol>("\"stamp\""), Protocol::Stamp);
    assert_eq!(read::<Protocol>("\"twamp\""), Protocol::Other("twamp".to_owned()));
    assert_eq!(Protocol::Other("twamp").to_string(), "twamp");
    assert!(error::<Schedule>("5").starts_with("expected the name of a schedule"));
    assert!(error::<Protocol>("[]").starts_with("expected the name of a protocol"));
}

#[test]
fn keys_may_be_missing_or_unknown() {
    let summary: Summary = read(r#"{"sent":2,"received":1,"loss_ratio":0.5,"later":{"a":[1]}}"#);
    assert_eq!(summary, Summary { sent: 2, received: 1, loss_ratio: 0.5, ..Summary::default() });
    let record: Record<IgnoredAny> =
        read(r#"{"target":0,"scheduled_ns":7,"sent_at":"at noon","fate":"not_sent"}"#);
    assert_eq!((record.fate, record.scheduled_ns), (Fate::NotSent, Some(Nanoseconds(7))));
    assert_eq!(record.fate.to_string(), "not_sent");
    let document: Document = read(r#"{"format":"udping-results","later":null}"#);
    assert_eq!((document.format, document.version), (Some(Format), None));
}

#[test]
fn another_format_or_version_is_refused_by_its_name() {
    assert_eq!(read::<Version>(&serde_json::to_string(&Version).unwrap()), Version);
    assert_eq!(error::<Version>("2"), "version 2 is not known here, only version 1");
    assert_eq!(error::<Format>("\"sarif\""), "the format is \"sarif\"");
    let problem = error::<Document>("{\"started\":\"yesterday\"}");
    assert!(problem.starts_with("`started` is \"yesterday\": "), "{problem}");
    assert!(problem.contains(" at line 1 column "), "{problem}");
}

#[test]
fn what_is_too_large_is_the_largest() {
    assert_eq!(Nanoseconds::from(Duration::MAX), Nanoseconds(u64::MAX));
    assert_eq!(Nanoseconds::from(Duration::from_micros(7)), Nanoseconds(7_000));
    let last = Timestamp::from_unix(Duration::MAX);
    assert_eq!(last.to_string(), "9999-12-31T23:59:59.000000000Z");
    assert_eq!(read::<Timestamp>(&serde_json::to_string(&last).unwrap()), last);
}
