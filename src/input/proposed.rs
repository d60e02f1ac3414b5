//! Whether the pipe takes what `check` puts in the place of a line by hand: its variables are read as a run would read them.

use super::variables::Variables;
use super::{Check, Step};
use crate::clone::scripts::PipeEntry;
use std::ffi::OsString;

/// A text in the place of a variable, which is a name, a tag, and a file.
const SOMETHING: &str = "x";

/// Whether a run of `step` finds no mistake in the variables of an entry, as far as that is known before a shell fills them
/// in. A command with others is one that its own tool refuses too.
pub(crate) fn is_taken(entry: &PipeEntry, step: &Step) -> bool {
    let written = entry.variables().iter();
    let written = written.filter_map(|(name, value)| Some(((*name).into(), OsString::from(filled_in(name, value)?))));
    let context = [
        (
            "BITBUCKET_WORKSPACE",
            step.workspace.as_deref().unwrap_or(SOMETHING).into(),
        ),
        ("BITBUCKET_CLONE_DIR", step.clone_or_working_folder().into()),
        ("BITBUCKET_PIPE_STORAGE_DIR", SOMETHING.into()),
    ];
    let context = context.map(|(name, value): (&str, OsString)| (name.into(), value));
    let variables = Variables::read(context.into_iter().chain(written));
    let mut check = Check::begin(&variables, &step.working_folder);
    check.action(None).is_ok() && check.mistakes.is_empty()
}

/// What a shell may make of a value; `None` for one of which too little is known.
fn filled_in(name: &str, value: &str) -> Option<String> {
    let filled = with_something(value);
    match name {
        // There is no name that each kind of platform has.
        "PLATFORM" if value.contains('$') => None,
        "TO" if is_unknown(&filled) => None,
        _ if is_unknown(&filled) => Some(SOMETHING.to_owned()),
        _ => Some(filled),
    }
}

fn is_unknown(filled: &str) -> bool {
    filled.contains(['$', '`', '{'])
}

/// A text with its plain variables filled in, so that what is around them can be judged.
fn with_something(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let inner = after.strip_prefix('{').unwrap_or(after);
        let end = inner.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        let (name, after_name) = inner.split_at(end.unwrap_or(inner.len()));
        let after_name = match (inner.len() == after.len(), after_name.strip_prefix('}')) {
            (true, _) => Some(after_name),
            (false, closed) => closed,
        };
        match after_name.filter(|_| !name.is_empty()) {
            // A digest is of digits alone.
            Some(after_name) if !filled.contains('@') => {
                filled.push_str(SOMETHING);
                rest = after_name;
            }
            _ => {
                filled.push('$');
                rest = after;
            }
        }
    }
    filled + rest
}
