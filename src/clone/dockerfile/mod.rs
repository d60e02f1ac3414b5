//! Reads which images a Dockerfile names, as BuildKit reads it (`frontend/dockerfile/parser`, `instructions` and
//! `dockerfile2llb`; Docker's "Dockerfile reference" says less): what `# syntax=`, `FROM`, `COPY --from` and
//! `RUN --mount=…,from=` take from outside of the file.

mod directives;
mod flags;
mod lex;
mod pattern;
mod stages;

use super::{Mention, Unclear};
pub(super) use lex::Filled;
use lex::Refused;
use stages::Stages;
use std::collections::{HashMap, HashSet};

/// Extensions of what is about Dockerfiles and none itself: `dockerfile_parser.py`, `Dockerfile-notes.md`.
const OTHERS: [&str; 16] = [
    "md", "rst", "txt", "html", "json", "yml", "yaml", "xml", "toml", "py", "js", "ts", "go", "rs", "java", "sh",
];

/// Whether a file of this name is a Dockerfile: `Dockerfile.dev`, `Dockerfile-dev`, `Dockerfile_dev`, `Dockerfile9`,
/// `dev.Dockerfile`.
#[must_use]
pub(crate) fn is_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if name.ends_with(".dockerignore") {
        return false;
    }
    let is_other = |rest: &str| rest.rsplit_once('.').is_some_and(|(_, end)| OTHERS.contains(&end));
    ["dockerfile", "containerfile"].iter().any(|plain| {
        let is_variant = name.strip_prefix(plain).is_some_and(|rest| match rest.chars().next() {
            None | Some('.') => true,
            Some('-' | '_' | '0'..='9') => !is_other(rest),
            Some(_) => false,
        });
        is_variant
            || name
                .strip_suffix(plain)
                .is_some_and(|rest| rest.ends_with(['.', '-', '_']))
    })
}

/// Most lines that are looked at for the ends of heredocs, in all: each that does not end costs a look through the file.
const MOST_LOOKED_AT: usize = 2_000_000;
/// Most texts with variables that are filled in: each may cost as much as a long one.
const MOST_FILLED: usize = 2000;

/// The argument that is the name of the stage that is built.
const STAGE: &str = "TARGETSTAGE";

/// What the file is built with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Build {
    /// Build arguments that are given, by name; they go before the defaults of `ARG`.
    pub arguments: HashMap<String, String>,
    /// The platform that is built for, as `os/architecture[/variant]`; `None` for the builder's own.
    pub target: Option<String>,
    /// The builder's own platform.
    pub builder: String,
    /// Names that stand for something else than an image or a stage of that name: named contexts.
    pub contexts: HashSet<String>,
    /// The stage that is built, by its name or number; `None` where any may be.
    pub stage: Option<String>,
}

/// The images that a Dockerfile names, in its order, with the line where the instruction begins. Stages of the file, stage
/// numbers and `scratch` are none. `ARG`s before the first `FROM` are filled in by what the build gives, else by their defaults.
#[must_use]
pub(crate) fn images(text: &str, build: &Build) -> Vec<Mention> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let reading = read(&lines, build, build.stage.as_deref());
    match (&build.stage, reading.stages.last_name()) {
        // What is built is the last one then, whose name is known only now.
        (None, Some(last)) if text.contains(STAGE) => read(&lines, build, Some(last)).finish(),
        _ => reading.finish(),
    }
}

fn read<'a>(lines: &[&str], build: &'a Build, stage: Option<&str>) -> Reading<'a> {
    let mut reading = Reading {
        escape: directives::escape(lines),
        build,
        arguments: automatic(build, stage),
        declared: HashSet::new(),
        unfilled: HashMap::new(),
        stages: Stages::default(),
        looked_at: 0,
        filled: 0,
        mentions: Vec::new(),
    };
    if let Some((image, line)) = directives::syntax(lines) {
        reading.push(image, image, line, None, None);
    }
    let mut at = 0;
    while at < lines.len() {
        let number = at + 1;
        let instruction = reading.join(lines, &mut at);
        if !instruction.is_empty() {
            at += reading.heredocs(&instruction, &lines[at..]);
            reading.instruction(&instruction, number, false);
        }
    }
    reading
}

/// The arguments that are there without `ARG` before the first `FROM` ("Automatic platform ARGs in the global scope").
fn automatic(build: &Build, stage: Option<&str>) -> HashMap<String, String> {
    let mut arguments = HashMap::new();
    let target = build.target.as_deref().unwrap_or(&build.builder);
    for (prefix, platform) in [("BUILD", build.builder.as_str()), ("TARGET", target)] {
        let mut parts = platform.splitn(3, '/');
        arguments.insert(format!("{prefix}PLATFORM"), platform.to_owned());
        for part in ["OS", "ARCH", "VARIANT"] {
            arguments.insert(format!("{prefix}{part}"), parts.next().unwrap_or_default().to_owned());
        }
        arguments.insert(format!("{prefix}OSVERSION"), String::new());
    }
    arguments.insert(STAGE.to_owned(), stage.unwrap_or("default").to_owned());
    for (name, value) in &mut arguments {
        if let Some(given) = build.arguments.get(name) {
            value.clone_from(given);
        }
    }
    arguments
}

/// A file in reading.
struct Reading<'a> {
    escape: char,
    build: &'a Build,
    /// The values of `ARG`s before the first `FROM`.
    arguments: HashMap<String, String>,
    /// The names of those that are declared, with a value or without.
    declared: HashSet<String>,
    /// Those whose default has a hole, or is one that Docker refuses, and why.
    unfilled: HashMap<String, Unclear>,
    /// Those so far.
    stages: Stages,
    /// Lines that were looked at for the ends of heredocs.
    looked_at: usize,
    /// Texts that were filled in.
    filled: usize,
    /// Each with its name, where that may be one of a stage that comes later, and with the number of its stage.
    mentions: Vec<(Mention, Option<String>, Option<usize>)>,
}

impl Reading<'_> {
    /// The instruction that begins at line `at`, its continuation lines joined; empty for a blank line or a comment.
    fn join(&self, lines: &[&str], at: &mut usize) -> String {
        let mut joined = String::new();
        let mut is_open = false;
        while let Some(line) = lines.get(*at) {
            *at += 1;
            let trimmed = line.trim_start();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                // Within an instruction such lines are dropped.
                if is_open {
                    continue;
                }
                break;
            }
            let end = line.trim_end_matches([' ', '\t']);
            match end.strip_suffix(self.escape) {
                Some(part) if !part.ends_with(self.escape) => {
                    joined.push_str(part);
                    is_open = true;
                }
                _ => {
                    joined.push_str(line);
                    break;
                }
            }
        }
        joined.trim().to_owned()
    }

    /// How many of the lines after an instruction are its heredocs. One that never ends is not taken for one.
    fn heredocs(&mut self, instruction: &str, lines: &[&str]) -> usize {
        if !instruction.contains("<<") {
            return 0;
        }
        let (mut keyword, mut rest) = keyword(instruction);
        if keyword == "ONBUILD" {
            (keyword, rest) = self::keyword(rest);
        }
        if !matches!(&*keyword, "RUN" | "COPY" | "ADD") || is_list(flags::split(rest).1) {
            return 0;
        }
        let mut taken = 0;
        for word in lex::raw_words(instruction) {
            let Some((name, trims)) = heredoc(&word) else { continue };
            if self.looked_at > MOST_LOOKED_AT {
                break;
            }
            let ends = |line: &&str| if trims { line.trim_start_matches('\t') } else { line } == name;
            let found = lines[taken..].iter().position(ends);
            self.looked_at += found.unwrap_or(lines.len() - taken);
            let Some(length) = found else { break };
            taken += length + 1;
        }
        taken
    }

    fn instruction(&mut self, instruction: &str, line: usize, is_later: bool) {
        let (keyword, rest) = keyword(instruction);
        match &*keyword {
            "ONBUILD" if !is_later => self.instruction(rest, line, true),
            "ARG" if self.stages.current().is_none() && !is_later => self.argument(rest),
            "FROM" if !is_later => self.from(rest, line),
            "COPY" => {
                if let Some(image) = flags::value(rest, "from") {
                    // A number is a stage's.
                    match image.parse() {
                        Ok(number) => self.stages.uses_number(number),
                        Err(_) => self.outside(&image, line),
                    }
                }
            }
            "RUN" => {
                for mount in flags::values(rest, "mount") {
                    if let Some(image) = flags::field(&mount, "from") {
                        self.outside(&image, line);
                    }
                }
            }
            _ => {}
        }
    }

    fn argument(&mut self, rest: &str) {
        for word in flags::arguments(flags::split(rest).1, self.escape) {
            let (name, default) = word
                .split_once('=')
                .map_or((&*word, None), |(name, value)| (name, Some(value)));
            self.declared.insert(name.to_owned());
            let value = match (self.build.arguments.get(name), default) {
                (Some(given), _) => given.clone(),
                (None, None) => continue,
                (None, Some(default)) => match self.fill(default) {
                    // What it is made of is missing as well.
                    Ok(Filled { text, hole }) => {
                        let why = hole
                            .map(|hole| self.unset(&hole))
                            .or_else(|| self.hole_in_value(default));
                        match why {
                            Some(why) => self.unfilled.insert(name.to_owned(), why),
                            None => self.unfilled.remove(name),
                        };
                        text
                    }
                    Err(why) => {
                        self.unfilled.insert(name.to_owned(), why);
                        self.arguments.remove(name);
                        continue;
                    }
                },
            };
            self.arguments.insert(name.to_owned(), value);
        }
    }

    fn from(&mut self, rest: &str, line: usize) {
        let (flags, arguments) = flags::split(rest);
        let words: Vec<&str> = arguments
            .split([' ', '\t', '\u{b}', '\u{c}', '\r'])
            .filter(|word| !word.is_empty())
            .collect();
        let name = match &words[..] {
            [_, word, name, ..] if word.eq_ignore_ascii_case("as") => Some(name.to_lowercase()),
            _ => None,
        };
        self.stages.begin();
        let Some(written) = words.first() else { return };
        // A context in the place of the stage: what that begins with is not asked for (`namedContext` in `dockerfile2llb`).
        let is_replaced = name.as_ref().is_some_and(|name| self.build.contexts.contains(name));
        let platform = flags::last(&flags, "platform").map(|platform| self.fill(&platform));
        let platform = match platform {
            None => self.build.target.clone(),
            Some(Ok(filled)) if filled.text.is_empty() => self.build.target.clone(),
            Some(Ok(filled)) => Some(filled.text),
            // Docker refuses it; the image's name may be known all the same.
            Some(Err(_)) => None,
        };
        match self.fill(written) {
            _ if is_replaced => {}
            // Docker itself refuses a `FROM` that comes out empty.
            Ok(Filled { text, hole }) if text.is_empty() => {
                let why = hole
                    .map(|hole| self.unset(&hole))
                    .or_else(|| self.hole_in_value(written));
                if let Some(why) = why {
                    self.unclear(written, line, why);
                }
            }
            Ok(_) if self.refused_value(written).is_some() => {
                if let Some(why) = self.refused_value(written) {
                    self.unclear(written, line, why);
                }
            }
            Ok(Filled { text, hole }) => {
                let is_stage = self.stages.begins_with(&text);
                if text != "scratch" && !is_stage {
                    let hole = hole.map(|hole| self.unset(&hole));
                    let hole = hole.or_else(|| self.hole_in_value(written));
                    self.push(&text, written, line, platform, hole);
                }
            }
            Err(why) => self.unclear(written, line, why),
        }
        if let Some(name) = name {
            self.stages.name(name);
        }
    }

    /// `from` of `COPY` and `RUN`, where Docker fills no variables in.
    fn outside(&mut self, image: &str, line: usize) {
        self.stages.uses(image);
        if image.contains('$') {
            self.unclear(image, line, Unclear::NoVariables);
        } else if !image.is_empty() && image != "scratch" {
            self.push(image, image, line, self.build.target.clone(), None);
            if let Some((_, stage, _)) = self.mentions.last_mut() {
                *stage = Some(image.to_lowercase());
            }
        }
    }

    fn push(&mut self, image: &str, written: &str, line: usize, platform: Option<String>, hole: Option<Unclear>) {
        if self.build.contexts.contains(image) {
            return;
        }
        let mention = Mention::Image {
            image: image.to_owned(),
            written: written.to_owned(),
            line: Some(line),
            platform,
            hole,
            is_optional: false,
        };
        self.mentions.push((mention, None, self.stages.current()));
    }

    fn unclear(&mut self, written: &str, line: usize, why: Unclear) {
        let mention = Mention::Unclear {
            written: written.to_owned(),
            line: Some(line),
            why,
        };
        self.mentions.push((mention, None, self.stages.current()));
    }

    /// Without those that turned out to be stages, since `--from` may name one that comes later; and without those of stages
    /// that are not built.
    fn finish(self) -> Vec<Mention> {
        let stages = &self.stages;
        let built = self.build.stage.as_deref().and_then(|stage| stages.built_for(stage));
        let is_built = |number: &Option<usize>| match (&built, number) {
            (Some(built), Some(number)) => built.contains(number),
            _ => true,
        };
        let mentions = self.mentions.into_iter();
        mentions
            .filter(|(_, stage, number)| stage.as_ref().is_none_or(|stage| !stages.has(stage)) && is_built(number))
            .map(|(mention, ..)| mention)
            .collect()
    }

    fn fill(&mut self, text: &str) -> Result<Filled, Unclear> {
        self.filled += 1;
        if self.filled > MOST_FILLED {
            return Err(Unclear::TooMany);
        }
        let filled = lex::fill(text, self.escape, &|name| self.arguments.get(name).cloned());
        filled.map_err(|refused| match refused {
            Refused::Required(name) => self.unset(&name),
            Refused::Form => Unclear::Unread,
        })
    }

    /// Why a variable has no value.
    fn unset(&self, name: &str) -> Unclear {
        if let Some(why) = self.unfilled.get(name) {
            return Unclear::Because(name.to_owned(), Box::new(why.clone()));
        }
        if self.declared.contains(name) {
            Unclear::Argument(name.to_owned())
        } else {
            Unclear::Undeclared(name.to_owned())
        }
    }

    /// Where a variable stands for a value that Docker refuses.
    fn refused_value(&self, written: &str) -> Option<Unclear> {
        let name = self.unfilled_in(written)?;
        (!self.arguments.contains_key(name)).then(|| self.unset(name))
    }

    /// Where a variable has a value that itself had a hole.
    fn hole_in_value(&self, written: &str) -> Option<Unclear> {
        Some(self.unset(self.unfilled_in(written)?))
    }

    fn unfilled_in(&self, written: &str) -> Option<&str> {
        let mut names = self.unfilled.iter().filter(|(name, _)| {
            written.match_indices(name.as_str()).any(|(at, _)| {
                let (before, after) = (&written[..at], &written[at + name.len()..]);
                (before.ends_with('$') || before.ends_with("${"))
                    && !after.starts_with(|c: char| c == '_' || c.is_alphanumeric())
            })
        });
        names.next().map(|(name, _)| name.as_str())
    }
}

/// The first word in capital letters, and what follows it.
fn keyword(instruction: &str) -> (String, &str) {
    let instruction = instruction.trim_start();
    let end = instruction.find(char::is_whitespace).unwrap_or(instruction.len());
    (instruction[..end].to_ascii_uppercase(), &instruction[end..])
}

/// Whether the arguments are a JSON list of texts, in which there are no heredocs.
fn is_list(arguments: &str) -> bool {
    arguments.trim_start().starts_with('[') && serde_json::from_str::<Vec<String>>(arguments.trim()).is_ok()
}

/// The line that ends a heredoc, and whether tabs before it are dropped: `<<EOF`, `<<-EOF`, `3<<'EOF'`, `<< \EOF`.
fn heredoc(word: &str) -> Option<(String, bool)> {
    let rest = word
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix("<<")?;
    let (name, trims) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let name = name.trim_start();
    if name.is_empty() || name.contains('<') {
        return None;
    }
    match &lex::words(name)[..] {
        [name] => Some((name.clone(), trims)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
