//! What is published beside a release.

use crate::support::distribution::Distribution;
use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::{self, Image, ImageBuilder};
use crate::support::skopeo::{Skopeo, write_layout};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// `.ci/provenance` in a step of the tag 1.2.3.
fn provenance(file: &Path, subjects: &[&str], tag: &str) -> Output {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/provenance"))
        .arg(file)
        .args(subjects)
        .env("BITBUCKET_REPO_FULL_NAME", "crgpipe/crg-pipe")
        .env("BITBUCKET_COMMIT", COMMIT)
        .env("BITBUCKET_BUILD_NUMBER", "42")
        .env("BITBUCKET_PIPELINE_UUID", "{p-1}")
        .env("BITBUCKET_STEP_UUID", "{s-1}")
        .env("BITBUCKET_TAG", tag)
        .output()
        .expect("bash is there")
}

#[test]
fn provenance_names_what_was_made_from_what() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("release/x.json");
    let (binary, image) = ("a".repeat(64), "b".repeat(64));
    let subjects = [
        format!("crg-pipe=sha256:{binary}"),
        format!("crgpipe/crg-pipe:1.2.3=sha256:{image}"),
    ];
    let output = provenance(&file, &[&subjects[0], &subjects[1]], "1.2.3");
    assert!(output.status.success(), "{output:?}");
    let statement: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    assert_eq!(
        statement["subject"],
        json!([
            { "name": "crg-pipe", "digest": { "sha256": binary } },
            { "name": "crgpipe/crg-pipe:1.2.3", "digest": { "sha256": image } },
        ])
    );
    let (definition, run) = (
        &statement["predicate"]["buildDefinition"],
        &statement["predicate"]["runDetails"],
    );
    let repository = "https://bitbucket.org/crgpipe/crg-pipe";
    assert_eq!(
        definition["buildType"],
        format!("{repository}/src/{COMMIT}/bitbucket-pipelines.yml")
    );
    assert_eq!(
        definition["externalParameters"],
        json!({ "repository": repository, "ref": "refs/tags/1.2.3" })
    );
    let materials = definition["resolvedDependencies"].as_array().unwrap();
    assert_eq!(
        materials[0],
        json!({ "uri": format!("git+{repository}"), "digest": { "gitCommit": COMMIT } })
    );
    let lock = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let lock = crg_pipe::parts::Digest::of(&lock);
    assert_eq!(
        format!("sha256:{}", materials[1]["digest"]["sha256"].as_str().unwrap()),
        lock.as_str()
    );
    assert!(materials[2]["uri"].as_str().unwrap().starts_with("pkg:generic/rust@1."));
    assert_eq!(run["builder"]["id"], "https://bitbucket.org/product/features/pipelines");
    assert_eq!(
        run["metadata"]["invocationId"],
        format!("{repository}/pipelines/results/42")
    );
    let finished = run["metadata"]["finishedOn"].as_str().unwrap();
    assert!(finished.len() == 20 && finished.ends_with('Z'), "{finished}");
}

#[test]
fn provenance_of_nonsense_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    let sound = format!("x=sha256:{}", "a".repeat(64));
    for (subjects, tag, said) in [
        (vec![], "1.2.3", "name a subject"),
        (vec!["crg-pipe=sha256:abc"], "1.2.3", "no subject: crg-pipe=sha256:abc"),
        (vec![&*sound, "crg-pipe="], "1.2.3", "no subject: crg-pipe="),
        (vec![&*sound], "", "BITBUCKET_TAG"),
        (vec![&*sound], "1\n2", "a control character"),
    ] {
        let output = provenance(&file, &subjects, tag);
        assert!(!output.status.success(), "{subjects:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(said), "{error}");
        assert!(!file.exists(), "{subjects:?}");
    }
    let odd = format!("a\"b\\c=sha256:{}", "a".repeat(64));
    assert!(provenance(&file, &[&odd], "1.2.3").status.success());
    let statement: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(statement["subject"][0]["name"], "a\"b\\c");
}

/// `.ci/publish`, with what is in a folder before all other programs.
fn publish(arguments: &[&str], programs: &Path) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/publish"))
        .args(arguments)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("XDG_RUNTIME_DIR", programs)
        .output()
        .expect("bash is there")
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_release_is_one_index_of_digests_and_is_written_once() {
    let registry = Distribution::setup().start();
    let skopeo = Skopeo::new();
    let folder = skopeo.folder();
    // A `docker` that saves what is at hand: which engine saved it does not matter here.
    std::fs::create_dir(folder.join("bin")).unwrap();
    let docker = "#!/bin/sh\ncp \"$(dirname \"$0\")/../$4.tar\" \"$3\"\n";
    std::fs::write(folder.join("bin/docker"), docker).unwrap();
    std::fs::set_permissions(
        folder.join("bin/docker"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut archives = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let image = ImageBuilder::new(architecture)
            .platform("linux", architecture, None)
            .build();
        let saved = image.docker_archive(&["crgpipe/crg-pipe:1.2.3"]);
        std::fs::write(folder.join(format!("{architecture}.tar")), saved).unwrap();
        let file = folder.join(format!("published/{architecture}.oci.tar"));
        let file = file.to_str().unwrap().to_owned();
        let digest = printed(&publish(&["pack", architecture, &file], &folder.join("bin")));
        archives.push((file, digest));
    }
    let name = format!("{}/crgpipe/crg-pipe", registry.host());
    let index = |version: &str| {
        let files = archives.iter().map(|(file, _)| file.as_str());
        let arguments: Vec<&str> = ["index", &name, version].into_iter().chain(files).collect();
        publish(&arguments, folder)
    };
    let digest = printed(&index("1.2.3"));
    let raw = skopeo.raw(&format!("{name}:1.2.3")).succeeds();
    assert_eq!(image::digest(raw.as_bytes()), digest);
    let listed: Value = serde_json::from_str(&raw).unwrap();
    for ((_, digest), (entry, architecture)) in archives
        .iter()
        .zip(listed["manifests"].as_array().unwrap().iter().zip(["amd64", "arm64"]))
    {
        assert_eq!(entry["digest"], *digest);
        assert_eq!(
            entry["platform"],
            json!({ "architecture": architecture, "os": "linux" })
        );
        let part = skopeo.raw(&format!("{name}@{digest}")).succeeds();
        assert_eq!(entry["size"], part.len());
    }
    // No tag of a platform, which could be moved between two steps.
    let tags = skopeo.run(&["list-tags", "--tls-verify=false", &format!("docker://{name}")]);
    let tags: Value = serde_json::from_str(&tags.succeeds()).unwrap();
    assert_eq!(tags["Tags"], json!(["1.2.3"]));
    let again = index("1.2.3");
    assert!(!again.status.success());
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains("is published already"), "{said}");
    assert_eq!(printed(&index("1.2.4")), digest, "the same images");
}

#[test]
fn only_a_404_means_that_a_version_is_new() {
    let skopeo = Skopeo::new();
    let (layout, archive) = (skopeo.folder().join("layout"), skopeo.folder().join("a.tar"));
    write_layout(&layout, &Image::small("a"));
    let archive = archive.to_str().unwrap();
    let layout = format!("oci:{}", layout.display());
    skopeo.copy(&[], &layout, &format!("oci-archive:{archive}")).succeeds();
    for status in [200, 202, 301, 400, 401, 403, 429, 500, 503] {
        let emulator = Emulator::start(Setup::shop());
        emulator.script(on("GET", "/manifests/1.2.3"), 100, Answer::new(status));
        let name = format!("{}/crgpipe/crg-pipe", emulator.host());
        let output = publish(&["index", &name, "1.2.3", archive], skopeo.folder());
        let said = String::from_utf8_lossy(&output.stderr);
        let why = if status == 200 {
            "is published already".to_owned()
        } else {
            format!("it is not known whether {name}:1.2.3 is published: the registry answered {status}")
        };
        assert!(!output.status.success() && said.contains(&why), "{status}: {said}");
    }
    // Nor does silence.
    let output = publish(
        &["index", "localhost:1/crgpipe/crg-pipe", "1.2.3", archive],
        skopeo.folder(),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("no answer"), "{said}");
}

/// Steps that compile run whatever the build scripts of dependencies do.
#[test]
fn no_step_that_compiles_has_a_secret() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bitbucket-pipelines.yml");
    let file: serde_yaml::Value = serde_yaml::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let steps = file["definitions"]["steps"].as_sequence().unwrap();
    let mut with_secret = Vec::new();
    for step in steps.iter().map(|step| &step["step"]) {
        let script: Vec<&str> = step["script"]
            .as_sequence()
            .unwrap()
            .iter()
            .map(|line| line.as_str().unwrap())
            .collect();
        let script = script.join("\n");
        let compiles = ["cargo", "make ", "rustc", ".ci/build", ".ci/run"];
        if script.contains("DOCKERHUB") || !step["deployment"].is_null() {
            assert_eq!(
                compiles.iter().find(|program| script.contains(**program)),
                None,
                "{script}"
            );
            assert!(!step["deployment"].is_null(), "a repository variable is in every step");
            with_secret.push(step["name"].as_str().unwrap());
        }
    }
    assert_eq!(with_secret, ["Publish the index and pin pipe.yml"]);
}

#[test]
fn images_of_steps_are_pinned_by_digest() {
    let registry = Distribution::setup().start();
    let skopeo = Skopeo::new();
    let (rust, docker) = (Image::multi("rust"), Image::small("docker"));
    let host = registry.host();
    skopeo
        .push(&rust, &format!("{host}/library/rust:1.95-bookworm"))
        .succeeds();
    skopeo
        .push(&docker, &format!("{host}/library/docker:28-cli"))
        .succeeds();
    let file = skopeo.folder().join("pipelines.yml");
    let written = |rust: &str, docker: &str| {
        format!(
            "# As rust:1.95-bookworm was.\nimage: rust:1.95-bookworm{rust}\nx:\n  image: docker:28-cli{docker}\n  script:\n    \
             - docker run rust:1.95-bookworm{rust} .ci/run\n    - services: docker\n"
        )
    };
    let pin = |arguments: &[&str]| {
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/pin"))
            .args(arguments)
            .env("XDG_RUNTIME_DIR", skopeo.folder())
            .output()
            .expect("bash is there")
    };
    let path = file.to_str().unwrap();
    let old = format!("@sha256:{}", "0".repeat(64));
    let (rust, docker) = (format!("@{}", rust.digest()), format!("@{}", docker.digest()));
    for before in [written("", ""), written(&old, ""), written(&old, &docker)] {
        std::fs::write(&file, &before).unwrap();
        let is_whole = pin(&["--check", path]).status.success();
        assert_eq!(is_whole, before.matches("@sha256:").count() == 3);
        printed(&pin(&[path, &format!("{host}/library")]));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), written(&rust, &docker));
        printed(&pin(&["--check", path]));
    }
    // A registry that does not answer pins nothing, nor does one that has a part of them or answers with a page.
    let half = Distribution::setup().start();
    skopeo
        .push(
            &Image::small("docker"),
            &format!("{}/library/docker:28-cli", half.host()),
        )
        .succeeds();
    let portal = Emulator::start(Setup::shop());
    let page = Answer::new(200).header("Content-Type", "text/html").body("<html>");
    portal.script(on("GET|HEAD", ""), 100, page);
    for from in [
        "localhost:1/library",
        &format!("{}/library", half.host()),
        portal.host(),
    ] {
        std::fs::write(&file, written("", &old)).unwrap();
        let output = pin(&[path, from]);
        let said = String::from_utf8_lossy(&output.stderr);
        let why = format!("{path} stays as it was: {from} does not tell the digest of ");
        assert!(!output.status.success() && said.contains(&why), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), written("", &old));
    }
}

#[test]
fn no_release_without_the_digests_of_its_images() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipelines.yml");
    let digest = format!("@sha256:{}", "0".repeat(64));
    for (text, loose) in [
        (
            "image: rust:1.95\nx:\n  - docker run docker:28-cli .ci/run\n".to_owned(),
            "without a digest: docker:28-cli, rust:1.95;",
        ),
        (
            format!("image: rust:1.95{digest}\nx:\n  - step:\n      image: python:3\n"),
            "without a digest: python:3;",
        ),
        (
            format!("image: rust:1.95{}\n", &digest[..60]),
            "without a digest: rust:1.95",
        ),
        ("image: rust\n".to_owned(), "without a digest: rust;"),
        ("# image: rust:1.95\nscript:\n".to_owned(), "it names no image"),
        (format!("# rust:1.95\nimage: rust:1.95{digest}\n"), ""),
    ] {
        std::fs::write(&file, &text).unwrap();
        let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/pin"))
            .args(["--check", file.to_str().unwrap()])
            .output()
            .expect("bash is there");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(loose), "{text}: {said}");
        assert_eq!(output.status.success(), loose.is_empty(), "{text}: {said}");
    }
    // And the release does look.
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("bitbucket-pipelines.yml");
    let pipelines = std::fs::read_to_string(pipelines).unwrap();
    assert!(pipelines.contains("- .ci/pin --check bitbucket-pipelines.yml"));
}
