//! What is wrong with a variable: its name, what it holds, why that cannot be, and the cure.
//! Mistakes are collected, never thrown one by one: a user mends a pipe once, not once a run.

use crate::names::AtLeastOne;
use crate::text::{excerpt, is_odd};
use std::fmt::{self, Write as _};

/// One thing a user must mend in the pipe's variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable's name as the user writes it.
    pub variable: String,
    /// What it holds, shortened; `None` where it is unset or a secret.
    pub value: Option<String>,
    /// What is wrong, without a trailing period.
    pub problem: String,
    /// What to write or do instead, without a trailing period.
    pub cure: String,
}

/// Those of a run, all told at once.
pub(crate) type Mistakes = AtLeastOne<Mistake>;

/// Longest part of a value that a message repeats, in characters.
const SHOWN: usize = 80;

impl Mistake {
    /// A mistake in a variable whose value may be shown. Control characters are escaped and long values cut.
    pub fn new(variable: impl Into<String>, value: &str, problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            variable: variable.into(),
            value: Some(excerpt(value, SHOWN)),
            problem: problem.into(),
            cure: cure.into(),
        }
    }

    /// A mistake in a variable that is unset, or whose value is a secret.
    pub fn unshown(variable: impl Into<String>, problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            variable: variable.into(),
            value: None,
            problem: problem.into(),
            cure: cure.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match &self.value {
            Some(value) => format!("`{}` is `{value}`: {}; {}", self.variable, self.problem, self.cure),
            None => format!("`{}`: {}; {}", self.variable, self.problem, self.cure),
        };
        // Problem and cure repeat other variables and files.
        for character in said.chars() {
            if is_odd(character) {
                character.escape_debug().fmt(f)?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_line_and_bounded() {
        let mistake = Mistake::new(
            "TAGS",
            &format!("a\n\u{1b}[31m'\"{}", "x".repeat(200)),
            "is wrong",
            "write it right",
        );
        let shown = mistake.to_string();
        assert!(shown.starts_with("`TAGS` is `a\\n\\u{1b}[31m'\"xxx"), "{shown}");
        assert!(shown.contains("…`: is wrong; write it right"), "{shown}");
        assert!(!shown.contains('\n') && shown.chars().count() < 140, "{shown}");
        let quoting = Mistake::unshown("IMAGES", "there is none in `a\u{7}`", "write `x/a\nb/c`").to_string();
        assert_eq!(quoting, "`IMAGES`: there is none in `a\\u{7}`; write `x/a\\nb/c`");
    }
}
