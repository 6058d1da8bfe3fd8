use std::fmt::Write as _;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::*;
use crate::action::{Action, Move};

const PLAIN: Look = Look { colour: false, unicode: true };
const ASCII: Look = Look { colour: false, unicode: false };
const COLOURS: Look = Look { colour: true, unicode: true };

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Pings every second, for 72 seconds: the outcome of each.
fn ping(state: &mut State, index: usize, rtt: impl Fn(u64) -> Option<u64>) {
    for second in 0..72 {
        let (ping, at) = ((9, u32::try_from(second).unwrap()), ms(second * 1_000));
        let target = state.target_mut(index).unwrap();
        target.sent(ping, at);
        match rtt(second) {
            Some(rtt) => target.reply(ping, at + ms(rtt), ms(rtt)),
            // The last of them are awaited.
            None if second < 70 => target.lost(ping, at + ms(2_000), ms(2_000)),
            None => {}
        }
    }
}

/// One that answers, with two losses and a late reply; one that never does; one without address.
fn three() -> (State, Duration) {
    let names = ["a.example:12000", "192.0.2.7:12000", "nowhere.invalid:12000"];
    let mut state = State::new(names.map(str::to_owned));
    ping(&mut state, 0, |second| (!matches!(second, 30 | 31 | 50)).then_some(20 + second % 7 * 3));
    let target = state.target_mut(0).unwrap();
    target.address = Some("192.0.2.1:12000".to_owned());
    target.late(ms(52_500), ms(2_500));
    ping(&mut state, 1, |_| None);
    state.target_mut(1).unwrap().address = Some("192.0.2.7:12000".to_owned());
    let reason = "cannot resolve nowhere.invalid: there is no such name";
    state.target_mut(2).unwrap().not_pinged = Some(reason.to_owned());
    (state, ms(71_500))
}

fn many() -> (State, Duration) {
    let mut state = State::new((0..1_000).map(|n| format!("host-{n}.example:12000")));
    for index in 0..1_000 {
        let n = index as u64;
        ping(&mut state, index, |second| (n % 100 != 99 || second % 2 == 0).then_some(5 + n % 11));
    }
    (state, ms(71_500))
}

fn drawn(state: &mut State, now: Duration, size: (u16, u16), look: Look) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, state, now, look)).unwrap();
    terminal.backend().clone()
}

#[track_caller]
fn picture(state: &mut State, now: Duration, size: (u16, u16), look: Look) -> String {
    drawn(state, now, size, look).to_string()
}

#[test]
fn losses_and_what_is_not_pinged_at_80_columns() {
    let (mut state, now) = three();
    insta::assert_snapshot!(picture(&mut state, now, (80, 24), PLAIN));
}

#[test]
fn a_wide_terminal_shows_recent_pings_of_each() {
    let (mut state, now) = three();
    insta::assert_snapshot!(picture(&mut state, now, (160, 30), PLAIN));
}

#[test]
fn ascii() {
    let (mut state, now) = three();
    insta::assert_snapshot!(picture(&mut state, now, (80, 24), ASCII));
    let drawn = picture(&mut state, now, (160, 30), ASCII);
    assert!(drawn.is_ascii(), "{drawn}");
}

#[test]
fn twenty_columns_show_what_matters_most() {
    let (mut state, now) = three();
    insta::assert_snapshot!(picture(&mut state, now, (20, 12), PLAIN));
}

#[test]
fn a_thousand_targets_scroll() {
    let (mut state, now) = many();
    state.act(Action::Sort(Sort::Loss), now);
    insta::assert_snapshot!("thousand", picture(&mut state, now, (80, 24), PLAIN));
    state.act(Action::Select(Move::Last), now);
    insta::assert_snapshot!("thousand_last", picture(&mut state, now, (80, 24), PLAIN));
}

#[test]
fn what_is_paused_stands_still() {
    let (mut state, now) = three();
    let before = picture(&mut state, now, (80, 24), PLAIN);
    state.act(Action::Pause, now);
    let paused = picture(&mut state, now, (80, 24), PLAIN);
    let target = state.target_mut(0).unwrap();
    target.sent((9, 99), ms(72_000));
    target.reply((9, 99), ms(72_900), ms(900));
    let later = now + Duration::from_mins(1);
    let after = picture(&mut state, later, (80, 24), PLAIN);
    insta::assert_snapshot!(after);
    // All but the first line, and the time since.
    let still = |text: &str| {
        let lines: Vec<_> =
            text.lines().skip(1).filter(|line| !line.contains("a column")).collect();
        lines.join("\n")
    };
    assert_eq!((still(&before), still(&paused)), (still(&after), still(&after)));
    state.act(Action::Pause, later);
    assert_ne!(still(&picture(&mut state, later, (80, 24), PLAIN)), still(&before));
}

#[test]
fn help() {
    let (mut state, now) = three();
    state.act(Action::Help, now);
    insta::assert_snapshot!("help", picture(&mut state, now, (80, 24), PLAIN));
    insta::assert_snapshot!("help_small", picture(&mut state, now, (20, 8), ASCII));
}

#[test]
fn zoomed_out_a_column_has_many_pings() {
    let (mut state, now) = three();
    state.act(Action::Wider, now);
    insta::assert_snapshot!(picture(&mut state, now, (80, 24), PLAIN));
}

#[test]
fn no_size_is_too_small() {
    let (mut three, now) = three();
    let (mut many, _) = many();
    for state in [&mut three, &mut many] {
        for help in [false, true] {
            state.help = help;
            for size in (0..30).flat_map(|width| (0..26).map(move |height| (width, height))) {
                drawn(state, now, size, PLAIN);
            }
        }
    }
}

#[test]
fn a_loss_is_red_and_without_colours_nothing_is() {
    let (mut state, now) = three();
    let cells =
        |look, state: &mut State| drawn(state, now, (80, 24), look).buffer().clone().content;
    let losses: Vec<_> =
        cells(COLOURS, &mut state).into_iter().filter(|cell| cell.symbol() == "×").collect();
    assert!(losses.len() > 2 && losses.iter().all(|cell| cell.fg == Color::Red), "{losses:?}");
    for look in [PLAIN, ASCII] {
        let all = cells(look, &mut state);
        assert!(all.iter().all(|cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset)));
    }
}

/// Names are made printable before they come here; if one were not, nothing of it would arrive.
#[test]
fn no_control_character_reaches_the_terminal() {
    let mut state = State::new(["a\x1b[2Jb\u{9b}c\n:7", "c:8"].map(str::to_owned));
    state.target_mut(0).unwrap().not_pinged = Some("x\x1b]0;y\x07".to_owned());
    state.message = Some("z\r\x1b[1m".to_owned());
    let drawn = drawn(&mut state, ms(0), (80, 24), PLAIN);
    let mut all = String::new();
    for cell in &drawn.buffer().content {
        write!(all, "{}", cell.symbol()).unwrap();
    }
    assert!(!all.contains(char::is_control) && all.contains("[2Jb"), "{all:?}");
}
