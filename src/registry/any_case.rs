//! JSON objects of Docker's own, whose keys count in any case of their letters: Go reads them so, and containerify writes
//! `config` where `docker save` writes `Config`.

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The values of the fields of these names as they stand there, for a type's own `Deserialize`: read into a tree of values,
/// a hostile text of megabytes takes some hundred. A field that is there twice, in whatever case, is refused: readers differ
/// in which of the two they take.
///
/// # Errors
/// It is no object, or has a field twice.
pub(crate) fn fields<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
    names: [&'static str; N],
) -> Result<[Option<Box<RawValue>>; N], D::Error> {
    deserializer.deserialize_map(Fields(names))
}

/// The value of a field; one that is absent counts as `null`.
///
/// # Errors
/// It is of another type, told with the field's name.
#[allow(clippy::needless_pass_by_value, reason = "it is what `fields` gives")]
pub(crate) fn field<T: de::DeserializeOwned, E: de::Error>(name: &str, value: Option<Box<RawValue>>) -> Result<T, E> {
    let text = value.as_ref().map_or("null", |value| value.get());
    serde_json::from_str(text).map_err(|error| E::custom(format!("`{name}`: {error}")))
}

struct Fields<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Fields<N> {
    type Value = [Option<Box<RawValue>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values: [Option<Box<RawValue>>; N] = std::array::from_fn(|_| None);
        while let Some(key) = map.next_key::<String>()? {
            match self.0.iter().position(|name| key.eq_ignore_ascii_case(name)) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(place) if values[place].is_some() => {
                    return Err(de::Error::custom(format!("it has `{}` twice", self.0[place])));
                }
                Some(place) => values[place] = Some(map.next_value()?),
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    struct Image(String, Option<Vec<String>>);

    impl<'de> Deserialize<'de> for Image {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let [config, layers] = fields(deserializer, ["Config", "Layers"])?;
            Ok(Self(field("Config", config)?, field("Layers", layers)?))
        }
    }

    #[test]
    fn keys_count_in_any_case_and_once() {
        for (json, wanted) in [
            (r#"{"Config":"c","Layers":["l"]}"#, Ok(("c", Some(1)))),
            (
                r#"{"layers":["l"],"config":"c","labels":{"A":1,"a":2}}"#,
                Ok(("c", Some(1))),
            ),
            (r#"{"CONFIG":"c","layers":null}"#, Ok(("c", None))),
            (r#"{"config":"c"}"#, Ok(("c", None))),
            (r#"{"config":"c","Config":"d"}"#, Err("it has `Config` twice")),
            (r#"{"layers":[]}"#, Err("`Config`: invalid type: null")),
            (r#"{"config":"c","layers":"l"}"#, Err("`Layers`: invalid type: string")),
            ("null", Err("expected an object")),
        ] {
            match (serde_json::from_str::<Image>(json), wanted) {
                (Ok(image), Ok((config, layers))) => {
                    assert_eq!((image.0.as_str(), image.1.map(|layers| layers.len())), (config, layers));
                }
                (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{json}: {error}"),
                (other, _) => panic!("{json}: {:?}", other.map(|image| image.0)),
            }
        }
    }
}
