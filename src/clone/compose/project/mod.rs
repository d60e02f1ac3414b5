//! Puts a project together out of its files, and says which images it pulls and what it builds.

mod extends;
mod needs;

use super::super::dockerfile;
use super::super::files::{Files, Unread, join};
use super::super::yaml::{self, BadYaml, Node};
use super::super::{Asked, ClonePlace, Mention};
use super::environment::{BadLine, Environment};
use super::service::{BuildContext, Service, WrittenValue};
use super::{MAIN, OVERRIDES};
use crate::files::shown;
use crate::text::Quoted;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Deepest chain of services that extend each other, and of files that include each other.
const DEEPEST: usize = 16;
/// Most files that `COMPOSE_FILE` has read as one project.
const MOST_FILES: usize = 16;
/// Most services that are put together, for all projects of the clone.
const MOST_SERVICES: usize = if cfg!(test) { 2000 } else { 20_000 };
/// Most files that are read into projects; one counts each time that another includes it. Fewer in tests, which are not optimized.
const MOST_LOADS: usize = if cfg!(test) { 200 } else { 1000 };

/// What compose files say.
#[derive(Debug, Default)]
pub(in super::super) struct ComposeFindings {
    pub(in super::super) mentions: Vec<(Rc<Path>, Mention)>,
    /// What each Dockerfile is built with, by its path in the clone; one that no service builds is not here.
    pub(in super::super) builds: BTreeMap<PathBuf, Vec<dockerfile::Build>>,
    /// Dockerfiles that are written in compose files.
    pub(in super::super) inline: Vec<Inline>,
    pub(in super::super) notes: Vec<Unfollowed>,
    /// Files that `COMPOSE_FILE` names, and that are read.
    pub(in super::super) named: Vec<PathBuf>,
}

/// A Dockerfile in a compose file.
#[derive(Debug)]
pub(in super::super) struct Inline {
    pub(in super::super) file: Rc<Path>,
    /// The line before its first, or its only one.
    pub(in super::super) line: usize,
    pub(in super::super) is_block: bool,
    pub(in super::super) text: String,
    pub(in super::super) build: dockerfile::Build,
}

/// Something that could not be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Unfollowed {
    pub(in super::super) place: ClonePlace,
    pub(in super::super) problem: String,
}

/// Reads the projects of these compose files, which lie in the clone, and those that an `.env` among the paths names.
/// `builder` is the platform that images are built on.
pub(in super::super) fn projects(
    files: &mut Files<'_>,
    paths: &[PathBuf],
    builder: &str,
    asked: Asked,
) -> ComposeFindings {
    let mut folders: BTreeMap<&Path, Vec<&Path>> = BTreeMap::from([(Path::new(""), Vec::new())]);
    for path in paths {
        let folder = folders.entry(path.parent().unwrap_or(Path::new(""))).or_default();
        if !is_environment(path) {
            folder.push(path);
        }
    }
    // Files that another folder names belong to that; so those folders go first.
    let (first, mut then): (Vec<_>, Vec<_>) = folders.into_iter().partition(|(folder, _)| {
        let text = files.text(&folder.join(ENVIRONMENT));
        text.is_ok_and(|text| text.contains(COMPOSE_FILE))
    });
    // An application may have an `.env` of its own.
    then.retain(|(_, paths)| !paths.is_empty());
    let mut loader = Loader {
        files,
        builder,
        asked,
        services: MOST_SERVICES,
        loads: MOST_LOADS,
        included: BTreeSet::new(),
        named: HashMap::new(),
        projects: Vec::new(),
        told: HashSet::new(),
        found: ComposeFindings::default(),
    };
    for (folder, paths) in first.into_iter().chain(then) {
        loader.folder(folder, &paths);
    }
    for project in std::mem::take(&mut loader.projects) {
        // What another project includes is a part of that.
        if asked != Asked::Needed || !loader.included.contains(&project.main) {
            loader.project(&project);
        }
    }
    let named = loader.named.into_keys().filter(|path| loader.files.text(path).is_ok());
    loader.found.named = named.collect();
    loader.found
}

/// The file with a folder's variables.
const ENVIRONMENT: &str = ".env";
/// The variable that names the files of a project.
const COMPOSE_FILE: &str = "COMPOSE_FILE";

/// Whether a file may name compose files.
pub(in super::super) fn is_environment(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ENVIRONMENT)
}

/// The services of a project or of a layer of it, in their order.
type Services = Vec<(String, Service)>;

/// Files that are put together.
struct Project {
    /// The file that it is read for.
    main: PathBuf,
    all: Services,
    /// The services that this file says something of; `None` for all.
    names: Option<HashSet<String>>,
    /// What is pulled and built where a service says nothing: `DOCKER_DEFAULT_PLATFORM` (`cmd/compose/options.go` and
    /// `pkg/compose/pull.go` of docker/compose).
    platform: Option<String>,
}

struct Loader<'a, 'f> {
    files: &'a mut Files<'f>,
    builder: &'a str,
    asked: Asked,
    /// How many may still be put together.
    services: usize,
    /// How many files may still be read into projects.
    loads: usize,
    /// Files that another one includes.
    included: BTreeSet<PathBuf>,
    /// Files that `COMPOSE_FILE` names, with the variables of the first project that does.
    named: HashMap<PathBuf, Environment>,
    projects: Vec<Project>,
    told: HashSet<(ClonePlace, String)>,
    found: ComposeFindings,
}

impl Loader<'_, '_> {
    /// The projects of one folder: the one that `docker compose` takes by itself; and each other file over that.
    fn folder(&mut self, folder: &Path, paths: &[&Path]) {
        let mut environment = self.environment(folder, &[]);
        let named = |names: &[&str]| {
            let mut names = names.iter().map(|name| folder.join(name));
            names.find(|path| paths.contains(&path.as_path()))
        };
        let separator = environment.get("COMPOSE_PATH_SEPARATOR");
        let list = environment.get(COMPOSE_FILE).filter(|list| !list.trim().is_empty());
        let mut is_named = false;
        // Paths begin at the folder of the first file, whose `.env` gives what the other leaves open ("`COMPOSE_FILE`").
        let mut start = folder.to_owned();
        let main: Vec<PathBuf> = if let Some(list) = list {
            let mut list = list.split(separator.as_deref().unwrap_or(":"));
            let main = list.by_ref().take(MOST_FILES);
            let main: Vec<PathBuf> = main.filter_map(|name| join(folder, name.trim())).collect();
            if list.next().is_some() {
                let problem =
                    format!("`{COMPOSE_FILE}` names more than {MOST_FILES} files, and no more are read together");
                self.note(&folder.join(ENVIRONMENT), None, problem);
            }
            if let Some(parent) = main.first().and_then(|first| first.parent())
                && parent != folder
            {
                parent.clone_into(&mut start);
                if self.asked != Asked::Defaults {
                    self.read_environment(&mut environment, &start, &[]);
                }
            }
            for path in &main {
                self.named.entry(path.clone()).or_insert_with(|| environment.clone());
            }
            main
        } else if let Some(main) = named(&MAIN) {
            // One that another folder names is a part of its project, as are those over it.
            let of_other = self.named.get(&main).cloned();
            is_named = of_other.is_some();
            environment = of_other.unwrap_or(environment);
            let over = named(&OVERRIDES).filter(|_| !is_named);
            [main].into_iter().chain(over).collect()
        } else {
            Vec::new()
        };
        let platform = environment
            .get("DOCKER_DEFAULT_PLATFORM")
            .filter(|platform| !platform.is_empty());
        let mut base = Vec::new();
        for path in &main {
            let layer = self.file(path, &start, &environment, &mut Vec::new());
            base = over(layer, base);
        }
        if let Some(main) = main.first().filter(|_| !is_named) {
            self.projects.push(Project {
                main: main.clone(),
                all: base.clone(),
                names: None,
                platform: platform.clone(),
            });
        }
        for path in paths {
            self.services = self.services.saturating_sub(base.len());
            let is_of_other = self.named.contains_key(*path) || self.included.contains(*path);
            if is_of_other || main.iter().any(|main| main == path) {
                continue;
            }
            if self.services == 0 {
                self.note(
                    path,
                    None,
                    format!("it is not read, since there are more than {MOST_SERVICES} services before it"),
                );
                continue;
            }
            let layer = self.file(path, folder, &environment, &mut Vec::new());
            // Another file of a name that `docker compose` looks for is one of its own.
            let is_main = path
                .file_name()
                .is_some_and(|name| MAIN.iter().any(|main| name == *main));
            let below: Services = if is_main { Vec::new() } else { base.clone() };
            let names: HashSet<String> = layer.iter().map(|(name, _)| name.clone()).collect();
            self.projects.push(Project {
                main: path.to_path_buf(),
                all: over(layer, below),
                names: Some(names),
                platform: platform.clone(),
            });
        }
    }

    /// The variables of `.env`, or of the files named in its place.
    fn environment(&mut self, folder: &Path, named: &[PathBuf]) -> Environment {
        let mut environment = Environment::default();
        self.read_environment(&mut environment, folder, named);
        if self.asked == Asked::Defaults {
            environment.keep_only(&[COMPOSE_FILE, "COMPOSE_PATH_SEPARATOR"]);
        }
        environment
    }

    fn read_environment(&mut self, environment: &mut Environment, folder: &Path, named: &[PathBuf]) {
        let own = [folder.join(ENVIRONMENT)];
        let paths = if named.is_empty() { &own[..] } else { named };
        for path in paths {
            match self.files.text(path) {
                Ok(text) => {
                    if let Err(BadLine(line)) = environment.read(&text) {
                        self.note(path, Some(line), "`docker compose` cannot read this line".to_owned());
                    }
                }
                Err(Unread::Absent | Unread::NoFile) if named.is_empty() => {}
                Err(why) => self.note(path, None, why.to_string()),
            }
        }
    }

    /// The services of a file with what they extend, and of those that it includes.
    fn file(&mut self, path: &Path, folder: &Path, environment: &Environment, above: &mut Vec<PathBuf>) -> Services {
        self.loads = self.loads.saturating_sub(1);
        if self.loads == 0 || !self.files.budget.has_time() {
            self.note(
                path,
                None,
                "it is not read, since too many compose files are named before it".to_owned(),
            );
            return Vec::new();
        }
        let text = match self.files.text(path) {
            Ok(text) => text,
            Err(why) => {
                self.note(path, None, why.to_string());
                return Vec::new();
            }
        };
        let Some(documents) = self.documents(path, &text) else {
            return Vec::new();
        };
        let mut environment = environment.clone();
        let name = documents
            .iter()
            .find_map(|document| document.some("name")?.scalar().map(str::to_owned));
        if let Some(name) = name.and_then(|name| super::interpolate::fill(&name, &|name| environment.get(name)).ok()) {
            environment.suggest("COMPOSE_PROJECT_NAME", name.text);
        }
        let file: Rc<Path> = path.into();
        let mut services = Vec::new();
        above.push(path.to_owned());
        for document in &documents {
            let context = BuildContext {
                file: Rc::clone(&file),
                text: &text,
                environment: &environment,
                folder: folder.to_owned(),
            };
            let included = document
                .some("include")
                .map(|list| self.include(&context, list, above))
                .unwrap_or_default();
            let mut layer = Vec::new();
            for entry in document
                .some("services")
                .map(|services| services.entries())
                .unwrap_or_default()
            {
                if self.services == 0 || !self.files.budget.has_time() {
                    self.note(
                        path,
                        Some(entry.value.line),
                        format!("there are more than {MOST_SERVICES} services"),
                    );
                    break;
                }
                let mut chain = vec![(path.to_owned(), entry.key.clone())];
                let own = std::slice::from_ref(document);
                let service = self.service(&context, own, &entry.value, &mut chain);
                layer.push((entry.key.clone(), service));
            }
            services = over(over(layer, included), services);
        }
        above.pop();
        services
    }

    fn documents(&mut self, path: &Path, text: &str) -> Option<Vec<Rc<Node>>> {
        match yaml::documents(text) {
            Ok(read) => {
                for line in read.bad_merges {
                    let problem = "the merge key `<<` needs a mapping, or a list of mappings".to_owned();
                    self.note(path, Some(line), problem);
                }
                Some(read.documents)
            }
            Err(bad) => {
                let BadYaml { line, .. } = bad;
                self.note(path, line, Quoted::new(&bad.to_string()).to_string());
                None
            }
        }
    }

    /// The services of the files that `include` names. Their own `.env` gives what the including project leaves open.
    fn include(&mut self, context: &BuildContext<'_>, list: &Node, above: &mut Vec<PathBuf>) -> Services {
        let mut services = Vec::new();
        for item in list.items() {
            let paths: Vec<WrittenValue> = match item.some("path") {
                Some(paths) => texts(context, paths),
                None => context.written(item).into_iter().collect(),
            };
            let project = item
                .some("project_directory")
                .and_then(|folder| context.written(folder));
            let files = item
                .some("env_file")
                .map(|files| texts(context, files))
                .unwrap_or_default();
            let mut layers: Services = Vec::new();
            let mut folder = project.and_then(|folder| join(&context.folder, folder.text()?));
            let mut environment = context.environment.clone();
            let named: Vec<PathBuf> = files
                .iter()
                .filter_map(|file| join(&context.folder, file.text()?))
                .collect();
            for (number, written) in paths.iter().enumerate() {
                if self.loads == 0 {
                    return services;
                }
                let Some(path) = self.existing_path(written, &context.folder, "it includes") else {
                    continue;
                };
                if above.len() > DEEPEST || above.contains(&path) {
                    let problem = format!("it includes `{}`, which includes it", shown(&path));
                    self.note(&written.file, Some(written.line), problem);
                    continue;
                }
                if number == 0 || folder.is_none() {
                    let own = folder.get_or_insert_with(|| path.parent().unwrap_or(Path::new("")).to_owned());
                    // `env_file: /dev/null` is how one says that there is none.
                    if files.is_empty() || !named.is_empty() {
                        let own = own.clone();
                        if self.asked != Asked::Defaults {
                            self.read_environment(&mut environment, &own, &named);
                        }
                    }
                }
                let folder = folder.clone().unwrap_or_default();
                self.included.insert(path.clone());
                let layer = self.file(&path, &folder, &environment, above);
                layers = over(layer, layers);
            }
            services = over(layers, services);
        }
        services
    }

    /// The path that a file names; told where that is not one of the clone, or not there.
    fn existing_path(&mut self, written: &WrittenValue, folder: &Path, does: &str) -> Option<PathBuf> {
        let text = written.text().filter(|text| !text.is_empty());
        let Some(text) = text else {
            let problem = format!("{does} `{}`, which is not known", Quoted::new(&written.raw));
            self.note(&written.file, Some(written.line), problem);
            return None;
        };
        let path = join(folder, text);
        let read = path.as_ref().map_or(Err(Unread::Outside), |path| self.files.text(path));
        if let Err(why) = read {
            let problem = format!("{does} `{}`: {why}", Quoted::new(text));
            self.note(&written.file, Some(written.line), problem);
            return None;
        }
        path
    }

    fn note(&mut self, file: &Path, line: Option<usize>, problem: String) {
        let place = ClonePlace {
            file: file.to_owned(),
            line,
        };
        if self.told.insert((place.clone(), problem.clone())) {
            self.found.notes.push(Unfollowed { place, problem });
        }
    }
}

/// The upper layer over the one below, service by service.
fn over(upper: Services, below: Services) -> Services {
    if below.is_empty() {
        return upper;
    }
    let places: HashMap<String, usize> = below
        .iter()
        .enumerate()
        .map(|(at, (name, _))| (name.clone(), at))
        .collect();
    let mut merged = below;
    for (name, service) in upper {
        match places.get(&name) {
            Some(at) => {
                let below = std::mem::take(&mut merged[*at].1);
                merged[*at].1 = service.over(below);
            }
            None => merged.push((name, service)),
        }
    }
    merged
}

/// One text or a list of them.
fn texts(context: &BuildContext<'_>, node: &Node) -> Vec<WrittenValue> {
    let items = node.items().iter().filter_map(|item| {
        // An `env_file` may also be `{path: …, required: …}`.
        context.written(item.some("path").unwrap_or(item))
    });
    context.written(node).into_iter().chain(items).collect()
}
