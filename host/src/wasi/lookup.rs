//! `wasi:sockets/ip-name-lookup`, name by name: wasmtime-wasi's own is all or nothing.

use std::time::Instant;

use udping_cli::address::Address;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynPollable, Network, SocketResult, subscribe};

use crate::wasi::addresses::Addresses;
use crate::wasi::network::ip_name_lookup::{Host, HostResolveAddressStream};
use crate::wasi::network::{ErrorCode, IpAddress, NetworkView};
use crate::wasi::udp::SocketContext;

impl Host for NetworkView<'_> {
    fn resolve_addresses(&mut self, network: Resource<Network>, name: String) -> SocketResult<Resource<Addresses>> {
        // Holding the network is what permits a lookup at all (wasi:sockets/instance-network).
        self.table.get(&network)?;
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(&name);
        // An address is no question to anybody. Its zone has no place in the answer.
        if let Ok(Address { ip, .. }) = bare.parse() {
            return Ok(self.table.push(Addresses::Ready(Addresses::of(Ok(vec![ip]))))?);
        }
        let name = name.parse().map_err(|_| ErrorCode::InvalidArgument)?;
        let SocketContext { guard, lookups, .. } = self.setting;
        let is_granted = self.names.is_granted(&name);
        if !guard.permit_resolve(&name) {
            return Err(ErrorCode::AccessDenied.into());
        }
        let addresses = if let Some(known) = self.names.known(&name) {
            Addresses::Ready(Addresses::of(known))
        } else if !is_granted && !lookups.take(Instant::now()) {
            guard.over_lookups(&name, lookups.most());
            return Err(ErrorCode::TemporaryResolverFailure.into());
        } else {
            let (names, guard) = (self.names.clone(), guard.clone());
            Addresses::Asked(tokio::spawn(async move {
                let (resolved, has_changed) = names.ask(&name).await;
                if has_changed {
                    guard.follow(&names);
                }
                Addresses::of(resolved)
            }))
        };
        Ok(self.table.push(addresses)?)
    }
}

impl HostResolveAddressStream for NetworkView<'_> {
    fn resolve_next_address(&mut self, stream: Resource<Addresses>) -> SocketResult<Option<IpAddress>> {
        match self.table.get_mut(&stream)? {
            Addresses::Ready(Ok(addresses)) => Ok(addresses.next().map(Into::into)),
            Addresses::Ready(Err(code)) => Err((*code).into()),
            Addresses::Asked(_) => Err(ErrorCode::WouldBlock.into()),
        }
    }

    fn subscribe(&mut self, stream: Resource<Addresses>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<Addresses>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}
