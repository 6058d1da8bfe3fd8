//! What happened to the pings of a target, by the time at which they were sent: columns of the
//! graph, for each zoom.

use std::collections::VecDeque;
use std::time::Duration;

/// The time that one column of the graph stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Zoom(usize);

/// The width of a column at each zoom.
const WIDTHS: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
];

/// The maximum number of columns that are kept at each zoom. They take 64 KiB at all of them.
pub(crate) const KEPT: usize = 256;

impl Zoom {
    /// The closest zoom at which each column has a ping, if one is sent every `interval`.
    pub(crate) fn for_interval(interval: Duration) -> Self {
        let fits = WIDTHS.iter().position(|width| *width >= interval);
        Self(fits.unwrap_or(WIDTHS.len() - 1))
    }

    /// The next one, with less time in a column; itself if there is none.
    #[must_use]
    pub(crate) fn closer(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The next one, with more time in a column; itself if there is none.
    #[must_use]
    pub(crate) fn wider(self) -> Self {
        Self((self.0 + 1).min(WIDTHS.len() - 1))
    }

    /// The time that a column stands for.
    pub(crate) fn width(self) -> Duration {
        WIDTHS[self.0]
    }

    /// The index of the column that `at` belongs to.
    pub(crate) fn index(self, at: Duration) -> u64 {
        index(at, self.width())
    }
}

fn index(at: Duration, width: Duration) -> u64 {
    // Nanoseconds of some centuries.
    u64::try_from(at.as_nanos() / width.as_nanos()).unwrap_or(u64::MAX)
}

/// The pings that were sent in the time of one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Column {
    index: u64,
    /// Pings that the socket accepted.
    pub(crate) sent: u32,
    /// Those that were answered in time.
    pub(crate) received: u32,
    /// Those that were answered late.
    pub(crate) late: u32,
    /// Those that were not answered.
    pub(crate) lost: u32,
    /// Pings that the socket did not accept.
    pub(crate) not_sent: u32,
    sum_ns: u64,
    /// The longest RTT.
    pub(crate) max: Duration,
}

impl Column {
    /// Adds the RTT of a reply in time.
    pub(crate) fn reply(&mut self, rtt: Duration) {
        self.received += 1;
        self.sum_ns = self.sum_ns.saturating_add(nanos(rtt));
        self.max = self.max.max(rtt);
    }

    /// The mean RTT.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let sum = self.sum_ns.checked_div(self.received.into())?;
        Some(Duration::from_nanos(sum))
    }

    /// The number of pings whose outcome is not known yet.
    pub(crate) fn awaited(&self) -> u32 {
        self.sent.saturating_sub(self.received + self.late + self.lost)
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The columns of a target at all zooms, in bounded memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// At each zoom those in which something was sent, in order.
    zooms: [VecDeque<Column>; WIDTHS.len()],
}

impl History {
    /// Changes the column of a ping that was sent at `at`, at each zoom. One that is not kept any
    /// more stays as it was.
    pub(crate) fn change(&mut self, at: Duration, change: impl Fn(&mut Column)) {
        for (columns, width) in self.zooms.iter_mut().zip(WIDTHS) {
            let index = index(at, width);
            let place = columns.partition_point(|column| column.index < index);
            if columns.get(place).is_none_or(|column| column.index != index) {
                let is_too_old = place == 0 && columns.len() == KEPT;
                if is_too_old {
                    continue;
                }
                columns.insert(place, Column { index, ..Column::default() });
            }
            change(&mut columns[place]);
            if columns.len() > KEPT {
                columns.pop_front();
            }
        }
    }

    /// Forgets that pings are awaited: what became of them will not be known.
    pub(crate) fn forget_awaited(&mut self) {
        for column in self.zooms.iter_mut().flatten() {
            column.sent -= column.awaited();
        }
    }

    /// The `count` columns that end with that of `end`; none where nothing was sent.
    pub(crate) fn columns(&self, zoom: Zoom, end: Duration, count: usize) -> Vec<Option<Column>> {
        let columns = &self.zooms[zoom.0];
        let end = zoom.index(end);
        let first = (end + 1).saturating_sub(count as u64);
        // Before the start, there is nothing.
        let mut shown = vec![None; count];
        let offset = count as u64 - (end + 1 - first);
        let from = columns.partition_point(|column| column.index < first);
        for column in columns.iter().skip(from).take_while(|column| column.index <= end) {
            let place = usize::try_from(column.index - first + offset);
            if let Some(slot) = place.ok().and_then(|place| shown.get_mut(place)) {
                *slot = Some(*column);
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_ping_is_in_the_column_of_its_send_at_every_zoom() {
        let mut history = History::default();
        // At 100 ms a column: 0, 9 and 10; at 1 s: 0 and 1.
        for at in [50, 950, 1_000] {
            history.change(ms(at), |column| column.sent += 1);
        }
        history.change(ms(950), |column| column.reply(ms(7)));
        history.change(ms(50), |column| column.lost += 1);
        let sent = |zoom: Zoom, count| -> Vec<_> {
            let columns = history.columns(zoom, ms(1_000), count);
            columns.iter().map(|column| column.map(|column| column.sent)).collect()
        };
        assert_eq!(sent(Zoom(0), 3), [None, Some(1), Some(1)]);
        assert_eq!(sent(Zoom(2), 3), [None, Some(2), Some(1)]);
        let second = history.columns(Zoom(2), ms(1_000), 2)[0].unwrap();
        assert_eq!((second.received, second.lost, second.awaited()), (1, 1, 0));
        assert_eq!((second.mean(), second.max), (Some(ms(7)), ms(7)));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_latest() {
        let mut history = History::default();
        for second in 0..1_000 {
            history.change(Duration::from_secs(second), |column| column.sent += 1);
        }
        assert!(history.zooms.iter().all(|columns| columns.len() <= KEPT));
        let columns = history.columns(Zoom(2), Duration::from_secs(999), 300);
        let there: Vec<_> = columns.iter().map(Option::is_some).collect();
        assert_eq!(there, [vec![false; 300 - KEPT], vec![true; KEPT]].concat());
        // Of a ping that is not kept any more, nothing is.
        history.change(ms(0), |column| column.lost += 1);
        assert_eq!(history.columns(Zoom(2), Duration::from_secs(999), 300), columns);
    }

    #[test]
    fn what_is_forgotten_is_awaited_no_more() {
        let mut history = History::default();
        history.change(ms(0), |column| column.sent += 3);
        history.change(ms(0), |column| column.reply(ms(1)));
        history.forget_awaited();
        let column = history.columns(Zoom(0), ms(0), 1)[0].unwrap();
        assert_eq!((column.sent, column.received, column.awaited()), (1, 1, 0));
    }

    #[test]
    fn a_zoom_has_a_ping_in_each_column_if_it_can() {
        for (interval, width) in
            [(10, 100), (100, 100), (101, 500), (1_000, 1_000), (90_000, 60_000)]
        {
            assert_eq!(Zoom::for_interval(ms(interval)).width(), ms(width));
        }
        let (first, last) = (Zoom(0), Zoom(WIDTHS.len() - 1));
        assert_eq!((first.closer(), first.wider()), (first, Zoom(1)));
        assert_eq!((last.wider(), last.closer()), (last, Zoom(WIDTHS.len() - 2)));
    }
}
