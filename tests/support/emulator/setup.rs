//! How an emulator starts: sockets, names, certificates, accounts, settings.

use super::super::pki::{Authority, ServerIdentity};
use super::accounts::{AccessTokenKind, Accounts, Role, User, api_token};
use super::reports;
use super::settings::Settings;
use regex::Regex;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What an emulator is started with.
#[derive(Clone)]
pub struct Setup {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) name: String,
    pub(super) default_port: bool,
    pub(super) registry_tls: Option<&'static Authority>,
    pub(super) identity: Option<ServerIdentity>,
    pub(super) api_tls: Option<&'static Authority>,
    pub(super) api_proxy: Option<IpAddr>,
    pub(super) settings: Settings,
    pub(super) accounts: Accounts,
    pub(super) opens_after: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// The person of [`Setup::shop`].
    pub const EMAIL: &str = "ada@example.com";
    /// The user name of the built-in credential of [`Setup::shop`].
    pub const BUILT_IN_USERNAME: &str = "pipelines-shop-api";
    /// Its token.
    pub const BUILT_IN_TOKEN: &str = "built-in/token+of~the=step-7f3c9a51";

    /// Plain HTTP on a free port of 127.0.0.1, named `localhost`; no package and no account.
    pub fn new() -> Self {
        Self {
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            name: "localhost".to_owned(),
            default_port: false,
            registry_tls: None,
            identity: None,
            api_tls: None,
            api_proxy: None,
            settings: Settings::default(),
            accounts: Accounts::default(),
            opens_after: Duration::ZERO,
        }
    }

    /// The workspace `shop`: the packages `api` and `web`, linked to repository `shop/api`, and `base`, linked to
    /// `shop/images`; [`Setup::EMAIL`] with [`Setup::api_token`], write role in both and both package scopes; the
    /// built-in credential of `shop/api`, [`Setup::BUILT_IN_USERNAME`] and [`Setup::BUILT_IN_TOKEN`].
    pub fn shop() -> Self {
        let ada = User::new(Self::EMAIL, &Self::api_token())
            .package_scopes()
            .role("shop/api", Role::Write)
            .role("shop/images", Role::Write);
        Self::new()
            .package("shop/api", "shop/api")
            .package("shop/web", "shop/api")
            .package("shop/base", "shop/images")
            .user(ada)
            .built_in(Self::BUILT_IN_USERNAME, Self::BUILT_IN_TOKEN, "shop/api")
    }

    /// The API token of [`Setup::EMAIL`].
    pub fn api_token() -> String {
        api_token("ada")
    }

    /// Listens on one more address, at the same port: a bridge's, so that containers reach it.
    #[must_use]
    pub fn listen(mut self, address: IpAddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// The host name in references, realm and `Location`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Served as `https://name` on port 443, which only the CONNECT proxy can reach: Bitbucket's own name, say.
    #[must_use]
    pub fn behind_proxy(mut self, name: &str, authority: &'static Authority) -> Self {
        self.default_port = true;
        self.named(name).tls(authority).api(authority)
    }

    /// The registry speaks TLS with a certificate of this authority.
    #[must_use]
    pub fn tls(mut self, authority: &'static Authority) -> Self {
        self.registry_tls = Some(authority);
        self
    }

    /// The registry speaks TLS with this certificate.
    #[must_use]
    pub fn identity(mut self, identity: ServerIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Also serves `api.bitbucket.org` with a certificate of this authority, behind the CONNECT proxy.
    #[must_use]
    pub fn api(mut self, authority: &'static Authority) -> Self {
        self.api_tls = Some(authority);
        self
    }

    /// Connections are refused for so long from the start.
    #[must_use]
    pub fn opens_after(mut self, time: Duration) -> Self {
        self.opens_after = time;
        self
    }

    /// Also the API proxy that Pipelines has beside each step, on a loopback address of its own.
    #[must_use]
    pub fn api_proxy(self) -> Self {
        self.api_proxy_at(reports::own_address())
    }

    /// The same at this address: a bridge's, so that containers reach it.
    #[must_use]
    pub fn api_proxy_at(mut self, address: IpAddr) -> Self {
        self.api_proxy = Some(address);
        self
    }

    /// Makes `workspace/package`, linked to `workspace/repository`.
    #[must_use]
    pub fn package(mut self, package: &str, repository: &str) -> Self {
        self.accounts.add_package(package, repository);
        self
    }

    /// Adds a person, in place of the one of the same email.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.accounts.add_user(user);
        self
    }

    /// Adds the credential that a step of a repository has.
    #[must_use]
    pub fn built_in(mut self, username: &str, token: &str, repository: &str) -> Self {
        self.accounts.add_built_in(username, token, repository);
        self
    }

    /// Takes the right to write from the credentials that steps have.
    #[must_use]
    pub fn built_in_only_reads(mut self) -> Self {
        self.accounts.let_built_in_only_read();
        self
    }

    /// Adds an access token, which is refused for packages.
    #[must_use]
    pub fn access_token(mut self, token: &str, kind: AccessTokenKind, scopes: &[&str]) -> Self {
        self.accounts.add_access_token(token, kind, scopes);
        self
    }

    /// Tags that match the pattern are immutable.
    #[must_use]
    pub fn immutable(mut self, pattern: &str) -> Self {
        let pattern = Regex::new(pattern).expect("a pattern");
        self.settings.immutable_tags.push(pattern);
        self
    }

    /// Changes the settings.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }
}
