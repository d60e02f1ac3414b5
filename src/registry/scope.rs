//! Scopes: what a token is asked for, and what one was granted.
//!
//! Form: "Docker Registry v2 authentication", Token Scope (`repository:<name>:pull,push`).

use crate::credential::jwt::Jwt;
use crate::names::Repository;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// What may be done to one repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Access {
    /// Read manifests and blobs.
    Pull,
    /// Read, and write manifests and blobs.
    PullPush,
    /// Read, and delete manifests.
    PullDelete,
}

impl Access {
    /// The actions as the token server knows them.
    #[must_use]
    pub(crate) const fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Pull => &["pull"],
            Self::PullPush => &["pull", "push"],
            Self::PullDelete => &["pull", "delete"],
        }
    }
}

/// The rights a run needs on repositories of one registry, by path. Empty for a mere sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Scopes(BTreeMap<String, Access>);

impl Scopes {
    /// No repository: to see whether a credential is taken at all.
    #[must_use]
    pub(crate) fn none() -> Self {
        Self::default()
    }

    #[must_use]
    pub(crate) fn of(repository: &Repository, access: Access) -> Self {
        Self(BTreeMap::from([(repository.path().to_owned(), access)]))
    }

    /// These and others.
    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        for (path, access) in &other.0 {
            let held = self.0.entry(path.clone()).or_insert(*access);
            *held = (*held).max(*access);
        }
        self
    }

    /// Whether one repository is to be changed.
    #[must_use]
    pub(crate) fn writes(&self, repository: &Repository) -> bool {
        let access = self.0.get(repository.path());
        access.is_some_and(|access| *access != Access::Pull)
    }

    /// Whether one repository is to be deleted from.
    #[must_use]
    pub(crate) fn deletes(&self, repository: &Repository) -> bool {
        self.0.get(repository.path()) == Some(&Access::PullDelete)
    }

    /// The `scope` parameters of a token request.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = String> + '_ {
        self.0
            .iter()
            .map(|(path, access)| format!("repository:{path}:{}", access.actions().join(",")))
    }

    /// The actions asked for that `granted` is known to lack, as `push on shop/base`.
    #[must_use]
    pub(crate) fn shortfall(&self, granted: &Granted) -> Vec<String> {
        let Granted::Known(granted) = granted else {
            return Vec::new();
        };
        let mut missing = Vec::new();
        for (path, access) in &self.0 {
            for action in access.actions() {
                let has = |actions: &Vec<String>| actions.iter().any(|a| a == action || a == "*");
                if !granted.get(path).is_some_and(has) {
                    missing.push(format!("`{action}` on `{path}`"));
                }
            }
        }
        missing
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parameters().collect::<Vec<_>>().join(" "))
    }
}

/// What a token says it grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Granted {
    /// The token is opaque, or speaks of rights in words that we do not know: proves nothing either way.
    #[default]
    Unknown,
    /// Actions by repository path.
    Known(BTreeMap<String, Vec<String>>),
}

#[derive(Deserialize)]
struct Claims {
    access: Option<Vec<AccessEntry>>,
}

#[derive(Deserialize)]
struct AccessEntry {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    actions: Option<Vec<String>>,
}

impl Granted {
    /// Reads the `access` claim of a JWT ("Docker Registry v2 Bearer token specification"). The signature is the registry's to check.
    /// A claim that names other repositories only is unknown: a registry may name resources otherwise inside its tokens.
    #[must_use]
    pub(crate) fn of_token(token: &str, asked: &Scopes) -> Self {
        let claims = Jwt::of(token).and_then(Jwt::claims);
        let Some(Claims { access: Some(entries) }) = claims else {
            return Self::Unknown;
        };
        let mut granted = BTreeMap::new();
        let any = !entries.is_empty();
        for entry in entries.into_iter().filter(|entry| entry.kind == "repository") {
            granted
                .entry(entry.name)
                .or_insert_with(Vec::new)
                .extend(entry.actions.unwrap_or_default());
        }
        if any && !asked.0.keys().any(|path| granted.contains_key(path)) {
            return Self::Unknown;
        }
        Self::Known(granted)
    }

    /// The actions on one repository; `None` where they are unknown.
    #[must_use]
    pub(crate) fn actions(&self, repository: &Repository) -> Option<&[String]> {
        match self {
            Self::Unknown => None,
            Self::Known(granted) => Some(granted.get(repository.path()).map_or(&[], Vec::as_slice)),
        }
    }

    /// `pull`, `pull,push` or `nothing`, for one repository; `None` where it is unknown.
    #[must_use]
    pub(crate) fn on(&self, repository: &Repository) -> Option<String> {
        Some(match self.actions(repository)? {
            [] => "nothing".to_owned(),
            actions => {
                let quoted = actions
                    .iter()
                    .map(|action| crate::text::Quoted::new(action).to_string());
                quoted.collect::<Vec<_>>().join(",")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Host;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn base() -> Repository {
        Repository::new(Host::parse("crg.apkg.io").unwrap(), "shop/base").unwrap()
    }

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_request_names_each_repository_once() {
        assert_eq!(
            Scopes::of(&base(), Access::PullPush).to_string(),
            "repository:shop/base:pull,push"
        );
        assert_eq!(Scopes::none().to_string(), "");
    }

    #[test]
    fn who_copies_writes_to_the_target_alone() {
        let target = Repository::new(Host::parse("crg.apkg.io").unwrap(), "shop/api").unwrap();
        let scopes = Scopes::of(&base(), Access::Pull).and(&Scopes::of(&target, Access::PullPush));
        assert!(scopes.writes(&target));
        assert!(!scopes.writes(&base()));
        // Within one repository both are asked for.
        assert!(scopes.and(&Scopes::of(&base(), Access::PullPush)).writes(&base()));
        assert!(!Scopes::none().writes(&base()));
    }

    #[test]
    fn only_a_readable_claim_proves_that_a_right_is_missing() {
        let asked = Scopes::of(&base(), Access::PullPush);
        for (token, missing) in [
            ("opaque".to_owned(), 0),
            ("a.b.c".to_owned(), 0),
            (jwt("{}"), 0),
            (jwt(r#"{"access":"all"}"#), 0),
            (
                jwt(r#"{"access":[{"type":"repository","name":"id-17","actions":["pull"]}]}"#),
                0,
            ),
            (jwt(r#"{"access":[]}"#), 2),
            (jwt(r#"{"access":[{"type":"repository","name":"shop/base"}]}"#), 2),
            (
                jwt(r#"{"access":[{"type":"repository","name":"shop/base","actions":["pull"]}]}"#),
                1,
            ),
            (
                jwt(r#"{"access":[{"type":"repository","name":"shop/base","actions":["*"]}]}"#),
                0,
            ),
            (
                jwt(r#"{"access":[{"type":"repository","name":"shop/base","actions":["push","pull"]}]}"#),
                0,
            ),
        ] {
            assert_eq!(
                asked.shortfall(&Granted::of_token(&token, &asked)).len(),
                missing,
                "{token}"
            );
        }
    }

    #[test]
    fn what_was_granted_is_said_in_words() {
        let asked = Scopes::of(&base(), Access::PullPush);
        let granted = Granted::of_token(
            &jwt(r#"{"access":[{"type":"repository","name":"shop/base","actions":["pull"]}]}"#),
            &asked,
        );
        assert_eq!(granted.on(&base()).as_deref(), Some("pull"));
        assert_eq!(asked.shortfall(&granted), ["`push` on `shop/base`"]);
        assert_eq!(Granted::Known(BTreeMap::new()).on(&base()).as_deref(), Some("nothing"));
        assert_eq!(Granted::Unknown.on(&base()), None);
    }
}
