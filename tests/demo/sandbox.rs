//! `make sandbox`: the lines that it prints work in another shell, and a signal ends it.

use super::keep;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Set in the process that keeps the registry.
const INSIDE: &str = "CRG_PIPE_TEST_SANDBOX";

/// It does not outlive a test that fails.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn its_lines_work_in_another_shell_until_it_is_stopped() {
    if std::env::var_os(INSIDE).is_some() {
        return keep_the_registry();
    }
    let mut sandbox = Kept(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("demo::sandbox::its_lines_work_in_another_shell_until_it_is_stopped")
            .env(INSIDE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut printed = BufReader::new(sandbox.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("Ctrl-C")) {
        lines.push(printed.next().unwrap_or_else(|| panic!("it ended: {lines:#?}")));
    }
    let pasted = |with: &str| {
        lines
            .iter()
            .filter(|line| line.contains(with))
            .cloned()
            .collect::<Vec<_>>()
    };
    let exports = pasted("  export ");
    let examples = pasted(env!("CARGO_BIN_EXE_crg-pipe"));
    assert_eq!(examples.len(), 7, "{lines:#?}");
    for (number, example) in examples.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("{}\n{example}", exports.join("\n")))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let refused = number + 1 == examples.len();
        assert_eq!(
            output.status.code(),
            Some(if refused { 3 } else { 0 }),
            "{example}: {output:?}"
        );
    }

    let host = exports[0].split('\'').nth(1).expect("`export REGISTRY='HOST'`");
    TcpStream::connect(host).expect("it still listens");
    let stop = Command::new("kill").arg(sandbox.0.id().to_string()).status().unwrap();
    assert!(stop.success());
    assert!(sandbox.0.wait().unwrap().success());
    TcpStream::connect(host).expect_err("nobody listens any more");
}

#[allow(clippy::print_stdout, reason = "what the sandbox does")]
fn keep_the_registry() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let kept = keep::run(env!("CARGO_BIN_EXE_crg-pipe"), |text| println!("{text}"));
    runtime.block_on(kept).unwrap();
}
