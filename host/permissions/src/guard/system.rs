//! Operations refused by the system, which no grant changes: the cause, as far as known, and what
//! helps.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};

use wasi_datagram::Operation;

/// The word for an operation, as in refusals by the grants.
pub(super) fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Open => "open",
        Operation::Bind(_) => "listen",
        Operation::Connect(_) => "connect",
        Operation::Send(_) => "send",
    }
}

/// The ports that need root or a capability by default (ip(7), `ip_unprivileged_port_start`).
const PRIVILEGED: std::ops::Range<u16> = 1..1024;

/// Why the system refused `operation` with `error`, and what helps; `None` if it did not refuse the
/// operation, but failed to perform it.
pub(super) fn cause(operation: Operation, error: &io::Error) -> Option<String> {
    if error.kind() != ErrorKind::PermissionDenied {
        return None;
    }
    // The routing table and privileged ports return EACCES (ip(7), udp(7)), a packet filter EPERM.
    #[cfg(not(unix))]
    let is_eperm = false;
    #[cfg(unix)]
    let is_eperm = rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::PERM);
    Some(match operation {
        Operation::Bind(local) if PRIVILEGED.contains(&local.port()) => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE".to_owned()
        }
        Operation::Open | Operation::Bind(_) => {
            "a security module (SELinux, AppArmor) or a filter of system calls forbids it to this process".to_owned()
        }
        Operation::Connect(_) | Operation::Send(_) if is_eperm => {
            "this machine's firewall drops it (nft list ruleset, iptables -S OUTPUT)".to_owned()
        }
        Operation::Connect(to) | Operation::Send(to) => match to.ip() {
            IpAddr::V4(Ipv4Addr::BROADCAST) => "it is the broadcast address, and nothing is broadcast from here".to_owned(),
            IpAddr::V4(ip) => format!(
                "it is a network's broadcast address, and nothing is broadcast from here, or a route prohibits it (ip route get {ip})"
            ),
            IpAddr::V6(ip) => format!("a route prohibits it (ip -6 route get {ip})"),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_cause_says_what_helps() {
        let cause = |operation, errno: Errno| cause(operation, &errno.into());
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (operation, errno, part) in [
            (Operation::Bind(address("[::]:80")), Errno::ACCESS, "root or CAP_NET_BIND_SERVICE"),
            (Operation::Bind(address("0.0.0.0:8080")), Errno::ACCESS, "security module"),
            (Operation::Open, Errno::PERM, "filter of system calls"),
            (Operation::Send(address("10.0.0.255:7")), Errno::ACCESS, "ip route get 10.0.0.255"),
            (
                Operation::Connect(address("255.255.255.255:7")),
                Errno::ACCESS,
                "the broadcast address",
            ),
            (
                Operation::Send(address("[2001:db8::1]:7")),
                Errno::ACCESS,
                "ip -6 route get 2001:db8::1",
            ),
            (Operation::Send(address("10.0.0.1:7")), Errno::PERM, "firewall"),
        ] {
            let said = cause(operation, errno).unwrap();
            assert!(said.contains(part), "{operation}: {said}");
        }
        assert_eq!(cause(Operation::Send(address("10.0.0.1:7")), Errno::NETUNREACH), None);
    }
}
