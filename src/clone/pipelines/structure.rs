//! The parts of `bitbucket-pipelines.yml` that others judge, each with its line: images of steps and services, and the lines of
//! scripts. Names that the file chooses itself, of services and pipelines, are never taken for its keys.

use super::super::yaml::{self, BadYaml, Node};
use std::collections::HashSet;
use std::rc::Rc;

/// Pipelines by name, tag or branch; `default` has none.
const NAMED: [&str; 5] = ["branches", "tags", "bookmarks", "custom", "pull-requests"];
/// Keys whose values are no part of a pipeline's own structure: what is called `image` there is none.
const OPAQUE: [&str; 9] = [
    "variables",
    "caches",
    "artifacts",
    "clone",
    "options",
    "condition",
    "output-variables",
    "labels",
    "services",
];
/// Most patterns of artifacts: each is compared with a path.
const MOST_ARTIFACTS: usize = 500;
/// Most images, and most items of scripts: an anchor's are met wherever it is used.
const MOST: usize = 20_000;
/// Most bytes of all items of scripts.
const MOST_BYTES: usize = 4 << 20;

/// What a file holds, each place once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PipelinesContents {
    /// The values of `image`.
    pub images: Vec<Image>,
    /// The items of `script` and `after-script`, in their order.
    pub script: Vec<ScriptItem>,
    /// What steps keep that have an `ACTION: login`.
    pub artifacts: Vec<Artifact>,
}

/// A pattern of files that a step keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// From 1.
    pub line: usize,
    pub pattern: String,
    /// Patterns of those that it does not keep.
    pub ignored: Vec<String>,
}

/// The value of an `image`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Image {
    /// Its name as it is written.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// What it signs in with.
    pub username: Option<String>,
    /// What it signs in with.
    pub password: Option<String>,
}

/// A text that a shell gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptItem {
    /// Which script it is of: a variable that one sets is unknown to the next.
    pub script: usize,
    /// Where it begins, from 1.
    pub line: usize,
    /// Whether its lines are those of the file, from the next one on.
    pub is_block: bool,
    /// Whether another script has it too, and has been met before.
    pub is_again: bool,
    pub text: String,
}

/// Reads the text of a file.
///
/// # Errors
/// `BadYaml` with the line.
pub(crate) fn contents(text: &str) -> Result<PipelinesContents, BadYaml> {
    let mut visit = Visit {
        text,
        contents: PipelinesContents::default(),
        images: HashSet::new(),
        scripts: 0,
        bytes: 0,
        seen: HashSet::new(),
    };
    for document in &yaml::documents(text)?.documents {
        visit.root(document);
    }
    Ok(visit.contents)
}

struct Visit<'a> {
    text: &'a str,
    contents: PipelinesContents,
    images: HashSet<Image>,
    /// How many scripts there were so far, and how many bytes in them.
    scripts: usize,
    bytes: usize,
    /// Items of scripts, by line and column.
    seen: HashSet<(usize, usize)>,
}

impl Visit<'_> {
    fn root(&mut self, document: &Node) {
        for entry in document.entries() {
            match entry.key.as_str() {
                "pipelines" => self.pipelines(&entry.value),
                "definitions" => self.definitions(&entry.value),
                _ => self.entry(&entry.key, &entry.value),
            }
        }
    }

    fn pipelines(&mut self, pipelines: &Node) {
        for entry in pipelines.entries() {
            if NAMED.contains(&entry.key.as_str()) {
                self.each_by_name(&entry.value);
            } else {
                self.part(&entry.value);
            }
        }
    }

    fn definitions(&mut self, definitions: &Node) {
        for entry in definitions.entries() {
            match entry.key.as_str() {
                "services" | "pipelines" => self.each_by_name(&entry.value),
                "caches" => {}
                _ => self.entry(&entry.key, &entry.value),
            }
        }
    }

    /// A mapping whose keys are names.
    fn each_by_name(&mut self, named: &Node) {
        for entry in named.entries() {
            self.part(&entry.value);
        }
    }

    /// Something whose keys are the file format's, or a list of such.
    fn part(&mut self, part: &Node) {
        for item in part.items() {
            self.part(item);
        }
        if let Some(artifacts) = part.get("artifacts").filter(|_| signs_in(part)) {
            self.artifacts(artifacts);
        }
        for entry in part.entries() {
            self.entry(&entry.key, &entry.value);
        }
    }

    fn entry(&mut self, key: &str, value: &Rc<Node>) {
        match key {
            "image" => match image(value) {
                Some(image) => {
                    if self.images.len() < MOST && self.images.insert(image.clone()) {
                        self.contents.images.push(image);
                    }
                }
                None => self.part(value),
            },
            "script" | "after-script" => self.script(value),
            _ if OPAQUE.contains(&key) => {}
            _ => self.part(value),
        }
    }

    /// Patterns in a list, in one below `paths`, or in several with names of their own: below `upload`, or in the list itself.
    fn artifacts(&mut self, artifacts: &Node) {
        self.kept(artifacts, &[]);
        if let Some(paths) = artifacts.get("paths") {
            self.kept(paths, &[]);
        }
        let upload = artifacts.get("upload").map_or(&[][..], |upload| upload.items());
        for named in upload.iter().chain(artifacts.items()) {
            let ignored = named.get("ignore-paths").map_or(&[][..], |paths| paths.items());
            if let Some(paths) = named.get("paths") {
                self.kept(paths, ignored);
            }
        }
    }

    fn kept(&mut self, paths: &Node, ignored: &[Rc<Node>]) {
        for path in paths.items() {
            let Some(pattern) = path.scalar() else { continue };
            let artifact = Artifact {
                line: path.line,
                pattern: pattern.to_owned(),
                ignored: ignored
                    .iter()
                    .filter_map(|pattern| pattern.scalar().map(str::to_owned))
                    .collect(),
            };
            let all = &mut self.contents.artifacts;
            if all.len() < MOST_ARTIFACTS && !all.contains(&artifact) {
                all.push(artifact);
            }
        }
    }

    fn script(&mut self, script: &Rc<Node>) {
        let own = std::slice::from_ref(script);
        let items = if script.items().is_empty() { own } else { script.items() };
        self.scripts += 1;
        for item in items {
            let Some(text) = item.scalar() else { continue };
            self.bytes += text.len();
            if self.contents.script.len() == MOST || self.bytes > MOST_BYTES {
                return;
            }
            let item = ScriptItem {
                script: self.scripts,
                line: item.line,
                is_block: yaml::is_block(self.text, item),
                is_again: !self.seen.insert((item.line, item.column)),
                text: text.to_owned(),
            };
            self.contents.script.push(item);
        }
    }
}

/// Whether a step has the pipe sign in: by its variables, or by those of the binary in a line of its own. A variable in their
/// place may say so.
fn signs_in(step: &Node) -> bool {
    let scripts = ["script", "after-script"].into_iter().filter_map(|key| step.get(key));
    let mut items = scripts.flat_map(|script| script.items());
    items.any(|item| {
        let action = item
            .get("variables")
            .and_then(|variables| variables.get("ACTION")?.scalar());
        let is_login =
            action.is_some_and(|action| action.trim().eq_ignore_ascii_case("login") || action.starts_with('$'));
        is_login || item.scalar().is_some_and(|line| line.contains("ACTION=login"))
    })
}

fn image(value: &Node) -> Option<Image> {
    let named = value.get("name").filter(|_| value.text().is_none());
    let (name, line) = match named {
        Some(name) => (name.text()?, name.line),
        None => (value.text()?, value.line),
    };
    let text = |key: &str| {
        value
            .get(key)
            .and_then(|value| value.text())
            .map(|text| text.trim().to_owned())
    };
    Some(Image {
        name: name.trim().to_owned(),
        line,
        username: text("username"),
        password: text("password"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_scripts_are_visited_with_their_places() {
        let text = "\
definitions:
  scripts:
    - script: &login
        - docker login crg.apkg.io
  steps:
    - step: &build
        script:
          - make
          - pipe: a/b:1
            variables: {script: [no]}
          - |
            one

              two
          - >-
            folded
            text
        after-script: single
pipelines:
  default:
    - step: *build
    - step: {script: *login}
  custom:
    script:
      - step: {script: [last]}
";
        let found = contents(text).unwrap().script;
        let found = found.iter().map(|item| {
            format!(
                "{} {} {}{}",
                item.script,
                item.line,
                item.text,
                if item.is_again { " again" } else { "" }
            )
        });
        let found: Vec<String> = found.collect();
        assert_eq!(
            found,
            [
                "1 4 docker login crg.apkg.io",
                "2 8 make",
                "2 11 one\n\n  two\n",
                "2 15 folded text",
                "3 18 single",
                "4 8 make again",
                "4 11 one\n\n  two\n again",
                "4 15 folded text again",
                "5 18 single again",
                "6 4 docker login crg.apkg.io again",
                "7 25 last",
            ]
        );
    }
}
