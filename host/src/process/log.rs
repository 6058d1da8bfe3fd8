//! The log of this host on standard error: lines for people, or the records of an audit trail.

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::process::printable::{self, Printable, PrintableJson};
use crate::process::standard_error;

/// How the trail is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines with time, level and fields
    Text,
    /// One JSON object per line
    Json,
}

/// The argument that [`start`] was called with.
static FORMAT: OnceLock<Option<LogFormat>> = OnceLock::new();

/// Sends messages to standard error from now on: with a format, every event; without, only warnings
/// and errors. Only the first call has an effect.
pub fn start(format: Option<LogFormat>) {
    if FORMAT.set(format).is_err() {
        return;
    }
    let common = tracing_subscriber::fmt()
        .with_writer(Sink(format))
        .with_target(false)
        .log_internal_errors(false);
    // Libraries have words of their own for what this program reports.
    let own = filter_fn(|metadata| metadata.target().starts_with("udping"));
    // Only a second call fails.
    let _ = match format {
        None => tracing::subscriber::set_global_default(
            common.with_max_level(Level::WARN).event_format(Plain).finish().with(own),
        ),
        Some(LogFormat::Text) => {
            tracing::subscriber::set_global_default(common.with_ansi(false).finish().with(own))
        }
        Some(LogFormat::Json) => tracing::subscriber::set_global_default(
            common.json().flatten_event(true).finish().with(own),
        ),
    };
}

/// Whether there is an audit trail, into which nothing else may be written.
pub fn is_trail() -> bool {
    matches!(FORMAT.get(), Some(Some(_)))
}

/// The number of records lost, on a full disk, since the last that was written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Whether the last record was written. If not, the failure could not be reported: neither in the
/// trail nor elsewhere.
pub fn is_written() -> bool {
    LOST.load(Ordering::Relaxed) == 0
}

/// Logs a warning, on one line.
pub fn say(message: impl fmt::Display) {
    tracing::warn!("{message}");
}

/// Logs a line that a component wrote to `stream`, `stdout` or `stderr`.
pub fn component_wrote(component: &str, stream: &str, line: &[u8]) {
    let line = printable::bytes(line);
    tracing::info!(event = stream, component, line, "{component} wrote to {stream}");
}

/// Writes each event as one line, regardless of what it contains: a component's name, a file's name or a
/// field's value cannot end the line, nor control the terminal that shows it.
#[derive(Clone, Copy, Debug)]
struct Sink(Option<LogFormat>);

impl MakeWriter<'_> for Sink {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// Writes one event per call.
impl io::Write for Sink {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let result = self.write_line(event);
        match &result {
            // The record of the loss is written in the same way, and follows the first record that
            // could be written again.
            Ok(()) if is_trail() => match LOST.swap(0, Ordering::Relaxed) {
                0 => {}
                lost => {
                    tracing::error!(
                        event = "lost",
                        lost,
                        "{lost} records before the last could not be written"
                    );
                    if !is_written() {
                        LOST.fetch_add(lost, Ordering::Relaxed);
                    }
                }
            },
            // A closed pipe loses nothing: nobody reads it.
            Err(error) if is_trail() && error.kind() != io::ErrorKind::BrokenPipe => {
                LOST.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        result.map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn write_line(self, event: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let line = match self.0 {
            Some(LogFormat::Json) => format!("{}\n", PrintableJson(text)),
            Some(LogFormat::Text) | None => format!("{}\n", Printable(text)),
        };
        standard_error::write_line(line.as_bytes())
    }
}

/// Formats an event as `udping-host: ` and the message.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = Message(String::new());
        event.record(&mut message);
        writeln!(writer, "udping-host: {}", message.0)
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
