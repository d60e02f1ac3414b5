//! Which credential serves which repository, found by reads alone; and the read that found it.
//!
//! `auto` asks with the built-in credential first and with the API token where that one is turned away. A refused write
//! never comes here: what a person's token may do is not tried because a machine's may not.

mod awaited;
mod error;
mod probe;

pub(crate) use awaited::{Awaited, Seen};
pub(crate) use error::SessionError;

use crate::credential::{Credential, Source};
use crate::names::{AtLeastOne, Digest, Host, Reference, Repository, Selector, Tag};
use crate::registry::{
    self, Error, ErrorKind, Existing, Head, ListedTags, Manifest, Negative, Network, Registry, Remote, Scopes,
};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Most tags that are looked at for a suggestion.
const TAGS_FOR_SUGGESTIONS: usize = 1000;

/// The registries of a run, each as seen with each credential that may serve it.
#[derive(Debug)]
pub(crate) struct Session {
    network: Rc<Network>,
    registry: Host,
    own: Vec<Registry>,
    /// The credential of another registry, and which one that is.
    foreign_credential: Option<(Host, Credential)>,
    /// Registries beside `REGISTRY`, each made when it is first asked.
    foreign: RefCell<HashMap<Host, Registry>>,
    /// What the registry does not know, and the first push makes.
    unmade: RefCell<HashSet<Repository>>,
}

/// Both sides of a copy.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Where it comes from.
    pub from: Remote,
    pub manifest: Manifest,
    pub to: Remote,
    /// Whether one token serves both, so that blobs can be mounted.
    pub joined: bool,
    /// Where the first tag points now, if that was asked already.
    #[allow(clippy::option_option, reason = "not asked, no such tag, and where it points")]
    pub existing: Option<Option<Digest>>,
    /// Whether what the first tag points to was read in vain: it is written again, whatever digest it is called by.
    pub is_unreadable: bool,
}

impl Session {
    /// Opens no connection.
    #[must_use]
    pub(crate) fn new(network: Rc<Network>, registry: &Host, own: &[Credential]) -> Self {
        let own = own
            .iter()
            .map(|credential| Registry::new(&network, registry, Some(credential.clone())));
        Self {
            own: own.collect(),
            network,
            registry: registry.clone(),
            foreign_credential: None,
            foreign: RefCell::default(),
            unmade: RefCell::default(),
        }
    }

    /// The same with a credential for another registry, which no other host gets.
    #[must_use]
    pub(crate) fn with_foreign(self, foreign_credential: Option<(Host, Credential)>) -> Self {
        Self {
            foreign_credential,
            ..self
        }
    }

    /// Reads a manifest with the first credential that its repository lets in, and says which that was.
    ///
    /// # Errors
    /// Why none was let in, or why there is no such manifest.
    pub(crate) async fn read(
        &self,
        image: &Reference,
        access: registry::Access,
    ) -> Result<(Remote, Manifest), SessionError> {
        let scopes = Scopes::of(&image.repository, access);
        let mut refusals = Vec::new();
        for remote in self.candidates(&image.repository, &scopes) {
            match remote.manifest(&image.selector()).await {
                // What could be read may be read, whatever the token says: a public image needs no grant.
                Ok(manifest) if access == registry::Access::Pull => return Ok((remote, manifest)),
                Ok(manifest) => match remote.shortfall().await {
                    None => return Ok((remote, manifest)),
                    Some(refusal) => {
                        refusals.push(refusal);
                        if remote.only_reads().await {
                            break;
                        }
                    }
                },
                Err(error) if error.turns_away() => refusals.push(error),
                Err(error) => return Err(missing(error, &remote, image).await),
            }
        }
        Err(turned_away(&image.repository, refusals))
    }

    /// Looks whether a tag is there with the first credential that its repository lets in. A read without a manifest to show for it.
    ///
    /// # Errors
    /// Why none was let in.
    pub(crate) async fn open(
        &self,
        repository: &Repository,
        tag: &Tag,
        access: registry::Access,
    ) -> Result<(Remote, Option<Existing>), SessionError> {
        let scopes = Scopes::of(repository, access);
        let mut refusals = Vec::new();
        let mut unmade = None;
        for remote in self.candidates(repository, &scopes) {
            let found = match remote.look(tag).await {
                Ok(found) => found,
                // Another credential may see it.
                Err(error) if is_to_be_made(&error, repository) => {
                    unmade = unmade.or(Some(remote));
                    continue;
                }
                Err(error) if error.turns_away() => {
                    refusals.push(error);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match remote.shortfall().await {
                None => return Ok((remote, found)),
                Some(refusal) => {
                    refusals.push(refusal);
                    if remote.only_reads().await {
                        break;
                    }
                }
            }
        }
        if access == registry::Access::PullPush
            && let Some(remote) = unmade
            && remote.shortfall().await.is_none()
        {
            self.unmade.borrow_mut().insert(repository.clone());
            return Ok((remote, None));
        }
        Err(turned_away(repository, refusals))
    }

    /// Whether the registry said that it does not know a repository, which the first push to it may make.
    #[must_use]
    pub(crate) fn is_unmade(&self, repository: &Repository) -> bool {
        self.unmade.borrow().contains(repository)
    }

    /// Where a tag points now, of a repository that is open.
    ///
    /// # Errors
    /// Any refusal but "there is none".
    pub(crate) async fn existing(
        &self,
        remote: &Remote,
        tag: &Tag,
        negative: Negative,
    ) -> Result<Option<Digest>, Error> {
        match remote.digest(&Selector::Tag(tag.clone()), negative).await {
            Err(error) if is_to_be_made(&error, remote.repository()) => Ok(None),
            looked => looked,
        }
    }

    /// What a tag is now, of a repository that is open.
    ///
    /// # Errors
    /// Any refusal but "there is none".
    pub(crate) async fn look(&self, remote: &Remote, tag: &Tag) -> Result<Option<Existing>, Error> {
        match remote.look(tag).await {
            Err(error) if is_to_be_made(&error, remote.repository()) => Ok(None),
            looked => looked,
        }
    }

    /// Reads the source of a copy and opens its target. In one registry one credential and one token serve both, so that
    /// blobs can be mounted; where that is refused, or the source is elsewhere, each side has its own. `negative`: whether a
    /// HEAD may say that the target does not have the tag.
    ///
    /// # Errors
    /// Why one of the sides let none in, or why there is no such manifest.
    pub(crate) async fn pair(
        &self,
        source: &Reference,
        (target, tag): (&Repository, &Tag),
        negative: Negative,
    ) -> Result<Pair, SessionError> {
        if *source.repository.host() == *target.host()
            && let Some(pair) = self.joined(source, (target, tag), negative).await?
        {
            return Ok(pair);
        }
        let opens = self.open(target, tag, registry::Access::PullPush);
        let (seen, opened) = tokio::join!(self.see(source), opens);
        let (from, manifest) = match (seen?, &opened) {
            // The target has these very bytes.
            (
                Some((from, digest)),
                Ok((
                    _,
                    Some(Existing {
                        manifest: Some(manifest),
                        ..
                    }),
                )),
            ) if manifest.digest == digest => (from, manifest.clone()),
            _ => self.read(source, registry::Access::Pull).await?,
        };
        let (to, existing) = opened?;
        Ok(Pair {
            from,
            manifest,
            to,
            joined: false,
            is_unreadable: existing.as_ref().is_some_and(|existing| existing.manifest.is_none()),
            existing: Some(existing.map(|existing| existing.digest)),
        })
    }

    /// The digest that an image of another registry has now, by a HEAD: where pulls are counted, a GET of a manifest is one
    /// and a HEAD is not ("Docker Hub pull usage and limits", Docker). `None` where only a GET will tell, or say why not.
    async fn see(&self, image: &Reference) -> Result<Option<(Remote, Digest)>, SessionError> {
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
            Err(error) => match error.kind.cause() {
                ErrorKind::Unreachable(_) | ErrorKind::SignIn { .. } | ErrorKind::Refused { status: 429.., .. } => {
                    Err(error.into())
                }
                _ => Ok(None),
            },
        }
    }

    /// Both sides with one credential and one token; `None` if no credential may do both.
    async fn joined(
        &self,
        source: &Reference,
        (target, tag): (&Repository, &Tag),
        negative: Negative,
    ) -> Result<Option<Pair>, SessionError> {
        let scopes =
            Scopes::of(&source.repository, registry::Access::Pull).and(&Scopes::of(target, registry::Access::PullPush));
        for registry in self.registries(target.host()) {
            let (from, to) = (
                registry.remote(&source.repository, &scopes),
                registry.remote(target, &scopes),
            );
            // One waits for the other's sign-in, and neither for its answer.
            let look = self.existing(&to, tag, negative);
            let selector = source.selector();
            let (manifest, existing) = tokio::join!(from.manifest(&selector), look);
            match manifest {
                Ok(manifest) if to.shortfall().await.is_none() => {
                    return Ok(Some(Pair {
                        from,
                        manifest,
                        to,
                        joined: true,
                        is_unreadable: false,
                        // Who asks again is told why there is no answer.
                        existing: existing.ok(),
                    }));
                }
                // It may be that a token for one side grants more; if not, that side says so.
                Ok(_) if to.only_reads().await => return Ok(None),
                Ok(_) => {}
                Err(error) if error.turns_away() => tracing::debug!("no token for both sides: {error}"),
                Err(error) => return Err(missing(error, &from, source).await),
            }
        }
        Ok(None)
    }

    /// The tags of a repository, all of them that fit, with the first credential that it lets in.
    ///
    /// # Errors
    /// Why none was, or why the tags cannot be listed.
    pub(crate) async fn tags(
        &self,
        repository: &Repository,
        fits: impl Fn(&Tag) -> bool,
    ) -> Result<Vec<Tag>, SessionError> {
        let scopes = Scopes::of(repository, registry::Access::Pull);
        let mut refusals = Vec::new();
        for remote in self.candidates(repository, &scopes) {
            match remote.all_tags(&fits).await {
                Ok(tags) => return Ok(tags),
                Err(error) if error.turns_away() => refusals.push(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(turned_away(repository, refusals))
    }

    /// All tags of a repository, each once, with the first credential that may list them; and what its token is known to
    /// lack of the rights asked for, which never makes another credential's turn.
    ///
    /// # Errors
    /// Why none may, or why the tags cannot be listed.
    pub(crate) async fn whole(
        &self,
        repository: &Repository,
        access: registry::Access,
    ) -> Result<(Remote, ListedTags, Option<Error>), SessionError> {
        let scopes = Scopes::of(repository, access);
        let mut refusals = Vec::new();
        for remote in self.candidates(repository, &scopes) {
            match remote.everything().await {
                Ok(tags) => {
                    let shortfall = remote.shortfall().await.filter(|_| access != registry::Access::Pull);
                    return Ok((remote, tags, shortfall));
                }
                Err(error) if error.turns_away() => refusals.push(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(turned_away(repository, refusals))
    }

    /// `REGISTRY`.
    #[must_use]
    pub(crate) fn registry(&self) -> &Host {
        &self.registry
    }

    /// The API token, if it is among the credentials that may serve.
    #[must_use]
    pub(crate) fn api_token(&self) -> Option<&Credential> {
        let mut own = self.own.iter().filter_map(Registry::credential);
        own.find(|credential| credential.source == Source::ApiToken)
    }

    /// How the world is reached.
    #[must_use]
    pub(crate) fn network(&self) -> &Network {
        &self.network
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
        let mut foreign = self.foreign.borrow_mut();
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

fn turned_away(place: &impl ToString, refusals: Vec<Error>) -> SessionError {
    if let [first, _, ..] = refusals.as_slice() {
        tracing::debug!(
            "no credential was let in to `{}`, the first because: {first}",
            place.to_string()
        );
    }
    AtLeastOne::of(refusals).map_or_else(
        || SessionError::NoCredential(place.to_string()),
        SessionError::TurnedAway,
    )
}

/// What an image that cannot be read is, with the tags that are there where its own is not.
async fn missing(error: Error, remote: &Remote, image: &Reference) -> SessionError {
    if !error.is_missing() {
        return error.into();
    }
    let wanted = image.selector();
    let tags = match &wanted {
        // A registry need not list tags; then there is no suggestion, and that is all.
        Selector::Tag(_) => match remote.tags(TAGS_FOR_SUGGESTIONS).await {
            Ok(tags) => tags,
            Err(why) if why.is_unknown_name() => return SessionError::NoRepository(error),
            Err(why) => {
                tracing::debug!("no tags to suggest: {why}");
                Vec::new()
            }
        },
        Selector::Digest(_) => Vec::new(),
    };
    SessionError::Missing { error, wanted, tags }
}
