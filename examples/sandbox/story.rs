//! What the demonstration shows, in order: what a user writes, and what the pipe then says.

use super::daemon::{Daemon, NoDaemon};
use crate::support::emulator::{AccessTokenKind, Emulator, Service, Setup, access_token};
use crate::support::image::Image;
use std::path::Path;
use tempfile::TempDir;

/// A variable and its value.
pub(crate) type Variable = (String, String);

/// Where the story is told: in a terminal, or in a test.
pub(crate) trait Stage {
    /// Shows a text on lines of its own.
    fn say(&mut self, text: &str);

    /// Runs the pipe, shows what it prints, and gives its exit status.
    fn run(&mut self, environment: &[Variable], working_folder: &Path) -> u8;
}

/// Which credentials the step has.
#[derive(Clone, Copy)]
enum Has {
    /// The built-in one, and the API token of the workspace.
    Both,
    /// The built-in one alone.
    BuiltIn,
    /// The built-in one, and an access token where an API token belongs.
    AccessToken,
}

/// A step of a pipeline with the registry that it meets.
struct Story<'a, S> {
    stage: &'a mut S,
    registry: Emulator,
    clone: TempDir,
    docker_host: Option<&'a str>,
    plain: bool,
    runs: Vec<String>,
    surprises: Vec<String>,
}

/// Name under which the step builds its image: in the user's own daemon, so none that a user has.
const BUILT: &str = "crg-pipe-sandbox/api:build";
/// Where the built-in credential reaches: the packages of this repository.
const OWN: &str = "shop/api";

/// Tells it all. `plain` is without colour. Gives what was not as it should be.
pub(crate) fn tell(stage: &mut impl Stage, docker_host: Option<&str>, plain: bool) -> anyhow::Result<Vec<String>> {
    let token = access_token("sandbox");
    let registry = Emulator::start(Setup::shop().access_token(&token, AccessTokenKind::Repository, &["repository"]));
    registry.put_image("shop/base", "1", &Image::multi("base"));
    registry.put_image("shop/api", "0.9.0", &Image::small("api"));
    let daemon = Daemon::find(docker_host, registry.host())?;
    registry.forget_requests();
    let mut story = Story {
        stage,
        registry,
        clone: TempDir::with_prefix("crg-pipe-sandbox-")?,
        docker_host,
        plain,
        runs: Vec::new(),
        surprises: Vec::new(),
    };
    story.introduction();
    story.pull(&daemon);
    story.retag();
    story.push(&daemon)?;
    story.refusals();
    story.summary();
    Ok(story.surprises)
}

impl<S: Stage> Story<'_, S> {
    fn introduction(&mut self) {
        let host = self.registry.host().to_owned();
        self.say(&format!(
            "crg-pipe {version}: the whole pipe on a registry inside this process\n\n\
             `{host}` stands in for `crg.apkg.io`, here and in every line below.\n\
             The step is one of repository `{OWN}` in workspace `shop`. It has the built-in credential, which reaches\n\
             the packages of `{OWN}`, and the workspace's API token, which reaches those of `shop/images` too.\n\
             The registry holds:",
            version = env!("CARGO_PKG_VERSION"),
        ));
        self.holdings();
    }

    fn pull(&mut self, daemon: &Result<Daemon, NoDaemon>) {
        self.title("1. Pull a private base image into the step's Docker daemon");
        let variables = [("IMAGES", "base:1")];
        match daemon {
            Ok(daemon) => {
                self.say(&format!("The daemon is {}.", daemon.name()));
                self.run("pull", Has::Both, &variables, 0);
            }
            Err(NoDaemon(why)) => {
                self.yaml(&variables);
                self.say(&format!(
                    "Not run: {why}.\n\
                     In a step `services: [docker]` brings the daemon; here, start one or name it in `DOCKER_HOST`.\n\
                     The image is there for it, as the list above shows."
                ));
            }
        }
    }

    fn retag(&mut self) {
        self.title("2. Give it more tags: no daemon, no layer is moved, all platforms are kept");
        self.run(
            "retag",
            Has::Both,
            &[("ACTION", "retag"), ("SOURCE", "base:1"), ("TAGS", "1.0 stable")],
            0,
        );
        self.expect_same("shop/base", "1", "stable");
    }

    fn push(&mut self, daemon: &Result<Daemon, NoDaemon>) -> anyhow::Result<()> {
        self.title("3. Push what the step has built");
        let variables = [
            ("ACTION", "push"),
            ("SOURCE", BUILT),
            ("TARGET", "api"),
            ("TAGS", "1.0.0 latest"),
        ];
        let Ok(daemon) = daemon else {
            self.yaml(&variables);
            self.say(&format!(
                "Not run: `push` of this version reads the step's Docker daemon, and there is none to use.\n\
                 It would push `{BUILT}` as `{host}/shop/api:1.0.0`, and set `latest` in the registry.",
                host = self.registry.host(),
            ));
            return Ok(());
        };
        let base = format!("{}/shop/base:1", self.registry.host());
        daemon.build(BUILT, &base)?;
        self.say(&format!(
            "Before it, the step has run `docker build -t {BUILT} .`, with `FROM {base}`."
        ));
        self.run("push", Has::Both, &variables, 0);
        self.expect_same("shop/api", "1.0.0", "latest");
        // The daemon is the user's: it keeps nothing of this.
        daemon.remove(BUILT)?;
        daemon.remove(&base)
    }

    fn refusals(&mut self) {
        let retag = |source| [("ACTION", "retag"), ("SOURCE", source), ("TAGS", "next")];
        self.title("4. Refused: `ATLASSIAN_API_TOKEN` holds a repository access token");
        self.run("access token", Has::AccessToken, &retag("base:1"), 3);
        self.title("5. Refused: nobody has made the package");
        self.run("missing package", Has::Both, &retag("worker:1"), 4);
        self.title("6. Refused: another repository's package, and the workspace has no API token");
        self.run("other repository", Has::BuiltIn, &retag("base:1"), 3);
    }

    fn summary(&mut self) {
        self.title("What is left");
        self.say("The registry now holds:");
        self.holdings();
        self.say("Requests that each run took:");
        for line in std::mem::take(&mut self.runs) {
            self.say(&line);
        }
        self.say(
            "\nGo on with README.md: every variable, which credential works, and what to write in your own pipeline.",
        );
    }

    fn title(&mut self, text: &str) {
        self.say(&format!("\n── {text}"));
    }

    fn say(&mut self, text: &str) {
        self.stage.say(text);
    }

    fn yaml(&mut self, variables: &[(&str, &str)]) {
        self.say(concat!(
            "  - pipe: crgpipe/crg-pipe:",
            env!("CARGO_PKG_VERSION"),
            "\n    variables:"
        ));
        for (name, value) in variables {
            let plain = value.starts_with(|c: char| c.is_ascii_alphabetic()) && !value.contains(char::is_whitespace);
            let quote = if plain { "" } else { "'" };
            self.say(&format!("      {name}: {quote}{value}{quote}"));
        }
        self.say("");
    }

    /// Shows the lines that a user writes, runs the pipe, and counts what it asked for.
    fn run(&mut self, name: &str, has: Has, variables: &[(&str, &str)], expected: u8) {
        self.yaml(variables);
        let environment = self.environment(has, variables);
        let status = self.stage.run(&environment, self.clone.path());
        if status != expected {
            self.surprises
                .push(format!("{name} ended with status {status}, not {expected}"));
        }
        let (mut registry, mut token, mut daemon) = (0, 0, 0);
        for entry in self.registry.journal() {
            let is_ours = entry.user_agent.is_some_and(|agent| agent.starts_with("crg-pipe/"));
            match entry.service {
                _ if !is_ours => daemon += 1,
                Service::Token => token += 1,
                _ => registry += 1,
            }
        }
        self.registry.forget_requests();
        let daemon = if daemon == 0 {
            String::new()
        } else {
            format!("; the daemon's own: {daemon}")
        };
        self.runs.push(format!(
            "  {name:<17}{registry} to the registry, {token} to its token server{daemon}"
        ));
    }

    fn environment(&self, has: Has, variables: &[(&str, &str)]) -> Vec<Variable> {
        let clone = self.clone.path().display().to_string();
        let storage = format!("{clone}/.bitbucket/pipelines/generated/pipeline/pipes");
        let mut all = vec![
            ("REGISTRY", self.registry.host().to_owned()),
            ("BITBUCKET_WORKSPACE", "shop".to_owned()),
            ("BITBUCKET_REPO_FULL_NAME", OWN.to_owned()),
            ("BITBUCKET_PIPE_STORAGE_DIR", storage),
            ("BITBUCKET_CLONE_DIR", clone),
            ("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME.to_owned()),
            ("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN.to_owned()),
        ];
        let personal = match has {
            Has::Both => Some(Setup::api_token()),
            Has::AccessToken => Some(access_token("sandbox")),
            Has::BuiltIn => None,
        };
        if let Some(token) = personal {
            all.push(("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL.to_owned()));
            all.push(("ATLASSIAN_API_TOKEN", token));
        }
        all.extend(self.docker_host.map(|host| ("DOCKER_HOST", host.to_owned())));
        all.extend(self.plain.then(|| ("NO_COLOR", "1".to_owned())));
        all.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn holdings(&mut self) {
        for (package, repository) in [("shop/base", "shop/images"), ("shop/api", OWN)] {
            let tags = self.registry.tags(package);
            let tags = if tags.is_empty() {
                "no tags".to_owned()
            } else {
                tags.join(" ")
            };
            self.say(&format!("  {package:<10} linked to {repository:<12} {tags}"));
        }
    }

    fn expect_same(&mut self, package: &str, one: &str, other: &str) {
        let digests = (self.registry.tag(package, one), self.registry.tag(package, other));
        if digests.0.is_none() || digests.0 != digests.1 {
            self.surprises
                .push(format!("`{package}:{one}` and `{package}:{other}` are not one image"));
        }
    }
}
