//! The clients that ping a module's targets all the time: one process a module, whose events are
//! counted.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::lookup_host;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::commands::Commands;
use crate::config::Module;
use crate::lines;
use crate::own::{OfModule, Own};
use crate::series::Series;

/// The first pause before a client that has ended is started again, which doubles each time, and
/// the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How often names without an address are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_mins(1);

/// How long a client that is told to stop has to end.
const GRACE: Duration = Duration::from_secs(5);

/// The maximum length of an event, in bytes: the first lists all targets.
const LONGEST_EVENT: u64 = 32 << 20;

/// The targets of a module, each with its series. Empty for none: no client runs.
pub(crate) type Targets = Arc<[Arc<Series>]>;

/// Pings `targets` of a module, and those that replace them, until their sender is dropped.
pub(crate) async fn ping(
    module: Arc<Module>,
    commands: Commands,
    own: Arc<Own>,
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
        let over = match Client::start(&module, &commands, &own, current) {
            Ok(mut client) => {
                let over = client.run(&mut targets).await;
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

/// A running client.
struct Client {
    module: Arc<Module>,
    own: Arc<Own>,
    targets: Targets,
    child: Child,
    events: BufReader<ChildStdout>,
    line: Vec<u8>,
    /// The targets that are not pinged, by index.
    not_pinged: Vec<usize>,
    /// The addresses that are pinged.
    addresses: HashSet<SocketAddr>,
    /// Of each target, the losses forward and backward that are counted already.
    directed: Vec<(u64, u64)>,
}

/// What is counted of an event of `client --format jsonl`. It is read thousands of times a second:
/// a tagged enum of all events takes several times as long.
#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(rename = "event")]
    kind: &'a str,
    target: Option<usize>,
    rtt_ns: Option<u64>,
    lines: Option<u64>,
    #[serde(borrow)]
    from: Option<&'a str>,
    to: Option<&'a str>,
}

/// The first event.
#[derive(Debug, Deserialize)]
struct Start {
    targets: Vec<udping_results::Target>,
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

/// A record of `--log json`.
#[derive(Debug, Deserialize)]
struct LogRecord {
    level: String,
    event: Option<String>,
    message: Option<String>,
    suppressed: Option<u64>,
    /// What the client wrote to its standard error.
    line: Option<String>,
}

impl Client {
    fn start(
        module: &Arc<Module>,
        commands: &Commands,
        own: &Arc<Own>,
        targets: Targets,
    ) -> io::Result<Self> {
        let mut child = (commands.client)(module)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        own.client_starts.get_or_create(&OfModule { module: module.name.clone() }).inc();
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("no pipes"));
        };
        let count = targets.len();
        tokio::spawn(list(stdin, targets.clone()));
        tokio::spawn(log(stderr, module.clone(), own.clone()));
        Ok(Self {
            module: module.clone(),
            own: own.clone(),
            targets,
            child,
            events: BufReader::with_capacity(64 << 10, stdout),
            line: Vec::new(),
            not_pinged: Vec::new(),
            addresses: HashSet::new(),
            directed: vec![(0, 0); count],
        })
    }

    /// Counts its events until it ends, or is to be replaced.
    async fn run(&mut self, targets: &mut watch::Receiver<Targets>) -> Over {
        let mut resolve_at = Instant::now() + RESOLVE_EVERY;
        loop {
            tokio::select! {
                biased;
                changed = targets.changed() => {
                    return changed.map_or(Over::Dropped, |()| Over::Replaced);
                }
                () = sleep_until(resolve_at), if !self.not_pinged.is_empty() => {
                    if self.can_ping_more().await {
                        return Over::Replaced;
                    }
                    resolve_at = Instant::now() + RESOLVE_EVERY;
                }
                event = lines::read(&mut self.events, LONGEST_EVENT, &mut self.line) => match event {
                    Ok(true) => self.count(),
                    Ok(false) => return Over::Ended(self.ended().await),
                    Err(error) => return Over::Ended(format!("writes no events: {error}")),
                },
            }
        }
    }

    async fn ended(&mut self) -> String {
        match timeout(GRACE, self.child.wait()).await {
            Ok(Ok(status)) => format!("has ended: {status}"),
            _ => "has closed its output".to_owned(),
        }
    }

    /// Counts the event in `line`. One that is none is a custom component's own output.
    fn count(&mut self) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(&self.line) else { return };
        let of_module = || OfModule { module: self.module.name.clone() };
        let series = event.target.and_then(|target| self.targets.get(target));
        match (event.kind, series) {
            ("sent", Some(series)) => drop(series.requests.inc()),
            ("reply", Some(series)) => {
                series.reply(Duration::from_nanos(event.rtt_ns.unwrap_or_default()));
            }
            ("late", Some(series)) => drop(series.late.inc()),
            ("lost", Some(series)) => drop(series.lost.inc()),
            ("duplicate", Some(series)) => drop(series.duplicates.inc()),
            ("not_sent", Some(series)) => drop(series.send_errors.inc()),
            ("network_error", Some(series)) => drop(series.network_errors.inc()),
            ("address_changed", Some(series)) => {
                series.address_changes.inc();
                let (from, to) = (event.from.unwrap_or_default(), event.to.unwrap_or_default());
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
            ("start", _) => self.started(),
            ("interim" | "summary", _) => self.count_directions(),
            _ => {}
        }
    }

    fn started(&mut self) {
        let Ok(start) = serde_json::from_slice::<Start>(&self.line) else { return };
        self.not_pinged.clear();
        for (index, (target, series)) in start.targets.iter().zip(self.targets.iter()).enumerate() {
            series.has_address.set(target.address.is_some().into());
            match &target.address {
                Some(address) => self.addresses.extend(address.parse::<SocketAddr>()),
                None => self.not_pinged.push(index),
            }
        }
    }

    /// Counts the losses whose direction has become known since the last summary.
    fn count_directions(&mut self) {
        let Ok(Flows { flows }) = serde_json::from_slice(&self.line) else { return };
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

    /// Whether a name that had no address has one by now that is not pinged.
    async fn can_ping_more(&self) -> bool {
        for target in self.not_pinged.iter().filter_map(|index| self.targets.get(*index)) {
            let target = &target.labels.target;
            if let Ok(mut found) = lookup_host((target.host.as_str(), target.port.get())).await
                && found.any(|address| !self.addresses.contains(&address))
            {
                return true;
            }
        }
        false
    }

    /// Has it end, and counts what it still has to tell.
    async fn stop(mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            // It fails only if it has ended. Nobody else has that number before it is waited for.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let drain = async {
            while let Ok(true) = lines::read(&mut self.events, LONGEST_EVENT, &mut self.line).await
            {
                self.count();
            }
        };
        let _ = timeout(GRACE, drain).await;
        let _ = self.child.start_kill();
        let _ = self.child.wait().await;
    }
}

/// Writes the list of targets.
async fn list(mut stdin: ChildStdin, targets: Targets) {
    let list = targets.iter().map(|series| format!("{}\n", series.labels.target));
    // It fails only if the client has ended.
    let _ = stdin.write_all(list.collect::<String>().as_bytes()).await;
}

/// Counts the denials in a client's log, and passes on what it warns of.
async fn log(stderr: ChildStderr, module: Arc<Module>, own: Arc<Own>) {
    const LONGEST: u64 = 64 << 10;
    let (mut stderr, mut line) = (BufReader::new(stderr), Vec::new());
    while let Ok(true) = lines::read(&mut stderr, LONGEST, &mut line).await {
        let Ok(record) = serde_json::from_slice::<LogRecord>(&line) else { continue };
        let message = record.message.unwrap_or_default();
        if record.event.as_deref() == Some("denied") {
            let denied = 1 + record.suppressed.unwrap_or_default();
            own.denied.get_or_create(&OfModule { module: module.name.clone() }).inc_by(denied);
        }
        match (record.level.as_str(), record.line) {
            ("ERROR" | "WARN", _) => tracing::warn!("module {}: {message}", module.name),
            (_, Some(line)) => tracing::warn!("module {}: {line}", module.name),
            _ => tracing::debug!("module {}: {message}", module.name),
        }
    }
}
