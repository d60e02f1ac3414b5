//! What a user is told when a credential cannot work: which kind it is and how that was told, why it cannot work, the
//! steps to one that does, the lines to write and the page to read. At most a screen, and never more of a token than
//! its first four characters, which are the same in all tokens of its kind.

use super::kind::TokenKind;
use super::{Choice, Source};
use std::fmt;

/// Atlassian's page on packages, which names the credentials that serve.
pub(crate) const PACKAGES_PAGE: &str = "https://support.atlassian.com/bitbucket-cloud/docs/set-up-and-use-packages/";
/// Atlassian's page on API tokens.
pub(crate) const API_TOKENS_PAGE: &str = "https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens";

/// A credential that cannot work, or that is not there: told before any connection is opened (exit status 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnusableCredential {
    /// What is the matter.
    pub reason: UnusableReason,
    /// A credential that is there, is not used as things stand, and may serve if `CREDENTIAL` names it.
    pub alternative: Option<Source>,
    /// Whether the action writes to the registry, which takes one more scope.
    pub needs_push: bool,
}

/// Why a credential cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UnusableReason {
    /// `ATLASSIAN_API_TOKEN` holds a token of another kind.
    TokenKind {
        kind: TokenKind,
        /// The token's first four characters.
        prefix: String,
    },
    /// `ATLASSIAN_API_TOKEN` holds the value of `BITBUCKET_PACKAGES_TOKEN`, which is to go nowhere but to the registry.
    BuiltInToken,
    /// `ATLASSIAN_ACCOUNT_EMAIL` holds a name that belongs to access tokens.
    Username { name: AccessTokenName },
    /// `BITBUCKET_PACKAGES_TOKEN` plainly holds something that Pipelines does not put there.
    Shadowed {
        kind: TokenKind,
        /// The token's first four characters.
        prefix: String,
    },
    /// What is used after the step needs an API token, and there is at most the built-in credential.
    EndsWithStep,
    /// No variable holds a credential that `CREDENTIAL` lets serve.
    NoCredential {
        /// What `CREDENTIAL` lets serve.
        choice: Choice,
        /// Whether a pipeline step runs this, so that there is a built-in credential to hand over.
        in_pipe: bool,
    },
}

/// A user name that belongs to access tokens, in Git only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AccessTokenName {
    /// `x-token-auth`.
    TokenAuth,
    /// An address at `bots.bitbucket.org`.
    Bot,
}

impl AccessTokenName {
    /// Recognises the two; `None` for every other user name.
    #[must_use]
    pub(crate) fn of(username: &str) -> Option<Self> {
        let username = username.to_ascii_lowercase();
        if username == "x-token-auth" {
            Some(Self::TokenAuth)
        } else if username.ends_with("@bots.bitbucket.org") {
            Some(Self::Bot)
        } else {
            None
        }
    }
}

impl fmt::Display for AccessTokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TokenAuth => "`x-token-auth`",
            Self::Bot => "an address at `bots.bitbucket.org`",
        })
    }
}

impl UnusableCredential {
    /// The fact, in one line.
    #[must_use]
    pub(crate) fn message(&self) -> String {
        match &self.reason {
            UnusableReason::TokenKind { kind, .. } => {
                format!("`ATLASSIAN_API_TOKEN` holds {kind}, which does not work in Bitbucket's container registry")
            }
            UnusableReason::BuiltInToken => {
                "`ATLASSIAN_API_TOKEN` holds the value of `BITBUCKET_PACKAGES_TOKEN`: it is the built-in token, not an API token"
                    .to_owned()
            }
            UnusableReason::Username { name } => {
                format!("`ATLASSIAN_ACCOUNT_EMAIL` is {name}, which is not the email of an Atlassian account")
            }
            UnusableReason::Shadowed { kind, .. } => {
                format!("`BITBUCKET_PACKAGES_TOKEN` holds {kind}: a variable of your own hides the built-in one")
            }
            UnusableReason::EndsWithStep => {
                "a pull secret needs an API token: the built-in credential ends with the step".to_owned()
            }
            UnusableReason::NoCredential { choice, .. } => match choice {
                Choice::Auto => "there is no credential: neither the built-in one nor an API token is set".to_owned(),
                Choice::BuiltIn => {
                    "`CREDENTIAL` is `built-in`, but the built-in credential did not reach the pipe".to_owned()
                }
                Choice::ApiToken => "`CREDENTIAL` is `api-token`, but no API token is set".to_owned(),
            },
        }
    }

    /// Which variable holds what, in a few words.
    #[must_use]
    pub(crate) fn found(&self) -> String {
        match &self.reason {
            UnusableReason::TokenKind { kind, .. } => format!("`ATLASSIAN_API_TOKEN` holds {kind}"),
            UnusableReason::BuiltInToken => "`ATLASSIAN_API_TOKEN` holds the built-in token".to_owned(),
            UnusableReason::Username { name } => format!("`ATLASSIAN_ACCOUNT_EMAIL` is {name}"),
            UnusableReason::Shadowed { kind, .. } => format!("`BITBUCKET_PACKAGES_TOKEN` holds {kind}"),
            UnusableReason::EndsWithStep => "there is no API token".to_owned(),
            UnusableReason::NoCredential { .. } => "there is no credential".to_owned(),
        }
    }

    /// Why, and what to do: several lines, without a line break at the end. Together with [`UnusableCredential::message`] at most
    /// 22 lines of 120 characters.
    #[must_use]
    pub(crate) fn hint(&self) -> String {
        let mut lines = match &self.reason {
            UnusableReason::TokenKind { kind, prefix } => vec![why(*kind).to_owned(), evidence(*kind, prefix)],
            UnusableReason::BuiltInToken => why_built_in_token().map(str::to_owned).into(),
            UnusableReason::Username { name } => vec![why_username(*name).to_owned()],
            UnusableReason::Shadowed { kind, prefix } => why_shadowed(*kind, prefix),
            UnusableReason::EndsWithStep => {
                vec![
                    "A cluster that pulls later would be refused; `ATLASSIAN_API_TOKEN` lasts until it expires"
                        .to_owned(),
                ]
            }
            UnusableReason::NoCredential { choice, in_pipe } => why_none(*choice, *in_pipe),
        };
        lines.extend(self.alternative.map(alternative).into_iter().flatten());
        if self.is_cured_by_api_token() {
            lines.extend(steps_to_api_token(self.needs_push));
        }
        if matches!(
            self.reason,
            UnusableReason::TokenKind { .. } | UnusableReason::Username { .. } | UnusableReason::EndsWithStep
        ) {
            lines.extend(lines_for_api_token());
        }
        lines.extend(self.last_word().map(str::to_owned));
        lines.push(format!("Read {PACKAGES_PAGE}"));
        if self.is_cured_by_api_token() {
            lines.push(format!("and {API_TOKENS_PAGE}"));
        }
        lines.join("\n")
    }

    fn is_cured_by_api_token(&self) -> bool {
        !matches!(
            self.reason,
            UnusableReason::NoCredential {
                choice: Choice::BuiltIn,
                in_pipe: true,
            }
        )
    }

    fn last_word(&self) -> Option<&'static str> {
        let kind = match &self.reason {
            UnusableReason::TokenKind { kind, .. } | UnusableReason::Shadowed { kind, .. } => *kind,
            UnusableReason::Username { .. } => TokenKind::AccessToken,
            UnusableReason::BuiltInToken | UnusableReason::EndsWithStep | UnusableReason::NoCredential { .. } => {
                return None;
            }
        };
        Some(match kind {
            TokenKind::EcrPassword | TokenKind::DockerHub | TokenKind::GitHub | TokenKind::GitLab => {
                "It was not sent anywhere; to `pull` or `copy` from its own registry, set `SOURCE_USERNAME` and `SOURCE_PASSWORD`"
            }
            kind if kind.is_foreign() => "It was not sent anywhere",
            _ => "To try it all the same, should Atlassian support it by now: `ALLOW_UNSUPPORTED_TOKEN: 'true'`",
        })
    }
}

impl fmt::Display for UnusableCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for UnusableCredential {}

/// The steps to the credential that Atlassian documents, as lines: also for a registry that refuses at run time.
#[must_use]
pub(crate) fn steps_to_api_token(needs_push: bool) -> Vec<String> {
    steps_with_role(if needs_push { "Write" } else { "Read" }, needs_push)
}

/// The same with the role that one package needs: an action may write to another one.
#[must_use]
pub(crate) fn steps_with_role(role: &str, needs_push: bool) -> Vec<String> {
    let scopes = if needs_push {
        "scopes `read:package:bitbucket` and `write:package:bitbucket`; they"
    } else {
        "scope `read:package:bitbucket`; scopes"
    };
    vec![
        format!("What works is an API token with scopes, of a user with the {role} role on the package's repository:"),
        "  1. As that user open https://id.atlassian.com/manage-profile/security/api-tokens".to_owned(),
        "  2. Choose `Create API token with scopes`, and `Bitbucket` as its app".to_owned(),
        format!("  3. Select the {scopes} cannot be changed later"),
        "  4. In the workspace's variables store it as `ATLASSIAN_API_TOKEN`, secured, and that user's Atlassian"
            .to_owned(),
        "     account email as `ATLASSIAN_ACCOUNT_EMAIL`; delete repository variables of these names, they go first"
            .to_owned(),
    ]
}

/// How a pipe gets at the API token of these steps.
#[must_use]
pub(crate) fn lines_for_api_token() -> Vec<String> {
    let mut lines =
        vec!["A pipe in `account/repo:version` form finds both by itself; in `docker://` form write:".to_owned()];
    lines.extend(variables(&[Source::ApiToken]));
    lines
}

/// The lines of a pipe that hand over the variables of `sources`.
#[must_use]
pub(crate) fn variables(sources: &[Source]) -> Vec<String> {
    let names = sources
        .iter()
        .flat_map(|source| [source.username_variable(), source.token_variable()]);
    std::iter::once("  variables:".to_owned())
        .chain(names.map(|name| format!("    {name}: ${name}")))
        .collect()
}

impl fmt::Display for TokenKind {
    /// What it is called in a sentence, with its article.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserApiToken => "an API token of a user",
            Self::AccessToken => "an access token",
            Self::AppPassword => "an app password",
            Self::ServiceAccountToken => "an API token of a service account",
            Self::DataCenterToken => "a token of Bitbucket Data Center",
            Self::PipelinesOidc => "the OIDC token of a step",
            Self::AtlassianJwt => "a JSON Web Token of Atlassian",
            Self::OtherJwt => "a JSON Web Token of another service",
            Self::EcrPassword => "a password of Amazon ECR",
            Self::AwsAccessKey => "an AWS access key",
            Self::DockerHub => "a Docker Hub token",
            Self::GitHub => "a GitHub token",
            Self::GitLab => "a GitLab token",
            Self::Npm => "an npm token",
            Self::OldApiToken => "an API token of before 2023",
            Self::Unknown => "a token of no known kind",
        })
    }
}

/// How the kind was told.
fn evidence(kind: TokenKind, prefix: &str) -> String {
    let told = match kind {
        TokenKind::AccessToken => {
            "as access tokens of repositories, projects and workspaces (and organization keys) do"
        }
        TokenKind::PipelinesOidc => {
            "has three parts with dots between, and names Pipelines' OIDC provider as its issuer"
        }
        TokenKind::AtlassianJwt => "has three parts with dots between, and names a host of Atlassian's as its issuer",
        TokenKind::OtherJwt => "has three parts with dots between, and names no host of Atlassian's as its issuer",
        TokenKind::EcrPassword => "and is base64 of JSON, like all that `aws ecr get-login-password` prints",
        _ => "as all of that kind do",
    };
    format!("It begins with `{prefix}`, {told}")
}

/// Why the registry does not take it.
fn why(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::AccessToken => {
            "Access tokens of repositories, projects and workspaces have no scope for packages, whatever the user name"
        }
        TokenKind::AppPassword => "Atlassian removed app passwords on 2026-07-28; nothing accepts them any more",
        TokenKind::DataCenterToken => {
            "Bitbucket Data Center is another product, whose tokens Bitbucket Cloud does not know"
        }
        TokenKind::PipelinesOidc | TokenKind::AtlassianJwt => {
            "No documentation says that Bitbucket's registry takes OIDC or other JSON Web Tokens"
        }
        kind if kind.is_foreign() => "It belongs to another service, and Bitbucket's registry knows nothing of it",
        _ => "The registry takes API tokens of users with scopes and, in a step, the built-in credential",
    }
}

fn why_built_in_token() -> [&'static str; 2] {
    [
        "Leave `ATLASSIAN_API_TOKEN` and `ATLASSIAN_ACCOUNT_EMAIL` out: the built-in credential is used by itself",
        "It reaches the packages of this repository; those of other repositories need an API token of your own",
    ]
}

fn why_username(name: AccessTokenName) -> &'static str {
    match name {
        AccessTokenName::TokenAuth => {
            "`x-token-auth` is for Git with access tokens, which have no package scope; the registry takes neither"
        }
        AccessTokenName::Bot => {
            "That is how access tokens sign commits; access tokens have no package scope, the registry takes neither"
        }
    }
}

fn why_shadowed(kind: TokenKind, prefix: &str) -> Vec<String> {
    vec![
        evidence(kind, prefix),
        "Pipelines sets this variable in each step, but one of yours with the same name goes first".to_owned(),
        "  1. Look for `BITBUCKET_PACKAGES_TOKEN` and `BITBUCKET_PACKAGES_USERNAME` in the variables of repository,"
            .to_owned(),
        "     workspace and deployment, and in the pipe's `variables:` for a value that is not `$` and the same name"
            .to_owned(),
        "  2. Delete or rename them, and run the step again: it then reaches the packages of this repository"
            .to_owned(),
    ]
}

fn why_none(choice: Choice, in_pipe: bool) -> Vec<String> {
    let built_in = "Pipelines sets the `BITBUCKET_PACKAGES_…` in every step; they reach this repository's packages";
    let (sources, said): (&[Source], &[&str]) = match choice {
        Choice::Auto => (
            &[Source::BuiltIn, Source::ApiToken],
            &[
                built_in,
                "The `ATLASSIAN_…` are yours, and reach packages of other repositories too",
            ],
        ),
        Choice::BuiltIn => (&[Source::BuiltIn], &[built_in]),
        Choice::ApiToken => (&[Source::ApiToken], &[]),
    };
    if !in_pipe {
        return vec!["Only a step of Pipelines has a built-in credential; elsewhere an API token is needed".to_owned()];
    }
    let mut lines = vec![
        "A pipe in `account/repo:version` form finds these variables by itself; in `docker://` form it gets none."
            .to_owned(),
        "Write these lines, each value as written here:".to_owned(),
    ];
    lines.extend(variables(sources));
    lines.extend(said.iter().map(|line| (*line).to_owned()));
    lines
}

fn alternative(source: Source) -> [String; 2] {
    let what = match source {
        Source::BuiltIn => "For packages of this repository alone, use the built-in credential, with this line:",
        Source::ApiToken | Source::Foreign => "An API token is there, and is used alone with this line:",
    };
    [what.to_owned(), format!("    CREDENTIAL: {source}")]
}

#[cfg(test)]
mod tests;
