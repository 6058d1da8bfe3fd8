//! The helper's side of the resolver: reads names from a socket until that is closed.

use std::io;
use std::os::fd::BorrowedFd;
use std::process::{ExitCode, exit};
use std::thread;

use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::message::{Answer, Request};
use super::system::system_resolve;
use udping_harden::{self as harden, Needs};

/// The number of names resolved at a time. Others wait.
const THREADS: usize = 8;

/// The stack of a resolving thread in bytes: the C library stores answers on it.
const STACK: usize = 512 << 10;

/// Gives up all privileges that resolving does not need, and resolves the names that arrive on
/// standard input, a socket.
pub fn serve() -> ExitCode {
    // Otherwise it is named `exe`, after the link that it was started by.
    let _ = rustix::thread::set_name(c"resolver");
    for (resource, most) in [(Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, 64)] {
        // Limits are only lowered, which never fails.
        let now = getrlimit(resource).maximum;
        let limit = Some(now.map_or(most, |now| now.min(most)));
        let _ = setrlimit(resource, Rlimit { current: limit, maximum: limit });
    }
    // The parent reports which hardening is missing.
    let _ =
        (harden::hide_memory(), harden::drop_privileges(Needs::default()), harden::shut_resolver());
    let threads: Vec<_> = (0..THREADS)
        .map_while(|_| thread::Builder::new().stack_size(STACK).spawn(resolve_names).ok())
        .collect();
    if threads.is_empty() {
        resolve_names();
    }
    for thread in threads {
        let _ = thread.join();
    }
    ExitCode::FAILURE
}

fn resolve_names() {
    let stdin = io::stdin();
    let socket: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(&stdin);
    let mut buffer = [0; Request::LONGEST];
    loop {
        match rustix::io::retry_on_intr(|| recv(socket, &mut buffer, RecvFlags::empty())) {
            // The parent has closed the socket.
            Ok((_, 0)) | Err(_) => exit(0),
            Ok((_, length)) => {
                let Some(request) = Request::decode(buffer.get(..length).unwrap_or_default())
                else {
                    continue;
                };
                let answer =
                    Answer { number: request.number, resolved: system_resolve(&request.name) };
                if send(socket, &answer.encode(), SendFlags::NOSIGNAL).is_err() {
                    exit(0);
                }
            }
        }
    }
}
