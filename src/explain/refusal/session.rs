//! What it means that no credential opened a repository, or that it lacks what was looked for.

use super::{Asked, Context, credential_name, explain, hint, signed, with};
use crate::explain::Page;
use crate::explain::failure::{Failure, FailureKind};
use crate::names::{AtLeastOne, Selector, Tag};
use crate::registry::{Code, Error, ErrorKind};
use crate::session::SessionError;
use crate::text::order::sort_by_key;
use strsim::osa_distance;

/// Most tags that a suggestion names.
pub(super) const MOST_SUGGESTIONS: usize = 5;

/// The failure that opening a repository ended in.
#[must_use]
pub(in crate::explain) fn explain_session(error: &SessionError, context: Context<'_>) -> Failure {
    let failure = explain_unwaited(error, context);
    let waited = context.waited.filter(|waited| !waited.is_zero());
    match waited.filter(|_| error.absence(None).is_some()) {
        Some(waited) => Failure {
            message: format!(
                "{}; still not there after {} s (`WAIT`)",
                failure.message,
                waited.as_secs()
            ),
            page: Page::NotInTime,
            ..failure
        },
        None => failure,
    }
}

fn explain_unwaited(error: &SessionError, context: Context<'_>) -> Failure {
    match error {
        SessionError::Registry(error) => explain(error, context),
        SessionError::Missing { error, wanted, tags } => {
            let failure = explain(error, context);
            match wanted {
                Selector::Tag(wanted) => with_suggestions(failure, wanted, tags),
                Selector::Digest(_) => without_digest(failure, error),
            }
        }
        SessionError::NoRepository(error) => {
            let asker = &error.asker;
            let asked = &Asked { asker, context };
            Failure::new(
                FailureKind::NotFound,
                Page::NoPackage,
                signed(&error.to_string(), asked),
                hint::no_package(asked),
            )
        }
        SessionError::TurnedAway(refusals) => all_turned_away(refusals, context),
        SessionError::NoCredential(place) => Failure::new(
            FailureKind::Credential,
            Page::NoCredential,
            format!("there is no credential for `{place}`"),
            format!(
                "check `CREDENTIAL` and the variables that it uses; the registry is `{}`",
                context.registry
            ),
        ),
        SessionError::NotAsked(registry) => Failure::new(
            FailureKind::Other,
            Page::OpenRegistry,
            format!("`{registry}` asks nobody to sign in, so whether it accepts the credential is not known"),
            "nothing was written; a registry that is open to all needs no `login`, and if this one is not, is `REGISTRY` right?",
        ),
        SessionError::NoRegistry { error, registry } => Failure::new(
            FailureKind::Other,
            Page::NotARegistry,
            error.to_string(),
            format!("is `{registry}` a container registry? Check `REGISTRY`"),
        ),
    }
}

/// The failure where every credential was turned away. The last one's advice counts: it is the one that could reach further.
fn all_turned_away(refusals: &AtLeastOne<Error>, context: Context<'_>) -> Failure {
    // What credentials one after the other were told alike is said once.
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for refusal in refusals {
        let (fact, credential) = (
            refusal.to_string(),
            refusal.asker.credential.as_ref().map(credential_name),
        );
        match told.last_mut() {
            Some((same, credentials)) if *same == fact && !credentials.is_empty() => credentials.extend(credential),
            _ => told.push((fact, credential.into_iter().collect())),
        }
    }
    let told: Vec<String> = told.iter().map(|(fact, credentials)| with(fact, credentials)).collect();
    let last = explain(refusals.last(), context);
    Failure {
        message: told.join("; then "),
        page: match last.page {
            Page::MayNotRead if refusals.len() > 1 => Page::NeitherReaches,
            page => page,
        },
        ..last
    }
}

/// The advice of a digest in place of that of a tag, where the registry knows the repository.
fn without_digest(failure: Failure, error: &Error) -> Failure {
    match &error.kind {
        ErrorKind::Refused {
            code: Some(Code::ManifestUnknown),
            ..
        } => Failure {
            hint: Some(hint::NO_DIGEST.to_owned()),
            page: Page::NoDigest,
            ..failure
        },
        _ => failure,
    }
}

/// Adds the tags that come nearest to one that is not there.
pub(super) fn with_suggestions(failure: Failure, wanted: &Tag, tags: &[Tag]) -> Failure {
    if tags.is_empty() {
        return failure;
    }
    let nearest: Vec<String> = nearest(wanted, tags).iter().map(|tag| format!("`{tag}`")).collect();
    let hint = format!("tags that are there: {}", nearest.join(", "));
    let hint = failure.hint.map_or(hint.clone(), |known| format!("{hint}\n{known}"));
    Failure {
        hint: Some(hint),
        ..failure
    }
}

/// The tags most like `wanted`: by edit distance, then by what they share at the beginning.
pub(in crate::explain) fn nearest<'a>(wanted: &Tag, tags: &'a [Tag]) -> Vec<&'a Tag> {
    let shared = |tag: &Tag| {
        tag.as_str()
            .bytes()
            .zip(wanted.as_str().bytes())
            .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
            .count()
    };
    let mut ranked: Vec<&Tag> = tags.iter().collect();
    // Beyond a few letters it no longer matters how many.
    sort_by_key(&mut ranked, |tag| {
        let distance = osa_distance(tag.as_str(), wanted.as_str()).min(4);
        (distance, std::cmp::Reverse(shared(tag)))
    });
    ranked.truncate(MOST_SUGGESTIONS);
    ranked
}
