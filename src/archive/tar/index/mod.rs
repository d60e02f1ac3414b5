//! What a tar holds, by name. Entries are judged when they are used: one that nobody reads does no harm.

use super::super::error::ArchiveErrorKind;
use super::scan::{Extent, Scan, ScannedEntry, Tape, What};
use super::sparse::Map;
use std::collections::HashMap;

/// Images have a few entries a layer; somebody who sends more wants our memory.
const MOST_ENTRIES: u64 = if cfg!(test) { 2000 } else { 200_000 };
/// All names together, in bytes.
const MOST_NAMES: usize = 16 << 20;
/// A link to a link to a link …
const MOST_HOPS: usize = 16;
/// So often a document may be there: each is read for it.
const MOST_COPIES: usize = 100;
/// What lies at the top of a file system.
const AT_TOP: [&str; 8] = ["bin", "dev", "etc", "lib", "proc", "sys", "usr", "var"];

/// The entries of a tar by name.
#[derive(Debug, Default)]
pub(super) struct TarIndex {
    entries: HashMap<String, TarEntry>,
    has_end: bool,
}

#[derive(Debug, Clone)]
struct TarEntry {
    what: EntryPlace,
    /// Entries of the same name that came before.
    others: Vec<EntryPlace>,
}

/// Where a used entry is.
#[derive(Debug, Clone)]
enum EntryPlace {
    File(FoundFile),
    /// To a name in the archive; `None` where it leads out.
    Link(Option<String>),
    Folder,
    Other(&'static str),
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundFile {
    Whole(Extent),
    Sparse(Map),
    /// Several entries of one size, in order: one file to every reader if their bytes are the same.
    Copies(Vec<Extent>),
}

impl TarIndex {
    /// Reads all headers of a tape.
    pub(super) fn scan(tape: &mut impl Tape) -> Result<Self, ArchiveErrorKind> {
        let mut scan = Scan::new(tape);
        let mut index = Self::default();
        let (mut count, mut names) = (0, 0);
        while let Some(item) = scan.next()? {
            count += 1;
            names += item.name.len() + item.link().len();
            if count > MOST_ENTRIES || names > MOST_NAMES {
                // That many are in no archive of images; an exported container may have them.
                if index.is_file_system() {
                    index.has_end = true;
                    return Ok(index);
                }
                return Err(ArchiveErrorKind::TooLarge {
                    entry: "the number of entries".to_owned(),
                    largest: MOST_ENTRIES,
                });
            }
            index.add(item);
        }
        index.has_end = scan.has_end();
        Ok(index)
    }

    /// The file of this name, through links; `None` if there is no entry of the name.
    pub(super) fn find(&self, name: &str) -> Result<Option<FoundFile>, ArchiveErrorKind> {
        let outside = || ArchiveErrorKind::Hostile {
            entry: name.to_owned(),
            why: "lies outside of the archive",
        };
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(outside());
        }
        let mut name = normalised("", name).ok_or_else(outside)?;
        for hop in 0..MOST_HOPS {
            self.check_above(&name)?;
            let Some(entry) = self.entries.get(&name) else {
                return if hop == 0 { Ok(None) } else { Err(self.missing(&name)) };
            };
            if !entry.others.is_empty() {
                let copies = entry.copies().map(FoundFile::Copies);
                return copies.ok_or_else(|| twice(&name)).map(Some);
            }
            match &entry.what {
                EntryPlace::File(found) => return Ok(Some(found.clone())),
                EntryPlace::Link(Some(target)) => target.clone_into(&mut name),
                EntryPlace::Link(None) => {
                    let why = "is a link out of the archive";
                    return Err(ArchiveErrorKind::Hostile { entry: name, why });
                }
                EntryPlace::Folder => return Err(ArchiveErrorKind::damaged(name, "it is not a file")),
                EntryPlace::Other(why) => return Err(ArchiveErrorKind::TwoWays { entry: name, why }),
            }
        }
        Err(ArchiveErrorKind::damaged(name, "links lead to links without end"))
    }

    /// That an entry is not there, and whether the archive was cut.
    pub(super) fn missing(&self, name: &str) -> ArchiveErrorKind {
        ArchiveErrorKind::Missing {
            entry: name.to_owned(),
            cut: !self.has_end,
        }
    }

    /// Whether there is an entry of a name.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The names of files that no link leads to.
    #[cfg(any(test, fuzzing))]
    pub(super) fn names_of_files(&self) -> impl Iterator<Item = &str> {
        let files = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.what, EntryPlace::File(_)));
        files.map(|(name, _)| name.as_str())
    }

    /// Whether it holds a file system, as `docker export` writes it, and no image.
    pub(super) fn is_file_system(&self) -> bool {
        let is_image = ["manifest.json", "index.json", "repositories", "oci-layout"];
        let top = |name: &String| name.split('/').next().unwrap_or_default().to_owned();
        let tops: std::collections::HashSet<String> = self.entries.keys().map(top).collect();
        !is_image.iter().any(|name| tops.contains(*name))
            && AT_TOP.iter().filter(|name| tops.contains(**name)).count() >= 2
    }

    fn add(&mut self, item: ScannedEntry) {
        // What leads out by its name can never be meant.
        let Some(name) = normalised("", &item.name) else {
            return;
        };
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let what = match item.what {
            What::File(extent) => EntryPlace::File(FoundFile::Whole(extent)),
            What::Sparse(map) => EntryPlace::File(FoundFile::Sparse(map)),
            What::HardLink(target) => EntryPlace::Link(normalised("", &target)),
            What::SymbolicLink(target) if target.starts_with('/') => EntryPlace::Link(None),
            What::SymbolicLink(target) => EntryPlace::Link(normalised(folder, &target)),
            What::Folder => EntryPlace::Folder,
            What::Other(why) => EntryPlace::Other(why),
        };
        match self.entries.get_mut(&name) {
            None => {
                let others = Vec::new();
                self.entries.insert(name, TarEntry { what, others });
            }
            Some(before) if matches!((&before.what, &what), (EntryPlace::Folder, EntryPlace::Folder)) => {}
            Some(before) => before.others.push(std::mem::replace(&mut before.what, what)),
        }
    }

    /// That each folder above a name is one to every reader.
    fn check_above(&self, name: &str) -> Result<(), ArchiveErrorKind> {
        let above = name.match_indices('/').map(|(at, _)| &name[..at]);
        for folder in above {
            if self
                .entries
                .get(folder)
                .is_some_and(|entry| !entry.others.is_empty() || !matches!(entry.what, EntryPlace::Folder))
            {
                let (entry, why) = (name.to_owned(), "lies below an entry that is not a folder");
                return Err(ArchiveErrorKind::TwoWays { entry, why });
            }
        }
        Ok(())
    }
}

impl TarEntry {
    /// Where its bytes are, if all entries of its name are files of one size.
    fn copies(&self) -> Option<Vec<Extent>> {
        let all = self.others.iter().chain([&self.what]);
        let extents = all.map(|what| match what {
            EntryPlace::File(FoundFile::Whole(extent)) => Some(*extent),
            _ => None,
        });
        let extents: Vec<Extent> = extents.collect::<Option<_>>()?;
        let is_one_size = extents.iter().all(|extent| extent.size == extents[0].size);
        (is_one_size && extents.len() <= MOST_COPIES).then_some(extents)
    }
}

/// That entries of one name are not one file.
pub(super) fn twice(name: &str) -> ArchiveErrorKind {
    ArchiveErrorKind::TwoWays {
        entry: name.to_owned(),
        why: "is there twice",
    }
}

impl ScannedEntry {
    fn link(&self) -> &str {
        match &self.what {
            What::HardLink(target) | What::SymbolicLink(target) => target,
            _ => "",
        }
    }
}

/// A name below `folder`, as `tar --extract` and Docker take it: without `.`, `..` and empty parts, and from the top where
/// it begins with `/`; `None` if it leads out of the archive.
pub(super) fn normalised(folder: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
