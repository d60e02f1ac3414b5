//! What of a service decides which images it needs, and how one layer of it goes over another: the service that it extends, the
//! file that is overridden ("Merge" and "Extends" in the Compose specification).

use super::super::Unclear;
use super::super::dockerfile::Filled;
use super::super::yaml::{self, Node};
use super::environment::Environment;
use super::interpolate::fill;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A value of a file, its variables filled in.
#[derive(Debug, Clone)]
pub(super) struct WrittenValue {
    pub(super) file: Rc<Path>,
    pub(super) line: usize,
    /// As the file has it.
    pub(super) raw: String,
    pub(super) filled: Result<Filled, Unclear>,
    /// Whether its lines are those of the file, from the next one on.
    pub(super) is_block: bool,
}

impl WrittenValue {
    /// Its text, if that is sure.
    pub(super) fn sure(&self) -> Option<&str> {
        match &self.filled {
            Ok(Filled { text, hole: None }) => Some(text.trim()),
            _ => None,
        }
    }

    /// Its text as compose takes it, if it does.
    pub(super) fn text(&self) -> Option<&str> {
        self.filled.as_ref().ok().map(|filled| filled.text.trim())
    }
}

/// A layer of a service.
#[derive(Debug, Clone, Default)]
pub(super) struct Service {
    pub(super) image: Option<WrittenValue>,
    pub(super) platform: Option<WrittenValue>,
    pub(super) pull_policy: Option<WrittenValue>,
    pub(super) build: Option<ServiceBuild>,
    /// By what they are mounted at; with the image, if they are one.
    pub(super) volumes: Vec<(String, Option<WrittenValue>)>,
    /// Where what the layers below say does not count (`!reset`, `!override`): `build.args.NAME`, and nothing for all of it.
    cleared: HashSet<String>,
}

/// `build` of a service.
#[derive(Debug, Clone, Default)]
pub(super) struct ServiceBuild {
    /// The folder that `context` is relative to.
    pub(super) folder: PathBuf,
    pub(super) context: Option<WrittenValue>,
    pub(super) dockerfile: Option<WrittenValue>,
    pub(super) inline: Option<WrittenValue>,
    /// The stage that is built.
    pub(super) target: Option<WrittenValue>,
    /// Those without a value take the environment's, if that has one.
    pub(super) arguments: Vec<(String, Option<String>)>,
    pub(super) contexts: Vec<(String, WrittenValue)>,
    pub(super) cache_from: Vec<WrittenValue>,
    pub(super) platforms: Vec<WrittenValue>,
    /// Names that the built image gets beside that of the service.
    pub(super) tags: Vec<WrittenValue>,
}

impl Service {
    /// This layer as one of a file in `folder` that extends it has it. What is reset or overridden is so for the service that
    /// says it; a build without a context has that folder for one.
    pub(super) fn inherited(mut self, folder: &Path) -> Self {
        self.cleared.clear();
        if let Some(build) = self.build.as_mut().filter(|build| build.context.is_none()) {
            folder.clone_into(&mut build.folder);
        }
        self
    }

    /// This layer over `below`.
    pub(super) fn over(self, mut below: Self) -> Self {
        if !self.cleared.is_empty() {
            below.clear(&self.cleared);
        }
        let mut cleared = below.cleared;
        cleared.extend(self.cleared);
        Self {
            image: self.image.or(below.image),
            platform: self.platform.or(below.platform),
            pull_policy: self.pull_policy.or(below.pull_policy),
            build: match (self.build, below.build) {
                (Some(build), Some(below)) => Some(build.over(below)),
                (build, below) => build.or(below),
            },
            volumes: by_name(self.volumes, below.volumes),
            cleared,
        }
    }

    fn clear(&mut self, cleared: &HashSet<String>) {
        let is = |keys: &str| cleared.contains(keys);
        if is("") {
            *self = Self::default();
        }
        self.image.take_if(|_| is("image"));
        self.platform.take_if(|_| is("platform"));
        self.pull_policy.take_if(|_| is("pull_policy"));
        self.volumes.retain(|_| !is("volumes"));
        self.build.take_if(|_| is("build"));
        if let Some(build) = &mut self.build {
            build.context.take_if(|_| is("build.context"));
            build.dockerfile.take_if(|_| is("build.dockerfile"));
            build.inline.take_if(|_| is("build.dockerfile_inline"));
            build.target.take_if(|_| is("build.target"));
            let stays = |key: &str, name: &str| !is(key) && !is(&format!("{key}.{name}"));
            build.arguments.retain(|(name, _)| stays("build.args", name));
            build
                .contexts
                .retain(|(name, _)| stays("build.additional_contexts", name));
            build.cache_from.retain(|_| !is("build.cache_from"));
            build.platforms.retain(|_| !is("build.platforms"));
            build.tags.retain(|_| !is("build.tags"));
        }
    }
}

impl ServiceBuild {
    fn over(self, below: Self) -> Self {
        let folder = if self.context.is_some() || below.context.is_none() {
            self.folder
        } else {
            below.folder
        };
        let mut cache_from = below.cache_from;
        cache_from.extend(self.cache_from);
        let mut tags = below.tags;
        tags.extend(self.tags);
        Self {
            folder,
            context: self.context.or(below.context),
            dockerfile: self.dockerfile.or(below.dockerfile),
            inline: self.inline.or(below.inline),
            target: self.target.or(below.target),
            arguments: by_name(self.arguments, below.arguments),
            contexts: by_name(self.contexts, below.contexts),
            cache_from,
            tags,
            platforms: if self.platforms.is_empty() {
                below.platforms
            } else {
                self.platforms
            },
        }
    }
}

/// Both lists, without what the upper one names again.
fn by_name<T>(upper: Vec<(String, T)>, below: Vec<(String, T)>) -> Vec<(String, T)> {
    let names: HashSet<&str> = upper.iter().map(|(name, _)| name.as_str()).collect();
    let mut merged = below;
    merged.retain(|(name, _)| !names.contains(name.as_str()));
    merged.extend(upper);
    merged
}

/// A file in reading: what its values are filled in with, and where it is.
pub(super) struct BuildContext<'a> {
    pub(super) file: Rc<Path>,
    pub(super) text: &'a str,
    pub(super) environment: &'a Environment,
    /// What relative paths start at.
    pub(super) folder: PathBuf,
}

impl BuildContext<'_> {
    /// A service as this file has it, without what it extends.
    pub(super) fn service(&self, node: &Node) -> Service {
        let mut cleared = HashSet::new();
        clears(node, "", &mut cleared);
        if node.is_reset() {
            return Service {
                cleared,
                ..Service::default()
            };
        }
        let text = |key| node.some(key).and_then(|value| self.written(value));
        let volumes = node.some("volumes").map(|list| list.items()).unwrap_or_default();
        Service {
            image: text("image").filter(|image| !image.raw.is_empty()),
            platform: text("platform"),
            pull_policy: text("pull_policy"),
            build: node.some("build").and_then(|build| self.build(build)),
            volumes: volumes.iter().filter_map(|volume| self.volume(volume)).collect(),
            cleared,
        }
    }

    pub(super) fn written(&self, node: &Node) -> Option<WrittenValue> {
        Some(self.filled(node, node.scalar()?))
    }

    /// A part of a node's text.
    fn filled(&self, node: &Node, text: &str) -> WrittenValue {
        WrittenValue {
            file: Rc::clone(&self.file),
            line: node.line,
            raw: text.trim().to_owned(),
            filled: fill(text, &|name| self.environment.get(name)),
            is_block: false,
        }
    }

    fn build(&self, node: &Node) -> Option<ServiceBuild> {
        let mut build = ServiceBuild {
            folder: self.folder.clone(),
            ..ServiceBuild::default()
        };
        if let Some(context) = self.written(node) {
            build.context = Some(context);
            return Some(build);
        }
        if !node.is_map() {
            return None;
        }
        let text = |key| node.some(key).and_then(|value| self.written(value));
        build.context = text("context");
        build.dockerfile = text("dockerfile");
        build.target = text("target");
        build.inline = node.some("dockerfile_inline").and_then(|value| {
            Some(WrittenValue {
                is_block: yaml::is_block(self.text, value),
                ..self.written(value)?
            })
        });
        let fill_in = |written: WrittenValue| written.filled.ok().map(|filled| filled.text);
        for (name, value) in node.some("args").map(|args| self.pairs(args)).unwrap_or_default() {
            let value = value.and_then(fill_in).or_else(|| self.environment.get(&name));
            build.arguments.push((name, value));
        }
        for (name, value) in node
            .some("additional_contexts")
            .map(|contexts| self.pairs(contexts))
            .unwrap_or_default()
        {
            build.contexts.extend(value.map(|value| (name, value)));
        }
        let list = |key: &str| -> Vec<WrittenValue> {
            let items = node.some(key).map(|list| list.items()).unwrap_or_default();
            items.iter().filter_map(|item| self.written(item)).collect()
        };
        build.cache_from = list("cache_from");
        build.platforms = list("platforms");
        build.tags = list("tags");
        Some(build)
    }

    /// A mapping, or a list of `name=value`.
    fn pairs(&self, node: &Node) -> Vec<(String, Option<WrittenValue>)> {
        let mut pairs: Vec<(String, Option<WrittenValue>)> = node
            .entries()
            .iter()
            .filter(|entry| !entry.value.is_reset())
            .map(|entry| (entry.key.clone(), self.written(&entry.value)))
            .collect();
        for item in node.items() {
            let Some(text) = item.scalar() else { continue };
            let (name, value) = text
                .split_once('=')
                .map_or((text, None), |(name, value)| (name, Some(value)));
            pairs.push((name.trim().to_owned(), value.map(|value| self.filled(item, value))));
        }
        pairs
    }

    fn volume(&self, node: &Node) -> Option<(String, Option<WrittenValue>)> {
        if let Some(short) = node.text() {
            let mut parts = short.split(':');
            let first = parts.next().unwrap_or_default();
            return Some((parts.next().unwrap_or(first).to_owned(), None));
        }
        let target = node.some("target")?.scalar()?.to_owned();
        let is_image = node.some("type").and_then(|kind| kind.text()) == Some("image");
        let image = node
            .some("source")
            .filter(|_| is_image)
            .and_then(|source| self.written(source));
        Some((target, image))
    }
}

/// Adds the keys, from `keys` on, whose values take the place of what the layers below have.
fn clears(node: &Node, keys: &str, cleared: &mut HashSet<String>) {
    if node.is_reset() || node.is_tagged("override") {
        cleared.insert(keys.to_owned());
    }
    for entry in node.entries() {
        match (keys, entry.key.as_str()) {
            ("", key @ ("image" | "platform" | "pull_policy" | "volumes" | "build")) => {
                clears(&entry.value, key, cleared);
            }
            ("build" | "build.args" | "build.additional_contexts", key) => {
                clears(&entry.value, &format!("{keys}.{key}"), cleared);
            }
            _ => {}
        }
    }
}
