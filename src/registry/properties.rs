//! What holds for every challenge that a registry sends, and for every address that it names.

#![allow(clippy::missing_panics_doc, reason = "a panic is the answer")]

pub use super::lists::properties::{referrers, tags};

use super::address::{server, without_secrets};
use super::challenge::{BadChallenge, Challenge};
use super::trust::{Purpose, Verdict, judge};
use crate::names::Host;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use std::net::{IpAddr, Ipv4Addr};

/// No realm gets a credential that may not have it, and what was understood is understood again. The first line is the
/// registry, each other line a header.
pub fn challenge(bytes: &[u8]) {
    let mut lines = bytes.split(|b| *b == b'\n');
    let registry = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let Some(Ok(registry)) = registry.map(Host::parse) else {
        return;
    };
    let Ok(asked) = Url::parse(&format!("https://{}/v2/", registry.api())) else {
        return;
    };
    let of = |lines: &mut dyn Iterator<Item = &[u8]>| {
        let mut headers = HeaderMap::new();
        for value in lines.filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append("www-authenticate", value);
        }
        Challenge::of(&headers, &asked, &registry)
    };
    match of(&mut lines) {
        Ok(Challenge::Bearer { realm, service }) => {
            may_be_asked(&realm, &registry);
            // The host of a URL may hold a quotation mark.
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let parameter = |name: &str, value: &str| format!("{name}=\"{}\"", quoted(value));
            let again = match &service {
                Some(service) => format!(
                    "{},{}",
                    parameter("realm", realm.as_str()),
                    parameter("service", service)
                ),
                None => parameter("realm", realm.as_str()),
            };
            let again = format!("Bearer {again}");
            let again = of(&mut [again.as_bytes()].into_iter());
            assert_eq!(again, Ok(Challenge::Bearer { realm, service }));
        }
        Ok(Challenge::Open) => panic!("a challenge asks for something"),
        Err(BadChallenge::Untrusted { why, .. }) => assert!(!why.is_empty()),
        Ok(Challenge::Basic) | Err(BadChallenge::Unknown | BadChallenge::Realm) => {}
    }
}

/// No address is asked that may not be, or with a credential that is not its. The first line is the registry, the second what
/// was asked of it, the third the address that it names.
pub fn address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let (Some(Ok(registry)), Some(Ok(asked)), Some(address)) = (
        lines.next().map(Host::parse),
        lines.next().map(Url::parse),
        lines.next(),
    ) else {
        return;
    };
    let Ok(address) = asked.join(address) else { return };
    let same_origin = address.origin() == asked.origin();
    for (purpose, reads) in [
        (Purpose::Realm, true),
        (Purpose::Upload, true),
        (Purpose::NextPage, false),
        (Purpose::Redirect(&Method::GET, StatusCode::FOUND), true),
        (Purpose::Redirect(&Method::PUT, StatusCode::TEMPORARY_REDIRECT), false),
        (Purpose::Redirect(&Method::PUT, StatusCode::FOUND), false),
    ] {
        let verdict = judge(&address, purpose, &asked, &registry);
        if let Verdict::NotAsked(why) = verdict {
            assert!(!why.is_empty());
            continue;
        }
        may_be_asked(&address, &registry);
        assert!(reads || same_origin, "{purpose:?}: {address} for {asked}");
        let is_realm = matches!(purpose, Purpose::Realm);
        assert_eq!(
            verdict == Verdict::WithCredential,
            is_realm || same_origin,
            "{purpose:?}: {address}"
        );
    }
    let told = without_secrets(&address, &registry);
    assert!(!told.as_str().contains(['#', '@']), "{told}");
    if server(&address).as_str() != registry.api() && address.port().is_some() {
        assert!(!told.as_str().contains('?'), "{told}");
    }
}

/// The design's rule, written another way: `https` on any host but an address of a network that is not the internet; the
/// registry's own address; for a registry on loopback also loopback, `http` included. Never with a user name.
fn may_be_asked(address: &Url, registry: &Host) {
    assert!(
        address.username().is_empty() && address.password().is_none(),
        "{address}"
    );
    let name = address.host_str().unwrap_or_default();
    assert!(!name.is_empty(), "{address}");
    let ip = name
        .trim_matches(['[', ']'])
        .parse()
        .map(|address: IpAddr| address.to_canonical());
    let is_loopback = match ip {
        Ok(ip) => ip.is_loopback(),
        Err(_) => format!(".{}", name.trim_end_matches('.')).ends_with(".localhost"),
    };
    if is_loopback {
        assert!(registry.is_loopback(), "{address} for {registry}");
        assert!(matches!(address.scheme(), "http" | "https"), "{address}");
        return;
    }
    assert_eq!(address.scheme(), "https", "{address}");
    let own = Url::parse(&format!("https://{}", registry.api()));
    if own.is_ok_and(|own| own.origin() == address.origin()) {
        return;
    }
    let is_strange = match ip {
        Ok(IpAddr::V4(v4)) => STRANGE
            .iter()
            .any(|(network, bits)| (u32::from(v4) ^ u32::from(*network)).leading_zeros() >= *bits),
        Ok(IpAddr::V6(v6)) => {
            let bits = u128::from(v6);
            bits >> 125 != 1 || bits >> 105 == 0x2001_0000 >> 9 || bits >> 112 == 0x2002
        }
        Err(_) => false,
    };
    assert!(!is_strange, "{address} for {registry}");
}

/// Networks of which no server of the internet is a part, with the length of their prefix.
const STRANGE: [(Ipv4Addr, u32); 11] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];
