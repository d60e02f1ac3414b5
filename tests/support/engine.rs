//! A real Docker Engine of the tests' own: its own bridge, folder, sockets and mount namespace. It trusts the tests'
//! private CA and resolves `host.docker.internal` to its bridge, as a step's daemon does; `crg.apkg.io` as well.

use super::called::Called;
use super::pki::Authority;
use super::supervised::{Program, Supervised};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The port of the Engine API, as in Pipelines.
const PORT: u16 = 2375;
/// What runs in the mount namespace, where the machine's own files stay as they are.
const NAMESPACE: &str = r#"
set -e
if [ -n "$ENGINE_REMAP" ]; then
    cp -a /etc "$ENGINE_FOLDER/etc"
    mount --bind "$ENGINE_FOLDER/etc" /etc
    grep -q '^dockremap:' /etc/passwd || echo 'dockremap:x:996:996::/:/usr/sbin/nologin' >>/etc/passwd
    grep -q '^dockremap:' /etc/group || echo 'dockremap:x:996:' >>/etc/group
    echo "dockremap:$ENGINE_REMAP:65536" >/etc/subuid
    echo "dockremap:$ENGINE_REMAP:65536" >/etc/subgid
fi
mount --bind "$ENGINE_FOLDER/hosts" /etc/hosts
exec dockerd "$@"
"#;

/// A running Docker Engine; it stops when dropped or when the test process ends.
pub struct Engine {
    server: Supervised,
    bridge: Ipv4Addr,
    loopback: Ipv4Addr,
}

impl Engine {
    /// What containers of this engine use, with [`Engine::add_host`].
    pub const TCP_IN_CONTAINERS: &str = "tcp://host.docker.internal:2375";

    /// The one of this test process, started at its first use; it trusts [`Authority::shared`]. Tests share its
    /// images: each uses names of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Engine> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(None))
    }

    /// One whose root user in containers is the machine's uid 165536, as in Pipelines.
    pub fn with_user_namespaces() -> Self {
        Self::start(Some(165_536))
    }

    /// An engine of one's own.
    pub fn start(remap: Option<u32>) -> Self {
        require();
        let (link, bridge) = make_bridge();
        let [_, second, third, _] = bridge.octets();
        let loopback = Ipv4Addr::new(127, second, third, 1);
        let program = Program::new("unshare");
        let folder = program.folder().display().to_string();
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        let others: Vec<&str> = hosts
            .lines()
            .filter(|line| !line.contains("host.docker.internal"))
            .collect();
        program.file(
            "hosts",
            &format!("{bridge} host.docker.internal crg.apkg.io\n{}\n", others.join("\n")),
        );
        let ca = program.file("ca.crt", &Authority::shared().pem());
        let remapped = if remap.is_some() {
            vec!["--userns-remap=dockremap"]
        } else {
            Vec::new()
        };
        let server = program
            .arguments(&[
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                NAMESPACE,
                "namespace",
            ])
            .arguments(&[
                &format!("--data-root={folder}/data"),
                &format!("--exec-root={folder}/exec"),
                &format!("--pidfile={folder}/dockerd.pid"),
                &format!("--host=unix://{folder}/docker.sock"),
                &format!("--host=tcp://{loopback}:{PORT}"),
                &format!("--host=tcp://{bridge}:{PORT}"),
                "--tls=false",
                &format!("--bridge={link}"),
                "--iptables=false",
                "--ip-masq=false",
                "--ip6tables=false",
                "--shutdown-timeout=1",
            ])
            .arguments(&remapped)
            .env("ENGINE_FOLDER", &folder)
            .env(
                "ENGINE_REMAP",
                &remap.map(|first| first.to_string()).unwrap_or_default(),
            )
            .env("SSL_CERT_FILE", &ca)
            .env("SSL_CERT_DIR", "/nonexistent")
            .env("NO_PROXY", "*")
            .afterwards(&format!("ip link del {link}"))
            .start();
        let engine = Self {
            server,
            bridge,
            loopback,
        };
        engine.server.wait_until("an answer of the Engine API", |_| {
            engine.docker(&["version"]).succeeded.then_some(())
        });
        engine
    }

    /// `unix://…`
    pub fn socket(&self) -> String {
        format!("unix://{}", self.server.folder().join("docker.sock").display())
    }

    /// `tcp://127.…:2375`: plain HTTP on loopback.
    pub fn tcp(&self) -> String {
        format!("tcp://{}:{PORT}", self.loopback)
    }

    /// The machine's address on this engine's bridge: an emulator that listens here is reached from containers.
    pub fn bridge(&self) -> IpAddr {
        IpAddr::V4(self.bridge)
    }

    /// `--add-host=host.docker.internal:ADDRESS`
    pub fn add_host(&self) -> String {
        format!("--add-host=host.docker.internal:{}", self.bridge)
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
        let mut command = Command::new("docker");
        command
            .env_remove("DOCKER_CONTEXT")
            .env("DOCKER_HOST", self.socket())
            .env("DOCKER_CONFIG", self.config_folder())
            .env("HOME", self.server.folder());
        command
    }

    /// What `docker inspect --format` says of an image; `None` if it is not there.
    pub fn inspect(&self, image: &str, format: &str) -> Option<String> {
        let called = self.docker(&["image", "inspect", "--format", format, image]);
        called.succeeded.then(|| called.output.trim().to_owned())
    }

    fn config_folder(&self) -> PathBuf {
        self.server.folder().join("docker-cli")
    }
}

/// Everything that an engine takes; says what to install.
fn require() {
    let own = Command::new("id").arg("-u").output().expect("id");
    assert_eq!(
        String::from_utf8_lossy(&own.stdout).trim(),
        "0",
        "a Docker Engine of the tests' own needs root"
    );
    for (program, package) in [
        ("dockerd", "docker.io"),
        ("docker", "docker.io"),
        ("ip", "iproute2"),
        ("unshare", "util-linux"),
    ] {
        let found = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(found.is_ok(), "{program} is not installed: apt-get install {package}");
    }
}

/// A bridge on a free 172.x.y.0/24. Its name says the subnet, so that the kernel refuses a second one.
fn make_bridge() -> (String, Ipv4Addr) {
    let ip = |arguments: &[&str]| {
        let output = Command::new("ip").args(arguments).output().expect("ip");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (_, taken) = ip(&["-4", "-o", "address"]);
    let start = std::process::id();
    for step in 0..512 {
        let number = (start + step) % (12 * 256);
        let (second, third) = (20 + number / 256, number % 256);
        let link = format!("crg-{second}-{third}");
        let prefix = format!("172.{second}.{third}.");
        if taken.contains(&prefix) || !ip(&["link", "add", "name", &link, "type", "bridge"]).0 {
            continue;
        }
        let address = format!("{prefix}1");
        let up =
            ip(&["address", "add", &format!("{address}/24"), "dev", &link]).0 && ip(&["link", "set", &link, "up"]).0;
        assert!(up, "no address for the bridge {link}");
        return (link, address.parse().unwrap());
    }
    panic!("no bridge could be made with `ip link add`");
}
