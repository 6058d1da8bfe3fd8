//! The engine of wasmtime with the interfaces it serves, and the run of one instance.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use udping_cli::contract;
use udping_components::Wasi;
use wasmtime::component::{Component, ComponentExportIndex, Linker};
use wasmtime::{Config, Engine, Store, UpdateDeadline};
#[cfg(feature = "exporter")]
use wasmtime::{InstanceAllocationStrategy, PoolingAllocationConfig};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::{StdinStream, StdoutStream};

use crate::process::signals::Stop;
use crate::sandbox::artifact::MachineCode;
use crate::sandbox::compile::{self, footprint};
use crate::sandbox::counts::Questions;
use crate::sandbox::enforcer::Enforcer;
use crate::sandbox::entry::Entry;
use crate::sandbox::environment::Environment;
use crate::sandbox::linker;
use crate::sandbox::load_error::LoadError;
use crate::sandbox::outcome::{Outcome, Stopped};
use crate::sandbox::permissions::InstancePermissions;
use crate::sandbox::standard_input::{self, Input};
use crate::sandbox::state::State;
use crate::sandbox::watchdog::Watchdog;
use udping_permissions::limits::{Footprint, LimitExceeded, Limits, Output};
use wasi_datagram::SocketContext;

/// The maximum number of core instances, and of tables, of a component in a pool: those of the
/// built-in ones, whose imports are a module of their own.
#[cfg(feature = "exporter")]
const CORE_INSTANCES: u32 = 8;

/// The bytes of each memory and table, and of each stack, in a pool that are cleared by writing, rather
/// than given back to the system: more than the built-in client writes to.
#[cfg(feature = "exporter")]
const RESIDENT: usize = 2 << 20;
#[cfg(feature = "exporter")]
const RESIDENT_STACK: usize = 64 << 10;

/// wasmtime with everything that a component can import.
pub struct Sandbox {
    p2: WasiEngine,
    /// Created for the first component that needs it.
    p3: OnceLock<WasiEngine>,
}

/// An engine for components of one version of WASI.
struct WasiEngine {
    engine: Engine,
    linker: Linker<State>,
}

impl WasiEngine {
    fn new(mut config: Config, wasi: Wasi) -> wasmtime::Result<Self> {
        compile::without_compiler(&mut config);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        linker::add_to_linker(&mut linker, wasi)?;
        Ok(Self { engine, linker })
    }
}

impl Sandbox {
    /// Creates a sandbox for any number of components and instances. It has no compiler:
    /// [`compile`] has.
    pub fn new() -> wasmtime::Result<Self> {
        Self::of(udping_compiled::config(Wasi::P2))
    }

    /// Creates a sandbox for at most that number of instances at a time of one small component: their
    /// memory and stacks are mapped once, and used again after they were cleared. That takes a third
    /// off what a short run takes.
    #[cfg(feature = "exporter")]
    pub fn pooled(instances: u32) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
            .max_core_instances_per_component(CORE_INSTANCES)
            .total_memories(instances)
            .max_memories_per_component(1)
            .total_tables(instances.saturating_mul(CORE_INSTANCES))
            .max_tables_per_component(CORE_INSTANCES)
            .total_stacks(instances)
            .max_unused_warm_slots(instances)
            .linear_memory_keep_resident(RESIDENT)
            .table_keep_resident(RESIDENT)
            .async_stack_keep_resident(RESIDENT_STACK);
        let mut config = udping_compiled::config(Wasi::P2);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        Self::of(config)
    }

    fn of(config: Config) -> wasmtime::Result<Self> {
        Ok(Self { p2: WasiEngine::new(config, Wasi::P2)?, p3: OnceLock::new() })
    }

    fn wasi_engine(&self, wasi: Wasi) -> wasmtime::Result<&WasiEngine> {
        match (wasi, self.p3.get()) {
            (Wasi::P2, _) => Ok(&self.p2),
            (Wasi::P3, Some(p3)) => Ok(p3),
            (Wasi::P3, None) => {
                let p3 = WasiEngine::new(udping_compiled::config(Wasi::P3), Wasi::P3)?;
                Ok(self.p3.get_or_init(|| p3))
            }
        }
    }

    /// Loads machine code so that it can be linked.
    pub fn load(&self, code: &MachineCode) -> Result<Loaded, LoadError> {
        let foreign = |error| LoadError::Foreign(first_line(&error));
        let p2 = self.deserialize(Wasi::P2, code).map_err(foreign);
        let (component, wasi) = match p2 {
            Ok(component) => (component, Wasi::P2),
            // Its error says what is wrong with code for either.
            Err(error) => (self.deserialize(Wasi::P3, code).map_err(|_| error)?, Wasi::P3),
        };
        Ok(Loaded {
            component,
            wasi,
            footprint: footprint::of(code)
                .ok_or_else(|| LoadError::Foreign("it has no description".to_owned()))?,
        })
    }

    fn deserialize(&self, wasi: Wasi, code: &MachineCode) -> wasmtime::Result<Component> {
        let engine = &self.wasi_engine(wasi)?.engine;
        // SAFETY: a `MachineCode` is the output of a compiler: part of this program, or of a file
        // that only this user or root could write, and who can write such a file can run code as
        // this user anyway. wasmtime detects and refuses code for another version, configuration or
        // processor.
        #[expect(unsafe_code, reason = "wasmtime runs compiled code as it is")]
        unsafe {
            Component::deserialize(engine, code.bytes())
        }
    }

    /// Resolves everything that a component imports, and its entry point.
    pub fn link(&self, loaded: &Loaded) -> Result<Program, LoadError> {
        let (outside, engine) = (loaded.component.component_type(), loaded.component.engine());
        let names = |items: &mut dyn Iterator<Item = (&str, _)>| -> Vec<String> {
            items.map(|(name, _)| name.to_owned()).collect()
        };
        let imports = names(&mut outside.imports(engine));
        let exports = names(&mut outside.exports(engine));
        let of_interfaces = LoadError::of_interfaces(&imports, &exports);
        if let Some(both @ LoadError::BothWasi { .. }) = of_interfaces {
            return Err(both);
        }
        let pre = self
            .wasi_engine(loaded.wasi)
            .and_then(|wasi| wasi.linker.instantiate_pre(&loaded.component))
            .map_err(|error| LoadError::Import(first_line(&error)));
        let entry = pre.and_then(|pre| Entry::of(pre).map_err(|_| LoadError::NoProgram));
        let entry = entry.map_err(|error| of_interfaces.unwrap_or(error))?;
        Ok(Program {
            entry,
            footprint: loaded.footprint,
            declares_notices: loaded.declares_notices(),
            exceeded: loaded.exceeded(),
        })
    }
}

/// A component in machine code.
pub struct Loaded {
    /// The component to be linked.
    pub component: Component,
    wasi: Wasi,
    footprint: Footprint,
}

impl Loaded {
    /// Whether it takes notices on standard input ([`contract`]).
    pub fn declares_notices(&self) -> bool {
        self.component
            .component_type()
            .exports(self.component.engine())
            .any(|(name, _)| name.starts_with(contract::EXPORT))
    }

    /// The function that tells whether a threshold was exceeded ([`contract`]).
    fn exceeded(&self) -> Option<ComponentExportIndex> {
        let outside = self.component.component_type();
        let mut names = outside.exports(self.component.engine()).map(|(name, _)| name);
        let name = names.find(|name| name.starts_with(contract::THRESHOLDS))?;
        let interface = self.component.get_export_index(None, name)?;
        self.component.get_export_index(Some(&interface), contract::EXCEEDED)
    }
}

/// A linked component that can be started any number of times.
pub struct Program {
    entry: Entry,
    footprint: Footprint,
    declares_notices: bool,
    /// The function that tells whether a threshold was exceeded, if it has one.
    exceeded: Option<ComponentExportIndex>,
}

/// What an instance is started with.
pub struct Instance<Out, Err> {
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its standard output.
    pub stdout: Out,
    /// Its standard error.
    pub stderr: Err,
    /// Its environment variables.
    pub environment: Arc<Environment>,
    /// What it may do.
    pub permissions: Arc<InstancePermissions>,
    /// The state that its sockets share.
    pub sockets: SocketContext,
    /// The limits of what it may use.
    pub limits: Limits,
    /// The account of its output.
    pub output: Output,
    /// Whether it gets this process's standard input.
    pub own_stdin: bool,
    /// How long it has to end after it is told to stop.
    pub stop_grace: Duration,
    /// Questions for its own counts.
    pub questions: Questions,
    /// When it was instantiated, once it is: its code runs from then on.
    pub started: Arc<OnceLock<Instant>>,
}

impl Program {
    /// Whether it runs on the same engine as another program: then one watchdog is that of both.
    pub fn shares_engine(&self, other: &Self) -> bool {
        Engine::same(self.entry.pre().engine(), other.entry.pre().engine())
    }

    /// Starts a watchdog for what runs on its engine: it interrupts the instances regularly, as their
    /// limits require, and enforces the deadlines of `enforcer`.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn watched(&self, enforcer: &Enforcer) -> io::Result<Watchdog> {
        Watchdog::start(self.entry.pre().engine(), enforcer.clone())
    }

    /// What standard input is to its instances.
    pub fn input(&self, own_stdin: bool) -> Input {
        match (own_stdin, self.declares_notices) {
            (true, _) => Input::Own,
            (false, true) => Input::Notices,
            (false, false) => Input::Empty,
        }
    }

    /// Runs an instance to its end. If it takes notices, they tell it about changes of its
    /// environment, when `stop` is raised, and requests for a report. An instance that cannot know
    /// that it is to stop, or does not end in time, is ended.
    pub async fn run<Out, Err>(&self, instance: Instance<Out, Err>, stop: &Stop) -> Outcome
    where
        Out: StdoutStream + 'static,
        Err: StdoutStream + 'static,
    {
        let input = self.input(instance.own_stdin);
        let (stdin, notifier) = standard_input::open(input);
        // Subscribed before it runs, so that no change during the run is missed.
        let changes =
            instance.environment.changes().and_of(instance.sockets.world.reports().clone());
        let (reports, questions) = (stop.reports(), instance.questions.clone());
        let (limits, grace, started) =
            (instance.limits, instance.stop_grace, instance.started.clone());
        let output = instance.output.for_instance();
        let instance = Instance { output: output.clone(), ..instance };
        let mut store = match self.store(instance, stdin, input == Input::Notices) {
            Ok(store) => store,
            Err(limit) => return Outcome::Limited(limit),
        };
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().compute().check()?;
            // What it has sent does not wait for it while it computes.
            store.data_mut().view().send_waiting();
            Ok(UpdateDeadline::Yield(1))
        });
        let is_stopped = async {
            let could_know = notifier.notify(changes, reports, questions, stop.raised()).await;
            if could_know {
                tokio::time::sleep(grace).await;
            }
            Stopped { signal: stop.signal(), could_know }
        };
        let out_of_time = async {
            match limits.time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = self.call(&mut store, &started) => self.outcome(result, &limits, &store),
            () = out_of_time => Outcome::Limited(LimitExceeded::Time(limits.time.unwrap_or_default())),
            limit = output.exceeded() => Outcome::Limited(limit),
            stopped = is_stopped => Outcome::Stopped(stopped),
        }
    }

    /// Runs an instance to its end in a world that is not the system's: nothing but that world ends
    /// its waits, and it is told nothing about this host. `check` is called regularly while its code
    /// runs, and may end it.
    #[cfg(feature = "simulation")]
    pub async fn run_apart<Out, Err>(
        &self,
        instance: Instance<Out, Err>,
        mut check: impl FnMut() -> wasmtime::Result<()> + Send + Sync + 'static,
    ) -> Outcome
    where
        Out: StdoutStream + 'static,
        Err: StdoutStream + 'static,
    {
        let (limits, started) = (instance.limits, instance.started.clone());
        let output = instance.output.for_instance();
        let instance = Instance { output: output.clone(), ..instance };
        let (stdin, _) = standard_input::open(Input::Empty);
        let mut store = match self.store(instance, stdin, false) {
            Ok(store) => store,
            Err(limit) => return Outcome::Limited(limit),
        };
        // It does not yield: when that happens depends on the processor, and others would run in
        // another order.
        store.epoch_deadline_callback(move |_| check().map(|()| UpdateDeadline::Continue(1)));
        tokio::select! {
            biased;
            result = self.call(&mut store, &started) => self.outcome(result, &limits, &store),
            limit = output.exceeded() => Outcome::Limited(limit),
        }
    }

    fn outcome(
        &self,
        result: wasmtime::Result<(Result<(), ()>, bool)>,
        limits: &Limits,
        store: &Store<State>,
    ) -> Outcome {
        Outcome::of(result, limits, self.declares_notices, store.data().last_call())
    }

    /// Creates the store of an instance.
    fn store<Out, Err>(
        &self,
        instance: Instance<Out, Err>,
        stdin: impl StdinStream + 'static,
        gets_notices: bool,
    ) -> Result<Store<State>, LimitExceeded>
    where
        Out: StdoutStream + 'static,
        Err: StdoutStream + 'static,
    {
        let Instance { limits, output, .. } = instance;
        let wasi = WasiCtx::builder()
            .stdin(stdin)
            .stdout(output.metered(instance.stdout))
            .stderr(output.metered(instance.stderr))
            .allow_tcp(false)
            .build();
        let program = (instance.arguments, instance.environment, gets_notices);
        let mut state = State::new(wasi, program, instance.permissions, instance.sockets, limits);
        // Checked before instantiation, which nothing can interrupt.
        state.memory().reserve(self.footprint)?;
        let mut store = Store::new(self.entry.pre().engine(), state);
        store.limiter(|state| state.memory());
        store.set_hostcall_fuel(usize::try_from(limits.call.as_u64()).unwrap_or(usize::MAX));
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        Ok(store)
    }

    /// Instantiates the program and calls it. Returns its result, and whether it has exceeded a
    /// threshold.
    async fn call(
        &self,
        store: &mut Store<State>,
        started: &OnceLock<Instant>,
    ) -> wasmtime::Result<(Result<(), ()>, bool)> {
        let instance = self.entry.pre().instantiate_async(&mut *store).await?;
        // Nothing else sets it.
        let _ = started.set(Instant::now());
        let result = self.entry.run(&mut *store, &instance).await?;
        // A function of another type says nothing.
        let exceeded = self.exceeded.as_ref().filter(|_| result.is_err()).and_then(|exceeded| {
            instance.get_typed_func::<(), (bool,)>(&mut *store, exceeded).ok()
        });
        let has_exceeded = match exceeded {
            Some(exceeded) => exceeded.call_async(&mut *store, ()).await?.0,
            None => false,
        };
        Ok((result, has_exceeded))
    }
}

/// Returns the first line of an error of wasmtime: it says what is wrong, the others explain it.
pub(crate) fn first_line(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    text.lines().next().unwrap_or_default().to_owned()
}
