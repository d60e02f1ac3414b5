//! One exchange with a registry: the sign-in that it takes, what is tried again, and refusals made into types.

mod sign_in;

use super::address::without_secrets;
use super::body::read_body;
use super::challenge::Challenge;
use super::error::{Asker, Error, ErrorKind};
use super::network::{Incoming, Outgoing};
use super::party::{Party, Role};
use super::payload::Payload;
use super::redirect::redirect_target;
use super::scope::{Granted, Scopes};
use super::token::Token;
use super::trust::{Purpose, Verdict, judge};
use super::{Registry, retry};
use crate::names::Host;
use crate::text::Quoted;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, Url};
use std::time::Duration;

/// Largest answer that is no document, in bytes: to a greeting, a sign-in or a write.
pub(super) const LARGEST_ANSWER: usize = 64 * 1024;

/// A request below `/v2/`, or to an address that the registry gave.
#[allow(clippy::struct_excessive_bools, reason = "each is a matter of its own")]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) accept: Option<&'static str>,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Bytes>,
    pub(super) scopes: &'a Scopes,
    /// Whether it is for a write, whatever its method.
    pub(super) for_write: bool,
    /// First byte, and the one after the last; of a body on its way out too.
    pub(super) range: Option<(u64, Option<u64>)>,
    /// Whether the answer comes only once a blob is stored.
    pub(super) stores: bool,
    /// The statuses by which the specification says that it was done. Another success proves nothing: a gateway answers 200
    /// to whatever it is asked.
    pub(super) takes: &'static [u16],
    /// Whether only the registry itself can answer, not a page that it redirects to.
    pub(super) at_home: bool,
    /// Whether it is sent again by whoever asks, if at all: who deletes a tag looks first where it points.
    pub(super) once: bool,
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
pub(crate) enum SignIn {
    Open,
    /// User name and password with each request.
    Basic,
    /// A token of this realm, an address without what may be secret in it.
    Token(Quoted),
}

/// A failed try, and when the server wants the next.
pub(super) type Failed = (ErrorKind, Option<Duration>);

impl Registry {
    pub(super) fn error(&self, during: String, kind: ErrorKind, tries: u32) -> Error {
        Error {
            host: self.0.host.clone(),
            during,
            kind,
            tries,
            asked: None,
            asker: Box::new(Asker {
                credential: self.0.credential.clone(),
                ..Asker::default()
            }),
        }
    }

    /// Whether the registry answers at all, and how it wants to be signed in to: one request without a credential
    /// (`GET /v2/`), in the place of the one that the first read would have been refused.
    ///
    /// # Errors
    /// No answer, or one that is no registry's.
    pub(crate) async fn greet(&self) -> Result<SignIn, Error> {
        let scopes = Scopes::none();
        let ask = Ask::greeting(&scopes, "answering");
        let known = self.retried(&ask, async || {
            let (known, first) = self.find_out(&ask).await?;
            if let Some(first) = first {
                self.settle(&ask, first, None).await?;
            }
            Ok(known)
        });
        Ok(match known.await?.challenge {
            Challenge::Bearer { realm, .. } => SignIn::Token(without_secrets(&realm, &self.0.host)),
            Challenge::Basic => SignIn::Basic,
            Challenge::Open => SignIn::Open,
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
            let body = body.map_err(|kind| (kind.at(self.party(&url, ask.role())), None))?;
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
        let failed = |(kind, asked): Failed| Error {
            asked,
            ..self.error(ask.during.clone(), kind, 1)
        };
        let known = match self.0.state.known() {
            Some(known) => known,
            None => {
                self.find_out(&Ask::greeting(ask.scopes, &ask.during))
                    .await
                    .map_err(failed)?
                    .0
            }
        };
        let outgoing = ask.outgoing(known.scheme, &self.0.host);
        let (outgoing, is_own) = outgoing.map_err(|kind| failed((kind, None)))?;
        let signed_in = self.authorization(&known.challenge, ask.scopes, &outgoing.url).await;
        let (authorization, token) = signed_in.map_err(failed)?;
        let authorization = authorization.filter(|_| is_own);
        let sent = self
            .0
            .network
            .send_payload(&outgoing, authorization.as_ref(), body)
            .await;
        let response = sent.map_err(|kind| failed((kind, None)))?;
        if response.status().as_u16() == 401
            && let Some((token, _)) = &token
        {
            // The next try asks for a new one.
            self.0.tokens.forget(ask.scopes, Some(&token.bearer)).await;
        }
        if let Some(to) = redirect_target(&response).map_err(|kind| failed((kind, None)))? {
            let purpose = Purpose::Redirect(&ask.method, response.status());
            let shown = without_secrets(&to, &self.0.host);
            // The body is gone: who has it again sends it there.
            let kind = match judge(&to, purpose, &outgoing.url, &self.0.host) {
                Verdict::NotAsked(why) => ErrorKind::Redirect { to: shown, why },
                _ => ErrorKind::Moved { to, shown },
            };
            return Err(failed((kind, None)));
        }
        let incoming = Incoming {
            response,
            same_origin: true,
        };
        let settled = self.settle(ask, incoming, token.map(|(token, _)| token)).await;
        settled.map_err(failed)
    }

    async fn retried<T>(&self, ask: &Ask<'_>, mut attempt: impl AsyncFnMut() -> Result<T, Failed>) -> Result<T, Error> {
        let policy = self.0.network.policy();
        let mut tries = 1;
        loop {
            let (kind, asked) = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let pause = policy.pause(&kind, tries, asked, retry::chance());
            let Some(pause) = pause.filter(|_| !ask.once) else {
                return Err(Error {
                    asked,
                    ..self.error(ask.during.clone(), kind, tries)
                });
            };
            let error = self.error(ask.during.clone(), kind, 1);
            tracing::warn!("{error}; trying again in {:.1} s", pause.as_secs_f64());
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    /// Whose a URL is that a request led to.
    pub(super) fn party(&self, url: &Url, role: Role) -> Option<Party> {
        Party::at(url, role, &self.0.host)
    }

    /// An answer or a typed refusal.
    async fn settle(&self, ask: &Ask<'_>, incoming: Incoming, token: Option<Token>) -> Result<Response, Failed> {
        let status = incoming.response.status();
        if !status.is_success() {
            return Err(self.refused(ask, incoming, token).await);
        }
        let Incoming { response, same_origin } = incoming;
        let kind = if ask.at_home && !same_origin {
            ErrorKind::Redirect {
                to: without_secrets(response.url(), &self.0.host),
                why: "only the registry itself can answer this",
            }
        } else if ask.takes.contains(&status.as_u16()) {
            self.tell_of_limits(&response);
            return Ok(response);
        } else {
            ErrorKind::Unproven {
                status: status.as_u16(),
            }
        };
        Err((kind.at(self.party(response.url(), ask.role())), None))
    }

    /// Says what the registry lets be pulled, if that is little; what another says of its own limits is no matter of pulls.
    fn tell_of_limits(&self, response: &Response) {
        if self.party(response.url(), Role::Other).is_none() {
            let is_signed_in = self.credential().is_some();
            let limits = self.0.network.limits();
            limits.tell(&self.0.host, response.headers(), is_signed_in);
        }
    }

    /// The refusal that an answer other than a success is.
    async fn refused(&self, ask: &Ask<'_>, incoming: Incoming, token: Option<Token>) -> Failed {
        let Incoming { response, .. } = incoming;
        self.tell_of_limits(&response);
        let status = response.status();
        let pause = self.0.network.asked_pause(response.headers());
        let party = self.party(response.url(), ask.role());
        let (code, words) = read_body(&self.0.network.read_refusal(response).await);
        let granted = token.map_or(Granted::Unknown, |token| token.granted);
        let refused = ErrorKind::Refused {
            status: status.as_u16(),
            code,
            words,
            granted,
        };
        (refused.at(party), pause)
    }
}

impl<'a> Ask<'a> {
    /// `GET /v2/`.
    pub(super) fn greeting(scopes: &'a Scopes, during: &str) -> Self {
        Self {
            at_home: true,
            ..Self::get(String::new(), scopes, LARGEST_ANSWER, during.to_owned())
        }
    }

    pub(super) fn get(path: String, scopes: &'a Scopes, limit: usize, during: String) -> Self {
        Self {
            method: Method::GET,
            target: Target::Path(path),
            accept: None,
            content_type: None,
            body: None,
            scopes,
            for_write: false,
            range: None,
            stores: false,
            takes: &[200],
            at_home: false,
            once: false,
            limit,
            during,
        }
    }

    /// What it asks for.
    fn role(&self) -> Role {
        match &self.target {
            Target::Address(_, Purpose::Upload) => Role::Blob,
            Target::Path(path) if path.contains("/blobs/") => Role::Blob,
            Target::Path(_) | Target::Address(..) => Role::Other,
        }
    }

    /// The request, and whether it is the registry's own, which the credential goes to: an upload session may lie on another
    /// host.
    pub(super) fn writes(&self) -> bool {
        self.for_write || !matches!(self.method, Method::GET | Method::HEAD)
    }

    fn outgoing(&self, scheme: &str, host: &Host) -> Result<(Outgoing, bool), ErrorKind> {
        let below = |path: &str| {
            let text = format!("{scheme}://{}/v2/{path}", host.api());
            Url::parse(&text).map_err(|error| ErrorKind::Protocol(format!("`{text}` is not a URL ({error})")))
        };
        let (url, is_own) = match &self.target {
            Target::Path(path) => (below(path)?, true),
            Target::Address(url, purpose) => match judge(url, *purpose, &below("")?, host) {
                Verdict::NotAsked(why) => {
                    let to = without_secrets(url, host);
                    return Err(ErrorKind::Redirect { to, why });
                }
                verdict => (url.clone(), verdict == Verdict::WithCredential),
            },
        };
        let outgoing = Outgoing {
            method: self.method.clone(),
            url,
            registry: host.clone(),
            role: self.role(),
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
