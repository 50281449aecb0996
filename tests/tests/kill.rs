//! Real processes, really killed.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and says what it did")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use moulage::outbox::Outbox;
use moulage_tests::random::Random;
use moulage_tests::{desktop, leaks};

/// Everything that the outbox has and the archive keeps: number, and how often.
fn present(outbox: &Outbox, archive: &Path) -> BTreeMap<u64, usize> {
    let mut present = BTreeMap::new();
    for stored in std::fs::read_dir(archive).unwrap() {
        let path = stored.unwrap().path();
        if path.file_name().unwrap() != "incoming" {
            let number = desktop::number(&std::fs::read(&path).unwrap()).expect("the archive's copy is byte-exact");
            *present.entry(number).or_insert(0) += 1;
        }
    }
    for item in outbox.items().unwrap() {
        let claim = outbox.claim_item(&item.id).unwrap().expect("nobody else is alive");
        let number = desktop::number(&claim.object().unwrap()).expect("the item is byte-exact");
        let is_stored = present.contains_key(&number);
        // Stored, and not yet erased: the archive is asked before it is sent again.
        assert!(!is_stored || claim.offered_for().is_some(), "{number} is stored, and would be sent without asking");
        if !is_stored {
            present.insert(number, 1);
        }
    }
    present
}

#[test]
fn i1_killed_at_any_moment_every_captured_object_is_there_once() {
    let kills: u64 = std::env::var("MOULAGE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let folder = tempfile::tempdir().unwrap();
    let (mut random, start) = (Random::new(42), Instant::now());
    let (mut acknowledged, mut objects) = (0, 0_usize);
    // Some rounds, so that what is there can be looked at whole.
    for round in 0..kills.div_ceil(100) {
        let (outbox, archive) =
            (folder.path().join(format!("outbox-{round}")), folder.path().join(format!("archive-{round}")));
        std::fs::create_dir(&archive).unwrap();
        let (mut told, mut first, mut started) = (Vec::new(), 1, 0);
        for _ in 0..(kills - round * 100).min(100) {
            let mut child = Command::new(env!("CARGO_BIN_EXE_outbox_victim"))
                .args([&outbox, &archive])
                .arg(first.to_string())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_micros(random.below(60_000) as u64));
            child.kill().unwrap();
            let mut said = Vec::new();
            child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
            let status = child.wait().unwrap();
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "it ended by itself");
            let numbers = said.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number));
            let before = told.len();
            told.extend(numbers);
            started += usize::from(told.len() > before);
            // The one that it was at when it died may be there, too; its number is not given again.
            first = told.last().map_or(first, |last| first.max(*last)) + 2;
        }
        let open = desktop::outbox(&outbox).unwrap();
        let present = present(&open, &archive);
        for number in &told {
            assert_eq!(present.get(number), Some(&1), "{number} of round {round}");
        }
        let others: Vec<_> = present.iter().filter(|(number, _)| !told.contains(number)).collect();
        assert!(others.iter().all(|(_, times)| **times == 1) && others.len() <= 100, "{others:?}");
        assert!(started > 20, "the children get to do something: {started}");
        assert_eq!(open.foreign_files().unwrap(), 0);
        drop(open);
        assert_eq!(leaks::in_folder(&outbox), [""; 0]);
        acknowledged += told.len();
        objects += present.len();
        std::fs::remove_dir_all(&outbox).unwrap();
    }
    println!("{kills} kills, {acknowledged} captured, {objects} present, {:?}", start.elapsed());
}
