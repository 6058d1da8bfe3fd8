//! The entry point of a component: `wasi:cli/run`, by the version of WASI.

use wasmtime::Store;
use wasmtime::component::{self, InstancePre};
use wasmtime_wasi::{p2, p3};

use crate::sandbox::state::State;

/// `wasi:cli/run`, by the version of WASI.
pub(super) enum Entry {
    P2(p2::bindings::CommandPre<State>),
    P3(p3::bindings::CommandPre<State>),
}

impl Entry {
    /// Finds it.
    pub(super) fn of(pre: InstancePre<State>) -> wasmtime::Result<Self> {
        match p3::bindings::CommandPre::new(pre.clone()) {
            Ok(command) => Ok(Self::P3(command)),
            Err(_) => p2::bindings::CommandPre::new(pre).map(Self::P2),
        }
    }

    /// The component, to be instantiated.
    pub(super) fn pre(&self) -> &InstancePre<State> {
        match self {
            Self::P2(command) => command.instance_pre(),
            Self::P3(command) => command.instance_pre(),
        }
    }

    /// Calls it for `instance`.
    pub(super) async fn run(
        &self,
        store: &mut Store<State>,
        instance: &component::Instance,
    ) -> wasmtime::Result<Result<(), ()>> {
        match self {
            Self::P2(_) => {
                let command = p2::bindings::Command::new(&mut *store, instance)?;
                command.wasi_cli_run().call_run(store).await
            }
            Self::P3(_) => {
                let command = p3::bindings::Command::new(&mut *store, instance)?;
                let activity = store.data().activity();
                let run = wasi_datagram::p3::run_concurrent(store, State::view, async |accessor| {
                    command.wasi_cli_run().call_run(accessor).await
                });
                activity.of(run).await?
            }
        }
    }
}
