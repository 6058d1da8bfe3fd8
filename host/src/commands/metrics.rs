//! `--metrics`: another process speaks HTTP, and asks this one for its totals. What is received over
//! TCP never reaches the process that runs components and may hold a key, and what breaks out of a
//! sandbox has no listening socket.

use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio, exit};
use std::sync::mpsc;
use std::thread;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use udping_exporter::component::{self, About, Denial, Outcome, Snapshot};
use udping_exporter::protocol::{read, write};
use udping_harden as harden;
use udping_permissions::guard::{Kind, Traffic};

use crate::commands::context::RunContext;
use crate::config::plan::Plan;
use crate::process::helper::{self, Role};
use crate::process::log::say;

/// The stacks of threads that pass on messages, in bytes.
const STACK: usize = 128 << 10;

/// The first message to the process that serves.
#[derive(Debug, Serialize, Deserialize)]
struct Setup {
    listen: SocketAddr,
    about: About,
    harden: bool,
}

/// Its answer: the address at which it listens, or why it does not.
type Listening = Result<SocketAddr, String>;

/// Each of its further messages.
#[derive(Debug, Serialize, Deserialize)]
struct Scrape;

/// The process that serves the metrics of this one.
#[derive(Debug)]
pub struct Metrics {
    scrapes: BufReader<ChildStdout>,
    snapshots: ChildStdin,
    // It ends when this process ends, or closes its standard input.
    _process: Child,
}

impl Metrics {
    /// Starts the process. Call this on the main thread, while this process may still start others.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or cannot listen at the address.
    pub fn start(listen: SocketAddr, plan: &Plan) -> Result<Self> {
        let about = About {
            component: plan.source.name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            keyed: plan.keys.is_some(),
            started: SystemTime::now(),
        };
        let mut process = helper::command(Role::Metrics)?.stderr(Stdio::inherit()).spawn()?;
        let (Some(mut snapshots), Some(scrapes)) = (process.stdin.take(), process.stdout.take())
        else {
            bail!("--metrics: the process that serves has no pipes");
        };
        let mut scrapes = BufReader::new(scrapes);
        write(&mut snapshots, &Setup { listen, about, harden: plan.harden })?;
        let listening = read::<Listening>(&mut scrapes)?;
        let address = listening
            .ok_or_else(|| anyhow!("the process that serves has ended"))
            .and_then(|listening| listening.map_err(anyhow::Error::msg))
            .with_context(|| format!("--metrics {listen}"))?;
        say(format_args!("metrics are at http://{address}/metrics"));
        Ok(Self { scrapes, snapshots, _process: process })
    }

    /// Starts a thread that answers with the totals of `run`.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn answer(mut self, run: RunContext) -> io::Result<()> {
        let answer = move || {
            while let Ok(Some(Scrape)) = read(&mut self.scrapes)
                && write(&mut self.snapshots, &snapshot(&run)).is_ok()
            {}
            say("the process that serves metrics has ended: there are none any more");
        };
        thread::Builder::new().name("metrics".to_owned()).stack_size(STACK).spawn(answer)?;
        Ok(())
    }
}

fn snapshot(run: &RunContext) -> Snapshot {
    let Traffic { received, received_bytes, sent, sent_bytes, dropping } = run.ledger.traffic();
    let denied = |(Kind { what, why }, count, _)| {
        (Denial { operation: String::from(what), reason: String::from(why) }, count)
    };
    let outcome = |((outcome, reason), count)| (Outcome { outcome, reason }, count);
    Snapshot {
        received,
        received_bytes,
        sent,
        sent_bytes,
        socket_dropped: run.socket_dropped(),
        denied: run.ledger.totals().into_iter().map(denied).collect(),
        dropping,
        restarts: run.restarts(),
        outcomes: run.counts.collect().into_iter().map(outcome).collect(),
    }
}

/// Serves metrics until standard input ends.
///
/// # Errors
///
/// If it cannot read from the process whose metrics these are, or write to it.
pub fn serve() -> Result<()> {
    let mut snapshots = BufReader::new(io::stdin());
    let Some(Setup { listen, about, harden }) = read(&mut snapshots)? else { return Ok(()) };
    let (runtime, listener) = match bind(listen) {
        Ok(bound) => bound,
        Err(error) => {
            let refused: Listening = Err(format!("cannot listen there: {error}"));
            return Ok(write(&mut io::stdout(), &refused)?);
        }
    };
    if harden {
        shut();
    }
    let listening: Listening = Ok(listener.local_addr()?);
    write(&mut io::stdout(), &listening)?;
    let (sender, receiver) = mpsc::channel();
    // Nothing but the end of standard input tells that the process whose metrics these are has
    // ended: a hardened one cannot even have a signal sent by its death (landlock(7), scope of
    // signals).
    let receive = move || {
        while let Ok(Some(snapshot)) = read::<Snapshot>(&mut snapshots) {
            let _ = sender.send(snapshot);
        }
        exit(0)
    };
    thread::Builder::new().name("snapshots".to_owned()).stack_size(STACK).spawn(receive)?;
    let ask = move || {
        write(&mut io::stdout(), &Scrape).ok()?;
        receiver.recv().ok()
    };
    runtime.block_on(component::serve(listener, about, Box::new(ask)));
    Ok(())
}

fn bind(listen: SocketAddr) -> io::Result<(Runtime, TcpListener)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(listen))?;
    Ok((runtime, listener))
}

/// Gives up all that serving does not need. The process whose metrics these are reports what is
/// missing.
#[cfg(target_os = "linux")]
fn shut() {
    let _ = rustix::thread::set_name(c"metrics");
    let _ = (harden::drop_privileges(harden::Needs::default()), harden::shut_http());
}

/// Other systems have no such means.
#[cfg(not(target_os = "linux"))]
fn shut() {
    let _ = harden::shut();
}
