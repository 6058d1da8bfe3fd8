//! A terminal line that is updated during a run.

use std::collections::VecDeque;
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use udping_core::client::{Event, Happened, ReplyKind, Results};
use udping_core::duration::Millis;

use crate::run::Run;
use crate::style::Style;
use crate::summary::worst;
use crate::table;

/// The maximum number of RTTs in the sparkline, and the minimum for which it is shown.
const SPARKLINE: (usize, usize) = (32, 8);

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The levels of the sparkline in ASCII.
const ASCII_LEVELS: [char; 8] = ['_', '.', '-', '~', '=', '+', '*', '#'];

/// The default width of a terminal, in columns.
pub const WIDTH: usize = 80;

/// The state of the live line besides the results so far: the last pings, answered or lost.
#[derive(Debug, Default)]
pub struct Live {
    last: VecDeque<Option<Duration>>,
    /// The width of the previous line, in columns.
    width: usize,
}

impl Live {
    /// Records an event.
    pub fn event(&mut self, happened: &Happened) {
        let ping = match &happened.event {
            Event::Reply { rtt, kind: ReplyKind::InTime, .. } => Some(*rtt),
            Event::Lost(..) | Event::NotSent(..) => None,
            _ => return,
        };
        if self.last.len() == SPARKLINE.0 {
            self.last.pop_front();
        }
        self.last.push_back(ping);
    }

    /// Returns the line, which replaces the previous one, for a terminal with `columns` columns.
    /// The last column stays empty: some terminals move to the next line after it.
    pub fn line(&mut self, run: &Run, results: &Results, columns: usize) -> String {
        let (style, room) = (run.settings.style, columns.saturating_sub(1));
        let total = &results.total;
        let unanswered = total.lost + total.send_errors;
        let mut facts = vec![format!("{} sent", total.sent)];
        facts.push(format!("{unanswered} lost ({:.1} %)", 100.0 * total.unanswered_ratio()));
        if run.flows.len() > 1 {
            facts.extend(worst_targets(run, results));
        }
        if let Some(rtt) = self.last.iter().rev().flatten().next() {
            let percentiles =
                total.rtt.as_ref().filter(|rtt| rtt.count >= 100).and_then(|rtt| rtt.percentiles);
            facts.push(match percentiles {
                Some(p) => format!(
                    "rtt last/p50/p99 = {}/{}/{} ms",
                    Millis(*rtt),
                    Millis(p.p50),
                    Millis(p.p99)
                ),
                None => format!("rtt {} ms", Millis(*rtt)),
            });
        }
        let (mut line, mut width) = (String::new(), 0);
        for (i, fact) in facts.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            let left = room.saturating_sub(width + separator.len());
            // The counts are truncated to fit, anything else is shown completely or not at all.
            let fact = if i < 2 { table::cut(fact, left) } else { fact.as_str() };
            if fact.is_empty() || fact.width() > left {
                continue;
            }
            width += separator.len() + fact.width();
            line += separator;
            line += &style.alarm(i == 1 && unanswered > 0, fact);
        }
        let left = room.saturating_sub(width + 1).min(SPARKLINE.0);
        if left >= SPARKLINE.1 && !self.last.is_empty() {
            let sparkline = self.sparkline(left, style);
            width += 1 + sparkline.chars().count();
            line += &format!(" {sparkline}");
        }
        let rest = " ".repeat(self.width.min(room).saturating_sub(width));
        self.width = width;
        if style.clears { format!("\r\x1b[K{line}") } else { format!("\r{line}{rest}") }
    }

    /// Returns the text that clears the line.
    pub fn clear(&mut self, style: Style, columns: usize) -> String {
        let width = std::mem::take(&mut self.width).min(columns.saturating_sub(1));
        if style.clears { "\r\x1b[K".to_owned() } else { format!("\r{}\r", " ".repeat(width)) }
    }

    fn sparkline(&self, width: usize, style: Style) -> String {
        let levels = if style.unicode { LEVELS } else { ASCII_LEVELS };
        let last = self.last.iter().skip(self.last.len().saturating_sub(width));
        let answered = last.clone().flatten();
        let (low, high) = (answered.clone().min(), answered.max());
        let level = |ping: &Option<Duration>| match (ping, low, high) {
            (Some(rtt), Some(low), Some(high)) => {
                let above = rtt.saturating_sub(*low).as_nanos();
                let range = high.saturating_sub(*low).as_nanos().max(1);
                // Below eight, since `above` is at most `range`.
                levels[(above * 7 / range) as usize]
            }
            _ => 'x',
        };
        last.map(level).collect()
    }
}

/// Returns the worst targets, the very worst first: those with unanswered pings, or else the
/// slowest.
fn worst_targets(run: &Run, results: &Results) -> Vec<String> {
    let worst = worst(run, results);
    let fact = |(name, summary): &(&str, &udping_core::client::Summary)| {
        let ratio = summary.unanswered_ratio();
        if ratio > 0.0 {
            Some(format!("{name} {:.1} %", 100.0 * ratio))
        } else {
            summary.rtt.as_ref().map(|rtt| format!("{name} {} ms", Millis(rtt.mean)))
        }
    };
    let is_losing = worst.first().is_some_and(|(_, summary)| summary.unanswered_ratio() > 0.0);
    let shown =
        worst.iter().filter(|(_, summary)| !is_losing || summary.unanswered_ratio() > 0.0).take(4);
    let word = if is_losing { "worst" } else { "slowest" };
    shown
        .filter_map(fact)
        .enumerate()
        .map(|(i, fact)| if i == 0 { format!("{word} {fact}") } else { fact })
        .collect()
}
