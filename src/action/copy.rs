//! `copy`: brings images from repository to repository, or from another registry, whole and byte for byte.

use super::ahead::{Ahead, ReadAhead};
use super::journal::Outcome;
use super::log::{Goal, during};
use super::required::{has, unmet};
use super::select_platform::root;
use super::tagging::{TagContent, TagStep, Tagging, looks, negative, refuse, summary};
use super::{Run, all};
use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError, RunErrors};
use crate::input::{Copy, MOST_IMAGES, OnExisting, Selection};
use crate::names::{Digest, Reference, Repository, Tag};
use crate::registry::{Access, Attachments, Manifest};
use crate::session::Pair;
use crate::text::order::sort;
use crate::text::{self, count};
use crate::transfer::progress::Unknown;
use crate::transfer::{ContentSource, Destination, Graph, Mover, Referrers, attached};
use futures_util::stream::{self, StreamExt as _};
use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Most tags that the patterns of a run may fit, for all steps of a group together.
const MOST_LISTED: usize = 50_000;

/// One image to copy.
#[derive(Debug, Clone)]
struct WantedCopy {
    number: usize,
    source: Reference,
    target: Repository,
    tags: Vec<Tag>,
}

impl PlannedCopy {
    /// Whether anything of it is to be written.
    fn is_to_do(&self) -> bool {
        self.tagging.any(TagStep::Set) || self.referrers.is_some()
    }
}

/// An image, and the repository and tags that it goes to.
type CopyStep = (Reference, Repository, Vec<Tag>);

/// One image whose both sides are open and whose tags are planned.
struct PlannedCopy {
    source: Reference,
    pair: Pair,
    /// What goes under the tags: the whole image, or one platform of it.
    root: Manifest,
    tagging: Tagging,
    /// What refers to it, if that goes along.
    referrers: Option<Referrers>,
    /// What was found attached to it, if that was looked for.
    attached: Attachments,
    /// For each of cosign's tags.
    along: Vec<Tagging>,
}

pub(super) async fn run(run: &Run, copy: &Copy) -> Result<String, RunErrors> {
    let wanted = wanted(run, copy).await?;
    if wanted.is_empty() {
        return Ok("there is nothing for this step to copy".to_owned());
    }
    for WantedCopy {
        number,
        source,
        target,
        tags,
    } in &wanted
    {
        run.journal.expect(*number, source, target, tags.iter().map(Some));
    }
    let mover = Mover::new(run.policy, run.concurrency, &run.progress);
    // Every image is found and every tag planned before the first byte moves.
    let planned = loop {
        let plans = wanted.iter().map(|wanted| async {
            let planned = plan(run, &mover, copy, wanted.clone()).await;
            planned.map_err(|errors| errors.about(&wanted.source))
        });
        let plans: Vec<Result<_, RunErrors>> = stream::iter(plans).buffered(run.concurrency).collect().await;
        let failed = wanted.iter().zip(&plans);
        let failed = failed.filter_map(|(wanted, plan)| Some((&wanted.source, plan.as_ref().err()?)));
        let failed: Vec<(&Reference, &RunError)> = failed
            .flat_map(|(source, errors)| errors.iter().map(move |error| (source, error)))
            .collect();
        // All is planned again: a tag of a target may have come as well.
        if !run.waits_for(&failed, Access::Pull).await {
            break all(plans)?;
        }
    };
    refuse(
        planned
            .iter()
            .flat_map(|planned| planned.along.iter().chain([&planned.tagging])),
    )?;
    let images = planned
        .iter()
        .map(|planned| planned.is_to_do().then_some((&planned.pair.from, &planned.root)));
    let ahead = Ahead::of(images, run.concurrency).await;
    announce(run, &planned, &ahead);
    // How large an image is follows from all its manifests.
    let unknown: Vec<Unknown<'_>> = planned.iter().map(|_| run.progress.unknown()).collect();
    let known = unknown.into_iter().zip(ahead.graphs);
    let copies = planned.iter().zip(known).map(|(planned, known)| async {
        let copied = one(run, &mover, planned, known).await;
        if copied.is_err() {
            run.log.failed(&format!(
                "`{}` → `{}`",
                planned.source,
                planned.tagging.target.repository()
            ));
        }
        copied.map_err(|errors| errors.about(&planned.source))
    });
    let copies = stream::iter(copies).buffer_unordered(run.concurrency).collect();
    let done = all(during(run, Goal::Registry, copies).await)?;
    let said = match (planned.as_slice(), done.as_slice()) {
        ([only], [outcomes]) => format!(
            "`{}` ({}{}) → `{}` {}",
            only.source,
            only.root.digest.short(),
            has(only.attached),
            only.tagging.target.repository(),
            summary(outcomes)
        ),
        _ => of_many(&done),
    };
    Ok(run.log.end(&said, Some(run.progress.moved())))
}

/// Says what is to be copied, if that is anything.
fn announce(run: &Run, planned: &[PlannedCopy], ahead: &Ahead) {
    let to_do: Vec<&PlannedCopy> = planned.iter().filter(|planned| planned.is_to_do()).collect();
    let what = match to_do.as_slice() {
        [] => return,
        [only] => format!("`{}` to `{}`", only.source, only.tagging.target.repository()),
        several => count(several.len(), "image"),
    };
    let others = planned.iter().filter(|planned| !planned.is_to_do());
    let (skipped, same): (Vec<_>, Vec<_>) = others.partition(|planned| planned.tagging.any(TagStep::Skip));
    let rest = [(same.len(), "unchanged"), (skipped.len(), "left alone")];
    let rest = rest.iter().filter(|(images, _)| *images > 0);
    let rest = rest.map(|(images, are)| format!("; {images} {are}"));
    let parts: Vec<String> = [format!("copying {what}, {}", ahead.amount())]
        .into_iter()
        .chain(rest)
        .collect();
    run.log.begin(to_do.len(), &parts.concat());
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
async fn wanted(run: &Run, copy: &Copy) -> Result<Vec<WantedCopy>, RunErrors> {
    let listed = Cell::new(0);
    let listed = &listed;
    let items = copy.items.iter().map(|item| async move {
        let tags = match &item.source {
            Selection::One(image) => return Ok(vec![(image.clone(), item.target.clone(), item.tags.clone())]),
            Selection::Matching(repository, pattern) => {
                let mut fitting = run.session.tags(repository, |tag| pattern.fits(tag)).await?;
                // Not every registry lists them in order, and all steps of a group must count alike.
                sort(&mut fitting);
                fitting.dedup();
                listed.set(listed.get() + fitting.len());
                if listed.get() > MOST_LISTED {
                    return Err(too_many("fit the patterns", listed.get(), MOST_LISTED));
                }
                if fitting.is_empty() {
                    let message = format!("no tag of `{repository}` fits `{}`", pattern.as_str());
                    let mut hint = "`*` matches any characters and `?` one; check the pattern".to_owned();
                    if run.wait.waited().is_some() {
                        hint.push_str("\n`WAIT` waits for an image that you name, not for a pattern");
                    }
                    return Err(RunError::told(FailureKind::NotFound, Page::NothingFits, message, hint));
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
    let found: Vec<Vec<CopyStep>> = all(stream::iter(items).buffered(run.concurrency).collect().await)?;
    let all = distinct(found.into_iter().flatten())?.into_iter().enumerate();
    let mine = all.filter(|(number, _)| copy.shard.is_none_or(|shard| shard.takes(*number)));
    let wanted: Vec<WantedCopy> = mine
        .enumerate()
        .map(|(number, (_, (source, target, tags)))| WantedCopy {
            number,
            source,
            target,
            tags,
        })
        .collect();
    if wanted.len() > MOST_IMAGES {
        return Err(too_many("are to be copied in one step", wanted.len(), MOST_IMAGES).into());
    }
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

fn too_many(what: &str, count: usize, most: usize) -> RunError {
    RunError::told(
        FailureKind::Variables,
        Page::TooManyImages,
        format!("{count} images {what}, more than {most}"),
        "write narrower patterns, or share the images out among parallel steps: `SHARD: 'true'`",
    )
}

/// Each way once. Two images under one tag are refused: which of them it names in the end would be chance.
fn distinct(found: impl Iterator<Item = CopyStep>) -> Result<Vec<CopyStep>, RunErrors> {
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
                    failures.push(RunError::told(
                        FailureKind::Variables,
                        Page::Together,
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
    RunErrors::of(failures).map_or(Ok(distinct), Err)
}

async fn plan(run: &Run, mover: &Mover<'_>, copy: &Copy, wanted: WantedCopy) -> Result<PlannedCopy, RunErrors> {
    // A request gives every image a tag.
    let first = wanted.tags.first().cloned().unwrap_or_else(Tag::latest);
    let target = (&wanted.target, &first);
    let paired = run.session.pair(&wanted.source, target, negative(copy.on_existing));
    let pair = match paired.await {
        Ok(pair) => pair,
        Err(error) => {
            let error = RunError::from(error);
            let refused = run.refused_target((&wanted.source, &error), &wanted.target, &first);
            return Err(match refused.await {
                Some(refused) => RunErrors::from(error).and(refused),
                None => error.into(),
            });
        }
    };
    run.log.served(&pair.from);
    run.log.served(&pair.to);
    let content_source = ContentSource::Registry(pair.from.clone());
    let root = root(
        &wanted.source.to_string(),
        &content_source,
        pair.manifest.clone(),
        copy.platform.as_ref(),
        true,
    )
    .await?;
    let mut existing: Vec<Option<Digest>> = pair.existing.iter().cloned().collect();
    existing.extend(looks(run, &pair.to, &wanted.tags[existing.len()..], copy.on_existing).await?);
    let is_root = |existing: &Option<Digest>| existing.as_ref().is_some_and(|digest| root.has_digest(digest));
    let found = wanted.tags.iter().cloned().zip(existing).enumerate();
    let found = found.map(|(place, (tag, existing))| {
        let is_same = is_root(&existing) && !(place == 0 && pair.is_unreadable);
        (tag, existing, is_same)
    });
    let tagging = Tagging::of(wanted.number, pair.to.clone(), found, copy.on_existing);
    // Referrers may have come since the image did. In one repository they are there.
    let is_wanted = copy.referrers && (tagging.any(TagStep::Set) || tagging.any(TagStep::Same));
    let referrers = if is_wanted && pair.from.repository() != pair.to.repository() {
        Some(mover.find_referrers(&root, &pair.from).await?)
    } else {
        None
    };
    // Of one platform, what its index has counts too.
    let mut found = Attachments::default();
    if !copy.required.is_empty() || referrers.is_some() {
        let only = copy.platform.as_ref().map(|_| &root.digest);
        let known = referrers.as_ref().filter(|_| root.digest == pair.manifest.digest);
        let attached = attached(&pair.from, &pair.manifest, only, copy.required, known).await;
        found = attached.has;
        run.journal.attach(wanted.number, found);
        if let Some(unmet) = unmet(&wanted.source, copy.required, attached) {
            return Err(unmet.into());
        }
    }
    let along = cosign(run, copy, &tagging, referrers.as_ref()).await?;
    Ok(PlannedCopy {
        source: wanted.source,
        pair,
        root,
        tagging,
        referrers,
        attached: found,
        along,
    })
}

/// Plans cosign's tags, which are tags of the target as all others.
async fn cosign(
    run: &Run,
    copy: &Copy,
    image: &Tagging,
    referrers: Option<&Referrers>,
) -> Result<Vec<Tagging>, RunErrors> {
    let found = referrers.map_or(&[][..], |referrers| &referrers.tags);
    let tags: Vec<Tag> = found.iter().map(|(tag, _)| tag.clone()).collect();
    let existing: Vec<Option<Digest>> = match copy.on_existing {
        OnExisting::Overwrite => vec![None; tags.len()],
        OnExisting::Skip | OnExisting::Fail => looks(run, &image.target, &tags, copy.on_existing).await?,
    };
    let planned = found.iter().zip(existing).enumerate();
    Ok(planned
        .map(|(number, ((tag, manifest), existing))| {
            let is_same = existing.as_ref().is_some_and(|digest| manifest.has_digest(digest));
            image.along(number, (tag.clone(), existing, is_same), copy.on_existing)
        })
        .collect())
}

async fn one(
    run: &Run,
    mover: &Mover<'_>,
    planned: &PlannedCopy,
    known: (Unknown<'_>, ReadAhead),
) -> Result<Vec<(Tag, Outcome)>, RunErrors> {
    let start = Instant::now();
    let PlannedCopy {
        source, pair, tagging, ..
    } = planned;
    let content_source = ContentSource::Registry(pair.from.clone());
    let to = Destination {
        remote: pair.to.clone(),
        mount_from: (pair.joined && pair.from.repository() != pair.to.repository())
            .then(|| pair.from.repository().clone()),
    };
    let brought = if planned.is_to_do() {
        let brought = bring(run, mover, planned, (&content_source, &to), known).await;
        Some(brought.inspect_err(|_| tagging.not_brought(run, start.elapsed(), 0))?)
    } else {
        None
    };
    let content = brought
        .as_ref()
        .map(|(graph, _)| TagContent::Brought(mover, graph, &content_source, &to));
    let moved = brought.as_ref().map_or(0, |(_, moved)| *moved);
    // Told once, with the first tag.
    let bytes = |place, _| if place == 0 { moved } else { 0 };
    let outcomes = tagging.set(run, content, Some(start), bytes).await?;
    if planned.is_to_do() {
        let (repository, became) = (to.remote.repository(), summary(&outcomes));
        let (amount, seconds, digest) = (
            text::bytes(moved),
            start.elapsed().as_secs_f64(),
            planned.root.digest.short(),
        );
        let has = has(planned.attached);
        run.log.image(
            &format!("`{source}` → `{repository}` {became} ({amount} moved, {seconds:.1} s, {digest}{has})"),
            &to.remote,
        );
    }
    Ok(outcomes)
}

/// Brings all but the tags: what is below the root, and what refers to it if that is wanted. Gives the bytes that moved.
async fn bring(
    run: &Run,
    mover: &Mover<'_>,
    planned: &PlannedCopy,
    (content_source, to): (&ContentSource, &Destination),
    (unknown, read): (Unknown<'_>, ReadAhead),
) -> Result<(Graph, u64), RunErrors> {
    let graph = match read {
        Some(read) => read?,
        None => Graph::of(content_source, planned.root.clone(), run.concurrency).await?,
    };
    run.see(&graph.root, Some(graph.size()));
    let from = &planned.pair.from;
    if from.repository() == to.remote.repository() {
        return Ok((graph, 0));
    }
    let unknown = planned.referrers.as_ref().map(|_| unknown);
    let moved = mover.bring(&graph, content_source, to).await?;
    if let Some(referrers) = &planned.referrers {
        // The subject before what refers to it, and that before the tag: who pulls by the tag finds it signed.
        mover.put_root(&graph, content_source, to).await?;
        mover.bring_referrers(referrers, from, to).await?;
        let mut count = referrers.count();
        let mut failed = Vec::new();
        for ((_, root), tagging) in referrers.tags.iter().zip(&planned.along) {
            match bring_along(run, mover, root, tagging, content_source, to).await {
                Ok(outcomes) => count += outcomes.iter().filter(|(_, outcome)| outcome.is_set()).count(),
                Err(failures) => failed.extend(failures),
            }
        }
        RunErrors::of(failed).map_or(Ok(()), Err)?;
        drop(unknown);
        tracing::info!("`{}`: {} copied", planned.source, text::count(count, "referrer"));
    }
    Ok((graph, moved))
}

/// Brings what one of cosign's tags points to, and sets the tag.
async fn bring_along(
    run: &Run,
    mover: &Mover<'_>,
    root: &Manifest,
    tagging: &Tagging,
    content_source: &ContentSource,
    to: &Destination,
) -> Result<Vec<(Tag, Outcome)>, RunErrors> {
    let start = Instant::now();
    if !tagging.any(TagStep::Set) {
        return tagging.set(run, None, Some(start), |_, _| 0).await;
    }
    let brought = async {
        let graph = Graph::of(content_source, root.clone(), run.concurrency).await?;
        let moved = mover.bring(&graph, content_source, to).await?;
        Ok::<_, RunError>((graph, moved))
    };
    let brought = brought.await;
    let (graph, moved) = brought.inspect_err(|_| tagging.not_brought(run, start.elapsed(), 0))?;
    let content = TagContent::Brought(mover, &graph, content_source, to);
    tagging.set(run, Some(content), Some(start), |_, _| moved).await
}
