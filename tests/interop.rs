//! Against programs in another language, written from the protocol alone.

use udping_tests::{Runtime, Server, peer, ping, run, under_both_runtimes};

under_both_runtimes![
    a_classic_client_gets_its_answers,
    a_classic_server_is_pinged,
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
    let dropped: Vec<u32> = lost.iter().map(|_| server.line().trim_start_matches("dropped ").parse().unwrap()).collect();
    assert_eq!(lost, dropped, "what is reported lost is what was dropped");
}

fn every_oddity_of_a_server_is_reported_as_what_it_is(runtime: Runtime) {
    let server = Server::listening(&mut peer("odd_server.py", &[]));
    let outcome = ping(runtime, &server, &["-c", "10", "-i", "100ms", "-W", "300ms"]);
    assert_eq!(outcome.seqs("(duplicate)"), [1], "{outcome:?}");
    assert_eq!(outcome.seqs("(late)"), [2], "{outcome:?}");
    assert_eq!(outcome.seqs("lost: "), [2, 5, 6, 7], "{outcome:?}");
    let in_time: Vec<_> = outcome.lines_with(" rtt=").into_iter().filter(|line| line.ends_with(" ms")).collect();
    let order: Vec<_> = in_time.iter().filter_map(|line| line.split("seq=").nth(1)?.split(' ').next()).collect();
    assert_eq!(order, ["1", "4", "3", "8", "9", "10"], "{outcome:?}");
    // The reply from another port never reaches a connected socket.
    let summary = "10 sent, 6 received, 3 lost (30.0 %), 1 duplicates, 1 late, 2 reordered, 1 foreign";
    assert_eq!(outcome.lines_with("sent,"), [summary], "{outcome:?}");
}
