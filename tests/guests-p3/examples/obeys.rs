//! Runs each of its arguments as a program (`udping_model::p3`), and prints the outcome of each step
//! as a word, one line per program.

use std::fmt::Display;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use udping_model::p3::{Action, BOUND, Handle, KEPT, NONE, Step, steps};
use udping_model::{
    Buffer, Clocks, Family, Remote, SKIPPED, SOCKETS, SocketOption, TOO_LARGE, payload, unhex,
};
use udping_test_guests_p3::futures_util::future::join;
use udping_test_guests_p3::{
    ErrorCode, IpAddressFamily, IpSocketAddress, UdpSocket, monotonic_clock, send, socket, within,
};
use udping_wasi::bindings::wasi::cli::environment::get_arguments;
use udping_wasi::bindings::wasi::clocks::system_clock;
use udping_wasi::console::Console;

async fn main() {
    let console = Console::stdout();
    for program in get_arguments().into_iter().skip(1) {
        let mut run = Run::default();
        for step in steps(&unhex(&program)) {
            console.write(&format!("{} ", run.step(step).await)).unwrap();
        }
        console.line("").unwrap();
    }
}

/// The system clock's time in nanoseconds.
fn wall() -> i128 {
    let system_clock::Instant { seconds, nanoseconds } = system_clock::now();
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

type Received = Result<(Vec<u8>, IpSocketAddress), ErrorCode>;

/// A `receive` that has not returned yet.
struct Kept {
    receive: Pin<Box<dyn Future<Output = Received>>>,
    /// The peer that the socket had when it began.
    peer: Option<SocketAddr>,
}

/// A socket, with what the program does with it.
struct Socket {
    kept: Option<Kept>,
    handle: Rc<UdpSocket>,
    family: Family,
    /// The address that others reach it at, if it is bound.
    local: Option<SocketAddr>,
    /// The peer that it was connected to.
    peer: Option<SocketAddr>,
}

#[derive(Default)]
struct Run {
    sockets: [Option<Socket>; SOCKETS],
    /// The source of each datagram so far, indexed by number; none where the socket was not bound.
    senders: Vec<Option<SocketAddr>>,
    clocks: Clocks,
}

impl Run {
    async fn step(&mut self, Step { socket: index, action }: Step) -> String {
        let next = self.sockets[(index + 1) % SOCKETS].as_ref().and_then(|socket| socket.local);
        let slot = &mut self.sockets[index];
        let kept = slot.as_ref().map(|socket| socket.kept.is_some());
        let has = match action.handle() {
            Handle::NoSocket => kept.is_none(),
            Handle::Socket => kept.is_some(),
            Handle::Kept => kept == Some(true),
            Handle::NotKept => kept == Some(false),
        };
        if !has || (action.needs_next() && next.is_none()) {
            return SKIPPED.to_owned();
        }
        if let Action::Create(family) = action {
            *slot = Some(Socket::new(family));
            return "ok".to_owned();
        }
        let mut own = slot.take().unwrap();
        let word = self.act(&mut own, action, next).await;
        let word =
            if action.may_bind() && own.is_bound() { format!("{word}{BOUND}") } else { word };
        if action != Action::Close {
            self.sockets[index] = Some(own);
        }
        word
    }

    async fn act(&mut self, own: &mut Socket, action: Action, next: Option<SocketAddr>) -> String {
        match action {
            Action::Bind(local) => {
                let local = local.address(own.family, next).unwrap();
                word(own.handle.bind(local.into()))
            }
            Action::Connect(remote) => {
                let peer = remote.address(own.family, next).unwrap();
                let result = own.handle.connect(peer.into());
                if result.is_ok() {
                    own.peer = Some(peer);
                }
                word(result)
            }
            Action::Disconnect => {
                let result = own.handle.disconnect();
                if result.is_ok() {
                    own.peer = None;
                }
                word(result)
            }
            Action::LocalAddress => own.local_address(),
            Action::RemoteAddress => match own.handle.get_remote_address().map(SocketAddr::from) {
                Ok(peer) if Some(peer) == own.peer => "peer".to_owned(),
                other => number(other),
            },
            Action::AddressFamily => match own.handle.get_address_family() {
                IpAddressFamily::Ipv4 => Family::V4.name().to_owned(),
                IpAddressFamily::Ipv6 => Family::V6.name().to_owned(),
            },
            Action::Option(call) => own.option(call),
            Action::Send(remote) => {
                let data = payload(self.senders.len());
                let sent = send(&own.handle, &data, remote.address(own.family, next)).await;
                self.has_sent(own, 1);
                word(sent)
            }
            Action::SendTooLarge => {
                let sent = send(&own.handle, &vec![0; TOO_LARGE], own.home()).await;
                self.has_sent(own, 1);
                word(sent)
            }
            Action::SendBoth(remote) => {
                let (first, second) = (self.senders.len(), self.senders.len() + 1);
                let (first, second) = (payload(first), payload(second));
                let to = remote.address(own.family, next);
                let both =
                    join(send(&own.handle, &first, own.home()), send(&own.handle, &second, to));
                let (first, second) = both.await;
                self.has_sent(own, 2);
                format!("{},{}", word(first), word(second))
            }
            Action::Receive => match within(0, own.handle.receive()).await {
                Some(received) => self.received(received, own.peer),
                None => NONE.to_owned(),
            },
            Action::Start => {
                let (socket, peer) = (own.handle.clone(), own.peer);
                let receive = Box::pin(async move { socket.receive().await });
                self.finish(own, Kept { receive, peer }, KEPT).await
            }
            Action::Finish => {
                let kept = own.kept.take().unwrap();
                self.finish(own, kept, NONE).await
            }
            Action::Cancel => {
                own.kept = None;
                "ok".to_owned()
            }
            Action::ReadClocks => self.clocks.read(monotonic_clock::now, wall).to_owned(),
            Action::Create(_) | Action::Close => "ok".to_owned(),
        }
    }

    /// What has come of a `receive`; it is kept, and says `nothing`, if that is nothing yet.
    async fn finish(&self, own: &mut Socket, mut kept: Kept, nothing: &str) -> String {
        let Some(received) = within(0, &mut kept.receive).await else {
            own.kept = Some(kept);
            return nothing.to_owned();
        };
        // Of which peer, is known only if there was no other.
        self.received(received, kept.peer.filter(|_| own.peer == kept.peer))
    }

    /// Records the next datagrams, and that they were sent from there.
    fn has_sent(&mut self, own: &mut Socket, count: usize) {
        own.is_bound();
        self.senders.extend((0..count).map(|_| own.local));
    }

    /// Returns the number of a received datagram. Others may send to our ports, too: their datagrams
    /// are as nothing, unless they should not have been received at all.
    fn received(&self, received: Received, peer: Option<SocketAddr>) -> String {
        let (data, from) = match received {
            Ok((data, from)) => (data, SocketAddr::from(from)),
            Err(error) => return name(&error).to_owned(),
        };
        let is_ours = |(number, sender): &(usize, &Option<_>)| {
            **sender == Some(from) && payload(*number) == data
        };
        match self.senders.iter().enumerate().find(is_ours) {
            _ if peer.is_some_and(|peer| peer != from) => "stranger".to_owned(),
            Some((number, _)) => number.to_string(),
            None if self.senders.contains(&Some(from)) => "spoilt".to_owned(),
            None => NONE.to_owned(),
        }
    }
}

impl Socket {
    fn option(&self, call: SocketOption) -> String {
        match call {
            SocketOption::HopLimit => number(self.handle.get_unicast_hop_limit()),
            SocketOption::SetHopLimit(hops) => word(self.handle.set_unicast_hop_limit(hops)),
            SocketOption::BufferSize(Buffer::Receive) => {
                number(self.handle.get_receive_buffer_size())
            }
            SocketOption::BufferSize(Buffer::Send) => number(self.handle.get_send_buffer_size()),
            SocketOption::SetBufferSize(Buffer::Receive, bytes) => {
                word(self.handle.set_receive_buffer_size(bytes))
            }
            SocketOption::SetBufferSize(Buffer::Send, bytes) => {
                word(self.handle.set_send_buffer_size(bytes))
            }
        }
    }

    fn new(family: Family) -> Self {
        let of = match family {
            Family::V4 => IpAddressFamily::Ipv4,
            Family::V6 => IpAddressFamily::Ipv6,
        };
        Self { kept: None, handle: Rc::new(socket(of)), family, local: None, peer: None }
    }

    /// Whether it is bound; then its address is known.
    fn is_bound(&mut self) -> bool {
        let Ok(local) = self.handle.get_local_address().map(SocketAddr::from) else { return false };
        self.local.get_or_insert(self.family.loopback(local.port()));
        true
    }

    /// Where it sends to by itself; none if that is its peer.
    fn home(&self) -> Option<SocketAddr> {
        let deserted = Remote::Deserted.address(self.family, None);
        if self.peer.is_some() { None } else { self.local.or(deserted) }
    }

    /// Says "self" for the expected address: that of loopback, or any of an implicitly bound socket.
    fn local_address(&self) -> String {
        match self.handle.get_local_address().map(SocketAddr::from) {
            Ok(local)
                if (local.ip().is_loopback() || local.ip().is_unspecified())
                    && self.local.is_some_and(|own| own.port() == local.port()) =>
            {
                "self".to_owned()
            }
            other => number(other),
        }
    }
}

fn word(result: Result<(), ErrorCode>) -> String {
    result.map_or_else(|error| name(&error), |()| "ok").to_owned()
}

fn number(result: Result<impl Display, ErrorCode>) -> String {
    result.map_or_else(|error| name(&error).to_owned(), |number| number.to_string())
}

fn name(error: &ErrorCode) -> &'static str {
    match error {
        ErrorCode::AccessDenied => "access-denied",
        ErrorCode::NotSupported => "not-supported",
        ErrorCode::InvalidArgument => "invalid-argument",
        ErrorCode::OutOfMemory => "out-of-memory",
        ErrorCode::Timeout => "timeout",
        ErrorCode::InvalidState => "invalid-state",
        ErrorCode::AddressNotBindable => "address-not-bindable",
        ErrorCode::AddressInUse => "address-in-use",
        ErrorCode::RemoteUnreachable => "remote-unreachable",
        ErrorCode::ConnectionRefused => "connection-refused",
        ErrorCode::ConnectionBroken => "connection-broken",
        ErrorCode::ConnectionReset => "connection-reset",
        ErrorCode::ConnectionAborted => "connection-aborted",
        ErrorCode::DatagramTooLarge => "datagram-too-large",
        ErrorCode::Other(_) => "other",
    }
}

udping_test_guests_p3::guest!(main);
