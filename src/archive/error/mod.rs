//! Why an archive or layout could not be read or written, with what to do about it.

mod hint;

use crate::archive::gzip::WrongDiffId;
use crate::archive::location::{Location, Transport};
use crate::archive::proof::Undecodable;
use crate::archive::tar::CUT;
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
    pub kind: ArchiveErrorKind,
}

/// What is wrong with an archive. Names of entries and of images are as the archive has them; [`ArchiveError`]'s
/// `Display` escapes and shortens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveErrorKind {
    /// There is no such file or folder.
    NotFound,
    /// It may not be read.
    Denied(Denied),
    /// The system does not read it.
    Unreadable(String),
    /// It is something else than was said.
    NotOfKind {
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
    Compressed { with: &'static str },
    /// A layer is compressed as no layer may be.
    LayerCompressed { entry: String, with: &'static str },
    /// It lists no image at all.
    NoImages {
        /// What it may be read as in place of what was said.
        instead: Option<Transport>,
    },
    /// None of its images has the name.
    NoSuchImage {
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
        entry: String,
        /// What is wrong there.
        why: String,
    },
    /// An entry that no writer of images makes: somebody wants a file outside of the archive.
    Hostile { entry: String, why: &'static str },
    /// A link of a layout leads out of it, or to nothing.
    LinksOut {
        entry: String,
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
        entry: String,
        /// What it is to which of them.
        why: &'static str,
    },
    /// A container's files, and no image.
    FileSystem { transport: Transport },
    /// More than is read.
    TooLarge {
        /// The entry, or what there are too many of.
        entry: String,
        largest: u64,
    },
    /// A file that the archive should hold.
    Missing {
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
        transport: Transport,
        /// What the image has.
        why: String,
    },
    /// It could not be written.
    Output(OutputError),
}

impl ArchiveErrorKind {
    /// A failure to open or read.
    pub(in crate::archive) fn reading(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NotFound,
            ErrorKind::PermissionDenied => Self::Denied(Denied::reading(path)),
            _ => Self::Unreadable(error.to_string()),
        }
    }

    /// A failure to make or write.
    pub(in crate::archive) fn writing(path: &Path, error: &io::Error) -> Self {
        Self::Output(OutputError::new(path, error))
    }

    /// Bytes of an entry that mean nothing.
    pub(in crate::archive) fn damaged(entry: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged {
            entry: entry.into(),
            why: why.into(),
        }
    }

    /// Of the archive at `path`.
    pub(in crate::archive) fn of(self, path: &Path) -> ArchiveError {
        ArchiveError {
            path: path.to_owned(),
            kind: self,
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
            return ArchiveErrorKind::damaged(entry, wrong.to_string()).of(path);
        }
        if let Some(why) = inner.and_then(|inner| inner.downcast_ref::<Undecodable>()) {
            return ArchiveErrorKind::damaged(entry, why.to_string()).of(path);
        }
        match error.kind() {
            ErrorKind::UnexpectedEof => ArchiveErrorKind::damaged(entry, CUT),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                ArchiveErrorKind::damaged(entry, "its gzip stream cannot be read")
            }
            _ => ArchiveErrorKind::reading(path, error),
        }
        .of(path)
    }

    /// A failure to write into a region of the archive at `path`: a full disk, most likely.
    #[must_use]
    pub fn writing(path: &Path, error: &io::Error) -> Self {
        ArchiveErrorKind::writing(path, error).of(path)
    }

    /// Says so where a path was cut at a colon that belongs to it.
    #[must_use]
    pub(in crate::archive) fn at_colon(self, location: &Location) -> Self {
        let Some(name) = location
            .name
            .as_ref()
            .filter(|_| self.kind == ArchiveErrorKind::NotFound)
        else {
            return self;
        };
        let mut whole = location.path.clone().into_os_string();
        whole.push(":");
        whole.push(name);
        let whole = PathBuf::from(whole);
        if whole.exists() {
            ArchiveErrorKind::EndsAtColon { whole }.of(&self.path)
        } else {
            self
        }
    }

    /// Whether it lacks a file, and was not cut short.
    #[must_use]
    pub const fn is_lacking(&self) -> bool {
        matches!(self.kind, ArchiveErrorKind::Missing { cut: false, .. })
    }

    /// Whether an archive, or the image in it, is not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(
            self.kind,
            ArchiveErrorKind::NotFound
                | ArchiveErrorKind::EndsAtColon { .. }
                | ArchiveErrorKind::NoSuchImage { .. }
                | ArchiveErrorKind::NoImages { .. }
        )
    }

    /// Whether the variables ask for what an archive is not, or cannot be.
    #[must_use]
    pub const fn is_mistake(&self) -> bool {
        matches!(
            self.kind,
            ArchiveErrorKind::Ambiguous { .. }
                | ArchiveErrorKind::NotOfKind { .. }
                | ArchiveErrorKind::FileSystem { .. }
                | ArchiveErrorKind::Empty
                | ArchiveErrorKind::NotATar { .. }
                | ArchiveErrorKind::Compressed { .. }
                | ArchiveErrorKind::CannotHold { .. }
        )
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = shown(&self.path);
        match &self.kind {
            ArchiveErrorKind::NotFound => write!(f, "there is no `{path}`"),
            ArchiveErrorKind::Denied(denied) => write!(f, "`{path}` cannot be read: {denied}"),
            ArchiveErrorKind::Unreadable(why) => write!(f, "`{path}` cannot be read: {why}"),
            ArchiveErrorKind::NotOfKind { transport, why, .. } => {
                write!(f, "`{path}` cannot be read as `{transport}:`: {why}")
            }
            ArchiveErrorKind::Empty => write!(f, "`{path}` is empty"),
            ArchiveErrorKind::NotATar { .. } => write!(f, "`{path}` is not a tar"),
            ArchiveErrorKind::EndsAtColon { whole } => {
                write!(f, "there is no `{path}`; there is `{}`", shown(whole))
            }
            ArchiveErrorKind::Compressed { with } => {
                write!(f, "`{path}` is compressed with {with}, and only gzip is read")
            }
            ArchiveErrorKind::NoImages { .. } => write!(f, "`{path}` lists no image"),
            ArchiveErrorKind::LayerCompressed { entry, with } => {
                write!(f, "`{path}` has a layer compressed with {with}: `{}`", text(entry))
            }
            ArchiveErrorKind::NoSuchImage { wanted, images } if images.is_empty() => {
                write!(f, "`{path}` has no image `{}`; its images have no names", text(wanted))
            }
            ArchiveErrorKind::NoSuchImage { wanted, images } => {
                write!(f, "`{path}` has no image `{}`, but {}", text(wanted), list(images))
            }
            ArchiveErrorKind::Ambiguous { images } => write!(f, "`{path}` has several images: {}", list(images)),
            ArchiveErrorKind::Damaged { entry, why } => {
                write!(f, "`{path}` is damaged at `{}`: {}", text(entry), text(why))
            }
            ArchiveErrorKind::Hostile { entry, why } => {
                write!(f, "`{path}` is not safe to use: its entry `{}` {why}", text(entry))
            }
            ArchiveErrorKind::LinksOut { entry, why, .. } => {
                write!(f, "`{path}` cannot be used: its entry `{}` {why}", text(entry))
            }
            ArchiveErrorKind::Partial { missing, .. } => write!(
                f,
                "`{path}` has not all of the image: of what its index names, {} not there",
                if *missing == 1 {
                    "1 entry is".to_owned()
                } else {
                    format!("{missing} entries are")
                }
            ),
            ArchiveErrorKind::TwoWays { entry, why } => {
                write!(f, "`{path}` can be read in two ways: its entry `{}` {why}", text(entry))
            }
            ArchiveErrorKind::FileSystem { transport } => {
                write!(
                    f,
                    "`{path}` cannot be read as `{transport}:`: it holds a file system and no image"
                )
            }
            ArchiveErrorKind::TooLarge { entry, largest } => {
                write!(
                    f,
                    "`{path}`: `{}` is more than the {largest} that are read",
                    text(entry)
                )
            }
            ArchiveErrorKind::Missing { entry, cut: false } => write!(f, "`{path}` does not have `{}`", text(entry)),
            ArchiveErrorKind::Missing { entry, cut: true } => {
                write!(
                    f,
                    "`{path}` has neither `{}` nor its own end: it was cut short",
                    text(entry)
                )
            }
            ArchiveErrorKind::WrongDigest { digest } => write!(f, "`{path}` holds wrong bytes for {digest}"),
            ArchiveErrorKind::CannotHold { transport, why } => {
                write!(f, "a `{transport}` cannot hold this image: {}", text(why))
            }
            ArchiveErrorKind::Output(error) => error.fmt(f),
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
mod tests;
