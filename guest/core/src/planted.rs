//! Bugs for the tests of the simulation's search, which has to find them. They are compiled in by the
//! feature `planted` alone, which no component has that is delivered.

/// A bug that a test plants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A ping that is answered late stays lost.
    LateIsLost,
    /// A reply that takes exactly as long as the timeout is late.
    TimeoutOffByOne,
    /// The delay variation is that of pings that are not adjacent, too.
    IpdvAcrossGap,
}

/// The bug that is planted.
#[cfg(feature = "planted")]
static PLANTED: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

/// Plants the bug of that name, once.
#[cfg(feature = "planted")]
pub fn plant(name: &str) {
    let bug = match name {
        "late-is-lost" => Bug::LateIsLost,
        "timeout-off-by-one" => Bug::TimeoutOffByOne,
        "ipdv-across-gap" => Bug::IpdvAcrossGap,
        _ => return,
    };
    // A second one changes nothing.
    let _ = PLANTED.set(bug);
}

/// Whether that bug is planted.
#[cfg(feature = "planted")]
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(&bug)
}

/// None is.
#[cfg(not(feature = "planted"))]
pub(crate) const fn is_planted(_: Bug) -> bool {
    false
}
