//! One repository of a registry as one credential sees it: the handle by which all else reads and writes it.

use super::Registry;
use super::blob::{is_html, is_page};
use super::budget::Charge;
use super::error::{Asker, Error, ErrorKind, Standing};
use super::exchange::{Answer, Ask, LARGEST_ANSWER};
use super::manifest::{self, Manifest, NotAManifest};
use super::party::Role;
use super::payload::Payload;
use super::reading::{encoding, plain};
use super::scope::{Granted, Scopes};
use crate::credential::{Credential, Source};
use crate::names::{Digest, Repository, Selector, Tag};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response};

/// A repository, with the registry that is signed in to and the rights that its token is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(super) registry: Registry,
    pub(super) repository: Repository,
    pub(super) scopes: Scopes,
}

impl Remote {
    #[must_use]
    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The credential at hand for it.
    #[must_use]
    pub(crate) fn credential(&self) -> Option<&Credential> {
        self.registry.credential()
    }

    /// The credential that serves it: none where the registry lets in who shows none.
    #[must_use]
    pub(crate) fn sent_credential(&self) -> Option<&Credential> {
        self.credential().filter(|_| !self.registry.is_open())
    }

    fn standing(&self) -> Standing {
        if self.credential().is_some() && self.sent_credential().is_none() {
            Standing::NotAsked
        } else if self.registry.0.is_accepted.get() {
            Standing::Accepted
        } else {
            Standing::Unknown
        }
    }

    /// Where that comes from.
    #[must_use]
    pub(crate) fn source(&self) -> Option<Source> {
        self.sent_credential().map(|credential| credential.source)
    }

    /// What its token is known to grant; unknown before the first request that needed it.
    pub(crate) async fn granted(&self) -> Granted {
        self.registry.0.tokens.granted(&self.scopes).await
    }

    /// Has the next request ask for a new token: what the one at hand grants may be less than is granted by now.
    pub(crate) async fn forget_token(&self) {
        self.registry.0.tokens.forget(&self.scopes, None).await;
    }

    /// A part of what the run may hold; nothing yet.
    #[must_use]
    pub(crate) fn charge(&self) -> Charge {
        self.registry.0.network.budget().charge()
    }

    /// Holds so many bytes more.
    ///
    /// # Errors
    /// They do not fit beside what the run holds already.
    pub(crate) fn hold(&self, charge: &mut Charge, bytes: usize) -> Result<(), Error> {
        let during = || format!("reading `{}`", self.repository.path());
        charge.grow(bytes).map_err(|kind| self.error(during(), kind))
    }

    /// Reads a manifest and checks its digest.
    ///
    /// # Errors
    /// The refusal, or bytes that are not what was asked for.
    pub(crate) async fn manifest(&self, selector: &Selector) -> Result<Manifest, Error> {
        let during = format!("reading {}", self.with_name(selector));
        let path = format!("{}/manifests/{selector}", self.repository.path());
        let ask = Ask {
            accept: Some(manifest::ACCEPT),
            ..Ask::get(path, &self.scopes, manifest::LARGEST, during.clone())
        };
        let answer = self.exchange(ask).await?;
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let fail = |kind| self.error(during.clone(), kind);
        plain(&answer.headers, &answer.body).map_err(fail)?;
        let manifest = Manifest::new(answer.body, content_type).map_err(|bad| fail(self.misread(bad, selector)))?;
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

    /// The manifest that a tag has now; `None` if there is no such tag.
    ///
    /// # Errors
    /// Any refusal but that.
    pub(crate) async fn find(&self, tag: &Tag) -> Result<Option<Manifest>, Error> {
        match self.manifest(&Selector::Tag(tag.clone())).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a tag is now; `None` if there is no such tag. Of what cannot be read, an image of schema 1 or a damaged manifest,
    /// a HEAD tells that it is there.
    ///
    /// # Errors
    /// Any refusal but that, or what cannot be read, where a HEAD does not tell.
    pub(crate) async fn look(&self, tag: &Tag) -> Result<Option<Existing>, Error> {
        let error = match self.find(tag).await {
            Ok(found) => {
                return Ok(found.map(|manifest| Existing {
                    digest: manifest.digest.clone(),
                    manifest: Some(manifest),
                }));
            }
            Err(error) => error,
        };
        if error.is_unreadable()
            && let Ok(Head::Digest(digest)) = self.head(&Selector::Tag(tag.clone())).await
        {
            tracing::debug!("{error}; it is there as {digest}");
            return Ok(Some(Existing { digest, manifest: None }));
        }
        Err(error)
    }

    /// The digest that a tag or digest has now, by one HEAD.
    ///
    /// # Errors
    /// Any refusal other than 404.
    pub(crate) async fn head(&self, selector: &Selector) -> Result<Head, Error> {
        let during = format!("reading {}", self.with_name(selector));
        let path = format!("{}/manifests/{selector}", self.repository.path());
        let ask = Ask {
            method: Method::HEAD,
            accept: Some(manifest::ACCEPT),
            ..Ask::get(path, &self.scopes, 0, during)
        };
        match self.exchange(ask).await {
            Ok(answer) => Ok(claimed_digest(&answer.headers).map_or(Head::Untold, Head::Digest)),
            Err(Error {
                kind: ErrorKind::Refused { status: 404, .. },
                ..
            }) => Ok(Head::Missing),
            Err(error) => Err(error),
        }
    }

    /// The digest that a tag or digest has now; `None` if there is none. One HEAD; a GET too where that does not tell: some
    /// registries refuse HEAD (405, 403), and some answer it with 404 where a GET finds the manifest (Nexus, diun#1614). So a
    /// negative answer to HEAD alone is for those who lose nothing by it.
    ///
    /// # Errors
    /// Any refusal other than "there is no such manifest".
    pub(crate) async fn digest(&self, selector: &Selector, negative: Negative) -> Result<Option<Digest>, Error> {
        match self.head(selector).await {
            Ok(Head::Digest(digest)) => return Ok(Some(digest)),
            Ok(Head::Missing) if negative == Negative::Believed => return Ok(None),
            Ok(Head::Missing | Head::Untold) => {}
            Err(error) if error.is_refused() || error.is_unproven() => {
                tracing::debug!("{error}; a GET may tell");
            }
            Err(error) => return Err(error),
        }
        match self.manifest(selector).await {
            Ok(manifest) => Ok(Some(manifest.digest)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a manifest under a tag or its digest, its bytes unchanged.
    ///
    /// # Errors
    /// The refusal, or a digest in the answer that is not the manifest's.
    pub(crate) async fn put_manifest(&self, selector: &Selector, manifest: &Manifest) -> Result<PutManifest, Error> {
        let during = format!("writing {}", self.with_name(selector));
        let ask = Ask {
            method: Method::PUT,
            takes: &[201],
            content_type: Some(manifest.media_type.clone()),
            body: Some(manifest.bytes.clone()),
            ..Ask::get(
                format!("{}/manifests/{selector}", self.repository.path()),
                &self.scopes,
                LARGEST_ANSWER,
                during.clone(),
            )
        };
        let answer = match self.exchange(ask).await {
            Ok(answer) => answer,
            // Another success may be one (some registries answer 200 or 202): then it is there.
            Err(error) if error.is_unproven() => {
                return match self.digest(selector, Negative::Confirmed).await? {
                    Some(there) if there == there.of_same_kind(&manifest.bytes) => Ok(PutManifest {
                        subject_is_known: false,
                    }),
                    _ => Err(error),
                };
            }
            Err(error) => return Err(error),
        };
        if let Some(claimed) = claimed_digest(&answer.headers) {
            check(&claimed, &manifest.bytes).map_err(|kind| self.error(during, kind))?;
        }
        Ok(PutManifest {
            subject_is_known: answer.headers.contains_key("oci-subject"),
        })
    }

    /// Asks to delete a tag, or a manifest by its digest with all its tags. One try: whoever tries again must look again where
    /// the tag points.
    ///
    /// # Errors
    /// The refusal, or an answer that does not say that it was done.
    pub(crate) async fn delete(&self, selector: &Selector) -> Result<(), Error> {
        let ask = Ask {
            method: Method::DELETE,
            takes: &[202],
            once: true,
            ..Ask::get(
                format!("{}/manifests/{selector}", self.repository.path()),
                &self.scopes,
                LARGEST_ANSWER,
                format!("deleting {}", self.with_name(selector)),
            )
        };
        self.exchange(ask).await.map(|_| ())
    }

    /// Reads a small blob whole (a configuration) and checks its digest.
    ///
    /// # Errors
    /// The refusal, wrong bytes, or more than [`manifest::LARGEST`] of them.
    pub(crate) async fn small_blob(&self, digest: &Digest) -> Result<Bytes, Error> {
        let during = format!("reading the blob `{digest}` of `{}`", self.repository.path());
        let path = format!("{}/blobs/{digest}", self.repository.path());
        let answer = self
            .exchange(Ask::get(path, &self.scopes, manifest::LARGEST, during.clone()))
            .await?;
        let whole = if is_html(&answer.headers) && is_page(&answer.body) {
            Err(ErrorKind::WebPage)
        } else {
            check(digest, &answer.body).map_err(|wrong| match encoding(&answer.headers) {
                Some(encoding) => ErrorKind::Encoded { encoding },
                None => wrong,
            })
        };
        let party = self.registry.party(&answer.url, Role::Blob);
        whole.map_err(|kind| self.error(during, kind.at(party)))?;
        Ok(answer.body)
    }

    /// What its token is known to lack of the rights that it was asked for.
    pub(crate) async fn shortfall(&self) -> Option<Error> {
        let granted = self.granted().await;
        let missing = self.scopes.shortfall(&granted);
        let kind = || ErrorKind::NotGranted {
            missing: missing.clone(),
            granted,
        };
        (!missing.is_empty()).then(|| self.of(true, self.error(String::new(), kind())))
    }

    /// Whether its token is known to let read here and not write: no other credential is asked for then, least of all a
    /// person's in place of the step's.
    pub(crate) async fn only_reads(&self) -> bool {
        let granted = self.granted().await;
        let Some(actions) = granted.actions(&self.repository) else {
            return false;
        };
        let has = |wanted: &str| actions.iter().any(|action| action == wanted || action == "*");
        has("pull") && !has("push")
    }

    #[must_use]
    pub(crate) fn asker(&self, writes: bool) -> Asker {
        Asker {
            repository: Some(self.repository.clone()),
            scopes: self.scopes.clone(),
            credential: self.sent_credential().cloned(),
            standing: self.standing(),
            writes,
        }
    }

    pub(super) async fn exchange(&self, ask: Ask<'_>) -> Result<Answer, Error> {
        let writes = ask.writes();
        let answer = self.registry.exchange(ask).await;
        answer.map_err(|error| self.of(writes, error))
    }

    pub(super) async fn open(&self, ask: Ask<'_>) -> Result<Response, Error> {
        let writes = ask.writes();
        let response = self.registry.open(ask).await;
        response.map_err(|error| self.of(writes, error))
    }

    pub(super) async fn send_once(&self, ask: &Ask<'_>, body: Payload) -> Result<Response, Error> {
        let sent = self.registry.send_once(ask, body).await;
        sent.map_err(|error| self.of(ask.writes(), error))
    }

    pub(super) fn error(&self, during: String, kind: ErrorKind) -> Error {
        self.of(false, self.registry.error(during, kind, 1))
    }

    fn of(&self, writes: bool, error: Error) -> Error {
        Error {
            asker: Box::new(self.asker(writes)),
            ..error
        }
    }

    fn misread(&self, bad: NotAManifest, selector: &Selector) -> ErrorKind {
        match bad {
            // Before its digest is looked at: that is of the document without its signatures.
            NotAManifest::Schema1 => ErrorKind::Schema1 {
                image: format!(
                    "{}/{}",
                    self.repository.host(),
                    self.with_name(selector).trim_matches('`')
                ),
            },
            NotAManifest::Other(what) => ErrorKind::Protocol(what),
        }
    }

    fn with_name(&self, selector: &Selector) -> String {
        match selector {
            Selector::Tag(tag) => format!("`{}:{tag}`", self.repository.path()),
            Selector::Digest(digest) => format!("`{}@{digest}`", self.repository.path()),
        }
    }
}

/// What a tag is.
#[derive(Debug, Clone)]
pub(crate) struct Existing {
    pub digest: Digest,
    /// `None` where it cannot be read: then it is another image than any that is at hand.
    pub manifest: Option<Manifest>,
}

/// What a HEAD of a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    /// There is one of this digest.
    Digest(Digest),
    /// There is one.
    Untold,
    /// There is none, or the registry does not know HEAD.
    Missing,
}

/// Whether a HEAD that finds nothing is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Negative {
    /// It is: what is not seen may be written over.
    Believed,
    /// A GET must say so too.
    Confirmed,
}

/// What a registry says of a manifest that it has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PutManifest {
    /// Whether it lists the manifest among the referrers of its `subject` by itself.
    pub subject_is_known: bool,
}

fn claimed_digest(headers: &HeaderMap) -> Option<Digest> {
    let text = headers.get("docker-content-digest")?.to_str().ok()?;
    Digest::parse(text).ok()
}

fn check(expected: &Digest, bytes: &[u8]) -> Result<(), ErrorKind> {
    let found = expected.of_same_kind(bytes);
    if found == *expected {
        Ok(())
    } else {
        Err(ErrorKind::WrongDigest {
            expected: expected.clone(),
            found,
        })
    }
}
