//! SGR: the colours and attributes the terminal writes with, and the shortest way to others.

use std::fmt::Write as _;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

/// What the next character will look like. Underlines have the colour of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

/// Attributes with the codes that switch them on and off. Bold and dim share the off.
const ATTRIBUTES: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// Attributes that can be seen on a blank.
const VISIBLE_ON_BLANK: Modifier =
    Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::CROSSED_OUT);

impl Pen {
    /// After `CSI m`.
    pub(super) const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

    /// The pen that a cell wants.
    pub(super) const fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    /// Whether a blank by this pen looks like an erased cell.
    pub(super) fn leaves_no_trace(self) -> bool {
        self.bg == Color::Reset && self.is_plain_on_blank()
    }

    /// Whether a blank by this pen looks like one by `other`: what cannot be seen on a blank is no
    /// reason to change pens between words.
    pub(super) fn paints_same_blank(self, other: Self) -> bool {
        self == other || (self.bg == other.bg && self.is_plain_on_blank() && other.is_plain_on_blank())
    }

    fn is_plain_on_blank(self) -> bool {
        !self.modifier.intersects(VISIBLE_ON_BLANK)
    }

    /// Writes the shorter of two ways to `next`: the difference, or a reset and all it wants.
    pub(super) fn change_to(self, next: Self, out: &mut Vec<u8>) {
        if self == next {
            return;
        }
        let difference = self.difference(next);
        let anew = format!("0;{}", Self::PLAIN.difference(next));
        let shorter = if difference.len() <= anew.len() { &difference } else { &anew };
        // Without a parameter it is the reset alone.
        let codes = if next == Self::PLAIN { "" } else { shorter };
        out.extend_from_slice(b"\x1b[");
        out.extend_from_slice(codes.as_bytes());
        out.push(b'm');
    }

    fn difference(self, next: Self) -> String {
        let mut codes = String::new();
        let mut add = |code: &dyn std::fmt::Display| {
            let gap = if codes.is_empty() { "" } else { ";" };
            write!(codes, "{gap}{code}").expect("a String takes all that is written");
        };
        let mut lit = self.modifier;
        for (_, _, off) in ATTRIBUTES {
            let group = group_of(off);
            if !(lit & group).difference(next.modifier).is_empty() {
                add(&off);
                lit -= group;
            }
        }
        for (attribute, on, _) in ATTRIBUTES {
            if next.modifier.contains(attribute) && !lit.contains(attribute) {
                add(&on);
            }
        }
        if self.fg != next.fg {
            add(&Code(next.fg, 30));
        }
        if self.bg != next.bg {
            add(&Code(next.bg, 40));
        }
        codes
    }
}

/// All attributes that one code switches off.
fn group_of(off: u8) -> Modifier {
    ATTRIBUTES.iter().filter(|row| row.2 == off).fold(Modifier::empty(), |group, row| group | row.0)
}

/// A colour as SGR parameters, on the base 30 for text and 40 for the ground. The sixteen named ones
/// take the short codes, which every terminal knows.
struct Code(Color, u8);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(color, base) = *self;
        let named = match color {
            Color::Reset => return write!(f, "{}", base + 9),
            Color::Indexed(index) => return write!(f, "{};5;{index}", base + 8),
            Color::Rgb(r, g, b) => return write!(f, "{};2;{r};{g};{b}", base + 8),
            Color::Black => 0,
            Color::Red => 1,
            Color::Green => 2,
            Color::Yellow => 3,
            Color::Blue => 4,
            Color::Magenta => 5,
            Color::Cyan => 6,
            Color::Gray => 7,
            Color::DarkGray => 60,
            Color::LightRed => 61,
            Color::LightGreen => 62,
            Color::LightYellow => 63,
            Color::LightBlue => 64,
            Color::LightMagenta => 65,
            Color::LightCyan => 66,
            Color::White => 67,
        };
        write!(f, "{}", base + named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pen(fg: Color, bg: Color, modifier: Modifier) -> Pen {
        Pen { fg, bg, modifier }
    }

    fn check(from: Pen, to: Pen, want: &str) {
        let mut out = Vec::new();
        from.change_to(to, &mut out);
        assert_eq!(String::from_utf8(out).unwrap().replace('\x1b', "^"), want);
    }

    #[test]
    fn only_what_changes_is_said() {
        const NONE: Modifier = Modifier::empty();
        let cyan = pen(Color::Cyan, Color::Reset, NONE);
        let bold_cyan = pen(Color::Cyan, Color::Reset, Modifier::BOLD);
        check(cyan, cyan, "");
        check(Pen::PLAIN, cyan, "^[36m");
        check(cyan, bold_cyan, "^[1m");
        check(bold_cyan, cyan, "^[22m");
        check(bold_cyan, Pen::PLAIN, "^[m");
        check(cyan, pen(Color::Indexed(75), Color::White, NONE), "^[38;5;75;107m");
        check(cyan, pen(Color::Rgb(1, 2, 3), Color::Reset, NONE), "^[38;2;1;2;3m");
    }

    #[test]
    fn bold_survives_when_dim_goes() {
        let both = pen(Color::Reset, Color::Reset, Modifier::BOLD | Modifier::DIM);
        check(both, pen(Color::Reset, Color::Reset, Modifier::BOLD), "^[0;1m");
    }

    #[test]
    fn a_reset_is_taken_where_it_is_shorter() {
        let rich = pen(Color::Red, Color::Blue, Modifier::REVERSED | Modifier::UNDERLINED);
        check(rich, pen(Color::Reset, Color::Reset, Modifier::BOLD), "^[0;1m");
    }
}
