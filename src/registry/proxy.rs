//! Which proxy a URL is asked through: `HTTPS_PROXY` and `NO_PROXY`, read as Go's `httpproxy` reads them, since Docker and
//! skopeo, which share the step with the pipe, read them so. Pure.

use super::address::server;
use crate::text::Quoted;
use reqwest::Url;
use std::fmt;
use std::net::IpAddr;

/// The proxy of a run, and who is asked without it.
#[derive(Clone)]
pub(crate) struct Proxy {
    url: Url,
    exempt: Vec<Exempt>,
}

/// Why a text names no proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadProxy {
    /// It is not an address.
    NotAnAddress,
    /// It is one of another kind: SOCKS, say.
    Kind,
}

/// Who is asked without the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exempt {
    /// `*`
    Everyone,
    /// `10.0.0.0/8`
    Network(IpAddr, u32),
    /// `10.0.0.5`, `10.0.0.5:5000`
    Address(IpAddr, Option<u16>),
    /// What ends so with a dot before it, and the name itself unless only what is below it was meant.
    Domain {
        name: String,
        below_only: bool,
        port: Option<u16>,
    },
    /// A port that is none matches nothing.
    Nobody,
}

impl Proxy {
    /// Reads both variables' values.
    ///
    /// # Errors
    /// What is wrong with the proxy's. Any text is a list of exemptions.
    pub(crate) fn parse(proxy: &str, exempt: &str) -> Result<Self, BadProxy> {
        let proxy = proxy.trim();
        let url = match proxy.split_once("://") {
            Some((scheme, _)) if !matches!(&*scheme.to_ascii_lowercase(), "http" | "https") => {
                return Err(BadProxy::Kind);
            }
            Some(_) => Url::parse(proxy),
            None => Url::parse(&format!("http://{proxy}")),
        };
        let url = url.map_err(|_| BadProxy::NotAnAddress)?;
        // Also the name of a variable that was not filled in is none.
        let of_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let has_host = url
            .host_str()
            .is_some_and(|host| !host.is_empty() && host.chars().all(of_host));
        // An `@` behind the host: the password has a `/`, which must be written `%2F`.
        if !has_host || url.port() == Some(0) || url.path().contains('@') || proxy.contains(char::is_whitespace) {
            return Err(BadProxy::NotAnAddress);
        }
        let items = exempt.split(|c: char| c == ',' || c.is_whitespace());
        Ok(Self {
            url,
            exempt: items.filter(|item| !item.is_empty()).map(Exempt::parse).collect(),
        })
    }

    /// Its address, user name and password included.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Its host and port.
    pub(super) fn server(&self) -> Quoted {
        server(&self.url)
    }

    /// Whether a URL is asked through it.
    pub(super) fn serves(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let port = url.port_or_known_default();
        !self.exempt.iter().any(|exempt| exempt.matches(&host, port))
    }
}

impl Exempt {
    fn parse(item: &str) -> Self {
        let item = item.to_ascii_lowercase();
        if item == "*" {
            return Self::Everyone;
        }
        if let Some((address, bits)) = item.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u32>())
            && bits <= if address.is_ipv4() { 32 } else { 128 }
        {
            return Self::Network(address, bits);
        }
        if let Ok(address) = item.trim_matches(['[', ']']).parse() {
            return Self::Address(address, None);
        }
        let (name, port) = match item.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
            Some((name, Ok(port))) => (name, Some(port)),
            Some(_) => return Self::Nobody,
            None => (&*item, None),
        };
        if let Ok(address) = name.trim_matches(['[', ']']).parse() {
            return Self::Address(address, port);
        }
        let name = name
            .strip_prefix('*')
            .filter(|rest| rest.starts_with('.'))
            .unwrap_or(name);
        let below_only = name.starts_with('.');
        let name = name.trim_matches('.').to_owned();
        if name.is_empty() {
            return Self::Nobody;
        }
        Self::Domain { name, below_only, port }
    }

    fn matches(&self, host: &str, port: Option<u16>) -> bool {
        let is_port = |wanted: &Option<u16>| wanted.is_none() || *wanted == port;
        let address = || host.parse().map(|address: IpAddr| address.to_canonical());
        match self {
            Self::Everyone => true,
            Self::Nobody => false,
            Self::Network(network, bits) => address().is_ok_and(|address| is_within(address, *network, *bits)),
            Self::Address(wanted, wanted_port) => {
                address().is_ok_and(|address| address == wanted.to_canonical()) && is_port(wanted_port)
            }
            Self::Domain { name, below_only, port } => {
                let rest = host.strip_suffix(name.as_str());
                rest.is_some_and(|rest| rest.ends_with('.') || (rest.is_empty() && !below_only)) && is_port(port)
            }
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (u32::from(address) ^ u32::from(network)).leading_zeros() >= bits,
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (u128::from(address) ^ u128::from(network)).leading_zeros() >= bits
        }
        _ => false,
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("server", &self.server())
            .field("exempt", &self.exempt)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_however_it_is_written() {
        for (text, read) in [
            ("http://proxy:3128", Ok("http://proxy:3128/")),
            (" http://proxy:3128\n", Ok("http://proxy:3128/")),
            ("proxy:3128", Ok("http://proxy:3128/")),
            ("proxy", Ok("http://proxy/")),
            ("10.0.0.1:8080", Ok("http://10.0.0.1:8080/")),
            ("[fd00::1]:8080", Ok("http://[fd00::1]:8080/")),
            ("HTTPS://proxy.example", Ok("https://proxy.example/")),
            ("http://robot:a%2Fb@proxy:3128/", Ok("http://robot:a%2Fb@proxy:3128/")),
            ("robot:word@proxy:3128", Ok("http://robot:word@proxy:3128/")),
            ("http://robot@proxy:3128", Ok("http://robot@proxy:3128/")),
            (
                "http://robot:p%40ss%3Aword@[fd00::1]:3128",
                Ok("http://robot:p%40ss%3Aword@[fd00::1]:3128/"),
            ),
            ("http://proxy.:3128", Ok("http://proxy.:3128/")),
            ("http://proxy:3128?x#y", Ok("http://proxy:3128/?x#y")),
            ("socks5://proxy:1080", Err(BadProxy::Kind)),
            ("socks5h://robot:word@proxy:1080", Err(BadProxy::Kind)),
            ("http:proxy:3128", Err(BadProxy::NotAnAddress)),
            ("http://[fd00::1:3128", Err(BadProxy::NotAnAddress)),
            ("http://pro\u{200b}xy:3128", Ok("http://proxy:3128/")),
            ("file:///etc/proxy", Err(BadProxy::Kind)),
            ("http://", Err(BadProxy::NotAnAddress)),
            ("http://:3128", Err(BadProxy::NotAnAddress)),
            ("http://proxy:port", Err(BadProxy::NotAnAddress)),
            ("http://proxy:0", Err(BadProxy::NotAnAddress)),
            ("http://proxy:99999", Err(BadProxy::NotAnAddress)),
            ("http://a proxy", Err(BadProxy::NotAnAddress)),
            ("$HTTPS_PROXY", Err(BadProxy::NotAnAddress)),
            ("http://${PROXY}:3128", Err(BadProxy::NotAnAddress)),
            ("http://robot:1/b@proxy:3128", Err(BadProxy::NotAnAddress)),
            ("http://robot:a b@proxy:3128", Err(BadProxy::NotAnAddress)),
            ("\"http://proxy:3128\"", Err(BadProxy::Kind)),
        ] {
            let url = Proxy::parse(text, "").map(|proxy| proxy.url.to_string());
            assert_eq!(url.as_deref(), read.as_ref().map(|url| &**url), "{text}");
        }
    }

    #[test]
    fn exemptions_are_read_as_go_reads_them() {
        #[rustfmt::skip]
        let rows = [
            ("",                              "https://a.example.org/",       false),
            ("*",                             "https://a.example.org/",       true),
            ("localhost, *",                  "https://a.example.org/",       true),
            ("* ,localhost",                  "https://10.0.0.1/",            true),
            ("example.org",                   "https://example.org/",         true),
            ("example.org",                   "https://a.b.example.org/",     true),
            ("example.org",                   "https://notexample.org/",      false),
            ("EXAMPLE.org",                   "https://A.example.ORG/",       true),
            (".example.org",                  "https://a.example.org/",       true),
            (".example.org",                  "https://example.org/",         false),
            ("*.example.org",                 "https://a.example.org/",       true),
            ("*.example.org",                 "https://a.b.example.org/",     true),
            ("*.example.org",                 "https://example.org/",         false),
            ("a*.example.org",                "https://ab.example.org/",      false),
            ("example.org:443",               "https://example.org/",         true),
            ("example.org:443",               "https://example.org:8443/",    false),
            ("example.org:8443",              "https://a.example.org:8443/",  true),
            ("*.example.org:8443",            "https://a.example.org:8443/",  true),
            ("example.org:port",              "https://example.org/",         false),
            (":443",                          "https://example.org/",         false),
            ("x, example.org ,y",             "https://example.org/",         true),
            ("x example.org\ty",              "https://example.org/",         true),
            (",,",                            "https://example.org/",         false),
            ("10.0.0.5",                      "https://10.0.0.5/",            true),
            ("10.0.0.5:5000",                 "https://10.0.0.5:5000/",       true),
            ("10.0.0.5:5000",                 "https://10.0.0.5/",            false),
            ("10.0.0.5",                      "https://a10.0.0.5.org/",       false),
            ("10.0.0.0/8",                    "https://10.200.0.5/",          true),
            ("10.0.0.0/8",                    "https://11.0.0.5/",            false),
            ("10.0.0.0/33",                   "https://10.0.0.5/",            false),
            ("0.0.0.0/0",                     "https://10.0.0.5/",            true),
            ("0.0.0.0/0",                     "https://example.org/",         false),
            ("fd00::/8",                      "https://[fd00::1]/",           true),
            ("fd00::1",                       "https://[fd00::1]/",           true),
            ("[fd00::1]",                     "https://[fd00::1]/",           true),
            ("[fd00::1]:5000",                "https://[fd00::1]:5000/",      true),
            ("[fd00::1]:5000",                "https://[fd00::1]/",           false),
            ("10.0.0.5",                      "https://[::ffff:10.0.0.5]/",   true),
            ("example.org",                   "https://example.org./",        true),
            ("example.org.",                  "https://a.example.org/",       true),
            (".",                             "https://example.org/",         false),
            ("*.",                            "https://example.org/",         false),
            ("**",                            "https://example.org/",         false),
            ("https://example.org",           "https://example.org/",         false),
            ("example.org:443:443",           "https://example.org/",         false),
            ("example.org:0",                 "https://example.org/",         false),
            ("example.org:99999",             "https://example.org/",         false),
            ("10.0.0.5/32",                   "https://10.0.0.5/",            true),
            ("10.0.0.0/8:5000",               "https://10.0.0.5:5000/",       false),
            ("10.0.0.9/8",                    "https://10.0.0.5/",            true),
            ("fe80::/10",                     "https://[febf::1]/",           true),
            ("fe80::/10",                     "https://[fec0::1]/",           false),
            ("FD00::1",                       "https://[fd00::1]/",           true),
            ("fd00:0:0::1",                   "https://[fd00::1]/",           true),
            ("::ffff:10.0.0.5",               "https://10.0.0.5/",            true),
            ("::/0",                          "https://[2001:4860::8]/",      true),
            ("::/0",                          "https://10.0.0.5/",            false),
            ("fe80::1%eth0",                  "https://[fe80::1]/",           false),
            ("10.0.0.0/8,example.org:8443",   "https://example.org:8443/",    true),
        ];
        for (exempt, url, direct) in rows {
            let proxy = Proxy::parse("http://proxy:3128", exempt).unwrap();
            assert_eq!(!proxy.serves(&Url::parse(url).unwrap()), direct, "{exempt:?} {url}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let proxy = Proxy::parse("http://robot:sesame@proxy:3128", "").unwrap();
        assert!(!format!("{proxy:?}").contains("sesame"), "{proxy:?}");
        assert_eq!(proxy.server().as_str(), "proxy:3128");
    }
}
