//! What the clone says of images: its Dockerfiles, compose files and `bitbucket-pipelines.yml`. Opens no connection and
//! changes nothing; what cannot be read is told, and never fails a run. Whatever the files hold, it ends soon: one budget
//! bounds all that is looked at.

pub(crate) mod budget;
pub(crate) mod compose;
mod discovery;
pub(crate) mod dockerfile;
mod files;
pub(crate) mod gitignore;
pub(crate) mod ignore;
mod meant;
pub(crate) mod pipelines;
pub(crate) mod scripts;
pub(crate) mod walk;
mod yaml;

pub(crate) use budget::Spent;
pub(crate) use discovery::{images, named};

use crate::files::shown;
use crate::names::Reference;
use crate::names::platform::Platform;
use crate::text::Quoted;
use std::fmt;
use std::path::PathBuf;

/// Which images are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Those that a build or a start of the services takes from a registry.
    Needed,
    /// All that are named.
    Named,
    /// The same, with the defaults of variables whatever `.env` says.
    Defaults,
}

/// An image as a file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mention {
    /// Its name, variables filled in.
    Image {
        /// As `docker pull` would take it.
        image: String,
        /// As it is written in the file.
        written: String,
        /// From 1; `None` where it is not sure.
        line: Option<usize>,
        /// The platform that is taken, as the file has it; `None` for the one that is built for.
        platform: Option<String>,
        /// Why a variable in it counts as empty, if one does.
        hole: Option<Unclear>,
        /// Whether nothing fails without it: a source of cache.
        is_optional: bool,
    },
    /// It is not known which.
    Unclear {
        /// As it is written in the file.
        written: String,
        /// From 1; `None` where it is not sure.
        line: Option<usize>,
        /// Why it is not known.
        why: Unclear,
    },
}

impl Mention {
    /// Whether it is an image, and no variable in it counts as empty.
    fn is_known(&self) -> bool {
        matches!(self, Self::Image { hole: None, .. })
    }
}

/// Why it is not known which image a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// It needs this build argument, which has no default before the first `FROM`.
    Argument(String),
    /// It needs this build argument, which is not declared before the first `FROM`.
    Undeclared(String),
    /// It needs this build argument, whose value is not known either.
    Because(String, Box<Unclear>),
    /// It needs this variable, which has no default.
    Variable(String),
    /// It has a variable where Docker fills none in.
    NoVariables,
    /// It uses `$` in a way that Docker refuses.
    Unread,
    /// It comes after more variables than are filled in.
    TooMany,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(name) => write!(f, "`ARG {}` has no default before the first `FROM`", Quoted::new(name)),
            Self::Undeclared(name) => write!(f, "there is no `ARG {}` before the first `FROM`", Quoted::new(name)),
            Self::Because(name, why) => {
                // One reason is enough, however long the chain is.
                let mut why = why;
                while let Self::Because(_, next) = &**why {
                    why = next;
                }
                write!(f, "the default of `ARG {}` is not known: {why}", Quoted::new(name))
            }
            Self::Variable(name) => write!(f, "the variable `{}` has no default", Quoted::new(name)),
            Self::NoVariables => f.write_str("Docker fills no variables in there"),
            Self::Unread => f.write_str("Docker does not read its `$` or quotation marks"),
            Self::TooMany => f.write_str("it comes after more variables than are filled in"),
        }
    }
}

/// A place in the clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClonePlace {
    /// Relative to the clone.
    pub file: PathBuf,
    /// From 1; `None` where it is not sure.
    pub line: Option<usize>,
}

impl fmt::Display for ClonePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.file))?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Something that may name an image of the registry, but does not say which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// Where it is written.
    pub place: ClonePlace,
    /// What it is and why it was passed over, fit for a log line, without a trailing period.
    pub problem: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// An image of the registry, and where it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundImage {
    /// With a tag or digest.
    pub image: Reference,
    /// The platform that the files take it for; `None` for the daemon's own.
    pub platform: Option<Platform>,
    /// Where it is named, each place once.
    pub places: Vec<ClonePlace>,
    /// Whether it only makes a build faster: nothing fails without it.
    pub is_optional: bool,
}

/// What Dockerfiles and compose files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Discovered {
    /// The registry's images, each once for each platform.
    pub images: Vec<FoundImage>,
    /// What may name more, each place and problem once.
    pub passed_over: Vec<PassedOver>,
    /// The files that were read, relative to the clone.
    pub looked_at: Vec<PathBuf>,
    /// What there was too much of: not all of the clone was looked at.
    pub cut: Option<Spent>,
    /// How many images more the files name than are listed.
    pub more_images: usize,
}

impl Discovered {
    /// The images alone, each once.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        let images = self.images.iter().enumerate();
        images.filter_map(|(at, found)| {
            let is_first = self.images[..at].iter().all(|other| other.image != found.image);
            is_first.then_some(&found.image)
        })
    }
}

#[cfg(test)]
mod tests;
