//! A folder archive: `<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`, small pictures in `thumbnails`.
//!
//! An object is there whole or not at all, survives a power cut once it is reported, and is never overwritten. Names hold
//! UIDs only. On Unix the folders are the owner's alone.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use moulage::dicom::{Head, Instance};
use moulage::photo::Preview;

use crate::failure::Failure;

const THUMBNAILS: &str = "thumbnails";
/// Pixels along the longer side of a thumbnail: sharp on a phone, about 10 kB.
const THUMBNAIL_SIDE: u32 = 360;

pub(crate) struct Archive {
    root: PathBuf,
}

/// Where an object lies.
pub(crate) struct StoredObject {
    pub(crate) study_instance_uid: String,
    pub(crate) sop_instance_uid: String,
    /// From the archive's root, with slashes.
    pub(crate) path: String,
}

/// What [`Archive::keep`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It was not there.
    New,
    /// The same bytes were there.
    Same,
    /// Other bytes were there, and still are.
    Other,
}

impl Archive {
    /// Nothing is written before the first object is stored.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Stores an object, and says where: the path from the root.
    pub(crate) fn store(&self, instance: &Instance) -> Result<PathBuf, Failure> {
        let uids = [instance.study_instance_uid(), instance.series_instance_uid(), instance.sop_instance_uid()];
        let place = place(uids).map_err(|error| Failure::unwritable("the archive", &error))?;
        store_new(&self.root.join(&place), instance.bytes())
            .map_err(|error| Failure::unwritable("the archive", &error))?;
        Ok(place)
    }

    /// Stores an object that may be there already: of this study and series, with this SOPInstanceUID.
    pub(crate) fn keep(&self, uids: [&str; 3], object: &[u8]) -> io::Result<Kept> {
        let place = place(uids)?;
        match store_new(&self.root.join(&place), object) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => return other.map(|()| Kept::New),
        }
        let path = self.root.join(place);
        if fs::read(&path)? != object {
            return Ok(Kept::Other);
        }
        // Whoever wrote it may have died before its name was on the disk.
        sync_folder(path.parent().unwrap_or(&self.root))?;
        Ok(Kept::Same)
    }

    /// Stores the picture that the contact sheet shows of an object.
    pub(crate) fn store_thumbnail(&self, sop_instance_uid: &str, preview: &Preview) -> Result<(), Failure> {
        let write = || {
            let folder = self.root.join(THUMBNAILS);
            let file = partial(make_folder(&folder)?, &jpeg(preview)?)?;
            file.persist(folder.join(format!("{sop_instance_uid}.jpg")))?;
            Ok(())
        };
        write().map_err(|error| Failure::unwritable("a thumbnail", &error))
    }

    /// Replaces a file at the root in one step: after a power cut it is the old or the new one.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let file = partial(&self.root, content)?;
        file.as_file().sync_all()?;
        file.persist(self.root.join(name))?;
        Ok(())
    }

    /// One at a time, over all processes, until the lock is dropped.
    pub(crate) fn lock(&self) -> io::Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(self.root.join(".lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// All objects, in no order.
    pub(crate) fn objects(&self) -> io::Result<Vec<StoredObject>> {
        let mut objects = Vec::new();
        for (study, path) in folders(&self.root)? {
            for (series, path) in folders(&path)? {
                for (name, _) in entries(&path, fs::FileType::is_file)? {
                    let Some(uid) = name.strip_suffix(".dcm") else { continue };
                    objects.push(StoredObject {
                        study_instance_uid: study.clone(),
                        sop_instance_uid: uid.to_owned(),
                        path: format!("{study}/{series}/{name}"),
                    });
                }
            }
        }
        Ok(objects)
    }

    /// The SOPInstanceUIDs that have a thumbnail.
    pub(crate) fn thumbnails(&self) -> io::Result<HashSet<String>> {
        let names = match entries(&self.root.join(THUMBNAILS), fs::FileType::is_file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        Ok(names.into_iter().filter_map(|(name, _)| name.strip_suffix(".jpg").map(str::to_owned)).collect())
    }

    /// Where the thumbnail lies, from the root.
    pub(crate) fn thumbnail_path(sop_instance_uid: &str) -> String {
        format!("{THUMBNAILS}/{sop_instance_uid}.jpg")
    }

    /// The beginning of an object, as far as [`Head`] looks.
    pub(crate) fn beginning(&self, object: &StoredObject) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.root.join(&object.path))?.take(Head::BYTES as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A new file, its folder made where there is none: there whole or not at all, lasting, its owner's alone.
pub(crate) fn store_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = make_folder(path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new(".")))?;
    let file = partial(folder, content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    sync_folder(folder)
}

/// Where an object lies, from the root. What is no UID names no folder.
fn place(uids: [&str; 3]) -> io::Result<PathBuf> {
    let [study, series, instance] = uids;
    let valid = uids.iter().all(|uid| is_uid(uid) && uid.starts_with(|c: char| c.is_ascii_digit()));
    valid.then(|| [study, series, &format!("{instance}.dcm")].iter().collect()).ok_or(ErrorKind::InvalidInput.into())
}

/// Folders named by a UID.
fn folders(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut folders = entries(path, fs::FileType::is_dir)?;
    folders.retain(|(name, _)| is_uid(name));
    Ok(folders)
}

fn is_uid(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn entries(path: &Path, wanted: impl Fn(&fs::FileType) -> bool) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && wanted(&entry.file_type()?)
        {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// A file that has no name yet by which anybody would find it; only its owner may read it.
fn partial(folder: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(folder)?;
    file.write_all(content)?;
    Ok(file)
}

/// Makes a folder that lasts, with all above it.
fn make_folder(folder: &Path) -> io::Result<&Path> {
    if folder.is_dir() {
        return Ok(folder);
    }
    let above = match folder.parent() {
        Some(above) if above != Path::new("") => make_folder(above)?,
        _ => Path::new("."),
    };
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // Another run was quicker, or it is no folder.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            folder.is_dir().then_some(()).ok_or(ErrorKind::NotADirectory)?;
        }
        other => other?,
    }
    sync_folder(above)?;
    Ok(folder)
}

/// A new name lasts only when its folder is on the disk, too.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A small JPEG, its sides averaged down by a whole number.
fn jpeg(preview: &Preview) -> io::Result<Vec<u8>> {
    let step = preview.width.max(preview.height).div_ceil(THUMBNAIL_SIDE).max(1) as usize;
    let (width, height) = (preview.width as usize, preview.height as usize);
    let (columns, rows) = ((width / step).max(1), (height / step).max(1));
    let mut rgb = Vec::with_capacity(3 * columns * rows);
    for y in (0..rows).map(|row| row * step) {
        for x in (0..columns).map(|column| column * step) {
            let block = || (y..(y + step).min(height)).flat_map(|y| (x..(x + step).min(width)).map(move |x| (x, y)));
            let count = block().count().max(1);
            for channel in 0..3 {
                let sum: usize = block().map(|(x, y)| usize::from(preview.rgb[3 * (y * width + x) + channel])).sum();
                rgb.push((sum / count) as u8);
            }
        }
    }
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 80);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&rgb, columns as u16, rows as u16, ColorType::Rgb).map_err(io::Error::other)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_object_is_kept_once_and_another_never_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(&folder.path().join("archive"));
        let keep = |object: &[u8]| archive.keep(["2.25.1", "2.25.2", "2.25.3"], object).unwrap();
        assert_eq!(
            [keep(b"one"), keep(b"one"), keep(b"two"), keep(b"one")],
            [Kept::New, Kept::Same, Kept::Other, Kept::Same]
        );
        for wrong in ["", ".", "..", "../x", "2.25.1/..", "/2.25", "2.25.a"] {
            assert!(archive.keep(["2.25.1", wrong, "2.25.3"], b"one").is_err(), "{wrong}");
        }
        assert_eq!(archive.objects().unwrap().len(), 1);
    }

    #[test]
    fn thumbnails_are_small_whatever_the_preview() {
        for (width, height) in [(1, 1), (1, 2000), (504, 378), (1008, 756), (2048, 3)] {
            let preview = Preview { width, height, rgb: [200, 100, 50].repeat((width * height) as usize) };
            let small = image::load_from_memory(&jpeg(&preview).unwrap()).unwrap().into_rgb8();
            assert!(small.width().max(small.height()) <= THUMBNAIL_SIDE);
            assert!(small.pixels().all(|p| p.0.iter().zip([200, 100, 50]).all(|(a, b)| a.abs_diff(b) < 8)));
        }
    }
}
