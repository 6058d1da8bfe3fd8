//! `wasi:sockets/ip-name-lookup`, name by name: wasmtime-wasi's own is all or nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::vec;

use tokio::task::JoinHandle;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, HostNetwork, IpAddress};
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, SocketError, SocketResult, subscribe};

use crate::guard::Guard;
use crate::names::{self, Names};

#[allow(unsafe_code, reason = "bindgen implements unsafe traits of wasmtime's")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        interfaces: "import wasi:sockets/ip-name-lookup@0.2.0;",
        imports: { default: trappable },
        trappable_error_type: {
            "wasi:sockets/network.error-code" => wasmtime_wasi::p2::SocketError,
        },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
            "wasi:sockets/ip-name-lookup.resolve-address-stream": super::Addresses,
        },
    });
}

use bindings::wasi::sockets::ip_name_lookup::{self, Host, HostResolveAddressStream};

/// Adds it to what a linker serves, where `view` gives what it needs of a store's state.
pub fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> LookupView<'_>) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<_, Lookup>(linker, view)
}

struct Lookup;

impl HasData for Lookup {
    type Data<'a> = LookupView<'a>;
}

/// What a lookup needs of the store's state.
pub struct LookupView<'a> {
    /// The store's resources.
    pub table: &'a mut ResourceTable,
    /// Decides which names may be asked for.
    pub guard: &'a Guard,
    /// Those that were resolved when the run started.
    pub names: &'a Arc<Names>,
}

type Answer = Result<vec::IntoIter<IpAddr>, ErrorCode>;

/// `resolve-address-stream`: an answer, or a question that is still out.
pub enum Addresses {
    /// The addresses not taken yet.
    Ready(Answer),
    /// The system's resolver is at work.
    Asked(JoinHandle<Answer>),
}

impl Addresses {
    fn of(addresses: Vec<IpAddr>) -> Answer {
        if addresses.is_empty() { Err(ErrorCode::NameUnresolvable) } else { Ok(addresses.into_iter()) }
    }
}

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        if let Self::Asked(question) = self {
            *self = Self::Ready(question.await.unwrap_or(Err(ErrorCode::PermanentResolverFailure)));
        }
    }
}

// What bindgen asks for so that SocketError can be lowered; the linker serves wasmtime-wasi's own network interface.
impl network::Host for LookupView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<std::io::Error>().map(ErrorCode::from))
    }
}

impl HostNetwork for LookupView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

impl Host for LookupView<'_> {
    fn resolve_addresses(&mut self, network: Resource<Network>, name: String) -> SocketResult<Resource<Addresses>> {
        // Holding the network is what permits a lookup at all (wasi:sockets/instance-network).
        self.table.get(&network)?;
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(&name);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(self.table.push(Addresses::Ready(Addresses::of(vec![ip])))?);
        }
        let name = name.parse().map_err(|_| ErrorCode::InvalidArgument)?;
        if !self.guard.allows_lookup(&name) {
            return Err(ErrorCode::AccessDenied.into());
        }
        let addresses = if self.names.contains(&name) {
            Addresses::Ready(Addresses::of(self.names.addresses(&name).to_vec()))
        } else {
            Addresses::Asked(tokio::spawn(async move {
                Addresses::of(names::resolve(&name).await.map_err(|_| ErrorCode::NameUnresolvable)?)
            }))
        };
        Ok(self.table.push(addresses)?)
    }
}

impl HostResolveAddressStream for LookupView<'_> {
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
