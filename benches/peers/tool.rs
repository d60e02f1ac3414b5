//! The programs that are measured, and how each is told to do an operation. Each run is cold: a home, a credential
//! file and a cache of its own.

use crate::fixture::Fixture;
use crate::floor;
use crate::measure::Invocation;
use crate::stage::{CHECKED, FLEET, MIRRORED, SHARED, SOURCE, TAGGED, USER, WORKSPACE, password};
use crate::support::engine::Engine;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::path::Path;
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
    /// From what `docker save` writes, layers as they are: they are compressed on their way.
    PushPlain,
    /// The same with layers that are compressed already.
    PushCompressed,
    /// Images of a list to another registry, which has them all.
    Mirror,
    /// The tags of a repository.
    Tags,
    /// Whether images can be had.
    Check,
    /// Images that share layers into a daemon.
    Daemon,
    /// A container of the pipe's image, with no variable set.
    FirstRun,
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
            Self::PushPlain => "push from `docker-archive:`, plain layers",
            Self::PushCompressed => "push from `docker-archive:`, compressed layers",
            Self::Mirror => "mirror of 200 images that are there",
            Self::Tags => "1,250 tags of a repository",
            Self::Check => "`check` of 50 images",
            Self::Daemon => "8 images into a daemon",
            Self::FirstRun => "container, no variables",
            Self::StartUp => "start-up",
        }
    }
}

/// What a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    CrgPipe,
    Skopeo,
    Crane,
    Regctl,
    Oras,
    /// The same requests and nothing else: the limit of pull and push.
    Floor,
    /// The same requests, and the digest of every blob.
    CheckingFloor,
    /// `docker pull` of one image after the other.
    Docker,
}

/// A program of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) kind: Kind,
    /// How it is started: the program, or a loader of its own before it.
    command: Vec<String>,
    /// With its version, where there are several.
    pub(crate) name: String,
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
    /// The daemon and its client.
    pub(crate) engine: Option<&'a Engine>,
}

/// Results of a pull in the run's folder.
pub(crate) const LAYOUT: &str = "out";
/// The same as an archive.
pub(crate) const ARCHIVE: &str = "out.tar";

/// The peers that `.ci/tools peers` unpacks, each in a folder with the suite that it is of.
const UNPACKED: [(Kind, &str, &str); 5] = [
    (Kind::Skopeo, "skopeo", "sid"),
    (Kind::Skopeo, "skopeo", "trixie"),
    (Kind::Crane, "crane", "sid"),
    (Kind::Oras, "oras", "sid"),
    (Kind::Oras, "oras", "trixie"),
];
/// Those that are measured where they are on the `PATH`; skopeo only if no newer one could be had.
const INSTALLED: [(Kind, &str); 3] = [
    (Kind::Skopeo, "skopeo"),
    (Kind::Crane, "crane"),
    (Kind::Regctl, "regctl"),
];

impl Tool {
    /// The binary, and all peers that could be had; and what could not be.
    pub(crate) fn peers(binary: &Path) -> (Vec<Self>, Vec<String>) {
        let own = Self {
            kind: Kind::CrgPipe,
            command: vec![binary.display().to_string()],
            name: "crg-pipe".to_owned(),
        };
        let (mut tools, mut missing) = (vec![own], Vec::new());
        for (kind, program, suite) in UNPACKED {
            match Self::unpacked(kind, program, suite) {
                Some(tool) => tools.push(tool),
                None => missing.push(format!("{program} of Debian {suite}")),
            }
        }
        for (kind, program) in INSTALLED {
            if tools.iter().any(|tool| tool.kind == kind) {
                continue;
            }
            match Self::named(kind, vec![program.to_owned()]) {
                Some(tool) => tools.push(tool),
                None => missing.push(format!("{program} (on the `PATH`)")),
            }
        }
        (tools, missing)
    }

    /// The limits of an operation that has them. A copy within a registry has no bytes to check.
    pub(crate) fn floors(operation: Operation) -> Vec<Self> {
        let bench = std::env::current_exe().expect("the bench's own path");
        let floor = |kind, checks, name: &str| Self {
            kind,
            command: words(&[&bench.display().to_string(), floor::FLOOR, checks]),
            name: name.to_owned(),
        };
        let trusting = floor(Kind::Floor, floor::TRUSTING, "floor");
        let checking = floor(Kind::CheckingFloor, floor::CHECKING, "floor with digests");
        match operation {
            Operation::Copy => vec![trusting],
            // Digests tell nothing there that the archive would state.
            Operation::PushCompressed => vec![
                trusting,
                floor(Kind::CheckingFloor, floor::PROVING, "floor that proves layers"),
            ],
            Operation::PullLayout | Operation::PushLayout | Operation::Across => vec![trusting, checking],
            _ => Vec::new(),
        }
    }

    pub(crate) fn docker(client: &Path, engine: &str) -> Self {
        Self {
            kind: Kind::Docker,
            command: vec![client.display().to_string()],
            name: format!("docker pull, {engine}"),
        }
    }

    /// By the loader and the libraries that came with it: this system's may be older.
    fn unpacked(kind: Kind, program: &str, suite: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".tools/peers/{program}-{suite}"));
        let loader = std::fs::read_dir(root.join("usr/lib64")).ok()?.flatten().next()?;
        let libraries: Vec<String> = std::fs::read_dir(root.join("usr/lib"))
            .ok()?
            .flatten()
            .filter(|folder| folder.path().join("libc.so.6").exists())
            .map(|folder| folder.path().display().to_string())
            .collect();
        let program = root.join("usr/bin").join(program);
        let command = [
            loader.path().display().to_string(),
            "--library-path".to_owned(),
            libraries.join(":"),
            program.display().to_string(),
        ];
        let mut tool = Self::named(kind, command.into())?;
        // crane of Debian does not say which it is.
        if !tool.name.contains(|letter: char| letter.is_ascii_digit()) {
            tool.name = format!("{} ({suite})", tool.name);
        }
        Some(tool)
    }

    /// With its version in its name; nothing where it does not run.
    fn named(kind: Kind, command: Vec<String>) -> Option<Self> {
        let name = match kind {
            Kind::Skopeo => "skopeo",
            Kind::Crane => "crane",
            Kind::Regctl => "regctl",
            _ => "oras",
        };
        let mut tool = Self {
            kind,
            command,
            name: name.to_owned(),
        };
        let arguments = tool.version_arguments();
        let output = Command::new(&arguments[0]).args(&arguments[1..]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split_whitespace().find(|word| {
            let word = word.trim_start_matches('v');
            word.starts_with(|letter: char| letter.is_ascii_digit()) && word.contains('.')
        });
        if let Some(version) = version {
            tool.name = format!("{name} {}", version.trim_start_matches('v'));
        }
        (output.status.success() || kind == Kind::Crane).then_some(tool)
    }

    fn called(&self, arguments: &[&str]) -> Vec<String> {
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        self.command.iter().cloned().chain(arguments).collect()
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
        let arguments = match self.kind {
            _ if operation == Operation::StartUp => self.version_arguments(),
            _ if operation == Operation::FirstRun => {
                let engine = job.engine.filter(|_| self.kind == Kind::CrgPipe)?;
                environment.extend(docker_variables(engine, job));
                words(&[&engine.client(), "run", "--rm", crate::stage::CONTAINER])
            }
            Kind::Docker => {
                let engine = job.engine?;
                environment.extend(docker_variables(engine, job));
                let script = format!(
                    "for i in $(seq {SHARED}); do {} pull -q {}/{WORKSPACE}/shared:$i || exit; done",
                    engine.client(),
                    job.from
                );
                words(&["sh", "-c", &script])
            }
            kind if matches!(operation, Operation::Mirror | Operation::Check) && kind != Kind::CrgPipe => {
                let count = if operation == Operation::Mirror {
                    MIRRORED
                } else {
                    CHECKED
                };
                environment.insert("DOCKER_CONFIG".to_owned(), job.folder.display().to_string());
                environment.insert("REGISTRY_AUTH_FILE".to_owned(), credential_file(job));
                environment.insert("XDG_RUNTIME_DIR".to_owned(), job.folder.display().to_string());
                environment.insert(
                    "XDG_DATA_HOME".to_owned(),
                    job.folder.join("data").display().to_string(),
                );
                environment.insert("_CONTAINERS_ROOTLESS_UID".to_owned(), "1000".to_owned());
                let each = self.called(&borrowed(&one_of_many(kind, operation, job)?)).join(" ");
                words(&[
                    "sh",
                    "-c",
                    &format!("for n in $(seq {count}); do i=t$n; {each} || exit; done"),
                ])
            }
            Kind::CrgPipe => {
                environment.extend(pipe_variables(operation, job)?);
                self.command.clone()
            }
            Kind::Skopeo => {
                let folder = job.folder.display().to_string();
                let own = [
                    ("XDG_RUNTIME_DIR", folder.clone()),
                    ("XDG_DATA_HOME", format!("{folder}/data")),
                    // Its memory of blobs then is below XDG_DATA_HOME for root too, not in /var/lib/containers.
                    ("_CONTAINERS_ROOTLESS_UID", "1000".to_owned()),
                    ("REGISTRY_AUTH_FILE", credential_file(job)),
                ];
                environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
                self.called(&borrowed(&skopeo(operation, job)))
            }
            Kind::Crane => {
                credential_file(job);
                environment.insert("DOCKER_CONFIG".to_owned(), job.folder.display().to_string());
                self.called(&borrowed(&crane(operation, job)?))
            }
            Kind::Regctl => self.called(&borrowed(&regctl(operation, job)?)),
            Kind::Oras => self.called(&borrowed(&oras(operation, job)?)),
            Kind::Floor | Kind::CheckingFloor => {
                environment.insert(floor::CREDENTIAL.to_owned(), format!("{USER}:{}", password()));
                self.called(&borrowed(&floor(operation, job)?))
            }
        };
        Some(Invocation { arguments, environment })
    }

    fn version_arguments(&self) -> Vec<String> {
        match self.kind {
            Kind::Crane | Kind::Regctl | Kind::Oras => self.called(&["version"]),
            _ => self.called(&["--version"]),
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
        Operation::PushPlain | Operation::PushCompressed => vec![
            ("ACTION", "push".to_owned()),
            (
                "SOURCE",
                format!("docker-archive:{}", job.image.archive(operation).display()),
            ),
            ("TARGET", target),
        ],
        Operation::Mirror => vec![
            ("ACTION", "copy".to_owned()),
            (
                "IMAGES",
                lines(MIRRORED, |number| {
                    format!("{}/{FLEET}:t{number}=fleet:t{number}", job.from)
                }),
            ),
            ("SOURCE_USERNAME", USER.to_owned()),
            ("SOURCE_PASSWORD", password()),
        ],
        // Its one action that lists: of all tags the pattern leaves one, which is there.
        Operation::Tags => vec![
            ("ACTION", "copy".to_owned()),
            ("IMAGES", "tagged:t1249*=tagged-too".to_owned()),
        ],
        Operation::Check => vec![
            ("ACTION", "check".to_owned()),
            ("IMAGES", lines(CHECKED, |number| format!("fleet:t{number}"))),
        ],
        Operation::Daemon => vec![
            ("IMAGES", lines(SHARED, |number| format!("shared:{number}"))),
            ("DOCKER_HOST", job.engine?.tcp()),
        ],
        Operation::FirstRun | Operation::StartUp => return None,
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
    // The last one of a name counts.
    Some(all.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What peers do of many images, one after the other as a script has it: the arguments for each.
fn one_of_many(kind: Kind, operation: Operation, job: &Job) -> Option<Vec<String>> {
    let (from, to) = (format!("{}/{FLEET}:$i", job.from), format!("{}/{FLEET}:$i", job.to));
    let config = || format!("--registry-config={}", credential_file(job));
    let sided = |side: &str| format!("--{side}-registry-config={}", credential_file(job));
    Some(match (operation, kind) {
        (Operation::Mirror, Kind::Crane) => words(&["copy", &from, &to]),
        (Operation::Mirror, Kind::Oras) => {
            let (source, target) = (sided("from"), sided("to"));
            words(&[
                "cp",
                "--from-plain-http",
                &source,
                "--to-plain-http",
                &target,
                &from,
                &to,
            ])
        }
        (Operation::Mirror, Kind::Skopeo) => {
            let mut all = words(&["--insecure-policy", "copy", "--all", "--preserve-digests"]);
            let (from, to) = (format!("docker://{from}"), format!("docker://{to}"));
            all.extend(words(&[
                "--src-tls-verify=false",
                "--dest-tls-verify=false",
                &from,
                &to,
            ]));
            all
        }
        (Operation::Check, Kind::Crane) => words(&["digest", &from]),
        (Operation::Check, Kind::Oras) => {
            words(&["manifest", "fetch", "--descriptor", "--plain-http", &config(), &from])
        }
        (Operation::Check, Kind::Skopeo) => {
            words(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{from}")])
        }
        _ => return None,
    })
}

fn skopeo(operation: Operation, job: &Job) -> Vec<String> {
    if operation == Operation::Tags {
        let repository = format!("docker://{}/{TAGGED}", job.from);
        return words(&["list-tags", "--tls-verify=false", &repository]);
    }
    let registry = |reference: String| format!("docker://{reference}");
    let (from, to) = match operation {
        Operation::PullLayout => (registry(job.source()), format!("oci:{LAYOUT}:{}", job.image.name)),
        Operation::PullArchive => (
            registry(job.source()),
            format!("oci-archive:{ARCHIVE}:{}", job.image.name),
        ),
        Operation::PushLayout => (format!("oci:{}", job.layout()), registry(job.target())),
        Operation::PushPlain | Operation::PushCompressed => (
            format!("docker-archive:{}", job.image.archive(operation).display()),
            registry(job.target()),
        ),
        Operation::Retag => (registry(job.source()), registry(job.retagged())),
        _ => (registry(job.source()), registry(job.target())),
    };
    let mut arguments = words(&["--insecure-policy", "copy"]);
    // With it plain layers are not compressed.
    if !matches!(operation, Operation::PushPlain | Operation::PushCompressed) {
        arguments.extend(words(&["--all", "--preserve-digests"]));
    }
    arguments.extend(words(&[
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &from,
        &to,
    ]));
    arguments
}

fn crane(operation: Operation, job: &Job) -> Option<Vec<String>> {
    let archive = || job.image.archive(operation).display().to_string();
    let (source, target) = (job.source(), job.target());
    Some(match operation {
        Operation::Copy | Operation::Across => words(&["copy", &source, &target]),
        Operation::PullLayout => words(&["pull", "--format=oci", &source, LAYOUT]),
        Operation::PushLayout => words(&["push", &job.image.layout.display().to_string(), &target]),
        Operation::PushPlain | Operation::PushCompressed => words(&["push", &archive(), &target]),
        Operation::Tags => words(&["ls", &format!("{}/{TAGGED}", job.from)]),
        Operation::Retag => words(&["tag", &source, &job.fresh]),
        _ => return None,
    })
}

fn regctl(operation: Operation, job: &Job) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
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
        _ => return None,
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
    let mut arguments = words(&["cp"]);
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
            arguments = words(&["tag", "--plain-http", &config, &job.source(), &job.fresh]);
        }
        Operation::Tags => {
            let config = format!("--registry-config={file}");
            let repository = format!("{}/{TAGGED}", job.from);
            arguments = words(&["repo", "tags", "--plain-http", &config, &repository]);
        }
        _ => return None,
    }
    Some(arguments)
}

/// The floor: a line for each blob and each manifest, the root last.
fn floor(operation: Operation, job: &Job) -> Option<Vec<String>> {
    let operation = match operation {
        Operation::PullLayout => floor::PULL,
        // A layout has the layers that the archive has.
        Operation::PushLayout | Operation::PushCompressed => floor::PUSH,
        Operation::Across => floor::ACROSS,
        Operation::Copy => floor::COPY,
        _ => return None,
    };
    let line = |(digest, size): &(String, u64)| format!("{digest} {size} {}\n", job.image.blob(digest).display());
    let list = |name: &str, content: &[(String, u64)]| {
        let path = job.folder.join(name);
        std::fs::write(&path, content.iter().map(line).collect::<String>()).unwrap();
        path.display().to_string()
    };
    let (blobs, manifests) = (
        list("blobs", &job.image.blobs),
        list("manifests", &job.image.manifests()),
    );
    Some(words(&[operation, &blobs, &manifests, &job.source(), &job.target()]))
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

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// One for each number, from one on.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (1..=count).map(line).collect::<Vec<_>>().join("\n")
}

fn docker_variables(engine: &Engine, job: &Job) -> Vec<(String, String)> {
    credential_file(job);
    vec![
        ("DOCKER_HOST".to_owned(), engine.tcp()),
        ("DOCKER_CONFIG".to_owned(), job.folder.display().to_string()),
    ]
}
