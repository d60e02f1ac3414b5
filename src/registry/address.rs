//! What a URL says of its server, and how it is shown. Pure.

use crate::names::is_loopback_name;
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

/// A URL without user name, password and the values of its query, but for those that the protocol defines: storage has
/// URLs that are passwords themselves (`X-Amz-Signature`, `sig`, `verify`), and upload sessions keep their state there.
pub(super) fn shown(url: &Url) -> Quoted {
    let mut shown = url.clone();
    let _ = shown.set_password(None);
    let _ = shown.set_username("");
    let query = url.query().map(|query| {
        let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if !PLAIN_PARAMETERS.contains(&name) => format!("{name}=..."),
            _ => parameter.to_owned(),
        });
        parameters.collect::<Vec<_>>().join("&")
    });
    shown.set_query(query.as_deref());
    Quoted::new(shown.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_a_url_is_shown() {
        for (url, text) in [
            ("https://user:pass@example.org/a?n=5", "https://example.org/a?n=5"),
            (
                "https://s3.example.org/a?X-Amz-Signature=abc&digest=sha256:1",
                "https://s3.example.org/a?X-Amz-Signature=...&digest=sha256:1",
            ),
            (
                "https://cdn.example.org/a?verify=1-abc%3D",
                "https://cdn.example.org/a?verify=...",
            ),
            ("https://crg.apkg.io/u?_state=abc", "https://crg.apkg.io/u?_state=..."),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()).as_str(), text);
        }
    }
}
