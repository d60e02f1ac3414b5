//! Wrong bytes: each is refused with what is wrong, with exit status 1, in bounded memory, and leaves nothing behind.

mod rows;

use super::all;
use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::{Image, OCI_INDEX, OCI_MANIFEST, digest};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use flate2::write::GzEncoder;
use rows::{ANY, COPY, RETAG, Row, TO_LAYOUT, TO_OCI_ARCHIVE, image, json_answer};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::path::Path;

/// More memory is not given to any run, in bytes: one that wants it ends with a signal.
const MOST_MEMORY: u64 = 96 << 20;

fn run<'a>(emulator: &'a Emulator, variables: &[(&str, &str)], prepare: impl Fn(&Path)) -> Outcome<'a> {
    let memory = format!("--data={MOST_MEMORY}");
    let pipe = Pipe::of(&["prlimit", &memory, "timeout", "30", env!("CARGO_BIN_EXE_crg-pipe")])
        .env("PATH", "/usr/bin:/bin")
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("DEBUG", "true")
        .var("RETRIES", "1")
        .var("TIMEOUT", "5")
        .patience(60);
    prepare(pipe.clone_folder());
    let pipe = variables.iter().fold(pipe, |pipe, (name, value)| pipe.var(name, value));
    pipe.run()
}

/// What differs from: this status, these words, little memory, nothing left behind.
fn wrong(ended: &Outcome<'_>, status: i32, words: &str) -> Option<String> {
    let left = left_behind(ended.clone_folder());
    let is_right =
        ended.status == status && ended.output.contains(words) && !ended.output.contains("panicked") && left.is_empty();
    (!is_right).then(|| {
        format!(
            "status {} (expected {status}, `{words}`), left {left:?}\n{}",
            ended.status, ended.output
        )
    })
}

/// Files that a failed run must not leave: all but whole blobs of a layout, and what was there before.
fn left_behind(folder: &Path) -> Vec<String> {
    let mut left = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
                continue;
            }
            let name = entry.file_name().into_string().unwrap();
            let is_blob = path.parent().is_some_and(|parent| parent.ends_with("blobs/sha256"));
            let is_right = match name.as_str() {
                "oci-layout" | "given.tar" => true,
                _ if is_blob => digest(&std::fs::read(&path).unwrap()).ends_with(&name),
                _ => false,
            };
            if !is_right {
                left.push(path.display().to_string());
            }
        }
    }
    left
}

#[test]
fn what_a_registry_makes_up_is_refused() {
    let rows = rows::all();
    let cells: Vec<(&Row, &[(&str, &str)])> = rows
        .iter()
        .flat_map(|row| row.actions.iter().map(move |action| (row, *action)))
        .collect();
    let wrong: Vec<String> = all(&cells, |(row, action)| {
        // No mounts: a copy then moves bytes.
        let emulator = Emulator::start(Setup::shop().with(|settings| settings.mounts = false));
        emulator.put_image("shop/base", "1", &image());
        emulator.script(row.on.clone(), 9, row.fault.clone());
        let ended = run(&emulator, action, |_| ());
        let written = ["2", "1"]
            .iter()
            .zip(["shop/base", "shop/web"])
            .find(|(tag, name)| emulator.tag(name, tag).is_some());
        let differs =
            wrong(&ended, row.status, row.words).or(written.map(|(tag, _)| format!("the tag {tag} was written")));
        differs.map(|differs| format!("{}, {action:?}: {differs}", row.what))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cells.len(),
        wrong.join("\n")
    );
}

#[test]
fn an_answer_about_what_was_written_must_fit() {
    for (method, path, answer) in [
        (
            "PUT",
            "/manifests/2",
            Answer::new(201).header("Docker-Content-Digest", &digest(b"other")),
        ),
        ("PUT", "/manifests/2", Answer::new(201).body(vec![b'x'; 5 << 20])),
    ] {
        let emulator = Emulator::start(Setup::shop());
        emulator.put_image("shop/base", "1", &image());
        emulator.script(on(method, path).signed_in(), 9, answer);
        assert_eq!(wrong(&run(&emulator, RETAG, |_| ()), 1, ANY), None);
    }
}

#[test]
fn indexes_that_nobody_needs_are_refused() {
    // Seventeen levels; and one that names itself, which no honest digest can.
    let mut deep = image();
    for _ in 0..17 {
        deep = Image::index(vec![deep]);
    }
    let own = digest(b"the index that names itself");
    let cyclic = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        { "mediaType": OCI_INDEX, "digest": own, "size": 100 },
    ]});
    let wide: Vec<_> = (0..10_001)
        .map(|number: u32| json!({ "mediaType": OCI_MANIFEST, "digest": digest(&number.to_le_bytes()), "size": 9 }))
        .collect();
    let wide = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": wide });
    for action in [TO_LAYOUT, COPY] {
        let emulator = Emulator::start(Setup::shop());
        emulator.put_image("shop/base", "1", &deep);
        assert_eq!(wrong(&run(&emulator, action, |_| ()), 1, "nested deeper than 16"), None);
        for (index, times, words) in [
            // Read by its tag and by the digest that it names, and no more often.
            (&cyclic, 2, "sent other bytes than asked for"),
            (&wide, 1, "lists more than 10000 parts"),
        ] {
            let emulator = Emulator::start(Setup::shop());
            let index = json_answer(OCI_INDEX, index.to_string());
            emulator.script(on("GET", "/manifests/").signed_in(), times + 9, index);
            assert_eq!(wrong(&run(&emulator, action, |_| ()), 1, words), None);
            assert_eq!(emulator.unmet(), 9, "{action:?}, {words}");
        }
    }
}

#[test]
fn ten_thousand_layers_cost_little() {
    let layer =
        |digest: String| json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": 4 });
    let image = image();
    let config = &image.blobs()[0];
    let config = json!({ "mediaType": config.media_type, "digest": config.digest(), "size": config.bytes.len() });
    let manifest = |layers: Vec<serde_json::Value>| {
        let text = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
        json_answer(OCI_MANIFEST, text.to_string())
    };
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &image);
    // The registry has none of them: the first that is missing ends it.
    let layers = (0..10_000_u32)
        .map(|number| layer(digest(&number.to_le_bytes())))
        .collect();
    emulator.script(on("GET", "/manifests/1").signed_in(), 1, manifest(layers));
    let ended = run(&emulator, TO_OCI_ARCHIVE, |_| ());
    assert_eq!(wrong(&ended, 4, "404 BLOB_UNKNOWN"), None);
    assert!(emulator.requests().len() < 40, "{}", emulator.requests().len());
}

#[test]
fn a_bomb_in_a_compressed_archive_takes_time_and_no_memory() {
    let emulator = Emulator::start(Setup::shop());
    // A quarter of a gigabyte of zeros where a document should be.
    let size = 256 << 20;
    for (document, source) in [
        ("manifest.json", "docker-archive:given.tar"),
        ("index.json", "oci-archive:given.tar"),
    ] {
        let ended = run(
            &emulator,
            &[("ACTION", "push"), ("SOURCE", source), ("TARGET", "web:1")],
            |folder| {
                let file = std::fs::File::create(folder.join("given.tar")).unwrap();
                let mut archive = tar::Builder::new(GzEncoder::new(file, flate2::Compression::fast()));
                let mut header = tar::Header::new_gnu();
                header.set_size(size);
                header.set_mode(0o644);
                archive
                    .append_data(&mut header, document, std::io::repeat(0).take(size))
                    .unwrap();
                archive.into_inner().unwrap().finish().unwrap().flush().unwrap();
            },
        );
        assert_eq!(wrong(&ended, 1, document), None);
    }
}
