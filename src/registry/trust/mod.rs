//! The one rule for addresses that others name: whether one is asked, and whether the credential goes along. Realms,
//! redirects, `Location`s of uploads and `Link`s to the next page all pass it. Pure.
//!
//! A registry on the internet has no business with what listens beside the pipe or in its network, and the answer of such a
//! server would end in a log or, from a token server, in a header to the registry.

use super::address::{is_loopback, is_same, origin};
use crate::names::Host;
use reqwest::{Method, StatusCode, Url};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is named for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To have tokens made there: the `realm` of a challenge.
    Realm,
    /// To be asked in the place of what was asked, by this method, answered with this status.
    Redirect(&'a Method, StatusCode),
    /// To upload to: a `Location`.
    Upload,
    /// To go on with a list: a `Link`.
    NextPage,
}

/// What becomes of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Asked, signed in.
    WithCredential,
    /// Asked, and not told who asks.
    WithoutCredential,
    /// Not asked, for this reason.
    NotAsked(&'static str),
}

/// Judges an address that the answer of `asked` names, a URL of `registry` or of its token server.
pub(super) fn judge(address: &Url, purpose: Purpose<'_>, asked: &Url, registry: &Host) -> Verdict {
    match distrust(address, purpose, asked, registry) {
        Some(why) => Verdict::NotAsked(why),
        // A realm is where the credential belongs; anything else only where it went before.
        None if matches!(purpose, Purpose::Realm) || origin(address) == origin(asked) => Verdict::WithCredential,
        None => Verdict::WithoutCredential,
    }
}

fn distrust(address: &Url, purpose: Purpose<'_>, asked: &Url, registry: &Host) -> Option<&'static str> {
    let is_own = origin(address) == origin(asked);
    match purpose {
        Purpose::NextPage if !is_own => return Some("the next page of a list must be on the registry itself"),
        Purpose::Redirect(method, status) => {
            let reads = matches!(*method, Method::GET | Method::HEAD);
            let stays = is_own && matches!(status.as_u16(), 307 | 308);
            if !reads && !stays {
                return Some("what is written goes to the registry itself only");
            }
        }
        _ => {}
    }
    if !matches!(address.scheme(), "https" | "http") {
        return Some("it is not `https`");
    }
    if address.host_str().is_none_or(str::is_empty) {
        return Some("it names no host");
    }
    if !address.username().is_empty() || address.password().is_some() {
        return Some("it holds a user name");
    }
    if address.port() == Some(0) {
        return Some("nothing listens at port 0");
    }
    let loopback = is_loopback(address);
    if address.scheme() == "http" {
        // Docker speaks it with registries of this machine alone. No redirect gives up TLS.
        let weaker = asked.scheme() == "https" && matches!(purpose, Purpose::Redirect(..));
        if !loopback || !registry.is_loopback() || weaker {
            return Some("it is plain `http`");
        }
    }
    if loopback {
        return (!registry.is_loopback()).then_some("it is on the machine that the pipe runs on");
    }
    // Who is in such a network itself may sign in there, at the same host and port.
    if is_same(address, registry) {
        return None;
    }
    match address
        .host_str()
        .and_then(|name| name.trim_matches(['[', ']']).parse().ok())
    {
        Some(IpAddr::V4(v4)) => distrust_v4(v4),
        Some(IpAddr::V6(v6)) => distrust_v6(v6),
        None => None,
    }
}

const INTERNAL: &str = "it is a private or link-local address";
const SPECIAL: &str = "it is an address that no server of the internet has";

/// By IANA's registry of special-purpose addresses, without those of documentation, which lead nowhere.
fn distrust_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        // The last one is between a provider and its customers (RFC 6598).
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [169, 254, ..] | [100, 64..=127, ..] => Some(INTERNAL),
        // "This network", loopback, protocols, relays to 6to4, benchmarks, multicast and reserved.
        [0 | 127 | 224..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => Some(SPECIAL),
        _ => None,
    }
}

/// Only `2000::/3` is given to servers, and of it not what holds an IPv4 address (Teredo, 6to4): that may be any.
fn distrust_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(v4) = address.to_ipv4_mapped() {
        return distrust_v4(v4);
    }
    match address.segments() {
        // `fc00::/7`, `fe80::/10`, and `fec0::/10` of old.
        [0xfc00..=0xfdff | 0xfe80..=0xfeff, ..] => Some(INTERNAL),
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] => Some(SPECIAL),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(SPECIAL),
    }
}

#[cfg(test)]
mod tests;
