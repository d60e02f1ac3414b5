//! The daemon of the demonstration, Docker or podman: whether one is there, whether it reaches the registry, and what a step's
//! `docker build` would do, by the Engine API itself; and what `docker pull` makes of a refusal.

use crate::support::emulator::{Emulator, Setup};
use anyhow::Context as _;
use base64::Engine as _;
use crg_pipe::parts::{Address, Digest, Engine, EngineError, EngineSettings, Host, RegistryAuth, Repository};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long the daemon may be silent.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A daemon that reaches the registry.
pub(crate) struct Daemon {
    address: Address,
}

/// Why there is none to use; a sentence without its period.
pub(crate) struct NoDaemon(pub(crate) String);

impl Daemon {
    /// Looks for the daemon of `DOCKER_HOST`, and has it ask the registry for an image that nobody has: any answer of
    /// the registry's will do.
    pub(crate) fn find(docker_host: Option<&str>, registry: &str) -> anyhow::Result<Result<Self, NoDaemon>> {
        let address = match Address::parse(docker_host) {
            Ok(address) => address,
            Err(mistake) => return Ok(Err(NoDaemon(mistake.to_string()))),
        };
        let repository = Repository::new(Host::parse(registry)?, "shop/base")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async {
            let engine = Engine::connect(address.clone(), EngineSettings { timeout: TIMEOUT })
                .await
                .map_err(|error| NoDaemon(error.to_string()))?;
            let nothing = Digest::of(b"no image at all");
            let asked = engine
                .pull(&repository, &nothing, &[], &RegistryAuth::anonymous(), |_| {})
                .await;
            match asked {
                Err(EngineError::Registry { .. } | EngineError::NotResolved { .. }) => Ok(Self { address }),
                Err(error) => Err(NoDaemon(format!("{engine} does not reach this registry: {error}"))),
                Ok(()) => Err(NoDaemon(format!("{engine} pulls what is not there"))),
            }
        }))
    }

    /// `docker build -t name .` of `FROM base` with one file.
    pub(crate) fn build(&self, name: &str, base: &str) -> anyhow::Result<()> {
        let mut context = tar::Builder::new(Vec::new());
        for (path, text) in [
            ("Dockerfile", format!("FROM {base}\nCOPY app /app\n")),
            ("app", "what the step has built\n".to_owned()),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            context.append_data(&mut header, path, text.as_bytes())?;
        }
        let answer = self.ask("POST", &format!("/build?t={name}"), &context.into_inner()?)?;
        match answer.lines().find(|line| line.contains("\"errorDetail\"")) {
            Some(error) => anyhow::bail!("the daemon did not build: {error}"),
            None => Ok(()),
        }
    }

    /// Takes a name away again, and with it an image that has no other.
    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        self.ask("DELETE", &format!("/images/{name}"), &[]).map(drop)
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<String> {
        let headers = "Content-Type: application/x-tar\r\n";
        let answer = match &self.address {
            Address::Unix(socket) => exchange(UnixStream::connect(socket)?, method, path, headers, body)?,
            Address::Tcp { host, port } => {
                let host = host.trim_matches(['[', ']']);
                exchange(TcpStream::connect((host, *port))?, method, path, headers, body)?
            }
        };
        let status = answer.lines().next().unwrap_or_default();
        anyhow::ensure!(status.contains(" 20"), "{method} {path}: {answer}");
        Ok(answer)
    }
}

/// What `docker pull` prints for an image that the built-in credential may not read: the registry's own answer in Docker's
/// words. No daemon is needed: the requests are those that Docker sends, and the last one has no body to answer with.
pub(crate) fn refusal_of_pull(registry: &Emulator, package: &str, tag: &str) -> anyhow::Result<String> {
    let ask = |method: &str, path: &str, authorization: &str| {
        let headers = format!("Authorization: {authorization}\r\n");
        exchange(TcpStream::connect(registry.host())?, method, path, &headers, &[])
    };
    let credential = format!("{}:{}", Setup::BUILT_IN_USERNAME, Setup::BUILT_IN_TOKEN);
    let basic = base64::engine::general_purpose::STANDARD.encode(credential);
    let scope = format!("/token?scope=repository:{package}:pull");
    let granted = ask("GET", &scope, &format!("Basic {basic}"))?;
    let (_, body) = granted.split_once("\r\n\r\n").context("an answer with a body")?;
    let body: serde_json::Value = serde_json::from_str(body).context("a token in JSON")?;
    let token = body["token"].as_str().context("a token")?;
    let refused = ask(
        "HEAD",
        &format!("/v2/{package}/manifests/{tag}"),
        &format!("Bearer {token}"),
    )?;
    match refused.split(' ').nth(1) {
        Some("401") => Ok("Error response from daemon: unauthorized".to_owned()),
        Some("403") => Ok("Error response from daemon: denied".to_owned()),
        _ => anyhow::bail!("the registry refused nothing: {refused}"),
    }
}

/// One request on a connection of its own; the answer's text, its chunks not put together.
fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> anyhow::Result<String> {
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
