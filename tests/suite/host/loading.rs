//! Components that take many resources before any of their code runs: to parse, to compile, to
//! instantiate. Each is stopped at a limit, which the message names, in every command.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use udping_tests::{
    Outcome, PATIENCE, Process, SERVER, Server, file, run, udping_host, wat, with_address_space,
};
use wasm_encoder::Encode as _;

/// The address space of a process in MiB; and the limit of a compilation, well below it.
const ADDRESS_SPACE: u32 = 700;
const COMPILE_MEMORY: &str = "400MiB";
const TOO_MUCH_MEMORY: &str =
    "took more than 400.0 MiB of memory to compile (--limit-compile-memory)";

/// A program that does nothing, after `definitions`.
fn program(name: &str, definitions: &str) -> PathBuf {
    let text = format!(
        r#"(component
            {definitions}
            (core module $main (func (export "run") (result i32) (i32.const 0)))
            (core instance $main (instantiate $main))
            (func $run (result (result)) (canon lift (core func $main "run")))
            (instance $command (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $command)))"#
    );
    wat(name, &text)
}

/// A program that instantiates a module with `content` `times` times in each of `components`, since
/// a component may have at most 1,000 instances.
fn instances(name: &str, content: &str, times: usize, components: usize) -> PathBuf {
    let inner = "(core instance (instantiate $m))".repeat(times);
    let outer = "(instance (instantiate $c))".repeat(components);
    program(name, &format!("(component $c (core module $m {content}) {inner}) {outer}"))
}

/// Nested components, each of which instantiates the next `times` times.
fn nested(name: &str, depth: usize, times: usize) -> PathBuf {
    let all = format!("(core module $m) {}", "(core instance (instantiate $m))".repeat(times));
    let definitions = (0..depth).fold(all, |inner, _| {
        format!("(component $c {inner}) {}", "(instance (instantiate $c))".repeat(times))
    });
    program(name, &definitions)
}

/// A function with quadratic compile time: that many loops around that many changing variables.
fn slow(name: &str, loops: usize, locals: usize) -> PathBuf {
    let sums: String = (0..locals)
        .map(|i| {
            format!("(local.set {i} (i64.add (local.get {i}) (local.get {})))", (i + 1) % locals)
        })
        .collect();
    let ends: String =
        (0..loops).map(|i| format!("(br_if 0 (i32.wrap_i64 (local.get {i}))) end ")).collect();
    let body = format!("(local {}) {} {sums} {ends}", "i64 ".repeat(locals), "loop ".repeat(loops));
    program(name, &format!("(core module (func {body}))"))
}

/// The commands that load a component before it runs.
fn ways(component: &Path) -> [(TempDir, Vec<String>); 3] {
    let path = component.to_str().unwrap().to_owned();
    let folder = || tempfile::tempdir().unwrap();
    let output = folder();
    let code = output.path().join("x.cwasm").to_str().unwrap().to_owned();
    [
        (folder(), vec![path.clone()]),
        (folder(), vec!["inspect".to_owned(), path.clone()]),
        (output, vec!["compile".to_owned(), path, "-o".to_owned(), code]),
    ]
}

#[track_caller]
fn assert_stopped(outcome: &Outcome, component: &Path, limit: &str) {
    assert_eq!(outcome.code(), 6, "{outcome:?}");
    let name = component.file_name().unwrap().to_str().unwrap();
    assert_eq!(outcome.only_error(), format!("udping-host: stopped: {name} {limit}"));
}

/// No process exceeds its memory, whatever the command.
#[track_caller]
fn assert_too_much_to_compile(component: &Path) {
    for (cache, arguments) in ways(component) {
        let mut command = udping_host();
        command.args(["--limit-compile-memory", COMPILE_MEMORY]).args(&arguments);
        let mut command = with_address_space(ADDRESS_SPACE, &command);
        let outcome = run(command.env("XDG_CACHE_HOME", cache.path()));
        assert_stopped(&outcome, component, TOO_MUCH_MEMORY);
        let left: Vec<_> = fs::read_dir(cache.path()).unwrap().collect();
        assert!(left.is_empty(), "{arguments:?}: {left:?}");
    }
}

#[test]
fn nested_components_are_stopped_at_the_compile_memory_limit() {
    assert_too_much_to_compile(&nested("nested.wasm", 4, 100));
}

#[test]
fn many_functions_are_stopped_at_compile_memory() {
    assert_too_much_to_compile(&program(
        "functions.wasm",
        &format!("(core module {})", "(func)".repeat(400_000)),
    ));
}

#[test]
fn many_types_are_stopped_at_compile_memory() {
    let types: String = (0..150_000)
        .map(|i| {
            let parameters: String =
                (0..18).map(|bit| if i >> bit & 1 == 0 { "i32 " } else { "i64 " }).collect();
            format!("(type (func (param {parameters})))")
        })
        .collect();
    assert_too_much_to_compile(&program("types.wasm", &format!("(core module {types})")));
}

#[test]
fn deep_nesting_is_stopped_at_compile_memory() {
    // As bytes, since the text format is parsed recursively; and from the end to the start, since a
    // section's length comes before its content.
    let preamble: Vec<_> = b"\0asm\x0d\0\x01\0".iter().rev().copied().collect();
    let mut reversed = preamble.clone();
    for _ in 0..200_000 {
        let mut length = Vec::new();
        reversed.len().encode(&mut length);
        reversed.extend(length.iter().rev());
        // The section of a component within a component.
        reversed.push(4);
        reversed.extend(&preamble);
    }
    reversed.reverse();
    assert_too_much_to_compile(&file("deep.wasm", &reversed));
}

#[test]
fn slow_functions_are_stopped_at_compile_time() {
    let component = slow("slow.wasm", 150, 1000);
    for (cache, arguments) in ways(&component) {
        let start = Instant::now();
        let mut command = udping_host();
        command
            .args(["--limit-compile-time", "1s"])
            .args(&arguments)
            .env("XDG_CACHE_HOME", cache.path());
        assert_stopped(
            &run(&mut command),
            &component,
            "took longer than 1s to compile (--limit-compile-time)",
        );
        assert!(start.elapsed() < PATIENCE / 4, "{arguments:?}: {:?}", start.elapsed());
    }
}

#[test]
fn the_limits_of_compiling_stand_before_a_command_and_after_it() {
    let component = slow("slow-twice.wasm", 150, 1000);
    let path = component.to_str().unwrap();
    for flag in [["--limit-compile-time", "100ms"], ["--limit-compile-memory", "100MiB"]] {
        let (before, after) =
            ([&flag[..], &["inspect", path]].concat(), [&["inspect", path], &flag[..]].concat());
        for arguments in [before, after] {
            let outcome = run(udping_host().args(&arguments));
            assert_eq!(outcome.code(), 6, "{outcome:?}");
            assert!(outcome.only_error().ends_with(&format!("({})", flag[0])), "{outcome:?}");
        }
    }
    let outcome = run(udping_host().args(["--limit-memory", "1MiB", "inspect", path]));
    assert_eq!(outcome.code(), 2, "{outcome:?}");
}

#[test]
fn the_least_and_the_most_that_a_limit_of_compiling_can_be() {
    let component = program("small.wasm", "");
    // A new cache for each, so that nothing is already compiled.
    let inspected = |flag: [&str; 2]| {
        let cache = tempfile::tempdir().unwrap();
        run(udping_host()
            .env("XDG_CACHE_HOME", cache.path())
            .args(flag)
            .arg("inspect")
            .arg(&component))
    };
    let least = [
        ["--limit-compile-memory", "0"],
        ["--limit-compile-memory", "10MiB"],
        ["--limit-compile-time", "0s"],
    ];
    for flag in least {
        let outcome = inspected(flag);
        assert_eq!(outcome.code(), 6, "{flag:?}: {outcome:?}");
        assert!(outcome.only_error().ends_with(&format!("({})", flag[0])), "{outcome:?}");
    }
    for flag in [["--limit-compile-memory", "15EiB"], ["--limit-compile-time", "1000years"]] {
        let outcome = inspected(flag);
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{flag:?}: {outcome:?}");
    }
}

/// The compiling process has only what it needs, and does not outlive its parent.
#[test]
fn the_process_that_compiles_has_limits_and_nothing_else() {
    let component = slow("slow-alone.wasm", 150, 1000);
    let mut command = udping_host();
    // The inspecting process is not hardened: what the other one lacks it gave up itself.
    command
        .args(["--limit-compile-time", "41s", "--limit-compile-memory", "1234MiB", "inspect"])
        .arg(component);
    // A descriptor and a variable that it must not get.
    command.env("UDPING_SECRET", "secret");
    let mut shell = std::process::Command::new("sh");
    let words = [command.get_program()].into_iter().chain(command.get_args());
    shell.args(["-c", "exec \"$@\" 7</etc/passwd", "sh"]).args(words);
    let host = Process::start(&mut shell);
    let child = awaited(|| {
        let children =
            fs::read_to_string(format!("/proc/{0}/task/{0}/children", host.pid().as_raw_nonzero()))
                .ok()?;
        let child: i32 = children.split_whitespace().next()?.parse().ok()?;
        // It has started its threads, so it compiles.
        (fs::read_dir(format!("/proc/{child}/task")).ok()?.count() > 1).then_some(child)
    });
    let of_child = |file: &str| fs::read_to_string(format!("/proc/{child}/{file}")).unwrap();
    let limits = of_child("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max cpu time"), ["41", "42"]);
    assert_eq!(limit("Max address space"), [(1234 << 20).to_string(), (1234 << 20).to_string()]);
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    assert_eq!(limit("Max open files"), ["16", "16"]);
    let variables = of_child("environ");
    assert!(variables.split('\0').all(|one| !one.starts_with("UDPING")), "{variables:?}");
    let descriptors: BTreeSet<_> = fs::read_dir(format!("/proc/{child}/fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(
        descriptors.len() <= 3 && descriptors.iter().all(|one| one.starts_with("pipe:")),
        "{descriptors:?}"
    );
    let tasks: Vec<_> =
        fs::read_dir(format!("/proc/{child}/task")).unwrap().map(|entry| entry.unwrap()).collect();
    for task in &tasks {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        for line in [
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
            "CapEff:\t0000000000000000",
            "CapPrm:\t0000000000000000",
        ] {
            assert!(status.lines().any(|one| one == line), "no {line:?} in {status}");
        }
    }
    // From here on it neither finishes nor reaches a limit.
    let child = Pid::from_raw(child).unwrap();
    kill_process(child, Signal::STOP).unwrap();
    host.signal(Signal::KILL);
    drop(host);
    let (start, folder) = (Instant::now(), format!("/proc/{}", child.as_raw_nonzero()));
    while Path::new(&folder).exists() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    let outlived = Path::new(&folder).exists() && kill_process(child, Signal::KILL).is_ok();
    assert!(!outlived, "it outlived who asked for it");
}

/// Polls `ask` until it returns a value.
#[track_caller]
fn awaited<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "it did not come to that");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The process that runs a newly compiled component has only its own threads.
#[test]
fn the_process_that_runs_a_guest_has_no_thread_of_a_compilers() {
    let (cache, wasm) = (tempfile::tempdir().unwrap(), file("server.wasm", SERVER.bytes));
    // Compiled now, then taken from the cache.
    for _ in 0..2 {
        let mut command = udping_host();
        command.env("XDG_CACHE_HOME", cache.path()).arg(&wasm).args(["0", "--bind", "127.0.0.1"]);
        let server = Server::listening(&mut command);
        let tasks = format!("/proc/{}/task", server.process.pid().as_raw_nonzero());
        let names = || {
            // A thread may end between listing the folder and reading its name.
            let tasks = fs::read_dir(&tasks).unwrap().map(|task| task.unwrap().path().join("comm"));
            let mut names: Vec<_> =
                tasks.filter_map(|name| fs::read_to_string(name).ok()).collect();
            names.sort();
            names
        };
        // An unnamed thread has the program's name: the first one, those of the compiler's pool,
        // and, for an instant, each new thread before it sets its name.
        awaited(|| {
            (names().iter().filter(|name| name.trim() == "udping-host").count() == 1).then_some(())
        });
        assert_eq!(server.stop().code(), 0);
    }
}

/// Everything that a component's instances take is counted before they are created; and a limit is
/// not a trap, after which the component would be restarted.
#[track_caller]
fn assert_too_much_to_instantiate(flags: &[&str], component: &Path, limit: &str) {
    for restart in [&[][..], &["--restart", "on-trap"]] {
        let outcome = run(udping_host().args(flags).args(restart).arg(component));
        assert_stopped(
            &outcome,
            component,
            &format!("asked for more than {limit} of memory (--limit-memory)"),
        );
    }
}

#[test]
fn globals_count_in_each_instance_before_any_is_made() {
    let component =
        instances("globals.wasm", &"(global i32 (i32.const 0))".repeat(100_000), 300, 1);
    assert_too_much_to_instantiate(&["--limit-memory", "1MiB"], &component, "1.0 MiB");
    assert_too_much_to_instantiate(&[], &component, "64.0 MiB");
    // Creating them takes processor time, too, and more on a busy machine.
    let outcome =
        run(udping_host().args(["--limit-memory", "1GiB", "--limit-compute", "1m"]).arg(component));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
}

#[test]
fn instances_count_as_memory() {
    let component = instances("instances.wasm", "", 1_000, 200);
    assert_too_much_to_instantiate(&[], &component, "64.0 MiB");
    // More than wasmtime's own bound, which is separate from this limit.
    let outcome = run(udping_host()
        .args(["--limit-memory", "256MiB", "--limit-compute", "1m"])
        .arg(component));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
}

#[test]
fn memories_without_a_page_and_tables_without_an_element_count() {
    let memories = "(memory 0)".repeat(100);
    assert_too_much_to_instantiate(&[], &instances("memories.wasm", &memories, 20, 1), "64.0 MiB");
    let tables = "(table 0 funcref)".repeat(100);
    assert_too_much_to_instantiate(&[], &instances("tables.wasm", &tables, 1_000, 4), "64.0 MiB");
}

#[test]
fn segments_that_are_kept_for_later_count() {
    let segment = format!("(func $f) (elem func {})", "$f ".repeat(50_000));
    assert_too_much_to_instantiate(&[], &instances("segments.wasm", &segment, 100, 1), "64.0 MiB");
}

#[test]
fn memories_and_tables_count_together_before_they_are_made() {
    let content = "(memory 200) (table 1000000 funcref)";
    assert_too_much_to_instantiate(&[], &instances("together.wasm", content, 3, 1), "64.0 MiB");
    assert_eq!(run(udping_host().arg(instances("alone.wasm", content, 2, 1))).code(), 0);
    assert_too_much_to_instantiate(
        &[],
        &instances("wide.wasm", "(memory i64 0x1000000000000)", 1, 1),
        "64.0 MiB",
    );
}

/// More memories than there are addresses for is a limit of the system, and not a trap either.
#[test]
fn what_the_system_refuses_is_a_limit() {
    let component = instances("addresses.wasm", &"(memory 0)".repeat(100), 1_000, 1);
    let outcome =
        run(udping_host().args(["--limit-memory", "1TiB", "--restart", "on-trap"]).arg(&component));
    assert_stopped(&outcome, &component, "needs memory that the system does not give");
}

/// Code that runs during instantiation is under the same limits.
#[test]
fn limits_strike_while_it_is_instantiated() {
    let spins = instances("spins.wasm", "(func $f (loop (br 0))) (start $f)", 1, 1);
    // Many instances, each of which writes megabytes to a shared memory.
    let writers = format!(
        r#"(core module $owner (memory (export "m") 100))
           (core instance $owner (instantiate $owner))
           (core module $writer (import "" "m" (memory 100)) (data (i32.const 0) "{}"))
           {}"#,
        "x".repeat(6_000_000),
        r#"(core instance (instantiate $writer (with "" (instance $owner))))"#.repeat(998)
    );
    let writers = program(
        "writers.wasm",
        &format!("(component $c {writers}) {}", "(instance (instantiate $c))".repeat(10)),
    );
    for component in [&spins, &writers] {
        // Ten of them would take ten memories.
        let limited = run(udping_host().args(["--limit-memory", "1GiB"]).arg(component));
        assert_stopped(
            &limited,
            component,
            "computed for 500ms without a datagram sent or received (--limit-compute)",
        );
    }
    let flags = ["--limit-memory", "1GiB", "--limit-compute", "1h", "--limit-time", "1s"];
    assert_stopped(
        &run(udping_host().args(flags).arg(&spins)),
        &spins,
        "ran for 1s (--limit-time)",
    );
}

#[test]
fn what_is_large_and_takes_little_passes() {
    let custom = format!(r#"(@custom "large" "{}")"#, "x".repeat(40_000_000));
    let names: String =
        (0..200).map(|i| format!(r#"(export "{i}{}" (global 0))"#, "x".repeat(90_000))).collect();
    let names = format!("(core module (global i32 (i32.const 0)) {names})");
    let deep = (0..90).fold(String::new(), |inner, _| format!("(component {inner})"));
    for (name, definitions) in
        [("custom.wasm", custom), ("names.wasm", names), ("components.wasm", deep)]
    {
        let outcome = run(udping_host().arg(program(name, &definitions)));
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{name}: {outcome:?}");
    }
}
