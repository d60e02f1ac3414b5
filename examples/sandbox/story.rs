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
/// The packages, and the repository that each is linked to.
const PACKAGES: [(&str, &str); 3] = [("shop/base", "shop/images"), ("shop/api", OWN), ("shop/web", OWN)];

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
    story.copy();
    story.login();
    story.check();
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
        match daemon {
            Ok(daemon) => {
                self.title("1. Pull a private base image into the step's Docker daemon");
                self.say(&format!("The daemon is {}.", daemon.name()));
                self.run("pull", Has::Both, &[("IMAGES", "base:1")], 0);
            }
            Err(NoDaemon(why)) => {
                self.title("1. Pull a private base image into an OCI layout: no daemon, all platforms");
                self.say(&format!(
                    "Without `TO` it goes into the step's Docker daemon, and here is none to use: {why}.\n\
                     Start one or name it in `DOCKER_HOST` to see that too; in a step `services: [docker]` brings it."
                ));
                self.run("pull", Has::Both, &[("IMAGES", "base:1"), ("TO", "oci:images")], 0);
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
        self.expect_same(("shop/base", "1"), ("shop/base", "stable"));
    }

    fn push(&mut self, daemon: &Result<Daemon, NoDaemon>) -> anyhow::Result<()> {
        let Ok(daemon) = daemon else {
            self.title("3. Push from that layout, where a builder without a daemon would have put its image");
            let variables = [
                ("ACTION", "push"),
                ("SOURCE", "oci:images:1"),
                ("TARGET", "api"),
                ("TAGS", "1.0.0 latest"),
            ];
            self.run("push", Has::Both, &variables, 0);
            self.expect_same(("shop/base", "1"), ("shop/api", "1.0.0"));
            self.expect_same(("shop/api", "1.0.0"), ("shop/api", "latest"));
            return Ok(());
        };
        self.title("3. Push what the step has built");
        let variables = [
            ("ACTION", "push"),
            ("SOURCE", BUILT),
            ("TARGET", "api"),
            ("TAGS", "1.0.0 latest"),
        ];
        let base = format!("{}/shop/base:1", self.registry.host());
        daemon.build(BUILT, &base)?;
        self.say(&format!(
            "Before it, the step has run `docker build -t {BUILT} .`, with `FROM {base}`."
        ));
        self.run("push", Has::Both, &variables, 0);
        self.expect_same(("shop/api", "1.0.0"), ("shop/api", "latest"));
        // The daemon is the user's: it keeps nothing of this.
        daemon.remove(BUILT)?;
        daemon.remove(&base)
    }

    fn copy(&mut self) {
        self.title("4. Copy it to another repository: layers are mounted, no byte of them moves");
        let variables = [("ACTION", "copy"), ("SOURCE", "base:1"), ("TARGET", "web")];
        let moved = self.run("copy", Has::Both, &variables, 0);
        if moved > 0 {
            self.surprises.push(format!("copy moved {moved} bytes of layers"));
        }
        self.expect_same(("shop/base", "1"), ("shop/web", "1"));
    }

    fn login(&mut self) {
        self.title("5. Let later lines of the step sign in: only where Docker itself must");
        self.run("login", Has::Both, &[("ACTION", "login")], 0);
        if !self.clone.path().join(".docker/config.json").is_file() {
            self.surprises.push("login wrote no `config.json`".to_owned());
        }
    }

    fn check(&mut self) {
        self.title(
            "6. Know of trouble before a build does: `ACTION: check` tries an image and a target, and changes nothing",
        );
        let variables = [("ACTION", "check"), ("IMAGES", "api:1.0.0"), ("TARGET", "web")];
        // With the built-in credential alone Bitbucket is asked nothing.
        self.run_unshown("check", Has::BuiltIn, &variables, 0);
    }

    fn refusals(&mut self) {
        let retag = |source| [("ACTION", "retag"), ("SOURCE", source), ("TAGS", "next")];
        self.title("7. Refused: `ATLASSIAN_API_TOKEN` holds a repository access token");
        self.run("access token", Has::AccessToken, &retag("base:1"), 3);
        self.title("8. Refused: nobody has made the package; the same lines with `SOURCE: worker:1`");
        self.run_unshown("missing package", Has::Both, &retag("worker:1"), 4);
        self.title("9. Refused: another repository's package, `base:1` again, and the workspace has no API token");
        self.run_unshown("other repository", Has::BuiltIn, &retag("base:1"), 3);
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

    /// Shows the lines that a user writes, and runs the pipe.
    fn run(&mut self, name: &str, has: Has, variables: &[(&str, &str)], expected: u8) -> u64 {
        self.yaml(variables);
        self.run_unshown(name, has, variables, expected)
    }

    /// Runs the pipe, and counts what it asked for. Gives how many bytes of blobs moved.
    fn run_unshown(&mut self, name: &str, has: Has, variables: &[(&str, &str)], expected: u8) -> u64 {
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
        let moved = self.registry.blob_bytes_sent() + self.registry.blob_bytes_received();
        self.registry.forget_requests();
        let daemon = if daemon == 0 {
            String::new()
        } else {
            format!("; the daemon's own: {daemon}")
        };
        self.runs.push(format!(
            "  {name:<17}{registry} to the registry, {token} to its token server{daemon}"
        ));
        moved
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
        for (package, repository) in PACKAGES {
            let tags = self.registry.tags(package);
            let tags = if tags.is_empty() {
                "no tags".to_owned()
            } else {
                tags.join(" ")
            };
            self.say(&format!("  {package:<10} linked to {repository:<12} {tags}"));
        }
    }

    /// Two `(package, tag)` must name one image.
    fn expect_same(&mut self, one: (&str, &str), other: (&str, &str)) {
        let digests = (self.registry.tag(one.0, one.1), self.registry.tag(other.0, other.1));
        if digests.0.is_none() || digests.0 != digests.1 {
            self.surprises.push(format!(
                "`{}:{}` and `{}:{}` are not one image",
                one.0, one.1, other.0, other.1
            ));
        }
    }
}
