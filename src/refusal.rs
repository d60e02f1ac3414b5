//! What a registry's refusal means for the user: the fact, the cause that is known, and the next step. Pure.
//!
//! What Bitbucket's registry says and when is known only in part (no public text has its bodies); so the words of the
//! registry are always shown, and a cause is named as certain only where it is.

use crate::credential::advice::{PACKAGES_PAGE, steps_to_api_token, variables};
use crate::credential::{Credential, Source};
use crate::engine;
use crate::failure::{Failure, Kind};
use crate::image::{Digest, Host, Repository, Tag};
use crate::registry::{Code, Error, Granted, Problem, Reach};
use crate::request::Step;
use crate::variables::distance;

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
    let message = error.to_string();
    match &error.problem {
        Problem::SignIn {
            status: 400 | 401 | 403,
            ..
        } => Failure::new(Kind::Credential, message, not_accepted(asked)),
        Problem::Refused {
            code: Some(Code::NameUnknown),
            ..
        } => Failure::new(Kind::NotFound, message, no_package(asked)),
        Problem::Refused {
            code: Some(Code::Denied),
            granted,
            ..
        }
        | Problem::Refused {
            status: 403, granted, ..
        } => denied(&message, granted, asked),
        Problem::Refused {
            code: Some(Code::Unauthorized),
            granted,
            ..
        }
        | Problem::Refused {
            status: 401, granted, ..
        } => {
            // Docker's own registry answers 401 where the token lacks the action: a sign-in that granted something, be it
            // nothing on this repository, was accepted.
            if *granted == Granted::Unknown {
                Failure::new(Kind::Credential, message, not_accepted(asked))
            } else {
                denied(&message, granted, asked)
            }
        }
        Problem::Refused {
            code: Some(Code::TooManyRequests),
            ..
        }
        | Problem::Refused { status: 429, .. } => Failure::new(
            Kind::Refused,
            message,
            "the registry limits how much may be asked of it; run the step again later, or with a lower `CONCURRENCY` and more `RETRIES`",
        ),
        Problem::Refused { status: 404, code, .. } => match code {
            Some(Code::ManifestUnknown) => Failure::new(
                Kind::NotFound,
                message,
                "check the tag's spelling, and that the step that pushes it has run",
            ),
            _ => Failure::new(
                Kind::NotFound,
                message,
                format!(
                    "either the tag is not there, or the package is not\n{}",
                    no_package(asked)
                ),
            ),
        },
        Problem::Refused { status: 500.., .. } | Problem::SignIn { status: 500.., .. } => Failure::new(
            Kind::Unreachable,
            message,
            "the fault is the registry's; run the step again later (https://bitbucket.status.atlassian.com)",
        ),
        Problem::Refused { status: 413, .. } => {
            Failure::new(Kind::Refused, message, "the registry takes nothing so large")
        }
        Problem::Refused { .. } => Failure::new(
            Kind::Refused,
            message,
            "the registry's own words above are all that is known of the reason",
        ),
        Problem::SignIn { .. } => Failure::new(Kind::Credential, message, not_accepted(asked)),
        Problem::Unreachable(reach) => Failure::new(Kind::Unreachable, message, unreachable(reach, error, asked)),
        Problem::UntrustedRealm { .. } => Failure::new(
            Kind::Other,
            message,
            "your credential was not sent; a sign-in address must be `https` on a host with a name, and what you see is a fault or an attack",
        ),
        Problem::Redirect { .. } => Failure::new(
            Kind::Other,
            message,
            "nothing was sent there; ask who runs the registry",
        ),
        Problem::Protocol(_) => {
            let hint = format!(
                "is `{}` a container registry? Run with `DEBUG: 'true'` to see each request",
                error.host
            );
            Failure::new(Kind::Other, message, hint)
        }
        Problem::WrongDigest { .. } | Problem::TooLarge { .. } => Failure::new(
            Kind::Other,
            message,
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

/// The failure of a credential whose token lacks a right, told before anything is written.
#[must_use]
pub fn not_granted(missing: &[String], granted: &Granted, asked: &Asked<'_>) -> Failure {
    let message = format!(
        "`{}` grants no {}{}",
        asked.host(),
        missing.join(" and no "),
        by_whom(asked)
    );
    denied(&message, granted, asked)
}

/// The failure where every credential was turned away. The last one's advice counts: it is the one that could reach further.
#[must_use]
pub fn all_turned_away(failures: Vec<Failure>) -> Option<Failure> {
    let mut failures = failures;
    let last = failures.pop()?;
    if failures.is_empty() {
        return Some(last);
    }
    let mut message = String::new();
    for failure in &failures {
        message.push_str(&failure.message);
        message.push_str("; then ");
    }
    message.push_str(&last.message);
    Some(Failure { message, ..last })
}

/// The failure of a tag that the registry would not move. `existing` is where the tag points.
#[must_use]
pub fn not_overwritten(error: &Error, tag: &Tag, existing: &Digest, asked: &Asked<'_>) -> Failure {
    let message = format!("{error}; the tag exists and is {}", existing.short());
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
        "the tag `{tag}` exists with another digest, and the workspace may have a rule that makes such tags immutable: \
         Bitbucket → workspace settings → Container settings\nuse a new tag; or write `ON_EXISTING: skip` to leave such tags alone"
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

fn by_whom(asked: &Asked<'_>) -> String {
    match asked.credential {
        Some(Credential {
            source: Source::BuiltIn,
            ..
        }) => " to the built-in credential".to_owned(),
        Some(Credential {
            source: Source::ApiToken,
            username,
            ..
        }) => format!(" to the API token of `{}`", crate::registry::Words::new(username)),
        None => " without a credential".to_owned(),
    }
}

/// 401: the credential itself.
fn not_accepted(asked: &Asked<'_>) -> String {
    match asked.credential {
        Some(Credential {
            source: Source::BuiltIn,
            ..
        }) => {
            let mut hint = format!(
                "the built-in credential (`BITBUCKET_PACKAGES_USERNAME`, `BITBUCKET_PACKAGES_TOKEN`) was not accepted\n{}",
                reach_of_built_in(asked)
            );
            if !asked.has_api_token {
                push_steps(&mut hint, asked);
            }
            hint
        }
        Some(Credential {
            source: Source::ApiToken,
            username,
            ..
        }) => {
            let username = crate::registry::Words::new(username);
            let mut hint = format!(
                "the API token in `ATLASSIAN_API_TOKEN` was not accepted for `{username}`; it is one of these:\n\
                 - it has expired or was revoked (they live a year at most)\n\
                 - it was made without scopes, or for another app than Bitbucket\n\
                 - `{username}` is not the email of the Atlassian account that made it\n\
                 - it was cut when it was copied"
            );
            push_steps(&mut hint, asked);
            hint
        }
        None => format!(
            "`{}` asks for a credential, and this pipe has none for it",
            asked.host()
        ),
    }
}

/// 403: accepted, but not for this.
fn denied(message: &str, granted: &Granted, asked: &Asked<'_>) -> Failure {
    // Another credential cures what cannot even be read; a refused write is a matter of roles.
    let kind = if asked.write { Kind::Refused } else { Kind::Credential };
    let mut hint = String::new();
    if let Some(granted) = asked.repository.and_then(|repository| granted.on(repository)) {
        hint = format!("the sign-in granted {granted}{}\n", by_whom(asked));
    }
    match asked.credential {
        Some(Credential {
            source: Source::BuiltIn,
            ..
        }) => {
            hint.push_str(&reach_of_built_in(asked));
            if !asked.has_api_token {
                push_steps(&mut hint, asked);
            }
        }
        Some(Credential {
            source: Source::ApiToken,
            username,
            ..
        }) => {
            let (scope, role) = if asked.action_writes {
                ("write:package:bitbucket", "Write")
            } else {
                ("read:package:bitbucket", "Read")
            };
            let username = crate::registry::Words::new(username);
            hint.push_str(&format!(
                "it is one of these:\n\
                 - the API token lacks the scope `{scope}`; scopes cannot be added later, so make a new token\n\
                 - `{username}` lacks the role {role} on the repository that {} is linked to",
                asked.package()
            ));
            push_steps(&mut hint, asked);
        }
        None => hint.push_str(&format!(
            "`{}` may need a credential, and this pipe has none for it",
            asked.host()
        )),
    }
    Failure::new(kind, message, hint)
}

fn reach_of_built_in(asked: &Asked<'_>) -> String {
    let own = asked.step.repository.as_deref().map_or_else(
        || "this repository".to_owned(),
        |own| format!("this repository, `{own}`"),
    );
    format!(
        "the built-in credential reaches only packages that are linked to {own}; \
         is {} linked to another one? Then an API token must serve it",
        asked.package()
    )
}

fn push_steps(hint: &mut String, asked: &Asked<'_>) {
    for line in steps_to_api_token(asked.action_writes) {
        hint.push('\n');
        hint.push_str(&line);
    }
    for line in variables(&[Source::ApiToken]) {
        hint.push('\n');
        hint.push_str(&line);
    }
}

/// NAME_UNKNOWN: packages are made by hand.
fn no_package(asked: &Asked<'_>) -> String {
    if asked.host() != asked.registry {
        return "check the image's name".to_owned();
    }
    let workspace = asked
        .repository
        .and_then(Repository::workspace)
        .unwrap_or("the workspace");
    let mut lines = Vec::new();
    if let Some(own) = asked.step.workspace.as_deref()
        && workspace != own
    {
        lines.push(format!(
            "`{workspace}` is not this step's workspace, `{own}`: is it the one you mean?"
        ));
    }
    lines.push(format!("a package is not made by pushing to it: somebody with the role Admin on a repository of `{workspace}` makes it first"));
    lines.push(format!(
        "  Bitbucket → Create → Package, type Container image, name {}, linked to that repository",
        asked.package()
    ));
    lines.push("  the workspace needs a Standard or Premium plan that is paid by the month".to_owned());
    if let Some(Credential {
        source: Source::BuiltIn,
        ..
    }) = asked.credential
    {
        lines.push(format!("if it exists: {}", reach_of_built_in(asked)));
    }
    lines.push(PACKAGES_PAGE.to_owned());
    lines.join("\n")
}

fn unreachable(reach: &Reach, error: &Error, asked: &Asked<'_>) -> String {
    let host = &error.host;
    match reach {
        Reach::UnknownIssuer => "if a company's own authority signed it, give its certificate in `CA_CERTIFICATE` (PEM text or a file)".to_owned(),
        Reach::Certificate(_) => format!("a certificate for `{host}` is what its owner must renew or mend; nothing was sent"),
        Reach::Tls(_) => format!("is `{host}` the right host and port, and does it speak TLS?"),
        Reach::Name | Reach::ConnectionRefused if host == asked.registry && host.as_str() != Host::BITBUCKET => format!("check `REGISTRY`, which is `{host}`"),
        Reach::Name => format!("check the host name `{host}`, and that the step has a network"),
        _ => "run the step again later; a proxy is used if `HTTPS_PROXY` is set; see https://bitbucket.status.atlassian.com".to_owned(),
    }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
