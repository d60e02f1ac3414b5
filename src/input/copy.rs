//! `ACTION: copy`, checked: which images go where.

use super::actions::{DOCKER, of_no_registry, same_name, transport};
use super::selection::{Selection, Shard, pattern};
use super::{Check, OnExisting};
use crate::credential::{Credential, Source};
use crate::mistake::Mistake;
use crate::names::platform::Platform;
use crate::names::{Host, Namespace, Reference, Repository, Tag, split, split_host};
use crate::text::Quoted;

/// `ACTION: copy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// What goes where, in the order asked for; at least one.
    pub items: Vec<Item>,
    /// One platform instead of all.
    pub platform: Option<Platform>,
    /// What to do with tags that point elsewhere.
    pub on_existing: OnExisting,
    /// Whether signatures, SBOMs and attestations go along.
    pub referrers: bool,
    /// Which share of the images this step takes.
    pub shard: Option<Shard>,
    /// The credential of another registry, and which one.
    pub source_credential: Option<(Host, Credential)>,
}

/// One image, or those of a pattern, and its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is read.
    pub source: Selection,
    /// Where to.
    pub target: Repository,
    /// The tags to set; none where the source's own are kept.
    pub tags: Vec<Tag>,
}

impl Check<'_> {
    pub(super) fn copy(&mut self, namespace: &Namespace) -> Copy {
        let mistakes = self.mistakes.len();
        let items = self.items(namespace);
        let all_known = self.mistakes.len() == mistakes;
        let platform = self.platform();
        let on_existing = self.on_existing();
        let scalars = &self.variables.scalars;
        let (referrers, shard) = (scalars.referrers.clone(), scalars.shard.clone());
        self.boolean("REFERRERS", referrers.as_deref());
        self.boolean("SHARD", shard.as_deref());
        let shard = if super::is_on(shard.as_deref()) {
            self.shard()
        } else {
            None
        };
        let source_credential = self.source_credential(&items, all_known, namespace);
        Copy {
            items,
            platform,
            on_existing,
            referrers: super::is_on(referrers.as_deref()),
            shard,
            source_credential,
        }
    }

    fn items(&mut self, namespace: &Namespace) -> Vec<Item> {
        let source = self.variables.scalars.source.clone();
        let images = self.variables.images.clone();
        match (source, images.is_empty()) {
            (Some(source), false) => {
                let cure = "write one image in `SOURCE`, or several in `IMAGES` as `source` or `source=target`";
                self.mistake(Mistake::new("SOURCE", &source, "`IMAGES` is set too", cure));
                Vec::new()
            }
            (None, true) => {
                let cure = "write `SOURCE: docker.io/library/node:20` or `IMAGES: 'docker.io/node:20 docker.io/redis:7=cache:7'`";
                self.mistake(Mistake::unshown("SOURCE", "`copy` needs what to copy", cure));
                Vec::new()
            }
            (Some(source), true) => self.single(source.trim(), namespace).into_iter().collect(),
            (None, false) => {
                for name in ["TARGET", "TAGS"] {
                    if self.variables.set.contains(&name) {
                        self.mistake(Mistake::unshown(
                            name,
                            "it goes with `SOURCE`, not with `IMAGES`",
                            "write `source=target:tag` in `IMAGES`",
                        ));
                    }
                }
                images.iter().filter_map(|text| self.listed(text, namespace)).collect()
            }
        }
    }

    /// `SOURCE`, `TARGET` and `TAGS`.
    fn single(&mut self, source: &str, namespace: &Namespace) -> Option<Item> {
        let tags = self.tags();
        let target = self.target(namespace);
        if let Some(transport) = transport(source).filter(|transport| *transport != DOCKER) {
            let cure = "for archives, layouts and the daemon use `ACTION: push`";
            self.mistake(Mistake::new(
                "SOURCE",
                source,
                format!("`copy` reads registries, not `{transport}`"),
                cure,
            ));
            return None;
        }
        let selection = self.selection("SOURCE", source, namespace)?;
        let (target, target_tag) = match target {
            Some(target) => target?,
            None => (self.derived("SOURCE", source, &selection, namespace)?, None),
        };
        if target_tag.is_some() && !tags.is_empty() {
            let written = self.variables.scalars.target.clone().unwrap_or_default();
            self.mistake(Mistake::new(
                "TARGET",
                &written,
                "it has a tag, and `TAGS` is set too",
                "write the tags in one of them",
            ));
            return None;
        }
        self.item(
            "SOURCE",
            source,
            selection,
            target,
            if tags.is_empty() {
                target_tag.into_iter().collect()
            } else {
                tags
            },
        )
    }

    /// `source` or `source=target`.
    fn listed(&mut self, text: &str, namespace: &Namespace) -> Option<Item> {
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
            self.mistake(Mistake::new("IMAGES", text, lacking, cure));
            return None;
        }
        if let Some(mistake) = of_no_registry(text, source, namespace) {
            self.mistake(mistake);
            return None;
        }
        let selection = self.selection("IMAGES", source, namespace)?;
        let Some(target) = target else {
            let derived = self.derived("IMAGES", source, &selection, namespace)?;
            return self.item("IMAGES", text, selection, derived, Vec::new());
        };
        match Reference::parse(target, namespace) {
            Err(bad) => self.mistake(Mistake::new("IMAGES", text, bad.to_string(), bad.hint())),
            Ok(target) if target.digest.is_some() => {
                self.mistake(Mistake::new(
                    "IMAGES",
                    text,
                    "its target has a digest, which the image itself decides",
                    "write `source=target:tag`",
                ));
            }
            Ok(target) if *target.repository.host() != namespace.registry => {
                let problem = format!(
                    "its target is on `{}`, but what is written goes to `{}`",
                    target.repository.host(),
                    namespace.registry
                );
                self.mistake(Mistake::new("IMAGES", text, problem, "write the target without a host"));
            }
            Ok(target) => {
                return self.item(
                    "IMAGES",
                    text,
                    selection,
                    target.repository,
                    target.tag.into_iter().collect(),
                );
            }
        }
        None
    }

    fn item(
        &mut self,
        variable: &str,
        text: &str,
        source: Selection,
        target: Repository,
        tags: Vec<Tag>,
    ) -> Option<Item> {
        let tags = match &source {
            Selection::Matching(..) if !tags.is_empty() => {
                self.mistake(Mistake::new(
                    variable,
                    text,
                    "a pattern keeps the tags that it finds",
                    "leave the target's tags out",
                ));
                return None;
            }
            Selection::Matching(repository, _) if *repository == target => {
                self.mistake(same(variable, text, "another target"));
                return None;
            }
            Selection::One(image) if tags.is_empty() => vec![image.tag.clone().unwrap_or_else(Tag::latest)],
            Selection::Matching(..) | Selection::One(_) => tags,
        };
        if let Selection::One(image) = &source
            && image.repository == target
            && image.digest.is_none()
            && tags.iter().all(|tag| image.tag.as_ref() == Some(tag))
        {
            self.mistake(same(variable, text, "another target or other `TAGS`"));
            return None;
        }
        Some(Item { source, target, tags })
    }

    fn selection(&mut self, variable: &str, text: &str, namespace: &Namespace) -> Option<Selection> {
        let parsed = match split(text) {
            Ok((name, Some(tag), None)) if tag.contains(['*', '?']) => pattern(name, tag, namespace),
            Ok(_) => Reference::parse(text, namespace).map(|mut image| {
                if image.tag.is_none() && image.digest.is_none() {
                    image.tag = Some(Tag::latest());
                }
                Selection::One(image)
            }),
            Err(bad) => Err(bad),
        };
        match parsed {
            Ok(selection) => Some(selection),
            Err(bad) => {
                self.mistake(Mistake::new(variable, text, bad.to_string(), bad.hint()));
                None
            }
        }
    }

    fn derived(&mut self, variable: &str, text: &str, source: &Selection, namespace: &Namespace) -> Option<Repository> {
        match same_name(&source.repository().to_string(), namespace) {
            Ok(repository) => Some(repository),
            Err(bad) => {
                self.mistake(Mistake::new(
                    variable,
                    text,
                    format!("no target follows from it: {bad}"),
                    format!("write the target; {}", bad.hint()),
                ));
                None
            }
        }
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
                    "SHARD",
                    problem,
                    "use it in a group of parallel steps, where Pipelines sets both",
                ));
                None
            }
        }
    }

    fn source_credential(
        &mut self,
        items: &[Item],
        all_known: bool,
        namespace: &Namespace,
    ) -> Option<(Host, Credential)> {
        let scalars = &self.variables.scalars;
        let (username, password) = match (scalars.source_username.clone(), scalars.source_password.clone()) {
            (None, None) => return None,
            (Some(username), Some(password)) => (username, password),
            (None, Some(_)) => {
                self.mistake(Mistake::unshown(
                    "SOURCE_USERNAME",
                    "`SOURCE_PASSWORD` is set, but no user name",
                    "write both, or none for a public image",
                ));
                return None;
            }
            (Some(_), None) => {
                self.mistake(Mistake::unshown(
                    "SOURCE_PASSWORD",
                    "`SOURCE_USERNAME` is set, but no password",
                    "write both, or none for a public image",
                ));
                return None;
            }
        };
        let mut hosts: Vec<&Host> = items
            .iter()
            .map(|item| item.source.repository().host())
            .filter(|host| **host != namespace.registry)
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        match hosts.as_slice() {
            [host] => {
                let credential = Credential {
                    source: Source::Foreign,
                    username,
                    token: password,
                };
                Some(((*host).clone(), credential))
            }
            // The one that was not understood may be on another registry.
            [] if !all_known => None,
            [] => {
                self.mistake(Mistake::unshown(
                    "SOURCE_USERNAME",
                    "no source is on another registry",
                    "leave it and `SOURCE_PASSWORD` out",
                ));
                None
            }
            several => {
                let several: Vec<String> = several.iter().map(|host| format!("`{host}`")).collect();
                let problem = format!(
                    "it is for one registry, but the sources are on {}",
                    several.join(" and ")
                );
                self.mistake(Mistake::unshown(
                    "SOURCE_USERNAME",
                    problem,
                    "use one pipe for each registry, so that no password goes to the wrong one",
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
            variable,
            text,
            "source and target are the same",
            format!("write {cure}"),
        );
    }
    Mistake::new(
        variable,
        text,
        "source and target are the same, since a name without host is one of this registry",
        format!(
            "for Docker Hub's write `docker.io/{}`, else {cure}",
            Quoted::new(source)
        ),
    )
}
