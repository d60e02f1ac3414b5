//! Answer → diagnosis, over every answer that is known.

use super::*;
use reqwest::header::{HeaderName, HeaderValue};

const LACK: &str = "Your credentials lack one or more required privilege scopes.";
const MECHANISM: &str = "This API is not accessible by this authentication mechanism";

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> UserAnswer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    UserAnswer::new(status, &map, body.as_bytes())
}

fn error(message: &str) -> String {
    serde_json::json!({ "type": "error", "error": { "message": message } }).to_string()
}

fn words(scopes: &[&str]) -> Vec<Quoted> {
    scopes.iter().map(|scope| Quoted::new(scope)).collect()
}

fn lacks(scopes: &[&str], missing: &[&'static str]) -> Diagnosis {
    Diagnosis::Lacks {
        scopes: words(scopes),
        missing: missing.to_vec(),
    }
}

fn other(kind: &'static str, scopes: Option<&[&str]>) -> Diagnosis {
    Diagnosis::OtherKind {
        kind,
        scopes: scopes.map(words),
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_known_answer_says_what_it_says() {
    let (pull, push) = (false, true);
    let sufficient = |needed: &[&'static str]| {
        Some(Diagnosis::Sufficient {
            needed: needed.to_vec(),
        })
    };
    let detail = serde_json::json!({ "type": "error", "error": {
        "message": LACK, "detail": { "granted": [READ_PACKAGE], "required": ["read:user:bitbucket"] } } })
    .to_string();
    let api_token = ("x-credential-type", "api_token");
    let scoped = |list: &'static str| [api_token, ("x-oauth-scopes", list)];
    let both = "read:package:bitbucket, write:package:bitbucket";
    let api = TokenKind::UserApiToken;
    for (status, headers, body, kind, needs_push, expected) in [
        // 401: no such token with this user name, in both forms.
        (
            401,
            &[][..],
            error("Token is invalid, expired, or not supported for this endpoint."),
            api,
            pull,
            Some(Diagnosis::NotKnown),
        ),
        (
            401,
            &[("www-authenticate", "Basic realm=\"Bitbucket.org HTTP\"")],
            String::new(),
            api,
            pull,
            Some(Diagnosis::NotKnown),
        ),
        (
            401,
            &[("www-authenticate", "BitbucketCustom realm=\"x\"")],
            String::new(),
            api,
            push,
            Some(Diagnosis::NotKnown),
        ),
        (
            401,
            &[],
            error("Token is invalid, expired, or not supported for this endpoint."),
            TokenKind::AccessToken,
            pull,
            Some(Diagnosis::NotKnown),
        ),
        (
            401,
            &[],
            error("Access token expired. Use your refresh token to obtain a new access token."),
            TokenKind::Unknown,
            pull,
            Some(Diagnosis::ExpiredOAuth),
        ),
        // Access tokens, by header or by the refusal alone.
        (
            403,
            &[
                ("x-credential-type", "repo_access_token"),
                ("x-oauth-scopes", "repository:write"),
            ],
            error(MECHANISM),
            TokenKind::AccessToken,
            push,
            Some(other("a repository access token", Some(&["repository:write"]))),
        ),
        (
            403,
            &[("x-credential-type", "project_access_token")],
            error(MECHANISM),
            TokenKind::AccessToken,
            push,
            Some(other("a project access token", None)),
        ),
        (
            401,
            &[("x-credential-type", "Workspace_Access_Token ")],
            error(MECHANISM),
            TokenKind::Unknown,
            push,
            Some(other("a workspace access token", None)),
        ),
        (
            401,
            &[],
            error(MECHANISM),
            TokenKind::AccessToken,
            pull,
            Some(other("an access token", None)),
        ),
        (
            403,
            &[],
            error(MECHANISM),
            TokenKind::AccessToken,
            pull,
            Some(other("an access token", None)),
        ),
        (403, &[], error(MECHANISM), api, pull, None),
        // 403 and 200: the scopes, by header or by body.
        (403, &[], detail.clone(), api, pull, sufficient(&[READ_PACKAGE])),
        (
            403,
            &[],
            detail.clone(),
            api,
            push,
            Some(lacks(&[READ_PACKAGE], &[WRITE_PACKAGE])),
        ),
        (
            403,
            &scoped(both),
            detail.clone(),
            api,
            push,
            sufficient(&[READ_PACKAGE, WRITE_PACKAGE]),
        ),
        (403, &scoped(both), error(LACK), api, pull, sufficient(&[READ_PACKAGE])),
        (
            403,
            &scoped(""),
            error(LACK),
            api,
            pull,
            Some(lacks(&[], &[READ_PACKAGE])),
        ),
        (
            403,
            &scoped("write:package:bitbucket"),
            error(LACK),
            api,
            pull,
            Some(lacks(&[WRITE_PACKAGE], &[READ_PACKAGE])),
        ),
        (
            200,
            &scoped("read:user:bitbucket,read:repository:bitbucket"),
            "{}".to_owned(),
            api,
            push,
            Some(lacks(
                &["read:user:bitbucket", "read:repository:bitbucket"],
                &[READ_PACKAGE, WRITE_PACKAGE],
            )),
        ),
        (
            200,
            &[("x-oauth-scopes", READ_PACKAGE), ("x-oauth-scopes", WRITE_PACKAGE)],
            String::new(),
            api,
            push,
            sufficient(&[READ_PACKAGE, WRITE_PACKAGE]),
        ),
        // Known, but no more than that.
        (200, &[], String::new(), api, pull, Some(Diagnosis::Known)),
        (403, &[], error(LACK), api, pull, Some(Diagnosis::Known)),
        (403, &[api_token], String::new(), api, pull, Some(Diagnosis::Known)),
        // Nothing about the token.
        (
            403,
            &[],
            "<html>blocked by the proxy</html>".to_owned(),
            api,
            pull,
            None,
        ),
        (404, &scoped(both), error("Resource not found"), api, pull, None),
        (
            429,
            &[],
            error("Rate limit for this resource has been exceeded"),
            api,
            pull,
            None,
        ),
        (302, &[], String::new(), api, pull, None),
        (500, &[api_token], error("x"), api, pull, None),
        (503, &[], String::new(), api, pull, None),
    ] {
        let answer = answer(status, headers, &body);
        assert_eq!(
            diagnose(&answer, kind, needs_push),
            expected,
            "{answer:?} {kind:?} {needs_push}"
        );
    }
}

#[test]
fn what_others_say_is_bounded() {
    let many = vec!["x"; 5000].join(",");
    let answer = answer(403, &[("x-oauth-scopes", &many)], "[1]");
    assert_eq!(answer.scopes.unwrap().len(), MOST_SCOPES);
    let detail = r#"{"error":{"message":"m","detail":{"granted":["a\nERROR: b\u001b[2J"]}}}"#;
    let answer = UserAnswer::new(403, &HeaderMap::new(), detail.as_bytes());
    assert_eq!(answer.scopes, Some(words(&["a; ERROR: b\u{1b}[2J"])));
    assert!(!answer.scopes.unwrap()[0].as_str().contains('\u{1b}'));
}
