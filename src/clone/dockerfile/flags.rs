//! The flags of an instruction, and its arguments (`extractBuilderFlags` and `parseWords` in BuildKit's
//! `frontend/dockerfile/parser`). Flags stand before all else; a backslash is their escape character in every file.

/// The flags, without quotation marks and escapes, and what follows them. A word `--` ends them.
pub(super) fn split(rest: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = rest.trim_start();
    while rest.starts_with("--") {
        let (word, after) = word(rest);
        rest = after.trim_start();
        if word == "--" {
            break;
        }
        flags.push(word);
    }
    (flags, rest)
}

/// The value of a flag that stands once; the last, where it stands more often, which Docker refuses.
pub(super) fn value(rest: &str, name: &str) -> Option<String> {
    last(&split(rest).0, name)
}

/// The values of a flag that may stand more often.
pub(super) fn values(rest: &str, name: &str) -> Vec<String> {
    let flags = split(rest).0;
    flags.iter().filter_map(|flag| of(flag, name)).collect()
}

pub(super) fn last(flags: &[String], name: &str) -> Option<String> {
    flags.iter().rev().find_map(|flag| of(flag, name))
}

fn of(flag: &str, name: &str) -> Option<String> {
    let value = flag.strip_prefix("--")?.strip_prefix(name)?.strip_prefix('=')?;
    Some(value.to_owned())
}

fn word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (None, c) if c.is_whitespace() => return (word, &text[at..]),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), c) if c == open => quote = None,
            (_, '\\') => word.extend(characters.next().map(|(_, next)| next)),
            (_, other) => word.push(other),
        }
    }
    (word, "")
}

/// The value of a key in a mount, which is a line of comma-separated values; keys are read in any case.
pub(super) fn field(mount: &str, key: &str) -> Option<String> {
    let mut found = None;
    for field in fields(mount) {
        if let Some((name, value)) = field.split_once('=')
            && name.eq_ignore_ascii_case(key)
        {
            found = Some(value.to_owned());
        }
    }
    found
}

/// As Go's `encoding/csv` reads a line: a field that begins with `"` goes to the next one, and `""` in it is one.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            None => rest.split_once(',').map_or((rest.to_owned(), None), |(field, after)| {
                (field.to_owned(), Some(after))
            }),
            Some(mut quoted) => {
                let mut field = String::new();
                while let Some((part, after)) = quoted.split_once('"') {
                    field.push_str(part);
                    quoted = after;
                    match quoted.strip_prefix('"') {
                        Some(after) => {
                            field.push('"');
                            quoted = after;
                        }
                        None => break,
                    }
                }
                (field, quoted.split_once(',').map(|(_, after)| after))
            }
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return fields,
        }
    }
}

/// The words of `ARG`, with their quotation marks and escapes.
pub(super) fn arguments(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_whitespace() && quote.is_none() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), c) if c == open => quote = None,
            (open, c) if c == escape && open != Some('\'') => {
                // At the very end it counts for nothing.
                let Some(next) = characters.next() else { break };
                word.push(character);
                word.push(next);
                continue;
            }
            _ => {}
        }
        word.push(character);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_before_all_else() {
        for (rest, flags, after) in [
            (" --from=a b c", &["--from=a"][..], "b c"),
            ("--from='a b' --chown=\"x\" c", &["--from=a b", "--chown=x"], "c"),
            ("--from=a\\ b c", &["--from=a b"], "c"),
            ("--\"from=a\" b", &["--from=a"], "b"),
            ("-- --from=a b", &[], "--from=a b"),
            ("a --from=b", &[], "a --from=b"),
            ("-x --from=a", &[], "-x --from=a"),
            ("--link", &["--link"], ""),
            ("--from=a\\", &["--from=a"], ""),
        ] {
            let (found, rest_of_it) = split(rest);
            assert_eq!(
                (&found[..], rest_of_it),
                (
                    &flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>()[..],
                    after
                ),
                "{rest}"
            );
        }
    }

    #[test]
    fn keys_of_a_mount_are_read_in_any_case() {
        for (mount, expected) in [
            ("type=bind,from=a:1,source=/", Some("a:1")),
            ("FROM=a", Some("a")),
            ("from=a,From=b", Some("b")),
            ("\"from=a,b\",x", Some("a,b")),
            ("\"from=a\"\"b\"", Some("a\"b")),
            (" from=a", None),
            ("from", None),
            ("xfrom=a", None),
        ] {
            assert_eq!(field(mount, "from").as_deref(), expected, "{mount}");
        }
    }

    #[test]
    fn words_of_arg_keep_their_marks() {
        assert_eq!(
            arguments("A=1  B='x y' C=\"\\\" z\" D=\\ x E\\", '\\'),
            ["A=1", "B='x y'", "C=\"\\\" z\"", "D=\\ x", "E"]
        );
    }
}
