//! What becomes of lines, from whichever thread they come and wherever they are printed.

use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};

impl Destination for io::Sink {}

/// Keeps what is printed to it.
#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Sheet {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("unpoisoned").clone()).expect("UTF-8")
    }
}

impl Destination for Sheet {}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says that it is written to, and is stuck until it may go on; then it prints to a sheet.
struct Stuck {
    begun: Sender<()>,
    go_on: Receiver<()>,
    sheet: Sheet,
}

impl Destination for Stuck {}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // No message is sent, and nothing is waited for, once the test has let go.
        let _ = self.begun.send(());
        let _ = self.go_on.recv();
        self.sheet.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Like a closed pipe.
struct Broken;

impl Destination for Broken {}

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Comes to an end in any case, so that a test fails instead of hanging.
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn lines_of_many_writers_stay_whole_and_each_writers_in_order() {
    const LINES: usize = 5000;
    let sheet = Sheet::default();
    let (log, printer) = LogWriter::start_with(io::sink(), sheet.clone()).expect("starts");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let log = log.clone();
            scope.spawn(move || {
                for number in 0..LINES {
                    log.access(format!("{writer} {number} end").as_bytes());
                }
            });
        }
    });
    printer.finish();
    let (text, mut next) = (sheet.text(), [0; 4]);
    for line in text.lines() {
        let (writer, rest) = line.split_once(' ').expect("a whole line");
        let next = &mut next[writer.parse::<usize>().expect("a number")];
        assert_eq!(rest, format!("{next} end"));
        *next += 1;
    }
    assert_eq!(next, [LINES; 4]);
}

#[test]
fn a_line_is_printed_soon_after_a_silence_and_while_others_are() {
    let sheet = Sheet::default();
    let (log, printer) = LogWriter::start_with(io::sink(), sheet.clone()).expect("starts");
    for lines in 1..=3 {
        log.access(b"alone");
        wait_until(|| sheet.text().lines().count() == lines);
        // Longer than the pause, so the printer sleeps again; after the last it may not.
        std::thread::sleep(if lines < 2 { PAUSE * 5 } else { Duration::ZERO });
    }
    printer.finish();
}

#[test]
fn stories_and_access_lines_go_their_own_ways_in_order() {
    let (stderr, sheet) = (Sheet::default(), Sheet::default());
    let (mut log, printer) = LogWriter::start_with(stderr.clone(), sheet.clone()).expect("starts");
    for (story, line) in [("a\n", "1"), ("b\n  c\n", "2\n"), ("d", "3")] {
        assert_eq!(log.write(story.as_bytes()).expect("queued"), story.len());
        log.access(line.as_bytes());
    }
    printer.finish();
    assert_eq!(stderr.text(), "a\nb\n  c\nd\n");
    assert_eq!(sheet.text(), "1\n2\n3\n");
}

#[test]
fn what_finds_no_room_while_printing_is_stuck_is_counted_and_the_rest_is_whole() {
    let (stderr, sheet) = (Sheet::default(), Sheet::default());
    let ((begun, begins), (go, go_on)) = (channel(), channel());
    let stuck = Stuck {
        begun,
        go_on,
        sheet: sheet.clone(),
    };
    let (log, printer) = LogWriter::start_with(stderr.clone(), stuck).expect("starts");
    log.access(b"first");
    begins.recv().expect("it is being printed");
    let (line, fit) = ([b'x'; 1023], QUEUED_BYTES / 1024);
    for _ in 0..fit + 7 {
        log.access(&line);
    }
    assert_eq!(log.shared.queue().batch.len(), QUEUED_BYTES);
    drop(go);
    printer.finish();
    let text = sheet.text();
    assert_eq!(text.lines().count(), 1 + fit);
    assert!(text.lines().skip(1).all(|kept| kept.as_bytes() == line));
    assert_eq!(stderr.text(), "Log lines lost: 7\n");
}

#[test]
fn lines_that_cannot_be_printed_are_counted_one_by_one() {
    let stderr = Sheet::default();
    let (log, printer) = LogWriter::start_with(stderr.clone(), Broken).expect("starts");
    for _ in 0..5 {
        log.access(b"in vain");
    }
    printer.finish();
    let text = stderr.text();
    let lost = text.lines().map(|line| {
        let count = line.strip_prefix("Log lines lost: ").expect("nothing else");
        count.parse::<u64>().expect("a number")
    });
    assert_eq!(lost.sum::<u64>(), 5, "{text}");
}

/// Like a disk that is full for a while: has room for so many bytes, then for none until there is
/// room again.
#[derive(Clone)]
struct Disk {
    sheet: Sheet,
    room: Arc<Mutex<usize>>,
}

impl Destination for Disk {}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.room.lock().expect("unpoisoned");
        let count = bytes.len().min(*room);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *room -= count;
        self.sheet.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn behind_a_line_that_was_cut_by_a_full_disk_the_next_one_begins_on_its_own() {
    let (stderr, sheet) = (Sheet::default(), Sheet::default());
    let room = Arc::new(Mutex::new(25));
    let disk = Disk {
        sheet: sheet.clone(),
        room: Arc::clone(&room),
    };
    let (log, printer) = LogWriter::start_with(stderr.clone(), disk).expect("starts");
    for number in 1..=4 {
        log.access(format!("line {number} end").as_bytes());
    }
    let said = |lost: &str| stderr.text().contains(lost);
    wait_until(|| said("Log lines lost: 2\n"));
    assert_eq!(sheet.text(), "line 1 end\nline 2 end\nlin");
    log.access(b"in vain");
    wait_until(|| said("Log lines lost: 1\n"));
    *room.lock().expect("unpoisoned") = 1000;
    log.access(b"line 5 end");
    printer.finish();
    let text = "line 1 end\nline 2 end\nlin\nline 5 end\n";
    assert_eq!(sheet.text(), text);
}

#[test]
fn a_stuck_end_does_not_hold_up_the_stop() {
    let ((begun, begins), (go, go_on)) = (channel(), channel());
    let stuck = Stuck {
        begun,
        go_on,
        sheet: Sheet::default(),
    };
    let (log, printer) = LogWriter::start_with(io::sink(), stuck).expect("starts");
    log.access(b"first");
    begins.recv().expect("it is being printed");
    let began = Instant::now();
    printer.finish();
    assert!(began.elapsed() < FLUSH_TIMEOUT * 3);
    drop(go);
}

#[test]
fn a_line_that_is_too_long_is_cut() {
    let sheet = Sheet::default();
    let (log, printer) = LogWriter::start_with(io::sink(), sheet.clone()).expect("starts");
    log.access(&[b'x'; 3 * MAX_LINE_BYTES]);
    printer.finish();
    assert_eq!(sheet.text(), format!("{}\n", "x".repeat(MAX_LINE_BYTES)));
    let mut batch = Batch::default();
    let odd = format!("x{}", "\u{e9}".repeat(MAX_LINE_BYTES));
    assert!(batch.add(Outlet::Requests, odd.as_bytes(), QUEUED_BYTES));
    assert_eq!(batch.len(), MAX_LINE_BYTES);
}

#[test]
fn a_long_queue_leaves_no_large_storage_behind() {
    let mut batch = Batch::default();
    while batch.add(Outlet::Requests, &[b'x'; 1000], QUEUED_BYTES) {}
    batch.clear();
    assert_eq!(batch.len(), 0);
    assert!(batch.storage_bytes() <= batch::KEPT_BYTES);
}
