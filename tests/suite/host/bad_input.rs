//! Input that cannot be run or is refused: one line on standard error, a specific exit code,
//! bounded memory.

use std::fs::File;
use std::process::Command;

use udping_tests::{
    CLIENT, Outcome, SERVER, file, guests, run, udping_host, wat, with_address_space,
};

/// Runs `command` with less memory than the largest of these files takes, and more than the host
/// needs.
#[track_caller]
fn bounded(command: &mut Command) -> Outcome {
    run(&mut with_address_space(700, command))
}

#[track_caller]
fn assert_no_component(path: &str, problem: &str) {
    for subcommand in [&[][..], &["run"], &["inspect"]] {
        let outcome = bounded(udping_host().args(subcommand).arg(path));
        assert_eq!(outcome.code(), 5, "{subcommand:?}: {outcome:?}");
        assert_eq!(
            outcome.only_error(),
            format!("udping-host: {path}: {problem}"),
            "{subcommand:?}"
        );
    }
}

#[test]
fn a_missing_file() {
    assert_no_component(
        "./no-such.wasm",
        "no such file; the built-in components are called client and server",
    );
}

#[test]
fn a_directory() {
    assert_no_component("/tmp", "is a directory, not a component");
}

#[test]
fn an_empty_file() {
    assert_no_component(file("empty.wasm", b"").to_str().unwrap(), "is empty, not a component");
}

#[test]
fn a_text_file() {
    assert_no_component(file("text.wasm", b"(component)").to_str().unwrap(), "is not WebAssembly");
}

#[test]
fn a_gigabyte_of_zeros() {
    let path = file("zeros.wasm", b"");
    File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    assert_no_component(path.to_str().unwrap(), "is not WebAssembly");
}

#[test]
fn a_gigabyte_that_starts_as_a_component_does() {
    let path = file("large.wasm", b"\0asm\x0d\0\x01\0");
    File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    assert_no_component(path.to_str().unwrap(), "is larger than 64 MiB");
}

#[test]
fn an_endless_device() {
    assert_no_component("/dev/zero", "is not WebAssembly");
}

#[test]
fn a_core_module() {
    let path = wat("core.wasm", "(module)");
    assert_no_component(
        path.to_str().unwrap(),
        "is a core module, not a component: build it for WASI 0.2, as `cargo build --target wasm32-wasip2` does",
    );
}

#[test]
fn a_component_cut_short() {
    let path = file("short.wasm", &SERVER.bytes[..SERVER.bytes.len() / 2]);
    let outcome = bounded(udping_host().arg(&path).arg("12000"));
    assert_eq!(outcome.code(), 5);
    assert!(outcome.only_error().contains("short.wasm: is not a valid component: "), "{outcome:?}");
}

#[test]
fn a_component_with_an_import_that_the_host_does_not_serve() {
    let path = wat(
        "import.wasm",
        r#"(component (import "acme:rockets/launch@1.0.0" (instance (export "now" (func)))))"#,
    );
    let outcome = bounded(udping_host().arg(&path));
    assert_eq!(outcome.code(), 5);
    assert!(outcome.only_error().contains("import.wasm: cannot be run here: "), "{outcome:?}");
    assert!(outcome.only_error().contains("acme:rockets/launch@1.0.0"), "{outcome:?}");
    let inspected = bounded(udping_host().arg("inspect").arg(&path));
    assert_eq!(inspected.code(), 5);
    assert!(inspected.stdout.contains("  acme:rockets/launch@1.0.0\n"), "{inspected:?}");
}

/// The version of its interfaces is reported, even if it uses features of the component model that
/// are not enabled.
#[test]
fn a_component_for_a_wasi_that_is_not_served_is_named_as_what_it_is() {
    let served = "and this host serves WASI 0.2 and 0.3, as released: build it for one of them (wasm32-wasip2)";
    let exports_run = |version: &str, lift: &str| {
        format!(
            r#"(component
                (core module $m (func (export "run") (result i32) (i32.const 0)) (func (export "go-on") (param i32 i32 i32) (result i32) (i32.const 0)))
                (core instance $i (instantiate $m))
                {lift}
                (instance $command (export "run" (func $run)))
                (export "wasi:cli/run@{version}" (instance $command)))"#
        )
    };
    let sync = r#"(func $run (result (result)) (canon lift (core func $i "run")))"#;
    // Without a callback, which wasmtime does not take by default.
    let stackful = r#"(func $run async (result (result)) (canon lift (core func $i "run") async))"#;
    for (version, shown) in [
        ("0.4.0", "0.4"),
        ("0.3.0-rc-2025-09-16", "0.3.0-rc-2025-09-16"),
        ("0.2.0-rc-2023-11-10", "0.2.0-rc-2023-11-10"),
    ] {
        for (name, lift) in [("sync.wasm", sync), ("stackful.wasm", stackful)] {
            let path = wat(name, &exports_run(version, lift));
            for subcommand in [&[][..], &["inspect"]] {
                let outcome = bounded(udping_host().args(subcommand).arg(&path));
                assert_eq!(outcome.code(), 5, "{outcome:?}");
                let said = format!(
                    "udping-host: {}: is a component for WASI {shown} (wasi:cli/run@{version}), {served}",
                    path.display()
                );
                assert_eq!(outcome.only_error(), said, "{name}");
            }
        }
    }
    // A patch version does not count as another version, even if an interface of it is not served.
    for version in ["0.2.9", "0.3.1"] {
        let patch = format!(
            r#"(component (import "wasi:clocks/timezone@{version}" (instance (export "now" (func)))))"#
        );
        let outcome = bounded(udping_host().arg(wat("patch.wasm", &patch)));
        assert!(outcome.only_error().contains("cannot be run here: "), "{outcome:?}");
    }
}

#[test]
fn a_component_of_both_versions_or_of_another_world_says_what_to_do() {
    let run = |text: &str| bounded(udping_host().arg(wat("other.wasm", text)));
    let both = r#"(component
        (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64)))))
        (import "wasi:random/insecure@0.3.0" (instance (export "get-insecure-random-u64" (func (result u64)))))
        (core module $m (func (export "run") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $command (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $command)))"#;
    let http = r#"(component (import "wasi:http/types@0.2.3" (instance (export "go" (func)))))"#;
    let keyvalue =
        r#"(component (import "wasi:keyvalue/store@0.2.0-draft" (instance (export "go" (func)))))"#;
    let handler = r#"(component
        (core module $m (func (export "handle")))
        (core instance $i (instantiate $m))
        (func $handle (canon lift (core func $i "handle")))
        (instance $handler (export "handle" (func $handle)))
        (export "wasi:http/incoming-handler@0.2.3" (instance $handler)))"#;
    for (component, said) in [
        (
            both,
            "is for WASI 0.2 (wasi:random/random@0.2.0) and 0.3 (wasi:random/insecure@0.3.0) at once: build all of it for one of them",
        ),
        (
            http,
            "imports wasi:http/types@0.2.3, and this host serves UDP, name lookup, clocks, random numbers, arguments and standard streams: run it by a runtime that has it",
        ),
        (keyvalue, "imports wasi:keyvalue/store@0.2.0-draft, and this host serves UDP"),
        (
            handler,
            "is not a program, but answers HTTP requests (wasi:http/incoming-handler@0.2.3), which this host does not serve: `wasmtime serve` runs it",
        ),
    ] {
        let outcome = run(component);
        assert_eq!(outcome.code(), 5, "{outcome:?}");
        assert!(outcome.only_error().contains(said), "{outcome:?}");
    }
}

#[test]
fn trap_message_mentions_the_request_denied_before() {
    let outcome =
        run(udping_host().arg(file("writes.wasm", guests::WRITES)).args(["refused", "trap"]));
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    let last = outcome.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("udping-host: writes.wasm: trapped: ")
            && last.ends_with("; it was refused before to listen on 192.0.2.7:53"),
        "{outcome:?}"
    );
}

#[test]
fn a_component_that_is_no_program() {
    let outcome = bounded(udping_host().arg(wat("library.wasm", "(component)")));
    assert_eq!(outcome.code(), 5);
    assert!(
        outcome
            .only_error()
            .ends_with("library.wasm: is not a program: it does not export wasi:cli/run"),
        "{outcome:?}"
    );
}

#[test]
fn a_panic_shows_its_message() {
    let outcome = run(udping_host().arg(file("panics.wasm", guests::PANICS)));
    assert_eq!(outcome.code(), 4);
    assert!(outcome.stderr.contains("the guest says why"), "{outcome:?}");
    let trap = "udping-host: panics.wasm: trapped: wasm trap: wasm `unreachable` instruction executed; its last call was of wasi:io/streams";
    assert_eq!(outcome.stderr.lines().last(), Some(trap), "{outcome:?}");
}

#[track_caller]
fn assert_refused(arguments: &str, asked: &str, granted: &str, flags: &str) {
    let outcome = run(udping_host().args(arguments.split(' ')));
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    let expected =
        format!("udping-host: refused: {asked}; granted: {granted}; to allow it: {flags}");
    assert_eq!(outcome.only_error(), expected);
}

#[test]
fn an_address_that_is_not_granted() {
    assert_refused(
        "--allow-to 127.0.0.1:9 client 127.0.0.2 9",
        "client asked to send to 127.0.0.2:9",
        "send to 127.0.0.1:9",
        "--allow-to 127.0.0.1:9 --allow-to 127.0.0.2:9",
    );
}

#[test]
fn a_name_that_is_not_granted() {
    assert_refused(
        "--allow-to 127.0.0.1:9 client localhost 9",
        "client asked to resolve localhost",
        "send to 127.0.0.1:9",
        "--allow-to 127.0.0.1:9 --allow-to localhost:9",
    );
}

/// A linker takes the newest patch version of an interface that it has: none of them may bypass the
/// grants.
#[test]
fn grants_apply_to_components_of_other_wasi_patch_versions() {
    for version in ["0.2.3", "0.2.9"] {
        let bytes = renamed(CLIENT.bytes, b"@0.2.0", format!("@{version}").as_bytes());
        let path = file(&format!("client-{version}.wasm"), &bytes);
        let path = path.to_str().unwrap();
        assert_refused(
            &format!("--allow-to 127.0.0.1:9 {path} localhost 9"),
            &format!("client-{version}.wasm asked to resolve localhost"),
            "send to 127.0.0.1:9",
            "--allow-to 127.0.0.1:9 --allow-to localhost:9",
        );
        assert_refused(
            &format!("--allow-to 127.0.0.1:9 {path} 127.0.0.2 9"),
            &format!("client-{version}.wasm asked to send to 127.0.0.2:9"),
            "send to 127.0.0.1:9",
            "--allow-to 127.0.0.1:9 --allow-to 127.0.0.2:9",
        );
    }
}

/// Replaces every `old` in `bytes` by `new`, of the same length.
fn renamed(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut renamed = bytes.to_vec();
    for start in 0..bytes.len() - old.len() {
        if bytes[start..].starts_with(old) {
            renamed[start..start + old.len()].copy_from_slice(new);
        }
    }
    renamed
}

#[test]
fn a_port_that_is_not_granted() {
    assert_refused(
        "--allow-listen 127.0.0.1:9 server 10 --bind 127.0.0.1",
        "server asked to listen on 127.0.0.1:10",
        "listen on 127.0.0.1:9",
        "--allow-listen 127.0.0.1:9 --allow-listen 127.0.0.1:10",
    );
}

#[test]
fn flags_replace_what_the_arguments_grant() {
    assert_refused(
        "--allow-resolve localhost client 127.0.0.1 9",
        "client asked to open a socket to send from",
        "resolve localhost",
        "--allow-resolve localhost --allow-to 127.0.0.1:9",
    );
}

#[test]
fn the_whole_network_is_granted_as_wasmtime_spells_it() {
    let outcome =
        run(udping_host().args("-S inherit-network client 127.0.0.1 9 -c 1 -W 100ms".split(' ')));
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    let outcome = run(udping_host().args("-S inherit-network client localhost 9 -c 1".split(' ')));
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    let outcome = run(udping_host().args(
        "-S inherit-network,allow-ip-name-lookup client localhost 9 -c 1 -W 100ms".split(' '),
    ));
    assert_eq!(outcome.code(), 1, "{outcome:?}");
}

#[test]
fn wrong_usage_of_the_host_is_one_line() {
    for (arguments, complaint) in [
        (
            &["--allow-to", "nowhere", "client"][..],
            "invalid value 'nowhere' for '--allow-to <HOST[/PREFIX]:PORT[-PORT]>': write HOST[/PREFIX]:PORT[-PORT]",
        ),
        (
            &["--allow-listen", "x", "server"],
            "invalid value 'x' for '--allow-listen <[ADDR:]PORT>': write [ADDR:]PORT",
        ),
        (&["--allow-resolve", "a b", "client"], "not a host name"),
        (&["-S", "tcp", "client"], "invalid value 'tcp' for '-S <OPTION>'"),
        (&["--nonsense", "client"], "unexpected argument '--nonsense' found"),
        (&["emit", "pong"], "invalid value 'pong' for '<COMPONENT>'"),
        (
            &["--allow-listen", "1", "inspect", "client"],
            "grants, limits and tuning are for a component that runs",
        ),
    ] {
        let outcome = run(udping_host().args(arguments));
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        assert!(outcome.only_error().starts_with("udping-host: "), "{outcome:?}");
        assert!(outcome.only_error().contains(complaint), "{arguments:?}: {outcome:?}");
    }
}
