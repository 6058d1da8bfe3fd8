//! Tests of every kind of grant, and of every reason to refuse.

use proptest::prelude::*;

use super::*;
use crate::names::Names;

mod deny;
mod listen;
mod special;
mod text;

fn endpoint(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn spec(allow: &[&str], deny: &[&str]) -> GrantSpec {
    GrantSpec {
        to: allow.iter().map(|text| text.parse().unwrap()).collect(),
        deny: deny.iter().map(|text| text.parse().unwrap()).collect(),
        ..GrantSpec::default()
    }
}

fn send_to(text: &str) -> Grants {
    spec(&[text], &[]).with_addresses(&Names::default())
}

fn listen_on(text: &str) -> Grants {
    Grants { listen: vec![text.parse().unwrap()], ..Grants::default() }
}

fn everything() -> Grants {
    Grants { inherit_network: true, any_name: true, ..Grants::default() }
}

fn bind(local: &str) -> Request {
    Request::Bind(endpoint(local))
}

fn connect(to: &str) -> Request {
    Request::Connect { to: endpoint(to), credit: PeerCredit::None }
}

fn send(to: &str) -> Request {
    with_standing(to, PeerCredit::None)
}

fn answer(to: &str) -> Request {
    with_standing(to, PeerCredit::Available)
}

fn with_standing(to: &str, credit: PeerCredit) -> Request {
    Request::Send { to: endpoint(to), credit }
}

fn receive(from: &str) -> Request {
    Request::Receive { from: endpoint(from), listening: false }
}

fn hear(from: &str) -> Request {
    Request::Receive { from: endpoint(from), listening: true }
}

fn resolve(name: &str) -> Request {
    Request::Resolve(name.parse().unwrap())
}

#[track_caller]
fn grants(grants: &Grants, requests: &[Request]) {
    for request in requests {
        assert!(grants.decide(request).is_ok(), "{request:?} under {grants}");
    }
}

#[track_caller]
fn refuses(grants: &Grants, requests: &[Request]) {
    refuses_as(DenyReason::NotGranted, grants, requests);
}

#[track_caller]
fn refuses_as(reason: DenyReason, grants: &Grants, requests: &[Request]) {
    for request in requests {
        assert_eq!(grants.decide(request), Err(reason), "{request:?} under {grants}");
    }
}

#[test]
fn nothing_is_granted_by_default() {
    let one_of_each = [
        bind("0.0.0.0:0"),
        bind("127.0.0.1:12000"),
        send("127.0.0.1:12000"),
        connect("127.0.0.1:12000"),
        receive("127.0.0.1:12000"),
        resolve("localhost"),
    ];
    refuses(&Grants::default(), &one_of_each);
}

#[test]
fn a_send_grant_is_for_one_address_and_one_port() {
    let granted = send_to("192.0.2.7:12000");
    grants(
        &granted,
        &[send("192.0.2.7:12000"), connect("192.0.2.7:12000"), receive("192.0.2.7:12000")],
    );
    refuses(
        &granted,
        &[send("192.0.2.8:12000"), send("192.0.2.7:12001"), send("[2001:db8::7]:12000")],
    );
    refuses(
        &granted,
        &[receive("192.0.2.8:12000"), receive("192.0.2.7:12001"), connect("192.0.2.8:12000")],
    );
}

#[test]
fn nobody_is_reached_at_an_unspecified_address_or_at_port_zero() {
    for granted in
        [everything(), send_to("0.0.0.0/0:1-65535"), send_to("[::]/0:1-65535"), listen_on("12000")]
    {
        for nowhere in ["0.0.0.0:5", "[::]:5", "[::ffff:0.0.0.0]:5", "192.0.2.7:0"] {
            refuses_as(
                DenyReason::Nowhere,
                &granted,
                &[send(nowhere), connect(nowhere), answer(nowhere), hear(nowhere)],
            );
        }
    }
}

#[test]
fn a_network_and_ports_are_granted_to_their_last_and_no_further() {
    let granted = send_to("192.0.2.128/25:100-102");
    grants(
        &granted,
        &[send("192.0.2.128:100"), send("192.0.2.255:102"), receive("[::ffff:192.0.2.200]:101")],
    );
    refuses(
        &granted,
        &[
            send("192.0.2.127:100"),
            send("192.0.3.0:100"),
            send("192.0.2.128:99"),
            send("192.0.2.128:103"),
        ],
    );
    let granted = send_to("[2001:db8::]/32:9");
    grants(&granted, &[send("[2001:db8:ffff::1]:9")]);
    refuses(&granted, &[send("[2001:db9::1]:9"), send("192.0.2.1:9")]);
}

#[test]
fn a_lookup_is_granted_for_the_very_name() {
    let granted = Grants { resolve: vec!["example.org".parse().unwrap()], ..Grants::default() };
    grants(&granted, &[resolve("example.org"), resolve("EXAMPLE.org.")]);
    refuses(
        &granted,
        &[resolve("www.example.org"), resolve("example.com"), send("192.0.2.7:12000")],
    );
}

#[test]
fn wildcard_covers_all_subdomains_but_not_the_domain_itself() {
    let granted = Grants { resolve: vec!["*.Example.org".parse().unwrap()], ..Grants::default() };
    grants(&granted, &[resolve("a.example.org"), resolve("a.b.example.org.")]);
    refuses(
        &granted,
        &[resolve("example.org"), resolve("badexample.org"), resolve("a.example.org.evil.com")],
    );
}

#[test]
fn the_whole_network_is_addresses_but_not_names() {
    let granted = Grants { inherit_network: true, ..Grants::default() };
    grants(
        &granted,
        &[bind("0.0.0.0:53"), send("192.0.2.7:1"), connect("192.0.2.7:1"), receive("192.0.2.7:1")],
    );
    refuses(&granted, &[resolve("example.org")]);
}

#[test]
fn any_name_is_names_but_not_addresses() {
    let granted = Grants { any_name: true, ..Grants::default() };
    grants(&granted, &[resolve("example.org")]);
    refuses(&granted, &[send("192.0.2.7:1"), bind("0.0.0.0:0"), receive("192.0.2.7:1")]);
}

proptest! {
    #[test]
    fn send_and_connect_to_an_address_are_decided_alike(
        ip: IpAddr, port: u16, grant: IpAddr, length in 0..=32_u8, listening: bool
    ) {
        let peer = SocketAddr::new(ip, port);
        let granted = Grants {
            send: vec![Destination::new(IpNet::new(grant, length).unwrap(), 0, Ports::ALL)].into(),
            listen: if listening { vec!["12000".parse().unwrap()] } else { Vec::new() },
            ..Grants::default()
        };
        for credit in [PeerCredit::None, PeerCredit::Expired, PeerCredit::Exhausted, PeerCredit::Available] {
            let connect = granted.decide(&Request::Connect { to: peer, credit });
            let send = granted.decide(&Request::Send { to: peer, credit });
            prop_assert_eq!(connect, send);
        }
    }

    #[test]
    fn more_grants_never_refuse_what_fewer_granted(ip: IpAddr, port: u16, grant: IpAddr, length in 0..=32_u8) {
        let few = Grants {
            send: vec![Destination::new(IpNet::new(grant, length).unwrap(), 0, Ports::ALL)].into(),
            ..Grants::default()
        };
        let more = Grants { listen: vec!["1".parse().unwrap()], inherit_network: true, ..few.clone() };
        let request = Request::Send { to: SocketAddr::new(ip, port), credit: PeerCredit::None };
        prop_assert!(few.decide(&request).is_err() || more.decide(&request).is_ok());
    }
}
