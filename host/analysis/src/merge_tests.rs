//! Tests with numbers that were worked out by hand.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use udping_core::stats::Distribution;

use super::*;

/// The results of a run whose pings had these RTTs in microseconds; a ping without one was lost.
pub(crate) fn results(rtts: &[Option<u64>]) -> Value {
    let mut distribution = Distribution::with_percentiles();
    let received = rtts.iter().flatten().count();
    rtts.iter().flatten().for_each(|rtt| distribution.record(Duration::from_micros(*rtt)));
    let spread = distribution.spread().and_then(|spread| spread::sum(&[spread]));
    let summary = json!({
        "sent": rtts.len(), "received": received, "lost": rtts.len() - received,
        "loss_ratio": (rtts.len() - received) as f64 / rtts.len() as f64,
        "longest_loss_burst": 1, "longest_outage_ns": 1_000_000 * rtts.len(),
        "sent_bytes": 32 * rtts.len(), "received_bytes": 32 * received,
        "rtt": spread, "scheduled_rtt": spread, "ipdv": null, "jitter_ns": 7,
    });
    let mut flow = summary.clone();
    flow["target"] = json!(0);
    flow["source_port"] = json!(40_000 + rtts.len());
    json!({
        "format": "udping-results", "version": 1,
        "started": format!("2026-01-01T00:00:{:02}.000000000Z", rtts.len() % 60),
        "config": {
            "protocol": "text", "schedule": "fixed", "interval_ns": 1_000_000,
            "timeout_ns": 2_000_000_000_u64, "count": rtts.len(), "burst": 1, "size_bytes": 32,
            "deadline_ns": null, "source_ports": 1, "precise": false, "keyed": false,
        },
        "targets": [{"host": "a.example", "address": "192.0.2.7:7"}],
        "flows": [flow], "total": summary,
        "sender": {"missed_slots": 1, "timer_error": spread, "send_call": spread},
        "receiver": {"dropped": 2, "times": "kernel", "delay": null},
        "ended": "2026-01-01T00:01:00.000000000Z", "duration_ns": 5_000_000,
    })
}

pub(crate) fn read(results: &Value) -> Document {
    Document::read(results.to_string().as_bytes()).unwrap()
}

fn merged(one: &Value, other: &Value) -> (Value, BTreeSet<&'static str>) {
    let merged = merge(&read(one), &[read(other)]).unwrap();
    (serde_json::from_str(&merged.to_string()).unwrap(), merged.absent)
}

#[test]
fn hand_worked_sum_of_two_runs() {
    // Of 10, 20, 30 and 40, 100 us: the mean is 40, the median 30, and the 90th percentile 100. The
    // squared differences from 40 are 900, 400, 100, 0, 3,600: their sum is 5,000, a fifth 1,000, and its
    // root is 31.623.
    let (sum, absent) = merged(
        &results(&[Some(10), None, Some(20), Some(30)]),
        &results(&[Some(40), Some(100), None, None]),
    );
    let total = &sum["total"];
    assert_eq!([&total["sent"], &total["received"], &total["lost"]], [8, 5, 3]);
    assert_eq!(total["loss_ratio"], 0.375);
    let rtt = &total["rtt"];
    assert_eq!(rtt["min_ns"], 10_000);
    assert_eq!(rtt["mean_ns"], 40_000);
    assert_eq!(rtt["max_ns"], 100_000);
    assert_eq!(rtt["stddev_ns"], 31_623);
    // At most 0.1 % above the value: that is the width of a bucket.
    let p50 = rtt["p50_ns"].as_u64().unwrap();
    assert!((30_000..=30_030).contains(&p50), "{p50}");
    assert_eq!(rtt["p90_ns"], 100_000);
    assert_eq!(total["longest_outage_ns"], 4_000_000);
    assert_eq!(sum["config"]["count"], 8);
    assert_eq!(sum["sender"]["missed_slots"], 2);
    assert_eq!(sum["receiver"]["dropped"], 4);
    assert_eq!(sum["duration_ns"], 10_000_000);
    assert_eq!(total["jitter_ns"], Value::Null);
    // Both runs had four pings.
    assert_eq!(absent, BTreeSet::from(["jitter_ns"]));
    assert_eq!(sum["flows"][0]["source_port"], 40_004);
}

#[test]
fn what_belongs_to_one_run_is_named_as_absent() {
    let (mut one, other) = (results(&[Some(1)]), results(&[Some(2), Some(3)]));
    one["records"] = json!([]);
    let (sum, absent) = merged(&one, &other);
    assert_eq!(absent, BTreeSet::from(["jitter_ns", "records", "source_port"]));
    assert_eq!(sum.get("records"), None);
    assert_eq!(sum["flows"][0]["source_port"], 0);
    // Without histograms, as of many targets, there are no percentiles, but there is the rest.
    let mut without = other.clone();
    for key in ["p50_ns", "p90_ns", "p95_ns", "p99_ns", "p99_9_ns", "histogram"] {
        without["total"]["rtt"].as_object_mut().unwrap().remove(key);
    }
    let (sum, _) = merged(&one, &without);
    assert_eq!(sum["total"]["rtt"]["mean_ns"], 2_000);
    assert_eq!(sum["total"]["rtt"].get("p50_ns"), None);
}

#[test]
fn runs_that_measure_different_things_are_not_merged() {
    let one = results(&[Some(1)]);
    let with = |part: &str, key: &str, value: Value| {
        let mut other = results(&[Some(2), Some(3)]);
        other[part][key] = value;
        merge(&read(&one), &[read(&other)])
    };
    for (part, key, value, name) in [
        ("config", "interval_ns", json!(7), "interval_ns"),
        ("config", "protocol", json!("stamp"), "protocol"),
        ("receiver", "times", json!("user"), "receiver.times"),
    ] {
        let error = with(part, key, value).unwrap_err();
        assert!(matches!(&error, MergeError::Different { key, .. } if key == name), "{error}");
    }
    assert!(with("config", "deadline_ns", json!(7)).is_ok());
}

#[test]
fn other_targets_stay_beside() {
    let (one, mut other) = (results(&[Some(1)]), results(&[Some(2)]));
    other["targets"][0] = json!({"host": "b.example", "error": "no such host"});
    let (sum, _) = merged(&one, &other);
    assert_eq!(sum["targets"].as_array().unwrap().len(), 2);
    assert_eq!([&sum["flows"][0]["target"], &sum["flows"][1]["target"]], [0, 1]);
    assert_eq!(sum["total"]["sent"], 2);
}

proptest! {
    /// Bucket for bucket.
    #[test]
    fn two_merged_are_as_one_run_over_both(
        one in prop::collection::vec(prop::option::of(1..10_000_000_u64), 1..50),
        other in prop::collection::vec(prop::option::of(1..10_000_000_u64), 1..50),
    ) {
        let (sum, _) = merged(&results(&one), &results(&other));
        let both = results(&[one, other].concat());
        let (sum, both) = (&sum["total"], &both["total"]);
        for key in ["sent", "received", "lost", "sent_bytes"] {
            prop_assert_eq!(&sum[key], &both[key], "{}", key);
        }
        let loss = [sum, both].map(|summary| summary["loss_ratio"].as_f64().unwrap());
        prop_assert!((loss[0] - loss[1]).abs() < 1e-12);
        for key in ["min_ns", "max_ns", "p50_ns", "p90_ns", "p95_ns", "p99_ns", "p99_9_ns"] {
            prop_assert_eq!(&sum["rtt"][key], &both["rtt"][key], "{}", key);
        }
        let buckets = |rtt: &Value| -> Vec<_> {
            let histogram = rtt["histogram"].as_str().map(udping_core::stats::Histogram::deserialize);
            histogram.map(|histogram| histogram.unwrap().recorded().collect()).unwrap_or_default()
        };
        prop_assert_eq!(buckets(&sum["rtt"]), buckets(&both["rtt"]));
    }
}
