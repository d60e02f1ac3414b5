//! What is wrong with a variable: its name, what it holds, why that cannot be, and the cure.
//! Mistakes are collected, never thrown one by one: a user mends a pipe once, not once a run.

use crate::names::{AtLeastOne, BadReference};
use crate::text::{excerpt, is_odd};
use std::fmt::{self, Write as _};

/// One thing a user must mend in the pipe's variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What kind of mistake it is: the manual explains each.
    pub kind: MistakeKind,
    /// The variable's name as the user writes it.
    pub variable: String,
    /// What it holds, shortened; `None` where it is unset or a secret.
    pub value: Option<String>,
    /// What is wrong, without a trailing period.
    pub problem: String,
    /// What to write or do instead, without a trailing period.
    pub cure: String,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MistakeKind {
    /// Nothing, mostly since the variable in the value is not set in the step.
    Empty,
    /// The name of a variable that was not filled in.
    NotFilledIn,
    /// `ACTION` is not set, and another variable wants one.
    NoAction,
    /// A value that the variable does not take: no choice of its, no switch, no number in its range.
    Value,
    /// A name of an image, a repository, a tag or a host that is none.
    Reference,
    /// A host that circulates in recipes.
    WrongHost,
    /// A name with the host and without the workspace.
    NoWorkspace,
    /// The place of an archive or layout that is none.
    Location,
    /// A file that the step would not see.
    Output,
    /// A variable without which the action cannot begin.
    Missing,
    /// An image or target that the action does not take.
    NotForAction,
    /// Variables, or parts of them, that do not fit together.
    Together,
    /// More images than one run takes.
    TooMany,
    /// `pull` has none, and none was found.
    NoImages,
    /// An image that would be copied to itself.
    SameTarget,
    /// `TOKEN_EXPIRES_ON` is not a date.
    ExpiryDate,
    /// What `prune` is to keep is not said, or is nothing or everything.
    Keep,
    /// User name or token of a credential.
    HalfCredential,
    /// `SOURCE_USERNAME` or `SOURCE_PASSWORD`.
    HalfOfSource,
    /// They are for one registry, and there are several.
    SeveralRegistries,
    /// They are for another registry, and there is none.
    NoOtherRegistry,
    /// `CREDENTIAL` holds something else than a choice.
    Choice,
    /// `REGISTRY` is a host that gets no token by default.
    StrangeHost,
    /// A pull secret of the built-in credential.
    PullSecret,
    /// A token that was not stored as it is.
    TokenDamaged,
    /// A token in the place of the user name.
    WrongVariable,
    /// `DOCKER_HOST`.
    DaemonAddress,
    /// `HTTPS_PROXY` and the like.
    ProxyAddress,
    /// `CA_CERTIFICATE`.
    Certificates,
}

/// Those of a run, all told at once.
pub(crate) type Mistakes = AtLeastOne<Mistake>;

/// Longest part of a value that a message repeats, in characters.
const SHOWN: usize = 80;

impl Mistake {
    /// A mistake in a variable whose value may be shown. Control characters are escaped and long values cut.
    pub fn new(
        kind: MistakeKind,
        variable: impl Into<String>,
        value: &str,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            variable: variable.into(),
            value: Some(excerpt(value, SHOWN)),
            problem: problem.into(),
            cure: cure.into(),
        }
    }

    /// A mistake in a variable that is unset, or whose value is a secret.
    pub fn unshown(
        kind: MistakeKind,
        variable: impl Into<String>,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            variable: variable.into(),
            value: None,
            problem: problem.into(),
            cure: cure.into(),
        }
    }
}

impl Mistake {
    /// A mistake in a variable that names no image.
    pub(crate) fn of_reference(variable: &str, value: &str, bad: &BadReference) -> Self {
        Self::new(MistakeKind::from(bad), variable, value, bad.to_string(), bad.hint())
    }
}

impl From<&BadReference> for MistakeKind {
    fn from(bad: &BadReference) -> Self {
        match bad {
            BadReference::Unexpanded => Self::NotFilledIn,
            BadReference::EmptyPart | BadReference::EmptyTag | BadReference::EmptyDigest => Self::Empty,
            BadReference::WrongHost { .. } | BadReference::Port { .. } => Self::WrongHost,
            BadReference::NoWorkspace { .. } => Self::NoWorkspace,
            BadReference::Empty
            | BadReference::Url
            | BadReference::Quoted
            | BadReference::OddCharacter { .. }
            | BadReference::Host { .. }
            | BadReference::HostOnly { .. }
            | BadReference::Uppercase { .. }
            | BadReference::Path { .. }
            | BadReference::TooLong { .. }
            | BadReference::Tag { .. }
            | BadReference::Digest { .. } => Self::Reference,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match &self.value {
            Some(value) => format!("`{}` is `{value}`: {}; {}", self.variable, self.problem, self.cure),
            None => format!("`{}`: {}; {}", self.variable, self.problem, self.cure),
        };
        // Problem and cure repeat other variables and files.
        for character in said.chars() {
            if is_odd(character) {
                character.escape_debug().fmt(f)?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_line_and_bounded() {
        let mistake = Mistake::new(
            MistakeKind::Value,
            "TAGS",
            &format!("a\n\u{1b}[31m'\"{}", "x".repeat(200)),
            "is wrong",
            "write it right",
        );
        let shown = mistake.to_string();
        assert!(shown.starts_with("`TAGS` is `a\\n\\u{1b}[31m'\"xxx"), "{shown}");
        assert!(shown.contains("…`: is wrong; write it right"), "{shown}");
        assert!(!shown.contains('\n') && shown.chars().count() < 140, "{shown}");
        let quoting = Mistake::unshown(
            MistakeKind::NoImages,
            "IMAGES",
            "there is none in `a\u{7}`",
            "write `x/a\nb/c`",
        )
        .to_string();
        assert_eq!(quoting, "`IMAGES`: there is none in `a\\u{7}`; write `x/a\\nb/c`");
    }
}
