//! `wasi:cli/environment`: the variables of a component, asked for afresh at each call, since some of them change while it runs.

use tokio::sync::watch;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::cli::environment;

use crate::terminal::Terminal;

/// The variable that tells a component that it runs here: refusals are said by the host, and standard input says what this host
/// has to say: [`CHANGED`], and by its end that the component should end, too.
pub const UNDER_UDPING_HOST: (&str, &str) = ("UDPING_HOST", env!("CARGO_PKG_VERSION"));

/// The line that is written to a component's standard input when a variable has another value than before.
pub const CHANGED: &[u8] = b"environment\n";

/// The line that asks a component for statistics so far.
pub const REPORT: &[u8] = b"report\n";

/// The variables of all instances of a run, and what else they are told of by a line.
#[derive(Debug)]
pub struct Environment {
    variables: watch::Sender<Vec<(String, String)>>,
    reports: watch::Sender<u64>,
    terminal: Terminal,
}

impl Environment {
    /// That which names this host, and `variables`.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let host = (UNDER_UDPING_HOST.0.to_owned(), UNDER_UDPING_HOST.1.to_owned());
        let variables = watch::Sender::new([host].into_iter().chain(variables).collect());
        Self { variables, reports: watch::Sender::new(0), terminal: Terminal::None }
    }

    /// The same for a component that writes to `terminal`.
    pub fn on(self, terminal: Terminal) -> Self {
        Self { terminal, ..self }
    }

    /// What they are now.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.variables.borrow().iter().cloned().chain(self.terminal.columns()).collect()
    }

    /// Asks the instances for statistics so far.
    pub fn request_report(&self) {
        self.reports.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Gives a variable another value, and has everybody told who asked for [`Self::changes`].
    pub fn set(&self, variable: (String, String)) {
        self.variables.send_if_modified(|variables| match variables.iter_mut().find(|(name, _)| *name == variable.0) {
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

    /// Tells of each change, and of each request, from now on.
    pub fn changes(&self) -> Changes {
        Changes { variables: self.variables.subscribe(), reports: self.reports.subscribe() }
    }
}

/// The changes of an [`Environment`].
#[derive(Debug)]
pub struct Changes {
    variables: watch::Receiver<Vec<(String, String)>>,
    reports: watch::Receiver<u64>,
}

impl Changes {
    /// The line that tells of the next one. Never resolves when there can be none any more.
    pub async fn next(&mut self) -> &'static [u8] {
        tokio::select! {
            Ok(()) = self.variables.changed() => CHANGED,
            Ok(()) = self.reports.changed() => REPORT,
            else => std::future::pending().await,
        }
    }
}

/// What the interface needs of a store's state.
pub struct EnvironmentView<'a> {
    /// The variables.
    pub environment: &'a Environment,
    /// The instance's arguments, its own name first.
    pub arguments: &'a [String],
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
        Ok(self.environment.variables())
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
