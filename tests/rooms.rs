//! Imports go down only: each room of `src` uses rooms below it. Their order is in `docs/architecture.md` alone.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn imports_go_down_only() {
    let rooms = rooms();
    let height = |room: &str| rooms.iter().rev().position(|other| other == room);
    let mut told = Vec::new();
    for file in sources() {
        let room = room_of(&file);
        let here = height(&room).unwrap_or_else(|| panic!("docs/architecture.md does not list `{room}`"));
        let text = fs::read_to_string(source().join(&file)).unwrap();
        for (line, other) in imports(&text, depth_of(&file)) {
            if height(&other).is_some_and(|there| there > here) {
                told.push(format!(
                    "src/{}:{line}: `{room}` uses `{other}`, which is above it",
                    file.display()
                ));
            }
        }
    }
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn every_room_is_on_the_page_and_there_are_few() {
    let entries = fs::read_dir(source())
        .unwrap()
        .map(|entry| PathBuf::from(entry.unwrap().file_name()));
    let mut here: Vec<String> = entries
        .map(|entry| room_of(&entry))
        .filter(|room| room != "lib")
        .collect();
    let mut listed = rooms();
    here.sort();
    listed.sort();
    assert_eq!(here, listed);
    assert!(here.len() < 20, "{here:?}");
}

#[test]
fn every_path_on_the_page_is_there() {
    let page = page();
    let named = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.ends_with('/') || [".rs", ".txt"].iter().any(|end| word.ends_with(end)));
    let mut count = 0;
    for path in named.filter(|path| !path.contains("NAME")) {
        count += 1;
        let below = source().join(path);
        let from_root = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        assert!(
            below.exists() || from_root.exists(),
            "docs/architecture.md: `{path}` is not there"
        );
    }
    assert!(count > 20, "{count} paths");
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    for folder in ["src", "tests"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for file in all_files(&root) {
            let lines = fs::read_to_string(root.join(&file)).unwrap().lines().count();
            assert!(lines <= 500, "{folder}/{} has {lines} lines", file.display());
        }
    }
}

#[test]
fn an_import_is_found_however_it_is_written() {
    for (text, depth, found) in [
        ("use crate::text::Quoted;", 2, vec!["text"]),
        (
            "use crate::{names::Host, text::{Quoted, Secret}};",
            2,
            vec!["names", "text"],
        ),
        ("pub(crate) use crate::registry as r;", 2, vec!["registry"]),
        (
            "fn f() -> crate::names::Host { crate::text::count(1, \"a\") }",
            2,
            vec!["names", "text"],
        ),
        ("use super::text::Quoted;", 1, vec!["text"]),
        ("use super::tags;", 2, vec![]),
        ("use super::super::text::Quoted;", 2, vec!["text"]),
        ("// crate::text::x\n/// [`crate::names`]\n/* crate::files */", 2, vec![]),
        (
            "const A: &str = \"crate::text::x\"; const B: char = '\"'; use crate::names::C;",
            2,
            vec!["names"],
        ),
        (
            "#[cfg(test)]\nmod tests { use crate::report::Record; }\nuse crate::text::A;",
            2,
            vec!["text"],
        ),
        (
            "#[cfg(test)]\npub(crate) use crate::report::Record;\nuse crate::text::A;",
            2,
            vec!["text"],
        ),
        ("#[cfg(any(test, fuzzing))]\nmod properties;\n", 2, vec![]),
        ("use crate_name::text;", 2, vec![]),
    ] {
        let rooms: Vec<String> = imports(text, depth).into_iter().map(|(_, room)| room).collect();
        assert_eq!(rooms, found, "{text}");
    }
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap()
}

/// Those of the page, from the top down.
fn rooms() -> Vec<String> {
    let page = page();
    let section = page
        .split("## Rooms")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next());
    let rows = section.expect("a table of rooms").lines();
    rows.filter_map(|row| Some(row.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of the product, relative to `src`: without `lib.rs`, which lists the rooms, and without tests.
fn sources() -> Vec<PathBuf> {
    const TESTS: [&str; 5] = ["tests", "tests.rs", "fixture.rs", "properties", "properties.rs"];
    let is_test = |file: &PathBuf| file.iter().any(|name| TESTS.iter().any(|test| name == *test));
    let mut files = all_files(&source());
    files.retain(|file| !is_test(file) && file != Path::new("lib.rs"));
    files
}

/// All files of Rust below a folder, relative to it.
fn all_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn room_of(file: &Path) -> String {
    let first = file.iter().next().unwrap().to_str().unwrap();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// How many `super` lead from a file to the crate.
fn depth_of(file: &Path) -> usize {
    file.components().count() - usize::from(file.ends_with("mod.rs"))
}

/// Line and name of each thing of the crate's own level that the code names, test code left out.
fn imports(text: &str, depth: usize) -> Vec<(usize, String)> {
    let code = without_tests(&without_texts(text));
    let mut found = Vec::new();
    let root = "super::".repeat(depth);
    for start in ["crate::", root.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|character| character.is_alphanumeric() || matches!(character, '_' | ':' | '$')) {
                continue;
            }
            let line = code[..at].lines().count().max(1);
            found.extend(firsts(&code[at + start.len()..]).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// The first names of a path, or of each path between braces.
fn firsts(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|character| character.is_alphanumeric() || *character == '_')
            .collect()
    };
    let Some(inner) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut names, mut open, mut begins) = (Vec::new(), 1, 0);
    for (at, character) in inner.char_indices() {
        match character {
            '{' => open += 1,
            '}' => open -= 1,
            ',' if open == 1 => {
                names.push(name(&inner[begins..at]));
                begins = at + 1;
            }
            _ => {}
        }
        if open == 0 {
            names.push(name(&inner[begins..at]));
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The code without what is compiled for tests alone.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = ["#[cfg(test)]", "#[cfg(any(test"]
        .iter()
        .filter_map(|mark| rest.find(mark))
        .min()
    {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let (mut open, mut end) = (0, item.len());
        for (at, character) in item.char_indices() {
            match character {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if open == 0 && matches!(character, ';' | '}') {
                end = at + 1;
                break;
            }
        }
        kept.extend(item[..end].chars().filter(|character| *character == '\n'));
        rest = &item[end..];
    }
    kept + rest
}

/// The code without comments, and with empty literals.
fn without_texts(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = hashes + 2;
            rest[begin..].find(&end).map_or(rest.len(), |at| begin + at + end.len())
        } else if character == '"' {
            quoted(rest, '"')
        } else if character == '\'' && (rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'')) {
            quoted(rest, '\'')
        } else {
            0
        };
        if skipped == 0 {
            code.push(character);
            rest = &rest[character.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|character| *character == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// How many `#` a raw string begins with, if one begins here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.chars().take_while(|character| *character == '#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Where a literal ends that begins here.
fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == mark => return at + 1,
            _ => {}
        }
    }
    rest.len()
}
