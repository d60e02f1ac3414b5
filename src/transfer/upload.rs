//! One blob into a registry: a producer reads and checks, a request sends what it gives, both in one task.

use super::progress::Counter;
use super::source::ContentSource;
use super::verify::DigestVerifier;
use super::{Mover, TransferError, wrong_bytes};
use crate::names::Digest;
use crate::registry::manifest::Descriptor;
use crate::registry::retry::{Tries, chance};
use crate::registry::{self, Payload, Remote, Resumed, Upload};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt as _};
use std::io::{self, Read};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

/// Read from a file so many bytes at a time.
pub(super) const PIECE: usize = 128 * 1024;
/// Pieces that wait between producer and request.
pub(super) const WAITING: usize = 1;

/// What broke an upload off.
pub(super) enum BrokenUpload {
    /// The target, or the way to it: another try may help.
    Target(registry::Error),
    /// The source, or the bytes themselves, after all tries of its own.
    Failed(TransferError),
}

/// Whether another try of an upload can help. A session that a registry has lost (404) is opened anew, as is one whose
/// token expired while the bytes were on their way (401).
pub(super) fn may_pass(error: &registry::Error, upload: &Upload) -> bool {
    error.kind.may_pass() || matches!(error.kind.status(), Some(401 | 404 | 416)) || is_spoilt(error, upload)
}

/// Whether a session that went on where it broke off turned out to hold something else: it is not asked for again.
pub(super) fn is_spoilt(error: &registry::Error, upload: &Upload) -> bool {
    upload.stored > 0 && error.kind.status() == Some(400)
}

/// Most redirects that the bytes of one upload follow.
const MOST_REDIRECTS: u32 = 5;

/// The session at the address of the target where an upload was redirected to: there its bytes are sent again.
pub(super) fn redirected(upload: &Upload, error: &registry::Error, followed: &mut u32) -> Option<Upload> {
    let upload = upload.redirected(error)?;
    *followed += 1;
    (*followed <= MOST_REDIRECTS).then_some(upload)
}

/// Asks the target, and says where it goes on. It can have at most so many bytes; the blob's digest is not always known.
pub(super) async fn left(
    upload: Upload,
    (digest, most): (Option<&Digest>, u64),
    error: &registry::Error,
    to: &Remote,
    tries: &mut Tries,
) -> Result<Resumed, registry::Error> {
    if is_spoilt(error, &upload) {
        return Ok(Resumed::Gone);
    }
    // A session that does not take what comes after what it says it has never will.
    let refused_at = (error.kind.status() == Some(416)).then_some(upload.stored);
    let resumed = to.resume(digest, upload).await?;
    Ok(match resumed {
        Resumed::Session(session) if session.stored <= most && refused_at != Some(session.stored) => {
            if error.kind.is_drip() {
                tries.dripped(session.stored);
            }
            tries.reached(session.stored);
            tracing::debug!(
                "`{}` has {} bytes of the upload, which goes on there",
                to.repository(),
                session.stored
            );
            Resumed::Session(session)
        }
        Resumed::Session(_) => Resumed::Gone,
        done_or_gone => done_or_gone,
    })
}

/// Carries a blob, or what its session lacks of it, from its source into the session with one request.
///
/// # Errors
/// What broke it off, and on which side.
pub(super) async fn carry(
    mover: &Mover<'_>,
    blob: &Descriptor,
    source: &ContentSource,
    to: &Remote,
    upload: &Upload,
    (checked, counter): (&mut DigestVerifier, &Counter),
) -> Result<(), BrokenUpload> {
    let (sender, mut receiver) = channel::<Result<Bytes, io::Error>>(WAITING);
    let payload = Payload {
        stream: counter.over(
            upload.stored,
            stream::poll_fn(move |context| receiver.poll_recv(context)).boxed(),
        ),
        size: Some(blob.size - upload.stored.min(blob.size)),
    };
    let (opened, is_open) = oneshot::channel();
    let outlet = Outlet {
        to: sender,
        skip: upload.stored,
        opened: Some(opened),
    };
    // The source first: gcr holds a lock while it reads a body, and a copy within it would wait for ever.
    let put = async {
        let _ = is_open.await;
        to.put_blob(&blob.digest, upload, payload).await
    };
    let (produced, put) = tokio::join!(produce(mover, blob, source, checked, outlet), put);
    match (produced, put) {
        // The source's failure is the reason; the request only broke off for want of bytes.
        (Err(failure), _) => Err(BrokenUpload::Failed(failure)),
        (Ok(()), Ok(())) => Ok(()),
        (Ok(()), Err(error)) => Err(BrokenUpload::Target(error)),
    }
}

/// Where a request takes its body from. Bytes that the target has already are read for the digest and not sent.
pub(super) struct Outlet {
    pub(super) to: Sender<Result<Bytes, io::Error>>,
    /// So many bytes are still to be kept back.
    pub(super) skip: u64,
    /// Told when the source is open; dropped where there is nothing to open.
    pub(super) opened: Option<oneshot::Sender<()>>,
}

impl Outlet {
    /// The part of the next bytes that is to be sent, if any of them is.
    fn part(&mut self, mut bytes: Bytes) -> Option<Bytes> {
        let held = self.skip.min(bytes.len() as u64);
        self.skip -= held;
        // At most the length of bytes in memory.
        drop(bytes.split_to(usize::try_from(held).unwrap_or(bytes.len())));
        (!bytes.is_empty()).then_some(bytes)
    }

    /// False if nobody takes them any more.
    pub(super) fn send(&mut self, bytes: Bytes) -> bool {
        self.part(bytes)
            .is_none_or(|bytes| self.to.blocking_send(Ok(bytes)).is_ok())
    }
}

/// Gives the bytes of a blob to a request. Ends early and content if the request is gone: then that is what failed.
async fn produce(
    mover: &Mover<'_>,
    blob: &Descriptor,
    source: &ContentSource,
    checked: &mut DigestVerifier,
    outlet: Outlet,
) -> Result<(), TransferError> {
    let to = outlet.to.clone();
    let result = match source {
        ContentSource::Registry(from) => from_registry(mover, blob, from, checked, outlet).await,
        ContentSource::Layout(_) | ContentSource::Blobs(..) => from_file(blob, source, outlet).await,
    };
    if result.is_err() {
        let _ = to.send(Err(io::Error::other("the source failed"))).await;
    }
    result
}

/// Reads a blob of an archive beside the event loop: reading a disk blocks, and hashing takes a core of its own.
async fn from_file(blob: &Descriptor, source: &ContentSource, mut outlet: Outlet) -> Result<(), TransferError> {
    outlet.opened = None;
    let mut reader = source.file(blob)?.reader();
    let wanted = blob.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut checked = DigestVerifier::new(&wanted.digest, wanted.size);
        loop {
            let left = usize::try_from(wanted.size - checked.passed()).unwrap_or(PIECE);
            // The end is known: no buffer is made to read nothing.
            if left == 0 {
                break;
            }
            let mut piece = BytesMut::zeroed(PIECE.min(left));
            let count = reader.read(&mut piece).map_err(BadFile::File)?;
            if count == 0 {
                break;
            }
            piece.truncate(count);
            if let Some(before) = checked.push(piece.freeze()).map_err(BadFile::Wrong)?
                && !outlet.send(before)
            {
                return Ok(());
            }
        }
        if let Some(last) = checked.finish().map_err(BadFile::Wrong)? {
            // Nobody to take it means that the request has failed, which says so itself.
            outlet.send(last);
        }
        Ok(())
    });
    match read.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(BadFile::Wrong(wrong))) => Err(TransferError::WrongFile {
            digest: blob.digest.clone(),
            place: source.name(),
            wrong,
        }),
        Ok(Err(BadFile::File(error))) => Err(unreadable(blob, source, error)),
        Err(error) => Err(unreadable(blob, source, io::Error::other(error))),
    }
}

impl Mover<'_> {
    /// Waits before the next try of an upload, or gives up.
    pub(super) async fn pause(
        &self,
        error: &registry::Error,
        upload: &Upload,
        tries: &mut Tries,
    ) -> Result<(), TransferError> {
        let pause = if may_pass(error, upload) {
            tries.next(error.asked, chance())
        } else {
            None
        };
        let Some(pause) = pause else {
            let error = registry::Error {
                tries: tries.count(),
                ..error.clone()
            };
            return Err(error.into());
        };
        tracing::warn!("{error}; trying again in {:.1} s", pause.as_secs_f64());
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Waits before a read that broke goes on at byte `at`, or gives up.
    pub(super) async fn pause_reading(
        &self,
        error: registry::Error,
        at: u64,
        tries: &mut Tries,
    ) -> Result<(), TransferError> {
        if error.kind.is_drip() {
            tries.dripped(at);
        }
        tries.reached(at);
        let pause = if error.kind.may_pass() {
            tries.next(None, chance())
        } else {
            None
        };
        let Some(pause) = pause else {
            let tries = tries.count();
            return Err(TransferError::Part(registry::Error { tries, ..error }));
        };
        tracing::warn!("{error}; going on at byte {at} in {:.1} s", pause.as_secs_f64());
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

enum BadFile {
    File(io::Error),
    Wrong(super::verify::Wrong),
}

fn unreadable(blob: &Descriptor, source: &ContentSource, error: io::Error) -> TransferError {
    TransferError::Unread {
        digest: blob.digest.clone(),
        place: source.name(),
        error,
    }
}

/// Reads a blob of a registry, going on where it broke off.
pub(super) async fn from_registry(
    mover: &Mover<'_>,
    blob: &Descriptor,
    from: &Remote,
    checked: &mut DigestVerifier,
    mut outlet: Outlet,
) -> Result<(), TransferError> {
    outlet.skip -= checked.back_to(outlet.skip).min(outlet.skip);
    let mut tries = Tries::new(mover.policy, checked.passed());
    let mut encoded = None;
    let wrong = |wrong, encoded: Option<registry::Error>| match encoded {
        Some(error) => TransferError::Part(error),
        None => wrong_bytes(blob, format!("`{}`", from.repository()), wrong),
    };
    loop {
        let error = match read_on(blob, from, checked, &mut outlet, &mut encoded).await {
            Ok(Flow::Gone) => return Ok(()),
            Ok(Flow::Part) if tries.goes_on(checked.passed()) => continue,
            Ok(Flow::Ended | Flow::Part) => break,
            Ok(Flow::Wrong(how)) => return Err(wrong(how, encoded)),
            Ok(Flow::Unopened(error)) => return Err(TransferError::Part(error)),
            Err(error) => error,
        };
        mover.pause_reading(error, checked.passed(), &mut tries).await?;
    }
    match checked.finish() {
        Ok(last) => {
            if let Some(last) = last.and_then(|last| outlet.part(last)) {
                let _ = outlet.to.send(Ok(last)).await;
            }
            Ok(())
        }
        Err(how) => Err(wrong(how, encoded)),
    }
}

enum Flow {
    /// All bytes were read.
    Ended,
    /// The answer was of fewer than were asked for.
    Part,
    /// Nobody takes them any more.
    Gone,
    /// They are not the blob's.
    Wrong(super::verify::Wrong),
    /// None came, after all tries that a request has.
    Unopened(registry::Error),
}

async fn read_on(
    blob: &Descriptor,
    from: &Remote,
    checked: &mut DigestVerifier,
    outlet: &mut Outlet,
    encoded: &mut Option<registry::Error>,
) -> Result<Flow, registry::Error> {
    if checked.passed() == blob.size {
        outlet.opened = None;
        return Ok(Flow::Ended);
    }
    let start = checked.passed();
    let opened = from.read_blob(&blob.digest, (start, None)).await;
    let mut read = match opened {
        Ok(read) => read,
        Err(error) => return Ok(Flow::Unopened(error)),
    };
    outlet.opened = None;
    *encoded = read.encoded();
    if let Some(found) = read.size.filter(|size| *size != blob.size) {
        let expected = blob.size;
        return Ok(Flow::Wrong(super::verify::Wrong::Size { expected, found }));
    }
    loop {
        // Room first, so that no piece waits outside the channel.
        if outlet.to.reserve().await.is_err() {
            return Ok(Flow::Gone);
        }
        let Some(bytes) = read.chunk().await? else { break };
        match checked.push(bytes) {
            Ok(None) => {}
            Ok(Some(before)) => {
                if let Some(before) = outlet.part(before) {
                    // There is room, and nobody else to take it.
                    let _ = outlet.to.try_send(Ok(before));
                }
            }
            Err(wrong) => return Ok(Flow::Wrong(wrong)),
        }
    }
    let passed = checked.passed();
    if read.may_be_part_of(blob.size) && (start + 1..blob.size).contains(&passed) {
        return Ok(Flow::Part);
    }
    Ok(Flow::Ended)
}
