//! Tests of binding, and of what a listener receives and answers.

use super::*;

#[test]
fn a_listen_grant_is_for_one_port() {
    let granted = listen_on("12000");
    grants(&granted, &[bind("0.0.0.0:12000"), bind("[::]:12000"), bind("127.0.0.1:12000")]);
    refuses(&granted, &[bind("0.0.0.0:12001"), bind("0.0.0.0:0")]);
}

#[test]
fn a_listen_grant_with_an_address_is_for_that_address_alone() {
    let granted = listen_on("127.0.0.1:12000");
    grants(&granted, &[bind("127.0.0.1:12000"), bind("[::ffff:127.0.0.1]:12000")]);
    refuses(&granted, &[bind("0.0.0.0:12000"), bind("[::]:12000"), bind("127.0.0.2:12000")]);
}

#[test]
fn listen_grant_is_limited_to_its_zone_or_covers_all_zones() {
    let granted = listen_on("[fe80::1%2]:12000");
    grants(&granted, &[bind("[fe80::1%2]:12000")]);
    refuses(&granted, &[bind("[fe80::1%3]:12000"), bind("[fe80::1]:12000")]);
    assert_eq!(granted.to_string(), "listen on [fe80::1%2]:12000");
    grants(&listen_on("[fe80::1]:12000"), &[bind("[fe80::1%2]:12000"), bind("[fe80::1%3]:12000")]);
    // Where zones are not significant.
    grants(
        &listen_on("[2001:db8::1%2]:12000"),
        &[bind("[2001:db8::1]:12000"), bind("[2001:db8::1%3]:12000")],
    );
}

#[test]
fn listener_receives_from_any_peer_on_its_listening_port_only() {
    let granted = listen_on("12000");
    grants(&granted, &[hear("192.0.2.7:5")]);
    refuses(&granted, &[receive("192.0.2.7:5")]);
    assert!(granted.listens(endpoint("0.0.0.0:12000")));
    assert!(!granted.listens(endpoint("0.0.0.0:0")));
}

#[test]
fn a_listener_sends_only_to_whom_it_owes_an_answer() {
    let granted = listen_on("12000");
    let to = |credit| with_standing("192.0.2.7:5", credit);
    assert_eq!(granted.decide(&to(PeerCredit::Available)), Ok(GrantedBy::Answer));
    refuses_as(DenyReason::NotGranted, &granted, &[to(PeerCredit::None), connect("192.0.2.7:5")]);
    refuses_as(DenyReason::Silent, &granted, &[to(PeerCredit::Expired)]);
    refuses_as(DenyReason::Answered, &granted, &[to(PeerCredit::Exhausted)]);
}

#[test]
fn what_a_grant_names_is_not_charged_as_an_answer() {
    let granted = Grants { listen: listen_on("12000").listen, ..send_to("192.0.2.7:5") };
    assert_eq!(
        granted.decide(&with_standing("192.0.2.7:5", PeerCredit::Exhausted)),
        Ok(GrantedBy::Grant)
    );
    assert_eq!(granted.decide(&hear("192.0.2.7:5")), Ok(GrantedBy::Grant));
}

#[test]
fn port_zero_grants_a_port_that_the_system_chooses() {
    grants(&listen_on("0"), &[bind("0.0.0.0:0"), bind("127.0.0.1:0")]);
    refuses(&listen_on("0"), &[bind("0.0.0.0:12000")]);
}

#[test]
fn send_grant_permits_binding_ephemeral_ports_only() {
    let granted = send_to("192.0.2.7:12000");
    grants(&granted, &[bind("0.0.0.0:0"), bind("[::]:0")]);
    refuses(&granted, &[bind("0.0.0.0:12000"), bind("0.0.0.0:5353")]);
}

#[test]
fn named_source_may_be_bound_in_mapped_or_plain_form() {
    for (source, same) in [("10.9.0.1", "[::ffff:10.9.0.1]:0"), ("::ffff:10.9.0.1", "10.9.0.1:0")] {
        let granted =
            Grants { source: vec![source.parse().unwrap()], ..send_to("192.0.2.7:12000") };
        grants(&granted, &[bind("10.9.0.1:0"), bind(same)]);
        refuses(&granted, &[bind("10.9.0.2:0"), bind("10.9.0.1:7")]);
    }
}

#[test]
fn send_grant_does_not_reveal_local_addresses_by_bind() {
    let granted = send_to("192.0.2.7:12000");
    refuses(
        &granted,
        &[
            bind("10.9.0.1:0"),
            bind("[2001:db8::9]:0"),
            bind("[fe80::9%2]:0"),
            bind("169.254.1.1:0"),
        ],
    );
    // Every machine has these addresses.
    grants(&granted, &[bind("127.0.0.1:0"), bind("[::1]:0")]);
    grants(&listen_on("10.9.0.1:0"), &[bind("10.9.0.1:0")]);
    let request = bind("10.9.0.1:0");
    let flags = Flags { grants: &granted, request: &request }.to_string();
    assert_eq!(flags, "--allow-to 192.0.2.7:12000 --allow-listen 10.9.0.1:0");
}

fn from(networks: &[&str], granted: Grants) -> Grants {
    Grants { from: networks.iter().map(|text| text.parse().unwrap()).collect(), ..granted }
}

#[test]
fn a_listener_hears_and_answers_only_whom_it_may_hear() {
    let granted = from(&["192.0.2.0/24", "2001:db8::/32", "fe80::%2/64"], listen_on("12000"));
    for peer in ["192.0.2.7:5", "[::ffff:192.0.2.7]:5", "[2001:db8::7]:65535", "[fe80::1%2]:5"] {
        grants(&granted, &[hear(peer), answer(peer)]);
    }
    for peer in [
        "198.51.100.1:5",
        "127.0.0.1:5",
        "[2001:db9::7]:5",
        "[fe80::1%3]:5",
        "[64:ff9b::192.0.2.7]:5",
    ] {
        refuses_as(DenyReason::NotFrom, &granted, &[hear(peer), answer(peer)]);
        // Nothing was received from there.
        refuses(&granted, &[send(peer), connect(peer)]);
    }
}

#[test]
fn whom_a_send_grant_names_is_heard_wherever_it_is() {
    let granted = from(
        &["192.0.2.0/24"],
        Grants { listen: listen_on("12000").listen, ..send_to("198.51.100.1:53") },
    );
    grants(
        &granted,
        &[send("198.51.100.1:53"), receive("198.51.100.1:53"), hear("198.51.100.1:53")],
    );
    refuses_as(DenyReason::NotFrom, &granted, &[hear("198.51.100.1:54")]);
}

#[test]
fn the_whole_network_is_heard_only_from_where_it_may_be() {
    let granted = from(&["192.0.2.0/24"], everything());
    grants(&granted, &[receive("192.0.2.7:5"), hear("192.0.2.7:5"), send("198.51.100.1:5")]);
    refuses_as(DenyReason::NotFrom, &granted, &[receive("198.51.100.1:5"), hear("198.51.100.1:5")]);
}

#[test]
fn allow_from_is_no_grant_and_deny_takes_precedence() {
    let alone = from(&["192.0.2.0/24"], Grants::default());
    refuses(
        &alone,
        &[send("192.0.2.7:5"), receive("192.0.2.7:5"), bind("0.0.0.0:0"), bind("0.0.0.0:12000")],
    );
    let deny = spec(&[], &["192.0.2.7"]).with_addresses(&Names::default()).deny;
    let granted = Grants { deny, ..from(&["192.0.2.0/24"], listen_on("12000")) };
    refuses_as(DenyReason::Denied, &granted, &[hear("192.0.2.7:5")]);
    assert_eq!(
        granted.to_string(),
        "listen on 12000, hearing only from 192.0.2.0/24, never 192.0.2.7:1-65535"
    );
}
