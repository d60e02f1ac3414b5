//! What a run leaves behind for others to read: the JSON report and the file of lines to `source`.

pub mod console;
mod ending;
pub mod help;
pub(crate) mod insights;
pub mod panic;
pub(crate) mod warnings;

pub(crate) use ending::Ending;

use crate::action::{Done, Fact, Outcome, Record};
use crate::explain::failure::Failures;
use crate::names::{Digest, Tag};
use crate::registry::Attachment;
use crate::text::redact;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    action: &'a str,
    status: u8,
    images: Vec<JsonImage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Fact>,
    error: Option<ReportFault>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ReportFault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expires_in_days: Option<i64>,
}

#[derive(Serialize)]
struct JsonImage<'a> {
    reference: String,
    digest: Option<&'a str>,
    bytes: u64,
    seconds: f64,
    outcome: &'a str,
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    attached: Option<Vec<&'static str>>,
}

#[derive(Serialize)]
struct ReportFault {
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    kind: &'static str,
    message: String,
    hint: Option<String>,
}

/// What a report begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportHead<'a> {
    /// `ACTION`.
    pub(crate) action: &'a str,
    /// The exit status.
    pub(crate) status: u8,
    /// Days until the API token expires, if `TOKEN_EXPIRES_ON` says when; negative after that.
    pub(crate) days_left: Option<i64>,
}

/// The JSON report (`schema: 1`), with a line end.
#[must_use]
pub(crate) fn json(head: ReportHead<'_>, done: &Done, failures: Option<&Failures>) -> Vec<u8> {
    let errors = failures
        .into_iter()
        .flat_map(Failures::iter)
        .map(|failure| ReportFault {
            reference: failure.reference.clone(),
            kind: failure.kind.word(),
            message: redact(&failure.message),
            hint: failure.hint.as_deref().map(redact),
        });
    let error = failures.map(|failures| {
        let messages: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
        ReportFault {
            reference: None,
            kind: failures.first().kind.word(),
            message: redact(&messages.join("\n")),
            hint: failures.first().hint.as_deref().map(redact),
        }
    });
    document(head, &done.records, &done.table.facts, error, errors.collect())
}

/// The report of a run that a signal ended.
#[must_use]
pub(crate) fn interrupted(head: ReportHead<'_>, records: &[Record], message: &str) -> Vec<u8> {
    let error = ReportFault {
        reference: None,
        kind: "stopped",
        message: redact(message),
        hint: None,
    };
    document(head, records, &[], Some(error), Vec::new())
}

fn document(
    head: ReportHead<'_>,
    records: &[Record],
    facts: &[Fact],
    error: Option<ReportFault>,
    errors: Vec<ReportFault>,
) -> Vec<u8> {
    let checks = facts.iter().map(|fact| Fact {
        subject: redact(&fact.subject),
        detail: redact(&fact.detail),
        hint: fact.hint.as_deref().map(redact),
        ..*fact
    });
    let images = records.iter().map(|record| JsonImage {
        reference: record.reference(),
        digest: record.digest.as_ref().map(Digest::as_str),
        bytes: record.bytes,
        seconds: (record.took.as_secs_f64() * 1000.0).round() / 1000.0,
        outcome: record.outcome.word(),
        credential: record.credential.map(|source| source.to_string()),
        reason: record.reason.as_deref().map(redact),
        attached: record
            .attached
            .map(|attached| attached.iter().map(Attachment::word).collect()),
    });
    let report = Report {
        schema: 1,
        action: head.action,
        status: head.status,
        images: images.collect(),
        checks: checks.collect(),
        error,
        errors,
        token_expires_in_days: head.days_left,
    };
    // Texts, numbers and lists of them: there is nothing in it that serde_json refuses.
    let mut bytes = serde_json::to_vec_pretty(&report).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Lines of `KEY='value'` for a later line of the step to `source`. Values hold only characters of checked references,
/// so that no quoting can go wrong.
#[must_use]
pub(crate) fn env(records: &[Record]) -> Vec<u8> {
    // Of `prune` it is the tags that go which others want to know.
    let started = |record: &&Record| !matches!(record.outcome, Outcome::NotStarted | Outcome::Kept);
    let records: Vec<&Record> = records.iter().filter(started).collect();
    let count = records.iter().map(|record| record.image + 1).max().unwrap_or(0);
    let mut lines = String::new();
    for image in 0..count {
        let suffix = if count == 1 { String::new() } else { format!("_{image}") };
        let of_image = || {
            let asked_for = records.iter().filter(|record| !record.goes_along);
            asked_for.filter(move |record| record.image == image)
        };
        let Some(main) = of_image()
            .find(|record| record.outcome.is_set())
            .or_else(|| of_image().next())
        else {
            continue;
        };
        if let Some(digest) = main.digest.as_ref().filter(|_| !main.outcome.is_gone()) {
            let _ = writeln!(lines, "CRG_PIPE_REFERENCE{suffix}='{}@{digest}'", main.repository);
            let _ = writeln!(lines, "CRG_PIPE_DIGEST{suffix}='{digest}'");
        }
        let tags: Vec<&str> = of_image()
            .filter(|record| record.outcome.is_set() || record.outcome.is_gone())
            .filter_map(|record| record.tag.as_ref().map(Tag::as_str))
            .collect();
        let _ = writeln!(lines, "CRG_PIPE_TAGS{suffix}='{}'", tags.join(" "));
    }
    let _ = writeln!(lines, "CRG_PIPE_COUNT='{count}'");
    lines.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Source;
    use crate::explain::Page;
    use crate::explain::failure::{Failure, FailureKind};
    use crate::names::{Host, Repository};
    use crate::registry::Attachments;
    use std::time::Duration;

    fn record(image: usize, tag: &str, outcome: Outcome) -> Record {
        Record {
            image,
            goes_along: false,
            repository: Repository::new(Host::bitbucket(), "shop/api").unwrap(),
            tag: Some(Tag::parse(tag).unwrap()),
            digest: Some(Digest::of(&[u8::try_from(image).unwrap()])),
            bytes: 7,
            took: Duration::from_micros(1_234_567),
            outcome,
            credential: Some(Source::BuiltIn),
            reason: None,
            attached: Some(Attachments::of(Attachment::Sbom)),
        }
    }

    #[test]
    fn one_image_has_plain_names_and_several_have_numbers() {
        let digest = Digest::of(&[0]);
        let one = String::from_utf8(env(&[
            record(0, "1.4.2", Outcome::Tagged),
            record(0, "old", Outcome::Skipped),
            record(0, "latest", Outcome::Same),
        ]))
        .unwrap();
        assert_eq!(
            one,
            format!(
                "CRG_PIPE_REFERENCE='crg.apkg.io/shop/api@{digest}'\nCRG_PIPE_DIGEST='{digest}'\n\
                 CRG_PIPE_TAGS='1.4.2 latest'\nCRG_PIPE_COUNT='1'\n"
            )
        );
        let two = String::from_utf8(env(&[
            record(0, "1", Outcome::Pulled),
            record(1, "2", Outcome::Present),
        ]))
        .unwrap();
        for line in [
            "CRG_PIPE_REFERENCE_1='crg.apkg.io/shop/api@sha256:",
            "CRG_PIPE_TAGS_0='1'\n",
            "CRG_PIPE_COUNT='2'\n",
        ] {
            assert!(two.contains(line), "{two}");
        }
        assert_eq!(env(&[]), b"CRG_PIPE_COUNT='0'\n");
    }

    #[test]
    fn the_report_has_what_the_documentation_lists() {
        let failures = Failures::of(vec![
            Failure {
                reference: Some("crg.apkg.io/shop/api:1".to_owned()),
                ..Failure::new(FailureKind::NotFound, Page::NoReason, "no tag", "look again")
            },
            Failure::new(FailureKind::Credential, Page::NoReason, "no right", "make a token"),
        ]);
        let done = Done {
            records: vec![record(0, "1", Outcome::Failed)],
            ..Done::default()
        };
        let head = |status| ReportHead {
            action: "pull",
            status,
            days_left: (status == 0).then_some(12),
        };
        let bytes = json(head(3), &done, failures.as_ref());
        let report: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(report["schema"], 1);
        assert_eq!(report["status"], 3);
        assert_eq!(report["images"][0]["reference"], "crg.apkg.io/shop/api:1");
        assert_eq!(report["images"][0]["seconds"], 1.235);
        assert_eq!(report["images"][0]["outcome"], "failed");
        assert_eq!(report["images"][0]["credential"], "built-in");
        assert_eq!(report["images"][0]["attached"], serde_json::json!(["sbom"]));
        assert_eq!(report["error"]["kind"], "credential");
        assert_eq!(report["error"]["message"], "no tag\nno right");
        assert_eq!(report["error"]["hint"], "make a token");
        assert_eq!(report["errors"][0]["reference"], "crg.apkg.io/shop/api:1");
        assert_eq!(report["errors"][0]["kind"], "not-found");
        assert_eq!(report["errors"][1]["message"], "no right");
        assert_eq!(report["errors"][1]["hint"], "make a token");
        let fine: serde_json::Value = serde_json::from_slice(&json(head(0), &Done::default(), None)).unwrap();
        assert!(fine.get("checks").is_none());
        assert!(fine.get("errors").is_none());
        assert_eq!(fine["token_expires_in_days"], 12);
        assert_eq!(fine["error"], serde_json::Value::Null);
    }
}
