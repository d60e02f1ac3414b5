//! Bodies of answers: read no further than a limit, and what those of refusals say of the reason.

use crate::text::{PAGE, Quoted};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// Reads a body until it ends or there is more of it than `limit` bytes. Gives whether this is all of it.
///
/// # Errors
/// It breaks off; what came before is kept.
pub(crate) async fn read_up_to<E>(
    limit: usize,
    body: &mut BytesMut,
    mut next: impl AsyncFnMut() -> Result<Option<Bytes>, E>,
) -> Result<bool, E> {
    while let Some(chunk) = next().await? {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Error codes of the OCI distribution specification ("Error codes") that this project tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub(crate) enum Code {
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

/// Most errors of one body that are told, and most parts of a detail.
const MOST_ERRORS: usize = 5;
/// Longest detail that is told, in characters.
const LONGEST_DETAIL: usize = 200;

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Option<Vec<BodyEntry>>,
    details: Option<serde_json::Value>,
    message: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
    error_description: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct BodyEntry {
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
pub(crate) fn read_body(bytes: &[u8]) -> (Option<Code>, Quoted) {
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
    if let Some(errors) = body.errors.as_ref().filter(|errors| !errors.is_empty()) {
        return of_errors(errors);
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

/// Code and words of a list of errors. The first code that is known counts: what stands beside it may be the vendor's own.
fn of_errors(errors: &[BodyEntry]) -> (Option<Code>, Quoted) {
    let codes = || errors.iter().filter_map(|error| error.code.as_deref().map(Code::of));
    let known = codes().find(|code| !matches!(code, Code::Other(_)));
    let mut words: Vec<String> = Vec::new();
    for error in errors.iter().take(MOST_ERRORS) {
        let mut said = error.message.clone().unwrap_or_default();
        let detail = in_words(&error.detail);
        if !detail.is_empty() && !said.contains(&detail) {
            said = if said.is_empty() {
                detail
            } else {
                format!("{said} ({detail})")
            };
        }
        if !said.is_empty() && !words.contains(&said) {
            words.push(said);
        }
    }
    if errors.len() > MOST_ERRORS {
        words.push(format!("and {} more", errors.len() - MOST_ERRORS));
    }
    (known.or_else(|| codes().next()), Quoted::new(&words.join("; ")))
}

/// A detail without the signs of JSON: `Tag: 1`. What is in it is the registry's own affair; zot's and distribution's hold
/// the reason. Each text is made fit before anything is cut.
fn in_words(detail: &Value) -> String {
    let all = |parts: &mut dyn Iterator<Item = String>| {
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).take(MOST_ERRORS).collect();
        parts.join(", ")
    };
    let words = match detail {
        Value::Null => String::new(),
        Value::String(text) => Quoted::new(text).to_string(),
        Value::Bool(_) | Value::Number(_) => detail.to_string(),
        Value::Array(list) => all(&mut list.iter().map(in_words)),
        Value::Object(fields) => match fields.get("message") {
            Some(Value::String(message)) if fields.len() == 1 => Quoted::new(message).to_string(),
            _ => all(&mut fields.iter().map(|(name, value)| {
                let value = in_words(value);
                if value.is_empty() {
                    value
                } else {
                    format!("{}: {value}", Quoted::new(name))
                }
            })),
        },
    };
    words.chars().take(LONGEST_DETAIL).collect()
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
                "authentication required (Type: repository)",
            ),
            // Each of several, the known code, and what a detail holds.
            (
                r#"{"errors":[{"code":"X","message":"a"},{"code":"DENIED","message":"b"},{"message":"b"}]}"#,
                Some(Code::Denied),
                "a; b",
            ),
            (
                r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{"description":"at '/layers': minItems"}}]}"#,
                Some(Code::ManifestInvalid),
                "manifest invalid (description: at '/layers': minItems)",
            ),
            (
                r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":[{},"invalid URL on layer",null,7]}]}"#,
                Some(Code::ManifestInvalid),
                "manifest invalid (invalid URL on layer, 7)",
            ),
            (
                r#"{"errors":[{"code":"DENIED","detail":{"message":"read only"}}]}"#,
                Some(Code::Denied),
                "read only",
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
