//! The promises of the outbox, on the simulated machine.

use super::simulated::{Fault, Loss, Machine, Names, PlantedBug, Tear, World};
use super::*;

#[test]
fn plain_way() {
    let (machine, world) = (Machine::new(None), World::new(1));
    let outbox = world.open(&machine).unwrap();
    outbox.ready().unwrap();
    let id = outbox.add(b"DICM object").unwrap();
    let Next::Item(mut claim) = outbox.claim().unwrap() else { panic!() };
    assert_eq!((claim.id(), claim.state(), claim.offered_for()), (id, State::Fresh, None));
    assert_eq!(claim.object().unwrap().as_slice(), b"DICM object");
    claim.offer().unwrap();
    assert_eq!(outbox.items().unwrap()[0].state, State::Sending);
    claim.stored(Confirmation::Found).unwrap();
    assert!(outbox.items().unwrap().is_empty());
    assert!(matches!(outbox.claim().unwrap(), Next::Empty));
}
