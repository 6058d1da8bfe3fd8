//! Where a run is printed: an exporter, and what waits for a reader that is slower than the pings.

use std::time::Duration;

use udping_core::Instant;
use udping_core::client::{Event, Happened, Pinger, Results};
use udping_net::console::{Console, WriteError};
use udping_net::poll::Pollable;
use udping_net::{clock, host};
use udping_report::live::Live;
use udping_report::{Clocks, Exporter, Run, summary};

use crate::terminal;

/// How often a live line is written anew.
const REFRESH: Duration = Duration::from_millis(100);

/// What may wait for the reader of lines, in bytes. What comes then is left out, and counted: it
/// must not hold up the pings.
const LINES: usize = 256 << 10;

/// The same of a document, of which nothing can be left out: some 25,000 records. Then the pings
/// wait.
const DOCUMENT: usize = 4 << 20;

/// Where a run is printed.
pub struct Output {
    out: Console,
    exporter: Box<dyn Exporter>,
    /// The line that rewrites itself, and when it is due again.
    live: Option<(Live, Instant)>,
    /// What was not written yet.
    pending: Vec<u8>,
    /// How many lines were left out, and not told of yet.
    dropped: u64,
    line: String,
    /// The run that is printed.
    pub run: Run,
    /// By target, whether no reply came from there yet.
    unanswered: Vec<bool>,
}

impl Output {
    /// Nothing is printed yet.
    pub fn new(run: Run, exporter: Box<dyn Exporter>, is_live: bool) -> Self {
        Self {
            out: Console::stdout(),
            exporter,
            live: is_live.then(|| (Live::default(), run.start)),
            pending: Vec::new(),
            dropped: 0,
            line: String::new(),
            unanswered: run.targets.iter().map(|target| target.address.is_ok()).collect(),
            run,
        }
    }

    /// The run begins.
    pub fn start(&mut self) -> Result<(), WriteError> {
        let mut text = String::new();
        self.exporter.start(&self.run, &mut text);
        self.pending.extend_from_slice(text.as_bytes());
        self.drain()
    }

    /// Whether a reply came from each target that is pinged.
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
        if self.line.is_empty() {
            return;
        }
        if self.exporter.can_drop() {
            // Once something was left out, there has to be room again for many.
            let limit = if self.dropped > 0 { LINES / 2 } else { LINES };
            if self.pending.len() + self.line.len() > limit {
                self.dropped += 1;
                return;
            }
            self.tell_dropped(happened.at);
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

    /// Prints what has happened, as far as the reader takes it.
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
            // A line that would come late shows what is not so any more.
            if self.pending.is_empty() {
                let line = live.line(&self.run, &pinger.results(), terminal::columns());
                self.pending.extend_from_slice(line.as_bytes());
            }
        }
        self.drain()?;
        if self.pending.len() > DOCUMENT {
            return self.write_all();
        }
        Ok(())
    }

    /// Says on standard error what came of the run so far.
    pub fn interim(&mut self, pinger: &mut Pinger) -> Result<(), WriteError> {
        self.report(pinger)?;
        if let Some((live, due)) = &mut self.live {
            let cleared = live.clear(self.run.settings.style, terminal::columns());
            self.out.write(&cleared)?;
            *due = self.run.clocks.monotonic;
        }
        // Where standard error is closed, there is nobody to tell.
        let _ = Console::stderr().line(summary::interim(&self.run, &pinger.results()));
        Ok(())
    }

    /// When there is something to print, whatever happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.live.as_ref().map(|(_, due)| *due)
    }

    /// Ready when the reader takes more; `None` where nothing waits for that.
    pub fn writable(&self) -> Option<Pollable> {
        (!self.pending.is_empty()).then(|| self.out.writable())
    }

    /// Prints the end of the run, and waits for the reader of it: nothing of it is left out.
    pub fn finish(&mut self, pinger: &mut Pinger) -> Result<(), WriteError> {
        while pinger.finish(clock::now()) {
            self.report(pinger)?;
        }
        self.read_clocks();
        self.tell_dropped(self.run.clocks.monotonic);
        if let Some((mut live, _)) = self.live.take() {
            let cleared = live.clear(self.run.settings.style, terminal::columns());
            self.pending.extend_from_slice(cleared.as_bytes());
        }
        let results = Results { dropped: host::dropped(), ..pinger.results() };
        let mut text = String::new();
        self.exporter.finish(&self.run, &results, &mut text);
        self.pending.extend_from_slice(text.as_bytes());
        self.write_all()?;
        let mut beside = String::new();
        self.exporter.finish_beside(&self.run, &results, &mut beside);
        // Where standard error is closed, there is nobody to tell.
        let _ = Console::stderr().write(&beside);
        Ok(())
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
        Ok(())
    }

    fn write_all(&mut self) -> Result<(), WriteError> {
        self.out.write_bytes(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}
