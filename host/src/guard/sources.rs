//! Whom a listening component has heard from, and what it may answer.

use std::net::{SocketAddr, SocketAddrV6};
use std::num::NonZeroUsize;
use std::time::Instant;

use lru::LruCache;

use crate::grants::{AnswerRule, Standing};
use crate::rate::{Bucket, Rate};

/// How many sources are known at a time; the one that was silent longest is forgotten first. Each takes about 130 bytes.
pub const MOST: NonZeroUsize = NonZeroUsize::new(65_536).expect("it is not 0");

/// The sources, each found in constant time; the one in use, which mostly is the next one, too, in no time.
pub struct Sources {
    table: LruCache<SocketAddr, Source>,
    /// Its entry in the table is as it was before.
    in_use: Option<(SocketAddr, Source)>,
    rule: AnswerRule,
    rate: Option<Rate>,
}

#[derive(Clone, Copy)]
struct Source {
    heard: Instant,
    /// What may still go there. Fractions come of the amplification.
    datagrams: f64,
    bytes: f64,
    bucket: Option<Bucket>,
}

impl Sources {
    /// None yet. Each may send `rate` datagrams.
    pub fn new(rule: AnswerRule, rate: Option<Rate>) -> Self {
        // Not with room for all from the start: most servers have few.
        Self { table: LruCache::unbounded(), in_use: None, rule, rate }
    }

    /// A datagram of so many bytes came from there: says whether it is within the source's rate, and notes it where it is.
    pub fn hear(&mut self, from: SocketAddr, bytes: usize, now: Instant) -> bool {
        let (window, amplification) = (self.rule.window, self.rule.amplification);
        let source = self.known_or_new(from, now);
        if source.bucket.as_mut().is_some_and(|bucket| bucket.take(1, now).is_err()) {
            return false;
        }
        if now.duration_since(source.heard) > window {
            (source.datagrams, source.bytes) = (0.0, 0.0);
        }
        source.heard = now;
        source.datagrams += amplification;
        source.bytes += bytes as f64 * amplification;
        true
    }

    /// How the component stands with `peer`, for a datagram of so many bytes.
    pub fn standing(&mut self, peer: SocketAddr, bytes: usize, now: Instant) -> Standing {
        let window = self.rule.window;
        match self.known(peer) {
            None => Standing::Unheard,
            Some(source) if now.duration_since(source.heard) > window => Standing::Silent,
            Some(source) if source.datagrams < 1.0 || source.bytes < bytes as f64 => Standing::Answered,
            Some(_) => Standing::Owed,
        }
    }

    /// An answer of so many bytes goes there.
    pub fn charge(&mut self, peer: SocketAddr, bytes: usize) {
        self.owe(peer, -1.0, -(bytes as f64));
    }

    /// It did not go.
    pub fn refund(&mut self, peer: SocketAddr, bytes: usize) {
        self.owe(peer, 1.0, bytes as f64);
    }

    fn owe(&mut self, peer: SocketAddr, datagrams: f64, bytes: f64) {
        if let Some(source) = self.known(peer) {
            source.datagrams += datagrams;
            source.bytes += bytes;
        }
    }

    fn known(&mut self, peer: SocketAddr) -> Option<&mut Source> {
        let key = key(peer);
        let known = match self.in_use {
            Some((in_use, source)) if in_use == key => source,
            _ => {
                let source = *self.table.peek(&key)?;
                self.put_back();
                source
            }
        };
        Some(&mut self.in_use.insert((key, known)).1)
    }

    fn known_or_new(&mut self, peer: SocketAddr, now: Instant) -> &mut Source {
        let key = key(peer);
        let known = match self.in_use {
            Some((in_use, source)) if in_use == key => source,
            _ => {
                self.put_back();
                if self.table.len() >= MOST.get() && !self.table.contains(&key) {
                    self.table.pop_lru();
                }
                let bucket = self.rate.map(|rate| Bucket::new(rate, now));
                *self.table.get_or_insert(key, || Source { heard: now, datagrams: 0.0, bytes: 0.0, bucket })
            }
        };
        &mut self.in_use.insert((key, known)).1
    }

    fn put_back(&mut self) {
        if let Some((key, source)) = self.in_use.take()
            && let Some(kept) = self.table.get_mut(&key)
        {
            *kept = source;
        }
    }

    /// How many are known.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.table.len()
    }
}

/// The address without what a component can choose: flow labels (RFC 6437) do not make another peer.
fn key(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sources(amplification: f64) -> (Sources, Instant) {
        (Sources::new(AnswerRule { amplification, ..AnswerRule::default() }, None), Instant::now())
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    #[test]
    fn each_datagram_heard_may_be_answered_once_with_as_many_bytes() {
        let (mut sources, now) = sources(1.0);
        assert_eq!(sources.standing(peer(1), 0, now), Standing::Unheard);
        assert!(sources.hear(peer(1), 100, now));
        assert_eq!(sources.standing(peer(1), 101, now), Standing::Answered);
        assert_eq!(sources.standing(peer(1), 100, now), Standing::Owed);
        sources.charge(peer(1), 40);
        assert_eq!(sources.standing(peer(1), 0, now), Standing::Answered);
        sources.refund(peer(1), 40);
        assert_eq!(sources.standing(peer(1), 100, now), Standing::Owed);
        assert_eq!(sources.standing(peer(2), 0, now), Standing::Unheard);
    }

    #[test]
    fn amplification_is_what_may_go_for_each_that_came() {
        let (mut three, now) = sources(3.0);
        three.hear(peer(1), 10, now);
        for _ in 0..3 {
            assert_eq!(three.standing(peer(1), 10, now), Standing::Owed);
            three.charge(peer(1), 10);
        }
        assert_eq!(three.standing(peer(1), 0, now), Standing::Answered);
        let (mut half, now) = sources(0.5);
        half.hear(peer(1), 10, now);
        assert_eq!(half.standing(peer(1), 5, now), Standing::Answered);
        half.hear(peer(1), 10, now);
        assert_eq!(half.standing(peer(1), 10, now), Standing::Owed);
        let (mut none, now) = sources(0.0);
        none.hear(peer(1), 10, now);
        assert_eq!(none.standing(peer(1), 0, now), Standing::Answered);
    }

    #[test]
    fn after_the_window_nothing_is_owed_any_more_and_what_comes_then_counts_alone() {
        let (mut sources, start) = sources(1.0);
        sources.hear(peer(1), 100, start);
        sources.hear(peer(1), 100, start);
        let end = start + AnswerRule::default().window;
        assert_eq!(sources.standing(peer(1), 100, end), Standing::Owed);
        let after = end + Duration::from_nanos(1);
        assert_eq!(sources.standing(peer(1), 100, after), Standing::Silent);
        sources.hear(peer(1), 10, after);
        assert_eq!(sources.standing(peer(1), 11, after), Standing::Answered);
        assert_eq!(sources.standing(peer(1), 10, after), Standing::Owed);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_was_silent_longest() {
        let (mut sources, now) = sources(1.0);
        let source = |i: usize| SocketAddr::from((u32::try_from(i).unwrap().to_be_bytes(), 9));
        for i in 0..MOST.get() {
            sources.hear(source(i), 1, now);
        }
        sources.hear(source(0), 1, now);
        sources.hear(source(MOST.get()), 1, now);
        assert_eq!(sources.len(), MOST.get());
        assert_eq!(sources.standing(source(0), 1, now), Standing::Owed);
        assert_eq!(sources.standing(source(1), 1, now), Standing::Unheard);
    }

    #[test]
    fn a_flow_label_does_not_make_another_peer() {
        let (mut sources, now) = sources(1.0);
        let labelled = |flow| SocketAddr::from(SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, 9, flow, 0));
        sources.hear(labelled(0), 1, now);
        sources.charge(labelled(7), 1);
        assert_eq!(sources.standing(labelled(8), 0, now), Standing::Answered);
    }

    #[test]
    fn a_source_over_its_rate_is_dropped_and_owed_nothing_for_it_while_others_are_heard() {
        let now = Instant::now();
        let rate = Rate(std::num::NonZeroU64::new(10).unwrap());
        let mut sources = Sources::new(AnswerRule::default(), Some(rate));
        let heard = (0..100).filter(|_| sources.hear(peer(1), 1, now)).count();
        assert_eq!(heard, 10);
        (0..10).for_each(|_| sources.charge(peer(1), 1));
        assert_eq!(sources.standing(peer(1), 0, now), Standing::Answered);
        assert!(sources.hear(peer(2), 1, now));
    }
}
