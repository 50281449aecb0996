//! 20,000 damaged files, the same ones every time: each gives an error or a clean object, and takes no more memory than its limits say.
//!
//! One test alone in its file: peak memory is the process's.

#![expect(clippy::print_stdout, reason = "says how much it tried")]

use std::panic::catch_unwind;

use moulage::dicom::{SopClass, check};
use moulage::photo::{Limits, PrepareOptions, prepare};
use moulage_tests::random::Random;
use moulage_tests::session::{session, view};
use moulage_tests::{fixtures, stream};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MUTANTS: u64 = 20_000;
const DECODED: u64 = 16 << 20;
/// Beyond what [`Limits::decoded_bytes`] counts: tables, the stream that is written, the object.
const REST: usize = 16 << 20;

#[test]
fn every_mutant_gives_an_error_or_a_clean_object_in_bounded_memory() {
    let bases = bases();
    let limits = Limits { side: 8192, pixels: 4_000_000, decoded_bytes: DECODED, ..Limits::default() };
    let options = PrepareOptions { limits, ..PrepareOptions::default() };
    let (mut clean, mut worst, mut wrong) = (0, 0, Vec::new());
    for seed in 0..MUTANTS {
        let mutant = mutant(&bases, seed);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let outcome = catch_unwind(|| object(&mutant, &options)).unwrap_or(Err(Some("panic".into())));
        let used = MEMORY.peak_usage().saturating_sub(before);
        worst = worst.max(used);
        let problem = match outcome {
            _ if used > DECODED as usize + REST + 4 * mutant.len() => Some(format!("{used} bytes at once")),
            Err(problem) => problem,
            Ok(()) => {
                clean += 1;
                None
            }
        };
        if let Some(problem) = problem {
            let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutant-{seed}"));
            std::fs::write(&kept, &mutant).unwrap();
            wrong.push(format!("{}: {problem}", kept.display()));
        }
    }
    println!("{clean} of {MUTANTS} became objects; {} kB at once at most", worst / 1000);
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(
        (MUTANTS / 20..MUTANTS * 19 / 20).contains(&clean),
        "{clean} of {MUTANTS} became objects: too few or too many to test anything"
    );
}

/// `Err(None)`: refused, as it may be. `Err(Some(_))`: not clean.
fn object(file: &[u8], options: &PrepareOptions) -> Result<(), Option<String>> {
    let (photo, _) = prepare(file, options).map_err(|_| None)?;
    let stream = stream::read_clean(photo.jpeg()).map_err(Some)?;
    if (stream.width, stream.height) != (photo.columns(), photo.rows()) {
        return Err(Some("size".into()));
    }
    let instance = session().capture(&photo, &view(SopClass::VlPhotographic)).map_err(|e| Some(e.to_string()))?;
    check(instance.bytes()).map(|_| ()).map_err(|findings| Some(format!("{findings:?}")))
}

fn bases() -> Vec<Vec<u8>> {
    let bases: Vec<Vec<u8>> =
        fixtures().into_iter().map(|f| f.bytes).filter(|b| (100..40_000).contains(&b.len())).collect();
    assert!(bases.len() > 200);
    bases
}

fn mutant(bases: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut file = bases[random.below(bases.len())].clone();
    for _ in 0..=random.below(3) {
        let at = random.below(file.len());
        match random.below(8) {
            0 => file.truncate(at.max(1)),
            1 => {
                let donor = &bases[random.below(bases.len())];
                let from = random.below(donor.len());
                file.truncate(at);
                file.extend(&donor[from..]);
            }
            2 => length_field(&mut file, &mut random),
            3 => {
                let end = (at + random.below(40)).min(file.len());
                file.drain(at..end);
            }
            4 => {
                let part = file[at..(at + random.below(40)).min(file.len())].to_vec();
                file.splice(at..at, part);
            }
            5 => file[at] = [0x00, 0xFF, 0x7F, 0x80, 0x01][random.below(5)],
            _ => {
                // Most of a file's structure is at its front.
                let at = if random.below(2) == 0 { random.below(file.len().min(700)) } else { at };
                file[at] ^= 1 << random.below(8);
            }
        }
        if file.is_empty() {
            break;
        }
    }
    file
}

/// Another length, or another size, in one of the first segments.
fn length_field(file: &mut [u8], random: &mut Random) {
    let markers: Vec<usize> =
        (0..file.len().saturating_sub(10)).filter(|at| file[*at] == 0xFF && file[at + 1] >= 0xC0).take(20).collect();
    if let Some(at) = markers.get(random.below(markers.len())) {
        file[at + 2 + random.below(8)] = random.byte();
    }
}
