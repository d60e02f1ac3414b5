//! The actions, one file each, and what they share: the run.

mod ahead;
mod check;
mod copy;
mod daemon;
mod discovery;
mod find;
mod journal;
mod log;
mod login;
mod plan;
mod prune;
mod pull;
mod pull_archive;
mod push;
mod push_archive;
mod required;
mod retag;
mod seen_images;
mod select_platform;
mod signals;
mod tagging;
mod wait;

pub(crate) use journal::{Done, Fact, Outcome, Record, SeenImage, Table};
pub(crate) use signals::StopSignals;

use crate::clone;
use crate::credential::{Choice, Chosen};
use crate::engine::{Engine, Untagged};
use crate::explain::failure::Failures;
use crate::explain::{Context, RunError, RunErrors};
use crate::input::{Action, PushSource, Request, Step};
use crate::names::{Namespace, Repository, Tag};
use crate::registry::retry::Policy;
use crate::session::Session;
use crate::transfer::Progress;
use journal::Journal;
use log::Log;
use std::cell::{RefCell, RefMut};
use std::time::Duration;
use time::Date;
use wait::Wait;

/// Bounds the putting back of a name in the daemon at the end of a run: Pipelines gives a stopped step little time.
pub(crate) const GIVING_BACK_AT_THE_END: Duration = Duration::from_millis(1500);

/// One run of the pipe: how the world is reached, and what has been done so far.
#[derive(Debug)]
pub(crate) struct Run {
    session: Session,
    concurrency: usize,
    timeout: Duration,
    policy: Policy,
    step: Step,
    /// Whether the action writes.
    writes: bool,
    journal: Journal,
    log: Log,
    progress: Progress,
    loans: RefCell<Vec<Loan>>,
    /// `TOKEN_EXPIRES_ON`.
    expires_on: Option<Date>,
    chosen: Chosen,
    wait: Wait,
    /// What `check` found.
    table: RefCell<Table>,
    /// `None` unless they are wanted.
    seen_images: RefCell<Option<Vec<SeenImage>>>,
}

/// A name of the daemon that the run needs for itself, and what it was before.
#[derive(Debug, Clone)]
struct Loan {
    engine: Engine,
    repository: Repository,
    tag: Tag,
    before: Option<String>,
}

impl Run {
    /// Opens no connection.
    #[must_use]
    pub(crate) fn new(request: &Request, session: Session) -> Self {
        Self {
            session,
            concurrency: request.concurrency,
            timeout: request.network.timeout,
            policy: Policy {
                retries: request.network.retries,
            },
            step: request.step.clone(),
            writes: request.action.writes(),
            journal: Journal::default(),
            log: Log::new(),
            progress: Progress::default(),
            loans: RefCell::default(),
            expires_on: request.expires_on,
            chosen: request.chosen.clone(),
            wait: Wait::new(request.wait),
            table: RefCell::default(),
            seen_images: RefCell::default(),
        }
    }

    /// Does what was asked and says in a few words what was done.
    ///
    /// # Errors
    /// All that went wrong. What was done nevertheless stands in [`Run::done`].
    pub(crate) async fn carry_out(&self, action: &Action) -> Result<String, Failures> {
        let result = match action {
            Action::Pull(pull) => pull::run(self, pull).await,
            Action::Retag(retag) => retag::run(self, retag).await,
            Action::Push(push) => match &push.source {
                PushSource::Daemon(name, daemon) => push::run(self, push, name, daemon).await,
                PushSource::Archive(location) => push_archive::run(self, push, location).await,
            },
            Action::Copy(copy) => copy::run(self, copy).await,
            Action::Login(login) => login::run(self, login).await.map_err(RunErrors::from),
            Action::Prune(prune) => prune::run(self, prune).await,
            // It asks Bitbucket itself, whatever the registry says.
            Action::Check(checkup) => return check::run(self, checkup).await,
        };
        match result {
            Ok(summary) => Ok(summary),
            Err(errors) => {
                let known = if errors.are_of_unknown_name() {
                    self.known_repositories().await
                } else {
                    Vec::new()
                };
                let context = Context {
                    known: &known,
                    ..self.context()
                };
                let failures = errors.explain(&self.session, context).await;
                for failed in failures.iter().filter_map(|failure| failure.reference.as_deref()) {
                    self.journal.fail(failed);
                }
                Err(failures)
            }
        }
    }

    /// The repositories of `REGISTRY` that files of the clone name.
    async fn known_repositories(&self) -> Vec<Repository> {
        let Some(clone) = self.step.clone_folder.clone() else {
            return Vec::new();
        };
        let namespace = Namespace {
            registry: self.session.registry().clone(),
            workspace: self.step.workspace.clone(),
        };
        let looking = tokio::task::spawn_blocking(move || clone::images(&clone, &namespace, None));
        let found = looking.await.unwrap_or_default();
        found.references().map(|image| image.repository.clone()).collect()
    }

    /// What explanations in this run depend on.
    fn context(&self) -> Context<'_> {
        Context {
            writes: self.writes,
            is_of_several: false,
            has_api_token: self.session.api_token().is_some(),
            only_built_in: self.chosen.choice == Choice::BuiltIn,
            registry: self.session.registry(),
            known: &[],
            step: &self.step,
            waited: self.wait.waited(),
            diagnosis: None,
        }
    }

    /// All that was done so far.
    #[must_use]
    pub(crate) fn done(&self) -> Done {
        Done {
            records: self.journal.records(),
            table: self.table.borrow().clone(),
            seen: self.seen_images(),
        }
    }

    /// Gives the daemon's names that were borrowed back to what they were, each within a time. Broken off, it begins
    /// with the same name when it is called again; after its end it does nothing.
    pub(crate) async fn give_back(&self, within: Duration) {
        let first = || self.loans().first().cloned();
        while let Some(loan) = first() {
            let name = format!("{}:{}", loan.repository, loan.tag);
            let given_back = async {
                match &loan.before {
                    Some(before) => loan
                        .engine
                        .tag(before, &loan.repository, &loan.tag)
                        .await
                        .map(|()| None),
                    None => loan.engine.untag(&loan.repository, &loan.tag).await.map(Some),
                }
            };
            match tokio::time::timeout(within, given_back).await {
                Ok(Ok(Some(Untagged::KeptLast))) => {
                    tracing::info!("the Docker daemon keeps the name `{name}`: its image has no other");
                }
                Ok(Ok(_)) => tracing::debug!("the daemon's `{name}` is as it was"),
                Ok(Err(error)) => {
                    tracing::warn!("the daemon's name `{name}` could not be put back: {}", error.message());
                }
                Err(_) => tracing::warn!("the daemon's name `{name}` could not be put back in time"),
            }
            self.loans().remove(0);
        }
    }

    fn borrow(&self, loan: Loan) {
        self.loans().push(loan);
    }

    fn loans(&self) -> RefMut<'_, Vec<Loan>> {
        self.loans.borrow_mut()
    }
}

/// Sorts results into what came of them; all errors if there is any.
fn all<T, E: Into<RunErrors>>(results: Vec<Result<T, E>>) -> Result<Vec<T>, RunErrors> {
    let mut done = Vec::new();
    let mut failed = Vec::new();
    for result in results {
        match result {
            Ok(value) => done.push(value),
            Err(errors) => failed.extend(errors.into()),
        }
    }
    joined(failed, Ok(done))
}

/// A result after something else has failed.
fn joined<T>(failed: Vec<RunError>, result: Result<T, RunErrors>) -> Result<T, RunErrors> {
    match result {
        Ok(value) => RunErrors::of(failed).map_or(Ok(value), Err),
        Err(errors) => Err(errors.after(failed)),
    }
}
