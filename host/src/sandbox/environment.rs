//! `wasi:cli/environment`: the variables of a component, asked for afresh at each call, since some
//! of them change while it runs. `udping_cli::contract` says which ones this host sets, and what
//! they mean.

use std::sync::Arc;

use tokio::sync::watch;
use udping_cli::contract;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::cli::environment;

use crate::sandbox::facts;
use udping_permissions::guard::Guard;
use wasi_datagram::{Reports, SocketContext};

/// The variable that tells a component that it runs here.
const UNDER_UDPING_HOST: (&str, &str) = (contract::UDPING_HOST, env!("CARGO_PKG_VERSION"));

/// The variables that this host sets itself.
pub const RESERVED: [&str; 7] = [
    contract::UDPING_HOST,
    contract::UDPING_NOTICES,
    contract::UDPING_COLUMNS,
    contract::UDPING_ZONES,
    contract::UDPING_DROPPED,
    contract::UDPING_ERRORS,
    contract::UDPING_DENIED,
];

/// The variables of all instances of a run.
#[derive(Debug)]
pub struct Environment(watch::Sender<Vec<(String, String)>>);

impl Environment {
    /// That which names this host, and `variables`.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let host = (UNDER_UDPING_HOST.0.to_owned(), UNDER_UDPING_HOST.1.to_owned());
        Self(watch::Sender::new([host].into_iter().chain(variables).collect()))
    }

    /// What they are now.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.0.borrow().clone()
    }

    /// Gives a variable another value, and has everybody told who asked for [`Self::changes`].
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

    /// Tells of each change from now on.
    pub fn changes(&self) -> Changes {
        Changes { variables: self.0.subscribe(), reports: None }
    }
}

/// The changes of an [`Environment`].
#[derive(Debug)]
pub struct Changes {
    variables: watch::Receiver<Vec<(String, String)>>,
    reports: Option<Arc<Reports>>,
}

impl Changes {
    /// And of the errors in `reports`, which are a variable, too ([`contract::UDPING_ERRORS`]).
    #[must_use]
    pub fn and_of(self, reports: Arc<Reports>) -> Self {
        Self { reports: Some(reports), ..self }
    }

    /// Resolves at the next change, and never when there can be none any more.
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

/// What the interface needs of a store's state.
pub struct EnvironmentView<'a> {
    /// The variables.
    pub environment: &'a Environment,
    /// The instance's arguments, its own name first.
    pub arguments: &'a [String],
    /// Whether it is given notices, and facts of the host.
    pub notices: bool,
    /// What its sockets share, which has facts to tell.
    pub sockets: &'a SocketContext,
    /// Knows why something was refused.
    pub guard: &'a Guard,
}

/// Adds it to what a linker serves, where `view` gives what it needs of a store's state.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> EnvironmentView<'_>,
) -> wasmtime::Result<()> {
    environment::add_to_linker::<_, InState>(linker, view)
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
