//! All that the pipe prints: log lines with levels, the last line, colours as pipes have them; every line passes one redaction.
//!
//! Everything goes to standard output: Pipelines shows two streams in no certain order, and the last line must be the last.

use crate::text::{redact, without_odd};
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

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
        .event_format(LogLines { colour })
        .with_writer(Redacted)
        .finish();
    // Only tests within one process start it twice; the first one serves.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Prints a block that belongs to the line before it, indented.
pub fn detail(text: &str) {
    let mut block = String::new();
    for line in without_odd(text).lines() {
        let _ = writeln!(block, "  {line}");
    }
    print(&block);
}

/// Prints a line as it is.
pub fn plain(text: &str) {
    print(&format!("{}\n", without_odd(text)));
}

/// Prints the table of `check`, the mark of each row in its colour.
pub fn table(text: &str, colour: bool) {
    let text = without_odd(text);
    if !colour {
        return print(&format!("{text}\n"));
    }
    let mut coloured = String::new();
    for line in text.lines() {
        let code = match line.chars().next() {
            Some('✔') => "32",
            Some('✖') => "31",
            Some('⚠') => "33",
            _ => "",
        };
        let (mark, rest) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
        let _ = match code {
            "" => writeln!(coloured, "{line}"),
            code => writeln!(coloured, "\x1b[{code}m{mark}\x1b[0m{rest}"),
        };
    }
    print(&coloured);
}

/// Prints the last line of a run that did what it should.
pub fn success(text: &str, colour: bool) {
    last_line("✔", "32", text, colour);
}

/// Prints the last line of a run that did not.
pub fn failure(text: &str, colour: bool) {
    last_line("✖", "31", text, colour);
}

fn last_line(mark: &str, colour_code: &str, text: &str, colour: bool) {
    let text = without_odd(text);
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

/// Writes each event as `LEVEL: message`, as Atlassian's toolkit does.
struct LogLines {
    colour: bool,
}

impl<S, N> FormatEvent<S, N> for LogLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if !event.metadata().target().starts_with("crg_pipe") {
            return Ok(());
        }
        let mut message = LogMessage(String::new());
        event.record(&mut message);
        let message = without_odd(&message.0);
        let (word, code) = match *event.metadata().level() {
            Level::ERROR => ("ERROR", "31"),
            Level::WARN => ("WARNING", "33"),
            Level::INFO => ("INFO", "34"),
            _ => ("DEBUG", "2"),
        };
        if self.colour {
            writeln!(writer, "\x1b[{code}m{word}:\x1b[0m {message}")
        } else {
            writeln!(writer, "{word}: {message}")
        }
    }
}

struct LogMessage(String);

impl Visit for LogMessage {
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
}
