//! A Docker Engine: `dockerd` on a bridge of its own, in a mount namespace of its own, on this machine's programs or on
//! those of a Debian that is unpacked beside the system.

use super::{Engine, Kind, require};
use crate::support::pki::Authority;
use crate::support::supervised::Program;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The port of the Engine API, as in Pipelines.
const PORT: u16 = 2375;
const NAMESPACE: &str = include_str!("namespace.sh");

/// Where the programs of an engine are.
enum Programs {
    /// On this machine's `PATH`.
    System,
    /// In a folder, as Docker's own releases have them.
    Folder(PathBuf),
    /// In a system of their own, as `.ci/tools` unpacks it.
    Root(PathBuf),
}

impl Programs {
    fn of(kind: Kind) -> Self {
        match std::env::var_os("ENGINE").filter(|path| !path.is_empty()) {
            Some(path) => Self::given(Path::new(&path)),
            None if kind == Kind::Classic => Self::System,
            None => Self::Root(Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/engine")),
        }
    }

    /// Those of `ENGINE=…/dockerd`.
    fn given(daemon: &Path) -> Self {
        let daemon =
            std::fs::canonicalize(daemon).unwrap_or_else(|error| panic!("ENGINE={}: {error}", daemon.display()));
        let folder = daemon.parent().expect("a folder");
        let root = ["usr/sbin", "usr/bin"]
            .into_iter()
            .filter(|below| folder.ends_with(below))
            .find_map(|_| folder.ancestors().nth(2));
        match root {
            Some(root) if root == Path::new("/") => Self::System,
            Some(root) if root.join("etc").is_dir() => Self::Root(root.to_owned()),
            _ => Self::Folder(folder.to_owned()),
        }
    }

    /// What `PATH` begins with.
    fn path(&self) -> String {
        let path = std::env::var("PATH").expect("a PATH");
        match self {
            Self::Folder(folder) => format!("{}:{path}", folder.display()),
            _ => path,
        }
    }

    /// The root of the daemon, if it is not the machine's.
    fn root(&self) -> String {
        match self {
            Self::Root(root) => {
                let daemon = root.join("usr/sbin/dockerd");
                assert!(
                    daemon.exists(),
                    "no Docker Engine in {}: run `make tools`",
                    root.display()
                );
                root.display().to_string()
            }
            _ => String::new(),
        }
    }

    /// A `docker` that is of an age with the daemon: an old one hangs in `docker pull` from a new one.
    fn client(&self, program: &Program) -> PathBuf {
        let folder = program.folder().display();
        let script = match self {
            Self::Root(_) => {
                format!("exec nsenter --target \"$(cat {folder}/pid)\" --mount --wdns=\"$PWD\" /usr/bin/docker \"$@\"")
            }
            _ => format!("PATH={}\nexec docker \"$@\"", self.path()),
        };
        program.script("bin/docker", &script)
    }
}

/// Starts one, with the machine's uid of its containers' root user, or with a disk of so many MiB for its images.
pub(super) fn start(kind: Kind, remap: Option<u32>, disk: Option<u32>) -> Engine {
    require(&[("ip", "iproute2"), ("unshare", "util-linux"), ("mount", "mount")]);
    let programs = Programs::of(kind);
    if !matches!(programs, Programs::Root(_)) {
        require(&[("dockerd", "docker.io"), ("docker", "docker.io")]);
    }
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
        &format!(
            "{bridge} host.docker.internal crg.apkg.io registry-1.docker.io\n{}\n",
            others.join("\n")
        ),
    );
    let ca = program.file("ca.crt", &Authority::shared().pem());
    let store = kind == Kind::Containerd;
    let config = format!(r#"{{"features": {{"containerd-snapshotter": {store}}}}}"#);
    let config = program.file("daemon.json", &config);
    let client = programs.client(&program);
    let remapped = remap.map_or(&[][..], |_| &["--userns-remap=dockremap"]);
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
            "dockerd",
            &format!("--config-file={config}"),
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
        .arguments(remapped)
        .env("PATH", &programs.path())
        .env("ENGINE_FOLDER", &folder)
        .env("ENGINE_ROOT", &programs.root())
        .env("TMPDIR", &std::env::temp_dir().display().to_string())
        .env(
            "ENGINE_REMAP",
            &remap.map(|first| first.to_string()).unwrap_or_default(),
        )
        .env("ENGINE_DISK", &disk.map(|size| format!("{size}m")).unwrap_or_default())
        .env("SSL_CERT_FILE", &ca)
        .env("SSL_CERT_DIR", "/nonexistent")
        .env("NO_PROXY", "*")
        .afterwards(&format!("ip link del {link}"))
        .start();
    let engine = Engine {
        kind,
        server,
        address: format!("tcp://{loopback}:{PORT}"),
        bridge: Some(bridge),
        client,
    }
    .ready();
    assert_store(&engine);
    engine
}

/// An old Docker takes the feature for one that it need not know.
fn assert_store(engine: &Engine) {
    let driver = engine
        .docker(&["info", "--format", "{{json .DriverStatus}}"])
        .succeeds();
    let is_containerd = driver.contains("io.containerd.snapshotter");
    assert_eq!(
        is_containerd,
        engine.kind == Kind::Containerd,
        "this Docker has another image store than the one asked for: {driver}"
    );
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
