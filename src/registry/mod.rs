//! OCI distribution client: signs in, reads and writes manifests, lists tags, reads small blobs.
//!
//! One [`Registry`] is one host with one credential. How it wants to be signed in to is learnt from its first refusal,
//! never assumed and never pinged for; what a run may need is asked for in its first token.
//! Specification: <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>.

mod challenge;
pub mod error;
pub mod manifest;
mod network;
pub mod retry;
pub mod scope;
mod token;

pub use error::{Code, Error, Problem, Reach};
pub use manifest::Manifest;
pub use network::{Network, Settings};
pub use scope::{Access, Granted, Scopes};

use crate::credential::Credential;
use crate::image::{Digest, Host, Repository, Selector, Tag};
use crate::words::Words;
use bytes::Bytes;
use challenge::{BadChallenge, Challenge};
use network::{HostState, Incoming, Known, Outgoing, asked_pause, read, read_refusal, speaks_plain_http};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, Url};
use std::sync::Arc;
use std::time::Duration;
use token::{Token, Tokens};

/// Largest list of tags that is read, in bytes.
const LARGEST_LIST: usize = 4 * 1024 * 1024;

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

/// A request below `/v2/`.
struct Ask<'a> {
    method: Method,
    path: String,
    accept: Option<&'static str>,
    content_type: Option<String>,
    body: Option<Bytes>,
    scopes: &'a Scopes,
    /// Largest body of the answer.
    limit: usize,
    during: String,
}

/// A successful answer, read to its end.
struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

/// A failed try, and when the server wants the next.
type Failed = (Problem, Option<Duration>);

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
        self.exchange(Ask::get(String::new(), &scopes, LARGEST_LIST, "the sign-in".to_owned()))
            .await?;
        Ok(())
    }

    /// Reads a manifest and checks its digest.
    ///
    /// # Errors
    /// The refusal, or bytes that are not what was asked for.
    pub async fn manifest(
        &self,
        repository: &Repository,
        selector: &Selector,
        scopes: &Scopes,
    ) -> Result<Manifest, Error> {
        let during = format!("reading {}", named(repository, selector));
        let path = format!("{}/manifests/{selector}", repository.path());
        let ask = Ask {
            accept: Some(manifest::ACCEPT),
            ..Ask::get(path, scopes, manifest::LARGEST, during.clone())
        };
        let answer = self.exchange(ask).await?;
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let fail = |problem| self.error(during.clone(), problem, 1);
        let manifest = Manifest::new(answer.body, content_type).map_err(|what| fail(Problem::Protocol(what)))?;
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

    /// The digest that a tag or digest has now; `None` if there is none. One HEAD; a GET where the registry names no digest.
    ///
    /// # Errors
    /// Any refusal other than "there is no such manifest".
    pub async fn digest(
        &self,
        repository: &Repository,
        selector: &Selector,
        scopes: &Scopes,
    ) -> Result<Option<Digest>, Error> {
        let during = format!("looking for {}", named(repository, selector));
        let path = format!("{}/manifests/{selector}", repository.path());
        let ask = Ask {
            method: Method::HEAD,
            accept: Some(manifest::ACCEPT),
            ..Ask::get(path, scopes, 0, during)
        };
        match self.exchange(ask).await {
            Ok(answer) => match claimed_digest(&answer.headers) {
                Some(digest) => Ok(Some(digest)),
                None => Ok(Some(self.manifest(repository, selector, scopes).await?.digest)),
            },
            // An answer to HEAD has no body, so NAME_UNKNOWN and MANIFEST_UNKNOWN look alike; the write that follows tells.
            Err(Error {
                problem: Problem::Refused { status: 404, .. },
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a manifest under a tag or its digest, its bytes unchanged.
    ///
    /// # Errors
    /// The refusal, or a digest in the answer that is not the manifest's.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        selector: &Selector,
        manifest: &Manifest,
        scopes: &Scopes,
    ) -> Result<(), Error> {
        let during = format!("writing {}", named(repository, selector));
        let ask = Ask {
            method: Method::PUT,
            content_type: Some(manifest.media_type.clone()),
            body: Some(manifest.bytes.clone()),
            ..Ask::get(
                format!("{}/manifests/{selector}", repository.path()),
                scopes,
                LARGEST_LIST,
                during.clone(),
            )
        };
        let answer = self.exchange(ask).await?;
        if let Some(claimed) = claimed_digest(&answer.headers) {
            check(&claimed, &manifest.bytes).map_err(|problem| self.error(during, problem, 1))?;
        }
        Ok(())
    }

    /// Up to `most` tags of a repository, as the registry orders them. One page.
    ///
    /// # Errors
    /// The refusal; registries need not offer the list.
    pub async fn tags(&self, repository: &Repository, most: usize, scopes: &Scopes) -> Result<Vec<Tag>, Error> {
        #[derive(serde::Deserialize)]
        struct List {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let during = format!("listing the tags of `{}`", repository.path());
        let path = format!("{}/tags/list?n={most}", repository.path());
        let answer = self
            .exchange(Ask::get(path, scopes, LARGEST_LIST, during.clone()))
            .await?;
        let list: List = serde_json::from_slice(&answer.body)
            .map_err(|_| self.error(during, Problem::Protocol("the list is no list of tags".to_owned()), 1))?;
        // A tag that is no tag is not worth failing for: the list only serves suggestions.
        Ok(list
            .tags
            .unwrap_or_default()
            .iter()
            .filter_map(|tag| Tag::parse(tag).ok())
            .take(most)
            .collect())
    }

    /// Reads a small blob whole (a configuration) and checks its digest.
    ///
    /// # Errors
    /// The refusal, wrong bytes, or more than [`manifest::LARGEST`] of them.
    pub async fn small_blob(&self, repository: &Repository, digest: &Digest, scopes: &Scopes) -> Result<Bytes, Error> {
        let during = format!("reading the blob `{digest}` of `{}`", repository.path());
        let path = format!("{}/blobs/{digest}", repository.path());
        let answer = self
            .exchange(Ask::get(path, scopes, manifest::LARGEST, during.clone()))
            .await?;
        check(digest, &answer.body).map_err(|problem| self.error(during, problem, 1))?;
        Ok(answer.body)
    }

    /// What the token for `scopes` is known to grant; unknown before the first request that needed it.
    pub async fn granted(&self, scopes: &Scopes) -> Granted {
        self.0.tokens.granted(scopes).await
    }

    fn error(&self, during: String, problem: Problem, tries: u32) -> Error {
        Error {
            host: self.0.host.clone(),
            during,
            problem,
            tries,
        }
    }

    /// Sends until there is a success, a refusal that is an answer, or no more tries.
    async fn exchange(&self, ask: Ask<'_>) -> Result<Answer, Error> {
        let policy = self.0.network.policy();
        let mut tries = 1;
        loop {
            let (problem, asked) = match self.attempt(&ask).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let Some(pause) = policy.pause(&problem, tries, asked, retry::chance()) else {
                return Err(self.error(ask.during, problem, tries));
            };
            let error = self.error(ask.during.clone(), problem, 1);
            tracing::warn!("{error}; trying again in {:.1} s", pause.as_secs_f64());
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    /// One try, with the sign-in that it takes.
    async fn attempt(&self, ask: &Ask<'_>) -> Result<Answer, Failed> {
        let state = &self.0.state;
        if state.known().is_none() {
            let _finding_out = state.probe.lock().await;
            if state.known().is_none()
                && let Some(answer) = self.first_attempt(ask).await?
            {
                return Ok(answer);
            }
        }
        let mut may_renew = true;
        loop {
            let Some(known) = state.known() else {
                return Err((Problem::Protocol("nothing is known of the registry".to_owned()), None));
            };
            let (authorization, token) = self.authorization(&known.challenge, ask.scopes).await?;
            let outgoing = ask
                .outgoing(known.scheme, &self.0.host)
                .map_err(|problem| (problem, None))?;
            let incoming = self
                .0
                .network
                .send(&outgoing, authorization.as_ref())
                .await
                .map_err(|problem| (problem, None))?;
            if incoming.response.status().as_u16() != 401 || !incoming.same_origin {
                return self.settle(incoming.response, ask, token.map(|(token, _)| token)).await;
            }
            let challenge = self.challenge(incoming.response.headers());
            match (token, challenge) {
                // A kept token may have expired early or been withdrawn: one new one, once.
                (Some((token, false)), Ok(challenge)) if may_renew => {
                    tracing::debug!("the token was refused, asking for a new one");
                    self.0.tokens.forget(ask.scopes, &token.bearer).await;
                    state.learn(Known { challenge, ..known });
                    may_renew = false;
                }
                // Some registries leave one request open and challenge the next.
                (None, Ok(challenge)) if challenge != known.challenge && may_renew => {
                    state.learn(Known { challenge, ..known });
                    may_renew = false;
                }
                (token, _) => return self.settle(incoming.response, ask, token.map(|(token, _)| token)).await,
            }
        }
    }

    /// The first request of all: without authorisation, to learn the scheme and the challenge.
    /// Gives the answer if none was needed.
    async fn first_attempt(&self, ask: &Ask<'_>) -> Result<Option<Answer>, Failed> {
        let send = async |scheme| {
            let outgoing = ask.outgoing(scheme, &self.0.host)?;
            self.0.network.send(&outgoing, None).await
        };
        let (scheme, sent) = match send("https").await {
            // As Docker does: loopback may speak plain HTTP.
            Err(problem) if self.0.host.is_loopback() && speaks_plain_http(&problem) => ("http", send("http").await),
            sent => ("https", sent),
        };
        let Incoming { response, same_origin } = sent.map_err(|problem| (problem, None))?;
        let status = response.status();
        if status.as_u16() == 401 && same_origin {
            let challenge = self.challenge(response.headers()).map_err(|problem| (problem, None))?;
            self.0.state.learn(Known { scheme, challenge });
            return Ok(None);
        }
        if status.is_success() || status.is_client_error() {
            self.0.state.learn(Known {
                scheme,
                challenge: Challenge::Open,
            });
        }
        self.settle(response, ask, None).await.map(Some)
    }

    fn challenge(&self, headers: &HeaderMap) -> Result<Challenge, Problem> {
        Challenge::of(headers, &self.0.host).map_err(|bad| match bad {
            BadChallenge::Unknown => {
                Problem::Protocol("it asks for a sign-in but names no way that is known (Bearer, Basic)".to_owned())
            }
            BadChallenge::Realm(realm) => Problem::Protocol(format!("its realm `{}` is no URL", Words::new(&realm))),
            BadChallenge::Untrusted { realm, why } => Problem::UntrustedRealm {
                realm: network::shown(&realm),
                why,
            },
        })
    }

    async fn authorization(
        &self,
        challenge: &Challenge,
        scopes: &Scopes,
    ) -> Result<(Option<HeaderValue>, Option<(Token, bool)>), Failed> {
        let unasked = |problem| (problem, None);
        match (challenge, &self.0.credential) {
            (Challenge::Open, _) | (Challenge::Basic, None) => Ok((None, None)),
            (Challenge::Basic, Some(credential)) => Ok((Some(token::basic(credential).map_err(unasked)?), None)),
            (Challenge::Bearer { realm, service }, credential) => {
                let realm = (realm, service.as_deref());
                let (token, fresh) = self
                    .0
                    .tokens
                    .obtain(&self.0.network, credential.as_ref(), realm, scopes)
                    .await?;
                Ok((
                    Some(token::bearer(&token.bearer).map_err(unasked)?),
                    Some((token, fresh)),
                ))
            }
        }
    }

    /// Reads a response to its end: an answer or a typed refusal.
    async fn settle(&self, response: Response, ask: &Ask<'_>, token: Option<Token>) -> Result<Answer, Failed> {
        let status = response.status();
        if status.is_success() {
            let headers = response.headers().clone();
            let body = read(response, ask.limit).await.map_err(|problem| (problem, None))?;
            return Ok(Answer { headers, body });
        }
        let pause = asked_pause(response.headers());
        let (code, words) = error::read_body(&read_refusal(response).await);
        let granted = token.map_or(Granted::Unknown, |token| token.granted);
        Err((
            Problem::Refused {
                status: status.as_u16(),
                code,
                words,
                granted,
            },
            pause,
        ))
    }
}

impl<'a> Ask<'a> {
    fn get(path: String, scopes: &'a Scopes, limit: usize, during: String) -> Self {
        Self {
            method: Method::GET,
            path,
            accept: None,
            content_type: None,
            body: None,
            scopes,
            limit,
            during,
        }
    }

    fn outgoing(&self, scheme: &str, host: &Host) -> Result<Outgoing, Problem> {
        let text = format!("{scheme}://{}/v2/{}", host.api(), self.path);
        Ok(Outgoing {
            method: self.method.clone(),
            url: Url::parse(&text).map_err(|error| Problem::Protocol(format!("`{text}` is no URL ({error})")))?,
            accept: self.accept,
            content_type: self.content_type.clone(),
            body: self.body.clone(),
        })
    }
}

fn named(repository: &Repository, selector: &Selector) -> String {
    match selector {
        Selector::Tag(tag) => format!("`{}:{tag}`", repository.path()),
        Selector::Digest(digest) => format!("`{}@{digest}`", repository.path()),
    }
}

fn claimed_digest(headers: &HeaderMap) -> Option<Digest> {
    let text = headers.get("docker-content-digest")?.to_str().ok()?;
    Digest::parse(text).ok()
}

fn check(expected: &Digest, bytes: &[u8]) -> Result<(), Problem> {
    let found = expected.of_same_kind(bytes);
    if found == *expected {
        Ok(())
    } else {
        Err(Problem::WrongDigest {
            expected: expected.clone(),
            found,
        })
    }
}
