//! `TOKEN_EXPIRES_ON`: Atlassian tells nobody when an API token expires but the user who makes it, so the user tells the
//! pipe, and the pipe warns in time.

use crate::mistake::{Mistake, MistakeKind};
use time::{Date, Month};

const VARIABLE: &str = "TOKEN_EXPIRES_ON";
/// Days before the expiry from which a warning is given.
pub(crate) const WARNS_FROM: i64 = 30;
/// Days before the expiry from which the warning says what will break.
pub(crate) const URGENT_FROM: i64 = 7;

/// Parses `YYYY-MM-DD`.
///
/// # Errors
/// A mistake of `TOKEN_EXPIRES_ON` for every other form, and for days that no calendar has.
pub(crate) fn parse(text: &str) -> Result<Date, Mistake> {
    let bad = |problem: &str| {
        Mistake::new(
            MistakeKind::ExpiryDate,
            VARIABLE,
            text,
            problem,
            "write year, month and day as in `2027-03-01`, or leave it out",
        )
    };
    let (year, month, day) = parts(text).ok_or_else(|| bad("it is not of the form `YYYY-MM-DD`"))?;
    Month::try_from(month)
        .and_then(|month| Date::from_calendar_date(year, month, day))
        .map_err(|_| bad("there is no such day"))
}

/// The warning for a token that expires on `expires`, if `today` is near it: from 30 days before, with more weight from
/// 7 days before.
#[must_use]
pub(crate) fn warning(expires: Date, today: Date) -> Option<String> {
    const CURE: &str = "make a new one, store it in the variable `ATLASSIAN_API_TOKEN` and change `TOKEN_EXPIRES_ON`";
    let left = days_left(expires, today);
    let date = day_text(expires);
    let days = if left == 1 { "day" } else { "days" };
    if left < 0 {
        Some(format!("the API token expired on {date} (`{VARIABLE}`): {CURE}"))
    } else if left == 0 {
        Some(format!(
            "the API token expires today, {date} (`{VARIABLE}`), and every pipeline that needs it then fails: {CURE}"
        ))
    } else if left <= URGENT_FROM {
        Some(format!(
            "the API token expires in {left} {days}, on {date} (`{VARIABLE}`), and every pipeline that needs it then \
             fails: {CURE} now"
        ))
    } else if left <= WARNS_FROM {
        Some(format!(
            "the API token expires in {left} {days}, on {date} (`{VARIABLE}`): {CURE}"
        ))
    } else {
        None
    }
}

/// Days from `today` to the last one of a token; below 0 once it has passed.
#[must_use]
pub(crate) fn days_left(expires: Date, today: Date) -> i64 {
    (expires - today).whole_days()
}

/// A day as `TOKEN_EXPIRES_ON` has it.
#[must_use]
pub(crate) fn day_text(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

fn parts(text: &str) -> Option<(i32, u8, u8)> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let fits = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    parts.next().is_none().then_some(())?;
    Some((i32::from(year), u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> Date {
        parse(text).expect("a date of the test")
    }

    #[test]
    fn only_days_of_the_calendar_in_one_form_are_dates() {
        assert_eq!(
            date("2027-03-01"),
            Date::from_calendar_date(2027, Month::March, 1).unwrap()
        );
        assert_eq!(date("2028-02-29").day(), 29);
        for bad in [
            "",
            "2027-3-1",
            "01.03.2027",
            "2027/03/01",
            "2027-03-01T00:00",
            "27-03-01",
            "+027-03-01",
            "2027-03",
            "2027-03-01-",
            " 2027-03-01",
            "2027-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-04-31",
            "2027-04-00",
            "٢٠٢٧-03-01",
        ] {
            let mistake = parse(bad).expect_err(bad);
            assert_eq!(mistake.variable, VARIABLE);
            assert!(mistake.cure.contains("2027-03-01"), "{mistake}");
        }
    }

    #[test]
    fn the_warning_grows_as_the_day_comes() {
        let today = date("2026-11-22");
        for (expires, says) in [
            ("2026-12-23", None),
            ("2026-12-22", Some("expires in 30 days, on 2026-12-22")),
            ("2026-11-30", Some("expires in 8 days, on 2026-11-30")),
            ("2026-11-29", Some("expires in 7 days, on 2026-11-29")),
            ("2026-11-23", Some("expires in 1 day, on 2026-11-23")),
            ("2026-11-22", Some("expires today, 2026-11-22")),
            ("2026-11-21", Some("expired on 2026-11-21")),
            ("2020-01-01", Some("expired on 2020-01-01")),
        ] {
            let warning = warning(date(expires), today);
            match says {
                None => assert_eq!(warning, None),
                Some(says) => assert!(
                    warning.as_deref().is_some_and(|text| text.contains(says)),
                    "{warning:?}"
                ),
            }
        }
        assert!(!warning(date("2026-11-30"), today).unwrap().contains("then fails"));
        assert!(warning(date("2026-11-29"), today).unwrap().contains("then fails"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", digits in "[0-9]{4}-[0-9]{2}-[0-9]{2}") {
            let _ = parse(&text);
            if let Ok(expires) = parse(&digits) {
                let _ = warning(expires, Date::MIN);
                let _ = warning(Date::MIN, expires);
            }
        }
    }
}
