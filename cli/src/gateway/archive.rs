//! Where objects go: a folder of our own, or an archive that speaks DICOMweb.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::head_shim::Head;
use super::room::Turns;
use crate::archive::{self, Kept};
use crate::failure::Failure;

#[derive(Args)]
#[group(multiple = false)]
pub(super) struct ArchiveArgs {
    /// Keep the objects in a folder archive, as `moulage capture --out` makes it
    #[arg(long, value_name = "FOLDER", default_value = "archive")]
    archive_folder: PathBuf,
}

pub(super) enum Archive {
    Folder(Arc<archive::Archive>),
}

impl Archive {
    pub(super) fn open(args: &ArchiveArgs) -> Result<Self, Failure> {
        Ok(Self::Folder(Arc::new(archive::Archive::new(&args.archive_folder))))
    }

    /// `Ok`: the archive holds the object, durably. One that it holds already is not stored again.
    pub(super) async fn store(&self, object: Zeroizing<Vec<u8>>, turns: &Turns) -> Result<(), Answer> {
        let head = Head::read(&object).map_err(|_| Answer::NotDicom)?;
        let _turn = turns.of(&head.sop_instance_uid).await;
        match self {
            Self::Folder(folder) => {
                let folder = Arc::clone(folder);
                let kept = spawn_blocking(move || {
                    folder.keep([&head.study_instance_uid, &head.series_instance_uid, &head.sop_instance_uid], &object)
                })
                .await
                .map_err(|_| Answer::Internal)?;
                match kept {
                    Ok(Kept::New | Kept::Same) => Ok(()),
                    Ok(Kept::Other) => Err(Answer::Conflict),
                    Err(_) => Err(Answer::ArchiveUnavailable),
                }
            }
        }
    }
}
