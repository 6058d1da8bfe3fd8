//! One run of a component, as planned.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use wasmtime::component::Component;
use wasmtime_wasi::cli::StdoutStream;

use crate::artifact::Source;
use crate::exit::Exit;
use crate::grants::Grants;
use crate::guard::{Denial, Guard, Ledger};
use crate::limits::Output;
use crate::names::Names;
use crate::plan::Plan;
use crate::sandbox::{Compiler, Instance, Program, Sandbox};

/// Reads the component at `source`, and compiles it where need be. The error says which component it is about.
pub fn component(source: &Source) -> Result<(Sandbox, Component)> {
    let artifact = source.read()?;
    let sandbox = Sandbox::new(Compiler::of(&artifact))?;
    let component = sandbox.load(&artifact).with_context(|| source.to_string())?;
    Ok((sandbox, component))
}

/// The component at `source`, ready to be started. The error says which component it is about.
pub fn load(source: &Source) -> Result<Program> {
    let (sandbox, component) = component(source)?;
    sandbox.link(&component).with_context(|| source.to_string())
}

/// Compiles the component at `source` into the file `output`.
pub fn compile(source: &Source, output: &Path) -> Result<Exit> {
    let sandbox = Sandbox::new(Compiler::Needed)?;
    let code = match source
        .read_component()
        .map_err(Into::into)
        .and_then(|bytes| crate::compile::machine_code(sandbox.engine(), &bytes).with_context(|| source.to_string()))
    {
        Ok(code) => code,
        Err(error) => {
            say(format_args!("{error:#}"));
            return Ok(Exit::NotAComponent);
        }
    };
    fs::write(output, code).with_context(|| format!("cannot write {}", output.display()))?;
    Ok(Exit::Success)
}

/// What all instances of a run share.
#[derive(Clone)]
pub struct Shared {
    /// What they may do.
    pub grants: Arc<Grants>,
    names: Arc<Names>,
    output: Output,
    /// What did not pass.
    pub ledger: Arc<Ledger>,
}

impl Shared {
    /// Resolves the names in the plan's grants. What does not pass goes to standard error.
    ///
    /// # Errors
    ///
    /// Where a name that is to be denied has no address: then it is not known what to deny.
    pub async fn of(plan: &Plan) -> Result<Self> {
        let names = Arc::new(Names::resolve(plan.grants.names()).await);
        if let Some(name) = plan.grants.denied_names().find(|name| names.addresses(name).is_empty()) {
            bail!("--deny-to {name}: the name has no address, so what it forbids is not known");
        }
        let ledger = Ledger::new(|denial: &Denial<'_>, untold| match untold {
            0 => say(denial),
            more => say(format_args!("{denial} ({more} more since the last such line)")),
        });
        Ok(Self {
            grants: Arc::new(plan.grants.with_addresses(&names)),
            names,
            output: Output::new(plan.limits.output),
            ledger: Arc::new(ledger),
        })
    }

    /// The gate of an instance, or of those that follow one another in one place.
    pub fn guard(&self, plan: &Plan) -> Arc<Guard> {
        Arc::new(Guard::new(plan.source.name(), self.grants.clone(), plan.rates, self.ledger.clone()))
    }

    /// An instance for `plan`.
    pub fn instance<Out: StdoutStream, Err: StdoutStream>(
        &self,
        plan: &Plan,
        guard: Arc<Guard>,
        stdout: Out,
        stderr: Err,
    ) -> Instance<Out, Err> {
        Instance {
            arguments: plan.argv(),
            stdout,
            stderr,
            output: self.output.clone(),
            guard,
            names: self.names.clone(),
            tuning: plan.tuning,
            limits: plan.limits,
        }
    }
}

/// A line on standard error.
pub fn say(message: impl std::fmt::Display) {
    eprintln!("udping-host: {message}");
}
