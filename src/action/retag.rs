//! `retag`: gives an image of the registry more tags. One manifest is read and written again, byte for byte; no layer moves.

use super::{Run, all, count};
use crate::access::Served;
use crate::failure::{Failure, Failures, Kind};
use crate::image::{Digest, Selector, Tag};
use crate::plan::{TagStep, tag_step};
use crate::refusal::not_overwritten;
use crate::registry::{Access, Manifest, Problem};
use crate::report::{Outcome, Record};
use crate::request::{OnExisting, Retag};
use futures_util::stream::{self, StreamExt as _};
use std::time::Instant;

pub(super) async fn run(run: &Run, retag: &Retag) -> Result<String, Failures> {
    let start = Instant::now();
    let (served, manifest) = run.access.read(&retag.source, Access::PullPush).await?;
    let name = format!("`{}` ({})", retag.source, manifest.digest.short());
    tracing::debug!("{name} is served with {}", served.credential_in_words());
    let steps = plan(run, &served, &manifest, retag).await?;
    let done = stream::iter(steps.into_iter().enumerate())
        .map(|(place, (tag, step, existing))| set(run, &served, &manifest, place, tag, step, existing))
        .buffered(run.concurrency)
        .collect::<Vec<_>>()
        .await;
    let outcomes = all(done)?;
    Ok(format!(
        "{name} {} ({:.1} s)",
        summary(&outcomes),
        start.elapsed().as_secs_f64()
    ))
}

/// Where each tag points is asked only where the answer decides anything.
async fn plan(
    run: &Run,
    served: &Served,
    manifest: &Manifest,
    retag: &Retag,
) -> Result<Vec<(Tag, TagStep, Option<Digest>)>, Failures> {
    if retag.on_existing == OnExisting::Overwrite {
        return Ok(retag.tags.iter().map(|tag| (tag.clone(), TagStep::Set, None)).collect());
    }
    let looks = retag.tags.iter().map(|tag| async move {
        let existing = served
            .registry
            .digest(&served.repository, &Selector::Tag(tag.clone()), &served.scopes)
            .await;
        let existing = existing.map_err(|error| run.access.explain(&error, served, false))?;
        let step = tag_step(
            existing.as_ref(),
            existing.as_ref() == Some(&manifest.digest),
            retag.on_existing,
        );
        Ok((tag.clone(), step, existing))
    });
    let steps = all(stream::iter(looks).buffered(run.concurrency).collect().await)?;
    let refused = steps.iter().filter(|(_, step, _)| *step == TagStep::Refuse);
    match Failures::of(
        refused
            .map(|(tag, _, existing)| exists(served, tag, existing.as_ref()))
            .collect(),
    ) {
        Some(failures) => Err(failures),
        None => Ok(steps),
    }
}

/// The failure of `ON_EXISTING: fail`.
pub(super) fn exists(served: &Served, tag: &Tag, existing: Option<&Digest>) -> Failure {
    let now = existing.map_or_else(String::new, |digest| format!(" ({})", digest.short()));
    Failure::new(
        Kind::Refused,
        format!(
            "the tag `{}:{tag}` is there already, as another image{now}",
            served.repository
        ),
        "nothing was written; `ON_EXISTING: fail` asks for this, and `skip` or `overwrite` would go on",
    )
}

async fn set(
    run: &Run,
    served: &Served,
    manifest: &Manifest,
    place: usize,
    tag: Tag,
    step: TagStep,
    existing: Option<Digest>,
) -> Result<(Tag, Outcome), Failure> {
    let start = Instant::now();
    let result = match step {
        TagStep::Set => put(run, served, manifest, &tag).await,
        TagStep::Same => Ok(Outcome::Same),
        TagStep::Skip | TagStep::Refuse => Ok(Outcome::Skipped),
    };
    let outcome = *result.as_ref().unwrap_or(&Outcome::Failed);
    let digest = match outcome {
        Outcome::Skipped => existing,
        Outcome::Failed => None,
        _ => Some(manifest.digest.clone()),
    };
    let record = Record {
        image: 0,
        repository: served.repository.clone(),
        tag: Some(tag.clone()),
        digest,
        bytes: if outcome == Outcome::Tagged {
            manifest.bytes.len() as u64
        } else {
            0
        },
        took: start.elapsed(),
        outcome,
        credential: served.registry.credential().map(|credential| credential.source),
    };
    run.record(place, record);
    result.map(|outcome| (tag, outcome))
}

/// Writes a tag at once. Only if that is refused is it asked where the tag points: a tag that is right already is right,
/// also where a rule makes it immutable.
pub(super) async fn put(run: &Run, served: &Served, manifest: &Manifest, tag: &Tag) -> Result<Outcome, Failure> {
    let selector = Selector::Tag(tag.clone());
    let Err(error) = served
        .registry
        .put_manifest(&served.repository, &selector, manifest, &served.scopes)
        .await
    else {
        return Ok(Outcome::Tagged);
    };
    if !matches!(error.problem, Problem::Refused { status: 400..=499, .. }) {
        return Err(run.access.explain(&error, served, true));
    }
    match served
        .registry
        .digest(&served.repository, &selector, &served.scopes)
        .await
    {
        Ok(Some(existing)) if existing == manifest.digest => {
            tracing::info!(
                "`{}:{tag}` has this digest already and may not be written again",
                served.repository
            );
            Ok(Outcome::Same)
        }
        Ok(Some(existing)) => Err(not_overwritten(&error, tag, &existing, &run.access.asked(served, true))),
        Ok(None) | Err(_) => Err(run.access.explain(&error, served, true)),
    }
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
