//! `pull`: brings images into the step's Docker daemon. All are found in the registry before the first one moves.

use super::daemon::{Told, auth, connect, retried};
use super::discovery;
use super::heartbeat::during;
use super::journal::Outcome;
use super::pull_archive;
use super::select_platform::{entry, missing};
use super::{Run, all};
use crate::action::plan::{NoImage, NotPulled, Parts, Pulled, is_image, pulled};
use crate::engine::{self, Engine, LocalImage, Refusal};
use crate::explain::failure::Kind;
use crate::explain::{RunError, RunErrors};
use crate::input::{Destination, Pull, WantedImage};
use crate::names::platform::Platform;
use crate::names::{Digest, Reference, Selector};
use crate::registry::manifest::{Content, Descriptor, config_platform};
use crate::registry::{Access, Manifest, Negative, Remote};
use crate::text::bytes;
use crate::text::count;
use crate::transfer::progress::Unknown;
use crate::transfer::{ContentSource, TransferError};
use futures_util::stream::{self, StreamExt as _};
use std::time::{Duration, Instant};

/// Most images that the last line names.
const MOST_NAMES: usize = 6;

/// An image that is in its registry.
pub(super) struct Found {
    pub(super) number: usize,
    pub(super) wanted: WantedImage,
    pub(super) remote: Remote,
    pub(super) manifest: Manifest,
}

/// An image that is there to be pulled.
struct Planned {
    number: usize,
    wanted: WantedImage,
    remote: Remote,
    pulled: Pulled,
}

pub(super) async fn run(run: &Run, pull: &Pull) -> Result<String, RunErrors> {
    if let Some(discovered) = &pull.discovered {
        discovery::announce(discovered);
    }
    let start = Instant::now();
    let wanted = pull.wanted();
    let found = find(run, &wanted);
    let daemon = match &pull.to {
        Destination::Daemon(daemon) => daemon,
        Destination::Archive(to) => return pull_archive::run(run, pull, to, found.await?).await,
    };
    let engine = connect(run, daemon);
    let (engine, found) = tokio::join!(engine, found);
    let (engine, found) = match (engine, found) {
        (Ok(engine), Ok(found)) => (engine, found),
        (Err(engine), Ok(_)) => return Err(engine.into()),
        (Ok(_), Err(images)) => return Err(images),
        (Err(engine), Err(images)) => return Err(images.and(engine)),
    };
    let planned = plan(run, &engine, found).await?;
    let what = match planned.as_slice() {
        [only] => format!("`{}`", named(&only.wanted.image)),
        several => count(several.len(), "image"),
    };
    let unknown: Vec<Unknown<'_>> = planned.iter().map(|_| run.progress.unknown()).collect();
    let moved = stream::iter(planned.into_iter().zip(unknown))
        .map(|(planned, unknown)| bring(run, &engine, planned, unknown))
        .buffered(run.concurrency)
        .collect::<Vec<_>>();
    let brought = all(during(run, &what, moved).await)?;
    Ok(summary(&brought, start.elapsed()))
}

/// What became of one image.
struct Brought {
    image: Reference,
    digest: Digest,
    outcome: Outcome,
    bytes: u64,
}

/// `2 images in the step's Docker daemon, 1 of them already there: … (1.2 MB, 0.4 s)`.
fn summary(brought: &[Brought], took: Duration) -> String {
    let there = brought.iter().filter(|one| one.outcome == Outcome::Present).count();
    let (images, seconds) = (count(brought.len(), "image"), took.as_secs_f64());
    let mut names: Vec<String> = brought
        .iter()
        .take(MOST_NAMES)
        .map(|one| format!("`{}` ({})", named(&one.image), one.digest.short()))
        .collect();
    if brought.len() > MOST_NAMES {
        names.push(format!("and {} more", brought.len() - MOST_NAMES));
    }
    let names = names.join(", ");
    if there == brought.len() {
        return format!("{images} already in the step's Docker daemon: {names} ({seconds:.1} s)");
    }
    let already = if there == 0 {
        String::new()
    } else {
        format!(", {there} of them already there")
    };
    let amount = bytes(brought.iter().map(|one| one.bytes).sum());
    format!("{images} in the step's Docker daemon{already}: {names} ({amount}, {seconds:.1} s)")
}

/// The reference without its digest, which is told beside it.
fn named(image: &Reference) -> String {
    match &image.tag {
        Some(tag) => format!("{}:{tag}", image.repository),
        None => image.repository.to_string(),
    }
}

/// Finds every image in its registry, several at a time.
async fn find(run: &Run, wanted: &[WantedImage]) -> Result<Vec<Found>, RunErrors> {
    let reads = wanted.iter().enumerate().map(|(number, wanted)| async move {
        match run.session.read(&wanted.image, Access::Pull).await {
            Ok((remote, manifest)) => Ok(Some(Found {
                number,
                wanted: wanted.clone(),
                remote,
                manifest,
            })),
            Err(error) => {
                let error = RunError::from(error);
                let missing = Some(error.explain(run.context())).filter(|failure| failure.kind == Kind::NotFound);
                match missing.filter(|_| wanted.is_optional) {
                    Some(failure) => {
                        tracing::warn!("{failure}; a build only takes longer without it");
                        Ok(None)
                    }
                    None => Err(error),
                }
            }
        }
    });
    let found: Vec<Option<Found>> = all(stream::iter(reads).buffered(run.concurrency).collect().await)?;
    Ok(found.into_iter().flatten().collect())
}

async fn plan(run: &Run, engine: &Engine, found: Vec<Found>) -> Result<Vec<Planned>, RunErrors> {
    let plans = found.into_iter().map(|found| async move {
        let Found {
            number,
            wanted,
            remote,
            manifest,
        } = found;
        let platform = wanted.platform.as_ref();
        let pulled = choose(engine, &wanted.image, &remote, &manifest, platform).await?;
        run.see(&manifest, None);
        Ok::<_, RunError>(Planned {
            number,
            wanted,
            remote,
            pulled,
        })
    });
    all(stream::iter(plans).buffered(run.concurrency).collect().await)
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
            Kind::Other,
            format!("`{image}` cannot be pulled: {what}"),
            "it is no container image; check the name",
        )
    })?;
    let pulled = match pulled(manifest, &content, wanted, engine.platform()) {
        Ok(pulled) => pulled,
        Err(NotPulled::NoImage(what)) => return Err(no_image(image, &what)),
        Err(NotPulled::NoPlatform { mut available }) => {
            let named = wanted.is_some();
            let wanted = wanted.unwrap_or(engine.platform());
            if let Content::Index(entries) = &content {
                match entry(&ContentSource::Registry(remote.clone()), entries, wanted).await? {
                    Ok(manifest) => return Ok(Pulled::of_entry(&manifest.digest, wanted)),
                    Err(all) => available = all,
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
async fn bring(run: &Run, engine: &Engine, planned: Planned, unknown: Unknown<'_>) -> Result<Brought, RunError> {
    let Planned {
        number,
        wanted,
        remote,
        pulled,
    } = planned;
    let WantedImage { image, is_tagged, .. } = wanted;
    let start = Instant::now();
    let digest = &pulled.digest;
    let by_digest = format!("{}@{digest}", image.repository);
    let name = named(&image);
    let mut told = Told::of(run, &name);
    let fits = |local: &LocalImage| {
        let platform = pulled.platform.as_ref();
        local.is(&image.repository, digest) && platform.is_none_or(|platform| local.serves(platform))
    };
    let result = async {
        let there = engine.inspect(&by_digest).await?.filter(&fits);
        let outcome = if there.is_some() {
            Outcome::Present
        } else {
            Outcome::Pulled
        };
        let local = if let Some(local) = there {
            local
        } else {
            let layers = layers(&image, &remote, &pulled.parts).await?;
            tracing::info!(
                "pulling `{name}` ({}) with {}",
                digest.short(),
                remote.credential_in_words()
            );
            let auth = auth(&remote);
            let expected = run.progress.expect_layers(&layers);
            if !layers.is_empty() {
                drop(unknown);
            }
            let transfer = retried(run, &name, async || {
                let take = |progress: &engine::Progress| told.take(progress);
                engine.pull(&image.repository, digest, &layers, &auth, take).await
            })
            .await;
            drop(expected);
            if let Err(error) = transfer {
                let error = asked_again(error, &remote, digest).await;
                return Err(RunError::Relayed {
                    error,
                    granted: remote.granted().await,
                    asker: Box::new(remote.asker(false)),
                    pushed: None,
                });
            }
            let pulled = engine.inspect(&by_digest).await?.filter(&fits);
            pulled.ok_or_else(|| unproven(&image, digest))?
        };
        let untagged = image
            .tag
            .as_ref()
            .filter(|tag| is_tagged && !local.is_tagged(&image.repository, tag));
        if let Some(tag) = untagged {
            engine.tag(&local.id, &image.repository, tag).await?;
        }
        Ok::<_, RunError>((outcome, untagged.is_some()))
    }
    .await;
    let outcome = match &result {
        // Nothing was fetched, but the daemon is another than before.
        Ok((Outcome::Present, true)) => Outcome::Tagged,
        Ok((outcome, _)) => *outcome,
        Err(_) => Outcome::Failed,
    };
    let page = run.journal.page(number, &remote);
    let tag = image.tag.as_ref().filter(|_| is_tagged);
    page.note((0, tag), outcome, Some(digest), told.moved, start.elapsed());
    let (outcome, newly_tagged) = result?;
    let short = digest.short();
    match (outcome, newly_tagged) {
        (Outcome::Present, false) => tracing::info!("`{name}` is there already ({short})"),
        (Outcome::Present, true) => tracing::info!("`{name}` is there already ({short}); the tag now points to it"),
        _ => tracing::info!(
            "pulled `{name}` ({short}, {}, {:.1} s)",
            bytes(told.moved),
            start.elapsed().as_secs_f64()
        ),
    }
    Ok(Brought {
        image,
        digest: digest.clone(),
        outcome,
        bytes: told.moved,
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

/// What the daemon did not find, the registry is asked for once more: it may be gone.
async fn asked_again(error: engine::Error, remote: &Remote, digest: &Digest) -> engine::Error {
    let engine::Error::NotResolved { asked, words } = error else {
        return error;
    };
    let selector = Selector::Digest(digest.clone());
    let refusal = match remote.digest(&selector, Negative::Confirmed).await {
        Ok(None) => Refusal::ManifestUnknown,
        Err(error) if error.is_unknown_name() => Refusal::NameUnknown,
        Ok(Some(_)) | Err(_) => return engine::Error::NotResolved { asked, words },
    };
    engine::Error::Registry { asked, refusal, words }
}

fn no_image(image: &Reference, what: &NoImage) -> RunError {
    RunError::told(
        Kind::Other,
        format!("`{image}` cannot be pulled into the Docker daemon: {what}"),
        "check the name; charts, signatures and other artifacts are for tools of their own, and `ACTION: copy` moves them",
    )
}

fn unproven(image: &Reference, digest: &Digest) -> RunError {
    RunError::told(
        Kind::Other,
        format!("the Docker daemon says that it pulled `{image}`, but does not have it as {digest}"),
        "the tag was not set; another process may have removed the image, so run the step again",
    )
}
