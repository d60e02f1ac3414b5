//! `retag`: gives an image of the registry more tags. One manifest is read and written again, byte for byte; no layer moves.

use super::tags::{exists, put, summary};
use super::{Run, all};
use crate::action::plan::{TagStep, tag_step};
use crate::explain::failure::{Failure, Failures};
use crate::input::{OnExisting, Retag};
use crate::names::{Digest, Selector, Tag};
use crate::registry::{Access, Manifest, Remote};
use crate::report::{Outcome, Record};
use futures_util::stream::{self, StreamExt as _};
use std::time::Instant;

pub(super) async fn run(run: &Run, retag: &Retag) -> Result<String, Failures> {
    let start = Instant::now();
    let (remote, manifest) = run.session.read(&retag.source, Access::PullPush).await?;
    let name = format!("`{}` ({})", retag.source, manifest.digest.short());
    tracing::debug!("{name} is served with {}", remote.credential_in_words());
    run.met(&manifest, None);
    let steps = plan(run, &remote, &manifest, retag).await?;
    let done = stream::iter(steps.into_iter().enumerate())
        .map(|(place, (tag, step, existing))| set(run, &remote, &manifest, place, tag, step, existing))
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
    remote: &Remote,
    manifest: &Manifest,
    retag: &Retag,
) -> Result<Vec<(Tag, TagStep, Option<Digest>)>, Failures> {
    if retag.on_existing == OnExisting::Overwrite {
        return Ok(retag.tags.iter().map(|tag| (tag.clone(), TagStep::Set, None)).collect());
    }
    let looks = retag.tags.iter().map(|tag| async move {
        let existing = remote.digest(&Selector::Tag(tag.clone())).await;
        let existing = existing.map_err(|error| run.session.explain(&error, remote, false))?;
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
            .map(|(tag, _, existing)| exists(remote, tag, existing.as_ref()))
            .collect(),
    ) {
        Some(failures) => Err(failures),
        None => Ok(steps),
    }
}

async fn set(
    run: &Run,
    remote: &Remote,
    manifest: &Manifest,
    place: usize,
    tag: Tag,
    step: TagStep,
    existing: Option<Digest>,
) -> Result<(Tag, Outcome), Failure> {
    let start = Instant::now();
    let result = match step {
        TagStep::Set => put(run, remote, manifest, &tag).await,
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
        repository: remote.repository().clone(),
        tag: Some(tag.clone()),
        digest,
        bytes: if outcome == Outcome::Tagged {
            manifest.bytes.len() as u64
        } else {
            0
        },
        took: start.elapsed(),
        outcome,
        credential: remote.source(),
    };
    run.record(place, record);
    result.map(|outcome| (tag, outcome))
}
