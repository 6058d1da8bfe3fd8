//! Compares two builds of udping-host: what a change cost.
//!
//! Each pair of values is measured back to back, in alternating order, so that a noisy minute
//! affects both builds. The verdict is about the median of the pairs' ratios, with its confidence
//! interval from order statistics: this assumes nothing about the distribution of the noise, and a
//! stall of the machine affects one pair among many.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::Serialize;
use udping_tests::{Process, SERVER, Server};

use crate::load::{self, Load, Until};
use crate::measures::printed_rtts;
use crate::peers::{self, Running};
use crate::placement::{Core, on_core, pinned};

/// A build is no worse if the interval reaches this ratio to the base.
const TOLERATED: f64 = 0.97;

/// Compares two builds.
#[derive(Debug, Args)]
pub(crate) struct Comparison {
    /// udping-host of the commit to compare with
    base: PathBuf,
    /// udping-host of the commit that is judged
    new: PathBuf,
    /// Pairs of values for each measure
    #[arg(long, value_name = "N", default_value_t = 20)]
    pairs: usize,
    /// Compare only the measures whose name contains this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// Which direction of a value is better.
#[derive(Clone, Copy, Debug)]
enum Better {
    Higher,
    Lower,
}

/// A quantity, and how to measure one value of it.
struct Quantity {
    name: &'static str,
    unit: &'static str,
    better: Better,
    measure: fn(&Path) -> Result<f64>,
}

const QUANTITIES: &[Quantity] = &[
    Quantity {
        name: "64 B, window 256",
        unit: "datagrams/s",
        better: Better::Higher,
        measure: |host| rate(host, PLAIN),
    },
    Quantity {
        name: "64 B, one core for both",
        unit: "datagrams/s",
        better: Better::Higher,
        measure: |host| rate_pinned(host, PLAIN, "0", "0"),
    },
    Quantity {
        name: "64 B, GSO sender, window 512",
        unit: "datagrams/s",
        better: Better::Higher,
        measure: |host| rate(host, SEGMENTED),
    },
    Quantity {
        name: "64 B, 1,000 sources",
        unit: "datagrams/s",
        better: Better::Higher,
        measure: |host| rate(host, SOURCES),
    },
    Quantity {
        name: "1400 B, window 256",
        unit: "datagrams/s",
        better: Better::Higher,
        measure: |host| rate(host, LARGE),
    },
    Quantity {
        name: "RTT, one core",
        unit: "us, p50",
        better: Better::Lower,
        measure: |host| rtt(host, "0", "0", &[], Duration::from_millis(1)),
    },
    Quantity {
        name: "RTT, two cores",
        unit: "us, p50",
        better: Better::Lower,
        measure: |host| rtt(host, "0", "1", &[], Duration::from_millis(1)),
    },
    Quantity {
        name: "RTT, spinning, two cores",
        unit: "us, p50",
        better: Better::Lower,
        measure: |host| rtt(host, "0", "1", &["--busy-poll", "5ms"], Duration::from_micros(100)),
    },
    Quantity {
        name: "start, built in",
        unit: "ms to listening",
        better: Better::Lower,
        measure: |host| Ok(start(|| serving(host, OsStr::new("server")))),
    },
    Quantity {
        name: "start, cached",
        unit: "ms to listening",
        better: Better::Lower,
        measure: |host| {
            let component = udping_tests::file("server.wasm", SERVER.bytes);
            Ok(start(|| serving(host, component.as_os_str())))
        },
    },
    Quantity {
        name: "idle memory",
        unit: "MB resident",
        better: Better::Lower,
        measure: |host| {
            let server = Server::listening(&mut serving(host, OsStr::new("server")));
            thread::sleep(Duration::from_millis(50));
            Ok(server.process.resident()? as f64 / 1e6)
        },
    },
    Quantity {
        name: "client, a ping every 1 ms",
        unit: "% of a core",
        better: Better::Lower,
        measure: client,
    },
];

const PLAIN: Load = Load {
    size: 64,
    window: 256,
    sources: 1,
    segmented: false,
    until: Until::Time(Duration::from_millis(500)),
};
const SEGMENTED: Load = Load { window: 512, segmented: true, ..PLAIN };
const SOURCES: Load = Load { window: 1000, sources: 1000, ..PLAIN };
const LARGE: Load = Load { size: 1400, ..PLAIN };

/// The result for one quantity.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    name: &'static str,
    unit: &'static str,
    /// The medians of the base and of the new build.
    medians: [f64; 2],
    /// New to base, inverted if necessary so that more than 1 is better: the median, and the bounds
    /// of its 95 % confidence interval.
    ratio: f64,
    interval: [f64; 2],
    pairs: usize,
}

impl Compared {
    /// Whether the interval reaches the tolerated ratio.
    fn is_no_worse(&self) -> bool {
        self.interval[1] >= TOLERATED
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, unit, medians: [base, new], ratio, interval: [low, high], .. } = self;
        let verdict = if self.is_no_worse() { "no worse" } else { "WORSE" };
        write!(
            f,
            "| {name}, {unit} | {base:.4} | {new:.4} | {ratio:.3} | {low:.3} to {high:.3} | {verdict} |"
        )
    }
}

/// Measures every quantity of both builds, prints a table, and returns whether none is worse.
pub(crate) fn run(comparison: &Comparison) -> Result<bool> {
    ensure!(
        comparison.pairs >= 6,
        "--pairs {}: an interval of 95 % takes 6 pairs or more",
        comparison.pairs
    );
    println!(
        "{} pairs; a ratio above 1 is better, whatever the unit; tolerated: {TOLERATED}\n",
        comparison.pairs
    );
    println!("| | base | new | ratio | 95 % interval | |\n|---|---|---|---|---|---|");
    let mut none_worse = true;
    for quantity in QUANTITIES.iter().filter(|quantity| quantity.name.contains(&comparison.only)) {
        let compared = compare(quantity, comparison).with_context(|| quantity.name)?;
        println!("{compared}");
        none_worse &= compared.is_no_worse();
    }
    Ok(none_worse)
}

fn compare(quantity: &Quantity, comparison: &Comparison) -> Result<Compared> {
    let builds = [&comparison.base, &comparison.new];
    let mut values = [Vec::new(), Vec::new()];
    // A warm-up of each that does not count: it fills caches, and loads the programs into memory.
    for build in builds {
        (quantity.measure)(build)?;
    }
    for pair in 0..comparison.pairs {
        for i in if pair % 2 == 0 { [0, 1] } else { [1, 0] } {
            values[i].push((quantity.measure)(builds[i])?);
        }
    }
    let ratios = values[0].iter().zip(&values[1]).map(|(base, new)| match quantity.better {
        Better::Higher => new / base,
        Better::Lower => base / new,
    });
    let ratios = sorted(ratios.collect());
    let rank = interval_rank(ratios.len());
    Ok(Compared {
        name: quantity.name,
        unit: quantity.unit,
        ratio: median(&ratios),
        interval: [ratios[rank], ratios[ratios.len() - 1 - rank]],
        pairs: ratios.len(),
        medians: values.map(|values| median(&sorted(values))),
    })
}

/// The rank, from either end of `n` sorted values, of the bounds of the median's 95 % confidence
/// interval: that many values are below it as a fair coin shows heads in `n` throws with a
/// probability of at most 2.5 %.
fn interval_rank(n: usize) -> usize {
    let mut probability = 0.5_f64.powi(n as i32);
    let mut below = 0.0;
    for heads in 0..n {
        below += probability;
        if below > 0.025 {
            return heads.saturating_sub(1);
        }
        probability *= (n - heads) as f64 / (heads + 1) as f64;
    }
    0
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    let last = sorted.len() - 1;
    f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)])
}

fn serving(host: &Path, component: &OsStr) -> Command {
    let mut command = Command::new(host);
    command.arg(component).args(["0", "--bind", "127.0.0.1"]);
    command
}

fn rate(host: &Path, load: Load) -> Result<f64> {
    flood(Server::listening(&mut serving(host, OsStr::new("server"))), load)
}

/// Measures the rate with server and load pinned to a core each, or to the same one; the load is
/// this thread.
fn rate_pinned(host: &Path, load: Load, server: Core, client: Core) -> Result<f64> {
    let server = Server::listening(&mut pinned(server, &serving(host, OsStr::new("server"))));
    on_core(client, || flood(server, load))
}

#[expect(clippy::needless_pass_by_value, reason = "the server ends with it")]
fn flood(server: Server, load: Load) -> Result<f64> {
    load::run(server.addresses[0], Load { until: Until::Time(Duration::from_millis(50)), ..load })?;
    Ok(load::run(server.addresses[0], load)?.rate())
}

/// The median RTT of one client and one server of the same build.
fn rtt(
    host: &Path,
    server: Core,
    client: Core,
    options: &[&str],
    interval: Duration,
) -> Result<f64> {
    let mut serve = Command::new(host);
    serve.args(options).args(["server", "0", "--bind", "127.0.0.1"]);
    let server = Server::listening(&mut pinned(server, &serve));
    let [ip, port] = server.host_and_port();
    let every = format!("{}us", interval.as_micros());
    let mut ping = Command::new(host);
    ping.args(options).args(["client", &ip, &port, "-c", "500", "-i", &every, "--size", "32"]);
    let rtts = sorted(printed_rtts(&mut pinned(client, &ping))?);
    ensure!(!rtts.is_empty(), "no reply");
    Ok(median(&rtts))
}

/// The median of several start times.
fn start(command: impl Fn() -> Command) -> f64 {
    let times = (0..5).map(|_| {
        let before = Instant::now();
        let server = Server::listening(&mut command());
        let time = before.elapsed().as_secs_f64() * 1e3;
        drop(server);
        time
    });
    median(&sorted(times.collect()))
}

fn client(host: &Path) -> Result<f64> {
    let server: Running = peers::Peer::NativeSingle.start()?;
    let mut command = Command::new(host);
    let [ip, port] = [server.address.ip().to_string(), server.address.port().to_string()];
    command.args(["client", &ip, &port, "-c", "1000000", "-i", "1ms", "-q"]);
    let mut client = Process::start(&mut command);
    client.line();
    let (before, start) = (peers::cpu_seconds(&client)?, Instant::now());
    thread::sleep(Duration::from_millis(500));
    Ok(100.0 * (peers::cpu_seconds(&client)? - before) / start.elapsed().as_secs_f64())
}
