//! Runs the soak test briefly, with each fault once. What takes longer to show, memory above all,
//! is left to `make soak`.

use std::process::Command;

use udping_tests::run;

#[test]
fn in_a_short_soak_every_datagram_is_accounted_for() {
    let outcome = run(Command::new(env!("CARGO_BIN_EXE_soak")).args(["--minutes", "0.1"]));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert_eq!(outcome.lines_with("| unaccounted for | 0 |").len(), 1, "{outcome:?}");
    // Each fault leaves its trace.
    for reason in [
        "host: in the hand of an instance that trapped",
        "host: limit-source",
        "kernel: nobody listened",
        "kernel: the interface was down",
        "server: dropped",
        "server: not a request: over one a second",
    ] {
        let rows = outcome.lines_with(&format!("| {reason} | "));
        assert!(rows.len() == 1 && !rows[0].ends_with(" | 0 |"), "{reason}: {outcome:?}");
    }
}
