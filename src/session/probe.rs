//! What is tried without reading an image: whether the registry answers, signs in, and lets write.

use super::{Session, SessionError, turned_away};
use crate::credential::{Credential, Source};
use crate::registry::{Error, ErrorKind, Granted, Registry, Remote, SignIn};

impl Session {
    /// Finds out whether a repository may be written to, where the token does not tell: opens an upload session and gives
    /// it up again. Docker takes a denied upload for a fault that may pass and tries it for 75 seconds before it says
    /// anything (seen with 20.10.24), so what the daemon is to push is asked for beforehand.
    ///
    /// # Errors
    /// The refusal. Any other fault is left for the push itself to meet.
    pub(crate) async fn try_write(&self, remote: &Remote) -> Result<(), Error> {
        let is_unmade = self.is_unmade(remote.repository());
        if remote.granted().await != Granted::Unknown && !is_unmade {
            return Ok(());
        }
        match self.try_upload(remote).await {
            Ok(_) => Ok(()),
            Err(error) if error.turns_away() || (is_unmade && error.is_refused()) => Err(error),
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
    pub(crate) async fn try_upload(&self, remote: &Remote) -> Result<bool, Error> {
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
    pub(crate) async fn greet(&self) -> Result<SignIn, SessionError> {
        let greeted = Registry::new(&self.network, &self.registry, None).greet().await;
        greeted.map_err(|error| match &error.kind {
            ErrorKind::Refused { status: 400..=499, .. } => SessionError::NoRegistry {
                error,
                registry: self.registry.clone(),
            },
            _ => error.into(),
        })
    }

    /// Signs in with one source's credential, and asks for no repository. Whether the registry wanted it.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub(crate) async fn sign_in_with(&self, source: Source) -> Result<bool, SessionError> {
        let of_source = |registry: &&Registry| registry.credential().is_some_and(|own| own.source == source);
        let Some(registry) = self.own.iter().find(of_source) else {
            return Err(SessionError::NoCredential(self.registry.to_string()));
        };
        Ok(registry.sign_in().await?)
    }

    /// Signs in without asking for a repository, with the first credential that is accepted.
    ///
    /// # Errors
    /// Why none was; or that none was asked for, so that a wrong one would look right.
    pub(crate) async fn sign_in(&self) -> Result<Credential, SessionError> {
        let mut refusals = Vec::new();
        for registry in &self.own {
            let Some(credential) = registry.credential() else {
                continue;
            };
            let error = match registry.sign_in().await {
                Ok(true) => return Ok(credential.clone()),
                Ok(false) => return Err(SessionError::NotAsked(self.registry.clone())),
                Err(error) => error,
            };
            if !error.turns_away() {
                return Err(error.into());
            }
            refusals.push(error);
        }
        Err(turned_away(&self.registry, refusals))
    }
}
