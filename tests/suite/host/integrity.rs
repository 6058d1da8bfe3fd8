//! Replies equal the datagrams sent, on each path of datagrams through the host.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use udping_tests::{Server, udping_host};

/// Datagrams sent on each path.
const DATAGRAMS: usize = 100_000;

/// The number of sending sockets, half of them over IPv6.
const SOCKETS: usize = 8;

/// The largest payload that both families allow, in bytes.
const LARGEST: usize = 65_507;

/// The number of datagrams that a socket sends at a time, and their total size: what fits into the
/// default buffers of a socket.
const BURST: usize = 32;

/// The time after which missing replies count as lost, which UDP allows, and the burst is repeated.
const PATIENCE: Duration = Duration::from_millis(500);

#[test]
fn batched_with_offload() {
    check(&[]);
}

#[test]
fn batched_without_offload() {
    check(&["--no-offload"]);
}

#[test]
fn portable() {
    check(&["--batch", "1"]);
}

#[test]
fn on_two_workers() {
    check(&["--workers", "2"]);
}

fn check(options: &[&str]) {
    // Both families; a fixed port, since workers do not accept 0.
    let port = UdpSocket::bind("[::]:0").unwrap().local_addr().unwrap().port();
    let server = Server::listening(udping_host().args(options).args([
        "server",
        &port.to_string(),
        "--echo-all",
    ]));
    let lost: usize = thread::scope(|scope| {
        let sockets: Vec<_> = (0..SOCKETS)
            .map(|number| {
                let to: SocketAddr = if number % 2 == 0 {
                    ([127, 0, 0, 1], port).into()
                } else {
                    format!("[::1]:{port}").parse().unwrap()
                };
                scope.spawn(move || exchange(to, number as u64))
            })
            .collect();
        sockets.into_iter().map(|socket| socket.join().unwrap()).sum()
    });
    eprintln!("{options:?}: {lost} bursts had to be sent again");
    assert!(lost < DATAGRAMS / 1000, "{lost} bursts were lost");
    drop(server);
}

/// Sends this socket's share in bursts, and checks each. Returns how many had to be repeated.
fn exchange(to: SocketAddr, seed: u64) -> usize {
    let socket = UdpSocket::bind(if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut done, mut lost) = (0, 0);
    while done < DATAGRAMS / SOCKETS {
        let (mut burst, together) = burst(&mut random);
        while !comes_back(&socket, &mut burst, together) {
            lost += 1;
            assert!(lost < 100, "nothing comes back");
        }
        done += burst.len();
    }
    lost
}

/// Returns datagrams of random sizes and bytes, and whether the kernel is to segment them: then all
/// but the last are of equal length.
fn burst(random: &mut fastrand::Rng) -> (Vec<Vec<u8>>, bool) {
    let (lengths, together) = match random.u8(..3) {
        0 => (vec![random.usize(..=LARGEST)], false),
        1 => {
            let count = random.usize(1..=BURST);
            ((0..count).map(|_| random.usize(..=LARGEST / count)).collect(), false)
        }
        _ => {
            let mut lengths = vec![random.usize(1..=1400); random.usize(2..=BURST)];
            if let Some(last) = lengths.last_mut() {
                *last = random.usize(1..=*last);
            }
            (lengths, true)
        }
    };
    let bytes = |length| {
        let mut datagram = vec![0; length];
        random.fill(&mut datagram);
        datagram
    };
    (lengths.into_iter().map(bytes).collect(), together)
}

/// Sends a burst, and compares the replies, in any order.
fn comes_back(socket: &UdpSocket, burst: &mut [Vec<u8>], together: bool) -> bool {
    if together {
        send_together(socket, burst).unwrap();
    } else {
        for datagram in &*burst {
            assert_eq!(socket.send(datagram).unwrap(), datagram.len());
        }
    }
    let mut buffer = vec![0; LARGEST + 1];
    let mut replies = Vec::new();
    while replies.len() < burst.len() {
        match socket.recv(&mut buffer) {
            Ok(length) => replies.push(buffer[..length].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // What was received is intact.
                assert!(
                    replies.iter().all(|reply| burst.contains(reply)),
                    "a reply that was not sent"
                );
                return false;
            }
            Err(error) => panic!("{error}"),
        }
    }
    burst.sort();
    replies.sort();
    assert!(replies == burst, "what came back is not what was sent");
    true
}

fn send_together(socket: &UdpSocket, burst: &[Vec<u8>]) -> io::Result<()> {
    let slices: Vec<_> = burst.iter().map(|datagram| IoSlice::new(datagram)).collect();
    let length = u16::try_from(burst[0].len()).map_err(io::Error::other)?;
    sendmsg::<()>(
        socket.as_raw_fd(),
        &slices,
        &[ControlMessage::UdpGsoSegments(&length)],
        MsgFlags::empty(),
        None,
    )?;
    Ok(())
}
