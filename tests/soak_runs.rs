//! The soak runs: briefly, with each fault once. What takes longer to show, memory above all, is for `make soak`.

use std::process::Command;

use udping_tests::run;

#[test]
fn in_a_short_soak_every_datagram_is_accounted_for() {
    let outcome = run(Command::new(env!("CARGO_BIN_EXE_soak")).args(["--minutes", "0.1"]));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert_eq!(outcome.lines_with("| unaccounted for | 0 |").len(), 1, "{outcome:?}");
    // Each fault leaves its trace.
    for (reason, at_least) in [
        ("host: in the hand of an instance that trapped", 1),
        ("host: limit-source", 100),
        ("kernel: nobody listened", 1),
        ("kernel: the interface was down", 100),
        ("server: dropped", 1),
        ("server: from a port below 1024", 10),
        ("server: repeated", 10),
    ] {
        let rows = outcome.lines_with(&format!("| {reason} | "));
        let count = rows[0].split('|').nth(2).unwrap().trim().parse::<u64>().unwrap();
        assert!(count >= at_least, "{reason}: {outcome:?}");
    }
}
