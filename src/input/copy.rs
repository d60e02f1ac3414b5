//! `ACTION: copy`, checked: which images go where.

use super::images::{DOCKER, of_no_registry, same_name, transport};
use super::selection::{Selection, Shard, pattern};
use super::{Check, OnExisting, Read};
use crate::credential::Credential;
use crate::mistake::{Mistake, MistakeKind};
use crate::names::platform::Platform;
use crate::names::{AtLeastOne, Host, Reference, Repository, Tag, split, split_host};
use crate::registry::Attachments;
use crate::text::Quoted;

/// `ACTION: copy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    /// What goes where, in the order asked for.
    pub items: AtLeastOne<CopyItem>,
    /// One platform instead of all.
    pub platform: Option<Platform>,
    /// What to do with tags that point elsewhere.
    pub on_existing: OnExisting,
    /// Whether signatures, SBOMs and attestations go along.
    pub referrers: bool,
    /// What each image must have.
    pub required: Attachments,
    /// Which share of the images this step takes.
    pub shard: Option<Shard>,
    /// The credential of another registry, and which one.
    pub source_credential: Option<(Host, Credential)>,
}

/// One image, or those of a pattern, and its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyItem {
    pub source: Selection,
    pub target: Repository,
    /// The tags to set; none where the source's own are kept.
    pub tags: Vec<Tag>,
}

impl Check<'_> {
    pub(super) fn copy(&mut self) -> Read<Copy> {
        let items = self.items();
        let platform = self.platform();
        let on_existing = self.on_existing();
        let scalars = &self.variables.scalars;
        let referrers = self.switch("REFERRERS", scalars.referrers.as_deref());
        let required = self.required();
        let is_share = self.switch("SHARD", scalars.shard.as_deref());
        let shard = if is_share { self.shard() } else { None };
        let hosts = items.iter().flatten();
        let hosts = hosts.map(|item| item.source.repository().host().clone()).collect();
        let source_credential = self.source_credential("source", hosts, items.iter().all(Result::is_ok));
        Ok(Copy {
            items: items.transpose()?,
            platform,
            on_existing,
            referrers,
            required,
            shard,
            source_credential,
        })
    }

    fn items(&mut self) -> AtLeastOne<Read<CopyItem>> {
        let source = self.variables.scalars.source.as_deref();
        let images = AtLeastOne::of(self.variables.images.iter().collect());
        if let Err(mistaken) = self.not_too_many_images() {
            return Err(mistaken).into();
        }
        match (source, images) {
            (Some(source), Some(_)) => {
                let cure = "write one image in `SOURCE`, or several in `IMAGES` as `source` or `source=target`";
                Err(self.mistake(Mistake::new(
                    MistakeKind::Together,
                    "SOURCE",
                    source,
                    "`IMAGES` is set too",
                    cure,
                )))
                .into()
            }
            (None, None) => {
                let cure = "write `SOURCE: docker.io/library/node:20` or `IMAGES: 'docker.io/node:20 docker.io/redis:7=cache:7'`";
                Err(self.mistake(Mistake::unshown(
                    MistakeKind::Missing,
                    "SOURCE",
                    "`copy` needs what to copy",
                    cure,
                )))
                .into()
            }
            (Some(source), None) => self.single(source.trim()).into(),
            (None, Some(images)) => {
                for name in ["TARGET", "TAGS"] {
                    if self.variables.set.contains(&name) {
                        self.mistake(Mistake::unshown(
                            MistakeKind::Together,
                            name,
                            "it goes with `SOURCE`, not with `IMAGES`",
                            "write `source=target:tag` in `IMAGES`",
                        ));
                    }
                }
                images.map(|text| self.listed(text))
            }
        }
    }

    /// `SOURCE`, `TARGET` and `TAGS`.
    fn single(&mut self, source: &str) -> Read<CopyItem> {
        let tags = self.tags();
        let target = self.target();
        if let Some(transport) = transport(source).filter(|transport| *transport != DOCKER) {
            let problem = format!("`copy` reads registries, not `{transport}`");
            let cure = "for archives, layouts and the daemon use `ACTION: push`";
            return Err(self.mistake(Mistake::new(MistakeKind::NotForAction, "SOURCE", source, problem, cure)));
        }
        let selection = self.selection("SOURCE", source)?;
        let (target, target_tag) = match target? {
            Some(target) => target,
            None => (self.derived("SOURCE", source, &selection)?, None),
        };
        if target_tag.is_some() && !self.variables.tags.is_empty() {
            let written = self.variables.scalars.target.as_deref().unwrap_or_default();
            let problem = "it has a tag, and `TAGS` is set too";
            return Err(self.mistake(Mistake::new(
                MistakeKind::Together,
                "TARGET",
                written,
                problem,
                "write the tags in one of them",
            )));
        }
        let mut tags = tags?;
        tags.extend(target_tag);
        self.item("SOURCE", source, selection, target, tags)
    }

    /// `source` or `source=target`.
    fn listed(&mut self, text: &str) -> Read<CopyItem> {
        let (source, target) = match text.split_once('=') {
            Some((source, target)) => (source, Some(target)),
            None => (text, None),
        };
        let lacking = match (source, target) {
            ("", _) => Some("it has no source before the `=`"),
            (_, Some("")) => Some("it has no target after the `=`"),
            _ => None,
        };
        if let Some(lacking) = lacking {
            let cure = "write `source=target` without spaces, and check that the variables in it are set in this step";
            return Err(self.mistake(Mistake::new(MistakeKind::Empty, "IMAGES", text, lacking, cure)));
        }
        if let Some(mistake) = of_no_registry(text, source, &self.namespace) {
            return Err(self.mistake(mistake));
        }
        let selection = self.selection("IMAGES", source)?;
        let Some(target) = target else {
            let derived = self.derived("IMAGES", source, &selection)?;
            return self.item("IMAGES", text, selection, derived, Vec::new());
        };
        let registry = &self.namespace.registry;
        let mistake = match Reference::parse(target, &self.namespace) {
            Err(bad) => Mistake::of_reference("IMAGES", text, &bad),
            Ok(target) if target.digest.is_some() => Mistake::new(
                MistakeKind::NotForAction,
                "IMAGES",
                text,
                "its target has a digest, which the image itself decides",
                "write `source=target:tag`",
            ),
            Ok(target) if target.repository.host() != registry => {
                let problem = format!(
                    "its target is on `{}`, but what is written goes to `{registry}`",
                    target.repository.host()
                );
                Mistake::new(
                    MistakeKind::NotForAction,
                    "IMAGES",
                    text,
                    problem,
                    "write the target without a host",
                )
            }
            Ok(target) => {
                let tags = target.tag.into_iter().collect();
                return self.item("IMAGES", text, selection, target.repository, tags);
            }
        };
        Err(self.mistake(mistake))
    }

    fn item(
        &mut self,
        variable: &str,
        text: &str,
        source: Selection,
        target: Repository,
        tags: Vec<Tag>,
    ) -> Read<CopyItem> {
        let tags = match &source {
            Selection::Matching(..) if !tags.is_empty() => {
                return Err(self.mistake(Mistake::new(
                    MistakeKind::Together,
                    variable,
                    text,
                    "a pattern keeps the tags that it finds",
                    "leave the target's tags out",
                )));
            }
            Selection::Matching(repository, _) if *repository == target => {
                return Err(self.mistake(same(variable, text, "another target")));
            }
            Selection::One(image) if tags.is_empty() => vec![image.tag.clone().unwrap_or_else(Tag::latest)],
            Selection::Matching(..) | Selection::One(_) => tags,
        };
        if let Selection::One(image) = &source
            && image.repository == target
            && image.digest.is_none()
            && tags.iter().all(|tag| image.tag.as_ref() == Some(tag))
        {
            return Err(self.mistake(same(variable, text, "another target or other `TAGS`")));
        }
        Ok(CopyItem { source, target, tags })
    }

    fn selection(&mut self, variable: &str, text: &str) -> Read<Selection> {
        let namespace = &self.namespace;
        let parsed = match split(text) {
            Ok((name, Some(tag), None)) if tag.contains(['*', '?']) => pattern(name, tag, namespace),
            Ok(_) => Reference::parse(text, namespace).map(|image| Selection::One(image.or_latest())),
            Err(bad) => Err(bad),
        };
        parsed.map_err(|bad| self.mistake(Mistake::of_reference(variable, text, &bad)))
    }

    fn derived(&mut self, variable: &str, text: &str, source: &Selection) -> Read<Repository> {
        same_name(&source.repository().to_string(), &self.namespace).map_err(|bad| {
            self.mistake(Mistake::new(
                MistakeKind::Missing,
                variable,
                text,
                format!("no target follows from it: {bad}"),
                format!("write the target; {}", bad.hint()),
            ))
        })
    }

    fn shard(&mut self) -> Option<Shard> {
        let scalars = &self.variables.scalars;
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.trim().parse::<usize>().ok());
        let (step, count) = (
            number(&scalars.bitbucket_parallel_step),
            number(&scalars.bitbucket_parallel_step_count),
        );
        match (step, count) {
            (Some(step), Some(count)) if step < count => Some(Shard { step, count }),
            // Outside a parallel group there is one share: everything.
            (None, None) => None,
            _ => {
                let said = |text: &Option<String>| match text {
                    Some(text) => format!("is `{}`", Quoted::new(text)),
                    None => "is not set".to_owned(),
                };
                let problem = format!(
                    "`BITBUCKET_PARALLEL_STEP` {} and `BITBUCKET_PARALLEL_STEP_COUNT` {}, which do not fit together",
                    said(&scalars.bitbucket_parallel_step),
                    said(&scalars.bitbucket_parallel_step_count)
                );
                self.mistake(Mistake::unshown(
                    MistakeKind::Together,
                    "SHARD",
                    problem,
                    "use it in a group of parallel steps, where Pipelines sets both",
                ));
                None
            }
        }
    }
}

/// The mistake of an image that would be copied to itself, mostly because Docker Hub's was meant.
fn same(variable: &str, text: &str, cure: &str) -> Mistake {
    let source = text.split('=').next().unwrap_or(text);
    if split_host(source).0.is_some() {
        return Mistake::new(
            MistakeKind::SameTarget,
            variable,
            text,
            "source and target are the same",
            format!("write {cure}"),
        );
    }
    Mistake::new(
        MistakeKind::SameTarget,
        variable,
        text,
        "source and target are the same, since a name without host is one of this registry",
        format!(
            "for Docker Hub's write `docker.io/{}`, else {cure}",
            Quoted::new(source)
        ),
    )
}
