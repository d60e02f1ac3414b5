//! `push` from an archive or layout: the same promises as from the daemon, without one.
//!
//! What has a manifest keeps it, and so its digest. The image of a docker-archive mostly has none: its layers are
//! compressed on the way and a manifest is made for them; the image ID stays what it is. Every layer of a docker-archive is
//! proven by its `diff_id`. A layout's are not decompressed: its digests say which bytes they are, and what the manifest
//! says of them stays its maker's word, as when a registry is copied.

use super::Run;
use super::log::{Goal, during};
use super::push::plan;
use super::select_platform::{missing, root};
use super::tagging::{TagContent, TagStep, summary};
use crate::archive::{ArchiveError, DockerArchive, Layout, Location, Transport};
use crate::explain::{RunError, RunErrors};
use crate::input::Push;
use crate::registry::manifest::config_platform;
use crate::registry::{Manifest, Remote};
use crate::text::bytes;
use crate::transfer::{ArchivedImage, ContentSource, Destination, Graph, Mover};
use std::io;
use std::sync::Arc;
use std::time::Instant;

enum ArchiveImage {
    /// Of a layout: all is named by its digest.
    Whole(Box<Manifest>, ContentSource),
    /// Of a docker-archive.
    Archived(Box<ArchivedImage>),
}

pub(super) async fn run(run: &Run, push: &Push, from: &Location) -> Result<String, RunErrors> {
    let start = Instant::now();
    let mut image = open(push, from).await?;
    let mover = Mover::new(run.policy, run.concurrency, &run.progress);
    let is_same = async |manifest: &Manifest, target: &Remote| image.is(manifest, &mover, target).await;
    let (tagging, there) = plan(run, push, is_same).await?;
    let to = Destination {
        remote: tagging.target.clone(),
        mount_from: None,
    };
    let sent = match (tagging.any(TagStep::Set), there) {
        (true, Some(manifest)) => Ok(Some((Graph::bare(manifest), ContentSource::nothing(from)))),
        (true, None) => {
            let what = format!("pushing `{from}` to `{}`", push.target);
            send(run, &what, &mover, image, &to).await.map(Some)
        }
        (false, _) => Ok(None),
    };
    let sent = sent.inspect_err(|_| tagging.not_brought(run, start.elapsed(), run.progress.moved()))?;
    let content = sent
        .as_ref()
        .map(|(graph, content_source)| TagContent::Brought(&mover, graph, content_source, &to));
    let bytes_at = |place, _| if place == 0 { run.progress.moved() } else { 0 };
    let outcomes = tagging.set(run, content, Some(start), bytes_at).await?;
    let target = match &sent {
        Some((graph, _)) => format!("`{}` ({})", push.target, graph.root.digest.short()),
        None => format!("`{}`", push.target),
    };
    let done = format!("`{from}` → {target} {}", summary(&outcomes));
    Ok(run.log.end(&done, Some(run.progress.moved())))
}

async fn open(push: &Push, from: &Location) -> Result<ArchiveImage, RunError> {
    if from.transport != Transport::DockerArchive {
        let layout = Arc::new(beside(from, Layout::open).await?);
        let whole = layout.root(layout.choose(from.name.as_deref())?)?;
        let content_source = ContentSource::Layout(Arc::clone(&layout));
        let root = root(&from.to_string(), &content_source, whole, push.platform.as_ref(), true).await?;
        layout.check_whole(&root)?;
        return Ok(ArchiveImage::Whole(Box::new(root), content_source));
    }
    let image = beside(from, |from| DockerArchive::open(from)?.choose(from.name.as_deref())).await?;
    if let (Some(wanted), Some(has)) = (&push.platform, config_platform(&image.config))
        && !has.satisfies(wanted)
    {
        return Err(missing(&from.to_string(), wanted, &[has.to_string()], true));
    }
    Ok(ArchiveImage::Archived(Box::new(ArchivedImage::new(
        image,
        from.clone(),
    ))))
}

/// Opens an archive beside the event loop: a gzip-compressed one is read from end to end for it.
async fn beside<T: Send + 'static>(
    from: &Location,
    open: impl FnOnce(&Location) -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, RunError> {
    let location = from.clone();
    match tokio::task::spawn_blocking(move || open(&location)).await {
        Ok(opened) => Ok(opened?),
        Err(error) => Err(ArchiveError::reading(&from.path, &io::Error::other(error)).into()),
    }
}

impl ArchiveImage {
    /// Whether a manifest of the registry is this image.
    async fn is(&mut self, manifest: &Manifest, mover: &Mover<'_>, target: &Remote) -> Result<bool, RunError> {
        match self {
            Self::Whole(root, _) => Ok(root.has_digest(&manifest.digest)),
            Self::Archived(image) => Ok(image.is(manifest, mover, target).await?),
        }
    }
}

/// Says that it begins, with the size as far as that is known beforehand, and brings all but the tags.
async fn send(
    run: &Run,
    what: &str,
    mover: &Mover<'_>,
    image: ArchiveImage,
    to: &Destination,
) -> Result<(Graph, ContentSource), RunError> {
    match image {
        ArchiveImage::Whole(root, content_source) => {
            let graph = Graph::of(&content_source, *root, run.concurrency).await?;
            run.log.begin(1, &format!("{what}, {}", bytes(graph.size())));
            during(run, Goal::Registry, bring(run, mover, (graph, content_source), to)).await
        }
        ArchiveImage::Archived(image) => {
            run.log.begin(1, &format!("{what}, {}", image.size()));
            let all = async {
                // Layers that are compressed on the way have no size beforehand.
                let unknown = run.progress.unknown();
                let (root, content_source) = image.bring(mover, to).await?;
                let graph = Graph::of(&content_source, root, run.concurrency).await?;
                drop(unknown);
                bring(run, mover, (graph, content_source), to).await
            };
            during(run, Goal::Registry, all).await
        }
    }
}

async fn bring(
    run: &Run,
    mover: &Mover<'_>,
    (graph, content_source): (Graph, ContentSource),
    to: &Destination,
) -> Result<(Graph, ContentSource), RunError> {
    run.see(&graph.root, Some(graph.size()));
    mover.bring(&graph, &content_source, to).await?;
    Ok((graph, content_source))
}
