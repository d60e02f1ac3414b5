//! Where a registry's answers may send us: redirects, and addresses for uploads. Pure.

use super::address::{Origin, is_loopback, origin};
use super::error::Problem;
use crate::names::{Host, is_loopback_name};
use reqwest::header::{HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};

/// Where an answer redirects to; `None` if it does not.
///
/// # Errors
/// It does not say where.
pub(super) fn redirect_target(response: &Response) -> Result<Option<String>, Problem> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    match response.headers().get(LOCATION).map(HeaderValue::to_str) {
        Some(Ok(target)) => Ok(Some(target.to_owned())),
        _ => Err(Problem::Protocol("a redirect without a `Location`".to_owned())),
    }
}

/// Why a redirect is not followed; `None` if it is.
pub(super) fn distrust_redirect(
    asked: &Origin,
    method: &Method,
    status: StatusCode,
    target: &Url,
) -> Option<&'static str> {
    let (scheme, name, _) = asked;
    let plain_is_fine = scheme == "http" && is_loopback_name(name.trim_matches(['[', ']'])) && is_loopback(target);
    if target.scheme() != "https" && !(target.scheme() == "http" && plain_is_fine) {
        return Some("it is not `https`");
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if !reads && (origin(target) != *asked || !matches!(status.as_u16(), 307 | 308)) {
        return Some("what is written goes to the registry itself only");
    }
    None
}

/// Why an address that a registry gave, for an upload, is not used; `None` if it is. It may be another host's, but a
/// registry elsewhere has no business with what listens beside the pipe.
pub(super) fn distrust_address(address: &Url, registry: &Host) -> Option<&'static str> {
    match (address.scheme(), is_loopback(address), registry.is_loopback()) {
        ("https", false, _) | ("https" | "http", true, true) => None,
        (_, true, false) => Some("it is on the machine that the pipe runs on"),
        _ => Some("it is not `https`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_followed_only_where_nothing_leaks() {
        let registry = |text: &str| origin(&Url::parse(text).unwrap());
        for (from, method, status, to, followed) in [
            (
                "https://crg.apkg.io/v2/",
                Method::GET,
                307,
                "https://storage.example.org/x",
                true,
            ),
            (
                "https://crg.apkg.io/v2/",
                Method::GET,
                302,
                "http://storage.example.org/x",
                false,
            ),
            ("https://crg.apkg.io/v2/", Method::GET, 302, "http://localhost/x", false),
            ("https://crg.apkg.io/v2/", Method::GET, 302, "file:///etc/passwd", false),
            (
                "http://127.0.0.1:5000/v2/",
                Method::GET,
                307,
                "http://127.0.0.1:5001/x",
                true,
            ),
            (
                "http://127.0.0.1:5000/v2/",
                Method::GET,
                307,
                "http://10.0.0.1/x",
                false,
            ),
            (
                "https://127.0.0.1:5000/v2/",
                Method::GET,
                307,
                "http://127.0.0.1:5001/x",
                false,
            ),
            (
                "https://crg.apkg.io/v2/",
                Method::PUT,
                307,
                "https://crg.apkg.io/v2/y",
                true,
            ),
            (
                "https://crg.apkg.io/v2/",
                Method::PUT,
                302,
                "https://crg.apkg.io/v2/y",
                false,
            ),
            (
                "https://crg.apkg.io/v2/",
                Method::PUT,
                307,
                "https://example.org/v2/y",
                false,
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let why = distrust_redirect(&registry(from), &method, status, &Url::parse(to).unwrap());
            assert_eq!(why.is_none(), followed, "{method} {from} {to}: {why:?}");
        }
    }

    #[test]
    fn an_address_for_an_upload_leads_to_no_strange_place() {
        for (registry, address, used) in [
            ("crg.apkg.io", "https://crg.apkg.io/v2/u", true),
            ("crg.apkg.io", "https://storage.example.org/u", true),
            ("crg.apkg.io", "http://storage.example.org/u", false),
            ("crg.apkg.io", "http://localhost:2375/containers/create", false),
            ("crg.apkg.io", "https://127.0.0.1/u", false),
            ("crg.apkg.io", "file:///etc/passwd", false),
            ("localhost:5000", "http://localhost:5000/v2/u", true),
            ("localhost:5000", "http://127.0.0.1:9000/u", true),
            ("localhost:5000", "http://10.0.0.1/u", false),
        ] {
            let why = distrust_address(&Url::parse(address).unwrap(), &Host::parse(registry).unwrap());
            assert_eq!(why.is_none(), used, "{registry} {address}: {why:?}");
        }
    }
}
