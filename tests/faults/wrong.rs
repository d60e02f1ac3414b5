//! Wrong bytes: each is refused with what is wrong, with exit status 1, in bounded memory, and leaves nothing behind.

use super::all;
use crate::support::emulator::{Answer, Emulator, Fault, Matcher, Setup, on};
use crate::support::image::{Image, ImageBuilder, OCI_INDEX, OCI_MANIFEST, digest};
use bytes::Bytes;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// More memory is not given to any run, in bytes: one that wants it ends with a signal.
const MOST_MEMORY: u64 = 96 << 20;
/// A row without a word on what is wrong.
const ANY: &str = "";

/// How a run ended.
struct Ended {
    status: i32,
    said: String,
    folder: TempDir,
}

fn run(emulator: &Emulator, variables: &[(&str, &str)], prepare: impl Fn(&Path)) -> Ended {
    let folder = tempfile::Builder::new().prefix("crg-pipe-wrong-").tempdir().unwrap();
    prepare(folder.path());
    let mut output = tempfile::tempfile().unwrap();
    let token = Setup::api_token();
    let ended = Command::new("prlimit")
        .args([
            &format!("--data={MOST_MEMORY}"),
            "timeout",
            "30",
            env!("CARGO_BIN_EXE_crg-pipe"),
        ])
        .env_clear()
        .envs([
            ("PATH", "/usr/bin:/bin"),
            ("BITBUCKET_WORKSPACE", "shop"),
            ("BITBUCKET_CLONE_DIR", folder.path().to_str().unwrap()),
            ("REGISTRY", emulator.host()),
            ("HTTPS_PROXY", "http://127.0.0.1:9"),
            ("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL),
            ("ATLASSIAN_API_TOKEN", &token),
            ("RETRIES", "1"),
            ("TIMEOUT", "5"),
        ])
        .envs(variables.iter().copied())
        .current_dir(&folder)
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .status()
        .expect("prlimit is not installed: apt-get install util-linux");
    let mut said = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut said).unwrap();
    Ended {
        status: ended.code().unwrap_or(-1),
        said,
        folder,
    }
}

impl Ended {
    /// What differs from: this status, these words, little memory, nothing left behind.
    fn wrong(&self, status: i32, words: &str) -> Option<String> {
        let left = left_behind(self.folder.path());
        let is_right =
            self.status == status && self.said.contains(words) && !self.said.contains("panicked") && left.is_empty();
        (!is_right).then(|| {
            format!(
                "status {} (expected {status}, `{words}`), left {left:?}\n{}",
                self.status, self.said
            )
        })
    }
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

/// A row of what a registry sends.
struct Row {
    what: &'static str,
    on: Matcher,
    fault: Fault,
    status: i32,
    words: &'static str,
    actions: &'static [&'static [(&'static str, &'static str)]],
}

const TO_LAYOUT: &[(&str, &str)] = &[("ACTION", "pull"), ("IMAGES", "base:1"), ("TO", "oci:out")];
const TO_OCI_ARCHIVE: &[(&str, &str)] = &[("ACTION", "pull"), ("IMAGES", "base:1"), ("TO", "oci-archive:out.tar")];
const TO_DOCKER_ARCHIVE: &[(&str, &str)] = &[
    ("ACTION", "pull"),
    ("IMAGES", "base:1"),
    ("TO", "docker-archive:out.tar"),
];
const RETAG: &[(&str, &str)] = &[("ACTION", "retag"), ("SOURCE", "base:1"), ("TAGS", "2")];
const COPY: &[(&str, &str)] = &[("ACTION", "copy"), ("SOURCE", "base:1"), ("TARGET", "web:1")];
const PULLS: &[&[(&str, &str)]] = &[TO_LAYOUT, TO_OCI_ARCHIVE, TO_DOCKER_ARCHIVE];
const READS: &[&[(&str, &str)]] = &[TO_LAYOUT, TO_OCI_ARCHIVE, TO_DOCKER_ARCHIVE, COPY];

fn image() -> Image {
    ImageBuilder::new("wrong").layers(1, 50_000).build()
}

fn json_answer(media_type: &str, body: impl Into<Bytes>) -> Answer {
    Answer::new(200).header("Content-Type", media_type).body(body)
}

/// The image's manifest with a piece of its text in place of another.
fn changed(from: &str, to: &str) -> Answer {
    let text = String::from_utf8(image().bytes().to_vec()).unwrap();
    assert!(text.contains(from), "`{from}` is not in {text}");
    json_answer(OCI_MANIFEST, text.replacen(from, to, 1))
}

fn rows() -> Vec<Row> {
    let image = image();
    let layer = &image.blobs()[1];
    let manifest = || on("GET", "/manifests/1").signed_in();
    let blob = || on("GET", &layer.digest()).signed_in();
    let config = || on("GET", &image.config_digest()).signed_in();
    let row = |what, on, fault: Fault, words, actions| Row {
        what,
        on,
        fault,
        status: 1,
        words,
        actions,
    };
    let bytes = |change: fn(&mut Vec<u8>)| -> Fault {
        let mut bytes = layer.bytes.to_vec();
        change(&mut bytes);
        Answer::new(200).body(bytes).into()
    };
    let size = layer.bytes.len();
    let size_is = format!("\"size\": {size}");
    let config_text = format!("\"config\": {{");
    let noise = Bytes::from(vec![b'x'; 64 * 1024]);
    vec![
        row(
            "a flipped byte",
            blob(),
            bytes(|bytes| bytes[20_000] ^= 1),
            "wrong bytes",
            READS,
        ),
        row(
            "a flipped last byte",
            blob(),
            bytes(|bytes| *bytes.last_mut().unwrap() ^= 1),
            "wrong bytes",
            READS,
        ),
        row(
            "a short blob",
            blob(),
            bytes(|bytes| bytes.truncate(30_000)),
            "it has 30000 bytes",
            READS,
        ),
        row("an empty blob", blob(), bytes(Vec::clear), "it has 0 bytes", READS),
        row(
            "a long blob",
            blob(),
            bytes(|bytes| bytes.push(0)),
            "where its descriptor says",
            READS,
        ),
        row(
            "a blob without an end",
            blob(),
            Fault::Endless(Answer::new(200).body(noise.clone())),
            "wrong bytes",
            READS,
        ),
        row(
            "a manifest other than its `Docker-Content-Digest`",
            manifest(),
            json_answer(OCI_MANIFEST, image.bytes().clone())
                .header("Docker-Content-Digest", &digest(b"other"))
                .into(),
            "sent other bytes than asked for",
            &[TO_LAYOUT, COPY, RETAG],
        ),
        row(
            "a manifest without an end",
            manifest(),
            Fault::Endless(json_answer(OCI_MANIFEST, noise.clone())),
            "sent more than 4194304 bytes",
            &[TO_LAYOUT, COPY, RETAG],
        ),
        row(
            "a manifest over 4 MiB",
            manifest(),
            json_answer(OCI_MANIFEST, vec![b' '; (4 << 20) + 1]).into(),
            "sent more than 4194304 bytes",
            &[TO_LAYOUT, COPY, RETAG],
        ),
        row(
            "a configuration without an end",
            config(),
            Fault::Endless(Answer::new(200).body(noise.clone())),
            ANY,
            READS,
        ),
        row(
            "a token without an end",
            on("GET", "^/token"),
            Fault::Endless(Answer::new(200).body(noise.clone())),
            "sent more than 1048576 bytes",
            &[TO_LAYOUT, RETAG],
        ),
        Row {
            status: 3,
            ..row(
                "a refusal without an end",
                manifest(),
                Fault::Endless(Answer::new(403).body(noise.clone())),
                "403",
                &[TO_LAYOUT, RETAG],
            )
        },
        row(
            "a web page",
            manifest(),
            json_answer(OCI_MANIFEST, "<html>").into(),
            "no JSON of its form",
            &[TO_LAYOUT, RETAG],
        ),
        row(
            "a list",
            manifest(),
            json_answer(OCI_MANIFEST, "[]").into(),
            "no JSON of its form",
            &[TO_LAYOUT],
        ),
        row(
            "10,000 lists in lists",
            manifest(),
            json_answer(OCI_MANIFEST, "[".repeat(10_000)).into(),
            "no JSON",
            &[TO_LAYOUT],
        ),
        row(
            "10,000 objects in objects",
            manifest(),
            json_answer(OCI_MANIFEST, "{\"annotations\":".repeat(10_000)).into(),
            "no JSON",
            &[TO_LAYOUT],
        ),
        row(
            "a key that is there twice",
            manifest(),
            changed(&config_text, "\"config\": {}, \"config\": {").into(),
            "no JSON of its form",
            &[TO_LAYOUT, COPY, RETAG],
        ),
        row(
            "layers that are there twice",
            manifest(),
            changed("\"layers\": [", "\"layers\": [], \"layers\": [").into(),
            "no JSON of its form",
            &[TO_LAYOUT, COPY, RETAG],
        ),
        row(
            "a size that is there twice",
            manifest(),
            changed(&size_is, &format!("\"size\": 1, {size_is}")).into(),
            "no JSON of its form",
            &[TO_LAYOUT, COPY],
        ),
        row(
            "a negative size",
            manifest(),
            changed(&size_is, "\"size\": -1").into(),
            "no JSON of its form",
            READS,
        ),
        row(
            "a size with a fraction",
            manifest(),
            changed(&size_is, "\"size\": 1.5").into(),
            "no JSON of its form",
            &[TO_LAYOUT],
        ),
        row(
            "a size beyond 64 bits",
            manifest(),
            changed(&size_is, "\"size\": 18446744073709551616").into(),
            "no JSON of its form",
            &[TO_LAYOUT],
        ),
        row(
            "a size of 2^64-1",
            manifest(),
            changed(&size_is, "\"size\": 18446744073709551615").into(),
            "is no size of a blob",
            READS,
        ),
        row(
            "a size of 2^63",
            manifest(),
            changed(&size_is, "\"size\": 9223372036854775808").into(),
            "is no size of a blob",
            READS,
        ),
        row(
            "a size of a petabyte",
            manifest(),
            changed(&size_is, "\"size\": 1125899906842624").into(),
            ANY,
            READS,
        ),
        row(
            "a size of a terabyte",
            manifest(),
            changed(&size_is, "\"size\": 1099511627776").into(),
            ANY,
            READS,
        ),
        row(
            "a size that is one less",
            manifest(),
            changed(&size_is, &format!("\"size\": {}", size - 1)).into(),
            "where its descriptor says",
            READS,
        ),
        row(
            "a size of none",
            manifest(),
            changed(&size_is, "\"size\": 0").into(),
            ANY,
            READS,
        ),
        row(
            "a digest that is a path",
            manifest(),
            changed("\"digest\": \"sha256:", "\"digest\": \"sha256:../").into(),
            ANY,
            PULLS,
        ),
    ]
}

#[test]
fn what_a_registry_makes_up_is_refused() {
    let rows = rows();
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
        let wrong = ended
            .wrong(row.status, row.words)
            .or(written.map(|(tag, _)| format!("the tag {tag} was written")));
        wrong.map(|wrong| format!("{}, {action:?}: {wrong}", row.what))
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
        assert_eq!(run(&emulator, RETAG, |_| ()).wrong(1, ANY), None);
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
        assert_eq!(run(&emulator, action, |_| ()).wrong(1, "nested deeper than 16"), None);
        for (index, times, words) in [
            // Read by its tag and by the digest that it names, and no more often.
            (&cyclic, 2, "sent other bytes than asked for"),
            (&wide, 1, "more than 10000 manifests"),
        ] {
            let emulator = Emulator::start(Setup::shop());
            let index = json_answer(OCI_INDEX, index.to_string());
            emulator.script(on("GET", "/manifests/").signed_in(), times + 9, index);
            assert_eq!(run(&emulator, action, |_| ()).wrong(1, words), None);
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
    assert_eq!(ended.wrong(4, "404 BLOB_UNKNOWN"), None);
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
        assert_eq!(ended.wrong(1, document), None);
    }
}
