//! What `make demo` tells, with the real binary in the place of the library: with a Docker daemon and without.

#[path = "../examples/sandbox/daemon.rs"]
mod daemon;
#[path = "../examples/sandbox/keep.rs"]
mod keep;
mod picture;
mod sandbox;
#[path = "../examples/sandbox/shop.rs"]
mod shop;
#[path = "../examples/sandbox/story.rs"]
mod story;

use crate::live::kit;
use crate::support::emulator::{Setup, access_token};
use crate::support::engine::{Engine, Kind};
use crate::support::pipe;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use story::{Scenes, Stage};

on_docker!(with_a_daemon_it_pulls_builds_and_pushes,);

/// A page of a terminal that somebody reads to its end.
const MOST_LINES: usize = 215;

/// Who tells the story to a daemon is alone there: each telling pulls the same images, and takes them away.
static DAEMON: Mutex<()> = Mutex::new(());

#[derive(Default)]
struct Page(String);

impl Stage for Page {
    fn say(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn pipe(&self) -> Command {
        let program = pipe::program();
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]);
        command
    }
}

fn told(docker_host: &str, plain: bool, scenes: Scenes) -> String {
    // As `main` does it; another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut page = Page::default();
    let surprises = story::tell(&mut page, Some(docker_host), plain, scenes).unwrap();
    let Page(text) = page;
    assert_eq!(surprises, [""; 0], "{text}");
    for secret in [
        Setup::api_token(),
        Setup::BUILT_IN_TOKEN.to_owned(),
        access_token("sandbox"),
    ] {
        assert!(!text.contains(&secret), "{text}");
    }
    text
}

fn told_in_full(docker_host: &str) -> String {
    let text = told(docker_host, true, Scenes::All);
    let lines = text.lines().count();
    assert!(lines <= MOST_LINES, "{lines} lines:\n{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    // Bitbucket's names in every line but the one that says so.
    let emulated: Vec<&str> = text.lines().filter(|line| line.contains("localhost:")).collect();
    assert!(
        matches!(emulated[..], [line] if line.ends_with("shown as `crg.apkg.io`.")),
        "{text}"
    );
    text
}

/// The texts come in this order.
fn assert_order(text: &str, parts: &[&str]) {
    parts.iter().fold(text, |rest, part| {
        let at = rest.find(part);
        &rest[at.unwrap_or_else(|| panic!("no `{part}` in its place:\n{text}"))..]
    });
}

const PROBLEM: [&str; 5] = [
    "$ docker pull crg.apkg.io/shop/base:1",
    "Error response from daemon: denied",
    "the built-in credential reaches only packages that are linked to this repository, `shop/api`",
    "✖ pull: nothing was changed (exit status 3: credential)",
    "✔ pull: 3 images",
];

/// What is the same with a daemon and without one.
const FROM_CHECK_ON: [&str; 12] = [
    "✔ check:",
    "✔ prune: 3 of 8 tags of `crg.apkg.io/shop/web` deleted, about ",
    "ERROR: `crg.apkg.io/shop/tools:2` has no signature and no SBOM, which `REQUIRE` asks for",
    "✖ copy: nothing was changed (exit status 5: refused)",
    "✔ copy: `crg.apkg.io/shop/base:1` (sha256:",
    "; has a signature and an SBOM) → `crg.apkg.io/shop/web` tagged `promoted` (",
    "This asks `crg.apkg.io` some forty questions about `shop/api`",
    "Nothing was asked yet.",
    " 0 differ, ",
    "| How does it ask for a sign-in? | Bearer, realm `https://crg.apkg.io/token`",
    "| How does it refuse another image under an immutable tag? | not asked: IMMUTABLE_TAG is not set |",
    "Nothing is left in the package",
];

const WRONG_TOKEN: [&str; 2] = [
    "ERROR: `ATLASSIAN_API_TOKEN` holds an access token",
    "✖ retag: nothing was changed (exit status 3: credential)",
];

#[test]
fn without_a_daemon_it_pulls_into_a_layout_and_pushes_from_it() {
    let text = told_in_full("unix:///nonexistent/docker.sock");
    assert_order(&text, &PROBLEM);
    let own: &[&str] = &[
        "no Docker daemon at `unix:///nonexistent/docker.sock`",
        "TO: oci:images",
        "INFO: [3/3] pulled `crg.apkg.io/shop/",
        "✔ pull: 3 images in `oci:images`",
        "SOURCE: oci:images:0.9.0",
        "✔ push:",
        "✔ retag:",
        "INFO: [3/3] `docker.io/library/",
        "✔ copy: 3 images copied",
        "✔ login:",
        "✔ login: `.docker/crg.yml` is the Secret `crg`",
        "✔ image       crg.apkg.io/shop/api:0.9.0  ",
    ];
    assert_order(&text, &[own, &FROM_CHECK_ON].concat());
    assert_order(&text, &WRONG_TOKEN);
}

fn with_a_daemon_it_pulls_builds_and_pushes(engine: &Engine) {
    let _alone = DAEMON.lock().unwrap_or_else(PoisonError::into_inner);
    let text = told_in_full(&engine.tcp());
    assert_order(&text, &PROBLEM);
    let own: &[&str] = &[
        "INFO: [3/3] ",
        "✔ pull: 3 images in the step's Docker daemon",
        "✔ push:",
        "✔ retag:",
        "✔ copy: 3 images copied",
        "✔ login:",
        "✔ login: `.docker/crg.yml` is the Secret `crg`",
        "✔ image",
    ];
    assert_order(&text, &[own, &FROM_CHECK_ON].concat());
    assert_order(&text, &WRONG_TOKEN);
    let left = engine
        .docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"])
        .output;
    // Other tests use the daemon too; the demo's registry is the one that its last lines name.
    let host = text
        .split('`')
        .find(|part| part.starts_with("localhost:"))
        .expect("the registry's name");
    assert!(!left.contains("crg-pipe-sandbox") && !left.contains(host), "{left}");
}

#[test]
fn the_problem_is_in_dockers_own_words() {
    let engine = Engine::shared(Kind::Classic);
    let registry = shop::open();
    let host = registry.host();
    let said = daemon::refusal_of_pull(&registry, "shop/base", "1").unwrap();

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().to_str().unwrap();
    let (user, token) = (Setup::BUILT_IN_USERNAME, Setup::BUILT_IN_TOKEN.as_bytes());
    let login = [
        "--config",
        config,
        "login",
        host,
        "--username",
        user,
        "--password-stdin",
    ];
    engine.docker_reading(&login, token).succeeds();
    let pull = engine.docker(&["--config", config, "pull", &format!("{host}/shop/base:1")]);
    // Newer ones say in between that it is the registry's error.
    let (docker, word) = said.rsplit_once(": ").unwrap();
    let pull = pull.fails_with(docker).output;
    assert!(pull.trim().ends_with(&format!(": {word}")), "{pull}");
}
