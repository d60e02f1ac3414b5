//! The pipe from environment to exit status: the stages in order, and what is printed and written at the end.

use crate::action::{GIVING_BACK_AT_THE_END, Outcome, Record, Run};
use crate::credential::{Given, Pair, Settled, Source, Survey, Unsettled, expiry, settle, survey};
use crate::explain::failure::{Failure, Failures, Kind};
use crate::files::{check_writable, write_atomically};
use crate::input::variables::{ACTIONS, Variables};
use crate::input::{Action, Outputs, Request, is_on};
use crate::mistake::Mistake;
use crate::names::Host;
use crate::registry::Network;
use crate::report;
use crate::report::console;
use crate::report::insights::{Ended, Insights};
use crate::session::Session;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::SystemTime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Most images that the last line of a failed run names.
const MOST_NAMES: usize = 6;
/// Files that others read: all may.
const READABLE: u32 = 0o644;

/// Runs the pipe and gives its exit status. `working_folder` is where relative paths start.
pub async fn run(environment: impl IntoIterator<Item = (OsString, OsString)>, working_folder: &Path) -> u8 {
    // First of all: the process 1 of a container ignores a signal that it has no handler for.
    let mut stop = StopSignals::listen();
    let variables = Variables::read(environment);
    let colour = variables.scalars.no_color.is_none();
    hide_secrets(&variables);
    console::start(is_on(variables.scalars.debug.as_deref()), colour);
    tracing::debug!("crg-pipe {}", env!("CARGO_PKG_VERSION"));

    let action = action_name(&variables);
    warn_of_names(&variables, action);
    let insights = Insights::of(&variables);
    let (request, settled, survey) = match ready(&variables, working_folder) {
        Ok(ready) => ready,
        Err((outputs, failures)) => {
            tell(
                insights.as_ref(),
                &mut stop,
                action,
                Err(&failures),
                None,
                &Host::bitbucket(),
            )
            .await;
            return fail(action, &outputs, &Done::default(), &failures, colour);
        }
    };
    if survey.is_none() {
        warn_of_credentials(&request, &settled);
    }
    let network = Network::new(request.network.clone());
    let session = Session::new(
        network,
        &request.registry,
        settled,
        &request.step,
        request.action.writes(),
    )
    .with_foreign(request.action.source_credential());
    let mut run = Run::new(&request, session).with_survey(survey);
    if insights.is_some() {
        run = run.keeping_shapes();
    }

    let result = tokio::select! {
        result = run.carry_out(&request.action) => Ok(result),
        stopped = stop.arrive() => Err(stopped),
    };
    run.give_back(GIVING_BACK_AT_THE_END).await;
    let done = Done {
        records: run.records(),
        facts: run.facts(),
    };
    let (summary, outputs) = match result {
        Ok(Ok(summary)) => match write_outputs(action, &request.outputs, &done) {
            Ok(()) => (Ok(summary), Outputs::default()),
            Err(failure) => (Err(failure.into()), Outputs::default()),
        },
        Ok(Err(failures)) => (Err(failures), request.outputs),
        Err(stopped) => return interrupted(action, &request.outputs, &done, stopped, colour),
    };
    let outcome = summary.as_ref().map(String::as_str);
    tell(
        insights.as_ref(),
        &mut stop,
        action,
        outcome,
        Some(&run),
        &request.registry,
    )
    .await;
    match summary {
        Ok(summary) => {
            console::success(&format!("{action}: {summary}"), colour);
            0
        }
        Err(failures) => fail(action, &outputs, &done, &failures, colour),
    }
}

/// What a run begins with: everything checked that can be without a connection. Else the failures, and where to write them.
fn ready(
    variables: &Variables,
    working_folder: &Path,
) -> Result<(Request, Settled, Option<Survey>), (Outputs, Failures)> {
    let checked =
        check(variables, working_folder).map_err(|failures| (Request::outputs(variables, working_folder), failures))?;
    check_outputs(&checked.0.outputs).map_err(|failures| (Outputs::default(), failures))?;
    Ok(checked)
}

/// Sends the report on the commit, if one is wanted. A signal meanwhile ends the sending alone: the run is done, and what
/// it came to stays its exit status.
async fn tell(
    insights: Option<&Insights>,
    stop: &mut StopSignals,
    action: &str,
    outcome: Result<&str, &Failures>,
    run: Option<&Run>,
    registry: &Host,
) {
    let Some(insights) = insights else { return };
    let (records, shapes) = run.map(|run| (run.records(), run.shapes())).unwrap_or_default();
    let ended = Ended {
        action,
        outcome,
        records: &records,
        shapes: &shapes,
    };
    let stopped = async {
        stop.arrive().await;
    };
    insights.send(&ended, registry, stopped).await;
}

/// The action for log and report. What is no action is not repeated there: the mistake that it is shows it, escaped.
fn action_name(variables: &Variables) -> &'static str {
    let written = variables.scalars.action.as_deref().unwrap_or("pull").trim();
    let known = ACTIONS.into_iter().find(|action| action.eq_ignore_ascii_case(written));
    known.unwrap_or("no action")
}

/// Both checks, so that all mistakes are told at once: what is asked for, and with which credential. For the action `check`
/// a credential that cannot work does not end the run, but is told in the survey.
fn check(variables: &Variables, working_folder: &Path) -> Result<(Request, Settled, Option<Survey>), Failures> {
    let request = Request::check(variables, working_folder);
    let scalars = &variables.scalars;
    let (registry, choice, needs_push) = match &request {
        Ok(request) => (
            request.registry.clone(),
            scalars.credential.as_ref().map(|_| request.choice),
            request.action.writes(),
        ),
        // Its mistakes end the run; the credential is looked over for more of them.
        Err(_) => (Host::bitbucket(), None, false),
    };
    let given = Given {
        choice,
        allow_unsupported: is_on(scalars.allow_unsupported_token.as_deref()),
        built_in: Pair {
            username: scalars.bitbucket_packages_username.as_deref(),
            token: scalars.bitbucket_packages_token.as_ref(),
        },
        api_token: Pair {
            username: scalars.atlassian_account_email.as_deref(),
            token: scalars.atlassian_api_token.as_ref(),
        },
        registry: &registry,
        in_pipe: scalars.bitbucket_pipe_storage_dir.is_some(),
        needs_push,
    };
    let settled = match &request {
        Ok(Request {
            action: Action::Check(_),
            ..
        }) => survey(&given)
            .map(|survey| (survey.settled.clone(), Some(survey)))
            .map_err(Unsettled::Mistakes),
        _ => settle(&given).map(|settled| (settled, None)),
    };
    match (request, settled) {
        (Ok(request), Ok((settled, survey))) => {
            for credential in &settled.candidates {
                // As it is sent: form and white space may differ from the variable's.
                crate::text::hide_pair(&credential.username, &credential.token);
            }
            Ok((request, settled, survey))
        }
        (Err(mut mistakes), Err(Unsettled::Mistakes(more))) => {
            mistakes.extend(more);
            Err(mistakes.into())
        }
        (Err(mistakes), _) | (Ok(_), Err(Unsettled::Mistakes(mistakes))) => Err(mistakes.into()),
        (Ok(_), Err(Unsettled::Refusal(refusal))) => {
            Err(Failure::new(Kind::Credential, refusal.message(), refusal.hint()).into())
        }
    }
}

/// Before the first line is printed: tokens in the forms that they travel in, and proxies' passwords.
fn hide_secrets(variables: &Variables) {
    let scalars = &variables.scalars;
    for (username, token) in [
        (&scalars.bitbucket_packages_username, &scalars.bitbucket_packages_token),
        (&scalars.atlassian_account_email, &scalars.atlassian_api_token),
        (&scalars.source_username, &scalars.source_password),
    ] {
        let Some(token) = token else { continue };
        crate::text::hide_pair(username.as_deref().unwrap_or_default(), token);
    }
    for password in &variables.proxy_passwords {
        crate::text::hide(password);
    }
}

fn warn_of_names(variables: &Variables, action: &str) {
    for (written, meant) in &variables.near_misses {
        tracing::warn!(
            "`{}` is not a variable of this pipe; did you mean `{meant}`?",
            crate::text::Quoted::new(written)
        );
    }
    if !ACTIONS.contains(&action) {
        return;
    }
    for (name, actions) in variables.unused_by(action) {
        tracing::warn!("`{name}` is not used by `{action}`, only by `{}`", actions.join("`, `"));
    }
}

/// What is odd about the credentials, and whether the API token ends soon.
fn warn_of_credentials(request: &Request, settled: &Settled) {
    for warning in &settled.warnings {
        tracing::warn!("{warning}");
    }
    let uses_api_token = settled
        .candidates
        .iter()
        .any(|credential| credential.source == Source::ApiToken);
    let Some(expires) = request.expires_on.filter(|_| uses_api_token) else {
        return;
    };
    let today = time::OffsetDateTime::from(SystemTime::now()).date();
    if let Some(warning) = expiry::warning(expires, today) {
        tracing::warn!("{warning}");
    }
}

/// What Pipelines sends to stop a step, and a terminal to stop a command. `None` where the system has no signals.
struct StopSignals(Option<(Signal, Signal)>);

impl StopSignals {
    fn listen() -> Self {
        let terminate = signal(SignalKind::terminate()).ok();
        Self(terminate.zip(signal(SignalKind::interrupt()).ok()))
    }

    /// The name and the exit status of the first one.
    async fn arrive(&mut self) -> (&'static str, u8) {
        let Some((terminate, interrupt)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => ("SIGTERM", 143),
            _ = interrupt.recv() => ("SIGINT", 130),
        }
    }
}

/// A result that cannot be told would leave the step with a registry or daemon that it knows nothing of.
fn check_outputs(outputs: &Outputs) -> Result<(), Failures> {
    let failures = [&outputs.env, &outputs.report]
        .into_iter()
        .flatten()
        .filter_map(|path| check_writable(path).err().map(Failure::from));
    Failures::of(failures.collect()).map_or(Ok(()), Err)
}

fn write_outputs(action: &str, outputs: &Outputs, done: &Done) -> Result<(), Failure> {
    if let Some(path) = &outputs.env {
        write_atomically(path, &report::env(&done.records), READABLE)?;
    }
    if let Some(path) = &outputs.report {
        write_atomically(
            path,
            &report::json(action, 0, &done.records, &done.facts, None),
            READABLE,
        )?;
    }
    Ok(())
}

/// Says what a signal ended, and writes the report.
fn interrupted(action: &str, outputs: &Outputs, done: &Done, (name, status): (&str, u8), colour: bool) -> u8 {
    let message = format!("stopped by {name}");
    if let Some(path) = &outputs.report {
        warn_if_unwritten(write_atomically(
            path,
            &report::interrupted(action, status, &done.records, &message),
            READABLE,
        ));
    }
    console::failure(&format!("{action}: {message}, {done} (exit status {status})"), colour);
    status
}

/// Prints every failure with its advice, writes the report, prints the last line.
fn fail(action: &str, outputs: &Outputs, done: &Done, failures: &Failures, colour: bool) -> u8 {
    let status = failures.status();
    let mut told = Vec::new();
    for failure in failures.iter() {
        tracing::error!("{failure}");
        if let Some(hint) = failure.hint.as_deref().filter(|hint| !told.contains(hint)) {
            console::detail(&format!("hint: {hint}"));
            told.push(hint);
        }
    }
    if let Some(path) = &outputs.report {
        warn_if_unwritten(write_atomically(
            path,
            &report::json(action, status, &done.records, &done.facts, Some(failures)),
            READABLE,
        ));
    }
    let kind = failures.first().kind.word();
    console::failure(&format!("{action}: {done} (exit status {status}: {kind})"), colour);
    status
}

fn warn_if_unwritten(result: Result<(), crate::files::OutputError>) {
    if let Err(error) = result {
        tracing::warn!("{error}");
    }
}

/// What a run has done when it ends.
#[derive(Debug, Default)]
struct Done {
    records: Vec<Record>,
    /// The rows of `check`.
    facts: Vec<report::Fact>,
}

impl fmt::Display for Done {
    /// What was done before a run ended badly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.facts.iter().filter(|fact| fact.outcome == "failed").count();
        if failed > 0 {
            return write!(f, "{failed} of {} facts failed, nothing was changed", self.facts.len());
        }
        let done: Vec<_> = self.records.iter().filter(|record| record.changed()).collect();
        let failed = self.records.iter().filter(|record| record.outcome == Outcome::Failed);
        let (failed, all) = (failed.count(), self.records.len());
        if failed > 0 && all > MOST_NAMES {
            write!(f, "{failed} of {all} failed, ")?;
        }
        let mut names: Vec<String> = done
            .iter()
            .take(MOST_NAMES)
            .map(|record| format!("`{}`", record.reference()))
            .collect();
        if done.len() > MOST_NAMES {
            names.push(format!("and {} more", done.len() - MOST_NAMES));
        }
        match names.len() {
            0 => f.write_str("nothing was changed"),
            1 => write!(f, "only {} was done", names.join(", ")),
            _ => write!(f, "only {} were done", names.join(", ")),
        }
    }
}

/// A mistake of the command line, which the pipe has none of.
#[must_use]
pub fn no_arguments(argument: &str) -> Mistake {
    Mistake::new(
        "arguments",
        argument,
        "the pipe takes none",
        "set its variables in the environment; `--version` prints the version",
    )
}
