//! What is asked for, checked: the variables' meaning, all mistakes found at once. A [`Request`] cannot hold nonsense.

mod actions;
mod checkup;
mod copy;
mod discovery;
mod paths;
mod selection;
mod values;
pub mod variables;

pub use copy::{Copy, Item};
pub(crate) use discovery::nothing;
pub use selection::{Pattern, Selection, Shard};

use crate::archive::Location;
use crate::clone::Discovered;
use crate::credential::Choice;
use crate::engine::Address;
use crate::files::Output;
use crate::input::variables::Variables;
use crate::mistake::Mistake;
use crate::names::platform::Platform;
use crate::names::{Host, Namespace, Reference, Repository, Tag};
use crate::registry;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::Date;

/// What `ON_EXISTING` says of a tag that points elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExisting {
    /// It is moved.
    #[default]
    Overwrite,
    /// It stays, and that is fine.
    Skip,
    /// It stays, and the run fails.
    Fail,
}

/// Everything a run needs to know but its credential.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to do.
    pub action: Action,
    /// `REGISTRY`.
    pub registry: Host,
    /// Which credential may serve.
    pub choice: Choice,
    /// Connections' limits and trust.
    pub network: registry::Settings,
    /// `CONCURRENCY`: transfers at a time.
    pub concurrency: usize,
    /// Where results are written.
    pub outputs: Outputs,
    /// The step that runs the pipe.
    pub step: Step,
    /// `TOKEN_EXPIRES_ON`.
    pub expires_on: Option<Date>,
}

/// `ACTION` with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Images into the step's daemon.
    Pull(Pull),
    /// More tags for an image of the registry.
    Retag(Retag),
    /// An image of the step's daemon into the registry.
    Push(Push),
    /// Images from repository to repository, or from another registry.
    Copy(Copy),
    /// A Docker `config.json`.
    Login(Login),
    /// Nothing but a look at everything.
    Check(Checkup),
}

/// `ACTION: pull`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The images, each once.
    pub images: Vec<Reference>,
    /// Where the images were found, if `IMAGES` did not name them.
    pub discovered: Option<Discovered>,
    /// Which platform, if not the daemon's, or all.
    pub platform: Option<Platform>,
    /// Where to.
    pub to: Destination,
}

/// `TO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The step's Docker daemon.
    Daemon(Address),
    /// A file or folder.
    Archive(Location),
}

/// `SOURCE` of `push`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The image as the daemon names it: name with tag or digest, or an ID.
    Daemon(String, Address),
    /// In a file or folder.
    Archive(Location),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(name, _) => f.write_str(name),
            Self::Archive(location) => location.fmt(f),
        }
    }
}

/// `ACTION: retag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retag {
    /// The image that is there.
    pub source: Reference,
    /// The tags to set; at least one.
    pub tags: Vec<Tag>,
    /// What to do with tags that point elsewhere.
    pub on_existing: OnExisting,
}

/// `ACTION: push`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// What is published.
    pub source: Source,
    /// Where to.
    pub target: Repository,
    /// The tags to set; at least one.
    pub tags: Vec<Tag>,
    /// The platform that the image must have.
    pub platform: Option<Platform>,
    /// What to do with tags that point elsewhere.
    pub on_existing: OnExisting,
}

/// `ACTION: login`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The folder of `config.json`.
    pub folder: Output,
}

/// `ACTION: check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// The images to look for, each once; perhaps none.
    pub images: Vec<Reference>,
    /// Where the images were found, if `IMAGES` did not name them.
    pub discovered: Option<Discovered>,
    /// Where somebody wants to write, each once, and the tag to set.
    pub targets: Vec<(Repository, Option<Tag>)>,
}

/// `REPORT` and `OUTPUT_ENV`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outputs {
    /// File for the JSON report.
    pub report: Option<Output>,
    /// File for lines to `source`.
    pub env: Option<Output>,
}

/// What Pipelines says of the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
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

impl Action {
    /// As `ACTION` names it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pull(_) => "pull",
            Self::Retag(_) => "retag",
            Self::Push(_) => "push",
            Self::Copy(_) => "copy",
            Self::Login(_) => "login",
            Self::Check(_) => "check",
        }
    }

    /// The credential of another registry, and which one that is.
    #[must_use]
    pub fn source_credential(&self) -> Option<(Host, crate::credential::Credential)> {
        match self {
            Self::Copy(copy) => copy.source_credential.clone(),
            _ => None,
        }
    }

    /// Whether it needs the right to write to the registry. `check` only tries whether it has that.
    #[must_use]
    pub const fn writes(&self) -> bool {
        match self {
            Self::Retag(_) | Self::Push(_) | Self::Copy(_) => true,
            Self::Check(check) => !check.targets.is_empty(),
            Self::Pull(_) | Self::Login(_) => false,
        }
    }
}

impl Request {
    /// Checks the variables. `working_folder` is where relative paths start.
    ///
    /// # Errors
    /// All mistakes there are.
    pub fn check(variables: &Variables, working_folder: &Path) -> Result<Self, Vec<Mistake>> {
        let mut check = Check {
            variables,
            mistakes: variables.mistakes.clone(),
        };
        let scalars = &variables.scalars;
        let step = Step::of(variables, working_folder);
        let registry = check.registry();
        let namespace = Namespace {
            registry: registry.clone(),
            workspace: step.workspace.clone(),
        };
        let action = check.action(&namespace, &step);
        let outputs = check.outputs(&step);
        let network = registry::Settings {
            extra_roots: check.roots(working_folder),
            timeout: Duration::from_secs(check.number("TIMEOUT", scalars.timeout.as_deref(), 60, 1..=3600)),
            retries: u32::try_from(check.number("RETRIES", scalars.retries.as_deref(), 4, 0..=20)).unwrap_or(4),
        };
        let concurrency =
            usize::try_from(check.number("CONCURRENCY", scalars.concurrency.as_deref(), 8, 1..=32)).unwrap_or(8);
        let choice = check.choice();
        let expires_on = check.expires_on();
        check.boolean("DEBUG", scalars.debug.as_deref());
        check.boolean("CODE_INSIGHTS", scalars.code_insights.as_deref());
        check.boolean("ALLOW_UNSUPPORTED_TOKEN", scalars.allow_unsupported_token.as_deref());
        match action {
            Some(action) if check.mistakes.is_empty() => Ok(Self {
                action,
                registry,
                choice,
                network,
                concurrency,
                outputs,
                step,
                expires_on,
            }),
            _ => Err(check.mistakes),
        }
    }

    /// Where results are written, also where the rest is full of mistakes: the report tells of them too.
    #[must_use]
    pub fn outputs(variables: &Variables, working_folder: &Path) -> Outputs {
        Check {
            variables,
            mistakes: Vec::new(),
        }
        .outputs(&Step::of(variables, working_folder))
    }
}

impl Step {
    /// The clone; where Pipelines names none, the working folder.
    #[must_use]
    pub fn clone_or_working_folder(&self) -> &Path {
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

/// Whether `DEBUG` or another switch is on; anything but `true` is off until [`Request::check`] has complained.
#[must_use]
pub fn is_on(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// A check in progress: what was written, and what is wrong with it so far.
struct Check<'a> {
    variables: &'a Variables,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn mistake(&mut self, mistake: Mistake) {
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}

#[cfg(test)]
mod tests;
