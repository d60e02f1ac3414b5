//! What a tar holds and where: one pass over its headers. Nothing is extracted; a name or link that leads out of the
//! archive refuses it whole.

use super::error::Problem;
use super::tar_header::{self, BLOCK, Header, Kind};
use std::collections::HashMap;
use std::io::{self, ErrorKind};

/// Images have a few entries a layer; somebody who sends more wants our memory.
const MOST_ENTRIES: u64 = 200_000;
/// All names together, in bytes.
const MOST_NAMES: usize = 16 << 20;
/// One name (`PATH_MAX` of Linux).
const LONGEST_NAME: u64 = 4096;
/// PAX records of one entry: extended attributes can be there.
const LARGEST_RECORDS: u64 = 1 << 20;
/// A link to a link to a link …
const MOST_HOPS: usize = 16;

/// What an error names before there is an entry.
pub(super) const FIRST: &str = "the first header";

/// What an error says of a tape that ends within an entry.
pub(super) const CUT: &str = "the archive ends there: it was cut short";

/// Where the bytes come from, in order.
pub(super) trait Tape {
    /// Reads until `buffer` is full or the tape ends; gives how much was read.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Passes over the `size` bytes of a file that begins here, at `offset`.
    fn pass(&mut self, offset: u64, size: u64) -> io::Result<()>;
}

/// The entries of a tar by name.
#[derive(Debug, Default)]
pub(super) struct TarIndex {
    entries: HashMap<String, Entry>,
    has_end: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    File(Extent),
    /// To a name in the archive.
    Link(String),
    Folder,
}

/// Where a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl TarIndex {
    /// Reads all headers of a tape. Of entries with the same name the last counts, as with `tar -x`.
    pub(super) fn scan(tape: &mut impl Tape) -> Result<Self, Problem> {
        let mut scan = Scan {
            tape,
            at: 0,
            entry: FIRST.to_owned(),
        };
        let mut index = Self::default();
        let (mut count, mut names) = (0, 0);
        while let Some((header, offset)) = scan.next(&mut index.has_end)? {
            count += 1;
            names += header.name.len() + header.link.len();
            if count > MOST_ENTRIES || names > MOST_NAMES {
                return Err(Problem::TooLarge {
                    entry: "the number of entries".to_owned(),
                    largest: MOST_ENTRIES,
                });
            }
            let hostile = |why| Problem::Hostile {
                entry: header.name.clone(),
                why,
            };
            let name = normalised("", &header.name, false).ok_or_else(|| hostile("lies outside of the archive"))?;
            let link = |folder: &str, may_climb| {
                normalised(folder, &header.link, may_climb).ok_or_else(|| hostile("is a link out of the archive"))
            };
            let entry = match header.kind {
                Kind::Sparse => return Err(Problem::damaged(name, "a file with holes is not read")),
                Kind::File => Entry::File(Extent {
                    offset,
                    size: header.size,
                }),
                Kind::HardLink => Entry::Link(link("", false)?),
                Kind::SymbolicLink => Entry::Link(link(name.rsplit_once('/').map_or("", |(folder, _)| folder), true)?),
                _ => Entry::Folder,
            };
            index.entries.insert(name, entry);
        }
        Ok(index)
    }

    /// The file of this name, through links; `None` if there is no entry of the name.
    pub(super) fn find(&self, name: &str) -> Result<Option<Extent>, Problem> {
        let Some(mut name) = normalised("", name, false) else {
            return Err(Problem::Hostile {
                entry: name.to_owned(),
                why: "lies outside of the archive",
            });
        };
        for hop in 0..MOST_HOPS {
            match self.entries.get(&name) {
                Some(Entry::File(extent)) => return Ok(Some(*extent)),
                Some(Entry::Link(target)) => target.clone_into(&mut name),
                Some(Entry::Folder) => return Err(Problem::damaged(name, "it is no file")),
                None if hop == 0 => return Ok(None),
                None => return Err(self.missing(&name)),
            }
        }
        Err(Problem::damaged(name, "links lead to links without end"))
    }

    /// That an entry is not there, and whether the archive was cut.
    pub(super) fn missing(&self, name: &str) -> Problem {
        Problem::Missing {
            entry: name.to_owned(),
            cut: !self.has_end,
        }
    }
}

/// A pass over a tape, and where it is.
struct Scan<'a, T> {
    tape: &'a mut T,
    at: u64,
    entry: String,
}

impl<T: Tape> Scan<'_, T> {
    /// The next entry with all that the headers before it say of it, and the offset of its content.
    fn next(&mut self, has_end: &mut bool) -> Result<Option<(Header, u64)>, Problem> {
        let (mut name, mut link, mut size) = (None, None, None);
        let mut is_sparse = false;
        loop {
            let mut block = [0; BLOCK];
            match self.fill(&mut block)? {
                0 if name.is_none() && link.is_none() && size.is_none() => return Ok(None),
                BLOCK => {}
                _ => return Err(self.cut()),
            }
            let parsed = tar_header::parse(&block).map_err(|why| Problem::damaged(&*self.entry, why))?;
            let Some(mut header) = parsed else {
                *has_end = true;
                return Ok(None);
            };
            match header.kind {
                Kind::LongName => name = Some(self.long_text(&header)?),
                Kind::LongLink => link = Some(self.long_text(&header)?),
                Kind::GlobalRecords => {
                    self.content(&header, LARGEST_RECORDS)?;
                }
                Kind::Records => {
                    let records = self.content(&header, LARGEST_RECORDS)?;
                    let records =
                        tar_header::parse_records(&records).map_err(|why| Problem::damaged(&*self.entry, why))?;
                    name = records.path.or(name);
                    link = records.link.or(link);
                    size = records.size.or(size);
                    is_sparse |= records.sparse;
                }
                kind => {
                    header.name = name.unwrap_or(header.name);
                    header.link = link.unwrap_or(header.link);
                    if header.name.len() as u64 > LONGEST_NAME || header.link.len() as u64 > LONGEST_NAME {
                        return Err(self.too_long());
                    }
                    if kind == Kind::File {
                        header.size = size.unwrap_or(header.size);
                    }
                    if is_sparse {
                        header.kind = Kind::Sparse;
                    }
                    header.name.clone_into(&mut self.entry);
                    let offset = self.at;
                    self.pass(header.size)?;
                    return Ok(Some((header, offset)));
                }
            }
        }
    }

    fn long_text(&mut self, header: &Header) -> Result<String, Problem> {
        let mut bytes = self.content(header, LONGEST_NAME + 1)?;
        bytes.truncate(bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len()));
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The content of a header that speaks of the next one.
    fn content(&mut self, header: &Header, largest: u64) -> Result<Vec<u8>, Problem> {
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

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
        let read = self.tape.fill(buffer).map_err(|error| self.failed(&error))?;
        self.at += read as u64;
        Ok(read)
    }

    fn pass(&mut self, size: u64) -> Result<(), Problem> {
        let padded = tar_header::padded(size).filter(|padded| self.at.checked_add(*padded).is_some());
        let padded = padded.ok_or_else(|| self.cut())?;
        self.tape.pass(self.at, size).map_err(|error| self.failed(&error))?;
        self.at += size;
        // A last file whose padding was cut is whole.
        let mut padding = [0; BLOCK];
        let length = usize::try_from(padded - size).unwrap_or(0);
        self.fill(&mut padding[..length])?;
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> Problem {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.cut(),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                Problem::damaged(&*self.entry, "its gzip stream cannot be read")
            }
            _ => Problem::Unreadable(error.to_string()),
        }
    }

    fn cut(&self) -> Problem {
        Problem::damaged(&*self.entry, CUT)
    }

    fn too_long(&self) -> Problem {
        Problem::TooLarge {
            entry: format!("the header after `{}`", self.entry),
            largest: LARGEST_RECORDS,
        }
    }
}

/// A name below `folder` without `.` and empty parts; `None` if it is absolute or leads out of the archive, and for any
/// `..` if it may not climb.
fn normalised(folder: &str, name: &str, may_climb: bool) -> Option<String> {
    if name.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." if may_climb => {
                parts.pop()?;
            }
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
