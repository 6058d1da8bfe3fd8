//! A test for each thing granted, and for each refused.

use proptest::prelude::*;

use super::*;
use crate::names::Names;

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
    Request::Connect { to: endpoint(to), standing: Standing::Unheard }
}

fn send(to: &str) -> Request {
    with_standing(to, Standing::Unheard)
}

fn answer(to: &str) -> Request {
    with_standing(to, Standing::Owed)
}

fn with_standing(to: &str, standing: Standing) -> Request {
    Request::Send { to: endpoint(to), standing }
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
    refuses_as(Reason::NotGranted, grants, requests);
}

#[track_caller]
fn refuses_as(reason: Reason, grants: &Grants, requests: &[Request]) {
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
    grants(&granted, &[send("192.0.2.7:12000"), connect("192.0.2.7:12000"), receive("192.0.2.7:12000")]);
    refuses(&granted, &[send("192.0.2.8:12000"), send("192.0.2.7:12001"), send("[2001:db8::7]:12000")]);
    refuses(&granted, &[receive("192.0.2.8:12000"), receive("192.0.2.7:12001"), connect("192.0.2.8:12000")]);
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
fn a_listener_hears_everybody_on_the_socket_that_listens_and_on_no_other() {
    let granted = listen_on("12000");
    grants(&granted, &[hear("192.0.2.7:5")]);
    refuses(&granted, &[receive("192.0.2.7:5")]);
    assert!(granted.listens(endpoint("0.0.0.0:12000")));
    assert!(!granted.listens(endpoint("0.0.0.0:0")));
}

#[test]
fn a_listener_sends_only_to_whom_it_owes_an_answer() {
    let granted = listen_on("12000");
    let to = |standing| with_standing("192.0.2.7:5", standing);
    assert_eq!(granted.decide(&to(Standing::Owed)), Ok(By::Answer));
    refuses_as(Reason::NotGranted, &granted, &[to(Standing::Unheard), connect("192.0.2.7:5")]);
    refuses_as(Reason::Silent, &granted, &[to(Standing::Silent)]);
    refuses_as(Reason::Answered, &granted, &[to(Standing::Answered)]);
}

#[test]
fn what_a_grant_names_is_not_charged_as_an_answer() {
    let granted = Grants { listen: listen_on("12000").listen, ..send_to("192.0.2.7:5") };
    assert_eq!(granted.decide(&with_standing("192.0.2.7:5", Standing::Answered)), Ok(By::Grant));
    assert_eq!(granted.decide(&hear("192.0.2.7:5")), Ok(By::Grant));
}

#[test]
fn nobody_is_reached_at_an_unspecified_address_or_at_port_zero() {
    for granted in [everything(), send_to("0.0.0.0/0:1-65535"), send_to("[::]/0:1-65535"), listen_on("12000")] {
        for nowhere in ["0.0.0.0:5", "[::]:5", "[::ffff:0.0.0.0]:5", "192.0.2.7:0"] {
            refuses_as(Reason::Nowhere, &granted, &[send(nowhere), connect(nowhere), answer(nowhere), hear(nowhere)]);
        }
    }
}

#[test]
fn multicast_and_broadcast_are_granted_only_by_a_grant_for_them_and_never_as_an_answer() {
    for many in ["224.0.0.251:5353", "239.1.2.3:9", "255.255.255.255:9", "[ff02::fb]:5353", "[::ffff:224.0.0.1]:9"] {
        refuses(&send_to("0.0.0.0/0:1-65535"), &[send(many), connect(many)]);
        refuses(&send_to("[::]/0:1-65535"), &[send(many), connect(many)]);
        refuses_as(Reason::Many, &listen_on("12000"), &[answer(many)]);
        grants(&send_to(many), &[send(many)]);
        grants(&everything(), &[send(many)]);
    }
    grants(&send_to("224.0.0.0/4:9"), &[send("239.1.2.3:9")]);
}

#[test]
fn loopback_and_link_local_are_granted_only_by_a_grant_within_them() {
    for own in ["127.0.0.1:53", "127.9.9.9:53", "[::1]:53", "169.254.169.254:80", "[fe80::1%2]:9", "[::ffff:127.0.0.1]:53"] {
        refuses(&send_to("0.0.0.0/0:1-65535"), &[send(own), receive(own)]);
        refuses(&send_to("[::]/0:1-65535"), &[send(own), receive(own)]);
        grants(&send_to(own), &[send(own), receive(own)]);
        grants(&everything(), &[send(own)]);
    }
    grants(&send_to("127.0.0.0/8:53"), &[send("127.9.9.9:53")]);
    refuses(&send_to("126.0.0.0/7:53"), &[send("127.0.0.1:53")]);
    // Loopback peers are answered as all others are.
    grants(&listen_on("12000"), &[hear("127.0.0.1:5"), answer("127.0.0.1:5")]);
}

#[test]
fn a_network_and_ports_are_granted_to_their_last_and_no_further() {
    let granted = send_to("192.0.2.128/25:100-102");
    grants(&granted, &[send("192.0.2.128:100"), send("192.0.2.255:102"), receive("[::ffff:192.0.2.200]:101")]);
    refuses(&granted, &[send("192.0.2.127:100"), send("192.0.3.0:100"), send("192.0.2.128:99"), send("192.0.2.128:103")]);
    let granted = send_to("[2001:db8::]/32:9");
    grants(&granted, &[send("[2001:db8:ffff::1]:9")]);
    refuses(&granted, &[send("[2001:db9::1]:9"), send("192.0.2.1:9")]);
}

#[test]
fn what_is_denied_is_denied_whatever_else_is_granted() {
    let denied = spec(&[], &["192.0.2.0/24"]).with_addresses(&Names::default()).deny;
    let with = |granted: Grants| Grants { deny: denied.clone(), ..granted };
    let there = "192.0.2.7:12000";
    for granted in [with(everything()), with(send_to(there)), with(listen_on("12000"))] {
        refuses_as(Reason::Denied, &granted, &[send(there), connect(there), answer(there), receive(there), hear(there)]);
        refuses_as(Reason::Denied, &granted, &[send("[::ffff:192.0.2.7]:1"), hear("192.0.2.255:65535")]);
    }
    grants(&with(everything()), &[send("192.0.3.7:12000"), bind("192.0.2.7:12000"), resolve("example.org")]);
}

#[test]
fn a_wide_denial_covers_special_addresses_too() {
    let granted =
        Grants { deny: spec(&[], &["0.0.0.0/0", "[::]/0"]).with_addresses(&Names::default()).deny, ..everything() };
    refuses_as(Reason::Denied, &granted, &[send("127.0.0.1:9"), send("224.0.0.1:9"), send("[::1]:9"), send("[ff02::1]:9")]);
}

#[test]
fn a_denial_may_be_for_a_port() {
    let granted = Grants { deny: spec(&[], &["192.0.2.7:53"]).with_addresses(&Names::default()).deny, ..everything() };
    refuses_as(Reason::Denied, &granted, &[send("192.0.2.7:53")]);
    grants(&granted, &[send("192.0.2.7:54")]);
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
fn a_wildcard_is_for_every_name_under_a_domain_and_not_for_the_domain() {
    let granted = Grants { resolve: vec!["*.Example.org".parse().unwrap()], ..Grants::default() };
    grants(&granted, &[resolve("a.example.org"), resolve("a.b.example.org.")]);
    refuses(&granted, &[resolve("example.org"), resolve("badexample.org"), resolve("a.example.org.evil.com")]);
}

#[test]
fn the_whole_network_is_addresses_but_not_names() {
    let granted = Grants { inherit_network: true, ..Grants::default() };
    grants(&granted, &[bind("0.0.0.0:53"), send("192.0.2.7:1"), connect("192.0.2.7:1"), receive("192.0.2.7:1")]);
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
    for line in [
        "",
        "example.org",
        "-c 3 192.0.2.7 12000",
        "example.org 0",
        "example.org 65536",
        "a/b 12000",
        "192.0.2.0/24 12000",
        "--help",
    ] {
        assert_eq!(from_arguments(line), GrantSpec::default(), "{line:?}");
    }
}

#[test]
fn grants_read_as_documented() {
    for text in [
        "",
        "12000",
        "example.org",
        "example.org:0",
        "::1:12000",
        "[::1]",
        "a b:1",
        "example.org:99999",
        ":1",
        "-a:1",
        "[::1]5:9",
        "[192.0.2.7]:9",
        "example.org/24:9",
        "192.0.2.0/33:9",
        "[::]/129:9",
        "1.2.3.4:9-8",
        "1.2.3.4:0-9",
    ] {
        assert_eq!(text.parse::<Endpoint>(), Err(GrantError::Endpoint), "{text:?}");
    }
    for text in ["", "a b", "192.0.2.0/33", "example.org:0", "1.2.3.4:x"] {
        assert_eq!(text.parse::<Denied>(), Err(GrantError::Denied), "{text:?}");
    }
    for text in ["", "localhost:12000", "65536", "::1:12000", "127.0.0.1", "127.0.0.1:"] {
        assert_eq!(text.parse::<Listen>(), Err(GrantError::Listen), "{text:?}");
    }
    // The lower case of the last but one is a letter and a dot above it.
    for text in ["", ".", "a..b", "192.0.2.7", "a b", "-a", "a:1", &"a".repeat(64), "\u{130}", &"a.".repeat(128)] {
        assert_eq!(text.parse::<HostName>(), Err(GrantError::Name), "{text:?}");
        assert_eq!(format!("*.{text}").parse::<NamePattern>(), Err(GrantError::Name), "{text:?}");
    }
    assert_eq!("*".parse::<NamePattern>(), Err(GrantError::Name));
    for (text, shown) in [
        ("192.0.2.7:12000", "192.0.2.7:12000"),
        ("192.0.2.77/24:1-9", "192.0.2.0/24:1-9"),
        ("[2001:db8::1/32]:9", "[2001:db8::]/32:9"),
        ("[2001:db8::1]/32:9", "[2001:db8::]/32:9"),
        ("[fe80::1%2]:9", "[fe80::1%2]:9"),
        ("[fe80::%2]/64:9", "[fe80::%2]/64:9"),
        ("[::ffff:192.0.2.0]/120:9", "192.0.2.0/24:9"),
        ("Example.org.:9-9", "example.org:9"),
        ("192.0.2.0/24:1-65535", "192.0.2.0/24:1-65535"),
        ("[::ffff:192.0.2.7%5]:9", "192.0.2.7:9"),
    ] {
        assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        assert_eq!(shown.parse::<Endpoint>().unwrap().to_string(), shown);
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

#[test]
fn a_flag_that_is_named_is_one_word_and_its_value_another() {
    let answer = AnswerRule { window: Duration::from_millis(90_500), amplification: 2.0 };
    let granted = Grants { answer, ..spec(&["192.0.2.7:1-65535"], &["192.0.2.0/24"]).with_addresses(&Names::default()) };
    let flags = Flags { grants: &granted, request: &resolve("b.example") }.to_string();
    let kept = "--allow-to 192.0.2.7:1-65535 --deny-to 192.0.2.0/24:1-65535 --answer-window 1m30s500ms --amplification 2";
    assert_eq!(flags, format!("{kept} --allow-resolve b.example"));
}

#[test]
fn a_denial_of_a_mapped_address_covers_it_whatever_zone_it_names() {
    let denied = spec(&[], &["[::ffff:192.0.2.7%5]"]).with_addresses(&Names::default()).deny;
    refuses_as(Reason::Denied, &Grants { deny: denied, ..everything() }, &[send("192.0.2.7:9")]);
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}") {
        let _ = text.parse::<Endpoint>();
        let _ = text.parse::<Listen>();
        let _ = text.parse::<HostName>();
        let _ = text.parse::<Denied>();
        let _ = text.parse::<NamePattern>();
        let _ = from_arguments(&text);
    }

    #[test]
    fn the_flag_named_in_a_refusal_grants_what_was_refused(ip: IpAddr, port in 1..u16::MAX) {
        let to = SocketAddr::new(ip, port);
        prop_assume!(!ip.to_canonical().is_unspecified());
        let request = Request::Send { to, standing: Standing::Unheard };
        let flag = Flags { grants: &Grants::default(), request: &request }.to_string();
        let granted = send_to(flag.strip_prefix("--allow-to ").unwrap());
        prop_assert_eq!(granted.decide(&request), Ok(By::Grant));
    }
}

proptest! {
    #[test]
    fn an_address_is_refused_a_datagram_wherever_it_is_refused_a_connect(
        ip: IpAddr, port: u16, grant: IpAddr, length in 0..=32_u8, listening: bool
    ) {
        let peer = SocketAddr::new(ip, port);
        let granted = Grants {
            send: vec![Destination::new(ipnet::IpNet::new(grant, length).unwrap(), 0, Ports::ALL)].into(),
            listen: if listening { vec!["12000".parse().unwrap()] } else { Vec::new() },
            ..Grants::default()
        };
        for standing in [Standing::Unheard, Standing::Silent, Standing::Answered, Standing::Owed] {
            let connect = granted.decide(&Request::Connect { to: peer, standing });
            let send = granted.decide(&Request::Send { to: peer, standing });
            prop_assert_eq!(connect, send);
        }
    }

    #[test]
    fn more_grants_never_refuse_what_fewer_granted(ip: IpAddr, port: u16, grant: IpAddr, length in 0..=32_u8) {
        let few = Grants {
            send: vec![Destination::new(ipnet::IpNet::new(grant, length).unwrap(), 0, Ports::ALL)].into(),
            ..Grants::default()
        };
        let more = Grants { listen: vec!["1".parse().unwrap()], inherit_network: true, ..few.clone() };
        let request = Request::Send { to: SocketAddr::new(ip, port), standing: Standing::Unheard };
        prop_assert!(few.decide(&request).is_err() || more.decide(&request).is_ok());
    }
}

#[test]
fn a_refusal_among_many_grants_is_still_a_line_that_is_read() {
    let to = (1..=200).map(|host| format!("192.0.2.{host}:7").parse().unwrap()).collect();
    let grants = GrantSpec { to, ..GrantSpec::default() }.with_addresses(&Names::default());
    let request = Request::Send { to: "198.51.100.1:7".parse().unwrap(), standing: Standing::Unheard };
    let refusal = Refusal { component: "x", request: &request, reason: Reason::NotGranted, grants: &grants }.to_string();
    assert!(refusal.contains("send to 192.0.2.12:7 and 188 more; "), "{refusal}");
    assert!(refusal.ends_with("to allow it: what grants it all now and --allow-to 198.51.100.1:7"), "{refusal}");
}
