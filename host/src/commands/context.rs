//! One run of a component, as planned.

use std::io;
use std::net::UdpSocket;
#[cfg(feature = "compiler")]
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use wasmtime_wasi::cli::StdoutStream;

use crate::commands::audit;
use crate::commands::conditions::{self, Captured};
use crate::config::key::Keys;
use crate::config::plan::Plan;
use crate::process::exit::Exit;
use crate::process::log::say;
use crate::process::own_addresses;
use crate::process::resolver::{Resolver, resolve_all};
#[cfg(feature = "compiler")]
use crate::process::trust;
use crate::sandbox::artifact::{Artifact, Source};
#[cfg(feature = "compiler")]
use crate::sandbox::compile::{Cache, Key};
use crate::sandbox::counts::{Counts, Questions};
use crate::sandbox::environment::Environment;
use crate::sandbox::instance::{Instance, Loaded, Program, Sandbox};
use crate::sandbox::load_error::LoadError;
use crate::sandbox::permissions::InstancePermissions;
use crate::sandbox::terminal;
use udping_harden::BindCapability;
use udping_permissions::grants::Current;
use udping_permissions::guard::{Guard, Ledger, Meters, Recorder};
use udping_permissions::host_name::HostName;
use udping_permissions::limits::CompileLimits;
use udping_permissions::limits::{Lookups, Output};
use udping_permissions::names::Names;
use wasi_datagram::{Buffers, InheritedSockets, OperatingSystem, Reports, SocketContext, World};

/// How a component is prepared for running.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loading {
    /// Resource limits for compiling it.
    pub limits: CompileLimits,
    /// Whether the compiling process skips hardening.
    pub no_harden: bool,
}

impl Loading {
    /// Takes the settings from the plan.
    pub fn of(plan: &Plan) -> Self {
        Self { limits: plan.limits.compile, no_harden: !plan.harden }
    }
}

/// Returns the component in `artifact`, compiled if necessary.
fn loaded(sandbox: &Sandbox, artifact: &Artifact, loading: Loading) -> Result<Loaded, LoadError> {
    match artifact {
        Artifact::Compiled(code) => sandbox.load(code),
        Artifact::Component(bytes) => compiled(sandbox, bytes, loading),
    }
}

#[cfg(feature = "compiler")]
fn compiled(sandbox: &Sandbox, component: &[u8], loading: Loading) -> Result<Loaded, LoadError> {
    let (cache, key) = (Cache::of_this_user(), Key::of(component));
    // A cached artifact of another configuration or processor is compiled again.
    let kept = cache.as_ref().and_then(|cache| sandbox.load(&cache.get(&key)?).ok());
    if let Some(loaded) = kept {
        return Ok(loaded);
    }
    let code =
        crate::sandbox::compile::machine_code(component, &loading.limits, !loading.no_harden)?;
    let loaded = sandbox.load(&code)?;
    if let Some(cache) = cache {
        // If it cannot be cached, the next start only takes as long again.
        let _ = cache.put(&key, &code);
    }
    Ok(loaded)
}

#[cfg(not(feature = "compiler"))]
fn compiled(_: &Sandbox, _: &[u8], _: Loading) -> Result<Loaded, LoadError> {
    Err(LoadError::NoCompiler)
}

/// Reads the component at `source`, and compiles it if necessary. The error names the component.
pub fn read(source: &Source, loading: Loading) -> Result<(Sandbox, Loaded)> {
    let (artifact, sandbox) = (source.read()?, Sandbox::new()?);
    let loaded = loaded(&sandbox, &artifact, loading).with_context(|| source.to_string())?;
    Ok((sandbox, loaded))
}

/// Compiles a component that is known to be good.
pub fn compile_now(component: &[u8]) -> Result<(Sandbox, Loaded)> {
    let sandbox = Sandbox::new()?;
    let loaded = compiled(&sandbox, component, Loading::default())?;
    Ok((sandbox, loaded))
}

/// Loads what was read from `source` as a program that can be started. The error names the
/// component.
pub fn load(source: &Source, artifact: &Artifact, loading: Loading) -> Result<Program> {
    load_into(&Sandbox::new()?, source, artifact, loading)
}

/// Like [`load`], into a sandbox.
pub fn load_into(
    sandbox: &Sandbox,
    source: &Source,
    artifact: &Artifact,
    loading: Loading,
) -> Result<Program> {
    let loaded = loaded(sandbox, artifact, loading).with_context(|| source.to_string())?;
    sandbox.link(&loaded).with_context(|| source.to_string())
}

/// Reports why the component at `source` cannot be run.
pub fn refuse(source: &Source, error: &anyhow::Error) -> Exit {
    match error.downcast_ref() {
        Some(LoadError::Limited(limit)) => {
            audit::limited(&source.name(), limit);
            Exit::Limited
        }
        Some(LoadError::Killed) => {
            say(format_args!("{error:#}"));
            Exit::Limited
        }
        _ => {
            say(format_args!("{error:#}"));
            Exit::NotAComponent
        }
    }
}

/// Compiles the component at `source` into the file `output`, for this host to run later.
#[cfg(feature = "compiler")]
pub fn compile(source: &Source, output: &Path, loading: Loading) -> Result<Exit> {
    let code = source.read_component().map_err(anyhow::Error::from).and_then(|bytes| {
        let code =
            crate::sandbox::compile::machine_code(&bytes, &loading.limits, !loading.no_harden);
        code.with_context(|| source.to_string())
    });
    let code = match code {
        Ok(code) => code,
        Err(error) => return Ok(refuse(source, &error)),
    };
    let untrusted = trust::write_code(output, code.bytes())
        .with_context(|| format!("cannot write {}", output.display()))?;
    if let Some(untrusted) = untrusted {
        say(format_args!(
            "warning: {} is written, but is not run from there: {untrusted}",
            output.display()
        ));
    }
    Ok(Exit::Success)
}

/// The state shared by all instances of a run.
#[derive(Clone)]
pub struct RunContext {
    /// The grants in force.
    pub grants: Arc<Current>,
    /// The addresses that names resolve to.
    pub names: Arc<Names>,
    /// Resolves the names that are not known yet.
    pub resolver: Arc<Resolver>,
    output: Output,
    /// The environment variables of the component.
    pub environment: Arc<Environment>,
    meters: Arc<Meters>,
    lookups: Lookups,
    /// The record of denials.
    pub ledger: Arc<Ledger>,
    /// What the workers' sockets report.
    reports: Arc<Mutex<Vec<Arc<Reports>>>>,
    /// How often instances were started anew.
    restarts: Arc<AtomicU64>,
    /// What instances count themselves.
    pub counts: Arc<Counts>,
    /// The capture of its datagrams.
    pub captured: Captured,
    /// Records what is used, under `learn`.
    pub recorder: Option<Arc<Recorder>>,
}

impl RunContext {
    /// Creates the context, with the names in the plan's grants resolved. Denials are logged.
    ///
    /// # Errors
    ///
    /// If a name that is to be denied has no address, since it is then unknown what to deny; or if
    /// a network is granted and the addresses of this machine cannot be read, since it is then
    /// unknown what the grant excludes.
    pub fn of(plan: &Plan) -> Result<Self> {
        Self::with_names(plan, resolved(plan.grants.names()), Arc::default())
    }

    /// Creates the context, with the names in the plan's grants resolved to `names`, and others to
    /// be resolved by `resolver`.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn with_names(plan: &Plan, names: Names, resolver: Arc<Resolver>) -> Result<Self> {
        let names = Arc::new(names.again_after(plan.resolve_every));
        if let Some(name) = plan.grants.denied_names().find(|name| names.addresses(name).is_empty())
        {
            let reason = names.failure(name).map(|error| error.to_string()).unwrap_or_default();
            bail!(
                "--deny-to {name}: what it forbids is not known, since the name has no address: {reason}"
            );
        }
        let mut grants = plan.grants.with_addresses(&names);
        if grants.send.are_wide() {
            grants.own = own_addresses::read()
                .context("cannot read the addresses of this machine, which no network covers")?;
        }
        Ok(Self {
            grants: Arc::new(Current::new(plan.grants.clone(), grants)),
            names,
            resolver,
            output: Output::new(&plan.limits),
            meters: Arc::new(Meters::new(plan.rates)),
            lookups: Lookups::new(plan.limits.lookups),
            environment: Arc::new(environment(plan)),
            ledger: Arc::new(Ledger::new(audit::denial)),
            reports: Arc::default(),
            restarts: Arc::default(),
            counts: Arc::default(),
            captured: Captured::start(plan)?,
            recorder: plan.learns.then(Arc::default),
        })
    }

    /// Creates the context of a worker. The sockets in `given` are already bound, and become its
    /// own.
    pub fn place(&self, plan: &Plan, given: Vec<UdpSocket>) -> io::Result<WorkerContext> {
        let guard = Guard::new(
            plan.source.name(),
            self.grants.clone(),
            self.meters.clone(),
            self.ledger.clone(),
        )
        .with_advice(plan.advice.clone())
        .with_recorder(self.recorder.clone());
        let reports = Reports::new();
        self.reports().push(reports.clone());
        let world = OperatingSystem::new(
            plan.tuning,
            Buffers::new(plan.limits.buffers, plan.limits.sockets),
            plan.socket_options.clone(),
            reports,
        );
        let given = given.into_iter().map(|socket| world.inherit(socket));
        let given = given.collect::<io::Result<Vec<_>>>()?;
        let kept = if plan.restart.is_some() { plan.limits.sockets } else { 0 };
        let kept = InheritedSockets::new(given, kept);
        let bind_capability = BindCapability::new(plan.harden && plan.needs().keep_a_capability());
        Ok(WorkerContext {
            guard: Arc::new(guard),
            kept: Arc::new(kept),
            bind_capability: Arc::new(bind_capability),
            world: conditions::apply(plan, &self.captured, Arc::new(world))?,
        })
    }

    /// The number of datagrams dropped by full receive buffers; `None` if the system does not count
    /// them.
    pub fn socket_dropped(&self) -> Option<u64> {
        let reports = self.reports().clone();
        reports.iter().map(|reports| reports.dropped()).sum()
    }

    /// Counts that an instance is started anew.
    pub fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// How often instances were started anew.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    fn reports(&self) -> MutexGuard<'_, Vec<Arc<Reports>>> {
        // No panic while the lock is held leaves the list inconsistent.
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an instance of `plan` in the worker `place`.
    pub fn instance<Out: StdoutStream, Err: StdoutStream>(
        &self,
        plan: &Plan,
        place: &WorkerContext,
        stdout: Out,
        stderr: Err,
    ) -> Instance<Out, Err> {
        let WorkerContext { guard, kept, bind_capability, world } = place.clone();
        let permissions = Arc::new(InstancePermissions {
            lookups: self.lookups.clone(),
            names: self.names.clone(),
            resolver: self.resolver.clone(),
            bind_capability,
            ..InstancePermissions::new(guard, &plan.limits)
        });
        Instance {
            arguments: plan.argv(),
            environment: self.environment.clone(),
            stdout,
            stderr,
            output: self.output.clone(),
            permissions: permissions.clone(),
            sockets: SocketContext { permissions, world, kept },
            limits: plan.limits,
            own_stdin: plan.stdin,
            stop_grace: plan.stop_grace,
            questions: Questions::none(),
            started: Arc::default(),
        }
    }
}

/// Resolves each name now, by the system's resolver.
fn resolved<'a>(names: impl Iterator<Item = &'a HostName>) -> Names {
    let mut names: Vec<_> = names.cloned().collect();
    names.sort_unstable();
    names.dedup();
    let resolved = resolve_all(&names);
    names.into_iter().zip(resolved).collect()
}

/// Returns the variables that `plan` sets for its component. The operator's come last, so they take
/// precedence over others of the same name.
fn environment(plan: &Plan) -> Environment {
    let mut variables = terminal::variables(&plan.source);
    variables.retain(|(name, _)| !plan.variables.iter().any(|(other, _)| other == name));
    variables.extend(plan.keys.iter().map(Keys::variable));
    variables.extend(plan.socket_options.variable());
    variables.extend(plan.variables.clone());
    Environment::new(variables)
}

/// The state that a worker's successive instances share.
#[derive(Clone)]
pub struct WorkerContext {
    /// Knows which peers the instances have received from.
    pub guard: Arc<Guard>,
    kept: Arc<InheritedSockets>,
    bind_capability: Arc<BindCapability>,
    world: Arc<dyn World>,
}
