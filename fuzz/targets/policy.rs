//! Policies: any text is read or refused in one line; and what is read is what the flags of the
//! same names say.

#![no_main]

use clap::Parser as _;
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use udping_host::config::cli::Cli;
use udping_host::config::policy::Policy;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data)
        && let Err(error) = Policy::parse(text)
    {
        assert_eq!(error.lines().count(), 1, "{error:?}");
    }
    if let Ok(settings) = Settings::arbitrary(&mut Unstructured::new(data)) {
        settings.check();
    }
});

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Texts, or numbers in their place.
    List,
    /// A text, or a number in its place.
    One,
    /// A number.
    Number,
}

/// Each key of a policy, and the flag that says the same.
const GRANTS: [(&str, &str, Kind); 11] = [
    ("allow-to", "--allow-to", Kind::List),
    ("allow-listen", "--allow-listen", Kind::List),
    ("allow-from", "--allow-from", Kind::List),
    ("allow-resolve", "--allow-resolve", Kind::List),
    ("deny-to", "--deny-to", Kind::List),
    ("answer-window", "--answer-window", Kind::One),
    ("amplification", "--amplification", Kind::One),
    ("dscp", "--dscp", Kind::One),
    ("ecn", "--ecn", Kind::One),
    ("mark", "--mark", Kind::One),
    ("wasi", "-S", Kind::List),
];
const LIMITS: [(&str, &str, Kind); 16] = [
    ("memory", "--limit-memory", Kind::One),
    ("time", "--limit-time", Kind::One),
    ("compute", "--limit-compute", Kind::One),
    ("sockets", "--limit-sockets", Kind::Number),
    ("handles", "--limit-handles", Kind::Number),
    ("call", "--limit-call", Kind::One),
    ("output", "--limit-output", Kind::One),
    ("output-total", "--limit-output-total", Kind::One),
    ("lookups", "--limit-lookups", Kind::Number),
    ("buffers", "--limit-buffers", Kind::One),
    ("send", "--limit-send", Kind::Number),
    ("send-bytes", "--limit-send-bytes", Kind::One),
    ("receive", "--limit-receive", Kind::Number),
    ("receive-bytes", "--limit-receive-bytes", Kind::One),
    ("source", "--limit-source", Kind::Number),
    ("source-prefix", "--limit-source-prefix", Kind::One),
];

/// What often stands in a policy: random texts alone would hardly ever be taken.
const WORDS: [&str; 21] = [
    "192.0.2.7:12000",
    "[2001:db8::]/32:1-9",
    "example.org:53",
    "*.example.org",
    "example.org",
    "12000",
    "127.0.0.1:12000",
    "10.0.0.0/8",
    "24,64",
    "inherit-network",
    "allow-ip-name-lookup",
    "0",
    "1",
    "1.5",
    "-1",
    "0s",
    "1m 30s",
    "500ms",
    "0B",
    "5 MiB",
    "1e3",
];

/// A policy, and flags that say the same.
#[derive(Debug)]
struct Settings {
    policy: String,
    flags: Vec<String>,
}

impl<'a> Arbitrary<'a> for Settings {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut settings = Self { policy: String::new(), flags: Vec::new() };
        for (table, keys) in [("grants", &GRANTS[..]), ("limits", &LIMITS[..])] {
            settings.policy += &format!("[{table}]\n");
            for (key, flag, kind) in keys {
                if input.ratio(1, 3)? {
                    settings.set(key, flag, *kind, input)?;
                }
            }
        }
        Ok(settings)
    }
}

impl Settings {
    fn set(
        &mut self,
        key: &str,
        flag: &str,
        kind: Kind,
        input: &mut Unstructured<'_>,
    ) -> arbitrary::Result<()> {
        let count = if kind == Kind::List { input.int_in_range(0..=2)? } else { 1 };
        let values: Vec<_> =
            (0..count).map(|_| Value::of(kind, flag, input)).collect::<Result<_, _>>()?;
        self.flags.extend(values.iter().map(|value| format!("{flag}={}", value.typed)));
        let written: Vec<_> = values.into_iter().map(|value| value.written).collect();
        let written = written.join(", ");
        self.policy += &if kind == Kind::List {
            format!("{key} = [{written}]\n")
        } else {
            format!("{key} = {written}\n")
        };
        Ok(())
    }

    fn check(self) {
        let line = ["udping-host".to_owned()]
            .into_iter()
            .chain(self.flags.clone())
            .chain(["run".to_owned(), "x".to_owned()]);
        match (Policy::parse(&self.policy), Cli::try_parse_from(line)) {
            (Ok(policy), Ok(cli)) => {
                assert_eq!(
                    (policy.grants, policy.limits),
                    (cli.flags.grants, cli.flags.limits),
                    "{self:?}"
                );
            }
            (Err(error), Err(_)) => assert_eq!(error.lines().count(), 1, "{error:?}"),
            (policy, cli) => {
                panic!("one takes it and the other does not: {self:#?}\n{policy:?}\n{cli:?}")
            }
        }
    }
}

/// A value, as it is typed after a flag and as it is written in a policy.
struct Value {
    typed: String,
    written: String,
}

impl Value {
    fn of(kind: Kind, flag: &str, input: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        // Their flag splits at commas, and takes no numbers.
        let is_option = flag == "-S";
        Ok(match input.int_in_range(0..=7_u8)? {
            _ if kind == Kind::Number => {
                Self::same(input.arbitrary::<i64>()? >> input.int_in_range(0..=63)?)
            }
            0 if !is_option => Self::same(i64::from(input.arbitrary::<i16>()?)),
            1 if !is_option => {
                let number: f64 = input.arbitrary()?;
                Self {
                    typed: number.to_string(),
                    written: format!("{number:?}").replace("NaN", "nan"),
                }
            }
            2 | 3 if !is_option => Self::text(input.arbitrary()?),
            _ => Self::text(input.choose(&WORDS)?),
        })
    }

    fn same(number: i64) -> Self {
        Self { typed: number.to_string(), written: number.to_string() }
    }

    fn text(text: &str) -> Self {
        let escaped: String = text.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect();
        Self { typed: text.to_owned(), written: format!("\"{escaped}\"") }
    }
}
