//! The ways to read a text: as it is, and with the escapes of URLs, of JSON and shells, of HTML, and of mail undone, as often
//! as they were applied. Each byte remembers where in the text it comes from.

use crate::text::odd::is_odd;

/// So often an escape is undone: `%25253D` is three times.
const MOST_ROUNDS: usize = 4;

/// A byte, and the part of the text that stands for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom {
    pub(super) byte: u8,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Undoes one escape at the start: the byte or bytes that it stands for, and its length.
type Escape = fn(&[Atom]) -> Option<(Bytes, usize)>;

/// At most four bytes of a character.
struct Bytes([u8; 4], usize);

/// The escapes that are undone together. Alone too: what is an escape of one kind may be plain text between those of another.
const KINDS: [&[Escape]; 6] = [
    &[percent],
    &[backslash],
    &[entity],
    &[quoted_printable],
    &[percent, backslash, entity],
    &[percent, backslash, entity, quoted_printable],
];

/// Looks at a text in every way that differs from those before.
pub(super) fn each(text: &str, mut look: impl FnMut(&[Atom])) {
    let plain = atoms(text);
    look(&plain);
    for escapes in KINDS {
        let mut atoms = undone(&plain, escapes);
        for _ in 0..MOST_ROUNDS {
            let Some(read) = atoms else { break };
            look(&seen(&read));
            atoms = undone(&read, escapes);
        }
    }
}

fn atoms(text: &str) -> Vec<Atom> {
    let of_character = |(start, character): (usize, char)| {
        let end = start + character.len_utf8();
        text.as_bytes()[start..end]
            .iter()
            .map(move |&byte| Atom { byte, start, end })
    };
    let seen = text.char_indices().filter(|(_, character)| !is_unseen(*character));
    seen.flat_map(of_character).collect()
}

/// The bytes without those of characters that are not seen.
fn seen(atoms: &[Atom]) -> Vec<Atom> {
    let mut seen = Vec::with_capacity(atoms.len());
    let mut at = 0;
    while let Some(first) = atoms.get(at) {
        let width = match first.byte {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0.. => 4,
            _ => 1,
        };
        let bytes: Vec<u8> = atoms[at..].iter().take(width).map(|atom| atom.byte).collect();
        let character = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next());
        if character.is_some_and(is_unseen) {
            at += width;
        } else {
            seen.push(*first);
            at += 1;
        }
    }
    seen
}

/// Whether a character is none that parts a word for who copies it out of a log: one that is not seen, or the zeros of UTF-16.
pub(super) fn is_unseen(character: char) -> bool {
    is_odd(character) && !character.is_whitespace()
}

/// The text with one round of escapes undone; `None` if there are none.
fn undone(atoms: &[Atom], escapes: &[Escape]) -> Option<Vec<Atom>> {
    let mut read = Vec::new();
    let mut at = 0;
    let mut found = false;
    while let Some(atom) = atoms.get(at) {
        let escape = escapes.iter().find_map(|escape| escape(&atoms[at..]));
        if let Some((Bytes(bytes, count), length)) = escape {
            if !found {
                found = true;
                read.extend_from_slice(&atoms[..at]);
            }
            let (start, end) = (atom.start, atoms[at + length - 1].end);
            read.extend(bytes[..count].iter().map(|&byte| Atom { byte, start, end }));
            at += length;
        } else {
            if found {
                read.push(*atom);
            }
            at += 1;
        }
    }
    found.then_some(read)
}

/// `%3D`
fn percent(atoms: &[Atom]) -> Option<(Bytes, usize)> {
    starts(atoms, b"%").then_some(())?;
    Some((Bytes::one(hexadecimal(atoms.get(1..3)?)?), 3))
}

/// `=3D`; a line that ends with `=` goes on in the next.
fn quoted_printable(atoms: &[Atom]) -> Option<(Bytes, usize)> {
    starts(atoms, b"=").then_some(())?;
    if starts(atoms, b"=\r\n") {
        return Some((Bytes::none(), 3));
    }
    if starts(atoms, b"=\n") {
        return Some((Bytes::none(), 2));
    }
    Some((Bytes::one(hexadecimal(atoms.get(1..3)?)?), 3))
}

/// `\u003d`, `\u{3d}`, `\x3d`, `\/`, `\n`
fn backslash(atoms: &[Atom]) -> Option<(Bytes, usize)> {
    starts(atoms, b"\\").then_some(())?;
    let next = atoms.get(1)?.byte;
    match next {
        b'u' if starts(atoms, b"\\u{") => {
            let digits = atoms[3..]
                .iter()
                .take(6)
                .take_while(|atom| atom.byte.is_ascii_hexdigit())
                .count();
            (atoms.get(3 + digits)?.byte == b'}').then_some(())?;
            Some((Bytes::of(number(&atoms[3..3 + digits], 16)?)?, digits + 4))
        }
        b'u' => Some((Bytes::of(number(atoms.get(2..6)?, 16)?)?, 6)),
        b'x' => Some((Bytes::one(hexadecimal(atoms.get(2..4)?)?), 4)),
        b'n' | b'r' | b't' | b'b' | b'f' | b'0' => Some((Bytes::one(b'\n'), 2)),
        mark if mark.is_ascii_punctuation() => Some((Bytes::one(mark), 2)),
        _ => None,
    }
}

/// `&#x3D;`, `&#61;`, `&amp;`
fn entity(atoms: &[Atom]) -> Option<(Bytes, usize)> {
    starts(atoms, b"&").then_some(())?;
    let length = atoms.iter().take(10).position(|atom| atom.byte == b';')? + 1;
    let name = &atoms[1..length - 1];
    let character = if starts(name, b"#x") || starts(name, b"#X") {
        number(&name[2..], 16)?
    } else if starts(name, b"#") {
        number(&name[1..], 10)?
    } else {
        let named = |text: &[u8]| name.len() == text.len() && starts(name, text);
        let names: [(&[u8], u8); 6] = [
            (b"amp", b'&'),
            (b"lt", b'<'),
            (b"gt", b'>'),
            (b"quot", b'"'),
            (b"apos", b'\''),
            (b"equals", b'='),
        ];
        u32::from(names.into_iter().find(|(text, _)| named(text))?.1)
    };
    Some((Bytes::of(character)?, length))
}

fn starts(atoms: &[Atom], text: &[u8]) -> bool {
    atoms.len() >= text.len() && atoms.iter().zip(text).all(|(atom, byte)| atom.byte == *byte)
}

fn hexadecimal(atoms: &[Atom]) -> Option<u8> {
    u8::try_from(number(atoms, 16)?).ok()
}

fn number(atoms: &[Atom], radix: u32) -> Option<u32> {
    let digit = |atom: &Atom| char::from(atom.byte).to_digit(radix);
    if atoms.is_empty() || atoms.len() > 7 {
        return None;
    }
    atoms.iter().try_fold(0, |sum, atom| Some(sum * radix + digit(atom)?))
}

impl Bytes {
    const fn none() -> Self {
        Self([0; 4], 0)
    }

    const fn one(byte: u8) -> Self {
        Self([byte, 0, 0, 0], 1)
    }

    fn of(character: u32) -> Option<Self> {
        let character = char::from_u32(character)?;
        let mut bytes = [0; 4];
        let count = character.encode_utf8(&mut bytes).len();
        Some(Self(bytes, count))
    }
}
