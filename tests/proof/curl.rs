//! Runs curl: what goes over the wire, header by header.

use crate::support::emulator::Emulator;
use crate::support::pki::Authority;
use std::process::Command;

/// Status, headers and body of one call.
pub(super) fn curl(emulator: &Emulator, arguments: &[&str]) -> (u16, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::shared().write_to(folder.path());
    let mut command = Command::new("curl");
    command
        .args(["-sS", "-i", "--suppress-connect-headers", "--max-time", "10"])
        .args(arguments)
        .env_clear()
        .env("CURL_CA_BUNDLE", ca);
    command
        .env("HTTPS_PROXY", emulator.proxy())
        .env("NO_PROXY", "localhost");
    let output = command.output().expect("curl is not installed: apt-get install curl");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}
