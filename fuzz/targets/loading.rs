//! Components that wasm-smith makes, or modules of its, instantiated thousands of times: what they
//! take, in every process, stays within the limits, and so does the time until they have ended or
//! were stopped.

#![no_main]

use std::process;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use libfuzzer_sys::arbitrary::{Arbitrary as _, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use nix::sys::resource::{UsageWho, getrusage};
use tokio::runtime::{Builder, Runtime};
use udping_host::process::helper::Role;
use udping_host::process::signals::Stop;
use udping_host::sandbox::compile;
use udping_host::sandbox::counts::Questions;
use udping_host::sandbox::enforcer::Enforcer;
use udping_host::sandbox::environment::Environment;
use udping_host::sandbox::instance::{Instance, Program, Sandbox};
use udping_host::sandbox::load_error::LoadError;
use udping_host::sandbox::permissions::InstancePermissions;
use udping_permissions::grants::Grants;
use udping_permissions::guard::{Guard, Ledger, Meters, Rates};
use udping_permissions::limits::CompileLimits;
use udping_permissions::limits::{Limits, Output};
use wasi_datagram::SocketContext;
use wasm_encoder::Encode as _;
use wasm_smith::{Component, Config, Module};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

/// What compiling may take, and what instances may.
const COMPILE: CompileLimits =
    CompileLimits { memory: ByteSize::mib(256), time: Duration::from_secs(2) };
const MEMORY: ByteSize = ByteSize::mib(16);
const TIME: Duration = Duration::from_secs(1);

/// What a machine may take beside that: time on a busy one, and memory of this process itself,
/// whose own code, allocator and fuzzer have some, and which holds what it got from the compiler.
const BUSY: Duration = Duration::from_secs(10);
const OWN: ByteSize = ByteSize::mib(768);

static HOST: LazyLock<(Sandbox, Runtime)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    (Sandbox::new().expect("a sandbox"), runtime)
});

fuzz_target!(init: serve(), |data: &[u8]| {
    let Ok(component) = component(&mut Unstructured::new(data)) else { return };
    let start = Instant::now();
    let program = match load(&component) {
        Ok(program) => Some(program),
        // Each is a line; a compiler that crashes or is killed is none of them.
        Err(error @ (LoadError::Invalid(_) | LoadError::Limited(_) | LoadError::NoProgram | LoadError::Import(_))) => {
            assert_eq!(error.to_string().lines().count(), 1, "{error:?}");
            None
        }
        Err(error) => panic!("{error}"),
    };
    assert!(start.elapsed() < COMPILE.time + BUSY, "loading took {:?}", start.elapsed());
    assert_peak(UsageWho::RUSAGE_CHILDREN, COMPILE.memory);
    if let Some(program) = program {
        let start = Instant::now();
        run(&program);
        assert!(start.elapsed() < TIME + BUSY, "running took {:?}", start.elapsed());
    }
    assert_peak(UsageWho::RUSAGE_SELF, ByteSize(OWN.as_u64() + MEMORY.as_u64()));
});

/// This program is its own helper, as udping-host is.
fn serve() {
    if let Some(role) = Role::of_this_process() {
        let _ = udping_host::commands::helper::serve(role);
        process::exit(0);
    }
}

/// The most memory that was in use at a time.
fn assert_peak(who: UsageWho, limit: ByteSize) {
    let usage = getrusage(who).expect("it is counted");
    let peak = ByteSize::kib(usage.max_rss().unsigned_abs());
    assert!(peak <= limit, "{who:?} had {peak}, of {limit}");
}

fn component(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if bool::arbitrary(u)? {
        return Ok(Component::new(Config::default(), u)?.to_bytes());
    }
    let layers = (0..u.int_in_range(0..=4)?)
        .map(|_| u.int_in_range(1..=1000))
        .collect::<Result<Vec<usize>>>()?;
    let times = u.int_in_range(1..=999)?;
    let config = Config {
        max_imports: 0,
        max_globals: 10_000,
        max_funcs: 10_000,
        max_memories: 100,
        max_tables: 100,
        max_data_segments: 1_000,
        max_element_segments: 1_000,
        memory64_enabled: u.arbitrary()?,
        ..Config::default()
    };
    let module = Module::new(config, u)?.to_bytes();
    let mut nested = [PREAMBLE, &section(1, &module), &section(2, &instances(times))].concat();
    for times in layers {
        nested = [PREAMBLE, &section(4, &nested), &section(5, &instances(times))].concat();
    }
    let program = wat::parse_str(PROGRAM).expect("a program");
    let place = section(4, PREAMBLE);
    let start = program
        .windows(place.len())
        .position(|bytes| bytes == place)
        .expect("it has an empty component in it");
    Ok([&program[..start], &section(4, &nested), &program[start + place.len()..]].concat())
}

/// A program that does nothing, with room for a component, which has no name: that would be a
/// section of its own.
const PROGRAM: &str = r#"(component
    (component)
    (instance (instantiate 0))
    (core module $main (func (export "run") (result i32) (i32.const 0)))
    (core instance $main (instantiate $main))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))"#;

/// What a component starts with.
const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// A section of a component: its kind, its length, and its content.
fn section(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![kind];
    content.encode(&mut section);
    section
}

/// `times` instances of the only module or component that there is, without arguments.
fn instances(times: usize) -> Vec<u8> {
    let mut instances = Vec::new();
    times.encode(&mut instances);
    instances.extend([0, 0, 0].repeat(times));
    instances
}

fn load(component: &[u8]) -> std::result::Result<Program, LoadError> {
    let (sandbox, _) = &*HOST;
    let code = compile::machine_code(component, &COMPILE, true)?;
    sandbox.link(&sandbox.load(&code)?)
}

/// Runs it to its end, however it ends.
fn run(program: &Program) {
    let (_, runtime) = &*HOST;
    let enforcer = Enforcer::new(|limit, exit| panic!("ended from outside: {limit:?}, {exit:?}"));
    let _watchdog = program.watched(&enforcer).expect("a thread");
    let limits = Limits {
        memory: MEMORY,
        time: Some(TIME),
        compute: TIME / 5,
        compile: COMPILE,
        ..Limits::default()
    };
    let (grants, meters) =
        (Arc::new(Grants::default().into()), Arc::new(Meters::new(Rates::default())));
    let ledger = Arc::new(Ledger::new(|_, _| {}));
    let permissions = Arc::new(InstancePermissions::new(
        Arc::new(Guard::new("loading".to_owned(), grants, meters, ledger)),
        &limits,
    ));
    let instance = Instance {
        arguments: vec!["loading".to_owned()],
        stdout: MemoryOutputPipe::new(1 << 20),
        stderr: MemoryOutputPipe::new(1 << 20),
        environment: Arc::new(Environment::new([])),
        permissions: permissions.clone(),
        sockets: SocketContext::new(permissions),
        limits,
        output: Output::new(&limits),
        own_stdin: false,
        stop_grace: std::time::Duration::ZERO,
        questions: Questions::none(),
        started: Arc::default(),
    };
    runtime.block_on(program.run(instance, &Stop::never()));
}
