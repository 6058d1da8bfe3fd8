//! A line on a terminal that rewrites itself while a run goes on.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use udping_core::duration::Millis;
use udping_core::pinger::{Event, Happened, ReplyKind, Results};

/// RTTs in the sparkline.
const WIDTH: usize = 32;

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// To the start of the line, and clear it (ECMA-48: CR, EL).
pub const CLEAR: &str = "\r\x1b[K";

/// What the line shows besides the results so far: the last pings, answered or lost.
#[derive(Debug, Default)]
pub struct Live {
    last: VecDeque<Option<Duration>>,
}

impl Live {
    /// Something happened.
    pub fn event(&mut self, happened: &Happened) {
        let ping = match &happened.event {
            Event::Reply { rtt, kind: ReplyKind::InTime, .. } => Some(*rtt),
            Event::Lost(..) => None,
            _ => return,
        };
        if self.last.len() == WIDTH {
            self.last.pop_front();
        }
        self.last.push_back(ping);
    }

    /// The line, which replaces the one before.
    pub fn line(&self, results: &Results) -> String {
        let total = &results.total;
        let mut line = format!("{CLEAR}{} sent, {} lost ({:.1} %)", total.sent, total.lost, 100.0 * total.loss_ratio());
        if let Some(rtt) = self.last.iter().rev().flatten().next() {
            let _ = write!(line, ", rtt last/p50/p99 = {}", Millis(*rtt));
        }
        if let Some(percentiles) = total.rtt.and_then(|rtt| rtt.percentiles) {
            let _ = write!(line, "/{}/{} ms ", Millis(percentiles.p50), Millis(percentiles.p99));
        }
        let answered = self.last.iter().flatten();
        let (low, high) = (answered.clone().min(), answered.max());
        for ping in &self.last {
            line.push(match (ping, low, high) {
                (Some(rtt), Some(low), Some(high)) => {
                    let (above, range) = ((*rtt - *low).as_nanos(), (*high - *low).as_nanos().max(1));
                    // Below eight, since it is at most seven times one.
                    LEVELS[(above * 7 / range) as usize]
                }
                _ => 'x',
            });
        }
        line
    }
}
