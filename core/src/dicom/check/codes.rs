//! Codes mean what they say, and sequences have the items that they need (PS3.16; PS3.3 8.8, 10.5).

use std::collections::HashMap;
use std::sync::LazyLock;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::super::dataset::{Dataset, Element, Value};
use super::{Findings, Object};
use crate::dicom::value::keyword;

/// Code Values of a side in AnatomicRegionModifierSequence.
const SIDES: [(&str, &str); 2] = [("24028007", "R"), ("7771000", "L")];

/// What a code means.
struct Concept {
    meaning: &'static str,
    context_groups: &'static str,
    /// `yes`, `no`, or empty for what is no site of ours.
    paired: &'static str,
}

/// By scheme and value.
static CODES: LazyLock<HashMap<(&str, &str), Concept>> =
    LazyLock::new(|| include_str!("../codes.tsv").lines().skip(2).filter_map(row).collect());

fn row(line: &'static str) -> Option<((&'static str, &'static str), Concept)> {
    let [scheme, value, meaning, context_groups, paired] = line.split('\t').collect::<Vec<_>>()[..] else {
        return None;
    };
    Some(((scheme, value), Concept { meaning, context_groups, paired }))
}

pub(super) fn check(object: &Object<'_>, findings: &mut Findings) {
    object.data.visit(&mut |element| {
        let Value::Items(items) = &element.value else { return };
        check_sequence(element, items.len(), findings);
        for item in items {
            check_code(element.tag, item, findings);
        }
    });
    for region in object.data.items(tags::ANATOMIC_REGION_SEQUENCE) {
        check_side(region, object.data.text(tags::IMAGE_LATERALITY), findings);
    }
}

fn check_sequence(element: &Element<'_>, items: usize, findings: &mut Findings) {
    let name = keyword(element.tag);
    let fits = match element.tag {
        tags::ANATOMIC_REGION_SEQUENCE => items == 1,
        tags::ANATOMIC_REGION_MODIFIER_SEQUENCE | tags::PRIMARY_ANATOMIC_STRUCTURE_SEQUENCE => items > 0,
        _ => items > 0 || !name.ends_with("CodeSequence"),
    };
    if !fits {
        findings.add("sequence", name, "has no item, or more than the one that is asked for");
    }
}

fn check_code(sequence: Tag, item: &Dataset<'_>, findings: &mut Findings) {
    let name = keyword(sequence);
    let values = [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE];
    if item.get(tags::CODE_MEANING).is_none() && values.iter().all(|tag| item.get(*tag).is_none()) {
        return;
    }
    let value = values.iter().map(|tag| item.text(*tag)).find(|value| !value.is_empty()).unwrap_or_default();
    let (scheme, meaning) = (item.text(tags::CODING_SCHEME_DESIGNATOR), item.text(tags::CODE_MEANING));
    if value.is_empty() || scheme.is_empty() || meaning.is_empty() {
        findings.add("code", name, "has a code without value, scheme or meaning");
    }
    if ["SRT", "SNM3", "99SDM"].contains(&scheme) {
        findings.add("code", name, "has a code of a retired scheme");
    }
    let concept = CODES.get(&(scheme, value));
    if concept.is_some_and(|concept| !concept.meaning.eq_ignore_ascii_case(meaning)) {
        findings.add("code-meaning", name, "has a code that means something else");
    }
    let group = match sequence {
        tags::DERIVATION_CODE_SEQUENCE => "7203",
        tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE => "7050",
        _ => return,
    };
    if !concept.is_some_and(|concept| concept.context_groups.split(',').any(|cid| cid == group)) {
        findings.add("code", name, "has a code that is not of its context group");
    }
}

fn check_side(region: &Dataset<'_>, side: &str, findings: &mut Findings) {
    let code = (region.text(tags::CODING_SCHEME_DESIGNATOR), region.text(tags::CODE_VALUE));
    if side == "U" && CODES.get(&code).is_some_and(|concept| concept.paired == "yes") {
        findings.add("laterality", "ImageLaterality", "is U, but the region is one of a pair");
    }
    for modifier in region.items(tags::ANATOMIC_REGION_MODIFIER_SEQUENCE) {
        let value = modifier.text(tags::CODE_VALUE);
        if SIDES.iter().any(|(code, modified)| *code == value && *modified != side) {
            findings.add("laterality", "AnatomicRegionModifierSequence", "says another side than ImageLaterality");
        }
    }
}
