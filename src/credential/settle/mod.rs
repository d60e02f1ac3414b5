//! Which credentials may be tried, in which order: a pure decision over the variables, made before any connection.

use super::advice::{AccessTokenName, Reason, Refusal};
use super::kind::{Integrity, Kind, Standing};
use super::value::{self, Meant};
use super::warning::Warning;
use super::{Choice, Credential, Source};
use crate::mistake::Mistake;
use crate::names::Host;
use crate::text::Secret;
use std::fmt;

/// The variables that decide about the credential.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    /// `CREDENTIAL`; `None` if unset, which is `auto`, but not for a strange host.
    pub choice: Option<Choice>,
    /// `ALLOW_UNSUPPORTED_TOKEN`.
    pub allow_unsupported: bool,
    /// `BITBUCKET_PACKAGES_USERNAME` and `BITBUCKET_PACKAGES_TOKEN`.
    pub built_in: Pair<'a>,
    /// `ATLASSIAN_ACCOUNT_EMAIL` and `ATLASSIAN_API_TOKEN`.
    pub api_token: Pair<'a>,
    /// `REGISTRY`: where the credential would go.
    pub registry: &'a Host,
    /// Whether a step of Pipelines runs this.
    pub in_pipe: bool,
    /// Whether the action writes to the registry.
    pub needs_push: bool,
}

/// The two variables of a source, as they came; an empty value counts as unset.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pair<'a> {
    /// The user name.
    pub username: Option<&'a str>,
    /// The token.
    pub token: Option<&'a Secret>,
}

impl<'a> Pair<'a> {
    fn without_empty(self) -> Self {
        Self {
            username: self.username.filter(|username| !username.is_empty()),
            token: self.token.filter(|token| !token.expose().is_empty()),
        }
    }

    fn both(self) -> Option<(&'a str, &'a Secret)> {
        self.username.zip(self.token)
    }
}

/// What the run may sign in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// At least one, in the order in which they are tried.
    pub candidates: Vec<Credential>,
    /// What is odd about them, for the log.
    pub warnings: Vec<Warning>,
}

/// Why a run ends before any connection is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsettled {
    /// Variables that must be mended (exit status 2).
    Mistakes(Vec<Mistake>),
    /// A credential that cannot work, or none (exit status 3).
    Refusal(Box<Refusal>),
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistakes(mistakes) => {
                let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Refusal(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Unsettled {}

/// Decides which credentials may be tried.
///
/// # Errors
/// [`Unsettled::Mistakes`] for values of a wrong form, half a pair, and a strange host without `CREDENTIAL`; else
/// [`Unsettled::Refusal`] for a credential that cannot work, even if another one is there: a user who set it means it
/// to serve. Mistakes come first, for a value of a wrong form tells nothing about its kind.
pub fn settle(given: &Given<'_>) -> Result<Settled, Unsettled> {
    let found = given.found();
    if !found.mistakes.is_empty() {
        return Err(Unsettled::Mistakes(found.mistakes));
    }
    let reason = match found.refused.into_iter().next() {
        Some(reason) => reason,
        None if found.candidates.is_empty() => given.none(),
        None => {
            return Ok(Settled {
                candidates: found.candidates,
                warnings: found.warnings,
            });
        }
    };
    Err(Unsettled::Refusal(Box::new(given.refusal(reason))))
}

impl<'a> Given<'a> {
    /// What the sources that may serve come to.
    pub(super) fn found(&self) -> Found {
        let mut found = Found::default();
        if self.choice.is_none() && !self.registry.is_atlassian() && !self.registry.is_loopback() {
            found.mistakes.push(strange_host(self.registry));
        }
        for (source, pair) in self.looked_at() {
            if source == Source::ApiToken && self.is_built_in(pair) {
                found.refused.push(Reason::BuiltInToken);
                continue;
            }
            found.look_at(source, pair, self.allow_unsupported);
        }
        found
    }

    /// Whether the API token is the built-in one, as in `ATLASSIAN_API_TOKEN: $BITBUCKET_PACKAGES_TOKEN`. The other way
    /// round, with a token of the user's in both, what that token is tells more.
    fn is_built_in(&self, api_token: Pair<'_>) -> bool {
        let (built_in, api_token) = (self.built_in.without_empty().token, api_token.token);
        let same = built_in.filter(|built_in| api_token == Some(*built_in));
        same.is_some_and(|token| {
            let is_well_formed = value::mistakes(Source::BuiltIn.token_variable(), token.expose(), Meant::BuiltInToken);
            is_well_formed.is_empty() && judge_built_in(token.expose(), true).is_ok_and(|odd| odd.is_empty())
        })
    }

    /// The reason where there is no credential at all.
    pub(super) fn none(&self) -> Reason {
        Reason::NoCredential {
            choice: self.choice.unwrap_or_default(),
            in_pipe: self.in_pipe,
        }
    }

    /// A reason with the advice for these variables.
    pub(super) fn refusal(&self, reason: Reason) -> Refusal {
        Refusal {
            alternative: self.alternative(&reason),
            reason,
            needs_push: self.needs_push,
        }
    }

    /// The sources that `CREDENTIAL` lets serve, in order, with what they hold.
    fn looked_at(&self) -> Vec<(Source, Pair<'a>)> {
        let (built_in, mut api_token) = (self.built_in.without_empty(), self.api_token.without_empty());
        let choice = self.choice.unwrap_or_default();
        if choice == Choice::Auto && built_in.both().is_some() && api_token.token.is_none() {
            // Workspaces set `ATLASSIAN_ACCOUNT_EMAIL` for other pipes.
            api_token = Pair::default();
        }
        match choice {
            Choice::Auto => vec![(Source::BuiltIn, built_in), (Source::ApiToken, api_token)],
            Choice::BuiltIn => vec![(Source::BuiltIn, built_in)],
            Choice::ApiToken => vec![(Source::ApiToken, api_token)],
        }
    }

    /// The source that a refusal does not concern, if it would serve alone.
    fn alternative(&self, reason: &Reason) -> Option<Source> {
        let (source, pair) = match reason {
            Reason::TokenKind { .. } | Reason::BuiltInToken | Reason::Username { .. } => {
                (Source::BuiltIn, self.built_in)
            }
            Reason::Shadowed { .. } => (Source::ApiToken, self.api_token),
            Reason::NoCredential { choice, .. } => match choice {
                Choice::Auto => return None,
                Choice::BuiltIn => (Source::ApiToken, self.api_token),
                Choice::ApiToken => (Source::BuiltIn, self.built_in),
            },
        };
        let mut found = Found::default();
        found.look_at(source, pair.without_empty(), self.allow_unsupported);
        (!found.candidates.is_empty() && found.mistakes.is_empty()).then_some(source)
    }
}

/// What was found out, source by source.
#[derive(Default)]
pub(super) struct Found {
    pub(super) candidates: Vec<Credential>,
    pub(super) warnings: Vec<Warning>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) refused: Vec<Reason>,
}

impl Found {
    fn look_at(&mut self, source: Source, pair: Pair<'_>, allow_unsupported: bool) {
        let malformed = malformed(source, pair);
        if malformed.is_empty()
            && let Some(token) = pair.token
        {
            match judge(source, pair.username, token.expose(), allow_unsupported) {
                Ok(warnings) => self.warnings.extend(warnings),
                Err(reason) => {
                    // Said at once, though the user name may be missing: adding that would not help.
                    self.refused.push(reason);
                    return;
                }
            }
        }
        self.mistakes.extend(malformed);
        match (pair.username, pair.token) {
            (Some(username), Some(token)) => self.candidates.push(Credential {
                source,
                username: username.to_owned(),
                token: token.clone(),
            }),
            (Some(_), None) => self.mistakes.push(missing(source.token_variable(), source)),
            (None, Some(_)) => self.mistakes.push(missing(source.username_variable(), source)),
            (None, None) => {}
        }
    }
}

/// What the kind of a token and its user name mean: warnings, or the reason for which it is not tried.
fn judge(source: Source, username: Option<&str>, token: &str, allow_unsupported: bool) -> Result<Vec<Warning>, Reason> {
    match source {
        Source::BuiltIn => judge_built_in(token, allow_unsupported),
        Source::ApiToken => judge_api_token(username, token, allow_unsupported),
        // Another registry's: what it takes is not ours to judge.
        Source::Foreign => Ok(Vec::new()),
    }
}

/// The built-in token's shape is not documented, so only what plainly is something else counts. JSON Web Tokens and
/// ECR's passwords do not: Atlassian may use either. Its user name is not judged at all.
fn judge_built_in(token: &str, allow_unsupported: bool) -> Result<Vec<Warning>, Reason> {
    let kind = Kind::of(token);
    let prefix = prefix(token);
    match kind {
        Kind::UserApiToken => Ok(vec![Warning::ApiTokenAsBuiltIn]),
        Kind::AccessToken | Kind::AppPassword | Kind::DataCenterToken if allow_unsupported => {
            Ok(vec![Warning::KindAllowed {
                source: Source::BuiltIn,
                kind,
                prefix,
            }])
        }
        Kind::AccessToken
        | Kind::AppPassword
        | Kind::DataCenterToken
        | Kind::AwsAccessKey
        | Kind::DockerHub
        | Kind::GitHub
        | Kind::GitLab
        | Kind::Npm => Err(Reason::Shadowed { kind, prefix }),
        Kind::ServiceAccountToken
        | Kind::PipelinesOidc
        | Kind::AtlassianJwt
        | Kind::OtherJwt
        | Kind::EcrPassword
        | Kind::OldApiToken
        | Kind::Unknown => Ok(Vec::new()),
    }
}

fn judge_api_token(username: Option<&str>, token: &str, allow_unsupported: bool) -> Result<Vec<Warning>, Reason> {
    let kind = Kind::of(token);
    let mut warnings = Vec::new();
    match kind.standing() {
        Standing::Works => {}
        Standing::Doubtful => warnings.push(match kind {
            Kind::ServiceAccountToken => Warning::ServiceAccount,
            Kind::OldApiToken => Warning::OldApiToken,
            _ => Warning::UnknownShape,
        }),
        Standing::Unsupported if allow_unsupported => warnings.push(Warning::KindAllowed {
            source: Source::ApiToken,
            kind,
            prefix: prefix(token),
        }),
        Standing::Unsupported | Standing::Foreign => {
            return Err(Reason::TokenKind {
                kind,
                prefix: prefix(token),
            });
        }
    }
    let length = token.len();
    match Integrity::of(token) {
        Integrity::Mismatch => warnings.push(Warning::Altered { length }),
        Integrity::CutOff => warnings.push(Warning::CutOff { length }),
        Integrity::Good | Integrity::NotChecked => {}
    }
    if let Some(username) = username {
        match judge_username(username) {
            Name::AccessToken(name) if !allow_unsupported => return Err(Reason::Username { name }),
            Name::AccessToken(name) => warnings.push(Warning::UsernameAllowed { name }),
            Name::Odd(warning) if warnings.contains(&warning) => {}
            Name::Odd(warning) => warnings.push(warning),
            Name::Email => {}
        }
    }
    Ok(warnings)
}

/// What the user name beside an API token is.
enum Name {
    Email,
    Odd(Warning),
    AccessToken(AccessTokenName),
}

fn judge_username(username: &str) -> Name {
    if let Some(name) = AccessTokenName::of(username) {
        return Name::AccessToken(name);
    }
    if username.to_ascii_lowercase().ends_with("@serviceaccount.atlassian.com") {
        Name::Odd(Warning::ServiceAccount)
    } else if username.eq_ignore_ascii_case("x-bitbucket-api-token-auth") {
        Name::Odd(Warning::GitUsername)
    } else if username.contains('@') {
        Name::Email
    } else {
        Name::Odd(Warning::NoEmail)
    }
}

fn prefix(token: &str) -> String {
    token.chars().take(4).collect()
}

fn malformed(source: Source, pair: Pair<'_>) -> Vec<Mistake> {
    let meant = match source {
        Source::BuiltIn | Source::Foreign => Meant::BuiltInToken,
        Source::ApiToken => Meant::ApiToken,
    };
    let username = pair
        .username
        .map(|username| value::mistakes(source.username_variable(), username, Meant::Username));
    let token = pair
        .token
        .map(|token| value::mistakes(source.token_variable(), token.expose(), meant));
    [username, token].into_iter().flatten().flatten().collect()
}

fn missing(variable: &str, source: Source) -> Mistake {
    let cure = match source {
        Source::BuiltIn => format!("write `{variable}: ${variable}` too: Pipelines sets both in every step"),
        Source::ApiToken if variable == source.username_variable() => {
            "set it to the Atlassian account email of the user who made the token".to_owned()
        }
        Source::Foreign => format!(
            "write both `{}` and `{}`",
            source.username_variable(),
            source.token_variable()
        ),
        Source::ApiToken => "store an API token with scopes there, as a secured workspace variable".to_owned(),
    };
    let other = if variable == source.username_variable() {
        source.token_variable()
    } else {
        source.username_variable()
    };
    Mistake::unshown(variable, format!("it is not set, but `{other}` is"), cure)
}

fn strange_host(registry: &Host) -> Mistake {
    Mistake::unshown(
        "CREDENTIAL",
        format!(
            "`REGISTRY` is `{registry}`, which is neither a host under `apkg.io` nor this machine, and no token goes to \
             a strange host by default"
        ),
        "set it to `built-in`, `api-token` or `auto` if that host may have the token",
    )
}

#[cfg(test)]
mod tests;
