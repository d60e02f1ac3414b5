//! Files that the pipe leaves for the step: written beside their place and renamed, so that nobody ever sees half of one;
//! and a plain word where the step's folder does not let the pipe write.

mod denied;
mod output;
mod part;

pub(crate) use denied::Denied;
pub(crate) use output::Output;
pub(crate) use part::{Part, remove_abandoned};

use crate::text::excerpt;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What to do about a full disk.
pub(crate) const FREE_SPACE: &str = "free space earlier in the step, or use a larger `size` of step";

/// Writes `bytes` to a place with permission bits `mode`, whatever the umask is. A reader sees the old file or the new one,
/// never a part; the new one is on disk when this returns. A link at the place itself is replaced, not followed; one on the way to it that
/// leads out of the place's bound is refused.
///
/// # Errors
/// [`OutputError`]; then the place is as it was.
pub(crate) fn write_atomically(output: &Output, bytes: &[u8], mode: u32) -> Result<(), OutputError> {
    let path = output.path();
    let failed = |error: &io::Error| OutputError::new(path, error);
    output.check_inside()?;
    refuse_other_than_files(path)?;
    let mut part = Part::create(path, mode).map_err(|error| failed(&error))?;
    part.file()
        .write_all_at(bytes, 0)
        .and_then(|()| part.file().sync_all())
        .map_err(|error| failed(&error))?;
    // Once more: a link may have come meanwhile.
    output.check_inside()?;
    part.put_in_place().map_err(|error| failed(&error))?;
    // Some file systems cannot sync a folder; the file is then as durable as they allow.
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Of `open(2)`, on every architecture that the pipe is built for.
const O_NONBLOCK: i32 = 0o4000;

/// The bytes of a file that has no reason to be longer than `longest`. Nothing is waited for: a pipe that nobody writes to
/// and a terminal have no end.
///
/// # Errors
/// Any of reading; [`ErrorKind::FileTooLarge`] where there are more; what is not a file.
pub(crate) fn read_up_to(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::other("it is a pipe, not a file"));
    }
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Finds out whether a place can be written before there is anything to write: a run that cannot tell its result should
/// not begin.
///
/// # Errors
/// [`OutputError`].
pub(crate) fn check_writable(output: &Output) -> Result<(), OutputError> {
    output.check_inside()?;
    let path = output.path();
    refuse_other_than_files(path)?;
    Part::create(path, 0o600)
        .and_then(Part::remove)
        .map_err(|error| OutputError::new(path, &error))
}

fn refuse_other_than_files(path: &Path) -> Result<(), OutputError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() && !found.is_symlink() => Err(OutputError {
            path: path.to_owned(),
            kind: OutputErrorKind::NotAFile,
        }),
        _ => Ok(()),
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
    kind: OutputErrorKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OutputErrorKind {
    Denied(Denied),
    NoFolder,
    /// What stands where a folder should be.
    InTheWay(PathBuf),
    /// The link by which the way leaves the folder that it may not leave.
    Outside(PathBuf),
    NotAFile,
    ReadOnly,
    NoSpace,
    Other(String),
}

impl OutputError {
    /// What a failure to make or write `path` means, told from the folder as it is now.
    #[must_use]
    pub fn new(path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::PermissionDenied => OutputErrorKind::Denied(Denied::at(path)),
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                let above = path.ancestors().skip(1);
                let mut files = above.filter(|place| fs::metadata(place).is_ok_and(|found| !found.is_dir()));
                files.next().map_or(OutputErrorKind::NoFolder, |file| {
                    OutputErrorKind::InTheWay(file.to_owned())
                })
            }
            ErrorKind::IsADirectory | ErrorKind::InvalidInput => OutputErrorKind::NotAFile,
            ErrorKind::ReadOnlyFilesystem => OutputErrorKind::ReadOnly,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => OutputErrorKind::NoSpace,
            _ => OutputErrorKind::Other(error.to_string()),
        };
        Self {
            path: path.to_owned(),
            kind,
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
        match &self.kind {
            OutputErrorKind::Denied(_) => format!(
                "in Pipelines a pipe's root is another user than the step's; put this line before the pipe: \
                 `- mkdir -p {folder} && {chmod} 777 {folder}`"
            ),
            OutputErrorKind::NoFolder => {
                format!("put this line before the pipe: `- mkdir -p {folder} && {chmod} 777 {folder}`")
            }
            OutputErrorKind::InTheWay(_) => "remove that file, or name another place".to_owned(),
            OutputErrorKind::Outside(_) => {
                "remove the link, or name a place in the clone folder: the step sees nothing else that a pipe writes"
                    .to_owned()
            }
            OutputErrorKind::NotAFile => "name a file, not a folder or a device".to_owned(),
            OutputErrorKind::ReadOnly => "name a place in the clone folder that may be written".to_owned(),
            OutputErrorKind::NoSpace => FREE_SPACE.to_owned(),
            OutputErrorKind::Other(_) => {
                "name a file in the clone folder, which the step and the pipe share".to_owned()
            }
        }
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = shown(&self.path);
        match &self.kind {
            OutputErrorKind::Denied(denied) => write!(f, "`{path}` cannot be written: {denied}"),
            OutputErrorKind::NoFolder => {
                write!(
                    f,
                    "`{path}` cannot be written: there is not a folder `{}`",
                    shown(folder_of(&self.path))
                )
            }
            OutputErrorKind::InTheWay(file) => {
                write!(f, "`{path}` cannot be written: `{}` is not a folder", shown(file))
            }
            OutputErrorKind::Outside(link) => write!(
                f,
                "`{path}` cannot be written: `{}` is a link that leads out of the clone folder",
                shown(link)
            ),
            OutputErrorKind::NotAFile => write!(f, "`{path}` cannot be written: it is not a file"),
            OutputErrorKind::ReadOnly => write!(f, "`{path}` cannot be written: the file system is read-only"),
            OutputErrorKind::NoSpace => write!(f, "`{path}` cannot be written: the disk is full"),
            OutputErrorKind::Other(text) => write!(f, "`{path}` cannot be written: {text}"),
        }
    }
}

impl std::error::Error for OutputError {}

/// A path for a message: on one line and bounded.
#[must_use]
pub(crate) fn shown(path: &Path) -> String {
    excerpt(&path.to_string_lossy(), 200)
}

/// A path as a word of a shell line.
#[must_use]
pub(crate) fn shell_word(path: &Path) -> String {
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
    use std::os::unix::fs::{MetadataExt as _, symlink};

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
        write_atomically(&path.clone().into(), b"old", 0o644).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"old".to_vec(), 0o644));
        write_atomically(&path.clone().into(), b"new", 0o600).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
        assert_eq!(names(folder.path()), ["report.json"]);
        check_writable(&path.clone().into()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("link"), folder.path().join("target"));
        fs::write(&target, "theirs").unwrap();
        symlink(&target, &path).unwrap();
        write_atomically(&path.clone().into(), b"ours", 0o644).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
    }

    #[test]
    fn what_cannot_be_written_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        for (path, fact, cure) in [
            (folder.path().to_owned(), "it is not a file", "name a file"),
            (
                folder.path().join("none/report.json"),
                "there is not a folder",
                "mkdir -p",
            ),
            (
                folder.path().join("file/report.json"),
                "/file` is not a folder",
                "remove that file, or name another place",
            ),
            (PathBuf::from("/dev/null"), "it is not a file", "name a file"),
            (PathBuf::from("/proc/x"), "cannot be written", ""),
        ] {
            let error = write_atomically(&path.clone().into(), b"x", 0o644).expect_err("must fail");
            assert_eq!(check_writable(&path.clone().into()), Err(error.clone()));
            assert!(error.to_string().contains(fact), "{error}");
            assert!(error.hint().contains(cure), "{}", error.hint());
        }
    }

    #[test]
    fn a_denied_folder_is_named_with_the_line_that_opens_it() {
        let path = Path::new("/proc/1/none of ours.json");
        let error = OutputError::new(path, &ErrorKind::PermissionDenied.into());
        let text = error.to_string();
        assert!(
            text.starts_with("`/proc/1/none of ours.json` cannot be written: `/proc/1` (mode 0555) belongs to "),
            "{text}"
        );
        assert!(
            error.hint().ends_with("`- mkdir -p /proc/1 && chmod 777 /proc/1`"),
            "{}",
            error.hint()
        );
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
