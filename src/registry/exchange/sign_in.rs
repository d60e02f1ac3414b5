//! How a registry is signed in to: learnt from its first refusal, and from `/v2/` where a refusal does not tell.

use super::super::address::without_secrets;
use super::super::blob::is_html;
use super::super::challenge::{BadChallenge, Challenge};
use super::super::network::{Incoming, Known, speaks_plain_http};
use super::super::party::Role;
use super::super::scope::Scopes;
use super::super::token::{self, Realm, Token};
use super::super::{ErrorKind, Registry, retry};
use super::{Ask, Failed, Target};
use reqwest::header::HeaderValue;
use reqwest::{Response, Url};
use std::time::Instant;

impl Registry {
    /// One try, with the sign-in that it takes.
    pub(super) async fn attempt(&self, ask: &Ask<'_>) -> Result<Response, Failed> {
        let state = &self.0.state;
        let (mut known, mut first) = self.find_out(ask).await?;
        let mut may_renew = true;
        loop {
            let outgoing = ask.outgoing(known.scheme, &self.0.host);
            let (outgoing, is_own) = outgoing.map_err(|kind| (kind, None))?;
            let (incoming, token) = if let Some(incoming) = first.take() {
                (incoming, None)
            } else {
                let (authorization, token) = if is_own {
                    self.authorization(&known.challenge, ask.scopes, &outgoing.url).await?
                } else {
                    (None, None)
                };
                let sent = self.0.network.send(&outgoing, authorization.as_ref()).await;
                let sent = sent.map_err(|kind| (kind, None))?;
                if authorization.is_some() && self.0.credential.is_some() && sent.response.status().is_success() {
                    self.0.is_accepted.set(true);
                }
                (sent, token)
            };
            let status = incoming.response.status().as_u16();
            if is_own && self.is_unsettled(&known, ask, &incoming) {
                known = self.ask_for_challenge(known).await?;
                if known.challenge != Challenge::Open {
                    continue;
                }
            }
            // A challenge of another host is none of the registry's.
            if status != 401 || !incoming.same_origin || !is_own {
                return self.settle(ask, incoming, token.map(|(token, _)| token)).await;
            }
            let challenge = self.challenge(&incoming.response);
            match (token, challenge) {
                // A kept token may have expired early or been withdrawn: one new one, once.
                (Some((token, false)), Ok(challenge)) if may_renew => {
                    tracing::debug!("the token was refused, asking for a new one");
                    self.0.tokens.forget(ask.scopes, Some(&token.bearer)).await;
                    known = state.learn(Known { challenge, ..known });
                    may_renew = false;
                }
                // Some registries leave one request open and challenge the next.
                (None, Ok(challenge)) if challenge != known.challenge && may_renew => {
                    known = state.learn(Known { challenge, ..known });
                    may_renew = false;
                }
                (token, _) => return self.settle(ask, incoming, token.map(|(token, _)| token)).await,
            }
        }
    }

    /// Whether an answer may be for want of a sign-in, though it asks for none: registries that hide what is private answer
    /// 404 or 403 to who has not signed in, and only `/v2/` challenges (distribution#1984, containerd#3291); those behind a
    /// company's sign-in show its page, with 200. Blobs lie on other hosts anyway.
    fn is_unsettled(&self, known: &Known, ask: &Ask<'_>, incoming: &Incoming) -> bool {
        if known.challenge != Challenge::Open || known.is_greeted || self.0.credential.is_none() {
            return false;
        }
        let Incoming { response, same_origin } = incoming;
        let status = response.status();
        if status.is_success() {
            return is_html(response.headers()) || !same_origin && ask.role() != Role::Blob;
        }
        let is_challenge = status.as_u16() == 401 && *same_origin;
        status.is_client_error() && !is_challenge && !retry::may_pass(status.as_u16())
    }

    /// Asks `/v2/` how to sign in, once for a host; gives what is known of it then.
    async fn ask_for_challenge(&self, known: Known) -> Result<Known, Failed> {
        let state = &self.0.state;
        let _one_at_a_time = state.probe.lock().await;
        // Another request may have asked meanwhile.
        let known = state.known().unwrap_or(known);
        if known.is_greeted || known.challenge != Challenge::Open {
            return Ok(known);
        }
        let scheme = known.scheme;
        let scopes = Scopes::none();
        let ask = Ask::greeting(&scopes, "answering");
        let (outgoing, _) = ask.outgoing(scheme, &self.0.host).map_err(|kind| (kind, None))?;
        let sent = self.0.network.send(&outgoing, None).await;
        let incoming = sent.map_err(|kind| (kind, None))?;
        let status = incoming.response.status().as_u16();
        let challenge = match status {
            401 if incoming.same_origin => {
                let challenge = self.challenge(&incoming.response);
                challenge.map_err(|kind| (kind, None))?
            }
            status if retry::may_pass(status) => return Err(self.refused(&ask, incoming, None).await),
            _ => Challenge::Open,
        };
        Ok(state.learn(Known {
            scheme,
            challenge,
            is_greeted: true,
        }))
    }

    /// How to talk to the registry. Unless that is known it is learnt by this request, whose answer is given too if it
    /// needed no sign-in. One at a time. Who waited while the host did not answer takes that failure for its own: else each
    /// would wait in turn.
    pub(super) async fn find_out(&self, ask: &Ask<'_>) -> Result<(Known, Option<Incoming>), Failed> {
        let state = &self.0.state;
        if let Some(known) = state.known() {
            return Ok((known, None));
        }
        let since = Instant::now();
        let mut failed = state.probe.lock().await;
        if let Some(known) = state.known() {
            return Ok((known, None));
        }
        if let Some((at, failure)) = &*failed
            && since < *at
        {
            return Err(failure.clone());
        }
        let first = self.first_attempt(ask).await;
        if let Err((kind, asked)) = &first
            && (kind.may_pass() || matches!(kind.cause(), ErrorKind::Unreachable(_)))
        {
            *failed = Some((Instant::now(), (kind.clone(), *asked)));
        }
        first
    }

    /// The first request of all: without authorisation, to learn the scheme and the challenge.
    /// Gives the answer if none was needed.
    async fn first_attempt(&self, ask: &Ask<'_>) -> Result<(Known, Option<Incoming>), Failed> {
        let ask_by = async |scheme| {
            let (outgoing, _) = ask.outgoing(scheme, &self.0.host)?;
            self.0.network.send(&outgoing, None).await
        };
        let (scheme, incoming) = match ask_by("https").await {
            // As Docker does: loopback may speak plain HTTP.
            Err(kind) if self.0.host.is_loopback() && speaks_plain_http(&kind) => ("http", ask_by("http").await),
            incoming => ("https", incoming),
        };
        let incoming = incoming.map_err(|kind| (kind, None))?;
        let status = incoming.response.status();
        let is_greeted = matches!(&ask.target, Target::Path(path) if path.is_empty());
        if status.as_u16() == 401 && incoming.same_origin {
            let challenge = self.challenge(&incoming.response).map_err(|kind| (kind, None))?;
            let known = self.0.state.learn(Known {
                scheme,
                challenge,
                is_greeted,
            });
            return Ok((known, None));
        }
        // "Not now" says nothing of how to sign in.
        if !status.is_success() && (!status.is_client_error() || retry::may_pass(status.as_u16())) {
            return Err(self.refused(ask, incoming, None).await);
        }
        let known = self.0.state.learn(Known {
            scheme,
            challenge: Challenge::Open,
            is_greeted,
        });
        Ok((known, Some(incoming)))
    }

    fn challenge(&self, response: &Response) -> Result<Challenge, ErrorKind> {
        Challenge::of(response.headers(), response.url(), &self.0.host).map_err(|bad| match bad {
            BadChallenge::Unknown => {
                ErrorKind::Protocol("it asks for a sign-in but names no way that is known (Bearer, Basic)".to_owned())
            }
            BadChallenge::Realm => ErrorKind::Protocol("the realm of its challenge is not a URL".to_owned()),
            BadChallenge::Untrusted { realm, why } => ErrorKind::UntrustedRealm {
                realm: without_secrets(&realm, &self.0.host),
                why,
            },
        })
    }

    /// What a request to `url` is signed in with, and its token with whether it is new. Only once the server may be asked:
    /// a token made before the server's rest could be over with it.
    pub(super) async fn authorization(
        &self,
        challenge: &Challenge,
        scopes: &Scopes,
        url: &Url,
    ) -> Result<(Option<HeaderValue>, Option<(Token, bool)>), Failed> {
        let unasked = |kind| (kind, None);
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
}
