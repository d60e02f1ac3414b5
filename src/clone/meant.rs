//! Names that are meant to be of the registry, and are written in a way that Docker takes for something else.

use crate::names::Host;
use crate::text::Quoted;

/// What is wrong with such a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Odd {
    /// Fit for a log line, without a trailing period.
    pub(super) problem: String,
    /// The name as it should be.
    pub(super) right: String,
}

/// A name with `https://` or the like before the registry's host, or with a port behind it.
pub(super) fn odd(image: &str, registry: &Host) -> Option<Odd> {
    let (scheme, address) = image
        .split_once("://")
        .map_or((None, image), |(scheme, rest)| (Some(scheme), rest));
    let path = path(address, registry)?;
    let right = format!("{registry}{path}");
    let host = address.trim_start_matches('/');
    let host = host.split('/').next().unwrap_or(host);
    let problem = match scheme {
        Some(scheme) => format!("an image's name does not begin with `{}://`", Quoted::new(scheme)),
        None if host.eq_ignore_ascii_case(registry.as_str()) => return None,
        None => format!(
            "`{}` is not `{registry}` to Docker, which takes the port as a part of the name",
            Quoted::new(host)
        ),
    };
    Some(Odd { problem, right })
}

/// What follows the registry's host, and a port behind it, in an address; `None` if the host is another one.
pub(super) fn path<'t>(address: &'t str, registry: &Host) -> Option<&'t str> {
    let address = address.trim_start_matches('/');
    let (host, path) = address.split_at(address.find('/')?);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let registry = registry.as_str();
    let start = host.get(..registry.len())?;
    let rest = &host[registry.len()..];
    (start.eq_ignore_ascii_case(registry) && (rest.is_empty() || rest.starts_with(':'))).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_told_from_what_is_another_registrys() {
        let registry = Host::bitbucket();
        for (image, right) in [
            ("https://crg.apkg.io/shop/base:1", Some("crg.apkg.io/shop/base:1")),
            ("http://crg.apkg.io/shop/base", Some("crg.apkg.io/shop/base")),
            ("docker://CRG.apkg.io/shop/base", Some("crg.apkg.io/shop/base")),
            ("oci://me@crg.apkg.io:443/shop/base", Some("crg.apkg.io/shop/base")),
            (
                "crg.apkg.io:443/shop/base@sha256:x",
                Some("crg.apkg.io/shop/base@sha256:x"),
            ),
            ("crg.apkg.io:443:5/shop/base", Some("crg.apkg.io/shop/base")),
            ("crg.apkg.io/shop/base", None),
            ("https://ghcr.io/shop/base", None),
            ("crg.apkg.io.example.org/shop/base", None),
            ("ghcr.io/crg.apkg.io:443/base", None),
            ("crg.apkg.io:443", None),
            ("é/crg", None),
        ] {
            assert_eq!(odd(image, &registry).map(|odd| odd.right).as_deref(), right, "{image}");
        }
        let loopback = Host::parse("127.0.0.1:5000").unwrap();
        assert_eq!(odd("127.0.0.1:5001/shop/base", &loopback), None);
        assert!(odd("http://127.0.0.1:5000/shop/base", &loopback).is_some());
    }
}
