//! `wasi:sockets/ip-name-lookup`, with a permission per name; wasmtime-wasi's permits all names or
//! none.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynPollable, Network, SocketResult, subscribe};

use crate::addresses::Addresses;
use crate::permissions::{Resolution, ResolveError};
use crate::sockets::ip_name_lookup::{Host, HostResolveAddressStream};
use crate::sockets::{ErrorCode, IpAddress};
use crate::view::View;

impl Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<Addresses>> {
        // The network handle is the capability to resolve names at all
        // (wasi:sockets/instance-network).
        self.table.get(&network)?;
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(&name);
        let addresses = match self.sockets.permissions.resolve(bare) {
            Resolution::Denied => return Err(ErrorCode::AccessDenied.into()),
            Resolution::Invalid => return Err(ErrorCode::InvalidArgument.into()),
            Resolution::Known(Err(ResolveError::Temporary)) => {
                return Err(ErrorCode::TemporaryResolverFailure.into());
            }
            Resolution::Known(resolved) => Addresses::Ready(Addresses::of(resolved)),
            Resolution::Asked(asked) => Addresses::asked(asked),
        };
        Ok(self.table.push(addresses)?)
    }
}

impl HostResolveAddressStream for View<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<Addresses>,
    ) -> SocketResult<Option<IpAddress>> {
        let addresses = self.table.get_mut(&stream)?;
        addresses.advance();
        match addresses {
            Addresses::Ready(Ok(addresses)) => Ok(addresses.next().map(Into::into)),
            Addresses::Ready(Err(code)) => Err((*code).into()),
            Addresses::Asked(_) => Err(ErrorCode::WouldBlock.into()),
        }
    }

    fn subscribe(
        &mut self,
        stream: Resource<Addresses>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<Addresses>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}
