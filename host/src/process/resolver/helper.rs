//! The parent's side of the resolver: asks a helper process, which can do nothing but resolve.
//!
//! The system's resolver opens files, loads libraries, and uses TCP and netlink. A process that
//! runs guests can do none of it ([`udping_harden`]), so another one does. Only names, and the
//! addresses that they resolve to, pass between the two.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, fs, thread};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use tokio::sync::oneshot;

use super::message::{Answer, Request};
use crate::process::helper::{self, Role};
use wasi_datagram::{ResolveError, Resolved};

/// The timeout of a request. The system's resolver gives up sooner, unless it has many servers to
/// ask.
const PATIENCE: Duration = Duration::from_mins(1);

/// The environment variables that configure the system's resolver besides files (resolv.conf(5)).
const DOMAIN: &str = "LOCALDOMAIN";
const OPTIONS: &str = "RES_OPTIONS";

/// A helper process that resolves names.
#[derive(Debug)]
pub(super) struct Helper {
    socket: OwnedFd,
    next: AtomicU32,
    waiting: Mutex<Waiting>,
    // It ends when the socket is closed, or this process ends.
    _process: Child,
}

/// The pending requests by number. `None` after the helper has ended.
type Waiting = Option<HashMap<u32, oneshot::Sender<Resolved>>>;

impl Helper {
    /// Starts the helper process. Call this on the main thread, while this process may still start
    /// others.
    ///
    /// # Errors
    ///
    /// If no process can be started.
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let flags = SocketFlags::CLOEXEC;
        let (socket, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let mut command = helper::command(Role::Resolve)?;
        command.stdin(its).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(env::var_os(DOMAIN).map(|domain| (DOMAIN, domain)));
        command.env(OPTIONS, options());
        let process = command.spawn()?;
        Ok(Arc::new(Self {
            socket,
            next: AtomicU32::new(0),
            waiting: Mutex::new(Some(HashMap::new())),
            _process: process,
        }))
    }

    /// Starts a thread that listens for answers.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub(super) fn listen(self: &Arc<Self>) -> io::Result<()> {
        let helper = Arc::clone(self);
        let work = move || {
            let mut buffer = [0; Answer::LONGEST];
            while let Some(answer) = helper.receive(&mut buffer) {
                let asked =
                    helper.waiting().as_mut().and_then(|waiting| waiting.remove(&answer.number));
                // The requester may have given up.
                let _ = asked.map(|asked| asked.send(answer.resolved));
            }
            // Fails all pending requests, and all later ones.
            *helper.waiting() = None;
        };
        thread::Builder::new().name("resolver".to_owned()).stack_size(128 << 10).spawn(work)?;
        Ok(())
    }

    /// Resolves `name`. A timeout is a temporary failure; that the helper has ended is a permanent
    /// one.
    pub(super) async fn resolve(&self, name: &str) -> Resolved {
        self.request(name).await.unwrap_or(Err(ResolveError::Permanent))
    }

    async fn request(&self, name: &str) -> io::Result<Resolved> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.expect(number)?;
        let asked = Asked { helper: self, number };
        let request = Request { number, name: name.to_owned() }.encode();
        send(&self.socket, &request, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        drop(asked);
        match answer {
            Ok(answer) => answer.map_err(|_| ended()),
            Err(_) => Ok(Err(ResolveError::Temporary)),
        }
    }

    fn expect(&self, number: u32) -> io::Result<oneshot::Receiver<Resolved>> {
        let (sender, receiver) = oneshot::channel();
        self.waiting().as_mut().ok_or_else(ended)?.insert(number, sender);
        Ok(receiver)
    }

    /// Receives the next answer; `None` when the helper has ended. Messages that are not valid
    /// answers are ignored.
    fn receive(&self, buffer: &mut [u8]) -> Option<Answer> {
        loop {
            let length = rustix::io::retry_on_intr(|| {
                recv(self.socket.as_fd(), &mut *buffer, RecvFlags::empty())
            });
            match length {
                Ok((_, 0)) | Err(_) => return None,
                Ok((_, length)) => {
                    let answer = Answer::decode(buffer.get(..length).unwrap_or_default());
                    if answer.is_some() {
                        return answer;
                    }
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code that holds the lock leaves the map half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pending request; dropping it cancels it.
struct Asked<'a> {
    helper: &'a Helper,
    number: u32,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.helper.waiting().as_mut().and_then(|waiting| waiting.remove(&self.number));
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the process that resolves names has ended")
}

/// Returns the resolver's options. If /etc/resolv.conf is replaced, the helper cannot open the new
/// file, like any other file there, and the C library would continue without any configuration:
/// `no-reload` makes it keep what it read first.
fn options() -> String {
    let given = env::var(OPTIONS).unwrap_or_default();
    let is_in_etc =
        fs::canonicalize("/etc/resolv.conf").is_ok_and(|path| path.starts_with(Path::new("/etc")));
    if is_in_etc { format!("{given} no-reload").trim_start().to_owned() } else { given }
}
