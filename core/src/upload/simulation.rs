//! The whole way from the shutter to the archive on a simulated machine, with a simulated archive: power cuts anywhere, also while recovering
//! from one; a network that loses requests and answers; an archive that stores late, refuses, forgets and lies.
//!
//! `MOULAGE_CRASHES=10000000 cargo test -p moulage --lib simulation` for more of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::objects::{Identity, NotReadable, Objects, Uids};
use super::{
    AccessToken, Confirm, Destination, NotSent, Policy, Step, UploadRequest, UploadResult, UploadTask, Uploader,
    hexadecimal, multipart, sha256,
};
use crate::error::UploadError;
use crate::outbox::Outbox;
use crate::outbox::simulated::{LIMITS, Loss, Machine, Names, PlantedBug, Tear, World};

/// Requests that meet trouble; the archive and the network are well after them.
const TROUBLED: u32 = 40;
/// Steps after which an item that has not left never will.
const MOST_STEPS: u32 = 2_000;
const QUARANTINE: Duration = Duration::from_secs(120);

/// Small numbers that repeat with their seed (SplitMix64).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (z ^ z >> 31) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }
}

/// Objects of one line: photo, class, UID.
pub(super) struct TinyObjects;

pub(super) fn tiny(photo: u64, class: &str, uid: &str) -> Vec<u8> {
    format!("{photo} {class} {uid}").into_bytes()
}

fn photo_of(object: &[u8]) -> Option<u64> {
    std::str::from_utf8(object).ok()?.split(' ').next()?.parse().ok()
}

impl Objects for TinyObjects {
    fn identify(&self, object: &[u8]) -> Result<Identity, NotReadable> {
        let text = std::str::from_utf8(object).map_err(|_| NotReadable)?;
        let [_, class, uid] = text.split(' ').collect::<Vec<_>>()[..] else { return Err(NotReadable) };
        let sop_class_uid = if class == "vl" { "1.1" } else { "1.2" };
        let uids = Uids { sop_class_uid, study_instance_uid: "1.5", series_instance_uid: "1.6", sop_instance_uid: uid };
        Identity::new(&uids, "0815", None)
    }

    fn as_secondary_capture(&self, object: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(object).ok()?.to_owned();
        text.contains(" vl ").then(|| (text.replace(" vl ", " sc ") + ".2").into_bytes())
    }

    fn in_explicit_vr(&self, _object: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// An archive, or a gateway with an archive behind it.
struct Archive {
    dice: Dice,
    deduplicates: bool,
    /// Seconds until what was taken can be found, at most.
    slowness: u64,
    refuses_class: bool,
    troubles: u32,
    lies: u32,
    refused_token: u64,
    /// When, under which name, of which photo.
    taken: Vec<(Duration, String, Option<u64>)>,
}

enum Fate {
    Well,
    NotSent,
    Lost,
    AnswerLost,
    Status(u16),
    Lie,
}

impl Archive {
    fn has(&self, name: &str, now: Duration) -> bool {
        self.taken.iter().any(|(due, of, _)| of == name && *due <= now)
    }

    fn take(&mut self, name: String, photo: Option<u64>, now: Duration) {
        if !(self.deduplicates && self.taken.iter().any(|(_, of, _)| *of == name)) {
            let delay = Duration::from_secs(self.dice.below(self.slowness + 1));
            self.taken.push((now + delay, name, photo));
        }
    }

    fn copies(&self, photo: u64) -> usize {
        self.taken.iter().filter(|(_, _, of)| *of == Some(photo)).count()
    }

    fn fate(&mut self, token: u64) -> Fate {
        if token == self.refused_token {
            return Fate::Status(401);
        }
        if self.troubles == 0 {
            return Fate::Well;
        }
        self.troubles -= 1;
        match self.dice.below(24) {
            0..3 => Fate::NotSent,
            3..6 => Fate::Lost,
            6..9 => Fate::AnswerLost,
            9 => {
                self.refused_token = token;
                Fate::Status(401)
            }
            10 => Fate::Status(429),
            11 => Fate::Status(503),
            12 => Fate::Status(500),
            13 => Fate::Status(302),
            14 if self.lies > 0 => {
                self.lies -= 1;
                Fate::Lie
            }
            _ => Fate::Well,
        }
    }

    /// `opened`: what the gateway finds in a sealed item; `None`: it cannot open it.
    fn answer(
        &mut self,
        request: &UploadRequest,
        body: &[u8],
        opened: Option<&[u8]>,
        token: u64,
        now: Duration,
    ) -> UploadResult {
        let fate = self.fate(token);
        let respond = |status, headers: &[(&str, &str)], body: String| UploadResult::Response {
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.into_bytes(),
        };
        match fate {
            Fate::NotSent => return UploadResult::NotSent(NotSent::Unreachable),
            Fate::Lost => return UploadResult::Ambiguous,
            Fate::Status(status @ (401 | 429)) => return respond(status, &[("Retry-After", "7")], String::new()),
            Fate::Status(status @ 302) => return respond(status, &[("Location", "/login")], "<html>".into()),
            Fate::Status(503) if self.dice.one_in(2) => return respond(503, &[("retry-after", "1")], String::new()),
            _ => {}
        }
        let url = request.url.expose();
        let uid = url.split_once("SOPInstanceUID=").map(|(_, rest)| rest.split('&').next().unwrap().to_owned());
        let (status, said) = match request.step {
            Step::Store if url.ends_with("/sealed-items") => {
                let item = hexadecimal(&sha256(body));
                let Some(object) = opened else {
                    return respond(422, &[], format!(r#"{{"item": "{item}", "stored": false, "code": "wrong-key"}}"#));
                };
                let name = TinyObjects.identify(object).unwrap().sop_instance_uid;
                if !self.has(&name, now) && !matches!(fate, Fate::Lie) {
                    self.take(name.clone(), photo_of(object), now);
                }
                // It answers after its archive has it; what is slow there is cut off here.
                match self.has(&name, now) {
                    true => (200, format!(r#"{{"item": "{item}", "stored": true}}"#)),
                    false => return UploadResult::Ambiguous,
                }
            }
            Step::Store => {
                let content_type = request.headers.iter().find(|header| header.name == "content-type").unwrap();
                let object = multipart::dicom_part(content_type.expose(), body).unwrap();
                let identity = TinyObjects.identify(object).unwrap();
                let item = format!(
                    r#""00081150":{{"vr":"UI","Value":["{}"]}},"00081155":{{"vr":"UI","Value":["{}"]}}"#,
                    identity.sop_class_uid, identity.sop_instance_uid
                );
                let failed = |reason: u32| {
                    format!(r#"{{"00081198":{{"Value":[{{{item},"00081197":{{"vr":"US","Value":["{reason}"]}}}}]}}}}"#)
                };
                if self.refuses_class && identity.sop_class_uid == "1.1" {
                    (409, failed(0x0122))
                } else if self.troubles > 0 && self.dice.one_in(12) {
                    (409, failed(0xA700))
                } else {
                    if !matches!(fate, Fate::Lie) {
                        self.take(identity.sop_instance_uid, photo_of(object), now);
                    }
                    (200, format!(r#"{{"00081199":{{"vr":"SQ","Value":[{{{item}}}]}}}}"#))
                }
            }
            Step::Query if self.troubles > 0 && self.dice.one_in(8) => (404, String::new()),
            Step::Query if uid.as_ref().is_some_and(|uid| self.has(uid, now)) => (
                200,
                format!(
                    r#"[{{"00080018":{{"vr":"UI","Value":["{}"]}},"00100020":{{"vr":"LO","Value":["0815"]}}}}]"#,
                    uid.unwrap()
                ),
            ),
            Step::Query => (204, String::new()),
            step => panic!("no such step is simulated: {}", step.code()),
        };
        match fate {
            Fate::AnswerLost => UploadResult::Ambiguous,
            Fate::Status(status) => respond(status, &[], String::new()),
            _ => respond(status, &[], said),
        }
    }
}

/// What kind of trial.
#[derive(Debug, Clone, Copy)]
struct Script {
    seed: u64,
    photos: u64,
    policy: Policy,
    deduplicates: bool,
    slowness: u64,
    refuses_class: bool,
    /// No byte is free on the disk once the photos are in.
    is_full: bool,
    /// No institution can be sealed to before the photos are in.
    is_early: bool,
    troubles: u32,
    /// All lives but one in so many end in a power cut; 0: none does.
    crash_rate: u64,
    most_crashes: u64,
    bug: Option<PlantedBug>,
}

impl Script {
    fn random(seed: u64, bug: Option<PlantedBug>) -> Self {
        let mut dice = Dice(seed);
        let policy = if dice.one_in(4) { Policy::Sealed } else { Policy::Direct };
        let is_full = dice.one_in(4);
        Self {
            seed,
            photos: 1 + dice.below(3),
            policy,
            deduplicates: dice.one_in(3),
            slowness: [0, 3, 100][dice.below(3) as usize],
            // Another form of a photo needs room for it.
            refuses_class: policy == Policy::Direct && !is_full && dice.one_in(4),
            is_full,
            // What was sealed to the device alone needs room for being sealed anew.
            is_early: policy == Policy::Sealed && !is_full && dice.one_in(2),
            troubles: TROUBLED,
            crash_rate: 8,
            most_crashes: 12,
            bug,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    crashes: u64,
    lost: u64,
    duplicated: u64,
    stuck: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.stuck += other.stuck;
    }

    fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.stuck == 0
    }
}

/// Where the machine stops by itself, for trials that try every place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Never,
    /// Within the storage's call of this number.
    Call(u64),
    /// Before the request of this number leaves.
    Before(u64),
    /// After it was answered, before anybody learns of it.
    After(u64),
}

struct Trial {
    script: Script,
    dice: Dice,
    machine: Machine,
    world: World,
    archive: Archive,
    tally: Tally,
    token: u64,
    requests: u64,
    acknowledged: Vec<u64>,
    /// Stops that come first, one a life, before those by chance; with what each takes.
    stops: Vec<(Stop, Loss)>,
    stop: Stop,
    loss: Option<Loss>,
}

impl Trial {
    fn new(script: Script, stops: Vec<(Stop, Loss)>) -> Self {
        let mut dice = Dice(script.seed ^ 0x5DEE_CE66);
        let archive = Archive {
            dice: Dice(dice.below(u64::MAX)),
            deduplicates: script.deduplicates,
            slowness: script.slowness,
            refuses_class: script.refuses_class,
            troubles: script.troubles,
            lies: if script.troubles > 0 { 2 } else { 0 },
            refused_token: u64::MAX,
            taken: Vec::new(),
        };
        let machine = Machine::new(script.is_full.then(|| 600 + dice.below(2_500)));
        let world = World::new(dice.below(u64::MAX));
        let is_sealed_to = script.policy == Policy::Sealed && !script.is_early;
        let institutions = if is_sealed_to { vec![World::institution()] } else { Vec::new() };
        Self {
            machine,
            world: World { institutions, ..world },
            archive,
            tally: Tally::default(),
            token: 0,
            requests: 0,
            acknowledged: Vec::new(),
            stops: stops.into_iter().rev().collect(),
            stop: Stop::Never,
            loss: None,
            dice,
            script,
        }
    }

    /// Everything, from the shutter to an empty outbox.
    fn run(mut self) -> (Tally, u64, u64) {
        let mut process = self.boot();
        for photo in 0..self.script.photos {
            let object = tiny(photo, "vl", &format!("2.25.{}", photo + 1));
            if process.outbox.add(&object).is_ok() {
                self.acknowledged.push(photo);
            }
            process = self.survive(process);
            if self.dice.one_in(3) {
                process = self.step(process).0;
            }
        }
        if self.script.is_full {
            self.machine.set_room(Some(self.machine.used()));
        }
        if self.script.is_early {
            self.world.institutions = vec![World::institution()];
            drop(process);
            self.machine.kill_all();
            process = self.boot();
        }
        let mut is_done = false;
        for _ in 0..MOST_STEPS {
            (process, is_done) = self.step(process);
            if is_done {
                break;
            }
        }
        drop(process);
        let left = self.machine.files().iter().filter(|(path, _)| path.starts_with("items/")).count();
        for photo in 0..self.script.photos {
            let copies = self.archive.copies(photo);
            let acknowledged = self.acknowledged.contains(&photo);
            self.tally.duplicated += u64::from(copies > 1);
            self.tally.lost += u64::from(acknowledged && copies == 0 && left == 0);
            self.tally.stuck += u64::from(acknowledged && copies == 0 && left > 0);
        }
        // What has arrived must leave the device, too.
        self.tally.stuck += u64::from(self.tally.stuck == 0 && (left > 0 || !is_done));
        (self.tally, self.machine.calls(), self.requests)
    }

    fn boot(&mut self) -> Process {
        loop {
            self.arm();
            let storage = self.machine.start(self.script.bug);
            match Outbox::open(storage.parts(&self.world), LIMITS) {
                Ok(outbox) if !self.machine.is_down() => return self.process(outbox),
                _ => self.power_cut(),
            }
        }
    }

    fn process(&self, outbox: Outbox) -> Process {
        let url = "https://archive.example/rs";
        let destination = Destination::new(url, self.script.policy).unwrap().quarantine(QUARANTINE);
        let outbox = Arc::new(outbox);
        let uploader = Uploader::new(Arc::clone(&outbox), destination.confirm(Confirm::Found), Arc::new(TinyObjects));
        Process { uploader: uploader.with_bug(self.script.bug), outbox }
    }

    /// Decides where this life ends.
    fn arm(&mut self) {
        (self.stop, self.loss) = match self.stops.pop() {
            Some((stop, loss)) => (stop, Some(loss)),
            None if self.script.crash_rate > 0
                && self.tally.crashes < self.script.most_crashes
                && !self.dice.one_in(self.script.crash_rate) =>
            {
                let stop = match self.dice.below(4) {
                    0 => Stop::Before(self.requests + 1 + self.dice.below(3)),
                    1 => Stop::After(self.requests + 1 + self.dice.below(3)),
                    _ => Stop::Call(1 + self.dice.below(30)),
                };
                (stop, None)
            }
            None => (Stop::Never, None),
        };
        if let Stop::Call(call) = self.stop {
            self.machine.crash_after(call);
        }
    }

    fn power_cut(&mut self) {
        self.tally.crashes += 1;
        let loss = self.loss.take().unwrap_or_else(|| match self.dice.below(3) {
            0 => Loss::NOTHING,
            1 => Loss::EVERYTHING,
            _ => Loss::random(self.dice.below(u64::MAX)),
        });
        self.machine.power_cut(loss);
    }

    /// The same process, or the next one.
    fn survive(&mut self, process: Process) -> Process {
        if !self.machine.is_down() {
            return process;
        }
        drop(process);
        self.power_cut();
        self.boot()
    }

    fn step(&mut self, process: Process) -> (Process, bool) {
        // The host tells the truth about its token.
        let token = AccessToken::new(format!("t{}", self.token)).unwrap();
        let is_background = self.script.policy == Policy::Sealed && self.dice.one_in(2);
        let task = match is_background {
            true => process.uploader.next_background_upload(Some(&token)),
            false => process.uploader.next_upload(Some(&token)),
        };
        if self.machine.is_down() {
            return (self.survive(process), false);
        }
        match task {
            Ok(UploadTask::Send(request)) if is_background => {
                let lent = request.body.path().unwrap().to_str().unwrap().to_owned();
                let files = self.machine.files();
                let body = files.into_iter().find(|(path, _)| *path == lent).unwrap().1;
                let result = self.answer(&request, &body);
                // The system removes what it was lent when it could not send it.
                self.machine.uproot(&lent);
                let life = self.stop;
                self.requests += 1;
                if life == Stop::Before(self.requests) || life == Stop::After(self.requests) {
                    return (self.cut(process), false);
                }
                let _ = process.uploader.finish_background_upload(&request.item, result);
            }
            Ok(UploadTask::Send(request)) => {
                self.requests += 1;
                if self.stop == Stop::Before(self.requests) {
                    return (self.cut(process), false);
                }
                let mut body = Vec::new();
                request.body.write_to(&mut body).unwrap();
                let result = self.answer(&request, &body);
                if self.stop == Stop::After(self.requests) {
                    return (self.cut(process), false);
                }
                if matches!(result, UploadResult::Ambiguous) {
                    self.world.clock.pass(Duration::from_secs(30));
                }
                let _ = process.uploader.finish_upload(request.id, result);
            }
            Ok(UploadTask::Wait(wait)) => self.world.clock.pass(wait),
            Ok(UploadTask::Done) => return (process, true),
            Err(UploadError::Unauthorized) => self.token += 1,
            Err(_) => self.world.clock.pass(Duration::from_secs(60)),
        }
        (self.survive(process), false)
    }

    fn answer(&mut self, request: &UploadRequest, body: &[u8]) -> UploadResult {
        let is_sealed = request.url.expose().ends_with("/sealed-items");
        let opened = if is_sealed { self.world.open_as_institution(&self.machine, body) } else { None };
        let now = self.now();
        self.archive.answer(request, body, opened.as_ref().map(|object| &object[..]), self.token, now)
    }

    fn cut(&mut self, process: Process) -> Process {
        drop(process);
        self.power_cut();
        self.boot()
    }

    fn now(&self) -> Duration {
        use crate::clock::Clock;
        self.world.clock.elapsed()
    }
}

struct Process {
    outbox: Arc<Outbox>,
    uploader: Uploader,
}

/// Trials from `first` on, on all processors, until `enough` says so of what came of them; then what came of them and how many they were.
fn many(first: u64, bug: Option<PlantedBug>, enough: impl Fn(u64, u64) -> bool + Sync) -> (Tally, u64) {
    let (next, crashes) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let mut tally = Tally::default();
        loop {
            let trial = next.fetch_add(1, Ordering::Relaxed);
            if enough(trial, crashes.load(Ordering::Relaxed)) {
                return tally;
            }
            let (came, ..) = Trial::new(Script::random(first + trial, bug), Vec::new()).run();
            assert!(bug.is_some() || came.is_clean(), "seed {}: {came:?}", first + trial);
            crashes.fetch_add(came.crashes, Ordering::Relaxed);
            tally.add(came);
        }
    };
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().for_each(|thread| tally.add(thread.join().unwrap()));
    });
    let trials =
        next.load(Ordering::Relaxed).saturating_sub(std::thread::available_parallelism().map_or(1, usize::from) as u64);
    (tally, trials)
}

const BUGS: [PlantedBug; 8] = [
    PlantedBug::NoFsync,
    PlantedBug::NoFolderFsync,
    PlantedBug::DeleteBeforeConfirm,
    PlantedBug::BlindRepost,
    PlantedBug::NewUidOnRetry,
    PlantedBug::NoQuarantine,
    PlantedBug::TornAppend,
    PlantedBug::LendOnlyCopy,
];

#[expect(clippy::print_stdout, reason = "the table is what the test is for")]
fn row(name: &str, trials: u64, tally: &Tally, verdict: &str) {
    let Tally { crashes, lost, duplicated, stuck } = tally;
    println!("| {name} | {trials} | {crashes} | {lost} | {duplicated} | {stuck} | {verdict} |");
}

/// I3 and I7, wherever power fails and whatever network and archive do; and every mistake that could be made is found.
#[test]
fn i3_nothing_is_lost_doubled_or_stuck_in_a_million_crashes() {
    let wanted = std::env::var("MOULAGE_CRASHES").ok().and_then(|crashes| crashes.parse().ok()).unwrap_or(1_000_000);
    let (tally, trials) = many(0, None, |_, crashes| crashes >= wanted);
    row("sound build", trials, &tally, "clean");
    assert!(tally.is_clean() && tally.crashes >= wanted, "{tally:?}");
}

#[test]
fn each_planted_bug_is_caught() {
    let mut caught = 0;
    for bug in BUGS {
        let (tally, trials) = many(0, Some(bug), |trial, _| trial >= 2_000);
        caught += u64::from(!tally.is_clean());
        row(&format!("{bug:?}"), trials, &tally, if tally.is_clean() { "MISSED" } else { "caught" });
    }
    assert_eq!(caught, 8);
}

/// One script, stopped at every place; and for every place of a coarser grid, stopped again at every place of what follows.
#[test]
fn i7_every_place_where_power_can_fail() {
    let mut crashes = 0;
    for (policy, refuses_class, is_full, is_early) in [
        (Policy::Direct, false, false, false),
        (Policy::Direct, true, false, false),
        (Policy::Direct, false, true, false),
        (Policy::Sealed, false, false, false),
        (Policy::Sealed, false, false, true),
    ] {
        let script = Script {
            seed: 7,
            photos: 1,
            policy,
            deduplicates: false,
            slowness: 0,
            refuses_class,
            is_full,
            is_early,
            troubles: 0,
            crash_rate: 0,
            most_crashes: 0,
            bug: None,
        };
        let run = |stops: Vec<(Stop, Loss)>| {
            let (tally, calls, requests) = Trial::new(script, stops.clone()).run();
            assert!(tally.is_clean(), "{policy:?} {refuses_class} {is_full} {is_early} {stops:?}: {tally:?}");
            (tally.crashes, calls, requests)
        };
        let (_, calls, requests) = run(Vec::new());
        let places: Vec<Stop> = (1..=calls)
            .map(Stop::Call)
            .chain((1..=requests).flat_map(|request| [Stop::Before(request), Stop::After(request)]))
            .collect();
        let losses: Vec<Loss> = [Names::All, Names::None]
            .into_iter()
            .chain((0..4).flat_map(|one| [Names::Only(one), Names::AllBut(one)]))
            .flat_map(|names| {
                [Tear::Whole, Tear::Nothing, Tear::OneByte, Tear::Half, Tear::ButOneByte, Tear::Zeros]
                    .map(|bytes| Loss { names, bytes })
            })
            .collect();
        for &place in &places {
            for &loss in &losses {
                crashes += run(vec![(place, loss)]).0;
            }
        }
        // Crashes while recovering: two and three lives that end early.
        for &first in &places {
            for second in (1..=24).map(Stop::Call).chain([Stop::Before(requests), Stop::After(requests)]) {
                for loss in [Loss::NOTHING, Loss::EVERYTHING] {
                    let third = (Stop::Call(1 + crashes % 9), Loss::random(crashes));
                    crashes += run(vec![(first, loss), (second, loss), third]).0;
                }
            }
        }
    }
    row("every place", 5, &Tally { crashes, ..Tally::default() }, "clean");
    assert!(crashes > 10_000, "{crashes}");
}
