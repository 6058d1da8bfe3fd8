//! New keys for a component that runs: SIGHUP has the key file read again.
//!
//! This process has no files by then ([`udping_harden`]). So it starts a helper before, whose only
//! work is to read that file, checked as at the start, when it is asked to, and to hand back what
//! it holds. The helper is told its path once: who asks later has no say in what is read.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use crate::commands::audit;
use crate::config::key::Keys;
use crate::process::helper::{self, Role};
use crate::process::log::say;
use crate::process::printable::Printable;
use crate::sandbox::environment::Environment;
use udping_harden::{self as harden, Needs};

/// The longest answer of a reader: two keys, or an error that names a path.
const ANSWER_LIMIT: u64 = 16 << 10;

/// What follows the path, which has none in it.
const PATH_END: u8 = 0;

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
    /// Starts a reader for the key file at `path`, and holds SIGHUP back until [`Self::watch`]. To
    /// be called before there are other threads: they would not hold it back.
    pub fn of(path: &Path) -> Self {
        let reader =
            hangup().thread_block().map_err(io::Error::from).and_then(|()| Reader::start(path));
        if let Err(error) = &reader {
            say(format_args!("warning: the key file cannot be read again at SIGHUP: {error}"));
        }
        Self { reader }
    }

    /// From now on, on a thread of its own, has the file read at each SIGHUP, and its keys put into
    /// `environment`. Where there are none, that is said, and those from before go on to hold.
    pub fn watch(mut self, environment: Arc<Environment>) -> io::Result<()> {
        let work = move || {
            // It fails for a signal that does not exist.
            while hangup().wait().is_ok() {
                match self.read() {
                    Ok(keys) => {
                        environment.set(keys.variable());
                        audit::keys_read(keys.count());
                    }
                    Err(problem) => {
                        say(format_args!("{problem}; the keys from before stay in force"));
                    }
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
        let answer =
            answer.map_err(|error| format!("the key file cannot be read again: {error}"))?;
        let (outcome, text) = answer.split_once(' ').unwrap_or_default();
        match outcome {
            "keys" => Keys::parse(text).map_err(|problem| format!("the key file {problem}")),
            _ => Err(text.to_owned()),
        }
    }
}

impl Reader {
    fn start(path: &Path) -> io::Result<Self> {
        let mut child = helper::command(Role::ReadKeys)?.stderr(Stdio::null()).spawn()?;
        let (Some(mut requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        requests.write_all(path.as_os_str().as_bytes())?;
        requests.write_all(&[PATH_END])?;
        Ok(Self { requests, answers: BufReader::new(answers) })
    }

    fn ask(&mut self) -> io::Result<String> {
        self.requests.write_all(b"\n")?;
        let mut answer = String::new();
        self.answers.by_ref().take(ANSWER_LIMIT).read_line(&mut answer)?;
        match answer.strip_suffix('\n') {
            Some(answer) => Ok(answer.to_owned()),
            None => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the process that reads it has ended",
            )),
        }
    }
}

/// What the helper does: its standard input starts with the path of the key file; for each byte
/// that follows it reads the file, and writes a line. It ends with its input.
pub fn serve() -> ExitCode {
    match read_on_request(&mut io::stdin().lock(), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn read_on_request(requests: &mut impl BufRead, answers: &mut impl Write) -> io::Result<()> {
    // Neither a terminal's Ctrl-C nor who stops a service ends it before the process that it reads
    // for.
    SigSet::all().thread_block()?;
    let mut path = Vec::new();
    requests.read_until(PATH_END, &mut path)?;
    path.pop();
    let path = Path::new(OsStr::from_bytes(&path));
    // What a kernel has no means for is said by the process that it reads for.
    let _ = (
        harden::hide_memory(),
        harden::drop_privileges(Needs::default()),
        harden::shut_reader(path),
    );
    for request in requests.bytes() {
        request?;
        match Keys::read(path) {
            Ok(keys) => writeln!(answers, "keys {}", keys.value())?,
            Err(error) => writeln!(answers, "error {}", Printable(error))?,
        }
        answers.flush()?;
    }
    Ok(())
}
