//! The end of a run: its results are written, what went wrong is told, and the last line is printed.

use super::insights::{Ended, Insights};
use super::{ReportHead, console};
use crate::action::{Done, Outcome};
use crate::credential::expiry;
use crate::explain::failure::{Failure, Failures};
use crate::files::{Output, OutputError, check_writable, write_atomically};
use crate::input::{Checked, Outputs, Request};
use crate::names::Host;
use crate::text::{count, listed_within};
use std::fmt;
use std::time::Instant;
use time::OffsetDateTime;

/// More images than these are counted in the last line of a failed run.
const MOST_NAMES: usize = 6;
/// How many characters of names the last line of a failed run has.
const MOST_NAMED: usize = 90;
/// Files that others read: all may.
const READABLE: u32 = 0o644;

/// Where the end of a run is told.
#[derive(Debug)]
pub(crate) struct Ending {
    /// What is no action is not repeated: the mistake that it is shows it, escaped.
    action: &'static str,
    outputs: Outputs,
    insights: Option<Insights>,
    days_left: Option<i64>,
    colour: bool,
}

impl Ending {
    /// As the variables have it, for a run that has begun.
    #[must_use]
    pub(crate) fn new(checked: &Checked, begun: Instant, colour: bool) -> Self {
        let insights = checked.insights.clone();
        Self {
            action: checked.action.map_or("crg-pipe", |action| action.as_str()),
            outputs: checked.outputs.clone(),
            insights: insights.map(|commit| Insights::new(commit, begun)),
            days_left: checked.request.as_ref().ok().and_then(days_left),
            colour,
        }
    }

    /// Whether a report on the commit is wanted.
    #[must_use]
    pub(crate) fn is_reported_on_commit(&self) -> bool {
        self.insights.is_some()
    }

    /// Looks whether the results can be written: one that cannot be told would leave the step with a registry or daemon
    /// that it knows nothing of.
    ///
    /// # Errors
    /// The files that cannot be.
    pub(crate) fn check_outputs(&mut self) -> Result<(), Failures> {
        let outputs = [&self.outputs.env, &self.outputs.report].into_iter().flatten();
        let failures = outputs.filter_map(|output| check_writable(output).err().map(Failure::from));
        let failures = Failures::of(failures.collect());
        failures.map_or(Ok(()), |failures| Err(self.without_outputs(failures)))
    }

    /// Prints what `check` has found.
    pub(crate) fn print_table(&self, done: &Done) {
        if done.table.facts.is_empty() {
            return;
        }
        console::table(done.table.text.trim_end(), self.colour);
        for (warning, hint) in &done.table.warnings {
            tracing::warn!("{warning}");
            if let Some(hint) = hint {
                console::detail(&format!("hint: {hint}"));
            }
        }
    }

    /// Writes the results of a run that did what it should.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn write(&mut self, done: &Done) -> Result<(), Failures> {
        let env = self
            .outputs
            .env
            .iter()
            .map(|output| (output, super::env(&done.records)));
        let report = self.outputs.report.iter();
        let report = report.map(|output| (output, super::json(self.head(0), done, None)));
        let mut files = env.chain(report);
        let written = files.try_for_each(|(output, bytes)| write_atomically(output, &bytes, READABLE));
        written.map_err(|error| self.without_outputs(Failure::from(error).into()))
    }

    /// What could not be written is not tried again.
    fn without_outputs(&mut self, failures: Failures) -> Failures {
        self.outputs = Outputs::default();
        failures
    }

    /// Sends the report on the commit, if one is wanted. A signal meanwhile ends the sending alone: the run is done, and
    /// what it came to stays its exit status.
    pub(crate) async fn report_on_commit<S>(
        &self,
        result: Result<&str, &Failures>,
        done: &Done,
        registry: &Host,
        stopped: impl Future<Output = S>,
    ) {
        let Some(insights) = &self.insights else { return };
        let ended = Ended {
            action: self.action,
            result,
            done,
        };
        insights.send(&ended, registry, stopped).await;
    }

    /// Prints the last line of a run that did what it should.
    #[must_use]
    pub(crate) fn succeed(&self, summary: &str) -> u8 {
        console::success(&format!("{}: {summary}", self.action), self.colour);
        0
    }

    /// Prints every failure with its advice, writes the report, prints the last line.
    #[must_use]
    pub(crate) fn fail(&self, done: &Done, failures: &Failures) -> u8 {
        let status = failures.status();
        print_failures(failures);
        self.write_report(|| super::json(self.head(status), done, Some(failures)));
        let kind = failures.first().kind.word();
        self.last_line(&format!("{done} (exit status {status}: {kind})"));
        status
    }

    /// Says what a signal ended, and writes the report.
    #[must_use]
    pub(crate) fn stop(&self, done: &Done, (signal, status): (&str, u8)) -> u8 {
        let message = format!("stopped by {signal}");
        self.write_report(|| super::interrupted(self.head(status), &done.records, &message));
        self.last_line(&format!("{message}, {done} (exit status {status})"));
        status
    }

    fn write_report(&self, report: impl FnOnce() -> Vec<u8>) {
        let written = |output: &Output| -> Result<(), OutputError> { write_atomically(output, &report(), READABLE) };
        if let Some(Err(error)) = self.outputs.report.as_ref().map(written) {
            tracing::warn!("{error}");
        }
    }

    fn head(&self, status: u8) -> ReportHead<'_> {
        ReportHead {
            action: self.action,
            status,
            days_left: self.days_left,
        }
    }

    fn last_line(&self, text: &str) {
        console::failure(&format!("{}: {text}", self.action), self.colour);
    }
}

/// Prints each failure with its advice and the address of its page of the manual; one address for those of one page that
/// follow each other, below the last of them.
fn print_failures(failures: &Failures) {
    let mut told = failures.told().peekable();
    while let Some((failure, hint)) = told.next() {
        tracing::error!("{failure}");
        if let Some(hint) = hint {
            console::detail(&format!("hint: {hint}"));
        }
        if told.peek().is_none_or(|(next, _)| next.page != failure.page) {
            console::detail(&format!("More: {}", failure.page.address()));
        }
    }
}

/// Days until `TOKEN_EXPIRES_ON`.
fn days_left(request: &Request) -> Option<i64> {
    let today = OffsetDateTime::now_utc().date();
    request.expires_on.map(|expires| expiry::days_left(expires, today))
}

impl fmt::Display for Done {
    /// What was done before a run ended badly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = |outcome| self.table.facts.iter().filter(move |fact| fact.outcome == outcome);
        let failed = facts("failed").count();
        if failed > 0 {
            // What is only told is no check.
            let checks = count(self.table.facts.len() - facts("information").count(), "check");
            return write!(f, "{failed} of {checks} failed, nothing was changed");
        }
        let done: Vec<_> = self.records.iter().filter(|record| record.changed()).collect();
        let failed = self.records.iter().filter(|record| record.outcome == Outcome::Failed);
        let (failed, all) = (failed.count(), self.records.len());
        if failed > 0 && all > MOST_NAMES {
            write!(f, "{failed} of {all} failed, ")?;
        }
        let names: Vec<String> = done.iter().map(|record| format!("`{}`", record.reference())).collect();
        let named = listed_within(&names, MOST_NAMED);
        match names.len() {
            0 => f.write_str("nothing was changed"),
            1 => write!(f, "only {named} was done"),
            _ => write!(f, "only {named} were done"),
        }
    }
}
