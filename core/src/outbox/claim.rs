//! One item in the hands of one sender.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::event::Change;
use super::index::{Known, Opener, Sent, item_path, lent_path, unfinished_path};
use super::item::{Block, Confirmation, ItemId, State};
use super::storage::Lease;
use super::{AFTER_FAILURE, Inner, LOOK_AGAIN};
use crate::error::{KeystoreError, OutboxError, SealError, StorageError};
use crate::seal::{self, Recipients};

/// The sole right to an item, in this process and all others. Dropping it gives the item back as it is; so does the death of the process.
pub struct Claim {
    outbox: Arc<Inner>,
    id: ItemId,
    lease: Box<dyn Lease>,
    known: Known,
    state: State,
    /// What was known before this claim offered the item; `None` when it has not.
    before: Option<Sent>,
    is_over: bool,
}

impl Claim {
    /// The item's name.
    #[must_use]
    pub fn id(&self) -> ItemId {
        self.id
    }

    /// Where it stood when it was claimed: [`State::Fresh`], [`State::Unknown`] or [`State::Confirming`]; after [`Claim::offer`] it is
    /// [`State::Sending`].
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Times that this process offered it.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.known.attempts
    }

    /// Time since an archive may last have got it, `None`: never. For what other processes sent, the time that this process can vouch for.
    #[must_use]
    pub fn offered_for(&self) -> Option<Duration> {
        match self.known.sent {
            Sent::Never => None,
            Sent::At(then) => Some(self.outbox.clock.elapsed().saturating_sub(then)),
            Sent::Before => Some(Duration::ZERO),
        }
    }

    /// Only the institution can open it, as far as is known.
    #[must_use]
    pub fn sealed_only(&self) -> bool {
        self.outbox.is_sealed_only(&self.known)
    }

    /// The sealed bytes, the same ones every time.
    ///
    /// # Errors
    /// [`OutboxError::Storage`].
    pub fn sealed(&self) -> Result<Vec<u8>, OutboxError> {
        Ok(self.outbox.read(self.id, self.known.offered)?)
    }

    /// The object.
    ///
    /// # Errors
    /// [`OutboxError::Unopenable`] when the device's key for it is lost or it was sealed without one; [`OutboxError::Seal`] when the key
    /// cannot be had now, or the file was altered; [`OutboxError::Storage`].
    pub fn object(&self) -> Result<Zeroizing<Vec<u8>>, OutboxError> {
        let sealed = self.sealed()?;
        let Some(Opener::Device { id, .. }) = &self.known.opener else { return Err(OutboxError::Unopenable) };
        let key = self.outbox.key(id)?;
        Ok(seal::open(&sealed, &key)?)
    }

    /// Called before the first byte may leave: makes it durable that an archive may have the item from now on.
    ///
    /// # Errors
    /// [`OutboxError::Storage`]: then nothing may be sent.
    pub fn offer(&mut self) -> Result<(), OutboxError> {
        if self.known.offered && !self.known.durable {
            if self.known.sent == Sent::Never {
                // A sync failed after the rename. Another one would say that all is well, and it need not be: the rename is done anew.
                self.outbox.storage.rename(&item_path(self.id, true), &item_path(self.id, false))?;
                self.known.offered = false;
            } else {
                self.outbox.storage.sync_folder("items")?;
                self.known.durable = true;
            }
        }
        if !self.known.offered {
            self.rename_offered()?;
        }
        self.known.mark = Some(self.lease.mark_anew()?);
        self.before.get_or_insert(self.known.sent);
        self.known.sent = Sent::At(self.outbox.clock.elapsed());
        self.known.attempts = self.known.attempts.saturating_add(1);
        self.stand(State::Sending);
        Ok(())
    }

    /// Takes [`Claim::offer`] back: it is certain that no byte of the object left. After a restart an archive is asked nevertheless.
    pub fn withdraw(&mut self) {
        if let Some(before) = self.before.take() {
            self.known.sent = before;
            self.stand(self.known.state());
        }
    }

    /// Gives the item back, to be claimed again after `wait`; with [`Duration::MAX`] when somebody says so ([`super::Outbox::unblock`],
    /// [`super::Outbox::retry`]). Poison always waits for somebody. With [`State::Fresh`], [`State::Unknown`] and [`State::Sending`] it
    /// stands as what it is.
    pub fn settle(mut self, state: State, wait: Duration) {
        self.give_back(state, wait);
    }

    /// Puts another object of the same photo in the item's place, at once or not at all. It was never offered.
    ///
    /// # Errors
    /// Those of [`super::Outbox::add`], the limits aside. After [`OutboxError::Storage`] either of the two may be there.
    pub fn replace(&mut self, object: &[u8]) -> Result<(), OutboxError> {
        self.put(object, &self.outbox.recipients()?)?;
        (self.known.sent, self.before) = (Sent::Never, None);
        self.stand(State::Fresh);
        Ok(())
    }

    /// Seals an item that no institution can open anew, to those whose certificate is valid now. The object stays the same to the byte, and so
    /// does what is known of its sending. Nothing is done to an item that an institution can open. Needs room for the item once more.
    ///
    /// # Errors
    /// [`OutboxError::Unopenable`] when the device's key for it is lost; [`OutboxError::Seal`] when that key cannot be had now, no institution's
    /// certificate is valid, or the file was altered; [`OutboxError::Storage`]: either of the two may be there.
    pub fn seal_to_institutions(&mut self) -> Result<(), OutboxError> {
        let Some(Opener::Device { id, alone: true }) = self.known.opener else { return Ok(()) };
        let key = self.outbox.key(&id)?;
        let (institutions, signer) = (self.outbox.institutions.clone(), self.outbox.signer.clone());
        let recipients = Recipients { device: None, institutions, signer };
        recipients.check(self.outbox.clock.now())?;
        let object = seal::open(&self.sealed()?, &key)?;
        self.put(&object, &Recipients { device: Some(key), ..recipients }).map_err(|e| match e {
            // The signer's, not the item's: that one was opened.
            OutboxError::Seal(SealError::SignatureInvalid) => SealError::Keystore(KeystoreError::Unavailable).into(),
            e => e,
        })?;
        match self.known.opener {
            // A certificate's time ended meanwhile.
            Some(Opener::Device { alone: true, .. }) => Err(SealError::CertificateExpired.into()),
            _ => Ok(()),
        }
    }

    /// Puts this object, sealed, in the item's place.
    fn put(&mut self, object: &[u8], recipients: &Recipients) -> Result<(), OutboxError> {
        let (outbox, id) = (&self.outbox, self.id);
        let (bytes, lease, opener) = outbox.write(id, object, recipients)?;
        // An item keeps its name: what replaces an item that was offered is asked for, too, after a restart.
        let named = outbox.storage.rename(&unfinished_path(id), &item_path(id, self.known.offered));
        let named = named.and_then(|()| outbox.storage.sync_folder("items"));
        self.known.durable = named.is_ok();
        if let Err(e) = named {
            self.known.opener = None;
            let _ = outbox.storage.remove(&unfinished_path(id));
            return Err(e.into());
        }
        self.lease = lease;
        self.known.mark = self.lease.mark().ok();
        (self.known.bytes, self.known.opener) = (bytes, Some(opener));
        outbox.tell(Some(id), Change::Replaced);
        Ok(())
    }

    /// Lends a copy to the operating system, for a transfer that outlives the process. Offers the item first. Settle with [`State::Lent`] then.
    ///
    /// # Errors
    /// [`OutboxError::NotLendable`] when this storage has no files; [`OutboxError::Storage`].
    pub fn lend(&mut self) -> Result<PathBuf, OutboxError> {
        let copy = lent_path(self.id);
        let place = self.outbox.storage.place(&copy).ok_or(OutboxError::NotLendable)?;
        if self.before.is_none() {
            self.offer()?;
        }
        match self.outbox.storage.remove(&copy) {
            Ok(()) | Err(StorageError::Missing) => {}
            Err(e) => return Err(e.into()),
        }
        self.outbox.storage.duplicate(&item_path(self.id, self.known.offered), &copy)?;
        Ok(place)
    }

    /// The archive has it, as surely as the destination asks for: tells the observer, then erases. The order is safe: if the erasing is cut
    /// short, the archive is asked again, and has it.
    ///
    /// # Errors
    /// [`OutboxError::Storage`] when the file may still be there; if it is, it is due again after a minute.
    pub fn stored(mut self, confirmation: Confirmation) -> Result<(), OutboxError> {
        self.outbox.tell(Some(self.id), Change::Stored(confirmation));
        if let Err(e) = self.outbox.erase(self.id) {
            self.give_back(State::Confirming, AFTER_FAILURE);
            return Err(e.into());
        }
        self.is_over = true;
        self.outbox.index().items.remove(&self.id);
        Ok(())
    }

    /// Takes the lease of an item that the index has marked as claimed. `None` when another process has it, it is gone or poison: it is not
    /// due then.
    pub(super) fn take(outbox: &Arc<Inner>, id: ItemId) -> Result<Option<Self>, OutboxError> {
        let Some(mut known) = outbox.index().items.get(&id).cloned() else { return Ok(None) };
        let held = known.hold;
        let refusal = match leased(outbox, id, &mut known) {
            Ok(lease) => {
                known.hold = held.filter(|held| *held == State::Confirming);
                outbox.index().items.insert(id, known.clone());
                let (outbox, state) = (Arc::clone(outbox), known.state());
                return Ok(Some(Self { outbox, id, lease, known, state, before: None, is_over: false }));
            }
            Err(refusal) => refusal,
        };
        let after = |wait| Some(outbox.clock.elapsed().saturating_add(wait));
        match refusal {
            Refusal::Poison | Refusal::Failed(StorageError::TooManyOpen) => {}
            Refusal::Busy | Refusal::Failed(StorageError::Missing) => known.due = after(LOOK_AGAIN),
            Refusal::Failed(_) => (known.hold, known.due) = (Some(State::Blocked(Block::Disk)), after(AFTER_FAILURE)),
        }
        known.claimed = false;
        outbox.index().items.insert(id, known.clone());
        if let Some(state) = known.hold.filter(|hold| Some(*hold) != held) {
            outbox.tell(Some(id), Change::State(state));
        }
        match refusal {
            Refusal::Failed(e @ StorageError::TooManyOpen) => Err(e.into()),
            // Stored, removed or renamed by another process.
            Refusal::Failed(StorageError::Missing) => outbox.follow().map(|()| None).map_err(OutboxError::from),
            _ => Ok(None),
        }
    }

    /// Renames durably, or takes it back as far as that can be.
    fn rename_offered(&mut self) -> Result<(), OutboxError> {
        let storage = &self.outbox.storage;
        let (fresh, offered) = (item_path(self.id, false), item_path(self.id, true));
        let renamed = storage.rename(&fresh, &offered).and_then(|()| storage.sync_folder("items"));
        if let Err(e) = renamed {
            if !matches!(storage.rename(&offered, &fresh), Ok(()) | Err(StorageError::Missing)) {
                (self.known.offered, self.known.durable) = (true, false);
            }
            return Err(e.into());
        }
        (self.known.offered, self.known.durable) = (true, true);
        Ok(())
    }

    /// Where it stands while it is claimed, for those who look.
    fn stand(&mut self, state: State) {
        self.state = state;
        if let Some(known) = self.outbox.index().items.get_mut(&self.id) {
            *known = Known { hold: Some(state), ..self.known.clone() };
        }
        self.outbox.tell(Some(self.id), Change::State(state));
    }

    fn give_back(&mut self, state: State, wait: Duration) {
        let now = self.outbox.clock.elapsed();
        if self.before.is_some() {
            self.known.sent = Sent::At(now);
        }
        self.known.hold = match state {
            State::Fresh | State::Unknown | State::Sending => None,
            held => Some(held),
        };
        self.known.due = match state {
            State::Poison(_) => None,
            _ if wait == Duration::MAX => None,
            _ => now.checked_add(wait),
        };
        self.known.claimed = false;
        self.is_over = true;
        let state = self.known.state();
        self.outbox.index().items.insert(self.id, self.known.clone());
        self.outbox.tell(Some(self.id), Change::State(state));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_over {
            self.give_back(State::Unknown, Duration::ZERO);
        }
    }
}

enum Refusal {
    Busy,
    Poison,
    Failed(StorageError),
}

/// Takes the lease, and sees what others did since this process had it last.
fn leased(outbox: &Inner, id: ItemId, known: &mut Known) -> Result<Box<dyn Lease>, Refusal> {
    let lease = outbox.storage.lease(&item_path(id, known.offered)).map_err(Refusal::Failed)?.ok_or(Refusal::Busy)?;
    let mark = lease.mark().map_err(Refusal::Failed)?;
    if known.offered && (known.mark != Some(mark) || known.hold == Some(State::Lent)) {
        known.sent = Sent::At(outbox.clock.elapsed());
    }
    known.mark = Some(mark);
    if known.opener.is_none() && outbox.inspect(id, known).is_some() {
        return Err(Refusal::Poison);
    }
    Ok(lease)
}
