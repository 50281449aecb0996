//! What the tests of the command share: running it, and made photos.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use serde_json::Value;

/// Whole MCUs of 4:2:0.
pub(crate) const WIDTH: usize = 96;
pub(crate) const HEIGHT: usize = 64;

/// A place for one test: photos go in, `archive` comes out.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.path("archive")
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file in a temporary folder");
        path
    }

    /// The command, in the folder.
    pub(crate) fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moulage"));
        command.args(args).current_dir(self.folder.path()).env("TZ", "Etc/GMT-1").stdin(Stdio::null());
        command
    }

    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Ran {
        let Output { status, stdout, stderr } = self.command(args).output().expect("the command starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let ran = Ran { code: status.code().expect("an exit code"), out: text(stdout), err: text(stderr) };
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }

    /// `capture` of these photos into `archive`, with a patient and a site unless `args` names them.
    pub(crate) fn capture(&self, photos: &[&str], args: &[&str]) -> Ran {
        self.run(capture_args(photos, args))
    }

    /// All objects of the archive.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        let mut objects = files(&self.archive());
        objects.retain(|path| path.extension().is_some_and(|extension| extension == "dcm"));
        objects
    }
}

pub(crate) fn capture_args<'a>(photos: &[&'a str], args: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["capture", "--out", "archive"];
    if !args.iter().any(|arg| arg.starts_with("--patient")) {
        all.extend(["--patient-id", "TEST-1", "--issuer", "DEMO"]);
    }
    if !args.contains(&"--site") {
        all.extend(["--site", "heel", "--laterality", "L"]);
    }
    all.extend(args);
    all.extend(photos);
    all
}

impl Ran {
    /// Every line of stdout, each an object.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON");
        let lines: Vec<_> = self.out.lines().map(parse).collect();
        assert!(lines.iter().all(Value::is_object));
        lines
    }
}

/// Every file below, folders not.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A baseline JPEG of 4:2:0, sRGB by JFIF.
pub(crate) fn jpeg() -> Vec<u8> {
    jpeg_of(WIDTH, HEIGHT, false, &[])
}

pub(crate) fn jpeg_of(width: usize, height: usize, progressive: bool, app1: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_progressive(progressive);
    for segment in app1 {
        encoder.add_app_segment(1, segment.to_vec()).expect("a segment that fits");
    }
    encoder.encode(&rgb(width, height), width as u16, height as u16, ColorType::Rgb).expect("a picture that fits");
    file
}

/// Another colour at every corner.
pub(crate) fn rgb(width: usize, height: usize) -> Vec<u8> {
    let pixel = |i: usize| {
        let (x, y) = (i % width, i / width);
        [(255 * x / width) as u8, (255 * y / height) as u8, 128 ^ ((x / 8 + y / 8) % 2 * 40) as u8]
    };
    (0..width * height).flat_map(pixel).collect()
}

/// An EXIF segment with nothing but an orientation.
pub(crate) fn orientation(value: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([value, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let picture =
        image::RgbImage::from_raw(width, height, rgb(width as usize, height as usize)).expect("its size fits");
    picture.write_to(&mut file, image::ImageFormat::Png).expect("memory takes it");
    file.into_inner()
}

/// A HEIC of one picture that nobody can decode: its boxes say how large it is and how many quarter turns it needs.
pub(crate) fn heic(width: u32, height: u32, quarter_turns: u8) -> Vec<u8> {
    let boxed = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes(), &kind[..], body].concat();
    let full = |kind: &[u8; 4], version: u8, body: &[u8]| boxed(kind, &[&[version, 0, 0, 0], body].concat());
    let item = full(b"infe", 2, b"\0\x01\0\0hvc1\0");
    let size = full(b"ispe", 0, &[width.to_be_bytes(), height.to_be_bytes()].concat());
    let properties = boxed(b"ipco", &[size, boxed(b"irot", &[quarter_turns])].concat());
    let of_the_item = full(b"ipma", 0, b"\0\0\0\x01\0\x01\x02\x01\x82");
    let place = full(b"iloc", 1, b"\x44\0\0\x01\0\x01\0\x01\0\0\0\x01\0\0\0\0\0\0\0\x08");
    let meta = [
        full(b"hdlr", 0, b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        full(b"pitm", 0, b"\0\x01"),
        full(b"iinf", 0, &[&b"\0\x01"[..], &item].concat()),
        boxed(b"iprp", &[properties, of_the_item].concat()),
        boxed(b"idat", &[0; 8]),
        place,
    ];
    [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), full(b"meta", 0, &meta.concat())].concat()
}

/// Where the frame header's marker is.
pub(crate) fn frame_at(jpeg: &[u8]) -> usize {
    jpeg.windows(2).position(|pair| matches!(pair, [0xFF, 0xC0..=0xC2])).expect("a frame header")
}

/// Root may do everything: what depends on permissions cannot be tried.
pub(crate) fn is_root() -> bool {
    let probe = tempfile::tempdir().expect("a temporary folder");
    let path = probe.path().join("probe");
    std::fs::write(&path, b"1").expect("a file in it");
    let mut permissions = std::fs::metadata(&path).expect("it is there").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).expect("it is ours");
    std::fs::OpenOptions::new().write(true).open(&path).is_ok()
}

/// Says loudly that something is not tried here.
pub(crate) fn skip(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// The first of the programs that is there; where tools are demanded, their lack is a failure.
pub(crate) fn tool(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|p| p.is_file());
    if found.is_none() {
        assert!(std::env::var("MOULAGE_REQUIRE_TOOLS").as_deref() != Ok("1"), "{} is required", names[0]);
        skip(&format!("{} is not installed", names[0]));
    }
    found
}
