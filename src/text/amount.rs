//! Numbers as a person reads them.

/// `1.5 MiB`, `340 MiB`, `12 B`.
#[must_use]
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut amount = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if amount < 1023.5 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    if amount < 9.95 {
        format!("{amount:.1} {unit}")
    } else {
        format!("{amount:.0} {unit}")
    }
}

/// `3 images`, `1 image`.
#[must_use]
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// The first of what is listed, as many as so many characters hold, and how many more there are: `a`, `b` and 38 more.
#[must_use]
pub(crate) fn listed_within(items: &[String], most: usize) -> String {
    let mut length = 0;
    let fits = |item: &&String| {
        length += item.chars().count() + 2;
        length <= most
    };
    let shown = items.iter().take_while(fits).count().max(1).min(items.len());
    let (first, rest) = items.split_at(shown);
    let first = first.join(", ");
    if rest.is_empty() {
        first
    } else {
        format!("{first} and {} more", rest.len())
    }
}

/// `45 s`, `3 min`, `2 h`: as exact as a guess is.
#[must_use]
pub(crate) fn time(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1800) / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_200, "10 KiB"),
            (1_048_100, "1.0 MiB"),
            (356_515_840, "340 MiB"),
            (5_000_000_000, "4.7 GiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn time_is_as_exact_as_a_guess() {
        for (seconds, told) in [
            (1, "1 s"),
            (99, "99 s"),
            (100, "2 min"),
            (3600, "60 min"),
            (7200, "2 h"),
        ] {
            assert_eq!(time(seconds), told);
        }
    }
}
