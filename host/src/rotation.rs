//! New keys for a component that runs: SIGHUP has the key file read again.
//!
//! This process has no files by then ([`crate::harden`]). So it starts another one before, whose only work is to read that file,
//! checked as at the start, when it is asked to, and to hand back what it holds.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use nix::sys::signal::{SigSet, Signal};

use crate::audit;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::harden::{self, Needs};
use crate::key::Keys;
use crate::log::say;
use crate::printable::Printable;

/// The command by which this program is the reader.
pub const COMMAND: &str = "read-keys";

/// The longest answer of a reader: two keys, or an error that names a path.
const ANSWER_LIMIT: u64 = 16 << 10;

fn hangup() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGHUP);
    signals
}

/// The reader of one key file.
#[derive(Debug)]
pub struct Rotation {
    reader: io::Result<Reader>,
}

#[derive(Debug)]
struct Reader {
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Rotation {
    /// Starts a reader for the key file at `path`, and holds SIGHUP back until [`Self::watch`]. To be called before there are
    /// other threads: they would not hold it back.
    pub fn of(path: &Path) -> Self {
        let reader = hangup().thread_block().map_err(io::Error::from).and_then(|()| Reader::start(path));
        if let Err(error) = &reader {
            say(format_args!("warning: the key file cannot be read again at SIGHUP: {error}"));
        }
        Self { reader }
    }

    /// From now on, on a thread of its own, has the file read at each SIGHUP, and its keys put into `environment`. Where there
    /// are none, that is said, and those from before go on to hold.
    pub fn watch(mut self, environment: Arc<Environment>) -> io::Result<()> {
        let work = move || {
            // It fails for a signal that does not exist.
            while hangup().wait().is_ok() {
                match self.read() {
                    Ok(keys) => {
                        environment.set(keys.variable());
                        audit::keys_read(keys.count());
                    }
                    Err(problem) => say(format_args!("{problem}; the keys from before stay in force")),
                }
            }
        };
        thread::Builder::new().name("keys".to_owned()).stack_size(128 << 10).spawn(work)?;
        Ok(())
    }

    fn read(&mut self) -> Result<Keys, String> {
        let answer = match &mut self.reader {
            Ok(reader) => reader.ask().map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let answer = answer.map_err(|error| format!("the key file cannot be read again: {error}"))?;
        let (outcome, text) = answer.split_once(' ').unwrap_or_default();
        match outcome {
            "keys" => Keys::parse(text).map_err(|problem| format!("the key file {problem}")),
            _ => Err(text.to_owned()),
        }
    }
}

impl Reader {
    fn start(path: &Path) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("udping-host").arg(COMMAND).arg("--").arg(path);
        // What is in this process's environment is none of its business.
        let mut child = command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(requests), Some(answers)) => Ok(Self { requests, answers: BufReader::new(answers) }),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn ask(&mut self) -> io::Result<String> {
        self.requests.write_all(b"\n")?;
        let mut answer = String::new();
        self.answers.by_ref().take(ANSWER_LIMIT).read_line(&mut answer)?;
        match answer.strip_suffix('\n') {
            Some(answer) => Ok(answer.to_owned()),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the process that reads it has ended")),
        }
    }
}

/// What the reader does: for each byte on standard input it reads the file at `path`, and writes a line. It ends with its input.
pub fn serve(path: &Path) -> Result<Exit> {
    // Neither a terminal's Ctrl-C nor who stops a service ends it before the process that it reads for.
    SigSet::all().thread_block()?;
    // The process that asks says which means there are none of.
    let _ = (harden::hide_memory(), harden::drop_privileges(Needs::default()), harden::shut_reader(path));
    let mut stdout = io::stdout();
    for request in io::stdin().lock().bytes() {
        request?;
        match Keys::read(path) {
            Ok(keys) => writeln!(stdout, "keys {}", keys.value())?,
            Err(error) => writeln!(stdout, "error {}", Printable(error))?,
        }
        stdout.flush()?;
    }
    Ok(Exit::Success)
}
