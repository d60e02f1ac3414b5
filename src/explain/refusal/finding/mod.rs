//! A refusal of the API token with what Bitbucket knows of that token: the cause in place of guesses at it.

use super::hint::STATUS_PAGE;
use crate::credential::advice::steps_to_api_token;
use crate::explain::Page;
use crate::explain::bitbucket::Diagnosis;
use crate::explain::bitbucket::diagnosis::READ_PACKAGE;
use crate::explain::failure::{Failure, FailureKind};
use crate::text::Quoted;

/// Most scopes of a token that a line names.
const MOST_SCOPES: usize = 6;

/// What is put into a failure.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) kind: Option<FailureKind>,
    pub(super) page: Page,
    /// The cause, first of the hint.
    pub(super) lines: Vec<String>,
    /// Whether the guesses at causes no longer hold.
    pub(super) is_cause: bool,
    /// Whether a new token does not help.
    pub(super) needs_no_token: bool,
}

/// A refusal of the API token, whose cause Bitbucket may know.
#[derive(Debug)]
pub(super) struct Doubt {
    /// What the registry refused.
    pub(super) refused: Attempt,
    /// Whether the action writes to the package.
    pub(super) needs_push: bool,
    /// Whether a rule on tags may be the cause as well.
    pub(super) may_be_a_rule: bool,
    /// The user name that was sent.
    pub(super) username: Quoted,
    /// The package, as a sentence names it.
    pub(super) package: String,
}

impl Doubt {
    /// Whether the registry knew the token.
    fn was_accepted(&self) -> bool {
        self.refused != Attempt::SignIn
    }
}

/// What a registry refuses a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// To know it.
    SignIn,
    /// To read with it.
    Read,
    /// To write with it.
    Write,
}

/// The failure of scopes that Bitbucket says are missing, where the registry has refused nothing.
#[must_use]
pub(crate) fn missing_scopes(message: String, diagnosis: &Diagnosis, username: &str, needs_push: bool) -> Failure {
    let doubt = Doubt {
        refused: Attempt::SignIn,
        needs_push,
        may_be_a_rule: false,
        username: Quoted::new(username),
        package: "the package".to_owned(),
    };
    let finding = of(diagnosis, &doubt).map(|finding| finding.lines).unwrap_or_default();
    let hint = [finding, steps_to_api_token(needs_push)].concat();
    Failure::new(FailureKind::Credential, Page::CheckScope, message, hint.join("\n"))
}

/// What a diagnosis says of a refusal; `None` where it is no news.
pub(super) fn of(diagnosis: &Diagnosis, doubt: &Doubt) -> Option<Finding> {
    let username = &doubt.username;
    let cause = |page, line: String| Finding {
        page,
        kind: Some(FailureKind::Credential),
        lines: vec![line],
        is_cause: true,
        needs_no_token: false,
    };
    match diagnosis {
        // The registry knew the token: that it is known is no news, and that it is not says nothing of the registry.
        Diagnosis::NotKnown | Diagnosis::Known if doubt.was_accepted() => None,
        Diagnosis::NotKnown => Some(Finding {
            is_cause: false,
            ..cause(
                Page::NotKnown,
                format!("Bitbucket does not know this token with `{username}` either"),
            )
        }),
        Diagnosis::ExpiredOAuth => Some(cause(
            Page::OAuthToken,
            "Bitbucket says: this token is an OAuth client's, and has expired; OAuth has no scope for packages"
                .to_owned(),
        )),
        Diagnosis::OtherKind { kind, scopes } => {
            let scopes = scopes
                .as_deref()
                .map_or_else(String::new, |scopes| format!(" with {}", listed_scopes(scopes)));
            Some(cause(
                Page::AccessTokenTried,
                format!("Bitbucket says: this is {kind}{scopes}; access tokens have no scope for packages"),
            ))
        }
        // A token that may read was refused a read: that it may not write besides is not the cause. The action may write
        // with the built-in credential.
        Diagnosis::Lacks { missing, .. } if doubt.refused == Attempt::Read && !missing.contains(&READ_PACKAGE) => {
            Some(role("the scope that reads packages", doubt))
        }
        Diagnosis::Lacks { scopes, missing } => {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let missing = missing
                .iter()
                .map(|scope| format!("`{scope}`"))
                .collect::<Vec<_>>()
                .join(" and ");
            Some(Finding {
                lines: vec![
                    format!(
                        "Bitbucket says: this token has {}; {missing} {verb} missing",
                        listed_scopes(scopes)
                    ),
                    "scopes cannot be added later, so make a new token".to_owned(),
                ],
                ..cause(Page::NoScope, String::new())
            })
        }
        // Token and role may be in order, and the rule be the cause.
        Diagnosis::Sufficient { .. } if doubt.may_be_a_rule => None,
        Diagnosis::Sufficient { needed } if doubt.was_accepted() => Some(role(
            if needed.len() == 1 {
                "the package scope"
            } else {
                "both package scopes"
            },
            doubt,
        )),
        Diagnosis::Sufficient { .. } => Some(Finding {
            lines: vec![
                format!(
                    "Bitbucket accepts this token for `{username}`, and it has the scopes: it is the registry that does not"
                ),
                format!("run the step again later, and see {STATUS_PAGE}"),
            ],
            needs_no_token: true,
            ..cause(Page::RegistryDisagrees, String::new())
        }),
        Diagnosis::Known => Some(cause(
            Page::ScopesUnknown,
            format!(
                "Bitbucket accepts this token for `{username}`: it has not expired, so see whether it has the scopes for packages"
            ),
        )),
    }
}

/// The role is the cause: the token has the scopes for what was refused.
fn role(has: &str, doubt: &Doubt) -> Finding {
    let role = match (doubt.refused, doubt.needs_push) {
        (Attempt::Write, _) => "Write",
        (_, true) => "Read, or Write to push,",
        (_, false) => "Read",
    };
    let Doubt { username, package, .. } = doubt;
    Finding {
        page: if doubt.refused == Attempt::Write {
            Page::NoRoleToWrite
        } else {
            Page::NoRoleToRead
        },
        kind: (doubt.refused == Attempt::Write).then_some(FailureKind::Refused),
        lines: vec![
            format!("Bitbucket says: this token has {has}, so it is the role"),
            format!("`{username}` needs {role} on the repository that {package} is linked to"),
            "an admin of that repository gives the role; or take the token of a user who has it".to_owned(),
        ],
        is_cause: true,
        needs_no_token: true,
    }
}

/// Scopes in a sentence, as many as a line holds.
fn listed_scopes(scopes: &[Quoted]) -> String {
    let shown: Vec<String> = scopes
        .iter()
        .take(MOST_SCOPES)
        .map(|scope| format!("`{scope}`"))
        .collect();
    let more = scopes.len().saturating_sub(MOST_SCOPES);
    match (shown.len(), more) {
        (0, _) => "no scopes".to_owned(),
        (1, _) => format!("the scope {}", shown.join("")),
        (_, 0) => format!("the scopes {}", shown.join(", ")),
        _ => format!("the scopes {} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
