//! The programs that are measured, and how each is told to do an operation. Each run is cold: a home, a credential
//! file and a cache of its own.

use crate::fixture::Fixture;
use crate::measure::Invocation;
use crate::stage::{SOURCE, USER, WORKSPACE, password};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// To another repository of the same registry.
    Copy,
    /// Into an OCI layout.
    PullLayout,
    /// Into an oci-archive.
    PullArchive,
    /// From an OCI layout.
    PushLayout,
    /// From one registry to another.
    Across,
    /// Another tag in the same repository.
    Retag,
    /// `--version`.
    StartUp,
}

impl Operation {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy to another repository",
            Self::PullLayout => "pull to `oci:`",
            Self::PullArchive => "pull to `oci-archive:`",
            Self::PushLayout => "push from `oci:`",
            Self::Across => "registry to registry",
            Self::Retag => "retag",
            Self::StartUp => "start-up",
        }
    }
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The static release binary.
    CrgPipe(PathBuf),
    Skopeo,
    Crane,
    Regctl,
    Oras,
    /// Four curl at a time, which compute no digest: the limit of pull and push.
    Curl,
}

/// One run's surroundings.
pub(crate) struct Job<'a> {
    pub(crate) image: &'a Fixture,
    /// The registry that has the image.
    pub(crate) from: String,
    /// The registry that gets it; the same but for [`Operation::Across`].
    pub(crate) to: String,
    /// The name of a new repository in the workspace, or of a new tag.
    pub(crate) fresh: String,
    /// The run's own folder, empty.
    pub(crate) folder: &'a Path,
    /// For curl, a token of the repository that it reads or writes.
    pub(crate) token: String,
}

/// Results of a pull in the run's folder.
pub(crate) const LAYOUT: &str = "out";
/// The same as an archive.
pub(crate) const ARCHIVE: &str = "out.tar";

impl Tool {
    /// Those that are on this machine; curl is no peer.
    pub(crate) fn peers(binary: PathBuf) -> Vec<Self> {
        let others = [Self::Skopeo, Self::Crane, Self::Regctl, Self::Oras];
        let mut tools = vec![Self::CrgPipe(binary)];
        tools.extend(others.into_iter().filter(|tool| tool.version().is_some()));
        tools
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::CrgPipe(_) => "crg-pipe",
            Self::Skopeo => "skopeo",
            Self::Crane => "crane",
            Self::Regctl => "regctl",
            Self::Oras => "oras",
            Self::Curl => "curl ×4",
        }
    }

    /// The first line that it says of its version, without what stands in brackets.
    pub(crate) fn version(&self) -> Option<String> {
        let arguments = self.version_arguments();
        let output = Command::new(&arguments[0]).args(&arguments[1..]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find(|line| line.contains(|letter: char| letter.is_ascii_digit()))?;
        let short = line.split(" (").next().unwrap_or(line);
        Some(short.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// How it is told, or nothing where it has no such operation.
    pub(crate) fn invocation(&self, operation: Operation, job: &Job) -> Option<Invocation> {
        let home = job.folder.display().to_string();
        let mut environment: BTreeMap<String, String> = [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", home.clone()),
            ("TMPDIR", home),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let arguments = match self {
            _ if operation == Operation::StartUp => self.version_arguments(),
            Self::CrgPipe(binary) => {
                environment.extend(pipe_variables(operation, job)?);
                vec![binary.display().to_string()]
            }
            Self::Skopeo => {
                let folder = job.folder.display().to_string();
                let own = [
                    ("XDG_RUNTIME_DIR", folder.clone()),
                    ("XDG_DATA_HOME", format!("{folder}/data")),
                    // Its memory of blobs then is below XDG_DATA_HOME for root too, not in /var/lib/containers.
                    ("_CONTAINERS_ROOTLESS_UID", "1000".to_owned()),
                    ("REGISTRY_AUTH_FILE", credential_file(job)),
                ];
                environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
                skopeo(operation, job)
            }
            Self::Crane => {
                credential_file(job);
                environment.insert("DOCKER_CONFIG".to_owned(), job.folder.display().to_string());
                crane(operation, job)?
            }
            Self::Regctl => regctl(operation, job)?,
            Self::Oras => oras(operation, job)?,
            Self::Curl => {
                environment.insert("BEARER".to_owned(), format!("Authorization: Bearer {}", job.token));
                curl(operation, job)?
            }
        };
        Some(Invocation { arguments, environment })
    }

    fn version_arguments(&self) -> Vec<String> {
        match self {
            Self::CrgPipe(binary) => vec![binary.display().to_string(), "--version".to_owned()],
            Self::Crane | Self::Regctl | Self::Oras => words(&[self.name(), "version"]),
            Self::Skopeo => words(&["skopeo", "--version"]),
            Self::Curl => words(&["curl", "--version"]),
        }
    }
}

impl Job<'_> {
    fn source(&self) -> String {
        format!("{}/{SOURCE}:{}", self.from, self.image.name)
    }

    fn target(&self) -> String {
        format!("{}/{WORKSPACE}/{}:1", self.to, self.fresh)
    }

    fn retagged(&self) -> String {
        format!("{}/{SOURCE}:{}", self.from, self.fresh)
    }

    fn layout(&self) -> String {
        format!("{}:{}", self.image.layout.display(), self.image.name)
    }
}

fn pipe_variables(operation: Operation, job: &Job) -> Option<Vec<(String, String)>> {
    let source = format!("source:{}", job.image.name);
    let target = format!("{}:1", job.fresh);
    let own: Vec<(&str, String)> = match operation {
        Operation::Copy => vec![("ACTION", "copy".to_owned()), ("SOURCE", source), ("TARGET", target)],
        Operation::Across => vec![
            ("ACTION", "copy".to_owned()),
            ("SOURCE", job.source()),
            ("SOURCE_USERNAME", USER.to_owned()),
            ("SOURCE_PASSWORD", password()),
            ("TARGET", target),
        ],
        Operation::PullLayout => vec![("IMAGES", source), ("TO", format!("oci:{LAYOUT}"))],
        Operation::PullArchive => vec![("IMAGES", source), ("TO", format!("oci-archive:{ARCHIVE}"))],
        Operation::PushLayout => vec![
            ("ACTION", "push".to_owned()),
            ("SOURCE", format!("oci:{}", job.layout())),
            ("TARGET", target),
        ],
        Operation::Retag => vec![
            ("ACTION", "retag".to_owned()),
            ("SOURCE", source),
            ("TAGS", job.fresh.clone()),
        ],
        Operation::StartUp => return None,
    };
    let always = [
        ("REGISTRY", job.to.clone()),
        ("BITBUCKET_WORKSPACE", WORKSPACE.to_owned()),
        ("ATLASSIAN_ACCOUNT_EMAIL", USER.to_owned()),
        ("ATLASSIAN_API_TOKEN", password()),
        // A daemon that is there shall not answer in place of a file.
        ("DOCKER_HOST", "unix:///nonexistent.sock".to_owned()),
    ];
    let all = always.into_iter().chain(own);
    Some(all.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn skopeo(operation: Operation, job: &Job) -> Vec<String> {
    let registry = |reference: String| format!("docker://{reference}");
    let (from, to) = match operation {
        Operation::PullLayout => (registry(job.source()), format!("oci:{LAYOUT}:{}", job.image.name)),
        Operation::PullArchive => (
            registry(job.source()),
            format!("oci-archive:{ARCHIVE}:{}", job.image.name),
        ),
        Operation::PushLayout => (format!("oci:{}", job.layout()), registry(job.target())),
        Operation::Retag => (registry(job.source()), registry(job.retagged())),
        _ => (registry(job.source()), registry(job.target())),
    };
    let mut arguments = words(&["skopeo", "--insecure-policy", "copy", "--all", "--preserve-digests"]);
    arguments.extend(words(&[
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &from,
        &to,
    ]));
    arguments
}

fn crane(operation: Operation, job: &Job) -> Option<Vec<String>> {
    let (source, target) = (job.source(), job.target());
    Some(match operation {
        Operation::Copy | Operation::Across => words(&["crane", "copy", &source, &target]),
        Operation::PullLayout => words(&["crane", "pull", "--format=oci", &source, LAYOUT]),
        Operation::PushLayout => words(&["crane", "push", &job.image.layout.display().to_string(), &target]),
        Operation::Retag => words(&["crane", "tag", &source, &job.fresh]),
        Operation::PullArchive | Operation::StartUp => return None,
    })
}

fn regctl(operation: Operation, job: &Job) -> Option<Vec<String>> {
    let mut arguments = vec!["regctl".to_owned()];
    for host in [&job.from, &job.to] {
        let password = password();
        arguments.push(format!("--host=reg={host},tls=disabled,user={USER},pass={password}"));
    }
    let (source, target) = (job.source(), job.target());
    arguments.extend(match operation {
        Operation::Copy | Operation::Across => words(&["image", "copy", &source, &target]),
        Operation::PullLayout => words(&[
            "image",
            "copy",
            &source,
            &format!("ocidir://{LAYOUT}:{}", job.image.name),
        ]),
        Operation::PullArchive => words(&["image", "export", &source, ARCHIVE]),
        Operation::PushLayout => words(&["image", "copy", &format!("ocidir://{}", job.layout()), &target]),
        Operation::Retag => words(&["image", "copy", &source, &job.retagged()]),
        Operation::StartUp => return None,
    });
    Some(arguments)
}

fn oras(operation: Operation, job: &Job) -> Option<Vec<String>> {
    let file = credential_file(job);
    let from = [
        "--from-plain-http".to_owned(),
        format!("--from-registry-config={file}"),
        job.source(),
    ];
    let to = [
        "--to-plain-http".to_owned(),
        format!("--to-registry-config={file}"),
        job.target(),
    ];
    let mut arguments = words(&["oras", "cp"]);
    match operation {
        Operation::Copy | Operation::Across => arguments.extend(from.into_iter().chain(to)),
        Operation::PullLayout => {
            arguments.extend(from);
            arguments.extend(words(&["--to-oci-layout", &format!("{LAYOUT}:{}", job.image.name)]));
        }
        Operation::PushLayout => {
            arguments.extend(words(&["--from-oci-layout", &job.layout()]));
            arguments.extend(to);
        }
        Operation::Retag => {
            let config = format!("--registry-config={file}");
            arguments = words(&["oras", "tag", "--plain-http", &config, &job.source(), &job.fresh]);
        }
        Operation::PullArchive | Operation::StartUp => return None,
    }
    Some(arguments)
}

/// curl by xargs: a line of names for each blob.
fn curl(operation: Operation, job: &Job) -> Option<Vec<String>> {
    let blobs = job.image.blobs.iter();
    let from = format!("http://{}/v2/{SOURCE}/blobs", job.from);
    let to = format!("http://{}/v2/{WORKSPACE}/{}/blobs/uploads/", job.to, job.fresh);
    let list: Vec<String> = blobs
        .map(|(digest, _)| format!("{digest} {} {from}/{digest} {to}", job.image.blob(digest).display()))
        .collect();
    // Of each line: digest, file, address to read, address to begin an upload.
    let begin = r#"location=$(curl -sSf -H "$BEARER" -o /dev/null -D - -X POST "$3" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')"#;
    let upload = r#"curl -sSf -H "$BEARER" -H Expect: -H 'Content-Type: application/octet-stream' -o /dev/null"#;
    let each = match operation {
        Operation::PullLayout => r#"curl -sSf -H "$BEARER" -o "$0" "$2""#.to_owned(),
        Operation::PushLayout => format!(r#"{begin}; {upload} -T "$1" "$location&digest=$0""#),
        Operation::Across => {
            format!(r#"{begin}; curl -sSf -H "$BEARER" "$2" | {upload} -T - "$location&digest=$0""#)
        }
        _ => return None,
    };
    std::fs::write(job.folder.join("list"), list.join("\n") + "\n").unwrap();
    let script = format!("xargs -P 4 -L 1 sh -c '{}' < list", each.replace('\'', r"'\''"));
    Some(words(&["sh", "-c", &script]))
}

/// A `config.json` for both registries in the run's folder; gives its path.
fn credential_file(job: &Job) -> String {
    let auth = STANDARD.encode(format!("{USER}:{}", password()));
    let entry = serde_json::json!({ "auth": auth });
    let config = serde_json::json!({ "auths": { &job.from: entry, &job.to: entry } });
    let path = job.folder.join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
