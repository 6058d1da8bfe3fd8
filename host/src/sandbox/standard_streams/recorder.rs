//! Audit trail records of a component's output.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::process::log;
use udping_permissions::rate::{Bucket, Rate};

/// The maximum length of a line in one record, in bytes.
const LINE_LIMIT: usize = 1_024;

/// Records per second, and the burst: above that, lines are joined up to [`LINE_LIMIT`] bytes, so
/// that the trail grows no faster than the output, apart from escapes.
const RECORDS: NonZeroU64 = NonZeroU64::new(100).unwrap();

/// How long an unfinished line, or lines that are held back, may wait for more.
const WAIT: Duration = Duration::from_secs(1);

/// Turns the output of one instance to one of its streams into records.
#[derive(Debug)]
pub(super) struct Recorder {
    stream: &'static str,
    component: String,
    lines: Mutex<Lines>,
    myself: Weak<Self>,
}

impl Recorder {
    pub(super) fn new(stream: &'static str, component: String) -> Arc<Self> {
        let lines = Mutex::new(Lines::new(Instant::now()));
        Arc::new_cyclic(|myself| Self { stream, component, lines, myself: myself.clone() })
    }

    pub(super) fn put(&self, bytes: &[u8]) {
        let mut lines = self.lines();
        lines.put(bytes, Instant::now(), |line| {
            log::component_wrote(&self.component, self.stream, line);
        });
        if !lines.pending.is_empty() && !lines.is_waiting {
            lines.is_waiting = self.flush_later();
        }
    }

    /// Schedules a flush after [`WAIT`]. Returns whether that is possible.
    fn flush_later(&self) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
        let recorder = self.myself.clone();
        runtime.spawn(async move {
            tokio::time::sleep(WAIT).await;
            if let Some(recorder) = recorder.upgrade() {
                recorder.flush();
            }
        });
        true
    }

    fn flush(&self) {
        let mut lines = self.lines();
        lines.is_waiting = false;
        lines.flush(|line| log::component_wrote(&self.component, self.stream, line));
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records what is left when the instance is gone.
impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Bytes, to be cut into records.
#[derive(Debug)]
struct Lines {
    pending: Vec<u8>,
    records: Bucket,
    /// Whether a flush is scheduled.
    is_waiting: bool,
}

impl Lines {
    fn new(now: Instant) -> Self {
        Self { pending: Vec::new(), records: Bucket::new(Rate(RECORDS), now), is_waiting: false }
    }

    fn put(&mut self, bytes: &[u8], now: Instant, mut record: impl FnMut(&[u8])) {
        self.pending.extend_from_slice(bytes);
        loop {
            let end = self.pending.iter().take(LINE_LIMIT).position(|byte| *byte == b'\n');
            if let Some(end) = end
                && self.records.take(1, now).is_ok()
            {
                record(&self.pending[..end]);
                self.pending.drain(..=end);
            } else if self.pending.len() >= LINE_LIMIT {
                self.cut(&mut record);
            } else {
                return;
            }
        }
    }

    /// Cuts off a record of the largest possible size.
    fn cut(&mut self, record: &mut impl FnMut(&[u8])) {
        let most = self.pending.len().min(LINE_LIMIT);
        // Not within a character, if these are characters: UTF-8 has up to three bytes after the
        // first.
        let is_start = |at: &usize| self.pending.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
        let end = (most.saturating_sub(3).max(1)..=most).rev().find(is_start).unwrap_or(most);
        record(self.pending[..end].strip_suffix(b"\n").unwrap_or(&self.pending[..end]));
        self.pending.drain(..end);
    }

    fn flush(&mut self, mut record: impl FnMut(&[u8])) {
        while !self.pending.is_empty() {
            self.cut(&mut record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lines: &mut Lines, now: Instant, bytes: &[u8]) -> Vec<String> {
        let mut records = Vec::new();
        lines.put(bytes, now, |line| records.push(String::from_utf8_lossy(line).into_owned()));
        records
    }

    fn flushed(lines: &mut Lines) -> Vec<String> {
        let mut records = Vec::new();
        lines.flush(|line| records.push(String::from_utf8_lossy(line).into_owned()));
        records
    }

    #[test]
    fn a_line_is_a_record_when_it_ends_however_it_came() {
        let now = Instant::now();
        let mut lines = Lines::new(now);
        assert_eq!(records(&mut lines, now, b"one\ntw"), ["one"]);
        assert_eq!(records(&mut lines, now, b""), [""; 0]);
        assert_eq!(records(&mut lines, now, b"o\n\nthree"), ["two", ""]);
        assert_eq!(flushed(&mut lines), ["three"]);
        assert_eq!(flushed(&mut lines), [""; 0]);
    }

    #[test]
    fn overlong_line_is_split_between_characters_without_loss() {
        let now = Instant::now();
        for text in ["x".repeat(5_000), "ü€𝄞".repeat(700), format!("x{}", "€".repeat(1_500))]
        {
            let mut lines = Lines::new(now);
            let mut all = records(&mut lines, now, text.as_bytes());
            assert!(lines.pending.len() < LINE_LIMIT);
            all.extend(flushed(&mut lines));
            assert!(all.iter().all(|record| (1..=LINE_LIMIT).contains(&record.len())));
            assert_eq!(all.concat(), text);
        }
        // Not UTF-8, but still cut.
        let mut lines = Lines::new(now);
        lines.put(&[0x80; 5_000], now, |line| assert!((1..=LINE_LIMIT).contains(&line.len())));
        assert!(lines.pending.len() < LINE_LIMIT);
    }

    #[test]
    fn a_flood_of_short_lines_is_few_records() {
        let now = Instant::now();
        let mut lines = Lines::new(now);
        let bytes = b"\n".repeat(100_000);
        let mut count = 0;
        lines.put(&bytes, now, |_| count += 1);
        lines.flush(|_| count += 1);
        assert!((100..100 + 2 + bytes.len() / LINE_LIMIT + 1).contains(&count), "{count}");
        let mut count = 0;
        lines.put(b"\n\n", now + WAIT, |_| count += 1);
        assert_eq!(count, 2, "a second later lines are records again");
    }
}
