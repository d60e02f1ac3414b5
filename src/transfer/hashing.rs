//! Digests beside the event loop: one thread receives and writes, another one hashes what it has received. Nothing is
//! copied for it, and no more than a piece waits, so that memory does not grow where hashing is slower than the network.

use crate::names::Digest;
use crate::names::Hasher;
use bytes::Bytes;
use std::cell::OnceCell;
use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::oneshot;

/// Pieces that wait for the thread; each may be half a mebibyte. More was measured to be no faster.
const WAITING: usize = 1;
/// Pieces of fewer bytes are hashed where they are. hyper reads up to 408 KiB at a time; where it gets much less, the
/// network is no faster than one thread, and to give a piece away would only cost the memory of another buffer.
const WORTH_WAKING: usize = 320 * 1024;

/// A thread that hashes. It starts with the first piece that is worth it and ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Hashing(OnceCell<Option<SyncSender<HashJob>>>);

/// A digest under way. Its pieces are hashed in the order in which they are given, on whichever thread.
pub(super) struct Running(Arc<Mutex<Hasher>>);

/// What the thread is told.
enum HashJob {
    Update(Arc<Mutex<Hasher>>, Bytes),
    /// To be answered; all that was given before is hashed by then.
    Answer(oneshot::Sender<()>),
}

impl Running {
    /// For content of this digest.
    pub(super) fn of_kind(digest: &Digest) -> Self {
        Self(Arc::new(Mutex::new(Hasher::of_kind(digest))))
    }

    /// Hashes on this thread, unless earlier pieces are with the other one; whether it did.
    fn update_here(&mut self, bytes: &[u8]) -> bool {
        let hasher = Arc::get_mut(&mut self.0);
        let is_free = hasher.is_some();
        if let Some(hasher) = hasher {
            hasher.get_mut().unwrap_or_else(PoisonError::into_inner).update(bytes);
        }
        is_free
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Hashing {
    /// Takes the next bytes. Where the thread has more to do than it can, this one hashes too, or waits for at most the
    /// time that a piece takes.
    pub(super) fn update(&self, running: &mut Running, bytes: Bytes) {
        if bytes.len() < WORTH_WAKING && running.update_here(&bytes) {
            return;
        }
        let Some(thread) = self.0.get_or_init(start) else {
            // Without a thread nothing is ever elsewhere.
            running.update_here(&bytes);
            return;
        };
        if let Err(TrySendError::Full(HashJob::Update(shared, bytes))) =
            thread.try_send(HashJob::Update(Arc::clone(&running.0), bytes))
        {
            drop(shared);
            if !running.update_here(&bytes) {
                // It fails only if the thread is gone, as does the other one above; then the digest comes out wrong.
                let _ = thread.send(HashJob::Update(Arc::clone(&running.0), bytes));
            }
        }
    }

    /// The hasher of all bytes so far.
    pub(super) async fn finish(&self, running: Running) -> Hasher {
        let mut running = running.0;
        loop {
            running = match Arc::try_unwrap(running) {
                Ok(hasher) => return hasher.into_inner().unwrap_or_else(PoisonError::into_inner),
                Err(shared) => shared,
            };
            let (sender, answer) = oneshot::channel();
            if let Some(Some(thread)) = self.0.get() {
                let _ = thread.send(HashJob::Answer(sender));
            }
            let _ = answer.await;
        }
    }
}

fn start() -> Option<SyncSender<HashJob>> {
    let (sender, receiver) = sync_channel(WAITING);
    let thread = thread::Builder::new()
        .name("hashing".to_owned())
        .spawn(move || hash(&receiver));
    thread.is_ok().then_some(sender)
}

fn hash(jobs: &Receiver<HashJob>) {
    for job in jobs {
        match job {
            HashJob::Update(hasher, bytes) => hasher.lock().unwrap_or_else(PoisonError::into_inner).update(&bytes),
            HashJob::Answer(sender) => {
                let _ = sender.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_of_several_blobs_are_hashed_in_their_order() {
        let hashing = Hashing::default();
        let blobs: Vec<Vec<Bytes>> = (0..5_u8)
            .map(|blob| {
                let sizes = [1, WORTH_WAKING, 2 * WORTH_WAKING, 7, WORTH_WAKING - 1, WORTH_WAKING];
                let pieces = sizes.iter().cycle().take(24).enumerate();
                pieces
                    .map(|(number, size)| vec![blob ^ number.to_le_bytes()[0]; *size].into())
                    .collect()
            })
            .collect();
        let digests: Vec<Digest> = blobs.iter().map(|pieces| Digest::of(&pieces.concat())).collect();
        let mut running: Vec<Running> = digests.iter().map(Running::of_kind).collect();
        for number in 0..blobs[0].len() {
            for (blob, running) in blobs.iter().zip(&mut running) {
                hashing.update(running, blob[number].clone());
            }
        }
        for (running, digest) in running.into_iter().zip(digests) {
            assert_eq!(hashing.finish(running).await.finish(), digest);
        }
    }

    #[tokio::test]
    async fn what_is_small_needs_no_thread() {
        let hashing = Hashing::default();
        let mut running = Running::of_kind(&Digest::of(b""));
        hashing.update(&mut running, Bytes::from_static(b"small"));
        assert_eq!(hashing.finish(running).await.finish(), Digest::of(b"small"));
        assert!(hashing.0.get().is_none());
    }
}
