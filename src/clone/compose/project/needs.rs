//! What a project pulls, and what it builds with what; or all that it names.

use super::super::super::{Asked, Mention, Unclear, dockerfile};
use super::super::service::{ServiceBuild, WrittenValue};
use super::{Inline, Loader, Project};
use crate::clone::files::join;
use std::collections::HashSet;
use std::rc::Rc;

/// Most ways to build one Dockerfile: for each it is gone through again.
const MOST_BUILDS: usize = 16;
/// What is built where nothing else is named.
const DOCKERFILE: &str = "Dockerfile";
/// How the name of an image begins where another context of a build is meant to be one.
const IMAGE: &str = "docker-image://";

impl Loader<'_, '_> {
    /// The images and builds of a project's services.
    pub(super) fn project(&mut self, project: &Project) {
        let all = &project.all;
        // What one service builds, another finds in the daemon: `isServiceImageToBuild` of docker/compose.
        let built: HashSet<String> = all
            .iter()
            .filter(|(_, service)| service.build.is_some())
            .filter_map(|(_, service)| Some(with_tag(service.image.as_ref()?.text()?)))
            .collect();
        let wanted = all
            .iter()
            .filter(|(name, _)| project.names.as_ref().is_none_or(|names| names.contains(name)));
        for (_, service) in wanted {
            let platform = service
                .platform
                .as_ref()
                .and_then(WrittenValue::sure)
                .filter(|platform| !platform.is_empty())
                .or(project.platform.as_deref());
            for (_, image) in &service.volumes {
                if let Some(image) = image {
                    self.mention(image, None, platform, false);
                }
            }
            let build = service.build.as_ref();
            if let Some(build) = build {
                self.build(build, platform);
            }
            let Some(image) = &service.image else { continue };
            if self.asked != Asked::Needed {
                self.mention(image, None, platform, false);
                continue;
            }
            if build.is_some() {
                continue;
            }
            let is_built = image.text().is_some_and(|image| built.contains(&with_tag(image)));
            let policy = service.pull_policy.as_ref().and_then(WrittenValue::text);
            if !is_built && !matches!(policy, Some("never" | "build")) {
                self.mention(image, None, platform, false);
            }
        }
    }

    fn build(&mut self, build: &ServiceBuild, platform: Option<&str>) {
        let mut with = dockerfile::Build {
            builder: self.builder.to_owned(),
            stage: build.target.as_ref().and_then(WrittenValue::sure).map(str::to_owned),
            target: build
                .platforms
                .iter()
                .find_map(WrittenValue::sure)
                .or(platform)
                .map(str::to_owned),
            ..dockerfile::Build::default()
        };
        for (name, value) in &build.arguments {
            if let Some(value) = value {
                with.arguments.insert(name.clone(), value.clone());
            }
        }
        for (name, context) in &build.contexts {
            with.contexts.insert(name.clone());
            if let Some(image) = context.text().and_then(|text| text.strip_prefix(IMAGE)) {
                let image = image.to_owned();
                self.mention(context, Some(&image), with.target.as_deref(), false);
            }
        }
        for source in &build.cache_from {
            if let Some(image) = source.text().and_then(cache) {
                let image = image.to_owned();
                self.mention(source, Some(&image), None, true);
            }
        }
        if self.asked != Asked::Needed {
            for tag in &build.tags {
                self.mention(tag, None, None, false);
            }
        }
        if let Some(inline) = &build.inline {
            if let Some(text) = inline.filled.as_ref().ok().map(|filled| filled.text.clone()) {
                self.found.inline.push(Inline {
                    file: Rc::clone(&inline.file),
                    line: inline.line,
                    is_block: inline.is_block,
                    text,
                    build: with,
                });
            }
            return;
        }
        let context = build.context.as_ref().map_or(Some("."), WrittenValue::sure);
        let file = match &build.dockerfile {
            Some(file) => file.sure().map(|file| if file.is_empty() { DOCKERFILE } else { file }),
            None => Some(DOCKERFILE),
        };
        // A context elsewhere is nothing of this clone.
        if let (Some(context), Some(file)) = (context, file)
            && let Some(folder) = join(&build.folder, context)
            && let Some(path) = join(&folder, file)
        {
            let builds = self.found.builds.entry(path.clone()).or_default();
            if builds.contains(&with) {
                return;
            }
            if builds.len() < MOST_BUILDS {
                builds.push(with);
            } else if self.files.text(&path).is_ok() {
                let problem = format!(
                    "compose files build it with more than {MOST_BUILDS} sets of arguments, and no more are looked at"
                );
                self.note(&path, None, problem);
            }
        }
    }

    /// An image that a value names; `part` where that is only a part of it.
    fn mention(&mut self, value: &WrittenValue, part: Option<&str>, platform: Option<&str>, is_optional: bool) {
        let mention = match &value.filled {
            Err(why) => Mention::Unclear {
                written: value.raw.clone(),
                line: Some(value.line),
                why: why.clone(),
            },
            Ok(filled) => Mention::Image {
                image: part.unwrap_or(filled.text.trim()).to_owned(),
                written: value.raw.clone(),
                line: Some(value.line),
                platform: platform.map(str::to_owned),
                hole: filled.hole.clone().map(Unclear::Variable),
                is_optional,
            },
        };
        self.found.mentions.push((Rc::clone(&value.file), mention));
    }
}

/// An image's name with the tag that it has without one.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') || name.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// The image of a source of cache: `type=registry,ref=…`, or its name alone.
fn cache(source: &str) -> Option<&str> {
    if !source.contains('=') {
        return Some(source);
    }
    let mut parts = source.split(',').map(str::trim);
    parts.clone().find(|part| *part == "type=registry")?;
    parts.find_map(|part| part.strip_prefix("ref="))
}
