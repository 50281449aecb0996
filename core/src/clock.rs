//! Ports for time and randomness, so that the same inputs give the same bytes.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use ring::rand::SecureRandom;

/// Where the time comes from: the local time with its offset from UTC, and how much of it has passed.
pub trait Clock: Send + Sync {
    /// This moment.
    fn now(&self) -> DateTime<FixedOffset>;

    /// Time since some fixed moment of this process. Never goes back, whatever happens to [`Clock::now`]: what waits, waits by it.
    fn elapsed(&self) -> Duration;
}

/// Where unpredictable bytes come from.
pub trait Randomness: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`RandomnessUnavailable`] when the source gives nothing; nothing may be minted then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessUnavailable>;
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no randomness available")]
pub struct RandomnessUnavailable;

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        ring::rand::SystemRandom::new().fill(bytes).map_err(|_| RandomnessUnavailable)
    }
}
