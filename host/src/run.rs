//! One run of a component, as planned.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use wasmtime::component::Component;
use wasmtime_wasi::cli::StdoutStream;

use crate::artifact::Source;
use crate::exit::Exit;
use crate::grants::Grants;
use crate::guard::{Guard, Refusal};
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
    /// Decides about their use of the network.
    pub guard: Arc<Guard>,
    names: Arc<Names>,
}

impl Shared {
    /// Resolves the names in the plan's grants. Refusals go to standard error.
    pub async fn of(plan: &Plan) -> Self {
        let names = Arc::new(Names::resolve(plan.grants.names()).await);
        let grants: Grants = plan.grants.with_addresses(&names);
        let guard = Arc::new(Guard::new(plan.source.name(), grants, |refusal: &Refusal<'_>| say(refusal)));
        Self { guard, names }
    }

    /// An instance for `plan`.
    pub fn instance<Out: StdoutStream, Err: StdoutStream>(
        &self,
        plan: &Plan,
        stdout: Out,
        stderr: Err,
    ) -> Instance<Out, Err> {
        let Self { guard, names } = self.clone();
        Instance { arguments: plan.argv(), stdout, stderr, guard, names, tuning: plan.tuning }
    }
}

/// A line on standard error.
pub fn say(message: impl std::fmt::Display) {
    eprintln!("udping-host: {message}");
}
