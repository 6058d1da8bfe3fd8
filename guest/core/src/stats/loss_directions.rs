//! Losses by direction, from the counter of a stateful STAMP reflector (RFC 8762).

use std::collections::VecDeque;

use crate::seq::Seq;
use crate::stats::one_way::Reflected;
use crate::stats::outcome::{Fate, Sent};

/// The maximum number of remembered counters of duplicates, until the losses around them are
/// attributed.
const DUPLICATES: usize = 1_024;

/// The maximum number of remembered stretches with losses, in case a ping turns up that overtook
/// all since.
const STRETCHES: usize = 64;

/// The directions in which pings were lost, from a stateful reflector's counter (RFC 8762, section
/// 4.3).
///
/// In a stretch between two answered pings, the counter tells how many replies the reflector sent:
/// that many were lost backward, the rest of the lost pings forward. A ping that overtook others
/// forward has a lower counter than one before it; a stretch then extends to the next answered ping
/// that did not. Until then, and if counters and pings do not add up, the direction is unknown. So
/// are all backward losses of a flow in which a ping was duplicated forward: a missing counter may be
/// that of a reply to another copy.
#[derive(Clone, Debug)]
pub(crate) struct LossDirections {
    /// Whether the reflector is known to be stateful.
    stateful: bool,
    /// The highest counter so far. A session's counter starts at zero.
    highest: Seq,
    /// The stretch that no answer has ended yet.
    open: Stretch,
    /// The ended stretches with the counters of the answers that ended them, oldest first.
    ended: VecDeque<(Seq, Stretch)>,
    /// The losses of earlier stretches.
    attributed: Attributed,
    /// The counters of further replies to a ping, oldest first: the ping was duplicated forward.
    duplicates: VecDeque<Seq>,
    /// Whether there ever was one.
    duplicates_forward: bool,
}

/// The losses between two answered pings.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    /// The number of pings without an answer.
    lost: u64,
    /// The number of counters that no reply had.
    missing: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Attributed {
    losses: DirectedLosses,
    /// The number of missing replies in excess of the lost pings of their stretches. Each answered
    /// a duplicate, or a ping that seems lost forward but overtook others.
    surplus: u64,
}

impl Attributed {
    fn add(&mut self, Stretch { lost, missing }: Stretch) {
        if missing <= lost {
            self.losses.backward += missing;
            self.losses.forward += lost - missing;
        } else {
            self.losses.unknown += lost;
            self.surplus += missing - lost;
        }
    }
}

/// The number of lost pings by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectedLosses {
    /// Pings that did not reach the reflector.
    pub forward: u64,
    /// Pings whose replies were lost.
    pub backward: u64,
    /// Pings that may be either.
    pub unknown: u64,
}

impl LossDirections {
    /// Creates the state for a reflector that is declared to be stateful, or for one that is not,
    /// which may still turn out to be.
    pub(crate) fn new(stateful: bool) -> Self {
        Self {
            stateful,
            highest: Seq(0).previous(),
            open: Stretch::default(),
            ended: VecDeque::new(),
            attributed: Attributed::default(),
            duplicates: VecDeque::new(),
            duplicates_forward: false,
        }
    }

    /// Records the final outcome of ping `seq`, the next in order of sequence numbers.
    pub(crate) fn record(&mut self, seq: Seq, sent: &Sent) {
        match (sent.fate, sent.reflected) {
            (Fate::Lost, _) => self.open.lost += 1,
            (_, Some(Reflected { counter, .. })) => {
                // A stateless reflector repeats the ping's number.
                self.stateful |= counter != seq;
                self.answered(counter);
            }
            (Fate::Received | Fate::Late | Fate::NotSent | Fate::Awaited, _) => {}
        }
    }

    /// Records that a further reply to a ping had another counter than the first.
    pub(crate) fn duplicated(&mut self, counter: Seq) {
        self.duplicates_forward = true;
        if self.duplicates.contains(&counter) {
            return;
        }
        if self.duplicates.len() == DUPLICATES {
            self.duplicates.pop_front();
        }
        self.duplicates.push_back(counter);
    }

    /// Returns the losses; `None` if the reflector is not known to be stateful.
    pub(crate) fn losses(&self) -> Option<DirectedLosses> {
        let mut all = self.attributed;
        self.ended.iter().for_each(|(_, stretch)| all.add(*stretch));
        let DirectedLosses { forward, backward, unknown } = all.losses;
        let doubtful = forward.min(all.surplus);
        let unsure = if self.duplicates_forward { backward } else { 0 };
        self.stateful.then_some(DirectedLosses {
            forward: forward - doubtful,
            backward: backward - unsure,
            unknown: unknown + doubtful + unsure + self.open.lost,
        })
    }

    /// Records the counter of the next answered ping.
    fn answered(&mut self, counter: Seq) {
        if !counter.is_after(self.highest) {
            return self.overtaken(counter);
        }
        let skipped = u64::from(counter.distance_from(self.highest.next()));
        if skipped > 0 {
            let between = |c: &&Seq| c.is_after(self.highest) && counter.is_after(**c);
            let duplicates = self.duplicates.iter().filter(between).count() as u64;
            self.open.missing += skipped.saturating_sub(duplicates);
        }
        self.highest = counter;
        let stretch = std::mem::take(&mut self.open);
        if stretch.lost + stretch.missing > 0 {
            if self.ended.len() == STRETCHES
                && let Some((_, oldest)) = self.ended.pop_front()
            {
                self.attributed.add(oldest);
            }
            self.ended.push_back((counter, stretch));
        }
    }

    /// Records the counter of an answered ping that overtook an earlier one: its reply is not
    /// missing, and the stretch that it belongs to is extended.
    fn overtaken(&mut self, counter: Seq) {
        let ended_before = self.ended.partition_point(|(end, _)| !end.is_after(counter));
        let mut reopened = self.open;
        for (_, stretch) in self.ended.range(ended_before..) {
            reopened.lost += stretch.lost;
            reopened.missing += stretch.missing;
        }
        if let Some(missing) = reopened.missing.checked_sub(1) {
            self.ended.truncate(ended_before);
            self.open = Stretch { missing, ..reopened };
        } else {
            // Received before: the reflector has forgotten the session, and counts from zero.
            self.ended.drain(..).for_each(|(_, stretch)| self.attributed.add(stretch));
            self.attributed.losses.unknown += std::mem::take(&mut self.open).lost;
            self.highest = counter;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::stats::one_way::ClockSpan;
    use crate::time::{Instant, UnixTime};
    use crate::wire::stamp::ErrorEstimate;

    /// The directions for pings from number 0 on, given the counter of each reply, or none.
    fn directions(
        stateful: bool,
        counters: &[Option<u32>],
        duplicates: &[u32],
    ) -> Option<(u64, u64, u64)> {
        let mut directions = LossDirections::new(stateful);
        for &counter in duplicates {
            directions.duplicated(Seq(counter));
        }
        for (i, counter) in counters.iter().enumerate() {
            let span = ClockSpan(0);
            let (processing, error) = (Duration::ZERO, ErrorEstimate::of_clock(false));
            let reflected = |n: &u32| Reflected {
                counter: Seq(*n),
                forward: span,
                backward: span,
                processing,
                error,
            };
            let sent = Sent {
                scheduled: Instant::from_nanos(0),
                at: Instant::from_nanos(0),
                wall: UnixTime { seconds: 0, nanoseconds: 0 },
                fate: if counter.is_some() { Fate::Received } else { Fate::Lost },
                rtt: Duration::ZERO,
                duplicates: 0,
                reflected: counter.as_ref().map(reflected),
            };
            directions.record(Seq(i as u32), &sent);
        }
        directions.losses().map(|losses| (losses.forward, losses.backward, losses.unknown))
    }

    #[test]
    fn the_counter_tells_on_which_way_a_ping_was_lost() {
        // Ping 1 never arrived: the reflector's second reply answers ping 2.
        assert_eq!(directions(true, &[Some(0), None, Some(1)], &[]), Some((1, 0, 0)));
        // Ping 1 was answered, by reply 1, which did not come back.
        assert_eq!(directions(true, &[Some(0), None, Some(2)], &[]), Some((0, 1, 0)));
        // Of three, one was answered.
        assert_eq!(directions(true, &[Some(0), None, None, None, Some(2)], &[]), Some((2, 1, 0)));
        // Before the first answer: a new session counts from zero.
        assert_eq!(directions(true, &[None, None, Some(1)], &[]), Some((1, 1, 0)));
    }

    #[test]
    fn what_comes_after_the_last_answer_is_unknown() {
        assert_eq!(directions(true, &[Some(0), None, None], &[]), Some((0, 0, 2)));
    }

    #[test]
    fn more_replies_than_pings_or_a_step_back_leave_it_open() {
        assert_eq!(directions(true, &[Some(0), None, Some(5)], &[]), Some((0, 0, 1)));
        assert_eq!(directions(true, &[Some(3), None, Some(1)], &[]), Some((0, 0, 1)));
        assert_eq!(
            directions(true, &[None, Some(700)], &[]),
            Some((0, 0, 1)),
            "not the session's first ping"
        );
    }

    #[test]
    fn ping_duplicated_forward_is_not_counted_as_lost_backward() {
        // Replies 0 and 1 both answer ping 0; ping 1 never arrived; reply 2 answers ping 2.
        assert_eq!(directions(true, &[Some(0), None, Some(2)], &[1]), Some((1, 0, 0)));
        assert_eq!(
            directions(true, &[Some(0), None, Some(2)], &[1, 1]),
            Some((1, 0, 0)),
            "a copy of the copy"
        );
    }

    #[test]
    fn backward_losses_are_unsure_where_pings_are_duplicated() {
        // Reply 1 answered ping 1, or a copy of ping 0 or 2. Ping 4 did not arrive in any case.
        let counters = [Some(0), None, Some(2), Some(3), None, Some(5), Some(6)];
        assert_eq!(directions(true, &counters, &[]), Some((0, 2, 0)));
        assert_eq!(directions(true, &counters, &[4]), Some((1, 0, 1)));
    }

    #[test]
    fn reordering_without_loss_attributes_nothing() {
        assert_eq!(directions(true, &[Some(1), Some(0), Some(2)], &[]), Some((0, 0, 0)));
    }

    #[test]
    fn loss_direction_is_known_after_a_ping_that_is_not_overtaken() {
        // Ping 5 overtook 2, 3 and 4, which seem to have been lost backward until they turn up;
        // ping 1 was.
        let counters = [Some(0), None, Some(3), Some(4), Some(5), Some(2)];
        assert_eq!(directions(true, &counters, &[]), Some((0, 0, 1)));
        assert_eq!(directions(true, &[&counters[..], &[Some(6)]].concat(), &[]), Some((0, 1, 0)));
        // Over two stretches: ping 4 overtook others and arrived second; one of the pings 1 and 3
        // was answered, by reply 3.
        let counters = [Some(0), None, Some(2), None, Some(1), Some(4)];
        assert_eq!(directions(true, &counters, &[]), Some((1, 1, 0)));
    }

    #[test]
    fn a_session_that_the_reflector_has_forgotten_begins_anew() {
        let counters = [Some(0), None, Some(1), None, Some(0), None, Some(1), None, Some(3)];
        assert_eq!(directions(true, &counters, &[]), Some((2, 1, 1)));
    }

    #[test]
    fn losses_that_are_long_past_stay_attributed_in_bounded_memory() {
        let mut directions = LossDirections::new(true);
        for counter in 0..10_000 {
            directions.open.lost += 1;
            directions.answered(Seq(counter));
        }
        assert_eq!(
            directions.losses(),
            Some(DirectedLosses { forward: 10_000, backward: 0, unknown: 0 })
        );
        assert!(directions.ended.capacity() <= STRETCHES, "{}", directions.ended.capacity());
    }

    #[test]
    fn counters_wrap() {
        let mut directions = LossDirections::new(true);
        directions.highest = Seq(u32::MAX - 1);
        directions.open.lost = 2;
        // Two replies in between, MAX and 0: both were lost backward.
        directions.answered(Seq(1));
        assert_eq!(
            directions.losses(),
            Some(DirectedLosses { forward: 0, backward: 2, unknown: 0 })
        );
    }

    #[test]
    fn loss_direction_is_known_for_stateful_reflectors_only() {
        assert_eq!(directions(false, &[Some(0), None, Some(2)], &[]), None);
        assert_eq!(directions(false, &[Some(0), None, Some(1)], &[]), Some((1, 0, 0)));
    }

    proptest! {
        /// Pings that are each delayed by up to several others, some of which are lost forward and
        /// some backward; the last one is not.
        #[test]
        fn losses_per_direction_never_exceed_the_actual_ones(
            pings in prop::collection::vec((0..6_usize, 0..4_u8), 0..60),
        ) {
            let (count, mut arrivals) = (pings.len(), Vec::new());
            arrivals.extend((0..count).filter(|&i| pings[i].1 != 0));
            arrivals.sort_by_key(|&i| i + pings[i].0);
            arrivals.push(count);
            let mut counters = vec![None; count + 1];
            for (counter, &i) in (0..).zip(&arrivals) {
                counters[i] = (i == count || pings[i].1 != 1).then_some(counter);
            }
            let [there, back] = [0, 1].map(|way| pings.iter().filter(|(_, lost)| *lost == way).count() as u64);
            let (forward, backward, unknown) = directions(true, &counters, &[]).unwrap();
            prop_assert!(forward <= there && backward <= back, "{forward} of {there}, {backward} of {back}: {counters:?}");
            prop_assert_eq!(forward + backward + unknown, there + back);
        }
    }
}
