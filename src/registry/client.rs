//! The HTTP clients of a run: which roots are trusted, what goes through a proxy, how connections are made.

use super::address::is_loopback;
use super::error::ErrorKind;
use super::network::NetworkSettings;
use super::proxy::Proxy;
use super::tls;
use crate::text::USER_AGENT;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};
use rustls::ClientConfig;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

/// Made when needed.
#[derive(Debug, Default)]
pub(super) struct Clients {
    tls: OnceLock<ClientConfig>,
    /// For loopback, which no proxy can reach (Go's clients make the same exception).
    loopback: OnceLock<Client>,
    /// For all that no proxy serves.
    direct: OnceLock<Client>,
    proxied: OnceLock<Client>,
}

impl Clients {
    /// The one that a URL is asked by, and its proxy.
    ///
    /// # Errors
    /// It could not be made.
    pub(super) fn of<'a>(
        &self,
        url: &Url,
        settings: &'a NetworkSettings,
    ) -> Result<(&Client, Option<&'a Proxy>), ErrorKind> {
        let is_loopback = is_loopback(url);
        let proxy = settings
            .proxy
            .as_ref()
            .filter(|proxy| !is_loopback && proxy.serves(url));
        let cell = match (is_loopback, proxy) {
            (true, _) => &self.loopback,
            (false, None) => &self.direct,
            (false, Some(_)) => &self.proxied,
        };
        if let Some(client) = cell.get() {
            return Ok((client, proxy));
        }
        let client = self.build(settings, is_loopback, proxy)?;
        Ok((cell.get_or_init(|| client), proxy))
    }

    fn build(&self, settings: &NetworkSettings, is_loopback: bool, proxy: Option<&Proxy>) -> Result<Client, ErrorKind> {
        let unmade =
            |error: &dyn std::fmt::Display| ErrorKind::Protocol(format!("no HTTP client can be made: {error}"));
        let tls = if let Some(tls) = self.tls.get() {
            tls
        } else {
            let made = tls::settings(&settings.extra_roots).map_err(|error| unmade(&error))?;
            self.tls.get_or_init(|| made)
        };
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .tls_backend_preconfigured(tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.timeout)
            // What a server's side does not take or acknowledge; the kernel holds megabytes that nobody else watches.
            .tcp_user_timeout(settings.timeout)
            .pool_max_idle_per_host(32)
            .tcp_nodelay(true)
            // Which proxy serves whom is decided here.
            .no_proxy();
        if is_loopback {
            builder = builder.dns_resolver(Loopback);
        }
        if let Some(proxy) = proxy {
            let proxy = reqwest::Proxy::all(proxy.url().clone()).map_err(|error| unmade(&error))?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| unmade(&error))
    }
}

/// Names that mean this machine lead to it, whatever a name server says (RFC 6761, 6.3).
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _: Name) -> Resolving {
        let own = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        ];
        Box::pin(std::future::ready(Ok(Box::new(own.into_iter()) as Addrs)))
    }
}
