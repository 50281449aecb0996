//! Where on the body: one coded region, its side, and words of one's own.

use super::code::CodedConcept;
use super::value::{LO, LT, Private, identifier, paragraphs};
use crate::error::{PatientError, Problem};

const REGION: &str = "AnatomicRegionSequence";
const SIDE: &str = "ImageLaterality";

/// ImageLaterality (0020,0062): the side that the picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Laterality {
    /// `R`.
    Right,
    /// `L`.
    Left,
    /// `B`: both of a pair are in the picture.
    Both,
    /// `U`: the region is not one of a pair.
    Unpaired,
}

impl Laterality {
    /// The value of the attribute.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Right => "R",
            Self::Left => "L",
            Self::Both => "B",
            Self::Unpaired => "U",
        }
    }

    /// Reads the value of the attribute.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] for anything but `R`, `L`, `B` and `U`.
    pub fn from_code(code: &str) -> Result<Self, PatientError> {
        [Self::Right, Self::Left, Self::Both, Self::Unpaired]
            .into_iter()
            .find(|side| side.code() == code)
            .ok_or(PatientError::Invalid { keyword: SIDE, problem: Problem::NotACode })
    }
}

/// What a picture shows. Made by [`Site::on`]; cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AnatomicSite {
    /// AnatomicRegionSequence, its one item.
    pub(crate) region: CodedConcept,
    /// AnatomicRegionModifierSequence of that item.
    pub(crate) modifiers: Vec<CodedConcept>,
    /// ImageLaterality.
    pub(crate) image_laterality: Private<Laterality>,
    /// Whether Skin (39937001, SCT) is written to PrimaryAnatomicStructureSequence.
    pub(crate) primary_skin: bool,
    /// ImageComments, LT.
    pub(crate) label: Option<Private<String>>,
}

impl AnatomicSite {
    /// Narrows the region down with a concept of CID 2, for example `(255549009, SCT, Anterior)`.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] for left, right, bilateral and unilateral: ImageLaterality carries the side, and once only.
    pub fn modified_by(mut self, modifier: CodedConcept) -> Result<Self, PatientError> {
        let sides = ["7771000", "24028007", "51440002", "66459002"];
        if modifier.scheme.expose() == "SCT" && sides.contains(&modifier.value.expose().as_str()) {
            return Err(PatientError::Invalid {
                keyword: "AnatomicRegionModifierSequence",
                problem: Problem::SideInModifier,
            });
        }
        self.modifiers.push(modifier);
        Ok(self)
    }

    /// Where exactly, in free text: goes to ImageComments (0020,4000).
    ///
    /// # Errors
    /// [`PatientError::Invalid`] when it is no LT of at most 10,240 characters.
    pub fn labelled(mut self, label: &str) -> Result<Self, PatientError> {
        self.label = paragraphs("ImageComments", LT, label)?;
        Ok(self)
    }
}

/// One entry of a [`SiteList`].
#[derive(Clone, PartialEq, Eq)]
pub struct Site {
    key: String,
    region: CodedConcept,
    group: String,
    paired: bool,
    primary_skin: bool,
}

impl Site {
    /// A site of one's own, not paired, whose code means skin already.
    ///
    /// # Errors
    /// [`PatientError::Missing`] or [`PatientError::Invalid`] for a key that is not 1 to 64 of `a-z`, `0-9`, `_`.
    pub fn new(key: &str, region: CodedConcept, group: &str) -> Result<Self, PatientError> {
        let invalid = PatientError::Invalid { keyword: REGION, problem: Problem::BadKey };
        let key = identifier(REGION, LO, key)?.ok_or(PatientError::Missing(REGION))?.expose().clone();
        if !key.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            return Err(invalid);
        }
        Ok(Self { key, region, group: group.to_owned(), paired: false, primary_skin: false })
    }

    /// There are two of it: a picture must tell which.
    #[must_use]
    pub fn in_pairs(mut self) -> Self {
        self.paired = true;
        self
    }

    /// Its code names a bone or a part of the body: write Skin as the primary anatomic structure, too.
    #[must_use]
    pub fn skin_over_it(mut self) -> Self {
        self.primary_skin = true;
        self
    }

    /// The stable word for programs, for example `heel`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// CodeMeaning of the region, in English.
    #[must_use]
    pub fn meaning(&self) -> &str {
        self.region.meaning.expose()
    }

    /// Where a picker shows it, for example `leg`.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Whether the side must be told.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        self.paired
    }

    /// This site on a side. A paired one is right, left or both. Any other is [`Laterality::Unpaired`], which `None` means
    /// too; right or left say that the picture shows one half of it.
    ///
    /// # Errors
    /// [`PatientError::Missing`] for a paired site without a side, [`PatientError::Invalid`] for a side that does not fit.
    pub fn on(&self, side: impl Into<Option<Laterality>>) -> Result<AnatomicSite, PatientError> {
        let side = match (side.into(), self.paired) {
            (None, true) => return Err(PatientError::Missing(SIDE)),
            (Some(Laterality::Unpaired), true) | (Some(Laterality::Both), false) => {
                return Err(PatientError::Invalid { keyword: SIDE, problem: Problem::WrongSide });
            }
            (side, _) => side.unwrap_or(Laterality::Unpaired),
        };
        Ok(AnatomicSite {
            region: self.region.clone(),
            modifiers: Vec::new(),
            image_laterality: Private::new(side),
            primary_skin: self.primary_skin,
            label: None,
        })
    }
}

/// The sites that a picker offers.
#[derive(Clone)]
pub struct SiteList(Vec<Site>);

impl SiteList {
    /// Ninety sites for skin and wounds, most of CID 4029 (PS3.16).
    #[must_use]
    pub fn standard() -> Self {
        let table = include_str!("body_sites.tsv");
        Self(table.lines().filter(|line| !line.starts_with('#')).skip(1).filter_map(row).collect())
    }

    /// Adds a site of the embedder.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] when the key is taken.
    pub fn with(mut self, site: Site) -> Result<Self, PatientError> {
        if self.0.iter().any(|known| known.key == site.key) {
            return Err(PatientError::Invalid { keyword: REGION, problem: Problem::BadKey });
        }
        self.0.push(site);
        Ok(self)
    }

    /// The site of that key.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] when there is none: no site is ever assumed.
    pub fn site(&self, key: &str) -> Result<&Site, PatientError> {
        let unknown = PatientError::Invalid { keyword: REGION, problem: Problem::UnknownSite };
        self.iter().find(|site| site.key == key).ok_or(unknown)
    }

    /// All sites in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &Site> {
        self.0.iter()
    }
}

/// One line of the committed table; a test proves that every line is one.
fn row(line: &str) -> Option<Site> {
    let [key, meaning, scheme, value, paired, group, add_skin] = line.split('\t').collect::<Vec<_>>()[..] else {
        return None;
    };
    let mut site = Site::new(key, CodedConcept::new(value, scheme, meaning).ok()?, group).ok()?;
    site.paired = paired == "yes";
    site.primary_skin = add_skin == "yes";
    Some(site)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(keyword: &'static str, problem: Problem) -> Option<PatientError> {
        Some(PatientError::Invalid { keyword, problem })
    }

    #[test]
    fn every_line_of_the_table_is_a_site() {
        let lines = include_str!("body_sites.tsv").lines().filter(|line| !line.starts_with('#')).count() - 1;
        let list = SiteList::standard();
        assert_eq!(list.iter().count(), lines);
        assert_eq!(lines, 90);
        for site in list.iter() {
            assert!(std::ptr::eq(site, list.site(site.key()).unwrap()), "{} is there twice", site.key());
            assert!(!site.group().is_empty() && !site.meaning().is_empty());
            // A code that does not mean skin needs the primary structure; a nail unit is no skin but is as near.
            let own = ["skin", "nail"].iter().any(|word| site.meaning().to_lowercase().contains(word));
            assert_eq!(site.primary_skin, !own, "{}", site.key());
        }
    }

    #[test]
    fn sides() {
        use Laterality::*;
        let list = SiteList::standard();
        let (heel, sacrum) = (list.site("heel").unwrap(), list.site("sacrum").unwrap());
        for (site, side, expected) in [
            (heel, Some(Left), Ok("L")),
            (heel, Some(Right), Ok("R")),
            (heel, Some(Both), Ok("B")),
            (heel, None, Err(Some(PatientError::Missing(SIDE)))),
            (heel, Some(Unpaired), Err(wrong(SIDE, Problem::WrongSide))),
            (sacrum, None, Ok("U")),
            (sacrum, Some(Unpaired), Ok("U")),
            (sacrum, Some(Left), Ok("L")),
            (sacrum, Some(Both), Err(wrong(SIDE, Problem::WrongSide))),
        ] {
            match site.on(side) {
                Ok(site) => assert_eq!(Ok(site.image_laterality.expose().code()), expected),
                Err(error) => assert_eq!(Err(Some(error)), expected),
            }
        }
        for side in [Right, Left, Both, Unpaired] {
            assert_eq!(Laterality::from_code(side.code()), Ok(side));
        }
        assert_eq!(Laterality::from_code("r").err(), wrong(SIDE, Problem::NotACode));
    }

    #[test]
    fn region_structure_modifier_and_label() {
        let list = SiteList::standard();
        let site = list.site("sacrum").unwrap().on(None).unwrap();
        assert_eq!(site.region.value.expose(), "54735007");
        assert!(site.primary_skin);
        let modifier = |value| CodedConcept::new(value, "SCT", "Modifier").unwrap();
        for side in ["7771000", "24028007", "51440002", "66459002"] {
            let error = site.clone().modified_by(modifier(side)).err();
            assert_eq!(error, wrong("AnatomicRegionModifierSequence", Problem::SideInModifier));
        }
        let site = site.modified_by(modifier("255549009")).unwrap().labelled("2 cm above\nthe cleft").unwrap();
        assert_eq!(site.modifiers.len(), 1);
        assert!(site.label.is_some_and(|label| label.expose() == "2 cm above\nthe cleft"));
    }

    #[test]
    fn the_embedder_adds_sites() {
        let concept = CodedConcept::new("stump", "99CITY", "Amputation stump").unwrap();
        let stump = Site::new("stump", concept.clone(), "leg").unwrap().in_pairs().skin_over_it();
        let list = SiteList::standard().with(stump.clone()).unwrap();
        assert_eq!(list.iter().count(), 91);
        assert_eq!(list.site("stump").unwrap().on(None).err(), Some(PatientError::Missing(SIDE)));
        assert!(list.site("stump").unwrap().on(Laterality::Left).unwrap().primary_skin);
        assert_eq!(list.with(stump).err(), wrong(REGION, Problem::BadKey));
        assert_eq!(Site::new("Left stump", concept.clone(), "leg").err(), wrong(REGION, Problem::BadKey));
        assert_eq!(Site::new("", concept, "leg").err(), Some(PatientError::Missing(REGION)));
        assert_eq!(SiteList::standard().site("stump").err(), wrong(REGION, Problem::UnknownSite));
    }
}
