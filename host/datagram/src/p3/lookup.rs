//! `wasi:sockets/ip-name-lookup`, with a permission per name.

use wasmtime::component::Accessor;

use crate::p3::ip_name_lookup::{ErrorCode, Host, HostWithStore};
use crate::p3::types::IpAddress;
use crate::permissions::{Resolution, ResolveError, Resolved};
use crate::view::{View, Viewed};

impl Host for View<'_> {}

impl<T: Send> HostWithStore<T> for Viewed {
    async fn resolve_addresses(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<IpAddress>, ErrorCode>> {
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(&name);
        let resolution = accessor.with(|mut access| {
            let mut view = access.get();
            view.flush();
            view.sockets.permissions.resolve(bare)
        });
        Ok(match resolution {
            Resolution::Denied => Err(ErrorCode::AccessDenied),
            Resolution::Invalid => Err(ErrorCode::InvalidArgument),
            Resolution::Known(resolved) => addresses(resolved),
            Resolution::Asked(asked) => addresses(asked.await),
        })
    }
}

fn addresses(resolved: Resolved) -> Result<Vec<IpAddress>, ErrorCode> {
    match resolved {
        Ok(addresses) if addresses.is_empty() => Err(ErrorCode::NameUnresolvable),
        Ok(addresses) => Ok(addresses.into_iter().map(Into::into).collect()),
        Err(ResolveError::NoSuchName) => Err(ErrorCode::NameUnresolvable),
        Err(ResolveError::Temporary) => Err(ErrorCode::TemporaryResolverFailure),
        Err(ResolveError::Permanent) => Err(ErrorCode::PermanentResolverFailure),
    }
}
