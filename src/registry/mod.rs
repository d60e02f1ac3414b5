//! OCI distribution client: signs in, reads and writes manifests, reads small blobs; what else it does has rooms of its own.
//!
//! One [`Registry`] is one host with one credential. How it wants to be signed in to is learnt from its first refusal,
//! never assumed and never pinged for; what a run may need is asked for in its first token.
//! Specification: <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>.

mod address;
pub mod blob;
mod challenge;
mod client;
pub mod error;
mod exchange;
mod lists;
pub mod manifest;
mod network;
mod payload;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod redirect;
mod rest;
pub mod retry;
pub mod scope;
mod token;

pub use blob::{BlobRead, Mount, Resumed, Upload};
pub use error::{Code, Error, Problem, Reach};
pub use exchange::SignIn;
pub use lists::fallback_tag;
pub use manifest::Manifest;
pub use network::{Network, Settings};
pub use payload::Payload;
pub use scope::{Access, Granted, Scopes};
pub(crate) use token::{basic, bearer};

use crate::credential::Credential;
use crate::names::{Digest, Host, Repository, Selector};
use bytes::Bytes;
use exchange::{Ask, LARGEST_ANSWER};
use network::HostState;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use std::sync::Arc;
use token::Tokens;

/// One registry as seen with one credential, or with none.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    network: Arc<Network>,
    host: Host,
    state: Arc<HostState>,
    credential: Option<Credential>,
    tokens: Tokens,
}

impl Registry {
    /// Opens no connection.
    #[must_use]
    pub fn new(network: &Arc<Network>, host: &Host, credential: Option<Credential>) -> Self {
        Self(Arc::new(Inner {
            network: Arc::clone(network),
            host: host.clone(),
            state: network.host(host),
            credential,
            tokens: Tokens::default(),
        }))
    }

    /// The credential it signs in with.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        self.0.credential.as_ref()
    }

    /// Signs in and asks for nothing else (`GET /v2/`).
    ///
    /// # Errors
    /// The refusal.
    pub async fn sign_in(&self) -> Result<(), Error> {
        let scopes = Scopes::none();
        self.exchange(Ask::get(
            String::new(),
            &scopes,
            LARGEST_ANSWER,
            "signing in".to_owned(),
        ))
        .await?;
        Ok(())
    }

    /// Reads a manifest and checks its digest.
    ///
    /// # Errors
    /// The refusal, or bytes that are not what was asked for.
    pub async fn manifest(
        &self,
        repository: &Repository,
        selector: &Selector,
        scopes: &Scopes,
    ) -> Result<Manifest, Error> {
        let during = format!("reading {}", named(repository, selector));
        let path = format!("{}/manifests/{selector}", repository.path());
        let ask = Ask {
            accept: Some(manifest::ACCEPT),
            ..Ask::get(path, scopes, manifest::LARGEST, during.clone())
        };
        let answer = self.exchange(ask).await?;
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let fail = |problem| self.error(during.clone(), problem, 1);
        let manifest = Manifest::new(answer.body, content_type).map_err(|what| fail(Problem::Protocol(what)))?;
        let claimed = match selector {
            Selector::Digest(digest) => Some(digest.clone()),
            Selector::Tag(_) => claimed_digest(&answer.headers),
        };
        match claimed {
            Some(claimed) => {
                check(&claimed, &manifest.bytes).map_err(fail)?;
                // What was asked for by SHA-512 is named so from here on.
                Ok(Manifest {
                    digest: claimed,
                    ..manifest
                })
            }
            None => Ok(manifest),
        }
    }

    /// The digest that a tag or digest has now; `None` if there is none. One HEAD; a GET where the registry names no digest.
    ///
    /// # Errors
    /// Any refusal other than "there is no such manifest".
    pub async fn digest(
        &self,
        repository: &Repository,
        selector: &Selector,
        scopes: &Scopes,
    ) -> Result<Option<Digest>, Error> {
        let during = format!("reading {}", named(repository, selector));
        let path = format!("{}/manifests/{selector}", repository.path());
        let ask = Ask {
            method: Method::HEAD,
            accept: Some(manifest::ACCEPT),
            ..Ask::get(path, scopes, 0, during)
        };
        match self.exchange(ask).await {
            Ok(answer) => match claimed_digest(&answer.headers) {
                Some(digest) => Ok(Some(digest)),
                None => Ok(Some(self.manifest(repository, selector, scopes).await?.digest)),
            },
            // An answer to HEAD has no body, so NAME_UNKNOWN and MANIFEST_UNKNOWN look alike; the write that follows tells.
            Err(Error {
                problem: Problem::Refused { status: 404, .. },
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a manifest under a tag or its digest, its bytes unchanged.
    ///
    /// # Errors
    /// The refusal, or a digest in the answer that is not the manifest's.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        selector: &Selector,
        manifest: &Manifest,
        scopes: &Scopes,
    ) -> Result<Written, Error> {
        let during = format!("writing {}", named(repository, selector));
        let ask = Ask {
            method: Method::PUT,
            content_type: Some(manifest.media_type.clone()),
            body: Some(manifest.bytes.clone()),
            ..Ask::get(
                format!("{}/manifests/{selector}", repository.path()),
                scopes,
                LARGEST_ANSWER,
                during.clone(),
            )
        };
        let answer = self.exchange(ask).await?;
        if let Some(claimed) = claimed_digest(&answer.headers) {
            check(&claimed, &manifest.bytes).map_err(|problem| self.error(during, problem, 1))?;
        }
        Ok(Written {
            subject_is_known: answer.headers.contains_key("oci-subject"),
        })
    }

    /// Reads a small blob whole (a configuration) and checks its digest.
    ///
    /// # Errors
    /// The refusal, wrong bytes, or more than [`manifest::LARGEST`] of them.
    pub async fn small_blob(&self, repository: &Repository, digest: &Digest, scopes: &Scopes) -> Result<Bytes, Error> {
        let during = format!("reading the blob `{digest}` of `{}`", repository.path());
        let path = format!("{}/blobs/{digest}", repository.path());
        let answer = self
            .exchange(Ask::get(path, scopes, manifest::LARGEST, during.clone()))
            .await?;
        check(digest, &answer.body).map_err(|problem| self.error(during, problem, 1))?;
        Ok(answer.body)
    }

    /// What the token for `scopes` is known to grant; unknown before the first request that needed it.
    pub async fn granted(&self, scopes: &Scopes) -> Granted {
        self.0.tokens.granted(scopes).await
    }
}

fn named(repository: &Repository, selector: &Selector) -> String {
    match selector {
        Selector::Tag(tag) => format!("`{}:{tag}`", repository.path()),
        Selector::Digest(digest) => format!("`{}@{digest}`", repository.path()),
    }
}

/// What a registry says of a manifest that it has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Whether it lists the manifest among the referrers of its `subject` by itself.
    pub subject_is_known: bool,
}

fn claimed_digest(headers: &HeaderMap) -> Option<Digest> {
    let text = headers.get("docker-content-digest")?.to_str().ok()?;
    Digest::parse(text).ok()
}

fn check(expected: &Digest, bytes: &[u8]) -> Result<(), Problem> {
    let found = expected.of_same_kind(bytes);
    if found == *expected {
        Ok(())
    } else {
        Err(Problem::WrongDigest {
            expected: expected.clone(),
            found,
        })
    }
}
