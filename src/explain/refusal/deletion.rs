//! Why a registry does not delete, for the user.

use super::{Asked, Context, denied, explain};
use crate::explain::Page;
use crate::explain::failure::{Failure, FailureKind};
use crate::names::Repository;
use crate::registry::{Error, ErrorKind};

/// Most tags that a hint names.
const MOST_TAGS: usize = 20;
/// How Bitbucket has tags deleted by hand.
const DELETE_PAGE: &str = "https://support.atlassian.com/bitbucket-cloud/docs/delete-a-container-image-and-tag";
/// The rule that may be the cause.
const RULE: &str = "your workspace may have a rule that makes tags like this immutable (workspace settings → Container settings): only \
                    an admin of the workspace deletes those; name them in `KEEP_TAGS`";

/// The failure of one tag or digest that was not deleted.
pub(in crate::explain) fn not_deleted(error: &Error, context: Context<'_>) -> Failure {
    match &error.kind {
        ErrorKind::Refused {
            status: 403, granted, ..
        } => {
            let asker = &error.asker;
            let rule = RULE.to_owned();
            Failure {
                page: Page::DeletionDenied,
                ..denied(&error.to_string(), granted, &Asked { asker, context }, Some(rule))
            }
        }
        _ => explain(error, context),
    }
}

/// The failure of a registry that deletes neither by tag nor by digest: what would go, and where to delete it.
pub(in crate::explain) fn impossible(by_tag: Option<&Error>, by_digest: &Error, tags: &[String]) -> Failure {
    let message = match by_tag {
        Some(by_tag) => format!("{by_digest}; and before that, {by_tag}"),
        None => by_digest.to_string(),
    };
    let named = tags.iter().take(MOST_TAGS).map(String::as_str);
    let more = tags.len().saturating_sub(MOST_TAGS);
    let more = if more > 0 {
        format!(" and {more} more (`REPORT` lists all)")
    } else {
        String::new()
    };
    let named: Vec<&str> = named.collect();
    let what = format!(
        "the registry deletes neither tags nor images on request; these would go: {}{more}",
        named.join(", ")
    );
    let hint = format!("{what}\n{}", by_hand(by_digest.asker.repository.as_ref()));
    Failure::new(FailureKind::Refused, Page::NoDeletion, message, hint)
}

/// Where to delete what the registry does not delete on request.
pub(super) fn by_hand(repository: Option<&Repository>) -> String {
    match repository.filter(|repository| repository.host().is_atlassian()) {
        Some(repository) => format!(
            "delete them in Bitbucket: Packages → `{}` → More actions (…) of the tag → Delete tag → Confirm; it takes the role \
             Write on the repository that the package is linked to\n\
             Read {DELETE_PAGE}",
            repository.package()
        ),
        None => "delete them where the registry is run, or have deletion turned on there".to_owned(),
    }
}
