//! The contact sheet in a real browser: does it show the photos, upright, on a desk and on a phone, by day and by night?

mod support;

use std::path::Path;
use std::process::Command;

use image::RgbImage;
use support::Place;

/// A screenshot of the archive's sheet; `None` without Chromium.
fn screenshot(place: &Place, width: u32, height: u32, dark: bool) -> Option<RgbImage> {
    let chromium = support::tool(&["chromium", "chromium-browser", "google-chrome"])?;
    let picture = place.path("sheet.png");
    let mut command = Command::new(chromium);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--hide-scrollbars",
    ]);
    command.arg(format!("--user-data-dir={}", place.path("profile").display()));
    command.arg(format!("--window-size={width},{height}"));
    // 0 is dark, 1 is light.
    command.arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)));
    command.arg(format!("--screenshot={}", picture.display()));
    command.arg(format!("file://{}", place.archive().join("index.html").display()));
    let output = command.output().expect("chromium starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(load(&picture))
}

fn load(path: &Path) -> RgbImage {
    image::open(path).expect("a screenshot").into_rgb8()
}

/// Where pixels of a colour are: their number and their mean place.
fn find(picture: &RgbImage, like: impl Fn([u8; 3]) -> bool) -> (usize, f64, f64) {
    let found: Vec<_> = picture.enumerate_pixels().filter(|(_, _, pixel)| like(pixel.0)).collect();
    let mean = |sum: u64| sum as f64 / found.len().max(1) as f64;
    let x = found.iter().map(|(x, _, _)| u64::from(*x)).sum();
    let y = found.iter().map(|(_, y, _)| u64::from(*y)).sum();
    (found.len(), mean(x), mean(y))
}

fn is_wound([r, g, b]: [u8; 3]) -> bool {
    r > 110 && g < 80 && b < 80
}

fn is_arrow([r, g, b]: [u8; 3]) -> bool {
    r < 70 && g < 100 && b > 110
}

fn captured_sample() -> Place {
    let place = Place::new();
    assert_eq!(place.run(["sample", "sample.jpg"]).code, 0);
    let ran = place.capture(&["sample.jpg"], &["--name", "CANARYNAME"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    place
}

#[test]
fn what_where_and_when_and_nothing_else() {
    let place = captured_sample();
    let sheet = std::fs::read_to_string(place.archive().join("index.html")).unwrap();
    for text in
        ["Skin of heel, left", "14 March 2026, 09:26", "UTC+01:00", "alt=\"Skin of heel, left, 14 March 2026, 09:26\""]
    {
        assert!(sheet.contains(text), "{text}");
    }
    for text in ["CANARYNAME", "TEST-1", "DEMO", "<script", "http:", "https:", "javascript:"] {
        assert!(!sheet.contains(text), "{text}");
    }
    assert!(sheet.contains("content=\"default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'\""));
}

#[test]
fn a_browser_shows_the_photo_upright() {
    let place = captured_sample();
    for (width, height, dark) in [(1280, 900, false), (1280, 900, true), (500, 900, false)] {
        let Some(picture) = screenshot(&place, width, height, dark) else { return };
        let (wound, wound_x, wound_y) = find(&picture, is_wound);
        let (arrow, arrow_x, arrow_y) = find(&picture, is_arrow);
        assert!(wound > 2000 && arrow > 100, "{wound} pixels of wound, {arrow} of arrow");
        assert!(arrow_y < wound_y && arrow_x > wound_x, "the arrow is at the top right of an upright sample");
        let page = picture.get_pixel(width - 3, height - 3).0;
        assert!(page.iter().all(|c| (*c < 60) == dark), "{page:?}");
        // On a phone the card fills the page: nothing hangs over its edge.
        if width == 500 {
            let (_, width, _) = find(&picture, |_| true);
            assert!((wound_x - width).abs() < 30.0, "the photo is in the middle");
        }
    }
}
