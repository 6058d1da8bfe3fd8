//! `outgoing-datagram-stream` of `wasi:sockets/udp`.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use std::{mem, ptr};

use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::p2::{Pollable, SocketError, SocketResult};

use super::SocketContext;
use super::origins::Origins;
use super::streams::is_transient;
use crate::family::Family;
use crate::gathering::MOST;
use crate::permissions::{Batch, Operation, Permissions, SendDecision, SocketPermissions};
use crate::world::{Sender, Transmit, Waiting, World};

/// The maximum length of gathered datagrams, in bytes: what fits the smallest MTU of IPv6 (RFC 8200,
/// section 5), with its headers. A longer one may be refused for its length (`EMSGSIZE`), which the
/// component that sends it must learn. [`MOST`] of them are less than one call can send.
const LONGEST: usize = 1280 - 40 - 8;

/// The outgoing stream of a socket.
pub struct Outgoing {
    sender: Box<dyn Sender>,
    world: Arc<dyn World>,
    family: Family,
    permissions: Arc<dyn SocketPermissions>,
    instance: Arc<dyn Permissions>,
    peer: Option<SocketAddr>,
    /// Determines the local address of each reply, where it is not the socket's own.
    origins: Option<Arc<Mutex<Origins>>>,
    hand: usize,
    /// The datagrams that wait for others to be sent with, each with its destination.
    gathered: Vec<(SocketAddr, Wanted)>,
    /// The number of datagrams permitted by `check-send`.
    permits: usize,
    /// Whether the last `send` found the send buffer full.
    full: bool,
    /// The instant until which a rate limit delays sending.
    held: Option<Instant>,
}

/// A datagram that a component wants to send (`outgoing-datagram` of `wasi:sockets/udp`).
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The payload.
    pub data: Vec<u8>,
    /// The destination, unless it is the stream's.
    pub to: Option<SocketAddr>,
}

/// What became of a `send`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// How many datagrams were taken, from the first.
    pub taken: u64,
    /// When they were passed to the system, if any was.
    pub left: Option<Instant>,
}

/// Why no datagram of a `send` was taken.
enum Failure {
    /// The first was denied, or its destination is invalid.
    Code(ErrorCode),
    /// The system failed to send the first datagram, which was to this address.
    System(SocketAddr, io::Error),
}

impl Outgoing {
    pub(super) fn new(
        sender: Box<dyn Sender>,
        family: Family,
        permissions: Arc<dyn SocketPermissions>,
        peer: Option<SocketAddr>,
        origins: Option<Arc<Mutex<Origins>>>,
        context: &SocketContext,
    ) -> Self {
        Self {
            sender,
            world: context.world.clone(),
            family,
            permissions,
            instance: context.permissions.clone(),
            peer,
            origins,
            hand: context.world.tuning().hand(),
            gathered: Vec::new(),
            permits: 0,
            full: false,
            held: None,
        }
    }

    /// `check-send`: returns the number of datagrams that the next `send` may have.
    pub(crate) fn check_send(&mut self) -> u64 {
        self.full = self.full && !self.sender.is_writable();
        self.held = self.held.filter(|until| *until > self.world.now());
        self.permits = if self.full || self.held.is_some() { 0 } else { self.hand };
        self.permits as u64
    }

    /// `send`. If `gathers`, the datagrams may wait for those of the next one.
    pub(crate) fn send(&mut self, datagrams: &[Wanted], gathers: bool) -> SocketResult<Sent> {
        if datagrams.is_empty() {
            return Ok(Sent::default());
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
        let (permissions, mut result) = (self.permissions.clone(), Ok(Sent::default()));
        permissions.batch(self.world.now(), &mut |batch| {
            result = self.pass(datagrams, gathers, batch);
        });
        match result {
            Ok(sent) => Ok(sent),
            Err(Failure::Code(code)) => Err(code.into()),
            Err(Failure::System(to, error)) => {
                self.instance.failed(Operation::Send(to), &error);
                Err(error.into())
            }
        }
    }

    /// Sends those of `datagrams` that `batch` permits, or gathers them.
    fn pass(
        &mut self,
        datagrams: &[Wanted],
        gathers: bool,
        batch: &mut dyn Batch,
    ) -> Result<Sent, Failure> {
        let mut outgoing = Vec::with_capacity(datagrams.len());
        let mut dropped = 0;
        for datagram in datagrams {
            let to = self.destination(datagram);
            match to.map(|to| (to, batch.permit_send(to, datagram.data.len()))) {
                Ok((to, SendDecision::Open)) => outgoing.push((to, datagram)),
                Ok((_, SendDecision::Dropped)) => dropped += 1,
                Ok((_, SendDecision::Later(until))) => {
                    self.held = Some(until);
                    break;
                }
                // "If at least one datagram has been sent successfully, this function never returns
                // an error."
                Ok((_, SendDecision::Refused)) if outgoing.is_empty() && dropped == 0 => {
                    return Err(Failure::Code(ErrorCode::AccessDenied));
                }
                Err(code) if outgoing.is_empty() && dropped == 0 => {
                    return Err(Failure::Code(code));
                }
                Ok((_, SendDecision::Refused)) | Err(_) => break,
            }
        }
        if let [(to, datagram)] = outgoing[..]
            && gathers
            && self.gathers(to, datagram)
        {
            self.gathered.push((to, datagram.clone()));
            return Ok(Sent { taken: 1 + dropped as u64, left: None });
        }
        self.send_gathered(batch);
        let (left, sent) = if self.gathered.is_empty() {
            self.try_send(&outgoing)
        } else {
            (self.world.now(), Err(ErrorKind::WouldBlock.into()))
        };
        for (to, datagram) in &outgoing[*sent.as_ref().unwrap_or(&0)..] {
            batch.not_sent(*to, datagram.data.len());
        }
        match sent {
            Ok(sent) => {
                if sent > 0 {
                    self.instance.passed();
                }
                let taken = match outgoing.get(sent) {
                    _ if dropped == 0 => sent,
                    None => sent + dropped,
                    // Datagrams dropped after the first unsent one are retried, and dropped again,
                    // with it.
                    Some((_, next)) => datagrams
                        .iter()
                        .position(|datagram| ptr::eq(datagram, *next))
                        .unwrap_or(sent),
                };
                Ok(Sent { taken: taken as u64, left: (sent > 0).then_some(left) })
            }
            Err(error) if is_transient(&error) => {
                self.full = true;
                Ok(Sent::default())
            }
            // `outgoing` is not empty, or nothing would have been sent.
            Err(error) => Err(outgoing
                .first()
                .map_or(Failure::Code(ErrorCode::Unknown), |(to, _)| Failure::System(*to, error))),
        }
    }

    /// Whether a datagram can be gathered with the others: to the same destination, and as long, so
    /// that they can be coalesced.
    fn gathers(&self, to: SocketAddr, datagram: &Wanted) -> bool {
        let (count, length) = (self.gathered.len() + 1, datagram.data.len());
        let fits = count < self.hand.min(MOST) && length <= LONGEST;
        let is_alike = |(first_to, first): &(SocketAddr, Wanted)| {
            *first_to == to && first.data.len() == length
        };
        fits && self.gathered.first().is_none_or(is_alike)
    }

    /// Whether gathered datagrams have not been sent.
    pub(crate) fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Sends the gathered datagrams, as many as the send buffer has room for.
    pub(crate) fn flush(&mut self) {
        if self.has_gathered() {
            let permissions = self.permissions.clone();
            permissions.batch(self.world.now(), &mut |batch| self.send_gathered(batch));
        }
    }

    /// Waits until the send buffer has room for gathered datagrams.
    pub(crate) fn writable(&mut self) -> Waiting {
        self.sender.writable()
    }

    /// What to wait for before `check-send` permits something; `None` if it does.
    pub(crate) fn waits_for(&mut self) -> Option<Waiting> {
        self.held = self.held.filter(|until| *until > self.world.now());
        if let Some(until) = self.held {
            let mut timer = self.world.timer(until);
            return Some(Box::pin(async move { timer.expired().await }));
        }
        self.full = self.full && !self.sender.is_writable();
        self.full.then(|| self.sender.writable())
    }

    /// As [`Self::flush`]. The component was told that they were sent: an error is reported, and
    /// those after the datagram are sent.
    fn send_gathered(&mut self, batch: &mut dyn Batch) {
        while self.has_gathered() {
            let gathered = mem::take(&mut self.gathered);
            let outgoing: Vec<_> = gathered.iter().map(|(to, datagram)| (*to, datagram)).collect();
            let (_, sent) = self.try_send(&outgoing);
            let over = match sent {
                Ok(sent) => {
                    self.instance.passed();
                    sent
                }
                Err(error) if is_transient(&error) => {
                    self.full = true;
                    self.gathered = gathered;
                    return;
                }
                Err(error) => {
                    let (to, datagram) = &gathered[0];
                    batch.not_sent(*to, datagram.data.len());
                    self.instance.failed(Operation::Send(*to), &error);
                    1
                }
            };
            self.gathered = gathered.into_iter().skip(over).collect();
        }
    }

    /// The destination of a datagram: on a connected stream, none but the peer.
    fn destination(&self, datagram: &Wanted) -> Result<SocketAddr, ErrorCode> {
        match (datagram.to, self.peer) {
            (Some(to), _) if !self.family.is_destination(to) => Err(ErrorCode::InvalidArgument),
            (Some(to), Some(peer)) if to != peer => Err(ErrorCode::InvalidArgument),
            (to, peer) => to.or(peer).ok_or(ErrorCode::InvalidArgument),
        }
    }

    /// Sends `datagrams`, without their destinations if the socket is connected. Also returns the
    /// instant right before that.
    fn try_send(&mut self, datagrams: &[(SocketAddr, &Wanted)]) -> (Instant, io::Result<usize>) {
        if datagrams.is_empty() {
            return (self.world.now(), Ok(0));
        }
        let lock = |origins| Mutex::lock(origins).unwrap_or_else(PoisonError::into_inner);
        let mut origins = self.origins.as_deref().map(lock);
        let mut outgoing = Vec::with_capacity(datagrams.len());
        for run in datagrams.chunk_by(|(to, _), (next, _)| to == next) {
            let to = run[0].0;
            let of_all = origins.as_mut().and_then(|origins| origins.answer_all(to, run.len()));
            for (_, Wanted { data, .. }) in run {
                let each = || origins.as_mut().and_then(|origins| origins.answer(to, data));
                let from = of_all.or_else(each);
                outgoing.push(Transmit { data, to: self.peer.is_none().then_some(to), from });
            }
        }
        let left = self.world.now();
        let sent = self.sender.try_send(&outgoing);
        if let Some(origins) = &mut origins {
            for Transmit { data, to, from } in outgoing[*sent.as_ref().unwrap_or(&0)..].iter().rev()
            {
                if let (Some(to), Some(from)) = (to, from) {
                    origins.not_answered(*to, *from, data);
                }
            }
        }
        (left, sent)
    }
}

impl Drop for Outgoing {
    /// What the component has sent leaves.
    fn drop(&mut self) {
        self.flush();
    }
}

#[async_trait]
impl Pollable for Outgoing {
    async fn ready(&mut self) {
        while let Some(waiting) = self.waits_for() {
            waiting.await;
        }
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
