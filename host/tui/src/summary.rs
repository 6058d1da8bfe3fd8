//! What stays on the terminal afterwards: the numbers of the run, as the client prints them.

use std::time::Duration;

use udping_core::duration::Millis;

use crate::look::Look;
use crate::state::State;
use crate::target::{Counts, Figures, Target};

/// Returns the summary of a run that took `duration`.
pub(crate) fn text(state: &State, duration: Duration, look: Look) -> String {
    let mut out = match state.targets() {
        [target] => {
            let name = name(target, look);
            format!("--- {name} ping statistics ---\n{}", single(target))
        }
        targets => {
            let width = targets.iter().map(|target| name(target, look).len()).max().unwrap_or(0);
            let line = |target: &Target| {
                let name = name(target, look);
                format!("{name:width$}  {}\n", facts(target, look))
            };
            let lines: String = targets.iter().map(|target| line(target)).collect();
            format!("--- ping statistics ---\n{lines}")
        }
    };
    out += &format!("duration {:.2} s\n", duration.as_secs_f64());
    if state.missed > 0 {
        out += &format!(
            "{} events were missed, since this terminal was too slow: the numbers are without them\n",
            state.missed
        );
    }
    out
}

fn name(target: &Target, look: Look) -> String {
    crate::format::in_locale(&target.name, look.unicode)
}

fn single(target: &Target) -> String {
    let mut out = format!("{}\n", counts(&target.counts));
    if let Some(figures) = target.figures() {
        let Figures { min, mean, max, mdev, p50, p95, p99, jitter } = figures;
        let [min, mean, max, mdev] = [min, mean, max, mdev].map(Millis);
        out += &format!("rtt min/avg/max/mdev = {min}/{mean}/{max}/{mdev} ms\n");
        let [p50, p95, p99] = [p50, p95, p99].map(Millis);
        out += &format!("rtt p50/p95/p99 = {p50}/{p95}/{p99} ms\n");
        if let Some(jitter) = jitter.map(Millis) {
            out += &format!("jitter (RFC 3550) {jitter} ms\n");
        }
    }
    out
}

fn facts(target: &Target, look: Look) -> String {
    if let Some(reason) = &target.not_pinged {
        return format!("not pinged: {}", crate::format::in_locale(reason, look.unicode));
    }
    let mut out = counts(&target.counts);
    if let Some(Figures { min, mean, max, p50, p95, p99, .. }) = target.figures() {
        let [min, mean, max, p50, p95, p99] = [min, mean, max, p50, p95, p99].map(Millis);
        out += &format!(", rtt min/avg/max = {min}/{mean}/{max} ms");
        out += &format!(", p50/p95/p99 = {p50}/{p95}/{p99} ms");
    }
    out
}

fn counts(counts: &Counts) -> String {
    let &Counts { sent, received, late, lost, duplicates, not_sent } = counts;
    let settled = received + late + lost;
    let share = 100.0 * lost as f64 / settled.max(1) as f64;
    let mut out = format!("{sent} sent, {received} received, {lost} lost ({share:.1} %)");
    if not_sent > 0 {
        out += &format!(", {not_sent} not sent");
    }
    // In the plural even for one, as in ping.
    out += &format!(", {duplicates} duplicates, {late} late");
    if counts.awaited() > 0 {
        out += &format!(", {} still awaited when stopped", counts.awaited());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { colour: false, unicode: false };

    /// Replies after 10 and 20 ms, a loss, and one that is awaited.
    fn pinged(target: &mut Target) {
        let ms = Duration::from_millis;
        for seq in 0..4 {
            target.sent((9, seq), ms(0));
        }
        target.reply((9, 0), ms(10), ms(10));
        target.reply((9, 1), ms(20), ms(20));
        target.lost((9, 2), ms(2_000), ms(2_000));
    }

    #[test]
    fn one_target_has_lines_as_the_client_prints_them() {
        let mut state = State::new(["a:7".to_owned()]);
        pinged(state.target_mut(0).unwrap());
        let expected = "\
--- a:7 ping statistics ---
4 sent, 2 received, 1 lost (33.3 %), 0 duplicates, 0 late, 1 still awaited when stopped
rtt min/avg/max/mdev = 10.000/15.000/20.000/5.000 ms
rtt p50/p95/p99 = 10.002/20.000/20.000 ms
jitter (RFC 3550) 0.625 ms
duration 3.00 s
";
        assert_eq!(text(&state, Duration::from_secs(3), LOOK), expected);
    }

    #[test]
    fn several_targets_have_a_line_each() {
        let mut state = State::new(["a:7", "größe:7", "c:7"].map(str::to_owned));
        pinged(state.target_mut(0).unwrap());
        state.target_mut(1).unwrap().not_pinged = Some("cannot resolve größe".to_owned());
        state.missed = 7;
        let expected = "\
--- ping statistics ---
a:7                4 sent, 2 received, 1 lost (33.3 %), 0 duplicates, 0 late, 1 still awaited when stopped, \
rtt min/avg/max = 10.000/15.000/20.000 ms, p50/p95/p99 = 10.002/20.000/20.000 ms
gr\\u{f6}\\u{df}e:7  not pinged: cannot resolve gr\\u{f6}\\u{df}e
c:7                0 sent, 0 received, 0 lost (0.0 %), 0 duplicates, 0 late
duration 3.00 s
7 events were missed, since this terminal was too slow: the numbers are without them
";
        assert_eq!(text(&state, Duration::from_secs(3), LOOK), expected);
    }
}
