//! What is odd about a credential that is tried all the same: one line each, for the log before the first request.

use super::Source;
use super::advice::AccessTokenName;
use super::kind::TokenKind;
use std::fmt;

/// Something about a credential that may explain a refusal to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Warning {
    /// A kind that does not work is tried because `ALLOW_UNSUPPORTED_TOKEN` says so.
    KindAllowed {
        /// Where it came from.
        source: Source,
        kind: TokenKind,
        /// The token's first four characters.
        prefix: String,
    },
    /// A user name that does not work is tried because `ALLOW_UNSUPPORTED_TOKEN` says so.
    UsernameAllowed { name: AccessTokenName },
    /// A service account, by its token (`ATST`) or by its address.
    ServiceAccount,
    /// A token of before 2023.
    OldApiToken,
    /// A token of no known shape.
    UnknownShape,
    /// A token whose checksum does not fit.
    Altered {
        /// Its length in bytes.
        length: usize,
    },
    /// A token that is too short to be whole.
    CutOff {
        /// Its length in bytes.
        length: usize,
    },
    /// A user name that is no mail address.
    NoEmail,
    /// `x-bitbucket-api-token-auth`, which stands for the user in Git.
    GitUsername,
    /// A user's API token in the variable of the built-in one.
    ApiTokenAsBuiltIn,
}

impl Warning {
    /// Which credential it is about.
    #[must_use]
    pub(crate) const fn source(&self) -> Source {
        match self {
            Self::KindAllowed { source, .. } => *source,
            Self::ApiTokenAsBuiltIn => Source::BuiltIn,
            Self::UsernameAllowed { .. }
            | Self::ServiceAccount
            | Self::OldApiToken
            | Self::UnknownShape
            | Self::Altered { .. }
            | Self::CutOff { .. }
            | Self::NoEmail
            | Self::GitUsername => Source::ApiToken,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KindAllowed { source, kind, prefix } => write!(
                f,
                "`{}` holds {kind} (it begins with `{prefix}`), which is not known to work; it is tried because \
                 `ALLOW_UNSUPPORTED_TOKEN` is set",
                source.token_variable()
            ),
            Self::UsernameAllowed { name } => write!(
                f,
                "`ATLASSIAN_ACCOUNT_EMAIL` is {name}, which is not known to work; it is tried because \
                 `ALLOW_UNSUPPORTED_TOKEN` is set"
            ),
            Self::ServiceAccount => f.write_str(
                "this is a service account: Bitbucket scopes cannot be given to its tokens so far (BCLOUD-23832), so the \
                 registry will likely refuse it; the API token of a user account works",
            ),
            Self::OldApiToken => f.write_str(
                "`ATLASSIAN_API_TOKEN` looks like an API token of before 2023, all of which expired by 2026-05-12; \
                 make an API token with scopes",
            ),
            Self::UnknownShape => f.write_str(
                "`ATLASSIAN_API_TOKEN` looks like no known token: an API token begins with `ATAT`, and the password of \
                 an account is never accepted",
            ),
            Self::Altered { length } => write!(
                f,
                "`ATLASSIAN_API_TOKEN` looks altered: its {length} characters do not fit the checksum at their end; if it \
                 is refused, paste it again"
            ),
            Self::CutOff { length } => write!(
                f,
                "`ATLASSIAN_API_TOKEN` looks cut off after {length} characters, as some prompts do when a token is pasted; \
                 if it is refused, paste it again"
            ),
            Self::NoEmail => f.write_str(
                "`ATLASSIAN_ACCOUNT_EMAIL` holds no `@`: the registry takes the email of the Atlassian account, not the \
                 Bitbucket user name",
            ),
            Self::GitUsername => f.write_str(
                "`ATLASSIAN_ACCOUNT_EMAIL` is `x-bitbucket-api-token-auth`, which is for Git; the registry takes the email \
                 of the Atlassian account",
            ),
            Self::ApiTokenAsBuiltIn => f.write_str(
                "`BITBUCKET_PACKAGES_TOKEN` holds an API token of a user (it begins with `ATAT`), which hides the built-in \
                 one; such a token belongs into `ATLASSIAN_API_TOKEN`, its email into `ATLASSIAN_ACCOUNT_EMAIL`",
            ),
        }
    }
}
