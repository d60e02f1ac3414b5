//! A folder as a [`Store`]: whatever links there are in it, no file outside of it is read but one that has the digest of the
//! blob whose name led there.

use super::error::{ArchiveError, ArchiveErrorKind};
use super::layout::blob_digest;
use super::location::Transport;
use super::region::Region;
use super::source::{BlobSource, Linked, Store};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder that was there when it was opened.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    real: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let reading = |error: &io::Error| ArchiveErrorKind::reading(path, error).of(path);
        let real = fs::canonicalize(path).map_err(|error| reading(&error))?;
        if !fs::metadata(&real).map_err(|error| reading(&error))?.is_dir() {
            return Err(ArchiveErrorKind::NotOfKind {
                transport: Transport::Oci,
                why: "it is a file",
                instead: Some(Transport::OciArchive),
            }
            .of(path));
        }
        Ok(Self {
            path: path.to_owned(),
            real,
        })
    }

    /// That a folder lies within it, whatever links lead there.
    pub(super) fn check_holds(&self, folder: &Path) -> Result<(), ArchiveError> {
        let real = fs::canonicalize(folder).map_err(|error| ArchiveErrorKind::reading(folder, &error).of(folder))?;
        if real.starts_with(&self.real) {
            return Ok(());
        }
        let entry = folder.display().to_string();
        let (why, writing) = ("is a link out of the layout", true);
        Err(ArchiveErrorKind::LinksOut { entry, why, writing }.of(&self.path))
    }
}

impl Folder {
    /// Whether a name, or a folder above it, is a link to what is not there.
    fn dangles(&self, name: &str) -> bool {
        let path = self.real.join(name);
        let within = path.ancestors().take_while(|place| *place != self.real);
        within
            .filter(|place| fs::symlink_metadata(place).is_ok_and(|found| found.is_symlink()))
            .any(|link| fs::metadata(link).is_err())
    }
}

impl Store for Folder {
    fn path(&self) -> &Path {
        &self.path
    }

    fn find(&self, name: &str) -> Result<Option<BlobSource>, ArchiveError> {
        let reading =
            |error: &io::Error| ArchiveErrorKind::reading(&self.path.join(name), error).of(&self.path.join(name));
        let links_out = |why| {
            let (entry, writing) = (name.to_owned(), false);
            ArchiveErrorKind::LinksOut { entry, why, writing }.of(&self.path)
        };
        let real = match fs::canonicalize(self.real.join(name)) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return if self.dangles(name) {
                    Err(links_out("is a link to what is not there"))
                } else {
                    Ok(None)
                };
            }
            other => other.map_err(|error| reading(&error))?,
        };
        let digest = if real.starts_with(&self.real) {
            None
        } else {
            // Only a blob is known by its name.
            Some(blob_digest(name).ok_or_else(|| links_out("is a link out of the layout"))?)
        };
        // Before it is opened: a named pipe would block.
        if !fs::metadata(&real).map_err(|error| reading(&error))?.is_file() {
            let (entry, why) = (name.to_owned(), "is not a file");
            return Err(ArchiveErrorKind::Hostile { entry, why }.of(&self.path));
        }
        let file = File::open(&real).map_err(|error| reading(&error))?;
        let size = file.metadata().map_err(|error| reading(&error))?.len();
        let region = Region::new(Arc::new(file), 0, size);
        Ok(Some(match digest {
            None => BlobSource::Region(region),
            Some(digest) => BlobSource::Linked(Linked::new(region, digest)),
        }))
    }

    fn holds(&self, name: &str) -> bool {
        fs::symlink_metadata(self.real.join(name)).is_ok()
    }

    fn missing(&self, name: &str) -> ArchiveError {
        let entry = name.to_owned();
        ArchiveErrorKind::Missing { entry, cut: false }.of(&self.path)
    }
}
