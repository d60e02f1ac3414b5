//! podman's service, with storage and configuration of its own.

use super::{Engine, Kind, require};
use crate::support::pki::Authority;
use crate::support::supervised::Program;
use std::net::TcpListener;

/// Plain HTTP to the tests' registries, as Docker speaks it to loopback by itself; a short name is Docker Hub's.
const REGISTRIES: &str = r#"unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "localhost"
location = "localhost"
insecure = true
"#;
/// Nothing is shared with another podman of this machine: no locks in shared memory, no journal, no networks.
const CONTAINERS: &str = r#"[engine]
lock_type = "file"
events_logger = "none"
cgroup_manager = "cgroupfs"
"#;
const POLICY: &str = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;

pub(super) fn start() -> Engine {
    require(&[("podman", "podman"), ("docker", "docker.io")]);
    let program = Program::new("podman");
    let folder = program.folder().display().to_string();
    let registries = program.file("registries.conf", REGISTRIES);
    let containers = program.file("containers.conf", CONTAINERS);
    let ca = program.file("ca.crt", &Authority::shared().pem());
    // It reads no other policy than its user's or the machine's.
    program.file(".config/containers/policy.json", POLICY);
    let client = program.script("bin/docker", "exec docker \"$@\"");
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let server = program
        .arguments(&[
            &format!("--root={folder}/data"),
            &format!("--runroot={folder}/run"),
            &format!("--tmpdir={folder}/tmp"),
            "--log-level=info",
            "system",
            "service",
            "--time=0",
            &address,
        ])
        .env("HOME", &folder)
        .env("CONTAINERS_CONF", &containers)
        .env("CONTAINERS_REGISTRIES_CONF", &registries)
        .env("REGISTRY_AUTH_FILE", &format!("{folder}/auth.json"))
        .env("SSL_CERT_FILE", &ca)
        .env("SSL_CERT_DIR", "/nonexistent")
        .env("NO_PROXY", "*")
        .start();
    Engine {
        kind: Kind::Podman,
        server,
        address,
        bridge: None,
        client,
    }
    .ready()
}

/// The service takes no port 0. Between this and its start, another program could take the port; then its start fails.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
