//! What the clone says of images: its Dockerfiles, compose files and `bitbucket-pipelines.yml`. Opens no connection and
//! changes nothing; what cannot be read is told, and never fails a run.

pub mod compose;
pub mod dockerfile;
pub(crate) mod ignore;
pub mod pipelines;
mod substitution;
pub mod walk;
pub mod yaml;
mod yaml_size;

use crate::files::shown;
use crate::names::{BadReference, Host, Namespace, Reference, split_host};
use crate::text::Quoted;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use walk::Walk;

/// An image as a file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mention {
    /// Its name, variables filled in.
    Image {
        /// As `docker pull` would take it.
        image: String,
        /// From 1; `None` where it is not sure.
        line: Option<usize>,
    },
    /// It is not known which.
    Unclear {
        /// As it stands in the file.
        written: String,
        /// From 1; `None` where it is not sure.
        line: Option<usize>,
        /// Why it is not known.
        why: Unclear,
    },
}

/// Why it is not known which image a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    /// It needs this build argument, which has no default before the first `FROM`.
    Argument(String),
    /// It needs this variable, which has no default.
    Variable(String),
    /// It has a variable where Docker fills none in.
    NoVariables,
    /// It uses `${…}` in a way that is not known here.
    Unread,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(name) => write!(f, "`ARG {}` has no default before the first `FROM`", Quoted::new(name)),
            Self::Variable(name) => write!(f, "the variable `{}` has no default", Quoted::new(name)),
            Self::NoVariables => f.write_str("Docker fills no variables in there"),
            Self::Unread => f.write_str("its `${…}` is none that the pipe can fill in"),
        }
    }
}

/// A place in the clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Relative to the clone.
    pub file: PathBuf,
    /// From 1; `None` where it is not sure.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.file))?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Something that may name an image of the registry, but does not say which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Where it stands.
    pub place: Place,
    /// What it is and why it was passed over, fit for a log line, without a trailing period.
    pub problem: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// What Dockerfiles and compose files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The registry's images, each once, with a tag or digest, and where each is named.
    pub images: Vec<(Reference, Vec<Place>)>,
    /// What may name more.
    pub passed_over: Vec<PassedOver>,
    /// The files that were read, relative to the clone.
    pub looked_at: Vec<PathBuf>,
    /// Whether the clone has more files than are looked at.
    pub is_cut: bool,
}

impl Discovered {
    /// The images alone.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.images.iter().map(|(image, _)| image)
    }
}

/// The images of `namespace.registry` that Dockerfiles and compose files of the clone name with their host: without one, a
/// name in these files is Docker Hub's.
#[must_use]
pub fn images(clone: &Path, namespace: &Namespace) -> Discovered {
    let Walk { files, is_cut } = walk::walk(clone, |name| dockerfile::is_name(name) || compose::is_name(name));
    let mut discovery = Discovery {
        namespace,
        numbers: HashMap::new(),
        discovered: Discovered {
            is_cut,
            ..Discovered::default()
        },
    };
    for file in files {
        let is_compose = file
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(compose::is_name);
        discovery.file(&file, walk::read(&clone.join(&file)).as_deref(), is_compose);
        discovery.discovered.looked_at.push(file);
    }
    discovery.discovered
}

struct Discovery<'a> {
    namespace: &'a Namespace,
    /// Where in `discovered.images` a reference is.
    numbers: HashMap<Reference, usize>,
    discovered: Discovered,
}

impl Discovery<'_> {
    fn file(&mut self, file: &Path, text: Option<&str>, is_compose: bool) {
        let Some(text) = text else {
            return self.pass_over(file, None, "it cannot be read, or is longer than 1 MiB".to_owned());
        };
        let mentions = if is_compose {
            compose::images(text)
        } else {
            Ok(dockerfile::images(text))
        };
        match mentions {
            Ok(mentions) => mentions.into_iter().for_each(|mention| self.mention(file, mention)),
            Err(bad) => self.pass_over(file, bad.line, Quoted::new(&bad.to_string()).to_string()),
        }
    }

    fn mention(&mut self, file: &Path, mention: Mention) {
        match mention {
            Mention::Image { image, line } => match self.reference(&image) {
                Ok(Some(reference)) => {
                    let place = Place {
                        file: file.to_owned(),
                        line,
                    };
                    let images = &mut self.discovered.images;
                    let number = *self.numbers.entry(reference.clone()).or_insert(images.len());
                    if number == images.len() {
                        images.push((reference, Vec::new()));
                    }
                    if !images[number].1.contains(&place) {
                        images[number].1.push(place);
                    }
                }
                Ok(None) => {}
                Err(bad) => {
                    let problem = format!("`{}`: {bad}; {}", Quoted::new(&image), bad.hint());
                    self.pass_over(file, line, problem);
                }
            },
            Mention::Unclear { written, line, why } if self.may_be_ours(&written) => {
                self.pass_over(file, line, format!("`{}`: {why}", Quoted::new(&written)));
            }
            Mention::Unclear { .. } => {}
        }
    }

    /// The image if it is the registry's; an error if it is one that was meant to be.
    fn reference(&self, image: &str) -> Result<Option<Reference>, BadReference> {
        let Some(host) = split_host(image).0.and_then(|host| Host::parse(host).ok()) else {
            return Ok(None);
        };
        let is_ours = host == self.namespace.registry;
        match Reference::parse(image, self.namespace) {
            Ok(reference) if is_ours => Ok(Some(reference.or_latest())),
            Err(bad) if is_ours || matches!(bad, BadReference::WrongHost { .. }) => Err(bad),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Whether a text with variables in it may name an image of the registry: its host is that, or a variable.
    fn may_be_ours(&self, written: &str) -> bool {
        let written = written.trim_start_matches(['"', '\'']);
        match written.split_once('/') {
            Some((host, _)) => host.contains('$') || host.eq_ignore_ascii_case(self.namespace.registry.as_str()),
            None => written.starts_with('$'),
        }
    }

    fn pass_over(&mut self, file: &Path, line: Option<usize>, problem: String) {
        self.discovered.passed_over.push(PassedOver {
            place: Place {
                file: file.to_owned(),
                line,
            },
            problem,
        });
    }
}

#[cfg(test)]
mod tests;
