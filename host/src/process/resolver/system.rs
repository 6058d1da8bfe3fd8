//! What the system's resolver says of a name (getaddrinfo(3)).

use std::net::{Ipv4Addr, Ipv6Addr};

use std::thread;

use crate::process::interrupt::EndAtSignals;
use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use wasi_datagram::{ResolveError, Resolved};

/// How many names are resolved at a time: one name server that is silent holds up eight of them for
/// ten seconds.
const AT_A_TIME: usize = 16;

/// It may take many seconds.
fn getaddrinfo_of(name: &str) -> Resolved {
    // Else each address comes once for every kind of socket.
    let hints = AddrInfoHints { socktype: SockType::DGram.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(name), None, Some(hints)).map_err(|error| match error.kind() {
        // Family is that of an answer without any address of a family that there is.
        LookupErrorKind::NoName | LookupErrorKind::NoData | LookupErrorKind::Family => {
            ResolveError::NoSuchName
        }
        LookupErrorKind::Again => ResolveError::Temporary,
        _ => ResolveError::Permanent,
    })?;
    let addresses: Vec<_> =
        found.filter_map(Result::ok).map(|found| found.sockaddr.ip().to_canonical()).collect();
    if addresses.is_empty() { Err(ResolveError::NoSuchName) } else { Ok(addresses) }
}

/// What the system's resolver says of `name`; and of localhost, where that does not know it, what
/// it is (RFC 6761, section 6.3): a root without /etc/hosts has no other.
pub(super) fn system_resolve(name: &str) -> Resolved {
    getaddrinfo_of(name).or_else(|error| {
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        let loopback = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        if is_localhost { Ok(loopback()) } else { Err(error) }
    })
}

/// What each name stands for, in their order. Ctrl-C and SIGTERM end the process meanwhile. Where
/// there are several names there are threads, which have ended when this returns.
pub fn resolve_all<Name: AsRef<str> + Sync>(names: &[Name]) -> Vec<Resolved> {
    let _interruptible = (!names.is_empty()).then(EndAtSignals::start);
    let resolve =
        |names: &[Name]| names.iter().map(|name| system_resolve(name.as_ref())).collect::<Vec<_>>();
    if names.len() <= 1 {
        return resolve(names);
    }
    thread::scope(|scope| {
        let chunks = names.chunks(names.len().div_ceil(AT_A_TIME));
        let workers: Vec<_> =
            chunks.map(|names| (names.len(), scope.spawn(|| resolve(names)))).collect();
        let failed = |count| vec![Err(ResolveError::Permanent); count];
        workers
            .into_iter()
            .flat_map(|(count, worker)| worker.join().unwrap_or_else(|_| failed(count)))
            .collect()
    })
}
