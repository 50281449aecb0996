//! An archive that answers with any bytes, and an uploader that must not believe it.

use std::sync::Arc;
use std::time::Duration;

use moulage::clock::SystemRandomness;
use moulage::outbox::{FileStorage, Limits, Outbox, Parts};
use moulage::upload::{Confirm, Destination, Outcome, Policy, Step, UploadResult, UploadTask, Uploader};
use moulage_tests::answers::{LineObjects, first_object};
use moulage_tests::desktop::OpenKeystore;
use moulage_tests::ward::HandClock;

/// An outbox in a folder of its own, used again and again.
pub struct Archive {
    clock: Arc<HandClock>,
    outbox: Arc<Outbox>,
    _folder: tempfile::TempDir,
}

impl Archive {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(HandClock::at(chrono::DateTime::UNIX_EPOCH.fixed_offset()));
        let parts = Parts {
            storage: Arc::new(FileStorage::new(folder.path()).expect("a folder of our own")),
            keystore: Some(Arc::new(OpenKeystore)),
            institutions: Vec::new(),
            signer: None,
            clock: clock.clone(),
            randomness: Arc::new(SystemRandomness),
            observer: None,
        };
        let outbox = Outbox::open(parts, Limits { free_bytes: 0, ..Limits::default() }).expect("an outbox");
        Self { clock, outbox: Arc::new(outbox), _folder: folder }
    }

    /// Is a photo erased whose archive answers each step so? `None`: as a sound archive does.
    pub fn erases(&self, confirm: Confirm, answer: impl Fn(Step) -> Option<UploadResult>) -> bool {
        let waiting = self.outbox.items().expect("a folder that can be read");
        let id = waiting.first().map_or_else(|| self.outbox.add(&first_object()).expect("room"), |item| item.id);
        self.outbox.retry(&id).expect("an item that is there");
        let destination =
            Destination::new("https://archive.example/rs", Policy::Direct).expect("a url").confirm(confirm);
        let uploader = Uploader::new(self.outbox.clone(), destination, Arc::new(LineObjects));
        let mut stores = 0;
        for _ in 0..24 {
            match uploader.next_upload(None) {
                Ok(UploadTask::Send(request)) => {
                    stores += u32::from(request.step == Step::Store);
                    let absent = UploadResult::Response { status: 204, headers: Vec::new(), body: Vec::new() };
                    let result =
                        if stores == 0 { absent } else { answer(request.step).unwrap_or_else(|| sound(request.step)) };
                    if uploader.finish_upload(request.id, result) == Ok(Outcome::Stored) {
                        return true;
                    }
                }
                Ok(UploadTask::Wait(wait)) => self.clock.advance(wait + Duration::from_millis(1)),
                _ => break,
            }
        }
        false
    }
}

fn sound(step: Step) -> UploadResult {
    let body = match step {
        Step::Store => r#"{"00081199":{"Value":[{"00081155":{"Value":["2.25.7777777"]}}]}}"#,
        _ => r#"[{"00080018":{"Value":["2.25.7777777"]},"00100020":{"Value":["CANARY-0815"]}}]"#,
    };
    UploadResult::Response { status: 200, headers: Vec::new(), body: body.into() }
}
