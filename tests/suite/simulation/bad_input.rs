//! Scenarios and command lines that are wrong: one line, with the place.

use udping_tests::{own_file, run, udping_host};

const NODE: &str = "[[node]]\nname = \"server\"\nrun = \"server 12000\"\n";

#[test]
fn scenarios_are_refused_with_their_place() {
    for (name, text, expected) in [
        ("typo", "sede = 1", "line 1, column 1: unknown field `sede`, expected one of"),
        (
            "nowhere",
            &format!("{NODE}[[links]]\nfrom = \"server\"\nto = \"nowhere\""),
            "line 6, column 6: there is no node \"nowhere\"; there are server",
        ),
        ("certain", "[link]\nloss = \"101%\"", "line 2, column 8: loss=101%: more than 100 %"),
        ("not-toml", "[", "line 1, column"),
    ] {
        let path = own_file(&format!("{name}.toml"), text.as_bytes());
        let outcome = run(udping_host().arg("simulate").arg(&path));
        assert_eq!(outcome.code(), 2, "{name}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{name}");
        let line = outcome.only_error();
        assert!(line.contains(&format!("{name}.toml: {expected}")), "{line}");
    }
}

#[test]
fn command_lines_are_refused() {
    for (arguments, code, expected) in [
        (
            "--loss 101% -- client server 12000",
            2,
            "invalid value '101%' for '--loss <PERCENT>': more than 100 %",
        ),
        ("--reorder 1% -- client server 12000", 2, "reorder needs a delay"),
        ("-- client server", 2, "which port has the server?"),
        ("", 2, "required arguments were not provided"),
        ("nothing.toml", 2, "nothing.toml: No such file or directory"),
        ("nothing.toml --loss 1%", 2, "cannot be used with"),
        ("-- nothing.wasm server 12000", 5, "nothing.wasm: no such file"),
        ("--mix some -- client server 12000", 2, "--mix is all, none, or numbers"),
        ("--clients 0 -- client server 12000", 2, "invalid value '0'"),
    ] {
        let outcome = run(udping_host().arg("simulate").args(arguments.split_whitespace()));
        assert_eq!(outcome.code(), code, "{arguments}: {outcome:?}");
        assert!(outcome.only_error().contains(expected), "{arguments}: {outcome:?}");
    }
    // Read no further than a scenario is long.
    let endless = run(udping_host().args(["simulate", "/dev/zero"]));
    assert_eq!(endless.code(), 2, "{endless:?}");
    assert!(endless.only_error().contains("/dev/zero: "), "{endless:?}");
    let grants = run(udping_host().args([
        "--allow-to",
        "192.0.2.1:7",
        "simulate",
        "--",
        "client",
        "server",
        "7",
    ]));
    assert_eq!(grants.code(), 2, "{grants:?}");
}
