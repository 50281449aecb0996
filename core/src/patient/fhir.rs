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

    fn components(&self) -> [String; 5] {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let joined = |parts: &[Option<String>]| parts.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let given: Vec<_> = self.given.iter().flatten().cloned().collect();
        match (&self.family, given.split_first()) {
            (None, None) => [text(&self.text), String::new(), String::new(), String::new(), String::new()],
            (family, None) => [text(family), String::new(), String::new(), joined(&self.prefix), joined(&self.suffix)],
            (family, Some((first, more))) => {
                [text(family), first.clone(), more.join(" "), joined(&self.prefix), joined(&self.suffix)]
            }
        }
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
