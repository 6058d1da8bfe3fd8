//! An echo server with many addresses: it answers from the address that the request was sent to,
//! which a component cannot (WASI 0.2 does not report the destination address).

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::thread;

use nix::cmsg_space;
use nix::libc::in_pktinfo;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt::Ipv4PacketInfo,
};

/// Starts one on a free port of every IPv4 address of loopback, on a thread that ends with the
/// process.
pub fn start() -> SocketAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
    setsockopt(&socket, Ipv4PacketInfo, &true).expect("Linux tells destination addresses");
    let address = socket.local_addr().expect("it is bound");
    thread::spawn(move || {
        loop {
            answer(&socket);
        }
    });
    address
}

/// Answers one datagram. What cannot be received or sent counts as lost, as on a network.
fn answer(socket: &UdpSocket) {
    let (mut buffer, mut control) = ([0; 2_048], cmsg_space!(in_pktinfo));
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let Ok(received) = recvmsg::<SockaddrIn>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::empty(),
    ) else {
        return;
    };
    let asked = received.cmsgs().ok().and_then(|mut all| {
        all.find_map(|message| {
            if let ControlMessageOwned::Ipv4PacketInfo(info) = message { Some(info) } else { None }
        })
    });
    let (Some(asked), Some(from), length) = (asked, received.address, received.bytes) else {
        return;
    };
    let reply =
        in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: asked.ipi_addr, ipi_addr: asked.ipi_addr };
    let parts = [IoSlice::new(&buffer[..length])];
    let control = [ControlMessage::Ipv4PacketInfo(&reply)];
    let _ = sendmsg(socket.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&from));
}
