//! `incoming-datagram-stream`.

use std::collections::VecDeque;
use std::hint;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{Pollable, SocketResult};

use super::origins::Origins;
use super::{Datagram, SocketContext};
use crate::buffers::Share;
use crate::permissions::{Batch, Permissions, SocketPermissions};
use crate::processor_time;
use crate::world::{Received, Receiver, World};

/// What one `receive` hands over at most, give or take a datagram: the component holds all of it at
/// once.
const BYTES: usize = 1 << 20;

/// Batches of which no datagram was the component's, before others get their turn.
const FRUITLESS: usize = 64;

/// The most that several datagrams have together which are received as one (`UDP_GRO`), in bytes.
const LARGEST: usize = 1 << 16;

/// What a datagram takes beside its payload while it waits.
const OVERHEAD: usize = size_of::<Datagram>() + 16;

/// Room for so many datagrams is kept while none waits.
const ROOM: usize = 256;

/// How long a busy socket is asked before timers and other sockets are looked at.
const TURN: Duration = Duration::from_micros(5);

/// How long a socket is left alone that cannot be received from, at first, and at the most: each
/// failure doubles it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

/// The receiving stream.
pub struct Incoming {
    receiver: Box<dyn Receiver>,
    world: Arc<dyn World>,
    permissions: Arc<dyn SocketPermissions>,
    instance: Arc<dyn Permissions>,
    peer: Option<SocketAddr>,
    /// Where it is remembered which address a datagram came to, where that is not known already.
    origins: Option<Arc<Mutex<Origins>>>,
    hand: usize,
    busy_poll: Duration,
    /// What was received and not handed over yet, what that takes, and what of it has its share of
    /// the buffers.
    waiting: VecDeque<Datagram>,
    bytes: usize,
    shared: usize,
    share: Share,
    /// What came after that.
    failed: Option<io::Error>,
    /// Whether the last look at the socket brought datagrams that were dropped.
    drops: bool,
    /// Until when it is left alone, because dropping takes too much, or because it failed.
    rests: Option<Instant>,
    /// How long it is left alone when it fails once more.
    pause: Duration,
}

/// What one look at a socket brought that is not the component's, and what that took. The clock is
/// read only where there is something of the kind.
struct Dropped {
    since: Option<Duration>,
    count: u32,
    last: Option<SocketAddr>,
}

impl Dropped {
    /// None yet. It is `expected` where there was some the last time.
    fn none(expected: bool) -> Self {
        Self { since: expected.then(processor_time), count: 0, last: None }
    }

    fn add(&mut self, from: SocketAddr) {
        self.since.get_or_insert_with(processor_time);
        (self.count, self.last) = (self.count + 1, Some(from));
    }

    /// Its part of what was computed, beside the component's own datagrams, and where the last one
    /// came from.
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
        }
    }

    /// `receive`: what is there, at most `most` datagrams.
    pub(crate) fn receive(&mut self, most: u64) -> SocketResult<Vec<Datagram>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.hand);
        if most == 0 {
            return Ok(Vec::new());
        }
        // One alone may be what `ready` took: more may have come with it.
        if self.failed.is_none() && self.waiting.len() < most.min(2) {
            self.fill(most);
        }
        if self.waiting.is_empty()
            && let Some(error) = self.failed.take()
        {
            return Err(error.into());
        }
        let mut bytes = 0;
        let fits = |datagram: &&Datagram| {
            let room = bytes < BYTES;
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

    /// The component may answer from now on.
    fn remember(&self, taken: &[Datagram]) {
        let Some(origins) = &self.origins else { return };
        let mut origins = origins.lock().unwrap_or_else(PoisonError::into_inner);
        for datagram in taken {
            if let Some(local) = datagram.to {
                origins.hear(datagram.from, local, &datagram.data);
            }
        }
    }

    /// What waits takes its share of the buffers.
    fn settle(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > ROOM {
            self.waiting = VecDeque::new();
        }
        if self.shared != self.bytes {
            self.share.resize(self.bytes);
            self.shared = self.bytes;
        }
    }

    /// Whether it is to be left alone for a while.
    fn is_resting(&mut self) -> bool {
        self.rests = self.rests.filter(|until| *until > self.world.now());
        self.rests.is_some()
    }

    /// Whether `receive` has something to hand over, be it an error.
    fn is_ready(&self) -> bool {
        !self.waiting.is_empty() || self.failed.is_some()
    }

    /// Takes what the socket has: says whether it had anything.
    fn fill(&mut self, most: usize) -> bool {
        if self.is_resting() {
            return false;
        }
        let (permissions, mut found) = (self.permissions.clone(), false);
        permissions.batch(self.world.now(), &mut |batch| found = self.take(most, batch));
        found
    }

    /// Takes what the socket has and `batch` permits: says whether it had anything.
    fn take(&mut self, most: usize, batch: &mut dyn Batch) -> bool {
        // Each message may be as large as there are. One has to pass in any case.
        let most = most.min(self.share.left() / LARGEST).max(1);
        let Self { receiver, peer, waiting, bytes, failed, .. } = self;
        let before = waiting.len();
        let mut dropped = Dropped::none(self.drops);
        let mut found = true;
        for _ in 0..FRUITLESS {
            let result = receiver.try_receive(most, &mut |Received { data, from, to, .. }| {
                // A connected socket may still have what others sent before it was connected
                // (connect(2)).
                if peer.is_none_or(|peer| peer == from) && batch.permit_receive(from, data.len()) {
                    waiting.push_back(Datagram { data: data.to_vec(), from, to });
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
                    // One that came back for a datagram says it once. All others may be there at
                    // the next call, too.
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

    /// Asks the socket until it has something or `busy_poll` is over.
    async fn spin(&mut self) {
        // What is computed here is not the component's doing.
        self.instance.spins();
        let start = self.world.now();
        while !self.is_ready() && self.since(start) < self.busy_poll {
            let turn = self.world.now();
            while !self.fill(self.hand) && self.since(turn) < TURN {
                hint::spin_loop();
            }
            if !self.is_ready() {
                self.world.yield_now().await;
            }
        }
    }

    fn since(&self, start: Instant) -> Duration {
        self.world.now().saturating_duration_since(start)
    }
}

#[async_trait]
impl Pollable for Incoming {
    /// Keeps what it receives for the `receive` that follows.
    async fn ready(&mut self) {
        if !self.busy_poll.is_zero() {
            self.spin().await;
        }
        while !self.is_ready() {
            // First of all: an ICMP error that waits is not what the reactor calls readable.
            let found = self.fill(self.hand);
            if self.is_ready() {
                break;
            }
            if let Some(until) = self.rests {
                self.world.timer(until).expired().await;
            } else if found {
                self.world.yield_now().await;
            } else {
                self.receiver.readable().await;
            }
        }
        self.settle();
    }
}

/// Whether the call failed for a datagram that was sent earlier, as an ICMP message says: that is
/// told once.
fn is_of_a_datagram(error: &io::Error) -> bool {
    use ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkDown | NetworkUnreachable
    )
}

/// Whether the call that failed so is merely to be made again later.
pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
