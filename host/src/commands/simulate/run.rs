//! Runs the components of a scenario.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bytesize::ByteSize;
use udping_cli::contract;
use udping_components::CLIENT;
use udping_results::Document;
use udping_simulation::{
    Anything, Capture, Change, Difference, EPOCH, End, Ended, Event, Executor, Fingerprint,
    Network, Node, NodeId, NodeWorld, Numbers, Run, Scenario, Time, Totals, Truth, Way, compare,
};
use wasi_datagram::SocketContext;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

use crate::commands::context::{Loading, load_into};
use crate::config::key;
use crate::process::exit::Exit;
use crate::sandbox::artifact::Source;
use crate::sandbox::counts::Questions;
use crate::sandbox::enforcer::Enforcer;
use crate::sandbox::environment::Environment;
use crate::sandbox::instance::{Instance, Program, Sandbox};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::permissions::InstancePermissions;
use crate::sandbox::watchdog::Watchdog;
use udping_permissions::grants::{Current, GrantSpec, Grants};
use udping_permissions::guard::{Guard, Ledger, Meters, Rates};
use udping_permissions::limits::{Limits, Output};

/// The maximum output of all components together, which is kept in memory.
const OUTPUT: ByteSize = ByteSize::mib(128);

/// How long a component may run at one instant of virtual time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The components of a scenario, compiled and linked.
pub(super) struct Programs {
    programs: BTreeMap<String, Program>,
}

impl Programs {
    /// Loads them. Files are relative to the folder of `file`, that of the scenario. The error names
    /// the component that cannot be loaded.
    pub(super) fn load(
        scenario: &Scenario,
        file: Option<&Path>,
    ) -> Result<Self, (Source, anyhow::Error)> {
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let mut programs = BTreeMap::new();
        let mut sandbox = None;
        for node in &scenario.nodes {
            let name = &node.run[0];
            if programs.contains_key(name) {
                continue;
            }
            let source = match Source::new(PathBuf::from(name)) {
                Source::File(path) => Source::File(folder.join(path)),
                built_in @ Source::BuiltIn(_) => built_in,
            };
            let loaded = (|| {
                let artifact = source.read()?;
                let sandbox = match &mut sandbox {
                    Some(sandbox) => sandbox,
                    none => none.insert(Sandbox::new()?),
                };
                load_into(sandbox, &source, &artifact, Loading::default())
            })();
            let program = loaded.map_err(|error| (source, error))?;
            programs.insert(name.clone(), program);
        }
        Ok(Self { programs })
    }

    /// Starts a watchdog for each engine that they run on.
    fn watched(&self, enforcer: &Enforcer) -> io::Result<Vec<Watchdog>> {
        let mut apart: Vec<&Program> = Vec::new();
        for program in self.programs.values() {
            if !apart.iter().any(|other| other.shares_engine(program)) {
                apart.push(program);
            }
        }
        apart.into_iter().map(|program| program.watched(enforcer)).collect()
    }
}

/// What a scenario came to.
pub(super) struct Simulated {
    /// The virtual time at its end.
    pub end: Time,
    /// Why it ended.
    pub ended: Ended,
    /// What happened to all datagrams.
    pub totals: Totals,
    /// The fingerprint of all that happened.
    pub fingerprint: String,
    /// What became of the components that were waited for, in the order of their nodes.
    pub clients: Vec<Client>,
    /// The components that had not ended, and were waited for: their nodes.
    pub waiting: Vec<String>,
}

/// What became of a component.
pub(super) struct Client {
    /// The name of its node.
    pub node: String,
    /// The exit code that it would have had, and the one that was expected.
    pub exit: (Exit, u8),
    /// Why it was stopped or has trapped.
    pub trouble: Option<String>,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Its report, if it is the built-in client and its output is JSON.
    pub report: Option<Reported>,
    /// The pings that have arrived: when each was sent, and whether its peer has sent a reply.
    pub heard: Vec<(Time, bool)>,
}

/// A client's report, beside the truth.
pub(super) struct Reported {
    /// What it reports.
    pub document: Document,
    /// What happened.
    pub truth: Numbers,
    /// The differences.
    pub differences: Vec<Difference>,
}

/// A run of a component that has ended.
struct Finished {
    time: Time,
    outcome: Outcome,
    stdout: MemoryOutputPipe,
    stderr: MemoryOutputPipe,
}

/// Whether the report of what `node` runs can be had as JSON.
pub(super) fn reports(node: &Node) -> bool {
    (node.run[0] == CLIENT.name || node.reports)
        && !node.run.iter().any(|word| word.starts_with("--format"))
}

/// Runs `scenario` to its end. `capture` gets what the nodes send and receive that are waited for.
pub(super) fn run(
    scenario: &Scenario,
    programs: &Programs,
    capture: Option<Arc<Capture>>,
) -> Result<Simulated> {
    let (network, nodes) = scenario.network();
    let awaited: Vec<_> = nodes.iter().filter(|(_, node)| node.wait).map(|(id, _)| *id).collect();
    let is_keyed = nodes.iter().any(|(_, node)| node.wait && node.env.contains_key(key::VARIABLE));
    let truth = Arc::new(Mutex::new((Truth::new(&awaited, is_keyed), Fingerprint::default())));
    let observer = truth.clone();
    let interfaces: BTreeMap<_, _> = capture
        .iter()
        .flat_map(|capture| awaited.iter().map(|id| (*id, capture.interface(&network.name(*id)))))
        .collect();
    network.observe(move |record| {
        if let Some(capture) = &capture
            && let Event::Sent(node) | Event::Arrived(node) = record.event
            && let Some(interface) = interfaces.get(&node)
        {
            let way = if matches!(record.event, Event::Sent(_)) { Way::Out } else { Way::In };
            let at = UNIX_EPOCH + EPOCH + record.time.since_start();
            capture.add((*interface, way), at, (record.from, record.to), record.data);
        }
        // No panic while the lock is held leaves it inconsistent.
        let mut truth = observer.lock().unwrap_or_else(PoisonError::into_inner);
        truth.0.add(record);
        truth.1.add(record);
    });
    let enforcer = Enforcer::new(|_, _| {});
    let _watchdogs = programs.watched(&enforcer).context("cannot start a watchdog")?;
    let end = Time::START + scenario.duration;
    let surroundings = Surroundings::new(scenario, network.clone(), end);
    let finished: Rc<RefCell<Vec<Option<Finished>>>> =
        Rc::new(RefCell::new(nodes.iter().map(|_| None).collect()));
    let mut executor = Executor::new(network.clone(), nodes.len());
    let mut start = |id: NodeId, starts: u32| -> Run<'_> {
        let node = nodes[id.index()].1;
        let (program, instance) = (&programs.programs[&node.run[0]], &surroundings);
        let pipe = || MemoryOutputPipe::new(usize::MAX);
        let (stdout, stderr) = (pipe(), pipe());
        let instance = instance.instance(id, node, starts, (&stdout, &stderr));
        let (check, finished) = (surroundings.check(), finished.clone());
        let network = network.clone();
        Box::pin(async move {
            let outcome = program.run_apart(instance, check).await;
            let time = network.now();
            finished.borrow_mut()[id.index()] = Some(Finished { time, outcome, stdout, stderr });
        })
    };
    let ended = executor.run(&awaited, end, &mut start);
    let time = network.now();
    // Before the record is read: sockets that are closed by this are no part of it.
    drop(executor);
    let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
    // To a reflector, another address is another session.
    let starts =
        |(_, change): &(Time, Change)| matches!(change, Change::Start(_) | Change::Address(..));
    let is_restarted = scenario.faults.iter().any(starts);
    let mut clients = Vec::new();
    let mut waiting = Vec::new();
    for (id, node) in nodes.iter().filter(|(_, node)| node.wait) {
        match finished.borrow_mut()[id.index()].take() {
            Some(finished) => {
                let name = network.name(*id);
                clients.push(client(name, (*id, node), finished, &truth.0, is_restarted));
            }
            None => waiting.push(network.name(*id)),
        }
    }
    let fingerprint = std::mem::take(&mut truth.1).finish();
    let totals = truth.0.totals().clone();
    Ok(Simulated { end: time, ended, totals, fingerprint, clients, waiting })
}

/// Looks at what a component has left.
fn client(
    name: String,
    (id, node): (NodeId, &Node),
    finished: Finished,
    truth: &Truth,
    is_restarted: bool,
) -> Client {
    let Finished { time, outcome, stdout, stderr } = finished;
    let (stdout, stderr) = (stdout.contents(), stderr.contents());
    let document = reports(node).then(|| serde_json::from_slice(&stdout).ok()).flatten();
    let report = document.map(|document: Document| {
        let timeout = document.config.as_ref().map_or(Duration::ZERO, |c| c.timeout_ns.into());
        let flows = truth.numbers(id, End { time, timeout });
        let differences = compare(&document, &flows, is_restarted);
        let mut truth = Numbers::default();
        for (_, flow) in &flows {
            truth.add(flow);
        }
        Reported { document, truth, differences }
    });
    let trouble = match &outcome {
        Outcome::Trapped(trap) => Some(format!("trapped: {trap}")),
        Outcome::Limited(limit) => Some(limit.to_string()),
        _ => None,
    };
    let exit = (outcome.exit(0), node.exit);
    let (stdout, stderr) = (stdout.into(), stderr.into());
    let heard = truth.heard(id);
    Client { node: name, exit, trouble, stdout, stderr, report, heard }
}

/// What all components of a scenario have in common.
struct Surroundings {
    seed: u64,
    network: Arc<Network>,
    end: Time,
    limits: Limits,
    output: Output,
    guard: Arc<Guard>,
}

impl Surroundings {
    fn new(scenario: &Scenario, network: Arc<Network>, end: Time) -> Self {
        let limits = Limits {
            // What real time it takes is not the component's: another limit ends one that computes
            // without end ([`PATIENCE`]).
            compute: Duration::MAX,
            output: ByteSize(u64::MAX),
            output_total: Some(OUTPUT),
            ..Limits::default()
        };
        let grants = Current::new(GrantSpec::default(), Grants::default());
        let (meters, ledger) =
            (Arc::new(Meters::new(Rates::default())), Arc::new(Ledger::new(|_, _| {})));
        let guard = Guard::new("simulation".to_owned(), Arc::new(grants), meters, ledger);
        let (output, guard) = (Output::new(&limits), Arc::new(guard));
        Self { seed: scenario.seed, network, end, limits, output, guard }
    }

    fn instance(
        &self,
        id: NodeId,
        node: &Node,
        starts: u32,
        (stdout, stderr): (&MemoryOutputPipe, &MemoryOutputPipe),
    ) -> Instance<MemoryOutputPipe, MemoryOutputPipe> {
        let world = NodeWorld::new(self.network.clone(), id, self.seed, starts);
        let permissions = Arc::new(Anything::new(self.network.clone(), id));
        let format = reports(node).then(|| "--format=json".to_owned());
        Instance {
            arguments: node.run.iter().cloned().chain(format).collect(),
            stdout: stdout.clone(),
            stderr: stderr.clone(),
            environment: Self::environment(node),
            permissions: Arc::new(InstancePermissions::new(self.guard.clone(), &self.limits)),
            sockets: SocketContext { permissions, world, kept: Arc::default() },
            limits: self.limits,
            output: self.output.clone(),
            own_stdin: false,
            stop_grace: Duration::ZERO,
            questions: Questions::none(),
            started: Arc::default(),
        }
    }

    /// The variables of a component: those of its node, and that times of arrival are exact.
    fn environment(node: &Node) -> Arc<Environment> {
        let times = (contract::UDPING_RECEIVE_TIMES.to_owned(), contract::KERNEL.to_owned());
        let own = node.env.iter().map(|(name, value)| (name.clone(), value.clone()));
        Arc::new(Environment::new(own.chain([times])))
    }

    /// Ends a component that runs without end at one instant, and all when virtual time is over.
    fn check(&self) -> impl FnMut() -> wasmtime::Result<()> + Send + Sync + 'static {
        let (network, end) = (self.network.clone(), self.end);
        let mut progress = ((network.turns(), network.now()), Instant::now());
        move || {
            let now = network.now();
            let seen = (network.turns(), now);
            if seen != progress.0 {
                progress = (seen, Instant::now());
            }
            if now > end {
                return Err(wasmtime::format_err!("the simulation was over, and it never waits"));
            }
            if progress.1.elapsed() > PATIENCE {
                let patience = PATIENCE.as_secs();
                return Err(wasmtime::format_err!(
                    "it makes no progress: it ran for {patience} s at {now} s of virtual time"
                ));
            }
            Ok(())
        }
    }
}
