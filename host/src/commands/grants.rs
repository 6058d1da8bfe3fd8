//! `udping-host grants`: what a component would be granted, without running it.

use std::io::Write;

use anyhow::Result;

use crate::commands::context::RunContext;
use crate::config::plan::Plan;
use crate::process::exit::Exit;
use udping_permissions::grants::AnswerRule;

/// Writes the grants and limits of `plan` to `out`, with the names in them resolved.
pub fn show(plan: &Plan, out: &mut impl Write) -> Result<Exit> {
    let shared = RunContext::of(plan)?;
    let grants = shared.grants.get();
    writeln!(out, "{} may", plan.source.name())?;
    let mut granted = false;
    let mut item = |text: String| {
        granted = true;
        writeln!(out, "  {text}")
    };
    if grants.inherit_network {
        item("use every address".to_owned())?;
    }
    for destination in grants.send.iter() {
        item(format!("send to {destination}, and receive from it"))?;
    }
    for listen in &grants.listen {
        item(format!("listen on {listen}"))?;
    }
    for source in &grants.source {
        item(format!("send from {source}"))?;
    }
    let can_hear = grants.inherit_network || !grants.listen.is_empty();
    for network in grants.from.iter().filter(|_| can_hear) {
        item(format!(
            "receive, where it listens, from {network}, and from no source not listed here"
        ))?;
    }
    if grants.any_name {
        item("resolve every name".to_owned())?;
    }
    for name in &grants.resolve {
        item(format!("resolve {name}"))?;
    }
    if !granted {
        writeln!(out, "  use no network")?;
    }
    if !grants.listen.is_empty() {
        let AnswerRule { window, amplification } = grants.answer;
        let window = humantime::format_duration(window);
        writeln!(
            out,
            "  answer within {window}, with up to {amplification}x the datagrams and bytes received"
        )?;
    }
    let mut own: Vec<_> = grants.own_within_networks().collect();
    own.sort();
    for address in own {
        writeln!(
            out,
            "  not send to {address}, an address of this machine: grant exactly that address"
        )?;
    }
    for denied in &grants.deny {
        writeln!(out, "  never send to {denied}, nor receive from it")?;
    }
    let mut flags = grants.as_flags();
    flags.extend(plan.socket_options.as_flags());
    writeln!(out, "as flags\n  {}", flags.join(" "))?;
    writeln!(out, "within")?;
    for limit in plan.limits.to_string().split(", ") {
        writeln!(out, "  {limit}")?;
    }
    for rate in plan.rates.to_string().split(", ").filter(|rate| !rate.is_empty()) {
        writeln!(out, "  {rate}")?;
    }
    Ok(Exit::Success)
}
