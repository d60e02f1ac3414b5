//! Proves that a stored layer is the one that its image's configuration names: what it decompresses to, to the exact end of
//! its stream, has the `diff_id`.
//!
//! Nothing else tells a damaged layer of a docker-archive: its entry has no checksum, and the registry that takes it
//! knows only the digest of what came. What is decompressed is hashed and dropped, so memory is what the decoder needs: 32
//! KiB for gzip, for zstd the window that the layer states.

use super::compression::Compression;
use super::gzip::WrongDiffId;
use crate::names::{Digest, Hasher};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Decompressed bytes are hashed so many at a time.
const PLAIN: usize = 64 * 1024;
/// Pieces of stored bytes that wait for the decoder.
const WAITING: usize = 2;
/// The largest window of zstd: what `zstd --decompress` takes without being told to take more. Docker's and Podman's own
/// writer states at most 32 MiB.
const LARGEST_WINDOW: u64 = 128 << 20;

/// Reads as the bytes of a stored layer. It ends only if they decompress to the layer that the configuration names:
/// whoever reads to the end has a layer that fits its image.
pub(crate) struct Proof {
    source: Box<dyn Read + Send>,
    state: ProofState,
}

enum ProofState {
    Waiting(Digest),
    Running(Decoder),
    Ended,
    Failed,
}

/// The thread that decompresses.
struct Decoder {
    pieces: SyncSender<Vec<u8>>,
    thread: JoinHandle<io::Result<()>>,
}

impl Proof {
    /// Of what `source` gives, a layer's bytes as they are stored, for the layer with the digest `diff_id`.
    #[must_use]
    pub(crate) fn new(source: Box<dyn Read + Send>, diff_id: Digest) -> Self {
        Self {
            source,
            state: ProofState::Waiting(diff_id),
        }
    }

    /// Gives the decoder a piece, or at the end (an empty one) waits for what it found.
    fn pass(&mut self, piece: &[u8]) -> io::Result<()> {
        // Who reads on after an error must not take it for the end.
        let decoder = match std::mem::replace(&mut self.state, ProofState::Failed) {
            ProofState::Waiting(diff_id) => start(diff_id)?,
            ProofState::Running(decoder) => decoder,
            ProofState::Ended => {
                self.state = ProofState::Ended;
                return Ok(());
            }
            ProofState::Failed => return Err(io::Error::other("the layer could not be read to its end")),
        };
        if !piece.is_empty() && decoder.pieces.send(piece.to_vec()).is_ok() {
            self.state = ProofState::Running(decoder);
            return Ok(());
        }
        drop(decoder.pieces);
        match decoder.thread.join() {
            Ok(Ok(())) if piece.is_empty() => {
                self.state = ProofState::Ended;
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            // It ends well at the end of its input only.
            Ok(Ok(())) | Err(_) => Err(io::Error::other("the layer could not be decompressed to its end")),
        }
    }
}

impl Read for Proof {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.source.read(buffer)?;
        self.pass(&buffer[..read])?;
        Ok(read)
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof").finish_non_exhaustive()
    }
}

fn start(diff_id: Digest) -> io::Result<Decoder> {
    let (pieces, from) = sync_channel(WAITING);
    let stored = Pieces {
        from,
        piece: Vec::new(),
        at: 0,
    };
    let thread = thread::Builder::new()
        .name("inflate".to_owned())
        .spawn(move || prove(stored, &diff_id))?;
    Ok(Decoder { pieces, thread })
}

/// What comes piece by piece from another thread.
struct Pieces {
    from: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Nobody sends an empty piece.
        if self.at == self.piece.len()
            && let Ok(piece) = self.from.recv()
        {
            (self.piece, self.at) = (piece, 0);
        }
        Ok(&self.piece[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.piece.len().min(self.at + amount);
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Decompresses stored bytes to the end and compares what they were.
fn prove(mut stored: impl BufRead, diff_id: &Digest) -> io::Result<()> {
    let mut magic = Vec::new();
    (&mut stored).take(Compression::MAGIC as u64).read_to_end(&mut magic)?;
    let mut first = [0; Compression::MAGIC];
    first[..magic.len()].copy_from_slice(&magic);
    let stored = magic.as_slice().chain(stored);
    let mut hasher = Hasher::of_kind(diff_id);
    match Compression::of(first) {
        Ok(Compression::None) => hash(stored, &mut hasher)?,
        Ok(Compression::Gzip) => hash(MultiGzDecoder::new(stored), &mut hasher).map_err(of_gzip)?,
        Ok(Compression::Zstd) => frames(stored, &mut hasher)?,
        Err(with) => return Err(damaged(format!("it is compressed with {with}"))),
    }
    let found = hasher.finish();
    if found == *diff_id {
        return Ok(());
    }
    let expected = diff_id.clone();
    Err(io::Error::new(ErrorKind::InvalidData, WrongDiffId { expected, found }))
}

fn hash(mut plain: impl Read, hasher: &mut Hasher) -> io::Result<()> {
    let mut buffer = vec![0; PLAIN];
    loop {
        match plain.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn of_gzip(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData => unreadable("gzip"),
        _ => error,
    }
}

/// All frames of a zstd stream (RFC 8878, 3.1), those to be skipped too, as zstd:chunked has them.
fn frames(mut stored: impl BufRead, hasher: &mut Hasher) -> io::Result<()> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(LARGEST_WINDOW);
    while !stored.fill_buf()?.is_empty() {
        let frame = match StreamingDecoder::new_with_decoder(&mut stored, &mut decoder) {
            Ok(frame) => frame,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let skipped = io::copy(&mut (&mut stored).take(length.into()), &mut io::sink())?;
                if skipped < length.into() {
                    return Err(unreadable("zstd"));
                }
                continue;
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                let (needs, most) = (requested >> 20, LARGEST_WINDOW >> 20);
                return Err(damaged(format!(
                    "its zstd stream needs a window of {needs} MiB, and {most} MiB is the most that is read"
                )));
            }
            Err(_) => return Err(unreadable("zstd")),
        };
        hash(frame, hasher).map_err(|_| unreadable("zstd"))?;
        if decoder.get_checksum_from_data().is_some()
            && decoder.get_checksum_from_data() != decoder.get_calculated_checksum()
        {
            return Err(unreadable("zstd"));
        }
    }
    Ok(())
}

fn unreadable(kind: &str) -> io::Error {
    damaged(format!(
        "its {kind} stream cannot be read, ends early, or other bytes follow it"
    ))
}

/// Bytes that are no layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undecodable(String);

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Undecodable {}

fn damaged(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, Undecodable(why))
}

#[cfg(test)]
mod tests;
