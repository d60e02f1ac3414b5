//! `WWW-Authenticate`: how a registry wants to be signed in to, and whether its realm may have the credential.
//!
//! Grammar: RFC 9110, 11.6.1; parameters: "Docker Registry v2 authentication".

use crate::names::{Host, is_loopback_name};
use reqwest::Url;
use reqwest::header::HeaderMap;
use std::net::IpAddr;

/// How requests are authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Nothing was asked for.
    Open,
    /// User name and password with each request.
    Basic,
    /// A token of the realm.
    Bearer {
        /// Where tokens are made.
        realm: Url,
        /// Whom the token is for; absent in some registries.
        service: Option<String>,
    },
}

/// Why a challenge cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadChallenge {
    /// There is none, or no scheme of it is known.
    Unknown,
    /// The realm is no URL.
    Realm(String),
    /// The realm is not one that may see a credential.
    Untrusted { realm: Url, why: &'static str },
}

impl Challenge {
    /// The challenge in a 401's headers: Bearer before Basic, whatever their order and however many headers hold them.
    /// `from` is the registry that answered.
    pub(super) fn of(headers: &HeaderMap, from: &Host) -> Result<Self, BadChallenge> {
        let mut basic = false;
        for value in headers.get_all("www-authenticate") {
            let Ok(text) = value.to_str() else { continue };
            for (scheme, parameters) in schemes(text) {
                if scheme.eq_ignore_ascii_case("bearer") {
                    let find = |name: &str| {
                        parameters
                            .iter()
                            .find(|(key, _)| key.eq_ignore_ascii_case(name))
                            .map(|(_, value)| value.clone())
                    };
                    let Some(realm) = find("realm") else { continue };
                    let url = Url::parse(&realm).map_err(|_| BadChallenge::Realm(realm))?;
                    if let Some(why) = distrust(&url, from) {
                        return Err(BadChallenge::Untrusted { realm: url, why });
                    }
                    return Ok(Self::Bearer {
                        realm: url,
                        service: find("service"),
                    });
                }
                basic |= scheme.eq_ignore_ascii_case("basic");
            }
        }
        if basic {
            Ok(Self::Basic)
        } else {
            Err(BadChallenge::Unknown)
        }
    }
}

/// Why a realm may not have the registry's credential; `None` if it may.
/// `https` on any host but a private or link-local address; for a registry on loopback also `http` on loopback.
fn distrust(realm: &Url, registry: &Host) -> Option<&'static str> {
    let Some(name) = realm.host_str() else {
        return Some("it names no host");
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let loopback = is_loopback_name(bare);
    if !realm.username().is_empty() || realm.password().is_some() {
        return Some("it holds a user name");
    }
    match realm.scheme() {
        "https" => {}
        "http" if loopback && registry.is_loopback() => {}
        "http" => return Some("it is plain `http`"),
        _ => return Some("it is not `https`"),
    }
    let Ok(address) = bare.parse::<IpAddr>() else {
        return None;
    };
    if loopback && registry.is_loopback() {
        return None;
    }
    is_internal(address).then_some("it is a private or link-local address")
}

fn is_internal(address: IpAddr) -> bool {
    match address {
        // All of 0.0.0.0/8 is "this network" (RFC 6890).
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_internal(IpAddr::V4(v4)),
            None => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback() || v6.is_unspecified(),
        },
    }
}

/// Cuts a header value into schemes with their parameters. What makes no sense is passed over.
fn schemes(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            match rest.chars().next() {
                Some(odd) => rest = &rest[odd.len_utf8()..],
                None => return found,
            }
            continue;
        }
        if let Some(value) = after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            let (value, after) = parameter_value(value.trim_start_matches([' ', '\t']));
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((word.to_owned(), value));
            }
            rest = after;
        } else {
            found.push((word.to_owned(), Vec::new()));
            rest = after;
        }
    }
}

/// A quoted string with its escapes undone, or a bare token, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(registry: &str, headers: &[&str]) -> Result<Challenge, BadChallenge> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append("www-authenticate", header.parse().unwrap());
        }
        Challenge::of(&map, &Host::parse(registry).unwrap())
    }

    #[allow(clippy::unnecessary_wraps, reason = "stands beside refusals in the table")]
    fn bearer(realm: &str, service: Option<&str>) -> Result<Challenge, BadChallenge> {
        Ok(Challenge::Bearer {
            realm: Url::parse(realm).unwrap(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let token = "https://auth.example.org/token";
        for (headers, expected) in [
            (
                vec![r#"Bearer realm="https://auth.example.org/token",service="crg",scope="repository:a/b:pull,push""#],
                bearer(token, Some("crg")),
            ),
            (
                vec![r#"bearer service=crg, realm="https://auth.example.org/token" "#],
                bearer(token, Some("crg")),
            ),
            (
                vec![r#"Bearer realm="https://auth.example.org/token""#],
                bearer(token, None),
            ),
            (
                vec![r#"Bearer realm="https://auth.example.org/token",service="a \"b\", c""#],
                bearer(token, Some("a \"b\", c")),
            ),
            (
                vec![r#"Basic realm="x, Bearer realm=y", Bearer realm="https://auth.example.org/token""#],
                bearer(token, None),
            ),
            (vec!["Negotiate", r#"Basic realm="x""#], Ok(Challenge::Basic)),
            (
                vec![r#"Basic realm="x""#, r#"Bearer realm="https://auth.example.org/token""#],
                bearer(token, None),
            ),
            (vec!["Basic"], Ok(Challenge::Basic)),
            (vec!["Digest realm=x"], Err(BadChallenge::Unknown)),
            (vec!["Bearer"], Err(BadChallenge::Unknown)),
            (vec![], Err(BadChallenge::Unknown)),
            (vec!["Bearer realm=token"], Err(BadChallenge::Realm("token".to_owned()))),
        ] {
            assert_eq!(of("crg.apkg.io", &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_realm_gets_the_credential_only_where_that_is_safe() {
        for (registry, realm, trusted) in [
            ("crg.apkg.io", "https://auth.apkg.io/token", true),
            ("crg.apkg.io", "https://auth.example.org:8443/token", true),
            ("crg.apkg.io", "https://203.0.113.7/token", true),
            ("crg.apkg.io", "http://auth.apkg.io/token", false),
            ("crg.apkg.io", "http://localhost/token", false),
            ("crg.apkg.io", "https://10.1.2.3/token", false),
            ("crg.apkg.io", "https://192.168.0.1/token", false),
            ("crg.apkg.io", "https://169.254.169.254/token", false),
            ("crg.apkg.io", "https://127.0.0.1/token", false),
            ("crg.apkg.io", "https://0.0.0.0/token", false),
            ("crg.apkg.io", "https://0.0.19.135/token", false),
            ("crg.apkg.io", "https://[fe80::1]/token", false),
            ("crg.apkg.io", "https://[fd00::1]/token", false),
            ("crg.apkg.io", "https://[::ffff:10.0.0.1]/token", false),
            ("crg.apkg.io", "https://user@auth.apkg.io/token", false),
            ("crg.apkg.io", "ftp://auth.apkg.io/token", false),
            ("localhost:5000", "http://localhost:5001/token", true),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token", true),
            ("127.0.0.1:5000", "https://127.0.0.1:5001/token", true),
            ("127.0.0.1:5000", "http://[::1]:5001/token", true),
            ("127.0.0.1:5000", "http://auth.example.org/token", false),
            ("127.0.0.1:5000", "http://10.0.0.1/token", false),
        ] {
            let found = of(registry, &[&format!("Bearer realm=\"{realm}\"")]);
            assert_eq!(
                matches!(found, Ok(Challenge::Bearer { .. })),
                trusted,
                "{registry} {realm}: {found:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(text in "[ -~\\t]{0,200}") {
            let _ = schemes(&text);
        }
    }
}
