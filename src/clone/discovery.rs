//! Goes through the clone's Dockerfiles and compose files, and picks out what they name of the registry: what is needed, or all.

use super::budget::ReadBudget;
use super::files::Files;
use super::walk::{self, Walk};
use super::{Asked, ClonePlace, Discovered, FoundImage, Mention, PassedOver, compose, dockerfile, meant, pipelines};
use crate::names::platform::Platform;
use crate::names::{BadReference, Host, Namespace, Reference, split_host};
use crate::text::Quoted;
use crate::text::order::{sort, sort_by_key};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Most images that are listed where they are needed: each costs a request or more.
const MOST_IMAGES: usize = 500;
/// Most images that are listed where they are only named.
const MOST_NAMED: usize = 5000;
/// Most things passed over that are listed.
const MOST_PASSED_OVER: usize = 1000;
/// Most places of one image that are listed.
const MOST_PLACES: usize = 100;

/// The images of `namespace.registry` that Dockerfiles and compose files of the clone name with their host: without one, a
/// name in these files is Docker Hub's. `target` is the platform that is built for, if not that of the machine.
#[must_use]
pub(crate) fn images(clone: &Path, namespace: &Namespace, target: Option<&Platform>) -> Discovered {
    discover(clone, namespace, target, Asked::Needed)
}

/// All images of `namespace.registry` that these files name with their host, whether a build takes them, makes them or does
/// neither, with the defaults of variables and with what is given for them.
#[must_use]
pub(crate) fn named(clone: &Path, namespace: &Namespace) -> Discovered {
    discover(clone, namespace, None, Asked::Named)
}

fn discover(clone: &Path, namespace: &Namespace, target: Option<&Platform>, asked: Asked) -> Discovered {
    let budget = ReadBudget::new();
    let is_of_compose = |name: &str| compose::is_name(name) || compose::is_environment(Path::new(name));
    let Walk { files: paths, unread } =
        walk::walk(clone, &budget, |name| dockerfile::is_name(name) || is_of_compose(name));
    let (composed, built): (Vec<PathBuf>, Vec<PathBuf>) = paths.into_iter().partition(|path| {
        path.file_name()
            .is_some_and(|name| is_of_compose(&name.to_string_lossy()))
    });
    let machine = Platform::new("linux", std::env::consts::ARCH, None);
    let mut discovery = Discovery {
        namespace,
        machine,
        target,
        asked,
        files: Files::new(clone, &budget),
        mentions: Vec::new(),
        told: HashSet::new(),
        discovered: Discovered::default(),
    };
    // What an `.env` says is of use to few.
    for (folder, problem) in unread.into_iter().filter(|(path, _)| !compose::is_environment(path)) {
        discovery.pass_over(&folder, None, problem);
    }
    discovery.compose_and_build(&composed, built);
    if asked == Asked::Named {
        discovery.without_environment(&composed);
        discovery.written_out();
    }
    discovery.pick();
    let mut discovered = discovery.discovered;
    discovered.cut = budget.spent();
    discovered
}

struct Discovery<'a> {
    namespace: &'a Namespace,
    machine: Platform,
    target: Option<&'a Platform>,
    asked: Asked,
    files: Files<'a>,
    mentions: Vec<(PathBuf, Mention)>,
    told: HashSet<(ClonePlace, String)>,
    discovered: Discovered,
}

impl Discovery<'_> {
    /// Reads the compose files, and then what they and others build.
    fn compose_and_build(&mut self, composed: &[PathBuf], built: Vec<PathBuf>) {
        let builder = self.machine.to_string();
        let found = compose::projects(&mut self.files, composed, &builder, self.asked);
        for note in found.notes {
            self.pass_over_at(note.place, note.problem);
        }
        let mentions = found.mentions.into_iter();
        self.mentions
            .extend(mentions.map(|(file, mention)| (file.to_path_buf(), mention)));
        for inline in found.inline {
            let build = self.with_target(inline.build);
            for mut mention in dockerfile::images(&inline.text, &build) {
                let (Mention::Image { line, .. } | Mention::Unclear { line, .. }) = &mut mention;
                let inside = line.filter(|_| inline.is_block).unwrap_or_default();
                *line = Some(inline.line + inside);
                self.mentions.push((inline.file.to_path_buf(), mention));
            }
        }
        let mut builds: BTreeMap<PathBuf, Vec<dockerfile::Build>> = BTreeMap::new();
        builds.extend(built.iter().map(|path| (path.clone(), Vec::new())));
        let named: HashSet<PathBuf> = built.into_iter().collect();
        builds.extend(found.builds);
        let mut looked_at = found.named;
        let files = composed.iter().filter(|path| !compose::is_environment(path));
        looked_at.extend(files.cloned());
        for (path, mut builds) in builds {
            let text = match self.files.text(&path) {
                Ok(text) => text,
                Err(why) => {
                    // What a compose file alone names may be made by the build itself.
                    if named.contains(&path) {
                        self.pass_over(&path, None, why.to_string());
                        looked_at.push(path);
                    }
                    continue;
                }
            };
            // What a build gives does not make the file name its defaults any less.
            if builds.is_empty() || self.asked == Asked::Named {
                builds.push(dockerfile::Build {
                    builder: builder.clone(),
                    ..dockerfile::Build::default()
                });
            }
            for build in builds {
                let build = self.with_target(build);
                let mentions = dockerfile::images(&text, &build);
                self.mentions
                    .extend(mentions.into_iter().map(|mention| (path.clone(), mention)));
            }
            looked_at.push(path);
        }
        sort(&mut looked_at);
        looked_at.dedup();
        self.discovered.looked_at = looked_at;
    }

    /// What compose files name where no `.env` gives a variable another value than its default.
    fn without_environment(&mut self, composed: &[PathBuf]) {
        let builder = self.machine.to_string();
        let found = compose::projects(&mut self.files, composed, &builder, Asked::Defaults);
        let known = found.mentions.into_iter().filter(|(_, mention)| mention.is_known());
        self.mentions
            .extend(known.map(|(file, mention)| (file.to_path_buf(), mention)));
    }

    /// What any line of a file that was read names by itself.
    fn written_out(&mut self) {
        for (path, text) in self.files.read_so_far() {
            for (image, line) in pipelines::in_text(text, self.namespace) {
                let image = image.to_string();
                let mention = Mention::Image {
                    written: image.clone(),
                    image,
                    line: Some(line),
                    platform: None,
                    hole: None,
                    is_optional: false,
                };
                self.mentions.push((path.to_owned(), mention));
            }
        }
    }

    fn with_target(&self, mut build: dockerfile::Build) -> dockerfile::Build {
        build.target = build.target.or_else(|| self.target.map(ToString::to_string));
        build
    }

    /// The registry's own among all that was found, in the order of files and lines.
    fn pick(&mut self) {
        let mut mentions = std::mem::take(&mut self.mentions);
        sort_by_key(&mut mentions, |(file, mention)| {
            let (Mention::Image { line, .. } | Mention::Unclear { line, .. }) = mention;
            (file.clone(), *line)
        });
        let mut numbers = HashMap::new();
        for (file, mention) in mentions {
            self.mention(file, mention, &mut numbers);
        }
        sort_by_key(&mut self.discovered.passed_over, |passed| passed.place.clone());
    }

    fn mention(
        &mut self,
        file: PathBuf,
        mention: Mention,
        numbers: &mut HashMap<(Reference, Option<Platform>), usize>,
    ) {
        let (image, written, line, platform, hole, is_optional) = match mention {
            Mention::Image {
                image,
                written,
                line,
                platform,
                hole,
                is_optional,
            } => (image, written, line, platform, hole, is_optional),
            Mention::Unclear { written, line, why } => {
                if self.may_be_ours(&written) {
                    self.pass_over(&file, line, format!("`{}`: {why}", Quoted::new(&written)));
                }
                return;
            }
        };
        let place = ClonePlace { file, line };
        match (self.reference(&image), hole) {
            (Ok(Some(image)), _) => {
                let platform = self.platform(platform.as_deref());
                let most = match self.asked {
                    Asked::Needed => MOST_IMAGES,
                    Asked::Named | Asked::Defaults => MOST_NAMED,
                };
                let images = &mut self.discovered.images;
                let key = (image, platform);
                let number = match numbers.get(&key) {
                    Some(number) => *number,
                    None if images.len() >= most => {
                        self.discovered.more_images += 1;
                        return;
                    }
                    None => {
                        let (image, platform) = key.clone();
                        images.push(FoundImage {
                            image,
                            platform,
                            places: Vec::new(),
                            is_optional: true,
                        });
                        numbers.insert(key, images.len() - 1);
                        images.len() - 1
                    }
                };
                let found = &mut images[number];
                found.is_optional &= is_optional;
                if found.places.len() < MOST_PLACES && !found.places.contains(&place) {
                    found.places.push(place);
                }
            }
            (_, Some(why)) if self.may_be_ours(&written) => {
                self.pass_over_at(place, format!("`{}`: {why}", Quoted::new(&written)));
            }
            (Err(problem), _) => self.pass_over_at(place, format!("`{}`: {problem}", Quoted::new(&image))),
            (Ok(None), _) => {}
        }
    }

    /// The platform to pull: `None` for the one that is pulled anyway.
    fn platform(&self, written: Option<&str>) -> Option<Platform> {
        let written = written?;
        let platform = Platform::parse(written).ok().or_else(|| {
            // Docker also takes an architecture alone, and a system alone for this machine's.
            let architecture = if written == "linux" {
                std::env::consts::ARCH
            } else {
                written
            };
            Platform::parse(&format!("linux/{architecture}")).ok()
        })?;
        let anyway = self.target.unwrap_or(&self.machine);
        (platform != *anyway).then_some(platform)
    }

    /// The image if it is the registry's; what is wrong with one that was meant to be, and what to write instead.
    fn reference(&self, image: &str) -> Result<Option<Reference>, String> {
        if let Some(odd) = meant::odd(image, &self.namespace.registry) {
            return Err(format!("{}; write `{}`", odd.problem, Quoted::new(&odd.right)));
        }
        let Some(host) = split_host(image).0.and_then(|host| Host::parse(host).ok()) else {
            return Ok(None);
        };
        let is_ours = host == self.namespace.registry;
        match Reference::parse(image, self.namespace) {
            Ok(reference) if is_ours => Ok(Some(reference.or_latest())),
            Err(bad) if is_ours || matches!(bad, BadReference::WrongHost { .. }) => {
                Err(format!("{bad}; {}", bad.hint()))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Whether a text with variables in it may name an image of the registry: its host is that, or a variable.
    fn may_be_ours(&self, written: &str) -> bool {
        let written = written.trim_start_matches(['"', '\'']);
        let written = written.split_once("://").map_or(written, |(_, address)| address);
        match written.split_once('/') {
            Some((host, _)) => host.contains('$') || meant::path(written, &self.namespace.registry).is_some(),
            None => written.starts_with('$'),
        }
    }

    fn pass_over(&mut self, file: &Path, line: Option<usize>, problem: String) {
        self.pass_over_at(
            ClonePlace {
                file: file.to_owned(),
                line,
            },
            problem,
        );
    }

    fn pass_over_at(&mut self, place: ClonePlace, problem: String) {
        let passed_over = &mut self.discovered.passed_over;
        if passed_over.len() == MOST_PASSED_OVER {
            let problem = format!("from here on, no more than these {MOST_PASSED_OVER} problems are listed");
            passed_over.push(PassedOver { place, problem });
        } else if passed_over.len() < MOST_PASSED_OVER && self.told.insert((place.clone(), problem.clone())) {
            passed_over.push(PassedOver { place, problem });
        }
    }
}
