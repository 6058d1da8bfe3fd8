//! The states of sockets according to `wit/deps/sockets/udp.wit`, and the outcomes that each step
//! must or may have in them.

use std::ops::RangeInclusive;

use super::program::{Action, Datagrams, Handle, Step};
use crate::judge;
use crate::network::{Endpoint, Endpoints, Id, Network, Target, Traffic};
use crate::options::Options;
use crate::outcome::{BOUNCED, INVALID, INVALID_ARGUMENT, INVALID_STATE, OK, Outcome, TOO_LARGE};
use crate::{Family, Local, Remote, SKIPPED, SOCKETS};

#[derive(Clone, Copy, Debug)]
enum Binding {
    Unbound,
    Started(Id),
    Bound(Id),
}

#[derive(Clone, Copy, Debug)]
struct Socket {
    family: Family,
    binding: Binding,
    peer: Option<Target>,
    /// Whether an error may have come back for a datagram that it sent to a peer.
    bounced: bool,
    /// Whether its stream was received from or polled.
    asked: bool,
    options: Options,
}

impl Socket {
    fn id(&self) -> Option<Id> {
        match self.binding {
            Binding::Unbound => None,
            Binding::Started(id) | Binding::Bound(id) => Some(id),
        }
    }
}

/// The handles that a program has of one socket.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    socket: Option<Socket>,
    incoming: bool,
    outgoing: bool,
    pollable: bool,
    /// Whether `check-send` permitted a list that was not sent yet.
    permitted: bool,
}

/// The sockets of a program, and what it has sent.
#[derive(Debug, Default)]
pub(crate) struct Model {
    slots: [Slot; SOCKETS],
    network: Network,
}

/// The required outcome of a step.
enum Due {
    /// A word.
    Word(Outcome),
    /// That many of a list of datagrams to these targets were sent; or one of these words.
    Sent { from: Id, to: Vec<Target>, counts: RangeInclusive<usize>, or: Vec<&'static str> },
    /// At most `most` of the datagrams sent to this socket; or, if an earlier datagram may have
    /// bounced, that error.
    Received { at: Id, most: u64, or_bounced: bool },
}

impl From<Outcome> for Due {
    fn from(outcome: Outcome) -> Self {
        Self::Word(outcome)
    }
}

/// The length of the longest list: what `check-send` must permit as long as there is space.
const LONGEST: u64 = 3;

impl judge::Model for Model {
    type Step = Step;

    /// - A socket that is disconnected loses a port that Linux chose for it, as it does for all.
    /// - New streams of a socket trap if earlier ones were received from or polled, even though they
    ///   were dropped: a background task that waits for a datagram holds the socket.
    fn is_beyond_stock(&self, Step { socket, action }: Step) -> bool {
        let Some(socket) = self.slots[socket].socket else { return false };
        match action {
            Action::Stream(remote) | Action::Restream(remote) => {
                socket.asked || (remote == Remote::Unsaid && socket.peer.is_some())
            }
            _ => false,
        }
    }

    /// A child handle outlives its parent, streams are created twice, or more is sent than permitted.
    fn traps(&self, step: Step) -> bool {
        let slot = &self.slots[step.socket];
        !self.skips(step)
            && match step.action {
                Action::Stream(_) | Action::DropSocket => slot.incoming || slot.outgoing,
                Action::Send(datagrams) => datagrams != Datagrams::None && !slot.permitted,
                Action::SendTooMany => true,
                Action::DropIncoming => slot.pollable,
                _ => false,
            }
    }

    fn take(&mut self, step: Step, word: &str) -> Result<(), String> {
        if self.skips(step) {
            return if word == SKIPPED { Ok(()) } else { Err("be skipped".to_owned()) };
        }
        match self.due(step) {
            Due::Word(outcome) => outcome.check(word),
            Due::Received { or_bounced: true, .. } if word == BOUNCED => Ok(()),
            Due::Sent { or, .. } if or.contains(&word) => Ok(()),
            Due::Sent { from, to, counts, or } => {
                let count = word.parse().ok().filter(|count| counts.contains(count));
                let count: usize =
                    count.ok_or_else(|| format!("be one of {counts:?} or {or:?}"))?;
                let first = self.network.number(0) - to.len();
                for (number, to) in (first..).zip(to).take(count) {
                    self.network.send(number, from, to);
                }
                Ok(())
            }
            Due::Received { at, most, .. } => self.receive(at, most, word),
        }
    }

    fn traffic(&self) -> Traffic {
        self.network.traffic()
    }
}

impl Model {
    fn skips(&self, Step { socket, action }: Step) -> bool {
        let slot = &self.slots[socket];
        let has = match action.handle() {
            Handle::NoSocket => slot.socket.is_none(),
            Handle::Socket => slot.socket.is_some(),
            Handle::Incoming => slot.incoming,
            Handle::Outgoing => slot.outgoing,
            Handle::Pollable => slot.pollable,
            Handle::NoPollable => slot.incoming && !slot.pollable,
        };
        !has || (action.needs_next() && self.next(socket).is_none())
    }

    /// Applies what was received: a word of numbers, separated by commas.
    fn receive(&mut self, at: Id, most: u64, word: &str) -> Result<(), String> {
        if word == "none" {
            return Ok(());
        }
        let numbers: Option<Vec<usize>> =
            word.split(',').map(|number| number.parse().ok()).collect();
        let numbers = numbers.ok_or("be numbers of datagrams")?;
        if numbers.len() as u64 > most {
            return Err(format!("be {most} at most"));
        }
        let endpoints = self.endpoints();
        for number in numbers {
            self.network.receive(&endpoints, at, number, |from| endpoints.hears(at, from))?;
        }
        Ok(())
    }

    /// Returns the outcome of a step, and updates the state.
    fn due(&mut self, Step { socket: index, action }: Step) -> Due {
        let next = self.next(index);
        let slot = &mut self.slots[index];
        if let Action::Create(family) = action {
            let (binding, peer, bounced, asked) = (Binding::Unbound, None, false, false);
            let options = Options::default();
            slot.socket = Some(Socket { family, binding, peer, bounced, asked, options });
            return OK.into();
        }
        // The step was not skipped, so there is a socket.
        let Some(socket) = &mut slot.socket else { return OK.into() };
        let word = match action {
            Action::StartBind(local) => match (socket.binding, local) {
                // The WIT does not specify this; the implementations agree.
                (Binding::Started(_), _) => Outcome::Word("concurrency-conflict"),
                (Binding::Bound(_), _) => INVALID_STATE,
                (Binding::Unbound, Local::Free) => {
                    socket.binding = Binding::Started(self.network.new_id());
                    OK
                }
                (Binding::Unbound, Local::Taken)
                    if next.is_some_and(|(_, family)| family == socket.family) =>
                {
                    Outcome::Word("address-in-use")
                }
                (Binding::Unbound, Local::Taken | Local::OtherFamily | Local::Mapped) => {
                    INVALID_ARGUMENT
                }
                (Binding::Unbound, Local::Elsewhere) => Outcome::Word("address-not-bindable"),
            },
            Action::FinishBind => match socket.binding {
                Binding::Started(id) => {
                    socket.binding = Binding::Bound(id);
                    OK
                }
                Binding::Unbound | Binding::Bound(_) => Outcome::Word("not-in-progress"),
            },
            Action::Stream(remote) | Action::Restream(remote) => {
                (slot.incoming, slot.outgoing, slot.pollable, slot.permitted) =
                    (false, false, false, false);
                // Between start-bind and finish-bind every implementation has bound it.
                if socket.id().is_none() {
                    return INVALID_STATE.into();
                }
                match (remote, remote.target(socket.family, next)) {
                    (Remote::Unsaid, _) => socket.peer = None,
                    (_, Some(peer)) => socket.peer = Some(peer),
                    (_, None) => return INVALID_ARGUMENT.into(),
                }
                (slot.incoming, slot.outgoing) = (true, true);
                OK
            }
            Action::LocalAddress => socket.id().map_or(INVALID_STATE, |_| Outcome::Word("self")),
            Action::RemoteAddress => socket.peer.map_or(INVALID_STATE, |_| Outcome::Word("peer")),
            Action::AddressFamily => Outcome::Word(socket.family.name()),
            Action::Option(call) => socket.options.take(call),
            Action::CheckSend => {
                slot.permitted = true;
                Outcome::AtLeast(LONGEST)
            }
            Action::Send(Datagrams::None) => Outcome::Word("0"),
            Action::Send(datagrams) | Action::CheckAndSend(datagrams) => {
                slot.permitted = false;
                let socket = *socket;
                return self.send(index, socket, datagrams);
            }
            // It would trap.
            Action::SendTooMany | Action::ReadClocks => OK,
            Action::Receive(0) => Outcome::Word("none"),
            Action::Receive(most) => {
                socket.asked = true;
                // A socket with a stream is bound.
                let Some(at) = socket.id() else { return INVALID_STATE.into() };
                return Due::Received { at, most, or_bounced: socket.bounced };
            }
            // Nothing here fills a buffer.
            Action::IsWritable => Outcome::Word("true"),
            Action::IsReadable => {
                socket.asked = true;
                Outcome::Either(vec!["true", "false"])
            }
            Action::Subscribe => {
                slot.pollable = true;
                OK
            }
            Action::Unsubscribe => {
                slot.pollable = false;
                OK
            }
            Action::DropIncoming => {
                slot.incoming = false;
                OK
            }
            Action::DropOutgoing => {
                (slot.outgoing, slot.permitted) = (false, false);
                OK
            }
            Action::Create(_) | Action::DropSocket | Action::Close => {
                *slot = Slot::default();
                OK
            }
        };
        word.into()
    }

    fn send(&mut self, index: usize, socket: Socket, datagrams: Datagrams) -> Due {
        let Some(from) = socket.id() else { return INVALID_STATE.into() };
        let (endpoints, next) = (self.endpoints(), self.next(index));
        let home = socket.peer.unwrap_or(Target::Socket(from));
        let to = |remote: Remote| remote.destination(socket.family, socket.peer, next);
        // The port of a dropped peer may have been reused by the next socket.
        let unsure =
            socket.peer.is_some_and(|peer| peer != Target::Deserted && !endpoints.is_there(peer));
        let list = match datagrams {
            Datagrams::None => return Outcome::Word("0").into(),
            Datagrams::TooLarge => {
                self.network.number(1);
                let bounced = socket.bounced.then_some(BOUNCED);
                return Outcome::Either([TOO_LARGE].into_iter().chain(bounced).collect()).into();
            }
            Datagrams::One(remote) => vec![to(remote)],
            Datagrams::Amid(remote) => vec![Some(home), to(remote), Some(home)],
        };
        self.network.number(list.len());
        let most =
            if unsure { list.len() } else { list.iter().take_while(|to| to.is_some()).count() };
        if most == 0 {
            return INVALID_ARGUMENT.into();
        }
        let to: Vec<_> = list.into_iter().map(|to| to.unwrap_or(home)).collect();
        // Only with a peer: otherwise the error's datagram is unknown (udp(7)).
        let bounces =
            socket.peer.is_some() && to[..most].iter().any(|to| !endpoints.listens(*to, from));
        if bounces && let Some(socket) = &mut self.slots[index].socket {
            socket.bounced = true;
        }
        let bounced = socket.bounced || bounces;
        let words = [bounced.then_some(BOUNCED), unsure.then_some(INVALID)];
        let least = if bounced || unsure { 1 } else { most };
        Due::Sent { from, to, counts: least..=most, or: words.into_iter().flatten().collect() }
    }

    /// The address of the socket after this one.
    fn next(&self, index: usize) -> Option<(Id, Family)> {
        let next = self.slots[(index + 1) % SOCKETS].socket?;
        Some((next.id()?, next.family))
    }

    fn endpoints(&self) -> Endpoints {
        let sockets = self.slots.iter().filter_map(|slot| slot.socket.as_ref());
        let endpoint = |socket: &Socket| Some(Endpoint { id: socket.id()?, peer: socket.peer });
        Endpoints(sockets.filter_map(endpoint).collect())
    }
}
