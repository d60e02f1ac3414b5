//! What the programs run against: two of Debian's docker-registry with token auth, networks before them, the images.

use crate::fixture::Fixture;
use crate::proxy::{self, Conditions};
use crate::support::distribution::Distribution;
use crate::support::emulator::api_token;
use crate::support::engine::{Engine, Kind};
use crate::support::image::ImageBuilder;
use crate::support::skopeo::{Skopeo, write_layout};
use crate::support::token_server::{SERVICE, TokenServer};
use serde_json::Value;
use std::cell::{Cell, OnceCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The user, in the form of an Atlassian account.
pub(crate) const USER: &str = "bench@example.com";
/// The workspace of all repositories.
pub(crate) const WORKSPACE: &str = "bench";
/// Holds the images; tags are their names.
pub(crate) const SOURCE: &str = "bench/source";

/// Holds small images, one a tag: `t1`, `t2`, …
pub(crate) const FLEET: &str = "bench/fleet";
/// So many of them are in both registries.
pub(crate) const MIRRORED: usize = 200;
/// So many of them are looked at.
pub(crate) const CHECKED: usize = 50;
/// Holds one image under 1,250 tags.
pub(crate) const TAGGED: &str = "bench/tagged";
const TAGS: usize = 1250;
/// Holds the images of a mirror that grows: `t1`, `t2`, …
pub(crate) const GROWN: &str = "bench/grown";
/// Images that share layers: tags of `bench/shared`, from 1 on.
pub(crate) const SHARED: usize = 8;
/// The pipe's image in the engines.
pub(crate) const CONTAINER: &str = "crg-pipe-bench:1";

/// Held back before each request on [`Network::Delayed`].
pub(crate) const DELAY: Duration = Duration::from_millis(40);
/// Bytes a second of each connection on [`Network::Limited`]: 50 MiB/s.
pub(crate) const RATE: u32 = 50 * 1024 * 1024;

/// The network between program and registries. The token server is never behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// Loopback as it is.
    Direct,
    /// [`DELAY`] before each request.
    Delayed,
    /// [`RATE`] for each connection.
    Limited,
}

impl Network {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "none",
            Self::Delayed => "+40 ms",
            Self::Limited => "50 MiB/s",
        }
    }
}

/// Requests so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// At both registries, those without a token too.
    pub(crate) registry: usize,
    /// At the token server.
    pub(crate) token: usize,
}

impl Requests {
    /// Those after an earlier count.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            registry: self.registry - before.registry,
            token: self.token - before.token,
        }
    }
}

/// A registry and the networks before it.
pub(crate) struct Side {
    registry: Distribution,
    delayed: SocketAddr,
    limited: SocketAddr,
}

/// All of it; ends when dropped.
pub(crate) struct Stage {
    tokens: TokenServer,
    /// Where the images are.
    pub(crate) near: Side,
    /// The other one.
    pub(crate) far: Side,
    pub(crate) images: Vec<Fixture>,
    pub(crate) folder: TempDir,
    binary: PathBuf,
    engines: [OnceCell<Engine>; 2],
    has_fleet: Cell<bool>,
    has_shared: Cell<bool>,
}

impl Side {
    fn start(tokens: &TokenServer) -> Self {
        let registry = Distribution::setup().token(tokens).start();
        let port = registry.host().trim_start_matches("localhost:").parse::<u16>().unwrap();
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let network = |delay, rate| proxy::start(target, Conditions { delay, rate });
        Self {
            delayed: network(DELAY, None),
            limited: network(Duration::ZERO, Some(RATE)),
            registry,
        }
    }

    /// `localhost:PORT` of a network.
    pub(crate) fn host(&self, network: Network) -> String {
        match network {
            Network::Direct => self.registry.host(),
            Network::Delayed => format!("localhost:{}", self.delayed.port()),
            Network::Limited => format!("localhost:{}", self.limited.port()),
        }
    }

    /// Lines of its access log, which is in Apache's form; its other lines have no such protocol field.
    fn requests(&self) -> usize {
        let log = self.registry.log();
        log.lines().filter(|line| line.contains(" HTTP/1.1\" ")).count()
    }
}

impl Stage {
    /// Starts everything and pushes the images.
    pub(crate) fn set(binary: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("crg-pipe-bench-").tempdir().unwrap();
        let path = folder.path();
        let images = vec![
            Fixture::big(path),
            Fixture::many(path),
            Fixture::multi(path),
            Fixture::engine(path),
        ];
        let tokens = TokenServer::start().user(USER, &password(), &[("*", "pull,push")]);
        let stage = Self {
            near: Side::start(&tokens),
            far: Side::start(&tokens),
            tokens,
            images,
            folder,
            binary: binary.to_owned(),
            engines: Default::default(),
            has_fleet: Cell::new(false),
            has_shared: Cell::new(false),
        };
        let skopeo = Skopeo::new();
        let host = stage.near.host(Network::Direct);
        skopeo.login(&host, USER, &password()).succeeds();
        for image in &stage.images {
            let from = format!("oci:{}:{}", image.layout.display(), image.name);
            let to = format!("docker://{host}/{SOURCE}:{}", image.name);
            skopeo.copy(&["--all", "--preserve-digests"], &from, &to).succeeds();
        }
        stage
    }

    /// A run of the pipe that is no measurement; its variables.
    fn pipe(&self, registry: &str, variables: &[(&str, &str)]) {
        let output = Command::new(&self.binary)
            .env_clear()
            .env("REGISTRY", registry)
            .env("BITBUCKET_WORKSPACE", WORKSPACE)
            .env("ATLASSIAN_ACCOUNT_EMAIL", USER)
            .env("ATLASSIAN_API_TOKEN", password())
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{variables:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// `count` images of three layers of 3 kB in the near registry, as `NAME:t1`, `NAME:t2`, …
    fn small(&self, name: &str, count: usize) {
        let near = self.near.host(Network::Direct);
        for number in 1..=count {
            let folder = self.folder.path().join(format!("{name}-{number}"));
            write_layout(
                &folder,
                &ImageBuilder::new(&format!("{name} {number}")).layers(3, 3000).build(),
            );
            let (source, target) = (format!("oci:{}", folder.display()), format!("{name}:t{number}"));
            self.pipe(&near, &[("ACTION", "push"), ("SOURCE", &source), ("TARGET", &target)]);
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }

    /// The images of a mirror that grows.
    pub(crate) fn grown(&self, count: usize) {
        self.small("grown", count);
    }

    /// `count` images in the near registry; the first 200 of them in the far one as well, and one of them under 1,250 tags.
    pub(crate) fn fleet(&self, count: usize) {
        if self.has_fleet.replace(true) {
            return;
        }
        let near = self.near.host(Network::Direct);
        self.small("fleet", count);
        let images: Vec<String> = (1..=MIRRORED)
            .map(|number| format!("{near}/{FLEET}:t{number}=fleet:t{number}"))
            .collect();
        let password = password();
        self.pipe(
            &self.far.host(Network::Direct),
            &[
                ("ACTION", "copy"),
                ("IMAGES", &images.join("\n")),
                ("SOURCE_USERNAME", USER),
                ("SOURCE_PASSWORD", &password),
            ],
        );
        let tags: Vec<String> = (0..TAGS).map(|number| format!("t{number}")).collect();
        self.pipe(
            &near,
            &[
                ("ACTION", "copy"),
                ("SOURCE", "fleet:t1"),
                ("TARGET", "tagged"),
                ("TAGS", &tags.join(" ")),
            ],
        );
        self.pipe(
            &near,
            &[
                ("ACTION", "copy"),
                ("SOURCE", "fleet:t1"),
                ("TARGET", "tagged-too:t1249"),
            ],
        );
    }

    /// Images that share layers, in the near registry.
    pub(crate) fn shared(&self) {
        if self.has_shared.replace(true) {
            return;
        }
        for number in 1..=SHARED {
            let image = Fixture::shared(self.folder.path(), number);
            let source = format!("oci:{}:{}", image.layout.display(), image.name);
            let target = format!("shared:{number}");
            let variables = [("ACTION", "push"), ("SOURCE", source.as_str()), ("TARGET", &target)];
            self.pipe(&self.near.host(Network::Direct), &variables);
            std::fs::remove_dir_all(&image.layout).unwrap();
        }
    }

    /// A Docker Engine with the pipe's image: this machine's, or the newer one that `.ci/tools` unpacks.
    pub(crate) fn engine(&self, which: usize) -> &Engine {
        self.engines[which].get_or_init(|| {
            let engine = Engine::start([Kind::Classic, Kind::Containerd][which]);
            let mut archive = tar::Builder::new(Vec::new());
            archive.append_path_with_name(&self.binary, "crg-pipe").unwrap();
            let archive = archive.into_inner().unwrap();
            let change = "--change=ENTRYPOINT [\"/crg-pipe\"]";
            engine
                .docker_reading(&["import", change, "-", CONTAINER], &archive)
                .succeeds();
            engine
        })
    }

    /// Requests so far; those that have ended may take a moment until they are written down.
    pub(crate) fn requests(&self) -> Requests {
        std::thread::sleep(Duration::from_millis(30));
        Requests {
            registry: self.near.requests() + self.far.requests(),
            token: self.tokens.calls().len(),
        }
    }

    /// Bytes of all layers of the near registry's image of a repository.
    pub(crate) fn stored(&self, repository: &str) -> u64 {
        let authorization = format!("Authorization: Bearer {}", self.token(repository));
        let accept =
            "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        let url = format!("http://{}/v2/{repository}/manifests/1", self.near.host(Network::Direct));
        let manifest: Value = serde_json::from_str(&curl(&["-H", &authorization, "-H", accept, &url])).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        layers.iter().map(|layer| layer["size"].as_u64().unwrap()).sum()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.images.iter().any(|image| image.name == name)
    }

    pub(crate) fn image(&self, name: &str) -> &Fixture {
        let mut images = self.images.iter();
        images.find(|image| image.name == name).expect("an image of the stage")
    }

    /// A token to write a repository and to read [`SOURCE`], which is not part of any measurement.
    pub(crate) fn token(&self, repository: &str) -> String {
        let url = format!(
            "{}?service={}&scope=repository:{SOURCE}:pull&scope=repository:{repository}:pull,push",
            self.tokens.realm(),
            SERVICE.replace(' ', "%20")
        );
        let answer = curl(&["-u", &format!("{USER}:{}", password()), &url]);
        let answer: Value = serde_json::from_str(&answer).expect("a token");
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// The digest of a tag, if it is there.
    pub(crate) fn digest(&self, side: &Side, repository: &str, tag: &str) -> Option<String> {
        let authorization = format!("Authorization: Bearer {}", self.token(repository));
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", side.host(Network::Direct));
        let head = curl(&["-I", "-H", &authorization, "-H", accept, &url]);
        let digest = head
            .lines()
            .find_map(|line| line.strip_prefix("Docker-Content-Digest:"));
        digest.map(|digest| digest.trim().to_owned())
    }
}

/// The user's password: in the form of an API token, so that the pipe has no doubts about it.
pub(crate) fn password() -> String {
    api_token("bench")
}

/// Whether a layout at this place has exactly this image.
pub(crate) fn layout_has(folder: &Path, image: &Fixture) -> bool {
    let Ok(index) = std::fs::read_to_string(folder.join("index.json")) else {
        return false;
    };
    let size = |digest: &str| std::fs::metadata(folder.join("blobs/sha256").join(&digest[7..])).map(|file| file.len());
    index.contains(&image.digest)
        && image
            .blobs
            .iter()
            .all(|(digest, expected)| size(digest).is_ok_and(|size| size == *expected))
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").arg("-sS").args(arguments).output();
    let output = output.expect("curl is not installed: apt-get install curl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
