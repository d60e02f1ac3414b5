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

/// A folder of its own for images, on a disk of so many MiB where `$1` says so.
const DISK: &str = r#"
if [ -n "$1" ]; then
    mkdir -p "$ENGINE_FOLDER/data"
    mount -t tmpfs -o size="$1" none "$ENGINE_FOLDER/data"
fi
shift
exec podman "$@"
"#;

/// Starts one, with a disk of so many MiB for its images.
pub(super) fn start(disk: Option<u32>) -> Engine {
    require(&[("podman", "podman"), ("docker", "docker.io"), ("unshare", "util-linux")]);
    let program = Program::new("unshare");
    let disk = disk.map(|size| format!("{size}m")).unwrap_or_default();
    let folder = program.folder().display().to_string();
    let registries = program.file("registries.conf", REGISTRIES);
    let containers = program.file("containers.conf", CONTAINERS);
    let ca = program.file("ca.crt", &Authority::shared().pem());
    // It reads no other policy than its user's or the machine's.
    program.file(".config/containers/policy.json", POLICY);
    let client = program.script("bin/docker", "exec docker \"$@\"");
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let server = program
        .arguments(&["--mount", "--propagation", "private", "sh", "-c", DISK, "disk", &disk])
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
        .env("ENGINE_FOLDER", &folder)
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
