//! `moulage audit`: is the log of an outbox the one that was written, and what does it tell?

use std::path::PathBuf;

use clap::{Args, Subcommand};
use moulage::AuditError;
use moulage::audit::{Record, Source, dicom_message, fhir_event};
use moulage::capture::verify_audit;
use moulage::error::OutboxError;
use moulage::outbox::FileStorage;

use crate::choice::choice;
use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::file_keystore::FileKeystore;

#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Look for records that were altered, moved, put in or taken out
    Verify(VerifyArgs),
    /// Write every event for the hospital's audit repository, a line each; the patients are not named
    Export(ExportArgs),
}

#[derive(Args)]
struct VerifyArgs {
    /// The outbox's folder
    #[arg(long, value_name = "FOLDER")]
    outbox: PathBuf,
}

#[derive(Args)]
struct ExportArgs {
    /// The outbox's folder
    #[arg(long, value_name = "FOLDER")]
    outbox: PathBuf,
    /// DICOM Audit Message (XML) or FHIR R4 AuditEvent (JSON)
    #[arg(long, value_name = "FORM", value_parser = choice(FORMS))]
    form: Form,
    /// Which installation reports: AuditSourceID
    #[arg(long, value_name = "ID", default_value = "moulage")]
    source: String,
    /// The hospital: AuditEnterpriseSiteID
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    site: String,
}

#[derive(Clone, Copy)]
enum Form {
    Dicom,
    Fhir,
}

const FORMS: &[(&str, Form)] = &[("dicom", Form::Dicom), ("fhir", Form::Fhir)];

impl AuditArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        match &self.command {
            AuditCommand::Verify(args) => {
                for (chain, records) in chains(&args.outbox)?.iter().enumerate() {
                    match records {
                        Ok(records) => console.say(&format!("log {}: sound, {} records", chain + 1, records.len())),
                        Err(error) => console.fail(&format!("log {}", chain + 1), &failure(*error)),
                    }
                }
            }
            AuditCommand::Export(args) => {
                let source = Source {
                    id: &args.source,
                    enterprise_site: &args.site,
                    application: "moulage",
                    ..Source::default()
                };
                for (chain, records) in chains(&args.outbox)?.iter().enumerate() {
                    match records {
                        Ok(records) => {
                            records.iter().filter_map(|r| args.line(r, &source)).for_each(|l| console.say(&l))
                        }
                        Err(error) => console.fail(&format!("log {}", chain + 1), &failure(*error)),
                    }
                }
            }
        }
        Ok(())
    }
}

impl ExportArgs {
    fn line(&self, record: &Record, source: &Source<'_>) -> Option<String> {
        match self.form {
            Form::Dicom => dicom_message(record, source, None).map(|message| message.replace('\n', "")),
            Form::Fhir => fhir_event(record, source, None).map(|event| event.to_string()),
        }
    }
}

fn failure(error: AuditError) -> Failure {
    Failure::new(Exit::Refused, error.code(), error.to_string())
}

/// Nothing is made where nothing is.
fn chains(outbox: &std::path::Path) -> Result<Vec<Result<Vec<Record>, AuditError>>, Failure> {
    let keystore = FileKeystore::beside(outbox);
    if !outbox.join("audit").is_dir() || !keystore.is_file() {
        return Err(Failure::usage("no-outbox", "there is no outbox with its key store beside it"));
    }
    let storage = FileStorage::new(outbox).map_err(OutboxError::from)?;
    Ok(verify_audit(&storage, &FileKeystore::open(&keystore)?).map_err(OutboxError::from)?)
}
