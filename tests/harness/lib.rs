//! Shared parts of the suites: the runtimes, servers and clients as processes, and time limits for
//! everything.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test may well panic, and what it counts is small"
)]

pub mod browser;
pub mod exporter;
pub mod http;
pub mod namespace;
pub mod proc;
pub mod responder;
pub mod terminal;

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{env, fs, iter, process, thread};

use rustix::process::{Pid, Signal, kill_process};
use udping_components::Component;

pub use udping_components::{CLIENT, CLIENT_P3, SERVER, SERVER_P3};

/// The maximum time a process may take before the test that started it fails. Normal runs take far
/// less.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The options that select each path of datagrams through the host.
pub const PATHS: [&[&str]; 3] = [&[], &["--no-offload"], &["--batch", "1"]];

/// Guests with one behaviour each, mostly one that a component should not have.
pub mod guests {
    /// Echoes on all IPv4 addresses.
    pub const ECHOES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/echoes.wasm"));
    /// Sends to 10.9.0.2 until there is no space, waits for some, and continues.
    pub const FILLS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fills.wasm"));
    /// Declares that it takes notices of the host, and reacts to them as its argument says.
    pub const HEEDS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/heeds.wasm"));
    /// Runs its arguments as programs, and prints the outcome of each step.
    pub const OBEYS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/obeys.wasm"));
    /// The same for WASI 0.3.
    pub const OBEYS_P3: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/obeys_p3.wasm"));
    /// Panics with the message "the guest says why".
    pub const PANICS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/panics.wasm"));
    /// Opens sockets, and never closes them.
    pub const OPENS_SOCKETS: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/opens_sockets.wasm"));
    /// Listens, as granted, and sends to addresses that were not.
    pub const SENDS_TO_STRANGERS: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/sends_to_strangers.wasm"));
    /// Echoes, and traps at the datagram "trap".
    pub const TRAPS_IN_BATCH: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/traps_in_batch.wasm"));
    /// Writes to standard error endlessly.
    pub const FLOODS_STDERR: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/floods_stderr.wasm"));
    /// Writes to standard output endlessly.
    pub const FLOODS_STDOUT: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/floods_stdout.wasm"));
    /// Prints how long ago the clocks say that datagrams arrived.
    pub const ARRIVES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/arrives.wasm"));
    /// Waits three seconds for datagrams, and prints how many it received.
    pub const WAITS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/waits.wasm"));
    /// Writes what its arguments say, and prints its variables.
    pub const WRITES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/writes.wasm"));
    /// An echo server by the standard library alone (`examples/rust-std`).
    pub const STD_ECHO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/std_echo.wasm"));
    /// A pinger by the standard library alone.
    pub const STD_PINGER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/std_pinger.wasm"));
    /// An echo server by tokio (`examples/rust-tokio`).
    pub const TOKIO_ECHO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tokio_echo.wasm"));
    /// A pinger by tokio.
    pub const TOKIO_PINGER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tokio_pinger.wasm"));
    /// Never ends, and never calls the host.
    pub const SPINS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/spins.wasm"));
}

/// A runtime for components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// udping-host.
    UdpingHost,
    /// The stock wasmtime CLI, prebuilt, of the long-term line that the host embeds.
    Wasmtime,
    /// The stock wasmtime CLI, prebuilt, of the older long-term line.
    Wasmtime36,
    /// udping-host, with the components for WASI 0.3.
    UdpingHostP3,
    /// The stock wasmtime CLI, likewise.
    WasmtimeP3,
}

/// Turns each case, a function of a [`Runtime`], into one test per runtime.
#[macro_export]
macro_rules! under_both_runtimes {
    ($($case:ident),* $(,)?) => {
        mod under_udping_host {
            $(#[test] fn $case() { super::$case($crate::Runtime::UdpingHost) })*
        }
        mod under_wasmtime {
            $(#[test] fn $case() { $crate::Runtime::Wasmtime.is_there().then(|| super::$case($crate::Runtime::Wasmtime)); })*
        }
        mod under_udping_host_wasi_0_3 {
            $(#[test] fn $case() { super::$case($crate::Runtime::UdpingHostP3) })*
        }
    };
}

/// Like `under_both_runtimes`, with further tests under the older line of the stock CLI, and with the
/// components for WASI 0.3 under the newer.
#[macro_export]
macro_rules! under_all_runtimes {
    ($($case:ident),* $(,)?) => {
        $crate::under_both_runtimes![$($case),*];
        mod under_wasmtime_36 {
            $(#[test] fn $case() { $crate::Runtime::Wasmtime36.is_there().then(|| super::$case($crate::Runtime::Wasmtime36)); })*
        }
        mod under_wasmtime_wasi_0_3 {
            $(#[test] fn $case() { $crate::Runtime::WasmtimeP3.is_there().then(|| super::$case($crate::Runtime::WasmtimeP3)); })*
        }
    };
}

impl Runtime {
    /// Whether it is installed. If not, the test says so and passes, unless all peers are required.
    pub fn is_there(self) -> bool {
        let is_there = self.program().is_some();
        if !is_there {
            eprintln!("not tested: {self:?} is not installed (make peers)");
            assert!(env::var_os("UDPING_ALL_PEERS").is_none(), "CI has every peer");
        }
        is_there
    }

    fn program(self) -> Option<PathBuf> {
        match self {
            Self::UdpingHost | Self::UdpingHostP3 => Some(host_program()),
            Self::Wasmtime | Self::WasmtimeP3 => installed("wasmtime-48"),
            Self::Wasmtime36 => installed("wasmtime-36"),
        }
    }

    /// Whether it is udping-host.
    pub fn is_udping_host(self) -> bool {
        matches!(self, Self::UdpingHost | Self::UdpingHostP3)
    }

    /// The component that it runs in place of `component`.
    fn version_of(self, component: Component) -> Component {
        match self {
            Self::UdpingHostP3 | Self::WasmtimeP3 if component == CLIENT => CLIENT_P3,
            Self::UdpingHostP3 | Self::WasmtimeP3 if component == SERVER => SERVER_P3,
            _ => component,
        }
    }

    /// Returns the command that runs `component` with `arguments`; under udping-host these are also
    /// the grant.
    pub fn command(self, component: Component, arguments: &[&str]) -> Command {
        self.command_with_key(None, component, arguments)
    }

    /// Like [`Self::command`], with the hexadecimal digits of a key in the component's environment.
    pub fn command_with_key(
        self,
        key: Option<&str>,
        component: Component,
        arguments: &[&str],
    ) -> Command {
        let mut command = match self {
            Self::UdpingHost | Self::UdpingHostP3 => udping_host(),
            stock => {
                let program = stock
                    .program()
                    .unwrap_or_else(|| panic!("{self:?} is not installed: make peers"));
                let mut command = Command::new(program);
                command.args(["run", "-S", "inherit-network"]);
                command
            }
        };
        match (self, key) {
            (_, None) => &mut command,
            (Self::UdpingHost | Self::UdpingHostP3, Some(key)) => {
                command.arg("--key-file").arg(key_file(key))
            }
            // Without a value, so that the key is not an argument that all users can read.
            (_, Some(key)) => command.args(["--env", "UDPING_KEY"]).env("UDPING_KEY", key),
        };
        let component = self.version_of(component);
        command.arg(file(&format!("{}.wasm", component.name), component.bytes)).args(arguments);
        command
    }
}

/// Returns the command `udping-host` without arguments.
pub fn udping_host() -> Command {
    Command::new(host_program())
}

/// Returns the command `wasmtime run` of the stock CLI; `None` if it is not installed, which the
/// test then reports.
pub fn wasmtime() -> Option<Command> {
    let program = Runtime::Wasmtime.is_there().then(|| Runtime::Wasmtime.program()).flatten();
    let mut command = Command::new(program?);
    command.arg("run");
    Some(command)
}

/// The path of `udping-host`.
pub fn host_program() -> PathBuf {
    program("udping-host")
}

/// The folder of cargo's output for the profile of this test.
fn build_dir() -> PathBuf {
    let program = env::current_exe().expect("a program has a path");
    let folder = program.parent().expect("a program is in a folder");
    // A test is TARGET/PROFILE/deps/TEST, a program TARGET/PROFILE/PROGRAM.
    if folder.ends_with("deps") {
        folder.parent().expect("deps is in a folder").to_owned()
    } else {
        folder.to_owned()
    }
}

/// The path of a program of this workspace.
fn program(name: &str) -> PathBuf {
    let path = build_dir().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build` before this suite alone",
        path.display()
    );
    path
}

/// Writes a file with that name and content, shared by all tests that ask for it.
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    static WRITING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = build_dir()
        .join("test-files")
        .join(process::id().to_string())
        .join(digest(content))
        .join(name);
    if !path.exists() {
        fs::create_dir_all(path.parent().expect("it has a folder"))
            .expect("a folder for the test's files");
        fs::write(&path, content).expect("the test's file");
    }
    path
}

/// Writes a file that nobody else can write: in the system's temporary folder, since other users
/// may be able to write the folders above this workspace.
pub fn own_file(name: &str, content: &[u8]) -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = tempfile::Builder::new()
            .prefix("udping-test")
            .tempdir()
            .expect("a folder for the test's files");
        folder.keep()
    });
    static WRITING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = FOLDER.join(digest(content)).join(name);
    if !path.exists() {
        fs::create_dir_all(path.parent().expect("it has a folder"))
            .expect("a folder for the test's files");
        fs::write(&path, content).expect("the test's file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("the file is this user's");
    }
    path
}

/// Names a folder after its files' content: two tests may use one name for different files.
fn digest(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Writes a file with `key` in it.
pub fn key_file(key: &str) -> PathBuf {
    own_file(&format!("{key}.key"), key.as_bytes())
}

/// Writes a file with the component or module that `text` describes.
pub fn wat(name: &str, text: &str) -> PathBuf {
    file(name, &wat::parse_str(text).expect("valid WebAssembly text"))
}

/// A peer written in Python, from `tests/peers`.
pub fn peer(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script)).args(arguments);
    command
}

/// Finds a program from outside this workspace, where `make peers` installs it, or on the path.
pub fn installed(program: &str) -> Option<PathBuf> {
    let tools = build_dir().with_file_name("tools").join("bin");
    let path = env::var_os("PATH").unwrap_or_default();
    iter::once(tools)
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Like [`installed`], for a peer of tests. If it is not, the test says so and passes, unless all
/// peers are required.
pub fn foreign(program: &str) -> Option<PathBuf> {
    let path = installed(program);
    if path.is_none() {
        eprintln!("not tested: {program} is not installed (make peers)");
        assert!(env::var_os("UDPING_ALL_PEERS").is_none(), "CI has every peer");
    }
    path
}

/// Polls `what` until it returns a value; fails the test after the time limit.
#[track_caller]
pub fn until<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(is_so) = what() {
            return is_so;
        }
        assert!(start.elapsed() < PATIENCE, "it did not come to be");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The result of a process.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Outcome {
    /// The exit code; fails the test if a signal ended the process.
    #[track_caller]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// The lines of standard output that contain `text`.
    pub fn lines_with(&self, text: &str) -> Vec<&str> {
        self.stdout.lines().filter(|line| line.contains(text)).collect()
    }

    /// The sequence numbers of the pings whose lines contain `text`.
    pub fn seqs(&self, text: &str) -> Vec<u32> {
        let number = |line: &&str| {
            let digits = line.split("seq=").nth(1)?.split(' ').next()?;
            digits.parse().ok()
        };
        self.lines_with(text).iter().filter_map(number).collect()
    }

    /// The only line of standard error; fails the test if there are none or more.
    #[track_caller]
    pub fn only_error(&self) -> &str {
        let lines: Vec<_> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "one line on stderr: {self:?}");
        lines[0]
    }
}

/// Runs `command` to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Outcome {
    Process::start(command).wait()
}

/// A process started by a test. It is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
}

impl Process {
    /// Starts `command` with empty standard input.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let stderr = child.stderr.take().expect("it is piped");
        Self { child, stdout, stderr }
    }

    /// Reads the next line of its standard output, without the newline.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let pid = self.pid();
        let mut line = String::new();
        within_patience(pid, || self.stdout.read_line(&mut line)).expect("its output can be read");
        if line.is_empty() {
            let mut stderr = String::new();
            let _ = self.stderr.read_to_string(&mut stderr);
            panic!("it ended without a line: {stderr}");
        }
        line.trim_end().to_owned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is our child, and not waited for yet");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let status = within_patience(self.pid(), || {
            thread::scope(|scope| {
                let errors = scope.spawn(|| self.stderr.read_to_end(&mut stderr));
                self.stdout.read_to_end(&mut stdout)?;
                errors.join().expect("reading does not panic")?;
                self.child.wait()
            })
        })
        .expect("its output can be read");
        let text = |bytes| String::from_utf8(bytes).expect("output is text");
        Outcome { status, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Waits for its end without reading its output, which may then block it; the outcome contains
    /// what was written until then.
    #[track_caller]
    pub fn wait_unread(mut self) -> Outcome {
        within_patience(self.pid(), || self.child.wait()).expect("it is our child");
        self.wait()
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Its resident memory in bytes (`VmRSS`).
    pub fn resident(&self) -> io::Result<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        let kibibytes: u64 = kibibytes.ok_or_else(|| io::Error::other("no VmRSS: it has ended"))?;
        Ok(kibibytes * 1024)
    }

    /// The number of its open descriptors.
    pub fn descriptors(&self) -> io::Result<usize> {
        Ok(fs::read_dir(self.proc("fd"))?.count())
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.pid().as_raw_nonzero().to_string()).join(file)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does `work`, and kills `pid`, which it waits for, when the time limit is exceeded.
fn within_patience<T>(pid: Pid, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("killed after {PATIENCE:?}");
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Returns the processes whose parent is `pid`.
///
/// # Panics
///
/// If that process has ended.
pub fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    // A task may have ended since.
    let lists =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let all = lists.collect::<String>();
    all.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// A listening echo server.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Process,
    /// The addresses that it listens on, in the order of its output.
    pub addresses: Vec<SocketAddr>,
}

impl Server {
    /// Starts `server.wasm` on a free port of `ip`.
    #[track_caller]
    pub fn start(runtime: Runtime, ip: &str, options: &[&str]) -> Self {
        let arguments = [&["0", "--bind", ip], options].concat();
        Self::listening(&mut runtime.command(SERVER, &arguments))
    }

    /// Starts a program whose first lines name the addresses it listens on.
    #[track_caller]
    pub fn listening(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let addresses: Vec<_> =
            process.line().split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert!(!addresses.is_empty(), "its first line names no address");
        Self { process, addresses }
    }

    /// Its address and port, as arguments for a client.
    pub fn host_and_port(&self) -> [String; 2] {
        [self.addresses[0].ip().to_string(), self.addresses[0].port().to_string()]
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub fn stop(self) -> Outcome {
        self.process.signal(Signal::TERM);
        self.process.wait()
    }
}

/// A port that is free just now, for programs that cannot choose one and report it.
pub fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("its address").port()
}

/// Runs `client.wasm` against `server` to its end.
#[track_caller]
pub fn ping(runtime: Runtime, server: &Server, options: &[&str]) -> Outcome {
    let [host, port] = server.host_and_port();
    run(&mut runtime.command(CLIENT, &[&[host.as_str(), port.as_str()], options].concat()))
}

/// Returns `command` under a limit of `mebibytes` MiB of address space.
pub fn with_address_space(mebibytes: u32, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    let words: Vec<OsString> = [command.get_program()]
        .into_iter()
        .chain(command.get_args())
        .map(OsStr::to_owned)
        .collect();
    shell
        .args(["-c", &format!("ulimit -v {}; exec \"$@\"", u64::from(mebibytes) << 10), "sh"])
        .args(words);
    shell
}
