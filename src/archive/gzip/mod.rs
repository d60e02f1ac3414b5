//! Compresses a layer on its way: on all cores, with memory that does not grow, and always to the same bytes.
//!
//! The input is cut into blocks of one size, and each is a gzip member of its own (RFC 1952, 2.2: "a gzip file consists of a
//! series of members"), as layers of eStargz have them, which every runtime reads. The bytes depend on the input and this
//! program only, not on the number of cores or on timing.

use crate::names::Digest;
use crate::names::Hasher;
use libdeflater::{CompressionLvl, Compressor};
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What one core compresses at a time, in bytes: more costs memory, and gains 0.3 % of the output.
const BLOCK: usize = 256 * 1024;
/// More cores than this are left to others: each takes about 1 MiB, and these outrun an upload.
const MOST_THREADS: usize = 8;
/// libdeflate's level: smaller than what gzip makes at its own default level 6, in less time than its fastest.
const LEVEL: i32 = 2;

/// The threads that compress, one for each core, for all layers under way: more would only take turns, and each holds some
/// 0.7 MiB. They start with the first layer and end when this and all layers are dropped.
#[derive(Clone)]
pub struct Compressors {
    threads: usize,
    jobs: Arc<Mutex<Option<SyncSender<Job>>>>,
}

/// Reads as the gzip of what it reads. It ends only if that has the expected digest: whoever reads to the end has a layer
/// that fits its image.
///
/// What it reads is read ahead by a thread, which starts with the first read and ends when this is dropped.
pub struct Gzip {
    state: State,
    compressors: Compressors,
    piece: Vec<u8>,
    at: usize,
}

enum State {
    Waiting(Box<dyn Read + Send>, Digest),
    Running(Receiver<Ordered>),
    Ended,
    Failed,
}

/// What comes out in order.
enum Ordered {
    Block(Receiver<Vec<u8>>),
    End(io::Result<()>),
}

/// A block to compress.
struct Job {
    block: Vec<u8>,
    reply: Sender<Vec<u8>>,
    /// Where `block` goes afterwards, to be filled again.
    spare: Sender<Vec<u8>>,
}

impl Default for Compressors {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::on_threads(cores.min(MOST_THREADS))
    }
}

impl Compressors {
    fn on_threads(threads: usize) -> Self {
        Self {
            threads,
            jobs: Arc::default(),
        }
    }

    /// Where blocks go to be compressed.
    fn jobs(&self) -> io::Result<SyncSender<Job>> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = &*jobs {
            return Ok(jobs.clone());
        }
        let (sender, waiting) = sync_channel(1);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..self.threads {
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
        *jobs = Some(sender.clone());
        Ok(sender)
    }
}

impl fmt::Debug for Compressors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressors")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Gzip {
    /// Of what `source` gives, a layer's tar, which has the digest `diff_id` as the image's configuration states it.
    #[must_use]
    pub fn new(source: impl Read + Send + 'static, diff_id: Digest, compressors: &Compressors) -> Self {
        Self {
            state: State::Waiting(Box::new(source), diff_id),
            compressors: compressors.clone(),
            piece: Vec::new(),
            at: 0,
        }
    }

    /// The next bytes into `piece`; leaves it empty at the end.
    fn next_piece(&mut self) -> io::Result<()> {
        self.at = 0;
        self.piece.clear();
        // Who reads on after an error must not take it for the end.
        let queue = match std::mem::replace(&mut self.state, State::Failed) {
            State::Waiting(source, diff_id) => start(source, diff_id, &self.compressors)?,
            State::Running(queue) => queue,
            State::Failed => return Err(broken()),
            State::Ended => {
                self.state = State::Ended;
                return Ok(());
            }
        };
        match queue.recv().map_err(|_| broken())? {
            Ordered::Block(reply) => {
                self.piece = reply.recv().map_err(|_| broken())?;
                self.state = State::Running(queue);
            }
            Ordered::End(result) => {
                result?;
                self.state = State::Ended;
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
        f.debug_struct("Gzip").finish_non_exhaustive()
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

/// Starts the thread that reads. It ends when the receiver is dropped.
fn start(source: Box<dyn Read + Send>, diff_id: Digest, compressors: &Compressors) -> io::Result<Receiver<Ordered>> {
    let jobs = compressors.jobs()?;
    let (queue, items) = sync_channel(compressors.threads);
    thread::Builder::new().name("gzip-read".to_owned()).spawn(move || {
        let result = feed(source, &diff_id, &jobs, &queue);
        // Who reads no more wants no end.
        let _ = queue.send(Ordered::End(result));
    })?;
    Ok(items)
}

/// Cuts the source into blocks and checks its digest.
fn feed(
    mut source: Box<dyn Read + Send>,
    diff_id: &Digest,
    jobs: &SyncSender<Job>,
    queue: &SyncSender<Ordered>,
) -> io::Result<()> {
    let mut hasher = Hasher::new(diff_id.algorithm());
    let (spare, spares) = channel();
    let mut is_first = true;
    loop {
        let mut block: Vec<u8> = spares.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK));
        block.clear();
        (&mut source).take(BLOCK as u64).read_to_end(&mut block)?;
        hasher.update(&block);
        let is_last = block.len() < BLOCK;
        // What is empty as a whole is one member all the same.
        if is_first || !block.is_empty() {
            is_first = false;
            let (reply, piece) = channel();
            let spare = spare.clone();
            let job = Job { block, reply, spare };
            if queue.send(Ordered::Block(piece)).is_err() || jobs.send(job).is_err() {
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
    let Ok(level) = CompressionLvl::new(LEVEL) else {
        unreachable!("libdeflate has levels from 0 to 12");
    };
    let mut compressor = Compressor::new(level);
    let mut compressed = vec![0; compressor.gzip_compress_bound(BLOCK)];
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, reply, spare }) = job else {
            return;
        };
        // It fails only for want of room, of which there is enough: who waits for the piece is told that none comes.
        if let Ok(length) = compressor.gzip_compress(&block, &mut compressed) {
            // No more memory than it takes: it waits until all before it are sent. Nobody may wait for it any more.
            let _ = reply.send(compressed[..length].into());
        }
        let _ = spare.send(block);
    }
}

#[cfg(test)]
mod tests;
