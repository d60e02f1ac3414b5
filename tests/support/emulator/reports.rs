//! Code Insights of `api.bitbucket.org` behind the API proxy of Pipelines: `PUT …/commit/{commit}/reports/{id}` and
//! `POST …/annotations`, with the shapes and limits that Atlassian's reference of the REST API has ("Reports").
//!
//! The proxy takes plain HTTP with a whole URI and adds the credential itself; one that comes with the request is refused.

use super::answer::{Answer, Asked};
use hyper::Method;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::net::TcpSocket;

/// The port of the proxy, which is the same in every step.
const PORT: u16 = 29418;
const MOST_AT_ONCE: usize = 100;
const MOST_ANNOTATIONS: usize = 1000;
const REPORT_KEYS: [&str; 9] = [
    "title",
    "details",
    "report_type",
    "reporter",
    "link",
    "result",
    "data",
    "logo_url",
    "remote_link_enabled",
];
const ANNOTATION_KEYS: [&str; 10] = [
    "external_id",
    "annotation_type",
    "severity",
    "path",
    "line",
    "title",
    "summary",
    "details",
    "link",
    "result",
];

/// A report on a commit.
#[derive(Debug, Clone)]
pub struct Report {
    /// `workspace/repository/commit/hash`
    pub commit: String,
    /// Its ID, which whoever made it chose.
    pub id: String,
    /// The document as it came last.
    pub document: Value,
    /// Its annotations in the order in which they came.
    pub annotations: Vec<Value>,
}

/// All reports.
#[derive(Debug, Default)]
pub struct Reports(Vec<Report>);

impl Reports {
    pub(super) fn all(&self) -> &[Report] {
        &self.0
    }

    /// Creates or replaces one; its annotations stay.
    fn put(&mut self, commit: &str, id: &str, document: Value) {
        if let Some(report) = self.find(commit, id) {
            report.document = document;
            return;
        }
        self.0.push(Report {
            commit: commit.to_owned(),
            id: id.to_owned(),
            document,
            annotations: Vec::new(),
        });
    }

    fn find(&mut self, commit: &str, id: &str) -> Option<&mut Report> {
        let mut reports = self.0.iter_mut();
        reports.find(|report| report.commit == commit && report.id == id)
    }
}

/// An address of loopback that no other emulator has.
pub(super) fn own_address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, high, low, NEXT.fetch_add(1, Ordering::SeqCst)))
}

/// Listens where a step looks for the proxy.
pub(super) fn bind(address: IpAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a port that was in use just now");
    socket
        .bind((address, PORT).into())
        .expect("an address of the emulator's own");
    socket
}

/// Answers what reaches the proxy.
pub(super) fn answer(reports: &mut Reports, asked: &Asked) -> Answer {
    match taken(reports, asked) {
        Ok(answer) => answer,
        Err((status, message)) => Answer::new(status).json(&json!({
            "key": "report-service.general.bad-request", "message": message, "arguments": {},
        })),
    }
}

fn taken(reports: &mut Reports, asked: &Asked) -> Result<Answer, (u16, String)> {
    let refuse = |message: &str| Err((400, message.to_owned()));
    if asked.origin.as_deref() != Some("http://api.bitbucket.org") {
        return refuse("the proxy takes `http://api.bitbucket.org/…` as a whole URI");
    }
    for header in ["authorization", "proxy-authorization", "cookie"] {
        if asked.header(header).is_some() {
            return refuse("the proxy adds the credential itself");
        }
    }
    let parts: Vec<&str> = asked.path.split('/').collect();
    let [
        "",
        "2.0",
        "repositories",
        workspace,
        repository,
        "commit",
        commit,
        "reports",
        id,
        rest @ ..,
    ] = &parts[..]
    else {
        return Err((404, "There is no API hosted at this URL.".to_owned()));
    };
    if !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) || id.is_empty() {
        return Err((404, "Commit not found".to_owned()));
    }
    if asked.header("content-type") != Some("application/json") {
        return Err((415, "Unsupported Media Type".to_owned()));
    }
    let document: Value = serde_json::from_slice(&asked.body).map_err(|error| (400, error.to_string()))?;
    let commit = format!("{workspace}/{repository}/commit/{commit}");
    match (&asked.method, rest) {
        (&Method::PUT, []) => {
            check_report(&document).map_err(|message| (400, message))?;
            reports.put(&commit, id, document.clone());
            Ok(Answer::new(200).json(&document))
        }
        (&Method::POST, ["annotations"]) => {
            let Some(report) = reports.find(&commit, id) else {
                return Err((404, "Report not found".to_owned()));
            };
            let new = document.as_array().cloned().unwrap_or_default();
            if new.is_empty() {
                return refuse("a list of annotations is expected");
            }
            if new.len() > MOST_AT_ONCE {
                return refuse("Bulk upload supports a maximum of 100 annotations.");
            }
            for annotation in &new {
                check_annotation(annotation).map_err(|message| (400, message))?;
                // One of the same ID is replaced.
                report
                    .annotations
                    .retain(|old| old["external_id"] != annotation["external_id"]);
            }
            if report.annotations.len() + new.len() > MOST_ANNOTATIONS {
                return refuse("a report has at most 1000 annotations");
            }
            report.annotations.extend(new);
            Ok(Answer::new(200).json(&document))
        }
        _ => Err((405, "Method not allowed".to_owned())),
    }
}

fn check_report(report: &Value) -> Result<(), String> {
    known_keys(report, &REPORT_KEYS)?;
    for (key, longest) in [("title", 450), ("details", 2000), ("reporter", 450)] {
        short_text(report, key, longest)?;
    }
    one_of(report, "report_type", &["SECURITY", "COVERAGE", "TEST", "BUG"])?;
    one_of(report, "result", &["PASSED", "FAILED", "PENDING"])?;
    if let Some(link) = report.get("link") {
        let link = link.as_str().unwrap_or_default();
        reqwest::Url::parse(link).map_err(|_| "The link field is not a URL.".to_owned())?;
    }
    let data = report["data"].as_array().ok_or("The data field is not a list.")?;
    if data.len() > 10 {
        return Err("The data field cannot contain more than 10 elements.".to_owned());
    }
    for entry in data {
        known_keys(entry, &["title", "type", "value"])?;
        short_text(entry, "title", 450)?;
        let value = &entry["value"];
        let fits = match entry["type"].as_str() {
            Some("BOOLEAN") => value.is_boolean(),
            Some("DATE" | "DURATION" | "NUMBER") => value.is_u64(),
            Some("PERCENTAGE") => value.as_f64().is_some_and(|value| (0.0..=100.0).contains(&value)),
            Some("LINK") => value["text"].is_string() && value["href"].is_string(),
            Some("TEXT") => value.as_str().is_some_and(|value| value.chars().count() <= 450),
            _ => false,
        };
        if !fits {
            return Err(format!("The value of a data element is not of its type: {entry}"));
        }
    }
    Ok(())
}

fn check_annotation(annotation: &Value) -> Result<(), String> {
    known_keys(annotation, &ANNOTATION_KEYS)?;
    short_text(annotation, "external_id", 450)?;
    short_text(annotation, "summary", 450)?;
    if annotation.get("details").is_some() {
        short_text(annotation, "details", 2000)?;
    }
    one_of(annotation, "annotation_type", &["VULNERABILITY", "CODE_SMELL", "BUG"])?;
    one_of(annotation, "severity", &["CRITICAL", "HIGH", "MEDIUM", "LOW"])?;
    let path = annotation["path"].as_str().unwrap_or_default();
    if path.is_empty() || path.starts_with('/') {
        return Err("The path field is no path in the repository.".to_owned());
    }
    match annotation.get("line") {
        Some(line) if line.as_u64().is_none_or(|line| line == 0) => Err("The line field counts from 1.".to_owned()),
        _ => Ok(()),
    }
}

fn known_keys(object: &Value, known: &[&str]) -> Result<(), String> {
    let object = object.as_object().ok_or("an object is expected")?;
    let strange = object.keys().find(|key| !known.contains(&key.as_str()));
    strange.map_or(Ok(()), |key| Err(format!("there is no field {key}")))
}

fn short_text(object: &Value, key: &str, longest: usize) -> Result<(), String> {
    match object[key].as_str() {
        None | Some("") => Err(format!("some of required attributes are not set [{key}]")),
        Some(text) if text.chars().count() > longest => Err(format!(
            "The {key} field cannot contain more than {longest} characters."
        )),
        Some(_) => Ok(()),
    }
}

fn one_of(object: &Value, key: &str, values: &[&str]) -> Result<(), String> {
    let value = object[key].as_str().unwrap_or_default();
    if values.contains(&value) {
        return Ok(());
    }
    Err(format!("The {key} field is none of {values:?}"))
}
