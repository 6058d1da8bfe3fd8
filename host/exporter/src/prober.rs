//! A module's prober: a process that runs its probes, each in a sandbox of its own.

use std::collections::HashMap;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use udping_events::Lines;

use crate::commands::Commands;
use crate::config::Module;
use crate::own::{OfModule, Own};
use crate::protocol::{self, ProbeAnswer, ProbeRequest, Setup};
use crate::target::Target;

/// How soon after a start a process that has ended is started again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long after a probe's deadline its answer is awaited.
const PATIENCE: Duration = Duration::from_secs(2);

/// The maximum length of an answer, in bytes.
const LONGEST_ANSWER: usize = 4 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum ProbeError {
    /// The process cannot be started.
    #[error("the process that runs probes cannot be started: {0}")]
    NotStarted(#[from] io::Error),
    /// The process has just ended.
    #[error("the process that runs probes has ended, and is started again within a second")]
    Ended,
    /// The process does not answer, and is ended: it stops probes itself that take too long.
    #[error("the process that runs probes does not answer, and is ended")]
    Silent,
}

/// The process, started when it is needed.
pub(crate) struct Prober {
    module: String,
    setup: Setup,
    command: fn() -> io::Result<Command>,
    /// One permit for each probe that may run at a time.
    permits: Arc<Semaphore>,
    own: Arc<Own>,
    link: Mutex<Link>,
}

/// The connection with the process.
#[derive(Default)]
struct Link {
    next: u64,
    /// Where requests go, while the process runs.
    requests: Option<mpsc::Sender<ProbeRequest>>,
    waiting: HashMap<u64, oneshot::Sender<ProbeAnswer>>,
    started: Option<Instant>,
    /// Has the process ended.
    end: Arc<Notify>,
}

impl Prober {
    /// Creates the prober of `module`. If that is for probes, its process is started, so that the first
    /// probe does not wait for it; else it is when it is needed.
    pub(crate) fn start(
        module: &Module,
        max_probes: usize,
        commands: &Commands,
        own: &Arc<Own>,
    ) -> Arc<Self> {
        let prober = Arc::new(Self {
            module: module.name.clone(),
            setup: Setup {
                host: module.host.words(),
                client: module.client.words(),
                component: module.component.clone(),
                has_names: module.has_names(),
                max_probes,
            },
            command: commands.prober,
            permits: Arc::new(Semaphore::new(max_probes)),
            own: own.clone(),
            link: Mutex::default(),
        });
        // On a thread of the runtime, which lasts as long as this program: helpers end with the
        // thread that started them.
        let starting = prober.clone();
        if module.allow.is_empty() {
            return prober;
        }
        tokio::spawn(async move {
            if let Err(error) = starting.requests() {
                tracing::warn!("module {}: {error}", starting.module);
            }
        });
        prober
    }

    /// A permit for one probe; none if there are as many as may be.
    pub(crate) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().try_acquire_owned().ok()
    }

    /// Probes `target`, which ends within about `deadline`.
    pub(crate) async fn probe(
        self: &Arc<Self>,
        target: &Target,
        deadline: Duration,
    ) -> Result<ProbeAnswer, ProbeError> {
        let requests = self.requests()?;
        let (id, answer) = {
            let mut link = self.link();
            link.next += 1;
            let (sender, answer) = oneshot::channel();
            let id = link.next;
            link.waiting.insert(id, sender);
            (id, answer)
        };
        let _asked = Asked { prober: self, id };
        let request = ProbeRequest { id, target: target.to_string(), deadline };
        let answered = async {
            requests.send(request).await.map_err(|_| ProbeError::Ended)?;
            answer.await.map_err(|_| ProbeError::Ended)
        };
        let answer = tokio::time::timeout(deadline + PATIENCE, answered).await;
        answer.unwrap_or_else(|_| {
            self.link().end.notify_one();
            Err(ProbeError::Silent)
        })
    }

    /// Where requests go. Starts the process if there is none.
    fn requests(self: &Arc<Self>) -> Result<mpsc::Sender<ProbeRequest>, ProbeError> {
        let mut link = self.link();
        if let Some(requests) = &link.requests {
            return Ok(requests.clone());
        }
        if link.started.is_some_and(|started| started.elapsed() < PAUSE) {
            return Err(ProbeError::Ended);
        }
        link.started = Some(Instant::now());
        let mut child = (self.command)()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        self.own.prober_starts.get_or_create(&OfModule { module: self.module.clone() }).inc();
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes").into());
        };
        let (sender, requests) = mpsc::channel(self.setup.max_probes.max(1));
        link.requests = Some(sender.clone());
        let end = Arc::new(Notify::new());
        link.end = end.clone();
        tokio::spawn(write(stdin, self.setup.clone(), requests));
        // The process ends when this prober, and with it the last sender, is dropped.
        let prober = Arc::downgrade(self);
        let module = self.module.clone();
        tokio::spawn(async move {
            let mut answers = Lines::new(stdout, LONGEST_ANSWER);
            loop {
                let line = tokio::select! {
                    line = answers.next() => line,
                    () = end.notified() => break,
                };
                let Ok(Some(line)) = line else { break };
                let Ok(answer) = serde_json::from_slice::<ProbeAnswer>(line) else { break };
                let Some(prober) = prober.upgrade() else { break };
                let waiting = prober.link().waiting.remove(&answer.id);
                // Nobody may wait for it any more.
                if let Some(waiting) = waiting {
                    let _ = waiting.send(answer);
                }
            }
            if let Some(prober) = prober.upgrade() {
                let mut link = prober.link();
                link.requests = None;
                link.waiting.clear();
                drop(link);
                tracing::warn!("module {module}: the process that runs probes has ended");
                // What it still runs is nothing that anybody waits for.
                let _ = child.start_kill();
            }
            let _ = child.wait().await;
        });
        Ok(sender)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        // No code that holds the lock leaves the link half changed.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is waited for.
struct Asked<'a> {
    prober: &'a Prober,
    id: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.prober.link().waiting.remove(&self.id);
    }
}

/// Writes the setup, and then requests, until the process ends or there are no more.
async fn write(mut stdin: ChildStdin, setup: Setup, mut requests: mpsc::Receiver<ProbeRequest>) {
    let mut next = protocol::line(&setup);
    while let Ok(line) = &next {
        if stdin.write_all(line).await.is_err() {
            return;
        }
        let Some(request) = requests.recv().await else { return };
        next = protocol::line(&request);
    }
}
