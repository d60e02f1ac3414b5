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

    /// The one that was added last.
    #[must_use]
    pub fn last(&self) -> &T {
        // As for the first.
        &self.0[self.0.len() - 1]
    }

    /// These and more.
    #[must_use]
    pub fn and(mut self, more: impl IntoIterator<Item = T>) -> Self {
        self.0.extend(more);
        self
    }

    /// Adds these.
    pub fn extend(&mut self, more: impl IntoIterator<Item = T>) {
        self.0.extend(more);
    }

    /// With those put into one before them that `merge` takes; it gives back what it does not take.
    #[must_use]
    pub fn merged(self, mut merge: impl FnMut(&mut T, T) -> Option<T>) -> Self {
        let mut kept: Vec<T> = Vec::new();
        for item in self.0 {
            let left = kept.iter_mut().try_fold(item, |item, known| merge(known, item));
            kept.extend(left);
        }
        // Before the first there is none that could take it.
        Self(kept)
    }

    /// Without those that are like one before them.
    #[must_use]
    pub fn distinct(self, is_like: impl Fn(&T, &T) -> bool) -> Self {
        self.merged(|known, next| (!is_like(known, &next)).then_some(next))
    }

    /// What `make` gives for each.
    #[must_use]
    pub fn each<'a, U>(&'a self, make: impl FnMut(&'a T) -> U) -> AtLeastOne<U> {
        AtLeastOne(self.0.iter().map(make).collect())
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
        assert_eq!((*list.first(), *list.last(), list.len()), (2, 6, 3));
        assert_eq!(list.each(|number| number / 2), AtLeastOne::from(1).and([2, 3]));
        assert_eq!(
            AtLeastOne::from(1).and([2, 1, 1]).distinct(|a, b| a == b),
            AtLeastOne::from(1).and([2])
        );
        assert_eq!(AtLeastOne::of(vec![2, 4, 6]), Some(list));
    }
}
