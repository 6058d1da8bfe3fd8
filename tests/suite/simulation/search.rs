//! Random seeds, each with its own mix of faults: reports stay true. And bugs that are planted in the
//! client are found, and shrunk.

use std::fs;
use std::path::Path;

use udping_tests::{own_file, run, udping_host};

/// More than 1,000 seeds: `make search` has more.
#[test]
fn reports_are_true_whatever_happens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let outcome = run(udping_host().args(["simulate", "--search", "100"]).arg(&path));
        let name = path.display();
        assert_eq!(outcome.stdout, "seeds 1 to 100: each report is what happened\n", "{name}");
        assert_eq!(outcome.code(), 0, "{name}");
        count += 1;
    }
    assert!(count >= 10, "{count} scenarios");
}

/// Within 200 seeds, and shrunk to at most 3 faults and 20 pings; the command line that is printed
/// shows it again.
fn is_found(bug: &str, client: &str, difference: &str) {
    let component = own_file(
        &format!("{bug}.wasm"),
        include_bytes!(concat!(env!("OUT_DIR"), "/udping_client.wasm")),
    );
    let text = format!(
        "[link]\ndelay = \"20ms\"\n\n[[node]]\nname = \"server\"\nrun = \"server 12000\"\n\n[[node]]\nname = \"client\"\nreports = true\nenv = {{ UDPING_PLANTED = \"{bug}\" }}\nrun = [\"{}\", \"server\", \"12000\", \"--interval\", \"50ms\", {client}]\n",
        component.display(),
    );
    let path = own_file(&format!("{bug}.toml"), text.as_bytes());
    let outcome = run(udping_host().args(["simulate", "--search", "200"]).arg(&path));
    assert_eq!(outcome.code(), 1, "{bug} is not found: {outcome:?}");
    let (_, least) = outcome.stdout.split_once("the least that shows it: ").unwrap();
    let faults = least.split(", ").nth(1).and_then(|text| text.split(' ').next());
    let faults: usize = faults.unwrap().parse().unwrap();
    assert!(faults <= 3, "{bug}: {least}");
    assert!(least.contains(difference), "{bug}: {least}");
    let again = least.lines().find_map(|line| line.strip_prefix("again: udping-host ")).unwrap();
    let pings = again.split("--pings ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(pings.parse::<u32>().unwrap() <= 20, "{bug}: {again}");
    let outcome = run(udping_host().args(again.split(' ')));
    assert!(outcome.stdout.contains(difference), "{bug}, again: {outcome:?}");
}

#[test]
fn a_late_reply_that_is_counted_as_lost_is_found() {
    is_found("late-is-lost", "\"--count\", \"100\", \"-W\", \"60ms\"", "late: reported 0, was ");
}

#[test]
fn a_timeout_that_is_off_by_one_is_found() {
    is_found(
        "timeout-off-by-one",
        "\"--count\", \"100\", \"-W\", \"40ms\"",
        "lost: reported 1, was 0",
    );
}

#[test]
fn delay_variation_across_a_gap_is_found() {
    is_found("ipdv-across-gap", "\"--count\", \"100\", \"-W\", \"200ms\"", "ipdv: reported ");
}

/// Without a bug, the same scenarios are true: it is the bugs that are found.
#[test]
fn the_client_of_these_tests_is_true_without_a_bug() {
    let component =
        own_file("no-bug.wasm", include_bytes!(concat!(env!("OUT_DIR"), "/udping_client.wasm")));
    let text = format!(
        "[link]\ndelay = \"20ms\"\n\n[[node]]\nname = \"server\"\nrun = \"server 12000\"\n\n[[node]]\nname = \"client\"\nreports = true\nrun = [\"{}\", \"server\", \"12000\", \"--interval\", \"50ms\", \"--count\", \"100\", \"-W\", \"60ms\"]\n",
        component.display(),
    );
    let path = own_file("no-bug.toml", text.as_bytes());
    let outcome = run(udping_host().args(["simulate", "--search", "50"]).arg(&path));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
}
