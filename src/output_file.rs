//! Files that the pipe leaves for the step: written beside their place and renamed, so that nobody ever sees half of one;
//! and a plain word where the step's folder does not let the pipe write.
//!
//! In Pipelines the daemon maps a pipe's root to another user than the step's root, so a folder that an earlier line of
//! the script made (0755) is closed to the pipe. Which uid that is differs between runtimes and runners: it is read, not
//! assumed.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What to do about a full disk.
pub const FREE_SPACE: &str = "free space earlier in the step, or use a larger `size` of step";

/// Who shows as owner of what no user of this user namespace owns (`user_namespaces(7)`, `overflowuid`).
const NOBODY: u32 = 65534;

/// Writes `bytes` to `path` with permission bits `mode`, whatever the umask is. A reader sees the old file or the new one,
/// never a part; the new one is on disk when this returns. A link at `path` is replaced, not followed.
///
/// # Errors
/// [`OutputError`]; then `path` is as it was.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), OutputError> {
    let failed = |error: &io::Error| OutputError::new(path, error);
    refuse_other_than_files(path)?;
    let (mut file, beside) = create_beside(path, mode).map_err(|error| failed(&error))?;
    let written = (|| {
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if let Err(error) = written {
        // What counts is the error above; a leftover is no worse than it.
        let _ = fs::remove_file(&beside);
        return Err(failed(&error));
    }
    // Some file systems cannot sync a folder; the file is then as durable as they allow.
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Finds out whether `path` can be written before there is anything to write: a run that cannot tell its result should
/// not begin.
///
/// # Errors
/// [`OutputError`].
pub fn check_writable(path: &Path) -> Result<(), OutputError> {
    refuse_other_than_files(path)?;
    let (_, beside) = create_beside(path, 0o600).map_err(|error| OutputError::new(path, &error))?;
    fs::remove_file(&beside).map_err(|error| OutputError::new(path, &error))
}

fn refuse_other_than_files(path: &Path) -> Result<(), OutputError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() && !found.is_symlink() => Err(OutputError {
            path: path.to_owned(),
            problem: Problem::NotAFile,
        }),
        _ => Ok(()),
    }
}

/// Makes a new file beside `path`, to be renamed to it, and gives its path.
/// The permission bits hold from the first moment on: a secret is never readable by others, not even empty.
pub(crate) fn create_beside(path: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    let name = path
        .file_name()
        .ok_or(ErrorKind::InvalidInput)?
        .to_string_lossy()
        .into_owned();
    let mut number = 0;
    loop {
        let beside = path.with_file_name(format!(".{name}.{}-{number}.part", std::process::id()));
        let mut options = OpenOptions::new();
        match options.read(true).write(true).create_new(true).mode(mode).open(&beside) {
            Ok(file) => return Ok((file, beside)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < 100 => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Why a file could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Denied(Denied),
    NoFolder,
    /// What stands where a folder should be.
    InTheWay(PathBuf),
    NotAFile,
    ReadOnly,
    NoSpace,
    Other(String),
}

impl OutputError {
    /// What a failure to make or write `path` means, told from the folder as it is now.
    #[must_use]
    pub fn new(path: &Path, error: &io::Error) -> Self {
        let problem = match error.kind() {
            ErrorKind::PermissionDenied => Problem::Denied(Denied::at(path)),
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                let above = path.ancestors().skip(1);
                let mut files = above.filter(|place| fs::metadata(place).is_ok_and(|found| !found.is_dir()));
                files
                    .next()
                    .map_or(Problem::NoFolder, |file| Problem::InTheWay(file.to_owned()))
            }
            ErrorKind::IsADirectory | ErrorKind::InvalidInput => Problem::NotAFile,
            ErrorKind::ReadOnlyFilesystem => Problem::ReadOnly,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Problem::NoSpace,
            _ => Problem::Other(error.to_string()),
        };
        Self {
            path: path.to_owned(),
            problem,
        }
    }

    /// The file that was to be written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to do about it, without a trailing period.
    #[must_use]
    pub fn hint(&self) -> String {
        self.hint_for(folder_of(&self.path), "chmod")
    }

    /// The same for a file of a folder in which the pipe writes at several places.
    #[must_use]
    pub fn hint_below(&self, folder: &Path) -> String {
        self.hint_for(folder, "chmod -R")
    }

    fn hint_for(&self, folder: &Path, chmod: &str) -> String {
        let folder = shell_word(folder);
        match &self.problem {
            Problem::Denied(_) => format!(
                "in Pipelines a pipe's root is another user than the step's; put this line before the pipe: \
                 `- mkdir -p {folder} && {chmod} 777 {folder}`"
            ),
            Problem::NoFolder => {
                format!("put this line before the pipe: `- mkdir -p {folder} && {chmod} 777 {folder}`")
            }
            Problem::InTheWay(_) => "remove that file, or name another place".to_owned(),
            Problem::NotAFile => "name a file, not a folder or a device".to_owned(),
            Problem::ReadOnly => "name a place in the clone folder that may be written".to_owned(),
            Problem::NoSpace => FREE_SPACE.to_owned(),
            Problem::Other(_) => "name a file in the clone folder, which the step and the pipe share".to_owned(),
        }
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = shown(&self.path);
        match &self.problem {
            Problem::Denied(denied) => write!(f, "`{path}` cannot be written: {denied}"),
            Problem::NoFolder => {
                write!(
                    f,
                    "`{path}` cannot be written: there is no folder `{}`",
                    shown(folder_of(&self.path))
                )
            }
            Problem::InTheWay(file) => write!(f, "`{path}` cannot be written: `{}` is no folder", shown(file)),
            Problem::NotAFile => write!(f, "`{path}` cannot be written: it is no file"),
            Problem::ReadOnly => write!(f, "`{path}` cannot be written: the file system is read-only"),
            Problem::NoSpace => write!(f, "`{path}` cannot be written: the disk is full"),
            Problem::Other(text) => write!(f, "`{path}` cannot be written: {text}"),
        }
    }
}

impl std::error::Error for OutputError {}

/// Who owns what, and who the pipe is: a permission that was denied, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// `None` for the very file that the message is about.
    place: Option<PathBuf>,
    owner: Option<u32>,
    mode: u32,
    us: Option<u32>,
    outside: Option<u32>,
}

impl Denied {
    /// For a path that may not be made or opened: the file itself, or the nearest folder above it that is there.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        let found = path.ancestors().skip(1).find_map(|place| {
            let place = if place.as_os_str().is_empty() {
                Path::new(".")
            } else {
                place
            };
            Some((place.to_owned(), fs::metadata(place).ok()?))
        });
        Self::of(found)
    }

    /// For a file that is there but may not be read.
    #[must_use]
    pub fn reading(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Ok(found) => Self {
                place: None,
                ..Self::of(Some((path.to_owned(), found)))
            },
            Err(_) => Self::at(path),
        }
    }

    fn of(found: Option<(PathBuf, fs::Metadata)>) -> Self {
        let us = fs::metadata("/proc/self").ok().map(|process| process.uid());
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Self {
            owner: found.as_ref().map(|(_, metadata)| metadata.uid()),
            mode: found.as_ref().map_or(0, |(_, metadata)| metadata.mode() & 0o7777),
            place: Some(found.map_or_else(|| PathBuf::from("/"), |(place, _)| place)),
            us,
            outside: us.and_then(|us| outside(us, &map)),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "`{}`", shown(place))?,
            None => f.write_str("it")?,
        }
        match self.owner {
            Some(NOBODY) => write!(
                f,
                " (mode {:04o}) belongs to a user from outside of this container",
                self.mode
            )?,
            Some(owner) => write!(f, " (mode {:04o}) belongs to uid {owner}", self.mode)?,
            None => write!(f, " cannot be examined")?,
        }
        match (self.us, self.outside) {
            (Some(us), Some(outside)) if us != outside => {
                write!(
                    f,
                    ", and the pipe runs as uid {us}, which is uid {outside} outside of its container"
                )
            }
            (Some(us), _) => write!(f, ", and the pipe runs as uid {us}"),
            (None, _) => Ok(()),
        }
    }
}

/// What `uid` is one user namespace further out, by the lines of `uid_map` (`user_namespaces(7)`: inside, outside, length).
fn outside(uid: u32, map: &str) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u32>().ok());
        let (inside, outside, length) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let at = uid.checked_sub(inside)?;
        if at < length { outside.checked_add(at) } else { None }
    })
}

/// A path for a message: on one line and bounded.
#[must_use]
pub fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut shown: String = text.chars().take(200).flat_map(char::escape_debug).collect();
    if text.chars().nth(200).is_some() {
        shown.push('…');
    }
    shown.replace("\\'", "'").replace("\\\"", "\"")
}

/// A path as a word of a shell line.
#[must_use]
pub fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',' | '@' | '%' | ':');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", shown(path).replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_replaced_whole_with_their_mode_and_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_atomically(&path, b"old", 0o644).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"old".to_vec(), 0o644));
        write_atomically(&path, b"new", 0o600).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
        assert_eq!(names(folder.path()), ["report.json"]);
        check_writable(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("link"), folder.path().join("target"));
        fs::write(&target, "theirs").unwrap();
        symlink(&target, &path).unwrap();
        write_atomically(&path, b"ours", 0o644).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
    }

    #[test]
    fn what_cannot_be_written_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        for (path, fact, cure) in [
            (folder.path().to_owned(), "it is no file", "name a file"),
            (folder.path().join("none/report.json"), "there is no folder", "mkdir -p"),
            (
                folder.path().join("file/report.json"),
                "/file` is no folder",
                "remove that file, or name another place",
            ),
            (PathBuf::from("/dev/null"), "it is no file", "name a file"),
            (PathBuf::from("/proc/x"), "cannot be written", ""),
        ] {
            let error = write_atomically(&path, b"x", 0o644).expect_err("must fail");
            assert_eq!(check_writable(&path), Err(error.clone()));
            assert!(error.to_string().contains(fact), "{error}");
            assert!(error.hint().contains(cure), "{}", error.hint());
        }
    }

    #[test]
    fn a_denied_folder_is_named_with_both_users() {
        let denied = Denied {
            place: Some("/build/out".into()),
            owner: Some(NOBODY),
            mode: 0o755,
            us: Some(0),
            outside: outside(0, "         0     165536      65536\n"),
        };
        let error = OutputError {
            path: "/build/out/my report.json".into(),
            problem: Problem::Denied(denied.clone()),
        };
        assert_eq!(
            error.to_string(),
            "`/build/out/my report.json` cannot be written: `/build/out` (mode 0755) belongs to a user from outside of this \
             container, and the pipe runs as uid 0, which is uid 165536 outside of its container"
        );
        assert!(
            error
                .hint()
                .ends_with("`- mkdir -p /build/out && chmod 777 /build/out`"),
            "{}",
            error.hint()
        );
        let plain = Denied {
            owner: Some(1000),
            outside: Some(0),
            ..denied
        };
        assert!(
            plain
                .to_string()
                .ends_with("belongs to uid 1000, and the pipe runs as uid 0"),
            "{plain}"
        );
    }

    #[test]
    fn this_process_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let denied = Denied::at(&folder.path().join("a/b/c"));
        assert_eq!(denied.place.as_deref(), Some(folder.path()));
        assert_eq!(denied.owner, denied.us);
        assert!(denied.us.is_some() && denied.outside.is_some());
    }

    #[test]
    fn uids_are_mapped_by_range() {
        let map = "0 1000 1\n1 165536 65536\n";
        for (uid, mapped) in [
            (0, Some(1000)),
            (1, Some(165_536)),
            (65536, Some(231_071)),
            (65537, None),
        ] {
            assert_eq!(outside(uid, map), mapped, "{uid}");
        }
        assert_eq!(outside(0, "garbage"), None);
    }

    #[test]
    fn words_of_the_shell_are_quoted_where_they_must_be() {
        for (path, word) in [
            (".docker", ".docker"),
            ("/a b/c", "'/a b/c'"),
            ("it's", "'it'\\''s'"),
            ("-rf", "'-rf'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
