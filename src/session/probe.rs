//! What is tried without reading an image: whether the registry answers, signs in, and lets write.

use super::Session;
use crate::credential::{Credential, Source};
use crate::explain::failure::{self, Failure};
use crate::explain::refusal::{self, turns_away};
use crate::registry::{Error, Granted, Problem, Registry, Remote, SignIn};

impl Session {
    /// Finds out whether a repository may be written to, where the token does not tell: opens an upload session and gives
    /// it up again. Docker takes a denied upload for a fault that may pass and tries it for 75 seconds before it says
    /// anything (seen with 20.10.24), so what the daemon is to push is asked for beforehand.
    ///
    /// # Errors
    /// The refusal. Any other fault is left for the push itself to meet.
    pub async fn try_write(&self, remote: &Remote) -> Result<(), Failure> {
        let is_unmade = self.is_unmade(remote.repository());
        if remote.granted().await != Granted::Unknown && !is_unmade {
            return Ok(());
        }
        match self.try_upload(remote).await {
            Ok(_) => Ok(()),
            Err(error) if turns_away(&error) || (is_unmade && error.is_refused()) => {
                Err(self.explain(&error, remote, true))
            }
            Err(error) => {
                tracing::debug!(
                    "whether `{}` may be written to is not known: {error}",
                    remote.repository()
                );
                Ok(())
            }
        }
    }

    /// Opens an upload session and gives it up again; says whether the registry let it be given up.
    ///
    /// # Errors
    /// The session was refused.
    pub async fn try_upload(&self, remote: &Remote) -> Result<bool, Error> {
        let upload = remote.begin_upload().await?;
        let cancelled = remote.cancel_upload(upload).await;
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
                failure::Kind::Other,
                error.to_string(),
                format!("is `{}` a container registry? Check `REGISTRY`", self.registry),
            ),
            _ => refusal::explain(&error, &self.asked_of(None, None, false)),
        })
    }

    /// Signs in with one source's credential, and asks for no repository. Whether the registry wanted it.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub async fn sign_in_with(&self, source: Source) -> Result<bool, Failure> {
        let of_source = |registry: &&Registry| registry.credential().is_some_and(|own| own.source == source);
        let Some(registry) = self.own.iter().find(of_source) else {
            return Err(self.turned_away(Vec::new(), self.registry.as_str()));
        };
        let signed_in = registry.sign_in().await;
        signed_in.map_err(|error| refusal::explain(&error, &self.asked_of(None, registry.credential(), false)))
    }

    /// Signs in without asking for a repository, with the first credential that is accepted.
    ///
    /// # Errors
    /// Why none was; or that none was asked for, so that a wrong one would look right.
    pub async fn sign_in(&self) -> Result<Credential, Failure> {
        let mut refusals = Vec::new();
        for registry in &self.own {
            let Some(credential) = registry.credential() else {
                continue;
            };
            let error = match registry.sign_in().await {
                Ok(true) => return Ok(credential.clone()),
                Ok(false) => return Err(self.not_asked()),
                Err(error) => error,
            };
            let failure = refusal::explain(&error, &self.asked_of(None, Some(credential), false));
            if !turns_away(&error) {
                return Err(failure);
            }
            refusals.push(failure);
        }
        Err(self.turned_away(refusals, &self.registry.to_string()))
    }

    fn not_asked(&self) -> Failure {
        Failure::new(
            failure::Kind::Other,
            format!(
                "`{}` asks nobody to sign in, so whether it accepts the credential is not known",
                self.registry
            ),
            "nothing was written; a registry that is open to all needs no `login`, and if this one is not, is `REGISTRY` right?",
        )
    }
}
