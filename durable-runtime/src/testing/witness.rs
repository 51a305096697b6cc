//! A witness of effects outside of the store.

use std::sync::Arc;

use parking_lot::Mutex;

/// Sees effects that the store cannot testify for: a stand-in for the outside world, which a simulated crash does not
/// take back. Give it to the tools as a [`State`](crate::State).
///
/// ```
/// use durable_runtime::testing::Witness;
///
/// let bank = Witness::default();
/// bank.saw("charge of order 7");
/// assert_eq!(bank.times("charge of order 7"), 1);
/// assert_eq!(bank.times("refund of order 7"), 0);
/// ```
///
/// Clones are the same witness.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<Vec<String>>>);

impl Witness {
    /// Takes note of an effect.
    pub fn saw(&self, effect: impl Into<String>) {
        self.0.lock().push(effect.into());
    }

    /// How often this effect was seen.
    pub fn times(&self, effect: &str) -> usize {
        self.0.lock().iter().filter(|seen| *seen == effect).count()
    }

    /// All effects that were seen, in their order.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}
