//! Where processes run: pinned to one core or to two, which do not halt while something is measured.
//!
//! Unpinned, the scheduler puts a native client and its server on one core, and others partly on
//! two: that compares placements, not programs.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, hint, thread};

use anyhow::{Context as _, Result, anyhow};

/// A core, as taskset(1) has it.
pub(crate) type Core = &'static str;

/// The cores of a client and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Both on the same one.
    OneCore,
    /// Each on one of its own.
    TwoCores,
}

impl Placement {
    /// The core of the client.
    pub(crate) const CLIENT: Core = "0";

    /// The core of the server.
    pub(crate) fn server(self) -> Core {
        match self {
            Self::OneCore => "0",
            Self::TwoCores => "1",
        }
    }
}

/// Pins `command` to `core` (taskset(1)).
pub(crate) fn pinned(core: Core, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", core]).arg(command.get_program()).args(command.get_args());
    pinned
}

/// Does `work` in a thread pinned to `core`.
pub(crate) fn on_core<T: Send>(core: Core, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let core = core.parse()?;
    let pinned_work = || {
        let mut cores = rustix::thread::CpuSet::new();
        cores.set(core);
        rustix::thread::sched_setaffinity(None, &cores)?;
        work()
    };
    thread::scope(|scope| scope.spawn(pinned_work).join()).map_err(|_| anyhow!("it panicked"))?
}

/// Processes that spin on cores, until this is dropped.
pub(crate) struct Spinners(Vec<Child>);

impl Spinners {
    /// Keeps both cores from halting, at idle priority (`SCHED_IDLE`, sched(7)): a virtual core that
    /// halts takes tens of microseconds to run again, and at random.
    pub(crate) fn idle() -> Result<Self> {
        ["0", "1"].map(|core| spinner(&["chrt", "-i", "0"], core)).into_iter().collect()
    }

    /// Makes `core` busy, at the priority of what is measured.
    pub(crate) fn busy(core: Core) -> Result<Self> {
        [spinner(&[], core)].into_iter().collect()
    }
}

impl FromIterator<Child> for Spinners {
    fn from_iter<I: IntoIterator<Item = Child>>(children: I) -> Self {
        Self(children.into_iter().collect())
    }
}

fn spinner(before: &[&str], core: Core) -> Result<Child> {
    let program = env::current_exe()?;
    let words: Vec<_> = before.iter().copied().chain(["taskset", "-c", core]).collect();
    Command::new(words[0])
        .args(&words[1..])
        .arg(program)
        .arg("spin")
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| words.join(" "))
}

impl Drop for Spinners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How long a spinner spins at most, should nobody end it.
const AT_MOST: Duration = Duration::from_mins(10);

/// Spins as long as its parent lives.
pub(crate) fn spin() {
    let (start, parent) = (Instant::now(), rustix::process::getppid());
    while start.elapsed() < AT_MOST && rustix::process::getppid() == parent {
        (0..1_000_000).for_each(|_| hint::spin_loop());
    }
}
