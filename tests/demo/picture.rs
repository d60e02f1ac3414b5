//! `docs/log.svg`, which the README begins with: the first scenes of the demonstration as a person sees them in a log.

use super::story::Scenes;
use super::{DAEMON, told};
use crate::support::engine::{Engine, Kind};
use anstyle::{AnsiColor, Color, RgbColor};
use anstyle_svg::{Palette, Term, VGA};
use regex::Regex;
use std::path::Path;
use std::sync::PoisonError;

/// Columns after which a line is broken, as the log view of Pipelines does.
const WIDTH: usize = 108;
const MOST_LINES: usize = 42;
const MOST_BYTES: usize = 60_000;

#[test]
fn it_is_what_the_demonstration_shows() {
    let log = {
        let _alone = DAEMON.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = Engine::shared(Kind::Classic);
        log(&told(&engine.tcp(), false, Scenes::First))
    };
    assert!(log.lines().count() <= MOST_LINES, "{log}");
    let drawn = drawn(&log);
    assert!(drawn.len() <= MOST_BYTES, "{} bytes", drawn.len());
    if let Some(file) = std::env::var_os("PICTURE") {
        std::fs::write(file, drawn).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/log.svg")).unwrap();
    assert!(
        kept == drawn,
        "docs/log.svg is older than the log: run `make picture`, and look at it. The log is now:\n{log}"
    );
}

/// The log as it is every time: without what depends on the machine's speed, in lines that fit.
fn log(text: &str) -> String {
    let seconds = Regex::new(r"\d+\.\d s").unwrap();
    // What is said every ten seconds.
    let progress = Regex::new(r" \d+ of \d+ images: ").unwrap();
    let text = seconds.replace_all(text, "0.4 s");
    let lines = text.lines().filter(|line| !progress.is_match(line));
    lines.flat_map(broken).collect()
}

/// A line in pieces of at most [`WIDTH`] columns, broken between words; its colour goes on in the next piece.
fn broken(line: &str) -> Vec<String> {
    let colour = Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    let columns = |text: &str| colour.replace_all(text, "").chars().count();
    let indent = " ".repeat(line.chars().take_while(|&c| c == ' ').count() + 2);
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in line.split_inclusive(' ') {
        if !piece.is_empty() && columns(&piece) + columns(word.trim_end()) > WIDTH {
            pieces.push(format!("{}\n", piece.trim_end()));
            piece.clone_from(&indent);
        }
        piece.push_str(word);
    }
    pieces.push(format!("{piece}\n"));
    pieces
}

/// Light letters on a dark ground of its own, which reads on a dark page and on a light one.
fn drawn(log: &str) -> String {
    let mut palette: Palette = VGA;
    for (colour, rgb) in [
        (AnsiColor::Red, RgbColor(0xff, 0x7b, 0x72)),
        (AnsiColor::Green, RgbColor(0x56, 0xd3, 0x64)),
        (AnsiColor::Yellow, RgbColor(0xe3, 0xb3, 0x41)),
        (AnsiColor::Blue, RgbColor(0x79, 0xc0, 0xff)),
    ] {
        palette.0[usize::from(anstyle::Ansi256Color::from_ansi(colour).index())] = rgb;
    }
    let svg = Term::new()
        .palette(palette)
        .fg_color(Color::Rgb(RgbColor(0xe6, 0xed, 0xf3)))
        .bg_color(Color::Rgb(RgbColor(0x16, 0x1b, 0x22)))
        .render_svg(log);
    // With its own coordinates it is scaled where the page is narrow, and not cut off.
    let size = Regex::new(r#"^<svg width="(\d+)px" height="(\d+)px""#).unwrap();
    assert!(size.is_match(&svg), "{svg}");
    size.replace(&svg, r#"<svg width="${1}px" height="${2}px" viewBox="0 0 $1 $2""#)
        .into_owned()
}

#[test]
fn a_slow_machine_draws_the_same() {
    let text = |seconds, more| format!("INFO: [1/3] pulled `a:1` (1.0 MiB, {seconds} s, sha256:0)\n{more}✔ done\n");
    let slow = text("41.7", "INFO: 1 of 3 images: 4.0 MiB moved, 7.0 MiB left\n");
    assert_eq!(log(&slow), log(&text("0.1", "")));
}

#[test]
fn a_long_line_is_broken_between_words_and_a_colour_takes_no_room() {
    let word = "x".repeat(50);
    let line = format!("  \u{1b}[31m{word}\u{1b}[0m {word} y {word}");
    assert_eq!(
        broken(&line),
        [
            format!("  \u{1b}[31m{word}\u{1b}[0m {word} y\n"),
            format!("    {word}\n")
        ]
    );
    assert_eq!(broken(""), ["\n"]);
}
