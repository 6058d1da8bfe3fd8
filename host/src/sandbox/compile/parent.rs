//! The parent's side of compilation.

use std::num::NonZeroUsize;
use std::process::ExitStatus;
use std::{slice, thread};

use super::CODE_LIMIT;
use super::server::{Outcome, Request};
use crate::process::helper::{self, Answer, Bounds, Role};
use crate::sandbox::artifact::MachineCode;
use crate::sandbox::load_error::LoadError;
use udping_permissions::limits::CompileLimits;
use udping_permissions::limits::LimitExceeded;

/// The maximum number of compiling threads: each has a stack and a heap of its own, which count
/// towards the process's memory.
const THREADS: usize = 4;

/// What is printed when memory runs out: by Rust's standard library before it aborts, by the pool
/// that cannot allocate its threads' stacks, and by Cranelift where it cannot continue. Tests with
/// little memory verify these texts.
const OUT_OF_MEMORY: [&str; 3] =
    ["memory allocation of ", "ThreadPoolBuildError", "unhandled out-of-memory error"];

/// Compiles a component in a process of its own.
pub fn machine_code(
    component: &[u8],
    limits: &CompileLimits,
    harden: bool,
) -> Result<MachineCode, LoadError> {
    let threads =
        thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS).to_string();
    let header = Request { limits: *limits, harden }.header();
    let answer = helper::command(Role::Compile).and_then(|mut command| {
        // The pool that wasmtime compiles in, and glibc's heaps, of which there is one per thread
        // by default.
        command.env("RAYON_NUM_THREADS", &threads).env("MALLOC_ARENA_MAX", &threads);
        let bounds = Bounds { time: limits.time, answer: CODE_LIMIT + 1 };
        helper::ask(&mut command, &[&header, component], bounds)
    });
    outcome(answer.map_err(LoadError::NoHelper)?, limits)
}

fn outcome(answer: Answer, limits: &CompileLimits) -> Result<MachineCode, LoadError> {
    let Answer { bytes, message, status, out_of_time } = answer;
    let out_of_memory = || LoadError::Limited(LimitExceeded::CompileMemory(limits.memory));
    if out_of_time || is_out_of_processor_time(status) {
        return Err(LoadError::Limited(LimitExceeded::CompileTime(limits.time)));
    }
    if bytes.len() as u64 > CODE_LIMIT {
        return Err(LoadError::TooMuchCode);
    }
    match (status.success(), Outcome::decode(bytes)) {
        (true, Some(Outcome::Code(code))) => Ok(MachineCode::compiled(code)),
        (true, Some(Outcome::Invalid(why))) => Err(LoadError::Invalid(why)),
        (true, Some(Outcome::OtherWasi(name))) => {
            Err(LoadError::of_interfaces(slice::from_ref(&name), &[])
                .unwrap_or(LoadError::Invalid(name)))
        }
        (true, Some(Outcome::OutOfMemory)) => Err(out_of_memory()),
        _ if OUT_OF_MEMORY.iter().any(|text| message.contains(text)) => Err(out_of_memory()),
        _ if is_killed(status) => Err(LoadError::Killed),
        _ => Err(LoadError::Crashed(last_words(&message, status))),
    }
}

/// Describes why it crashed, as far as known, on one line.
fn last_words(message: &str, status: ExitStatus) -> String {
    let words = message
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let text = words.collect::<Vec<_>>().join(" ");
    if text.is_empty() { status.to_string() } else { text.chars().take(300).collect() }
}

#[cfg(unix)]
fn is_out_of_processor_time(status: ExitStatus) -> bool {
    ended_by(status, rustix::process::Signal::XCPU)
}

#[cfg(unix)]
fn is_killed(status: ExitStatus) -> bool {
    ended_by(status, rustix::process::Signal::KILL)
}

#[cfg(unix)]
fn ended_by(status: ExitStatus, signal: rustix::process::Signal) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(signal.as_raw())
}

#[cfg(not(unix))]
fn is_out_of_processor_time(_: ExitStatus) -> bool {
    false
}

#[cfg(not(unix))]
fn is_killed(_: ExitStatus) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    const LIMITS: CompileLimits = CompileLimits {
        memory: bytesize::ByteSize::mib(1),
        time: std::time::Duration::from_secs(7),
    };

    fn error(bytes: &[u8], message: &str, wait_status: i32, out_of_time: bool) -> String {
        let status = ExitStatus::from_raw(wait_status);
        let answer =
            Answer { bytes: bytes.to_vec(), message: message.to_owned(), status, out_of_time };
        outcome(answer, &LIMITS).unwrap_err().to_string()
    }

    #[test]
    fn each_way_of_ending_is_an_error_of_its_own() {
        const NO_MEMORY: &str = "memory allocation of 5795635 bytes failed\n";
        const OF_CRANELIFT: &str = "thread 'x' panicked at map.rs:1:\nunhandled out-of-memory error: out of memory (...)\n";
        let memory = "took more than 1.0 MiB of memory to compile (--limit-compile-memory)";
        let time = "took longer than 7s to compile (--limit-compile-time)";
        let killed =
            "was killed while it was compiled: the system has no more memory, or somebody did it";
        for (message, status, out_of_time, expected) in [
            (NO_MEMORY, libc::SIGABRT, false, memory),
            (OF_CRANELIFT, libc::SIGABRT, false, memory),
            ("", libc::SIGXCPU, false, time),
            ("", libc::SIGKILL, true, time),
            ("", libc::SIGKILL, false, killed),
            (
                "thread 'main' panicked at a:1:\nwhy\x1b[m",
                101 << 8,
                false,
                "cannot be compiled: thread 'main' panicked at a:1: why [m",
            ),
            ("", libc::SIGSEGV, false, "cannot be compiled: signal: 11 (SIGSEGV)"),
            ("", 0, false, "cannot be compiled: exit status: 0"),
        ] {
            assert_eq!(error(b"", message, status, out_of_time), expected);
            // An answer from a helper that failed is not used.
            if status != 0 {
                assert_eq!(error(b"halfc", message, status, out_of_time), expected);
            }
        }
        assert_eq!(error(b"m", "", 0, false), memory);
        // Untouched memory takes none.
        let bytes = vec![0; usize::try_from(CODE_LIMIT).unwrap() + 1];
        let answer = Answer {
            bytes,
            message: String::new(),
            status: ExitStatus::from_raw(0),
            out_of_time: false,
        };
        assert_eq!(
            outcome(answer, &LIMITS).unwrap_err().to_string(),
            "compiles to more than 512 MiB of machine code"
        );
        assert_eq!(error(b"whyi", "", 0, false), "is not a valid component: why");
    }
}
