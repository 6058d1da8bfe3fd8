//! The account of every datagram.

use std::collections::BTreeMap;
use std::fmt;

use crate::kernel::Drops;
use crate::load::{Load, Pings};
use crate::services::Said;

/// A trapped instance may have received a batch, and the host one more datagram that did not fit.
const IN_HAND: u64 = 64 + 1;

/// What was sent, what was answered, and why the rest was not.
#[derive(Debug, Default)]
pub(crate) struct Account {
    sent: u64,
    answered: u64,
    wrong: u64,
    reasons: BTreeMap<String, u64>,
    in_hand: (u64, u64),
}

impl Account {
    /// Adds unanswered datagrams with their reason.
    pub(crate) fn enter(&mut self, reason: String, count: u64) {
        *self.reasons.entry(reason).or_default() += count;
    }

    /// Adds the datagrams of a server whose guest trapped.
    pub(crate) fn enter_trapped(&mut self, said: &Said) {
        self.in_hand = (said.in_hand(), said.traps * IN_HAND);
        self.enter("host: in the hand of an instance that trapped".to_owned(), said.in_hand());
        said.enter_denied(self);
    }

    /// Adds the datagrams that the kernel dropped.
    pub(crate) fn enter_kernel(&mut self, drops: &Drops) {
        self.enter("kernel: no room in the socket".to_owned(), drops.no_room);
        self.enter("kernel: nobody listened".to_owned(), drops.nobody);
        self.enter("kernel: the interface was down".to_owned(), drops.no_link);
    }

    /// Adds the datagrams that were sent, and the replies.
    pub(crate) fn enter_load(&mut self, load: &Load, pings: &Pings) {
        self.sent += load.sent() + pings.sent;
        self.answered += load.replies() + pings.answered;
        self.wrong += load.wrong() + pings.wrong;
    }

    fn unaccounted(&self) -> i128 {
        i128::from(self.sent)
            - i128::from(self.answered)
            - i128::from(self.reasons.values().sum::<u64>())
    }

    /// Whether each datagram is accounted for exactly once, and each reply is identical to its
    /// datagram.
    pub(crate) fn is_balanced(&self) -> bool {
        self.sent > 0
            && self.unaccounted() == 0
            && self.wrong == 0
            && self.in_hand.0 <= self.in_hand.1
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| datagrams | |\n|---|---|\n| sent | {} |\n| answered | {} |",
            self.sent, self.answered
        )?;
        for (reason, count) in &self.reasons {
            writeln!(f, "| {reason} | {count} |")?;
        }
        let (in_hand, most) = self.in_hand;
        if in_hand > most {
            writeln!(f, "| MORE IN HAND than {most} |  |")?;
        }
        writeln!(
            f,
            "| wrong answers | {} |\n| unaccounted for | {} |",
            self.wrong,
            self.unaccounted()
        )
    }
}
