//! The words of a command line, cut into options, their values and what is left. Pure.

/// Options of `docker run` and `docker create` that take none (`docker run --help`).
const SWITCHES_OF_RUN: [&str; 12] = [
    "--detach",
    "--interactive",
    "--tty",
    "--rm",
    "--privileged",
    "--init",
    "--publish-all",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--read-only",
    "--quiet",
    "--sig-proxy",
];
/// The same as single letters.
const LETTERS_OF_RUN: &str = "ditPq";

/// What comes after the options at the beginning.
pub(super) fn after_options(words: &[String], has_value: impl Fn(&str) -> bool) -> &[String] {
    let mut rest = words;
    while let [option, after @ ..] = rest
        && option.starts_with('-')
    {
        rest = if has_value(option) && !after.is_empty() {
            &after[1..]
        } else {
            after
        };
    }
    rest
}

/// The words that are no options and no values of `valued` ones.
pub(super) fn positional<'a>(words: &'a [String], valued: &[&str]) -> Vec<&'a str> {
    let mut named = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            named.extend(words.by_ref().map(String::as_str));
        } else if valued.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            named.push(word.as_str());
        }
    }
    named
}

/// `--option value` and `--option=value`, as often as it is there.
pub(super) fn values_of(words: &[String], option: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == option {
            values.extend(words.next().cloned());
        } else if let Some(value) = word.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')) {
            values.push(value.to_owned());
        }
    }
    values
}

pub(super) fn value_of(words: &[String], option: &str) -> Option<String> {
    values_of(words, option).pop()
}

/// The options after `docker run`, and the image: the first word that belongs to no option.
pub(super) fn of_run(words: &[String]) -> Option<(&[String], &str)> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let takes_value = match word.strip_prefix("--") {
            Some("") => return Some((&words[..at], words.get(at + 1)?)),
            Some(option) => !option.contains('=') && !SWITCHES_OF_RUN.contains(&word.as_str()),
            None => match word.strip_prefix('-') {
                // Of `-it` all are switches; of `-dp 80:80` the last takes the next word, of `-p80:80` what follows it.
                Some(letters) => {
                    let value = letters.find(|letter| !LETTERS_OF_RUN.contains(letter));
                    value.is_some_and(|at| at + 1 == letters.len())
                }
                None => return Some((&words[..at], word)),
            },
        };
        at += 1 + usize::from(takes_value);
    }
    None
}

/// A name and its tag. A `:` before a `/` is a port, one within `${…}` is the shell's.
pub(super) fn with_tag(image: &str) -> (&str, Option<&str>) {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let mut depth = 0usize;
    let mut at = None;
    for (place, c) in name.char_indices() {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => at = None,
            ':' if depth == 0 => at = Some(place),
            _ => {}
        }
    }
    at.map_or((name, None), |at| (&name[..at], Some(&name[at + 1..])))
}

/// Whether one of these switches is there.
pub(super) fn has(words: &[String], switches: &[&str]) -> bool {
    words.iter().any(|word| switches.contains(&word.as_str()))
}
