//! Roles of colour: the only place that knows colours. Three hues, each doubled by a glyph or a word.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything else.
    Text,
    /// Labels, sizes, paused rows.
    Dim,
    /// Lines.
    Rule,
    /// Titles.
    Title,
    /// The open tab.
    Tab,
    /// Keys in hints.
    Key,
    /// What comes in: arrows, rates, bars.
    Down,
    /// What goes out.
    Up,
    /// Warnings, checking.
    Warn,
    /// Errors, deletion.
    Err,
    /// Marks.
    Mark,
    /// The row of the cursor.
    Sel,
    /// Fields that are typed into.
    Input,
}

/// Which table of colours is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// No colour: attributes only.
    #[default]
    Mono,
    /// The terminal's sixteen.
    Ansi16,
    /// The fixed 256.
    Ansi256,
    /// 24 bit.
    True,
}

/// The terminal's background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Light text on dark.
    Dark,
    /// Dark text on light.
    Light,
}

/// What a person asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// As the environment tells.
    #[default]
    Auto,
    /// For dark backgrounds.
    Dark,
    /// For light backgrounds.
    Light,
    /// No colour.
    Mono,
}

/// The colours in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    depth: Depth,
    background: Background,
}

/// The environment values that tell about colours, as they are.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `TERM`
    pub term: String,
    /// `COLORTERM`
    pub colorterm: String,
    /// `NO_COLOR`
    pub no_color: String,
    /// `COLORFGBG`, as `15;0`.
    pub colorfgbg: String,
}

impl Theme {
    /// Attributes only.
    pub const MONO: Self = Self { depth: Depth::Mono, background: Background::Dark };

    /// These colours.
    pub const fn new(depth: Depth, background: Background) -> Self {
        Self { depth, background }
    }

    /// Chooses by wish and environment. Without a known background there is no hue that is safe on
    /// both, so there is none.
    pub fn choose(wish: Wish, environment: &Environment) -> Self {
        let no_color = wish == Wish::Auto && !environment.no_color.is_empty();
        let background = match wish {
            Wish::Dark => Some(Background::Dark),
            Wish::Light => Some(Background::Light),
            Wish::Auto | Wish::Mono => background(&environment.colorfgbg),
        };
        match background {
            Some(background) if wish != Wish::Mono && !no_color => Self::new(depth(environment), background),
            _ => Self::MONO,
        }
    }

    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        let attributes = attributes(self.depth, role);
        match self.depth {
            Depth::Mono => attributes,
            Depth::Ansi16 => {
                let colour = ansi16(role, self.background);
                colour.map_or(attributes, |index| attributes.fg(Color::Indexed(index)))
            }
            Depth::Ansi256 | Depth::True => {
                let Some((rgb, index)) = hue(role, self.background) else { return attributes };
                let [_, r, g, b] = rgb.to_be_bytes();
                let colour =
                    if self.depth == Depth::True { Color::Rgb(r, g, b) } else { Color::Indexed(index) };
                if role == Role::Sel { attributes.bg(colour) } else { attributes.fg(colour) }
            }
        }
    }
}

fn depth(environment: &Environment) -> Depth {
    let term = environment.term.as_str();
    if matches!(environment.colorterm.as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
        Depth::True
    } else if term.contains("256color") {
        Depth::Ansi256
    } else if term.is_empty() || term == "dumb" || term.starts_with("vt") {
        Depth::Mono
    } else {
        Depth::Ansi16
    }
}

/// The last number of `COLORFGBG` is the background: 7 and from 9 up are light, as rxvt has them.
fn background(colorfgbg: &str) -> Option<Background> {
    let index: u8 = colorfgbg.rsplit(';').next()?.parse().ok()?;
    Some(if index == 7 || index >= 9 { Background::Light } else { Background::Dark })
}

/// Attributes carry the meaning where colour does not, and stay where it does.
fn attributes(depth: Depth, role: Role) -> Style {
    let mono = depth == Depth::Mono;
    let few = mono || depth == Depth::Ansi16;
    let style = Style::default();
    match role {
        Role::Text | Role::Down | Role::Up => style,
        Role::Dim | Role::Rule if few => style.add_modifier(Modifier::DIM),
        Role::Dim | Role::Rule => style,
        Role::Title | Role::Warn | Role::Mark => style.add_modifier(Modifier::BOLD),
        Role::Tab if mono => style.add_modifier(Modifier::REVERSED),
        Role::Tab => style.add_modifier(Modifier::BOLD),
        Role::Key if mono => style.add_modifier(Modifier::BOLD),
        Role::Key => style,
        Role::Err if mono => style.add_modifier(Modifier::BOLD | Modifier::REVERSED),
        Role::Err => style.add_modifier(Modifier::BOLD),
        Role::Sel if few => style.add_modifier(Modifier::REVERSED),
        Role::Sel => style,
        Role::Input => style.add_modifier(Modifier::UNDERLINED),
    }
}

/// 24-bit hue and its fixed twin of the 256, on dark and on light.
const fn hue(role: Role, background: Background) -> Option<(u32, u8)> {
    let (dark, light) = match role {
        Role::Dim => ((0x0090_98a4, 247), (0x005a_616b, 241)),
        Role::Rule => ((0x004a_515c, 239), (0x00b4_bac3, 250)),
        Role::Key | Role::Down => ((0x006c_b6ff, 75), (0x000a_5cab, 25)),
        Role::Up | Role::Warn | Role::Mark => ((0x00db_a85a, 179), (0x007d_4a00, 94)),
        Role::Err => ((0x00ff_7597, 210), (0x00b0_135e, 125)),
        Role::Sel => ((0x002c_3440, 237), (0x00d6_e4f5, 189)),
        Role::Text | Role::Title | Role::Tab | Role::Input => return None,
    };
    Some(match background {
        Background::Dark => dark,
        Background::Light => light,
    })
}

const fn ansi16(role: Role, background: Background) -> Option<u8> {
    let (dark, light) = match role {
        Role::Key | Role::Down => (6, 4),
        Role::Up | Role::Warn | Role::Mark => (3, 5),
        Role::Err => (9, 1),
        _ => return None,
    };
    Some(match background {
        Background::Dark => dark,
        Background::Light => light,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(term: &str, colorterm: &str, no_color: &str, colorfgbg: &str, want: Theme) {
        let environment = Environment {
            term: term.into(),
            colorterm: colorterm.into(),
            no_color: no_color.into(),
            colorfgbg: colorfgbg.into(),
        };
        assert_eq!(Theme::choose(Wish::Auto, &environment), want, "{environment:?}");
    }

    #[test]
    fn colours_follow_the_environment() {
        let dark = |depth| Theme::new(depth, Background::Dark);
        check("xterm-256color", "truecolor", "", "15;0", dark(Depth::True));
        check("xterm-256color", "", "", "15;0", dark(Depth::Ansi256));
        check("screen", "", "", "15;default;0", dark(Depth::Ansi16));
        check("xterm-256color", "", "", "0;15", Theme::new(Depth::Ansi256, Background::Light));
        check("xterm-256color", "truecolor", "1", "15;0", Theme::MONO);
        check("xterm-256color", "", "", "", Theme::MONO);
        check("vt220", "", "", "15;0", Theme::MONO);
        let asked = Environment { term: "xterm-256color".into(), no_color: "1".into(), ..Default::default() };
        assert_eq!(Theme::choose(Wish::Dark, &asked), dark(Depth::Ansi256), "a wish beats NO_COLOR");
    }

    #[test]
    fn without_colour_what_matters_still_stands_out() {
        let plain = Theme::MONO.style(Role::Text);
        for role in [Role::Warn, Role::Err, Role::Mark, Role::Sel, Role::Key, Role::Tab, Role::Input] {
            assert_ne!(Theme::MONO.style(role), plain, "{role:?}");
        }
    }
}
