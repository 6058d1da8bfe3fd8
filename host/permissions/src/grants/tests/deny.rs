//! Tests of deny rules and zones.

use super::*;

#[test]
fn what_is_denied_is_denied_whatever_else_is_granted() {
    let denied = spec(&[], &["192.0.2.0/24"]).with_addresses(&Names::default()).deny;
    let with = |granted: Grants| Grants { deny: denied.clone(), ..granted };
    let there = "192.0.2.7:12000";
    for granted in [with(everything()), with(send_to(there)), with(listen_on("12000"))] {
        refuses_as(
            DenyReason::Denied,
            &granted,
            &[send(there), connect(there), answer(there), receive(there), hear(there)],
        );
        refuses_as(
            DenyReason::Denied,
            &granted,
            &[send("[::ffff:192.0.2.7]:1"), hear("192.0.2.255:65535")],
        );
    }
    grants(
        &with(everything()),
        &[send("192.0.3.7:12000"), bind("192.0.2.7:12000"), resolve("example.org")],
    );
}

#[test]
fn a_wide_denial_covers_special_addresses_too() {
    let granted = Grants {
        deny: spec(&[], &["0.0.0.0/0", "[::]/0"]).with_addresses(&Names::default()).deny,
        ..everything()
    };
    refuses_as(
        DenyReason::Denied,
        &granted,
        &[send("127.0.0.1:9"), send("224.0.0.1:9"), send("[::1]:9"), send("[ff02::1]:9")],
    );
}

#[test]
fn a_denial_may_be_for_a_port() {
    let granted = Grants {
        deny: spec(&[], &["192.0.2.7:53"]).with_addresses(&Names::default()).deny,
        ..everything()
    };
    refuses_as(DenyReason::Denied, &granted, &[send("192.0.2.7:53")]);
    grants(&granted, &[send("192.0.2.7:54")]);
}

#[test]
fn deny_of_mapped_address_ignores_its_zone() {
    let denied = spec(&[], &["[::ffff:192.0.2.7%5]"]).with_addresses(&Names::default()).deny;
    refuses_as(
        DenyReason::Denied,
        &Grants { deny: denied, ..everything() },
        &[send("192.0.2.7:9")],
    );
}

#[test]
fn a_grant_with_a_zone_is_for_that_zone_and_without_one_for_all() {
    grants(&send_to("[fe80::1]:12000"), &[send("[fe80::1%2]:12000")]);
    grants(&send_to("[fe80::1%2]:12000"), &[send("[fe80::1%2]:12000")]);
    refuses(&send_to("[fe80::1%2]:12000"), &[send("[fe80::1%3]:12000"), send("[fe80::1]:12000")]);
}

fn everything_but(denied: &str) -> Grants {
    Grants { deny: spec(&[], &[denied]).with_addresses(&Names::default()).deny, ..everything() }
}

#[test]
fn a_denial_with_a_zone_is_not_passed_by_leaving_the_zone_out() {
    for denied in ["[fe80::1%3]", "[fe80::%3]/10", "[fe80::1%3]:9", "[::%3]/0"] {
        let granted = everything_but(denied);
        refuses_as(
            DenyReason::Denied,
            &granted,
            &[send("[fe80::1%3]:9"), send("[fe80::1]:9"), connect("[fe80::1]:9")],
        );
        grants(&granted, &[send("[fe80::1%2]:9")]);
    }
    let granted = everything_but("[ff02::fb%3]");
    refuses_as(DenyReason::Denied, &granted, &[send("[ff02::fb%3]:9"), send("[ff02::fb]:9")]);
    grants(&granted, &[send("[ff02::fb%2]:9")]);
}

#[test]
fn a_denial_without_a_zone_holds_in_every_zone() {
    for denied in ["[fe80::1]", "[fe80::]/64", "[::]/0"] {
        refuses_as(
            DenyReason::Denied,
            &everything_but(denied),
            &[send("[fe80::1]:9"), send("[fe80::1%7]:9")],
        );
    }
}

/// The system ignores such a zone, so that a component could add one or choose another.
#[test]
fn zones_mean_nothing_beyond_the_link() {
    for ip in ["2001:db8::1", "fd00::1", "::1", "ff0e::1", "ff05::2"] {
        let with_zone = |zone: &str| format!("[{ip}{zone}]");
        for denied in ["", "%2"].map(with_zone) {
            let granted = everything_but(&denied);
            for zone in ["", "%2", "%3"] {
                refuses_as(
                    DenyReason::Denied,
                    &granted,
                    &[send(&format!("{}:9", with_zone(zone)))],
                );
            }
        }
        grants(
            &send_to(&format!("{}:9", with_zone("%2"))),
            &[send(&format!("{}:9", with_zone("")))],
        );
    }
}
