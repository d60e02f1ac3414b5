//! OCI distribution client: signs in, reads and writes manifests, lists tags, reads small blobs.
//!
//! One [`Registry`] is one host with one credential. How it wants to be signed in to is learnt from its first refusal,
//! never assumed and never pinged for; what a run may need is asked for in its first token.
//! Specification: <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>.

pub mod blob;
mod challenge;
pub mod error;
mod exchange;
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
pub use manifest::Manifest;
pub use network::{Network, Settings};
pub use payload::Payload;
pub use scope::{Access, Granted, Scopes};
pub(crate) use token::{basic, bearer};

use crate::credential::Credential;
use crate::image::{Digest, Host, Repository, Selector, Tag};
use crate::words::Words;
use bytes::Bytes;
use exchange::{Answer, Ask, Target};
use network::HostState;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Url};
use std::sync::Arc;
use token::Tokens;

/// Tags that are asked for at a time.
const TAGS_ON_A_PAGE: usize = 1000;
/// Most pages of tags that are read.
const MOST_PAGES: usize = 1000;
/// Largest list of tags that is read, in bytes.
const LARGEST_LIST: usize = 4 * 1024 * 1024;

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
        self.exchange(Ask::get(String::new(), &scopes, LARGEST_LIST, "signing in".to_owned()))
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
        let during = format!("looking for {}", named(repository, selector));
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
                LARGEST_LIST,
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

    /// The manifests whose `subject` is this digest, as descriptors with their annotations: by the referrers API, or where
    /// a registry lacks it by the tag that stands in for it (OCI distribution specification, "Listing Referrers").
    ///
    /// # Errors
    /// The refusal. That a registry knows no referrers is an empty list.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        scopes: &Scopes,
    ) -> Result<Vec<serde_json::Value>, Error> {
        let during = format!("listing what refers to `{}@{subject}`", repository.path());
        let mut found = Vec::new();
        let mut page = Target::Path(format!("{}/referrers/{subject}", repository.path()));
        for _ in 0..MOST_PAGES {
            let ask = Ask {
                target: page,
                accept: Some("application/vnd.oci.image.index.v1+json"),
                ..Ask::get(String::new(), scopes, manifest::LARGEST, during.clone())
            };
            let answer = match self.exchange(ask).await {
                Ok(answer) => answer,
                // Registries without the API say so with any of these.
                Err(Error {
                    problem:
                        Problem::Refused {
                            status: 400 | 404 | 405 | 501,
                            ..
                        },
                    ..
                }) => return self.referrers_by_tag(repository, subject, scopes).await,
                Err(error) => return Err(error),
            };
            found.extend(entries(&answer.body));
            match self.next_page(&answer, &during)? {
                Some(next) => page = Target::Address(next),
                None => break,
            }
        }
        Ok(found)
    }

    /// The entries of the index under the fallback tag; none where there is no such tag.
    ///
    /// # Errors
    /// Any refusal but "there is none".
    pub async fn referrers_by_tag(
        &self,
        repository: &Repository,
        subject: &Digest,
        scopes: &Scopes,
    ) -> Result<Vec<serde_json::Value>, Error> {
        let Ok(tag) = Tag::parse(&fallback_tag(subject)) else {
            return Ok(Vec::new());
        };
        match self.manifest(repository, &Selector::Tag(tag), scopes).await {
            Ok(index) => Ok(entries(&index.bytes)),
            Err(Error {
                problem: Problem::Refused { status: 404, .. },
                ..
            }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Up to `most` tags of a repository, as the registry orders them. One page.
    ///
    /// # Errors
    /// The refusal; registries need not offer the list.
    pub async fn tags(&self, repository: &Repository, most: usize, scopes: &Scopes) -> Result<Vec<Tag>, Error> {
        let first = Target::Path(format!("{}/tags/list?n={most}", repository.path()));
        let (mut tags, _) = self.tag_page(repository, first, scopes).await?;
        tags.truncate(most);
        Ok(tags)
    }

    /// All tags of a repository, page by page.
    ///
    /// # Errors
    /// The refusal, or more pages than any repository has.
    pub async fn all_tags(&self, repository: &Repository, scopes: &Scopes) -> Result<Vec<Tag>, Error> {
        let mut tags = Vec::new();
        let mut page = Target::Path(format!("{}/tags/list?n={TAGS_ON_A_PAGE}", repository.path()));
        for _ in 0..MOST_PAGES {
            let (more, next) = self.tag_page(repository, page, scopes).await?;
            tags.extend(more);
            match next {
                Some(next) => page = Target::Address(next),
                None => return Ok(tags),
            }
        }
        let during = format!("listing the tags of `{}`", repository.path());
        Err(self.error(
            during,
            Problem::Protocol(format!("it has more than {MOST_PAGES} pages of tags")),
            1,
        ))
    }

    /// One page of tags, and where the next one is (`Link`, RFC 8288).
    async fn tag_page(
        &self,
        repository: &Repository,
        target: Target,
        scopes: &Scopes,
    ) -> Result<(Vec<Tag>, Option<Url>), Error> {
        #[derive(serde::Deserialize)]
        struct List {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let during = format!("listing the tags of `{}`", repository.path());
        let ask = Ask {
            target,
            ..Ask::get(String::new(), scopes, LARGEST_LIST, during.clone())
        };
        let answer = self.exchange(ask).await?;
        let list: List = serde_json::from_slice(&answer.body).map_err(|_| {
            self.error(
                during.clone(),
                Problem::Protocol("the list is no list of tags".to_owned()),
                1,
            )
        })?;
        // A tag that is no tag can neither be copied nor suggested.
        let tags = list
            .tags
            .unwrap_or_default()
            .iter()
            .filter_map(|tag| Tag::parse(tag).ok())
            .collect();
        Ok((tags, self.next_page(&answer, &during)?))
    }

    /// Where the next page of a list is. A page elsewhere is an error and not the end: half a list would pass for a whole one.
    fn next_page(&self, answer: &Answer, during: &str) -> Result<Option<Url>, Error> {
        let Some(link) = answer
            .headers
            .get("link")
            .and_then(|value| value.to_str().ok())
            .and_then(next_page)
        else {
            return Ok(None);
        };
        let next = answer.url.join(link).ok();
        if let Some(next) = next.filter(|next| next.origin() == answer.url.origin()) {
            return Ok(Some(next));
        }
        let problem = Problem::Redirect {
            to: Words::new(link),
            why: "the next page of a list must be on the registry itself",
        };
        Err(self.error(during.to_owned(), problem, 1))
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

/// The tag under which clients keep the list of referrers where a registry does not, and which cosign's tags begin with.
#[must_use]
pub fn fallback_tag(subject: &Digest) -> String {
    let tag = subject.as_str().replacen(':', "-", 1);
    // The specification cuts the longer digests to what a tag may hold.
    tag.chars().take(128).collect()
}

/// The `manifests` of an index, each as it stands there.
fn entries(index: &[u8]) -> Vec<serde_json::Value> {
    #[derive(serde::Deserialize)]
    struct Index {
        #[serde(default)]
        manifests: Vec<serde_json::Value>,
    }
    serde_json::from_slice::<Index>(index).map_or_else(|_| Vec::new(), |index| index.manifests)
}

/// The target of `<…>; rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (target, parameters) = part.trim().strip_prefix('<')?.split_once('>')?;
        let parameters = parameters.to_ascii_lowercase().replace(['"', ' '], "");
        parameters
            .split(';')
            .any(|parameter| parameter == "rel=next")
            .then_some(target)
    })
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
