//! The bodies of refusals: what registries, token servers and storage say of the reason. Pure.

use crate::text::{PAGE, Quoted};
use serde::Deserialize;
use std::fmt;

/// Error codes of the OCI distribution specification ("Error codes") that this project tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Code {
    Unauthorized,
    Denied,
    NameUnknown,
    NameInvalid,
    ManifestUnknown,
    ManifestInvalid,
    BlobUnknown,
    TooManyRequests,
    Other(Quoted),
}

impl Code {
    fn of(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "UNAUTHORIZED" => Self::Unauthorized,
            "DENIED" => Self::Denied,
            "NAME_UNKNOWN" => Self::NameUnknown,
            "NAME_INVALID" => Self::NameInvalid,
            "MANIFEST_UNKNOWN" => Self::ManifestUnknown,
            "MANIFEST_INVALID" => Self::ManifestInvalid,
            "BLOB_UNKNOWN" | "MANIFEST_BLOB_UNKNOWN" => Self::BlobUnknown,
            "TOOMANYREQUESTS" => Self::TooManyRequests,
            _ => Self::Other(Quoted::new(text)),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Other(words) => return words.fmt(f),
        })
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Option<Vec<Entry>>,
    details: Option<serde_json::Value>,
    message: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
    error_description: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    detail: serde_json::Value,
}

/// Reads an error body: the OCI form `{"errors":[{code,message,detail}]}`, the forms that token servers use
/// (`details`, `message`, `error` with `error_description`), else the text itself.
#[must_use]
pub fn read_body(bytes: &[u8]) -> (Option<Code>, Quoted) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(body) = serde_json::from_slice::<Body>(bytes) else {
        let page = text
            .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
            .starts_with('<');
        return (
            None,
            if page {
                xml(&text).unwrap_or_else(|| Quoted::new(PAGE))
            } else {
                Quoted::new(&text)
            },
        );
    };
    if let Some(first) = body.errors.as_ref().and_then(|errors| errors.first()) {
        let detail = match &first.detail {
            serde_json::Value::String(detail) if !detail.is_empty() => Some(detail.as_str()),
            serde_json::Value::Object(map) => map.get("message").and_then(serde_json::Value::as_str),
            _ => None,
        };
        let message = match (first.message.as_deref().filter(|message| !message.is_empty()), detail) {
            (Some(message), Some(detail)) if !message.contains(detail) => format!("{message} ({detail})"),
            (Some(message), _) => message.to_owned(),
            (None, Some(detail)) => detail.to_owned(),
            (None, None) => String::new(),
        };
        return (first.code.as_deref().map(Code::of), Quoted::new(&message));
    }
    let said = [body.error_description, body.details, body.message, body.error]
        .into_iter()
        .flatten()
        .find_map(|value| match value {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Object(map) => map
                .get("message")
                .and_then(|message| message.as_str().map(str::to_owned)),
            _ => None,
        });
    (None, Quoted::new(&said.unwrap_or_else(|| text.into_owned())))
}

/// What a storage says of an error in XML, as S3, Google and Azure write it: code and message.
fn xml(text: &str) -> Option<Quoted> {
    let of = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (found, _) = rest.split_once(&format!("</{name}>"))?;
        let found = found
            .strip_prefix("<![CDATA[")
            .and_then(|data| data.strip_suffix("]]>"))
            .unwrap_or(found);
        let plain = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&apos;", "'"),
            ("&#39;", "'"),
            ("&amp;", "&"),
        ]
        .iter()
        .fold(found.to_owned(), |text, (escape, character)| {
            text.replace(escape, character)
        });
        (!plain.trim().is_empty()).then_some(plain)
    };
    let said = match (of("Code"), of("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (code, message) => message.or(code)?,
    };
    Some(Quoted::new(&said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_error_body_is_read() {
        for (body, code, words) in [
            (
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"name unknown: base does not exist"}]}"#,
                Some(Code::NameUnknown),
                "name unknown: base does not exist",
            ),
            (
                r#"{"errors":[{"code":"denied","message":"no","detail":"read only"}]}"#,
                Some(Code::Denied),
                "no (read only)",
            ),
            (
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{"Type":"repository"}]}]}"#,
                Some(Code::Unauthorized),
                "authentication required",
            ),
            (
                r#"{"errors":[{"code":"TAG_IMMUTABLE"}]}"#,
                Some(Code::Other(Quoted::new("TAG_IMMUTABLE"))),
                "",
            ),
            (r#"{"errors":[{"code":"NAME_INVALID"}]}"#, Some(Code::NameInvalid), ""),
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#,
                Some(Code::ManifestUnknown),
                "",
            ),
            (
                r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#,
                Some(Code::TooManyRequests),
                "",
            ),
            (
                r#"{"errors":[{"code":"MANIFEST_INVALID"}]}"#,
                Some(Code::ManifestInvalid),
                "",
            ),
            (
                r#"{"details":"incorrect username or password"}"#,
                None,
                "incorrect username or password",
            ),
            (
                r#"{"error":"invalid_grant","error_description":"token expired"}"#,
                None,
                "token expired",
            ),
            (
                r#"{"type":"error","error":{"message":"Token is invalid"}}"#,
                None,
                "Token is invalid",
            ),
            ("Too Many Requests (HAP429)", None, "Too Many Requests (HAP429)"),
            ("<html><body>502</body></html>", None, PAGE),
            ("<!DOCTYPE html><Code></Code>", None, PAGE),
            (
                "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message><Expires>x</Expires></Error>",
                None,
                "AccessDenied: Request has expired",
            ),
            (
                "\u{feff}<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed.\nRequestId:1</Message></Error>",
                None,
                "AuthenticationFailed: Server failed.; RequestId:1",
            ),
            (
                "<Error><Message>a &lt;b&gt; &amp;amp; c</Message></Error>",
                None,
                "a <b> &amp; c",
            ),
            ("<Error><Code>NoSuchKey</Code>", None, "NoSuchKey"),
            ("", None, ""),
            ("[1]", None, "[1]"),
        ] {
            assert_eq!(read_body(body.as_bytes()), (code, Quoted::new(words)), "{body}");
        }
    }
}
