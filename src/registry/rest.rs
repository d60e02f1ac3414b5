//! Servers that asked to be left alone: not only by the request that they refused.

use super::network::{Origin, origin};
use super::retry::{self, FIRST};
use reqwest::Url;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Registries, token servers, and storage that blobs are redirected to, each with the end of its rest.
#[derive(Debug, Default)]
pub(super) struct Resting(Mutex<HashMap<Origin, Instant>>);

impl Resting {
    /// Notes an answer's status and the pause that it asked for.
    pub(super) fn note(&self, url: &Url, status: u16, asked: Option<Duration>) {
        let Some(rest) = rest(status, asked) else { return };
        let until = Instant::now() + rest;
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = resting.entry(origin(url)).or_insert(until);
        *known = until.max(*known);
    }

    /// Waits until a server may be asked again.
    pub(super) async fn over(&self, url: &Url) {
        while let Some(until) = self.until(url) {
            tokio::time::sleep_until((until + retry::spread(retry::chance())).into()).await;
        }
    }

    /// The end of a server's rest, if it is not over.
    pub(super) fn until(&self, url: &Url) -> Option<Instant> {
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
