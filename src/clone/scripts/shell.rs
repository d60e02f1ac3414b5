//! The commands in a line of a shell script, as far as their words can be told without running it. Pure.
//!
//! POSIX, "Shell Command Language", 2.2 (quoting), 2.3 (tokens), 2.7.4 (here-documents), 2.9 (commands). What only a shell can know (`$(…)`,
//! variables that nobody assigned) stays as it is written.

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;
/// Longest value of a variable that is filled in.
const LONGEST_VALUE: usize = 1024;
/// Words before which a command begins (POSIX 2.4) or after which another one is named.
const BEFORE_A_COMMAND: [&str; 17] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "(", "time", "exec", "command", "sudo", "env",
    "nohup", "eval",
];

/// A command as a shell would run it, its variables not filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// On which line of the text it begins, from 0.
    pub(super) line: usize,
    /// Its words, without quotes, assignments before it and redirections.
    pub(super) words: Vec<String>,
}

/// The variables that the lines so far assign.
#[derive(Debug, Clone, Default)]
pub(super) struct Assigned(HashMap<String, String>);

impl Assigned {
    /// Fills in the variables that are known; all others stay as they are written.
    pub(super) fn fill(&self, word: &str) -> String {
        let mut filled = String::new();
        let mut rest = word;
        while let Some(at) = rest.find('$') {
            filled.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let (name, length) = if let Some(inner) = after.strip_prefix('{') {
                let end = inner.find('}');
                end.map_or(("", 0), |end| (&inner[..end], end + 2))
            } else {
                let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
                (&after[..end], end)
            };
            match self.0.get(name) {
                Some(value) if filled.len() + value.len() <= LONGEST_VALUE => filled.push_str(value),
                _ => filled.push_str(&rest[at..=at + length]),
            }
            rest = &after[length..];
        }
        filled.push_str(rest);
        filled
    }

    fn assign(&mut self, name: &str, value: &str) {
        let value = self.fill(value);
        if value.len() <= LONGEST_VALUE && self.0.len() < LONGEST_VALUE {
            self.0.insert(name.to_owned(), value);
        }
    }
}

/// The commands of a text, one after the other; what it assigns is known to later ones.
pub(super) fn commands(text: &str, assigned: &mut Assigned) -> Vec<Command> {
    let text = if text.len() > LONGEST { "" } else { text };
    let mut found = Vec::new();
    for tokens in split(text) {
        let mut words = tokens.words.into_iter().peekable();
        // Assignments and words like `if` come before the command; `sudo` and `env` may have options.
        let mut skipped = false;
        let mut alone = Vec::new();
        while let Some(word) = words.peek() {
            let before = BEFORE_A_COMMAND.contains(&word.as_str());
            let assigns = assignment(word).map(|(name, value)| (name.to_owned(), value.to_owned()));
            if !(before || assigns.is_some() || skipped && word.starts_with('-')) {
                break;
            }
            alone.extend(assigns);
            skipped |= before;
            words.next();
        }
        let words: Vec<String> = words.collect();
        match words.first().map(String::as_str) {
            None => alone.iter().for_each(|(name, value)| assigned.assign(name, value)),
            Some("export" | "readonly" | "declare" | "local" | "typeset") => {
                for (name, value) in words.iter().filter_map(|word| assignment(word)) {
                    assigned.assign(name, value);
                }
            }
            Some(_) => found.push(Command {
                line: tokens.line,
                words: words.iter().map(|word| assigned.fill(word)).collect(),
            }),
        }
    }
    found
}

/// `NAME=value`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is = !name.is_empty() && name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit());
    is.then_some((name, value))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[derive(Debug, Default)]
struct ShellTokens {
    line: usize,
    words: Vec<String>,
}

/// Cuts at operators and line ends, takes quotes away, drops comments, redirections and the texts of here-documents.
fn split(text: &str) -> Vec<ShellTokens> {
    let mut all = Vec::new();
    let mut current = ShellTokens::default();
    let mut word: Option<String> = None;
    let mut redirects = false;
    let mut line = 0;
    let mut heredocs: Vec<Heredoc> = Vec::new();
    let mut characters = text.chars().peekable();
    let end_word = |word: &mut Option<String>, current: &mut ShellTokens, redirects: &mut bool, line: usize| {
        if let Some(word) = word.take()
            && !std::mem::take(redirects)
        {
            if current.words.is_empty() {
                current.line = line;
            }
            current.words.push(word);
        }
    };
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('\n') => line += 1,
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => {}
            },
            '\'' | '"' => {
                line += quotation(c, &mut characters, word.get_or_insert_default());
            }
            // A substitution is one piece of its word, blanks and all.
            '$' if characters.peek() == Some(&'(') => {
                let word = word.get_or_insert_default();
                word.push('$');
                let mut depth = 0;
                for inner in characters.by_ref() {
                    word.push(inner);
                    line += usize::from(inner == '\n');
                    match inner {
                        '(' => depth += 1,
                        ')' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            '#' if word.is_none() => while characters.next_if(|c| *c != '\n').is_some() {},
            '>' | '<' => {
                // `2>` and `2>&1`: the number is no word.
                if word
                    .as_ref()
                    .is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit()))
                {
                    word = None;
                }
                end_word(&mut word, &mut current, &mut redirects, line);
                let mut operator = c.to_string();
                while let Some(more) = characters.next_if(|c| matches!(c, '>' | '<' | '&' | '|')) {
                    operator.push(more);
                }
                if operator == "<<" {
                    heredocs.push(Heredoc::begin(&mut characters));
                } else {
                    redirects = true;
                }
            }
            ';' | '|' | '&' | '\n' | ')' | '(' => {
                end_word(&mut word, &mut current, &mut redirects, line);
                redirects = false;
                if c == '\n' {
                    line += 1;
                    for heredoc in heredocs.drain(..) {
                        line += heredoc.skip(&mut characters);
                    }
                }
                if !current.words.is_empty() {
                    all.push(std::mem::take(&mut current));
                }
            }
            c if c.is_whitespace() => end_word(&mut word, &mut current, &mut redirects, line),
            c => word.get_or_insert_default().push(c),
        }
    }
    end_word(&mut word, &mut current, &mut redirects, line);
    if !current.words.is_empty() {
        all.push(current);
    }
    all
}

/// Reads up to the quote that ends a quotation, and says how many lines end in it.
fn quotation(quote: char, characters: &mut Peekable<Chars<'_>>, word: &mut String) -> usize {
    let mut lines = 0;
    while let Some(inner) = characters.next() {
        match inner {
            inner if inner == quote => break,
            '\\' if quote == '"' => match characters.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some(other) => {
                    lines += usize::from(other == '\n');
                    word.extend(['\\', other]);
                }
                None => {}
            },
            inner => {
                lines += usize::from(inner == '\n');
                word.push(inner);
            }
        }
    }
    lines
}

/// A text that a command reads from the lines after it.
struct Heredoc {
    /// The line that ends it.
    end: String,
    /// Whether tabs before a line are dropped: `<<-`.
    trims: bool,
}

impl Heredoc {
    /// What follows `<<`.
    fn begin(characters: &mut Peekable<Chars<'_>>) -> Self {
        let trims = characters.next_if_eq(&'-').is_some();
        while characters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let mut end = String::new();
        let mut quote = None;
        let is_outside = |c: &char| c.is_whitespace() || ";|&<>()".contains(*c);
        while let Some(c) = characters.next_if(|c| *c != '\n' && (quote.is_some() || !is_outside(c))) {
            match c {
                '\'' | '"' if quote.is_none() => quote = Some(c),
                c if quote == Some(c) => quote = None,
                '\\' if quote.is_none() => end.extend(characters.next_if(|c| *c != '\n')),
                c => end.push(c),
            }
        }
        Self { end, trims }
    }

    /// Goes past its lines, and says how many there are.
    fn skip(&self, characters: &mut Peekable<Chars<'_>>) -> usize {
        let mut lines = 0;
        while characters.peek().is_some() {
            let mut line = String::new();
            let mut is_whole = false;
            for c in characters.by_ref() {
                if c == '\n' {
                    is_whole = true;
                    break;
                }
                line.push(c);
            }
            lines += usize::from(is_whole);
            let line = if self.trims {
                line.trim_start_matches('\t')
            } else {
                &line
            };
            if line == self.end {
                break;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<(usize, String)> {
        commands(text, &mut Assigned::default())
            .into_iter()
            .map(|command| (command.line, command.words.join("|")))
            .collect()
    }

    #[test]
    fn commands_are_found_where_a_shell_finds_them() {
        for (text, found) in [
            ("docker pull a", vec![(0, "docker|pull|a")]),
            ("  docker   pull\ta # why", vec![(0, "docker|pull|a")]),
            (
                "a && b || c; d & e",
                vec![(0, "a"), (0, "b"), (0, "c"), (0, "d"), (0, "e")],
            ),
            (
                "echo $T | docker login --password-stdin",
                vec![(0, "echo|$T"), (0, "docker|login|--password-stdin")],
            ),
            ("docker tag \"a b\" 'c'\"d\"", vec![(0, "docker|tag|a b|cd")]),
            (
                "docker pull \\\n  a\ndocker push b",
                vec![(0, "docker|pull|a"), (2, "docker|push|b")],
            ),
            (
                "if ! docker pull a; then b; fi",
                vec![(0, "docker|pull|a"), (0, "b"), (0, "fi")],
            ),
            ("A=1 B='2 3' docker pull a", vec![(0, "docker|pull|a")]),
            ("sudo -E docker pull a", vec![(0, "docker|pull|a")]),
            ("docker pull a > /dev/null 2>&1", vec![(0, "docker|pull|a")]),
            (
                "docker login -p $(cat a b) h",
                vec![(0, "docker|login|-p|$(cat a b)|h")],
            ),
            ("(cd x && docker pull a)", vec![(0, "cd|x"), (0, "docker|pull|a")]),
            ("echo a#b '#c'", vec![(0, "echo|a#b|#c")]),
            // Texts for other commands are no commands of this shell.
            (
                "ssh h <<'EOF'\ndocker login x\nEOF\ndocker pull a",
                vec![(0, "ssh|h"), (3, "docker|pull|a")],
            ),
            (
                "cat <<-EOF > f && docker push b\n\tdocker login x\n\tEOF\ndocker pull a",
                vec![(0, "cat"), (0, "docker|push|b"), (3, "docker|pull|a")],
            ),
            (
                "cat << \\A 3<<\"B C\"\ndocker x\nA\ndocker y\nB C\nd",
                vec![(0, "cat"), (5, "d")],
            ),
            ("cat <<EOF\ndocker x\n EOF\ndocker y", vec![(0, "cat")]),
            ("cat <<< EOF\nd", vec![(0, "cat"), (1, "d")]),
            ("cat <<", vec![(0, "cat")]),
            (
                "ssh h \"\n  docker login x\n\"\ndocker pull a",
                vec![(0, "ssh|h|\n  docker login x\n"), (3, "docker|pull|a")],
            ),
            ("", vec![]),
            ("'", vec![(0, "")]),
        ] {
            let found: Vec<(usize, String)> = found
                .into_iter()
                .map(|(line, words)| (line, words.to_owned()))
                .collect();
            assert_eq!(words(text), found, "{text}");
        }
    }

    #[test]
    fn what_is_assigned_is_filled_in() {
        let mut assigned = Assigned::default();
        commands(
            "export REG=crg.apkg.io WS=shop\nIMAGE=\"$REG/${WS}/api\"",
            &mut assigned,
        );
        for (word, filled) in [
            ("$IMAGE:1", "crg.apkg.io/shop/api:1"),
            ("${IMAGE}:$TAG", "crg.apkg.io/shop/api:$TAG"),
            ("${IMAGE:-x}", "${IMAGE:-x}"),
            ("$IMAGES", "$IMAGES"),
            ("${REG", "${REG"),
            ("$", "$"),
            ("a$", "a$"),
        ] {
            assert_eq!(assigned.fill(word), filled, "{word}");
        }
        // An assignment before a command is that command's alone.
        commands("REG=other docker pull a", &mut assigned);
        assert_eq!(assigned.fill("$REG"), "crg.apkg.io");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a$(){}'\"\\\\ \n;|&<>#=é]{0,60}") {
            let mut assigned = Assigned::default();
            for command in commands(&text, &mut assigned) {
                prop_assert!(!command.words.is_empty());
            }
        }

        #[test]
        fn values_do_not_grow_without_bound(lines in prop::collection::vec("[ABC]=\\$[ABC]\\$[ABC]x{1,9}", 0..60)) {
            let mut assigned = Assigned::default();
            commands(&lines.join("\n"), &mut assigned);
            prop_assert!(assigned.0.values().all(|value| value.len() <= LONGEST_VALUE));
        }
    }
}
