//! What to do about a refusal: the next step, in lines.

use super::Asked;
use super::finding::Finding;
use crate::credential::advice::{PACKAGES_PAGE, lines_for_api_token, steps_with_role};
use crate::credential::kind::Integrity;
use crate::credential::{Credential, Source};
use crate::names::{Repository, Tag};
use crate::registry::{Granted, Standing};
use crate::text::Quoted;
use crate::text::order::sort_by_key;
use strsim::osa_distance;

/// Names that differ in more letters are others.
const MOST_EDITS: usize = 2;
/// Most names that are suggested.
const MOST_NEAR: usize = 3;

/// Where Atlassian says what is out of order.
pub(super) const STATUS_PAGE: &str = "https://bitbucket.status.atlassian.com";
/// How the line ends that stands before a list of what may be the cause.
pub(super) const GUESSES: &str = "one of these is the cause:";
/// The advice where a registry counts requests.
const LIMITED: &str = "the registry limits how much may be asked of it; run the step again later, or with a lower \
                       `CONCURRENCY` and more `RETRIES`";

/// The advice where a registry has a manifest and lacks what that names.
pub(super) const DAMAGED: &str = "the image is damaged in the registry: it names this as a part of itself, and the registry does not have it; \
                       have it built and pushed again";

/// The advice where what refers to an image is listed, and gone.
pub(super) const MISSING_REFERRER: &str = "the image is whole; the registry lists a signature, an SBOM or an attestation of it that it does not \
                       have: attach it to the image again, or leave out `REFERRERS` and `REQUIRE`";

/// The advice where a list does not end.
pub(super) const TOO_MANY: &str = "no list needs that; the registry is at fault or malicious";

/// The advice where a run would hold too much.
pub(super) const OVER_BUDGET: &str = "name fewer images in one step, or share them out among several (`SHARD`)\n\
                                      if they are few, the registry is at fault or malicious";

/// The advice for an image of Docker's schema 1.
pub(super) const SCHEMA_1: &str = "push it again with a current Docker; registries no longer deliver this form";

/// The advice where an image was named by its digest, and is not there.
pub(super) const NO_DIGEST: &str = "the package has no image of this digest: it was deleted, or is one of another package; take the digest \
                       of the tag again";

/// How the advice begins that holds only where no rule on tags is the cause.
pub(super) const WITHOUT_RULE: &str = "if there is no such rule: ";

/// What to do about a refusal of a credential, in the parts that what Bitbucket knows takes the place of.
#[derive(Debug, Default)]
pub(super) struct Advice {
    /// A rule on tags, which may be the cause as well.
    pub(super) rule: Option<String>,
    /// What is known of the credential.
    pub(super) facts: Vec<String>,
    /// What the token and its user name show themselves.
    pub(super) shown: Vec<String>,
    /// What may be the cause.
    pub(super) guesses: Vec<String>,
    /// The way to a credential that reaches further.
    pub(super) cure: Vec<String>,
}

impl Advice {
    /// The advice in lines.
    pub(super) fn text(self, finding: Option<&Finding>) -> String {
        let Self {
            rule,
            facts,
            mut shown,
            mut guesses,
            mut cure,
        } = self;
        let mut first = Vec::new();
        if let Some(finding) = finding {
            // With a rule as another cause, the whole text stays.
            if finding.is_cause && rule.is_none() {
                shown.clear();
                guesses.clear();
            }
            if finding.needs_no_token {
                cure.clear();
            }
            // What the token shows by itself comes before what is no cause.
            if !finding.is_cause && facts.is_empty() {
                first.append(&mut shown);
            }
            first.extend(finding.lines.iter().cloned());
        }
        let rest = [facts, shown, guesses, cure].concat();
        let rest = match rule {
            Some(rule) if rest.is_empty() => vec![rule],
            Some(rule) => vec![rule, format!("{WITHOUT_RULE}{}", rest.join("\n"))],
            None => rest,
        };
        [first, rest].concat().join("\n")
    }

    fn of(facts: impl IntoIterator<Item = String>) -> Self {
        Self {
            facts: facts.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// 401: the credential itself.
pub(super) fn not_accepted(asked: &Asked<'_>) -> Advice {
    let Some(credential) = asked.credential() else {
        return Advice::of([no_credential(asked)]);
    };
    let advice = match credential.source {
        Source::BuiltIn => {
            let fact =
                "the built-in credential (`BITBUCKET_PACKAGES_USERNAME`, `BITBUCKET_PACKAGES_TOKEN`) was not accepted";
            Advice::of([fact.to_owned()].into_iter().chain(reach_of_built_in(asked)))
        }
        Source::ApiToken => {
            let (shown, guesses) = causes_of_no_sign_in(credential);
            Advice {
                shown,
                guesses,
                ..Advice::default()
            }
        }
        Source::Foreign => Advice::of([format!(
            "`{}` does not know this user with this password: check `SOURCE_USERNAME` and `SOURCE_PASSWORD`",
            asked.host()
        )]),
    };
    Advice {
        cure: way_to_api_token(credential, asked),
        ..advice
    }
}

/// 403: accepted, but not for this.
pub(super) fn denied(granted: &Granted, asked: &Asked<'_>) -> Advice {
    let Some(credential) = asked.credential() else {
        return Advice::of([no_credential(asked)]);
    };
    let mut facts = Vec::new();
    if credential.source == Source::BuiltIn {
        facts.extend(reach_of_built_in(asked));
    }
    let of_repository = asked
        .repository()
        .and_then(|repository| Some((granted.on(repository)?, granted.actions(repository)?)));
    if let Some((granted, actions)) = of_repository {
        let needed = match (asked.asker.writes, asked.deletes()) {
            (true, true) => "delete",
            (true, false) => "push",
            (false, _) => "pull",
        };
        let has = |action: &String| action == needed || action == "*";
        let granted = match actions {
            [] => granted,
            actions if actions.iter().any(has) => format!("`{granted}`"),
            _ => format!("only `{granted}`"),
        };
        if !asked.context.is_of_several {
            facts.push(format!(
                "the credential was accepted, and grants {granted} on {}",
                asked.package()
            ));
        }
    }
    let mut guesses = Vec::new();
    match credential.source {
        // `auto` never writes as a person after a machine was refused.
        Source::BuiltIn if asked.asker.writes && asked.context.has_api_token => {
            facts.push("to write with your API token instead: `CREDENTIAL: api-token`".to_owned());
        }
        Source::BuiltIn => {}
        Source::ApiToken => guesses = causes_of_denial(credential, asked),
        Source::Foreign => {
            facts.push("that user has no right to this image there, or the image is not there".to_owned());
        }
    }
    Advice {
        guesses,
        cure: way_to_api_token(credential, asked),
        ..Advice::of(facts)
    }
}

/// Why an API token may not be accepted at all: what it and the user name show themselves, and a list of guesses.
pub(super) fn causes_of_no_sign_in(credential: &Credential) -> (Vec<String>, Vec<String>) {
    let username = Quoted::new(&credential.username);
    let length = credential.token.expose().len();
    let damage = match Integrity::of(credential.token.expose()) {
        Integrity::CutOff => Some(format!(
            "your token looks cut off after {length} characters: paste it again, whole"
        )),
        Integrity::Mismatch => Some("your token looks altered: paste it again, whole".to_owned()),
        Integrity::Good | Integrity::NotChecked => None,
    };
    let is_email = credential.username.contains('@');
    let mut shown: Vec<String> = damage.iter().cloned().collect();
    if !is_email {
        shown.push(format!(
            "`{username}` is not the email of the Atlassian account: write the email, not the Bitbucket user name"
        ));
    }
    let mut guesses = vec![if shown.is_empty() {
        format!("`ATLASSIAN_API_TOKEN` was not accepted for `{username}`; {GUESSES}")
    } else {
        format!("if that is not it, {GUESSES}")
    }];
    guesses.extend([
        "- it has expired or was revoked: tokens live a year at most".to_owned(),
        "- it was made without scopes, or for another app than Bitbucket".to_owned(),
    ]);
    if is_email {
        guesses.push(format!(
            "- `{username}` is not the email of the Atlassian account that made it"
        ));
    }
    if damage.is_none() {
        guesses.push("- it was cut when it was copied".to_owned());
    }
    (shown, guesses)
}

/// Why an API token that is accepted may not do what was asked.
fn causes_of_denial(credential: &Credential, asked: &Asked<'_>) -> Vec<String> {
    let (scope, role) = if asked.needs_push() {
        ("write:package:bitbucket", "Write")
    } else {
        ("read:package:bitbucket", "Read")
    };
    let username = Quoted::new(&credential.username);
    vec![
        GUESSES.to_owned(),
        format!("- the API token does not have the scope `{scope}`; scopes cannot be added later, so make a new token"),
        format!(
            "- `{username}` does not have the role {role} on the repository that {} is linked to",
            asked.package()
        ),
    ]
}

/// Where a registry counts requests: most count more of them for who signs in.
pub(super) fn limited(asked: &Asked<'_>) -> String {
    match higher_limit(asked) {
        Some(line) => format!("{LIMITED}\n{line}"),
        None => LIMITED.to_owned(),
    }
}

/// How to be allowed more, where nobody signed in to another registry.
pub(super) fn higher_limit(asked: &Asked<'_>) -> Option<String> {
    let host = asked.host();
    let is_unknown = asked.credential().is_none() && host != asked.context.registry;
    is_unknown.then(|| {
        format!(
            "nobody has signed in to `{host}`, which may allow more to those who do: `pull` and `copy` do it with \
             `SOURCE_USERNAME` and `SOURCE_PASSWORD`"
        )
    })
}

pub(super) fn no_credential(asked: &Asked<'_>) -> String {
    if asked.asker.standing == Standing::NotAsked {
        return format!(
            "`{}` asks nobody to sign in, neither for this nor at `/v2/`, so no credential was sent; ask those who run it",
            asked.host()
        );
    }
    // Docker Hub answers 401 to who asks for an image that is not there.
    format!(
        "`{}` asks for a credential and was given none; `pull` and `copy` take one in `SOURCE_USERNAME` and `SOURCE_PASSWORD`\n\
         some registries say so of an image that is not there, too: check its name",
        asked.host()
    )
}

fn reach_of_built_in(asked: &Asked<'_>) -> [String; 2] {
    let own = asked.context.step.repository.as_deref().map_or_else(
        || "this repository".to_owned(),
        |own| format!("this repository, `{}`", Quoted::new(own)),
    );
    [
        format!("the built-in credential reaches only packages that are linked to {own}"),
        format!("if {} is linked to another one, it needs an API token", asked.package()),
    ]
}

/// How to get at a credential that reaches further; nothing where an API token is there and was not the one refused.
fn way_to_api_token(refused: &Credential, asked: &Asked<'_>) -> Vec<String> {
    if refused.source == Source::Foreign || (refused.source == Source::BuiltIn && asked.context.has_api_token) {
        return Vec::new();
    }
    let role = if asked.needs_push() { "Write" } else { "Read" };
    // Scopes cannot be added later, so the token gets all that the action needs.
    let mut lines = steps_with_role(role, asked.context.writes);
    if asked.context.only_built_in {
        // With the token alone, the next run would end the same way.
        let instead = if asked.asker.writes {
            "write `CREDENTIAL: api-token`"
        } else {
            "leave `CREDENTIAL` out"
        };
        lines.insert(
            0,
            format!("`CREDENTIAL` is `built-in`, so no API token was tried: {instead}"),
        );
    }
    if refused.source == Source::BuiltIn {
        lines.extend(lines_for_api_token());
    }
    lines
}

/// `NAME_UNKNOWN`: packages are made by hand.
pub(super) fn no_package(asked: &Asked<'_>) -> String {
    if asked.host() != asked.context.registry {
        return "check the image's name".to_owned();
    }
    let workspace = workspace(asked);
    let missing = if asked.context.is_of_several {
        format!("the workspace `{workspace}` has no packages of these names: check them")
    } else {
        format!(
            "the workspace `{workspace}` has no package {}: check the name",
            asked.package()
        )
    };
    let mut lines = vec![missing];
    lines.extend(other_names(asked));
    lines.push(way_to_package(asked));
    lines.join("\n")
}

/// What may have been meant by the name of a package that is not there.
fn other_names(asked: &Asked<'_>) -> Vec<String> {
    let is_perhaps_of_hub = !asked.needs_push() && asked.host().is_atlassian();
    let Some(repository) = asked.repository().filter(|_| !asked.context.is_of_several) else {
        let line = "if you mean images of Docker Hub, write `docker.io/` before their names";
        return is_perhaps_of_hub.then(|| line.to_owned()).into_iter().collect();
    };
    let mut lines = Vec::new();
    let near = near_names(repository, asked.context.known);
    if !near.is_empty() {
        lines.push(format!(
            "files of this repository name {}: did you mean that?",
            near.join(", ")
        ));
    }
    if is_perhaps_of_hub {
        let own = asked.context.step.workspace.as_deref();
        let name = match repository.workspace() {
            Some(workspace) if own.is_some_and(|own| own != workspace) => repository.path(),
            _ => repository.package(),
        };
        lines.push(format!("if you mean the image of Docker Hub, write `docker.io/{name}`"));
    }
    lines
}

/// Those of `known` whose names come near to that of a repository which is not there, in back-ticks.
pub(in crate::explain) fn near_names(repository: &Repository, known: &[Repository]) -> Vec<String> {
    let distance = |other: &Repository| osa_distance(other.path(), repository.path());
    let mut near: Vec<&Repository> = known.iter().filter(|known| *known != repository).collect();
    sort_by_key(&mut near, |known| distance(known));
    near.dedup();
    near.retain(|known| distance(known) <= MOST_EDITS);
    near.iter().take(MOST_NEAR).map(|known| format!("`{known}`")).collect()
}

/// 404 without a code that tells one from the other.
pub(super) fn no_tag_or_package(asked: &Asked<'_>) -> String {
    let missing = "either the tag is not there, or the package is not: check both names";
    if asked.host() != asked.context.registry {
        return missing.to_owned();
    }
    format!("{missing}\n{}", way_to_package(asked))
}

fn workspace<'a>(asked: &Asked<'a>) -> &'a str {
    asked
        .repository()
        .and_then(Repository::workspace)
        .unwrap_or("the workspace")
}

fn way_to_package(asked: &Asked<'_>) -> String {
    let workspace = workspace(asked);
    let mut lines = Vec::new();
    if let Some(own) = asked.context.step.workspace.as_deref()
        && workspace != own
    {
        let own = Quoted::new(own);
        lines.push(format!(
            "this step's workspace is `{own}`: is `{workspace}` the one you mean?"
        ));
    }
    let right = if asked.context.is_of_several {
        "if the names are right"
    } else {
        "if the name is right"
    };
    if asked.needs_push() && !asked.deletes() {
        lines.push(format!(
            "{right}: a push does not create packages; an admin creates it once"
        ));
    } else {
        lines.push(format!(
            "{right}: an admin creates the package once, and a step pushes an image to it"
        ));
    }
    lines.extend([
        format!("  1. As an admin of a repository of `{workspace}`, open Bitbucket → Create → Package"),
        format!(
            "  2. Create one for container images, name it {}, and link it to that repository",
            if asked.context.is_of_several {
                "as the image".to_owned()
            } else {
                asked.package()
            }
        ),
        "  the workspace needs a Standard or Premium plan that is billed monthly".to_owned(),
    ]);
    if asked
        .credential()
        .is_some_and(|credential| credential.source == Source::BuiltIn)
    {
        let [reach, other] = reach_of_built_in(asked);
        lines.push(format!("if it is there: {reach}"));
        lines.push(other);
    }
    lines.push(format!("Read {PACKAGES_PAGE}"));
    lines.join("\n")
}

/// 5xx.
pub(super) fn server_fault(asked: &Asked<'_>) -> String {
    let hint = "the registry has a problem; run the step again later";
    if asked.host().is_atlassian() {
        format!("{hint}, and see {STATUS_PAGE}")
    } else {
        hint.to_owned()
    }
}

/// What to do about a tag that may not be moved; `says_so` where the registry itself calls it immutable.
pub(super) fn immutable(tag: &Tag, says_so: bool) -> String {
    let has = if says_so { "has" } else { "may have" };
    format!(
        "your workspace {has} a rule that makes tags like `{tag}` immutable: workspace settings → Container settings\n\
         use a new tag, or write `ON_EXISTING: skip` to leave such tags as they are"
    )
}
