//! What has a colour of its own.

use crate::columns::Mishap;
use crate::document::{self, Document, Ping};
use crate::palette::{self, Ink};

/// The targets, each with its colour where they are few; else all of them together.
#[derive(Debug)]
pub(crate) struct Series<'a> {
    document: &'a Document,
    /// Those that were pinged, where they are several and few.
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

    /// How many there are: 1 where none has a colour of its own.
    pub(crate) fn len(&self) -> usize {
        self.targets.len().max(1)
    }

    /// The pings of one.
    pub(crate) fn pings(&self, index: usize) -> impl Iterator<Item = &'a Ping> {
        let target = self.targets.get(index).copied();
        self.document
            .pings
            .iter()
            .filter(move |ping| target.is_none_or(|target| ping.target == target))
    }

    /// The name of one that has a colour of its own.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.targets.iter().map(|target| document::name(&self.document.targets[*target as usize]))
    }

    /// Of replies to one.
    pub(crate) fn ink(index: usize) -> Ink {
        palette::TARGETS[index]
    }

    /// Of a mishap to one: its own, or that of the mishap where none has one.
    pub(crate) fn mishap_ink(&self, index: usize, kind: Mishap) -> Ink {
        if self.targets.is_empty() { palette::MISHAPS[kind as usize] } else { Self::ink(index) }
    }
}
