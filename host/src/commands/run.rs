//! `udping-host run`: instances of one component, one thread each.

use std::io;
use std::net::UdpSocket;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::commands::audit;
use crate::commands::context::{self, Loading, RunContext, WorkerContext};
#[cfg(feature = "exporter")]
use crate::commands::metrics::Metrics;
#[cfg(target_os = "linux")]
use crate::commands::rotation::Rotation;
use crate::config::key;
use crate::config::plan::Plan;
use crate::process::activation;
use crate::process::exit::Exit;
use crate::process::log::{self, say};
use crate::process::resolver::Resolver;
use crate::process::signals::{AS_ONE, AtSignals, Held, Signal, Stop};
use crate::process::standard_output;
use crate::sandbox::counts::Questions;
use crate::sandbox::enforcer::Enforcer;
use crate::sandbox::instance::{Instance, Program};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::standard_input::Input;
use crate::sandbox::standard_streams::Stream;
use udping_harden::{self as harden, BindCapability};
use udping_permissions::limits::{self, LimitExceeded};

/// The first pause before a restart, which doubles each time, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(10));

/// Runs `plan` with this process's output and signals, and reports on standard error what was
/// refused and why the component trapped.
///
/// With several workers, the first that fails stops the others, and its outcome is that of the run.
pub fn run(plan: &Plan) -> Result<Exit> {
    limits::note_address_space();
    if plan.harden && plan.keys.is_some() {
        harden::hide_memory().iter().for_each(say);
    }
    let given = activation::sockets()?;
    ensure!(
        given.is_empty() || plan.workers == NonZeroUsize::MIN,
        "each worker has sockets of its own: those of LISTEN_FDS serve one; leave --workers out"
    );
    #[cfg(target_os = "linux")]
    let rotation = plan.key_file.as_deref().map(Rotation::of);
    plan.socket_options.check()?;
    standard_output::open();
    let shared = RunContext::of(plan)?;
    if plan.withholds_key {
        let (component, key) = (plan.source.name(), key::VARIABLE);
        say(format_args!(
            "{key} is set, and {component} does not get it; to hand it over: --env {key}"
        ));
    }
    let artifact = match plan.source.read() {
        Ok(artifact) => artifact,
        Err(error) => return Ok(context::refuse(&plan.source, &error.into())),
    };
    audit::started(plan, &shared.grants.get(), &artifact);
    ensure!(log::is_written(), "the audit trail cannot be written");
    #[cfg(feature = "exporter")]
    let metrics = plan.metrics.map(|listen| Metrics::start(listen, plan)).transpose()?;
    if plan.harden {
        harden::drop_privileges(plan.needs()).iter().for_each(say);
    }
    let program = match context::load(&plan.source, &artifact, Loading::of(plan)) {
        Ok(program) => program,
        Err(error) => return Ok(context::refuse(&plan.source, &error)),
    };
    activation::ready();
    if plan.harden {
        let resolver = plan.resolves_at_any_time().then_some(&*shared.resolver);
        give_up(plan, resolver, &given)?;
    }
    let watch = || {
        #[cfg(target_os = "linux")]
        if let Some(rotation) = rotation {
            rotation.watch(shared.environment.clone()).context("cannot watch for SIGHUP")?;
        }
        #[cfg(feature = "exporter")]
        if let Some(metrics) = metrics {
            metrics.answer(shared.clone()).context("cannot start a thread")?;
        }
        anyhow::Ok(())
    };
    let enforcer = enforcer(plan, &shared);
    let exit = instances(plan, &program, &shared, &enforcer, given, watch)?;
    if let Err(error) = shared.captured.finish() {
        say(format_args!("the capture is not complete: {error}"));
    }
    if let Some(recorder) = &shared.recorder {
        print!("{}", recorder.policy(&plan.source.name(), &shared.names));
    }
    if enforcer.has_last_word() {
        audit::ended(plan, &shared.ledger, exit);
    }
    Ok(exit)
}

/// Creates the enforcer: it ends the process in place of a blocked thread, and reports what that
/// thread would have.
fn enforcer(plan: &Plan, shared: &RunContext) -> Enforcer {
    let (plan, ledger) = (plan.clone(), shared.ledger.clone());
    Enforcer::new(move |limit, exit| {
        if let Some(limit) = limit {
            audit::limited(&plan.source.name(), &limit);
        } else if exit != Exit::Limited {
            audit::killed(&plan.source.name(), exit);
        }
        audit::ended(&plan, &ledger, exit);
    })
}

/// Reduces this process's privileges to what its guests need, after `resolver` has started its helper.
/// Everything has been read by now, and no other thread has been started.
#[cfg(target_os = "linux")]
pub fn give_up(plan: &Plan, resolver: Option<&Resolver>, given: &[UdpSocket]) -> Result<()> {
    use std::os::fd::AsFd as _;

    if let Some(resolver) = resolver {
        resolver.start_helper().context("cannot start a process that resolves names")?;
    }
    prepare_runtime()?;
    harden::close_inherited(given.iter().map(UdpSocket::as_fd));
    harden::shut_but_for(plan.needs()).iter().for_each(say);
    Ok(())
}

/// Reports that this system has no hardening.
#[cfg(not(target_os = "linux"))]
pub fn give_up(_: &Plan, _: Option<&Resolver>, _: &[UdpSocket]) -> Result<()> {
    harden::shut().iter().for_each(say);
    Ok(())
}

/// Runs the instances. `watch` starts further threads.
fn instances(
    plan: &Plan,
    program: &Program,
    shared: &RunContext,
    enforcer: &Enforcer,
    given: Vec<UdpSocket>,
    watch: impl FnOnce() -> Result<()> + Send,
) -> Result<Exit> {
    let input = program.input(plan.stdin);
    let signals = Held::hold(input == Input::Notices).context("cannot watch for signals")?;
    // Threads start without the capability that this one may still have.
    let (stop, _watchdog, runtime) = thread::scope(|scope| {
        let start = || {
            BindCapability::new(plan.harden).release();
            let grace = if input == Input::Notices { plan.stop_grace } else { Duration::ZERO };
            let stop = Stop::at(signals, Ending { enforcer: enforcer.clone(), grace });
            let stop = stop.context("cannot watch for signals")?;
            watch()?;
            shared.resolver.listen().context("cannot listen for resolved names")?;
            let watchdog = program.watched(enforcer).context("cannot start the watchdog")?;
            anyhow::Ok((stop, watchdog, runtime().context("cannot start a thread")?))
        };
        scope.spawn(start).join().map_err(|_| anyhow!("a thread panicked"))?
    })?;
    if plan.workers == NonZeroUsize::MIN {
        return work(runtime.handle(), plan, program, shared, enforcer, given, &stop);
    }
    let runtime = runtime.handle();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.workers.get())
            .map(|_| {
                let worker = || {
                    let mut others = StopOthers { stop: &stop, needless: false };
                    let exit = work(runtime, plan, program, shared, enforcer, Vec::new(), &stop);
                    others.needless = matches!(exit, Ok(Exit::Success));
                    exit
                };
                thread::Builder::new().name("worker".to_owned()).spawn_scoped(scope, worker)
            })
            .collect();
        BindCapability::new(plan.harden).release();
        if workers.iter().any(Result::is_err) {
            stop.raise(None);
        }
        let mut first_failure = None;
        for worker in workers {
            let exit = worker
                .context("cannot start a worker")?
                .join()
                .map_err(|_| anyhow!("a worker panicked"))??;
            first_failure = first_failure.or((exit != Exit::Success).then_some(exit));
        }
        Ok(first_failure.unwrap_or(Exit::Success))
    })
}

/// Ends the process if the instances do not stop in time.
struct Ending {
    enforcer: Enforcer,
    grace: Duration,
}

impl AtSignals for Ending {
    fn first(&mut self, signal: Signal) {
        self.enforcer.stopped(self.grace, signal.exit());
    }

    fn second(&mut self, signal: Signal) {
        self.enforcer.end(None, signal.exit());
    }
}

/// Stops the other workers when one fails or panics.
struct StopOthers<'a> {
    stop: &'a Stop,
    needless: bool,
}

impl Drop for StopOthers<'_> {
    fn drop(&mut self) {
        if !self.needless {
            self.stop.raise(None);
        }
    }
}

/// Runs successive instances on this thread, as `plan` configures restarts.
fn work(
    runtime: &Handle,
    plan: &Plan,
    program: &Program,
    shared: &RunContext,
    enforcer: &Enforcer,
    given: Vec<UdpSocket>,
    stop: &Stop,
) -> Result<Exit> {
    block_on(runtime, async {
        let place = shared.place(plan, given)?;
        let mut pause = PAUSES.0;
        loop {
            let start = Instant::now();
            let ended = instance(plan, program, shared, enforcer, &place, stop).await;
            if !matches!(ended, Outcome::Trapped(_)) || plan.restart.is_none() || stop.is_raised() {
                return Ok(ended.exit(shared.ledger.refusals()));
            }
            // After a long run, the trap was not caused by the restart.
            if start.elapsed() > PAUSES.1 {
                pause = PAUSES.0;
            }
            shared.restarted();
            say(format_args!(
                "{} is started anew in {}",
                plan.source.name(),
                humantime::format_duration(pause)
            ));
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                () = stop.raised() => return Ok(Exit::Trapped),
            }
        }
    })?
}

/// Runs one instance from start to end.
async fn instance(
    plan: &Plan,
    program: &Program,
    shared: &RunContext,
    enforcer: &Enforcer,
    place: &WorkerContext,
    stop: &Stop,
) -> Outcome {
    let deadline = plan.limits.time.map(|time| enforcer.within(time, LimitExceeded::Time(time)));
    let takes_notices = program.input(plan.stdin) == Input::Notices;
    let counts = takes_notices.then(|| Arc::new(shared.counts.of_instance()));
    let questions = counts.as_ref().map_or_else(Questions::none, |counts| counts.questions());
    let stderr = Stream::stderr(&plan.source).without_counts(counts);
    // Under `learn`, standard output is reserved for the resulting policy.
    let stdout =
        if plan.learns { Stream::stderr(&plan.source) } else { Stream::stdout(&plan.source) };
    let announce = async {
        if takes_notices {
            stop.raised().await;
            tokio::time::sleep(AS_ONE).await;
            if let Some(signal) = stop.signal() {
                audit::stopping(&plan.source.name(), signal, plan.stop_grace);
            }
        }
        std::future::pending().await
    };
    let instance = Instance { questions, ..shared.instance(plan, place, stdout, stderr) };
    let ended = tokio::select! {
        ended = program.run(instance, stop) => ended,
        never = announce => never,
    };
    if deadline.is_some_and(|deadline| !deadline.is_met()) {
        // The enforcer is ending the process.
        std::future::pending::<()>().await;
    }
    // Output that was written without waiting for the reader.
    if matches!(
        ended,
        Outcome::Succeeded
            | Outcome::Failed
            | Outcome::Exceeded
            | Outcome::GaveUp
            | Outcome::Stopped(_)
    ) {
        let _ = standard_output::finish();
    }
    match &ended {
        Outcome::Trapped(trap) => {
            audit::trapped(&plan.source.name(), trap, shared.ledger.refused().as_deref());
        }
        Outcome::Stopped(stopped) => audit::stopped(&plan.source.name(), *stopped, plan.stop_grace),
        Outcome::Limited(limit) => {
            enforcer.limited();
            audit::limited(&plan.source.name(), limit);
        }
        Outcome::Succeeded | Outcome::Failed | Outcome::Exceeded | Outcome::GaveUp => {}
    }
    ended
}

/// Has tokio open the sockets that all runtimes of a process share (for signals): it does when the
/// first runtime is created, and they are to be opened before this process gives that up.
///
/// # Errors
///
/// For want of descriptors.
pub fn prepare_runtime() -> io::Result<()> {
    Builder::new_current_thread().enable_all().build().map(drop)
}

/// Starts a runtime, with one thread, for all that instances wait for beside their sockets and
/// timers.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name("tokio").enable_all().build()
}

/// Runs `future` on this thread.
///
/// # Errors
///
/// For want of a descriptor.
pub fn block_on<F: Future>(runtime: &Handle, future: F) -> io::Result<F::Output> {
    #[cfg(target_os = "linux")]
    return wasi_datagram::block_on(runtime, future);
    #[cfg(not(target_os = "linux"))]
    Ok(runtime.block_on(future))
}
