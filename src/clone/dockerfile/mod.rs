//! Reads which images a Dockerfile names, by Docker's "Dockerfile reference": what `FROM`, `COPY --from` and
//! `RUN --mount=…,from=` take from outside of the file.

use super::substitution::{Dialect, Unresolved, fill};
use super::{Mention, Unclear};
use std::collections::{HashMap, HashSet};

/// Whether a file of this name is a Dockerfile.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.ends_with(".dockerignore")
        && ["dockerfile", "containerfile"].iter().any(|plain| {
            name.strip_prefix(plain)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                || name.strip_suffix(plain).is_some_and(|rest| rest.ends_with('.'))
        })
}

/// Most lines that are looked at for the ends of heredocs, in all: each that does not end costs a look through the file.
const MOST_LOOKED_AT: usize = 10_000_000;

/// The images that a Dockerfile names, in its order, with the line where the instruction begins. Stages of the file, stage
/// numbers and `scratch` are none. `ARG`s before the first `FROM` are filled in by their defaults.
#[must_use]
pub fn images(text: &str) -> Vec<Mention> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .collect();
    let mut reading = Reading {
        escape: escape(&lines),
        arguments: HashMap::new(),
        stages: HashSet::new(),
        in_stage: false,
        looked_at: 0,
        mentions: Vec::new(),
    };
    let mut at = 0;
    while at < lines.len() {
        let number = at + 1;
        let instruction = reading.join(&lines, &mut at);
        if !instruction.is_empty() {
            at += reading.heredocs(&instruction, &lines[at..]);
            reading.instruction(&instruction, number);
        }
    }
    reading.mentions
}

/// The character that the parser directive `# escape=` names. Directives stand before all else.
fn escape(lines: &[&str]) -> char {
    let directives = lines
        .iter()
        .map_while(|line| line.trim().strip_prefix('#')?.split_once('='));
    directives
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case("escape"))
        .find_map(|(_, value)| match value.trim() {
            "`" => Some('`'),
            "\\" => Some('\\'),
            _ => None,
        })
        .unwrap_or('\\')
}

/// A file in reading.
struct Reading {
    escape: char,
    /// `ARG`s before the first `FROM`; `None` for one without default.
    arguments: HashMap<String, Option<String>>,
    /// Names of the stages so far, in lower case.
    stages: HashSet<String>,
    in_stage: bool,
    /// Lines that were looked at for the ends of heredocs.
    looked_at: usize,
    mentions: Vec<Mention>,
}

impl Reading {
    /// The instruction that begins at line `at`, its continuation lines joined; empty for a blank line or a comment.
    fn join(&self, lines: &[&str], at: &mut usize) -> String {
        let mut joined = String::new();
        let mut is_open = false;
        while let Some(line) = lines.get(*at) {
            *at += 1;
            let trimmed = line.trim();
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
        let (mut keyword, mut rest) = keyword(instruction);
        if keyword == "ONBUILD" {
            (keyword, rest) = self::keyword(rest);
        }
        if !matches!(&*keyword, "RUN" | "COPY" | "ADD") {
            return 0;
        }
        let mut taken = 0;
        for word in words(rest, self.escape) {
            let Some((name, trims)) = heredoc(word) else { continue };
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

    fn instruction(&mut self, instruction: &str, line: usize) {
        let (keyword, rest) = keyword(instruction);
        match &*keyword {
            "ONBUILD" if !rest.trim_start().to_ascii_uppercase().starts_with("ONBUILD") => {
                self.instruction(rest, line);
            }
            "ARG" if !self.in_stage => self.argument(rest),
            "FROM" => self.from(rest, line),
            "COPY" => {
                for image in self.flags(rest, "--from=") {
                    self.outside(&image, line);
                }
            }
            "RUN" => {
                for mount in self.flags(rest, "--mount=") {
                    if let Some(image) = mount.split(',').find_map(|part| part.trim().strip_prefix("from=")) {
                        self.outside(image, line);
                    }
                }
            }
            _ => {}
        }
    }

    fn argument(&mut self, rest: &str) {
        for word in words(rest, self.escape) {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name, self.fill(default).ok()),
                None => (word, None),
            };
            self.arguments.insert(name.to_owned(), default);
        }
    }

    fn from(&mut self, rest: &str, line: usize) {
        self.in_stage = true;
        let mut words = words(rest, self.escape)
            .into_iter()
            .filter(|word| !word.starts_with("--"));
        let Some(written) = words.next() else { return };
        match self.fill(written) {
            // Docker itself refuses a `FROM` that comes out empty.
            Ok(image) if image.is_empty() => {}
            Ok(image) => self.mention(&image, line),
            Err(unresolved) => self.mentions.push(Mention::Unclear {
                written: written.to_owned(),
                line: Some(line),
                why: match unresolved {
                    Unresolved::Unset(name) => Unclear::Argument(name),
                    Unresolved::Unread => Unclear::Unread,
                },
            }),
        }
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("as"))
            && let Some(stage) = words.next()
        {
            self.stages.insert(stage.to_lowercase());
        }
    }

    /// The values of an instruction's flag; flags stand before all else.
    fn flags(&self, rest: &str, flag: &str) -> Vec<String> {
        words(rest, self.escape)
            .into_iter()
            .take_while(|word| word.starts_with("--"))
            .filter_map(|word| Some(word.strip_prefix(flag)?.replace('"', "")))
            .collect()
    }

    /// `from` of `COPY` and `RUN`, where Docker fills no variables in.
    fn outside(&mut self, image: &str, line: usize) {
        if image.contains('$') {
            self.mentions.push(Mention::Unclear {
                written: image.to_owned(),
                line: Some(line),
                why: Unclear::NoVariables,
            });
        } else if !image.is_empty() && !image.bytes().all(|b| b.is_ascii_digit()) {
            self.mention(image, line);
        }
    }

    fn mention(&mut self, image: &str, line: usize) {
        if image != "scratch" && !self.stages.contains(&image.to_lowercase()) {
            self.mentions.push(Mention::Image {
                image: image.to_owned(),
                line: Some(line),
            });
        }
    }

    fn fill(&self, text: &str) -> Result<String, Unresolved> {
        fill(text, Dialect::Dockerfile(self.escape), &|name| {
            self.arguments.get(name).cloned().flatten()
        })
    }
}

/// The first word in capital letters, and what follows it.
fn keyword(instruction: &str) -> (String, &str) {
    let instruction = instruction.trim_start();
    let end = instruction.find(char::is_whitespace).unwrap_or(instruction.len());
    (instruction[..end].to_ascii_uppercase(), &instruction[end..])
}

/// Splits at white space outside of quotation marks and braces, which stay.
fn words(text: &str, escape: char) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quote, mut braces) = (None, None, 0_usize);
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character.is_whitespace() && quote.is_none() && braces == 0 {
            words.extend(start.take().map(|start| &text[start..at]));
            continue;
        }
        start.get_or_insert(at);
        match character {
            c if c == escape && quote != Some('\'') => {
                characters.next();
            }
            '"' | '\'' if quote == Some(character) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(character),
            '{' if quote.is_none() && text[..at].ends_with('$') => braces += 1,
            '}' if quote.is_none() => braces = braces.saturating_sub(1),
            _ => {}
        }
    }
    words.extend(start.map(|start| &text[start..]));
    words
}

/// The line that ends a heredoc, and whether tabs before it are dropped: `<<EOF`, `<<-EOF`, `3<<'EOF'`.
fn heredoc(word: &str) -> Option<(String, bool)> {
    let rest = word
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix("<<")?;
    let (name, trims) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let name: String = name.chars().filter(|c| !matches!(c, '"' | '\'')).collect();
    (!name.is_empty() && !name.contains('<')).then_some((name, trims))
}

#[cfg(test)]
mod tests;
