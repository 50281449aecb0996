//! Whom and where: [`Patient`], [`Encounter`], [`AnatomicSite`], [`Lesion`].
//!
//! Values are checked against their VR (PS3.5 6.2) when they come in. None of these types can be printed or serialised.

mod code;
mod encounter;
mod identity;
mod issuer;
mod lesion;
mod name;
mod site;
mod value;

pub use code::CodedConcept;
pub use encounter::{Encounter, Order};
pub use identity::{Patient, Sex};
pub use issuer::{Issuer, UniversalEntityIdType};
pub use lesion::Lesion;
pub use name::{Name, NameGroup};
pub use site::{AnatomicSite, Laterality, Site, SiteList};

pub(crate) use encounter::PersonIdentification;
pub(crate) use identity::PatientIdentifier;
pub(crate) use issuer::Issued;
pub(crate) use value::Private;
