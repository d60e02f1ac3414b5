//! `pull`: brings images into the step's Docker daemon. All are found in the registry before the first one moves.

use super::daemon::{Heartbeat, auth, connect, retried};
use super::{Run, all, count};
use crate::access::Served;
use crate::console::bytes;
use crate::engine::{Engine, LocalImage};
use crate::failure::{Failure, Failures, Kind};
use crate::image::{Digest, Reference};
use crate::plan::{NoPlatform, Pulled, pulled};
use crate::platform::Platform;
use crate::registry::{Access, Manifest, manifest};
use crate::report::{Outcome, Record};
use crate::request::Pull;
use futures_util::stream::{self, StreamExt as _};
use std::time::Instant;

/// An image that is there to be pulled.
struct Planned {
    number: usize,
    image: Reference,
    served: Served,
    digest: Digest,
}

pub(super) async fn run(run: &Run, pull: &Pull) -> Result<String, Failures> {
    let start = Instant::now();
    let engine = connect(run, &pull.daemon);
    let found = find(run, &pull.images);
    let (engine, found) = tokio::join!(engine, found);
    let (engine, found) = match (engine, found) {
        (Ok(engine), Ok(found)) => (engine, found),
        (engine, found) => return Err(both(engine.err(), found.err())),
    };
    let planned = plan(run, pull, &engine, found).await?;
    let moved = stream::iter(planned)
        .map(|planned| bring(run, &engine, planned, pull.platform.as_ref()))
        .buffer_unordered(run.concurrency)
        .collect::<Vec<_>>()
        .await;
    let outcomes = all(moved)?;
    let fetched: Vec<u64> = outcomes
        .iter()
        .filter_map(|(outcome, moved)| (*outcome == Outcome::Pulled).then_some(*moved))
        .collect();
    let mut summary = format!("{} in the step's Docker daemon", count(outcomes.len(), "image"));
    if fetched.len() < outcomes.len() {
        summary.push_str(&format!(", {} of them already there", outcomes.len() - fetched.len()));
    }
    Ok(format!(
        "{summary} ({}, {:.1} s)",
        bytes(fetched.iter().sum()),
        start.elapsed().as_secs_f64()
    ))
}

fn both(engine: Option<Failure>, images: Option<Failures>) -> Failures {
    let failures = images.iter().flat_map(Failures::iter).cloned().chain(engine).collect();
    // One of the two has failed, or nobody would ask.
    Failures::of(failures).unwrap_or_else(|| {
        Failures::from(Failure {
            kind: Kind::Other,
            message: String::new(),
            hint: None,
        })
    })
}

/// Finds every image in its registry, several at a time.
async fn find(run: &Run, images: &[Reference]) -> Result<Vec<(usize, Reference, Served, Manifest)>, Failures> {
    let reads = images.iter().enumerate().map(|(number, image)| async move {
        let (served, manifest) = run.access.read(image, Access::Pull).await?;
        Ok((number, image.clone(), served, manifest))
    });
    let mut found = all(stream::iter(reads).buffer_unordered(run.concurrency).collect().await)?;
    found.sort_by_key(|(number, ..)| *number);
    Ok(found)
}

async fn plan(
    run: &Run,
    pull: &Pull,
    engine: &Engine,
    found: Vec<(usize, Reference, Served, Manifest)>,
) -> Result<Vec<Planned>, Failures> {
    let wanted = pull.platform.as_ref();
    let plans = found.into_iter().map(|(number, image, served, manifest)| async move {
        let digest = digest_to_pull(run, engine, &image, &served, &manifest, wanted).await?;
        Ok(Planned {
            number,
            image,
            served,
            digest,
        })
    });
    all(stream::iter(plans).buffer_unordered(run.concurrency).collect().await)
}

async fn digest_to_pull(
    run: &Run,
    engine: &Engine,
    image: &Reference,
    served: &Served,
    manifest: &Manifest,
    wanted: Option<&Platform>,
) -> Result<Digest, Failure> {
    if manifest.is_schema_1() {
        let hint = "push it again with a current Docker; registries no longer serve this form";
        return Err(Failure::new(
            Kind::Other,
            format!("`{image}` is an image of Docker's schema 1, which has no stable digest"),
            hint,
        ));
    }
    let content = manifest.content().map_err(|what| {
        Failure::new(
            Kind::Other,
            format!("`{image}` cannot be pulled: {what}"),
            "it is no container image; check the name",
        )
    })?;
    match pulled(manifest, &content, wanted, engine.platform()) {
        Ok(Pulled::Manifest(digest)) => Ok(digest),
        Ok(Pulled::IfConfig { manifest, config }) => {
            let config = served
                .registry
                .small_blob(&image.repository, &config, &served.scopes)
                .await;
            let config = config.map_err(|error| run.access.explain(&error, served, false))?;
            match (manifest::config_platform(&config), wanted) {
                (Some(has), Some(wanted)) if !has.satisfies(wanted) => {
                    Err(no_platform(image, wanted, &[has.to_string()]))
                }
                _ => Ok(manifest),
            }
        }
        Err(NoPlatform { available }) => Err(no_platform(image, wanted.unwrap_or(engine.platform()), &available)),
    }
}

fn no_platform(image: &Reference, wanted: &Platform, available: &[String]) -> Failure {
    Failure::new(
        Kind::NotFound,
        format!("`{image}` is not there for {wanted}"),
        format!(
            "it is there for {}; write one of these in `PLATFORM`, or have the image built for {wanted} too",
            available.join(", ")
        ),
    )
}

/// Has the daemon pull one image by its digest, then sets the tag.
async fn bring(
    run: &Run,
    engine: &Engine,
    planned: Planned,
    wanted: Option<&Platform>,
) -> Result<(Outcome, u64), Failure> {
    let Planned {
        number,
        image,
        served,
        digest,
    } = planned;
    let start = Instant::now();
    let by_digest = format!("{}@{digest}", image.repository);
    let mut heartbeat = Heartbeat::new(&image.to_string());
    let fits = |local: &LocalImage| {
        local.is(&image.repository, &digest) && wanted.is_none_or(|wanted| local.platform.satisfies(wanted))
    };
    let result = async {
        let there = engine.inspect(&by_digest).await?.filter(&fits);
        let outcome = if there.is_some() {
            Outcome::Present
        } else {
            Outcome::Pulled
        };
        let local = match there {
            Some(local) => local,
            None => {
                tracing::info!("pulling `{image}` ({}) with {}", digest.short(), with(&served));
                let auth = auth(&served.registry, image.repository.host());
                retried(run, &image.to_string(), async || {
                    engine
                        .pull(&image.repository, &digest, &auth, |progress| heartbeat.beat(progress))
                        .await
                })
                .await?;
                engine
                    .inspect(&by_digest)
                    .await?
                    .filter(&fits)
                    .ok_or_else(|| unproven(&image, &digest))?
            }
        };
        if let Some(tag) = &image.tag {
            engine.tag(&local.id, &image.repository, tag).await?;
        }
        Ok::<_, Failure>(outcome)
    }
    .await;
    let record = |outcome| Record {
        image: number,
        repository: image.repository.clone(),
        tag: image.tag.clone(),
        digest: Some(digest.clone()),
        bytes: heartbeat.moved,
        took: start.elapsed(),
        outcome,
        credential: served.registry.credential().map(|credential| credential.source),
    };
    run.record(record(*result.as_ref().unwrap_or(&Outcome::Failed)));
    let outcome = result?;
    match outcome {
        Outcome::Present => tracing::info!("`{image}` is there already ({})", digest.short()),
        _ => tracing::info!(
            "pulled `{image}` ({}, {:.1} s)",
            bytes(heartbeat.moved),
            start.elapsed().as_secs_f64()
        ),
    }
    Ok((outcome, heartbeat.moved))
}

fn with(served: &Served) -> String {
    served.registry.credential().map_or_else(
        || "no credential".to_owned(),
        |credential| format!("the {} credential", credential.source),
    )
}

fn unproven(image: &Reference, digest: &Digest) -> Failure {
    Failure::new(
        Kind::Other,
        format!("the Docker daemon says that it pulled `{image}`, but does not have it as {digest}"),
        "the tag was not set; another process may have removed the image, so run the step again",
    )
}
