//! A tar on disk, plain or gzip-compressed, as a [`Store`].

use super::super::compression::Compression;
use super::super::error::{ArchiveError, ArchiveErrorKind};
use super::super::location::Transport;
use super::super::region::{Region, RegionReader};
use super::super::source::{BlobSource, Inflated, Store, pass, read_whole};
use super::header::padded;
use super::index::{FoundFile, TarIndex, twice};
use super::scan::{CUT, Extent, FIRST, Tape};
use super::sparse::Sparse;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Documents of a gzip-compressed tar up to this size are kept from the one pass over it, in bytes …
const KEPT: u64 = 64 * 1024;
/// … as long as they are together no more than this.
const ALL_KEPT: usize = 2 << 20;
/// How much of a file's begin tells how it is compressed.
const MAGIC: usize = Compression::MAGIC;

/// An opened tar. Its bytes stay in the file.
#[derive(Debug)]
pub(in super::super) struct TarFile {
    path: PathBuf,
    file: Region,
    index: TarIndex,
    inflated: Option<Begins>,
}

/// What was seen of each file while a gzip-compressed tar went by.
#[derive(Debug, Default)]
struct Begins {
    documents: HashMap<u64, Bytes>,
    kept: usize,
    magics: HashMap<u64, [u8; MAGIC]>,
}

impl Begins {
    /// A document that was kept.
    fn document(&self, extent: Extent) -> Option<Bytes> {
        let bytes = self.documents.get(&extent.offset);
        bytes.filter(|bytes| bytes.len() as u64 == extent.size).cloned()
    }
}

impl TarFile {
    /// Opens and indexes the tar. A gzip-compressed one is decompressed once for it, in bounded memory.
    pub(in super::super) fn open(path: &Path, transport: Transport) -> Result<Self, ArchiveError> {
        let reading = |error: &io::Error| ArchiveErrorKind::reading(path, error).of(path);
        let other = |why, instead| {
            let kind = ArchiveErrorKind::NotOfKind {
                transport,
                why,
                instead,
            };
            kind.of(path)
        };
        let metadata = fs::metadata(path).map_err(|error| reading(&error))?;
        if metadata.is_dir() {
            return Err(other("it is a folder", Some(Transport::Oci)));
        }
        if !metadata.is_file() {
            return Err(other("it is not a file", None));
        }
        let file = File::open(path).map_err(|error| reading(&error))?;
        let file = Region::new(Arc::new(file), 0, metadata.len());
        let mut magic = [0; MAGIC];
        fill(&mut file.reader(), &mut magic).map_err(|error| reading(&error))?;
        let (index, inflated) = match Compression::of(magic) {
            _ if metadata.len() == 0 => return Err(ArchiveErrorKind::Empty.of(path)),
            Ok(Compression::Gzip) => {
                let mut tape = GzipTape {
                    decoder: MultiGzDecoder::new(file.reader()),
                    begins: Begins::default(),
                };
                (TarIndex::scan(&mut tape), Some(tape.begins))
            }
            Ok(Compression::Zstd) => return Err(ArchiveErrorKind::Compressed { with: "zstd" }.of(path)),
            Err(with) => return Err(ArchiveErrorKind::Compressed { with }.of(path)),
            Ok(Compression::None) => {
                let mut tape = FileTape { file: &file, at: 0 };
                (TarIndex::scan(&mut tape), None)
            }
        };
        let index = index.map_err(|kind| {
            let ArchiveErrorKind::Damaged { entry, why } = &kind else {
                return kind.of(path);
            };
            let mut first = [0; 2];
            let is_gzip = inflated.is_some()
                && MultiGzDecoder::new(file.reader()).read_exact(&mut first).is_ok()
                && first == [0x1f, 0x8b];
            match entry.as_str() {
                FIRST if is_gzip || inflated.is_none() || why != CUT => ArchiveErrorKind::NotATar { is_gzip }.of(path),
                _ => kind.of(path),
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            index,
            inflated,
        })
    }

    /// The first bytes of a file, zeros where it is shorter.
    pub(in super::super) fn magic(&self, name: &str) -> Result<[u8; MAGIC], ArchiveError> {
        let mut magic = [0; MAGIC];
        match (self.found(name)?, &self.inflated) {
            (Some(FoundFile::Whole(extent)), Some(begins)) => {
                Ok(begins.magics.get(&extent.offset).copied().unwrap_or(magic))
            }
            (Some(found), _) => {
                fill(&mut self.source(name, found)?.reader(), &mut magic)
                    .map_err(|error| ArchiveErrorKind::reading(&self.path, &error).of(&self.path))?;
                Ok(magic)
            }
            (None, _) => Err(self.missing(name)),
        }
    }

    fn found(&self, name: &str) -> Result<Option<FoundFile>, ArchiveError> {
        self.index.find(name).map_err(|kind| kind.of(&self.path))
    }

    fn source(&self, name: &str, found: FoundFile) -> Result<BlobSource, ArchiveError> {
        match found {
            FoundFile::Whole(extent) => Ok(self.stored(extent)),
            FoundFile::Sparse(map) => Ok(BlobSource::Sparse(Sparse::new(self.stored(map.extent()), map))),
            // What is not read whole is not compared either.
            FoundFile::Copies(_) => Err(twice(name).of(&self.path)),
        }
    }

    /// What several entries of one name hold, if it is the same, as the configuration that `crane pull` writes for each of its
    /// images. Only what is kept of a compressed tar is compared: all else would take a pass for each.
    fn same(&self, name: &str, extents: &[Extent]) -> Result<Bytes, ArchiveError> {
        let mut found: Option<Bytes> = None;
        for extent in extents {
            let bytes = match &self.inflated {
                Some(begins) => begins.document(*extent),
                None if extent.size > KEPT => None,
                None => Some(read_whole(&self.path, name, &self.stored(*extent), ALL_KEPT)?),
            };
            let bytes = bytes.filter(|bytes| bytes.first().is_some_and(|first| begins_document(*first)));
            if bytes.is_none() || found.as_ref().is_some_and(|found| Some(found) != bytes.as_ref()) {
                return Err(twice(name).of(&self.path));
            }
            found = bytes;
        }
        found.ok_or_else(|| twice(name).of(&self.path))
    }

    fn stored(&self, extent: Extent) -> BlobSource {
        match &self.inflated {
            Some(_) => BlobSource::Inflated(Inflated::new(self.file.clone(), extent.offset, extent.size)),
            None => BlobSource::Region(self.file.part(extent.offset, extent.size)),
        }
    }
}

impl Store for TarFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn find(&self, name: &str) -> Result<Option<BlobSource>, ArchiveError> {
        self.found(name)?.map(|found| self.source(name, found)).transpose()
    }

    fn missing(&self, name: &str) -> ArchiveError {
        self.index.missing(name).of(&self.path)
    }

    fn is_file_system(&self) -> bool {
        self.index.is_file_system()
    }

    fn holds(&self, name: &str) -> bool {
        self.index.holds(name)
    }

    fn document(&self, name: &str, largest: usize) -> Result<Option<Bytes>, ArchiveError> {
        let Some(found) = self.found(name)? else {
            return Ok(None);
        };
        if let (FoundFile::Whole(extent), Some(begins)) = (&found, &self.inflated)
            && let Some(bytes) = begins.document(*extent)
            && bytes.len() <= largest
        {
            return Ok(Some(bytes));
        }
        if let FoundFile::Copies(extents) = &found {
            return self.same(name, extents).map(Some);
        }
        read_whole(&self.path, name, &self.source(name, found)?, largest).map(Some)
    }
}

/// Passes over files by moving on.
struct FileTape<'a> {
    file: &'a Region,
    at: u64,
}

impl Tape for FileTape<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = fill(&mut self.file.reader_from(self.at), buffer)?;
        self.at += read as u64;
        Ok(read)
    }

    fn pass(&mut self, _: u64, size: u64) -> io::Result<()> {
        match self.at.checked_add(size) {
            Some(end) if end <= self.file.size() => {
                self.at = end;
                Ok(())
            }
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Passes over files by decompressing them; keeps small documents, so that they cost no second pass.
struct GzipTape {
    decoder: MultiGzDecoder<RegionReader>,
    begins: Begins,
}

impl Tape for GzipTape {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        fill(&mut self.decoder, buffer)
    }

    fn pass(&mut self, offset: u64, size: u64) -> io::Result<()> {
        if padded(size).is_none() || size == 0 {
            return Ok(());
        }
        let mut magic = [0; MAGIC];
        let length = usize::try_from(size).map_or(MAGIC, |size| size.min(MAGIC));
        self.decoder.read_exact(&mut magic[..length])?;
        self.begins.magics.insert(offset, magic);
        let left = size - length as u64;
        let room = ALL_KEPT - self.begins.kept;
        if begins_document(magic[0]) && size <= KEPT && usize::try_from(size).is_ok_and(|size| size <= room) {
            let mut bytes = magic[..length].to_vec();
            (&mut self.decoder).take(left).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != size {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.begins.kept += bytes.len();
            self.begins.documents.insert(offset, bytes.into());
            return Ok(());
        }
        pass(&mut self.decoder, left)
    }
}

/// Whether a file that begins so may be JSON.
fn begins_document(first: u8) -> bool {
    matches!(first, b'{' | b'[')
}

/// Reads until `buffer` is full or the reader ends.
fn fill(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
