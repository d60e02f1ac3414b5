//! What to do about an archive that cannot be read or written.

use super::{ArchiveError, ArchiveErrorKind, text};
use crate::archive::location::Transport;
use crate::files::shell_word;

impl ArchiveError {
    /// What to do about it, without a trailing period.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match &self.kind {
            ArchiveErrorKind::NotFound => {
                "check the path (relative ones start at the working folder) and that the step's script \
                                  wrote it before the pipe, or that it is an artifact of an earlier step"
                    .to_owned()
            }
            ArchiveErrorKind::Denied(_) => format!(
                "in Pipelines a pipe's root is another user than the step's; put this line before the pipe: \
                 `- chmod -R a+rX {}`",
                shell_word(&self.path)
            ),
            ArchiveErrorKind::NotOfKind {
                instead: Some(form), ..
            }
            | ArchiveErrorKind::NoImages { instead: Some(form) } => format!("write `{form}:…` in place of it"),
            ArchiveErrorKind::NotOfKind { .. } => format!(
                "name the form that it has: {}",
                Transport::ALL.map(|transport| format!("`{transport}:…`")).join(", ")
            ),
            ArchiveErrorKind::Empty => "what writes it has failed or is not done: `docker buildx build` leaves an empty file where the build \
                               fails; the log of the lines before the pipe tells"
                .to_owned(),
            ArchiveErrorKind::NotATar { is_gzip: false } => {
                "name a file that `docker save`, `docker buildx build`, skopeo, buildah or kaniko has written".to_owned()
            }
            ArchiveErrorKind::NotATar { is_gzip: true } => {
                "it is compressed twice; before the pipe, decompress it once with `gunzip`".to_owned()
            }
            ArchiveErrorKind::EndsAtColon { .. } => "rename the file: a path ends at its first `:`, and the image's name follows".to_owned(),
            ArchiveErrorKind::Compressed { with } => {
                format!("decompress it before the pipe, or have it written plain or with gzip in place of {with}")
            }
            ArchiveErrorKind::NoImages { instead: None } => {
                "whatever wrote it had none to write: `docker save` and kaniko's `--destination` need a name, and \
                 `umoci init` makes a layout without one"
                    .to_owned()
            }
            ArchiveErrorKind::LayerCompressed { .. } => {
                "have the image saved with plain layers or with gzip: registries and what pulls from them know no other \
                 compression than gzip and zstd"
                    .to_owned()
            }
            ArchiveErrorKind::NoSuchImage { .. } | ArchiveErrorKind::Ambiguous { .. } => {
                "write the image's name behind the path, as in `docker-archive:FILE:NAME:TAG` or `oci:FOLDER:TAG`; \
                 `@0` means the first"
                    .to_owned()
            }
            ArchiveErrorKind::Damaged { .. } | ArchiveErrorKind::Missing { .. } | ArchiveErrorKind::WrongDigest { .. } => {
                "make the archive again, and check that the disk was not full then".to_owned()
            }
            ArchiveErrorKind::Hostile { .. } => {
                "do not use this archive; no tool that writes images makes such entries".to_owned()
            }
            ArchiveErrorKind::LinksOut { writing: true, .. } => "remove the link, or name another folder".to_owned(),
            ArchiveErrorKind::LinksOut { writing: false, .. } => format!(
                "before the pipe, copy the layout with what its links lead to: `- cp -rL {} image`, and name `oci:image`",
                shell_word(&self.path)
            ),
            ArchiveErrorKind::Partial { platforms, .. } if platforms.is_empty() => {
                "make it again with all that its index names".to_owned()
            }
            ArchiveErrorKind::Partial { platforms, .. } => format!(
                "write in `PLATFORM` what it has, {}; or make it again with all of them",
                platforms
                    .iter()
                    .map(|platform| format!("`{}`", text(platform)))
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
            ArchiveErrorKind::TwoWays { .. } => {
                "have it written again by `docker save`, skopeo, buildx or `tar --create` of an unpacked one; as it is, \
                 another program may see another image in it"
                    .to_owned()
            }
            ArchiveErrorKind::FileSystem { .. } => {
                "`docker export` writes a container's files; `docker commit` makes an image of the container, and \
                 `docker save` writes it"
                    .to_owned()
            }
            ArchiveErrorKind::CannotHold {
                transport: Transport::DockerArchive,
                ..
            } => "write `oci-archive:FILE` or `oci:FOLDER`, which hold every image".to_owned(),
            // A file of a layout, and not an archive itself.
            ArchiveErrorKind::Output(error) if error.path() != self.path => error.hint_below(&self.path),
            ArchiveErrorKind::Output(error) => error.hint(),
            ArchiveErrorKind::Unreadable(_) | ArchiveErrorKind::TooLarge { .. } | ArchiveErrorKind::CannotHold { .. } => return None,
        })
    }
}
