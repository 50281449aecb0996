//! A phone photo goes in; one correct, clean, upright DICOM object comes out.
//!
//! ```text
//! camera file --> photo::prepare --> PreparedPhoto + ScrubReport
//!                                        |
//!   Patient + Encounter --> Session --capture(photo, View)--> Instance: checked DICOM Part 10 bytes
//! ```
//!
//! [`capture::Session`] is the only way to an object: no photo becomes DICOM without a patient and an encounter.
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
pub use error::{AuditError, CaptureError, DicomError, PatientError, PhotoError};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
