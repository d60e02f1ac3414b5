//! Real container engines of the tests' own, each with its own folder and address. A Docker Engine has its own bridge,
//! socket and mount namespace as well; it trusts the tests' private CA and resolves `host.docker.internal` to its bridge,
//! as a step's daemon does; `crg.apkg.io` as well.

mod docker;
mod podman;

use super::called::Called;
use super::supervised::Supervised;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What differs from one engine to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Docker with the image store that it always had: this machine's, or `ENGINE`.
    Classic,
    /// Docker with the image store of containerd, which is the default from 29 on: the one that `make tools` unpacks
    /// beside the system, or `ENGINE`.
    Containerd,
    /// podman's service, which speaks the same API.
    Podman,
}

/// A running engine; it stops when dropped or when the test process ends.
pub struct Engine {
    kind: Kind,
    server: Supervised,
    /// `tcp://…`
    address: String,
    bridge: Option<Ipv4Addr>,
    client: PathBuf,
}

impl Engine {
    /// What containers of this engine use, with [`Engine::add_host`].
    pub const TCP_IN_CONTAINERS: &str = "tcp://host.docker.internal:2375";

    /// The one of this kind and test process, started at its first use; it trusts [`Authority::shared`]. Tests share its
    /// images: each uses names of its own.
    ///
    /// [`Authority::shared`]: super::pki::Authority::shared
    pub fn shared(kind: Kind) -> &'static Self {
        static CLASSIC: OnceLock<Engine> = OnceLock::new();
        static CONTAINERD: OnceLock<Engine> = OnceLock::new();
        static PODMAN: OnceLock<Engine> = OnceLock::new();
        let shared = match kind {
            Kind::Classic => &CLASSIC,
            Kind::Containerd => &CONTAINERD,
            Kind::Podman => &PODMAN,
        };
        shared.get_or_init(|| Self::start(kind))
    }

    /// An engine of one's own.
    pub fn start(kind: Kind) -> Self {
        match kind {
            Kind::Podman => podman::start(None),
            _ => docker::start(kind, None, None),
        }
    }

    /// One whose images have a disk of so many MiB.
    pub fn with_disk(kind: Kind, size: u32) -> Self {
        match kind {
            Kind::Podman => podman::start(Some(size)),
            _ => docker::start(kind, None, Some(size)),
        }
    }

    /// Ends it as the kernel ends what takes too much memory.
    pub fn kill(&self) {
        let pid = std::fs::read_to_string(self.server.folder().join("pid")).expect("a pid");
        let killed = Command::new("kill").args(["-KILL", pid.trim()]).status().expect("kill");
        assert!(killed.success(), "no process {pid}");
    }

    /// A Docker Engine whose root user in containers is the machine's uid 165536, as in Pipelines.
    pub fn with_user_namespaces(kind: Kind) -> Self {
        docker::start(kind, Some(165_536), None)
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name in a test's: `classic`, `containerd`, `podman`.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Classic => "classic",
            Kind::Containerd => "containerd",
            Kind::Podman => "podman",
        }
    }

    fn version(&self) -> String {
        let version = self.docker(&["version", "--format", "{{.Server.Version}}"]);
        version.succeeds().trim().to_owned()
    }

    /// Which engine it is, of which version, for a page.
    pub fn described(&self) -> String {
        let version = self.version();
        match self.kind {
            Kind::Classic => format!("Docker Engine {version}"),
            Kind::Containerd => format!("Docker Engine {version} with the image store of containerd"),
            Kind::Podman => format!("podman {version}"),
        }
    }

    /// Whether what a registry says of a refusal reaches who asked: containerd's store passed on the status alone before
    /// Docker 28.
    pub fn relays_words(&self) -> bool {
        self.kind != Kind::Containerd || self.major() >= 28
    }

    /// Whether the code or status of a refusal comes with it: from Docker 28 on containerd's store passes on the registry's
    /// message alone.
    pub fn relays_codes(&self) -> bool {
        self.kind != Kind::Containerd || self.major() < 28
    }

    /// Whether images of several platforms are all known by the digest of their index: to podman from 5 on only one of them is.
    pub fn knows_each_by_its_index(&self) -> bool {
        self.kind != Kind::Podman || self.major() < 5
    }

    /// Whether it can push one platform of an image for several: from Docker 27 on.
    pub fn pushes_one_platform(&self) -> bool {
        self.kind == Kind::Containerd && self.major() >= 27
    }

    fn major(&self) -> u32 {
        let version = self.version();
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        major.unwrap_or_else(|| panic!("{version} is no version"))
    }

    /// Runs until it answers.
    fn ready(self) -> Self {
        let answers = |_: &Supervised| self.docker(&["version"]).succeeded.then_some(());
        self.server.wait_until("an answer of the Engine API", answers);
        self
    }

    /// `unix://…`
    pub fn socket(&self) -> String {
        format!("unix://{}", self.server.folder().join("docker.sock").display())
    }

    /// `tcp://127.…:PORT`: plain HTTP on loopback.
    pub fn tcp(&self) -> String {
        self.address.clone()
    }

    /// The machine's address on this engine's bridge: an emulator that listens here is reached from containers.
    pub fn bridge(&self) -> IpAddr {
        IpAddr::V4(self.bridge.expect("an engine with a bridge"))
    }

    /// `--add-host=host.docker.internal:ADDRESS`
    pub fn add_host(&self) -> String {
        format!("--add-host=host.docker.internal:{}", self.bridge())
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Runs the `docker` CLI against it, with a folder for credentials that is shared by all calls without
    /// `--config`.
    pub fn docker(&self, arguments: &[&str]) -> Called {
        self.docker_reading(arguments, &[])
    }

    /// The same with something to read: `docker load`, `login --password-stdin`.
    pub fn docker_reading(&self, arguments: &[&str], input: &[u8]) -> Called {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker is not installed: apt-get install docker.io");
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A CLI that does not read all of it has said why.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Called::new("docker", &output)
    }

    /// The `docker` CLI for this engine, for a call with more than arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.client);
        command
            .env_remove("DOCKER_CONTEXT")
            .env("DOCKER_HOST", &self.address)
            .env("DOCKER_CONFIG", self.config_folder())
            .env("HOME", self.server.folder());
        command
    }

    /// Where its `docker` is.
    pub fn client(&self) -> String {
        self.client.display().to_string()
    }

    /// A `PATH` for scripts whose `docker` is this engine's.
    pub fn path(&self) -> String {
        let folder = self.client.parent().expect("a folder").display();
        format!("{folder}:{}", std::env::var("PATH").expect("a PATH"))
    }

    /// What `docker inspect --format` says of an image; `None` if it is not there.
    pub fn inspect(&self, image: &str, format: &str) -> Option<String> {
        let called = self.docker(&["image", "inspect", "--format", format, image]);
        called.succeeded.then(|| called.output.trim().to_owned())
    }

    /// The digest of an image's configuration, which is its ID in the classic store alone; `None` if it is not there.
    pub fn config_digest(&self, image: &str) -> Option<String> {
        self.inspect(image, "{{.Id}}")?;
        let saved = self.command().args(["image", "save", image]).output().unwrap();
        let mut archive = tar::Archive::new(saved.stdout.as_slice());
        let index = archive
            .entries()
            .unwrap()
            .map(Result::unwrap)
            .find(|entry| *entry.path_bytes() == b"manifest.json"[..]);
        let index = index.unwrap_or_else(|| panic!("docker save {image}: {}", String::from_utf8_lossy(&saved.stderr)));
        let index: serde_json::Value = serde_json::from_reader(index).unwrap();
        let config = index[0]["Config"].as_str().expect("a configuration");
        let name = config.rsplit('/').next().unwrap_or(config);
        Some(format!("sha256:{}", name.trim_end_matches(".json")))
    }

    fn config_folder(&self) -> PathBuf {
        self.server.folder().join("docker-cli")
    }
}

/// Everything that engines take; says what to install.
fn require(programs: &[(&str, &str)]) {
    let own = Command::new("id").arg("-u").output().expect("id");
    assert_eq!(
        String::from_utf8_lossy(&own.stdout).trim(),
        "0",
        "a container engine of the tests' own needs root"
    );
    for (program, package) in programs {
        let found = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(
            found.is_ok(),
            "{program} is not installed: `make tools` does it, or apt-get install {package}"
        );
    }
}
