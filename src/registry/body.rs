//! Bodies of answers: read no further than a limit, and what those of refusals say of the reason.

use crate::text::Quoted;
use bytes::{Bytes, BytesMut};
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

/// Reads an error body: the OCI form `{"errors":[{code,message,detail}]}`, the forms that token servers, gateways and storage use
/// (`details`, `message`, `error` with `error_description`, problem details), else the text itself. Keys count in any case.
#[must_use]
pub(crate) fn read_body(bytes: &[u8]) -> (Option<Code>, Quoted) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let Ok(body) = serde_json::from_str::<Value>(text) else {
        return (
            None,
            if text.starts_with('<') {
                xml(text).unwrap_or_else(Quoted::web_page)
            } else {
                Quoted::new(text)
            },
        );
    };
    if let Some(Value::Array(errors)) = field(&body, "errors")
        && !errors.is_empty()
    {
        return of_errors(errors);
    }
    let said = [
        "error_description",
        "details",
        "message",
        "error",
        "detail",
        "title",
        "errors",
    ];
    let said = said.into_iter().find_map(|name| match field(&body, name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.as_str()),
        object @ Value::Object(_) => field(object, "message")?.as_str(),
        _ => None,
    });
    (None, Quoted::new(said.or(body.as_str()).unwrap_or(text)))
}

/// The field of an object, whatever the case of its name.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let mut fields = object.as_object()?.iter();
    fields
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Code and words of a list of errors. The first code that is known counts: what stands beside it may be the vendor's own.
fn of_errors(errors: &[Value]) -> (Option<Code>, Quoted) {
    let codes = || {
        errors
            .iter()
            .filter_map(|error| field(error, "code")?.as_str().map(Code::of))
    };
    let known = codes().find(|code| !matches!(code, Code::Other(_)));
    let mut words: Vec<String> = Vec::new();
    for error in errors.iter().take(MOST_ERRORS) {
        let mut said = match (error, field(error, "message")) {
            (Value::String(text), _) | (_, Some(Value::String(text))) => text.clone(),
            (_, message) => message.map(in_words).unwrap_or_default(),
        };
        let detail = field(error, "detail").map(in_words).unwrap_or_default();
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
        let found = element(text, name)?;
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

/// What is in the first element of this name, whatever its prefix, its attributes and the case of its letters.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once('<')?;
        rest = after;
        let end = rest.find(|c: char| c == '>' || c == '/' || c.is_ascii_whitespace())?;
        let (tag, after) = rest.split_at(end);
        if !tag.rsplit(':').next()?.eq_ignore_ascii_case(name) {
            continue;
        }
        let (attributes, inside) = after.split_once('>')?;
        if attributes.ends_with('/') {
            continue;
        }
        return inside.split_once(&format!("</{tag}")).map(|(found, _)| found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "a web page instead of an answer";

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table")]
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
            (
                "<s3:Error xmlns:s3=\"http://s3.example\"><s3:Code/><s3:Code>SlowDown</s3:Code><s3:Message lang=\"en\">Reduce</s3:Message></s3:Error>",
                None,
                "SlowDown: Reduce",
            ),
            (
                "<error><code>7</code>\n<message >no &apos;x&apos;</message ></error>",
                None,
                "7: no 'x'",
            ),
            ("<Error><Message><![CDATA[a <b>]]></Message></Error>", None, "a <b>"),
            ("<Error><Message></Message></Error>", None, PAGE),
            ("<Error><Message>no end", None, PAGE),
            ("<?xml version=\"1.0\"?><!-- <Code>x", None, PAGE),
            ("<", None, PAGE),
            ("  <!-- x --><HTML>", None, PAGE),
        ] {
            let words = if words == PAGE {
                Quoted::web_page()
            } else {
                Quoted::new(words)
            };
            assert_eq!(read_body(body.as_bytes()), (code, words), "{body}");
        }
    }

    #[test]
    fn vendors_errors_are_read_too() {
        for (body, code, words) in [
            ("\u{feff}{\"message\":\"no\"}", None, "no"),
            (
                r#"{"Message":"User is not authorized"}"#,
                None,
                "User is not authorized",
            ),
            (r#"{"__type":"AccessDeniedException","message":"no"}"#, None, "no"),
            (
                r#"{"error":{"code":403,"message":"caller may not","status":"PERMISSION_DENIED"}}"#,
                None,
                "caller may not",
            ),
            (
                r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"over quota"}"#,
                None,
                "over quota",
            ),
            (r#"{"title":"Forbidden","status":403}"#, None, "Forbidden"),
            (r#"{"message":"","error":"Bad Gateway"}"#, None, "Bad Gateway"),
            (r#"{"errors":{"message":"no"}}"#, None, "no"),
            (r#"{"errors":["first","second"]}"#, None, "first; second"),
            (r#"{"errors":[{"code":403,"message":"no"}]}"#, None, "no"),
            (
                r#"{"errors":[{"code":null,"message":null,"detail":{"reason":"x"}}]}"#,
                None,
                "reason: x",
            ),
            (
                r#"{"Errors":[{"Code":"Denied","Message":["a","b"]}]}"#,
                Some(Code::Denied),
                "a, b",
            ),
            (r#"{"errors":[null,7,{}]}"#, None, ""),
            (r#"{"errors":[]}"#, None, r#"{"errors":[]}"#),
            (r#"{"errors":null,"message":"no"}"#, None, "no"),
            (r#""no""#, None, "no"),
            ("null", None, "null"),
            ("{}", None, "{}"),
            ("", None, ""),
            ("[1]", None, "[1]"),
        ] {
            assert_eq!(read_body(body.as_bytes()), (code, Quoted::new(words)), "{body}");
        }
    }
}
