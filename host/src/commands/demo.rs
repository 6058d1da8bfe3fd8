//! `udping-host demo`: the built-in server and client over loopback, each in its own sandbox.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, duplex};
use udping_components::{CLIENT, Component, SERVER};
use wasmtime_wasi::cli::AsyncStdoutStream;

use crate::commands::context::{Loading, RunContext, load};
use crate::commands::run::{block_on, prepare_runtime, runtime};
use crate::config::cli::RunFlags;
use crate::config::plan::Plan;
use crate::process::exit::Exit;
use crate::process::log::say;
use crate::process::signals::{AtSignals, Held, Signal, Stop};
use crate::sandbox::artifact::Source;
use crate::sandbox::enforcer::Enforcer;
use crate::sandbox::instance::Program;
use crate::sandbox::standard_streams::Stream;
use udping_harden::{self as harden, Needs};

/// The maximum length of the server's first line, and the capacity of its standard output, in
/// bytes.
const PIPE: usize = 4096;

/// Runs both until the client has ended.
pub fn demo() -> Result<Exit> {
    harden::drop_privileges(Needs::default()).iter().for_each(say);
    let (server, client) = (program(SERVER)?, program(CLIENT)?);
    prepare_runtime()?;
    harden::close_inherited([]);
    harden::shut().iter().for_each(say);
    // Only now: Landlock holds for threads that start after it (landlock(7)).
    let runtime = runtime()?;
    block_on(runtime.handle(), ping_each_other(&server, &client))?
}

async fn ping_each_other(server: &Program, client: &Program) -> Result<Exit> {
    let enforcer = Enforcer::new(|_, _| {});
    let signals = Held::hold(false).context("cannot watch for signals")?;
    let stop = Stop::at(signals, AtOnce).context("cannot watch for signals")?;
    let server_plan = plan(SERVER, &["0", "--bind", "127.0.0.1"])?;
    let (lines, out) = duplex(PIPE);
    let _server_watchdog = server.watched(&enforcer)?;
    let shared = RunContext::of(&server_plan)?;
    let place = shared.place(&server_plan, Vec::new())?;
    let server_instance = shared.instance(
        &server_plan,
        &place,
        AsyncStdoutStream::new(PIPE, out),
        Stream::stderr(&server_plan.source),
    );
    let never = Stop::never();
    let serve = server.run(server_instance, &never);

    let ping = async {
        let mut line = String::new();
        BufReader::new(lines).read_line(&mut line).await?;
        println!("$ udping-host {}\n{line}", command_line(&server_plan));
        let port = line.split_whitespace().nth(2).and_then(|address| address.rsplit(':').next());
        let port = port.context("the server does not say where it listens")?;
        let plan = plan(CLIENT, &["127.0.0.1", port])?;
        println!("$ udping-host {}", command_line(&plan));
        let _client_watchdog = client.watched(&enforcer)?;
        let shared = RunContext::of(&plan)?;
        let instance = shared.instance(
            &plan,
            &shared.place(&plan, Vec::new())?,
            Stream::stdout(&plan.source),
            Stream::stderr(&plan.source),
        );
        let ended = client.run(instance, &stop).await;
        anyhow::Ok(ended.exit(shared.ledger.refusals()))
    };
    tokio::select! {
        exit = ping => exit,
        ended = serve => bail!("the server ended: {ended:?}"),
    }
}

/// Stops the client at the first signal, so that it prints its summary, and exits at the second.
struct AtOnce;

impl AtSignals for AtOnce {
    fn first(&mut self, _: Signal) {}

    fn second(&mut self, signal: Signal) {
        signal.exit().at_once()
    }
}

fn program(component: Component) -> Result<Program> {
    let source = Source::BuiltIn(component);
    load(&source, &source.read()?, Loading::default())
}

fn plan(component: Component, arguments: &[&str]) -> Result<Plan> {
    Ok(Plan::new(
        &RunFlags::default(),
        Source::BuiltIn(component),
        arguments.iter().map(Into::into),
    )?)
}

fn command_line(plan: &Plan) -> String {
    plan.argv().join(" ")
}
