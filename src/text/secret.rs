//! The one type that holds a secret. It cannot be printed; what must leave the process says so by [`Secret::expose`].

use std::fmt;

/// A token or password. `Debug` shows `***`, there is no `Display` and no serialisation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as it is; trimming or judging it is the caller's.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one place that puts it on the wire, into `config.json`, or judges its shape.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_text_at_any_depth() {
        let shown = format!("{:?} {:#?}", Secret::new("hunter2"), Some(vec![Secret::new("hunter2")]));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
