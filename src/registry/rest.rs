//! Servers that asked to be left alone: not only by the request that they refused.

use super::address::{Origin, origin, server};
use super::retry::{self, FIRST};
use reqwest::Url;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A rest is told of if it ends so much later than was known.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// Registries, token servers, and storage that blobs are redirected to, each with the end of its rest.
#[derive(Debug, Default)]
pub(super) struct Resting(RefCell<HashMap<Origin, Instant>>);

impl Resting {
    /// Notes an answer's status and the pause that it asked for.
    pub(super) fn note(&self, url: &Url, status: u16, asked: Option<Duration>) {
        let Some(rest) = rest(status, asked) else { return };
        if self.extend(url, Instant::now(), rest) > WORTH_TELLING {
            let host = server(url);
            tracing::info!("`{host}` is left alone for {} s, as it asked", rest.as_secs());
        }
    }

    /// Lets a server rest from now on for so long at least; gives how much longer that is than was known.
    fn extend(&self, url: &Url, now: Instant, rest: Duration) -> Duration {
        let mut resting = self.0.borrow_mut();
        let end = resting.entry(origin(url)).or_insert(now);
        let known = now.max(*end);
        *end = known.max(now + rest);
        *end - known
    }

    /// Waits until a server may be asked again.
    pub(super) async fn over(&self, url: &Url) {
        while let Some(until) = self.until(url) {
            tokio::time::sleep_until((until + retry::spread(retry::chance())).into()).await;
        }
    }

    /// The end of a server's rest, if it is not over.
    pub(super) fn until(&self, url: &Url) -> Option<Instant> {
        let mut resting = self.0.borrow_mut();
        // Mostly nobody rests, and then no key is made.
        if resting.is_empty() {
            return None;
        }
        let now = Instant::now();
        resting.retain(|_, until| now < *until);
        resting.get(&origin(url)).copied()
    }
}

/// How long a host is left alone by all after an answer; `None` where it asked for nothing and a pause of the one who was
/// refused is enough, or for more than anybody waits.
fn rest(status: u16, asked: Option<Duration>) -> Option<Duration> {
    match (status, asked) {
        (429 | 503, Some(asked)) => (asked <= retry::LONGEST_ASKED).then(|| asked.max(FIRST / 2)),
        (429, None) => Some(FIRST / 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_grows_by_what_was_not_known() {
        let resting = Resting::default();
        let [url, other] = ["https://crg.apkg.io/v2/", "https://example.org/"].map(|url| Url::parse(url).unwrap());
        let (now, seconds) = (Instant::now(), Duration::from_secs);
        assert_eq!(resting.extend(&url, now, seconds(60)), seconds(60));
        assert_eq!(resting.extend(&url, now + seconds(1), seconds(60)), seconds(1));
        assert_eq!(resting.extend(&url, now + seconds(2), seconds(10)), seconds(0));
        assert_eq!(resting.extend(&other, now, seconds(10)), seconds(10));
        assert_eq!(resting.until(&url), Some(now + seconds(61)));
    }

    #[test]
    fn a_host_that_is_busy_is_left_alone_by_all() {
        let seconds = Duration::from_secs;
        assert_eq!(rest(429, Some(seconds(8))), Some(seconds(8)));
        assert_eq!(rest(503, Some(seconds(8))), Some(seconds(8)));
        assert_eq!(rest(429, Some(seconds(86_400))), None);
        assert_eq!(rest(429, Some(seconds(0))), Some(Duration::from_millis(250)));
        assert_eq!(rest(429, None), Some(Duration::from_millis(250)));
        assert_eq!(rest(503, None), None);
        assert_eq!(rest(404, Some(seconds(8))), None);
    }
}
