//! Tags, the same way for every action: where each points now, what is to be done with it, the write, and what came of it.
//!
//! Nothing is written before the tags of all images are planned and none of them is refused by `ON_EXISTING`. A tag that
//! fails does not keep the others; each that failed is told.

use super::journal::{JournalPage, Outcome, TagPlace};
use super::{Run, all};
use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError, RunErrors};
use crate::input::OnExisting;
use crate::names::{Digest, Selector, Tag};
use crate::registry::{self, ErrorKind, Manifest, Negative, Remote};
use crate::text::{count, listed_within};
use crate::transfer::{ContentSource, Destination, Graph, Mover, TagError};
use futures_util::stream::{self, StreamExt as _};
use std::time::{Duration, Instant};

/// How many characters of tags the last line names: a commit's hash and one more.
const MOST_NAMED: usize = 60;

/// What to do with one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagStep {
    /// Set it, moving it if it is there.
    Set,
    /// It is there with the right digest.
    Same,
    /// It points elsewhere and stays.
    Skip,
    /// It points elsewhere, and that fails the run.
    Refuse,
}

impl TagStep {
    /// Decides by where the tag points now.
    fn of(existing: Option<&Digest>, is_same: bool, on_existing: OnExisting) -> Self {
        match (existing, on_existing) {
            (Some(_), _) if is_same => Self::Same,
            (None, _) | (_, OnExisting::Overwrite) => Self::Set,
            (_, OnExisting::Skip) => Self::Skip,
            (_, OnExisting::Fail) => Self::Refuse,
        }
    }
}

/// One tag that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedTag {
    pub(super) place: TagPlace,
    pub(super) tag: Tag,
    pub(super) step: TagStep,
    /// Where it points now, if that was asked.
    pub(super) existing: Option<Digest>,
}

/// The tags of one image.
#[derive(Debug)]
pub(super) struct Tagging {
    /// Which image of the run.
    image: usize,
    /// Whether the tags were not asked for by name.
    goes_along: bool,
    pub(super) target: Remote,
    tags: Vec<PlannedTag>,
}

/// What a tag is set to.
#[derive(Clone, Copy)]
pub(super) enum TagContent<'a> {
    /// A manifest that the repository has.
    Present(&'a Manifest),
    /// What was brought there: what the registry misses of it is brought again.
    Brought(&'a Mover<'a>, &'a Graph, &'a ContentSource, &'a Destination),
}

impl TagContent<'_> {
    fn manifest(&self) -> &Manifest {
        match self {
            Self::Present(manifest) => manifest,
            Self::Brought(_, graph, ..) => &graph.root,
        }
    }
}

/// Looks at several tags, some at a time; every look that fails is told.
pub(super) async fn looks(
    run: &Run,
    target: &Remote,
    tags: &[Tag],
    on_existing: OnExisting,
) -> Result<Vec<Option<Digest>>, RunErrors> {
    let negative = negative(on_existing);
    let looks = tags.iter().map(|tag| run.session.existing(target, tag, negative));
    all(stream::iter(looks).buffered(run.concurrency).collect().await)
}

/// Whether a HEAD may say that a tag is not there: where that lets it be written, only a GET does.
pub(super) const fn negative(on_existing: OnExisting) -> Negative {
    match on_existing {
        OnExisting::Overwrite => Negative::Believed,
        OnExisting::Skip | OnExisting::Fail => Negative::Confirmed,
    }
}

/// Ends a run before it writes where a tag may not be moved; tells each of them.
pub(super) fn refuse<'a>(taggings: impl IntoIterator<Item = &'a Tagging>) -> Result<(), RunErrors> {
    let refused = taggings.into_iter().flat_map(|tagging| {
        let refused = tagging.tags.iter().filter(|planned| planned.step == TagStep::Refuse);
        refused.map(|planned| exists(&tagging.target, planned))
    });
    RunErrors::of(refused.collect()).map_or(Ok(()), Err)
}

impl Tagging {
    /// Decides on each tag by where it points now, and whether that is the image already.
    pub(super) fn of(
        image: usize,
        target: Remote,
        found: impl IntoIterator<Item = (Tag, Option<Digest>, bool)>,
        on_existing: OnExisting,
    ) -> Self {
        let planned = found.into_iter().enumerate();
        let tags = planned.map(|(place, (tag, existing, is_same))| PlannedTag {
            place,
            tag,
            step: TagStep::of(existing.as_ref(), is_same, on_existing),
            existing,
        });
        Self {
            image,
            goes_along: false,
            target,
            tags: tags.collect(),
        }
    }

    /// One tag of the same target that goes along with the image.
    pub(super) fn along(&self, number: usize, found: (Tag, Option<Digest>, bool), on_existing: OnExisting) -> Self {
        let mut along = Self::of(self.image, self.target.clone(), [found], on_existing);
        along.goes_along = true;
        for planned in &mut along.tags {
            planned.place += self.tags.len() + number;
        }
        along
    }

    /// Whether any tag has this step.
    pub(super) fn any(&self, step: TagStep) -> bool {
        self.tags.iter().any(|planned| planned.step == step)
    }

    /// Takes out the next tag that is to be set, for who sets it in another way.
    pub(super) fn take(&mut self) -> Option<PlannedTag> {
        let next = self.tags.iter().position(|planned| planned.step == TagStep::Set)?;
        Some(self.tags.remove(next))
    }

    /// Where what becomes of the tags is noted.
    pub(super) fn page<'a>(&self, run: &'a Run) -> JournalPage<'a> {
        run.journal.page(self.image, &self.target).going_along(self.goes_along)
    }

    /// Does what was planned, and notes what came of each tag. `bytes` were moved for the tag at a place that became this.
    /// Without content no tag is to be set.
    ///
    /// # Errors
    /// Each tag that failed.
    pub(super) async fn set(
        &self,
        run: &Run,
        content: Option<TagContent<'_>>,
        since: Option<Instant>,
        bytes: impl Fn(TagPlace, Outcome) -> u64,
    ) -> Result<Vec<(Tag, Outcome)>, RunErrors> {
        // What one tag brings again the next one need not.
        let at_once = match content {
            Some(TagContent::Brought(..)) => 1,
            Some(TagContent::Present(_)) | None => run.concurrency,
        };
        let page = self.page(run);
        let sets = self.tags.iter().map(|planned| async {
            let start = since.unwrap_or_else(Instant::now);
            let result = match (planned.step, &content) {
                (TagStep::Set, Some(content)) => self.write(content, &planned.tag).await,
                (TagStep::Same, _) => Ok(Outcome::Same),
                _ => Ok(Outcome::Skipped),
            };
            let outcome = *result.as_ref().unwrap_or(&Outcome::Failed);
            let digest = match (planned.step, outcome) {
                (_, Outcome::Failed) => None,
                // What is the same now may have been another before.
                (TagStep::Set, _) => content.as_ref().map(|content| &content.manifest().digest),
                _ => planned.existing.as_ref(),
            };
            let moved = bytes(planned.place, outcome);
            page.note(
                (planned.place, Some(&planned.tag)),
                outcome,
                digest,
                moved,
                start.elapsed(),
            );
            result.map(|outcome| (planned.tag.clone(), outcome))
        });
        all(stream::iter(sets).buffered(at_once).collect().await)
    }

    /// Notes what becomes of the tags where their image could not be brought. `moved` is told with the first one.
    pub(super) fn not_brought(&self, run: &Run, took: Duration, moved: u64) {
        // Where no tag was to be set, what goes along with the image could not be brought.
        let any_to_set = self.any(TagStep::Set);
        let page = self.page(run);
        for planned in &self.tags {
            let outcome = match planned.step {
                TagStep::Same if any_to_set => Outcome::Same,
                TagStep::Set | TagStep::Same => Outcome::Failed,
                TagStep::Skip | TagStep::Refuse => Outcome::Skipped,
            };
            let digest = planned.existing.as_ref().filter(|_| outcome != Outcome::Failed);
            let moved = if planned.place == 0 { moved } else { 0 };
            page.note((planned.place, Some(&planned.tag)), outcome, digest, moved, took);
        }
    }

    /// Writes a tag at once. Only if that is refused is it asked where the tag points: a tag that is right already is
    /// right, also where a rule makes it immutable.
    async fn write(&self, content: &TagContent<'_>, tag: &Tag) -> Result<Outcome, RunError> {
        let target = &self.target;
        let written = match content {
            TagContent::Present(manifest) => {
                let put = target.put_manifest(&Selector::Tag(tag.clone()), manifest).await;
                put.map(|_| ()).map_err(TagError::Refused)
            }
            TagContent::Brought(mover, graph, content_source, to) => mover.tag(graph, tag, content_source, to).await,
        };
        let error = match written {
            Ok(()) => return Ok(Outcome::Tagged),
            Err(TagError::Failed(error)) => return Err(error.into()),
            Err(TagError::Refused(error)) => error,
        };
        let existing = if may_be_right(&error) {
            target.digest(&Selector::Tag(tag.clone()), Negative::Believed).await
        } else {
            Ok(None)
        };
        match existing {
            Ok(Some(existing)) if content.manifest().has_digest(&existing) => {
                tracing::info!(
                    "`{}:{tag}` has this digest already and may not be written again",
                    target.repository()
                );
                Ok(Outcome::Same)
            }
            Ok(Some(existing)) => Err(RunError::NotOverwritten {
                error,
                tag: tag.clone(),
                existing,
            }),
            Ok(None) | Err(_) => Err(error.into()),
        }
    }
}

/// Whether the registry may have refused to write what is there already.
fn may_be_right(error: &registry::Error) -> bool {
    matches!(error.kind, ErrorKind::Refused { status: 400..=499, .. })
}

/// The failure of `ON_EXISTING: fail`.
fn exists(target: &Remote, planned: &PlannedTag) -> RunError {
    let now = planned
        .existing
        .as_ref()
        .map_or_else(String::new, |digest| format!(" ({})", digest.short()));
    RunError::told(
        FailureKind::Refused,
        Page::Exists,
        format!(
            "the tag `{}:{}` is there already, as another image{now}",
            target.repository(),
            planned.tag
        ),
        "nothing was written; `ON_EXISTING: fail` asks for this, and `skip` or `overwrite` would continue",
    )
}

/// What became of the tags: tagged 1.4.2, latest; unchanged: 1; left alone: 2.
pub(super) fn summary(outcomes: &[(Tag, Outcome)]) -> String {
    let of = |wanted: Outcome| {
        outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == wanted)
            .map(|(tag, _)| format!("`{tag}`"))
            .collect::<Vec<_>>()
    };
    let parts = [
        ("pushed as", of(Outcome::Pushed)),
        ("tagged", of(Outcome::Tagged)),
        ("unchanged:", of(Outcome::Same)),
        ("left alone:", of(Outcome::Skipped)),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(_, tags)| !tags.is_empty())
        .map(|(word, tags)| format!("{word} {}", listed_within(tags, MOST_NAMED)))
        .collect();
    if said.is_empty() {
        count(0, "tag")
    } else {
        said.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tags_leave_the_last_line_short() {
        let tagged = |tags: &[String]| {
            let tags = tags.iter().map(|tag| (Tag::parse(tag).unwrap(), Outcome::Tagged));
            summary(&tags.collect::<Vec<_>>())
        };
        let commit = "0123456789".repeat(4);
        assert_eq!(
            tagged(&[commit.clone(), "latest".to_owned()]),
            format!("tagged `{commit}`, `latest`")
        );
        let many: Vec<String> = (1..=40).map(|at| format!("release-2026.11.{at}")).collect();
        assert_eq!(
            tagged(&many),
            "tagged `release-2026.11.1`, `release-2026.11.2` and 38 more"
        );
        let long = ["x".repeat(128), "y".repeat(128)];
        assert_eq!(tagged(&long), format!("tagged `{}` and 1 more", "x".repeat(128)));
    }

    #[test]
    fn on_existing_decides_only_where_the_tag_points_elsewhere() {
        use OnExisting::{Fail, Overwrite, Skip};
        let there = Digest::of(b"x");
        for (existing, is_same, on_existing, step) in [
            (None, false, Overwrite, TagStep::Set),
            (None, false, Skip, TagStep::Set),
            (None, false, Fail, TagStep::Set),
            (Some(&there), true, Overwrite, TagStep::Same),
            (Some(&there), true, Skip, TagStep::Same),
            (Some(&there), true, Fail, TagStep::Same),
            (Some(&there), false, Overwrite, TagStep::Set),
            (Some(&there), false, Skip, TagStep::Skip),
            (Some(&there), false, Fail, TagStep::Refuse),
        ] {
            assert_eq!(
                TagStep::of(existing, is_same, on_existing),
                step,
                "{existing:?} {is_same} {on_existing:?}"
            );
        }
    }
}
