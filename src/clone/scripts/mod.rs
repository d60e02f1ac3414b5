//! Lines of scripts that do by hand what the pipe does, and the YAML that replaces each. Pure.

mod shell;
mod tools;
mod words;

use super::meant;
use crate::names::{Host, split_host};
use shell::{Assigned, Command};
use words::{after_options, has, positional, value_of, values_of, with_tag};

/// The pipe, as an entry of a script names it.
const PIPE: &str = concat!("crgpipe/crg-pipe:", env!("CARGO_PKG_VERSION"));
/// Options of `docker` itself that take a value (`docker --help`).
const OF_DOCKER: [&str; 9] = [
    "--config",
    "-c",
    "--context",
    "-H",
    "--host",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
];
/// One script of a step, item by item.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    registry: &'a Host,
    workspace: Option<&'a str>,
    assigned: Assigned,
}

/// A command that the pipe can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByHand {
    /// On which line of the text it begins, from 0.
    pub(crate) line: usize,
    /// The command, as `docker pull`.
    pub(crate) command: &'static str,
    /// What to write in its place.
    pub(crate) instead: Instead,
}

/// What takes the place of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Instead {
    Pipe(PipeEntry),
    /// The pipe before the command, which stays.
    Before(PipeEntry),
    /// The command stays, since the pipe does not do the same; the pipe before it signs in.
    Credential(PipeEntry),
    /// Nothing: the pipe signs in by itself. Other tools of later lines need the entry.
    SignsIn(PipeEntry),
    /// Nothing: the entry that takes the place of the push says the new name.
    Renames(PipeEntry),
}

/// Variables of the pipe, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PipeEntry(Vec<(&'static str, String)>);

impl<'a> Script<'a> {
    /// The script of a step of a repository of `workspace`.
    pub(crate) fn new(registry: &'a Host, workspace: Option<&'a str>) -> Self {
        Self {
            registry,
            workspace,
            assigned: Assigned::default(),
        }
    }

    /// The commands of its next entry that the pipe can do.
    pub(crate) fn by_hand(&mut self, text: &str) -> Vec<ByHand> {
        let commands = shell::commands(text, &mut self.assigned);
        let found = commands.iter().filter_map(|command| {
            let (name, instead) = self.instead(command)?;
            // An entry is told and pasted on one line, and none is made of what is not known.
            let is_odd = |(_, value): &(_, String)| value.contains(char::is_control);
            (!instead.entry().variables().iter().any(is_odd)).then_some(())?;
            Some(ByHand {
                line: command.line,
                command: name,
                instead,
            })
        });
        found.collect()
    }

    /// What each entry says besides: a registry that is not the pipe's own, and that a credential may go there.
    fn entry(&self, mut variables: Vec<(&'static str, String)>) -> PipeEntry {
        if *self.registry != Host::bitbucket() {
            variables.push(("REGISTRY", self.registry.to_string()));
            if !self.registry.is_atlassian() && !self.registry.is_loopback() {
                variables.push(("CREDENTIAL", "auto".to_owned()));
            }
        }
        PipeEntry(variables)
    }

    fn login(&self) -> PipeEntry {
        self.entry(vec![("ACTION", "login".to_owned())])
    }

    fn instead(&self, command: &Command) -> Option<(&'static str, Instead)> {
        let (program, rest) = command.words.split_first()?;
        match program.rsplit('/').next()? {
            "docker" => self.docker(rest),
            "skopeo" => self.skopeo(rest),
            "crane" => self.crane(rest),
            _ => None,
        }
    }

    fn docker(&self, words: &[String]) -> Option<(&'static str, Instead)> {
        let mut words = after_options(words, |option| OF_DOCKER.contains(&option));
        // `docker image pull` is `docker pull`.
        if matches!(words.first()?.as_str(), "image" | "container") {
            words = &words[1..];
        }
        let (name, rest) = words.split_first()?;
        let one = |valued: &[&str]| {
            let named = positional(rest, valued);
            named
                .first()
                .and_then(|image| self.short(image).map(|short| (short, *image)))
        };
        match name.as_str() {
            "login" => {
                let server = positional(rest, &["-u", "--username", "-p", "--password"]);
                self.is_registry(server.first()?)
                    .then(|| ("docker login", self.sign_in()))
            }
            "pull" => {
                let (image, written) = one(&["--platform"])?;
                if has(rest, &["-a", "--all-tags"]) {
                    return Some(("docker pull", self.only_signs_in(&[written])?));
                }
                let mut entry = vec![("IMAGES", image)];
                entry.extend(value_of(rest, "--platform").map(|platform| ("PLATFORM", platform)));
                Some(("docker pull", Instead::Pipe(self.entry(entry))))
            }
            "push" => {
                let (short, image) = one(&["--platform"])?;
                if has(rest, &["-a", "--all-tags"]) {
                    return Some(("docker push", self.only_signs_in(&[image])?));
                }
                let mut entry = vec![("ACTION", "push".to_owned()), ("SOURCE", image.to_owned())];
                if !self.is_plain(image) {
                    entry.push(("TARGET", short));
                }
                entry.extend(value_of(rest, "--platform").map(|platform| ("PLATFORM", platform)));
                Some(("docker push", Instead::Pipe(self.entry(entry))))
            }
            "tag" => {
                let [source, target] = positional(rest, &[])[..] else {
                    return None;
                };
                Some(("docker tag", Instead::Renames(self.renamed(source.to_owned(), target)?)))
            }
            "run" | "create" => {
                let (options, image) = words::of_run(rest)?;
                let short = self.short(image)?;
                // With its port, the name is another one than that of what the pipe pulls.
                self.is_plain(image).then_some(())?;
                let instead = match value_of(options, "--pull").as_deref() {
                    Some("always") => self.only_signs_in(&[image])?,
                    Some("never") => return None,
                    _ => {
                        let mut entry = vec![("IMAGES", short)];
                        entry.extend(value_of(options, "--platform").map(|platform| ("PLATFORM", platform)));
                        Instead::Before(self.entry(entry))
                    }
                };
                Some(("docker run", instead))
            }
            "buildx" => {
                let [imagetools, create, rest @ ..] = rest else {
                    return None;
                };
                (imagetools == "imagetools" && create == "create").then_some(())?;
                self.imagetools(rest)
            }
            _ => None,
        }
    }

    /// `docker buildx imagetools create -t NEW OLD`. One that joins several images makes an index, which the pipe does not.
    fn imagetools(&self, words: &[String]) -> Option<(&'static str, Instead)> {
        let valued = [
            "-t",
            "--tag",
            "--builder",
            "--platform",
            "--progress",
            "--annotation",
            "--metadata-file",
        ];
        if words
            .iter()
            .any(|word| word == "-f" || word.starts_with("--file") || word == "--append" || word == "--dry-run")
        {
            return None;
        }
        let [source] = positional(words, &valued)[..] else {
            return None;
        };
        let targets: Vec<String> = ["-t", "--tag"]
            .iter()
            .flat_map(|option| values_of(words, option))
            .collect();
        let [first, others @ ..] = targets.as_slice() else {
            return None;
        };
        if ["--platform", "--annotation"]
            .iter()
            .any(|option| value_of(words, option).is_some())
        {
            return Some(("docker buildx imagetools", self.only_signs_in(&[source, first])?));
        }
        let Instead::Pipe(mut entry) = self.moved(source, first, None)? else {
            return None;
        };
        for other in others {
            let (name, tag) = with_tag(other);
            (name == with_tag(first).0).then_some(())?;
            let tags = entry.0.iter_mut().find(|(name, _)| *name == "TAGS")?;
            tags.1 = format!("{} {}", tags.1, tag.unwrap_or("latest"));
        }
        Some(("docker buildx imagetools", Instead::Pipe(entry)))
    }

    fn sign_in(&self) -> Instead {
        Instead::SignsIn(self.login())
    }

    /// What the pipe does not do itself, with images of which one is the registry's.
    fn only_signs_in(&self, images: &[&str]) -> Option<Instead> {
        let is_ours = |image: &&str| self.short(image.strip_prefix("docker://").unwrap_or(image)).is_some();
        images.iter().any(is_ours).then(|| Instead::Credential(self.login()))
    }

    /// From one image of a registry to another: `retag` within a repository, else `copy`.
    fn moved(&self, source: &str, target: &str, platform: Option<String>) -> Option<Instead> {
        let short = self.short(target)?;
        // A digest is what an image has, not what it gets.
        (!target.contains('@')).then_some(())?;
        let (target_name, tag) = with_tag(&short);
        let own = self.short(source);
        let same = own
            .as_deref()
            .is_some_and(|own| with_tag(own).0 == target_name && !target_name.is_empty());
        // Without a host it is Docker Hub's for every other tool, and this registry's for the pipe.
        let is_host = source.starts_with('$') && !is_own_workspace(source.split('/').next().unwrap_or(source));
        let hub = split_host(source).0.is_none() && !is_host;
        let source = own.unwrap_or_else(|| format!("{}{source}", if hub { "docker.io/" } else { "" }));
        let tag = tag.unwrap_or("latest").to_owned();
        if same && platform.is_some() {
            return self.only_signs_in(&[target]);
        }
        let mut entry = if same {
            vec![("ACTION", "retag".to_owned()), ("SOURCE", source), ("TAGS", tag)]
        } else {
            vec![
                ("ACTION", "copy".to_owned()),
                ("SOURCE", source),
                ("TARGET", target_name.to_owned()),
                ("TAGS", tag),
            ]
        };
        entry.extend(platform.map(|platform| ("PLATFORM", platform)));
        Some(Instead::Pipe(self.entry(entry)))
    }

    fn renamed(&self, source: String, target: &str) -> Option<PipeEntry> {
        Some(self.entry(vec![
            ("ACTION", "push".to_owned()),
            ("SOURCE", source),
            ("TARGET", self.short(target)?),
        ]))
    }

    /// The name as the pipe takes it, for an image of the registry: without host, and without the workspace that is meant anyway.
    fn short(&self, image: &str) -> Option<String> {
        // In the pipe's lists these mean more than one name.
        let is_list = |c: char| c.is_whitespace() || "=,*?!".contains(c);
        (!image.starts_with('/') && !image.contains(is_list)).then_some(())?;
        let path = meant::path(image, self.registry)?.strip_prefix('/')?;
        let (workspace, package) = path.split_once('/')?;
        let own = is_own_workspace(workspace) || self.workspace == Some(workspace);
        Some(if own && !package.contains('/') { package } else { path }.to_owned()).filter(|name| !name.is_empty())
    }

    /// Whether the registry's host is written as Docker takes it for that: without a port.
    fn is_plain(&self, image: &str) -> bool {
        image
            .strip_prefix(self.registry.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
    }

    fn is_registry(&self, server: &str) -> bool {
        let server = server.strip_prefix("https://").unwrap_or(server);
        meant::path(&format!("{server}/"), self.registry).is_some()
    }
}

impl Instead {
    /// What is to be pasted.
    pub(crate) fn entry(&self) -> &PipeEntry {
        let (Self::Pipe(entry)
        | Self::Before(entry)
        | Self::Credential(entry)
        | Self::SignsIn(entry)
        | Self::Renames(entry)) = self;
        entry
    }
}

impl PipeEntry {
    /// Names and values.
    pub(crate) fn variables(&self) -> &[(&'static str, String)] {
        &self.0
    }

    /// On one line, to be pasted into a `script`.
    pub(crate) fn yaml(&self) -> String {
        let variables: Vec<String> = self
            .variables()
            .iter()
            .map(|(name, value)| format!("{name}: {}", quoted(value)))
            .collect();
        format!("- {{pipe: '{PIPE}', variables: {{{}}}}}", variables.join(", "))
    }
}

/// Whether a text is a variable that has the workspace in every step.
fn is_own_workspace(text: &str) -> bool {
    matches!(
        text,
        "$BITBUCKET_WORKSPACE" | "${BITBUCKET_WORKSPACE}" | "$BITBUCKET_REPO_OWNER" | "${BITBUCKET_REPO_OWNER}"
    )
}

/// A text in YAML's single quotes, in which nothing but the quote means anything.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
