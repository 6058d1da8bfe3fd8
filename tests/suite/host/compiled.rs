//! Compiled components: made by `compile`, run unverified, and only if nobody else could have
//! written them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use udping_tests::{
    CLIENT, Outcome, Runtime, SERVER, SERVER_P3, Server, file, ping, run, udping_host,
};

/// A folder with `x.cwasm`, compiled from `component`.
fn compiled(component: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x.cwasm");
    let outcome = compile(component, &output);
    assert_eq!((outcome.code(), outcome.stdout.as_str(), outcome.stderr.as_str()), (0, "", ""));
    (folder, output)
}

fn compile(component: &str, output: &Path) -> Outcome {
    run(udping_host().args(["compile", component, "-o"]).arg(output))
}

#[test]
fn a_compiled_component_does_what_the_component_does() {
    let wasm = file("server.wasm", SERVER.bytes);
    // Of the other engine: machine code does not say which.
    let wasm_p3 = file("server-p3.wasm", SERVER_P3.bytes);
    for component in ["server", wasm.to_str().unwrap(), wasm_p3.to_str().unwrap()] {
        let (_folder, server) = compiled(component);
        let server =
            Server::listening(udping_host().arg(server).args(["0", "--bind", "127.0.0.1"]));
        let outcome = ping(Runtime::UdpingHost, &server, &["-c", "2", "-i", "10ms"]);
        assert_eq!(outcome.lines_with("seq=").len(), 2, "{outcome:?}");
        assert_eq!(server.stop().code(), 0);
    }
}

#[test]
fn inspect_reads_a_compiled_component() {
    let (_folder, client) = compiled("client");
    let of_the_component = run(udping_host().args(["inspect", "client"]));
    let of_the_compiled = run(udping_host().arg("inspect").arg(client));
    assert_eq!(of_the_compiled.code(), 0, "{of_the_compiled:?}");
    assert_eq!(of_the_compiled.stdout, of_the_component.stdout);
}

#[test]
fn one_that_others_can_write_is_not_run() {
    let (folder, client) = compiled("client");
    for mode in [0o666, 0o664, 0o646] {
        fs::set_permissions(&client, Permissions::from_mode(mode)).unwrap();
        let outcome = run(udping_host().arg(&client).arg("--help"));
        assert_eq!(outcome.code(), 5, "{outcome:?}");
        assert!(
            outcome.only_error().contains("others than you and root could have written it"),
            "{outcome:?}"
        );
    }
    // The file counts, not the link.
    let link = folder.path().join("link.cwasm");
    symlink(&client, &link).unwrap();
    assert_eq!(run(udping_host().arg(&link).arg("--help")).code(), 5);
    fs::set_permissions(&client, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(run(udping_host().arg(&link).arg("--help")).code(), 0);
}

#[test]
fn one_of_another_user_is_not_run() {
    let (_folder, client) = compiled("client");
    let nobody = 65_534;
    if let Err(error) = std::os::unix::fs::chown(&client, Some(nobody), None) {
        // Only root can give a file away; CI asserts that it is root.
        eprintln!("not tested: cannot give a file to another user: {error}");
        assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
        return;
    }
    let outcome = run(udping_host().arg(&client).arg("--help"));
    assert_eq!(outcome.code(), 5, "{outcome:?}");
}

#[test]
fn one_that_is_cut_short_or_of_another_kind_is_refused() {
    let (folder, client) = compiled("client");
    let whole = fs::read(&client).unwrap();
    let foreign = fs::read(std::env::current_exe().unwrap()).unwrap();
    for (what, bytes) in [
        ("half", &whole[..whole.len() / 2]),
        ("start", &whole[..64]),
        ("a native program", &foreign[..]),
    ] {
        let path = folder.path().join("y.cwasm");
        fs::write(&path, bytes).unwrap();
        let outcome = run(udping_host().arg(&path).arg("--help"));
        assert_eq!(outcome.code(), 5, "{what}: {outcome:?}");
        assert!(outcome.only_error().contains("compile it again"), "{what}: {outcome:?}");
    }
}

#[test]
fn what_cannot_be_compiled_or_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x.cwasm");
    let outcome = compile(file("text.wasm", b"no component").to_str().unwrap(), &output);
    assert_eq!(
        (outcome.code(), outcome.only_error().contains("is not WebAssembly")),
        (5, true),
        "{outcome:?}"
    );
    assert!(!output.exists());

    let outcome = compile("client", &folder.path().join("missing/x.cwasm"));
    assert_eq!(
        (outcome.code(), outcome.only_error().contains("cannot write")),
        (2, true),
        "{outcome:?}"
    );

    assert_eq!(compile("client", &output).code(), 0);
    let outcome = compile(output.to_str().unwrap(), &folder.path().join("again.cwasm"));
    assert_eq!(
        (outcome.code(), outcome.only_error().contains("is compiled already")),
        (5, true),
        "{outcome:?}"
    );
}

/// The path of the cached machine code of `component`, with `root` as the user's cache folder, and
/// the output of the `--version` run that put it there.
fn cached(root: &Path, component: &Path) -> (PathBuf, String) {
    let outcome = run(udping_host().env("XDG_CACHE_HOME", root).arg(component).arg("--version"));
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    let files = files(root);
    assert_eq!(files.len(), 1, "{files:?}");
    (files[0].clone(), outcome.stdout)
}

#[test]
fn a_component_is_compiled_once() {
    let (folder, wasm) = (tempfile::tempdir().unwrap(), file("client.wasm", CLIENT.bytes));
    let (code, said) = cached(folder.path(), &wasm);
    assert!(said.starts_with("udping-client "), "{said}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&code), mode(code.parent().unwrap())), (0o600, 0o700));
    // Cached code is run.
    let (_other, server) = compiled("server");
    fs::copy(server, &code).unwrap();
    assert!(cached(folder.path(), &wasm).1.starts_with("udping-server "));
    // Truncated or other content is not: it is compiled again.
    let whole = fs::read(&code).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"\x7fELF", b""] {
        fs::write(&code, bytes).unwrap();
        assert!(cached(folder.path(), &wasm).1.starts_with("udping-client "));
        assert!(fs::read(&code).unwrap().len() > whole.len() / 2, "it was written anew");
    }
}

/// Machine code that someone else could have put there.
#[test]
fn what_others_can_write_in_the_cache_is_not_run() {
    let (folder, wasm) = (tempfile::tempdir().unwrap(), file("client.wasm", CLIENT.bytes));
    let (code, _) = cached(folder.path(), &wasm);
    let (_other, server) = compiled("server");
    let own_folder = code.parent().unwrap().to_owned();
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (path, open, closed) in [
        (&code, 0o666, 0o600),
        (&own_folder, 0o777, 0o700),
        (&folder.path().to_owned(), 0o777, 0o700),
    ] {
        fs::copy(&server, &code).unwrap();
        set(path, open);
        let (_, said) = cached(folder.path(), &wasm);
        assert!(said.starts_with("udping-client "), "{}: {said}", path.display());
        let is_as_it_was = fs::read(&code).unwrap() == fs::read(&server).unwrap();
        assert_eq!(
            is_as_it_was,
            *path != code,
            "nothing is written into a folder that others can write"
        );
        set(path, closed);
    }
    fs::copy(&server, &code).unwrap();
    if let Err(error) = std::os::unix::fs::chown(&own_folder, Some(65_534), None) {
        eprintln!("not tested: cannot give a folder to another user: {error}");
        assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
        return;
    }
    let (_, said) = cached(folder.path(), &wasm);
    assert!(said.starts_with("udping-client "), "{said}");
    assert_eq!(
        fs::read(&code).unwrap(),
        fs::read(&server).unwrap(),
        "nothing is written into another user's folder"
    );
}

#[test]
fn without_a_folder_for_the_cache_components_run() {
    let wasm = file("client.wasm", CLIENT.bytes);
    let outcome = run(udping_host()
        .env_remove("HOME")
        .env("XDG_CACHE_HOME", "/proc/none")
        .arg(wasm)
        .arg("--version"));
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
