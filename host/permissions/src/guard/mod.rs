//! The guard between one instance of a component and the network: decides by grants and rates,
//! tracks peers, and reports denials.

mod dropping;
mod ledger;
mod meter;
mod recorder;
mod source_limit;
mod sources;
mod system;
mod table;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use ledger::{Denial, Flow, Kind, Ledger, Traffic};
pub use meter::Meters;
pub use recorder::Recorder;
pub use source_limit::SourcePrefix;

use crate::grants::{Advice, Current, DenyReason, GrantedBy, Grants, PeerCredit, Refusal, Request};
use crate::host_name::HostName;
use crate::names::Names;
use crate::rate::Rate;
use dropping::Dropping;
use ledger::Counters;
use sources::{Peer, Sources};
use wasi_datagram::{Operation, SendDecision, SocketId};

/// The maximum rates per second of an instance, and of each source that sends to it. `None` is
/// unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Datagrams sent per second.
    pub send: Option<Rate>,
    /// Payload bytes sent per second.
    pub send_bytes: Option<Rate>,
    /// Datagrams received per second.
    pub receive: Option<Rate>,
    /// Payload bytes received per second.
    pub receive_bytes: Option<Rate>,
    /// Datagrams received per second from one source.
    pub source: Option<Rate>,
    /// The prefix lengths by which addresses are grouped into sources.
    pub source_prefix: SourcePrefix,
}

/// Formats the rates as a list that follows "within"; empty if there are none.
impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { send, send_bytes, receive, receive_bytes, source, source_prefix } = self;
        let from_source = match source_prefix {
            one_address if *one_address == SourcePrefix::default() => {
                "datagrams received from one source".to_owned()
            }
            network => format!("datagrams received from one source ({})", network.in_words()),
        };
        let rates = [
            (send, "datagrams sent"),
            (send_bytes, "bytes sent"),
            (receive, "datagrams received"),
            (receive_bytes, "bytes received"),
            (source, &*from_source),
        ];
        let given = rates
            .iter()
            .filter_map(|(rate, what)| rate.map(|rate| format!("{} {what} a second", rate.0)));
        f.write_str(&given.collect::<Vec<_>>().join(", "))
    }
}

/// Decides for one instance of a component, whose sockets each have a [`Gate`].
pub struct Guard {
    component: String,
    grants: Arc<Current>,
    meters: Arc<Meters>,
    ledger: Arc<Ledger>,
    advice: Advice,
    recorder: Option<Arc<Recorder>>,
    state: Mutex<State>,
    /// The cause of the last refusal, if it was the system's.
    by_system: Mutex<Option<String>>,
}

struct State {
    sources: Sources,
    traffic: Arc<Counters>,
    dropping: Dropping,
}

impl Guard {
    /// Creates a guard through which nothing has passed. Denials are recorded in `ledger`.
    pub fn new(
        component: String,
        grants: Arc<Current>,
        meters: Arc<Meters>,
        ledger: Arc<Ledger>,
    ) -> Self {
        let sources = Sources::new(grants.get().answer);
        let state = State { sources, traffic: ledger.counters(), dropping: Dropping::default() };
        Self {
            component,
            grants,
            meters,
            ledger,
            advice: Advice::default(),
            recorder: None,
            state: Mutex::new(state),
            by_system: Mutex::default(),
        }
    }

    /// Sets what is known of the run, for the advice in refusals.
    #[must_use]
    pub fn with_advice(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    /// Sets a recorder of the grants that are used, if any.
    #[must_use]
    pub fn with_recorder(self, recorder: Option<Arc<Recorder>>) -> Self {
        Self { recorder, ..self }
    }

    /// Decides whether a socket may be bound to `local`.
    pub fn permit_bind(&self, local: SocketAddr) -> bool {
        self.decide(&self.grants.get(), &Request::Bind(local)).is_some()
    }

    /// Decides whether `name` may be resolved.
    pub fn permit_resolve(&self, name: &HostName) -> bool {
        self.decide(&self.grants.get(), &Request::Resolve(name.clone())).is_some()
    }

    /// Grants the current addresses of `names`.
    pub fn follow(&self, names: &Names) {
        self.grants.follow(names);
    }

    /// Records that `name` was not resolved, because more than `most` were requested at once, and
    /// then one per second.
    pub fn over_lookups(&self, name: &HostName, most: usize) {
        self.ledger
            .note(&Denial::OverLookups { component: &self.component, name, most }, Instant::now());
    }

    /// Records that a TCP socket was denied.
    pub fn refuse_tcp(&self) {
        self.ledger.note(&Denial::Tcp { component: &self.component }, Instant::now());
    }

    fn decide(&self, grants: &Grants, request: &Request) -> Option<GrantedBy> {
        let reason = match grants.decide(request) {
            Ok(by) => {
                if let Some(recorder) = &self.recorder {
                    recorder.granted(request);
                }
                return Some(by);
            }
            Err(reason) => reason,
        };
        let refusal =
            Refusal { component: &self.component, request, reason, grants, advice: &self.advice };
        self.ledger.note(&Denial::Refused(refusal), Instant::now());
        *self.by_system.lock().unwrap_or_else(PoisonError::into_inner) = None;
        None
    }

    /// Records that a granted operation failed, if the system refused it.
    pub fn failed(&self, operation: Operation, error: &io::Error) {
        let Some(cause) = system::cause(operation, error) else { return };
        let denial = Denial::BySystem { component: &self.component, operation, cause: &cause };
        self.ledger.note(&denial, Instant::now());
        *self.by_system.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
    }

    /// The cause of the last refusal; `None` if the grants refused it, or nothing was refused.
    pub fn refused_by_system(&self) -> Option<String> {
        self.by_system.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn over_rate(&self, peer: SocketAddr, flow: Flow, rate: Rate, now: Instant) {
        self.ledger.note(&Denial::OverRate { component: &self.component, peer, flow, rate }, now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic while the lock is held leaves the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides about the datagrams of one socket.
#[derive(Clone)]
pub struct Gate {
    guard: Arc<Guard>,
    /// The socket, if it is bound to an address with a listen grant.
    listener: Option<SocketId>,
    local: SocketAddr,
}

impl Gate {
    /// Creates the gate of `socket`, which is bound to `local`, as requested by the component.
    pub fn new(guard: Arc<Guard>, local: SocketAddr, socket: SocketId) -> Self {
        // A recorder has to see all datagrams to tell whether a listen grant is needed.
        let listener =
            (guard.recorder.is_some() || guard.grants.get().listens(local)).then_some(socket);
        Self { guard, listener, local }
    }

    /// Decides whether the socket may be connected to `to`.
    pub fn permit_connect(&self, to: SocketAddr) -> bool {
        let credit = match self.listener {
            Some(socket) => {
                self.guard.state().sources.credit(Peer::of(socket, to), 0, Instant::now())
            }
            None => PeerCredit::None,
        };
        let credit = match credit {
            // Each datagram is decided about again when it is sent.
            PeerCredit::Exhausted => PeerCredit::Available,
            credit => credit,
        };
        self.guard.decide(&self.guard.grants.get(), &Request::Connect { to, credit }).is_some()
    }

    /// Starts a batch of datagrams at `now`. Only one turn exists at a time.
    pub fn turn(&self, now: Instant) -> Turn<'_> {
        Turn {
            guard: &self.guard,
            grants: self.guard.grants.get(),
            listener: self.listener,
            local: self.local,
            now,
            state: self.guard.state(),
        }
    }
}

/// A gate during one batch, for which the state is locked once.
pub struct Turn<'a> {
    guard: &'a Guard,
    grants: Arc<Grants>,
    listener: Option<SocketId>,
    local: SocketAddr,
    now: Instant,
    state: MutexGuard<'a, State>,
}

impl Turn<'_> {
    /// Decides about sending a datagram, which counts as sent unless [`Self::not_sent`] follows.
    pub fn permit_send(&mut self, to: SocketAddr, bytes: usize) -> SendDecision {
        let peer = self.listener.map(|socket| Peer::of(socket, to));
        let credit = match peer {
            Some(peer) => self.state.sources.credit(peer, bytes, self.now),
            None => PeerCredit::None,
        };
        let request = Request::Send { to, credit };
        let by = match self.grants.decide(&request) {
            Ok(by) => {
                if let Some(recorder) = &self.guard.recorder {
                    recorder.granted(&request);
                }
                by
            }
            Err(reason) => return self.not_permitted(&request, reason, peer, bytes),
        };
        if let Err(over) = self.guard.meters.send(bytes, self.now) {
            self.guard.over_rate(to, over.flow, over.rate, self.now);
            return SendDecision::Later(over.until);
        }
        if let (GrantedBy::Answer, Some(peer)) = (by, peer) {
            self.state.sources.charge(peer, bytes);
        }
        if let (Some(recorder), Some(peer), PeerCredit::Available) =
            (&self.guard.recorder, peer, credit)
        {
            recorder.answered(peer, bytes);
        }
        self.state.traffic.sent(bytes);
        SendDecision::Open
    }

    /// Drops a datagram to a peer that the component has received from, if it exceeds what may be
    /// answered: an error would end many servers, and could be caused by the peer. Refuses all
    /// others.
    fn not_permitted(
        &mut self,
        request: &Request,
        reason: DenyReason,
        peer: Option<Peer>,
        bytes: usize,
    ) -> SendDecision {
        let (Guard { component, ledger, advice, .. }, Request::Send { to, credit }) =
            (self.guard, request)
        else {
            return SendDecision::Refused;
        };
        let grants = &*self.grants;
        let rule = grants.answer;
        let denial = match (reason, credit) {
            (DenyReason::Answered, _) => {
                let enough =
                    peer.and_then(|peer| self.state.sources.amplification_for(peer, bytes));
                Denial::OverAmplification { component, to: *to, bytes, rule, enough }
            }
            (DenyReason::Many, _) => Denial::AnswerToMany { component, to: *to },
            _ => {
                ledger.note(
                    &Denial::Refused(Refusal { component, request, reason, grants, advice }),
                    Instant::now(),
                );
                return SendDecision::Refused;
            }
        };
        ledger.note(&denial, self.now);
        SendDecision::Dropped
    }

    /// Reverses [`Self::permit_send`] for a datagram that was not sent.
    pub fn not_sent(&mut self, to: SocketAddr, bytes: usize) {
        self.guard.meters.not_sent(bytes);
        self.state.traffic.not_sent(bytes);
        if let Some(socket) = self.listener {
            self.state.sources.refund(Peer::of(socket, to), bytes);
        }
    }

    /// Decides whether the component may receive a datagram. A datagram that it may not receive
    /// grants no answer either.
    ///
    /// The rate of the source comes first, so that a source which exceeds it does not use up the
    /// rate of all sources.
    pub fn permit_receive(&mut self, from: SocketAddr, bytes: usize) -> bool {
        let request = Request::Receive { from, listening: self.listener.is_some() };
        let Some(by) = self.guard.decide(&self.grants, &request) else { return false };
        let now = self.now;
        if let Err(rate) = self.guard.meters.receive_from(from, now) {
            self.guard.over_rate(from, Flow::Source, rate, now);
            return false;
        }
        let state = &mut *self.state;
        if let Err(over) = self.guard.meters.receive(bytes, now) {
            self.guard.over_rate(from, over.flow, over.rate, now);
            return false;
        }
        if let (Some(recorder), Some(socket)) = (&self.guard.recorder, self.listener) {
            let peer = Peer::of(socket, from);
            recorder.heard(self.local, from, peer, bytes);
            state.sources.hear(peer, bytes, now);
        } else if let (GrantedBy::Answer, Some(socket)) = (by, self.listener) {
            state.sources.hear(Peer::of(socket, from), bytes, now);
        }
        state.traffic.received(bytes);
        true
    }

    /// Records that datagrams were dropped, the last of them from `peer`, at the cost of `spent`
    /// processor time. Returns the instant until which their socket has to be left unread, if that
    /// was too much.
    pub fn dropped(&mut self, spent: Duration, peer: SocketAddr) -> Option<Instant> {
        let now = Instant::now();
        self.state.traffic.dropped(spent);
        let until = self.state.dropping.spend(spent, now);
        if until.is_some() {
            self.guard
                .ledger
                .note(&Denial::TooMany { component: &self.guard.component, peer }, now);
        }
        until
    }
}

#[cfg(test)]
mod tests;
