//! What is reported on a commit: the report and its annotations as Bitbucket's API takes them. Pure.
//!
//! Ten entries of `data`, 100 annotations in a request and 1000 in a report are Bitbucket's limits, as is the length of a
//! summary (450 characters; more is refused with 400). For the other texts no page of Bitbucket Cloud names a limit, so
//! these are those of Bitbucket Data Center ("Code Insights REST API").

use crate::action::{Done, Outcome, Record};
use crate::clone::pipelines::ImageFinding;
use crate::explain::failure::Failures;
use crate::text::{bytes, redact};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// Most entries of `data`.
const MOST_DATA: usize = 10;
/// Most annotations of one request.
const MOST_AT_ONCE: usize = 100;
/// Most annotations of a report.
const MOST_ANNOTATIONS: usize = 1000;
/// Longest title, summary or value, in characters.
const LONGEST_LINE: usize = 450;
/// Most records that details name.
const MOST_OTHERS: usize = 200;
/// Longest details, in characters.
const LONGEST_DETAILS: usize = 2000;

/// A run that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub action: &'a str,
    /// What was done, in a line; or what went wrong.
    pub result: Result<&'a str, &'a Failures>,
    /// What became of each image.
    pub done: &'a Done,
}

/// The report: whether it went well, what became of each image, what it cost, and who signed in.
#[must_use]
pub(crate) fn report(ended: &Ended<'_>, took: Duration, link: Option<&str>) -> Value {
    let Ended { action, result, done } = ended;
    // Of the tags of a package only those that go are news.
    let is_news = |record: &&Record| record.outcome != Outcome::Kept;
    let records: Vec<&Record> = done.records.iter().filter(is_news).collect();
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let mut data = vec![entry("Duration", "DURATION", milliseconds.into())];
    if let Some(last) = records.iter().map(|record| record.image).max() {
        let moved: u64 = records.iter().map(|record| record.bytes).fold(0, u64::saturating_add);
        data.push(entry("Images", "NUMBER", (last + 1).into()));
        data.push(entry("Moved", "TEXT", bytes(moved).into()));
    }
    let mut credentials: Vec<&str> = Vec::new();
    for source in records.iter().filter_map(|record| record.credential) {
        if !credentials.contains(&source.in_words()) {
            credentials.push(source.in_words());
        }
    }
    if !credentials.is_empty() {
        data.push(entry(
            "Signed in with",
            "TEXT",
            text(&credentials.join(", "), LONGEST_LINE),
        ));
    }
    let room = MOST_DATA - data.len();
    let shown = if records.len() > room { room - 1 } else { records.len() };
    let (shown, others) = records.split_at(shown);
    for record in shown {
        let what = text(&ended.what_became_of(record), LONGEST_LINE);
        data.push(entry(&record.reference(), "TEXT", what));
    }
    if !others.is_empty() {
        data.push(entry("More, named above", "NUMBER", others.len().into()));
    }
    let (result, mut details) = match result {
        Ok(summary) => ("PASSED", (*summary).to_owned()),
        Err(failures) => ("FAILED", told(failures)),
    };
    // More of them do not fit.
    for record in others.iter().take(MOST_OTHERS) {
        let _ = write!(details, "\n{}: {}", record.reference(), ended.what_became_of(record));
    }
    let mut report = vec![
        ("title", format!("crg-pipe: {action}").into()),
        ("details", text(&details, LONGEST_DETAILS)),
        // There is no type for what was published; of those there are, this one stands for the result of a run.
        ("report_type", "TEST".into()),
        ("reporter", concat!("crg-pipe ", env!("CARGO_PKG_VERSION")).into()),
        ("result", result.into()),
        ("data", data.into()),
    ];
    report.extend(link.map(|link| ("link", link.into())));
    object(report)
}

/// The annotations, as the bodies of as many requests as they take.
#[must_use]
pub(crate) fn annotations(findings: &[ImageFinding]) -> Vec<Value> {
    let annotations: Vec<Value> = findings
        .iter()
        .take(MOST_ANNOTATIONS)
        .enumerate()
        .map(|(number, finding)| {
            let mut annotation = vec![
                ("external_id", format!("crg-pipe-{}", number + 1).into()),
                ("annotation_type", "BUG".into()),
                ("severity", "HIGH".into()),
                ("path", finding.place.file.to_string_lossy().into()),
                ("summary", text(&finding.message(), LONGEST_LINE)),
                ("details", text(&finding.hint(), LONGEST_DETAILS)),
            ];
            // Without a line it is an annotation of the file.
            annotation.extend(finding.place.line.map(|line| ("line", line.into())));
            object(annotation)
        })
        .collect();
    let requests = annotations.chunks(MOST_AT_ONCE);
    requests.map(|request| Value::from(request.to_vec())).collect()
}

impl Ended<'_> {
    /// `tagged, sha256:…, linux/amd64, linux/arm64, 12 MiB`.
    fn what_became_of(&self, record: &Record) -> String {
        let mut parts = vec![record.outcome.word().to_owned()];
        if let Some(digest) = &record.digest {
            parts.push(digest.to_string());
            if let Some(seen) = self.done.seen.iter().find(|seen| seen.digest == *digest) {
                parts.extend(seen.platforms.iter().cloned());
                parts.extend(seen.size.map(bytes));
            }
        }
        parts.join(", ")
    }
}

/// The failures with their advice, as the log has them.
fn told(failures: &Failures) -> String {
    let mut lines = Vec::new();
    for (failure, hint) in failures.told() {
        lines.push(failure.message.as_str());
        lines.extend(hint);
    }
    lines.join("\n")
}

fn entry(title: &str, kind: &str, value: Value) -> Value {
    object(vec![
        ("title", text(title, LONGEST_LINE)),
        ("type", kind.into()),
        ("value", value),
    ])
}

fn object(fields: Vec<(&str, Value)>) -> Value {
    fields.into_iter().collect()
}

/// A text without secrets and no longer than it may be. Redacted first: half a secret is one too.
fn text(text: &str, longest: usize) -> Value {
    let mut text = redact(text);
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text.pop();
        text.push('…');
    }
    Value::from(text)
}

#[cfg(test)]
mod tests;
