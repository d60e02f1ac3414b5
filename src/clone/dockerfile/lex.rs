//! The words and variables of a Dockerfile's line, as BuildKit's `frontend/dockerfile/shell` reads them ("Environment
//! replacement" in Docker's Dockerfile reference says less than that does): quotation marks, the escape character, and every
//! form of `${…}` that it fills in. Bounded, and without recursion that a text could make deep.

use super::pattern;

/// Longest value that comes out, in bytes: far longer than any image's name.
const LONGEST: usize = 4096;
/// Deepest nesting of `${…}` in `${…}`.
const DEEPEST: usize = 16;

/// Gives variables their values.
pub(super) type Values<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A text with its variables filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Filled {
    pub(in super::super) text: String,
    /// The first variable that has no value, and was therefore made empty, as Docker and compose do.
    pub(in super::super) hole: Option<String>,
}

/// Why Docker refuses a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// `${NAME:?…}` without a value.
    Required(String),
    /// A form that Docker does not know, an open brace or quotation mark, or a text that grows without end.
    Form,
}

/// The text with its variables filled in by `value`.
pub(super) fn fill(text: &str, escape: char, value: Values<'_>) -> Result<Filled, Refused> {
    let mut lexer = Lexer::new(text, escape, Some(value));
    let mut text = String::new();
    lexer.until(None, false, 0, &mut |part| text.push_str(part.as_text()))?;
    Ok(Filled { text, hole: lexer.hole })
}

/// The line's words with all their marks, white space after `<<` kept in its word; none where Docker cannot read the line.
pub(super) fn raw_words(line: &str) -> Vec<String> {
    let mut lexer = Lexer::new(line, '\\', None);
    lexer.keeps_quotes = true;
    lexer.words(true).unwrap_or_default()
}

/// The words of a text without their quotation marks and escapes; variables stay as they are written.
pub(super) fn words(text: &str) -> Vec<String> {
    Lexer::new(text, '\\', None).words(false).unwrap_or_default()
}

/// What the lexer puts out: characters that may end a word, or such as belong to it whatever they are.
enum WordPart<'a> {
    Plain(&'a str),
    Bound(&'a str),
}

impl WordPart<'_> {
    fn as_text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Bound(text) => text,
        }
    }
}

struct Lexer<'t, 'v> {
    rest: &'t str,
    escape: char,
    /// `None`: variables stay.
    value: Option<Values<'v>>,
    keeps_quotes: bool,
    hole: Option<String>,
    /// Bytes that values may still put in.
    left: usize,
}

impl<'t, 'v> Lexer<'t, 'v> {
    fn new(text: &'t str, escape: char, value: Option<Values<'v>>) -> Self {
        Self {
            rest: text,
            escape,
            value,
            keeps_quotes: false,
            hole: None,
            left: LONGEST,
        }
    }

    fn words(&mut self, keeps_escapes: bool) -> Result<Vec<String>, Refused> {
        let mut words = Vec::new();
        let mut word = String::new();
        self.until(None, keeps_escapes, 0, &mut |part| match part {
            WordPart::Bound(text) => word.push_str(text),
            WordPart::Plain(text) => {
                for character in text.chars() {
                    if !character.is_whitespace() {
                        word.push(character);
                    } else if !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                }
            }
        })?;
        if !word.is_empty() {
            words.push(word);
        }
        Ok(words)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    /// Takes the next character, as a text.
    fn take(&mut self) -> Option<&'t str> {
        let length = self.peek()?.len_utf8();
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(taken)
    }

    /// Reads up to `stop`, or to the end where there is none, and hands each part to `out`.
    fn until(
        &mut self,
        stop: Option<char>,
        keeps_escapes: bool,
        depth: usize,
        out: &mut dyn FnMut(WordPart<'_>),
    ) -> Result<(), Refused> {
        if depth > DEEPEST {
            return Err(Refused::Form);
        }
        while let Some(character) = self.peek() {
            if stop == Some(character) {
                self.next();
                return Ok(());
            }
            match character {
                '\'' => out(WordPart::Bound(&self.single_quoted()?)),
                '"' => out(WordPart::Bound(&self.double_quoted(keeps_escapes, depth)?)),
                '$' => out(WordPart::Plain(&self.variable(depth)?)),
                '<' if self.rest.starts_with("<<") => {
                    // The word of a heredoc may stand after white space.
                    let after = self.rest[2..].trim_start_matches([' ', '\t', '\u{b}', '\u{c}', '\r', '\n']);
                    let (taken, rest) = self.rest.split_at(self.rest.len() - after.len());
                    self.rest = rest;
                    out(WordPart::Bound(taken));
                }
                c if c == self.escape => {
                    let mark = self.take().unwrap_or_default();
                    if keeps_escapes {
                        out(WordPart::Bound(mark));
                    }
                    out(WordPart::Bound(self.take().unwrap_or_default()));
                }
                _ => out(WordPart::Plain(self.take().unwrap_or_default())),
            }
        }
        stop.map_or(Ok(()), |_| Err(Refused::Form))
    }

    /// The same as one text.
    fn text_until(&mut self, stop: char, keeps_escapes: bool, depth: usize) -> Result<String, Refused> {
        let mut text = String::new();
        self.until(Some(stop), keeps_escapes, depth, &mut |part| {
            text.push_str(part.as_text());
        })?;
        Ok(text)
    }

    fn single_quoted(&mut self) -> Result<String, Refused> {
        let (inside, rest) = self.rest[1..].split_once('\'').ok_or(Refused::Form)?;
        self.rest = rest;
        Ok(if self.keeps_quotes {
            format!("'{inside}'")
        } else {
            inside.to_owned()
        })
    }

    fn double_quoted(&mut self, keeps_escapes: bool, depth: usize) -> Result<String, Refused> {
        self.next();
        let mark = if self.keeps_quotes { "\"" } else { "" };
        let mut text = mark.to_owned();
        loop {
            match self.peek().ok_or(Refused::Form)? {
                '"' => {
                    self.next();
                    text.push_str(mark);
                    return Ok(text);
                }
                '$' => text.push_str(&self.variable(depth)?),
                c if c == self.escape => {
                    self.next();
                    if keeps_escapes {
                        text.push(c);
                    }
                    match self.peek() {
                        // At the end it counts for nothing.
                        None => {}
                        Some(next) if next == '"' || next == '$' || next == self.escape => {
                            self.next();
                            text.push(next);
                        }
                        Some(_) => text.push(c),
                    }
                }
                other => {
                    self.next();
                    text.push(other);
                }
            }
        }
    }

    /// Reads `$…`, and gives what it comes to.
    fn variable(&mut self, depth: usize) -> Result<String, Refused> {
        let start = self.rest;
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return match self.value {
                Some(_) => self.plain(name),
                None => Ok(format!("${name}")),
            };
        }
        self.next();
        if self.peek().is_none_or(|next| matches!(next, '{' | '}' | ':')) {
            return Err(Refused::Form);
        }
        let name = self.name();
        let text = match self.next().ok_or(Refused::Form)? {
            '}' => self.plain(name)?,
            ':' => {
                let operator = self.next().ok_or(Refused::Form)?;
                self.operated(name, operator, true, depth)?
            }
            '/' => self.replaced(name, depth)?,
            operator => self.operated(name, operator, false, depth)?,
        };
        if self.value.is_none() {
            return Ok(start[..start.len() - self.rest.len()].to_owned());
        }
        Ok(text)
    }

    /// The variable's value; empty where it has none.
    fn plain(&mut self, name: &str) -> Result<String, Refused> {
        let value = self.get(name);
        if value.is_none() && self.hole.is_none() {
            self.hole = Some(name.to_owned());
        }
        self.bounded(value.unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<String> {
        let value = self.value?;
        value(name)
    }

    fn bounded(&mut self, text: String) -> Result<String, Refused> {
        self.left = self.left.checked_sub(text.len()).ok_or(Refused::Form)?;
        Ok(text)
    }

    /// `${NAME-…}` and the like, after the operator; with `ignores_empty`, an empty value counts as none.
    fn operated(&mut self, name: &str, operator: char, ignores_empty: bool, depth: usize) -> Result<String, Refused> {
        // Where nothing is filled in, Docker looks at no operator after a colon.
        let is_passed_over = self.value.is_none() && ignores_empty;
        if !matches!(operator, '-' | '+' | '?' | '#' | '%') && !is_passed_over {
            return Err(Refused::Form);
        }
        let trims = matches!(operator, '#' | '%');
        // A variable in what is not taken leaves no hole.
        let hole = self.hole.clone();
        let word = self.text_until('}', trims, depth + 1)?;
        if self.value.is_none() {
            return Ok(word);
        }
        if trims {
            let value = self.plain(name)?;
            return pattern::trim(&value, &word, operator).ok_or(Refused::Form);
        }
        let value = self.get(name).filter(|value| !(ignores_empty && value.is_empty()));
        let (text, takes_word) = match (operator, value) {
            ('-' | '?', Some(value)) => (value, false),
            ('-', None) | ('+', Some(_)) => (word, true),
            ('?', None) => return Err(Refused::Required(name.to_owned())),
            _ => (String::new(), false),
        };
        if !takes_word {
            self.hole = hole;
        }
        self.bounded(text)
    }

    /// `${NAME/pattern/replacement}`, `${NAME//pattern/replacement}`, after the first `/`.
    fn replaced(&mut self, name: &str, depth: usize) -> Result<String, Refused> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let wanted = self.text_until('/', true, depth + 1)?;
        let replacement = self.text_until('}', true, depth + 1)?;
        if self.value.is_none() {
            return Ok(replacement);
        }
        let value = self.plain(name)?;
        let replaced = pattern::replace(&value, &wanted, &replacement, all).ok_or(Refused::Form)?;
        self.bounded(replaced)
    }

    /// A name; a number or one special character count as one.
    fn name(&mut self) -> &'t str {
        let length = match self.peek() {
            Some(c) if c.is_numeric() => self.rest.find(|c: char| !c.is_numeric()).unwrap_or(self.rest.len()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => {
                let ends = |c: char| c != '_' && !c.is_alphanumeric();
                self.rest.find(ends).unwrap_or(self.rest.len())
            }
        };
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(name: &str) -> Option<String> {
        let value = match name {
            "A" => "a",
            "EMPTY" => "",
            "V" => "v1.2.3",
            "P" => "foo/bar/baz",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn filled(text: &str) -> String {
        match fill(text, '\\', &value) {
            Ok(Filled { text, hole: None }) => text,
            Ok(Filled { text, hole: Some(hole) }) => format!("{text} without {hole}"),
            Err(refused) => format!("{refused:?}"),
        }
    }

    /// Rows of BuildKit's own table (`frontend/dockerfile/shell/envVarTest` and `lex_test.go`) for the forms that it knows,
    /// and others of the same kinds by the rules of its `lex.go`.
    #[test]
    fn variables_are_filled_in_as_docker_does() {
        for (text, expected) in [
            ("x", "x"),
            ("$A", "a"),
            ("x${A}y$A", "xaya"),
            ("${A:-b}${B:-b}", "ab"),
            ("${EMPTY:-b}${EMPTY-b}", "b"),
            ("${A:+x}${B:+x}${EMPTY+y}", "xy"),
            ("${B:-${C:-$A}}", "a"),
            ("${A:?must be set}", "a"),
            ("\"x$A\"'$A'\\$A", "xa$A$A"),
            ("\"a\\\"b\\c\"", "a\"b\\c"),
            ("a$", "a$"),
            ("$B", " without B"),
            ("x${B}y", "xy without B"),
            ("${A:-$B}", "a"),
            ("${B:-$C}", " without C"),
            ("$1x", "x without 1"),
            // Without the shortest and the longest beginning or end.
            ("${V#v}", "1.2.3"),
            ("${V#x}", "v1.2.3"),
            ("${V#*.}", "2.3"),
            ("${V##*.}", "3"),
            ("${V%.*}", "v1.2"),
            ("${V%%.*}", "v1"),
            ("${V%.?}", "v1.2"),
            ("${V:#v}", "1.2.3"),
            ("${P#*/}${P%%/*}", "bar/bazfoo"),
            ("${V#\\*}", "v1.2.3"),
            ("${V#$A}", "v1.2.3"),
            ("${V#'v'}", "1.2.3"),
            ("${V%3}-${A}", "v1.2.-a"),
            ("${B#v}", " without B"),
            // Replaced once and everywhere.
            ("${V/./-}", "v1-2.3"),
            ("${V//./-}", "v1-2-3"),
            ("${P//\\//_}", "foo_bar_baz"),
            ("${P/\\//_}", "foo_bar/baz"),
            ("${V/*./x}", "x3"),
            ("${V//?/x}", "xxxxxx"),
            ("${V/v/$A}", "a1.2.3"),
            ("${V//x/y}", "v1.2.3"),
            ("${V/v}", "Form"),
            ("${V/v/", "Form"),
            // What Docker refuses.
            ("${B:?must be set}", "Required(\"B\")"),
            ("${EMPTY:?}", "Required(\"EMPTY\")"),
            ("${A:-x", "Form"),
            ("${A:}", "Form"),
            ("${}", "Form"),
            ("${:-a}", "Form"),
            ("${{ A }}", "Form"),
            ("${A^^}", "Form"),
            ("${A:1:2}", "Form"),
            ("'a", "Form"),
            ("\"a", "Form"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
        assert_eq!(
            fill("`$A\\", '`', &value).map(|filled| filled.text),
            Ok("$A\\".to_owned())
        );
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        assert_eq!(filled(&"$A".repeat(5000)), "Form");
        assert_eq!(
            filled(&format!("{}x{}", "${B:-".repeat(5000), "}".repeat(5000))),
            "Form"
        );
        let long = |_: &str| Some("x".repeat(4000));
        assert_eq!(fill("${A//x/xxxxxxxx}", '\\', &long), Err(Refused::Form));
    }

    #[test]
    fn words_are_split_where_docker_splits() {
        for (line, expected) in [
            ("a  b\tc", &["a", "b", "c"][..]),
            ("'a b' \"c d\"e \\ f", &["'a b'", "\"c d\"e", "\\ f"]),
            ("<< EOF x", &["<< EOF", "x"]),
            ("3<<-  \\EOF", &["3<<-", "\\EOF"]),
            ("a << b << c", &["a", "<< b", "<< c"]),
            ("$A ${B:-a b} $(x)", &["$A", "${B:-a", "b}", "$(x)"]),
            ("it's", &[]),
            ("${x^^} <<EOF", &[]),
        ] {
            assert_eq!(raw_words(line), expected, "{line}");
        }
        assert_eq!(words("'a b'c\\ d $e"), ["a bc d", "$e"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[$a-cAVP{}:?+'\"\\\\é/#%*<-]{0,40}") {
            let _ = fill(&text, '\\', &value);
            let _ = fill(&text, '`', &value);
            let _ = raw_words(&text);
            let _ = words(&text);
        }
    }
}
