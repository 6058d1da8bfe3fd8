//! `wasi:cli/environment`: the variables of a component, read anew at each call, since some change
//! while it runs. `udping_cli::contract` defines which ones this host sets, and their meaning.

use std::sync::Arc;

use tokio::sync::watch;
use udping_cli::contract;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::cli::environment;
use wasmtime_wasi::p3::bindings::cli as p3;

use crate::sandbox::facts;
use udping_permissions::guard::Guard;
use wasi_datagram::{Reports, SocketContext};

/// The variable that tells a component that it runs under this host.
const UNDER_UDPING_HOST: (&str, &str) = (contract::UDPING_HOST, env!("CARGO_PKG_VERSION"));

/// The variables that only this host sets.
pub const RESERVED: [&str; 7] = [
    contract::UDPING_HOST,
    contract::UDPING_NOTICES,
    contract::UDPING_COLUMNS,
    contract::UDPING_ZONES,
    contract::UDPING_DROPPED,
    contract::UDPING_ERRORS,
    contract::UDPING_DENIED,
];

/// The environment variables shared by all instances of a run.
#[derive(Debug)]
pub struct Environment(watch::Sender<Vec<(String, String)>>);

impl Environment {
    /// Creates an environment with the variable that names this host, and `variables`.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let host = (UNDER_UDPING_HOST.0.to_owned(), UNDER_UDPING_HOST.1.to_owned());
        Self(watch::Sender::new([host].into_iter().chain(variables).collect()))
    }

    /// The current variables.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.0.borrow().clone()
    }

    /// Changes the value of a variable, and notifies the holders of [`Self::changes`].
    pub fn set(&self, variable: (String, String)) {
        self.0.send_if_modified(|variables| {
            match variables.iter_mut().find(|(name, _)| *name == variable.0) {
                Some(known) if *known == variable => false,
                Some(known) => {
                    *known = variable;
                    true
                }
                None => {
                    variables.push(variable);
                    true
                }
            }
        });
    }

    /// Subscribes to changes from now on.
    pub fn changes(&self) -> Changes {
        Changes { variables: self.0.subscribe(), reports: None }
    }
}

/// A subscription to the changes of an [`Environment`].
#[derive(Debug)]
pub struct Changes {
    variables: watch::Receiver<Vec<(String, String)>>,
    reports: Option<Arc<Reports>>,
}

impl Changes {
    /// Adds the errors in `reports`, which are a variable, too ([`contract::UDPING_ERRORS`]).
    #[must_use]
    pub fn and_of(self, reports: Arc<Reports>) -> Self {
        Self { reports: Some(reports), ..self }
    }

    /// Resolves at the next change; never, if no change is possible any more.
    pub async fn next(&mut self) {
        let Self { variables, reports } = self;
        let of_variables = async {
            if variables.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let of_reports = async {
            match reports {
                Some(reports) => reports.news().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = of_variables => {}
            () = of_reports => {}
        }
    }
}

/// The parts of a store's state that the interface needs.
pub struct EnvironmentView<'a> {
    /// The variables.
    pub environment: &'a Environment,
    /// The instance's arguments, its own name first.
    pub arguments: &'a [String],
    /// Whether it gets notices, and facts of the host.
    pub notices: bool,
    /// The state that its sockets share, a source of facts.
    pub sockets: &'a SocketContext,
    /// Knows why something was denied.
    pub guard: &'a Guard,
}

/// Adds the interface to a linker. `view` borrows what it needs from a store's state.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> EnvironmentView<'_>,
) -> wasmtime::Result<()> {
    environment::add_to_linker::<_, InState>(linker, view)
}

/// As [`add_to_linker`], for WASI 0.3.
pub fn add_p3_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> EnvironmentView<'_>,
) -> wasmtime::Result<()> {
    p3::environment::add_to_linker::<_, InState>(linker, view)
}

struct InState;

impl HasData for InState {
    type Data<'a> = EnvironmentView<'a>;
}

impl environment::Host for EnvironmentView<'_> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let mut variables = self.environment.variables();
        if self.notices {
            variables
                .push((contract::UDPING_NOTICES.to_owned(), contract::NOTICES_ON_STDIN.to_owned()));
            variables.extend(facts::variables(self.sockets, self.guard));
        }
        Ok(variables)
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.arguments.to_vec())
    }

    /// There are no folders.
    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl p3::environment::Host for EnvironmentView<'_> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        environment::Host::get_environment(self)
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        environment::Host::get_arguments(self)
    }

    fn get_initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        environment::Host::initial_cwd(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_the_same_is_no_change() {
        let pair = |value: &str| ("A".to_owned(), value.to_owned());
        let environment = Environment::new([pair("1")]);
        let changes = environment.changes();
        environment.set(pair("1"));
        assert!(!changes.variables.has_changed().unwrap());
        environment.set(pair("2"));
        assert!(changes.variables.has_changed().unwrap());
        assert_eq!(environment.variables()[1..], [pair("2")]);
    }
}
