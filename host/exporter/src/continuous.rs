//! The clients that ping a module's targets all the time: one process a module, whose events are
//! counted.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use udping_events::{Client, Event, LogRecord, Start};

use crate::client_log;
use crate::commands::Commands;
use crate::config::Module;
use crate::own::{OfModule, Own};
use crate::sandbox::Sandbox;
use crate::series::Series;

/// The first pause before a client that has ended is started again, which doubles each time, and
/// the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How often names without an address are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_mins(1);

/// The targets of a module, each with its series. Empty for none: no client runs.
pub(crate) type Targets = Arc<[Arc<Series>]>;

/// Pings `targets` of a module, and those that replace them, until their sender is dropped.
pub(crate) async fn ping(
    module: Arc<Module>,
    commands: Commands,
    own: Arc<Own>,
    sandbox: Sandbox,
    mut targets: watch::Receiver<Targets>,
) {
    let mut pause = PAUSES.0;
    loop {
        let current = targets.borrow_and_update().clone();
        if current.is_empty() {
            if targets.changed().await.is_err() {
                return;
            }
            continue;
        }
        let started = Instant::now();
        let over = match Counting::start(&module, &commands, &own, &sandbox, current) {
            Ok(mut client) => {
                let over = client.run(&mut targets).await;
                sandbox.ended();
                // The next one starts meanwhile.
                tokio::spawn(client.stop());
                over
            }
            Err(error) => Over::Ended(error.to_string()),
        };
        match over {
            Over::Dropped => return,
            Over::Replaced => pause = PAUSES.0,
            Over::Ended(why) => {
                // After a long run, the start was not what it ended of.
                if started.elapsed() > PAUSES.1 {
                    pause = PAUSES.0;
                }
                tracing::warn!(
                    "module {}: the client {why}; it is started again in {}",
                    module.name,
                    humantime::format_duration(pause)
                );
                tokio::select! {
                    () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                    changed = targets.changed() => match changed {
                        Ok(()) => pause = PAUSES.0,
                        Err(_) => return,
                    },
                }
            }
        }
    }
}

/// Why a client is no longer wanted, or no longer there.
enum Over {
    /// The module is gone.
    Dropped,
    /// It has other targets, or a name has an address by now.
    Replaced,
    /// It has ended.
    Ended(String),
}

/// A running client, whose events are counted.
struct Counting {
    client: Client,
    counted: Counted,
}

/// What is counted of its events.
struct Counted {
    module: Arc<Module>,
    own: Arc<Own>,
    targets: Targets,
    /// The targets that are not pinged, by index.
    not_pinged: Vec<usize>,
    /// The addresses that are pinged.
    addresses: HashSet<SocketAddr>,
    /// Of each target, the losses forward and backward that are counted already.
    directed: Vec<(u64, u64)>,
    clock: Option<Clock>,
}

/// How the times of events are those of pings.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// When the run began, since 1970.
    started: Duration,
    /// How long after it was sent a ping is lost.
    timeout: Duration,
}

/// What is counted of a summary.
#[derive(Debug, Deserialize)]
struct Flows {
    #[serde(default)]
    flows: Vec<Flow>,
}

#[derive(Debug, Deserialize)]
struct Flow {
    target: usize,
    stamp: Option<DirectedLosses>,
}

#[derive(Debug, Deserialize)]
struct DirectedLosses {
    lost_forward: Option<u64>,
    lost_backward: Option<u64>,
}

impl Counting {
    fn start(
        module: &Arc<Module>,
        commands: &Commands,
        own: &Arc<Own>,
        sandbox: &Sandbox,
        targets: Targets,
    ) -> io::Result<Self> {
        let list = targets.iter().map(|series| format!("{}\n", series.labels.target)).collect();
        let log = {
            let (module, own, sandbox) = (module.clone(), own.clone(), sandbox.clone());
            move |record: LogRecord, line: &[u8]| {
                client_log::record(record, line, &module, &own, &sandbox);
            }
        };
        let client = Client::start(&mut (commands.client)(module)?, list, log)?;
        own.client_starts.get_or_create(&OfModule { module: module.name.clone() }).inc();
        sandbox.runs(client.id());
        let counted = Counted {
            module: module.clone(),
            own: own.clone(),
            directed: vec![(0, 0); targets.len()],
            targets,
            not_pinged: Vec::new(),
            addresses: HashSet::new(),
            clock: None,
        };
        Ok(Self { client, counted })
    }

    /// Counts its events until it ends, or is to be replaced.
    async fn run(&mut self, targets: &mut watch::Receiver<Targets>) -> Over {
        // Beside the events, which a slow name server would hold back.
        let mut resolving: Option<AbortOnDrop> = None;
        loop {
            tokio::select! {
                biased;
                changed = targets.changed() => {
                    return changed.map_or(Over::Dropped, |()| Over::Replaced);
                }
                () = resolved(&mut resolving) => return Over::Replaced,
                event = self.client.next() => match event {
                    Ok(Some(event)) => {
                        if self.counted.event(event) {
                            resolving = Some(AbortOnDrop(tokio::spawn(self.counted.await_address())));
                        }
                    }
                    Ok(None) => return Over::Ended(self.ended().await),
                    Err(error) => return Over::Ended(format!("writes no events: {error}")),
                },
            }
        }
    }

    async fn ended(&mut self) -> String {
        match self.client.ended().await {
            Some(status) => format!("has ended: {status}"),
            None => "has closed its output".to_owned(),
        }
    }

    /// Has it end, and counts what it still has to tell.
    async fn stop(mut self) {
        self.client
            .stop(|event| {
                self.counted.event(event);
            })
            .await;
    }
}

impl Counted {
    /// Counts an event. One that is none is a custom component's own output. Returns whether it is the
    /// start, and there are names without an address.
    fn event(&mut self, line: &[u8]) -> bool {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else { return false };
        let of_module = || OfModule { module: self.module.name.clone() };
        let series = event.target.and_then(|target| self.targets.get(target));
        match (event.kind, series) {
            ("sent", Some(series)) => drop(series.requests.inc()),
            ("reply", Some(series)) => {
                let rtt = Duration::from_nanos(event.rtt_ns.unwrap_or_default());
                series.reply(rtt);
                self.keep(series, &event, Some(rtt));
            }
            ("late", Some(series)) => drop(series.late.inc()),
            ("lost", Some(series)) => {
                series.lost.inc();
                self.keep(series, &event, None);
            }
            ("duplicate", Some(series)) => drop(series.duplicates.inc()),
            ("not_sent", Some(series)) => drop(series.send_errors.inc()),
            ("network_error", Some(series)) => drop(series.network_errors.inc()),
            ("address_changed", Some(series)) => {
                series.address_changes.inc();
                let (from, to) = (event.from.unwrap_or_default(), event.to.unwrap_or_default());
                series.last().address = to.parse().ok();
                tracing::warn!(
                    "module {}: {} is pinged at {to} from now on, not at {from}",
                    self.module.name,
                    series.labels.target
                );
            }
            ("dropped", _) => {
                let lines = event.lines.unwrap_or_default();
                self.own.dropped_events.get_or_create(&of_module()).inc_by(lines);
            }
            ("start", _) => {
                self.started(line);
                return !self.not_pinged.is_empty();
            }
            ("interim" | "summary", _) => self.count_directions(line),
            _ => {}
        }
        false
    }

    /// Keeps a ping whose outcome has become known for the page.
    fn keep(&self, series: &Series, event: &Event<'_>, rtt: Option<Duration>) {
        let (Some(clock), Some(known)) = (self.clock, event.t_ns) else { return };
        let known = clock.started.saturating_add(Duration::from_nanos(known));
        series.last().pings.push(known.saturating_sub(rtt.unwrap_or(clock.timeout)), rtt);
    }

    fn started(&mut self, line: &[u8]) {
        let Ok(start) = serde_json::from_slice::<Start>(line) else { return };
        self.clock = start.started.zip(start.config).map(|(started, config)| Clock {
            started: SystemTime::from(started).duration_since(UNIX_EPOCH).unwrap_or_default(),
            timeout: config.timeout_ns.into(),
        });
        self.not_pinged.clear();
        for (index, (target, series)) in start.targets.iter().zip(self.targets.iter()).enumerate() {
            series.has_address.set(target.address.is_some().into());
            let address = target.address.as_ref().and_then(|address| address.parse().ok());
            series.last().address = address;
            match &target.address {
                Some(_) => self.addresses.extend(address),
                None => self.not_pinged.push(index),
            }
        }
    }

    /// Counts the losses whose direction has become known since the last summary.
    fn count_directions(&mut self, line: &[u8]) {
        let Ok(Flows { flows }) = serde_json::from_slice(line) else { return };
        let mut totals = vec![(0, 0); self.directed.len()];
        for flow in flows {
            let (Some(total), Some(stamp)) = (totals.get_mut(flow.target), flow.stamp) else {
                continue;
            };
            total.0 += stamp.lost_forward.unwrap_or_default();
            total.1 += stamp.lost_backward.unwrap_or_default();
        }
        for ((series, known), total) in self.targets.iter().zip(&mut self.directed).zip(totals) {
            let Some(directed) = &series.directed else { continue };
            directed.forward.inc_by(total.0.saturating_sub(known.0));
            directed.backward.inc_by(total.1.saturating_sub(known.1));
            // A direction that was told is never taken back.
            *known = (known.0.max(total.0), known.1.max(total.1));
        }
    }

    /// Resolves when a name that had no address has one that is not pinged.
    fn await_address(&self) -> impl Future<Output = ()> + Send + use<> {
        let targets = self.not_pinged.iter().filter_map(|index| self.targets.get(*index));
        let targets: Vec<_> = targets.map(|series| series.labels.target.clone()).collect();
        let pinged = self.addresses.clone();
        async move {
            loop {
                sleep(RESOLVE_EVERY).await;
                for target in &targets {
                    let found = lookup_host((target.host.as_str(), target.port.get())).await;
                    if found.is_ok_and(|mut found| found.any(|at| !pinged.contains(&at))) {
                        return;
                    }
                }
            }
        }
    }
}

/// A task that ends when nothing waits for it any more.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Resolves when the task has ended; never without one.
async fn resolved(task: &mut Option<AbortOnDrop>) {
    match task {
        Some(task) => drop((&mut task.0).await),
        None => std::future::pending().await,
    }
}
