//! The side that resolves: a helper process, which reads names from a socket until that is closed.

use std::io;
use std::os::fd::BorrowedFd;
use std::process::{ExitCode, exit};
use std::thread;

use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::message::{Answer, Request};
use super::system::system_resolve;
use udping_harden::{self as harden, Needs};

/// How many names are resolved at a time. Others wait their turn.
const THREADS: usize = 8;

/// What resolving takes of a stack: the C library puts answers there.
const STACK: usize = 512 << 10;

/// Gives up all that resolving does not need, and resolves the names that come on standard input, a
/// socket.
pub fn serve() -> ExitCode {
    // Else it is called after the link that it was started by.
    let _ = rustix::thread::set_name(c"resolver");
    for (resource, most) in [(Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, 64)] {
        // It can only be lowered: that fails nowhere.
        let now = getrlimit(resource).maximum;
        let limit = Some(now.map_or(most, |now| now.min(most)));
        let _ = setrlimit(resource, Rlimit { current: limit, maximum: limit });
    }
    // The process that asked says which means there are none of.
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
            // Nobody asks any more.
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
