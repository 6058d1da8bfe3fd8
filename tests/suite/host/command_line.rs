//! The command line: options in any order, help, manual pages, completions, and helpful messages.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use udping_tests::{
    CLIENT, Outcome, Process, Runtime, Server, file, host_program, own_file, run, udping_host,
    until, wat,
};

fn server() -> (Server, String) {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let port = server.addresses[0].port().to_string();
    (server, port)
}

fn typed(line: &str) -> Outcome {
    run(udping_host().args(line.split(' ')))
}

#[test]
fn options_of_built_in_components_may_come_first() {
    let (_server, port) = server();
    for line in [
        format!("client -c 1 127.0.0.1 {port}"),
        format!("client -q -c 1 localhost {port} -4"),
        format!("client 127.0.0.1:{port} -c 1"),
        format!("client -c 1 --target 127.0.0.1:{port}"),
        format!("client -c 1 127.1 {port}"),
        format!("client -c 1 0x7f000001:{port}"),
    ] {
        let outcome = typed(&line);
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{line}: {outcome:?}");
    }
    let mut verbose =
        Server::listening(udping_host().args(["server", "-v", "0", "--bind", "127.0.0.1"]));
    let port = verbose.addresses[0].port();
    assert_eq!(typed(&format!("client -c 1 127.0.0.1 {port}")).code(), 0);
    assert!(verbose.process.line().starts_with("received "));
}

/// The definition of the command line determines exactly what is granted.
#[test]
fn grants_follow_from_the_definition() {
    for (line, flags) in [
        ("grants client -c 3 192.0.2.7 12000", "--allow-to 192.0.2.7:12000"),
        ("grants client 192.0.2.7 --protocol stamp", "--allow-to 192.0.2.7:862"),
        ("grants server --protocol stamp", "--allow-listen 862"),
        ("grants server -v 12001 --bind ::1", "--allow-listen [::1]:12001"),
    ] {
        assert_eq!(typed(line).lines_with("  --allow"), [format!("  {flags}")], "{line}");
    }
}

/// For other components it is unknown which words are values of options.
#[test]
fn denial_with_options_first_suggests_a_working_command() {
    let (_server, port) = server();
    let path = file("first.wasm", CLIENT.bytes);
    let path = path.to_str().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let outcome = typed(&format!("{path} -4 -c 1 {host} {port}"));
        assert_eq!(outcome.code(), 3, "{outcome:?}");
        let refusal = outcome.only_error();
        assert!(
            refusal.contains("since only arguments before the first option grant, and -4 is one"),
            "{refusal}"
        );
        assert!(!refusal.contains("0.0.0.0:0"), "{refusal}");
        let (_, command) = refusal.split_once("; to allow it: ").unwrap();
        let expected = format!(
            "{} --allow-to {host}:{port} {path} -4 -c 1 {host} {port}",
            host_program().display()
        );
        assert_eq!(command, expected);
        let allowed = run(Command::new("sh").args(["-c", command]));
        assert_eq!((allowed.code(), allowed.stderr.as_str()), (0, ""), "{allowed:?}");
    }
}

#[test]
fn a_mistake_is_told_as_what_it_is() {
    for (line, complaint) in [
        (
            "client 127.0.0.1 9 --cout 3",
            "client: unexpected argument '--cout' found; did you mean --count?",
        ),
        ("-c 3 client 127.0.0.1 9", "-c is an option of client, and those go after the component"),
        (
            "--protocol stamp server",
            "--protocol is an option of server, and those go after the component",
        ),
        (
            "client 127.0.0.1 9 --allow-to 127.0.0.1:9",
            "--allow-to is an option of udping-host, and those go before",
        ),
        (
            "--alow-to 127.0.0.1:9 client",
            "unexpected argument '--alow-to' found; did you mean --allow-to?",
        ),
        ("help nothing", "there is no command nothing"),
    ] {
        let outcome = typed(line);
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        assert!(outcome.only_error().contains(complaint), "{line}: {outcome:?}");
    }
}

/// The messages of Rust's own parsers mean nothing to users.
#[test]
fn a_number_that_is_none_is_told_in_words_of_users() {
    let client =
        ["--ssid", "-c", "--burst", "--source-port", "--source-ports", "--ttl", "-s", "--seed"];
    let server = ["--seed", "--drop-rate"];
    let host = [
        "--limit-sockets",
        "--limit-handles",
        "--limit-lookups",
        "--limit-send",
        "--limit-receive",
        "--limit-source",
        "--batch",
        "--workers",
    ];
    let lines = client.iter().map(|option| format!("client 127.0.0.1 9 {option}"));
    let lines = lines.chain(server.iter().map(|option| format!("server 9 {option}")));
    let lines: Vec<_> = lines.chain(host.iter().map(|option| (*option).to_owned())).collect();
    for line in lines {
        for value in ["x", "-", "99999999999999999999999", "1.x"] {
            let outcome = typed(&format!("{line} {value}"));
            assert_eq!(outcome.code(), 2, "{line} {value}: {outcome:?}");
            let said = outcome.only_error();
            for word in [
                "digit",
                "zero for",
                "non-zero",
                "literal",
                "overflow",
                "too large to fit",
                "integer",
            ] {
                assert!(!said.contains(word), "{line} {value}: {said}");
            }
            assert!(said.contains("not a") || said.contains("not auto"), "{line} {value}: {said}");
        }
    }
}

#[test]
fn help_of_a_component_is_the_hosts_and_fits_the_terminal() {
    for component in ["client", "server"] {
        let help = |arguments: &[&str]| run(udping_host().args(arguments).env("COLUMNS", "60"));
        let (of, by) = (help(&["help", component]), help(&[component, "--help"]));
        assert_eq!((of.code(), of.stderr.as_str(), &of.stdout), (0, "", &by.stdout));
        let widest = of.stdout.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(widest.chars().count() <= 60, "{widest:?}");
        assert!(
            of.stdout.contains("Usage: udping-host") && of.stdout.contains("Examples:"),
            "{}",
            of.stdout
        );
    }
    let client = typed("help client").stdout;
    let place =
        |text: &str| client.find(text).unwrap_or_else(|| panic!("{text} is not in {client}"));
    assert!(
        place("-c, --count <") < place(" --protocol <")
            && place("-i, --interval <") < place(" --ssid <")
    );
}

/// Every option named by help or a manual page exists.
#[test]
fn help_names_no_option_that_there_is_none_of() {
    let of = |line: &str| typed(line).stdout;
    let all = [of("--help"), of("client --help"), of("server --help"), of("help diff")];
    let is_option = |word: &str| {
        let defined = |line: &str| line.trim_start().split([' ', ',']).any(|other| other == word);
        let at_start = |line: &&str| line.trim_start().starts_with('-');
        all.iter().any(|help| help.lines().filter(at_start).any(defined))
    };
    for help in &all {
        for word in help
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .filter(|word| word.starts_with("--"))
        {
            let foreign = ["--records"];
            assert!(is_option(word) || foreign.contains(&word), "{word}");
        }
    }
}

#[test]
fn manual_pages_refer_to_each_other_alone() {
    let pages = [
        ("host", "udping-host"),
        ("client", "udping-host-client"),
        ("server", "udping-host-server"),
    ];
    for (page, name) in pages {
        let text = typed(&format!("man {page}")).stdout.replace('\\', "");
        assert!(text.contains(&format!(".TH {name} 1")), "{text}");
        for reference in
            text.split_whitespace().filter(|word| word.contains("(1)") && !word.starts_with("ECT"))
        {
            let reference = reference.trim_matches([',', ':', '.']).trim_end_matches("(1)");
            assert!(pages.iter().any(|(_, name)| *name == reference), "{reference} in {page}");
        }
        assert!(text.contains("EXAMPLES"), "{text}");
    }
}

#[test]
fn bash_completes_options_values_and_components() {
    let folder = file("completions/x.wasm", b"").parent().unwrap().to_owned();
    fs::write(folder.join("notes.txt"), "").unwrap();
    let completed = |words: &str| {
        let script = format!(
            "source <('{}' completions bash); cd '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             f=$(complete -p udping-host | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             $f udping-host \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\" 2>/dev/null; echo \"${{COMPREPLY[@]}}\"",
            host_program().display(),
            folder.display()
        );
        let outcome = run(Command::new("bash").args(["--norc", "-c", &script]));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        outcome.stdout.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        completed("udping-host client --format ''"),
        ["text", "json", "jsonl", "csv", "openmetrics"]
    );
    assert_eq!(completed("udping-host client --cou"), ["--count"]);
    assert_eq!(completed("udping-host server --twa"), ["--twamp-light"]);
    assert_eq!(completed("udping-host x"), ["x.wasm"]);
    assert_eq!(completed("udping-host inspect x"), ["x.wasm"]);
    assert!(completed("udping-host cl").contains(&"client".to_owned()));
    assert!(!completed("udping-host ''").contains(&"notes.txt".to_owned()));
}

#[test]
fn a_component_is_not_written_to_a_terminal() {
    let command = format!("{} emit client", host_program().display());
    let outcome = run(Command::new("script").args(["-qec", &command, "/dev/null"]));
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.stdout.contains("udping-host emit client > client.wasm"), "{outcome:?}");
}

#[test]
fn a_trap_names_the_functions_that_it_was_in() {
    let text = r#"(component
        (core module $m
            (func $inner unreachable)
            (func $outer (export "run") (result i32) (call $inner) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $cli (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $cli)))"#;
    let outcome = run(udping_host().arg(wat("traps.wasm", text)));
    assert_eq!(outcome.code(), 4, "{outcome:?}");
    let trap = "udping-host: traps.wasm: trapped: wasm trap: wasm `unreachable` instruction executed; in inner < outer";
    assert_eq!(outcome.only_error(), trap);
    let outcome = run(udping_host().args(["--log", "json"]).arg(wat("traps.wasm", text)));
    let records: Vec<serde_json::Value> =
        outcome.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let trapped = records.iter().find(|record| record["event"] == "trapped").unwrap();
    assert_eq!(trapped["functions"], "inner < outer", "{trapped}");
    assert_eq!(trapped["reason"], "wasm trap: wasm `unreachable` instruction executed");
    assert!(trapped.get("last_call").is_none(), "it has made none: {trapped}");
}

#[test]
fn a_trap_names_the_last_call_and_the_last_refusal() {
    let guest = file("writes.wasm", udping_tests::guests::WRITES);
    let outcome = run(udping_host().args(["--log", "json"]).arg(guest).args(["refused", "trap"]));
    let line = outcome.stderr.lines().find(|line| line.contains("\"trapped\"")).unwrap();
    let trapped: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(trapped["refused"], "listen on 192.0.2.7:53", "{trapped}");
    assert!(trapped["last_call"].as_str().unwrap().starts_with("wasi:"), "{trapped}");
}

/// As with wasi-libc's `socket(AF_INET, SOCK_STREAM, 0)`, twice.
#[test]
fn tcp_is_refused_and_that_is_said_once() {
    let text = r#"(component
        (import "wasi:sockets/network@0.2.0" (instance $network
            (type $family (enum "ipv4" "ipv6"))
            (export "ip-address-family" (type (eq $family)))
            (type $code (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
                "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit"
                "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused" "connection-reset"
                "connection-aborted" "datagram-too-large" "name-unresolvable" "temporary-resolver-failure"
                "permanent-resolver-failure"))
            (export "error-code" (type (eq $code)))))
        (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
        (alias export $network "ip-address-family" (type $family))
        (alias export $network "error-code" (type $code))
        (alias export $tcp "tcp-socket" (type $socket))
        (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
            (alias outer 1 $family (type $outer-family))
            (alias outer 1 $code (type $outer-code))
            (alias outer 1 $socket (type $outer-socket))
            (export "ip-address-family" (type $f (eq $outer-family)))
            (export "error-code" (type $c (eq $outer-code)))
            (export "tcp-socket" (type $s (eq $outer-socket)))
            (type $own (own $s))
            (export "create-tcp-socket" (func (param "address-family" $f) (result (result $own (error $c)))))))
        (core module $memory (memory (export "memory") 1))
        (core instance $memory (instantiate $memory))
        (alias export $create "create-tcp-socket" (func $create-socket))
        (core func $create-socket (canon lower (func $create-socket) (memory (core memory $memory "memory"))))
        (core module $m
            (import "host" "create" (func $create (param i32 i32)))
            (func (export "run") (result i32)
                (call $create (i32.const 0) (i32.const 16))
                (call $create (i32.const 1) (i32.const 16))
                (i32.const 1)))
        (core instance $i (instantiate $m (with "host" (instance (export "create" (func $create-socket))))))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $cli (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $cli)))"#;
    let outcome = run(udping_host().arg(wat("tcp.wasm", text)));
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    let refusal = "udping-host: refused: tcp.wasm asked for a TCP socket: TCP is never granted, only UDP and name lookups are";
    assert_eq!(outcome.only_error(), refusal);
}

/// Whether a component with those options first, which grant nothing, is refused something under
/// `policy`, according to the host's messages.
fn is_refused_with(policy: &str, component: &Path, arguments: &[&str]) -> bool {
    let path = own_file(&format!("learnt-{}.toml", fastrand::u64(..)), policy.as_bytes());
    let outcome = run(udping_host().arg("--policy").arg(path).arg(component).args(arguments));
    if outcome.code() == 0 {
        assert_eq!(outcome.stderr, "");
    } else {
        assert!(
            outcome.code() == 3 && outcome.stderr.contains("refused: "),
            "{policy}: {outcome:?}"
        );
    }
    outcome.code() != 0
}

/// With it nothing is refused; without any one of its lines something is.
#[test]
fn what_is_learnt_is_the_least_policy() {
    let (_server, port) = server();
    let component = file("learns.wasm", CLIENT.bytes);
    // No name resolves to it.
    let other = Server::start(Runtime::UdpingHost, "127.0.0.2", &[]);
    let target = other.addresses[0].to_string();
    for host in ["127.0.0.1", "localhost"] {
        let arguments = ["-4", "-c", "2", "-i", "10ms", host, &port, "--target", &target];
        let learnt = run(udping_host().arg("learn").arg(&component).args(arguments));
        assert_eq!(learnt.code(), 0, "{learnt:?}");
        assert!(learnt.stderr.contains("4 sent, 4 received"), "{learnt:?}");
        let policy = learnt.stdout;
        assert!(
            policy.contains(&format!("\"{host}:{port}\"")) && policy.contains(&target),
            "{policy}"
        );
        assert!(!is_refused_with(&policy, &component, &arguments), "{policy}");
        let entries: Vec<_> = policy.lines().filter(|line| line.ends_with("\",")).collect();
        assert_eq!(entries.len(), 2, "{policy}");
        for entry in entries {
            assert!(
                is_refused_with(&policy.replace(entry, ""), &component, &arguments),
                "{policy} without {entry}"
            );
        }
    }
    let outcome = typed("--allow-to 127.0.0.1:9 learn client 127.0.0.1 9");
    assert_eq!(outcome.code(), 2, "{outcome:?}");
}

#[test]
fn a_server_that_only_answers_is_granted_to_listen() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let learning =
        Process::start(udping_host().args(["learn", "server", &port, "--bind", "127.0.0.1"]));
    until(|| (typed(&format!("client -c 1 -W 200ms 127.0.0.1 {port}")).code() == 0).then_some(()));
    learning.signal(Signal::INT);
    let learnt = learning.wait();
    assert_eq!(learnt.code(), 0, "{learnt:?}");
    let expected = format!(
        "# What server used of the network.\n[grants]\nallow-listen = [\n    \"127.0.0.1:{port}\",\n]\n"
    );
    assert_eq!(learnt.stdout, expected);
}
