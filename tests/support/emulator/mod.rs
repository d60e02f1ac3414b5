//! Stands in for what is Bitbucket's own, on real sockets: the container registry with its token endpoint, the
//! accounts behind it, `api.bitbucket.org/2.0/user`, which clients reach through the CONNECT proxy offered here, and
//! Code Insights behind the API proxy of Pipelines.
//!
//! What it answers follows the OCI distribution specification, Debian's docker-registry where that leaves a choice,
//! and Atlassian's pages where they say something; what nobody documents is a [`Settings`] of the test.

mod accounts;
mod answer;
mod api;
mod body;
mod fault;
mod journal;
mod proxy;
mod registry;
mod reports;
mod server;
mod settings;
mod setup;
mod storage;
mod token;
mod upload;

pub use accounts::{AccessTokenKind, Accounts, READ_PACKAGE, Role, User, WRITE_PACKAGE, access_token, api_token};
pub use answer::Answer;
pub use fault::{Break, Fault, Kept, Matcher, on};
pub use journal::{Entry, Service};
pub use reports::{Report, Reports};
pub use settings::{Combined, Deletes, Settings, SignIn, TokenForm};
pub use setup::Setup;

use super::image::Image;
use bytes::Bytes;
use fault::Script;
use journal::Journal;
use server::Server;
use std::sync::{Arc, Mutex, MutexGuard};
use storage::Storage;
use token::Issued;

/// A running emulator; it stops when dropped.
pub struct Emulator {
    shared: Arc<Shared>,
    server: Server,
}

/// What every connection sees.
struct Shared {
    state: Mutex<State>,
    journal: Arc<Journal>,
    /// `http://localhost:PORT`: where this registry says it is.
    origin: String,
}

/// What requests read and change.
struct State {
    settings: Settings,
    accounts: Accounts,
    storage: Storage,
    reports: Reports,
    issued: Issued,
    script: Script,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Emulator {
    /// Listens on free ports and answers from a thread of its own; returns once the sockets are open.
    pub fn start(setup: Setup) -> Self {
        Server::start(setup)
    }

    /// `name:port` as references and `REGISTRY` have it.
    pub fn host(&self) -> &str {
        let origin = &self.shared.origin;
        origin.split_once("://").map_or(origin, |(_, host)| host)
    }

    /// `http://name:port` or `https://name:port`.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Whether the registry speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.shared.origin.starts_with("https:")
    }

    /// The authority that a client of the registry or the API must trust, as PEM.
    pub fn authority_pem(&self) -> Option<String> {
        self.server.trusted_pem.clone()
    }

    /// The port of the registry's socket.
    pub fn port(&self) -> u16 {
        self.server.registry.port()
    }

    /// `http://127.0.0.1:PORT` of the CONNECT proxy, for `HTTPS_PROXY`. It leads to the registry's name and, with
    /// [`Setup::api`], to `api.bitbucket.org`; nowhere else.
    pub fn proxy(&self) -> String {
        format!("http://{}", self.server.proxy)
    }

    /// The address at whose port 29418 the API proxy of Pipelines listens; with [`Setup::api_proxy`].
    pub fn api_proxy(&self) -> Option<std::net::IpAddr> {
        self.server.api_proxy
    }

    /// The reports on commits, in the order in which they first came.
    pub fn reports(&self) -> Vec<Report> {
        self.shared.state().reports.all().to_vec()
    }

    /// Changes settings in the middle of a test.
    pub fn settings<R>(&self, change: impl FnOnce(&mut Settings) -> R) -> R {
        change(&mut self.shared.state().settings)
    }

    /// Changes accounts and packages in the middle of a test.
    pub fn accounts<R>(&self, change: impl FnOnce(&mut Accounts) -> R) -> R {
        change(&mut self.shared.state().accounts)
    }

    /// The token that was given out last.
    pub fn last_token(&self) -> Option<String> {
        self.shared.state().issued.last().map(str::to_owned)
    }

    /// Makes every token issued so far expired, as if its lifetime had passed.
    pub fn expire_tokens(&self) {
        self.shared.state().issued.expire_all();
    }

    /// The next `times` requests that match get this in place of an answer. The first script that matches serves.
    pub fn script(&self, matcher: Matcher, times: usize, fault: impl Into<Fault>) {
        self.shared.state().script.add(matcher, times, fault.into());
    }

    /// Takes away what is still scripted.
    pub fn forget_script(&self) {
        self.shared.state().script = Script::default();
    }

    /// How many scripted faults nobody has met yet.
    pub fn unmet(&self) -> usize {
        self.shared.state().script.left()
    }

    /// Puts an image with all below it under a tag. The package must exist.
    pub fn put_image(&self, package: &str, tag: &str, image: &Image) {
        let mut state = self.shared.state();
        assert!(
            state.accounts.has_package(package),
            "no package {package}: name it in the Setup"
        );
        state.storage.put_image(package, Some(tag), image);
    }

    /// Puts an image without a tag: an artifact that refers to another by `subject`, say.
    pub fn put_untagged(&self, package: &str, image: &Image) {
        let mut state = self.shared.state();
        assert!(
            state.accounts.has_package(package),
            "no package {package}: name it in the Setup"
        );
        state.storage.put_image(package, None, image);
    }

    /// The digest that a tag points to.
    pub fn tag(&self, package: &str, tag: &str) -> Option<String> {
        self.shared.state().storage.tag(package, tag).map(str::to_owned)
    }

    /// All tags of a package, sorted.
    pub fn tags(&self, package: &str) -> Vec<String> {
        self.shared.state().storage.tags(package)
    }

    /// The bytes of a manifest by tag or digest.
    pub fn manifest(&self, package: &str, reference: &str) -> Option<Bytes> {
        let state = self.shared.state();
        state
            .storage
            .manifest(package, reference)
            .map(|(_, manifest)| manifest.bytes.clone())
    }

    /// Whether a package holds a blob.
    pub fn has_blob(&self, package: &str, digest: &str) -> bool {
        self.shared.state().storage.blob(package, digest).is_some()
    }

    /// Removes a blob from everywhere: a half-copied image.
    pub fn lose_blob(&self, package: &str, digest: &str) {
        self.shared.state().storage.lose_blob(package, digest);
    }

    /// Upload sessions that were opened and neither finished nor cancelled.
    pub fn open_uploads(&self) -> usize {
        self.shared.state().storage.open_uploads()
    }

    /// Every request so far, to any of the sockets.
    pub fn journal(&self) -> Vec<Entry> {
        self.shared.journal.entries()
    }

    /// The registry's requests as `METHOD /path?query STATUS`, in the order of their answers.
    pub fn requests(&self) -> Vec<String> {
        self.shared.journal.lines(Service::Registry)
    }

    /// The token endpoint's requests in the same form.
    pub fn token_calls(&self) -> Vec<String> {
        self.shared.journal.lines(Service::Token)
    }

    /// The REST API's requests in the same form.
    pub fn api_calls(&self) -> Vec<String> {
        self.shared.journal.lines(Service::Api)
    }

    /// TCP connections accepted so far, by the proxy and the API too.
    pub fn connections(&self) -> usize {
        self.shared.journal.connections()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.shared.journal.clear();
    }

    /// Bytes of blobs that left this registry.
    pub fn blob_bytes_sent(&self) -> u64 {
        self.shared
            .journal
            .sum(|entry| if entry.is_blob() { entry.sent } else { 0 })
    }

    /// Bytes of blobs that came to this registry.
    pub fn blob_bytes_received(&self) -> u64 {
        self.shared
            .journal
            .sum(|entry| if entry.is_blob() { entry.received } else { 0 })
    }
}
