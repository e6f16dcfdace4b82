//! A terminal's grid as a picture: SVG, and PNG by resvg with fonts from fixed files, so that it is
//! the same on every machine.

use std::fmt::Write as _;

use resvg::{tiny_skia, usvg};
use vt100::{Cell, Color, Screen};

/// Debian's `fonts-dejavu-core`, which `tests/support/install` installs.
const FONTS: [&str; 2] = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf",
];
const FAMILY: &str = "DejaVu Sans Mono";

/// A cell in units of the SVG. A whole number of them, so that backgrounds meet without a seam.
const WIDTH: f32 = 9.0;
const HEIGHT: f32 = 18.0;
/// The size at which the font advances by [`WIDTH`]: it advances by 1233 of 2048 units of its square.
const FONT_SIZE: f32 = WIDTH * 2048.0 / 1233.0;
/// From the top of a cell to the line the letters stand on: ascent and descent (1901 and 483 of 2048)
/// in the middle of [`HEIGHT`].
const BASELINE: f32 = (HEIGHT - FONT_SIZE * (1901.0 + 483.0) / 2048.0) / 2.0 + FONT_SIZE * 1901.0 / 2048.0;
/// Between the grid and the edge of the picture.
const MARGIN: f32 = 9.0;

type Rgb = [u8; 3];

const BACKGROUND: Rgb = [0x14, 0x18, 0x1f];
const FOREGROUND: Rgb = [0xd9, 0xde, 0xe6];

/// The first sixteen colours of a terminal.
const SIXTEEN: [Rgb; 16] = [
    [0x24, 0x29, 0x33],
    [0xe0, 0x5a, 0x6e],
    [0x8c, 0xc2, 0x65],
    [0xdb, 0xa8, 0x5a],
    [0x5a, 0x9c, 0xf0],
    [0xb9, 0x82, 0xe0],
    [0x4f, 0xb8, 0xc4],
    [0xc3, 0xc9, 0xd3],
    [0x5c, 0x64, 0x72],
    [0xff, 0x75, 0x97],
    [0xa9, 0xdd, 0x82],
    [0xf0, 0xc6, 0x74],
    [0x6c, 0xb6, 0xff],
    [0xd2, 0xa4, 0xf2],
    [0x73, 0xd4, 0xdf],
    [0xff, 0xff, 0xff],
];

/// The grid as PNG, `scale` pixels for a unit of the SVG.
pub fn png(screen: &Screen, scale: f32) -> Vec<u8> {
    let mut options = usvg::Options { font_family: FAMILY.to_owned(), ..usvg::Options::default() };
    for font in FONTS {
        let data = std::fs::read(font).unwrap_or_else(|error| {
            panic!("{font}: {error}; it is in Debian's fonts-dejavu-core (tests/support/install)")
        });
        options.fontdb_mut().load_font_data(data);
    }
    let tree = usvg::Tree::from_str(&svg(screen), &options).expect("the SVG is ours");
    let size = tree.size().to_int_size().scale_by(scale).expect("a picture has a size");
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).expect("a picture has a size");
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().expect("memory takes bytes")
}

/// Width and height of the SVG for so many columns and rows.
pub fn size((cols, rows): (u16, u16)) -> [f32; 2] {
    [f32::from(cols) * WIDTH + 2.0 * MARGIN, f32::from(rows) * HEIGHT + 2.0 * MARGIN]
}

/// The grid as SVG.
pub fn svg(screen: &Screen) -> String {
    let (rows, cols) = screen.size();
    let [width, height] = size((cols.get(), rows.get()));
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'>\
         <rect width='{width}' height='{height}' rx='8' fill='{}'/>\
         <g transform='translate({MARGIN} {MARGIN})' font-family='{FAMILY}' font-size='{FONT_SIZE}' \
         xml:space='preserve'>",
        hex(BACKGROUND)
    );
    for row in 0..rows.get() {
        let cells: Vec<_> = (0..cols.get()).filter_map(|col| Some((col, screen.cell(row, col)?))).collect();
        let top = f32::from(row) * HEIGHT;
        for run in cells.chunk_by(|(_, a), (_, b)| look(a) == look(b)) {
            draw_run(&mut svg, run, top);
        }
    }
    svg + "</g></svg>"
}

/// How a cell is painted.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    text: Rgb,
    behind: Rgb,
    bold: bool,
    italic: bool,
    underline: bool,
}

fn look(cell: &Cell) -> Look {
    let mut text = rgb(cell.fgcolor()).unwrap_or(FOREGROUND);
    let mut behind = rgb(cell.bgcolor()).unwrap_or(BACKGROUND);
    if cell.inverse() {
        std::mem::swap(&mut text, &mut behind);
    }
    if cell.dim() {
        text = mix(text, behind, 0.6);
    }
    Look { text, behind, bold: cell.bold(), italic: cell.italic(), underline: cell.underline() }
}

/// Cells of one look, side by side in one row.
fn draw_run(svg: &mut String, run: &[(u16, &Cell)], top: f32) {
    let Some((first, cell)) = run.first() else { return };
    let look = look(cell);
    let left = f32::from(*first) * WIDTH;
    let width = run.len() as f32 * WIDTH;
    if look.behind != BACKGROUND {
        rect(svg, [left, top, width, HEIGHT], look.behind);
    }
    if look.underline {
        rect(svg, [left, top + BASELINE + 2.0, width, 1.0], look.text);
    }
    // Blank and drawn cells end a text, so that each begins where its cell does.
    let letters = |(_, cell): &(u16, &Cell)| !cell.contents().trim().is_empty() && sign(cell).is_none();
    for part in run.chunk_by(|a, b| letters(a) && letters(b)) {
        let left = f32::from(part[0].0) * WIDTH;
        if let Some(c) = sign(part[0].1) {
            draw_sign(svg, c, left, top, look);
        } else if letters(&part[0]) {
            let text: String = part.iter().map(|(_, cell)| cell.contents()).collect();
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            let weight = if look.bold { " font-weight='bold'" } else { "" };
            let style = if look.italic { " font-style='italic'" } else { "" };
            let [y, fill] = [(top + BASELINE).to_string(), hex(look.text)];
            _ = write!(svg, "<text x='{left}' y='{y}' fill='{fill}'{weight}{style}>{text}</text>");
        }
    }
}

/// The sign of a cell that is drawn here and not by the font, whose lines would not meet between rows.
fn sign(cell: &Cell) -> Option<char> {
    cell.contents().chars().next().filter(|c| matches!(c, '─'..='╿' | '▀'..='▐' | '░'..='▓'))
}

/// Lines, blocks and shades as rectangles that fill their cell to its edges.
fn draw_sign(svg: &mut String, c: char, left: f32, top: f32, look: Look) {
    let code = c as u32;
    // Eighths of a cell, from 1 to 7.
    let eighths = |first: char| (code - first as u32 + 1) as f32 / 8.0;
    let mut fill = |[x, y, w, h]: [f32; 4], colour| {
        rect(svg, [left + x * WIDTH, top + y * HEIGHT, w * WIDTH, h * HEIGHT], colour);
    };
    match c {
        '█' => fill([0.0, 0.0, 1.0, 1.0], look.text),
        '▀' => fill([0.0, 0.0, 1.0, 0.5], look.text),
        '▐' => fill([0.5, 0.0, 0.5, 1.0], look.text),
        '▁'..='▇' => fill([0.0, 1.0 - eighths('▁'), 1.0, eighths('▁')], look.text),
        '▉'..='▏' => fill([0.0, 0.0, 1.125 - eighths('█'), 1.0], look.text),
        '░'..='▓' => {
            fill([0.0, 0.0, 1.0, 1.0], mix(look.text, look.behind, (code - '░' as u32 + 1) as f32 / 4.0));
        }
        _ => {
            let [x, y] = [left + (WIDTH - 1.0) / 2.0, top + (HEIGHT - 1.0) / 2.0];
            let [right, bottom] = [left + WIDTH - x, top + HEIGHT - y];
            let [up, right_arm, down, left_arm] = arms(c);
            let lines = [
                (up, [x, top, 1.0, y + 1.0 - top]),
                (right_arm, [x, y, right, 1.0]),
                (down, [x, y, 1.0, bottom]),
                (left_arm, [left, y, x + 1.0 - left, 1.0]),
            ];
            lines.into_iter().filter(|(has, _)| *has).for_each(|(_, area)| rect(svg, area, look.text));
        }
    }
}

/// Where the lines of a box character lead: up, right, down, left.
fn arms(c: char) -> [bool; 4] {
    let leads = |those: &str| those.contains(c);
    let arms = [leads("│└┘├┤┴┼"), leads("─┌└├┬┴┼"), leads("│┌┐├┤┬┼"), leads("─┐┘┤┬┴┼")];
    assert!(arms.contains(&true), "{c} is new on the screen: say here how it is drawn");
    arms
}

fn rect(svg: &mut String, [x, y, w, h]: [f32; 4], fill: Rgb) {
    let fill = hex(fill);
    _ = write!(
        svg,
        "<rect x='{x}' y='{y}' width='{w}' height='{h}' fill='{fill}' shape-rendering='crispEdges'/>"
    );
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// `part` of one colour, the rest of another.
fn mix(one: Rgb, other: Rgb, part: f32) -> Rgb {
    std::array::from_fn(|i| (f32::from(one[i]) * part + f32::from(other[i]) * (1.0 - part)).round() as u8)
}

/// A colour of the terminal; none: the default.
fn rgb(color: Color) -> Option<Rgb> {
    match color {
        Color::Default => None,
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Idx(index @ ..16) => Some(SIXTEEN[usize::from(index)]),
        // A cube of six levels, then 24 greys, as xterm has them.
        Color::Idx(index @ 16..232) => {
            let cube = index - 16;
            Some(
                [cube / 36, cube / 6 % 6, cube % 6].map(|level| if level == 0 { 0 } else { 55 + 40 * level }),
            )
        }
        Color::Idx(index) => Some([8 + 10 * (index - 232); 3]),
    }
}

#[test]
fn cells_are_drawn_where_they_stand() {
    let mut parser = vt100::Parser::default();
    parser.process("\x1b[38;5;208mab\x1b[0m \x1b[7m&\x1b[0m│█".as_bytes());
    let svg = svg(parser.screen());
    let has = |want: &str| assert!(svg.contains(want), "{want} in {svg}");
    has(&format!("<text x='0' y='{}' fill='#ff8700'>ab</text>", BASELINE));
    has(&format!("<rect x='27' y='0' width='9' height='18' fill='{}'", hex(FOREGROUND)));
    has(&format!("fill='{}'>&amp;</text>", hex(BACKGROUND)));
    has("<rect x='40' y='8.5' width='1' height='9.5'");
    has("<rect x='45' y='0' width='9' height='18'");
}
