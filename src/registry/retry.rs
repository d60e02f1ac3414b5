//! When to try again and how long to wait: decided without I/O.

use super::error::ErrorKind;
use super::reach::Reach;
use super::tls;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, SystemTime};

/// First pause; doubles each time.
pub(super) const FIRST: Duration = Duration::from_millis(500);
/// Longest pause of our own.
const LONGEST: Duration = Duration::from_secs(30);
/// Longest pause that a server may ask for: a longer one is an answer.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// Over so long are those spread who wait for the same moment.
const SPREAD: Duration = Duration::from_millis(250);
/// A body may break so often, whatever it brings …
const MOST_BREAKS: u64 = 100;
/// … and once more for every so many bytes that it brought.
const WORTH_A_BREAK: u64 = 1024 * 1024;

/// How often a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Tries after the first.
    pub retries: u32,
}

impl Policy {
    /// How long to wait before try number `tries + 1`, or `None` to give up. `asked` is the server's `Retry-After`, which
    /// makes the pause longer and never shorter; `chance` a number from 0 to 1 that spreads the tries of many.
    #[must_use]
    pub(crate) fn pause(self, kind: &ErrorKind, tries: u32, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        if kind.may_pass() {
            self.next(tries, asked, chance)
        } else {
            None
        }
    }

    /// The same for a failure that is known to pass.
    #[must_use]
    pub(crate) fn next(self, tries: u32, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        if tries > self.retries || asked.is_some_and(|asked| asked > LONGEST_ASKED) {
            return None;
        }
        let most = FIRST.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST);
        // Half fixed, half by chance: never at once, never all together.
        let own = most.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        Some(asked.map_or(own, |asked| own.max(asked + spread(chance))))
    }
}

/// The tries of a body that goes on where it broke off. What brings bytes may break as often as it likes, within reason:
/// one byte a connection is no progress.
#[derive(Debug)]
pub(crate) struct Tries {
    policy: Policy,
    count: u32,
    best: u64,
    breaks: u64,
    /// How often it dripped, and where the first of these times.
    drips: (u32, u64),
}

impl Tries {
    /// Before the first, of a body that begins at byte 0 or goes on at `at`.
    #[must_use]
    pub(crate) fn new(policy: Policy, at: u64) -> Self {
        Self {
            policy,
            count: 1,
            best: at,
            breaks: 0,
            drips: (0, at),
        }
    }

    /// It has come as far as byte `at`.
    pub(crate) fn reached(&mut self, at: u64) {
        if at > self.best {
            self.breaks = self.breaks.saturating_sub((at - self.best) / WORTH_A_BREAK);
            (self.best, self.count) = (at, 1);
        }
    }

    /// It came, or was taken, at a drip until byte `at`. Each such time takes minutes, so that it is tried again no more often
    /// than a request that brings nothing, until it has moved as much as a break is worth.
    pub(crate) fn dripped(&mut self, at: u64) {
        let (drips, first) = self.drips;
        self.drips = if at >= first.saturating_add(WORTH_A_BREAK) {
            (1, at)
        } else {
            (drips + 1, first)
        };
    }

    /// Whether it may go on at once where it ended early, at byte `at`, but without a failure: as often as it may break.
    pub(crate) fn goes_on(&mut self, at: u64) -> bool {
        self.reached(at);
        self.breaks += 1;
        self.breaks <= MOST_BREAKS
    }

    /// How long to wait before the next try after a failure that may pass, or `None` to give up; the rest as for
    /// [`Policy::next`].
    pub(crate) fn next(&mut self, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        self.breaks += 1;
        if self.breaks > MOST_BREAKS || self.drips.0 > self.policy.retries {
            return None;
        }
        let pause = self.policy.next(self.count, asked, chance);
        self.count += u32::from(pause.is_some());
        pause
    }

    /// Tries since it last brought anything, or anything at more than a drip.
    #[must_use]
    pub(crate) fn count(&self) -> u32 {
        self.count.max(self.drips.0)
    }
}

/// How much later one of many begins who wait for the same moment.
#[must_use]
pub(super) fn spread(chance: f64) -> Duration {
    SPREAD.mul_f64(chance.clamp(0.0, 1.0))
}

/// Statuses that say "not now" rather than "no".
#[must_use]
pub(crate) const fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504 | 520..=524)
}

/// `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3).
#[must_use]
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

/// A number from 0 to 1. The standard library's hasher keys are the only randomness this needs.
#[must_use]
pub(crate) fn chance() -> f64 {
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// How the HTTP client begins what it says of a proxy (hyper-util 0.1).
const TUNNEL: &str = "tunnel error: ";

/// Whether a request failed at the proxy, or on the way to it.
#[must_use]
pub(super) fn is_at_proxy(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.to_string().starts_with(TUNNEL) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Why a request got no answer, from the chain of causes that the HTTP client gives.
#[must_use]
pub(crate) fn reach(error: &reqwest::Error) -> Reach {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut last = error.to_string();
    while let Some(cause) = source {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return tls::reach(tls);
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            if let Some(tls) = tls_within(io) {
                return tls::reach(tls);
            }
            match io.kind() {
                std::io::ErrorKind::ConnectionRefused => return Reach::ConnectionRefused,
                std::io::ErrorKind::TimedOut => return Reach::Timeout,
                _ => {}
            }
        }
        last = cause.to_string();
        if last.contains("failed to lookup address") || last.contains("dns error") {
            return Reach::Name;
        }
        match last.strip_prefix(TUNNEL) {
            Some("proxy authorization required") => return Reach::ProxyAuthorization,
            // Any answer but 200 to CONNECT, whose words the HTTP client does not tell.
            Some("unsuccessful") => return Reach::NoTunnel,
            _ => {}
        }
        source = cause.source();
    }
    if error.is_timeout() {
        Reach::Timeout
    } else {
        Reach::Broken(crate::text::Quoted::new(&last).as_str().to_owned())
    }
}

/// An I/O error's `source` leaves out the error that it wraps, which may be an I/O error again.
fn tls_within(io: &std::io::Error) -> Option<&rustls::Error> {
    let inner = io.get_ref()?;
    inner
        .downcast_ref::<rustls::Error>()
        .or_else(|| tls_within(inner.downcast_ref::<std::io::Error>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::party::Party;
    use crate::registry::reach::{Certificate, Handshake};
    use crate::registry::scope::Granted;
    use crate::text::Quoted;

    fn refused(status: u16) -> ErrorKind {
        ErrorKind::Refused {
            status,
            code: None,
            words: Quoted::default(),
            granted: Granted::Unknown,
        }
    }

    #[test]
    fn only_what_can_pass_is_tried_again() {
        let policy = Policy { retries: 4 };
        for (kind, again) in [
            (refused(429), true),
            (refused(503), true),
            (refused(500), true),
            (refused(401), false),
            (refused(403), false),
            (refused(404), false),
            (refused(501), false),
            (
                ErrorKind::SignIn {
                    status: 503,
                    words: Quoted::default(),
                    signed: true,
                },
                true,
            ),
            (
                ErrorKind::SignIn {
                    status: 401,
                    words: Quoted::default(),
                    signed: true,
                },
                false,
            ),
            (ErrorKind::Unreachable(Reach::ConnectionRefused), true),
            (ErrorKind::Unreachable(Reach::Name), true),
            (ErrorKind::Unreachable(Reach::Timeout), true),
            (ErrorKind::Unreachable(Reach::UnknownIssuer), false),
            (
                ErrorKind::Unreachable(Reach::Certificate(Certificate::Expired(None))),
                false,
            ),
            (ErrorKind::Unreachable(Reach::Tls(Handshake::NoTls)), false),
            (ErrorKind::Unreachable(Reach::NoTunnel), true),
            (ErrorKind::Unreachable(Reach::ProxyAuthorization), false),
            (refused(503).at(Some(Party::Storage(Quoted::new("s3.example")))), true),
            (refused(403).at(Some(Party::Storage(Quoted::new("s3.example")))), false),
            (ErrorKind::TooLarge { limit: 1 }, false),
        ] {
            assert_eq!(policy.pause(&kind, 1, None, 0.5).is_some(), again, "{kind:?}");
        }
    }

    #[test]
    fn pauses_grow_are_bounded_and_heed_the_server() {
        let policy = Policy { retries: 20 };
        let pause = |tries, asked, chance| policy.pause(&refused(503), tries, asked, chance);
        assert_eq!(pause(1, None, 0.0), Some(Duration::from_millis(250)));
        assert_eq!(pause(1, None, 1.0), Some(Duration::from_millis(500)));
        assert_eq!(pause(3, None, 1.0), Some(Duration::from_secs(2)));
        assert_eq!(pause(20, None, 1.0), Some(LONGEST));
        assert_eq!(pause(21, None, 1.0), None);
        assert_eq!(
            pause(1, Some(Duration::from_secs(8)), 0.0),
            Some(Duration::from_secs(8))
        );
        assert_eq!(pause(1, Some(LONGEST_ASKED), 0.0), Some(LONGEST_ASKED));
        let longer = LONGEST_ASKED + Duration::from_secs(1);
        assert_eq!(pause(1, Some(longer), 0.0), None, "an answer");
        assert_eq!(
            pause(5, Some(Duration::ZERO), 0.0),
            Some(Duration::from_secs(4)),
            "it grows all the same"
        );
        let spread = pause(1, Some(Duration::from_secs(8)), 1.0);
        assert_eq!(spread, Some(Duration::from_millis(8250)), "not all at the same moment");
        assert_eq!(Policy { retries: 0 }.pause(&refused(503), 1, None, 0.0), None);
    }

    #[test]
    fn what_brings_bytes_may_break_often_and_not_for_ever() {
        let policy = Policy { retries: 2 };
        // A megabyte each time: as often as it takes.
        let mut tries = Tries::new(policy, 0);
        for megabyte in 1..5000_u64 {
            tries.reached(megabyte << 20);
            assert!(tries.next(None, 0.5).is_some(), "{megabyte}");
        }
        // Nothing: as any request.
        let mut tries = Tries::new(policy, 7);
        for _ in 0..2 {
            tries.reached(7);
            assert!(tries.next(None, 0.5).is_some());
        }
        assert_eq!((tries.next(None, 0.5), tries.count()), (None, 3));
        // A byte each time: some hundred times.
        let mut tries = Tries::new(policy, 0);
        let breaks = (1..1000).take_while(|&at| {
            tries.reached(at);
            tries.next(None, 0.5).is_some()
        });
        assert_eq!(breaks.count(), 100);
        // At a drip: as often as what brings nothing, until more has come.
        let mut tries = Tries::new(policy, 5);
        for at in [6, 7, 1 << 20, (1 << 20) + 5, (1 << 20) + 6] {
            tries.dripped(at);
            tries.reached(at);
            assert_eq!(tries.next(None, 0.5).is_some(), at != 1 << 20, "{at}");
        }
        assert_eq!(tries.count(), 2);
        // Nor for what brings less than a break is worth.
        let mut tries = Tries::new(policy, 0);
        let breaks = (1..1000).take_while(|&part| tries.goes_on(part << 19));
        assert_eq!(breaks.count(), 100);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 10:00:00 GMT").unwrap();
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Sun, 22 Nov 2026 10:00:06 GMT", now),
            Some(Duration::from_secs(6))
        );
        assert_eq!(retry_after("Sun, 22 Nov 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn chance_stays_in_its_range_and_is_spread_over_it() {
        let chances: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
        assert!(chances.iter().any(|chance| *chance < 0.5) && chances.iter().any(|chance| *chance > 0.5));
    }
}
