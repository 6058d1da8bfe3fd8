//! Runs the benchmark once, briefly. Its figures are not checked, since a test's machine is never
//! quiet.

use std::process::Command;
use std::{env, fs};

use serde_json::Value;
use udping_tests::run;

#[test]
fn every_measure_runs_and_our_servers_lose_nothing() {
    let bench = || Command::new(env!("CARGO_BIN_EXE_bench"));
    let help = run(bench().arg("--help")).stdout;
    let parts = help.split("[possible values: ").nth(1).unwrap().split(']').next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut measures, mut tables) = (Vec::new(), String::new());
    // One after the other: a run has a minute.
    for part in parts.split(',').map(str::trim) {
        let json = folder.path().join(part);
        let outcome = run(bench().args(["--quick", "--only", part, "--json"]).arg(&json));
        assert_eq!(outcome.code(), 0, "{part}: {outcome:?}");
        let mut report: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
        measures.append(report["measures"].as_array_mut().unwrap());
        tables += &outcome.stdout;
    }
    assert!(measures.len() >= 15, "{} measures", measures.len());
    let mut missing = Vec::new();
    for (measure, row) in
        measures.iter().flat_map(|m| m["rows"].as_array().unwrap().iter().map(move |row| (m, row)))
    {
        let what = format!("{}: {}", measure["name"], row["peer"]);
        if let Some(why) = row["missing"].as_str() {
            missing.push(format!("{what}: {why}"));
            continue;
        }
        let values = row["values"].as_array().unwrap();
        assert!(
            !values.is_empty() && values.iter().all(|value| value.as_f64().unwrap() >= 0.0),
            "{what}: {values:?}"
        );
        if row["peer"].as_str().unwrap().starts_with("udping-host") && row["lost"].is_number() {
            assert_eq!(row["lost"], 0, "{what}");
        }
        assert!(tables.contains(row["peer"].as_str().unwrap()), "{what} is not in the table");
    }
    for line in &missing {
        eprintln!("missing: {line}");
    }
    // The lean host requires another build of wasmtime, which is for `make release-check`.
    missing.retain(|line| !line.ends_with("not built (make lean)"));
    // CI requires all of them.
    assert!(env::var_os("UDPING_ALL_PEERS").is_none() || missing.is_empty(), "{missing:?}");
}

#[test]
fn comparing_a_build_with_itself_prints_a_row_per_quantity() {
    let host = udping_tests::host_program();
    let arguments = ["--pairs", "6", "--only", "start"];
    let outcome = run(Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg("compare")
        .args([&host, &host])
        .args(arguments));
    let rows = outcome.lines_with(" to ");
    assert_eq!(rows.len(), 2, "{outcome:?}");
    // The verdict depends on this machine's noise; the exit code agrees with it.
    let is_worse = rows.iter().any(|row| row.contains("| WORSE |"));
    assert!(
        rows.iter().all(|row| row.contains("| no worse |") || row.contains("| WORSE |")),
        "{outcome:?}"
    );
    assert_eq!(outcome.code(), i32::from(is_worse), "{outcome:?}");
}
