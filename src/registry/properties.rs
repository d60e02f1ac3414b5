//! What holds for every challenge that a registry sends.

#![allow(clippy::missing_panics_doc, reason = "a panic is the answer")]

use super::challenge::{BadChallenge, Challenge};
use crate::names::Host;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};
use std::net::IpAddr;

/// No realm gets a credential that may not have it, and what was understood is understood again. The first line is the
/// registry, each other line a header.
pub fn challenge(bytes: &[u8]) {
    let mut lines = bytes.split(|b| *b == b'\n');
    let registry = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let Some(Ok(registry)) = registry.map(Host::parse) else {
        return;
    };
    let of = |lines: &mut dyn Iterator<Item = &[u8]>| {
        let mut headers = HeaderMap::new();
        for value in lines.filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append("www-authenticate", value);
        }
        Challenge::of(&headers, &registry)
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
        Err(BadChallenge::Realm(realm)) => assert!(realm.len() <= bytes.len()),
        Err(BadChallenge::Untrusted { why, .. }) => assert!(!why.is_empty()),
        Ok(Challenge::Basic) | Err(BadChallenge::Unknown) => {}
    }
}

/// The design's rule, written another way: `https` on any host but a private or link-local address; for a registry on
/// loopback also loopback, `http` included. Never with a user name.
fn may_be_asked(realm: &Url, registry: &Host) {
    assert!(realm.username().is_empty() && realm.password().is_none(), "{realm}");
    let name = realm.host_str().unwrap_or_default();
    assert!(!name.is_empty(), "{realm}");
    let address = name
        .trim_matches(['[', ']'])
        .parse()
        .map(|address: IpAddr| address.to_canonical());
    let is_loopback = match address {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    };
    if is_loopback && registry.is_loopback() {
        assert!(matches!(realm.scheme(), "http" | "https"), "{realm}");
        return;
    }
    assert_eq!(realm.scheme(), "https", "{realm}");
    let is_internal = match address {
        Ok(IpAddr::V4(v4)) => matches!(
            v4.octets(),
            [0 | 10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [169, 254, ..]
        ),
        Ok(IpAddr::V6(v6)) => {
            v6.is_loopback() || v6.is_unspecified() || matches!(v6.segments()[0] & 0xffc0, 0xfe80 | 0xfc00..=0xfdc0)
        }
        Err(_) => false,
    };
    assert!(!is_internal, "{realm} for {registry}");
}
