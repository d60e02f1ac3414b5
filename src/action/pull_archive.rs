//! `pull` with `TO`: images into an archive or layout, without a daemon. Every blob has its place before the first one moves.

use super::find::{FoundInRegistry, none_left, unless_lost, unless_optional};
use super::journal::Outcome;
use super::log::{Goal, during};
use super::select_platform::root;
use super::{Run, all};
use crate::archive::{ArchiveError, Location, OutputImage, Region, Slot, Transport, Writer};
use crate::explain::{RunError, RunErrors};
use crate::input::{Pull, WantedImage};
use crate::names::platform::Platform;
use crate::names::{Digest, Reference, is_ref_name, split};
use crate::registry::Remote;
use crate::registry::manifest::Descriptor;
use crate::text::bytes;
use crate::text::count;
use crate::transfer::download::Wanted;
use crate::transfer::{ContentSource, Graph, Mover};
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _};
use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::time::Instant;

/// An image that was found, and everything below it.
struct FoundGraph {
    number: usize,
    wanted: WantedImage,
    remote: Remote,
    graph: Graph,
}

pub(super) async fn run(
    run: &Run,
    pull: &Pull,
    to: &Location,
    found: Vec<FoundInRegistry>,
) -> Result<String, RunErrors> {
    let start = Instant::now();
    let graphs = found.into_iter().map(|found| async {
        let wanted = found.wanted.clone();
        unless_optional(run, &wanted, graph(run, pull, to, found).await)
    });
    let found: Vec<Option<FoundGraph>> = all(stream::iter(graphs).buffered(run.concurrency).collect().await)?;
    let mut found: Vec<FoundGraph> = found.into_iter().flatten().collect();
    for one in &found {
        warn_of_readers(to, &one.output(names(to, &one.wanted.image, &found)), one);
        one.graph.tell_of_foreign();
    }
    let written = loop {
        if found.is_empty() {
            return Ok(none_left(run, &format!("`{to}` is as it was")));
        }
        let (lost, error) = match write(run, to, &found).await {
            Ok(written) => break Ok(written),
            Err(NotWritten { image: None, error }) => break Err(error),
            Err(NotWritten {
                image: Some(lost),
                error,
            }) => (lost, error),
        };
        if let Err(error) = unless_lost::<()>(run, &found[lost].wanted, Err(error)) {
            break Err(error);
        }
        // The place of each blob is planned for all of them, so the others begin again.
        let lost = found.remove(lost);
        let page = run.journal.page(lost.number, &lost.remote);
        let tag = lost.wanted.image.tag.as_ref();
        page.note(
            (0, tag),
            Outcome::Failed,
            Some(&lost.graph.root.digest),
            0,
            start.elapsed(),
        );
        run.progress.give_up();
    };
    for found in &found {
        let bytes = written.as_ref().map_or(0, |written| written.of(&found.graph));
        let outcome = written.as_ref().map_or(Outcome::Failed, |_| Outcome::Pulled);
        let page = run.journal.page(found.number, &found.remote);
        let digest = Some(&found.graph.root.digest);
        page.note(
            (0, found.wanted.image.tag.as_ref()),
            outcome,
            digest,
            bytes,
            start.elapsed(),
        );
    }
    let moved = written?.moved;
    let name = match found.as_slice() {
        [only] => format!(": `{}` ({})", only.wanted.image, only.graph.root.digest.short()),
        _ => String::new(),
    };
    let images = count(found.len(), "image");
    Ok(run.log.end(&format!("{images} in `{to}`{name}"), Some(moved)))
}

/// Everything that the archive is to have of an image.
async fn graph(run: &Run, pull: &Pull, to: &Location, found: FoundInRegistry) -> Result<FoundGraph, RunError> {
    let FoundInRegistry {
        number,
        wanted,
        remote,
        manifest,
    } = found;
    let is_asked = pull.platform.is_some() || wanted.platform.is_some();
    let platform = wanted_platform(pull, wanted.platform.as_ref(), to);
    let content_source = ContentSource::Registry(remote.clone());
    let root = root(
        &wanted.image.to_string(),
        &content_source,
        manifest,
        platform.as_ref(),
        is_asked,
    )
    .await?;
    let graph = Graph::of(&content_source, root, run.concurrency).await?;
    let found = FoundGraph {
        number,
        wanted,
        remote,
        graph,
    };
    if found.wanted.is_optional {
        // Before anything is written, so that it can be left out.
        Writer::check(to, &found.output(Vec::new()), &found.blobs())?;
    }
    run.see(&found.graph.root, Some(found.graph.size()));
    Ok(found)
}

impl FoundGraph {
    fn output(&self, names: Vec<String>) -> OutputImage {
        OutputImage {
            root: self.graph.root.clone(),
            below: self.graph.children.clone(),
            names,
            repository: Some(self.wanted.image.repository.to_string()),
        }
    }

    /// The blobs that are fetched, with their sizes.
    fn blobs(&self) -> Vec<(Digest, u64)> {
        let blobs = self.graph.blobs.iter();
        blobs.map(|blob| (blob.digest.clone(), blob.size)).collect()
    }
}

/// A `docker-archive:` holds one platform an image: the one that the clone's files take it for, else the machine's own if none
/// is named. Others hold all, unless `PLATFORM` says that one is enough.
fn wanted_platform(pull: &Pull, platform: Option<&Platform>, to: &Location) -> Option<Platform> {
    let platform = platform.cloned();
    let own = || Platform::new(std::env::consts::OS, std::env::consts::ARCH, None);
    match (to.transport, &pull.platform) {
        (Transport::DockerArchive, _) => Some(platform.unwrap_or_else(own)),
        (_, Some(_)) => platform,
        (_, None) => None,
    }
}

struct Fetched {
    fetched: HashSet<Digest>,
    moved: u64,
}

impl Fetched {
    /// Bytes that were fetched for an image.
    fn of(&self, graph: &Graph) -> u64 {
        graph
            .blobs
            .iter()
            .filter(|blob| self.fetched.contains(&blob.digest))
            .map(|blob| blob.size)
            .fold(0, u64::saturating_add)
    }
}

/// Why nothing was written.
struct NotWritten {
    /// The image, by its place, that could not be fetched.
    image: Option<usize>,
    error: RunError,
}

impl From<ArchiveError> for NotWritten {
    fn from(error: ArchiveError) -> Self {
        Self {
            image: None,
            error: error.into(),
        }
    }
}

async fn write(run: &Run, to: &Location, found: &[FoundGraph]) -> Result<Fetched, NotWritten> {
    let output = |of: &FoundGraph| of.output(names(to, &of.wanted.image, found));
    let images: Vec<OutputImage> = found.iter().map(output).collect();
    let blobs: Vec<(Digest, u64)> = found.iter().flat_map(FoundGraph::blobs).collect();
    let writer = Writer::create(to, &images, &blobs)?;
    let mut seen = HashSet::new();
    let mut fetched = HashSet::new();
    let mut groups = Vec::new();
    for found in found {
        let mut wanted = Vec::new();
        for blob in found.graph.blobs.iter().filter(|blob| seen.insert(blob.digest.clone())) {
            if let Slot::Present(region) = writer.blob(&blob.digest)? {
                if has_digest(region, &blob.digest, to).await? {
                    continue;
                }
                writer.distrust(&blob.digest);
            }
            if let Slot::Fill(region) = writer.blob(&blob.digest)? {
                wanted.push(Wanted {
                    blob: blob.clone(),
                    region,
                });
            }
        }
        fetched.extend(wanted.iter().map(|wanted| wanted.blob.digest.clone()));
        groups.push((&found.remote, wanted));
    }
    let amounts = groups.iter().map(|(_, wanted)| {
        wanted
            .iter()
            .map(|wanted| wanted.blob.size)
            .fold(0, u64::saturating_add)
    });
    let amounts: Vec<u64> = amounts.collect();
    let amount = amounts.iter().copied().fold(0, u64::saturating_add);
    if amount > 0 {
        let images = count(found.len(), "image");
        run.log
            .begin(found.len(), &format!("pulling {images} into `{to}`, {}", bytes(amount)));
    }
    let pending = Pending::of(run, found, amounts, &fetched);
    if amount > 0 {
        pending.tell();
    }
    let mover = Mover::new(run.policy, run.concurrency, &run.progress);
    let seal = |digest: &Digest| {
        writer.seal(digest)?;
        pending.has(digest);
        Ok(())
    };
    let fetches = groups.iter().enumerate();
    let fetches = fetches.filter(|(_, (_, wanted))| !wanted.is_empty());
    let all_fetched = try_join_all(fetches.map(async |(image, (remote, wanted))| {
        let fetched = mover.fetch(wanted, remote, &seal).await;
        fetched.map_err(|error| NotWritten {
            image: Some(image),
            error: error.into(),
        })
    }));
    during(run, Goal::File, all_fetched).await?;
    writer.finish()?;
    Ok(Fetched {
        fetched,
        moved: run.progress.moved(),
    })
}

/// Images whose blobs are on their way; each is told when its last one is there.
struct Pending<'a> {
    run: &'a Run,
    start: Instant,
    left: RefCell<Vec<PendingImage<'a>>>,
}

struct PendingImage<'a> {
    found: &'a FoundGraph,
    /// Its blobs that are not there yet; those that it shares with others are among them.
    missing: HashSet<&'a Digest>,
    /// Of those that are fetched for it, shared ones with the first image that has them.
    bytes: u64,
}

impl<'a> Pending<'a> {
    fn of(run: &'a Run, found: &'a [FoundGraph], amounts: Vec<u64>, fetched: &HashSet<Digest>) -> Self {
        let left = found.iter().zip(amounts).map(|(found, bytes)| {
            let blobs = found.graph.blobs.iter().map(|blob| &blob.digest);
            PendingImage {
                found,
                missing: blobs.filter(|digest| fetched.contains(*digest)).collect(),
                bytes,
            }
        });
        Self {
            run,
            start: Instant::now(),
            left: RefCell::new(left.collect()),
        }
    }

    /// A blob has arrived.
    fn has(&self, digest: &Digest) {
        for image in self.left.borrow_mut().iter_mut() {
            image.missing.remove(digest);
        }
        self.tell();
    }

    /// Tells of the images that are complete.
    fn tell(&self) {
        self.left.borrow_mut().retain(|image| {
            let FoundGraph {
                wanted, remote, graph, ..
            } = image.found;
            let name = &wanted.image;
            let is_whole = image.missing.is_empty();
            if is_whole {
                let (amount, seconds) = (bytes(image.bytes), self.start.elapsed().as_secs_f64());
                let digest = graph.root.digest.short();
                let became = format!("pulled `{name}` ({amount}, {seconds:.1} s, {digest})");
                self.run.log.image(&became, remote);
            }
            !is_whole
        });
    }
}

/// What is written is whole, but not every program reads it.
fn warn_of_readers(to: &Location, output: &OutputImage, found: &FoundGraph) {
    let image = &found.wanted.image;
    if to.transport == Transport::DockerArchive {
        // moby#41759, Docker 23.0.
        if found.graph.blobs.iter().any(is_zstd) {
            tracing::warn!("`{image}` has layers compressed with zstd, which `docker load` reads from Docker 23 on");
        }
        return;
    }
    for name in output.names.iter().filter(|name| !is_ref_name(name)) {
        tracing::warn!(
            "`{image}` is called `{name}` in `{}:`, and skopeo, buildah and umoci can choose no such name; a name behind the \
             path of `TO` takes its place",
            to.transport
        );
    }
    // Tried with skopeo 1.9 to 1.18 and umoci 0.4: they look for OCI media types alone.
    if !output.names.is_empty() && output.root.media_type.starts_with("application/vnd.docker.") {
        tracing::warn!(
            "`{image}` has Docker's media types: in `{}:` skopeo before 1.19, buildah before 1.40 and umoci do not find it by \
             its name; skopeo and buildah read a `docker-archive:`",
            to.transport
        );
    }
}

fn is_zstd(blob: &Descriptor) -> bool {
    blob.media_type.ends_with("zstd")
}

/// Whether what is there has the bytes of its name, found out beside the event loop.
async fn has_digest(region: Region, digest: &Digest, of: &Location) -> Result<bool, ArchiveError> {
    let algorithm = digest.algorithm();
    let found = tokio::task::spawn_blocking(move || region.digest(algorithm)).await;
    let found = found.map_err(io::Error::other).and_then(|found| found);
    let found = found.map_err(|error| ArchiveError::reading(&of.path, &error))?;
    Ok(found == *digest)
}

/// The names an image has in the output: what `TO` names for a single one; for a docker-archive the full reference; else
/// the tag, or the full reference where two images share a tag.
fn names(to: &Location, image: &Reference, found: &[FoundGraph]) -> Vec<String> {
    if let (Some(name), [_]) = (&to.name, found) {
        // `docker load` takes no name without a tag.
        let needs_tag = to.transport == Transport::DockerArchive && split(name).is_ok_and(|(_, tag, _)| tag.is_none());
        return vec![if needs_tag {
            format!("{name}:latest")
        } else {
            name.clone()
        }];
    }
    let Some(tag) = &image.tag else {
        return Vec::new();
    };
    let full = format!("{}:{tag}", image.repository);
    let shared = found
        .iter()
        .filter(|other| other.wanted.image.tag.as_ref() == Some(tag))
        .count()
        > 1;
    vec![if to.transport == Transport::DockerArchive || shared {
        full
    } else {
        tag.to_string()
    }]
}
