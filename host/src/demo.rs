//! `udping-host demo`: the built-in server and client, each in its sandbox, over loopback.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, duplex};
use udping_components::{CLIENT, SERVER};
use wasmtime_wasi::cli::{AsyncStdoutStream, stderr, stdout};

use crate::artifact::Source;
use crate::cli::NetworkFlags;
use crate::exit::Exit;
use crate::plan::Plan;
use crate::run::{instance, load};
use crate::sandbox::{Program, Sandbox};
use crate::signals;

/// What the server's first line may have in bytes, and the room that its standard output has.
const PIPE: usize = 4096;

/// Runs both until the client has ended.
pub async fn demo() -> Result<Exit> {
    let sandbox = Sandbox::new()?;
    let stop = signals::stop().context("cannot watch for Ctrl-C")?;
    let (server_plan, server) = prepare(&sandbox, SERVER, &["0", "--bind", "127.0.0.1"])?;
    let (lines, out) = duplex(PIPE);
    let server_instance = instance(&server_plan, AsyncStdoutStream::new(PIPE, out), stderr()).await;
    let serve = server.run(server_instance, std::future::pending());

    let ping = async {
        let mut line = String::new();
        BufReader::new(lines).read_line(&mut line).await?;
        println!("$ udping-host {}\n{line}", command_line(&server_plan));
        let port = line.split_whitespace().nth(2).and_then(|address| address.rsplit(':').next());
        let port = port.context("the server does not say where it listens")?;
        let (plan, client) = prepare(&sandbox, CLIENT, &["127.0.0.1", port])?;
        println!("$ udping-host {}", command_line(&plan));
        let instance = instance(&plan, stdout(), stderr()).await;
        let guard = instance.guard.clone();
        let ended = client.run(instance, stop).await;
        anyhow::Ok(Exit::of(&ended, guard.refusals()))
    };
    tokio::select! {
        exit = ping => exit,
        ended = serve => bail!("the server ended: {ended:?}"),
    }
}

fn prepare(sandbox: &Sandbox, component: udping_components::Component, arguments: &[&str]) -> Result<(Plan, Program)> {
    let source = Source::BuiltIn(component);
    let program = load(sandbox, &source)?;
    Ok((Plan::new(&NetworkFlags::default(), source, arguments.iter().map(Into::into))?, program))
}

fn command_line(plan: &Plan) -> String {
    plan.argv().join(" ")
}
