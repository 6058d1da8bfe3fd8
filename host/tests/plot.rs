//! Results, drawn by the command.

#![cfg(feature = "plot")]
#![expect(clippy::unwrap_used, reason = "a test may well panic")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const RESULTS: &str = r#"{"format": "udping-results", "version": 1, "started": "2026-11-24T00:20:11Z",
    "config": {"protocol": "text", "schedule": "fixed", "interval_ns": 1000000000, "timeout_ns": 2000000000, "size_bytes": 32},
    "targets": [{"host": "localhost", "address": "127.0.0.1:12000"}],
    "records": [{"target": 0, "source_port": 9, "seq": 1, "sent_ns": 5, "fate": "received", "rtt_ns": 112000}],
    "flows": [], "total": {"sent": 1, "received": 1, "loss_ratio": 0.0, "rtt": null}}"#;

/// A folder with results in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("results.json"), RESULTS).unwrap();
    folder
}

fn plot(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_udping-host"))
        .arg("plot")
        .args(arguments)
        .current_dir(folder)
        .stdin(File::open(folder.join("results.json")).map_or(Stdio::null(), Stdio::from))
        .output()
        .unwrap()
}

/// What the command says when it refuses to draw, after its own name.
fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = plot(folder, arguments);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let line = said.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{said}");
    line.strip_prefix("udping-host: ").unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[test]
fn results_from_a_file_or_from_standard_input_are_drawn_alike() {
    let folder = folder();
    for (results, output) in [("results.json", "a.svg"), ("-", "b.svg"), ("results.json", "c.html")]
    {
        let output = plot(folder.path(), &[results, "-o", output]);
        assert!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
    }
    let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("a.svg").starts_with("<svg ") && read("a.svg") == read("b.svg"));
    assert!(read("c.html").starts_with("<!doctype html>"));
    assert_eq!(names(folder.path()), ["a.svg", "b.svg", "c.html", "results.json"]);
}

#[test]
fn a_figure_goes_to_standard_output() {
    let folder = folder();
    assert!(plot(folder.path(), &["results.json", "-o", "a.svg"]).status.success());
    assert!(plot(folder.path(), &["results.json", "-o", "b.html"]).status.success());
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    for (arguments, same) in [
        (&["results.json", "-o", "-"][..], "a.svg"),
        (&["-", "-o", "-", "--format", "svg"], "a.svg"),
        (&["-", "-o", "-", "--format=html"], "b.html"),
    ] {
        let output = plot(folder.path(), arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert!(output.stdout == read(same), "{arguments:?}");
    }
    assert!(plot(folder.path(), &["results.json", "-o", "c", "--format", "html"]).status.success());
    assert!(read("c") == read("b.html"));
    assert_eq!(names(folder.path()), ["a.svg", "b.html", "c", "results.json"]);
}

#[test]
fn events_of_a_killed_run_are_drawn_with_a_warning() {
    let folder = folder();
    let start = r#"{"event":"start","started":"2026-11-24T00:20:11Z","config":{"protocol":"text","schedule":"fixed","interval_ns":1000000000,"timeout_ns":2000000000,"size_bytes":32},"targets":[{"host":"localhost","address":"127.0.0.1:12000"}]}"#;
    let sent = r#"{"event":"sent","t_ns":5,"time":"2026-11-24T00:20:11Z","target":0,"source_port":9,"seq":1}"#;
    fs::write(folder.path().join("results.json"), format!("{start}\n{sent}\n{{\"ev")).unwrap();
    let output = plot(folder.path(), &["-", "-o", "-"]);
    assert!(output.status.success() && output.stdout.starts_with(b"<svg "), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "udping-host: warning: standard input: the run did not come to its end: what there is of it is drawn\n"
    );
}

#[test]
fn what_cannot_be_drawn_is_refused_in_one_line() {
    let folder = folder();
    fs::write(folder.path().join("short.json"), RESULTS.replace("records", "other")).unwrap();
    let refusal = |arguments: &[&str]| refusal(folder.path(), arguments);
    assert_eq!(
        refusal(&["short.json", "-o", "x.svg"]),
        "short.json: has no \"records\": run the client with --format json --records, or --format jsonl"
    );
    assert_eq!(
        refusal(&["results.json", "-o", "x.png"]),
        "x.png: ends neither in .svg nor in .html, which are what can be drawn"
    );
    assert!(
        refusal(&["missing.json", "-o", "x.svg"]).starts_with("missing.json: cannot be read: ")
    );
    assert!(
        refusal(&["results.json", "-o", "missing/x.svg"])
            .starts_with("cannot write missing/x.svg: ")
    );
    fs::write(folder.path().join("results.json"), "PING localhost").unwrap();
    assert!(refusal(&["-", "-o", "x.svg"]).starts_with("standard input: is not JSON: "));
    assert_eq!(names(folder.path()), ["results.json", "short.json"]);
}

#[test]
fn an_output_is_replaced_by_a_whole_one_or_not_at_all() {
    let folder = folder();
    let output = folder.path().join("x.svg");
    fs::write(&output, "before").unwrap();
    fs::write(folder.path().join("cut.json"), &RESULTS[..RESULTS.len() / 2]).unwrap();
    assert!(
        refusal(folder.path(), &["cut.json", "-o", "x.svg"])
            .starts_with("cut.json: ends in its middle")
    );
    assert_eq!(fs::read_to_string(&output).unwrap(), "before");
    assert!(plot(folder.path(), &["results.json", "-o", "x.svg"]).status.success());
    assert!(fs::read_to_string(&output).unwrap().ends_with("</svg>\n"));
    assert_eq!(names(folder.path()), ["cut.json", "results.json", "x.svg"]);
}

/// Where a file as large as the figure cannot be written, also not its temporary one stays.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let folder = folder();
    fs::write(folder.path().join("x.svg"), "before").unwrap();
    // Files of 1 block at most, and an error in place of a signal.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 1; '{}' plot results.json -o x.svg",
        env!("CARGO_BIN_EXE_udping-host")
    );
    let output =
        Command::new("bash").args(["-c", &limited]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2)
            && said.starts_with("udping-host: cannot write x.svg: File too large"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(folder.path().join("x.svg")).unwrap(), "before");
    assert_eq!(names(folder.path()), ["results.json", "x.svg"]);
}

#[cfg(unix)]
#[test]
fn a_figure_is_readable_as_any_new_file_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let command =
        format!("umask 027; '{}' plot results.json -o x.svg", env!("CARGO_BIN_EXE_udping-host"));
    assert!(
        Command::new("bash")
            .args(["-c", &command])
            .current_dir(folder.path())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        fs::metadata(folder.path().join("x.svg")).unwrap().permissions().mode() & 0o777,
        0o640
    );
}
