//! What is asked for, checked: the variables' meaning, all mistakes found at once. A [`Request`] cannot hold nonsense.

mod copy;

pub use copy::{Copy, Item, Pattern, Selection, Shard};

use crate::archive::{Location, Transport};
use crate::credential::Choice;
use crate::engine::Address;
use crate::image::{Host, Namespace, Reference, Repository, Tag, split, split_host};
use crate::mistake::Mistake;
use crate::platform::Platform;
use crate::registry;
use crate::variables::{ACTIONS, Variables};
use std::fmt;
use std::path::{Component, Path, PathBuf};
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
}

/// `ACTION: pull`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The images, each once.
    pub images: Vec<Reference>,
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
    pub folder: PathBuf,
}

/// `REPORT` and `OUTPUT_ENV`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outputs {
    /// File for the JSON report.
    pub report: Option<PathBuf>,
    /// File for lines to `source`.
    pub env: Option<PathBuf>,
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

    /// Whether it writes to the registry.
    #[must_use]
    pub const fn writes(&self) -> bool {
        matches!(self, Self::Retag(_) | Self::Push(_) | Self::Copy(_))
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

    fn action(&mut self, namespace: &Namespace, step: &Step) -> Option<Action> {
        let written = self
            .variables
            .scalars
            .action
            .clone()
            .unwrap_or_else(|| "pull".to_owned());
        match written.trim().to_ascii_lowercase().as_str() {
            "pull" => self.pull(namespace, step).map(Action::Pull),
            "retag" => self.retag(namespace).map(Action::Retag),
            "push" => self.push(namespace).map(Action::Push),
            "copy" => self.copy(namespace).map(Action::Copy),
            "login" => self.login(step).map(Action::Login),
            _ => {
                self.mistake(Mistake::new(
                    "ACTION",
                    &written,
                    "there is no such action",
                    format!("write one of `{}`", ACTIONS.join("`, `")),
                ));
                None
            }
        }
    }

    fn pull(&mut self, namespace: &Namespace, step: &Step) -> Option<Pull> {
        let mut images: Vec<Reference> = Vec::new();
        for text in &self.variables.images {
            match Reference::parse(text, namespace) {
                Ok(mut image) => {
                    if image.tag.is_none() && image.digest.is_none() {
                        image.tag = Some(Tag::latest());
                    }
                    if !images.contains(&image) {
                        images.push(image);
                    }
                }
                Err(bad) => self.mistake(Mistake::new("IMAGES", text, bad.to_string(), bad.hint())),
            }
        }
        if self.variables.images.is_empty() {
            self.mistake(Mistake::unshown(
                "IMAGES",
                "`pull` needs the images to bring into the step's Docker daemon",
                "write `IMAGES: 'base:1 tools:2'` or a list; other registries' images with their host",
            ));
        }
        let platform = self.platform();
        let to = self.destination(step)?;
        Some(Pull { images, platform, to })
    }

    /// `TO`: the daemon, unless an archive is named.
    fn destination(&mut self, step: &Step) -> Option<Destination> {
        let written = self
            .variables
            .scalars
            .to
            .as_deref()
            .map(str::trim)
            .filter(|to| !to.is_empty());
        let Some(written) = written.filter(|to| *to != "docker-daemon:") else {
            return self.daemon().map(Destination::Daemon);
        };
        let mistake = match Location::parse(written) {
            Ok(Some(mut location)) => {
                let path = location.path.display().to_string();
                location.path = self.output_path("TO", &path, step)?;
                return Some(Destination::Archive(location));
            }
            Ok(None) => Mistake::new(
                "TO",
                written,
                "it names no form of output",
                "write `oci:FOLDER`, `oci-archive:FILE` or `docker-archive:FILE`; leave it out for the step's Docker daemon",
            ),
            Err(bad) => Mistake::new("TO", written, bad.to_string(), bad.hint()),
        };
        self.mistake(mistake);
        None
    }

    fn retag(&mut self, namespace: &Namespace) -> Option<Retag> {
        let tags = self.tags();
        if self.variables.tags.is_empty() {
            self.mistake(Mistake::unshown(
                "TAGS",
                "`retag` needs the tags to set",
                "write `TAGS: '1.4.2 latest'` or a list",
            ));
        }
        if let Some(target) = self.variables.scalars.target.clone() {
            self.mistake(Mistake::new(
                "TARGET",
                &target,
                "`retag` stays in the repository of `SOURCE`",
                "leave it out; to bring an image to another repository use `ACTION: copy`",
            ));
        }
        let on_existing = self.on_existing();
        let source = self.required_source(
            "`retag` needs the image that is in the registry",
            "write `SOURCE: package:tag`",
        )?;
        if let Some(transport) = transport(&source) {
            self.mistake(Mistake::new(
                "SOURCE",
                &source,
                format!("`retag` works inside the registry, not on `{transport}`"),
                "write `package:tag`, or use `ACTION: push` for an image built in this step",
            ));
            return None;
        }
        match Reference::parse(&source, namespace) {
            Ok(source) if *source.repository.host() == namespace.registry => Some(Retag {
                source,
                tags,
                on_existing,
            }),
            Ok(other) => {
                self.mistake(Mistake::new(
                    "SOURCE",
                    &source,
                    format!(
                        "it is on `{}`, but `REGISTRY` is `{}`",
                        other.repository.host(),
                        namespace.registry
                    ),
                    "`retag` stays in one repository of `REGISTRY`",
                ));
                None
            }
            Err(bad) => {
                self.mistake(Mistake::new("SOURCE", &source, bad.to_string(), bad.hint()));
                None
            }
        }
    }

    fn push(&mut self, namespace: &Namespace) -> Option<Push> {
        let on_existing = self.on_existing();
        let platform = self.platform();
        let mut tags = self.tags();
        let target = self.target(namespace);
        let written = self.required_source(
            "`push` needs the image that the step has built",
            "write the name given to `docker build -t`, as in `SOURCE: api:build`, or an archive, as in `oci-archive:FILE`",
        )?;
        let (source, name) = self.push_source(&written)?;
        let parts = name.as_deref().map_or(Ok((None, None)), daemon_name);
        let (name_part, source_tag) = match (parts, &source) {
            (Ok(parts), _) => parts,
            // An archive may hold an image under any name; it then names no target.
            (Err(_), Source::Archive(_)) => (None, None),
            (Err(bad), Source::Daemon(..)) => {
                let cure = "write the name that `docker image ls` shows, with its tag";
                self.mistake(Mistake::new("SOURCE", &written, bad.to_string(), cure));
                return None;
            }
        };
        let target = match target {
            Some(target) => target?,
            None => (self.derived_from("SOURCE", &written, name_part, namespace)?, None),
        };
        let (target, target_tag) = target;
        match target_tag {
            Some(tag) if !self.variables.tags.is_empty() => {
                let written = self.variables.scalars.target.clone().unwrap_or_default();
                self.mistake(Mistake::new(
                    "TARGET",
                    &written,
                    format!("it has the tag `{tag}`, and `TAGS` is set too"),
                    "write the tags in one of them",
                ));
            }
            Some(tag) => tags = vec![tag],
            None if tags.is_empty() => tags = vec![source_tag.unwrap_or_else(Tag::latest)],
            None => {}
        }
        Some(Push {
            source,
            target,
            tags,
            platform,
            on_existing,
        })
    }

    /// `SOURCE` of `push`, and the image's name, as far as it has one.
    fn push_source(&mut self, written: &str) -> Option<(Source, Option<String>)> {
        let mistake = match Location::parse(written) {
            Ok(Some(location)) => {
                let name = archive_name(&location);
                return Some((Source::Archive(location), name));
            }
            Err(bad) => Mistake::new("SOURCE", written, bad.to_string(), bad.hint()),
            Ok(None) => {
                let name = written.strip_prefix("docker-daemon:").unwrap_or(written).to_owned();
                match transport(&name) {
                    None => return Some((Source::Daemon(name.clone(), self.daemon()?), Some(name))),
                    Some(transport) => Mistake::new(
                        "SOURCE",
                        written,
                        format!("`push` does not read `{transport}`"),
                        "write the image's name in the Docker daemon, `docker-archive:FILE`, `oci-archive:FILE` or `oci:FOLDER`",
                    ),
                }
            }
        };
        self.mistake(mistake);
        None
    }

    fn derived_from(
        &mut self,
        variable: &str,
        written: &str,
        name: Option<&str>,
        namespace: &Namespace,
    ) -> Option<Repository> {
        let Some(name) = name else {
            self.mistake(Mistake::new(
                variable,
                written,
                "it names no target",
                "write `TARGET: package`",
            ));
            return None;
        };
        match derived_target(name, namespace) {
            Ok(repository) => Some(repository),
            Err(bad) => {
                let cure = format!("write `TARGET`; {}", bad.hint());
                self.mistake(Mistake::new(
                    variable,
                    written,
                    format!("no target follows from it: {bad}"),
                    cure,
                ));
                None
            }
        }
    }

    fn login(&mut self, step: &Step) -> Option<Login> {
        if let Some(text) = &self.variables.scalars.docker_config {
            self.output_path("DOCKER_CONFIG", text, step)
                .map(|folder| Login { folder })
        } else {
            let base = step.clone_folder.as_ref().unwrap_or(&step.working_folder);
            Some(Login {
                folder: base.join(".docker"),
            })
        }
    }

    fn required_source(&mut self, problem: &str, cure: &str) -> Option<String> {
        let source = self
            .variables
            .scalars
            .source
            .as_deref()
            .map(str::trim)
            .filter(|source| !source.is_empty());
        if source.is_none() {
            self.mistake(Mistake::unshown("SOURCE", problem, cure));
        }
        source.map(str::to_owned)
    }

    /// `TARGET`: absent, or a repository with an optional tag, or a mistake that has been noted.
    #[allow(clippy::option_option, reason = "absent and mistaken are two answers")]
    fn target(&mut self, namespace: &Namespace) -> Option<Option<(Repository, Option<Tag>)>> {
        let written = self
            .variables
            .scalars
            .target
            .as_deref()
            .map(str::trim)
            .filter(|target| !target.is_empty())?;
        let mistake = match Reference::parse(written, namespace) {
            Err(bad) => Mistake::new("TARGET", written, bad.to_string(), bad.hint()),
            Ok(Reference { digest: Some(_), .. }) => Mistake::new(
                "TARGET",
                written,
                "it has a digest, which the image itself decides",
                "write `package` or `package:tag`",
            ),
            Ok(target) if *target.repository.host() != namespace.registry => Mistake::new(
                "TARGET",
                written,
                format!(
                    "it is on `{}`, but what is written goes to `REGISTRY`, `{}`",
                    target.repository.host(),
                    namespace.registry
                ),
                "write `package` or `workspace/package` without a host",
            ),
            Ok(target) => return Some(Some((target.repository, target.tag))),
        };
        self.mistake(mistake);
        Some(None)
    }

    fn tags(&mut self) -> Vec<Tag> {
        let mut tags = Vec::new();
        for text in &self.variables.tags {
            match Tag::parse(text) {
                Ok(tag) if !tags.contains(&tag) => tags.push(tag),
                Ok(_) => {}
                Err(_) if text.contains([':', '/', '@']) && !text.starts_with('/') && text.contains(':') => {
                    self.mistake(Mistake::new(
                        "TAGS",
                        text,
                        "it is a whole reference",
                        "write the tags alone, as in `1.4.2 latest`",
                    ));
                }
                Err(bad) => self.mistake(Mistake::new("TAGS", text, bad.to_string(), bad.hint())),
            }
        }
        tags
    }

    fn on_existing(&mut self) -> OnExisting {
        let Some(written) = self.variables.scalars.on_existing.clone() else {
            return OnExisting::default();
        };
        match written.trim().to_ascii_lowercase().as_str() {
            "overwrite" => OnExisting::Overwrite,
            "skip" => OnExisting::Skip,
            "fail" => OnExisting::Fail,
            _ => {
                self.mistake(Mistake::new(
                    "ON_EXISTING",
                    &written,
                    "there is no such choice",
                    "write `overwrite`, `skip` or `fail`",
                ));
                OnExisting::default()
            }
        }
    }

    fn platform(&mut self) -> Option<Platform> {
        let written = self.variables.scalars.platform.clone()?;
        match Platform::parse(written.trim()) {
            Ok(platform) => Some(platform),
            Err(bad) => {
                self.mistake(Mistake::new(
                    "PLATFORM",
                    &written,
                    bad.to_string(),
                    "write one platform, as in `linux/amd64` or `linux/arm64/v8`",
                ));
                None
            }
        }
    }

    fn daemon(&mut self) -> Option<Address> {
        match Address::parse(self.variables.scalars.docker_host.as_deref()) {
            Ok(address) => Some(address),
            Err(mistake) => {
                self.mistake(mistake);
                None
            }
        }
    }

    fn registry(&mut self) -> Host {
        let written = self
            .variables
            .scalars
            .registry
            .as_deref()
            .map_or(Host::BITBUCKET, str::trim);
        let mistake = match Host::parse(written) {
            Ok(host) => match crate::image::wrong_host(&host) {
                None => return host,
                Some(what) => Mistake::new(
                    "REGISTRY",
                    written,
                    format!("it is not Bitbucket's container registry: {what}"),
                    format!("write `{}`, or leave the variable out", Host::BITBUCKET),
                ),
            },
            Err(bad) => Mistake::new("REGISTRY", written, bad.to_string(), bad.hint()),
        };
        self.mistake(mistake);
        // Anything that parses: the mistake ends the run before a host is asked.
        Host::bitbucket()
    }

    fn choice(&mut self) -> Choice {
        let Some(written) = self.variables.scalars.credential.clone() else {
            return Choice::Auto;
        };
        match written.trim().to_ascii_lowercase().as_str() {
            "auto" => Choice::Auto,
            "built-in" => Choice::BuiltIn,
            "api-token" => Choice::ApiToken,
            _ => {
                // The value is not shown: who misunderstands the name may have put a token here.
                self.mistake(Mistake::unshown(
                    "CREDENTIAL",
                    "it names which credential to use, and there is no such choice",
                    "write `auto`, `built-in` or `api-token`",
                ));
                Choice::Auto
            }
        }
    }

    fn expires_on(&mut self) -> Option<Date> {
        let written = self.variables.scalars.token_expires_on.clone()?;
        match crate::credential::expiry::parse(&written) {
            Ok(date) => Some(date),
            Err(mistake) => {
                self.mistake(mistake);
                None
            }
        }
    }

    fn boolean(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value
            && !matches!(value.trim().to_ascii_lowercase().as_str(), "true" | "false")
        {
            self.mistake(Mistake::new(
                name,
                value,
                "it is a switch",
                "write `'true'` or `'false'`",
            ));
        }
    }

    fn number(&mut self, name: &str, value: Option<&str>, default: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
        let Some(value) = value else { return default };
        match value.trim().parse::<u64>() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.mistake(Mistake::new(
                    name,
                    value,
                    "it is no number in its range",
                    format!("write a whole number from {} to {}", range.start(), range.end()),
                ));
                default
            }
        }
    }

    fn roots(&mut self, working_folder: &Path) -> Vec<reqwest::Certificate> {
        let Some(written) = &self.variables.scalars.ca_certificate else {
            return Vec::new();
        };
        let cure = "write the PEM text or the path of a PEM file";
        let (pem, shown) = if written.contains("-----BEGIN") {
            // A secured variable may hold the line ends as two characters.
            (written.replace("\\n", "\n").into_bytes(), None)
        } else {
            match std::fs::read(working_folder.join(written.trim())) {
                Ok(pem) => (pem, Some(written)),
                Err(error) => {
                    let mistake = Mistake::new(
                        "CA_CERTIFICATE",
                        written,
                        format!("the file cannot be read ({error})"),
                        cure,
                    );
                    self.mistake(mistake);
                    return Vec::new();
                }
            }
        };
        let usable = reqwest::Certificate::from_pem_bundle(&pem).ok().filter(|roots| {
            !roots.is_empty()
                && reqwest::Client::builder()
                    .no_proxy()
                    .tls_certs_only(roots.iter().cloned())
                    .build()
                    .is_ok()
        });
        if let Some(roots) = usable {
            return roots;
        }
        let problem = "it holds no certificate in PEM form";
        let mistake = match shown {
            Some(path) => Mistake::new("CA_CERTIFICATE", path, problem, cure),
            None => Mistake::unshown("CA_CERTIFICATE", problem, cure),
        };
        self.mistake(mistake);
        Vec::new()
    }

    fn outputs(&mut self, step: &Step) -> Outputs {
        let scalars = &self.variables.scalars;
        let (report, env) = (scalars.report.clone(), scalars.output_env.clone());
        let report_path = report.as_ref().and_then(|text| self.output_path("REPORT", text, step));
        let env_path = env.as_ref().and_then(|text| self.output_path("OUTPUT_ENV", text, step));
        if let (Some(report), Some(same)) = (&report_path, &env)
            && env_path.as_ref() == Some(report)
        {
            self.mistake(Mistake::new(
                "OUTPUT_ENV",
                same,
                "it is the file of `REPORT` too",
                "write two names",
            ));
        }
        Outputs {
            report: report_path,
            env: env_path,
        }
    }

    /// A path to write to. In a pipe it must lie in the clone: the step sees nothing else of the pipe's container.
    fn output_path(&mut self, name: &str, text: &str, step: &Step) -> Option<PathBuf> {
        let path = normal(&step.working_folder.join(text.trim()));
        let Some(clone) = step.clone_folder.as_ref().filter(|_| step.in_pipe) else {
            return Some(path);
        };
        let clone = normal(&step.working_folder.join(clone));
        if path.starts_with(&clone) && path != clone {
            return Some(path);
        }
        self.mistake(Mistake::new(
            name,
            text,
            "it is outside the clone, so the step would never see it",
            format!("write a path below `{}`", clone.display()),
        ));
        None
    }
}

/// The transport that a source begins with, as skopeo spells them.
fn transport(source: &str) -> Option<&'static str> {
    [
        "docker-daemon:",
        "docker-archive:",
        "oci-archive:",
        "oci:",
        "docker://",
        "dir:",
        "containers-storage:",
    ]
    .into_iter()
    .find(|transport| source.starts_with(transport))
}

/// The name of an archive's image that a target may follow from: a docker-archive names images as a daemon does; of a
/// layout's names only a full reference is one.
fn archive_name(location: &Location) -> Option<String> {
    let name = location.name.clone().filter(|name| !name.starts_with('@'))?;
    (location.transport == Transport::DockerArchive || name.contains('/')).then_some(name)
}

/// Name without tag, and tag, of an image as a daemon has it; no name for an ID.
#[allow(clippy::type_complexity, reason = "two halves of one name")]
fn daemon_name(text: &str) -> Result<(Option<&str>, Option<Tag>), crate::image::BadReference> {
    let hexadecimal = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if let Some(id) = text.strip_prefix("sha256:")
        && id.len() >= 12
        && hexadecimal(id)
    {
        return Ok((None, None));
    }
    let (name, tag, _) = split(text)?;
    Ok((Some(name), tag.map(Tag::parse).transpose()?))
}

/// The repository that a daemon's image goes to if nothing else is said: of the same name, in this workspace;
/// of a foreign name its last part.
fn derived_target(name: &str, namespace: &Namespace) -> Result<Repository, crate::image::BadReference> {
    let own = match split_host(name) {
        (Some(host), path) if Host::parse(host)? == namespace.registry => {
            return Repository::new(namespace.registry.clone(), path);
        }
        (Some(_), path) => path.rsplit('/').next().unwrap_or(path),
        (None, path) => path,
    };
    Reference::parse(own, namespace).map(|reference| reference.repository)
}

/// A path with `.` and `..` worked out by its text, for a file that need not exist yet.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
        normal
    })
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
