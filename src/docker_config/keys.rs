//! The keys of a `config.json` as Go's `encoding/json` reads them, which Docker, podman, skopeo and buildah are written with:
//! without regard to case, and each of those that say the same into one value, in their order.

use super::{Fault, wrong};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// An object with all its entries, also those that are there twice.
pub(crate) struct Entries(pub(crate) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(All)
    }
}

/// Whether Go takes one key for the other: by simple folding of Unicode, which has two more letters for ASCII's.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let folded = |text: &str| -> String {
        let fold = |c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        };
        text.chars().map(fold).collect()
    };
    folded(one) == folded(other)
}

/// The configuration with the keys that are merged into written as Docker writes them, each once, where the first one was.
pub(super) fn united(entries: Entries) -> Result<Map<String, Value>, Fault> {
    let mut config: Map<String, Value> = Map::new();
    for (key, value) in entries.0 {
        let known = ["auths", "credHelpers", "credsStore"];
        let Some(name) = known.into_iter().find(|name| same(name, &key)) else {
            config.insert(key, value);
            continue;
        };
        let Some(before) = config.get_mut(name) else {
            config.insert(name.to_owned(), value);
            continue;
        };
        match (before, value) {
            (Value::Object(before), Value::Object(value)) => before.extend(value),
            // Nothing becomes of a text, but an object is gone.
            (before, Value::Null) => {
                if name != "credsStore" {
                    *before = Value::Null;
                }
            }
            (before, value) if before.is_null() || (before.is_string() && value.is_string()) => *before = value,
            _ if name == "credsStore" => return Err(wrong("credsStore", "a text")),
            _ => return Err(wrong(name, "an object")),
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn united_text(text: &str) -> String {
        match united(serde_json::from_str(text).unwrap()) {
            Ok(config) => Value::Object(config).to_string(),
            Err(fault) => fault.to_string(),
        }
    }

    /// What Go 1.19's `json.Unmarshal` makes of each, written with the keys of its fields.
    #[test]
    fn keys_are_read_in_any_case() {
        for (text, expected) in [
            (r#"{"credsstore":"a"}"#, r#"{"credsStore":"a"}"#),
            (
                r#"{"CREDSSTORE":"a","x":1,"credsStore":"b"}"#,
                r#"{"credsStore":"b","x":1}"#,
            ),
            (r#"{"credsStore":"a","CredsStore":null}"#, r#"{"credsStore":"a"}"#),
            (r#"{"cred\u017fStore":"a"}"#, r#"{"credsStore":"a"}"#),
            (r#"{"AUTHS":{"a":{}},"auths":{"b":{}}}"#, r#"{"auths":{"a":{},"b":{}}}"#),
            (r#"{"auths":{"a":{}},"auths":{"b":{}}}"#, r#"{"auths":{"a":{},"b":{}}}"#),
            (
                r#"{"Auths":{"a":{"auth":"1"}},"auths":{"a":{}}}"#,
                r#"{"auths":{"a":{}}}"#,
            ),
            (r#"{"auths":{"a":{}},"Auths":null}"#, r#"{"auths":null}"#),
            (r#"{"auths":null,"Auths":{"a":{}}}"#, r#"{"auths":{"a":{}}}"#),
            (r#"{"CredHelpers":{"a":"x"}}"#, r#"{"credHelpers":{"a":"x"}}"#),
            (
                r#"{"authsx":1,"Other":2,"other":3}"#,
                r#"{"authsx":1,"Other":2,"other":3}"#,
            ),
            (r#"{"auths":{},"Auths":[]}"#, "its `auths` is not an object"),
            (
                r#"{"credsStore":"a","credsstore":{}}"#,
                "its `credsStore` is not a text",
            ),
        ] {
            assert_eq!(united_text(text), expected, "{text}");
        }
    }
}
