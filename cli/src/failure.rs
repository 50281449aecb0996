//! What went wrong, in words and codes that hold no patient data and no names of files.

use std::fmt;
use std::io::{self, ErrorKind};

use moulage::{CaptureError, DicomError, PatientError, PhotoError};
use serde_json::{Value, json};

/// How the command ends; the worst wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All done.
    Done = 0,
    /// Wrong usage, patient, encounter or site: nothing was done.
    Usage = 2,
    /// Some photo was refused, or some object is not clean.
    Refused = 3,
    /// The archive or another output cannot be written.
    Trouble = 4,
}

/// One failure.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A stable word for programs.
    pub(crate) code: &'static str,
    text: String,
    help: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, text: impl Into<String>) -> Self {
        Self { exit, code, text: text.into(), help: None }
    }

    pub(crate) fn usage(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, text)
    }

    /// With a line that says what to do.
    pub(crate) fn help(self, help: &'static str) -> Self {
        Self { help: Some(help), ..self }
    }

    /// The archive, or a file of ours, cannot be written.
    pub(crate) fn unwritable(what: &'static str, error: &io::Error) -> Self {
        let (code, why) = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => ("archive-denied", "no permission"),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ("archive-full", "no space left"),
            ErrorKind::NotADirectory => ("archive-not-a-folder", "not a folder"),
            ErrorKind::AlreadyExists => ("archive-exists", "something of that name is there"),
            _ => ("archive-unwritable", "the system refused"),
        };
        Self::new(Exit::Trouble, code, format!("{what} cannot be written: {why}"))
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "code": self.code, "text": self.text })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.text, self.code)?;
        self.help.map_or(Ok(()), |help| write!(f, "\n  {help}"))
    }
}

impl From<PhotoError> for Failure {
    fn from(error: PhotoError) -> Self {
        Self::new(Exit::Refused, error.code(), error.to_string())
    }
}

impl From<PatientError> for Failure {
    fn from(error: PatientError) -> Self {
        Self::usage(error.code(), error.to_string())
    }
}

impl From<DicomError> for Failure {
    fn from(error: DicomError) -> Self {
        Self::new(Exit::Refused, error.code(), error.to_string())
    }
}

impl From<CaptureError> for Failure {
    fn from(error: CaptureError) -> Self {
        match error {
            CaptureError::Photo(error) => error.into(),
            CaptureError::Patient(error) => error.into(),
            CaptureError::Dicom(error) => error.into(),
            CaptureError::Outbox(_) | CaptureError::Randomness(_) => {
                Self::new(Exit::Trouble, error.code(), error.to_string())
            }
        }
    }
}
