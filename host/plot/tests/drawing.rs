//! Figures and pages, from documents that are built here.

#![expect(clippy::unwrap_used, reason = "a test may well panic")]
#![expect(clippy::cast_possible_truncation, reason = "what a test counts is small")]

use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, SystemTime};

use roxmltree::Node;
use udping_plot::document::{
    Config, Document, Fate, Flow, Ping, Protocol, Schedule, Spread, Summary, Target, Text,
};
use udping_plot::{Drawing, UnknownExtension};

const MS: u64 = 1_000_000;

fn target(host: &str) -> Target {
    Target { host: text(host), address: Some(text("192.0.2.7:12000")), error: None }
}

fn text(text: &str) -> Text {
    Text::from(text.to_owned())
}

/// Pings to that number of targets in turn, 1 ms apart.
fn document(targets: u32, fates: impl IntoIterator<Item = Fate>) -> Document {
    let ping = |(index, fate)| Ping {
        at: index * MS,
        fate,
        target: (index % u64::from(targets)) as u32,
        source_port: 9,
        duplicates: 0,
    };
    let pings: Vec<_> = (0..).zip(fates).map(ping).collect();
    let summary =
        Summary { sent: pings.len() as u64, rtt: Some(Spread::default()), ..Summary::default() };
    Document {
        started: SystemTime::UNIX_EPOCH,
        config: Config {
            protocol: Protocol::Text,
            schedule: Schedule::Fixed,
            interval_ns: Duration::from_millis(1).into(),
            timeout_ns: Duration::from_secs(2).into(),
            count: None,
            burst: NonZeroU32::MIN,
            size_bytes: 32,
            deadline_ns: None,
            source_ports: 1,
            precise: false,
            keyed: false,
        },
        targets: (0..targets).map(|index| target(&format!("host-{index}.example"))).collect(),
        pings,
        flows: (0..targets)
            .map(|target| Flow { target, source_port: 9, summary: summary.clone() })
            .collect(),
        total: summary,
        is_complete: true,
    }
}

/// Round-trip times that vary between 1 and 2 ms.
fn replies() -> impl Iterator<Item = Fate> {
    (0..).map(|i: u64| Fate::Received { rtt: MS + i * 7919 % MS })
}

fn svg(document: &Document) -> String {
    Drawing::Svg.of(document).unwrap()
}

fn html(document: &Document) -> String {
    Drawing::Html.of(document).unwrap()
}

/// Counts the elements of that name that have all of these attributes.
fn count(svg: &str, name: &str, attributes: &[(&str, &str)]) -> usize {
    let tree = roxmltree::Document::parse(svg).unwrap();
    let is = |node: &Node<'_, '_>| {
        node.has_tag_name(name)
            && attributes.iter().all(|(key, value)| node.attribute(*key) == Some(value))
    };
    tree.descendants().filter(is).count()
}

/// The texts in the SVG.
fn texts(svg: &str) -> Vec<String> {
    let tree = roxmltree::Document::parse(svg).unwrap();
    tree.descendants()
        .filter(|node| node.has_tag_name("text"))
        .map(|node| node.text().unwrap().trim().to_owned())
        .collect()
}

fn says(svg: &str, text: &str) -> bool {
    texts(svg).iter().any(|written| written == text)
}

const FIRST: &str = "#0072B2";
const SECOND: &str = "#D55E00";

#[test]
fn of_ten_pings_each_is_a_dot() {
    let svg = svg(&document(1, replies().take(10)));
    // And one in the key.
    assert_eq!(count(&svg, "circle", &[("fill", FIRST)]), 11);
    assert!(texts(&svg).iter().any(|text| text.contains("10 pings, one every 1ms")));
}

#[test]
fn what_befell_a_ping_is_marked() {
    let mut document = document(1, replies().take(10));
    document.pings[2].fate = Fate::Lost;
    document.pings[3].fate = Fate::Lost;
    document.pings[4].fate = Fate::Late { rtt: 2000 * MS };
    document.pings[5].duplicates = 1;
    document.pings[6].fate = Fate::NotSent;
    let svg = svg(&document);
    for (mishap, colour, marks) in [
        ("lost", SECOND, 2),
        ("late", "#E69F00", 1),
        ("duplicated", "#CC79A7", 1),
        ("not sent", "#882255", 1),
    ] {
        assert!(says(&svg, mishap) && says(&svg, &marks.to_string()), "{mishap}");
        assert_eq!(count(&svg, "rect", &[("fill", colour)]), marks, "{mishap}");
    }
    // One for each ping, and one in the key.
    assert_eq!(count(&svg, "polygon", &[("fill", "#E69F00")]), 2, "triangles");
    assert_eq!(count(&svg, "circle", &[("stroke", "#CC79A7"), ("fill", "none")]), 2, "rings");
    assert!(!says(&svg, "awaited"));
}

#[test]
fn million_pings_make_a_small_svg_with_a_gap_for_lost_ones() {
    let mut document = document(1, replies().take(1_000_000));
    document.pings[400_000..450_000].iter_mut().for_each(|ping| ping.fate = Fate::Lost);
    let svg = svg(&document);
    assert!(svg.len() < 300_000, "{} bytes", svg.len());
    assert!(html(&document).len() < 300_000);
    // A band and its key; the bars of the histogram are more opaque.
    assert_eq!(count(&svg, "polygon", &[("fill", FIRST), ("opacity", "0.35")]), 2);
    assert_eq!(count(&svg, "circle", &[]), 0);
    assert!(says(&svg, "to 100.0 %"), "{:?}", texts(&svg));
}

#[test]
fn the_worst_of_a_million_pings_is_a_small_figure_too() {
    let fates = (0..1_000_000_u64).map(|i| match i % 5 {
        0 => Fate::Lost,
        1 => Fate::Late { rtt: 3000 * MS },
        2 => Fate::NotSent,
        _ => Fate::Received { rtt: 1000 + i * i % (100 * MS) },
    });
    let mut document = document(8, fates);
    document.pings.iter_mut().for_each(|ping| ping.duplicates = 1);
    let size = svg(&document).len();
    assert!(size < 1_000_000, "{size} bytes");
}

#[test]
fn one_lost_ping_among_a_million_can_be_seen() {
    let mut document = document(1, replies().take(1_000_000));
    document.pings[400_000..450_000].iter_mut().for_each(|ping| ping.fate = Fate::Lost);
    document.pings[900_000].fate = Fate::Lost;
    let svg = svg(&document);
    let tree = roxmltree::Document::parse(&svg).unwrap();
    let shapes = tree
        .descendants()
        .filter(|node| node.has_tag_name("polygon") && node.attribute("fill") == Some(SECOND));
    let height = |node: Node<'_, '_>| {
        let ys = node
            .attribute("points")
            .unwrap()
            .split_whitespace()
            .map(|point| point.split_once(',').unwrap().1);
        let ys: Vec<i32> = ys.map(|y| y.parse().unwrap()).collect();
        ys.iter().max().unwrap() - ys.iter().min().unwrap()
    };
    assert_eq!(shapes.map(height).collect::<Vec<_>>(), [33, 3]);
}

#[test]
fn targets_are_told_apart_by_colour_and_mark() {
    let few = svg(&document(8, replies().take(80)));
    assert_eq!(count(&few, "rect", &[("fill", "#777777")]), 1);
    assert_eq!(count(&few, "circle", &[("fill", "#777777")]), 10);
    assert!(says(&few, "host-7.example (192.0.2.7:12000)"));
    // Squares, diamonds and crosses in the same colours.
    let many = svg(&document(32, replies().take(320)));
    assert_eq!(count(&many, "circle", &[("fill", FIRST)]), 10);
    // Ten pings each, and a sample in the legend.
    assert_eq!(count(&many, "rect", &[("fill", FIRST)]), 1 + 10 + 1);
    let diamonds = |svg: &str| {
        let tree = roxmltree::Document::parse(svg).unwrap();
        let polygons = tree.descendants().filter(|node| node.has_tag_name("polygon"));
        let points = polygons.filter(|node| node.attribute("fill") == Some(FIRST));
        points
            .filter(|node| node.attribute("points").unwrap().split_whitespace().count() == 4)
            .count()
    };
    assert!(diamonds(&many) > 10, "{}", diamonds(&many));
    assert!(says(&many, "host-31.example (192.0.2.7:12000)"));
}

#[test]
fn of_very_many_targets_those_that_lose_most_are_told_apart() {
    let mut document = document(200, replies().take(2000));
    // Target 150 loses 3 of its 10 pings, 7 loses 2, 199 loses 1.
    for (target, lost) in [(150, 3), (7, 2), (199, 1)] {
        for ping in document.pings.iter_mut().filter(|ping| ping.target == target).take(lost) {
            ping.fate = Fate::Lost;
        }
    }
    let svg = svg(&document);
    let texts = texts(&svg);
    let place = |text: &str| texts.iter().position(|found| found == text);
    let names = [150, 7, 199, 0].map(|host| format!("host-{host}.example (192.0.2.7:12000)"));
    let places: Vec<_> = names.iter().map(|name| place(name).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(place("30.0 % lost") < place("20.0 % lost") && place("20.0 % lost").is_some());
    assert!(place("169 other targets, with no more loss").is_some(), "{texts:?}");
    assert_eq!(count(&svg, "circle", &[("fill", "#B4B4B4")]), 1690);
}

#[test]
fn many_noisy_targets_make_a_small_figure_with_dashes() {
    let noise = (0..).map(|i: u64| Fate::Received { rtt: 1000 + i * i * 7919 % (900 * MS) });
    let svg = svg(&document(200, noise.take(100_000)));
    assert!(svg.len() < 500_000, "{} bytes", svg.len());
    for dashes in ["6 3", "2 3", "14 5"] {
        // In the legend, over time, and in the histogram.
        assert!(count(&svg, "polyline", &[("stroke-dasharray", dashes)]) > 16, "{dashes}");
    }
    let tree = roxmltree::Document::parse(&svg).unwrap();
    let widths = tree.descendants().filter_map(|node| node.attribute("stroke-width"));
    assert!(widths.map(|width| width.parse::<u32>().unwrap()).all(|width| width <= 2));
}

#[test]
fn of_many_targets_each_has_a_row_for_its_losses() {
    // 500 pings to each: target 9 loses 20 in a row, which fill some columns, target 3 a single one.
    let mut document = document(40, replies().take(40 * 500));
    for ping in document.pings.iter_mut().filter(|ping| ping.target == 9).skip(100).take(20) {
        ping.fate = Fate::Lost;
    }
    let mut others = document.pings.iter_mut().filter(|ping| ping.target == 3).skip(200);
    others.next().unwrap().fate = Fate::Lost;
    let svg = svg(&document);
    assert!(says(&svg, "lost") && says(&svg, "to 100.0 %"), "{:?}", texts(&svg));
    let tree = roxmltree::Document::parse(&svg).unwrap();
    let rows = |colour: &str| -> Vec<(i32, f64)> {
        let shapes = tree.descendants().filter(|node| node.has_tag_name("rect"));
        let of = shapes.filter(|node| node.attribute("fill") == Some(colour));
        let thin = of.filter(|node| node.attribute("height") == Some("4"));
        let place = |node: Node<'_, '_>| {
            let number = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
            (number("y") as i32, number("opacity"))
        };
        thin.map(place).collect()
    };
    // The first row, in the first colour, is that of the target with the most loss.
    let first = rows(FIRST);
    assert!(first.iter().any(|(y, opacity)| *y == first[0].0 && *opacity > 0.99), "{first:?}");
    let [(second, opacity)] = rows(SECOND).try_into().unwrap();
    assert_eq!(second - first[0].0, 4);
    assert!(opacity < 0.6, "{opacity}");
}

#[test]
fn rows_are_in_the_order_of_loss() {
    let mut document = document(3, replies().take(30));
    document.flows[1].summary.loss_ratio = 0.5;
    document.flows[2].summary.loss_ratio = 0.9;
    let html = html(&document);
    let place = |host: u32| html.find(&format!("<tr><th scope=\"row\">host-{host}.")).unwrap();
    assert!(place(2) < place(1) && place(1) < place(0));
    assert!(html.contains("Summary, by loss"));
}

#[test]
fn the_axis_has_the_time_of_day_in_utc() {
    let mut document = document(1, replies().take(10));
    // 2026-11-24T00:20:11Z.
    document.started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_479_611);
    let svg = svg(&document);
    assert!(says(&svg, "time in UTC; the run began at 2026-11-24 00:20:11"), "{:?}", texts(&svg));
    assert!(says(&svg, "00:20:11.002") && says(&svg, "00:20:11.008"), "{:?}", texts(&svg));
    // An hour and a half.
    document.pings.iter_mut().for_each(|ping| ping.at *= 600_000);
    assert!(["00:30", "01:00", "01:30"].iter().all(|time| says(&self::svg(&document), time)));
}

#[test]
fn marks_of_a_page_have_tooltips() {
    let mut few = document(2, replies().take(10));
    few.pings[3].fate = Fate::Lost;
    few.pings[4].fate = Fate::Late { rtt: 2000 * MS };
    few.pings[5].duplicates = 2;
    let html = html(&few);
    for tooltip in [
        "host-1.example (192.0.2.7:12000)\n00:00:00.001 UTC: 1.008 ms",
        "host-1.example (192.0.2.7:12000)\n00:00:00.003 UTC: lost",
        "host-0.example (192.0.2.7:12000)\n00:00:00.004 UTC: late: 2,000 ms",
        "host-1.example (192.0.2.7:12000)\n00:00:00.005 UTC: 1.040 ms, 2 duplicates",
    ] {
        assert!(html.contains(&format!("<title>{tooltip}</title>")), "{tooltip}\n{html}");
    }
    assert!(!svg(&few).contains("UTC: lost"));
    // Of many, a part of the run has one: 50 pings of each target, two of which are lost.
    let mut many = document(2, replies().take(20_000));
    many.pings[1].fate = Fate::Lost;
    many.pings[3].fate = Fate::Lost;
    let html = self::html(&many);
    let start = html.find("<title>00:00:00.000 to 00:00:00.099 UTC\n").unwrap();
    let text: Vec<_> = html[start..].split("</title>").next().unwrap().lines().skip(1).collect();
    let [lossy, other] = text.as_slice() else { panic!("{text:?}") };
    assert!(lossy.starts_with("host-1.example (192.0.2.7:12000): median 1."), "{lossy}");
    assert!(lossy.ends_with(", 2 of 50 lost"), "{lossy}");
    assert!(other.starts_with("host-0.example") && other.ends_with(')'), "{other}");
}

#[test]
fn a_run_that_was_killed_says_so() {
    let mut document = document(1, replies().take(10));
    document.is_complete = false;
    let text = "incomplete: the run did not come to its end";
    assert!(texts(&svg(&document)).iter().any(|found| found.ends_with(text)));
    assert!(html(&document).contains(text));
}

#[test]
fn a_small_figure_is_as_it_was() {
    let mut document = document(3, replies().take(9));
    document.pings[4].fate = Fate::Lost;
    insta::assert_snapshot!(svg(&document));
}

#[test]
fn without_a_reply_the_figure_says_so() {
    let lost = svg(&document(1, [Fate::Lost; 10]));
    assert!(says(&lost, "no reply came in time") && !says(&lost, "Histogram of round-trip times"));
    assert_eq!(count(&lost, "rect", &[("fill", SECOND)]), 10);
    let none = svg(&document(1, []));
    assert!(says(&none, "no ping was sent"));
}

#[test]
fn one_ping_is_a_dot_and_a_bar() {
    let svg = svg(&document(1, replies().take(1)));
    assert_eq!(count(&svg, "circle", &[("fill", FIRST)]), 2);
    assert_eq!(count(&svg, "polygon", &[("fill", FIRST)]), 1);
}

#[test]
fn the_axis_of_times_says_how_it_is_divided() {
    let spread = |rtts: [u64; 3]| svg(&document(1, rtts.map(|rtt| Fate::Received { rtt })));
    assert!(says(&spread([MS, 2 * MS, 3 * MS]), "RTT, ms"));
    assert!(says(&spread([30_000, 40_000, 50_000]), "RTT, us"));
    assert!(says(&spread([20 * MS, 21 * MS, 22 * MS]), "RTT, ms (not from 0)"));
    // The label of the RTT axis over time; the histogram always has it.
    let logarithmic =
        |svg: &str| texts(svg).iter().filter(|text| *text == "RTT, ms (log scale)").count();
    assert_eq!(logarithmic(&spread([MS, 2 * MS, 200 * MS])), 2);
    assert_eq!(logarithmic(&spread([MS, 2 * MS, 3 * MS])), 1);
}

#[test]
fn nothing_is_outside_the_picture() {
    let strange = [0, 1, u64::MAX, 17].map(|rtt| Fate::Received { rtt });
    let mut endless = document(1, strange);
    endless.pings[3].at = u64::MAX;
    endless.targets[0] = target(&"long.".repeat(100));
    for document in [endless, document(20, replies().take(100)), document(3, replies().take(9000))]
    {
        let svg = svg(&document);
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let size = |name| tree.root_element().attribute(name).unwrap().parse::<f64>().unwrap();
        let (width, height) = (size("width"), size("height"));
        for node in tree.descendants() {
            for (names, end) in
                [(["x", "x1", "x2", "cx"], width), (["y", "y1", "y2", "cy"], height)]
            {
                for place in names.into_iter().filter_map(|name| node.attribute(name)) {
                    assert!((0.0..=end).contains(&place.parse().unwrap()), "{node:?}");
                }
            }
            for point in node.attribute("points").unwrap_or_default().split_whitespace() {
                let (x, y) = point.split_once(',').unwrap();
                assert!(
                    (0.0..=width).contains(&x.parse().unwrap())
                        && (0.0..=height).contains(&y.parse().unwrap()),
                    "{point}"
                );
            }
        }
        assert!(texts(&svg).iter().all(|text| text.len() < 160));
    }
}

#[test]
fn names_are_text_and_never_markup() {
    let name = "<script>alert('1')</script>&amp;\0";
    let mut document = document(2, replies().take(10));
    document.targets[0] = target(name);
    document.targets[1] = Target { host: text("<b>"), address: None, error: Some(text("<i>")) };
    let (svg, html) = (svg(&document), html(&document));
    assert!(
        texts(&svg).iter().any(|text| text.contains("<script>alert('1')</script>&amp;\u{fffd}")),
        "{:?}",
        texts(&svg)
    );
    for markup in ["<script", "<b>", "<i>", "\0"] {
        assert!(!svg.contains(markup) && !html.contains(markup), "{markup}");
    }
    assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;"));
    document.targets.truncate(1);
    document.flows.truncate(1);
    document.pings.iter_mut().for_each(|ping| ping.target = 0);
    assert!(Drawing::Svg.of(&document).unwrap().contains("<title>udping: &lt;script&gt;"));
}

#[test]
fn html_page_is_self_contained_and_has_a_row_per_flow() {
    let html = html(&document(30, replies().take(90)));
    let elsewhere = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for needs in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!elsewhere.contains(needs), "{needs}");
    }
    assert_eq!(html.matches("<tr><th scope=\"row\">").count(), 31);
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("<svg"));
}

#[test]
fn a_figure_has_some_rows_and_says_where_the_others_are() {
    let svg = svg(&document(30, replies().take(90)));
    assert!(says(&svg, "... and 7 more rows, which an HTML page has"), "{:?}", texts(&svg));
}

#[test]
fn a_file_is_what_its_extension_says() {
    for (path, drawing) in [
        ("a/rtt.svg", Ok(Drawing::Svg)),
        ("rtt.html", Ok(Drawing::Html)),
        ("rtt.png", Err(UnknownExtension)),
        ("svg", Err(UnknownExtension)),
    ] {
        assert_eq!(Drawing::by_extension(Path::new(path)), drawing, "{path}");
    }
}
