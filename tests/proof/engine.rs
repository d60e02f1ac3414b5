//! Real engines as clients of the emulator.

use crate::support::emulator::{Emulator, Role, Setup, User, api_token};
use crate::support::engine::{Engine, Kind};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pki::Authority;
use std::process::Command;

on_each_engine!(pull_tag_push_over_http_on_loopback);
on_docker!(
    refusals_reach_the_user,
    tls_by_the_name_that_containers_use,
    containers_reach_the_bridge_and_uids_are_remapped,
);

/// `docker` with its own credentials for an emulator.
struct Client {
    engine: &'static Engine,
    config: tempfile::TempDir,
}

impl Client {
    fn signed_in(engine: &'static Engine, emulator: &Emulator, username: &str, token: &str) -> Self {
        let client = Self {
            engine,
            config: tempfile::tempdir().unwrap(),
        };
        let login = ["login", "--username", username, "--password-stdin", emulator.host()];
        client
            .engine
            .docker_reading(&client.with(&login), token.as_bytes())
            .succeeds();
        client
    }

    fn with<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["--config", self.config.path().to_str().unwrap()], arguments].concat()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        self.engine.docker(&self.with(arguments)).succeeds()
    }

    fn fails_with(&self, arguments: &[&str], text: &str) {
        self.engine.docker(&self.with(arguments)).fails_with(text);
    }
}

fn ada(engine: &'static Engine, emulator: &Emulator) -> Client {
    Client::signed_in(engine, emulator, Setup::EMAIL, &Setup::api_token())
}

fn pull_tag_push_over_http_on_loopback(engine: &'static Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::small("engine http");
    emulator.put_image("shop/base", "1", &image);
    let docker = ada(engine, &emulator);
    let source = format!("{}/shop/base:1", emulator.host());
    docker.succeeds(&["pull", &source]);
    let digests = docker.engine.inspect(&source, "{{json .RepoDigests}}").unwrap();
    assert!(digests.contains(&image.digest()), "{digests}");
    let target = format!("{}/shop/api:2", emulator.host());
    docker.succeeds(&["tag", &source, &target]);
    docker.succeeds(&["push", &target]);
    // The layer is the same blob: the Engine mounts it.
    let mounted = emulator.journal();
    let mounted = mounted
        .iter()
        .any(|entry| entry.path.contains("mount=") && entry.status == 201);
    assert!(mounted, "{:#?}", emulator.requests());
    assert!(emulator.tag("shop/api", "2").is_some());
}

fn refusals_reach_the_user(engine: &'static Engine) {
    let reader = User::new("reader@example.com", &api_token("reader"))
        .package_scopes()
        .role("shop/images", Role::Read);
    let emulator = Emulator::start(Setup::shop().user(reader).immutable("^v"));
    let image = ImageBuilder::new("engine refusals").docker().build();
    emulator.put_image("shop/base", "v1", &Image::small("other"));
    let name = |name: &str| format!("{}/shop/{name}", emulator.host());
    let docker = ada(engine, &emulator);
    let [missing, fixed, api, base] = ["nothing:1", "base:v1", "api:1", "base:2"].map(name);
    let archive = image.docker_archive(&[&missing, &fixed, &api, &base]);
    docker.engine.docker_reading(&["load"], &archive).succeeds();
    let relays_words = engine.relays_words();
    let says = |words: &'static str, status: &'static str| if relays_words { words } else { status };
    let pulling = |words: &'static str, status: &'static str| match engine.kind() {
        Kind::Containerd => status,
        _ => words,
    };
    let unknown = says("nothing does not exist in this workspace", "404 Not Found");
    docker.fails_with(&["push", &missing], unknown);
    docker.fails_with(&["pull", &missing], pulling(unknown, "not found"));
    docker.fails_with(&["pull", &name("api:none")], pulling("manifest unknown", "not found"));
    docker.fails_with(&["push", &fixed], says("is immutable", "400 Bad Request"));
    let reader = Client::signed_in(engine, &emulator, "reader@example.com", &api_token("reader"));
    reader.fails_with(&["push", &base], says("denied", "403 Forbidden"));
    reader.fails_with(&["pull", &api], pulling("denied", "403 Forbidden"));
    let wrong = ["login", "--username", Setup::EMAIL, "--password-stdin", emulator.host()];
    let wrong = docker.engine.docker_reading(&docker.with(&wrong), b"wrong");
    wrong.fails_with("unauthorized");
    docker.succeeds(&["push", &api]);
    assert_eq!(
        emulator.tag("shop/api", "1").is_some(),
        emulator.tag("shop/base", "2").is_none()
    );
}

fn tls_by_the_name_that_containers_use(engine: &'static Engine) {
    let setup = Setup::shop()
        .named("host.docker.internal")
        .listen(engine.bridge())
        .tls(Authority::shared());
    let emulator = Emulator::start(setup);
    let image = Image::small("engine tls");
    emulator.put_image("shop/base", "1", &image);
    let docker = ada(engine, &emulator);
    let reference = format!("{}/shop/base@{}", emulator.host(), image.digest());
    docker.succeeds(&["pull", &reference]);
    let target = format!("{}/shop/api:1", emulator.host());
    docker.succeeds(&["tag", &reference, &target]);
    docker.succeeds(&["push", &target]);
    assert!(emulator.tag("shop/api", "1").is_some());
}

/// A container reaches an emulator on the bridge and the Engine API, and its root is another uid with user namespaces.
fn containers_reach_the_bridge_and_uids_are_remapped(engine: &'static Engine) {
    let engine = Engine::with_user_namespaces(engine.kind());
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().display().to_string();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), permissions).unwrap();
    // A static program for a container of nothing else.
    let source = folder.path().join("connect.rs");
    std::fs::write(
        &source,
        r#"fn main() {
            let address = std::env::args().nth(1).unwrap();
            std::net::TcpStream::connect(address.as_str()).unwrap();
            std::fs::write("/out/made", "by a container").unwrap();
        }"#,
    )
    .unwrap();
    let program = folder.path().join("connect");
    let built = Command::new("rustc")
        .args(["-C", "target-feature=+crt-static", "-o"])
        .args([&program, &source])
        .status();
    assert!(built.unwrap().success());
    let image = ImageBuilder::new("connect")
        .file("/connect", &std::fs::read(&program).unwrap(), 0o755)
        .config(serde_json::json!({ "Entrypoint": ["/connect"] }))
        .build();
    let archive = image.docker_archive(&["connect:1"]);
    engine.docker_reading(&["load"], &archive).succeeds();
    assert_eq!(engine.config_digest("connect:1"), Some(image.config_digest()));
    let volume = format!("--volume={shared}:/out");
    let add_host = engine.add_host();
    let run = ["run", &add_host, &volume, "connect:1", "host.docker.internal:2375"];
    engine.docker(&run).succeeds();
    let made = std::fs::metadata(folder.path().join("made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 165_536);
}
