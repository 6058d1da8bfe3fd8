//! Interoperability with programs in another language, written from the protocol alone.

use std::net::UdpSocket;
use std::thread;

use udping_tests::{
    CLIENT, Outcome, PATIENCE, Runtime, Server, peer, ping, run, under_both_runtimes,
};

under_both_runtimes![
    a_classic_client_gets_its_answers,
    a_classic_server_is_pinged,
    a_server_that_splits_at_spaces_finds_three_words,
    replies_of_a_reflector_of_twamp_light_count,
    every_oddity_of_a_server_is_reported_as_what_it_is,
];

fn a_classic_client_gets_its_answers(runtime: Runtime) {
    for options in [&[][..], &["--uppercase"]] {
        let server = Server::start(runtime, "127.0.0.1", options);
        let [host, port] = server.host_and_port();
        let outcome = run(&mut peer("classic_client.py", &[&host, &port]));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        assert_eq!(outcome.stdout.lines().last(), Some("received 10 of 10"));
    }
}

fn a_classic_server_is_pinged(runtime: Runtime) {
    let server = Server::listening(&mut peer("classic_server.py", &["5"]));
    let outcome = ping(runtime, &server, &["-c", "30", "-i", "10ms", "-W", "500ms"]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let lost = outcome.seqs("lost: ");
    assert!(!lost.is_empty() && lost.len() < 30, "{outcome:?}");
    assert_eq!(outcome.seqs(" rtt=").len() + lost.len(), 30);

    let mut server = server.process;
    let dropped: Vec<u32> = lost
        .iter()
        .map(|_| server.line().trim_start_matches("dropped ").parse().unwrap())
        .collect();
    assert_eq!(lost, dropped, "what is reported lost is what was dropped");
}

/// Runs a client whose datagrams are answered by what `answer` makes of them.
fn pinged(runtime: Runtime, options: &[&str], answer: impl Fn(&[u8]) -> Vec<u8> + Sync) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let command = [&["127.0.0.1", &port, "-c", "3", "-i", "20ms"], options].concat();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..3 {
                let mut buffer = [0; 2_048];
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                socket.send_to(&answer(&buffer[..length]), from).unwrap();
            }
        });
        run(&mut runtime.command(CLIENT, &command))
    })
}

/// As in students' servers: `message.decode().split(' ')`.
fn a_server_that_splits_at_spaces_finds_three_words(runtime: Runtime) {
    for size in ["32", "1400"] {
        let outcome = pinged(runtime, &["-s", size], |ping| {
            let text = String::from_utf8(ping.to_vec()).unwrap();
            let words: Vec<_> = text.split(' ').collect();
            let is_ping = words.len() == 3 && words[2].trim_end().parse::<f64>().is_ok();
            if is_ping { text.to_uppercase().into_bytes() } else { b"not three words".to_vec() }
        });
        assert_eq!(outcome.lines_with("3 sent, 3 received, 0 lost").len(), 1, "{outcome:?}");
    }
}

/// They end with the request's TTL, or before it (RFC 5357, section 4.2.1; RFC 8762, section 4.6).
fn replies_of_a_reflector_of_twamp_light_count(runtime: Runtime) {
    for (length, received) in [(37, 0), (38, 3), (41, 3)] {
        let outcome = pinged(runtime, &["--protocol", "stamp", "-W", "500ms"], |request| {
            let error = [0, 1];
            let times = &request[4..12];
            let reply =
                [&request[..12], &error, &[0; 2], times, &request[..14], &[0, 0, 64, 0, 0, 0]]
                    .concat();
            reply[..length].to_vec()
        });
        assert_eq!(
            outcome.lines_with(&format!("3 sent, {received} received, ")).len(),
            1,
            "{length}: {outcome:?}"
        );
    }
}

fn every_oddity_of_a_server_is_reported_as_what_it_is(runtime: Runtime) {
    let server = Server::listening(&mut peer("odd_server.py", &[]));
    let outcome = ping(runtime, &server, &["-c", "10", "-i", "100ms", "-W", "300ms"]);
    assert_eq!(outcome.seqs("(duplicate)"), [1], "{outcome:?}");
    assert_eq!(outcome.seqs("(late)"), [2], "{outcome:?}");
    assert_eq!(outcome.seqs("lost: "), [2, 5, 6, 7], "{outcome:?}");
    let in_time: Vec<_> =
        outcome.lines_with(" rtt=").into_iter().filter(|line| line.ends_with(" ms")).collect();
    let order: Vec<_> =
        in_time.iter().filter_map(|line| line.split("seq=").nth(1)?.split(' ').next()).collect();
    assert_eq!(order, ["1", "4", "3", "8", "9", "10"], "{outcome:?}");
    // The reply from another port is not granted; the wasmtime CLI delivers it.
    let foreign = if runtime.is_udping_host() { 1 } else { 2 };
    let summary = format!(
        "10 sent, 6 received, 3 lost (30.0 %), 1 duplicates, 1 late, 2 reordered, {foreign} foreign"
    );
    // A machine that stalls misses slots of the schedule, which the line reports at its end.
    let lines = outcome.lines_with("sent,");
    assert!(matches!(lines[..], [line] if line.starts_with(&summary)), "{outcome:?}");
}
