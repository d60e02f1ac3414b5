//! What holds for every tar: whatever is read here under a name, a reader that is not ours finds under it too, and nothing else.

#![allow(
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "a panic is the answer, to a fuzz target"
)]

use super::index::{FoundFile, TarIndex, normalised};
use super::scan::Tape;
use std::io::{self, ErrorKind, Read as _};

/// A tar in memory.
pub(super) struct Memory<'a>(pub(super) &'a [u8]);

impl Tape for Memory<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len() as u64;
        (&mut self.0).take(length).read(buffer)
    }

    fn pass(&mut self, _: u64, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        self.0 = self.0.get(size..).ok_or(ErrorKind::UnexpectedEof)?;
        Ok(())
    }
}

/// The tar crate reads as we do, or nothing. Checksums are put right first: few inputs would come further.
pub fn tar(bytes: &[u8]) {
    agrees(&crate::archive::properties::with_checksums(bytes.to_vec()));
}

/// Whether the tar crate sees the same file under each name, and no other.
pub(super) fn agrees(bytes: &[u8]) {
    let Ok(index) = TarIndex::scan(&mut Memory(bytes)) else {
        return;
    };
    for name in index.names_of_files() {
        let extents = match index.find(name) {
            Ok(Some(FoundFile::Whole(extent))) => vec![extent],
            Ok(Some(FoundFile::Copies(extents))) => extents,
            _ => continue,
        };
        let ours = extents.iter().map(|extent| {
            let start = usize::try_from(extent.offset).ok()?;
            let size = usize::try_from(extent.size).ok()?;
            bytes.get(start..start.checked_add(size)?).map(<[u8]>::to_vec)
        });
        // What ends before its end is found out when it is read.
        let Some(ours) = ours.collect::<Option<Vec<_>>>() else {
            continue;
        };
        // Where it refuses the archive nobody sees another image in it.
        if let Some(theirs) = of_tar_crate(bytes, name) {
            assert_eq!(theirs, ours, "{name:?}");
        }
    }
}

/// What the tar crate sees under a name, first and last.
fn of_tar_crate(bytes: &[u8], name: &str) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        // It takes the zeros behind a long name for part of it.
        let path = String::from_utf8_lossy(&entry.path_bytes())
            .trim_end_matches('\0')
            .to_owned();
        if entry.header().entry_type().is_file() && normalised("", &path).as_deref() == Some(name) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).ok()?;
            found.push(content);
        }
    }
    Some(found)
}
