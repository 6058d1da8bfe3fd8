//! Grants: from text, as text, and what they decide.

#![no_main]

use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;
use std::time::Duration;

use clap::Parser as _;
use ipnet::IpNet;
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use udping_host::config::cli::Cli;
use udping_permissions::grants::{
    Advice, AnswerRule, DenyReason, DenyRule, Destination, Endpoint, Flags, GrantSpec, GrantedBy,
    Grants, Listen, NamePattern, Network, PeerCredit, Ports, Refusal, Request,
};
use udping_permissions::host_name::HostName;
use udping_permissions::names::Names;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data) {
        reads_what_it_shows::<Endpoint>(text);
        reads_what_it_shows::<DenyRule>(text);
        reads_what_it_shows::<Listen>(text);
        reads_what_it_shows::<Network>(text);
        reads_what_it_shows::<NamePattern>(text);
        reads_what_it_shows::<HostName>(text);
        arguments_grant_at_most_one_thing(text);
    }
    if let Ok(case) = Case::arbitrary(&mut Unstructured::new(data)) {
        case.check();
    }
});

fn reads_what_it_shows<T: FromStr<Err: Display> + Display + Debug + PartialEq>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let shown = value.to_string();
            assert_eq!(shown.parse::<T>().ok(), Some(value), "{text:?} is shown as {shown:?}");
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1),
    }
}

fn arguments_grant_at_most_one_thing(text: &str) {
    let arguments: Vec<_> = text.split(' ').map(str::to_owned).collect();
    let spec = GrantSpec::from_arguments(&arguments);
    assert!(spec.to.len() + spec.listen.len() <= 1, "{spec:?}");
    let GrantSpec { to, listen, .. } = spec.clone();
    assert_eq!(spec, GrantSpec { to, listen, ..GrantSpec::default() });
}

/// Grants, a request, and more that could be granted or denied.
#[derive(Debug)]
struct Case {
    grants: Grants,
    request: Request,
    more: Grants,
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { grants: grants(input)?, request: request(input)?, more: grants(input)? })
    }
}

fn grants(input: &mut Unstructured<'_>) -> arbitrary::Result<Grants> {
    Ok(Grants {
        send: few(input, destination)?.into(),
        send_by_name: input.ratio(1, 8)?,
        deny: few(input, destination)?,
        listen: few(input, |input| {
            let address = if input.arbitrary()? { Some(address(input)?) } else { None };
            let address = address.map(|address| match address {
                SocketAddr::V4(v4) => Network::new(IpAddr::from(*v4.ip()).into(), 0),
                SocketAddr::V6(v6) => Network::new(IpAddr::from(*v6.ip()).into(), v6.scope_id()),
            });
            Ok(Listen { address, port: input.arbitrary()? })
        })?,
        from: few(input, |input| Ok(destination(input)?.network()))?,
        source: few(input, |input| Ok(address(input)?.ip()))?,
        answer: AnswerRule {
            window: Duration::from_millis(input.arbitrary::<u32>()?.into()),
            amplification: f64::from(input.arbitrary::<u16>()?) / 16.0,
        },
        resolve: few(input, |input| {
            let name = name(input)?;
            Ok(if input.arbitrary()? {
                NamePattern::Exactly(name)
            } else {
                NamePattern::Under(name)
            })
        })?,
        inherit_network: input.ratio(1, 8)?,
        any_name: input.ratio(1, 8)?,
        own: few(input, |input| Ok(address(input)?.ip().to_canonical()))?.into_iter().collect(),
    })
}

fn few<'a, T>(
    input: &mut Unstructured<'a>,
    one: impl Fn(&mut Unstructured<'a>) -> arbitrary::Result<T>,
) -> arbitrary::Result<Vec<T>> {
    (0..input.int_in_range(0..=2)?).map(|_| one(input)).collect()
}

fn destination(input: &mut Unstructured<'_>) -> arbitrary::Result<Destination> {
    let address = address(input)?;
    let (ip, zone) =
        (address.ip(), if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 });
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let net = if input.arbitrary()? {
        ip.into()
    } else {
        IpNet::new(ip, input.int_in_range(0..=most)?).expect("a length")
    };
    let (first, last) = (input.arbitrary()?, input.arbitrary()?);
    let ports = Ports::new(first..=first)
        .filter(|_| last % 2 == 0)
        .or(Ports::new(first..=last))
        .unwrap_or(Ports::ALL);
    Ok(Destination::new(net, zone, ports))
}

/// An address out of few, so that grants and requests meet; and now and then any.
fn address(input: &mut Unstructured<'_>) -> arbitrary::Result<SocketAddr> {
    let low = input.int_in_range(0..=3_u8)?;
    let port = if input.arbitrary()? {
        u16::from(input.arbitrary::<u8>()? % 4)
    } else {
        input.arbitrary()?
    };
    let v4 = match input.int_in_range(0..=6_u8)? {
        0 => Ipv4Addr::new(192, 0, 2, low),
        1 => Ipv4Addr::new(127, 0, 0, low),
        2 => Ipv4Addr::new(224, 0, 0, low),
        3 => Ipv4Addr::new(169, 254, 0, low),
        4 => Ipv4Addr::BROADCAST,
        5 => Ipv4Addr::UNSPECIFIED,
        _ => input.arbitrary()?,
    };
    let v6 = |start| Ipv6Addr::new(start, 0, 0, 0, 0, 0, 0, low.into());
    Ok(match input.int_in_range(0..=7_u8)? {
        0..=2 => (v4, port).into(),
        kind => {
            let ip = match kind {
                3 | 4 => v4.to_ipv6_mapped(),
                5 => v6(0x2001),
                6 => v6(*input.choose(&[0xfe80, 0xff02, 0])?),
                _ => input.arbitrary()?,
            };
            let zone =
                if ip.is_unicast_link_local() || input.ratio(1, 8)? { low.into() } else { 0 };
            SocketAddrV6::new(ip, port, 0, zone).into()
        }
    })
}

fn name(input: &mut Unstructured<'_>) -> arbitrary::Result<HostName> {
    let names =
        ["example.org", "a.example.org", "b.a.example.org", "badexample.org", "org", "localhost"];
    Ok(input.choose(&names)?.parse().expect("a name"))
}

fn request(input: &mut Unstructured<'_>) -> arbitrary::Result<Request> {
    let credits =
        [PeerCredit::None, PeerCredit::Expired, PeerCredit::Exhausted, PeerCredit::Available];
    let credit = *input.choose(&credits)?;
    let peer = address(input)?;
    Ok(match input.int_in_range(0..=4_u8)? {
        0 => Request::Bind(peer),
        1 => Request::Connect { to: peer, credit },
        2 => Request::Send { to: peer, credit },
        3 => Request::Receive { from: peer, listening: input.arbitrary()? },
        _ => Request::Resolve(name(input)?),
    })
}

impl Case {
    fn check(&self) {
        let Self { grants, request, more } = self;
        let decided = grants.decide(request);
        self.nothing_is_granted_by_default();
        self.nobody_is_reached_who_is_denied_or_nowhere(decided);
        self.answers_are_owed(decided);
        self.a_mapped_address_is_the_one_it_stands_for(decided);
        self.the_order_of_grants_means_nothing(decided);

        self.a_denial_is_not_passed_by_another_form_of_the_address();
        self.own_addresses_are_granted_exactly(decided);

        let wider = Grants {
            deny: grants.deny.clone(),
            from: grants.from.clone(),
            own: grants.own.clone(),
            ..both(grants, more)
        };
        assert!(
            decided.is_err() || wider.decide(request).is_ok(),
            "more grants refuse what fewer granted: {self:?}"
        );
        let narrower = Grants { deny: both(grants, more).deny, ..grants.clone() };
        assert!(
            decided.is_ok() || narrower.decide(request).is_err(),
            "a denial grants something: {self:?}"
        );

        if let Err(reason) = decided {
            self.a_refusal_is_one_line_and_its_flags_grant_what_was_asked(reason);
        }
    }

    /// Whom it is about, where it is about reaching somebody.
    fn peer(&self) -> Option<SocketAddr> {
        match self.request {
            Request::Connect { to: peer, .. }
            | Request::Send { to: peer, .. }
            | Request::Receive { from: peer, .. } => Some(peer),
            Request::Bind(_) | Request::Resolve(_) => None,
        }
    }

    fn nothing_is_granted_by_default(&self) {
        let decided = Grants::default().decide(&self.request);
        assert!(matches!(decided, Err(_) | Ok(GrantedBy::Answer)), "{self:?}");
    }

    fn nobody_is_reached_who_is_denied_or_nowhere(&self, decided: Result<GrantedBy, DenyReason>) {
        let Some(peer) = self.peer() else { return };
        let nowhere = peer.port() == 0 || peer.ip().to_canonical().is_unspecified();
        let denied = self.grants.deny.iter().any(|denied| denied.denies(peer));
        assert_eq!(decided == Err(DenyReason::Nowhere), nowhere, "{self:?}");
        assert_eq!(decided == Err(DenyReason::Denied), denied && !nowhere, "{self:?}");
    }

    /// The request with another peer.
    fn with_peer(&self, peer: SocketAddr) -> Request {
        match self.request.clone() {
            Request::Connect { credit, .. } => Request::Connect { to: peer, credit },
            Request::Send { credit, .. } => Request::Send { to: peer, credit },
            Request::Receive { listening, .. } => Request::Receive { from: peer, listening },
            other => other,
        }
    }

    /// An IPv4 address that an IPv6 address carries, or a link-local address without its zone.
    fn a_denial_is_not_passed_by_another_form_of_the_address(&self) {
        let Some(peer) =
            self.peer().filter(|peer| self.grants.deny.iter().any(|denied| denied.contains(*peer)))
        else {
            return;
        };
        let others = match (peer.ip().to_canonical(), peer) {
            (IpAddr::V4(v4), _) => carriers(v4),
            (IpAddr::V6(v6), _) => vec![v6],
        };
        for other in others.into_iter().filter(|other| !other.is_unspecified()) {
            let request = self.with_peer(SocketAddr::new(other.into(), peer.port()));
            let decided = self.grants.decide(&request);
            assert!(
                matches!(decided, Err(DenyReason::Denied | DenyReason::Nowhere)),
                "{request:?}: {decided:?} under {self:?}"
            );
        }
    }

    fn own_addresses_are_granted_exactly(&self, decided: Result<GrantedBy, DenyReason>) {
        let Some(peer) =
            self.peer().filter(|_| decided == Ok(GrantedBy::Grant) && !self.grants.inherit_network)
        else {
            return;
        };
        let ip = peer.ip().to_canonical();
        if self.grants.own.contains(&ip) {
            let is_exact = |granted: &Destination| granted.network().address() == Some(ip);
            assert!(self.grants.send.iter().any(is_exact), "{self:?}");
        }
    }

    fn answers_are_owed(&self, decided: Result<GrantedBy, DenyReason>) {
        if decided == Ok(GrantedBy::Answer) {
            match self.request {
                Request::Connect { to, credit } | Request::Send { to, credit } => {
                    assert_eq!(credit, PeerCredit::Available, "{self:?}");
                    assert!(!to.ip().to_canonical().is_multicast(), "{self:?}");
                }
                Request::Receive { listening, .. } => assert!(listening, "{self:?}"),
                Request::Bind(_) | Request::Resolve(_) => panic!("this is no answer: {self:?}"),
            }
        }
    }

    fn a_mapped_address_is_the_one_it_stands_for(&self, decided: Result<GrantedBy, DenyReason>) {
        let other = |address: SocketAddr| match address {
            SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            SocketAddr::V6(v6) => match v6.ip().to_canonical() {
                IpAddr::V4(v4) => (v4, v6.port()).into(),
                IpAddr::V6(_) => address,
            },
        };
        let request = match self.request.clone() {
            Request::Bind(local) => Request::Bind(other(local)),
            Request::Connect { to, credit } => Request::Connect { to: other(to), credit },
            Request::Send { to, credit } => Request::Send { to: other(to), credit },
            Request::Receive { from, listening } => {
                Request::Receive { from: other(from), listening }
            }
            Request::Resolve(name) => Request::Resolve(name),
        };
        assert_eq!(self.grants.decide(&request), decided, "{request:?} is not decided as {self:?}");
    }

    fn the_order_of_grants_means_nothing(&self, decided: Result<GrantedBy, DenyReason>) {
        let mut turned = self.grants.clone();
        turned.send = turned.send.iter().rev().copied().collect();
        turned.deny.reverse();
        turned.listen.reverse();
        turned.resolve.reverse();
        turned.from.reverse();
        assert_eq!(turned.decide(&self.request), decided, "{self:?}");
    }

    fn a_refusal_is_one_line_and_its_flags_grant_what_was_asked(&self, reason: DenyReason) {
        let Self { grants, request, .. } = self;
        let refusal =
            Refusal { component: "x", request, reason, grants, advice: &Advice::default() }
                .to_string();
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
        let flags = Flags { grants, request }.to_string();
        if !matches!(reason, DenyReason::NotGranted | DenyReason::Special(_))
            || flags.contains("HOST:PORT")
        {
            return;
        }
        // More than are listed.
        if flags.starts_with("what grants it all now") {
            return;
        }
        let line = ["udping-host"].into_iter().chain(flags.split(' ')).chain(["run", "x"]);
        let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{flags}: {error}"));
        let typed = cli.flags.grants;
        let spec = typed.restrict(typed.spec().unwrap_or_else(|| panic!("{flags} grants nothing")));
        let granted = Grants { own: grants.own.clone(), ..spec.with_addresses(&Names::default()) };
        assert!(granted.decide(request).is_ok(), "{flags} does not grant {request:?}");
        let kept =
            Grants { send: grants.send.clone(), listen: grants.listen.clone(), ..granted.clone() };
        assert_eq!(granted.deny, grants.deny, "{flags}");
        assert_eq!(granted.answer, grants.answer, "{flags}");
        assert_eq!(granted.from, grants.from, "{flags}");
        assert!(
            granted.send.starts_with(&kept.send) && granted.listen.starts_with(&kept.listen),
            "{flags}"
        );
        assert!(granted.resolve.starts_with(&grants.resolve), "{flags}");
    }
}

fn both(these: &Grants, those: &Grants) -> Grants {
    Grants {
        send: [&*these.send, &*those.send].concat().into(),
        send_by_name: these.send_by_name || those.send_by_name,
        deny: [&*these.deny, &*those.deny].concat(),
        listen: [&*these.listen, &*those.listen].concat(),
        from: [&*these.from, &*those.from].concat(),
        source: [&*these.source, &*those.source].concat(),
        answer: these.answer,
        resolve: [&*these.resolve, &*those.resolve].concat(),
        inherit_network: these.inherit_network || those.inherit_network,
        any_name: these.any_name || those.any_name,
        own: these.own.union(&those.own).copied().collect(),
    }
}

/// Addresses that carry `v4`, as their documents have it.
fn carriers(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let bits = u128::from(v4.to_bits());
    let with = |prefix: &str, bits: u128| {
        Ipv6Addr::from_bits(prefix.parse::<Ipv6Addr>().expect("a prefix").to_bits() | bits)
    };
    let last = [
        "::",
        "::ffff:0:0:0",
        "64:ff9b::",
        "64:ff9b:1::",
        "fe80::5efe:0:0",
        "2001:db8::200:5efe:0:0",
    ];
    let mut carriers: Vec<_> = last.into_iter().map(|prefix| with(prefix, bits)).collect();
    carriers.push(with("64:ff9b:1::", (bits >> 16) << 64 | (bits & 0xffff) << 40));
    carriers.push(with("2002::1", bits << 80));
    carriers.push(with("2001::1", bits << 64));
    carriers.push(with("2001::", bits ^ 0xffff_ffff));
    // The loopback address carries none.
    carriers.retain(|carrier| !carrier.is_loopback());
    carriers
}
