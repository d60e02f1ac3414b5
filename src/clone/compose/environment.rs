//! The variables that a compose file's values are filled in with: those of the `.env` beside it (Compose's "`.env` file
//! syntax"). The environment of the step that runs `docker compose` is not known here.

use super::interpolate::fill;
use std::collections::HashMap;

/// Most variables of one file.
const MOST: usize = 10_000;

/// The variables by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Environment {
    values: HashMap<String, String>,
}

/// Where compose refuses an `.env`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadLine(pub(super) usize);

impl Environment {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// A value for a name that has none.
    pub(super) fn suggest(&mut self, name: &str, value: String) {
        self.values.entry(name.to_owned()).or_insert(value);
    }

    /// Forgets all others.
    pub(super) fn keep_only(&mut self, names: &[&str]) {
        self.values.retain(|name, _| names.contains(&name.as_str()));
    }

    /// Adds what a file says of variables that have no value yet. Of one that the file sets twice, the last counts.
    pub(super) fn read(&mut self, text: &str) -> Result<(), BadLine> {
        let mut read: HashMap<String, String> = HashMap::new();
        let result = self.lines(text.trim_start_matches('\u{feff}'), &mut read);
        for (name, value) in read {
            self.values.entry(name).or_insert(value);
        }
        result
    }

    fn lines(&self, text: &str, read: &mut HashMap<String, String>) -> Result<(), BadLine> {
        let line = |rest: &str| BadLine(text[..text.len() - rest.len()].matches('\n').count() + 1);
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return Ok(());
            }
            if rest.starts_with('#') {
                rest = rest.split_once('\n').map_or("", |(_, after)| after);
                continue;
            }
            if read.len() > MOST {
                return Err(line(rest));
            }
            let start = rest;
            let (name, after) = key(rest).ok_or_else(|| line(start))?;
            // A name alone takes its value from the step's environment.
            let Some(after) = after else {
                rest = start.split_once('\n').map_or("", |(_, after)| after);
                continue;
            };
            let (value, fills, after) = value(after).ok_or_else(|| line(start))?;
            let value = if fills {
                let known = |name: &str| self.get(name).or_else(|| read.get(name).cloned());
                fill(&value, &known).map_err(|_| line(start))?.text
            } else {
                value
            };
            read.insert(name.to_owned(), value);
            rest = after;
        }
    }
}

/// A name, and what comes after its `=` or `:`, if it has one in its line.
fn key(text: &str) -> Option<(&str, Option<&str>)> {
    let text = text
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .unwrap_or(text)
        .trim_start_matches([' ', '\t']);
    let end = text.find(['=', ':', '\n']).unwrap_or(text.len());
    let name = text[..end].trim_end();
    let is_part = |c: char| c.is_alphanumeric() || "_.-[]".contains(c);
    if name.is_empty() || !name.chars().all(is_part) {
        return None;
    }
    let after = text[end..].strip_prefix(['=', ':']);
    Some((
        name,
        after.map(|after| after.trim_start_matches([' ', '\t', '\r', '\u{b}', '\u{c}'])),
    ))
}

/// A value, whether variables in it are filled in, and what follows it.
fn value(text: &str) -> Option<(String, bool, &str)> {
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        let (line, after) = text.split_once('\n').unwrap_or((text, ""));
        let line = line.split_once(" #").map_or(line, |(value, _)| value);
        return Some((line.trim_end().to_owned(), true, after));
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if character == quote && !escaped {
            let value = if quote == '"' { unescaped(&value) } else { value };
            return Some((value, quote == '"', &text[at + 1..]));
        }
        if character == '\\' && !escaped {
            escaped = true;
            continue;
        }
        if escaped && character != quote {
            value.push('\\');
        }
        escaped = false;
        value.push(character);
    }
    None
}

/// The escapes that compose-go knows between double quotation marks (`dotenv/parser.go`); all others stay as they are. `\$` is
/// left for the filling.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut characters = after.chars();
        match characters.next() {
            Some('a') => plain.push('\u{7}'),
            Some('b') => plain.push('\u{8}'),
            Some('f') => plain.push('\u{c}'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('v') => plain.push('\u{b}'),
            Some('$') => plain.push_str("$$"),
            Some(itself @ ('"' | '\\')) => plain.push(itself),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
        rest = characters.as_str();
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the examples of "`.env` file syntax" in Docker's documentation, and by `dotenv/parser.go` of compose-go.
    #[test]
    fn lines_are_read_as_compose_reads_them() {
        for (text, expected) in [
            ("A=x", Some("x")),
            ("A = x \r\n", Some("x")),
            ("A: x", Some("x")),
            ("export A=x", Some("x")),
            ("\u{feff}# A=no\n\n  A=x # why", Some("x")),
            ("A=x#y", Some("x#y")),
            ("A='x # $B'", Some("x # $B")),
            ("B=b\nA=\"x $B ${C:-c}\"", Some("x b c")),
            ("B=b\nA=${B}-$B", Some("b-b")),
            ("A='it\\'s'", Some("it's")),
            ("A=\"a\\tb\\\"c\\$d\"", Some("a\tb\"c$d")),
            ("A=\"two\nlines\"\nB=1", Some("two\nlines")),
            ("A=", Some("")),
            ("A=1\nA=2", Some("2")),
            ("A", None),
            ("B=1", None),
            ("exported=1\nA=x", Some("x")),
            // A `$` that begins nothing is one, and ends nothing.
            ("P=pa$\nA=x", Some("x")),
            ("P=$(date) $1 $-\nA=x", Some("x")),
            ("P=\"$(id -u)\"\nA=\"$P\"", Some("$(id -u)")),
            ("A=\"\\x\\'\\\\ \\b\"", Some("\\x\\'\\ \u{8}")),
            ("A='\\x\\n'", Some("\\x\\n")),
            ("A=a\\nb\\", Some("a\\nb\\")),
            ("A=\"a\\\nb\"", Some("a\\\nb")),
        ] {
            let mut environment = Environment::default();
            assert_eq!(environment.read(text), Ok(()), "{text}");
            assert_eq!(environment.get("A").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_bad_line_ends_it() {
        for (text, line) in [
            ("A=x\n!B=y\nC=z", 2),
            ("A=x\nB='y\nC=z", 2),
            ("A=x\na b=c", 2),
            ("A=x\nB=${", 2),
        ] {
            let mut environment = Environment::default();
            assert_eq!(environment.read(text), Err(BadLine(line)), "{text}");
            assert_eq!(environment.get("A").as_deref(), Some("x"), "{text}");
            assert_eq!(environment.get("C"), None);
        }
    }

    #[test]
    fn what_has_a_value_keeps_it() {
        let mut environment = Environment::default();
        environment.read("A=1").unwrap();
        environment.read("A=2\nB=$A").unwrap();
        environment.suggest("A", "3".to_owned());
        assert_eq!(
            (environment.get("A").as_deref(), environment.get("B").as_deref()),
            (Some("1"), Some("1"))
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[A-C=:#'\"\\\\$\n {}é]{0,40}") {
            let _ = Environment::default().read(&text);
        }
    }
}
