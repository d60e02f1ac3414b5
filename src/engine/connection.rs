//! One HTTP connection pool to the daemon: sends, reads within bounds, and says what a failure means.

use super::address::Address;
use super::classify::DaemonRequest;
use super::error::{Cause, Error};
use super::stream::Message;
use crate::registry::body::read_up_to;
use crate::text::USER_AGENT;
use bytes::BytesMut;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use std::error::Error as _;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// Longest answer that is read whole, in bytes. A list of some thousand images is under it.
const LONGEST_ANSWER: usize = 4 << 20;
/// Longest answer that says why a request failed, in bytes.
const LONGEST_REFUSAL: usize = 64 << 10;

/// The way to one daemon.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    client: Client,
    address: Address,
    timeout: Duration,
}

/// The answer to a request that failed.
#[derive(Deserialize)]
struct ErrorMessage {
    message: String,
}

impl Connection {
    /// `timeout` bounds each wait for the daemon: to begin an answer, connecting included, and between its bytes.
    pub(super) fn new(address: Address, timeout: Duration) -> Result<Self, Error> {
        let builder = Client::builder()
            // The daemon is beside the step, and its port speaks plain HTTP: neither proxies nor roots.
            .no_proxy()
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            // Sooner than an answer: else it is chance which of the two is told of an address where nobody answers.
            .connect_timeout(timeout * 9 / 10)
            .user_agent(USER_AGENT);
        let builder = match address.socket() {
            Some(path) => builder.unix_socket(path),
            None => builder,
        };
        let client = builder.build().map_err(|error| Error::Protocol {
            asked: format!("connecting to `{address}`"),
            problem: format!("the HTTP client does not start: {error}"),
        })?;
        Ok(Self {
            client,
            address,
            timeout,
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: String,
        headers: HeaderMap,
        asked: &str,
    ) -> Result<Response, Error> {
        self.send_patiently(method, path, headers, asked, self.timeout).await
    }

    /// The same for a head that comes only when the work is done.
    pub(super) async fn send_patiently(
        &self,
        method: Method,
        path: String,
        headers: HeaderMap,
        asked: &str,
        patience: Duration,
    ) -> Result<Response, Error> {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.address.base()))
            .headers(headers);
        let start = Instant::now();
        let answer = tokio::time::timeout(patience, request.send()).await;
        let milliseconds = start.elapsed().as_millis();
        let said = match &answer {
            Ok(Ok(response)) => response.status().as_u16().to_string(),
            Ok(Err(_)) | Err(_) => "no answer".to_owned(),
        };
        tracing::debug!("Docker daemon: {method} {path} → {said} ({milliseconds} ms)");
        match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.transport(&error, asked)),
            Err(_) => Err(stalled(asked, patience)),
        }
    }

    /// The JSON document at `path`; `None` for 404.
    pub(super) async fn get_json<T: serde::de::DeserializeOwned>(
        &self,
        path: String,
        asked: &DaemonRequest<'_>,
    ) -> Result<Option<T>, Error> {
        let response = self.send(Method::GET, path, HeaderMap::new(), asked.what).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(self.refused(response, asked).await);
        }
        let asked = asked.what;
        let (body, whole) = self.read(response, LONGEST_ANSWER, asked).await?;
        if !whole {
            return Err(Error::Protocol {
                asked: asked.to_owned(),
                problem: format!("the Docker daemon's answer is longer than {LONGEST_ANSWER} bytes"),
            });
        }
        serde_json::from_slice(&body).map(Some).map_err(|_| no_daemon(asked))
    }

    /// Up to `longest` bytes of a body, and whether that is all.
    pub(super) async fn read(
        &self,
        mut response: Response,
        longest: usize,
        asked: &str,
    ) -> Result<(BytesMut, bool), Error> {
        let mut body = BytesMut::new();
        let next = async || self.chunk(&mut response, self.timeout, asked).await;
        let is_all = read_up_to(longest, &mut body, next).await?;
        Ok((body, is_all))
    }

    /// The next bytes of a body; `None` at its end.
    pub(super) async fn chunk(
        &self,
        response: &mut Response,
        patience: Duration,
        asked: &str,
    ) -> Result<Option<bytes::Bytes>, Error> {
        match tokio::time::timeout(patience, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(self.transport(&error, asked)),
            Err(_) => Err(stalled(asked, patience)),
        }
    }

    /// What an answer other than 2xx means.
    pub(super) async fn refused(&self, response: Response, asked: &DaemonRequest<'_>) -> Error {
        let status = response.status();
        let what = asked.what;
        let body = match self.read(response, LONGEST_REFUSAL, what).await {
            Ok((body, _)) => body,
            Err(error) => return error,
        };
        if let Some(words) = words(&body) {
            return Error::said(asked, &words, Some(status));
        }
        let problem = if String::from_utf8_lossy(&body).contains("HTTP request to an HTTPS server") {
            format!(
                "the Docker daemon at `{}` wants TLS, which this pipe does not speak to a daemon",
                self.address
            )
        } else {
            format!(
                "what answers at `{}` with status {} is not a Docker daemon",
                self.address,
                status.as_u16()
            )
        };
        Error::Protocol {
            asked: what.to_owned(),
            problem,
        }
    }

    /// What a failed connection means. Only the kind of the error below is told: reqwest's text repeats the URL.
    pub(super) fn transport(&self, error: &reqwest::Error, asked: &str) -> Error {
        let mut kind = None;
        let mut no_name = false;
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(io) = inner.downcast_ref::<std::io::Error>() {
                kind = Some(io.kind());
            }
            // The resolver's error has no kind of its own, only this text (hyper-util).
            no_name |= inner.to_string().contains("dns error");
            source = inner.source();
        }
        if !error.is_connect() {
            return if error.is_timeout() {
                stalled(asked, self.timeout)
            } else {
                Error::Broken {
                    address: self.address.clone(),
                    asked: asked.to_owned(),
                }
            };
        }
        let cause = match kind {
            _ if no_name => Cause::NameNotResolved,
            Some(ErrorKind::ConnectionRefused) => Cause::Refused,
            Some(ErrorKind::NotFound) => Cause::NoSocket,
            Some(ErrorKind::PermissionDenied) => Cause::Permission,
            Some(ErrorKind::TimedOut) => Cause::TimedOut,
            _ if error.is_timeout() => Cause::TimedOut,
            _ => Cause::Other,
        };
        Error::Unreachable {
            address: self.address.clone(),
            cause,
        }
    }
}

/// What a daemon says of a request that failed: a message, or the last line of a stream, which podman from 5 on sends with
/// a status.
fn words(body: &[u8]) -> Option<String> {
    if let Ok(ErrorMessage { message }) = serde_json::from_slice(body) {
        return Some(message);
    }
    let mut lines = body.rsplit(|byte| *byte == b'\n').filter_map(Message::parse);
    lines.next()?.failure().map(str::to_owned)
}

fn stalled(asked: &str, silence: Duration) -> Error {
    Error::Stalled {
        asked: asked.to_owned(),
        silence,
        is_network: false,
    }
}

/// An answer that the Engine API does not know.
pub(super) fn no_daemon(asked: &str) -> Error {
    Error::Protocol {
        asked: asked.to_owned(),
        problem: "what answers is not a Docker daemon".to_owned(),
    }
}
