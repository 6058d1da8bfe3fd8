//! `wasi:cli/environment`: the variables of a component, asked for afresh at each call, since some of them change while it runs.
//! `udping_cli::contract` says which ones this host sets, and what they mean.

#[cfg(unix)]
use std::io;

use tokio::sync::watch;
use udping_cli::contract;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::cli::environment;

/// The variable that tells a component that it runs here.
const UNDER_UDPING_HOST: (&str, &str) = (contract::UDPING_HOST, env!("CARGO_PKG_VERSION"));

/// The variables that this host sets itself.
pub const RESERVED: [&str; 4] =
    [contract::UDPING_HOST, contract::UDPING_NOTICES, contract::UDPING_COLUMNS, contract::UDPING_ZONES];

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
        self.0.send_if_modified(|variables| match variables.iter_mut().find(|(name, _)| *name == variable.0) {
            Some(known) if *known == variable => false,
            Some(known) => {
                *known = variable;
                true
            }
            None => {
                variables.push(variable);
                true
            }
        });
    }

    /// Tells of each change from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

/// The changes of an [`Environment`].
#[derive(Debug)]
pub struct Changes(watch::Receiver<Vec<(String, String)>>);

impl Changes {
    /// Resolves at the next change, and never when there can be none any more.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
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
}

/// Adds it to what a linker serves, where `view` gives what it needs of a store's state.
pub fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> EnvironmentView<'_>) -> wasmtime::Result<()> {
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
            variables.push((contract::UDPING_NOTICES.to_owned(), contract::NOTICES_ON_STDIN.to_owned()));
            variables.extend(facts());
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

/// What the host knows now, and does not tell of when it changes.
fn facts() -> impl Iterator<Item = (String, String)> {
    columns().into_iter().map(|columns| (contract::UDPING_COLUMNS.to_owned(), columns.to_string()))
}

/// The columns of the terminal that standard output is.
#[cfg(unix)]
fn columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    // A serial line does not know its size.
    (size.ws_col > 0).then_some(size.ws_col)
}

#[cfg(not(unix))]
fn columns() -> Option<u16> {
    None
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
        assert!(!changes.0.has_changed().unwrap());
        environment.set(pair("2"));
        assert!(changes.0.has_changed().unwrap());
        assert_eq!(environment.variables()[1..], [pair("2")]);
    }
}
