//! Colours that colour-blind people can distinguish, too, on white paper and on a dark screen.

#![expect(clippy::unreadable_literal, reason = "colours are six digits, as in CSS")]

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// A colour, and its counterpart on a dark page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ink {
    light: u32,
    dark: u32,
}

impl Ink {
    const fn new(light: u32, dark: u32) -> Self {
        Self { light, dark }
    }

    /// The colour as drawn, on white.
    pub(crate) fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = self.light.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// The background.
pub(crate) const PAPER: Ink = Ink::new(0xffffff, 0x16181b);
pub(crate) const TEXT: Ink = Ink::new(0x1a1a1a, 0xe8e8e8);
/// Secondary text and axes.
pub(crate) const QUIET: Ink = Ink::new(0x595959, 0xa8adb3);
/// Grid lines.
pub(crate) const GRID: Ink = Ink::new(0xe3e3e3, 0x33383e);

/// The colours of targets. The first six are Okabe and Ito's, without their yellow, which is
/// invisible on white.
pub(crate) const TARGETS: [Ink; 8] = [
    Ink::new(0x0072b2, 0x4aa8e0),
    Ink::new(0xd55e00, 0xf0803c),
    Ink::new(0x009e73, 0x1fc799),
    Ink::new(0xcc79a7, 0xe29cc3),
    Ink::new(0xe69f00, 0xf2b632),
    Ink::new(0x56b4e9, 0x9bd6f7),
    Ink::new(0x882255, 0xc45f92),
    Ink::new(0x777777, 0xcfcfcf),
];

/// The colour of all other targets together.
pub(crate) const OTHERS: Ink = Ink::new(0xb4b4b4, 0x5c636b);

/// The colours of lost, late, duplicated, unsent and awaited pings, if targets have no colours of
/// their own.
pub(crate) const MISHAPS: [Ink; 5] = [TARGETS[1], TARGETS[4], TARGETS[3], TARGETS[6], TARGETS[7]];

/// The CSS rules that turn an SVG in a page dark if the reader prefers it.
pub(crate) fn dark_rules() -> String {
    let mut rules = String::new();
    for Ink { light, dark } in [PAPER, TEXT, QUIET, GRID, OTHERS].into_iter().chain(TARGETS) {
        for property in ["fill", "stroke"] {
            // Writing to a string never fails.
            let _ = writeln!(
                rules,
                "  svg [{property}=\"#{light:06X}\"] {{ {property}: #{dark:06x} }}"
            );
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ink_has_a_rule_of_its_own() {
        let rules = dark_rules();
        let mut selectors: Vec<_> =
            rules.lines().map(|line| line.split(" {").next().unwrap()).collect();
        selectors.sort_unstable();
        let all = selectors.len();
        selectors.dedup();
        assert_eq!((all, selectors.len()), (26, 26));
        assert!(rules.contains("svg [fill=\"#0072B2\"] { fill: #4aa8e0 }"), "{rules}");
    }
}
