//! The promises of the outbox, on the simulated machine.

use std::sync::atomic::{AtomicU64, Ordering};

use super::simulated::{Fault, LIMITS, Loss, Machine, Names, PlantedBug, SimulatedRandomness, Tear, World};
use super::*;
use crate::error::KeystoreError;

/// What the caller was told of a photo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// Nothing: the machine stopped first.
    Nothing,
    Captured,
    Refused,
    /// Erased at a person's word.
    Removed,
}

/// What a person, an archive and the operating system do.
#[derive(Clone, Copy, Debug)]
enum Act {
    Add,
    /// The archive stores it, and says so.
    Store,
    /// The archive stores it, and the answer is lost.
    AnswerLost,
    /// It never reaches the archive.
    RequestLost,
    /// The operating system sends a copy; it arrives or not, and the copy is gone in any case.
    Lend(bool),
    /// Another object of the same photo takes its place.
    Replace,
    Remove,
    /// The process ends, and another starts.
    Restart,
}

const DAY: [Act; 16] = [
    Act::Add,
    Act::Add,
    Act::Store,
    Act::Add,
    Act::AnswerLost,
    Act::Add,
    Act::Lend(true),
    Act::RequestLost,
    Act::Restart,
    Act::Add,
    Act::Lend(false),
    Act::Replace,
    Act::Store,
    Act::Add,
    Act::Remove,
    Act::Store,
];

/// A machine with an outbox, an archive that stores whatever it gets however often, and a memory of what was promised.
struct Life {
    machine: Machine,
    world: World,
    bug: Option<PlantedBug>,
    outbox: Option<Outbox>,
    told: Vec<Told>,
    ids: Vec<(ItemId, usize)>,
    archive: Vec<usize>,
}

/// What is wrong at the end.
#[derive(Default, Debug, Clone, Copy, PartialEq, Eq)]
struct Damage {
    lost: u64,
    duplicated: u64,
    /// Stored although the caller was told that nothing is left of it.
    risen: u64,
    stuck: u64,
}

impl Damage {
    const NONE: Self = Self { lost: 0, duplicated: 0, risen: 0, stuck: 0 };

    fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.risen += other.risen;
        self.stuck += other.stuck;
    }
}

impl Life {
    fn new(seed: u64, room: Option<u64>, bug: Option<PlantedBug>) -> Self {
        let (machine, world) = (Machine::new(room), World::new(seed));
        Self { machine, world, bug, outbox: None, told: Vec::new(), ids: Vec::new(), archive: Vec::new() }
    }

    /// The same life at the same point, its processes gone.
    fn copy(&self) -> Self {
        Self {
            machine: self.machine.copy(),
            world: self.world.clone(),
            bug: self.bug,
            outbox: None,
            told: self.told.clone(),
            ids: self.ids.clone(),
            archive: self.archive.clone(),
        }
    }

    fn open(&mut self) -> Option<&Outbox> {
        if self.outbox.is_none() {
            self.outbox = self.world.open(&self.machine, self.bug).ok();
        }
        self.outbox.as_ref()
    }

    /// As much of the day as happens before the machine stops.
    fn live(&mut self, acts: &[Act]) {
        for act in acts {
            if self.machine.is_down() {
                return;
            }
            match act {
                Act::Add => self.add(),
                Act::Remove => self.remove(),
                Act::Restart => {
                    self.outbox = None;
                    self.machine.kill_all();
                    self.open();
                }
                act => self.send(*act),
            }
        }
    }

    fn add(&mut self) {
        let photo = self.told.len();
        self.told.push(Told::Nothing);
        let Some(outbox) = self.open() else { return };
        let added = outbox.add(object(photo, "").as_bytes());
        let undone =
            added != Err(OutboxError::NotUndone) || (0..3).any(|_| outbox.ready() != Err(OutboxError::NotUndone));
        match added {
            Ok(id) => {
                self.ids.push((id, photo));
                self.told[photo] = Told::Captured;
            }
            Err(_) if self.machine.is_down() || !undone => {}
            Err(_) => self.told[photo] = Told::Refused,
        }
    }

    fn remove(&mut self) {
        let Some(outbox) = self.open() else { return };
        let Some(item) = outbox.items().ok().and_then(|items| items.first().copied()) else { return };
        let _ = outbox.remove(&item.id);
        if let Some((_, photo)) = self.ids.iter().find(|(id, _)| *id == item.id) {
            self.told[*photo] = Told::Removed;
        }
    }

    fn send(&mut self, act: Act) {
        if let Some(outbox) = self.open() {
            if let Ok(Next::Item(claim)) = outbox.claim() {
                self.send_claim(claim, act);
            }
        }
    }

    fn send_claim(&mut self, mut claim: Claim, act: Act) {
        let minute = Duration::from_secs(60);
        let Ok(object) = claim.object() else { return claim.settle(State::Blocked(Block::Disk), minute) };
        let photo = photo(&object);
        if claim.state() != State::Fresh && self.archive.contains(&photo) {
            let _ = claim.stored(Confirmation::Found);
            return;
        }
        if let Act::Replace = act {
            let _ = claim.replace(self::object(photo, " as secondary capture").as_bytes());
            return claim.settle(State::Unknown, Duration::ZERO);
        }
        if let Act::Lend(arrives) = act {
            let id = claim.id();
            if claim.lend().is_err() {
                return claim.settle(State::Blocked(Block::Disk), minute);
            }
            claim.settle(State::Lent, LENT_FOR);
            let copy = format!("lent/{id}");
            let sent = self.machine.files().iter().any(|(path, _)| *path == copy);
            if sent && arrives {
                self.archive.push(photo);
            }
            self.machine.uproot(&copy);
            let told = self.open().map(|outbox| outbox.claim_item(&id));
            if let Some(Ok(Some(claim))) = told {
                match self.archive.contains(&photo) {
                    true => drop(claim.stored(Confirmation::Found)),
                    false => claim.settle(State::Unknown, Duration::ZERO),
                }
            }
            return;
        }
        if claim.offer().is_err() {
            return claim.settle(State::Blocked(Block::Disk), minute);
        }
        if !matches!(act, Act::RequestLost) {
            self.archive.push(photo);
        }
        match act {
            Act::Store => drop(claim.stored(Confirmation::Found)),
            _ => claim.settle(State::Unknown, Duration::from_secs(1)),
        }
    }

    /// Everything works from now on: what waits is stored. Is there anything wrong then?
    fn end(&mut self) -> Damage {
        self.machine.mend();
        for _ in 0..200 {
            let Some(next) = self.open().map(Outbox::claim) else { continue };
            match next {
                Ok(Next::Item(claim)) => self.send_claim(claim, Act::Store),
                Ok(Next::Wait(wait)) => self.world.clock.pass(wait),
                Ok(Next::Empty) => break,
                Err(_) if self.machine.is_down() => break,
                Err(_) => {}
            }
        }
        let mut damage = Damage::NONE;
        for (photo, told) in self.told.iter().enumerate() {
            let stored = self.archive.iter().filter(|stored| **stored == photo).count();
            damage.lost += u64::from(*told == Told::Captured && stored == 0);
            damage.risen += u64::from(*told == Told::Refused && stored > 0);
            damage.duplicated += u64::from(stored > 1);
        }
        let left = self.machine.files();
        damage.stuck = left.iter().filter(|(path, _)| !path.starts_with("keys/")).count() as u64;
        damage
    }

    fn crash(&mut self, loss: Loss) {
        self.outbox = None;
        self.machine.power_cut(loss);
    }
}

fn object(photo: usize, form: &str) -> String {
    format!("DICM photo {photo}{form}")
}

fn photo(object: &[u8]) -> usize {
    std::str::from_utf8(object).unwrap().split(' ').nth(2).unwrap().parse().unwrap()
}

const TEARS: [Tear; 6] = [Tear::Whole, Tear::Nothing, Tear::OneByte, Tear::Half, Tear::ButOneByte, Tear::Zeros];

/// Everything that a power cut can leave, when so many changes of names are not durable.
fn losses(pending: usize) -> Vec<Loss> {
    let single = (0..pending).flat_map(|n| [Names::Only(n), Names::AllBut(n)]);
    let names = [Names::All, Names::None].into_iter().chain(single);
    names.flat_map(|names| TEARS.map(|bytes| Loss { names, bytes })).collect()
}

fn calls_of(life: impl Fn() -> Life, work: impl Fn(&mut Life)) -> u64 {
    let mut life = life();
    let before = life.machine.calls();
    work(&mut life);
    life.machine.calls() - before
}

#[test]
fn i1_a_power_cut_in_any_call_loses_nothing_and_stores_nothing_twice() {
    let new = || Life::new(1, None, None);
    let calls = calls_of(new, |life| life.live(&DAY));
    let mut crashes = 0;
    for call in 1..=calls {
        let mut life = new();
        life.machine.crash_after(call);
        life.live(&DAY);
        assert!(life.machine.is_down());
        for loss in losses(life.machine.pending()) {
            let mut after = life.copy();
            after.crash(loss);
            assert_eq!(after.end(), Damage::NONE, "call {call}, {loss:?}");
            crashes += 1;
        }
        let mut killed = life.copy();
        assert_eq!(killed.end(), Damage::NONE, "call {call}, killed");
    }
    println!("{calls} calls, {crashes} power cuts");
}

#[test]
fn i1_a_power_cut_in_any_call_of_a_recovery_loses_nothing_either() {
    let few = |pending: usize| {
        let half = Loss { names: Names::Only(pending / 2), bytes: Tear::Half };
        [Loss::NOTHING, Loss::EVERYTHING, half, Loss::random(pending as u64)]
    };
    let new = || Life::new(2, None, None);
    let mut crashes = 0;
    for call in (1..=calls_of(new, |life| life.live(&DAY))).step_by(2) {
        let mut first = new();
        first.machine.crash_after(call);
        first.live(&DAY);
        for loss in few(first.machine.pending()) {
            let cut = || {
                let mut life = first.copy();
                life.crash(loss);
                life
            };
            for second in 1..=calls_of(cut, |life| assert_eq!(life.end(), Damage::NONE)) {
                let mut life = cut();
                life.machine.crash_after(second);
                life.end();
                let again = few(life.machine.pending())[second as usize % 4];
                life.crash(again);
                let (mut third, at) = (life.copy(), 1 + second % 7);
                third.machine.crash_after(at);
                third.end();
                third.crash(few(third.machine.pending())[second as usize % 3]);
                for mut life in [life, third] {
                    assert_eq!(life.end(), Damage::NONE, "calls {call}, {second}, {at}: {loss:?}, {again:?}");
                    crashes += 1;
                }
            }
        }
    }
    println!("{crashes} ends after two or three power cuts");
}

/// Random days with random crashes, each up to six times.
fn random_lives(seed: u64, crashes: u64, room: Option<u64>, bug: Option<PlantedBug>) -> Damage {
    let dice = SimulatedRandomness::new(seed);
    let below = |end: u64| {
        let mut number = [0; 8];
        dice.fill(&mut number).unwrap();
        u64::from_be_bytes(number) % end
    };
    let (mut damage, mut done) = (Damage::NONE, 0);
    while done < crashes {
        let mut life = Life::new(below(u64::MAX), room, bug);
        for _ in 0..1 + below(6) {
            life.machine.crash_after(1 + below(120));
            let acts: Vec<Act> = (0..1 + below(10)).map(|_| DAY[below(16) as usize]).collect();
            life.live(&acts);
            if below(3) == 0 {
                life.end();
            }
            done += 1;
            match below(3) {
                0 => life.crash(Loss::NOTHING),
                1 => life.crash(Loss::EVERYTHING),
                _ => life.crash(Loss::random(below(u64::MAX))),
            }
        }
        damage.add(life.end());
    }
    damage
}

#[test]
fn i1_random_lives_end_well_and_planted_bugs_are_found() {
    let crashes = std::env::var("MOULAGE_CRASHES").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000);
    println!("planted              |    crashes | lost | duplicated | risen | stuck");
    let mut run = |name: &str, crashes, room, bug| {
        let Damage { lost, duplicated, risen, stuck } = random_lives(7, crashes, room, bug);
        println!("{name:20} | {crashes:10} | {lost:4} | {duplicated:10} | {risen:5} | {stuck:5}");
        Damage { lost, duplicated, risen, stuck }
    };
    assert_eq!(run("nothing", crashes, None, None), Damage::NONE);
    assert_eq!(run("nothing, full disk", crashes, Some(900), None), Damage::NONE);
    for (bug, room) in [
        (PlantedBug::NoFsync, None),
        (PlantedBug::NoFolderFsync, None),
        (PlantedBug::TornAppend, Some(900)),
        (PlantedBug::LendOnlyCopy, None),
    ] {
        let damage = run(&format!("{bug:?}"), 5000, room, Some(bug));
        assert!(damage.lost > 0, "{bug:?} is not found");
    }
}

const ERRORS: [StorageError; 4] =
    [StorageError::Full, StorageError::Failed, StorageError::ReadOnly, StorageError::TooManyOpen];

#[test]
fn i2_a_failing_call_is_a_typed_error_and_no_loss() {
    let new = || Life::new(3, None, None);
    let calls = calls_of(new, |life| life.live(&DAY));
    let mut faults = 0;
    for call in 1..=calls {
        for error in ERRORS {
            for (is_done, times) in [(false, 1), (true, 1), (false, 2), (true, 2), (false, 5), (false, 40)] {
                for loss in [None, Some(Loss::NOTHING), Some(Loss::EVERYTHING), Some(Loss::random(call))] {
                    let mut life = new();
                    life.machine.fail_after(call, Fault { error, is_done, times });
                    life.live(&DAY);
                    life.machine.mend();
                    if let Some(loss) = loss {
                        life.crash(loss);
                    }
                    assert_eq!(life.end(), Damage::NONE, "call {call}: {error:?}, {is_done}, {times}, {loss:?}");
                    faults += 1;
                }
            }
        }
    }
    println!("{calls} calls, {faults} faults");
}
