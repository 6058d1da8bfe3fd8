//! Where a component runs: wasmtime, what it is served, and the state of one instance.

use std::future::Future;
use std::io;
use std::sync::Arc;

use thiserror::Error;
use tokio::io::{AsyncWriteExt as _, duplex};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::cli::{AsyncStdinStream, StdoutStream};
use wasmtime_wasi::p2::bindings::{Command, CommandPre};
use wasmtime_wasi::{I32Exit, WasiCtx};

use crate::artifact::MachineCode;
use crate::compile::{self, Footprint};
use crate::environment::{CHANGED, Environment};
use crate::limits::{Enforcer, Limits, Output, Struck, Watchdog};
use crate::names::Names;
use crate::served;
use crate::state::State;
use crate::udp::Setting;

/// Why something that starts as a component cannot be run.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It does not validate, or does not compile.
    #[error("is not a valid component: {0}")]
    Invalid(String),
    /// It is machine code that this host cannot run.
    #[error("was not compiled by and for this host, compile it again: {0}")]
    Foreign(String),
    /// It has to be compiled, and this host cannot.
    #[error("is not compiled, and this udping-host has no compiler: make a .cwasm of it by `udping-host compile` elsewhere")]
    NoCompiler,
    /// Its compilation was stopped at a limit.
    #[error(transparent)]
    Limited(Struck),
    /// The process that compiled it was killed.
    #[error("was killed while it was compiled: the system has no more memory, or somebody did it")]
    Killed,
    /// The compiler failed on it.
    #[error("cannot be compiled: {0}")]
    Crashed(String),
    /// No process can be started to compile it.
    #[error("cannot be compiled, since no process can be started for that: {0}")]
    NoHelper(io::Error),
    /// Its machine code is more than [`compile::CODE_LIMIT`].
    #[error("compiles to more than 512 MiB of machine code")]
    TooMuchCode,
    /// It wants something that this host does not have.
    #[error("cannot be run here: {0}")]
    Import(String),
    /// It does not export `wasi:cli/run`.
    #[error("is not a program: it does not export wasi:cli/run")]
    NoProgram,
}

/// wasmtime with everything that a component can import.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
}

impl Sandbox {
    /// A sandbox for any number of components and instances. It has no compiler: [`compile`] has.
    pub fn new() -> wasmtime::Result<Self> {
        let mut config = udping_compiled::config();
        compile::without_compiler(&mut config);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        served::add_to_linker(&mut linker)?;
        Ok(Self { engine, linker })
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes of machine code what can be linked.
    pub fn load(&self, code: &MachineCode) -> Result<Loaded, LoadError> {
        // SAFETY: a `MachineCode` is what a compiler wrote: it is part of this program, or of a file that only who runs
        // this program, or root, could write, and who can write such a file can run code as this user anyway. Code for
        // another version, configuration or processor is found out by wasmtime and refused.
        #[expect(unsafe_code, reason = "wasmtime runs compiled code as it is")]
        let component = unsafe { Component::deserialize(&self.engine, code.bytes()) };
        let component = component.map_err(|error| LoadError::Foreign(first_line(&error)))?;
        Ok(Loaded {
            component,
            footprint: Footprint::of(code).ok_or_else(|| LoadError::Foreign("it has no description".to_owned()))?,
        })
    }

    /// Finds everything that a component imports, and its entry.
    pub fn link(&self, loaded: &Loaded) -> Result<Program, LoadError> {
        let pre = self.linker.instantiate_pre(&loaded.component);
        let pre = pre.map_err(|error| LoadError::Import(first_line(&error)))?;
        let command = CommandPre::new(pre).map_err(|_| LoadError::NoProgram)?;
        Ok(Program { command, footprint: loaded.footprint })
    }
}

/// A component in machine code.
pub struct Loaded {
    /// What can be linked.
    pub component: Component,
    footprint: Footprint,
}

/// A component that is ready to be started, any number of times.
pub struct Program {
    command: CommandPre<State>,
    footprint: Footprint,
}

/// What one instance gets.
pub struct Instance<Out, Err> {
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its standard output.
    pub stdout: Out,
    /// Its standard error.
    pub stderr: Err,
    /// Its variables.
    pub environment: Arc<Environment>,
    /// The names in its grants.
    pub names: Arc<Names>,
    /// What its sockets share.
    pub setting: Setting,
    /// What it may use.
    pub limits: Limits,
    /// What it may write.
    pub output: Output,
}

/// How an instance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It succeeded.
    Succeeded,
    /// It ran, and reports failure.
    Failed,
    /// It left by `wasi:cli/exit` with an error: it could not run.
    GaveUp,
    /// It did what a component may not, for the reason given.
    Trapped(String),
    /// It was stopped at a limit.
    Limited(Struck),
}

impl Program {
    /// Has its instances interrupted from time to time, as their limits ask for, and the deadlines of `enforcer` held.
    ///
    /// # Errors
    ///
    /// Where no thread can be started.
    pub fn watched(&self, enforcer: &Enforcer) -> io::Result<Watchdog> {
        Watchdog::start(self.command.engine(), enforcer.clone())
    }

    /// Runs an instance to its end. When its environment changes, its standard input says so; when `stop` resolves, that ends, by
    /// which the instance should end, too.
    pub async fn run<Out, Err>(&self, instance: Instance<Out, Err>, stop: impl Future<Output = ()>) -> Ended
    where
        Out: StdoutStream + 'static,
        Err: StdoutStream + 'static,
    {
        let (stdin, mut stdin_open) = duplex(CHANGED.len());
        let mut changes = instance.environment.changes();
        let wasi = WasiCtx::builder()
            .stdin(AsyncStdinStream::new(stdin))
            .stdout(instance.output.metered(instance.stdout))
            .stderr(instance.output.metered(instance.stderr))
            .allow_tcp(false)
            .build();
        let limits = instance.limits;
        let program = (instance.arguments, instance.environment);
        let mut state = State::new(wasi, program, instance.names, instance.setting, limits);
        // Before it is made: nothing can stop that half-way.
        if let Err(struck) = state.memory().reserve(self.footprint) {
            return Ended::Limited(struck);
        }
        let mut store = Store::new(self.command.engine(), state);
        store.limiter(|state| state.memory());
        store.set_hostcall_fuel(usize::try_from(limits.call.as_u64()).unwrap_or(usize::MAX));
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().compute().check()?;
            Ok(UpdateDeadline::Yield(1))
        });
        let run = async {
            let command: Command = self.command.instantiate_async(&mut store).await?;
            command.wasi_cli_run().call_run(&mut store).await
        };
        let say_on_stdin = async {
            let tell_changes = async {
                loop {
                    let line = changes.next().await;
                    // Where a line waits already, so that there is no room for another, that one tells of both.
                    if stdin_open.write_all(line).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            };
            tokio::select! {
                () = stop => {}
                () = tell_changes => {}
            }
            // To end is the message.
            drop(stdin_open);
            std::future::pending().await
        };
        let out_of_time = async {
            match limits.time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = run => Ended::of(result, &limits),
            () = out_of_time => Ended::Limited(Struck::Time(limits.time.unwrap_or_default())),
            never = say_on_stdin => never,
        }
    }
}

impl Ended {
    fn of(result: wasmtime::Result<Result<(), ()>>, limits: &Limits) -> Self {
        match result {
            Ok(Ok(())) => Self::Succeeded,
            Ok(Err(())) => Self::Failed,
            Err(error) => match (error.downcast_ref::<I32Exit>(), Struck::of(&error, limits)) {
                (Some(I32Exit(0)), _) => Self::Succeeded,
                (Some(_), _) => Self::GaveUp,
                (None, Some(struck)) => Self::Limited(struck),
                (None, None) => Self::Trapped(error.root_cause().to_string()),
            },
        }
    }
}

/// wasmtime's errors explain themselves over many lines; the first says what is wrong.
pub(crate) fn first_line(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    text.lines().next().unwrap_or_default().to_owned()
}
