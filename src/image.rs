//! Image references: what a user writes, made into checked parts that name one registry, repository, tag and digest.
//!
//! The grammar is the OCI distribution specification's ("Pulling manifests": `<name>`, `<reference>`) and, for digests,
//! the OCI image specification's descriptor page. What a short name means is this project's own rule: always the
//! pipe's registry, never Docker Hub.

use std::fmt;
use std::net::IpAddr;

/// Longest repository path that registries take, in characters.
const LONGEST_PATH: usize = 255;
/// Hosts that circulating recipes name in place of the registry, with what they really are.
const WRONG_HOSTS: [(&str, &str); 8] = [
    ("packages.atlassian.net", "no such registry exists"),
    ("packages.atlassian.com", "that host serves Atlassian's own packages"),
    ("registry.bitbucket.org", "no such registry exists"),
    ("registry.bitbucket.com", "no such registry exists"),
    ("docker.bitbucket.org", "no such registry exists"),
    ("bitbucket.org", "that host serves Git and the web pages"),
    ("bitbucket.com", "that host serves the web pages"),
    ("api.bitbucket.org", "that host serves the REST API"),
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

    /// Whether it is one of Atlassian's package hosts (`apkg.io` and below).
    #[must_use]
    pub fn is_atlassian(&self) -> bool {
        !self.0.contains(':') && (self.0 == "apkg.io" || self.0.ends_with(".apkg.io"))
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
pub fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A repository of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    host: Host,
    path: String,
}

impl Repository {
    /// A repository from its host and path (`workspace/package`).
    ///
    /// # Errors
    /// [`BadReference::Path`], [`BadReference::Uppercase`] or [`BadReference::TooLong`].
    pub fn new(host: Host, path: &str) -> Result<Self, BadReference> {
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(BadReference::Uppercase { path: path.to_owned() });
        }
        if path.len() > LONGEST_PATH {
            return Err(BadReference::TooLong { length: path.len() });
        }
        if path.is_empty() || !path.split('/').all(is_path_component) {
            return Err(BadReference::Path { path: path.to_owned() });
        }
        Ok(Self {
            host,
            path: path.to_owned(),
        })
    }

    /// The registry.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The path below the host, `workspace/package` in Bitbucket's registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The first part of the path: the workspace in Bitbucket's registry. `None` where there is one part only.
    #[must_use]
    pub fn workspace(&self) -> Option<&str> {
        self.path.split_once('/').map(|(workspace, _)| workspace)
    }

    /// What follows the workspace: the package.
    #[must_use]
    pub fn package(&self) -> &str {
        self.path
            .split_once('/')
            .map_or(self.path.as_str(), |(_, package)| package)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    alphanumeric(first)
        && alphanumeric(last)
        && bytes
            .split(alphanumeric)
            .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Checks the grammar.
    ///
    /// # Errors
    /// [`BadReference::Tag`], or [`BadReference::EmptyTag`].
    pub fn parse(text: &str) -> Result<Self, BadReference> {
        if text.is_empty() {
            return Err(BadReference::EmptyTag);
        }
        let ok = text.len() <= 128
            && text
                .bytes()
                .enumerate()
                .all(|(at, b)| b.is_ascii_alphanumeric() || b == b'_' || (at > 0 && (b == b'.' || b == b'-')));
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadReference::Tag { tag: text.to_owned() })
        }
    }

    /// `latest`, which a reference without tag and digest means.
    #[must_use]
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hash function of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// 64 hexadecimal digits.
    Sha256,
    /// 128 hexadecimal digits.
    Sha512,
}

/// A digest that this project can check: `sha256:…` or `sha512:…`, lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// Checks the grammar.
    ///
    /// # Errors
    /// [`BadReference::Digest`].
    pub fn parse(text: &str) -> Result<Self, BadReference> {
        let length = |algorithm| {
            if algorithm == "sha256" {
                Some(64)
            } else if algorithm == "sha512" {
                Some(128)
            } else {
                None
            }
        };
        let ok = text.split_once(':').is_some_and(|(algorithm, hex)| {
            length(algorithm) == Some(hex.len()) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadReference::Digest {
                digest: text.to_owned(),
            })
        }
    }

    /// The SHA-256 digest of bytes at hand.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_sha256(&<sha2::Sha256 as sha2::Digest>::digest(bytes))
    }

    /// From a finished SHA-256 state.
    #[must_use]
    pub fn from_sha256(hash: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(hash)))
    }

    /// From a finished SHA-512 state.
    #[must_use]
    pub fn from_sha512(hash: &[u8]) -> Self {
        Self(format!("sha512:{}", hex(hash)))
    }

    /// The digest of the same bytes by this digest's own algorithm: equal to `self` if and only if the bytes are right.
    #[must_use]
    pub fn of_same_kind(&self, bytes: &[u8]) -> Self {
        match self.algorithm() {
            Algorithm::Sha256 => Self::of(bytes),
            Algorithm::Sha512 => Self::from_sha512(&<sha2::Sha512 as sha2::Digest>::digest(bytes)),
        }
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") {
            Algorithm::Sha512
        } else {
            Algorithm::Sha256
        }
    }

    /// `sha256:…` whole.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `sha256:` and the first twelve digits, for a log line.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..19]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The tag, which may move.
    Tag(Tag),
    /// The digest, which cannot.
    Digest(Digest),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Where short names belong: the pipe's registry and the step's workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// `REGISTRY`.
    pub registry: Host,
    /// `BITBUCKET_WORKSPACE`, if the step has it.
    pub workspace: Option<String>,
}

/// A reference as the user means it: repository, with a tag, a digest, both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The repository.
    pub repository: Repository,
    /// The tag, if one was written.
    pub tag: Option<Tag>,
    /// The digest, if one was written; it decides over the tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Parses `[host/]path[:tag][@digest]`. A name without host is one of `namespace`: `package` alone in its workspace,
    /// `workspace/package` in its registry. On another host than the namespace's nothing is filled in, but `library/`
    /// for Docker Hub's one-part names.
    ///
    /// # Errors
    /// Says which part is wrong; [`BadReference::hint`] says what to write.
    pub fn parse(text: &str, namespace: &Namespace) -> Result<Self, BadReference> {
        let (name, tag, digest) = split(text)?;
        let repository = repository(name, namespace)?;
        Ok(Self {
            repository,
            tag: tag.map(Tag::parse).transpose()?,
            digest: digest.map(Digest::parse).transpose()?,
        })
    }

    /// What to ask the registry for: the digest, else the tag, else `latest`.
    #[must_use]
    pub fn selector(&self) -> Selector {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Selector::Digest(digest.clone()),
            (None, Some(tag)) => Selector::Tag(tag.clone()),
            (None, None) => Selector::Tag(Tag::latest()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Cuts `name[:tag][@digest]` into its three texts.
///
/// # Errors
/// Texts that cannot be a reference at all: empty, with white space, a URL, an unexpanded variable.
pub fn split(text: &str) -> Result<(&str, Option<&str>, Option<&str>), BadReference> {
    if text.is_empty() {
        return Err(BadReference::Empty);
    }
    if text.contains("://") {
        return Err(BadReference::Url);
    }
    if text.contains(['$', '{', '}']) {
        return Err(BadReference::Unexpanded);
    }
    if text.contains(['"', '\'', '`']) {
        return Err(BadReference::Quoted);
    }
    if let Some(odd) = text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || !c.is_ascii())
    {
        return Err(BadReference::OddCharacter { character: odd });
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let after_slash = rest.rfind('/').map_or(0, |at| at + 1);
    match rest[after_slash..].find(':') {
        Some(at) => Ok((&rest[..after_slash + at], Some(&rest[after_slash + at + 1..]), digest)),
        None => Ok((rest, None, digest)),
    }
}

/// The host of a name, if its first part is one: it has a dot or a port, is `localhost` or a bracketed address.
/// This is how Docker tells `localhost/a` and `example.org/a` from `team/a`.
#[must_use]
pub fn split_host(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, name),
    }
}

fn repository(name: &str, namespace: &Namespace) -> Result<Repository, BadReference> {
    let (host, path) = split_host(name);
    let Some(host) = host else {
        if let Ok(host) = Host::parse(name)
            && (name.contains('.') && (host.is_atlassian() || wrong_host(&host).is_some()))
        {
            return Err(BadReference::HostOnly { host: name.to_owned() });
        }
        return short_name(path, namespace);
    };
    let host = match (Host::parse(host), host.split_once(':')) {
        (Err(_), Some((name, tag))) if !name.contains('.') && name != "localhost" => {
            return Err(BadReference::Tag {
                tag: format!("{tag}/{path}"),
            });
        }
        (parsed, _) => parsed?,
    };
    if let Some(what) = wrong_host(&host) {
        return Err(BadReference::WrongHost {
            host: host.0,
            what,
            path: path.to_owned(),
        });
    }
    if host.is_atlassian() && host.as_str() != Host::BITBUCKET && host != namespace.registry {
        return Err(BadReference::WrongHost {
            host: host.0,
            what: "that host serves no container images",
            path: path.to_owned(),
        });
    }
    if host.is_atlassian() && !path.contains('/') {
        return Err(BadReference::NoWorkspace {
            written: name.to_owned(),
            suggestion: namespace
                .workspace
                .as_ref()
                .map(|workspace| format!("{host}/{workspace}/{path}")),
        });
    }
    if host.as_str() == "docker.io" && !path.contains('/') {
        return Repository::new(host, &format!("library/{path}"));
    }
    Repository::new(host, path)
}

fn short_name(path: &str, namespace: &Namespace) -> Result<Repository, BadReference> {
    if path.contains('/') {
        return Repository::new(namespace.registry.clone(), path);
    }
    match &namespace.workspace {
        Some(workspace) => Repository::new(namespace.registry.clone(), &format!("{workspace}/{path}")),
        None => Err(BadReference::NoWorkspace {
            written: path.to_owned(),
            suggestion: None,
        }),
    }
}

/// What a host that is often mistaken for the registry really is.
#[must_use]
pub fn wrong_host(host: &Host) -> Option<&'static str> {
    WRONG_HOSTS
        .iter()
        .find(|(wrong, _)| *wrong == host.name())
        .map(|(_, what)| *what)
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum BadReference {
    Empty,
    Url,
    Unexpanded,
    Quoted,
    OddCharacter {
        character: char,
    },
    Host {
        host: String,
    },
    HostOnly {
        host: String,
    },
    WrongHost {
        host: String,
        what: &'static str,
        path: String,
    },
    NoWorkspace {
        written: String,
        suggestion: Option<String>,
    },
    Uppercase {
        path: String,
    },
    Path {
        path: String,
    },
    TooLong {
        length: usize,
    },
    EmptyTag,
    Tag {
        tag: String,
    },
    Digest {
        digest: String,
    },
}

impl fmt::Display for BadReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it names no image"),
            Self::Url => f.write_str("an image name has no `https://`"),
            Self::Unexpanded => f.write_str("it holds a `$` or brace, so a variable was not filled in"),
            Self::Quoted => f.write_str("it holds a quotation mark"),
            Self::OddCharacter { character } => write!(f, "it holds the character `{}`", character.escape_debug()),
            Self::Host { host } => write!(f, "`{}` is no host name", host.escape_debug()),
            Self::HostOnly { host } => write!(f, "`{host}` is a registry, not an image"),
            Self::WrongHost { host, what, .. } => write!(f, "`{host}` is not Bitbucket's container registry: {what}"),
            Self::NoWorkspace { written, .. } => write!(f, "`{written}` lacks the workspace"),
            Self::Uppercase { path } => write!(f, "`{path}` has capital letters, which repository names cannot have"),
            Self::Path { path } => write!(f, "`{path}` is no repository name"),
            Self::TooLong { length } => write!(f, "the repository name has {length} characters"),
            Self::EmptyTag => f.write_str("the tag after the `:` is empty"),
            Self::Tag { tag } => write!(f, "`{tag}` is no tag"),
            Self::Digest { digest } => write!(f, "`{digest}` is no digest"),
        }
    }
}

impl BadReference {
    /// What to write instead, without a trailing period.
    #[must_use]
    pub fn hint(&self) -> String {
        const FORM: &str = "write `package:tag`, `workspace/package:tag` or `crg.apkg.io/workspace/package:tag`";
        match self {
            Self::Empty | Self::HostOnly { .. } => FORM.to_owned(),
            Self::Url => "leave the scheme out: `crg.apkg.io/workspace/package:tag`".to_owned(),
            Self::Unexpanded => "check the spelling of the variable, and that the step has it".to_owned(),
            Self::Quoted => "leave the inner quotation marks out".to_owned(),
            Self::OddCharacter { .. } => "image names are plain ASCII without white space".to_owned(),
            Self::Host { .. } => "a host is a name or address with an optional port, such as `crg.apkg.io`".to_owned(),
            Self::WrongHost { path, .. } => format!("write `{}/{path}`", Host::BITBUCKET),
            Self::NoWorkspace {
                suggestion: Some(suggestion),
                ..
            } => format!("write `{suggestion}`"),
            Self::NoWorkspace { suggestion: None, .. } => {
                "write `workspace/package:tag`; a package alone needs `BITBUCKET_WORKSPACE`, which Pipelines sets"
                    .to_owned()
            }
            Self::Uppercase { path } => format!("write `{}`", path.to_ascii_lowercase()),
            Self::Path { .. } => {
                "its parts are lower-case letters and digits, joined by `.`, `_`, `__` or `-`".to_owned()
            }
            Self::TooLong { .. } => format!("at most {LONGEST_PATH} are allowed"),
            Self::EmptyTag => "write a tag, and check that the variable in its place is set in this step".to_owned(),
            Self::Tag { .. } => {
                "a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two; \
                 branch names with `/` must be changed, as in `${BITBUCKET_BRANCH//\\//-}`"
                    .to_owned()
            }
            Self::Digest { .. } => "a digest is `sha256:` and 64 hexadecimal digits in lower case".to_owned(),
        }
    }
}

impl std::error::Error for BadReference {}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
