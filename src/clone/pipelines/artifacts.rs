//! Which artifacts of `bitbucket-pipelines.yml` would keep a file that `login` writes: everybody who may see a pipeline may
//! download them.

use super::structure::{Artifact, contents};
use super::{ClonePlace, FILE, walk};
use crate::text::{Glob, Quoted};
use std::path::{Path, PathBuf};

/// An artifact that takes a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// Where its pattern is written.
    pub place: ClonePlace,
    /// As the file has it.
    pub pattern: Quoted,
}

/// The artifacts of steps with an `ACTION: login` that keep `file`, relative to the clone. What cannot be read is skipped: this
/// is for a warning.
#[must_use]
pub(crate) fn keeping(clone: &Path, file: &Path) -> Vec<Keeping> {
    let Ok(contents) = walk::read(&clone.join(FILE)).map(|text| contents(&text).unwrap_or_default()) else {
        return Vec::new();
    };
    let file = file.to_string_lossy();
    let keeping = contents.artifacts.iter().filter(|artifact| keeps(artifact, &file));
    keeping
        .map(|artifact| Keeping {
            place: ClonePlace {
                file: PathBuf::from(FILE),
                line: Some(artifact.line),
            },
            pattern: Quoted::new(&artifact.pattern),
        })
        .collect()
}

fn keeps(artifact: &Artifact, file: &str) -> bool {
    fits(&artifact.pattern, file) && !artifact.ignored.iter().any(|pattern| fits(pattern, file))
}

/// Whether a pattern takes a file, or a folder above it. Patterns are globs from the clone on ("Use artifacts in steps",
/// Atlassian).
fn fits(pattern: &str, file: &str) -> bool {
    let pattern = pattern.trim().trim_start_matches("./").trim_matches('/');
    if matches!(pattern, "" | ".") {
        return true;
    }
    let glob = Glob::of_paths(pattern);
    let folders = file.match_indices('/').map(|(at, _)| &file[..at]);
    folders.chain([file]).any(|path| glob.fits(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn globs_are_from_the_clone_on() {
        for (pattern, file, is_kept) in [
            ("**", ".docker/config.json", true),
            ("**/*", ".docker/config.json", true),
            ("**/config.json", ".docker/config.json", true),
            (".docker/**", ".docker/config.json", true),
            ("./.docker/*", ".docker/config.json", true),
            (".docker", ".docker/config.json", true),
            (".docker/", ".docker/config.json", true),
            ("*.json", ".docker/config.json", false),
            ("*.yml", "crg.yml", true),
            ("*", "crg.yml", true),
            ("*", "k8s/crg.yml", true),
            ("k8s/*.y?ml", "k8s/crg.yaml", true),
            ("k8s/*.y?ml", "k8s/crg.yml", false),
            ("dist/**", "k8s/crg.yml", false),
            ("k8s2", "k8s/crg.yml", false),
            ("crg.yml", "k8s/crg.yml", false),
            ("**/crg.yml", "crg.yml", true),
            (".", "crg.yml", true),
            ("[a-d]rg.yml", "crg.yml", true),
        ] {
            assert_eq!(fits(pattern, file), is_kept, "{pattern} {file}");
        }
    }

    /// Lines and patterns of artifacts that keep `k8s/crg.yml`.
    fn found(text: &str) -> Vec<(usize, String)> {
        let clone = tempfile::tempdir().unwrap();
        fs::write(clone.path().join(FILE), text).unwrap();
        let found = keeping(clone.path(), Path::new("k8s/crg.yml"));
        let of = |keeping: Keeping| (keeping.place.line.unwrap(), keeping.pattern.as_str().to_owned());
        found.into_iter().map(of).collect()
    }

    #[test]
    fn artifacts_of_steps_that_sign_in_are_looked_at() {
        let text = "\
pipelines:
  default:
    - step:
        script:
          - make
        artifacts: ['**']
    - step: &signs-in
        script:
          - pipe: crgpipe/crg-pipe:1.0.0
            variables: {ACTION: login, PULL_SECRET: k8s/crg.yml}
        artifacts:
          - dist/**
          - k8s/*
    - parallel:
        - step: *signs-in
        - step:
            script:
              - pipe: crgpipe/crg-pipe:1.0.0
                variables:
                  ACTION: Login
            artifacts:
              download: false
              paths:
                - '**/*.yml'
        - step:
            script: [make]
            after-script:
              - ACTION=login PULL_SECRET=k8s/crg.yml ./crg-pipe
            artifacts:
              upload:
                - name: all
                  paths: ['**']
                - name: most
                  paths: ['**']
                  ignore-paths: ['k8s/**']
  branches:
    main:
      - step:
          script:
            - pipe: crgpipe/crg-pipe:1.0.0
              variables: {ACTION: push}
          artifacts: ['**']
      - step:
          script: [{pipe: 'docker://crgpipe/crg-pipe', variables: {ACTION: $ACTION}}]
          artifacts: ['**']
      - step:
          script: [{pipe: 'docker://crgpipe/crg-pipe', variables: {ACTION: login}}]
          artifacts:
            - dist/**
            - name: all
              type: shared
              paths: ['**']
            - name: most
              paths: ['**']
              ignore-paths: ['k8s/**']
";
        let expected = [(13, "k8s/*"), (24, "**/*.yml"), (32, "**"), (45, "**"), (52, "**")];
        assert_eq!(found(text), expected.map(|(line, pattern)| (line, pattern.to_owned())));
        for text in [
            "",
            "pipelines: [",
            "pipelines: {default: [{step: {script: 1, artifacts: 2}}]}",
            "artifacts: ['**']",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
