//! Flags for how fast a component runs.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use wasi_datagram::Tuning;

/// How fast a component is run. Nothing here changes what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Speed")]
pub struct SpeedFlags {
    /// Busy-poll sockets for this long before sleeping (lower latency, uses a core)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub busy_poll: Option<Duration>,
    /// Number of instances on one port, a thread each, among which flows are split; auto is one per
    /// core
    #[arg(long, value_name = "N|auto")]
    pub workers: Option<Workers>,
    /// Maximum datagrams per system call; 1 disables recvmmsg/sendmmsg [default: 64]
    #[arg(long, value_name = "N", value_parser = batch)]
    pub batch: Option<NonZeroUsize>,
    /// Disable UDP segmentation offload (GSO/GRO)
    #[arg(long)]
    pub no_offload: bool,
    /// Have clocks return the current time after a receive, not the kernel's time of arrival
    #[arg(long)]
    pub no_kernel_time: bool,
}

impl SpeedFlags {
    /// The tuning of sockets.
    pub fn tuning(&self) -> Tuning {
        let default = Tuning::default();
        Tuning {
            batch: self.batch.unwrap_or(default.batch),
            offload: !self.no_offload,
            busy_poll: self.busy_poll.unwrap_or(default.busy_poll),
            share_port: default.share_port,
            kernel_time: default.kernel_time && !self.no_kernel_time,
        }
    }

    /// Merges both; these take precedence.
    #[expect(clippy::needless_pass_by_value, reason = "as the or of other flags")]
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            busy_poll: self.busy_poll.or(other.busy_poll),
            workers: self.workers.or(other.workers),
            batch: self.batch.or(other.batch),
            no_offload: self.no_offload || other.no_offload,
            no_kernel_time: self.no_kernel_time || other.no_kernel_time,
        }
    }
}

/// The maximum of `--workers`.
const MOST_WORKERS: usize = 1024;

/// The maximum of `--batch`: Linux accepts no more per call (`UIO_MAXIOV`).
const LARGEST_BATCH: usize = 1024;

fn batch(text: &str) -> Result<NonZeroUsize, String> {
    up_to(LARGEST_BATCH, text).ok_or_else(|| format!("not a number from 1 to {LARGEST_BATCH}"))
}

fn up_to(most: usize, text: &str) -> Option<NonZeroUsize> {
    text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= most)
}

/// The value of `--workers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each core that this process may use.
    Auto,
    /// This number.
    Exactly(NonZeroUsize),
}

impl FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            number => up_to(MOST_WORKERS, number)
                .map(Self::Exactly)
                .ok_or_else(|| format!("not auto, and not a number from 1 to {MOST_WORKERS}")),
        }
    }
}
