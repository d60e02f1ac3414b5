//! The image as users get it: what is in it, and each action run by the very line that Pipelines types, against a
//! registry at `host.docker.internal` that is trusted through a private CA.

use crate::support::emulator::{Emulator, Setup};
use crate::support::engine::Engine;
use crate::support::image::Image;
use crate::support::name_server;
use crate::support::pipelines::{Pipelines, Step, StepRun, make_image};
use crate::support::pki::Authority;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown};
use std::process::Stdio;
use std::sync::Mutex;

on_docker!(
    it_holds_four_files_and_is_small,
    without_variables_it_says_what_is_missing,
    pull_brings_an_image_into_the_daemon_of_the_step,
    retag_sets_tags_without_the_daemon,
    push_publishes_what_the_step_has_built,
    login_serves_the_lines_after_it,
    copy_mounts_between_repositories,
    archives_and_layouts_serve_the_lines_after_it,
    names_are_resolved_as_the_containers_resolv_conf_says,
    an_image_by_itself_is_told_which_lines_are_missing,
    root_of_the_step_writes_into_a_folder_of_another_user,
    with_user_namespaces_the_closed_folder_is_explained,
);

/// Most bytes of the binary: 5 MiB.
const LARGEST_BINARY: usize = 5 * 1024 * 1024;
/// Most bytes of the compressed layer: 2.7 MiB, what every step pays that does not have the image yet.
const LARGEST_LAYER: usize = 27 * 1024 * 1024 / 10;
const PIPE: &str = concat!("crgpipe/crg-pipe:", env!("CARGO_PKG_VERSION"));

/// Puts the pipe's image into a shared engine, once.
fn with_image(engine: &Engine) -> &Engine {
    static DONE: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut done = DONE.lock().unwrap();
    if !done.contains(&engine.name()) {
        make_image(engine);
        done.push(engine.name());
    }
    engine
}

/// A registry that containers of the engine reach at `host.docker.internal`.
fn registry(engine: &Engine) -> Emulator {
    let setup = Setup::shop().listen(engine.bridge()).named("host.docker.internal");
    Emulator::start(setup.tls(Authority::shared()))
}

/// The repository whose step runs the pipe, with a workspace's API token and the private CA in its clone.
fn repository(engine: &Engine) -> Pipelines {
    let repository = Pipelines::new(engine)
        .variable("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME)
        .variable("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN)
        .variable("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
        .variable("ATLASSIAN_API_TOKEN", &Setup::api_token());
    repository.file("ca.crt", &Authority::shared().pem());
    repository
}

/// Runs script lines in which `THE_REGISTRY` and `THE_PIPE` stand for the registry's host and the pipe.
fn run(repository: &Pipelines, registry: &Emulator, lines: &str) -> StepRun {
    let lines = lines.replace("THE_REGISTRY", registry.host()).replace("THE_PIPE", PIPE);
    repository.run(&Step::of_script(&lines))
}

fn it_holds_four_files_and_is_small(engine: &Engine) {
    let mut save = with_image(engine)
        .command()
        .args(["image", "save", PIPE])
        .stdout(Stdio::piped())
        .spawn()
        .expect("docker runs");
    let mut parts = BTreeMap::new();
    let mut archive = tar::Archive::new(save.stdout.take().unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        parts.insert(entry.path().unwrap().display().to_string(), bytes);
    }
    assert!(save.wait().unwrap().success());

    let manifest: Value = serde_json::from_slice(&parts["manifest.json"]).unwrap();
    let config: Value = serde_json::from_slice(&parts[manifest[0]["Config"].as_str().unwrap()]).unwrap();
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/crg-pipe"]));
    assert_eq!(config["config"]["Cmd"], Value::Null);
    assert_eq!(
        config["config"]["User"].as_str().unwrap_or_default(),
        "",
        "a pipe must run as root"
    );

    let mut files = BTreeMap::new();
    let mut dates = BTreeSet::new();
    let mut compressed = 0;
    for layer in manifest[0]["Layers"].as_array().unwrap() {
        let layer = unpacked(&parts[layer.as_str().unwrap()]);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&layer).unwrap();
        compressed += gzip.finish().unwrap().len();
        for entry in tar::Archive::new(layer.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let mode = entry.header().mode().unwrap();
            dates.insert(entry.header().mtime().unwrap());
            files.insert(entry.path().unwrap().display().to_string(), (mode & 0o777, bytes));
        }
    }
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["LICENSE", "README.md", "crg-pipe", "pipe.yml"]
    );
    let (mode, binary) = &files["crg-pipe"];
    assert_eq!(*mode, 0o755);
    assert!(binary.len() <= LARGEST_BINARY, "the binary has {} bytes", binary.len());
    assert!(compressed <= LARGEST_LAYER, "the image has {compressed} bytes");
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(dates.len(), 1, "the commit's date: {dates:?}");
    for folder in ["src/", "target/"].map(|folder| here.join(folder)) {
        let folder = folder.as_os_str().as_encoded_bytes();
        assert!(
            !binary.windows(folder.len()).any(|part| part == folder),
            "the binary names a folder of this machine"
        );
    }
    for name in ["LICENSE", "README.md", "pipe.yml"] {
        assert_eq!(files[name].1, std::fs::read(here.join(name)).unwrap(), "{name}");
    }
}

/// A layer as tar: engines save it as they store it.
fn unpacked(layer: &[u8]) -> Vec<u8> {
    if !layer.starts_with(&[0x1f, 0x8b]) {
        return layer.to_vec();
    }
    let mut tar = Vec::new();
    GzDecoder::new(layer).read_to_end(&mut tar).unwrap();
    tar
}

fn without_variables_it_says_what_is_missing(engine: &Engine) {
    let run = Pipelines::new(with_image(engine)).run(&Step::of_script(&format!("- pipe: docker://{PIPE}")));
    assert!(run.failed(2).contains("`IMAGES`"), "{}", run.log);
}

fn pull_brings_an_image_into_the_daemon_of_the_step(engine: &Engine) {
    let (engine, image) = (with_image(engine), Image::multi("image-pull"));
    let registry = registry(engine);
    registry.put_image("shop/base", "1.4", &image);
    let run = run(
        &repository(engine),
        &registry,
        "
- mkdir sub
- cd sub
- pipe: THE_PIPE
  variables:
    IMAGES: ['base:1.4']
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ../ca.crt
    CREDENTIAL: api-token
    OUTPUT_ENV: crg.env
- . ./crg.env
- echo \"pulled $CRG_PIPE_REFERENCE\"
- docker image inspect THE_REGISTRY/shop/base:1.4 > inspected.json
",
    );
    let pulled = format!("pulled {}/shop/base@{}", registry.host(), image.digest());
    assert!(run.succeeded().contains(&pulled), "{}", run.log);
    assert!(run.log.contains("✔"), "{}", run.log);
}

fn retag_sets_tags_without_the_daemon(engine: &Engine) {
    let (engine, image) = (with_image(engine), Image::multi("image-retag"));
    let registry = registry(engine);
    registry.put_image("shop/api", "build-41", &image);
    let repository = repository(engine).variable("DOCKER_TAGS", "1.4.2");
    let run = run(
        &repository,
        &registry,
        "
- pipe: THE_PIPE
  variables:
    ACTION: retag
    SOURCE: api:build-$BITBUCKET_BUILD_NUMBER
    TAGS: ['$DOCKER_TAGS', latest]
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ca.crt
    CREDENTIAL: built-in
    REPORT: report.json
- cat report.json
",
    );
    assert!(run.succeeded().contains("\"outcome\": \"tagged\""), "{}", run.log);
    for tag in ["1.4.2", "latest"] {
        assert_eq!(registry.tag("shop/api", tag), Some(image.digest()));
    }
}

fn push_publishes_what_the_step_has_built(engine: &Engine) {
    let engine = with_image(engine);
    let registry = registry(engine);
    let repository = repository(engine);
    repository.file("Dockerfile", "FROM scratch\nCOPY ca.crt /\n");
    let run = run(
        &repository,
        &registry,
        "
- docker build --tag image-push:dev .
- pipe: THE_PIPE
  variables:
    ACTION: push
    SOURCE: image-push:dev
    TARGET: web
    TAGS: '1 latest'
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ca.crt
    CREDENTIAL: built-in
    OUTPUT_ENV: crg.env
- . ./crg.env
- echo \"pushed $CRG_PIPE_DIGEST as $CRG_PIPE_TAGS\"
",
    );
    let digest = registry.tag("shop/web", "1").expect("it was pushed");
    assert!(
        run.succeeded().contains(&format!("pushed {digest} as 1 latest")),
        "{}",
        run.log
    );
    assert_eq!(registry.tag("shop/web", "latest"), Some(digest));
}

fn login_serves_the_lines_after_it(engine: &Engine) {
    let engine = with_image(engine);
    let registry = registry(engine);
    registry.put_image("shop/web", "7", &Image::small("image-login"));
    let repository = repository(engine);
    let run = run(
        &repository,
        &registry,
        "
- pipe: THE_PIPE
  variables:
    ACTION: login
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ca.crt
    CREDENTIAL: built-in
- export DOCKER_CONFIG=$BITBUCKET_CLONE_DIR/.docker
- docker pull THE_REGISTRY/shop/web:7
",
    );
    assert!(run.succeeded().contains("export DOCKER_CONFIG="), "{}", run.log);
    let file = std::fs::metadata(repository.clone_dir().join(".docker/config.json")).unwrap();
    assert_eq!(file.mode() & 0o777, 0o600);
}

fn copy_mounts_between_repositories(engine: &Engine) {
    let (engine, image) = (with_image(engine), Image::multi("image-copy"));
    let registry = registry(engine);
    registry.put_image("shop/base", "1.4", &image);
    let run = run(
        &repository(engine),
        &registry,
        "
- pipe: THE_PIPE
  variables:
    ACTION: copy
    IMAGES: ['base:1.*=web']
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ca.crt
    CREDENTIAL: api-token
",
    );
    assert!(run.succeeded().contains("(0 B moved"), "{}", run.log);
    assert_eq!(registry.tag("shop/web", "1.4"), Some(image.digest()));
}

fn archives_and_layouts_serve_the_lines_after_it(engine: &Engine) {
    let (engine, image) = (with_image(engine), Image::small("image-archive"));
    let registry = registry(engine);
    registry.put_image("shop/web", "7", &image);
    let repository = repository(engine);
    let run = run(
        &repository,
        &registry,
        "
- mkdir sub
- cd sub
- pipe: THE_PIPE
  variables:
    IMAGES: web:7
    TO: docker-archive:../web.tar
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ../ca.crt
    CREDENTIAL: built-in
- docker load --input ../web.tar
- docker image inspect THE_REGISTRY/shop/web:7 > inspected.json
- pipe: THE_PIPE
  variables:
    IMAGES: web:7
    TO: oci:images
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ../ca.crt
    CREDENTIAL: built-in
- pipe: THE_PIPE
  variables:
    ACTION: push
    SOURCE: oci:images:7
    TARGET: api
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ../ca.crt
    CREDENTIAL: built-in
",
    );
    run.succeeded();
    assert_eq!(registry.tag("shop/api", "7"), Some(image.digest()), "{}", run.log);
    let archive = std::fs::metadata(repository.clone_dir().join("web.tar")).unwrap();
    assert_eq!(archive.mode() & 0o777, 0o644);
}

/// An empty image has no resolver but the one in the binary.
fn names_are_resolved_as_the_containers_resolv_conf_says(engine: &Engine) {
    let engine = with_image(engine);
    let IpAddr::V4(bridge) = engine.bridge() else {
        panic!("the bridge has an IPv4 address")
    };
    let name = "registry.example.test";
    name_server::start(bridge, name);
    let setup = Setup::shop().listen(engine.bridge()).named(name);
    let registry = Emulator::start(setup.tls(Authority::shared()));
    registry.put_image("shop/api", "1", &Image::small("image-names"));
    let repository = repository(engine).option(&format!("--dns={bridge}"));
    repository.file("results/.keep", "");
    run(&repository, &registry, RETAG_WITH_REPORT).succeeded();
    assert!(registry.tag("shop/api", "2").is_some());
}

/// Both pipe forms hand over what they should: the one its defaults, the other nothing.
fn an_image_by_itself_is_told_which_lines_are_missing(engine: &Engine) {
    let engine = with_image(engine);
    let registry = registry(engine);
    let run = run(
        &repository(engine),
        &registry,
        "
- pipe: docker://THE_PIPE
  variables:
    IMAGES: base:1.4
",
    );
    assert!(
        run.failed(3)
            .contains("BITBUCKET_PACKAGES_TOKEN: $BITBUCKET_PACKAGES_TOKEN"),
        "{}",
        run.log
    );
    assert_eq!(registry.connections(), 0);
}

const RETAG_WITH_REPORT: &str = "
- pipe: THE_PIPE
  variables:
    ACTION: retag
    SOURCE: api:1
    TAGS: '2'
    REGISTRY: THE_REGISTRY
    CA_CERTIFICATE: ca.crt
    CREDENTIAL: built-in
    REPORT: results/report.json
";

fn root_of_the_step_writes_into_a_folder_of_another_user(engine: &Engine) {
    let engine = with_image(engine);
    let registry = registry(engine);
    registry.put_image("shop/api", "1", &Image::small("image-folder"));
    let repository = repository(engine);
    repository.file("results/.keep", "");
    let folder = repository.clone_dir().join("results");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    chown(&folder, Some(12_345), Some(12_345)).unwrap();
    run(&repository, &registry, RETAG_WITH_REPORT).succeeded();
    let report = std::fs::metadata(folder.join("report.json")).unwrap();
    assert_eq!(report.mode() & 0o777, 0o644);
}

/// As on Bitbucket's own machines: root in the pipe is uid 165536 of the step, and a folder that the script made is
/// not open to it.
fn with_user_namespaces_the_closed_folder_is_explained(engine: &Engine) {
    let engine = Engine::with_user_namespaces(engine.kind());
    make_image(&engine);
    let registry = registry(&engine);
    registry.put_image("shop/api", "1", &Image::small("image-userns"));
    let repository = repository(&engine);
    repository.file("results/.keep", "");
    let folder = repository.clone_dir().join("results");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();

    let refused = run(&repository, &registry, RETAG_WITH_REPORT);
    assert!(
        refused.failed(1).contains("uid 165536 outside of its container"),
        "{}",
        refused.log
    );
    assert!(refused.log.contains("chmod 777"), "{}", refused.log);

    let lines = format!("- chmod 777 results{RETAG_WITH_REPORT}- cat results/report.json\n");
    run(&repository, &registry, &lines).succeeded();
    assert_eq!(std::fs::metadata(folder.join("report.json")).unwrap().uid(), 165_536);
}
