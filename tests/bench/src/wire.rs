//! The error of reported RTTs against those on the wire, ping by ping.
//!
//! The wire is what dumpcap(1) captures on the client's machine: each datagram with the kernel's time
//! as it leaves and arrives. What a pinger reports beyond that is its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{iter, thread};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::measures::{Effort, alternate};
use crate::native::Waiting;
use crate::peers::{self, Peer};
use crate::placement::{Placement, Spinners, pinned};
use crate::report::{Measure, Row};

/// The payload of each ping in bytes, which tells pings from what else a pinger sends.
const SIZE: usize = 64;

/// As where RTTs are compared. What the kernel does before a datagram leaves takes some 4 us longer
/// when nothing has been sent for 5 ms.
const INTERVAL: Duration = Duration::from_millis(1);

/// How long dumpcap is given to start and to read what the kernel still has, which it gets in blocks.
const SETTLING: Duration = Duration::from_secs(1);

/// Who is compared.
pub(crate) const PINGERS: &[Peer] = &[
    Peer::NativeSingle,
    Peer::NativeStamped,
    Peer::Udping(&[]),
    Peer::Udping(&["--no-kernel-time"]),
    Peer::Irtt,
];

/// Measures the error of each peer, each with its own server, on an idle and on a busy machine: the
/// median of the one and the 99th percentile of the other.
pub(crate) fn errors([idle, busy]: [&'static str; 2], effort: Effort) -> Result<[Measure; 2]> {
    let measure = |name, unit, share: f64, is_busy: bool| {
        if let Some(missing) = missing() {
            let row = |peer: &Peer| Row::new(peer.name(), Some(missing.clone()));
            return Ok(Measure { name, unit, rows: PINGERS.iter().map(row).collect() });
        }
        alternate(name, unit, PINGERS, effort.rounds, |peer, row: &mut Row| {
            let server = peer.start_on(Some(Placement::TwoCores.server()))?;
            row.values
                .push(percentile(error_of(peer, server.address, "lo", effort, is_busy)?, share));
            Ok(())
        })
    };
    Ok([measure(idle, "us, p50", 0.5, false)?, measure(busy, "us, p99", 0.99, true)?])
}

/// Prints the errors of udping against a server of any machine.
pub(crate) fn print(server: SocketAddr, interface: &str, busy: bool) -> Result<()> {
    let effort = Effort { pings: 1000, ..Effort::FULL };
    for peer in [Peer::Udping(&[]), Peer::Udping(&["--no-kernel-time"])] {
        let errors = error_of(peer, server, interface, effort, busy)?;
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| percentile(errors.clone(), share));
        println!(
            "{}: {} pings, RTT above the wire's: p50 {p50:.1} us, p99 {p99:.1} us, max {max:.1} us",
            peer.name(),
            errors.len()
        );
    }
    Ok(())
}

/// How much longer each reported RTT is than that on the wire, in microseconds.
fn error_of(
    peer: Peer,
    server: SocketAddr,
    interface: &str,
    effort: Effort,
    busy: bool,
) -> Result<Vec<f64>> {
    let capture = Capture::start(interface, server)?;
    let _awake = Spinners::idle()?;
    let burning = busy.then(|| Spinners::busy(Placement::CLIENT)).transpose()?;
    let reported = reported(peer, server, effort.pings)?;
    drop(burning);
    let wire = capture.rtts(server)?;
    ensure!(
        wire.len() == reported.len(),
        "{}: {} of {} pings were captured with their replies",
        peer.name(),
        wire.len(),
        reported.len()
    );
    Ok(reported.iter().zip(&wire).map(|(reported, wire)| (reported - wire) / 1e3).collect())
}

fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or_default()
}

/// The RTTs that a pinger reports, in the order in which the pings were sent, in nanoseconds.
fn reported(peer: Peer, server: SocketAddr, pings: usize) -> Result<Vec<f64>> {
    let (ip, port) = (server.ip().to_string(), server.port().to_string());
    let (count, size) = (pings.to_string(), SIZE.to_string());
    let every = format!("{}us", INTERVAL.as_micros());
    let command = match peer {
        Peer::Udping(options) => {
            let mut command = Command::new(udping_tests::host_program());
            command.args(options).args(["client", &ip, &port, "--size", &size, "--format", "csv"]);
            command.args(["-c", &count, "-i", &every]);
            command
        }
        Peer::Irtt => {
            let mut command = Command::new("irtt");
            let length = format!("{}ms", pings as u128 * INTERVAL.as_millis());
            let address = server.to_string();
            command.args(["client", "-i", &every, "-d", &length, "-l", &size]);
            command.args(["-q", "-o", "-", &address]);
            command
        }
        Peer::NativeSingle => {
            peers::native_pinger(server, pings, INTERVAL, SIZE, Waiting::Blocking)?
        }
        Peer::NativeStamped => {
            peers::native_pinger(server, pings, INTERVAL, SIZE, Waiting::Stamped)?
        }
        _ => anyhow::bail!("{} does not report each RTT", peer.name()),
    };
    let text = peers::printed(&mut pinned(Placement::CLIENT, &command))?;
    match peer {
        Peer::Udping(_) => of_csv(&text),
        Peer::Irtt => of_irtt(&text),
        _ => text.lines().skip(1).map(|line| Ok(line.parse()?)).collect(),
    }
}

/// The RTTs of `--format csv`, whose rows are in the order of the replies.
fn of_csv(text: &str) -> Result<Vec<f64>> {
    let mut rows = text
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            let [.., seq, _, _, _, rtt] = fields.as_slice() else {
                anyhow::bail!("not a row: {line}")
            };
            Ok((seq.parse::<u64>()?, rtt.parse::<f64>().with_context(|| line.to_owned())?))
        })
        .collect::<Result<Vec<_>>>()?;
    rows.sort_by_key(|(seq, _)| *seq);
    Ok(rows.into_iter().map(|(_, rtt)| rtt).collect())
}

fn of_irtt(text: &str) -> Result<Vec<f64>> {
    let json: serde_json::Value = serde_json::from_str(text)?;
    let all = json["round_trips"].as_array().context("irtt's JSON has no round trips")?;
    all.iter()
        .map(|one| one["delay"]["rtt"].as_f64().context("a round trip without an RTT"))
        .collect()
}

/// A running dumpcap.
struct Capture {
    dumpcap: Child,
    file: tempfile::NamedTempFile,
}

impl Capture {
    fn start(interface: &str, server: SocketAddr) -> Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        let filter = format!("udp and host {} and port {}", server.ip(), server.port());
        let mut dumpcap = Command::new("dumpcap")
            .args(["-q", "-s", "128", "-i", interface, "-f", &filter, "-w"])
            .arg(file.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("dumpcap, of Wireshark (make peers)")?;
        let mut stderr = BufReader::new(dumpcap.stderr.take().context("it is piped")?);
        // It captures from here on.
        let mut line = String::new();
        while !line.starts_with("File:") {
            line.clear();
            ensure!(stderr.read_line(&mut line)? > 0, "dumpcap does not capture on {interface}");
        }
        // ...or a little later.
        thread::sleep(SETTLING);
        // Nobody may be kept from writing the rest.
        thread::spawn(move || drop(std::io::copy(&mut stderr, &mut std::io::sink())));
        Ok(Self { dumpcap, file })
    }

    /// The time from each ping to its reply, in nanoseconds.
    fn rtts(mut self, server: SocketAddr) -> Result<Vec<f64>> {
        // The last packets are read from the kernel in batches.
        thread::sleep(SETTLING);
        kill_process(Pid::from_child(&self.dumpcap), Signal::INT)?;
        self.dumpcap.wait()?;
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(self.file.path());
        tshark.args([
            "-T",
            "fields",
            "-e",
            "frame.time_epoch",
            "-e",
            "udp.srcport",
            "-e",
            "udp.length",
        ]);
        of_capture(&peers::printed(&mut tshark)?, server.port())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.dumpcap.kill();
        let _ = self.dumpcap.wait();
    }
}

/// Pairs pings and replies in their order: with one route and one server, none overtakes another.
fn of_capture(text: &str, port: u16) -> Result<Vec<f64>> {
    let (mut pings, mut replies) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [time, source, length] = fields.as_slice() else { continue };
        // The header of UDP has 8 bytes. Replies to a client that was late may be one packet until a
        // device segments them (udp(7)).
        let payload = length.parse::<usize>().ok().and_then(|length| length.checked_sub(8));
        let Some(payload) = payload.filter(|payload| payload.is_multiple_of(SIZE)) else {
            continue;
        };
        let of = if source.parse() == Ok(port) { &mut replies } else { &mut pings };
        let at = nanoseconds(time).with_context(|| line.to_owned())?;
        of.extend(iter::repeat_n(at, payload / SIZE));
    }
    Ok(pings.iter().zip(&replies).map(|(ping, reply)| (reply - ping) as f64).collect())
}

/// Parses seconds with nine decimals, for which a float has not enough.
fn nanoseconds(time: &str) -> Option<i64> {
    let (seconds, fraction) = time.split_once('.')?;
    let fraction = format!("{fraction:0<9}");
    Some(seconds.parse::<i64>().ok()? * 1_000_000_000 + fraction.get(..9)?.parse::<i64>().ok()?)
}

/// Whether a capture can be made here.
pub(crate) fn missing() -> Option<String> {
    let missing =
        ["dumpcap", "tshark"].into_iter().find(|name| udping_tests::installed(name).is_none());
    missing.map(|name| format!("{name} is not installed (make peers)"))
}
