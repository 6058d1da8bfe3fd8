//! What was sent, and what may be received.

/// The traffic of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of datagrams sent.
    pub sent: usize,
    /// The number of those that were received.
    pub received: usize,
}

/// The identity of a bound socket. It is never reused, unlike ports.
pub(crate) type Id = usize;

/// A destination of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Socket(Id),
    Deserted,
}

/// A bound socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: Id,
    pub(crate) peer: Option<Target>,
}

/// The bound sockets that there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints(pub(crate) Vec<Endpoint>);

impl Endpoints {
    fn bound(&self, id: Id) -> Option<&Endpoint> {
        self.0.iter().find(|endpoint| endpoint.id == id)
    }

    pub(crate) fn is_there(&self, target: Target) -> bool {
        matches!(target, Target::Socket(id) if self.bound(id).is_some())
    }

    /// Whether the socket `at` may receive datagrams from `from`.
    pub(crate) fn hears(&self, at: Id, from: Id) -> bool {
        let peer = self.bound(at).and_then(|endpoint| endpoint.peer);
        peer.is_none_or(|peer| peer == Target::Socket(from) || !self.is_there(peer))
    }

    /// Whether a datagram of `from` is taken there.
    pub(crate) fn listens(&self, to: Target, from: Id) -> bool {
        let Target::Socket(id) = to else { return false };
        self.bound(id)
            .is_some_and(|endpoint| endpoint.peer.is_none_or(|peer| peer == Target::Socket(from)))
    }
}

/// A datagram that was sent and not yet received.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    number: usize,
    from: Id,
    to: Target,
}

/// The datagrams of a program, which are numbered.
#[derive(Debug, Default)]
pub(crate) struct Network {
    ids: usize,
    numbers: usize,
    in_flight: Vec<InFlight>,
    traffic: Traffic,
}

impl Network {
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The identity of another socket.
    pub(crate) fn new_id(&mut self) -> Id {
        self.ids += 1;
        self.ids
    }

    /// Numbers that many datagrams, and returns the first number.
    pub(crate) fn number(&mut self, count: usize) -> usize {
        self.numbers += count;
        self.numbers - count
    }

    pub(crate) fn send(&mut self, number: usize, from: Id, to: Target) {
        self.in_flight.push(InFlight { number, from, to });
        self.traffic.sent += 1;
    }

    /// Takes the datagram that the socket `at` has received, if it may have `heard` its sender.
    pub(crate) fn receive(
        &mut self,
        endpoints: &Endpoints,
        at: Id,
        number: usize,
        heard: impl Fn(Id) -> bool,
    ) -> Result<Id, String> {
        let found = self.in_flight.iter().position(|sent| {
            // The port of a dropped socket may have been reused by another one.
            let here = sent.to == Target::Socket(at) || !endpoints.is_there(sent.to);
            sent.number == number && here && heard(sent.from)
        });
        let sent = self.in_flight.remove(found.ok_or_else(|| format!("not have {number}"))?);
        self.traffic.received += 1;
        Ok(sent.from)
    }
}
