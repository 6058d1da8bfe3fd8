//! What a socket of Linux tells beside datagrams, where it is asked to: to which local address each
//! came (ip(7), RFC 3542), which datagram an error that came back is about (`IP_RECVERR`, ip(7)),
//! and how many datagrams it had no room for.

use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};

use crate::reports::Problem;

/// Has each datagram say to which local address it came. Whether it will.
pub(super) fn local_addresses(socket: &UdpSocket, is_v4: bool) -> bool {
    let set = if is_v4 {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)
    } else {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)
    };
    set.is_ok()
}

/// Has errors that come back say which datagram they are about, or not. Whether that could be set.
pub(super) fn errors(socket: &UdpSocket, is_v4: bool, wanted: bool) -> bool {
    let set = if is_v4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &wanted)
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &wanted)
    };
    set.is_ok()
}

/// Hands over errors that came back: whom each datagram was for, and what became of it.
pub(super) fn take_errors(socket: &UdpSocket, mut report: impl FnMut(SocketAddr, Problem)) {
    // Of the datagram itself, nothing is needed.
    let mut start = [0_u8; 1];
    loop {
        let mut slices = [IoSliceMut::new(&mut start)];
        let mut control =
            nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, libc::in6_pktinfo);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let Ok(message) =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)
        else {
            return;
        };
        let Ok(controls) = message.cmsgs() else { continue };
        let error = controls.into_iter().find_map(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, _)
            | ControlMessageOwned::Ipv6RecvErr(error, _) => Some(error),
            _ => None,
        });
        let peer = message.address.as_ref().and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
        });
        if let (Some(error), Some(peer)) = (error, peer)
            && let Some(problem) = problem(&error)
        {
            report(peer, problem);
        }
    }
}

/// What the message says (RFC 792, RFC 4443); `None` where it is none, but what the failed call has
/// said already.
fn problem(error: &libc::sock_extended_err) -> Option<Problem> {
    Some(match (error.ee_origin, error.ee_type, error.ee_code) {
        (libc::SO_EE_ORIGIN_ICMP, 11, _) | (libc::SO_EE_ORIGIN_ICMP6, 3, _) => {
            Problem::TimeExceeded
        }
        (libc::SO_EE_ORIGIN_ICMP, 3, 9 | 10 | 13) | (libc::SO_EE_ORIGIN_ICMP6, 1, 1 | 5 | 6) => {
            Problem::Prohibited
        }
        (libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6, ..) => {
            match Errno::from_raw(error.ee_errno.cast_signed()) {
                Errno::ECONNREFUSED => Problem::Refused,
                Errno::EMSGSIZE => Problem::TooLarge,
                _ => Problem::Unreachable,
            }
        }
        _ => return None,
    })
}

/// How many datagrams were dropped because `socket` had no room for them. It can be asked at any
/// time, and costs datagrams nothing.
pub(super) fn dropped(socket: &UdpSocket) -> Option<u64> {
    let mut info = [0_u32; libc::SK_MEMINFO_DROPS as usize + 1];
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `info`.
    #[expect(unsafe_code, reason = "there is no wrapper for this option")]
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    // Before Linux 4.14 it was not among what is told.
    (result == 0 && length as usize == size_of_val(&info))
        .then(|| info[libc::SK_MEMINFO_DROPS as usize].into())
}
