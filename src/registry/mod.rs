//! OCI distribution client: signs in, reads and writes manifests, blobs and lists.
//!
//! One [`Registry`] is one host with one credential, and a [`Remote`] one of its repositories. How it wants to be signed in to is learnt from its first refusal,
//! never assumed and never pinged for; what a run may need is asked for in its first token.
//! Specification: <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>.

mod address;
pub(crate) mod any_case;
pub(crate) mod attachment;
pub(crate) mod blob;
pub(crate) mod body;
mod budget;
mod challenge;
mod client;
mod cooldown;
pub(crate) mod error;
mod exchange;
mod limits;
mod lists;
pub mod live;
pub(crate) mod manifest;
mod network;
mod notice;
mod pace;
mod party;
mod payload;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod proxy;
mod quoted_string;
mod reach;
mod reading;
mod redirect;
mod remote;
pub(crate) mod retry;
pub(crate) mod scope;
mod tls;
mod token;
mod trust;

pub(crate) use attachment::{Attachment, Attachments};
pub(crate) use blob::{Mount, Resumed, Upload};
pub(crate) use body::Code;
pub(crate) use budget::Charge;
pub(crate) use error::{Asker, Error, ErrorKind, Standing};
pub(crate) use exchange::SignIn;
pub(crate) use lists::{ListedTags, Referrer, fallback_tag};
pub use manifest::Manifest;
pub(crate) use network::{Network, NetworkSettings};
pub(crate) use party::Party;
pub(crate) use payload::Payload;
pub(crate) use proxy::{BadProxy, Proxy};
pub(crate) use reach::{Certificate, Handshake, Reach};
pub(crate) use remote::{Existing, Head, Negative, PutManifest, Remote};
pub(crate) use scope::{Access, Granted, Scopes};
pub(crate) use tls::settings as tls_settings;
pub(crate) use token::{basic, bearer};

use crate::credential::Credential;
use crate::names::{Host, Repository};
use challenge::Challenge;
use exchange::Ask;
use network::HostState;
use std::cell::Cell;
use std::rc::Rc;
use token::Tokens;

/// One registry as seen with one credential, or with none.
#[derive(Debug, Clone)]
pub(crate) struct Registry(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    network: Rc<Network>,
    host: Host,
    state: Rc<HostState>,
    credential: Option<Credential>,
    tokens: Tokens,
    /// Whether the credential was sent, and what was asked for with it given.
    is_accepted: Cell<bool>,
}

impl Registry {
    /// Opens no connection.
    #[must_use]
    pub(crate) fn new(network: &Rc<Network>, host: &Host, credential: Option<Credential>) -> Self {
        Self(Rc::new(Inner {
            network: Rc::clone(network),
            host: host.clone(),
            state: network.host(host),
            credential,
            tokens: Tokens::default(),
            is_accepted: Cell::new(false),
        }))
    }

    /// The credential it signs in with.
    #[must_use]
    pub(crate) fn credential(&self) -> Option<&Credential> {
        self.0.credential.as_ref()
    }

    /// Has every request ask for a new token: what those at hand grant was decided when they were made.
    pub(crate) fn forget_tokens(&self) {
        self.0.tokens.clear();
    }

    /// Signs in and asks for nothing else (`GET /v2/`); where that is open to anybody, for the list of repositories, which
    /// mostly is not. Whether the credential was asked for, and so is known to be right.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn sign_in(&self) -> Result<bool, Error> {
        let scopes = Scopes::none();
        self.exchange(Ask::greeting(&scopes, "signing in")).await?;
        if !self.is_open() {
            return Ok(true);
        }
        let ask = Ask {
            target: exchange::Target::Path("_catalog?n=1".to_owned()),
            ..Ask::greeting(&scopes, "signing in")
        };
        match self.open(ask).await {
            Ok(_) => {}
            Err(Error {
                kind: ErrorKind::Refused { status: 401, .. },
                ..
            }) if self.is_by_token() => {}
            Err(error) if matches!(error.kind, ErrorKind::Refused { status: 401, .. }) => return Err(error),
            Err(error) if error.is_refused() || error.is_unproven() => {}
            Err(error) => return Err(error),
        }
        Ok(!self.is_open())
    }

    /// Whether it is known to let in who shows no credential, so that none was sent.
    fn is_open(&self) -> bool {
        self.0
            .state
            .known()
            .is_some_and(|known| known.challenge == Challenge::Open)
    }

    fn is_by_token(&self) -> bool {
        let known = self.0.state.known();
        known.is_some_and(|known| matches!(known.challenge, Challenge::Bearer { .. }))
    }

    /// One of its repositories; `scopes` are the rights that the token is asked for.
    #[must_use]
    pub(crate) fn remote(&self, repository: &Repository, scopes: &Scopes) -> Remote {
        Remote {
            registry: self.clone(),
            repository: repository.clone(),
            scopes: scopes.clone(),
        }
    }
}
