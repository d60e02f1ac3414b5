//! The table of `check`: a row a fact, and the table as text. Pure.

use crate::action::Fact;
use crate::credential::Source;
use crate::explain::failure::Failure;
use std::fmt::Write as _;

/// A cell that is longer than this stands out of its column rather than widen it for all rows.
const WIDEST: usize = 56;

/// How a fact stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// As it should be.
    Good,
    /// Not as it should be: the run fails.
    Failed,
    /// To look at.
    Warning,
    /// Neither good nor bad.
    Information,
}

impl Mark {
    const fn sign(self) -> char {
        match self {
            Self::Good => '✔',
            Self::Failed => '✖',
            Self::Warning => '⚠',
            Self::Information => '–',
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Failed => "failed",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckRow {
    /// What kind of fact.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) subject: String,
    pub(super) mark: Mark,
    /// What was found, in a few words.
    pub(super) detail: String,
    /// Of a failed row, what is said below the table.
    pub(super) failure: Option<Failure>,
    /// Where the subject is named, to go behind what is said of it.
    pub(super) named_in: String,
    /// What else is said below the table, with what to do about it.
    pub(super) warnings: Vec<(String, Option<String>)>,
}

impl CheckRow {
    /// A fact that no more is to be said of.
    pub(super) fn new(name: &'static str, subject: impl Into<String>, mark: Mark, detail: impl Into<String>) -> Self {
        Self {
            name,
            subject: subject.into(),
            mark,
            detail: detail.into(),
            failure: None,
            named_in: String::new(),
            warnings: Vec::new(),
        }
    }

    /// A fact that fails the run.
    pub(super) fn failed(
        name: &'static str,
        subject: impl Into<String>,
        detail: impl Into<String>,
        failure: Failure,
    ) -> Self {
        Self {
            failure: Some(failure),
            ..Self::new(name, subject, Mark::Failed, detail)
        }
    }

    /// The same with where the clone names the subject.
    pub(super) fn with_places(mut self, places: Option<String>) -> Self {
        if let Some(places) = places {
            self.named_in = format!("; named in {places}");
            self.detail.push_str(&self.named_in);
        }
        self
    }

    /// The same with more to say below the table.
    pub(super) fn with_warnings(self, warnings: Vec<(String, Option<String>)>) -> Self {
        Self { warnings, ..self }
    }

    /// The row for the report.
    pub(super) fn fact(&self) -> Fact {
        let failure = self.failure.as_ref();
        let warning = self.warnings.first();
        Fact {
            name: self.name,
            subject: self.subject.clone(),
            outcome: self.mark.word(),
            detail: failure.map_or_else(
                || self.detail.clone(),
                |failure| format!("{}{}", failure.message, self.named_in),
            ),
            hint: failure
                .and_then(|failure| failure.hint.clone())
                .or_else(|| warning.and_then(|(_, hint)| hint.clone())),
        }
    }
}

/// `with the API token`.
pub(super) fn by(source: Option<Source>) -> String {
    source.map_or_else(
        || "without a credential".to_owned(),
        |source| format!("with {}", source.in_words()),
    )
}

/// The table, a line a row.
pub(super) fn render(rows: &[CheckRow]) -> String {
    let width = |cell: fn(&CheckRow) -> &str| {
        let widths = rows.iter().map(|row| cell(row).chars().count());
        widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
    };
    let (names, subjects) = (width(|row| row.name), width(|row| &row.subject));
    let mut table = String::new();
    for row in rows {
        let line = format!(
            "{} {:names$}  {:subjects$}  {}",
            row.mark.sign(),
            row.name,
            row.subject,
            row.detail
        );
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

/// `9 checks, 1 to look at`. What is only told is no check.
pub(super) fn summary(rows: &[CheckRow]) -> String {
    let of = |mark| rows.iter().filter(|row| row.mark == mark).count();
    let checks = crate::text::count(rows.len() - of(Mark::Information), "check");
    match (of(Mark::Failed), of(Mark::Warning)) {
        (0, 0) => format!("{checks} passed"),
        (0, warnings) => format!("{checks}, {warnings} to look at"),
        (failed, 0) => format!("{failed} of {checks} failed"),
        (failed, warnings) => format!("{failed} of {checks} failed, {warnings} to look at"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Page;
    use crate::explain::failure::FailureKind;

    fn row(name: &'static str, subject: &str, mark: Mark, detail: &str) -> CheckRow {
        CheckRow::new(name, subject, mark, detail)
    }

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let rows = [
            row("registry", "crg.apkg.io", Mark::Good, "answers"),
            row("image", "crg.apkg.io/shop/base:1.4", Mark::Failed, "not there"),
            row("pipelines", "ü.yml", Mark::Information, ""),
            row("image", &"x".repeat(WIDEST + 1), Mark::Warning, "odd"),
        ];
        assert_eq!(
            render(&rows),
            format!(
                "✔ registry   crg.apkg.io                answers\n\
                 ✖ image      crg.apkg.io/shop/base:1.4  not there\n\
                 – pipelines  ü.yml\n\
                 ⚠ image      {}  odd\n",
                "x".repeat(WIDEST + 1)
            )
        );
        assert_eq!(render(&[]), "");
    }

    #[test]
    fn the_summary_counts_what_is_not_good() {
        use Mark::{Failed, Good, Information, Warning};
        for (marks, text) in [
            (vec![Good], "1 check passed"),
            (vec![Good, Information], "1 check passed"),
            (vec![Good, Information, Good, Information], "2 checks passed"),
            (vec![Good, Information, Warning], "2 checks, 1 to look at"),
            (vec![Failed, Information, Good], "1 of 2 checks failed"),
            (vec![Good, Warning, Warning], "3 checks, 2 to look at"),
            (vec![Failed, Good], "1 of 2 checks failed"),
            (vec![Failed, Warning, Good], "1 of 3 checks failed, 1 to look at"),
        ] {
            let rows: Vec<CheckRow> = marks.into_iter().map(|mark| row("image", "x", mark, "")).collect();
            assert_eq!(summary(&rows), text);
        }
    }

    #[test]
    fn the_report_has_the_whole_message() {
        let failure = Failure::new(FailureKind::NotFound, Page::NoReason, "`x` is not there", "look again");
        let named =
            CheckRow::failed("image", "x", "not there", failure.clone()).with_places(Some("Dockerfile:1".to_owned()));
        assert_eq!(named.detail, "not there; named in Dockerfile:1");
        assert_eq!(named.fact().detail, "`x` is not there; named in Dockerfile:1");
        let fact = CheckRow::failed("image", "x", "not there", failure).fact();
        assert_eq!((fact.outcome, fact.detail.as_str()), ("failed", "`x` is not there"));
        assert_eq!(fact.hint.as_deref(), Some("look again"));
        let warned =
            row("image", "x", Mark::Warning, "odd").with_warnings(vec![("m".to_owned(), Some("h".to_owned()))]);
        assert_eq!(
            (warned.fact().detail.as_str(), warned.fact().hint.as_deref()),
            ("odd", Some("h"))
        );
    }
}
