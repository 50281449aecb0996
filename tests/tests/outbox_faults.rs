//! Faults of a real file system.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use moulage::error::{OutboxError, StorageError};
use moulage::outbox::{Confirmation, FileStorage, Next, Outbox, State, Storage as _};
use moulage_tests::{desktop, leaks, programs};

/// A small file system of its own, while it lives.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "moulage"]).arg(folder.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        programs::skipped("faults of a full and of a read-only file system: no tmpfs can be mounted here");
        None
    }

    fn remount(&self, option: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn drain(outbox: &Outbox) -> Vec<u64> {
    let mut stored = Vec::new();
    for _ in 0..100 {
        match outbox.claim().unwrap() {
            Next::Item(mut claim) => {
                claim.offer().unwrap();
                stored.push(desktop::number(&claim.object().unwrap()).unwrap());
                claim.stored(Confirmation::Found).unwrap();
            }
            // A child that another test starts holds our leases, too, from its birth to its exec.
            Next::Wait(wait) => {
                assert!(wait <= Duration::from_secs(5), "{wait:?}: {:?}", outbox.items());
                std::thread::sleep(wait);
            }
            Next::Empty => break,
        }
    }
    stored.sort_unstable();
    stored
}

#[test]
fn i7_a_full_disk_refuses_new_photos_and_lets_the_others_go() {
    let Some(disk) = Disk::mount("256k") else { return };
    let outbox = desktop::outbox(disk.0.path()).unwrap();
    let mut captured = Vec::new();
    for number in 1..1000 {
        match outbox.add(&desktop::object(number)) {
            Ok(_) => captured.push(number),
            Err(OutboxError::Storage(StorageError::Full) | OutboxError::LowSpace { .. }) => break,
            Err(e) => panic!("{e}"),
        }
    }
    // Not a byte is left.
    let filler = fs::write(disk.0.path().join("filler"), vec![0; 1 << 20]);
    assert!(filler.is_err() && captured.len() > 3, "{captured:?}");
    assert!(outbox.add(&desktop::object(1001)).is_err());
    assert!(
        fs::read_dir(disk.0.path().join("items")).unwrap().all(|f| f.unwrap().path().extension().unwrap() == "cms")
    );
    assert_eq!(leaks::in_folder(disk.0.path()), [""; 0]);
    drop(outbox);
    assert_eq!(drain(&desktop::outbox(disk.0.path()).unwrap()), captured);
}

#[test]
fn a_read_only_disk_shows_what_waits_and_takes_nothing() {
    let Some(disk) = Disk::mount("1m") else { return };
    let id = desktop::outbox(disk.0.path()).unwrap().add(&desktop::object(1)).unwrap();
    disk.remount("ro");
    let outbox = desktop::outbox(disk.0.path()).unwrap();
    assert_eq!(outbox.add(&desktop::object(2)), Err(StorageError::ReadOnly.into()));
    assert!(outbox.export(&id).is_ok());
    assert!(outbox.claim_item(&id).unwrap().is_none(), "nothing that cannot be marked may be sent");
    assert!(matches!(outbox.items().unwrap()[0].state, State::Blocked(_)));
    assert_eq!(outbox.remove(&id), Err(StorageError::ReadOnly.into()));
    disk.remount("rw");
    outbox.unblock();
    assert_eq!(drain(&outbox), [1]);
}

/// Runs one test of this file in a process of its own, under a limit of the shell's.
fn under(limit: &str, test: &str, folder: &Path) {
    let script = format!("trap '' XFSZ; {limit}; exec \"$0\" --exact {test} --nocapture");
    let test = std::env::current_exe().unwrap();
    let run = Command::new("sh").arg("-c").arg(script).arg(test).env("MOULAGE_FAULTS", folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr));
}

#[test]
fn a_file_that_cannot_grow_is_no_item() {
    let name = "a_file_that_cannot_grow_is_no_item";
    let Some(folder) = std::env::var_os("MOULAGE_FAULTS") else {
        let folder = tempfile::tempdir().unwrap();
        return under("ulimit -f 8", name, folder.path());
    };
    let folder = Path::new(&folder);
    let outbox = desktop::outbox(folder).unwrap();
    let (small, large) = (vec![1; 500], vec![1; 60_000]);
    outbox.add(&small).unwrap();
    assert_eq!(outbox.add(&large), Err(StorageError::Full.into()));
    assert_eq!(outbox.items().unwrap().len(), 1);
    assert_eq!(fs::read_dir(folder.join("items")).unwrap().count(), 1);
    outbox.add(&small).unwrap();
}

#[test]
fn too_many_open_files_are_a_typed_error_and_pass() {
    let name = "too_many_open_files_are_a_typed_error_and_pass";
    let Some(folder) = std::env::var_os("MOULAGE_FAULTS") else {
        let folder = tempfile::tempdir().unwrap();
        return under("ulimit -n 40", name, folder.path());
    };
    let outbox = desktop::outbox(Path::new(&folder)).unwrap();
    outbox.add(&desktop::object(1)).unwrap();
    for left in 0..4 {
        let mut held = Vec::new();
        while let Ok(file) = fs::File::open("/dev/null") {
            held.push(file);
        }
        held.truncate(held.len() - left);
        match (outbox.add(&desktop::object(2)), outbox.claim()) {
            (Ok(id), _) => {
                drop(held);
                outbox.remove(&id).unwrap();
            }
            (Err(e), claimed) => {
                // With one left the file can be written, and no folder synced: neither to add it nor to take it back.
                let not_undone = left == 1 && e == OutboxError::NotUndone;
                assert!(not_undone || e == StorageError::TooManyOpen.into(), "{left}: {e}");
                drop(held);
                assert_eq!(outbox.ready(), Ok(()), "{left}");
                assert!(left > 0 || matches!(claimed, Err(e) if e == StorageError::TooManyOpen.into()));
            }
        }
    }
    assert_eq!(outbox.items().unwrap().len(), 1);
    assert_eq!(drain(&outbox), [1]);
}

#[test]
fn only_its_owner_can_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("outbox");
    let outbox = desktop::outbox(&root).unwrap();
    outbox.add(&desktop::object(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["", "items", "keys", "lent"] {
        assert_eq!(mode(&root.join(name)), 0o700, "{name}");
    }
    for name in ["items", "keys"] {
        for file in fs::read_dir(root.join(name)).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
    }
}

#[test]
fn a_lease_is_of_the_file_that_has_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(folder.path()).unwrap();
    let lease = storage.create("items/a", b"1").unwrap();
    assert!(storage.lease("items/a").unwrap().is_none());
    storage.rename("items/a", "items/b").unwrap();
    assert!(storage.lease("items/b").unwrap().is_none());
    storage.duplicate("items/b", "lent/b").unwrap();
    assert!(matches!(storage.duplicate("items/b", "lent/b"), Err(StorageError::Exists)));
    storage.remove("lent/b").unwrap();
    let marked = lease.mark_anew().unwrap();
    drop(lease);
    let again = storage.lease("items/b").unwrap().unwrap();
    assert_eq!(again.mark(), Ok(marked));
    storage.remove("items/b").unwrap();
    assert!(matches!(storage.lease("items/b"), Err(StorageError::Missing)));
    assert_eq!(storage.read("items/b", 9), Err(StorageError::Missing));
    assert!(storage.create("items/b", b"2").is_ok());
    assert_eq!(storage.read("items/b", 0), Err(StorageError::TooLarge));
}
