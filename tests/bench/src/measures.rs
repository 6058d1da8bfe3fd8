//! The measurements. Peers take turns, A B A B, so that a noisy minute affects all.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use udping_tests::{CLIENT, CLIENT_P3, Process, Runtime, Server};

use crate::load::{self, Load, Until};
use crate::native::{self, Pinged, Waiting};
use crate::peers::{self, Peer, Running};
use crate::placement::{self, Placement, Spinners, on_core};
use crate::report::{Measure, Row};

/// The duration and the number of measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// The number of rounds; each peer is measured once in each.
    pub rounds: usize,
    /// The duration of the flood for one value.
    pub flood: Duration,
    /// The number of pings for one value.
    pub pings: usize,
    /// The number of starts for one value.
    pub starts: usize,
}

impl Effort {
    /// The effort for figures to be quoted.
    pub(crate) const FULL: Self =
        Self { rounds: 5, flood: Duration::from_millis(1500), pings: 500, starts: 10 };
    /// The effort that shows that everything runs.
    pub(crate) const QUICK: Self =
        Self { rounds: 1, flood: Duration::from_millis(100), pings: 20, starts: 1 };
}

/// Measures each peer once per round. A value that cannot be measured is an error of the benchmark;
/// a peer that is not installed is listed as missing.
pub(crate) fn alternate(
    name: &'static str,
    unit: &'static str,
    peers: &[Peer],
    rounds: usize,
    mut measure: impl FnMut(Peer, &mut Row) -> Result<()>,
) -> Result<Measure> {
    let mut rows: Vec<_> = peers.iter().map(|peer| Row::new(peer.name(), peer.missing())).collect();
    for round in 1..=rounds {
        eprintln!("{name}: round {round} of {rounds}");
        for (peer, row) in peers.iter().zip(&mut rows).filter(|(_, row)| row.missing.is_none()) {
            measure(*peer, row).with_context(|| format!("{name}: {}", row.peer))?;
        }
    }
    Ok(Measure { name, unit, rows })
}

/// Measures how many datagrams per second a server answers, and the CPU time it takes for each.
pub(crate) fn throughput(
    [name, cpu_name]: [&'static str; 2],
    peers: &[Peer],
    load: Load,
    effort: Effort,
) -> Result<[Measure; 2]> {
    let mut cpu: Vec<Row> =
        peers.iter().map(|peer| Row::new(peer.name(), peer.missing())).collect();
    let load = Load { until: Until::Time(effort.flood), ..load };
    let rate = alternate(name, "datagrams/s", peers, effort.rounds, |peer, row| {
        let server = peer.start()?;
        load::run(server.address, Load { until: Until::Time(effort.flood / 10), ..load })?;
        let before = server.cpu_seconds()?;
        let result = load::run(server.address, load)?;
        let used = server.cpu_seconds()? - before;
        row.values.push(result.rate());
        *row.lost.get_or_insert(0) += result.lost + result.wrong;
        let cpu =
            cpu.iter_mut().find(|cpu| cpu.peer == row.peer).context("every peer has a row")?;
        cpu.values.push(used * 1e6 / result.replies as f64);
        Ok(())
    })?;
    Ok([rate, Measure { name: cpu_name, unit: "us of CPU a datagram", rows: cpu }])
}

const SIZE: usize = 32;

/// Measures the median RTT of pings, one every `interval`, from each peer's own client to its own
/// server, on cores that do not halt.
pub(crate) fn rtt(
    name: &'static str,
    peers: &[Peer],
    interval: Duration,
    placement: Placement,
    effort: Effort,
) -> Result<Measure> {
    let _awake = Spinners::idle()?;
    alternate(name, "us, p50 of a run", peers, effort.rounds, |peer, row| {
        let server = peer.start_on(Some(placement.server()))?;
        row.values.push(median_rtt(peer, &server, interval, effort.pings)?);
        Ok(())
    })
}

fn median_rtt(peer: Peer, server: &Running, interval: Duration, pings: usize) -> Result<f64> {
    let (ip, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let (count, every) = (pings.to_string(), format!("{}us", interval.as_micros()));
    let target =
        [ip.as_str(), port.as_str(), "-c", count.as_str(), "-i", every.as_str(), "--size", "32"];
    let pinned = |command: &Command| placement::pinned(Placement::CLIENT, command);
    let native = |waiting| {
        on_core(Placement::CLIENT, || {
            Ok(micros(&native::ping(server.address, pings, interval, SIZE, waiting)?))
        })
    };
    let mut rtts: Vec<f64> = match peer {
        Peer::Udping(options) => {
            let mut client = Command::new(udping_tests::host_program());
            printed_rtts(&mut pinned(client.args(options).arg("client").args(target)))?
        }
        Peer::Lean => {
            printed_rtts(&mut pinned(Command::new(peers::lean()).arg("client").args(target)))?
        }
        Peer::Wasmtime => printed_rtts(&mut pinned(&Runtime::Wasmtime.command(CLIENT, &target)))?,
        Peer::P3(runtime) => printed_rtts(&mut pinned(&runtime.command(CLIENT_P3, &target)))?,
        Peer::NativeSpinning => native(Waiting::Spinning)?,
        Peer::NativeStamped => native(Waiting::Stamped)?,
        Peer::NativeSingle | Peer::NativeBatched | Peer::Python | Peer::Example(..) => {
            native(Waiting::Blocking)?
        }
        Peer::Sockperf => {
            let seconds = (pings as f64 * interval.as_secs_f64()).ceil().max(1.0).to_string();
            let rate = (1.0 / interval.as_secs_f64()).to_string();
            let arguments = [
                "ping-pong",
                "-i",
                &ip,
                "-p",
                &port,
                "--nonblocked",
                "-t",
                &seconds,
                "--mps",
                &rate,
                "-m",
                "32",
            ];
            let text = peers::printed(&mut pinned(Command::new("sockperf").args(arguments)))?;
            let half = text
                .lines()
                .find_map(|line| line.split("percentile 50.000 =").nth(1))
                .context("no median")?;
            // sockperf reports half of each RTT.
            vec![half.trim().parse::<f64>()? * 2.0]
        }
        Peer::Irtt => {
            let length = format!("{}ms", pings as u128 * interval.as_millis());
            let address = server.address.to_string();
            let arguments = ["client", "-i", &every, "-d", &length, "-q", "-o", "-", &address];
            let json: serde_json::Value = serde_json::from_str(&peers::printed(&mut pinned(
                Command::new("irtt").args(arguments),
            ))?)?;
            vec![
                json["stats"]["rtt"]["median"].as_f64().context("irtt's JSON has no median RTT")?
                    / 1e3,
            ]
        }
    };
    rtts.sort_by(f64::total_cmp);
    rtts.get(rtts.len() / 2).copied().context("no reply")
}

fn micros(pings: &[Pinged]) -> Vec<f64> {
    pings.iter().map(|ping| ping.rtt.as_secs_f64() * 1e6).collect()
}

/// Returns the RTTs that `client.wasm` prints, in microseconds.
pub(crate) fn printed_rtts(client: &mut Command) -> Result<Vec<f64>> {
    let text = peers::printed(client)?;
    let rtt = |line: &str| line.split("rtt=").nth(1)?.strip_suffix(" ms")?.parse::<f64>().ok();
    Ok(text.lines().filter_map(rtt).map(|millis| millis * 1e3).collect())
}

/// Measures the time from the start of a process until it reports that it listens.
pub(crate) fn start(effort: Effort) -> Result<Measure> {
    let peers = [Peer::NativeSingle, Peer::Lean, Peer::Udping(&[]), Peer::Wasmtime];
    let mut measure =
        alternate("start", "ms from exec to listening", &peers, effort.rounds, |peer, row| {
            let mut times: Vec<_> = (0..effort.starts)
                .map(|_| {
                    let start = Instant::now();
                    let server = peer.start()?;
                    let time = start.elapsed();
                    drop(server);
                    Ok(time.as_secs_f64() * 1e3)
                })
                .collect::<Result<_>>()?;
            times.sort_by(f64::total_cmp);
            row.values.push(times[times.len() / 2]);
            Ok(())
        })?;
    measure.rows.push(cached_start(effort));
    Ok(measure)
}

/// The row of server.wasm from a file: its first start compiles it, and is not counted.
pub(crate) const CACHED: &str = "udping-host server.wasm, cached";

fn cached_start(effort: Effort) -> Row {
    let mut row = Row::new(CACHED.to_owned(), None);
    let start = || {
        let before = Instant::now();
        let server = Server::listening(
            &mut Runtime::UdpingHost.command(udping_tests::SERVER, &["0", "--bind", "127.0.0.1"]),
        );
        let time = before.elapsed();
        drop(server);
        time.as_secs_f64() * 1e3
    };
    start();
    // Hosts of older commits write the cache in the background.
    thread::sleep(Duration::from_millis(500));
    for _ in 0..effort.rounds {
        let mut times: Vec<_> = (0..effort.starts).map(|_| start()).collect();
        times.sort_by(f64::total_cmp);
        row.values.push(times[times.len() / 2]);
    }
    row
}

/// Measures the resident memory of an idle server.
pub(crate) fn memory(effort: Effort) -> Result<Measure> {
    let peers = [Peer::NativeSingle, Peer::Lean, Peer::Udping(&[]), Peer::Wasmtime];
    alternate("idle memory", "MB resident", &peers, effort.rounds.min(2), |peer, row| {
        let server = peer.start()?;
        thread::sleep(Duration::from_millis(50));
        row.values.push(server.resident()? / 1e6);
        Ok(())
    })
}

/// Measures the CPU time of a client that pings every millisecond, in percent of a core.
pub(crate) fn client(effort: Effort) -> Result<Measure> {
    let server = Peer::NativeSingle.start()?;
    let target = [server.address.ip().to_string(), server.address.port().to_string()];
    let arguments = [target[0].as_str(), target[1].as_str(), "-c", "1000000", "-i", "1ms", "-q"];
    let time = Duration::from_millis(effort.pings as u64);
    let peers = [Peer::NativeSingle, Peer::Udping(&[]), Peer::Wasmtime];
    alternate("client, a ping every 1 ms", "% of a core", &peers, effort.rounds, |peer, row| {
        let mut command = match peer {
            Peer::Wasmtime => Runtime::Wasmtime.command(CLIENT, &arguments),
            Peer::NativeSingle => peers::native_client(server.address)?,
            _ => {
                let mut command = udping_tests::udping_host();
                command.arg("client").args(arguments);
                command
            }
        };
        let mut client = Process::start(&mut command);
        client.line();
        let (before, start) = (peers::cpu_seconds(&client)?, Instant::now());
        thread::sleep(time);
        row.values
            .push(100.0 * (peers::cpu_seconds(&client)? - before) / start.elapsed().as_secs_f64());
        Ok(())
    })
}

/// Measures the resident memory of a server before and after a flood.
pub(crate) fn flat(datagrams: u64) -> Result<Measure> {
    let mut rows = Vec::new();
    let server = Peer::Udping(&[]).start()?;
    // The first batches make the buffers resident.
    let load = Load {
        size: 64,
        window: 256,
        sources: 1,
        segmented: true,
        until: Until::Replies(1_000_000.min(datagrams)),
    };
    load::run(server.address, load)?;
    let mut row = |name: &str, lost| -> Result<()> {
        let values = vec![server.resident()? / 1e6];
        rows.push(Row { peer: name.to_owned(), values, lost: Some(lost), missing: None });
        Ok(())
    };
    row("after warming up", 0)?;
    let result = load::run(server.address, Load { until: Until::Replies(datagrams), ..load })?;
    row("after the flood", result.lost + result.wrong)?;
    Ok(Measure { name: "memory under load", unit: "MB resident", rows })
}
