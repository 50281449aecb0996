//! `moulage outbox`: what waits, and what a person decides about it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use moulage::capture::Custody;
use moulage::outbox::{Item, ItemId, State};
use serde_json::json;

use crate::console::Console;
use crate::custody;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct OutboxArgs {
    #[command(subcommand)]
    command: OutboxCommand,
}

#[derive(Subcommand)]
enum OutboxCommand {
    /// List what waits, the oldest first
    List(ListArgs),
    /// Record that items are to be tried again; `moulage store` tries everything anew each time it is started
    Retry(ItemsArgs),
    /// Erase items that no archive has confirmed
    Remove(RemoveArgs),
    /// Copy items as they are sealed; `moulage unseal` or openssl opens the copies with the institution's key
    Export(ExportArgs),
}

/// Which outbox.
#[derive(Args)]
pub(crate) struct Place {
    /// The outbox's folder
    #[arg(long = "outbox", value_name = "FOLDER")]
    folder: PathBuf,
    /// Its key store; without it, the one that lies beside the outbox
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// One JSON object a line on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ItemsArgs {
    #[command(flatten)]
    place: Place,
    /// Names, as `moulage outbox list` tells them
    #[arg(value_name = "ITEM", required = true)]
    items: Vec<String>,
}

#[derive(Args)]
struct RemoveArgs {
    #[command(flatten)]
    of: ItemsArgs,
    /// The photo is gone then
    #[arg(long, required = true)]
    for_good: bool,
}

#[derive(Args)]
struct ExportArgs {
    #[command(flatten)]
    of: ItemsArgs,
    /// Where to; nothing is overwritten
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

impl Place {
    /// Nothing is made where nothing is. What is sealed anew is sealed to those certificates, too.
    pub(crate) fn open(&self, recipients: &[PathBuf]) -> Result<Custody, Failure> {
        if !self.folder.join("items").is_dir() {
            return Err(Failure::usage("no-outbox", "there is no outbox"));
        }
        custody::open(&self.folder, self.keystore.as_deref(), recipients)
    }
}

impl OutboxArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        match &self.command {
            OutboxCommand::List(args) => {
                for item in args.place.open(&[])?.outbox().items()? {
                    say(console, &item, args.json);
                }
                Ok(())
            }
            OutboxCommand::Retry(args) => {
                args.each(console, "due again", |custody, id| Ok(custody.outbox().retry(id)?))
            }
            OutboxCommand::Remove(args) => {
                args.of.each(console, "removed", |custody, id| Ok(custody.outbox().remove(id)?))
            }
            OutboxCommand::Export(args) => args.of.each(console, "exported", |custody, id| {
                let sealed = custody.outbox().export(id)?;
                let write = || {
                    fs::create_dir_all(&args.to)?;
                    let mut file = tempfile::NamedTempFile::new_in(&args.to)?;
                    file.write_all(&sealed)?;
                    file.as_file().sync_all()?;
                    file.persist_noclobber(args.to.join(format!("{id}.cms")))?;
                    Ok(())
                };
                write().map_err(|error| Failure::unwritable("the copy", &error))
            }),
        }
    }
}

impl ItemsArgs {
    /// All names are read before anything is done.
    fn each(
        &self,
        console: &mut Console,
        done: &str,
        act: impl Fn(&Custody, &ItemId) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let parse =
            |text: &String| ItemId::parse(text).ok_or_else(|| Failure::usage("item", "not the name of an item"));
        let ids = self.items.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let custody = self.place.open(&[])?;
        for id in ids {
            match act(&custody, &id) {
                Ok(()) => console.say(&format!("{id}: {done}")),
                Err(failure) => console.fail(&id.to_string(), &failure),
            }
        }
        Ok(())
    }
}

/// An item that waits, in a line.
pub(crate) fn say(console: &mut Console, item: &Item, json: bool) {
    let reason = match item.state {
        State::Blocked(block) => Some(block.code()),
        State::Poison(reason) => Some(reason.code()),
        _ => None,
    };
    let state = item.state.code();
    if json {
        return console.say_json(&json!({
            "item": item.id.to_string(),
            "outcome": "waits",
            "state": state,
            "reason": reason,
            "bytes": item.bytes,
            "attempts": item.attempts,
            "due_in_seconds": item.due_in.map(|due| due.as_secs()),
            "sealed_only": item.sealed_only,
        }));
    }
    let why = reason.map_or(String::new(), |reason| format!(" ({reason})"));
    let only = if item.sealed_only { ", only the institution can open it" } else { "" };
    console.say(&format!("{}: {state}{why}, {} bytes, offered {} times{only}", item.id, item.bytes, item.attempts));
}
