//! When an image was made, as its configuration says (OCI image specification, "Image Configuration": `created`, RFC 3339).

use super::any_case;
use serde::{Deserialize, Deserializer};
use std::ops::Range;
use time::{Date, Duration, Month, OffsetDateTime, Time};

/// Reads the date out of an image's configuration; `None` where there is none, or one that no calendar has.
#[must_use]
pub(crate) fn config_created(config: &[u8]) -> Option<OffsetDateTime> {
    moment(&serde_json::from_slice::<ConfigCreated>(config).ok()?.0?)
}

struct ConfigCreated(Option<String>);

impl<'de> Deserialize<'de> for ConfigCreated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [created] = any_case::fields(deserializer, ["created"])?;
        Ok(Self(any_case::field("created", created)?))
    }
}

/// Reads a date with a time and a zone. Fractions of a second count for nothing here.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let number = |range: Range<usize>| -> Option<u16> {
        let digits = text.get(range)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    let part = |from: usize| u8::try_from(number(from..from + 2)?).ok();
    let is = |at: usize, signs: &str| text.get(at..=at).is_some_and(|sign| signs.contains(sign));
    if !(is(4, "-") && is(7, "-") && is(10, "Tt ") && is(13, ":") && is(16, ":")) {
        return None;
    }
    let month = Month::try_from(part(5)?).ok()?;
    let day = Date::from_calendar_date(i32::from(number(0..4)?), month, part(8)?).ok()?;
    // A leap second has a number of its own.
    let time = Time::from_hms(part(11)?, part(14)?, part(17)?.min(59)).ok()?;
    let mut zone = 19;
    if is(zone, ".") {
        zone += 1;
        let digits = text.bytes().skip(zone).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        zone += digits;
    }
    let minutes = match text.get(zone..)? {
        "Z" | "z" => 0,
        offset if offset.len() == 6 && is(zone, "+-") && is(zone + 3, ":") => {
            let (hours, minutes) = (part(zone + 1)?, part(zone + 4)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = i64::from(hours) * 60 + i64::from(minutes);
            if is(zone, "+") { minutes } else { -minutes }
        }
        _ => return None,
    };
    day.with_time(time).assume_utc().checked_sub(Duration::minutes(minutes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_date_is_read_as_builders_write_it() {
        for (created, seconds) in [
            (r#""1970-01-01T00:00:00Z""#, Some(0)),
            (r#""2026-11-28T15:36:46Z""#, Some(1_795_880_206)),
            (r#""2026-11-28T15:36:46.123456789Z""#, Some(1_795_880_206)),
            (r#""2026-11-28t15:36:46z""#, Some(1_795_880_206)),
            (r#""2026-11-28T17:36:46+02:00""#, Some(1_795_880_206)),
            (r#""2026-11-28T10:06:46.5-05:30""#, Some(1_795_880_206)),
            (r#""2016-12-31T23:59:60Z""#, Some(1_483_228_799)),
            (r#""0001-01-01T00:00:00Z""#, Some(-62_135_596_800)),
            (r#""0000-01-01T00:00:00+23:59""#, Some(-62_167_305_540)),
            (r#""2026-02-30T00:00:00Z""#, None),
            (r#""2026-11-28T25:00:00Z""#, None),
            (r#""2026-11-28T15:36:46""#, None),
            (r#""2026-11-28T15:36:46.Z""#, None),
            (r#""2026-11-28T15:36:46+0200""#, None),
            (r#""2026-11-28T15:36:46+24:00""#, None),
            (r#""2026-11-28T15:36:46Z and more""#, None),
            (r#""2026-11-28""#, None),
            (r#""28 Nov 2026""#, None),
            (r#""+026-11-28T15:36:46Z""#, None),
            (r#""é026-11-28T15:36:46Z""#, None),
            (r#""""#, None),
            ("null", None),
            ("1795880206", None),
        ] {
            let config = format!(r#"{{"created":{created},"os":"linux"}}"#);
            let read = config_created(config.as_bytes()).map(OffsetDateTime::unix_timestamp);
            assert_eq!(read, seconds, "{created}");
        }
        for config in ["{}", "[]", "", r#"{"created":"2026-11-28T15:36:46Z""#] {
            assert_eq!(config_created(config.as_bytes()), None, "{config}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9T:Z.+ é-]{0,32}") {
            let _ = moment(&text);
        }
    }
}
