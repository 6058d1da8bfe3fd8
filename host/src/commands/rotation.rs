//! Key rotation while a component runs: SIGHUP has the key file read again.
//!
//! By then this process has given up access to files ([`udping_harden`]). So it first starts a
//! helper whose only task is to read that file when asked, with the same checks as at the start,
//! and to return what it holds. The helper is given the path once: a later request has no influence
//! on which file is read.

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

/// The longest answer of a reader, in bytes: two keys, or an error that names a path.
const ANSWER_LIMIT: u64 = 16 << 10;

/// The byte that ends the path; a path contains none.
const PATH_END: u8 = 0;

fn hangup() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGHUP);
    signals
}

/// The helper that reads one key file.
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
    /// Starts a reader for the key file at `path`, and blocks SIGHUP until [`Self::watch`]. Call
    /// this before other threads are started: SIGHUP would not be blocked in them.
    pub fn of(path: &Path) -> Self {
        let reader =
            hangup().thread_block().map_err(io::Error::from).and_then(|()| Reader::start(path));
        if let Err(error) = &reader {
            say(format_args!("warning: the key file cannot be read again at SIGHUP: {error}"));
        }
        Self { reader }
    }

    /// Starts a thread that has the file read at each SIGHUP and puts its keys into `environment`.
    /// If the file has none, this is logged and the previous keys stay in force.
    pub fn watch(mut self, environment: Arc<Environment>) -> io::Result<()> {
        let work = move || {
            // It fails only for a signal that does not exist.
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

/// Runs the helper: its standard input starts with the path of the key file; for each byte after
/// it, the helper reads the file and writes a line. It ends when its input ends.
pub fn serve() -> ExitCode {
    match read_on_request(&mut io::stdin().lock(), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn read_on_request(requests: &mut impl BufRead, answers: &mut impl Write) -> io::Result<()> {
    // Neither a terminal's Ctrl-C nor a service manager's stop ends the helper before the process
    // that it serves.
    SigSet::all().thread_block()?;
    let mut path = Vec::new();
    requests.read_until(PATH_END, &mut path)?;
    path.pop();
    let path = Path::new(OsStr::from_bytes(&path));
    // Hardening that this kernel lacks is reported by the process that it serves.
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
