//! Instances of one component, a thread each.

use std::num::NonZeroUsize;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use wasmtime_wasi::cli::{stderr, stdout};

use crate::exit::Exit;
use crate::plan::Plan;
use crate::run::{self, Shared, say};
use crate::sandbox::{Ended, Program};
use crate::signals::Stop;

/// Runs `plan` with this process's output and signals, and says on standard error what was refused and why it trapped.
///
/// Where there are several workers, the first that does not succeed has the others stopped, and its end is the run's.
pub fn run(plan: &Plan) -> Result<Exit> {
    let program = match run::load(&plan.source) {
        Ok(program) => program,
        Err(error) => {
            say(format_args!("{error:#}"));
            return Ok(Exit::NotAComponent);
        }
    };
    let stop = Stop::at_signals().context("cannot watch for Ctrl-C")?;
    let _watchdog = program.watched().context("cannot start the watchdog")?;
    if plan.workers == NonZeroUsize::MIN {
        return block_on(async { Ok(work(plan, &program, &Shared::of(plan).await?, &stop).await) });
    }
    let shared = block_on(Shared::of(plan))?;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.workers.get())
            .map(|_| {
                let worker = || {
                    let mut others = StopOthers { stop: &stop, needless: false };
                    let exit = block_on(async { Ok(work(plan, &program, &shared, &stop).await) });
                    others.needless = matches!(exit, Ok(Exit::Success));
                    exit
                };
                thread::Builder::new().name("worker".to_owned()).spawn_scoped(scope, worker)
            })
            .collect();
        if workers.iter().any(Result::is_err) {
            stop.raise();
        }
        let mut first_failure = None;
        for worker in workers {
            let exit = worker.context("cannot start a worker")?.join().map_err(|_| anyhow!("a worker panicked"))??;
            first_failure = first_failure.or((exit != Exit::Success).then_some(exit));
        }
        Ok(first_failure.unwrap_or(Exit::Success))
    })
}

/// Stops the other workers when one goes without success, be it by a panic.
struct StopOthers<'a> {
    stop: &'a Stop,
    needless: bool,
}

impl Drop for StopOthers<'_> {
    fn drop(&mut self) {
        if !self.needless {
            self.stop.raise();
        }
    }
}

/// One instance, from its start to its end.
async fn work(plan: &Plan, program: &Program, shared: &Shared, stop: &Stop) -> Exit {
    let instance = shared.instance(plan, shared.guard(plan), stdout(), stderr());
    let ended = program.run(instance, stop.raised()).await;
    match &ended {
        Ended::Trapped(reason) => say(format_args!("{}: trapped: {reason}", plan.source.name())),
        Ended::Limited(limit) => say(format_args!("stopped: {} {limit}", plan.source.name())),
        Ended::Succeeded | Ended::Failed | Ended::GaveUp => {}
    }
    Exit::of(&ended, shared.ledger.refusals())
}

/// A guest and what it waits for share one thread.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
