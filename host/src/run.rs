//! Runs one component as planned.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use wasmtime::component::Component;
use wasmtime_wasi::cli::{StdoutStream, stderr, stdout};

use crate::artifact::Source;
use crate::exit::Exit;
use crate::grants::Grants;
use crate::guard::{Guard, Refusal};
use crate::names::Names;
use crate::plan::Plan;
use crate::sandbox::{Ended, Instance, Program, Sandbox};
use crate::signals;

/// Reads and compiles the component at `source`. The error says which component it is about.
pub fn compile(sandbox: &Sandbox, source: &Source) -> Result<Component> {
    sandbox.compile(&source.read()?).with_context(|| source.to_string())
}

/// The component at `source`, ready to be started. The error says which component it is about.
pub fn load(sandbox: &Sandbox, source: &Source) -> Result<Program> {
    let component = compile(sandbox, source)?;
    sandbox.link(&component).with_context(|| source.to_string())
}

/// Runs `plan` with this process's output and signals, and says on standard error what was refused and why it trapped.
pub async fn run(plan: &Plan) -> Result<Exit> {
    let sandbox = Sandbox::new()?;
    let program = match load(&sandbox, &plan.source) {
        Ok(program) => program,
        Err(error) => {
            say(format_args!("{error:#}"));
            return Ok(Exit::NotAComponent);
        }
    };
    let stop = signals::stop().context("cannot watch for Ctrl-C")?;
    let instance = instance(plan, stdout(), stderr()).await;
    let guard = instance.guard.clone();
    let ended = program.run(instance, stop).await;
    if let Ended::Trapped(reason) = &ended {
        say(format_args!("{}: trapped: {reason}", plan.source.name()));
    }
    Ok(Exit::of(&ended, guard.refusals()))
}

/// An instance for `plan`: resolves the names in its grants. Refusals go to standard error.
pub async fn instance<Out: StdoutStream, Err: StdoutStream>(plan: &Plan, stdout: Out, stderr: Err) -> Instance<Out, Err> {
    let names = Arc::new(Names::resolve(plan.grants.names()).await);
    let grants: Grants = plan.grants.with_addresses(&names);
    let guard = Arc::new(Guard::new(plan.source.name(), grants, |refusal: &Refusal<'_>| say(refusal)));
    Instance { arguments: plan.argv(), stdout, stderr, guard, names }
}

/// A line on standard error.
pub fn say(message: impl std::fmt::Display) {
    eprintln!("udping-host: {message}");
}
