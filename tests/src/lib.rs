//! Made photographs with known contents, and other people's programs as oracles, for the tests of all stages.

pub mod answers;
pub mod authority;
pub mod cutting_proxy;
pub mod desktop;
pub mod dicomweb;
pub mod exif;
pub mod fault_server;
pub mod fixtures;
pub mod heic;
pub mod hidden;
pub mod icc;
pub mod jpeg;
pub mod leaks;
pub mod oracle;
pub mod orthanc;
pub mod phone;
pub mod png;
pub mod programs;
pub mod random;
pub mod scene;
pub mod session;
pub mod stream;
pub mod ward;

pub use fixtures::{Expected, Fixture, fixtures};
