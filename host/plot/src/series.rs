//! The series of pings that have colours of their own.

use crate::columns::Mishap;
use crate::document::{self, Document, Ping};
use crate::palette::{self, Ink};

/// The targets, each with its colour if they are few; otherwise all of them together.
#[derive(Debug)]
pub(crate) struct Series<'a> {
    document: &'a Document,
    /// The targets that were pinged, if there are several, but few.
    targets: Vec<u32>,
}

impl<'a> Series<'a> {
    pub(crate) fn of(document: &'a Document) -> Self {
        let mut pinged = vec![false; document.targets.len()];
        document.pings.iter().for_each(|ping| pinged[ping.target as usize] = true);
        let mut targets: Vec<_> =
            (0..).zip(pinged).filter_map(|(target, pinged)| pinged.then_some(target)).collect();
        if !(2..=palette::TARGETS.len()).contains(&targets.len()) {
            targets.clear();
        }
        Self { document, targets }
    }

    /// The number of series: 1 if no target has a colour of its own.
    pub(crate) fn len(&self) -> usize {
        self.targets.len().max(1)
    }

    /// The pings of one series.
    pub(crate) fn pings(&self, index: usize) -> impl Iterator<Item = &'a Ping> {
        let target = self.targets.get(index).copied();
        self.document
            .pings
            .iter()
            .filter(move |ping| target.is_none_or(|target| ping.target == target))
    }

    /// The names of the targets that have colours of their own.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.targets.iter().map(|target| document::name(&self.document.targets[*target as usize]))
    }

    /// The colour of replies to one target.
    pub(crate) fn ink(index: usize) -> Ink {
        palette::TARGETS[index]
    }

    /// The colour of an event of one series: the target's, or the event's if targets have none.
    pub(crate) fn mishap_ink(&self, index: usize, kind: Mishap) -> Ink {
        if self.targets.is_empty() { palette::MISHAPS[kind as usize] } else { Self::ink(index) }
    }
}
