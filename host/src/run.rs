//! One run of a component, as planned.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use anyhow::{Context as _, Result, bail};
use wasmtime::component::Component;
use wasmtime_wasi::cli::StdoutStream;

use crate::artifact::{Artifact, Source};
use crate::audit;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::grants::Grants;
use crate::guard::{Guard, Ledger};
use crate::harden::LowPorts;
use crate::key::Keys;
use crate::limits::{Activity, Output};
use crate::log::say;
use crate::names::Names;
use crate::plan::Plan;
use crate::sandbox::{Compiler, Instance, Program, Sandbox};
use crate::udp::{Kept, Setting};

/// What `artifact` holds, compiled where need be, and with what it runs in.
fn component(artifact: &Artifact) -> Result<(Sandbox, Component)> {
    let sandbox = Sandbox::new(Compiler::of(artifact))?;
    let component = sandbox.load(artifact)?;
    Ok((sandbox, component))
}

/// Reads the component at `source`, and compiles it where need be. The error says which component it is about.
pub fn read(source: &Source) -> Result<(Sandbox, Component)> {
    component(&source.read()?).with_context(|| source.to_string())
}

/// What `source` held, ready to be started. The error says which component it is about.
pub fn load(source: &Source, artifact: &Artifact) -> Result<Program> {
    let (sandbox, component) = component(artifact).with_context(|| source.to_string())?;
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
    /// Its variables.
    pub environment: Arc<Environment>,
    /// What did not pass.
    pub ledger: Arc<Ledger>,
}

impl Shared {
    /// Resolves the names in the plan's grants. What does not pass is told.
    ///
    /// # Errors
    ///
    /// Where a name that is to be denied has no address: then it is not known what to deny.
    pub async fn of(plan: &Plan) -> Result<Self> {
        let names = Arc::new(Names::resolve(plan.grants.names()).await);
        if let Some(name) = plan.grants.denied_names().find(|name| names.addresses(name).is_empty()) {
            bail!("--deny-to {name}: the name has no address, so what it forbids is not known");
        }
        Ok(Self {
            grants: Arc::new(plan.grants.with_addresses(&names)),
            names,
            output: Output::new(plan.limits.output),
            environment: Arc::new(Environment::new(plan.keys.iter().map(Keys::variable).chain(plan.variables.clone()))),
            ledger: Arc::new(Ledger::new(audit::denial)),
        })
    }

    /// A place for instances. Where `given` are sockets that are bound already, they are its own.
    pub fn place(&self, plan: &Plan, given: Vec<UdpSocket>) -> io::Result<Place> {
        let guard = Guard::new(plan.source.name(), self.grants.clone(), plan.rates, self.ledger.clone());
        let kept = Kept::new(given, plan.restart.is_some())?;
        let low_ports = LowPorts::new(plan.harden && plan.grants.binds_low_ports());
        Ok(Place { guard: Arc::new(guard), kept: Arc::new(kept), low_ports: Arc::new(low_ports) })
    }

    /// An instance for `plan`, in `place`.
    pub fn instance<Out: StdoutStream, Err: StdoutStream>(
        &self,
        plan: &Plan,
        place: &Place,
        stdout: Out,
        stderr: Err,
    ) -> Instance<Out, Err> {
        let Place { guard, kept, low_ports } = place.clone();
        Instance {
            arguments: plan.argv(),
            environment: self.environment.clone(),
            stdout,
            stderr,
            output: self.output.clone(),
            names: self.names.clone(),
            setting: Setting { guard, activity: Activity::default(), tuning: plan.tuning, kept, low_ports },
            limits: plan.limits,
        }
    }
}

/// What instances have in common that follow one another.
#[derive(Clone)]
pub struct Place {
    /// Knows whom they have heard from.
    pub guard: Arc<Guard>,
    kept: Arc<Kept>,
    low_ports: Arc<LowPorts>,
}
