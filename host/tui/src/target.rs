//! A target, and the numbers of its whole run.

use std::collections::HashMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use udping_core::stats::Jitter;

use crate::history::{History, nanos};

/// A ping of a target: the port that it was sent from, and its sequence number.
pub(crate) type PingId = (u16, u32);

/// The maximum number of pings of a target that are awaited: beyond that, the time at which one was
/// sent is calculated from the event about it.
const MOST_AWAITED: usize = 1 << 16;

/// What became of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered in time, after that RTT.
    Reply(Duration),
    /// It was not.
    Lost,
}

/// A target, and what became of its pings.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `HOST:PORT`, as it is shown.
    pub(crate) name: String,
    /// The address that is pinged, as it is shown.
    pub(crate) address: Option<String>,
    /// The reason why it is not pinged, as it is shown.
    pub(crate) not_pinged: Option<String>,
    /// The last error of the network or the socket, as it is shown.
    pub(crate) error: Option<String>,
    /// The counts of its pings.
    pub(crate) counts: Counts,
    /// Its pings by time.
    pub(crate) history: History,
    /// The last outcome.
    pub(crate) last: Option<Outcome>,
    rtts: Rtts,
    awaited: HashMap<PingId, Duration>,
}

/// Numbers of pings, from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Datagrams that the socket accepted.
    pub(crate) sent: u64,
    /// Pings whose first reply came in time.
    pub(crate) received: u64,
    /// Pings whose first reply came late.
    pub(crate) late: u64,
    /// Pings without a reply.
    pub(crate) lost: u64,
    /// Further replies.
    pub(crate) duplicates: u64,
    /// Datagrams that the socket did not accept.
    pub(crate) not_sent: u64,
}

impl Counts {
    /// Pings whose outcome is not known yet.
    pub(crate) fn awaited(&self) -> u64 {
        self.sent.saturating_sub(self.received + self.late + self.lost)
    }

    /// The share of pings that were lost or not sent, of those that are not awaited, from 0 to 1;
    /// none if there are none.
    pub(crate) fn loss(&self) -> Option<f64> {
        let unanswered = self.lost + self.not_sent;
        let settled = unanswered + self.received + self.late;
        (settled > 0).then(|| unanswered as f64 / settled as f64)
    }

    /// Whether there was a reply.
    pub(crate) fn is_answered(&self) -> bool {
        self.received + self.late > 0
    }
}

/// The distribution of the RTTs.
#[derive(Clone, Debug)]
struct Rtts {
    histogram: Histogram<u32>,
    min: Duration,
    max: Duration,
    sum: f64,
    sum_of_squares: f64,
    jitter: Jitter,
}

/// The RTTs of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// The shortest.
    pub(crate) min: Duration,
    /// Their mean.
    pub(crate) mean: Duration,
    /// Their standard deviation.
    pub(crate) mdev: Duration,
    /// The longest.
    pub(crate) max: Duration,
    /// The median. Percentiles are by nearest rank.
    pub p50: Duration,
    /// The 95th percentile.
    pub p95: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The jitter of RFC 3550; none before the second reply.
    pub(crate) jitter: Option<Duration>,
}

impl Target {
    /// Creates a target without pings. Percentiles have that many significant digits.
    pub(crate) fn new(name: String, digits: u8) -> Self {
        #[expect(clippy::expect_used, reason = "digits are 2 or 3, and 5 would do")]
        let mut histogram = Histogram::new(digits).expect("a number of digits up to 5");
        histogram.auto(true);
        Self {
            name,
            address: None,
            not_pinged: None,
            error: None,
            counts: Counts::default(),
            history: History::default(),
            last: None,
            rtts: Rtts {
                histogram,
                min: Duration::MAX,
                max: Duration::ZERO,
                sum: 0.0,
                sum_of_squares: 0.0,
                jitter: Jitter::default(),
            },
            awaited: HashMap::new(),
        }
    }

    /// A ping was sent.
    pub(crate) fn sent(&mut self, ping: PingId, at: Duration) {
        self.counts.sent += 1;
        if self.awaited.len() < MOST_AWAITED {
            self.awaited.insert(ping, at);
        }
        self.history.change(at, |column| column.sent += 1);
    }

    /// A ping was not accepted by the socket.
    pub(crate) fn not_sent(&mut self, at: Duration, reason: Option<String>) {
        self.counts.not_sent += 1;
        self.error = reason;
        self.history.change(at, |column| column.not_sent += 1);
    }

    /// The first reply came in time.
    pub(crate) fn reply(&mut self, ping: PingId, at: Duration, rtt: Duration) {
        let sent = self.settled(ping).unwrap_or_else(|| at.saturating_sub(rtt));
        self.counts.received += 1;
        self.last = Some(Outcome::Reply(rtt));
        self.error = None;
        self.rtts.record(rtt);
        self.history.change(sent, |column| column.reply(rtt));
    }

    /// The timeout passed.
    pub(crate) fn lost(&mut self, ping: PingId, at: Duration, timeout: Duration) {
        let sent = self.settled(ping).unwrap_or_else(|| at.saturating_sub(timeout));
        self.counts.lost += 1;
        self.last = Some(Outcome::Lost);
        self.history.change(sent, |column| column.lost += 1);
    }

    /// The first reply came after the timeout, and thus after [`Self::lost`].
    pub(crate) fn late(&mut self, at: Duration, rtt: Duration) {
        self.counts.late += 1;
        self.counts.lost = self.counts.lost.saturating_sub(1);
        self.history.change(at.saturating_sub(rtt), |column| {
            column.late += 1;
            column.lost = column.lost.saturating_sub(1);
        });
    }

    /// The time at which a ping was sent, which is not awaited any more.
    fn settled(&mut self, ping: PingId) -> Option<Duration> {
        self.awaited.remove(&ping)
    }

    /// Events were missed: what became of awaited pings may never be known.
    pub(crate) fn forget_awaited(&mut self) {
        self.awaited.clear();
        self.counts.sent -= self.counts.awaited();
        self.history.forget_awaited();
    }

    /// The distribution of the RTTs; none without a reply in time.
    pub(crate) fn figures(&self) -> Option<Figures> {
        self.rtts.figures()
    }
}

impl Rtts {
    fn record(&mut self, rtt: Duration) {
        // A histogram that is resized takes any value.
        let _ = self.histogram.record(nanos(rtt).max(1));
        self.min = self.min.min(rtt);
        self.max = self.max.max(rtt);
        self.sum += rtt.as_secs_f64();
        self.sum_of_squares += rtt.as_secs_f64().powi(2);
        self.jitter.record(rtt);
    }

    fn figures(&self) -> Option<Figures> {
        let count = self.histogram.len();
        if count == 0 {
            return None;
        }
        let mean = self.sum / count as f64;
        let variance = (self.sum_of_squares / count as f64 - mean * mean).max(0.0);
        let percentile = |quantile| {
            let value = Duration::from_nanos(self.histogram.value_at_quantile(quantile));
            value.clamp(self.min, self.max)
        };
        Some(Figures {
            min: self.min,
            mean: Duration::from_secs_f64(mean),
            mdev: Duration::from_secs_f64(variance.sqrt()),
            max: self.max,
            p50: percentile(0.5),
            p95: percentile(0.95),
            p99: percentile(0.99),
            jitter: self.jitter.value(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// RTTs of 10, 20, 30 and 40 ms; one ping lost, one late, one awaited.
    #[test]
    fn numbers_are_of_the_whole_run() {
        let mut target = Target::new("a:7".to_owned(), 3);
        for seq in 0..7 {
            target.sent((9, seq), ms(u64::from(seq) * 1_000));
        }
        for (seq, rtt) in [(0, 10), (1, 20), (2, 30), (3, 40)] {
            target.reply((9, seq), ms(u64::from(seq) * 1_000 + rtt), ms(rtt));
        }
        target.lost((9, 4), ms(6_000), ms(2_000));
        target.lost((9, 5), ms(7_000), ms(2_000));
        target.late(ms(7_500), ms(2_500));
        let counts = target.counts;
        assert_eq!((counts.sent, counts.received, counts.lost, counts.late), (7, 4, 1, 1));
        assert_eq!((counts.awaited(), counts.loss()), (1, Some(1.0 / 6.0)));
        let figures = target.figures().unwrap();
        assert_eq!((figures.min, figures.max, figures.mean), (ms(10), ms(40), ms(25)));
        // The variance is (225 + 25 + 25 + 225) / 4 = 125 ms^2.
        assert_eq!(figures.mdev.as_micros(), 11_180);
        // The ranks are 2, 4 and 4; a value of the histogram is at most 0.1 % above.
        let near = |value: Duration, millis: u64| {
            (ms(millis)..=ms(millis) * 1_001 / 1_000).contains(&value)
        };
        assert!(
            near(figures.p50, 20) && near(figures.p95, 40) && near(figures.p99, 40),
            "{figures:?}"
        );
        // 10/16; then +(10 - 0.625)/16; then +(10 - 1.2109375)/16.
        assert_eq!(figures.jitter.unwrap().as_nanos(), 1_760_254);
        assert_eq!(target.last, Some(Outcome::Lost));
    }

    #[test]
    fn a_ping_that_was_not_sent_counts_as_unanswered() {
        let mut target = Target::new("a:7".to_owned(), 3);
        assert_eq!(target.counts.loss(), None);
        target.not_sent(ms(0), Some("the network is unreachable".to_owned()));
        target.sent((9, 1), ms(1_000));
        target.reply((9, 1), ms(1_010), ms(10));
        assert_eq!((target.counts.loss(), target.error), (Some(0.5), None));
    }

    #[test]
    fn a_loss_is_where_its_ping_was_sent_however_late_that_is_known() {
        let mut target = Target::new("a:7".to_owned(), 3);
        target.sent((9, 1), ms(0));
        // The process was stopped for a minute.
        target.lost((9, 1), ms(60_000), ms(2_000));
        let column =
            target.history.columns(crate::history::Zoom::for_interval(ms(1_000)), ms(0), 1);
        assert_eq!(column[0].unwrap().lost, 1);
    }

    #[test]
    fn pings_whose_events_were_missed_are_not_awaited() {
        let mut target = Target::new("a:7".to_owned(), 3);
        target.sent((9, 1), ms(0));
        target.forget_awaited();
        assert_eq!((target.counts.sent, target.counts.loss()), (0, None));
    }
}
