//! All that the pipe prints: log lines with levels, the last line, colours as pipes have them; every line passes one redaction.
//!
//! Everything goes to standard output: Pipelines shows two streams in no certain order, and the last line must be the last.

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::{PoisonError, RwLock};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Texts that must never be printed, longest first.
static HIDDEN: RwLock<Vec<String>> = RwLock::new(Vec::new());
/// What stands in their place.
const STARS: &str = "***";
/// Shorter secrets are no secrets, and hiding them would make the log unreadable.
const SHORTEST: usize = 4;

/// Whether lines have colours: although no terminal is there, as in every official pipe, unless `NO_COLOR` has this value
/// and it is not empty (<https://no-color.org>).
#[must_use]
pub fn has_colours(no_color: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty)
}

/// Starts the log.
pub fn start(debug: bool, colour: bool) {
    let level = if debug { Level::DEBUG } else { Level::INFO };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .event_format(Lines { colour })
        .with_writer(Redacted)
        .finish();
    // Only tests within one process start it twice; the first one serves.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Hides a secret in everything printed from now on, in every form in which it travels.
pub fn hide(secret: &Secret) {
    hide_texts(forms(secret.expose()));
}

/// Hides a token, and token and user name as Basic authentication encodes them.
pub fn hide_pair(username: &str, token: &Secret) {
    hide(token);
    hide_texts(forms(&format!("{username}:{}", token.expose())));
}

/// Hides a token of a realm: it travels in one form only, and a run may have one for each repository.
pub fn hide_bearer(token: &Secret) {
    hide_texts([token.expose().to_owned()]);
}

/// The text with every hidden one replaced.
#[must_use]
pub fn redact(text: &str) -> String {
    let hidden = HIDDEN.read().unwrap_or_else(PoisonError::into_inner);
    hidden.iter().fold(text.to_owned(), |text, secret| {
        if text.contains(secret.as_str()) {
            text.replace(secret.as_str(), STARS)
        } else {
            text
        }
    })
}

/// Prints a block that belongs to the line before it, indented.
pub fn detail(text: &str) {
    let mut block = String::new();
    for line in text.lines() {
        let _ = writeln!(block, "  {line}");
    }
    print(&block);
}

/// Prints a line as it is.
pub fn plain(text: &str) {
    print(&format!("{text}\n"));
}

/// Prints the last line of a run that did what it should.
pub fn success(text: &str, colour: bool) {
    last_line("✔", "32", text, colour);
}

/// Prints the last line of a run that did not.
pub fn failure(text: &str, colour: bool) {
    last_line("✖", "31", text, colour);
}

/// `1.5 MiB`, `340 MiB`, `12 B`.
#[must_use]
pub fn bytes(count: u64) -> String {
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

fn last_line(mark: &str, colour_code: &str, text: &str, colour: bool) {
    let line = if colour {
        format!("\x1b[{colour_code}m{mark} {text}\x1b[0m\n")
    } else {
        format!("{mark} {text}\n")
    };
    print(&line);
}

fn print(text: &str) {
    let mut out = io::stdout().lock();
    // A closed standard output must not end the work: the exit status still tells.
    let _ = out.write_all(redact(text).as_bytes());
    let _ = out.flush();
}

fn hide_texts(texts: impl IntoIterator<Item = String>) {
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    for text in texts {
        if text.len() >= SHORTEST && !hidden.contains(&text) {
            hidden.push(text);
        }
    }
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
}

/// The forms in which a secret may appear: as it is and trimmed, each plain, escaped, in Base64 and URL-encoded.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for text in [secret, secret.trim()] {
        let encoded = url_encoded(text);
        forms.extend([
            text.to_owned(),
            text.escape_debug().to_string(),
            encoded.replace("%20", "+"),
        ]);
        forms.extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(text)));
        forms.push(with_lower_case_escapes(&encoded));
        forms.push(encoded);
    }
    forms
}

fn url_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
        encoded
    })
}

fn with_lower_case_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let (digits, rest) = part.split_at(part.len().min(2));
        text.push('%');
        text.push_str(&digits.to_ascii_lowercase());
        text.push_str(rest);
        text
    })
}

/// Writes each event as `LEVEL: message`, as Atlassian's toolkit does.
struct Lines {
    colour: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if !event.metadata().target().starts_with("crg_pipe") {
            return Ok(());
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let (word, code) = match *event.metadata().level() {
            Level::ERROR => ("ERROR", "31"),
            Level::WARN => ("WARNING", "33"),
            Level::INFO => ("INFO", "34"),
            _ => ("DEBUG", "2"),
        };
        if self.colour {
            writeln!(writer, "\x1b[{code}m{word}: {}\x1b[0m", message.0)
        } else {
            writeln!(writer, "{word}: {}", message.0)
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// Standard output behind the redaction; gets whole lines.
struct Redacted;

impl<'a> MakeWriter<'a> for Redacted {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl io::Write for Redacted {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        print(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_secret_is_hidden() {
        let token = "ATATT3x/+=&secret tok%en\n";
        hide_pair("ann@example.org", &Secret::new(token));
        let pair = format!("ann@example.org:{token}");
        for leak in [
            token.to_owned(),
            token.trim().to_owned(),
            "ATATT3x%2F%2B%3D%26secret%20tok%25en".to_owned(),
            "ATATT3x%2f%2b%3d%26secret%20tok%25en".to_owned(),
            STANDARD.encode(token),
            STANDARD.encode(&pair),
            URL_SAFE_NO_PAD.encode(&pair),
        ] {
            let shown = redact(&format!("before {leak} after"));
            assert!(
                !shown.contains(&leak) && shown.contains(STARS) && shown.starts_with("before "),
                "{leak} → {shown}"
            );
        }
        assert_eq!(redact("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn a_variable_turns_colours_off() {
        for (value, has) in [
            (None, true),
            (Some(""), true),
            (Some("1"), false),
            (Some("false"), false),
        ] {
            assert_eq!(has_colours(value.map(OsStr::new)), has, "{value:?}");
        }
    }

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
}
