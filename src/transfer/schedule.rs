//! Which connection fetches what: blobs are begun in order, and where a connection is free and nothing is left to begin, the
//! largest piece under way that is slow is cut in half. Nothing here waits or does I/O.

use super::download::Wanted;
use super::hashing::{Hashing, Running};
use crate::registry::{self, manifest::Descriptor};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A piece is cut only if both halves are at least so large, in bytes: less is not worth a connection.
const SMALLEST_HALF: u64 = 4 * 1024 * 1024;
/// A piece is cut only after so long: what is done sooner needs no help.
const BEFORE_CUTTING: Duration = Duration::from_millis(250);
/// When a piece ends, those that are left may become faster; how fast they are is seen after so long.
const SETTLING: Duration = Duration::from_millis(100);
/// A piece is cut only if it would take so much longer still.
const WORTH_CUTTING: Duration = Duration::from_millis(500);

/// All that is under way. Only one thread touches it, never across a wait.
pub(super) struct Schedule<'w> {
    pub(super) wanted: &'w [Wanted],
    pub(super) blobs: Vec<BlobProgress>,
    pub(super) pieces: Vec<Piece>,
    /// The first blob that has not been begun.
    next: usize,
    ranges: Ranges,
    /// When a piece last ended.
    ended: Option<Instant>,
}

/// Whether the registry gives parts of blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranges {
    Unknown,
    /// One request is to find it out.
    Asked,
    Honoured,
    Ignored,
}

/// How far a blob is.
pub(super) struct BlobProgress {
    /// `None` when the last piece is done.
    pub(super) running: Option<Running>,
    /// So many bytes from the start are in the hash.
    pub(super) hashed: u64,
    /// Pieces that are not done.
    pub(super) open: usize,
    /// What is wrong with it if its bytes are.
    pub(super) encoded: Option<registry::Error>,
}

/// Part of a blob that one connection fetches.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) blob: usize,
    pub(super) at: u64,
    pub(super) end: u64,
    /// When it was asked for; `None` while it waits for a connection.
    begun: Option<Instant>,
    /// Where it was when it began, or when another one last ended.
    from: u64,
    active: bool,
}

impl Piece {
    /// Bytes still to fetch.
    const fn left(&self) -> u64 {
        self.end - self.at
    }

    /// Whether it would take long enough still, at its pace of late, for a second connection to be worth its while.
    fn is_slow(&self, elapsed: Duration) -> bool {
        let fetched = self.at - self.from;
        let elapsed = elapsed.as_millis();
        u128::from(self.left()) * elapsed > u128::from(fetched) * WORTH_CUTTING.as_millis()
    }
}

/// What a free connection is to do.
pub(super) enum Taken {
    Piece(usize),
    /// Nothing to do now, but there may be: after this time, or only once something has changed.
    Wait(Option<Duration>),
    /// Nothing, now or later.
    Nothing,
}

impl<'w> Schedule<'w> {
    /// Nothing is begun yet.
    pub(super) fn of(wanted: &'w [Wanted]) -> Self {
        let blobs = wanted.iter().map(|wanted| BlobProgress {
            running: Some(Running::of_kind(&wanted.blob.digest)),
            hashed: 0,
            open: 1,
            encoded: None,
        });
        Self {
            wanted,
            blobs: blobs.collect(),
            pieces: Vec::new(),
            next: 0,
            ranges: Ranges::Unknown,
            ended: None,
        }
    }

    /// The blob that a piece is of.
    pub(super) fn blob_of(&self, number: usize) -> &Descriptor {
        &self.wanted[self.pieces[number].blob].blob
    }

    /// The next thing to do for a connection that is free.
    pub(super) fn take(&mut self) -> Taken {
        if self.next < self.wanted.len() {
            let (blob, size) = (self.next, self.wanted[self.next].blob.size);
            self.next += 1;
            return self.begin(blob, 0, size);
        }
        let now = Instant::now();
        let unsettled = self
            .ended
            .map_or(Duration::ZERO, |ended| SETTLING.saturating_sub(now - ended));
        let mut longest: Option<usize> = None;
        let mut soonest: Option<Duration> = None;
        let mut may_change = false;
        for (number, piece) in self.pieces.iter().enumerate().filter(|(_, piece)| piece.active) {
            if piece.left() < 2 * SMALLEST_HALF || self.ranges == Ranges::Ignored {
                continue;
            }
            let begun = match piece.begun {
                Some(begun) if self.ranges != Ranges::Asked => begun,
                // It says so when it begins, and the one that asks when it knows.
                _ => {
                    may_change = true;
                    continue;
                }
            };
            let early = BEFORE_CUTTING.saturating_sub(now - begun).max(unsettled);
            let pace_since = self.ended.map_or(begun, |ended| ended.max(begun));
            if !early.is_zero() {
                soonest = Some(soonest.map_or(early, |known| known.min(early)));
            } else if !piece.is_slow(now - pace_since) {
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
            at,
            end,
            begun: None,
            from: at,
            active: true,
        });
        Taken::Piece(self.pieces.len() - 1)
    }

    /// Notes that a piece has got a connection.
    pub(super) fn begun(&mut self, number: usize) {
        self.pieces[number].begun = Some(Instant::now());
    }

    /// Notes that a piece has all its bytes. What it had of the network goes to the others: their pace counts from now.
    pub(super) fn ended(&mut self, number: usize) {
        self.pieces[number].active = false;
        self.ended = Some(Instant::now());
        for piece in &mut self.pieces {
            piece.from = piece.at;
        }
    }

    /// Notes whether a piece began where it was asked for. If nothing ever did and the piece that it was cut from is under
    /// way, that one has it back: the whole blob comes on its connection. Whether it is so, and nothing is left to do here.
    pub(super) fn learn(&mut self, number: usize, honoured: bool) -> bool {
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
    pub(super) fn advance(&mut self, number: usize, bytes: Bytes, hashing: &Hashing) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Region;
    use crate::names::Digest;
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

    /// When a piece began that may be cut now.
    fn long_ago() -> Option<Instant> {
        Instant::now().checked_sub(BEFORE_CUTTING)
    }

    #[test]
    fn what_waits_for_a_connection_is_not_slow() {
        let wanted = [wanted(64 << 20)];
        let mut board = Schedule::of(&wanted);
        board.take();
        assert!(matches!(board.take(), Taken::Wait(None)), "until it begins");
        board.begun(0);
        assert!(matches!(board.take(), Taken::Wait(Some(_))));
        board.pieces[0].begun = long_ago();
        assert!(matches!(board.take(), Taken::Piece(1)));
        board.ranges = Ranges::Honoured;
        board.ended(0);
        assert!(matches!(board.take(), Taken::Wait(None)), "the half has not begun");
    }

    #[test]
    fn what_takes_long_is_cut_in_halves_and_nothing_else() {
        let wanted = [wanted(64 << 20), wanted(1 << 20)];
        let mut board = Schedule::of(&wanted);
        assert!(matches!(board.take(), Taken::Piece(0)));
        assert!(matches!(board.take(), Taken::Piece(1)));
        board.begun(0);
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
    fn of_several_that_take_long_the_longest_is_cut() {
        let wanted = [wanted(48 << 20), wanted(64 << 20), wanted(56 << 20)];
        let mut board = Schedule::of(&wanted);
        for _ in &wanted {
            board.take();
        }
        for piece in &mut board.pieces {
            piece.begun = long_ago();
        }
        assert!(matches!(board.take(), Taken::Piece(3)));
        assert_eq!(board.pieces[3].blob, 1);
    }

    #[test]
    fn one_cut_finds_out_whether_ranges_are_honoured() {
        let wanted = [wanted(64 << 20)];
        let cut = || {
            let mut board = Schedule::of(&wanted);
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
        late.ended(0);
        assert!(
            !late.learn(1, false),
            "the first piece has ended, the second one reads on"
        );
        assert_eq!(late.pieces[1].left(), 32 << 20);
    }

    #[test]
    fn what_is_quick_is_not_cut() {
        let wanted = [wanted(64 << 20)];
        let mut board = Schedule::of(&wanted);
        board.take();
        board.pieces[0].begun = long_ago();
        board.pieces[0].at = 48 << 20;
        assert!(matches!(board.take(), Taken::Wait(_)), "the rest takes some 80 ms");
        board.pieces[0].at = 8 << 20;
        assert!(matches!(board.take(), Taken::Piece(1)), "the rest takes over a second");
    }

    #[test]
    fn what_was_slow_only_while_others_shared_the_network_is_not_cut() {
        let wanted = [wanted(64 << 20), wanted(64 << 20)];
        let settled = || {
            let mut board = Schedule::of(&wanted);
            board.take();
            board.take();
            board.pieces[1].begun = long_ago();
            board.pieces[1].at = 8 << 20;
            board.ended(0);
            assert!(
                matches!(board.take(), Taken::Wait(Some(_))),
                "its new pace is not known yet"
            );
            board.ended = Instant::now().checked_sub(SETTLING);
            board
        };
        let mut quick = settled();
        quick.pieces[1].at = 24 << 20;
        assert!(matches!(quick.take(), Taken::Wait(Some(_))), "16 MiB in 100 ms");
        let mut slow = settled();
        slow.pieces[1].at = 9 << 20;
        assert!(matches!(slow.take(), Taken::Piece(2)), "1 MiB in 100 ms");
    }

    #[test]
    fn bytes_are_hashed_in_order_and_the_rest_is_left_for_later() {
        let wanted = [wanted(64 << 20)];
        let mut board = Schedule::of(&wanted);
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
