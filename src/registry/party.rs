//! Who serves a registry beside itself, and can fail in its place. Pure.

use super::address::{is_same, server};
use crate::names::Host;
use crate::text::Quoted;
use reqwest::Url;
use std::fmt;

/// Who failed where it was not the registry itself, each by its host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Party {
    /// Who makes its tokens.
    TokenServer(Quoted),
    /// Where it keeps blobs, or takes them.
    Storage(Quoted),
    /// Where it redirects all else.
    Other(Quoted),
    /// Through whom it is asked.
    Proxy(Quoted),
}

/// What is asked of a registry's parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Token,
    Blob,
    Other,
}

impl Party {
    /// Whose a URL is; `None` where it is the registry's own. A token server is one of its own even at the registry's host:
    /// what it says is said of tokens, not of images.
    pub(super) fn at(url: &Url, role: Role, registry: &Host) -> Option<Self> {
        match role {
            Role::Token => Some(Self::TokenServer(server(url))),
            _ if is_same(url, registry) => None,
            Role::Blob => Some(Self::Storage(server(url))),
            Role::Other => Some(Self::Other(server(url))),
        }
    }

    /// Its host and port.
    #[must_use]
    pub(crate) const fn server(&self) -> &Quoted {
        let (Self::TokenServer(server) | Self::Storage(server) | Self::Other(server) | Self::Proxy(server)) = self;
        server
    }

    /// How a sentence names it.
    pub(super) fn of(&self, registry: &Host) -> impl fmt::Display {
        match self {
            Self::TokenServer(own) if own.as_str() == registry.api() => format!("the token server of `{registry}`"),
            Self::TokenServer(server) => format!("`{server}`, the token server of `{registry}`,"),
            Self::Storage(server) => format!("`{server}`, where `{registry}` keeps its blobs,"),
            Self::Other(server) => format!("`{server}`, to which `{registry}` redirects,"),
            Self::Proxy(server) => format!("the proxy `{server}` on the way to `{registry}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_failed_is_told_by_its_part() {
        for (url, role, named) in [
            ("https://registry.example:5000/v2/", Role::Blob, None),
            ("https://registry.example:5000/v2/", Role::Other, None),
            (
                "https://registry.example:5000/token",
                Role::Token,
                Some("the token server of `registry.example:5000`"),
            ),
            (
                "https://auth.example/token",
                Role::Token,
                Some("`auth.example`, the token server of `registry.example:5000`,"),
            ),
            // A `Location` that has lost its port.
            (
                "https://registry.example/v2/",
                Role::Blob,
                Some("`registry.example`, where `registry.example:5000` keeps its blobs,"),
            ),
            (
                "https://user@s3.example:8443/a?b",
                Role::Blob,
                Some("`s3.example:8443`, where `registry.example:5000` keeps its blobs,"),
            ),
            (
                "https://cdn.example/",
                Role::Other,
                Some("`cdn.example`, to which `registry.example:5000` redirects,"),
            ),
        ] {
            let registry = Host::parse("registry.example:5000").unwrap();
            let party = Party::at(&Url::parse(url).unwrap(), role, &registry);
            let said = party.map(|party| party.of(&registry).to_string());
            assert_eq!(said.as_deref(), named, "{url}");
        }
    }
}
