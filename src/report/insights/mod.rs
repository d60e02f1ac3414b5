//! Code Insights: a report on the commit, sent through the API proxy that Pipelines puts beside each step.
//!
//! The proxy adds the credential, so this sends none; it takes plain HTTP with a whole URI and speaks TLS to Bitbucket
//! itself ("Code Insights", Atlassian). A report that cannot be sent is a line in the log: a run is what it is without it.

mod body;

pub use body::{Ended, annotations, report};

use crate::clone::pipelines;
use crate::input::is_on;
use crate::input::variables::Variables;
use crate::names::Host;
use crate::registry::{Reach, error::read_body, retry};
use crate::text::USER_AGENT;
use reqwest::{Client, Method};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a pipe finds the proxy; for the step's own script it is `localhost`.
const PROXY: &str = "http://host.docker.internal:29418";
/// Bitbucket's API as the proxy takes it.
const API: &str = "http://api.bitbucket.org/2.0/repositories";
/// How long a run waits for its report to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// How the line begins that says why there is none.
const NO_REPORT: &str = "there is no report on the commit: ";
/// The same where the report itself was taken.
const NO_ANNOTATIONS: &str = "the report on the commit lacks its annotations: ";
/// Most bytes of a refusal that are read.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// `CODE_INSIGHTS`: the wish for a report, and what Pipelines says of the place for it.
#[derive(Debug, Clone)]
pub struct Insights {
    workspace: Option<String>,
    repository: Option<String>,
    commit: Option<String>,
    build: Option<String>,
    /// Which of the steps of a parallel group this is: each has its own report.
    parallel_step: Option<String>,
    clone_folder: Option<PathBuf>,
    begun: Instant,
}

impl Insights {
    /// `None` unless it is wanted.
    #[must_use]
    pub fn of(variables: &Variables) -> Option<Self> {
        let scalars = &variables.scalars;
        let plain = |value: &Option<String>| value.clone().filter(|value| is_plain(value));
        is_on(scalars.code_insights.as_deref()).then(|| Self {
            workspace: plain(&scalars.bitbucket_workspace),
            repository: plain(&scalars.bitbucket_repo_slug),
            commit: plain(&scalars.bitbucket_commit),
            build: plain(&scalars.bitbucket_build_number),
            parallel_step: plain(&scalars.bitbucket_parallel_step),
            clone_folder: scalars.bitbucket_clone_dir.as_ref().map(PathBuf::from),
            begun: Instant::now(),
        })
    }

    /// Sends the report of a run that has ended, with a mark at each line of `bitbucket-pipelines.yml` whose image will not
    /// be pulled. Whatever is in the way is told in one line; so is a step that is stopped meanwhile.
    pub async fn send(&self, ended: &Ended<'_>, registry: &Host, stopped: impl Future<Output = ()>) {
        match self.try_send(ended, registry, stopped).await {
            Ok(said) => tracing::info!("{said}"),
            Err(why) => tracing::warn!("{why}"),
        }
    }

    async fn try_send(
        &self,
        ended: &Ended<'_>,
        registry: &Host,
        stopped: impl Future<Output = ()>,
    ) -> Result<String, String> {
        let (Some(workspace), Some(repository), Some(commit)) = (&self.workspace, &self.repository, &self.commit)
        else {
            return Err(format!("{NO_REPORT}{}", self.missing()));
        };
        let mut id = format!("crg-pipe-{}", ended.action.replace(' ', "-"));
        if let Some(step) = &self.parallel_step {
            id.push('-');
            id.push_str(step);
        }
        let link = self
            .build
            .as_ref()
            .map(|build| format!("https://bitbucket.org/{workspace}/{repository}/pipelines/results/{build}"));
        let report = report(ended, self.begun.elapsed(), link.as_deref());
        let marks = self.marks(registry);

        let client = Client::builder()
            // Not the user's proxies, but this one, whatever `NO_PROXY` says; and no TLS on the way to it.
            .no_proxy()
            .proxy(reqwest::Proxy::http(PROXY).map_err(|error| no_client(&error))?)
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| no_client(&error))?;
        let url = format!("{API}/{workspace}/{repository}/commit/{commit}/reports/{id}");
        let mut got = Got::Nothing;
        let exchanges = async {
            exchange(&client, Method::PUT, &url, &report, &mut got).await?;
            got = Got::Report;
            let url = format!("{url}/annotations");
            for marks in &marks {
                exchange(&client, Method::POST, &url, marks, &mut got).await?;
            }
            Ok(())
        };
        let done = tokio::select! {
            done = tokio::time::timeout(PATIENCE, exchanges) => {
                done.unwrap_or(Err(Untaken::Unanswered(Reach::Timeout)))
            }
            () = stopped => Err(Untaken::Stopped),
        };
        match done {
            Ok(()) => Ok(format!("reported on commit {commit:.12} as `{id}`")),
            Err(untaken) => Err(got.without(&untaken)),
        }
    }

    fn missing(&self) -> String {
        let variables = [
            ("`BITBUCKET_WORKSPACE`", &self.workspace),
            ("`BITBUCKET_REPO_SLUG`", &self.repository),
            ("`BITBUCKET_COMMIT`", &self.commit),
        ];
        let missing: Vec<&str> = variables
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| *name)
            .collect();
        let verb = if missing.len() == 1 { "is" } else { "are" };
        format!(
            "{} {verb} not set, or not as Pipelines sets them in a step",
            missing.join(", ")
        )
    }

    fn marks(&self, registry: &Host) -> Vec<Value> {
        let Some(clone) = &self.clone_folder else {
            return Vec::new();
        };
        match pipelines::look_over(clone, registry) {
            Ok(findings) => annotations(&findings),
            Err(unread) => {
                tracing::info!("{unread}");
                Vec::new()
            }
        }
    }
}

/// Whether a value can stand in a URL as it is: a slug, a UUID in braces, a hash, a number.
fn is_plain(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'{' | b'}');
    !value.starts_with('.') && value.len() <= 128 && value.bytes().all(allowed)
}

/// How far the sending came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Got {
    /// Nothing has answered.
    Nothing,
    /// An answer.
    Answer,
    /// The report was taken.
    Report,
}

/// Why a document was not taken.
#[derive(Debug)]
enum Untaken {
    /// In Bitbucket's own words.
    Refused(String),
    Unanswered(Reach),
    /// A signal came.
    Stopped,
}

impl Got {
    /// What is missing because of it, in a line.
    fn without(self, untaken: &Untaken) -> String {
        let missing = if self == Self::Report {
            NO_ANNOTATIONS
        } else {
            NO_REPORT
        };
        match untaken {
            Untaken::Refused(words) => format!("{missing}Bitbucket refused it: {words}"),
            Untaken::Stopped => format!("{missing}the step is being stopped"),
            Untaken::Unanswered(reach) => {
                let place = if self == Self::Nothing {
                    "; it is there only in a step of Pipelines"
                } else {
                    ""
                };
                format!("{missing}Pipelines' API proxy `{PROXY}` did not answer: {reach}{place}")
            }
        }
    }
}

/// Sends one document. Anything but 2xx is a refusal.
async fn exchange(client: &Client, method: Method, url: &str, document: &Value, got: &mut Got) -> Result<(), Untaken> {
    let request = client
        .request(method.clone(), url)
        .header("Content-Type", "application/json")
        .body(document.to_string());
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Err(Untaken::Unanswered(retry::reach(&error))),
    };
    *got = (*got).max(Got::Answer);
    let status = response.status();
    tracing::debug!("{method} {url} → {}", status.as_u16());
    if status.is_success() {
        return Ok(());
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(LONGEST_REFUSAL - body.len())]);
        if body.len() == LONGEST_REFUSAL {
            break;
        }
    }
    let (_, words) = read_body(&body);
    let said = if words.is_empty() {
        String::new()
    } else {
        format!(", “{words}”")
    };
    Err(Untaken::Refused(format!("{}{said}", status.as_u16())))
}

fn no_client(error: &reqwest::Error) -> String {
    format!("{NO_REPORT}the HTTP client does not start: {error}")
}
