//! `pull` without `IMAGES`: the images that the clone's own files name.

use crate::support::emulator::{Emulator, Setup};
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::skopeo::Skopeo;

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
        .says("passed over build/Dockerfile:11: ")
        .says("`ARG LATER` has no default before the first `FROM`")
        .says("passed over compose.broken.yml:")
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
        .says("passed over: Dockerfile:2: `$BASE`: `ARG BASE` has no default before the first `FROM`; write `IMAGES: ");
}
