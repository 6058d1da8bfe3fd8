//! Programs in several languages ping each other, under each runtime: the table in
//! `docs/languages.md` is what is seen here.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs};

use udping_tests::{
    Server, file, foreign, free_port, guests, host_program, installed, run, udping_host,
};

const LANGUAGES: [&str; 5] = ["Rust std", "Rust tokio", "C", "Python", "JavaScript"];

/// What cannot work: the runtime, the pinger, the echo server, and why.
const CANNOT: [(&str, &str, &str, &str); 0] = [];

/// A busy machine may take more than a second for an answer, which the table is not about.
const ATTEMPTS: usize = 3;

/// V8 had constant expressions behind this flag until Node 22, and the components use them.
const EXTENDED_CONST: &str = "--experimental-wasm-extended-const";

/// What `jco run` does, in the process that is started, so that it ends with it.
const RUN_MODULE: &str =
    "const { run } = await import(process.argv[1]); run.run(); process.exit(0)";

#[derive(Clone, Copy)]
enum Runtime {
    UdpingHost,
    Wasmtime(&'static str),
    Node,
}

impl Runtime {
    fn name(self) -> String {
        match self {
            Self::UdpingHost => "udping-host".to_owned(),
            Self::Wasmtime(line) => format!("wasmtime {line}"),
            Self::Node => "Node, by jco".to_owned(),
        }
    }

    /// Its program, if everything that it takes is installed.
    fn program(self) -> Option<PathBuf> {
        match self {
            Self::UdpingHost => Some(host_program()),
            Self::Wasmtime(line) => foreign(&format!("wasmtime-{line}")),
            Self::Node => foreign("jco").and_then(|_| foreign("node")),
        }
    }

    /// What `program` runs in place of `component`, since Python takes long to compile.
    fn prepared(self, program: &Path, component: &Path) -> PathBuf {
        let name = component.file_stem().unwrap().to_str().unwrap();
        let (made, mut command) = match self {
            // It has a cache: its usage is all that the component prints.
            Self::UdpingHost => {
                static COMPILING: Mutex<()> = Mutex::new(());
                let _once = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
                let patient = ["--limit-compile-time", "5m"];
                Command::new(program).args(patient).arg(component).output().unwrap();
                return component.to_owned();
            }
            Self::Wasmtime(line) => {
                let made = folder().join("compiled").join(line).join(format!("{name}.cwasm"));
                let mut command = Command::new(program);
                command.arg("compile").arg(component).arg("-o").arg(&made);
                (made, command)
            }
            Self::Node => {
                let made = folder().join("jco").join(name).join(format!("{name}.js"));
                let mut command = Command::new(installed("jco").unwrap());
                command.args(["transpile", "--quiet"]).arg(component);
                command.arg("-o").arg(made.parent().unwrap());
                (made, command)
            }
        };
        if !is_newer(&made, &[component, program]) {
            fs::create_dir_all(made.parent().unwrap()).unwrap();
            let outcome = command.output().unwrap();
            assert!(outcome.status.success(), "{command:?}: {outcome:?}");
        }
        made
    }

    fn command(self, program: &Path, prepared: &Path) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::UdpingHost => {}
            Self::Wasmtime(_) => {
                let network = ["-S", "inherit-network,allow-ip-name-lookup"];
                command.args(["run", "--allow-precompiled"]).args(network);
            }
            Self::Node => {
                let flag = Command::new(program).args([EXTENDED_CONST, "--version"]).output();
                command.args(flag.unwrap().status.success().then_some(EXTENDED_CONST));
                command.args(["--input-type=module", "--eval", RUN_MODULE]);
            }
        }
        command.arg(prepared);
        command
    }
}

/// Where `scripts/languages` builds the programs.
fn folder() -> PathBuf {
    host_program().parent().and_then(Path::parent).unwrap().join("languages")
}

/// Whether they are built. If not, the test says so and passes, unless all peers are required.
fn are_built() -> bool {
    let are_built = folder().join("javascript_pinger.wasm").is_file();
    if !are_built {
        eprintln!("not tested: other languages than Rust (make languages)");
        assert!(env::var_os("UDPING_ALL_PEERS").is_none(), "CI has every language");
    }
    are_built
}

fn component(language: &str, program: &str) -> PathBuf {
    let name = format!("{}_{program}.wasm", language.to_lowercase().replace("rust ", ""));
    match name.as_str() {
        "std_echo.wasm" => file(&name, guests::STD_ECHO),
        "std_pinger.wasm" => file(&name, guests::STD_PINGER),
        "tokio_echo.wasm" => file(&name, guests::TOKIO_ECHO),
        "tokio_pinger.wasm" => file(&name, guests::TOKIO_PINGER),
        _ => folder().join(name),
    }
}

fn is_newer(made: &Path, sources: &[&Path]) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let is_older = |source: &&Path, made| time(source).is_ok_and(|source| source <= made);
    time(made).is_ok_and(|made| sources.iter().all(|source| is_older(source, made)))
}

/// The rows of the table for `runtime` are those of the document.
fn ping_each_other(runtime: Runtime) {
    let Some(program) = runtime.program().filter(|_| are_built()) else { return };
    let name = runtime.name();
    let prepared = |program_of: &str| {
        LANGUAGES.map(|language| runtime.prepared(&program, &component(language, program_of)))
    };
    let (echoes, pingers) = (prepared("echo"), prepared("pinger"));
    let mut rows = LANGUAGES.map(|pinger| format!("| {name} | {pinger} |"));
    for (echo, server) in LANGUAGES.iter().zip(&echoes) {
        let port = free_port().to_string();
        let _server = Server::listening(runtime.command(&program, server).arg(&port));
        for ((pinger, client), row) in LANGUAGES.iter().zip(&pingers).zip(&mut rows) {
            let reason =
                CANNOT.iter().find(|cell| (cell.0, cell.1, cell.2) == (&name, pinger, echo));
            let outcomes: Vec<_> = (0..ATTEMPTS)
                .map(|_| {
                    let mut command = runtime.command(&program, client);
                    run(command.arg(format!("127.0.0.1:{port}")))
                })
                .take_while(|outcome| {
                    !(outcome.stdout.contains("10 sent, 10 received") && outcome.code() == 0)
                })
                .collect();
            let works = outcomes.len() < ATTEMPTS;
            let is_expected = works == reason.is_none();
            assert!(is_expected, "{name}: {pinger} against {echo}: {reason:?}, {outcomes:?}");
            *row += &format!(" {} |", reason.map_or("yes", |cell| cell.3));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/languages.md");
    let document = fs::read_to_string(path).unwrap();
    let start = format!("| {name} |");
    let documented: Vec<_> = document.lines().filter(|line| line.starts_with(&start)).collect();
    println!("{}", rows.join("\n"));
    assert_eq!(documented, rows, "docs/languages.md has what was seen");
}

#[test]
fn languages_ping_each_other_under_this_host() {
    ping_each_other(Runtime::UdpingHost);
}

#[test]
fn languages_ping_each_other_under_wasmtime_36() {
    ping_each_other(Runtime::Wasmtime("36"));
}

#[test]
fn languages_ping_each_other_under_wasmtime_48() {
    ping_each_other(Runtime::Wasmtime("48"));
}

#[test]
fn languages_ping_each_other_under_wasmtime_49() {
    ping_each_other(Runtime::Wasmtime("49"));
}

#[test]
fn languages_ping_each_other_in_node() {
    ping_each_other(Runtime::Node);
}

/// The same sources, where there is no WASI.
#[test]
fn c_and_python_ping_each_other_natively() {
    if !are_built() {
        return;
    }
    let python = |program: &str| {
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python").join(program));
        command
    };
    let c = |program: &str| Command::new(folder().join("native").join(program));
    for (mut echo, mut pinger) in
        [(c("c_echo"), python("pinger.py")), (python("echo.py"), c("c_pinger"))]
    {
        let port = free_port().to_string();
        let _server = Server::listening(echo.arg(&port));
        let outcome = run(pinger.arg(format!("127.0.0.1:{port}")));
        assert!(outcome.stdout.contains("10 sent, 10 received"), "{pinger:?}: {outcome:?}");
    }
}

/// Who asks and is gone causes an ICMP error at the server's socket.
#[test]
fn an_echo_server_goes_on_after_icmp_errors() {
    if !are_built() {
        return;
    }
    for language in LANGUAGES {
        let component = component(language, "echo");
        Runtime::UdpingHost.prepared(&host_program(), &component);
        let port = free_port();
        let _server = Server::listening(udping_host().arg(component).arg(port.to_string()));
        let mut answer = [0; 10];
        for _ in 0..5 {
            let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
            gone.send_to(b"gone", ("127.0.0.1", port)).unwrap();
            drop(gone);
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.send_to(b"here", ("127.0.0.1", port)).unwrap();
            let length =
                socket.recv(&mut answer).unwrap_or_else(|error| panic!("{language}: {error}"));
            assert_eq!(&answer[..length], b"here", "{language}");
        }
    }
}

#[test]
fn wrong_usage_is_one_line_and_a_failure() {
    if !are_built() {
        return;
    }
    for language in LANGUAGES {
        for program in ["echo", "pinger"] {
            let component = component(language, program);
            Runtime::UdpingHost.prepared(&host_program(), &component);
            let outcome = run(udping_host().arg(component));
            assert_ne!(outcome.code(), 0, "{language}: {outcome:?}");
            assert!(outcome.only_error().contains("usage: "), "{language}: {outcome:?}");
        }
    }
}
