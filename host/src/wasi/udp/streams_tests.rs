//! What a socket does with what it may not hear.

use std::net::UdpSocket;

use bytesize::ByteSize;

use super::super::os;
use super::*;
use crate::permissions::guard::{Guard, Ledger, Meters, Rates, SocketId};
use crate::permissions::limits::Lookups;
use crate::wasi::udp::{Buffers, Reports, SocketOptions, Tuning};

#[tokio::test]
async fn a_socket_is_left_alone_as_long_as_dropping_took_too_much() {
    let ledger = Arc::new(Ledger::new(|_, _| {}));
    let guard = Guard::new("x.wasm".to_owned(), Arc::default(), Arc::new(Meters::new(Rates::default())), ledger);
    let setting = SocketContext {
        guard: Arc::new(guard),
        activity: Activity::default(),
        lookups: Lookups::new(0),
        buffers: Buffers::new(ByteSize::mib(1), 1),
        tuning: Tuning::default(),
        options: SocketOptions::default(),
        kept: Arc::default(),
        reports: Reports::new(),
        bind_capability: Arc::new(BindCapability::new(false)),
    };
    let socket = os::Socket::new(os::Family::V4, setting.tuning, &setting.buffers, &setting.reports).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let local = socket.local_address().unwrap();
    let gate = Gate::new(setting.guard.clone(), local, SocketId::unique());
    let mut incoming = Incoming::new(socket.receiver().unwrap(), gate.clone(), None, None, &setting);

    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let drops_one = |incoming: &mut Incoming| {
        stranger.send_to(b"hello", local).unwrap();
        incoming.fill(1);
        std::mem::take(&mut incoming.drops)
    };
    assert!(drops_one(&mut incoming) && incoming.rests.is_none());
    gate.turn().dropped(Duration::from_secs(60), stranger.local_addr().unwrap());
    assert!(drops_one(&mut incoming) && incoming.rests.is_some());
    assert!(!drops_one(&mut incoming));
    incoming.rests = Some(Instant::now());
    assert!(drops_one(&mut incoming));
}
