//! Tests of addresses that a wide grant does not cover.

use super::*;

const WIDE: [&str; 2] = ["0.0.0.0/0:1-65535", "[::]/0:1-65535"];

/// Asserts that wide grants refuse `requests`: one because the address is special, the other
/// because it is outside.
#[track_caller]
fn wide_grants_refuse(own: &[&str], requests: &[Request]) {
    for wide in WIDE {
        let granted =
            Grants { own: own.iter().map(|ip| ip.parse().unwrap()).collect(), ..send_to(wide) };
        for request in requests {
            let decided = granted.decide(request);
            assert!(
                matches!(decided, Err(DenyReason::Special(_) | DenyReason::NotGranted)),
                "{request:?} under {granted}: {decided:?}"
            );
            assert!(
                !granted.send.contain(peer(request))
                    || matches!(decided, Err(DenyReason::Special(_))),
                "{request:?}"
            );
        }
    }
}

fn peer(request: &Request) -> SocketAddr {
    match request {
        Request::Connect { to: peer, .. }
        | Request::Send { to: peer, .. }
        | Request::Receive { from: peer, .. } => *peer,
        Request::Bind(_) | Request::Resolve(_) => unreachable!("it is about a peer"),
    }
}

#[test]
fn multicast_and_broadcast_need_their_own_grant_to_be_sent_to() {
    for many in [
        "224.0.0.251:5353",
        "239.1.2.3:9",
        "255.255.255.255:9",
        "[ff02::fb]:5353",
        "[::ffff:224.0.0.1]:9",
    ] {
        wide_grants_refuse(&[], &[send(many), connect(many)]);
        refuses_as(DenyReason::Many, &listen_on("12000"), &[answer(many)]);
        grants(&send_to(many), &[send(many)]);
        grants(&everything(), &[send(many)]);
    }
    grants(&send_to("224.0.0.0/4:9"), &[send("239.1.2.3:9")]);
}

#[test]
fn loopback_and_link_local_need_a_grant_within_their_range() {
    for own in [
        "127.0.0.1:53",
        "127.9.9.9:53",
        "[::1]:53",
        "169.254.169.254:80",
        "[fe80::1%2]:9",
        "[::ffff:127.0.0.1]:53",
    ] {
        wide_grants_refuse(&[], &[send(own), receive(own)]);
        grants(&send_to(own), &[send(own), receive(own)]);
        grants(&everything(), &[send(own)]);
    }
    grants(&send_to("127.0.0.0/8:53"), &[send("127.9.9.9:53")]);
    assert!(matches!(
        send_to("126.0.0.0/7:53").decide(&send("127.0.0.1:53")),
        Err(DenyReason::Special(_))
    ));
    // Loopback peers are answered like any other.
    grants(&listen_on("12000"), &[hear("127.0.0.1:5"), answer("127.0.0.1:5")]);
}

#[test]
fn a_mapped_address_is_the_ipv4_address_it_stands_for() {
    grants(&send_to("192.0.2.7:12000"), &[send("[::ffff:192.0.2.7]:12000")]);
    grants(&send_to("[::ffff:192.0.2.7]:12000"), &[send("192.0.2.7:12000")]);
    refuses(&send_to("192.0.2.7:12000"), &[send("[::ffff:192.0.2.8]:12000")]);
}

#[test]
fn own_addresses_are_granted_only_exactly() {
    let own = ["10.9.0.1", "2001:db8::9", "fe80::9"];
    let with_own = |granted: Grants| Grants {
        own: own.iter().map(|ip| ip.parse().unwrap()).collect(),
        ..granted
    };
    for address in ["10.9.0.1:53", "[2001:db8::9]:53", "[fe80::9%2]:53", "[::ffff:10.9.0.1]:53"] {
        wide_grants_refuse(&own, &[send(address), connect(address), receive(address)]);
        grants(&with_own(send_to(address)), &[send(address), connect(address), receive(address)]);
        grants(&with_own(everything()), &[send(address), receive(address)]);
        // Like those of loopback, they are answered.
        grants(&with_own(listen_on("12000")), &[hear(address), answer(address)]);
    }
    let granted = with_own(send_to("10.9.0.0/24:53"));
    grants(&granted, &[send("10.9.0.2:53")]);
    let refused = |granted: &Grants| {
        matches!(granted.decide(&send("10.9.0.1:53")), Err(DenyReason::Special(_)))
    };
    assert!(refused(&granted) && refused(&with_own(send_to("10.9.0.0/31:53"))));
    grants(&with_own(send_to("10.9.0.1/32:53")), &[send("10.9.0.1:53")]);
    // A range of ports is exact, too, and one exact grant is enough.
    grants(&with_own(send_to("10.9.0.1:1-65535")), &[send("10.9.0.1:53")]);
    let both =
        with_own(spec(&["10.9.0.0/24:53", "10.9.0.1:53"], &[]).with_addresses(&Names::default()));
    grants(&both, &[send("10.9.0.1:53"), send("10.9.0.2:53")]);
    assert_eq!((granted.own_within_networks().count(), both.own_within_networks().count()), (1, 0));
}

#[test]
fn metadata_services_are_granted_only_exactly() {
    for service in [
        "169.254.169.254:80",
        "169.254.169.253:53",
        "169.254.169.123:123",
        "169.254.170.2:80",
        "168.63.129.16:53",
        "100.100.100.200:80",
        "192.0.0.192:80",
        "[fd00:ec2::254]:80",
        "[fd00:ec2::253]:53",
        "[fd20:ce::254]:80",
        "[fd00:a9fe:a9fe::1]:80",
        "[fd00:42::42]:80",
        "[fe80::a9fe:a9fe%2]:80",
    ] {
        wide_grants_refuse(&[], &[send(service), connect(service), receive(service)]);
        grants(&send_to(service), &[send(service), connect(service), receive(service)]);
        grants(&everything(), &[send(service)]);
    }
    for (network, service) in [
        ("169.254.0.0/16:80", "169.254.169.254:80"),
        ("169.254.169.254/31:80", "169.254.169.254:80"),
        ("168.63.129.0/24:53", "168.63.129.16:53"),
        ("[fd00:ec2::]/32:80", "[fd00:ec2::254]:80"),
        ("[fe80::]/10:80", "[fe80::a9fe:a9fe%2]:80"),
    ] {
        let granted = send_to(network);
        assert!(
            matches!(granted.decide(&send(service)), Err(DenyReason::Special(_))),
            "{service} under {granted}"
        );
    }
    grants(&send_to("169.254.0.0/16:80"), &[send("169.254.169.1:80")]);
}

#[test]
fn a_name_is_no_grant_for_a_metadata_service() {
    let spec =
        GrantSpec { to: vec!["metadata.example:80".parse().unwrap()], ..GrantSpec::default() };
    let names = Names::of([
        ("metadata.example", "169.254.169.254"),
        ("metadata.example", "64:ff9b::a9fe:a9fe"),
    ]);
    let granted = spec.with_addresses(&names);
    assert!(granted.send.is_empty());
    // So that the refusal is about the destination of a send.
    grants(&granted, &[bind("0.0.0.0:0")]);
    assert!(matches!(granted.decide(&send("169.254.169.254:80")), Err(DenyReason::Special(_))));
    // A name for loopback is a grant for it.
    let granted = spec.with_addresses(&Names::of([("metadata.example", "127.0.0.1")]));
    grants(&granted, &[send("127.0.0.1:80")]);
}

/// The IPv6 addresses that embed `v4`, in each form.
fn carriers(v4: [u8; 4]) -> Vec<String> {
    let [a, b, c, d] = v4;
    let hex = format!("{a:02x}{b:02x}:{c:02x}{d:02x}");
    let inverted = format!("{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d);
    vec![
        format!("::{hex}"),
        format!("::ffff:0:{hex}"),
        format!("64:ff9b::{hex}"),
        format!("64:ff9b:1::{hex}"),
        format!("64:ff9b:1:fffe::{hex}"),
        format!("64:ff9b:1:{a:02x}{b:02x}:{c:02x}:{d:02x}00::"),
        format!("2002:{hex}::1"),
        format!("2001:0:{hex}:8000:63bf:0:0"),
        format!("2001:0:c633:6401:8000:63bf:{inverted}"),
        format!("2001:db8:1:2:0:5efe:{hex}"),
        format!("fe80::200:5efe:{hex}"),
    ]
}

#[test]
fn deny_of_ipv4_address_covers_ipv6_addresses_embedding_it() {
    let denied =
        spec(&[], &["192.0.2.0/24", "198.51.100.1:53"]).with_addresses(&Names::default()).deny;
    let granted = Grants { deny: denied, ..everything() };
    for carrier in carriers([192, 0, 2, 7]) {
        let there = &format!("[{carrier}]:12000");
        refuses_as(
            DenyReason::Denied,
            &granted,
            &[send(there), connect(there), receive(there), hear(there), answer(there)],
        );
    }
    for carrier in
        carriers([198, 51, 100, 2]).iter().filter(|carrier| !carrier.contains("c633:6401"))
    {
        grants(&granted, &[send(&format!("[{carrier}]:53"))]);
    }
    refuses_as(DenyReason::Denied, &granted, &[send("[64:ff9b::198.51.100.1]:53")]);
    grants(&granted, &[send("[64:ff9b::198.51.100.1]:54"), send("[64:ff9b::192.0.3.7]:12000")]);
}

#[test]
fn address_embedding_a_special_one_needs_an_exact_grant() {
    for special in [
        [127, 0, 0, 1],
        [169, 254, 169, 254],
        [224, 0, 0, 251],
        [255, 255, 255, 255],
        [10, 9, 0, 1],
    ] {
        for carrier in carriers(special) {
            let there = &format!("[{carrier}]:9");
            wide_grants_refuse(&["10.9.0.1"], &[send(there), connect(there), receive(there)]);
            let own = HashSet::from([IpAddr::from([10, 9, 0, 1])]);
            grants(&Grants { own, ..send_to(there) }, &[send(there)]);
        }
    }
    // A network of them does not cover them either, even if as narrow as the embedded range.
    let granted = send_to("[64:ff9b::127.0.0.0]/104:9");
    assert!(matches!(granted.decide(&send("[64:ff9b::127.0.0.1]:9")), Err(DenyReason::Special(_))));
    grants(&send_to("[64:ff9b::]/96:9"), &[send("[64:ff9b::192.0.2.7]:9")]);
}

#[test]
fn what_carries_multicast_or_broadcast_is_never_answered() {
    for many in [[224, 0, 0, 251], [255, 255, 255, 255]] {
        for carrier in carriers(many) {
            refuses_as(DenyReason::Many, &listen_on("12000"), &[answer(&format!("[{carrier}]:9"))]);
        }
    }
    grants(
        &listen_on("12000"),
        &[answer("[64:ff9b::192.0.2.7]:9"), answer("[64:ff9b:1::192.0.2.7]:9")],
    );
}

#[test]
fn a_refusal_says_what_is_special_and_how_it_is_granted() {
    let own = HashSet::from([IpAddr::from([10, 9, 0, 1])]);
    let granted = Grants { own, ..send_to("0.0.0.0/0:9") };
    let refusal = |to: &str| {
        let request = send(to);
        let reason = granted.decide(&request).unwrap_err();
        Refusal {
            component: "x",
            request: &request,
            reason,
            grants: &granted,
            advice: &Advice::default(),
        }
        .to_string()
    };
    assert_eq!(
        refusal("10.9.0.1:9"),
        "refused: x asked to send to 10.9.0.1:9, an address of this machine: grant exactly that address; granted: send to \
         0.0.0.0/0:9; to allow it: --allow-to 0.0.0.0/0:9 --allow-to 10.9.0.1:9"
    );
    assert!(
        refusal("127.0.0.1:9")
            .contains(", a loopback address: grant it, or a network within 127.0.0.0/8; granted: ")
    );
    assert!(
        refusal("169.254.169.254:9")
            .contains(", an address of cloud metadata: grant exactly that address; granted: ")
    );
    assert!(
        refusal("255.255.255.255:9")
            .contains(", the broadcast address: grant exactly that address; granted: ")
    );
    assert!(refusal("192.0.2.7:10").contains("10; granted: "));
}
