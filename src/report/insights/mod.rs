//! Code Insights: a report on the commit, sent through the API proxy that Pipelines puts beside each step.
//!
//! The proxy adds the credential, so this sends none; it takes plain HTTP with a whole URI and speaks TLS to Bitbucket
//! itself ("Code Insights", Atlassian). A report that cannot be sent is a line in the log: a run is what it is without it.

mod body;

pub(crate) use body::{Ended, annotations, report};

use crate::clone::pipelines;
use crate::input::Commit;
use crate::names::Host;
use crate::registry::body::{read_body, read_up_to};
use crate::registry::{Reach, retry};
use crate::text::USER_AGENT;
use bytes::BytesMut;
use reqwest::{Client, Method};
use serde_json::Value;
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
const NO_ANNOTATIONS: &str = "the report on the commit has no annotations: ";
/// Most bytes of a refusal that are read.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// A report on the commit that a step is for.
#[derive(Debug, Clone)]
pub(crate) struct Insights {
    commit: Commit,
    begun: Instant,
}

impl Insights {
    /// For a run that has begun.
    #[must_use]
    pub(crate) fn new(commit: Commit, begun: Instant) -> Self {
        Self { commit, begun }
    }

    /// Sends the report of a run that has ended, with a mark at each line of `bitbucket-pipelines.yml` whose image will not
    /// be pulled. Whatever is in the way is told in one line; so is a step that is stopped meanwhile.
    pub(crate) async fn send<S>(&self, ended: &Ended<'_>, registry: &Host, stopped: impl Future<Output = S>) {
        match self.try_send(ended, registry, stopped).await {
            Ok(said) => tracing::info!("{said}"),
            Err(why) => tracing::warn!("{why}"),
        }
    }

    async fn try_send<S>(
        &self,
        ended: &Ended<'_>,
        registry: &Host,
        stopped: impl Future<Output = S>,
    ) -> Result<String, String> {
        let Commit {
            workspace: Some(workspace),
            repository: Some(repository),
            hash: Some(commit),
            build,
            parallel_step,
            clone_folder: _,
        } = &self.commit
        else {
            return Err(format!("{NO_REPORT}{}", self.missing()));
        };
        let mut id = format!("crg-pipe-{}", ended.action.replace(' ', "-"));
        // Each of the steps of a parallel group has its own report.
        if let Some(step) = parallel_step {
            id.push('-');
            id.push_str(step);
        }
        let link = build
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
            _ = stopped => Err(Untaken::Stopped),
        };
        match done {
            Ok(()) => Ok(format!("reported on commit {commit:.12} as `{id}`")),
            Err(untaken) => Err(got.without(&untaken)),
        }
    }

    fn missing(&self) -> String {
        let variables = [
            ("`BITBUCKET_WORKSPACE`", &self.commit.workspace),
            ("`BITBUCKET_REPO_SLUG`", &self.commit.repository),
            ("`BITBUCKET_COMMIT`", &self.commit.hash),
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
        let Some(clone) = &self.commit.clone_folder else {
            return Vec::new();
        };
        match pipelines::look_over(clone, registry, None) {
            Ok(looked_over) => annotations(&looked_over.findings),
            Err(unread) => {
                tracing::info!("{unread}");
                Vec::new()
            }
        }
    }
}

/// How far the sending came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Got {
    Nothing,
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
    let mut body = BytesMut::new();
    // A refusal that breaks off is one all the same.
    let _ = read_up_to(LONGEST_REFUSAL, &mut body, async || response.chunk().await).await;
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
