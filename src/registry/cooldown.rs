//! Servers that asked to be left alone: not only by the request that they refused.

use super::address::{Origin, origin, server};
use super::retry::{self, FIRST};
use reqwest::Url;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A rest is told of if it ends so much later than was known.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// So long in all is waited in a run for what servers ask for, however many requests ask for it at a time.
const LONGEST_IN_ALL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 1800 });

/// Registries, token servers, and storage that blobs are redirected to.
#[derive(Debug, Default)]
pub(super) struct Cooldowns {
    /// The end of the rest of each.
    ends: RefCell<HashMap<Origin, Instant>>,
    asked: RefCell<AskedPauses>,
}

/// The pauses that were asked for.
#[derive(Debug, Default)]
struct AskedPauses {
    /// The end of the last one of each server.
    ends: HashMap<Origin, Instant>,
    /// All of them; what overlaps counts once.
    total: Duration,
}

impl AskedPauses {
    fn take(&mut self, url: &Url, now: Instant, pause: Duration) {
        let end = self.ends.entry(origin(url)).or_insert(now);
        let known = now.max(*end);
        *end = known.max(now + pause);
        self.total += *end - known;
    }
}

impl Cooldowns {
    /// Notes an answer's status and the pause that it asked for.
    pub(super) fn note(&self, url: &Url, status: u16, asked: Option<Duration>) {
        if let Some(pause) = asked.filter(|asked| *asked <= retry::LONGEST_ASKED && retry::may_pass(status)) {
            self.asked.borrow_mut().take(url, Instant::now(), pause);
        }
        if self.asked_for_too_long().is_some() {
            return;
        }
        let Some(rest) = rest(status, asked) else { return };
        if self.extend(url, Instant::now(), rest) > WORTH_TELLING {
            let host = server(url);
            tracing::info!("`{host}` is left alone for {} s, as it asked", rest.as_secs());
        }
    }

    /// All that was asked for, once that is more than a run waits. A longer pause than anybody waits is an answer.
    pub(super) fn asked_for_too_long(&self) -> Option<Duration> {
        let total = self.asked.borrow().total;
        let too_long = retry::LONGEST_ASKED + Duration::from_secs(1);
        (total > LONGEST_IN_ALL).then(|| total.max(too_long))
    }

    /// Lets a server rest from now on for so long at least; gives how much longer that is than was known.
    fn extend(&self, url: &Url, now: Instant, rest: Duration) -> Duration {
        let mut resting = self.ends.borrow_mut();
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
        let mut resting = self.ends.borrow_mut();
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
        let resting = Cooldowns::default();
        let [url, other] = ["https://crg.apkg.io/v2/", "https://example.org/"].map(|url| Url::parse(url).unwrap());
        let (now, seconds) = (Instant::now(), Duration::from_secs);
        assert_eq!(resting.extend(&url, now, seconds(60)), seconds(60));
        assert_eq!(resting.extend(&url, now + seconds(1), seconds(60)), seconds(1));
        assert_eq!(resting.extend(&url, now + seconds(2), seconds(10)), seconds(0));
        assert_eq!(resting.extend(&other, now, seconds(10)), seconds(10));
        assert_eq!(resting.until(&url), Some(now + seconds(61)));
    }

    #[test]
    fn pauses_have_a_total_for_a_run() {
        let (url, other) = ("https://crg.apkg.io/v2/", "https://example.org/");
        let (now, seconds) = (Instant::now(), Duration::from_secs);
        let total = |pauses: &[(&str, u64, u64)]| {
            let mut asked = AskedPauses::default();
            for (url, at, pause) in pauses {
                asked.take(&Url::parse(url).unwrap(), now + seconds(*at), seconds(*pause));
            }
            asked.total.as_secs()
        };
        assert_eq!(total(&[(url, 0, 300); 20]), 300, "many at a time");
        assert_eq!(total(&[(url, 0, 300), (url, 100, 300)]), 400);
        assert_eq!(total(&[(url, 0, 300), (url, 300, 300)]), 600);
        assert_eq!(total(&[(url, 0, 300), (url, 900, 300), (url, 900, 1)]), 600);
        assert_eq!(total(&[(url, 0, 300), (other, 0, 300)]), 600);
        let resting = Cooldowns::default();
        let url = Url::parse(url).unwrap();
        for (status, asked, too_long) in [
            (503, 1, false),
            // What is no "not now", or longer than anybody waits, is not waited for.
            (403, 300, false),
            (503, 301, false),
            (503, 2, true),
        ] {
            resting.note(&url, status, Some(seconds(asked)));
            assert_eq!(resting.asked_for_too_long().is_some(), too_long, "{status} {asked}");
        }
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
