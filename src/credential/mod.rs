//! Which credential signs in, decided before any connection is opened.
//!
//! [`value`] finds what is wrong with a value's form, [`kind`] tells what a token is by its looks, and [`choose()`] turns
//! the pipe's variables into the credentials that may be tried, in order. [`advice`] and [`warning`] say what was found;
//! [`expiry`] reads the day that the user gives. Nothing here does I/O.

pub(crate) mod advice;
mod choose;
pub(crate) mod expiry;
pub(crate) mod jwt;
pub(crate) mod kind;
pub(crate) mod value;
pub(crate) mod warning;

pub(crate) use advice::UnusableCredential;
#[cfg(test)]
pub(crate) use choose::tests::chosen;
pub(crate) use choose::{Chosen, Given, WrittenPair, choose};

use crate::text::Secret;
use std::fmt;

/// Where a credential came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// `BITBUCKET_PACKAGES_USERNAME` and `BITBUCKET_PACKAGES_TOKEN`: serves the packages of the step's own repository.
    BuiltIn,
    /// `ATLASSIAN_ACCOUNT_EMAIL` and `ATLASSIAN_API_TOKEN`: serves what the user behind the token may see.
    ApiToken,
    /// `SOURCE_USERNAME` and `SOURCE_PASSWORD`: for another registry that `pull` and `copy` read from; never judged by kind.
    Foreign,
}

impl Source {
    /// The name of the variable that holds the user name.
    #[must_use]
    pub const fn username_variable(self) -> &'static str {
        match self {
            Self::BuiltIn => "BITBUCKET_PACKAGES_USERNAME",
            Self::ApiToken => "ATLASSIAN_ACCOUNT_EMAIL",
            Self::Foreign => "SOURCE_USERNAME",
        }
    }

    /// The name of the variable that holds the token.
    #[must_use]
    pub const fn token_variable(self) -> &'static str {
        match self {
            Self::BuiltIn => "BITBUCKET_PACKAGES_TOKEN",
            Self::ApiToken => "ATLASSIAN_API_TOKEN",
            Self::Foreign => "SOURCE_PASSWORD",
        }
    }
}

impl Source {
    /// `the API token`: as a sentence names it.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::BuiltIn => "the built-in credential",
            Self::ApiToken => "the API token",
            Self::Foreign => "the credential of the other registry",
        }
    }

    /// `API token`: as a list names it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in credential",
            Self::ApiToken => "API token",
            Self::Foreign => "`SOURCE_USERNAME`",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "built-in",
            Self::ApiToken => "api-token",
            Self::Foreign => "source",
        })
    }
}

/// `CREDENTIAL`: which source may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Choice {
    /// The built-in credential first, then the API token, per repository.
    #[default]
    Auto,
    /// Only the built-in credential; the API token is not looked at.
    BuiltIn,
    /// Only the API token; the built-in credential is not looked at.
    ApiToken,
}

/// A user name and token that may be tried against the registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// Where it came from.
    pub source: Source,
    /// The user name as it is sent.
    pub username: String,
    pub token: Secret,
}
