//! Which credential serves which repository, found by reads alone; and the read that found it.
//!
//! `auto` asks with the built-in credential first and with the API token where that one is turned away. A refused write
//! never comes here: what a person's token may do is not tried because a machine's may not.

use crate::bitbucket;
use crate::credential::{Credential, Settled, Source};
use crate::engine;
use crate::failure::{Failure, Failures};
use crate::image::{Digest, Host, Reference, Repository, Selector, Tag};
use crate::refusal::{self, Asked, all_turned_away, not_granted, turns_away, with_suggestions};
use crate::registry::{self, Code, Error, Granted, Manifest, Network, Problem, Registry, Scopes, SignIn};
use crate::request::Step;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most tags that are looked at for a suggestion.
const TAGS_FOR_SUGGESTIONS: usize = 1000;

/// The registries of a run, each as seen with each credential that may serve it.
#[derive(Debug)]
pub struct Access {
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
}

/// A repository with the credential that serves it.
#[derive(Debug, Clone)]
pub struct Served {
    /// The repository.
    pub repository: Repository,
    /// The registry, signed in to.
    pub registry: Registry,
    /// The rights that its token was asked for.
    pub scopes: Scopes,
}

impl Served {
    /// `the API token`, `no credential`: what serves, in a sentence.
    #[must_use]
    pub fn credential_in_words(&self) -> &'static str {
        self.registry
            .credential()
            .map_or("no credential", |credential| credential.source.in_words())
    }
}

/// Both sides of a copy.
#[derive(Debug)]
pub struct Pair {
    /// Where it comes from.
    pub from: Served,
    /// What it is.
    pub manifest: Manifest,
    /// Where it goes.
    pub to: Served,
    /// Whether one token serves both, so that blobs can be mounted.
    pub joined: bool,
    /// Where the first tag points now, if that was asked already.
    pub existing: Option<Option<Digest>>,
}

impl Access {
    /// Opens no connection.
    #[must_use]
    pub fn new(network: Arc<Network>, registry: &Host, settled: Settled, step: &Step, writes: bool) -> Self {
        let own = settled
            .candidates
            .into_iter()
            .map(|credential| Registry::new(&network, registry, Some(credential)));
        Self {
            own: own.collect(),
            network,
            registry: registry.clone(),
            step: step.clone(),
            foreign_credential: None,
            foreign: Mutex::default(),
            writes,
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
    pub async fn read(&self, image: &Reference, access: registry::Access) -> Result<(Served, Manifest), Failure> {
        let scopes = Scopes::of(&image.repository, access);
        let mut refusals = Vec::new();
        for registry in self.registries(image.repository.host()) {
            let served = Served {
                repository: image.repository.clone(),
                registry,
                scopes: scopes.clone(),
            };
            match served
                .registry
                .manifest(&image.repository, &image.selector(), &scopes)
                .await
            {
                // What could be read may be read, whatever the token says: a public image needs no grant.
                Ok(manifest) if access == registry::Access::Pull => return Ok((served, manifest)),
                Ok(manifest) => match self.shortfall(&served).await {
                    None => return Ok((served, manifest)),
                    Some(refusal) => refusals.push(refusal),
                },
                Err(error) if turns_away(&error) => refusals.push(self.explain(&error, &served, false)),
                Err(error) => return Err(self.explain_missing(&error, &served, image).await),
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
    ) -> Result<(Served, Option<Manifest>), Failure> {
        let scopes = Scopes::of(repository, access);
        let mut refusals = Vec::new();
        for registry in self.registries(repository.host()) {
            let served = Served {
                repository: repository.clone(),
                registry,
                scopes: scopes.clone(),
            };
            let found = match served
                .registry
                .manifest(repository, &Selector::Tag(tag.clone()), &scopes)
                .await
            {
                Ok(manifest) => Some(manifest),
                Err(error) if is_missing_tag(&error) => None,
                Err(error) if turns_away(&error) => {
                    refusals.push(self.explain(&error, &served, false));
                    continue;
                }
                Err(error) => return Err(self.explain(&error, &served, false)),
            };
            match self.shortfall(&served).await {
                None => return Ok((served, found)),
                Some(refusal) => refusals.push(refusal),
            }
        }
        Err(self.turned_away(refusals, &repository.to_string()))
    }

    /// The manifest that a tag has now, of a repository that is open.
    ///
    /// # Errors
    /// Any refusal but "there is none".
    pub async fn look(&self, served: &Served, tag: &Tag) -> Result<Option<Manifest>, Failure> {
        let selector = Selector::Tag(tag.clone());
        match served
            .registry
            .manifest(&served.repository, &selector, &served.scopes)
            .await
        {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if is_missing_tag(&error) => Ok(None),
            Err(error) => Err(self.explain(&error, served, false)),
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
        let reads = self.read(source, registry::Access::Pull);
        let opens = self.open(target, tag, registry::Access::PullPush);
        let (read, opened) = tokio::join!(reads, opens);
        let (from, manifest) = read?;
        let (to, existing) = opened?;
        Ok(Pair {
            from,
            manifest,
            to,
            joined: false,
            existing: Some(existing.map(|manifest| manifest.digest)),
        })
    }

    /// Both sides with one credential and one token; `None` if no credential may do both.
    async fn joined(&self, source: &Reference, target: &Repository) -> Result<Option<Pair>, Failure> {
        let scopes =
            Scopes::of(&source.repository, registry::Access::Pull).and(&Scopes::of(target, registry::Access::PullPush));
        for registry in self.registries(target.host()) {
            let served = |repository: &Repository| Served {
                repository: repository.clone(),
                registry: registry.clone(),
                scopes: scopes.clone(),
            };
            let (from, to) = (served(&source.repository), served(target));
            match registry.manifest(&source.repository, &source.selector(), &scopes).await {
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

    /// The tags of a repository, all of them, with the first credential that it lets in.
    ///
    /// # Errors
    /// Why none was, or why the tags cannot be listed.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Failure> {
        let scopes = Scopes::of(repository, registry::Access::Pull);
        let mut refusals = Vec::new();
        for registry in self.registries(repository.host()) {
            let served = Served {
                repository: repository.clone(),
                registry,
                scopes: scopes.clone(),
            };
            match served.registry.all_tags(repository, &scopes).await {
                Ok(tags) => return Ok(tags),
                Err(error) if turns_away(&error) => refusals.push(self.explain(&error, &served, false)),
                Err(error) => return Err(self.explain(&error, &served, false)),
            }
        }
        Err(self.turned_away(refusals, &repository.to_string()))
    }

    /// Finds out whether a repository may be written to, where the token does not tell: opens an upload session and gives
    /// it up again. Docker takes a denied upload for a fault that may pass and tries it for 75 seconds before it says
    /// anything (seen with 20.10.24), so what the daemon is to push is asked for beforehand.
    ///
    /// # Errors
    /// The refusal. Any other fault is left for the push itself to meet.
    pub async fn try_write(&self, served: &Served) -> Result<(), Failure> {
        if served.registry.granted(&served.scopes).await != Granted::Unknown {
            return Ok(());
        }
        match self.try_upload(served).await {
            Ok(_) => Ok(()),
            Err(error) if turns_away(&error) => Err(self.explain(&error, served, true)),
            Err(error) => {
                tracing::debug!(
                    "whether `{}` may be written to is not known: {error}",
                    served.repository
                );
                Ok(())
            }
        }
    }

    /// Opens an upload session and gives it up again; says whether the registry let it be given up.
    ///
    /// # Errors
    /// The session was refused.
    pub async fn try_upload(&self, served: &Served) -> Result<bool, Error> {
        let Served {
            repository,
            registry,
            scopes,
        } = served;
        let session = registry.begin_upload(repository, scopes).await?;
        let cancelled = registry.cancel_upload(repository, session, scopes).await;
        if let Err(error) = &cancelled {
            tracing::debug!("an upload session stays open: {error}");
        }
        Ok(cancelled.is_ok())
    }

    /// Whether the registry answers, and how it wants to be signed in to. No credential is sent.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn greet(&self) -> Result<SignIn, Failure> {
        let greeted = Registry::new(&self.network, &self.registry, None).greet().await;
        greeted.map_err(|error| match &error.problem {
            Problem::Refused { status: 400..=499, .. } => Failure::new(
                crate::failure::Kind::Other,
                error.to_string(),
                format!("is `{}` a container registry? Check `REGISTRY`", self.registry),
            ),
            _ => refusal::explain(&error, &self.asked_of(None, None, false)),
        })
    }

    /// Signs in with one source's credential, and asks for no repository.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub async fn sign_in_with(&self, source: Source) -> Result<(), Failure> {
        let of_source = |registry: &&Registry| registry.credential().is_some_and(|own| own.source == source);
        let Some(registry) = self.own.iter().find(of_source) else {
            return Err(self.turned_away(Vec::new(), self.registry.as_str()));
        };
        let signed_in = registry.sign_in().await;
        signed_in.map_err(|error| refusal::explain(&error, &self.asked_of(None, registry.credential(), false)))
    }

    /// What Bitbucket says of an API token; `None` for nothing, and where `REGISTRY` is no host that Bitbucket's tokens are for.
    pub async fn ask_bitbucket(&self, credential: &Credential) -> Option<bitbucket::Answer> {
        if !self.stands_for_bitbucket() {
            return None;
        }
        bitbucket::who_is(&self.network, credential).await
    }

    /// Signs in without asking for a repository, with the first credential that is accepted.
    ///
    /// # Errors
    /// Why none was.
    pub async fn sign_in(&self) -> Result<Credential, Failure> {
        let mut refusals = Vec::new();
        for registry in &self.own {
            let Some(credential) = registry.credential() else {
                continue;
            };
            let Err(error) = registry.sign_in().await else {
                return Ok(credential.clone());
            };
            let failure = refusal::explain(&error, &self.asked_of(None, Some(credential), false));
            if !turns_away(&error) {
                return Err(failure);
            }
            refusals.push(failure);
        }
        Err(self.turned_away(refusals, &self.registry.to_string()))
    }

    /// The failure that an error is, in the words for this run.
    #[must_use]
    pub fn explain(&self, error: &Error, served: &Served, write: bool) -> Failure {
        refusal::explain(error, &self.asked(served, write))
    }

    /// The failure that an error of the Docker daemon is, which may be a registry's refusal that it relays.
    pub async fn explain_relayed(&self, error: engine::Error, served: &Served, write: bool) -> Failure {
        let granted = served.registry.granted(&served.scopes).await;
        refusal::relayed(error, &granted, &self.asked(served, write))
    }

    /// What was asked, for an explanation.
    #[must_use]
    pub fn asked<'a>(&'a self, served: &'a Served, write: bool) -> Asked<'a> {
        Asked {
            scopes: Some(&served.scopes),
            ..self.asked_of(Some(&served.repository), served.registry.credential(), write)
        }
    }

    fn asked_of<'a>(
        &'a self,
        repository: Option<&'a Repository>,
        credential: Option<&'a Credential>,
        write: bool,
    ) -> Asked<'a> {
        Asked {
            repository,
            write,
            action_writes: self.writes,
            scopes: None,
            credential,
            has_api_token: self.has_api_token(),
            registry: &self.registry,
            step: &self.step,
        }
    }

    /// The failures of a run that has ended, with what Bitbucket knows of an API token that was refused. One request at
    /// most, and only to the service that made the token: for a strange `REGISTRY` Bitbucket is not asked.
    pub async fn diagnose(&self, failures: Failures) -> Failures {
        let in_doubt = |failure: &Failure| failure.doubt.is_some();
        let is_api_token = |credential: &&Credential| credential.source == Source::ApiToken;
        if !self.stands_for_bitbucket() || !failures.iter().any(in_doubt) {
            return failures;
        }
        let Some(api_token) = self.own.iter().filter_map(Registry::credential).find(is_api_token) else {
            return failures;
        };
        match bitbucket::ask(&self.network, api_token, self.writes).await {
            Some(diagnosis) => failures.map(|failure| refusal::diagnosed(failure, &diagnosis)),
            None => failures,
        }
    }

    fn stands_for_bitbucket(&self) -> bool {
        self.registry.is_atlassian() || self.registry.is_loopback()
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

    /// The refusal that a token without a needed right is, if its server says so.
    async fn shortfall(&self, served: &Served) -> Option<Failure> {
        let granted = served.registry.granted(&served.scopes).await;
        let missing = served.scopes.shortfall(&granted);
        (!missing.is_empty()).then(|| not_granted(&missing, &granted, &self.asked(served, true)))
    }

    fn turned_away(&self, refusals: Vec<Failure>, place: &str) -> Failure {
        if let [first, _, ..] = refusals.as_slice() {
            tracing::debug!("no credential was let in to `{place}`, the first because: {first}");
        }
        all_turned_away(refusals).unwrap_or_else(|| {
            Failure::new(
                crate::failure::Kind::Credential,
                format!("there is no credential for `{place}`"),
                format!(
                    "check `CREDENTIAL` and the variables that it uses; the registry is `{}`",
                    self.registry
                ),
            )
        })
    }

    async fn explain_missing(&self, error: &Error, served: &Served, image: &Reference) -> Failure {
        let failure = self.explain(error, served, false);
        let Selector::Tag(wanted) = image.selector() else {
            return failure;
        };
        if !is_missing_tag(error) {
            return failure;
        }
        // A registry need not list tags; then there is no suggestion, and that is all.
        match served
            .registry
            .tags(&image.repository, TAGS_FOR_SUGGESTIONS, &served.scopes)
            .await
        {
            Ok(tags) => with_suggestions(failure, &wanted, &tags),
            Err(error) => {
                tracing::debug!("no tags to suggest: {error}");
                failure
            }
        }
    }
}

/// Whether the repository answered that it has no such tag.
fn is_missing_tag(error: &Error) -> bool {
    match &error.problem {
        Problem::Refused {
            code: Some(Code::ManifestUnknown),
            ..
        } => true,
        Problem::Refused { status: 404, code, .. } => !matches!(code, Some(Code::NameUnknown | Code::NameInvalid)),
        _ => false,
    }
}
