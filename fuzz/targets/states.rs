//! Programs of calls on sockets of WASI 0.2 (`udping_model`), on each path that datagrams can take:
//! what comes of them is what the model says.

#![no_main]

use std::num::NonZeroUsize;
use std::process;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use udping_host::process::helper::Role;
use udping_host::process::signals::Stop;
use udping_host::sandbox::compile;
use udping_host::sandbox::counts::Questions;
use udping_host::sandbox::environment::Environment;
use udping_host::sandbox::instance::{Instance, Program, Sandbox};
use udping_host::sandbox::outcome::Outcome;
use udping_host::sandbox::permissions::InstancePermissions;
use udping_model::{Backend, Version, hex, judge};
use udping_permissions::grants::Grants;
use udping_permissions::guard::{Guard, Ledger, Meters, Rates};
use udping_permissions::limits::CompileLimits;
use udping_permissions::limits::{Limits, Output};
use wasi_datagram::{OperatingSystem, SocketContext, Tuning};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

const OBEYS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/obeys.wasm"));

/// More than any program says.
const OUTPUT: usize = 1 << 20;

static HOST: LazyLock<(Program, Runtime)> = LazyLock::new(|| {
    let sandbox = Sandbox::new().expect("a sandbox");
    let code = compile::machine_code(OBEYS, &CompileLimits::default(), true).expect("machine code");
    let component = sandbox.load(&code).expect("a component");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    (sandbox.link(&component).expect("a program"), runtime)
});

fuzz_target!(init: serve(), |program: &[u8]| {
    let default = Tuning::default();
    for tuning in [default, Tuning { offload: false, ..default }, Tuning { batch: NonZeroUsize::MIN, ..default }] {
        let (said, ended) = run(program, tuning);
        let words: Vec<_> = said.split_whitespace().collect();
        let trapped = match ended {
            Outcome::Succeeded => false,
            Outcome::Trapped(_) => true,
            other => panic!("{other:?}: {said}"),
        };
        if let Err(wrong) = judge(Version::P2, Backend::Exact, program, &words, trapped) {
            panic!("{tuning:?}: {wrong}");
        }
    }
});

/// This program is its own helper, as udping-host is.
fn serve() {
    if let Some(role) = Role::of_this_process() {
        let _ = udping_host::commands::helper::serve(role);
        process::exit(0);
    }
}

/// Runs a program: what it said, and how it ended.
fn run(program: &[u8], tuning: Tuning) -> (String, Outcome) {
    let (host, runtime) = &*HOST;
    let grants = Arc::new(Grants { inherit_network: true, ..Grants::default() }.into());
    let ledger = Arc::new(Ledger::new(|denial, _| panic!("{denial}")));
    let stdout = MemoryOutputPipe::new(OUTPUT);
    let stderr = MemoryOutputPipe::new(OUTPUT);
    let limits = Limits::default();
    let permissions = Arc::new(InstancePermissions::new(
        Arc::new(Guard::new(
            "obeys".to_owned(),
            grants,
            Arc::new(Meters::new(Rates::default())),
            ledger,
        )),
        &limits,
    ));
    let world = Arc::new(OperatingSystem::default().with_tuning(tuning));
    let instance = Instance {
        arguments: vec!["obeys".to_owned(), hex(program)],
        stdout: stdout.clone(),
        stderr: stderr.clone(),
        environment: Arc::new(Environment::new([])),
        permissions: permissions.clone(),
        sockets: SocketContext { world, ..SocketContext::new(permissions) },
        limits,
        output: Output::new(&limits),
        own_stdin: false,
        stop_grace: std::time::Duration::ZERO,
        questions: Questions::none(),
        started: Arc::default(),
    };
    let ended = runtime.block_on(async {
        let ended = host.run(instance, &Stop::never()).await;
        // What an instance leaves to the runtime ends when that has its turn.
        tokio::task::yield_now().await;
        ended
    });
    let text = |pipe: MemoryOutputPipe| String::from_utf8_lossy(&pipe.contents()).into_owned();
    assert_eq!(text(stderr), "", "the guest panicked");
    (text(stdout), ended)
}
