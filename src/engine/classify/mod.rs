//! What the daemon's words mean. Docker and podman tell their refusals, and those they relay of registries, apart by text
//! only; the status of the Engine API is 500 for most, and says more than the words of Docker 29 alone.

mod words;

use super::error::{Error, Refusal};
use crate::names::Digest;
use crate::text::Quoted;
use reqwest::StatusCode;
use words::Words;

/// What the daemon was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct DaemonRequest<'a> {
    /// In words, for a message.
    pub(super) what: &'a str,
    /// The image: what it is called decides nothing.
    pub(super) name: &'a str,
    /// What a refusal can be about.
    pub(super) of: Of<'a>,
}

/// What a request to the daemon is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of<'a> {
    /// The daemon alone.
    Daemon,
    /// A manifest that the pipe has read itself just before.
    Pull(&'a Digest),
    Push,
}

impl Error {
    /// What the daemon's `words` mean, and the status that they came with, where they are not of a stream.
    pub(super) fn said(asked: &DaemonRequest<'_>, words: &str, status: Option<StatusCode>) -> Self {
        let lower = Words::new(words, asked.name);
        let what = asked.what.to_owned();
        let words = Quoted::new(words);
        if lower.has(&["authorization denied by plugin"]) {
            return Self::Plugin { asked: what, words };
        }
        if lower.has(&["no space left on device", "disk quota exceeded"]) {
            return Self::NoSpace { asked: what, words };
        }
        // These quote what lies below, whatever that sounds like.
        if lower.has(LAYER) {
            return Self::Layer {
                asked: what,
                words,
                may_be_zstd: false,
            };
        }
        if lower.has(INCOMPLETE) {
            return Self::Incomplete { asked: what, words };
        }
        if lower.has(WRONG_BYTES) {
            return Self::WrongBytes { asked: what, words };
        }
        if lower.has(PLATFORM) {
            return Self::Platform { asked: what, words };
        }
        if lower.has(NO_SUCH_IMAGE) {
            return Self::NoSuchImage {
                name: Quoted::new(asked.name).to_string(),
            };
        }
        if asked.of == Of::Daemon {
            return Self::Daemon { asked: what, words };
        }
        let untrusted = lower.has(UNTRUSTED);
        if untrusted {
            return Self::RegistryUnreachable {
                asked: what,
                words,
                untrusted,
            };
        }
        match cause(&lower, asked.of, status) {
            Meaning::Refusal(refusal) => Self::Registry {
                asked: what,
                refusal,
                words,
            },
            Meaning::Network => Self::RegistryUnreachable {
                asked: what,
                words,
                untrusted,
            },
            Meaning::NotFound => Self::NotResolved { asked: what, words },
            Meaning::Unknown => Self::Daemon { asked: what, words },
        }
    }
}

/// Why a transfer did not come about, as far as the registry has to do with it.
enum Meaning {
    Refusal(Refusal),
    Network,
    /// containerd says so of what is not there, and of what a broken connection or a refused token kept from it.
    NotFound,
    Unknown,
}

/// Words go first, then the status that they state, then what is known of networks, then the status of the answer.
fn cause(words: &Words, of: Of<'_>, status: Option<StatusCode>) -> Meaning {
    if let Some(refusal) = refusal(words) {
        return Meaning::Refusal(refusal);
    }
    if let Some(cause) = words.status().and_then(|status| of_status(status, words, of)) {
        return cause;
    }
    if words.has(UNREACHABLE) || words.ends_with_eof() {
        return Meaning::Network;
    }
    if words.has(UNKNOWN_PART) {
        return Meaning::Refusal(if of == Of::Push {
            Refusal::Other
        } else {
            Refusal::PartUnknown
        });
    }
    if let Some(cause) = status.and_then(|status| of_answer(status, words, of)) {
        return cause;
    }
    if words.has(&["not found"]) {
        return not_found(words, of);
    }
    if words.has(OF_REGISTRY) {
        return Meaning::Refusal(Refusal::Unstated);
    }
    if words.has(CODES) {
        return Meaning::Refusal(Refusal::Other);
    }
    Meaning::Unknown
}

/// What a status means that the registry answered with.
fn of_status(status: u16, words: &Words, of: Of<'_>) -> Option<Meaning> {
    Some(match status {
        401 => Meaning::Refusal(Refusal::Unauthorized),
        403 => Meaning::Refusal(Refusal::Denied),
        404 => not_found(words, of),
        408 | 500..=599 => Meaning::Network,
        429 => Meaning::Refusal(Refusal::TooManyRequests),
        400..=499 => Meaning::Refusal(Refusal::Other),
        _ => return None,
    })
}

/// What a status of the Engine API means. Docker 29 and podman 5 give those of the registry; others say 500 and 404 for
/// whatever they like.
fn of_answer(status: StatusCode, words: &Words, of: Of<'_>) -> Option<Meaning> {
    match status.as_u16() {
        401 | 403 | 429 => of_status(status.as_u16(), words, of),
        404 if of != Of::Push => Some(not_found(words, of)),
        _ => None,
    }
}

/// What is not there: of a push the repository, of a pull the manifest that was asked for, or a part of it.
fn not_found(words: &Words, of: Of<'_>) -> Meaning {
    match of {
        Of::Pull(digest) if words.names_another(digest) || words.has(&["fetching blob"]) => {
            Meaning::Refusal(Refusal::PartUnknown)
        }
        Of::Pull(_) => Meaning::NotFound,
        Of::Push => Meaning::Refusal(Refusal::NameUnknown),
        Of::Daemon => Meaning::Unknown,
    }
}

/// The first cause that the words name, the most telling first: Docker writes several, as in "pull access denied,
/// repository does not exist or may require 'docker login': unauthorized".
fn refusal(words: &Words) -> Option<Refusal> {
    if words.has(&["toomanyrequests", "too many requests", "rate limit"]) {
        return Some(Refusal::TooManyRequests);
    }
    if words.has(&[
        "is immutable",
        "immutable tag",
        "tag_immutable",
        "immutability",
        "be overwritten",
    ]) {
        return Some(Refusal::Immutable);
    }
    if words.has(&["manifest unknown", "manifest_unknown"]) {
        return Some(Refusal::ManifestUnknown);
    }
    if words.has(&[
        "name unknown",
        "name_unknown",
        "repository name not known",
        "does not exist in this workspace",
    ]) {
        return Some(Refusal::NameUnknown);
    }
    // "pull access denied …" is Docker's own preface, written before any of the causes.
    let cause = words.after_preface();
    let at = |text: &str| cause.find(text);
    match (at("denied"), at("unauthorized")) {
        (Some(denied), Some(unauthorized)) if unauthorized < denied => Some(Refusal::Unauthorized),
        (Some(_), _) => Some(Refusal::Denied),
        (None, Some(_)) => Some(Refusal::Unauthorized),
        (None, None) if words.has(&["insufficient_scope", "forbidden"]) => Some(Refusal::Denied),
        (None, None)
            if words.has(&[
                "no basic auth credentials",
                "authentication required",
                "incorrect username or password",
                "invalid username/password",
            ]) =>
        {
            Some(Refusal::Unauthorized)
        }
        (None, None) => None,
    }
}

const NO_SUCH_IMAGE: &[&str] = &[
    "no such image",
    "does not exist locally",
    "tag does not exist",
    "invalid reference format",
    // podman.
    "image not known",
];

/// A layer that came whole and is not what it should be: Docker, containerd, podman.
const LAYER: &[&str] = &[
    "failed to register layer",
    "failed to extract layer",
    "wrong diff id calculated",
    "layers from manifest don't match",
    "adding layer with blob",
    "does not match config's diffid",
    "processing tar file",
];

/// An index of which the daemon has a part (containerd, before Docker 28 chose one manifest by itself).
const INCOMPLETE: &[&str] = &[
    "missing content:",
    "manifest list/index which references",
    "not all of them are available locally",
];

const WRONG_BYTES: &[&str] = &[
    "verification failed for digest",
    "unexpected commit digest",
    "unexpected commit size",
    "does not match expected sha",
    "digest did not match",
];

const PLATFORM: &[&str] = &[
    "specified platform",
    "no matching manifest for",
    "no match for platform",
    "cannot be used on this platform",
    "no image found in image index",
    "no image found in manifest list",
];

const UNTRUSTED: &[&str] = &[
    "x509:",
    "tls: failed to verify",
    "server gave http response to https client",
];

/// What Go's HTTP client, Docker, containerd and podman write when the registry does not answer, in lower case.
const UNREACHABLE: &[&str] = &[
    "no such host",
    "server misbehaving",
    "temporary failure in name resolution",
    "connection refused",
    "connection reset",
    "connection timed out",
    "connection aborted",
    "closed network connection",
    "server closed idle connection",
    "network is unreachable",
    "no route to host",
    "host is down",
    "i/o timeout",
    "tls handshake timeout",
    "awaiting headers",
    "awaiting response headers",
    "context deadline exceeded",
    "client.timeout exceeded",
    "operation timed out",
    "unexpected eof",
    "broken pipe",
    "dial tcp",
    "bad record mac",
    "http2: ",
    "stream error:",
    "server sent goaway",
    "malformed http",
    "internal server error",
    "bad gateway",
    "service unavailable",
    "gateway timeout",
    "unavailable:",
];

/// Docker's classic image store, podman, and the code itself.
const UNKNOWN_PART: &[&str] = &["unknown blob", "blob unknown", "blob_unknown"];

/// What stands before words of the registry that come without status and code (containerd 2.1).
const OF_REGISTRY: &[&str] = &["error from registry:"];

/// Codes of the distribution specification that a refusal of their own kind is not made of, as Docker spells them.
const CODES: &[&str] = &[
    "tag invalid:",
    "name invalid:",
    "manifest invalid:",
    "digest invalid:",
    "size invalid:",
    "blob upload invalid:",
    "manifest unverified:",
    "unsupported:",
];

#[cfg(test)]
mod tests;
