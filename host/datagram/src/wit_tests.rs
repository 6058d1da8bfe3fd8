//! Tests of datagrams that are sent one by one and leave together.

use std::net::UdpSocket;
use std::time::Duration;

use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::io::poll::{self, HostPollable as _};

use super::udp::{HostIncomingDatagramStream as _, HostOutgoingDatagramStream as _, HostUdpSocket};
use super::*;
use crate::gathering::MOST;
use crate::view::with_view;

/// A component that has received the first of several datagrams from a native peer.
struct Component<'a, 'b> {
    view: &'a mut View<'b>,
    incoming: u32,
    outgoing: u32,
    local: SocketAddr,
    peer: UdpSocket,
}

impl Component<'_, '_> {
    fn receive(&mut self) -> usize {
        self.view.receive(Resource::new_own(self.incoming), 1).unwrap().len()
    }

    fn readable(&mut self) -> Resource<DynPollable> {
        let incoming = Resource::new_own(self.incoming);
        udp::HostIncomingDatagramStream::subscribe(self.view, incoming).unwrap()
    }

    fn answer(&mut self, data: &[u8]) {
        let peer = self.peer.local_addr().unwrap();
        self.send(self.outgoing, data, peer);
    }

    fn send(&mut self, outgoing: u32, data: &[u8], to: SocketAddr) {
        let stream = || Resource::new_own(outgoing);
        assert!(self.view.check_send(stream()).unwrap() > 0);
        let datagram =
            udp::OutgoingDatagram { data: data.to_vec(), remote_address: Some(to.into()) };
        assert_eq!(self.view.send(stream(), vec![datagram]).unwrap(), 1);
    }

    /// How many answers have left since the last call.
    fn left(&self) -> usize {
        std::iter::from_fn(|| self.peer.recv(&mut [0; 100]).ok()).count()
    }
}

fn open(view: &mut View<'_>) -> (Resource<Socket>, SocketAddr, u32, u32) {
    let mut socket = Socket::new(Family::V4, view.sockets.clone()).unwrap();
    socket.start_bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.finish_bind().unwrap();
    let (incoming, outgoing) = socket.stream(None).unwrap();
    let local = socket.local_address().unwrap();
    let socket = view.table.push(socket).unwrap();
    let incoming = view.table.push_child(incoming, &socket).unwrap().rep();
    let outgoing = view.table.push_child(outgoing, &socket).unwrap().rep();
    (socket, local, incoming, outgoing)
}

/// Calls `test` with a component to which `count` datagrams were sent, and which has received the
/// first.
fn behind(count: usize, test: impl FnOnce(&mut Component<'_, '_>, &tokio::runtime::Runtime)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _runtime = runtime.enter();
    with_view(|view| {
        let (_, local, incoming, outgoing) = open(view);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_nonblocking(true).unwrap();
        for _ in 0..count {
            peer.send_to(b"ping", local).unwrap();
        }
        let mut component = Component { view, incoming, outgoing, local, peer };
        assert_eq!(component.receive(), 1);
        test(&mut component, &runtime);
    });
}

#[test]
fn answers_leave_with_that_to_the_last_that_was_prefetched() {
    behind(3, |component, _| {
        component.answer(b"1");
        assert_eq!(component.left(), 0);
        component.receive();
        component.answer(b"2");
        assert_eq!(component.left(), 0);
        component.receive();
        component.answer(b"3");
        assert_eq!(component.left(), 3);
    });
    behind(1, |component, _| {
        component.answer(b"1");
        assert_eq!(component.left(), 1);
    });
}

#[test]
fn answers_leave_when_the_component_has_received_all() {
    behind(2, |component, _| {
        component.answer(b"1");
        assert_eq!((component.receive(), component.left()), (1, 0));
        assert_eq!((component.receive(), component.left()), (0, 1));
    });
}

/// One that asks for many, and gets those of one arrival, does not receive one by one: it is to hear
/// of errors.
#[cfg(target_os = "linux")]
#[test]
fn answers_leave_at_once_for_a_component_that_asks_for_many() {
    behind(1, |component, runtime| {
        let (readable, local) = (component.readable().rep(), component.local);
        let many_after = |component: &mut Component<'_, '_>, sent: usize| {
            for _ in 0..sent {
                component.peer.send_to(b"ping", local).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(runtime.block_on(component.view.ready(Resource::new_own(readable))).unwrap());
            component.view.receive(Resource::new_own(component.incoming), 16).unwrap()
        };
        // It reads a clock after it receives: from then on it is told the time of each arrival.
        assert_eq!(many_after(component, 1).len(), 1);
        monotonic_clock::Host::now(component.view).unwrap();
        let many = many_after(component, 3);
        assert_eq!(many.len(), 1, "the others arrived later");
        component.answer(b"1");
        assert_eq!(component.left(), 1);
    });
}

#[test]
fn answers_leave_when_the_component_waits() {
    behind(2, |component, runtime| {
        let readable = component.readable().rep();
        let readable = || Resource::new_own(readable);
        component.answer(b"1");
        assert!(runtime.block_on(component.view.ready(readable())).unwrap());
        assert_eq!(component.left(), 1);
        // Nothing waits for one that has polled.
        component.answer(b"1");
        assert_eq!(component.left(), 1);
    });
    behind(3, |component, runtime| {
        let readable = component.readable().rep();
        component.answer(b"1");
        runtime.block_on(component.view.block(Resource::new_own(readable))).unwrap();
        assert_eq!(component.left(), 1);
        component.receive();
        component.answer(b"2");
        assert_eq!(component.left(), 0);
        let readable = vec![Resource::new_own(readable)];
        assert_eq!(runtime.block_on(poll::Host::poll(component.view, readable)).unwrap(), [0]);
        assert_eq!(component.left(), 1);
    });
}

#[test]
fn answers_leave_before_a_clock_is_read_and_nothing_waits_after() {
    behind(3, |component, _| {
        component.answer(b"1");
        monotonic_clock::Host::now(component.view).unwrap();
        assert_eq!(component.left(), 1);
        component.answer(b"1");
        assert_eq!(component.left(), 1);
        component.receive();
        component.answer(b"2");
        assert_eq!(component.left(), 0);
        wall_clock::Host::now(component.view).unwrap();
        assert_eq!(component.left(), 1);
    });
}

/// With the options and to the sockets that there were when they were sent.
#[test]
fn answers_leave_before_a_socket_changes() {
    type Change = fn(&mut View<'_>, Resource<Socket>);
    let changes: [Change; 3] = [
        |view, socket| view.set_unicast_hop_limit(socket, 3).unwrap(),
        |view, socket| view.set_send_buffer_size(socket, 100_000).unwrap(),
        |view, socket| HostUdpSocket::drop(view, socket).unwrap(),
    ];
    for change in changes {
        behind(2, |component, _| {
            // Another one, which the answers might be for.
            let other = Socket::new(Family::V4, component.view.sockets.clone()).unwrap();
            let other = component.view.table.push(other).unwrap();
            component.answer(b"1");
            assert_eq!(component.left(), 0);
            change(component.view, other);
            assert_eq!(component.left(), 1);
        });
    }
}

#[test]
fn answers_leave_when_the_stream_is_dropped() {
    behind(2, |component, _| {
        component.answer(b"1");
        component.view.table.delete::<Outgoing>(Resource::new_own(component.outgoing)).unwrap();
        assert_eq!(component.left(), 1);
    });
}

#[test]
fn datagrams_wait_for_others_of_their_kind_only() {
    behind(2, |component, _| {
        component.answer(b"1");
        component.answer(b"longer");
        assert_eq!(component.left(), 2);
        // To somebody else.
        component.answer(b"1");
        component.send(component.outgoing, b"2", "127.0.0.1:9".parse().unwrap());
        assert_eq!(component.left(), 1);
        // By another socket: what was sent first leaves first.
        component.answer(b"1");
        let (.., other) = open(component.view);
        let peer = component.peer.local_addr().unwrap();
        component.send(other, b"2", peer);
        assert_eq!(component.left(), 1);
        component.view.flush();
        assert_eq!(component.left(), 1);
    });
}

#[test]
fn no_more_wait_than_leave_together_and_none_for_long() {
    behind(2, |component, _| {
        for _ in 1..MOST {
            component.answer(b"1");
        }
        assert_eq!(component.left(), 0);
        component.answer(b"1");
        assert_eq!(component.left(), MOST);
        component.answer(b"1");
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(component.left(), 0);
        component.answer(b"1");
        assert_eq!(component.left(), 2);
    });
}
