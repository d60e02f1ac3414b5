//! The variables of each action: which images, from where, to where, under which tags.

use super::{Action, Check, Login, Pull, Push, Retag, Source, Step};
use crate::archive::{Location, Transport};
use crate::files::{Output, shown};
use crate::input::variables::ACTIONS;
use crate::mistake::Mistake;
use crate::names::{BadReference, Host, Namespace, Reference, Repository, Tag, split, split_host};
use std::path::Path;

/// How skopeo begins the name of an image in a registry. Here it needs no such word.
pub(super) const DOCKER: &str = "docker://";

impl Check<'_> {
    pub(super) fn action(&mut self, namespace: &Namespace, step: &Step) -> Option<Action> {
        let written = self
            .variables
            .scalars
            .action
            .clone()
            .unwrap_or_else(|| "pull".to_owned());
        match written.trim().to_ascii_lowercase().as_str() {
            "pull" => self.pull(namespace, step).map(Action::Pull),
            "retag" => self.retag(namespace).map(Action::Retag),
            "push" => self.push(namespace, step).map(Action::Push),
            "copy" => Some(Action::Copy(self.copy(namespace))),
            "login" => self.login(step).map(Action::Login),
            "check" => Some(Action::Check(self.checkup(namespace, step))),
            _ => {
                self.mistake(Mistake::new(
                    "ACTION",
                    &written,
                    "there is no such action",
                    format!("write one of `{}`", ACTIONS.join("`, `")),
                ));
                None
            }
        }
    }

    fn pull(&mut self, namespace: &Namespace, step: &Step) -> Option<Pull> {
        let mut images = self.images(namespace);
        let discovered = if self.variables.images.is_empty() {
            let discovered = self.discovered(namespace, step);
            images.extend(discovered.images.iter().map(|(image, _)| image.clone()));
            Some(discovered)
        } else {
            None
        };
        let platform = self.platform();
        let to = self.destination(images.len() > 1, step)?;
        Some(Pull {
            images,
            discovered,
            platform,
            to,
        })
    }

    /// `IMAGES`, each once.
    pub(super) fn images(&mut self, namespace: &Namespace) -> Vec<Reference> {
        let mut images: Vec<Reference> = Vec::new();
        for text in &self.variables.images {
            if let Some(mistake) = of_no_registry(text, text, namespace) {
                self.mistake(mistake);
                continue;
            }
            match Reference::parse(text, namespace) {
                Ok(mut image) => {
                    if image.tag.is_none() && image.digest.is_none() {
                        image.tag = Some(Tag::latest());
                    }
                    if !images.contains(&image) {
                        images.push(image);
                    }
                }
                Err(bad) => self.mistake(Mistake::new("IMAGES", text, bad.to_string(), bad.hint())),
            }
        }
        images
    }

    fn retag(&mut self, namespace: &Namespace) -> Option<Retag> {
        let tags = self.tags();
        if self.variables.tags.is_empty() {
            self.mistake(Mistake::unshown(
                "TAGS",
                "`retag` needs the tags to set",
                "write `TAGS: '1.4.2 latest'` or a list",
            ));
        }
        if let Some(target) = self.variables.scalars.target.clone() {
            self.mistake(Mistake::new(
                "TARGET",
                &target,
                "`retag` stays in the repository of `SOURCE`",
                "leave it out; to bring an image to another repository use `ACTION: copy`",
            ));
        }
        let on_existing = self.on_existing();
        let source = self.required_source(
            "`retag` needs the image that is in the registry",
            "write `SOURCE: package:tag`",
        )?;
        if let Some(transport) = transport(&source).filter(|transport| *transport != DOCKER) {
            self.mistake(Mistake::new(
                "SOURCE",
                &source,
                format!("`retag` works inside the registry, not on `{transport}`"),
                "write `package:tag`, or use `ACTION: push` for an image built in this step",
            ));
            return None;
        }
        match Reference::parse(&source, namespace) {
            Ok(source) if *source.repository.host() == namespace.registry => Some(Retag {
                source,
                tags,
                on_existing,
            }),
            Ok(other) => {
                self.mistake(Mistake::new(
                    "SOURCE",
                    &source,
                    format!(
                        "it is on `{}`, but `REGISTRY` is `{}`",
                        other.repository.host(),
                        namespace.registry
                    ),
                    "`retag` stays in one repository of `REGISTRY`",
                ));
                None
            }
            Err(bad) => {
                self.mistake(Mistake::new("SOURCE", &source, bad.to_string(), bad.hint()));
                None
            }
        }
    }

    fn push(&mut self, namespace: &Namespace, step: &Step) -> Option<Push> {
        let on_existing = self.on_existing();
        let platform = self.platform();
        let mut tags = self.tags();
        let target = self.target(namespace);
        let required = self.required_source(
            "`push` needs the image that the step has built",
            "write the name given to `docker build -t`, as in `SOURCE: api:build`, or an archive, as in `oci-archive:FILE`",
        );
        let Some(written) = required else {
            // Only an archive would do without; all mistakes are told at once.
            self.daemon();
            return None;
        };
        let (source, name) = self.push_source(&written, step)?;
        let parts = name.as_deref().map_or(Ok((None, None)), daemon_name);
        let (name_part, source_tag) = match (parts, &source) {
            (_, Source::Archive(location)) if name.is_none() => (None, layout_tag(location)),
            (Ok(parts), _) => parts,
            // An archive may hold an image under any name; it then names no target.
            (Err(_), Source::Archive(_)) => (None, None),
            (Err(bad), Source::Daemon(..)) => {
                let cure = "write the name that `docker image ls` shows, with its tag";
                self.mistake(Mistake::new("SOURCE", &written, bad.to_string(), cure));
                return None;
            }
        };
        let (target, target_tag) = match target {
            Some(target) => target?,
            None => (self.derived_target(&written, name_part, namespace)?, None),
        };
        match target_tag {
            Some(tag) if !self.variables.tags.is_empty() => {
                let written = self.variables.scalars.target.clone().unwrap_or_default();
                self.mistake(Mistake::new(
                    "TARGET",
                    &written,
                    format!("it has the tag `{tag}`, and `TAGS` is set too"),
                    "write the tags in one of them",
                ));
            }
            Some(tag) => tags = vec![tag],
            None if tags.is_empty() => tags = vec![source_tag.unwrap_or_else(Tag::latest)],
            None => {}
        }
        Some(Push {
            source,
            target,
            tags,
            platform,
            on_existing,
        })
    }

    /// `SOURCE` of `push`, and the image's name, as far as it has one.
    fn push_source(&mut self, written: &str, step: &Step) -> Option<(Source, Option<String>)> {
        let mistake = match Location::parse(written) {
            Ok(Some(mut location)) => {
                location.path = step.working_folder.join(&location.path);
                let name = archive_name(&location);
                return Some((Source::Archive(location), name));
            }
            Err(bad) => Mistake::new("SOURCE", written, bad.to_string(), bad.hint()),
            Ok(None) if is_path(written) => Mistake::new(
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
                    None => return Some((Source::Daemon(name.clone(), self.daemon()?), Some(name))),
                    Some(DOCKER) => Mistake::new(
                        "SOURCE",
                        written,
                        format!("`push` does not read `{DOCKER}`"),
                        "for an image of a registry use `ACTION: copy`",
                    ),
                    Some(transport) => Mistake::new(
                        "SOURCE",
                        written,
                        format!("`push` does not read `{transport}`"),
                        "write the image's name in the Docker daemon, `docker-archive:FILE`, `oci-archive:FILE` or `oci:FOLDER`",
                    ),
                }
            }
        };
        self.mistake(mistake);
        None
    }

    fn login(&mut self, step: &Step) -> Option<Login> {
        if let Some(text) = &self.variables.scalars.docker_config {
            self.output_path("DOCKER_CONFIG", text, Path::new(text.trim()), step)
                .map(|folder| Login { folder })
        } else {
            Some(Login {
                folder: Output::new(step.clone_or_working_folder().join(".docker"), step.bound()),
            })
        }
    }

    /// The repository that the source goes to if `TARGET` says nothing.
    fn derived_target(&mut self, source: &str, name: Option<&str>, namespace: &Namespace) -> Option<Repository> {
        let mistake = match name.map(|name| same_name(name, namespace)) {
            Some(Ok(repository)) => return Some(repository),
            Some(Err(bad)) => Mistake::new(
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
                Mistake::new("SOURCE", source, problem, "write `TARGET: package`")
            }
        };
        self.mistake(mistake);
        None
    }

    fn required_source(&mut self, problem: &str, cure: &str) -> Option<String> {
        let source = self
            .variables
            .scalars
            .source
            .as_deref()
            .map(str::trim)
            .filter(|source| !source.is_empty());
        if source.is_none() {
            self.mistake(Mistake::unshown("SOURCE", problem, cure));
        }
        source.map(str::to_owned)
    }

    /// `TARGET`: absent, or a repository with an optional tag, or a mistake that has been noted.
    #[allow(clippy::option_option, reason = "absent and mistaken are two answers")]
    pub(super) fn target(&mut self, namespace: &Namespace) -> Option<Option<(Repository, Option<Tag>)>> {
        let scalars = &self.variables.scalars;
        let written = scalars.target.as_deref().map(str::trim);
        let written = written.filter(|target| !target.is_empty())?;
        Some(self.one_target(written, namespace))
    }

    /// One repository of `TARGET` with an optional tag; `None` for a mistake that has been noted.
    pub(super) fn one_target(&mut self, written: &str, namespace: &Namespace) -> Option<(Repository, Option<Tag>)> {
        let mistake = match Reference::parse(written, namespace) {
            Err(bad) => Mistake::new("TARGET", written, bad.to_string(), bad.hint()),
            Ok(Reference { digest: Some(_), .. }) => Mistake::new(
                "TARGET",
                written,
                "it has a digest, which the image itself decides",
                "write `package` or `package:tag`",
            ),
            Ok(target) if *target.repository.host() != namespace.registry => Mistake::new(
                "TARGET",
                written,
                format!(
                    "it is on `{}`, but what is written goes to `REGISTRY`, `{}`",
                    target.repository.host(),
                    namespace.registry
                ),
                "write `package` or `workspace/package` without a host",
            ),
            Ok(target) => return Some((target.repository, target.tag)),
        };
        self.mistake(mistake);
        None
    }

    pub(super) fn tags(&mut self) -> Vec<Tag> {
        let mut tags = Vec::new();
        for text in &self.variables.tags {
            match Tag::parse(text) {
                Ok(tag) if !tags.contains(&tag) => tags.push(tag),
                Ok(_) => {}
                Err(_) if text.contains(':') && !text.starts_with('/') => {
                    self.mistake(Mistake::new(
                        "TAGS",
                        text,
                        "it is a whole reference",
                        "write the tags alone, as in `1.4.2 latest`",
                    ));
                }
                Err(bad) => self.mistake(Mistake::new("TAGS", text, bad.to_string(), bad.hint())),
            }
        }
        tags
    }
}

/// The transport that a source begins with, as skopeo spells them.
pub(super) fn transport(source: &str) -> Option<&'static str> {
    [
        "docker-daemon:",
        "docker-archive:",
        "oci-archive:",
        "oci:",
        DOCKER,
        "dir:",
        "containers-storage:",
    ]
    .into_iter()
    .find(|transport| source.starts_with(transport))
}

/// The mistake of an item of `IMAGES`, written as `text`, whose `source` lies in an archive or daemon. A package may be
/// called `oci` or `dir`.
pub(super) fn of_no_registry(text: &str, source: &str, namespace: &Namespace) -> Option<Mistake> {
    let transport = transport(source).filter(|transport| *transport != DOCKER)?;
    if matches!(transport, "oci:" | "dir:") && Reference::parse(source, namespace).is_ok() {
        return None;
    }
    let problem = format!("it names images of registries, not `{transport}`");
    let cure = "for archives, layouts and the daemon use `ACTION: push`";
    Some(Mistake::new("IMAGES", text, problem, cure))
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

/// The repository that a daemon's image goes to if nothing else is said: of the same name, in this workspace;
/// of a foreign name its last part.
pub(super) fn same_name(name: &str, namespace: &Namespace) -> Result<Repository, BadReference> {
    let own = match split_host(name) {
        (Some(host), path) if Host::parse(host)? == namespace.registry => {
            return Repository::new(namespace.registry.clone(), path);
        }
        (Some(_), path) => path.rsplit('/').next().unwrap_or(path),
        (None, path) => path,
    };
    Reference::parse(own, namespace).map(|reference| reference.repository)
}
