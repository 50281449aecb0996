//! The command `moulage`.
#![forbid(unsafe_code)]

mod archive;
mod audit;
mod capture;
mod choice;
mod clock;
mod console;
mod contact_sheet;
mod custody;
mod failure;
mod file_keystore;
mod gateway;
mod input;
mod inspect;
mod keys;
mod linkage;
mod object;
mod outbox;
mod picture;
mod report;
mod sample;
mod sites;
mod store;
mod unseal;
mod verify;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

use console::{Console, complain};
use failure::{Exit, Failure};

/// Phone photos of skin and wounds in, clean and upright DICOM objects out
#[derive(Parser)]
#[command(name = "moulage", version, after_help = ENDINGS, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const ENDINGS: &str = "\
Exit status:
  0  all done: every photo captured, every object clean
  2  wrong usage, key, patient, encounter or site: nothing was done
  3  some photo or item was refused, waits still, or some object is not clean; what could be done was done
  4  the archive, the outbox or the output could not be written

Errors end with a [code] for programs, and hold neither patient data nor names of files: photos and objects are counted
from 1 in the order they were given. On a terminal their names are shown, too.";

const CAPTURE_USAGE: &str = "\
moulage capture [OPTIONS] <--out|--outbox> <FOLDER> --site <KEY> [--laterality <SIDE>] --patient <FILE> <PHOTO>...
       moulage capture [OPTIONS] <--out|--outbox> <FOLDER> --site <KEY> [--laterality <SIDE>] --patient-id <ID> --issuer <NAME> <PHOTO>...";

#[derive(Subcommand)]
enum Command {
    /// Turn photos into DICOM objects, in a folder archive or sealed in an outbox
    #[command(override_usage = CAPTURE_USAGE)]
    Capture(Box<capture::CaptureArgs>),
    /// Show what is in photos, and what would become of them
    Inspect(inspect::InspectArgs),
    /// Check that objects are clean and correct
    Verify(verify::VerifyArgs),
    /// Store what an outbox holds in an archive, or through the institution's gateway
    Store(Box<store::StoreArgs>),
    /// List, retry, remove or export what waits in an outbox
    Outbox(outbox::OutboxArgs),
    /// Verify or export the audit log of an outbox
    Audit(audit::AuditArgs),
    /// Open sealed items with the institution's key
    Unseal(unseal::UnsealArgs),
    /// Make keys and certificates to test with
    Keys(keys::KeysArgs),
    /// Receive sealed items, and store what is in them: the hospital's side
    Gateway(Box<gateway::GatewayArgs>),
    /// List the body sites
    Sites(sites::SitesArgs),
    /// Write a made photo to try the command with, full of what phones hide in theirs
    Sample(sample::SampleArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let mut console = Console::new();
    let outcome = match &cli.command {
        Command::Capture(args) => args.run(&mut console),
        Command::Inspect(args) => args.run(&mut console),
        Command::Verify(args) => args.run(&mut console),
        Command::Store(args) => args.run(&mut console),
        Command::Outbox(args) => args.run(&mut console),
        Command::Audit(args) => args.run(&mut console),
        Command::Unseal(args) => args.run(&mut console),
        Command::Keys(args) => args.run(&mut console),
        Command::Gateway(args) => args.run(&mut console),
        Command::Sites(args) => args.run(&mut console),
        Command::Sample(args) => args.run(&mut console),
    };
    if let Err(failure) = outcome {
        console.fail("", &failure);
    }
    ExitCode::from(console.exit() as u8)
}

/// Help goes to stdout. An error says which argument is wrong and what it takes, never what was typed: it may be a name.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let mut console = Console::new();
        console.say(error.render().to_string().trim_end());
        return ExitCode::from(console.exit() as u8);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        complain(&format!("a subcommand is missing [usage]\n{}", error.render()));
        return ExitCode::from(Exit::Usage as u8);
    }
    let mut text = error.kind().as_str().unwrap_or("the arguments are wrong").to_owned();
    let typed = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand);
    let mut tell = |lead: &str, kind| match error.get(kind) {
        Some(ContextValue::String(word)) => text += &format!("{lead}{word}"),
        Some(ContextValue::Strings(words)) if !words.is_empty() => text += &format!("{lead}{}", words.join(", ")),
        _ => {}
    };
    if !typed {
        tell(": ", ContextKind::InvalidArg);
        tell("; not together with ", ContextKind::PriorArg);
    }
    tell("; it takes ", ContextKind::ValidValue);
    tell("; perhaps ", ContextKind::SuggestedArg);
    tell("; perhaps ", ContextKind::SuggestedSubcommand);
    complain(&Failure::usage("usage", text).help("`moulage help` and `moulage help capture` tell more").to_string());
    ExitCode::from(Exit::Usage as u8)
}
