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
    /// Not known: hues of middle lightness that can be read on both, and nothing is painted behind.
    Unknown,
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

    /// Chooses by wish and environment. The sixteen colours of a terminal are anything, and none of
    /// them is safe on both dark and light: with an unknown background they are not used.
    pub fn choose(wish: Wish, environment: &Environment) -> Self {
        let no_color = wish == Wish::Auto && !environment.no_color.is_empty();
        let background = match wish {
            Wish::Dark => Background::Dark,
            Wish::Light => Background::Light,
            Wish::Auto | Wish::Mono => background(&environment.colorfgbg).unwrap_or(Background::Unknown),
        };
        let depth = depth(environment);
        let few = depth == Depth::Ansi16 && background == Background::Unknown;
        if wish == Wish::Mono || no_color || few { Self::MONO } else { Self::new(depth, background) }
    }

    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        let attributes = attributes(self.depth, self.background, role);
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
fn attributes(depth: Depth, background: Background, role: Role) -> Style {
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
        // One bar: reversed, each hue would be a ground of its own.
        Role::Sel if few || background == Background::Unknown => style
            .fg(Color::Reset)
            .remove_modifier(Modifier::BOLD | Modifier::DIM)
            .add_modifier(Modifier::REVERSED),
        Role::Sel => style,
        Role::Input => style.add_modifier(Modifier::UNDERLINED),
    }
}

/// 24-bit hue and its fixed twin of the 256, on dark and on light.
const fn hue(role: Role, background: Background) -> Option<(u32, u8)> {
    if matches!(background, Background::Unknown) {
        return match role {
            Role::Dim | Role::Rule => Some((0x0080_8080, 244)),
            Role::Key | Role::Down => Some((0x0000_87d7, 32)),
            Role::Up | Role::Warn | Role::Mark => Some((0x00af_8700, 136)),
            Role::Err => Some((0x00ff_005f, 197)),
            Role::Sel | Role::Text | Role::Title | Role::Tab | Role::Input => None,
        };
    }
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
        Background::Dark | Background::Unknown => dark,
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
        Background::Unknown => return None,
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
        check("xterm-256color", "", "", "", Theme::new(Depth::Ansi256, Background::Unknown));
        check("linux", "", "", "", Theme::MONO);
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

    /// Contrast as WCAG 2 defines it, for colours as `0xrrggbb`.
    fn contrast(a: u32, b: u32) -> f64 {
        let light = |colour: u32| {
            let [_, r, g, b] = colour.to_be_bytes().map(|part| {
                let part = f64::from(part) / 255.0;
                if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (light(a), light(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_hue_can_be_read() {
        // xterm, common editors, Solarized, Gruvbox, Catppuccin, Tango.
        const DARKS: [u32; 5] = [0x0, 0x001e_1e1e, 0x0000_2b36, 0x0028_2828, 0x002e_3436];
        const LIGHTS: [u32; 4] = [0x00ff_ffff, 0x00fd_f6e3, 0x00fb_f1c7, 0x00ef_f1f5];
        let hues = [Role::Dim, Role::Key, Role::Up, Role::Err];
        for role in hues {
            let least = |background, behind: &[u32]| {
                let (rgb, _) = hue(role, background).expect("it has a hue");
                behind.iter().map(|behind| contrast(rgb, *behind)).fold(f64::MAX, f64::min)
            };
            assert!(least(Background::Dark, &DARKS) >= 4.3, "{role:?} on dark");
            assert!(least(Background::Light, &LIGHTS) >= 5.0, "{role:?} on light");
            // What must serve both reaches what is asked of large text and signs.
            assert!(least(Background::Unknown, &[DARKS.as_slice(), &LIGHTS].concat()) >= 2.9, "{role:?}");
        }
    }
}
