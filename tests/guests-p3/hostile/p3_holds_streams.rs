//! Opens streams, and never closes them.

use udping_wasi::cli::arguments;
use udping_wasi::input::Input;
use udping_wasi::output::Output;

async fn main() {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    loop {
        if arguments()[1] == "in" {
            inputs.push(Input::stdin());
        } else {
            outputs.push(Output::stdout());
        }
    }
}

udping_test_guests_p3::guest!(main);
