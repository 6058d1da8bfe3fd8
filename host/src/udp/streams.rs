//! `incoming-datagram-stream` and `outgoing-datagram-stream`.

use std::collections::VecDeque;
use std::hint;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::p2::{Pollable, SocketError, SocketResult};

use super::os::{self, Receiver, Sender};
use super::socket::is_destination;
use super::{Datagram, Setting};
use crate::guard::{Gate, Passage};
use crate::harden::LowPorts;
use crate::limits::Activity;

/// What one `receive` hands over at most, give or take a datagram: the component holds all of it at once.
const BYTES: usize = 1 << 20;

/// Batches of which no datagram was the component's, before others get their turn.
const FRUITLESS: usize = 64;

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
    /// What was received and not handed over yet.
    waiting: VecDeque<Datagram>,
    /// What came after that.
    failed: Option<io::Error>,
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
            failed: None,
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
        Ok(self.waiting.drain(..count).collect())
    }

    /// Whether `receive` has something to hand over, be it an error.
    fn is_ready(&self) -> bool {
        !self.waiting.is_empty() || self.failed.is_some()
    }

    /// Takes what the socket has: says whether it had anything.
    fn fill(&mut self, most: usize) -> bool {
        self.low_ports.are_bound();
        let Self { receiver, gate, peer, waiting, failed, .. } = self;
        let mut turn = gate.turn();
        for _ in 0..FRUITLESS {
            let result = receiver.try_receive(most, &mut |data, from| {
                // A connected socket may still have what others sent before it was connected (connect(2)).
                if peer.is_none_or(|peer| peer == from) && turn.hears(from, data.len()) {
                    waiting.push_back(Datagram { data: data.to_vec(), from });
                }
            });
            match result {
                Ok(()) if waiting.is_empty() => {}
                Ok(()) => return true,
                Err(error) if is_transient(&error) => return false,
                Err(error) => {
                    *failed = Some(error);
                    return true;
                }
            }
        }
        true
    }

    /// Asks the socket until it has something or `busy_poll` is over.
    async fn spin(&mut self) {
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
        // What was computed here is not the component's doing.
        self.activity.note();
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
            if !self.fill(self.hand) {
                self.receiver.readable().await;
            } else if !self.is_ready() {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// The sending stream.
pub struct Outgoing {
    socket: os::Socket,
    sender: Sender,
    gate: Gate,
    peer: Option<SocketAddr>,
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
        let (sender, low_ports, hand) = (socket.sender()?, setting.low_ports.clone(), setting.tuning.hand());
        Ok(Self { socket, sender, gate, peer, low_ports, hand, permits: 0, full: false, held: None })
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
        for datagram in datagrams {
            let to = self.destination(datagram);
            match to.map(|to| (to, turn.sends(to, datagram.data.len()))) {
                Ok((to, Passage::Open)) => outgoing.push((to, datagram)),
                Ok((_, Passage::Later(until))) => {
                    self.held = Some(until);
                    break;
                }
                // "If at least one datagram has been sent successfully, this function never returns an error."
                Ok((_, Passage::Refused)) if outgoing.is_empty() => return Err(ErrorCode::AccessDenied.into()),
                Err(code) if outgoing.is_empty() => return Err(code.into()),
                Ok((_, Passage::Refused)) | Err(_) => break,
            }
        }
        let sent = try_send(&mut self.sender, self.peer, &outgoing);
        for (to, datagram) in &outgoing[*sent.as_ref().unwrap_or(&0)..] {
            turn.not_sent(*to, datagram.data.len());
        }
        match sent {
            Ok(sent) => Ok(sent as u64),
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
