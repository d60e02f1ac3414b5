//! How one call of a client program ended.

use std::process::Output;

/// What a client program said and whether it succeeded.
#[derive(Debug)]
pub struct Called {
    program: &'static str,
    /// Whether it exited with 0.
    pub succeeded: bool,
    /// Both outputs, one after the other.
    pub output: String,
}

impl Called {
    /// From what the process left.
    pub(super) fn new(program: &'static str, output: &Output) -> Self {
        Self {
            program,
            succeeded: output.status.success(),
            output: String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned(),
        }
    }

    /// It exited with 0; gives its output.
    #[allow(clippy::must_use_candidate, reason = "an assertion")]
    pub fn succeeds(self) -> String {
        assert!(self.succeeded, "{} failed:\n{}", self.program, self.output);
        self.output
    }

    /// It failed and said this.
    #[allow(clippy::must_use_candidate, reason = "an assertion")]
    pub fn fails_with(self, text: &str) -> Self {
        assert!(!self.succeeded, "{} succeeded:\n{}", self.program, self.output);
        assert!(self.output.contains(text), "`{text}` is not in:\n{}", self.output);
        self
    }
}
