//! Lines of scripts that do by hand what the pipe does, and the YAML that replaces each. Pure.

mod shell;

use crate::names::{Host, split_host};
use shell::{Assigned, Command};

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
/// Options of `docker run` and `docker create` that take none (`docker run --help`).
const SWITCHES_OF_RUN: [&str; 12] = [
    "--detach",
    "--interactive",
    "--tty",
    "--rm",
    "--privileged",
    "--init",
    "--publish-all",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--read-only",
    "--quiet",
    "--sig-proxy",
];
/// The same as single letters.
const LETTERS_OF_RUN: &str = "ditPq";

/// The script of one step, line by line.
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
            Some(ByHand {
                line: command.line,
                command: name,
                instead,
            })
        });
        found.collect()
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
                    .then(|| ("docker login", Self::sign_in()))
            }
            "pull" => {
                let (image, _) = one(&["--platform"])?;
                let mut entry = vec![("IMAGES", image)];
                entry.extend(value_of(rest, "--platform").map(|platform| ("PLATFORM", platform)));
                Some(("docker pull", Instead::Pipe(PipeEntry(entry))))
            }
            "push" => {
                let (_, image) = one(&["--platform"])?;
                let all = rest.iter().any(|word| matches!(word.as_str(), "-a" | "--all-tags"));
                let tags = all.then(|| ("TAGS", "write each tag here".to_owned()));
                let entry = [("ACTION", "push".to_owned()), ("SOURCE", image.to_owned())]
                    .into_iter()
                    .chain(tags);
                Some(("docker push", Instead::Pipe(PipeEntry(entry.collect()))))
            }
            "tag" => {
                let [source, target] = positional(rest, &[])[..] else {
                    return None;
                };
                Some((
                    "docker tag",
                    Instead::Renames(self.renamed("push", source.to_owned(), target)?),
                ))
            }
            "run" | "create" => {
                let image = image_of_run(rest)?;
                Some((
                    "docker run",
                    Instead::Before(PipeEntry(vec![("IMAGES", self.short(image)?)])),
                ))
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
        let mut entry = self.moved(source, first)?;
        for other in others {
            let (name, tag) = with_tag(other);
            (name == with_tag(first).0).then_some(())?;
            let tags = entry.0.iter_mut().find(|(name, _)| *name == "TAGS")?;
            tags.1 = format!("{} {}", tags.1, tag.unwrap_or("latest"));
        }
        Some(("docker buildx imagetools", Instead::Pipe(entry)))
    }

    fn skopeo(&self, words: &[String]) -> Option<(&'static str, Instead)> {
        let words = after_options(words, |option| {
            matches!(option, "--command-timeout" | "--policy" | "--registries.d" | "--tmpdir")
        });
        let (name, rest) = words.split_first()?;
        match name.as_str() {
            "login" => {
                let valued = ["-u", "--username", "-p", "--password", "--authfile", "--cert-dir"];
                let host = positional(rest, &valued);
                self.is_registry(host.first()?)
                    .then(|| ("skopeo login", Self::sign_in()))
            }
            "copy" => {
                let valued = [
                    "--src-creds",
                    "--dest-creds",
                    "--src-authfile",
                    "--dest-authfile",
                    "--authfile",
                    "--format",
                    "-f",
                    "--src-cert-dir",
                    "--dest-cert-dir",
                    "--retry-times",
                    "--sign-by",
                    "--digestfile",
                    "--multi-arch",
                    "--dest-compress-format",
                    "--dest-compress-level",
                    "--src-username",
                    "--src-password",
                    "--dest-username",
                    "--dest-password",
                    "--src-registry-token",
                    "--dest-registry-token",
                    "--additional-tag",
                    "--src-shared-blob-dir",
                    "--dest-shared-blob-dir",
                ];
                let [source, target] = positional(rest, &valued)[..] else {
                    return None;
                };
                let entry = match (source.strip_prefix("docker://"), target.strip_prefix("docker://")) {
                    (Some(source), Some(target)) => self.moved(source, target),
                    (None, Some(target)) => self.renamed("push", source.to_owned(), target),
                    (Some(source), None) => self.written(source, target.to_owned()),
                    (None, None) => None,
                };
                Some(("skopeo copy", Instead::Pipe(entry?)))
            }
            _ => None,
        }
    }

    fn crane(&self, words: &[String]) -> Option<(&'static str, Instead)> {
        let (name, rest) = after_options(words, |option| option == "--platform").split_first()?;
        let named = positional(
            rest,
            &[
                "-u",
                "--username",
                "-p",
                "--password",
                "--platform",
                "-c",
                "--cache_path",
                "--format",
                "-j",
                "--jobs",
            ],
        );
        match (name.as_str(), named.as_slice()) {
            ("auth", ["login", host, ..]) if self.is_registry(host) => Some(("crane auth login", Self::sign_in())),
            ("copy" | "cp", [source, target]) => Some(("crane copy", Instead::Pipe(self.moved(source, target)?))),
            ("tag", [image, tag]) => {
                let (name, _) = with_tag(image);
                Some(("crane tag", Instead::Pipe(self.moved(image, &format!("{name}:{tag}"))?)))
            }
            ("push", [file, target]) => Some((
                "crane push",
                Instead::Pipe(self.renamed("push", format!("docker-archive:{file}"), target)?),
            )),
            ("pull", [source, file]) => Some((
                "crane pull",
                Instead::Pipe(self.written(source, format!("docker-archive:{file}"))?),
            )),
            _ => None,
        }
    }

    fn sign_in() -> Instead {
        Instead::SignsIn(PipeEntry(vec![("ACTION", "login".to_owned())]))
    }

    /// From one image of a registry to another: `retag` within a repository, else `copy`.
    fn moved(&self, source: &str, target: &str) -> Option<PipeEntry> {
        let short = self.short(target)?;
        let (target_name, tag) = with_tag(&short);
        let own = self.short(source);
        let same = own
            .as_deref()
            .is_some_and(|own| with_tag(own).0 == target_name && !target_name.is_empty());
        // Without a host it is Docker Hub's for every other tool, and this registry's for the pipe.
        let hub = split_host(source).0.is_none() && !source.starts_with('$');
        let source = own.unwrap_or_else(|| format!("{}{source}", if hub { "docker.io/" } else { "" }));
        let tag = tag.unwrap_or("latest").to_owned();
        Some(PipeEntry(if same {
            vec![("ACTION", "retag".to_owned()), ("SOURCE", source), ("TAGS", tag)]
        } else {
            vec![
                ("ACTION", "copy".to_owned()),
                ("SOURCE", source),
                ("TARGET", target_name.to_owned()),
                ("TAGS", tag),
            ]
        }))
    }

    fn renamed(&self, action: &str, source: String, target: &str) -> Option<PipeEntry> {
        Some(PipeEntry(vec![
            ("ACTION", action.to_owned()),
            ("SOURCE", source),
            ("TARGET", self.short(target)?),
        ]))
    }

    fn written(&self, source: &str, to: String) -> Option<PipeEntry> {
        Some(PipeEntry(vec![("IMAGES", self.short(source)?), ("TO", to)]))
    }

    /// The name as the pipe takes it, for an image of the registry: without host, and without the workspace that is meant anyway.
    fn short(&self, image: &str) -> Option<String> {
        let path = self.of_registry(image)?;
        let (workspace, package) = path.split_once('/')?;
        let own = matches!(
            workspace,
            "$BITBUCKET_WORKSPACE" | "${BITBUCKET_WORKSPACE}" | "$BITBUCKET_REPO_OWNER" | "${BITBUCKET_REPO_OWNER}"
        ) || self.workspace == Some(workspace);
        Some(if own && !package.contains('/') { package } else { path }.to_owned()).filter(|name| !name.is_empty())
    }

    fn of_registry<'b>(&self, image: &'b str) -> Option<&'b str> {
        image.strip_prefix(&self.registry.to_string())?.strip_prefix('/')
    }

    fn is_registry(&self, server: &str) -> bool {
        let server = server.strip_prefix("https://").unwrap_or(server);
        server == self.registry.to_string() || self.of_registry(server).is_some()
    }
}

impl PipeEntry {
    /// On one line, to be pasted into a `script`.
    pub(crate) fn yaml(&self) -> String {
        let variables: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}: {}", quoted(value)))
            .collect();
        format!("- {{pipe: '{PIPE}', variables: {{{}}}}}", variables.join(", "))
    }
}

/// A text in YAML's single quotes, in which nothing but the quote means anything.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What comes after the options at the beginning.
fn after_options(words: &[String], has_value: impl Fn(&str) -> bool) -> &[String] {
    let mut rest = words;
    while let [option, after @ ..] = rest
        && option.starts_with('-')
    {
        rest = if has_value(option) && !after.is_empty() {
            &after[1..]
        } else {
            after
        };
    }
    rest
}

/// The words that are no options and no values of `valued` ones.
fn positional<'a>(words: &'a [String], valued: &[&str]) -> Vec<&'a str> {
    let mut named = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            named.extend(words.by_ref().map(String::as_str));
        } else if valued.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            named.push(word.as_str());
        }
    }
    named
}

/// `--option value` and `--option=value`, as often as it is there.
fn values_of(words: &[String], option: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == option {
            values.extend(words.next().cloned());
        } else if let Some(value) = word.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')) {
            values.push(value.to_owned());
        }
    }
    values
}

fn value_of(words: &[String], option: &str) -> Option<String> {
    values_of(words, option).pop()
}

/// The image in the words after `docker run`: the first that belongs to no option.
fn image_of_run(words: &[String]) -> Option<&str> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let takes_value = match word.strip_prefix("--") {
            Some("") => return words.next().map(String::as_str),
            Some(option) => !option.contains('=') && !SWITCHES_OF_RUN.contains(&word.as_str()),
            None => match word.strip_prefix('-') {
                // Of `-it` all are switches; of `-dp 80:80` the last takes the next word, of `-p80:80` what follows it.
                Some(letters) => {
                    let value = letters.find(|letter| !LETTERS_OF_RUN.contains(letter));
                    value.is_some_and(|at| at + 1 == letters.len())
                }
                None => return Some(word),
            },
        };
        if takes_value {
            words.next();
        }
    }
    None
}

/// A name and its tag. A `:` before a `/` is a port, one within `${…}` is the shell's.
fn with_tag(image: &str) -> (&str, Option<&str>) {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let mut depth = 0usize;
    let mut at = None;
    for (place, c) in name.char_indices() {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => at = None,
            ':' if depth == 0 => at = Some(place),
            _ => {}
        }
    }
    at.map_or((name, None), |at| (&name[..at], Some(&name[at + 1..])))
}

#[cfg(test)]
mod tests;
