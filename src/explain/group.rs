//! Many images that fail of one cause are told once: thirty refused images are one failure with thirty names.

use super::error::RunError;
use super::failure::Failure;
use super::refusal::{Context, deletion, explain_session, nearest};
use crate::names::{AtLeastOne, Selector};
use crate::registry::{Asker, Error, ErrorKind, Granted, Scopes, Standing};
use crate::session::SessionError;
use crate::text::Quoted;

/// Most images that one failure lists.
const MOST_NAMES: usize = 6;
/// Most images whose own tags are suggested.
const MOST_SUGGESTIONS: usize = 10;

/// The failures as they are printed: one for each cause, in the order in which they were met.
pub(super) fn explain(errors: &AtLeastOne<RunError>, context: Context<'_>) -> Vec<Failure> {
    let mut groups: Vec<(Option<SharedCause>, Vec<&RunError>)> = Vec::new();
    for error in errors {
        let cause = SharedCause::of(error);
        match groups.iter_mut().find(|(known, _)| cause.is_some() && *known == cause) {
            Some((_, alike)) => alike.push(error),
            None => groups.push((cause, vec![error])),
        }
    }
    let failures = groups
        .into_iter()
        .map(|(cause, alike)| match (cause, alike.as_slice()) {
            (Some(cause), [_, _, ..]) => cause.explain(&alike, context),
            (_, alike) => alike[0].explain(context),
        });
    failures.collect()
}

/// Why an image could not be read, without which image it was.
#[derive(Debug, PartialEq, Eq)]
enum SharedCause {
    /// A registry's answer.
    Answered(Error),
    /// The repository is there, and the tag is not.
    Missing(Error),
    /// The repository is not there.
    NoRepository(Error),
    /// What each credential was told.
    TurnedAway(Vec<Error>),
    /// It was not deleted, for this answer.
    NotDeleted(Error),
}

impl SharedCause {
    /// `None` of what is told for itself.
    fn of(error: &RunError) -> Option<Self> {
        // Without an image there is nothing to list.
        error.reference()?;
        if let Some(error) = deletion_error(error) {
            return Some(Self::NotDeleted(of_any(error)));
        }
        match session_error(error)? {
            SessionError::Registry(error) => Some(Self::Answered(of_any(error))),
            SessionError::Missing {
                error,
                wanted: Selector::Tag(_),
                ..
            } => Some(Self::Missing(of_any(error))),
            SessionError::NoRepository(error) => Some(Self::NoRepository(of_any(error))),
            SessionError::TurnedAway { refusals, .. } if !refusals.is_empty() => {
                Some(Self::TurnedAway(refusals.iter().map(of_any).collect()))
            }
            _ => None,
        }
    }

    /// One failure for all images. The first is explained, in words that hold for each.
    fn explain(self, alike: &[&RunError], context: Context<'_>) -> Failure {
        let reading = match self {
            Self::NotDeleted(_) => format!("deleting {} tags", alike.len()),
            _ => format!("reading {} images", alike.len()),
        };
        let words = shared_words(alike);
        let of_many = |error: &Error| {
            let mut error = error.clone();
            error.during.clone_from(&reading);
            if let (ErrorKind::Refused { words: own, .. } | ErrorKind::SignIn { words: own, .. }, false) =
                (&mut error.kind, words)
            {
                *own = Quoted::default();
            }
            error
        };
        let several = Context {
            is_of_several: true,
            ..context
        };
        if let Some(error) = deletion_error(alike[0]) {
            let failure = deletion::not_deleted(&of_many(error), several).of_registry();
            let message = format!("{}: {}", failure.message, names(alike));
            return Failure { message, ..failure };
        }
        let first = match session_error(alike[0]) {
            Some(SessionError::Registry(error)) => SessionError::Registry(of_many(error)),
            // The tags of each are told below.
            Some(SessionError::Missing { error, wanted, .. }) => SessionError::Missing {
                error: of_many(error),
                wanted: wanted.clone(),
                tags: Vec::new(),
            },
            Some(SessionError::NoRepository(error)) => SessionError::NoRepository(of_many(error)),
            Some(SessionError::TurnedAway { place, refusals }) => SessionError::TurnedAway {
                place: place.clone(),
                refusals: refusals.iter().map(of_many).collect(),
            },
            // Nothing else has a cause.
            _ => return alike[0].explain(context),
        };
        let failure = explain_session(&first, several).of_registry();
        let mut hint: Vec<String> = match self {
            Self::Missing(_) => suggestions(alike),
            Self::Answered(_) | Self::NoRepository(_) | Self::TurnedAway(_) | Self::NotDeleted(_) => Vec::new(),
        };
        hint.extend(failure.hint);
        Failure {
            message: format!("{}: {}", failure.message, names(alike)),
            hint: (!hint.is_empty()).then(|| hint.join("\n")),
            ..failure
        }
    }
}

fn deletion_error(error: &RunError) -> Option<&Error> {
    match error {
        RunError::About { error, .. } => deletion_error(error),
        RunError::NotDeleted(error) => Some(error),
        _ => None,
    }
}

fn session_error(error: &RunError) -> Option<&SessionError> {
    match error {
        RunError::About { error, .. } => session_error(error),
        RunError::Session(error) => Some(error),
        _ => None,
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
fn shared_words(alike: &[&RunError]) -> bool {
    let words = |error: &RunError| -> Vec<String> {
        let of = |error: &Error| match &error.kind {
            ErrorKind::Refused { words, .. } | ErrorKind::SignIn { words, .. } => words.to_string(),
            _ => String::new(),
        };
        if let Some(error) = deletion_error(error) {
            return vec![of(error)];
        }
        match session_error(error) {
            Some(
                SessionError::Registry(error) | SessionError::Missing { error, .. } | SessionError::NoRepository(error),
            ) => vec![of(error)],
            Some(SessionError::TurnedAway { refusals, .. }) => refusals.iter().map(of).collect(),
            _ => Vec::new(),
        }
    };
    let first = words(alike[0]);
    alike.iter().all(|error| words(error) == first)
}

/// The images, as many as a line holds.
fn names(alike: &[&RunError]) -> String {
    let references = alike.iter().filter_map(|error| error.reference());
    let mut names: Vec<String> = references
        .take(MOST_NAMES)
        .map(|reference| format!("`{reference}`"))
        .collect();
    if alike.len() > names.len() {
        names.push(format!("and {} more", alike.len() - names.len()));
    }
    names.join(", ")
}

/// The tags that come nearest to those that are not there, a line for each image that has any.
fn suggestions(alike: &[&RunError]) -> Vec<String> {
    let lines = alike.iter().filter_map(|error| match session_error(error) {
        Some(SessionError::Missing {
            wanted: Selector::Tag(wanted),
            tags,
            ..
        }) if !tags.is_empty() => {
            let tags: Vec<String> = nearest(wanted, tags).iter().map(|tag| format!("`{tag}`")).collect();
            Some(format!(
                "`{}`: tags that are there: {}",
                error.reference()?,
                tags.join(", ")
            ))
        }
        _ => None,
    });
    lines.take(MOST_SUGGESTIONS).collect()
}
