//! Random programs of calls on sockets: the outcome of each step is as in the model
//! (`udping_model`), for each version of WASI, under udping-host on each path of its datagrams, and
//! under the stock backend as far as that follows the WIT.

use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use udping_model::{Backend, Traffic, Version, hex, judge, unhex};
use udping_tests::{file, guests, run, udping_host, wasmtime};

/// Programs per process, which ends at the first that traps.
const BATCH: usize = 20;

/// How many times as many programs are tried until one of them receives something.
const ROUNDS: usize = 5;

/// The maximum number of steps of a program.
const STEPS: usize = 200;

/// The implementation under test, and how it reports a trap.
struct Path {
    version: Version,
    backend: Backend,
    command: fn() -> Option<Command>,
    trapped: i32,
}

#[expect(clippy::unnecessary_wraps, reason = "wasmtime may be missing")]
fn ours() -> Option<Command> {
    Some(udping_host())
}

fn ours_without_offload() -> Option<Command> {
    ours_with(&["--no-offload"])
}

fn ours_portable() -> Option<Command> {
    ours_with(&["--batch", "1"])
}

#[expect(clippy::unnecessary_wraps, reason = "wasmtime may be missing")]
fn ours_with(options: &[&str]) -> Option<Command> {
    let mut command = udping_host();
    command.args(options);
    Some(command)
}

macro_rules! programs_go_as_the_model_says {
    ($name:ident, $version:expr) => {
        mod $name {
            use super::*;

            const OURS: Path =
                Path { version: $version, backend: Backend::Exact, command: ours, trapped: 4 };

            #[test]
            fn programs_go_as_the_model_says() {
                check(100, &OURS);
            }

            #[test]
            fn programs_go_as_the_model_says_without_offload() {
                check(100, &Path { command: ours_without_offload, ..OURS });
            }

            #[test]
            fn programs_go_as_the_model_says_a_datagram_at_a_time() {
                check(100, &Path { command: ours_portable, ..OURS });
            }

            #[test]
            fn programs_go_as_the_model_says_under_the_stock_backend() {
                check(30, &Path { backend: Backend::Stock, command: wasmtime, trapped: 1, ..OURS });
            }
        }
    };
}

programs_go_as_the_model_says!(wasi_0_2, Version::P2);
programs_go_as_the_model_says!(wasi_0_3, Version::P3);

#[track_caller]
fn check(cases: u32, path: &Path) {
    if (path.command)().is_none() {
        return;
    }
    let program = prop::collection::vec(any::<u8>(), 0..=STEPS).prop_map(|bytes| hex(&bytes));
    let programs = prop::collection::vec(program, BATCH);
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let traffic = std::cell::Cell::new(Traffic::default());
    // The model allows every datagram to be lost; not all are, though few random programs send to
    // where they receive.
    for _ in 0..ROUNDS {
        let result = runner.run(&programs, |programs| {
            let seen = go(path, &programs).map_err(TestCaseError::fail)?;
            let before = traffic.get();
            traffic.set(Traffic {
                sent: before.sent + seen.sent,
                received: before.received + seen.received,
            });
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
        let Traffic { sent, received } = traffic.get();
        if sent > 0 && (path.backend == Backend::Stock || received > 0) {
            return;
        }
    }
    panic!("nothing was received of {} datagrams", traffic.get().sent);
}

/// Runs the programs, in as many processes as there are traps, and judges them.
fn go(path: &Path, programs: &[String]) -> Result<Traffic, String> {
    let mut seen = Traffic::default();
    let mut rest = programs;
    while !rest.is_empty() {
        let obeys = match path.version {
            Version::P2 => file("obeys.wasm", guests::OBEYS),
            Version::P3 => file("obeys_p3.wasm", guests::OBEYS_P3),
        };
        let mut command = (path.command)().ok_or("the program is gone")?;
        let outcome = run(command.args(["-S", "inherit-network"]).arg(obeys).args(rest));
        let trapped = outcome.code() == path.trapped;
        if (!trapped && outcome.code() != 0) || outcome.stderr.contains("panicked") {
            return Err(format!("{outcome:?}"));
        }
        // A line for each program that ended, and then the words of one that trapped.
        let lines: Vec<_> = outcome.stdout.split('\n').collect();
        let ended = lines.len() - 1;
        if !trapped && ended != rest.len() {
            return Err(format!("{ended} lines for {} programs: {outcome:?}", rest.len()));
        }
        for (index, (program, line)) in rest.iter().zip(&lines).enumerate() {
            let words: Vec<_> = line.split_whitespace().collect();
            if index < ended || trapped {
                let judged =
                    judge(path.version, path.backend, &unhex(program), &words, index == ended)?;
                seen = Traffic {
                    sent: seen.sent + judged.sent,
                    received: seen.received + judged.received,
                };
            }
        }
        rest = rest.get(ended + 1..).unwrap_or_default();
    }
    Ok(seen)
}
