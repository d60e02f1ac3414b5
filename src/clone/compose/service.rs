//! What of a service decides which images it needs, and how one layer of it goes over another: the service that it extends, the
//! file that is overridden ("Merge" and "Extends" in the Compose specification).

use super::super::Unclear;
use super::super::dockerfile::Filled;
use super::super::yaml::{self, Node, Value};
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
    pub(super) image: Field<WrittenValue>,
    pub(super) platform: Field<WrittenValue>,
    pub(super) pull_policy: Field<WrittenValue>,
    pub(super) build: Field<ServiceBuild>,
    /// By what they are mounted at; with the image, if they are one.
    pub(super) volumes: Field<Vec<(String, Option<WrittenValue>)>>,
}

/// What a layer says of one key.
#[derive(Debug, Clone, Default)]
pub(super) enum Field<T> {
    #[default]
    Absent,
    /// `!reset`: as if no layer below had it.
    Reset,
    /// To be merged with the layer below.
    Set(T),
    /// `!override`: in place of the layer below.
    Override(T),
}

impl<T> Field<T> {
    pub(super) fn get(&self) -> Option<&T> {
        match self {
            Self::Set(value) | Self::Override(value) => Some(value),
            Self::Absent | Self::Reset => None,
        }
    }

    /// What another service inherits: what is reset or overridden is so for the service that says it.
    fn inherited(self) -> Self {
        match self {
            Self::Reset => Self::Absent,
            Self::Override(value) => Self::Set(value),
            other => other,
        }
    }

    /// This one over `below`.
    fn over(self, below: Self, merge: impl FnOnce(T, T) -> T) -> Self {
        match (self, below) {
            (Self::Absent, below) => below,
            (Self::Set(value), Self::Set(below)) => Self::Set(merge(value, below)),
            (Self::Set(value), Self::Override(below)) => Self::Override(merge(value, below)),
            (value, _) => value,
        }
    }
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
    /// This layer as one that extends it has it.
    pub(super) fn inherited(self) -> Self {
        Self {
            image: self.image.inherited(),
            platform: self.platform.inherited(),
            pull_policy: self.pull_policy.inherited(),
            build: self.build.inherited(),
            volumes: self.volumes.inherited(),
        }
    }

    /// This layer over `below`.
    pub(super) fn over(self, below: Self) -> Self {
        let upper = |upper, _| upper;
        Self {
            image: self.image.over(below.image, upper),
            platform: self.platform.over(below.platform, upper),
            pull_policy: self.pull_policy.over(below.pull_policy, upper),
            build: self.build.over(below.build, ServiceBuild::over),
            volumes: self.volumes.over(below.volumes, by_name),
        }
    }
}

impl ServiceBuild {
    fn over(self, below: Self) -> Self {
        let folder = if self.context.is_some() {
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
        Service {
            image: field(node, "image", |value| {
                self.written(value).filter(|image| !image.raw.is_empty())
            }),
            platform: field(node, "platform", |value| self.written(value)),
            pull_policy: field(node, "pull_policy", |value| self.written(value)),
            build: field(node, "build", |value| self.build(value)),
            volumes: field(node, "volumes", |value| {
                Some(value.items().iter().filter_map(|volume| self.volume(volume)).collect())
            }),
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

fn field<T>(service: &Node, key: &str, read: impl FnOnce(&Node) -> Option<T>) -> Field<T> {
    let Some(node) = service.get(key) else {
        return Field::Absent;
    };
    if node.is_reset() {
        return Field::Reset;
    }
    match read(node).filter(|_| node.value != Value::Null) {
        Some(value) if node.is_tagged("override") => Field::Override(value),
        Some(value) => Field::Set(value),
        None => Field::Absent,
    }
}
