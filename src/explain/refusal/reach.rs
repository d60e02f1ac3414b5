//! What to do where no answer came, or one of another party than the registry: advice for the party that failed. Pure.

use super::{Asked, hint};
use crate::explain::Page;
use crate::explain::failure::{Failure, FailureKind};
use crate::names::Host;
use crate::registry::{Certificate, Error, ErrorKind, Handshake, Party, Reach};

/// The failure that a problem of another party than the registry is. Nothing that it answers is a verdict on the credential,
/// and a name that it lacks is none that the user wrote.
pub(super) fn elsewhere(party: &Party, problem: &ErrorKind, fact: String, error: &Error) -> Failure {
    let (server, host) = (party.server(), &error.host);
    let (kind, hint) = match problem {
        ErrorKind::Unreachable(reach) => (FailureKind::Unreachable, at(party, reach, host)),
        ErrorKind::WebPage => (FailureKind::Other, in_place(server.as_str())),
        ErrorKind::Encoded { .. } => (FailureKind::Other, encoded(server.as_str())),
        ErrorKind::Refused { words, .. } | ErrorKind::SignIn { words, .. } if words.is_web_page() => {
            (FailureKind::Other, in_place(server.as_str()))
        }
        ErrorKind::Refused { status: 429, .. } | ErrorKind::SignIn { status: 429, .. } => (
            FailureKind::Refused,
            format!(
                "`{server}` limits how much may be asked of it\n\
                 run the step again later, or with a lower `CONCURRENCY` and more `RETRIES`"
            ),
        ),
        ErrorKind::Refused { status: 500.., .. } | ErrorKind::SignIn { status: 500.., .. } => (
            FailureKind::Unreachable,
            format!("the fault is that of `{server}`; run the step again later"),
        ),
        ErrorKind::Refused { status: 404 | 410, .. } if matches!(party, Party::Storage(_)) => {
            (FailureKind::NotFound, hint::DAMAGED.to_owned())
        }
        ErrorKind::Refused { .. } | ErrorKind::Protocol(_) if matches!(party, Party::TokenServer(_)) => (
            FailureKind::Other,
            format!(
                "nothing is known against your credential: `{server}` does not answer as a token server does\n\
                 ask those who run `{host}`, which has its tokens made there"
            ),
        ),
        ErrorKind::Refused { .. } => (
            FailureKind::Other,
            format!(
                "nothing is known against your credential, which `{server}` does not get\n\
                 the address that `{host}` gave may have ended meanwhile, or a filter refuses it: run the step again\n\
                 if it stays so, ask those who run `{host}`"
            ),
        ),
        _ => (
            FailureKind::Other,
            format!("the data was discarded; `{server}` or a proxy on the way to it is at fault"),
        ),
    };
    Failure::new(kind, page_of(party, problem), fact, hint)
}

fn page_of(party: &Party, problem: &ErrorKind) -> Page {
    match (problem, party) {
        (ErrorKind::WebPage, _) => Page::Portal,
        (ErrorKind::Refused { words, .. } | ErrorKind::SignIn { words, .. }, _) if words.is_web_page() => Page::Portal,
        (ErrorKind::Encoded { .. }, _) => Page::Encoded,
        (ErrorKind::Unreachable(_), Party::Proxy(_)) => Page::Proxy,
        (ErrorKind::Unreachable(reach), _) if reach.is_insecure() => Page::of_reach(reach),
        (ErrorKind::Unreachable(_), Party::Storage(_)) => Page::StorageOutOfReach,
        (ErrorKind::Unreachable(_), Party::TokenServer(_)) => Page::TokenServerOutOfReach,
        (ErrorKind::Unreachable(reach), Party::Other(_)) => Page::of_reach(reach),
        (ErrorKind::Refused { status: 429, .. } | ErrorKind::SignIn { status: 429, .. }, _) => Page::TooManyRequests,
        (ErrorKind::Refused { status: 500.., .. } | ErrorKind::SignIn { status: 500.., .. }, _) => Page::ServerFault,
        (ErrorKind::Refused { status: 404 | 410, .. }, Party::Storage(_)) => Page::ImageDamaged,
        (ErrorKind::Refused { .. }, Party::Storage(_)) => Page::StorageRefused,
        (ErrorKind::Refused { .. } | ErrorKind::Protocol(_), Party::TokenServer(_)) => Page::TokenServerOdd,
        (ErrorKind::WrongDigest { .. }, _) => Page::WrongBytes,
        (ErrorKind::TooLarge { .. } | ErrorKind::TooMany { .. }, _) => Page::TooLarge,
        (ErrorKind::OverBudget { .. }, _) => Page::OverBudget,
        (ErrorKind::UntrustedRealm { .. }, _) => Page::Realm,
        (ErrorKind::Redirect { .. } | ErrorKind::Moved { .. }, _) => Page::Redirect,
        (ErrorKind::Schema1 { .. }, _) => Page::NotAnImage,
        (ErrorKind::Refused { .. } | ErrorKind::Protocol(_), Party::Storage(_) | Party::Proxy(_) | Party::Other(_))
        | (
            ErrorKind::SignIn { .. } | ErrorKind::NotGranted { .. } | ErrorKind::Unproven { .. } | ErrorKind::At(..),
            _,
        ) => Page::UnexpectedAnswer,
    }
}

/// A web page in the place of an answer.
pub(super) fn in_place(server: &str) -> String {
    format!(
        "a filter, a portal or a proxy on the way seems to answer in the place of `{server}`\n\
         let the step's network, or `HTTPS_PROXY` and `NO_PROXY`, lead to it"
    )
}

/// An answer in an encoding that nobody asked for.
pub(super) fn encoded(server: &str) -> String {
    format!("`{server}`, or a proxy on the way to it, must leave bodies as they are: a digest is of their very bytes")
}

/// No answer of the registry itself.
pub(super) fn of_registry(reach: &Reach, error: &Error, asked: &Asked<'_>) -> String {
    let host = &error.host;
    match reach {
        Reach::Name | Reach::ConnectionRefused
            if host == asked.context.registry && host.as_str() != Host::BITBUCKET =>
        {
            format!("check `REGISTRY`, which is `{host}`")
        }
        Reach::Name => format!("check the host name `{host}`, and that the step has a network"),
        Reach::ConnectionRefused | Reach::Timeout | Reach::Drip | Reach::Broken(_) => {
            let hint = "run the step again later; if it goes through a proxy, check `HTTPS_PROXY`";
            if host.is_atlassian() {
                format!("{hint}; see {}", hint::STATUS_PAGE)
            } else {
                hint.to_owned()
            }
        }
        Reach::NoTunnel | Reach::ProxyAuthorization => through(reach, host.as_str()),
        reach => secure(reach, host.as_str()),
    }
}

/// No answer of another party.
fn at(party: &Party, reach: &Reach, registry: &Host) -> String {
    let server = party.server();
    let what = match party {
        Party::Proxy(_) => return through(reach, server.as_str()),
        Party::Storage(_) => "it sends and takes its blobs there",
        Party::TokenServer(_) => "it has its tokens made there",
        Party::Other(_) => "it leads there",
    };
    match reach {
        // The registry's own name with another port: seen where a registry does not know the port that it is reached by.
        Reach::ConnectionRefused | Reach::Timeout | Reach::Drip | Reach::Broken(_) | Reach::Tls(_)
            if name(server.as_str()) == registry.name() && server.as_str() != registry.as_str() =>
        {
            format!(
                "`{registry}` names itself with another port, or none: those who run it must set its address\n\
                 (`http.host` of docker-registry), or have the proxy before it pass on `Host` and `X-Forwarded-Proto`"
            )
        }
        Reach::Name | Reach::ConnectionRefused | Reach::Timeout | Reach::Drip | Reach::Broken(_) => format!(
            "`{registry}` answers, and {what}: the network of the step, or `HTTPS_PROXY`, must lead to `{server}` too\n\
             if it does, run the step again later"
        ),
        reach => secure(reach, server.as_str()),
    }
}

/// No answer of a proxy, or not the one that was asked for.
fn through(reach: &Reach, proxy: &str) -> String {
    match reach {
        Reach::ProxyAuthorization => {
            "write both into the proxy's address: `HTTPS_PROXY: http://user:password@host:port`".to_owned()
        }
        Reach::NoTunnel => {
            "the proxy of `HTTPS_PROXY` does not know the host, or lets nobody connect to it: ask those \
                            who run it\nor name the host in `NO_PROXY`, if it can be reached without"
                .to_owned()
        }
        reach if reach.is_insecure() => format!("`HTTPS_PROXY` names `{proxy}`\n{}", secure(reach, proxy)),
        _ => {
            format!("check `HTTPS_PROXY`, which names `{proxy}`; `NO_PROXY` lists the hosts that are asked without it")
        }
    }
}

/// What to do where the answer is not secure. Nothing was sent.
fn secure(reach: &Reach, server: &str) -> String {
    let owner = format!("the owner of `{server}` must have");
    match reach {
        Reach::UnknownIssuer => "if a company's own authority signed it, give its certificate in `CA_CERTIFICATE` \
                                 (PEM text or a file)"
            .to_owned(),
        Reach::Certificate(what) => {
            let cure = match what {
                Certificate::Expired(_) => format!("{owner} it renewed, unless the clock of this machine is wrong"),
                Certificate::NotYet(_) => format!("is the clock of this machine right? Else {owner} another one"),
                Certificate::OtherName(_) => {
                    format!("ask the server by a name that it has, or {owner} one for this name too")
                }
                Certificate::NotNamed => {
                    format!("{owner} one with this host in `subjectAltName`, as the common name (CN) does not count")
                }
                Certificate::Authority => format!(
                    "if `{server}` itself has this certificate, give that very one in `CA_CERTIFICATE`\n\
                     else {owner} one for a server, signed by the authority"
                ),
                Certificate::Purpose => format!("{owner} one for servers (`extendedKeyUsage = serverAuth`)"),
                Certificate::Algorithm => {
                    format!("{owner} one signed with SHA-256 or better, by ECDSA or RSA of 2048 bits or more")
                }
                Certificate::Revoked | Certificate::Unread | Certificate::Rules | Certificate::Missing => {
                    format!("{owner} a proper one")
                }
            };
            format!("{cure}; nothing was sent")
        }
        Reach::Tls(what) => match what {
            Handshake::NoTls => format!("is `{server}` the right host and port, and does it speak TLS?"),
            Handshake::NothingInCommon => {
                format!("`{server}` must take TLS 1.2 or 1.3 with a cipher that keeps forward secrecy (ECDHE)")
            }
            Handshake::UnknownName => format!("is `{server}` the right name? Those who run the server must add it"),
            Handshake::WantsCertificate => {
                format!("the pipe has none: `{server}` must let in who signs in with a user name and a token")
            }
            Handshake::TheirFault | Handshake::BrokenOff => {
                format!("the log of `{server}` tells why; a firewall that looks into TLS does this too")
            }
            Handshake::Garbled => {
                format!("something on the way to `{server}` changes what is sent; run the step again")
            }
        },
        _ => String::new(),
    }
}

/// A server without its port.
fn name(server: &str) -> &str {
    match server.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => server.split(':').next().unwrap_or(server),
    }
}
