//! `moulage sites`: the keys that `--site` takes.

use clap::Args;
use moulage::patient::SiteList;
use serde_json::json;

use crate::console::Console;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct SitesArgs {
    /// One JSON object a site, a line each
    #[arg(long)]
    json: bool,
}

impl SitesArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        let sites = SiteList::standard();
        let width = sites.iter().map(|site| site.key().len()).max().unwrap_or_default();
        let mut group = "";
        for site in sites.iter() {
            // Right or left of a site that is not one of a pair shows one half of it.
            let sides = if site.is_paired() { ["R", "L", "B"] } else { ["U", "R", "L"] };
            if self.json {
                let (key, meaning, group) = (site.key(), site.meaning(), site.group());
                console.say_json(&json!({ "key": key, "meaning": meaning, "group": group, "laterality": sides }));
                continue;
            }
            if group != site.group() {
                group = site.group();
                console.say(group);
            }
            console.say(&format!("  {:width$}  {}  {}", site.key(), sides.join(" "), site.meaning()));
        }
        Ok(())
    }
}
