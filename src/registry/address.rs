//! What a URL says of its server, and how it is shown. Pure.

use crate::names::{Host, is_loopback_name};
use crate::text::Quoted;
use reqwest::Url;

/// Parameters of the registry protocol and of token requests whose values are no secrets.
const PLAIN_PARAMETERS: [&str; 8] = [
    "artifactType",
    "digest",
    "from",
    "last",
    "mount",
    "n",
    "scope",
    "service",
];
/// Parameters whose values may be secrets, and whose names tell what was asked. A name that nobody knows may be one itself.
const NAMED_PARAMETERS: [&str; 5] = ["_state", "account", "client_id", "page", "page_size"];
/// Longest part of a path that is shown, in bytes: a digest by SHA-512.
const LONGEST_PART: usize = 135;
/// What stands for what may be a secret.
const LEFT_OUT: &str = "...";

/// Scheme, host name and port.
pub(super) type Origin = (String, String, Option<u16>);

/// The origin of a URL.
pub(super) fn origin(url: &Url) -> Origin {
    (
        url.scheme().to_owned(),
        url.host_str().unwrap_or_default().to_owned(),
        url.port_or_known_default(),
    )
}

/// Whether it is of this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    url.host_str()
        .is_some_and(|name| is_loopback_name(name.trim_matches(['[', ']'])))
}

/// Whether it is at a registry's host and port.
pub(super) fn is_same(url: &Url, registry: &Host) -> bool {
    let own = Url::parse(&format!("{}://{}/", url.scheme(), registry.api()));
    own.is_ok_and(|own| origin(&own) == origin(url))
}

/// A URL as it is told of. Of another host than the registry only that it is asked: storage has URLs that are passwords
/// themselves, in the query (`X-Amz-Signature`, `sig`), in the path or behind `#`. Of the registry itself path and query as
/// the protocol has them; upload sessions keep their state there.
pub(super) fn without_secrets(url: &Url, registry: &Host) -> Quoted {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let mut shown = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default());
    if !is_same(url, registry) {
        return Quoted::new(&shown);
    }
    let mut before = "";
    for part in url.path_segments().into_iter().flatten() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
        let is_plain =
            part.len() <= LONGEST_PART && part.bytes().all(plain) && (before != "uploads" || part.is_empty());
        shown.push('/');
        shown.push_str(if is_plain { part } else { LEFT_OUT });
        before = part;
    }
    for (number, parameter) in url.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if number == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, value)) if PLAIN_PARAMETERS.contains(&name) && value.bytes().all(is_of_a_name) => {
                shown.push_str(parameter);
            }
            Some((name, _)) if PLAIN_PARAMETERS.contains(&name) || NAMED_PARAMETERS.contains(&name) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(LEFT_OUT);
            }
            _ => shown.push_str(LEFT_OUT),
        }
    }
    Quoted::new(&shown)
}

/// Whether repositories, tags, digests, media types and scopes have such a byte in a query.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-:/,+*%".contains(&byte)
}

/// The server of a URL, as it is named in a sentence: host, and port where it is not the scheme's own.
pub(super) fn server(url: &Url) -> Quoted {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Quoted::new(&format!("{}{port}", url.host_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_a_url_is_shown() {
        for (url, text) in [
            (
                "https://crg.apkg.io/v2/shop/a/tags/list?n=5&last=1.0",
                "https://crg.apkg.io/v2/shop/a/tags/list?n=5&last=1.0",
            ),
            ("https://user:pass@crg.apkg.io/v2/", "https://crg.apkg.io/v2/"),
            (
                "https://crg.apkg.io/v2/a/blobs/uploads/?mount=sha256:1&from=a/b",
                "https://crg.apkg.io/v2/a/blobs/uploads/?mount=sha256:1&from=a/b",
            ),
            (
                "https://crg.apkg.io/v2/a/blobs/uploads/5f-2a?_state=abc&digest=sha256:1",
                "https://crg.apkg.io/v2/a/blobs/uploads/...?_state=...&digest=sha256:1",
            ),
            (
                "https://crg.apkg.io/token?service=x&scope=repository:a/b:pull&account=ada",
                "https://crg.apkg.io/token?service=x&scope=repository:a/b:pull&account=...",
            ),
            ("https://crg.apkg.io/a?SECRET", "https://crg.apkg.io/a?..."),
            (
                "https://crg.apkg.io/a?artifactType=application/vnd.x%2Bjson&last=a_b-1.0&digest=sha256%3A1",
                "https://crg.apkg.io/a?artifactType=application/vnd.x%2Bjson&last=a_b-1.0&digest=sha256%3A1",
            ),
            // Also what passes for a name, and what is the value of no name.
            (
                "https://crg.apkg.io/a?digest=ada@SECRET&n=2",
                "https://crg.apkg.io/a?digest=...&n=2",
            ),
            (
                "https://crg.apkg.io/a?last=sig=SECRET",
                "https://crg.apkg.io/a?last=...",
            ),
            ("https://crg.apkg.io/a?SECRET=1&n=2", "https://crg.apkg.io/a?...&n=2"),
            ("https://crg.apkg.io/a?_sta@e=1", "https://crg.apkg.io/a?..."),
            ("https://crg.apkg.io/a?_state@=1", "https://crg.apkg.io/a?..."),
            (
                "https://crg.apkg.io/a?SECRETSECRETSECRETSECRET=1",
                "https://crg.apkg.io/a?...",
            ),
            ("https://crg.apkg.io/a#sig=abc", "https://crg.apkg.io/a"),
            ("https://crg.apkg.io/a/b;sig=abc/c", "https://crg.apkg.io/a/.../c"),
            ("https://crg.apkg.io/a/sig%3Dabc/c", "https://crg.apkg.io/a/.../c"),
            // Elsewhere.
            ("https://crg.apkg.io:8443/v2/a", "https://crg.apkg.io:8443"),
            ("https://user:pass@example.org/a?n=5", "https://example.org"),
            (
                "https://s3.example.org/a?X-Amz-Signature=abc&digest=sha256:1",
                "https://s3.example.org",
            ),
            ("https://cdn.example.org/signed/abc/a", "https://cdn.example.org"),
            ("http://[2001:db8::1]:80/a", "http://[2001:db8::1]"),
        ] {
            let registry = Host::bitbucket();
            assert_eq!(without_secrets(&Url::parse(url).unwrap(), &registry).as_str(), text);
        }
    }
}
