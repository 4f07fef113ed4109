//! Canonical requests beside a slow textbook: two are the same by their text exactly if
//! they are by their meaning.

use std::collections::BTreeMap;

use farend_http::{
    Origin, Scheme,
    canonical::{self, Request, Rules},
    parse_request,
};
use proptest::prelude::*;
use serde_json::Value;

/// What a request means, in standard types.
#[derive(Debug, PartialEq)]
struct Meaning {
    method: String,
    path: String,
    query: BTreeMap<String, Vec<String>>,
    range: Vec<String>,
    body: Body,
}

#[derive(Debug, PartialEq)]
enum Body {
    Json(Value),
    Form(BTreeMap<String, Vec<String>>),
    Raw(String),
}

#[derive(Clone, Debug)]
struct Case {
    method: &'static str,
    path: String,
    fields: String,
    body: String,
}

fn pairs(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    all
}

fn meaning(case: &Case) -> Meaning {
    let (path, query) = case.path.split_once('?').unwrap_or((&case.path, ""));
    let is = |kind: &str| case.fields.to_lowercase().contains(kind);
    let json = serde_json::from_str(&case.body).ok().filter(|_| is("json"));
    let body = match json {
        Some(value) => Body::Json(value),
        None if is("form") => Body::Form(pairs(&case.body)),
        None => Body::Raw(case.body.clone()),
    };
    let lines = case.fields.lines().filter(|line| line.to_lowercase().starts_with("range:"));
    let range = lines.map(|line| line[6..].trim().to_owned()).collect();
    let path = path.to_owned();
    Meaning { method: case.method.to_owned(), path, query: pairs(query), range, body }
}

fn text(case: &Case) -> (Vec<u8>, u64) {
    let wire = format!("{} {} HTTP/1.1\r\nHost: a\r\n{}\r\n", case.method, case.path, case.fields);
    let head = parse_request(wire.as_bytes()).unwrap().unwrap();
    let origin = Origin::parse(Scheme::Http, b"A.example:80").unwrap();
    let request = Request {
        method: head.method,
        origin: &origin,
        path: head.target,
        fields: head.fields,
        body: case.body.as_bytes(),
    };
    let mut text = Vec::new();
    canonical::write(&request, &Rules::default(), &mut text);
    (text, canonical::exact_key(&request, &Rules::default()))
}

fn case() -> impl Strategy<Value = Case> {
    let query = prop_oneof![
        Just(String::new()),
        proptest::collection::vec("[ab]=[12]", 1..4)
            .prop_map(|pairs| format!("?{}", pairs.join("&")))
    ];
    let body = prop_oneof![
        Just(String::new()),
        "\\{\"[ab]\": ?[12](,\"[ab]\":[12])?\\}",
        "\\[[12](, [12])?\\]",
        "[ab]=[12](&[ab]=[12])?",
    ];
    let kind = prop_oneof![
        Just("Content-Type: application/json\r\n"),
        Just("content-type: application/JSON; charset=utf-8\r\n"),
        Just("Content-Type: application/x-www-form-urlencoded\r\n"),
        Just("Content-Type: text/plain\r\n"),
        Just("Range: bytes=0-1\r\nX-Other: 1\r\n"),
        Just("X-Other: 2\r\n"),
    ];
    (prop_oneof![Just("GET"), Just("POST")], "/[ab]", query, kind, body).prop_map(
        |(method, path, query, fields, body)| Case {
            method,
            path: path + &query,
            fields: fields.to_owned(),
            body,
        },
    )
}

/// JSON objects with one name twice mean something else to each reader.
fn is_doubtful(case: &Case) -> bool {
    ["\"a\"", "\"b\""].iter().any(|name| case.body.matches(name).count() > 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn two_requests_are_the_same_exactly_if_they_mean_the_same(one in case(), other in case()) {
        if is_doubtful(&one) || is_doubtful(&other) {
            return Ok(());
        }
        let (means, looks) = (meaning(&one) == meaning(&other), text(&one).0 == text(&other).0);
        prop_assert_eq!(means, looks, "{:?} {:?}", one, other);
        if text(&one).1 == text(&other).1 {
            prop_assert_eq!((one.method, &one.path, &one.body), (other.method, &other.path, &other.body));
        }
    }
}

#[test]
fn order_of_names_does_not_matter_but_of_values_does() {
    let case = |path: &str| {
        text(&Case { method: "GET", path: path.into(), fields: String::new(), body: String::new() })
            .0
    };
    assert_eq!(case("/x?b=1&a=2&a=3"), case("/x?a=2&b=1&a=3"));
    assert_ne!(case("/x?a=2&a=3"), case("/x?a=3&a=2"));
    assert_eq!(case("/%7euser/%e4"), case("/~user/%E4"));
    assert_ne!(case("/a%2Fb"), case("/a/b"));
}

#[test]
fn boundary_of_multipart_does_not_matter() {
    let case = |mark: &str, value: &str| {
        text(&Case {
            method: "POST",
            path: "/".into(),
            fields: format!("Content-Type: multipart/form-data; boundary={mark}\r\n"),
            body: format!("--{mark}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{value}\r\n--{mark}--\r\n"),
        })
        .0
    };
    assert_eq!(case("abc", "1"), case("---xyz", "1"));
    assert_ne!(case("abc", "1"), case("abc", "2"));
}
