//! Tests over sockets of the system.

use std::net::UdpSocket as StdSocket;
use std::time::Duration;

use wasi_datagram::{Family, OperatingSystem, Received, Transmit, UdpSocket};

use super::*;

#[test]
fn properties_of_both_links_or_of_one() {
    let impairments: Impairments =
        "loss=30%,delay=50ms,send.loss=10%,receive.jitter=5ms,seed=7".parse().unwrap();
    assert_eq!(impairments.seed, 7);
    assert_eq!(impairments.send.loss, "10%".parse().unwrap());
    assert_eq!(impairments.receive.loss, "30%".parse().unwrap());
    assert_eq!(
        (impairments.send.jitter, impairments.receive.jitter.as_millis()),
        (Duration::ZERO, 5)
    );
    for (text, expected) in [
        ("", "\"\" has no value: write it as NAME=VALUE"),
        ("loss", "\"loss\" has no value"),
        ("loss=130%", "loss=130%: more than 100 %"),
        ("sent.loss=1%", "\"sent.loss\" is no property of a link"),
        ("seed=x", "seed=x: not a whole number"),
        ("flow=10.0.0.1:7", "flow=10.0.0.1:7: not of the form ADDRESS:PORT-ADDRESS:PORT"),
        ("flow=10.0.0.1-10.0.0.2", "flow=10.0.0.1-10.0.0.2: not of the form"),
        ("reorder=1%", "reorder needs a delay"),
    ] {
        let error = text.parse::<Impairments>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

/// A socket in an impaired world, and one of the system that is its peer.
fn sockets(impairments: &str) -> (Box<dyn UdpSocket>, StdSocket) {
    let world = impaired(Arc::new(OperatingSystem::default()), &impairments.parse().unwrap());
    let mut socket = world.unwrap().open(Family::V4).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let peer = StdSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    (socket, peer)
}

#[tokio::test]
async fn what_is_sent_leaves_later_and_in_order() {
    let (socket, peer) = sockets("send.delay=30ms");
    let (mut sender, to) = (socket.sender().unwrap(), peer.local_addr().ok());
    let start = Instant::now();
    for data in [b"1", b"2"] {
        assert_eq!(sender.try_send(&[Transmit { data, to, from: None }]).unwrap(), 1);
    }
    assert!(start.elapsed() < Duration::from_millis(30), "it does not wait");
    // Also after the component has no stream any more.
    drop(sender);
    let mut data = [0; 8];
    for expected in [b"1", b"2"] {
        assert_eq!(peer.recv(&mut data).unwrap(), 1);
        assert_eq!(&data[..1], expected);
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(30), "{took:?}");
}

#[tokio::test]
async fn what_arrives_is_received_later_and_says_so() {
    let (socket, peer) = sockets("receive.delay=30ms,receive.duplicate=100%");
    let mut receiver = socket.receiver().unwrap();
    let start = Instant::now();
    peer.send_to(b"hello", socket.local_address().unwrap()).unwrap();
    let mut arrivals = Vec::new();
    while arrivals.len() < 2 {
        let wait = tokio::time::timeout(Duration::from_secs(2), receiver.readable());
        wait.await.expect("it arrives");
        let mut take = |received: Received<'_>| {
            assert_eq!(received.data, b"hello");
            arrivals.push(received.arrived);
        };
        let _ = receiver.try_receive(16, &mut take);
    }
    assert!(start.elapsed() >= Duration::from_millis(30));
    for at in arrivals.into_iter().flatten() {
        assert!(at.duration_since(start) >= Duration::from_millis(30));
    }
}

#[tokio::test]
async fn loss_and_corruption_are_those_of_the_seed() {
    let lost = |seed: u64| {
        let (socket, peer) = sockets(&format!("send.loss=50%,seed={seed}"));
        let (mut sender, to) = (socket.sender().unwrap(), peer.local_addr().ok());
        for number in 0..32_u8 {
            sender.try_send(&[Transmit { data: &[number], to, from: None }]).unwrap();
        }
        peer.set_nonblocking(true).unwrap();
        let mut data = [0; 8];
        std::iter::from_fn(|| peer.recv(&mut data).ok().map(|_| data[0])).collect::<Vec<_>>()
    };
    let first = lost(7);
    assert!((8..24).contains(&first.len()), "{first:?}");
    assert_eq!(first, lost(7));
    assert_ne!(first, lost(8));
    let (socket, peer) = sockets("send.corrupt=100%");
    let mut sender = socket.sender().unwrap();
    let to = peer.local_addr().ok();
    sender.try_send(&[Transmit { data: &[0; 4], to, from: None }]).unwrap();
    let mut data = [0; 8];
    assert_eq!(peer.recv(&mut data).unwrap(), 4);
    assert_eq!(data.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
}

/// As many as the limit wait on a link, and one more; it has room again once they have arrived.
#[tokio::test]
async fn a_link_holds_no_more_than_its_limit() {
    let (socket, peer) = sockets("send.delay=100ms,receive.delay=100ms,limit=2");
    let (mut sender, to) = (socket.sender().unwrap(), peer.local_addr().ok());
    let mut data = [0; 8];
    for _ in 0..2 {
        for number in 0..8_u8 {
            sender.try_send(&[Transmit { data: &[number], to, from: None }]).unwrap();
        }
        let arrived: Vec<_> = (0..3).map(|_| peer.recv(&mut data).map(|_| data[0]).ok()).collect();
        assert_eq!(arrived, [Some(0), Some(1), Some(2)]);
    }
    peer.set_nonblocking(true).unwrap();
    assert!(peer.recv(&mut data).is_err());

    let mut receiver = socket.receiver().unwrap();
    for number in 0..8_u8 {
        peer.send_to(&[number], socket.local_address().unwrap()).unwrap();
    }
    let mut received = Vec::new();
    let end = tokio::time::Instant::now() + Duration::from_millis(500);
    while tokio::time::timeout_at(end, receiver.readable()).await.is_ok() {
        let _ =
            receiver.try_receive(16, &mut |datagram: Received<'_>| received.push(datagram.data[0]));
    }
    assert_eq!(received, [0, 1, 2]);
}
