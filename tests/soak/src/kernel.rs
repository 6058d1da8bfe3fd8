//! The kernel's counters of datagrams in this network namespace.

use std::fs;

use anyhow::{Context as _, Result};

/// Datagrams dropped by the kernel since the namespace was created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drops {
    /// The receive buffer was full (`RcvbufErrors`).
    pub no_room: u64,
    /// There was no listener (`NoPorts`).
    pub nobody: u64,
    /// The interface was down.
    pub no_link: u64,
}

/// Reads the number of datagrams dropped so far.
pub(crate) fn drops() -> Result<Drops> {
    let snmp = fs::read_to_string("/proc/net/snmp")?;
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) =
        lines.next().zip(lines.next()).context("/proc/net/snmp has no lines for UDP")?;
    let udp = |wanted| -> Result<u64> {
        let mut columns = names.split(' ').zip(values.split(' '));
        Ok(columns
            .find(|(name, _)| *name == wanted)
            .with_context(|| format!("no {wanted}"))?
            .1
            .parse()?)
    };
    let devices = fs::read_to_string("/proc/net/dev")?;
    let loopback =
        devices.lines().find_map(|line| line.trim_start().strip_prefix("lo:")).context("no lo")?;
    // Eight receive columns, then bytes, packets and errors of transmit.
    let no_link =
        loopback.split_whitespace().nth(8 + 3).context("/proc/net/dev is short")?.parse()?;
    Ok(Drops { no_room: udp("RcvbufErrors")?, nobody: udp("NoPorts")?, no_link })
}

/// The number of bytes queued in sockets.
pub(crate) fn waiting() -> Result<u64> {
    let mut bytes = 0;
    for line in fs::read_to_string("/proc/net/udp")?.lines().skip(1) {
        let queues = line.split_whitespace().nth(4).context("/proc/net/udp is short")?;
        let (_, received) = queues.split_once(':').context("tx_queue:rx_queue")?;
        bytes += u64::from_str_radix(received, 16)?;
    }
    Ok(bytes)
}
