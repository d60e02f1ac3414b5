//! Files and folders that a run writes: where they are, and whether the step would see them.

use super::{Check, Read};
use crate::archive::{Location, Transport};
use crate::engine::Address;
use crate::files::{Output, shown};
use crate::mistake::{Mistake, MistakeKind};
use crate::names::{BadReference, Host, Repository, Tag, is_ref_name, split, split_host};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// `TO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PullTo {
    /// The step's Docker daemon.
    Daemon(Address),
    /// A file or folder.
    Archive(Location),
}

/// `REPORT` and `OUTPUT_ENV`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outputs {
    /// File for the JSON report.
    pub report: Option<Output>,
    /// File for lines to `source`.
    pub env: Option<Output>,
}

impl Check<'_> {
    /// `TO`: the daemon, unless an archive is named. It has a name for one image only.
    pub(super) fn destination(&mut self, several: bool) -> Read<PullTo> {
        let written = self.variables.scalars.to.as_deref().map(str::trim);
        let Some(written) = written.filter(|to| !to.is_empty() && *to != "docker-daemon:") else {
            return self.daemon().map(PullTo::Daemon);
        };
        let mistake = match Location::parse(written) {
            Ok(Some(mut location)) => {
                location.path = self.archive_path(written, &location)?;
                let name = location.name.as_deref();
                match name.map(|name| output_name(name, location.transport)) {
                    Some(Err((problem, cure))) => Mistake::new(MistakeKind::Location, "TO", written, problem, cure),
                    Some(Ok(())) if several => {
                        let cure = "leave the name out: each image keeps its tag";
                        Mistake::new(
                            MistakeKind::Together,
                            "TO",
                            written,
                            "it names one image, and there are several to pull",
                            cure,
                        )
                    }
                    _ => return Ok(PullTo::Archive(location)),
                }
            }
            Ok(None) => Mistake::new(
                MistakeKind::Location,
                "TO",
                written,
                "it names no form of output",
                "write `oci:FOLDER`, `oci-archive:FILE` or `docker-archive:FILE`; leave it out for the step's Docker daemon",
            ),
            Err(bad) => Mistake::new(bad.mistake_kind(), "TO", written, bad.to_string(), bad.hint()),
        };
        Err(self.mistake(mistake))
    }

    /// `REPORT` and `OUTPUT_ENV`; without those that are mistakes.
    pub(super) fn outputs(&mut self) -> Outputs {
        let scalars = &self.variables.scalars;
        let (report, env) = (scalars.report.as_deref(), scalars.output_env.as_deref());
        let report_path = report.and_then(|text| self.output_path("REPORT", text, Path::new(text.trim())).ok());
        let env_path = env.and_then(|text| self.output_path("OUTPUT_ENV", text, Path::new(text.trim())).ok());
        if let (Some(report), Some(same)) = (&report_path, env)
            && env_path.as_ref() == Some(report)
        {
            self.mistake(Mistake::new(
                MistakeKind::Together,
                "OUTPUT_ENV",
                same,
                "it is the file of `REPORT` too",
                "write two names",
            ));
        }
        Outputs {
            report: report_path,
            env: env_path,
        }
    }

    /// The path of `TO`. Links that are in its way are told before anything is fetched.
    fn archive_path(&mut self, written: &str, location: &Location) -> Read<PathBuf> {
        let output = self.output_path("TO", written, &location.path)?;
        let path = output.path();
        let linked = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        let problem = if linked && location.transport == Transport::Oci {
            // What is written below a link goes where it leads.
            output
                .join("index.json")
                .leads_out()
                .map(|_| "it is a link that leads outside the clone")
        } else if linked && fs::metadata(path).is_ok_and(|target| !target.is_file()) {
            Some("it is a link to a folder or a device, which an archive would replace")
        } else {
            None
        };
        if let Some(problem) = problem {
            let cure = "name a file or folder of the clone, or remove the link before";
            return Err(self.mistake(Mistake::new(MistakeKind::Output, "TO", written, problem, cure)));
        }
        Ok(path.to_owned())
    }

    /// A path to write to. In a pipe it must lie in the clone: the step sees nothing else of the pipe's container.
    /// `text` is what was written in the variable `name`.
    pub(super) fn output_path(&mut self, name: &str, text: &str, path: &Path) -> Read<Output> {
        let path = normal(&self.step.working_folder.join(path));
        let Some(clone) = self.step.bound() else {
            return Ok(path.into());
        };
        let clone = normal(&clone);
        let output = Output::new(path, Some(clone.clone()));
        let problem = if output.path() == clone {
            "it is the clone itself".to_owned()
        } else if !output.path().starts_with(&clone) {
            "it is outside the clone, so the step would never see it".to_owned()
        } else if let Some(link) = output.leads_out() {
            format!(
                "`{}` is a link that leads outside the clone, so the step would never see it",
                shown(&link)
            )
        } else {
            return Ok(output);
        };
        Err(self.mistake(Mistake::new(
            MistakeKind::Output,
            name,
            text,
            problem,
            format!("write a path below `{}`", clone.display()),
        )))
    }
}

/// Checks the name that an image shall have in an archive: what is wrong with it, and the cure. `docker load` refuses a
/// whole archive for a name that is none to it.
fn output_name(name: &str, transport: Transport) -> Result<(), (String, String)> {
    if name.starts_with('@') {
        let problem = "`@` and a number mean an image by its place, and are not a name";
        return Err((
            problem.to_owned(),
            "write the tag that the image shall have there".to_owned(),
        ));
    }
    if transport != Transport::DockerArchive {
        if is_ref_name(name) {
            return Ok(());
        }
        let problem = format!(
            "the specification of OCI layouts has no name like `{name}`, and skopeo, buildah and umoci could not choose it"
        );
        let cure = "write letters and digits, with single `.`, `_`, `-`, `:`, `@`, `+` or `/` between them";
        return Err((problem, cure.to_owned()));
    }
    let bad = |bad: BadReference| (bad.to_string(), bad.hint());
    let (repository, tag, digest) = split(name).map_err(bad)?;
    if digest.is_some() {
        let problem = "it names a digest, which the image itself decides";
        return Err((problem.to_owned(), "write `docker-archive:FILE:NAME:TAG`".to_owned()));
    }
    tag.map(Tag::parse).transpose().map_err(bad)?;
    let (host, path) = split_host(repository);
    host.map(Host::parse).transpose().map_err(bad)?;
    Repository::new(Host::bitbucket(), path).map_err(bad)?;
    Ok(())
}

/// A path with `.` and `..` worked out, for a file that need not exist yet. What `..` means after a link only the file system
/// knows.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if fs::symlink_metadata(&normal).is_ok_and(|found| found.is_symlink())
                    && let Ok(real) = fs::canonicalize(&normal)
                {
                    normal = real;
                }
                normal.pop();
            }
            part => normal.push(part),
        }
        normal
    })
}
