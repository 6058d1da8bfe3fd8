//! Natively, the pinger gets its answers from the echo server.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};

/// A process that ends when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ten_pings_are_answered() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut echo = Command::new(env!("CARGO_BIN_EXE_tokio_echo"));
    let mut server = Running(echo.arg(port.to_string()).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("listening on 0.0.0.0:{port}\n"));
    let mut pinger = Command::new(env!("CARGO_BIN_EXE_tokio_pinger"));
    let output = pinger.arg(format!("127.0.0.1:{port}")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("10 sent, 10 received"), "{text}");
}
