//! How registries behave that do not do what the specification says, or leave it to chance: each behaviour as a row, each
//! action as a cell, with the exit status, the requests that it takes, and what is said.

mod answers;
mod green;
mod lists;
mod looks;
mod rights;

use crate::support::emulator::{Emulator, Service, Setup};
use crate::support::image::Image;
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::skopeo::write_layout;

/// What is done against the registry of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// `base:1` into a layout.
    Pull,
    /// `base:1` as `base:2`.
    Retag,
    /// A layout as `web:1`.
    Push,
    /// From another registry, which does nothing odd, to `web:1`.
    Mirror,
    /// `base:1` to `web:1`.
    Copy,
    /// `base:1`, and whether `web` may be pushed to.
    Check,
    Login,
}

impl Action {
    /// What it writes: the package and the tag.
    const fn written(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Retag => Some(("shop/base", "2")),
            Self::Push | Self::Mirror | Self::Copy => Some(("shop/web", "1")),
            Self::Pull | Self::Check | Self::Login => None,
        }
    }

    fn run<'a>(
        self,
        emulator: &'a Emulator,
        source: &Emulator,
        image: &Image,
        variables: &[(&str, &str)],
    ) -> Outcome<'a> {
        let pipe = Pipe::new()
            .workspace("shop")
            .registry(emulator)
            .api_token()
            .var("RETRIES", "0");
        let pipe = match self {
            Self::Pull => pipe.var("IMAGES", "base:1").var("TO", "oci:out"),
            Self::Retag => pipe.var("ACTION", "retag").var("SOURCE", "base:1").var("TAGS", "2"),
            Self::Push => {
                write_layout(&pipe.clone_folder().join("layout"), image);
                pipe.var("ACTION", "push")
                    .var("SOURCE", "oci:layout")
                    .var("TARGET", "web:1")
            }
            Self::Mirror => pipe
                .var("ACTION", "copy")
                .var("SOURCE", &format!("{}/shop/base:1", source.host()))
                .var("SOURCE_USERNAME", Setup::EMAIL)
                .var("SOURCE_PASSWORD", &Setup::api_token())
                .var("TARGET", "web:1"),
            Self::Copy => pipe
                .var("ACTION", "copy")
                .var("SOURCE", "base:1")
                .var("TARGET", "web:1"),
            Self::Check => pipe
                .var("ACTION", "check")
                .var("IMAGES", "base:1")
                .var("TARGET", "web:1"),
            Self::Login => pipe.var("ACTION", "login"),
        };
        variables
            .iter()
            .fold(pipe, |pipe, (name, value)| pipe.var(name, value))
            .run()
    }
}

/// One action: its exit status, the requests to the registry ([`SOME`] where it is chance which of several at a time are
/// still made), and a text of its output.
struct Cell(Action, i32, usize, &'static str);

/// A number of requests that does not matter.
const SOME: usize = 0;

/// One behaviour.
struct Row {
    what: &'static str,
    setup: fn() -> Setup,
    /// What is done to the registry before the run, which holds `base:1`.
    prepare: fn(&Emulator),
    variables: &'static [(&'static str, &'static str)],
    cells: &'static [Cell],
}

impl Row {
    /// What is wrong with a cell.
    fn wrong(&self, &Cell(action, status, requests, says): &Cell) -> Option<String> {
        let image = Image::small("behaviours");
        let source = Emulator::start(Setup::shop());
        source.put_image("shop/base", "1", &image);
        let emulator = Emulator::start((self.setup)());
        emulator.put_image("shop/base", "1", &image);
        (self.prepare)(&emulator);
        let before = action.written().and_then(|(package, tag)| emulator.tag(package, tag));
        let outcome = action.run(&emulator, &source, &image, self.variables);
        let made: Vec<String> = outcome
            .journal()
            .iter()
            .filter(|entry| entry.service == Service::Registry)
            .map(crate::support::emulator::Entry::line)
            .collect();
        let after = action.written().and_then(|(package, tag)| emulator.tag(package, tag));
        let is_skipped = outcome.plain().contains("left alone");
        let is_right_tag = match (outcome.status, action.written()) {
            (_, None) => true,
            (0, Some(_)) if !is_skipped => after == Some(image.digest()),
            (_, Some(_)) => after == before,
        };
        let is_right = outcome.status == status
            && [SOME, made.len()].contains(&requests)
            && outcome.plain().contains(says)
            && is_right_tag;
        (!is_right).then(|| {
            format!(
                "{}, {action:?}: status {} (expected {status}), {} requests (expected {requests}), the tag is {after:?} and was \
                 {before:?}; expected `{says}` in\n{}\n{made:#?}",
                self.what,
                outcome.status,
                made.len(),
                outcome.plain()
            )
        })
    }
}

/// Runs every cell.
fn check(rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .flat_map(|row| row.cells.iter().filter_map(|cell| row.wrong(cell)))
        .collect();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}
