//! Rates as columns of eighth blocks, the newest at the right.

/// `rows` lines of `columns` cells each, top down. The highest sample reaches the top.
pub fn columns<'a>(
    samples: impl DoubleEndedIterator<Item = &'a u64>,
    columns: usize,
    rows: usize,
) -> Vec<String> {
    let newest_first: Vec<u64> = samples.rev().take(columns).copied().collect();
    let peak = newest_first.iter().copied().max().unwrap_or(0).max(1);
    let eighths = rows as u128 * 8;
    // Something is never drawn as nothing.
    let height = |rate: &u64| match *rate {
        0 => 0,
        rate => (u128::from(rate) * eighths).div_ceil(u128::from(peak)) as usize,
    };
    let heights: Vec<usize> = newest_first.iter().rev().map(height).collect();
    let blank = " ".repeat(columns - heights.len());
    let line = |row: usize| {
        let below = (rows - 1 - row) * 8;
        let cell = |height: &usize| BLOCKS[height.saturating_sub(below).min(8)];
        blank.clone() + &heights.iter().map(cell).collect::<String>()
    };
    (0..rows).map(line).collect()
}

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_stand_at_the_right_and_reach_the_top() {
        let draw = |samples: &[u64], width, rows| columns(samples.iter(), width, rows);
        assert_eq!(draw(&[0, 4, 8], 5, 1), ["   ▄█"]);
        assert_eq!(draw(&[1, 4, 8], 3, 2), ["  █", "▂██"]);
        assert_eq!(draw(&[1, 1_000_000], 2, 1), ["▁█"]);
        assert_eq!(draw(&[5, 6, 7], 2, 1), ["▇█"]);
        assert_eq!(draw(&[], 2, 1), ["  "]);
        assert_eq!(draw(&[0, 0], 2, 2), ["  ", "  "]);
        assert_eq!(draw(&[u64::MAX], 1, 3), ["█", "█", "█"]);
    }
}
