//! How a run fails, for the user: what happened, what to do, and the exit status that scripts can rely on.

use super::page::Page;
use crate::archive::ArchiveError;
use crate::credential::UnusableCredential;
use crate::docker_config::ConfigError;
use crate::engine;
use crate::files::OutputError;
use crate::mistake::Mistakes;
use crate::names::AtLeastOne;
use crate::text::order::sort_by_key;
use std::fmt;

/// What kind of thing went wrong; decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FailureKind {
    Variables,
    /// The credential: none, unsupported, not accepted, or one that another would do better than.
    Credential,
    /// An image, package, tag or file that is not there.
    NotFound,
    /// Refused: by the registry, or by `ON_EXISTING: fail`.
    Refused,
    /// Registry, daemon or network out of reach.
    Unreachable,
    /// All else, wrong bytes among it.
    Other,
}

impl FailureKind {
    #[must_use]
    pub(crate) const fn status(self) -> u8 {
        match self {
            Self::Variables => 2,
            Self::Credential => 3,
            Self::NotFound => 4,
            Self::Refused => 5,
            Self::Unreachable => 6,
            Self::Other => 1,
        }
    }

    /// The word that the report uses.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Variables => "variables",
            Self::Credential => "credential",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Other => "other",
        }
    }

    /// Of several failures, the first in this order gives the status: what the user can mend comes before what passes.
    const fn rank(self) -> u8 {
        match self {
            Self::Variables => 0,
            Self::Credential => 1,
            Self::Refused => 2,
            Self::NotFound => 3,
            Self::Unreachable => 4,
            Self::Other => 5,
        }
    }
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub kind: FailureKind,
    /// The fact, on one line, without a trailing period.
    pub message: String,
    /// What to do about it, on one or more lines.
    pub hint: Option<String>,
    /// The image that it is about, if it is about one of the run's.
    pub reference: Option<String>,
    /// Where the manual has more about it.
    pub page: Page,
    /// Whether the API token was refused, so that Bitbucket may know why.
    pub bitbucket_may_know: bool,
}

impl Failure {
    /// A failure with advice.
    pub(crate) fn new(kind: FailureKind, page: Page, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: Some(hint.into()),
            reference: None,
            page,
            bitbucket_may_know: false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// All that went wrong in a run; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failures {
    each: AtLeastOne<Failure>,
    /// As they are printed: those of one cause are one. `None` where each is.
    told: Option<AtLeastOne<Failure>>,
}

impl Failures {
    /// Several; `None` for none. Equal ones count once.
    #[must_use]
    pub(crate) fn of(failures: Vec<Failure>) -> Option<Self> {
        AtLeastOne::of(failures).map(Self::from)
    }

    /// The same, printed as these.
    #[must_use]
    pub(super) fn told_as(self, told: AtLeastOne<Failure>) -> Self {
        // Which image it was met with is no news where its text does not say so.
        let says_the_same = |known: &Failure, next: &Failure| known.message == next.message && known.hint == next.hint;
        Self {
            told: Some(told.distinct(says_the_same)),
            ..self
        }
    }

    /// In the order in which they were met.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.each.iter()
    }

    /// Each of them as it is printed, those of one page of the manual together, with its advice where that was not printed
    /// before.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&Failure, Option<&str>)> {
        let mut told: Vec<&Failure> = self.told.as_ref().unwrap_or(&self.each).iter().collect();
        let mut pages = Vec::new();
        for failure in &told {
            if !pages.contains(&failure.page) {
                pages.push(failure.page);
            }
        }
        sort_by_key(&mut told, |failure| pages.iter().position(|page| *page == failure.page));
        let mut advice: Vec<&str> = Vec::new();
        told.into_iter().map(move |failure| {
            let new = failure.hint.as_deref().filter(|hint| !advice.contains(hint));
            advice.extend(new);
            (failure, new)
        })
    }

    /// The one that decides the exit status.
    #[must_use]
    pub(crate) fn first<'a>(&'a self) -> &'a Failure {
        let earlier = |first: &'a Failure, next: &'a Failure| {
            if next.kind.rank() < first.kind.rank() {
                next
            } else {
                first
            }
        };
        self.each.iter().fold(self.each.first(), earlier)
    }

    #[must_use]
    pub(crate) fn status(&self) -> u8 {
        self.first().kind.status()
    }
}

impl IntoIterator for Failures {
    type Item = Failure;
    type IntoIter = std::vec::IntoIter<Failure>;

    fn into_iter(self) -> Self::IntoIter {
        self.each.into_iter()
    }
}

impl From<AtLeastOne<Failure>> for Failures {
    fn from(failures: AtLeastOne<Failure>) -> Self {
        Self {
            each: failures.distinct(|known, next| known == next),
            told: None,
        }
    }
}

impl From<Failure> for Failures {
    fn from(failure: Failure) -> Self {
        AtLeastOne::from(failure).into()
    }
}

impl From<Mistakes> for Failures {
    fn from(mistakes: Mistakes) -> Self {
        let each = mistakes.map(|mistake| Failure {
            kind: FailureKind::Variables,
            message: mistake.to_string(),
            hint: None,
            reference: None,
            page: Page::of_mistake(mistake.kind),
            bitbucket_may_know: false,
        });
        Self { each, told: None }
    }
}

impl From<&UnusableCredential> for Failure {
    fn from(why: &UnusableCredential) -> Self {
        let page = Page::of_credential(&why.reason);
        Self::new(FailureKind::Credential, page, why.message(), why.hint())
    }
}

impl From<&engine::Error> for Failure {
    fn from(error: &engine::Error) -> Self {
        let kind = match error {
            engine::Error::NoSuchImage { .. } | engine::Error::Platform { .. } | engine::Error::Incomplete { .. } => {
                FailureKind::NotFound
            }
            engine::Error::Plugin { .. } => FailureKind::Refused,
            engine::Error::Registry { refusal, .. } => match refusal {
                engine::Refusal::Unauthorized => FailureKind::Credential,
                engine::Refusal::Denied
                | engine::Refusal::Immutable
                | engine::Refusal::TooManyRequests
                | engine::Refusal::Other
                | engine::Refusal::Unstated => FailureKind::Refused,
                engine::Refusal::NameUnknown | engine::Refusal::ManifestUnknown | engine::Refusal::PartUnknown => {
                    FailureKind::NotFound
                }
            },
            engine::Error::Unreachable { .. }
            | engine::Error::RegistryUnreachable { .. }
            | engine::Error::Broken { .. }
            | engine::Error::NotResolved { .. }
            | engine::Error::Stalled { .. } => FailureKind::Unreachable,
            engine::Error::NoSpace { .. }
            | engine::Error::Layer { .. }
            | engine::Error::WrongBytes { .. }
            | engine::Error::Daemon { .. }
            | engine::Error::Endless { .. }
            | engine::Error::Protocol { .. } => FailureKind::Other,
        };
        Self {
            kind,
            message: error.message(),
            hint: error.hint(),
            reference: None,
            page: Page::of_daemon(error),
            bitbucket_may_know: false,
        }
    }
}

impl From<&ArchiveError> for Failure {
    fn from(error: &ArchiveError) -> Self {
        let kind = if error.is_not_found() {
            FailureKind::NotFound
        } else if error.is_mistake() {
            FailureKind::Variables
        } else {
            FailureKind::Other
        };
        Self {
            hint: error.hint(),
            ..Self::new(kind, Page::of_archive(&error.kind), error.to_string(), "")
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let page = Page::of_config(&error);
        Self::new(FailureKind::Other, page, error.to_string(), error.hint())
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::new(FailureKind::Other, Page::NotWritable, error.to_string(), error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: FailureKind) -> Failure {
        Failure {
            kind,
            message: kind.word().to_owned(),
            hint: None,
            reference: None,
            page: Page::NoReason,
            bitbucket_may_know: false,
        }
    }

    #[test]
    fn of_several_the_one_to_mend_first_decides() {
        use FailureKind::{Credential, NotFound, Other, Refused, Unreachable};
        for (kinds, status) in [
            (vec![Other, Unreachable, NotFound, Refused, Credential], 3),
            (vec![Other, Unreachable, NotFound, Refused], 5),
            (vec![Other, Unreachable, NotFound], 4),
            (vec![Other, Unreachable], 6),
            (vec![Other], 1),
        ] {
            let failures = Failures::of(kinds.into_iter().map(failure).collect()).unwrap();
            assert_eq!(failures.status(), status);
        }
        assert_eq!(Failures::of(vec![]), None);
        assert_eq!(
            Failures::of(vec![failure(Other), failure(Other)])
                .unwrap()
                .iter()
                .count(),
            1
        );
    }

    #[test]
    fn those_of_one_page_are_told_together() {
        let at = |message: &str, page| Failure::new(FailureKind::Other, page, message, message);
        let failures = [
            at("a", Page::NoTag),
            at("b", Page::NoPackage),
            at("c", Page::NoTag),
            at("d", Page::NoReason),
            at("e", Page::NoPackage),
        ];
        let failures = Failures::of(failures.into()).unwrap();
        let told: Vec<_> = failures
            .told()
            .map(|(failure, hint)| (failure.message.as_str(), hint))
            .collect();
        let of = |message| (message, Some(message));
        assert_eq!(told, [of("a"), of("c"), of("b"), of("e"), of("d")]);
    }
}
