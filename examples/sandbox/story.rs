//! What the demonstration shows, in order: the problem, the pipe's answer, then each action: what a user writes, and what
//! the pipe says.

use super::daemon::{Daemon, NoDaemon, refusal_of_pull};
use super::kit;
use super::shop::{self, Has, OWN, Variable};
use crate::support::emulator::Emulator;
use crate::support::pki::Authority;
use anyhow::Context as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The name of Bitbucket's registry, under which the emulator is shown.
const REGISTRY: &str = "crg.apkg.io";
/// Where a step of Pipelines has its clone, as which the story's own is shown.
const CLONE: &str = "/opt/atlassian/pipelines/agent/build";
/// Name under which the step builds its image: in the user's own daemon, so none that a user has.
const BUILT: &str = "crg-pipe-sandbox/api:build";

/// The rows of the live kit's table that are shown.
const SHOWN: [&str; 5] = [
    "How does it ask for a sign-in?",
    "How does it answer a read of a tag that does not exist?",
    "Does it mount a blob from the repository itself?",
    "How does it refuse another image under an immutable tag?",
    "Does it delete an image by its digest?",
];

/// Where the story is told: in a terminal, or in a test.
pub(crate) trait Stage {
    /// Shows a text on lines of its own.
    fn say(&mut self, text: &str);

    /// The pipe, which is given its variables and its folder.
    fn pipe(&self) -> Command;
}

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenes {
    /// The problem, the pipe's answer and the pull that works; images are pulled one after the other.
    First,
    /// Everything.
    All,
}

/// A step of a pipeline with the registry that it meets.
struct Story<'a, S> {
    stage: &'a mut S,
    registry: Emulator,
    clone: TempDir,
    docker_host: Option<&'a str>,
    plain: bool,
    scenes: Scenes,
    surprises: Vec<String>,
}

/// Tells it. `plain` is without colour. Gives what was not as it should be.
pub(crate) fn tell(
    stage: &mut impl Stage,
    docker_host: Option<&str>,
    plain: bool,
    scenes: Scenes,
) -> anyhow::Result<Vec<String>> {
    let registry = shop::open();
    let daemon = Daemon::find(docker_host, registry.host())?;
    registry.forget_requests();
    let mut story = Story {
        stage,
        registry,
        clone: TempDir::with_prefix("crg-pipe-sandbox-")?,
        docker_host,
        plain,
        scenes,
        surprises: Vec::new(),
    };
    story.clone_files()?;
    story.problem()?;
    story.answer(&daemon);
    story.pull(&daemon);
    if scenes == Scenes::All {
        story.push(&daemon)?;
        story.retag();
        story.copy();
        story.login();
        story.check();
        story.prune();
        story.require();
        story.live()?;
        story.wrong_token();
        story.end();
    }
    if let Ok(daemon) = &daemon {
        // The daemon is the user's: it keeps nothing of this.
        for image in story.images() {
            daemon.remove(&image)?;
        }
    }
    Ok(story.surprises)
}

impl<S: Stage> Story<'_, S> {
    fn images(&self) -> [String; 3] {
        ["base:1", "tools:2", "api:0.9.0"].map(|name| format!("{}/shop/{name}", self.registry.host()))
    }

    /// A Dockerfile and a compose file that name the images, and what a careful user has beside them.
    fn clone_files(&self) -> anyhow::Result<()> {
        let [base, tools, api] = self.images();
        let folder = self.clone.path();
        std::fs::write(
            folder.join("Dockerfile"),
            format!("FROM {tools} AS build\nFROM {base}\nCOPY --from=build /app /app\n"),
        )?;
        let compose = format!("services:\n  api:\n    image: {api}\n");
        std::fs::write(folder.join("compose.yml"), compose)?;
        // What `login` would warn of.
        std::fs::write(folder.join(".dockerignore"), ".docker\n")?;
        Ok(())
    }

    fn problem(&mut self) -> anyhow::Result<()> {
        let image = self.images()[0].clone();
        let said = refusal_of_pull(&self.registry, "shop/base", "1")?;
        self.registry.forget_requests();
        self.say(&format!(
            "A step of repository `{OWN}` needs its team's private base image, and signs in as Pipelines lets it:\n\n\
             $ docker pull {image}\n\
             {said}"
        ));
        Ok(())
    }

    fn answer(&mut self, daemon: &Result<Daemon, NoDaemon>) {
        self.title("1. Ask the pipe instead: it pulls every image that your files name, or says why it cannot");
        self.run(Has::BuiltIn, &Self::where_to(daemon), 3);
    }

    fn pull(&mut self, daemon: &Result<Daemon, NoDaemon>) {
        self.title("2. Add the API token to the workspace, and run the same again");
        if let Err(NoDaemon(why)) = daemon {
            self.say(&format!(
                "With a Docker daemon, leave `TO` out: images go there. Here: {why}."
            ));
        }
        self.run(Has::Both, &Self::where_to(daemon), 0);
    }

    fn where_to(daemon: &Result<Daemon, NoDaemon>) -> Vec<(&'static str, &'static str)> {
        match daemon {
            Ok(_) => Vec::new(),
            Err(_) => vec![("TO", "oci:images")],
        }
    }

    fn push(&mut self, daemon: &Result<Daemon, NoDaemon>) -> anyhow::Result<()> {
        let source = if let Ok(daemon) = daemon {
            self.title("3. Push what the step built");
            daemon.build(BUILT, &self.images()[0])?;
            BUILT
        } else {
            self.title("3. Push from a layout, where a builder without a daemon puts its image");
            "oci:images:0.9.0"
        };
        let variables = [
            ("ACTION", "push"),
            ("SOURCE", source),
            ("TARGET", "web"),
            ("TAGS", "1.0.0 latest"),
        ];
        self.run(Has::Both, &variables, 0);
        self.expect_same(("shop/web", "1.0.0"), ("shop/web", "latest"));
        match daemon {
            Ok(daemon) => daemon.remove(BUILT),
            Err(_) => Ok(()),
        }
    }

    fn retag(&mut self) {
        self.title("4. Give it another tag: no layer moves, and all platforms stay");
        let variables = [("ACTION", "retag"), ("SOURCE", "web:1.0.0"), ("TAGS", "stable")];
        let moved = self.run(Has::Both, &variables, 0);
        if moved > 0 {
            self.surprises.push(format!("retag moved {moved} bytes of layers"));
        }
        self.expect_same(("shop/web", "1.0.0"), ("shop/web", "stable"));
    }

    fn copy(&mut self) {
        self.title("5. Mirror public images, so that no build depends on Docker Hub");
        let hub = shop::open_docker_hub();
        let proxy = hub.proxy();
        let variables = [("ACTION", "copy"), ("IMAGES", "docker.io/node:2* docker.io/redis:7")];
        self.yaml(&variables);
        let mut with_proxy = variables.to_vec();
        with_proxy.push(("HTTPS_PROXY", &proxy));
        self.run_unshown(Has::Both, &with_proxy, 0);
        for (package, tag) in [("node", "20"), ("node", "22"), ("redis", "7")] {
            let there = self.registry.tag(&format!("shop/{package}"), tag);
            if there.is_none() || there != hub.tag(&format!("library/{package}"), tag) {
                self.surprises.push(format!("`{package}:{tag}` was not mirrored"));
            }
        }
    }

    fn login(&mut self) {
        self.title("6. Sign Docker itself in, for `docker build --pull` or Docker Compose");
        self.run(Has::Both, &[("ACTION", "login"), ("CREDENTIAL", "api-token")], 0);
        if !self.clone.path().join(".docker/config.json").is_file() {
            self.surprises.push("login wrote no `config.json`".to_owned());
        }
        self.say("\nOr let a Kubernetes cluster pull, with a Secret of the API token:\n");
        self.run(Has::Both, &[("ACTION", "login"), ("PULL_SECRET", ".docker/crg.yml")], 0);
        if !self.clone.path().join(".docker/crg.yml").is_file() {
            self.surprises.push("login wrote no Secret".to_owned());
        }
    }

    fn check(&mut self) {
        self.title("7. Check credentials, images and targets before a build needs them");
        self.run(Has::Both, &[("ACTION", "check"), ("TARGET", "web")], 0);
    }

    fn prune(&mut self) {
        self.title("8. Delete tags that nobody needs any more; without `DRY_RUN` it only tells which");
        let variables = [
            ("ACTION", "prune"),
            ("IMAGES", "web:build-*"),
            ("KEEP", "2"),
            ("DRY_RUN", "false"),
        ];
        self.run(Has::Both, &variables, 0);
        let left = self.registry.tags("shop/web");
        if left.iter().filter(|tag| tag.starts_with("build-")).count() != 2 {
            self.surprises
                .push(format!("after the prune these tags were left: {left:?}"));
        }
    }

    fn require(&mut self) {
        self.title("9. Promote an image only if a signature and an SBOM are attached to it");
        let variables = |source| {
            [
                ("ACTION", "copy"),
                ("SOURCE", source),
                ("TARGET", "web"),
                ("TAGS", "promoted"),
                ("REQUIRE", "signature sbom"),
            ]
        };
        self.run(Has::Both, &variables("tools:2"), 5);
        self.say("\nThe base image has both:\n");
        self.run_unshown(Has::Both, &variables("base:1"), 0);
        self.expect_same(("shop/base", "1"), ("shop/web", "promoted"));
    }

    fn live(&mut self) -> anyhow::Result<()> {
        self.title("10. With a workspace of your own: ask its registry what no documentation says");
        let before = self.registry.tags("shop/api");
        let (announced, _) = self.ask_live(false)?;
        self.say(&format!("$ make live\n{}", announced.trim_end()));
        let (told, status) = self.ask_live(true)?;
        let table = told.lines().skip_while(|line| !line.starts_with("crg-pipe "));
        let is_row = |line: &str| line.starts_with("| ") && !line.starts_with("| Question ");
        let is_shown = |line: &&str| !is_row(line) || SHOWN.iter().any(|question| line.contains(question));
        let rows = told.lines().filter(|line| is_row(line)).count();
        let mut lines: Vec<String> = table.filter(is_shown).map(str::to_owned).collect();
        let end = lines.iter().rposition(|line| is_row(line)).map_or(0, |last| last + 1);
        let left_out = rows.saturating_sub(SHOWN.len());
        lines.insert(end, format!("… and {left_out} rows more"));
        self.say(&format!("\n$ YES=1 make live\n…\n{}", lines.join("\n")));
        if status != 0 || !told.contains(", 0 differ, ") || self.registry.tags("shop/api") != before {
            self.surprises
                .push(format!("the live kit ended with status {status}:\n{told}"));
        }
        Ok(())
    }

    /// What the live kit says of the registry, and its exit status.
    fn ask_live(&self, consents: bool) -> anyhow::Result<(String, u8)> {
        let mut given = self.environment(Has::Both, &[("PACKAGE", "api"), ("MEGABYTES", "1")]);
        if consents {
            given.push(("YES".to_owned(), "1".to_owned()));
        }
        let value = |name: &str| {
            let found = given.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let mut told = String::new();
        let mut say = |text: &str| {
            told.push_str(text);
            told.push('\n');
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let status = runtime.block_on(kit::run(&value, &mut say, std::future::pending()));
        Ok((told, status))
    }

    fn wrong_token(&mut self) {
        self.title("11. Learn what is wrong with a credential: this one is a repository access token");
        let variables = [("ACTION", "retag"), ("SOURCE", "base:1"), ("TAGS", "next")];
        self.run(Has::AccessToken, &variables, 3);
        if !self.registry.journal().is_empty() {
            self.surprises
                .push("an access token was sent to the registry".to_owned());
        }
    }

    fn end(&mut self) {
        // Past the names that are shown: this line has the real one.
        let host = self.registry.host();
        self.stage.say(&format!(
            "\nAll of it ran against a registry inside this process, at `{host}`, shown as `{REGISTRY}`.\n\
             To try variables of your own: `make sandbox`. For your own pipeline: README.md."
        ));
    }

    fn title(&mut self, text: &str) {
        let title = format!("── {text}");
        self.say(&if self.plain {
            format!("\n{title}")
        } else {
            format!("\n\u{1b}[1m{title}\u{1b}[0m")
        });
    }

    fn say(&mut self, text: &str) {
        let shown = shown(text, self.registry.host(), &self.clone.path().display().to_string());
        self.stage.say(&shown);
    }

    fn yaml(&mut self, variables: &[(&str, &str)]) {
        let mut lines = vec![concat!("- pipe: crgpipe/crg-pipe:", env!("CARGO_PKG_VERSION")).to_owned()];
        if !variables.is_empty() {
            lines.push("  variables:".to_owned());
        }
        for (name, value) in variables {
            let is_word = value.starts_with(|c: char| c.is_ascii_alphabetic()) && !value.contains(char::is_whitespace);
            // Pipelines takes strings alone.
            let plain = is_word && !matches!(*value, "true" | "false");
            let quote = if plain { "" } else { "'" };
            lines.push(format!("    {name}: {quote}{value}{quote}"));
        }
        self.say(&format!("{}\n", lines.join("\n")));
    }

    /// Shows the lines that a user writes, and runs the pipe. Gives how many bytes of blobs moved.
    fn run(&mut self, has: Has, variables: &[(&str, &str)], expected: u8) -> u64 {
        self.yaml(variables);
        self.run_unshown(has, variables, expected)
    }

    fn run_unshown(&mut self, has: Has, variables: &[(&str, &str)], expected: u8) -> u64 {
        self.registry.forget_requests();
        match self.run_pipe(&self.environment(has, variables)) {
            Ok(Some(status)) if status == i32::from(expected) => {}
            Ok(status) => self
                .surprises
                .push(format!("{variables:?} ended with status {status:?}, not {expected}")),
            Err(error) => self.surprises.push(format!("{variables:?} did not run: {error:#}")),
        }
        self.registry.blob_bytes_sent() + self.registry.blob_bytes_received()
    }

    fn run_pipe(&mut self, environment: &[Variable]) -> anyhow::Result<Option<i32>> {
        let mut child = self
            .stage
            .pipe()
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.clone.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the pipe does not start")?;
        let printed = child.stdout.take().context("its output")?;
        for line in BufReader::new(printed).lines() {
            self.say(&line?);
        }
        Ok(child.wait()?.code())
    }

    fn environment(&self, has: Has, variables: &[(&str, &str)]) -> Vec<Variable> {
        let clone = self.clone.path().display().to_string();
        let storage = format!("{clone}/.bitbucket/pipelines/generated/pipeline/pipes");
        let mut all = shop::variables(&self.registry, has);
        let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
        add("BITBUCKET_PIPE_STORAGE_DIR", &storage);
        add("BITBUCKET_CLONE_DIR", &clone);
        add("CA_CERTIFICATE", &Authority::shared().pem());
        if let Some(host) = self.docker_host {
            add("DOCKER_HOST", host);
        }
        if self.plain {
            add("NO_COLOR", "1");
        }
        if self.scenes == Scenes::First {
            add("CONCURRENCY", "1");
        }
        for (name, value) in variables {
            add(name, value);
        }
        all
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

/// A text with the names of Pipelines in place of the emulator's and of the story's folder; columns keep their width.
fn shown(text: &str, host: &str, clone: &str) -> String {
    let origin = format!("http://{host}");
    let text = text
        .replace(&origin, &format!("https://{REGISTRY}"))
        .replace(clone, CLONE);
    let mut parts = text.split(host);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(REGISTRY);
        let cell = part.find("  ").filter(|end| !part[..*end].contains(' '));
        match cell {
            Some(end) => {
                shown.push_str(&part[..end]);
                shown.push_str(&" ".repeat(host.len().saturating_sub(REGISTRY.len())));
                shown.push_str(&part[end..]);
            }
            None => shown.push_str(part),
        }
    }
    shown
}
