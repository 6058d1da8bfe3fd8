//! Aggregates many pings into few columns, one for each part of the run.

use crate::document::{Fate, Ping};

/// An event of a ping other than one reply in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// No reply was received.
    Lost,
    /// The reply was received after the timeout.
    Late,
    /// More than one reply was received.
    Duplicated,
    /// The system refused to send it.
    NotSent,
    /// The run ended before a reply or the timeout.
    Awaited,
}

impl Mishap {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 5] =
        [Self::Lost, Self::Late, Self::Duplicated, Self::NotSent, Self::Awaited];

    /// The name in the figure.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Late => "late",
            Self::Duplicated => "duplicated",
            Self::NotSent => "not sent",
            Self::Awaited => "awaited",
        }
    }

    /// Whether it happened to `ping`.
    pub(crate) fn befell(self, ping: &Ping) -> bool {
        match self {
            Self::Lost => ping.fate == Fate::Lost,
            Self::Late => matches!(ping.fate, Fate::Late { .. }),
            Self::Duplicated => ping.duplicates > 0,
            Self::NotSent => ping.fate == Fate::NotSent,
            Self::Awaited => ping.fate == Fate::Awaited,
        }
    }
}

/// The pings of one part of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Column {
    /// The number of pings.
    pub pings: u64,
    /// The RTTs of replies in time, if there were any.
    pub rtt: Option<Spread>,
    mishaps: [u64; Mishap::ALL.len()],
}

impl Column {
    /// The number of its pings with that event.
    pub(crate) fn mishaps(&self, kind: Mishap) -> u64 {
        self.mishaps[kind as usize]
    }
}

/// The distribution of round-trip times, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    pub min: u64,
    /// The median, by nearest rank.
    pub median: u64,
    pub max: u64,
}

/// Divides the time from 0 to `end` (in ns, inclusive) into `count` equal columns.
pub(crate) fn columns<'a>(
    pings: impl Iterator<Item = &'a Ping>,
    end: u64,
    count: usize,
) -> Vec<Column> {
    let mut columns = vec![Column::default(); count];
    let mut rtts = Vec::new();
    for ping in pings {
        let index = (u128::from(ping.at) * count as u128 / (u128::from(end) + 1)) as usize;
        let Some(column) = columns.get_mut(index) else { continue };
        column.pings += 1;
        for kind in Mishap::ALL.into_iter().filter(|kind| kind.befell(ping)) {
            column.mishaps[kind as usize] += 1;
        }
        rtts.extend(ping.rtt().map(|rtt| (index, rtt)));
    }
    rtts.sort_unstable();
    for sorted in rtts.chunk_by(|(one, _), (other, _)| one == other) {
        if let [(index, min), ..] = *sorted {
            let [median, max] =
                [0.5, 1.0].map(|share| rank(sorted, share).map_or(min, |(_, rtt)| *rtt));
            columns[index].rtt = Some(Spread { min, median, max });
        }
    }
    columns
}

/// Returns the quantile `share` of `sorted` by nearest rank.
pub(crate) fn rank<T>(sorted: &[T], share: f64) -> Option<&T> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(at: u64, fate: Fate) -> Ping {
        Ping { at, fate, target: 0, source_port: 1, duplicates: 0 }
    }

    #[test]
    fn a_column_has_what_happened_in_its_part_of_the_run() {
        let pings = [
            ping(0, Fate::Received { rtt: 30 }),
            ping(1, Fate::Received { rtt: 10 }),
            Ping { duplicates: 2, ..ping(2, Fate::Received { rtt: 20 }) },
            ping(4, Fate::Lost),
            ping(5, Fate::Received { rtt: 7 }),
            ping(5, Fate::Received { rtt: 9 }),
            ping(10, Fate::Late { rtt: 500 }),
            ping(11, Fate::Late { rtt: 400 }),
            ping(15, Fate::NotSent),
            ping(15, Fate::Awaited),
        ];
        let columns = columns(pings.iter(), 15, 4);
        assert_eq!(columns.iter().map(|column| column.pings).collect::<Vec<_>>(), [3, 3, 2, 2]);
        assert_eq!(columns[0].rtt, Some(Spread { min: 10, median: 20, max: 30 }));
        assert_eq!(columns[1].rtt, Some(Spread { min: 7, median: 7, max: 9 }));
        assert_eq!([columns[2].rtt, columns[3].rtt], [None, None]);
        let counts = |kind| columns.iter().map(|column| column.mishaps(kind)).collect::<Vec<_>>();
        assert_eq!(counts(Mishap::Lost), [0, 1, 0, 0]);
        assert_eq!(counts(Mishap::Late), [0, 0, 2, 0]);
        assert_eq!(counts(Mishap::Duplicated), [1, 0, 0, 0]);
        assert_eq!(counts(Mishap::NotSent), [0, 0, 0, 1]);
        assert_eq!(counts(Mishap::Awaited), [0, 0, 0, 1]);
    }

    #[test]
    fn last_ping_of_the_longest_run_is_in_the_last_column() {
        let columns = columns([ping(u64::MAX, Fate::Lost)].iter(), u64::MAX, 1000);
        assert_eq!(columns[999].pings, 1);
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let hundred: Vec<_> = (1..=100).collect();
        assert_eq!(
            [0.0, 0.5, 0.9, 0.99, 0.999, 1.0].map(|share| *rank(&hundred, share).unwrap()),
            [1, 50, 90, 99, 100, 100]
        );
        assert_eq!(rank(&[7], 0.5), Some(&7));
        assert_eq!(rank::<u64>(&[], 0.5), None);
    }
}
