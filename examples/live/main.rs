//! Asks a real registry what no documentation says of it, and prints a table of the answers that is fit for an issue: for a
//! person with a workspace and a package to try on. `docs/live.md` says how to run it.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

mod kit;
mod questions;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("TLS could not be set up"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let value = |name: &str| std::env::var(name).ok();
    let status = runtime.block_on(kit::run(&value, &mut |text| println!("{text}")));
    Ok(ExitCode::from(status))
}
