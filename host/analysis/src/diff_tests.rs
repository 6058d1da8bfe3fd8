//! Tests with numbers that were worked out by hand.

use serde_json::json;

use super::*;
use crate::merge::tests::{read, results};

fn compared(before: &[Option<u64>], after: &[Option<u64>]) -> Diff {
    Diff::of(&read(&results(before)), &read(&results(after))).unwrap()
}

/// Runs with that many pings that were answered, and lost.
fn lost(answered: usize, lost: usize) -> Vec<Option<u64>> {
    [vec![Some(100); answered], vec![None; lost]].concat()
}

#[test]
fn hand_worked_probability_of_a_loss() {
    // Of the eight pings of both runs, four were lost, and all in the second: one of the 70 ways to
    // choose four of eight.
    let diff = compared(&lost(4, 0), &lost(0, 4));
    let [loss] = diff.comparisons[0].changes[..] else { panic!("{diff:?}") };
    assert_eq!((loss.before, loss.after), (0.0, 1.0));
    assert!((loss.p - 1.0 / 70.0).abs() < 1e-9, "{}", loss.p);
    // With five of ten, it is one of 252: not by chance.
    let threshold = Threshold::from_str("5%").unwrap();
    assert!(!diff.is_worse_than(threshold));
    let worse = compared(&lost(5, 0), &lost(0, 5));
    assert!(worse.is_worse_than(threshold));
    let better = compared(&lost(0, 5), &lost(5, 0));
    assert!(!better.is_worse_than(threshold));
}

#[test]
fn hand_worked_probability_of_a_median() {
    // Of ten RTTs, the five longest are those of the second run: above the median of all, 140 us, are
    // none of the first and all of the second. One of 252 ways.
    let (short, long) = ([100, 110, 120, 130, 140].map(Some), [200, 210, 220, 230, 240].map(Some));
    let diff = compared(&short, &long);
    let median =
        diff.comparisons[0].changes.iter().find(|c| c.quantity == Quantity::Rtt(500)).unwrap();
    assert_eq!(median.value(median.before), "0.120 ms");
    assert_eq!(median.value(median.after), "0.220 ms");
    assert!((median.p - 1.0 / 252.0).abs() < 1e-9, "{}", median.p);
    // 83 % more: worse than by 80 %, and not than by 90 %.
    assert!(diff.is_worse_than(Threshold::from_str("80%").unwrap()));
    assert!(!diff.is_worse_than(Threshold::from_str("90").unwrap()));
    // The same in the other direction.
    let back = compared(&long, &short);
    let median =
        back.comparisons[0].changes.iter().find(|c| c.quantity == Quantity::Rtt(500)).unwrap();
    assert!((median.p - 1.0 / 252.0).abs() < 1e-9, "{}", median.p);
    assert!(!back.is_worse_than(Threshold::from_str("0").unwrap()));
}

#[test]
fn approximation_of_many_is_close_to_the_exact_test() {
    // Of 40,000 each, 400 and 460: the exact probability is 0.0215, by its definition.
    let (one, other) = ([400, 39_600], [460, 39_540]);
    let exact = probability(one, other, true);
    let normal = approximately(one, other);
    assert!((exact - 0.0215).abs() < 0.0001 && (exact - normal).abs() < 0.002, "{exact} {normal}");
    // The numbers of a file may be anything.
    let most = [u64::MAX, u64::MAX];
    assert!((probability(most, most, true) - 0.5).abs() < 1e-9);
    assert!((probability([0, u64::MAX], [0, u64::MAX], true) - 1.0).abs() < 1e-9);
}

#[test]
fn equal_runs_have_not_changed() {
    let run: Vec<_> = (1..1_000).map(Some).collect();
    let diff = compared(&run, &run);
    assert!(
        diff.comparisons[0].changes.iter().all(|c| c.relative() == "none" && c.p > 0.4),
        "{diff:?}"
    );
    assert!(!diff.is_worse_than(Threshold::from_str("0%").unwrap()));
    assert!(diff.to_string().contains("none"));
}

#[test]
fn targets_are_compared_by_name() {
    let mut before = results(&[Some(1)]);
    before["targets"]
        .as_array_mut()
        .unwrap()
        .push(json!({"host": "b.example", "address": "192.0.2.8:7"}));
    let flow = before["flows"][0].clone();
    before["flows"].as_array_mut().unwrap().push(flow);
    before["flows"][1]["target"] = json!(1);
    let mut after = before.clone();
    after["targets"][1] = json!({"host": "c.example", "address": "192.0.2.9:7"});
    let diff = Diff::of(&read(&before), &read(&after)).unwrap();
    let targets: Vec<_> = diff.comparisons.iter().map(|c| c.target.as_deref()).collect();
    assert_eq!(targets, [Some("a.example (192.0.2.7:7)"), None]);
    assert_eq!(diff.unmatched, ["b.example (192.0.2.8:7)", "c.example (192.0.2.9:7)"]);
}

#[test]
fn thresholds_are_percentages() {
    for (text, expected) in [("5%", Some(0.05)), ("0", Some(0.0)), ("12.5%", Some(0.125))] {
        assert_eq!(Threshold::from_str(text).ok(), expected.map(Threshold));
    }
    for text in ["", "%", "-1%", "five", "NaN", "inf%"] {
        assert!(Threshold::from_str(text).is_err(), "{text}");
    }
}
