//! Which of an image's large blobs begins: the largest that is missing, so that it is not what is waited for alone at the end.
//! Answers to the question whether a blob is there come in any order, so none begins while a larger one's is still open.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use tokio::sync::Notify;

/// The large blobs of one image whose turn has not come.
#[derive(Debug, Default)]
pub(super) struct Turns {
    open: RefCell<BTreeSet<(u64, usize)>>,
    drawn: Cell<usize>,
    changed: Notify,
}

/// One blob's place in the order. Given up when dropped: a blob that is there, or failed, keeps nobody waiting.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    place: (u64, usize),
}

impl Turns {
    /// A place for a blob of so many bytes.
    pub(super) fn draw(&self, size: u64) -> Turn<'_> {
        // Of two that are as large the first one goes first.
        let place = (size, usize::MAX - self.drawn.get());
        self.drawn.set(self.drawn.get() + 1);
        self.open.borrow_mut().insert(place);
        Turn { turns: self, place }
    }
}

impl Turn<'_> {
    /// Waits until every larger blob has begun or needs not to. Whoever begins asks for its permit at once, as permits are
    /// given in the order of asking.
    pub(super) async fn comes(self) {
        loop {
            let changed = self.turns.changed.notified();
            if self.turns.open.borrow().last() == Some(&self.place) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.open.borrow_mut().remove(&self.place);
        self.turns.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use tokio::sync::oneshot;

    /// Answers come in `order`; the blobs that are missing begin in the order that this gives.
    async fn begun(sizes: &[u64], order: &[usize], there: &[usize]) -> Vec<u64> {
        let (turns, begun) = (Turns::default(), RefCell::new(Vec::new()));
        let (senders, answers): (Vec<_>, Vec<_>) = sizes.iter().map(|_| oneshot::channel()).unzip();
        let blobs = sizes.iter().zip(answers).map(async |(size, answer)| {
            let turn = turns.draw(*size);
            if answer.await == Ok(false) {
                turn.comes().await;
                begun.borrow_mut().push(*size);
            }
        });
        let mut senders: Vec<Option<oneshot::Sender<bool>>> = senders.into_iter().map(Some).collect();
        let answering = async {
            for &number in order {
                tokio::task::yield_now().await;
                if let Some(sender) = senders[number].take() {
                    let _ = sender.send(there.contains(&number));
                }
            }
        };
        tokio::join!(join_all(blobs), answering);
        begun.into_inner()
    }

    #[tokio::test]
    async fn the_largest_that_is_missing_begins_whatever_is_answered_first() {
        for (order, there, expected) in [
            (&[0, 1, 2, 3][..], &[][..], &[9, 7, 7, 2][..]),
            (&[3, 2, 1, 0], &[], &[9, 7, 7, 2]),
            (&[2, 0, 3, 1], &[], &[9, 7, 7, 2]),
            // What is there keeps nobody.
            (&[3, 2, 1, 0], &[0], &[7, 7, 2]),
            (&[1, 3, 0, 2], &[0, 2], &[7, 2]),
            (&[3, 2, 1, 0], &[0, 1, 2, 3], &[]),
        ] {
            assert_eq!(
                begun(&[9, 7, 7, 2], order, there).await,
                expected,
                "{order:?} {there:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_answered_first_begins_at_once_if_it_is_the_largest() {
        let turns = Turns::default();
        let (large, small) = (turns.draw(2), turns.draw(1));
        large.comes().await;
        small.comes().await;
        assert!(turns.open.borrow().is_empty());
    }
}
