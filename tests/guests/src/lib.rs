//! The guests are in `examples/`: one component each.
