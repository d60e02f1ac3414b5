//! The records of PAX headers that concern us.

use super::sparse::Stated;

/// What is said of the next entry by all headers before it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<String>,
    pub(super) link: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) sparse: Stated,
}

/// Why records are not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// They mean nothing.
    Unreadable,
    /// They say two things of one.
    Twice,
}

impl Records {
    /// Adds the `LENGTH KEY=VALUE\n` records of a header. No key may have two values: readers differ in which one counts.
    pub(super) fn add(&mut self, mut bytes: &[u8]) -> Result<(), Bad> {
        while !bytes.is_empty() && bytes[0] != 0 {
            let space = bytes.iter().take(20).position(|b| *b == b' ').ok_or(Bad::Unreadable)?;
            let length = decimal(&bytes[..space]).and_then(|length| usize::try_from(length).ok());
            let length = length.ok_or(Bad::Unreadable)?;
            let record = bytes
                .get(space + 1..length)
                .and_then(|record| record.strip_suffix(b"\n"))
                .ok_or(Bad::Unreadable)?;
            let equals = record.iter().position(|b| *b == b'=').ok_or(Bad::Unreadable)?;
            self.set(&record[..equals], &record[equals + 1..])?;
            bytes = &bytes[length..];
        }
        Ok(())
    }

    /// Whether they say where the next entry is, or how long.
    pub(super) fn concern_content(&self) -> bool {
        *self != Self::default()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Bad> {
        let number = || decimal(value).ok_or(Bad::Unreadable);
        match key {
            b"path" => once(&mut self.path, name(value)?),
            b"linkpath" => once(&mut self.link, name(value)?),
            b"size" => once(&mut self.size, number()?),
            b"GNU.sparse.name" => once(&mut self.sparse.name, name(value)?),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => once(&mut self.sparse.size, number()?),
            b"GNU.sparse.major" => once(&mut self.sparse.major, number()?),
            b"GNU.sparse.minor" => once(&mut self.sparse.minor, number()?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                // They come in turns, which the map of pairs shows.
                let is_offset = key.ends_with(b"offset");
                if is_offset != self.sparse.map.len().is_multiple_of(2) {
                    return Err(Bad::Unreadable);
                }
                self.sparse.map.push(number()?);
                Ok(())
            }
            b"GNU.sparse.map" if self.sparse.map.is_empty() => {
                let numbers = value.split(|b| *b == b',').map(decimal).collect::<Option<Vec<u64>>>();
                self.sparse.map = numbers.ok_or(Bad::Unreadable)?;
                Ok(())
            }
            b"GNU.sparse.map" => Err(Bad::Twice),
            // How many pairs there are, which the pairs say themselves.
            b"GNU.sparse.numblocks" => number().map(drop),
            _ if key.starts_with(b"GNU.sparse.") => Err(Bad::Unreadable),
            _ => Ok(()),
        }
    }
}

/// Gives a value that was not given before, or the same again.
pub(super) fn once<T: PartialEq>(place: &mut Option<T>, value: T) -> Result<(), Bad> {
    match place {
        Some(before) if *before != value => Err(Bad::Twice),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

/// Gives a value that was not given before. A second header of a kind before one entry replaces the first (Go), is added to
/// it (GNU) or ends the reading (Rust's tar).
pub(super) fn first<T>(place: &mut Option<T>, value: T) -> Result<(), Bad> {
    match place.replace(value) {
        Some(_) => Err(Bad::Twice),
        None => Ok(()),
    }
}

/// A name. Readers differ in what an empty one means, and in one with a zero.
fn name(value: &[u8]) -> Result<String, Bad> {
    if value.is_empty() || value.contains(&0) {
        return Err(Bad::Unreadable);
    }
    Ok(String::from_utf8_lossy(value).into_owned())
}

/// Decimal digits and nothing else.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(bytes: &[u8]) -> Result<Records, Bad> {
        let mut records = Records::default();
        records.add(bytes).map(|()| records)
    }

    #[test]
    fn records_are_read_by_their_length() {
        let read =
            records(b"14 path=a\nb=c\n14 linkpath=d\n15 size=123456\n11 path2=x\n22 GNU.sparse.major=1\n").unwrap();
        assert_eq!(read.path.as_deref(), Some("a\nb=c"));
        assert_eq!(read.link.as_deref(), Some("d"));
        assert_eq!((read.size, read.sparse.major), (Some(123_456), Some(1)));
        for bad in [
            &b"x"[..],
            b"99 path=a\n",
            b"3 a=\n",
            b"0 \n",
            b"+9 path=a\n",
            b"18446744073709551616 a=b\n",
            b" a=b\n",
            b"8 path=\n",
            b"10 path=\0\n",
            b"8 size=\n",
            b"10 size=+1\n",
            b"10 size=-1\n",
            b"20 GNU.sparse.other=1\n",
            b"24 GNU.sparse.numbytes=1\n",
        ] {
            assert_eq!(records(bad), Err(Bad::Unreadable), "{bad:?}");
        }
    }

    #[test]
    fn no_key_has_two_values() {
        for (bytes, expected) in [
            (&b"9 path=a\n9 path=a\n"[..], Ok(())),
            (b"9 path=a\n9 path=b\n", Err(Bad::Twice)),
            (b"9 size=1\n9 size=2\n", Err(Bad::Twice)),
            (b"14 linkpath=a\n14 linkpath=b\n", Err(Bad::Twice)),
            (b"22 GNU.sparse.map=0,1\n22 GNU.sparse.map=0,1\n", Err(Bad::Twice)),
        ] {
            assert_eq!(records(bytes).map(drop), expected, "{bytes:?}");
        }
        let mut several = Records::default();
        several.add(b"9 path=a\n").unwrap();
        assert_eq!(several.add(b"9 path=b\n"), Err(Bad::Twice));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = records(&bytes);
        }
    }
}
