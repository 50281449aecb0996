//! Real photos and an independent referee, where `../shared` is there: neither is the project's own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use moulage::dicom::SopClass;
use moulage::photo::{Colour, PrepareOptions, PreparedPhoto, prepare};
use moulage_tests::programs::{available, run, shared};
use moulage_tests::session::{self, CLASSES};
use tempfile::TempDir;

/// Runs shared/referee/upright.py for each pair of a source and an object, in one process.
const UPRIGHT: &str = "
import contextlib, io, sys
sys.path.insert(0, sys.argv[1])
import upright
bad = 0
for line in sys.stdin:
    sys.argv = ['upright.py'] + line.split()
    source = sys.argv[1]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        wrong = upright.main()
    if wrong:
        bad += 1
        print(source, said.getvalue(), sep='\\n')
sys.exit(bad > 0)
";

const TOOLS: [&str; 7] = ["dciodvfy", "dcmftest", "dcmdump", "dcmj2pnm", "jpegtran", "bash", "python3"];

#[test]
fn real_photos_become_objects_that_the_referee_passes() {
    let Some(shared) = shared().filter(|_| available(&TOOLS)) else { return };
    let folder = TempDir::new().unwrap();
    let mut pairs = Vec::new();
    for row in table(&shared.join("photos/real/MANIFEST.tsv")) {
        let path = shared.join("photos/real").join(&row["file"]);
        let file = fs::read(&path).unwrap();
        match prepare(&file, &PrepareOptions::default()) {
            Ok((photo, report)) => {
                assert!(file.starts_with(&[0xFF, 0xD8]), "{}: only JPEG is among them", row["file"]);
                assert_eq!(report.lossless, row["upright_lossless"] == "yes", "{}", row["file"]);
                for class in CLASSES {
                    let target = object(&photo, class, folder.path(), &format!("{}-{}", row["file"], class.key()));
                    pairs.push(Pair { source: path.clone(), target, upright: upright(&row["file"], class, &photo) });
                }
            }
            Err(error) if error.code() == "heic-needs-pixels" => assert_eq!(row["coding"], "hevc", "{}", row["file"]),
            Err(error) => {
                let damaged = row["file"].starts_with("corrupt-") || row["has"].contains("no-clean-eoi");
                assert!(damaged, "{}: refused: {error}", row["file"]);
            }
        }
    }
    assert!(pairs.len() >= 90, "{} objects", pairs.len());
    judge(&shared, folder.path(), &pairs, &[]);
}

#[test]
fn made_photos_become_what_their_table_says() {
    let Some(shared) = shared().filter(|_| available(&TOOLS)) else { return };
    let (made, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let generator = shared.join("photos/make_fixtures.py");
    let output = run("python3", [generator.as_os_str(), made.path().as_os_str(), "--small".as_ref()], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut pairs, mut sentinels, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for (k, row) in table(&made.path().join("fixtures.tsv")).iter().enumerate() {
        let path = made.path().join(&row["file"]);
        let (outcome, kind) = match prepare(&fs::read(&path).unwrap(), &PrepareOptions::default()) {
            Ok((photo, report)) => {
                let size = (photo.columns().to_string(), photo.rows().to_string());
                if row["expected"] != "refused" && size != (row["width"].clone(), row["height"].clone()) {
                    wrong.push(format!("{}: {size:?}", row["file"]));
                }
                let class = CLASSES[k % 4];
                let target = object(&photo, class, folder.path(), &k.to_string());
                pairs.push(Pair { source: path, target, upright: upright(&row["file"], class, &photo) });
                (if report.lossless { "lossless" } else { "reencoded" }, "")
            }
            Err(error) => ("refused", error.code()),
        };
        let fits = outcome == row["expected"] && (outcome != "refused" || kind == code(&row["kind"]));
        let also = row["also_ok"].split(',').any(|also| also == outcome || !kind.is_empty() && kind == code(also));
        if !fits && !also {
            wrong.push(format!(
                "{}: {outcome} {kind}, expected {} {}, also {}",
                row["file"], row["expected"], row["kind"], row["also_ok"]
            ));
        }
        sentinels.extend(row["sentinels"].split('|').filter(|s| !s.is_empty()).map(str::to_owned));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(pairs.len() > 80, "{} objects", pairs.len());
    judge(&shared, folder.path(), &pairs, &sentinels);
}

struct Pair {
    source: PathBuf,
    target: PathBuf,
    /// Options of upright.py; `None`: it cannot read the source.
    upright: Option<&'static str>,
}

fn upright(file: &str, class: SopClass, photo: &PreparedPhoto) -> Option<&'static str> {
    match file {
        // Pillow shows black behind what is clear, and reads no DNL.
        "E_alpha.png" | "X_dnl.jpg" => None,
        // In 35 pixels it shows that DCMTK repeats chroma samples where Pillow interpolates.
        _ if file.starts_with("grid/") => Some("--mae 4"),
        // Neutral colour is added.
        _ if class == SopClass::MultiFrameTrueColorSc && photo.colour() == Colour::Grey => Some("--lossy-ok"),
        _ => Some(""),
    }
}

/// The table's word for a refusal -> ours.
fn code(kind: &str) -> &str {
    match kind {
        "unsupported-precision" | "unsupported-process" => "unsupported-coding",
        other => other,
    }
}

fn object(photo: &PreparedPhoto, class: SopClass, folder: &Path, name: &str) -> PathBuf {
    let instance = session::object(&mut session::session(), photo, class).unwrap_or_else(|e| panic!("{name}: {e}"));
    let path = folder.join(format!("{name}.dcm"));
    fs::write(&path, instance.bytes()).unwrap();
    path
}

/// validate.sh, upright.py and leaks.py of the referee, in as many processes as there are cores.
fn judge(shared: &Path, folder: &Path, pairs: &[Pair], sentinels: &[String]) {
    let referee = shared.join("referee");
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let complaint = |output: std::process::Output| {
        let said = [output.stdout, output.stderr].concat();
        (!output.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
    };
    let (canaries, texts) = (folder.join("canaries.txt"), sentinels.iter().filter(|s| !s.starts_with("hex:")));
    let texts: String = texts.map(|s| format!("{}\n", s.strip_prefix("utf16:").unwrap_or(s))).collect();
    fs::write(&canaries, texts).unwrap();
    let parts = |part: &[Pair]| {
        let targets = || part.iter().map(|pair| pair.target.clone().into_os_string());
        let validate: Vec<_> = [referee.join("validate.sh").into(), "-q".into()].into_iter().chain(targets()).collect();
        let line =
            |pair: &Pair| Some(format!("{} {} {}\n", pair.source.display(), pair.target.display(), pair.upright?));
        let lines: String = part.iter().filter_map(line).collect();
        let upright = ["-c".as_ref(), UPRIGHT.as_ref(), referee.as_os_str()];
        let mut leaks: Vec<_> = [referee.join("leaks.py").into_os_string()].into_iter().chain(targets()).collect();
        leaks.extend(["--canaries".into(), canaries.clone().into_os_string()]);
        leaks.extend(
            sentinels.iter().filter_map(|s| s.strip_prefix("hex:")).flat_map(|s| ["--canary-hex".into(), s.into()]),
        );
        [
            complaint(run("bash", validate, b"")),
            complaint(run("python3", upright, lines.as_bytes())),
            complaint(run("python3", leaks, b"")),
        ]
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let chunks = pairs.chunks(pairs.len().div_ceil(threads));
        let started: Vec<_> = chunks.map(|part| scope.spawn(|| parts(part))).collect();
        started.into_iter().flat_map(|part| part.join().unwrap()).flatten().collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows of a table with a header, by column.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned));
    let header: Vec<String> = lines.next().unwrap().collect();
    lines.map(|line| header.iter().cloned().zip(line).collect()).collect()
}
