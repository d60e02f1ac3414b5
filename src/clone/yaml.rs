//! What compose files and `bitbucket-pipelines.yml` have in common: YAML with anchors and merge keys, in which the line of a
//! value must be searched for, since the parser does not tell it.

use super::yaml_size::Left;
use serde::Deserialize as _;
use serde::de::DeserializeSeed as _;
use serde_yaml::Value;
use std::collections::HashMap;
use std::fmt;

/// A text that is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadYaml {
    /// Where it ends to be YAML, from 1, as far as the parser knows.
    pub line: Option<usize>,
    /// The parser's own words; they may repeat the file's.
    pub message: String,
}

impl fmt::Display for BadYaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is no YAML that can be read: {}", self.message)
    }
}

impl std::error::Error for BadYaml {}

/// Most values whose lines are searched for: each costs a look through the text.
const MOST_VALUES: usize = 2000;

/// Deepest nesting of brackets and braces: the parser's time grows with its square, long before it finds it too deep.
const DEEPEST: usize = 1000;

/// The documents of a text, merge keys applied.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, BadYaml> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(line) = too_deep(text) {
        return Err(BadYaml {
            line: Some(line),
            message: format!("more than {DEEPEST} brackets are open"),
        });
    }
    let bad = |error: serde_yaml::Error| BadYaml {
        line: error.location().map(|location| location.line()),
        message: error.to_string(),
    };
    let left = Left::default();
    for document in serde_yaml::Deserializer::from_str(text) {
        left.deserialize(document).map_err(bad)?;
    }
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let mut value = Value::deserialize(document).map_err(bad)?;
        // A merge key of another kind than a mapping stays as it is.
        let _ = value.apply_merge();
        documents.push(value);
    }
    Ok(documents)
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

/// A value without its tag, such as compose's `!override`.
pub(super) fn untagged(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => untagged(&tagged.value),
        other => other,
    }
}

/// An entry of a mapping; `None` where the value is none, too.
pub(super) fn entry<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    untagged(value).as_mapping()?.get(key).map(untagged)
}

/// Gives each value, in the document's order, the line that has it after one of `keys`, or `None` where that is not sure:
/// where a value stands on several lines, but not on as many as there are.
pub(super) fn lines(text: &str, keys: &[&str], values: &[&str]) -> Vec<Option<usize>> {
    if values.len() > MOST_VALUES {
        return vec![None; values.len()];
    }
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for value in values {
        *uses.entry(value).or_default() += 1;
    }
    let places: HashMap<&str, Vec<usize>> = uses
        .keys()
        .map(|value| {
            let numbers = text.lines().zip(1..).filter(|(line, _)| stands(line, keys, value));
            (*value, numbers.map(|(_, number)| number).collect())
        })
        .collect();
    let mut taken: HashMap<&str, usize> = HashMap::new();
    values
        .iter()
        .map(|value| {
            let nth = taken.entry(value).or_default();
            *nth += 1;
            match &places[value][..] {
                [only] => Some(*only),
                several if several.len() == uses[value] => several.get(*nth - 1).copied(),
                _ => None,
            }
        })
        .collect()
}

/// Whether a line has the whole value, and a key before it.
fn stands(line: &str, keys: &[&str], value: &str) -> bool {
    let line = line.split(" #").next().unwrap_or(line);
    if value.is_empty() || line.trim_start().starts_with('#') {
        return false;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._/:@-$".contains(c);
    line.match_indices(value).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + value.len()..]);
        let has_key = |key: &&str| {
            before.match_indices(*key).any(|(start, _)| {
                let rest = before[start + key.len()..].trim_start_matches(['"', '\'', ' ']);
                rest.starts_with(':') && !before[..start].ends_with(is_part)
            })
        };
        !before.ends_with(is_part) && !after.starts_with(is_part) && keys.iter().any(has_key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_where_they_are_sure() {
        let text = "image: a:1\n- image: &x \"b:1\"  # a:1\n  image: b:1-slim\nscript: docker pull b:1\n# image: b:1\n\
                    c: {name: c, image: 'c'}\nimage: d\nimage: d\nname: &d a:1\n";
        let found = |values: &[&str]| lines(text, &["image"], values);
        assert_eq!(found(&["a:1", "b:1", "b:1", "c"]), [Some(1), Some(2), Some(2), Some(6)]);
        assert_eq!(found(&["d", "d"]), [Some(7), Some(8)]);
        assert_eq!(found(&["d", "d", "d"]), [None, None, None]);
        assert_eq!(found(&["absent", ""]), [None, None]);
        assert_eq!(lines(text, &["name"], &["a:1"]), [Some(9)]);
    }

    #[test]
    fn aliases_do_not_fill_the_memory() {
        let leaf = format!("a: &a [{}]\n", "x,".repeat(50_000));
        let few = documents(&format!(
            "{leaf}b: [*a, *a]\nc: !tag {{d: *a, e: -1, f: 1.5, g: true, h: null}}\n"
        ));
        assert_eq!(few.map(|documents| documents.len()), Ok(1));
        let many = documents(&format!("{leaf}b: [{}]\n", "*a,".repeat(50_000))).unwrap_err();
        assert!(many.message.contains("unfold to more than 500000 values"), "{many}");
        let long = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(400_000), "*a,".repeat(5000));
        assert!(documents(&long).is_err());
    }

    #[test]
    fn depth_costs_little() {
        for unit in ["[", "{a: ", "[a,", "- ", "? ", "{["] {
            let text = format!("a: b\n{}", unit.repeat((1 << 20) / unit.len()));
            assert!(documents(&text).is_err(), "{unit}");
        }
        let bad = documents(&format!("a:\n{}", "[".repeat(1001))).unwrap_err();
        assert_eq!(bad.line, Some(2));
        assert!(bad.message.contains("more than 1000 brackets"), "{bad}");
        assert!(documents(&format!("a: '{}'", "[".repeat(1000))).is_ok());
    }

    #[test]
    fn bad_texts_tell_their_line() {
        let bad = documents("a: 1\nb: [\n").unwrap_err();
        assert!(bad.line.is_some_and(|line| line >= 2), "{bad:?}");
        assert!(bad.to_string().starts_with("it is no YAML that can be read: "), "{bad}");
        assert!(documents("").unwrap().iter().all(Value::is_null));
        assert_eq!(documents("a: 1\n---\nb: 2\n").unwrap().len(), 2);
        assert_eq!(documents("\u{feff}a: 1").unwrap().len(), 1);
    }
}
