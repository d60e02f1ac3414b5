//! One exchange with a registry: the sign-in that it takes, what is tried again, and refusals made into types.

use super::address::shown;
use super::challenge::{BadChallenge, Challenge};
use super::error::{self, Error, Problem};
use super::network::{Incoming, Known, Outgoing, asked_pause, speaks_plain_http};
use super::payload::Payload;
use super::scope::{Granted, Scopes};
use super::token::{self, Realm, Token};
use super::trust::{Purpose, Verdict, judge};
use super::{Registry, retry};
use crate::names::Host;
use crate::text::Quoted;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Response, Url};
use std::time::{Duration, Instant};

/// Largest answer that is no document, in bytes: to a greeting, a sign-in or a write.
pub(super) const LARGEST_ANSWER: usize = 64 * 1024;

/// A request below `/v2/`, or to an address that the registry gave.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) accept: Option<&'static str>,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Bytes>,
    pub(super) scopes: &'a Scopes,
    /// First byte, and the one after the last; of a body on its way out too.
    pub(super) range: Option<(u64, Option<u64>)>,
    /// Whether the answer comes only once a blob is stored.
    pub(super) stores: bool,
    /// Largest body of the answer.
    pub(super) limit: usize,
    pub(super) during: String,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Below `/v2/`.
    Path(String),
    /// An address that the registry named for this: an upload session, the next page of a list.
    Address(Url, Purpose<'static>),
}

/// A successful answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Where the answer is from, for a relative `Location`.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// How a registry wants to be signed in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// Not at all.
    Open,
    /// User name and password with each request.
    Basic,
    /// A token of this realm, an address without what may be secret in it.
    Token(Quoted),
}

/// A failed try, and when the server wants the next.
pub(super) type Failed = (Problem, Option<Duration>);

impl Registry {
    pub(super) fn error(&self, during: String, problem: Problem, tries: u32) -> Error {
        Error {
            host: self.0.host.clone(),
            during,
            problem,
            tries,
            asked: None,
        }
    }

    /// Whether the registry answers at all, and how it wants to be signed in to: one request without a credential
    /// (`GET /v2/`), in the place of the one that the first read would have been refused.
    ///
    /// # Errors
    /// No answer, or one that is no registry's.
    pub async fn greet(&self) -> Result<SignIn, Error> {
        let scopes = Scopes::none();
        let ask = Ask::get(String::new(), &scopes, LARGEST_ANSWER, "answering".to_owned());
        self.retried(&ask, async || self.find_out(&ask).await.map(|_| ()))
            .await?;
        Ok(match self.0.state.known().map(|known| known.challenge) {
            Some(Challenge::Bearer { realm, .. }) => SignIn::Token(shown(&realm, &self.0.host)),
            Some(Challenge::Basic) => SignIn::Basic,
            Some(Challenge::Open) | None => SignIn::Open,
        })
    }

    /// Sends until there is a success, a refusal that is an answer, or no more tries; reads the answer whole.
    pub(super) async fn exchange(&self, ask: Ask<'_>) -> Result<Answer, Error> {
        self.retried(&ask, async || {
            let response = self.attempt(&ask).await?;
            let (status, url, headers) = (
                response.status().as_u16(),
                response.url().clone(),
                response.headers().clone(),
            );
            let body = self.0.network.read(response, ask.limit).await;
            let body = body.map_err(|problem| (problem, None))?;
            Ok(Answer {
                status,
                url,
                headers,
                body,
            })
        })
        .await
    }

    /// The same, but the body is the caller's to read.
    pub(super) async fn open(&self, ask: Ask<'_>) -> Result<Response, Error> {
        self.retried(&ask, async || self.attempt(&ask).await).await
    }

    /// Sends a body that can be sent only once: no second try here. The sign-in must stand beforehand, which it does
    /// after any other exchange with the same scopes.
    pub(super) async fn send_once(&self, ask: &Ask<'_>, body: Payload) -> Result<Response, Error> {
        let failed = |(problem, asked): Failed| Error {
            asked,
            ..self.error(ask.during.clone(), problem, 1)
        };
        let Some(known) = self.0.state.known() else {
            return Err(failed((
                Problem::Protocol("an upload before any sign-in".to_owned()),
                None,
            )));
        };
        let outgoing = ask.outgoing(known.scheme, &self.0.host);
        let (outgoing, is_own) = outgoing.map_err(|problem| failed((problem, None)))?;
        let signed_in = self.authorization(&known.challenge, ask.scopes, &outgoing.url).await;
        let (authorization, token) = signed_in.map_err(failed)?;
        let authorization = authorization.filter(|_| is_own);
        let response = self
            .0
            .network
            .send_payload(&outgoing, authorization.as_ref(), body)
            .await
            .map_err(|problem| failed((problem, None)))?;
        if response.status().as_u16() == 401
            && let Some((token, _)) = &token
        {
            // The next try asks for a new one.
            self.0.tokens.forget(ask.scopes, &token.bearer).await;
        }
        self.settle(response, token.map(|(token, _)| token))
            .await
            .map_err(failed)
    }

    async fn retried<T>(&self, ask: &Ask<'_>, mut attempt: impl AsyncFnMut() -> Result<T, Failed>) -> Result<T, Error> {
        let policy = self.0.network.policy();
        let mut tries = 1;
        loop {
            let (problem, asked) = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let Some(pause) = policy.pause(&problem, tries, asked, retry::chance()) else {
                return Err(Error {
                    asked,
                    ..self.error(ask.during.clone(), problem, tries)
                });
            };
            let error = self.error(ask.during.clone(), problem, 1);
            tracing::warn!("{error}; trying again in {:.1} s", pause.as_secs_f64());
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    /// One try, with the sign-in that it takes.
    async fn attempt(&self, ask: &Ask<'_>) -> Result<Response, Failed> {
        let state = &self.0.state;
        if state.known().is_none()
            && let Some(response) = self.find_out(ask).await?
        {
            return Ok(response);
        }
        let mut may_renew = true;
        loop {
            let Some(known) = state.known() else {
                return Err((Problem::Protocol("nothing is known of the registry".to_owned()), None));
            };
            let outgoing = ask.outgoing(known.scheme, &self.0.host);
            let (outgoing, is_own) = outgoing.map_err(|problem| (problem, None))?;
            let (authorization, token) = if is_own {
                self.authorization(&known.challenge, ask.scopes, &outgoing.url).await?
            } else {
                (None, None)
            };
            let sent = self.0.network.send(&outgoing, authorization.as_ref()).await;
            let Incoming { response, same_origin } = sent.map_err(|problem| (problem, None))?;
            // A challenge of another host is none of the registry's.
            if response.status().as_u16() != 401 || !same_origin || !is_own {
                return self.settle(response, token.map(|(token, _)| token)).await;
            }
            let challenge = self.challenge(&response);
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
                (token, _) => return self.settle(response, token.map(|(token, _)| token)).await,
            }
        }
    }

    /// Learns how to talk to the registry, unless that is known; gives the answer if the request needed no sign-in. One at
    /// a time. Who waited while the host did not answer takes that failure for its own: else each would wait in turn.
    async fn find_out(&self, ask: &Ask<'_>) -> Result<Option<Response>, Failed> {
        let state = &self.0.state;
        let since = Instant::now();
        let mut failed = state.probe.lock().await;
        if state.known().is_some() {
            return Ok(None);
        }
        if let Some((at, failure)) = &*failed
            && since < *at
        {
            return Err(failure.clone());
        }
        let first = self.first_attempt(ask).await;
        if let Err((problem, asked)) = &first
            && (problem.may_pass() || matches!(problem, Problem::Unreachable(_)))
        {
            *failed = Some((Instant::now(), (problem.clone(), *asked)));
        }
        first
    }

    /// The first request of all: without authorisation, to learn the scheme and the challenge.
    /// Gives the answer if none was needed.
    async fn first_attempt(&self, ask: &Ask<'_>) -> Result<Option<Response>, Failed> {
        let ask_by = async |scheme| {
            let (outgoing, _) = ask.outgoing(scheme, &self.0.host)?;
            self.0.network.send(&outgoing, None).await
        };
        let (scheme, incoming) = match ask_by("https").await {
            // As Docker does: loopback may speak plain HTTP.
            Err(problem) if self.0.host.is_loopback() && speaks_plain_http(&problem) => ("http", ask_by("http").await),
            incoming => ("https", incoming),
        };
        let Incoming { response, same_origin } = incoming.map_err(|problem| (problem, None))?;
        let status = response.status();
        if status.as_u16() == 401 && same_origin {
            let challenge = self.challenge(&response).map_err(|problem| (problem, None))?;
            self.0.state.learn(Known { scheme, challenge });
            return Ok(None);
        }
        // "Not now" says nothing of how to sign in.
        if status.is_success() || (status.is_client_error() && !retry::may_pass(status.as_u16())) {
            self.0.state.learn(Known {
                scheme,
                challenge: Challenge::Open,
            });
        }
        self.settle(response, None).await.map(Some)
    }

    fn challenge(&self, response: &Response) -> Result<Challenge, Problem> {
        Challenge::of(response.headers(), response.url(), &self.0.host).map_err(|bad| match bad {
            BadChallenge::Unknown => {
                Problem::Protocol("it asks for a sign-in but names no way that is known (Bearer, Basic)".to_owned())
            }
            BadChallenge::Realm => Problem::Protocol("the realm of its challenge is not a URL".to_owned()),
            BadChallenge::Untrusted { realm, why } => Problem::UntrustedRealm {
                realm: shown(&realm, &self.0.host),
                why,
            },
        })
    }

    /// What a request to `url` is signed in with, and its token with whether it is new. Only once the server may be asked:
    /// a token made before the server's rest could be over with it.
    async fn authorization(
        &self,
        challenge: &Challenge,
        scopes: &Scopes,
        url: &Url,
    ) -> Result<(Option<HeaderValue>, Option<(Token, bool)>), Failed> {
        let unasked = |problem| (problem, None);
        let network = &self.0.network;
        network.rested(url).await;
        match (challenge, &self.0.credential) {
            (Challenge::Open, _) | (Challenge::Basic, None) => Ok((None, None)),
            (Challenge::Basic, Some(credential)) => Ok((Some(token::basic(credential).map_err(unasked)?), None)),
            (Challenge::Bearer { realm, service }, credential) => {
                let realm = Realm {
                    registry: &self.0.host,
                    url: realm,
                    service: service.as_deref(),
                };
                let obtain = async || self.0.tokens.obtain(network, credential.as_ref(), realm, scopes).await;
                let (mut token, mut fresh) = obtain().await?;
                // Another request may have been told to wait while the realm was asked.
                while network.is_resting(url) {
                    network.rested(url).await;
                    (token, fresh) = obtain().await?;
                }
                Ok((
                    Some(token::bearer(&token.bearer).map_err(unasked)?),
                    Some((token, fresh)),
                ))
            }
        }
    }

    /// An answer or a typed refusal.
    async fn settle(&self, response: Response, token: Option<Token>) -> Result<Response, Failed> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let pause = asked_pause(response.headers());
        let (code, words) = error::read_body(&self.0.network.read_refusal(response).await);
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
    pub(super) fn get(path: String, scopes: &'a Scopes, limit: usize, during: String) -> Self {
        Self {
            method: Method::GET,
            target: Target::Path(path),
            accept: None,
            content_type: None,
            body: None,
            scopes,
            range: None,
            stores: false,
            limit,
            during,
        }
    }

    /// The request, and whether it is the registry's own, which the credential goes to: an upload session may lie on another
    /// host.
    fn outgoing(&self, scheme: &str, host: &Host) -> Result<(Outgoing, bool), Problem> {
        let below = |path: &str| {
            let text = format!("{scheme}://{}/v2/{path}", host.api());
            Url::parse(&text).map_err(|error| Problem::Protocol(format!("`{text}` is no URL ({error})")))
        };
        let (url, is_own) = match &self.target {
            Target::Path(path) => (below(path)?, true),
            Target::Address(url, purpose) => match judge(url, *purpose, &below("")?, host) {
                Verdict::NotAsked(why) => {
                    let to = shown(url, host);
                    return Err(Problem::Redirect { to, why });
                }
                verdict => (url.clone(), verdict == Verdict::WithCredential),
            },
        };
        let outgoing = Outgoing {
            method: self.method.clone(),
            url,
            registry: host.clone(),
            accept: self.accept,
            content_type: self.content_type.clone(),
            range: self.range,
            body: self.body.clone(),
            stores: self.stores,
        };
        Ok((outgoing, is_own))
    }
}

#[cfg(test)]
mod tests;
