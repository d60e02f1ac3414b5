//! One page, entry by entry: a page of four megabytes may name a million, and none is kept that is not wanted.

use crate::text::Quoted;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Gives each string of the list under `key` to `each`; a list that is `null` holds none.
///
/// # Errors
/// The page has no such list, or something else is in it.
pub(super) fn strings(page: &[u8], key: &'static str, mut each: impl FnMut(&str)) -> Result<(), String> {
    read(page, key, |entry| {
        let text: Cow<'_, str> = serde_json::from_str(entry.get()).map_err(|_| "an entry is not a text".to_owned())?;
        each(&text);
        Ok(())
    })
}

/// The same for entries of any kind, as they stand there. `each` may refuse one.
///
/// # Errors
/// The same, or the refusal.
pub(in crate::registry) fn read<'p>(
    page: &'p [u8],
    key: &'static str,
    each: impl FnMut(&'p RawValue) -> Result<(), String>,
) -> Result<(), String> {
    let said = |error: serde_json::Error| Quoted::new(&error.to_string()).to_string();
    let mut json = serde_json::Deserializer::from_slice(page);
    PageReader { key, each }.deserialize(&mut json).map_err(said)?;
    json.end().map_err(said)
}

struct PageReader<F> {
    key: &'static str,
    each: F,
}

impl<'p, F: FnMut(&'p RawValue) -> Result<(), String>> DeserializeSeed<'p> for PageReader<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'p, F: FnMut(&'p RawValue) -> Result<(), String>> Visitor<'p> for PageReader<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'p>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut is_there = false;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key != self.key {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if is_there {
                return Err(A::Error::custom(format!("`{}` is there twice", self.key)));
            }
            is_there = true;
            map.next_value_seed(List(&mut self.each))?;
        }
        if is_there {
            Ok(())
        } else {
            Err(A::Error::custom(format!("`{}` is missing", self.key)))
        }
    }
}

struct List<'f, F>(&'f mut F);

impl<'p, F: FnMut(&'p RawValue) -> Result<(), String>> DeserializeSeed<'p> for List<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'p, F: FnMut(&'p RawValue) -> Result<(), String>> Visitor<'p> for List<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'p>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<&'p RawValue>()? {
            (self.0)(entry).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_list_or_an_error() {
        for (page, found) in [
            (r#"{"name":"a","tags":["1","2"]}"#, Some(&["1", "2"][..])),
            (r#" {"tags":["\u0031"]} "#, Some(&["1"])),
            (r#"{"tags":[]}"#, Some(&[])),
            (r#"{"tags":null}"#, Some(&[])),
            (r#"{"name":"a"}"#, None),
            (r#"{"message":"please sign in"}"#, None),
            (r#"{"Tags":["1"]}"#, None),
            (r#"{"tags":["1"],"tags":["2"]}"#, None),
            (r#"{"tags":"1"}"#, None),
            (r#"{"tags":{"1":"2"}}"#, None),
            (r#"{"tags":[1]}"#, None),
            (r#"{"tags":[["1"]]}"#, None),
            (r#"{"tags":["1""#, None),
            (r#"{"tags":["1"]} x"#, None),
            ("[]", None),
            ("null", None),
            ("", None),
            ("<html>", None),
        ] {
            let mut tags = Vec::new();
            let read = strings(page.as_bytes(), "tags", |tag| tags.push(tag.to_owned()));
            match found {
                Some(found) => assert_eq!(
                    (read, tags),
                    (Ok(()), found.iter().map(ToString::to_string).collect()),
                    "{page}"
                ),
                None => assert!(read.is_err(), "{page}"),
            }
        }
    }
}
