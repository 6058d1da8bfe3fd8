//! Keys under udping-host: from its environment or a file, to which components they are passed, and
//! how they are rotated while client and server run.

use std::fs::{self, File, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use udping_tests::proc::{assert_restricted, has_ended};
use udping_tests::{CLIENT, Outcome, Process, Server, file, guests, run, udping_host, until};

const OLD: &str = "000102030405060708090a0b0c0d0e0f";
const NEW: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
const KEY: &str = "UDPING_KEY";

/// Returns udping-host with `key` in its own environment.
fn with_variable(key: &str) -> Command {
    let mut command = udping_host();
    command.env(KEY, key);
    command
}

/// Runs pings of a client that has `key`, or none.
fn ping(server: &Server, key: Option<&str>, options: &[&str]) -> Outcome {
    let mut command = udping_host();
    if let Some(key) = key {
        command.env(KEY, key);
    }
    run(command
        .arg("client")
        .args(server.host_and_port())
        .args(["-i", "20ms", "-W", "500ms"])
        .args(options))
}

/// The number of pings sent, and of those answered.
#[track_caller]
fn counts(outcome: &Outcome) -> (u32, u32) {
    let summary = outcome.lines_with(" duplicates, ").concat();
    let mut counts =
        summary.split(", ").map(|part| part.split(' ').next().and_then(|count| count.parse().ok()));
    let counts = counts.next().flatten().zip(counts.next().flatten());
    counts.unwrap_or_else(|| panic!("no summary: {outcome:?}"))
}

/// Whether `server` answers all pings, or none, of a client with `key`.
#[track_caller]
fn answers(server: &Server, key: Option<&str>, options: &[&str]) -> bool {
    let outcome = ping(server, key, &[&["-c", "2"], options].concat());
    let (sent, received) = counts(&outcome);
    assert!(sent > 0 && [0, sent].contains(&received), "neither all nor none: {outcome:?}");
    received > 0
}

#[test]
fn a_key_in_the_hosts_environment_is_the_built_in_components() {
    for protocol in ["text", "stamp"] {
        let options = ["--protocol", protocol];
        let mut command = with_variable(OLD);
        let server =
            Server::listening(command.args(["server", "0", "--bind", "127.0.0.1"]).args(options));
        let keyed = ping(&server, Some(OLD), &[&options[..], &["-c", "1"]].concat());
        assert_eq!(counts(&keyed), (1, 1), "{keyed:?}");
        assert!(
            keyed.stdout.lines().next().unwrap().ends_with("-byte datagrams, keyed"),
            "{keyed:?}"
        );
        assert!(!answers(&server, Some(NEW), &options));
        let open = ping(&server, None, &[&options[..], &["-c", "1"]].concat());
        assert_eq!(counts(&open), (1, 0), "{open:?}");
        assert!(!open.stdout.contains("keyed"), "{open:?}");
        let two = format!("{NEW},{OLD}");
        let mut command = with_variable(&two);
        let rotating =
            Server::listening(command.args(["server", "0", "--bind", "127.0.0.1"]).args(options));
        assert!(answers(&rotating, Some(OLD), &options) && answers(&rotating, Some(NEW), &options));
        assert!(!answers(&server, Some(&two), &options), "the first of two tags pings");
        let json =
            ping(&server, Some(OLD), &[&options[..], &["-c", "1", "--format", "json"]].concat());
        assert!(
            json.stdout.contains("\"keyed\": true") || json.stdout.contains("\"keyed\":true"),
            "{json:?}"
        );
    }
}

#[test]
fn the_first_line_of_a_server_says_whether_it_is_keyed() {
    let mut server =
        Process::start(with_variable(OLD).args(["server", "0", "--bind", "127.0.0.1"]));
    assert!(server.line().ends_with(" (udp), echoing, keyed"));
    let mut server = Process::start(udping_host().args(["server", "0", "--bind", "127.0.0.1"]));
    assert!(server.line().ends_with(" (udp), echoing"));
}

#[test]
fn what_is_no_key_in_the_hosts_environment_stops_the_start() {
    let three = [OLD; 3].join(",");
    for (value, problem) in [
        ("", "contains no key: "),
        ("secret", "contains no key: "),
        (&OLD[1..], "contains no key: "),
        (&OLD[2..], "contains no key: "),
        (&OLD.repeat(5), "contains no key: "),
        (&format!("{OLD},"), "contains no key: "),
        (&three, "holds more than two keys: "),
    ] {
        for arguments in
            [&["server", "0", "--bind", "127.0.0.1"][..], &["client", "127.0.0.1", "9", "-c", "1"]]
        {
            let outcome = run(with_variable(value).args(arguments));
            assert_eq!(
                (outcome.code(), outcome.stdout.as_str()),
                (2, ""),
                "{value:?}: {outcome:?}"
            );
            assert!(
                outcome.only_error().starts_with(&format!("udping-host: UDPING_KEY: {problem}")),
                "{outcome:?}"
            );
            assert!(value.is_empty() || !outcome.stderr.contains(value), "{outcome:?}");
        }
    }
}

/// Replaces a file by one with `text`, atomically, as an operator would.
fn write_keys(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&new, path).unwrap();
}

fn key_file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    write_keys(&path, text);
    path
}

#[test]
fn a_key_file_goes_before_the_variable() {
    let folder = TempDir::new().unwrap();
    let path = key_file(&folder, "key", &format!("# since May\n{OLD}\n\n"));
    for variable in [NEW, "no key"] {
        let mut command = with_variable(variable);
        let server = Server::listening(command.arg("--key-file").arg(&path).args([
            "server",
            "0",
            "--bind",
            "127.0.0.1",
        ]));
        assert!(answers(&server, Some(OLD), &[]));
        assert!(!answers(&server, Some(NEW), &[]));
    }
}

#[test]
fn component_file_gets_the_key_only_with_env_flag_or_key_file() {
    let component = file("client.wasm", CLIENT.bytes);
    let pinged = |flags: &[&str]| {
        let mut command = with_variable(OLD);
        run(command.args(flags).arg(&component).args(["127.0.0.1", "9", "-c", "1", "-W", "50ms"]))
    };
    let without = pinged(&[]);
    let warning = "udping-host: UDPING_KEY is set, and client.wasm does not get it; to hand it over: --env UDPING_KEY";
    assert_eq!(without.only_error(), warning);
    assert!(!without.stdout.contains("keyed"), "{without:?}");
    let with = pinged(&["--env", "UDPING_KEY"]);
    assert!(with.stderr.is_empty() && with.stdout.contains(", keyed\n"), "{with:?}");
    let folder = TempDir::new().unwrap();
    let path = key_file(&folder, "key", NEW);
    let from_file = pinged(&["--key-file", path.to_str().unwrap()]);
    assert!(from_file.stderr.is_empty() && from_file.stdout.contains(", keyed\n"), "{from_file:?}");
}

/// The guest that prints its variables.
fn writing(flags: &[&str], actions: &[&str]) -> Command {
    let mut command = udping_host();
    command
        .args(["--allow-to", "192.0.2.1:9"])
        .args(flags)
        .arg(file("writes.wasm", guests::WRITES))
        .args(actions);
    command
}

#[test]
fn variables_are_handed_over_one_by_one() {
    let flags = [
        "--env", "COLOUR", "--env", "SIZE=a=b", "--env", "EMPTY=", "--env", "SIZE=c", "--env",
        "COLOUR",
    ];
    let outcome = run(writing(&flags, &["env"]).env("COLOUR", "grün").env("OTHER", "secret"));
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("UDPING_HOST="), "{outcome:?}");
    assert_eq!(lines[1..], ["EMPTY=", "SIZE=c", "COLOUR=grün"], "{outcome:?}");
}

#[test]
fn what_cannot_be_handed_over_is_one_line() {
    let folder = TempDir::new().unwrap();
    let path = key_file(&folder, "key", OLD);
    let path = path.to_str().unwrap();
    for (flags, message) in [
        (
            &["--env", "MISSING"][..],
            "--env MISSING: there is no such variable: set it, or write --env MISSING=VALUE",
        ),
        (&["--env", "=x"], "--env: a variable has a name: write --env NAME, or --env NAME=VALUE"),
        (&["--env", "UDPING_HOST=1"], "--env UDPING_HOST: this host sets it itself"),
        (
            &["--env", &format!("UDPING_KEY={OLD}")],
            "--env UDPING_KEY=...: every user of the machine can read arguments: set the variable, and write --env UDPING_KEY",
        ),
        (
            &["--env", KEY, "--key-file", path],
            "--key-file and --env UDPING_KEY both give it a key: leave one out",
        ),
    ] {
        let outcome = run(writing(flags, &["env"]).env(KEY, NEW));
        assert_eq!(
            (outcome.code(), outcome.only_error()),
            (2, format!("udping-host: {message}").as_str()),
            "{outcome:?}"
        );
    }
    let outcome = run(writing(&["--env", KEY], &["env"]).env_remove(KEY));
    assert_eq!(
        outcome.only_error(),
        "udping-host: --env UDPING_KEY: there is no such variable: set it"
    );
}

/// Returns udping-host with its standard error in a file, to be read while it runs: the harness
/// uses a pipe.
fn with_stderr_in(path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" 2>\"$0\""]).arg(path).arg(udping_tests::host_program());
    command
}

/// A server that has its keys in a file, and its audit trail in another.
struct Rotating {
    server: Server,
    keys: PathBuf,
    trail: PathBuf,
    _folder: TempDir,
}

impl Rotating {
    fn start(flags: &[&str], port: u16, options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let (keys, trail) = (key_file(&folder, "key", OLD), folder.path().join("trail"));
        let mut command = with_stderr_in(&trail);
        command.args(["--log", "json", "--key-file"]).arg(&keys).args(flags);
        let server = Server::listening(
            command.args(["server", &port.to_string(), "--bind", "127.0.0.1"]).args(options),
        );
        Self { server, keys, trail, _folder: folder }
    }

    fn trail(&self) -> String {
        fs::read_to_string(&self.trail).unwrap()
    }

    /// Has the server read its key file again, and waits until it reports `said` once more.
    fn hang_up(&self, said: &str) {
        let count = || self.trail().matches(said).count();
        let before = count();
        self.server.process.signal(Signal::HUP);
        until(|| (count() > before).then_some(()));
    }

    /// Gives it other keys.
    fn rotate(&self, keys: &[&str]) {
        write_keys(&self.keys, &keys.join("\n"));
        self.hang_up(&format!("\"message\":\"keys re-read: {}\"", keys.len()));
    }
}

/// A port that is free now.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn keys_are_replaced_at_a_hangup_without_a_restart() {
    for (flags, options, pings) in [
        (&[][..], &[][..], &[][..]),
        (&[], &["--protocol", "stamp", "--stateful"], &["--protocol", "stamp"]),
        (&["--workers", "2"], &[], &[]),
        (&["--restart", "on-trap", "--no-harden"], &[], &[]),
    ] {
        let rotating = Rotating::start(flags, free_port(), options);
        // Each source port may go to a different worker.
        let ports = if flags.contains(&"--workers") { 12 } else { 1 };
        let answers = |key: &str| {
            let each: Vec<_> =
                (0..ports).map(|_| answers(&rotating.server, Some(key), pings)).collect();
            if each.iter().all(|answered| *answered == each[0]) { Some(each[0]) } else { None }
        };
        let both = || (answers(OLD), answers(NEW));
        assert_eq!(both(), (Some(true), Some(false)), "{flags:?}");
        rotating.rotate(&[OLD, NEW]);
        // Workers are notified one after the other.
        until(|| (both() == (Some(true), Some(true))).then_some(()));
        rotating.rotate(&[NEW]);
        until(|| (both() == (Some(false), Some(true))).then_some(()));
        let trail = rotating.trail();
        assert!(!trail.contains(OLD) && !trail.contains(NEW), "{trail}");
        assert_eq!(trail.matches("\"event\":\"keys\"").count(), 2, "{trail}");
        assert_eq!(rotating.server.stop().code(), 0);
    }
}

#[test]
fn while_keys_are_replaced_on_both_sides_no_ping_is_lost() {
    for protocol in ["text", "stamp"] {
        let rotating = Rotating::start(&[], 0, &["--protocol", protocol]);
        let folder = TempDir::new().unwrap();
        let keys = key_file(&folder, "key", OLD);
        let trail = folder.path().join("trail");
        let mut command = with_stderr_in(&trail);
        command
            .args(["--log", "json", "--key-file"])
            .arg(&keys)
            .arg("client")
            .args(rotating.server.host_and_port());
        let mut client =
            Process::start(command.args(["-c", "0", "-i", "5ms", "--protocol", protocol]));
        let mut answered =
            |count: usize| (0..count).for_each(|_| while !client.line().contains(" rtt=") {});
        answered(20);
        rotating.rotate(&[OLD, NEW]);
        answered(20);
        write_keys(&keys, NEW);
        client.signal(Signal::HUP);
        until(|| fs::read_to_string(&trail).unwrap().contains("keys re-read: 1").then_some(()));
        // Pings with the old key are still outstanding.
        let mut answered =
            |count: usize| (0..count).for_each(|_| while !client.line().contains(" rtt=") {});
        answered(100);
        rotating.rotate(&[NEW]);
        answered(50);
        client.signal(Signal::TERM);
        let outcome = client.wait();
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        assert_eq!(
            outcome.lines_with(" 0 lost (0.0 %), 0 duplicates, 0 late").len(),
            1,
            "{outcome:?}"
        );
        assert!(!outcome.stdout.contains("foreign"), "{outcome:?}");
    }
}

#[test]
fn key_file_without_a_usable_key_keeps_previous_keys_in_force() {
    let rotating = Rotating::start(&[], 0, &[]);
    let stay = "; the keys from before stay in force";
    write_keys(&rotating.keys, "no key\n");
    rotating.hang_up(&format!(
        "contains no key: write 32 to 128 hexadecimal digits, as `openssl rand -hex 32` does{stay}"
    ));
    write_keys(&rotating.keys, NEW);
    fs::set_permissions(&rotating.keys, Permissions::from_mode(0o644)).unwrap();
    rotating.hang_up(&format!("everybody can read it: `chmod o-r` it, and make a new key{stay}"));
    fs::remove_file(&rotating.keys).unwrap();
    rotating.hang_up(stay);
    assert!(answers(&rotating.server, Some(OLD), &[]));
    assert!(!answers(&rotating.server, Some(NEW), &[]));
    write_keys(&rotating.keys, NEW);
    rotating.hang_up("keys re-read: 1");
    until(|| answers(&rotating.server, Some(NEW), &[]).then_some(()));
}

#[test]
fn restarted_component_gets_new_keys_and_running_one_is_told() {
    let folder = TempDir::new().unwrap();
    let keys = key_file(&folder, "key", OLD);
    let flags = ["--key-file", keys.to_str().unwrap(), "--restart", "on-trap"];
    let mut process =
        Process::start(udping_host().args(flags).arg(file("heeds.wasm", guests::HEEDS)).arg("env"));
    let shown = |process: &mut Process, expected: &str| {
        // The environment contains facts of the host, too.
        let line = (0..8).map(|_| process.line()).find(|line| line.starts_with("UDPING_KEY="));
        assert_eq!(line, Some(format!("UDPING_KEY={expected}")));
    };
    shown(&mut process, OLD);
    write_keys(&keys, &format!("{NEW}\n{OLD}\n"));
    process.signal(Signal::HUP);
    shown(&mut process, &format!("{NEW},{OLD}"));
    shown(&mut process, &format!("{NEW},{OLD}"));
}

#[test]
fn without_a_key_file_a_hangup_ends_the_run_as_it_always_did() {
    let server = Server::listening(with_variable(OLD).args(["server", "0", "--bind", "127.0.0.1"]));
    server.process.signal(Signal::HUP);
    let outcome = server.process.wait();
    assert_eq!(
        (outcome.code(), outcome.stdout.as_str()),
        (0, "0 received, 0 answered, 0 dropped\n"),
        "{outcome:?}"
    );
}

/// The only child process of `parent`.
fn child_of(parent: Pid) -> i32 {
    let parent = parent.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.trim().parse().unwrap()
}

#[test]
fn key_reader_has_no_privileges_or_key_and_ends_with_the_host() {
    let rotating = Rotating::start(&[], 0, &[]);
    let reader = child_of(rotating.server.process.pid());
    // It restricts itself as soon as it runs.
    rotating.hang_up("keys re-read: 1");
    assert_restricted(reader);
    assert_eq!(fs::read(format!("/proc/{reader}/environ")).unwrap(), b"");
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        kill_process(Pid::from_raw(reader).unwrap(), signal).unwrap();
    }
    rotating.hang_up("keys re-read: 1");
    rotating.server.process.signal(Signal::KILL);
    until(|| has_ended(reader).then_some(()));
}

/// It reads files in the folder of the key file only, even if the path has become a link.
#[test]
fn who_reads_the_file_again_reads_in_its_folder_alone() {
    for flags in [&[][..], &["--no-harden"]] {
        let (rotating, elsewhere) = (Rotating::start(flags, 0, &[]), TempDir::new().unwrap());
        let other = key_file(&elsewhere, "other", NEW);
        // It restricts itself as soon as it runs, to the folders of the path at that time.
        rotating.hang_up("keys re-read: 1");
        fs::remove_file(&rotating.keys).unwrap();
        std::os::unix::fs::symlink(&other, &rotating.keys).unwrap();
        rotating.hang_up("Permission denied (os error 13); the keys from before stay in force");
        let beside = rotating.keys.with_file_name("beside");
        fs::copy(&other, &beside).unwrap();
        fs::remove_file(&rotating.keys).unwrap();
        std::os::unix::fs::symlink(&beside, &rotating.keys).unwrap();
        rotating.hang_up("keys re-read: 1");
        until(|| answers(&rotating.server, Some(NEW), &[]).then_some(()));
    }
}

/// Between the start and the first instance, a SIGHUP must neither be lost nor end the run: a
/// service manager may be fast.
#[test]
fn a_hangup_while_it_starts_is_no_end() {
    for _ in 0..5 {
        let folder = TempDir::new().unwrap();
        let (keys, trail) = (key_file(&folder, "key", OLD), folder.path().join("trail"));
        let mut command = udping_host();
        command.args(["--log", "json", "--key-file"]).arg(&keys).args([
            "server",
            "0",
            "--bind",
            "127.0.0.1",
        ]);
        command.stdout(std::process::Stdio::null()).stderr(File::create(&trail).unwrap());
        let mut child = command.spawn().unwrap();
        // Its first message comes before it compiles, or is restricted.
        until(|| fs::read_to_string(&trail).unwrap().contains("\"started\"").then_some(()));
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::HUP).unwrap();
        until(|| fs::read_to_string(&trail).unwrap().contains("keys re-read: 1").then_some(()));
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
