//! A part of a file that holds one blob: read and written at any offset, by several at a time. With all sizes known
//! beforehand a tar is written as parallel as a folder.

use crate::names::digest_of;
use crate::names::{Algorithm, Digest};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// So many bytes of a file from an offset on.
#[derive(Debug, Clone)]
pub struct Region {
    file: Arc<File>,
    offset: u64,
    size: u64,
}

impl Region {
    /// `size` bytes of `file` from `offset` on.
    #[must_use]
    pub fn new(file: Arc<File>, offset: u64, size: u64) -> Self {
        Self { file, offset, size }
    }

    /// The part of it from `at` on.
    pub(super) fn part(&self, at: u64, size: u64) -> Self {
        Self {
            file: Arc::clone(&self.file),
            offset: self.offset.saturating_add(at),
            size,
        }
    }

    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads from `at` (counted from the region's begin); 0 only at the region's end or for an empty buffer.
    ///
    /// # Errors
    /// The system's, or `UnexpectedEof` where the file is shorter than the region.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let left = self.size.saturating_sub(at);
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if length == 0 {
            return Ok(0);
        }
        loop {
            match self.file.read_at(&mut buffer[..length], self.place(at)?) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Writes all of `bytes` at `at` (counted from the region's begin).
    ///
    /// # Errors
    /// The system's, or `InvalidInput` where the bytes do not lie within the region; then nothing is written.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let end = u64::try_from(bytes.len())
            .ok()
            .and_then(|length| at.checked_add(length));
        if end.is_none_or(|end| end > self.size) {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "more bytes came than the blob has",
            ));
        }
        self.file.write_all_at(bytes, self.place(at)?)
    }

    /// Reads all of it in order.
    #[must_use]
    pub fn reader(&self) -> RegionReader {
        self.reader_from(0)
    }

    /// Reads in order from `at` (counted from the region's begin).
    #[must_use]
    pub fn reader_from(&self, at: u64) -> RegionReader {
        RegionReader {
            region: self.clone(),
            at,
        }
    }

    /// The digest of all of it. It reads the whole region, which blocks.
    ///
    /// # Errors
    /// The system's, or `UnexpectedEof` where the file is shorter than the region.
    pub fn digest(&self, algorithm: Algorithm) -> io::Result<Digest> {
        digest_of(self.reader(), algorithm)
    }

    fn place(&self, at: u64) -> io::Result<u64> {
        self.offset
            .checked_add(at)
            .ok_or_else(|| ErrorKind::InvalidInput.into())
    }
}

/// Reads a [`Region`] in order; others may read it at the same time.
#[derive(Debug, Clone)]
pub struct RegionReader {
    region: Region,
    at: u64,
}

impl Read for RegionReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.region.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> Arc<File> {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        Arc::new(file)
    }

    #[test]
    fn a_region_is_all_that_is_read_and_written() {
        let file = file(b"beforeBLOBafter");
        let region = Region::new(Arc::clone(&file), 6, 4);
        let all = |region: &Region| io::read_to_string(region.reader()).unwrap();
        assert_eq!((all(&region).as_str(), region.size()), ("BLOB", 4));
        assert_eq!(io::read_to_string(region.reader_from(3)).unwrap(), "B");
        assert_eq!(io::read_to_string(region.reader_from(9)).unwrap(), "");
        region.write_at(b"xy", 1).unwrap();
        region.write_at(b"", 4).unwrap();
        for (bytes, at) in [(&b"12345"[..], 0), (b"1", 4), (b"1", u64::MAX)] {
            let error = region.write_at(bytes, at).expect_err("outside");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(all(&Region::new(file, 0, 15)), "beforeBxyBafter");
    }

    #[test]
    fn a_file_that_is_too_short_is_no_end() {
        let region = Region::new(file(b"short"), 2, 9);
        let error = io::read_to_string(region.reader()).expect_err("too short");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let error = Region::new(file(b""), u64::MAX, 9)
            .read_at(&mut [0], 1)
            .expect_err("overflow");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
