"""The benchmarks that ask for an object's class: zero-shot, number of views, few-shot and retrieval."""
