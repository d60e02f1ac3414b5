//! Counts what a YAML document unfolds to, before it is held in memory: few aliases of aliases make much of a short text, and
//! the parser's own limit on them grows with the text.

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess as _, Visitor};
use std::cell::Cell;
use std::fmt;

/// Most values of one file.
const MOST_VALUES: usize = 500_000;
/// A text counts once more for each of so many bytes.
const LONG_TEXT: usize = 64;

/// What is left of the values that a file may have.
#[derive(Debug)]
pub(super) struct Left(Cell<usize>);

impl Default for Left {
    fn default() -> Self {
        Self(Cell::new(MOST_VALUES))
    }
}

impl Left {
    fn take<E: de::Error>(&self, count: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(count);
        self.0.set(left.unwrap_or_default());
        left.map(|_| ())
            .ok_or_else(|| E::custom(format!("its aliases unfold to more than {MOST_VALUES} values")))
    }
}

impl<'de> DeserializeSeed<'de> for &Left {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Left {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.take(1)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.take(1)
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.take(1)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.take(1)
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.take(1)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.take(1)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.take(1 + text.len() / LONG_TEXT)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.take(1)
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.take(1)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.take(1)?;
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.take(1)?;
        while entries.next_entry_seed(self, self)?.is_some() {}
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (_, value) = tagged.variant::<String>()?;
        value.newtype_variant_seed(self)
    }
}
