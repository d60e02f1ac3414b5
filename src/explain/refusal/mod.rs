//! What a registry's refusal means for the user: the fact, the cause that is known, and the next step. Pure.
//!
//! What Bitbucket's registry says and when is known only in part (no public text has its bodies); so the words of the
//! registry are always shown, and a cause is named as certain only where it is.

pub(super) mod deletion;
mod finding;
mod hint;
mod link;
mod reach;
mod session;

pub(crate) use finding::missing_scopes;
pub(super) use hint::near_names;
pub(super) use session::{explain_session, nearest};

use crate::credential::{Credential, Source};
use crate::engine;
use crate::explain::Page;
use crate::explain::bitbucket::Diagnosis;
use crate::explain::failure::{Failure, FailureKind};
use crate::input::Step;
use crate::names::{Digest, Host, Repository, Tag};
use crate::registry::{Asker, Code, Error, ErrorKind, Granted, Standing};
use crate::text::Quoted;
use finding::Attempt;
use hint::Advice;
use link::{page_of, page_of_credential};
use std::time::Duration;

/// What an explanation depends on besides the error.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Context<'a> {
    /// Whether the action as a whole writes.
    pub writes: bool,
    /// Whether one explanation is for several images.
    pub is_of_several: bool,
    /// Whether an API token is among the credentials that may serve.
    pub has_api_token: bool,
    /// Whether `CREDENTIAL` allows the built-in credential alone.
    pub only_built_in: bool,
    /// `REGISTRY`.
    pub registry: &'a Host,
    /// Repositories that the clone's files name, where an unknown one is to be explained.
    pub known: &'a [Repository],
    pub step: &'a Step,
    /// How long what is not there was waited for; `None` without `WAIT`.
    pub waited: Option<Duration>,
    /// What Bitbucket says of the API token, if it was asked.
    pub diagnosis: Option<&'a Diagnosis>,
}

/// Who asked for what, in which run.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    asker: &'a Asker,
    context: Context<'a>,
}

impl<'a> Asked<'a> {
    fn repository(&self) -> Option<&'a Repository> {
        self.asker.repository.as_ref()
    }

    fn credential(&self) -> Option<&'a Credential> {
        self.asker.credential.as_ref()
    }

    /// Whether the repository is one that the action writes to, and not one that it only reads: the source of a copy, an
    /// image of `check`.
    fn needs_push(&self) -> bool {
        let is_written = |repository| self.asker.scopes.writes(repository);
        self.context.writes && self.repository().is_none_or(is_written)
    }

    /// Whether the action deletes from the repository.
    fn deletes(&self) -> bool {
        let is_deleted_from = |repository| self.asker.scopes.deletes(repository);
        self.repository().is_some_and(is_deleted_from)
    }

    /// Whether a credential that is right was refused a write.
    fn lacks_right(&self) -> bool {
        self.asker.writes && self.asker.standing == Standing::Accepted
    }

    fn host(&self) -> &'a Host {
        self.repository().map_or(self.context.registry, Repository::host)
    }

    fn package(&self) -> String {
        match self.repository() {
            _ if self.context.is_of_several => "a package".to_owned(),
            Some(repository) => format!("`{}`", repository.package()),
            None => "the package".to_owned(),
        }
    }
}

/// The failure that an error of the registry is.
#[must_use]
pub(crate) fn explain(error: &Error, context: Context<'_>) -> Failure {
    let fact = error.to_string();
    let asked = &Asked {
        asker: &error.asker,
        context,
    };
    let page = page_of(error, asked);
    match &error.kind {
        ErrorKind::Refused {
            status,
            code,
            granted,
            words,
        } => {
            let failure = refused(fact, page, (*status, code.as_ref()), granted, words, asked);
            if words.is_web_page() {
                with_line(failure, &reach::in_place(error.host.as_str()))
            } else {
                failure
            }
        }
        ErrorKind::At(party, problem) => reach::elsewhere(party, problem, fact, error),
        ErrorKind::WebPage => Failure::new(FailureKind::Other, page, fact, reach::in_place(error.host.as_str())),
        ErrorKind::NotGranted { granted, .. } => {
            let failure = denied(&fact, granted, asked, None);
            let failure = Failure {
                page: match failure.page {
                    _ if asked.deletes() => Page::MayNotDelete,
                    Page::MayNotWrite => Page::NoPush,
                    page => page,
                },
                ..failure
            };
            if !asked.deletes() {
                return failure;
            }
            let by_hand = deletion::by_hand(asked.repository());
            with_line(failure, &format!("if no credential is granted that: {by_hand}"))
        }
        ErrorKind::SignIn { status: 500.., .. } => {
            Failure::new(FailureKind::Unreachable, page, fact, hint::server_fault(asked))
        }
        ErrorKind::SignIn { status: 429, .. } => Failure::new(FailureKind::Refused, page, fact, hint::limited(asked)),
        ErrorKind::SignIn { signed: false, .. } => {
            Failure::new(FailureKind::Credential, page, fact, hint::no_credential(asked))
        }
        ErrorKind::SignIn { .. } => not_accepted(&signed(&fact, asked), asked),
        ErrorKind::Unreachable(reach) => Failure::new(
            FailureKind::Unreachable,
            page,
            fact,
            reach::of_registry(reach, error, asked),
        ),
        ErrorKind::UntrustedRealm { .. } => Failure::new(
            FailureKind::Other,
            page,
            fact,
            "your credential was not sent: a sign-in address must be `https` on a host with a name, so this is a fault \
             of the registry or an attack",
        ),
        ErrorKind::Redirect { .. } | ErrorKind::Moved { .. } => Failure::new(
            FailureKind::Other,
            page,
            fact,
            "nothing was sent there; ask those who run the registry",
        ),
        ErrorKind::Encoded { .. } => Failure::new(FailureKind::Other, page, fact, reach::encoded(error.host.as_str())),
        ErrorKind::OverBudget { .. } => Failure::new(FailureKind::Other, page, fact, hint::OVER_BUDGET),
        ErrorKind::TooMany { .. } => Failure::new(FailureKind::Other, page, fact, hint::TOO_MANY),
        ErrorKind::Schema1 { .. } => Failure::new(FailureKind::Other, page, fact, hint::SCHEMA_1),
        ErrorKind::Protocol(_) | ErrorKind::Unproven { .. } => Failure::new(
            FailureKind::Other,
            page,
            fact,
            format!(
                "is `{}` a container registry? Run with `DEBUG: 'true'` to see each request",
                error.host
            ),
        ),
        ErrorKind::WrongDigest { .. } | ErrorKind::TooLarge { .. } => Failure::new(
            FailureKind::Other,
            page,
            fact,
            "the data was discarded; a proxy on the way or the registry's storage is at fault",
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
pub(crate) fn explain_part(error: &Error, context: Context<'_>) -> Failure {
    let failure = explain(error, context);
    match &error.kind {
        ErrorKind::Refused {
            status: 404,
            code,
            words,
            ..
        } if *code != Some(Code::NameUnknown) && !words.is_web_page() => Failure {
            hint: Some(hint::DAMAGED.to_owned()),
            page: Page::ImageDamaged,
            ..failure
        },
        _ => failure,
    }
}

/// The failure of what is read because it was listed as referring to an image.
#[must_use]
pub(crate) fn explain_referrer(error: &Error, context: Context<'_>) -> Failure {
    let failure = explain(error, context);
    match &error.kind {
        ErrorKind::Refused { status: 404, code, .. } if *code != Some(Code::NameUnknown) => Failure {
            message: format!("a referrer is missing: {}", failure.message),
            hint: Some(hint::MISSING_REFERRER.to_owned()),
            page: Page::Attachment,
            ..failure
        },
        _ => failure,
    }
}

/// A tag that a daemon was to push, and where it points.
type TagAndTarget = (Tag, Option<Digest>);

/// The failure of a refusal that the Docker daemon relays: its words, with what the daemon cannot know.
#[must_use]
pub(crate) fn relayed(
    error: &engine::Error,
    granted: &Granted,
    asker: &Asker,
    pushed: Option<&TagAndTarget>,
    context: Context<'_>,
) -> Failure {
    use engine::{Error, Refusal};
    let asked = &Asked { asker, context };
    let rule = pushed.and_then(|pushed| rule_of(error, pushed));
    let message = error.message();
    let failure = match error {
        Error::Registry { refusal, .. } => match refusal {
            Refusal::Unauthorized if asked.lacks_right() => denied(&message, granted, asked, None),
            Refusal::Unauthorized => not_accepted(&message, asked),
            Refusal::Denied => {
                return Failure {
                    page: Page::of_daemon(error),
                    ..denied(&message, granted, asked, rule)
                };
            }
            Refusal::NameUnknown => {
                Failure::new(FailureKind::NotFound, Page::NoPackage, message, hint::no_package(asked))
            }
            Refusal::PartUnknown => Failure::new(FailureKind::NotFound, Page::ImageDamaged, message, hint::DAMAGED),
            Refusal::TooManyRequests => match hint::higher_limit(asked) {
                Some(line) => with_line(Failure::from(error), &line),
                None => Failure::from(error),
            },
            Refusal::ManifestUnknown | Refusal::Immutable | Refusal::Other | Refusal::Unstated => Failure::from(error),
        },
        _ => Failure::from(error),
    };
    let failure = Failure {
        page: Page::of_daemon(error),
        ..failure
    };
    let Some(rule) = rule else { return failure };
    let hint = match failure.hint {
        Some(hint) => format!("{rule}\n{}{hint}", hint::WITHOUT_RULE),
        None => rule,
    };
    Failure::new(FailureKind::Refused, Page::NotPushable, failure.message, hint)
}

/// What a rule on tags has to do with a push that failed, if it may be that. Which status and code an immutable tag has is
/// documented nowhere, and the daemon drops both.
fn rule_of(error: &engine::Error, (tag, existing): &TagAndTarget) -> Option<String> {
    use engine::{Error, Refusal};
    let (says_so, may_be) = match error {
        Error::Registry { refusal, .. } => (
            *refusal == Refusal::Immutable,
            matches!(refusal, Refusal::Denied | Refusal::Other | Refusal::Unstated),
        ),
        Error::Daemon { .. } => (false, true),
        _ => (false, false),
    };
    (says_so || (may_be && existing.is_some())).then(|| hint::immutable(tag, says_so))
}

/// A refusal by the registry itself: its code goes before its status, where it names one.
fn refused(
    fact: String,
    page: Page,
    (status, code): (u16, Option<&Code>),
    granted: &Granted,
    words: &Quoted,
    asked: &Asked<'_>,
) -> Failure {
    match (status, code) {
        (_, Some(Code::NameUnknown)) => Failure::new(
            FailureKind::NotFound,
            page,
            signed(&fact, asked),
            hint::no_package(asked),
        ),
        (_, Some(Code::Denied)) | (403, _) => denied(&fact, granted, asked, None),
        // Docker's own registry answers 401 where the token lacks the action: a sign-in that granted something, be it
        // nothing on this repository, was accepted.
        (_, Some(Code::Unauthorized)) | (401, _) if *granted != Granted::Unknown => denied(&fact, granted, asked, None),
        // What may read and is refused a write lacks a right; Basic and opaque tokens do not say so.
        (_, Some(Code::Unauthorized)) | (401, _) if asked.lacks_right() => denied(&fact, granted, asked, None),
        (_, Some(Code::Unauthorized)) | (401, _) => not_accepted(&signed(&fact, asked), asked),
        (429, _) | (_, Some(Code::TooManyRequests)) => {
            Failure::new(FailureKind::Refused, page, fact, hint::limited(asked))
        }
        (404, Some(Code::ManifestUnknown)) => Failure::new(
            FailureKind::NotFound,
            page,
            fact,
            if asked.context.is_of_several {
                "check the tags, and that the steps that push them have run"
            } else {
                "check the tag's spelling, and that the step that pushes it has run"
            },
        ),
        (404, _) => Failure::new(FailureKind::NotFound, page, fact, hint::no_tag_or_package(asked)),
        (500.., _) => Failure::new(FailureKind::Unreachable, page, fact, hint::server_fault(asked)),
        (413, _) => Failure::new(
            FailureKind::Refused,
            page,
            fact,
            "the registry rejected this as too large",
        ),
        _ if words.is_empty() => Failure::new(
            FailureKind::Refused,
            page,
            fact,
            "the registry gives no reason; run with `DEBUG: 'true'` to see each request",
        ),
        _ => Failure::new(
            FailureKind::Refused,
            page,
            fact,
            "the registry's own words above are all that is known of the reason",
        ),
    }
}

/// The failure of a tag that the registry would not move. `existing` is where the tag points.
#[must_use]
pub(crate) fn not_overwritten(error: &Error, tag: &Tag, existing: &Digest, context: Context<'_>) -> Failure {
    let message = format!("{error}; the tag exists and is another image, {}", existing.short());
    let says_so = error.kind.is_of_immutable_tag();
    let rule = hint::immutable(tag, says_so);
    match &error.kind {
        ErrorKind::Refused { status: 401, .. } => explain(error, context),
        // These say what it is.
        ErrorKind::Refused {
            code:
                Some(
                    Code::ManifestInvalid
                    | Code::BlobUnknown
                    | Code::NameInvalid
                    | Code::NameUnknown
                    | Code::TooManyRequests,
                ),
            ..
        }
        | ErrorKind::Refused { status: 413 | 429, .. }
            if !says_so =>
        {
            explain(error, context)
        }
        ErrorKind::Refused {
            status: 403,
            granted,
            code,
            ..
        } if !says_so && !matches!(code, Some(Code::Other(_))) => {
            let asker = &error.asker;
            Failure {
                message,
                page: Page::MayBeImmutable,
                ..denied("", granted, &Asked { asker, context }, Some(rule))
            }
        }
        _ => {
            let page = if says_so { Page::Immutable } else { Page::MayBeImmutable };
            Failure::new(FailureKind::Refused, page, message, rule)
        }
    }
}

/// A fact with the credential that met it.
fn signed(fact: &str, asked: &Asked<'_>) -> String {
    let credential: Vec<String> = asked.credential().map(credential_name).into_iter().collect();
    with(fact, &credential)
}

fn with(fact: &str, credentials: &[String]) -> String {
    if credentials.is_empty() {
        return fact.to_owned();
    }
    format!("{fact} (with the {})", credentials.join(", and with the "))
}

fn credential_name(credential: &Credential) -> String {
    match credential.source {
        Source::BuiltIn => "built-in credential".to_owned(),
        Source::ApiToken => format!("API token of `{}`", Quoted::new(&credential.username)),
        Source::Foreign => format!("`SOURCE_USERNAME` `{}`", Quoted::new(&credential.username)),
    }
}

/// 401: the credential itself.
fn not_accepted(fact: &str, asked: &Asked<'_>) -> Failure {
    advised(
        FailureKind::Credential,
        fact.to_owned(),
        Attempt::SignIn,
        hint::not_accepted(asked),
        asked,
    )
}

/// 403: accepted, but not for this. `rule`: what a rule on tags has to do with it.
fn denied(fact: &str, granted: &Granted, asked: &Asked<'_>, rule: Option<String>) -> Failure {
    // Another credential cures what cannot even be read; a refused write is a matter of roles.
    let (kind, refused) = match (asked.asker.writes, &rule) {
        (true, None) => (FailureKind::Refused, Attempt::Write),
        (false, None) => (FailureKind::Credential, Attempt::Read),
        (writes, Some(_)) => (
            FailureKind::Refused,
            if writes { Attempt::Write } else { Attempt::Read },
        ),
    };
    let mut advice = hint::denied(granted, asked);
    advice.rule = rule;
    advised(kind, signed(fact, asked), refused, advice, asked)
}

/// A failure of a credential, with what Bitbucket knows of it.
fn advised(kind: FailureKind, message: String, refused: Attempt, advice: Advice, asked: &Asked<'_>) -> Failure {
    let api_token = asked.credential().filter(|of| of.source == Source::ApiToken);
    let finding = api_token.zip(asked.context.diagnosis).and_then(|(token, diagnosis)| {
        finding::of(
            diagnosis,
            &finding::Doubt {
                refused,
                needs_push: asked.needs_push(),
                may_be_a_rule: advice.rule.is_some(),
                username: Quoted::new(&token.username),
                package: asked.package(),
            },
        )
    });
    let page = page_of_credential(refused, finding.as_ref(), asked);
    Failure {
        bitbucket_may_know: api_token.is_some(),
        ..Failure::new(
            finding.as_ref().and_then(|finding| finding.kind).unwrap_or(kind),
            page,
            message,
            advice.text(finding.as_ref()),
        )
    }
}

#[cfg(test)]
mod tests;
