//! Scripted answers: what a test makes the emulator do in place of its own answer.

use super::answer::{Answer, Asked};
use regex::Regex;

/// What happens in place of an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer, whatever was asked.
    Answer(Answer),
    /// The connection is reset (RST) before a byte of an answer.
    Reset,
    /// No answer, and the connection stays open.
    Silence,
    /// The emulator's own answer, its body only up to this byte: then it breaks.
    Sent(usize, Break),
    /// This answer, its body over and over without an end.
    Endless(Answer),
    /// Of the request's body so many bytes are taken and kept as said: then it breaks.
    Received(usize, Kept, Break),
    /// What was asked for is done, and this comes in place of the answer.
    Unheard(Break),
    /// What was asked for is done, and the answer has this status in the place of its own.
    As(u16),
    /// A redirect with this status to where it was asked, its query longer by this.
    Redirected(u16, &'static str),
    /// Every token given out expires, and the emulator answers what it then answers.
    Expired,
}

/// How a body ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The connection is closed.
    Cut,
    /// The connection is reset (RST).
    Reset,
    /// Nothing more comes, and the connection stays open.
    Stall,
    /// The rest comes a byte at a time.
    Drip,
}

/// What becomes of an upload that breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The session holds the bytes that came.
    All,
    /// The session is open and holds nothing.
    Nothing,
    /// The session holds as many bytes, but others.
    Others,
    /// The session is gone.
    Gone,
}

impl From<Answer> for Fault {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// Which requests a script is for.
#[derive(Debug, Clone)]
pub struct Matcher {
    method: String,
    path: Regex,
    signed_in: bool,
}

/// Requests of a method (or of several, `PUT|PATCH`) whose path and query match a pattern.
pub fn on(method: &str, path: &str) -> Matcher {
    Matcher {
        method: method.to_owned(),
        path: Regex::new(path).expect("a pattern"),
        signed_in: false,
    }
}

impl Matcher {
    /// Only those that carry `Authorization`: not the first one of a sign-in.
    #[must_use]
    pub fn signed_in(mut self) -> Self {
        self.signed_in = true;
        self
    }

    fn matches(&self, asked: &Asked) -> bool {
        self.method.split('|').any(|method| method == asked.method.as_str())
            && self.path.is_match(&asked.uri)
            && (!self.signed_in || asked.headers.contains_key("authorization"))
    }
}

/// The scripts that are still to be met.
#[derive(Default)]
pub(super) struct Script {
    parts: Vec<(Matcher, usize, Fault)>,
}

impl Script {
    pub(super) fn add(&mut self, matcher: Matcher, times: usize, fault: Fault) {
        self.parts.push((matcher, times, fault));
    }

    pub(super) fn left(&self) -> usize {
        self.parts.iter().map(|(_, times, _)| times).sum()
    }

    pub(super) fn take(&mut self, asked: &Asked) -> Option<Fault> {
        let part = self
            .parts
            .iter_mut()
            .find(|(matcher, times, _)| *times > 0 && matcher.matches(asked))?;
        part.1 -= 1;
        Some(part.2.clone())
    }
}
