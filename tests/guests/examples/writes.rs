//! Performs its arguments in order: `err:HEX` and `out:HEX` write bytes to standard error and
//! standard output, `refused` asks for a socket that was not granted, `env` writes the variables to
//! standard output, `stdin` waits for a line and writes it there, `stdin-is-empty` fails if there
//! is one, `gives-up` leaves by `wasi:cli/exit`, `trap` traps, and `waits` never ends.

use udping_test_guests::{ErrorCode, IpAddressFamily, bind, socket};
use udping_wasi::bindings::wasi::cli::environment::{get_arguments, get_environment};
use udping_wasi::bindings::wasi::cli::exit::exit;
use udping_wasi::bindings::wasi::cli::{stderr, stdin, stdout};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use udping_wasi::bindings::wasi::io::streams::{OutputStream, StreamError};

fn main() {
    for action in get_arguments().into_iter().skip(1) {
        match action.split_once(':') {
            Some(("err", hex)) => write(&stderr::get_stderr(), &unhex(hex)),
            Some(("out", hex)) => write(&stdout::get_stdout(), &unhex(hex)),
            _ => act(&action),
        }
    }
}

fn act(action: &str) {
    match action {
        "refused" => {
            let refused = bind(&socket(IpAddressFamily::Ipv4), ([192, 0, 2, 7], 53).into());
            assert_eq!(refused, Err(ErrorCode::AccessDenied));
        }
        "env" => {
            for (name, value) in get_environment() {
                write(&stdout::get_stdout(), format!("{name}={value}\n").as_bytes());
            }
        }
        "stdin" => {
            let stdin = stdin::get_stdin();
            let mut line = Vec::new();
            while !line.ends_with(b"\n") {
                line.extend(stdin.blocking_read(1).unwrap());
            }
            write(&stdout::get_stdout(), &line);
        }
        "stdin-is-empty" => {
            assert!(matches!(stdin::get_stdin().blocking_read(1), Err(StreamError::Closed)));
        }
        "gives-up" => exit(Err(())),
        "waits" => loop {
            subscribe_duration(1_000_000_000_000).block();
        },
        other => panic!("{other}"),
    }
}

fn write(stream: &OutputStream, bytes: &[u8]) {
    for part in bytes.chunks(4096) {
        stream.blocking_write_and_flush(part).unwrap();
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

udping_test_guests::guest!(main);
