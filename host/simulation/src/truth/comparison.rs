//! The difference between what a client reports and what happened.

use std::fmt;

use udping_results::{Document, Flow as Reported, Spread, Summary};

use crate::truth::{FlowKey, Numbers, Values};

/// A number that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The flow, if the whole report does not differ.
    pub flow: Option<FlowKey>,
    /// The name of the number.
    pub what: String,
    /// What the client reports.
    pub reported: String,
    /// What happened.
    pub happened: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flow, what, reported, happened } = self;
        if let Some(FlowKey { port, peer, .. }) = flow {
            write!(f, "port {port} to {peer}: ")?;
        }
        write!(f, "{what}: reported {reported}, was {happened}")
    }
}

/// How much of a value the buckets of the histogram may be wider than it: three digits.
const BUCKET: u64 = 1000;

/// Compares a client's results with the numbers of its flows. Directions of losses are compared unless
/// a reflector was started anew (`is_restarted`): it counts from zero again, and RFC 8762 has nothing
/// by which a sender could know.
pub fn compare(
    report: &Document,
    truth: &[(FlowKey, Numbers)],
    is_restarted: bool,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let flows = report.flows.as_deref().unwrap_or_default();
    let peer = |flow: &Reported| {
        let target = report.targets.as_ref()?.get(usize::try_from(flow.target).ok()?)?;
        target.address.as_ref()?.parse().ok()
    };
    let whole = |what: &str, reported: usize, happened: usize| Difference {
        flow: None,
        what: what.to_owned(),
        reported: reported.to_string(),
        happened: happened.to_string(),
    };
    // A flow that has sent nothing is none on the network.
    let sending = flows.iter().filter(|flow| flow.summary.sent > 0).count();
    if sending != truth.len() {
        differences.push(whole("flows", sending, truth.len()));
    }
    for (key, numbers) in truth {
        let is_it = |flow: &&Reported| flow.source_port == key.port && peer(flow) == Some(key.peer);
        match flows.iter().find(is_it) {
            None => differences.push(Difference { flow: Some(*key), ..whole("flow", 0, 1) }),
            Some(flow) => {
                let mut compared =
                    Compared { flow: *key, is_restarted, differences: &mut differences };
                compared.summaries(&flow.summary, numbers);
            }
        }
    }
    differences
}

struct Compared<'a> {
    flow: FlowKey,
    is_restarted: bool,
    differences: &'a mut Vec<Difference>,
}

impl Compared<'_> {
    fn check(
        &mut self,
        is_same: bool,
        what: &str,
        reported: impl fmt::Debug,
        happened: impl fmt::Debug,
    ) {
        if !is_same {
            self.differences.push(Difference {
                flow: Some(self.flow),
                what: what.to_owned(),
                reported: format!("{reported:?}"),
                happened: format!("{happened:?}"),
            });
        }
    }

    fn summaries(&mut self, reported: &Summary, happened: &Numbers) {
        for (what, reported, happened) in [
            ("sent", reported.sent, happened.sent),
            ("received", reported.received, happened.received),
            ("late", reported.late, happened.late),
            ("lost", reported.lost, happened.lost),
            ("awaited", reported.awaited, happened.awaited),
            ("duplicates", reported.duplicates, happened.duplicates),
            ("reordered", reported.reordered, happened.reordered),
            ("foreign", reported.foreign, happened.foreign),
            ("sent bytes", reported.sent_bytes, happened.sent_bytes),
            ("received bytes", reported.received_bytes, happened.received_bytes),
            ("longest loss burst", reported.longest_loss_burst, happened.longest_loss_burst),
            (
                "longest outage",
                reported.longest_outage_ns.0,
                u64::try_from(happened.longest_outage.as_nanos()).unwrap_or(u64::MAX),
            ),
        ] {
            self.check(reported == happened, what, reported, happened);
        }
        self.values("rtt", reported.rtt.as_ref(), &happened.rtt);
        self.values("ipdv", reported.ipdv.as_ref(), &happened.ipdv);
        let jitter = reported.jitter_ns.map(|jitter| jitter.0);
        let is_same = match (jitter, happened.jitter) {
            (Some(reported), Some(happened)) => is_near(reported, happened),
            (None, None) => true,
            _ => false,
        };
        self.check(is_same, "jitter", jitter, happened.jitter);
        if let Some(stamp) =
            reported.stamp.as_ref().filter(|_| !self.is_restarted && happened.corrupt == 0)
        {
            // A loss whose direction is not known is told to be that. Who has seen no reply to a copy of
            // a ping cannot know that there was one, and that it was that reply which was lost.
            let unseen = happened.copies_forward;
            for (what, reported, happened) in [
                ("lost forward", stamp.lost_forward, happened.lost_forward),
                ("lost backward", stamp.lost_backward, happened.lost_backward + unseen),
            ] {
                self.check(reported.is_none_or(|lost| lost <= happened), what, reported, happened);
            }
        }
    }

    fn values(&mut self, what: &str, reported: Option<&Spread>, happened: &Values) {
        let (Some(spread), Some((least, greatest)), Some((mean, deviation))) =
            (reported, happened.range(), happened.moments())
        else {
            let has_none = reported.is_none() && happened.count() == 0;
            self.check(has_none, what, reported.is_some(), happened.count());
            return;
        };
        let number = |value: udping_results::Nanoseconds| value.0;
        let (min, max) = (number(spread.min_ns), number(spread.max_ns));
        self.check(min == least, &format!("min {what}"), min, least);
        self.check(max == greatest, &format!("max {what}"), max, greatest);
        let is_mean = is_near(number(spread.mean_ns), mean);
        self.check(is_mean, &format!("mean {what}"), spread.mean_ns, mean);
        let is_deviation = is_near(number(spread.stddev_ns), deviation);
        self.check(is_deviation, &format!("stddev {what}"), spread.stddev_ns, deviation);
        for (thousandths, reported) in [
            (500, spread.p50_ns),
            (900, spread.p90_ns),
            (950, spread.p95_ns),
            (990, spread.p99_ns),
            (999, spread.p99_9_ns),
        ] {
            let (Some(reported), Some(value)) = (reported, happened.percentile(thousandths)) else {
                continue;
            };
            let reported = number(reported);
            let is_in_bucket = (value..=value + value / BUCKET + 1).contains(&reported);
            let name = format!("p{} {what}", thousandths as f64 / 10.0);
            self.check(is_in_bucket && reported <= max, &name, reported, value);
        }
    }
}

/// Whether a number is the exact one but for rounding: a nanosecond, and what floats of 53 bits lose
/// over millions of values.
fn is_near(reported: u64, exact: f64) -> bool {
    (reported as f64 - exact).abs() <= 1.0 + exact * 1e-9
}
