//! Messages of this host and output of a component: one cannot be taken for the other, whatever a
//! component writes and whatever its name.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use udping_tests::{Outcome, Process, file, guests, run, udping_host, until};

/// A forged event, which a component would pass off as the host's.
const FORGED: &str = r#"{"timestamp":"2026-11-23T14:41:48.419778Z","level":"INFO","message":"x ended","event":"ended","component":"x","code":0}"#;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The argument that makes the guest write `text` to standard error.
fn err(text: impl AsRef<[u8]>) -> String {
    format!("err:{}", hex(text.as_ref()))
}

fn out(text: impl AsRef<[u8]>) -> String {
    format!("out:{}", hex(text.as_ref()))
}

/// Returns a command for the guest that does what `actions` say, with next to no grants.
fn writing(flags: &[&str], actions: &[String]) -> Command {
    let mut command = udping_host();
    command.args(["--allow-to", "192.0.2.1:9"]).args(flags);
    command.arg(file("writes.wasm", guests::WRITES)).args(actions);
    command
}

fn refused() -> String {
    "refused".to_owned()
}

fn events(stderr: &str) -> Vec<Value> {
    stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
        .collect()
}

/// Fails if `text` contains something that controls a terminal, ends a line early, or changes the
/// direction of text.
#[track_caller]
fn assert_printable(text: &str) {
    let unprintable = |c: char| {
        (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{2028}'
    };
    assert!(!text.contains(unprintable), "{text:?}");
}

#[test]
fn component_stderr_is_recorded_as_its_own_kind_of_event() {
    let actions = [
        err(format!("{FORGED}\n")),
        err(b"\x1b[2J\xff\\x41\n"),
        err("to be con"),
        refused(),
        err("tinued\u{202e}\n\n"),
        err("half a li"),
    ];
    let outcome = run(&mut writing(&["--log", "json"], &actions));
    assert_printable(&outcome.stderr);
    let events = events(&outcome.stderr);
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = [
        "started",
        "stderr",
        "stderr",
        "denied",
        "stderr",
        "stderr",
        "stderr",
        "denied_total",
        "ended",
    ];
    assert_eq!(kinds, expected, "{outcome:?}");
    let lines: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "stderr")
        .map(|event| &event["line"])
        .collect();
    assert_eq!(lines, [FORGED, r"\u{1b}[2J\xff\\x41", r"to be continued\u{202e}", "", "half a li"]);
    assert!(
        events
            .iter()
            .all(|event| event["component"].as_str().is_none_or(|name| name == "writes.wasm")),
        "{outcome:?}"
    );
}

#[test]
fn text_trail_quotes_everything_a_component_wrote() {
    let forged = "2026-11-23T14:41:48.419778Z  INFO x.wasm ended: success event=\"ended\"";
    let actions = [err(format!("{forged}\n\x1b[2J\" event=\"ended\n")), err("open"), refused()];
    let outcome = run(&mut writing(&["--log", "text"], &actions));
    assert_printable(&outcome.stderr);
    let lines: Vec<_> = outcome.stderr.lines().collect();
    let written = |line: &&&str| {
        line.contains(
            " INFO writes.wasm wrote to stderr event=\"stderr\" component=\"writes.wasm\" line=\"",
        )
    };
    assert_eq!(lines.iter().filter(written).count(), 3, "{outcome:?}");
    assert!(lines.iter().all(|line| !line.starts_with("2026-11-23T")), "{outcome:?}");
    assert_eq!(
        lines.iter().filter(|line| line.contains(" event=\"ended\"")).count(),
        1,
        "{outcome:?}"
    );
}

/// As under a service manager, or with `2>&1`.
#[test]
fn stdout_is_recorded_when_it_is_the_same_file_as_the_trail() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("both");
    let both = File::create(&path).unwrap();
    let actions = [out(format!("{FORGED}\nhalf")), refused()];
    let mut command = writing(&["--log", "json"], &actions);
    let status = command
        .stdin(Stdio::null())
        .stdout(both.try_clone().unwrap())
        .stderr(both)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    let events = events(&fs::read_to_string(&path).unwrap());
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "stdout", "denied", "stdout", "denied_total", "ended"]);
    assert_eq!((&events[1]["line"], &events[3]["line"]), (&FORGED.into(), &"half".into()));
    // Otherwise standard output is the component's own.
    let apart = run(&mut writing(&["--log", "json"], &actions));
    assert_eq!(apart.stdout, format!("{FORGED}\nhalf"));
}

#[test]
fn a_flood_of_empty_lines_is_not_a_flood_of_records() {
    let outcome = run(&mut writing(&["--log", "json"], &[err("\n".repeat(30_000))]));
    let records = events(&outcome.stderr).iter().filter(|event| event["event"] == "stderr").count();
    assert!((100..1_000).contains(&records), "{records}");
}

#[test]
fn without_a_record_of_its_start_a_run_does_not_start() {
    let mut command = writing(&["--log", "json"], &[out("it ran")]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let outcome =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(full).output().unwrap();
    assert_eq!((outcome.status.code(), &*outcome.stdout), (Some(2), &b""[..]));
}

#[test]
fn records_lost_on_a_full_disk_are_counted_in_the_trail() {
    let folder = "mount -t tmpfs -o size=16k none /mnt && head -c 8192 /dev/zero >/mnt/other && exec \"$@\" 2>/mnt/log";
    let host = writing(
        &["--log", "json"],
        &[err("a line\n".repeat(50)), out("written\n"), "waits".to_owned()],
    );
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", folder, "sh"])
        .arg(host.get_program())
        .args(host.get_args());
    let mut process = Process::start(&mut command);
    assert_eq!(process.line(), "written");
    let root = PathBuf::from(format!("/proc/{}/root/mnt", process.pid().as_raw_nonzero()));
    // The file system exists as long as one of its files is open.
    let log = File::open(root.join("log")).unwrap();
    fs::remove_file(root.join("other")).unwrap();
    process.signal(Signal::TERM);
    thread::sleep(Duration::from_millis(300));
    process.signal(Signal::TERM);
    process.wait();
    let log = io::read_to_string(log).unwrap();
    // One record may be truncated.
    let (records, torn): (Vec<_>, Vec<_>) =
        log.lines().map(serde_json::from_str::<Value>).partition(Result::is_ok);
    let records: Vec<_> = records.into_iter().flatten().collect();
    assert!(torn.len() <= 1, "{log}");
    let written = records.iter().filter(|record| record["event"] == "stderr").count() as u64;
    let lost: u64 = records.iter().filter_map(|record| record["lost"].as_u64()).sum();
    assert!(written < 50 && written + lost == 50, "{written} written, {lost} lost: {log}");
    assert_eq!(records.iter().filter(|record| record["event"] == "ended").count(), 1, "{log}");
}

/// A process whose standard error is a file.
struct Logged {
    child: Child,
    path: PathBuf,
}

impl Logged {
    fn start(command: &mut Command, folder: &Path) -> Self {
        let path = folder.join("stderr");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&path).unwrap());
        Self { child: command.spawn().unwrap(), path }
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn unterminated_line_is_recorded_while_the_component_runs() {
    let folder = TempDir::new().unwrap();
    let mut command = writing(&["--log", "json"], &[err("password: "), "waits".to_owned()]);
    let logged = Logged::start(&mut command, folder.path());
    let line = until(|| {
        let trail = fs::read_to_string(&logged.path).unwrap();
        let record = trail.lines().find(|line| line.contains("\"stderr\""))?;
        Some(events(record)[0]["line"].clone())
    });
    assert_eq!(line, "password: ");
}

#[test]
fn unfinished_line_is_ended_before_a_host_message() {
    let outcome = run(&mut writing(&[], &[err("half"), refused(), err("rest\n"), out("half")]));
    let lines: Vec<_> = outcome.stderr.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[2]), (3, "half", "rest"), "{outcome:?}");
    assert!(
        lines[1].starts_with("udping-host: refused: writes.wasm asked to listen on 192.0.2.7:53; "),
        "{outcome:?}"
    );
    assert_eq!(outcome.stdout, "half");
    let apart = run(&mut writing(&[], &[out("half"), refused()]));
    assert!(apart.stderr.starts_with("udping-host: refused: "), "they are two files: {apart:?}");
}

#[test]
fn that_holds_for_standard_output_too_where_both_are_one_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("both");
    let both = File::create(&path).unwrap();
    let mut command =
        writing(&[], &[out("half"), refused(), out("rest\n"), out("again"), err("x\n"), refused()]);
    let status = command
        .stdin(Stdio::null())
        .stdout(both.try_clone().unwrap())
        .stderr(both)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[2], lines[3]),
        (4, "half", "rest", "againx"),
        "{text}"
    );
    assert!(lines[1].starts_with("udping-host: refused: "), "{text}");
}

/// Runs `command` on a terminal of its own, as standard output and standard error.
fn on_a_terminal(command: &Command) -> String {
    let words: Vec<_> = [command.get_program()]
        .into_iter()
        .chain(command.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let mut script = Command::new("script");
    let outcome =
        run(script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]));
    outcome.stdout
}

#[test]
fn terminal_controls_written_by_a_component_are_replaced() {
    let controls = "a\x1b]0;title\x07\x1b[1A\x1b[2K\u{9b}2J\x08b";
    let shown =
        on_a_terminal(&writing(&[], &[err(controls), out(format!("\n{controls}")), refused()]));
    assert!(!shown.contains(['\x1b', '\x07', '\x08', '\u{9b}']), "{shown:?}");
    assert_eq!(
        shown
            .matches("a\u{fffd}]0;title\u{fffd}\u{fffd}[1A\u{fffd}[2K\u{fffd}2J\u{fffd}b\r\n")
            .count(),
        2,
        "{shown:?}"
    );
    assert!(shown.contains("\r\nudping-host: refused: "), "{shown:?}");
    // What is not a terminal gets every byte.
    let piped = run(&mut writing(&[], &[err(controls), out(controls)]));
    assert_eq!((piped.stderr.as_str(), piped.stdout.as_str()), (controls, controls));
}

/// A file name that would clear the terminal, and continue on a line of its own.
const NAME: &str = "a\x1b[2J\u{202e}\u{9b}1m\nudping-host: forged\u{2028}.wasm";

/// Checks that an outcome contains none of it unescaped.
#[track_caller]
fn assert_names_are_printable(outcome: &Outcome) {
    assert_printable(&outcome.stderr);
    assert_printable(&outcome.stdout);
    let said = outcome.stderr.lines().chain(outcome.stdout.lines());
    assert!(!said.clone().any(|line| line.starts_with("udping-host: forged")), "{outcome:?}");
    assert!(said.clone().any(|line| line.contains(r"\u{202e}")), "{outcome:?}");
}

#[test]
fn a_name_that_others_chose_controls_nothing() {
    let folder = TempDir::new().unwrap();
    let named = |content: &[u8]| {
        let path = folder.path().join(NAME);
        fs::write(&path, content).unwrap();
        path
    };
    let component = named(guests::WRITES);
    for log in [&[][..], &["--log", "text"], &["--log", "json"]] {
        let granted = ["--allow-to", "192.0.2.1:9"];
        assert_names_are_printable(&run(udping_host()
            .args(log)
            .args(granted)
            .arg(&component)
            .arg("refused")));
        assert_names_are_printable(&run(udping_host()
            .args(log)
            .args(granted)
            .arg(&component)
            .arg("trap")));
    }
    assert_names_are_printable(&run(udping_host().arg("grants").arg(&component)));
    let missing = folder.path().join("missing").join(NAME);
    for outcome in [
        run(udping_host().arg(&missing)),
        run(udping_host().arg("inspect").arg(&missing)),
        run(udping_host().arg("--policy").arg(&missing).args(["server", "0"])),
        run(udping_host().arg("--key-file").arg(&missing).args(["server", "0"])),
        run(udping_host().arg("--targets").arg(&missing).arg("client")),
        run(udping_host().args(["--allow-to", NAME, "server", "0"])),
        run(udping_host().args(["--no-such-\x1b[2J\u{202e}", "server", "0"])),
    ] {
        assert_names_are_printable(&outcome);
        outcome.only_error();
    }
    let listed = file("controls.targets", format!("{}:9\n", NAME.replace('\n', "")).as_bytes());
    assert_names_are_printable(&run(udping_host().arg("--targets").arg(&listed).arg("client")));
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, format!("[grants]\nallow-to = [{}]\n", Value::from(NAME))).unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o600)).unwrap();
    assert_names_are_printable(&run(udping_host()
        .arg("--policy")
        .arg(&policy)
        .args(["server", "0"])));
}

/// Names within a component are shown if it is not a component, cannot be linked, or is inspected.
#[test]
fn a_name_within_a_component_controls_nothing() {
    // The escapes are those of the WebAssembly text format.
    let name = r"\1b[2J\e2\80\ae\n";
    for (text, inspected) in [
        // A core module with an import that is not provided.
        (
            format!(
                r#"(component (core module $m (import "{name}" "f" (func))) (core instance (instantiate $m)))"#
            ),
            false,
        ),
        (format!(r#"(component (import "url=<https://{name}>" (func)))"#), true),
    ] {
        let component = udping_tests::wat(&format!("controls-{inspected}.wasm"), &text);
        for arguments in [&["inspect"][..], &["run"]] {
            assert_names_are_printable(&run(udping_host().args(arguments).arg(&component)));
        }
    }
}
