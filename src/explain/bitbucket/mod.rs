//! Bitbucket's REST API: what it knows of a token that the registry refused.
//!
//! About a token it is asked after a refusal, and by `check`; once in a run, with one short try. No answer is an answer too:
//! the run then ends with what the registry said. [`diagnosis`] reads the answer and does no I/O.

pub(crate) mod diagnosis;

pub(crate) use diagnosis::{Diagnosis, UserAnswer, diagnose};

use crate::credential::kind::TokenKind;
use crate::credential::{Credential, Source};
use crate::names::Host;
use crate::registry::live::Live;
use crate::registry::{self, Network};
use crate::text::Quoted;
use reqwest::Url;
use std::time::Duration;

/// The one endpoint that answers API tokens and access tokens alike with headers that tell kind and scopes. It takes API
/// tokens by Basic, and needs a scope that a token for packages rarely has; its 403 tells as much as its 200.
const USER: &str = "https://api.bitbucket.org/2.0/user";
/// How long a run that failed waits for more to say.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks Bitbucket about an API token, and reads the answer for an action that pushes or does not. `None` if there is
/// nothing to say: no answer, or one that tells nothing.
pub(crate) async fn ask(
    network: &Network,
    registry: &Host,
    credential: &Credential,
    needs_push: bool,
) -> Option<Diagnosis> {
    let answer = who_is(network, registry, credential).await?;
    diagnose(&answer, TokenKind::of(credential.token.expose()), needs_push)
}

/// What Bitbucket answers about an API token. `None` without an answer, and for a credential that Bitbucket's API is not
/// asked about: the built-in one serves packages alone, and those of other services, and of a strange `REGISTRY`, are none of
/// Bitbucket's business.
pub(crate) async fn who_is(network: &Network, registry: &Host, credential: &Credential) -> Option<UserAnswer> {
    let is_bitbuckets = registry.is_atlassian() || registry.is_loopback();
    if credential.source != Source::ApiToken || !is_bitbuckets {
        return None;
    }
    let kind = TokenKind::of(credential.token.expose());
    let authorization = match kind {
        TokenKind::AccessToken => registry::bearer(&credential.token),
        TokenKind::UserApiToken
        | TokenKind::ServiceAccountToken
        | TokenKind::AppPassword
        | TokenKind::OldApiToken
        | TokenKind::Unknown => registry::basic(credential),
        _ => return None,
    };
    let url = Url::parse(USER).ok()?;
    match network.get_once(&url, &authorization.ok()?, PATIENCE).await {
        Ok((status, headers, body)) => Some(UserAnswer::new(status, &headers, &body)),
        Err(error) => {
            tracing::debug!("Bitbucket could not be asked about the token: {error}");
            None
        }
    }
}

impl Live {
    /// What Bitbucket's API says of the credential's token: status, kind, scopes, words. `None` without an answer.
    pub async fn user(&self) -> Option<String> {
        let answer = who_is(self.network(), self.host(), self.credential()?).await?;
        let kind = answer.credential_type.as_deref().unwrap_or("no kind");
        let scopes = answer.scopes.map_or_else(
            || "no scopes".to_owned(),
            |scopes| {
                let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
                format!("scopes `{}`", scopes.join(" "))
            },
        );
        let words = match Quoted::new(&answer.message).to_string() {
            words if words.is_empty() => words,
            words => format!(", “{words}”"),
        };
        Some(format!("{} `{}`, {scopes}{words}", answer.status, Quoted::new(kind)))
    }
}
