//! From the events of the client to the state.

use std::time::Duration;

use udping_events::Event;
use udping_results as results;

use crate::history::Zoom;
use crate::state::State;
use crate::target::Target;

/// Applies the events of a client, whose targets are those of the state.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The time at which the client's run began.
    start: Duration,
    /// How long the client waits for a reply.
    timeout: Duration,
    /// Makes text of others safe to show.
    printable: fn(&str) -> String,
}

impl Feed {
    /// Creates the feed of a client that has not begun.
    pub(crate) fn new(printable: fn(&str) -> String) -> Self {
        Self { start: Duration::ZERO, timeout: Duration::from_secs(2), printable }
    }

    /// Applies an event, which is read `now`. A line that is none is ignored.
    pub(crate) fn event(&mut self, line: &[u8], now: Duration, state: &mut State) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else { return };
        match event.kind {
            "start" => return self.started(line, now, state),
            "dropped" => {
                state.missed += event.lines.unwrap_or_default();
                for index in 0..state.targets().len() {
                    state.target_mut(index).into_iter().for_each(Target::forget_awaited);
                }
                return;
            }
            _ => {}
        }
        let Some(target) = event.target.and_then(|index| state.target_mut(index)) else { return };
        let at = self.start + Duration::from_nanos(event.t_ns.unwrap_or_default());
        let rtt = Duration::from_nanos(event.rtt_ns.unwrap_or_default());
        let ping = (event.source_port.unwrap_or_default(), event.seq.unwrap_or_default());
        let reason = event.reason.map(|reason| (self.printable)(&reason));
        match event.kind {
            "sent" => target.sent(ping, at),
            "reply" => target.reply(ping, at, rtt),
            "late" => target.late(at, rtt),
            "lost" => target.lost(ping, at, self.timeout),
            "duplicate" => target.counts.duplicates += 1,
            "not_sent" => target.not_sent(at, reason),
            "network_error" => target.error = reason,
            "address_changed" => target.address = event.to.map(self.printable),
            _ => {}
        }
    }

    fn started(&mut self, line: &[u8], now: Duration, state: &mut State) {
        let Ok(results::Event::Start { config, targets, .. }) = serde_json::from_slice(line) else {
            return;
        };
        self.start = now;
        self.timeout = config.timeout_ns.into();
        state.zoom = Zoom::for_interval(config.interval_ns.into());
        for (index, named) in targets.into_iter().enumerate() {
            let Some(target) = state.target_mut(index) else { return };
            target.address = named.address.as_deref().map(self.printable);
            target.not_pinged = named.error.as_deref().map(self.printable);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn printable(text: &str) -> String {
        text.escape_debug().to_string()
    }

    /// A client of two targets, one of which has no address.
    pub(crate) const START: &str = r#"{"event":"start","started":"2026-01-01T00:00:00Z","config":{"protocol":"text","schedule":"fixed","interval_ns":500000000,"timeout_ns":2000000000,"count":null,"burst":1,"size_bytes":32,"deadline_ns":null,"source_ports":1,"precise":false,"keyed":false},"targets":[{"host":"a.example","address":"192.0.2.1:7"},{"host":"b.example","error":"cannot resolve b.example: \u001b[2J"}]}"#;

    fn fed(lines: &[&str]) -> State {
        let mut state = State::new(["a.example:7", "b.example:7"].map(str::to_owned));
        let mut feed = Feed::new(printable);
        for line in [START].iter().chain(lines) {
            feed.event(line.as_bytes(), Duration::from_secs(1), &mut state);
        }
        state
    }

    #[test]
    fn the_start_tells_addresses_and_why_there_is_none() {
        let state = fed(&[]);
        assert_eq!(state.targets()[0].address.as_deref(), Some("192.0.2.1:7"));
        let reason = state.targets()[1].not_pinged.as_deref();
        assert_eq!(reason, Some(r"cannot resolve b.example: \u{1b}[2J"));
        assert_eq!(state.zoom.width(), Duration::from_millis(500));
    }

    #[test]
    fn each_event_is_counted_once() {
        let state = fed(&[
            r#"{"event":"sent","t_ns":0,"target":0,"source_port":9,"seq":1}"#,
            r#"{"event":"sent","t_ns":1,"target":0,"source_port":9,"seq":2}"#,
            r#"{"event":"reply","t_ns":5000000,"target":0,"source_port":9,"seq":1,"bytes":32,"rtt_ns":5000000}"#,
            r#"{"event":"duplicate","t_ns":6000000,"target":0,"source_port":9,"seq":1,"bytes":32,"rtt_ns":6000000}"#,
            r#"{"event":"lost","t_ns":2000000001,"target":0,"source_port":9,"seq":2}"#,
            r#"{"event":"late","t_ns":2100000001,"target":0,"source_port":9,"seq":2,"bytes":32,"rtt_ns":2100000000}"#,
            r#"{"event":"not_sent","t_ns":3000000000,"target":0,"source_port":9,"seq":3,"reason":"no\nroute"}"#,
            r#"{"event":"address_changed","t_ns":3000000000,"target":0,"from":"192.0.2.1:7","to":"192.0.2.2:7"}"#,
            r#"{"event":"reply","t_ns":1,"target":9,"source_port":9,"seq":1,"rtt_ns":5}"#,
            r#"{"event":"something else"}"#,
            "no event",
        ]);
        let target = &state.targets()[0];
        let counts = target.counts;
        assert_eq!((counts.sent, counts.received, counts.late, counts.lost), (2, 1, 1, 0));
        assert_eq!((counts.duplicates, counts.not_sent), (1, 1));
        assert_eq!(target.error.as_deref(), Some(r"no\nroute"));
        assert_eq!(target.address.as_deref(), Some("192.0.2.2:7"));
        // The start was read after a second, and both pings left then.
        let column = target.history.columns(state.zoom, Duration::from_secs(1), 1)[0].unwrap();
        assert_eq!((column.sent, column.received, column.late, column.lost), (2, 1, 1, 0));
    }

    #[test]
    fn missed_events_are_told_and_nothing_is_awaited_for_ever() {
        let state = fed(&[
            r#"{"event":"sent","t_ns":0,"target":0,"source_port":9,"seq":1}"#,
            r#"{"event":"dropped","t_ns":1,"lines":7}"#,
        ]);
        assert_eq!((state.missed, state.targets()[0].counts.awaited()), (7, 0));
    }
}
