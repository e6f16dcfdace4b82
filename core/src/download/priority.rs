//! How much a piece is wanted. No BEP: a person's choice, made per file and kept per piece.

/// How much a piece is wanted; a higher class is dealt out before a lower one, however rare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Never asked for. Blocks that are there stay.
    Skip,
    /// After everything else.
    Low,
    /// What every piece starts with.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

/// The classes that are dealt out, the most wanted first.
pub(super) const CLASSES: [Class; 3] = [Class(0), Class(1), Class(2)];

/// Place of a priority in [`CLASSES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// The place, to index an array that has one entry per class.
    pub(super) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl Priority {
    /// Whether such a piece is to be fetched at all.
    pub const fn is_wanted(self) -> bool {
        !matches!(self, Self::Skip)
    }

    /// The class it is dealt out in; none for a piece that is skipped.
    pub(super) const fn class(self) -> Option<Class> {
        match self {
            Self::High => Some(CLASSES[0]),
            Self::Normal => Some(CLASSES[1]),
            Self::Low => Some(CLASSES[2]),
            Self::Skip => None,
        }
    }
}
