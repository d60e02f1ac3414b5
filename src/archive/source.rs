//! Where the bytes of a blob come from, and what holds such blobs: a tar or a folder.

use super::error::{ArchiveError, ArchiveErrorKind};
use super::location::Transport;
use super::region::{Region, RegionReader};
use super::tar::{CUT, Sparse};
use crate::names::Digest;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// How much is decompressed and passed over at a time, in bytes.
const PASSED: usize = 32 * 1024;

/// The bytes of one blob, to be read as often as needed.
#[derive(Debug, Clone)]
pub enum BlobSource {
    /// Lies in a file as it is: several may read several parts at a time.
    Region(Region),
    /// Lies in a gzip-compressed tar.
    Inflated(Inflated),
    /// Lies in a tar with holes in it, which are not stored.
    Sparse(Sparse),
    /// Lies where a link of a layout leads to, out of it.
    Linked(Linked),
    /// At hand: a configuration that was read already.
    Bytes(Bytes),
}

impl BlobSource {
    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Region(region) => region.size(),
            Self::Inflated(inflated) => inflated.size,
            Self::Sparse(sparse) => sparse.size(),
            Self::Linked(linked) => linked.region.size(),
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Reads all of it in order; ends after exactly [`Self::size`] bytes or with an error.
    #[must_use]
    pub fn reader(&self) -> Box<dyn Read + Send> {
        match self {
            Self::Region(region) => Box::new(region.reader()),
            Self::Inflated(inflated) => Box::new(inflated.reader()),
            Self::Sparse(sparse) => Box::new(sparse.reader()),
            Self::Linked(linked) => Box::new(linked.reader()),
            Self::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        }
    }
}

/// A part of a gzip-compressed file, by its place in what the file decompresses to.
///
/// gzip has no index: each reader decompresses the file from its begin and drops what comes before. Memory is one
/// window (some 100 KiB), nothing is stored, but the blobs of an archive together cost about half as many passes as
/// there are blobs.
#[derive(Debug, Clone)]
pub struct Inflated {
    file: Region,
    offset: u64,
    size: u64,
}

impl Inflated {
    pub(super) fn new(file: Region, offset: u64, size: u64) -> Self {
        Self { file, offset, size }
    }

    fn reader(&self) -> impl Read + Send + use<> {
        InflatedReader {
            decoder: MultiGzDecoder::new(self.file.reader()),
            before: self.offset,
            left: self.size,
        }
    }
}

struct InflatedReader<R> {
    decoder: MultiGzDecoder<R>,
    before: u64,
    left: u64,
}

impl<R: Read> Read for InflatedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.before > 0 {
            pass(&mut self.decoder, self.before)?;
            self.before = 0;
        }
        let length = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if length == 0 {
            return Ok(0);
        }
        let read = self.decoder.read(&mut buffer[..length])?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// A blob outside of its layout, where Bazel leaves it. A link can lead to any file of the machine, so that nothing of the
/// file is given to anyone before all of it has the blob's digest: whoever knows that knows the file.
#[derive(Debug, Clone)]
pub struct Linked {
    region: Region,
    digest: Digest,
}

impl Linked {
    pub(super) fn new(region: Region, digest: Digest) -> Self {
        Self { region, digest }
    }

    fn reader(&self) -> impl Read + Send + use<> {
        LinkedReader {
            blob: self.clone(),
            reader: None,
        }
    }
}

struct LinkedReader {
    blob: Linked,
    reader: Option<RegionReader>,
}

impl Read for LinkedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(reader) = &mut self.reader {
            return reader.read(buffer);
        }
        let Linked { region, digest } = &self.blob;
        if region.digest(digest.algorithm())? != *digest {
            return Err(io::Error::other("the file that its link leads to has other bytes"));
        }
        self.reader.insert(region.reader()).read(buffer)
    }
}

/// Reads and drops exactly `size` bytes.
pub(super) fn pass(reader: &mut impl Read, size: u64) -> io::Result<()> {
    let mut buffer = vec![0; PASSED];
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left).map_or(PASSED, |left| left.min(PASSED));
        reader.read_exact(&mut buffer[..length])?;
        left -= length as u64;
    }
    Ok(())
}

/// A tar or a folder that holds files by name.
pub(super) trait Store: std::fmt::Debug + Send + Sync {
    /// The archive or folder, for messages.
    fn path(&self) -> &Path;

    /// The file of a name; `None` if there is none.
    fn find(&self, name: &str) -> Result<Option<BlobSource>, ArchiveError>;

    /// That a file is not there.
    fn missing(&self, name: &str) -> ArchiveError;

    /// Whether something has a name.
    fn holds(&self, name: &str) -> bool;

    /// Whether it holds a file system, and no image.
    fn is_file_system(&self) -> bool {
        false
    }

    /// That it is no archive of the kind, because a file is not there. Of a tar that was cut nobody knows what it was.
    fn lacks(&self, transport: Transport, name: &str, why: &'static str) -> ArchiveError {
        let instead = match transport {
            Transport::DockerArchive if self.holds("index.json") => Some(Transport::OciArchive),
            Transport::OciArchive if self.holds("manifest.json") => Some(Transport::DockerArchive),
            _ => None,
        };
        match self.missing(name) {
            cut @ ArchiveError {
                kind: ArchiveErrorKind::Missing { cut: true, .. },
                ..
            } => cut,
            _ if self.is_file_system() => ArchiveErrorKind::FileSystem { transport }.of(self.path()),
            _ => ArchiveErrorKind::NotOfKind {
                transport,
                why,
                instead,
            }
            .of(self.path()),
        }
    }

    /// A file that is read whole, of at most `largest` bytes.
    fn document(&self, name: &str, largest: usize) -> Result<Option<Bytes>, ArchiveError> {
        self.find(name)?
            .map(|source| read_whole(self.path(), name, &source, largest))
            .transpose()
    }
}

/// Reads a blob whole.
pub(super) fn read_whole(path: &Path, name: &str, source: &BlobSource, largest: usize) -> Result<Bytes, ArchiveError> {
    let size = usize::try_from(source.size()).ok().filter(|size| *size <= largest);
    let size = size.ok_or_else(|| {
        ArchiveErrorKind::TooLarge {
            entry: name.to_owned(),
            largest: largest as u64,
        }
        .of(path)
    })?;
    let mut bytes = vec![0; size];
    source
        .reader()
        .read_exact(&mut bytes)
        .map_err(|error| unreadable(name, &error).of(path))?;
    Ok(bytes.into())
}

fn unreadable(name: &str, error: &io::Error) -> ArchiveErrorKind {
    match error.kind() {
        ErrorKind::UnexpectedEof => ArchiveErrorKind::damaged(name, CUT),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            ArchiveErrorKind::damaged(name, "its gzip stream cannot be read")
        }
        _ => ArchiveErrorKind::Unreadable(error.to_string()),
    }
}
