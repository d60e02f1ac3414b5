//! What the daemon's words mean. Docker tells its refusals, and those it relays of registries, apart by text only; the
//! status is 500 for most.

use super::error::{Error, Refusal};
use crate::text::Quoted;

impl Error {
    /// What the daemon's `words` mean. `name` is the image that was asked for: what it is called decides nothing.
    pub(super) fn said(asked: &str, name: &str, words: &str) -> Self {
        let lower = words.to_ascii_lowercase();
        let lower = without_name(&lower, &name.to_ascii_lowercase());
        let has = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
        let asked = asked.to_owned();
        if has(&[
            "no such image",
            "image does not exist locally",
            "tag does not exist",
            "does not exist locally",
            "invalid reference format",
        ]) {
            return Self::NoSuchImage {
                name: Quoted::new(name).to_string(),
            };
        }
        let words = Quoted::new(words);
        if has(&["authorization denied by plugin"]) {
            return Self::Plugin { asked, words };
        }
        if has(&["no space left on device", "disk quota exceeded"]) {
            return Self::NoSpace { asked, words };
        }
        // Whatever the words behind it sound like.
        if has(&["failed to register layer"]) {
            return Self::Layer { asked, words };
        }
        if has(&[
            "specified platform",
            "no matching manifest for",
            "no match for platform",
            "cannot be used on this platform",
        ]) {
            return Self::Platform { asked, words };
        }
        let untrusted = has(&[
            "x509:",
            "tls: failed to verify",
            "server gave http response to https client",
        ]);
        if let Some(refusal) = refusal(&lower) {
            return Self::Registry { asked, refusal, words };
        }
        if untrusted || has(UNREACHABLE) {
            return Self::RegistryUnreachable {
                asked,
                words,
                untrusted,
            };
        }
        if has(&["not found"]) {
            let refusal = Refusal::ManifestUnknown;
            return Self::Registry { asked, refusal, words };
        }
        Self::Daemon { asked, words }
    }
}

/// What Go's HTTP client and Docker write when the registry does not answer, in lower case.
const UNREACHABLE: &[&str] = &[
    "no such host",
    "server misbehaving",
    "connection refused",
    "connection reset",
    "connection timed out",
    "network is unreachable",
    "no route to host",
    "i/o timeout",
    "tls handshake timeout",
    "awaiting headers",
    "context deadline exceeded",
    "unexpected eof",
    "broken pipe",
    "unexpected http status: 5",
    "internal server error",
    "bad gateway",
    "service unavailable",
    "gateway timeout",
];

/// The first cause that the words name, the most telling first: Docker writes several, as in "pull access denied,
/// repository does not exist or may require 'docker login': unauthorized".
fn refusal(lower: &str) -> Option<Refusal> {
    let has = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    if has(&["toomanyrequests", "too many requests", "rate limit"]) {
        return Some(Refusal::TooManyRequests);
    }
    if has(&[
        "is immutable",
        "immutable tag",
        "tag_immutable",
        "immutability",
        "be overwritten",
    ]) {
        return Some(Refusal::Immutable);
    }
    if has(&["manifest unknown", "manifest_unknown"]) {
        return Some(Refusal::ManifestUnknown);
    }
    if has(&[
        "name unknown",
        "name_unknown",
        "repository name not known",
        "does not exist in this workspace",
    ]) {
        return Some(Refusal::NameUnknown);
    }
    // "pull access denied …" is Docker's own preface, written before any of the causes.
    let cause = lower.split("'docker login': ").last().unwrap_or(lower);
    let at = |text: &str| cause.find(text);
    match (at("denied"), at("unauthorized")) {
        (Some(denied), Some(unauthorized)) if unauthorized < denied => Some(Refusal::Unauthorized),
        (Some(_), _) => Some(Refusal::Denied),
        (None, Some(_)) => Some(Refusal::Unauthorized),
        (None, None) if has(&["insufficient_scope", "forbidden"]) => Some(Refusal::Denied),
        (None, None)
            if has(&[
                "no basic auth credentials",
                "authentication required",
                "incorrect username or password",
            ]) =>
        {
            Some(Refusal::Unauthorized)
        }
        (None, None) => None,
    }
}

/// `lower` without the repository of the image `name`, as a whole and as the path of a URL. A name of one part stays: the
/// daemon asks no registry by it, and it may be any word.
fn without_name(lower: &str, name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let repository = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    };
    match repository.split_once('/') {
        Some((_, path)) if path.contains('/') => lower.replace(repository, "").replace(path, ""),
        Some(_) => lower.replace(repository, ""),
        None => lower.to_owned(),
    }
}

#[cfg(test)]
mod tests;
