//! Detection of repeated requests: if a server answers this server's answers, the sequence number
//! that started the loop comes back in each round.

use std::net::SocketAddr;

use foldhash::fast::FixedState;

use crate::server::loops::{self, ANSWERS, ROUND};
use crate::time::Instant;

/// The refill times, in microseconds. A repeated request is answered [`ANSWERS`] times at once, and
/// then once per refill time: the first if its source sends nothing else, the second if other
/// requests come in between. Those may be looping, too: a loop of many datagrams must not be as
/// fast as all of them together.
const REFILL: (u32, u32) = (1_000_000, 3_000_000);

/// The initial and the maximum number of a source's requests that are compared with one before
/// another takes its place.
const SPANS: (u32, u32) = (8, 1 << 20);

/// One occurrence, in [`Source::times`].
const ONCE: u32 = 1_000_000;

/// The number of sources per set of the table.
const WAYS: usize = 4;

/// The number of sets in the table. It takes 928 KiB, and has room for 16,384 sources.
const SETS: usize = 4_096;

/// If all sources of a set are in use, one in this many datagrams from other sources replaces one.
const PATIENCE: u32 = 64;

/// The classification of a request among those of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// It has not been seen before, as far as is known.
    New,
    /// It was seen before, but not too often.
    Again,
    /// It was seen more than [`ANSWERS`] times, and faster than permitted.
    Repeated,
    /// Another request was [`Self::Repeated`] within the last [`ROUND`]: several may be looping.
    Suspect,
}

/// A source, and one of its requests that the others are compared with.
#[derive(Clone, Copy, Debug)]
struct Source {
    digest: u64,
    number: u64,
    /// When `number` was last answered.
    answered: Instant,
    /// How often it was answered, less what had been forgotten by then, in millionths.
    times: u32,
    /// When the last request arrived.
    last: Instant,
    /// The time until which all requests are suspect.
    suspect: Instant,
    /// The number of further requests to compare with `number`.
    left: u32,
    /// The initial value of `left`.
    span: u32,
}

impl Source {
    const UNUSED: Self = Self::new(0, 0, Instant::from_nanos(0));

    const fn new(digest: u64, number: u64, now: Instant) -> Self {
        let suspect = Instant::from_nanos(0);
        Self {
            digest,
            number,
            answered: now,
            times: ONCE,
            last: now,
            suspect,
            left: SPANS.0,
            span: SPANS.0,
        }
    }

    fn hears(&mut self, number: u64, now: Instant) -> Request {
        self.last = now;
        if number == self.number {
            let refill = if self.left == self.span { REFILL.0 } else { REFILL.1 };
            let forgotten =
                now.since(self.answered).as_micros() * u128::from(ONCE) / u128::from(refill);
            let times =
                self.times.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX)) + ONCE;
            if times <= u32::from(ANSWERS) * ONCE {
                (self.answered, self.times, self.left) = (now, times, self.span);
                return Request::Again;
            }
            (self.left, self.span, self.suspect) = (SPANS.0, SPANS.0, now + ROUND);
            return Request::Repeated;
        }
        if self.suspect > now {
            return Request::Suspect;
        }
        self.left -= 1;
        if self.left == 0 {
            self.span = (self.span * 2).min(SPANS.1);
            self.left = self.span;
            (self.number, self.answered, self.times) = (number, now, ONCE);
        }
        Request::New
    }
}

/// Distinguishes repeated requests from new ones, in O(1) and in a table of constant size.
///
/// A table of all requests would have to grow with the server's rate. This one holds one request
/// per source. The following ones are compared with it, then with a later one, for twice as long
/// each time (Brent's algorithm): of up to a million requests that loop between this server and
/// that source, one is found to be repeated within four rounds. When it has come [`ANSWERS`] times,
/// all of them are suspect.
///
/// If many sources share a set, those in it keep their place while they continue to send, so that
/// no two loops hide each other; another source gets a place now and then. About 200,000 sources
/// that loop at the same time would be too many.
#[derive(Debug)]
pub(crate) struct Cycles {
    hasher: FixedState,
    /// Empty until the first request: an idle server needs no table.
    sets: Vec<Set>,
}

#[derive(Clone, Debug)]
struct Set {
    sources: [Source; WAYS],
    /// The number of datagrams from other sources while all of these are in use.
    others: u32,
}

impl Cycles {
    /// Creates an empty table. `salt` determines which sources share a set; they must not know it.
    pub(crate) fn new(salt: u64) -> Self {
        Self { hasher: FixedState::with_seed(salt), sets: Vec::new() }
    }

    /// Records that `source` sent request `number` at `now`, and classifies it.
    pub(crate) fn enter(&mut self, source: SocketAddr, number: u64, now: Instant) -> Request {
        if self.sets.is_empty() {
            self.sets = vec![Set { sources: [Source::UNUSED; WAYS], others: 0 }; SETS];
        }
        let digest = loops::digest(&self.hasher, source);
        let set = &mut self.sets[loops::place(digest, SETS)];
        if let Some(source) = set.sources.iter_mut().find(|source| source.digest == digest) {
            if now.since(source.last) > ROUND {
                *source = Source::new(digest, number, now);
                return Request::New;
            }
            return source.hears(number, now);
        }
        let unused = set
            .sources
            .iter()
            .position(|source| source.digest == 0 || now.since(source.last) > ROUND);
        let way = unused.or_else(|| {
            set.others = set.others.wrapping_add(1);
            set.others.is_multiple_of(PATIENCE).then_some((set.others / PATIENCE) as usize % WAYS)
        });
        if let Some(way) = way {
            set.sources[way] = Source::new(digest, number, now);
        }
        Request::New
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(us: u64) -> Instant {
        Instant::from_nanos(us * 1_000)
    }

    fn is_answered(request: Request) -> bool {
        matches!(request, Request::New | Request::Again)
    }

    fn source(number: u32) -> SocketAddr {
        SocketAddr::from((number.to_be_bytes(), 5_000))
    }

    /// Loops requests of these sources and numbers, one datagram per microsecond, until none is
    /// answered any more; suspect ones are not answered. Returns the number of answers.
    fn answers(cycles: &mut Cycles, alive: &mut Vec<(u32, u64)>, mut now: u64) -> usize {
        let mut answers = 0;
        while !alive.is_empty() {
            alive.retain(|(from, number)| {
                now += 1;
                is_answered(cycles.enter(source(*from), *number, at(now)))
            });
            answers += alive.len();
            assert!(answers < 20_000_000, "{} are still alive", alive.len());
        }
        answers
    }

    #[test]
    fn the_sixth_of_the_same_is_one_too_many() {
        let mut cycles = Cycles::new(1);
        let requests: Vec<_> = (0..8).map(|i| cycles.enter(source(1), 7, at(i))).collect();
        assert_eq!(
            requests,
            [&[Request::New][..], &[Request::Again; 4], &[Request::Repeated; 3]].concat()
        );
        assert_eq!(cycles.enter(source(1), 8, at(9)), Request::Suspect);
        assert_eq!(cycles.enter(source(2), 7, at(9)), Request::New, "of another source");
        assert_eq!(
            cycles.enter(source(1), 9, at(10_000_008)),
            Request::New,
            "ten seconds after the last repeat"
        );
    }

    #[test]
    fn repeats_are_answered_once_per_second_without_end() {
        let mut cycles = Cycles::new(1);
        assert!((0..100_000).all(|second| is_answered(cycles.enter(
            source(1),
            7,
            at(second * 1_000_000)
        ))));
        let answered =
            (0..1_000).filter(|i| is_answered(cycles.enter(source(2), 7, at(i * 100_000)))).count();
        assert!((100..=105).contains(&answered), "{answered}");
    }

    #[test]
    fn new_numbers_are_answered_in_any_order_and_after_a_restart() {
        let mut cycles = Cycles::new(1);
        for run in 0..5 {
            for number in 0..200_000_u64 {
                // In some disorder.
                let number = number ^ 0x35;
                assert!(
                    is_answered(cycles.enter(source(1), number, at(run * 200_000 + number))),
                    "{run} {number}"
                );
            }
        }
    }

    #[test]
    fn many_that_go_round_slowly_are_no_faster_together() {
        for seconds in [1, 2] {
            let mut cycles = Cycles::new(1);
            let rounds = (1..100).take_while(|round| {
                (0..100).all(|number| {
                    is_answered(cycles.enter(source(1), number, at(round * seconds * 1_000_000)))
                })
            });
            assert!(rounds.count() < 25, "{seconds}");
        }
    }

    #[test]
    fn any_number_of_requests_that_go_round_is_found() {
        for count in [1, 2, 3, 7, 8, 9, 15, 100, 1_000, 100_000] {
            let mut alive: Vec<_> = (0..count).map(|number| (1, number)).collect();
            let answers = answers(&mut Cycles::new(1), &mut alive, 0);
            assert!(answers as u64 <= 10 * count, "{count}: {answers}");
        }
    }

    #[test]
    fn what_a_source_sent_before_does_not_hide_what_goes_round_then() {
        for before in 0..100 {
            let mut cycles = Cycles::new(1);
            (0..before).for_each(|number| {
                assert_eq!(cycles.enter(source(1), number, at(number)), Request::New);
            });
            let answers = answers(&mut cycles, &mut vec![(1, 1_000)], before);
            assert!(answers as u64 <= 5 + 8 + before, "{before}: {answers}");
        }
    }

    #[test]
    fn what_a_source_sent_before_a_pause_does_not_hide_it_either() {
        let (mut cycles, before) = (Cycles::new(1), 100_000);
        (0..before).for_each(|number| {
            assert_eq!(cycles.enter(source(1), number, at(number)), Request::New);
        });
        let answers = answers(&mut cycles, &mut vec![(1, before)], before + 10_000_000);
        assert!(answers <= 5, "{answers}");
    }

    #[test]
    fn thousands_of_sources_at_once_are_found_one_by_one() {
        for count in [1_000, 4_000] {
            let mut alive: Vec<_> = (0..count).map(|from| (from, 1)).collect();
            assert!(answers(&mut Cycles::new(1), &mut alive, 0) <= 8 * count as usize);
        }
        // More than the table has room for.
        let mut alive: Vec<_> = (0..65_000).map(|from| (from, 1)).collect();
        let answers = answers(&mut Cycles::new(1), &mut alive, 0);
        assert!(answers <= 65_000 * 100, "{answers}");
    }

    #[test]
    fn sources_of_one_place_do_not_hide_each_other() {
        let place = |number: &u32| {
            loops::place(loops::digest(&FixedState::with_seed(1), source(*number)), SETS)
        };
        let first = place(&0);
        for count in [4, 5, 8, 48] {
            let mut alive: Vec<_> = (0..)
                .filter(|number| place(number) == first)
                .take(count)
                .map(|from| (from, 1))
                .collect();
            let answers = answers(&mut Cycles::new(1), &mut alive, 0);
            assert!(
                answers <= count * 5 || (count > WAYS && answers <= count * 200),
                "{count}: {answers}"
            );
        }
    }

    #[test]
    fn who_is_silent_for_long_leaves_its_place() {
        let mut cycles = Cycles::new(1);
        (0..100_000)
            .for_each(|from| assert_eq!(cycles.enter(source(from), 1, at(0)), Request::New));
        let later: Vec<_> =
            (0..8).map(|i| cycles.enter(source(200_000), 1, at(10_000_001 + i))).collect();
        assert_eq!(later[4..6], [Request::Again, Request::Repeated]);
    }

    #[test]
    fn the_table_does_not_grow() {
        let mut cycles = Cycles::new(1);
        (0..100_000)
            .for_each(|from| assert_eq!(cycles.enter(source(from), 1, at(0)), Request::New));
        assert_eq!(cycles.sets.len() * size_of::<Set>(), 928 << 10);
    }

    #[test]
    fn interleaved_and_consecutive_repeats_count_alike() {
        let mut cycles = Cycles::new(1);
        // Found by chance: 1, 0, 1, 0, 1, 1.
        for number in [1, 0, 1, 0, 1, 1] {
            assert!(is_answered(cycles.enter(source(1), number, at(0))));
        }
        assert!(is_answered(cycles.enter(source(1), 1, at(0))));
        assert_eq!(cycles.enter(source(1), 1, at(0)), Request::Repeated);
    }

    proptest! {
        /// For any requests at any times: none is repeated that did not come more than five times.
        #[test]
        fn nothing_is_repeated_before_its_sixth_time(comings in prop::collection::vec((0..20_u64, 0..2_000_000_u64), 0..300)) {
            let mut cycles = Cycles::new(1);
            let (mut now, mut times) = (0, [0; 20]);
            for (number, pause) in comings {
                now += pause;
                times[number as usize] += 1;
                let request = cycles.enter(source(1), number, at(now));
                prop_assert!(request != Request::Repeated || times[number as usize] > 5);
            }
        }
    }
}
