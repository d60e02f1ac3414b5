//! Tokens of a realm: one request for all who wait for the same scopes, kept until shortly before they expire.
//!
//! "Docker Registry v2 authentication": GET on the realm with `service` and `scope`, Basic where there is a credential.

use super::body::read_body;
use super::budget::Charge;
use super::error::ErrorKind;
use super::network::{Network, Outgoing};
use super::party::{Party, Role};
use super::reading::plain;
use super::scope::{Granted, Scopes};
use crate::credential::Credential;
use crate::names::Host;
use crate::text::Quoted;
use crate::text::Secret;
use crate::text::hide_bearer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Validity of a token whose answer names none, in seconds (the specification's default).
const USUAL_SECONDS: u64 = 60;
/// A token is given up so long before its end, so that it does not expire on the way.
const MARGIN: Duration = Duration::from_secs(5);
/// Largest answer of a token server, in bytes. No server takes a header half as long.
const LARGEST: usize = 256 * 1024;

/// A token and what it grants.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) bearer: Secret,
    pub(super) granted: Granted,
    pub(super) until: Instant,
    _charge: Rc<Charge>,
}

/// The tokens of one credential at one registry, by scopes.
#[derive(Debug, Default)]
pub(super) struct Tokens(RefCell<HashMap<Scopes, Rc<tokio::sync::Mutex<TokenSlot>>>>);

/// What is known of the token for some scopes.
#[derive(Debug, Default)]
struct TokenSlot {
    token: Option<Token>,
    /// When and how the last request for one failed.
    failed: Option<(Instant, NoToken)>,
}

/// Where a registry has its tokens made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Realm<'a> {
    pub(super) registry: &'a Host,
    pub(super) url: &'a Url,
    pub(super) service: Option<&'a str>,
}

/// Why no token was given, and when the server wants to be asked again.
pub(super) type NoToken = (ErrorKind, Option<Duration>);

impl Tokens {
    fn slot(&self, scopes: &Scopes) -> Rc<tokio::sync::Mutex<TokenSlot>> {
        let mut slots = self.0.borrow_mut();
        Rc::clone(slots.entry(scopes.clone()).or_default())
    }

    /// The token for `scopes`, and whether it was made just now.
    ///
    /// # Errors
    /// The token server's refusal, or no answer of it.
    pub(super) async fn obtain(
        &self,
        network: &Network,
        credential: Option<&Credential>,
        realm: Realm<'_>,
        scopes: &Scopes,
    ) -> Result<(Token, bool), NoToken> {
        let slot = self.slot(scopes);
        let since = Instant::now();
        // Held while asking: whoever needs the same scopes meanwhile waits here and finds the answer, a failure too.
        // Else each would wait for a silent realm in turn.
        let mut held = slot.lock().await;
        if let Some(token) = held.token.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok((token.clone(), false));
        }
        if let Some((at, refusal)) = &held.failed
            && since < *at
        {
            return Err(refusal.clone());
        }
        match request(network, credential, realm, scopes).await {
            Ok(token) => {
                held.token = Some(token.clone());
                Ok((token, true))
            }
            Err(refusal) => {
                held.failed = Some((Instant::now(), refusal.clone()));
                Err(refusal)
            }
        }
    }

    /// Forgets a token that the registry refused, unless another request has replaced it already; `None` for whichever there is.
    pub(super) async fn forget(&self, scopes: &Scopes, refused: Option<&Secret>) {
        let slot = self.slot(scopes);
        let mut held = slot.lock().await;
        let is_refused = |token: &Token| refused.is_none_or(|refused| token.bearer == *refused);
        if held.token.as_ref().is_some_and(is_refused) {
            held.token = None;
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// What the token for `scopes` grants, if there is one.
    pub(super) async fn granted(&self, scopes: &Scopes) -> Granted {
        self.slot(scopes)
            .lock()
            .await
            .token
            .as_ref()
            .map_or(Granted::Unknown, |token| token.granted.clone())
    }
}

/// `Authorization: Basic`, marked so that no debug output shows it.
pub(crate) fn basic(credential: &Credential) -> Result<HeaderValue, ErrorKind> {
    header(&format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", credential.username, credential.token.expose()))
    ))
}

/// `Authorization: Bearer`, marked so that no debug output shows it.
pub(crate) fn bearer(token: &Secret) -> Result<HeaderValue, ErrorKind> {
    header(&format!("Bearer {}", token.expose()))
}

fn header(text: &str) -> Result<HeaderValue, ErrorKind> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| ErrorKind::Protocol("the token cannot be sent in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Each of any type, as it stands there: what is not as it should be is as if it were not there.
#[derive(Deserialize)]
struct TokenAnswer<'a> {
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    access_token: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
}

async fn request(
    network: &Network,
    credential: Option<&Credential>,
    realm: Realm<'_>,
    scopes: &Scopes,
) -> Result<Token, NoToken> {
    let mut url = realm.url.clone();
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = realm.service {
            query.append_pair("service", service);
        }
        for scope in scopes.parameters() {
            query.append_pair("scope", &scope);
        }
    }
    let authorization = credential.map(basic).transpose().map_err(|kind| (kind, None))?;
    let outgoing = Outgoing {
        method: Method::GET,
        url,
        registry: realm.registry.clone(),
        role: Role::Token,
        accept: None,
        content_type: None,
        range: None,
        body: None,
        stores: false,
    };
    let asked = Instant::now();
    let incoming = network
        .send(&outgoing, authorization.as_ref())
        .await
        .map_err(|kind| (kind, None))?;
    let response = incoming.response;
    let party = Party::at(response.url(), Role::Token, realm.registry);
    let fail = |kind: ErrorKind| (kind.at(party.clone()), None);
    if !response.status().is_success() {
        let status = response.status().as_u16();
        let pause = network.asked_pause(response.headers());
        let (code, words) = read_body(&network.read_refusal(response).await);
        // Only the realm itself says anything of the credential, and only with these.
        let kind = match status {
            400 | 401 | 403 | 429 | 500.. if incoming.same_origin => {
                let signed = credential.is_some();
                let refused = ErrorKind::SignIn { status, words, signed };
                match party {
                    // A fault of its own is another server's and not the registry's.
                    Some(party) if matches!(status, 429 | 500..) && party.server().as_str() != realm.registry.api() => {
                        ErrorKind::At(party, Box::new(refused))
                    }
                    _ => refused,
                }
            }
            _ => {
                let granted = Granted::Unknown;
                let refused = ErrorKind::Refused {
                    status,
                    code,
                    words,
                    granted,
                };
                refused.at(party)
            }
        };
        return Err((kind, pause));
    }
    let headers = response.headers().clone();
    let body = network.read(response, LARGEST).await.map_err(fail)?;
    plain(&headers, &body).map_err(fail)?;
    let answer: TokenAnswer<'_> = serde_json::from_slice(&body).map_err(|error| {
        let why = Quoted::new(&error.to_string());
        fail(ErrorKind::Protocol(format!("the answer is not a token ({why})")))
    })?;
    let named = [answer.token, answer.access_token].into_iter().flatten();
    let named = named.filter_map(|named| serde_json::from_str::<String>(named.get()).ok());
    let Some(token) = named
        .map(|token| token.trim().to_owned())
        .find(|token| !token.is_empty())
    else {
        return Err(fail(ErrorKind::Protocol("the answer holds no token".to_owned())));
    };
    // With what is read out of it.
    let mut charge = network.budget().charge();
    charge.grow(4 * token.len()).map_err(fail)?;
    let token = token.as_str();
    let granted = Granted::of_token(token, scopes);
    let bearer = Secret::new(token);
    hide_bearer(&bearer);
    Ok(Token {
        granted,
        bearer,
        until: asked + validity(answer.expires_in),
        _charge: Rc::new(charge),
    })
}

/// How long a token is used that says it lasts so many seconds: a second at least, or none would ever serve, and a day at
/// most.
fn validity(expires_in: Option<&RawValue>) -> Duration {
    let named = expires_in.and_then(|text| serde_json::from_str::<f64>(text.get()).ok());
    // A cast of what is too large gives the largest, and of what is negative or no number 0.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = named.map(|seconds| seconds as u64);
    let seconds = seconds.filter(|seconds| *seconds > 0).unwrap_or(USUAL_SECONDS);
    Duration::from_secs(seconds.min(86_400))
        .saturating_sub(MARGIN)
        .max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        for (expires_in, used) in [
            (json!(300), 295),
            (json!(7), 2),
            (json!(1), 1),
            (json!(300.9), 295),
            (json!(u64::MAX), 86_395),
            (json!(1e300), 86_395),
            // What these mean nobody says.
            (json!(null), 55),
            (json!(0), 55),
            (json!(0.5), 55),
            (json!(-5), 55),
            (json!("300"), 55),
            (json!([300]), 55),
        ] {
            let raw = serde_json::value::to_raw_value(&expires_in).unwrap();
            assert_eq!(validity(Some(&raw)), Duration::from_secs(used), "{expires_in:?}");
        }
    }
}
