//! Every request that came, as the tests read it.

use super::answer::Asked;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Which of the emulator's parts a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `/v2/…`, and whatever else was asked of the registry's socket.
    Registry,
    /// The token endpoint.
    Token,
    /// `api.bitbucket.org`.
    Api,
    /// The CONNECT proxy.
    Proxy,
    /// The API proxy of Pipelines.
    ApiProxy,
}

/// One request and its answer. No credential is kept.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who was asked.
    pub service: Service,
    /// HTTP method.
    pub method: String,
    /// Path and query as they came; for the proxy the `host:port`.
    pub path: String,
    /// The scheme of `Authorization` (`Basic`, `Bearer`), if it was sent.
    pub authorization: Option<String>,
    /// The `Host` header.
    pub host: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The `Accept-Encoding` header.
    pub accept_encoding: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
    /// When it came.
    pub at: Instant,
    /// The answer's status; 0 where the connection was reset.
    pub status: u16,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the answer's body that were sent.
    pub sent: u64,
}

impl Entry {
    pub(super) fn new(service: Service, asked: &Asked) -> Self {
        let scheme = |value: &str| value.split(' ').next().unwrap_or_default().to_owned();
        Self {
            service,
            method: asked.method.to_string(),
            path: asked.uri.clone(),
            authorization: asked.header("authorization").map(scheme),
            host: asked.header("host").map(str::to_owned),
            user_agent: asked.header("user-agent").map(str::to_owned),
            accept_encoding: asked.header("accept-encoding").map(str::to_owned),
            range: asked.header("range").map(str::to_owned),
            at: asked.at,
            status: 0,
            received: asked.body.len() as u64,
            sent: 0,
        }
    }

    /// `METHOD /path?query STATUS`
    pub fn line(&self) -> String {
        format!("{} {} {}", self.method, self.path, self.status)
    }

    pub(super) fn is_blob(&self) -> bool {
        self.service == Service::Registry && self.path.contains("/blobs/") && self.status < 300
    }
}

/// The requests so far.
#[derive(Default)]
pub(super) struct Journal {
    /// Each with the bytes sent so far of its answer's body.
    entries: Mutex<Vec<(Entry, Arc<AtomicU64>)>>,
    connections: AtomicUsize,
}

impl Journal {
    pub(super) fn add(&self, entry: Entry) {
        self.add_sending(entry, Arc::default());
    }

    /// One whose answer is under way.
    pub(super) fn add_sending(&self, entry: Entry, sent: Arc<AtomicU64>) {
        self.entries.lock().unwrap().push((entry, sent));
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap();
        let now = |(entry, sent): &(Entry, Arc<AtomicU64>)| Entry {
            sent: sent.load(Ordering::SeqCst),
            ..entry.clone()
        };
        entries.iter().map(now).collect()
    }

    pub(super) fn clear(&self) {
        self.entries.lock().unwrap().clear();
    }

    pub(super) fn lines(&self, service: Service) -> Vec<String> {
        let entries = self.entries();
        let of_service = entries.iter().filter(|entry| entry.service == service);
        of_service.map(Entry::line).collect()
    }

    pub(super) fn sum(&self, part: impl Fn(&Entry) -> u64) -> u64 {
        self.entries().iter().map(part).sum()
    }
}
