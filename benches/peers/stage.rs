//! What the programs run against: two of Debian's docker-registry with token auth, networks before them, the images.

use crate::fixture::Fixture;
use crate::proxy::{self, Conditions};
use crate::support::distribution::Distribution;
use crate::support::emulator::api_token;
use crate::support::skopeo::Skopeo;
use crate::support::token_server::{SERVICE, TokenServer};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The user, in the form of an Atlassian account.
pub(crate) const USER: &str = "bench@example.com";
/// The workspace of all repositories.
pub(crate) const WORKSPACE: &str = "bench";
/// Holds the images; tags are their names.
pub(crate) const SOURCE: &str = "bench/source";

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requests {
    /// At both registries, those without a token too.
    pub(crate) registry: usize,
    /// At the token server.
    pub(crate) token: usize,
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
    pub(crate) fn set() -> Self {
        let folder = tempfile::Builder::new().prefix("crg-pipe-bench-").tempdir().unwrap();
        let path = folder.path();
        let images = vec![Fixture::big(path), Fixture::many(path), Fixture::multi(path)];
        let tokens = TokenServer::start().user(USER, &password(), &[("*", "pull,push")]);
        let stage = Self {
            near: Side::start(&tokens),
            far: Side::start(&tokens),
            tokens,
            images,
            folder,
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

    /// Requests so far; those that have ended may take a moment until they are written down.
    pub(crate) fn requests(&self) -> Requests {
        std::thread::sleep(Duration::from_millis(30));
        Requests {
            registry: self.near.requests() + self.far.requests(),
            token: self.tokens.calls().len(),
        }
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
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
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
