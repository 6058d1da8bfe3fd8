//! A test for each thing granted, and for each refused.

use proptest::prelude::*;

use super::*;

fn endpoint(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn send_to(text: &str) -> Grants {
    Grants { send: vec![endpoint(text)], ..Grants::default() }
}

fn listen_on(text: &str) -> Grants {
    Grants { listen: vec![text.parse().unwrap()], ..Grants::default() }
}

fn bind(local: &str) -> Request {
    Request::Bind(endpoint(local))
}

fn send(to: &str) -> Request {
    Request::Send { to: endpoint(to), heard: false }
}

fn answer(to: &str) -> Request {
    Request::Send { to: endpoint(to), heard: true }
}

fn receive(from: &str) -> Request {
    Request::Receive(endpoint(from))
}

fn resolve(name: &str) -> Request {
    Request::Resolve(name.parse().unwrap())
}

#[track_caller]
fn grants(grants: &Grants, requests: &[Request]) {
    for request in requests {
        assert_eq!(grants.decide(request), Decision::Granted, "{request:?} under {grants}");
    }
}

#[track_caller]
fn refuses(grants: &Grants, requests: &[Request]) {
    for request in requests {
        assert_eq!(grants.decide(request), Decision::Refused, "{request:?} under {grants}");
    }
}

#[test]
fn nothing_is_granted_by_default() {
    let one_of_each = [
        bind("0.0.0.0:0"),
        bind("127.0.0.1:12000"),
        send("127.0.0.1:12000"),
        answer("127.0.0.1:12000"),
        receive("127.0.0.1:12000"),
        resolve("localhost"),
    ];
    refuses(&Grants::default(), &one_of_each);
}

#[test]
fn a_send_grant_is_for_one_address_and_one_port() {
    let granted = send_to("192.0.2.7:12000");
    grants(&granted, &[send("192.0.2.7:12000"), receive("192.0.2.7:12000")]);
    refuses(&granted, &[send("192.0.2.8:12000"), send("192.0.2.7:12001"), send("[2001:db8::7]:12000")]);
    refuses(&granted, &[receive("192.0.2.8:12000"), receive("192.0.2.7:12001"), answer("192.0.2.8:12000")]);
}

#[test]
fn a_send_grant_lets_a_component_bind_a_port_that_the_system_chooses_and_no_other() {
    let granted = send_to("192.0.2.7:12000");
    grants(&granted, &[bind("0.0.0.0:0"), bind("[::]:0")]);
    refuses(&granted, &[bind("0.0.0.0:12000"), bind("0.0.0.0:5353")]);
}

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
fn a_listener_hears_everybody_and_sends_only_to_whom_it_has_heard() {
    let granted = listen_on("12000");
    grants(&granted, &[receive("192.0.2.7:5"), answer("192.0.2.7:5")]);
    refuses(&granted, &[send("192.0.2.7:5")]);
}

#[test]
fn port_zero_grants_a_port_that_the_system_chooses() {
    grants(&listen_on("0"), &[bind("0.0.0.0:0"), bind("127.0.0.1:0")]);
    refuses(&listen_on("0"), &[bind("0.0.0.0:12000")]);
}

#[test]
fn a_lookup_is_granted_for_the_very_name() {
    let granted = Grants { resolve: vec!["example.org".parse().unwrap()], ..Grants::default() };
    grants(&granted, &[resolve("example.org"), resolve("EXAMPLE.org.")]);
    refuses(&granted, &[resolve("www.example.org"), resolve("example.com"), send("192.0.2.7:12000")]);
}

#[test]
fn the_whole_network_is_addresses_but_not_names() {
    let granted = Grants { inherit_network: true, ..Grants::default() };
    grants(&granted, &[bind("0.0.0.0:53"), send("192.0.2.7:1"), receive("192.0.2.7:1")]);
    refuses(&granted, &[resolve("example.org")]);
}

#[test]
fn any_name_is_names_but_not_addresses() {
    let granted = Grants { any_name: true, ..Grants::default() };
    grants(&granted, &[resolve("example.org")]);
    refuses(&granted, &[send("192.0.2.7:1"), bind("0.0.0.0:0"), receive("192.0.2.7:1")]);
}

#[test]
fn a_mapped_address_is_the_ipv4_address_it_stands_for() {
    grants(&send_to("192.0.2.7:12000"), &[send("[::ffff:192.0.2.7]:12000")]);
    grants(&send_to("[::ffff:192.0.2.7]:12000"), &[send("192.0.2.7:12000")]);
    refuses(&send_to("192.0.2.7:12000"), &[send("[::ffff:192.0.2.8]:12000")]);
}

#[test]
fn a_grant_with_a_zone_is_for_that_zone_and_without_one_for_all() {
    grants(&send_to("[fe80::1]:12000"), &[send("[fe80::1%2]:12000")]);
    grants(&send_to("[fe80::1%2]:12000"), &[send("[fe80::1%2]:12000")]);
    refuses(&send_to("[fe80::1%2]:12000"), &[send("[fe80::1%3]:12000"), send("[fe80::1]:12000")]);
}

fn from_arguments(line: &str) -> GrantSpec {
    GrantSpec::from_arguments(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn leading_arguments_grant_what_they_name() {
    let listen = |port| GrantSpec { listen: vec![Listen { address: None, port }], ..GrantSpec::default() };
    let to = |text: &str| GrantSpec { to: vec![text.parse().unwrap()], ..GrantSpec::default() };
    assert_eq!(from_arguments("12000"), listen(12_000));
    assert_eq!(from_arguments("12000 --drop-rate 30"), listen(12_000));
    assert_eq!(from_arguments("0 --bind 127.0.0.1"), listen(0));
    assert_eq!(from_arguments("192.0.2.7 12000 -c 3"), to("192.0.2.7:12000"));
    assert_eq!(from_arguments("::1 12000"), to("[::1]:12000"));
    assert_eq!(from_arguments("[::1] 12000"), to("[::1]:12000"));
    assert_eq!(from_arguments("fe80::1%2 12000"), to("[fe80::1%2]:12000"));
    assert_eq!(from_arguments("Example.org. 12000"), to("example.org:12000"));
}

#[test]
fn other_arguments_grant_nothing() {
    for line in ["", "example.org", "-c 3 192.0.2.7 12000", "example.org 0", "example.org 65536", "a/b 12000", "--help"] {
        assert_eq!(from_arguments(line), GrantSpec::default(), "{line:?}");
    }
}

#[test]
fn grants_read_as_documented() {
    for text in
        ["", "12000", "example.org", "example.org:0", "::1:12000", "[::1]", "a b:1", "example.org:99999", ":1", "-a:1"]
    {
        assert_eq!(text.parse::<Endpoint>(), Err(GrantError::Endpoint), "{text:?}");
    }
    for text in ["", "localhost:12000", "65536", "::1:12000", "127.0.0.1", "127.0.0.1:"] {
        assert_eq!(text.parse::<Listen>(), Err(GrantError::Listen), "{text:?}");
    }
    for text in ["", ".", "a..b", "192.0.2.7", "a b", "-a", "a:1", &"a".repeat(64), &"a.".repeat(128)] {
        assert_eq!(text.parse::<HostName>(), Err(GrantError::Name), "{text:?}");
    }
}

#[test]
fn a_refusal_names_the_flags_that_keep_what_is_granted_and_add_what_was_asked() {
    let granted = Grants { resolve: vec!["example.org".parse().unwrap()], ..send_to("192.0.2.7:12000") };
    let flags = |request| Flags { grants: &granted, request: &request }.to_string();
    let kept = "--allow-to 192.0.2.7:12000 --allow-resolve example.org";
    assert_eq!(flags(send("[::1]:7")), format!("{kept} --allow-to [::1]:7"));
    assert_eq!(flags(bind("0.0.0.0:7")), format!("{kept} --allow-listen 7"));
    assert!(flags(bind("0.0.0.0:0")).starts_with(&format!("{kept} --allow-to HOST:PORT, ")));
    assert_eq!(flags(bind("127.0.0.1:7")), format!("{kept} --allow-listen 127.0.0.1:7"));
    assert_eq!(flags(resolve("b.example")), format!("{kept} --allow-resolve b.example"));
    let whole = Grants { inherit_network: true, ..Grants::default() };
    let request = resolve("b.example");
    let all = Flags { grants: &whole, request: &request }.to_string();
    assert_eq!(all, "-S inherit-network --allow-resolve b.example");
    assert_eq!(granted.to_string(), "send to 192.0.2.7:12000, resolve example.org");
    assert_eq!(Grants::default().to_string(), "nothing");
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}") {
        let _ = text.parse::<Endpoint>();
        let _ = text.parse::<Listen>();
        let _ = text.parse::<HostName>();
        let _ = from_arguments(&text);
    }

    #[test]
    fn the_flag_named_in_a_refusal_grants_what_was_refused(ip: IpAddr, port in 1..u16::MAX) {
        let to = SocketAddr::new(ip, port);
        let request = Request::Send { to, heard: false };
        let flag = Flags { grants: &Grants::default(), request: &request }.to_string();
        let granted: Endpoint = flag.strip_prefix("--allow-to ").unwrap().parse().unwrap();
        prop_assert_eq!(granted, Endpoint::Address(to));
    }
}
