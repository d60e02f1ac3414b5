//! Finds files below the clone by their names: bounded, without following links, and without what is not the user's own
//! work: vendored, hidden and ignored folders.

use super::ignore::Ignore;
use crate::files::read_up_to;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

/// Deepest folder looked into, below the clone.
const DEEPEST: usize = 8;
/// Most entries looked at.
const MOST_ENTRIES: usize = 20_000;
/// Longest file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 20;
/// Folders with nothing of the user's own; hidden ones are skipped too.
const SKIPPED: [&str; 4] = ["node_modules", "vendor", "third_party", "target"];

/// What a walk has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// The files, relative to the clone, sorted.
    pub files: Vec<PathBuf>,
    /// Whether there were more entries than are looked at.
    pub is_cut: bool,
}

/// The regular files below `clone` whose name is `wanted`. Breadth first, so that the limits cut off what is deepest.
/// What the top-level `.gitignore` names is passed over, and so is what cannot be read.
pub fn walk(clone: &Path, wanted: impl Fn(&str) -> bool) -> Walk {
    let ignored = read(&clone.join(".gitignore")).unwrap_or_default();
    let (ignored_folders, ignored_files) = (Ignore::of_git(&ignored, true), Ignore::of_git(&ignored, false));
    let mut found = Walk::default();
    let mut left = MOST_ENTRIES;
    let mut folders = VecDeque::from([(String::new(), 0)]);
    while let Some((folder, depth)) = folders.pop_front() {
        let Ok(entries) = fs::read_dir(clone.join(&folder)) else {
            continue;
        };
        let mut entries: Vec<_> = entries.take(left + 1).flatten().collect();
        if entries.len() > left {
            found.is_cut = true;
            break;
        }
        left -= entries.len();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else {
                continue;
            };
            let path = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            if kind.is_dir() {
                let is_own = !name.starts_with('.') && !SKIPPED.contains(&&*name) && !ignored_folders.covers(&path);
                if is_own && depth < DEEPEST {
                    folders.push_back((path, depth + 1));
                }
            } else if kind.is_file() && wanted(&name) && !ignored_files.covers(&path) {
                found.files.push(PathBuf::from(path));
            }
        }
    }
    found.files.sort();
    found
}

/// A regular file's text, of at most 1 MiB; bytes that are no UTF-8 are replaced. `None` for all else.
#[must_use]
pub fn read(path: &Path) -> Option<String> {
    // Before it is opened: a named pipe would block.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let bytes = read_up_to(path, LONGEST_FILE).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone(files: &[&str]) -> tempfile::TempDir {
        let clone = tempfile::tempdir().unwrap();
        for path in files {
            let path = clone.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        clone
    }

    fn names(walk: &Walk) -> Vec<&str> {
        walk.files.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[test]
    fn what_is_not_the_users_own_is_passed_over() {
        let clone = clone(&[
            "a",
            "b/a",
            "b/c/a",
            "b/other",
            "node_modules/a",
            "b/vendor/a",
            "third_party/a",
            "target/a",
            ".venv/a",
            ".git/a",
            ".bitbucket/a",
            "dist/a",
            "b/dist/a",
            "generated/a",
            "1/2/3/4/5/6/7/8/a",
            "1/2/3/4/5/6/7/8/9/a",
        ]);
        fs::write(clone.path().join(".gitignore"), "dist/\n/generated\n").unwrap();
        std::os::unix::fs::symlink("..", clone.path().join("b/up")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", clone.path().join("1/a")).unwrap();
        let found = walk(clone.path(), |name| name == "a");
        assert_eq!(names(&found), ["1/2/3/4/5/6/7/8/a", "a", "b/a", "b/c/a"]);
        assert!(!found.is_cut);
    }

    #[test]
    fn the_walk_ends() {
        let clone = clone(&["a", "b/a"]);
        let many = clone.path().join("many");
        fs::create_dir(&many).unwrap();
        for number in 0..MOST_ENTRIES {
            fs::write(many.join(number.to_string()), "").unwrap();
        }
        let found = walk(clone.path(), |name| name == "a");
        assert_eq!(names(&found), ["a", "b/a"]);
        assert!(found.is_cut);
        assert_eq!(walk(&clone.path().join("absent"), |_| true), Walk::default());
    }

    #[test]
    fn long_files_and_links_are_not_read() {
        let clone = clone(&["a"]);
        let path = clone.path().join("a");
        assert_eq!(read(&path).as_deref(), Some(""));
        fs::write(&path, [b'x', 0xff]).unwrap();
        assert_eq!(read(&path).as_deref(), Some("x\u{fffd}"));
        fs::File::create(&path).unwrap().set_len(LONGEST_FILE + 1).unwrap();
        assert_eq!(read(&path), None);
        std::os::unix::fs::symlink("/etc/hostname", clone.path().join("link")).unwrap();
        assert_eq!(read(&clone.path().join("link")), None);
    }
}
