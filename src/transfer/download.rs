//! Blobs out of a registry into regions of files, several at a time, a large one in several pieces at once.
//!
//! Where more connections are free than there are blobs left to begin, the largest piece under way is cut in half and its
//! second half fetched beside the first. So neither one big layer nor a limit per connection is the bound, and where
//! the network is fast nothing is ever cut. The first cut finds out whether the registry honours ranges; where it does
//! not, each blob stays in one piece.

use super::schedule::{Schedule, Taken};
use super::verify::Wrong;
use super::{Mover, TransferError, wrong_bytes};
use crate::archive::{ArchiveError, Region};
use crate::names::Digest;
use crate::names::Hasher;
use crate::registry::manifest::Descriptor;
use crate::registry::retry::Tries;
use crate::registry::{self, Remote};
use futures_util::future::try_join_all;
use std::cell::RefCell;
use std::io::ErrorKind;
use tokio::sync::Notify;

/// Read back for the digest so many bytes at a time.
const READ_BACK: usize = 256 * 1024;

/// A blob and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub blob: Descriptor,
    /// As large as the blob.
    pub region: Region,
}

impl Mover<'_> {
    /// Fetches blobs into their regions and checks every digest; `seal` is told of each that is right.
    ///
    /// # Errors
    /// What stopped it; regions that were not sealed then hold anything.
    pub(crate) async fn fetch(
        &self,
        wanted: &[Wanted],
        from: &Remote,
        seal: &impl Fn(&Digest) -> Result<(), ArchiveError>,
    ) -> Result<(), TransferError> {
        let sizes = wanted.iter().map(|wanted| wanted.blob.size);
        self.progress.expect(sizes.fold(0, u64::saturating_add));
        let board = RefCell::new(Schedule::of(wanted));
        let changed = Notify::new();
        try_join_all((0..self.concurrency).map(|_| self.work(&board, &changed, from, seal))).await?;
        Ok(())
    }

    async fn work(
        &self,
        board: &RefCell<Schedule<'_>>,
        changed: &Notify,
        from: &Remote,
        seal: &impl Fn(&Digest) -> Result<(), ArchiveError>,
    ) -> Result<(), TransferError> {
        loop {
            let taken = board.borrow_mut().take();
            match taken {
                Taken::Piece(number) => {
                    // The semaphore is never closed, so there is always a permit in the end.
                    let permit = self.transfers.acquire().await;
                    board.borrow_mut().begun(number);
                    changed.notify_waiters();
                    self.piece(board, changed, number, from).await?;
                    drop(permit);
                    changed.notify_waiters();
                    if let Some(digest) = self.finish(board, number, from).await? {
                        seal(&digest)?;
                    }
                }
                Taken::Wait(Some(time)) => {
                    let _ = tokio::time::timeout(time, changed.notified()).await;
                }
                Taken::Wait(None) => changed.notified().await,
                Taken::Nothing => return Ok(()),
            }
        }
    }

    /// Fetches a piece, going on where it broke off.
    async fn piece(
        &self,
        board: &RefCell<Schedule<'_>>,
        changed: &Notify,
        number: usize,
        from: &Remote,
    ) -> Result<(), TransferError> {
        let blob = board.borrow().blob_of(number).clone();
        let mut tries = Tries::new(self.policy, board.borrow().pieces[number].at);
        loop {
            let error = match self.read_piece(board, changed, number, from).await {
                Ok(()) => break,
                Err(BrokenDownload::Registry(error)) => error,
                Err(BrokenDownload::Unopened(error)) => return Err(TransferError::Part(error)),
                Err(BrokenDownload::Part { end }) if tries.goes_on(end) => continue,
                Err(BrokenDownload::Size { found } | BrokenDownload::Part { end: found }) => {
                    let wrong = Wrong::Size {
                        expected: blob.size,
                        found,
                    };
                    let board = board.borrow();
                    let encoded = &board.blobs[board.pieces[number].blob].encoded;
                    return Err(encoded_or_wrong(encoded.as_ref(), &blob, from, wrong));
                }
                Err(BrokenDownload::File(failure)) => return Err(failure),
            };
            let at = board.borrow().pieces[number].at;
            self.pause_reading(error, at, &mut tries).await?;
        }
        board.borrow_mut().ended(number);
        Ok(())
    }

    async fn read_piece(
        &self,
        board: &RefCell<Schedule<'_>>,
        changed: &Notify,
        number: usize,
        from: &Remote,
    ) -> Result<(), BrokenDownload> {
        let (blob, region, piece) = {
            let board = board.borrow();
            let piece = board.pieces[number];
            let wanted = &board.wanted[piece.blob];
            (wanted.blob.clone(), wanted.region.clone(), piece)
        };
        if piece.at == piece.end {
            return Ok(());
        }
        let end = (piece.end < blob.size).then_some(piece.end);
        let read = from.read_blob(&blob.digest, (piece.at, end)).await;
        let mut read = read.map_err(BrokenDownload::Unopened)?;
        if let Some(encoded) = read.encoded() {
            board.borrow_mut().blobs[piece.blob].encoded = Some(encoded);
        }
        if let Some(found) = read.size.filter(|size| *size != blob.size) {
            return Err(BrokenDownload::Size { found });
        }
        if piece.at > 0 {
            let is_given_back = board.borrow_mut().learn(number, read.start == piece.at);
            changed.notify_waiters();
            if is_given_back {
                return Ok(());
            }
        }
        while let Some(mut bytes) = read.chunk().await.map_err(BrokenDownload::Registry)? {
            let at = board.borrow().pieces[number].at;
            // Another connection may have taken the rest meanwhile.
            let left = board.borrow().pieces[number].end - at;
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            region
                .write_at(&bytes, at)
                .map_err(|error| BrokenDownload::File(unwritten(&blob.digest, error)))?;
            self.progress.count(bytes.len() as u64);
            if board.borrow_mut().advance(number, bytes, &self.hashing) {
                return Ok(());
            }
        }
        let end = board.borrow().pieces[number].at;
        if read.may_be_part_of(blob.size) && end > piece.at {
            return Err(BrokenDownload::Part { end });
        }
        Err(BrokenDownload::Size { found: end })
    }

    /// When the last piece of a blob is done: what was not hashed on its way is read back, and the digest checked.
    async fn finish(
        &self,
        board: &RefCell<Schedule<'_>>,
        number: usize,
        from: &Remote,
    ) -> Result<Option<Digest>, TransferError> {
        let (wanted, running, hashed, encoded) = {
            let mut board = board.borrow_mut();
            let piece = board.pieces[number];
            let wanted = board.wanted[piece.blob].clone();
            let progress = &mut board.blobs[piece.blob];
            progress.open -= 1;
            let Some(running) = progress.running.take_if(|_| progress.open == 0) else {
                return Ok(None);
            };
            (wanted, running, progress.hashed, progress.encoded.take())
        };
        let blob = wanted.blob;
        let hasher = self.hashing.finish(running).await;
        let digest = read_back(wanted.region, hasher, hashed).await;
        let found = digest.map_err(|error| unwritten(&blob.digest, error))?;
        if found == blob.digest {
            return Ok(Some(found));
        }
        let wrong = Wrong::Digest { found };
        Err(encoded_or_wrong(encoded.as_ref(), &blob, from, wrong))
    }
}

/// Bytes that were said to be encoded are not the blob's for that reason.
fn encoded_or_wrong(
    encoded: Option<&registry::Error>,
    blob: &Descriptor,
    from: &Remote,
    wrong: Wrong,
) -> TransferError {
    match encoded {
        Some(error) => TransferError::Part(error.clone()),
        None => wrong_bytes(blob, format!("`{}`", from.repository()), wrong),
    }
}

enum BrokenDownload {
    /// Amid the bytes.
    Registry(registry::Error),
    /// Before the first byte, after all tries that a request has.
    Unopened(registry::Error),
    /// The answer ended there, and not for want of more: it was of less than was asked for.
    Part {
        end: u64,
    },
    /// The registry has more or fewer bytes to give than the descriptor says.
    Size {
        found: u64,
    },
    File(TransferError),
}

/// The digest of a region of which the first `hashed` bytes are in the hash already. Beside the runtime's thread, which
/// has other blobs to fetch meanwhile.
async fn read_back(region: Region, mut hasher: Hasher, hashed: u64) -> Result<Digest, std::io::Error> {
    if hashed == region.size() {
        return Ok(hasher.finish());
    }
    let work = tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; READ_BACK];
        let mut at = hashed;
        while at < region.size() {
            let count = region.read_at(&mut buffer, at)?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            hasher.update(&buffer[..count]);
            at += count as u64;
        }
        Ok(hasher.finish())
    });
    work.await.map_err(std::io::Error::other)?
}

fn unwritten(digest: &Digest, error: std::io::Error) -> TransferError {
    TransferError::Unwritten {
        digest: digest.clone(),
        error,
    }
}
