//! Access tokens: fetched when the last one was refused, by one thread for all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::HttpError;
use crate::upload::AccessToken;

/// Where tokens come from: the host's login.
pub trait TokenSource: Send + Sync {
    /// A token; asked for the first time, and again after the last one was refused. Called by one thread at a time, with no lock held;
    /// the others wait for it.
    ///
    /// # Errors
    /// [`HttpError::NoToken`], when there is none to be had now.
    fn fetch(&self) -> Result<AccessToken, HttpError>;
}

/// The token that all uploads share.
///
/// Several fetches at once would be worse than slow: an identity provider takes a refresh token that is used twice for
/// stolen, and revokes the whole login.
pub struct Tokens {
    source: Arc<dyn TokenSource>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    token: Option<AccessToken>,
    /// A server let the token in at least once.
    accepted: bool,
    fetching: bool,
    /// How many fetches have ended, and whether the last one brought a token.
    ended: u64,
    brought: bool,
}

impl Tokens {
    /// Nothing is fetched before the first upload.
    #[must_use]
    pub fn new(source: Arc<dyn TokenSource>) -> Self {
        Self { source, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The token to use now.
    ///
    /// # Errors
    /// [`HttpError::NoToken`], as the source.
    pub fn current(&self) -> Result<AccessToken, HttpError> {
        let state = self.settled()?;
        match state.token.clone() {
            Some(token) => Ok(token),
            None => self.fetch(state),
        }
    }

    /// A server let this token in.
    pub fn accepted(&self, token: &AccessToken) {
        let mut state = self.lock();
        if state.is(token) {
            state.accepted = true;
        }
    }

    /// A server refused this token. Is there another one now? Fetches at most once for every token that was ever accepted, and once
    /// for the first: one that is refused at once is no reason to fetch again and again.
    ///
    /// # Errors
    /// [`HttpError::NoToken`], as the source.
    pub fn refused(&self, token: &AccessToken) -> Result<bool, HttpError> {
        let state = self.settled()?;
        if !state.is(token) {
            return Ok(true);
        }
        if state.ended > 1 && !state.accepted {
            return Ok(false);
        }
        Ok(self.fetch(state)?.digest() != token.digest())
    }

    /// The state when nobody fetches. Who had to wait for a fetch that failed fails with it.
    fn settled(&self) -> Result<MutexGuard<'_, State>, HttpError> {
        let mut state = self.lock();
        let ended = state.ended;
        while state.fetching {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended != ended && !state.brought { Err(HttpError::NoToken) } else { Ok(state) }
    }

    fn fetch(&self, mut state: MutexGuard<'_, State>) -> Result<AccessToken, HttpError> {
        state.fetching = true;
        drop(state);
        // Also when the source panics: the others must not wait for ever.
        let mut fetching = Fetching { tokens: self, token: None };
        let token = self.source.fetch()?;
        fetching.token = Some(token.clone());
        Ok(token)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is(&self, token: &AccessToken) -> bool {
        self.token.as_ref().is_some_and(|current| current.digest() == token.digest())
    }
}

struct Fetching<'a> {
    tokens: &'a Tokens,
    token: Option<AccessToken>,
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        let mut state = self.tokens.lock();
        state.fetching = false;
        state.ended += 1;
        state.brought = self.token.is_some();
        if let Some(token) = self.token.take() {
            state.accepted &= state.is(&token);
            state.token = Some(token);
        }
        self.tokens.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    struct Numbered {
        fetches: AtomicU32,
        fails_at: u32,
    }

    impl TokenSource for Numbered {
        fn fetch(&self) -> Result<AccessToken, HttpError> {
            let number = self.fetches.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            if number == self.fails_at {
                return Err(HttpError::NoToken);
            }
            AccessToken::new(format!("token-{number}")).map_err(|_| HttpError::NoToken)
        }
    }

    fn tokens(fails_at: u32) -> (Tokens, Arc<Numbered>) {
        let source = Arc::new(Numbered { fetches: AtomicU32::new(0), fails_at });
        (Tokens::new(source.clone()), source)
    }

    /// 64 threads at once.
    fn all<T: Send>(run: impl Fn() -> T + Sync) -> Vec<T> {
        let barrier = Barrier::new(64);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..64)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        run()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn sixty_four_threads_that_are_refused_fetch_once() {
        let (tokens, source) = tokens(u32::MAX);
        let first = tokens.current().unwrap();
        assert!(all(|| tokens.refused(&first)).into_iter().all(|another| another == Ok(true)));
        assert_eq!(source.fetches.load(Ordering::SeqCst), 2);
        let second = tokens.current().unwrap();
        assert!(second.digest() != first.digest());
        // Refused before it was ever accepted: no fetch. Accepted, and refused later: one.
        assert!(all(|| tokens.refused(&second)).into_iter().all(|another| another == Ok(false)));
        assert_eq!(source.fetches.load(Ordering::SeqCst), 2);
        tokens.accepted(&second);
        assert!(all(|| tokens.refused(&second)).into_iter().all(|another| another == Ok(true)));
        assert_eq!(source.fetches.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn the_first_token_is_fetched_once_too() {
        let (tokens, source) = tokens(u32::MAX);
        assert!(all(|| tokens.current().is_ok()).into_iter().all(|there| there));
        assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn who_waits_for_a_fetch_that_fails_fails_with_it() {
        let (tokens, source) = tokens(1);
        let first = tokens.current().unwrap();
        let answers = all(|| tokens.refused(&first));
        assert!(answers.contains(&Err(HttpError::NoToken)));
        // Those that came after it had failed were free to try again: once.
        assert!(source.fetches.load(Ordering::SeqCst) <= 3);
    }

    #[test]
    fn a_source_that_panics_locks_nobody_out() {
        struct Panics;
        impl TokenSource for Panics {
            fn fetch(&self) -> Result<AccessToken, HttpError> {
                panic!("the host's bug")
            }
        }
        let tokens = Tokens::new(Arc::new(Panics));
        for _ in 0..2 {
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tokens.current().is_ok())).is_err());
        }
    }
}
