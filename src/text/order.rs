//! Lists put in order. The standard library's sort is 5 kB of the binary for each type of list: here it is there once, for
//! numbers.

use std::cmp::Ordering;

/// Puts a list in order; equal ones stay as they are.
pub(crate) fn sort<T: Ord>(items: &mut Vec<T>) {
    let order = order(items.len(), &|one, other| items[one].cmp(&items[other]));
    put(items, &order);
}

/// The same by a key, which is asked for once of each.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut Vec<T>, key: impl FnMut(&T) -> K) {
    let keys: Vec<K> = items.iter().map(key).collect();
    put(items, &order(keys.len(), &|one, other| keys[one].cmp(&keys[other])));
}

/// The places of so many, in order.
fn order(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| compare(*one, *other));
    order
}

fn put<T>(items: &mut Vec<T>, order: &[usize]) {
    let mut taken: Vec<Option<T>> = std::mem::take(items).into_iter().map(Some).collect();
    // Each place is there once.
    items.extend(order.iter().filter_map(|place| taken[*place].take()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_order_of_the_standard_library(list in prop::collection::vec((0u8..9, any::<u8>()), 0..40)) {
            let (mut all, mut by_key) = (list.clone(), list.clone());
            sort(&mut all);
            sort_by_key(&mut by_key, |(key, _)| *key);
            let (mut all_std, mut by_key_std) = (list.clone(), list);
            all_std.sort_unstable();
            by_key_std.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(all, all_std);
            prop_assert_eq!(by_key, by_key_std);
        }
    }
}
