//! How much the gateway does at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// An item in work is there up to this many times: sealed, opened, in the answer of an archive that is compared, and what
/// checking it takes.
const COPIES: u64 = 4;

/// Memory that items may take, all together. Who wants more than is left waits a little, and is then turned away.
pub(super) struct Memory {
    free: Arc<Semaphore>,
    kibibytes: u32,
}

impl Memory {
    /// Room for `bytes`, at least for one of the largest items.
    pub(super) fn new(bytes: u64, largest_item: u64) -> Self {
        let kibibytes = bytes.max(largest_item * COPIES).div_ceil(1024);
        let kibibytes = u32::try_from(kibibytes).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32);
        Self { free: Arc::new(Semaphore::new(kibibytes as usize)), kibibytes }
    }

    /// Room for an item of that length, until the permit is dropped.
    pub(super) async fn reserve(&self, length: u64, patience: Duration) -> Option<OwnedSemaphorePermit> {
        let kibibytes = u32::try_from((length * COPIES).div_ceil(1024)).ok()?.min(self.kibibytes);
        timeout(patience, Arc::clone(&self.free).acquire_many_owned(kibibytes)).await.ok()?.ok()
    }

    /// Waits until no item is in work.
    pub(super) async fn empty(&self) {
        let _ = self.free.acquire_many(self.kibibytes).await;
    }
}

/// One at a time for each UID: of two requests with the same object the second finds what the first has stored.
pub(super) struct Turns {
    hasher: RandomState,
    locks: Vec<Mutex<()>>,
}

impl Turns {
    pub(super) fn new() -> Self {
        // So many that two objects rarely share one; sharing costs time only.
        Self { hasher: RandomState::new(), locks: (0..4096).map(|_| Mutex::new(())).collect() }
    }

    pub(super) async fn of(&self, uid: &str) -> MutexGuard<'_, ()> {
        let at = self.hasher.hash_one(uid) as usize % self.locks.len();
        self.locks[at].lock().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_bounded_and_comes_back() {
        let memory = Memory::new(0, 1 << 20);
        let patience = Duration::from_millis(5);
        let whole = memory.reserve(1 << 20, patience).await.unwrap();
        assert!(memory.reserve(1, patience).await.is_none());
        drop(whole);
        let halves = [memory.reserve(512 << 10, patience).await, memory.reserve(512 << 10, patience).await];
        assert!(halves.iter().all(Option::is_some));
        assert!(memory.reserve(1, patience).await.is_none());
        drop(halves);
        memory.empty().await;
        assert!(memory.reserve(1 << 20, patience).await.is_some());
    }

    #[tokio::test]
    async fn the_same_uid_waits_for_its_turn() {
        let turns = Turns::new();
        let first = turns.of("2.25.1").await;
        assert!(timeout(Duration::from_millis(5), turns.of("2.25.1")).await.is_err());
        drop(first);
        drop(turns.of("2.25.1").await);
    }
}
