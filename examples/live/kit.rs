//! The kit: what it is given, what it says beforehand, its bounds, its table, and what it takes away at the end.

use super::questions;
use crg_pipe::parts::live::{Live, Place, Question, Reply, Rights, Way, shown};
use std::time::Duration;

/// Most requests of one run.
const MOST_REQUESTS: usize = 120;
/// Longest run, without the taking away.
const LONGEST: Duration = Duration::from_secs(600);
/// Longest taking away.
const LONGEST_CLEANING: Duration = Duration::from_secs(120);
/// Most megabytes that are sent to find a limit.
const MOST_MEGABYTES: usize = 64;
/// Longest answer in the table, in characters.
const LONGEST_ANSWER: usize = 300;
/// How all tags of the kit begin.
pub(crate) const TAG: &str = "live-kit-";

/// What it is given.
pub(crate) struct Given {
    pub(crate) host: String,
    pub(crate) workspace: String,
    pub(crate) package: String,
    pub(crate) username: String,
    token: String,
    /// The credential that is built into Pipelines.
    pub(crate) built_in: Option<(String, String)>,
    /// Another package, to mount into.
    pub(crate) second: Option<String>,
    /// A tag that a rule of the workspace makes immutable.
    pub(crate) immutable: Option<String>,
    /// Tokens of the same account: without the scope to write, without the scope to read, and of a kind that does not work.
    pub(crate) read_only: Option<String>,
    pub(crate) write_only: Option<String>,
    pub(crate) wrong_kind: Option<String>,
    pub(crate) megabytes: usize,
    way: Way,
    consents: bool,
}

impl Given {
    /// Reads the environment.
    ///
    /// # Errors
    /// What is missing, a line each.
    fn read(value: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let value = |name: &str| {
            value(name)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let mut missing = Vec::new();
        let mut needed = |name: &str, what: &str| {
            value(name).unwrap_or_else(|| {
                missing.push(format!("{name} is not set: {what}"));
                String::new()
            })
        };
        let built_in = value("BITBUCKET_PACKAGES_USERNAME").zip(value("BITBUCKET_PACKAGES_TOKEN"));
        let of_person = value("ATLASSIAN_API_TOKEN").is_some() || built_in.is_none();
        let workspace = needed("BITBUCKET_WORKSPACE", "the workspace that the package is in");
        let package = needed(
            "PACKAGE",
            "a package to try on, without its workspace; best one that nobody needs",
        );
        let (username, token) = match &built_in {
            Some(built_in) if !of_person => built_in.clone(),
            _ => (
                needed(
                    "ATLASSIAN_ACCOUNT_EMAIL",
                    "the email of the account that the API token belongs to",
                ),
                needed(
                    "ATLASSIAN_API_TOKEN",
                    "an API token with scopes, or run in a step, which has a credential built in",
                ),
            ),
        };
        let megabytes = value("MEGABYTES").map_or(Some(8), |text| text.parse().ok());
        let megabytes = megabytes.filter(|number| (1..=MOST_MEGABYTES).contains(number));
        if megabytes.is_none() {
            missing.push(format!("MEGABYTES is not a number from 1 to {MOST_MEGABYTES}"));
        }
        let authority = match value("CA_CERTIFICATE") {
            Some(text) if !text.contains("-----BEGIN") => match std::fs::read_to_string(&text) {
                Ok(pem) => Some(pem),
                Err(error) => {
                    missing.push(format!("CA_CERTIFICATE: the file cannot be read: {error}"));
                    None
                }
            },
            text => text,
        };
        if !missing.is_empty() {
            return Err(missing.join("\n"));
        }
        Ok(Self {
            host: value("REGISTRY").unwrap_or_else(|| "crg.apkg.io".to_owned()),
            workspace,
            package,
            username,
            token,
            built_in,
            second: value("SECOND_PACKAGE"),
            immutable: value("IMMUTABLE_TAG"),
            read_only: value("READ_ONLY_TOKEN"),
            write_only: value("WRITE_ONLY_TOKEN"),
            wrong_kind: value("WRONG_KIND_TOKEN"),
            megabytes: megabytes.unwrap_or(1),
            way: Way {
                proxy: value("HTTPS_PROXY"),
                no_proxy: value("NO_PROXY").unwrap_or_default(),
                authority,
            },
            consents: value("YES").as_deref() == Some("1"),
        })
    }

    /// Whether all is asked with the credential of Pipelines.
    pub(crate) fn is_built_in(&self) -> bool {
        self.built_in.as_ref().is_some_and(|(_, token)| *token == self.token)
    }

    /// The four letters by which Atlassian's tokens are told apart.
    pub(crate) fn token_prefix(&self) -> Option<String> {
        let prefix: String = self.token.chars().take(4).collect();
        let is_prefix = prefix.starts_with("AT") && prefix.chars().all(|c| c.is_ascii_uppercase());
        is_prefix.then_some(prefix)
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.workspace, self.package)
    }

    /// What the run will do.
    fn announcement(&self) -> String {
        let (host, path) = (&self.host, self.path());
        let mut lines = vec![
            format!("This asks `{host}` some forty questions about `{path}`, in less than ten minutes:"),
            format!("- It pushes images of a few hundred bytes to `{path}`, under tags that begin with `{TAG}`."),
            format!(
                "- It begins an upload of {} MB and gives it up. It sends at most {MOST_REQUESTS} \
                 requests, and those that sign in and list the tags.",
                self.megabytes
            ),
            "- It tries tokens that it makes up, a package that is not there, and deleting its own tags.".to_owned(),
            "- At the end it deletes what it pushed, and names what could not be deleted. The registry itself frees the \
             blobs, later."
                .to_owned(),
        ];
        if let Some(second) = &self.second {
            lines.push(format!(
                "- It mounts a blob of some bytes into `{}/{second}`, where no tag names it (SECOND_PACKAGE).",
                self.workspace
            ));
        }
        if let Some(tag) = &self.immutable {
            lines.push(format!(
                "- It pushes the tag `{tag}`, which then mostly STAYS: a workspace admin must delete it (IMMUTABLE_TAG)."
            ));
        }
        lines.push(
            "- Nothing else of the package is read, changed or deleted. Tokens go to the registry and to Bitbucket alone; \
             none is printed."
                .to_owned(),
        );
        lines.join("\n")
    }
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Agrees,
    Differs,
    NotAsked,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) question: String,
    pub(crate) answer: String,
    pub(crate) assumed: &'static str,
    pub(crate) verdict: Verdict,
}

/// A run.
pub(crate) struct Kit<'a> {
    pub(crate) given: &'a Given,
    pub(crate) live: Live,
    /// What this run's names end with.
    pub(crate) id: String,
    pub(crate) rows: Vec<Row>,
    /// What was pushed, newest last: tags and digests.
    pub(crate) pushed: Vec<String>,
    requests: usize,
}

impl Kit<'_> {
    /// Asks, within the bound.
    pub(crate) async fn ask(&mut self, live: &Live, question: Question) -> Reply {
        if self.requests == MOST_REQUESTS {
            return Reply {
                words: format!("not asked: more than {MOST_REQUESTS} requests"),
                ..Reply::default()
            };
        }
        self.requests += 1;
        live.ask(&question).await
    }

    /// Notes an answer.
    pub(crate) fn row(&mut self, question: &str, assumed: &'static str, answer: &str, agrees: bool) {
        let verdict = if agrees { Verdict::Agrees } else { Verdict::Differs };
        self.note(question, assumed, answer, verdict);
    }

    /// Notes that a question was not asked.
    pub(crate) fn skip(&mut self, question: &str, assumed: &'static str, why: &str) {
        self.note(question, assumed, &format!("not asked: {why}"), Verdict::NotAsked);
    }

    fn note(&mut self, question: &str, assumed: &'static str, answer: &str, verdict: Verdict) {
        let answer = self.tidy(answer);
        self.rows.push(Row {
            question: question.to_owned(),
            answer,
            assumed,
            verdict,
        });
    }

    /// A text fit for an issue: on one line, in one cell, without secrets and without names that are nobody's business.
    fn tidy(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let paths = self
            .given
            .second
            .iter()
            .map(|second| format!("{}/{second}", self.given.workspace));
        for (place, path) in [self.given.path()].into_iter().chain(paths).enumerate() {
            let names = ["WORKSPACE/PACKAGE", "WORKSPACE/SECOND_PACKAGE"];
            text = text.replace(&path, names[place.min(1)]);
        }
        text = text.replace(&format!("{}/", self.given.workspace), "WORKSPACE/");
        text = shown(&text);
        let built_in = self.given.built_in.iter().map(|(username, _)| username);
        for username in built_in.chain([&self.given.username]) {
            text = text.replace(username, "USERNAME");
        }
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
        match text.char_indices().nth(LONGEST_ANSWER) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    /// Deletes what was pushed, newest first; what is left in the end could not be deleted.
    async fn clean(&mut self) {
        let live = self.live.clone();
        let path = |name: &str| format!("{}/manifests/{name}", live.path());
        for name in self.pushed.iter().rev() {
            live.ask(&question("DELETE", path(name), Rights::PullDelete)).await;
        }
        // A tag that cannot be deleted by its name goes with its manifest; and a push that was broken off may have come late.
        for number in (0..self.pushed.len()).rev() {
            let path = path(&self.pushed[number]);
            let look = question("GET", path.clone(), Rights::Pull);
            if live.ask(&look).await.status != 404 {
                live.ask(&question("DELETE", path, Rights::PullDelete)).await;
                if live.ask(&look).await.status != 404 {
                    continue;
                }
            }
            self.pushed.remove(number);
        }
    }
}

/// A request without a body.
pub(crate) fn question(method: &'static str, path: String, rights: Rights) -> Question {
    Question {
        method,
        place: Place::Below(path),
        rights,
        also: None,
        media_type: None,
        body: None,
        range: None,
    }
}

/// The whole run, and its exit status: 0 with a table, 2 where it did not begin, 1 where something is left behind; else that
/// of the signal that stopped it, which `stop` gives.
pub(crate) async fn run(
    value: &dyn Fn(&str) -> Option<String>,
    say: &mut dyn FnMut(&str),
    stop: impl Future<Output = u8>,
) -> u8 {
    let given = match Given::read(value) {
        Ok(given) => given,
        Err(missing) => {
            say(&shown(&missing));
            say("docs/live.md says what to set.");
            return 2;
        }
    };
    let credential = Some((given.username.as_str(), given.token.as_str()));
    let live = match Live::new(&given.host, &given.path(), credential, &given.way) {
        Ok(live) => live,
        Err(why) => {
            say(&shown(&why));
            return 2;
        }
    };
    say(&shown(&given.announcement()));
    if !given.consents {
        say("\nNothing was asked yet. To agree, run it again with YES=1.");
        return 2;
    }
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let mut kit = Kit {
        given: &given,
        live,
        id: format!("{:x}", since.as_micros()),
        rows: Vec::new(),
        pushed: Vec::new(),
        requests: 0,
    };
    let mut stopped = None;
    let ended = tokio::select! {
        why = questions::ask_all(&mut kit) => why,
        () = tokio::time::sleep(LONGEST) => Some("the time was up"),
        status = stop => {
            stopped = Some(status);
            Some("it was stopped")
        }
    };
    if stopped.is_some() {
        say("\nStopped. What was pushed is being deleted; please wait.");
    }
    // A further signal does not end this: what is not deleted now is left behind.
    let _ = tokio::time::timeout(LONGEST_CLEANING, kit.clean()).await;
    say(&kit.page(ended));
    if kit.pushed.is_empty() { stopped.unwrap_or(0) } else { 1 }
}

impl Kit<'_> {
    /// The table, for an issue.
    fn page(&self, ended: Option<&str>) -> String {
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        let (agree, differ, not) = (
            count(Verdict::Agrees),
            count(Verdict::Differs),
            count(Verdict::NotAsked),
        );
        let version = env!("CARGO_PKG_VERSION");
        let mut lines = vec![
            String::new(),
            format!(
                "crg-pipe {version} asked `{}`: {agree} answers agree, {differ} differ, {not} questions not asked",
                self.given.host
            ),
            String::new(),
            "| Question | Answer | The pipe assumes | Agrees |".to_owned(),
            "|---|---|---|---|".to_owned(),
        ];
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Agrees => "yes",
                Verdict::Differs => "**no**",
                Verdict::NotAsked => "–",
            };
            lines.push(format!(
                "| {} | {} | {} | {verdict} |",
                row.question, row.answer, row.assumed
            ));
        }
        lines.push(String::new());
        if let Some(why) = ended {
            lines.push(format!("Not all was asked: {why}."));
        }
        lines.push(self.remains());
        shown(&lines.join("\n"))
    }

    /// What is left in the package: tags, and images that no tag of the kit names.
    fn remains(&self) -> String {
        if self.pushed.is_empty() {
            return "Nothing is left in the package but blobs that no manifest names, which the registry frees by itself.".to_owned();
        }
        let (images, tags): (Vec<&String>, Vec<&String>) = self.pushed.iter().partition(|name| name.contains(':'));
        let named: Vec<String> = tags.iter().map(|tag| format!("`{tag}`")).collect();
        let what = match (named.as_slice(), images.as_slice()) {
            ([], images) => {
                let images: Vec<String> = images.iter().map(|image| format!("`{image}`")).collect();
                format!("images without a tag: {}", images.join(", "))
            }
            (tags, []) => format!("the tags {}", tags.join(", ")),
            (tags, images) => format!("the tags {}, and {} images (manifests)", tags.join(", "), images.len()),
        };
        format!(
            "LEFT IN THE PACKAGE, as the registry did not delete it: {what}. Delete it in Bitbucket, on the package's page."
        )
    }
}
