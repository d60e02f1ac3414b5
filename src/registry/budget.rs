//! What a run holds of what registries and token servers send: one total for all images, lists and tokens together, so that
//! memory does not grow with what a registry says.

use super::error::ErrorKind;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes that are held at a time. A run over thousands of images holds a fifth of it.
pub(super) const MOST: usize = 32 * 1024 * 1024;
/// What a document costs beside its bytes: who keeps it keeps its digest and its place too.
const BESIDE: usize = 512;

/// What is left to a run.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget(Arc<AtomicUsize>);

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: MemoryBudget,
    bytes: usize,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(MOST)))
    }
}

impl MemoryBudget {
    /// Nothing yet.
    #[must_use]
    pub(crate) fn charge(&self) -> Charge {
        Charge {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

impl Charge {
    /// Takes more.
    ///
    /// # Errors
    /// So much is not left.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        let take = |left: usize| left.checked_sub(bytes);
        let left = &self.budget.0;
        match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(_) => Err(ErrorKind::OverBudget { limit: MOST }),
        }
    }

    /// Gives back so many bytes.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.shrink_to(self.bytes.saturating_sub(bytes));
    }

    /// Gives back all above so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let over = self.bytes.saturating_sub(bytes);
        self.budget.0.fetch_add(over, Ordering::Relaxed);
        self.bytes -= over;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// Bytes with what they cost, as long as anybody has a part of them.
struct Held {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes that were charged for while they came.
pub(super) fn held(bytes: Bytes, mut charge: Charge) -> Result<Bytes, ErrorKind> {
    if bytes.is_empty() {
        return Ok(bytes);
    }
    charge.shrink_to(bytes.len());
    charge.grow(BESIDE)?;
    Ok(Bytes::from_owner(Held { bytes, _charge: charge }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = MemoryBudget::default();
        let left = || budget.0.load(Ordering::Relaxed);
        let mut charge = budget.charge();
        charge.grow(MOST - 1000).unwrap();
        let mut other = budget.charge();
        assert_eq!(other.grow(1001), Err(ErrorKind::OverBudget { limit: MOST }));
        other.grow(1000).unwrap();
        assert_eq!(left(), 0);
        drop(charge);
        assert_eq!(left(), MOST - 1000);
        let bytes = held(Bytes::from_static(b"0123456789"), other).unwrap();
        assert_eq!(left(), MOST - 10 - BESIDE);
        let part = bytes.slice(3..4);
        drop(bytes);
        assert_eq!(left(), MOST - 10 - BESIDE, "a part of it is there");
        drop(part);
        assert_eq!(left(), MOST);
        let none = held(Bytes::new(), budget.charge()).unwrap();
        assert_eq!((none.len(), left()), (0, MOST));
    }
}
