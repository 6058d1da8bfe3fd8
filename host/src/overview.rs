//! What a component would be granted, before it runs.

use std::io::Write;

use anyhow::Result;

use crate::exit::Exit;
use crate::grants::AnswerRule;
use crate::guard::Rates;
use crate::limits::Limits;
use crate::plan::Plan;
use crate::run::Shared;

/// Writes the grants and limits of `plan` to `out`, with the names in them resolved.
pub async fn show(plan: &Plan, out: &mut impl Write) -> Result<Exit> {
    let shared = Shared::of(plan).await?;
    let grants = &shared.grants;
    writeln!(out, "{} may", plan.source.name())?;
    let mut granted = false;
    let mut item = |text: String| {
        granted = true;
        writeln!(out, "  {text}")
    };
    if grants.inherit_network {
        item("use every address".to_owned())?;
    }
    for destination in &grants.send {
        item(format!("send to {destination}, and hear from there"))?;
    }
    for listen in &grants.listen {
        item(format!("listen on {listen}"))?;
    }
    if grants.any_name {
        item("look every name up".to_owned())?;
    }
    for name in &grants.resolve {
        item(format!("look {name} up"))?;
    }
    if !granted {
        writeln!(out, "  use no network")?;
    }
    if !grants.listen.is_empty() {
        let AnswerRule { window, amplification } = grants.answer;
        let window = humantime::format_duration(window);
        writeln!(out, "  answer, within {window}, with {amplification} times the datagrams and bytes that came")?;
    }
    for denied in &grants.deny {
        writeln!(out, "  never send to {denied}, nor hear from there")?;
    }
    writeln!(out, "as flags\n  {}", grants.as_flags().join(" "))?;
    writeln!(out, "within")?;
    write_limits(&plan.limits, out)?;
    write_rates(&plan.rates, out)?;
    Ok(Exit::Success)
}

fn write_limits(limits: &Limits, out: &mut impl Write) -> Result<()> {
    let Limits { memory, time, compute, sockets, handles, call, lookups, output } = limits;
    writeln!(out, "  {memory} of memory, {sockets} sockets, {handles} handles, {lookups} lookups, {call} a call")?;
    writeln!(out, "  {output} of output a second")?;
    writeln!(out, "  {} of computing without use of the network", humantime::format_duration(*compute))?;
    if let Some(time) = time {
        writeln!(out, "  {} from start to end", humantime::format_duration(*time))?;
    }
    Ok(())
}

fn write_rates(rates: &Rates, out: &mut impl Write) -> Result<()> {
    let Rates { send, send_bytes, receive, receive_bytes, source } = rates;
    for (rate, what) in [
        (send, "datagrams sent"),
        (send_bytes, "bytes sent"),
        (receive, "datagrams received"),
        (receive_bytes, "bytes received"),
        (source, "datagrams received from one source"),
    ] {
        if let Some(rate) = rate {
            writeln!(out, "  {} {what} a second", rate.0)?;
        }
    }
    Ok(())
}
