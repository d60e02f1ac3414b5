//! One request of the registry client from first try to answer: signing in where the registry asks for it, trying again
//! where that can help, and refusals as typed problems.

use super::challenge::{BadChallenge, Challenge};
use super::network::{Incoming, Known, Outgoing, asked_pause, read, read_refusal, shown, speaks_plain_http};
use super::token::{self, Token};
use super::{Error, Granted, Problem, Registry, Scopes, error, retry};
use crate::image::Host;
use crate::words::Words;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Response, Url};
use std::time::Duration;

/// A request below `/v2/`.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) accept: Option<&'static str>,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Bytes>,
    pub(super) scopes: &'a Scopes,
    /// Largest body of the answer.
    pub(super) limit: usize,
    pub(super) during: String,
}

/// A successful answer, read to its end.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A failed try, and when the server wants the next.
type Failed = (Problem, Option<Duration>);
impl Registry {
    /// Sends until there is a success, a refusal that is an answer, or no more tries.
    pub(super) async fn exchange(&self, ask: Ask<'_>) -> Result<Answer, Error> {
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
        let ask_by = async |scheme| {
            let outgoing = ask.outgoing(scheme, &self.0.host)?;
            self.0.network.send(&outgoing, None).await
        };
        let (scheme, came) = match ask_by("https").await {
            // As Docker does: loopback may speak plain HTTP.
            Err(problem) if self.0.host.is_loopback() && speaks_plain_http(&problem) => ("http", ask_by("http").await),
            came => ("https", came),
        };
        let Incoming { response, same_origin } = came.map_err(|problem| (problem, None))?;
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
                realm: shown(&realm),
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
    pub(super) fn get(path: String, scopes: &'a Scopes, limit: usize, during: String) -> Self {
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
