//! `ACTION: push`, checked: what is published, and where to.

use super::images::{DOCKER, same_name, transport};
use super::{Check, OnExisting, Read};
use crate::archive::{Location, Transport};
use crate::engine::Address;
use crate::files::shown;
use crate::mistake::{Mistake, MistakeKind};
use crate::names::platform::Platform;
use crate::names::{AtLeastOne, BadReference, Repository, Tag, split};
use std::fmt;
use std::path::Path;

/// `ACTION: push`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Push {
    pub source: PushSource,
    pub target: Repository,
    /// The tags to set.
    pub tags: AtLeastOne<Tag>,
    /// The platform that the image must have.
    pub platform: Option<Platform>,
    /// What to do with tags that point elsewhere.
    pub on_existing: OnExisting,
}

/// `SOURCE` of `push`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PushSource {
    /// The image as the daemon names it: name with tag or digest, or an ID.
    Daemon(String, Address),
    /// In a file or folder.
    Archive(Location),
}

impl fmt::Display for PushSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(name, _) => f.write_str(name),
            Self::Archive(location) => location.fmt(f),
        }
    }
}

impl Check<'_> {
    pub(super) fn push(&mut self) -> Read<Push> {
        let on_existing = self.on_existing();
        let platform = self.platform();
        let tags = self.tags();
        let target = self.target();
        let required = self.required_source(
            "`push` needs the image that the step has built",
            "write the name given to `docker build -t`, as in `SOURCE: api:build`, or an archive, as in `oci-archive:FILE`",
        );
        if required.is_err() {
            // Only an archive would do without; all mistakes are told at once.
            let _ = self.daemon();
        }
        let written = required?;
        let (source, name) = self.push_source(written)?;
        let parts = name.as_deref().map_or(Ok((None, None)), daemon_name);
        let (name_part, source_tag) = match (parts, &source) {
            (_, PushSource::Archive(location)) if name.is_none() => (None, layout_tag(location)),
            (Ok(parts), _) => parts,
            // An archive may hold an image under any name; it then names no target.
            (Err(_), PushSource::Archive(_)) => (None, None),
            (Err(bad), PushSource::Daemon(..)) => {
                let cure = "write the name that `docker image ls` shows, with its tag";
                return Err(self.mistake(Mistake {
                    cure: cure.to_owned(),
                    ..Mistake::of_reference("SOURCE", written, &bad)
                }));
            }
        };
        let (target, target_tag) = match target? {
            Some(target) => target,
            None => (self.derived_target(written, name_part)?, None),
        };
        let tags = match (target_tag, tags.map(AtLeastOne::of)) {
            (Some(tag), _) if !self.variables.tags.is_empty() => {
                let written = self.variables.scalars.target.as_deref().unwrap_or_default();
                return Err(self.mistake(Mistake::new(
                    MistakeKind::Together,
                    "TARGET",
                    written,
                    format!("it has the tag `{tag}`, and `TAGS` is set too"),
                    "write the tags in one of them",
                )));
            }
            (_, Err(mistake)) => return Err(mistake),
            (Some(tag), _) => tag.into(),
            (None, Ok(Some(tags))) => tags,
            (None, Ok(None)) => source_tag.unwrap_or_else(Tag::latest).into(),
        };
        Ok(Push {
            source,
            target,
            tags,
            platform,
            on_existing,
        })
    }

    /// `SOURCE` of `push`, and the image's name, as far as it has one.
    fn push_source(&mut self, written: &str) -> Read<(PushSource, Option<String>)> {
        let mistake = match Location::parse(written) {
            Ok(Some(mut location)) => {
                location.path = self.step.working_folder.join(&location.path);
                let name = archive_name(&location);
                return Ok((PushSource::Archive(location), name));
            }
            Err(bad) => Mistake::new(bad.mistake_kind(), "SOURCE", written, bad.to_string(), bad.hint()),
            Ok(None) if is_path(written) => Mistake::new(
                MistakeKind::Location,
                "SOURCE",
                written,
                "it is a path, and a path needs its form before it",
                format!(
                    "write `docker-archive:{}` for what `docker save` wrote, else `oci-archive:FILE` or `oci:FOLDER`",
                    shown(Path::new(written))
                ),
            ),
            Ok(None) => {
                let name = written.strip_prefix("docker-daemon:").unwrap_or(written).to_owned();
                match transport(&name) {
                    None => return Ok((PushSource::Daemon(name.clone(), self.daemon()?), Some(name))),
                    Some(DOCKER) => Mistake::new(
                        MistakeKind::NotForAction,
                        "SOURCE",
                        written,
                        format!("`push` does not read `{DOCKER}`"),
                        "for an image of a registry use `ACTION: copy`",
                    ),
                    Some(transport) => Mistake::new(
                        MistakeKind::NotForAction,
                        "SOURCE",
                        written,
                        format!("`push` does not read `{transport}`"),
                        "write the image's name in the Docker daemon, `docker-archive:FILE`, `oci-archive:FILE` or `oci:FOLDER`",
                    ),
                }
            }
        };
        Err(self.mistake(mistake))
    }

    /// The repository that the source goes to if `TARGET` says nothing.
    fn derived_target(&mut self, source: &str, name: Option<&str>) -> Read<Repository> {
        let mistake = match name.map(|name| same_name(name, &self.namespace)) {
            Some(Ok(repository)) => return Ok(repository),
            Some(Err(bad)) => Mistake::new(
                MistakeKind::Missing,
                "SOURCE",
                source,
                format!("no target follows from it: {bad}"),
                "write `TARGET: package`",
            ),
            None => {
                let is_archive = matches!(Location::parse(source), Ok(Some(_)));
                let problem = if is_archive {
                    "no target follows from it"
                } else {
                    "it is an image ID, which names no target"
                };
                Mistake::new(
                    MistakeKind::Missing,
                    "SOURCE",
                    source,
                    problem,
                    "write `TARGET: package`",
                )
            }
        };
        // A target was written and arrived empty: that is told already.
        let told = self.mistakes.iter().find(|told| told.variable == "TARGET");
        Err(told.cloned().unwrap_or_else(|| self.mistake(mistake)))
    }
}

/// Whether a text without transport is rather a path than the name of an image in a daemon.
fn is_path(text: &str) -> bool {
    let begins = ["/", "./", "../"].iter().any(|begin| text.starts_with(begin));
    let ends = [".tar", ".tar.gz", ".tgz"].iter().any(|end| text.ends_with(end));
    begins || (ends && !text.contains(':'))
}

/// The name of an archive's image that a target may follow from: a docker-archive names images as a daemon does; of a
/// layout's names only a full reference is one.
fn archive_name(location: &Location) -> Option<String> {
    let name = location.name.clone().filter(|name| !name.starts_with('@'))?;
    (location.transport == Transport::DockerArchive || name.contains('/')).then_some(name)
}

/// The tag by which a layout names an image that it gives no full reference.
fn layout_tag(location: &Location) -> Option<Tag> {
    let name = location.name.as_deref().filter(|name| !name.contains(['@', '/']))?;
    name.rsplit(':').next().and_then(|tag| Tag::parse(tag).ok())
}

/// Name without tag, and tag, of an image as a daemon has it; no name for an ID, whole or as `docker image ls` cuts it.
#[allow(clippy::type_complexity, reason = "two halves of one name")]
fn daemon_name(text: &str) -> Result<(Option<&str>, Option<Tag>), BadReference> {
    let hexadecimal = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = match text.strip_prefix("sha256:") {
        Some(id) => id.len() >= 12 && hexadecimal(id),
        None => matches!(text.len(), 12 | 64) && hexadecimal(text),
    };
    if is_id {
        return Ok((None, None));
    }
    let (name, tag, _) = split(text)?;
    Ok((Some(name), tag.map(Tag::parse).transpose()?))
}
