//! What the command line says of itself.

#![expect(clippy::unwrap_used, reason = "a test may well panic")]

use std::process::{Command, Stdio};

fn stdout(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_udping-host"))
        .args(arguments)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help() {
    insta::assert_snapshot!("host", stdout(&["--help"]));
    insta::assert_snapshot!("client", stdout(&["client", "--help"]));
    insta::assert_snapshot!("server", stdout(&["server", "--help"]));
}

#[test]
fn the_manual_page_has_what_help_has() {
    let page = stdout(&["man"]);
    assert!(page.contains(".TH udping-host 1"), "{page}");
    for part in ["allow\\-to", "allow\\-listen", "allow\\-resolve", "EXIT CODES", "EXAMPLES"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[test]
fn every_shell_gets_completions_for_the_subcommands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains("inspect") && script.contains("allow-to"), "{shell}: {script}");
    }
}

#[test]
fn without_arguments_help_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_udping-host")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: udping-host"));
}

#[test]
fn a_closed_output_is_no_error() {
    let command = format!("'{}' emit client | head -c 8", env!("CARGO_BIN_EXE_udping-host"));
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &command]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
