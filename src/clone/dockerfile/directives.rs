//! Parser directives: what the comments at the very top of a Dockerfile say (`frontend/dockerfile/parser/directives.go` in
//! BuildKit, "Parser directives" in Docker's reference). Any other comment, a blank line and an instruction end them.

/// What BuildKit takes for one; all else ends them.
const KNOWN: [&str; 3] = ["syntax", "escape", "check"];

/// The character that `# escape=` names.
pub(super) fn escape(lines: &[&str]) -> char {
    // White space before the mark counts for nothing here, but does for `syntax`.
    let lines = lines.iter().map(|line| line.trim_start());
    match find(lines, "#", "escape") {
        Some((_, "`")) => '`',
        _ => '\\',
    }
}

/// The image that reads the file, by `# syntax=` or `// syntax=`, and its line. A `#!` at the top is passed over.
pub(super) fn syntax<'t>(lines: &[&'t str]) -> Option<(&'t str, usize)> {
    let skipped = usize::from(lines.first().is_some_and(|line| line.starts_with("#!")));
    let lines = &lines[skipped..];
    ["#", "//"].iter().find_map(|mark| {
        let (at, value) = find(lines.iter().copied(), mark, "syntax")?;
        let image = value.split(' ').next()?;
        Some((image, at + 1 + skipped))
    })
}

/// The value of a directive, and how many lines come before it.
fn find<'t>(lines: impl Iterator<Item = &'t str>, mark: &str, wanted: &str) -> Option<(usize, &'t str)> {
    let directives = lines.map_while(|line| {
        let (key, value) = line.strip_prefix(mark)?.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        let is_known = KNOWN.iter().any(|known| key.eq_ignore_ascii_case(known));
        (is_known && !value.is_empty()).then_some((key, value))
    });
    directives
        .enumerate()
        .find(|(_, (key, _))| key.eq_ignore_ascii_case(wanted))
        .map(|(at, (_, value))| (at, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<&str> {
        text.lines().collect()
    }

    #[test]
    fn escape_stands_before_all_else() {
        for (text, expected) in [
            ("# escape=`\nFROM a", '`'),
            ("#escape = ` \n", '`'),
            ("  # ESCAPE=`", '`'),
            ("# syntax=a\n# check=skip=all\n# escape=`", '`'),
            ("# escape=\\\n", '\\'),
            ("# escape=x\n# escape=`", '\\'),
            ("# a comment\n# escape=`", '\\'),
            ("# usage: docker build --build-arg A=1 .\n# escape=`", '\\'),
            ("# key=value\n# escape=`", '\\'),
            ("# syntax=\n# escape=`", '\\'),
            ("#\n# escape=`", '\\'),
            ("\n# escape=`", '\\'),
            ("FROM a\n# escape=`", '\\'),
        ] {
            assert_eq!(escape(&lines(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_frontend_is_named_in_two_ways() {
        for (text, expected) in [
            ("# syntax=a/b:1\nFROM a", Some(("a/b:1", 1))),
            ("#syntax = a/b:1 --x\n", Some(("a/b:1", 1))),
            ("# escape=`\n# Syntax=a", Some(("a", 2))),
            ("#!/usr/bin/env x\n# syntax=a", Some(("a", 2))),
            ("// syntax=a\n", Some(("a", 1))),
            ("# a comment\n# syntax=a", None),
            (" # syntax=a", None),
            ("\n# syntax=a", None),
            ("# syntax=\n", None),
        ] {
            assert_eq!(syntax(&lines(text)), expected, "{text}");
        }
    }
}
