//! `push`: publishes an image of the step's Docker daemon. The daemon pushes one tag, the others are set in the registry.

use super::daemon::{Heartbeat, auth, connect, retried};
use super::publish;
use super::tags::{exists, put, summary};
use super::{Loan, Run, all};
use crate::action::plan::{PushPlan, TagStep};
use crate::engine::{self, Engine, LocalImage};
use crate::explain::bitbucket::Doubt;
use crate::explain::failure::{Failure, Failures, Kind};
use crate::explain::refusal::immutable;
use crate::input::{Push, Source};
use crate::names::{Digest, Selector, Tag};
use crate::registry::{Access, Manifest, Remote};
use crate::report::{Outcome, Record};
use crate::text::Quoted;
use crate::text::bytes;
use futures_util::stream::{self, StreamExt as _};
use std::time::{Duration, Instant};
use strsim::osa_distance;

pub(super) async fn run(run: &Run, push: &Push) -> Result<String, Failures> {
    let start = Instant::now();
    let (name, daemon) = match &push.source {
        Source::Daemon(name, daemon) => (name, daemon),
        Source::Archive(location) => return publish::run(run, push, location).await,
    };
    let engine = connect(run, daemon).await?;
    let local = find(&engine, push, name).await?;
    let (remote, plan) = plan(run, push, &local).await?;
    let set = || {
        plan.tags
            .iter()
            .enumerate()
            .filter(|(_, (_, step, _))| *step == TagStep::Set)
    };
    let moved = match (&plan.there, set().next()) {
        (None, Some((place, (tag, _, existing)))) => {
            Some(send(run, &engine, push, &remote, &local, place, tag, existing.as_ref()).await?)
        }
        _ => None,
    };
    let manifest = match (&moved, &plan.there) {
        (Some(moved), _) if set().count() > 1 => Some(read_back(run, &remote, &moved.digest).await?),
        (Some(_), _) => None,
        (None, there) => there.clone(),
    };
    let digest = moved
        .as_ref()
        .map(|moved| moved.digest.clone())
        .or_else(|| manifest.as_ref().map(|manifest| manifest.digest.clone()));
    let steps = stream::iter(plan.tags.iter().enumerate()).map(|(place, (tag, step, existing))| {
        let (manifest, moved, digest, remote) = (manifest.as_ref(), moved.as_ref(), digest.as_ref(), &remote);
        async move {
            settle(
                run,
                remote,
                place,
                tag,
                *step,
                existing.as_ref(),
                moved,
                manifest,
                digest,
            )
            .await
        }
    });
    let outcomes = all(steps.buffered(run.concurrency).collect().await)?;
    let name = digest.map_or_else(
        || format!("`{}`", remote.repository()),
        |digest| format!("`{}` ({})", remote.repository(), digest.short()),
    );
    let amount = bytes(moved.as_ref().map_or(0, |moved| moved.bytes));
    Ok(format!(
        "`{}` → {name} {} ({amount}, {:.1} s)",
        push.source,
        summary(&outcomes),
        start.elapsed().as_secs_f64()
    ))
}

/// What the daemon has pushed.
struct Moved {
    tag: Tag,
    digest: Digest,
    bytes: u64,
}

async fn find(engine: &Engine, push: &Push, name: &str) -> Result<LocalImage, Failure> {
    let Some(local) = engine.inspect(name).await? else {
        let names = engine.list_names().await.unwrap_or_default();
        return Err(not_there(name, &names));
    };
    match &push.platform {
        Some(wanted) if !local.platform.satisfies(wanted) => Err(Failure::new(
            Kind::NotFound,
            format!(
                "`{}` in the Docker daemon is for {}, not {wanted}",
                push.source, local.platform
            ),
            "build it for that platform, or change `PLATFORM`",
        )),
        _ => Ok(local),
    }
}

fn not_there(wanted: &str, names: &[String]) -> Failure {
    let mut near: Vec<&String> = names.iter().collect();
    near.sort_by_cached_key(|name| osa_distance(name, wanted));
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
    Failure::new(
        Kind::NotFound,
        format!("the step's Docker daemon has no image `{wanted}`"),
        format!(
            "{has}\nbuild it in this step, before the pipe, with `docker build -t {wanted} .`; images of other steps are not there"
        ),
    )
}

/// Settles all tags before anything is pushed.
async fn plan(run: &Run, push: &Push, local: &LocalImage) -> Result<(Remote, PushPlan), Failures> {
    // A request has at least one tag.
    let (first, others) = push
        .tags
        .split_first()
        .ok_or_else(|| Failure::new(Kind::Variables, "`TAGS` is empty", "write a tag"))?;
    let (remote, found) = run.session.open(&push.target, first, Access::PullPush).await?;
    let looks = others.iter().map(|tag| {
        let remote = &remote;
        async move { run.session.look(remote, tag).await.map(|found| (tag.clone(), found)) }
    });
    let mut all_found = vec![(first.clone(), found)];
    all_found.extend(all(stream::iter(looks).buffered(run.concurrency).collect().await)?);
    let plan = PushPlan::of(all_found, &push.target, local, push.on_existing);
    let refused = plan
        .with(TagStep::Refuse)
        .map(|(tag, existing)| exists(&remote, tag, existing));
    match Failures::of(refused.collect()) {
        Some(failures) => Err(failures),
        None => Ok((remote, plan)),
    }
}

/// Has the daemon push the image as `target:tag`, a name that it has only for the time of the push, and records what came
/// of it: what follows may fail, and the tag is then set all the same.
#[allow(clippy::too_many_arguments, reason = "one tag's whole story")]
async fn send(
    run: &Run,
    engine: &Engine,
    push: &Push,
    remote: &Remote,
    local: &LocalImage,
    place: usize,
    tag: &Tag,
    existing: Option<&Digest>,
) -> Result<Moved, Failure> {
    let start = Instant::now();
    run.session.try_write(remote).await?;
    let name = format!("{}:{tag}", push.target);
    let before = engine.inspect(&name).await?.map(|image| image.id);
    if before.as_deref() != Some(local.id.as_str()) {
        run.borrow(Loan {
            engine: engine.clone(),
            repository: push.target.clone(),
            tag: tag.clone(),
            before,
        });
        engine.tag(&local.id, &push.target, tag).await?;
    }
    let renamed = if push.source.to_string() == name {
        String::new()
    } else {
        format!(" as `{name}`")
    };
    tracing::info!(
        "pushing `{}`{renamed} with {}",
        push.source,
        remote.credential_in_words()
    );
    let mut heartbeat = Heartbeat::new(&name);
    let auth = auth(remote);
    let pushed = retried(run, &name, async || {
        engine
            .push(&push.target, tag, &auth, |progress| heartbeat.beat(progress))
            .await
    })
    .await;
    let (outcome, bytes) = (
        pushed.as_ref().map_or(Outcome::Failed, |_| Outcome::Pushed),
        heartbeat.moved,
    );
    let record = record(remote, tag, pushed.as_ref().ok(), bytes, start.elapsed(), outcome);
    run.record(place, record);
    run.give_back(run.timeout).await;
    match pushed {
        Ok(digest) => {
            run.met_local(&digest, &local.platform);
            Ok(Moved {
                tag: tag.clone(),
                digest,
                bytes,
            })
        }
        Err(error) => Err(refused(run, remote, error, tag, existing).await),
    }
}

/// What the daemon relays of a refused push, with the cause that the daemon cannot know. `existing` is where the tag points.
async fn refused(run: &Run, remote: &Remote, error: engine::Error, tag: &Tag, existing: Option<&Digest>) -> Failure {
    use engine::{Error, Refusal};
    // Which status and code an immutable tag has is documented nowhere, and the daemon drops both.
    let may_be_immutable = match &error {
        Error::Registry { refusal, .. } => match refusal {
            Refusal::Immutable => true,
            Refusal::Denied => existing.is_some(),
            _ => false,
        },
        Error::Layer { .. } | Error::Daemon { .. } => existing.is_some(),
        _ => false,
    };
    let says_so = matches!(
        &error,
        Error::Registry {
            refusal: Refusal::Immutable,
            ..
        }
    );
    let failure = run.session.explain_relayed(error, remote, true).await;
    if !may_be_immutable {
        return failure;
    }
    let immutable = immutable(tag, says_so);
    let hint = match failure.hint {
        Some(hint) => format!("{immutable}\nif there is no such rule: {hint}"),
        None => immutable,
    };
    Failure {
        doubt: failure.doubt.map(Doubt::or_a_rule),
        ..Failure::new(Kind::Refused, failure.message, hint)
    }
}

async fn read_back(run: &Run, remote: &Remote, digest: &Digest) -> Result<Manifest, Failure> {
    let read = remote.manifest(&Selector::Digest(digest.clone())).await;
    read.map_err(|error| run.session.explain(&error, remote, false))
}

#[allow(clippy::too_many_arguments, reason = "one tag's whole story")]
async fn settle(
    run: &Run,
    remote: &Remote,
    place: usize,
    tag: &Tag,
    step: TagStep,
    existing: Option<&Digest>,
    moved: Option<&Moved>,
    manifest: Option<&Manifest>,
    digest: Option<&Digest>,
) -> Result<(Tag, Outcome), Failure> {
    let start = Instant::now();
    let result = match (step, moved, manifest) {
        // `send` has recorded it.
        (TagStep::Set, Some(moved), _) if moved.tag == *tag => return Ok((tag.clone(), Outcome::Pushed)),
        (TagStep::Set, _, Some(manifest)) => put(run, remote, manifest, tag).await,
        (TagStep::Same, ..) => Ok(Outcome::Same),
        _ => Ok(Outcome::Skipped),
    };
    let outcome = *result.as_ref().unwrap_or(&Outcome::Failed);
    let now = match (step, outcome) {
        (_, Outcome::Failed) => None,
        // What is the same now may have been another before.
        (TagStep::Set, _) => digest,
        _ => existing,
    };
    run.record(place, record(remote, tag, now, 0, start.elapsed(), outcome));
    result.map(|outcome| (tag.clone(), outcome))
}

fn record(remote: &Remote, tag: &Tag, digest: Option<&Digest>, bytes: u64, took: Duration, outcome: Outcome) -> Record {
    Record {
        image: 0,
        repository: remote.repository().clone(),
        tag: Some(tag.clone()),
        digest: digest.cloned(),
        bytes,
        took,
        outcome,
        credential: remote.source(),
    }
}
