//! What a registry's refusal means for the user: the fact, the cause that is known, and the next step. Pure.
//!
//! What Bitbucket's registry says and when is known only in part (no public text has its bodies); so the words of the
//! registry are always shown, and a cause is named as certain only where it is.

use crate::credential::advice::{PACKAGES_PAGE, lines_for_api_token, steps_to_api_token};
use crate::credential::{Credential, Source};
use crate::engine;
use crate::failure::{Failure, Kind};
use crate::image::{Digest, Host, Repository, Tag};
use crate::registry::{Code, Error, Granted, Problem, Reach};
use crate::request::Step;
use crate::variables::distance;
use crate::words::Words;

/// Where Atlassian says what is out of order.
const STATUS_PAGE: &str = "https://bitbucket.status.atlassian.com";
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
    /// With which credential.
    pub credential: Option<&'a Credential>,
    /// Whether an API token is among the credentials that may serve.
    pub has_api_token: bool,
    /// `REGISTRY`.
    pub registry: &'a Host,
    /// The step.
    pub step: &'a Step,
}

impl Asked<'_> {
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
        } => refused(fact, (*status, code.as_ref()), granted, words, asked),
        Problem::SignIn { status: 500.., .. } => Failure::new(Kind::Unreachable, fact, server_fault(asked)),
        Problem::SignIn { status: 429, .. } => Failure::new(Kind::Refused, fact, LIMITED),
        Problem::SignIn { .. } => Failure::new(Kind::Credential, signed(&fact, asked.credential), not_accepted(asked)),
        Problem::Unreachable(reach) => Failure::new(Kind::Unreachable, fact, unreachable(reach, error, asked)),
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
        Problem::Protocol(_) => Failure::new(
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

/// The failure of a refusal that the Docker daemon relays: its words, with what the daemon cannot know.
#[must_use]
pub fn relayed(error: engine::Error, granted: &Granted, asked: &Asked<'_>) -> Failure {
    let engine::Error::Registry { refusal, .. } = &error else {
        return Failure::from(error);
    };
    let message = error.message();
    match refusal {
        engine::Refusal::Unauthorized => Failure::new(Kind::Credential, message, not_accepted(asked)),
        engine::Refusal::Denied => denied(&message, granted, asked),
        engine::Refusal::NameUnknown => Failure::new(Kind::NotFound, message, no_package(asked)),
        engine::Refusal::ManifestUnknown | engine::Refusal::Immutable | engine::Refusal::TooManyRequests => {
            Failure::from(error)
        }
    }
}

/// A refusal by the registry itself: its code goes before its status, where it names one.
fn refused(
    fact: String,
    (status, code): (u16, Option<&Code>),
    granted: &Granted,
    words: &Words,
    asked: &Asked<'_>,
) -> Failure {
    match (status, code) {
        (_, Some(Code::NameUnknown)) => {
            Failure::new(Kind::NotFound, signed(&fact, asked.credential), no_package(asked))
        }
        (_, Some(Code::Denied)) | (403, _) => denied(&fact, granted, asked),
        // Docker's own registry answers 401 where the token lacks the action: a sign-in that granted something, be it
        // nothing on this repository, was accepted.
        (_, Some(Code::Unauthorized)) | (401, _) if *granted != Granted::Unknown => denied(&fact, granted, asked),
        (_, Some(Code::Unauthorized)) | (401, _) => {
            Failure::new(Kind::Credential, signed(&fact, asked.credential), not_accepted(asked))
        }
        (429, _) | (_, Some(Code::TooManyRequests)) => Failure::new(Kind::Refused, fact, LIMITED),
        (404, Some(Code::ManifestUnknown)) => Failure::new(
            Kind::NotFound,
            fact,
            "check the tag's spelling, and that the step that pushes it has run",
        ),
        (404, _) => Failure::new(
            Kind::NotFound,
            fact,
            format!(
                "either the tag is not there, or the package is not\n{}",
                no_package(asked)
            ),
        ),
        (500.., _) => Failure::new(Kind::Unreachable, fact, server_fault(asked)),
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
    let immutable = immutable(tag);
    match &error.problem {
        Problem::Refused { status: 401, .. } => explain(error, asked),
        Problem::Refused {
            status: 403,
            granted,
            code,
            words,
        } => {
            let says_so = words.as_str().to_ascii_lowercase().contains("immutable");
            if says_so || matches!(code, Some(Code::Other(_))) {
                return Failure::new(Kind::Refused, message, immutable);
            }
            let denied = denied(&message, granted, asked);
            let hint = format!(
                "{immutable}\nif there is no such rule: {}",
                denied.hint.unwrap_or_default()
            );
            Failure::new(Kind::Refused, message, hint)
        }
        _ => Failure::new(Kind::Refused, message, immutable),
    }
}

/// What to do about a tag that may not be moved.
#[must_use]
pub fn immutable(tag: &Tag) -> String {
    format!(
        "the workspace may have a rule that makes tags like `{tag}` immutable: workspace settings → Container settings\n\
         use a new tag, or write `ON_EXISTING: skip` to leave such tags as they are"
    )
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

/// The tags most like `wanted`: by what they share at the beginning, then by edit distance.
fn nearest<'a>(wanted: &Tag, tags: &'a [Tag]) -> Vec<&'a Tag> {
    let shared = |tag: &Tag| {
        tag.as_str()
            .bytes()
            .zip(wanted.as_str().bytes())
            .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
            .count()
    };
    let mut ranked: Vec<&Tag> = tags.iter().collect();
    ranked.sort_by_key(|tag| {
        (
            distance(tag.as_str(), wanted.as_str(), 3),
            std::cmp::Reverse(shared(tag)),
        )
    });
    ranked.truncate(MOST_SUGGESTIONS);
    ranked
}

/// What stands before the name of the credential at the end of a fact.
const SIGNED: &str = " (with the ";
/// The advice where a registry counts requests.
const LIMITED: &str = "the registry limits how much may be asked of it; run the step again later, or with a lower \
                       `CONCURRENCY` and more `RETRIES`";

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
        Source::ApiToken => format!("API token of `{}`", Words::new(&credential.username)),
        Source::Foreign => format!("`SOURCE_USERNAME` `{}`", Words::new(&credential.username)),
    }
}

fn server_fault(asked: &Asked<'_>) -> String {
    let hint = "the fault is the registry's; run the step again later";
    if asked.host().is_atlassian() {
        format!("{hint}, and see {STATUS_PAGE}")
    } else {
        hint.to_owned()
    }
}

/// 401: the credential itself.
fn not_accepted(asked: &Asked<'_>) -> String {
    let Some(credential) = asked.credential else {
        return no_credential(asked);
    };
    let mut lines = Vec::new();
    match credential.source {
        Source::BuiltIn => {
            lines.push(
                "the built-in credential (`BITBUCKET_PACKAGES_USERNAME`, `BITBUCKET_PACKAGES_TOKEN`) was not accepted"
                    .to_owned(),
            );
            lines.extend(reach_of_built_in(asked));
        }
        Source::ApiToken => {
            let username = Words::new(&credential.username);
            lines.extend([
                format!("`ATLASSIAN_API_TOKEN` was not accepted for `{username}`; one of these is the cause:"),
                "- it has expired or was revoked: tokens live a year at most".to_owned(),
                "- it was made without scopes, or for another app than Bitbucket".to_owned(),
                format!("- `{username}` is not the email of the Atlassian account that made it"),
                "- it was cut when it was copied".to_owned(),
            ]);
        }
        Source::Foreign => lines.push("check `SOURCE_USERNAME` and `SOURCE_PASSWORD`".to_owned()),
    }
    lines.extend(way_to_api_token(credential, asked));
    lines.join("\n")
}

fn no_credential(asked: &Asked<'_>) -> String {
    format!(
        "`{}` asks for a credential and was given none; `copy` takes one in `SOURCE_USERNAME` and `SOURCE_PASSWORD`",
        asked.host()
    )
}

/// 403: accepted, but not for this.
fn denied(fact: &str, granted: &Granted, asked: &Asked<'_>) -> Failure {
    // Another credential cures what cannot even be read; a refused write is a matter of roles.
    let kind = if asked.write { Kind::Refused } else { Kind::Credential };
    let Some(credential) = asked.credential else {
        return Failure::new(kind, fact, no_credential(asked));
    };
    let mut lines = Vec::new();
    if let Some(granted) = asked.repository.and_then(|repository| granted.on(repository)) {
        let granted = if granted == "nothing" {
            granted
        } else {
            format!("only `{granted}`")
        };
        lines.push(format!(
            "the credential was accepted, and grants {granted} on {}",
            asked.package()
        ));
    }
    match credential.source {
        Source::BuiltIn => {
            lines.extend(reach_of_built_in(asked));
            if asked.write && asked.has_api_token {
                // `auto` never writes as a person after a machine was refused.
                lines.push("to write with your API token instead: `CREDENTIAL: api-token`".to_owned());
            }
        }
        Source::ApiToken => {
            let (scope, role) = if asked.action_writes {
                ("write:package:bitbucket", "Write")
            } else {
                ("read:package:bitbucket", "Read")
            };
            let username = Words::new(&credential.username);
            lines.extend([
                "one of these is the cause:".to_owned(),
                format!("- the API token lacks the scope `{scope}`; scopes cannot be added later, so make a new token"),
                format!(
                    "- `{username}` lacks the role {role} on the repository that {} is linked to",
                    asked.package()
                ),
            ]);
        }
        Source::Foreign => {
            lines.push("that user has no right to this image there, or the image is not there".to_owned());
        }
    }
    lines.extend(way_to_api_token(credential, asked));
    Failure::new(kind, signed(fact, Some(credential)), lines.join("\n"))
}

fn reach_of_built_in(asked: &Asked<'_>) -> [String; 2] {
    let own = asked.step.repository.as_deref().map_or_else(
        || "this repository".to_owned(),
        |own| format!("this repository, `{own}`"),
    );
    [
        format!("the built-in credential reaches only packages that are linked to {own}"),
        format!(
            "if {} is linked to another one, an API token must serve it",
            asked.package()
        ),
    ]
}

/// How to get at a credential that reaches further; nothing where an API token is there and was not the one refused.
fn way_to_api_token(refused: &Credential, asked: &Asked<'_>) -> Vec<String> {
    if refused.source == Source::Foreign || (refused.source == Source::BuiltIn && asked.has_api_token) {
        return Vec::new();
    }
    let mut lines = steps_to_api_token(asked.action_writes);
    if refused.source == Source::BuiltIn {
        lines.extend(lines_for_api_token());
    }
    lines
}

/// `NAME_UNKNOWN`: packages are made by hand.
fn no_package(asked: &Asked<'_>) -> String {
    if asked.host() != asked.registry {
        return "check the image's name".to_owned();
    }
    let workspace = asked
        .repository
        .and_then(Repository::workspace)
        .unwrap_or("the workspace");
    let mut lines = vec![format!(
        "check the name: workspace `{workspace}` has no package {}",
        asked.package()
    )];
    if let Some(own) = asked.step.workspace.as_deref()
        && workspace != own
    {
        lines.push(format!(
            "this step's workspace is `{own}`: is `{workspace}` the one you mean?"
        ));
    }
    if asked.action_writes {
        lines.push("if the name is right: pushing does not make a package, somebody must make it first".to_owned());
    } else {
        lines.push("if the name is right: somebody must make the package, and a step push an image to it".to_owned());
    }
    lines.extend([
        format!("  1. With the role Admin on a repository of `{workspace}` open Bitbucket → Create → Package"),
        format!(
            "  2. Make one for container images, name it {} and link it to that repository",
            asked.package()
        ),
        "  the workspace needs a Standard or Premium plan that is paid by the month".to_owned(),
    ]);
    if asked
        .credential
        .is_some_and(|credential| credential.source == Source::BuiltIn)
    {
        let [reach, other] = reach_of_built_in(asked);
        lines.push(format!("if it is there: {reach}"));
        lines.push(other);
    }
    lines.push(format!("Read {PACKAGES_PAGE}"));
    lines.join("\n")
}

fn unreachable(reach: &Reach, error: &Error, asked: &Asked<'_>) -> String {
    let host = &error.host;
    match reach {
        Reach::UnknownIssuer => "if a company's own authority signed it, give its certificate in `CA_CERTIFICATE` \
                                 (PEM text or a file)"
            .to_owned(),
        Reach::Certificate(_) => {
            format!("a certificate for `{host}` is what its owner must renew or mend; nothing was sent")
        }
        Reach::Tls(_) => format!("is `{host}` the right host and port, and does it speak TLS?"),
        Reach::Name | Reach::ConnectionRefused if host == asked.registry && host.as_str() != Host::BITBUCKET => {
            format!("check `REGISTRY`, which is `{host}`")
        }
        Reach::Name => format!("check the host name `{host}`, and that the step has a network"),
        Reach::ConnectionRefused | Reach::Timeout | Reach::Broken(_) => {
            let hint = "run the step again later; if it goes through a proxy, check `HTTPS_PROXY`";
            if host.is_atlassian() {
                format!("{hint}; see {STATUS_PAGE}")
            } else {
                hint.to_owned()
            }
        }
    }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
