//! Files that others could have written are not obeyed, not run, and not used as a secret; and no
//! file is read beyond a maximum size.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use udping_tests::{CLIENT, Outcome, host_program, run, udping_host, with_address_space};

const POLICY: &str = "[grants]\nallow-listen = [\"12000\"]\n";
const LIST: &str = "127.0.0.1:12000\n";
const KEY: &str = "000102030405060708090a0b0c0d0e0f\n";

/// Another user.
const NOBODY: u32 = 65_534;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A folder with a file of each kind.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("policy", POLICY), ("list", LIST), ("key", KEY)] {
            fs::write(folder.path().join(name), text).unwrap();
            mode(&folder.path().join(name), 0o600);
        }
        let files = Self { folder };
        let outcome = run(udping_host().args(["compile", "client", "-o"]).arg(files.path("code")));
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Returns a command that runs, or shows its grants, by the file of that kind at `path`.
fn command(host: &Path, kind: &str, path: &Path) -> Command {
    let mut command = Command::new(host);
    match kind {
        "policy" => command.arg("--policy").arg(path).args(["grants", "server", "12000"]),
        "list" => command.arg("--targets").arg(path).args(["grants", "client"]),
        "key" => command.arg("--key-file").arg(path).args(["grants", "server", "12000"]),
        _ => command.arg(path).arg("--version"),
    };
    command
}

fn outcome(kind: &str, path: &Path) -> Outcome {
    run(&mut command(&host_program(), kind, path))
}

const KINDS: [&str; 4] = ["policy", "list", "key", "code"];

#[track_caller]
fn assert_passes(kind: &str, path: &Path) {
    let outcome = outcome(kind, path);
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{kind}: {outcome:?}");
}

#[track_caller]
fn assert_refused(kind: &str, outcome: &Outcome, reason: &str) {
    assert_eq!(outcome.code(), if kind == "code" { 5 } else { 2 }, "{kind}: {outcome:?}");
    assert!(outcome.only_error().contains(reason), "{kind}: {outcome:?}");
    for blessing in ["chown", "chmod"] {
        assert!(!outcome.stderr.contains(blessing), "what others wrote stays theirs: {outcome:?}");
    }
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not tested: only root can give files away");
        assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
    }
    root
}

#[test]
fn what_everybody_can_write_is_refused() {
    let files = Files::new();
    for kind in KINDS {
        let path = files.path(kind);
        assert_passes(kind, &path);
        mode(&path, 0o602);
        assert_refused(
            kind,
            &outcome(kind, &path),
            &format!("every user can write {}", path.display()),
        );
        mode(&path, 0o600);
    }
    mode(files.folder.path(), 0o777);
    for kind in KINDS {
        let reason = format!("every user can write {}", files.folder.path().display());
        assert_refused(kind, &outcome(kind, &files.path(kind)), &reason);
    }
    // A folder further up counts, too, and so does the real one behind a link.
    let above = tempfile::tempdir().unwrap();
    let below = above.path().join("below");
    fs::create_dir(&below).unwrap();
    for kind in KINDS {
        fs::copy(files.path(kind), below.join(kind)).unwrap();
        let link = files.path("link");
        let _ = fs::remove_file(&link);
        symlink(below.join(kind), &link).unwrap();
        assert_passes(kind, &link);
        mode(above.path(), 0o777);
        for path in [&below.join(kind), &link] {
            assert_refused(
                kind,
                &outcome(kind, path),
                &format!("every user can write {}", above.path().display()),
            );
        }
        mode(above.path(), 0o755);
    }
}

#[test]
fn group_writable_files_are_rejected_except_policy_and_list() {
    let files = Files::new();
    for (folder, file) in [(0o700, 0o660), (0o770, 0o600)] {
        mode(files.folder.path(), folder);
        for kind in KINDS {
            let path = files.path(kind);
            mode(&path, file);
            let outcome = outcome(kind, &path);
            let can_write = format!("its group can write {}", files.folder.path().display());
            if matches!(kind, "policy" | "list") {
                assert_eq!(outcome.code(), 0, "{outcome:?}");
                assert!(
                    outcome.only_error().starts_with("udping-host: warning: --"),
                    "{outcome:?}"
                );
                assert!(outcome.only_error().contains(&can_write), "{outcome:?}");
            } else {
                assert_refused(kind, &outcome, &can_write);
            }
            mode(&path, 0o600);
        }
    }
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    if !is_root() {
        return;
    }
    let files = Files::new();
    for kind in KINDS {
        let path = files.path(kind);
        chown(&path, Some(NOBODY), None).unwrap();
        assert_refused(
            kind,
            &outcome(kind, &path),
            &format!("{} belongs to user {NOBODY}", path.display()),
        );
        chown(&path, Some(0), None).unwrap();
    }
    chown(files.folder.path(), Some(NOBODY), None).unwrap();
    for kind in KINDS {
        let reason = format!("{} belongs to user {NOBODY}", files.folder.path().display());
        assert_refused(kind, &outcome(kind, &files.path(kind)), &reason);
    }
}

#[test]
fn under_sudo_a_policy_and_a_list_may_be_the_callers() {
    if !is_root() {
        return;
    }
    let files = Files::new();
    chown(files.folder.path(), Some(NOBODY), None).unwrap();
    for kind in KINDS {
        chown(files.path(kind), Some(NOBODY), None).unwrap();
        let mut command = command(&host_program(), kind, &files.path(kind));
        let outcome = run(command.env("SUDO_UID", NOBODY.to_string()));
        if matches!(kind, "policy" | "list") {
            assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
        } else {
            assert_refused(kind, &outcome, &format!("belongs to user {NOBODY}"));
        }
    }
    // Without root, anyone could set it to anything.
    let program = tempfile::tempdir().unwrap();
    let host = host_for_all(program.path());
    let policy = program.path().join("policy");
    fs::write(&policy, POLICY).unwrap();
    chown(&policy, Some(NOBODY - 1), None).unwrap();
    let mut command = command(&host, "policy", &policy);
    let outcome = run(command.env("SUDO_UID", (NOBODY - 1).to_string()).uid(NOBODY).gid(NOBODY));
    assert_refused("policy", &outcome, &format!("belongs to user {}", NOBODY - 1));
}

#[test]
fn a_sticky_folder_passes() {
    let files = Files::new();
    mode(files.folder.path(), 0o1777);
    for kind in KINDS {
        assert_passes(kind, &files.path(kind));
    }
    if is_root() {
        for kind in KINDS {
            chown(files.path(kind), Some(NOBODY), None).unwrap();
            assert_refused(kind, &outcome(kind, &files.path(kind)), "belongs to user");
        }
    }
}

/// Copies the program to where every user can run it.
fn host_for_all(folder: &Path) -> PathBuf {
    let host = folder.join("udping-host");
    fs::copy(host_program(), &host).unwrap();
    mode(&host, 0o755);
    mode(folder, 0o755);
    host
}

/// A volume as in Kubernetes: root's files, in a dated folder, to which `..data` links.
fn volume(folder: &Path, files: &Files, folder_mode: u32, file_mode: u32, group: u32) {
    let dated = folder.join("..2026_11_26_09_00_00.1234567890");
    fs::create_dir(&dated).unwrap();
    mode(&dated, 0o755);
    symlink(dated.file_name().unwrap(), folder.join("..data")).unwrap();
    for kind in KINDS {
        let path = dated.join(kind);
        fs::copy(files.path(kind), &path).unwrap();
        chown(&path, Some(0), Some(group)).unwrap();
        mode(&path, file_mode);
        symlink(Path::new("..data").join(kind), folder.join(kind)).unwrap();
    }
    chown(folder, Some(0), Some(group)).unwrap();
    mode(folder, folder_mode);
}

#[test]
fn a_secret_and_a_config_map_of_kubernetes_pass() {
    if !is_root() {
        return;
    }
    let (files, program) = (Files::new(), tempfile::tempdir().unwrap());
    let host = host_for_all(program.path());
    let group = 2_000;
    // A Secret is on a tmpfs, with that mode; its files belong to the pod's group (fsGroup).
    let secret = tempfile::tempdir().unwrap();
    volume(secret.path(), &files, 0o3777, 0o440, group);
    // A ConfigMap is on the node's disk, with the mode of an emptyDir, and mounted read-only.
    let config_map = tempfile::tempdir().unwrap();
    volume(config_map.path(), &files, 0o777, 0o644, 0);
    for user in [0, NOBODY] {
        for kind in KINDS {
            let mut command = command(&host, kind, &secret.path().join(kind));
            let outcome = run(command.uid(user).gid(group));
            assert_eq!(
                (outcome.code(), outcome.stderr.as_str()),
                (0, ""),
                "{kind} of a Secret: {outcome:?}"
            );
        }
    }
    for kind in ["policy", "list"] {
        let path = config_map.path().join(kind);
        let host_command = command(&host, kind, &path);
        let mut mounted = Command::new("unshare");
        let script =
            "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"";
        mounted.args(["--mount", "sh", "-c", script, "sh"]).arg(config_map.path());
        mounted.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        let outcome = run(mounted.arg(host_command.get_program()).args(host_command.get_args()));
        assert_eq!(
            (outcome.code(), outcome.stderr.as_str()),
            (0, ""),
            "{kind} of a ConfigMap: {outcome:?}"
        );
        // The mount protects it.
        assert_refused(kind, &self::outcome(kind, &path), "every user can write");
    }
}

/// Runs `script` in bash, with the host, one of its options and a file as $1 to $3.
fn by_shell(script: &str, words: [&Path; 2]) -> Outcome {
    run(Command::new("bash").args(["-c", script, "bash"]).arg(host_program()).args(words))
}

#[test]
fn pipes_and_descriptors_that_are_handed_over_pass() {
    let files = Files::new();
    fs::write(files.path("wasm"), CLIENT.bytes).unwrap();
    let handed_over = [
        "<(cat \"$2\")",
        "/dev/stdin < <(cat \"$2\")",
        "/dev/stdin < \"$2\"",
        "/dev/fd/7 7< \"$2\"",
    ];
    for way in handed_over {
        for (kind, script) in [
            ("policy", format!("\"$1\" --policy {way} grants server 12000")),
            ("list", format!("\"$1\" --targets {way} grants client")),
            ("key", format!("\"$1\" --key-file {way} grants server 12000")),
            ("code", format!("\"$1\" run {way} --version")),
            ("wasm", format!("\"$1\" run {way} --version")),
        ] {
            // So that redirections come last.
            let script = match script.split_once(way) {
                Some((before, after)) if way.starts_with("/dev") => {
                    let (path, redirection) = way.split_once(' ').unwrap();
                    format!("{before}{path}{after} {redirection}")
                }
                _ => script,
            };
            let outcome = by_shell(&script, [&files.path(kind), Path::new("")]);
            assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{script}: {outcome:?}");
        }
    }
    let list = by_shell(
        "\"$1\" --targets - grants client < <(cat \"$2\")",
        [&files.path("list"), Path::new("")],
    );
    assert_eq!((list.code(), list.stderr.as_str()), (0, ""), "{list:?}");
    // A file that everyone can write can be written while it is open, too.
    for kind in ["policy", "list", "key", "code"] {
        mode(&files.path(kind), 0o606);
    }
    for script in [
        "\"$1\" --targets - grants client < \"$2\"",
        "\"$1\" --targets /dev/stdin grants client < \"$2\"",
    ] {
        assert_refused(
            "list",
            &by_shell(script, [&files.path("list"), Path::new("")]),
            "every user can write /dev/stdin",
        );
    }
    let code =
        by_shell("\"$1\" run /dev/fd/7 --version 7< \"$2\"", [&files.path("code"), Path::new("")]);
    assert_refused("code", &code, "every user can write /dev/fd/7");
}

#[test]
fn no_file_is_read_without_end() {
    for (kind, problem) in [
        ("policy", "/dev/zero: is larger than 1.0 MiB"),
        ("list", "--targets /dev/zero: is larger than 4.0 MiB"),
        ("key", "--key-file /dev/zero: contains no key"),
        ("code", "/dev/zero: is not WebAssembly"),
    ] {
        let outcome = run(&mut with_address_space(
            4_096,
            &command(&host_program(), kind, Path::new("/dev/zero")),
        ));
        assert_refused(kind, &outcome, problem);
    }
    let endless = by_shell(
        "\"$1\" --targets - grants client < <(yes 127.0.0.1:7)",
        [Path::new(""), Path::new("")],
    );
    assert_refused("list", &endless, "--targets -: is larger than 4.0 MiB");
}

#[test]
fn to_wait_for_a_pipe_is_said() {
    let files = Files::new();
    let pipe = files.path("pipe");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    let mut command = command(&host_program(), "policy", &pipe);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let expected = format!(
        "udping-host: waiting for {}, a pipe that nothing was written to yet\n",
        pipe.display()
    );
    assert_eq!(line, expected);
    fs::write(&pipe, POLICY).unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(stdout.contains("  listen on 12000\n"), "{stdout}");
}

#[test]
fn compiled_file_is_runnable_whatever_umask_or_previous_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x.cwasm");
    fs::write(&output, "before").unwrap();
    mode(&output, 0o666);
    let link = folder.path().join("link.cwasm");
    symlink("x.cwasm", &link).unwrap();
    for path in [&output, &link] {
        let outcome =
            by_shell("umask 0; exec \"$1\" compile client -o \"$2\"", [path, Path::new("")]);
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
        assert_passes("code", &output);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        mode(&output, 0o666);
    }
    let shell = by_shell("\"$1\" compile client -o /dev/stdout > \"$2\"", [&output, Path::new("")]);
    assert_eq!((shell.code(), shell.stderr.as_str()), (0, ""), "{shell:?}");
    mode(folder.path(), 0o777);
    let outcome = by_shell("exec \"$1\" compile client -o \"$2\"", [&output, Path::new("")]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let said = format!("every user can write {}", folder.path().display());
    assert!(
        outcome.only_error().contains("is not run from there")
            && outcome.only_error().ends_with(&said),
        "{outcome:?}"
    );
    assert!(File::open(&output).unwrap().metadata().unwrap().len() > 1_000);
}
