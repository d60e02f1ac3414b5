//! `retag`: gives an image of the registry more tags. One manifest is read and written again, byte for byte; no layer moves.

use super::Run;
use super::journal::Outcome;
use super::tagging::{TagContent, TagStep, Tagging, looks, refuse, summary};
use crate::explain::{RunError, RunErrors};
use crate::input::{OnExisting, Retag};
use crate::names::{Digest, Tag};
use crate::registry::{Access, Manifest, Remote};
use crate::text::count;

/// Most tags that the header names.
const MOST_NAMED: usize = 6;

pub(super) async fn run(run: &Run, retag: &Retag) -> Result<String, RunErrors> {
    let repository = &retag.source.repository;
    run.journal
        .expect(0, &retag.source, repository, retag.tags.iter().map(Some));
    let (remote, manifest) = loop {
        let read = run.session.read(&retag.source, Access::PullPush).await;
        let error = match read {
            Ok(read) => break read,
            Err(error) => RunError::from(error).about(&retag.source),
        };
        let source = (&retag.source, &error);
        if let Some(refused) = run.refused_target(source, repository, retag.tags.first()).await {
            return Err(refused.about(&retag.source).into());
        }
        if !run.waits_for(&[source], Access::PullPush).await {
            return Err(error.into());
        }
    };
    run.log.served(&remote);
    let name = format!("`{}` ({})", retag.source, manifest.digest.short());
    run.see(&manifest, None);
    let tagging = plan(run, remote, &manifest, retag).await?;
    refuse([&tagging])?;
    if tagging.any(TagStep::Set) {
        run.log.begin(1, &format!("retagging {name} as {}", tags(&retag.tags)));
    }
    let size = manifest.bytes.len() as u64;
    let bytes = |_, outcome| if outcome == Outcome::Tagged { size } else { 0 };
    let outcomes = tagging
        .set(run, Some(TagContent::Present(&manifest)), None, bytes)
        .await?;
    Ok(run.log.end(&format!("{name} {}", summary(&outcomes)), None))
}

/// A few by name.
fn tags(tags: &[Tag]) -> String {
    if tags.len() > MOST_NAMED {
        return count(tags.len(), "tag");
    }
    let names: Vec<String> = tags.iter().map(|tag| format!("`{tag}`")).collect();
    names.join(", ")
}

/// Where each tag points is asked only where the answer decides anything.
async fn plan(run: &Run, target: Remote, manifest: &Manifest, retag: &Retag) -> Result<Tagging, RunErrors> {
    let existing: Vec<Option<Digest>> = match retag.on_existing {
        OnExisting::Overwrite => vec![None; retag.tags.len()],
        OnExisting::Skip | OnExisting::Fail => looks(run, &target, &retag.tags, retag.on_existing).await?,
    };
    let found = retag.tags.iter().cloned().zip(existing).map(|(tag, existing)| {
        let is_same = existing.as_ref().is_some_and(|digest| manifest.has_digest(digest));
        (tag, existing, is_same)
    });
    Ok(Tagging::of(0, target, found, retag.on_existing))
}
