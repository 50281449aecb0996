//! Two streams: results on stdout, trouble on stderr.
//!
//! Names of files may hold a patient's name, so they are shown on a terminal only. What is piped into a log or a program
//! carries the number of the argument.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

use serde_json::Value;

use crate::failure::{Exit, Failure};

/// Where everything is printed.
pub(crate) struct Console {
    out: io::StdoutLock<'static>,
    worst: Exit,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self { out: io::stdout().lock(), worst: Exit::Done }
    }

    /// One or several lines of result.
    pub(crate) fn say(&mut self, text: &str) {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        // Whoever closed the pipe wants no more; the photos are captured all the same.
        if written.and_then(|()| self.out.flush()).is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
            self.note(Exit::Trouble);
        }
    }

    /// One JSON object, one line.
    pub(crate) fn say_json(&mut self, value: &Value) {
        self.say(&value.to_string());
    }

    /// Tells of a failure, and remembers it for the exit code.
    pub(crate) fn fail(&mut self, subject: &str, failure: &Failure) {
        complain(&format!("{subject}{failure}"));
        self.note(failure.exit);
    }

    /// Remembers the worst that happened.
    pub(crate) fn note(&mut self, exit: Exit) {
        self.worst = self.worst.max(exit);
    }

    pub(crate) fn exit(self) -> Exit {
        self.worst
    }
}

/// A line on stderr; nobody can be told when that fails.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "moulage: {text}");
}

/// `photo 2 of 3`, with its name on a terminal.
pub(crate) fn numbered(kind: &str, index: usize, count: usize, path: &Path, on: &impl IsTerminal) -> String {
    let number = format!("{kind} {} of {count}", index + 1);
    if on.is_terminal() { format!("{number} ({})", shown(path)) } else { number }
}

/// A path for a terminal: what would steer it is replaced.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string().chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
