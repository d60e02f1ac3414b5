//! What the emulator is asked and what it answers, free of hyper's types: the rooms behind it decide, without I/O.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::time::Instant;

/// A request; its body is filled in when it has been read.
pub(super) struct Asked {
    pub method: Method,
    pub path: String,
    /// Names and values of the query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Path and query as they came.
    pub uri: String,
    /// `scheme://authority` of a whole URI, as a forward proxy gets it.
    pub origin: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Instant,
}

impl Asked {
    pub(super) fn new(request: &hyper::Request<Incoming>) -> Self {
        let uri = request.uri();
        Self {
            method: request.method().clone(),
            path: uri.path().to_owned(),
            query: decode(uri.query().unwrap_or_default()),
            uri: uri
                .path_and_query()
                .map_or_else(|| uri.to_string(), ToString::to_string),
            origin: uri
                .scheme_str()
                .zip(uri.authority())
                .map(|(scheme, authority)| format!("{scheme}://{authority}")),
            headers: request.headers().clone(),
            body: Bytes::new(),
            at: Instant::now(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as form fields.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        decode(std::str::from_utf8(&self.body).unwrap_or_default())
    }
}

fn decode(query: &str) -> Vec<(String, String)> {
    let mut url = reqwest::Url::parse("http://localhost/").unwrap();
    url.set_query(Some(query));
    url.query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// A status, headers and a body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body; not sent for HEAD.
    pub body: Bytes,
}

impl Answer {
    /// A status without a body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// The OCI error form, `{"errors":[{"code":…,"message":…,"detail":…}]}`.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::error_about(status, code, message, &Value::Null)
    }

    /// The OCI error form with a `detail`.
    pub fn error_about(status: u16, code: &str, message: &str, detail: &Value) -> Self {
        Self::new(status).json(&json!({ "errors": [{ "code": code, "message": message, "detail": detail }] }))
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// A JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json; charset=utf-8")
            .body(body.to_string())
    }

    /// `{name}` in the body becomes `value`: settings hold texts for a name that is known only later.
    pub(super) fn about(&self, name: &str) -> Self {
        let text = String::from_utf8_lossy(&self.body).replace("{name}", name);
        Self {
            body: Bytes::from(text),
            ..self.clone()
        }
    }

    pub(super) fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("an HTTP status")
    }

    pub(super) fn header_map(&self) -> HeaderMap {
        self.headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
                    HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
                )
            })
            .collect()
    }
}
