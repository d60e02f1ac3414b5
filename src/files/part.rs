//! A file on its way: written beside its place and renamed when it is whole, so that nobody ever sees half of one.

use super::folder_of;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How its name ends, after a dot, the name of its place, a dot and sixteen digits.
const END: &str = ".part";
/// So many entries of a folder are looked at for what a killed run left.
const MOST_LOOKED_AT: usize = 200_000;

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
    /// never readable by others, not even empty. What a killed run left of the same place is removed.
    pub(crate) fn create(place: &Path, mode: u32) -> io::Result<Self> {
        Self::create_in(folder_of(place), place, mode)
    }

    /// The same in another folder of the place's file system.
    pub(crate) fn create_in(folder: &Path, place: &Path, mode: u32) -> io::Result<Self> {
        let name = place
            .file_name()
            .ok_or(ErrorKind::InvalidInput)?
            .to_string_lossy()
            .into_owned();
        remove_abandoned(folder, |of| of == name);
        let mut tries = 0;
        loop {
            // By chance: names that can be foretold could have been committed, to be in the way.
            let chance = RandomState::new().hash_one(tries);
            let beside = folder.join(format!(".{name}.{chance:016x}{END}"));
            let mut options = OpenOptions::new();
            match options.read(true).write(true).create_new(true).mode(mode).open(&beside) {
                // Another run took it for abandoned, before it was locked.
                Ok(file) if tries < 100 && !keep(&file)? => tries += 1,
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

/// Removes what killed runs left in a folder of files on their way to a place of such a name. Those of runs that live are
/// locked, and the lock ends with the process, however it ends.
pub(crate) fn remove_abandoned(folder: &Path, is_meant: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.take(MOST_LOOKED_AT).flatten() {
        let name = entry.file_name();
        if !name.to_str().and_then(place_of).is_some_and(&is_meant) {
            continue;
        }
        // Neither a link nor a named pipe, which would block, is one of ours.
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // Nothing better can be done with a file that cannot be removed.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The name of the place that a file of such a name is on its way to.
fn place_of(name: &str) -> Option<&str> {
    let (place, chance) = name.strip_prefix('.')?.strip_suffix(END)?.rsplit_once('.')?;
    let is_chance = chance.len() == 16 && chance.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_chance.then_some(place)
}

/// Locks a file that was just made, so that no other run takes it for abandoned; false if one has. File systems that have no
/// locks have nothing removed either.
fn keep(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(false),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file.metadata()?.nlink() > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    const CHANCE: &str = "0123456789abcdef";

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_run_left_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let abandoned = format!(".report.json.{CHANCE}.part");
        fs::write(at(&abandoned), "half").unwrap();
        let kept = [
            format!(".other.json.{CHANCE}.part"),
            ".report.json.0123456789ABCDEF.part".to_owned(),
            ".report.json.0123.part".to_owned(),
            format!("report.json.{CHANCE}.part"),
            format!(".report.json.{CHANCE}"),
            ".report.json.part".to_owned(),
        ];
        for name in &kept {
            fs::write(at(name), "theirs").unwrap();
        }
        let odd = [1, 2, 3].map(|number| at(&format!(".report.json.{number:016x}.part")));
        fs::create_dir(&odd[0]).unwrap();
        symlink(at(&kept[0]), &odd[1]).unwrap();
        let _socket = UnixListener::bind(&odd[2]).unwrap();

        // Of a run that lives: another open file, as another process has it.
        let living = Part::create(&at("report.json"), 0o644).unwrap();
        let mut second = Part::create(&at("report.json"), 0o644).unwrap();
        assert!(!at(&abandoned).exists());
        assert!(kept.iter().all(|name| at(name).exists()));
        assert!(odd.iter().all(|path| fs::symlink_metadata(path).is_ok()));
        assert_eq!(names(folder.path()).len(), kept.len() + odd.len() + 2);
        second.put_in_place().unwrap();
        let mut living = living;
        living.put_in_place().unwrap();
        assert_eq!(names(folder.path()).len(), kept.len() + odd.len() + 1);
    }

    #[test]
    fn a_part_may_lie_in_another_folder_than_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("below/file");
        fs::create_dir(folder.path().join("below")).unwrap();
        let mut part = Part::create_in(folder.path(), &place, 0o644).unwrap();
        assert_eq!(names(&folder.path().join("below")), Vec::<String>::new());
        part.put_in_place().unwrap();
        assert_eq!(names(folder.path()), ["below"]);
        assert!(place.exists());
    }

    #[test]
    fn one_that_was_taken_for_abandoned_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = File::create(&path).unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        assert!(!keep(&file).unwrap(), "another run holds it");
        other.unlock().unwrap();
        assert!(keep(&file).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!keep(&file).unwrap(), "another run removed it");
    }
}
