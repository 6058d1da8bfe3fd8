use super::*;

fn local(last: u8) -> Local {
    Local { ip: [10, 0, 0, last].into(), interface: 0 }
}

fn peer(port: u16) -> SocketAddr {
    ([10, 0, 0, 9], port).into()
}

#[test]
fn answers_leave_from_where_each_peer_sent_to() {
    let mut origins = Origins::default();
    origins.hear(peer(1), local(1), b"a");
    origins.hear(peer(2), local(2), b"a");
    assert_eq!(origins.answer(peer(2), b"a"), Some(local(2)));
    assert_eq!(origins.answer(peer(1), b"a"), Some(local(1)));
    assert_eq!(origins.answer(peer(1), b"more"), Some(local(1)), "also what it did not ask for");
}

#[test]
fn peer_sent_to_first_gets_the_source_chosen_by_the_system() {
    let mut origins = Origins::default();
    assert_eq!(origins.answer(peer(1), b"request"), None);
    origins.hear(peer(1), local(1), b"answer");
    assert_eq!(origins.answer(peer(1), b"request"), None);
}

#[test]
fn peer_using_two_local_addresses_is_answered_in_fifo_order() {
    for answer in [b"the same", b"an other"] {
        let mut origins = Origins::default();
        for last in [1, 1, 2, 1, 2] {
            origins.hear(peer(1), local(last), b"the same");
        }
        let from: Vec<_> = (0..6).map(|_| origins.answer(peer(1), answer).unwrap()).collect();
        assert_eq!(from, [1, 1, 2, 1, 2, 2].map(local), "and beyond, from the last");
    }
}

#[test]
fn what_an_answer_repeats_tells_which_requests_were_left_out() {
    let request = |number: u8| [b"Ping ", [b'a' + number].as_slice(), b" and some more"].concat();
    let echo = |request: &[u8]| request.to_vec();
    let upper_case = |request: &[u8]| request.to_ascii_uppercase();
    let reflector = |request: &[u8]| [[0; 24].as_slice(), &request[..14], &[255, 0]].concat();
    for answer in [&echo as &dyn Fn(&[u8]) -> Vec<u8>, &upper_case, &reflector] {
        let mut origins = Origins::default();
        for number in 0..20 {
            origins.hear(peer(1), local(number % 2), &request(number));
        }
        // The first was received while the peer used one address: only its order is known.
        for number in (3..20).step_by(3) {
            let from = origins.answer(peer(1), &answer(&request(number)));
            assert_eq!(from, Some(local(number % 2)), "{number}");
        }
    }
}

#[test]
fn what_did_not_go_is_still_owed_an_answer() {
    let mut origins = Origins::default();
    for last in [1, 2, 1] {
        origins.hear(peer(1), local(last), b"x");
    }
    let first = origins.answer(peer(1), b"y").unwrap();
    origins.not_answered(peer(1), first, b"y");
    let from: Vec<_> = (0..3).map(|_| origins.answer(peer(1), b"y").unwrap()).collect();
    assert_eq!(from, [1, 2, 1].map(local));
}

#[test]
fn origins_are_bounded_and_active_peers_are_not_forgotten() {
    let mut origins = Origins::default();
    origins.hear(peer(1), local(1), b"x");
    origins.hear(peer(1), local(2), b"x");
    for i in 0..200_000_u32 {
        let [_, high, low, port] = i.to_be_bytes();
        let other = ([10, 1, high, low], 1_000 + u16::from(port)).into();
        origins.hear(other, local(1), b"x");
        origins.hear(other, local(2), b"x");
        if i % 1_000 == 0 {
            origins.hear(peer(1), local(2), b"x");
        }
    }
    assert!(origins.peers.iter().map(HashMap::len).sum::<usize>() <= 2 * PEERS);
    assert!(origins.waiting <= WAITING_OF_ALL, "{}", origins.waiting);
    let waiting =
        |origin: &Origin| if let Origin::Several(_, queue) = origin { queue.len() } else { 0 };
    assert_eq!(
        origins.waiting,
        origins.peers.iter().flat_map(HashMap::values).map(waiting).sum::<usize>()
    );
    assert!(origins.answer(peer(1), b"y").is_some());
}

#[test]
fn runs_are_matched_like_their_datagrams_one_by_one() {
    let (mut runs, mut singles) = (Origins::default(), Origins::default());
    // Of a linear congruential generator: peers, addresses and payloads in any order.
    let mut state = 7_u32;
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    for _ in 0..2_000 {
        let (peer, count) = (peer(u16::try_from(next(3)).unwrap()), next(4) as usize);
        let data: Vec<_> = (0..count).map(|_| [b'a' + u8::try_from(next(3)).unwrap()]).collect();
        if next(2) == 0 {
            // Most of the time one address, so that both states are met.
            let local = local(1 + u8::from(next(40) == 0));
            runs.hear_all(peer, local, data.iter().map(<[u8; 1]>::as_slice));
            for data in &data {
                singles.hear(peer, local, data);
            }
        } else {
            let of_all = runs.answer_all(peer, count);
            for data in &data {
                let one_by_one = singles.answer(peer, data);
                assert_eq!(of_all.or_else(|| runs.answer(peer, data)), one_by_one);
            }
        }
    }
}
