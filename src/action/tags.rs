//! What `retag`, `push` and `copy` share of tags: setting one, what a refusal means, and how the outcome is told.

use super::Run;
use crate::action::plan::TagStep;
use crate::explain::failure::{Failure, Kind};
use crate::explain::refusal::not_overwritten;
use crate::names::{Digest, Selector, Tag};
use crate::registry::{self, Manifest, Problem, Remote};
use crate::report::Outcome;
use crate::text::count;
use crate::transfer::{Destination, Graph, Mover, Origin, TagError};

/// Writes a tag at once. Only if that is refused is it asked where the tag points: a tag that is right already is right,
/// also where a rule makes it immutable.
pub(super) async fn put(run: &Run, remote: &Remote, manifest: &Manifest, tag: &Tag) -> Result<Outcome, Failure> {
    let selector = Selector::Tag(tag.clone());
    let put = remote.put_manifest(&selector, manifest).await;
    match put {
        Ok(_) => Ok(Outcome::Tagged),
        Err(error) => refused(run, remote, tag, &manifest.digest, error).await,
    }
}

/// Writes a tag over a graph that has been brought to its destination.
pub(super) async fn put_graph(
    run: &Run,
    mover: &Mover<'_>,
    graph: &Graph,
    tag: &Tag,
    origin: &Origin,
    to: &Destination,
) -> Result<Outcome, Failure> {
    match mover.tag(graph, tag, origin, to).await {
        Ok(()) => Ok(Outcome::Tagged),
        Err(TagError::Failed(failure)) => Err(failure),
        Err(TagError::Refused(error)) => refused(run, &to.remote, tag, &graph.root.digest, error).await,
    }
}

/// What a refused write of a tag is: success where the tag is right, else a failure that knows where it points.
async fn refused(
    run: &Run,
    remote: &Remote,
    tag: &Tag,
    wanted: &Digest,
    error: registry::Error,
) -> Result<Outcome, Failure> {
    if !matches!(error.problem, Problem::Refused { status: 400..=499, .. }) {
        return Err(run.session.explain(&error, remote, true));
    }
    let selector = Selector::Tag(tag.clone());
    match remote.digest(&selector).await {
        Ok(Some(existing)) if existing == *wanted => {
            tracing::info!(
                "`{}:{tag}` has this digest already and may not be written again",
                remote.repository()
            );
            Ok(Outcome::Same)
        }
        Ok(Some(existing)) => Err(not_overwritten(
            &error,
            tag,
            &existing,
            &run.session.asked(remote, true),
        )),
        Ok(None) | Err(_) => Err(run.session.explain(&error, remote, true)),
    }
}

/// What becomes of a tag whose image could not be brought. Where no tag was to be set, what goes along with it could not.
pub(super) const fn not_brought(step: TagStep, any_to_set: bool) -> Outcome {
    match step {
        TagStep::Same if any_to_set => Outcome::Same,
        TagStep::Set | TagStep::Same => Outcome::Failed,
        TagStep::Skip | TagStep::Refuse => Outcome::Skipped,
    }
}

/// The failure of `ON_EXISTING: fail`.
pub(super) fn exists(remote: &Remote, tag: &Tag, existing: Option<&Digest>) -> Failure {
    let now = existing.map_or_else(String::new, |digest| format!(" ({})", digest.short()));
    Failure::new(
        Kind::Refused,
        format!(
            "the tag `{}:{tag}` is there already, as another image{now}",
            remote.repository()
        ),
        "nothing was written; `ON_EXISTING: fail` asks for this, and `skip` or `overwrite` would go on",
    )
}

/// What became of the tags: tagged 1.4.2, latest; unchanged: 1; left alone: 2.
pub(super) fn summary(outcomes: &[(Tag, Outcome)]) -> String {
    let of = |wanted: &[Outcome]| {
        outcomes
            .iter()
            .filter(|(_, outcome)| wanted.contains(outcome))
            .map(|(tag, _)| format!("`{tag}`"))
            .collect::<Vec<_>>()
    };
    let parts = [
        ("pushed as", of(&[Outcome::Pushed])),
        ("tagged", of(&[Outcome::Tagged])),
        ("unchanged:", of(&[Outcome::Same])),
        ("left alone:", of(&[Outcome::Skipped])),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(_, tags)| !tags.is_empty())
        .map(|(word, tags)| format!("{word} {}", tags.join(", ")))
        .collect();
    if said.is_empty() {
        count(0, "tag")
    } else {
        said.join("; ")
    }
}
