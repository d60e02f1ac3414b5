//! Reads files of the clone that others name, each once: none outside of it, and none that would make the reader wait.

use super::budget::ReadBudget;
use super::walk;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// There is none.
    Absent,
    /// It lies outside of the clone, by its name or by a link.
    Outside,
    /// It is a folder, a device or a link.
    NoFile,
    /// It is longer than 1 MiB.
    TooLong,
    /// The system does not let it be read.
    Refused(String),
    /// There was too much before it.
    Spent,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("it is not there"),
            Self::Outside => f.write_str("it is not in the clone"),
            Self::NoFile => f.write_str("it is not a file"),
            Self::TooLong => f.write_str("it is longer than 1 MiB"),
            Self::Refused(reason) => write!(f, "it cannot be read: {reason}"),
            Self::Spent => f.write_str("it is not read, since there is too much to read"),
        }
    }
}

/// The files of a clone.
pub(super) struct Files<'a> {
    clone: &'a Path,
    pub(super) budget: &'a ReadBudget,
    texts: HashMap<PathBuf, Result<Rc<str>, Unread>>,
}

impl<'a> Files<'a> {
    pub(super) fn new(clone: &'a Path, budget: &'a ReadBudget) -> Self {
        Self {
            clone,
            budget,
            texts: HashMap::new(),
        }
    }

    /// A file's text, by its path in the clone.
    pub(super) fn text(&mut self, path: &Path) -> Result<Rc<str>, Unread> {
        if let Some(text) = self.texts.get(path) {
            return text.clone();
        }
        let text = self.read(path);
        self.texts.insert(path.to_owned(), text.clone());
        text
    }

    /// The texts that were read, in the order of their paths.
    pub(super) fn read_so_far(&self) -> BTreeMap<&Path, &str> {
        let texts = self.texts.iter();
        texts
            .filter_map(|(path, text)| Some((path.as_path(), &**text.as_ref().ok()?)))
            .collect()
    }

    fn read(&self, path: &Path) -> Result<Rc<str>, Unread> {
        if !self.budget.has_time() {
            return Err(Unread::Spent);
        }
        let full = self.clone.join(path);
        // A folder on the way may be a link.
        let parent = full.parent().map(std::fs::canonicalize);
        let clone = std::fs::canonicalize(self.clone);
        if let (Some(Ok(parent)), Ok(clone)) = (parent, clone)
            && !parent.starts_with(clone)
        {
            return Err(Unread::Outside);
        }
        let text = walk::read(&full)?;
        if !self.budget.take_file(text.len()) {
            return Err(Unread::Spent);
        }
        Ok(text.into())
    }
}

/// A path that a file names, from `folder` on; `None` where it leads out of the clone.
pub(super) fn join(folder: &Path, named: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for component in Path::new(named).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_clone() {
        for (folder, named, expected) in [
            ("", "a/b", Some("a/b")),
            ("a", "../b", Some("b")),
            ("a", "./b/.", Some("a/b")),
            ("a", "..", Some("")),
            ("a", "../../b", None),
            ("", "/etc/passwd", None),
        ] {
            assert_eq!(
                join(Path::new(folder), named).as_deref(),
                expected.map(Path::new),
                "{folder} {named}"
            );
        }
    }

    #[test]
    fn links_do_not_lead_out() {
        let (clone, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("x"), "secret").unwrap();
        std::fs::write(clone.path().join("y"), "text").unwrap();
        std::os::unix::fs::symlink(other.path(), clone.path().join("out")).unwrap();
        std::os::unix::fs::symlink(other.path().join("x"), clone.path().join("link")).unwrap();
        let budget = ReadBudget::new();
        let mut files = Files::new(clone.path(), &budget);
        assert_eq!(files.text(Path::new("y")).as_deref(), Ok("text"));
        assert_eq!(files.text(Path::new("out/x")), Err(Unread::Outside));
        assert_eq!(files.text(Path::new("link")), Err(Unread::NoFile));
        assert_eq!(files.text(Path::new("z")), Err(Unread::Absent));
    }
}
