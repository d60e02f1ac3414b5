//! The file on disk: found, read, and replaced as a whole.

use super::pull_secret::is_manifest;
use super::{ConfigError, ConfigNote, merge};
use crate::clone::gitignore;
use crate::credential::Credential;
use crate::files::{Denied, Output, OutputError, read_up_to, write_atomically};
use crate::names::Host;
use crate::text::Secret;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The name of the file.
pub(crate) const CONFIG: &str = "config.json";
/// Longest file that is read, in bytes; real ones are some kilobytes.
const LONGEST: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The `config.json`.
    pub file: PathBuf,
    /// Whether the folder was made, with a `.gitignore` that keeps it out of commits.
    pub folder_made: bool,
    /// What stood in the credential's way and was changed.
    pub notes: Vec<ConfigNote>,
}

/// Puts `credential` for `registry` into the `config.json` of `folder`, which is made where it is absent.
///
/// The file is 0600 from the first moment on. The folder is 0755: the file guards itself, and a folder that only the
/// pipe's user may enter would break `git status` and `docker build .` of a step that runs as another user.
///
/// `clone` is where what is not ignored gets into a commit.
///
/// # Errors
/// [`ConfigError`]; a file that is there is then as it was.
pub(crate) fn write(
    output: &Output,
    registry: &Host,
    credential: &Credential,
    clone: Option<&Path>,
) -> Result<Written, ConfigError> {
    output.check_inside().map_err(ConfigError::Output)?;
    let folder = output.path();
    if fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
        return Err(ConfigError::Link {
            file: folder.to_owned(),
        });
    }
    let file = place(folder)?;
    let existing = read(&file)?;
    let merged = merge(existing.as_deref(), registry, credential).map_err(|fault| ConfigError::Content {
        file: file.clone(),
        fault,
    })?;
    let folder_made = make(output)?;
    let unprotected = !folder_made && !is_ignored(clone, &file);
    let protected = unprotected && ignore(output)?;
    write_atomically(&output.at(&file), merged.text.expose().as_bytes(), 0o600).map_err(ConfigError::Output)?;
    let mut notes = merged.notes;
    let was_there = existing.is_some();
    if unprotected && (!protected || was_there) {
        notes.push(ConfigNote::NotIgnored {
            file: file.clone(),
            was_there,
        });
    }
    Ok(Written {
        file,
        folder_made,
        notes,
    })
}

/// Writes a pull secret to a file of its own, 0600 from the first moment on. `clone` is where what is not ignored gets into a
/// commit.
///
/// # Errors
/// [`ConfigError`]; a file that is there is then as it was.
pub(crate) fn write_secret(
    output: &Output,
    text: &Secret,
    clone: Option<&Path>,
) -> Result<Option<ConfigNote>, ConfigError> {
    output.check_inside().map_err(ConfigError::Output)?;
    let file = output.path().to_owned();
    let was_there = fs::symlink_metadata(&file).is_ok();
    if fs::metadata(&file).is_ok_and(|found| found.is_file()) && !is_replaceable(&file) {
        return Err(ConfigError::Foreign { file });
    }
    write_atomically(output, text.expose().as_bytes(), 0o600).map_err(ConfigError::Output)?;
    Ok((!is_ignored(clone, &file)).then_some(ConfigNote::NotIgnored { file, was_there }))
}

/// Whether a file may become a pull secret: it is empty, or one already. A slip in the name must not cost a manifest.
fn is_replaceable(file: &Path) -> bool {
    let text = read_up_to(file, LONGEST).ok();
    text.and_then(|text| String::from_utf8(text).ok())
        .is_some_and(|text| text.trim().is_empty() || is_manifest(&text))
}

/// Whether git would leave the file out of a commit; one outside of the clone is in none.
fn is_ignored(clone: Option<&Path>, file: &Path) -> bool {
    let canonical = |path: &Path| fs::canonicalize(path).ok();
    let (Some(clone), Some(folder), Some(name)) = (
        clone.and_then(canonical),
        file.parent().and_then(canonical),
        file.file_name(),
    ) else {
        return true;
    };
    match folder.strip_prefix(&clone) {
        Ok(below) => gitignore::ignores(&clone, &below.join(name)),
        Err(_) => true,
    }
}

/// Gives a folder that is Docker's by its name, and has none, a `.gitignore` for the file. Others are left alone: they may
/// be the clone itself.
fn ignore(output: &Output) -> Result<bool, ConfigError> {
    let folder = output.path();
    let is_dockers = folder.file_name().is_some_and(|name| name == ".docker");
    if !is_dockers || fs::symlink_metadata(folder.join(".gitignore")).is_ok() {
        return Ok(false);
    }
    write_atomically(&output.join(".gitignore"), b"/config.json\n", 0o644).map_err(ConfigError::Output)?;
    Ok(true)
}

/// Where the bytes go: a link inside of the folder is followed, as Docker does; one that leads out is refused, since what
/// it names may be anybody's, and need not be there for the step.
fn place(folder: &Path) -> Result<PathBuf, ConfigError> {
    let file = folder.join(CONFIG);
    match fs::symlink_metadata(&file) {
        Ok(found) if found.is_file() => Ok(file),
        Ok(found) if found.is_symlink() => match (fs::canonicalize(&file), fs::canonicalize(folder)) {
            (Ok(target), Ok(folder)) if target.starts_with(&folder) && target.is_file() => Ok(target),
            _ => Err(ConfigError::Link { file }),
        },
        Ok(_) => Err(ConfigError::NoFile { file }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(file),
        Err(error) => Err(unreadable(file, &error)),
    }
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    match read_up_to(file, LONGEST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(ConfigError::TooLong { file: file.to_owned() }),
        Err(error) => Err(unreadable(file.to_owned(), &error)),
    }
}

fn unreadable(file: PathBuf, error: &io::Error) -> ConfigError {
    match error.kind() {
        ErrorKind::PermissionDenied => ConfigError::Unreadable {
            denied: Denied::reading(&file),
            file,
        },
        // A file where the folder should be.
        ErrorKind::NotADirectory => ConfigError::Output(OutputError::new(&file, error)),
        _ => ConfigError::Reading {
            file,
            reason: error.to_string(),
        },
    }
}

/// Makes the folder, and in it a `.gitignore` before there is anything to ignore. Says whether it had to.
fn make(output: &Output) -> Result<bool, ConfigError> {
    let folder = output.path();
    if folder.is_dir() {
        return Ok(false);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(|error| ConfigError::Output(OutputError::new(&folder.join(CONFIG), &error)))?;
    write_atomically(&output.join(".gitignore"), b"*\n", 0o644).map_err(ConfigError::Output)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Source;
    use crate::docker_config::Fault;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    fn credential() -> Credential {
        Credential {
            source: Source::ApiToken,
            username: "me@example.org".to_owned(),
            token: Secret::new("hunter2"),
        }
    }

    fn login(folder: &Path) -> Result<Written, ConfigError> {
        write(
            &folder.to_owned().into(),
            &Host::parse("crg.apkg.io").unwrap(),
            &credential(),
            None,
        )
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_new_folder_keeps_itself_out_of_commits() {
        let clone = tempfile::tempdir().unwrap();
        let folder = clone.path().join("a/.docker");
        let written = login(&folder).unwrap();
        assert!(written.folder_made);
        assert_eq!(written.file, folder.join("config.json"));
        assert_eq!((mode(&written.file), mode(&folder)), (0o600, 0o755));
        assert_eq!(fs::read_to_string(folder.join(".gitignore")).unwrap(), "*\n");
        assert!(
            fs::read_to_string(&written.file)
                .unwrap()
                .contains("bWVAZXhhbXBsZS5vcmc6aHVudGVyMg==")
        );
        assert!(!login(&folder).unwrap().folder_made);
    }

    #[test]
    fn a_folder_that_is_there_gets_nothing_but_the_file() {
        let clone = tempfile::tempdir().unwrap();
        fs::write(clone.path().join("config.json"), r#"{"psFormat":"x"}"#).unwrap();
        fs::set_permissions(clone.path().join("config.json"), fs::Permissions::from_mode(0o644)).unwrap();
        let written = login(clone.path()).unwrap();
        assert!(!written.folder_made);
        assert_eq!(mode(&written.file), 0o600);
        assert!(fs::read_to_string(&written.file).unwrap().contains("psFormat"));
        assert_eq!(fs::read_dir(clone.path()).unwrap().count(), 1);
    }

    /// What is in the clone before, whether `.docker/.gitignore` has a rule after, and what is told of the file.
    #[test]
    fn a_folder_that_is_there_is_kept_out_of_commits() {
        let note = |was_there| {
            vec![ConfigNote::NotIgnored {
                file: PathBuf::from("/.docker/config.json"),
                was_there,
            }]
        };
        for (files, ignores, notes) in [
            (&[(".docker/daemon.json", "{}")][..], true, vec![]),
            (&[(".docker/config.json", "{}")], true, note(true)),
            (
                &[(".docker/.gitignore", "*\n"), (".docker/config.json", "{}")],
                true,
                vec![],
            ),
            (&[(".docker/.gitignore", "x\n")], false, note(false)),
            (&[(".docker/x", ""), (".gitignore", ".docker\n")], false, vec![]),
            (
                &[(".docker/x", ""), (".gitignore", "config.json\n!.docker/config.json\n")],
                true,
                vec![],
            ),
        ] {
            let clone = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = clone.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let folder = clone.path().join(".docker");
            let registry = Host::parse("crg.apkg.io").unwrap();
            let written = write(&folder.clone().into(), &registry, &credential(), Some(clone.path())).unwrap();
            let told: Vec<ConfigNote> = written
                .notes
                .into_iter()
                .map(|note| match note {
                    ConfigNote::NotIgnored { was_there, .. } => ConfigNote::NotIgnored {
                        file: PathBuf::from("/.docker/config.json"),
                        was_there,
                    },
                    other => other,
                })
                .collect();
            assert_eq!(told, notes, "{files:?}");
            let rules = fs::read_to_string(folder.join(".gitignore")).unwrap_or_default();
            assert_eq!(
                rules.contains('*') || rules.contains("/config.json"),
                ignores,
                "{files:?}: {rules}"
            );
        }
    }

    #[test]
    fn what_cannot_be_merged_stays() {
        let clone = tempfile::tempdir().unwrap();
        let file = clone.path().join("config.json");
        fs::write(&file, "{oops").unwrap();
        assert!(matches!(
            login(clone.path()),
            Err(ConfigError::Content {
                fault: Fault::NoJson { line: 1, .. },
                ..
            })
        ));
        assert_eq!(fs::read(&file).unwrap(), b"{oops");
        fs::write(&file, vec![b' '; 2 << 20]).unwrap();
        assert!(matches!(login(clone.path()), Err(ConfigError::TooLong { .. })));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(matches!(login(clone.path()), Err(ConfigError::NoFile { .. })));
    }

    #[test]
    fn links_are_followed_inside_of_the_folder_only() {
        let clone = tempfile::tempdir().unwrap();
        let folder = clone.path().join(".docker");
        fs::create_dir(&folder).unwrap();
        let (outside, inside, link) = (
            clone.path().join("theirs"),
            folder.join("real.json"),
            folder.join("config.json"),
        );
        fs::write(&outside, "{}").unwrap();
        fs::write(&inside, "{}").unwrap();
        for target in [
            outside.as_path(),
            Path::new("../theirs"),
            Path::new("nowhere"),
            Path::new(".."),
        ] {
            symlink(target, &link).unwrap();
            assert!(matches!(login(&folder), Err(ConfigError::Link { .. })), "{target:?}");
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(fs::read(&outside).unwrap(), b"{}");
        symlink("real.json", &link).unwrap();
        login(&folder).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&inside).unwrap().contains("auths"));
    }

    #[test]
    fn a_file_in_the_folders_place_is_told() {
        let clone = tempfile::tempdir().unwrap();
        let folder = clone.path().join(".docker");
        fs::write(&folder, "").unwrap();
        let error = login(&folder).expect_err("a file is not a folder");
        assert!(error.to_string().contains("is not a folder"), "{error}");
    }

    #[test]
    fn a_denied_read_names_the_line_to_add() {
        let file = PathBuf::from("/build/.docker/config.json");
        let error = unreadable(file, &ErrorKind::PermissionDenied.into());
        assert!(error.to_string().contains("left alone"), "{error}");
        assert!(
            error.hint().contains("`- chmod -R a+rwX /build/.docker`"),
            "{}",
            error.hint()
        );
    }
}
