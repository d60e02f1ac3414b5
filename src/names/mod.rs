//! Image references: what a user writes, made into checked parts that name one registry, repository, tag and digest.
//!
//! The grammar is the OCI distribution specification's ("Pulling manifests": `<name>`, `<reference>`) and, for digests,
//! the OCI image specification's descriptor page. What a short name means is this project's own rule: always the
//! pipe's registry, never Docker Hub.

mod at_least_one;
mod bad_reference;
mod digest;
mod hasher;
mod host;
pub(crate) mod platform;
mod ref_name;

pub(crate) use at_least_one::AtLeastOne;
pub(crate) use bad_reference::BadReference;
pub(crate) use digest::Algorithm;
pub use digest::Digest;
pub(crate) use hasher::{Hasher, digest_of};
pub use host::Host;
pub(crate) use host::{is_loopback_name, wrong_host};
pub(crate) use ref_name::is_ref_name;

use std::fmt;

/// Longest repository path that registries take, in characters.
const LONGEST_PATH: usize = 255;
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

    /// The registry that it is in.
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
    /// [`BadReference::Tag`], [`BadReference::Unexpanded`] or [`BadReference::EmptyTag`].
    pub fn parse(text: &str) -> Result<Self, BadReference> {
        if text.contains(['$', '{', '}']) {
            return Err(BadReference::Unexpanded);
        }
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

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Selector {
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
pub(crate) struct Namespace {
    /// `REGISTRY`.
    pub registry: Host,
    /// `BITBUCKET_WORKSPACE`, if the step has it.
    pub workspace: Option<String>,
}

/// A reference as the user means it: repository, with a tag, a digest, both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    pub repository: Repository,
    /// The tag, if one was written.
    pub tag: Option<Tag>,
    /// The digest, if one was written; it decides over the tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The same; with the tag `latest` if it has neither tag nor digest.
    #[must_use]
    pub(crate) fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(Tag::latest());
        }
        self
    }

    /// Parses `[host/]path[:tag][@digest]`. A name without host is one of `namespace`: `package` alone in its workspace,
    /// `workspace/package` in its registry. On another host than the namespace's nothing is filled in, but `library/`
    /// for Docker Hub's one-part names.
    ///
    /// # Errors
    /// Says which part is wrong; [`BadReference::hint`] says what to write.
    pub(crate) fn parse(text: &str, namespace: &Namespace) -> Result<Self, BadReference> {
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
    pub(crate) fn selector(&self) -> Selector {
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
/// Texts that cannot be a reference at all: empty, in parts too, with white space, a URL, an unexpanded variable.
pub(crate) fn split(text: &str) -> Result<(&str, Option<&str>, Option<&str>), BadReference> {
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
    let (name, tag) = match rest[after_slash..].find(':') {
        Some(at) => (&rest[..after_slash + at], Some(&rest[after_slash + at + 1..])),
        None => (rest, None),
    };
    if digest == Some("") {
        return Err(BadReference::EmptyDigest);
    }
    if name.split('/').any(str::is_empty) {
        return Err(BadReference::EmptyPart);
    }
    Ok((name, tag, digest))
}

/// The host of a name, if its first part is one: it has a dot or a port, is `localhost` or a bracketed address.
/// This is how Docker tells `localhost/a` and `example.org/a` from `team/a`.
#[must_use]
pub(crate) fn split_host(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, name),
    }
}

fn repository(name: &str, namespace: &Namespace) -> Result<Repository, BadReference> {
    let (host, path) = split_host(name);
    let Some(host) = host else {
        if let Ok(host) = Host::parse(name)
            && (host.is_atlassian() || wrong_host(&host).is_some())
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
            host: host.as_str().to_owned(),
            what,
            path: path.to_owned(),
        });
    }
    if host.is_atlassian_with_port() {
        return Err(BadReference::Port {
            host: host.as_str().to_owned(),
            path: path.to_owned(),
        });
    }
    if host.is_atlassian() && host.as_str() != Host::BITBUCKET && host != namespace.registry {
        return Err(BadReference::WrongHost {
            host: host.as_str().to_owned(),
            what: "that host has no container images",
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

#[cfg(test)]
mod tests;
