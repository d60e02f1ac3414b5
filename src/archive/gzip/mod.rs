//! Compresses a layer on its way: on all cores, with memory that does not grow, and always to the same bytes.
//!
//! The input is cut into blocks of one size. Each is deflated alone, with the 32 KiB before it as dictionary, and ends on a
//! byte (a sync flush), so that the pieces joined are one deflate stream in one gzip member (RFC 1951, RFC 1952), as pigz
//! does it. The bytes depend on the input and this program only, not on the number of cores or on timing.

use crate::names::Digest;
use crate::names::Hasher;
use crg_deflate::{Deflater, WINDOW};
use flate2::Crc;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What one core compresses at a time, in bytes: as pigz has it; more costs memory and gains nothing.
const BLOCK: usize = 128 * 1024;
/// More cores than this are left to others: each takes about 1 MiB, and these outrun an upload.
const MOST_THREADS: usize = 8;
/// Deflate, no flags, no time, no name, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty last block with fixed codes.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Reads as the gzip of what it reads. It ends only if that has the expected digest: whoever reads to the end has a layer
/// that fits its image.
///
/// Threads start with the first read and end when this is dropped. One takes all cores, so a second one at the same
/// time makes nothing faster.
pub struct Gzip {
    state: State,
    threads: usize,
    piece: Vec<u8>,
    at: usize,
    checksum: Crc,
}

enum State {
    Waiting(Box<dyn Read + Send>, Digest),
    Running(Receiver<Item>),
    Ended,
    Failed,
}

/// What comes out in order.
enum Item {
    Block(Receiver<Piece>),
    End(io::Result<()>),
}

struct Piece {
    bytes: Vec<u8>,
    checksum: Crc,
}

/// A block to compress.
struct Job {
    /// What comes before the block, and the block.
    bytes: Vec<u8>,
    /// Where the block begins.
    start: usize,
    reply: Sender<Piece>,
    /// Where `bytes` go afterwards, to be filled again.
    spare: Sender<Vec<u8>>,
}

impl Gzip {
    /// Of what `source` gives, a layer's tar, which has the digest `diff_id` as the image's configuration states it.
    #[must_use]
    pub fn new(source: impl Read + Send + 'static, diff_id: Digest) -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::on_threads(source, diff_id, cores.min(MOST_THREADS))
    }

    fn on_threads(source: impl Read + Send + 'static, diff_id: Digest, threads: usize) -> Self {
        Self {
            state: State::Waiting(Box::new(source), diff_id),
            threads,
            piece: HEADER.to_vec(),
            at: 0,
            checksum: Crc::new(),
        }
    }

    /// The next bytes into `piece`; leaves it empty at the end.
    fn next_piece(&mut self) -> io::Result<()> {
        self.at = 0;
        self.piece.clear();
        // Who reads on after an error must not take it for the end.
        let queue = match std::mem::replace(&mut self.state, State::Failed) {
            State::Waiting(source, diff_id) => start(source, diff_id, self.threads)?,
            State::Running(queue) => queue,
            State::Failed => return Err(broken()),
            State::Ended => {
                self.state = State::Ended;
                return Ok(());
            }
        };
        match queue.recv().map_err(|_| broken())? {
            Item::Block(reply) => {
                let piece = reply.recv().map_err(|_| broken())?;
                self.checksum.combine(&piece.checksum);
                self.piece = piece.bytes;
                self.state = State::Running(queue);
            }
            Item::End(result) => {
                result?;
                self.state = State::Ended;
                self.piece.extend(LAST_BLOCK);
                self.piece.extend(self.checksum.sum().to_le_bytes());
                // The length modulo 2^32, which is what flate2 counts.
                self.piece.extend(self.checksum.amount().to_le_bytes());
            }
        }
        Ok(())
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.at == self.piece.len() {
            self.next_piece()?;
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

impl fmt::Debug for Gzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gzip")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// A layer whose bytes are not the ones that the image's configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongDiffId {
    /// As the configuration states it.
    pub expected: Digest,
    /// Of the bytes.
    pub found: Digest,
}

impl fmt::Display for WrongDiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "its tar has the digest {} where the image's configuration states {}",
            self.found.short(),
            self.expected.short()
        )
    }
}

impl std::error::Error for WrongDiffId {}

fn broken() -> io::Error {
    io::Error::other("the layer could not be compressed to its end")
}

/// Starts the thread that reads and those that compress. All end when the receiver is dropped.
fn start(source: Box<dyn Read + Send>, diff_id: Digest, threads: usize) -> io::Result<Receiver<Item>> {
    let (jobs, waiting) = sync_channel(1);
    let waiting = Arc::new(Mutex::new(waiting));
    for number in 0..threads {
        let waiting = Arc::clone(&waiting);
        let started = thread::Builder::new()
            .name("gzip".to_owned())
            .spawn(move || work(&waiting));
        // Where a container allows no more threads, fewer do it.
        match started {
            Ok(_) => {}
            Err(error) if number == 0 => return Err(error),
            Err(_) => break,
        }
    }
    let (queue, items) = sync_channel(threads);
    thread::Builder::new().name("gzip-read".to_owned()).spawn(move || {
        let result = feed(source, &diff_id, &jobs, &queue);
        // Who reads no more wants no end.
        let _ = queue.send(Item::End(result));
    })?;
    Ok(items)
}

/// Cuts the source into blocks and checks its digest.
fn feed(
    mut source: Box<dyn Read + Send>,
    diff_id: &Digest,
    jobs: &SyncSender<Job>,
    queue: &SyncSender<Item>,
) -> io::Result<()> {
    let mut hasher = Hasher::new(diff_id.algorithm());
    let mut before: Vec<u8> = Vec::with_capacity(WINDOW);
    let (spare, spares) = channel();
    loop {
        let start = before.len();
        let mut bytes: Vec<u8> = spares.try_recv().unwrap_or_else(|_| Vec::with_capacity(WINDOW + BLOCK));
        bytes.clear();
        bytes.append(&mut before);
        (&mut source).take(BLOCK as u64).read_to_end(&mut bytes)?;
        let block = &bytes[start..];
        hasher.update(block);
        let (is_empty, is_last) = (block.is_empty(), block.len() < BLOCK);
        before.extend_from_slice(&bytes[bytes.len().saturating_sub(WINDOW)..]);
        if !is_empty {
            let (reply, piece) = channel();
            let spare = spare.clone();
            let job = Job {
                bytes,
                start,
                reply,
                spare,
            };
            if queue.send(Item::Block(piece)).is_err() || jobs.send(job).is_err() {
                return Ok(());
            }
        }
        if is_last {
            let found = hasher.finish();
            if found == *diff_id {
                return Ok(());
            }
            let expected = diff_id.clone();
            return Err(io::Error::new(ErrorKind::InvalidData, WrongDiffId { expected, found }));
        }
    }
}

/// Compresses blocks until there are no more.
fn work(waiting: &Mutex<Receiver<Job>>) {
    let mut deflater = Deflater::new();
    let mut compressed = Vec::new();
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job {
            bytes,
            start,
            reply,
            spare,
        }) = job
        else {
            return;
        };
        let mut checksum = Crc::new();
        checksum.update(&bytes[start..]);
        compressed.clear();
        deflater.deflate(&bytes, start, &mut compressed);
        let piece = Piece {
            // No more memory than it takes: it waits until all before it are sent.
            bytes: compressed.as_slice().into(),
            checksum,
        };
        // Nobody may wait for it any more.
        let _ = reply.send(piece);
        let _ = spare.send(bytes);
    }
}

#[cfg(test)]
mod tests;
