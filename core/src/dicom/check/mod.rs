//! Is an object clean and correct? Read by a reader of its own, not by the one that wrote it, and never trusted.
//!
//! [`check`] looks at what this library writes and holds any file to it: the four image IODs, in Explicit VR Little Endian or
//! JPEG Baseline (or Extended, 8 bit), with a character set of ISO_IR 192 and UIDs of the form 2.25. It knows Type 1 and 2 of
//! these IODs (`iods.tsv`), their conditions, the code stream marker by marker and symbol by symbol, and the marks that camera
//! metadata leave in a file. Of a de-identified object it sees whether the method is told, not whether the profile was kept.

mod attributes;
mod codes;
mod icc;
mod iod;
mod jpeg;
mod leaks;
mod picture;
mod scan;

use super::dataset::{Dataset, File};
use super::{SopClass, TransferSyntax};
use crate::error::DicomError;
use dicom_dictionary_std::tags;

/// Larger files are not checked, and need not be read: 1 GiB.
pub const MAX_FILE_BYTES: usize = 1 << 30;

/// One thing that is wrong. Holds no value of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// DICOM keyword of the attribute; `File` for the file as a whole.
    pub keyword: &'static str,
    /// What is wrong with it.
    pub rule: &'static str,
    /// A stable word for programs, for example `icc-class`.
    pub code: &'static str,
}

impl From<Finding> for DicomError {
    fn from(finding: Finding) -> Self {
        Self::Broken { keyword: finding.keyword, rule: finding.rule }
    }
}

/// What a clean object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Its class.
    pub sop_class: SopClass,
    /// Whether its pixels are stored decoded or as JPEG.
    pub transfer_syntax: TransferSyntax,
    /// Pictures in it.
    pub frames: u32,
    /// Pixels down.
    pub rows: u16,
    /// Pixels across.
    pub columns: u16,
}

/// Checks a Part 10 file: all that is wrong with it, each once.
///
/// Time and memory are linear in the file's length, whatever it holds.
///
/// # Errors
/// The findings, in the order of the checks.
pub fn check(bytes: &[u8]) -> Result<Checked, Vec<Finding>> {
    inspect(bytes, Scans::Decode)
}

/// The check that every object of ours passes before it leaves: [`check`], without decoding the symbols of the scans once more
/// (two thirds of its time). `photo::prepare` counted the blocks of the same bytes.
pub(super) fn own(bytes: &[u8]) -> Result<(), DicomError> {
    match inspect(bytes, Scans::Skip) {
        Ok(_) => Ok(()),
        Err(findings) => Err(findings.first().map_or(DicomError::Unreadable, |finding| (*finding).into())),
    }
}

/// Whether entropy-coded data is decoded, or only searched for markers.
#[derive(Clone, Copy, PartialEq)]
enum Scans {
    Decode,
    Skip,
}

/// An object while it is checked.
struct Object<'a> {
    class: SopClass,
    /// The pixels are a JPEG stream.
    encapsulated: bool,
    transfer_syntax: &'a str,
    scans: Scans,
    data: Dataset<'a>,
}

/// All findings so far, each once: their number is bounded by the number of rules.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, code: &'static str, keyword: &'static str, rule: &'static str) {
        let finding = Finding { keyword, rule, code };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }
}

fn inspect(bytes: &[u8], scans: Scans) -> Result<Checked, Vec<Finding>> {
    let mut findings = Findings::default();
    let checked = if bytes.len() > MAX_FILE_BYTES {
        findings.add("file", "File", "is larger than 1 GiB");
        None
    } else {
        let checked = inspect_object(bytes, scans, &mut findings);
        // Of a file that cannot be read nobody knows how many pictures belong into it.
        leaks::check(bytes, checked.as_ref().map_or(u32::MAX, |(_, streams)| *streams), &mut findings);
        checked
    };
    match checked {
        Some((checked, _)) if findings.0.is_empty() => Ok(checked),
        _ => Err(findings.0),
    }
}

/// What the object is, and how many JPEG streams belong into it.
fn inspect_object(bytes: &[u8], scans: Scans, findings: &mut Findings) -> Option<(Checked, u32)> {
    let file = File::read(bytes).map_err(|reason| findings.add("file", "File", reason)).ok()?;
    iod::check_meta(&file, findings);
    let Some(class) = SopClass::from_uid(file.data.text(tags::SOP_CLASS_UID)) else {
        findings.add("sop-class", "SOPClassUID", "is none of the four image classes");
        return None;
    };
    let encapsulated = file.transfer_syntax != TransferSyntax::ExplicitVrLittleEndian.uid();
    let object = Object { class, encapsulated, transfer_syntax: file.transfer_syntax, scans, data: file.data };
    iod::check(&object, findings);
    attributes::check(&object, findings);
    codes::check(&object, findings);
    picture::check(&object, findings);
    icc::check(&object, findings);
    let frames = picture::frames(&object.data);
    let [rows, columns] = [tags::ROWS, tags::COLUMNS].map(|tag| object.data.short(tag).unwrap_or_default());
    let transfer_syntax =
        if encapsulated { TransferSyntax::JpegBaseline } else { TransferSyntax::ExplicitVrLittleEndian };
    let checked = Checked { sop_class: class, transfer_syntax, frames, rows, columns };
    Some((checked, if encapsulated { frames } else { 0 }))
}
