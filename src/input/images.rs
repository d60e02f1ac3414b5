//! Names of images, repositories and tags in variables that several actions read.

use super::{Check, Read};
use crate::mistake::{Mistake, MistakeKind};
use crate::names::{AtLeastOne, BadReference, Host, Namespace, Reference, Repository, Tag, split_host};

/// How skopeo begins the name of an image in a registry. Here it needs no such word.
pub(super) const DOCKER: &str = "docker://";

/// Most images of one run: each costs requests, and what is known of each is held until the end.
pub(crate) const MOST_IMAGES: usize = 5000;

impl<'a> Check<'a> {
    /// `IMAGES`, each once; `None` if there is none.
    pub(super) fn images(&mut self) -> Read<Option<AtLeastOne<Reference>>> {
        self.not_too_many_images()?;
        let mut images: Vec<Reference> = Vec::new();
        let mut mistaken = None;
        for text in &self.variables.images {
            let parsed = match of_no_registry(text, text, &self.namespace) {
                Some(mistake) => Err(mistake),
                None if text.contains('=') => Err(Mistake::new(
                    MistakeKind::NotForAction,
                    "IMAGES",
                    text,
                    "it is `source=target`, which only `copy` takes",
                    "write `ACTION: copy`, or the image alone",
                )),
                None => {
                    Reference::parse(text, &self.namespace).map_err(|bad| Mistake::of_reference("IMAGES", text, &bad))
                }
            };
            match parsed.map(Reference::or_latest) {
                Ok(image) if images.contains(&image) => {}
                Ok(image) => images.push(image),
                Err(mistake) => {
                    let mistake = self.mistake(mistake);
                    mistaken.get_or_insert(mistake);
                }
            }
        }
        mistaken.map_or_else(|| Ok(AtLeastOne::of(images)), Err)
    }

    /// Whether `IMAGES` names no more than one run takes.
    pub(super) fn not_too_many_images(&mut self) -> Read<()> {
        let count = self.variables.images.len();
        if count <= MOST_IMAGES {
            return Ok(());
        }
        Err(self.mistake(Mistake::unshown(
            MistakeKind::TooMany,
            "IMAGES",
            format!("it names {count} images, and one run takes at most {MOST_IMAGES}"),
            "name fewer of them, and the others in another step",
        )))
    }

    pub(super) fn required_source(&mut self, problem: &str, cure: &str) -> Read<&'a str> {
        let written = self.variables.scalars.source.as_deref().map(str::trim);
        written
            .filter(|source| !source.is_empty())
            .ok_or_else(|| self.mistake(Mistake::unshown(MistakeKind::Missing, "SOURCE", problem, cure)))
    }

    /// `TARGET`: a repository with an optional tag; `None` if it is not set.
    pub(super) fn target(&mut self) -> Read<Option<(Repository, Option<Tag>)>> {
        let written = self.variables.scalars.target.as_deref().map(str::trim);
        let written = written.filter(|target| !target.is_empty());
        written.map(|written| self.one_target(written)).transpose()
    }

    /// One repository of `TARGET` with an optional tag.
    pub(super) fn one_target(&mut self, written: &str) -> Read<(Repository, Option<Tag>)> {
        let registry = &self.namespace.registry;
        let mistake = match Reference::parse(written, &self.namespace) {
            Err(bad) => Mistake::of_reference("TARGET", written, &bad),
            Ok(Reference { digest: Some(_), .. }) => Mistake::new(
                MistakeKind::NotForAction,
                "TARGET",
                written,
                "it has a digest, which the image itself decides",
                "write `package` or `package:tag`",
            ),
            Ok(target) if target.repository.host() != registry => Mistake::new(
                MistakeKind::NotForAction,
                "TARGET",
                written,
                format!(
                    "it is on `{}`, but what is written goes to `REGISTRY`, `{registry}`",
                    target.repository.host()
                ),
                "write `package` or `workspace/package` without a host",
            ),
            Ok(target) => return Ok((target.repository, target.tag)),
        };
        Err(self.mistake(mistake))
    }

    /// `TAGS`, each once.
    pub(super) fn tags(&mut self) -> Read<Vec<Tag>> {
        let mut tags = Vec::new();
        let mut mistaken = None;
        for text in &self.variables.tags {
            let mistake = match Tag::parse(text) {
                Ok(tag) if tags.contains(&tag) => continue,
                Ok(tag) => {
                    tags.push(tag);
                    continue;
                }
                Err(_) if text.contains(':') && !text.starts_with('/') => Mistake::new(
                    MistakeKind::Reference,
                    "TAGS",
                    text,
                    "it is a whole reference",
                    "write the tags alone, as in `1.4.2 latest`",
                ),
                Err(bad) => Mistake::of_reference("TAGS", text, &bad),
            };
            let mistake = self.mistake(mistake);
            mistaken.get_or_insert(mistake);
        }
        mistaken.map_or(Ok(tags), Err)
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
    Some(Mistake::new(MistakeKind::NotForAction, "IMAGES", text, problem, cure))
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
