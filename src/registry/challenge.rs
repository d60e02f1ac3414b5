//! `WWW-Authenticate`: how a registry wants to be signed in to, and whether its realm may have the credential.
//!
//! Grammar: RFC 9110, 11.6.1; parameters: "Docker Registry v2 authentication".

use super::quoted_string;
use super::trust::{Purpose, Verdict, judge};
use crate::names::Host;
use reqwest::Url;
use reqwest::header::HeaderMap;

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
    /// The realm is not a URL.
    Realm,
    /// The realm is not one that may see a credential.
    Untrusted { realm: Url, why: &'static str },
}

impl Challenge {
    /// The challenge in a 401's headers: Bearer before Basic, whatever their order and however many headers hold them.
    /// `asked` is what the registry answered so.
    pub(super) fn of(headers: &HeaderMap, asked: &Url, registry: &Host) -> Result<Self, BadChallenge> {
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
                    let realm = Url::parse(&realm).map_err(|_| BadChallenge::Realm)?;
                    return match judge(&realm, Purpose::Realm, asked, registry) {
                        Verdict::NotAsked(why) => Err(BadChallenge::Untrusted { realm, why }),
                        _ => Ok(Self::Bearer {
                            realm,
                            service: find("service"),
                        }),
                    };
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
    quoted_string::read(quoted).unwrap_or_else(|unended| (unended, ""))
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
        let asked = Url::parse(&format!("https://{registry}/v2/")).unwrap();
        Challenge::of(&map, &asked, &Host::parse(registry).unwrap())
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
            (vec!["Bearer realm=token"], Err(BadChallenge::Realm)),
        ] {
            assert_eq!(of("crg.apkg.io", &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_realm_gets_the_credential_only_where_the_rule_lets_it() {
        for (registry, realm, trusted) in [
            ("crg.apkg.io", "https://auth.apkg.io/token", true),
            ("crg.apkg.io", "https://10.1.2.3/token", false),
            ("10.1.2.3:5000", "https://10.1.2.3:5000/token", true),
            ("localhost:5000", "http://localhost:5001/token", true),
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
