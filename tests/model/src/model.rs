//! The states of sockets according to `wit/deps/sockets/udp.wit`, and the outcomes that each step
//! must or may have in them.

use std::ops::RangeInclusive;

use crate::program::{
    Action, Buffer, Datagrams, Family, Handle, Local, Remote, SKIPPED, SOCKETS, Step, steps,
};

/// An implementation of `wasi:sockets/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// One that does what the WIT says.
    Exact,
    /// The one of wasmtime-wasi: see `Model::is_beyond_stock`.
    Stock,
}

/// The traffic of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of datagrams sent.
    pub sent: usize,
    /// The number of those that were received.
    pub received: usize,
}

/// Checks whether a run of a program is allowed: `words` are the outcomes of its steps, and
/// `trapped` is whether it ended in a trap.
///
/// # Errors
///
/// The first step that must have another outcome.
pub fn judge(
    backend: Backend,
    program: &[u8],
    words: &[&str],
    trapped: bool,
) -> Result<Traffic, String> {
    let mut model = Model::default();
    for (index, step) in steps(program).enumerate() {
        if backend == Backend::Stock && model.is_beyond_stock(step) {
            return Ok(model.traffic);
        }
        let wrong = |must: &str, did: &str| {
            let taken = steps(program).zip(words).take(index).filter(|(_, word)| **word != SKIPPED);
            let story: String = taken.map(|(step, word)| format!("\n  {step:?}: {word}")).collect();
            format!("step {index}, {step:?}: must {must}, but {did}; after{story}")
        };
        match words.get(index) {
            None if !trapped => return Err(wrong("be taken", "the program ended there")),
            None if model.traps(step) => return Ok(model.traffic),
            None => return Err(wrong("not trap", "did")),
            Some(word) if model.traps(step) => return Err(wrong("trap", word)),
            Some(word) => model.take(step, word).map_err(|must| wrong(&must, word))?,
        }
    }
    if trapped { Err("it trapped after its last step".to_owned()) } else { Ok(model.traffic) }
}

/// The identity of a bound socket. It is never reused, unlike ports.
type Id = usize;

/// A destination of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Socket(Id),
    Deserted,
}

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
    hop_limit: Option<u64>,
    receive_buffer: Option<u64>,
    send_buffer: Option<u64>,
}

impl Socket {
    fn id(&self) -> Option<Id> {
        match self.binding {
            Binding::Unbound => None,
            Binding::Started(id) | Binding::Bound(id) => Some(id),
        }
    }

    fn buffer(&mut self, which: Buffer) -> &mut Option<u64> {
        match which {
            Buffer::Receive => &mut self.receive_buffer,
            Buffer::Send => &mut self.send_buffer,
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

/// A datagram that was sent and not yet received.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    number: usize,
    from: Id,
    to: Target,
}

#[derive(Debug, Default)]
struct Model {
    slots: [Slot; SOCKETS],
    ids: usize,
    /// The number of datagrams so far; it numbers the next one.
    numbers: usize,
    in_flight: Vec<InFlight>,
    traffic: Traffic,
}

/// The required outcome of a step.
enum Outcome {
    /// This word.
    Word(&'static str),
    /// One of these words.
    Either(&'static [&'static str]),
    /// This number.
    Number(u64),
    /// This number, or a larger one.
    AtLeast(u64),
    /// That many of a list of datagrams to these targets were sent; or one of these words.
    Sent { from: Id, to: Vec<Target>, counts: RangeInclusive<usize>, or: Vec<&'static str> },
    /// At most `most` of the datagrams sent to this socket; or, if an earlier datagram may have
    /// bounced, that error.
    Received { at: Id, most: u64, or_bounced: bool },
}

const OK: Outcome = Outcome::Word("ok");
const INVALID: &str = "invalid-argument";
const INVALID_ARGUMENT: Outcome = Outcome::Word(INVALID);
const INVALID_STATE: Outcome = Outcome::Word("invalid-state");
const BOUNCED: &str = "connection-refused";
const TOO_LARGE: &str = "datagram-too-large";

/// The length of the longest list: what `check-send` must permit as long as there is space.
const LONGEST: u64 = 3;

impl Model {
    /// Whether wasmtime-wasi, in this version, deviates at this step: the program is not judged
    /// from there on.
    ///
    /// - A socket that is disconnected loses a port that Linux chose for it, as it does for all
    /// - New streams of a socket trap if earlier ones were received from or polled, even though
    ///   they were dropped: a background task that waits for a datagram holds the socket.
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

    /// Whether a step must trap: a child handle outlives its parent, streams are created twice, or
    /// more is sent than permitted.
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

    /// Applies a step that does not trap. The error is the outcome that it must have had.
    fn take(&mut self, step: Step, word: &str) -> Result<(), String> {
        if self.skips(step) {
            return if word == SKIPPED { Ok(()) } else { Err("be skipped".to_owned()) };
        }
        match self.outcome(step) {
            Outcome::Word(expected) if word == expected => Ok(()),
            Outcome::Word(expected) => Err(format!("be {expected}")),
            Outcome::Either(expected) if expected.contains(&word) => Ok(()),
            Outcome::Either(expected) => Err(format!("be one of {expected:?}")),
            Outcome::Number(expected) if word.parse() == Ok(expected) => Ok(()),
            Outcome::Number(expected) => Err(format!("be {expected}")),
            Outcome::AtLeast(least) if word.parse().is_ok_and(|number: u64| number >= least) => {
                Ok(())
            }
            Outcome::AtLeast(least) => Err(format!("be {least} or more")),
            Outcome::Received { or_bounced: true, .. } if word == BOUNCED => Ok(()),
            Outcome::Sent { or, .. } if or.contains(&word) => Ok(()),
            Outcome::Sent { from, to, counts, or } => {
                let count = word.parse().ok().filter(|count| counts.contains(count));
                let count = count.ok_or_else(|| format!("be one of {counts:?} or {or:?}"))?;
                let first = self.numbers - to.len();
                let sent = to.iter().enumerate().take(count);
                self.in_flight.extend(sent.map(|(index, to)| InFlight {
                    number: first + index,
                    from,
                    to: *to,
                }));
                self.traffic.sent += count;
                Ok(())
            }
            Outcome::Received { at, most, .. } => self.receive(at, most, word),
        }
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
        for number in numbers {
            let heard = |sent: &InFlight| {
                // The port of a dropped socket may have been reused by another one.
                let here = sent.to == Target::Socket(at) || !self.is_there(sent.to);
                sent.number == number && here && self.hears(at, sent.from)
            };
            let index = self
                .in_flight
                .iter()
                .position(heard)
                .ok_or_else(|| format!("not have {number}"))?;
            self.in_flight.remove(index);
            self.traffic.received += 1;
        }
        Ok(())
    }

    /// Returns the outcome of a step, and updates the state.
    #[expect(clippy::too_many_lines, reason = "an arm for each action")]
    fn outcome(&mut self, Step { socket: index, action }: Step) -> Outcome {
        let (next, ids) = (self.next(index), self.ids);
        let slot = &mut self.slots[index];
        if let Action::Create(family) = action {
            let (hop_limit, receive_buffer, send_buffer) = (None, None, None);
            let (binding, peer, bounced, asked) = (Binding::Unbound, None, false, false);
            slot.socket = Some(Socket {
                family,
                binding,
                peer,
                bounced,
                asked,
                hop_limit,
                receive_buffer,
                send_buffer,
            });
            return OK;
        }
        // The step was not skipped, so there is a socket.
        let Some(socket) = &mut slot.socket else { return OK };
        match action {
            Action::StartBind(local) => match (socket.binding, local) {
                // The WIT does not specify this; the implementations agree.
                (Binding::Started(_), _) => Outcome::Word("concurrency-conflict"),
                (Binding::Bound(_), _) => INVALID_STATE,
                (Binding::Unbound, Local::Free) => {
                    socket.binding = Binding::Started(ids);
                    self.ids += 1;
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
                // Between start-bind and finish-bind it is already bound in all implementations.
                if socket.id().is_none() {
                    return INVALID_STATE;
                }
                match (remote, destination(remote, socket.family, next)) {
                    (Remote::Unsaid, _) => socket.peer = None,
                    (_, Some(peer)) => socket.peer = Some(peer),
                    (_, None) => return INVALID_ARGUMENT,
                }
                (slot.incoming, slot.outgoing) = (true, true);
                OK
            }
            Action::LocalAddress => socket.id().map_or(INVALID_STATE, |_| Outcome::Word("self")),
            Action::RemoteAddress => socket.peer.map_or(INVALID_STATE, |_| Outcome::Word("peer")),
            Action::AddressFamily => {
                Outcome::Word(if socket.family == Family::V4 { "ipv4" } else { "ipv6" })
            }
            Action::HopLimit => socket.hop_limit.map_or(Outcome::AtLeast(1), Outcome::Number),
            Action::SetHopLimit(0) | Action::SetBufferSize(_, 0) => INVALID_ARGUMENT,
            Action::SetHopLimit(hops) => {
                socket.hop_limit = Some(hops.into());
                OK
            }
            Action::BufferSize(which) => {
                socket.buffer(which).map_or(Outcome::AtLeast(1), Outcome::Number)
            }
            Action::SetBufferSize(which, bytes) => {
                // Other sizes may be rounded.
                *socket.buffer(which) = (bytes == 100_000).then_some(bytes);
                OK
            }
            Action::CheckSend => {
                slot.permitted = true;
                Outcome::AtLeast(LONGEST)
            }
            Action::Send(Datagrams::None) => Outcome::Word("0"),
            Action::Send(datagrams) | Action::CheckAndSend(datagrams) => {
                slot.permitted = false;
                let socket = *socket;
                self.send(index, socket, datagrams)
            }
            // It would trap.
            Action::SendTooMany | Action::ReadClocks => OK,
            Action::Receive(0) => Outcome::Word("none"),
            Action::Receive(most) => {
                socket.asked = true;
                let at = socket.id().unwrap_or(ids);
                Outcome::Received { at, most, or_bounced: socket.bounced }
            }
            // Nothing here fills a buffer.
            Action::IsWritable => Outcome::Word("true"),
            Action::IsReadable => {
                socket.asked = true;
                Outcome::Either(&["true", "false"])
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
        }
    }

    fn send(&mut self, index: usize, socket: Socket, datagrams: Datagrams) -> Outcome {
        let Some(from) = socket.id() else { return INVALID_STATE };
        let home = socket.peer.unwrap_or(Target::Socket(from));
        // A connected socket sends only to its peer; an unconnected one needs a destination per
        // datagram.
        let to = |remote| match (socket.peer, destination(remote, socket.family, self.next(index)))
        {
            (Some(peer), _) if remote == Remote::Unsaid => Some(peer),
            (Some(peer), Some(to)) => (to == peer).then_some(to),
            (_, to) => to,
        };
        // The port of a dropped peer may have been reused by the next socket.
        let unsure =
            socket.peer.is_some_and(|peer| peer != Target::Deserted && !self.is_there(peer));
        let list = match datagrams {
            Datagrams::None => return Outcome::Word("0"),
            Datagrams::TooLarge => {
                self.numbers += 1;
                return Outcome::Either(if socket.bounced {
                    &[TOO_LARGE, BOUNCED]
                } else {
                    &[TOO_LARGE]
                });
            }
            Datagrams::One(remote) => vec![to(remote)],
            Datagrams::Amid(remote) => vec![Some(home), to(remote), Some(home)],
        };
        self.numbers += list.len();
        let most =
            if unsure { list.len() } else { list.iter().take_while(|to| to.is_some()).count() };
        if most == 0 {
            return INVALID_ARGUMENT;
        }
        let to: Vec<_> = list.into_iter().map(|to| to.unwrap_or(home)).collect();
        // Only with a peer: otherwise the error's datagram is unknown (udp(7)).
        let bounces = socket.peer.is_some() && to[..most].iter().any(|to| !self.listens(*to, from));
        if bounces && let Some(socket) = &mut self.slots[index].socket {
            socket.bounced = true;
        }
        let bounced = socket.bounced || bounces;
        let words = [bounced.then_some(BOUNCED), unsure.then_some(INVALID)];
        let least = if bounced || unsure { 1 } else { most };
        Outcome::Sent { from, to, counts: least..=most, or: words.into_iter().flatten().collect() }
    }

    /// The address of the socket after this one.
    fn next(&self, index: usize) -> Option<(Id, Family)> {
        let next = self.slots[(index + 1) % SOCKETS].socket?;
        Some((next.id()?, next.family))
    }

    fn bound(&self, id: Id) -> Option<&Socket> {
        self.slots
            .iter()
            .filter_map(|slot| slot.socket.as_ref())
            .find(|socket| socket.id() == Some(id))
    }

    fn is_there(&self, target: Target) -> bool {
        matches!(target, Target::Socket(id) if self.bound(id).is_some())
    }

    /// Whether the socket `at` may receive datagrams from `from`.
    fn hears(&self, at: Id, from: Id) -> bool {
        let peer = self.bound(at).and_then(|socket| socket.peer);
        peer.is_none_or(|peer| peer == Target::Socket(from) || !self.is_there(peer))
    }

    fn listens(&self, to: Target, from: Id) -> bool {
        let Target::Socket(id) = to else { return false };
        self.bound(id)
            .is_some_and(|socket| socket.peer.is_none_or(|peer| peer == Target::Socket(from)))
    }
}

/// The target of `remote`, if a socket of `family` can send or connect to it.
fn destination(remote: Remote, family: Family, next: Option<(Id, Family)>) -> Option<Target> {
    match remote {
        Remote::Next => {
            next.filter(|(_, of_next)| *of_next == family).map(|(id, _)| Target::Socket(id))
        }
        Remote::Deserted => Some(Target::Deserted),
        Remote::Unsaid
        | Remote::OtherFamily
        | Remote::PortZero
        | Remote::Unspecified
        | Remote::Mapped => None,
    }
}
