//! Other people's programs, run as processes. Without one a test is skipped, loudly; under `tests/run` it fails instead.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Can these programs be run? Says so when not.
///
/// # Panics
/// When one is missing and `MOULAGE_REQUIRE_TOOLS` is set.
#[must_use]
pub fn available(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing =
        programs.iter().find(|program| !std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    let Some(program) = missing else { return true };
    assert!(std::env::var_os("MOULAGE_REQUIRE_TOOLS").is_none(), "{program} is missing: tests/run installs it");
    skipped(&format!("{program} is missing"));
    false
}

/// `../shared` beside the checkout, or `MOULAGE_SHARED`: real photos and an independent referee. Says so when it is not there.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("MOULAGE_SHARED").map_or_else(beside, PathBuf::from);
    if folder.join("photos").is_dir() {
        return folder.canonicalize().ok();
    }
    skipped("real photos and the independent referee: no ../shared beside the checkout, no MOULAGE_SHARED");
    None
}

/// Says that something was not tested, past the test runner's capture; `tests/run` repeats it at its end.
pub fn skipped(what: &str) {
    // A write to stderr that fails has nobody left to tell.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {what}");
}

/// Runs a program with `input` on its standard input.
///
/// # Panics
/// When it cannot be started.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{program} cannot be started: {e}"));
    let mut pipe = child.stdin.take().expect("standard input is piped");
    std::thread::scope(|scope| {
        // A program may stop reading early; what it says then is in its output.
        scope.spawn(move || pipe.write_all(input).ok());
        child.wait_with_output().expect("a started program ends")
    })
}
