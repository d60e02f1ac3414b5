//! What a registry's refusal means for the user: the fact, the cause that is known, and the next step. Pure.
//!
//! What Bitbucket's registry says and when is known only in part (no public text has its bodies); so the words of the
//! registry are always shown, and a cause is named as certain only where it is.

mod diagnosed;
mod hint;
mod reach;

pub use diagnosed::diagnosed;
pub use hint::immutable;

use crate::credential::{Credential, Source};
use crate::engine;
use crate::explain::bitbucket::{Doubt, Refused};
use crate::explain::failure::{Failure, Kind};
use crate::input::Step;
use crate::names::{Digest, Host, Repository, Tag};
use crate::registry::{Code, Error, Granted, Problem, Scopes};
use crate::text::{PAGE, Quoted};
use strsim::osa_distance;

/// What stands before the name of the credential at the end of a fact.
const SIGNED: &str = " (with the ";
/// Most tags that a suggestion names.
const MOST_SUGGESTIONS: usize = 5;

/// What was asked for when the registry refused.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The repository; none for a mere sign-in.
    pub repository: Option<&'a Repository>,
    /// Whether it was a write.
    pub write: bool,
    /// Whether the action as a whole writes.
    pub action_writes: bool,
    /// The rights that were asked for; none for a mere sign-in.
    pub scopes: Option<&'a Scopes>,
    /// With which credential.
    pub credential: Option<&'a Credential>,
    /// What is known of it.
    pub standing: Standing,
    /// Whether an API token is among the credentials that may serve.
    pub has_api_token: bool,
    /// `REGISTRY`.
    pub registry: &'a Host,
    /// The step.
    pub step: &'a Step,
}

/// What a run knows of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Unknown,
    /// Something was given for it in this run: it is right.
    Accepted,
    /// It is at hand, and the registry, `/v2/` too, asks for none.
    NotAsked,
}

impl Asked<'_> {
    /// Whether the repository is one that the action writes to, and not one that it only reads: the source of a copy, an
    /// image of `check`.
    fn needs_push(&self) -> bool {
        let asked = self.repository.zip(self.scopes);
        self.action_writes && asked.is_none_or(|(repository, scopes)| scopes.writes(repository))
    }

    /// Whether a credential that is right was refused a write.
    fn lacks_right(&self) -> bool {
        self.write && self.standing == Standing::Accepted
    }

    fn host(&self) -> &Host {
        self.repository.map_or(self.registry, Repository::host)
    }

    fn package(&self) -> String {
        self.repository.map_or_else(
            || "the package".to_owned(),
            |repository| format!("`{}`", repository.package()),
        )
    }
}

/// Whether a failed read means that this credential does not reach the repository, so that `auto` may try the next.
/// An answer about the tag (`MANIFEST_UNKNOWN`) is an answer.
#[must_use]
pub fn turns_away(error: &Error) -> bool {
    match &error.problem {
        Problem::SignIn { status, .. } => matches!(status, 400 | 401 | 403),
        Problem::Refused { status, code, .. } => {
            matches!(status, 401 | 403) || matches!(code, Some(Code::Unauthorized | Code::Denied | Code::NameUnknown))
        }
        _ => false,
    }
}

/// The failure that an error of the registry is.
#[must_use]
pub fn explain(error: &Error, asked: &Asked<'_>) -> Failure {
    let fact = error.to_string();
    match &error.problem {
        Problem::Refused {
            status,
            code,
            granted,
            words,
        } => {
            let failure = refused(fact, (*status, code.as_ref()), granted, words, asked);
            if words.as_str() == PAGE {
                with_line(failure, &reach::in_place(error.host.as_str()))
            } else {
                failure
            }
        }
        Problem::At(party, problem) => reach::elsewhere(party, problem, fact, error),
        Problem::WebPage => Failure::new(Kind::Other, fact, reach::in_place(error.host.as_str())),
        Problem::SignIn { status: 500.., .. } => Failure::new(Kind::Unreachable, fact, hint::server_fault(asked)),
        Problem::SignIn { status: 429, .. } => Failure::new(Kind::Refused, fact, hint::LIMITED),
        Problem::SignIn { signed: false, .. } => Failure::new(Kind::Credential, fact, hint::no_credential(asked)),
        Problem::SignIn { .. } => not_accepted(&signed(&fact, asked.credential), asked),
        Problem::Unreachable(reach) => Failure::new(Kind::Unreachable, fact, reach::of_registry(reach, error, asked)),
        Problem::UntrustedRealm { .. } => Failure::new(
            Kind::Other,
            fact,
            "your credential was not sent: a sign-in address must be `https` on a host with a name, so this is a fault \
             of the registry or an attack",
        ),
        Problem::Redirect { .. } => Failure::new(
            Kind::Other,
            fact,
            "nothing was sent there; ask those who run the registry",
        ),
        Problem::TooMany { .. } => Failure::new(Kind::Other, fact, hint::TOO_MANY),
        Problem::Schema1 { .. } => Failure::new(Kind::Other, fact, hint::SCHEMA_1),
        Problem::Protocol(_) | Problem::Unproven { .. } => Failure::new(
            Kind::Other,
            fact,
            format!(
                "is `{}` a container registry? Run with `DEBUG: 'true'` to see each request",
                error.host
            ),
        ),
        Problem::WrongDigest { .. } | Problem::TooLarge { .. } => Failure::new(
            Kind::Other,
            fact,
            "what came was thrown away; a proxy on the way or the registry's storage is at fault",
        ),
    }
}

/// A failure with one more line of advice.
fn with_line(failure: Failure, line: &str) -> Failure {
    let hint = failure
        .hint
        .map_or_else(|| line.to_owned(), |hint| format!("{hint}\n{line}"));
    Failure {
        hint: Some(hint),
        ..failure
    }
}

/// The failure of what is read because a manifest names it: if that is not there, no name was misspelt.
#[must_use]
pub fn explain_part(error: &Error, asked: &Asked<'_>) -> Failure {
    let failure = explain(error, asked);
    match &error.problem {
        Problem::Refused {
            status: 404,
            code,
            words,
            ..
        } if *code != Some(Code::NameUnknown) && words.as_str() != PAGE => Failure {
            hint: Some(hint::DAMAGED.to_owned()),
            ..failure
        },
        _ => failure,
    }
}

/// The failure of what is read because it was listed as referring to an image.
#[must_use]
pub fn explain_referrer(error: &Error, asked: &Asked<'_>) -> Failure {
    let failure = explain(error, asked);
    match &error.problem {
        Problem::Refused { status: 404, code, .. } if *code != Some(Code::NameUnknown) => Failure {
            message: format!("a referrer is missing: {}", failure.message),
            hint: Some(hint::MISSING_REFERRER.to_owned()),
            ..failure
        },
        _ => failure,
    }
}

/// The failure of a refusal that the Docker daemon relays: its words, with what the daemon cannot know.
#[must_use]
pub fn relayed(error: engine::Error, granted: &Granted, asked: &Asked<'_>) -> Failure {
    let engine::Error::Registry { refusal, .. } = &error else {
        return Failure::from(error);
    };
    let message = error.message();
    match refusal {
        engine::Refusal::Unauthorized if asked.lacks_right() => denied(&message, granted, asked),
        engine::Refusal::Unauthorized => not_accepted(&message, asked),
        engine::Refusal::Denied => denied(&message, granted, asked),
        engine::Refusal::NameUnknown => Failure::new(Kind::NotFound, message, hint::no_package(asked)),
        engine::Refusal::PartUnknown => Failure::new(Kind::NotFound, message, hint::DAMAGED),
        engine::Refusal::ManifestUnknown
        | engine::Refusal::Immutable
        | engine::Refusal::TooManyRequests
        | engine::Refusal::Other
        | engine::Refusal::Unstated => Failure::from(error),
    }
}

/// A refusal by the registry itself: its code goes before its status, where it names one.
fn refused(
    fact: String,
    (status, code): (u16, Option<&Code>),
    granted: &Granted,
    words: &Quoted,
    asked: &Asked<'_>,
) -> Failure {
    match (status, code) {
        (_, Some(Code::NameUnknown)) => {
            Failure::new(Kind::NotFound, signed(&fact, asked.credential), hint::no_package(asked))
        }
        (_, Some(Code::Denied)) | (403, _) => denied(&fact, granted, asked),
        // Docker's own registry answers 401 where the token lacks the action: a sign-in that granted something, be it
        // nothing on this repository, was accepted.
        (_, Some(Code::Unauthorized)) | (401, _) if *granted != Granted::Unknown => denied(&fact, granted, asked),
        // What may read and is refused a write lacks a right; Basic and opaque tokens do not say so.
        (_, Some(Code::Unauthorized)) | (401, _) if asked.lacks_right() => denied(&fact, granted, asked),
        (_, Some(Code::Unauthorized)) | (401, _) => not_accepted(&signed(&fact, asked.credential), asked),
        (429, _) | (_, Some(Code::TooManyRequests)) => Failure::new(Kind::Refused, fact, hint::LIMITED),
        (404, Some(Code::ManifestUnknown)) => Failure::new(
            Kind::NotFound,
            fact,
            "check the tag's spelling, and that the step that pushes it has run",
        ),
        (404, _) => Failure::new(Kind::NotFound, fact, hint::no_tag_or_package(asked)),
        (500.., _) => Failure::new(Kind::Unreachable, fact, hint::server_fault(asked)),
        (413, _) => Failure::new(Kind::Refused, fact, "the registry takes nothing so large"),
        _ if words.is_empty() => Failure::new(
            Kind::Refused,
            fact,
            "the registry gives no reason; run with `DEBUG: 'true'` to see each request",
        ),
        _ => Failure::new(
            Kind::Refused,
            fact,
            "the registry's own words above are all that is known of the reason",
        ),
    }
}

/// The failure of a credential whose token lacks a right, told before anything is written.
#[must_use]
pub fn not_granted(missing: &[String], granted: &Granted, asked: &Asked<'_>) -> Failure {
    let fact = format!("`{}` grants no {}", asked.host(), missing.join(" and no "));
    denied(&fact, granted, asked)
}

/// The failure where every credential was turned away. The last one's advice counts: it is the one that could reach further.
#[must_use]
pub fn all_turned_away(mut failures: Vec<Failure>) -> Option<Failure> {
    let last = failures.pop()?;
    let message = failures
        .into_iter()
        .map(|failure| failure.message)
        .chain([last.message])
        .reduce(|before, then| joined(&before, &then))
        .unwrap_or_default();
    Some(Failure { message, ..last })
}

/// Two facts as one sentence; what both credentials were told alike is said once.
fn joined(before: &str, then: &str) -> String {
    match (before.rsplit_once(SIGNED), then.rsplit_once(SIGNED)) {
        (Some((fact, one)), Some((same, other))) if fact == same => {
            let (one, other) = (one.trim_end_matches(')'), other.trim_end_matches(')'));
            format!("{fact}{SIGNED}{one}, and with the {other})")
        }
        _ => format!("{before}; then {then}"),
    }
}

/// The failure of a tag that the registry would not move. `existing` is where the tag points.
#[must_use]
pub fn not_overwritten(error: &Error, tag: &Tag, existing: &Digest, asked: &Asked<'_>) -> Failure {
    let message = format!("{error}; the tag exists and is another image, {}", existing.short());
    let says_so = match &error.problem {
        Problem::Refused { code, words, .. } => {
            let code = code.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{code} {words}").to_ascii_lowercase().contains("immutable")
        }
        _ => false,
    };
    let immutable = immutable(tag, says_so);
    match &error.problem {
        Problem::Refused { status: 401, .. } => explain(error, asked),
        Problem::Refused {
            status: 403,
            granted,
            code,
            ..
        } => {
            if says_so || matches!(code, Some(Code::Other(_))) {
                return Failure::new(Kind::Refused, message, immutable);
            }
            let denied = denied(&message, granted, asked);
            let hint = format!(
                "{immutable}\nif there is no such rule: {}",
                denied.hint.as_deref().unwrap_or_default()
            );
            Failure {
                doubt: denied.doubt.map(Doubt::or_a_rule),
                ..Failure::new(Kind::Refused, message, hint)
            }
        }
        _ => Failure::new(Kind::Refused, message, immutable),
    }
}

/// The advice of a digest in place of that of a tag, where the registry knows the repository.
#[must_use]
pub fn without_digest(failure: Failure, error: &Error) -> Failure {
    match &error.problem {
        Problem::Refused {
            code: Some(Code::ManifestUnknown),
            ..
        } => Failure {
            hint: Some(hint::NO_DIGEST.to_owned()),
            ..failure
        },
        _ => failure,
    }
}

/// Adds the tags that come nearest to one that is not there.
#[must_use]
pub fn with_suggestions(failure: Failure, wanted: &Tag, tags: &[Tag]) -> Failure {
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
fn nearest<'a>(wanted: &Tag, tags: &'a [Tag]) -> Vec<&'a Tag> {
    let shared = |tag: &Tag| {
        tag.as_str()
            .bytes()
            .zip(wanted.as_str().bytes())
            .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
            .count()
    };
    let mut ranked: Vec<&Tag> = tags.iter().collect();
    // Beyond a few letters it no longer matters how many.
    ranked.sort_by_cached_key(|tag| {
        let distance = osa_distance(tag.as_str(), wanted.as_str()).min(4);
        (distance, std::cmp::Reverse(shared(tag)))
    });
    ranked.truncate(MOST_SUGGESTIONS);
    ranked
}

/// A fact with the credential that met it.
fn signed(fact: &str, credential: Option<&Credential>) -> String {
    credential.map_or_else(
        || fact.to_owned(),
        |credential| format!("{fact}{SIGNED}{})", named(credential)),
    )
}

fn named(credential: &Credential) -> String {
    match credential.source {
        Source::BuiltIn => "built-in credential".to_owned(),
        Source::ApiToken => format!("API token of `{}`", Quoted::new(&credential.username)),
        Source::Foreign => format!("`SOURCE_USERNAME` `{}`", Quoted::new(&credential.username)),
    }
}

/// 401: the credential itself.
fn not_accepted(fact: &str, asked: &Asked<'_>) -> Failure {
    Failure {
        doubt: doubt(Refused::SignIn, asked),
        ..Failure::new(Kind::Credential, fact, hint::not_accepted(asked))
    }
}

/// 403: accepted, but not for this.
fn denied(fact: &str, granted: &Granted, asked: &Asked<'_>) -> Failure {
    // Another credential cures what cannot even be read; a refused write is a matter of roles.
    let kind = if asked.write { Kind::Refused } else { Kind::Credential };
    Failure {
        doubt: doubt(if asked.write { Refused::Write } else { Refused::Read }, asked),
        ..Failure::new(kind, signed(fact, asked.credential), hint::denied(granted, asked))
    }
}

/// What is open about the API token, if it was the one refused.
fn doubt(refused: Refused, asked: &Asked<'_>) -> Option<Doubt> {
    let credential = asked.credential.filter(|of| of.source == Source::ApiToken)?;
    Some(Doubt {
        refused,
        needs_push: asked.needs_push(),
        may_be_a_rule: false,
        username: Quoted::new(&credential.username),
        package: asked.package(),
        causes: match refused {
            Refused::SignIn => hint::causes_of_no_sign_in(credential),
            Refused::Read | Refused::Write => hint::causes_of_denial(credential, asked),
        },
        cure: hint::way_to_api_token(credential, asked),
    })
}

#[cfg(test)]
mod tests;
