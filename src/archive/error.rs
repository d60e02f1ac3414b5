//! Why an archive or layout could not be read or written, with what to do about it.

use super::gzip::WrongDiffId;
use super::location::{Location, Transport};
use super::proof::Undecodable;
use super::tar::CUT;
use crate::files::{Denied, OutputError, shown};
use crate::names::Digest;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// How many images a message lists.
const LISTED: usize = 20;

/// A failure to read or write an archive or layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveError {
    /// The archive or layout.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an archive. Names of entries and of images are as the archive has them; [`ArchiveError`]'s
/// `Display` escapes and shortens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// There is no such file or folder.
    NotFound,
    /// It may not be read.
    Denied(Denied),
    /// The system does not read it.
    Unreadable(String),
    /// It is something else than was said.
    NotOfKind {
        /// What was said.
        transport: Transport,
        /// What tells that it is not.
        why: &'static str,
        /// What it is, if that is told.
        instead: Option<Transport>,
    },
    /// It holds nothing at all.
    Empty,
    /// It is a file of another kind.
    NotATar {
        /// Whether it is compressed a second time.
        is_gzip: bool,
    },
    /// There is no such path, but one that goes on after the colon at which a path ends.
    EndsAtColon {
        /// The whole of it.
        whole: PathBuf,
    },
    /// It is compressed otherwise than with gzip.
    Compressed {
        /// With what.
        with: &'static str,
    },
    /// A layer is compressed as no layer may be.
    LayerCompressed {
        /// The entry.
        entry: String,
        /// With what.
        with: &'static str,
    },
    /// It lists no image at all.
    NoImages {
        /// What it may be read as in place of what was said.
        instead: Option<Transport>,
    },
    /// None of its images has the name.
    NoSuchImage {
        /// The name.
        wanted: String,
        /// The names that there are.
        images: Vec<String>,
    },
    /// It has several images, and none was named, or the name fits several.
    Ambiguous {
        /// The images' names, `@N` for those without.
        images: Vec<String>,
    },
    /// Bytes that mean nothing.
    Damaged {
        /// The entry.
        entry: String,
        /// What is wrong there.
        why: String,
    },
    /// An entry that no writer of images makes: somebody wants a file outside of the archive.
    Hostile {
        /// The entry.
        entry: String,
        /// What it does.
        why: &'static str,
    },
    /// A link of a layout leads out of it, or to nothing.
    LinksOut {
        /// The entry.
        entry: String,
        /// What it does.
        why: &'static str,
        /// Whether something is to be written there.
        writing: bool,
    },
    /// An index names more than is there.
    Partial {
        /// The platforms for which all is there.
        platforms: Vec<String>,
        /// How many of the index's entries are not.
        missing: usize,
    },
    /// An entry that readers of tar take in two ways.
    TwoWays {
        /// The entry.
        entry: String,
        /// What it is to which of them.
        why: &'static str,
    },
    /// A container's files, and no image.
    FileSystem {
        /// What was said.
        transport: Transport,
    },
    /// More than is read.
    TooLarge {
        /// The entry, or what there are too many of.
        entry: String,
        /// The limit.
        largest: u64,
    },
    /// A file that the archive should hold.
    Missing {
        /// The entry.
        entry: String,
        /// Whether the archive lacks its end too.
        cut: bool,
    },
    /// The bytes of an entry have another digest than its name or the manifest says.
    WrongDigest {
        /// The digest that was expected.
        digest: Digest,
    },
    /// An image that this form of archive cannot hold.
    CannotHold {
        /// The form.
        transport: Transport,
        /// What the image has.
        why: String,
    },
    /// It could not be written.
    Output(OutputError),
}

impl Problem {
    /// A failure to open or read.
    pub(super) fn reading(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NotFound,
            ErrorKind::PermissionDenied => Self::Denied(Denied::reading(path)),
            _ => Self::Unreadable(error.to_string()),
        }
    }

    /// A failure to make or write.
    pub(super) fn writing(path: &Path, error: &io::Error) -> Self {
        Self::Output(OutputError::new(path, error))
    }

    /// Bytes of an entry that mean nothing.
    pub(super) fn damaged(entry: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged {
            entry: entry.into(),
            why: why.into(),
        }
    }

    /// Of the archive at `path`.
    pub(super) fn of(self, path: &Path) -> ArchiveError {
        ArchiveError {
            path: path.to_owned(),
            problem: self,
        }
    }
}

impl ArchiveError {
    /// A failure to read from a blob of the archive at `path`, of a region or a stream.
    #[must_use]
    pub fn reading(path: &Path, error: &io::Error) -> Self {
        Self::in_entry(path, "a blob", error)
    }

    /// A failure to read the entry of a layer to its end, by [`super::Gzip`] or [`super::Proof`], which look at what it
    /// holds.
    #[must_use]
    pub fn in_entry(path: &Path, entry: &str, error: &io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(wrong) = inner.and_then(|inner| inner.downcast_ref::<WrongDiffId>()) {
            return Problem::damaged(entry, wrong.to_string()).of(path);
        }
        if let Some(why) = inner.and_then(|inner| inner.downcast_ref::<Undecodable>()) {
            return Problem::damaged(entry, why.to_string()).of(path);
        }
        match error.kind() {
            ErrorKind::UnexpectedEof => Problem::damaged(entry, CUT),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                Problem::damaged(entry, "its gzip stream cannot be read")
            }
            _ => Problem::reading(path, error),
        }
        .of(path)
    }

    /// A failure to write into a region of the archive at `path`: a full disk, most likely.
    #[must_use]
    pub fn writing(path: &Path, error: &io::Error) -> Self {
        Problem::writing(path, error).of(path)
    }

    /// Says so where a path was cut at a colon that belongs to it.
    #[must_use]
    pub(super) fn at_colon(self, location: &Location) -> Self {
        let Some(name) = location.name.as_ref().filter(|_| self.problem == Problem::NotFound) else {
            return self;
        };
        let mut whole = location.path.clone().into_os_string();
        whole.push(":");
        whole.push(name);
        let whole = PathBuf::from(whole);
        if whole.exists() {
            Problem::EndsAtColon { whole }.of(&self.path)
        } else {
            self
        }
    }

    /// Whether it lacks a file, and was not cut short.
    #[must_use]
    pub const fn is_lacking(&self) -> bool {
        matches!(self.problem, Problem::Missing { cut: false, .. })
    }

    /// Whether an archive, or the image in it, is not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(
            self.problem,
            Problem::NotFound | Problem::EndsAtColon { .. } | Problem::NoSuchImage { .. } | Problem::NoImages { .. }
        )
    }

    /// Whether the variables ask for what an archive is not, or cannot be.
    #[must_use]
    pub const fn is_mistake(&self) -> bool {
        matches!(
            self.problem,
            Problem::Ambiguous { .. }
                | Problem::NotOfKind { .. }
                | Problem::FileSystem { .. }
                | Problem::Empty
                | Problem::NotATar { .. }
                | Problem::Compressed { .. }
                | Problem::CannotHold { .. }
        )
    }

    /// What to do about it, without a trailing period.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match &self.problem {
            Problem::NotFound => {
                "check the path (relative ones start at the working folder) and that the step's script \
                                  wrote it before the pipe, or that it is an artifact of an earlier step"
                    .to_owned()
            }
            Problem::Denied(_) => format!(
                "in Pipelines a pipe's root is another user than the step's; put this line before the pipe: \
                 `- chmod -R a+rX {}`",
                crate::files::shell_word(&self.path)
            ),
            Problem::NotOfKind {
                instead: Some(form), ..
            }
            | Problem::NoImages { instead: Some(form) } => format!("write `{form}:…` in place of it"),
            Problem::NotOfKind { .. } => format!(
                "name the form that it has: {}",
                Transport::ALL.map(|transport| format!("`{transport}:…`")).join(", ")
            ),
            Problem::Empty => "what writes it has failed or is not done: `docker buildx build` leaves an empty file where the build \
                               fails; the log of the lines before the pipe tells"
                .to_owned(),
            Problem::NotATar { is_gzip: false } => {
                "name a file that `docker save`, `docker buildx build`, skopeo, buildah or kaniko has written".to_owned()
            }
            Problem::NotATar { is_gzip: true } => {
                "it is compressed twice; before the pipe, decompress it once with `gunzip`".to_owned()
            }
            Problem::EndsAtColon { .. } => "rename the file: a path ends at its first `:`, and the image's name follows".to_owned(),
            Problem::Compressed { with } => {
                format!("decompress it before the pipe, or have it written plain or with gzip in place of {with}")
            }
            Problem::NoImages { instead: None } => {
                "whatever wrote it had none to write: `docker save` and kaniko's `--destination` need a name, and \
                 `umoci init` makes a layout without one"
                    .to_owned()
            }
            Problem::LayerCompressed { .. } => {
                "have the image saved with plain layers or with gzip: registries and what pulls from them know no other \
                 compression than gzip and zstd"
                    .to_owned()
            }
            Problem::NoSuchImage { .. } | Problem::Ambiguous { .. } => {
                "write the image's name behind the path, as in `docker-archive:FILE:NAME:TAG` or `oci:FOLDER:TAG`; \
                 `@0` means the first"
                    .to_owned()
            }
            Problem::Damaged { .. } | Problem::Missing { .. } | Problem::WrongDigest { .. } => {
                "make the archive anew, and check that the disk was not full then".to_owned()
            }
            Problem::Hostile { .. } => {
                "do not use this archive; no tool that writes images makes such entries".to_owned()
            }
            Problem::LinksOut { writing: true, .. } => "remove the link, or name another folder".to_owned(),
            Problem::LinksOut { writing: false, .. } => format!(
                "before the pipe, copy the layout with what its links lead to: `- cp -rL {} image`, and name `oci:image`",
                crate::files::shell_word(&self.path)
            ),
            Problem::Partial { platforms, .. } if platforms.is_empty() => {
                "make it anew with all that its index names".to_owned()
            }
            Problem::Partial { platforms, .. } => format!(
                "write in `PLATFORM` what it has, {}; or make it anew with all of them",
                platforms
                    .iter()
                    .map(|platform| format!("`{}`", text(platform)))
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
            Problem::TwoWays { .. } => {
                "have it written again by `docker save`, skopeo, buildx or `tar --create` of an unpacked one; as it is, \
                 another program may see another image in it"
                    .to_owned()
            }
            Problem::FileSystem { .. } => {
                "`docker export` writes a container's files; `docker commit` makes an image of the container, and \
                 `docker save` writes it"
                    .to_owned()
            }
            Problem::CannotHold {
                transport: Transport::DockerArchive,
                ..
            } => "write `oci-archive:FILE` or `oci:FOLDER`, which hold every image".to_owned(),
            // A file of a layout, and not an archive itself.
            Problem::Output(error) if error.path() != self.path => error.hint_below(&self.path),
            Problem::Output(error) => error.hint(),
            Problem::Unreadable(_) | Problem::TooLarge { .. } | Problem::CannotHold { .. } => return None,
        })
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = shown(&self.path);
        match &self.problem {
            Problem::NotFound => write!(f, "there is no `{path}`"),
            Problem::Denied(denied) => write!(f, "`{path}` cannot be read: {denied}"),
            Problem::Unreadable(why) => write!(f, "`{path}` cannot be read: {why}"),
            Problem::NotOfKind { transport, why, .. } => write!(f, "`{path}` cannot be read as `{transport}:`: {why}"),
            Problem::Empty => write!(f, "`{path}` is empty"),
            Problem::NotATar { .. } => write!(f, "`{path}` is not a tar"),
            Problem::EndsAtColon { whole } => {
                write!(f, "there is no `{path}`; there is `{}`", shown(whole))
            }
            Problem::Compressed { with } => write!(f, "`{path}` is compressed with {with}, and only gzip is read"),
            Problem::NoImages { .. } => write!(f, "`{path}` lists no image"),
            Problem::LayerCompressed { entry, with } => {
                write!(f, "`{path}` has a layer compressed with {with}: `{}`", text(entry))
            }
            Problem::NoSuchImage { wanted, images } if images.is_empty() => {
                write!(f, "`{path}` has no image `{}`; its images have no names", text(wanted))
            }
            Problem::NoSuchImage { wanted, images } => {
                write!(f, "`{path}` has no image `{}`, but {}", text(wanted), list(images))
            }
            Problem::Ambiguous { images } => write!(f, "`{path}` has several images: {}", list(images)),
            Problem::Damaged { entry, why } => write!(f, "`{path}` is damaged at `{}`: {}", text(entry), text(why)),
            Problem::Hostile { entry, why } => {
                write!(f, "`{path}` is not safe to use: its entry `{}` {why}", text(entry))
            }
            Problem::LinksOut { entry, why, .. } => {
                write!(f, "`{path}` cannot be used: its entry `{}` {why}", text(entry))
            }
            Problem::Partial { missing, .. } => write!(
                f,
                "`{path}` has not all of the image: of what its index names, {} not there",
                if *missing == 1 {
                    "1 entry is".to_owned()
                } else {
                    format!("{missing} entries are")
                }
            ),
            Problem::TwoWays { entry, why } => {
                write!(f, "`{path}` can be read in two ways: its entry `{}` {why}", text(entry))
            }
            Problem::FileSystem { transport } => {
                write!(
                    f,
                    "`{path}` cannot be read as `{transport}:`: it holds a file system and no image"
                )
            }
            Problem::TooLarge { entry, largest } => {
                write!(
                    f,
                    "`{path}`: `{}` is more than the {largest} that are read",
                    text(entry)
                )
            }
            Problem::Missing { entry, cut: false } => write!(f, "`{path}` lacks `{}`", text(entry)),
            Problem::Missing { entry, cut: true } => {
                write!(f, "`{path}` lacks `{}` and its own end: it was cut short", text(entry))
            }
            Problem::WrongDigest { digest } => write!(f, "`{path}` holds wrong bytes for {digest}"),
            Problem::CannotHold { transport, why } => {
                write!(f, "a `{transport}` cannot hold this image: {}", text(why))
            }
            Problem::Output(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ArchiveError {}

/// Text of the archive's on one line and bounded.
fn text(untrusted: &str) -> String {
    shown(Path::new(untrusted))
}

fn list(images: &[String]) -> String {
    let mut listed: Vec<String> = images
        .iter()
        .take(LISTED)
        .map(|image| format!("`{}`", text(image)))
        .collect();
    if images.len() > LISTED {
        listed.push(format!("and {} more", images.len() - LISTED));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::failure::{Failure, Kind};

    #[test]
    fn what_went_wrong_is_said_on_one_line_with_its_kind_and_cure() {
        let names = |count: usize| (0..count).map(|n| format!("shop/api:{n}")).collect::<Vec<_>>();
        let odd = "a\n\u{1b}[31m".to_owned();
        let wrong = WrongDiffId {
            expected: Digest::of(b"1"),
            found: Digest::of(b"2"),
        };
        let path = Path::new("out/x.tar");
        for (error, fact, cure, kind) in [
            (
                Problem::NotFound.of(path),
                "there is no `out/x.tar`",
                "artifact of an earlier step",
                Kind::NotFound,
            ),
            (
                Problem::NoSuchImage {
                    wanted: odd.clone(),
                    images: names(2),
                }
                .of(path),
                "has no image `a\\n\\u{1b}[31m`, but `shop/api:0`, `shop/api:1`",
                "docker-archive:FILE:NAME:TAG",
                Kind::NotFound,
            ),
            (
                Problem::NoSuchImage {
                    wanted: "x".to_owned(),
                    images: vec![],
                }
                .of(path),
                "its images have no names",
                "`@0` means the first",
                Kind::NotFound,
            ),
            (
                Problem::Ambiguous { images: names(30) }.of(path),
                "`shop/api:19`, and 10 more",
                "write the image's name",
                Kind::Variables,
            ),
            (
                Problem::Compressed { with: "zstd" }.of(path),
                "`out/x.tar` is compressed with zstd, and only gzip is read",
                "decompress it",
                Kind::Variables,
            ),
            (
                Problem::Hostile {
                    entry: odd,
                    why: "does",
                }
                .of(path),
                "entry `a\\n",
                "do not use this",
                Kind::Other,
            ),
            (
                ArchiveError::reading(path, &io::Error::new(ErrorKind::InvalidData, wrong)),
                "where the image's configuration states sha256:",
                "make the archive anew",
                Kind::Other,
            ),
            (
                ArchiveError::reading(path, &ErrorKind::UnexpectedEof.into()),
                "it was cut short",
                "anew",
                Kind::Other,
            ),
            (
                ArchiveError::writing(path, &ErrorKind::StorageFull.into()),
                "the disk is full",
                "free space",
                Kind::Other,
            ),
            (
                Problem::reading(path, &ErrorKind::PermissionDenied.into()).of(path),
                "`out/x.tar` cannot be read: `",
                "`- chmod -R a+rX out/x.tar`",
                Kind::Other,
            ),
        ] {
            let failure = Failure::from(&error);
            assert!(failure.message.contains(fact), "{}", failure.message);
            assert!(!failure.message.contains(char::is_control), "{}", failure.message);
            assert_eq!(failure.kind, kind, "{}", failure.message);
            let hint = failure.hint.unwrap_or_default();
            assert!(hint.contains(cure), "{hint}");
        }
    }
}
