//! A component as a service: restarted, on sockets that outlive it or were there before it, with a
//! key, and with an audit trail.

use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use udping_tests::{PATIENCE, Process, Server, file, guests, ping, run, udping_host};

fn client(server: &Server) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.addresses[0]).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket
}

fn trapping(options: &[&str]) -> Server {
    let mut command = udping_host();
    command.args(["--allow-listen", "127.0.0.1:0", "--restart", "on-trap"]).args(options);
    Server::listening(command.arg(file("traps_in_batch.wasm", guests::TRAPS_IN_BATCH)))
}

/// Receives until nothing arrives, and returns the number of datagrams.
fn received(socket: &UdpSocket) -> u32 {
    let mut count = 0;
    while socket.recv(&mut [0; 2048]).is_ok() {
        count += 1;
    }
    count
}

#[test]
fn a_trap_costs_one_batch_and_the_socket_stays_open() {
    for path in [&[][..], &["--no-offload"], &["--batch", "1"]] {
        let mut server = trapping(path);
        let socket = client(&server);
        let sent: u32 = 2_000;
        let mut answered = 0;
        for number in 0..sent {
            let datagram = if number % 500 == 100 {
                b"trap".to_vec()
            } else {
                number.to_be_bytes().repeat(50)
            };
            socket.send(&datagram).unwrap();
            if number % 20 == 19 {
                std::thread::sleep(Duration::from_millis(10));
                socket.set_nonblocking(true).unwrap();
                answered += received(&socket);
                socket.set_nonblocking(false).unwrap();
            }
        }
        answered += received(&socket);
        // Four traps, each of which loses at most a batch.
        assert!((sent - 4 * 64..=sent - 4).contains(&answered), "{path:?}: {answered}");
        let address = server.addresses[0];
        assert_eq!(server.process.line(), format!("listening on {address}"), "the same socket");
        // Only a second SIGTERM would end it, and two that arrive together count as one.
        server.process.signal(Signal::KILL);
        let stderr = server.process.wait().stderr;
        assert_eq!(stderr.matches("trapped: wasm trap: wasm `unreachable`").count(), 4, "{stderr}");
        assert_eq!(stderr.matches(" is started anew in 10ms\n").count(), 1, "{stderr}");
        assert_eq!(stderr.matches(" is started anew in 80ms\n").count(), 1, "{stderr}");
    }
}

#[test]
fn without_restarts_a_trap_is_the_end() {
    let mut command = udping_host();
    command
        .args(["--allow-listen", "127.0.0.1:0"])
        .arg(file("traps_in_batch.wasm", guests::TRAPS_IN_BATCH));
    let server = Server::listening(&mut command);
    client(&server).send(b"trap").unwrap();
    assert_eq!(server.process.wait().code(), 4);
}

/// Returns `udping-host` as systemd starts it: `socket` is its descriptor 3, and `LISTEN_PID` its
/// own.
fn activated(socket: &UdpSocket, arguments: &[&str]) -> Command {
    use std::os::fd::AsRawFd as _;
    // Only a descriptor without close-on-exec is inherited.
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty()).unwrap();
    let host = udping_host();
    let mut command = Command::new("bash");
    let script =
        format!("exec 3<&{}; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"", socket.as_raw_fd());
    command.args(["-c", &script, "bash"]).arg(host.get_program()).args(arguments);
    command
}

#[test]
fn inherited_socket_is_served_including_queued_datagrams() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let early = UdpSocket::bind("127.0.0.1:0").unwrap();
    early.send_to(b"early", socket.local_addr().unwrap()).unwrap();
    let server =
        Server::listening(&mut activated(&socket, &["server", &port, "--bind", "127.0.0.1"]));
    drop(socket);
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(early.recv(&mut [0; 99]).unwrap(), 5);
    let outcome = server.stop();
    assert!(outcome.stdout.ends_with("1 received, 1 answered, 0 dropped\n"), "{outcome:?}");
}

#[test]
fn a_socket_that_is_of_no_use_is_named() {
    let dual = UdpSocket::bind("[::]:0").unwrap();
    let outcome = run(&mut activated(&dual, &["server", "0"]));
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.only_error().contains("takes IPv4 too"), "{outcome:?}");
    assert!(outcome.only_error().ends_with("set BindIPv6Only=ipv6-only"), "{outcome:?}");
}

#[test]
fn who_started_the_service_is_told_when_it_is_up() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let notified = UnixDatagram::bind(&path).unwrap();
    notified.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = udping_host();
    let _server = Process::start(command.env("NOTIFY_SOCKET", &path).args([
        "server",
        "0",
        "--bind",
        "127.0.0.1",
    ]));
    let mut message = [0; 99];
    let length = notified.recv(&mut message).unwrap();
    assert_eq!(message[..length].trim_ascii(), b"READY=1");
}

fn secret(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_key_from_a_file_is_the_components_and_shows_nowhere() {
    let folder = TempDir::new().unwrap();
    let digits = "000102030405060708090a0b0c0d0e0f";
    let key = secret(folder.path(), "key", &format!("{digits}\n"), 0o600);
    let with_key = |arguments: &[&str]| {
        let mut command = udping_host();
        command.args(["--log", "json", "--key-file"]).arg(&key).args(arguments);
        command
    };
    let server = Server::listening(&mut with_key(&["server", "0", "--bind", "127.0.0.1"]));
    let [host, port] = server.host_and_port();
    let pings = ["-c", "3", "-i", "20ms", "-W", "300ms"];
    let keyed = run(&mut with_key(&[&["client", &host, &port], &pings[..]].concat()));
    assert_eq!((keyed.code(), keyed.lines_with("3 sent, 3 received").len()), (0, 1), "{keyed:?}");
    let stranger = ping(udping_tests::Runtime::UdpingHost, &server, &pings);
    assert_eq!(
        (stranger.code(), stranger.lines_with("3 sent, 0 received").len()),
        (1, 1),
        "{stranger:?}"
    );
    let shown =
        fs::read(format!("/proc/{}/cmdline", server.process.pid().as_raw_nonzero())).unwrap();
    assert!(!String::from_utf8_lossy(&shown).contains(digits));
    let outcome = server.stop();
    assert!(!outcome.stderr.contains(digits) && !keyed.stderr.contains(digits), "{outcome:?}");
}

#[test]
fn a_file_that_holds_no_key_or_no_secret_is_named() {
    let folder = TempDir::new().unwrap();
    let digits = "000102030405060708090a0b0c0d0e0f";
    for (name, text, mode, problem) in [
        ("open", digits, 0o644, "everybody can read it: `chmod o-r` it, and make a new key"),
        (
            "short",
            &digits[2..],
            0o600,
            "contains no key: write 32 to 128 hexadecimal digits, as `openssl rand -hex 32` does",
        ),
        ("half", &format!("{digits}0"), 0o600, "contains no key: "),
        ("text", "correct horse battery staple, and more", 0o600, "contains no key: "),
        ("long", &digits.repeat(100), 0o600, "contains no key: "),
    ] {
        let path = secret(folder.path(), name, text, mode);
        let outcome = run(udping_host().arg("--key-file").arg(&path).args(["server", "0"]));
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        let expected = format!("udping-host: --key-file {}: {problem}", path.display());
        assert!(outcome.only_error().starts_with(&expected), "{outcome:?}");
        assert!(!outcome.stderr.contains(&digits[2..20]), "{outcome:?}");
    }
    let outcome = run(udping_host().args(["--key-file", "/no/such/key", "server", "0"]));
    assert!(
        outcome.only_error().starts_with("udping-host: --key-file /no/such/key: cannot be read: "),
        "{outcome:?}"
    );
}

fn trail(stderr: &str) -> Vec<Value> {
    stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn trail_has_start_each_kind_of_denial_and_end_with_totals() {
    let guest = file("sends_to_strangers.wasm", guests::SENDS_TO_STRANGERS);
    let outcome =
        run(udping_host().args(["--log", "json", "--allow-listen", "127.0.0.1:0"]).arg(&guest));
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    let trail = trail(&outcome.stderr);
    let events: Vec<_> = trail.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = ["started", "denied", "denied", "denied_total", "denied_total", "ended"];
    assert_eq!(events, expected, "{outcome:?}");
    let digest = run(Command::new("sha256sum").arg(&guest)).stdout;
    assert_eq!(trail[0]["sha256"], digest.split(' ').next().unwrap());
    assert_eq!(trail[0]["grants"], "listen on 127.0.0.1:0");
    assert!(trail[0]["limits"].as_str().unwrap().contains(", 256 sockets, "), "{}", trail[0]);
    assert_eq!((&trail[1]["what"], &trail[1]["why"]), (&"send".into(), &"not granted".into()));
    let in_all = trail[3..5].iter().map(|event| event["count"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(in_all, 5, "{outcome:?}");
    assert_eq!((&trail[5]["code"], &trail[5]["sent"]), (&3.into(), &0.into()));
}

#[test]
fn the_trail_has_the_limit_that_struck_and_the_traffic() {
    let outcome = run(udping_host()
        .args(["--log", "json", "--limit-sockets", "2"])
        .arg(file("opens_sockets.wasm", guests::OPENS_SOCKETS)));
    let events = trail(&outcome.stderr);
    assert_eq!(events[1]["event"], "limited");
    assert_eq!(
        events[1]["message"],
        "stopped: opens_sockets.wasm opened more than 2 sockets (--limit-sockets)"
    );

    let server = Server::listening(udping_host().args([
        "--log",
        "json",
        "server",
        "0",
        "--bind",
        "127.0.0.1",
    ]));
    ping(udping_tests::Runtime::UdpingHost, &server, &["-c", "3", "-i", "10ms", "--size", "100"]);
    let ended = trail(&server.stop().stderr).pop().unwrap();
    for (key, value) in
        [("received", 3), ("received_bytes", 300), ("sent", 3), ("sent_bytes", 300), ("code", 0)]
    {
        assert_eq!(ended[key], value, "{key}: {ended}");
    }
}

#[test]
fn a_trail_as_text_is_a_line_an_event() {
    let outcome = run(udping_host().args([
        "--log",
        "text",
        "client",
        "127.0.0.1",
        "9",
        "-c",
        "1",
        "-W",
        "50ms",
    ]));
    let lines: Vec<_> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{outcome:?}");
    assert!(
        lines[0].contains(" INFO client starts event=\"started\" component=\"client\" sha256=\""),
        "{outcome:?}"
    );
}

/// The value of a field in each thread's status: `CapEff`, `NoNewPrivs` or `Seccomp`.
fn of_each_thread(process: &Process, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.pid().as_raw_nonzero())).unwrap();
    tasks
        .map(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"))
                .unwrap();
            line.to_owned()
        })
        .collect()
}

#[test]
fn serving_threads_have_no_privileges_unless_hardening_is_off() {
    let mine = fs::read_to_string("/proc/self/status").unwrap();
    let mine = mine.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    let root = mine != "0000000000000000";
    for (options, low) in [(&[][..], false), (&[], true), (&["--workers", "2"], true)] {
        if low && !root {
            eprintln!("not tested: who runs this test may not bind low ports");
            assert!(std::env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
            continue;
        }
        let mut command = udping_host();
        command.args(options).args(["server", if low { "1" } else { "0" }, "--bind", "127.0.0.1"]);
        let mut server = Server::listening(&mut command);
        if !options.is_empty() {
            server.process.line();
        }
        let seen = ping(udping_tests::Runtime::UdpingHost, &server, &["-c", "1"]);
        assert_eq!(seen.code(), 0, "{seen:?}");
        // A worker that has not received a datagram has polled for one.
        for (field, value) in
            [("CapEff", "0000000000000000"), ("NoNewPrivs", "1"), ("Seccomp", "2")]
        {
            let threads = of_each_thread(&server.process, field);
            assert!(
                threads.len() >= 3 && threads.iter().all(|one| one == value),
                "{field}: {threads:?}"
            );
        }
    }
    let server = Server::listening(udping_host().args([
        "--no-harden",
        "server",
        "0",
        "--bind",
        "127.0.0.1",
    ]));
    ping(udping_tests::Runtime::UdpingHost, &server, &["-c", "1"]);
    for (field, value) in [("CapEff", mine), ("Seccomp", "0")] {
        let threads = of_each_thread(&server.process, field);
        assert!(threads.iter().all(|one| one == value), "{field}: {threads:?}");
    }
}

#[test]
fn a_flood_of_refusals_is_a_line_a_second() {
    let start = Instant::now();
    let server = Server::listening(udping_host().args([
        "--limit-source",
        "10",
        "server",
        "0",
        "--bind",
        "127.0.0.1",
    ]));
    let flood = client(&server);
    while start.elapsed() < Duration::from_millis(2_500) {
        flood.send(&start.elapsed().as_nanos().to_be_bytes()).unwrap();
        std::thread::sleep(Duration::from_micros(200));
    }
    let outcome = server.stop();
    let lines = outcome
        .stderr
        .lines()
        .filter(|line| line.contains("more than 10 datagrams/s from one source"))
        .count();
    assert!((2..=4).contains(&lines), "{outcome:?}");
    assert!(outcome.stderr.contains(" more since the last such line)"), "{outcome:?}");
}

/// Users copy the units: systemd must accept them.
#[test]
fn the_units_pass_systemds_own_checks() {
    let systemd = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).output();
    if systemd(&["--version"]).is_err() {
        eprintln!("not tested: there is no systemd-analyze here");
        return;
    }
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
    let folder = TempDir::new().unwrap();
    for unit in ["udping.service", "udping.socket"] {
        let text = fs::read_to_string(units.join(unit)).unwrap();
        let host = udping_tests::host_program();
        fs::write(
            folder.path().join(unit),
            text.replace("/usr/local/bin/udping-host", host.to_str().unwrap()),
        )
        .unwrap();
    }
    let unit = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let verified =
        systemd(&["verify", "--man=no", &unit("udping.service"), &unit("udping.socket")]).unwrap();
    let complaints = String::from_utf8(verified.stderr).unwrap();
    assert!(verified.status.success() && !complaints.contains("udping"), "{complaints}");
    // From 0, safe, to 10: the rest is its access to the network.
    let security =
        systemd(&["security", "--offline=yes", "--threshold=20", &unit("udping.service")]).unwrap();
    assert!(security.status.success(), "{}", String::from_utf8_lossy(&security.stdout));

    let service = fs::read_to_string(units.join("udping.service")).unwrap();
    let command = service
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/udping-host "))
        .unwrap();
    let outcome =
        run(udping_host().args(command.replace(" server ", " grants server ").split(' ')));
    assert_eq!(
        (outcome.code(), outcome.lines_with("  listen on 12000").len()),
        (0, 1),
        "{outcome:?}"
    );
}
