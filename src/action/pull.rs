//! `pull`: brings images into the step's Docker daemon. All are found in the registry before the first one moves.

use super::daemon::{FailedTransfer, SideBySide, Told, auth, connect, retried, with_reason};
use super::discovery;
use super::find::{FoundInRegistry, find, none_left, unless_lost, unless_optional};
use super::journal::Outcome;
use super::log::{Goal, during};
use super::pull_archive;
use super::select_platform::{entry, missing};
use super::{Run, all};
use crate::action::plan::{NoImage, NotPulled, Parts, Pulled, is_image, pulled};
use crate::engine::{self, Engine, LocalImage};
use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError, RunErrors};
use crate::input::{Pull, PullTo, WantedImage};
use crate::names::platform::Platform;
use crate::names::{Digest, Reference, Selector, Tag};
use crate::registry::manifest::{Content, Descriptor, config_platform};
use crate::registry::{Manifest, Remote};
use crate::text::bytes;
use crate::text::count;
use crate::transfer::progress::{ExpectedLayers, Unknown};
use crate::transfer::{ContentSource, TransferError};
use futures_util::stream::{self, StreamExt as _};
use std::time::Instant;

/// What the daemon is to do for an image.
struct PlannedPull {
    number: usize,
    wanted: WantedImage,
    remote: Remote,
    pulled: Pulled,
    /// The image where the daemon has it already.
    there: Option<LocalImage>,
    /// The layers that it is to bring where it has not.
    layers: Vec<Descriptor>,
}

impl PlannedPull {
    /// Whether an image of the daemon is this one. Only of an index it matters for which platform it is there: podman does not
    /// tell the variant.
    fn is(&self, local: &LocalImage) -> bool {
        let is_index = matches!(&self.pulled.parts, Parts::Of(entry) if *entry != self.pulled.digest);
        let platform = self.pulled.platform.as_ref().filter(|_| is_index);
        local.is(&self.wanted.image.repository, &self.pulled.digest)
            && platform.is_none_or(|platform| local.serves(platform))
    }

    /// The tag that an image of the daemon lacks.
    fn missing_tag(&self, local: &LocalImage) -> Option<&Tag> {
        let image = &self.wanted.image;
        let tag = image.tag.as_ref().filter(|_| self.wanted.is_tagged)?;
        (!local.is_tagged(&image.repository, tag)).then_some(tag)
    }

    /// Whether the daemon has all of it.
    fn is_done(&self) -> bool {
        self.there
            .as_ref()
            .is_some_and(|local| self.missing_tag(local).is_none())
    }
}

pub(super) async fn run(run: &Run, pull: &Pull) -> Result<String, RunErrors> {
    if let Some(discovered) = &pull.discovered {
        discovery::announce(discovered);
    }
    let mut wanted = pull.wanted();
    if let PullTo::Archive(_) = pull.to {
        // It has one image under a name.
        wanted.retain(|wanted| wanted.is_tagged);
    }
    for (number, wanted) in wanted.iter().enumerate() {
        let tag = wanted.image.tag.as_ref().filter(|_| wanted.is_tagged);
        run.journal
            .expect(number, &wanted.image, &wanted.image.repository, [tag]);
    }
    let found = find(run, &wanted);
    let daemon = match &pull.to {
        PullTo::Daemon(daemon) => daemon,
        PullTo::Archive(to) => return pull_archive::run(run, pull, to, found.await?).await,
    };
    let engine = async {
        // Without it no image that may come has a place to go to.
        connect(run, daemon).await.inspect_err(|_| run.wait.give_up())
    };
    let (engine, found) = tokio::join!(engine, found);
    let (engine, found) = match (engine, found) {
        (Ok(engine), Ok(found)) => (engine, found),
        (Err(engine), Ok(_)) => return Err(engine.into()),
        (Ok(_), Err(images)) => return Err(images),
        (Err(engine), Err(images)) => return Err(images.and(engine)),
    };
    let planned = plan(run, &engine, found).await?;
    // What all are to bring is known before the first one begins.
    let unknown = planned.iter().map(|planned| {
        let is_unknown = planned.there.is_none() && planned.layers.is_empty();
        let expected = run.progress.expect_layers(&planned.layers);
        (is_unknown.then(|| run.progress.unknown()), expected)
    });
    let unknown: Vec<(Option<Unknown<'_>>, ExpectedLayers<'_>)> = unknown.collect();
    announce(run, &planned);
    let side_by_side = side_by_side(&engine, &planned).await;
    let moved = stream::iter(planned.iter().zip(unknown))
        .map(async |(planned, unknown)| {
            let pulling = match &side_by_side {
                Some(all) => Some(all.pull(&planned.layers).await),
                None => None,
            };
            let brought = bring(run, &engine, planned, unknown).await;
            if let (Some(pulling), true) = (pulling, brought.is_ok()) {
                pulling.done();
            }
            unless_lost(run, &planned.wanted, brought)
        })
        .buffered(run.concurrency)
        .collect::<Vec<_>>();
    let brought = all(during(run, Goal::Daemon, moved).await)?;
    let brought: Vec<Brought> = brought.into_iter().flatten().collect();
    if brought.is_empty() {
        return Ok(none_left(run, "the step's Docker daemon is as it was"));
    }
    keep_tags(&engine, &brought).await?;
    Ok(summary(run, &brought))
}

/// Where images that share layers are to wait for each other.
async fn side_by_side(engine: &Engine, planned: &[PlannedPull]) -> Option<SideBySide> {
    let missing = planned.iter().map(|planned| planned.layers.as_slice());
    (SideBySide::matters(missing) && engine.has_containerd_store().await).then(SideBySide::default)
}

/// Says what the daemon is to bring, if that is anything.
fn announce(run: &Run, planned: &[PlannedPull]) {
    let to_do: Vec<&PlannedPull> = planned.iter().filter(|planned| !planned.is_done()).collect();
    let does = if to_do.iter().any(|planned| planned.there.is_none()) {
        "pulling"
    } else {
        "tagging"
    };
    let what = match to_do.as_slice() {
        [] => return,
        [only] => format!(
            "`{}` ({})",
            without_digest(&only.wanted.image),
            only.pulled.digest.short()
        ),
        several => count(several.len(), "image"),
    };
    let amount = match run.progress.total() {
        None | Some(0) => String::new(),
        Some(total) => format!(", up to {}", bytes(total)),
    };
    let there = match planned.len() - to_do.len() {
        0 => String::new(),
        1 => "; 1 more is there already".to_owned(),
        there => format!("; {there} more are there already"),
    };
    run.log.begin(to_do.len(), &format!("{does} {what}{amount}{there}"));
}

/// What became of one image.
struct Brought {
    image: Reference,
    digest: Digest,
    outcome: Outcome,
    bytes: u64,
    /// The tag that it is to have, and the daemon's ID of it.
    tagged: Option<(Tag, String)>,
}

/// Sets the tags again that the daemon has lost meanwhile.
async fn keep_tags(engine: &Engine, brought: &[Brought]) -> Result<(), RunError> {
    for one in brought.iter().filter(|_| engine.loses_tags() && brought.len() > 1) {
        let Some((tag, id)) = &one.tagged else { continue };
        let repository = &one.image.repository;
        let has = engine.inspect(&format!("{repository}:{tag}")).await?;
        if has.is_none_or(|local| local.id != *id) {
            engine.tag(id, repository, tag).await?;
        }
    }
    Ok(())
}

/// `2 images in the step's Docker daemon, 1 of them already there (1.2 MB moved, 0.4 s, API token)`.
fn summary(run: &Run, brought: &[Brought]) -> String {
    let there = brought.iter().filter(|one| one.outcome == Outcome::Present).count();
    let images = count(brought.len(), "image");
    let name = match brought {
        [only] => format!(": `{}` ({})", without_digest(&only.image), only.digest.short()),
        _ => String::new(),
    };
    if there == brought.len() {
        return run
            .log
            .end(&format!("{images} already in the step's Docker daemon{name}"), None);
    }
    let already = if there == 0 {
        String::new()
    } else {
        format!(", {there} of them already there")
    };
    let moved = brought.iter().map(|one| one.bytes).sum();
    run.log.end(
        &format!("{images} in the step's Docker daemon{already}{name}"),
        Some(moved),
    )
}

/// The reference without its digest, which is told beside it.
fn without_digest(image: &Reference) -> String {
    match &image.tag {
        Some(tag) => format!("{}:{tag}", image.repository),
        None => image.repository.to_string(),
    }
}

async fn plan(run: &Run, engine: &Engine, found: Vec<FoundInRegistry>) -> Result<Vec<PlannedPull>, RunErrors> {
    let plans = found.into_iter().map(|found| async move {
        let image = found.wanted.image.clone();
        let planned = plan_one(run, engine, found).await;
        planned.map_err(|error| error.about(&image))
    });
    let planned = all(stream::iter(plans).buffered(run.concurrency).collect().await)?;
    Ok(planned.into_iter().flatten().collect())
}

/// `None` for an image that is done without.
async fn plan_one(run: &Run, engine: &Engine, found: FoundInRegistry) -> Result<Option<PlannedPull>, RunError> {
    let FoundInRegistry {
        number,
        wanted,
        remote,
        manifest,
    } = found;
    let platform = wanted.platform.as_ref();
    let chosen = choose(engine, &wanted.image, &remote, &manifest, platform).await;
    let Some(pulled) = unless_optional(run, &wanted, chosen)? else {
        return Ok(None);
    };
    run.see(&manifest, None);
    let mut planned = PlannedPull {
        number,
        wanted,
        remote,
        pulled,
        there: None,
        layers: Vec::new(),
    };
    let mut there = engine.inspect(&by_digest(&planned)).await?;
    // Docker's classic store gives a digest one image, and refuses ("Cannot overwrite digest") an index that it has for
    // another platform: what is wanted of it is pulled by its own digest.
    let is_other = |local: &LocalImage| !planned.is(local) && !local.is_of_containerd();
    if let (true, Parts::Of(entry)) = (there.as_ref().is_some_and(is_other), &planned.pulled.parts) {
        planned.pulled.digest = entry.clone();
        there = engine.inspect(&by_digest(&planned)).await?;
    }
    planned.there = there.filter(|local| planned.is(local));
    if planned.there.is_none() {
        let layers = layers(&planned.wanted.image, &planned.remote, &planned.pulled.parts).await;
        let Some(layers) = unless_optional(run, &planned.wanted, layers)? else {
            return Ok(None);
        };
        planned.layers = layers;
    }
    Ok(Some(planned))
}

fn by_digest(planned: &PlannedPull) -> String {
    format!("{}@{}", planned.wanted.image.repository, planned.pulled.digest)
}

/// What the daemon is to pull for an image.
async fn choose(
    engine: &Engine,
    image: &Reference,
    remote: &Remote,
    manifest: &Manifest,
    wanted: Option<&Platform>,
) -> Result<Pulled, RunError> {
    let content = manifest.content().map_err(|what| {
        RunError::told(
            FailureKind::Other,
            Page::NotAnImage,
            format!("`{image}` cannot be pulled: {what}"),
            "it is not a container image; check the name",
        )
    })?;
    let pulled = match pulled(manifest, &content, wanted, engine.platform()) {
        Ok(pulled) => pulled,
        Err(NotPulled::NoImage(what)) => return Err(no_image(image, &what)),
        Err(NotPulled::NoPlatform { mut available }) => {
            let named = wanted.is_some();
            let wanted = wanted.unwrap_or(engine.platform());
            if let Content::Index(entries) = &content {
                match (
                    entry(&ContentSource::Registry(remote.clone()), entries, wanted).await?,
                    entries.first(),
                ) {
                    (Ok(manifest), _) => return Ok(Pulled::of_entry(&manifest.digest, wanted)),
                    (Err(all), Some(first)) if all.is_empty() && !named => return Ok(Pulled::of_any(manifest, first)),
                    (Err(all), _) => available = all,
                }
            }
            return Err(missing(&image.to_string(), wanted, &available, named));
        }
    };
    if let (Some(config), Some(wanted)) = (&pulled.config, wanted) {
        let config = remote.small_blob(config).await.map_err(TransferError::Part)?;
        if let Some(has) = config_platform(&config).filter(|has| !has.satisfies(wanted)) {
            return Err(missing(&image.to_string(), wanted, &[has.to_string()], true));
        }
    }
    Ok(pulled)
}

/// Has the daemon pull one image by its digest, then sets the tag.
async fn bring(
    run: &Run,
    engine: &Engine,
    planned: &PlannedPull,
    (unknown, expected): (Option<Unknown<'_>>, ExpectedLayers<'_>),
) -> Result<Brought, RunError> {
    let start = Instant::now();
    let (image, remote, digest) = (&planned.wanted.image, &planned.remote, &planned.pulled.digest);
    let name = without_digest(image);
    let mut told = Told::of(run, &name);
    let result = async {
        let (local, outcome) = if let Some(local) = &planned.there {
            (local.clone(), Outcome::Present)
        } else {
            let auth = auth(remote);
            let transfer = retried(run, &name, async || {
                let take = |progress: &engine::DaemonProgress| told.take(progress);
                engine
                    .pull(&image.repository, digest, &planned.layers, &auth, take)
                    .await
            })
            .await;
            if let Err(error) = transfer {
                let error = with_reason(run, error, remote, &FailedTransfer::Pull(digest, &planned.layers)).await;
                return Err(RunError::Relayed {
                    error,
                    granted: remote.granted().await,
                    asker: Box::new(remote.asker(false)),
                    pushed: None,
                });
            }
            let pulled = engine.inspect(&by_digest(planned)).await?;
            let pulled = pulled.filter(|local| planned.is(local));
            (pulled.ok_or_else(|| unproven(image, digest))?, Outcome::Pulled)
        };
        let untagged = planned.missing_tag(&local);
        if let Some(tag) = untagged {
            engine.tag(&local.id, &image.repository, tag).await?;
        }
        let outcome = match (outcome, untagged) {
            // Nothing was fetched, but the daemon is another than before.
            (Outcome::Present, Some(_)) => Outcome::Tagged,
            (outcome, _) => outcome,
        };
        Ok::<_, RunError>((outcome, local.id))
    }
    .await;
    drop((unknown, expected));
    let outcome = result.as_ref().map_or(Outcome::Failed, |(outcome, _)| *outcome);
    let page = run.journal.page(planned.number, remote);
    let tag = image.tag.as_ref().filter(|_| planned.wanted.is_tagged);
    page.note((0, tag), outcome, Some(digest), told.moved, start.elapsed());
    let short = digest.short();
    match outcome {
        Outcome::Failed => run.log.failed(&format!("`{name}`")),
        Outcome::Present => {}
        Outcome::Tagged => run.log.image(
            &format!("`{name}` now names the image that was there ({short})"),
            remote,
        ),
        _ => {
            let (moved, seconds) = (bytes(told.moved), start.elapsed().as_secs_f64());
            run.log
                .image(&format!("pulled `{name}` ({moved}, {seconds:.1} s, {short})"), remote);
        }
    }
    let (_, id) = result?;
    Ok(Brought {
        image: image.clone(),
        digest: digest.clone(),
        outcome,
        bytes: told.moved,
        tagged: tag.cloned().map(|tag| (tag, id)),
    })
}

/// The layers that the daemon is to bring. Of an index those of its manifest are read here: the daemon tells the bytes of few,
/// and what is no image it may take all the same.
async fn layers(image: &Reference, remote: &Remote, parts: &Parts) -> Result<Vec<Descriptor>, RunError> {
    let entry = match parts {
        Parts::Layers(layers) => return Ok(layers.clone()),
        Parts::Of(entry) => entry,
    };
    let manifest = remote.manifest(&Selector::Digest(entry.clone())).await;
    let manifest = manifest.map_err(TransferError::Part)?;
    match manifest.content() {
        Ok(Content::Image { config, layers }) => {
            is_image(&config, &layers).map_err(|what| no_image(image, &what))?;
            Ok(layers)
        }
        // An index of indexes is the daemon's to take or to refuse.
        Ok(Content::Index(_) | Content::Other(_)) | Err(_) => Ok(Vec::new()),
    }
}

fn no_image(image: &Reference, what: &NoImage) -> RunError {
    RunError::told(
        FailureKind::Other,
        Page::NotAnImage,
        format!("`{image}` cannot be pulled into the Docker daemon: {what}"),
        "check the name; charts, signatures and other artifacts are for tools of their own, and `ACTION: copy` moves them",
    )
}

fn unproven(image: &Reference, digest: &Digest) -> RunError {
    RunError::told(
        FailureKind::Other,
        Page::NotPulled,
        format!("the Docker daemon says that it pulled `{image}`, but does not have it as {digest}"),
        "the tag was not set; another process may have removed the image, so run the step again",
    )
}
