//! Resolves names with the system's resolver (getaddrinfo(3)).

use std::net::{Ipv4Addr, Ipv6Addr};

use std::thread;

use crate::process::interrupt::EndAtSignals;
use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use wasi_datagram::{ResolveError, Resolved};

/// The number of names resolved at a time: a name server that does not answer delays eight of them
/// by ten seconds.
const AT_A_TIME: usize = 16;

/// Blocks, possibly for many seconds.
fn getaddrinfo_of(name: &str) -> Resolved {
    // Otherwise each address is returned once per socket type.
    let hints = AddrInfoHints { socktype: SockType::DGram.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(name), None, Some(hints)).map_err(|error| match error.kind() {
        // `Family` is the error for a name without addresses of an available family.
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

/// Resolves `name` with the system's resolver. If that does not know localhost, its addresses are
/// as in RFC 6761, section 6.3: a root file system without /etc/hosts has no other source for them.
pub(super) fn system_resolve(name: &str) -> Resolved {
    getaddrinfo_of(name).or_else(|error| {
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        let loopback = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        if is_localhost { Ok(loopback()) } else { Err(error) }
    })
}

/// Resolves each name; the results are in the same order. Ctrl-C and SIGTERM end the process
/// meanwhile. For several names it uses threads, which have ended when this returns.
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
