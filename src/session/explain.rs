//! What a refusal means in this run, with what Bitbucket knows of the API token.

use super::Session;
use crate::credential::{Credential, Source};
use crate::engine;
use crate::explain::bitbucket;
use crate::explain::failure::{self, Failure, Failures};
use crate::explain::refusal::{self, Asked, Standing, all_turned_away, not_granted, with_suggestions};
use crate::names::{Reference, Repository, Selector};
use crate::registry::{Error, Registry, Remote};

/// Most tags that are looked at for a suggestion.
const TAGS_FOR_SUGGESTIONS: usize = 1000;

impl Session {
    /// The failure that an error is, in the words for this run.
    #[must_use]
    pub fn explain(&self, error: &Error, remote: &Remote, write: bool) -> Failure {
        refusal::explain(error, &self.asked(remote, write))
    }

    /// The failure that an error is of reading what a manifest names.
    #[must_use]
    pub fn explain_part(&self, error: &Error, remote: &Remote) -> Failure {
        refusal::explain_part(error, &self.asked(remote, false))
    }

    /// The failure that an error is of reading what was listed as referring to an image.
    #[must_use]
    pub fn explain_referrer(&self, error: &Error, remote: &Remote) -> Failure {
        refusal::explain_referrer(error, &self.asked(remote, false))
    }

    /// The failure that an error of the Docker daemon is, which may be a registry's refusal that it relays.
    pub async fn explain_relayed(&self, error: engine::Error, remote: &Remote, write: bool) -> Failure {
        let granted = remote.granted().await;
        refusal::relayed(error, &granted, &self.asked(remote, write))
    }

    /// What was asked, for an explanation.
    #[must_use]
    pub fn asked<'a>(&'a self, remote: &'a Remote, write: bool) -> Asked<'a> {
        Asked {
            scopes: Some(remote.scopes()),
            standing: standing(remote),
            ..self.asked_of(Some(remote.repository()), remote.sent_credential(), write)
        }
    }

    pub(super) fn asked_of<'a>(
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
            standing: Standing::Unknown,
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

    /// What Bitbucket says of an API token; `None` for nothing, and where `REGISTRY` is no host that Bitbucket's tokens are for.
    pub async fn ask_bitbucket(&self, credential: &Credential) -> Option<bitbucket::Answer> {
        if !self.stands_for_bitbucket() {
            return None;
        }
        bitbucket::who_is(&self.network, credential).await
    }

    fn stands_for_bitbucket(&self) -> bool {
        self.registry.is_atlassian() || self.registry.is_loopback()
    }

    /// The refusal that a token without a needed right is, if its server says so.
    pub(super) async fn shortfall(&self, remote: &Remote) -> Option<Failure> {
        let granted = remote.granted().await;
        let missing = remote.scopes().shortfall(&granted);
        (!missing.is_empty()).then(|| not_granted(&missing, &granted, &self.asked(remote, true)))
    }

    pub(super) fn turned_away(&self, refusals: Vec<Failure>, place: &str) -> Failure {
        if let [first, _, ..] = refusals.as_slice() {
            tracing::debug!("no credential was let in to `{place}`, the first because: {first}");
        }
        all_turned_away(refusals).unwrap_or_else(|| {
            Failure::new(
                failure::Kind::Credential,
                format!("there is no credential for `{place}`"),
                format!(
                    "check `CREDENTIAL` and the variables that it uses; the registry is `{}`",
                    self.registry
                ),
            )
        })
    }

    pub(super) async fn explain_missing(&self, error: &Error, remote: &Remote, image: &Reference) -> Failure {
        let failure = self.explain(error, remote, false);
        if !error.is_missing() {
            return failure;
        }
        let wanted = match image.selector() {
            Selector::Tag(wanted) => wanted,
            Selector::Digest(_) => return refusal::without_digest(failure, error),
        };
        // A registry need not list tags; then there is no suggestion, and that is all.
        match remote.tags(TAGS_FOR_SUGGESTIONS).await {
            Ok(tags) => with_suggestions(failure, &wanted, &tags),
            Err(error) => {
                tracing::debug!("no tags to suggest: {error}");
                failure
            }
        }
    }
}

fn standing(remote: &Remote) -> Standing {
    if remote.credential().is_some() && remote.sent_credential().is_none() {
        Standing::NotAsked
    } else if remote.is_accepted() {
        Standing::Accepted
    } else {
        Standing::Unknown
    }
}
