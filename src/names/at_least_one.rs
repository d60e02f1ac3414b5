//! Lists that are never empty: what a request names, and what went wrong with one.

use std::ops::Deref;

/// A list of one or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtLeastOne<T>(Vec<T>);

impl<T> AtLeastOne<T> {
    /// `None` for an empty list.
    #[must_use]
    pub fn of(items: Vec<T>) -> Option<Self> {
        (!items.is_empty()).then_some(Self(items))
    }

    #[must_use]
    pub fn first(&self) -> &T {
        // None is made empty, and nothing is ever taken out.
        &self.0[0]
    }

    /// These and more.
    #[must_use]
    pub fn and(mut self, more: impl IntoIterator<Item = T>) -> Self {
        self.0.extend(more);
        self
    }

    /// Each made into another.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> AtLeastOne<U> {
        AtLeastOne(self.0.into_iter().map(change).collect())
    }
}

impl<T, E> AtLeastOne<Result<T, E>> {
    /// All of them, unless one is an error.
    ///
    /// # Errors
    /// The first.
    pub fn transpose(self) -> Result<AtLeastOne<T>, E> {
        self.0.into_iter().collect::<Result<_, _>>().map(AtLeastOne)
    }
}

impl<T> From<T> for AtLeastOne<T> {
    fn from(item: T) -> Self {
        Self(vec![item])
    }
}

impl<T> Deref for AtLeastOne<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> IntoIterator for AtLeastOne<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a AtLeastOne<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_empty() {
        assert_eq!(AtLeastOne::<u8>::of(Vec::new()), None);
        let list = AtLeastOne::from(1).and([2, 3]).map(|number| number * 2);
        assert_eq!((*list.first(), list.len()), (2, 3));
        assert_eq!(AtLeastOne::of(vec![2, 4, 6]), Some(list));
    }
}
