//! A folder as a [`Store`]: no file outside of it is read, whatever links there are in it.

use super::error::{ArchiveError, Problem};
use super::location::Transport;
use super::region::Region;
use super::source::{BlobSource, Store};
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
        let reading = |error: &io::Error| Problem::reading(path, error).of(path);
        let real = fs::canonicalize(path).map_err(|error| reading(&error))?;
        if !fs::metadata(&real).map_err(|error| reading(&error))?.is_dir() {
            let why = "it is no folder";
            return Err(Problem::NotOfKind {
                transport: Transport::Oci,
                why,
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
        let real = fs::canonicalize(folder).map_err(|error| Problem::reading(folder, &error).of(folder))?;
        if real.starts_with(&self.real) {
            return Ok(());
        }
        let entry = folder.display().to_string();
        let why = "is a link out of the layout";
        Err(Problem::Hostile { entry, why }.of(&self.path))
    }
}

impl Store for Folder {
    fn path(&self) -> &Path {
        &self.path
    }

    fn find(&self, name: &str) -> Result<Option<BlobSource>, ArchiveError> {
        let reading = |error: &io::Error| Problem::reading(&self.path.join(name), error).of(&self.path.join(name));
        let real = match fs::canonicalize(self.real.join(name)) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            other => other.map_err(|error| reading(&error))?,
        };
        let hostile = |why| {
            let entry = name.to_owned();
            Problem::Hostile { entry, why }.of(&self.path)
        };
        if !real.starts_with(&self.real) {
            return Err(hostile("is a link out of the layout"));
        }
        // Before it is opened: a named pipe would block.
        if !fs::metadata(&real).map_err(|error| reading(&error))?.is_file() {
            return Err(hostile("is no file"));
        }
        let file = File::open(&real).map_err(|error| reading(&error))?;
        let size = file.metadata().map_err(|error| reading(&error))?.len();
        Ok(Some(BlobSource::Region(Region::new(Arc::new(file), 0, size))))
    }

    fn missing(&self, name: &str) -> ArchiveError {
        let entry = name.to_owned();
        Problem::Missing { entry, cut: false }.of(&self.path)
    }
}
