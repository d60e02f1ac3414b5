//! The variables of each action: which images, from where, to where, under which tags.

use super::{Action, Check, Login, Pull, Push, Retag, Step};
use crate::image::{BadReference, Host, Namespace, Reference, Repository, Tag, split, split_host};
use crate::mistake::Mistake;
use crate::variables::ACTIONS;

impl Check<'_> {
    pub(super) fn action(&mut self, namespace: &Namespace, step: &Step) -> Option<Action> {
        let written = self
            .variables
            .scalars
            .action
            .clone()
            .unwrap_or_else(|| "pull".to_owned());
        match written.trim().to_ascii_lowercase().as_str() {
            "pull" => self.pull(namespace).map(Action::Pull),
            "retag" => self.retag(namespace).map(Action::Retag),
            "push" => self.push(namespace).map(Action::Push),
            "copy" => self.copy(namespace).map(Action::Copy),
            "login" => self.login(step).map(Action::Login),
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

    fn pull(&mut self, namespace: &Namespace) -> Option<Pull> {
        let mut images: Vec<Reference> = Vec::new();
        for text in &self.variables.images {
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
        if self.variables.images.is_empty() {
            self.mistake(Mistake::unshown(
                "IMAGES",
                "`pull` needs the images to bring into the step's Docker daemon",
                "write `IMAGES: 'base:1 tools:2'` or a list; other registries' images with their host",
            ));
        }
        let platform = self.platform();
        let daemon = self.daemon()?;
        Some(Pull {
            images,
            platform,
            daemon,
        })
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
        if let Some(transport) = transport(&source) {
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

    fn push(&mut self, namespace: &Namespace) -> Option<Push> {
        let on_existing = self.on_existing();
        let platform = self.platform();
        let daemon = self.daemon();
        let mut tags = self.tags();
        let target = self.target(namespace);
        let source = self.required_source(
            "`push` needs the image that the step has built",
            "write the name given to `docker build -t`, as in `SOURCE: api:build`",
        )?;
        let name = source.strip_prefix("docker-daemon:").unwrap_or(&source).to_owned();
        if let Some(transport) = transport(&name) {
            self.mistake(Mistake::new(
                "SOURCE",
                &source,
                format!("`push` of this version does not read `{transport}`"),
                "write the image's name in the Docker daemon",
            ));
            return None;
        }
        let (name_part, source_tag) = match daemon_name(&name) {
            Ok(parts) => parts,
            Err(bad) => {
                self.mistake(Mistake::new(
                    "SOURCE",
                    &source,
                    bad.to_string(),
                    "write the name that `docker image ls` shows, with its tag",
                ));
                return None;
            }
        };
        let (target, target_tag) = match target {
            Some(written) => written?,
            None => (self.derived_target(&source, name_part, namespace)?, None),
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
            source: name,
            target,
            tags,
            platform,
            on_existing,
            daemon: daemon?,
        })
    }

    fn login(&mut self, step: &Step) -> Option<Login> {
        if let Some(text) = &self.variables.scalars.docker_config {
            self.output_path("DOCKER_CONFIG", text, step)
                .map(|folder| Login { folder })
        } else {
            let base = step.clone_folder.as_ref().unwrap_or(&step.working_folder);
            Some(Login {
                folder: base.join(".docker"),
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
            None => Mistake::new(
                "SOURCE",
                source,
                "it is an image ID, which names no target",
                "write `TARGET: package`",
            ),
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
        let written = self
            .variables
            .scalars
            .target
            .as_deref()
            .map(str::trim)
            .filter(|target| !target.is_empty())?;
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
            Ok(target) => return Some(Some((target.repository, target.tag))),
        };
        self.mistake(mistake);
        Some(None)
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
        "docker://",
        "dir:",
        "containers-storage:",
    ]
    .into_iter()
    .find(|transport| source.starts_with(transport))
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
