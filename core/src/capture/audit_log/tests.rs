//! The log on the simulated machine.

use std::time::Duration;

use super::*;
use crate::capture::Custody;
use crate::outbox::simulated::{Fault, LIMITS, Loss, Machine, SimulatedKeystore, World};
use crate::outbox::{Confirmation, Next, Reason};

fn open(machine: &Machine, world: &World) -> Custody {
    Custody::open(machine.start(None).parts(world), LIMITS).unwrap()
}

fn audit(machine: &Machine, world: &World) -> Vec<Result<Vec<Record>, AuditError>> {
    // Asked as if the key store had no trouble.
    let (keystore, _) = (SimulatedKeystore::default(), world);
    verify_audit(&machine.start(None), &keystore).unwrap()
}

fn events(records: &[Record]) -> Vec<Event> {
    records.iter().map(|record| record.event).collect()
}

/// Stores the next item, and tells how often the log was told of it.
fn store_next(custody: &Custody) -> bool {
    let Next::Item(mut claim) = custody.outbox().claim().unwrap() else { return false };
    claim.offer().unwrap();
    claim.stored(Confirmation::Found).unwrap();
    true
}

#[test]
fn i11_every_transition_is_recorded() {
    let (machine, world) = (Machine::new(None), World::new(1));
    let custody = open(&machine, &world);
    let outbox = custody.outbox();
    let first = outbox.add(b"first").unwrap();
    let second = outbox.add(b"second").unwrap();
    let Next::Item(mut claim) = outbox.claim().unwrap() else { panic!() };
    claim.offer().unwrap();
    claim.settle(State::Blocked(Block::Auth), Duration::ZERO);
    outbox.retry(&first).unwrap();
    while let Next::Item(mut claim) = outbox.claim().unwrap() {
        if claim.id() == first {
            claim.offer().unwrap();
            claim.stored(Confirmation::Compared).unwrap();
        } else {
            claim.settle(State::Poison(Reason::DatasetRefused), Duration::ZERO);
        }
    }
    outbox.export(&second).unwrap();
    outbox.remove(&second).unwrap();
    custody.audit().record(Event::Unsealed, Some(&second), "");
    let [Ok(records)] = &audit(&machine, &world)[..] else { panic!() };
    use Event::*;
    let expected = [
        Started,
        KeyMade,
        Captured,
        Sealed,
        Captured,
        Sealed,
        Sent,
        AuthenticationFailed,
        Noted,
        Sent,
        Stored,
        Refused,
        Exported,
        Removed,
        Unsealed,
    ];
    assert_eq!(events(records), expected);
    let of = |event| records.iter().find(|record| record.event == event).unwrap();
    assert_eq!((of(Stored).code.as_str(), of(Refused).code.as_str()), ("compared", "dataset-refused"));
    let id = |item: ItemId| Some(u128::from_str_radix(&item.to_string(), 16).unwrap().to_be_bytes());
    assert_eq!((of(Stored).item, of(Refused).item), (id(first), id(second)));
    assert_eq!(custody.audit().unwritten(), 0);
}

#[test]
fn i11_a_full_disk_stops_the_log_and_nothing_else_and_a_gap_follows() {
    let (machine, world) = (Machine::new(None), World::new(2));
    let custody = open(&machine, &world);
    for _ in 0..150 {
        custody.outbox().add(b"object").unwrap();
    }
    let before = audit(&machine, &world)[0].as_ref().unwrap().len() as u64;
    machine.set_room(Some(0));
    // Names can be changed and files be erased without room: everything is delivered.
    while store_next(&custody) {}
    assert!(custody.outbox().items().unwrap().is_empty());
    // Sent and stored, each.
    assert_eq!(custody.audit().unwritten(), 300);
    assert_eq!(audit(&machine, &world)[0].as_ref().unwrap().len() as u64, before);
    machine.set_room(None);
    custody.audit().record(Event::Noted, None, "room");
    assert_eq!(custody.audit().unwritten(), 0);
    let [Ok(records)] = &audit(&machine, &world)[..] else { panic!() };
    let gap = &records[before as usize];
    assert_eq!((gap.event, gap.code.as_str(), gap.count), (Event::Gap, "not-written", 301 - MOST_WAITING as u64));
    assert_eq!(records.len() as u64, before + 1 + MOST_WAITING as u64);
}

#[test]
fn a_crash_anywhere_leaves_a_log_that_verifies_and_goes_on() {
    let scenario = |machine: &Machine, world: &World| -> u64 {
        let Ok(custody) = Custody::open(machine.start(None).parts(world), LIMITS) else { return 0 };
        for _ in 0..3 {
            if custody.outbox().add(b"object").is_err() {
                return 0;
            }
        }
        custody.outbox().claim().map_or(0, |_| 0)
    };
    let (machine, world) = (Machine::new(None), World::new(3));
    scenario(&machine, &world);
    let calls = machine.calls();
    assert!(calls > 50);
    for crash in 1..=calls {
        for loss in [Loss::NOTHING, Loss::EVERYTHING, Loss::random(crash), Loss::random(crash ^ 0xFFFF_FFFF)] {
            let (machine, world) = (Machine::new(None), World::new(4));
            machine.crash_after(crash);
            scenario(&machine, &world);
            machine.power_cut(loss);
            let outbox = open(&machine, &world);
            let verdicts = audit(&machine, &world);
            assert!(verdicts.iter().all(Result::is_ok), "{crash}, {loss:?}: {verdicts:?}");
            assert_eq!(verdicts.len(), 1, "{crash}, {loss:?}");
            assert_eq!(outbox.audit().unwritten(), 0);
            // What waits was captured, and its record came after it: only the last one may be without.
            let records = verdicts[0].as_ref().unwrap();
            let waiting = outbox.outbox().items().unwrap().len();
            let captured = events(records).iter().filter(|event| **event == Event::Captured).count();
            assert!(captured + 1 >= waiting, "{crash}, {loss:?}: {captured} of {waiting}");
        }
    }
}

#[test]
fn a_storage_that_fails_anywhere_costs_no_record() {
    let (machine, world) = (Machine::new(None), World::new(5));
    let custody = open(&machine, &world);
    let begun = machine.calls();
    custody.audit().record(Event::Noted, None, "one");
    let calls = machine.calls() - begun;
    for is_done in [false, true] {
        for error in [StorageError::Full, StorageError::Failed, StorageError::TooManyOpen] {
            for at in 1..=calls {
                machine.fail_after(at, Fault { error, is_done, times: 1 });
                custody.audit().record(Event::Noted, None, "one");
                assert_eq!(custody.audit().unwritten(), 1, "{at} {error:?}");
                custody.audit().record(Event::Noted, None, "two");
                assert_eq!(custody.audit().unwritten(), 0, "{at} {error:?}");
            }
        }
    }
    let [Ok(records)] = &audit(&machine, &world)[..] else { panic!() };
    let of = |code: &str| records.iter().filter(|record| record.code == code).count() as u64;
    assert_eq!(of("two"), 6 * calls);
    assert!(of("one") > 6 * calls);
}

#[test]
fn a_locked_key_store_delays_the_log_and_a_lost_key_begins_a_new_chain() {
    let (machine, world) = (Machine::new(None), World::new(6));
    let keystore = world.keystore.clone().unwrap();
    open(&machine, &world).audit().record(Event::Noted, None, "");
    machine.kill_all();
    keystore.set(Some(KeystoreError::Locked));
    let custody = open(&machine, &world);
    assert!(custody.audit().unwritten() > 0);
    keystore.set(None);
    custody.audit().record(Event::Noted, None, "unlocked");
    assert_eq!((custody.audit().unwritten(), audit(&machine, &world).len()), (0, 1));
    machine.kill_all();
    machine.plant("audit/00000000.key", b"of another device");
    let custody = open(&machine, &world);
    assert_eq!(custody.audit().unwritten(), 0);
    let verdicts = audit(&machine, &world);
    let [Err(AuditError::Key), Ok(records)] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!((records[0].event, records[0].code.as_str()), (Event::Gap, "audit-key"));
    assert_eq!(records[1].event, Event::Started);
    // The next start goes on with the sound chain.
    machine.kill_all();
    open(&machine, &world);
    assert_eq!(audit(&machine, &world).len(), 2);
}

#[test]
fn two_processes_write_two_chains() {
    let (machine, world) = (Machine::new(None), World::new(7));
    let (one, two) = (open(&machine, &world), open(&machine, &world));
    for custody in [&one, &two, &one] {
        custody.outbox().add(b"object").unwrap();
    }
    let verdicts = audit(&machine, &world);
    let counts: Vec<usize> = verdicts
        .iter()
        .map(|records| events(records.as_ref().unwrap()).iter().filter(|e| **e == Event::Captured).count())
        .collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn threads_lose_no_event() {
    let (machine, world) = (Machine::new(None), World::new(8));
    let custody = open(&machine, &world);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..20).for_each(|_| custody.audit().record(Event::Noted, None, "from-a-thread")));
        }
    });
    assert_eq!(custody.audit().unwritten(), 0);
    let [Ok(records)] = &audit(&machine, &world)[..] else { panic!() };
    assert_eq!(records.iter().filter(|record| record.code == "from-a-thread").count(), 160);
}

#[test]
fn what_others_did_to_the_files_is_found() {
    let (machine, world) = (Machine::new(None), World::new(9));
    let custody = open(&machine, &world);
    (0..200).for_each(|_| custody.audit().record(Event::Noted, None, "one"));
    drop(custody);
    machine.kill_all();
    let files: Vec<(String, Vec<u8>)> =
        machine.files().into_iter().filter(|(path, _)| path.starts_with("audit/")).collect();
    assert_eq!(files.len(), 2 + 4);
    for (path, bytes) in &files {
        machine.uproot(path);
        assert!(audit(&machine, &world)[0].is_err(), "without {path}");
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        machine.plant(path, &changed);
        assert!(audit(&machine, &world)[0].is_err(), "{path} changed");
        machine.plant(path, bytes);
        assert!(audit(&machine, &world)[0].is_ok());
    }
    // A log that was altered at its end is left as it is, and the next one tells why.
    let last = files.iter().rev().find(|(path, _)| path.ends_with(".log")).unwrap();
    machine.plant(&last.0, &last.1[..last.1.len() - 10]);
    let custody = open(&machine, &world);
    let verdicts = audit(&machine, &world);
    let [Err(AuditError::Short { .. }), Ok(records)] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!((records[0].event, records[0].code.as_str()), (Event::Gap, "audit-short"));
    drop(custody);
    for (path, _) in &files {
        machine.uproot(path);
    }
    assert_eq!(audit(&machine, &world)[0], Err(AuditError::Missing));
}

#[test]
fn without_a_key_store_events_are_counted() {
    let (machine, mut world) = (Machine::new(None), World::new(10));
    world.keystore = None;
    let custody = open(&machine, &world);
    (0..MOST_WAITING + 10).for_each(|_| custody.audit().record(Event::Noted, None, ""));
    assert!(custody.audit().unwritten() > MOST_WAITING as u64 + 10);
    assert!(audit(&machine, &world).is_empty());
}
