//! What `check` finds out about one target, and its row: whether its package is there and may be pushed to. An upload
//! session is opened and given up again, so that nothing is left behind.

use super::row::{CheckRow, Mark, by};
use crate::credential::Source;
use crate::explain::RunError;
use crate::explain::failure::{Failure, FailureKind};
use crate::names::{Digest, Repository, Tag};
use crate::registry;
use crate::session::Session;

/// A target that may be read, and perhaps written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetFound {
    /// What served; `None` for no credential.
    pub(super) source: Option<Source>,
    /// What the token grants on it; `None` if it does not tell.
    pub(super) granted: Option<String>,
    /// Where the tag that was asked for points now.
    pub(super) existing: Option<Digest>,
    /// Whether the registry does not know the repository, and lets a push make it.
    pub(super) is_unmade: bool,
    pub(super) push: PushAnswer,
}

impl TargetFound {
    pub(super) fn may_be_pushed_to(&self) -> bool {
        !matches!(self.push, PushAnswer::Unknown(_))
    }
}

/// What became of the try to push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PushAnswer {
    /// The registry opened an upload session, and dropped it when it was told to.
    Allowed,
    /// It opened one and would not drop it: Docker's own wants the right to delete for that. All do in time.
    AllowedAndOpen,
    /// It is not known: neither a yes nor a refusal.
    Unknown(String),
}

/// Tries a target with the credential that `push` and `copy` would take.
pub(super) async fn look(
    session: &Session,
    repository: &Repository,
    tag: Option<&Tag>,
) -> Result<TargetFound, RunError> {
    let latest = Tag::latest();
    let opened = session
        .open(repository, tag.unwrap_or(&latest), registry::Access::PullPush)
        .await;
    let (remote, existing) = opened?;
    let push = match session.try_upload(&remote).await {
        Ok(true) => PushAnswer::Allowed,
        Ok(false) => PushAnswer::AllowedAndOpen,
        // What makes no sense as an answer is neither a yes nor a refusal; a push would meet all else.
        Err(error) if error.kind.makes_no_sense() => PushAnswer::Unknown(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    Ok(TargetFound {
        source: remote.source(),
        granted: remote.granted().await.on(repository),
        is_unmade: session.is_unmade(repository),
        existing: existing.filter(|_| tag.is_some()).map(|existing| existing.digest),
        push,
    })
}

/// The row of a target.
pub(super) fn row(repository: &Repository, tag: Option<&Tag>, found: &Result<TargetFound, Failure>) -> CheckRow {
    let subject = match tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.to_string(),
    };
    let found = match found {
        Ok(found) => found,
        Err(failure) => {
            let detail = match failure.kind {
                FailureKind::Credential | FailureKind::Refused => "may not be pushed to",
                FailureKind::NotFound => "there is no such package",
                FailureKind::Unreachable => "could not be asked for",
                FailureKind::Variables | FailureKind::Other => "cannot be used",
            };
            return CheckRow::failed("target", subject, detail, failure.clone());
        }
    };
    let credential = by(found.source);
    let granted = match &found.granted {
        Some(granted) => format!("the token grants `{granted}`"),
        None => "the token does not say what it grants".to_owned(),
    };
    let tag = match (tag, &found.existing) {
        (Some(tag), Some(digest)) => format!("; `{tag}` is {} now", digest.short()),
        (Some(tag), None) => format!("; there is no `{tag}` yet"),
        (None, _) => String::new(),
    };
    let (mark, push, note) = match &found.push {
        PushAnswer::Allowed => (Mark::Good, "may be pushed to", ""),
        PushAnswer::AllowedAndOpen => (
            Mark::Good,
            "may be pushed to",
            "; the registry keeps the empty upload session of this try until it drops it",
        ),
        PushAnswer::Unknown(_) => (Mark::Warning, "whether it may be pushed to is not known,", ""),
    };
    // A registry may open an upload for any name: only a tag proves a package.
    let is_there = if found.is_unmade {
        "there is no such repository yet; "
    } else if found.existing.is_some() {
        "the package is there; "
    } else {
        ""
    };
    let detail = format!("{is_there}{push} {credential}; {granted}{tag}{note}");
    let warnings = match &found.push {
        PushAnswer::Unknown(why) => vec![(why.clone(), Some("a push will tell".to_owned()))],
        PushAnswer::Allowed | PushAnswer::AllowedAndOpen => Vec::new(),
    };
    CheckRow::new("target", subject, mark, detail).with_warnings(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Page;
    use crate::names::Host;

    fn repository() -> Repository {
        Repository::new(Host::bitbucket(), "shop/api").unwrap()
    }

    #[test]
    fn a_row_tells_what_was_granted_and_where_the_tag_is() {
        let tag = Tag::parse("1").unwrap();
        let digest = Digest::of(b"x");
        let now = format!("; `1` is {} now", digest.short());
        for (tag, granted, existing, push, mark, text) in [
            (
                None,
                Some("pull,push"),
                None,
                PushAnswer::Allowed,
                Mark::Good,
                "may be pushed to with the API token; the token grants `pull,push`".to_owned(),
            ),
            (
                Some(&tag),
                None,
                Some(digest),
                PushAnswer::Allowed,
                Mark::Good,
                format!(
                    "the package is there; may be pushed to with the API token; the token does not say what it grants{now}"
                ),
            ),
            (
                Some(&tag),
                None,
                None,
                PushAnswer::AllowedAndOpen,
                Mark::Good,
                "may be pushed to with the API token; the token does not say what it grants; there is \
                 no `1` yet; the registry keeps the empty upload session of this try until it drops it"
                    .to_owned(),
            ),
            (
                None,
                None,
                None,
                PushAnswer::Unknown("why".to_owned()),
                Mark::Warning,
                "whether it may be pushed to is not known, with the API token; the token \
                 does not say what it grants"
                    .to_owned(),
            ),
        ] {
            let found = TargetFound {
                source: Some(Source::ApiToken),
                granted: granted.map(str::to_owned),
                existing,
                is_unmade: false,
                push,
            };
            let row = row(&repository(), tag, &Ok(found));
            assert_eq!((row.detail, row.mark), (text, mark));
        }
        let missing = row(
            &repository(),
            None,
            &Err(Failure::new(FailureKind::NotFound, Page::NoReason, "m", "h")),
        );
        assert_eq!(
            (missing.detail.as_str(), missing.mark),
            ("there is no such package", Mark::Failed)
        );
    }
}
