//! Blobs out of a registry into regions of files, several at a time, a large one in several pieces at once.
//!
//! Where more connections are free than there are blobs left to begin, the largest piece under way is cut in half and its
//! second half fetched beside the first. So neither one big layer nor a limit per connection is the bound, and where
//! the network is fast nothing is ever cut. The first cut finds out whether the registry honours ranges; where it does
//! not, each blob stays in one piece.

use super::checked::Wrong;
use super::hashing::{Hashing, Running};
use super::{Mover, wrong_bytes};
use crate::access::Served;
use crate::archive::Region;
use crate::failure::{Failure, Kind};
use crate::hasher::Hasher;
use crate::image::Digest;
use crate::output_file::FREE_SPACE;
use crate::registry;
use crate::registry::manifest::Descriptor;
use crate::registry::retry::Tries;
use bytes::Bytes;
use futures_util::future::try_join_all;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A piece is cut only if both halves are at least so large, in bytes: less is not worth a connection.
const SMALLEST_HALF: u64 = 4 * 1024 * 1024;
/// A piece is cut only after so long: what is done sooner needs no help.
const BEFORE_CUTTING: Duration = Duration::from_millis(250);
/// A piece is cut only if it would take so much longer still.
const WORTH_CUTTING: Duration = Duration::from_millis(500);
/// Read back for the digest so many bytes at a time.
const READ_BACK: usize = 256 * 1024;

/// A blob and where it goes.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The blob.
    pub blob: Descriptor,
    /// As large as the blob.
    pub region: Region,
}

/// All that is under way. Only one thread touches it, never across a wait.
struct Board<'w> {
    wanted: &'w [Wanted],
    blobs: Vec<Progress>,
    pieces: Vec<Piece>,
    /// The first blob that has not been begun.
    next: usize,
    ranges: Ranges,
}

/// Whether the registry gives parts of blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ranges {
    Unknown,
    /// One request is to find it out.
    Asked,
    Honoured,
    Ignored,
}

/// How far a blob is.
struct Progress {
    /// `None` when the last piece is done.
    running: Option<Running>,
    /// So many bytes from the start are in the hash.
    hashed: u64,
    /// Pieces that are not done.
    open: usize,
}

/// Part of a blob that one connection fetches.
#[derive(Clone, Copy)]
struct Piece {
    blob: usize,
    /// Where it began.
    start: u64,
    at: u64,
    end: u64,
    /// When it was asked for; `None` while it waits for a connection.
    begun: Option<Instant>,
    active: bool,
}

impl Piece {
    /// Bytes still to fetch.
    const fn left(&self) -> u64 {
        self.end - self.at
    }

    /// Whether it would take long enough still, at its pace so far, for a second connection to be worth its while.
    fn is_slow(&self, elapsed: Duration) -> bool {
        let fetched = self.at - self.start;
        let elapsed = elapsed.as_millis();
        u128::from(self.left()) * elapsed > u128::from(fetched) * WORTH_CUTTING.as_millis()
    }
}

impl Mover<'_> {
    /// Fetches blobs into their regions and checks every digest; `seal` is told of each that is right.
    ///
    /// # Errors
    /// What stopped it; regions that were not sealed then hold anything.
    pub async fn fetch(
        &self,
        wanted: &[Wanted],
        from: &Served,
        seal: &impl Fn(&Digest) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let blobs = wanted.iter().map(|wanted| Progress {
            running: Some(Running::of_kind(&wanted.blob.digest)),
            hashed: 0,
            open: 1,
        });
        let board = RefCell::new(Board {
            wanted,
            blobs: blobs.collect(),
            pieces: Vec::new(),
            next: 0,
            ranges: Ranges::Unknown,
        });
        let changed = Notify::new();
        try_join_all((0..self.concurrency).map(|_| self.work(&board, &changed, from, seal))).await?;
        Ok(())
    }

    async fn work(
        &self,
        board: &RefCell<Board<'_>>,
        changed: &Notify,
        from: &Served,
        seal: &impl Fn(&Digest) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let taken = board.borrow_mut().take();
            match taken {
                Taken::Piece(number) => {
                    // The semaphore is never closed, so there is always a permit in the end.
                    let permit = self.transfers.acquire().await;
                    board.borrow_mut().pieces[number].begun = Some(Instant::now());
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
        board: &RefCell<Board<'_>>,
        changed: &Notify,
        number: usize,
        from: &Served,
    ) -> Result<(), Failure> {
        let blob = board.borrow().blob_of(number).clone();
        let mut tries = Tries::new(self.policy, board.borrow().pieces[number].at);
        loop {
            let error = match self.read_piece(board, changed, number, from).await {
                Ok(()) => break,
                Err(Broken::Registry(error)) => error,
                Err(Broken::Unopened(error)) => return Err(self.access.explain(&error, from, false)),
                Err(Broken::Part { end }) if tries.goes_on(end) => continue,
                Err(Broken::Size { found } | Broken::Part { end: found }) => {
                    let wrong = Wrong::Size {
                        expected: blob.size,
                        found,
                    };
                    return Err(wrong_bytes(&blob, &format!("`{}`", from.repository), &wrong));
                }
                Err(Broken::File(failure)) => return Err(failure),
            };
            let at = board.borrow().pieces[number].at;
            self.pause_reading(error, at, &mut tries, from).await?;
        }
        board.borrow_mut().pieces[number].active = false;
        Ok(())
    }

    async fn read_piece(
        &self,
        board: &RefCell<Board<'_>>,
        changed: &Notify,
        number: usize,
        from: &Served,
    ) -> Result<(), Broken> {
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
        let read = from
            .registry
            .read_blob(&from.repository, &blob.digest, (piece.at, end), &from.scopes)
            .await;
        let mut read = read.map_err(Broken::Unopened)?;
        if let Some(found) = read.size.filter(|size| *size != blob.size) {
            return Err(Broken::Size { found });
        }
        if piece.at > 0 {
            let is_given_back = board.borrow_mut().learn(number, read.start == piece.at);
            changed.notify_waiters();
            if is_given_back {
                return Ok(());
            }
        }
        while let Some(mut bytes) = read.chunk().await.map_err(Broken::Registry)? {
            let at = board.borrow().pieces[number].at;
            // Another connection may have taken the rest meanwhile.
            let left = board.borrow().pieces[number].end - at;
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            region
                .write_at(&bytes, at)
                .map_err(|error| Broken::File(unwritten(&blob.digest, &error)))?;
            self.count(bytes.len() as u64);
            if board.borrow_mut().advance(number, bytes, &self.hashing) {
                return Ok(());
            }
        }
        let end = board.borrow().pieces[number].at;
        if read.size == Some(blob.size) && end > piece.at {
            return Err(Broken::Part { end });
        }
        Err(Broken::Size { found: end })
    }

    /// When the last piece of a blob is done: what was not hashed on its way is read back, and the digest checked.
    async fn finish(
        &self,
        board: &RefCell<Board<'_>>,
        number: usize,
        from: &Served,
    ) -> Result<Option<Digest>, Failure> {
        let (wanted, running, hashed) = {
            let mut board = board.borrow_mut();
            let piece = board.pieces[number];
            let wanted = board.wanted[piece.blob].clone();
            let progress = &mut board.blobs[piece.blob];
            progress.open -= 1;
            let Some(running) = progress.running.take_if(|_| progress.open == 0) else {
                return Ok(None);
            };
            (wanted, running, progress.hashed)
        };
        let blob = wanted.blob;
        let hasher = self.hashing.finish(running).await;
        let digest = read_back(wanted.region, hasher, hashed).await;
        let found = digest.map_err(|error| unwritten(&blob.digest, &error))?;
        if found == blob.digest {
            return Ok(Some(found));
        }
        Err(wrong_bytes(
            &blob,
            &format!("`{}`", from.repository),
            &Wrong::Digest { found },
        ))
    }
}

enum Taken {
    Piece(usize),
    /// Nothing to do now, but there may be: after this time, or only once something has changed.
    Wait(Option<Duration>),
    Nothing,
}

enum Broken {
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
    File(Failure),
}

impl Board<'_> {
    fn blob_of(&self, number: usize) -> &Descriptor {
        &self.wanted[self.pieces[number].blob].blob
    }

    /// The next thing to do for a connection that is free.
    fn take(&mut self) -> Taken {
        if self.next < self.wanted.len() {
            let (blob, size) = (self.next, self.wanted[self.next].blob.size);
            self.next += 1;
            return self.begin(blob, 0, size);
        }
        let mut longest: Option<usize> = None;
        let mut soonest: Option<Duration> = None;
        let mut may_change = false;
        for (number, piece) in self.pieces.iter().enumerate().filter(|(_, piece)| piece.active) {
            if piece.left() < 2 * SMALLEST_HALF || self.ranges == Ranges::Ignored {
                continue;
            }
            let elapsed = match piece.begun {
                Some(begun) if self.ranges != Ranges::Asked => begun.elapsed(),
                // It says so when it begins, and the one that asks when it knows.
                _ => {
                    may_change = true;
                    continue;
                }
            };
            let young = BEFORE_CUTTING.saturating_sub(elapsed);
            if !young.is_zero() {
                soonest = Some(soonest.map_or(young, |known| known.min(young)));
            } else if !piece.is_slow(elapsed) {
                // It may yet become slow.
                soonest = Some(soonest.map_or(BEFORE_CUTTING, |known| known.min(BEFORE_CUTTING)));
            } else if longest.is_none_or(|known| piece.left() > self.pieces[known].left()) {
                longest = Some(number);
            }
        }
        match (longest, soonest) {
            (Some(number), _) => {
                let piece = &mut self.pieces[number];
                let middle = piece.at + (piece.end - piece.at) / 2;
                let (blob, end) = (piece.blob, std::mem::replace(&mut piece.end, middle));
                self.blobs[blob].open += 1;
                if self.ranges == Ranges::Unknown {
                    self.ranges = Ranges::Asked;
                }
                self.begin(blob, middle, end)
            }
            (None, None) if !may_change => Taken::Nothing,
            (None, soonest) => Taken::Wait(soonest),
        }
    }

    fn begin(&mut self, blob: usize, at: u64, end: u64) -> Taken {
        self.pieces.push(Piece {
            blob,
            start: at,
            at,
            end,
            begun: None,
            active: true,
        });
        Taken::Piece(self.pieces.len() - 1)
    }

    /// Notes whether a piece began where it was asked for. If nothing ever did and the piece that it was cut from is under
    /// way, that one has it back: the whole blob comes on its connection. Whether it is so, and nothing is left to do here.
    fn learn(&mut self, number: usize, honoured: bool) -> bool {
        if honoured {
            self.ranges = Ranges::Honoured;
            return false;
        }
        let before = std::mem::replace(&mut self.ranges, Ranges::Ignored);
        let Piece { blob, at, end, .. } = self.pieces[number];
        let mut pieces = self.pieces.iter_mut();
        let other = pieces.find(|other| other.active && other.blob == blob && other.end == at);
        match other {
            Some(other) if before != Ranges::Honoured => other.end = end,
            _ => return false,
        }
        self.pieces[number].end = at;
        true
    }

    /// Notes bytes that were written; whether the piece is complete.
    fn advance(&mut self, number: usize, bytes: Bytes, hashing: &Hashing) -> bool {
        let piece = &mut self.pieces[number];
        let progress = &mut self.blobs[piece.blob];
        let length = bytes.len() as u64;
        if progress.hashed == piece.at
            && let Some(running) = &mut progress.running
        {
            hashing.update(running, bytes);
            progress.hashed += length;
        }
        piece.at += length;
        piece.at == piece.end
    }
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

fn unwritten(digest: &Digest, error: &std::io::Error) -> Failure {
    let (why, hint) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ("the disk is full".to_owned(), FREE_SPACE),
        _ => (error.to_string(), "check the disk that the output is written to"),
    };
    let message = format!("the blob {} could not be written: {why}", digest.short());
    Failure::new(Kind::Other, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::sync::Arc;

    fn wanted(size: u64) -> Wanted {
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.set_len(size).unwrap();
        let blob = Descriptor {
            media_type: String::new(),
            digest: Digest::of(b""),
            size,
            platform: None,
        };
        Wanted {
            blob,
            region: Region::new(Arc::<File>::clone(&file), 0, size),
        }
    }

    fn board(wanted: &[Wanted]) -> Board<'_> {
        let blobs = wanted.iter().map(|wanted| Progress {
            running: Some(Running::of_kind(&wanted.blob.digest)),
            hashed: 0,
            open: 1,
        });
        Board {
            wanted,
            blobs: blobs.collect(),
            pieces: Vec::new(),
            next: 0,
            ranges: Ranges::Unknown,
        }
    }

    /// When a piece began that may be cut now.
    fn long_ago() -> Option<Instant> {
        Instant::now().checked_sub(BEFORE_CUTTING)
    }

    #[test]
    fn what_waits_for_a_connection_is_not_slow() {
        let wanted = [wanted(64 << 20)];
        let mut board = board(&wanted);
        board.take();
        assert!(matches!(board.take(), Taken::Wait(None)), "until it begins");
        board.pieces[0].begun = Some(Instant::now());
        assert!(matches!(board.take(), Taken::Wait(Some(_))));
        board.pieces[0].begun = long_ago();
        assert!(matches!(board.take(), Taken::Piece(1)));
        board.ranges = Ranges::Honoured;
        board.pieces[0].active = false;
        assert!(matches!(board.take(), Taken::Wait(None)), "the half has not begun");
    }

    #[test]
    fn what_takes_long_is_cut_in_halves_and_nothing_else() {
        let wanted = [wanted(64 << 20), wanted(1 << 20)];
        let mut board = board(&wanted);
        assert!(matches!(board.take(), Taken::Piece(0)));
        assert!(matches!(board.take(), Taken::Piece(1)));
        board.pieces[0].begun = Some(Instant::now());
        assert!(matches!(board.take(), Taken::Wait(Some(_))), "it may still be quick");
        board.pieces[0].begun = long_ago();
        assert!(matches!(board.take(), Taken::Piece(2)));
        assert_eq!(
            (board.pieces[0].end, board.pieces[2].at, board.pieces[2].end),
            (32 << 20, 32 << 20, 64 << 20)
        );
        assert_eq!(board.blobs[0].open, 2);
        board.ranges = Ranges::Ignored;
        board.pieces[0].begun = long_ago();
        assert!(matches!(board.take(), Taken::Nothing), "a registry without ranges");
    }

    #[test]
    fn one_cut_finds_out_whether_ranges_are_honoured() {
        let wanted = [wanted(64 << 20)];
        let cut = || {
            let mut board = board(&wanted);
            board.take();
            board.pieces[0].begun = long_ago();
            assert!(matches!(board.take(), Taken::Piece(1)));
            assert!(matches!(board.take(), Taken::Wait(None)), "until that is known");
            board
        };
        let mut honoured = cut();
        assert!(!honoured.learn(1, true));
        assert!(matches!(honoured.take(), Taken::Piece(2)));
        assert!(
            !honoured.learn(2, false),
            "what once honoured them has the first piece asked for a part, too"
        );

        let mut ignored = cut();
        assert!(ignored.learn(1, false));
        assert_eq!((ignored.pieces[0].end, ignored.pieces[1].left()), (64 << 20, 0));
        assert!(matches!(ignored.take(), Taken::Nothing), "it stays whole");

        let mut late = cut();
        late.pieces[0].active = false;
        assert!(
            !late.learn(1, false),
            "the first piece has ended, the second one reads on"
        );
        assert_eq!(late.pieces[1].left(), 32 << 20);
    }

    #[test]
    fn what_is_quick_is_not_cut() {
        let wanted = [wanted(64 << 20)];
        let mut board = board(&wanted);
        board.take();
        board.pieces[0].begun = long_ago();
        board.pieces[0].at = 48 << 20;
        assert!(matches!(board.take(), Taken::Wait(_)), "the rest takes some 80 ms");
        board.pieces[0].at = 8 << 20;
        assert!(matches!(board.take(), Taken::Piece(1)), "the rest takes over a second");
    }

    #[test]
    fn bytes_are_hashed_in_order_and_the_rest_is_left_for_later() {
        let wanted = [wanted(64 << 20)];
        let mut board = board(&wanted);
        board.take();
        board.pieces[0].begun = long_ago();
        board.take();
        let hashing = Hashing::default();
        assert!(!board.advance(1, Bytes::from_static(b"later"), &hashing));
        assert_eq!(board.blobs[0].hashed, 0);
        assert!(!board.advance(0, Bytes::from_static(b"first"), &hashing));
        assert_eq!(board.blobs[0].hashed, 5);
    }
}
