//! Client of the Docker Engine API: the few calls that bring images into the step's daemon and out of it.
//!
//! The daemon does the transfer; this module asks, watches and translates. Retrying is the caller's, with
//! [`Error::is_transient`].

mod address;
mod auth;
mod classify;
mod connection;
mod error;
mod local_image;
mod stream;

pub use address::Address;
pub use auth::RegistryAuth;
pub use error::{Cause, Error, Refusal};
pub use local_image::LocalImage;
pub use stream::Progress;

use crate::names::platform::Platform;
use crate::names::{Digest, Repository, Tag};
use crate::text::Quoted;
use connection::{Connection, no_daemon};
use local_image::{Inspected, familiar};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use std::time::Duration;
use stream::{Lines, Verdict};

/// Newest version of the API spoken: Docker 25's, which Pipelines' daemon is, and the oldest that Docker 29 takes.
const NEWEST: (u32, u32) = (1, 44);
/// Longest silence of a daemon that unpacks, compresses or waits for a registry to store a layer.
const WORKING: Duration = Duration::from_secs(600);
/// Most names that [`Engine::list_names`] returns.
const MOST_NAMES: usize = 1000;
/// What of a name has a meaning in a URL: an IPv6 address has them.
const BRACKETS: &AsciiSet = &CONTROLS.add(b'[').add(b']');
/// The same of a value in a query. Repositories are ASCII; of their characters only these have a meaning there.
const VALUE: &AsciiSet = &BRACKETS.add(b':').add(b'/');
const REGISTRY_AUTH: &str = "X-Registry-Auth";

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
    version: String,
    platform: Platform,
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
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

impl Engine {
    /// Finds the daemon and settles on the version of the API: its own, but not newer than this pipe knows.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Version`], [`Error::Protocol`] if something else answers.
    pub async fn connect(address: Address, settings: Settings) -> Result<Self, Error> {
        let asked = "looking for the daemon";
        let connection = Connection::new(address, settings.timeout)?;
        let ping = connection
            .send(Method::GET, "/_ping".to_owned(), HeaderMap::new(), asked)
            .await?;
        if !ping.status().is_success() {
            return Err(connection.refused(ping, asked, "").await);
        }
        let pinged = ping
            .headers()
            .get("Api-Version")
            .and_then(|value| parse_version(value.to_str().ok()?));
        let version: Version = connection
            .get_json("/version".to_owned(), asked, "")
            .await?
            .ok_or_else(|| no_daemon(asked))?;
        let newest = pinged
            .or_else(|| parse_version(&version.newest))
            .ok_or_else(|| no_daemon(asked))?;
        if parse_version(&version.oldest).is_some_and(|minimum| minimum > NEWEST) {
            return Err(Error::Version {
                minimum: Quoted::new(&version.oldest).to_string(),
            });
        }
        Ok(Self {
            connection,
            api: newest.min(NEWEST),
            version: Quoted::new(&version.daemon).to_string(),
            platform: Platform::new(&version.os, &version.architecture, None),
        })
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

    /// The image of a name, a name with digest, or an image ID; `None` if the daemon has none.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn inspect(&self, name: &str) -> Result<Option<LocalImage>, Error> {
        let asked = format!("looking up `{}`", Quoted::new(name));
        let Some(path) = path_of(name) else {
            return Ok(None);
        };
        let inspected: Option<Inspected> = match self
            .connection
            .get_json(self.path(&format!("/images/{path}/json")), &asked, name)
            .await
        {
            Err(Error::NoSuchImage { .. }) => None,
            answer => answer?,
        };
        Ok(inspected.map(Into::into))
    }

    /// Tagged names that the daemon has, up to a thousand: for a hint at what a name was meant to be.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub async fn list_names(&self) -> Result<Vec<String>, Error> {
        let images: Option<Vec<Listed>> = self
            .connection
            .get_json(self.path("/images/json"), "listing images", "")
            .await?;
        let names = images
            .unwrap_or_default()
            .into_iter()
            .flat_map(|image| image.repo_tags.unwrap_or_default());
        Ok(names
            .filter(|name| !name.starts_with("<none>"))
            .take(MOST_NAMES)
            .collect())
    }

    /// Has the daemon pull `repository@digest`, without giving it a tag. `progress` is called after each of the
    /// daemon's lines, which come several times a second.
    ///
    /// # Errors
    /// As every call: see [`Error`]; the registry's refusals among them, and [`Error::Stalled`].
    pub async fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        auth: &RegistryAuth,
        progress: impl FnMut(&Progress),
    ) -> Result<(), Error> {
        let path = self.path(&format!(
            "/images/create?fromImage={}&tag={digest}",
            query(&repository.to_string())
        ));
        let asked = format!("pulling `{repository}@{digest}`");
        self.transfer(path, auth, &asked, &repository.to_string(), progress)
            .await?;
        Ok(())
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
        let asked = format!("tagging `{}` as `{repository}:{tag}`", Quoted::new(source));
        let response = self
            .connection
            .send(Method::POST, path, HeaderMap::new(), &asked)
            .await?;
        if !response.status().is_success() {
            return Err(self.connection.refused(response, &asked, source).await);
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
        let same = |known: &String, separator| {
            known
                .strip_prefix(&familiar(repository))
                .is_some_and(|rest| rest.starts_with(separator))
        };
        if image.repo_tags.len() < 2 && image.repo_digests.iter().all(|known| same(known, '@')) {
            return Ok(Untagged::KeptLast);
        }
        let asked = format!("untagging `{name}`");
        let response = self
            .connection
            .send(
                Method::DELETE,
                self.path(&format!("/images/{name}?noprune=1")),
                HeaderMap::new(),
                &asked,
            )
            .await?;
        match response.status() {
            status if status.is_success() => Ok(Untagged::Gone),
            StatusCode::NOT_FOUND => Ok(Untagged::Absent),
            _ => Err(self.connection.refused(response, &asked, &name).await),
        }
    }

    /// Has the daemon push `repository:tag` and returns the digest of the manifest that it pushed. `progress` is called
    /// after each of the daemon's lines.
    ///
    /// # Errors
    /// As every call: see [`Error`]; the registry's refusals among them, and [`Error::Stalled`].
    pub async fn push(
        &self,
        repository: &Repository,
        tag: &Tag,
        auth: &RegistryAuth,
        progress: impl FnMut(&Progress),
    ) -> Result<Digest, Error> {
        let path = self.path(&format!("/images/{repository}/push?tag={tag}"));
        let asked = format!("pushing `{repository}:{tag}`");
        let end = self
            .transfer(path, auth, &asked, &format!("{repository}:{tag}"), progress)
            .await?;
        end.pushed().cloned().ok_or_else(|| Error::Protocol {
            asked,
            problem: "the Docker daemon ended a push without naming the manifest's digest".to_owned(),
        })
    }

    fn path(&self, path: &str) -> String {
        format!("/v{}.{}{path}", self.api.0, self.api.1)
    }

    /// Starts a pull or push and follows the daemon's lines to their end.
    async fn transfer(
        &self,
        path: String,
        auth: &RegistryAuth,
        asked: &str,
        name: &str,
        mut progress: impl FnMut(&Progress),
    ) -> Result<Progress, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(REGISTRY_AUTH, auth.header());
        let mut response = self.connection.send(Method::POST, path, headers, asked).await?;
        if !response.status().is_success() {
            return Err(self.connection.refused(response, asked, name).await);
        }
        let garbled = |problem: &str| Error::Protocol {
            asked: asked.to_owned(),
            problem: problem.to_owned(),
        };
        let mut state = Progress::default();
        let mut lines = Lines::default();
        loop {
            let patience = self.patience(&state);
            let chunk = self.connection.chunk(&mut response, patience, asked).await?;
            let ended = chunk.is_none();
            let whole = match chunk {
                Some(chunk) => lines
                    .add(&chunk)
                    .map_err(|_| garbled("the Docker daemon wrote a line without end"))?,
                None => lines.finish().into_iter().collect(),
            };
            for line in whole {
                match state.take(&line) {
                    Verdict::On => progress(&state),
                    Verdict::Failed(words) => return Err(Error::said(asked, name, &words)),
                    Verdict::Garbled => return Err(garbled("the Docker daemon wrote a line that is no JSON")),
                }
            }
            if ended {
                return Ok(state);
            }
        }
    }

    fn patience(&self, progress: &Progress) -> Duration {
        if progress.is_mid_transfer() {
            self.connection.timeout()
        } else {
            self.connection.timeout().max(WORKING)
        }
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
