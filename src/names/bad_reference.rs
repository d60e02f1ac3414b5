//! Why a text is no image reference, and what to write instead.

use super::{Host, LONGEST_PATH, Tag};
use crate::text::excerpt;
use std::fmt;

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum BadReference {
    Empty,
    Url,
    Unexpanded,
    Quoted,
    OddCharacter {
        character: char,
    },
    Host {
        host: String,
    },
    HostOnly {
        host: String,
    },
    WrongHost {
        host: String,
        what: &'static str,
        path: String,
    },
    Port {
        host: String,
        path: String,
    },
    NoWorkspace {
        written: String,
        suggestion: Option<String>,
    },
    Uppercase {
        path: String,
    },
    Path {
        path: String,
    },
    TooLong {
        length: usize,
    },
    EmptyPart,
    EmptyTag,
    EmptyDigest,
    Tag {
        tag: String,
    },
    Digest {
        digest: String,
    },
}

impl fmt::Display for BadReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it names no image"),
            Self::Url => f.write_str("an image name has no `https://` or `docker://`"),
            Self::Unexpanded => f.write_str("it holds a `$` or brace, so a variable was not filled in"),
            Self::Quoted => f.write_str("it holds a quotation mark"),
            Self::OddCharacter { character } => write!(f, "it holds the character `{}`", character.escape_debug()),
            Self::Host { host } => write!(f, "`{}` is not a host name", shown(host)),
            Self::HostOnly { host } => write!(f, "`{}` is a registry, not an image", shown(host)),
            Self::WrongHost { host, what, .. } => {
                write!(f, "`{}` is not Bitbucket's container registry: {what}", shown(host))
            }
            Self::Port { host, .. } => write!(
                f,
                "`{}` has a port, and Bitbucket's container registry is written without one",
                shown(host)
            ),
            Self::NoWorkspace { written, .. } => write!(f, "`{}` does not name the workspace", shown(written)),
            Self::Uppercase { path } => write!(
                f,
                "`{}` has capital letters, which repository names cannot have",
                shown(path)
            ),
            Self::Path { path } => write!(f, "`{}` is not a repository name", shown(path)),
            Self::TooLong { length } => write!(f, "the repository name has {length} characters"),
            Self::EmptyPart => f.write_str("a part of the name is empty"),
            Self::EmptyTag => f.write_str("the tag after the `:` is empty"),
            Self::EmptyDigest => f.write_str("the digest after the `@` is empty"),
            Self::Tag { tag } => write!(f, "`{}` is not a tag", shown(tag)),
            Self::Digest { digest } => write!(f, "`{}` is not a digest", shown(digest)),
        }
    }
}

impl BadReference {
    /// What to write instead, without a trailing period.
    #[must_use]
    pub fn hint(&self) -> String {
        const FORM: &str = "write `package:tag`, `workspace/package:tag` or `crg.apkg.io/workspace/package:tag`";
        match self {
            Self::Empty | Self::HostOnly { .. } => FORM.to_owned(),
            Self::Url => "leave the scheme out: `crg.apkg.io/workspace/package:tag`".to_owned(),
            Self::Unexpanded => "check the spelling of the variable, and that the step has it".to_owned(),
            Self::Quoted => "leave the inner quotation marks out".to_owned(),
            Self::OddCharacter { .. } => "image names are plain ASCII without white space".to_owned(),
            Self::Host { .. } => "a host is a name or address with an optional port, such as `crg.apkg.io`".to_owned(),
            Self::WrongHost { path, .. } | Self::Port { path, .. } => {
                format!("write `{}/{}`", Host::BITBUCKET, shown(path))
            }
            Self::NoWorkspace {
                suggestion: Some(suggestion),
                ..
            } => format!("write `{}`", shown(suggestion)),
            Self::NoWorkspace { suggestion: None, .. } => {
                "write `workspace/package:tag`; a package alone needs `BITBUCKET_WORKSPACE`, which Pipelines sets"
                    .to_owned()
            }
            Self::Uppercase { path } => format!("write `{}`", shown(&path.to_ascii_lowercase())),
            Self::Path { .. } => {
                "its parts are lower-case letters and digits, joined by `.`, `_`, `__` or `-`".to_owned()
            }
            Self::TooLong { .. } => format!("at most {LONGEST_PATH} are allowed"),
            Self::EmptyPart => {
                "write `package` or `workspace/package`, and check that the variable in its place is set in this step"
                    .to_owned()
            }
            Self::EmptyTag => "write a tag, and check that the variable in its place is set in this step".to_owned(),
            Self::EmptyDigest => {
                "write a digest, and check that the variable in its place is set in this step".to_owned()
            }
            Self::Tag { tag } if is_pattern(tag) => {
                "patterns of tags are for the `SOURCE` and `IMAGES` of `copy`, without a digest".to_owned()
            }
            Self::Tag { .. } => {
                "a tag has up to 128 letters, digits, `_`, `.` and `-`, and does not begin with `.` or `-`; \
                 branch names with `/` must be changed, as in `${BITBUCKET_BRANCH//\\//-}`"
                    .to_owned()
            }
            Self::Digest { .. } => "a digest is `sha256:` and 64 hexadecimal digits in lower case".to_owned(),
        }
    }
}

/// Whether a text would be a tag but for signs of a pattern.
fn is_pattern(tag: &str) -> bool {
    let plain = format!("_{}", tag.replace(['*', '?'], ""));
    plain.len() <= tag.len() && Tag::parse(&plain).is_ok()
}

/// On one line and bounded: a tag or path may come from a file, and be anything.
fn shown(text: &str) -> String {
    excerpt(text, LONGEST_PATH)
}

impl std::error::Error for BadReference {}
