//! What the clocks promise.

/// Nanoseconds; no program takes that long.
const A_MINUTE: i128 = 60_000_000_000;

/// The clocks of a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    /// The last reading of the monotonic clock, in nanoseconds.
    last: u64,
}

impl Clocks {
    /// Reads each clock twice, in nanoseconds, and says what is wrong: the monotonic one never runs
    /// back, and the wall clock may return when something happened at first, but then the time.
    pub fn read(&mut self, monotonic: impl Fn() -> u64, wall: impl Fn() -> i128) -> &'static str {
        let (first, now) = (monotonic(), monotonic());
        let (wall_first, wall_now) = (wall(), wall());
        let last = std::mem::replace(&mut self.last, now);
        if last > first || first > now {
            "back"
        } else if !(wall_first..wall_first + A_MINUTE).contains(&wall_now) {
            "odd"
        } else {
            "ok"
        }
    }
}
