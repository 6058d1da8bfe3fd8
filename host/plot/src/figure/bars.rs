//! Adjacent bars, drawn as one shape.

/// A bar: its horizontal and its vertical extent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bar {
    /// The left and right end.
    pub x: [f64; 2],
    pub y: [f64; 2],
}

/// The line along the tops of `bars`.
pub(super) fn heads(bars: &[Bar]) -> Vec<(f64, f64)> {
    bars.iter().flat_map(|Bar { x, y: [_, head] }| x.map(|x| (x, *head))).collect()
}

/// The outline of all `bars`: along their tops, and back along their bottoms.
pub(super) fn outline(bars: &[Bar]) -> Vec<(f64, f64)> {
    let feet = bars
        .iter()
        .rev()
        .flat_map(|Bar { x: [left, right], y: [foot, _] }| [(*right, *foot), (*left, *foot)]);
    heads(bars).into_iter().chain(feet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_goes_along_the_heads_and_back_along_the_feet() {
        let bars = [Bar { x: [0.0, 1.0], y: [2.0, 5.0] }, Bar { x: [1.0, 2.0], y: [3.0, 4.0] }];
        let heads_only = [(0.0, 5.0), (1.0, 5.0), (1.0, 4.0), (2.0, 4.0)];
        assert_eq!(heads(&bars), heads_only);
        assert_eq!(
            outline(&bars),
            [&heads_only[..], &[(2.0, 3.0), (1.0, 3.0), (1.0, 2.0), (0.0, 2.0)]].concat()
        );
    }
}
