//! Which credential serves which repository, found by reads alone; and the read that found it.
//!
//! `auto` asks with the built-in credential first and with the API token where that one is turned away. A refused write
//! never comes here: what a person's token may do is not tried because a machine's may not.

mod explain;
mod probe;

use crate::credential::{Credential, Source};
use crate::explain::failure::Failure;
use crate::explain::refusal::turns_away;
use crate::input::{OnExisting, Step};
use crate::names::{Digest, Host, Reference, Repository, Selector, Tag};
use crate::registry::{self, Error, Head, Manifest, Negative, Network, Problem, Registry, Remote, Scopes};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The registries of a run, each as seen with each credential that may serve it.
#[derive(Debug)]
pub struct Session {
    network: Arc<Network>,
    registry: Host,
    step: Step,
    own: Vec<Registry>,
    /// The credential of another registry, and which one that is.
    foreign_credential: Option<(Host, Credential)>,
    /// Other registries.
    foreign: Mutex<HashMap<Host, Registry>>,
    /// Whether the action writes.
    writes: bool,
    /// What the registry does not know, and the first push makes.
    unmade: Mutex<HashSet<Repository>>,
}

/// Both sides of a copy.
#[derive(Debug)]
pub struct Pair {
    /// Where it comes from.
    pub from: Remote,
    /// What it is.
    pub manifest: Manifest,
    /// Where it goes.
    pub to: Remote,
    /// Whether one token serves both, so that blobs can be mounted.
    pub joined: bool,
    /// Where the first tag points now, if that was asked already.
    pub existing: Option<Option<Digest>>,
}

impl Session {
    /// Opens no connection.
    #[must_use]
    pub fn new(network: Arc<Network>, registry: &Host, own: &[Credential], step: &Step, writes: bool) -> Self {
        let own = own
            .iter()
            .map(|credential| Registry::new(&network, registry, Some(credential.clone())));
        Self {
            own: own.collect(),
            network,
            registry: registry.clone(),
            step: step.clone(),
            foreign_credential: None,
            foreign: Mutex::default(),
            writes,
            unmade: Mutex::default(),
        }
    }

    /// The same with a credential for another registry, which no other host gets.
    #[must_use]
    pub fn with_foreign(self, foreign_credential: Option<(Host, Credential)>) -> Self {
        Self {
            foreign_credential,
            ..self
        }
    }

    /// Reads a manifest with the first credential that its repository lets in, and says which that was.
    ///
    /// # Errors
    /// Why none was let in, or why there is no such manifest.
    pub async fn read(&self, image: &Reference, access: registry::Access) -> Result<(Remote, Manifest), Failure> {
        let scopes = Scopes::of(&image.repository, access);
        let mut refusals = Vec::new();
        for remote in self.candidates(&image.repository, &scopes) {
            match remote.manifest(&image.selector()).await {
                // What could be read may be read, whatever the token says: a public image needs no grant.
                Ok(manifest) if access == registry::Access::Pull => return Ok((remote, manifest)),
                Ok(manifest) => match self.shortfall(&remote).await {
                    None => return Ok((remote, manifest)),
                    Some(refusal) => refusals.push(refusal),
                },
                Err(error) if turns_away(&error) => refusals.push(self.explain(&error, &remote, false)),
                Err(error) => return Err(self.explain_missing(&error, &remote, image).await),
            }
        }
        Err(self.turned_away(refusals, &image.repository.to_string()))
    }

    /// Looks whether a tag is there with the first credential that its repository lets in. A read without a manifest to show for it.
    ///
    /// # Errors
    /// Why none was let in.
    pub async fn open(
        &self,
        repository: &Repository,
        tag: &Tag,
        access: registry::Access,
    ) -> Result<(Remote, Option<Manifest>), Failure> {
        let scopes = Scopes::of(repository, access);
        let mut refusals = Vec::new();
        let mut unmade = None;
        for remote in self.candidates(repository, &scopes) {
            let found = match remote.manifest(&Selector::Tag(tag.clone())).await {
                Ok(manifest) => Some(manifest),
                Err(error) if error.is_missing() => None,
                // Another credential may see it.
                Err(error) if is_to_be_made(&error, repository) => {
                    unmade = unmade.or(Some(remote));
                    continue;
                }
                Err(error) if turns_away(&error) => {
                    refusals.push(self.explain(&error, &remote, false));
                    continue;
                }
                Err(error) => return Err(self.explain(&error, &remote, false)),
            };
            match self.shortfall(&remote).await {
                None => return Ok((remote, found)),
                Some(refusal) => refusals.push(refusal),
            }
        }
        if access == registry::Access::PullPush
            && let Some(remote) = unmade
            && self.shortfall(&remote).await.is_none()
        {
            self.unmade
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(repository.clone());
            return Ok((remote, None));
        }
        Err(self.turned_away(refusals, &repository.to_string()))
    }

    /// Whether the registry said that it does not know a repository, which the first push to it may make.
    #[must_use]
    pub fn is_unmade(&self, repository: &Repository) -> bool {
        let unmade = self.unmade.lock().unwrap_or_else(PoisonError::into_inner);
        unmade.contains(repository)
    }

    /// Where a tag points now, of a repository that is open. What `ON_EXISTING` may forbid depends on it, so that only a GET
    /// says that there is none.
    ///
    /// # Errors
    /// Any refusal but "there is none".
    pub async fn existing(
        &self,
        remote: &Remote,
        tag: &Tag,
        on_existing: OnExisting,
    ) -> Result<Option<Digest>, Failure> {
        let negative = match on_existing {
            OnExisting::Overwrite => Negative::Believed,
            OnExisting::Skip | OnExisting::Fail => Negative::Confirmed,
        };
        match remote.digest(&Selector::Tag(tag.clone()), negative).await {
            Ok(digest) => Ok(digest),
            Err(error) if is_to_be_made(&error, remote.repository()) => Ok(None),
            Err(error) => Err(self.explain(&error, remote, false)),
        }
    }

    /// The manifest that a tag has now, of a repository that is open.
    ///
    /// # Errors
    /// Any refusal but "there is none".
    pub async fn look(&self, remote: &Remote, tag: &Tag) -> Result<Option<Manifest>, Failure> {
        let selector = Selector::Tag(tag.clone());
        match remote.manifest(&selector).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_missing() || is_to_be_made(&error, remote.repository()) => Ok(None),
            Err(error) => Err(self.explain(&error, remote, false)),
        }
    }

    /// Reads the source of a copy and opens its target. In one registry one credential and one token serve both, so that
    /// blobs can be mounted; where that is refused, or the source is elsewhere, each side has its own.
    ///
    /// # Errors
    /// Why one of the sides let none in, or why there is no such manifest.
    pub async fn pair(&self, source: &Reference, target: &Repository, tag: &Tag) -> Result<Pair, Failure> {
        if *source.repository.host() == *target.host()
            && let Some(pair) = self.joined(source, target).await?
        {
            return Ok(pair);
        }
        let opens = self.open(target, tag, registry::Access::PullPush);
        let (seen, opened) = tokio::join!(self.see(source), opens);
        let (from, manifest) = match (seen?, &opened) {
            // The target has these very bytes.
            (Some((from, digest)), Ok((_, Some(existing)))) if existing.digest == digest => (from, existing.clone()),
            _ => self.read(source, registry::Access::Pull).await?,
        };
        let (to, existing) = opened?;
        Ok(Pair {
            from,
            manifest,
            to,
            joined: false,
            existing: Some(existing.map(|manifest| manifest.digest)),
        })
    }

    /// The digest that an image of another registry has now, by a HEAD: where pulls are counted, a GET of a manifest is one
    /// and a HEAD is not ("Docker Hub pull usage and limits", Docker). `None` where only a GET will tell, or say why not.
    async fn see(&self, image: &Reference) -> Result<Option<(Remote, Digest)>, Failure> {
        if *image.repository.host() == self.registry {
            return Ok(None);
        }
        let scopes = Scopes::of(&image.repository, registry::Access::Pull);
        let Some(remote) = self.candidates(&image.repository, &scopes).pop() else {
            return Ok(None);
        };
        match remote.head(&image.selector()).await {
            Ok(Head::Digest(digest)) => Ok(Some((remote, digest))),
            Ok(Head::Untold | Head::Missing) => Ok(None),
            // No answer, a wrong password, "not now": a GET meets the same. Any other answer to a HEAD may be to the HEAD alone,
            // and has no words.
            Err(error) => match error.problem.cause() {
                Problem::Unreachable(_) | Problem::SignIn { .. } | Problem::Refused { status: 429.., .. } => {
                    Err(self.explain(&error, &remote, false))
                }
                _ => Ok(None),
            },
        }
    }

    /// Both sides with one credential and one token; `None` if no credential may do both.
    async fn joined(&self, source: &Reference, target: &Repository) -> Result<Option<Pair>, Failure> {
        let scopes =
            Scopes::of(&source.repository, registry::Access::Pull).and(&Scopes::of(target, registry::Access::PullPush));
        for registry in self.registries(target.host()) {
            let (from, to) = (
                registry.remote(&source.repository, &scopes),
                registry.remote(target, &scopes),
            );
            match from.manifest(&source.selector()).await {
                Ok(manifest) if self.shortfall(&to).await.is_none() => {
                    return Ok(Some(Pair {
                        from,
                        manifest,
                        to,
                        joined: true,
                        existing: None,
                    }));
                }
                Ok(_) => {}
                Err(error) if turns_away(&error) => tracing::debug!("no token for both sides: {error}"),
                Err(error) => return Err(self.explain_missing(&error, &from, source).await),
            }
        }
        Ok(None)
    }

    /// The tags of a repository, all of them that fit, with the first credential that it lets in.
    ///
    /// # Errors
    /// Why none was, or why the tags cannot be listed.
    pub async fn tags(&self, repository: &Repository, fits: impl Fn(&Tag) -> bool) -> Result<Vec<Tag>, Failure> {
        let scopes = Scopes::of(repository, registry::Access::Pull);
        let mut refusals = Vec::new();
        for remote in self.candidates(repository, &scopes) {
            match remote.all_tags(&fits).await {
                Ok(tags) => return Ok(tags),
                Err(error) if turns_away(&error) => refusals.push(self.explain(&error, &remote, false)),
                Err(error) => return Err(self.explain(&error, &remote, false)),
            }
        }
        Err(self.turned_away(refusals, &repository.to_string()))
    }

    /// `REGISTRY`.
    #[must_use]
    pub fn registry(&self) -> &Host {
        &self.registry
    }

    /// Whether the action needs the right to write.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// Whether an API token is among the credentials that may serve.
    #[must_use]
    pub fn has_api_token(&self) -> bool {
        let is_api_token = |credential: &Credential| credential.source == Source::ApiToken;
        self.own
            .iter()
            .any(|registry| registry.credential().is_some_and(is_api_token))
    }

    /// A repository with each credential that may serve it, in the order in which they are asked.
    fn candidates(&self, repository: &Repository, scopes: &Scopes) -> Vec<Remote> {
        let registries = self.registries(repository.host());
        registries
            .iter()
            .map(|registry| registry.remote(repository, scopes))
            .collect()
    }

    fn registries(&self, host: &Host) -> Vec<Registry> {
        if *host == self.registry {
            return self.own.clone();
        }
        let mut foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = foreign
            .entry(host.clone())
            .or_insert_with(|| Registry::new(&self.network, host, self.foreign_credential_of(host)));
        vec![registry.clone()]
    }

    fn foreign_credential_of(&self, host: &Host) -> Option<Credential> {
        let (_, credential) = self.foreign_credential.as_ref().filter(|(of, _)| of == host)?;
        Some(credential.clone())
    }
}

/// Whether the registry does not know a repository and may make it by the first push to it, as most do. Bitbucket's packages
/// are made by hand.
fn is_to_be_made(error: &Error, repository: &Repository) -> bool {
    error.is_unknown_name() && !repository.host().is_atlassian()
}
