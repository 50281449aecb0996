//! `moulage unseal`: what devices sealed, opened with the institution's key.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use moulage::seal::{InstitutionKey, TrustedSigners, Unsealed, unseal};
use serde_json::json;

use crate::archive::store_new;
use crate::console::{Console, Names};
use crate::failure::{Exit, Failure};
use crate::input;

#[derive(Args)]
pub(crate) struct UnsealArgs {
    /// Sealed items
    #[arg(value_name = "ITEM.cms", required = true)]
    items: Vec<PathBuf>,
    /// Private key of the institution, PKCS#8; only its owner may read it
    #[arg(long, value_name = "FILE.key")]
    key: PathBuf,
    /// Its certificate
    #[arg(long, value_name = "FILE.crt")]
    certificate: PathBuf,
    /// Certificates of the devices that are trusted, or of who issued theirs, in PEM; an item by none of them is refused
    #[arg(long, value_name = "FILE.crt")]
    signers: Option<PathBuf>,
    /// Where the objects go, each under the name of its item; none that is there is replaced
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// One JSON object an item on stdout, a line each
    #[arg(long)]
    json: bool,
}

impl UnsealArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        let certificate = input::credential(&self.certificate, false)?;
        let key = InstitutionKey::from_pem(&input::credential(&self.key, true)?, &certificate)?;
        let signers = self.signers.as_ref().map(|path| {
            let certificates = input::credential(path, false)?;
            TrustedSigners::from_pem(&certificates).map_err(Failure::from)
        });
        let signers = signers.transpose()?;
        let names = Names::new("item", &self.items);
        for (index, path) in self.items.iter().enumerate() {
            let unsealed = input::sealed_item(path).and_then(|item| Ok(unseal(&item, &key, signers.as_ref())?));
            match unsealed.and_then(|unsealed| self.store(path, unsealed)) {
                Ok(signed_by) if self.json => {
                    console.say_json(&json!({ "item": index + 1, "outcome": "unsealed", "signed_by": signed_by }));
                }
                Ok(signed_by) => {
                    let by = signed_by.map_or_else(|| "not signed".into(), |signer| format!("signed by {signer}"));
                    console.say(&format!("{}: unsealed, {by}", names.name(index, &io::stdout())));
                }
                Err(failure) => {
                    let outcome = if failure.exit == Exit::Trouble { "failed" } else { "refused" };
                    if self.json {
                        console.say_json(&json!({ "item": index + 1, "outcome": outcome, "error": failure.json() }));
                    }
                    console.fail(&format!("{}: {outcome}", names.name(index, &io::stderr())), &failure);
                }
            }
        }
        Ok(())
    }

    /// Says whose signature it bears: SHA-256 of the certificate.
    fn store(&self, item: &Path, unsealed: Unsealed) -> Result<Option<String>, Failure> {
        let name = item.with_extension("dcm");
        let name = name.file_name().ok_or_else(|| Failure::new(Exit::Refused, "not-a-file", "not a regular file"))?;
        let stored = store_new(&self.out.join(name), &unsealed.object);
        stored.map_err(|error| Failure::unwritable("the object", &error))?;
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(unsealed.signed_by.map(|signer| hex(signer.fingerprint)))
    }
}
