//! Names and zones, in namespaces with resolvers of their own.

use std::process::Command;

use rustix::process::Signal;
use udping_tests::{Outcome, Process, file, host_program, run, wasmtime};

/// A name server that answers nothing, and reports the first query; it ends with the process that
/// started it.
const SILENT: &str = "
import os, socket
parent, asked = os.getppid(), False
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.53', 53))
s.settimeout(0.1)
while os.getppid() == parent:
    try:
        s.recv(512)
    except TimeoutError:
        continue
    if not asked:
        print('asked', flush=True)
    asked = True
";

/// Returns a command that runs `script` in a network of its own, with that resolv.conf and those
/// hosts; `$UDPING` is the host.
fn in_network(name: &str, hosts: &str, script: &str) -> Command {
    let resolver = file(
        &format!("{name}.resolv.conf"),
        b"nameserver 127.0.0.53\noptions timeout:1 attempts:1\n",
    );
    let hosts = file(&format!("{name}.hosts"), hosts.as_bytes());
    let setup = format!(
        "ip link set lo up; mount --bind {} /etc/resolv.conf; mount --bind {} /etc/hosts; {script}",
        resolver.display(),
        hosts.display()
    );
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "sh", "-c", &setup])
        .env("UDPING", host_program())
        .env("SILENT", SILENT);
    command
}

fn typed(name: &str, hosts: &str, script: &str) -> Outcome {
    run(&mut in_network(name, hosts, script))
}

#[test]
fn a_silent_name_server_is_a_temporary_failure() {
    let script = "python3 -c \"$SILENT\" >/dev/null & until ss -Hlun | grep -q 127.0.0.53; do sleep 0.05; done
        $UDPING client some.example 9 -c 1; code=$?; kill $! 2>/dev/null; exit $code";
    let outcome = typed("silent", "", script);
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(
        outcome.only_error().contains("cannot resolve some.example: temporary failure"),
        "{outcome:?}"
    );
    assert!(!outcome.stderr.contains("no such name"), "{outcome:?}");
}

/// Even if a shell has it ignore the signal, as for background jobs.
#[test]
fn ctrl_c_ends_it_while_a_name_is_resolved() {
    let script = "python3 -c \"$SILENT\" & trap '' INT; export RES_OPTIONS='timeout:30 attempts:2'
        until ss -Hlun | grep -q 127.0.0.53; do sleep 0.05; done; exec $UDPING client some.example 9 -c 1";
    let mut client = Process::start(&mut in_network("interrupted", "", script));
    while client.line() != "asked" {}
    client.signal(Signal::INT);
    let outcome = client.wait();
    assert_eq!(outcome.code(), 130, "{outcome:?}");
    assert_eq!(outcome.only_error(), "udping-host: interrupted while names were being resolved");
}

#[test]
fn missing_address_family_error_lists_the_addresses_found() {
    let outcome =
        typed("family", "192.0.2.1 four.example\n", "exec $UDPING client -6 four.example 9");
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    let expected = "client: four.example has no IPv6 address, as -6 asks for: it has 192.0.2.1";
    assert_eq!(outcome.only_error(), expected);
}

#[test]
fn interface_name_is_accepted_as_zone_wherever_an_address_is() {
    let script = "ip addr add fe80::7/64 dev lo nodad; cd $(mktemp -d); echo '[fe80::7%lo]:7' >list
        $UDPING server 7 --bind fe80::7%lo >log & server=$!; trap 'kill $server' EXIT
        until grep -qs listening log; do sleep 0.05; done
        set -e
        $UDPING client -c 1 -q fe80::7%lo 7
        $UDPING client -c 1 -q [fe80::7%lo]:7
        $UDPING client -c 1 -q --target [fe80::7%lo]:7
        $UDPING --targets list client -c 1 -q
        $UDPING --allow-to [fe80::7%lo]:7 client -c 1 -q fe80::7%lo 7
        $UDPING emit client >client.wasm
        $UDPING client.wasm fe80::7%lo 7 -c 1 -q";
    let outcome = typed("zones", "", script);
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    assert_eq!(outcome.lines_with("1 sent, 1 received").len(), 6, "{outcome:?}");
    assert_eq!(
        outcome.lines_with("--- [fe80::7%lo]:7 ping statistics ---").len(),
        6,
        "{outcome:?}"
    );
    for flag in [
        "--allow-to [fe80::7%none]:7",
        "--deny-to fe80::7%none",
        "--allow-from fe80::%none/64",
        "--allow-listen [fe80::7%none]:7",
    ] {
        let outcome = run(Command::new(host_program()).args(flag.split(' ')).args(["server", "7"]));
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        assert!(
            outcome.only_error().contains("there is no network interface of that name"),
            "{outcome:?}"
        );
    }
}

/// A name that resolves to another address after a second, in a network where both answer.
const MOVES: &str = "cd $(mktemp -d); for n in 1 2 3; do ip addr add 10.9.0.$n/32 dev lo; done
    $UDPING server 7 >log & server=$!; trap 'kill $server' EXIT
    until grep -qs listening log; do sleep 0.05; done; $UDPING emit client >client.wasm
    (sleep 0.7; echo \"$TO\" >/etc/hosts) &";

#[test]
fn client_follows_a_changed_address_only_with_resolve_every() {
    let pings = |name: &str, to: &str, options: &str| {
        let script = format!(
            "TO='{to}'; {MOVES} $UDPING {options} moves.example 7 -i 200ms -w 2.9s -W 100ms"
        );
        typed(name, "10.9.0.1 moves.example\n", &script)
    };
    for (name, options) in [
        ("moves-built-in", "client --resolve-every 1s"),
        (
            "moves-file",
            "--allow-to moves.example:7 --resolve-every 1s client.wasm --resolve-every 1s",
        ),
    ] {
        let outcome = pings(name, "10.9.0.2 moves.example", options);
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
        let told = "moves.example port 7: address changed from 10.9.0.1 to 10.9.0.2";
        assert_eq!(outcome.lines_with(told).len(), 1, "{outcome:?}");
        for address in ["10.9.0.1", "10.9.0.2"] {
            let answered = outcome.lines_with(&format!("32 bytes from {address}:7: ")).len();
            assert!(answered >= 4, "{answered} of {address}: {outcome:?}");
        }
        assert_eq!(outcome.lines_with(" 0 lost (0.0 %)").len(), 1, "{outcome:?}");
    }
    // Without the option, the address of a name does not change.
    let outcome = pings("moves-once", "10.9.0.2 moves.example", "client");
    assert!(!outcome.stdout.contains("10.9.0.2"), "{outcome:?}");
    // As long as the name still resolves to the address in use, that is kept.
    let outcome = pings(
        "moves-not",
        "10.9.0.2 moves.example\n10.9.0.1 moves.example",
        "client --resolve-every 1s",
    );
    assert!(!outcome.stdout.contains("10.9.0.2"), "{outcome:?}");
    // A name that no longer resolves, and one that resolves to an address that a name cannot grant.
    let outcome = pings("moves-gone", "", "client --resolve-every 1s");
    assert_eq!(
        outcome.lines_with("moves.example was not resolved again: ").len(),
        1,
        "{outcome:?}"
    );
    assert_eq!(outcome.lines_with("; 10.9.0.1 is pinged on").len(), 1, "{outcome:?}");
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let outcome = pings("moves-loopback", "127.0.0.1 moves.example", "client --resolve-every 1s");
    assert!(outcome.stderr.contains("refused: client asked to send to 127.0.0.1:7"), "{outcome:?}");
    assert!(!outcome.stdout.contains("bytes from 127.0.0.1"), "{outcome:?}");
}

#[test]
fn unreachable_address_of_a_name_is_skipped_for_another() {
    for (name, first) in [("no-route", "192.0.2.1"), ("no-route-6", "2001:db8::1")] {
        let script =
            "ip addr add 10.9.0.1/32 dev lo; cd $(mktemp -d); $UDPING server 7 >log & server=$!
            trap 'kill $server' EXIT; until grep -qs listening log; do sleep 0.05; done
            $UDPING client -c 1 two.example 7";
        let outcome = typed(name, &format!("{first} two.example\n10.9.0.1 two.example\n"), script);
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
        assert_eq!(outcome.lines_with("32 bytes from 10.9.0.1:7: seq=1").len(), 1, "{outcome:?}");
    }
}

/// RFC 6761, section 6.3. Under the wasmtime CLI, the client itself knows localhost.
#[test]
fn localhost_is_the_loopback_address_where_no_file_says_so() {
    let served = "cd $(mktemp -d); $UDPING server 7 >log & server=$!; trap 'kill $server' EXIT
        until grep -qs listening log; do sleep 0.05; done; $UDPING emit client >client.wasm;";
    let clients = [
        "$UDPING client localhost 7",
        "$WASMTIME run -S inherit-network,allow-ip-name-lookup client.wasm localhost 7",
    ];
    for (name, client) in ["localhost", "localhost-stock"].into_iter().zip(clients) {
        let mut command = in_network(name, "", &format!("{served} {client} -c 1"));
        if client.starts_with("$WASMTIME") {
            let Some(wasmtime) = wasmtime() else { return };
            command.env("WASMTIME", wasmtime.get_program());
        }
        let outcome = run(&mut command);
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
        assert_eq!(outcome.lines_with("32 bytes from 127.0.0.1:7: seq=1").len(), 1, "{outcome:?}");
    }
}

#[test]
fn a_name_may_have_letters_of_any_language() {
    let script = "cd $(mktemp -d); $UDPING server 7 --bind 127.0.0.1 >log & server=$!
        until grep -qs listening log; do sleep 0.05; done
        $UDPING client -c 1 -q m\u{fc}nchen.example 7; code=$?
        kill $server; exit $code";
    let outcome = typed("idn", "127.0.0.1 xn--mnchen-3ya.example\n", script);
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
}
