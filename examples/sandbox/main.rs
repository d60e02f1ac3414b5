//! The whole pipe on a registry inside this process: no account, no network, and a Docker daemon only if one is there.
//!
//! Without an argument it tells the story of `story.rs`, and ends with status 0 if every run of the pipe ended as it
//! should. With `keep` the registry runs until it is stopped, for variables of one's own.

#![allow(clippy::print_stdout, reason = "a demonstration prints")]

mod daemon;
mod keep;
#[path = "../live/kit.rs"]
mod kit;
#[path = "../live/questions/mod.rs"]
mod questions;
mod shop;
mod story;
#[path = "../../tests/support"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "the tests' emulator, of which the sandbox uses a part"
)]
mod support {
    pub mod emulator;
    pub mod image;
    pub mod pki;
    pub mod sha512;
}

use anyhow::Context as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use story::{Scenes, Stage};

fn main() -> anyhow::Result<ExitCode> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("TLS could not be set up"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let program = std::env::current_exe().context("this program's own path")?;
    match std::env::args().nth(1).as_deref() {
        None => tell(program),
        Some("keep") => {
            runtime.block_on(keep::run(&command_line(&program), |text| println!("{text}")))?;
            Ok(ExitCode::SUCCESS)
        }
        Some("pipe") => {
            let folder = std::env::current_dir()?;
            let colour = crg_pipe::console::has_colours(std::env::var_os("NO_COLOR").as_deref());
            let status = runtime.block_on(crg_pipe::pipe::run(std::env::vars_os(), &folder, colour));
            Ok(ExitCode::from(status))
        }
        Some(other) => anyhow::bail!("`{other}`: write nothing for the demonstration, or `keep`"),
    }
}

/// The pipe as somebody starts it in a shell of this machine.
fn command_line(program: &Path) -> String {
    let built = program
        .parent()
        .and_then(Path::parent)
        .map(|folder| folder.join("crg-pipe"));
    match built.filter(|file| file.is_file()) {
        Some(file) => file.display().to_string(),
        None => "cargo run --quiet --locked --".to_owned(),
    }
}

fn tell(program: PathBuf) -> anyhow::Result<ExitCode> {
    let docker_host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !std::io::stdout().is_terminal();
    let surprises = story::tell(&mut Terminal(program), docker_host.as_deref(), plain, Scenes::All)?;
    for surprise in &surprises {
        println!("NOT AS EXPECTED: {surprise}");
    }
    Ok(if surprises.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The pipe is this program once more, in a process of its own, as each line of a step is.
struct Terminal(PathBuf);

impl Stage for Terminal {
    fn say(&mut self, text: &str) {
        println!("{text}");
    }

    fn pipe(&self) -> Command {
        let mut command = Command::new(&self.0);
        command.arg("pipe");
        command
    }
}
