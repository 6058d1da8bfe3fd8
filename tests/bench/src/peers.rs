//! The programs that are compared, each started by this one.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Pid;
use udping_tests::{Process, Runtime, SERVER, SERVER_P3, Server, guests, installed};

use crate::native::Waiting;
use crate::placement::{Core, pinned};

/// A server, or a pair of server and client, that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// udping-host, with these options.
    Udping(&'static [&'static str]),
    /// udping-host, built without a compiler.
    Lean,
    /// Native, with one system call per datagram.
    NativeSingle,
    /// Native, with the kernel's times of arrival.
    NativeStamped,
    /// Native, never sleeping.
    NativeSpinning,
    /// Native, with `recvmmsg` and `sendmmsg`.
    NativeBatched,
    /// The stock CLI, with our server.wasm.
    Wasmtime,
    /// Our components for WASI 0.3, in udping-host or the stock CLI.
    P3(Runtime),
    /// A Python echo server of a few lines.
    Python,
    /// A server that knows nothing of WASI or batches (`examples/`).
    Example(Example, Runner),
    /// sockperf, with its own client.
    Sockperf,
    /// irtt, with its own client.
    Irtt,
}

/// What a server is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Example {
    /// The standard library of Rust.
    Std,
    /// tokio.
    Tokio,
    /// C: both by the same compiler.
    C,
    /// Python, whose component has an interpreter.
    Python,
}

impl Example {
    fn program(self) -> &'static str {
        match self {
            Self::Std => "std_echo",
            Self::Tokio => "tokio_echo",
            Self::C => "c_echo",
            Self::Python => "python_echo",
        }
    }

    /// The file of its component.
    fn component(self) -> PathBuf {
        match self {
            Self::Std => udping_tests::file("std_echo.wasm", guests::STD_ECHO),
            Self::Tokio => udping_tests::file("tokio_echo.wasm", guests::TOKIO_ECHO),
            Self::C | Self::Python => languages().join(self.program()).with_extension("wasm"),
        }
    }

    /// The file of the same source for this machine.
    fn native(self) -> PathBuf {
        match self {
            Self::Std | Self::Tokio => udping_tests::host_program().with_file_name(self.program()),
            Self::C => languages().join("native").join(self.program()),
            Self::Python => {
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python/echo.py")
            }
        }
    }

    /// The command for that.
    fn native_command(self) -> Command {
        match self {
            Self::Std | Self::Tokio | Self::C => Command::new(self.native()),
            Self::Python => {
                let mut python = Command::new("python3");
                python.arg(self.native());
                python
            }
        }
    }
}

/// Where `make languages` builds programs.
fn languages() -> PathBuf {
    udping_tests::host_program().with_file_name("../languages")
}

/// What runs a server: the same source, compiled for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// The machine itself.
    Native,
    /// udping-host.
    Udping,
    /// The stock CLI.
    Wasmtime,
}

impl Peer {
    /// The name in tables.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Udping([]) => "udping-host".to_owned(),
            Self::Udping(options) => format!("udping-host {}", options.join(" ")),
            Self::Lean => "udping-host, lean".to_owned(),
            Self::NativeSingle => "native, one syscall a datagram".to_owned(),
            Self::NativeStamped => "native, kernel's times".to_owned(),
            Self::NativeSpinning => "native, spinning".to_owned(),
            Self::NativeBatched => "native, recvmmsg/sendmmsg".to_owned(),
            Self::Wasmtime => "wasmtime CLI".to_owned(),
            Self::P3(Runtime::UdpingHost) => "udping-host, WASI 0.3".to_owned(),
            Self::P3(_) => "wasmtime CLI, WASI 0.3".to_owned(),
            Self::Python => "Python".to_owned(),
            Self::Example(example, Runner::Native) => format!("{}, native", example.program()),
            Self::Example(example, Runner::Udping) => format!("{}, udping-host", example.program()),
            Self::Example(example, Runner::Wasmtime) => {
                format!("{}, wasmtime CLI", example.program())
            }
            Self::Sockperf => "sockperf".to_owned(),
            Self::Irtt => "irtt".to_owned(),
        }
    }

    /// Why it cannot take part; `None` if it can.
    pub(crate) fn missing(self) -> Option<String> {
        let needs = |program: &str| {
            installed(program).is_none().then(|| format!("{program} is not installed (make peers)"))
        };
        match self {
            Self::Lean if !lean().exists() => Some("not built (make lean)".to_owned()),
            Self::Example(example, Runner::Native) if !example.native().exists() => {
                Some("not built (make bench)".to_owned())
            }
            Self::Python | Self::Example(Example::Python, Runner::Native) => needs("python3"),
            Self::Example(example, _) if !example.component().exists() => {
                Some("not built (make languages)".to_owned())
            }
            Self::Example(_, Runner::Wasmtime) if udping_tests::wasmtime().is_none() => {
                Some("wasmtime is not installed (make peers)".to_owned())
            }
            Self::Sockperf => needs("sockperf"),
            Self::Irtt => needs("irtt"),
            _ => None,
        }
    }

    /// Starts the server, which listens when this returns.
    pub(crate) fn start(self) -> Result<Running> {
        self.start_on(None)
    }

    /// As [`Self::start`], pinned to a core.
    pub(crate) fn start_on(self, core: Option<Core>) -> Result<Running> {
        let port = udping_tests::free_port();
        let placed = |command: Command| match core {
            Some(core) => pinned(core, &command),
            None => command,
        };
        let listens = |command| Ok(listening(&mut placed(command)));
        match self {
            Self::Udping(options) => listens(udping(&udping_tests::host_program(), options, port)),
            Self::Lean => listens(udping(&lean(), &[], port)),
            Self::NativeSingle | Self::NativeStamped => listens(own("single")?),
            Self::NativeSpinning => listens(own("spinning")?),
            Self::NativeBatched => listens(own("batched")?),
            Self::Wasmtime => {
                listens(Runtime::Wasmtime.command(SERVER, &["0", "--bind", "127.0.0.1"]))
            }
            Self::P3(runtime) => listens(runtime.command(SERVER_P3, &["0", "--bind", "127.0.0.1"])),
            Self::Python => listens(udping_tests::peer("plain_echo.py", &[])),
            Self::Example(example, runner) => {
                let mut command = match runner {
                    Runner::Native => example.native_command(),
                    Runner::Udping => Command::new(udping_tests::host_program()),
                    Runner::Wasmtime => udping_tests::wasmtime().context("it is not missing")?,
                };
                if runner == Runner::Wasmtime {
                    command.args(["-S", "inherit-network"]);
                }
                if runner != Runner::Native {
                    command.arg(example.component());
                }
                command.arg(port.to_string());
                let process = Process::start(&mut placed(command));
                Ok(Running::on_loopback(process, port))
            }
            Self::Sockperf => {
                let port_text = port.to_string();
                let mut sockperf = Command::new("sockperf");
                sockperf.args(["server", "-i", "127.0.0.1", "-p", &port_text, "--nonblocked"]);
                let mut process = Process::start(&mut placed(sockperf));
                while !process.line().contains("using recvfrom") {}
                Ok(Running { process, address: ([127, 0, 0, 1], port).into() })
            }
            Self::Irtt => {
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                let mut irtt = Command::new("irtt");
                irtt.args(["server", "-i", "0", "-b", &address.to_string()]);
                let process = Process::start(&mut placed(irtt));
                // It does not report when it listens: it does when the port is taken.
                for _ in 0..200 {
                    if UdpSocket::bind(address).is_err() {
                        return Ok(Running { process, address });
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                anyhow::bail!("irtt's server does not listen")
            }
        }
    }
}

/// A listening server.
pub(crate) struct Running {
    /// The process, which ends when this is dropped.
    pub process: Process,
    pub address: SocketAddr,
}

impl Running {
    /// A server that listens on `port` of all addresses, and says so by its first line.
    fn on_loopback(mut process: Process, port: u16) -> Self {
        process.line();
        Self { process, address: ([127, 0, 0, 1], port).into() }
    }

    /// The CPU time of all its threads so far, in seconds (`/proc/PID/task/TID/schedstat`).
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(&self.process)
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<f64> {
        Ok(self.process.resident()? as f64)
    }
}

/// The CPU time of all threads of `process` so far, in seconds.
pub(crate) fn cpu_seconds(process: &Process) -> Result<f64> {
    cpu_seconds_of(process.pid())
}

/// The CPU time of all threads of the process `pid` so far, in seconds.
pub(crate) fn cpu_seconds_of(pid: Pid) -> Result<f64> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos +=
            schedstat.split_whitespace().next().context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(nanos as f64 / 1e9)
}

fn listening(command: &mut Command) -> Running {
    let server = Server::listening(command);
    Running { address: server.addresses[0], process: server.process }
}

/// Returns the command for `program` to serve on `port` of 127.0.0.1.
pub(crate) fn udping(program: &Path, options: &[&str], port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(options).args(["server", &port.to_string(), "--bind", "127.0.0.1"]);
    command
}

/// The path where `make lean` puts the host without a compiler.
pub(crate) fn lean() -> PathBuf {
    udping_tests::host_program().with_file_name("udping-host-lean")
}

/// Returns the command for this program as a peer.
fn own(role: &str) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["peer", role]);
    Ok(command)
}

/// Returns the command for this program as a client that pings every millisecond, until killed.
pub(crate) fn native_client(server: SocketAddr) -> Result<Command> {
    native_pinger(server, usize::MAX, Duration::from_millis(1), 32, Waiting::Blocking)
}

/// Returns the command for this program as a client that then prints the RTT of each ping in
/// nanoseconds.
pub(crate) fn native_pinger(
    server: SocketAddr,
    count: usize,
    interval: Duration,
    size: usize,
    waiting: Waiting,
) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["ping", &server.to_string(), &count.to_string()]);
    command.args([&interval.as_micros().to_string(), &size.to_string(), waiting.name()]);
    Ok(command)
}

/// The first line that `program VERSION_ARGUMENT` prints.
pub(crate) fn version(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&text).lines().next()?.trim().to_owned())
}

/// The standard output of a program that succeeds. It goes into a file: with a pipe, each line would
/// wake this process, on a core that a ping needs.
pub(crate) fn printed(command: &mut Command) -> Result<String> {
    let (mut output, mut errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let status = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(errors.try_clone()?)
        .status()?;
    let text = |file: &mut File| {
        let mut text = String::new();
        file.rewind()?;
        file.read_to_string(&mut text).map(|_| text)
    };
    ensure!(status.success(), "{command:?}: {status}: {}", text(&mut errors)?);
    Ok(text(&mut output)?)
}
