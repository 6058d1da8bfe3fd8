//! What is shown: the targets, in which order, at which zoom, and whether it stands still.

use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Duration;

use ratatui::layout::{Position, Rect};

use crate::action::{Action, Move};
use crate::history::Zoom;
use crate::target::Target;

/// The order of the targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// As they were named.
    #[default]
    Given,
    /// Those with the most loss first.
    Loss,
    /// Those with the largest 99th percentile of the RTT first; those without any reply before them.
    P99,
}

/// How often rows change places, if they do.
const SORT_EVERY: Duration = Duration::from_secs(1);

/// Above this number of targets, percentiles have two digits: a histogram takes 8 KiB then, and not
/// 100.
const MOST_PRECISE: usize = 100;

/// Where things were drawn, for the mouse.
#[derive(Clone, Debug, Default)]
pub(crate) struct Areas {
    /// The rows of the table, without its heading.
    pub(crate) rows: Rect,
    /// The graphs, and the target of each.
    pub(crate) graphs: Vec<(Rect, usize)>,
}

/// The state of the program. Times are since its start.
#[derive(Debug)]
pub(crate) struct State {
    targets: Vec<Rc<Target>>,
    /// The indices of the targets, in the order of the table.
    order: Vec<usize>,
    sorted: Duration,
    /// The first row of the table that is shown.
    pub(crate) scroll: usize,
    selected: usize,
    /// The order of the table.
    pub(crate) sort: Sort,
    /// The time that a column of a graph stands for.
    pub(crate) zoom: Zoom,
    /// Whether the help is shown.
    pub(crate) help: bool,
    /// The number of events that were missed.
    pub(crate) missed: u64,
    /// The last message of a client.
    pub(crate) message: Option<String>,
    /// Where things were drawn last.
    pub(crate) areas: Areas,
    paused: Option<Paused>,
}

/// What is shown while the drawing stands still. Targets are copied when they change.
#[derive(Debug)]
struct Paused {
    targets: Vec<Rc<Target>>,
    at: Duration,
}

impl State {
    /// Creates the state of a run that has not begun, with at least one target.
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        let digits = if names.len() > MOST_PRECISE { 2 } else { 3 };
        let targets: Vec<_> =
            names.into_iter().map(|name| Rc::new(Target::new(name, digits))).collect();
        Self {
            order: (0..targets.len()).collect(),
            targets,
            sorted: Duration::ZERO,
            scroll: 0,
            selected: 0,
            sort: Sort::default(),
            zoom: Zoom::for_interval(Duration::from_secs(1)),
            help: false,
            missed: 0,
            message: None,
            areas: Areas::default(),
            paused: None,
        }
    }

    /// The target of that index, to be changed.
    pub(crate) fn target_mut(&mut self, index: usize) -> Option<&mut Target> {
        self.targets.get_mut(index).map(Rc::make_mut)
    }

    /// The targets as they are now.
    pub(crate) fn targets(&self) -> &[Rc<Target>] {
        &self.targets
    }

    /// The targets as they are shown.
    pub(crate) fn shown(&self) -> &[Rc<Target>] {
        self.paused.as_ref().map_or(&self.targets, |paused| &paused.targets)
    }

    /// The time that is shown: that of the pause, or now.
    pub(crate) fn time(&self, now: Duration) -> Duration {
        self.paused.as_ref().map_or(now, |paused| paused.at)
    }

    /// Whether the drawing stands still.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// The indices of the targets, in the order of the table.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The index of the selected target.
    pub(crate) fn selected(&self) -> usize {
        self.selected
    }

    /// The place of the selected target in the table.
    pub(crate) fn selected_row(&self) -> usize {
        self.order.iter().position(|index| *index == self.selected).unwrap_or(0)
    }

    /// Sorts the table if that is due.
    pub(crate) fn sort_if_due(&mut self, now: Duration) {
        if self.paused.is_none() && now.saturating_sub(self.sorted) >= SORT_EVERY {
            self.sort_now(now);
        }
    }

    fn sort_now(&mut self, now: Duration) {
        self.sorted = now;
        let targets = self.paused.as_ref().map_or(&self.targets, |paused| &paused.targets);
        self.order.sort_unstable();
        match self.sort {
            Sort::Given => {}
            Sort::Loss => {
                // A ratio is not negative, and then its bits are in its order.
                let loss = |index: &usize| targets[*index].counts.loss().map(f64::to_bits);
                self.order.sort_by_cached_key(|index| Reverse(loss(index)));
            }
            Sort::P99 => {
                let p99 = |index: &usize| match targets[*index].figures() {
                    Some(figures) => Some(figures.p99),
                    None => targets[*index].counts.loss().map(|_| Duration::MAX),
                };
                self.order.sort_by_cached_key(|index| Reverse(p99(index)));
            }
        }
    }

    /// Does what the user asked for.
    pub(crate) fn act(&mut self, action: Action, now: Duration) {
        match action {
            Action::Pause => {
                self.paused = match self.paused.take() {
                    Some(_) => None,
                    None => Some(Paused { targets: self.targets.clone(), at: now }),
                };
            }
            Action::Sort(sort) => {
                self.sort = sort;
                self.sort_now(now);
            }
            Action::Closer => self.zoom = self.zoom.closer(),
            Action::Wider => self.zoom = self.zoom.wider(),
            Action::Select(step) => self.select(step),
            Action::Help => self.help = !self.help,
            Action::Click(at) => self.click(at),
            Action::Wheel { up, at } => self.wheel(up, at),
            // Not the state's.
            Action::Redraw | Action::Suspend | Action::Quit => {}
        }
    }

    fn select(&mut self, step: Move) {
        let page = usize::from(self.areas.rows.height).max(1);
        let (row, last) = (self.selected_row(), self.order.len().saturating_sub(1));
        let row = match step {
            Move::Up => row.saturating_sub(1),
            Move::Down => row + 1,
            Move::PageUp => row.saturating_sub(page),
            Move::PageDown => row + page,
            Move::First => 0,
            Move::Last => last,
        };
        self.selected = self.order.get(row.min(last)).copied().unwrap_or(0);
    }

    fn click(&mut self, at: Position) {
        let row = usize::from(at.y.saturating_sub(self.areas.rows.y)) + self.scroll;
        if self.areas.rows.contains(at) {
            if let Some(index) = self.order.get(row) {
                self.selected = *index;
            }
        } else if let Some((_, index)) =
            self.areas.graphs.iter().find(|(area, _)| area.contains(at))
        {
            self.selected = *index;
        }
    }

    /// Over the table the wheel scrolls, elsewhere it zooms.
    fn wheel(&mut self, up: bool, at: Position) {
        match (self.areas.rows.contains(at), up) {
            (true, true) => self.select(Move::Up),
            (true, false) => self.select(Move::Down),
            (false, true) => self.zoom = self.zoom.closer(),
            (false, false) => self.zoom = self.zoom.wider(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// a: 0 of 1 lost, 30 ms; b: 1 of 2 lost, 10 ms; c: all lost; d: nothing yet.
    fn state() -> State {
        let mut state = State::new(["a", "b", "c", "d"].map(str::to_owned));
        let mut reply = |index, seq, millis| {
            let target = state.target_mut(index).unwrap();
            target.sent((1, seq), SECOND);
            match millis {
                Some(millis) => target.reply((1, seq), SECOND, Duration::from_millis(millis)),
                None => target.lost((1, seq), 3 * SECOND, 2 * SECOND),
            }
        };
        reply(0, 1, Some(30));
        reply(1, 1, Some(10));
        reply(1, 2, None);
        reply(2, 1, None);
        state
    }

    #[test]
    fn the_worst_come_first_and_the_selected_target_stays_selected() {
        let mut state = state();
        state.act(Action::Select(Move::Down), SECOND);
        for (sort, order, row) in [
            (Sort::Loss, [2, 1, 0, 3], 1),
            (Sort::P99, [2, 0, 1, 3], 2),
            (Sort::Given, [0, 1, 2, 3], 1),
        ] {
            state.act(Action::Sort(sort), SECOND);
            assert_eq!((state.order(), state.selected_row()), (&order[..], row), "{sort:?}");
            assert_eq!(state.selected(), 1);
        }
    }

    #[test]
    fn rows_change_places_once_a_second() {
        let mut state = state();
        state.act(Action::Sort(Sort::Loss), SECOND);
        let target = state.target_mut(3).unwrap();
        target.sent((1, 1), SECOND);
        target.lost((1, 1), 3 * SECOND, 2 * SECOND);
        state.sort_if_due(SECOND * 19 / 10);
        assert_eq!(state.order(), [2, 1, 0, 3]);
        state.sort_if_due(2 * SECOND);
        assert_eq!(state.order(), [2, 3, 1, 0]);
    }

    #[test]
    fn a_pause_stops_the_picture_and_not_the_numbers() {
        let mut state = state();
        state.act(Action::Pause, 3 * SECOND);
        let target = state.target_mut(0).unwrap();
        target.sent((1, 2), 4 * SECOND);
        assert_eq!((state.shown()[0].counts.sent, state.targets()[0].counts.sent), (1, 2));
        assert_eq!((state.is_paused(), state.time(9 * SECOND)), (true, 3 * SECOND));
        state.act(Action::Pause, 9 * SECOND);
        assert_eq!((state.shown()[0].counts.sent, state.time(9 * SECOND)), (2, 9 * SECOND));
    }

    #[test]
    fn the_selection_stays_within_the_table() {
        let mut state = state();
        state.areas.rows = Rect::new(0, 10, 80, 2);
        for (step, row) in [
            (Move::Up, 0),
            (Move::PageDown, 2),
            (Move::PageDown, 3),
            (Move::Down, 3),
            (Move::PageUp, 1),
            (Move::Last, 3),
            (Move::First, 0),
        ] {
            state.act(Action::Select(step), SECOND);
            assert_eq!(state.selected_row(), row, "{step:?}");
        }
    }

    #[test]
    fn the_mouse_selects_scrolls_and_zooms() {
        let mut state = state();
        state.areas.rows = Rect::new(0, 10, 80, 2);
        state.areas.graphs = vec![(Rect::new(0, 1, 80, 5), 3)];
        state.scroll = 1;
        for (y, selected) in [(11, 2), (3, 3), (20, 3)] {
            state.act(Action::Click(Position::new(5, y)), SECOND);
            assert_eq!(state.selected(), selected, "{y}");
        }
        let before = state.zoom;
        state.act(Action::Wheel { up: true, at: Position::new(5, 10) }, SECOND);
        assert_eq!((state.selected(), state.zoom), (2, before));
        state.act(Action::Wheel { up: true, at: Position::new(5, 3) }, SECOND);
        assert_eq!((state.selected(), state.zoom), (2, before.closer()));
        state.act(Action::Wheel { up: false, at: Position::new(5, 3) }, SECOND);
        assert_eq!(state.zoom, before);
    }
}
