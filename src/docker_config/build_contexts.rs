//! Whether an image build of this clone would take a file in: a `config.json` in a build context ends up in an image by
//! one `COPY . .`, and an image is shared.

use crate::clone::{budget::ReadBudget, dockerfile, ignore::Ignore, walk::walk};
use crate::files::read_up_to;
use crate::text::order::sort;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest `.dockerignore` that is read, in bytes.
const LONGEST_IGNORE: u64 = 1 << 20;

/// A Dockerfile whose build may take the file in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exposing {
    /// The Dockerfile, relative to the clone.
    pub dockerfile: PathBuf,
    /// The build context that holds the file, relative to the clone; empty for the clone itself.
    pub context: PathBuf,
    /// The file in which a line would keep the file out, relative to the clone; it need not be there yet.
    pub ignore: PathBuf,
}

/// The Dockerfiles of `clone` whose build context holds `file` without a `.dockerignore` that covers it.
/// Which context a Dockerfile is built with is not written anywhere, so both usual ones count: its own folder, and the
/// clone. What cannot be read is skipped: this is for a warning.
#[must_use]
pub(crate) fn exposing(clone: &Path, file: &Path) -> Vec<Exposing> {
    let Some((clone, file)) = within(clone, file) else {
        return Vec::new();
    };
    let budget = ReadBudget::new();
    let mut found: Vec<Exposing> = walk(&clone, &budget, dockerfile::is_name)
        .files
        .into_iter()
        .take_while(|_| budget.has_time())
        .filter_map(|dockerfile| {
            let dockerfile = clone.join(dockerfile);
            let own = dockerfile.parent().unwrap_or(&clone);
            let (context, ignore) = [own, &clone]
                .into_iter()
                .find_map(|context| Some((context, not_covering(context, &dockerfile, &file)?)))?;
            let below = |path: &Path| path.strip_prefix(&clone).ok().map(Path::to_owned);
            Some(Exposing {
                dockerfile: below(&dockerfile)?,
                context: below(context)?,
                ignore: below(&ignore)?,
            })
        })
        .collect();
    sort(&mut found);
    found
}

/// The real places of a clone and of a file in it, which need not be there yet; `None` for one outside of it.
pub(crate) fn within(clone: &Path, file: &Path) -> Option<(PathBuf, PathBuf)> {
    let clone = fs::canonicalize(clone).ok()?;
    let file = fs::canonicalize(file.parent()?).ok()?.join(file.file_name()?);
    file.starts_with(&clone).then_some((clone, file))
}

/// The ignore file that counts, where the context holds the file and that does not cover it.
fn not_covering(context: &Path, dockerfile: &Path, file: &Path) -> Option<PathBuf> {
    let inside = file.strip_prefix(context).ok()?;
    // A file of the Dockerfile's own name comes before the context's (Docker's documentation, "Filename and location").
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    let (own, shared) = (PathBuf::from(own), context.join(".dockerignore"));
    let own = read(&own).map(|text| (own, Some(text)));
    let (ignore, text) = own.unwrap_or_else(|| {
        let text = read(&shared);
        (shared, text)
    });
    let covers = text.is_some_and(|text| Ignore::parse(&text).covers(&inside.to_string_lossy()));
    (!covers).then_some(ignore)
}

fn read(path: &Path) -> Option<String> {
    // Before it is opened: a named pipe would block.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let bytes = read_up_to(path, LONGEST_IGNORE).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clone of these files with a config folder, and what exposes it: Dockerfile, context and ignore file.
    fn found(files: &[(&str, &str)], folder: &str) -> Vec<[String; 3]> {
        let clone = tempfile::tempdir().unwrap();
        fs::create_dir_all(clone.path().join(folder)).unwrap();
        for (path, text) in files {
            let path = clone.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        exposing(clone.path(), &clone.path().join(folder).join("config.json"))
            .iter()
            .map(|found| [&found.dockerfile, &found.context, &found.ignore].map(|path| text(path)))
            .collect()
    }

    #[test]
    fn contexts_that_hold_the_folder_are_found() {
        let by = |dockerfile: &str, context: &str, ignore: &str| [dockerfile, context, ignore].map(str::to_owned);
        for (files, folder, expected) in [
            (
                &[("Dockerfile", "")][..],
                ".docker",
                vec![by("Dockerfile", "", ".dockerignore")],
            ),
            (&[("README.md", "")], ".docker", vec![]),
            (&[("Dockerfile", ""), (".dockerignore", ".docker\n")], ".docker", vec![]),
            (
                &[("Dockerfile", ""), (".dockerignore", "*.log\n")],
                ".docker",
                vec![by("Dockerfile", "", ".dockerignore")],
            ),
            // The Dockerfile's own ignore file is the one that counts.
            (
                &[
                    ("Dockerfile", ""),
                    (".dockerignore", ".docker"),
                    ("Dockerfile.dockerignore", "x"),
                ],
                ".docker",
                vec![by("Dockerfile", "", "Dockerfile.dockerignore")],
            ),
            (
                &[("api/Dockerfile.prod", ""), ("web/web.Dockerfile", "")],
                "api/.docker",
                vec![
                    by("api/Dockerfile.prod", "api", "api/.dockerignore"),
                    by("web/web.Dockerfile", "", ".dockerignore"),
                ],
            ),
            // It counts for whichever context.
            (
                &[
                    ("web/Dockerfile.prod", ""),
                    ("web/Dockerfile.prod.dockerignore", "x"),
                    ("web/.dockerignore", ".docker"),
                    (".dockerignore", ".docker"),
                ],
                ".docker",
                vec![by("web/Dockerfile.prod", "", "web/Dockerfile.prod.dockerignore")],
            ),
            (
                &[("Dockerfile", ""), ("Dockerfile.dockerignore/x", "")],
                ".docker",
                vec![by("Dockerfile", "", ".dockerignore")],
            ),
            (
                &[
                    ("api/Dockerfile", ""),
                    ("api/.dockerignore", ".docker"),
                    (".dockerignore", "**/.docker"),
                ],
                "api/.docker",
                vec![],
            ),
            (
                &[("node_modules/x/Dockerfile", ""), (".git/Dockerfile", "")],
                ".docker",
                vec![],
            ),
            (
                &[("1/2/3/4/5/6/7/8/Dockerfile", "")],
                ".docker",
                vec![by("1/2/3/4/5/6/7/8/Dockerfile", "", ".dockerignore")],
            ),
            (
                &[("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/Dockerfile", "")],
                ".docker",
                vec![],
            ),
        ] {
            assert_eq!(found(files, folder), expected, "{files:?}");
        }
    }

    #[test]
    fn a_folder_outside_of_the_clone_is_in_no_context() {
        let (clone, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(clone.path().join("Dockerfile"), "").unwrap();
        assert_eq!(exposing(clone.path(), &other.path().join("config.json")), []);
        assert_eq!(exposing(clone.path(), &clone.path().join("absent/config.json")), []);
    }
}
