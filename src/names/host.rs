//! A registry's host, and the hosts that are mistaken for Bitbucket's.

use super::BadReference;
use std::fmt;
use std::net::IpAddr;

/// Hosts that circulating recipes name in place of the registry, with what they really are.
const WRONG_HOSTS: [(&str, &str); 8] = [
    ("packages.atlassian.net", "no such registry exists"),
    ("packages.atlassian.com", "that host has Atlassian's own packages"),
    ("registry.bitbucket.org", "no such registry exists"),
    ("registry.bitbucket.com", "no such registry exists"),
    ("docker.bitbucket.org", "no such registry exists"),
    ("bitbucket.org", "that host is for Git and the web pages"),
    ("bitbucket.com", "that host is for the web pages"),
    ("api.bitbucket.org", "that host is for the REST API"),
];

/// A registry's host with an optional port, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// Bitbucket's container registry.
    pub const BITBUCKET: &str = "crg.apkg.io";

    /// Parses `name`, `name:port`, `192.0.2.1:port` or `[2001:db8::1]:port`.
    ///
    /// # Errors
    /// [`BadReference::Host`] if it is none of these, a scheme or path among them.
    pub fn parse(text: &str) -> Result<Self, BadReference> {
        let bad = || BadReference::Host { host: text.to_owned() };
        let lower = text.to_ascii_lowercase();
        let (name, port) = match lower.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']').ok_or_else(bad)?;
                address.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
                (
                    address,
                    if rest.is_empty() {
                        None
                    } else {
                        Some(rest.strip_prefix(':').ok_or_else(bad)?)
                    },
                )
            }
            None => match lower.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (lower.as_str(), None),
            },
        };
        if let Some(port) = port
            && !(port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0))
        {
            return Err(bad());
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !lower.starts_with('[') && !name.split('.').all(label) {
            return Err(bad());
        }
        Ok(Self(match lower.as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".to_owned(),
            _ => lower,
        }))
    }

    /// Bitbucket's container registry.
    #[must_use]
    pub fn bitbucket() -> Self {
        Self(Self::BITBUCKET.to_owned())
    }

    /// As written, port included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the port and without the brackets of an IPv6 address.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.0.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => self.0.split(':').next().unwrap_or(&self.0),
        }
    }

    /// Whether it is this machine itself: `localhost`, a name under it, or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_name(self.name())
    }

    /// Whether it is one of Atlassian's package hosts (`apkg.io` and below), as it must be written: without a port.
    #[must_use]
    pub fn is_atlassian(&self) -> bool {
        !self.0.contains(':') && (self.0 == "apkg.io" || self.0.ends_with(".apkg.io"))
    }

    /// Whether it is one of these with a port, which makes it another registry to Docker, and to the choice of credentials.
    #[must_use]
    pub(crate) fn is_atlassian_with_port(&self) -> bool {
        self.0.contains(':') && Self(self.name().to_owned()).is_atlassian()
    }

    /// The name under which Docker's client keeps a credential for it, and hands it to the daemon: the host, but for Docker Hub
    /// an old address.
    #[must_use]
    pub fn as_docker_keeps_it(&self) -> &str {
        if self.0 == "docker.io" {
            "https://index.docker.io/v1/"
        } else {
            &self.0
        }
    }

    /// Where the registry's API is: Docker Hub's name is not the host that serves it.
    #[must_use]
    pub fn api(&self) -> &str {
        if self.0 == "docker.io" {
            "registry-1.docker.io"
        } else {
            &self.0
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a host name without port means this machine itself.
#[must_use]
pub(crate) fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// What a host that is often mistaken for the registry really is.
#[must_use]
pub(crate) fn wrong_host(host: &Host) -> Option<&'static str> {
    WRONG_HOSTS
        .iter()
        .find(|(wrong, _)| *wrong == host.name())
        .map(|(_, what)| *what)
}
