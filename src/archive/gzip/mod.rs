//! Compresses a layer on its way: on all cores, with memory that does not grow, and always to the same bytes.
//!
//! The input is cut into blocks of one size. Each is deflated alone, with the 32 KiB before it as dictionary, and ends on a
//! byte (a sync flush), so that the pieces joined are one deflate stream in one gzip member (RFC 1951, RFC 1952), as pigz
//! does it. The bytes depend on the input and this program only, not on the number of cores or on timing.

mod noise;

use crate::names::Digest;
use crate::names::Hasher;
use flate2::{Compress, Compression as Level, Crc, FlushCompress};
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What one core compresses at a time, in bytes: as pigz has it; more costs memory and gains nothing.
const BLOCK: usize = 128 * 1024;
/// How far back deflate can refer, in bytes.
const WINDOW: usize = 32 * 1024;
/// zlib-rs at this level gives what skopeo's and Docker's default gives, to the percent, in two thirds of the time of its
/// level 6, which is 3 % smaller.
const LEVEL: u32 = 3;
/// A stored block of deflate holds no more bytes.
const MOST_STORED: usize = 0xffff;
/// More cores than this are left to others: each takes about 1 MiB, and these outrun an upload.
const MOST_THREADS: usize = 8;
/// Deflate, no flags, no time, no name, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// What a window is filled with at first, which is two windows long; piece by piece, as it would be 64 KiB of the binary.
static ZEROS: [u8; 1024] = [0; 1024];
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
    Block(Receiver<io::Result<Piece>>),
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
    reply: Sender<io::Result<Piece>>,
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
                let piece = reply.recv().map_err(|_| broken())??;
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
    // Its size is part of what the bytes depend on.
    let mut buffer = vec![0; BLOCK / 4];
    let mut compress = Compress::new(Level::new(LEVEL), false);
    let mut noise = noise::Detector::new();
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
        let (dictionary, block) = bytes.split_at(start);
        let piece = if noise.is_noise(dictionary, block) {
            Ok(store(block))
        } else {
            deflate(&mut compress, &mut buffer, dictionary, block)
        };
        // Nobody may wait for it any more.
        let _ = reply.send(piece);
        let _ = spare.send(bytes);
    }
}

/// A block as it is, which begins and ends on a byte.
fn store(block: &[u8]) -> Piece {
    let mut bytes = Vec::with_capacity(block.len() + 5 * block.len().div_ceil(MOST_STORED));
    let mut checksum = Crc::new();
    checksum.update(block);
    for part in block.chunks(MOST_STORED) {
        // No chunk is longer than what 16 bits count.
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        bytes.push(0);
        bytes.extend(length.to_le_bytes());
        bytes.extend((!length).to_le_bytes());
        bytes.extend(part);
    }
    Piece { bytes, checksum }
}

/// Deflates a block to whole bytes.
fn deflate(compress: &mut Compress, buffer: &mut [u8], dictionary: &[u8], block: &[u8]) -> io::Result<Piece> {
    wash(compress, buffer)?;
    if !dictionary.is_empty() {
        compress.set_dictionary(dictionary)?;
    }
    let mut bytes = Vec::with_capacity(BLOCK / 2);
    let mut checksum = Crc::new();
    checksum.update(block);
    loop {
        let (read, written) = (compress.total_in(), compress.total_out());
        let rest = usize::try_from(read)
            .ok()
            .and_then(|read| block.get(read..))
            .unwrap_or_default();
        compress.compress(rest, buffer, FlushCompress::Sync)?;
        let new = usize::try_from(compress.total_out() - written).map_err(io::Error::other)?;
        bytes.extend_from_slice(&buffer[..new]);
        // A flush is complete only if room is left behind it.
        if new < buffer.len() {
            return Ok(Piece { bytes, checksum });
        }
    }
}

/// Makes a used compressor as good as new. zlib-rs 0.6 leaves the window as it was when it resets, and chooses between
/// matches at the end of a block by what lies behind it: what another block left there must not decide. A new compressor
/// for each block would do too, but glibc 2.36 lets a heap grow with each aligned allocation: 2.7 MiB a thread, not 1.
fn wash(compress: &mut Compress, buffer: &mut [u8]) -> io::Result<()> {
    compress.reset();
    for _ in 0..2 * WINDOW / ZEROS.len() {
        compress.compress(&ZEROS, buffer, FlushCompress::None)?;
    }
    compress.reset();
    Ok(())
}

#[cfg(test)]
mod tests;
