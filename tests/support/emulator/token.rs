//! The token endpoint: GET with Basic, as `docker login` asks, and POST as OAuth 2 asks; and the tokens it gave out.

use super::State;
use super::accounts::{Action, Identity};
use super::answer::{Answer, Asked};
use super::settings::{Combined, TokenForm};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// `service` of the challenge and the tokens.
pub(super) const SERVICE: &str = "crg.emulator";

/// One repository's part of a token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub package: String,
    pub actions: Vec<Action>,
}

impl Scope {
    /// `repository:NAME:pull,push`; other kinds and actions are nothing to us.
    fn parse(text: &str) -> Option<Self> {
        let (package, actions) = text.strip_prefix("repository:")?.rsplit_once(':')?;
        let action = |name| match name {
            "pull" => Some(Action::Pull),
            "push" => Some(Action::Push),
            "delete" => Some(Action::Delete),
            _ => None,
        };
        Some(Self {
            package: package.to_owned(),
            actions: actions.split(',').filter_map(action).collect(),
        })
    }

    fn has(list: &[Self], package: &str, action: Action) -> bool {
        list.iter()
            .any(|scope| scope.package == package && scope.actions.contains(&action))
    }
}

/// What a token stands for.
struct Grant {
    asked: Vec<Scope>,
    granted: Vec<Scope>,
    expires: Instant,
}

/// What a token says of one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// No such token, or expired.
    NoToken,
    /// Nobody asked for it when the token was made.
    NotAsked,
    /// It was asked for and not granted.
    NotGranted,
    Granted,
}

/// The tokens given out.
#[derive(Default)]
pub(super) struct Issued {
    grants: HashMap<String, Grant>,
    count: usize,
    last: Option<String>,
}

impl Issued {
    pub(super) fn expire_all(&mut self) {
        self.grants.clear();
    }

    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    pub(super) fn is_valid(&self, token: &str) -> bool {
        self.grants
            .get(token)
            .is_some_and(|grant| grant.expires > Instant::now())
    }

    pub(super) fn right(&self, token: &str, package: &str, action: Action) -> Right {
        match self.grants.get(token) {
            Some(grant) if grant.expires > Instant::now() => {
                if Scope::has(&grant.granted, package, action) {
                    Right::Granted
                } else if Scope::has(&grant.asked, package, action) {
                    Right::NotGranted
                } else {
                    Right::NotAsked
                }
            }
            _ => Right::NoToken,
        }
    }
}

/// Name and secret of a `Basic` header.
pub(super) fn basic(asked: &Asked) -> Option<(String, String)> {
    let (scheme, rest) = asked.header("authorization")?.split_once(' ')?;
    let decoded = STANDARD.decode(rest.trim()).ok()?;
    let (name, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (name.to_owned(), secret.to_owned()))
}

/// Answers the token endpoint.
pub(super) fn answer(state: &mut State, asked: &Asked) -> Answer {
    let (fields, credential) = match asked.method {
        Method::GET => (asked.query.clone(), basic(asked)),
        Method::POST if state.settings.oauth2 => {
            let fields = asked.form();
            let field = |name: &str| {
                fields
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.clone())
            };
            match field("grant_type").as_deref() {
                Some("password") => {
                    let credential = field("username").zip(field("password"));
                    (fields, credential)
                }
                _ => return Answer::new(400).json(&json!({ "error": "unsupported_grant_type" })),
            }
        }
        _ => return Answer::new(405),
    };
    let identity = match credential {
        Some((name, secret)) => state.accounts.identify(&name, &secret),
        None => state.settings.public.then_some(Identity::Anyone),
    };
    let Some(identity) = identity else {
        return state.settings.unknown_credential.clone();
    };
    let wanted = fields.iter().filter(|(key, _)| key == "scope");
    let wanted: Vec<Scope> = wanted
        .flat_map(|(_, value)| value.split(' '))
        .filter_map(Scope::parse)
        .collect();
    if wanted.len() > 1 && state.settings.combined == Combined::Refused {
        return Answer::error(400, "UNSUPPORTED", "one repository a token");
    }
    issue(state, &identity, wanted)
}

fn issue(state: &mut State, identity: &Identity, asked: Vec<Scope>) -> Answer {
    let only_first = state.settings.combined == Combined::OnlyFirst;
    let granted: Vec<Scope> = asked
        .iter()
        .enumerate()
        .map(|(number, scope)| Scope {
            package: scope.package.clone(),
            actions: scope
                .actions
                .iter()
                .copied()
                .filter(|&action| !(only_first && number > 0) && state.accounts.may(identity, &scope.package, action))
                .collect(),
        })
        .collect();
    state.issued.count += 1;
    let lifetime = state.settings.token_lifetime;
    let id = format!(
        "{:x?}",
        Sha256::digest(format!("{} {:?}", state.issued.count, SystemTime::now()))
    );
    let id: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    let token = match state.settings.token_form {
        TokenForm::Opaque => id,
        TokenForm::Jwt => jwt(&id, identity, &granted, lifetime),
    };
    let grant = Grant {
        asked,
        granted,
        expires: Instant::now() + Duration::from_secs(lifetime),
    };
    state.issued.grants.insert(token.clone(), grant);
    state.issued.last = Some(token.clone());
    let mut body = json!({ "token": token, "access_token": token });
    if state.settings.tells_lifetime {
        body["expires_in"] = json!(lifetime);
    }
    Answer::new(200).json(&body)
}

/// A token in the JWT form of the distribution project's token specification; nobody checks its signature.
fn jwt(id: &str, identity: &Identity, granted: &[Scope], lifetime: u64) -> String {
    let access: Vec<_> = granted
        .iter()
        .map(|scope| {
            let names: Vec<_> = scope
                .actions
                .iter()
                .map(|action| match action {
                    Action::Pull => "pull",
                    Action::Push => "push",
                    Action::Delete => "delete",
                })
                .collect();
            json!({ "type": "repository", "name": scope.package, "actions": names })
        })
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let header = json!({ "typ": "JWT", "alg": "ES256", "kid": "emulator" });
    let claims = json!({
        "iss": "emulator", "sub": identity.name(), "aud": SERVICE,
        "iat": now, "nbf": now, "exp": now + lifetime, "jti": id, "access": access,
    });
    let signature = [Sha256::digest(id), Sha256::digest(claims.to_string())].concat();
    [
        header.to_string().into_bytes(),
        claims.to_string().into_bytes(),
        signature,
    ]
    .map(|part| URL_SAFE_NO_PAD.encode(part))
    .join(".")
}
