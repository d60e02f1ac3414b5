//! OCI distribution client: signs in, reads and writes manifests, blobs and lists.
//!
//! One [`Registry`] is one host with one credential, and a [`Remote`] one of its repositories. How it wants to be signed in to is learnt from its first refusal,
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
mod remote;
mod rest;
pub mod retry;
pub mod scope;
mod token;
mod trust;

pub use blob::{BlobRead, Mount, Resumed, Upload};
pub use error::{Code, Error, Problem, Reach};
pub use exchange::SignIn;
pub use lists::fallback_tag;
pub use manifest::Manifest;
pub use network::{Network, Settings};
pub use payload::Payload;
pub use remote::{Remote, Written};
pub use scope::{Access, Granted, Scopes};
pub(crate) use token::{basic, bearer};

use crate::credential::Credential;
use crate::names::{Host, Repository};
use exchange::{Ask, LARGEST_ANSWER};
use network::HostState;
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

    /// One of its repositories; `scopes` are the rights that the token is asked for.
    #[must_use]
    pub fn remote(&self, repository: &Repository, scopes: &Scopes) -> Remote {
        Remote {
            registry: self.clone(),
            repository: repository.clone(),
            scopes: scopes.clone(),
        }
    }
}
