//! Makes the tree out of what `serde_yaml` reads. It tells where a value is written only in its errors, so each scalar is
//! taken, and then refused: the error has the place, is caught one level up, and the reading goes on behind it.

use super::{BadYaml, Documents, Entry, Node, Value};
use crate::text::order::sort;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess as _, Visitor};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;

/// Most values of one file, aliases unfolded: few aliases of aliases make much of a short text, and the parser's own limit on
/// them grows with the text.
const MOST_VALUES: usize = if cfg!(test) { 20_000 } else { 500_000 };
/// A text counts once more for each of so many bytes.
const LONG_TEXT: usize = 64;
/// Most bytes of keys above all values: the parser writes them into each error.
const MOST_ABOVE: usize = if cfg!(test) { 1 << 24 } else { 1 << 27 };
/// What the error says with which a scalar is refused.
const TAKEN: &str = "taken";
const MERGE: &str = "<<";

pub(super) fn documents(text: &str) -> Result<Documents, BadYaml> {
    let state = CaptureState {
        values: Cell::new(MOST_VALUES),
        above: Cell::new(MOST_ABOVE),
        fault: RefCell::default(),
        bad_merges: RefCell::default(),
    };
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let slot = NodeSlot::default();
        let seed = Capture {
            state: &state,
            slot: &slot,
            above: 0,
        };
        match seed.deserialize(document) {
            Ok(()) => documents.extend(slot.node.take()),
            Err(error) => match slot.scalar(&error) {
                Some(node) => documents.push(node),
                None => {
                    return Err(state.fault.take().unwrap_or_else(|| BadYaml {
                        line: error.location().map(|location| location.line()),
                        message: error.to_string(),
                    }));
                }
            },
        }
    }
    let mut bad_merges = state.bad_merges.take();
    sort(&mut bad_merges);
    bad_merges.dedup();
    Ok(Documents { documents, bad_merges })
}

/// What is left of the bounds, and what was found besides values.
struct CaptureState {
    values: Cell<usize>,
    above: Cell<usize>,
    /// What is wrong with the file, where the parser's own error says less.
    fault: RefCell<Option<BadYaml>>,
    bad_merges: RefCell<Vec<usize>>,
}

impl CaptureState {
    fn take<E: de::Error>(&self, count: usize, above: usize) -> Result<(), E> {
        let values = self.values.get().checked_sub(count);
        let left = self.above.get().checked_sub(above);
        self.values.set(values.unwrap_or_default());
        self.above.set(left.unwrap_or_default());
        match (values, left) {
            (Some(_), Some(_)) => Ok(()),
            (None, _) => Err(E::custom(format!(
                "its aliases unfold to more than {MOST_VALUES} values"
            ))),
            (_, None) => Err(E::custom("its keys are too long for so many values")),
        }
    }

    fn fault<E: de::Error>(&self, line: usize, message: String) -> E {
        let error = E::custom(&message);
        *self.fault.borrow_mut() = Some(BadYaml {
            line: Some(line),
            message,
        });
        error
    }
}

/// Where a value is put.
#[derive(Default)]
struct NodeSlot {
    node: Cell<Option<Rc<Node>>>,
    /// A scalar whose place is in the error.
    taken: Cell<Option<Value>>,
    tag: Cell<Option<String>>,
}

impl NodeSlot {
    /// The scalar that this error refuses; `None` if it is an error of another kind.
    fn scalar(&self, error: &dyn fmt::Display) -> Option<Rc<Node>> {
        let value = self.taken.take()?;
        let (line, column) = place(&error.to_string());
        Some(Rc::new(Node {
            line,
            column,
            tag: self.tag.take(),
            value,
        }))
    }
}

/// `… at line 3 column 5`; the very first place is left out.
fn place(message: &str) -> (usize, usize) {
    let numbers = || {
        let (_, place) = message.rsplit_once(" at line ")?;
        let (line, column) = place.split_once(" column ")?;
        Some((line.parse().ok()?, column.parse().ok()?))
    };
    numbers().unwrap_or((1, 1))
}

#[derive(Clone, Copy)]
struct Capture<'a> {
    state: &'a CaptureState,
    slot: &'a NodeSlot,
    /// Bytes of the keys above.
    above: usize,
}

impl Capture<'_> {
    fn refuse<E: de::Error>(self, value: Value) -> Result<(), E> {
        let length = match &value {
            Value::Text(text) => text.len(),
            _ => 0,
        };
        self.state.take(1 + length / LONG_TEXT, self.above)?;
        self.slot.taken.set(Some(value));
        Err(E::custom(TAKEN))
    }

    fn put(self, line: Option<(usize, usize)>, value: Value) {
        let (line, column) = line.unwrap_or_default();
        self.slot.node.set(Some(Rc::new(Node {
            line,
            column,
            tag: None,
            value,
        })));
    }

    fn inside<'b>(self, slot: &'b NodeSlot, longer_by: usize) -> Capture<'b>
    where
        Self: 'b,
    {
        Capture {
            state: self.state,
            slot,
            above: self.above + longer_by + 1,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Capture<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Capture<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.refuse(Value::Plain(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.refuse(Value::Plain(value.to_string()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<(), E> {
        self.refuse(Value::Plain(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.refuse(Value::Plain(value.to_string()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<(), E> {
        self.refuse(Value::Plain(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.refuse(Value::Plain(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.refuse(Value::Text(text.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.refuse(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.refuse(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.state.take(1, self.above)?;
        let mut items: Vec<Rc<Node>> = Vec::new();
        loop {
            let slot = NodeSlot::default();
            match list.next_element_seed(self.inside(&slot, 8)) {
                Ok(None) => break,
                Ok(Some(())) => items.extend(slot.node.take()),
                Err(error) => items.push(slot.scalar(&error).ok_or(error)?),
            }
        }
        let place = items.first().map(|item| (item.line, item.column));
        self.put(place, Value::List(items));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.state.take(1, self.above)?;
        let mut entries: Vec<(Rc<Node>, Entry)> = Vec::new();
        let mut keys: HashSet<String> = HashSet::new();
        loop {
            let slot = NodeSlot::default();
            let key = match map.next_key_seed(self.inside(&slot, 0)) {
                Ok(None) => break,
                Ok(Some(())) => slot.node.take(),
                Err(error) => Some(slot.scalar(&error).ok_or(error)?),
            };
            let name = key.as_ref().map(|key| key_text(key));
            let slot = NodeSlot::default();
            let value = match map.next_value_seed(self.inside(&slot, name.as_ref().map_or(0, String::len))) {
                Ok(()) => slot.node.take(),
                Err(error) => Some(slot.scalar(&error).ok_or(error)?),
            };
            let (Some(key), Some(name), Some(value)) = (key, name, value) else {
                continue;
            };
            if !keys.insert(name.clone()) {
                return Err(self.state.fault(key.line, format!("the key `{name}` is there twice")));
            }
            entries.push((key, Entry { key: name, value }));
        }
        let place = entries.first().map(|(key, _)| (key.line, key.column));
        self.put(place, Value::Map(self.merged(entries, keys)));
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (tag, value) = tagged.variant::<String>()?;
        let result = value.newtype_variant_seed(self);
        match self.slot.node.take() {
            Some(node) => self.slot.node.set(Some(Rc::new(Node {
                tag: Some(tag),
                ..Rc::unwrap_or_clone(node)
            }))),
            None => self.slot.tag.set(Some(tag)),
        }
        result
    }
}

impl Capture<'_> {
    /// The entries with those of merge keys behind them. What is merged in has its own merges applied already; an entry of the
    /// mapping itself goes before, and the earlier mapping of a list before a later one ("Merge key language-independent type
    /// for YAML").
    fn merged(self, entries: Vec<(Rc<Node>, Entry)>, mut keys: HashSet<String>) -> Vec<Entry> {
        let mut own = Vec::new();
        let mut sources = Vec::new();
        for (key, entry) in entries {
            let is_merge = entry.key == MERGE && key.text().is_some();
            if !is_merge {
                own.push(entry);
                continue;
            }
            match &entry.value.value {
                Value::Map(_) => sources.push(Rc::clone(&entry.value)),
                Value::List(items) if items.iter().all(|item| item.is_map()) => sources.extend(items.iter().cloned()),
                // Nothing is there to be merged.
                Value::Null => {}
                _ => {
                    self.state.bad_merges.borrow_mut().push(key.line);
                    if let Value::List(items) = &entry.value.value {
                        sources.extend(items.iter().filter(|item| item.is_map()).cloned());
                    }
                }
            }
        }
        let resets = own.iter().enumerate().filter(|(_, entry)| entry.value.is_reset());
        let mut resets: HashMap<String, usize> = resets.map(|(at, entry)| (entry.key.clone(), at)).collect();
        for source in sources {
            // What is reset is not there to be merged in.
            for entry in source.entries().iter().filter(|entry| !entry.value.is_reset()) {
                if keys.insert(entry.key.clone()) {
                    own.push(entry.clone());
                } else if let Some(at) = resets.remove(&entry.key) {
                    // compose-go takes what is reset out of the mapping before it merges: what is merged in stays, and goes
                    // over what the files below have.
                    let tag = Some("!override".to_owned());
                    let value = Node {
                        tag,
                        ..Node::clone(&entry.value)
                    };
                    own[at].value = Rc::new(value);
                }
            }
        }
        own
    }
}

/// A key as a text; one that is a list or mapping is told from all others by what it holds.
fn key_text(key: &Node) -> String {
    match &key.value {
        Value::Text(text) | Value::Plain(text) => text.clone(),
        Value::Null => "null".to_owned(),
        Value::List(_) | Value::Map(_) => format!("{:?}", key.value).chars().take(200).collect(),
    }
}
