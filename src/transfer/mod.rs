//! Moves content: blobs into a registry, several at a time, then the manifests above them, the tag last.
//!
//! Nothing is moved that is there: in one registry blobs are mounted, across registries the target is asked first.
//! What is moved streams through memory in pieces and is checked against its digest before its last piece goes out.

mod attached;
pub(crate) mod download;
mod error;
pub(crate) mod graph;
mod hashing;
mod layers;
mod presence;
pub(crate) mod progress;
mod referrers;
mod schedule;
pub(crate) mod source;
mod turns;
mod upload;
pub(crate) mod verify;

pub(crate) use attached::{Attached, attached};
pub(crate) use error::TransferError;
pub(crate) use graph::Graph;
pub(crate) use layers::ArchivedImage;
pub(crate) use progress::Progress;
pub(crate) use referrers::Referrers;
pub(crate) use source::ContentSource;

use crate::names::{Digest, Repository, Selector, Tag};
use crate::registry::manifest::{Content, Descriptor};
use crate::registry::retry::{Policy, Tries};
use crate::registry::{self, Charge, Code, ErrorKind, Manifest, Mount, PutManifest, Remote, Resumed, Upload};
use futures_util::stream::{self, StreamExt as _};
use hashing::Hashing;
use presence::Presence;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore};
use turns::Turns;
use verify::DigestVerifier;

/// Requests without a body of weight (mounts, looks) are so many times as many at a time as transfers: they wait, they do not load.
const LIGHT: usize = 2;
/// Blobs above so many bytes count as large. Each holds some 1.5 MiB of buffers on its way, so half as many of them go at a
/// time as of others.
const LARGE: u64 = 1024 * 1024;

/// So many large blobs go at a time. A registry of this machine hashes and writes on the cores that send to it: with one
/// connection less it is done sooner.
const fn large_at_a_time(concurrency: usize, is_of_this_machine: bool) -> usize {
    let half = concurrency.div_ceil(2);
    if is_of_this_machine && half > 1 { half - 1 } else { half }
}

/// Moves content into repositories of one registry, and knows what it has moved there.
#[derive(Debug)]
pub(crate) struct Mover<'a> {
    policy: Policy,
    concurrency: usize,
    light: Semaphore,
    transfers: Semaphore,
    /// Made with the first of them.
    large: OnceCell<Semaphore>,
    /// Whether the registry has made a mount in this run: then one that it does not make says that the blob is not there.
    has_mounted: Cell<bool>,
    presence: Presence,
    /// One transfer of a blob to a repository serves all images that need it there.
    moved: RefCell<Moved>,
    /// What it costs the run to know that.
    held: RefCell<Option<Charge>>,
    progress: &'a Progress,
    hashing: Hashing,
}

/// What it costs to know of one.
const MOVED: usize = 300;

/// Whether a blob has come to a repository; locked while it is on its way.
type Moved = HashMap<(Repository, Digest), Arc<Mutex<bool>>>;

/// Where an image goes.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    /// The repository, signed in to.
    pub remote: Remote,
    /// The repository of the same registry that its token may mount from.
    pub mount_from: Option<Repository>,
}

impl<'a> Mover<'a> {
    /// `concurrency`: transfers at a time.
    #[must_use]
    pub(crate) fn new(policy: Policy, concurrency: usize, progress: &'a Progress) -> Self {
        Self {
            policy,
            concurrency,
            light: Semaphore::new(concurrency * LIGHT),
            transfers: Semaphore::new(concurrency),
            large: OnceCell::new(),
            has_mounted: Cell::new(false),
            presence: Presence::default(),
            moved: RefCell::default(),
            held: RefCell::default(),
            progress,
            hashing: Hashing::default(),
        }
    }

    /// Brings everything below the root of a graph to its destination; the root itself is the caller's, with its tags.
    /// Gives the bytes of the blobs that were moved for it.
    ///
    /// # Errors
    /// What stopped it. What has arrived stays, and the next run finds it there.
    pub(crate) async fn bring(
        &self,
        graph: &Graph,
        source: &ContentSource,
        to: &Destination,
    ) -> Result<u64, TransferError> {
        graph.tell_of_foreign();
        let moved = self.blobs(&graph.blobs, source, to, false).await?;
        // Images stand on nothing but blobs; indexes below the root, which are rare, on what comes before them.
        let (indexes, images): (Vec<_>, Vec<_>) = graph
            .children
            .iter()
            .partition(|child| matches!(child.content(), Ok(Content::Index(_))));
        let put = async |manifest: &Manifest| {
            let selector = Selector::Digest(manifest.digest.clone());
            self.put(manifest, &selector, graph, source, to).await
        };
        let mut puts = stream::iter(images).map(&put).buffer_unordered(self.concurrency);
        while let Some(written) = puts.next().await {
            written?;
        }
        for index in indexes {
            put(index).await?;
        }
        Ok(moved)
    }

    /// What large blobs need on their way to the registry.
    fn large(&self, to: &Remote) -> &Semaphore {
        self.large
            .get_or_init(|| Semaphore::new(large_at_a_time(self.concurrency, to.repository().host().is_loopback())))
    }

    /// Writes the root of a graph under its digest.
    ///
    /// # Errors
    /// What stopped it.
    pub(crate) async fn put_root(
        &self,
        graph: &Graph,
        source: &ContentSource,
        to: &Destination,
    ) -> Result<(), TransferError> {
        let selector = Selector::Digest(graph.root.digest.clone());
        self.put(&graph.root, &selector, graph, source, to).await.map(|_| ())
    }

    /// Writes the root of a graph under a tag.
    ///
    /// # Errors
    /// The refusal, unexplained: whether a tag may be moved is the caller's affair.
    pub(crate) async fn tag(
        &self,
        graph: &Graph,
        tag: &Tag,
        source: &ContentSource,
        to: &Destination,
    ) -> Result<(), TagError> {
        let selector = Selector::Tag(tag.clone());
        let remote = &to.remote;
        match remote.put_manifest(&selector, &graph.root).await {
            Ok(_) => Ok(()),
            Err(error) if lacks_blob(&error) => {
                self.heal(&graph.root, graph, source, to)
                    .await
                    .map_err(TagError::Failed)?;
                let again = remote.put_manifest(&selector, &graph.root).await;
                again.map(|_| ()).map_err(TagError::Refused)
            }
            Err(error) => Err(TagError::Refused(error)),
        }
    }

    async fn put(
        &self,
        manifest: &Manifest,
        selector: &Selector,
        graph: &Graph,
        source: &ContentSource,
        to: &Destination,
    ) -> Result<PutManifest, TransferError> {
        let remote = &to.remote;
        let put = async || remote.put_manifest(selector, manifest).await;
        let error = match put().await {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        if lacks_blob(&error) {
            self.heal(manifest, graph, source, to).await?;
            return Ok(put().await?);
        }
        Err(error.into())
    }

    /// A registry that says "it is there" of a blob and then misses it has half an image, of a copy that was broken off or
    /// of a cleaning under way. The blobs of that manifest are uploaded whatever it says (oras-go#1211).
    async fn heal(
        &self,
        manifest: &Manifest,
        graph: &Graph,
        source: &ContentSource,
        to: &Destination,
    ) -> Result<(), TransferError> {
        tracing::warn!(
            "`{}` misses blobs that it said it had; they are uploaded",
            to.remote.repository()
        );
        let one = Graph::of_one(manifest, graph);
        self.blobs(&one, source, to, true).await.map(|_| ())
    }

    async fn blobs(
        &self,
        blobs: &[Descriptor],
        source: &ContentSource,
        to: &Destination,
        force: bool,
    ) -> Result<u64, TransferError> {
        self.expect(blobs, to, force)?;
        // Dropped with what is under way, so that others do not wait for what has failed.
        let _question = match &to.mount_from {
            None if !force => self.presence.ask_with(blobs),
            _ => None,
        };
        // They come small ones first. Of the large ones the largest begins: it is not to be what is waited for alone at the end.
        let (small, large) = blobs.split_at(blobs.partition_point(|blob| blob.size < LARGE));
        let ordered = small.iter().chain(large.iter().rev());
        let turns = Turns::default();
        let under_way = stream::iter(ordered).map(|blob| self.once(blob, source, to, (&turns, force)));
        let mut under_way = under_way.buffer_unordered(self.concurrency * LIGHT);
        let mut bytes = 0;
        while let Some(moved) = under_way.next().await {
            bytes += moved?;
        }
        Ok(bytes)
    }

    /// What is to move is known before the first of it does.
    fn expect(&self, blobs: &[Descriptor], to: &Destination, force: bool) -> Result<(), TransferError> {
        let mut moved = self.moved.borrow_mut();
        let mut held = self.held.borrow_mut();
        let held = held.get_or_insert_with(|| to.remote.charge());
        to.remote.hold(held, blobs.len() * MOVED)?;
        let before = moved.len();
        for blob in blobs {
            let key = (to.remote.repository().clone(), blob.digest.clone());
            let is_new = !moved.contains_key(&key);
            moved.entry(key).or_default();
            if is_new || force {
                self.progress.expect(blob.size);
            }
        }
        // Images share blobs.
        held.give_back((blobs.len() - (moved.len() - before)) * MOVED);
        Ok(())
    }

    /// Moves a blob unless it has been moved to that repository in this run.
    async fn once(
        &self,
        blob: &Descriptor,
        source: &ContentSource,
        to: &Destination,
        (turns, force): (&Turns, bool),
    ) -> Result<u64, TransferError> {
        let key = (to.remote.repository().clone(), blob.digest.clone());
        let slot = Arc::clone(self.moved.borrow_mut().entry(key).or_default());
        let mut done = slot.lock().await;
        if *done && !force {
            self.learn_from(blob, &to.remote).await;
            return Ok(0);
        }
        let moved = self.one(blob, source, to, (turns, force)).await?;
        *done = true;
        Ok(if moved { blob.size } else { 0 })
    }

    /// Whether the blob's bytes had to move.
    async fn one(
        &self,
        blob: &Descriptor,
        source: &ContentSource,
        to: &Destination,
        (turns, force): (&Turns, bool),
    ) -> Result<bool, TransferError> {
        let remote = &to.remote;
        let mut session = None;
        let turn = (blob.size >= LARGE).then(|| turns.draw(blob.size));
        // Neither semaphore is ever closed, so there is always a permit in the end.
        let mut light = Some(self.light.acquire().await);
        let found = match &to.mount_from {
            _ if force => false,
            None => self.is_there(blob, remote, &mut session, &mut light).await?,
            Some(from) => match remote.mount(&blob.digest, from).await {
                Ok(Mount::Done) => {
                    self.has_mounted.set(true);
                    true
                }
                mounted => {
                    match mounted {
                        Ok(Mount::Session(upload)) => session = Some(upload),
                        // Registries refuse mounts with 403, 404 or 405; none of these says anything about an upload.
                        Err(error) => tracing::debug!("no mount: {error}"),
                        Ok(Mount::Done) => {}
                    }
                    // Some registries answer every mount with a session (gcr, zot): what was there would move again each night.
                    !self.has_mounted.get() && remote.has_blob(&blob.digest).await?
                }
            },
        };
        if found {
            if let Some(upload) = session.take() {
                give_up(upload, remote).await;
            }
            self.progress.spare(blob.size);
            return Ok(false);
        }
        drop(light);
        // In this order everywhere: who waits for the one keeps nobody from the other.
        let _large = match turn {
            Some(turn) => {
                turn.comes().await;
                Some(self.large(remote).acquire().await)
            }
            None => None,
        };
        let _permit = self.transfers.acquire().await;
        let (mut tries, mut followed) = (Tries::new(self.policy, 0), 0);
        let mut checked = DigestVerifier::new(&blob.digest, blob.size);
        let counter = self.progress.counter();
        loop {
            let upload = if let Some(upload) = session.take() {
                upload
            } else {
                remote.begin_upload().await?
            };
            let error = match upload::carry(self, blob, source, remote, &upload, (&mut checked, &counter)).await {
                Ok(()) => break,
                Err(upload::BrokenUpload::Failed(failure)) => return Err(failure),
                Err(upload::BrokenUpload::Target(error)) => error,
            };
            if let Some(upload) = upload::redirected(&upload, &error, &mut followed) {
                session = Some(upload);
                continue;
            }
            self.pause(&error, &upload, &mut tries).await?;
            let known = (Some(&blob.digest), blob.size);
            let left = upload::left(upload, known, &error, remote, &mut tries).await;
            match left? {
                Resumed::Done => break,
                Resumed::Session(upload) => session = Some(upload),
                Resumed::Gone => {}
            }
        }
        self.learn_from(blob, remote).await;
        Ok(true)
    }
}

/// Sessions that nothing comes to are dropped by all registries, sooner or later.
async fn give_up(upload: Upload, remote: &Remote) {
    if let Err(error) = remote.cancel_upload(upload).await {
        tracing::debug!("an upload session stays open: {error}");
    }
}

/// Why a tag was not written.
#[derive(Debug)]
pub(crate) enum TagError {
    Refused(registry::Error),
    /// Something else failed on the way.
    Failed(TransferError),
}

impl Graph {
    /// The blobs of one manifest of the graph.
    fn of_one(manifest: &Manifest, graph: &Graph) -> Vec<Descriptor> {
        let digests: Vec<Digest> = match manifest.content() {
            Ok(Content::Image { config, layers }) => {
                std::iter::once(config).chain(layers).map(|blob| blob.digest).collect()
            }
            // Of an index there may be blobs among its entries.
            Ok(Content::Other(blobs) | Content::Index(blobs)) => blobs.into_iter().map(|blob| blob.digest).collect(),
            Err(_) => Vec::new(),
        };
        graph
            .blobs
            .iter()
            .filter(|blob| digests.contains(&blob.digest))
            .cloned()
            .collect()
    }
}

fn lacks_blob(error: &registry::Error) -> bool {
    matches!(
        &error.kind,
        ErrorKind::Refused {
            code: Some(Code::BlobUnknown),
            ..
        }
    )
}

fn wrong_bytes(blob: &Descriptor, place: String, wrong: verify::Wrong) -> TransferError {
    TransferError::WrongBytes {
        digest: blob.digest.clone(),
        place,
        wrong,
    }
}
