//! `copy`: brings images from repository to repository, or from another registry, whole and byte for byte.

use super::one_platform::root;
use super::tags::{exists, not_brought, put_graph, summary};
use super::{Run, all};
use crate::action::plan::{TagStep, tag_step};
use crate::explain::failure::{Failure, Failures, Kind};
use crate::input::{Copy, Selection};
use crate::names::{Digest, Reference, Repository, Selector, Tag};
use crate::registry::Manifest;
use crate::report::{Outcome, Record};
use crate::session::Pair;
use crate::text::bytes;
use crate::text::count;
use crate::transfer::{Destination, Graph, Mover, Origin};
use futures_util::stream::{self, StreamExt as _};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// One image to copy.
#[derive(Debug, Clone)]
struct Wanted {
    number: usize,
    source: Reference,
    target: Repository,
    tags: Vec<Tag>,
}

/// An image, and the repository and tags that it goes to.
type Way = (Reference, Repository, Vec<Tag>);

/// One image whose both sides are open and whose tags are settled.
struct Planned {
    wanted: Wanted,
    pair: Pair,
    /// What goes under the tags: the whole image, or one platform of it.
    root: Manifest,
    steps: Vec<(Tag, TagStep, Option<Digest>)>,
}

pub(super) async fn run(run: &Run, copy: &Copy) -> Result<String, Failures> {
    let start = Instant::now();
    let wanted = wanted(run, copy).await?;
    if wanted.is_empty() {
        return Ok("there is nothing for this step to copy".to_owned());
    }
    // Every image is found and every tag settled before the first byte moves.
    let plans = wanted.into_iter().map(|wanted| plan(run, copy, wanted));
    let planned = all(stream::iter(plans).buffered(run.concurrency).collect().await)?;
    let refused = planned.iter().flat_map(|planned| {
        let refused = planned.steps.iter().filter(|(_, step, _)| *step == TagStep::Refuse);
        refused.map(|(tag, _, existing)| exists(&planned.pair.to, tag, existing.as_ref()))
    });
    if let Some(failures) = Failures::of(refused.collect()) {
        return Err(failures);
    }
    let mover = Mover::new(&run.session, run.policy, run.concurrency);
    let several = planned.len() > 1;
    let copies = planned.iter().map(|planned| async {
        let copied = one(run, &mover, copy, planned).await;
        if several && copied.is_err() {
            // The reason is told at the end: it may be the same for many.
            tracing::warn!("`{}` → `{}`: failed", planned.wanted.source, planned.wanted.target);
        }
        copied
    });
    let done = all(stream::iter(copies).buffer_unordered(run.concurrency).collect().await)?;
    let said = match (planned.as_slice(), done.as_slice()) {
        ([only], [outcomes]) => format!(
            "`{}` → `{}` ({}) {}",
            only.wanted.source,
            only.wanted.target,
            only.root.digest.short(),
            summary(outcomes)
        ),
        _ => of_many(&done),
    };
    Ok(format!(
        "{said} ({} moved, {:.1} s)",
        bytes(mover.bytes()),
        start.elapsed().as_secs_f64()
    ))
}

/// What became of several images: `3 images copied`, or `3 images: 2 copied, 1 unchanged`.
fn of_many(done: &[Vec<(Tag, Outcome)>]) -> String {
    let became = |outcomes: &[(Tag, Outcome)]| {
        let any = |wanted| outcomes.iter().any(|(_, outcome)| *outcome == wanted);
        match (any(Outcome::Tagged), any(Outcome::Skipped)) {
            (true, _) => "copied",
            (false, true) => "left alone",
            (false, false) => "unchanged",
        }
    };
    let images = count(done.len(), "image");
    let kinds: Vec<(usize, &str)> = ["copied", "unchanged", "left alone"]
        .into_iter()
        .map(|word| (done.iter().filter(|outcomes| became(outcomes) == word).count(), word))
        .filter(|(number, _)| *number > 0)
        .collect();
    if let [(_, word)] = kinds[..] {
        return format!("{images} {word}");
    }
    let each: Vec<String> = kinds.iter().map(|(number, word)| format!("{number} {word}")).collect();
    format!("{images}: {}", each.join(", "))
}

/// The images asked for: patterns filled in, this step's share taken.
async fn wanted(run: &Run, copy: &Copy) -> Result<Vec<Wanted>, Failures> {
    let items = copy.items.iter().map(|item| async move {
        let tags = match &item.source {
            Selection::One(image) => return Ok(vec![(image.clone(), item.target.clone(), item.tags.clone())]),
            Selection::Matching(repository, pattern) => {
                let tags = run.session.tags(repository).await?;
                let mut fitting: Vec<Tag> = tags.into_iter().filter(|tag| pattern.fits(tag)).collect();
                // Not every registry lists them in order, and all steps of a group must count alike.
                fitting.sort_unstable();
                if fitting.is_empty() {
                    let message = format!("no tag of `{repository}` fits `{}`", pattern.as_str());
                    return Err(Failure::new(
                        Kind::NotFound,
                        message,
                        "`*` stands for any characters and `?` for one; check the pattern",
                    ));
                }
                fitting
            }
        };
        let image = |tag: &Tag| Reference {
            repository: item.source.repository().clone(),
            tag: Some(tag.clone()),
            digest: None,
        };
        Ok(tags
            .iter()
            .map(|tag| (image(tag), item.target.clone(), vec![tag.clone()]))
            .collect())
    });
    let found: Vec<Vec<Way>> = all(stream::iter(items).buffered(run.concurrency).collect().await)?;
    let all = distinct(found.into_iter().flatten())?.into_iter().enumerate();
    let mine = all.filter(|(number, _)| copy.shard.is_none_or(|shard| shard.takes(*number)));
    let wanted: Vec<Wanted> = mine
        .enumerate()
        .map(|(number, (_, (source, target, tags)))| Wanted {
            number,
            source,
            target,
            tags,
        })
        .collect();
    if let Some(shard) = copy.shard {
        tracing::info!(
            "step {} of {} takes {}",
            shard.step + 1,
            shard.count,
            count(wanted.len(), "image")
        );
    }
    Ok(wanted)
}

/// Each way once. Two images under one tag are refused: which of them it names in the end would be chance.
fn distinct(found: impl Iterator<Item = Way>) -> Result<Vec<Way>, Failures> {
    let mut taken: HashMap<(Repository, Tag), Reference> = HashMap::new();
    let mut told = HashSet::new();
    let mut failures = Vec::new();
    let mut distinct = Vec::new();
    for (source, target, mut tags) in found {
        tags.retain(|tag| match taken.entry((target.clone(), tag.clone())) {
            Entry::Vacant(free) => {
                free.insert(source.clone());
                true
            }
            Entry::Occupied(other) => {
                let other = other.get();
                let same = other.repository == source.repository && other.selector() == source.selector();
                // Two patterns may meet in hundreds of tags; one of them tells it.
                if !same && told.insert((other.repository.clone(), source.repository.clone(), target.clone())) {
                    failures.push(Failure::new(
                        Kind::Variables,
                        format!("both `{other}` and `{source}` go to `{target}:{tag}`"),
                        "give each its own target, as `source=target:tag` in `IMAGES`",
                    ));
                }
                false
            }
        });
        if !tags.is_empty() {
            distinct.push((source, target, tags));
        }
    }
    Failures::of(failures).map_or(Ok(distinct), Err)
}

async fn plan(run: &Run, copy: &Copy, wanted: Wanted) -> Result<Planned, Failure> {
    // A request gives every image a tag.
    let first = wanted.tags.first().cloned().unwrap_or_else(Tag::latest);
    let mut pair = run.session.pair(&wanted.source, &wanted.target, &first).await?;
    let origin = Origin::Registry(pair.from.clone());
    let root = root(
        run,
        &wanted.source.to_string(),
        &origin,
        pair.manifest.clone(),
        copy.platform.as_ref(),
    )
    .await?;
    let mut steps = Vec::new();
    for tag in &wanted.tags {
        let existing = if let Some(existing) = pair.existing.take() {
            existing
        } else {
            let looked = pair.to.digest(&Selector::Tag(tag.clone())).await;
            looked.map_err(|error| run.session.explain(&error, &pair.to, false))?
        };
        let step = tag_step(
            existing.as_ref(),
            existing.as_ref() == Some(&root.digest),
            copy.on_existing,
        );
        steps.push((tag.clone(), step, existing));
    }
    Ok(Planned {
        wanted,
        pair,
        root,
        steps,
    })
}

async fn one(run: &Run, mover: &Mover<'_>, copy: &Copy, planned: &Planned) -> Result<Vec<(Tag, Outcome)>, Failure> {
    let start = Instant::now();
    let Planned {
        wanted,
        pair,
        root,
        steps,
    } = planned;
    let origin = Origin::Registry(pair.from.clone());
    let to = Destination {
        remote: pair.to.clone(),
        mount_from: (pair.joined && pair.from.repository() != pair.to.repository())
            .then(|| pair.from.repository().clone()),
    };
    let any = |wanted| steps.iter().any(|(_, step, _)| *step == wanted);
    let mut moved = 0;
    // Referrers may have come since the image did.
    let graph = if any(TagStep::Set) || (copy.referrers && any(TagStep::Same)) {
        match bring(run, mover, copy, planned, &origin, &to).await {
            Ok((graph, bytes)) => {
                moved = bytes;
                Some(graph)
            }
            Err(failure) => {
                for (tag, step, existing) in steps {
                    let outcome = not_brought(*step, any(TagStep::Set));
                    let digest = existing.as_ref().filter(|_| outcome != Outcome::Failed);
                    record(run, planned, tag, digest, start, outcome, 0);
                }
                return Err(failure);
            }
        }
    } else {
        None
    };
    let mut outcomes = Vec::new();
    let mut failures = Vec::new();
    for (tag, step, existing) in steps {
        let outcome = match (step, &graph) {
            (TagStep::Set, Some(graph)) => put_graph(run, mover, graph, tag, &origin, &to).await,
            (TagStep::Same, _) => Ok(Outcome::Same),
            _ => Ok(Outcome::Skipped),
        };
        let digest = match outcome {
            Ok(Outcome::Skipped) => existing.as_ref(),
            Ok(_) => Some(&root.digest),
            Err(_) => None,
        };
        record(
            run,
            planned,
            tag,
            digest,
            start,
            *outcome.as_ref().unwrap_or(&Outcome::Failed),
            // Told once, with the first tag.
            std::mem::take(&mut moved),
        );
        match outcome {
            Ok(outcome) => outcomes.push((tag.clone(), outcome)),
            Err(failure) => failures.push(failure),
        }
    }
    let mut failures = failures.into_iter();
    if let Some(failure) = failures.next() {
        for other in failures {
            tracing::error!("{other}");
        }
        Err(failure)
    } else {
        tracing::info!("`{}` → `{}`: {}", wanted.source, wanted.target, summary(&outcomes));
        Ok(outcomes)
    }
}

/// Brings all but the tags: what is below the root, and what refers to it if that is wanted.
async fn bring(
    run: &Run,
    mover: &Mover<'_>,
    copy: &Copy,
    planned: &Planned,
    origin: &Origin,
    to: &Destination,
) -> Result<(Graph, u64), Failure> {
    let graph = Graph::of(origin, planned.root.clone(), &run.session, run.concurrency).await?;
    run.met(&graph.root, Some(graph.size()));
    let from = &planned.pair.from;
    if from.repository() == to.remote.repository() {
        return Ok((graph, 0));
    }
    let moved = mover.bring(&graph, origin, to).await?;
    if copy.referrers {
        // The subject before what refers to it, and that before the tag: who pulls by the tag finds it signed.
        mover.put_root(&graph, origin, to).await?;
        let count = mover.referrers(&graph, from, to).await?;
        tracing::info!(
            "`{}`: {} along",
            planned.wanted.source,
            crate::text::count(count, "referrer")
        );
    }
    Ok((graph, moved))
}

fn record(
    run: &Run,
    planned: &Planned,
    tag: &Tag,
    digest: Option<&Digest>,
    start: Instant,
    outcome: Outcome,
    moved: u64,
) {
    // An image's tags are set one after the other, in the order asked for.
    run.record(
        0,
        Record {
            image: planned.wanted.number,
            repository: planned.wanted.target.clone(),
            tag: Some(tag.clone()),
            digest: digest.cloned(),
            bytes: moved,
            took: start.elapsed(),
            outcome,
            credential: planned.pair.to.source(),
        },
    );
}
