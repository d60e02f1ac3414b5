//! The actions, and what those ask that have no file of their own.

use super::images::{DOCKER, transport};
use super::{Check, Checkup, Copy, OnExisting, Prune, PullTo, Push, Read};
use crate::clone::{Discovered, FoundImage};
use crate::credential::{Choice, Credential};
use crate::docker_config::pull_secret::SecretName;
use crate::files::Output;
use crate::mistake::{Mistake, MistakeKind};
use crate::names::platform::Platform;
use crate::names::{AtLeastOne, Host, Reference, Tag};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// What the pipe can do, as `ACTION` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "`ActionName::about` says what each does")]
pub enum ActionName {
    Pull,
    Retag,
    Push,
    Copy,
    Login,
    Check,
    Prune,
}

impl ActionName {
    /// Each of them, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Pull,
        Self::Retag,
        Self::Push,
        Self::Copy,
        Self::Login,
        Self::Check,
        Self::Prune,
    ];

    /// Reads `ACTION`, which is `pull` where it is not set; `None` for what is no action.
    #[must_use]
    pub fn of(written: Option<&str>) -> Option<Self> {
        let written = written.map_or(Self::Pull.as_str(), str::trim);
        Self::ALL
            .into_iter()
            .find(|name| name.as_str().eq_ignore_ascii_case(written))
    }

    /// As `ACTION` names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Retag => "retag",
            Self::Push => "push",
            Self::Copy => "copy",
            Self::Login => "login",
            Self::Check => "check",
            Self::Prune => "prune",
        }
    }

    /// What it does, for `--help`.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Pull => "pull images into the Docker daemon, or into an archive (the default)",
            Self::Retag => "add tags to an image in the registry",
            Self::Push => "publish an image of the Docker daemon, or of an archive",
            Self::Copy => "copy images between repositories, or from another registry",
            Self::Login => "write a config.json that Docker signs in with, or a Kubernetes Secret",
            Self::Check => "try credentials and images, and change nothing",
            Self::Prune => "delete tags that nobody needs any more; a dry run unless DRY_RUN is false",
        }
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Every variable of the pipe that a user may set, with the actions that use it.
pub const NAMES: [(&str, &[ActionName]); 37] = {
    use ActionName::{Check, Copy, Login, Prune, Pull, Push, Retag};
    const ALL: &[ActionName] = &ActionName::ALL;
    [
        ("ACTION", ALL),
        ("IMAGES", &[Pull, Copy, Check, Prune]),
        ("SOURCE", &[Retag, Push, Copy]),
        ("TARGET", &[Push, Copy, Check]),
        ("TAGS", &[Retag, Push, Copy]),
        ("TO", &[Pull]),
        ("PLATFORM", &[Pull, Push, Copy]),
        ("ON_EXISTING", &[Retag, Push, Copy]),
        ("WAIT", &[Pull, Retag, Copy, Check]),
        ("ATLASSIAN_ACCOUNT_EMAIL", ALL),
        ("ATLASSIAN_API_TOKEN", ALL),
        ("BITBUCKET_PACKAGES_USERNAME", ALL),
        ("BITBUCKET_PACKAGES_TOKEN", ALL),
        ("CREDENTIAL", ALL),
        ("ALLOW_UNSUPPORTED_TOKEN", ALL),
        ("TOKEN_EXPIRES_ON", ALL),
        ("SOURCE_USERNAME", &[Pull, Copy]),
        ("SOURCE_PASSWORD", &[Pull, Copy]),
        ("REFERRERS", &[Copy]),
        ("REQUIRE", &[Copy, Check]),
        ("SHARD", &[Copy]),
        ("KEEP", &[Prune]),
        ("KEEP_TAGS", &[Prune]),
        ("OLDER_THAN", &[Prune]),
        ("DRY_RUN", &[Prune]),
        ("DOCKER_CONFIG", &[Login]),
        ("PULL_SECRET", &[Login]),
        ("PULL_SECRET_NAME", &[Login]),
        ("REGISTRY", ALL),
        ("CA_CERTIFICATE", ALL),
        ("REPORT", ALL),
        ("OUTPUT_ENV", ALL),
        ("CODE_INSIGHTS", ALL),
        ("CONCURRENCY", ALL),
        ("RETRIES", ALL),
        ("TIMEOUT", ALL),
        ("DEBUG", ALL),
    ]
};

/// `ACTION` with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Images into the step's daemon.
    Pull(Pull),
    /// More tags for an image of the registry.
    Retag(Retag),
    /// An image of the step's daemon into the registry.
    Push(Push),
    /// Images from repository to repository, or from another registry.
    Copy(Copy),
    /// A Docker `config.json`, or a Kubernetes Secret.
    Login(Login),
    /// Nothing but a look at everything.
    Check(Checkup),
    /// Old tags away.
    Prune(Prune),
}

/// `ACTION: pull`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pull {
    /// The images, each once.
    pub images: AtLeastOne<Reference>,
    /// Where the images were found, if `IMAGES` did not name them.
    pub discovered: Option<Discovered>,
    /// Which platform, if not the daemon's, or all.
    pub platform: Option<Platform>,
    pub to: PullTo,
    /// The credential of another registry, and which one.
    pub source_credential: Option<(Host, Credential)>,
}

/// `ACTION: retag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retag {
    /// The image that is there.
    pub source: Reference,
    /// The tags to set.
    pub tags: AtLeastOne<Tag>,
    /// What to do with tags that point elsewhere.
    pub on_existing: OnExisting,
}

/// `ACTION: login`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// A `config.json` in this folder.
    Config(Output),
    /// `PULL_SECRET`: a Kubernetes Secret of this name in this file.
    PullSecret(Output, SecretName),
}

impl Action {
    /// The credential of another registry, and which one that is.
    #[must_use]
    pub(crate) fn source_credential(&self) -> Option<(Host, Credential)> {
        match self {
            Self::Pull(pull) => pull.source_credential.clone(),
            Self::Copy(copy) => copy.source_credential.clone(),
            _ => None,
        }
    }

    /// Whether it needs the right to write to the registry. `check` only tries whether it has that.
    #[must_use]
    pub(crate) const fn writes(&self) -> bool {
        match self {
            Self::Retag(_) | Self::Push(_) | Self::Copy(_) => true,
            Self::Check(check) => !check.targets.is_empty(),
            Self::Prune(prune) => !prune.dry_run,
            Self::Pull(_) | Self::Login(_) => false,
        }
    }
}

/// An image to pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedImage {
    pub image: Reference,
    /// Which platform, if not the daemon's, or all.
    pub platform: Option<Platform>,
    /// Whether its tag is to be set: of several platforms of one tag, a daemon keeps one under it.
    pub is_tagged: bool,
    /// Whether nothing fails without it.
    pub is_optional: bool,
}

impl Pull {
    /// The images, each once for each platform: the one that a file of the clone takes goes before `PLATFORM`.
    #[must_use]
    pub(crate) fn wanted(&self) -> Vec<WantedImage> {
        let Some(discovered) = &self.discovered else {
            let images = self.images.iter().map(|image| WantedImage {
                image: image.clone(),
                platform: self.platform.clone(),
                is_tagged: true,
                is_optional: false,
            });
            return images.collect();
        };
        // What is needed goes before what is not, then the daemon's own platform, then the first.
        let rank = |found: &FoundImage| (found.is_optional, found.platform.is_some());
        let mut tagged: HashMap<&Reference, &FoundImage> = HashMap::new();
        for found in &discovered.images {
            let known = tagged.entry(&found.image).or_insert(found);
            if rank(found) < rank(known) {
                *known = found;
            }
        }
        let wanted = discovered.images.iter().map(|found| WantedImage {
            image: found.image.clone(),
            platform: found.platform.clone().or_else(|| self.platform.clone()),
            is_tagged: tagged
                .get(&found.image)
                .is_some_and(|tagged| tagged.platform == found.platform),
            is_optional: found.is_optional,
        });
        wanted.collect()
    }
}

impl Check<'_> {
    /// What the action asks. `discovered` is what the clone names, where it was looked through.
    pub(super) fn action(&mut self, discovered: Option<Discovered>) -> Read<Action> {
        Ok(match self.action {
            Some(ActionName::Pull) => Action::Pull(self.pull(discovered)?),
            Some(ActionName::Retag) => Action::Retag(self.retag()?),
            Some(ActionName::Push) => Action::Push(self.push()?),
            Some(ActionName::Copy) => Action::Copy(self.copy()?),
            Some(ActionName::Login) => Action::Login(self.login()?),
            Some(ActionName::Check) => Action::Check(self.checkup(discovered)),
            Some(ActionName::Prune) => Action::Prune(self.prune()?),
            None => {
                if let Some(told) = self.mistakes.iter().find(|mistake| mistake.variable == "ACTION") {
                    return Err(told.clone());
                }
                let forgotten = self.variables.without_action();
                if !forgotten.is_empty() {
                    return Err(self.mistake(Mistake::unshown(
                        MistakeKind::NoAction,
                        "ACTION",
                        format!(
                            "it is not set, and `pull`, the default, does not use `{}`",
                            forgotten.join("`, `")
                        ),
                        self.meant_action(&forgotten),
                    )));
                }
                let written = self.variables.scalars.action.as_deref().unwrap_or_default();
                let names = ActionName::ALL.map(|name| format!("`{name}`")).join(", ");
                return Err(self.mistake(Mistake::new(
                    MistakeKind::Value,
                    "ACTION",
                    written,
                    "there is no such action",
                    format!("write one of {names}"),
                )));
            }
        })
    }

    /// Which actions use all that is written, else the first of it.
    fn meant_action(&self, forgotten: &[&str]) -> String {
        use ActionName::{Check, Copy, Login, Prune, Push, Retag};
        let uses = |action: &ActionName, name: &str| {
            let mut names = NAMES.iter();
            names.any(|(ours, actions)| *ours == name && actions.contains(action))
        };
        let likely = [Push, Retag, Check, Copy, Login, Prune].into_iter();
        let images = self.variables.set.contains(&"IMAGES").then_some("IMAGES");
        let all: Vec<&str> = forgotten.iter().copied().chain(images).collect();
        let mut meant: Vec<ActionName> = likely
            .clone()
            .filter(|action| all.iter().all(|name| uses(action, name)))
            .collect();
        if meant.is_empty() {
            meant = likely
                .filter(|action| forgotten.first().is_some_and(|name| uses(action, name)))
                .collect();
        }
        let mut names: Vec<String> = meant.iter().map(|action| format!("`ACTION: {action}`")).collect();
        match (names.pop(), names.is_empty()) {
            (Some(last), false) => format!("write {} or {last}", names.join(", ")),
            (last, _) => format!("write {}", last.unwrap_or_default()),
        }
    }

    fn pull(&mut self, discovered: Option<Discovered>) -> Read<Pull> {
        let (images, discovered) = match self.images() {
            Ok(None) => {
                let discovered = discovered.unwrap_or_default();
                let images = AtLeastOne::of(discovered.references().cloned().collect());
                (images.ok_or_else(|| self.no_images(&discovered)), Some(discovered))
            }
            Ok(Some(images)) => (Ok(images), None),
            Err(mistake) => (Err(mistake), None),
        };
        let several = images
            .as_ref()
            .map_or(self.variables.images.len(), |images| images.len())
            > 1;
        let platform = self.platform();
        let to = self.destination(several);
        // What files of the clone name is all of this registry.
        let written = self.variables.images.iter();
        let written = written.filter_map(|text| Reference::parse(text, &self.namespace).ok());
        let hosts = written.map(|image| image.repository.host().clone()).collect();
        let source_credential = self.source_credential("image", hosts, images.is_ok());
        Ok(Pull {
            images: images?,
            discovered,
            platform,
            to: to?,
            source_credential,
        })
    }

    fn retag(&mut self) -> Read<Retag> {
        let tags = self.tags().and_then(|tags| {
            let none = || {
                self.mistake(Mistake::unshown(
                    MistakeKind::Missing,
                    "TAGS",
                    "`retag` needs the tags to set",
                    "write `TAGS: '1.4.2 latest'` or a list",
                ))
            };
            AtLeastOne::of(tags).ok_or_else(none)
        });
        if let Some(target) = self.variables.scalars.target.as_deref() {
            self.mistake(Mistake::new(
                MistakeKind::NotForAction,
                "TARGET",
                target,
                "`retag` stays in the repository of `SOURCE`",
                "leave it out; to copy an image to another repository use `ACTION: copy`",
            ));
        }
        let on_existing = self.on_existing();
        let source = self.required_source(
            "`retag` needs the image that is in the registry",
            "write `SOURCE: package:tag`",
        )?;
        if let Some(transport) = transport(source).filter(|transport| *transport != DOCKER) {
            return Err(self.mistake(Mistake::new(
                MistakeKind::NotForAction,
                "SOURCE",
                source,
                format!("`retag` works inside the registry, not on `{transport}`"),
                "write `package:tag`, or use `ACTION: push` for an image built in this step",
            )));
        }
        let registry = &self.namespace.registry;
        let mistake = match Reference::parse(source, &self.namespace) {
            Ok(source) if source.repository.host() == registry => {
                return Ok(Retag {
                    source,
                    tags: tags?,
                    on_existing,
                });
            }
            Ok(other) => Mistake::new(
                MistakeKind::NotForAction,
                "SOURCE",
                source,
                format!("it is on `{}`, but `REGISTRY` is `{registry}`", other.repository.host()),
                "`retag` stays in one repository of `REGISTRY`",
            ),
            Err(bad) => Mistake::of_reference("SOURCE", source, &bad),
        };
        Err(self.mistake(mistake))
    }

    fn login(&mut self) -> Read<Login> {
        let scalars = &self.variables.scalars;
        let (folder, secret, name) = (
            scalars.docker_config.as_deref(),
            scalars.pull_secret.as_deref(),
            scalars.pull_secret_name.as_deref(),
        );
        let name = name.map(|text| {
            let parsed = SecretName::parse(text.trim());
            parsed.map_err(|bad| {
                self.mistake(Mistake::new(
                    MistakeKind::Value,
                    "PULL_SECRET_NAME",
                    text,
                    bad.to_string(),
                    bad.hint(),
                ))
            })
        });
        let Some(secret) = secret else {
            if name.is_some() {
                self.mistake(Mistake::unshown(
                    MistakeKind::Missing,
                    "PULL_SECRET_NAME",
                    "it names the Secret that `PULL_SECRET` writes, which is not set",
                    "write `PULL_SECRET: crg.yml` too",
                ));
            }
            return Ok(Login::Config(match folder {
                Some(text) => self.output_path("DOCKER_CONFIG", text, Path::new(text.trim()))?,
                None => Output::new(self.step.clone_or_working_folder().join(".docker"), self.step.bound()),
            }));
        };
        if let Some(folder) = folder {
            let problem = "`PULL_SECRET` is set too, which writes a Secret in the place of `config.json`";
            self.mistake(Mistake::new(
                MistakeKind::Together,
                "DOCKER_CONFIG",
                folder,
                problem,
                "leave one of them out",
            ));
        }
        if self.choice() == Some(Choice::BuiltIn) {
            self.mistake(Mistake::unshown(
                MistakeKind::PullSecret,
                "CREDENTIAL",
                "a pull secret needs an API token: the built-in credential ends with the step",
                "write `CREDENTIAL: api-token`, or leave it out",
            ));
        }
        let file = self.output_path("PULL_SECRET", secret, Path::new(secret.trim()))?;
        Ok(Login::PullSecret(file, name.transpose()?.unwrap_or_default()))
    }
}
