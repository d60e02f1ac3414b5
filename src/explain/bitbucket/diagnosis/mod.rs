//! What an answer of `GET /2.0/user` says about a token: kind, scopes, and which one is missing. Pure.
//!
//! The headers are documented for access tokens and seen for API tokens; that a token with scopes for packages alone is
//! answered 403 with its scopes listed is inferred. So nothing here is decisive: what does not fit says nothing.

use crate::credential::kind::TokenKind;
use crate::text::Quoted;
use reqwest::header::HeaderMap;
use serde::Deserialize;

/// The scope that reads packages.
pub(crate) const READ_PACKAGE: &str = "read:package:bitbucket";
/// The scope that writes packages. It does not include the other.
pub(crate) const WRITE_PACKAGE: &str = "write:package:bitbucket";
/// Most scopes of an answer that are kept.
const MOST_SCOPES: usize = 200;

/// What came back, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct UserAnswer {
    pub status: u16,
    /// `x-credential-type`: `api_token`, `repo_access_token`, `project_access_token`, `workspace_access_token`.
    pub credential_type: Option<String>,
    /// `x-oauth-scopes`, or else `error.detail.granted`; `None` if neither is there.
    pub scopes: Option<Vec<Quoted>>,
    /// `error.message`.
    pub message: String,
}

impl UserAnswer {
    /// Takes what is known out of an answer.
    #[must_use]
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let error = serde_json::from_slice::<UserBody>(body).unwrap_or_default().error;
        // A proxy or gateway may send the header more than once.
        let listed: Vec<&str> = headers
            .get_all("x-oauth-scopes")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let granted = error.detail.and_then(|detail| detail.granted);
        let scopes = match (listed.is_empty(), granted) {
            (false, _) => Some(scopes(listed.iter().flat_map(|list| list.split([',', ' '])))),
            (true, Some(granted)) => Some(scopes(granted.iter().map(String::as_str))),
            (true, None) => None,
        };
        Self {
            status,
            credential_type: header("x-credential-type").map(|value| value.trim().to_ascii_lowercase()),
            scopes,
            message: error.message,
        }
    }
}

/// What Bitbucket says of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Diagnosis {
    /// It does not know the token with this user name: expired, revoked, without scopes, cut, or another account's.
    NotKnown,
    /// It is the token of an OAuth client, and has expired.
    ExpiredOAuth,
    /// It is known, and of a kind that has no scope for packages.
    OtherKind {
        /// `a repository access token`.
        kind: &'static str,
        /// Its scopes, if they were told.
        scopes: Option<Vec<Quoted>>,
    },
    /// It is known and lacks a scope.
    Lacks {
        scopes: Vec<Quoted>,
        /// Those that the action needs besides.
        missing: Vec<&'static str>,
    },
    /// It is known and has each scope that the action needs.
    Sufficient {
        /// Those that the action needs.
        needed: Vec<&'static str>,
    },
    /// It is known; its scopes were not told.
    Known,
}

/// Reads an answer. `None` if it says nothing of the token: limits, faults, pages of a proxy.
#[must_use]
pub(crate) fn diagnose(answer: &UserAnswer, kind: TokenKind, needs_push: bool) -> Option<Diagnosis> {
    let other_kind = |kind| Diagnosis::OtherKind {
        kind,
        scopes: answer.scopes.clone(),
    };
    let message = answer.message.to_ascii_lowercase();
    let wrong_mechanism = message.contains("not accessible by this authentication mechanism");
    if !matches!(answer.status, 200 | 401 | 403) {
        return None;
    }
    match answer.credential_type.as_deref() {
        Some("repo_access_token") => return Some(other_kind("a repository access token")),
        Some("project_access_token") => return Some(other_kind("a project access token")),
        Some("workspace_access_token") => return Some(other_kind("a workspace access token")),
        _ if kind == TokenKind::AccessToken && (wrong_mechanism || answer.scopes.is_some()) => {
            return Some(other_kind("an access token"));
        }
        // Said of access tokens; of another kind it tells nothing that is sure.
        _ if wrong_mechanism => return None,
        _ => {}
    }
    let is_its_refusal = message.contains("privilege scopes") || answer.credential_type.is_some();
    match (answer.status, &answer.scopes) {
        (401, _) if message.contains("refresh token") => Some(Diagnosis::ExpiredOAuth),
        (401, _) => Some(Diagnosis::NotKnown),
        (_, Some(scopes)) => {
            let needed = needed(needs_push);
            let has = |scope: &str| scopes.iter().any(|own| own.as_str() == scope);
            let missing: Vec<_> = needed.iter().copied().filter(|scope| !has(scope)).collect();
            Some(if missing.is_empty() {
                Diagnosis::Sufficient { needed }
            } else {
                Diagnosis::Lacks {
                    scopes: scopes.clone(),
                    missing,
                }
            })
        }
        (200, None) => Some(Diagnosis::Known),
        (_, None) => is_its_refusal.then_some(Diagnosis::Known),
    }
}

fn needed(needs_push: bool) -> Vec<&'static str> {
    if needs_push {
        vec![READ_PACKAGE, WRITE_PACKAGE]
    } else {
        vec![READ_PACKAGE]
    }
}

fn scopes<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Quoted> {
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    names.take(MOST_SCOPES).map(Quoted::new).collect()
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UserBody {
    error: ErrorBody,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorBody {
    message: String,
    detail: Option<UserDetail>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UserDetail {
    granted: Option<Vec<String>>,
}

#[cfg(test)]
mod tests;
