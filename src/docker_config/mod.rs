//! What `login` writes: Docker's `config.json`, a credential merged into one that may be there, so that later lines of the step
//! can use the registry; or a Kubernetes Secret of the same. And whether an image build would take that file in.

pub(crate) mod build_contexts;
mod file;
pub(crate) mod keys;
pub(crate) mod pull_secret;

pub(crate) use file::{CONFIG, write, write_secret};

use crate::credential::Credential;
use crate::files::{Denied, OutputError, shell_word, shown};
use crate::names::Host;
use crate::text::{Quoted, Secret, excerpt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize as _;
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;

/// A `config.json` with the credential in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The whole file: it holds this and maybe other credentials.
    pub text: Secret,
    /// What stood in the credential's way and was changed.
    pub notes: Vec<ConfigNote>,
}

/// A setting of the file that would have hidden the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConfigNote {
    /// `credHelpers` named a program for this registry; the entry was removed.
    HelperRemoved {
        registry: String,
        /// The program's name after `docker-credential-`.
        helper: String,
    },
    /// `credsStore` names a program for all registries; this registry was excepted from it.
    StoreExcepted {
        registry: String,
        /// The program's name after `docker-credential-`.
        store: String,
    },
    /// `auths` has entries for parts of this registry, which other clients than Docker take first.
    PartsGoFirst {
        registry: String,
        /// The first of them.
        part: String,
    },
    /// The file sets more than credentials, and it stays set.
    Kept { keys: Vec<&'static str> },
    /// Git would take the file into a commit.
    NotIgnored {
        file: PathBuf,
        /// Whether it was there before, and so may be in the repository.
        was_there: bool,
    },
}

/// Keys that decide what Docker runs, and what it talks to.
const TELLING: [&str; 6] = [
    "cliPluginsExtraDirs",
    "plugins",
    "aliases",
    "proxies",
    "currentContext",
    "HttpHeaders",
];

impl fmt::Display for ConfigNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HelperRemoved { registry, helper } => write!(
                f,
                "`config.json` had `docker-credential-{helper}` as credential helper of `{registry}`, which would have hidden \
                 this credential: the entry in `credHelpers` was removed"
            ),
            Self::StoreExcepted { registry, store } => write!(
                f,
                "`config.json` has `docker-credential-{store}` as `credsStore`, which would have hidden this credential: \
                 `credHelpers` now excepts `{registry}` with an empty name, which Docker understands and podman, skopeo and \
                 buildah do not"
            ),
            Self::PartsGoFirst { registry, part } => write!(
                f,
                "`auths` of `config.json` also has `{}`: skopeo, podman and buildah take that for the images below it, before \
                 the credential of `{registry}`",
                Quoted::new(part)
            ),
            Self::Kept { keys } => write!(
                f,
                "`config.json` was there and sets `{}`, which stays as it is: look whether Docker should follow that with this \
                 credential",
                keys.join("`, `")
            ),
            Self::NotIgnored { file, was_there: true } => write!(
                f,
                "`{}` was there before and now holds the credential: if it is in the repository, do not commit it again",
                shown(file)
            ),
            Self::NotIgnored { file, .. } => write!(
                f,
                "`{}` holds the credential, and no `.gitignore` names it: add it to one, so that it is never committed",
                shown(file)
            ),
        }
    }
}

/// Puts `credential` for `registry` into the text of a `config.json`, or makes one. Keys that are not concerned stay, in
/// their order.
///
/// A credential helper of the registry goes, since Docker asks it and never looks at `auths` then. A `credsStore` does the
/// same for all registries: the registry is excepted by an empty entry in `credHelpers`, which Docker's client takes as "no
/// helper" and reads `auths` (`getConfiguredCredentialStore` in docker/cli; seen with 28.2.2, as was that without it the
/// credential is not used). Without a `credsStore` no such entry is written: skopeo 1.9.3 runs `docker-credential-` and
/// fails.
///
/// # Errors
/// [`Fault`] if the text is not what Docker reads; it is never replaced then.
pub(crate) fn merge(existing: Option<&[u8]>, registry: &Host, credential: &Credential) -> Result<Merged, Fault> {
    let mut config = parse(existing.unwrap_or_default())?;
    let key = registry.as_docker_keeps_it();
    let mut notes = Vec::new();
    let is_set = |name: &&str| {
        config
            .iter()
            .any(|(key, value)| keys::same(name, key) && !is_empty(value))
    };
    let telling: Vec<&'static str> = TELLING.into_iter().filter(is_set).collect();
    if !telling.is_empty() {
        notes.push(ConfigNote::Kept { keys: telling });
    }

    let store = match config.get("credsStore") {
        None | Some(Value::Null) => "",
        Some(Value::String(store)) => store,
        Some(_) => return Err(wrong("credsStore", "a text")),
    };
    let store = printable(store);
    if let Some(helpers) = object(&mut config, "credHelpers", !store.is_empty())? {
        if store.is_empty() {
            let removed = helpers.shift_remove(key);
            if let Some(helper) = removed
                .as_ref()
                .and_then(Value::as_str)
                .filter(|helper| !helper.is_empty())
            {
                notes.push(ConfigNote::HelperRemoved {
                    registry: key.to_owned(),
                    helper: printable(helper),
                });
            }
        } else {
            helpers.insert(key.to_owned(), "".into());
            notes.push(ConfigNote::StoreExcepted {
                registry: key.to_owned(),
                store,
            });
        }
    }

    if let Some(auths) = object(&mut config, "auths", true)? {
        let entry = auths.entry(key).or_insert(Value::Null);
        if entry.is_null() {
            *entry = Value::Object(Map::new());
        }
        let Value::Object(entry) = entry else {
            return Err(wrong("auths", "an object of objects"));
        };
        // Docker prefers a token to `auth`, and other clients a user name and password beside it.
        let others = ["identitytoken", "registrytoken", "username", "password", "auth"];
        entry.retain(|key, _| key == "auth" || !others.iter().any(|other| keys::same(other, key)));
        let auth = STANDARD.encode(format!("{}:{}", credential.username, credential.token.expose()));
        entry.insert("auth".to_owned(), auth.into());
        if let Some(part) = auths.keys().find(|other| is_part(other, key)) {
            notes.push(ConfigNote::PartsGoFirst {
                registry: key.to_owned(),
                part: part.clone(),
            });
        }
    }
    Ok(Merged {
        text: Secret::new(print(&config)),
        notes,
    })
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    if bytes.starts_with(b"\xef\xbb\xbf") || bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Fault::ByteOrderMark);
    }
    // Docker takes an empty file as an empty configuration.
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(entries) => keys::united(entries),
        Err(error) if error.is_data() => Err(Fault::NoObject),
        Err(error) => Err(Fault::NoJson {
            line: error.line(),
            column: error.column(),
        }),
    }
}

/// Whether a key of `auths` is that of a workspace or repository of the registry, as containers-auth.json(5) has them; what
/// older versions of Docker wrote behind a host is none.
fn is_part(key: &str, registry: &str) -> bool {
    let part = key.strip_prefix(registry).and_then(|rest| rest.strip_prefix('/'));
    part.is_some_and(|part| !matches!(part.trim_end_matches('/'), "" | "v1" | "v2"))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == "default",
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// The object at `key`, made where it is absent and `make` says so; `null` counts as absent.
fn object<'a>(
    config: &'a mut Map<String, Value>,
    key: &'static str,
    make: bool,
) -> Result<Option<&'a mut Map<String, Value>>, Fault> {
    if make && config.get(key).is_none_or(Value::is_null) {
        config.insert(key.to_owned(), Value::Object(Map::new()));
    }
    match config.get_mut(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(wrong(key, "an object")),
    }
}

fn wrong(key: &'static str, wanted: &'static str) -> Fault {
    Fault::WrongKind { key, wanted }
}

/// As Docker prints it: indented by tabs.
fn print(config: &Map<String, Value>) -> String {
    let mut bytes = Vec::new();
    let mut printer =
        serde_json::Serializer::with_formatter(&mut bytes, serde_json::ser::PrettyFormatter::with_indent(b"\t"));
    #[allow(
        clippy::expect_used,
        reason = "writing to memory cannot fail, and all keys are texts"
    )]
    config.serialize(&mut printer).expect("a map of JSON values is JSON");
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

fn printable(text: &str) -> String {
    excerpt(text, 80)
}

/// What a text has that Docker does not read as its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It begins with a byte order mark, which Docker does not take.
    ByteOrderMark,
    /// It is no JSON.
    NoJson {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of the first fault.
        column: usize,
    },
    /// It is JSON, but no object.
    NoObject,
    /// A key holds another kind of value than Docker reads there.
    WrongKind {
        key: &'static str,
        /// What Docker reads there.
        wanted: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("it begins with a byte order mark"),
            Self::NoJson { line, column } => write!(f, "it is not JSON, see line {line}, column {column}"),
            Self::NoObject => f.write_str("it is not a JSON object"),
            Self::WrongKind { key, wanted } => write!(f, "its `{key}` is not {wanted}"),
        }
    }
}

/// Why no credential was written. The file that is there is then as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// It holds what Docker would not read.
    Content {
        file: PathBuf,
        /// What is wrong in it.
        fault: Fault,
    },
    /// It is longer than any such file.
    TooLong { file: PathBuf },
    /// It may not be read.
    Unreadable {
        file: PathBuf,
        /// Who may, and who we are.
        denied: Denied,
    },
    /// It is a link that leads nowhere or out of its folder.
    Link { file: PathBuf },
    /// It is a folder or a device.
    NoFile { file: PathBuf },
    /// It cannot be read for another reason.
    Reading {
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It holds something else than a pull secret, which is to be written to it.
    Foreign { file: PathBuf },
    /// It cannot be written.
    Output(OutputError),
}

impl ConfigError {
    /// What to do about it, without a trailing period.
    #[must_use]
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Content {
                fault: Fault::ByteOrderMark,
                ..
            } => "save the file as UTF-8 without a byte order mark: Docker itself refuses it".to_owned(),
            Self::Content { .. } => {
                "fix the file, remove it before the pipe, or set `DOCKER_CONFIG` to another folder".to_owned()
            }
            Self::TooLong { .. } | Self::NoFile { .. } | Self::Reading { .. } => {
                "set `DOCKER_CONFIG` to another folder".to_owned()
            }
            // The file may be hidden by its folder, so nothing is said of the file alone.
            Self::Unreadable { file, .. } => format!(
                "in Pipelines a pipe's root is another user than the step's; put this line before the pipe: \
                 `- chmod -R a+rwX {}`, or set `DOCKER_CONFIG` to another folder",
                shell_word(file.parent().unwrap_or(file))
            ),
            Self::Link { .. } => "replace the link by a file, or set `DOCKER_CONFIG` to another folder".to_owned(),
            Self::Foreign { .. } => "name another file in `PULL_SECRET`, or remove this one before the pipe".to_owned(),
            Self::Output(error) => error.hint(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content { file, fault } => write!(f, "`{}` was left alone: {fault}", shown(file)),
            Self::TooLong { file } => write!(f, "`{}` is longer than any Docker configuration", shown(file)),
            Self::Unreadable { file, denied } => {
                write!(
                    f,
                    "`{}` was left alone, since it may not be read: {denied}",
                    shown(file)
                )
            }
            Self::Link { file } => write!(f, "`{}` is a link out of its folder, or to nothing", shown(file)),
            Self::NoFile { file } => write!(f, "`{}` is not a file", shown(file)),
            Self::Reading { file, reason } => write!(f, "`{}` cannot be read: {reason}", shown(file)),
            Self::Foreign { file } => write!(
                f,
                "`{}` was left alone: it exists, and is not a pull secret of this pipe",
                shown(file)
            ),
            Self::Output(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests;
