//! Client of the Docker Engine API: the few calls that bring images into the step's daemon and out of it.
//!
//! The daemon does the transfer; this module asks, watches and translates. Retrying is the caller's, with
//! [`Error::is_transient`].

mod address;
mod auth;
mod classify;
mod connection;
mod error;
mod export;
mod local_image;
mod progress;
mod stream;
mod transfer;

pub use address::Address;
pub use auth::RegistryAuth;
pub use error::Error;
pub(crate) use error::{Cause, Refusal};
pub(crate) use local_image::LocalImage;
#[cfg(test)]
pub(crate) use local_image::LocalManifest;
pub(crate) use progress::{DaemonProgress, layer_name};

use crate::names::platform::Platform;
use crate::names::{Digest, Repository, Tag};
use crate::text::Quoted;
use classify::{DaemonRequest, Of};
use connection::{Connection, no_daemon};
use export::BlobSearch;
use local_image::{Inspected, known_as};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;
use transfer::Clock;

/// Newest version of the API that was tried: Docker 28's. Pipelines' daemon is Docker 25, with 1.44.
const NEWEST: (u32, u32) = (1, 51);
/// From here on the daemon tells which manifests of an index it has: Docker 28.
const TELLS_MANIFESTS: (u32, u32) = (1, 48);
/// From here on one platform of an image can be pushed: Docker 27.
const PUSHES_ONE_PLATFORM: (u32, u32) = (1, 46);
/// How long an export may take: as long as a daemon may work in silence.
const EXPORT: Duration = Duration::from_secs(600);
/// Most names that [`Engine::list_names`] returns.
const MOST_NAMES: usize = 1000;
/// What of a name has a meaning in a URL: an IPv6 address has them.
const BRACKETS: &AsciiSet = &CONTROLS.add(b'[').add(b']');
/// What is written as it is in a query.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How to speak to the daemon.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `TIMEOUT`: how long without a byte before a request is given up. A pull or push may be silent for ten minutes
    /// while the daemon works on a layer that it has whole.
    pub timeout: Duration,
}

/// A Docker daemon that answered.
#[derive(Debug, Clone)]
pub struct Engine {
    connection: Connection,
    api: (u32, u32),
    make: Make,
    version: String,
    platform: Platform,
    /// When a transfer of this run last moved.
    clock: Clock,
}

/// Who made what answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    Docker,
    Podman,
}

/// What became of a name that was to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untagged {
    /// The name is gone, the image has others.
    Gone,
    /// The name stays: it is the image's only one, and the daemon deletes an image with its last name.
    KeptLast,
    /// There was no such name.
    Absent,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default, rename = "Version")]
    daemon: String,
    #[serde(default, rename = "ApiVersion")]
    newest: String,
    #[serde(default, rename = "MinAPIVersion")]
    oldest: String,
    #[serde(default, rename = "Os")]
    os: String,
    #[serde(default, rename = "Arch")]
    architecture: String,
    #[serde(default, rename = "Components")]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default, rename = "Name")]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

impl Engine {
    /// Finds the daemon and settles on the version of the API: its own, but not newer than was tried with this pipe, and not
    /// older than the daemon takes.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Protocol`] if something else answers.
    pub async fn connect(address: Address, settings: Settings) -> Result<Self, Error> {
        let asked = DaemonRequest {
            what: "looking for the daemon",
            name: "",
            of: Of::Daemon,
        };
        let connection = Connection::new(address, settings.timeout)?;
        let ping = connection
            .send(Method::GET, "/_ping".to_owned(), HeaderMap::new(), asked.what)
            .await?;
        if !ping.status().is_success() {
            return Err(connection.refused(ping, &asked).await);
        }
        let pinged = ping
            .headers()
            .get("Api-Version")
            .and_then(|value| parse_version(value.to_str().ok()?));
        let version: Version = connection
            .get_json("/version".to_owned(), &asked)
            .await?
            .ok_or_else(|| no_daemon(asked.what))?;
        let newest = pinged
            .or_else(|| parse_version(&version.newest))
            .ok_or_else(|| no_daemon(asked.what))?;
        let oldest = parse_version(&version.oldest).filter(|oldest| *oldest <= newest);
        let is_podman = version.components.iter().any(|part| part.name.contains("Podman"));
        let engine = Self {
            connection,
            api: newest.min(NEWEST).max(oldest.unwrap_or(newest.min(NEWEST))),
            make: if is_podman { Make::Podman } else { Make::Docker },
            version: Quoted::new(&version.daemon).to_string(),
            platform: Platform::new(&version.os, &version.architecture, None),
            clock: Clock::default(),
        };
        if engine.api > NEWEST {
            tracing::info!(
                "{engine} takes Engine API {}.{} at least, which is newer than was tried with this pipe ({}.{})",
                engine.api.0,
                engine.api.1,
                NEWEST.0,
                NEWEST.1
            );
        }
        Ok(engine)
    }

    /// Where the daemon is.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.connection.address()
    }

    /// The daemon's version, as `25.0.5`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the daemon runs on. Docker states no variant.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Whether the daemon tells which manifests of an index it has.
    #[must_use]
    pub fn tells_manifests(&self) -> bool {
        self.api >= TELLS_MANIFESTS
    }

    /// Whether the daemon can be told which platform of an image to push.
    #[must_use]
    pub fn pushes_one_platform(&self) -> bool {
        self.api >= PUSHES_ONE_PLATFORM
    }

    /// Whether it may lose a tag of an image to another one of the same image that is set at the same time: podman (seen with
    /// 4.3), which reads an image's names and writes them all.
    #[must_use]
    pub fn loses_tags(&self) -> bool {
        self.make == Make::Podman
    }

    /// Docker took up zstd in 23.0 (moby#41759); podman always had it.
    fn knows_zstd(&self) -> bool {
        let major = self
            .version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        self.make == Make::Podman || major.is_none_or(|major| major >= 23)
    }

    /// Whether its images are in containerd's store. A daemon that does not say so has a store of its own.
    pub async fn has_containerd_store(&self) -> bool {
        let asked = DaemonRequest {
            what: "looking where the daemon has its images",
            name: "",
            of: Of::Daemon,
        };
        let info: Result<Option<serde_json::Value>, Error> = self.connection.get_json(self.path("/info"), &asked).await;
        let info = info.ok().flatten().unwrap_or_default();
        let pairs = info.get("DriverStatus").and_then(serde_json::Value::as_array);
        let is_it = |pair: &serde_json::Value| {
            let driver = pair[1].as_str().unwrap_or_default();
            pair[0] == "driver-type" && driver.starts_with("io.containerd.snapshotter")
        };
        pairs.is_some_and(|pairs| pairs.iter().any(is_it))
    }

    /// The image of a name, a name with digest, or an image ID; `None` if the daemon has none.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn inspect(&self, name: &str) -> Result<Option<LocalImage>, Error> {
        let what = format!("looking up `{}`", Quoted::new(name));
        let Some(path) = path_of(name) else {
            return Ok(None);
        };
        let of = Of::Daemon;
        let asked = DaemonRequest { what: &what, name, of };
        let manifests = if self.tells_manifests() { "?manifests=1" } else { "" };
        let path = self.path(&format!("/images/{path}/json{manifests}"));
        let inspected: Option<Inspected> = match self.connection.get_json(path, &asked).await {
            Err(Error::NoSuchImage { .. }) => None,
            answer => answer?,
        };
        Ok(inspected.map(Into::into))
    }

    /// The same image with the manifests of its index, where the daemon does not tell them by itself: containerd's image
    /// store before Docker 28. Which of them it has whole is not known then.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn with_manifests(&self, local: LocalImage) -> Result<LocalImage, Error> {
        let digest = match Digest::parse(&local.id) {
            Ok(digest) if local.is_of_containerd() && !self.tells_manifests() => digest,
            _ => return Ok(local),
        };
        let what = format!("reading the manifest of {digest}");
        let (name, of) = (digest.as_str(), Of::Daemon);
        let asked = DaemonRequest { what: &what, name, of };
        let read = tokio::time::timeout(EXPORT, self.exported_manifest(&digest, &asked)).await;
        let manifest = read.map_err(|_| Error::Stalled {
            asked: what.clone(),
            silence: EXPORT,
            is_network: false,
        })??;
        Ok(local.with_manifests(&manifest))
    }

    /// The bytes of a manifest, out of the export of its image: they stand behind half of its layers at the mean.
    async fn exported_manifest(&self, digest: &Digest, asked: &DaemonRequest<'_>) -> Result<Vec<u8>, Error> {
        let connection = &self.connection;
        let path = self.path(&format!("/images/{digest}/get"));
        let mut response = connection.send(Method::GET, path, HeaderMap::new(), asked.what).await?;
        if !response.status().is_success() {
            return Err(connection.refused(response, asked).await);
        }
        let garbled = |problem: &str| Error::Protocol {
            asked: asked.what.to_owned(),
            problem: format!("the Docker daemon's export of an image cannot be read: {problem}"),
        };
        let mut search = BlobSearch::new(digest);
        while let Some(chunk) = connection
            .chunk(&mut response, connection.timeout(), asked.what)
            .await?
        {
            if let Some(manifest) = search.take(&chunk).map_err(garbled)? {
                return Ok(manifest);
            }
        }
        Err(garbled("it ends in its midst"))
    }

    /// Tagged names that the daemon has, up to a thousand: for a hint at what a name was meant to be.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn list_names(&self) -> Result<Vec<String>, Error> {
        let asked = DaemonRequest {
            what: "listing images",
            name: "",
            of: Of::Daemon,
        };
        let images: Option<Vec<Listed>> = self.connection.get_json(self.path("/images/json"), &asked).await?;
        let names = images
            .unwrap_or_default()
            .into_iter()
            .flat_map(|image| image.repo_tags.unwrap_or_default());
        Ok(names
            .filter(|name| !name.starts_with("<none>") && !name.contains('@'))
            .take(MOST_NAMES)
            .collect())
    }

    /// Gives an image that the daemon has the name `repository:tag`; an image that had it loses it.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], and as every call.
    pub async fn tag(&self, source: &str, repository: &Repository, tag: &Tag) -> Result<(), Error> {
        let Some(path) = path_of(source) else {
            return Err(Error::NoSuchImage {
                name: Quoted::new(source).to_string(),
            });
        };
        let path = self.path(&format!(
            "/images/{path}/tag?repo={}&tag={tag}",
            query(&repository.to_string())
        ));
        let what = format!("tagging `{}` as `{repository}:{tag}`", Quoted::new(source));
        let response = self
            .connection
            .send(Method::POST, path, HeaderMap::new(), &what)
            .await?;
        if !response.status().is_success() {
            let asked = DaemonRequest {
                what: &what,
                name: source,
                of: Of::Daemon,
            };
            return Err(self.connection.refused(response, &asked).await);
        }
        Ok(())
    }

    /// Takes the name `repository:tag` from its image, but never the last one: with it the daemon would delete the image
    /// and its layers, `noprune` or not (seen with Docker 20.10). Digests of the same repository are no names that
    /// count: the daemon drops them together with the repository's last tag.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn untag(&self, repository: &Repository, tag: &Tag) -> Result<Untagged, Error> {
        let name = format!("{repository}:{tag}");
        let Some(image) = self.inspect(&name).await? else {
            return Ok(Untagged::Absent);
        };
        let same = |known: &String| {
            let rest = |own: String| known.strip_prefix(&own).is_some_and(|rest| rest.starts_with('@'));
            known_as(repository).any(rest)
        };
        if image.repo_tags.len() < 2 && image.repo_digests.iter().all(same) {
            return Ok(Untagged::KeptLast);
        }
        let what = format!("untagging `{name}`");
        let response = self
            .connection
            .send(
                Method::DELETE,
                self.path(&format!("/images/{name}?noprune=1")),
                HeaderMap::new(),
                &what,
            )
            .await?;
        match response.status() {
            status if status.is_success() => Ok(Untagged::Gone),
            StatusCode::NOT_FOUND => Ok(Untagged::Absent),
            _ => {
                let asked = DaemonRequest {
                    what: &what,
                    name: &name,
                    of: Of::Daemon,
                };
                Err(self.connection.refused(response, &asked).await)
            }
        }
    }

    fn path(&self, path: &str) -> String {
        format!("/v{}.{}{path}", self.api.0, self.api.1)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let make = match self.make {
            Make::Docker => "Docker",
            Make::Podman => "podman",
        };
        write!(f, "{make} {} at `{}`", self.version, self.address())
    }
}

/// `1.44` as two numbers.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// An image's name as a part of a request's path; `None` if no image can have it. Names come from users: a `..` in one
/// would name another resource of the API.
fn path_of(name: &str) -> Option<String> {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b'/' | b'@' | b'[' | b']');
    let ok =
        name.len() <= 1024 && name.bytes().all(allowed) && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    ok.then(|| utf8_percent_encode(name, BRACKETS).to_string())
}

/// A value of a request's query.
fn query(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

#[cfg(test)]
mod tests;
