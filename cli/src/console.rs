//! Results on stdout, trouble on stderr.
//!
//! The name of a file may hold a patient's name, so it is shown on a terminal only. What is piped into a log or a program
//! carries the number of the argument instead.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::failure::{Exit, Failure};

/// Where everything is printed, and the worst that happened so far.
pub(crate) struct Console {
    out: io::Stdout,
    worst: Exit,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self { out: io::stdout(), worst: Exit::Done }
    }

    /// One or several lines of result.
    pub(crate) fn say(&mut self, text: &str) {
        let written = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        // Whoever closed the pipe wants no more; the photos are captured all the same.
        if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
            self.note(Exit::Trouble);
        }
    }

    /// One JSON object, one line.
    pub(crate) fn say_json(&mut self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(line) => self.say(&line),
            Err(_) => self.note(Exit::Trouble),
        }
    }

    /// Tells of a failure, and remembers it for the exit code.
    pub(crate) fn fail(&mut self, subject: &str, failure: &Failure) {
        let separator = if subject.is_empty() { "" } else { ": " };
        complain(&format!("{subject}{separator}{failure}"));
        self.note(failure.exit);
    }

    /// Remembers the worst that happened.
    pub(crate) fn note(&mut self, exit: Exit) {
        self.worst = self.worst.max(exit);
    }

    pub(crate) fn exit(&self) -> Exit {
        self.worst
    }
}

/// A line on stderr; nobody can be told when that fails.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "moulage: {text}");
}

/// Files given as arguments, to be named on one of the streams.
pub(crate) struct Names<'a> {
    kind: &'static str,
    paths: &'a [PathBuf],
}

impl<'a> Names<'a> {
    pub(crate) fn new(kind: &'static str, paths: &'a [PathBuf]) -> Self {
        Self { kind, paths }
    }

    /// `photo 2 of 3`, and on a terminal the name.
    pub(crate) fn name(&self, index: usize, on: &impl IsTerminal) -> String {
        let number = format!("{} {} of {}", self.kind, index + 1, self.paths.len());
        match self.paths.get(index) {
            Some(path) if on.is_terminal() => format!("{number} ({})", shown(path)),
            _ => number,
        }
    }
}

/// A path for a terminal: what would steer it is replaced.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string().chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
