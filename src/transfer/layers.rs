//! The layers of a docker-archive into a registry. Plain ones are compressed on their way, and none is taken over without
//! proof: whatever is read here to its end is the layer that the image's configuration names.

use super::progress::Counter;
use super::upload::{BrokenUpload, Outlet, PIECE, WAITING, from_registry, is_spoilt, left, redirected};
use super::verify::DigestVerifier;
use super::{Destination, LARGE, Mover, TransferError};
use crate::archive::{
    ArchiveError, BlobSource, Compression, Compressors, DockerImage, Layer, Location, Proof, StoredLayer, manifest_for,
};
use crate::names::{Digest, Hasher};
use crate::registry::manifest::{Content, Descriptor};
use crate::registry::retry::Tries;
use crate::registry::{Manifest, Payload, Remote, Resumed, Upload};
use crate::text::bytes;
use crate::text::order::sort_by_key;
use crate::transfer::ContentSource;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt as _};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{Mutex, Semaphore};

/// So many layers that take all cores, or the memory of a zstd decoder, are on their way at a time: while one is closed,
/// the next begins.
const HEAVY: usize = 2;

/// An image of a docker-archive, and what is known of its layers.
#[derive(Debug)]
pub(crate) struct ArchivedImage {
    image: DockerImage,
    archive: Location,
    /// What proven layers are as they are published.
    proven: HashMap<usize, StoredLayer>,
    compressors: Compressors,
}

impl ArchivedImage {
    /// Nothing is proven yet.
    #[must_use]
    pub(crate) fn new(image: DockerImage, archive: Location) -> Self {
        Self {
            image,
            archive,
            proven: HashMap::new(),
            compressors: Compressors::default(),
        }
    }

    /// Whether a manifest of `remote` is this image: the same manifest where the archive has one, else one of the same
    /// configuration and of layers that are sound. What is the same in the archive and in the registry is told by digest;
    /// a plain layer that somebody else compressed is read from the registry for it.
    ///
    /// # Errors
    /// A layer of the archive that is damaged.
    pub(crate) async fn is(
        &mut self,
        manifest: &Manifest,
        mover: &Mover<'_>,
        remote: &Remote,
    ) -> Result<bool, TransferError> {
        if let Some(own) = &self.image.manifest {
            return Ok(own.has_digest(&manifest.digest));
        }
        let Ok(Content::Image { config, layers }) = manifest.content() else {
            return Ok(false);
        };
        if config.digest != config.digest.of_same_kind(&self.image.config) || layers.len() != self.image.layers.len() {
            return Ok(false);
        }
        for (place, found) in layers.iter().enumerate() {
            let stored = self.proven(place).await?;
            if (&stored.digest, stored.size) == (&found.digest, found.size) {
                continue;
            }
            let layer = &self.image.layers[place];
            if layer.compression != Compression::None || !mover.has_sound(found, &layer.diff_id, remote).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The size of what is published, in words, as far as it is known before plain layers are compressed.
    #[must_use]
    pub(crate) fn size(&self) -> String {
        let layers = &self.image.layers;
        let distinct: HashMap<_, _> = layers.iter().map(|layer| (&layer.diff_id, &layer.content)).collect();
        let sizes = distinct.values().map(|content| content.size());
        let size = bytes(sizes.fold(self.image.config.len() as u64, u64::saturating_add));
        if layers.iter().any(|layer| layer.compression == Compression::None) {
            format!("{size} before compression")
        } else {
            size
        }
    }

    /// What a layer is as it is published; it is read to its end for it, once.
    async fn proven(&mut self, place: usize) -> Result<StoredLayer, TransferError> {
        if let Some(stored) = self.proven.get(&place) {
            return Ok(stored.clone());
        }
        let stored = prove(&self.image.layers[place], &self.archive, &self.compressors).await?;
        self.proven.insert(place, stored.clone());
        Ok(stored)
    }

    /// Brings all layers; gives the manifest of the image, and where its blobs are.
    ///
    /// # Errors
    /// A layer that is damaged, or what else stopped it.
    pub(crate) async fn bring(
        self,
        mover: &Mover<'_>,
        to: &Destination,
    ) -> Result<(Manifest, ContentSource), TransferError> {
        let heavy = Semaphore::new(HEAVY);
        // Two layers of one content are brought once.
        let mut first: HashMap<(&Digest, &Option<Digest>), usize> = HashMap::new();
        let layers = &self.image.layers;
        let places: Vec<usize> = (0..layers.len())
            .map(|place| {
                *first
                    .entry((&layers[place].diff_id, &layers[place].digest))
                    .or_insert(place)
            })
            .collect();
        let mut stored: HashMap<usize, StoredLayer> = HashMap::new();
        // The largest begins: it is not to be what is waited for alone at the end.
        let mut distinct: Vec<usize> = (0..layers.len()).filter(|place| places[*place] == *place).collect();
        sort_by_key(&mut distinct, |place| Reverse(layers[*place].content.size()));
        let brought = stream::iter(distinct).map(|place| {
            let (layer, proven) = (&layers[place], self.proven.get(&place));
            let from = (&self.archive, &self.compressors);
            let heavy = &heavy;
            async move {
                let stored = mover.layer(layer, proven, from, heavy, to).await;
                stored.map(|stored| (place, stored))
            }
        });
        let mut brought = brought.buffer_unordered(mover.concurrency);
        while let Some(layer) = brought.next().await {
            let (place, layer) = layer?;
            stored.insert(place, layer);
        }
        drop(brought);
        let stored: Vec<StoredLayer> = places.iter().filter_map(|place| stored.get(place).cloned()).collect();
        let mut blobs = HashMap::new();
        for (layer, stored) in layers.iter().zip(&stored) {
            if layer.compression != Compression::None {
                blobs.insert(stored.digest.clone(), layer.content.clone());
            }
        }
        let manifest = match self.image.manifest {
            Some(manifest) => manifest,
            None => manifest_for(&self.image.config, &stored),
        };
        // The archive's own manifest may name it by SHA-512.
        let config_digest = match manifest.content() {
            Ok(Content::Image { config, .. }) => config.digest,
            _ => self.image.config_digest,
        };
        blobs.insert(config_digest, BlobSource::Bytes(self.image.config));
        Ok((
            manifest,
            ContentSource::Blobs(Arc::new(blobs), format!("`{}`", self.archive)),
        ))
    }
}

/// Reads a layer to its end, as it is published.
async fn prove(layer: &Layer, archive: &Location, compressors: &Compressors) -> Result<StoredLayer, TransferError> {
    let (mut reader, hasher) = (layer.published(compressors), hasher(layer));
    let read = tokio::task::spawn_blocking(move || sum(&mut reader, hasher, |_| true)).await;
    let (digest, size) = read
        .map_err(io::Error::other)
        .and_then(|read| read)
        .map_err(|error| ArchiveError::in_entry(&archive.path, &layer.entry, &error))?;
    Ok(StoredLayer {
        digest,
        size,
        compression: layer.published_as(),
    })
}

impl Mover<'_> {
    /// Brings one layer; gives what it is in the registry. Where its digest is known or stated, the registry is asked first.
    async fn layer(
        &self,
        layer: &Layer,
        proven: Option<&StoredLayer>,
        (archive, compressors): (&Location, &Compressors),
        heavy: &Semaphore,
        to: &Destination,
    ) -> Result<StoredLayer, TransferError> {
        let may_be_there = match layer.stated() {
            Some(digest) if proven.is_none() => to.remote.has_blob(&digest).await?,
            // Without a digest nothing can be asked before the layer was read.
            None => layer.compression != Compression::None,
            Some(_) => false,
        };
        let proven = match proven {
            None if may_be_there => Some(prove(layer, archive, compressors).await?),
            proven => proven.cloned(),
        };
        let stored = match proven {
            Some(stored) if layer.compression != Compression::None => {
                let blob = Descriptor {
                    media_type: String::new(),
                    digest: stored.digest.clone(),
                    size: stored.size,
                    platform: None,
                };
                let blobs = HashMap::from([(stored.digest.clone(), layer.content.clone())]);
                let source = ContentSource::Blobs(Arc::new(blobs), format!("`{archive}`"));
                self.blobs(&[blob], &source, to, false).await?;
                return Ok(stored);
            }
            _ => self.unknown(layer, (archive, compressors), heavy, to).await?,
        };
        let key = (to.remote.repository().clone(), stored.digest.clone());
        self.moved.borrow_mut().insert(key, Arc::new(Mutex::new(true)));
        Ok(stored)
    }

    /// Uploads a layer whose digest is not known before it is over: the bytes go into an open session that their digest
    /// closes.
    async fn unknown(
        &self,
        layer: &Layer,
        from: (&Location, &Compressors),
        heavy: &Semaphore,
        to: &Destination,
    ) -> Result<StoredLayer, TransferError> {
        let remote = &to.remote;
        // None of the semaphores is ever closed.
        let _large = match layer.content.size() {
            LARGE.. => Some(self.large(remote).acquire().await),
            _ => None,
        };
        let _transfer = self.transfers.acquire().await;
        let _heavy = match layer.compression {
            Compression::Gzip => None,
            Compression::None | Compression::Zstd => Some(heavy.acquire().await),
        };
        let (mut tries, mut followed) = (Tries::new(self.policy, 0), 0);
        let mut session = None;
        // So many bytes came out of the layer so far: no session can have more.
        let mut made = 0;
        let counter = self.progress.counter();
        loop {
            let upload = if let Some(upload) = session.take() {
                upload
            } else {
                remote.begin_upload().await?
            };
            let error = match self
                .unknown_once(layer, from, remote, &upload, (&mut made, &counter))
                .await
            {
                Ok((digest, size)) => {
                    self.progress.expect(size);
                    return Ok(StoredLayer {
                        digest,
                        size,
                        compression: layer.published_as(),
                    });
                }
                Err(BrokenUpload::Failed(failure)) => return Err(failure),
                Err(BrokenUpload::Target(error)) => error,
            };
            if let Some(upload) = redirected(&upload, &error, &mut followed) {
                session = Some(upload);
                continue;
            }
            self.pause(&error, &upload, &mut tries).await?;
            // The same bytes come out of the same layer, so what arrived need not be sent again.
            let left = left(upload, (None, made), &error, remote, &mut tries).await;
            if let Resumed::Session(upload) = left? {
                session = Some(upload);
            }
        }
    }

    async fn unknown_once(
        &self,
        layer: &Layer,
        (archive, compressors): (&Location, &Compressors),
        to: &Remote,
        upload: &Upload,
        (made, counter): (&mut u64, &Counter),
    ) -> Result<(Digest, u64), BrokenUpload> {
        let (sender, mut receiver) = channel::<Result<Bytes, io::Error>>(WAITING);
        let payload = Payload {
            stream: counter.over(
                upload.stored,
                stream::poll_fn(move |context| receiver.poll_recv(context)).boxed(),
            ),
            size: (layer.compression != Compression::None).then(|| layer.content.size().saturating_sub(upload.stored)),
        };
        let mut outlet = Outlet {
            to: sender,
            skip: upload.stored,
            opened: None,
        };
        let (mut reader, hasher) = (layer.published(compressors), hasher(layer));
        let read = tokio::task::spawn_blocking(move || {
            let result = sum(&mut reader, hasher, |piece| outlet.send(piece));
            if result.is_err() {
                let _ = outlet.to.blocking_send(Err(io::Error::other("the source failed")));
            }
            result
        });
        let (read, appended) = tokio::join!(read, to.append(upload, payload));
        let unread = |error: &io::Error| {
            let error = ArchiveError::in_entry(&archive.path, &layer.entry, error);
            BrokenUpload::Failed(error.into())
        };
        let (digest, size) = read
            .map_err(|error| unread(&io::Error::other(error)))?
            .map_err(|error| unread(&error))?;
        *made = size.max(*made);
        let session = appended.map_err(BrokenUpload::Target)?;
        let closed = to.close_upload(&digest, &session).await;
        closed.map_err(|error| {
            let is_gone = matches!(error.kind.status(), Some(404 | 416));
            if is_gone || is_spoilt(&error, upload) {
                return BrokenUpload::Target(error);
            }
            // It has had its tries.
            BrokenUpload::Failed(error.into())
        })?;
        Ok((digest, size))
    }

    /// Whether a layer of a registry is the one that a configuration names. It is read whole for it. What cannot be read
    /// is not sound: it is brought again.
    async fn has_sound(&self, layer: &Descriptor, diff_id: &Digest, remote: &Remote) -> bool {
        let (sender, receiver) = channel::<Result<Bytes, io::Error>>(WAITING);
        let outlet = Outlet {
            to: sender,
            skip: 0,
            opened: None,
        };
        let mut proof = Proof::new(Box::new(Arriving::new(receiver)), diff_id.clone());
        let proven = tokio::task::spawn_blocking(move || sum(&mut proof, Hasher::sha256(), |_| true));
        let mut checked = DigestVerifier::new(&layer.digest, layer.size);
        tracing::info!(
            "reading the layer {} of `{}`, to see whether it is the archive's",
            layer.digest.short(),
            remote.repository()
        );
        let (read, proven) = tokio::join!(from_registry(self, layer, remote, &mut checked, outlet), proven);
        match (read, proven) {
            (Ok(()), Ok(Ok(_))) => true,
            (Err(error), _) => {
                tracing::warn!("{error}");
                false
            }
            (_, Ok(Err(error))) => {
                tracing::warn!(
                    "the layer {} of `{}` is damaged: {error}",
                    layer.digest.short(),
                    remote.repository()
                );
                false
            }
            (_, Err(_)) => false,
        }
    }
}

/// For a layer as it is published: the manifest that an archive has names it by the function that the archive does.
fn hasher(layer: &Layer) -> Hasher {
    layer.stated().as_ref().map_or_else(Hasher::sha256, Hasher::of_kind)
}

/// A request's body, or an answer's, as it comes from another task.
struct Arriving {
    receiver: Receiver<Result<Bytes, io::Error>>,
    piece: Bytes,
}

impl Arriving {
    fn new(receiver: Receiver<Result<Bytes, io::Error>>) -> Self {
        Self {
            receiver,
            piece: Bytes::new(),
        }
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// Reads to the end, or until nobody takes the pieces any more; gives digest and size of what was read.
fn sum(reader: &mut impl Read, mut hasher: Hasher, mut take: impl FnMut(Bytes) -> bool) -> io::Result<(Digest, u64)> {
    let mut size = 0;
    loop {
        let mut piece = BytesMut::zeroed(PIECE);
        let count = reader.read(&mut piece)?;
        piece.truncate(count);
        hasher.update(&piece);
        size += count as u64;
        if count == 0 || !take(piece.freeze()) {
            return Ok((hasher.finish(), size));
        }
    }
}
