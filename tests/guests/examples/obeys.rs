//! Runs each of its arguments as a program (`udping_model::p2`), and prints the outcome of each step as
//! a word, one line per program.

use std::fmt::Display;
use std::net::SocketAddr;

use udping_model::p2::{Action, Datagrams, Handle, Step, steps};
use udping_model::{
    Buffer, Clocks, Family, Local, Remote, SKIPPED, SOCKETS, SocketOption, TOO_LARGE, payload,
    unhex,
};
use udping_test_guests::{
    ErrorCode, IncomingDatagram, IncomingDatagramStream, IpAddressFamily, OutgoingDatagram,
    OutgoingDatagramStream, UdpSocket, address, socket,
};
use udping_wasi::bindings::wasi::cli::environment::get_arguments;
use udping_wasi::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use udping_wasi::bindings::wasi::sockets::instance_network::instance_network;
use udping_wasi::console::Console;
use udping_wasi::poll::Pollable;

fn main() {
    let console = Console::stdout();
    for program in get_arguments().into_iter().skip(1) {
        let mut run = Run::default();
        for step in steps(&unhex(&program)) {
            console.write(&format!("{} ", run.step(step))).unwrap();
        }
        console.line("").unwrap();
    }
}

/// The wall clock's time in nanoseconds.
fn wall() -> i128 {
    let wall_clock::Datetime { seconds, nanoseconds } = wall_clock::now();
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// The handles of one socket. Fields are in the order in which they must be dropped: children
/// first.
#[derive(Default)]
struct Slot {
    pollable: Option<Pollable>,
    incoming: Option<IncomingDatagramStream>,
    outgoing: Option<OutgoingDatagramStream>,
    socket: Option<UdpSocket>,
    /// The address that it was bound to.
    local: Option<SocketAddr>,
    /// The peer that it was connected to.
    peer: Option<SocketAddr>,
}

#[derive(Default)]
struct Run {
    slots: [Slot; SOCKETS],
    /// The source of each datagram so far, indexed by number.
    senders: Vec<SocketAddr>,
    clocks: Clocks,
}

impl Run {
    fn step(&mut self, Step { socket: index, action }: Step) -> String {
        let next = self.slots[(index + 1) % SOCKETS].local;
        let slot = &mut self.slots[index];
        let has = match action.handle() {
            Handle::NoSocket => slot.socket.is_none(),
            Handle::Socket => slot.socket.is_some(),
            Handle::Incoming => slot.incoming.is_some(),
            Handle::Outgoing => slot.outgoing.is_some(),
            Handle::Pollable => slot.pollable.is_some(),
            Handle::NoPollable => slot.incoming.is_some() && slot.pollable.is_none(),
        };
        if !has || (action.needs_next() && next.is_none()) {
            return SKIPPED.to_owned();
        }
        match action {
            Action::Create(family) => {
                slot.socket = Some(socket(match family {
                    Family::V4 => IpAddressFamily::Ipv4,
                    Family::V6 => IpAddressFamily::Ipv6,
                }));
                "ok".to_owned()
            }
            Action::StartBind(local) => slot.start_bind(local, next),
            Action::FinishBind => word(slot.socket().finish_bind()),
            Action::Stream(remote) => slot.stream(remote, next),
            Action::Restream(remote) => {
                slot.drop_streams();
                slot.stream(remote, next)
            }
            Action::LocalAddress => named(slot.socket().local_address(), slot.local, "self"),
            Action::RemoteAddress => named(slot.socket().remote_address(), slot.peer, "peer"),
            Action::AddressFamily => slot.family().name().to_owned(),
            Action::Option(call) => slot.option(call),
            Action::CheckSend => number(slot.outgoing().check_send()),
            Action::Send(datagrams) => {
                let list = self.list(index, datagrams);
                number(self.slots[index].outgoing().send(&list))
            }
            Action::CheckAndSend(datagrams) => {
                let list = self.list(index, datagrams);
                let outgoing = self.slots[index].outgoing();
                number(outgoing.check_send().and_then(|_| outgoing.send(&list)))
            }
            Action::SendTooMany => {
                let permitted = slot.outgoing().check_send().unwrap_or(0);
                let list: Vec<_> = (0..=permitted)
                    .map(|_| OutgoingDatagram { data: vec![], remote_address: None })
                    .collect();
                number(slot.outgoing().send(&list))
            }
            Action::Receive(most) => match slot.incoming().receive(most) {
                Ok(list) => self.numbers(index, &list),
                Err(error) => error.name().to_owned(),
            },
            Action::IsWritable => slot.outgoing().subscribe().ready().to_string(),
            Action::IsReadable => slot.incoming().subscribe().ready().to_string(),
            Action::Subscribe => {
                slot.pollable = Some(slot.incoming().subscribe());
                "ok".to_owned()
            }
            Action::Unsubscribe => dropped(slot.pollable.take()),
            Action::DropIncoming => dropped(slot.incoming.take()),
            Action::DropOutgoing => dropped(slot.outgoing.take()),
            Action::DropSocket => {
                let word = dropped(slot.socket.take());
                *slot = Slot::default();
                word
            }
            Action::Close => dropped(std::mem::take(slot)),
            Action::ReadClocks => self.clocks.read(monotonic_clock::now, wall).to_owned(),
        }
    }

    /// Creates the datagrams, each with its number; their source is the address of the socket at
    /// `index`.
    fn list(&mut self, index: usize, datagrams: Datagrams) -> Vec<OutgoingDatagram> {
        let next = self.slots[(index + 1) % SOCKETS].local;
        let slot = &self.slots[index];
        let local = slot.local.unwrap();
        let home = if slot.peer.is_some() { None } else { slot.local };
        let targets = match datagrams {
            Datagrams::None => Vec::new(),
            Datagrams::One(remote) => vec![slot.remote(remote, next)],
            Datagrams::Amid(remote) => vec![home, slot.remote(remote, next), home],
            Datagrams::TooLarge => vec![home],
        };
        let list = targets.into_iter().map(|to| {
            self.senders.push(local);
            let data = if datagrams == Datagrams::TooLarge {
                vec![0; TOO_LARGE]
            } else {
                payload(self.senders.len() - 1)
            };
            OutgoingDatagram { data, remote_address: to.map(Into::into) }
        });
        list.collect()
    }

    /// Returns the numbers of received datagrams. Others may send to our ports, too: their
    /// datagrams are skipped, unless they should not have been received at all.
    fn numbers(&self, index: usize, list: &[IncomingDatagram]) -> String {
        let mut numbers = Vec::new();
        for IncomingDatagram { data, remote_address } in list {
            let from = SocketAddr::from(*remote_address);
            let is_ours = |(number, sender): &(usize, &SocketAddr)| {
                **sender == from && payload(*number) == *data
            };
            match self.senders.iter().enumerate().find(is_ours) {
                _ if self.slots[index].peer.is_some_and(|peer| peer != from) => {
                    return "stranger".to_owned();
                }
                Some((number, _)) => numbers.push(number.to_string()),
                None if self.senders.contains(&from) => return "spoilt".to_owned(),
                None => {}
            }
        }
        if numbers.is_empty() { "none".to_owned() } else { numbers.join(",") }
    }
}

impl Slot {
    fn option(&self, call: SocketOption) -> String {
        match call {
            SocketOption::HopLimit => number(self.socket().unicast_hop_limit()),
            SocketOption::SetHopLimit(hops) => word(self.socket().set_unicast_hop_limit(hops)),
            SocketOption::BufferSize(Buffer::Receive) => {
                number(self.socket().receive_buffer_size())
            }
            SocketOption::BufferSize(Buffer::Send) => number(self.socket().send_buffer_size()),
            SocketOption::SetBufferSize(Buffer::Receive, bytes) => {
                word(self.socket().set_receive_buffer_size(bytes))
            }
            SocketOption::SetBufferSize(Buffer::Send, bytes) => {
                word(self.socket().set_send_buffer_size(bytes))
            }
        }
    }

    fn socket(&self) -> &UdpSocket {
        self.socket.as_ref().unwrap()
    }

    fn incoming(&self) -> &IncomingDatagramStream {
        self.incoming.as_ref().unwrap()
    }

    fn outgoing(&self) -> &OutgoingDatagramStream {
        self.outgoing.as_ref().unwrap()
    }

    fn drop_streams(&mut self) {
        self.pollable = None;
        self.incoming = None;
        self.outgoing = None;
    }

    fn family(&self) -> Family {
        match self.socket().address_family() {
            IpAddressFamily::Ipv4 => Family::V4,
            IpAddressFamily::Ipv6 => Family::V6,
        }
    }

    fn start_bind(&mut self, local: Local, next: Option<SocketAddr>) -> String {
        let local = local.address(self.family(), next).unwrap();
        let result = self.socket().start_bind(&instance_network(), local.into());
        if result.is_ok() {
            let bound = address(self.socket());
            if bound.ip() != local.ip() || bound.port() == 0 {
                return bound.to_string();
            }
            self.local = Some(bound);
        }
        word(result)
    }

    fn stream(&mut self, remote: Remote, next: Option<SocketAddr>) -> String {
        let peer = self.remote(remote, next);
        match self.socket().stream(peer.map(Into::into)) {
            Ok((incoming, outgoing)) => {
                (self.incoming, self.outgoing, self.peer) = (Some(incoming), Some(outgoing), peer);
                "ok".to_owned()
            }
            Err(error) => error.name().to_owned(),
        }
    }

    fn remote(&self, remote: Remote, next: Option<SocketAddr>) -> Option<SocketAddr> {
        remote.address(self.family(), next)
    }
}

fn word(result: Result<(), ErrorCode>) -> String {
    result.map_or_else(|error| error.name(), |()| "ok").to_owned()
}

fn number(result: Result<impl Display, ErrorCode>) -> String {
    result.map_or_else(|error| error.name().to_owned(), |number| number.to_string())
}

/// Returns `name` for the expected address.
fn named(
    result: Result<udping_test_guests::IpSocketAddress, ErrorCode>,
    expected: Option<SocketAddr>,
    name: &str,
) -> String {
    match result.map(SocketAddr::from) {
        Ok(address) if Some(address) == expected => name.to_owned(),
        Ok(address) => address.to_string(),
        Err(error) => error.name().to_owned(),
    }
}

fn dropped<T>(_: T) -> String {
    "ok".to_owned()
}

udping_test_guests::guest!(main);
