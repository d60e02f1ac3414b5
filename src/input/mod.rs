//! What is asked for, checked: the variables' meaning, all mistakes found at once. Each variable is read once; a [`Request`]
//! cannot hold nonsense.

mod actions;
mod checkup;
mod copy;
mod credentials;
mod discovery;
mod images;
mod pasted;
mod paths;
mod proposed;
mod prune;
mod push;
mod selection;
mod values;
pub(crate) mod variables;

pub(crate) use actions::{Action, Login, Pull, Retag, WantedImage};
pub use actions::{ActionName, NAMES};
pub(crate) use checkup::Checkup;
pub(crate) use copy::Copy;
pub(crate) use discovery::nothing;
pub(crate) use images::MOST_IMAGES;
pub(crate) use paths::{Outputs, PullTo};
pub(crate) use proposed::is_taken;
pub(crate) use prune::{Prune, WantedPackage};
pub(crate) use push::{Push, PushSource};
pub(crate) use selection::{Pattern, Selection};

use crate::clone::Discovered;
use crate::credential::{Chosen, choose};
use crate::input::variables::Variables;
use crate::mistake::{Mistake, MistakeKind, Mistakes};
use crate::names::platform::Platform;
use crate::names::{Host, Namespace};
use crate::registry;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::Date;

/// Longest `WAIT`, in seconds: Pipelines ends a step after two hours, unless its `max-time` says otherwise.
const LONGEST_WAIT: u64 = 7200;

/// What the variables come to.
#[derive(Debug)]
pub(crate) struct Checked {
    /// `ACTION`; `None` for what is none.
    pub action: Option<ActionName>,
    /// `DEBUG`.
    pub debug: bool,
    /// Where results are written, also where the rest is full of mistakes: the report tells of them too.
    pub outputs: Outputs,
    /// `CODE_INSIGHTS`: the commit that is reported on.
    pub insights: Option<Commit>,
    /// What to do, unless there are mistakes.
    pub request: Result<Request, Mistakes>,
}

/// Everything a run needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub action: Action,
    /// `REGISTRY`.
    pub registry: Host,
    /// What may sign in to it.
    pub chosen: Chosen,
    /// Connections' limits and trust.
    pub network: registry::NetworkSettings,
    /// `CONCURRENCY`: transfers at a time.
    pub concurrency: usize,
    /// The step that runs the pipe.
    pub step: Step,
    /// `TOKEN_EXPIRES_ON`.
    pub expires_on: Option<Date>,
    /// `WAIT`: how long an image may not be there yet.
    pub wait: Duration,
}

/// What `ON_EXISTING` says of a tag that points elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnExisting {
    #[default]
    Overwrite,
    /// It stays, and that is fine.
    Skip,
    /// It stays, and the run fails.
    Fail,
}

/// What Pipelines says of the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// `BITBUCKET_WORKSPACE`.
    pub workspace: Option<String>,
    /// `BITBUCKET_REPO_FULL_NAME`, `workspace/repository`.
    pub repository: Option<String>,
    /// `BITBUCKET_CLONE_DIR`.
    pub clone_folder: Option<PathBuf>,
    /// Whether this is a pipe's container (`BITBUCKET_PIPE_STORAGE_DIR` is set).
    pub in_pipe: bool,
    /// The working folder, where relative paths start.
    pub working_folder: PathBuf,
}

/// What Pipelines says of the commit that a step is for; each `None` where it cannot stand in a URL as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// `BITBUCKET_WORKSPACE`.
    pub workspace: Option<String>,
    /// `BITBUCKET_REPO_SLUG`.
    pub repository: Option<String>,
    /// `BITBUCKET_COMMIT`.
    pub hash: Option<String>,
    /// `BITBUCKET_BUILD_NUMBER`.
    pub build: Option<String>,
    /// Which of the steps of a parallel group this is.
    pub parallel_step: Option<String>,
    /// `BITBUCKET_CLONE_DIR`.
    pub clone_folder: Option<PathBuf>,
}

impl Step {
    /// The clone; where Pipelines names none, the working folder.
    #[must_use]
    pub(crate) fn clone_or_working_folder(&self) -> &Path {
        self.clone_folder.as_ref().unwrap_or(&self.working_folder)
    }

    /// The folder that nothing may be written outside of, in a pipe: the step sees nothing else of its container.
    pub(crate) fn bound(&self) -> Option<PathBuf> {
        let clone = self.clone_folder.as_ref().filter(|_| self.in_pipe)?;
        Some(self.working_folder.join(clone))
    }

    fn of(variables: &Variables, working_folder: &Path) -> Self {
        let scalars = &variables.scalars;
        Self {
            workspace: scalars.bitbucket_workspace.clone(),
            repository: scalars.bitbucket_repo_full_name.clone(),
            clone_folder: scalars.bitbucket_clone_dir.clone().map(PathBuf::from),
            in_pipe: scalars.bitbucket_pipe_storage_dir.is_some(),
            working_folder: working_folder.to_owned(),
        }
    }
}

impl Commit {
    fn of(variables: &Variables) -> Self {
        let scalars = &variables.scalars;
        let plain = |value: &Option<String>| value.clone().filter(|value| is_plain(value));
        Self {
            workspace: plain(&scalars.bitbucket_workspace),
            repository: plain(&scalars.bitbucket_repo_slug),
            hash: plain(&scalars.bitbucket_commit),
            build: plain(&scalars.bitbucket_build_number),
            parallel_step: plain(&scalars.bitbucket_parallel_step),
            clone_folder: scalars.bitbucket_clone_dir.as_ref().map(PathBuf::from),
        }
    }
}

/// Whether a value can stand in a URL as it is: a slug, a UUID in braces, a hash, a number.
fn is_plain(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'{' | b'}');
    !value.starts_with('.') && value.len() <= 128 && value.bytes().all(allowed)
}

/// A check in progress: what was written, what it means for every action, and what is wrong with it so far.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    variables: &'a Variables,
    /// `None` for what is no action.
    action: Option<ActionName>,
    namespace: Namespace,
    step: Step,
    mistakes: Vec<Mistake>,
}

/// What is looked for in the clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Search {
    /// The clone, or the working folder.
    pub clone: PathBuf,
    /// What names mean.
    pub namespace: Namespace,
    /// `PLATFORM`: what is built for.
    pub platform: Option<Platform>,
}

impl<'a> Check<'a> {
    /// Begins with what names mean. `working_folder` is where relative paths start.
    #[must_use]
    pub(crate) fn begin(variables: &'a Variables, working_folder: &Path) -> Self {
        let step = Step::of(variables, working_folder);
        let mut check = Self {
            variables,
            action: ActionName::of(variables.scalars.action.as_deref())
                .filter(|_| variables.without_action().is_empty() && !variables.has_no_action()),
            namespace: Namespace {
                // Anything that parses: a mistake ends the run before a host is asked.
                registry: Host::bitbucket(),
                workspace: step.workspace.clone(),
            },
            step,
            mistakes: variables.mistakes.clone(),
        };
        if let Some(registry) = check.registry() {
            check.namespace.registry = registry;
        }
        check
    }

    /// What to look for in the clone, if images are to be looked for in it.
    #[must_use]
    pub(crate) fn search(&self) -> Option<Search> {
        let searches =
            matches!(self.action, Some(ActionName::Pull | ActionName::Check)) && self.variables.images.is_empty();
        // What was written and could not be read is told alone.
        let searches = searches && !self.variables.empty.contains(&"IMAGES");
        // A mistake in it is told elsewhere; `check` does not use it.
        let platform = self.variables.scalars.platform.as_deref();
        let platform = platform.filter(|_| self.action == Some(ActionName::Pull));
        searches.then(|| Search {
            clone: self.step.clone_or_working_folder().to_owned(),
            namespace: self.namespace.clone(),
            platform: platform.and_then(|platform| Platform::parse(platform.trim()).ok()),
        })
    }

    /// All the rest, with what [`Check::search`] led to.
    #[must_use]
    pub(crate) fn finish(mut self, discovered: Option<Discovered>) -> Checked {
        let scalars = &self.variables.scalars;
        let action = self.action(discovered);
        let outputs = self.outputs();
        if let Ok(Action::Login(Login::PullSecret(file, _))) = &action
            && [&outputs.report, &outputs.env].contains(&&Some(file.clone()))
        {
            let problem = "another file of results has this name too";
            self.mistake(Mistake::unshown(
                MistakeKind::Together,
                "PULL_SECRET",
                problem,
                "write another name",
            ));
        }
        let network = registry::NetworkSettings {
            extra_roots: self.roots(),
            proxy: self.proxy(),
            timeout: Duration::from_secs(self.number("TIMEOUT", scalars.timeout.as_deref(), 60, 1..=3600)),
            retries: u32::try_from(self.number("RETRIES", scalars.retries.as_deref(), 4, 0..=20)).unwrap_or(4),
        };
        let concurrency =
            usize::try_from(self.number("CONCURRENCY", scalars.concurrency.as_deref(), 8, 1..=32)).unwrap_or(8);
        let wait = self.number("WAIT", scalars.wait.as_deref(), 0, 0..=LONGEST_WAIT);
        let choice = self.choice();
        let expires_on = self.expires_on();
        let debug = self.switch("DEBUG", scalars.debug.as_deref());
        let insights = self.switch("CODE_INSIGHTS", scalars.code_insights.as_deref());
        let unsupported = self.switch("ALLOW_UNSUPPORTED_TOKEN", scalars.allow_unsupported_token.as_deref());
        let writes = action.as_ref().is_ok_and(Action::writes);
        let outlives_step = scalars.pull_secret.is_some() && self.action == Some(ActionName::Login);
        let chosen = choose(&self.given(choice, unsupported, (writes, outlives_step)));
        let action = Mistakes::of(self.mistakes).map_or(action.map_err(Mistakes::from), Err);
        let request = match (action, chosen) {
            (Ok(action), Ok(chosen)) => Ok(Request {
                action,
                registry: self.namespace.registry,
                chosen,
                network,
                concurrency,
                step: self.step,
                expires_on,
                wait: Duration::from_secs(wait),
            }),
            (Err(mistakes), Err(more)) => Err(mistakes.and(more)),
            (Err(mistakes), Ok(_)) | (Ok(_), Err(mistakes)) => Err(mistakes),
        };
        Checked {
            action: self.action,
            debug,
            outputs,
            insights: insights.then(|| Commit::of(self.variables)),
            request,
        }
    }

    /// Notes a mistake, and gives it back for who cannot go on.
    fn mistake(&mut self, mistake: Mistake) -> Mistake {
        // What arrived empty is told once, and not as missing too.
        let is_told = mistake.value.is_none() && self.variables.empty.contains(&mistake.variable.as_str());
        if !is_told && !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake.clone());
        }
        mistake
    }
}

/// A value; or the mistake that it is, noted already.
type Read<T> = Result<T, Mistake>;

#[cfg(test)]
mod tests;
