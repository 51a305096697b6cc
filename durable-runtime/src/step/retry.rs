//! When a failed attempt is followed by another one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::journal::identity::Identity;

/// How often and after what waits a step is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RetryPolicy {
    /// Attempts in all; `None`: without an end.
    pub(super) attempts: Option<u32>,
    /// The wait after the first failure.
    pub(super) initial: Duration,
    /// By how much each wait is longer than the one before.
    pub(super) factor: f64,
    /// The longest wait.
    pub(super) max: Duration,
    /// The part of a wait that chance may add or take away, between 0 and 1, so that many failures at one moment do not
    /// come back at one moment.
    pub(super) jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: Some(5),
            initial: Duration::from_millis(100),
            factor: 2.0,
            max: Duration::from_secs(30),
            jitter: 0.1,
        }
    }
}

impl RetryPolicy {
    pub(super) fn allows(&self, attempt: u32) -> bool {
        self.attempts.is_none_or(|attempts| attempt <= attempts)
    }

    /// The wait between the failure of an attempt and the next one; `chance` is between 0 and 1.
    pub(super) fn wait_after(&self, attempt: u32, chance: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let factor = self.factor.powi(exponent);
        let wait = (self.initial.as_secs_f64() * factor).min(self.max.as_secs_f64());
        let shift = 1.0 + self.jitter * (2.0 * chance - 1.0);
        Duration::try_from_secs_f64(wait * shift).unwrap_or(self.max)
    }
}

/// The methods by which a marker's options reach a step of either kind.
macro_rules! options {
    () => {
        /// Tells the rounds of a loop apart.
        #[must_use]
        pub fn key<K: super::bound::StepKey + ?Sized>(mut self, key: &K) -> Self {
            self.core.set_key(key.to_string());
            self
        }

        /// How many attempts are made at most.
        #[must_use]
        pub fn attempts(mut self, attempts: u32) -> Self {
            self.core.policy.attempts = Some(attempts);
            self
        }

        /// Attempts are made until one succeeds.
        #[must_use]
        pub fn unlimited(mut self) -> Self {
            self.core.policy.attempts = None;
            self
        }

        /// The wait after the first failure.
        #[must_use]
        pub fn initial_ms(mut self, millis: u64) -> Self {
            self.core.policy.initial = Duration::from_millis(millis);
            self
        }

        /// By how much each wait is longer than the one before.
        #[must_use]
        pub fn factor(mut self, factor: f64) -> Self {
            self.core.policy.factor = factor;
            self
        }

        /// The longest wait.
        #[must_use]
        pub fn max_ms(mut self, millis: u64) -> Self {
            self.core.policy.max = Duration::from_millis(millis);
            self
        }

        /// The part of a wait that chance may add or take away.
        #[must_use]
        pub fn jitter(mut self, jitter: f64) -> Self {
            self.core.policy.jitter = jitter;
            self
        }
    };
}

pub(super) use options;

/// A number between 0 and 1 that is the same each time for one attempt of one invocation.
pub(super) fn chance(seed: u64, step: &Identity, attempt: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (seed, step, attempt).hash(&mut hasher);
    f64::from(u32::try_from(hasher.finish() >> 32).expect("32 bits")) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: RetryPolicy = RetryPolicy {
        attempts: Some(3),
        initial: Duration::from_millis(100),
        factor: 2.0,
        max: Duration::from_millis(350),
        jitter: 0.0,
    };

    #[test]
    fn waits_grow_by_the_factor_up_to_the_longest() {
        let waits = [1, 2, 3, 4, u32::MAX].map(|attempt| PLAIN.wait_after(attempt, 0.5).as_millis());
        assert_eq!(waits, [100, 200, 350, 350, 350]);
    }

    #[test]
    fn chance_moves_a_wait_within_the_jitter() {
        let policy = RetryPolicy { jitter: 0.5, ..PLAIN };
        assert_eq!(policy.wait_after(1, 0.0).as_millis(), 50);
        assert_eq!(policy.wait_after(1, 1.0).as_millis(), 150);
    }

    #[test]
    fn attempts_end_after_their_number_or_never() {
        assert!(PLAIN.allows(3) && !PLAIN.allows(4));
        let unlimited = RetryPolicy { attempts: None, ..PLAIN };
        assert!(unlimited.allows(u32::MAX));
    }
}
