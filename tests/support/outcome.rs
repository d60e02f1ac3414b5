//! What a run of the binary left behind, and what every run is held to: no secret in its output or in its files.

use super::emulator::{Emulator, Entry, Service};
use super::pipe::Mark;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use tempfile::TempDir;

/// The one file that holds a credential: `login` writes it.
const LOGIN_FILE: &str = "config.json";
/// Shorter values than this are words, not secrets.
const SHORTEST_SECRET: usize = 6;
/// More of a token than this in a row counts as the token; its first four letters are its kind.
const LONGEST_PART: usize = 12;

/// The end of a run. Each assertion gives it back, so that they chain.
pub struct Outcome<'a> {
    /// The exit status; 128 and the signal's number if one ended it.
    pub status: i32,
    /// Both outputs in the order in which they were written.
    pub output: String,
    /// From start to end.
    pub seconds: f64,
    /// What `REPORT` names, if it was written.
    pub report: Option<Value>,
    emulator: Option<(&'a Emulator, Mark)>,
    folder: TempDir,
    working: PathBuf,
}

impl<'a> Outcome<'a> {
    #[allow(clippy::too_many_arguments, reason = "the parts of a run, from one place")]
    pub(super) fn new(
        status: ExitStatus,
        output: String,
        seconds: f64,
        emulator: Option<(&'a Emulator, Mark)>,
        folder: TempDir,
        working: PathBuf,
        report: Option<&str>,
        secrets: &Secrets,
        before: &Files,
    ) -> Self {
        let status = status
            .code()
            .or(status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1);
        secrets.assert_absent("the output", &output);
        assert_tidy(&output);
        assert_linked(&output);
        for (path, bytes) in files_below(folder.path()) {
            let is_login = path.file_name().is_some_and(|name| name == LOGIN_FILE);
            if !is_login && before.get(&path) != Some(&bytes) {
                secrets.assert_absent(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
            }
        }
        let report = report.and_then(|path| std::fs::read(working.join(path)).ok());
        let report = report.map(|bytes| serde_json::from_slice(&bytes).expect("REPORT is JSON"));
        Self {
            status,
            output,
            seconds,
            report,
            emulator,
            folder,
            working,
        }
    }

    /// Exit status 0.
    #[allow(clippy::must_use_candidate, reason = "an assertion")]
    pub fn succeeds(self) -> Self {
        self.fails(0)
    }

    /// This exit status.
    pub fn fails(self, status: i32) -> Self {
        assert_eq!(self.status, status, "exit status; it said:\n{}", self.output);
        self
    }

    /// The output holds this text; colours do not count.
    pub fn says(self, text: &str) -> Self {
        assert!(self.plain().contains(text), "`{text}` is not in:\n{}", self.output);
        self
    }

    /// The output does not hold this text.
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.plain().contains(text), "`{text}` is in:\n{}", self.output);
        self
    }

    /// The registry's requests of this run, in order: `GET /v2/shop/base/manifests/1 200`.
    pub fn requests<const N: usize>(self, expected: [&str; N]) -> Self {
        assert_eq!(
            self.lines(Service::Registry),
            expected,
            "requests; it said:\n{}",
            self.output
        );
        self
    }

    /// The registry's requests of this run, in any order.
    pub fn requests_in_any_order<const N: usize>(self, mut expected: [&str; N]) -> Self {
        let mut lines = self.lines(Service::Registry);
        lines.sort();
        expected.sort_unstable();
        assert_eq!(lines, expected, "requests; it said:\n{}", self.output);
        self
    }

    /// How often this run asked the token endpoint.
    pub fn token_calls(self, count: usize) -> Self {
        let lines = self.lines(Service::Token);
        assert_eq!(lines.len(), count, "{lines:#?}; it said:\n{}", self.output);
        self
    }

    /// How often this run asked `api.bitbucket.org`.
    pub fn api_calls(self, count: usize) -> Self {
        let lines = self.lines(Service::Api);
        assert_eq!(lines.len(), count, "{lines:#?}; it said:\n{}", self.output);
        self
    }

    /// No connection to any of the emulator's sockets.
    pub fn no_connection(self) -> Self {
        let (emulator, mark) = self.emulator.as_ref().expect("a run with an emulator");
        assert_eq!(
            emulator.connections(),
            mark.connections,
            "connections; it said:\n{}",
            self.output
        );
        self
    }

    /// What the emulator was asked during this run.
    pub fn journal(&self) -> Vec<Entry> {
        let (emulator, mark) = self.emulator.as_ref().expect("a run with an emulator");
        emulator.journal().split_off(mark.entries)
    }

    /// The output without colours.
    pub fn plain(&self) -> String {
        without_colours(&self.output)
    }

    /// The last line that is not empty, without colours.
    pub fn last_line(&self) -> String {
        let plain = self.plain();
        let mut lines = plain.lines().rev();
        lines
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default()
            .to_owned()
    }

    /// A file below the working folder.
    pub fn file(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.working.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The clone folder, until this is dropped.
    pub fn clone_folder(&self) -> &Path {
        self.folder.path()
    }

    fn lines(&self, service: Service) -> Vec<String> {
        let journal = self.journal();
        let of_service = journal.iter().filter(|entry| entry.service == service);
        of_service.map(Entry::line).collect()
    }
}

/// A text without colours.
pub(super) fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

/// Files and what they hold.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Texts that may appear nowhere, with what they are.
#[derive(Default)]
pub(super) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// A secret in all its forms: as it is, in parts, as base64 (with its user name too), and percent-encoded.
    pub(super) fn add(&mut self, username: Option<&str>, value: &str) {
        let trimmed = value.trim();
        let is_reference = trimmed.starts_with('$') && !trimmed.contains(char::is_whitespace) && trimmed.len() < 64;
        if trimmed.len() < SHORTEST_SECRET || is_reference {
            return;
        }
        let mut form = |text: String, what: &str| self.0.push((text, what.to_owned()));
        let pair = username.map(|username| format!("{username}:{value}"));
        for (text, what) in [(Some(value), "it"), (pair.as_deref(), "`user:token`")] {
            let Some(text) = text else { continue };
            form(STANDARD_NO_PAD.encode(text), &format!("base64 of {what}"));
            form(URL_SAFE_NO_PAD.encode(text), &format!("URL-safe base64 of {what}"));
        }
        form(percent(trimmed, false), "it percent-encoded");
        form(percent(trimmed, true), "it percent-encoded in lower case");
        form(trimmed.to_owned(), "it");
        // A token's first four letters tell its kind and may be shown; twelve in a row of the rest may not.
        let characters: Vec<char> = trimmed.chars().collect();
        if characters.len() >= 4 + LONGEST_PART {
            for part in characters[4..].windows(LONGEST_PART) {
                form(part.iter().collect(), "a part of it");
            }
        }
    }

    /// The files of a folder before a run: what was there is no leak.
    #[allow(clippy::unused_self, reason = "reads as what it is for")]
    pub(super) fn look_at(&self, folder: &Path) -> Files {
        files_below(folder)
    }

    /// Fails if a secret is in a text, in any form.
    pub(super) fn assert_absent(&self, place: &str, text: &str) {
        for (form, what) in &self.0 {
            assert!(!text.contains(form), "a secret ({what}) is in {place}:\n{text}");
        }
    }
}

/// Nothing steers a terminal but the colours of our own lines: of the level word or the mark, or of the whole last line.
fn assert_tidy(output: &str) {
    for line in output.lines() {
        let coloured = line
            .strip_prefix("\u{1b}[")
            .and_then(|rest| rest.split_once('m'))
            .filter(|(code, _)| ["2", "31", "32", "33", "34"].contains(code))
            .and_then(|(_, rest)| rest.split_once("\u{1b}[0m"));
        let text = coloured.map_or_else(|| line.to_owned(), |(first, rest)| format!("{first}{rest}"));
        let odd = text.chars().find(|character| character.is_control());
        assert_eq!(odd, None, "in the line {line:?} of:\n{output}");
    }
}

/// Each error ends with the address of its page, or those of one page that follow each other do.
fn assert_linked(output: &str) {
    let mut open = None;
    for line in without_colours(output).lines() {
        if line.starts_with("ERROR: ") {
            open = Some(line.to_owned());
        } else if line.starts_with("  More: https://") {
            open = None;
        }
    }
    assert_eq!(open, None, "this error has no link:\n{output}");
}

fn files_below(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(path),
                kind if kind.is_file() => {
                    let bytes = std::fs::read(&path).unwrap_or_default();
                    files.insert(path, bytes);
                }
                _ => {}
            }
        }
    }
    files
}

fn percent(text: &str, lower: bool) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if lower => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
