//! Axes, linear and logarithmic, with ticks at round numbers.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::clock::Clock;
use crate::units;

/// How values map to positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Equal differences have equal lengths.
    Linear,
    /// Equal factors have equal lengths.
    Log,
}

/// An axis, which plotters asks for the positions of values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    scale: Scale,
    range: Range<f64>,
    ticks: Ticks,
    /// What values are on an axis of time; otherwise they are numbers.
    clock: Option<Clock>,
}

impl Axis {
    /// Creates a linear axis with at most `most` ticks.
    pub(crate) fn linear(range: Range<f64>, most: usize) -> Self {
        let ticks = Ticks::round(&range, most);
        Self { scale: Scale::Linear, range, ticks, clock: None }
    }

    /// Creates an axis of the places of `clock`, with at most `most` ticks.
    pub(crate) fn time(clock: Clock, range: Range<f64>, most: usize) -> Self {
        let ticks = Ticks::every(Clock::step(range.end - range.start, most), &range);
        Self { scale: Scale::Linear, range, ticks, clock: Some(clock) }
    }

    /// Creates a logarithmic axis with at most `most` ticks. Values of 0 or less are at its start.
    pub(crate) fn log(range: Range<f64>, most: usize) -> Self {
        let ticks = Ticks::powers(&range, most);
        Self { scale: Scale::Log, range, ticks, clock: None }
    }

    /// Removes the ticks.
    pub(crate) fn bare(self) -> Self {
        Self { ticks: Ticks::default(), ..self }
    }

    /// The labels of its ticks.
    #[cfg(test)]
    fn labels(&self) -> Vec<String> {
        self.ticks.at.iter().map(|tick| self.format_ext(tick)).collect()
    }

    /// The position of a value between start (0) and end (1).
    fn fraction(&self, value: f64) -> f64 {
        let Range { start, end } = self.range;
        match self.scale {
            Scale::Linear => (value - start) / (end - start),
            Scale::Log => (value.max(start) / start).ln() / (end / start).ln(),
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let length = f64::from(limit.1) - f64::from(limit.0);
        (f64::from(limit.0) + length * self.fraction(*value).clamp(0.0, 1.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.at.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, tick: &f64) -> String {
        let step = self.ticks.step.unwrap_or(*tick);
        if let Some(clock) = self.clock {
            return clock.label(*tick, step, &self.range);
        }
        // The factor allows for rounding: 0.001 can be represented by slightly less than that.
        let decimals = -(step.abs() * 1.000_001).log10().floor();
        units::decimal(*tick, decimals.clamp(0.0, 9.0) as usize)
    }
}

/// The ticks of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ticks {
    at: Vec<f64>,
    /// The distance between ticks, if it is constant.
    step: Option<f64>,
}

impl Ticks {
    /// Chooses multiples of 1, 2 or 5 times a power of ten, at most `most`.
    fn round(range: &Range<f64>, most: usize) -> Self {
        let length = range.end - range.start;
        let power = 10_f64.powf((length / most as f64).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|mantissa| mantissa * power);
        let step = steps.into_iter().find(|step| length / step <= most as f64).unwrap_or(length);
        Self::every(step, range)
    }

    /// All multiples of `step`.
    fn every(step: f64, range: &Range<f64>) -> Self {
        // The ends are included even with rounding errors.
        let (first, last) =
            ((range.start / step - 1e-9).ceil() as i64, (range.end / step + 1e-9).floor() as i64);
        Self { at: (first..=last).map(|i| i as f64 * step).collect(), step: Some(step) }
    }

    /// Chooses 1 to 9 times powers of ten, or only 1, 2 and 5 times, or the powers alone, or every
    /// nth power; round numbers if these are too few.
    fn powers(range: &Range<f64>, most: usize) -> Self {
        let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
        let within = |mantissas: &[f64]| -> Vec<f64> {
            let all = decades.clone().flat_map(|decade| {
                mantissas.iter().map(move |mantissa| mantissa * 10_f64.powi(decade))
            });
            all.filter(|tick| (range.start..=range.end).contains(tick)).collect()
        };
        let every = within(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let (some, powers) = (within(&[1.0, 2.0, 5.0]), within(&[1.0]));
        let at = match (every.len(), some.len()) {
            (..6, _) => return Self::round(range, most.min(8)),
            // The upper ones of these are close together.
            (n, _) if n * 4 <= most * 3 => every,
            (_, n) if n <= most => some,
            _ => powers.iter().copied().step_by(powers.len().div_ceil(most)).collect(),
        };
        Self { at, step: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_has_ticks_at_round_numbers() {
        assert_eq!(Axis::linear(0.0..1.0, 5).labels(), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            Axis::linear(-0.1..9.1, 10).labels(),
            ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
        );
        assert_eq!(Axis::linear(20.12..20.48, 4).labels(), ["20.2", "20.3", "20.4"]);
        assert_eq!(
            Axis::linear(0.0..1_500_000.0, 4).labels(),
            ["0", "500,000", "1,000,000", "1,500,000"]
        );
    }

    #[test]
    fn log_axis_ticks_adapt_to_the_range_and_the_maximum_count() {
        assert_eq!(Axis::log(18.0..60.0, 8).labels(), ["20", "30", "40", "50", "60"]);
        assert_eq!(
            Axis::log(0.02..3.0, 10).labels(),
            ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
        );
        assert_eq!(Axis::log(0.5..50_000.0, 6).labels(), ["1", "10", "100", "1,000", "10,000"]);
        assert_eq!(
            Axis::log(1.0..1e9, 5).labels(),
            ["1", "100", "10,000", "1,000,000", "100,000,000"]
        );
        assert_eq!(Axis::log(20.1..20.4, 4).labels(), ["20.1", "20.2", "20.3", "20.4"]);
    }

    #[test]
    fn a_value_is_where_its_scale_puts_it_and_never_outside() {
        let (linear, log) = (Axis::linear(0.0..200.0, 5), Axis::log(1.0..10_000.0, 5));
        assert_eq!(
            [0.0, 50.0, 200.0, 300.0].map(|value| linear.map(&value, (100, 0))),
            [100, 75, 0, 0]
        );
        assert_eq!(
            [0.0, 1.0, 10.0, 100.0, 1e6].map(|value| log.map(&value, (0, 100))),
            [0, 0, 25, 50, 100]
        );
    }
}
