//! Output of a run: an exporter, and a buffer for a reader that is slower than the pings.

use std::time::Duration;

use udping_cli::threshold::Threshold;
use udping_core::Instant;
use udping_core::client::{Event, FlowId, Happened, Pinger, ReceiveTimes, Results, Summary};
use udping_report::live::Live;
use udping_report::text::Name;
use udping_report::{Clocks, Exporter, Run, summary};
use udping_wasi::console::{Console, WriteError};
use udping_wasi::poll::Pollable;
use udping_wasi::{clock, host};

use crate::terminal;

/// The interval at which a live line is updated.
const REFRESH: Duration = Duration::from_millis(100);

/// The maximum number of buffered bytes of lines. Further lines are dropped and counted: output
/// must not delay the pings.
const LINES: usize = 256 << 10;

/// The maximum number of buffered bytes of a document, of which nothing can be dropped: some 25,000
/// records. Beyond that, the pings wait.
const DOCUMENT: usize = 4 << 20;

/// The output of a run.
pub struct Output {
    out: Console,
    exporter: Box<dyn Exporter>,
    /// The live line, and when it is due to be updated.
    live: Option<(Live, Instant)>,
    /// How often the results so far are due to be printed, and when.
    reports: Option<(Duration, Instant)>,
    /// The bytes that have not been written yet.
    pending: Vec<u8>,
    /// How many of them, at most, are of the start and of reports, which are long where there are many
    /// targets: they do not count for [`LINES`].
    long: usize,
    /// The number of dropped lines that have not been reported yet.
    dropped: u64,
    line: String,
    /// The run that is printed.
    pub run: Run,
    /// For each target, whether it has not replied yet.
    unanswered: Vec<bool>,
}

/// The results so far, with what the host knows.
fn complete_results(pinger: &Pinger) -> Results {
    Results {
        dropped: host::dropped(),
        receive_times: if host::has_kernel_time() {
            ReceiveTimes::Kernel
        } else {
            ReceiveTimes::User
        },
        ..pinger.results()
    }
}

impl Output {
    /// Creates an output to which nothing has been written. With `report_every`, it has the results
    /// so far that often.
    pub fn new(
        run: Run,
        exporter: Box<dyn Exporter>,
        is_live: bool,
        report_every: Option<Duration>,
    ) -> Self {
        Self {
            reports: report_every.map(|every| (every, run.start + every)),
            out: Console::stdout(),
            exporter,
            live: is_live.then(|| (Live::default(), run.start)),
            pending: Vec::new(),
            long: 0,
            dropped: 0,
            line: String::new(),
            unanswered: run.targets.iter().map(|target| target.address.is_ok()).collect(),
            run,
        }
    }

    /// Prints the start of the run.
    pub fn start(&mut self) -> Result<(), WriteError> {
        let mut text = String::new();
        self.exporter.start(&self.run, &mut text);
        self.pending.extend_from_slice(text.as_bytes());
        self.long = text.len();
        self.drain()
    }

    /// Returns whether each pinged target has replied.
    pub fn all_answered(&self) -> bool {
        !self.unanswered.contains(&true)
    }

    fn tell(&mut self, happened: &Happened) {
        if let Event::Reply { flow, .. } = &happened.event {
            self.unanswered[self.run.flow(*flow).target] = false;
        }
        if let Event::AddressChanged { target, to, .. } = happened.event {
            self.run.readdress(target, to);
        }
        if let Some((live, _)) = &mut self.live {
            live.event(happened);
        }
        self.line.clear();
        self.exporter.event(&self.run, happened, &mut self.line);
        self.append_line(happened.at, self.exporter.can_drop());
    }

    /// Appends the line, or drops it if it can be and the reader is too slow.
    fn append_line(&mut self, at: Instant, can_drop: bool) {
        if self.line.is_empty() {
            return;
        }
        if can_drop {
            // Once lines were dropped, wait until there is room for many again.
            let limit = if self.dropped > 0 { LINES / 2 } else { LINES };
            // A report may be longer than that by itself.
            let waiting = self.pending.len() - self.long;
            if waiting > 0 && waiting + self.line.len() > limit {
                self.dropped += 1;
                return;
            }
            self.tell_dropped(at);
        }
        self.pending.extend_from_slice(self.line.as_bytes());
    }

    fn tell_dropped(&mut self, at: Instant) {
        if self.dropped > 0 {
            let mut text = String::new();
            self.exporter.dropped(&self.run, at, self.dropped, &mut text);
            self.pending.extend_from_slice(text.as_bytes());
            self.dropped = 0;
        }
    }

    /// Prints the events so far, as far as the reader accepts them.
    pub fn report(&mut self, pinger: &mut Pinger) -> Result<(), WriteError> {
        self.read_clocks();
        while let Some(happened) = pinger.poll_event() {
            self.tell(&happened);
        }
        let now = self.run.clocks.monotonic;
        if let Some((live, due)) = &mut self.live
            && *due <= now
        {
            *due = now + REFRESH;
            // A delayed line would show outdated numbers.
            if self.pending.is_empty() {
                let line = live.line(&self.run, &pinger.results(), terminal::columns());
                self.pending.extend_from_slice(line.as_bytes());
            }
        }
        if let Some((every, due)) = &mut self.reports
            && *due <= now
        {
            // Those that were missed are not made up for.
            while *due <= now {
                *due = *due + *every;
            }
            self.line.clear();
            self.exporter.interim(&self.run, &complete_results(pinger), &mut self.line);
            // Whatever the format: the next one has it all.
            let before = self.pending.len();
            self.append_line(now, true);
            self.long += self.pending.len() - before;
        }
        self.drain()?;
        if self.pending.len() > DOCUMENT {
            return self.write_all();
        }
        Ok(())
    }

    /// Prints the results so far on standard error.
    pub fn interim(&mut self, pinger: &mut Pinger) -> Result<(), WriteError> {
        self.report(pinger)?;
        if let Some((live, due)) = &mut self.live {
            let cleared = live.clear(self.run.settings.style, terminal::columns());
            self.out.write(&cleared)?;
            *due = self.run.clocks.monotonic;
        }
        // If standard error is closed, the message is lost.
        let _ = Console::stderr().line(summary::interim(&self.run, &pinger.results()));
        Ok(())
    }

    /// Returns when there is something to print, regardless of events.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let live = self.live.as_ref().map(|(_, due)| *due);
        live.into_iter().chain(self.reports.map(|(_, due)| due)).min()
    }

    /// Returns a pollable that is ready when the reader accepts more; `None` if nothing is
    /// buffered.
    pub fn writable(&self) -> Option<Pollable> {
        (!self.pending.is_empty()).then(|| self.out.writable())
    }

    /// Prints the end of the run, and waits for the reader: nothing of it is dropped. Returns the
    /// results.
    pub fn finish(&mut self, pinger: &mut Pinger) -> Result<Results, WriteError> {
        while pinger.finish(clock::now()) {
            self.report(pinger)?;
        }
        self.read_clocks();
        self.tell_dropped(self.run.clocks.monotonic);
        if let Some((mut live, _)) = self.live.take() {
            let cleared = live.clear(self.run.settings.style, terminal::columns());
            self.pending.extend_from_slice(cleared.as_bytes());
        }
        let results = complete_results(pinger);
        let mut text = String::new();
        self.exporter.finish(&self.run, &results, &mut text);
        self.pending.extend_from_slice(text.as_bytes());
        self.write_all()?;
        let mut beside = String::new();
        self.exporter.finish_beside(&self.run, &results, &mut beside);
        // If standard error is closed, the message is lost.
        let _ = Console::stderr().write(&beside);
        Ok(results)
    }

    /// Says on standard error which thresholds are exceeded, by which target. Returns whether any is.
    pub fn check(&self, results: &Results, thresholds: &[Threshold]) -> bool {
        let mut exceeded = Vec::new();
        for (flow, summary) in results.flows.iter().enumerate() {
            let name = Name(&self.run, FlowId(flow));
            let what = thresholds.iter().filter_map(|threshold| threshold.exceeded_by(summary));
            exceeded.extend(what.map(|what| format!("{name}: {what}")));
        }
        // Of very many flows, there are only percentiles of all together.
        let has_percentiles =
            |flow: &Summary| flow.rtt.as_ref().is_some_and(|rtt| rtt.percentiles.is_some());
        if !results.flows.iter().any(has_percentiles) {
            let percentiles = thresholds.iter().filter(|threshold| threshold.is_of_percentile());
            let what = percentiles.filter_map(|threshold| threshold.exceeded_by(&results.total));
            exceeded.extend(what.map(|what| format!("all together: {what}")));
        }
        for line in &exceeded {
            // If standard error is closed, the exit code is left.
            let _ = Console::stderr().line(line);
        }
        !exceeded.is_empty()
    }

    fn read_clocks(&mut self) {
        self.run.clocks = Clocks { monotonic: clock::now(), wall: clock::unix_now() };
    }

    fn drain(&mut self) -> Result<(), WriteError> {
        let mut written = 0;
        while written < self.pending.len() {
            match self.out.write_some(&self.pending[written..])? {
                0 => break,
                some => written += some,
            }
        }
        self.pending.drain(..written);
        self.long = self.long.saturating_sub(written);
        Ok(())
    }

    fn write_all(&mut self) -> Result<(), WriteError> {
        self.out.write_bytes(&self.pending)?;
        self.pending.clear();
        self.long = 0;
        Ok(())
    }
}
