//! The series of pings that are told apart, by colour and by mark.

use crate::columns::Mishap;
use crate::document::{self, Document, Fate, Ping};
use crate::palette::{self, Ink};

/// How many targets are told apart: each colour with each of four marks.
pub(crate) const MOST: usize = palette::TARGETS.len() * Mark::ALL.len();

/// The targets by loss, the most first. Of more than [`MOST`], the others are together.
#[derive(Debug)]
pub(crate) struct Series<'a> {
    document: &'a Document,
    /// The targets that are told apart; none if one alone was pinged.
    targets: Vec<Lossy>,
    /// The series of each target.
    of: Vec<usize>,
    /// The number of targets that are together.
    others: usize,
}

/// A target, and its share of lost pings.
#[derive(Clone, Copy, Debug)]
struct Lossy {
    target: usize,
    loss: f64,
}

/// What a series has besides its colour, so that colours may recur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A dot, and a line.
    Dot,
    /// A square, and a dashed line.
    Square,
    /// A diamond, and a dotted line.
    Diamond,
    /// A cross, and a line of long dashes.
    Cross,
}

impl Mark {
    /// All of them, in the order in which they are used.
    pub(crate) const ALL: [Self; 4] = [Self::Dot, Self::Square, Self::Diamond, Self::Cross];

    /// The lengths of its dashes and of the gaps between them, in pixels.
    pub(crate) const fn dashes(self) -> Option<(u32, u32)> {
        match self {
            Self::Dot => None,
            Self::Square => Some((6, 3)),
            Self::Diamond => Some((2, 3)),
            Self::Cross => Some((14, 5)),
        }
    }
}

impl<'a> Series<'a> {
    pub(crate) fn of(document: &'a Document) -> Self {
        let mut counts = vec![(0_u64, 0_u64); document.targets.len()];
        let mut pinged = vec![false; document.targets.len()];
        for ping in &document.pings {
            let target = ping.target as usize;
            pinged[target] = true;
            let (settled, lost) = &mut counts[target];
            *settled += u64::from(!matches!(ping.fate, Fate::Awaited | Fate::NotSent));
            *lost += u64::from(ping.fate == Fate::Lost);
        }
        let lossy = |target: usize| {
            let (settled, lost) = counts[target];
            Lossy { target, loss: lost as f64 / settled.max(1) as f64 }
        };
        let mut targets: Vec<_> =
            (0..pinged.len()).filter(|target| pinged[*target]).map(lossy).collect();
        // Those with the same loss stay in their order.
        targets.sort_by(|one, other| other.loss.total_cmp(&one.loss));
        let mut others = 0;
        if targets.len() < 2 {
            targets.clear();
        } else if targets.len() > MOST {
            others = targets.len() - (MOST - 1);
            targets.truncate(MOST - 1);
        }
        let mut of = vec![targets.len(); document.targets.len()];
        for (index, Lossy { target, .. }) in targets.iter().enumerate() {
            of[*target] = index;
        }
        Self { document, targets, of, others }
    }

    /// The number of series: 1 if a single target was pinged.
    pub(crate) fn len(&self) -> usize {
        (self.targets.len() + usize::from(self.others > 0)).max(1)
    }

    /// Whether there are more series than colours, which recur.
    pub(crate) fn are_many(&self) -> bool {
        self.len() > palette::TARGETS.len()
    }

    /// The pings of one series.
    pub(crate) fn pings(&self, index: usize) -> impl Iterator<Item = &'a Ping> {
        self.document.pings.iter().filter(move |ping| self.of[ping.target as usize] == index)
    }

    /// The name of each series, and its share of lost pings; none for a single one.
    pub(crate) fn names(&self) -> impl Iterator<Item = (String, Option<f64>)> {
        let all = self.targets.iter().map(|Lossy { target, loss }| {
            (document::name(&self.document.targets[*target]), Some(*loss))
        });
        let others = format!("{} other targets, with no more loss", self.others);
        all.chain((self.others > 0).then_some((others, None)))
    }

    /// Whether a series is all targets that are not told apart.
    pub(crate) fn is_others(&self, index: usize) -> bool {
        self.others > 0 && index == self.targets.len()
    }

    /// The colour of replies of a series.
    pub(crate) fn ink(&self, index: usize) -> Ink {
        if self.is_others(index) {
            palette::OTHERS
        } else {
            palette::TARGETS[index % palette::TARGETS.len()]
        }
    }

    /// The mark of a series.
    pub(crate) fn mark(&self, index: usize) -> Mark {
        let turn = if self.is_others(index) { 0 } else { index / palette::TARGETS.len() };
        Mark::ALL[turn % Mark::ALL.len()]
    }

    /// The colour of an event of one series: the series', or the event's if there is a single one.
    pub(crate) fn mishap_ink(&self, index: usize, kind: Mishap) -> Ink {
        if self.targets.is_empty() { palette::MISHAPS[kind as usize] } else { self.ink(index) }
    }
}
