//! Simple permissions: a function of the address, or everything allowed.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Instant;

use crate::permissions::{
    Batch, Permissions, Resolution, ResolveError, Resolved, SendDecision, SocketId,
    SocketPermissions,
};

/// The use of an address that a [`Check`] decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressUse {
    /// Binding a socket to it.
    Bind,
    /// Connecting a socket to it.
    Connect,
    /// Sending a datagram to it.
    Send,
    /// Receiving a datagram from it.
    Receive,
}

/// Permits each use of an address for which the function returns true. Names are denied.
///
/// ```
/// use std::net::SocketAddr;
/// use wasi_datagram::{AddressUse, Check};
///
/// let this_machine = Check(|address: SocketAddr, _: AddressUse| address.ip().is_loopback());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Check<F>(pub F);

impl<F: Fn(SocketAddr, AddressUse) -> bool + Clone + Send + Sync + 'static> Permissions
    for Check<F>
{
    fn permit_bind(&self, local: SocketAddr, _: SocketId) -> Option<Box<dyn SocketPermissions>> {
        (self.0)(local, AddressUse::Bind)
            .then(|| Box::new(self.clone()) as Box<dyn SocketPermissions>)
    }

    fn resolve(&self, _: &str) -> Resolution {
        Resolution::Denied
    }
}

impl<F: Fn(SocketAddr, AddressUse) -> bool + Clone + Send + Sync> SocketPermissions for Check<F> {
    fn permit_connect(&self, peer: SocketAddr) -> bool {
        (self.0)(peer, AddressUse::Connect)
    }

    fn batch(&self, _: Instant, pass: &mut dyn FnMut(&mut dyn Batch)) {
        pass(&mut self.clone());
    }
}

impl<F: Fn(SocketAddr, AddressUse) -> bool> Batch for Check<F> {
    fn permit_receive(&mut self, from: SocketAddr, _: usize) -> bool {
        (self.0)(from, AddressUse::Receive)
    }

    fn permit_send(&mut self, to: SocketAddr, _: usize) -> SendDecision {
        if (self.0)(to, AddressUse::Send) { SendDecision::Open } else { SendDecision::Refused }
    }

    fn not_sent(&mut self, _: SocketAddr, _: usize) {}
}

/// Permits everything, and resolves names with the system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Permissions for AllowAll {
    fn permit_bind(
        &self,
        local: SocketAddr,
        socket: SocketId,
    ) -> Option<Box<dyn SocketPermissions>> {
        Check(|_, _| true).permit_bind(local, socket)
    }

    fn resolve(&self, name: &str) -> Resolution {
        let name = name.to_owned();
        Resolution::Asked(Box::pin(async move {
            let resolved = tokio::task::spawn_blocking(move || system_resolve(&name)).await;
            resolved.unwrap_or(Err(ResolveError::Permanent))
        }))
    }
}

/// Resolves `name` with the standard library, which does not tell why a name has no address.
fn system_resolve(name: &str) -> Resolved {
    let found = (name, 0).to_socket_addrs().map_err(|_| ResolveError::NoSuchName)?;
    Ok(found.map(|address| address.ip().to_canonical()).collect())
}
