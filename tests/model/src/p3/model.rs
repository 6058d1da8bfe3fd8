//! The states of sockets according to `wit/p3/deps/sockets.wit`, and the outcomes that each step must
//! or may have in them.

use std::collections::HashMap;

use super::program::{Action, BOUND, Handle, KEPT, NONE, Step};
use crate::judge;
use crate::network::{Endpoint, Endpoints, Id, Network, Target, Traffic};
use crate::options::Options;
use crate::outcome::{BOUNCED, INVALID, INVALID_ARGUMENT, INVALID_STATE, OK, Outcome, TOO_LARGE};
use crate::{Family, Local, SKIPPED, SOCKETS};

#[derive(Clone, Debug)]
struct Socket {
    family: Family,
    id: Option<Id>,
    peer: Option<Target>,
    /// Whether an error may have come back for a datagram that it sent to a peer.
    bounced: bool,
    options: Options,
    kept: Option<Kept>,
    /// The last datagram of each sender that was received.
    newest: HashMap<Id, usize>,
}

/// A `receive` that nothing has come of yet, as far as the program knows.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Whether the socket got another peer, or none, since it began.
    outlives_peer: bool,
}

impl Socket {
    fn new(family: Family) -> Self {
        Self {
            family,
            id: None,
            peer: None,
            bounced: false,
            options: Options::default(),
            kept: None,
            newest: HashMap::new(),
        }
    }

    fn associate(&mut self, peer: Option<Target>) {
        self.peer = peer;
        if let Some(kept) = &mut self.kept {
            kept.outlives_peer = true;
        }
    }
}

/// The sockets of a program, and what it has sent.
#[derive(Debug, Default)]
pub(crate) struct Model {
    sockets: [Option<Socket>; SOCKETS],
    network: Network,
}

impl judge::Model for Model {
    type Step = Step;

    /// - After a `connect`, it returns what others had sent before.
    /// - A socket that is disconnected loses a port that Linux chose for it.
    fn is_beyond_stock(&self, Step { socket, action }: Step) -> bool {
        let Some(socket) = &self.sockets[socket] else { return false };
        match action {
            Action::Connect(_) => socket.id.is_some(),
            Action::Disconnect => socket.peer.is_some(),
            _ => false,
        }
    }

    fn traps(&self, _: Step) -> bool {
        false
    }

    fn take(&mut self, step: Step, word: &str) -> Result<(), String> {
        let Step { socket: index, action } = step;
        if self.skips(step) {
            return if word == SKIPPED { Ok(()) } else { Err("be skipped".to_owned()) };
        }
        if let Action::Create(family) = action {
            self.sockets[index] = Some(Socket::new(family));
            return OK.check(word);
        }
        let (next, home) = (self.next(index), self.home(index));
        let word = self.bind(index, action, word)?;
        let (endpoints, sockets) = (self.endpoints(), &mut self.sockets);
        // The step was not skipped, so there is a socket.
        let Some(socket) = &mut sockets[index] else { return Ok(()) };
        match action {
            // See `bind`.
            Action::Bind(_) => Ok(()),
            Action::Connect(remote) => match remote.target(socket.family, next) {
                Some(peer) => {
                    socket.associate(Some(peer));
                    OK.check(word)
                }
                None => INVALID_ARGUMENT.check(word),
            },
            Action::Disconnect if socket.peer.is_none() => INVALID_STATE.check(word),
            Action::Disconnect => {
                socket.associate(None);
                OK.check(word)
            }
            Action::LocalAddress => {
                socket.id.map_or(INVALID_STATE, |_| Outcome::Word("self")).check(word)
            }
            Action::RemoteAddress => {
                socket.peer.map_or(INVALID_STATE, |_| Outcome::Word("peer")).check(word)
            }
            Action::AddressFamily => Outcome::Word(socket.family.name()).check(word),
            Action::Option(call) => socket.options.take(call).check(word),
            Action::Send(remote) => {
                let to = remote.destination(socket.family, socket.peer, next);
                self.send(&endpoints, index, to, word)
            }
            Action::SendTooLarge => {
                self.network.number(1);
                let bounced = socket.bounced.then_some(BOUNCED);
                Outcome::Either([TOO_LARGE].into_iter().chain(bounced).collect()).check(word)
            }
            Action::SendBoth(remote) => {
                let (first, second) = word.split_once(',').ok_or("be of two calls")?;
                self.send(&endpoints, index, Some(home), first)?;
                let Some(socket) = &self.sockets[index] else { return Ok(()) };
                let to = remote.destination(socket.family, socket.peer, next);
                self.send(&endpoints, index, to, second)
            }
            Action::Receive if word == NONE && socket.id.is_some() => Ok(()),
            Action::Start if word == KEPT && socket.id.is_some() => {
                socket.kept = Some(Kept { outlives_peer: false });
                Ok(())
            }
            Action::Finish if word == NONE => Ok(()),
            Action::Receive | Action::Start => self.receive(&endpoints, index, None, word),
            Action::Finish => {
                let kept = socket.kept.take();
                self.receive(&endpoints, index, kept, word)
            }
            Action::Cancel => {
                socket.kept = None;
                OK.check(word)
            }
            Action::Close => {
                sockets[index] = None;
                OK.check(word)
            }
            Action::Create(_) | Action::ReadClocks => OK.check(word),
        }
    }

    fn traffic(&self) -> Traffic {
        self.network.traffic()
    }
}

impl Model {
    fn skips(&self, Step { socket: index, action }: Step) -> bool {
        let socket = self.sockets[index].as_ref();
        let has = match action.handle() {
            Handle::NoSocket => socket.is_none(),
            Handle::Socket => socket.is_some(),
            Handle::Kept => socket.is_some_and(|socket| socket.kept.is_some()),
            Handle::NotKept => socket.is_some_and(|socket| socket.kept.is_none()),
        };
        !has || (action.needs_next() && self.next(index).is_none())
    }

    /// Applies the binding of an action that may bind, and returns the rest of its word.
    ///
    /// Whether a `connect` or `send` that fails has bound the socket is not specified.
    fn bind<'a>(&mut self, index: usize, action: Action, word: &'a str) -> Result<&'a str, String> {
        let next = self.next(index);
        let Some(socket) = self.sockets[index].as_mut().filter(|_| action.may_bind()) else {
            return Ok(word);
        };
        let (word, is_bound) = word.strip_suffix(BOUND).map_or((word, false), |word| (word, true));
        if let Action::Bind(local) = action {
            let of_next = next.filter(|(_, family)| *family == socket.family);
            let due = match (socket.id, local) {
                (Some(_), Local::Free | Local::Taken | Local::Elsewhere) => INVALID_STATE,
                (Some(_), _) => Outcome::Either(vec!["invalid-state", INVALID]),
                (None, Local::Free) => OK,
                (None, Local::Taken) if of_next.is_some() => Outcome::Word("address-in-use"),
                (None, Local::Elsewhere) => Outcome::Word("address-not-bindable"),
                (None, Local::Taken | Local::OtherFamily | Local::Mapped) => INVALID_ARGUMENT,
            };
            due.check(word)?;
        }
        let must_be = socket.id.is_some() || word.split(',').any(|word| word == "ok");
        if must_be && !is_bound {
            return Err("be of a bound socket".to_owned());
        }
        if !must_be && is_bound && matches!(action, Action::Bind(_)) {
            return Err("leave the socket unbound".to_owned());
        }
        if is_bound && socket.id.is_none() {
            socket.id = Some(self.network.new_id());
        }
        Ok(word)
    }

    /// Where a socket sends to by itself.
    fn home(&self, index: usize) -> Target {
        let socket = self.sockets[index].as_ref();
        let own = || socket.and_then(|socket| socket.id).map(Target::Socket);
        socket.and_then(|socket| socket.peer).or_else(own).unwrap_or(Target::Deserted)
    }

    /// Applies one `send`.
    fn send(
        &mut self,
        endpoints: &Endpoints,
        index: usize,
        to: Option<Target>,
        word: &str,
    ) -> Result<(), String> {
        let number = self.network.number(1);
        let Some(socket) = &mut self.sockets[index] else { return Ok(()) };
        // The port of a dropped peer may have been reused by the next socket.
        let is_unsure =
            socket.peer.is_some_and(|peer| peer != Target::Deserted && !endpoints.is_there(peer));
        if to.is_none() && !is_unsure {
            return INVALID_ARGUMENT.check(word);
        }
        let to = to.or(socket.peer).unwrap_or(Target::Deserted);
        // Only with a peer: otherwise the error's datagram is unknown (udp(7)).
        let may_bounce = socket.bounced;
        if let (Some(_), Some(from)) = (socket.peer, socket.id)
            && !endpoints.listens(to, from)
        {
            socket.bounced = true;
        }
        if let ("ok", Some(from)) = (word, socket.id) {
            self.network.send(number, from, to);
            return Ok(());
        }
        let words = [may_bounce.then_some(BOUNCED), is_unsure.then_some(INVALID)];
        Outcome::Either(["ok"].into_iter().chain(words.into_iter().flatten()).collect()).check(word)
    }

    /// Applies a `receive` that has returned.
    fn receive(
        &mut self,
        endpoints: &Endpoints,
        index: usize,
        kept: Option<Kept>,
        word: &str,
    ) -> Result<(), String> {
        let Some(socket) = &mut self.sockets[index] else { return Ok(()) };
        let Some(at) = socket.id else { return INVALID_STATE.check(word) };
        if socket.bounced && word == BOUNCED {
            return Ok(());
        }
        let number = word.parse().map_err(|_| "be the number of a datagram")?;
        let outlives_peer = kept.is_some_and(|kept| kept.outlives_peer);
        let heard = |from| outlives_peer || endpoints.hears(at, from);
        let from = self.network.receive(endpoints, at, number, heard)?;
        // Another that waits may have got an earlier one.
        let newest = socket.newest.entry(from).or_default();
        if kept.is_none() && socket.kept.is_none() && number < *newest {
            return Err(format!("not come after {newest}"));
        }
        *newest = number.max(*newest);
        Ok(())
    }

    /// The address of the socket after this one.
    fn next(&self, index: usize) -> Option<(Id, Family)> {
        let next = self.sockets[(index + 1) % SOCKETS].as_ref()?;
        Some((next.id?, next.family))
    }

    fn endpoints(&self) -> Endpoints {
        let endpoint = |socket: &Socket| Some(Endpoint { id: socket.id?, peer: socket.peer });
        Endpoints(self.sockets.iter().flatten().filter_map(endpoint).collect())
    }
}
