//! Blobs: read from any byte on, mounted from another repository, uploaded in one request.
//!
//! OCI distribution specification: "Pulling blobs", "Pushing blobs", "Mounting a blob from another repository".

use super::error::{Error, Problem};
use super::exchange::{Answer, Ask, Target};
use super::network::read_chunk;
use super::payload::Payload;
use super::{Registry, Scopes};
use crate::image::{Digest, Repository};
use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, LOCATION};
use reqwest::{Method, Response, Url};

/// Largest answer to an upload request, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// What became of a mount.
#[derive(Debug)]
pub enum Mount {
    /// The target has the blob now, or had it before.
    Done,
    /// It was not made; the blob can be uploaded into this session.
    Session(Upload),
}

/// An upload session.
#[derive(Debug)]
pub struct Upload {
    location: Url,
}

/// A blob on its way from a registry.
#[derive(Debug)]
pub struct BlobRead {
    response: Response,
    /// The byte that comes first: 0 where the registry does not honour ranges, whatever was asked for.
    pub start: u64,
    registry: Registry,
    during: String,
}

impl BlobRead {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or nothing came for `TIMEOUT`.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = read_chunk(&mut self.response).await;
        chunk.map_err(|problem| self.registry.error(self.during.clone(), problem, 1))
    }
}

impl Registry {
    /// Whether a repository has a blob.
    ///
    /// # Errors
    /// Any refusal but "there is none".
    pub async fn has_blob(&self, repository: &Repository, digest: &Digest, scopes: &Scopes) -> Result<bool, Error> {
        let ask = Ask {
            method: Method::HEAD,
            ..Ask::get(
                path(repository, digest),
                scopes,
                0,
                format!("looking for {}", named(repository, digest)),
            )
        };
        match self.exchange(ask).await {
            Ok(_) => Ok(true),
            Err(Error {
                problem: Problem::Refused { status: 404, .. },
                ..
            }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins to read a blob at `start`, up to but without `end`.
    ///
    /// # Errors
    /// The refusal.
    pub async fn read_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        (start, end): (u64, Option<u64>),
        scopes: &Scopes,
    ) -> Result<BlobRead, Error> {
        let during = format!("reading {}", named(repository, digest));
        let range = (start > 0 || end.is_some()).then_some((start, end));
        let ask = Ask {
            range,
            ..Ask::get(path(repository, digest), scopes, 0, during.clone())
        };
        let response = self.open(ask).await?;
        let begins = match response.status().as_u16() {
            206 => range_start(&response),
            _ => Some(0),
        };
        match begins {
            Some(begins) if begins == start || begins == 0 => Ok(BlobRead {
                response,
                start: begins,
                registry: self.clone(),
                during,
            }),
            _ => Err(self.error(
                during,
                Problem::Protocol("it sent another range than asked for".to_owned()),
                1,
            )),
        }
    }

    /// Asks for a blob to be mounted from another repository of the same registry. `scopes` names both.
    ///
    /// # Errors
    /// The refusal, which is no reason to give up: the blob can still be uploaded.
    pub async fn mount(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
        scopes: &Scopes,
    ) -> Result<Mount, Error> {
        let during = format!("mounting {}", named(repository, digest));
        let path = format!(
            "{}/blobs/uploads/?mount={digest}&from={}",
            repository.path(),
            from.path()
        );
        let answer = self.post(path, scopes, during.clone()).await?;
        if answer.status == 201 {
            Ok(Mount::Done)
        } else {
            self.session(&answer, during).map(Mount::Session)
        }
    }

    /// Opens an upload session.
    ///
    /// # Errors
    /// The refusal.
    pub async fn begin_upload(&self, repository: &Repository, scopes: &Scopes) -> Result<Upload, Error> {
        let during = format!("beginning an upload to `{}`", repository.path());
        let answer = self
            .post(format!("{}/blobs/uploads/", repository.path()), scopes, during.clone())
            .await?;
        self.session(&answer, during)
    }

    /// Gives up an upload session.
    ///
    /// # Errors
    /// The refusal; not every registry knows this request, and all drop sessions that nothing comes to.
    pub async fn cancel_upload(&self, repository: &Repository, upload: Upload, scopes: &Scopes) -> Result<(), Error> {
        let during = format!("giving up an upload to `{}`", repository.path());
        let ask = Ask {
            method: Method::DELETE,
            target: Target::Address(upload.location),
            ..Ask::get(String::new(), scopes, LARGEST_ANSWER, during)
        };
        self.exchange(ask).await?;
        Ok(())
    }

    /// Uploads a blob of a known size and digest in one request.
    ///
    /// # Errors
    /// The refusal, or what stopped the body. The session is spent; another try needs a new one.
    pub async fn put_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        upload: Upload,
        body: Payload,
        scopes: &Scopes,
    ) -> Result<(), Error> {
        let mut location = upload.location;
        location.query_pairs_mut().append_pair("digest", digest.as_str());
        let ask = Ask {
            method: Method::PUT,
            target: Target::Address(location),
            content_type: Some("application/octet-stream".to_owned()),
            ..Ask::get(
                String::new(),
                scopes,
                LARGEST_ANSWER,
                format!("writing {}", named(repository, digest)),
            )
        };
        self.send_once(&ask, body).await?;
        Ok(())
    }

    /// Appends a body of unknown size and digest to an upload session, which goes on afterwards.
    ///
    /// # Errors
    /// The refusal, or what stopped the body.
    pub async fn append(
        &self,
        repository: &Repository,
        upload: Upload,
        body: Payload,
        scopes: &Scopes,
    ) -> Result<Upload, Error> {
        let during = format!("uploading to `{}`", repository.path());
        let ask = Ask {
            method: Method::PATCH,
            target: Target::Address(upload.location),
            content_type: Some("application/octet-stream".to_owned()),
            ..Ask::get(String::new(), scopes, LARGEST_ANSWER, during.clone())
        };
        let response = self.send_once(&ask, body).await?;
        let answer = Answer {
            status: response.status().as_u16(),
            url: response.url().clone(),
            headers: response.headers().clone(),
            body: Bytes::new(),
        };
        self.session(&answer, during)
    }

    async fn post(&self, path: String, scopes: &Scopes, during: String) -> Result<Answer, Error> {
        let ask = Ask {
            method: Method::POST,
            body: Some(Bytes::new()),
            ..Ask::get(path, scopes, LARGEST_ANSWER, during)
        };
        self.exchange(ask).await
    }

    /// The session's address, its query kept as it is: registries keep their state there.
    fn session(&self, answer: &Answer, during: String) -> Result<Upload, Error> {
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        match location.and_then(|location| answer.url.join(location).ok()) {
            Some(location) => Ok(Upload { location }),
            None => Err(self.error(
                during,
                Problem::Protocol("an upload session without a `Location`".to_owned()),
                1,
            )),
        }
    }
}

fn path(repository: &Repository, digest: &Digest) -> String {
    format!("{}/blobs/{digest}", repository.path())
}

fn named(repository: &Repository, digest: &Digest) -> String {
    format!("the blob `{}` of `{}`", digest.short(), repository.path())
}

fn range_start(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
