//! Tests of parsing and formatting grants, and of the text of refusals.

use super::*;

fn from_arguments(line: &str) -> GrantSpec {
    GrantSpec::from_arguments(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn leading_arguments_grant_what_they_name() {
    let listen =
        |port| GrantSpec { listen: vec![Listen { address: None, port }], ..GrantSpec::default() };
    let to = |text: &str| GrantSpec { to: vec![text.parse().unwrap()], ..GrantSpec::default() };
    assert_eq!(from_arguments("12000"), listen(12_000));
    assert_eq!(from_arguments("12000 --drop-rate 30"), listen(12_000));
    assert_eq!(from_arguments("0 --bind 127.0.0.1"), listen(0));
    assert_eq!(from_arguments("192.0.2.7 12000 -c 3"), to("192.0.2.7:12000"));
    assert_eq!(from_arguments("::1 12000"), to("[::1]:12000"));
    assert_eq!(from_arguments("[::1] 12000"), to("[::1]:12000"));
    assert_eq!(from_arguments("fe80::1%2 12000"), to("[fe80::1%2]:12000"));
    assert_eq!(from_arguments("Example.org. 12000"), to("example.org:12000"));
    assert_eq!(from_arguments("127.1 12000"), to("127.0.0.1:12000"));
    assert_eq!(from_arguments("192.0.2.7:12000 -c 3"), to("192.0.2.7:12000"));
    assert_eq!(from_arguments("[::1]:7 8"), to("[::1]:7"));
    assert_eq!(from_arguments("example.org:7"), to("example.org:7"));
    let at = |text: &str| GrantSpec { listen: vec![text.parse().unwrap()], ..GrantSpec::default() };
    assert_eq!(from_arguments("0.0.0.0:7"), at("0.0.0.0:7"));
    assert_eq!(from_arguments("[::]:7 -v"), at("[::]:7"));
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
        "192.0.2.0/24:12000",
        "192.0.2.7:1-9",
        "0.0.0.0 12000",
        "256.1 12000",
        "010.0.0.1 12000",
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
        "[[::1]]:9",
        "010.0.0.1:9",
        "256.1:9",
        "127.1/8:9",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1:9",
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
        assert_eq!(text.parse::<DenyRule>(), Err(GrantError::Denied), "{text:?}");
    }
    for text in ["", "localhost:12000", "65536", "::1:12000", "127.0.0.1", "127.0.0.1:"] {
        assert_eq!(text.parse::<Listen>(), Err(GrantError::Listen), "{text:?}");
    }
    for text in [
        "",
        "example.org",
        "192.0.2.0/33",
        "192.0.2.7:5",
        "10/8",
        "[::]/129",
        "2001:db8::/32:9",
        "*",
    ] {
        assert_eq!(text.parse::<Network>(), Err(GrantError::Network), "{text:?}");
    }
    for (text, shown) in [
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("[2001:db8::1]/32", "2001:db8::/32"),
        ("fe80::1%2/64", "fe80::%2/64"),
        ("fe80::1%2", "fe80::1%2"),
        ("2001:db8::1%2", "2001:db8::1"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ] {
        assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        assert_eq!(shown.parse::<Network>().unwrap().to_string(), shown);
    }
    for text in [
        "",
        ".",
        "a..b",
        "192.0.2.7",
        "a b",
        "-a",
        "a:1",
        "a.1",
        "0x7f000001",
        "127.1",
        &"a".repeat(64),
        &"a.".repeat(128),
    ] {
        assert!(text.parse::<HostName>().is_err(), "{text:?}");
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
        ("127.1:9", "127.0.0.1:9"),
        ("0x7f000001:9", "127.0.0.1:9"),
        ("M\u{fc}nchen.example:9", "xn--mnchen-3ya.example:9"),
        ("b\u{fc}cher\u{3002}example\u{3002}:9", "xn--bcher-kva.example:9"),
    ] {
        assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        assert_eq!(shown.parse::<Endpoint>().unwrap().to_string(), shown);
    }
}

#[test]
fn denial_suggests_flags_that_keep_grants_and_add_the_request() {
    let granted =
        Grants { resolve: vec!["example.org".parse().unwrap()], ..send_to("192.0.2.7:12000") };
    let flags = |request| Flags { grants: &granted, request: &request }.to_string();
    let kept = "--allow-to 192.0.2.7:12000 --allow-resolve example.org";
    assert_eq!(flags(send("[::1]:7")), format!("{kept} --allow-to [::1]:7"));
    assert_eq!(flags(bind("0.0.0.0:7")), format!("{kept} --allow-listen 7"));
    assert_eq!(flags(bind("0.0.0.0:0")), format!("{kept} --allow-to HOST:PORT"));
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
    let from = vec!["2001:db8::/32".parse().unwrap()];
    let granted = Grants {
        from,
        answer,
        ..spec(&["192.0.2.7:1-65535"], &["192.0.2.0/24"]).with_addresses(&Names::default())
    };
    let flags = Flags { grants: &granted, request: &resolve("b.example") }.to_string();
    let kept = "--allow-to 192.0.2.7:1-65535 --allow-from 2001:db8::/32 --deny-to 192.0.2.0/24:1-65535 \
                --answer-window 1m30s500ms --amplification 2";
    assert_eq!(flags, format!("{kept} --allow-resolve b.example"));
}

#[test]
fn a_refusal_among_many_grants_is_still_a_line_that_is_read() {
    let to = (1..=200).map(|host| format!("192.0.2.{host}:7").parse().unwrap()).collect();
    let grants = GrantSpec { to, ..GrantSpec::default() }.with_addresses(&Names::default());
    let request = Request::Send { to: "198.51.100.1:7".parse().unwrap(), credit: PeerCredit::None };
    let refusal = Refusal {
        component: "x",
        request: &request,
        reason: DenyReason::NotGranted,
        grants: &grants,
        advice: &Advice::default(),
    }
    .to_string();
    assert!(refusal.contains("send to 192.0.2.12:7 and 188 more; "), "{refusal}");
    assert!(
        refusal.ends_with("to allow it: what grants it all now and --allow-to 198.51.100.1:7"),
        "{refusal}"
    );
}

#[test]
fn flags_are_listed_up_to_as_many_as_a_sentence_names() {
    for (count, is_listed) in [(12, true), (13, false)] {
        let to: Vec<_> = (1..=count).map(|host| format!("192.0.2.{host}:7")).collect();
        let to: Vec<_> = to.iter().map(String::as_str).collect();
        let grants = spec(&to, &[]).with_addresses(&Names::default());
        let all: String = grants.as_flags().iter().map(|flag| format!("{flag} ")).collect();
        let kept = if is_listed { &all } else { "what grants it all now and " };
        let flags = Flags { grants: &grants, request: &resolve("b.example") }.to_string();
        assert_eq!(flags, format!("{kept}--allow-resolve b.example"));
        // The same flags in place of the one derived from the request.
        let peers = vec!["b.example:7".parse().unwrap()];
        let refusal = Refusal {
            component: "x",
            request: &resolve("b.example"),
            reason: DenyReason::NotGranted,
            grants: &grants,
            advice: &Advice { peers, command: None },
        };
        let advice = format!("to allow it: {kept}--allow-to b.example:7");
        assert!(refusal.to_string().ends_with(&advice), "{refusal}");
    }
}

#[test]
fn a_request_reads_as_what_a_component_asked_for() {
    for (request, shown) in [
        (bind("0.0.0.0:0"), "open a socket to send from"),
        (bind("[::]:0"), "open a socket to send from"),
        (bind("127.0.0.1:0"), "open a socket to send from, at 127.0.0.1"),
        (bind("0.0.0.0:7"), "listen on 0.0.0.0:7"),
        (bind("127.0.0.1:7"), "listen on 127.0.0.1:7"),
        (connect("192.0.2.7:7"), "connect to 192.0.2.7:7"),
        (send("192.0.2.7:7"), "send to 192.0.2.7:7"),
        (receive("192.0.2.7:7"), "receive from 192.0.2.7:7"),
        (resolve("a.example"), "resolve a.example"),
    ] {
        assert_eq!(request.to_string(), shown);
    }
}

#[test]
fn a_denial_reads_as_its_flag_takes_it() {
    for (text, shown) in [
        ("192.0.2.0/24", "192.0.2.0/24:1-65535"),
        ("[2001:db8::7]:12000", "[2001:db8::7]:12000"),
        ("example.org", "example.org:1-65535"),
    ] {
        assert_eq!(text.parse::<DenyRule>().unwrap().to_string(), shown);
        assert_eq!(shown.parse::<DenyRule>().unwrap().to_string(), shown);
    }
}

#[test]
fn a_zone_that_is_no_interface_is_told_as_such() {
    let (address, with_port) = ("[fe80::1%no-such-if]", "[fe80::1%no-such-if]:9");
    assert_eq!(with_port.parse::<Endpoint>(), Err(GrantError::Zone));
    assert_eq!(with_port.parse::<Listen>(), Err(GrantError::Zone));
    assert_eq!(address.parse::<Network>(), Err(GrantError::Zone));
    for text in [address, with_port] {
        assert_eq!(text.parse::<DenyRule>(), Err(GrantError::Zone), "{text}");
    }
}

#[test]
fn the_names_of_grants_are_those_to_resolve_at_the_start() {
    let resolve = ["d.example", "*.e.example"].map(|text| text.parse().unwrap()).to_vec();
    let to = ["a.example:7", "192.0.2.7:7", "b.example:1-9"];
    let grants = GrantSpec { resolve, ..spec(&to, &["c.example", "192.0.2.8"]) };
    let names = |names: &mut dyn Iterator<Item = &HostName>| {
        names.map(HostName::as_str).collect::<Vec<_>>().join(" ")
    };
    let all = "a.example b.example c.example d.example";
    assert_eq!(names(&mut grants.names()), all);
    assert_eq!(names(&mut grants.denied_names()), "c.example");
    assert_eq!(names(&mut GrantSpec::default().names()), "");
    // In the form given to the resolver.
    let granted: Vec<&str> = grants.names().map(AsRef::as_ref).collect();
    assert_eq!(granted.join(" "), all);
}

#[test]
fn ports_below_1024_may_be_bound_where_a_grant_says_so() {
    let whole = GrantSpec { inherit_network: true, ..GrantSpec::default() };
    assert!(whole.binds_low_ports());
    assert!(!GrantSpec::default().binds_low_ports());
    for (listen, binds) in [
        (&["0"][..], false),
        (&["1"], true),
        (&["127.0.0.1:1023"], true),
        (&["1024"], false),
        (&["12000", "53"], true),
        (&["12000", "12001"], false),
    ] {
        let listen = listen.iter().map(|text| text.parse().unwrap()).collect();
        let spec = GrantSpec { listen, ..GrantSpec::default() };
        assert_eq!(spec.binds_low_ports(), binds, "{:?}", spec.listen);
    }
}

#[test]
fn names_are_resolved_during_a_run_by_wildcards_alone() {
    let any = GrantSpec { any_name: true, ..GrantSpec::default() };
    assert!(any.looks_up_at_any_time());
    for (resolve, looks_up) in [
        (&[][..], false),
        (&["a.example"], false),
        (&["*.example"], true),
        (&["a.example", "*.b.example"], true),
    ] {
        let resolve = resolve.iter().map(|text| text.parse().unwrap()).collect();
        let spec = GrantSpec { resolve, ..spec(&["c.example:7"], &["d.example"]) };
        assert_eq!(spec.looks_up_at_any_time(), looks_up, "{:?}", spec.resolve);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}") {
        let _ = text.parse::<Endpoint>();
        let _ = text.parse::<Listen>();
        let _ = text.parse::<HostName>();
        let _ = text.parse::<DenyRule>();
        let _ = text.parse::<Network>();
        let _ = text.parse::<NamePattern>();
        let _ = from_arguments(&text);
    }

    #[test]
    fn the_flag_named_in_a_refusal_grants_what_was_refused(ip: IpAddr, port in 1..u16::MAX) {
        let to = SocketAddr::new(ip, port);
        prop_assume!(!ip.to_canonical().is_unspecified());
        let request = Request::Send { to, credit: PeerCredit::None };
        let flag = Flags { grants: &Grants::default(), request: &request }.to_string();
        let granted = send_to(flag.strip_prefix("--allow-to ").unwrap());
        prop_assert_eq!(granted.decide(&request), Ok(GrantedBy::Grant));
    }
}
