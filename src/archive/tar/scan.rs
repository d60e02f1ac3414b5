//! One pass over the headers of a tar, with all that those before an entry say of it.

use super::super::error::ArchiveErrorKind;
use super::header::{self, BLOCK, EntryKind};
use super::records::{Bad, Records, first, once};
use super::sparse::{self, LARGEST_SPARSE, MOST_PIECES, Map, MapForm};
use std::io::{self, ErrorKind};

/// One name (`PATH_MAX` of Linux).
const LONGEST_NAME: u64 = 4096;
/// PAX records of one entry: extended attributes can be there.
const LARGEST_RECORDS: u64 = 1 << 20;
/// The largest size that a header can state in octal digits.
const LARGEST_OCTAL: u64 = 0o777_7777_7777;

/// What an error names before there is an entry.
pub(super) const FIRST: &str = "the first header";

/// What an error says of a tape that ends within an entry.
pub(in super::super) const CUT: &str = "the archive ends there: it was cut short";

/// Where the bytes come from, in order.
pub(super) trait Tape {
    /// Reads until `buffer` is full or the tape ends; gives how much was read.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Passes over the `size` bytes of a file that begins here, at `offset`.
    fn pass(&mut self, offset: u64, size: u64) -> io::Result<()>;
}

/// An entry of a tar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ScannedEntry {
    pub(super) name: String,
    pub(super) what: What,
}

/// What an entry is, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    File(Extent),
    Sparse(Map),
    /// To a name counted from the top.
    HardLink(String),
    /// To a name counted from the folder that it is in.
    SymbolicLink(String),
    Folder,
    /// What is no file to some reader, with what it is.
    Other(&'static str),
}

/// Where a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// A pass over a tape, and where it is.
pub(super) struct Scan<'a, T> {
    tape: &'a mut T,
    at: u64,
    /// For messages.
    entry: String,
    has_end: bool,
}

/// Whether a header is about an entry that follows. Some readers look at it only where it has the mark of its dialect.
const fn speaks_of_others(kind: EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::LongName | EntryKind::LongLink | EntryKind::Records | EntryKind::GlobalRecords
    )
}

impl<'a, T: Tape> Scan<'a, T> {
    pub(super) fn new(tape: &'a mut T) -> Self {
        Self {
            tape,
            at: 0,
            entry: FIRST.to_owned(),
            has_end: false,
        }
    }

    /// Whether the tar had its end.
    pub(super) fn has_end(&self) -> bool {
        self.has_end
    }

    pub(super) fn next(&mut self) -> Result<Option<ScannedEntry>, ArchiveErrorKind> {
        let mut records = None;
        let (mut name, mut link) = (None, None);
        // Whether a header came that speaks of the next entry.
        let mut speaks = false;
        loop {
            let mut block = [0; BLOCK];
            match self.fill(&mut block)? {
                0 if !speaks => return Ok(None),
                BLOCK => {}
                _ => return Err(self.cut()),
            }
            let Some(mut header) = header::parse(&block).map_err(|why| self.damaged(why))? else {
                if speaks {
                    return Err(self.damaged("the header after it speaks of an entry that does not follow"));
                }
                self.end()?;
                return Ok(None);
            };
            speaks |= matches!(
                header.kind,
                EntryKind::LongName | EntryKind::LongLink | EntryKind::Records
            );
            if speaks_of_others(header.kind) && !header::has_dialect(&block) {
                return Err(self.two_ways("is followed by a header about others that is of no dialect of tar"));
            }
            match header.kind {
                EntryKind::LongName => {
                    let text = self.long_text(&header)?;
                    first(&mut name, text).map_err(|bad| self.bad(&bad))?;
                }
                EntryKind::LongLink => {
                    let text = self.long_text(&header)?;
                    first(&mut link, text).map_err(|bad| self.bad(&bad))?;
                }
                // To Go's reader and others it is an entry itself, which takes what was said of the next one.
                EntryKind::GlobalRecords if speaks => {
                    return Err(self.two_ways("is followed by records for all entries, behind a header about one"));
                }
                EntryKind::GlobalRecords => {
                    let content = self.content(&header, LARGEST_RECORDS)?;
                    let mut global = Records::default();
                    global.add(&content).map_err(|bad| self.bad(&bad))?;
                    if global.concern_content() {
                        return Err(self.two_ways("is followed by records that name or measure all entries after it"));
                    }
                }
                EntryKind::Records => {
                    let content = self.content(&header, LARGEST_RECORDS)?;
                    let mut own = Records::default();
                    own.add(&content).map_err(|bad| self.bad(&bad))?;
                    first(&mut records, own).map_err(|bad| self.bad(&bad))?;
                }
                kind => {
                    let mut records = records.unwrap_or_default();
                    self.take_names(&mut header, (name, link), &mut records)?;
                    self.take_size(&mut header, records.size)?;
                    let what = self.what(kind, header.size, &header, &records, &block)?;
                    let name = header.name;
                    return Ok(Some(ScannedEntry { name, what }));
                }
            }
        }
    }

    /// The name and the link's target, of which there may be several forms and only one value.
    fn take_names(
        &mut self,
        header: &mut header::Header,
        (name, link): (Option<String>, Option<String>),
        records: &mut Records,
    ) -> Result<(), ArchiveErrorKind> {
        for (long, record, own) in [
            (name, &mut records.path, &mut header.name),
            (link, &mut records.link, &mut header.link),
        ] {
            let stated = long.clone().or_else(|| record.clone());
            if let Some(long) = long {
                once(record, long).map_err(|bad| self.bad(&bad))?;
            }
            if let Some(stated) = stated {
                *own = stated;
            }
        }
        if let Some(name) = records.sparse.name.take() {
            header.name = name;
        }
        if header.name.len() as u64 > LONGEST_NAME || header.link.len() as u64 > LONGEST_NAME {
            return Err(self.too_long());
        }
        header.name.clone_into(&mut self.entry);
        Ok(())
    }

    /// The size: only what the header cannot state may a record state otherwise.
    fn take_size(&self, header: &mut header::Header, stated: Option<u64>) -> Result<(), ArchiveErrorKind> {
        match stated {
            Some(size) if size != header.size && size <= LARGEST_OCTAL => {
                Err(self.two_ways("has two sizes, one in its header and one in its records"))
            }
            stated => {
                header.size = stated.unwrap_or(header.size);
                Ok(())
            }
        }
    }

    /// What an entry is; passes over its content.
    fn what(
        &mut self,
        kind: EntryKind,
        size: u64,
        header: &header::Header,
        records: &Records,
        block: &[u8; BLOCK],
    ) -> Result<What, ArchiveErrorKind> {
        let is_sparse = records.sparse.form().map_err(|bad| self.bad(&bad))?;
        let is_folder = header.name.ends_with('/');
        let what = match (kind, is_sparse) {
            (EntryKind::File, Some(form)) if !is_folder => return self.with_holes(form, size, records),
            (EntryKind::Sparse, None) if !is_folder => return self.with_old_holes(size, block),
            (_, Some(_)) | (EntryKind::Sparse, None) => return Err(self.damaged("it has holes and is not a file")),
            (EntryKind::File | EntryKind::Contiguous, None) if is_folder => {
                if size > 0 {
                    return Err(self.two_ways("has content, and a name that ends with `/`"));
                }
                What::Folder
            }
            (EntryKind::File, None) => What::File(Extent { offset: self.at, size }),
            (EntryKind::Contiguous, None) => What::Other("is a contiguous file, which `docker load` does not read"),
            (EntryKind::Label, None) if size == 0 => What::Other("is the name of the volume"),
            (EntryKind::Unknown, None) if size == 0 => What::Other("is of an unknown type"),
            (EntryKind::Label | EntryKind::Unknown, None) => {
                return Err(self.two_ways("is of an unknown type and states a size"));
            }
            (kind, None) if size > 0 && kind != EntryKind::Dump => {
                return Err(self.two_ways("is not a file and states a size"));
            }
            (EntryKind::HardLink, None) => What::HardLink(header.link.clone()),
            (EntryKind::SymbolicLink, None) => What::SymbolicLink(header.link.clone()),
            (EntryKind::Special, None) => What::Other("is a device or a pipe"),
            // Every reader passes over what a dump holds. The headers that speak of others do not come here.
            (
                EntryKind::Folder
                | EntryKind::Dump
                | EntryKind::LongName
                | EntryKind::LongLink
                | EntryKind::Records
                | EntryKind::GlobalRecords,
                None,
            ) => What::Folder,
        };
        self.pass(size)?;
        Ok(what)
    }

    /// A file with holes whose map is in PAX records or before its data.
    fn with_holes(&mut self, form: MapForm, size: u64, records: &Records) -> Result<What, ArchiveErrorKind> {
        let real = records.sparse.size.ok_or_else(|| self.bad(&Bad::Unreadable))?;
        let mut before = 0;
        let numbers = match form {
            MapForm::Records => records.sparse.map.clone(),
            MapForm::Data => {
                let read = sparse::of_data(|| {
                    before += BLOCK as u64;
                    if before > size {
                        return Err(self.damaged("its map of holes has no end"));
                    }
                    self.block()
                })?;
                read.ok_or_else(|| self.damaged("its map of holes cannot be read"))?
            }
        };
        let (offset, stored) = (self.at, size - before);
        self.pass(stored)?;
        self.sparse(offset, stored, real, &numbers)
    }

    /// A file with holes whose map is in its header, and in blocks behind it.
    fn with_old_holes(&mut self, size: u64, block: &[u8; BLOCK]) -> Result<What, ArchiveErrorKind> {
        const BAD: &str = "its map of holes cannot be read";
        let (real, mut numbers, mut goes_on) = sparse::of_header(block).ok_or_else(|| self.damaged(BAD))?;
        while goes_on {
            let (more, again) = sparse::of_block(&self.block()?).ok_or_else(|| self.damaged(BAD))?;
            // An empty block would follow an empty one without end.
            if more.is_empty() || numbers.len() > 2 * MOST_PIECES {
                return Err(self.damaged(BAD));
            }
            numbers.extend(more);
            goes_on = again;
        }
        let offset = self.at;
        self.pass(size)?;
        self.sparse(offset, size, real, &numbers)
    }

    fn sparse(&self, offset: u64, stored: u64, size: u64, numbers: &[u64]) -> Result<What, ArchiveErrorKind> {
        if size > LARGEST_SPARSE {
            return Err(ArchiveErrorKind::TooLarge {
                entry: format!("the size of {} with its holes", self.entry),
                largest: LARGEST_SPARSE,
            });
        }
        let map = Map::new(offset, stored, size, numbers);
        map.map(What::Sparse)
            .ok_or_else(|| self.damaged("its map of holes does not fit what is stored"))
    }

    /// What follows the block of zeros that may be the first of the two that end a tar.
    fn end(&mut self) -> Result<(), ArchiveErrorKind> {
        let mut block = [0; BLOCK];
        let read = self.fill(&mut block)?;
        if block[..read].iter().any(|b| *b != 0) {
            return Err(self.two_ways("is followed by a single block of zeros and then by more"));
        }
        self.has_end = true;
        Ok(())
    }

    fn block(&mut self) -> Result<[u8; BLOCK], ArchiveErrorKind> {
        let mut block = [0; BLOCK];
        match self.fill(&mut block)? {
            BLOCK => Ok(block),
            _ => Err(self.cut()),
        }
    }

    fn long_text(&mut self, header: &header::Header) -> Result<String, ArchiveErrorKind> {
        let mut bytes = self.content(header, LONGEST_NAME + 1)?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        if bytes[end..].iter().any(|b| *b != 0) {
            return Err(self.two_ways("is followed by a long name with more behind its end"));
        }
        bytes.truncate(end);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The content of a header that speaks of the next one.
    fn content(&mut self, header: &header::Header, largest: u64) -> Result<Vec<u8>, ArchiveErrorKind> {
        if header.size > largest {
            return Err(self.too_long());
        }
        // Below 2 MiB, as checked.
        let size = usize::try_from(header.size).map_err(|_| self.too_long())?;
        let mut bytes = vec![0; size.next_multiple_of(BLOCK)];
        if self.fill(&mut bytes)? < bytes.len() {
            return Err(self.cut());
        }
        bytes.truncate(size);
        Ok(bytes)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveErrorKind> {
        let read = self.tape.fill(buffer).map_err(|error| self.failed(&error))?;
        self.at += read as u64;
        Ok(read)
    }

    fn pass(&mut self, size: u64) -> Result<(), ArchiveErrorKind> {
        let padded = header::padded(size).filter(|padded| self.at.checked_add(*padded).is_some());
        let padded = padded.ok_or_else(|| self.cut())?;
        self.tape.pass(self.at, size).map_err(|error| self.failed(&error))?;
        self.at += size;
        // A last file whose padding was cut is whole.
        let mut padding = [0; BLOCK];
        let length = usize::try_from(padded - size).unwrap_or(0);
        self.fill(&mut padding[..length])?;
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> ArchiveErrorKind {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.cut(),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                ArchiveErrorKind::damaged(&*self.entry, "its gzip stream cannot be read")
            }
            _ => ArchiveErrorKind::Unreadable(error.to_string()),
        }
    }

    fn bad(&self, bad: &Bad) -> ArchiveErrorKind {
        match bad {
            Bad::Unreadable => self.damaged("its PAX records cannot be read"),
            Bad::Twice => self.two_ways("is followed by headers that say two things of the next entry"),
        }
    }

    fn damaged(&self, why: &'static str) -> ArchiveErrorKind {
        ArchiveErrorKind::damaged(&*self.entry, why)
    }

    fn two_ways(&self, why: &'static str) -> ArchiveErrorKind {
        let entry = self.entry.clone();
        ArchiveErrorKind::TwoWays { entry, why }
    }

    fn cut(&self) -> ArchiveErrorKind {
        self.damaged(CUT)
    }

    fn too_long(&self) -> ArchiveErrorKind {
        ArchiveErrorKind::TooLarge {
            entry: format!("the header after {}", self.entry),
            largest: LARGEST_RECORDS,
        }
    }
}
