//! The state machine: one item after the other, each as far as it comes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::answer::{Answer, Committed, Compared, Fallback, Found, Refusal, Refused, Stored};
use super::destination::{Confirm, Destination, Policy};
use super::objects::{Identity, Objects};
use super::task::{AccessToken, Body, NotSent, Outcome, UploadId, UploadRequest, UploadResult, UploadTask};
use super::{hexadecimal, sha256};
use crate::error::{OutboxError, SealError, UploadError};
#[cfg(test)]
use crate::outbox::simulated::PlantedBug;
use crate::outbox::{Block, Claim, Confirmation, ItemId, LENT_FOR, Next, Outbox, Reason, State};

/// Longest time between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);
/// How long until another look when the device itself is in the way: its storage, or its key.
const DEVICE_BACKOFF: Duration = Duration::from_secs(60);
/// How long an item may fail before [`Uploader::attention`] names it.
const ATTENTION_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How long until another look while all that is left is under way.
const UNDER_WAY_BACKOFF: Duration = Duration::from_secs(1);
/// How often an archive may say that it stored an object that it then has not.
const MOST_BROKEN_PROMISES: u8 = 3;

/// Empties an outbox into one destination. All methods may be called from many threads at once; no lock is held while observers are called.
pub struct Uploader {
    pub(super) outbox: Arc<Outbox>,
    pub(super) destination: Destination,
    objects: Arc<dyn Objects>,
    inner: Mutex<Inner>,
    #[cfg(test)]
    bug: Option<PlantedBug>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) last_id: u64,
    /// Whose next step is due at once.
    ready: VecDeque<Held>,
    under_way: HashMap<UploadId, UnderWay>,
    /// Of items that wait. Without it an item is asked for before it is sent: losing it costs time only.
    waiting: HashMap<ItemId, Progress>,
    /// The digest of the token that came last.
    token: Option<[u8; 32]>,
    /// It was refused; until then it is not tried again.
    refused_until: Duration,
    /// The archive asked for a pause until then.
    paused_until: Duration,
}

/// An item in our hands.
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) progress: Progress,
}

struct UnderWay {
    held: Held,
    /// The digest of its token; `None`: not known any more.
    token: Option<Option<[u8; 32]>>,
    /// When it was handed to the host.
    at: Duration,
}

/// How far an item has come, by the clock's elapsed time.
pub(super) struct Progress {
    pub(super) phase: Phase,
    identity: Option<Arc<Identity>>,
    /// Until then the archive may be storing what was sent before: its "absent" does not count yet.
    pub(super) quarantined_until: Duration,
    /// The archive has listed it since it was last sent.
    listed: bool,
    broken_promises: u8,
    refusal: Option<Refusal>,
    refusals: u8,
    /// In a row.
    failures: u32,
    /// Of the storage commitment request, its Transaction UID.
    pub(super) transaction: String,
    first_tried: Duration,
    /// When it was given back. Whatever was sent later was sent by somebody else.
    settled: Duration,
    /// It waits for another token.
    needs_token: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Store,
    Query(Lookup),
    Retrieve,
    Commit,
    CommitResult,
}

/// Where to ask for an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Among the instances of its series.
    InSeries,
    /// Among all instances, for an archive that knows no such series, or no such URL.
    Anywhere,
    /// Its metadata, for an archive that does not tell the patient, or not only what it was asked for.
    Metadata,
}

const ASK: Phase = Phase::Query(Lookup::InSeries);

/// What to do with an item after a step.
enum After {
    Continue,
    Settle(State, Duration),
    Erase(Confirmation),
    /// The archive gives no commitment.
    Unsupported,
}

enum Planned {
    Request(UploadRequest, Box<Held>),
    Wait(Duration),
    Done,
}

/// Why a request could not be made.
pub(super) struct Setback(pub(super) State, pub(super) Duration);

impl Uploader {
    /// Empties `outbox` into `destination`.
    #[must_use]
    pub fn new(outbox: Arc<Outbox>, destination: Destination, objects: Arc<dyn Objects>) -> Self {
        Self {
            outbox,
            destination,
            objects,
            inner: Mutex::default(),
            #[cfg(test)]
            bug: None,
        }
    }

    #[cfg(test)]
    pub(super) fn with_bug(self, bug: Option<PlantedBug>) -> Self {
        Self { bug, ..self }
    }

    /// Where to.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// What to do next. `access_token` goes into the request and is not kept; with another one than before, items that wait for a token are
    /// due again.
    ///
    /// # Errors
    /// [`UploadError::Unauthorized`]: the archive refused this token, come with another; [`UploadError::Outbox`] when the storage fails
    /// altogether.
    pub fn next_upload(&self, access_token: Option<&AccessToken>) -> Result<UploadTask, UploadError> {
        Ok(match self.next(access_token)? {
            Planned::Request(request, held) => {
                let (token, at) = (Some(access_token.map(AccessToken::digest)), self.now());
                self.inner().under_way.insert(request.id, UnderWay { held: *held, token, at });
                UploadTask::Send(request)
            }
            Planned::Wait(wait) => UploadTask::Wait(wait),
            Planned::Done => UploadTask::Done,
        })
    }

    /// The same for a transfer that the operating system makes by itself: the body is a file, a copy of the sealed item. Tell
    /// [`Uploader::finish_background_upload`] how it went; the process may have ended in between. After a day without news the item is sent
    /// again.
    ///
    /// # Errors
    /// [`UploadError::PlaintextInFile`] unless the destination takes sealed items; [`UploadError::Outbox`] with
    /// [`OutboxError::NotLendable`] when the storage has no files; those of [`Uploader::next_upload`].
    pub fn next_background_upload(&self, access_token: Option<&AccessToken>) -> Result<UploadTask, UploadError> {
        if self.destination.policy() != Policy::Sealed {
            return Err(UploadError::PlaintextInFile);
        }
        Ok(match self.next(access_token)? {
            Planned::Request(mut request, mut held) => match held.claim.lend() {
                Ok(path) => {
                    request.body = Body::file(path, request.body.len());
                    self.settle(*held, State::Lent, LENT_FOR);
                    UploadTask::Send(request)
                }
                Err(e) => {
                    held.claim.withdraw();
                    self.settle(*held, State::Blocked(Block::Disk), DEVICE_BACKOFF);
                    return Err(e.into());
                }
            },
            Planned::Wait(wait) => UploadTask::Wait(wait),
            Planned::Done => UploadTask::Done,
        })
    }

    /// How an upload went.
    ///
    /// # Errors
    /// [`UploadError::UnknownUpload`] for one that is not under way; [`UploadError::CommitmentUnsupported`] when the destination demands a
    /// commitment and the archive knows none (the item waits, [`Block::Host`]); [`UploadError::Outbox`] when what was stored could not be
    /// erased (it is tried again).
    pub fn finish_upload(&self, id: UploadId, result: UploadResult) -> Result<Outcome, UploadError> {
        let upload = self.inner().under_way.remove(&id);
        self.finish(upload.ok_or(UploadError::UnknownUpload)?, result)
    }

    /// How the background transfer of an item went, whichever process began it.
    ///
    /// # Errors
    /// [`UploadError::UnknownUpload`] when nobody waits for it: the item is gone, or in other hands; [`UploadError::Outbox`].
    pub fn finish_background_upload(&self, item: &ItemId, result: UploadResult) -> Result<Outcome, UploadError> {
        let claim = match self.outbox.claim_item(item) {
            Ok(claim) => claim.ok_or(UploadError::UnknownUpload)?,
            Err(OutboxError::NoSuchItem) => return Err(UploadError::UnknownUpload),
            Err(e) => return Err(e.into()),
        };
        let held = self.take_up(claim);
        self.finish(UnderWay { held, token: None, at: self.now() }, result)
    }

    /// Items that this process has tried in vain for a day.
    #[must_use]
    pub fn attention(&self) -> Vec<ItemId> {
        let now = self.now();
        let inner = self.inner();
        let since_long = |progress: &Progress| now.saturating_sub(progress.first_tried) >= ATTENTION_AFTER;
        inner.waiting.iter().filter(|(_, progress)| since_long(progress)).map(|(id, _)| *id).collect()
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        // No code that holds it leaves it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.outbox.clock().elapsed()
    }

    fn next(&self, access_token: Option<&AccessToken>) -> Result<Planned, UploadError> {
        self.accept_token(access_token.map(AccessToken::digest))?;
        let paused = self.inner().paused_until.saturating_sub(self.now());
        if !paused.is_zero() {
            return Ok(Planned::Wait(paused));
        }
        loop {
            let ready = self.inner().ready.pop_front();
            let mut held = match ready {
                Some(held) => held,
                None => match self.outbox.claim()? {
                    Next::Item(claim) => self.take_up(claim),
                    Next::Wait(wait) => return Ok(Planned::Wait(wait)),
                    Next::Empty => {
                        let mut inner = self.inner();
                        // Nothing waits but for somebody: what was known of it is not needed any more.
                        inner.waiting.clear();
                        let is_done = inner.under_way.is_empty();
                        return Ok(if is_done { Planned::Done } else { Planned::Wait(UNDER_WAY_BACKOFF) });
                    }
                },
            };
            match self.request(&mut held, access_token) {
                Ok(request) => return Ok(Planned::Request(request, Box::new(held))),
                Err(Setback(state, wait)) => self.settle(held, state, wait),
            }
        }
    }

    fn accept_token(&self, token: Option<[u8; 32]>) -> Result<(), UploadError> {
        let now = self.now();
        let mut inner = self.inner();
        if inner.token == token {
            return if now < inner.refused_until { Err(UploadError::Unauthorized) } else { Ok(()) };
        }
        (inner.token, inner.refused_until) = (token, Duration::ZERO);
        let waiting = inner.waiting.iter_mut();
        let due: Vec<ItemId> =
            waiting.filter_map(|(id, progress)| std::mem::take(&mut progress.needs_token).then_some(*id)).collect();
        drop(inner);
        // An item that is gone, or in other hands, needs nothing.
        for id in &due {
            let _ = self.outbox.retry(id);
        }
        Ok(())
    }

    /// What is known of an item: what this uploader knows, unless somebody else has sent it since.
    fn take_up(&self, claim: Claim) -> Held {
        let now = self.now();
        let known = self.inner().waiting.remove(&claim.id());
        let sent = claim.offered_for().map(|since| now.saturating_sub(since));
        let progress = known.filter(|known| sent.is_none_or(|sent| sent <= known.settled)).unwrap_or_else(|| {
            let phase = if sent.is_some() { self.ask() } else { Phase::Store };
            let quarantined_until = sent.map_or(Duration::ZERO, |sent| self.quarantine_from(sent));
            Progress { quarantined_until, ..Progress::new(phase, now) }
        });
        Held { claim, progress }
    }

    /// What comes first for an object that may be at the archive.
    fn ask(&self) -> Phase {
        #[cfg(test)]
        if self.bug == Some(PlantedBug::BlindRepost) {
            return Phase::Store;
        }
        if self.destination.policy() == Policy::Sealed { Phase::Store } else { ASK }
    }

    fn quarantine_from(&self, sent: Duration) -> Duration {
        #[cfg(test)]
        if self.bug == Some(PlantedBug::NoQuarantine) {
            return sent;
        }
        sent.saturating_add(self.destination.quarantined_for())
    }

    fn settle(&self, held: Held, state: State, wait: Duration) {
        let Held { claim, mut progress } = held;
        let id = claim.id();
        claim.settle(state, wait);
        if !matches!(state, State::Poison(_) | State::Lent) {
            progress.settled = self.now();
            self.inner().waiting.insert(id, progress);
        }
    }

    pub(super) fn identity(&self, claim: &Claim, progress: &mut Progress) -> Result<Arc<Identity>, Setback> {
        if let Some(identity) = &progress.identity {
            return Ok(Arc::clone(identity));
        }
        let identity = self.objects.identify(&claim.object().map_err(setback)?);
        let identity = Arc::new(identity.map_err(|_| Setback(State::Poison(Reason::NotReadable), Duration::MAX))?);
        Ok(Arc::clone(progress.identity.insert(identity)))
    }

    fn finish(&self, upload: UnderWay, result: UploadResult) -> Result<Outcome, UploadError> {
        let UnderWay { mut held, token, at } = upload;
        #[cfg(test)]
        if self.bug == Some(PlantedBug::DeleteBeforeConfirm) && held.progress.phase == Phase::Store {
            held.claim.stored(Confirmation::Listed)?;
            return Ok(Outcome::Stored);
        }
        let after = match result {
            UploadResult::Response { status, headers, body } => {
                let now = self.outbox.clock().now();
                let answer = Answer { status, headers: &headers, body: &body, now };
                self.answered(&mut held, &answer, token, at)
            }
            UploadResult::NotSent(why) => Ok(self.not_sent(&mut held, why)),
            UploadResult::Ambiguous | UploadResult::Cancelled => Ok(match held.progress.phase {
                Phase::Store => self.maybe_stored(&mut held),
                _ => self.in_vain(&mut held),
            }),
        };
        let unsupported = matches!(after, Ok(After::Unsupported));
        let outcome = match after.unwrap_or_else(|Setback(state, wait)| After::Settle(state, wait)) {
            After::Continue => {
                self.inner().ready.push_back(held);
                Outcome::Continues
            }
            After::Settle(state, wait) => {
                self.settle(held, state, wait);
                match state {
                    State::Poison(reason) => Outcome::Refused(reason),
                    State::Blocked(block) => Outcome::Blocked(block),
                    _ => Outcome::Waits(wait),
                }
            }
            After::Unsupported => {
                let wait = self.backoff(&mut held.progress);
                self.settle(held, State::Blocked(Block::Host), wait);
                Outcome::Blocked(Block::Host)
            }
            After::Erase(confirmation) => {
                held.claim.stored(confirmation)?;
                Outcome::Stored
            }
        };
        if unsupported { Err(UploadError::CommitmentUnsupported) } else { Ok(outcome) }
    }

    fn answered(
        &self,
        held: &mut Held,
        answer: &Answer<'_>,
        token: Option<Option<[u8; 32]>>,
        at: Duration,
    ) -> Result<After, Setback> {
        let refused = |held: &mut Held, refused| self.refused(held, refused, token);
        if self.destination.policy() == Policy::Sealed {
            let item = hexadecimal(&sha256(&held.claim.sealed().map_err(setback)?));
            return Ok(match answer.stored_by_gateway(&item) {
                Stored::Confirmed => After::Erase(Confirmation::Gateway),
                Stored::Not(refusal) if held.progress.refuse(refusal) => poison(refusal.reason),
                Stored::Not(_) => After::Settle(State::Backoff, self.backoff(&mut held.progress)),
                Stored::Refused(why) => refused(held, why),
                Stored::Listed { .. } | Stored::Unclear => self.maybe_stored(held),
            });
        }
        let identity = self.identity(&held.claim, &mut held.progress)?;
        Ok(match held.progress.phase {
            Phase::Store => match answer.stored(&identity) {
                Stored::Listed { clean: true } if self.destination.level() == Confirm::Listed => {
                    After::Erase(Confirmation::Listed)
                }
                Stored::Listed { .. } => {
                    let progress = &mut held.progress;
                    (progress.listed, progress.failures, progress.phase) = (true, 0, ASK);
                    progress.quarantined_until = self.quarantine_from(self.now());
                    After::Continue
                }
                Stored::Not(refusal) => {
                    held.progress.refuse(refusal);
                    held.progress.phase = ASK;
                    After::Continue
                }
                Stored::Refused(why) => refused(held, why),
                Stored::Confirmed | Stored::Unclear => self.maybe_stored(held),
            },
            Phase::Query(lookup) => match (answer.found(&identity), lookup) {
                (Found::Ours, _) => self.found(held),
                (Found::OtherPatient, _) => poison(Reason::OtherPatient),
                (Found::Absent, Lookup::InSeries | Lookup::Anywhere) => return self.absent(held, at),
                (Found::NoSuchResource, Lookup::InSeries) => ask_again(held, Lookup::Anywhere),
                (Found::PatientUntold | Found::Others | Found::NotAnswered, Lookup::InSeries | Lookup::Anywhere) => {
                    ask_again(held, Lookup::Metadata)
                }
                (Found::Refused(why), _) => refused(held, why),
                _ => self.in_vain(held),
            },
            Phase::Retrieve => match answer.compared(&held.claim.object().map_err(setback)?) {
                Compared::Same => After::Erase(Confirmation::Compared),
                Compared::Different => poison(Reason::Conflict),
                Compared::Refused(why) => refused(held, why),
                Compared::Unclear => self.in_vain(held),
            },
            phase @ (Phase::Commit | Phase::CommitResult) => match answer.committed(&identity) {
                Committed::Yes => After::Erase(Confirmation::Committed),
                Committed::NotYet(wait) => {
                    held.progress.phase = Phase::CommitResult;
                    After::Settle(State::Confirming, self.backoff(&mut held.progress).max(wait))
                }
                Committed::NoSuchResource if phase == Phase::Commit => {
                    held.progress.phase = ASK;
                    After::Unsupported
                }
                Committed::Refused(why) => refused(held, why),
                Committed::No | Committed::NoSuchResource | Committed::Unclear => self.in_vain(held),
            },
        })
    }

    /// The archive has it, under its patient.
    fn found(&self, held: &mut Held) -> After {
        held.progress.failures = 0;
        held.progress.phase = match self.destination.level() {
            Confirm::Listed | Confirm::Found => return After::Erase(Confirmation::Found),
            Confirm::Compared => Phase::Retrieve,
            Confirm::Committed => Phase::Commit,
        };
        After::Continue
    }

    /// The archive does not have it, it said when it was asked at `at`.
    fn absent(&self, held: &mut Held, at: Duration) -> Result<After, Setback> {
        let progress = &mut held.progress;
        progress.phase = ASK;
        if at < progress.quarantined_until {
            let left = progress.quarantined_until.saturating_sub(self.now());
            return Ok(match progress.listed {
                true => After::Settle(State::Confirming, self.backoff(progress).min(left)),
                false => After::Settle(State::Unknown, left),
            });
        }
        if std::mem::take(&mut progress.listed) {
            progress.broken_promises += 1;
            if progress.broken_promises == MOST_BROKEN_PROMISES {
                return Ok(poison(Reason::Unconfirmed));
            }
        }
        let Some(refusal) = progress.refusal.take() else {
            progress.phase = Phase::Store;
            return Ok(After::Continue);
        };
        if let Some(fallback) = refusal.fallback
            && self.fall_back(held, fallback)?
        {
            return Ok(After::Continue);
        }
        if held.progress.refusals >= refusal.believed_after {
            return Ok(poison(refusal.reason));
        }
        held.progress.phase = Phase::Store;
        Ok(After::Settle(State::Backoff, self.backoff(&mut held.progress)))
    }

    /// Puts the form of the object that the archive may want in the place of the one that it refused and surely does not have.
    fn fall_back(&self, held: &mut Held, fallback: Fallback) -> Result<bool, Setback> {
        let before = self.identity(&held.claim, &mut held.progress)?;
        let object = held.claim.object().map_err(setback)?;
        let replacement = match fallback {
            Fallback::SecondaryCapture => self.objects.as_secondary_capture(&object),
            Fallback::ExplicitVr => self.objects.in_explicit_vr(&object),
        };
        let Some(replacement) = replacement.map(Zeroizing::new) else { return Ok(false) };
        let after = self.objects.identify(&replacement).ok().filter(|after| after.may_replace(&before));
        let Some(after) = after else { return Ok(false) };
        // From here on either of the two may be there.
        held.progress.identity = None;
        held.claim.replace(&replacement).map_err(setback)?;
        held.progress = Progress { first_tried: held.progress.first_tried, ..Progress::new(Phase::Store, self.now()) };
        held.progress.identity = Some(Arc::new(after));
        Ok(true)
    }

    fn not_sent(&self, held: &mut Held, why: NotSent) -> After {
        if held.progress.phase == Phase::Store {
            held.claim.withdraw();
        }
        let state = match why {
            NotSent::Unreachable => State::Backoff,
            NotSent::Name => State::Blocked(Block::Host),
            NotSent::Tls => State::Blocked(Block::Tls),
        };
        After::Settle(state, self.backoff(&mut held.progress))
    }

    /// It may be stored, now or in a while. A first question costs nothing; "absent" counts after the quarantine only.
    fn maybe_stored(&self, held: &mut Held) -> After {
        #[cfg(test)]
        if self.bug == Some(PlantedBug::NewUidOnRetry) {
            let _ = self.fall_back(held, Fallback::SecondaryCapture);
        }
        let progress = &mut held.progress;
        progress.quarantined_until = self.quarantine_from(self.now());
        progress.phase = self.ask();
        After::Settle(State::Unknown, self.backoff(progress))
    }

    /// A question had no answer that counts.
    fn in_vain(&self, held: &mut Held) -> After {
        held.progress.phase = ASK;
        let state = if held.progress.listed { State::Confirming } else { State::Unknown };
        After::Settle(state, self.backoff(&mut held.progress))
    }

    fn refused(&self, held: &mut Held, refused: Refused, token: Option<Option<[u8; 32]>>) -> After {
        let progress = &mut held.progress;
        progress.phase = self.ask();
        match refused {
            Refused::Unauthorized => {
                let now = self.now();
                let mut inner = self.inner();
                if token.is_some_and(|token| token != inner.token) {
                    // Another one has come meanwhile.
                    return After::Continue;
                }
                inner.refused_until = now.saturating_add(LONGEST_BACKOFF);
                progress.needs_token = true;
                After::Settle(State::Blocked(Block::Auth), LONGEST_BACKOFF)
            }
            Refused::Forbidden => {
                progress.needs_token = true;
                After::Settle(State::Blocked(Block::Auth), self.backoff(progress))
            }
            Refused::Busy(wait) => {
                let until = self.now().saturating_add(wait);
                let mut inner = self.inner();
                inner.paused_until = inner.paused_until.max(until);
                drop(inner);
                After::Settle(State::Backoff, self.backoff(progress).max(wait))
            }
        }
    }

    /// One failure more, and how long to wait after it: twice as long each time, up to an hour, less up to a half by chance.
    fn backoff(&self, progress: &mut Progress) -> Duration {
        progress.failures = progress.failures.saturating_add(1);
        let longest = Duration::from_secs(1 << progress.failures.min(12)).min(LONGEST_BACKOFF);
        let mut random = [0];
        // Without randomness all wait the longest.
        let _ = self.outbox.randomness().fill(&mut random);
        longest - longest * u32::from(random[0]) / 512
    }
}

impl Progress {
    fn new(phase: Phase, now: Duration) -> Self {
        Self {
            phase,
            identity: None,
            quarantined_until: Duration::ZERO,
            listed: false,
            broken_promises: 0,
            refusal: None,
            refusals: 0,
            failures: 0,
            transaction: String::new(),
            first_tried: now,
            settled: Duration::ZERO,
            needs_token: false,
        }
    }

    /// Counts a refusal; is it believed now?
    fn refuse(&mut self, refusal: Refusal) -> bool {
        self.refusal = Some(refusal);
        self.refusals = self.refusals.saturating_add(1);
        self.refusals >= refusal.believed_after
    }
}

pub(super) const NO_RANDOMNESS: Setback = Setback(State::Blocked(Block::Key), DEVICE_BACKOFF);

pub(super) fn setback(error: OutboxError) -> Setback {
    let poison = |reason| Setback(State::Poison(reason), Duration::MAX);
    match error {
        OutboxError::Unopenable => poison(Reason::Unopenable),
        OutboxError::Seal(
            SealError::Keystore(_)
            | SealError::NoRecipient
            | SealError::TooManyRecipients
            | SealError::CertificateUnsupported(_)
            | SealError::CertificateExpired
            | SealError::CertificateNotYetValid,
        ) => Setback(State::Blocked(Block::Key), DEVICE_BACKOFF),
        OutboxError::Seal(SealError::NoRandomness) => NO_RANDOMNESS,
        OutboxError::Seal(SealError::UnknownVersion) => poison(Reason::UnknownVersion),
        OutboxError::Seal(_) => poison(Reason::Damaged),
        _ => Setback(State::Blocked(Block::Disk), DEVICE_BACKOFF),
    }
}

fn poison(reason: Reason) -> After {
    After::Settle(State::Poison(reason), Duration::MAX)
}

fn ask_again(held: &mut Held, lookup: Lookup) -> After {
    held.progress.phase = Phase::Query(lookup);
    After::Continue
}
