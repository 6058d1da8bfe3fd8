//! `incoming-datagram-stream` of `wasi:sockets/udp`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{hint, mem};

use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{Pollable, SocketResult};

use super::origins::Origins;
use super::{Datagram, SocketContext};
use crate::buffers::Share;
use crate::permissions::{Batch, Permissions, SocketPermissions};
use crate::processor_time;
use crate::world::{Received, Receiver, Waiting, World};

/// The maximum payload bytes per `receive`, give or take one datagram: the component holds all of
/// them in memory.
const BYTES: usize = 1 << 20;

/// The number of batches without a datagram for the component before other tasks get their turn.
const FRUITLESS: usize = 64;

/// The number of datagrams that a component is given without another look at the socket.
const LITTLE: usize = 8;

/// The maximum total bytes of datagrams that are received coalesced (`UDP_GRO`).
const LARGEST: usize = 1 << 16;

/// The bytes that a waiting datagram takes beside its payload.
const OVERHEAD: usize = size_of::<Datagram>() + 16;

/// The queue capacity, in datagrams, that is kept while none waits.
const ROOM: usize = 256;

/// How long a socket is busy-polled before timers and other sockets are polled.
const TURN: Duration = Duration::from_micros(5);

/// How long a socket that fails to receive is left unread, at first and at most: the pause doubles
/// with each failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

/// The incoming stream of a socket.
pub struct Incoming {
    receiver: Box<dyn Receiver>,
    world: Arc<dyn World>,
    permissions: Arc<dyn SocketPermissions>,
    instance: Arc<dyn Permissions>,
    peer: Option<SocketAddr>,
    /// Records the local address of each datagram, where it is not implied by the socket's own.
    origins: Option<Arc<Mutex<Origins>>>,
    hand: usize,
    busy_poll: Duration,
    /// The datagrams not yet returned by `receive`, the bytes that they take, and how many of these
    /// have been allocated from the share of the buffers.
    waiting: VecDeque<Datagram>,
    bytes: usize,
    shared: usize,
    share: Share,
    /// The error to return after these datagrams.
    failed: Option<io::Error>,
    /// Whether datagrams were dropped in the last fill.
    drops: bool,
    /// The instant until which the socket is left unread, because dropping costs too much or
    /// receiving failed.
    rests: Option<Instant>,
    /// The length of the next pause after a failure.
    pause: Duration,
    /// Whether the next wait starts without a look at the socket. Before the first look, the
    /// permissions are not in use yet.
    waits_first: bool,
    has_looked: bool,
    /// Since when the socket is busy-polled in the current wait.
    spins_since: Option<Instant>,
}

/// The datagrams dropped in one fill, and the processor time it took. The clock is read only if
/// there are any.
struct Dropped {
    since: Option<Duration>,
    count: u32,
    last: Option<SocketAddr>,
}

impl Dropped {
    /// Starts a count of zero. If drops are `expected`, because there were some the last time, the
    /// clock is read now.
    fn none(expected: bool) -> Self {
        Self { since: expected.then(processor_time), count: 0, last: None }
    }

    fn add(&mut self, from: SocketAddr) {
        self.since.get_or_insert_with(processor_time);
        (self.count, self.last) = (self.count + 1, Some(from));
    }

    /// The drops' share of the processor time, beside `own` datagrams for the component, and the
    /// source of the last dropped datagram.
    fn cost(&self, own: usize) -> Option<(Duration, SocketAddr)> {
        let from = self.last?;
        let spent = processor_time().saturating_sub(self.since?);
        let all = self.count.saturating_add(u32::try_from(own).unwrap_or(u32::MAX));
        Some((spent * self.count / all.max(1), from))
    }
}

impl Incoming {
    pub(super) fn new(
        receiver: Box<dyn Receiver>,
        permissions: Arc<dyn SocketPermissions>,
        peer: Option<SocketAddr>,
        origins: Option<Arc<Mutex<Origins>>>,
        context: &SocketContext,
    ) -> Self {
        Self {
            receiver,
            world: context.world.clone(),
            permissions,
            instance: context.permissions.clone(),
            peer,
            origins,
            hand: context.world.tuning().hand(),
            busy_poll: context.world.tuning().busy_poll,
            waiting: VecDeque::new(),
            bytes: 0,
            shared: 0,
            share: Share::of_datagrams(context.world.buffers()),
            failed: None,
            drops: false,
            rests: None,
            pause: PAUSES.0,
            waits_first: false,
            has_looked: false,
            spins_since: None,
        }
    }

    /// Adds what `earlier` has received from the socket before it was connected to another peer, or
    /// disconnected, as far as it is this one's.
    pub(crate) fn inherit(&mut self, mut earlier: Self) {
        let peer = self.peer;
        let is_ours = |datagram: &Datagram| peer.is_none_or(|peer| datagram.from == peer);
        self.waiting.extend(mem::take(&mut earlier.waiting).into_iter().filter(is_ours));
        self.bytes = self.waiting.iter().map(|datagram| datagram.data.len() + OVERHEAD).sum();
        drop(earlier);
        self.settle();
    }

    /// `receive`: returns the waiting datagrams, at most `most`; those of one arrival if it `splits`.
    pub(crate) fn receive(&mut self, most: u64, splits: bool) -> SocketResult<Vec<Datagram>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.hand);
        if most == 0 {
            return Ok(Vec::new());
        }
        // More may be queued than `ready` has received, if that is little.
        let wanted = if self.receiver.waits_first() { 1 } else { most.min(LITTLE) };
        if self.failed.is_none() && self.waiting.len() < wanted {
            // Also for a component that asks for one at a time: the others wait for its next call.
            self.fill(self.hand);
        }
        if self.waiting.is_empty()
            && let Some(error) = self.failed.take()
        {
            return Err(error.into());
        }
        let mut bytes = 0;
        let as_one = self.world.arrival_resolution();
        let first = self.waiting.front().and_then(|first| first.arrived);
        let is_one = |datagram: &Datagram| match (first, datagram.arrived) {
            (Some(first), Some(arrived)) => arrived.saturating_duration_since(first) <= as_one,
            (first, arrived) => first == arrived,
        };
        let fits = |datagram: &&Datagram| {
            let room = bytes < BYTES && (!splits || is_one(datagram));
            bytes += datagram.data.len();
            room
        };
        let count = self.waiting.iter().take(most).take_while(fits).count();
        let taken: Vec<_> = self.waiting.drain(..count).collect();
        if !taken.is_empty() {
            self.remember(&taken);
            self.instance.passed();
            self.bytes -=
                taken.iter().map(|datagram| datagram.data.len() + OVERHEAD).sum::<usize>();
            self.settle();
        }
        Ok(taken)
    }

    /// Records the local addresses of `taken`, which the component may answer from now on.
    fn remember(&self, taken: &[Datagram]) {
        let Some(origins) = &self.origins else { return };
        let mut origins = origins.lock().unwrap_or_else(PoisonError::into_inner);
        for run in taken.chunk_by(|one, next| (one.from, one.to) == (next.from, next.to)) {
            if let Some(local) = run[0].to {
                let datagrams = run.iter().map(|datagram| datagram.data.as_slice());
                origins.hear_all(run[0].from, local, datagrams);
            }
        }
    }

    /// Updates the share of the buffers to the bytes that are waiting.
    fn settle(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > ROOM {
            self.waiting = VecDeque::new();
        }
        if self.shared != self.bytes {
            self.share.resize(self.bytes);
            self.shared = self.bytes;
        }
    }

    /// Whether the socket is left unread for now.
    fn is_resting(&mut self) -> bool {
        self.rests = self.rests.filter(|until| *until > self.world.now());
        self.rests.is_some()
    }

    /// When the datagram arrived that the next `receive` returns, if there is one and that is known.
    pub(crate) fn arrival(&self) -> Option<Instant> {
        self.waiting.front().and_then(|first| first.arrived)
    }

    /// Whether that is after `other`, and not at the same time.
    pub(crate) fn is_after(&mut self, other: Instant) -> bool {
        self.look();
        let resolution = self.world.arrival_resolution();
        self.arrival().is_some_and(|own| own.saturating_duration_since(other) > resolution)
    }

    /// Has the next wait start without a look at the socket, where that finds what waits there.
    pub(crate) fn wait_first(&mut self) {
        self.waits_first =
            self.busy_poll.is_zero() && self.has_looked && self.receiver.waits_first();
    }

    /// Looks at the socket, after a wait that something else has ended. Returns whether `receive`
    /// has something to return.
    pub(crate) fn look(&mut self) -> bool {
        if !self.is_ready() {
            self.fill(self.hand);
        }
        self.is_ready()
    }

    /// Whether `receive` has datagrams or an error to return.
    pub(crate) fn is_ready(&self) -> bool {
        !self.waiting.is_empty() || self.failed.is_some()
    }

    /// Receives from the socket, at most about `most` datagrams; returns whether there were any.
    fn fill(&mut self, most: usize) -> bool {
        if self.is_resting() {
            return false;
        }
        self.has_looked = true;
        let (permissions, mut found) = (self.permissions.clone(), false);
        permissions.batch(self.world.now(), &mut |batch| found = self.take(most, batch));
        found
    }

    /// Receives what `batch` permits; returns whether there were any datagrams.
    fn take(&mut self, most: usize, batch: &mut dyn Batch) -> bool {
        // Each message may have the maximum length. One is received in any case.
        let most = most.min(self.share.left() / LARGEST).max(1);
        let Self { receiver, peer, waiting, bytes, failed, .. } = self;
        let before = waiting.len();
        let mut dropped = Dropped::none(self.drops);
        let mut found = true;
        for _ in 0..FRUITLESS {
            let result =
                receiver.try_receive(most, &mut |Received { data, from, to, arrived, .. }| {
                    // A connected socket may still hold datagrams that others sent before it was
                    // connected (connect(2)).
                    if peer.is_none_or(|peer| peer == from)
                        && batch.permit_receive(from, data.len())
                    {
                        waiting.push_back(Datagram { data: data.to_vec(), from, to, arrived });
                        *bytes += data.len() + OVERHEAD;
                    } else {
                        dropped.add(from);
                    }
                });
            match result {
                Ok(()) if waiting.is_empty() => continue,
                Ok(()) => self.pause = PAUSES.0,
                Err(error) if is_transient(&error) => found = false,
                Err(error) => {
                    // The error of a sent datagram (ICMP) is returned once. Any other may recur at
                    // the next call.
                    if !is_of_a_datagram(&error) {
                        self.rests = Some(self.world.now() + self.pause);
                        self.pause = (self.pause * 2).min(PAUSES.1);
                    }
                    *failed = Some(error);
                }
            }
            break;
        }
        self.drops = dropped.count > 0;
        if let Some((spent, from)) = dropped.cost(waiting.len() - before) {
            self.rests = self.rests.max(batch.dropped(spent, from));
        }
        found
    }

    /// What to wait for before `receive` has something to return; `None` if it has. Received
    /// datagrams are kept for it.
    pub(crate) fn waits_for(&mut self) -> Option<Waiting> {
        if let Some(turn) = self.spin() {
            return Some(turn);
        }
        // Before waiting: a pending ICMP error does not make a descriptor readable in tokio's
        // reactor.
        let looks = !self.is_ready() && !mem::take(&mut self.waits_first);
        let found = looks && self.fill(self.hand);
        if self.is_ready() {
            self.spins_since = None;
            self.settle();
            return None;
        }
        Some(if let Some(until) = self.rests {
            let mut timer = self.world.timer(until);
            Box::pin(async move { timer.expired().await })
        } else if found {
            self.turn_of_others()
        } else {
            self.receiver.readable()
        })
    }

    /// Busy-polls the socket for a turn, unless it is ready or `busy_poll` is over: then that of the
    /// others follows.
    fn spin(&mut self) -> Option<Waiting> {
        if self.busy_poll.is_zero() || self.is_ready() {
            return None;
        }
        let turn = self.world.now();
        let start = *self.spins_since.get_or_insert_with(|| {
            // This processor time is not the component's.
            self.instance.spins();
            turn
        });
        if turn.saturating_duration_since(start) >= self.busy_poll {
            return None;
        }
        while !self.fill(self.hand) && self.since(turn) < TURN {
            hint::spin_loop();
        }
        (!self.is_ready()).then(|| self.turn_of_others())
    }

    fn turn_of_others(&self) -> Waiting {
        let world = self.world.clone();
        Box::pin(async move { world.yield_now().await })
    }

    fn since(&self, start: Instant) -> Duration {
        self.world.now().saturating_duration_since(start)
    }
}

#[async_trait]
impl Pollable for Incoming {
    /// Keeps received datagrams for the `receive` that follows.
    async fn ready(&mut self) {
        self.spins_since = None;
        while let Some(waiting) = self.waits_for() {
            waiting.await;
        }
    }
}

/// Whether the error was returned for an earlier sent datagram (ICMP), and will not recur.
fn is_of_a_datagram(error: &io::Error) -> bool {
    use ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkDown | NetworkUnreachable
    )
}

/// Whether the failed call is merely to be retried later.
pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
