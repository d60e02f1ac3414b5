//! `api.bitbucket.org/2.0/user`: what it says of each kind of token.
//!
//! API token by Basic: 200, or 403 without `read:user:bitbucket`, naming what is granted and what is required; access
//! token by Bearer: 403, but the headers tell its kind and scopes; anything else: 401.

use super::State;
use super::accounts::AccessTokenKind;
use super::answer::{Answer, Asked};
use super::token::basic;
use serde_json::{Value, json};

const USER_SCOPE: &str = "read:user:bitbucket";

/// Answers the REST API.
pub(super) fn answer(state: &State, asked: &Asked) -> Answer {
    let bearer = asked
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let (kind, scopes) = if let Some(token) = bearer {
        let Some((kind, scopes)) = state.accounts.access_token(token) else {
            let text = "Token is invalid, expired, or not supported for this endpoint.";
            return error(401, text, None);
        };
        let kind = match kind {
            AccessTokenKind::Repository => "repo_access_token",
            AccessTokenKind::Project => "project_access_token",
            AccessTokenKind::Workspace => "workspace_access_token",
        };
        (kind, scopes)
    } else {
        let scopes = basic(asked).and_then(|(name, secret)| state.accounts.scopes(&name, &secret));
        let Some(scopes) = scopes else {
            return Answer::new(401).header("WWW-Authenticate", "Basic realm=\"Bitbucket.org HTTP\"");
        };
        ("api_token", scopes)
    };
    if asked.path != "/2.0/user" {
        return error(404, "Resource not found", None);
    }
    let answer = if bearer.is_some() {
        error(403, "This API is not accessible by this authentication mechanism", None)
    } else if scopes.iter().any(|scope| scope == USER_SCOPE) {
        Answer::new(200).json(&json!({
            "type": "user", "display_name": "Ada", "nickname": "ada", "account_status": "active",
            "uuid": "{00000000-0000-4000-8000-000000000001}", "account_id": "000000:emulator",
        }))
    } else {
        let text = "Your credentials lack one or more required privilege scopes.";
        error(403, text, Some(&json!({ "granted": scopes, "required": [USER_SCOPE] })))
    };
    answer
        .header("x-credential-type", kind)
        .header("x-oauth-scopes", &scopes.join(", "))
        .header("x-accepted-oauth-scopes", "account")
}

fn error(status: u16, message: &str, detail: Option<&Value>) -> Answer {
    let mut body = json!({ "type": "error", "error": { "message": message } });
    if let Some(detail) = detail {
        body["error"]["detail"] = detail.clone();
    }
    Answer::new(status).json(&body)
}
