//! Lines with skopeo and crane, and what the pipe has in their place.

use super::words::{after_options, has, positional, value_of, with_tag};
use super::{Instead, Script};

/// Options of `skopeo copy` that take a value (`skopeo-copy(1)`).
const OF_SKOPEO_COPY: [&str; 24] = [
    "--src-creds",
    "--dest-creds",
    "--src-authfile",
    "--dest-authfile",
    "--authfile",
    "--format",
    "-f",
    "--src-cert-dir",
    "--dest-cert-dir",
    "--retry-times",
    "--sign-by",
    "--digestfile",
    "--multi-arch",
    "--dest-compress-format",
    "--dest-compress-level",
    "--src-username",
    "--src-password",
    "--dest-username",
    "--dest-password",
    "--src-registry-token",
    "--dest-registry-token",
    "--additional-tag",
    "--src-shared-blob-dir",
    "--dest-shared-blob-dir",
];
/// Options of `skopeo` itself that take a value (`skopeo(1)`).
const OF_SKOPEO: [&str; 8] = [
    "--command-timeout",
    "--policy",
    "--registries.d",
    "--tmpdir",
    "--override-arch",
    "--override-os",
    "--override-variant",
    "--user-agent-prefix",
];
/// Options of `crane` that take a value.
const OF_CRANE: [&str; 11] = [
    "-u",
    "--username",
    "-p",
    "--password",
    "--platform",
    "-c",
    "--cache_path",
    "--format",
    "-j",
    "--jobs",
    "--image-refs",
];

impl Script<'_> {
    pub(super) fn skopeo(&self, all: &[String]) -> Option<(&'static str, Instead)> {
        let words = after_options(all, |option| OF_SKOPEO.contains(&option));
        let (name, rest) = words.split_first()?;
        match name.as_str() {
            "login" => {
                let valued = ["-u", "--username", "-p", "--password", "--authfile", "--cert-dir"];
                let host = positional(rest, &valued);
                self.is_registry(host.first()?)
                    .then(|| ("skopeo login", self.sign_in()))
            }
            "copy" => {
                let [source, target] = positional(rest, &OF_SKOPEO_COPY)[..] else {
                    return None;
                };
                let platform = value_of(all, "--override-arch").map(|architecture| {
                    let system = value_of(all, "--override-os").unwrap_or_else(|| "linux".to_owned());
                    let variant = value_of(all, "--override-variant").map(|variant| format!("/{variant}"));
                    format!("{system}/{architecture}{}", variant.unwrap_or_default())
                });
                let instead = match (source.strip_prefix("docker://"), target.strip_prefix("docker://")) {
                    (Some(source), Some(target)) => self.moved(source, target, platform),
                    (None, Some(target)) => self.pushed(source, target),
                    (Some(source), None) => self.written(source, target, platform),
                    (None, None) => None,
                };
                Some(("skopeo copy", instead?))
            }
            _ => None,
        }
    }

    pub(super) fn crane(&self, words: &[String]) -> Option<(&'static str, Instead)> {
        let (name, rest) = after_options(words, |option| option == "--platform").split_first()?;
        let platform = value_of(words, "--platform").filter(|platform| platform != "all");
        match (name.as_str(), positional(rest, &OF_CRANE).as_slice()) {
            ("auth", ["login", host, ..]) if self.is_registry(host) => Some(("crane auth login", self.sign_in())),
            ("copy" | "cp", [source, target]) => {
                let instead = if has(rest, &["-a", "--all-tags"]) {
                    self.only_signs_in(&[source, target])
                } else {
                    self.moved(source, target, platform)
                };
                Some(("crane copy", instead?))
            }
            ("tag", [image, tag]) => {
                let (name, _) = with_tag(image);
                Some(("crane tag", self.moved(image, &format!("{name}:{tag}"), None)?))
            }
            ("push", [file, target]) => {
                // What is called otherwise may be a folder, which is an OCI layout.
                let is_tar = [".tar", ".tar.gz", ".tgz"].iter().any(|end| file.ends_with(end));
                let instead = if is_tar {
                    self.pushed(&format!("docker-archive:{file}"), target)
                } else {
                    self.only_signs_in(&[target])
                };
                Some(("crane push", instead?))
            }
            ("pull", [source, file]) => {
                let form = match value_of(rest, "--format").as_deref() {
                    None | Some("tarball" | "legacy") => "docker-archive",
                    Some("oci") => "oci",
                    Some(_) => return None,
                };
                Some(("crane pull", self.written(source, &format!("{form}:{file}"), platform)?))
            }
            _ => None,
        }
    }

    /// From a file, a folder or the daemon into the registry.
    fn pushed(&self, source: &str, target: &str) -> Option<Instead> {
        if !(source.starts_with("docker-daemon:") || is_of_the_clone(source)) {
            return self.only_signs_in(&[target]);
        }
        Some(Instead::Pipe(self.renamed(source.to_owned(), target)?))
    }

    /// From the registry into a file, a folder or the daemon.
    fn written(&self, source: &str, to: &str, platform: Option<String>) -> Option<Instead> {
        let mut entry = vec![("IMAGES", self.short(source)?)];
        // The pipe leaves an image's name as it is.
        let is_same = to.strip_prefix("docker-daemon:").is_some_and(|name| {
            let or_latest = |image: &str| {
                let (name, tag) = with_tag(image);
                (name.to_owned(), tag.unwrap_or("latest").to_owned())
            };
            or_latest(name) == or_latest(source)
        });
        if !is_same {
            if !is_of_the_clone(to) {
                return self.only_signs_in(&[source]);
            }
            entry.push(("TO", to.to_owned()));
        }
        entry.extend(platform.map(|platform| ("PLATFORM", platform)));
        Some(Instead::Pipe(self.entry(entry)))
    }
}

/// Whether a text names an archive or a layout, and a path that the pipe's container has too: below the clone.
fn is_of_the_clone(location: &str) -> bool {
    let Some((form, rest)) = location.split_once(':') else {
        return false;
    };
    let path = rest.split(':').next().unwrap_or(rest);
    let below = ["$BITBUCKET_CLONE_DIR/", "${BITBUCKET_CLONE_DIR}/"]
        .iter()
        .find_map(|clone| path.strip_prefix(clone))
        .unwrap_or(path);
    let mut parts = below.split('/').filter(|part| !matches!(*part, "" | "."));
    matches!(form, "docker-archive" | "oci-archive" | "oci")
        && !below.starts_with(['/', '~', '$'])
        && parts.clone().next().is_some()
        && parts.all(|part| part != "..")
}
