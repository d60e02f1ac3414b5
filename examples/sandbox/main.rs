//! The whole pipe on a registry inside this process: no account, no network, and a Docker daemon only if one is there.
//!
//! Ends with status 0 if every run of the pipe ended as it should.

#![allow(clippy::print_stdout, reason = "a demonstration prints")]

mod daemon;
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
}

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use story::{Stage, Variable};

fn main() -> anyhow::Result<ExitCode> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("TLS could not be set up"))?;
    let docker_host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !std::io::stdout().is_terminal();
    let mut here = Here(tokio::runtime::Builder::new_current_thread().enable_all().build()?);
    let surprises = story::tell(&mut here, docker_host.as_deref(), plain)?;
    for surprise in &surprises {
        println!("NOT AS EXPECTED: {surprise}");
    }
    Ok(if surprises.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the pipe in this process, and prints where the pipe prints.
struct Here(tokio::runtime::Runtime);

impl Stage for Here {
    fn say(&mut self, text: &str) {
        println!("{text}");
    }

    fn run(&mut self, environment: &[Variable], working_folder: &Path) -> u8 {
        // A path of `SOURCE` is this process's, as every line of a step has a working folder of its own.
        if let Err(error) = std::env::set_current_dir(working_folder) {
            println!("`{}` is out of reach: {error}", working_folder.display());
            return 1;
        }
        let colour = !environment.iter().any(|(name, _)| *name == "NO_COLOR");
        let environment = environment
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        self.0
            .block_on(crg_pipe::pipe::run(environment, working_folder, colour))
    }
}
