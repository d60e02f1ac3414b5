//! A permission that was denied, explained: whose the place is, and who the pipe is.
//!
//! In Pipelines the daemon maps a pipe's root to another user than the step's root, so a folder that an earlier line of
//! the script made (0755) is closed to the pipe. Which uid that is differs between runtimes and runners: it is read, not
//! assumed.

use super::shown;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Who shows as owner of what no user of this user namespace owns (`user_namespaces(7)`, `overflowuid`).
const NOBODY: u32 = 65534;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_folder_is_named_with_both_users() {
        let denied = Denied {
            place: Some("/build/out".into()),
            owner: Some(NOBODY),
            mode: 0o755,
            us: Some(0),
            outside: outside(0, "         0     165536      65536\n"),
        };
        assert_eq!(
            denied.to_string(),
            "`/build/out` (mode 0755) belongs to a user from outside of this container, and the pipe runs as uid 0, which is \
             uid 165536 outside of its container"
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
}
