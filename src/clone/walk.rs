//! Finds files below the clone by their names: bounded, without following links, and without what is not the user's own
//! work: vendored, hidden and ignored folders.

use super::budget::ReadBudget;
use super::files::Unread;
use super::gitignore::IgnoreRules;
use crate::files::read_up_to;
use crate::text::order::{sort, sort_by_key};
use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Deepest folder looked into, below the clone.
const DEEPEST: usize = 16;
/// Longest file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 20;
/// Folders with nothing of the user's own; hidden ones are skipped too.
const SKIPPED: [&str; 4] = ["node_modules", "vendor", "third_party", "target"];

/// What a walk has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    /// The files, relative to the clone, sorted.
    pub(crate) files: Vec<PathBuf>,
    /// Folders that were not looked into, and why.
    pub(crate) unread: Vec<(PathBuf, String)>,
}

/// A folder to look into, with the rules above it.
struct WalkFolder {
    path: PathBuf,
    depth: usize,
    above: Option<Rc<Level>>,
}

/// The rules of one folder, and those of the folders above it.
struct Level {
    folder: PathBuf,
    rules: IgnoreRules,
    above: Option<Rc<Level>>,
}

/// The regular files below `clone` whose name is `wanted`. Breadth first, so that the limits cut off what is deepest.
/// What `.gitignore` files name is passed over.
pub(crate) fn walk(clone: &Path, budget: &ReadBudget, wanted: impl Fn(&str) -> bool) -> Walk {
    let mut found = Walk::default();
    let mut odd = Vec::new();
    let mut folders = VecDeque::from([WalkFolder {
        path: PathBuf::new(),
        depth: 0,
        above: None,
    }]);
    while let Some(folder) = folders.pop_front() {
        let entries = match fs::read_dir(clone.join(&folder.path)) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    found
                        .unread
                        .push((folder.path, format!("the folder cannot be read: {}", error.kind())));
                }
                continue;
            }
        };
        let left = budget.entries_left();
        let mut entries: Vec<_> = entries.take(left + 1).flatten().collect();
        if !budget.take_entries(entries.len()) {
            break;
        }
        sort_by_key(&mut entries, fs::DirEntry::file_name);
        let level = level(clone, &folder);
        for entry in entries {
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            let shown = name.to_string_lossy();
            let path = folder.path.join(&name);
            let is_wanted = if kind.is_dir() {
                !shown.starts_with('.') && !SKIPPED.contains(&&*shown)
            } else {
                wanted(&shown)
            };
            if !is_wanted || is_ignored(level.as_deref(), &path, kind.is_dir(), budget) {
                continue;
            }
            if kind.is_file() {
                found.files.push(path);
            } else if !kind.is_dir() {
                odd.push((path, kind.is_symlink()));
            } else if folder.depth < DEEPEST {
                folders.push_back(WalkFolder {
                    path,
                    depth: folder.depth + 1,
                    above: level.clone(),
                });
            } else {
                let problem = format!("the folder is deeper than {DEEPEST} others, and is not looked into");
                found.unread.push((path, problem));
            }
        }
        if budget.spent().is_some() {
            break;
        }
    }
    sort(&mut found.files);
    for (path, is_link) in odd {
        // A link to a file that is read itself hides nothing.
        let target = fs::canonicalize(clone.join(&path)).ok();
        let target =
            target.and_then(|target| Some(target.strip_prefix(fs::canonicalize(clone).ok()?).ok()?.to_owned()));
        if target.is_none_or(|target| found.files.binary_search(&target).is_err()) {
            let problem = if is_link {
                "it is a link, which is not followed"
            } else {
                "it is not a file"
            };
            found.unread.push((path, problem.to_owned()));
        }
    }
    found
}

/// The rules for what is in a folder.
fn level(clone: &Path, folder: &WalkFolder) -> Option<Rc<Level>> {
    let text = read_bytes(&clone.join(&folder.path).join(".gitignore"));
    let Some(text) = text.ok().filter(|text| !text.is_empty()) else {
        return folder.above.clone();
    };
    Some(Rc::new(Level {
        folder: folder.path.clone(),
        rules: IgnoreRules::parse(&text),
        above: folder.above.clone(),
    }))
}

fn is_ignored(level: Option<&Level>, path: &Path, is_folder: bool, budget: &ReadBudget) -> bool {
    let mut level = level;
    while let Some(Level { folder, rules, above }) = level {
        let below = path.strip_prefix(folder).unwrap_or(path);
        let ignores = rules.ignores(below.as_os_str().as_bytes(), is_folder, &mut |cost| {
            budget.take_steps(cost)
        });
        if let Some(ignores) = ignores {
            return ignores;
        }
        level = above.as_deref();
    }
    false
}

/// A regular file's text, of at most 1 MiB; bytes that are no UTF-8 are replaced.
///
/// # Errors
/// Why it is not read.
pub(crate) fn read(path: &Path) -> Result<String, Unread> {
    Ok(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, Unread> {
    let refused = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Unread::Absent,
        kind => Unread::Refused(kind.to_string()),
    };
    // Before it is opened: a named pipe would block.
    let metadata = fs::symlink_metadata(path).map_err(refused)?;
    if !metadata.is_file() {
        return Err(Unread::NoFile);
    }
    if metadata.len() > LONGEST_FILE {
        return Err(Unread::TooLong);
    }
    read_up_to(path, LONGEST_FILE).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::super::budget::{ENTRIES, Spent};
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

    fn found(clone: &Path) -> (Vec<String>, Option<Spent>) {
        let budget = ReadBudget::new();
        let walk = walk(clone, &budget, |name| name == "a");
        let files = walk.files.iter().map(|path| path.to_str().unwrap().to_owned());
        let unread = walk
            .unread
            .iter()
            .map(|(path, problem)| format!("{}: {problem}", path.display()));
        (files.chain(unread).collect(), budget.spent())
    }

    #[test]
    fn what_is_not_the_users_own_is_passed_over() {
        let deep = "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16";
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
            &format!("{deep}/a"),
            &format!("{deep}/17/a"),
        ]);
        fs::write(clone.path().join(".gitignore"), "dist/\n/generated\n").unwrap();
        std::os::unix::fs::symlink("..", clone.path().join("b/up")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", clone.path().join("1/a")).unwrap();
        fs::create_dir(clone.path().join("2")).unwrap();
        std::os::unix::fs::symlink("../b/a", clone.path().join("2/a")).unwrap();
        let expected = [
            &format!("{deep}/a"),
            "a",
            "b/a",
            "b/c/a",
            &format!("{deep}/17: the folder is deeper than 16 others, and is not looked into"),
            "1/a: it is a link, which is not followed",
        ];
        assert_eq!(found(clone.path()), (expected.map(str::to_owned).to_vec(), None));
    }

    #[test]
    fn the_rules_of_a_folder_go_before_those_above_it() {
        let clone = clone(&["a", "b/a", "b/c/a", "d/a", "docker/a", "e/f/a", "e/a"]);
        fs::write(
            clone.path().join(".gitignore"),
            "/*\n!/docker/\n!/b\n!/e/\na\n!docker/a\n",
        )
        .unwrap();
        fs::write(clone.path().join("b/.gitignore"), "!a\nc\n").unwrap();
        fs::write(clone.path().join("e/.gitignore"), "!/a\nf/*\n").unwrap();
        let expected = ["b/a", "docker/a", "e/a"];
        assert_eq!(found(clone.path()).0, expected);
    }

    #[test]
    fn the_walk_ends() {
        let clone = clone(&["a", "b/a"]);
        let many = clone.path().join("many");
        fs::create_dir(&many).unwrap();
        for number in 0..ENTRIES {
            fs::write(many.join(number.to_string()), "").unwrap();
        }
        assert_eq!(
            found(clone.path()),
            (vec!["a".to_owned(), "b/a".to_owned()], Some(Spent::Entries))
        );
        assert_eq!(found(&clone.path().join("absent")), (Vec::new(), None));
    }

    #[test]
    fn many_rules_for_many_folders_end() {
        let clone = clone(&["a"]);
        for number in 0..30 {
            fs::create_dir(clone.path().join(format!("{}{number}", "x".repeat(100)))).unwrap();
        }
        fs::write(clone.path().join(".gitignore"), "*a*b*c*d*e*f*g*h\n".repeat(600)).unwrap();
        assert_eq!(found(clone.path()).1, Some(Spent::Rules));
    }

    #[test]
    fn long_files_and_links_are_not_read() {
        let clone = clone(&["a"]);
        let path = clone.path().join("a");
        assert_eq!(read(&path).as_deref(), Ok(""));
        fs::write(&path, [b'x', 0xff]).unwrap();
        assert_eq!(read(&path).as_deref(), Ok("x\u{fffd}"));
        fs::File::create(&path).unwrap().set_len(LONGEST_FILE + 1).unwrap();
        assert_eq!(read(&path), Err(Unread::TooLong));
        std::os::unix::fs::symlink("/etc/hostname", clone.path().join("link")).unwrap();
        assert_eq!(read(&clone.path().join("link")), Err(Unread::NoFile));
        assert_eq!(read(&clone.path().join("absent")), Err(Unread::Absent));
    }
}
