//! Natively, the pinger gets its answers from the echo server.

use std::process::Command;

use udping_tests::{Server, free_port, run};

#[test]
fn ten_pings_are_answered() {
    let port = free_port().to_string();
    let _server = Server::listening(Command::new(env!("CARGO_BIN_EXE_tokio_echo")).arg(&port));
    let mut pinger = Command::new(env!("CARGO_BIN_EXE_tokio_pinger"));
    let outcome = run(pinger.arg(format!("127.0.0.1:{port}")));
    let is_answered = outcome.stdout.contains("10 sent, 10 received");
    assert!(outcome.code() == 0 && is_answered, "{outcome:?}");
}
