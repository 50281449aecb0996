//! The list of made photographs, each with what must become of it under the default options.

use crate::exif::{self, Exif, Value};
use crate::icc::{self, Profile};
use crate::jpeg::{self, Coding, Sampling, encode, header_only, segment, with_back, with_front};
use crate::leaks::Sentinel;
use crate::random::noise;
use crate::scene::{scene, swaps};
use crate::{heic, hidden, png};

/// What must become of a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The same coefficients, moved where it must be turned, sequential Huffman coded.
    Lossless,
    /// Decoded and coded again; recorded as DERIVED.
    Reencoded,
    /// Refused with this code of `PhotoError`.
    Refused(&'static str),
}

/// A made photograph.
#[derive(Clone)]
pub struct Fixture {
    /// What it is for.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// What must become of it.
    pub expected: Expected,
    /// Pixels across of the upright picture; 0 when refused.
    pub width: usize,
    /// Pixels down of the upright picture; 0 when refused.
    pub height: usize,
    /// As the file says it; 1 when it says nothing that counts.
    pub orientation: u8,
    /// What is in the file and must be in nothing that is made of it.
    pub sentinels: Vec<Sentinel>,
    twin: Option<Vec<u8>>,
}

/// All of them.
#[must_use]
pub fn fixtures() -> Vec<Fixture> {
    let parts = [
        orientations(),
        codings(),
        frames(),
        secrets(),
        colours(),
        profiles(),
        facts(),
        broken(),
        refused_by_name(),
        pngs(),
    ];
    parts.into_iter().flatten().collect()
}

/// Every orientation, sampling and a few sizes, most of them no whole number of blocks.
#[must_use]
pub fn orientations() -> Vec<Fixture> {
    let mut list = Vec::new();
    for sampling in Sampling::ALL {
        for (width, height) in [(35, 27), (64, 64), (61, 40), (32, 49)] {
            for orientation in 1..=8 {
                let coding = Coding {
                    sampling,
                    restart: if width == 61 { 3 } else { 0 },
                    progressive: height == 49,
                    ..Coding::default()
                };
                let (across, down) = if swaps(orientation) { (height, width) } else { (width, height) };
                let bytes =
                    with_front(&encode(&scene(across, down).stored(orientation), coding), &[oriented(orientation)]);
                let expected = if sampling.turns_whole(width, height, orientation) {
                    Expected::Lossless
                } else {
                    Expected::Reencoded
                };
                let name = format!("{sampling:?} {width}x{height} orientation {orientation}");
                list.push(fixture(&name, bytes, expected, (across, down)).turned(orientation));
            }
        }
    }
    let picture = scene(1008, 744);
    for orientation in [1, 3, 6, 8] {
        let stored = picture.stored(orientation);
        let whole = Sampling::S420.turns_whole(stored.width, stored.height, orientation);
        let bytes = [
            with_front(&encode(&stored, Coding::default()), &[oriented(orientation)]),
            hidden::samsung_trailer("LEAK_SEFT 1773476813589"),
        ]
        .concat();
        let expected = if whole { Expected::Lossless } else { Expected::Reencoded };
        let name = format!("the common Android shape, orientation {orientation}");
        list.push(fixture(&name, bytes, expected, (1008, 744)).turned(orientation).hiding(&["LEAK_SEFT", "SEFH"]));
    }
    list
}

fn codings() -> Vec<Fixture> {
    let picture = scene(320, 240);
    let turned = |orientation| picture.stored(orientation);
    let with = |change: fn(&mut Coding)| {
        let mut coding = Coding::default();
        change(&mut coding);
        coding
    };
    vec![
        lossless("baseline", encode(&picture, Coding::default()), (320, 240)),
        lossless("progressive", encode(&picture, with(|c| c.progressive = true)), (320, 240)),
        lossless(
            "progressive, turned",
            with_front(&encode(&turned(6), with(|c| c.progressive = true)), &[oriented(6)]),
            (320, 240),
        )
        .turned(6),
        lossless("restart markers", encode(&picture, with(|c| c.restart = 7)), (320, 240)),
        lossless(
            "restart markers, turned",
            with_front(&encode(&turned(8), with(|c| c.restart = 7)), &[oriented(8)]),
            (320, 240),
        )
        .turned(8),
        lossless("a restart marker after every MCU", encode(&picture, with(|c| c.restart = 1)), (320, 240)),
        lossless(
            "tables made for the picture, one scan a component",
            encode(&picture, with(|c| c.optimised = true)),
            (320, 240),
        ),
        lossless("quality 100", encode(&picture, with(|c| c.quality = 100)), (320, 240)),
        lossless("quality 5", encode(&picture, with(|c| c.quality = 5)), (320, 240)),
        lossless(
            "300 fill bytes",
            [&[0xFF, 0xD8][..], &[0xFF; 300], &encode(&picture, Coding::default())[2..]].concat(),
            (320, 240),
        ),
    ]
}

fn frames() -> Vec<Fixture> {
    let odd = encode(&scene(83, 57), Coding::default());
    let turned_pixel = with_front(&encode(&scene(1, 1), Coding::default()), &[oriented(6)]);
    vec![
        lossless("extended sequential, 8 bits", jpeg::with_sof(&odd, 0xC1), (83, 57)),
        Fixture {
            twin: Some(odd.clone()),
            ..lossless("the height comes after the scan", jpeg::with_dnl(&odd), (83, 57))
        },
        lossless("one pixel", encode(&scene(1, 1), Coding::default()), (1, 1)),
        fixture("one pixel, turned", turned_pixel, Expected::Reencoded, (1, 1)).turned(6),
        lossless("one row", encode(&scene(300, 1), Coding::default()), (300, 1)),
        lossless("one column", encode(&scene(1, 300), Coding::default()), (1, 300)),
    ]
}

/// Everything that hides in a photo, one at a time and all at once.
#[must_use]
pub fn secrets() -> Vec<Fixture> {
    let plain = encode(&scene(320, 240), Coding::default());
    let second = with_back(&encode(&scene(160, 128), Coding::default()), &[segment(0xFE, b"LEAK_SECOND picture")]);
    let front = |segments: &[Vec<u8>]| with_front(&plain, segments);
    let behind = |trailer: Vec<u8>| [&plain[..], &trailer].concat();
    let one = |name: &str, bytes, hides: &[&str]| lossless(name, bytes, (320, 240)).hiding(hides);
    let mut list = vec![
        everything(),
        one("GPS, owner, serials", front(&[owned(1)]), &OWNED).hiding_place(),
        one("XMP", front(&[hidden::xmp("LEAK_XMP creator")]), &["LEAK_XMP", "xmpmeta"]),
        one(
            "extended XMP, 20 segments",
            front(&vec![hidden::extended_xmp("LEAK_EXTXMP", 65_000); 20]),
            &["LEAK_EXTXMP"],
        ),
        one("IPTC", front(&[hidden::iptc("LEAK_IPTC caption")]), &["LEAK_IPTC", "8BIM"]),
        one("C2PA", front(&[hidden::c2pa("LEAK_C2PA manifest")]), &["LEAK_C2PA", "jumb"]),
        one(
            "comment before the scan",
            with_back(&plain, &[segment(0xFE, b"<script>LEAK_COM</script>")]),
            &["LEAK_COM"],
        ),
        one("JFIF thumbnail", front(&[hidden::jfif_thumbnail("LEAK_JFIF_TN")]), &["LEAK_JFIF_TN"]),
        one(
            "MPF and a second picture",
            hidden::with_second_picture(|index| front(&[index]), &second),
            &["LEAK_SECOND", "MPF\0"],
        ),
        one("MPF that points outside", front(&[hidden::mpf(1000, 9_000_000, 0x7FFF_FFF0)]), &["MPF\0"]),
        one("Samsung trailer", behind(hidden::samsung_trailer("LEAK_SEFT")), &["LEAK_SEFT", "SEFT"]),
        one("motion photo", behind(hidden::motion_video("LEAK_MOTION")), &["LEAK_MOTION", "ftyp"]),
        one("ZIP behind the picture", behind(hidden::zip("LEAK_ZIP.txt", "LEAK_ZIPPED")), &["LEAK_ZIP", "LEAK_ZIPPED"]),
        one("APP1 with length 2", front(&[segment(0xE1, b"")]), &[]),
    ];
    for marker in (0xE0..=0xEF).chain([0xFE]) {
        let planted = with_back(&plain, &[segment(marker, b"whatever\0LEAK_SEGMENT")]);
        list.push(one(&format!("a stranger in segment {marker:02X}"), planted, &["LEAK_SEGMENT"]));
    }
    list
}

const OWNED: [&str; 12] = [
    "LEAK_DESCRIPTION",
    "LEAK_ARTIST",
    "LEAK_COPYRIGHT",
    "LEAK_MAKERNOTE",
    "LEAK_USERCOMMENT",
    "LEAK_UNIQUEID",
    "LEAK_OWNER",
    "LEAK_BODYSERIAL",
    "LEAK_LENSSERIAL",
    "LEAK_GPSAREA",
    "LEAK_THUMBNAIL",
    "LEAK_HOST",
];

/// EXIF with a person, a place and serials in it, and a thumbnail with a comment of its own.
fn owned(orientation: u16) -> Vec<u8> {
    let thumbnail =
        with_back(&encode(&scene(80, 64), Coding::default()), &[segment(0xFE, b"LEAK_THUMBNAIL Erika Muster")]);
    let exif = Exif {
        main: vec![
            (0x010E, Value::text("LEAK_DESCRIPTION Erika Muster 1961-02-03")),
            (0x010F, Value::text("Acme")),
            (0x0110, Value::text("Phone 15")),
            (0x0112, Value::Short(orientation)),
            (0x0131, Value::text("17.4")),
            (0x0132, Value::text("2026:03:14 09:26:53")),
            (0x013B, Value::text("LEAK_ARTIST Nurse Joy")),
            (0x013C, Value::text("LEAK_HOST ward-7-phone-3")),
            (0x8298, Value::text("LEAK_COPYRIGHT ward 7")),
        ],
        sub: vec![
            (0x829A, Value::Rationals(vec![(1, 120)])),
            (0x829D, Value::Rationals(vec![(178, 100)])),
            (0x8827, Value::Short(64)),
            (0x9000, Value::Undefined(b"0232".to_vec())),
            (0x9003, Value::text("2026:03:14 09:26:53")),
            (0x9011, Value::text("+01:00")),
            (0x9291, Value::text("589")),
            (0x920A, Value::Rationals(vec![(676, 100)])),
            (0x927C, Value::Undefined(b"Apple iOS\0\0\x01MMLEAK_MAKERNOTE 8F3A-11D2".to_vec())),
            (0x9286, Value::Undefined(b"ASCII\0\0\0LEAK_USERCOMMENT wound heel left".to_vec())),
            (0xA420, Value::text("LEAK_UNIQUEID_77AB")),
            (0xA430, Value::text("LEAK_OWNER Dr Smith")),
            (0xA431, Value::text("LEAK_BODYSERIAL_F17")),
            (0xA435, Value::text("LEAK_LENSSERIAL_L9")),
        ],
        gps: exif::gps(),
        thumbnail,
        big: true,
    };
    exif.segment()
}

/// A phone's photo with all of it, turned.
#[must_use]
pub fn everything() -> Fixture {
    let (width, height) = (1008, 752);
    let body = encode(&scene(width, height).stored(6), Coding::default());
    let second = with_back(&encode(&scene(320, 240), Coding::default()), &[segment(0xFE, b"LEAK_SECOND picture")]);
    let profile = icc::segments(
        &Profile { name: "LEAK_ICCNAME".into(), owner: "LEAK_ICCOWNER".into(), ..Profile::default() }.bytes(),
        65_519,
    );
    let first = |index: Vec<u8>| {
        let front = [vec![owned(6), hidden::xmp("LEAK_XMP creator")], profile.clone(), vec![index]].concat();
        let back = [
            hidden::iptc("LEAK_IPTC caption"),
            hidden::c2pa("LEAK_C2PA manifest"),
            segment(0xFE, b"LEAK_COM Erika Muster"),
        ];
        with_back(&with_front(&body, &front), &back)
    };
    let bytes = [hidden::with_second_picture(first, &second), hidden::motion_video("LEAK_MOTION")].concat();
    let hides = [
        "LEAK_XMP",
        "LEAK_IPTC",
        "LEAK_C2PA",
        "LEAK_COM",
        "LEAK_SECOND",
        "LEAK_MOTION",
        "LEAK_ICCNAME",
        "LEAK_ICCOWNER",
        "ICC_PROFILE",
        "MPF\0",
    ];
    lossless("a phone's photo with everything in it", bytes, (width, height))
        .turned(6)
        .hiding(&OWNED)
        .hiding(&hides)
        .hiding_place()
}

fn colours() -> Vec<Fixture> {
    let picture = scene(96, 64);
    let size = (96, 64);
    let coding = Coding { sampling: Sampling::S444, ..Coding::default() };
    let adobe = |transform: u8| segment(0xEE, &[&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat());
    let raw = jpeg::encode_raw_rgb(&picture);
    let jfif = segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let reencoded = |name: &str, bytes| fixture(name, bytes, Expected::Reencoded, size);
    let cmyk = jpeg::encode_cmyk(&picture, false);
    vec![
        reencoded("Adobe RGB, components R G B", jpeg::with_ids(&with_front(&raw, &[adobe(0)]), b"RGB")),
        reencoded("Adobe RGB, components 0 1 2", with_front(&raw, &[adobe(0)])),
        reencoded("components R G B and no other word", jpeg::with_ids(&raw, b"RGB")),
        lossless("Adobe YCbCr", with_front(&encode(&picture, coding), &[adobe(1)]), size),
        lossless(
            "JFIF and Adobe RGB disagree: JFIF counts",
            with_front(&encode(&picture, coding), &[jfif, adobe(0)]),
            size,
        ),
        lossless(
            "no JFIF, no Adobe, components 1 2 3",
            jpeg::with_ids(&jpeg::without(&encode(&picture, coding), &[0xE0]), &[1, 2, 3]),
            size,
        ),
        reencoded("Adobe CMYK", cmyk.clone()),
        reencoded("Adobe YCCK", jpeg::encode_cmyk(&picture, true)),
        refused("four components and no Adobe segment", jpeg::without(&cmyk, &[0xE0, 0xEE]), "unsupported-colour"),
        refused("two components", header_only(0xC0, 640, 480, 8, 2), "unsupported-colour"),
    ]
}

fn profiles() -> Vec<Fixture> {
    let plain = encode(&scene(320, 240), Coding::default());
    let with = |name: &str, segments: &[Vec<u8>]| {
        lossless(name, with_front(&plain, segments), (320, 240)).hiding(&["ICC_PROFILE"])
    };
    let wide = icc::segments(&Profile { version: 2, padding: 180_000, ..Profile::default() }.bytes(), 65_519);
    let shuffled: Vec<Vec<u8>> = wide.iter().rev().cloned().collect();
    let p3 = Profile::default().bytes();
    let named = |version| {
        Profile {
            name: "LEAK_ICCNAME of Dr Smith".into(),
            owner: "LEAK_ICCOWNER".into(),
            version,
            ..Profile::default()
        }
        .bytes()
    };
    vec![
        with("Display P3", &icc::segments(&p3, 65_519)),
        with(
            "sRGB, version 2",
            &icc::segments(&Profile { display_p3: false, version: 2, ..Profile::default() }.bytes(), 65_519),
        ),
        with("profile in 3 chunks", &wide),
        with("profile in 3 chunks, last first", &shuffled),
        with("profile in 230 chunks", &icc::segments(&p3, p3.len().div_ceil(230))),
        with("profile without its last chunk", &wide[..2]),
        with("profile chunk 0 of 0", &[icc::chunk(0, 0, &p3)]),
        with("profile chunk twice", &[icc::chunk(1, 2, &p3), icc::chunk(1, 2, &p3)]),
        with(
            "a grey profile on a colour picture",
            &icc::segments(&Profile { colour: *b"GRAY", ..Profile::default() }.bytes(), 65_519),
        ),
        with("names in a profile, version 2", &icc::segments(&named(2), 65_519))
            .hiding(&["LEAK_ICCNAME", "LEAK_ICCOWNER"]),
        with("names in a profile, version 4", &icc::segments(&named(4), 65_519))
            .hiding(&["LEAK_ICCNAME", "LEAK_ICCOWNER"]),
        with("a profile of noise", &icc::segments(&noise(4, 3000), 65_519)),
        with("a profile cut short", &icc::segments(&p3[..100], 65_519)),
    ]
}

fn facts() -> Vec<Fixture> {
    let plain = encode(&scene(320, 240), Coding::default());
    let with = |name: &str, segments: &[Vec<u8>]| lossless(name, with_front(&plain, segments), (320, 240));
    let person =
        Exif { main: vec![(0x0112, Value::Short(6)), (0x013B, Value::text("LEAK_SECOND_EXIF"))], ..Exif::default() };
    let mut list: Vec<Fixture> = exif::hostile()
        .iter()
        .map(|(name, app1)| with(&format!("hostile EXIF: {name}"), std::slice::from_ref(app1)))
        .collect();
    list.push(with("orientation 0 is none", &[oriented(0)]));
    list.push(with("orientation 9 is none", &[oriented(9)]));
    list.push(
        with("two EXIF segments: the first counts", &[oriented(1), person.segment()]).hiding(&["LEAK_SECOND_EXIF"]),
    );
    list.push(with("density 1:2", &[segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x02\0\0")]));
    list
}

fn broken() -> Vec<Fixture> {
    let whole = encode(&scene(320, 240), Coding::default());
    let (scan, sos) = (jpeg::scan_start(&whole), jpeg::split(&whole).1);
    let spliced = |at: usize, bytes: &[u8]| [&whole[..at], bytes, &whole[at..]].concat();
    let mut overwritten = whole.clone();
    overwritten[scan + 200..scan + 800].copy_from_slice(&[0xFF, 0].repeat(300));
    let mut out_of_order = encode(&scene(96, 64), Coding { restart: 4, ..Coding::default() });
    let second = memchr::memmem::find(&out_of_order, b"\xFF\xD1").expect("a second restart marker");
    out_of_order[second + 1] = 0xD5;
    vec![
        refused("no bytes", Vec::new(), "empty"),
        refused("cut at 60 %", whole[..whole.len() * 6 / 10].to_vec(), "truncated"),
        refused("no EOI", whole[..whole.len() - 2].to_vec(), "truncated"),
        refused("cut inside the first segment", whole[..10].to_vec(), "truncated"),
        refused("cut before the scan", whole[..sos].to_vec(), "truncated"),
        refused(
            "a segment longer than the file",
            [&[0xFF, 0xD8, 0xFF, 0xE1, 0xFF, 0xFF], &whole[2..400]].concat(),
            "truncated",
        ),
        refused("a segment with length 1", spliced(2, &[0xFF, 0xE1, 0, 1]), "malformed"),
        refused("bytes between segments", spliced(20, b"LEAK_STRAY"), "malformed").hiding(&["LEAK_STRAY"]),
        refused("entropy-coded data overwritten", overwritten, "malformed"),
        refused("restart markers out of order", out_of_order, "malformed"),
        refused("no Huffman tables", jpeg::without(&whole, &[0xC4]), "malformed"),
        refused("no quantisation tables", jpeg::without(&whole, &[0xDB]), "malformed"),
        refused(
            "two frame headers",
            with_back(&whole, &[segment(0xC0, &[8, 0, 16, 0, 16, 1, 1, 0x11, 0])]),
            "malformed",
        ),
        refused("SOI twice", [&[0xFF, 0xD8][..], &whole].concat(), "malformed"),
        refused("SOI and EOI alone", vec![0xFF, 0xD8, 0xFF, 0xD9], "malformed"),
        refused("height 0 and no DNL", header_only(0xC0, 640, 0, 8, 3), "malformed"),
        refused("width 0", header_only(0xC0, 0, 480, 8, 3), "malformed"),
        refused("a PNG with a wrong check sum", broken_png(), "undecodable"),
    ]
}

fn broken_png() -> Vec<u8> {
    let mut file = png::rgb(&scene(83, 57));
    file[45] ^= 0x55;
    file
}

fn refused_by_name() -> Vec<Fixture> {
    let heic = heic::Heic {
        width: 640,
        height: 480,
        turns: Some(3),
        mirror: None,
        exif: Exif {
            main: vec![(0x0112, Value::Short(1)), (0x013B, Value::text("LEAK_HEIC_EXIF"))],
            ..Exif::default()
        },
        colour: heic::NCLX_P3.to_vec(),
    };
    let mut list = vec![
        refused("12 bits a sample", header_only(0xC1, 640, 480, 12, 3), "unsupported-coding"),
        refused("4.3 gigapixels in a header", header_only(0xC0, 65_500, 65_500, 8, 3), "limit-side"),
        refused("a progressive bomb", header_only(0xC2, 16_000, 16_000, 8, 3), "limit-pixels"),
        refused("longer than the limit on one side", header_only(0xC0, 65_500, 8, 8, 3), "limit-side"),
        refused("a PNG bomb", png::bomb(20_000, 20_000), "limit-side"),
        refused("a PNG bomb within the sides", png::bomb(12_000, 12_000), "limit-pixels"),
        refused("HEIC without pixels", heic.bytes(), "heic-needs-pixels").hiding(&["LEAK_HEIC_EXIF"]),
        refused("noise", noise(3, 40_000), "unsupported-format"),
        refused("PDF", b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF\n".to_vec(), "unsupported-format"),
        refused("GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "unsupported-format"),
        refused("BMP", [&b"BM"[..], &[0; 64]].concat(), "unsupported-format"),
        refused("TIFF", [&b"II*\0\x08\0\0\0"[..], &[0; 32]].concat(), "unsupported-format"),
        refused("WebP", b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0".to_vec(), "unsupported-format"),
        refused("AVIF", hidden::box_of(b"ftyp", b"avif\0\0\0\0avifmif1"), "unsupported-format"),
        refused("MP4", hidden::motion_video("LEAK_MOVIE"), "unsupported-format").hiding(&["LEAK_MOVIE"]),
        refused("ZIP", hidden::zip("LEAK_ZIP.txt", "LEAK_ZIPPED"), "unsupported-format").hiding(&["LEAK_ZIP"]),
    ];
    for sof in [0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF] {
        list.push(refused(
            &format!("process SOF{}", sof - 0xC0),
            header_only(sof, 640, 480, 8, 3),
            "unsupported-coding",
        ));
    }
    list
}

fn pngs() -> Vec<Fixture> {
    let picture = scene(83, 57);
    let reencoded = |name: &str, bytes| fixture(name, bytes, Expected::Reencoded, (83, 57));
    let person = Exif {
        main: vec![(0x0112, Value::Short(6)), (0x013B, Value::text("LEAK_PNG_EXIF"))],
        big: true,
        ..Exif::default()
    };
    let said = png::with_chunk(&png::rgb(&picture.stored(6)), b"tEXt", b"Author\0LEAK_PNG_AUTHOR");
    vec![
        reencoded("PNG", png::rgb(&picture)),
        reencoded("PNG, 16 bits", png::rgb16(&picture)),
        reencoded("PNG, alpha", png::rgba(&picture)),
        reencoded("PNG, palette", png::palette(&picture)),
        reencoded("PNG, grey", png::grey(&picture)),
        reencoded("PNG, animated: its default picture", png::animated(&picture)),
        reencoded("PNG with text and EXIF", png::with_chunk(&said, b"eXIf", &person.tiff()))
            .turned(6)
            .hiding(&["LEAK_PNG_EXIF", "LEAK_PNG_AUTHOR"]),
    ]
}

fn oriented(orientation: u8) -> Vec<u8> {
    Exif { big: orientation > 4, ..Exif::oriented(orientation.into()) }.segment()
}

fn fixture(name: &str, bytes: Vec<u8>, expected: Expected, (width, height): (usize, usize)) -> Fixture {
    Fixture { name: name.to_owned(), bytes, expected, width, height, orientation: 1, sentinels: Vec::new(), twin: None }
}

fn lossless(name: &str, bytes: Vec<u8>, size: (usize, usize)) -> Fixture {
    fixture(name, bytes, Expected::Lossless, size)
}

fn refused(name: &str, bytes: Vec<u8>, code: &'static str) -> Fixture {
    fixture(name, bytes, Expected::Refused(code), (0, 0))
}

impl Fixture {
    /// The file, or the same picture in the form that libjpeg-turbo reads.
    #[must_use]
    pub fn for_libjpeg(&self) -> &[u8] {
        self.twin.as_ref().unwrap_or(&self.bytes)
    }

    fn turned(mut self, orientation: u8) -> Self {
        self.orientation = orientation;
        self
    }

    fn hiding(mut self, texts: &[&str]) -> Self {
        self.sentinels.extend(texts.iter().map(|text| Sentinel::from(*text)));
        self
    }

    /// The place of [`exif::gps`], as the rationals that EXIF has it in.
    fn hiding_place(mut self) -> Self {
        for place in [exif::LATITUDE, exif::LONGITUDE] {
            self.sentinels.push(Sentinel::Bytes(
                place.iter().flat_map(|(n, d)| [n.to_be_bytes(), d.to_be_bytes()].concat()).collect(),
            ));
        }
        self
    }
}
