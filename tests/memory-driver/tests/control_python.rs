//! A client in another language: the one of `docs/control.md`, as it stands there.

mod support;

use std::process::Command;

use support::Controlled;

const DOCUMENT: &str = include_str!("../../../docs/control.md");

#[test]
fn client_of_the_document_works() {
    let (_, code) = DOCUMENT.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let it = Controlled::ready("python", "mem0 --stats json");
    std::thread::sleep(std::time::Duration::from_millis(50));
    let mut python = Command::new("python3");
    let Ok(output) = python.args(["-I", "-c", code]).arg(&it.path).output() else {
        farend_effort::skip("python3 is not installed");
        it.stop();
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        said,
        "state serving\nmax-rate 250000\nreflected True\nepoch 1\n\
         org.farend.Control.NoSuchInterface {'known': ['mem0']}\n"
    );
    it.stop();
}
