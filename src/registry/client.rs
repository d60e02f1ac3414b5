//! The HTTP clients of a run: which roots are trusted, what goes through a proxy, how connections are made.

use super::address::is_loopback;
use super::error::Problem;
use super::network::Settings;
use crate::text::{Quoted, USER_AGENT};
use reqwest::{Certificate, Client, Url};
use std::sync::OnceLock;

/// Made when needed.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// For loopback, which no proxy can reach (Go's clients make the same exception).
    direct: OnceLock<Client>,
    /// For all else: with the proxy that the environment names, if any.
    proxied: OnceLock<Client>,
}

impl Clients {
    /// The one that a URL is asked by.
    ///
    /// # Errors
    /// It could not be made.
    pub(super) fn of(&self, url: &Url, settings: &Settings) -> Result<&Client, Problem> {
        let is_direct = is_loopback(url);
        let cell = if is_direct { &self.direct } else { &self.proxied };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let built = build(settings, is_direct);
        let client = built.map_err(|error| Problem::Protocol(Quoted::new(&error.to_string()).as_str().to_owned()))?;
        Ok(cell.get_or_init(|| client))
    }
}

fn build(settings: &Settings, is_direct: bool) -> Result<Client, reqwest::Error> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|root| Certificate::from_der(root));
    let mut certificates = roots.collect::<Result<Vec<_>, _>>()?;
    certificates.extend(settings.extra_roots.iter().cloned());
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .tls_certs_only(certificates)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.timeout)
        // What a server's side does not take or acknowledge; the kernel holds megabytes that nobody else watches.
        .tcp_user_timeout(settings.timeout)
        .pool_max_idle_per_host(32)
        .tcp_nodelay(true);
    if is_direct {
        builder = builder.no_proxy();
    }
    builder.build()
}
