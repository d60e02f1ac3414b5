//! `push` from an archive or layout: the same promises as from the daemon, without one.
//!
//! What has a manifest keeps it, and so its digest. The image of a docker-archive mostly has none: its layers are
//! compressed on the way and a manifest is made for them; the image ID stays what it is.

use super::Run;
use super::heartbeat::during;
use super::one_platform::{missing, root};
use super::push::plan;
use super::tagging::{Content, Step, summary};
use crate::archive::{
    ArchiveError, BlobSource, Compression, DockerArchive, DockerImage, Layout, Location, StoredLayer, Transport,
    manifest_for,
};
use crate::explain::failure::{Failure, Failures};
use crate::input::Push;
use crate::names::Digest;
use crate::registry::Manifest;
use crate::registry::manifest::{Content as ManifestContent, config_platform};
use crate::text::bytes;
use crate::transfer::{Destination, Graph, Mover, Origin};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// What is published.
enum Image {
    /// The manifest is known.
    Whole(Box<Manifest>, Origin),
    /// The manifest follows from the layers, when they are compressed.
    Layers(Box<DockerImage>, String),
}

pub(super) async fn run(run: &Run, push: &Push, from: &Location) -> Result<String, Failures> {
    let start = Instant::now();
    let image = open(run, push, from).await?;
    let (tagging, there) = plan(run, push, |manifest| image.is(manifest)).await?;
    let mover = Mover::new(&run.session, run.policy, run.concurrency, &run.progress);
    let to = Destination {
        remote: tagging.target.clone(),
        mount_from: None,
    };
    let sent = match (tagging.any(Step::Set), there) {
        (true, Some(manifest)) => Ok(Some((Graph::bare(manifest), Origin::nothing(from)))),
        (true, None) => during(run, &format!("`{from}`"), send(run, &mover, image, &to))
            .await
            .map(Some),
        (false, _) => Ok(None),
    };
    let sent = sent.inspect_err(|_| tagging.not_brought(run, start.elapsed(), run.progress.moved()))?;
    let content = sent
        .as_ref()
        .map(|(graph, origin)| Content::Brought(&mover, graph, origin, &to));
    let bytes_at = |place, _| if place == 0 { run.progress.moved() } else { 0 };
    let outcomes = tagging.set(run, content, Some(start), bytes_at).await?;
    let target = match &sent {
        Some((graph, _)) => format!("`{}` ({})", push.target, graph.root.digest.short()),
        None => format!("`{}`", push.target),
    };
    Ok(format!(
        "`{from}` → {target} {} ({} moved, {:.1} s)",
        summary(&outcomes),
        bytes(run.progress.moved()),
        start.elapsed().as_secs_f64()
    ))
}

async fn open(run: &Run, push: &Push, from: &Location) -> Result<Image, Failure> {
    if from.transport != Transport::DockerArchive {
        let layout = Arc::new(beside(from, Layout::open).await?);
        let chosen = layout.choose(from.name.as_deref())?.descriptor.clone();
        let origin = Origin::Layout(layout);
        let whole = origin.manifest(&chosen, &run.session).await?;
        let root = root(run, &from.to_string(), &origin, whole, push.platform.as_ref()).await?;
        return Ok(Image::Whole(Box::new(root), origin));
    }
    let image = beside(from, |from| DockerArchive::open(from)?.choose(from.name.as_deref())).await?;
    if let (Some(wanted), Some(has)) = (&push.platform, config_platform(&image.config))
        && !has.satisfies(wanted)
    {
        return Err(missing(&from.to_string(), wanted, &[has.to_string()]));
    }
    match whole(&image, from) {
        Some((manifest, origin)) => Ok(Image::Whole(Box::new(manifest), origin)),
        None => Ok(Image::Layers(Box::new(image), from.to_string())),
    }
}

/// Opens an archive beside the event loop: a gzip-compressed one is read from end to end for it.
async fn beside<T: Send + 'static>(
    from: &Location,
    open: impl FnOnce(&Location) -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, Failure> {
    let location = from.clone();
    match tokio::task::spawn_blocking(move || open(&location)).await {
        Ok(opened) => Ok(opened?),
        Err(error) => Err(ArchiveError::reading(&from.path, &io::Error::other(error)).into()),
    }
}

/// An image of a docker-archive whose manifest and stored layers fit together.
fn whole(image: &DockerImage, from: &Location) -> Option<(Manifest, Origin)> {
    let manifest = image.manifest.clone()?;
    manifest
        .content()
        .ok()
        .filter(|content| matches!(content, ManifestContent::Image { .. }))?;
    let mut blobs: HashMap<Digest, BlobSource> = HashMap::new();
    for layer in &image.layers {
        blobs.insert(layer.digest.clone()?, layer.content.clone());
    }
    blobs.insert(image.config_digest.clone(), BlobSource::Bytes(image.config.clone()));
    Some((manifest, Origin::Blobs(Arc::new(blobs), format!("`{from}`"))))
}

impl Image {
    /// Whether a manifest of the registry is this image: the same one, or one of the same configuration.
    fn is(&self, manifest: &Manifest) -> bool {
        match self {
            Self::Whole(root, _) => root.digest == manifest.digest,
            Self::Layers(image, _) => {
                matches!(manifest.content(), Ok(ManifestContent::Image { config, .. }) if config.digest == image.config_digest)
            }
        }
    }
}

async fn send(run: &Run, mover: &Mover<'_>, image: Image, to: &Destination) -> Result<(Graph, Origin), Failure> {
    // Layers that are compressed on the way have no size beforehand.
    let unknown = run.progress.unknown();
    let (root, origin) = match image {
        Image::Whole(root, origin) => (*root, origin),
        Image::Layers(image, name) => layers(mover, *image, name, to).await?,
    };
    let graph = Graph::of(&origin, root, &run.session, run.concurrency).await?;
    run.met(&graph.root, Some(graph.size()));
    drop(unknown);
    mover.bring(&graph, &origin, to).await?;
    Ok((graph, origin))
}

/// Uploads the layers of a docker-archive, the plain ones compressed on the way, and makes the manifest for them.
async fn layers(
    mover: &Mover<'_>,
    image: DockerImage,
    name: String,
    to: &Destination,
) -> Result<(Manifest, Origin), Failure> {
    let mut stored = Vec::new();
    let mut blobs = HashMap::new();
    for layer in &image.layers {
        let (digest, size, compression) = match layer.compression {
            Compression::None => {
                // One takes all cores, so they go one after the other.
                let (digest, size) = mover.compressed(layer, &name, to).await?;
                (digest, size, Compression::Gzip)
            }
            compression => {
                let digest = mover.digest_of(&layer.content, &name).await?;
                blobs.insert(digest.clone(), layer.content.clone());
                (digest, layer.content.size(), compression)
            }
        };
        stored.push(StoredLayer {
            digest,
            size,
            compression,
        });
    }
    blobs.insert(image.config_digest.clone(), BlobSource::Bytes(image.config.clone()));
    Ok((
        manifest_for(&image.config, &stored),
        Origin::Blobs(Arc::new(blobs), name),
    ))
}
