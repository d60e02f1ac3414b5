//! What `make demo` tells, with the real binary in the place of the library: with a Docker daemon and without.

#[path = "../examples/sandbox/daemon.rs"]
mod daemon;
#[path = "../examples/sandbox/story.rs"]
mod story;

use crate::support::emulator::{Setup, access_token};
use crate::support::engine::Engine;
use crate::support::pipe::Pipe;
use std::path::Path;
use story::{Stage, Variable};

on_docker!(with_a_daemon_it_pulls_builds_and_pushes,);

/// A page of a terminal that somebody reads to its end.
const MOST_LINES: usize = 140;

#[derive(Default)]
struct Page(String);

impl Stage for Page {
    fn say(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn run(&mut self, environment: &[Variable], working_folder: &Path) -> u8 {
        let start = Pipe::new().working_folder(working_folder.to_str().unwrap());
        let pipe = environment
            .iter()
            .fold(start, |pipe, (name, value)| pipe.var(name, value));
        let outcome = pipe.run();
        self.0.push_str(&outcome.output);
        u8::try_from(outcome.status).unwrap()
    }
}

fn told(docker_host: &str) -> String {
    // As `main` does it; another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut page = Page::default();
    let surprises = story::tell(&mut page, Some(docker_host), true).unwrap();
    let Page(text) = page;
    assert_eq!(surprises, [""; 0], "{text}");
    assert!(
        text.lines().count() <= MOST_LINES,
        "{} lines:\n{text}",
        text.lines().count()
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    for secret in [
        Setup::api_token(),
        Setup::BUILT_IN_TOKEN.to_owned(),
        access_token("sandbox"),
    ] {
        assert!(!text.contains(&secret), "{text}");
    }
    text
}

/// The texts come in this order.
fn assert_order(text: &str, parts: &[&str]) {
    parts.iter().fold(text, |rest, part| {
        let at = rest.find(part);
        &rest[at.unwrap_or_else(|| panic!("no `{part}` in its place:\n{text}"))..]
    });
}

const REFUSALS: [&str; 6] = [
    "ERROR: `ATLASSIAN_API_TOKEN` holds an access token",
    "✖ retag: nothing was changed (exit status 3: credential)",
    "NAME_UNKNOWN",
    "✖ retag: nothing was changed (exit status 4: not-found)",
    "the built-in credential reaches only packages that are linked to this repository, `shop/api`",
    "✖ retag: nothing was changed (exit status 3: credential)",
];

#[test]
fn without_a_daemon_it_pulls_into_a_layout_and_pushes_from_it() {
    let text = told("unix:///nonexistent/docker.sock");
    assert_order(
        &text,
        &[
            "here is none to use: no Docker daemon at `unix:///nonexistent/docker.sock`",
            "TO: oci:images",
            "✔ pull: 1 image in `oci:",
            "✔ retag:",
            "SOURCE: oci:images:1",
            "✔ push:",
            "✔ copy:",
            "(0 B moved",
            "✔ login:",
            "✔ image",
            "✔ check:",
        ],
    );
    assert_order(&text, &REFUSALS);
    assert_order(
        &text,
        &[
            "What is left",
            "shop/base  linked to shop/images  1 1.0 stable",
            "shop/api   linked to shop/api     0.9.0 1.0.0 latest",
            "shop/web   linked to shop/api     1\n",
        ],
    );
    assert_order(&text, &["access token     0 to the registry, 0 to its token server"]);
}

fn with_a_daemon_it_pulls_builds_and_pushes(engine: &Engine) {
    let text = told(&engine.tcp());
    assert_order(
        &text,
        &[
            "✔ pull: 1 image in the step's Docker daemon",
            "✔ retag:",
            "✔ push:",
            "✔ copy:",
            "✔ login:",
            "✔ image",
            "✔ check:",
        ],
    );
    assert_order(&text, &REFUSALS);
    assert_order(
        &text,
        &["What is left", "shop/api   linked to shop/api     0.9.0 1.0.0 latest"],
    );
    let left = engine
        .docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"])
        .output;
    // Other tests use the daemon too; the demo's registry is the one that its own lines name.
    let host = text
        .split('`')
        .find(|part| part.starts_with("localhost:"))
        .expect("the registry's name");
    assert!(!left.contains("crg-pipe-sandbox") && !left.contains(host), "{left}");
}
