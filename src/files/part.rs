//! A file on its way: written beside its place and renamed when it is whole, so that nobody ever sees half of one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file beside its place; it is removed unless it is put there.
#[derive(Debug)]
pub(crate) struct Part {
    file: Arc<File>,
    /// `None` once it is in its place.
    beside: Option<PathBuf>,
    place: PathBuf,
}

impl Part {
    /// Makes the file, with permission bits `mode`, whatever the umask is. They hold from the first moment on: a secret is
    /// never readable by others, not even empty.
    pub(crate) fn create(place: &Path, mode: u32) -> io::Result<Self> {
        let name = place
            .file_name()
            .ok_or(ErrorKind::InvalidInput)?
            .to_string_lossy()
            .into_owned();
        let mut tries = 0;
        loop {
            // By chance: names that can be foretold could have been committed, to be in the way.
            let chance = RandomState::new().hash_one(tries);
            let beside = place.with_file_name(format!(".{name}.{chance:016x}.part"));
            let mut options = OpenOptions::new();
            match options.read(true).write(true).create_new(true).mode(mode).open(&beside) {
                Ok(file) => {
                    let part = Self {
                        file: Arc::new(file),
                        beside: Some(beside),
                        place: place.to_owned(),
                    };
                    part.file.set_permissions(Permissions::from_mode(mode))?;
                    return Ok(part);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < 100 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// What is written to.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Renames it. A link at the place is replaced, not followed.
    pub(crate) fn put_in_place(&mut self) -> io::Result<()> {
        if let Some(beside) = &self.beside {
            fs::rename(beside, &self.place)?;
            self.beside = None;
        }
        Ok(())
    }

    /// Removes it, and says where that fails.
    pub(crate) fn remove(mut self) -> io::Result<()> {
        self.beside.take().map_or(Ok(()), fs::remove_file)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // Nothing better can be done with a file that cannot be removed.
            let _ = fs::remove_file(beside);
        }
    }
}
