//! The macro that makes everything of a declaration.

/// Declares a set of options.
///
/// Each option is `field("name", "VALUE", "default in words", heading,
/// Live|Restart): Kind = default;`, where the comment before it is its help
/// and [`Kind`](crate::options::Kind) is one of
/// [`One`](crate::options::One), [`Maybe`](crate::options::Maybe),
/// [`List`](crate::options::List) and [`Flag`](crate::options::Flag). A set may
/// include others, each in a field of its own.
///
/// ```
/// use farend_driver::{options, options::{One, Options}, values::Rate};
///
/// options! {
///     /// Options of a driver.
///     pub struct Own, OwnChoices, OwnSettings;
///     include {}
///     /// Frames a second
///     pace("pace", "FPS", "100", "Pace", Live): One<Rate> = Rate(100);
/// }
///
/// let settings = Own::settle(OwnChoices { pace: Some(Rate(7)) });
/// assert_eq!(Own::to_toml(&settings), ["pace = 7"]);
/// ```
#[macro_export]
macro_rules! options {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $Options:ident, $Choices:ident, $Settings:ident;
        include { $($inner:ident: $Inner:ty),* }
        $(
            $(#[doc = $help:literal])+
            $field:ident(
                $name:literal, $value:literal, $default_text:literal, $heading:expr, $change:ident
                $(, $extra:ident = $extra_value:literal)*
            ): $Kind:ty = $default:expr;
        )*
    ) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        $vis struct $Options;

        #[doc = concat!("What one source says of [`", stringify!($Options), "`]; `None` is what it does not speak of.")]
        #[derive(Clone, PartialEq, Debug, Default)]
        $vis struct $Choices {
            $(
                #[doc = concat!("[`", stringify!($Inner), "`]")]
                pub $inner: <$Inner as $crate::options::Options>::Choices,
            )*
            $(
                #[doc = concat!("What `--", $name, "` says.")]
                pub $field: Option<<$Kind as $crate::options::Kind>::Given>,
            )*
        }

        #[doc = concat!("[`", stringify!($Options), "`], settled.")]
        #[derive(Clone, PartialEq, Debug)]
        $vis struct $Settings {
            $(
                #[doc = concat!("[`", stringify!($Inner), "`]")]
                pub $inner: <$Inner as $crate::options::Options>::Settings,
            )*
            $(
                #[doc = concat!("The value of `--", $name, "`.")]
                pub $field: <$Kind as $crate::options::Kind>::Settled,
            )*
        }

        impl Default for $Settings {
            fn default() -> Self {
                <$Options as $crate::options::Options>::settle($Choices::default())
            }
        }

        #[allow(unused_mut, unused_variables, reason = "a set may be empty")]
        const _: () = {
            use $crate::options::{Change, Declared, Entry, Fault, Json, Kind, Options};

            $(
                #[allow(non_upper_case_globals, reason = "named as its field")]
                const $field: Declared = Declared {
                    $($extra: Some($extra_value),)*
                    ..Declared::new(
                        $name, $value, $default_text, $heading, Change::$change,
                        concat!($($help),+),
                    )
                };
            )*

            impl Options for $Options {
                type Choices = $Choices;
                type Settings = $Settings;

                fn declared() -> Vec<Declared> {
                    let mut all = vec![$($field),*];
                    $(all.extend(<$Inner as Options>::declared());)*
                    all
                }

                fn arguments(command: $crate::clap::Command) -> $crate::clap::Command {
                    $(let command = command.args(<$Kind as Kind>::arguments(&$field));)*
                    $(let command = <$Inner as Options>::arguments(command);)*
                    command
                }

                fn from_matches(matches: &$crate::clap::ArgMatches) -> $Choices {
                    $Choices {
                        $($field: <$Kind as Kind>::from_matches(matches, $name),)*
                        $($inner: <$Inner as Options>::from_matches(matches),)*
                    }
                }

                fn read(choices: &mut $Choices, entry: &Entry) -> Option<Result<(), Fault>> {
                    match entry.key() {
                        $($name => Some(
                            <$Kind as Kind>::read(entry).map(|value| choices.$field = Some(value)),
                        ),)*
                        _ => {
                            $(if let Some(read) =
                                <$Inner as Options>::read(&mut choices.$inner, entry)
                            {
                                return Some(read);
                            })*
                            None
                        }
                    }
                }

                fn over(upper: $Choices, lower: $Choices) -> $Choices {
                    $Choices {
                        $($field: upper.$field.or(lower.$field),)*
                        $($inner: <$Inner as Options>::over(upper.$inner, lower.$inner),)*
                    }
                }

                fn settle(choices: $Choices) -> $Settings {
                    $Settings {
                        $($field: <$Kind as Kind>::settle(choices.$field, $default),)*
                        $($inner: <$Inner as Options>::settle(choices.$inner),)*
                    }
                }

                fn to_toml(settings: &$Settings) -> Vec<String> {
                    let mut lines = vec![
                        $(<$Kind as Kind>::to_toml(&$field, &settings.$field)),*
                    ];
                    $(lines.extend(<$Inner as Options>::to_toml(&settings.$inner));)*
                    lines
                }

                fn given(choices: &$Choices) -> Vec<&'static str> {
                    let mut given = Vec::new();
                    $(given.extend(choices.$field.is_some().then_some($name));)*
                    $(given.extend(<$Inner as Options>::given(&choices.$inner));)*
                    given
                }

                fn retain(choices: &mut $Choices, is_kept: &dyn Fn(&str) -> bool) {
                    $(choices.$field = choices.$field.take().filter(|_| is_kept($name));)*
                    $(<$Inner as Options>::retain(&mut choices.$inner, is_kept);)*
                }

                fn to_json(settings: &$Settings) -> Vec<(&'static str, Json)> {
                    let mut values = vec![
                        $(($name, <$Kind as Kind>::to_json(&settings.$field))),*
                    ];
                    $(values.extend(<$Inner as Options>::to_json(&settings.$inner));)*
                    values
                }

                fn changed(before: &$Settings, after: &$Settings) -> Vec<Declared> {
                    let mut changed = Vec::new();
                    $(if before.$field != after.$field {
                        changed.push($field);
                    })*
                    $(changed.extend(
                        <$Inner as Options>::changed(&before.$inner, &after.$inner),
                    );)*
                    changed
                }

                fn reloaded(running: &$Settings, wanted: &$Settings) -> $Settings {
                    let of = |change| match change {
                        Change::Live => wanted,
                        Change::Restart => running,
                    };
                    $Settings {
                        $($field: of($field.change).$field.clone(),)*
                        $($inner: <$Inner as Options>::reloaded(&running.$inner, &wanted.$inner),)*
                    }
                }
            }
        };
    };
}
