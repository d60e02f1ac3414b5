//! Places to write to, and the folder that they may not leave: told by the file system, not by the text of a path, since a
//! clone may hold links that lead anywhere.

use super::{OutputError, OutputErrorKind};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file or folder to write, and how far it may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    path: PathBuf,
    /// The folder that holds it wherever links lead: in a pipe the clone, which is all that the step sees.
    within: Option<PathBuf>,
}

impl Output {
    /// A path that must be below `within`, where that is given.
    #[must_use]
    pub(crate) fn new(path: PathBuf, within: Option<PathBuf>) -> Self {
        Self { path, within }
    }

    /// The path as it was written, made absolute.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file of this folder, with the same bound.
    #[must_use]
    pub(crate) fn join(&self, name: &str) -> Self {
        Self {
            path: self.path.join(name),
            within: self.within.clone(),
        }
    }

    /// Another path with the same bound.
    #[must_use]
    pub(crate) fn at(&self, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            within: self.within.clone(),
        }
    }

    /// The link by which the way to it leaves its bound, where the file system shows one.
    #[must_use]
    pub(crate) fn leads_out(&self) -> Option<PathBuf> {
        leads_out(&self.path, self.within.as_ref()?).ok().flatten()
    }

    /// Asks the file system whether the folder that the file goes into is where it may be. What is not there yet is judged
    /// by the nearest folder above that is.
    ///
    /// # Errors
    /// [`OutputError`]: a link leads out.
    pub(crate) fn check_inside(&self) -> Result<(), OutputError> {
        let Some(within) = &self.within else { return Ok(()) };
        match leads_out(&self.path, within) {
            Ok(None) => Ok(()),
            Ok(Some(link)) => Err(OutputError {
                path: self.path.clone(),
                kind: OutputErrorKind::Outside(link),
            }),
            Err(error) => Err(OutputError::new(&self.path, &error)),
        }
    }
}

impl From<PathBuf> for Output {
    /// A path without a bound.
    fn from(path: PathBuf) -> Self {
        Self::new(path, None)
    }
}

/// The first part of the way to `path` by which it leaves `within`, if there is one. The file itself is not looked at: who
/// writes it replaces a link.
fn leads_out(path: &Path, within: &Path) -> io::Result<Option<PathBuf>> {
    let within = fs::canonicalize(within)?;
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let mut entered = false;
    for folder in above {
        let real = match fs::canonicalize(folder) {
            Ok(real) => real,
            // Neither it nor anything below it is there; a link to nothing is there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(fs::symlink_metadata(folder).is_ok().then(|| folder.to_owned()));
            }
            Err(error) => return Err(error),
        };
        match real.starts_with(&within) {
            true => entered = true,
            false if entered => return Ok(Some(folder.to_owned())),
            false => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_that_lead_out_are_told_from_those_that_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let clone = folder.path().join("clone");
        fs::create_dir_all(clone.join("real/deep")).unwrap();
        fs::create_dir(folder.path().join("elsewhere")).unwrap();
        symlink("../elsewhere", clone.join("out")).unwrap();
        symlink("real", clone.join("in")).unwrap();
        symlink("in/deep", clone.join("chain")).unwrap();
        symlink("../nowhere", clone.join("dangling")).unwrap();
        symlink("loop", clone.join("loop")).unwrap();
        symlink("../../elsewhere", clone.join("real/up")).unwrap();
        symlink("../elsewhere/file", clone.join("file")).unwrap();
        for (path, leads_out_by) in [
            ("report.json", None),
            ("real/report.json", None),
            ("in/report.json", None),
            ("chain/report.json", None),
            ("none/below/report.json", None),
            // The link is replaced, not followed.
            ("file", None),
            ("out/report.json", Some("out")),
            ("out/none/report.json", Some("out")),
            ("in/up/report.json", Some("in/up")),
            ("dangling/report.json", Some("dangling")),
        ] {
            let output = Output::new(clone.join(path), Some(clone.clone()));
            let found = output.check_inside();
            match leads_out_by {
                None => assert_eq!(found, Ok(()), "{path}"),
                Some(link) => {
                    let error = found.expect_err(path);
                    let link = clone.join(link);
                    assert!(
                        error.to_string().contains(&format!("`{}` is a link", link.display())),
                        "{error}"
                    );
                }
            }
            assert_eq!(Output::from(clone.join(path)).check_inside(), Ok(()), "{path}");
        }
        let looped = Output::new(clone.join("loop/report.json"), Some(clone.clone()));
        assert!(looped.check_inside().is_err());
    }

    #[test]
    fn a_clone_that_is_reached_by_a_link_is_the_clone() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        symlink("real", folder.path().join("clone")).unwrap();
        let clone = folder.path().join("clone");
        let output = Output::new(clone.join("report.json"), Some(clone));
        assert_eq!(output.check_inside(), Ok(()));
    }
}
