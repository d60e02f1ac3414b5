//! Where an archive or layout is, in skopeo's spelling (`containers-transports(5)`).

use crate::files::shown;
use crate::mistake::MistakeKind;
use std::fmt;
use std::path::{Path, PathBuf};

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A tar as `docker save` writes it.
    DockerArchive,
    /// An OCI image layout in a tar.
    OciArchive,
    /// An OCI image layout: a folder.
    Oci,
}

impl Transport {
    pub const ALL: [Self; 3] = [Self::DockerArchive, Self::OciArchive, Self::Oci];

    /// The word before the colon.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DockerArchive => "docker-archive",
            Self::OciArchive => "oci-archive",
            Self::Oci => "oci",
        }
    }

    /// How a location of this form is written.
    const fn form(self) -> &'static str {
        match self {
            Self::DockerArchive => "docker-archive:FILE[:NAME[:TAG]]",
            Self::OciArchive => "oci-archive:FILE[:TAG]",
            Self::Oci => "oci:FOLDER[:TAG]",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An archive or layout, and the image in it that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its form, as the prefix says it.
    pub transport: Transport,
    /// The file or folder: as written, until it is known what that is relative to.
    pub path: PathBuf,
    /// The same as written, which is what the log shows.
    pub written: PathBuf,
    /// What follows the path: `NAME[:TAG]`, a tag, or `@N` for the Nth image counted from 0.
    pub name: Option<String>,
}

impl Location {
    /// Parses `docker-archive:FILE[:NAME[:TAG]]`, `oci-archive:FILE[:TAG]` and `oci:FOLDER[:TAG]`; `None` where the text
    /// begins with no such transport. As in skopeo the path ends at the first colon.
    ///
    /// # Errors
    /// [`BadLocation`] where a transport is named and what follows cannot be meant.
    pub fn parse(text: &str) -> Result<Option<Self>, BadLocation> {
        let Some((transport, rest)) = Transport::ALL
            .into_iter()
            .find_map(|transport| Some((transport, text.strip_prefix(transport.word())?.strip_prefix(':')?)))
        else {
            return Ok(None);
        };
        let bad = |kind| BadLocation { transport, kind };
        if rest.contains(['$', '{', '}']) {
            return Err(bad(BadLocationKind::Unexpanded));
        }
        if let Some(character) = rest.chars().find(|c| c.is_control()) {
            return Err(bad(BadLocationKind::OddCharacter { character }));
        }
        let (path, name) = match rest.split_once(':') {
            Some((path, name)) => (path, Some(name)),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(bad(BadLocationKind::NoPath));
        }
        match name {
            Some("") => return Err(bad(BadLocationKind::EmptyName)),
            Some(name) if name.ends_with(':') => return Err(bad(BadLocationKind::EmptyName)),
            Some(name) if name.starts_with("//") => return Err(bad(BadLocationKind::Url)),
            Some(name) if name.len() > 512 || name.contains(char::is_whitespace) => {
                return Err(bad(BadLocationKind::Name { name: name.to_owned() }));
            }
            _ => {}
        }
        Ok(Some(Self {
            transport,
            path: PathBuf::from(path),
            written: PathBuf::from(path),
            name: name.map(str::to_owned),
        }))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, shown(&self.written))?;
        match &self.name {
            Some(name) => write!(f, ":{}", shown(Path::new(name))),
            None => Ok(()),
        }
    }
}

/// A location that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLocation {
    transport: Transport,
    kind: BadLocationKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum BadLocationKind {
    NoPath,
    EmptyName,
    Url,
    Unexpanded,
    OddCharacter { character: char },
    Name { name: String },
}

impl BadLocation {
    /// What to write instead, without a trailing period.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.kind {
            BadLocationKind::Unexpanded => "check the spelling of the variable, and that the step has it".to_owned(),
            BadLocationKind::EmptyName => {
                "write what belongs after the `:`, and check that the variable in its place is set in \
                                   this step"
                    .to_owned()
            }
            _ => format!("write `{}`", self.transport.form()),
        }
    }

    /// What kind of mistake it is in a variable.
    #[must_use]
    pub(crate) const fn mistake_kind(&self) -> MistakeKind {
        match &self.kind {
            BadLocationKind::Unexpanded => MistakeKind::NotFilledIn,
            BadLocationKind::EmptyName => MistakeKind::Empty,
            BadLocationKind::NoPath
            | BadLocationKind::Url
            | BadLocationKind::OddCharacter { .. }
            | BadLocationKind::Name { .. } => MistakeKind::Location,
        }
    }
}

impl fmt::Display for BadLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            BadLocationKind::NoPath => write!(f, "no file or folder follows `{}:`", self.transport),
            BadLocationKind::EmptyName => f.write_str("the name or tag after the last `:` is empty"),
            BadLocationKind::Url => write!(f, "a path follows `{}:`, not a URL", self.transport),
            BadLocationKind::Unexpanded => f.write_str("it holds a `$` or brace, so a variable was not filled in"),
            BadLocationKind::OddCharacter { character } => {
                write!(f, "it holds the character `{}`", character.escape_debug())
            }
            BadLocationKind::Name { name } => write!(f, "`{}` is not the name of an image", shown(Path::new(name))),
        }
    }
}

impl std::error::Error for BadLocation {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn locations_are_read_as_skopeo_reads_them() {
        for (text, transport, path, name) in [
            ("docker-archive:app.tar", Transport::DockerArchive, "app.tar", None),
            (
                "docker-archive:/a/b.tar:shop/api:1.2",
                Transport::DockerArchive,
                "/a/b.tar",
                Some("shop/api:1.2"),
            ),
            (
                "docker-archive:b.tar:localhost:5000/api:1",
                Transport::DockerArchive,
                "b.tar",
                Some("localhost:5000/api:1"),
            ),
            ("docker-archive:b.tar:@1", Transport::DockerArchive, "b.tar", Some("@1")),
            (
                "oci-archive:out/x.tar:v1",
                Transport::OciArchive,
                "out/x.tar",
                Some("v1"),
            ),
            ("oci:out", Transport::Oci, "out", None),
            ("oci:./out dir:1.0", Transport::Oci, "./out dir", Some("1.0")),
        ] {
            let location = Location::parse(text).unwrap().expect(text);
            assert_eq!(
                (location.transport, location.path.as_path(), location.name.as_deref()),
                (transport, Path::new(path), name)
            );
            assert_eq!(location.to_string(), text);
        }
        for text in ["shop/api:1", "docker-daemon:x", "oci", "ocid:x", "docker://x", ""] {
            assert_eq!(Location::parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_gets_a_cure() {
        for (text, fact, cure) in [
            ("oci:", "no file or folder follows `oci:`", "oci:FOLDER[:TAG]"),
            ("oci-archive::1", "no file or folder", "oci-archive:FILE[:TAG]"),
            ("oci:out:", "is empty", "is set in this step"),
            ("docker-archive:x.tar:api:", "is empty", "is set in this step"),
            ("oci:out:$TAG", "was not filled in", "spelling"),
            ("docker-archive:https://x/y", "not a URL", "docker-archive:FILE"),
            ("oci:out:a b", "`a b` is not the name of an image", "oci:FOLDER"),
            ("oci:o\u{1b}ut", "the character `\\u{1b}`", "oci:FOLDER"),
        ] {
            let error = Location::parse(text).expect_err(text);
            assert!(error.to_string().contains(fact), "{text}: {error}");
            assert!(error.hint().contains(cure), "{text}: {}", error.hint());
        }
    }

    proptest! {
        #[test]
        fn every_text_is_answered_on_one_line(text in "(docker-archive|oci|oci-archive):.{0,40}") {
            if let Err(error) = Location::parse(&text) {
                let said = format!("{error}{}", error.hint());
                prop_assert!(!said.contains(char::is_control));
            }
        }
    }
}
