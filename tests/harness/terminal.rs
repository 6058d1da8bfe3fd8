//! A program on a terminal: a pseudo terminal, whose screen tests read.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::pty::{Winsize, openpty};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr, tcsetwinsize};

use crate::until;

/// A program that runs on a terminal of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keys: File,
    /// The program's end, whose settings outlast the program.
    theirs: OwnedFd,
    written: Arc<Mutex<Written>>,
}

/// What the program has written.
struct Written {
    bytes: Vec<u8>,
    screen: vt100::Parser,
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.screen.screen().contents())
    }
}

/// The settings of a terminal, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalSettings(String);

impl Terminal {
    /// Starts `command` as the leader of a session whose terminal has that size.
    #[track_caller]
    pub fn start(command: &Command, columns: u16, rows: u16) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("a pseudo terminal");
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args());
        leader.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        let child = leader.stdin(end()).stdout(end()).stderr(end()).spawn().expect("setsid(1)");
        let written = Arc::new(Mutex::new(Written {
            bytes: Vec::new(),
            screen: vt100::Parser::new(cells(rows), cells(columns), 0),
        }));
        let (mut from, to) = (File::from(pty.master), written.clone());
        let keys = from.try_clone().expect("a descriptor");
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut part) {
                let mut written = to.lock().unwrap_or_else(PoisonError::into_inner);
                written.bytes.extend_from_slice(&part[..length]);
                written.screen.process(&part[..length]);
            }
        });
        Self { child, keys, theirs: pty.slave, written }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Types `keys`.
    pub fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Changes the size of the terminal, which its program is told.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.written().screen.set_size(cells(rows), cells(columns));
        let size =
            rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.theirs, size).expect("a terminal has a size");
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.written().screen.screen().contents()
    }

    /// All that was written.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.written().bytes).into_owned()
    }

    /// Waits until the screen is as `is_so` wants it.
    #[track_caller]
    pub fn until(&self, is_so: impl Fn(&str) -> bool) -> String {
        until(|| Some(self.screen()).filter(|screen| is_so(screen)))
    }

    /// The settings of the terminal.
    pub fn settings(&self) -> TerminalSettings {
        let Termios { input_modes, output_modes, local_modes, .. } =
            tcgetattr(&self.theirs).expect("a terminal has settings");
        TerminalSettings(format!("{input_modes:?} {output_modes:?} {local_modes:?}"))
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is our child, and not waited for yet");
    }

    /// Waits until it ends, and returns its exit code; fails the test if a signal ended it.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        let status = until(|| self.child.try_wait().expect("it is our child"));
        // What it wrote last may not have been read yet.
        let seen = || self.written().bytes.len();
        let mut before = usize::MAX;
        until(|| {
            let length = std::mem::replace(&mut before, seen());
            (length == before).then_some(())
        });
        status.code().unwrap_or_else(|| panic!("ended by a signal: {status}: {}", self.output()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a terminal has cells")
}

/// The state of a process, as in proc(5): `T` if it is stopped; none if it has ended.
pub fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next().filter(|state| *state != 'Z')
}
