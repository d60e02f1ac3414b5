//! oras, which is measured beside where `.ci/tools oras` has unpacked it.

use super::case::Action;
use crate::support::emulator::{Emulator, Setup};
use crate::support::image::Image;
use crate::support::skopeo::write_layout;
use std::path::PathBuf;
use std::process::Command;

/// Where it is, if it could be had.
pub(super) fn program() -> Option<PathBuf> {
    let unpacked = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.tools/oras/usr/bin/oras"));
    unpacked.is_file().then_some(unpacked)
}

/// `oras 1.2.0`.
pub(super) fn version() -> String {
    let Some(program) = program() else {
        return "oras was not to be had".to_owned();
    };
    let output = Command::new(program).arg("version").output().expect("a version");
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = output.lines().find_map(|line| line.strip_prefix("Version:"));
    format!("oras {}", number.unwrap_or_default().trim())
}

/// Status, output, and the layout that it wrote.
pub(super) fn copy(
    action: Action,
    image: &Image,
    (target, source): (&Emulator, Option<&Emulator>),
    patience: u64,
) -> (i32, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let side = |side: &str| {
        let option = |name: &str| format!("--{side}-{name}");
        vec![
            option("plain-http"),
            option("username"),
            Setup::EMAIL.to_owned(),
            option("password"),
            Setup::api_token(),
        ]
    };
    let local = |side: &str| vec![format!("--{side}-oci-layout")];
    let at = |emulator: &Emulator, name: &str| format!("{}/{name}", emulator.host());
    let (from, to, names) = match (action, source) {
        (Action::Pull, _) => (
            side("from"),
            local("to"),
            [at(target, "shop/base:1"), format!("{}:1", layout.display())],
        ),
        (_, Some(source)) => (
            side("from"),
            side("to"),
            [at(source, "shop/base:1"), at(target, "shop/web:1")],
        ),
        (_, None) => {
            write_layout(&layout, image);
            (
                local("from"),
                side("to"),
                [
                    format!("{}@{}", layout.display(), image.digest()),
                    at(target, "shop/web:1"),
                ],
            )
        }
    };
    let output = Command::new("timeout")
        .args(["--kill-after=1", &patience.to_string()])
        .arg(program().expect("oras is there"))
        .arg("cp")
        .args(from)
        .args(to)
        .args(names)
        .env("HOME", folder.path())
        .env("DOCKER_CONFIG", folder.path())
        .env("ORAS_CACHE", folder.path().join("cache"))
        .output()
        .expect("timeout is there");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (i32::from(!output.status.success()), said, folder)
}
