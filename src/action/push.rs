//! `push`: publishes an image of the step's Docker daemon. The daemon pushes one tag, the others are set in the registry.

use super::daemon::{
    FailedTransfer, Told, Unproven, arrived, auth, connect, may_have_arrived, platforms, proven, retried, sizes,
    with_reason,
};
use super::journal::{Outcome, TagPlace};
use super::log::{Goal, during};
use super::plan::is_same_image;
use super::tagging::{PlannedTag, TagContent, TagStep, Tagging, refuse, summary};
use super::{Loan, Run, all, joined};
use crate::engine::{self, Address, Engine, LocalImage};
use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError, RunErrors};
use crate::input::Push;
use crate::names::platform::Platform;
use crate::names::{Digest, Selector, Tag};
use crate::registry::{Access, Manifest, Remote};
use crate::text::order::sort_by_key;
use crate::text::{Quoted, bytes};
use futures_util::stream::{self, StreamExt as _};
use std::time::{Duration, Instant};
use strsim::osa_distance;

pub(super) async fn run(run: &Run, push: &Push, name: &str, daemon: &Address) -> Result<String, RunErrors> {
    let start = Instant::now();
    let engine = connect(run, daemon).await?;
    let mut local = find(&engine, name).await?;
    if push.platform.is_some() {
        local = engine.with_manifests(local).await?;
    }
    platforms::check(&engine, push, &local)?;
    let platform = platforms::to_name(&engine, push, &local);
    let is_image = |manifest: &Manifest| is_same_image(manifest, &push.target, &local, platform, engine.platform());
    let is_same = async |manifest: &Manifest, _: &Remote| Ok(is_image(manifest));
    let (mut tagging, there) = plan(run, push, is_same).await?;
    let source = Local {
        engine: &engine,
        push,
        image: &local,
        platform,
    };
    let mut failed = Vec::new();
    let brought = match there {
        Some(there) => Ok((None, Some(there))),
        None => bring(run, &source, &mut tagging, &mut failed, &is_image).await,
    };
    let (pushed, manifest) = match brought {
        Ok(brought) => brought,
        Err(failure) => {
            tagging.not_brought(run, start.elapsed(), 0);
            return joined(failed, Err(failure.into()));
        }
    };
    let content = manifest.as_ref().map(TagContent::Present);
    let set = tagging.set(run, content, None, |_, _| 0).await;
    let mut outcomes = joined(failed, set)?;
    let digest = match (&pushed, &manifest) {
        (Some(pushed), _) => Some(&pushed.digest),
        (None, manifest) => manifest.as_ref().map(|manifest| &manifest.digest),
    };
    let repository = tagging.target.repository();
    let name = digest.map_or_else(
        || format!("`{repository}`"),
        |digest| format!("`{repository}` ({})", digest.short()),
    );
    // podman does not say what it moves.
    let moved = match &pushed {
        Some(PushedTag { bytes: 0, .. }) => None,
        pushed => Some(pushed.as_ref().map_or(0, |pushed| pushed.bytes)),
    };
    outcomes.extend(pushed.map(|pushed| (pushed.tag, Outcome::Pushed)));
    let done = format!("`{}` → {name} {}", push.source, summary(&outcomes));
    Ok(run.log.end(&done, moved))
}

/// An image of the daemon that is to be pushed.
struct Local<'a> {
    engine: &'a Engine,
    push: &'a Push,
    image: &'a LocalImage,
    /// Which platform of several the daemon is to push.
    platform: Option<&'a Platform>,
}

/// What the daemon has pushed.
struct PushedTag {
    tag: Tag,
    digest: Digest,
    bytes: u64,
    took: Duration,
    /// The layers whose bytes are not among these: the daemon did not tell them.
    of_unknown_size: Vec<String>,
}

impl PushedTag {
    fn note(&self, run: &Run, tagging: &Tagging, place: TagPlace) {
        let at = (place, Some(&self.tag));
        let page = tagging.page(run);
        page.note(at, Outcome::Pushed, Some(&self.digest), self.bytes, self.took);
    }
}

async fn find(engine: &Engine, name: &str) -> Result<LocalImage, RunError> {
    let Some(local) = engine.inspect(name).await? else {
        let names = engine.list_names().await.unwrap_or_default();
        return Err(not_there(name, &names));
    };
    Ok(local)
}

fn not_there(wanted: &str, names: &[String]) -> RunError {
    let mut near: Vec<&String> = names.iter().collect();
    sort_by_key(&mut near, |name| (osa_distance(name, wanted), *name));
    // An index is listed once for each of its platforms.
    near.dedup();
    let near: Vec<String> = near
        .iter()
        .take(5)
        .map(|name| format!("`{}`", Quoted::new(name)))
        .collect();
    let has = if near.is_empty() {
        "it has no named images".to_owned()
    } else {
        format!("it has {}", near.join(", "))
    };
    RunError::told(
        FailureKind::NotFound,
        Page::NotInDaemon,
        format!("the step's Docker daemon has no image `{wanted}`"),
        format!(
            "{has}\nbuild it in this step, before the pipe, with `docker build -t {wanted} .`; images of other steps are not there"
        ),
    )
}

/// Plans all tags before anything is pushed, by what each is now. Gives the manifest of the registry that is this image
/// already too, if there is one: then nothing need be pushed.
pub(super) async fn plan(
    run: &Run,
    push: &Push,
    mut is_same: impl AsyncFnMut(&Manifest, &Remote) -> Result<bool, RunError>,
) -> Result<(Tagging, Option<Manifest>), RunErrors> {
    run.journal
        .expect(0, &push.target, &push.target, push.tags.iter().map(Some));
    let opened = run
        .session
        .open(&push.target, push.tags.first(), Access::PullPush)
        .await;
    let (target, found) = opened.map_err(|error| RunError::from(error).about(&push.target))?;
    run.log.served(&target);
    let others = push.tags.iter().skip(1);
    let looks = others.map(|tag| run.session.look(&target, tag));
    let mut existing = vec![found];
    existing.extend(all(stream::iter(looks).buffered(run.concurrency).collect().await)?);
    let mut there = None;
    let mut found = Vec::new();
    for (tag, existing) in push.tags.iter().cloned().zip(existing) {
        let digest = existing.as_ref().map(|existing| existing.digest.clone());
        let manifest = existing.and_then(|existing| existing.manifest);
        let is_same = match &manifest {
            Some(manifest) => is_same(manifest, &target).await?,
            None => false,
        };
        there = there.or(manifest.filter(|_| is_same));
        found.push((tag, digest, is_same));
    }
    let tagging = Tagging::of(0, target, found, push.on_existing);
    refuse([&tagging])?;
    Ok((tagging, there))
}

/// Has the daemon push the image under the first tag that the registry takes. Gives what came of it, and its manifest where
/// other tags are to be set to it. Tags that the registry did not take are added to `failed`.
async fn bring(
    run: &Run,
    source: &Local<'_>,
    tagging: &mut Tagging,
    failed: &mut Vec<RunError>,
    is_same: &impl Fn(&Manifest) -> bool,
) -> Result<(Option<PushedTag>, Option<Manifest>), RunError> {
    while let Some(planned) = tagging.take() {
        match send(run, source, tagging, &planned, is_same).await {
            Ok(mut pushed) => {
                let target = &tagging.target;
                let manifest = if tagging.any(TagStep::Set) {
                    Some(target.manifest(&Selector::Digest(pushed.digest.clone())).await?)
                } else if pushed.of_unknown_size.is_empty() {
                    None
                } else {
                    // Of no weight for the push itself.
                    target.manifest(&Selector::Digest(pushed.digest.clone())).await.ok()
                };
                if let Some(manifest) = &manifest {
                    pushed.bytes += sizes(manifest, &pushed.of_unknown_size);
                    pushed.note(run, tagging, planned.place);
                }
                return Ok((Some(pushed), manifest));
            }
            Err(Unsent::Tag(failure)) => failed.push(failure),
            Err(Unsent::Image(failure)) => return Err(failure),
        }
    }
    Ok((None, None))
}

/// Why the daemon did not push.
enum Unsent {
    /// The registry did not take this tag; another one may serve.
    Tag(RunError),
    /// The image does not get there, whatever it is called.
    Image(RunError),
}

/// Has the daemon push the image as `target:tag`, a name that it has only for the time of the push, and records what came
/// of it: what follows may fail, and the tag is then set all the same.
async fn send(
    run: &Run,
    source: &Local<'_>,
    tagging: &Tagging,
    planned: &PlannedTag,
    is_same: &impl Fn(&Manifest) -> bool,
) -> Result<PushedTag, Unsent> {
    let start = Instant::now();
    let Local {
        engine,
        push,
        image,
        platform,
    } = *source;
    let (target, tag) = (&tagging.target, &planned.tag);
    let page = tagging.page(run);
    let at = (planned.place, Some(tag));
    let before = planned.existing.as_ref();
    let name = format!("{}:{tag}", push.target);
    if let Err(failure) = borrow_name(run, engine, push, image, target, tag).await {
        page.note(at, Outcome::Failed, None, 0, start.elapsed());
        return Err(Unsent::Image(failure));
    }
    run.log.begin(1, &header(&push.source.to_string(), &name, image.size));
    let mut told = Told::of(run, &name);
    // The daemon tells sizes as it begins layers, and those before compression.
    let unknown = run.progress.unknown();
    let auth = auth(target);
    let mut tries = 0;
    let pushed = retried(run, &name, async || {
        tries += 1;
        let take = |progress: &engine::DaemonProgress| told.take(progress);
        engine.push(&push.target, tag, platform, &auth, take).await
    });
    let pushed = during(run, Goal::Registry, pushed).await;
    drop(unknown);
    let bytes = told.moved;
    // Told before anything else may end the run.
    let said = pushed.as_ref().ok();
    let outcome = said.map_or(Outcome::Failed, |_| Outcome::Pushed);
    let named = said.and_then(|said| said.digest.as_ref());
    page.note(at, outcome, named, bytes, start.elapsed());
    run.give_back(run.timeout).await;
    let shown = match pushed {
        Ok(said) => {
            if said.instead_of_index && !image.is_partial() {
                tracing::warn!(
                    "`{name}`: the Docker daemon has a part of the index, and pushed one manifest of it instead"
                );
            }
            let shown = proven(run, target, tag, said.digest.as_ref(), before).await;
            let shown = shown.map_err(|unproven| {
                if let Unproven::Shown(shown, _) = &unproven {
                    page.note(at, Outcome::Failed, shown.as_ref(), bytes, start.elapsed());
                }
                Unsent::Image(unproven.into())
            })?;
            Ok((shown, said.of_unknown_size))
        }
        Err(error) if tries > 1 || may_have_arrived(&error) => {
            match arrived(run, target, tag, before, is_same).await {
                // A try before may have set a tag that cannot be set twice.
                Some(digest) if error.is_relayed() => {
                    tracing::warn!("`{name}`: {}; the registry has the image all the same", error.message());
                    Ok((digest, Vec::new()))
                }
                Some(digest) => {
                    tracing::warn!("`{name}`: the registry has the image all the same");
                    page.note(at, Outcome::Pushed, Some(&digest), bytes, start.elapsed());
                    Err(error)
                }
                None => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    let error = match shown {
        Ok((digest, of_unknown_size)) => {
            run.see_local(&digest, platform.unwrap_or(&image.platform));
            let pushed = PushedTag {
                tag: tag.clone(),
                digest,
                bytes,
                took: start.elapsed(),
                of_unknown_size,
            };
            pushed.note(run, tagging, planned.place);
            return Ok(pushed);
        }
        Err(error) => with_reason(run, error, target, &FailedTransfer::Push).await,
    };
    // What the daemon tried again was a layer.
    let is_of_tag = is_of_tag(&error) && !told.has_retried;
    let relayed = RunError::Relayed {
        error,
        granted: target.granted().await,
        asker: Box::new(target.asker(true)),
        pushed: Some((tag.clone(), before.cloned())),
    };
    Err(if is_of_tag {
        Unsent::Tag(relayed)
    } else {
        Unsent::Image(relayed)
    })
}

/// The first line. Of the size nothing more is known before the daemon has compressed the layers.
fn header(source: &str, name: &str, size: u64) -> String {
    let renamed = if source == name {
        String::new()
    } else {
        format!(" as `{name}`")
    };
    let size = match size {
        0 => String::new(),
        size => format!(", {} in the daemon", bytes(size)),
    };
    format!("pushing `{source}`{renamed}{size}")
}

/// Gives the image the name that it is pushed by, which the end of the run takes back.
async fn borrow_name(
    run: &Run,
    engine: &Engine,
    push: &Push,
    local: &LocalImage,
    target: &Remote,
    tag: &Tag,
) -> Result<(), RunError> {
    run.session.try_write(target).await?;
    let before = engine
        .inspect(&format!("{}:{tag}", push.target))
        .await?
        .map(|image| image.id);
    if before.as_deref() != Some(local.id.as_str()) {
        run.borrow(Loan {
            engine: engine.clone(),
            repository: push.target.clone(),
            tag: tag.clone(),
            before,
        });
        engine.tag(&local.id, &push.target, tag).await?;
    }
    Ok(())
}

/// Whether the registry may take the image under another tag: it has refused a manifest, and not for its sign-in.
fn is_of_tag(error: &engine::Error) -> bool {
    use engine::{Error, Refusal};
    match error {
        Error::Registry { refusal, .. } => !matches!(refusal, Refusal::Unauthorized | Refusal::TooManyRequests),
        Error::Daemon { .. } => true,
        _ => false,
    }
}
