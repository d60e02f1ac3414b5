//! How much a registry lets be pulled: `RateLimit-Limit` and `RateLimit-Remaining`, as Docker Hub tells it of manifests
//! ("Docker Hub pull usage and limits", Docker).

use crate::names::Host;
use crate::text::time;
use reqwest::header::HeaderMap;
use std::cell::RefCell;
use std::collections::HashSet;

/// Fewer pulls than this are few, whatever the limit is …
const FEW: u64 = 20;
/// … and fewer than this part of it.
const FEW_OF: u64 = 10;

/// What was told already: of which registry, and whether there was nothing left.
#[derive(Debug, Default)]
pub(super) struct Limits(RefCell<HashSet<(Host, bool)>>);

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    pulls: u64,
    /// Of how many, if that is known.
    of: Option<u64>,
    /// In how many seconds, if that is known.
    within: Option<u64>,
}

impl Limits {
    /// Tells in the log what is left, if that is few: once, and once more when it is nothing.
    pub(super) fn tell(&self, host: &Host, headers: &HeaderMap, is_signed_in: bool) {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let left = text("ratelimit-remaining").and_then(|remaining| Left::of(text("ratelimit-limit"), remaining));
        let Some(left) = left.filter(|left| left.is_few()) else {
            return;
        };
        if self.0.borrow_mut().insert((host.clone(), left.pulls == 0)) {
            tracing::warn!("{}", left.line(host, is_signed_in));
        }
    }
}

impl Left {
    /// Reads both headers. What is no number says nothing, and nothing fails of it.
    fn of(limit: Option<&str>, remaining: &str) -> Option<Self> {
        let (pulls, window) = read(remaining)?;
        let limit = limit.and_then(read);
        Some(Self {
            pulls,
            of: limit.map(|(of, _)| of),
            within: window.or(limit.and_then(|(_, window)| window)),
        })
    }

    fn is_few(self) -> bool {
        self.pulls < FEW || self.of.is_some_and(|of| self.pulls < of / FEW_OF)
    }

    fn line(self, host: &Host, is_signed_in: bool) -> String {
        let left = match self.pulls {
            0 => "no more pulls for now".to_owned(),
            1 => "1 more pull".to_owned(),
            pulls => format!("{pulls} more pulls"),
        };
        let of = match (self.of, self.within) {
            (Some(of), Some(within)) => format!(" ({of} in {})", time(within)),
            (Some(of), None) => format!(" (of {of})"),
            (None, _) => String::new(),
        };
        let more = if is_signed_in {
            ""
        } else {
            "; sign in for more, with `SOURCE_USERNAME` and `SOURCE_PASSWORD`"
        };
        format!("`{host}` allows {left}{of}{more}")
    }
}

/// A number and its window: `100;w=21600`. Of several the first counts, which is the limit that is nearest.
fn read(value: &str) -> Option<(u64, Option<u64>)> {
    let number = |text: &str| {
        let text = text.trim();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| is_number)
    };
    let mut parts = value.split(',').next()?.split(';');
    let count = number(parts.next()?)?;
    let window = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        number(value).filter(|seconds| name.trim().eq_ignore_ascii_case("w") && *seconds > 0)
    });
    Some((count, window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_headers_say_nothing() {
        let hours = Some(21_600);
        for (limit, remaining, left) in [
            (Some("100;w=21600"), "98;w=21600", Some((98, Some(100), hours))),
            (Some("100;w=21600"), "98", Some((98, Some(100), hours))),
            (Some("100"), " 98 ; W = 21600 ", Some((98, Some(100), hours))),
            (Some("100, 100;w=60, 5000;w=3600"), "7", Some((7, Some(100), None))),
            (Some("100;x=1;w=21600"), "0", Some((0, Some(100), hours))),
            (Some("100;w=0"), "0;w=", Some((0, Some(100), None))),
            (Some("unlimited"), "5", Some((5, None, None))),
            (None, "5;w=60", Some((5, None, Some(60)))),
            (Some(""), "5", Some((5, None, None))),
            (Some("100;w=21600"), "", None),
            (Some("100;w=21600"), "many", None),
            (Some("100;w=21600"), "-1", None),
            (Some("100;w=21600"), "+1", None),
            (Some("100;w=21600"), "1.5", None),
            (Some("100;w=21600"), "99999999999999999999", None),
            (
                Some("99999999999999999999"),
                "5;w=99999999999999999999",
                Some((5, None, None)),
            ),
            (
                Some("18446744073709551615"),
                "18446744073709551615",
                Some((u64::MAX, Some(u64::MAX), None)),
            ),
            (Some("100;w=21600"), ";w=5", None),
            (Some("100;w=21600"), "\"5\"", None),
        ] {
            let found = Left::of(limit, remaining).map(|left| (left.pulls, left.of, left.within));
            assert_eq!(found, left, "{limit:?} {remaining}");
        }
    }

    #[test]
    fn few_are_told_with_what_to_do() {
        let host = Host::parse("docker.io").unwrap();
        for (limit, remaining, line) in [
            (Some("100;w=21600"), "20", None),
            (
                Some("100;w=21600"),
                "19",
                Some("`docker.io` allows 19 more pulls (100 in 6 h)"),
            ),
            (
                Some("100;w=21600"),
                "1",
                Some("`docker.io` allows 1 more pull (100 in 6 h)"),
            ),
            (
                Some("100;w=21600"),
                "0",
                Some("`docker.io` allows no more pulls for now (100 in 6 h)"),
            ),
            (
                Some("5000;w=86400"),
                "499",
                Some("`docker.io` allows 499 more pulls (5000 in 24 h)"),
            ),
            (Some("5000;w=86400"), "500", None),
            (Some("40"), "19", Some("`docker.io` allows 19 more pulls (of 40)")),
            (None, "19;w=60", Some("`docker.io` allows 19 more pulls")),
            (None, "20", None),
        ] {
            let left = Left::of(limit, remaining).unwrap();
            let told = left.is_few().then(|| left.line(&host, true));
            assert_eq!(told.as_deref(), line, "{limit:?} {remaining}");
            if let Some(told) = told {
                let more = "; sign in for more, with `SOURCE_USERNAME` and `SOURCE_PASSWORD`";
                assert_eq!(left.line(&host, false), format!("{told}{more}"));
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_a_header_holds(limit in proptest::option::of(".*"), remaining in ".*") {
            if let Some(left) = Left::of(limit.as_deref(), &remaining) {
                let host = Host::bitbucket();
                prop_assert!(left.is_few() || !left.line(&host, true).is_empty());
            }
        }
    }
}
