//! The pipe from environment to exit status: the stages in order.

use crate::action::{Done, GIVING_BACK_AT_THE_END, Run, StopSignals};
use crate::clone::{self, Discovered};
use crate::explain::failure::{Failure, Failures};
use crate::input::variables::Variables;
use crate::input::{Action, Check, Request, Search};
use crate::mistake::{Mistake, MistakeKind, Mistakes};
use crate::names::Host;
use crate::registry::Network;
use crate::report::{Ending, console, warnings};
use crate::session::Session;
use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

/// Runs the pipe and gives its exit status. `working_folder` is where relative paths start.
pub async fn run(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    working_folder: &Path,
    colour: bool,
) -> u8 {
    // First of all: the process 1 of a container ignores a signal that it has no handler for.
    let mut signals = StopSignals::listen();
    let begun = Instant::now();

    // What is asked for.
    let variables = Variables::read(environment);
    variables.hide_secrets();
    let check = Check::begin(&variables, working_folder);
    let looked = match check.search() {
        Some(search) => look_through(search, &mut signals).await.map(Some),
        None => Ok(None),
    };
    let stopped = looked.as_ref().err().copied();
    let checked = check.finish(looked.unwrap_or_default());

    // From here on there is something to tell.
    console::start(checked.debug, colour);
    tracing::debug!("crg-pipe {}", env!("CARGO_PKG_VERSION"));
    warnings::of_names(&variables, checked.action);
    let mut ending = Ending::new(&checked, begun, colour);
    if let Some(signal) = stopped {
        return ending.stop(&Done::default(), signal);
    }
    let request = match checked
        .request
        .map_err(Failures::from)
        .and_then(|request| ready(request, &mut ending))
    {
        Ok(request) => request,
        Err(failures) => {
            let (done, stopped) = (Done::default(), signals.arrive());
            ending
                .report_on_commit(Err(&failures), &done, &Host::bitbucket(), stopped)
                .await;
            return ending.fail(&done, &failures);
        }
    };

    // What is done.
    let mut run = Run::new(&request, session(&request));
    if ending.is_reported_on_commit() {
        run = run.keeping_seen_images();
    }
    let result = tokio::select! {
        result = run.carry_out(&request.action) => Ok(result),
        signal = signals.arrive() => Err(signal),
    };
    run.give_back(GIVING_BACK_AT_THE_END).await;

    // What came of it.
    let done = run.done();
    ending.print_table(&done);
    let result = match result {
        Ok(result) => result.and_then(|summary| ending.write(&done).map(|()| summary)),
        Err(signal) => return ending.stop(&done, signal),
    };
    let told = result.as_ref().map(String::as_str);
    ending
        .report_on_commit(told, &done, &request.registry, signals.arrive())
        .await;
    match result {
        Ok(summary) => ending.succeed(&summary),
        Err(failures) => ending.fail(&done, &failures),
    }
}

/// Looks through the clone, beside the loop that hears a signal: a repository may hold much.
async fn look_through(search: Search, signals: &mut StopSignals) -> Result<Discovered, (&'static str, u8)> {
    let looking =
        tokio::task::spawn_blocking(move || clone::images(&search.clone, &search.namespace, search.platform.as_ref()));
    tokio::select! {
        looked = looking => Ok(looked.unwrap_or_default()),
        signal = signals.arrive() => Err(signal),
    }
}

/// A request whose credential can work and whose results can be written. `check` tells of its credentials in its table.
fn ready(request: Request, ending: &mut Ending) -> Result<Request, Failures> {
    let is_check = matches!(request.action, Action::Check(_));
    if let Some(why) = request.chosen.ends_run().filter(|_| !is_check) {
        return Err(Failure::from(why).into());
    }
    ending.check_outputs()?;
    if !is_check {
        warnings::of_credentials(&request);
    }
    Ok(request)
}

/// The registries, as seen with each credential that may serve.
fn session(request: &Request) -> Session {
    let network = Network::new(request.network.clone());
    let own = &request.chosen.candidates;
    Session::new(network, &request.registry, own).with_foreign(request.action.source_credential())
}

/// Refuses a command line, which the pipe has none of, and gives the exit status.
#[must_use]
pub fn refuse_argument(argument: &str, colour: bool) -> u8 {
    let mistake = Mistake::new(
        MistakeKind::Value,
        "arguments",
        argument,
        "the pipe takes none",
        "set its variables in the environment; `--help` lists them",
    );
    let failures = Failures::from(Mistakes::from(mistake));
    let failure = failures.first();
    console::failure(&failure.message, colour);
    console::detail(&format!("More: {}", failure.page.address()));
    failures.status()
}
