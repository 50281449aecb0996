//! Real photos and an independent referee, where `../shared` is there: neither is the project's own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use moulage::dicom::{SopClass, check};
use moulage::photo::{Colour, Pixels, PrepareOptions, PreparedPhoto, Primaries, Profile, prepare, prepare_pixels};
use moulage_tests::oracle;
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

/// Decodes each HEIC with libheif, as a phone does: upright, 8 bits, its own colours.
const DECODE_HEIC: &str = "
import sys
import pillow_heif
for source, target in zip(sys.argv[1::2], sys.argv[2::2]):
    heif = pillow_heif.open_heif(source, convert_hdr_to_8bit=True)
    heif.to_pillow().convert('RGB').save(target)
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
fn real_heics_follow_their_container_and_say_when_exif_contradicts_it() {
    let Some(shared) = shared().filter(|_| available(&["python3", "djpeg"])) else { return };
    let folder = TempDir::new().unwrap();
    let rows: Vec<_> = table(&shared.join("photos/real/MANIFEST.tsv"))
        .into_iter()
        .filter(|row| row["coding"] == "hevc" && !row["file"].starts_with("canon-10bit-corrupted"))
        .map(|row| {
            (shared.join("photos/real").join(&row["file"]), folder.path().join(&row["file"]).with_extension("ppm"), row)
        })
        .collect();
    let paths = rows.iter().flat_map(|(source, target, _)| [source.as_os_str(), target.as_os_str()]);
    let output = run("python3", ["-c".as_ref(), DECODE_HEIC.as_ref()].into_iter().chain(paths), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (source, target, row) in &rows {
        let name = &row["file"];
        let (file, picture) = (fs::read(source).unwrap(), oracle::pnm(&fs::read(target).unwrap()));
        let pixels = Pixels {
            rgb: &picture.rgb,
            width: picture.width as u32,
            height: picture.height as u32,
            stride: 3 * picture.width,
            turned: true,
            converted_to_srgb: false,
        };
        let (photo, report) =
            prepare_pixels(&pixels, Some(&file), &PrepareOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Quarter turns anticlockwise -> EXIF.
        let container = [1, 8, 3, 6][row["irot"].parse().unwrap_or(0)];
        assert_eq!(report.orientation.container, Some(container), "{name}");
        let exif = row["exif_orientation"].parse().ok();
        assert_eq!(report.orientation.conflict, exif.is_some_and(|exif: u16| exif != container), "{name}");
        assert_eq!(
            matches!(report.colour.profile, Profile::Carried(Primaries::DisplayP3)),
            row["icc"] == "Display P3",
            "{name}"
        );
        assert_eq!(report.position, row["has"].contains("gps-position"), "{name}");
        let seen = oracle::decoded(photo.jpeg()).unwrap();
        assert!(seen.difference(&picture).is_some_and(|error| error < 2.0), "{name}");
        let instance = session::object(&mut session::session(), &photo, SopClass::VlPhotographic).unwrap();
        check(instance.bytes()).unwrap_or_else(|findings| panic!("{name}: {findings:?}"));
    }
    assert_eq!(rows.len(), 6);
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
