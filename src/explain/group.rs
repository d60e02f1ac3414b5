//! Many images that fail of one cause are told once: thirty refused images are one failure with thirty names.

use super::error::RunError;
use super::failure::Failure;
use super::refusal::{Context, deletion, explain_session, near_names, nearest};
use crate::names::{AtLeastOne, Repository, Selector, Tag};
use crate::registry::{Asker, Error, ErrorKind, Granted, Scopes, Standing};
use crate::session::SessionError;
use crate::text::Quoted;
use std::mem::{Discriminant, discriminant};

/// Most images that one failure lists.
const MOST_NAMES: usize = 6;
/// Most repositories that something is suggested for.
const MOST_SUGGESTIONS: usize = 6;
/// Most names that are suggested for one.
const MOST_NEAR: usize = 5;

/// The failures as they are printed: one for each cause, in the order in which they were met.
pub(super) fn explain(errors: &AtLeastOne<RunError>, context: Context<'_>) -> AtLeastOne<Failure> {
    let groups = errors.each(|error| match Case::of(error) {
        Some(case) => Group::Alike(case.into()),
        None => Group::Alone(error),
    });
    let groups = groups.merged(|known, next| match (known, next) {
        (Group::Alike(cases), Group::Alike(more)) if cases.first().key == more.first().key => {
            cases.extend(more);
            None
        }
        (_, next) => Some(next),
    });
    groups.map(|group| match group {
        Group::Alone(error) => error.explain(context),
        Group::Alike(cases) if cases.len() == 1 => cases.first().error.explain(context),
        Group::Alike(cases) => explain_alike(&cases, context),
    })
}

/// What is told at once.
enum Group<'e> {
    Alone(&'e RunError),
    /// Images that failed of one cause.
    Alike(AtLeastOne<Case<'e>>),
}

/// An image that failed of what others may fail of too.
struct Case<'e> {
    error: &'e RunError,
    reference: &'e str,
    cause: SharedCause<'e>,
    /// Equal for those of one cause: what was answered, without which image it was.
    key: (Discriminant<SharedCause<'e>>, AtLeastOne<Error>),
}

/// Why an image could not be read or a tag not be deleted.
#[derive(Clone, Copy)]
enum SharedCause<'e> {
    /// A registry's answer.
    Answered(&'e Error),
    /// The repository is there, and the tag is not.
    Missing {
        error: &'e Error,
        wanted: &'e Tag,
        /// Those that are there.
        tags: &'e [Tag],
    },
    /// The repository is not there.
    NoRepository(&'e Error),
    /// What each credential was told.
    TurnedAway(&'e AtLeastOne<Error>),
    /// It was not deleted, for this answer.
    NotDeleted(&'e Error),
}

impl<'e> Case<'e> {
    /// `None` of what is told for itself: without an image there is nothing to list.
    fn of(error: &'e RunError) -> Option<Self> {
        let RunError::About {
            reference,
            error: of_it,
        } = error
        else {
            return None;
        };
        let cause = match &**of_it {
            RunError::NotDeleted(error) => SharedCause::NotDeleted(error),
            RunError::Session(error) => match error {
                SessionError::Registry(error) => SharedCause::Answered(error),
                SessionError::Missing {
                    error,
                    wanted: Selector::Tag(wanted),
                    tags,
                } => SharedCause::Missing { error, wanted, tags },
                SessionError::NoRepository(error) => SharedCause::NoRepository(error),
                SessionError::TurnedAway(refusals) => SharedCause::TurnedAway(refusals),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self {
            error,
            reference,
            cause,
            key: (discriminant(&cause), cause.errors().map(of_any)),
        })
    }
}

impl<'e> SharedCause<'e> {
    fn errors(self) -> AtLeastOne<&'e Error> {
        match self {
            Self::Answered(error)
            | Self::Missing { error, .. }
            | Self::NoRepository(error)
            | Self::NotDeleted(error) => error.into(),
            Self::TurnedAway(refusals) => refusals.each(|refusal| refusal),
        }
    }
}

/// One failure for all images. The first is explained, in words that hold for each.
fn explain_alike(cases: &AtLeastOne<Case<'_>>, context: Context<'_>) -> Failure {
    let first = cases.first().cause;
    let during = match first {
        SharedCause::NotDeleted(_) => format!("deleting {} tags", cases.len()),
        _ => format!("reading {} images", cases.len()),
    };
    let have_shared_words = have_shared_words(cases);
    let of_many = |error: &Error| {
        let mut error = error.clone();
        error.during.clone_from(&during);
        if let (ErrorKind::Refused { words, .. } | ErrorKind::SignIn { words, .. }, false) =
            (&mut error.kind, have_shared_words)
        {
            *words = Quoted::default();
        }
        error
    };
    let several = Context {
        is_of_several: true,
        ..context
    };
    let failure = match first {
        SharedCause::NotDeleted(error) => deletion::not_deleted(&of_many(error), several),
        SharedCause::Answered(error) => explain_session(&SessionError::Registry(of_many(error)), several),
        SharedCause::Missing { error, wanted, .. } => {
            let missing = SessionError::Missing {
                error: of_many(error),
                wanted: Selector::Tag(wanted.clone()),
                // Those of each are told below.
                tags: Vec::new(),
            };
            explain_session(&missing, several)
        }
        SharedCause::NoRepository(error) => explain_session(&SessionError::NoRepository(of_many(error)), several),
        SharedCause::TurnedAway(refusals) => {
            explain_session(&SessionError::TurnedAway(refusals.each(of_many)), several)
        }
    };
    let mut hint = suggestions(cases, context.known);
    hint.extend(failure.hint);
    Failure {
        message: format!("{}: {}", failure.message, names(cases)),
        hint: (!hint.is_empty()).then(|| hint.join("\n")),
        ..failure
    }
}

/// The error without what differs from image to image.
fn of_any(error: &Error) -> Error {
    let mut kind = error.kind.clone();
    match &mut kind {
        ErrorKind::Refused { words, granted, .. } => {
            *words = Quoted::default();
            *granted = kind_of(granted);
        }
        ErrorKind::NotGranted { missing, granted } => {
            missing.clear();
            *granted = kind_of(granted);
        }
        ErrorKind::SignIn { words, .. } => *words = Quoted::default(),
        _ => {}
    }
    Error {
        host: error.host.clone(),
        during: String::new(),
        kind,
        tries: 1,
        asked: None,
        asker: Box::new(Asker {
            repository: None,
            scopes: Scopes::default(),
            // Whether it was the first to be asked for.
            standing: match error.asker.standing {
                Standing::NotAsked => Standing::NotAsked,
                Standing::Unknown | Standing::Accepted => Standing::Unknown,
            },
            ..(*error.asker).clone()
        }),
    }
}

fn kind_of(granted: &Granted) -> Granted {
    match granted {
        Granted::Unknown => Granted::Unknown,
        Granted::Known(_) => Granted::Known(std::collections::BTreeMap::new()),
    }
}

/// Whether all were told the same words.
fn have_shared_words(cases: &AtLeastOne<Case<'_>>) -> bool {
    let words = |case: &Case<'_>| {
        case.cause.errors().map(|error| match &error.kind {
            ErrorKind::Refused { words, .. } | ErrorKind::SignIn { words, .. } => words.to_string(),
            _ => String::new(),
        })
    };
    let first = words(cases.first());
    cases.iter().all(|case| words(case) == first)
}

/// The images, as many as a line holds.
fn names(cases: &[Case<'_>]) -> String {
    let mut names: Vec<String> = cases
        .iter()
        .take(MOST_NAMES)
        .map(|case| format!("`{}`", case.reference))
        .collect();
    if cases.len() > names.len() {
        names.push(format!("and {} more", cases.len() - names.len()));
    }
    names.join(", ")
}

/// What comes nearest to what is not there: the tags of each repository, or the repositories that files of the clone name;
/// a line for each repository that has any.
fn suggestions(cases: &[Case<'_>], known: &[Repository]) -> Vec<String> {
    /// What is suggested for one repository, under the image's name where it is the only one.
    struct Near<'c> {
        repository: &'c Repository,
        label: String,
        names: Vec<String>,
    }
    let mut told: Vec<Near<'_>> = Vec::new();
    for case in cases {
        let error = match case.cause {
            SharedCause::Missing { error, .. } | SharedCause::NoRepository(error) => error,
            SharedCause::Answered(error) if error.is_unknown_name() => error,
            SharedCause::TurnedAway(refusals) if refusals.last().is_unknown_name() => refusals.last(),
            _ => continue,
        };
        let Some(repository) = error.asker.repository.as_ref() else {
            continue;
        };
        let names = match case.cause {
            SharedCause::Missing { wanted, tags, .. } => nearest(wanted, tags)
                .into_iter()
                .map(|tag| format!("`{tag}`"))
                .collect(),
            _ => near_names(repository, known),
        };
        match told.iter_mut().find(|near| near.repository == repository) {
            Some(near) => {
                near.label = repository.to_string();
                let more: Vec<String> = names.into_iter().filter(|name| !near.names.contains(name)).collect();
                near.names.extend(more);
                near.names.truncate(MOST_NEAR);
            }
            None => told.push(Near {
                repository,
                label: case.reference.to_owned(),
                names,
            }),
        }
    }
    let is_of_tags = matches!(cases.first().map(|case| case.cause), Some(SharedCause::Missing { .. }));
    let lines = told.iter().filter(|near| !near.names.is_empty()).map(|near| {
        let names = near.names.join(", ");
        if is_of_tags {
            format!("`{}`: tags that are there: {names}", near.label)
        } else {
            format!(
                "`{}`: files of this repository name {names}: did you mean that?",
                near.label
            )
        }
    });
    lines.take(MOST_SUGGESTIONS).collect()
}
