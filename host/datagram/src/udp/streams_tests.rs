//! Tests of how a socket handles datagrams that it may not receive.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::family::Family;
use crate::permissions::{Resolution, SendDecision, SocketId};

/// Denies everything; if `is_too_much` is set, reports that dropping costs too much.
#[derive(Clone, Default)]
struct Nothing {
    is_too_much: Arc<AtomicBool>,
}

impl Permissions for Nothing {
    fn permit_bind(&self, _: SocketAddr, _: SocketId) -> Option<Box<dyn SocketPermissions>> {
        None
    }

    fn resolve(&self, _: &str) -> Resolution {
        Resolution::Denied
    }
}

impl SocketPermissions for Nothing {
    fn permit_connect(&self, _: SocketAddr) -> bool {
        false
    }

    fn batch(&self, _: Instant, pass: &mut dyn FnMut(&mut dyn Batch)) {
        pass(&mut self.clone());
    }
}

impl Batch for Nothing {
    fn permit_receive(&mut self, _: SocketAddr, _: usize) -> bool {
        false
    }

    fn permit_send(&mut self, _: SocketAddr, _: usize) -> SendDecision {
        SendDecision::Refused
    }

    fn not_sent(&mut self, _: SocketAddr, _: usize) {}

    fn dropped(&mut self, _: Duration, _: SocketAddr) -> Option<Instant> {
        self.is_too_much.load(Ordering::Relaxed).then(|| Instant::now() + Duration::from_mins(1))
    }
}

#[tokio::test]
async fn a_socket_is_left_alone_as_long_as_dropping_took_too_much() {
    let nothing = Nothing::default();
    let context = SocketContext::new(Arc::new(nothing.clone()));
    let mut socket = context.world.open(Family::V4).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let local = socket.local_address().unwrap();
    let mut incoming =
        Incoming::new(socket.receiver().unwrap(), Arc::new(nothing.clone()), None, None, &context);

    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let drops_one = |incoming: &mut Incoming| {
        stranger.send_to(b"hello", local).unwrap();
        incoming.fill(1);
        mem::take(&mut incoming.drops)
    };
    assert!(drops_one(&mut incoming) && incoming.rests.is_none());
    nothing.is_too_much.store(true, Ordering::Relaxed);
    assert!(drops_one(&mut incoming) && incoming.rests.is_some());
    assert!(!drops_one(&mut incoming));
    incoming.rests = Some(Instant::now());
    assert!(drops_one(&mut incoming));
}
