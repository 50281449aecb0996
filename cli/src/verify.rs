//! `moulage verify`: is an object clean and correct?

use std::io;
use std::path::PathBuf;

use clap::Args;
use moulage::dicom::{self, Checked, Finding, TransferSyntax};
use serde_json::json;

use crate::console::{Console, Names};
use crate::failure::{Exit, Failure};
use crate::input;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// DICOM Part 10 files
    #[arg(value_name = "FILE.dcm", required = true)]
    files: Vec<PathBuf>,
    /// One JSON object a file on stdout, a line each
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        let names = Names::new("file", &self.files);
        for (index, path) in self.files.iter().enumerate() {
            let name = names.name(index, &io::stdout());
            match input::object(path).map(|bytes| dicom::check(&bytes)) {
                Ok(Ok(clean)) if self.json => console.say_json(&clean_json(index, clean)),
                Ok(Ok(clean)) => console.say(&format!("{name}: clean, {}", clean.sop_class.key())),
                Ok(Err(findings)) => {
                    if self.json {
                        let line = json!({ "file": index + 1, "outcome": "not-clean", "findings": findings });
                        console.say_json(&line);
                    } else {
                        console.say(&format!("{name}: not clean{}", list(&findings)));
                    }
                    console.note(Exit::Refused);
                }
                Err(failure) => {
                    if self.json {
                        let line = json!({ "file": index + 1, "outcome": "unreadable", "error": failure.json() });
                        console.say_json(&line);
                    }
                    console.fail(&names.name(index, &io::stderr()), &failure);
                }
            }
        }
        Ok(())
    }
}

fn clean_json(index: usize, clean: Checked) -> serde_json::Value {
    let transfer_syntax = match clean.transfer_syntax {
        TransferSyntax::JpegBaseline => "jpeg",
        TransferSyntax::ExplicitVrLittleEndian => "explicit",
    };
    json!({
        "file": index + 1,
        "outcome": "clean",
        "sop_class": clean.sop_class.key(),
        "transfer_syntax": transfer_syntax,
        "frames": clean.frames,
        "rows": clean.rows,
        "columns": clean.columns,
    })
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|f| format!("\n  {}: {} [{}]", f.keyword, f.rule, f.code)).collect()
}
