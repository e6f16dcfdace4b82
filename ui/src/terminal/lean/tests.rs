//! A VT parser is the judge: the bytes of many frames must show what the frames hold.

use std::num::NonZeroU16;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::*;

const SIZE: Size = Size { width: 24, height: 5 };

/// One text put on a frame.
type Put = (u16, u16, &'static str, Style);

fn parser() -> vt100::Parser {
    let cells = |n| NonZeroU16::new(n).unwrap();
    vt100::Parser::new(cells(SIZE.height), cells(SIZE.width), 0)
}

fn terminal() -> Terminal<Lean<Vec<u8>>> {
    Terminal::new(Lean::new(Vec::new(), SIZE)).unwrap()
}

/// Draws one frame and returns its bytes.
fn draw(terminal: &mut Terminal<Lean<Vec<u8>>>, puts: &[Put]) -> Vec<u8> {
    terminal
        .draw(|frame| {
            let area = Rect::from((Position::ORIGIN, SIZE));
            for (x, y, text, style) in puts {
                if *x < area.width && *y < area.height {
                    frame.buffer_mut().set_string(*x, *y, text, *style);
                }
            }
        })
        .unwrap();
    std::mem::take(&mut terminal.backend_mut().sink)
}

/// What a terminal shows of a colour; the crate keeps the named ones as indices.
fn shown(color: Color) -> vt100::Color {
    match color {
        Color::Cyan => vt100::Color::Idx(6),
        Color::DarkGray => vt100::Color::Idx(8),
        Color::Indexed(index) => vt100::Color::Idx(index),
        Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
        _ => vt100::Color::Default,
    }
}

fn assert_shows(parser: &vt100::Parser, puts: &[Put]) {
    let mut want = terminal();
    draw(&mut want, &[]);
    let mut cells = Vec::new();
    want.draw(|frame| {
        for (x, y, text, style) in puts {
            frame.buffer_mut().set_string(*x, *y, text, *style);
        }
        cells.clone_from(&frame.buffer_mut().content);
    })
    .unwrap();
    let mut skip = 0;
    for (index, cell) in cells.iter().enumerate() {
        let (y, x) = (index / usize::from(SIZE.width), index % usize::from(SIZE.width));
        if std::mem::take(&mut skip) > 0 {
            continue;
        }
        skip = usize::from(cell.symbol().width() > 1);
        let got = parser.screen().cell(y as u16, x as u16).unwrap();
        let text = if got.has_contents() { got.contents() } else { " " };
        assert_eq!(text, cell.symbol(), "at {x},{y}");
        let blank = cell.symbol() == " ";
        assert_eq!(got.bgcolor(), shown(cell.bg), "ground at {x},{y}");
        assert_eq!(got.inverse(), cell.modifier.contains(Modifier::REVERSED), "reverse at {x},{y}");
        assert_eq!(got.underline(), cell.modifier.contains(Modifier::UNDERLINED), "underline at {x},{y}");
        if !blank {
            assert_eq!(got.fgcolor(), shown(cell.fg), "colour at {x},{y}");
            // Of bold and dim together the parser keeps the later one.
            let intensity = cell.modifier & (Modifier::BOLD | Modifier::DIM);
            if intensity != Modifier::BOLD | Modifier::DIM {
                assert_eq!(got.bold(), intensity == Modifier::BOLD, "bold at {x},{y}");
                assert_eq!(got.dim(), intensity == Modifier::DIM, "dim at {x},{y}");
            }
        }
    }
}

#[test]
fn an_unchanged_frame_is_no_byte() {
    let mut terminal = terminal();
    let frame = [(0, 0, "tc-tui", Style::new().bold()), (3, 4, "idle", Style::new().fg(Color::Cyan))];
    assert!(!draw(&mut terminal, &frame).is_empty());
    assert_eq!(draw(&mut terminal, &frame), b"");
}

#[test]
fn a_shown_cursor_is_not_shown_again() {
    let mut terminal = terminal();
    let mut bytes = || {
        terminal.draw(|frame| frame.set_cursor_position((2, 1))).unwrap();
        std::mem::take(&mut terminal.backend_mut().sink)
    };
    assert_eq!(bytes(), b"\x1b[?25h\x1b[2;3H");
    assert_eq!(bytes(), b"");
}

#[test]
fn the_rest_of_a_row_is_erased_not_printed() {
    let mut terminal = terminal();
    draw(&mut terminal, &[(0, 0, "all of a row of letters", Style::new())]);
    let bytes = draw(&mut terminal, &[(0, 0, "all", Style::new())]);
    assert!(bytes.ends_with(b"\x1b[K") && bytes.len() <= 12, "{:?}", String::from_utf8_lossy(&bytes));
}

#[test]
fn a_gap_between_words_is_erased_not_printed() {
    let mut terminal = terminal();
    draw(&mut terminal, &[(0, 0, "from the one end to here", Style::new().reversed())]);
    let bytes = draw(&mut terminal, &[(0, 0, "from", Style::new()), (20, 0, "here", Style::new())]);
    assert_eq!(String::from_utf8_lossy(&bytes), "\r\x1b[mfrom\x1b[16X\x1b[16Chere");
}

#[test]
fn a_number_that_ticks_costs_a_move_and_its_digits() {
    let mut terminal = terminal();
    draw(&mut terminal, &[(10, 2, "24.6 M", Style::new())]);
    let bytes = draw(&mut terminal, &[(10, 2, "24.7 M", Style::new())]);
    assert!(bytes.len() <= 8, "{:?}", String::from_utf8_lossy(&bytes));
}

#[test]
fn blanks_between_words_are_no_reason_to_change_pens() {
    let mut terminal = terminal();
    let dim = Style::new().dim();
    let bytes =
        draw(&mut terminal, &[(0, 0, "one", dim), (3, 0, "  ", Style::new().bold()), (5, 0, "two", dim)]);
    assert!(String::from_utf8(bytes).unwrap().ends_with("\x1b[2mone  two"));
}

#[test]
fn a_smaller_screen_is_painted_anew() {
    let mut terminal = terminal();
    draw(&mut terminal, &[(0, 0, "wide", Style::new())]);
    terminal.backend_mut().resize(Size::new(1, 1));
    terminal.draw(|frame| assert_eq!(frame.area(), Rect::new(0, 0, 1, 1))).unwrap();
}

fn styles() -> impl Strategy<Value = Style> {
    let colors = prop::sample::select(vec![
        Color::Reset,
        Color::Cyan,
        Color::DarkGray,
        Color::Indexed(75),
        Color::Rgb(1, 20, 255),
    ]);
    let modifiers = prop::sample::select(vec![
        Modifier::empty(),
        Modifier::BOLD,
        Modifier::DIM,
        Modifier::REVERSED,
        Modifier::UNDERLINED | Modifier::BOLD,
    ]);
    (colors.clone(), colors, modifiers)
        .prop_map(|(fg, bg, modifier)| Style::new().fg(fg).bg(bg).add_modifier(modifier))
}

fn frames() -> impl Strategy<Value = Vec<Vec<Put>>> {
    let texts = prop::sample::select(vec![
        "a",
        "  ",
        "rate",
        "日本",
        "é",
        "█▌",
        "        ",
        "ABCDEFGHIJKLMNOPQRSTUVWX",
    ]);
    let put = (0..SIZE.width, 0..SIZE.height, texts, styles());
    prop::collection::vec(prop::collection::vec(put, 0..12), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_terminal_shows_what_the_frames_hold(frames in frames()) {
        let (mut terminal, mut parser) = (terminal(), parser());
        for puts in &frames {
            parser.process(&draw(&mut terminal, puts));
            assert_shows(&parser, puts);
        }
    }
}
