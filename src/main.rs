//! The edge of the process: environment in, exit status out.

use anyhow::Context as _;
use crg_pipe::{console, help, panic, pipe};
use std::process::ExitCode;

fn main() -> ExitCode {
    keep_out_of_cores();
    let colour = console::has_colours(std::env::var_os("NO_COLOR").as_deref());
    panic::tell_of_panics(colour);
    match start(colour) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            console::failure(&format!("{error:#}"), colour);
            ExitCode::FAILURE
        }
    }
}

/// A core dump would lie in the clone and hold the token. Without memory in it, it holds none (core(5)). Where there is no such
/// file, as in a namespace without `/proc`, there is nothing to be done without unsafe code.
fn keep_out_of_cores() {
    let _ = std::fs::write("/proc/self/coredump_filter", "0");
}

fn start(colour: bool) -> anyhow::Result<u8> {
    if let Some(argument) = std::env::args_os().nth(1) {
        let argument = argument.to_string_lossy();
        match &*argument {
            "--help" | "-h" => console::plain(&help::text()),
            "--version" => console::plain(concat!("crg-pipe ", env!("CARGO_PKG_VERSION"))),
            other => return Ok(pipe::refuse_argument(other, colour)),
        }
        return Ok(0);
    }
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("TLS could not be set up"))?;
    let working_folder = std::env::current_dir().context("the working folder is gone or may not be read")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let status = runtime.block_on(pipe::run(std::env::vars_os(), &working_folder, colour));
    // What still reads a disk or waits for a name server must not hold the end of a run, least of all a stopped one.
    runtime.shutdown_background();
    Ok(status)
}
