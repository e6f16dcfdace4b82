//! The real program in a pseudo-terminal, and a VT parser that sees what a person would see.
//!
//! There is no thread: whoever waits reads what the program wrote. Nothing waits for luck: each wait
//! is for a condition, with a deadline that says what was missing and shows the screen.

use std::fs::{self, File};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, PtySize, native_pty_system};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, pidfd_getfd, pidfd_open,
};
use rustix::termios::{
    Action, ControlModes, InputModes, LocalModes, OutputModes, Winsize, tcflow, tcgetattr, tcsetwinsize,
};

use super::home::{Home, PROGRAM};

/// How long anything may take before the test fails; a loaded machine is no reason to.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How often what makes no noise is looked at.
const STEP: Duration = Duration::from_millis(20);

/// How long a program is watched that should do nothing.
const QUIET: Duration = Duration::from_millis(1_200);

/// A program in a terminal.
pub struct Pty {
    master: Option<OwnedFd>,
    /// The program's side of the terminal.
    tty: PathBuf,
    /// The line discipline before the program.
    found: Line,
    child: Box<dyn Child + Send + Sync>,
    parser: vt100::Parser<Heard>,
    /// All bytes the program wrote.
    pub bytes: Vec<u8>,
}

/// For what cannot be waited on: the time between two looks.
pub fn pause() {
    let step = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
    // Interrupted is as good as over.
    let _ = poll(&mut [], Some(&step));
}

/// A terminal that takes no bytes. Dropping it lets them flow.
pub struct Stalled(File);

impl Drop for Stalled {
    fn drop(&mut self) {
        // It may be gone with the program.
        let _ = tcflow(&self.0, Action::OOn);
    }
}

/// What a terminal was told that is no part of the grid.
#[derive(Default)]
pub struct Heard {
    pub titles: Vec<String>,
    pub clipboard: Vec<String>,
    pub bells: usize,
    /// Sequences that the parser does not know, as text.
    pub unknown: Vec<String>,
    /// Titles saved and not yet restored.
    pub saved_titles: i32,
}

/// The modes that a program must leave as it found them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    pub echo: bool,
    pub canonical: bool,
    pub alternate_screen: bool,
    pub cursor_hidden: bool,
    pub bracketed_paste: bool,
    pub mouse: bool,
    pub saved_titles: i32,
}

impl Modes {
    /// A shell's.
    pub const SHELL: Self = Self {
        echo: true,
        canonical: true,
        alternate_screen: false,
        cursor_hidden: false,
        bracketed_paste: false,
        mouse: false,
        saved_titles: 0,
    };
    /// The dashboard's.
    pub const DASHBOARD: Self = Self {
        echo: false,
        canonical: false,
        alternate_screen: true,
        cursor_hidden: true,
        bracketed_paste: true,
        mouse: false,
        saved_titles: 1,
    };
}

impl Pty {
    /// Starts the program with this home and size.
    pub fn start(home: &Home, args: &[&str], size: (u16, u16), env: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(args);
        Self::start_command(home, command, size, env)
    }

    /// Starts the program with SIGHUP ignored, as `nohup` does, and SIGCONT, which the kernel sends
    /// after it: only the terminal itself tells that it is gone.
    pub fn start_nohup(home: &Home, args: &[&str], size: (u16, u16)) -> Self {
        Self::start_shell(home, "trap '' HUP CONT; exec \"$@\"", args, size)
    }

    /// Starts a shell whose script has the program and its arguments in `"$@"`.
    pub fn start_shell(home: &Home, script: &str, args: &[&str], size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new("/bin/sh");
        command.args(["-c", script, "sh", PROGRAM]);
        command.args(args);
        Self::start_command(home, command, size, &[])
    }

    fn start_command(
        home: &Home,
        mut command: CommandBuilder,
        size: (u16, u16),
        env: &[(&str, &str)],
    ) -> Self {
        fs::create_dir_all(home.path("tmp")).expect("a folder");
        command.env_clear();
        home.environment().iter().for_each(|(key, value)| command.env(key, value));
        env.iter().for_each(|(key, value)| command.env(key, value));
        command.cwd(home.folder());
        let (cols, rows) = size;
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
            .expect("a pseudo-terminal");
        // A descriptor of our own: it can be polled, and closing it hangs the terminal up.
        let raw = pair.master.as_raw_fd().expect("a master has a descriptor");
        let ourselves = pidfd_open(getpid(), PidfdFlags::empty()).expect("a handle on this process");
        let master = pidfd_getfd(ourselves, raw, PidfdGetfdFlags::empty()).expect("the descriptor");
        let tty = pair.master.tty_name().expect("a terminal has a name");
        let found = line(&master);
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let parser = vt100::Parser::new_with_callbacks(cells(rows), cells(cols), 0, Heard::default());
        Self { master: Some(master), tty, found, child, parser, bytes: Vec::new() }
    }

    /// Types. `\x1b` is Esc, `\r` is Enter, `\x03` is Ctrl-C.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        let master = self.master.as_ref().expect("the terminal is open");
        rustix::io::write(master, keys.as_bytes()).expect("the terminal takes keys");
        self
    }

    /// Pastes, as a terminal does that was asked for bracketed paste.
    pub fn paste(&mut self, text: &str) -> &mut Self {
        self.keys(&format!("\x1b[200~{text}\x1b[201~"))
    }

    /// Gives the terminal another size, which the program is told by a signal.
    pub fn resize(&mut self, cols: u16, rows: u16) -> &mut Self {
        let master = self.master.as_ref().expect("the terminal is open");
        let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(master, size).expect("a terminal has a size");
        self.parser.set_size(cells(rows), cells(cols));
        self
    }

    /// Waits until the screen is as `condition` wants it.
    #[track_caller]
    pub fn wait(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) -> &mut Self {
        let deadline = Instant::now() + DEADLINE;
        while !condition(self) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                panic!("waited in vain for {what}; the screen:\n{}", self.text());
            };
            // In short steps: the modes of the line change without a byte.
            if !self.read(left.min(STEP)) {
                assert!(condition(self), "the program ended before {what}; the screen:\n{}", self.text());
                return self;
            }
        }
        self
    }

    /// Waits until this text is on the screen.
    #[track_caller]
    pub fn see(&mut self, text: &str) -> &mut Self {
        self.wait(text, |pty| pty.text().contains(text))
    }

    /// Waits until this text is not on the screen.
    #[track_caller]
    pub fn see_no(&mut self, text: &str) -> &mut Self {
        self.wait(&format!("the end of {text}"), |pty| !pty.text().contains(text))
    }

    /// Waits until the program has the terminal and shows something.
    #[track_caller]
    pub fn see_dashboard(&mut self) -> &mut Self {
        self.wait("a dashboard", |pty| pty.modes() == Modes::DASHBOARD && !pty.text().trim().is_empty())
    }

    /// Reads on for a while and returns how many bytes came; for a program that should do nothing.
    pub fn idle_bytes(&mut self) -> usize {
        let before = self.bytes.len();
        let end = Instant::now() + QUIET;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if !self.read(left) {
                break;
            }
        }
        self.bytes.len() - before
    }

    /// Feeds the parser with what came, at most once. False when nobody holds the terminal any more.
    fn read(&mut self, timeout: Duration) -> bool {
        let Some(master) = &self.master else { return false };
        let timeout = Timespec::try_from(timeout).expect("a deadline is short");
        let mut fds = [PollFd::new(master, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready == 0) {
            return true;
        }
        let mut buffer = [0; 16 << 10];
        // A master whose slaves are all closed reads as EIO.
        match rustix::io::read(master, &mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.bytes.extend_from_slice(&buffer[..count]);
                self.parser.process(&buffer[..count]);
                true
            }
        }
    }

    /// The grid as text, without the blanks at the ends of rows.
    pub fn text(&self) -> String {
        let (_, cols) = self.parser.screen().size();
        let rows = self.parser.screen().rows(0, cols.get());
        rows.map(|row| row.trim_end().to_owned() + "\n").collect()
    }

    /// The row that holds this text.
    pub fn row(&self, text: &str) -> Option<String> {
        self.text().lines().find(|row| row.contains(text)).map(str::to_owned)
    }

    /// What the terminal was told beside the grid.
    pub fn heard(&self) -> &Heard {
        self.parser.callbacks()
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// The modes as they are now.
    pub fn modes(&self) -> Modes {
        let local = self.master.as_ref().map(|master| line(master).3);
        let has = |mode| local.is_some_and(|local| local.contains(mode));
        let screen = self.parser.screen();
        Modes {
            echo: has(LocalModes::ECHO),
            canonical: has(LocalModes::ICANON),
            alternate_screen: screen.alternate_screen(),
            cursor_hidden: screen.hide_cursor(),
            bracketed_paste: screen.bracketed_paste(),
            mouse: screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None,
            saved_titles: self.heard().saved_titles,
        }
    }

    /// The program left the terminal as it found it, and told it nothing that no terminal knows.
    #[track_caller]
    pub fn assert_restored(&self) {
        assert_eq!(self.modes(), Modes::SHELL);
        assert_eq!(line(self.master.as_ref().expect("the terminal is open")), self.found);
        assert_eq!(self.heard().unknown, [""; 0]);
    }

    /// The terminal takes no more bytes until the returned file is dropped: a connection that hangs.
    pub fn stall(&self) -> Stalled {
        let flags = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
        let tty = File::options().read(true).write(true).custom_flags(flags).open(&self.tty);
        let tty = tty.expect("the terminal is there");
        tcflow(&tty, Action::OOff).expect("a terminal can be held");
        Stalled(tty)
    }

    /// Whether the program's main thread waits for the terminal to take bytes.
    pub fn is_stuck_writing(&self) -> bool {
        let path = format!("/proc/{}/syscall", self.pid().as_raw_nonzero());
        let now = fs::read_to_string(path).expect("the program is there");
        let mut words = now.split_whitespace();
        // The number of write(2) differs between machines, its descriptor and place do not.
        words.next() != Some("running") && words.next() == Some("0x1") && words.count() == 7
    }

    /// Closes the terminal, as a dropped connection does.
    pub fn close(&mut self) {
        self.master = None;
    }

    pub fn pid(&self) -> Pid {
        let pid = self.child.process_id().and_then(|pid| i32::try_from(pid).ok());
        Pid::from_raw(pid.expect("a started program has an id")).expect("ids are positive")
    }

    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        kill_process(self.pid(), signal).expect("the program is there");
        self
    }

    /// Waits for the end of the program and reads its last bytes.
    #[track_caller]
    pub fn wait_exit(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                while self.master.is_some() && self.read(Duration::ZERO) && self.has_more() {}
                return status;
            }
            assert!(Instant::now() < deadline, "the program did not end; the screen:\n{}", self.text());
            if !self.read(STEP) {
                pause();
            }
        }
    }

    /// Waits for the end of the program and returns its exit code.
    #[track_caller]
    pub fn exit_code(&mut self) -> u32 {
        let status = self.wait_exit(DEADLINE);
        assert_eq!(status.signal(), None, "the program was killed");
        status.exit_code()
    }

    /// Waits until the program was stopped by a signal.
    #[track_caller]
    pub fn wait_stopped(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while self.stat()[0] != "T" {
            assert!(Instant::now() < deadline, "the program was not stopped");
            self.read(STEP);
        }
    }

    fn has_more(&self) -> bool {
        let Some(master) = &self.master else { return false };
        let mut fds = [PollFd::new(master, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }

    /// CPU time that the program has used so far.
    pub fn cpu_time(&self) -> Duration {
        let fields = self.stat();
        let ticks: u64 = [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// What proc(5) says of the program, from its state on: utime and stime are at 11 and 12.
    fn stat(&self) -> Vec<String> {
        let path = format!("/proc/{}/stat", self.pid().as_raw_nonzero());
        let stat = fs::read_to_string(path).expect("the program is there");
        // The name before it may hold anything.
        let fields = stat.rsplit(')').next().expect("a tail");
        fields.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // A failed test leaves no program behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Input, output, control and local modes.
type Line = (InputModes, OutputModes, ControlModes, LocalModes);

fn line(terminal: &OwnedFd) -> Line {
    let modes = tcgetattr(terminal).expect("a terminal");
    (modes.input_modes, modes.output_modes, modes.control_modes, modes.local_modes)
}

/// The parser has no empty screens; the program's own size is the terminal's.
fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN)
}

impl vt100::Callbacks for Heard {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.bells += 1;
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.titles.push(String::from_utf8_lossy(title).into_owned());
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _ty: &[u8], data: &[u8]) {
        self.clipboard.push(String::from_utf8_lossy(data).into_owned());
    }

    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        i1: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        c: char,
    ) {
        match (c, params) {
            ('t', [[22], ..]) => self.saved_titles += 1,
            ('t', [[23], ..]) => self.saved_titles -= 1,
            _ => self.unknown.push(format!("CSI {i1:?} {params:?} {c}")),
        }
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, params: &[&[u8]]) {
        self.unknown.push(format!("OSC {params:?}"));
    }

    fn unhandled_escape(&mut self, _: &mut vt100::Screen, i1: Option<u8>, _: Option<u8>, b: u8) {
        // The end of a title or of the clipboard's text comes as a sequence of its own.
        if (i1, b) != (None, b'\\') {
            self.unknown.push(format!("ESC {i1:?} {b}"));
        }
    }
}
