//! `photo::prepare` on every made photograph, judged by libjpeg-turbo and by readers of our own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use moulage::PhotoError;
use moulage::photo::{
    Derivation, Pixels, PrepareOptions, PreparedPhoto, ScrubReport, TurnPolicy, prepare, prepare_pixels,
};
use moulage_tests::fixtures::{orientations, secrets};
use moulage_tests::jpeg::{Coding, Sampling, encode, segment, with_back, with_front};
use moulage_tests::scene::scene;
use moulage_tests::{Expected, Fixture, fixtures, leaks, oracle, programs, stream};

fn prepared(file: &[u8]) -> Result<(PreparedPhoto, ScrubReport), PhotoError> {
    prepare(file, &PrepareOptions::default())
}

fn json(report: &ScrubReport) -> String {
    serde_json::to_string(report).unwrap()
}

/// Runs `judge` on every fixture that is not refused, and says all that is wrong at once.
fn on_good(list: &[Fixture], judge: impl Fn(&Fixture, &PreparedPhoto, &ScrubReport) -> Result<(), String>) {
    let judge = |fixture: &Fixture| match prepared(&fixture.bytes) {
        Ok((photo, report)) => judge(fixture, &photo, &report),
        Err(error) => Err(format!("refused: {error}")),
    };
    let good = list.iter().filter(|fixture| !matches!(fixture.expected, Expected::Refused(_)));
    let wrong: Vec<String> = good.filter_map(|f| judge(f).err().map(|e| format!("{}: {e}", f.name))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fixture_becomes_what_it_should() {
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let got = match prepared(&fixture.bytes) {
            Err(error) => Expected::Refused(error.code()),
            Ok((_, report)) if report.lossless => Expected::Lossless,
            Ok(_) => Expected::Reencoded,
        };
        if got != fixture.expected {
            wrong.push(format!("{}: {got:?}, expected {:?}", fixture.name, fixture.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_comes_out_is_a_clean_stream_of_the_upright_size() {
    on_good(&fixtures(), |fixture, photo, report| {
        let stream = stream::read_clean(photo.jpeg())?;
        let size = (usize::from(stream.width), usize::from(stream.height));
        if size != (fixture.width, fixture.height) || (photo.columns(), photo.rows()) != (stream.width, stream.height) {
            return Err(format!("size {size:?}"));
        }
        if photo.derivation().is_some() == report.lossless {
            return Err(format!("lossless: {}, but derivation: {:?}", report.lossless, photo.derivation()));
        }
        Ok(())
    });
}

#[test]
fn coefficients_are_those_of_jpegtran() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    let list: Vec<Fixture> = fixtures().into_iter().filter(|f| f.expected == Expected::Lossless).collect();
    on_good(&list, |fixture, photo, _| {
        let turned = oracle::turned(fixture.for_libjpeg(), fixture.orientation).ok_or("jpegtran cannot turn it")?;
        let (ours, theirs) = (oracle::coefficients(photo.jpeg()), oracle::coefficients(&turned));
        if ours.is_none() || ours != theirs { Err("coefficients differ".into()) } else { Ok(()) }
    });
}

#[test]
fn every_size_of_a_block_turns_as_jpegtran_turns_it() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    let options = PrepareOptions { turn: TurnPolicy::Refuse, ..PrepareOptions::default() };
    let mut turned = 0;
    for sampling in Sampling::ALL {
        for (width, height) in (1..=33)
            .step_by(4)
            .flat_map(|w| (8..=40).step_by(8).map(move |h| (w, h)))
            .flat_map(|(w, h)| [(w, h), (h, w)])
        {
            let bare = encode(&scene(width, height), Coding { sampling, ..Coding::default() });
            let orientation = 1 + ((width + height / 8) % 8) as u8;
            let exif = moulage_tests::exif::Exif::oriented(orientation.into()).segment();
            let source = with_front(&bare, &[exif]);
            let name = format!("{sampling:?} {width}x{height} orientation {orientation}");
            match (prepare(&source, &options), oracle::turned(&source, orientation)) {
                (Ok((photo, _)), Some(theirs)) => {
                    assert_eq!(oracle::coefficients(photo.jpeg()), oracle::coefficients(&theirs), "{name}");
                    turned += usize::from(orientation > 1);
                }
                (Err(PhotoError::NotLossless), None) => {}
                (ours, theirs) => panic!("{name}: {:?}, jpegtran: {}", ours.map(|_| ()), theirs.is_some()),
            }
        }
    }
    assert!(turned > 100, "{turned}");
}

#[test]
fn an_upright_baseline_photo_keeps_its_entropy_coded_bytes() {
    for coding in [
        Coding::default(),
        Coding { restart: 5, ..Coding::default() },
        Coding { sampling: Sampling::Grey, ..Coding::default() },
    ] {
        let source = encode(&scene(83, 57), coding);
        let (photo, _) = prepared(&source).unwrap();
        let (ours, theirs) = (
            stream::read_clean(photo.jpeg()).unwrap(),
            stream::read_clean(&moulage_tests::jpeg::without(&source, &[0xE0])).unwrap(),
        );
        assert_eq!(ours, theirs);
    }
}

#[test]
fn djpeg_sees_the_upright_picture() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    on_good(&fixtures(), |fixture, photo, _| match fixture.name.as_str() {
        // Its left side is the background's.
        "PNG, alpha" => oracle::decoded(photo.jpeg()).map(|_| ()).ok_or("djpeg complains".into()),
        _ => oracle::stream_shows_upright(photo.jpeg(), fixture),
    });
}

#[test]
fn what_is_clear_shows_the_background() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    let file = moulage_tests::png::rgba(&scene(83, 57));
    for background in [[255, 255, 255], [0, 200, 0]] {
        let (photo, _) = prepare(&file, &PrepareOptions { background, ..PrepareOptions::default() }).unwrap();
        let picture = oracle::decoded(photo.jpeg()).unwrap();
        let near = |seen: [u8; 3], wanted: [u8; 3]| (0..3).all(|c| seen[c].abs_diff(wanted[c]) < 40);
        assert!(near(picture.at(0, 30), background), "{:?}", picture.at(0, 30));
        assert!(near(picture.at(82, 5), scene(83, 57).at(82, 5)), "{:?}", picture.at(82, 5));
    }
}

#[test]
fn what_was_reencoded_is_near_the_decoded_source() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    let list: Vec<Fixture> = orientations().into_iter().filter(|f| f.expected == Expected::Reencoded).collect();
    on_good(&list, |fixture, photo, _| {
        let source = oracle::decoded(&fixture.bytes).ok_or("djpeg complains")?;
        let inverse = match fixture.orientation {
            6 => 8,
            8 => 6,
            same => same,
        };
        let difference =
            oracle::decoded(photo.jpeg()).and_then(|p| p.difference(&source.stored(inverse))).ok_or("another size")?;
        if photo.derivation() != Some(Derivation::Reencoded) || photo.lossy().len() != 2 {
            return Err(format!("{:?}, {} lossy steps", photo.derivation(), photo.lossy().len()));
        }
        if difference > 2.0 { Err(format!("mean error {difference:.2}")) } else { Ok(()) }
    });
}

#[test]
fn trimming_cuts_as_jpegtran_does() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    let options = PrepareOptions { turn: TurnPolicy::Trim, ..PrepareOptions::default() };
    for fixture in orientations().iter().filter(|f| f.expected == Expected::Reencoded && f.width.min(f.height) > 32) {
        let (photo, report) = prepare(&fixture.bytes, &options).unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
        let theirs = oracle::trimmed(&fixture.bytes, fixture.orientation).unwrap();
        assert_eq!(oracle::coefficients(photo.jpeg()), oracle::coefficients(&theirs), "{}", fixture.name);
        let Some(Derivation::Trimmed { columns, rows }) = photo.derivation() else {
            panic!("{}: {:?}", fixture.name, photo.derivation())
        };
        let kept = (usize::from(photo.columns() + columns), usize::from(photo.rows() + rows));
        assert_eq!(kept, (fixture.width, fixture.height), "{}", fixture.name);
        assert_eq!(photo.lossy().len(), 1, "{}: no second lossy step", fixture.name);
        assert!(!json(&report).is_empty());
    }
}

#[test]
fn refusing_refuses_what_cannot_be_turned() {
    let options = PrepareOptions { turn: TurnPolicy::Refuse, ..PrepareOptions::default() };
    for fixture in orientations() {
        let got = prepare(&fixture.bytes, &options).map(|(_, report)| report.lossless);
        let expected = if fixture.expected == Expected::Lossless { Ok(true) } else { Err(PhotoError::NotLossless) };
        assert_eq!(got, expected, "{}", fixture.name);
    }
}

#[test]
fn preparing_twice_changes_nothing() {
    on_good(&fixtures(), |_, photo, _| {
        let (again, report) = prepared(photo.jpeg()).map_err(|e| format!("its own output is refused: {e}"))?;
        if again.jpeg() != photo.jpeg() || !report.lossless { Err("its own output is changed".into()) } else { Ok(()) }
    });
}

#[test]
fn no_secret_reaches_the_stream_the_report_or_an_error() {
    for fixture in fixtures() {
        let told = match prepared(&fixture.bytes) {
            Ok((photo, report)) => {
                [photo.jpeg(), json(&report).as_bytes(), photo.icc().map_or(&[], |icc| icc.bytes())].concat()
            }
            Err(error) => format!("{error} {error:?} {}", error.code()).into_bytes(),
        };
        assert_eq!(leaks::find(&told, &fixture.sentinels), [""; 0], "{}", fixture.name);
    }
}

#[test]
fn a_stranger_in_any_segment_at_any_place_is_removed_and_reported() {
    let plain = encode(&scene(96, 64), Coding::default());
    let (clean, _) = prepared(&plain).unwrap();
    for marker in (0xE0..=0xEF).chain([0xFE]) {
        for name in [
            "Exif\0\0",
            "JFIF\0",
            "http://ns.adobe.com/xap/1.0/\0",
            "ICC_PROFILE\0\x01\x01",
            "MPF\0",
            "Adobe",
            "FPXR\0",
            "",
        ] {
            let stranger = segment(marker, format!("{name}LEAK_CANARY some text that belongs to nobody").as_bytes());
            for source in [
                with_front(&plain, std::slice::from_ref(&stranger)),
                with_back(&plain, std::slice::from_ref(&stranger)),
            ] {
                let told = match prepared(&source) {
                    Ok((photo, report)) => {
                        let report = json(&report);
                        assert!(
                            report.contains(&format!("{}", stranger.len()))
                                || report.contains(&format!("{}", stranger.len() - 4)),
                            "{report}"
                        );
                        assert!(photo.jpeg() == clean.jpeg() || photo.derivation().is_some(), "{marker:02X} {name}");
                        [photo.jpeg(), report.as_bytes(), photo.icc().map_or(&[], |icc| icc.bytes())].concat()
                    }
                    Err(error) => format!("{error} {error:?}").into_bytes(),
                };
                assert_eq!(leaks::find(&told, &["LEAK_CANARY".into()]), [""; 0], "{marker:02X} {name}");
            }
        }
    }
}

#[test]
fn the_report_of_a_phone_photo_names_every_thing_that_was_removed() {
    let fixture = moulage_tests::fixtures::everything();
    let (photo, report) = prepared(&fixture.bytes).unwrap();
    let report = json(&report).to_lowercase();
    for class in ["exif", "xmp", "icc", "mpf", "iptc", "c2pa", "com", "sha256"] {
        assert!(report.contains(class), "{class} is not in {report}");
    }
    let facts = photo.facts();
    assert_eq!(
        (facts.make.as_deref(), facts.model.as_deref(), facts.software.as_deref()),
        (Some("Acme"), Some("Phone 15"), Some("17.4"))
    );
    let taken = facts.taken.unwrap();
    assert_eq!(taken.local.to_string(), "2026-03-14 09:26:53.589");
    assert_eq!(taken.offset.map(|offset| offset.local_minus_utc()), Some(3600));
    assert!(photo.icc().is_some());
}

#[test]
fn only_possible_times_are_believed() {
    for (time, offset, local, seconds) in [
        ("2026:10:25 02:30:00", None, Some("2026-10-25 02:30:00"), None),
        ("2026:10:25 02:30:00", Some("+02:00"), Some("2026-10-25 02:30:00"), Some(7200)),
        ("2026:03:14 09:26:53", Some("+05:45"), Some("2026-03-14 09:26:53"), Some(20_700)),
        ("2026:03:14 09:26:53", Some("-03:30"), Some("2026-03-14 09:26:53"), Some(-12_600)),
        ("2026:03:14 09:26:53", Some("+27:00"), Some("2026-03-14 09:26:53"), None),
        ("2026:02:30 25:61:61", None, None, None),
        ("0000:00:00 00:00:00", Some("+00:00"), None, None),
        ("    :  :     :  :  ", None, None, None),
        ("2026-03-14 09:26:53", None, None, None),
    ] {
        let exif = moulage_tests::exif::Exif::taken(time, offset).segment();
        let (photo, _) = prepared(&with_front(&encode(&scene(83, 57), Coding::default()), &[exif])).unwrap();
        let taken = photo.facts().taken;
        assert_eq!(taken.map(|taken| taken.local.to_string()).as_deref(), local, "{time} {offset:?}");
        assert_eq!(
            taken.and_then(|taken| taken.offset).map(|offset| offset.local_minus_utc()),
            seconds,
            "{time} {offset:?}"
        );
    }
}

#[test]
fn limits_hold_before_the_picture_is_read() {
    let source = encode(&scene(320, 240), Coding::default());
    let limited = |change: fn(&mut moulage::photo::Limits)| {
        let mut options = PrepareOptions::default();
        change(&mut options.limits);
        prepare(&source, &options).map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(limited(|l| l.side = 319), Err("limit-side"));
    assert_eq!(limited(|l| l.pixels = 76_799), Err("limit-pixels"));
    assert_eq!(limited(|l| l.file_bytes = 1000), Err("limit-file-bytes"));
    assert_eq!(limited(|l| (l.side, l.pixels) = (320, 76_800)), Ok(()));
}

#[test]
fn secrets_are_planted_in_more_than_thirty_ways() {
    assert!(secrets().len() > 30);
}

#[test]
fn decoded_pixels_are_turned_as_their_container_says() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    // irot and imir -> the EXIF orientation of the stored picture (ISO 23008-12: the mirror comes after the turn).
    let said = [
        (None, None, 1),
        (None, Some(1), 2),
        (Some(2), None, 3),
        (None, Some(0), 4),
        (Some(1), Some(0), 5),
        (Some(3), None, 6),
        (Some(1), Some(1), 7),
        (Some(1), None, 8),
    ];
    for (turns, mirror, orientation) in said {
        let stored = scene(83, 57).stored(orientation);
        let exif = moulage_tests::exif::Exif {
            main: vec![
                (0x010F, moulage_tests::exif::Value::text("Acme")),
                (0x013B, moulage_tests::exif::Value::text("LEAK_HEIC_EXIF")),
            ],
            ..moulage_tests::exif::Exif::oriented(orientation.into())
        };
        let colour = moulage_tests::heic::NCLX_P3.to_vec();
        let container = moulage_tests::heic::Heic {
            width: stored.width as u32,
            height: stored.height as u32,
            turns,
            mirror,
            exif,
            colour,
        }
        .bytes();
        let pixels = |picture: &moulage_tests::scene::Picture, turned| {
            let pixels = Pixels {
                rgb: &picture.rgb,
                width: picture.width as u32,
                height: picture.height as u32,
                stride: 3 * picture.width,
                turned,
                converted_to_srgb: false,
            };
            prepare_pixels(&pixels, Some(&container), &PrepareOptions::default())
        };
        for (picture, turned) in [(&stored, false), (&scene(83, 57), true)] {
            let (photo, report) =
                pixels(picture, turned).unwrap_or_else(|e| panic!("orientation {orientation}, turned {turned}: {e}"));
            let seen = oracle::decoded(photo.jpeg()).unwrap();
            assert!(
                seen.corners_are_right() && seen.difference(&scene(83, 57)).unwrap() < 8.0,
                "orientation {orientation}, turned {turned}"
            );
            assert_eq!(photo.facts().make.as_deref(), Some("Acme"));
            assert!(!report.lossless && photo.derivation() == Some(Derivation::Reencoded));
            let told = [photo.jpeg(), json(&report).as_bytes()].concat();
            assert_eq!(leaks::find(&told, &["LEAK_HEIC_EXIF".into()]), [""; 0]);
        }
        assert_eq!(pixels(&scene(82, 57), true).map(|_| ()), Err(PhotoError::PixelsMismatch));
    }
}
