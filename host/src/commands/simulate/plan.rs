//! The scenario that a command line describes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use bytesize::ByteSize;
use udping_simulation::{DURATION, Link, Node, Scenario};

use crate::config::cli::SimulateArguments;
use crate::process::log::say;
use crate::process::trust::{self, Text};

/// The name of the node that clients ping.
const SERVER: &str = "server";

/// The maximum size of a scenario.
const SIZE_LIMIT: ByteSize = ByteSize::mib(4);

/// The scenario of `arguments`: that of a file, or clients that ping one server.
pub(super) fn scenario(arguments: &SimulateArguments) -> Result<Scenario> {
    let mut scenario = match &arguments.scenario {
        Some(path) => {
            let name = path.display();
            let Text { text, warning } =
                trust::read_text(path, SIZE_LIMIT).map_err(|error| anyhow!("{name}: {error}"))?;
            if let Some(untrusted) = warning {
                say(format_args!("warning: {name}: {untrusted}"));
            }
            Scenario::parse(&text).map_err(|error| anyhow!("{name}: {error}"))?
        }
        None => of_clients(arguments)?,
    };
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    scenario.duration = arguments.duration.unwrap_or(scenario.duration);
    Ok(scenario)
}

fn of_clients(arguments: &SimulateArguments) -> Result<Scenario> {
    let link: Link = arguments.link.link()?;
    let server = match &arguments.server {
        Some(line) => {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            if words.is_empty() {
                bail!("--server needs a component, such as --server 'server 12000'");
            }
            words
        }
        None => server(&arguments.client).with_context(|| {
            format!(
                "which port has the server? write {SERVER} PORT after the client, or --server 'server PORT'"
            )
        })?,
    };
    let node = |name: &str, count, run, wait| Node {
        name: name.to_owned(),
        count,
        run,
        addresses: Vec::new(),
        env: BTreeMap::new(),
        spread: arguments.spread.unwrap_or_default(),
        wait,
        reports: false,
        exit: 0,
    };
    let nodes = vec![
        node(SERVER, 1, server, false),
        node("client", arguments.clients, arguments.client.clone(), true),
    ];
    let (links, faults) = (Vec::new(), Vec::new());
    Ok(Scenario { seed: 1, duration: DURATION, link, nodes, links, faults })
}

/// The server that the arguments of a client ask for: on the port that follows its name, and with the
/// client's protocol.
fn server(client: &[String]) -> Option<Vec<String>> {
    let is_port = |word: &&str| word.parse::<u16>().is_ok_and(|port| port > 0);
    let port = client.iter().enumerate().skip(1).find_map(|(index, word)| {
        let after = word.strip_prefix(SERVER)?;
        let port = match after.strip_prefix(':') {
            Some(port) => port,
            None if after.is_empty() => client.get(index + 1)?,
            None => return None,
        };
        Some(port).filter(is_port)
    });
    let is_stamp = client.windows(2).any(|two| two == ["--protocol", "stamp"])
        || client.iter().any(|word| word == "--protocol=stamp");
    let stamp = is_stamp.then_some("--protocol=stamp");
    // STAMP has a port of its own, which is the default on both sides.
    (port.is_some() || is_stamp)
        .then(|| [Some(SERVER), port, stamp].into_iter().flatten().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_has_the_port_that_follows_its_name() {
        let server = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            server(&words).map(|words| words.join(" "))
        };
        for (line, expected) in [
            ("client server 12000 --count 3", "server 12000"),
            ("./x.wasm -v server:7", "server 7"),
            ("client server --protocol stamp", "server --protocol=stamp"),
            ("client server 7 --protocol=stamp", "server 7 --protocol=stamp"),
        ] {
            assert_eq!(server(line).as_deref(), Some(expected), "{line}");
        }
        for none in
            ["client server", "client server x", "server 7", "client servers 7", "client a 7"]
        {
            assert_eq!(server(none), None, "{none}");
        }
    }
}
