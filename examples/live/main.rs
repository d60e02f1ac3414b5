//! Asks a real registry what no documentation says of it, and prints a table of the answers that is fit for an issue: for a
//! person with a workspace and a package to try on. `docs/live.md` says how to run it.

mod kit;
mod questions;
mod stop;

use anyhow::Context as _;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("TLS could not be set up"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let value = |name: &str| std::env::var(name).ok();
    // A terminal that is gone must not keep it from deleting what it pushed.
    let mut say = |text: &str| drop(writeln!(std::io::stdout(), "{text}"));
    let status = runtime.block_on(async {
        let stop = stop::Signals::new().context("signals cannot be heard")?.next();
        anyhow::Ok(kit::run(&value, &mut say, stop).await)
    })?;
    Ok(ExitCode::from(status))
}
