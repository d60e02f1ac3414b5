//! What compose files and `bitbucket-pipelines.yml` have in common: YAML whose anchors are unfolded and whose merge keys are
//! applied to any depth, as a tree in which each value knows the line where it is written.

mod capture;

use std::fmt;
use std::rc::Rc;

/// A text that cannot be read as YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadYaml {
    /// Where it ends to be YAML, from 1, as far as the parser knows.
    pub line: Option<usize>,
    /// The parser's own words; they may repeat the file's.
    pub message: String,
}

impl fmt::Display for BadYaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it cannot be read as YAML: {}", self.message)
    }
}

impl std::error::Error for BadYaml {}

/// A value and where it is written: for an alias, the place of its anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// From 1; that of a list or mapping is its first value's.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    /// `!override` and the like.
    pub(super) tag: Option<String>,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    /// `true` and `false`, and numbers as Go prints them.
    Plain(String),
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Rc<Node>,
}

impl Node {
    /// The value of a mapping's key.
    pub(super) fn get(&self, key: &str) -> Option<&Rc<Node>> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// The value of a mapping's key, if there is one that is not null and not reset.
    pub(super) fn some(&self, key: &str) -> Option<&Rc<Node>> {
        self.get(key)
            .filter(|value| value.value != Value::Null && !value.is_reset())
    }

    /// A mapping's entries; none for all else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// A list's items; none for all else.
    pub(super) fn items(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// A text; what is a number or switch to YAML is none.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text, number or switch, as a text.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// `!reset`: the value is as if none of the files below had one.
    pub(super) fn is_reset(&self) -> bool {
        self.is_tagged("reset")
    }

    pub(super) fn is_tagged(&self, tag: &str) -> bool {
        let has = self.tag.as_deref();
        has.is_some_and(|has| has.trim_start_matches('!') == tag)
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }
}

/// What a text says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Documents {
    pub(super) documents: Vec<Rc<Node>>,
    /// Lines of merge keys whose value is no mapping and no list of such; the others are applied all the same.
    pub(super) bad_merges: Vec<usize>,
}

/// Deepest nesting of brackets and braces: the parser's time grows with its square, long before it finds it too deep.
const DEEPEST: usize = 1000;

/// The documents of a text.
///
/// # Errors
/// [`BadYaml`] with the line.
pub(super) fn documents(text: &str) -> Result<Documents, BadYaml> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(line) = too_deep(text) {
        return Err(BadYaml {
            line: Some(line),
            message: format!("more than {DEEPEST} brackets are open"),
        });
    }
    capture::documents(text)
}

/// Whether the text at a node's place is a block, whose lines are those of the value, from the next line on.
pub(super) fn is_block(text: &str, node: &Node) -> bool {
    let Some(line) = text.lines().nth(node.line.saturating_sub(1)) else {
        return false;
    };
    let rest: String = line.chars().skip(node.column.saturating_sub(1)).collect();
    let mut words = rest.split_whitespace().skip_while(|word| word.starts_with(['&', '!']));
    words.next().is_some_and(|word| word.starts_with('|'))
}

/// The line where more brackets are open than any file needs; those in texts count as well.
fn too_deep(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    text.lines().zip(1..).find_map(|(line, number)| {
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > DEEPEST {
                return Some(number);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests;
