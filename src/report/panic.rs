//! A fault of ours: what is printed when the program itself goes wrong, on one line that holds no secret.

use crate::report::console;
use crate::text::Quoted;
use std::any::Any;
use std::panic::{Location, PanicHookInfo};

/// Where faults are reported.
const ISSUES: &str = "https://bitbucket.org/crgpipe/crg-pipe/issues";

/// From now on a panic prints one line, as the last one, and ends the process with status 1.
pub fn tell_of_panics(colour: bool) {
    std::panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        console::failure(&line(panic.payload(), panic.location()), colour);
        std::process::exit(1);
    }));
}

fn line(payload: &(dyn Any + Send), place: Option<&Location<'_>>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = place.map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    format!(
        "this is a fault of crg-pipe {}{place}: {}; please report this line at {ISSUES}",
        env!("CARGO_PKG_VERSION"),
        Quoted::new(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Secret;

    #[test]
    fn a_panic_is_one_line_without_secrets() {
        crate::text::hide(&Secret::new("a-secret-of-the-fault-test"));
        let long = format!("{}a-secret-of-the-fault-test", "x".repeat(390));
        let plain = || -> Vec<Box<dyn Any + Send>> {
            vec![
                Box::new("index out of\n✔ bounds\u{1b}[32m"),
                Box::new("a-secret-of-the-fault-test".to_owned()),
                Box::new(long.clone()),
                Box::new(7),
            ]
        };
        for payload in plain() {
            let line = line(&*payload, Some(Location::caller()));
            assert!(!line.contains(char::is_control) && !line.contains("a-secret"), "{line}");
            assert!(line.starts_with(concat!(
                "this is a fault of crg-pipe ",
                env!("CARGO_PKG_VERSION"),
                " at src/report/panic.rs:"
            )));
            assert!(
                line.ends_with("please report this line at https://bitbucket.org/crgpipe/crg-pipe/issues"),
                "{line}"
            );
        }
    }

    #[test]
    fn faults_are_reported_where_the_pipe_says_that_it_is_kept() {
        let pipe = include_str!("../../pipe.yml");
        let repository = ISSUES.strip_suffix("/issues").unwrap();
        assert!(pipe.contains(&format!("repository: {repository}\n")), "{pipe}");
    }
}
