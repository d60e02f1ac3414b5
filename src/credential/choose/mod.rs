//! Which credentials may be tried, in which order: a pure decision over the variables, made before any connection.

use super::advice::{AccessTokenName, UnusableCredential, UnusableReason};
use super::kind::{Integrity, Prospect, TokenKind};
use super::value::{self, Meant};
use super::warning::Warning;
use super::{Choice, Credential, Source};
use crate::mistake::{Mistake, MistakeKind, Mistakes};
use crate::names::Host;
use crate::text::Secret;

/// The variables that decide about the credential.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Given<'a> {
    /// `CREDENTIAL`; `None` if unset, which is `auto`, but not for a strange host.
    pub choice: Option<Choice>,
    /// `ALLOW_UNSUPPORTED_TOKEN`.
    pub allow_unsupported: bool,
    /// `BITBUCKET_PACKAGES_USERNAME` and `BITBUCKET_PACKAGES_TOKEN`.
    pub built_in: WrittenPair<'a>,
    /// `ATLASSIAN_ACCOUNT_EMAIL` and `ATLASSIAN_API_TOKEN`.
    pub api_token: WrittenPair<'a>,
    /// `REGISTRY`: where the credential would go.
    pub registry: &'a Host,
    /// Whether a step of Pipelines runs this.
    pub in_pipe: bool,
    /// Whether the action writes to the registry.
    pub needs_push: bool,
    /// Whether it is used after the step, with which the built-in credential ends.
    pub outlives_step: bool,
}

/// The two variables of a source, as they were written; an empty value counts as unset.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WrittenPair<'a> {
    pub username: Option<&'a str>,
    pub token: Option<&'a Secret>,
}

impl WrittenPair<'_> {
    fn without_empty(self) -> Self {
        Self {
            username: self.username.filter(|username| !username.is_empty()),
            token: self.token.filter(|token| !token.expose().is_empty()),
        }
    }

    fn is_whole(self) -> bool {
        self.username.is_some() && self.token.is_some()
    }

    /// The credential that it is, with its token.
    fn of(self, source: Source, token: &Secret) -> Credential {
        Credential {
            source,
            username: self.username.unwrap_or_default().to_owned(),
            token: token.clone(),
        }
    }
}

/// The credentials of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Which sources were looked at.
    pub choice: Choice,
    /// Those that may be tried, in this order.
    pub candidates: Vec<Credential>,
    /// What is odd about them, for the log.
    pub warnings: Vec<Warning>,
    /// Those that cannot work and are sent nowhere.
    pub unusable: Vec<(Credential, UnusableCredential)>,
    /// Why there is neither of the two.
    pub absent: Option<UnusableCredential>,
}

impl Chosen {
    /// What ends a run before any connection is opened: a credential that cannot work, even if another one is there, for a
    /// user who set it means it to serve; or that there is none.
    #[must_use]
    pub(crate) fn ends_run(&self) -> Option<&UnusableCredential> {
        let unusable = self.unusable.iter().map(|(_, why)| why);
        unusable.chain(&self.absent).next()
    }
}

/// Decides which credentials may be tried.
///
/// # Errors
/// Values of a wrong form, half a pair, and a strange host without `CREDENTIAL`: a value of a wrong form tells nothing
/// about its kind.
pub(crate) fn choose(given: &Given<'_>) -> Result<Chosen, Mistakes> {
    let Sifted {
        candidates,
        warnings,
        mistakes,
        unusable,
    } = given.found();
    if let Some(mistakes) = Mistakes::of(mistakes) {
        return Err(mistakes);
    }
    let choice = given.choice();
    let none = if given.outlives_step {
        UnusableReason::EndsWithStep
    } else {
        UnusableReason::NoCredential {
            choice,
            in_pipe: given.in_pipe,
        }
    };
    let is_absent = candidates.is_empty() && unusable.is_empty();
    let unusable = unusable.into_iter();
    Ok(Chosen {
        choice,
        candidates,
        warnings,
        unusable: unusable
            .map(|(credential, reason)| (credential, given.because_of(reason)))
            .collect(),
        absent: is_absent.then(|| given.because_of(none)),
    })
}

impl<'a> Given<'a> {
    /// What the sources that may serve come to.
    fn found(&self) -> Sifted {
        let mut found = Sifted::default();
        if self.choice.is_none() && !self.registry.is_atlassian() && !self.registry.is_loopback() {
            found.mistakes.push(strange_host(self.registry));
        }
        for (source, pair) in self.looked_at() {
            match pair.token {
                Some(token) if source == Source::ApiToken && self.is_built_in(token) => {
                    let reason = if self.outlives_step {
                        UnusableReason::EndsWithStep
                    } else {
                        UnusableReason::BuiltInToken
                    };
                    found.unusable.push((pair.of(source, token), reason));
                }
                _ => found.look_at(source, pair, self.allow_unsupported),
            }
        }
        found
    }

    /// Whether the API token is the built-in one, as in `ATLASSIAN_API_TOKEN: $BITBUCKET_PACKAGES_TOKEN`. The other way
    /// round, with a token of the user's in both, what that token is tells more.
    fn is_built_in(&self, api_token: &Secret) -> bool {
        let token = api_token.expose();
        self.built_in.token == Some(api_token)
            && value::mistakes(Source::BuiltIn.token_variable(), token, Meant::BuiltInToken).is_empty()
            && judge_built_in(token, true).is_ok_and(|odd| odd.is_empty())
    }

    /// A reason with the advice for these variables.
    fn because_of(&self, reason: UnusableReason) -> UnusableCredential {
        UnusableCredential {
            alternative: self.alternative(&reason),
            reason,
            needs_push: self.needs_push,
        }
    }

    /// What `CREDENTIAL` lets serve.
    fn choice(&self) -> Choice {
        if self.outlives_step {
            Choice::ApiToken
        } else {
            self.choice.unwrap_or_default()
        }
    }

    /// The sources that `CREDENTIAL` lets serve, in order, with what they hold.
    fn looked_at(&self) -> Vec<(Source, WrittenPair<'a>)> {
        let (built_in, mut api_token) = (self.built_in.without_empty(), self.api_token.without_empty());
        let choice = self.choice();
        if choice == Choice::Auto && built_in.is_whole() && api_token.token.is_none() {
            // Workspaces set `ATLASSIAN_ACCOUNT_EMAIL` for other pipes.
            api_token = WrittenPair::default();
        }
        match choice {
            Choice::Auto => vec![(Source::BuiltIn, built_in), (Source::ApiToken, api_token)],
            Choice::BuiltIn => vec![(Source::BuiltIn, built_in)],
            Choice::ApiToken => vec![(Source::ApiToken, api_token)],
        }
    }

    /// The source that a refusal does not concern, if it would serve alone.
    fn alternative(&self, reason: &UnusableReason) -> Option<Source> {
        let (source, pair) = match reason {
            UnusableReason::TokenKind { .. } | UnusableReason::BuiltInToken | UnusableReason::Username { .. } => {
                (Source::BuiltIn, self.built_in)
            }
            UnusableReason::Shadowed { .. } => (Source::ApiToken, self.api_token),
            UnusableReason::EndsWithStep => return None,
            UnusableReason::NoCredential { choice, .. } => match choice {
                Choice::Auto => return None,
                Choice::BuiltIn => (Source::ApiToken, self.api_token),
                Choice::ApiToken => (Source::BuiltIn, self.built_in),
            },
        };
        let mut found = Sifted::default();
        found.look_at(source, pair.without_empty(), self.allow_unsupported);
        (!found.candidates.is_empty() && found.mistakes.is_empty()).then_some(source)
    }
}

/// What was found out, source by source.
#[derive(Default)]
struct Sifted {
    candidates: Vec<Credential>,
    warnings: Vec<Warning>,
    mistakes: Vec<Mistake>,
    unusable: Vec<(Credential, UnusableReason)>,
}

impl Sifted {
    fn look_at(&mut self, source: Source, pair: WrittenPair<'_>, allow_unsupported: bool) {
        let malformed = malformed(source, pair);
        if malformed.is_empty()
            && let Some(token) = pair.token
        {
            match judge(source, pair.username, token.expose(), allow_unsupported) {
                Ok(warnings) => self.warnings.extend(warnings),
                Err(reason) => {
                    // Said at once, though the user name may be missing: adding that would not help.
                    self.unusable.push((pair.of(source, token), reason));
                    return;
                }
            }
        }
        self.mistakes.extend(malformed);
        match (pair.username, pair.token) {
            (Some(_), Some(token)) => self.candidates.push(pair.of(source, token)),
            (Some(_), None) => self.mistakes.push(missing(source.token_variable(), source)),
            (None, Some(_)) => self.mistakes.push(missing(source.username_variable(), source)),
            (None, None) => {}
        }
    }
}

/// What the kind of a token and its user name mean: warnings, or the reason for which it is not tried.
fn judge(
    source: Source,
    username: Option<&str>,
    token: &str,
    allow_unsupported: bool,
) -> Result<Vec<Warning>, UnusableReason> {
    match source {
        Source::BuiltIn => judge_built_in(token, allow_unsupported),
        Source::ApiToken => judge_api_token(username, token, allow_unsupported),
        // Another registry's: what it takes is not ours to judge.
        Source::Foreign => Ok(Vec::new()),
    }
}

/// The built-in token's shape is not documented, so only what plainly is something else counts. JSON Web Tokens and
/// ECR's passwords do not: Atlassian may use either. Its user name is not judged at all.
fn judge_built_in(token: &str, allow_unsupported: bool) -> Result<Vec<Warning>, UnusableReason> {
    let kind = TokenKind::of(token);
    let prefix = prefix(token);
    match kind {
        TokenKind::UserApiToken => Ok(vec![Warning::ApiTokenAsBuiltIn]),
        TokenKind::AccessToken | TokenKind::AppPassword | TokenKind::DataCenterToken if allow_unsupported => {
            Ok(vec![Warning::KindAllowed {
                source: Source::BuiltIn,
                kind,
                prefix,
            }])
        }
        TokenKind::AccessToken
        | TokenKind::AppPassword
        | TokenKind::DataCenterToken
        | TokenKind::AwsAccessKey
        | TokenKind::DockerHub
        | TokenKind::GitHub
        | TokenKind::GitLab
        | TokenKind::Npm => Err(UnusableReason::Shadowed { kind, prefix }),
        TokenKind::ServiceAccountToken
        | TokenKind::PipelinesOidc
        | TokenKind::AtlassianJwt
        | TokenKind::OtherJwt
        | TokenKind::EcrPassword
        | TokenKind::OldApiToken
        | TokenKind::Unknown => Ok(Vec::new()),
    }
}

fn judge_api_token(
    username: Option<&str>,
    token: &str,
    allow_unsupported: bool,
) -> Result<Vec<Warning>, UnusableReason> {
    let kind = TokenKind::of(token);
    let mut warnings = Vec::new();
    match kind.standing() {
        Prospect::Works => {}
        Prospect::Doubtful => warnings.push(match kind {
            TokenKind::ServiceAccountToken => Warning::ServiceAccount,
            TokenKind::OldApiToken => Warning::OldApiToken,
            _ => Warning::UnknownShape,
        }),
        Prospect::Unsupported if allow_unsupported => warnings.push(Warning::KindAllowed {
            source: Source::ApiToken,
            kind,
            prefix: prefix(token),
        }),
        Prospect::Unsupported | Prospect::Foreign => {
            return Err(UnusableReason::TokenKind {
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
            Name::AccessToken(name) if !allow_unsupported => return Err(UnusableReason::Username { name }),
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

fn malformed(source: Source, pair: WrittenPair<'_>) -> Vec<Mistake> {
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
    Mistake::unshown(
        MistakeKind::HalfCredential,
        variable,
        format!("it is not set, but `{other}` is"),
        cure,
    )
}

fn strange_host(registry: &Host) -> Mistake {
    Mistake::unshown(
        MistakeKind::StrangeHost,
        "CREDENTIAL",
        format!(
            "`REGISTRY` is `{registry}`, which is neither a host under `apkg.io` nor this machine, and no token goes to \
             a strange host by default"
        ),
        "set it to `built-in`, `api-token` or `auto` if that host may have the token",
    )
}

#[cfg(test)]
pub(crate) mod tests;
