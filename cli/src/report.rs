//! A report as people read it: a line for `capture`, a table for `inspect`.

use std::fmt::Write;

use moulage::photo::{Outcome, ScrubReport};
use serde_json::{Map, Value};

/// What comes first in a table; everything else follows by its name.
const FIRST: [&str; 13] = [
    "outcome",
    "lossless",
    "upright",
    "position",
    "other_pictures",
    "notes",
    "format",
    "source",
    "orientation",
    "part",
    "class",
    "offset",
    "bytes",
];

fn rank(name: &str) -> usize {
    FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len())
}

/// What became of the picture, in one line.
pub(crate) fn summary(report: &ScrubReport) -> String {
    let size = report.upright.map_or(String::new(), |size| format!("{} x {}, ", size.columns, size.rows));
    let outcome = match report.outcome {
        Outcome::Unchanged => "the camera's own data".to_owned(),
        Outcome::Moved => "set upright without loss".to_owned(),
        Outcome::Reencoded(_) => "encoded again".to_owned(),
        Outcome::Trimmed { columns, rows } => format!("trimmed by {columns} columns, {rows} rows"),
        Outcome::NeedsPixels => "not decoded yet".to_owned(),
    };
    let bytes: u64 = report.removed.iter().map(|part| part.bytes).sum();
    let position = if report.position { ", the place of capture among them" } else { "" };
    format!("{size}{outcome}; {} parts, {bytes} bytes removed{position}", report.removed.len())
}

/// All of a report, whatever its fields.
pub(crate) fn table(report: &Value) -> String {
    let mut rows = Vec::new();
    if let Value::Object(fields) = report {
        flatten("", fields, &mut rows);
    }
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (label, lines) in rows {
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { &*label } else { "" };
            let _ = writeln!(text, "  {label:width$}  {line}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// One row a field; a field of fields is laid flat.
fn flatten(prefix: &str, fields: &Map<String, Value>, rows: &mut Vec<(String, Vec<String>)>) {
    let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
    fields.sort_by_key(|(name, _)| rank(name));
    for (name, value) in fields {
        let label = format!("{prefix}{}", name.replace('_', " "));
        match value {
            Value::Object(size) if size.len() == 2 && size.contains_key("columns") && size.contains_key("rows") => {
                rows.push((label, vec![format!("{} x {}", size["columns"], size["rows"])]));
            }
            Value::Object(fields) => flatten(&format!("{label} "), fields, rows),
            Value::Array(items) if items.is_empty() => rows.push((label, vec!["none".to_owned()])),
            Value::Array(items) if items.iter().all(Value::is_object) => rows.push((label, columns(items))),
            Value::Array(items) => rows.push((label, items.iter().map(plain).collect())),
            other => rows.push((label, vec![plain(other)])),
        }
    }
}

/// Items of the same fields, aligned, under a line of their names.
fn columns(items: &[Value]) -> Vec<String> {
    let mut names: Vec<&String> = items.first().and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
    names.sort_by_key(|name| rank(name));
    let cells = |item: &Value| names.iter().map(|name| plain(&item[name.as_str()])).collect::<Vec<_>>();
    let mut lines = vec![names.iter().map(|name| name.to_string()).collect()];
    lines.extend(items.iter().map(cells));
    let width = |column: usize| lines.iter().map(|line: &Vec<String>| line[column].len()).max().unwrap_or_default();
    let widths: Vec<_> = (0..names.len()).map(width).collect();
    let aligned = |line: &Vec<String>| {
        let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(aligned).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_report_is_a_table() {
        let report = json!({
            "zoo": "new field",
            "source": { "size": { "columns": 12, "rows": 7 }, "coding": null, "bytes": 9 },
            "outcome": { "reencoded": "colour" },
            "lossless": false,
            "removed": [{ "part": "APP1", "bytes": 10_000 }, { "part": "COM", "bytes": 4 }],
            "notes": ["exif-unreadable", "scan-tidied"],
            "kept": [],
        });
        let expected = "  outcome reencoded  colour
  lossless           no
  notes              exif-unreadable
                     scan-tidied
  source bytes       9
  source size        12 x 7
  kept               none
  removed            part  bytes
                     APP1  10000
                     COM   4
  zoo                new field";
        assert_eq!(table(&report), expected);
    }
}
