//! A browser without a window: Chromium by its `DevTools` protocol, over pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::{env, thread};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::{PATIENCE, installed, until};

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    last: u64,
    session: Option<String>,
    /// What came that answers nothing.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Browser {
    /// Starts one; `None` if none is installed, which the test then reports.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let program = installed("chromium-headless-shell").or_else(|| installed("chromium"));
        let Some(program) = program else {
            eprintln!("not tested: chromium is not installed (make peers)");
            assert!(env::var_os("UDPING_ALL_PEERS").is_none(), "CI has every peer");
            return None;
        };
        let profile =
            tempfile::Builder::new().prefix("udping-browser").tempdir().expect("a folder");
        // It reads requests from descriptor 3, and answers on 4.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut process = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .args(["--headless", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run"])
            // It speaks with nobody but this machine.
            .args(["--disable-background-networking", "--disable-component-update"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            // Letters without coloured edges: pictures are the same on any screen, and smaller.
            .arg("--disable-lcd-text")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let requests = process.stdin.take().expect("a pipe");
        let mut answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let sent = serde_json::from_slice(&message).ok().map(|value| sender.send(value));
                if !matches!(sent, Some(Ok(()))) {
                    break;
                }
                message.clear();
            }
        });
        let events = Vec::new();
        let mut browser =
            Self { process, requests, messages, last: 0, session: None, events, _profile: profile };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &target);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Calls a method of the protocol, and returns its result.
    ///
    /// # Panics
    ///
    /// If it fails, or takes too long.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut request = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&request).expect("JSON");
        bytes.push(0);
        self.requests.write_all(&bytes).expect("the browser runs");
        loop {
            let mut message = self.messages.recv_timeout(PATIENCE).expect("an answer");
            if message["id"] == self.last {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    /// Opens a page.
    #[track_caller]
    pub fn open(&mut self, address: &str) {
        self.call("Page.navigate", &json!({ "url": address }));
    }

    /// Sets the width and height of the page in pixels, and the preferred colours, light or dark.
    #[track_caller]
    pub fn look(&mut self, (width, height): (u32, u32), colours: &str) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([{ "name": "prefers-color-scheme", "value": colours }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// The value of an expression in the page.
    ///
    /// # Panics
    ///
    /// If it throws.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", &parameters);
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].take()
    }

    /// The text of the first element that a selector matches; empty if there is none.
    #[track_caller]
    pub fn text(&mut self, selector: &str) -> String {
        let value = self.value(&format!("document.querySelector({selector:?})?.textContent ?? ''"));
        value.as_str().expect("text").to_owned()
    }

    /// Waits until an expression in the page is true.
    #[track_caller]
    pub fn until(&mut self, expression: &str) {
        until(|| (self.value(expression) == true).then_some(()));
    }

    /// Presses and releases a key, by its name in the DOM.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "ArrowLeft" => (37, ""),
            "ArrowDown" => (40, ""),
            _ => panic!("no code of {key}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if !text.is_empty() && kind == "keyDown" {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// A picture of the page, as PNG.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn picture(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        BASE64_STANDARD.decode(picture["data"].as_str().expect("base64")).expect("base64")
    }

    /// The errors that the page has caused so far: exceptions, and what the console and the log have,
    /// such as what the content security policy has blocked.
    #[track_caller]
    pub fn errors(&mut self) -> Vec<String> {
        // What was said before is there, once this is answered.
        self.value("0");
        let is_error = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(is_error).map(Value::to_string).collect()
    }
}
