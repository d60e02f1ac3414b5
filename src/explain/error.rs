//! What a run may fail of, typed until all of it is explained in one place.

use super::bitbucket::{self, Diagnosis};
use super::failure::{Failure, FailureKind, Failures};
use super::group;
use super::page::Page;
use super::refusal::{Context, deletion, explain, explain_session, not_overwritten, relayed};
use super::transfer::explain_transfer;
use crate::archive::ArchiveError;
use crate::docker_config::ConfigError;
use crate::engine;
use crate::files::OutputError;
use crate::names::platform::Platform;
use crate::names::{AtLeastOne, Digest, Reference, Tag};
use crate::registry::{self, Asker, Attachments, Granted};
use crate::session::{Session, SessionError};
use crate::transfer::TransferError;

/// One thing that a run failed of.
#[derive(Debug)]
pub(crate) enum RunError {
    /// What needs no more than itself to be explained.
    Told(Failure),
    /// Any of these, of an image of the run.
    About {
        /// As messages name the image.
        reference: String,
        /// What it failed of.
        error: Box<RunError>,
    },
    /// The answer of a registry, or that there was none.
    Registry(registry::Error),
    /// The credentials, or what was looked for with them.
    Session(SessionError),
    /// What did not move.
    Transfer(TransferError),
    /// The Docker daemon, which may relay what a registry refused it.
    Relayed {
        error: engine::Error,
        /// What the token is known to grant.
        granted: Granted,
        /// With which credential, for what.
        asker: Box<Asker>,
        /// The tag that it was to push, and where that points.
        pushed: Option<(Tag, Option<Digest>)>,
    },
    /// An image that is not there for a platform.
    NoPlatform {
        name: String,
        wanted: Platform,
        /// The platforms that there are.
        available: Vec<String>,
        /// Whether `PLATFORM` or a file of the clone wants it, and not the form of an archive.
        is_asked: bool,
    },
    /// A tag or digest that the registry would not delete.
    NotDeleted(registry::Error),
    /// A registry that deletes neither tags nor digests.
    NoDeletion {
        /// Why not by tag, if that was tried.
        by_tag: Option<Box<registry::Error>>,
        by_digest: Box<registry::Error>,
        /// Those that would go, as they are listed.
        tags: Vec<String>,
    },
    /// Whether an image has what `REQUIRE` asks for.
    NotKnown {
        image: String,
        /// What was not found.
        missing: Attachments,
        /// Why it may be there all the same.
        error: TransferError,
    },
    /// A tag that the registry would not move.
    NotOverwritten {
        error: registry::Error,
        tag: Tag,
        existing: Digest,
    },
}

/// All that a run failed of.
#[derive(Debug)]
pub(crate) struct RunErrors(AtLeastOne<RunError>);

impl RunError {
    /// An error that is explained where it is met.
    pub(crate) fn told(kind: FailureKind, page: Page, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Told(Failure::new(kind, page, message, hint))
    }

    /// The same of an image of the run, unless it is known of which.
    #[must_use]
    pub(crate) fn about(self, reference: &impl ToString) -> Self {
        if self.reference().is_some() {
            return self;
        }
        Self::About {
            reference: reference.to_string(),
            error: Box::new(self),
        }
    }

    fn is_of_unknown_name(&self) -> bool {
        match self {
            Self::About { error, .. } => error.is_of_unknown_name(),
            Self::Session(SessionError::NoRepository(_)) => true,
            Self::Session(SessionError::Registry(error)) | Self::Registry(error) => error.is_unknown_name(),
            Self::Session(SessionError::TurnedAway(refusals)) => refusals.last().is_unknown_name(),
            _ => false,
        }
    }

    /// Whether it is that an image is not in its registry, and nothing else.
    #[must_use]
    pub(crate) fn is_absence_of(&self, image: &Reference) -> bool {
        match self {
            Self::About { error, .. } => error.is_absence_of(image),
            Self::Session(error) => error.absence(Some(&image.repository)).is_some(),
            _ => false,
        }
    }

    /// Whether what an image consists of is to blame where its transfer fails, and not the way or the place that it goes to.
    #[must_use]
    pub(crate) const fn is_of_content(&self) -> bool {
        use engine::{Error, Refusal};
        match self {
            Self::About { error, .. } => error.is_of_content(),
            Self::Transfer(error) => matches!(error, TransferError::Part(_) | TransferError::WrongBytes { .. }),
            Self::Relayed { error, .. } => matches!(
                error,
                Error::Registry {
                    refusal: Refusal::ManifestUnknown | Refusal::PartUnknown,
                    ..
                } | Error::Platform { .. }
                    | Error::Layer { .. }
                    | Error::Incomplete { .. }
                    | Error::NotResolved { .. }
                    | Error::WrongBytes { .. }
            ),
            _ => false,
        }
    }

    /// The image, if it is of one.
    pub(super) fn reference(&self) -> Option<&str> {
        match self {
            Self::About { reference, .. } => Some(reference),
            _ => None,
        }
    }

    /// The failure that it is for the user.
    #[must_use]
    pub(crate) fn explain(&self, context: Context<'_>) -> Failure {
        match self {
            Self::Told(failure) => failure.clone(),
            Self::About { reference, error } => Failure {
                reference: Some(reference.clone()),
                ..error.explain(context)
            },
            Self::Registry(error) => explain(error, context),
            Self::Session(error) => explain_session(error, context),
            Self::Transfer(error) => explain_transfer(error, context),
            Self::Relayed {
                error,
                granted,
                asker,
                pushed,
            } => relayed(error, granted, asker, pushed.as_ref(), context),
            Self::NoPlatform {
                name,
                wanted,
                available,
                is_asked,
            } => no_platform(name, wanted, available, *is_asked, context),
            Self::NotDeleted(error) => deletion::not_deleted(error, context),
            Self::NoDeletion {
                by_tag,
                by_digest,
                tags,
            } => deletion::impossible(by_tag.as_deref(), by_digest, tags),
            Self::NotKnown { image, missing, error } => {
                let failure = explain_transfer(error, context);
                let missing = missing.in_words();
                let hint = failure.hint.unwrap_or_default();
                Failure {
                    message: format!("whether `{image}` has {missing} is not known: {}", failure.message),
                    hint: Some(format!(
                        "{hint}\nwhat the registry does not answer cannot be required: leave it out of `REQUIRE`"
                    )),
                    page: Page::AttachedUnknown,
                    ..failure
                }
            }
            Self::NotOverwritten { error, tag, existing } => not_overwritten(error, tag, existing, context),
        }
    }
}

impl RunErrors {
    /// Several; `None` for none.
    #[must_use]
    pub(crate) fn of(errors: Vec<RunError>) -> Option<Self> {
        AtLeastOne::of(errors).map(Self)
    }

    /// These and one more.
    #[must_use]
    pub(crate) fn and(self, error: RunError) -> Self {
        Self(self.0.and([error]))
    }

    /// The same of an image of the run.
    #[must_use]
    pub(crate) fn about(self, reference: &impl ToString) -> Self {
        Self(self.0.map(|error| error.about(reference)))
    }

    /// These after others.
    #[must_use]
    pub(crate) fn after(self, others: Vec<RunError>) -> Self {
        match Self::of(others) {
            Some(others) => Self(others.0.and(self.0)),
            None => self,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RunError> {
        self.0.iter()
    }

    /// Whether any is of a repository that a registry does not know.
    #[must_use]
    pub(crate) fn are_of_unknown_name(&self) -> bool {
        self.0.iter().any(RunError::is_of_unknown_name)
    }

    /// The failures that they are for the user, with what Bitbucket knows of an API token that was refused. It is asked once
    /// at most, and only where it made the token: for a strange `REGISTRY` it is not.
    pub(crate) async fn explain(&self, session: &Session, context: Context<'_>) -> Failures {
        let failures = self.explained(context);
        if !failures.iter().any(|failure| failure.bitbucket_may_know) {
            return failures;
        }
        match diagnosis(session, context.writes).await {
            Some(diagnosis) => self.explained(Context {
                diagnosis: Some(&diagnosis),
                ..context
            }),
            None => failures,
        }
    }

    fn explained(&self, context: Context<'_>) -> Failures {
        let each = self.0.each(|error| error.explain(context));
        Failures::from(each).told_as(group::explain(&self.0, context))
    }
}

/// The failure of an image that is not there for a platform.
fn no_platform(name: &str, wanted: &Platform, available: &[String], is_asked: bool, context: Context<'_>) -> Failure {
    let mut hint = if available.is_empty() && is_asked {
        "it names no platform; leave `PLATFORM` out".to_owned()
    } else if available.is_empty() {
        "it names no platform; `oci-archive:FILE` and `oci:FOLDER` take it whole".to_owned()
    } else {
        format!(
            "it is there for {}; write one of these in `PLATFORM`, or in the file that names the platform, or have the image built \
             for {wanted} too",
            available.join(", ")
        )
    };
    if context.waited.is_some() {
        hint.push_str("\n`WAIT` waits for an image, not for a platform of one that is there");
    }
    Failure::new(
        FailureKind::NotFound,
        Page::NoPlatform,
        format!("`{name}` is not there for {wanted}"),
        hint,
    )
}

async fn diagnosis(session: &Session, needs_push: bool) -> Option<Diagnosis> {
    let api_token = session.api_token()?;
    bitbucket::ask(session.network(), session.registry(), api_token, needs_push).await
}

impl IntoIterator for RunErrors {
    type Item = RunError;
    type IntoIter = std::vec::IntoIter<RunError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<E: Into<RunError>> From<E> for RunErrors {
    fn from(error: E) -> Self {
        Self(AtLeastOne::from(error.into()))
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

impl From<registry::Error> for RunError {
    fn from(error: registry::Error) -> Self {
        Self::Registry(error)
    }
}

impl From<SessionError> for RunError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<TransferError> for RunError {
    fn from(error: TransferError) -> Self {
        Self::Transfer(error)
    }
}

impl From<engine::Error> for RunError {
    fn from(error: engine::Error) -> Self {
        Self::Told(Failure::from(&error))
    }
}

impl From<ArchiveError> for RunError {
    fn from(error: ArchiveError) -> Self {
        Self::Told(Failure::from(&error))
    }
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> Self {
        Self::Told(error.into())
    }
}

impl From<OutputError> for RunError {
    fn from(error: OutputError) -> Self {
        Self::Told(error.into())
    }
}
