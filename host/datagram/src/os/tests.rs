//! Tests of the operating system's sockets over loopback.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;

use super::raw::BOOKKEEPING;
use super::socket::Socket;
use super::*;
use crate::world::{Received, Transmit, UdpSocket as _};

const PATHS: [Tuning; 2] = [
    Tuning {
        batch: NonZeroUsize::new(64).unwrap(),
        offload: true,
        busy_poll: std::time::Duration::ZERO,
        share_port: false,
        kernel_time: true,
    },
    Tuning {
        batch: NonZeroUsize::MIN,
        offload: false,
        busy_poll: std::time::Duration::ZERO,
        share_port: false,
        kernel_time: false,
    },
];

fn loopback(family: Family) -> SocketAddr {
    match family {
        Family::V4 => (Ipv4Addr::LOCALHOST, 0).into(),
        Family::V6 => (Ipv6Addr::LOCALHOST, 0).into(),
    }
}

fn opened(family: Family, tuning: Tuning, buffers: &Arc<Buffers>) -> Socket {
    let options = SocketOptions::default();
    let world = OperatingSystem::new(tuning, buffers.clone(), options, Reports::new());
    let raw = world.raw(socket::open(family, tuning).unwrap()).unwrap();
    Socket::new(raw, family, tuning)
}

fn bound(family: Family, tuning: Tuning) -> Socket {
    let mut socket = opened(family, tuning, &Buffers::new(ByteSize::mib(128), 256));
    socket.bind(loopback(family)).unwrap();
    socket
}

#[test]
fn a_port_that_the_system_chose_outlives_the_peer() {
    for family in [Family::V4, Family::V6] {
        let mut socket = bound(family, PATHS[0]);
        let (local, peer) =
            (socket.local_address().unwrap(), bound(family, PATHS[0]).local_address().unwrap());
        socket.connect(peer).unwrap();
        assert_eq!(socket.peer(), Some(peer));
        socket.disconnect().unwrap();
        assert_eq!((socket.local_address().unwrap(), socket.peer()), (local, None));
    }
}

#[tokio::test]
async fn mixed_length_batches_to_several_peers_arrive_in_order() {
    for tuning in PATHS {
        let from = bound(Family::V4, tuning);
        let to = [bound(Family::V4, tuning), bound(Family::V4, tuning)];
        let addresses = to.each_ref().map(|socket| socket.local_address().unwrap());
        // Runs of equal length, a shorter end, a longer one, empty ones, and a change of peer
        // within a run.
        let lengths = [
            (0, 9),
            (0, 9),
            (0, 9),
            (0, 4),
            (0, 4),
            (0, 20),
            (0, 0),
            (0, 0),
            (1, 9),
            (0, 9),
            (1, 9),
            (1, 9),
            (1, 10),
            (0, 1),
        ];
        let data: Vec<Vec<u8>> =
            (1_u8..).zip(&lengths).map(|(number, (_, length))| vec![number; *length]).collect();
        let list: Vec<_> = data
            .iter()
            .zip(&lengths)
            .map(|(data, (peer, _))| Transmit { data, to: Some(addresses[*peer]), from: None })
            .collect();
        assert_eq!(from.sender().unwrap().try_send(&list).unwrap(), list.len());
        for (peer, socket) in to.iter().enumerate() {
            let expected: Vec<_> = data
                .iter()
                .zip(&lengths)
                .filter(|(_, (to, _))| *to == peer)
                .map(|(data, _)| data)
                .collect();
            let (mut receiver, mut received) = (socket.receiver().unwrap(), Vec::new());
            while received.len() < expected.len() {
                receiver.readable().await;
                let mut take = |Received { data, from: sender, .. }: Received<'_>| {
                    assert_eq!(sender, from.local_address().unwrap());
                    received.push(data.to_vec());
                };
                match receiver.try_receive(3, &mut take) {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("{error}"),
                    _ => {}
                }
            }
            assert_eq!(received.iter().collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn sockets_share_their_allowance_and_are_never_refused_for_it() {
    let buffers = Buffers::new(ByteSize::mib(2), 4);
    let reserved = |socket: &Socket| {
        (socket.receive_buffer_size().unwrap() + socket.send_buffer_size().unwrap()) * BOOKKEEPING
    };
    let mut sockets: Vec<_> = (0..4).map(|_| opened(Family::V4, PATHS[0], &buffers)).collect();
    for socket in &mut sockets {
        socket.set_receive_buffer_size(1 << 20).unwrap();
        socket.set_send_buffer_size(usize::MAX).unwrap();
    }
    assert!(sockets.iter().map(&reserved).sum::<usize>() <= 2 << 20);
    assert!(sockets.iter().all(|socket| reserved(socket) >= 1 << 18), "{sockets:?}");
    // Sockets beyond the expected number have the system's minimum.
    let more = opened(Family::V4, PATHS[0], &buffers);
    assert!(more.receive_buffer_size().unwrap() > 0);
    drop(sockets);
    assert!(buffers.left() > 0);
}

#[test]
fn who_adopts_a_socket_has_its_own_share_again() {
    let buffers = Buffers::new(ByteSize::mib(2), 2);
    let mut first = opened(Family::V4, PATHS[0], &buffers);
    first.set_receive_buffer_size(400_000).unwrap();
    first.bind(loopback(Family::V4)).unwrap();
    let (local, kept) = (first.local_address().unwrap(), first.keep());
    drop(first);
    let mut next = opened(Family::V4, PATHS[0], &buffers);
    next.set_receive_buffer_size(400_000).unwrap();
    next.adopt(kept).unwrap();
    assert_eq!(
        (next.local_address().unwrap(), next.receive_buffer_size().unwrap()),
        (local, 400_000)
    );
}
