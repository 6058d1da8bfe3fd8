//! `incoming-datagram-stream` and `outgoing-datagram-stream`.

use std::collections::VecDeque;
use std::hint;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::p2::{Pollable, SocketError, SocketResult};

use super::buffers::Share;
use super::os::{self, Receiver, SLOT, Sender};
use super::socket::is_destination;
use super::{Datagram, Setting};
use crate::guard::{Gate, Passage};
use crate::harden::LowPorts;
use crate::limits::{Activity, processor_time};

/// What one `receive` hands over at most, give or take a datagram: the component holds all of it at once.
const BYTES: usize = 1 << 20;

/// Batches of which no datagram was the component's, before others get their turn.
const FRUITLESS: usize = 64;

/// What a datagram takes beside its payload while it waits.
const OVERHEAD: usize = size_of::<Datagram>() + 16;

/// Room for so many datagrams is kept while none waits.
const ROOM: usize = 256;

/// How long a busy socket is asked before timers and other sockets are looked at.
const TURN: Duration = Duration::from_micros(5);

/// The receiving stream.
pub struct Incoming {
    receiver: Receiver,
    gate: Gate,
    peer: Option<SocketAddr>,
    activity: Activity,
    low_ports: Arc<LowPorts>,
    hand: usize,
    busy_poll: Duration,
    /// What was received and not handed over yet, what that takes, and what of it has its share of the buffers.
    waiting: VecDeque<Datagram>,
    bytes: usize,
    shared: usize,
    share: Share,
    /// What came after that.
    failed: Option<io::Error>,
    /// Whether the last look at the socket brought datagrams that were dropped.
    drops: bool,
    /// Until when it is left alone, because dropping takes too much.
    rests: Option<Instant>,
}

/// What one look at a socket brought that is not the component's, and what that took. The clock is read only where there is
/// something of the kind.
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

    /// Its part of what was computed, beside the component's own datagrams, and where the last one came from.
    fn cost(&self, own: usize) -> Option<(Duration, SocketAddr)> {
        let from = self.last?;
        let spent = processor_time().saturating_sub(self.since?);
        let all = self.count.saturating_add(u32::try_from(own).unwrap_or(u32::MAX));
        Some((spent * self.count / all.max(1), from))
    }
}

impl Incoming {
    pub(super) fn new(receiver: Receiver, gate: Gate, peer: Option<SocketAddr>, setting: &Setting) -> Self {
        Self {
            receiver,
            gate,
            peer,
            activity: setting.activity.clone(),
            low_ports: setting.low_ports.clone(),
            hand: setting.tuning.hand(),
            busy_poll: setting.tuning.busy_poll,
            waiting: VecDeque::new(),
            bytes: 0,
            shared: 0,
            share: Share::of_datagrams(&setting.buffers),
            failed: None,
            drops: false,
            rests: None,
        }
    }

    /// `receive`: what is there, at most `most` datagrams.
    pub fn receive(&mut self, most: u64) -> SocketResult<Vec<Datagram>> {
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
            self.activity.passed();
            self.bytes -= taken.iter().map(|datagram| datagram.data.len() + OVERHEAD).sum::<usize>();
            self.settle();
        }
        Ok(taken)
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
        self.rests = self.rests.filter(|until| *until > Instant::now());
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
        self.low_ports.are_bound();
        // Each message may be as large as a slot. One has to pass in any case.
        let most = most.min(self.share.left() / SLOT).max(1);
        let Self { receiver, gate, peer, waiting, bytes, failed, .. } = self;
        let (mut turn, before) = (gate.turn(), waiting.len());
        let mut dropped = Dropped::none(self.drops);
        let mut found = true;
        for _ in 0..FRUITLESS {
            let result = receiver.try_receive(most, &mut |data, from| {
                // A connected socket may still have what others sent before it was connected (connect(2)).
                if peer.is_none_or(|peer| peer == from) && turn.hears(from, data.len()) {
                    waiting.push_back(Datagram { data: data.to_vec(), from });
                    *bytes += data.len() + OVERHEAD;
                } else {
                    dropped.add(from);
                }
            });
            match result {
                Ok(()) if waiting.is_empty() => continue,
                Ok(()) => {}
                Err(error) if is_transient(&error) => found = false,
                Err(error) => *failed = Some(error),
            }
            break;
        }
        self.drops = dropped.count > 0;
        if let Some((spent, from)) = dropped.cost(waiting.len() - before) {
            self.activity.dropped(spent);
            self.rests = turn.dropped(spent, from);
        }
        found
    }

    /// Asks the socket until it has something or `busy_poll` is over.
    async fn spin(&mut self) {
        // What is computed here is not the component's doing.
        self.activity.spins();
        let start = Instant::now();
        while !self.is_ready() && start.elapsed() < self.busy_poll {
            let turn = Instant::now();
            while !self.fill(self.hand) && turn.elapsed() < TURN {
                hint::spin_loop();
            }
            if !self.is_ready() {
                tokio::task::yield_now().await;
            }
        }
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
                tokio::time::sleep_until(until.into()).await;
            } else if found {
                tokio::task::yield_now().await;
            } else {
                self.receiver.readable().await;
            }
        }
        self.settle();
    }
}

/// The sending stream.
pub struct Outgoing {
    socket: os::Socket,
    sender: Sender,
    gate: Gate,
    peer: Option<SocketAddr>,
    activity: Activity,
    low_ports: Arc<LowPorts>,
    hand: usize,
    /// How many datagrams `check-send` permitted.
    permits: usize,
    /// Whether the last `send` found no room.
    full: bool,
    /// Until when a rate lets nothing pass.
    held: Option<Instant>,
}

/// A datagram that a component wants to send.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its payload.
    pub data: Vec<u8>,
    /// Whom to, where the stream does not say.
    pub to: Option<SocketAddr>,
}

impl Outgoing {
    pub(super) fn new(socket: os::Socket, gate: Gate, peer: Option<SocketAddr>, setting: &Setting) -> io::Result<Self> {
        let (sender, activity, low_ports) = (socket.sender()?, setting.activity.clone(), setting.low_ports.clone());
        let hand = setting.tuning.hand();
        Ok(Self { socket, sender, gate, peer, activity, low_ports, hand, permits: 0, full: false, held: None })
    }

    /// `check-send`: how many datagrams the next `send` may have.
    pub fn check_send(&mut self) -> u64 {
        self.full = self.full && !self.socket.is_writable();
        self.held = self.held.filter(|until| *until > Instant::now());
        self.permits = if self.full || self.held.is_some() { 0 } else { self.hand };
        self.permits as u64
    }

    /// `send`: says how many of `datagrams` are on their way, from the first.
    pub fn send(&mut self, datagrams: &[Wanted]) -> SocketResult<u64> {
        if datagrams.is_empty() {
            return Ok(0);
        }
        if datagrams.len() > self.permits {
            return Err(SocketError::trap(wasmtime::format_err!(
                "unpermitted: {} datagrams sent where check-send permitted {}",
                datagrams.len(),
                self.permits
            )));
        }
        // "Each call to `send` must be permitted by a preceding `check-send`."
        self.permits = 0;
        self.low_ports.are_bound();
        let mut turn = self.gate.turn();
        let mut outgoing = Vec::with_capacity(datagrams.len());
        let mut dropped = 0;
        for datagram in datagrams {
            let to = self.destination(datagram);
            match to.map(|to| (to, turn.sends(to, datagram.data.len()))) {
                Ok((to, Passage::Open)) => outgoing.push((to, datagram)),
                Ok((_, Passage::Dropped)) => dropped += 1,
                Ok((_, Passage::Later(until))) => {
                    self.held = Some(until);
                    break;
                }
                // "If at least one datagram has been sent successfully, this function never returns an error."
                Ok((_, Passage::Refused)) if outgoing.is_empty() && dropped == 0 => {
                    return Err(ErrorCode::AccessDenied.into());
                }
                Err(code) if outgoing.is_empty() && dropped == 0 => return Err(code.into()),
                Ok((_, Passage::Refused)) | Err(_) => break,
            }
        }
        let sent = try_send(&mut self.sender, self.peer, &outgoing);
        for (to, datagram) in &outgoing[*sent.as_ref().unwrap_or(&0)..] {
            turn.not_sent(*to, datagram.data.len());
        }
        match sent {
            Ok(sent) => {
                if sent > 0 {
                    self.activity.passed();
                }
                let taken = match outgoing.get(sent) {
                    _ if dropped == 0 => sent,
                    None => sent + dropped,
                    // Those that were dropped after it are dropped once more, with it.
                    Some((_, next)) => datagrams.iter().position(|datagram| ptr::eq(datagram, *next)).unwrap_or(sent),
                };
                Ok(taken as u64)
            }
            Err(error) if is_transient(&error) => {
                self.full = true;
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where a datagram goes: nowhere but to the peer, where there is one.
    fn destination(&self, datagram: &Wanted) -> Result<SocketAddr, ErrorCode> {
        match (datagram.to, self.peer) {
            (Some(to), _) if !is_destination(to, self.socket.family()) => Err(ErrorCode::InvalidArgument),
            (Some(to), Some(peer)) if to != peer => Err(ErrorCode::InvalidArgument),
            (to, peer) => to.or(peer).ok_or(ErrorCode::InvalidArgument),
        }
    }
}

/// Addresses are for sockets that are not connected to `peer`.
fn try_send(sender: &mut Sender, peer: Option<SocketAddr>, datagrams: &[(SocketAddr, &Wanted)]) -> io::Result<usize> {
    if datagrams.is_empty() {
        return Ok(0);
    }
    let outgoing =
        datagrams.iter().map(|(to, datagram)| os::Outgoing { data: &datagram.data, to: peer.is_none().then_some(*to) });
    sender.try_send(&outgoing.collect::<Vec<_>>())
}

#[async_trait]
impl Pollable for Outgoing {
    async fn ready(&mut self) {
        if let Some(until) = self.held {
            tokio::time::sleep_until(until.into()).await;
            self.held = None;
        }
        while self.full && !self.socket.is_writable() {
            self.sender.writable().await;
        }
        self.full = false;
    }
}

/// Whether the call that failed so is merely to be made again later.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
