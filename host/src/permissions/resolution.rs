//! What the system's resolver says of a name (getaddrinfo(3)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use thiserror::Error;

/// Why a name has no address here, as getaddrinfo(3) and `wasi:sockets/ip-name-lookup` tell it apart.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ResolveError {
    /// There is no such name, or it has no address (`EAI_NONAME`, `EAI_NODATA`).
    #[error("there is no such name, or it has no address")]
    NoSuchName,
    /// No name server answered, or it says to try again (`EAI_AGAIN`).
    #[error("temporary failure in name resolution: no name server answers, try again")]
    Temporary,
    /// A name server failed, or the system cannot ask one (`EAI_FAIL` and others).
    #[error("failure in name resolution: the name server, or the configuration of this system's resolver")]
    Permanent,
}

/// What a name stands for.
pub type Resolved = Result<Vec<IpAddr>, ResolveError>;

/// It may take many seconds.
fn getaddrinfo_of(name: &str) -> Resolved {
    // Else each address comes once for every kind of socket.
    let hints = AddrInfoHints { socktype: SockType::DGram.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(name), None, Some(hints)).map_err(|error| match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => ResolveError::NoSuchName,
        LookupErrorKind::Again => ResolveError::Temporary,
        // An answer without any address of a family that there is.
        LookupErrorKind::Family => ResolveError::NoSuchName,
        _ => ResolveError::Permanent,
    })?;
    let addresses: Vec<_> = found.filter_map(Result::ok).map(|found| found.sockaddr.ip().to_canonical()).collect();
    if addresses.is_empty() { Err(ResolveError::NoSuchName) } else { Ok(addresses) }
}

/// What the system's resolver says of `name`; and of localhost, where that does not know it, what it is (RFC 6761, section 6.3): a
/// root without /etc/hosts has no other.
pub(crate) fn system_resolve(name: &str) -> Resolved {
    getaddrinfo_of(name).or_else(|error| {
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        let loopback = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        if is_localhost { Ok(loopback()) } else { Err(error) }
    })
}
