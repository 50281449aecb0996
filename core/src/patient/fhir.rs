//! Patient, visit and order from FHIR R4 and R5 resources in JSON.
//!
//! Nothing is guessed. What links the photo to a chart must be there once and fit its VR, or it is an error. What only
//! describes (names of issuers and institutions, reasons, descriptions, further identifiers) and does not fit is left out,
//! for nobody at the phone can mend it.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::code::CodedConcept;
use super::encounter::{Encounter, Order};
use super::identity::{Patient, PatientIdentifier, Sex};
use super::issuer::{Issuer, UniversalEntityIdType};
use super::name::{Name, NameGroup};
use super::value::{LO, LT, Private, line, paragraphs};
use crate::error::{PatientError, Problem};

const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 16;
/// Types of HL7 table 0203 that lead to a chart. Passports, licences, accounts and insurances do not.
const CHART_TYPES: [&str; 6] = ["MR", "PI", "PT", "MRT", "JHN", "NI"];

impl Patient {
    /// Reads a FHIR R4 or R5 Patient resource in JSON, of at most 1 MiB and 16 levels.
    ///
    /// - PatientID: the identifier of type MR; without one, those of another chart type or of no type. Of several, the
    ///   `usual`, then the `official`, then the only one; `old` ones never. The others of a chart type become
    ///   OtherPatientIDsSequence; a passport or a social security number goes nowhere.
    /// - Its issuer: `system` is the universal id (`urn:oid:` ISO, `urn:uuid:` UUID, else URI), `assigner.display` the name.
    ///   Without an assigner IssuerOfPatientID stays out: a system is not a name.
    /// - PatientName: the `official` name, then the `usual`, then the only one; `old` and `maiden` never. The extension
    ///   iso21090-EN-representation (ABC, IDE, SYL) tells the group. A name that is text only is not taken apart: it
    ///   becomes the family name.
    /// - PatientBirthDate: a full date; a year or a month alone leaves it empty.
    /// - PatientSex: `male`, `female`, `other`; `unknown` leaves it empty.
    ///
    /// # Errors
    /// [`PatientError::Missing`] without an identifier. [`PatientError::Invalid`] for several of the same rank, for values
    /// that break their VR, for what is no such resource, and for a record that is not in use or was replaced by another.
    pub fn from_fhir(json: &[u8]) -> Result<Self, PatientError> {
        let resource: PatientResource = read(json, "Patient")?;
        let replaced = resource.link.iter().any(|link| link.kind.as_deref() == Some("replaced-by"));
        if replaced || resource.active == Some(false) {
            return Err(PatientError::Invalid { keyword: "Patient", problem: Problem::NotInUse });
        }
        let chosen = choose(&resource.identifier, "MR", Identifier::leads_to_chart, "PatientID")?
            .ok_or(PatientError::Missing("PatientID"))?;
        let mut patient = Self::identified_by(chosen.patient_identifier()?);
        patient.other_patient_ids = (resource.identifier.iter())
            .filter(|other| !std::ptr::eq(*other, chosen) && other.is_current())
            .filter(|other| other.type_code().is_some() && other.leads_to_chart())
            .filter_map(|other| other.patient_identifier().ok())
            .collect();
        patient.resource_id = resource.id.map(Private::new);

        let [alphabetic, ideographic, phonetic] = names(&resource.name)?;
        let name =
            Name { alphabetic: group(&alphabetic), ideographic: group(&ideographic), phonetic: group(&phonetic) };
        patient = patient.patient_name(name)?;
        match resource.birth_date.as_deref() {
            Some(partial) if is_year_or_month(partial) => {}
            Some(date) => patient = patient.patient_birth_date(date)?,
            None => {}
        }
        match resource.gender.as_deref() {
            Some("female") => patient = patient.patient_sex(Sex::Female),
            Some("male") => patient = patient.patient_sex(Sex::Male),
            Some("other") => patient = patient.patient_sex(Sex::Other),
            Some("unknown") | None => {}
            Some(_) => return Err(PatientError::Invalid { keyword: "PatientSex", problem: Problem::NotACode }),
        }
        Ok(patient)
    }
}

impl Encounter {
    /// Reads a FHIR R4 or R5 Encounter resource in JSON, of at most 1 MiB and 16 levels: `identifier` (of type VN, then
    /// as for [`Patient::from_fhir`]) is AdmissionID, `serviceProvider.display` InstitutionName, the reasons are
    /// ReasonForVisit and, in SNOMED CT, LOINC, DCM or ICD-10, ReasonForVisitCodeSequence.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] for an encounter that was cancelled or entered in error, else as [`Patient::from_fhir`].
    pub fn from_fhir(json: &[u8]) -> Result<Self, PatientError> {
        let resource: EncounterResource = read(json, "Encounter")?;
        in_use("Encounter", resource.status.as_deref())?;
        let mut encounter = Self::default();
        if let Some(visit) = choose(&resource.identifier, "VN", |_| true, "AdmissionID")? {
            encounter = encounter.admission_id(visit.text(), visit.issuer())?;
        }
        encounter = encounter.institution_name(fitting(display(&resource.service_provider)))?;

        let reasons = resource.reason.iter().flat_map(|reason| &reason.value);
        let reasons: Vec<_> = resource.reason_code.iter().chain(reasons).map(CodeableConcept::concept).collect();
        let text = reasons.iter().filter_map(|reason| reason.words()).collect::<Vec<_>>().join("\n");
        encounter.reason_for_visit = paragraphs("ReasonForVisit", LT, &text).unwrap_or(None);
        encounter.reason_for_visit_codes = reasons.iter().flat_map(|reason| reason.codes()).collect();
        encounter.subject_id = resource.subject.and_then(Reference::into_patient_id).map(Private::new);
        Ok(encounter)
    }

    /// Adds the order of a FHIR R4 or R5 ServiceRequest resource in JSON: identifiers of type ACSN, PLAC and FILL are
    /// AccessionNumber, the placer's and the filler's order number; `code` and the reasons describe what was ordered.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] for an order that was revoked or entered in error, or that is another patient's than the
    /// encounter, else as [`Patient::from_fhir`].
    pub fn order_from_fhir(mut self, json: &[u8]) -> Result<Self, PatientError> {
        const ACCESSION: &str = "AccessionNumber";
        let resource: ServiceRequestResource = read(json, "ServiceRequest")?;
        in_use("ServiceRequest", resource.status.as_deref())?;
        let subject_id = resource.subject.and_then(Reference::into_patient_id).map(Private::new);
        same_patient(self.subject_id.as_ref(), subject_id.as_ref())?;
        self.subject_id = subject_id.or(self.subject_id);

        let number = |code, keyword| choose(&resource.identifier, code, |_| false, keyword);
        if let Some(accession) = number("ACSN", ACCESSION)? {
            self = self.accession_number(accession.text(), accession.issuer())?;
        }
        let mut order = Order::default();
        if let Some(placer) = number("PLAC", "PlacerOrderNumberImagingServiceRequest")? {
            order = order.placer_order_number(placer.text())?;
        }
        if let Some(filler) = number("FILL", "FillerOrderNumberImagingServiceRequest")? {
            order = order.filler_order_number(filler.text())?;
        }
        if let Some(code) = resource.code.as_ref().map(CodeableConcept::concept) {
            order = order.requested_procedure_description(fitting(code.words()))?;
            order.requested_procedure_code = code.codes().next();
        }
        let reason = resource.reason_code.iter().chain(&resource.reason).find_map(|reason| reason.concept().words());
        order = order.reason_for_the_requested_procedure(fitting(reason))?;
        Ok(self.order(order))
    }

    /// Whether the FHIR resources say that visit and order are this patient's; when they say nothing, nothing is refused.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] when they are another patient's.
    pub(crate) fn belongs_to(&self, patient: &Patient) -> Result<(), PatientError> {
        same_patient(self.subject_id.as_ref(), patient.resource_id.as_ref())
    }
}

fn same_patient(one: Option<&Private<String>>, other: Option<&Private<String>>) -> Result<(), PatientError> {
    if one.is_some() && other.is_some() && one != other {
        return Err(PatientError::Invalid { keyword: "PatientID", problem: Problem::OtherPatient });
    }
    Ok(())
}

fn in_use(resource: &'static str, status: Option<&str>) -> Result<(), PatientError> {
    match status {
        Some("cancelled" | "discontinued" | "entered-in-error" | "revoked") => {
            Err(PatientError::Invalid { keyword: resource, problem: Problem::NotInUse })
        }
        _ => Ok(()),
    }
}

/// Checks size, depth, type and that no unknown rule changes the meaning, then reads the elements that are used.
fn read<T: DeserializeOwned>(json: &[u8], resource: &'static str) -> Result<T, PatientError> {
    let refused = |problem| PatientError::Invalid { keyword: resource, problem };
    if json.len() > MAX_BYTES {
        return Err(refused(Problem::TooLong));
    }
    if !is_shallow(json) {
        return Err(refused(Problem::TooDeep));
    }
    let malformed = |_| refused(Problem::Malformed);
    let head: Head = serde_json::from_slice(json).map_err(malformed)?;
    if head.resource_type != resource {
        return Err(refused(Problem::OtherResource));
    }
    if head.modifier_extension.is_some() || head.implicit_rules.is_some() {
        return Err(refused(Problem::UnknownRule));
    }
    serde_json::from_slice(json).map_err(malformed)
}

fn is_shallow(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, b'"') if !escaped => in_string = false,
            (true, b'\\') => escaped = !escaped,
            (true, _) => escaped = false,
            (false, b'"') => in_string = true,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

/// One identifier or none: of those with the code if there are any, else of the eligible ones; then by use.
fn choose<'r>(
    identifiers: &'r [Identifier],
    code: &str,
    eligible: impl Fn(&Identifier) -> bool,
    keyword: &'static str,
) -> Result<Option<&'r Identifier>, PatientError> {
    let current = || identifiers.iter().filter(|identifier| identifier.is_current());
    let mut candidates: Vec<_> = current().filter(|identifier| identifier.type_code() == Some(code)).collect();
    if candidates.is_empty() {
        candidates = current().filter(|identifier| eligible(identifier)).collect();
    }
    let rank = |identifier: &Identifier| match identifier.purpose.as_deref() {
        Some("usual") => 0,
        Some("official") => 1,
        _ => 2,
    };
    let best = candidates.iter().map(|identifier| rank(identifier)).min();
    candidates.retain(|identifier| Some(rank(identifier)) == best);
    match candidates[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(PatientError::Invalid { keyword, problem: Problem::SeveralCandidates }),
    }
}

/// The components of the alphabetic, ideographic and phonetic group.
fn names(names: &[HumanName]) -> Result<[[String; 5]; 3], PatientError> {
    let rank = |name: &HumanName| match name.purpose.as_deref() {
        Some("official") => Some(0),
        Some("usual") => Some(1),
        Some("old" | "maiden") => None,
        _ => Some(2),
    };
    let best = names.iter().filter_map(rank).min();
    let mut groups = [None, None, None];
    for name in names.iter().filter(|name| best.is_some() && rank(name) == best) {
        let [alphabetic, ideographic, phonetic] = &mut groups;
        let place = match name.representation() {
            Some("IDE") => ideographic,
            Some("SYL") => phonetic,
            _ => alphabetic,
        };
        if place.replace(name.components()).is_some() {
            return Err(PatientError::Invalid { keyword: "PatientName", problem: Problem::SeveralCandidates });
        }
    }
    Ok(groups.map(Option::unwrap_or_default))
}

fn group([family, given, middle, prefix, suffix]: &[String; 5]) -> NameGroup<'_> {
    NameGroup { family, given, middle, prefix, suffix }
}

fn is_year_or_month(date: &str) -> bool {
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    match date.split_once('-') {
        Some((year, month)) => digits(year, 4) && digits(month, 2) && ("01"..="12").contains(&month),
        None => digits(date, 4),
    }
}

/// A description when it fits LO, else nothing.
fn fitting(text: Option<&str>) -> &str {
    text.filter(|text| line("", LO, text).is_ok()).unwrap_or_default()
}

fn display(reference: &Option<Reference>) -> Option<&str> {
    reference.as_ref()?.display.as_deref()
}

// The elements that are read. An element that comes twice is refused; one that is not listed is skipped.

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    resource_type: String,
    modifier_extension: Option<IgnoredAny>,
    implicit_rules: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PatientResource {
    id: Option<String>,
    active: Option<bool>,
    #[serde(default)]
    identifier: Vec<Identifier>,
    #[serde(default)]
    name: Vec<HumanName>,
    birth_date: Option<String>,
    gender: Option<String>,
    #[serde(default)]
    link: Vec<Link>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncounterResource {
    status: Option<String>,
    #[serde(default)]
    identifier: Vec<Identifier>,
    subject: Option<Reference>,
    service_provider: Option<Reference>,
    /// R4.
    #[serde(default)]
    reason_code: Vec<CodeableConcept>,
    /// R5.
    #[serde(default)]
    reason: Vec<EncounterReason>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceRequestResource {
    status: Option<String>,
    #[serde(default)]
    identifier: Vec<Identifier>,
    subject: Option<Reference>,
    code: Option<CodeableConcept>,
    /// R4.
    #[serde(default)]
    reason_code: Vec<CodeableConcept>,
    /// R5.
    #[serde(default)]
    reason: Vec<CodeableConcept>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct EncounterReason {
    #[serde(default)]
    value: Vec<CodeableConcept>,
}

#[derive(Deserialize)]
struct Identifier {
    #[serde(rename = "use")]
    purpose: Option<String>,
    #[serde(rename = "type")]
    kind: Option<CodeableConcept>,
    system: Option<String>,
    value: Option<String>,
    assigner: Option<Reference>,
}

impl Identifier {
    fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    fn is_current(&self) -> bool {
        self.purpose.as_deref() != Some("old") && !self.text().trim().is_empty()
    }

    /// The code of HL7 table 0203.
    fn type_code(&self) -> Option<&str> {
        let systems = ["http://terminology.hl7.org/CodeSystem/v2-0203", "http://hl7.org/fhir/v2/0203"];
        let is_of_table = |coding: &&Coding| coding.system.as_deref().is_some_and(|system| systems.contains(&system));
        self.kind.as_ref()?.coding.iter().find(is_of_table)?.code.as_deref()
    }

    fn leads_to_chart(&self) -> bool {
        self.type_code().is_none_or(|code| CHART_TYPES.contains(&code))
    }

    fn issuer(&self) -> Issuer<'_> {
        let universal = self.system.as_deref().map(|system| {
            if let Some(oid) = system.strip_prefix("urn:oid:") {
                (UniversalEntityIdType::Iso, oid)
            } else if let Some(uuid) = system.strip_prefix("urn:uuid:") {
                (UniversalEntityIdType::Uuid, uuid)
            } else {
                (UniversalEntityIdType::Uri, system)
            }
        });
        Issuer { name: fitting(display(&self.assigner)), universal }
    }

    fn patient_identifier(&self) -> Result<PatientIdentifier, PatientError> {
        PatientIdentifier::new(self.text(), self.issuer(), self.type_code().unwrap_or_default())
    }
}

#[derive(Deserialize)]
struct HumanName {
    #[serde(rename = "use")]
    purpose: Option<String>,
    text: Option<String>,
    family: Option<String>,
    #[serde(default)]
    given: Vec<Option<String>>,
    #[serde(default)]
    prefix: Vec<Option<String>>,
    #[serde(default)]
    suffix: Vec<Option<String>>,
    #[serde(default)]
    extension: Vec<Extension>,
}

impl HumanName {
    fn representation(&self) -> Option<&str> {
        let url = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
        self.extension.iter().find(|extension| extension.url == url)?.value_code.as_deref()
    }

    /// Family, given, middle, prefix, suffix.
    fn components(&self) -> [String; 5] {
        let joined = |parts: &[Option<String>]| parts.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let mut given = self.given.iter().flatten().cloned();
        let (family, first) = (self.family.clone(), given.next());
        if family.is_none() && first.is_none() {
            let nothing = String::new;
            return [self.text.clone().unwrap_or_default(), nothing(), nothing(), nothing(), nothing()];
        }
        let middle = given.collect::<Vec<_>>().join(" ");
        [family.unwrap_or_default(), first.unwrap_or_default(), middle, joined(&self.prefix), joined(&self.suffix)]
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extension {
    #[serde(default)]
    url: String,
    value_code: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    reference: Option<String>,
    display: Option<String>,
}

impl Reference {
    /// The id in `Patient/id`, also of an absolute address and with a version behind it.
    fn into_patient_id(self) -> Option<String> {
        let reference = self.reference?;
        let mut parts = reference.split('/').skip_while(|part| *part != "Patient").skip(1);
        parts.next().map(str::to_owned)
    }
}

/// A CodeableConcept, or R5's CodeableReference, which holds one.
#[derive(Deserialize)]
struct CodeableConcept {
    #[serde(default)]
    coding: Vec<Coding>,
    text: Option<String>,
    concept: Option<Box<CodeableConcept>>,
}

#[derive(Deserialize)]
struct Coding {
    system: Option<String>,
    code: Option<String>,
    display: Option<String>,
}

impl CodeableConcept {
    fn concept(&self) -> &Self {
        self.concept.as_deref().unwrap_or(self)
    }

    fn words(&self) -> Option<&str> {
        self.text.as_deref().or_else(|| self.coding.iter().find_map(|coding| coding.display.as_deref()))
    }

    /// The codes of schemes that DICOM has a designator for.
    fn codes(&self) -> impl Iterator<Item = CodedConcept> {
        self.coding.iter().filter_map(|coding| {
            let scheme = match coding.system.as_deref()? {
                "http://snomed.info/sct" => "SCT",
                "http://loinc.org" => "LN",
                "http://dicom.nema.org/resources/ontology/DCM" => "DCM",
                "http://hl7.org/fhir/sid/icd-10" => "I10",
                _ => return None,
            };
            let meaning = coding.display.as_deref().or(self.text.as_deref())?;
            CodedConcept::new(coding.code.as_deref()?, scheme, meaning).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::patient::Issued;

    const TABLE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
    const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";

    fn patient(elements: Value) -> Result<Patient, PatientError> {
        let mut resource = json!({"resourceType": "Patient", "identifier": [{"value": "MRN-1"}]});
        merge(&mut resource, elements);
        Patient::from_fhir(resource.to_string().as_bytes())
    }

    fn encounter(elements: Value) -> Result<Encounter, PatientError> {
        let mut resource = json!({"resourceType": "Encounter", "status": "in-progress"});
        merge(&mut resource, elements);
        Encounter::from_fhir(resource.to_string().as_bytes())
    }

    fn order(elements: Value) -> Result<Encounter, PatientError> {
        let mut resource = json!({"resourceType": "ServiceRequest", "status": "active"});
        merge(&mut resource, elements);
        Encounter::default().order_from_fhir(resource.to_string().as_bytes())
    }

    fn merge(resource: &mut Value, elements: Value) {
        let Value::Object(elements) = elements else { panic!("elements are an object") };
        resource.as_object_mut().unwrap().extend(elements);
    }

    fn identifier(purpose: &str, code: &str, value: &str) -> Value {
        let mut identifier = json!({"value": value});
        if !purpose.is_empty() {
            identifier["use"] = purpose.into();
        }
        if !code.is_empty() {
            identifier["type"] = json!({"coding": [{"system": TABLE, "code": code}]});
        }
        identifier
    }

    fn text(value: &Option<Private<String>>) -> Option<&str> {
        value.as_ref().map(|value| value.expose().as_str())
    }

    fn issued(value: &Issued) -> (&str, Option<&str>, Option<(&str, &str)>) {
        let universal = value.universal.as_ref().map(|(id, kind)| (kind.code(), id.expose().as_str()));
        (value.id.expose(), text(&value.issuer_name), universal)
    }

    fn invalid<T>(keyword: &'static str, problem: Problem) -> Result<T, PatientError> {
        Err(PatientError::Invalid { keyword, problem })
    }

    #[test]
    fn a_whole_patient() {
        let patient = patient(json!({
            "id": "example", "meta": {"versionId": "3"}, "active": true,
            "text": {"status": "generated", "div": "<div>[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[[[[</div>"},
            "identifier": [
                {"use": "usual", "type": {"coding": [{"system": TABLE, "code": "MR"}]},
                 "system": "urn:oid:1.2.36.146.595.217.0.1", "value": " 12345 ", "assigner": {"display": "City Hospital"}},
                {"use": "official", "type": {"coding": [{"system": TABLE, "code": "NI"}]},
                 "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9434765919"},
                {"use": "official", "type": {"coding": [{"system": TABLE, "code": "PPN"}]}, "value": "C01X00T47"},
            ],
            "name": [
                {"use": "maiden", "family": "Windsor"},
                {"use": "usual", "given": ["Jim"]},
                {"use": "official", "family": "Müller", "given": ["Zoë", "Anne", "Eve"], "prefix": ["Dr."], "suffix": ["III"]},
            ],
            "gender": "female", "birthDate": "1974-12-25", "deceasedBoolean": false,
            "contact": [{"name": {"family": "Other"}, "gender": "male"}],
        }))
        .unwrap();
        let universal = Some(("ISO", "1.2.36.146.595.217.0.1"));
        assert_eq!(issued(&patient.patient_id.issued), ("12345", Some("City Hospital"), universal));
        assert_eq!(text(&patient.patient_id.identifier_type_code), Some("MR"));
        let [nhs] = &patient.other_patient_ids[..] else { panic!("the passport goes nowhere") };
        let universal = Some(("URI", "https://fhir.nhs.uk/Id/nhs-number"));
        assert_eq!(issued(&nhs.issued), ("9434765919", None, universal));
        assert_eq!(text(&nhs.identifier_type_code), Some("NI"));
        assert_eq!(text(&patient.patient_name), Some("Müller^Zoë^Anne Eve^Dr.^III"));
        assert_eq!(text(&patient.patient_birth_date), Some("19741225"));
        assert_eq!(patient.patient_sex.map(|sex| *sex.expose()), Some(Sex::Female));
    }

    #[test]
    fn which_identifier_is_the_patient_id() {
        let several = Err(PatientError::Invalid { keyword: "PatientID", problem: Problem::SeveralCandidates });
        let missing = Err(PatientError::Missing("PatientID"));
        for (identifiers, expected) in [
            (vec![], missing),
            (vec![("", "", " ")], missing),
            (vec![("old", "MR", "a")], missing),
            (vec![("official", "PPN", "a"), ("usual", "SS", "b")], missing),
            (vec![("", "", "a")], Ok("a")),
            (vec![("temp", "MR", "a")], Ok("a")),
            (vec![("usual", "", "a"), ("", "MR", "b")], Ok("b")),
            (vec![("old", "MR", "a"), ("", "MR", "b")], Ok("b")),
            (vec![("official", "MR", "a"), ("usual", "MR", "b")], Ok("b")),
            (vec![("official", "", "a"), ("", "", "b")], Ok("a")),
            (vec![("official", "", "a"), ("usual", "PI", "b")], Ok("b")),
            (vec![("official", "DL", "a"), ("", "", "b")], Ok("b")),
            (vec![("", "", "a"), ("", "", "b")], several),
            (vec![("usual", "", "a"), ("usual", "", "b"), ("official", "", "c")], several),
            (vec![("", "MR", "a"), ("", "MR", "b")], several),
        ] {
            let list: Vec<_> =
                identifiers.iter().map(|(purpose, code, value)| identifier(purpose, code, value)).collect();
            let chosen = patient(json!({"identifier": list})).map(|p| p.patient_id.issued.id.expose().clone());
            assert_eq!(chosen, expected.map(str::to_owned), "{identifiers:?}");
        }
    }

    #[test]
    fn issuers() {
        let long = "é".repeat(65);
        for (system, assigner, expected) in [
            (None, None, Ok((None, None))),
            (None, Some("City Hospital"), Ok((Some("City Hospital"), None))),
            (None, Some(&*long), Ok((None, None))),
            (Some("urn:oid:1.2.3"), None, Ok((None, Some(("ISO", "1.2.3"))))),
            (
                Some("urn:uuid:a5afddf4-e880-459b-876e-e4591b0acc11"),
                None,
                Ok((None, Some(("UUID", "a5afddf4-e880-459b-876e-e4591b0acc11")))),
            ),
            (Some("http://acme.org/mrns"), Some("ACME"), Ok((Some("ACME"), Some(("URI", "http://acme.org/mrns"))))),
            (Some("urn:oid:1.2.x"), None, invalid("UniversalEntityID", Problem::NotOfItsType)),
            (Some("mrns"), None, invalid("UniversalEntityID", Problem::NotOfItsType)),
            (Some(""), None, Err(PatientError::Missing("UniversalEntityID"))),
        ] {
            let read = patient(json!({"identifier": [
                {"value": "1", "system": system, "assigner": assigner.map(|name| json!({"display": name}))}
            ]}));
            let found = read.as_ref().map(|patient| {
                let (_, name, universal) = issued(&patient.patient_id.issued);
                (name, universal)
            });
            assert_eq!(found, expected.as_ref().map(|e| *e), "{system:?} {assigner:?}");
        }
    }

    #[test]
    fn names() {
        let written = |code| json!([{"url": "http://example.org/other"}, {"url": REPRESENTATION, "valueCode": code}]);
        let several = invalid("PatientName", Problem::SeveralCandidates);
        for (names, expected) in [
            (json!([]), Ok(None)),
            (json!([{"use": "old", "family": "A"}, {"use": "maiden", "family": "B"}]), Ok(None)),
            (json!([{"family": "Sukarno"}]), Ok(Some("Sukarno"))),
            (json!([{"given": ["Madonna"]}]), Ok(Some("^Madonna"))),
            (json!([{"text": "Zoë Müller"}]), Ok(Some("Zoë Müller"))),
            (json!([{"text": "Dr. Zoë Müller", "prefix": ["Dr."]}]), Ok(Some("Dr. Zoë Müller"))),
            (json!([{"text": "Zoë Müller", "family": "Müller", "given": ["Zoë"]}]), Ok(Some("Müller^Zoë"))),
            (
                json!([{"family": "A", "given": ["B", null, "C"], "_given": [null, {"id": "x"}, null]}]),
                Ok(Some("A^B^C")),
            ),
            (json!([{"use": "usual", "family": "A"}, {"family": "B"}]), Ok(Some("A"))),
            (json!([{"use": "nickname", "family": "A"}, {"use": "usual", "family": "B"}]), Ok(Some("B"))),
            (json!([{"family": "A"}, {"family": "B"}]), several),
            (json!([{"use": "official", "family": "A"}, {"use": "official", "family": "B"}]), several),
            (json!([{"family": "الحسن", "given": ["محمد"]}]), Ok(Some("الحسن^محمد"))),
            (json!([{"family": "王", "given": ["小东"]}]), Ok(Some("王^小东"))),
            (
                json!([
                    {"use": "official", "extension": written("IDE"), "family": "山田", "given": ["太郎"]},
                    {"use": "official", "extension": written("SYL"), "family": "ヤマダ", "given": ["タロウ"]},
                    {"use": "usual", "family": "Tarou"},
                ]),
                Ok(Some("=山田^太郎=ヤマダ^タロウ")),
            ),
            (
                json!([
                    {"extension": written("SYL"), "family": "やまだ"},
                    {"extension": written("ABC"), "family": "Yamada"},
                    {"extension": written("IDE"), "family": "山田"},
                ]),
                Ok(Some("Yamada=山田=やまだ")),
            ),
            (json!([{"family": "Hong"}, {"extension": written("IDE"), "family": "홍"}]), Ok(Some("Hong=홍"))),
            (
                json!([{"extension": written("IDE"), "family": "山"}, {"extension": written("IDE"), "family": "田"}]),
                several,
            ),
            (json!([{"family": "A^B"}]), invalid("PatientName", Problem::Delimiter)),
            (json!([{"family": "x".repeat(65)}]), invalid("PatientName", Problem::TooLong)),
        ] {
            let read = patient(json!({"name": names})).map(|patient| text(&patient.patient_name).map(str::to_owned));
            assert_eq!(read, expected.map(|name| name.map(str::to_owned)), "{names}");
        }
    }

    #[test]
    fn birth_dates_and_genders() {
        for (date, expected) in [
            ("1974-12-25", Ok(Some("19741225"))),
            ("1974-12", Ok(None)),
            ("1974", Ok(None)),
            ("1974-13", invalid("PatientBirthDate", Problem::NotADate)),
            ("1974-02-30", invalid("PatientBirthDate", Problem::NotADate)),
            ("about 1974", invalid("PatientBirthDate", Problem::NotADate)),
        ] {
            let read = patient(json!({"birthDate": date})).map(|p| text(&p.patient_birth_date).map(str::to_owned));
            assert_eq!(read, expected.map(|date| date.map(str::to_owned)), "{date}");
        }
        for (gender, expected) in [
            ("female", Ok(Some("F"))),
            ("male", Ok(Some("M"))),
            ("other", Ok(Some("O"))),
            ("unknown", Ok(None)),
            ("F", invalid("PatientSex", Problem::NotACode)),
        ] {
            let read = patient(json!({"gender": gender})).map(|p| p.patient_sex.map(|sex| sex.expose().code()));
            assert_eq!(read, expected, "{gender}");
        }
    }

    #[test]
    fn what_is_no_usable_patient() {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let with = |extra: &str| format!(r#"{{"resourceType":"Patient","identifier":[{{"value":"1"}}]{extra}}}"#);
        let padded = |length: usize| with("") + &" ".repeat(length - with("").len());
        for (resource, problem) in [
            (with(""), None),
            (padded(1 << 20), None),
            (padded((1 << 20) + 1), Some(Problem::TooLong)),
            (with(&format!(r#","x":{}"#, deep(15))), None),
            (with(&format!(r#","x":{}"#, deep(16))), Some(Problem::TooDeep)),
            (with(&format!(r#","id":"\\","x":{}"#, deep(16))), Some(Problem::TooDeep)),
            (deep(500_000), Some(Problem::TooDeep)),
            (with(r#","identifier":[]"#), Some(Problem::Malformed)),
            (with(r#","birthDate":19741225"#), Some(Problem::Malformed)),
            (with(",").replace("}]", "}"), Some(Problem::Malformed)),
            (with("} {"), Some(Problem::Malformed)),
            (String::new(), Some(Problem::Malformed)),
            ("{}".to_owned(), Some(Problem::Malformed)),
            (with("").replace("Patient", "Practitioner"), Some(Problem::OtherResource)),
            (with(r#","modifierExtension":[{"url":"x"}]"#), Some(Problem::UnknownRule)),
            (with(r#","implicitRules":"x""#), Some(Problem::UnknownRule)),
            (with(r#","active":false"#), Some(Problem::NotInUse)),
            (with(r#","link":[{"type":"replaced-by"}]"#), Some(Problem::NotInUse)),
            (with(r#","link":[{"type":"seealso"}]"#), None),
        ] {
            let expected = problem.map(|problem| PatientError::Invalid { keyword: "Patient", problem });
            assert_eq!(Patient::from_fhir(resource.as_bytes()).err(), expected, "{:.200}", resource);
        }
        let not_utf8 = [with(r#","id":""#).trim_end_matches('}').as_bytes(), b"\xFF\"}"].concat();
        assert_eq!(Patient::from_fhir(&not_utf8).err(), invalid::<()>("Patient", Problem::Malformed).err());
    }

    #[test]
    fn visits() {
        let reason = json!({"text": "Ulcer,\nleft heel", "coding": [
            {"system": "http://snomed.info/sct", "code": "420226006", "display": "Pressure ulcer of heel"},
            {"system": "http://example.org/local", "code": "X", "display": "Ulcer"},
        ]});
        let coded =
            json!({"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "L89", "display": "Ulcer"}]});
        let provider = json!({"reference": "Organization/1", "display": "City Hospital"});
        let identifiers = json!([
            identifier("official", "", "other"),
            {"type": {"coding": [{"system": TABLE, "code": "VN"}]}, "system": "urn:oid:1.2.3", "value": "V-7"},
        ]);
        let r4 = json!({"identifier": identifiers, "serviceProvider": provider, "class": {"code": "AMB"},
            "reasonCode": [reason, coded]});
        let r5 = json!({"identifier": identifiers, "serviceProvider": provider, "class": [{"coding": [{"code": "AMB"}]}],
            "reason": [{"use": [{"text": "x"}], "value": [{"concept": reason}, {"reference": {"reference": "Condition/1"}}]},
                {"value": [{"concept": coded}]}]});
        for resource in [r4, r5] {
            let encounter = encounter(resource).unwrap();
            let admission = encounter.admission_id.as_ref().map(issued);
            assert_eq!(admission, Some(("V-7", None, Some(("ISO", "1.2.3")))));
            assert_eq!(text(&encounter.institution_name), Some("City Hospital"));
            assert_eq!(text(&encounter.reason_for_visit), Some("Ulcer,\nleft heel\nUlcer"));
            let codes: Vec<_> =
                encounter.reason_for_visit_codes.iter().map(|code| code.value.expose().as_str()).collect();
            assert_eq!(codes, ["420226006", "L89"]);
            assert!(encounter.order.is_none() && encounter.accession_number.is_none());
        }
        assert!(encounter(json!({})).unwrap() == Encounter::default());
        let error = encounter(json!({"status": "entered-in-error"})).err();
        assert_eq!(error, invalid::<()>("Encounter", Problem::NotInUse).err());
        let error = encounter(json!({"identifier": [{"value": "a"}, {"value": "b"}]})).err();
        assert_eq!(error, invalid::<()>("AdmissionID", Problem::SeveralCandidates).err());
        let error = encounter(json!({"identifier": [{"value": "a\tb"}]})).err();
        assert_eq!(error, invalid::<()>("AdmissionID", Problem::ControlCharacter).err());
        let long = encounter(json!({"serviceProvider": {"display": "x".repeat(65)}, "reasonCode": [{"text": "a\tb"}]}));
        assert!(long.unwrap() == Encounter::default(), "descriptions that do not fit are left out");
    }

    #[test]
    fn orders() {
        let identifiers = json!([identifier("", "ACSN", "A-1"), identifier("", "PLAC", "P-1"), identifier("", "FILL", "F-1"), {"value": "x"}]);
        let code = json!({"coding": [{"system": "http://snomed.info/sct", "code": "197157006", "display": "Photography of patient"}]});
        let reason = json!({"text": "Follow-up"});
        let r4 = json!({"identifier": identifiers, "code": code, "reasonCode": [reason]});
        let r5 = json!({"identifier": identifiers, "code": {"concept": code}, "reason": [{"concept": reason}]});
        for resource in [r4, r5] {
            let encounter = order(resource).unwrap();
            assert_eq!(encounter.accession_number.as_ref().map(issued), Some(("A-1", None, None)));
            let order = encounter.order.unwrap();
            assert_eq!(text(&order.placer_order_number), Some("P-1"));
            assert_eq!(text(&order.filler_order_number), Some("F-1"));
            assert_eq!(text(&order.requested_procedure_description), Some("Photography of patient"));
            assert!(order.requested_procedure_code.is_some_and(|code| code.value.expose() == "197157006"));
            assert_eq!(text(&order.reason_for_the_requested_procedure), Some("Follow-up"));
        }
        let error = order(json!({"identifier": [identifier("", "ACSN", "12345678901234567")]})).err();
        assert_eq!(error, invalid::<()>("AccessionNumber", Problem::TooLong).err());
        let error = order(json!({"status": "revoked"})).err();
        assert_eq!(error, invalid::<()>("ServiceRequest", Problem::NotInUse).err());
        let error = Encounter::default().order_from_fhir(br#"{"resourceType":"Encounter"}"#).err();
        assert_eq!(error, invalid::<()>("ServiceRequest", Problem::OtherResource).err());
    }

    #[test]
    fn patient_visit_and_order_are_of_one_patient() {
        let other = invalid("PatientID", Problem::OtherPatient);
        let of = |reference: &str| json!({"subject": {"reference": reference}});
        let patient = patient(json!({"id": "p1"})).unwrap();
        for (reference, expected) in [
            ("Patient/p1", Ok(())),
            ("https://ehr.example.org/fhir/Patient/p1/_history/4", Ok(())),
            ("urn:uuid:a5afddf4-e880-459b-876e-e4591b0acc11", Ok(())),
            ("Patient/p2", other),
            ("https://ehr.example.org/fhir/Patient/p2", other),
        ] {
            assert_eq!(encounter(of(reference)).unwrap().belongs_to(&patient), expected, "{reference}");
            assert_eq!(order(of(reference)).unwrap().belongs_to(&patient), expected, "{reference}");
            let request = json!({"resourceType": "ServiceRequest", "subject": {"reference": reference}}).to_string();
            let both = encounter(of("Patient/p1")).unwrap().order_from_fhir(request.as_bytes());
            assert_eq!(both.map(|_| ()), expected, "{reference}");
        }
        assert_eq!(Encounter::default().belongs_to(&patient), Ok(()));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), "[ -~]{0,70}", Just("urn:oid:1.2".into()), Just("MR".into())];
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), text.prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop::sample::select(vec!["use", "value", "system", "type", "coding", "text", "family", "given"]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(key.prop_map(str::to_owned), inner, 0..4)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_elements_and_any_text_are_read_or_refused(
            element in prop::sample::select(vec![
                "identifier", "name", "birthDate", "gender", "link", "active", "id", "subject", "code", "reasonCode",
                "reason", "status", "serviceProvider",
            ]),
            value in any_json(),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            for resource in ["Patient", "Encounter", "ServiceRequest"] {
                let mut json = json!({"resourceType": resource, "identifier": [{"value": "MRN-1"}]});
                json[element] = value.clone();
                for bytes in [json.to_string().as_bytes(), &bytes] {
                    let _ = Patient::from_fhir(bytes);
                    let _ = Encounter::from_fhir(bytes);
                    let _ = Encounter::default().order_from_fhir(bytes);
                }
            }
        }

        #[test]
        fn any_text_in_any_element_is_checked_and_never_told(text in any::<String>()) {
            let canary = format!("CANARY-91C2{text}\u{7}");
            let refused = [
                patient(json!({"identifier": [{"value": canary}]})).err(),
                patient(json!({"identifier": [{"value": "1", "system": canary}]})).err(),
                patient(json!({"name": [{"family": canary}]})).err(),
                patient(json!({"name": [{"text": canary}]})).err(),
                patient(json!({"birthDate": canary})).err(),
                patient(json!({"gender": canary})).err(),
                patient(json!({"active": canary})).err(),
                patient(json!({"resourceType": canary})).err(),
                encounter(json!({"identifier": [{"value": canary}]})).err(),
                order(json!({"identifier": [identifier("", "ACSN", &canary)]})).err(),
                order(json!({"code": canary})).err(),
            ];
            for (place, error) in refused.into_iter().enumerate() {
                let told = error.map(|error| format!("{error} {error:?} {}", error.code()));
                prop_assert!(told.is_some_and(|told| !told.contains("CANARY")), "place {place}");
            }
        }
    }
}
