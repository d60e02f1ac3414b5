//! `pull` without `IMAGES`: the images that the clone's own files name.

mod lost;
mod optional;
mod peers;

use crate::support::emulator::{Emulator, Setup};
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::skopeo::Skopeo;
use std::time::Duration;

fn pipe(emulator: &Emulator) -> Pipe<'_> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("RETRIES", "0")
        .var("TO", "oci:images")
}

#[test]
fn what_dockerfiles_and_compose_files_name_is_pulled() {
    let emulator = Emulator::start(Setup::shop());
    let host = emulator.host();
    emulator.put_image("shop/base", "1.4", &Image::multi("discovery-base"));
    emulator.put_image("shop/api", "dev", &Image::small("discovery-api"));
    let dockerfile = format!(
        "# syntax=docker/dockerfile:1\nARG TAG=1.4\nARG LATER\nFROM node:20 AS assets\n\
         FROM --platform=linux/amd64 \\\n  {host}/shop/base:${{TAG}} AS build\n\
         RUN <<EOF\nFROM {host}/shop/no:1\nEOF\nCOPY --from=assets / /\nFROM {host}/shop/later:$LATER\n"
    );
    let compose = format!(
        "services:\n  db:\n    image: postgres:16\n  api:\n    image: {host}/shop/api:${{API_TAG:-dev}}\n  \
         base:\n    image: {host}/shop/base:1.4\n  own:\n    build: .\n    image: {host}/shop/own:1\n"
    );
    let outcome = pipe(&emulator)
        .file("build/Dockerfile", &dockerfile)
        .file("compose.yml", &compose)
        .file("compose.broken.yml", "services: [\n")
        .file("node_modules/x/Dockerfile", format!("FROM {host}/shop/no:1\n"))
        .file(".gitignore", "/dist/\n")
        .file("dist/Dockerfile", format!("FROM {host}/shop/no:1\n"))
        .working_folder("sub")
        .var("TO", "oci:../images")
        .run()
        .succeeds()
        .says(&format!(
            "found `{host}/shop/base:1.4` in build/Dockerfile:5, compose.yml:7"
        ))
        .says(&format!("found `{host}/shop/api:dev` in compose.yml:5"))
        .says("skipped build/Dockerfile:11: ")
        .says("`ARG LATER` has no default before the first `FROM`")
        .says("skipped compose.broken.yml:")
        .says("2 images in ");
    for tag in ["1.4", "dev"] {
        let reference = format!("oci:{}:{tag}", outcome.clone_folder().join("images").display());
        Skopeo::new().run(&["inspect", "--raw", &reference]).succeeds();
    }
}

#[test]
fn nothing_found_says_where_it_looked() {
    let emulator = Emulator::start(Setup::shop());
    pipe(&emulator)
        .run()
        .fails(2)
        .no_connection()
        .says("`IMAGES`: `pull` needs images, and there is no Dockerfile and no compose file in `");
    pipe(&emulator)
        .file("Dockerfile", "ARG BASE\nFROM $BASE\nFROM node:20\n")
        .file("api/docker-compose.yml", "services: {db: {image: postgres}}\n")
        .run()
        .fails(2)
        .no_connection()
        .says("was found in `Dockerfile`, `api/docker-compose.yml` (looked at in `")
        .says("skipped: Dockerfile:2: `$BASE`: `ARG BASE` has no default before the first `FROM`; write `IMAGES: ");
}

#[test]
fn the_platform_that_a_file_takes_is_the_one_pulled() {
    let emulator = Emulator::start(Setup::shop());
    let host = emulator.host();
    emulator.put_image("shop/base", "1", &Image::multi("discovery-platform"));
    emulator.put_image("shop/api", "1", &Image::multi("discovery-api"));
    let outcome = pipe(&emulator)
        .file(
            "Dockerfile",
            format!("FROM --platform=linux/arm64 {host}/shop/base:1\n"),
        )
        .file(
            "compose.yml",
            format!("services: {{a: {{image: {host}/shop/api:1, platform: linux/arm64}}}}\n"),
        )
        .var("TO", "docker-archive:images.tar")
        .run()
        .succeeds()
        .says(&format!(
            "found `{host}/shop/base:1` in Dockerfile:1, for `linux/arm64`"
        ));
    for name in ["base", "api"] {
        let archive = outcome.clone_folder().join("images.tar");
        let reference = format!("docker-archive:{}:{host}/shop/{name}:1", archive.display());
        let config = Skopeo::new().run(&["inspect", "--config", &reference]).succeeds();
        assert!(config.contains("arm64"), "{config}");
    }
}

#[test]
fn a_source_of_cache_that_is_not_there_stops_nothing() {
    let emulator = Emulator::start(Setup::shop());
    let host = emulator.host();
    emulator.put_image("shop/base", "1", &Image::small("discovery-cache"));
    let compose = format!(
        "services:\n  a:\n    build:\n      context: .\n      cache_from: ['{host}/shop/base:cache']\n  b: {{image: '{host}/shop/base:1'}}\n"
    );
    pipe(&emulator)
        .file("compose.yml", &compose)
        .run()
        .succeeds()
        .says("WARNING: `")
        .says("a build only takes longer without it")
        .says("1 image in ");
    let outcome = pipe(&emulator)
        .file("compose.yml", compose.replace("base:1", "base:none"))
        .unset("TO")
        .var("ACTION", "check")
        .var("REPORT", "report.json")
        .run()
        .fails(4)
        .says("is not there; a build only takes longer without it; named in compose.yml:5");
    let report = std::fs::read_to_string(outcome.clone_folder().join("report.json")).unwrap();
    assert!(report.contains("; named in compose.yml:6\""), "{report}");
}

/// Seconds of comparing rules with names, in a test's binary; a bound ends them, but a signal is heard before.
#[test]
fn a_signal_ends_the_looking() {
    let emulator = Emulator::start(Setup::shop());
    let mut pipe = pipe(&emulator).file(".gitignore", "*a*b*c*d*e*f*g*h*i*j*k*l\n".repeat(40_000));
    for number in 0..40 {
        pipe = pipe.file(&format!("{}{number}/x", "y".repeat(100)), "");
    }
    let running = pipe.start();
    std::thread::sleep(Duration::from_millis(1500));
    running
        .signal("TERM")
        .wait()
        .fails(143)
        .says("stopped by SIGTERM, nothing was changed");
}
