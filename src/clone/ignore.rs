//! What a `.dockerignore` keeps out of a build context, by Docker's rules ("Dockerignore files" in Docker's build
//! documentation): patterns in order, the last that matches decides, and what is in an ignored folder is ignored.
//! Where that says too little, `moby/patternmatcher` does.

use crate::text::Glob;

/// The rules of one file.
#[derive(Debug, Default)]
pub(crate) struct Ignore {
    rules: Vec<IgnoreRule>,
}

#[derive(Debug)]
struct IgnoreRule {
    keeps: bool,
    pattern: IgnorePattern,
}

#[derive(Debug)]
enum IgnorePattern {
    /// `**` and a text without wildcards: what ends so, whatever comes before, as in `**.json`.
    End(String),
    Glob(Glob),
    /// A backslash before a letter or digit is not that letter, but one of the signs of Go's regular expressions.
    Nothing,
}

impl IgnorePattern {
    fn parse(pattern: &str) -> Self {
        let mut rest = pattern;
        while let Some((_, escaped)) = rest.split_once('\\') {
            if escaped.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                return Self::Nothing;
            }
            let mut after = escaped.chars();
            after.next();
            rest = after.as_str();
        }
        match pattern.strip_prefix("**") {
            Some(end) if !end.is_empty() && !end.starts_with('/') && !end.contains(['*', '?', '[', ']', '\\']) => {
                Self::End(end.to_owned())
            }
            _ => Self::Glob(Glob::of_paths(pattern)),
        }
    }

    fn fits(&self, path: &str) -> bool {
        match self {
            Self::End(end) => path.ends_with(end.as_str()),
            Self::Glob(glob) => glob.fits(path),
            Self::Nothing => false,
        }
    }
}

impl Ignore {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let rules = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let line = line.trim();
                // Trimmed and cleaned for the file, and again with its mark, which makes a mark of what follows a `/`.
                let cleaned = match line.strip_prefix('!') {
                    Some(rest) => clean(format!("!{}", clean(rest.trim())).trim()),
                    None => clean(clean(line).trim()),
                };
                let (keeps, pattern) = cleaned
                    .strip_prefix('!')
                    .map_or((false, &*cleaned), |rest| (true, rest));
                (!pattern.is_empty()).then(|| IgnoreRule {
                    keeps,
                    pattern: IgnorePattern::parse(pattern),
                })
            })
            .collect();
        Self { rules }
    }

    /// Whether the context is built without `path`, which is relative to it, with `/` between its parts.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        let paths: Vec<&str> = parents.chain([path]).collect();
        let mut covered = false;
        for rule in &self.rules {
            if rule.keeps == covered && paths.iter().any(|path| rule.pattern.fits(path)) {
                covered = !rule.keeps;
            }
        }
        covered
    }
}

/// Without doubled and outer slashes, `.` and `..`, as Go's `filepath.Clean` leaves it.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            // Nothing is above the root.
            ".." if parts.is_empty() && pattern.starts_with('/') => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_cover_as_docker_says() {
        const CONFIG: &str = ".docker/config.json";
        for (text, path, covered) in [
            ("", CONFIG, false),
            (".docker", CONFIG, true),
            ("/.docker/", CONFIG, true),
            ("./.docker", CONFIG, true),
            ("a/../.docker", CONFIG, true),
            ("\u{feff}.docker", CONFIG, true),
            ("  .docker  \r\n", CONFIG, true),
            ("# .docker", CONFIG, false),
            (".docker/config.json", CONFIG, true),
            (".docker/*.json", CONFIG, true),
            ("*.json", CONFIG, false),
            ("**/*.json", CONFIG, true),
            ("**/.docker", "a/b/.docker/config.json", true),
            ("**/.docker", CONFIG, true),
            (".docker", "a/.docker/config.json", false),
            ("a/**", "a/.docker/config.json", true),
            ("*", CONFIG, true),
            ("**", "a/b/c", true),
            (".*", CONFIG, true),
            ("?docker", CONFIG, true),
            (".d[a-o]cker", CONFIG, true),
            (".d[^a-n]cker", CONFIG, true),
            (".d[^o]cker", CONFIG, false),
            ("\\.docker", CONFIG, true),
            ("\\*", CONFIG, false),
            ("dockerx\n.dockerx", CONFIG, false),
            ("*\n!.docker", CONFIG, false),
            ("*\n!src", CONFIG, true),
            ("*\n!.docker\n.docker/config.json", CONFIG, true),
            ("!.docker\n.docker", CONFIG, true),
            (".docker\n! .docker/config.json", CONFIG, false),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/d/c", false),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/b/d/c", true),
            ("a/**/c", "ac", false),
            ("**.json", CONFIG, true),
            ("**config.json", CONFIG, true),
            ("**/config.json", CONFIG, true),
            ("**g.json", "config.json", true),
            ("**.jso?", CONFIG, false),
            ("**/x.json", "ax.json", false),
            ("**.docker", "a/.docker/config.json", true),
            ("/../.docker", CONFIG, true),
            ("\\.\\docker", CONFIG, false),
            ("a**/[^b]b", "a/b", true),
            ("*\n/!.docker", CONFIG, false),
            ("*\n!!.docker", CONFIG, true),
            ("!../../.docker", CONFIG, true),
            ("/ .docker", CONFIG, true),
            (".docker /", CONFIG, true),
            ("*\n! .docker /", CONFIG, false),
            ("..", CONFIG, false),
            ("/", CONFIG, false),
        ] {
            assert_eq!(Ignore::parse(text).covers(path), covered, "{text:?} for {path}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", path in "[a-c./]{0,20}") {
            let _ = Ignore::parse(&text).covers(&path);
        }
    }
}
