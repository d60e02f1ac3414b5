//! Runs a step of a `bitbucket-pipelines.yml` as Bitbucket Pipelines would: one shell script, in which every pipe is a
//! `docker container run` against the step's own daemon. The form of that line, its volumes and its list of variables
//! are those of real logs; a temporary folder stands in for `/opt/atlassian/pipelines/agent`.

use super::engine::Engine;
use super::outcome::Secrets;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// The variables that every pipe gets, if the step has them. `BITBUCKET_PACKAGES_*` are not among them: no log shows
/// that a pipe inherits these, so a pipe must name them.
const PASSED: [&str; 34] = [
    "BITBUCKET_STEP_TRIGGERER_UUID",
    "BITBUCKET_REPO_FULL_NAME",
    "BITBUCKET_GIT_HTTP_ORIGIN",
    "BITBUCKET_REPO_SLUG",
    "BITBUCKET_PROJECT_UUID",
    "CI",
    "BITBUCKET_REPO_OWNER",
    "BITBUCKET_REPO_IS_PRIVATE",
    "BITBUCKET_WORKSPACE",
    "BITBUCKET_SSH_KEY_FILE",
    "BITBUCKET_REPO_OWNER_UUID",
    "BITBUCKET_STEP_RUN_NUMBER",
    "BITBUCKET_BUILD_NUMBER",
    "BITBUCKET_BRANCH",
    "BITBUCKET_TAG",
    "BITBUCKET_PR_ID",
    "BITBUCKET_PR_DESTINATION_BRANCH",
    "BITBUCKET_GIT_SSH_ORIGIN",
    "BITBUCKET_PIPELINE_UUID",
    "BITBUCKET_PIPELINES_VARIABLES_PATH",
    "BITBUCKET_COMMIT",
    "BITBUCKET_REPO_UUID",
    "BITBUCKET_CLONE_DIR",
    "BITBUCKET_PROJECT_KEY",
    "BITBUCKET_PARALLEL_STEP",
    "BITBUCKET_PARALLEL_STEP_COUNT",
    "BITBUCKET_DEPLOYMENT_ENVIRONMENT",
    "BITBUCKET_DEPLOYMENT_ENVIRONMENT_UUID",
    "PIPELINES_JWT_TOKEN",
    "BITBUCKET_STEP_UUID",
    "BITBUCKET_STEP_OIDC_TOKEN",
    "BITBUCKET_DOCKER_HOST_INTERNAL",
    "DOCKER_HOST",
    "BITBUCKET_PIPE_STORAGE_DIR",
];

/// A line of a script.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// For the step's shell.
    Shell(String),
    /// A pipe.
    Pipe(PipeEntry),
}

/// An entry `- pipe:` of a script.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PipeEntry {
    /// `account/repository:version` or `docker://image`.
    pub pipe: String,
    /// What the entry sets, in its order.
    #[serde(default)]
    pub variables: Mapping,
}

/// A step of a pipeline.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Step {
    /// Its lines.
    pub script: Vec<Line>,
    /// Its number from 0 in its parallel group, and how many the group has.
    #[serde(skip)]
    pub parallel: Option<(usize, usize)>,
}

impl Step {
    /// The steps of the `default` pipeline of a whole `bitbucket-pipelines.yml`, those of parallel groups one by one.
    pub fn of_file(text: &str) -> Vec<Self> {
        let file: Value = serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error} in:\n{text}"));
        let pipelines = &file["pipelines"];
        let custom = pipelines["custom"]
            .as_mapping()
            .and_then(|custom| custom.values().next());
        let items = pipelines["default"]
            .as_sequence()
            .or(custom.and_then(Value::as_sequence));
        let items = items.expect("a default or a custom pipeline");
        let step = |item: &Value, parallel| {
            let step: Self = serde_yaml::from_value(item["step"].clone()).unwrap_or_else(|error| panic!("{error}"));
            Self { parallel, ..step }
        };
        let of_group = |group: &[Value]| -> Vec<Self> {
            let place = |number| Some((number, group.len()));
            group.iter().enumerate().map(|(n, item)| step(item, place(n))).collect()
        };
        items
            .iter()
            .flat_map(|item| match &item["parallel"] {
                Value::Sequence(group) => of_group(group),
                Value::Mapping(group) => of_group(group["steps"].as_sequence().expect("parallel steps")),
                _ => vec![step(item, None)],
            })
            .collect()
    }

    /// A step with these script lines, as YAML list items (`- pipe: …`).
    pub fn of_script(lines: &str) -> Self {
        let script = serde_yaml::from_str(lines).unwrap_or_else(|error| panic!("{error} in:\n{lines}"));
        Self { script, parallel: None }
    }
}

/// What `pipe.yml` says to Pipelines.
#[derive(Debug, Deserialize)]
struct PipeFile {
    image: String,
    variables: Vec<ContextDefault>,
}

#[derive(Debug, Deserialize)]
struct ContextDefault {
    name: String,
    default: String,
}

/// A repository in Pipelines: its clone, its variables and the Docker service of its steps.
pub struct Pipelines {
    agent: TempDir,
    clone: PathBuf,
    /// Where the step's shell finds its programs, after those of [`Pipelines::program`].
    path: String,
    variables: BTreeMap<String, String>,
    carried: BTreeMap<String, String>,
    options: String,
    pipe_host: String,
}

impl Pipelines {
    /// A repository `shop/api` whose steps have this engine as their Docker service.
    pub fn new(engine: &Engine) -> Self {
        let repository = Self::at(
            &engine.tcp(),
            &engine.bridge().to_string(),
            "tcp://host.docker.internal:2375",
        );
        Self {
            path: engine.path(),
            ..repository
        }
    }

    /// The same with addresses alone: `DOCKER_HOST` of the step and of its pipes, and this machine's address on the
    /// daemon's network.
    fn at(step_host: &str, bridge: &str, pipe_host: &str) -> Self {
        let agent = tempfile::Builder::new().prefix("crg-pipe-agent-").tempdir().unwrap();
        let clone = agent.path().join("build");
        fs::create_dir_all(agent.path().join("ssh")).unwrap();
        fs::create_dir_all(&clone).unwrap();
        // A daemon with user namespaces passes the folders as somebody else; the clone is open to all, as in Pipelines.
        fs::set_permissions(agent.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&clone, fs::Permissions::from_mode(0o777)).unwrap();
        let repository = Self {
            path: std::env::var("PATH").expect("a PATH"),
            carried: BTreeMap::new(),
            variables: BTreeMap::new(),
            options: String::new(),
            pipe_host: pipe_host.to_owned(),
            agent,
            clone,
        };
        let clone = repository.clone.to_str().expect("a path of ASCII").to_owned();
        [
            ("BITBUCKET_CLONE_DIR", clone.as_str()),
            ("BITBUCKET_DOCKER_HOST_INTERNAL", bridge),
            ("DOCKER_HOST", step_host),
            ("CI", "true"),
            ("BITBUCKET_WORKSPACE", "shop"),
            ("BITBUCKET_REPO_OWNER", "shop"),
            ("BITBUCKET_REPO_SLUG", "api"),
            ("BITBUCKET_REPO_FULL_NAME", "shop/api"),
            ("BITBUCKET_REPO_IS_PRIVATE", "true"),
            ("BITBUCKET_REPO_UUID", "{3f6e8c0e-6d5b-4b5e-9c51-0b1e8f2a7d10}"),
            ("BITBUCKET_PROJECT_KEY", "SHOP"),
            ("BITBUCKET_BRANCH", "main"),
            ("BITBUCKET_COMMIT", "7f9c24e8b1d0a6c35e4f8b2d9a0c1e3f5b7d9e01"),
            ("BITBUCKET_BUILD_NUMBER", "41"),
            ("BITBUCKET_STEP_UUID", "{d2b4a5e6-1c3f-4e7a-8b9d-0f1e2d3c4b5a}"),
            ("BITBUCKET_STEP_RUN_NUMBER", "1"),
            ("BITBUCKET_GIT_HTTP_ORIGIN", "http://bitbucket.org/shop/api"),
            ("PIPELINES_JWT_TOKEN", "eyJhbGciOiJub25lIn0.eyJwaXBlbGluZXMiOnRydWV9.x"),
        ]
        .into_iter()
        .fold(repository, |repository, (name, value)| repository.variable(name, value))
    }

    /// Sets a variable of the step: a default of Pipelines, or one of the workspace, the repository or the deployment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Makes every pipe find another name at the bridge: `crg.apkg.io` itself, say.
    #[must_use]
    pub fn host(self, name: &str) -> Self {
        let option = format!("--add-host=\"{name}:$BITBUCKET_DOCKER_HOST_INTERNAL\"");
        self.option(&option)
    }

    /// Adds an option to the line of every pipe: for what a company's daemon is set up with (name servers).
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        write!(self.options, " {option}").unwrap();
        self
    }

    /// Hands a variable to every pipe besides what its entry says: what the tests' network needs (a private CA).
    #[must_use]
    pub fn carry(mut self, name: &str, value: &str) -> Self {
        self.carried.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The folder of the clone: `BITBUCKET_CLONE_DIR`, and where scripts begin.
    pub fn clone_dir(&self) -> &Path {
        &self.clone
    }

    /// Writes a file of the clone, with the folders above it.
    pub fn file(&self, path: &str, content: &str) {
        let path = self.clone.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A program that the step's image has: a stand-in for one that this machine lacks.
    pub fn program(&self, name: &str, script: &str) {
        fs::create_dir_all(self.programs()).unwrap();
        let path = self.programs().join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn programs(&self) -> PathBuf {
        self.agent.path().join("bin")
    }

    /// Runs a step to its end. No secret of the step may be in its log.
    pub fn run(&self, step: &Step) -> StepRun {
        let run = self.execute(step);
        self.secrets().assert_absent("the step's log", &run.log);
        run
    }

    fn execute(&self, step: &Step) -> StepRun {
        let mut command = Command::new("sh");
        command
            .args(["-c", &self.script(step)])
            .current_dir(&self.clone)
            .env_clear()
            .env("PATH", format!("{}:{}", self.programs().display(), self.path))
            .env("HOME", self.agent.path())
            // The builder that every Debian client has; BuildKit is the same to a pipe.
            .env("DOCKER_BUILDKIT", "0")
            .envs(&self.variables)
            .stdin(Stdio::null());
        if let Some((number, count)) = step.parallel {
            command
                .env("BITBUCKET_PARALLEL_STEP", number.to_string())
                .env("BITBUCKET_PARALLEL_STEP_COUNT", count.to_string());
        }
        let output = command.output().expect("`sh` runs");
        StepRun {
            status: output.status.code(),
            log: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }

    fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        let variable = |name: &str| self.variables.get(name).map(String::as_str);
        for (username, token) in [
            ("BITBUCKET_PACKAGES_USERNAME", "BITBUCKET_PACKAGES_TOKEN"),
            ("ATLASSIAN_ACCOUNT_EMAIL", "ATLASSIAN_API_TOKEN"),
            ("", "PIPELINES_JWT_TOKEN"),
        ] {
            if let Some(token) = variable(token) {
                secrets.add(variable(username), token);
            }
        }
        secrets
    }

    /// The script of a step, its pipes written out; one line failing ends it.
    fn script(&self, step: &Step) -> String {
        let lines = step.script.iter().map(|line| match line {
            Line::Shell(line) => line.clone(),
            Line::Pipe(entry) => self.docker_line(step, entry),
        });
        ["exec 2>&1".to_owned(), "set -e".to_owned()]
            .into_iter()
            .chain(lines)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Whether a step has this variable.
    fn has(&self, step: &Step, name: &str) -> bool {
        self.variables.contains_key(name) || (step.parallel.is_some() && name.starts_with("BITBUCKET_PARALLEL_STEP"))
    }

    /// The line that Pipelines types into the step's shell for a pipe.
    fn docker_line(&self, step: &Step, entry: &PipeEntry) -> String {
        let (image, storage_name, defaults) = resolve(&entry.pipe);
        let build = self.clone.display();
        let ssh = self.agent.path().join("ssh");
        let shared = self.clone.join(".bitbucket/pipelines/generated/pipeline/pipes");
        let storage = shared.join(storage_name);
        fs::create_dir_all(&storage).unwrap();
        let mut line = format!(
            "docker container run --volume={build}:{build} --volume={ssh}:{ssh}:ro --volume={cli}:/usr/local/bin/docker:ro \
             --volume={shared}:{shared} --volume={storage}:{storage} --workdir=$(pwd) \
             --label=org.bitbucket.pipelines.system=true",
            ssh = ssh.display(),
            cli = docker_client(&self.path).display(),
            shared = shared.display(),
            storage = storage.display(),
        );
        let mut env =
            |name: &str, value: &str| write!(line, " --env={name}=\"{}\"", value.replace('"', "\\\"")).unwrap();
        for name in PASSED {
            match name {
                "DOCKER_HOST" => env(name, &self.pipe_host),
                "BITBUCKET_PIPE_STORAGE_DIR" => {
                    env("BITBUCKET_PIPE_SHARED_STORAGE_DIR", &shared.display().to_string());
                    env(name, &storage.display().to_string());
                }
                _ if self.has(step, name) => env(name, &format!("${name}")),
                _ => {}
            }
        }
        for ContextDefault { name, default } in &defaults {
            if !entry.variables.contains_key(name.as_str()) {
                env(name, default);
            }
        }
        for (name, value) in &entry.variables {
            let name = name.as_str().expect("names are strings");
            match value {
                Value::String(text) => env(name, text),
                Value::Sequence(list) => {
                    env(&format!("{name}_COUNT"), &list.len().to_string());
                    for (n, item) in list.iter().enumerate() {
                        env(&format!("{name}_{n}"), item.as_str().expect("lists hold strings"));
                    }
                }
                other => panic!("Pipelines takes strings and lists of strings only: {name}: {other:?}"),
            }
        }
        for (name, value) in &self.carried {
            write!(line, " --env={name}='{value}'").unwrap();
        }
        write!(
            line,
            "{} --add-host=\"host.docker.internal:$BITBUCKET_DOCKER_HOST_INTERNAL\" {image}",
            self.options
        )
        .unwrap();
        line
    }
}

/// What a step did.
#[derive(Debug)]
pub struct StepRun {
    /// The script's exit status, that of its first failing line; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Its log, both streams in their order.
    pub log: String,
}

impl StepRun {
    /// The log of a step that must have succeeded.
    pub fn succeeded(&self) -> &str {
        assert_eq!(self.status, Some(0), "{}", self.log);
        &self.log
    }

    /// The log of a step that must have failed with this status.
    pub fn failed(&self, status: i32) -> &str {
        assert_eq!(self.status, Some(status), "{}", self.log);
        &self.log
    }
}

/// Builds the pipe's image into an engine, under the name that pipe.yml gives it.
pub fn make_image(engine: &Engine) {
    // Several tests want it, and each run begins with an empty folder for what the image holds.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut make = Command::new("make");
    make.args(["image", &format!("IMAGE={}", pipe_file().image)])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", engine.path())
        .env("DOCKER_HOST", engine.tcp());
    // What Cargo tells the tests of this package would make ring's build script run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO") && text != "CARGO_HOME" {
            make.env_remove(&name);
        }
    }
    let output = make.output().expect("`make` runs");
    assert!(
        output.status.success(),
        "make image:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn pipe_file() -> PipeFile {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipe.yml")).unwrap();
    serde_yaml::from_str(&text).expect("pipe.yml is as Pipelines reads it")
}

/// The image of a pipe, the name of its storage folder, and its context defaults.
fn resolve(pipe: &str) -> (String, String, Vec<ContextDefault>) {
    if let Some(image) = pipe.strip_prefix("docker://") {
        let name = image.split([':', '@']).next().unwrap_or(image);
        return (image.to_owned(), name.to_owned(), Vec::new());
    }
    let (repository, version) = pipe.split_once(':').expect("a pipe names its version");
    let file = pipe_file();
    assert!(
        file.image.starts_with(&format!("{repository}:{version}")),
        "{pipe} is not this pipe: {}",
        file.image
    );
    (file.image, repository.to_owned(), file.variables)
}

/// The Docker client's file, which runtime v2 mounts into every pipe.
fn docker_client(path: &str) -> PathBuf {
    std::env::split_paths(path)
        .map(|folder| folder.join("docker"))
        .find(|file| file.is_file())
        .expect("a `docker` client; `make test` installs one")
}

#[path = "pipelines_tests.rs"]
mod tests;
