"""What our server costs beside a byte relay and LiteLLM: the same work, in one run. See docs/performance.md.

    python -m benchmarks.overhead [--with-litellm] [--json] [--check]

Every part is a process of its own: the mock model server (`mock`), the target (`targets`) and the load (`load`, in the
process that measures). CPU time is the target's alone, so the figures hold on a busy machine, too.
"""
