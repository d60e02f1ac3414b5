//! What is sent to registries and token servers, with time limits and redirects. One for a whole run.

use super::address::{server, without_secrets};
use super::budget::MemoryBudget;
use super::challenge::Challenge;
use super::client::Clients;
use super::cooldown::Cooldowns;
use super::error::{Error, ErrorKind};
use super::exchange::Failed;
use super::limits::Limits;
use super::notice::Notices;
use super::party::{Party, Role};
use super::payload::{LONGEST_STORING, Payload, Watch};
use super::proxy::Proxy;
use super::reach::Reach;
use super::redirect::redirect_target;
use super::retry::{self, Policy};
use super::trust::{Purpose, Verdict, judge};
use crate::names::Host;
use bytes::Bytes;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE,
};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use rustls::pki_types::CertificateDer;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Most redirects that one request follows.
const MOST_REDIRECTS: usize = 5;

/// Limits and trust of a run.
#[derive(Debug, Clone)]
pub(crate) struct NetworkSettings {
    /// `CA_CERTIFICATE`: roots beside the public ones.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// `HTTPS_PROXY` and `NO_PROXY`.
    pub proxy: Option<Proxy>,
    /// `TIMEOUT`: without a byte for so long, a request is given up.
    pub timeout: Duration,
    /// `RETRIES`.
    pub retries: u32,
}

/// Connections, shared by every registry and credential of a run.
#[derive(Debug)]
pub(crate) struct Network {
    settings: NetworkSettings,
    clients: Clients,
    hosts: RefCell<HashMap<Host, Rc<HostState>>>,
    resting: Cooldowns,
    notices: Notices,
    limits: Limits,
    budget: MemoryBudget,
}

/// What has been learnt of a registry's host.
#[derive(Debug, Default)]
pub(super) struct HostState {
    known: RefCell<Option<Known>>,
    /// Held by the request that finds out, so that the others do not each meet a 401 of their own. Holds when and how the
    /// last one that found out nothing failed.
    pub(super) probe: tokio::sync::Mutex<Option<(Instant, Failed)>>,
}

/// How to talk to a registry's host.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) scheme: &'static str,
    pub(super) challenge: Challenge,
    /// Whether `/v2/` was asked for it.
    pub(super) is_greeted: bool,
}

impl HostState {
    pub(super) fn known(&self) -> Option<Known> {
        self.known.borrow().clone()
    }

    pub(super) fn learn(&self, known: Known) -> Known {
        *self.known.borrow_mut() = Some(known.clone());
        known
    }
}

/// One request to send, without its authorisation.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    /// The registry that it is for, be it to another host.
    pub(super) registry: Host,
    /// What is asked for.
    pub(super) role: Role,
    pub(super) accept: Option<&'static str>,
    pub(super) content_type: Option<String>,
    /// First byte, and the one after the last.
    pub(super) range: Option<(u64, Option<u64>)>,
    pub(super) body: Option<Bytes>,
    /// Whether the answer comes only once a blob is stored, which may take longer than `TIMEOUT`.
    pub(super) stores: bool,
}

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) response: Response,
    /// Whether it is of the origin that was asked, not of one that it redirected to.
    pub(super) same_origin: bool,
}

impl Outgoing {
    /// Whose a URL is that this request leads to.
    pub(super) fn party(&self, url: &Url) -> Option<Party> {
        Party::at(url, self.role, &self.registry)
    }
}

impl Network {
    /// Nothing is connected yet.
    #[must_use]
    pub(crate) fn new(settings: NetworkSettings) -> Rc<Self> {
        Rc::new(Self {
            settings,
            clients: Clients::default(),
            hosts: RefCell::default(),
            resting: Cooldowns::default(),
            notices: Notices::default(),
            limits: Limits::default(),
            budget: MemoryBudget::default(),
        })
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            retries: self.settings.retries,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// What registries let be pulled.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the run may hold.
    pub(super) fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    pub(super) fn host(&self, host: &Host) -> Rc<HostState> {
        let mut hosts = self.hosts.borrow_mut();
        Rc::clone(hosts.entry(host.clone()).or_default())
    }

    /// Waits until a server that asked to be left alone may be asked again.
    pub(super) async fn rested(&self, url: &Url) {
        self.resting.over(url).await;
    }

    /// Whether a server asked to be left alone for now.
    pub(super) fn is_resting(&self, url: &Url) -> bool {
        self.resting.until(url).is_some()
    }

    /// The server's wish for the next try; more than anybody waits, once a run has waited enough.
    pub(super) fn asked_pause(&self, headers: &HeaderMap) -> Option<Duration> {
        let asked = asked_pause(headers)?;
        Some(self.resting.asked_for_too_long().unwrap_or(asked))
    }

    /// Sends once, following redirects where that is safe. Any status is an answer.
    ///
    /// # Errors
    /// No answer, or a redirect that is not followed.
    pub(super) async fn send(
        &self,
        outgoing: &Outgoing,
        authorization: Option<&HeaderValue>,
    ) -> Result<Incoming, ErrorKind> {
        let Outgoing {
            url: asked, registry, ..
        } = outgoing;
        let mut url = asked.clone();
        let mut same_origin = true;
        for _ in 0..=MOST_REDIRECTS {
            let authorization = authorization.filter(|_| same_origin);
            let response = self.send_to(&url, outgoing, authorization).await?;
            let target = redirect_target(&response).map_err(|kind| kind.at(outgoing.party(&url)))?;
            let Some(target) = target else {
                return Ok(Incoming { response, same_origin });
            };
            let purpose = Purpose::Redirect(&outgoing.method, response.status());
            match judge(&target, purpose, asked, registry) {
                Verdict::NotAsked(why) => {
                    let to = without_secrets(&target, registry);
                    return Err(ErrorKind::Redirect { to, why });
                }
                // Who has led elsewhere once does not choose either what is asked with the credential.
                verdict => same_origin &= verdict == Verdict::WithCredential,
            }
            url = target;
        }
        Err(ErrorKind::Redirect {
            to: without_secrets(&url, registry),
            why: "it is one of too many",
        })
    }

    /// Sends a GET to another service than a registry, over the same TLS trust and proxies: one try, no redirect, the
    /// first 64 KiB of the body. Any status is an answer.
    ///
    /// # Errors
    /// No answer within `patience`.
    pub(crate) async fn get_once(
        &self,
        url: &Url,
        authorization: &HeaderValue,
        patience: Duration,
    ) -> Result<(u16, HeaderMap, Bytes), Error> {
        // It is asked for itself, as a registry is.
        let host = Host::parse(server(url).as_str()).unwrap_or_else(|_| Host::bitbucket());
        let outgoing = Outgoing {
            method: Method::GET,
            url: url.clone(),
            registry: host.clone(),
            role: Role::Other,
            accept: Some("application/json"),
            content_type: None,
            range: None,
            body: None,
            stores: false,
        };
        let exchange = async {
            let response = self.send_to(url, &outgoing, Some(authorization)).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok((status, headers, self.read_refusal(response).await))
        };
        let answered = tokio::time::timeout(patience, exchange).await;
        let answered = answered.unwrap_or(Err(ErrorKind::Unreachable(Reach::Timeout)));
        answered.map_err(|kind| Error {
            host,
            during: "answering".to_owned(),
            kind,
            tries: 1,
            asked: None,
            asker: Box::default(),
        })
    }

    async fn send_to(
        &self,
        url: &Url,
        outgoing: &Outgoing,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, ErrorKind> {
        self.resting.over(url).await;
        let (client, proxy) = self.clients.of(url, &self.settings)?;
        let mut request = bare(client, outgoing, url);
        if let Some(accept) = outgoing.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(content_type) = &outgoing.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some((start, end)) = outgoing.range {
            // The specification counts the last byte in.
            let end = end.map_or_else(String::new, |end| end.saturating_sub(1).to_string());
            request = request.header(RANGE, format!("bytes={start}-{end}"));
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = &outgoing.body {
            request = request.body(body.clone());
        }
        let start = Instant::now();
        let limit = if outgoing.stores {
            self.settings.timeout.max(LONGEST_STORING)
        } else {
            self.settings.timeout
        };
        let answer = within(limit, request.send(), proxy).await;
        let answer = answer.map_err(|kind| kind.at(outgoing.party(url)));
        self.tell(&answer, outgoing, url, start);
        answer
    }

    /// Sends a body that is made while it is sent: no redirect, no second try. A limit on the whole would count the time
    /// of the upload itself, so the body is watched.
    ///
    /// # Errors
    /// No answer; or the body stood still for the time limit, or was taken too slowly for longer.
    pub(super) async fn send_payload(
        &self,
        outgoing: &Outgoing,
        authorization: Option<&HeaderValue>,
        payload: Payload,
    ) -> Result<Response, ErrorKind> {
        let url = &outgoing.url;
        self.resting.over(url).await;
        let (client, proxy) = self.clients.of(url, &self.settings)?;
        let mut request = bare(client, outgoing, url);
        if let Some(content_type) = &outgoing.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(size) = payload.size {
            // Without it the body would be chunked, which some registries refuse.
            request = request.header(CONTENT_LENGTH, size);
        }
        if let Some((start, Some(end))) = outgoing.range {
            // Without a unit, as the distribution specification has it ("Pushing a blob in chunks").
            request = request.header(CONTENT_RANGE, format!("{start}-{}", end.saturating_sub(1)));
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let watch = Watch::new(self.settings.timeout);
        let request = request.body(reqwest::Body::wrap_stream(watch.over(payload.stream)));
        let start = Instant::now();
        let answer = tokio::select! {
            answer = request.send() => answer.map_err(|error| unanswered(&error, proxy)),
            reach = watch.stalled(self.settings.timeout) => Err(ErrorKind::Unreachable(reach)),
        };
        let answer = answer.map_err(|kind| kind.at(outgoing.party(url)));
        self.tell(&answer, outgoing, url, start);
        answer
    }

    /// Tells of an answer in the log, and heeds the pause that it asks for.
    fn tell(&self, answer: &Result<Response, ErrorKind>, outgoing: &Outgoing, url: &Url, start: Instant) {
        let method = &outgoing.method;
        // Looks for secrets, which costs a third as much as the rest of a request: only if it is told.
        let shown = || without_secrets(url, &outgoing.registry);
        let milliseconds = start.elapsed().as_millis();
        match answer {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::debug!("{method} {} → {status} ({milliseconds} ms)", shown());
                self.resting.note(url, status, asked_pause(response.headers()));
                self.notices.tell(url, response.headers());
            }
            Err(kind) => {
                if let ErrorKind::Unreachable(reach) = kind.cause() {
                    tracing::debug!("{method} {} → no answer: {reach} ({milliseconds} ms)", shown());
                }
            }
        }
    }
}

/// A request with what each of them says. Without a word on encodings any will do, and a digest is of the bytes as they are.
fn bare(client: &Client, outgoing: &Outgoing, url: &Url) -> RequestBuilder {
    let request = client.request(outgoing.method.clone(), url.clone());
    request.header(ACCEPT_ENCODING, "identity")
}

/// Waits for a server. Not left to the client: its read timeout goes on while nobody reads, so that a registry would seem
/// silent while another is busy (reqwest 0.13).
pub(super) async fn within<T>(
    limit: Duration,
    waits: impl Future<Output = reqwest::Result<T>>,
    proxy: Option<&Proxy>,
) -> Result<T, ErrorKind> {
    match tokio::time::timeout(limit, waits).await {
        Ok(waited) => waited.map_err(|error| unanswered(&error, proxy)),
        Err(_) => Err(ErrorKind::Unreachable(Reach::Timeout)),
    }
}

fn unanswered(error: &reqwest::Error, proxy: Option<&Proxy>) -> ErrorKind {
    let proxy = proxy.filter(|_| retry::is_at_proxy(error));
    ErrorKind::Unreachable(retry::reach(error)).at(proxy.map(|proxy| Party::Proxy(proxy.server())))
}

/// The server's wish for the next try.
fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    // A date is meant by the server's clock.
    let now = text("date").and_then(|date| httpdate::parse_http_date(date).ok());
    retry::retry_after(text("retry-after")?, now.unwrap_or_else(std::time::SystemTime::now))
}

/// Whether a failed first connection to loopback means that the registry speaks plain HTTP. A certificate means that it
/// does not, be it right or wrong.
pub(super) fn speaks_plain_http(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unreachable(Reach::Tls(_) | Reach::Broken(_)))
}
