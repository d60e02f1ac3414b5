//! What is published beside a release.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// `.ci/provenance` in a step of the tag 1.2.3.
fn provenance(file: &Path, subjects: &[&str], tag: &str) -> Output {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/provenance"))
        .arg(file)
        .args(subjects)
        .env("BITBUCKET_REPO_FULL_NAME", "crgpipe/crg-pipe")
        .env("BITBUCKET_COMMIT", COMMIT)
        .env("BITBUCKET_BUILD_NUMBER", "42")
        .env("BITBUCKET_PIPELINE_UUID", "{p-1}")
        .env("BITBUCKET_STEP_UUID", "{s-1}")
        .env("BITBUCKET_TAG", tag)
        .output()
        .expect("bash is there")
}

#[test]
fn provenance_names_what_was_made_from_what() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("release/x.json");
    let (binary, image) = ("a".repeat(64), "b".repeat(64));
    let subjects = [
        format!("crg-pipe=sha256:{binary}"),
        format!("crgpipe/crg-pipe:1.2.3=sha256:{image}"),
    ];
    let output = provenance(&file, &[&subjects[0], &subjects[1]], "1.2.3");
    assert!(output.status.success(), "{output:?}");
    let statement: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    assert_eq!(
        statement["subject"],
        json!([
            { "name": "crg-pipe", "digest": { "sha256": binary } },
            { "name": "crgpipe/crg-pipe:1.2.3", "digest": { "sha256": image } },
        ])
    );
    let (definition, run) = (
        &statement["predicate"]["buildDefinition"],
        &statement["predicate"]["runDetails"],
    );
    let repository = "https://bitbucket.org/crgpipe/crg-pipe";
    assert_eq!(
        definition["buildType"],
        format!("{repository}/src/{COMMIT}/bitbucket-pipelines.yml")
    );
    assert_eq!(
        definition["externalParameters"],
        json!({ "repository": repository, "ref": "refs/tags/1.2.3" })
    );
    let materials = definition["resolvedDependencies"].as_array().unwrap();
    assert_eq!(
        materials[0],
        json!({ "uri": format!("git+{repository}"), "digest": { "gitCommit": COMMIT } })
    );
    let lock = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let lock = crg_pipe::names::Digest::of(&lock);
    assert_eq!(
        format!("sha256:{}", materials[1]["digest"]["sha256"].as_str().unwrap()),
        lock.as_str()
    );
    assert!(materials[2]["uri"].as_str().unwrap().starts_with("pkg:generic/rust@1."));
    assert_eq!(run["builder"]["id"], "https://bitbucket.org/product/features/pipelines");
    assert_eq!(
        run["metadata"]["invocationId"],
        format!("{repository}/pipelines/results/42")
    );
    let finished = run["metadata"]["finishedOn"].as_str().unwrap();
    assert!(finished.len() == 20 && finished.ends_with('Z'), "{finished}");
}

#[test]
fn provenance_of_nonsense_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    let sound = format!("x=sha256:{}", "a".repeat(64));
    for (subjects, tag, said) in [
        (vec![], "1.2.3", "name a subject"),
        (vec!["crg-pipe=sha256:abc"], "1.2.3", "no subject: crg-pipe=sha256:abc"),
        (vec![&*sound, "crg-pipe="], "1.2.3", "no subject: crg-pipe="),
        (vec![&*sound], "", "BITBUCKET_TAG"),
        (vec![&*sound], "1\n2", "a control character"),
    ] {
        let output = provenance(&file, &subjects, tag);
        assert!(!output.status.success(), "{subjects:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(said), "{error}");
        assert!(!file.exists(), "{subjects:?}");
    }
    let odd = format!("a\"b\\c=sha256:{}", "a".repeat(64));
    assert!(provenance(&file, &[&odd], "1.2.3").status.success());
    let statement: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(statement["subject"][0]["name"], "a\"b\\c");
}
