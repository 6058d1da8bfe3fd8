//! Several datagrams per system call on Linux: `recvmmsg` and `sendmmsg`, `UDP_GRO` and
//! `UDP_SEGMENT`.
//!
//! Each call is chosen by what is pending. `recvmmsg` receives a few datagrams, which tells in most
//! cases that no more are queued; if they are, the next call receives many. If datagrams arrive
//! coalesced, one `recvmsg` receives up to 64 of them.
//!
//! A call that the system lacks or refuses (seccomp(2)) is not made again: a simpler one takes its
//! place.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use tokio::io::Interest;

use super::message::{
    STRIDE, receive_batch, receive_message, receive_plainly, send_batch, send_one, send_together,
};
use super::reactor::Watched;
use super::{RawSocket, with_slots};
use crate::tuning::Tuning;
use crate::world::{Take, Transmit, Waiting};

/// The maximum number of messages per call as long as all that was queued was received. It takes
/// more time for more, even if there are none.
const FEW: usize = 4;

/// The receiving half of a socket.
#[derive(Debug)]
pub(super) struct Receiver {
    socket: Arc<RawSocket>,
    // Registered for reading only: if it were for writing, too, each sent datagram would wake the
    // reactor.
    readable: Arc<Watched>,
    batch: usize,
    offload: Offload,
    /// Whether more may be queued than the last call received.
    expects_more: bool,
    /// Whether the last call received as many messages as it had room for.
    was_full: bool,
    calls: Calls,
}

/// The state of `UDP_GRO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offload {
    /// Disabled, or not supported by this kernel.
    Off,
    /// Enabled by the first batch of several: it gains nothing for one datagram at a time.
    Later,
    /// Enabled; `together` is whether the last call received coalesced datagrams.
    On { together: bool },
}

/// The system calls that are available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Calls {
    /// Only `recvfrom`.
    Plain,
    /// `recvfrom` and `recvmsg`.
    Message,
    /// All, including `recvmmsg`.
    Batch,
}

/// Whether the call failed because the system lacks it, or does not permit it to this process
/// (seccomp(2)).
fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EACCES))
}

impl Receiver {
    pub(super) fn new(socket: Arc<RawSocket>, tuning: Tuning) -> io::Result<Self> {
        let batch = tuning.batch.get();
        let offload = if getsockopt(&socket, sockopt::UdpGroSegment).unwrap_or(false) {
            // Enabled by an earlier receiver: the queue may hold coalesced datagrams.
            Offload::On { together: true }
        } else if tuning.offload {
            Offload::Later
        } else {
            Offload::Off
        };
        Ok(Self {
            readable: Watched::new(socket.try_clone()?.into(), Interest::READABLE)?.into(),
            socket,
            batch,
            offload,
            expects_more: true,
            was_full: false,
            calls: Calls::Batch,
        })
    }

    pub(super) fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        let result = self.call(limit, take);
        match &result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.expects_more = false,
            Err(error) if is_refused(error) && self.use_plainer_calls() => {
                return self.try_receive(limit, take);
            }
            // After an error more may be queued, which is found out by the next call.
            Err(_) => self.expects_more = true,
            Ok(()) => {}
        }
        result
    }

    fn call(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        let count = limit.min(self.batch);
        let batched = count > 1 && self.calls == Calls::Batch;
        if batched && self.was_full && self.offload == Offload::Later {
            let on = setsockopt(&self.socket, sockopt::UdpGroSegment, &true).is_ok();
            self.offload = if on { Offload::On { together: false } } else { Offload::Off };
        }
        let count = if self.was_full { count } else { count.min(FEW) };
        let Self { socket, readable, offload, batch, calls, expects_more, was_full, .. } = self;
        let tells = socket.tells();
        with_slots(*batch * STRIDE, |buffers| {
            readable.call(|| match offload {
                _ if *calls == Calls::Plain => {
                    *expects_more = true;
                    receive_plainly(socket, buffers, take)
                }
                Offload::On { together } if !batched || *together => {
                    *expects_more = true;
                    *together = receive_message(socket, buffers, take)?;
                    Ok(())
                }
                _ if batched => {
                    let told = tells || matches!(offload, Offload::On { .. });
                    let batch = receive_batch(socket, count, buffers, told, take)?;
                    (*was_full, *expects_more) = (batch.messages == count, batch.messages == count);
                    if let Offload::On { together } = offload {
                        *together = batch.any_several;
                    }
                    Ok(())
                }
                _ => {
                    *expects_more = true;
                    if tells {
                        receive_message(socket, buffers, take).map(|_| ())
                    } else {
                        receive_plainly(socket, buffers, take)
                    }
                }
            })
        })
    }

    /// Switches to simpler calls; returns whether there are any.
    fn use_plainer_calls(&mut self) -> bool {
        let plainer = if self.calls == Calls::Batch { Calls::Message } else { Calls::Plain };
        if plainer == Calls::Plain {
            // A `recvfrom` does not return the stride at which coalesced datagrams are split.
            let _ = setsockopt(&self.socket, sockopt::UdpGroSegment, &false);
            self.offload = Offload::Off;
        }
        let is_plainer = plainer < self.calls;
        self.calls = plainer;
        is_plainer
    }

    /// Whether waiting for readiness takes the place of a call that might block.
    pub(super) fn waits_first(&self) -> bool {
        // While datagrams arrive coalesced, a look costs less than a wait.
        let coalesced = self.offload == Offload::On { together: true };
        self.readable.is_level_triggered() && !self.expects_more && !coalesced
    }

    pub(super) fn readable(&self) -> Waiting {
        let (readable, socket) = (self.readable.clone(), self.socket.clone());
        Box::pin(async move {
            if readable.ready().await {
                socket.take_reports();
            }
        })
    }
}

/// The maximum number of segments per call (`UDP_MAX_SEGMENTS` of Linux before 6.9).
const SEGMENTS: usize = 64;

/// The maximum number of bytes per call: the largest UDP payload of an IPv4 packet.
const TOGETHER: usize = 65_507;

/// How long to wait for a full send buffer if the socket cannot be registered with the reactor.
const PAUSE: Duration = Duration::from_millis(10);

/// The sending half of a socket.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Arc<RawSocket>,
    /// Datagrams of at least this length are not coalesced: the path or device does not support it,
    /// or segmentation is disabled.
    too_long: usize,
    /// Whether `sendmmsg` is available.
    batches: bool,
    waiting: Option<Arc<Watched>>,
}

impl Sender {
    pub(super) fn new(socket: Arc<RawSocket>, tuning: Tuning) -> Self {
        Self {
            socket,
            too_long: if tuning.offload { usize::MAX } else { 0 },
            batches: true,
            waiting: None,
        }
    }

    pub(super) fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize> {
        let (mut sent, mut reports) = (0, datagrams.len());
        while sent < datagrams.len() {
            match self.send_some(&datagrams[sent..]) {
                Ok(count) => sent += count,
                Err(error) if sent == 0 => return Err(error),
                // The error of an earlier datagram: this one has not been tried.
                Err(error) if reports > 0 && self.socket.reports(&error) => reports -= 1,
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    /// Makes one call: for the leading datagrams that can be coalesced, or those that cannot.
    fn send_some(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize> {
        let together = self.together(datagrams);
        if together > 1
            && let Some(sent) = self.send_together(&datagrams[..together])?
        {
            return Ok(sent);
        }
        let alone = (1..datagrams.len())
            .find(|next| self.together(&datagrams[*next..]) > 1)
            .unwrap_or(datagrams.len());
        match &datagrams[..alone] {
            several @ [first, _, ..] if self.batches => self.send_batch(several, first),
            [first, ..] => send_one(&self.socket, first).map(|()| 1),
            [] => Ok(0),
        }
    }

    /// Sends coalesced datagrams, and returns how many; `None` if they have to be sent one by one.
    fn send_together(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<Option<usize>> {
        let from = datagrams[0].from;
        let mut result = send_together(&self.socket, datagrams, from);
        if from.is_some() && result == Err(Errno::EINVAL) {
            // The source address may no longer belong to this machine.
            result = send_together(&self.socket, datagrams, None);
        }
        match result {
            Ok(()) => return Ok(Some(datagrams.len())),
            // EIO: the device does not support checksum offload for it.
            Err(Errno::EIO | Errno::ENOSYS) => self.too_long = 0,
            // The path's MTU is smaller.
            Err(Errno::EINVAL | Errno::EMSGSIZE) => self.too_long = datagrams[0].data.len(),
            // A packet filter and a system call filter both return EPERM: if another call succeeds,
            // this call was refused.
            Err(Errno::EPERM) => {
                send_one(&self.socket, &datagrams[0])?;
                self.too_long = 0;
                return Ok(Some(1));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(None)
    }

    fn send_batch(&mut self, several: &[Transmit<'_>], first: &Transmit<'_>) -> io::Result<usize> {
        let error = match send_batch(&self.socket, several) {
            Ok(sent) => return Ok(sent),
            Err(error) => error,
        };
        let is_refused = is_refused(&error.into());
        // `send_one` handles a source address that no longer belongs to this machine.
        if !is_refused && (error != Errno::EINVAL || first.from.is_none()) {
            return Err(error.into());
        }
        // As above: EPERM of a packet filter is returned by this call, too.
        send_one(&self.socket, first)?;
        self.batches = !is_refused;
        Ok(1)
    }

    /// The number of leading `datagrams` that one `UDP_SEGMENT` call can send: of equal length,
    /// except for a last one that may be shorter, and with the same source and destination.
    fn together(&self, datagrams: &[Transmit<'_>]) -> usize {
        let [first, ..] = datagrams else { return 0 };
        let length = first.data.len();
        if length == 0 || length >= self.too_long {
            return 1;
        }
        let most = (TOGETHER / length).clamp(1, SEGMENTS);
        let same_way =
            |datagram: &Transmit<'_>| (datagram.to, datagram.from) == (first.to, first.from);
        let equal = datagrams
            .iter()
            .take(most)
            .take_while(|d| d.data.len() == length && same_way(d))
            .count();
        match datagrams.get(equal) {
            Some(last)
                if equal < most && (1..length).contains(&last.data.len()) && same_way(last) =>
            {
                equal + 1
            }
            _ => equal,
        }
    }

    pub(super) fn writable(&mut self) -> Waiting {
        if self.waiting.is_none() {
            // A separate descriptor: the reactor has registered the other one for reading.
            self.waiting = self
                .socket
                .try_clone()
                .and_then(|socket| Watched::new(socket.into(), Interest::WRITABLE))
                .ok()
                .map(Arc::new);
        }
        let waiting = self.waiting.clone();
        Box::pin(async move {
            match waiting {
                Some(waiting) => waiting.becomes_ready().await,
                None => tokio::time::sleep(PAUSE).await,
            }
        })
    }
}
