//! `make soak`: servers under mixed load, with faults and restarts, and beside them an exporter under
//! attack, for as long as requested. It fails unless memory stayed flat, no descriptor leaked, and
//! every datagram was answered or dropped for a named reason.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what watches may well panic, and what it counts is small"
)]

mod account;
mod exporter;
mod kernel;
mod load;
mod services;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Result, anyhow, bail, ensure};
use clap::Parser;
use rustix::process::{Signal, getuid};

use crate::account::Account;
use crate::load::{Load, Pings};
use crate::services::{Resources, Service, Watched};

/// Keeps servers under load, with faults and restarts, and accounts for every datagram.
#[derive(Debug, Parser)]
struct Args {
    /// For how long
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The network is one of its own already
    #[arg(long, hide = true)]
    apart: bool,
}

/// The period in which all faults happen once. Traps must be more than 10 s apart, or restarts are
/// delayed longer and longer.
const ROUND: Duration = Duration::from_secs(12);

/// With fewer rounds, a trend of memory is not visible.
const ROUNDS_THAT_TELL: u32 = 5;

/// How long the interface is down.
const NO_LINK: Duration = Duration::from_millis(300);

/// How long counters must not change before everything counts as settled.
const STILL: Duration = Duration::from_millis(200);

/// The timeout of everything else.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fault injected into the servers.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Stop,
    Continue,
    LinkDown,
    Trap,
    Restart,
}

/// The faults of a round, each with the part of the round after which it happens.
const FAULTS: [(f64, Fault); 5] = [
    (0.15, Fault::Stop),
    (0.22, Fault::Continue),
    (0.40, Fault::LinkDown),
    (0.60, Fault::Trap),
    (0.80, Fault::Restart),
];

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    ensure!(
        args.minutes.is_finite() && args.minutes > 0.0,
        "--minutes {}: must be more than 0",
        args.minutes
    );
    if !args.apart {
        return Err(apart(&args));
    }
    ip("link set lo up")?;
    let time = Duration::from_secs_f64(args.minutes * 60.0);
    let rounds = u32::try_from(time.as_nanos().div_ceil(ROUND.as_nanos()))?;
    let over = &AtomicBool::new(false);
    let (soak, pings, exported) = thread::scope(|scope| -> Result<(Soak, Pings, Resources)> {
        // Ends the pings even if this fails.
        let end = End(over);
        let mut soak = Soak::start()?;
        let port = soak.steady.service.port();
        let pings = scope.spawn(move || Pings::until(over, port));
        let exported = scope.spawn(move || exporter::run(over));
        for round in 1..=rounds {
            soak.round(time / rounds)?;
            eprintln!("soak: round {round} of {rounds}: {}", soak.load);
        }
        drop(end);
        let pings = pings.join().map_err(|_| anyhow!("the pings panicked"))?;
        let exported = exported.join().map_err(|_| anyhow!("the exporter's part panicked"))??;
        Ok((soak, pings, exported))
    })?;
    let verdict = soak.end(&pings, &exported, rounds >= ROUNDS_THAT_TELL)?;
    Ok(if verdict { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs this program in a network namespace of its own, whose interface can be taken down, and
/// whose counters count nothing else.
fn apart(args: &Args) -> anyhow::Error {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error.into(),
    };
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !getuid().is_root() {
        command.arg("--map-root-user");
    }
    anyhow!(
        command
            .arg("--")
            .arg(program)
            .args(["--apart", "--minutes", &args.minutes.to_string()])
            .exec()
    )
}

fn ip(arguments: &str) -> Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status()?;
    ensure!(status.success(), "ip {arguments}: {status}");
    Ok(())
}

/// The running servers and load.
struct Soak {
    /// Runs from start to end.
    steady: Watched,
    /// Its guest traps and is restarted; the process runs from start to end.
    trapping: Watched,
    /// A new process each round, on another path of datagrams each time.
    restarted: Service,
    restarts: usize,
    traps: u64,
    load: Load,
    account: Account,
    sampled: Instant,
}

impl Soak {
    fn start() -> Result<Self> {
        let steady = Watched::new("server", Service::echo(12_001, &[])?)?;
        let trapping = Watched::new("server that traps", Service::trapping()?)?;
        let restarted = Service::echo(12_002, services::path(0))?;
        let load = Load::new(steady.service.port(), restarted.port(), trapping.service.port())?;
        let (account, sampled) = (Account::default(), Instant::now());
        Ok(Self { steady, trapping, restarted, restarts: 0, traps: 0, load, account, sampled })
    }

    fn round(&mut self, length: Duration) -> Result<()> {
        let start = Instant::now();
        for (part, fault) in FAULTS {
            self.run_until(start + length.mul_f64(part))?;
            self.make(fault)?;
        }
        self.run_until(start + length)
    }

    fn run_until(&mut self, end: Instant) -> Result<()> {
        self.load.resume();
        while Instant::now() < end {
            self.load.send()?;
            self.pause()?;
        }
        Ok(())
    }

    /// A pause in which only replies are received.
    fn pause(&mut self) -> Result<()> {
        thread::sleep(Duration::from_millis(1));
        self.load.receive()?;
        if self.sampled.elapsed() > Duration::from_secs(1) {
            self.sampled = Instant::now();
            self.steady.sample()?;
            self.trapping.sample()?;
        }
        Ok(())
    }

    fn make(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Stop => self.signal_all(Signal::STOP),
            Fault::Continue => self.signal_all(Signal::CONT),
            Fault::LinkDown => {
                // An interface counts the packets that it drops: several coalesced answers would
                // count as one.
                self.settle()?;
                ip("link set lo down")?;
                self.run_until(Instant::now() + NO_LINK)?;
                ip("link set lo up")?;
            }
            Fault::Trap => {
                self.load.poison()?;
                self.traps += 1;
            }
            Fault::Restart => {
                // What is queued in a socket that is closed is counted nowhere.
                self.settle()?;
                self.restarts += 1;
                self.restarted.stop()?.enter(&mut self.account)?;
                // Datagrams arrive while there is no listener.
                self.run_until(Instant::now() + Duration::from_millis(50))?;
                self.restarted =
                    Service::echo(self.restarted.port(), services::path(self.restarts))?;
            }
        }
        Ok(())
    }

    fn signal_all(&self, signal: Signal) {
        for service in [&self.steady.service, &self.trapping.service, &self.restarted] {
            service.signal(signal);
        }
    }

    /// Sends nothing until all datagrams have arrived or were dropped.
    fn settle(&mut self) -> Result<()> {
        let start = Instant::now();
        let (mut still_since, mut replies) = (start, self.load.replies());
        while still_since.elapsed() < STILL {
            self.pause()?;
            if kernel::waiting()? > 0 || self.load.replies() > replies {
                (still_since, replies) = (Instant::now(), self.load.replies());
            }
            ensure!(start.elapsed() < PATIENCE, "datagrams wait, and nobody takes them");
        }
        self.load.forget();
        Ok(())
    }

    /// Stops everything, prints the account, and returns whether it is in order.
    fn end(mut self, pings: &Pings, exported: &Resources, tells: bool) -> Result<bool> {
        self.settle()?;
        self.steady.count_descriptors()?;
        self.trapping.count_descriptors()?;
        self.restarted.stop()?.enter(&mut self.account)?;
        self.steady.service.stop()?.enter(&mut self.account)?;
        // Its guest takes no notices, and is ended at once.
        let trapped = self.trapping.service.stop()?;
        if trapped.traps != self.traps {
            bail!("{} traps, where {} were asked for", trapped.traps, self.traps);
        }
        self.account.enter_trapped(&trapped);
        self.account.enter_kernel(&kernel::drops()?);
        self.account.enter_load(&self.load, pings);
        println!("load average at the end: {}", fs::read_to_string("/proc/loadavg")?.trim());
        print!("{}", self.account);
        let mut is_well = self.account.is_balanced();
        println!(
            "\n| process | MB, 2nd quarter | 4th quarter | descriptors at the start | at the end | |\n|---|---|---|---|---|---|"
        );
        for resources in [&self.steady.resources, &self.trapping.resources, exported] {
            println!("{}", resources.row());
            is_well &= !resources.has_leaked() && (!tells || resources.is_flat());
        }
        println!(
            "\n{} restarts, {} traps; {}",
            self.restarts,
            self.traps,
            if is_well { "all is well" } else { "FAILED" }
        );
        if !tells {
            println!("too short to tell whether memory is flat");
        }
        Ok(is_well)
    }
}
