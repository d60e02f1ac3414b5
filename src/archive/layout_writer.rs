//! Writes an OCI layout into a folder, or adds to one that is there. Blobs get their name when they are whole; the
//! `index.json` is replaced last, so that what it names is always there.

use super::error::{ArchiveError, ArchiveErrorKind};
use super::folder::Folder;
use super::layout::{INDEX, blob_name};
use super::layout_index::{LayoutIndex, MARKER};
use super::location::Transport;
use super::region::Region;
use super::source::{BlobSource, Store as _};
use super::writer::{ArchiveContents, Slot};
use crate::files::{Part, check_writable, remove_abandoned, shown};
use crate::names::Digest;
use crate::registry::manifest::LARGEST;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A layout that is being written.
#[derive(Debug)]
pub(super) struct LayoutWriter {
    path: PathBuf,
    folder: Folder,
    made: Vec<PathBuf>,
    manifests: Vec<(Digest, Bytes)>,
    index: LayoutIndex,
    /// What the index no longer names, in words.
    replaced: Vec<String>,
    blobs: Mutex<HashMap<Digest, BlobFile>>,
    is_finished: bool,
}

#[derive(Debug)]
struct BlobFile {
    size: u64,
    state: BlobState,
}

#[derive(Debug)]
enum BlobState {
    /// Nobody asked yet.
    Unknown,
    /// What is there has other bytes.
    Wrong,
    /// Being filled.
    Part(Part, Region),
    /// In its place.
    Whole,
}

impl LayoutWriter {
    pub(super) fn create(path: &Path, contents: &ArchiveContents<'_>) -> Result<Self, ArchiveError> {
        if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
            check_writable(&path.join(INDEX).into()).map_err(|error| ArchiveErrorKind::Output(error).of(path))?;
        }
        let mut made = Vec::new();
        for digest in contents.digests() {
            let file = path.join(blob_name(digest));
            let folder = file.parent().unwrap_or(path);
            make_folders(folder, &mut made).map_err(|error| ArchiveErrorKind::writing(folder, &error).of(path))?;
        }
        make_folders(path, &mut made).map_err(|error| ArchiveErrorKind::writing(path, &error).of(path))?;
        let folder = Folder::open(path)?;
        for file in contents.digests().map(|digest| path.join(blob_name(digest))) {
            folder.check_holds(file.parent().unwrap_or(path))?;
        }
        // What killed runs left; those of version 0.1.0 left it beside the blobs.
        let files = contents.digests().map(|digest| path.join(blob_name(digest)));
        let folders: HashSet<PathBuf> = files.filter_map(|file| Some(file.parent()?.to_owned())).collect();
        for folder in folders.iter().map(PathBuf::as_path).chain([path]) {
            remove_abandoned(folder, |_| true);
        }
        // Another user's folder is told now, and not by the first blob that would go there.
        for folder in folders.iter().filter(|folder| !made.contains(folder)) {
            check_writable(&folder.join("blob").into()).map_err(|error| ArchiveErrorKind::Output(error).of(path))?;
        }
        let mut index = match folder.document(INDEX, LARGEST)? {
            Some(bytes) => LayoutIndex::parse(&bytes).map_err(|why| ArchiveErrorKind::damaged(INDEX, why).of(path))?,
            None => LayoutIndex::new(),
        };
        let mut replaced = Vec::new();
        for image in contents.images {
            for (other, name) in index.add(image, Transport::Oci) {
                let (other, now) = (other.short(), image.root.digest.short());
                replaced.push(format!("{other} had the name `{name}`, which {now} has now"));
            }
        }
        let manifests = contents.manifests.iter();
        let blobs = contents.blobs.iter().map(|(digest, size)| {
            let state = BlobState::Unknown;
            (digest.clone(), BlobFile { size: *size, state })
        });
        Ok(Self {
            path: path.to_owned(),
            folder,
            made,
            manifests: manifests
                .map(|manifest| (manifest.digest.clone(), manifest.bytes.clone()))
                .collect(),
            index,
            replaced,
            blobs: Mutex::new(blobs.collect()),
            is_finished: false,
        })
    }

    pub(super) fn blob(&self, digest: &Digest) -> Result<Slot, ArchiveError> {
        let mut blobs = self.lock();
        let blob = blobs
            .get_mut(digest)
            .ok_or_else(|| self.folder.missing(&blob_name(digest)))?;
        if let BlobState::Part(_, region) = &blob.state {
            return Ok(Slot::Fill(region.clone()));
        }
        if !matches!(blob.state, BlobState::Wrong)
            && let Some(BlobSource::Region(region)) = self.folder.find(&blob_name(digest))?
            && region.size() == blob.size
        {
            blob.state = BlobState::Whole;
            return Ok(Slot::Present(region));
        }
        let path = self.path.join(blob_name(digest));
        let writing = |error: &io::Error| ArchiveErrorKind::writing(&path, error).of(&self.path);
        // Nowhere below `blobs/`: `umoci gc` takes every file there for a blob.
        let part = Part::create_in(&self.path, &path, 0o644).map_err(|error| writing(&error))?;
        part.file().set_len(blob.size).map_err(|error| writing(&error))?;
        let region = Region::new(Arc::clone(part.file()), 0, blob.size);
        blob.state = BlobState::Part(part, region.clone());
        Ok(Slot::Fill(region))
    }

    pub(super) fn distrust(&self, digest: &Digest) {
        if let Some(blob) = self.lock().get_mut(digest)
            && matches!(blob.state, BlobState::Whole)
        {
            blob.state = BlobState::Wrong;
        }
    }

    pub(super) fn seal(&self, digest: &Digest) -> Result<(), ArchiveError> {
        let mut blobs = self.lock();
        let Some(blob) = blobs.get_mut(digest) else {
            return Err(self.folder.missing(&blob_name(digest)));
        };
        if let BlobState::Part(part, _) = &mut blob.state {
            let writing = |error| ArchiveErrorKind::writing(&self.path.join(blob_name(digest)), &error).of(&self.path);
            part.put_in_place().map_err(writing)?;
            blob.state = BlobState::Whole;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), ArchiveError> {
        let unsealed = self
            .lock()
            .iter()
            .find(|(_, blob)| !matches!(blob.state, BlobState::Whole))
            .map(|(digest, _)| digest.clone());
        if let Some(digest) = unsealed {
            return Err(self.folder.missing(&blob_name(&digest)));
        }
        for (digest, bytes) in &self.manifests {
            self.replace(&blob_name(digest), bytes)?;
        }
        if self.folder.find("oci-layout")?.is_none() {
            self.replace("oci-layout", MARKER)?;
        }
        self.replace(INDEX, &self.index.bytes())?;
        self.is_finished = true;
        for replaced in &self.replaced {
            tracing::info!("`{}:{}`: {replaced}", Transport::Oci, shown(&self.path));
        }
        Ok(())
    }

    /// Puts a file in place at once. It is not synced: a layout outlives its step, not a loss of power.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let path = self.path.join(name);
        Part::create_in(&self.path, &path, 0o644)
            .and_then(|mut part| {
                part.file().write_all_at(bytes, 0)?;
                part.put_in_place()
            })
            .map_err(|error| ArchiveErrorKind::writing(&path, &error).of(&self.path))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, BlobFile>> {
        // A panic elsewhere leaves no half-changed state behind: each change is one assignment.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LayoutWriter {
    fn drop(&mut self) {
        // What is not whole goes first, so that the folders are empty.
        self.lock().clear();
        if !self.is_finished {
            // Only those go that hold nothing. Nothing better can be done with what cannot be removed.
            for folder in self.made.iter().rev() {
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

/// Makes a folder and those above it; adds the new ones to `made`. They are 0755, whatever the umask is: the step is
/// another user than the pipe.
fn make_folders(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let new: Vec<&Path> = folder
        .ancestors()
        .take_while(|place| !place.as_os_str().is_empty() && fs::symlink_metadata(place).is_err())
        .collect();
    for place in new.into_iter().rev() {
        fs::create_dir(place)?;
        made.push(place.to_owned());
        fs::set_permissions(place, Permissions::from_mode(0o755))?;
    }
    if fs::metadata(folder)?.is_dir() {
        Ok(())
    } else {
        Err(ErrorKind::NotADirectory.into())
    }
}
