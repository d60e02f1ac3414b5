//! What git passes over, by gitignore(5) and as git's `dir.c` and `wildmatch.c` read it: rules of a folder and of those above
//! it, the deepest first, the last rule of each before the others. Whoever walks asks for each folder on the way, so that
//! nothing in an ignored folder is ever asked for.

use super::walk;
use crate::text::{GlobToken, fits};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The rules of one `.gitignore`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// `!`: what it fits is not ignored.
    keeps: bool,
    /// `/` at its end: it fits folders only.
    for_folders: bool,
    /// Without a `/`: it fits a name at any depth, else the path from the file's own folder on.
    is_name: bool,
    pattern: GitPattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum GitPattern {
    /// A text without wildcards.
    Text(Vec<u8>),
    /// `*` and a text without wildcards, for a name.
    End(Vec<u8>),
    Tokens(Vec<GlobToken<u8>>),
    /// One that git takes for broken fits nothing.
    Nothing,
}

impl IgnoreRules {
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n');
        Self {
            rules: lines.filter_map(Rule::parse).collect(),
        }
    }

    /// Whether the rules ignore `path`, from the folder of their file on; `None` where none of them says anything. Each
    /// comparison is told to `cost`, which may end it.
    pub(super) fn ignores(&self, path: &[u8], is_folder: bool, cost: &mut dyn FnMut(usize) -> bool) -> Option<bool> {
        for rule in self.rules.iter().rev() {
            if !cost(rule.cost(path.len())) {
                return None;
            }
            if rule.fits(path, is_folder) {
                return Some(!rule.keeps);
            }
        }
        None
    }
}

/// Whether the `.gitignore` files of a clone ignore a path in it, or a folder above it.
pub(crate) fn ignores(clone: &Path, path: &Path) -> bool {
    let mut levels: Vec<(PathBuf, IgnoreRules)> = Vec::new();
    let mut above = PathBuf::new();
    let parts: Vec<_> = path.components().collect();
    for (at, part) in parts.iter().enumerate() {
        let text = walk::read_bytes(&clone.join(&above).join(".gitignore")).unwrap_or_default();
        levels.push((above.clone(), IgnoreRules::parse(&text)));
        above.push(part);
        let is_folder = at + 1 < parts.len();
        let said = levels.iter().rev().find_map(|(folder, rules)| {
            let below = above.strip_prefix(folder).unwrap_or(&above);
            rules.ignores(below.as_os_str().as_bytes(), is_folder, &mut |_| true)
        });
        if said == Some(true) {
            return true;
        }
    }
    false
}

impl Rule {
    fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            return None;
        }
        let line = without_blanks(line);
        let (keeps, pattern) = line.strip_prefix(b"!").map_or((false, line), |rest| (true, rest));
        let (for_folders, pattern) = pattern.strip_suffix(b"/").map_or((false, pattern), |rest| (true, rest));
        if pattern.is_empty() {
            return None;
        }
        let is_name = !pattern.contains(&b'/');
        let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
        Some(Self {
            keeps,
            for_folders,
            is_name,
            pattern: GitPattern::parse(pattern, is_name),
        })
    }

    fn fits(&self, path: &[u8], is_folder: bool) -> bool {
        if self.for_folders && !is_folder {
            return false;
        }
        let text = if self.is_name {
            path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
        } else {
            path
        };
        match &self.pattern {
            GitPattern::Text(pattern) => text == &pattern[..],
            GitPattern::End(end) => text.ends_with(end),
            GitPattern::Tokens(tokens) => fits(tokens, text),
            GitPattern::Nothing => false,
        }
    }

    fn cost(&self, length: usize) -> usize {
        match &self.pattern {
            GitPattern::Tokens(tokens) => tokens.len() * (length + 1),
            _ => 1,
        }
    }
}

/// Without the blanks at the end, unless a backslash keeps them.
fn without_blanks(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' => {
                at += 2;
                end = at.min(line.len());
            }
            b' ' => at += 1,
            _ => {
                at += 1;
                end = at;
            }
        }
    }
    &line[..end]
}

impl GitPattern {
    fn parse(pattern: &[u8], is_name: bool) -> Self {
        let is_plain = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
        if is_plain(pattern) {
            return Self::Text(pattern.to_owned());
        }
        if let Some(end) = pattern.strip_prefix(b"*").filter(|end| is_name && is_plain(end)) {
            return Self::End(end.to_owned());
        }
        tokens(pattern, is_name).map_or(Self::Nothing, Self::Tokens)
    }
}

fn tokens(pattern: &[u8], is_name: bool) -> Option<Vec<GlobToken<u8>>> {
    // git compares what comes before the first wildcard apart, and takes that for the beginning of a part.
    let plain = pattern
        .iter()
        .position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = pattern.get(at) {
        at += 1;
        tokens.push(match byte {
            b'*' => {
                let start = at - 1;
                while pattern.get(at) == Some(&b'*') {
                    at += 1;
                }
                let is_part = plain == Some(start) || pattern[start - 1] == b'/';
                match pattern.get(at) {
                    _ if is_name || at - start < 2 || !is_part => GlobToken::Star,
                    None => GlobToken::All,
                    Some(b'/') => {
                        at += 1;
                        GlobToken::Folders
                    }
                    Some(_) => GlobToken::Star,
                }
            }
            b'?' => GlobToken::One,
            b'\\' => {
                at += 1;
                GlobToken::Is(*pattern.get(at - 1)?)
            }
            b'[' => {
                let (class, after) = class(pattern, at)?;
                at = after;
                class
            }
            other => GlobToken::Is(*other),
        });
    }
    Some(tokens)
}

/// A class whose `[` is behind; `None` where it does not end. What git does not know as a class of characters fits nothing.
fn class(pattern: &[u8], start: usize) -> Option<(GlobToken<u8>, usize)> {
    let mut at = start;
    let others = matches!(pattern.get(at)?, b'!' | b'^');
    if others {
        at += 1;
    }
    let first = at;
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    let mut before = None;
    loop {
        let byte = *pattern.get(at)?;
        at += 1;
        match byte {
            b']' if at - 1 > first => {
                // No class takes a `/`.
                ranges.extend(others.then_some((b'/', b'/')));
                return Some((GlobToken::Class { others, ranges }, at));
            }
            b'\\' => {
                let escaped = *pattern.get(at)?;
                at += 1;
                ranges.push((escaped, escaped));
                before = Some(escaped);
            }
            b'-' if before.is_some() && pattern.get(at).is_some_and(|next| *next != b']') => {
                let mut high = *pattern.get(at)?;
                at += 1;
                if high == b'\\' {
                    high = *pattern.get(at)?;
                    at += 1;
                }
                ranges.extend(before.take().map(|low| (low, high)));
            }
            b'[' if pattern.get(at) == Some(&b':') => {
                let end = at + 1 + pattern[at + 1..].iter().position(|byte| *byte == b']')?;
                if let Some(name) = pattern[at + 1..end].strip_suffix(b":") {
                    ranges.extend(character_class(name)?);
                    at = end + 1;
                    before = None;
                } else {
                    ranges.push((b'[', b'['));
                    before = Some(b'[');
                }
            }
            other => {
                ranges.push((other, other));
                before = Some(other);
            }
        }
    }
}

/// The ranges of a class of characters, in the C locale.
fn character_class(name: &[u8]) -> Option<&'static [(u8, u8)]> {
    Some(match name {
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"blank" => &[(b' ', b' '), (b'\t', b'\t')],
        b"cntrl" => &[(0, 31), (127, 127)],
        b"digit" => &[(b'0', b'9')],
        b"graph" => &[(33, 126)],
        b"lower" => &[(b'a', b'z')],
        b"print" => &[(32, 126)],
        b"punct" => &[(33, 47), (58, 64), (91, 96), (123, 126)],
        b"space" => &[(b' ', b' '), (9, 13)],
        b"upper" => &[(b'A', b'Z')],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ignored(rules: &str, path: &str, is_folder: bool) -> Option<bool> {
        IgnoreRules::parse(rules.as_bytes()).ignores(path.as_bytes(), is_folder, &mut |_| true)
    }

    /// What `git check-ignore` 2.39 and 2.47 said of each.
    #[test]
    fn rules_fit_as_git_says() {
        for (rules, path, is_folder, expected) in [
            ("dist", "dist", true, Some(true)),
            ("dist", "a/dist", false, Some(true)),
            ("dist/", "a/dist", true, Some(true)),
            ("dist/", "dist", false, None),
            ("/dist", "dist", true, Some(true)),
            ("/dist", "a/dist", true, None),
            ("a/b", "a/b", true, Some(true)),
            ("a/b", "c/a/b", true, None),
            ("a/b/", "a/b", true, Some(true)),
            ("*.yml", "x/compose.yml", false, Some(true)),
            ("*.yml\n!compose.yml", "x/compose.yml", false, Some(false)),
            ("!compose.yml\n*.yml", "x/compose.yml", false, Some(true)),
            ("/*\n!/docker/", "docker", true, Some(false)),
            ("/*\n!/docker/", "docker", false, Some(true)),
            ("/*\n!/docker/", "docker/Dockerfile", false, None),
            ("# dist\n\n/", "dist", true, None),
            ("\u{feff}dist\r\n", "dist", true, Some(true)),
            ("\\#x", "#x", false, Some(true)),
            ("\\!x", "!x", false, Some(true)),
            ("x  ", "x", false, Some(true)),
            ("x\\ ", "x ", false, Some(true)),
            ("x\t", "x", false, None),
            (" x", "x", false, None),
            ("x\\", "x", false, None),
            ("x\\", "x\\", false, None),
            ("dist//", "dist", true, None),
            ("//dist", "dist", true, None),
            // `**` counts at the ends of parts only.
            ("**/x", "x", false, Some(true)),
            ("**/x", "a/b/x", false, Some(true)),
            ("a/**/x", "a/x", false, Some(true)),
            ("a/**/x", "a/b/c/x", false, Some(true)),
            ("a/**", "a/b/c", false, Some(true)),
            ("a/**", "a", true, None),
            ("a**/x", "ab/x", false, Some(true)),
            // The first wildcard begins a part for git, whatever comes before it; a later one does not.
            ("a**/x", "ab/c/x", false, Some(true)),
            ("b/a**/x", "b/ax", false, Some(true)),
            ("b/?a**/x", "b/ca/c/x", false, None),
            ("b/?a**/x", "b/cab/x", false, Some(true)),
            ("a/**b", "a/xb", false, Some(true)),
            ("a/**b", "a/x/b", false, None),
            ("***/x", "a/b/x", false, Some(true)),
            ("a**", "x/abc", false, Some(true)),
            ("/*/x", "a/x", false, Some(true)),
            ("/*/x", "a/b/x", false, None),
            ("a?b/", "axb", true, Some(true)),
            ("/a?b", "a/b", true, None),
            ("?", "é", false, None),
            ("??", "é", false, Some(true)),
            // Classes.
            ("[!a]b", "xb", true, Some(true)),
            ("[^a]b", "ab", true, None),
            ("[a-c]", "b", false, Some(true)),
            ("[]a]", "]", false, Some(true)),
            ("[!]a]", "]", false, None),
            ("[a-]", "-", false, Some(true)),
            ("[\\]]", "]", false, Some(true)),
            ("[[:digit:]x]", "7", false, Some(true)),
            ("[[:nope:]x]", "x", false, None),
            ("[[:x]", ":", false, Some(true)),
            ("[a", "[a", false, None),
            ("/[!a]x/b", "//x/b", false, None),
        ] {
            assert_eq!(ignored(rules, path, is_folder), expected, "{rules:?} for {path}");
        }
    }

    #[test]
    fn many_stars_cost_little() {
        let rules = "*a".repeat(300);
        assert_eq!(ignored(&rules, &"a".repeat(200), false), None);
        let rules = IgnoreRules::parse(rules.as_bytes());
        assert_eq!(rules.ignores(b"a", false, &mut |cost| cost < 10), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c*?!/\\\\\\[\\]^:# \n-]{0,40}", path in "[a-c/]{0,20}") {
            let _ = ignored(&text, &path, true);
        }
    }
}
