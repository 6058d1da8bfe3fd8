//! The helper that runs an exporter module's probes: each in a sandbox of its own, used once, whose
//! only grant is the target.

use std::io::{self, BufReader};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::runtime::Handle;
use udping_components::CLIENT;
use udping_exporter::protocol::{self, ProbeAnswer, ProbeRequest, Setup};
use udping_harden as harden;
use udping_permissions::grants::{Endpoint, GrantSpec};
use udping_permissions::limits;
use udping_permissions::names::Names;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

use crate::commands::context::{Loading, RunContext, load_into};
use crate::commands::run::{block_on, give_up, runtime};
use crate::config::cli::Cli;
use crate::config::plan::Plan;
use crate::process::log::say;
use crate::process::resolver::Resolver;
use crate::process::signals::Stop;
use crate::sandbox::artifact::Source;
use crate::sandbox::enforcer::Enforcer;
use crate::sandbox::instance::{Program, Sandbox};
use crate::sandbox::outcome::Outcome;

/// The maximum length of what a client writes to each of its outputs, in bytes.
const OUTPUT: usize = 1 << 20;

/// How long after its deadline a client is ended.
const GRACE: Duration = Duration::from_secs(1);

/// Stands for the target, until there is one.
const ANY_TARGET: &str = "192.0.2.1:1";

/// What all probes share.
struct Probes {
    /// Of a client without target.
    plan: Plan,
    program: Program,
    resolver: Arc<Resolver>,
    runtime: Handle,
}

/// Runs probes until standard input ends.
///
/// # Errors
///
/// If there is no such component, or for want of a thread.
pub fn serve() -> Result<()> {
    limits::note_address_space();
    let mut requests = BufReader::new(io::stdin());
    let Some(setup) = protocol::read::<Setup>(&mut requests)? else { return Ok(()) };
    let plan = plan(&setup)?;
    if plan.harden && plan.keys.is_some() {
        harden::hide_memory().iter().for_each(say);
    }
    plan.socket_options.check()?;
    let artifact = plan.source.read()?;
    if plan.harden {
        harden::drop_privileges(plan.needs()).iter().for_each(say);
    }
    let sandbox = match (&plan.source, u32::try_from(setup.max_probes)) {
        (Source::BuiltIn(_), Ok(instances)) => Sandbox::pooled(instances)?,
        // It may be of any size.
        _ => Sandbox::new()?,
    };
    let program = load_into(&sandbox, &plan.source, &artifact, Loading::of(&plan))?;
    let resolver = Arc::new(Resolver::default());
    if plan.harden {
        give_up(&plan, setup.has_names.then_some(&*resolver), &[])?;
    }
    resolver.listen().context("cannot listen for resolved names")?;
    let _watchdog = program.watched(&Enforcer::new(|_, _| {}))?;
    let runtime = runtime().context("cannot start a thread")?;
    let probes = Probes { plan, program, resolver, runtime: runtime.handle().clone() };
    probes.answer(&mut requests, setup.max_probes)
}

/// Returns the plan of a client, which is to be given its target.
fn plan(setup: &Setup) -> Result<Plan> {
    let source = setup.component.clone().map_or(Source::BuiltIn(CLIENT), Source::new);
    let words = ["udping-host"].into_iter().chain(setup.host.iter().map(String::as_str));
    let cli = Cli::try_parse_from(words.chain(["client", ANY_TARGET]))?;
    let counts = setup.client.iter().any(|word| word.starts_with("--count="));
    let count = (!counts).then(|| "--count=1".to_owned());
    let arguments = ["--format=json".to_owned()].into_iter().chain(count);
    let arguments = arguments.chain(setup.client.iter().cloned());
    let target = ["--target".to_owned(), ANY_TARGET.to_owned()];
    let arguments = arguments.chain(target).map(Into::into);
    let mut plan = Plan::new(&cli.flags, source, arguments)?;
    plan.arguments.truncate(plan.arguments.len() - 1);
    Ok(plan)
}

impl Probes {
    /// Answers requests, on as many threads as there are probes at a time, until there are no more.
    fn answer(&self, requests: &mut BufReader<io::Stdin>, max_probes: usize) -> Result<()> {
        let (sender, receiver) = mpsc::channel();
        let (receiver, idle) = (Mutex::new(receiver), AtomicUsize::new(0));
        thread::scope(|scope| {
            let mut threads = 0;
            while let Some(request) = protocol::read::<ProbeRequest>(requests)? {
                // Counted here, so that the next request sees what this one takes.
                let is_taken = idle
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |idle| idle.checked_sub(1))
                    .is_ok();
                if !is_taken && threads < max_probes {
                    threads += 1;
                    let work = || self.work(&receiver, &idle);
                    let thread = thread::Builder::new().name("probe".to_owned());
                    thread.spawn_scoped(scope, work).context("cannot start a thread")?;
                }
                // It fails only without a thread.
                let _ = sender.send((Instant::now(), request));
            }
            drop(sender);
            Ok(())
        })
    }

    /// Answers one request after the other.
    fn work(&self, requests: &Mutex<Receiver<(Instant, ProbeRequest)>>, idle: &AtomicUsize) {
        loop {
            let request = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((asked, request)) = request else { return };
            let answer = self.probe(asked, &request);
            idle.fetch_add(1, Ordering::Relaxed);
            // If nobody reads answers any more, there are no more requests either.
            let _ = protocol::write(&mut io::stdout().lock(), &answer);
        }
    }

    fn probe(&self, asked: Instant, request: &ProbeRequest) -> ProbeAnswer {
        let answer = self
            .plan_for(request)
            .and_then(|plan| block_on(&self.runtime, self.run(&plan, asked, request.id))?);
        answer.unwrap_or_else(|error| ProbeAnswer {
            id: request.id,
            error: Some(format!("{error:#}")),
            start: Duration::ZERO,
            denied: 0,
            output: String::new(),
            complaint: String::new(),
        })
    }

    /// Returns the plan of one probe: the only grant is its target.
    fn plan_for(&self, request: &ProbeRequest) -> Result<Plan> {
        let target: Endpoint = request.target.parse()?;
        let mut plan = self.plan.clone();
        plan.grants = GrantSpec { to: vec![target], ..plan.grants };
        plan.arguments.push(request.target.clone());
        // In the notation of the client's option.
        let deadline = humantime::format_duration(request.deadline).to_string().replace(' ', "");
        plan.arguments.push(format!("--deadline={deadline}"));
        let backstop = request.deadline + GRACE;
        plan.limits.time = Some(plan.limits.time.map_or(backstop, |time| time.min(backstop)));
        Ok(plan)
    }

    async fn run(&self, plan: &Plan, asked: Instant, id: u64) -> Result<ProbeAnswer> {
        let mut resolved = Vec::new();
        for name in plan.grants.names() {
            resolved.push((name.clone(), self.resolver.resolve(name.as_str()).await));
        }
        let names: Names = resolved.into_iter().collect();
        let context = RunContext::with_names(plan, names, self.resolver.clone())?;
        let (stdout, stderr) = (MemoryOutputPipe::new(OUTPUT), MemoryOutputPipe::new(OUTPUT));
        let worker = context.place(plan, Vec::new())?;
        let instance = context.instance(plan, &worker, stdout.clone(), stderr.clone());
        let started = instance.started.clone();
        let outcome = self.program.run(instance, &Stop::never()).await;
        let error = match outcome {
            Outcome::Trapped(trap) => Some(format!("the client trapped: {trap}")),
            Outcome::Limited(limit) => Some(format!("the client {limit}")),
            Outcome::Stopped(_) => Some("the client was stopped".to_owned()),
            Outcome::Succeeded | Outcome::Failed | Outcome::Exceeded | Outcome::GaveUp => None,
        };
        let text = |pipe: MemoryOutputPipe| String::from_utf8_lossy(&pipe.contents()).into_owned();
        Ok(ProbeAnswer {
            id,
            error,
            start: started.get().map_or(Duration::ZERO, |started| started.duration_since(asked)),
            denied: context.ledger.refusals(),
            output: text(stdout),
            complaint: text(stderr),
        })
    }
}
