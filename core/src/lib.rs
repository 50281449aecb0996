//! A phone photo goes in; one correct, clean, upright DICOM object comes out, waits sealed, and is stored exactly once.
//!
//! ```text
//! camera file --> photo::prepare --> PreparedPhoto + ScrubReport
//!                                        |
//!   Patient + Encounter --> Session --capture(photo, View)--> Instance: checked DICOM Part 10 bytes
//!                                        |
//!           Outbox::add: sealed, durable = captured --Uploader--> asked for, confirmed, erased = stored
//! ```
//!
//! [`capture::Session`] is the only way to an object: no photo becomes DICOM without a patient and an encounter.
//! [`capture::Custody`] holds session, [`outbox::Outbox`] and audit log together.
#![forbid(unsafe_code)]

pub mod audit;
pub mod capture;
pub mod clock;
pub mod dicom;
pub mod error;
pub mod outbox;
pub mod patient;
pub mod photo;
pub mod seal;
pub mod upload;

pub use capture::{Device, Session, View};
pub use error::{AuditError, CaptureError, DicomError, OutboxError, PatientError, PhotoError, SealError, UploadError};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
